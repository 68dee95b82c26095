"""What a policy's own words would allow at pairing, put together in other ways than the policy does
(`report.from_words`). Each way has settings that are the same for all questions: they are set on one half of the cities
and counted on the other. None is a bound: a policy may choose anew for each question, and weigh words otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from georeplicate.evaluation import statistics
from georeplicate.mini import readings
from georeplicate.mini.wording import LETTERS
from georeplicate.report import from_words
from georeplicate.report.arms import BENCHMARK, WORDS

MOST = 3  # attributes that are compared together, as in the searches that the bases practise
WAYS = {
    "answered": "as answered",
    "named": "own words of what it names",
    "best": f"own words, best 1 to {MOST} attributes",
    "weighed": "own words, all weighed",
}
CAPTION = (
    "What a policy's own words would allow: right letters (greedy, wrong tiles of one city) as answered, and from its "
    "words of each picture alone: the first tile that agrees in the attributes that it names; the first that agrees in "
    f"the best 1 to {MOST} attributes, the same for all questions; and the tile of the largest sum of naive-Bayes "
    "weights, one for each attribute that agrees or does not. Attributes and weights are set in half of the cities and "
    "counted in the other half, both ways; where no tile agrees, a guess counts. The last row has true words. Means "
    "over bases with 95 % intervals (Student's t over bases, and places; of true words over places). Exploratory."
)


def reach(p: pd.DataFrame, said: from_words.Policies, names: Iterable[str]) -> pd.DataFrame:
    """One row an arm that is there, and one of true words: arm, benchmark, n, bases, and, each with its _low and _high,
    the ways of WAYS, as CAPTION says; NaN where all places are of one city, so that nothing can be set apart.

    p: predictions of arms (`arms.read`). said: of `from_words.said`. ValueError as of `from_words.questions`."""
    candidates, right = from_words.questions(p)
    halves = _halves(list(right))

    def ways(panoramas: Mapping[str, Mapping[str, str]], tiles: Mapping[str, Mapping[str, str]]) -> dict:
        agree = _agree(panoramas, tiles, candidates)
        return {"best": _best(agree, right, halves), "weighed": _weighed(agree, right, halves)}

    rows = []
    for name in names:
        policies = {base: one for (arm, base), one in said.items() if arm == name}
        each = [
            {"answered": from_words.hits(one.own, right)}
            | {"named": from_words.by_words(one.named, one, candidates, right)}
            | ways(one.panoramas, one.tiles)
            for one in policies.values()
        ]
        if each:
            rows.append(_row(name, right, list(policies), each))
    if rows:
        rows.append(_row("true words", right, [0], [ways(*_true(p))]) | {"bases": 0})
    return pd.DataFrame(rows)


def _row(name: str, right: Mapping[str, str], bases: list[int], each: Sequence[Mapping[str, np.ndarray]]) -> dict:
    """each: {way: (questions,) right or not} of each base."""
    row = {"arm": name, "benchmark": BENCHMARK, "n": len(right), "bases": len(bases)}
    for way in each[0]:
        values = [one[way] for one in each]
        known = not np.isnan(values).any()
        row |= dict.fromkeys((way, f"{way}_low", f"{way}_high"), np.nan)
        row |= statistics.measured(way, from_words.sample(list(right), bases, values)) if known else {}
    return row


def _true(rows: pd.DataFrame) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """True words of panoramas and tiles, as `from_words.Said` has those that were said."""

    def of(task: str) -> dict[str, dict[str, str]]:
        found = rows[(rows.task == task) & (rows.decoding == "greedy")].drop_duplicates("id")
        return {one.id: readings.first_words(one.truth, WORDS.attribute_of) for one in found.itertuples()}

    return of("panorama words"), of("tile words")


def _agree(
    panoramas: Mapping[str, Mapping[str, str]],
    tiles: Mapping[str, Mapping[str, str]],
    candidates: Mapping[str, Sequence[str]],
) -> np.ndarray:
    """(questions, tiles, attributes) bool: both have a word for the attribute, and it is the same."""
    return np.array(
        [
            [
                [
                    bool(panoramas.get(question, {}).get(kind))
                    and panoramas[question][kind] == tiles.get(tile, {}).get(kind)
                    for kind in WORDS.words
                ]
                for tile in shown
            ]
            for question, shown in candidates.items()
        ]
    )


def _halves(questions: Sequence[str]) -> np.ndarray:
    """(questions,) bool: the cities of one half, every other one by name."""
    cities = [question.rpartition("/")[0] for question in questions]
    order = {city: i for i, city in enumerate(sorted(set(cities)))}
    return np.array([order[city] % 2 == 0 for city in cities])


def _best(agree: np.ndarray, right: Mapping[str, str], halves: np.ndarray) -> np.ndarray:
    """(questions,) share right with the attributes that are best in the other half of the cities; where no tile agrees
    in all of them, a guess counts."""
    at = _numbers(right)
    every = [choice for size in range(1, MOST + 1) for choice in combinations(range(agree.shape[2]), size)]
    hits = np.empty((len(every), len(at)))
    for i, choice in enumerate(every):
        same = np.logical_and.reduce(agree[:, :, choice], axis=2)
        hits[i] = np.where(same.any(axis=1), same.argmax(axis=1) == at, 1 / agree.shape[1])
    found = np.full(len(at), np.nan)
    for half in (halves, ~halves):
        if half.any() and not half.all():
            found[half] = hits[hits[:, ~half].mean(1).argmax()][half]
    return found


def _weighed(agree: np.ndarray, right: Mapping[str, str], halves: np.ndarray) -> np.ndarray:
    """(questions,) share right of the tile whose weights sum to most, ties shared; an attribute weighs the logarithm of
    how much more often right tiles agree in it than wrong ones, in the other half of the cities (one added to each
    count), or of how much more often they do not."""
    at = _numbers(right)
    own = np.zeros(agree.shape[:2], bool)
    own[np.arange(len(at)), at] = True
    found = np.full(len(at), np.nan)
    for half in (halves, ~halves):
        if not half.any() or half.all():
            continue
        rates = [(agree[~half][of[~half]].sum(0) + 1) / (of[~half].sum() + 2) for of in (own, ~own)]
        scores = np.where(agree[half], np.log(rates[0] / rates[1]), np.log((1 - rates[0]) / (1 - rates[1]))).sum(2)
        most = np.isclose(scores, scores.max(1, keepdims=True))
        found[half] = (most & own[half]).sum(1) / most.sum(1)
    return found


def _numbers(right: Mapping[str, str]) -> np.ndarray:
    """(questions,) which tile is the right one, from 0."""
    return np.array([LETTERS.index(letter) for letter in right.values()])


def for_readers(made: pd.DataFrame) -> pd.DataFrame:
    """`reach` for readers: a row an arm, a column each of WAYS."""
    rows = []
    for row in made.to_dict("records"):
        cells = {
            head: f"{row[way]:.3f} [{row[way + '_low']:.3f}, {row[way + '_high']:.3f}]"
            if np.isfinite(row.get(way, np.nan))
            else ""
            for way, head in WAYS.items()
        }
        rows.append({"arm": row["arm"], "bases": row["bases"] or "", **cells})
    return pd.DataFrame(rows)


def sentence(made: pd.DataFrame, arm: str) -> str:
    """What an arm answers and what its words would allow, as a sentence; "" where it is not there."""
    found = made.set_index("arm") if len(made) else made
    if arm not in found.index:
        return ""
    one, true = found.loc[arm], found.loc["true words"]
    return (
        f"What words allow: {arm} answers {one.answered:.3f} of the questions rightly. Its own words of each picture "
        f"alone would give {one.named:.3f} by the attributes that it names, {one.best:.3f} [{one.best_low:.3f}, "
        f"{one.best_high:.3f}] by the best 1 to {MOST}, and {one.weighed:.3f} [{one.weighed_low:.3f}, "
        f"{one.weighed_high:.3f}] with all of them weighed; true words {true.best:.3f} and {true.weighed:.3f}."
    )
