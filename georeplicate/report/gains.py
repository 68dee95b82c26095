"""What the reward adds in the geographic world: arms that are rewarded for the right letter against the same training
with random labels, and what that says of the paper's claims. From `report.arms`.

    gains(all verdicts)          a row each pair of arms, differences with their intervals and verdicts
    pooled(predictions, samples) the mean over pairs with all bases, base by base
    headline(verdicts, pooled)   both below a sentence; read_headline(folder) the same from committed tables
    first_page(...)              the shortest form
    positive_controls(verdicts)  what training with labels of places does, where the reward has none
    cancels(verdicts)            the paper's argument for hard negatives, held against these arms
    claims(all verdicts)         what the arms say of the paper's claims
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from georeplicate import paper
from georeplicate.evaluation import seeds, statistics
from georeplicate.evaluation.statistics import Sample
from georeplicate.profiles import Profile
from georeplicate.report.arms import BENCHMARK, KM, OPEN, Measured, over_shared_bases, paired, points
from georeplicate.runs import arms

# An arm and its control, whose labels are random, with what else is the same in both.
OF_THE_REWARD: Mapping[tuple[str, str], str] = {
    ("region-replay", "shuffled-replay"): "wrong tiles of one city",
    ("random-replay", "shuffled-replay"): "wrong tiles from anywhere",
    ("region-tower", "shuffled-tower-again"): "wrong tiles of one city, vision tower trained",
    ("random-tower", "shuffled-tower"): "wrong tiles from anywhere, vision tower trained",
    ("r1", "r1-shuffled"): "after SFT on the scaffold, wrong tiles of one city",
    ("random-cities", "shuffled-cities"): "325 cities, wrong tiles from anywhere",
    ("graded-cities", "shuffled-cities"): "325 cities, wrong tiles from neighbours to strangers",
    ("longer-region", "longer-shuffled"): "bases of a longer curriculum, wrong tiles of one city",
}
_TILES = {"region": "of one city", "random": "from anywhere", "graded": "from neighbours to strangers"}
SAME_TILES = "the same"
GAINS = {
    "pairing": "pairing accuracy, one city",
    "pairing apart": "pairing accuracy, from anywhere",
    "places": f"places within {KM:,} km",
    "words": "words true, pictures alone",
}
POOLED = (
    "What a reward for the right letter adds to the same training with random labels: the mean over the pairs of arms "
    "that have all bases, base by base, with its 95 % interval (Student's t over bases, and places). A base counts by "
    "its number, also where it was made again on another processor or by a longer curriculum. Nothing of it was "
    "registered."
)
# With labels of places, so no test of the claim: whether these policies can be moved at all.
POSITIVE = {
    ("direct", "rule"): "GRPO on the distance of the place named",
    ("sft", "rule"): "SFT on thoughts that end in the place",
}


def control_tiles(pair: tuple[str, str]) -> str:
    """Where the wrong tiles of a control come from, where that is not as in its arm; "" where it is the same."""
    after, before = (
        replace(Profile.get(arms.PROFILE), **arms.BY_NAME[name].changes).negatives_of("train") for name in pair
    )
    return "" if after == before else _TILES[before]


def _of_the_reward(judged: pd.DataFrame) -> pd.DataFrame:
    """The rows of `all_verdicts` that are about the reward: pairs of OF_THE_REWARD, endpoints of GAINS."""
    if not len(judged):
        return judged
    pairs = pd.MultiIndex.from_frame(judged[["after", "before"]])
    return judged[pairs.isin(list(OF_THE_REWARD)) & judged.endpoint.isin(list(GAINS))]


def gains(judged: pd.DataFrame) -> pd.DataFrame:
    """From `all_verdicts`, a row each pair of OF_THE_REWARD whose arms are there: the endpoints of GAINS as differences
    in points, their 95 % intervals and verdicts."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for r in _of_the_reward(judged).itertuples():
        pair = (r.after, r.before)
        label = {"GRPO, beside replay": OF_THE_REWARD[pair], "tiles of the control": control_tiles(pair) or SAME_TILES}
        row = rows.setdefault(pair, label | {"bases": str(r.bases)})
        row[GAINS[r.endpoint]] = f"{points(r)}: {r.verdict}"
    columns = ["GRPO, beside replay", "tiles of the control", "bases", *GAINS.values()]
    return pd.DataFrame([rows[pair] for pair in OF_THE_REWARD if pair in rows], columns=columns)


def pooled(p: pd.DataFrame, measured: Measured) -> pd.DataFrame:
    """From predictions of arms and their samples, a row each endpoint of GAINS: benchmark, pairs, bases, difference,
    low, high, p_value and smallest_effect of the mean over all pairs whose two arms have every base and come from the
    same policies; no row for fewer than two pairs or bases."""
    rows = []
    there = [pair for pair in OF_THE_REWARD if set(pair) <= measured.keys() and paired(p, *pair)]
    for endpoint in GAINS:
        found = {pair: _gap(measured, pair, endpoint) for pair in there}
        bases = max((one.seeds for one in found.values() if one), key=len, default=())
        whole = [one for one in found.values() if one and one.seeds == bases]
        if len(whole) < 2 or len(bases) < 2:
            continue
        mean = np.mean([one.cells() + one.value for one in whole], axis=0)
        spread = seeds.between(mean)
        row = {"endpoint": endpoint, "benchmark": BENCHMARK, "pairs": len(whole), "bases": len(bases)}
        rows.append(row | statistics.by_spread(float(np.mean([one.value for one in whole])), spread))
    return pd.DataFrame(rows)


def _gap(measured: Measured, pair: tuple[str, str], endpoint: str) -> Sample | None:
    """After minus before as one sample, over the bases that both have; None where they have none in common."""
    one, two = over_shared_bases(*(measured[name][endpoint] for name in pair))
    if not one.seeds or not np.array_equal(one.possible, two.possible):
        return None
    return Sample(one.seeds, one.places, one.counted - two.counted, one.possible)


def headline(judged: pd.DataFrame, mean: pd.DataFrame | None = None) -> str:
    """`gains` in a sentence or two, chosen by rule, above its table, as Markdown; "" before there is one. mean: of
    `pooled`."""
    of, table = _of_the_reward(judged), gains(judged)
    if not len(table):
        return ""
    parts = []
    for endpoint, label in GAINS.items():
        counts = of[of.endpoint == endpoint].verdict.value_counts()
        in_order = [f"{verdict} in {counts[verdict]}" for verdict in (*arms.DIRECTIONS, OPEN) if verdict in counts]
        parts.append(f"{label}: {', '.join(in_order)}")
    power = "With one base an interval is over places alone, and says nothing of other bases."
    if (of.bases > 1).all():
        smallest = 100 * of[of.endpoint == "places"].smallest_effect
        ends = " to ".join(dict.fromkeys(f"{end:.1f}" for end in (smallest.min(), smallest.max())))
        power = f"Of places {ends} points would have been detected (80 % power, from the spread seen)."
        if mean is not None and len(mean):
            power += f" {_in_mean(mean)}"
    others = sum(tiles != SAME_TILES for tiles in table["tiles of the control"])
    return (
        f"In short: what a reward for the right letter adds to the same training with random labels, in {len(table)} "
        f"pair{'s' if len(table) > 1 else ''} of arms, labelled records of other prompts replayed in both"
        + (f" (in {others} the control has other wrong tiles as well)" if others else "")
        + f": {'; '.join(parts)}. {power}\n\n{paper.markdown(table).strip()}"
    )


def _in_mean(mean: pd.DataFrame) -> str:
    parts = [f"{GAINS[row.endpoint]} {points(row)}" for row in mean.itertuples()]
    pairs = " or ".join(map(str, sorted(set(mean.pairs))))
    of = f"the {pairs} pairs that have all bases, base by base (not registered)"
    return f"In the mean of {of}: {'; '.join(parts)} points."


def first_page(judged: pd.DataFrame, mean: pd.DataFrame, made: pd.DataFrame) -> str:
    """What the reward adds, in two sentences for the first page, from `all_verdicts`, `pooled` and `arms.levels`: its
    gains in pairing with the levels reached, places in the mean, and the arm that stands for the paper's own base; ""
    before these are there."""
    of = _of_the_reward(judged)
    plain = judged[(judged.after == "plain") & (judged.before == "base")].set_index("endpoint") if len(judged) else of
    if not (len(of) and len(mean) and len(plain)):
        return ""
    pairing = of[of.endpoint == "pairing"]
    raised, bases = pairing[pairing.verdict == arms.HIGHER], " or ".join(map(str, sorted(set(pairing.bases))))
    levels = made[made.endpoint == "pairing"].set_index("arm").value
    places = mean.set_index("endpoint").loc["places"]
    gained = (
        f", by {100 * raised.difference.min():.0f} to {100 * raised.difference.max():.0f} points to "
        f"{100 * levels[raised.after].min():.0f} to {100 * levels[raised.after].max():.0f} % (chance "
        f"{100 * levels['chance']:.0f} %)"
        if len(raised)
        else ""
    )
    return (
        "Against the same training with random labels the reward raises pairing accuracy in "
        f"{len(raised)} of {len(pairing)} pairs of settings, each from {bases} bases, with labelled records of other "
        f"prompts replayed beside GRPO{gained}; it changes places within {KM:,} km by {points(places)} points in the "
        f"mean of the {places.pairs} pairs that have all bases (not registered). Without replay, and compared with the "
        "base before, GRPO from a base that was not taught to answer with the first tile that it calls a match changes "
        f"pairing by {points(plain.loc['pairing'])} and places by {points(plain.loc['places'])} points."
    )


def read_headline(folder: str | Path) -> str:
    """`headline` from the tables arms.csv and pooled.csv of a folder."""
    judged, mean = (pd.read_csv(Path(folder) / f"{name}.csv") for name in ("arms", "pooled"))
    return headline(judged, mean)


def positive_controls(judged: pd.DataFrame) -> str:
    """Places after training with labels of places, as a sentence; "" without these arms."""
    said = []
    for (after, before), what in POSITIVE.items():
        rows = judged[(judged.after == after) & (judged.before == before) & (judged.endpoint == "places")]
        for row in rows.itertuples():
            detectable = f", {100 * row.smallest_effect:.1f} detectable" if np.isfinite(row.smallest_effect) else ""
            said.append(f"{what} (`{after}`) {points(row)} points ({row.verdict}{detectable})")
    if not said:
        return ""
    return f"Positive controls, trained on labels of places and compared with the base before: {'; '.join(said)}."


def cancels(judged: pd.DataFrame) -> str:
    """The paper's argument for wrong tiles of one neighbourhood, against the arms that differ in them, as Markdown; ""
    without these."""

    def row(after: str, before: str, endpoint: str) -> pd.Series:
        chosen = (judged.after == after) & (judged.before == before) & (judged.endpoint == endpoint)
        return judged[chosen].iloc[0]

    near, far, control = "region-replay", "random-replay", "shuffled-replay"
    try:
        dropped, kept, rarer = (row(*pair, "shared said") for pair in ((near, control), (far, control), (far, near)))
        places, words = (row(far, near, endpoint) for endpoint in ("places", "shared words"))
    except (IndexError, AttributeError):
        return ""
    borne_out = dropped.verdict == arms.LOWER and rarer.verdict == arms.HIGHER
    return (
        "A true cue that all candidates share decides nothing in a comparison. So wrong tiles of one neighbourhood, "
        "which keep a policy from shortcuts, also leave cues of the region without a reward. Of the words said while "
        f"pairing, cues common to a whole city change their share by {points(dropped)} points with wrong "
        f"tiles of one city ({dropped.verdict}) and by {points(kept)} with tiles from anywhere ({kept.verdict}), both "
        f"against random labels; with tiles from anywhere it is {points(rarer)} points above that of one city "
        f"({rarer.verdict}). "
        + ("So the argument is borne out in what is said. " if borne_out else
           "So the argument is not borne out in what is said. ")
        + f"Places within {KM:,} km differ from those with tiles of one city by {points(places)} points "
        f"({places.verdict}), true words of such cues, pictures alone, {points(words)} ({words.verdict}): that such "
        "cues pay "
        + ("raises places." if places.verdict == arms.HIGHER else "is not seen to raise places.")
    )  # fmt: skip


# The claims of the paper that arms here can speak to, by their ids in `paper.CLAIMS`: (claim, endpoint, what it would
# be, pairs of arms). Where a control is there the reward is what differs, and not training itself.
CLAIMED: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (
    ("pairing.rl", "pairing", arms.HIGHER, (("region-replay", "shuffled-replay"), ("r1", "r1-shuffled"))),
    ("pairing.sft_alone", "pairing", arms.SAME, (("sft", "rule"),)),
    ("pairing.sft_helps", "pairing", arms.HIGHER, (("r1", "region-replay"),)),
    ("transfer.base", "places", arms.HIGHER, tuple(OF_THE_REWARD)),
    ("transfer.other", "climate", arms.HIGHER, tuple(OF_THE_REWARD)),
)
CLAIMS = (
    "What the arms in the geographic world say of the paper's claims: each pair of arms, what the claim would have it "
    "be, the difference with its 95 % interval over bases, and whether that came out here: its direction alone, not "
    "how far. Arms of two million parameters in a drawn world can support a claim or fail to; they do not decide about "
    "photographs."
)


def claims(judged: pd.DataFrame) -> pd.DataFrame:
    """From `all_verdicts`, a row each claim of CLAIMED and pair of its arms that is there: claim, statement, arms,
    endpoint, would_be, difference, low, high, smallest_effect, bases, and direction_here: yes, no or cannot tell."""
    statements = {one.id: one.statement for one in paper.CLAIMS}
    rows = []
    for claim, endpoint, would_be, pairs in CLAIMED:
        for after, before in pairs:
            of = (judged.after == after) & (judged.before == before) & (judged.endpoint == endpoint)
            for row in judged[of].to_dict("records"):
                direction = OPEN if row["verdict"] == OPEN else "yes" if row["verdict"] == would_be else "no"
                rows.append(
                    {"claim": claim, "statement": statements[claim], "arms": f"{after} against {before}"}
                    | {"endpoint": endpoint, "would_be": would_be, "benchmark": BENCHMARK, "bases": row["bases"]}
                    | {name: row[name] for name in ("difference", "low", "high", "smallest_effect")}
                    | {"direction_here": direction}
                )
    return pd.DataFrame(rows)
