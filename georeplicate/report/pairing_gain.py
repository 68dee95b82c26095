"""Where a gain in pairing comes from, in the geographic world: the answering rule, the choice of what to name, or
seeing. What the better choice of attributes gives to the control's own words is selection, what the better words add to
that is perception (`report.from_words`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from georeplicate.evaluation import seeds, statistics
from georeplicate.report import from_words
from georeplicate.report.arms import BENCHMARK, paired, points

RULE, SELECTION, PERCEPTION, REST, ALL = "answering rule", "selection", "perception", "what is left", "all"
CAPTION = (
    "Where the gain of a rewarded arm over its control with random labels comes from, in points of pairing accuracy "
    "(greedy, wrong tiles of one city), base by base with 95 % intervals. answering rule: the own letter against the "
    "first tile called a match. selection: the attributes that the arm names, read in the control's words of each "
    "picture alone, against those that the control names. perception: the arm's words against the control's, of the "
    "attributes that the arm names, of pictures alone. what is left: among six pictures words are other than alone. "
    "Exploratory."
)


def decompose(p: pd.DataFrame, said: from_words.Policies, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """One row a pair (an arm and its control, from the same bases) that is there and part of the gain: after, before,
    part, benchmark, n (questions of each base), bases, difference, low, high, p_value and smallest_effect, as shares.
    The parts add up to ALL.

    p: predictions of arms (`arms.read`). said: of `from_words.said`. Questions are made again and have to have the
    letters that were recorded; ValueError where they have not.
    """
    candidates, right = from_words.questions(p)
    rows = []
    for after, before in pairs:
        bases = [base for arm, base in said if arm == after and (before, base) in said]
        if not bases or not paired(p, after, before):
            continue
        parts: dict[str, list[np.ndarray]] = {}
        for base in bases:
            for part, values in _parts(said[after, base], said[before, base], candidates, right).items():
                parts.setdefault(part, []).append(values)
        for part, found in parts.items():
            rows.append(
                {"after": after, "before": before, "part": part, "benchmark": BENCHMARK, "n": len(right)}
                | {"bases": len(bases)}
                | _measured(list(right), bases, found)
            )
    return pd.DataFrame(rows)


def _parts(one: from_words.Said, other: from_words.Said, candidates, right: Mapping[str, str]) -> dict[str, np.ndarray]:
    """{part: what it adds, for each question}."""

    def hits(letters: Mapping[str, str]) -> np.ndarray:
        return from_words.hits(letters, right)

    def by_words(named: Mapping[str, Sequence[str]], eyes: from_words.Said) -> np.ndarray:
        return from_words.by_words(named, eyes, candidates, right)

    gain = hits(one.own) - hits(other.own)
    rule = (hits(one.own) - hits(one.judged)) - (hits(other.own) - hits(other.judged))
    before, chosen, seen = by_words(other.named, other), by_words(one.named, other), by_words(one.named, one)
    parts = {RULE: rule, SELECTION: chosen - before, PERCEPTION: seen - chosen}
    return {ALL: gain, **parts, REST: gain - rule - (seen - before)}


def _measured(questions: Sequence[str], bases: Sequence[int], values: Sequence[np.ndarray]) -> dict[str, float]:
    found = from_words.sample(questions, bases, values)
    return statistics.by_spread(found.value, seeds.between(found.cells()))


def sentence(made: pd.DataFrame) -> str:
    """The range of each part over the pairs of `decompose`, as a sentence; "" of nothing."""
    if not len(made):
        return ""
    ends = {}
    for part, rows in made.groupby("part"):
        low, high = (f"{100 * value:+.1f}" for value in (rows.difference.min(), rows.difference.max()))
        ends[part] = low if low == high else f"{low} to {high}"
    selection = made[made.part == SELECTION]
    pairs, clear = len(selection), int((selection.low > 0).sum())
    return (
        f"Where the gain in pairing comes from ({pairs} pair{'s' if pairs > 1 else ''} of arms, wrong tiles of one "
        f"city, points): {ends[ALL]} over the control, of which {ends[SELECTION]} choosing what to name (selection; "
        f"interval above zero in {clear}), {ends[PERCEPTION]} naming it more truly of pictures alone (perception) and "
        f"{ends[RULE]} the answering rule; {ends[REST]} remain unexplained."
    )


def among_six(spoken: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> str:
    """What `arms.while_pairing` says of these pairs, as a sentence; "" of nothing."""
    wanted = set(pairs)
    rows = spoken[[pair in wanted for pair in zip(spoken.after, spoken.before, strict=True)]] if len(spoken) else spoken
    if not len(rows):
        return ""
    return (
        "Among the six pictures of a question, words at one mix are truer than with random labels by "
        f"{100 * rows.difference.min():+.1f} to {100 * rows.difference.max():+.1f} points (interval above zero in "
        f"{int((rows.low > 0).sum())} of {len(rows)} pairs); what that gives is part of what remains unexplained."
    )


def for_readers(made: pd.DataFrame) -> pd.DataFrame:
    """`decompose` in points with intervals: a row a pair, a column a part."""
    if not len(made):
        return made
    cells = made.assign(arms=made.after + " against " + made.before, cell=[points(row) for row in made.itertuples()])
    wide = cells.pivot(index="arms", columns="part", values="cell")
    return wide.reindex(
        index=list(dict.fromkeys(cells.arms)), columns=[ALL, RULE, SELECTION, PERCEPTION, REST]
    ).reset_index()
