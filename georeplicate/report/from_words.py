"""A test question of the geographic world paired again from words that were said. No model is run.

Every policy has put every test picture into words, each alone (tasks "panorama words", "tile words"). So a question can
be answered from the words of one policy about the attributes that another one names: the first tile whose words are the
panorama's is the letter, and where there is none, a guess counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from georeplicate.evaluation import statistics
from georeplicate.evaluation.faithfulness import thoughts
from georeplicate.evaluation.statistics import Sample
from georeplicate.mini import readings
from georeplicate.mini.wording import LETTERS
from georeplicate.profiles import Profile
from georeplicate.report import thinking
from georeplicate.report.arms import WORDS
from georeplicate.runs import arms


@dataclass(frozen=True)
class Said:
    """Of one arm and base: answers by question (letter given, letter by its verdicts, attributes named of the place),
    and {place: {attribute: word}} of panoramas and tiles alone."""

    own: Mapping[str, str]
    judged: Mapping[str, str]
    named: Mapping[str, Sequence[str]]
    panoramas: Mapping[str, Mapping[str, str]]
    tiles: Mapping[str, Mapping[str, str]]


Policies = Mapping[tuple[str, int], Said]  # by arm and number of the base


def said(p: pd.DataFrame) -> Policies:
    """What every policy of these predictions (`arms.read`) said."""
    return {key: _said_by(rows) for key, rows in p.groupby(["arm", "training_seed"])}


def _said_by(rows: pd.DataFrame) -> Said:
    """Of the predictions of one arm and base."""
    pairing = rows[(rows.task == "pairing") & (rows.decoding == "greedy")]
    judged = readings.read_by_verdicts(pairing)
    named = {}
    for one in pairing.itertuples():
        place = next((words for name, words, _ in thoughts(one.text, WORDS) if name == WORDS.place), {})
        named[one.id] = tuple(place)

    def alone(task: str) -> dict[str, dict[str, str]]:
        of = rows[(rows.task == task) & (rows.decoding == "greedy")]
        return {one.id: readings.first_words(one.choice, WORDS.attribute_of) for one in of.itertuples()}

    return Said(
        dict(zip(pairing.id, pairing.choice, strict=True)),
        dict(zip(judged.id, judged.choice, strict=True)),
        named,
        alone("panorama words"),
        alone("tile words"),
    )


def letters(named: Mapping[str, Sequence[str]], eyes: Said, candidates: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """{question: letter} of the first tile whose words, of the attributes named, are the panorama's, each of them given
    for both; "" where no tile's are, or nothing was named. candidates: {question: ids of its tiles, by letter}."""
    found = {}
    for question, tiles in candidates.items():
        place = eyes.panoramas.get(question, {})
        wanted = {kind: place.get(kind, "") for kind in named.get(question, ())}
        same = [
            bool(wanted) and all(word and eyes.tiles.get(tile, {}).get(kind) == word for kind, word in wanted.items())
            for tile in tiles
        ]
        found[question] = LETTERS[same.index(True)] if True in same else ""
    return found


def questions(p: pd.DataFrame) -> tuple[dict[str, Sequence[str]], dict[str, str]]:
    """({question: ids of its tiles by letter}, {question: its right letter}) of the pairing answers; ValueError where
    the questions that are made today have other letters."""
    _, made = thinking.questions_of(Profile.get(arms.PROFILE), "test")
    right = p[p.task == "pairing"].drop_duplicates("id").set_index("id").truth.to_dict()
    if any(made.get(question, ("",))[0] != letter for question, letter in right.items()):
        raise ValueError("the questions of these answers are not those that are made today: evaluate the arms again")
    return {question: made[question][1] for question in right}, right


def hits(given: Mapping[str, str], right: Mapping[str, str]) -> np.ndarray:
    """(questions,) 1 where the letter given is the right one."""
    return np.array([given[question] == letter for question, letter in right.items()], float)


def by_words(
    named: Mapping[str, Sequence[str]],
    eyes: Said,
    candidates: Mapping[str, Sequence[str]],
    right: Mapping[str, str],
) -> np.ndarray:
    """(questions,) right or not by `letters`; of questions that words do not decide, what a guess is right in."""
    given = letters(named, eyes, candidates)
    guess = [0.0 if given[question] else 1 / len(tiles) for question, tiles in candidates.items()]
    return hits(given, right) + np.array(guess)


def sample(questions: Sequence[str], bases: Sequence[int], values: Sequence[np.ndarray]) -> Sample:
    """One value a question and base as a sample over both. values: (questions,) for each base."""
    table = pd.DataFrame({"id": np.tile(questions, len(bases)), "training_seed": np.repeat(bases, len(questions))})
    table["system"], table["task"] = "gain", "pairing"
    return statistics.sample(table, np.concatenate(values), 1)
