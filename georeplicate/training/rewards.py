"""The four rewards of the paper: accuracy, format, length, repetition; each a pure function of one completion.

They never raise and never return None, whatever the text and the token count (what is no text earns what a malformed
answer earns); every one runs in linear time. Two modes:

paper      what the method says: the answer that was given counts, right and wrong answers have different length
           rewards, and the length reward stays at its end value for longer answers.
released   what the official code does (VLM-R1's recipe, unchanged): few spellings of a letter are read, a space around
           the completion fails its format, and every answer has the length reward of a right one, periodic in its
           length.

``CONSTANTS`` lists every number with its source and the strength of that source; docs/rewards_paper.md and
docs/rewards_released.md are written from it. Which letter a text means is decided in ``answers.parse_choice``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import get_args

import numpy as np

from georeplicate import geo, paper
from georeplicate.tasks import answers
from georeplicate.tasks.answers import Choice, Mode, Place, parse_place

# (wrong, right): the sources name three pairs; within a group of answers they differ by scale against the other rewards
ACCURACY_VALUES = (0.0, 1.0)
ACCURACY_VALUES_NOTES = (-1.0, 1.0)
ACCURACY_VALUES_REVIEWS = (-0.8, 1.0)

LENGTH_MAX_TOKENS = 1024
LENGTH_RIGHT = (1.0, 0.5)  # at 0 tokens, at LENGTH_MAX_TOKENS
LENGTH_WRONG = (0.0, -0.5)

REPETITION_WORDS = 6
REPETITION_WORST = -1.0

PLACE_VALUES = (0.0, 0.2, 1.0)  # of GLOBE's reward on labels: neither, the country alone, country and city

WEIGHTS: Mapping[str, float] = {"accuracy": 1.0, "format": 1.0, "length": 1.0, "repetition": 1.0}


@dataclass(frozen=True)
class Constant:
    """One number of the rewards: where it comes from and how strong that source is; ``modes`` are those that use it."""

    name: str
    value: object
    modes: tuple[str, ...]
    source: str
    strength: paper.Strength
    note: str = ""


_BOTH = get_args(Mode)
CONSTANTS = (
    Constant("ACCURACY_VALUES", ACCURACY_VALUES, _BOTH, paper.REWARD_CODE, "V", "wrong, right; default"),
    Constant("ACCURACY_VALUES_NOTES", ACCURACY_VALUES_NOTES, ("paper",), paper.NOTES, "S", "wrong, right"),
    Constant("ACCURACY_VALUES_REVIEWS", ACCURACY_VALUES_REVIEWS, ("paper",), paper.REVIEWS, "S", "wrong, right"),
    Constant("LENGTH_MAX_TOKENS", LENGTH_MAX_TOKENS, _BOTH, paper.REWARD_CODE, "V", "half a period; mode paper clamps"),
    Constant("LENGTH_RIGHT", LENGTH_RIGHT, _BOTH, paper.REWARD_CODE, "V", "at 0 tokens, at the maximum"),
    Constant("LENGTH_WRONG", LENGTH_WRONG, ("paper",), paper.REWARD_CODE, "V", "likewise; its only use there is dead"),
    Constant("REPETITION_WORDS", REPETITION_WORDS, _BOTH, paper.REWARD_CODE, "V", "words of one n-gram"),
    Constant("REPETITION_WORST", REPETITION_WORST, _BOTH, paper.REWARD_CODE, "V"),
    Constant("PLACE_VALUES", PLACE_VALUES, _BOTH, paper.GLOBE_CODE, "V", "neither, the country, country and city"),
    Constant("WEIGHTS", tuple(WEIGHTS.values()), _BOTH, paper.CONFIG, "V", "; ".join(WEIGHTS)),
    Constant("answers.MAX_ANSWER_CHARS", answers.MAX_ANSWER_CHARS, ("paper",), "bounds the running time", "choice"),
    Constant("answers.RELEASED_CONTEXT_CHARS", answers.RELEASED_CONTEXT_CHARS, ("released",), paper.REWARD_CODE, "V",
             "characters before and after a candidate letter that are searched for keywords"),
    Constant("answers.RELEASED_LATE_SHARE", answers.RELEASED_LATE_SHARE, ("released",), paper.REWARD_CODE, "V",
             "a letter first seen beyond this share of the text counts as late"),
    Constant("answers.RELEASED_LATE_SCORE", answers.RELEASED_LATE_SCORE, ("released",), paper.REWARD_CODE, "V",
             "points for being late"),
    Constant("answers.RELEASED_KEYWORDS", answers.RELEASED_KEYWORDS, ("released",), paper.REWARD_CODE, "V",
             "a point each"),
    Constant("answers.RELEASED_END_MARKS", answers.RELEASED_END_MARKS, ("released",), paper.REWARD_CODE, "V",
             "a point if one follows"),
)  # fmt: skip


@dataclass(frozen=True)
class Reward:
    """The weighted sum, and the four unweighted parts by name."""

    total: float
    parts: dict[str, float]


def _check_mode(mode: str) -> None:
    if mode not in _BOTH:
        raise ValueError(f'mode must be "paper" or "released", got {mode!r}')


def accuracy(text: str, letter: str, mode: Mode = "paper", values: tuple[float, float] = ACCURACY_VALUES) -> float:
    """``values`` is (wrong, right): right if the completion answers with ``letter``, wrong in every other case."""
    wrong, right = values
    given, gold = answers.parse_choice(text, mode), answers.parse_choice(letter, mode)
    return float(right if isinstance(gold, Choice) and given == gold else wrong)


_PAPER_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
_RELEASED_SEAM = re.compile(r"</think>\s*<answer>")


def format(text: str, mode: Mode = "paper") -> float:
    """1 if the completion is one thought and one answer, else 0.

    paper: each tag exactly once and in order, nothing but whitespace outside them, something inside them.
    released: the whole text begins with ``<think>``, ends with ``</answer>`` and holds ``</think>`` + whitespace +
    ``<answer>``; further tags and empty blocks pass, a single space or newline around it fails.
    """
    _check_mode(mode)
    if not isinstance(text, str):
        return 0.0
    if mode == "released":
        whole = text.startswith("<think>") and text.endswith("</answer>")
        return float(whole and _RELEASED_SEAM.search(text, len("<think>"), len(text) - len("</answer>")) is not None)
    text = text.strip()
    if any(text.count(tag) != 1 for tag in _PAPER_TAGS):
        return 0.0
    think, end_think, answer, end_answer = (text.find(tag) for tag in _PAPER_TAGS)
    if not (think == 0 and think < end_think < answer < end_answer == len(text) - len("</answer>")):
        return 0.0
    thought = text[len("<think>") : end_think]
    between = text[end_think + len("</think>") : answer]
    given = text[answer + len("<answer>") : end_answer]
    return float(bool(thought.strip()) and not between.strip() and bool(given.strip()))


def length(n_tokens: int, correct: bool, mode: Mode = "paper") -> float:
    """Half a cosine from its value at 0 tokens to its value at ``LENGTH_MAX_TOKENS``.

    paper: 1 -> 0.5 for a right answer, 0 -> -0.5 for a wrong one, and constant beyond.
    released: ``correct`` is ignored, and the curve goes on with a period of twice the maximum: 2,048 tokens earn as
    much as none.
    A count that is no finite number earns as little as the longest answer.
    """
    _check_mode(mode)
    if not _is_count(n_tokens):
        n_tokens = LENGTH_MAX_TOKENS
    if mode == "released":
        start, end = LENGTH_RIGHT
        n_tokens = n_tokens % (2 * LENGTH_MAX_TOKENS)  # the same by periodicity, and no integer is too large for it
    else:
        start, end = LENGTH_RIGHT if correct else LENGTH_WRONG
        n_tokens = min(max(n_tokens, 0), LENGTH_MAX_TOKENS)
    return start - (start - end) * (1 - math.cos(math.pi * n_tokens / LENGTH_MAX_TOKENS)) / 2


def _is_count(n_tokens: object) -> bool:
    return isinstance(n_tokens, int) or (isinstance(n_tokens, Real) and math.isfinite(n_tokens))


def repetition(text: str, mode: Mode = "paper") -> float:
    """-1 times the share of repeated word 6-grams (lower case, split at whitespace); 0 for fewer than 6 words.

    released: a block of JSON in the completion is scored instead, by the repetition of its detection boxes (a leftover
    of the object detection recipe; see ``_boxes``).
    """
    _check_mode(mode)
    if not isinstance(text, str):
        return 0.0
    if mode == "released":
        boxes = _boxes(text)
        if boxes is not None:
            return REPETITION_WORST * (1 - len(set(boxes)) / len(boxes)) if boxes else 0.0
    words = text.lower().split()
    total = len(words) - REPETITION_WORDS + 1
    return REPETITION_WORST * (1 - _distinct_ngrams(words) / total) + 0.0 if total > 0 else 0.0


def _distinct_ngrams(words: list[str]) -> int:
    """The exact number of different 6-grams among at least 6 words.

    Words become numbers, three in a row one number, two of those a 6-gram; then equal ones are counted by sorting. A
    set of tuples says the same, but takes 0.4 s for half a million words.
    """
    number = {word: i for i, word in enumerate(dict.fromkeys(words))}
    if len(number) >= 2**21:  # three numbers would not fit into 63 bits
        return len(set(zip(*(words[i:] for i in range(REPETITION_WORDS)))))
    ids = np.fromiter(map(number.__getitem__, words), np.int64, len(words))
    triples, different = (ids[:-2] * len(number) + ids[1:-1]) * len(number) + ids[2:], len(number) ** 3
    if different**2 >= 2**63:  # two of them do not fit as they are, but their ranks do
        triples, different = np.unique(triples, return_inverse=True)[1], len(words)
    sixes = np.sort(triples[:-3] * different + triples[3:])
    return 1 + int(np.count_nonzero(np.diff(sixes)))


_ARRAY_START = re.compile(r"\[\s*\{")
_ARRAY_END = re.compile(r"\}\s*\]")


def _boxes(text: str) -> list[str] | None:
    """The detection boxes that the official code compares instead of words; None if it would look at the words.

    It takes the first fenced JSON block, else the first fenced block, else what looks like a list of boxes. A list
    without any box counts as no repetition at all. Where the block is no valid JSON the official code lets a library
    repair it; we look at the words.
    """
    block = _between(text, "```json", "```")
    if block is None:
        block = _between(text, "```", "```") or _array_of_boxes(text)
    try:
        data = json.loads(block or "")
        if not (isinstance(data, list) and data):
            return None
        boxes = [item for item in data if isinstance(item, dict) and "bbox_2d" in item and "label" in item]
        return [f"{box['bbox_2d']}_{box['label']}" for box in boxes]
    except (ValueError, RecursionError):
        return None


def _between(text: str, opening: str, closing: str) -> str | None:
    start = text.find(opening)
    end = text.find(closing, start + len(opening)) if start >= 0 else -1
    return None if end < 0 else text[start + len(opening) : end].strip()


def _array_of_boxes(text: str) -> str | None:
    """From the first ``[{`` to the first ``}]`` that comes after "bbox_2d" and "label"."""
    start = _ARRAY_START.search(text)
    if start is None:
        return None
    at = start.end()
    for key in ('"bbox_2d"', '"label"'):
        at = text.find(key, at) + len(key)
        if at < len(key):
            return None
    end = _ARRAY_END.search(text, at)
    return None if end is None else text[start.start() : end.end()]


def place(
    text: str, country: str, city: str, mode: Mode = "paper", *, weights: Mapping[str, float] = WEIGHTS
) -> Reward:
    """GLOBE's reward on task labels, as its code has it: 1 for country and city, 0.2 for the country alone, else 0;
    plus 1 for the form. Its two other rewards, which ask models of their own, are left out.

    country: ISO code; city: as the answer should spell it, but for case. Of the weights those of accuracy and format.
    """
    answer = parse_place(text)
    right = 0  # how many of country and city; a city counts in its country alone
    if isinstance(answer, Place) and country and answer.country_code == country:
        right = 2 if isinstance(city, str) and city and (answer.city or "").casefold() == city.casefold() else 1
    parts = {"accuracy": PLACE_VALUES[right], "format": format(text, mode)}
    return Reward(sum(weights[name] * part for name, part in parts.items()), parts)


def distance(
    text: str, lat: float, lon: float, mode: Mode = "paper", *, weights: Mapping[str, float] = WEIGHTS
) -> Reward:
    """A reward on the place itself, which is no part of the paper: the GeoScore of the place named, as a share of the
    5,000 that no error has (0 where none is named), plus 1 for the form.

    lat, lon: of the true place, in degrees. Of the weights those of accuracy and format.
    """
    from georeplicate.tasks import geolocation  # the other rewards need no gazetteer

    _, point = geolocation.located(parse_place(text))
    score = float(geo.geoscore(geo.haversine_km(lat, lon, *point))) / 5000
    parts = {"accuracy": score, "format": format(text, mode)}
    return Reward(sum(weights[name] * part for name, part in parts.items()), parts)


def total(
    text: str,
    letter: str,
    n_tokens: int,
    mode: Mode = "paper",
    *,
    weights: Mapping[str, float] = WEIGHTS,
    values: tuple[float, float] = ACCURACY_VALUES,
) -> Reward:
    """The weighted sum of the four rewards of a completion whose right answer is ``letter``.

    ``n_tokens`` is the completion's length in the policy's tokens; ``weights`` needs all four names of ``WEIGHTS``.
    """
    if set(weights) != set(WEIGHTS):
        raise ValueError(f"weights must name {', '.join(WEIGHTS)}, got {', '.join(weights)}")
    wrong, right = values
    correct = accuracy(text, letter, mode, (0.0, 1.0)) == 1.0
    parts = {
        "accuracy": float(right if correct else wrong),
        "format": format(text, mode),
        "length": length(n_tokens, correct, mode),
        "repetition": repetition(text, mode),
    }
    return Reward(sum(weights[name] * part for name, part in parts.items()), parts)
