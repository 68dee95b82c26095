r"""What is asked of the model, and what its answer means: templates on one side, parsers on the other.

Templates: ``pairing`` (one street panorama and k lettered aerial tiles), ``geolocation`` (country and city of a photo),
each with and without thinking; ``chain_of_thought`` and ``jsonl_row`` (a supervised record);
``ask_for_chain_of_thought`` (what a teacher is told). The wording is ours, because the paper publishes none; what is
taken over is the scheme of the official code: one user turn, no system prompt, all images before the text, so that a
letter belongs to an image by order alone.

Parsers: ``parse_choice`` and ``parse_place`` return a typed answer or ``Malformed(reason)`` for every string and raise
for none; what is no text is refused as such. ``mode="paper"`` reads the answer that was given and refuses what is
ambiguous; ``mode="released"`` behaves as the published code does, quirks included (multiple choice as in Geo-R1, which
is VLM-R1's; places as in GLOBE's evaluation script). Everything runs in linear time: long text is only searched for
tags, and an answer may hold ``MAX_ANSWER_CHARS`` characters.
"""

from __future__ import annotations

import html
import json
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, get_args

from georeplicate import coordinates

Mode = Literal["paper", "released"]

LETTERS = string.ascii_uppercase

# ------------------------------------------------------------------------------------------------------------ templates

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
    said = zip(CHAIN_OF_THOUGHT_STEPS.values(), (cues, evidence, knowledge, conclusion), strict=True)
    return "\n".join(f"{title}: {text.strip()}" for title, text in said)


def chain_of_thought(cues: str, evidence: str, knowledge: str, conclusion: str, answer: str) -> str:
    """A supervised completion: cues -> cross-view evidence -> geographic knowledge -> conclusion, then the answer."""
    return reply(answer, four_steps(cues, evidence, knowledge, conclusion))


def ask_for_chain_of_thought(facts: Mapping[str, str], answer: str) -> str:
    """What a teacher model is asked: reason towards ``answer`` from these facts alone, in the four steps."""
    known = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    steps = "\n".join(f"{number}. {title}" for number, title in enumerate(CHAIN_OF_THOUGHT_STEPS.values(), 1))
    return (
        "You see a photo and know these facts about the place:\n"
        f"{known}\n"
        "Write how a careful observer would find the place from the photo. Use only what the photo shows and what the "
        "facts say; do not mention that facts were given. Four short paragraphs, in this order:\n"
        f"{steps}\n"
        f"End with this answer and nothing after it:\n{reply(answer)}"
    )


def jsonl_row(id: str, images: Sequence[str], question: str, completion: str) -> dict:
    """One training record in the schema of the official data files: image paths in order, then two turns."""
    turns = [{"from": "human", "value": "<image>" * len(images) + question}, {"from": "gpt", "value": completion}]
    return {"id": id, "image": list(images), "conversations": turns}


# ------------------------------------------------------------------------------------------------ what a parser returns

Reason = Literal[
    "not_text", "empty", "unfinished", "no_answer", "too_long",
    "no_letter", "two_letters", "negated", "unknown_letter",
    "no_place", "no_country", "unknown_country", "ambiguous", "two_places",
    "bad_coordinates", "out_of_range", "swapped",
]  # fmt: skip

REASONS: dict[Reason, str] = {
    "not_text": "what came is no text",
    "empty": "nothing was written",
    "unfinished": "the text ends inside the thinking",
    "no_answer": "tags, but no answer in them or after them",
    "too_long": "the answer is too long to be one",
    "no_letter": "no letter is given as the answer",
    "two_letters": "more than one letter is given",
    "negated": "the only letter is one that is ruled out",
    "unknown_letter": "the letter belongs to no image",
    "no_place": "no country, city or coordinates",
    "no_country": "no country is named",
    "unknown_country": "the country is not known",
    "ambiguous": "several countries bear this name, and no city tells which is meant",
    "two_places": "more than one place is given",
    "bad_coordinates": "the coordinates cannot be read",
    "out_of_range": "a latitude beyond 90 or a longitude beyond 180 degrees",
    "swapped": "latitude and longitude are exchanged",
}


@dataclass(frozen=True)
class Choice:
    """An upper-case letter."""

    letter: str


@dataclass(frozen=True)
class Place:
    """What an answer says about a place. Names as written ("" where not given), ISO 3166 alpha-2 code, degrees.

    ``state`` is the administrative division, where the answer names one; the city's name carries it too where the name
    alone would mean another place ("Portland, Maine"). ``lat`` and ``lon`` are set only if the text itself holds
    coordinates; turning names into coordinates is ``atlas.geocode``'s task.
    """

    city: str
    country: str
    country_code: str | None = None
    lat: float | None = None
    lon: float | None = None
    state: str = ""


@dataclass(frozen=True)
class Malformed:
    """Why a text is no answer: a category of ``REASONS``, and what was found."""

    reason: Reason
    found: str = ""

    def __str__(self) -> str:
        return f"{REASONS[self.reason]}: {self.found!r}" if self.found else REASONS[self.reason]


def _refuse(reason: Reason, found: str = "") -> Malformed:
    return Malformed(reason, found[:80])


def _check_mode(mode: str) -> None:
    if mode not in get_args(Mode):
        raise ValueError(f'mode must be "paper" or "released", got {mode!r}')


# -------------------------------------------------------------------------------------------------- where the answer is

# Longer than 2,048 tokens of usual text: what is longer names no one letter or place, and bounds every later pattern.
MAX_ANSWER_CHARS = 10_000

# Models spell the tag of their thinking in several ways; all mean the same.
_TAG = re.compile(
    r"<\s{0,3}+(/?)\s{0,3}+(?=[tarsf])"
    r"(think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|(?:final[ _-]?)?answer)\s{0,3}>"
    r"|[\[◁](/?)(think)[\]▷]",
    re.ASCII | re.IGNORECASE,
)
_SPECIAL_TOKEN = re.compile(r"<\|[^<>|]{1,40}\|>")


@dataclass
class _Given:
    """What stands outside the thinking: the contents of answer blocks, and the loose text."""

    blocks: list[str]
    loose: list[str]


def _given(text: str) -> _Given | Malformed:
    """The answer blocks of a completion, or, if it has none, the text outside its thinking.

    Answers inside closed thinking are drafts. A ``</think>`` that nothing opened means that the prompt ended in
    ``<think>``: all before it was thought. If the thinking is never closed, an answer block that ends the text counts:
    the model forgot the tag, not the answer. If it thinks on after the block, the block was a draft.
    """
    parts = [_Given([], [])]
    thinking, drafts, block, at = False, [], None, 0
    for tag in _TAG.finditer(text):
        piece, at = text[at : tag.start()], tag.end()
        closing, word = (tag[1] or tag[3]) == "/", (tag[2] or tag[4]).lower()
        name = "answer" if word.endswith("answer") else "think"
        if block is not None:
            block.append(piece)
        elif not thinking and piece.strip():
            parts[-1].loose.append(piece)
        if name == "answer":
            if not closing and block is None:
                block = []
            elif closing and block is not None:
                (drafts if thinking else parts[-1].blocks).append(" ".join(block))
                block = None
        elif not closing and not thinking and block is None:
            thinking, drafts = True, []
        elif closing and thinking:
            thinking, drafts, block = False, [], None
        elif closing and block is None and (parts[-1].blocks or parts[-1].loose):
            parts.append(_Given([], []))
    rest = text[at:]
    if block is not None:
        (drafts if thinking else parts[-1].blocks).append(" ".join([*block, rest]))
    elif not thinking and rest.strip():
        parts[-1].loose.append(rest)
    if thinking and block is None and not _SPECIAL_TOKEN.sub("", rest).strip():
        parts[-1].blocks += drafts

    if thinking and drafts and not any(part.blocks for part in parts):
        return _refuse("unfinished")
    for part in reversed(parts):
        blocks = list(dict.fromkeys(block for block in part.blocks if block.strip()))
        if blocks:
            return _Given(blocks, [])
    for part in reversed(parts):
        if part.loose:
            return _Given([], ["\n".join(part.loose)])
    if thinking:
        return _refuse("unfinished")
    return _refuse("no_answer" if at else "empty")


def first_answer(text: str) -> str | None:
    """The content of the first ``<answer>`` that is closed later on, stripped; None without one (the released rule)."""
    start = text.find("<answer>")
    end = text.find("</answer>", start + len("<answer>")) if start >= 0 else -1
    return None if end < 0 else text[start + len("<answer>") : end].strip()


# ----------------------------------------------------------------------------------------------------------- one letter

_OTHER_LETTERS = "À-ɏͰ-ϿЀ-ӿ"
# A letter that stands alone: no part of a word, a number, a contraction ("I'm"), a compound ("T-junction") or an
# abbreviation ("U.S.").
_LONE_LETTER = re.compile(
    rf"([A-Za-z])(?![0-9A-Za-z{_OTHER_LETTERS}])(?<![0-9A-Za-z{_OTHER_LETTERS}][A-Za-z])"
    r"(?!['’](?!s\b)[A-Za-z])(?![&@+\-][0-9A-Za-z])(?!\.[A-Za-z](?![A-Za-z]))"
    r"(?<![0-9A-Za-z]['’&@+\-][A-Za-z])(?<![^A-Za-z][A-Za-z]\.[A-Za-z])(?<!^[A-Za-z]\.[A-Za-z])"
)
_OPENING, _CLOSING = frozenset("([{\"'‘“«<"), frozenset(")]}\"'’”»>")
_NOUN = r"(?:images?|tiles?|options?|choices?|candidates?|letters?|pictures?|photos?|labels?|satellite|aerial|views?)"
_LIST_MARK = re.compile(r"(?:[.):\]]|,? [-–—])(?:[ \n]|$)|[:：]")
_LINE_START = re.compile(r"(?:^|\n)[ (\[\"'‘“>-]{0,4}$")
_NAME_HYPHEN = re.compile(r"-(?<=[A-Za-z]{4}-)(?=[A-Za-z]\b)")
_AFTER_NOUN = re.compile(rf"\b{_NOUN}[ #(\[\"'‘“<]{{0,4}}$")
_AFTER_CUE = re.compile(
    r"\b(?:answer|ans|choice|match|pick|choose|chose|select|selected|letter|option|image)"
    r" ?(?:is|are|be|was|would be|must be|should be)? ?[:=]?[ (\[\"'‘“<]{0,4}$"
    r"|(?:\bit ?(?:is|['’]s|must be)|\b(?:i|we) (?:think|say|guess)|\bgo(?:ing)? (?:with|for)"
    r"|答案|选项?|選項?|选择|選擇)"
    r" ?[是为為]? ?[:=]?[ (\[\"'‘“<]{0,4}$"
)
# "A" and "I" are words too: followed by one more word they count only if that word cannot follow an article or a
# pronoun.
_NEXT_WORD = re.compile(r"[ \t]([a-z]{2,}|[a-z]-[a-z]{2,})")
_NOT_AFTER_ARTICLE = frozenset(
    "is was are has does because since as and or nor but not with for from in on at to by if so the this that these "
    "it its there matches fits shows looks seems corresponds depicts contains appears must would should can could may "
    "might will".split()
)
_NOT_AFTER_PRONOUN = frozenset(
    "is has does matches fits shows looks seems corresponds depicts contains appears".split()
)
# "A best matches", "A clearly shows": an adverb that a verb of the third person follows
_VERB_NEXT = re.compile(rf"[ \t](?:best|also|most|only|[a-z]{{2,20}}ly) (?:{'|'.join(sorted(_NOT_AFTER_PRONOUN))})\b")
_FILLER = (
    r"(?:the|a|an|be|it|is|in|satellite|aerial|image|option|tile|candidate|view|picture|photo|choice|letter|answer)"
)
# At least one of these stands in every text that either of the next two patterns can match: a quick way past them.
_NEGATIONS = tuple(
    "n't n’t not never nor except without exclud rule than instead wrong incorrect false impossible out".split()
)
_NEGATIONS += ("unlikely", "neither")
_NEGATED_BEFORE = re.compile(
    rf"\b(?:not|isn['’]t|never|nor|neither|except|without|excluding|ruled? out|than|instead of)"
    rf"(?: {_FILLER}){{0,5}} ?[(\[\"'‘“]{{0,2}}$"
)
_NEGATED_AFTER = re.compile(
    r"[)\]\"'’”]{0,2} ?(?:(?:is|are|does|do|did|can|could|was|would|will|has|may|might|should)? ?(?:not|never)\b"
    r"|(?:is|does|do|did|ca|could|was|would|wo|has|should)n['’]t\b|cannot\b"
    r"|(?:is|are|was|looks|seems) (?:wrong|incorrect|false|impossible|unlikely|excluded|ruled out|out)\b)"
)
_DECLARATION = re.compile(
    r"\b(?:answer ?(?:is|would be|must be|should be|[:=])"
    r"|(?:final|best|correct|right|true|my) (?:\w{1,20} ){0,2}\w{1,20} ?(?:is|would be|must be|[:=])"
    r"|the (?:match|choice) ?(?:is|[:=])"
    r"|i(?: would| will|['’]ll|['’]d)? (?:choose|pick|select|go with|conclude)\b)"
    r"|(?:答案|选择|選擇) ?[是为為:]"
)
_DECLARED_AFTER = re.compile(
    r"[)\]\"'’”]{0,2} (?:is|must be|would be) "
    r"(?:(?:the )?(?:\w{1,20} )?(?:match|answer)|(?:the )?(?:correct|right)(?: one)?)\b"
)
_ANSWER_LINE = re.compile(
    r"\W{0,4}(?:(?:the|my|final|best|correct) ){0,3}(?:answer|choice|match)\W{0,4}(?:is\b)?\W{0,4}"
    r"(?:(?:satellite|aerial|image|option|tile|candidate) ){0,2}\W{0,4}([A-Za-z])\W{0,4}",
    re.IGNORECASE,
)
# Where a new thought begins after a declaration, and how one is recognised that takes it back.
_CLAUSE_END = re.compile(
    r"[.!?;](?=[\s)\]\"'’”]|$)|[\n。]|[,，]? ?因为|,? ?\b(?:because|since|whereas|while|unlike)\b|, as\b"
)
_SECOND_THOUGHT = re.compile(
    r"(?:^|[\s,(])(?:wait|actually|hmm+|no,|oops|sorry|correction|scratch that|on second thoughts?|alternatively|"
    r"however|unless|maybe|perhaps|possibly|but|or)\b"
    r"|\b(?:could|might|may|can|would|should) (?:\w{1,12} ){0,2}be\b|\balso (?:possible|be)\b"
    r"|\b(?:better|closer|(?:more|as|equally|most) (?:likely|plausible|probable)|instead)\b"
    r"|\bchanged? my mind\b|\bi was wrong\b"
    r"|(?:但|不过|或者|也可能|其实|不对)"
)
_LETTER_LINE = re.compile(r"[^\w\n]{0,4}([A-Za-z])[^\w\n]{0,4}")
_DECLARATION_REACH = 60  # characters within which a declaration names its letter


def _plain(region: str) -> str:
    """An answer without its typography: compatibility forms folded, Markdown, LaTeX and chat tokens removed."""
    region = _SPECIAL_TOKEN.sub(" ", region)
    region = re.sub(r"\\boxed\b", " answer: ", region)
    region = _NAME_HYPHEN.sub(" ", region)  # "image-B"
    if not region.isascii():
        region = unicodedata.normalize("NFKC", region)
        region = re.sub("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]", "", region)  # characters of no width
    region = re.sub(r"\\[A-Za-z]{1,20}|[\\*_`~#${}\x00-\x08\x0e-\x1f]", " ", region)
    return "\n".join(" ".join(line.split()) for line in region.split("\n")).strip()


@dataclass(frozen=True)
class _Mention:
    letter: str
    start: int
    end: int
    negated: bool


def _lower(region: str) -> str:
    """Lower case with every character in its place; a text in which one would become two stays as it is."""
    lowered = region.lower()
    return lowered if len(lowered) == len(region) else region


def _mentions(region: str) -> Iterable[_Mention]:
    """Every letter of ``region`` that can be meant as the name of an image, in order."""
    lowered = _lower(region)
    may_negate = any(word in lowered for word in _NEGATIONS)
    for found in _LONE_LETTER.finditer(region):
        letter, start, end = found[1], found.start(1), found.end(1)
        before, after = lowered[max(0, start - 60) : start], lowered[end : end + 40]
        word = letter in "AaIi" and _is_word(letter, after)
        if letter.isupper():
            meant = not word or _AFTER_NOUN.search(before) is not None
        elif _LIST_MARK.match(after) and _LINE_START.search(before):
            meant = True  # "b. the second tile"
        elif after[:1] in _CLOSING and (before[-1:] in _OPENING or after[0] == ")" and before[-1:] in ("", "\n")):
            meant = True  # "(b)", or "b)" where a line begins
        else:
            meant = not word and (_AFTER_NOUN.search(before) or _AFTER_CUE.search(before)) is not None
        if meant:
            negated = may_negate and (_NEGATED_BEFORE.search(before) or _NEGATED_AFTER.match(after)) is not None
            yield _Mention(letter.upper(), start, end, negated)


def _is_word(letter: str, after: str) -> bool:
    """Is "A" the article and "I" the pronoun, judging by the word that follows?"""
    following = _NEXT_WORD.match(after)
    if following is None or _VERB_NEXT.match(after):
        return False
    return following[1] not in (_NOT_AFTER_PRONOUN if letter in "Ii" else _NOT_AFTER_ARTICLE)


def _one_letter(region: str, declared: bool) -> str | Malformed:
    """The one letter an answer names.

    In an answer block two different letters are refused. Loose text (``declared``) may discuss several, if all its
    declarations ("the answer is B") name the same one and either one of them has a line of its own, or what is named
    after the last of them is named in another clause that does not take it back.
    """
    whole = re.fullmatch(r"[\W_]*([A-Za-z])\)?[\W_]*", region)
    if whole:
        return whole[1].upper()
    region = re.sub(r"[Nn](?<!\w[Nn])/[Aa]\b", " ", region)  # "N/A"
    mentions = list(_mentions(region))
    letters = list(dict.fromkeys(mention.letter for mention in mentions))
    if not letters:
        return _refuse("no_letter", region)
    if len(letters) > 1:
        found = _declared_letter(region, mentions) if declared else None
        return found or _refuse("two_letters", ", ".join(letters))
    if any(mention.negated for mention in mentions):
        return _refuse("negated", region)
    return letters[0]


def _declared_letter(region: str, mentions: Sequence[_Mention]) -> str | None:
    lowered = _lower(region)
    cues = [cue.end() for cue in _DECLARATION.finditer(lowered)]
    declared = [next((m for m in mentions if cue <= m.start < cue + _DECLARATION_REACH), None) for cue in cues]
    declared += [m for m in mentions if _DECLARED_AFTER.match(lowered[m.end : m.end + 60])]
    declared = [m for m in declared if m is not None]
    letters = {m.letter for m in declared}
    lines = {line[1].upper() for line in map(_ANSWER_LINE.fullmatch, region.split("\n")) if line}
    if len(lines) == 1 and letters <= lines:  # "Answer: B" on a line of its own, reasons before or after it
        return lines.pop()
    if not declared:
        return _line_of_its_own(region)
    last = max(m.start for m in declared)
    if len(letters) > 1 or any(m.negated for m in mentions if m.start >= last and m.letter in letters):
        return None
    others = [m for m in mentions if m.start > last and m.letter not in letters]
    if others:  # "The answer is B. Note that A has the same kind of roof."
        clause = _CLAUSE_END.search(lowered, next(m.end for m in mentions if m.start == last))
        if clause is None or others[0].start < clause.end() or _SECOND_THOUGHT.search(lowered, clause.start()):
            return None
    return letters.pop()


def _line_of_its_own(region: str) -> str | None:
    """The letter that stands alone on the first or the last line, if no other line is a letter alone."""
    lines = [line for line in region.split("\n") if line.strip()]
    alone = [(i, found[1].upper()) for i, line in enumerate(lines) if (found := _LETTER_LINE.fullmatch(line))]
    if len(alone) != 1 or alone[0][0] not in (0, len(lines) - 1):
        return None
    after = "\n".join(lines[1:]).lower() if alone[0][0] == 0 else ""
    return None if _SECOND_THOUGHT.search(after) else alone[0][1]


def parse_choice(text: object, mode: Mode = "paper", letters: str = LETTERS) -> Choice | Malformed:
    """The letter that a completion answers with.

    paper: the answer blocks outside the thinking, else the text outside it. "(A)", "A)", "**D**", "option b",
    "\\boxed{C}" and "Satellite image A is the match" are read; two different letters, a letter that is only ruled out,
    or one beyond ``letters`` are refused. Loose text may weigh several letters if it then declares one
    ("the answer is B").
    released: as in the official code (see ``released_choice``), whatever ``letters`` says.
    """
    _check_mode(mode)
    if not isinstance(text, str):
        return _refuse("not_text", type(text).__name__)
    if mode == "released":
        answer = first_answer(text)
        letter = released_choice(text.strip() if answer is None else answer)
        return _refuse("no_letter") if letter is None else Choice(letter)
    given = _given(text)
    if isinstance(given, Malformed):
        return given
    region = "\n".join(given.blocks or given.loose)
    if len(region) > MAX_ANSWER_CHARS:
        return _refuse("too_long", region)
    region = _plain(region)
    if len(region) > MAX_ANSWER_CHARS:  # one character can stand for eighteen
        return _refuse("too_long", region)
    letter = _one_letter(region, declared=not given.blocks)
    if isinstance(letter, Malformed):
        return letter
    return Choice(letter) if letter in letters.upper() else _refuse("unknown_letter", letter)


# What the official multiple-choice rule looks for around a letter (verified in the official code).
RELEASED_KEYWORDS = (
    "answer", "correct", "choose", "select", "right", "think", "believe", "should",
    "答案", "选择", "正确", "是", "对", "认为", "应该", "觉得",
)  # fmt: skip
RELEASED_CONTEXT_CHARS = 20
RELEASED_LATE_SHARE = 0.7
RELEASED_LATE_SCORE = 2
RELEASED_END_MARKS = "。.!！,，"

_RELEASED_CANDIDATE = re.compile(r"(?<![A-Z])[A-Z](?=[.,?!:;]|$)")


def released_choice(answer: str) -> str | None:
    """The letter that the official code extracts from an answer, or None (then the reward is 0).

    A candidate is a letter A-Z, no letter before it, and ``. , ? ! : ;`` or the end after it: "(A)", "A)" and "Image A
    is the match" hold none. Several candidates are scored by what surrounds the FIRST place where the letter occurs at
    all, even inside a word; a candidate that occurs n times counts its score n times, and ties go to the one that came
    first.
    """
    squeezed = " ".join(answer.upper().split())
    # Splitting also trims, which the official code does not do here: there an outer space keeps a final letter from
    # being a candidate.
    squeezed = " " * answer[:1].isspace() + squeezed + " " * answer[-1:].isspace()
    times = Counter(_RELEASED_CANDIDATE.findall(squeezed))
    if len(times) < 2:
        return next(iter(times), None)

    def score(letter: str) -> int:
        first = squeezed.find(letter)
        around = squeezed[max(0, first - RELEASED_CONTEXT_CHARS) : first + RELEASED_CONTEXT_CHARS]
        points = sum(keyword.upper() in around for keyword in RELEASED_KEYWORDS)
        points += RELEASED_LATE_SCORE * (first > len(squeezed) * RELEASED_LATE_SHARE)
        points += squeezed[first + 1 : first + 2] in tuple(RELEASED_END_MARKS)
        return points * times[letter]

    return max(times, key=score)  # the first of equals: Counter keeps the order of appearance


# ------------------------------------------------------------------------------------------------------------ one place

_NOT_SAID = frozenset(
    "unknown unspecified undetermined unclear none null nil nan no n/a na ? tbd unsure unidentified anywhere".split()
) | {
    "not sure", "not specified", "not known", "cannot determine", "cannot be determined", "not applicable",
    "country name", "city name",
}  # fmt: skip
_BOTH_KEYS = re.compile(r"\blat(?:itude)? ?(?:,|/|and|&) ?(?:longitude|long|lng|lon)\b", re.IGNORECASE)
# Keys by what they mean. "" is a key that says nothing about the place's name, and ends the value before it.
_KEYS = {
    "country": "country nation pays país pais land paese страна 国家 國家 国 국가 나라 البلد الدولة देश ülke negara",
    "city": "city town municipality ville ciudad cidade stadt città citta город 城市 都市 도시 المدينة शहर şehir kota",
    "state": "state province prefecture oblast canton bundesland estado provincia 州 省 省份 都道府県",
    "place": "location place answer 地点 地點 位置 地名 答案 回答 lieu ort lugar luogo",
    "coordinates": "coordinates coordinate coords gps 坐标 座標 좌표 koordinaten coordonnées coordenadas",
    "lat": "latitude lat latitud breite breitengrad широта 纬度 緯度 위도",
    "lon": "longitude long lng lon longitud länge längengrad долгота 经度 經度 経度 경도",
    "": "region county district continent area neighbourhood neighborhood street confidence reason reasoning "
    "explanation notes note landmark landmarks 地区 區域 区域 大洲 理由 原因",
}
_KEY_NAMES = {word: name for name, words in _KEYS.items() for word in words.split()}
# Of these the other languages' words for a value's key ("Land", "Ort") are words of English too: only with a colon.
_PLAIN_KEYS = frozenset(
    "country nation city town location place answer coordinate coordinates coords gps latitude lat longitude long"
    " lng lon state province".split()
)
_KEY = re.compile(
    r"(?<![^\W\d_]|/)(?:(?P<plain>" + "|".join(sorted(_PLAIN_KEYS, key=len, reverse=True)) + r")"
    r"|(?P<more>" + "|".join(sorted((k for k in _KEY_NAMES if k not in _PLAIN_KEYS), key=len, reverse=True)) + r"))"
    r"(?:(?: |/ ?)(?:name|code|coordinates|territory|region|province|state|town))?(?![^\W\d_](?<![是为為]))"
    r"(?:['\"]? ?[:=>]|(?P<says>(?<=[\u3400-\u9fff])[是为為])"
    r"|(?(plain)(?: [-–—] |(?P<is> is\b)|(?<=[etngs]) ?(?=[-+]?\d|[NSEW] ?\d))|(?<=[纬緯经經経]度) ?(?=[-+]?\d)))",
    re.IGNORECASE,
)
_CLAUSE_OF_ANOTHER = re.compile(
    r",? (?:where|because|since|as|given|based|judging|with|which|whose)\b.*|[,;]? ?(?:\b(?:and|while|with|in|but|so|"
    r"the|its|nearest|closest|most|likely|probable|specific|capital)[ ,]*)+$",
    re.IGNORECASE,
)
_FIELDS = frozenset({"country", "city", "state", "place", "lat", "lon", "coordinates"})
_MAX_NAME_CHARS = 100  # no place name of a gazetteer is longer; bounds what is looked up
_EDGES = " \t\n\"'`,;:*_-[]{}<>|=!?"
_HEDGE = re.compile(r"^(?:(?:most|very) )?(?:likely|probably|possibly|perhaps|maybe) (?:in )?", re.IGNORECASE)
_PARENTHESES = re.compile(r"\([^()]*\)")


def _clean_name(value: str) -> str:
    """A name without quotes, end marks and hedges; "" for a placeholder such as "unknown"."""
    value = _HEDGE.sub("", value.strip(_EDGES), count=1)
    if value.endswith(".") and value.count(".") == 1:  # a full stop, but not the last one of "D.C."
        value = value[:-1].strip(_EDGES)
    return "" if value.casefold() in _NOT_SAID and value != "NO" else value  # NO is Norway


def _from_json(region: str) -> dict[str, list[str]] | None:
    """The fields of a JSON object in ``region``, nesting flattened; None if it holds no known key."""
    start, end = region.find("{"), region.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        data = json.loads(region[start : end + 1])
    except (ValueError, RecursionError):
        return None
    fields: dict[str, list[str]] = {}
    items = [("", data)]
    for key, value in items:  # grows by what the objects hold
        key = key.strip().lower().replace("_", " ").removesuffix(" name").removesuffix(" code")
        key = _KEY_NAMES.get(key, key)
        if isinstance(value, dict):
            if key in ("country", "city", "state"):  # {"country": {"name": "France", "code": "FR"}}
                value = {key if name in ("name", "value", "code") else name: inner for name, inner in value.items()}
            pair = value.get("coordinates")
            if value.get("type") == "Point" and isinstance(pair, list):  # GeoJSON puts the longitude first
                value = {"coordinates": pair[1::-1]}
            items += value.items()
            continue
        values = value if isinstance(value, list) else [value]
        said = [_scalar(one) for one in values if isinstance(one, str | int | float) and not isinstance(one, bool)]
        if key in _FIELDS and said:
            several = said if key in ("country", "city", "state") else [", ".join(said)]
            fields.setdefault(key, []).extend(several)
    return fields or None


def _scalar(value: str | int | float) -> str:
    return f"{value:.9f}" if isinstance(value, float) else str(value)  # never in powers of ten


def _from_keys(region: str) -> tuple[dict[str, list[str]], str]:
    """The fields of "key: value" text in any order and on any number of lines, and the text around them."""
    region = _BOTH_KEYS.sub("coordinates", _from_tables(region))
    keys = list(_KEY.finditer(region))
    fields: dict[str, list[str]] = {}
    prose = [region[: keys[0].start()] if keys else region]
    for key, following in zip_longest(keys, keys[1:]):
        value = region[key.end() : following.start() if following else len(region)].lstrip()
        says = key["is"] or key["says"]
        value, *rest = re.split(
            r"[\n<]|\. |[,。;]" if key["says"] else r"[\n<]|\. " if says else r"[\n<]", value, maxsplit=1
        )
        name = _KEY_NAMES[(key["plain"] or key["more"]).lower()]
        if says:
            value = _CLAUSE_OF_ANOTHER.sub("", value.rstrip(" .。"))
        if name and not (says and name in fields):  # "the country is known for ..." behind an answer
            fields.setdefault(name, []).append(value)
        prose += rest
    return fields, "\n".join(prose)


def _from_tables(region: str) -> str:
    """Rows of Markdown tables as "key: value" lines: keys in the first column, or in the first row."""
    if "|" not in region:
        return region
    lines, header = [], []
    for line in region.split("\n"):
        cells = [cell.strip(_EDGES) for cell in line.strip().strip("|").split("|")]
        known = [cell.lower() in _KEY_NAMES for cell in cells]
        if len(cells) < 2:
            header = []
        elif all(known):
            header, line = cells, ""
        elif header and not any(cells):  # the rule below the header
            line = ""
        elif header and len(cells) == len(header):
            line = "\n".join(f"{key}: {value}" for key, value in zip(header, cells))
        elif known[0] and len(cells) == 2:
            line = f"{cells[0]}: {cells[1]}"
        lines.append(line)
    return "\n".join(lines)


@dataclass(frozen=True)
class _Land:
    """A country as an answer names it: the name as written, its code, the division given with it."""

    name: str
    code: str
    state: str = ""


def _code(name: str, bare: bool = False) -> str | None:
    from georeplicate import atlas  # on first use: the parsers of letters and the rewards need no gazetteer

    word = bare and len(name) <= 3 and name.isascii() and not name.isupper()  # "it", "in", "can" are words before codes
    if word or not 0 < len(name) <= _MAX_NAME_CHARS:
        return None
    return atlas.country_code(name) or next(iter(atlas.ambiguous(name)), None)


def _country(value: str, bare: bool = False) -> _Land | Malformed | None:
    """The country of a field, or of a part of a sentence (``bare``); None if nothing was said."""
    name = _clean_name(value)
    if not name:
        return None
    for spelling in (value.strip(), name):
        if (found := _code(spelling, bare)) and not _split_name(spelling):
            return _Land(name, found)
    if two := _split_name(name):
        if isinstance(land := _of_two(name, *two), _Land | Malformed):
            return land
    for spelling in (value.strip(), name, _PARENTHESES.sub("", name).strip()):
        if found := _code(spelling, bare):
            return _Land(name if spelling == value.strip() else spelling, found)
    several = {found for part in re.split(r"/| or |\|", name) if (found := _code(_clean_name(part), bare))}
    return _refuse("two_places" if len(several) > 1 else "unknown_country", name)


def _split_name(name: str) -> tuple[str, str] | None:
    """("Georgia", "USA") of "Georgia, USA" and of "Georgia (USA)"."""
    found = re.fullmatch(r"([^,()]+)(?:,([^,()]+)|\(([^()]+)\))", name)
    parts = found and (_clean_name(found[1]), _clean_name(found[2] or found[3]))
    return parts if parts and all(parts) else None


def _of_two(name: str, one: str, other: str) -> _Land | Malformed | None:
    """A country field of two parts: a division with its country in either order, a territory with its state; None where
    the whole is one name, or no part is a country."""
    from georeplicate import atlas

    codes = _code(one), _code(other)
    for state, country, code in ((one, other, codes[1]), (other, one, codes[0])):
        if code and code not in (_code(state), None) and atlas.in_country(state, code):
            inside = _code(state) and atlas.narrower(_code(state), code)  # Puerto Rico is no division
            return _Land(country, code, state) if not inside else _Land(state, inside)
    if whole := _code(name):
        return _Land(name, whole)
    if codes[0] and codes[1]:
        inside = atlas.narrower(*codes)
        return _Land(name, inside) if inside else _refuse("two_places", name)
    return None


def _bare_place(text: str) -> tuple[str, _Land] | Malformed | None:
    """(city, country) of text without keys: "Paris, France", "France", "Paris (France)", "in Waco, USA"."""
    parts = [part for raw in re.split(r"[,;|\n()、]| [-–—] ", text) if (part := _clean_name(raw))]
    if not parts or not any(character.isalpha() for character in text):
        return None
    if " or " in text:
        return _refuse("two_places", text)
    names = [_clean_name(part.rsplit(" in ", 1)[-1]) for part in parts]
    if len(names) > 2 and _code(whole := ", ".join(names[-2:]), bare=True):  # "Kinshasa, Congo, Dem. Rep."
        names, parts = [*names[:-2], whole], [*parts[:-2], whole]
    last = _country(names[-1], bare=True)
    if isinstance(last, _Land):  # "Based on the signs, it is in Waco, Texas, USA": what follows "in", else the first
        after_in = [name for part, name in zip(parts[:-1], names) if " in " in part]
        city = (after_in or names[:-1] or [""])[0 if not after_in else -1]
        return city, _with_state(city, names[names.index(city) + 1 : -1] if city else [], last)
    first = _country(names[0], bare=True)
    if isinstance(first, _Land) and all(len(name.split()) <= 3 for name in names[1:]):  # "Japan, Tokyo"
        return names[1], first
    if len(names) > 1 and (land := _of_state(names[-1])):  # "Paris, Texas"
        return names[-2], land
    for said in (last, first):
        if isinstance(said, Malformed) and said.reason == "two_places":
            return said
    return _refuse("no_country", text)


def _with_state(city: str, between: Sequence[str], land: _Land) -> _Land:
    """The country with the division that stands between it and the city; "Atlanta, Georgia" lies in another country."""
    from georeplicate import atlas

    state = next((name for name in between if atlas.in_country(name, land.code)), "")
    if city and not state and atlas.countries_with(land.name) - {land.code} and not atlas.geocode(city, land.code):
        return _of_state(land.name, city) or land
    return _Land(land.name, land.code, state)


def _of_state(state: str, city: str | None = None) -> _Land | None:
    """The country that alone has a division of this name (and such a city in it)."""
    from georeplicate import atlas

    if len(state) > _MAX_NAME_CHARS or len(codes := atlas.countries_with(state)) != 1:
        return None
    code = codes.pop()
    if city is not None and not atlas.geocode(city, code, state):
        return None
    return _Land(atlas.country_name(code), code, state)


def _place(region: str) -> Place | Malformed:
    """One answer block (or the loose text) read as a place."""
    if "&" in region:
        region = html.unescape(region)
    fields = _from_json(region)
    prose = ""
    if fields is None:
        region = _plain(coordinates.before_folding(region))
        if len(region) > MAX_ANSWER_CHARS:
            return _refuse("too_long", region)
        fields, prose = _from_keys(region)
    prose = ", ".join(fields.pop("place", [])) or prose

    point: tuple[float, float] | coordinates.Unusable | None = None
    if any(len(set(fields.get(key, []))) > 1 for key in ("lat", "lon", "coordinates")):
        return _refuse("two_places", region.strip())
    if "lat" in fields or "lon" in fields:
        point = coordinates.read_pair(fields.get("lat", [""])[0], fields.get("lon", [""])[0])
    elif "coordinates" in fields:
        point, _ = coordinates.find_pair(fields["coordinates"][0], expected=True)
    elif "country" in fields or "city" in fields:
        for key in ("country", "city"):  # "city: Paris, France (48.85, 2.35)"
            for i, value in enumerate(fields.get(key, [])):
                inside, fields[key][i] = coordinates.find_pair(value)
                point = point or inside
    else:
        point, prose = coordinates.find_pair(prose)
    if isinstance(point, coordinates.Unusable):
        return _refuse(point.reason, point.found)
    lat, lon = point or (None, None)

    cities = {_fold(name): name for value in fields.get("city", []) if (name := _city(value))}
    if any(" or " in name for name in cities.values()):
        return _refuse("two_places", ", ".join(cities.values()))
    states = {
        _fold(name): name for value in fields.get("state", []) if (name := _clean_name(_PARENTHESES.sub("", value)))
    }
    lands: dict[str, _Land] = {}
    for value in fields.get("country", []):
        land = _country(value)
        if isinstance(land, Malformed) and land.reason != "two_places" and "," in value:  # "country: Paris, France"
            bare = _bare_place(value)
            if isinstance(bare, tuple):
                land = bare[1]
                if not cities or _is_city(bare[0], land.code):  # else a landscape: "Russia, Siberia"
                    cities.setdefault(_fold(bare[0]), bare[0])
        if isinstance(land, Malformed):
            return land
        if land:
            lands.setdefault(land.code, land)
            if land.state:
                states.setdefault(_fold(land.state), land.state)
    if not lands and states and len(states) == len(cities) == 1:
        land = _of_state(next(iter(states.values())), next(iter(cities.values())))
        lands = {land.code: land} if land else {}
    if not lands and (cities or not fields.keys() & {"country", "city"}):
        bare = _bare_place(", ".join(cities.values()) or prose)
        if isinstance(bare, Malformed) and (cities or point is None):
            return bare
        if isinstance(bare, tuple):
            cities, lands = ({_fold(bare[0]): bare[0]} if bare[0] else {}), {bare[1].code: bare[1]}
            states = states or ({_fold(bare[1].state): bare[1].state} if bare[1].state else {})
    if len(lands) > 1 or len(cities) > 1 or len(states) > 1:
        names = [*cities.values(), *states.values(), *(land.name for land in lands.values())]
        return _refuse("two_places", ", ".join(names))
    if not lands and point is None:
        return _refuse("no_place", region.strip())
    city, state = (next(iter(said.values()), "")[:_MAX_NAME_CHARS] for said in (cities, states))
    land = next(iter(lands.values()), None)
    if land and "," in city and isinstance(last := _country(city.rpartition(",")[2]), _Land) and last.code == land.code:
        city = _clean_name(city.rpartition(",")[0])  # "city: Paris, France"
    land = land and _meant(land, city, state)
    if isinstance(land, Malformed):
        return land
    country, code = (land.name, land.code) if land else ("", None)
    if point is not None and city and code and _exchanged(lat, lon, city, code):
        return _refuse("swapped", f"{lat:g}, {lon:g} for {city}")
    return Place(_told_apart(city, code, state), country, code, lat, lon, state)


def _city(value: str) -> str:
    """A city's name; a division in brackets stays with it ("Portland (Maine)"), other remarks go."""
    from georeplicate import atlas

    inside = re.search(r"\(([^()]+)\)", value)
    name = _clean_name(_PARENTHESES.sub("", value))
    if inside and name and "," not in name and len(inside[1]) <= _MAX_NAME_CHARS:
        if atlas.countries_with(inside[1]) and atlas.geocode(f"{name}, {inside[1]}", None):
            return f"{name}, {inside[1].strip()}"
    return name


def _told_apart(city: str, code: str | None, state: str) -> str:
    """The city with its state where its name alone would mean another place: whoever geocodes only city and country
    finds the right one."""
    from georeplicate import atlas

    if not (city and code and state) or "," in city:
        return city
    there = atlas.geocode(city, code, state)
    return f"{city}, {state}" if there and there != atlas.geocode(city, code) else city


def _is_city(name: str, code: str) -> bool:
    from georeplicate import atlas

    return atlas.geocode(name, code) is not None


def _meant(land: _Land, city: str, state: str) -> _Land | Malformed:
    """The country meant by a name that several bear: the one of them that has the city."""
    from georeplicate import atlas

    codes = atlas.ambiguous(land.name)
    if not codes:
        return land
    having = [code for code in codes if city and atlas.geocode(city, code, state)]
    return _Land(land.name, having[0], land.state) if len(having) == 1 else _refuse("ambiguous", land.name)


# A point far from the named city whose mirror image lies near it was written in the wrong order.
SWAPPED_NEAR_KM = 300.0
SWAPPED_FAR_KM = 1000.0


def _exchanged(lat: float, lon: float, city: str, code: str) -> bool:
    from georeplicate import atlas, geo

    if abs(lon) > 90:
        return False
    named = atlas.geocode(city, code)
    if named is None:
        return False
    given, mirrored = geo.haversine_km(lat, lon, *named), geo.haversine_km(lon, lat, *named)
    return bool(given > SWAPPED_FAR_KM and mirrored < SWAPPED_NEAR_KM)


def parse_place(text: object, mode: Mode = "paper") -> Place | Malformed:
    """The place that a completion answers with.

    paper: "country:" and "city:" lines in any case and order, JSON, tags or a bare "Paris, France"; the country must be
    known to the atlas (names in any language it holds, codes); coordinates may stand beside or instead of the names, in
    decimal degrees or degrees, minutes and seconds, signed or with hemispheres, and are refused when they are out of
    range or exchanged.
    released: as GLOBE's evaluation script: lower-case "country:" and "city:" only, up to the line's end, in the first
    answer block or, without one, anywhere; names are lower-cased; no code, no coordinates. Neither name found is
    ``Malformed``.
    """
    _check_mode(mode)
    if not isinstance(text, str):
        return _refuse("not_text", type(text).__name__)
    if mode == "released":
        answer = first_answer(text)
        country, city = (_released_field(text if answer is None else answer, key) for key in ("country:", "city:"))
        return Place(city, country) if country or city else _refuse("no_place")
    given = _given(text)
    if isinstance(given, Malformed):
        return given
    regions = given.blocks or given.loose
    if sum(map(len, regions)) > MAX_ANSWER_CHARS:
        return _refuse("too_long", regions[0])
    places = {_place(region) for region in regions}
    return places.pop() if len(places) == 1 else _refuse("two_places", " | ".join(regions))


def _released_field(answer: str, key: str) -> str:
    at = answer.find(key)
    return "" if at < 0 else answer[at + len(key) :].lstrip().split("\n", 1)[0].strip().lower()


# ---------------------------------------------------------------------------------------------------------- equal names

RELEASED_NAME_RATIO = 0.7  # verified in GLOBE's code


def _fold(name: str) -> str:
    """Case, accents, punctuation and spacing removed."""
    if len(name) > _MAX_NAME_CHARS:
        return name
    letters = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c)).split())


def same_place_name(a: str, b: str, mode: Mode = "paper") -> bool:
    """Do two names mean the same place, by spelling alone?

    paper: equal once case, accents and punctuation are gone (GLOBE's paper asks for an exact match).
    released: one contains the other, whatever the case, and the shorter has at least ``RELEASED_NAME_RATIO`` of the
    longer's length (GLOBE's code): "york" is not "new york", but "san jose" is "san jose c".
    """
    _check_mode(mode)
    if mode == "paper":
        return _fold(a) == _fold(b) != ""
    if not (a and b and RELEASED_NAME_RATIO <= len(a) / len(b) <= 1 / RELEASED_NAME_RATIO):
        return False
    return a.lower() in b.lower() or b.lower() in a.lower()
