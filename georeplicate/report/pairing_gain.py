"""Where a gain in pairing comes from, in the geographic world: the answering rule, the choice of what to name, or
seeing. No model is run: a test question is paired again from words that were said.

Every policy has put every test picture into words, each alone (tasks "panorama words", "tile words"). So a question can
be answered from the words of one policy about the attributes that another one names: the first tile whose words are the
panorama's is the letter, and where there is none, a guess counts. What the better choice of attributes gives to the
control's own words is selection, what the better words add to that is perception.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from georeplicate.evaluation import seeds, statistics
from georeplicate.evaluation.faithfulness import thoughts
from georeplicate.evaluation.statistics import Sample
from georeplicate.mini import readings
from georeplicate.mini.wording import LETTERS
from georeplicate.profiles import Profile
from georeplicate.report import thinking
from georeplicate.report.arms import BENCHMARK, WORDS, paired, points
from georeplicate.runs import arms

RULE, SELECTION, PERCEPTION, REST, ALL = "answering rule", "selection", "perception", "what is left", "all"
CAPTION = (
    "Where the gain of a rewarded arm over its control with random labels comes from, in points of pairing accuracy "
    "(greedy, wrong tiles of one city), base by base with 95 % intervals. answering rule: the own letter against the "
    "first tile called a match. selection: the attributes that the arm names, read in the control's words of each "
    "picture alone, against those that the control names. perception: the arm's words against the control's, of the "
    "attributes that the arm names, of pictures alone. what is left: among six pictures words are other than alone. "
    "Exploratory."
)


@dataclass(frozen=True)
class _Policy:
    """Of one arm and base: answers by question (letter given, letter by its verdicts, attributes named of the place),
    and {place: {attribute: word}} of panoramas and tiles alone."""

    own: Mapping[str, str]
    judged: Mapping[str, str]
    named: Mapping[str, Sequence[str]]
    panoramas: Mapping[str, Mapping[str, str]]
    tiles: Mapping[str, Mapping[str, str]]


def _policy(rows: pd.DataFrame) -> _Policy:
    pairing = rows[(rows.task == "pairing") & (rows.decoding == "greedy")]
    judged = readings.read_by_verdicts(pairing)
    named = {}
    for one in pairing.itertuples():
        place = next((words for name, words, _ in thoughts(one.text, WORDS) if name == WORDS.place), {})
        named[one.id] = tuple(place)

    def alone(task: str) -> dict[str, dict[str, str]]:
        of = rows[(rows.task == task) & (rows.decoding == "greedy")]
        return {one.id: readings.first_words(one.choice, WORDS.attribute_of) for one in of.itertuples()}

    return _Policy(
        dict(zip(pairing.id, pairing.choice, strict=True)),
        dict(zip(judged.id, judged.choice, strict=True)),
        named,
        alone("panorama words"),
        alone("tile words"),
    )


def from_words(
    named: Mapping[str, Sequence[str]], eyes: _Policy, candidates: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """{question: letter} of the first tile whose words, of the attributes named, are the panorama's, each of them given
    for both; "" where no tile's are, or nothing was named. candidates: {question: ids of its tiles, by letter}."""
    letters = {}
    for question, tiles in candidates.items():
        place = eyes.panoramas.get(question, {})
        wanted = {kind: place.get(kind, "") for kind in named.get(question, ())}
        same = [
            bool(wanted) and all(word and eyes.tiles.get(tile, {}).get(kind) == word for kind, word in wanted.items())
            for tile in tiles
        ]
        letters[question] = LETTERS[same.index(True)] if True in same else ""
    return letters


def decompose(p: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """One row a pair (an arm and its control, from the same bases) that is there and part of the gain: after, before,
    part, benchmark, n (questions of each base), bases, difference, low, high, p_value and smallest_effect, as shares.
    The parts add up to ALL.

    p: predictions of arms (`arms.read`). Questions are made again and have to have the letters that were recorded;
    ValueError where they have not.
    """
    pairs = list(pairs)
    needed = p[p.arm.isin({arm for pair in pairs for arm in pair})]
    policies = {key: _policy(rows) for key, rows in needed.groupby(["arm", "training_seed"])}
    _, questions = thinking.questions_of(Profile.get(arms.PROFILE), "test")
    right = p[p.task == "pairing"].drop_duplicates("id").set_index("id").truth.to_dict()
    if any(questions.get(question, ("",))[0] != letter for question, letter in right.items()):
        raise ValueError("the questions of these answers are not those that are made today: evaluate the arms again")
    candidates = {question: questions[question][1] for question in right}
    rows = []
    for after, before in pairs:
        bases = [base for arm, base in policies if arm == after and (before, base) in policies]
        if not bases or not paired(p, after, before):
            continue
        parts: dict[str, list[np.ndarray]] = {}
        for base in bases:
            for part, values in _parts(policies[after, base], policies[before, base], candidates, right).items():
                parts.setdefault(part, []).append(values)
        for part, found in parts.items():
            rows.append(
                {"after": after, "before": before, "part": part, "benchmark": BENCHMARK, "n": len(right)}
                | {"bases": len(bases)}
                | _measured(list(right), bases, found)
            )
    return pd.DataFrame(rows)


def _parts(one: _Policy, other: _Policy, candidates, right: Mapping[str, str]) -> dict[str, np.ndarray]:
    """{part: what it adds, for each question}."""

    def hits(letters: Mapping[str, str]) -> np.ndarray:
        return np.array([letters[question] == letter for question, letter in right.items()], float)

    def by_words(named: Mapping[str, Sequence[str]], eyes: _Policy) -> np.ndarray:
        """Of questions that words do not decide, what a guess is right in."""
        letters = from_words(named, eyes, candidates)
        guess = [0.0 if letters[question] else 1 / len(tiles) for question, tiles in candidates.items()]
        return hits(letters) + np.array(guess)

    gain = hits(one.own) - hits(other.own)
    rule = (hits(one.own) - hits(one.judged)) - (hits(other.own) - hits(other.judged))
    before, chosen, seen = by_words(other.named, other), by_words(one.named, other), by_words(one.named, one)
    parts = {RULE: rule, SELECTION: chosen - before, PERCEPTION: seen - chosen}
    return {ALL: gain, **parts, REST: gain - rule - (seen - before)}


def _measured(questions: Sequence[str], bases: Sequence[int], values: Sequence[np.ndarray]) -> dict[str, float]:
    table = pd.DataFrame({"id": np.tile(questions, len(bases)), "training_seed": np.repeat(bases, len(questions))})
    table["system"], table["task"] = "gain", "pairing"
    found: Sample = statistics.sample(table, np.concatenate(values), 1)
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
