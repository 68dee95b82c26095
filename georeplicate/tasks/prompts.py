"""What a model is told: templates of the paper's questions and of supervised answers. `tasks.answers` reads replies.

``pairing`` (one street panorama and k lettered aerial tiles), ``geolocation`` (country and city of a photo), each with
and without thinking; ``chain_of_thought`` and ``jsonl_row`` (a supervised record); ``ask_for_chain_of_thought`` (what a
teacher is told). The wording is ours, because the paper publishes none; what is taken over is the scheme of the
official code: one user turn, no system prompt, all images before the text, so that a letter belongs to an image by
order alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from georeplicate.tasks.answers import LETTERS, Choice, Malformed, Place, parse_choice, parse_place

# Whoever words a question wants to read its answer: the parsers are at hand here, too.
__all__ = [
    "LETTERS",
    "Choice",
    "Malformed",
    "Place",
    "ask_for_chain_of_thought",
    "chain_of_thought",
    "geolocation",
    "jsonl_row",
    "messages",
    "pairing",
    "parse_choice",
    "parse_place",
    "place_answer",
    "reply",
]

THINK_FIRST = "First think step by step inside <think> </think>, then give {what} inside <answer> </answer>."
ANSWER_ONLY = "Do not explain. Give only {what}, inside <answer> </answer>."

PAIRING = (
    "The first image is a panorama taken on the ground, with north at its centre. The next {k} images are aerial views "
    "with north up: {letters}, in this order. One of them shows the place where the panorama was taken, the others lie "
    "nearby. Which one is it?"
)
GEOLOCATION = (
    "Where was this photo taken? Name the country and the city, on two lines of this form:\n"
    "country: [country name]\n"
    "city: [city name]"
)

# The four steps of the paper's single reasoning template, in order (secondary source: notes on the second version).
CHAIN_OF_THOUGHT_STEPS = {
    "cues": "What can be seen",
    "evidence": "What the view from the other side would show",
    "knowledge": "What geography says about it",
    "conclusion": "So",
}


def _ask(question: str, what: str, thinking: bool) -> str:
    return f"{question}\n{(THINK_FIRST if thinking else ANSWER_ONLY).format(what=what)}"


def pairing(k: int = 5, thinking: bool = True) -> str:
    """The cross-view question for one panorama and ``k`` aerial tiles (2 <= k <= 26), sent after the k + 1 images.

    k is not published; 5 is our reading of the base model's 19 %, which the paper calls nearly random.
    """
    if not 2 <= k <= len(LETTERS):
        raise ValueError(f"k is the number of aerial views and must lie between 2 and {len(LETTERS)}, got {k}")
    letters = ", ".join(f"image {letter}" for letter in LETTERS[:k])
    return _ask(PAIRING.format(k=k, letters=letters), "the letter of that image", thinking)


def geolocation(thinking: bool = True) -> str:
    """The question for one photo: country and city, in the two-line form that GLOBE's test set uses too."""
    return _ask(GEOLOCATION, "these two lines", thinking)


def messages(question: str, images: int) -> list[dict]:
    """One user turn for a chat template: ``images`` image slots first, then the text."""
    slots = [{"type": "image"} for _ in range(images)]
    return [{"role": "user", "content": [*slots, {"type": "text", "text": question}]}]


def reply(answer: str, thinking: str | None = None) -> str:
    """A completion in the required format; without ``thinking`` the answer block alone."""
    block = f"<answer>{answer}</answer>"
    return block if thinking is None else f"<think>{thinking}</think>\n{block}"


def place_answer(country: str, city: str = "") -> str:
    """The two lines of a geolocation answer; the city line is left out when there is none."""
    return f"country: {country}" + (f"\ncity: {city}" if city else "")


def four_steps(cues: str, evidence: str, knowledge: str, conclusion: str) -> str:
    """Reasoning in the paper's template: one paragraph a step, each behind its title."""
    steps = zip(CHAIN_OF_THOUGHT_STEPS.values(), (cues, evidence, knowledge, conclusion), strict=True)
    return "\n".join(f"{title}: {text.strip()}" for title, text in steps)


def chain_of_thought(cues: str, evidence: str, knowledge: str, conclusion: str, answer: str) -> str:
    """A supervised completion: cues -> cross-view evidence -> geographic knowledge -> conclusion, then the answer."""
    return reply(answer, four_steps(cues, evidence, knowledge, conclusion))


def ask_for_chain_of_thought(facts: Mapping[str, str], answer: str, seen: bool = True) -> str:
    """What a teacher model is asked: reason towards ``answer`` from these facts alone, in the four steps. seen: whether
    it is shown the photo; else it is told to mark everything as known from an atlas."""
    known = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    steps = "\n".join(f"{number}. {title}" for number, title in enumerate(CHAIN_OF_THOUGHT_STEPS.values(), 1))
    request = (
        "You see a photo and know these facts about the place:",
        "Write how a careful observer would find the place from the photo. Use only what the photo shows and what the "
        "facts say; do not mention that facts were given.",
    )
    if not seen:
        request = (
            "You see no photo and know these facts about a place:",
            "Write what an atlas says of the place. Use only these facts, mark what you say of signs, traffic and "
            "ground "
            "as known from the atlas, and do not claim to see anything.",
        )
    return (
        f"{request[0]}\n"
        f"{known}\n"
        f"{request[1]} Four short paragraphs, in this order:\n"
        f"{steps}\n"
        f"End with this answer and nothing after it:\n{reply(answer)}"
    )


def jsonl_row(id: str, images: Sequence[str], question: str, completion: str) -> dict:
    """One training record in the schema of the official data files: image paths in order, then two turns."""
    turns = [{"from": "human", "value": "<image>" * len(images) + question}, {"from": "gpt", "value": completion}]
    return {"id": id, "image": list(images), "conversations": turns}
