"""What a parser returns, and where in a text the answer is."""

from __future__ import annotations

import html
import re
import string
from dataclasses import dataclass
from typing import Literal, get_args

Mode = Literal["paper", "released"]

LETTERS = string.ascii_uppercase

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
    "negated": "the only answer is one that is ruled out",
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


def refuse(reason: Reason, found: str = "") -> Malformed:
    return Malformed(reason, found[:80])


def check_mode(mode: str) -> None:
    if mode not in get_args(Mode):
        raise ValueError(f'mode must be "paper" or "released", got {mode!r}')


# Longer than 2,048 tokens of usual text: what is longer names no one letter or place, and bounds every later pattern.
MAX_ANSWER_CHARS = 10_000

# Models spell the tag of their thinking in several ways; all mean the same.
_TAG = re.compile(
    r"<\s{0,3}+(/?)\s{0,3}+(?=[tarsfp])"
    r"((?:seed:)?think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|plan(?:ning)?"
    r"|(?:final[ _-]?)?answer)\s{0,3}>"
    r"|[\[◁](/?)(think)[\]▷]|<\|(begin|start|end)_(?:of_)?(thought|thinking)\|>",
    re.ASCII | re.IGNORECASE,
)
SPECIAL_TOKEN = re.compile(r"<\|[^<>|]{1,40}\|>")
_FINAL_CHANNEL = "<|channel|>final<|message|>"  # what stands before it was thought


@dataclass
class Given:
    """What stands outside the thinking: the contents of answer blocks, and the loose text."""

    blocks: list[str]
    loose: list[str]


def given_in(text: str) -> Given | Malformed:
    """The answer blocks of a completion, or, if it has none, the text outside its thinking.

    Answers inside closed thinking are drafts. A ``</think>`` that nothing opened means that the prompt ended in
    ``<think>``: all before it was thought. If the thinking is never closed, an answer block that ends the text counts:
    the model forgot the tag, not the answer. If it thinks on after the block, the block was a draft. Closed thinking
    with which an answer block begins is left out of it.
    """
    if "&lt;" in text:
        text = html.unescape(text)
    if _FINAL_CHANNEL in text:
        text = text.rsplit(_FINAL_CHANNEL, 1)[1]
    parts = [Given([], [])]
    drafts: list[str] = []
    block: list[str] | None = None
    thinking, at = False, 0
    inner: int | None = None  # where thinking began within the block
    for tag in _TAG.finditer(text):
        piece, at = text[at : tag.start()], tag.end()
        closing = (tag[1] or tag[3]) == "/" or (tag[5] or "").lower() == "end"
        word = (tag[2] or tag[4] or tag[6]).lower()
        name = "answer" if word.endswith("answer") else "think"
        if block is not None:
            block.append(piece)
        elif not thinking and piece.strip():
            parts[-1].loose.append(piece)
        if name == "answer":
            if not closing and block is None:
                block, inner = [], None
            elif closing and block is not None:
                (drafts if thinking else parts[-1].blocks).append(" ".join(block))
                block = None
        elif block is not None and not thinking:
            if not closing:
                inner = len(block) if not "".join(block).strip() else inner
            elif inner is not None:
                del block[inner:]
                inner = None
        elif not closing and not thinking:
            thinking, drafts = True, []
        elif closing and thinking:
            thinking, drafts, block = False, [], None
        elif closing and block is None and (parts[-1].blocks or parts[-1].loose):
            parts.append(Given([], []))
    rest = text[at:]
    if block is not None:
        (drafts if thinking else parts[-1].blocks).append(" ".join([*block, rest]))
    elif not thinking and rest.strip():
        parts[-1].loose.append(rest)
    if thinking and block is None and not SPECIAL_TOKEN.sub("", rest).strip():
        parts[-1].blocks += drafts

    if thinking and drafts and not any(part.blocks for part in parts):
        return refuse("unfinished")
    for part in reversed(parts):
        blocks = list(dict.fromkeys(written for written in part.blocks if written.strip()))
        if blocks:
            return Given(blocks, [])
    for part in reversed(parts):
        if part.loose:
            return Given([], ["\n".join(part.loose)])
    if thinking:
        return refuse("unfinished")
    return refuse("no_answer" if at else "empty")


def first_answer(text: str) -> str | None:
    """The content of the first ``<answer>`` that is closed later on, stripped; None without one (the released rule)."""
    start = text.find("<answer>")
    end = text.find("</answer>", start + len("<answer>")) if start >= 0 else -1
    return None if end < 0 else text[start + len("<answer>") : end].strip()


def with_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON (its hook for pairs) in which a key that stands there twice keeps both values, as a list."""
    said: dict[str, list[object]] = {}
    for key, value in pairs:
        said.setdefault(key, []).extend([] if value in said.get(key, []) else [value])
    return {key: values[0] if len(values) == 1 else values for key, values in said.items()}
