"""How far a policy could get at pairing by naming the attributes that pair best, with the words that it has: no choice
makes up for words that are wrong (`report.from_words`). The choice is one for all questions; a policy that chooses for
each question anew may get further."""

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
CAPTION = (
    "How far choosing could go: right letters (greedy, wrong tiles of one city) as answered; from the policy's own "
    f"words of each picture alone, about the attributes that it names; and about the best 1 to {MOST} attributes, the "
    "same for all questions, chosen in half of the cities and counted in the other half. The last row has true words. "
    "Means over bases with 95 % intervals (Student's t over bases, and places). Exploratory."
)


def reach(p: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """One row an arm that is there, and one of true words: arm, benchmark, n, bases, and, each with its _low and _high,
    answered, named (by the policy's own words of what it names) and best (see CAPTION).

    p: predictions of arms (`arms.read`)."""
    candidates, right = from_words.questions(p)
    halves = _halves(list(right))
    rows, true = [], None
    for arm in names:
        policies = {base: from_words.said_by(rows) for base, rows in p[p.arm == arm].groupby("training_seed")}
        found: dict[str, list[np.ndarray]] = {}
        for one in policies.values():
            found.setdefault("answered", []).append(from_words.hits(one.own, right))
            found.setdefault("named", []).append(from_words.by_words(one.named, one, candidates, right))
            found.setdefault("best", []).append(_best(_agree(one.panoramas, one.tiles, candidates), right, halves))
        if not policies:
            continue
        rows.append(_row(arm, right, list(policies), found))
        true = true if true is not None else _true(p[p.arm == arm])
    if true is not None:
        best = _best(_agree(*true, candidates), right, halves)
        rows.append(_row("true words", right, [0], {"best": [best]}) | {"bases": 0})
    return pd.DataFrame(rows)


def _row(arm: str, right: Mapping[str, str], bases: list[int], found: Mapping[str, list[np.ndarray]]) -> dict:
    row = {"arm": arm, "benchmark": BENCHMARK, "n": len(right), "bases": len(bases)}
    for what, values in found.items():
        row |= statistics.measured(what, from_words.sample(list(right), bases, values))
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
    at = np.array([LETTERS.index(letter) for letter in right.values()])
    every = [choice for size in range(1, MOST + 1) for choice in combinations(range(agree.shape[2]), size)]
    hits = np.empty((len(every), len(at)))
    for i, choice in enumerate(every):
        same = np.logical_and.reduce(agree[:, :, choice], axis=2)
        hits[i] = np.where(same.any(axis=1), same.argmax(axis=1) == at, 1 / agree.shape[1])
    found = np.empty(len(at))
    for half in (halves, ~halves):
        if half.any():
            found[half] = hits[hits[:, ~half].mean(1).argmax() if (~half).any() else 0][half]
    return found


def for_readers(made: pd.DataFrame) -> pd.DataFrame:
    """`reach` for readers: a row an arm, a column each way of answering."""
    columns = {
        "answered": "as answered",
        "named": "from words alone, of what it names",
        "best": "of the best attributes",
    }
    rows = []
    for row in made.to_dict("records"):
        cells = {
            head: f"{row[what]:.3f} [{row[what + '_low']:.3f}, {row[what + '_high']:.3f}]"
            if what in row and row[what] == row[what]
            else ""
            for what, head in columns.items()
        }
        rows.append({"arm": row["arm"], "bases": row["bases"] or "", **cells})
    return pd.DataFrame(rows)


def sentence(made: pd.DataFrame, arm: str) -> str:
    """How near an arm is to what its words allow, as a sentence; "" where it is not there."""
    found = made.set_index("arm") if len(made) else made
    if arm not in found.index:
        return ""
    one, true = found.loc[arm], found.loc["true words"]
    return (
        f"What a fixed choice can reach: {arm} answers {one.answered:.3f} of the questions rightly. From its own words "
        f"of each picture alone the attributes that it names give {one.named:.3f}, and the best ones (up to {MOST}, "
        f"chosen in half of the cities and counted in the other) {one.best:.3f} [{one.best_low:.3f}, "
        f"{one.best_high:.3f}]; from true words these would give {true.best:.3f}."
    )
