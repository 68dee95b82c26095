"""Other readings of answers that were already given: by their own verdicts, by the first place named, word by word.

A score depends on how an answer is read. The strict reading of all tables refuses an answer that names two places and
takes the letter in the answer block; here the text itself is read again, so that a change of *form* or of the
*answering rule* can be told apart from a change of what is known. No model is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd

from georeplicate import geo
from georeplicate.evaluation.faithfulness import Wording, thoughts
from georeplicate.mini.wording import LETTERS, MATCH, WORDING
from georeplicate.tasks import answers
from georeplicate.tasks.geolocation import located

_COUNTRY = re.compile(r"country\s*:\s*(\S+)")

# --- places ----------------------------------------------------------------------------------------------------------


@cache
def _block(text: str) -> tuple[str, tuple[float, float]]:
    """(country code, (lat, lon)) of the text of one answer block; its country alone where the rest cannot be read."""
    code, point = located(answers.parse_place(f"<answer> {text} </answer>"))
    country = _COUNTRY.search(text)
    if code or not country:
        return code, point
    return located(answers.parse_place(f"<answer> country : {country[1]} </answer>"))


@cache
def first_place(text: str) -> tuple[str, tuple[float, float]]:
    """(country code or "", (lat, lon) in degrees or NaNs) of the first answer block that names a known country.

    A block runs from `<answer>` to the next tag, closed or not: policies that lose the form often go on with a second
    answer before they have ended the first. Never raises.
    """
    for part in text.split("<answer>")[1:]:
        code, point = _block(part.partition("<")[0].strip())
        if code:
            return code, point
    return "", (np.nan, np.nan)


def first_places(rows: pd.DataFrame) -> pd.DataFrame:
    """choice (a country code or "") and error_km (NaN without a place) of each row's first place named; rows' index."""
    named = [first_place(text) for text in rows.text]
    lat, lon = (np.array([point[i] for _, point in named], float) for i in (0, 1))
    km = geo.haversine_km(rows.lat.to_numpy(float), rows.lon.to_numpy(float), lat, lon)
    return pd.DataFrame({"choice": [code for code, _ in named], "error_km": km}, index=rows.index)


# --- letters ---------------------------------------------------------------------------------------------------------


def by_verdicts(text: str, choice: str) -> str:
    """The first tile that the text itself calls a match, else its own letter (`choice`, "" where none was read)."""
    called = (name for name, _, verdict in thoughts(text, WORDING) if verdict == MATCH and name != "place")
    return next(called, choice)


def read_by_verdicts(rows: pd.DataFrame) -> pd.DataFrame:
    """Pairing rows with `choice` read by their own verdicts."""
    return rows.assign(choice=[by_verdicts(text, choice) for text, choice in zip(rows.text, rows.choice)])


def search(text: str, words: Wording = WORDING) -> tuple[int, bool]:
    """(how many tiles the thinking speaks of, whether it ends at one that it calls a match)."""
    looked = [verdict for name, _, verdict in thoughts(text, words) if name != words.place]
    return len(looked), bool(looked) and looked[-1] == words.match


# --- words -----------------------------------------------------------------------------------------------------------


def described(
    text: str, true_words: Sequence[Sequence[str]], wording: Wording = WORDING
) -> Iterator[tuple[str, str, bool]]:
    """(view, attribute, is it true) of every word about a picture in a pairing answer, counted as by `faithful`.

    view: "panorama" or "tile". true_words: of the panorama, of tile A, of tile B, ..., in the order of the wording.
    """
    for name, words, _ in thoughts(text, wording):
        index = 0 if name == "place" else 1 + LETTERS.index(name) if name in LETTERS else len(true_words)
        if index < len(true_words):
            truth = dict(zip(wording.words, true_words[index], strict=True))
            for kind, word in words.items():
                yield ("tile" if index else "panorama"), kind, truth[kind] == word


def first_words(text: str, kinds: Mapping[str, str]) -> dict[str, str]:
    """{attribute: the first word said of it} in a text. kinds: {word: attribute}; other words are passed over."""
    found: dict[str, str] = {}
    for word in text.split():
        if word in kinds:
            found.setdefault(kinds[word], word)
    return found


def thought_words(text: str, kinds: dict[str, str]) -> dict[str, str]:
    """{attribute: its first word} in the thinking of a geography answer. kinds: {word: attribute}; others are skipped.

    An answer without thinking gives {}.
    """
    inside = re.search(r"<think>(.*?)(?:</think>|<answer>|$)", text, re.DOTALL)
    return first_words(inside[1] if inside else "", kinds)
