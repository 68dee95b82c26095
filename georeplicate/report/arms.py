"""The registered experiments in the geographic world: what each arm reached, and what follows by the rule written down
before the runs (`runs.arms`). Everything here is computed from predictions.csv and the registrations.

    samples(predictions)               every endpoint of every arm, over bases and places
    levels(predictions, samples)       one row an arm and endpoint, with its interval and each base's value
    verdicts(..., registered)          one row a contrast and endpoint: predicted, measured, verdict
    room(levels)                       how much there is to gain, as a sentence
    while_pairing(predictions, ...)    whether what is said while pairing is true, by seeing or by choosing
    parts(verdicts)                    what is left out and what is wrong, of words and places
    all_verdicts(..., records)         the same of every experiment
    by_arm, for_readers, points        both for readers; sentences(verdicts) and outcomes(all verdicts) as Markdown
    table2(levels)                     the systems of the paper's Table 2 in this world, and their controls
    without_control(levels)            what this table would seem to say without them, as sentences
    contrasts(record)                  what was registered, as Markdown
    said(predictions)                  which attributes the pairing answers of each arm speak of
    figure(levels)                     the primary endpoints and the pairing question by arm
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from scipy.stats import false_discovery_control

from georeplicate import geo, manifest, paper
from georeplicate.evaluation import seeds, statistics
from georeplicate.evaluation.faithfulness import thoughts
from georeplicate.evaluation.statistics import Sample
from georeplicate.mini import inputs, oracle, readings, tasks, wording
from georeplicate.profiles import Profile
from georeplicate.report import plots, tables, thinking
from georeplicate.runs import arms, runner, spec
from georeplicate.world import cues

KM = 2500
ALPHA = 0.05
OPEN = "cannot tell"
CONFIRMED, REFUTED = "as predicted", "otherwise than predicted"
OUTCOMES = {CONFIRMED: "came out as predicted", REFUTED: "came out otherwise", OPEN: "stayed open"}
BENCHMARK = tasks.BENCHMARK
WORDS = wording.WORDING
CLIMATE = dict.fromkeys(wording.CLIMATES, "climate")
LEVELS = (
    "What each arm of the registered experiments reached: one base each with a seed of its own, 95 % intervals over "
    "bases (Student's t) and places. Lines without training are of the same test places."
)
VERDICTS = (
    "Each contrast of the registered experiments, base by base (paired; arms whose bases are others, made again on "
    "another processor or by another curriculum, are compared as independent): the prediction that was written down "
    "before any new arm of the experiment was evaluated, the difference with its 95 % interval, and the verdict. "
    "p_holm is adjusted over the primary endpoints of a contrast, and decides about them; the others are exploratory "
    "and decided by their interval (p_bh is adjusted over all of an experiment by Benjamini and Hochberg). "
    "smallest_effect is the smallest difference that these bases and places would have detected with 80 % power, from "
    "the spread seen. `cannot tell` is not `no difference`: that is said only where the whole interval is smaller "
    "than the smallest difference of interest."
)


WHILE_PAIRING = (
    "Words said while pairing that are true, by contrast: shares of all that are said, and at the mix of views and "
    "attributes that the arm before speaks of, over what both speak of (`covered` of its words). What is left of a "
    "difference at the same mix is seeing, the rest is what is chosen to be said. Exploratory: nothing was predicted."
)


def read(runs: str | Path, records: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Predictions of the finished arms below a folder, with `arm` and `origin`; `training_seed` is the number of the
    base. origin: the policy that a run comes from, by way of others or not, as its manifest names it. records: of each
    experiment, by its name. FileError where there is none, ValueError where one is not as it was registered."""
    names = arms.finished(Path(runs), list(records.values()))
    p = runner.predictions(runs)  # the first runs recorded the benchmark of an earlier world
    p = p[p.run.isin(names)]
    return p.assign(arm=p.run.str.rpartition("-b")[0], benchmark=BENCHMARK, origin=p.run.map(_origins(runs, names)))


def _origins(runs: str | Path, names: Iterable[str]) -> dict[str, str]:
    """{run: the policy that it comes from}: a base's own, else where the first training on the way to it began, as far
    as the runs of that way are among `names`."""
    said = {name: manifest.read(Path(runs) / name) for name in names}
    began = {
        one["evaluation"]["inputs"]["policy"]: one["training"]["inputs"]["start"]
        for one in said.values()
        if one["training"]
    }

    def root(policy: str) -> str:
        while began.get(policy, policy) != policy:
            policy = began[policy]
        return policy

    return {name: root(one["evaluation"]["inputs"]["policy"]) for name, one in said.items()}


def paired(p: pd.DataFrame, one: str, other: str) -> bool:
    """Whether two arms come from the same policies, base by base. A base that is made again elsewhere has its number
    and its curriculum, and, as processors round otherwise, other weights; another curriculum has bases of its own. Two
    arms of which one has such a base are compared as independent, in all of their bases. True where nothing says where
    answers come from."""
    if "origin" not in p:
        return True
    found = [p[p.arm == name].groupby("training_seed").origin.first() for name in (one, other)]
    shared = found[0].index.intersection(found[1].index)
    return bool((found[0][shared] == found[1][shared]).all())


# --- endpoints -------------------------------------------------------------------------------------------------------


def _greedy(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    return rows[rows.task.isin(names) & (rows.decoding == "greedy")]


def _places(rows: pd.DataFrame) -> Sample:
    photos = _greedy(rows, "geolocation")
    return statistics.sample(photos, readings.first_places(photos).error_km <= KM)


def _places_of_named(rows: pd.DataFrame) -> Sample:
    photos = _greedy(rows, "geolocation")
    km = readings.first_places(photos).error_km
    return statistics.sample(photos, km <= KM, km.notna())


@cache
def _climates() -> dict[str, str]:
    """{place id: the word of its climate group}."""
    sites = inputs.sites(Profile.get(arms.PROFILE), "test")
    return {site.id: wording.climate_word(site.climate) for site in sites.itertuples()}


def _climate(rows: pd.DataFrame) -> Sample:
    photos = _greedy(rows, "geolocation")
    true = photos.id.map(_climates())
    said = [readings.thought_words(text, CLIMATE).get("climate", "") for text in photos.text]
    return statistics.sample(photos, (true != "") & (true == said), true != "")


def _places_by_words(rows: pd.DataFrame) -> Sample:
    """Places of the naive-Bayes reader where it is given the words that a policy thinks, in the place of the true ones:
    what a policy could name by its own words."""
    photos = _greedy(rows, "geolocation")
    words = [tuple(readings.thought_words(text, WORDS.attribute_of).values()) for text in photos.text]
    lat, lon = np.array([oracle.guess(one, KM) for one in words]).T
    km = geo.haversine_km(photos.lat.to_numpy(float), photos.lon.to_numpy(float), lat, lon)
    return statistics.sample(photos, km <= KM)


def _words(rows: pd.DataFrame, kinds: frozenset[str]) -> Sample:
    return _alone(rows, lambda found, true: (sum(found.get(kind) == true[kind] for kind in kinds), len(kinds)))


def _named(rows: pd.DataFrame) -> Sample:
    return _alone(rows, lambda found, true: (len(found), len(true)))


def _true_of_named(rows: pd.DataFrame) -> Sample:
    return _alone(rows, lambda found, true: (sum(true[kind] == word for kind, word in found.items()), len(found)))


def _alone(rows: pd.DataFrame, count: Callable[[dict[str, str], dict[str, str]], tuple[int, int]]) -> Sample:
    """Of pictures of both views together: a place is one row, whose words are counted over both. count: from the words
    found and those that are true, how many count, of how many."""
    alone = _greedy(rows, "panorama words", "tile words")
    texts = zip(alone.choice, alone.truth, strict=True)
    counted = np.array([count(_by_kind(found), _by_kind(true)) for found, true in texts])
    both = alone.assign(task="words", right=counted[:, 0], possible=counted[:, 1])
    places = both.groupby(["system", "task", "training_seed", "id"], as_index=False)[["right", "possible"]].sum()
    return statistics.sample(places, places.right, places.possible)


def _thought(rows: pd.DataFrame) -> Sample:
    photos, pictures = _greedy(rows, "geolocation"), _greedy(rows, "tile words").drop_duplicates("id")
    true = photos.id.map(dict(zip(pictures.id, pictures.truth, strict=True)))
    right = [
        sum(
            _by_kind(words).get(kind) == word for kind, word in readings.thought_words(text, WORDS.attribute_of).items()
        )
        for text, words in zip(photos.text, true, strict=True)
    ]
    return statistics.sample(photos, right, len(WORDS.words))


@cache
def _by_kind(text: str) -> dict[str, str]:
    return readings.first_words(text, WORDS.attribute_of)


def _pairing(rows: pd.DataFrame, task: str) -> Sample:
    return statistics.right(_greedy(rows, task))


def _verdicts(rows: pd.DataFrame) -> Sample:
    return statistics.right(readings.read_by_verdicts(_greedy(rows, "pairing")))


def _shared_said(rows: pd.DataFrame) -> Sample:
    answers = _greedy(rows, "pairing")
    said = [Counter(kind for _, words, _ in thoughts(text, WORDS) for kind in words) for text in answers.text]
    return statistics.sample(
        answers, [sum(one[kind] for kind in SHARED) for one in said], [one.total() for one in said]
    )


def _form(rows: pd.DataFrame) -> Sample:
    photos = _greedy(rows, "geolocation")
    return statistics.sample(photos, photos.format_ok.astype(float))


ALL = frozenset(WORDS.words)
SHARED = frozenset(cues.CONSTANT)
# {endpoint: (the task whose rows are counted, how)}: the registered ones, then others without a prediction, which say
# whether words are wrong or left out, and places wrong or not named
MEASURES: Mapping[str, tuple[str, Callable[[pd.DataFrame], Sample]]] = {
    "places": ("geolocation", _places),
    "climate": ("geolocation", _climate),
    "words": ("panorama words", partial(_words, kinds=ALL)),
    "shared words": ("panorama words", partial(_words, kinds=SHARED)),
    "local words": ("panorama words", partial(_words, kinds=ALL - SHARED)),
    "pairing": ("pairing", partial(_pairing, task="pairing")),
    "pairing apart": ("pairing apart", partial(_pairing, task="pairing apart")),
    "verdicts": ("pairing", _verdicts),
    "shared said": ("pairing", _shared_said),
    "form": ("geolocation", _form),
    "words named": ("panorama words", _named),
    "true of named": ("panorama words", _true_of_named),
    "words in thoughts": ("geolocation", _thought),
    "places of named": ("geolocation", _places_of_named),
    "places by own words": ("geolocation", _places_by_words),
}


def samples(p: pd.DataFrame) -> dict[str, dict[str, Sample]]:
    """{arm: {endpoint: its sample over bases and places}}, in the order of the arms."""
    names = [one.name for one in arms.ARMS if (p.arm == one.name).any()]
    return {name: {what: measure(p[p.arm == name]) for what, (_, measure) in MEASURES.items()} for name in names}


# --- tables ----------------------------------------------------------------------------------------------------------


Measured = Mapping[str, Mapping[str, Sample]]  # of `samples`


def levels(p: pd.DataFrame, measured: Measured) -> pd.DataFrame:
    """One row an arm and endpoint: value, value_low, value_high, n (places), bases, and by_base, the value of each; and
    the lines that no policy is behind."""
    rows = []
    for name, found in measured.items():
        for what, sample in found.items():
            with np.errstate(invalid="ignore"):  # a base that has nothing of it
                each = sample.counted.sum(1) / sample.possible.sum(1)
            rows.append(
                {"arm": name, "endpoint": what, "benchmark": BENCHMARK, "n": _n(p, name, what)}
                | {"bases": len(sample.seeds)}
                | statistics.measured("value", sample)
                | {"by_base": " ".join(f"{value:.3f}" for value in each)}
            )
    return pd.DataFrame([*rows, *_lines(p)])


def _n(p: pd.DataFrame, arm: str, endpoint: str) -> int:
    """How many places, or questions, a value is a share of."""
    return p[(p.arm == arm) & (p.task == MEASURES[endpoint][0])].id.nunique()


def _lines(p: pd.DataFrame) -> list[dict[str, Any]]:
    """Of the same test places: a reader of their true words, the best guess without any, and the commonest climate."""
    profile = Profile.get(arms.PROFILE)
    photos = _greedy(p, "geolocation").drop_duplicates("id")
    pictures = _greedy(p, "panorama words").drop_duplicates("id").set_index("id").truth
    known = photos[photos.id.isin(pictures.index)]
    by_words = [oracle.guess(tuple(pictures[name].split()), KM) for name in known.id]
    constant = oracle.guess((), KM)
    lat, lon = known.lat.to_numpy(float), known.lon.to_numpy(float)
    read = geo.haversine_km(lat, lon, *np.array(by_words).T) <= KM
    guessed = geo.haversine_km(lat, lon, *constant) <= KM
    climates = known.id.map(_climates())
    climates = climates[climates != ""]
    common = climates == climates.value_counts().index[0]
    lines = [
        ("a reader of true words", "places", read),
        ("the best constant guess", "places", guessed),
        ("the commonest climate", "climate", common.to_numpy()),
    ]
    k = profile.k
    found = [
        {"arm": name, "endpoint": what, "benchmark": BENCHMARK, "n": len(hit), "bases": 0, "value": float(hit.mean())}
        for name, what, hit in lines
    ]
    return found + [
        {"arm": "chance", "endpoint": what, "benchmark": BENCHMARK, "n": 0, "bases": 0, "value": 1 / k}
        for what in ("pairing", "pairing apart", "verdicts")
    ]


def all_verdicts(p: pd.DataFrame, measured: Measured, records: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """`verdicts` of all experiments, with its name in the column `experiment`."""
    found = {name: verdicts(p, measured, record) for name, record in records.items()}
    judged = [table for table in found.values() if len(table)]
    table = pd.concat(judged, ignore_index=True) if judged else NOTHING.copy()
    table.insert(0, "experiment", [name for name, table in found.items() for _ in range(len(table))])
    return table


def verdicts(p: pd.DataFrame, measured: Measured, record: Mapping[str, Any]) -> pd.DataFrame:
    """One row a registered contrast and endpoint whose two arms are there: after, before, endpoint, primary, predicted,
    the two values, difference, low, high, p_value, p_holm, p_bh, smallest_effect, paired (see `paired`), n, bases,
    verdict and outcome."""
    tables_of = []
    primary = {one["name"] for one in record["endpoints"] if one["primary"]}
    margin = record["smallest_difference_of_interest"]
    for contrast in record["contrasts"]:
        if not {contrast["after"], contrast["before"]} <= measured.keys():
            continue
        after, before = measured[contrast["after"]], measured[contrast["before"]]
        same = paired(p, contrast["after"], contrast["before"])
        rows = []
        for what in after:
            one, two = over_shared_bases(after[what], before[what])
            rows.append(
                {"after": contrast["after"], "before": contrast["before"], "endpoint": what}
                | {"primary": what in primary, "asks": contrast["asks"], "benchmark": BENCHMARK}
                | {"predicted": contrast["predicted"].get(what, ""), "bases": len(one.seeds)}
                | {"n": _n(p, contrast["after"], what)}
                | {"before_value": two.value, "after_value": one.value}
                | statistics.difference(one, two, same_seeds=same)
                | {"paired": same}
            )
        table = pd.DataFrame(rows)
        table.insert(table.columns.get_loc("p_value") + 1, "p_holm", np.nan)
        chosen = table.primary
        table.loc[chosen, "p_holm"] = seeds.holm(table.p_value[chosen])
        table["verdict"] = [decide(row, margin) for row in table.to_dict("records")]
        table["outcome"] = [_outcome(row) for row in table.to_dict("records")]
        tables_of.append(table)
    if not tables_of:
        return NOTHING.copy()
    table = pd.concat(tables_of, ignore_index=True)
    explored = ~table.primary & table.p_value.notna()
    table.insert(table.columns.get_loc("p_holm") + 1, "p_bh", np.nan)
    if explored.any():
        table.loc[explored, "p_bh"] = false_discovery_control(table.p_value[explored])
    return table


# `verdicts` where no contrast has both arms
NOTHING = pd.DataFrame(
    columns=["after", "before", "endpoint", "primary", "predicted", "difference", "low", "high", "smallest_effect"]
    + ["before_value", "after_value", "verdict", "outcome"]
)


def while_pairing(p: pd.DataFrame, records: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Are the words that are said while pairing (greedy, same city) true, and is that seeing or choosing? Exploratory:
    nothing was predicted of it.

    One row a registered contrast whose two arms are there: before_true and after_true, shares of the words said; then
    at the mix of views and attributes that the arm `before` speaks of (`thinking.at_mix`), over the cells that both
    have, difference with low, high, p_value and smallest_effect, and covered, the part of its words in these cells.
    Empty where the questions cannot be made again.
    """
    answers = _greedy(p, "pairing")
    truth = thinking.of_world(answers)
    if truth is None:
        return pd.DataFrame()
    counted = {name: thinking.cells(answers[answers.arm == name], truth) for name in dict.fromkeys(answers.arm)}
    rows = []
    for contrast in (one for record in records.values() for one in record["contrasts"]):
        after, before = (counted.get(contrast[name]) for name in ("after", "before"))
        if not after or not before or (found := thinking.at_mix(after, before)) is None:
            continue
        (value, cells), (base, base_cells), covered = found
        row = {name: contrast[name] for name in ("after", "before")} | {"benchmark": BENCHMARK}
        for name, arm in (("before_true", before), ("after_true", after)):
            said = sum(one.possible.sum() for one in arm.values())
            row[name] = sum(one.counted.sum() for one in arm.values()) / said
        row |= {"before_standardised": base, "after_standardised": value}
        rows.append(row | statistics.by_spread(value - base, seeds.versus(cells, base_cells)) | {"covered": covered})
    return pd.DataFrame(rows)


def over_shared_bases(one: Sample, two: Sample) -> tuple[Sample, Sample]:
    """The two samples over the bases that both have."""
    shared = [base for base in one.seeds if base in two.seeds]

    def of(sample: Sample) -> Sample:
        at = [sample.seeds.index(base) for base in shared]
        return Sample(tuple(shared), sample.places, sample.counted[at], sample.possible[at])

    return of(one), of(two)


def decide(row: Mapping[str, Any], margin: float) -> str:
    """The verdict on a difference: HIGHER or LOWER where it differs from none, SAME where the whole interval is smaller
    than the smallest difference of interest, else OPEN. One base says nothing of others: its interval is over places
    alone."""
    if row["bases"] < 2:
        return OPEN
    detected = row["p_holm"] < ALPHA if row["primary"] else row["low"] > 0 or row["high"] < 0
    if detected:
        return arms.HIGHER if row["difference"] > 0 else arms.LOWER
    return arms.SAME if -margin < row["low"] and row["high"] < margin else OPEN


def _outcome(row: Mapping[str, Any]) -> str:
    if not row["predicted"]:
        return ""
    if row["verdict"] == OPEN:
        return OPEN
    return CONFIRMED if row["verdict"] == row["predicted"] else REFUTED


def by_arm(made: pd.DataFrame) -> pd.DataFrame:
    """`levels` for readers: a row an arm, a column an endpoint, with intervals; lines of no policy below."""
    cells = tables.shown(made[["arm", "endpoint", "value", "value_low", "value_high"]])
    cells["value"] = cells.value.str.replace(" [, ]", "", regex=False)
    wide = cells.pivot(index="arm", columns="endpoint", values="value").fillna("")
    return wide.reindex(index=list(dict.fromkeys(made.arm)), columns=list(MEASURES))


def points(row: Any) -> str:
    """A difference of shares with its interval, in points: "+1.2 [-0.3, +2.7]"."""
    return f"{100 * row.difference:+.1f} [{100 * row.low:+.1f}, {100 * row.high:+.1f}]"


def for_readers(table: pd.DataFrame) -> pd.DataFrame:
    """`verdicts` for readers: differences in points, what decides, what was predicted, and the smallest difference
    that would have been detected with 80 % power."""
    shown = table[table.primary.astype(bool) | (table.predicted != "")]
    smallest = [f"{100 * value:.1f}" if np.isfinite(value) else "" for value in shown.smallest_effect]
    return pd.DataFrame(
        {
            "arms": shown.after + " against " + shown.before,
            "endpoint": shown.endpoint + shown.primary.map({True: " (primary)", False: ""}),
            "predicted": shown.predicted,
            "difference, points": [points(row) for row in shown.itertuples()],
            "detectable": smallest,
            "verdict": shown.verdict,
            "outcome": shown.outcome,
        }
    )


def said(p: pd.DataFrame) -> pd.DataFrame:
    """Which attributes greedy pairing answers speak of: one row an attribute, those that a city shares first, with its
    share of all words that each arm says (means over bases)."""
    columns = {}
    for name in dict.fromkeys(p.arm):
        texts = _greedy(p[p.arm == name], "pairing").text
        kinds = Counter(kind for text in texts for _, words, _ in thoughts(text, WORDS) for kind in words)
        columns[name] = {kind: kinds[kind] / max(1, kinds.total()) for kind in WORDS.words}
    table = pd.DataFrame(columns)[[one.name for one in arms.ARMS if one.name in columns]]
    shared = [kind in SHARED for kind in table.index]
    table.insert(0, "in one city", ["the same" if same else "differs" for same in shared])
    return table.rename_axis("attribute").reset_index().sort_values("in one city", ascending=False, kind="stable")


def sentences(table: pd.DataFrame) -> str:
    """What the verdicts of one experiment say, contrast by contrast, chosen by rule, as Markdown; first how the
    predictions fared."""
    known = table[table.predicted != ""].outcome.value_counts()
    counts = [f"{known.get(outcome, 0)} {text}" for outcome, text in OUTCOMES.items()]
    said = [f"Of {known.sum()} registered predictions {', '.join(counts[:-1])} and {counts[-1]}.", ""]
    explored = table[~table.primary.astype(bool) & table.verdict.isin((arms.HIGHER, arms.LOWER))]
    if len(explored):
        kept = (explored.p_bh < ALPHA).sum()
        said[0] += (
            f" Of {len(explored)} exploratory differences whose own interval excludes zero {kept} have p < {ALPHA} "
            "after Benjamini and Hochberg's adjustment."
        )
    if (few := table.bases.min()) < len(arms.BASES):
        said[0] += f" Provisional, as some of it is from {few} of the {len(arms.BASES)} registered bases so far."
    for (after, before), rows in table.groupby(["after", "before"], sort=False):
        found, unknown = [], []
        for row in rows[rows.primary | (rows.predicted != "")].itertuples():
            gap, low, high = (f"{100 * value:+.1f}" for value in (row.difference, row.low, row.high))
            if row.verdict == OPEN:
                smallest = f" ({100 * row.smallest_effect:.1f})" if np.isfinite(row.smallest_effect) else ""
                unknown.append(f"{row.endpoint} {gap}{smallest}")
            else:
                outcome = f", {row.outcome}" if row.outcome else ""
                found.append(f"{row.endpoint} {gap} points [{low}, {high}], {row.verdict}{outcome}")
        first = rows.iloc[0]
        bases = f"{first.bases} base{'s' if first.bases != 1 else ''}"
        bases += "" if first.paired else ", others for each of the two: compared as independent"
        parts = [f"Conclusive: {'; '.join(found)}." if found else "Nothing is conclusive."]
        if unknown:
            parts.append(f"Inconclusive, in brackets what would have been detected: {', '.join(unknown)} points.")
        said.append(f"- **{after} against {before}** ({bases}). {first.asks} {' '.join(parts)}")
    return "\n".join(said)


def outcomes(judged: pd.DataFrame, records: Mapping[str, Mapping[str, Any]]) -> str:
    """`sentences` of every experiment, from `all_verdicts`, below what it asks."""
    said = {name: sentences(table) for name, table in judged.groupby("experiment", sort=False)}
    missing = "No contrast can be judged yet: its arms are not trained."
    asked = {name: record["experiment"][:1].upper() + record["experiment"][1:] for name, record in records.items()}
    return "\n\n".join(f"**{what}** {said.get(name, missing)}" for name, what in asked.items())


TABLE2 = (
    "The systems of the paper's Table 2, in the geographic world: each from three independent bases, taught to "
    "answer with the first tile that they call a match; GRPO beside replay of other prompts, which the paper has not. "
    "Below what GRPO made stands what it makes of random labels: what both have is no gain of the reward. "
    "Means over bases with 95 % intervals (Student's t over bases, and places)."
)


def table2(made: pd.DataFrame) -> pd.DataFrame:
    """From `levels`, a row each system of Table 2 whose arm is there, those of GRPO above their controls: stands_for,
    arm, benchmark, bases, and value, _low and _high of some endpoints."""
    labels: dict[str, str] = {}
    for name, arm in arms.TABLE2.items():
        labels[arm] = spec.STANDS_FOR[name]
        if name in arms.CONTROLS:
            labels[arms.CONTROLS[name]] = f"{spec.STANDS_FOR[name]}, random labels"
    rows = []
    for arm, label in labels.items():
        found = made[made.arm == arm].set_index("endpoint")
        if not len(found):
            continue
        row = {"stands_for": label, "arm": arm, "benchmark": BENCHMARK, "bases": found.bases.iloc[0]}
        for what in ("pairing", "pairing apart", "places", "climate", "words"):
            name = what.replace(" ", "_")
            row |= {name: found.value[what], f"{name}_low": found.value_low[what]}
            row |= {f"{name}_high": found.value_high[what]}
        rows.append(row)
    return pd.DataFrame(rows)


def without_control(made: pd.DataFrame) -> str:
    """From `levels`, what Table 2 would seem to say of places without a control, as a sentence; "" without the
    arms."""
    arm, control, before = arms.TABLE2["r1"], arms.CONTROLS["r1"], arms.TABLE2["base"]
    places = made[made.endpoint == "places"].set_index("arm").value
    if not {arm, control, before} <= set(places.index):
        return ""
    return (
        f"From what stands for {tables.BASE} here (`{before}`, synthetic) to what stands for {tables.R1} (`{arm}`) "
        f"places within {KM:,} km go from {places[before]:.3f} to {places[arm]:.3f}; after the same training with "
        f"random labels (`{control}`) they are {places[control]:.3f}."
    )


def contrasts(record: Mapping[str, Any]) -> str:
    """The contrasts of a registration, the question that each answers and what was predicted, as Markdown."""
    found = [
        {"arms": f"{one['after']} against {one['before']}", "question": one["asks"]}
        | {"predicted": ", ".join(f"{what}: {how}" for what, how in one["predicted"].items())}
        for one in record["contrasts"]
    ]
    return paper.markdown(pd.DataFrame(found))


def room(made: pd.DataFrame) -> str:
    """How much there is to gain in this world, from `levels`, as one sentence; "" without the arm before GRPO."""
    if not (made.arm == "rule").any():
        return ""

    def value(arm: str, endpoint: str) -> str:
        row = made[(made.arm == arm) & (made.endpoint == endpoint)].iloc[0]
        return f"{row.value:.3f}" + (f" [{row.value_low:.3f}, {row.value_high:.3f}]" if row.bases else "")

    places = made[made.endpoint == "places"].set_index("arm")
    more = places.value["a reader of true words"] > places.value_high["rule"]
    own = made[(made.arm == "rule") & (made.endpoint == "places by own words")].value.iloc[0]
    step = "So there is something to gain, " if more else "So there is hardly anything to gain, "
    return (
        f"Within 2,500 km lie {value('rule', 'places')} of the places that bases with the answering rule name, "
        f"{value('the best constant guess', 'places')} of the best constant guess and "
        f"{value('a reader of true words', 'places')} of a naive-Bayes reader of the true words; the climate group is "
        f"right in {value('rule', 'climate')}, the commonest one in {value('the commonest climate', 'climate')}. "
        f"{step}"
        + (
            "of which a part is a step from words to places, which no reward on pairing trains: given the words that "
            if own > places.value["rule"]
            else "and all of it by seeing better: given the words that "
        )
        + f"the bases think themselves, the same reader places {value('rule', 'places by own words')}."
    )


def parts(table: pd.DataFrame) -> str:
    """Where words and places went, as Markdown: a share of all is the share that is given times the share of these that
    is right, so a difference splits exactly into what is left out and what is wrong."""
    rows = []
    for (after, before), contrast in table.groupby(["after", "before"], sort=False):
        of = contrast.set_index("endpoint")
        for what, right, unit in (("words", "true of named", "words"), ("places", "places of named", "places")):
            (start, end), (right_before, right_after) = (
                of.loc[name, ["before_value", "after_value"]].astype(float) for name in (what, right)
            )
            given_before, given_after = start / right_before, end / right_after
            left_out, wrong = (given_after - given_before) * right_before, given_after * (right_after - right_before)
            rows.append(
                {"arms": f"{after} against {before}", "of": unit, "points": f"{100 * (end - start):+.1f}"}
                | {"fewer or more given": f"{100 * left_out:+.1f}", "of these right": f"{100 * wrong:+.1f}"}
                | {"given": f"{given_before:.3f} to {given_after:.3f}"}
                | {"right of given": f"{right_before:.3f} to {right_after:.3f}"}
            )
    return paper.markdown(pd.DataFrame(rows))


# --- drawn -----------------------------------------------------------------------------------------------------------

PANELS = {
    "places": f"places within {KM:,} km",
    "climate": "climate group right",
    "words": "words true, pictures alone",
    "pairing": "pairing accuracy,\nwrong tiles of the same city",
    "pairing apart": "pairing accuracy,\nwrong tiles from anywhere",
    "shared said": "words said while pairing that\nall places of a city share",
}


KINDS = ("before GRPO", "reward for the right letter", "random labels", "reward for a near place")


def _kind(name: str) -> str:
    one = arms.BY_NAME[name]
    if one.stage in ("base", "sft"):
        return KINDS[0]
    return KINDS[2] if one.control else KINDS[3] if one.reward == "distance" else KINDS[1]


def figure(made: pd.DataFrame) -> Figure:
    """Levels by arm: a dot a base, the mean with its 95 % interval, coloured by what is rewarded, the arms of an
    experiment together; dashed and dotted lines are of no policy."""
    policies = made[made.bases > 0]
    names = list(dict.fromkeys(policies.arm))
    drawn = plots.new_figure(figsize=(11, 2.6 + 0.5 * len(names)), layout="constrained")
    colour = plots.colours(KINDS)
    of = [arms.experiment_of(name) for name in names]
    borders = [at - 0.5 for at in range(1, len(of)) if of[at] != of[at - 1]]  # between two experiments
    for axes, (what, label) in zip(drawn.subplots(2, 3, sharey=True).flat, PANELS.items(), strict=True):
        for at, name in enumerate(names):
            row = policies[(policies.arm == name) & (policies.endpoint == what)].iloc[0]
            each = [float(value) for value in row.by_base.split()]
            shade = colour[_kind(name)]
            axes.scatter(each, [at] * len(each), s=18, color=shade, alpha=0.5, linewidth=0)
            ends = [[row.value - row.value_low], [row.value_high - row.value]]
            axes.errorbar([row.value], [at], xerr=ends, fmt="D", markersize=5, color=shade, capsize=3)
        for border in borders:
            axes.axhline(border, color="0.85", linewidth=0.8, zorder=0)
        for (_, line), style in zip(made[(made.bases == 0) & (made.endpoint == what)].iterrows(), ("--", ":")):
            axes.axvline(line.value, color="0.3", linestyle=style, linewidth=1, zorder=0, label=line.arm)
            axes.legend(fontsize=7, frameon=True, framealpha=1, edgecolor="none", loc="upper right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel(label)
        axes.set(xlim=(0, 1.02), ylim=(len(names) - 0.5, -1.6))  # above the first arm the lines are named
    sns.despine(drawn)
    there = [kind for kind in KINDS if kind in map(_kind, names)]
    marks = [drawn.axes[0].plot([], [], "D", markersize=5, color=colour[kind])[0] for kind in there]
    drawn.legend(marks, there, loc="outside upper center", ncols=len(there), frameon=False)
    few, most = int(policies.bases.min()), int(policies.bases.max())
    bases = f"{few} to {most} bases" if few < most else f"{most} base{'s' * (most != 1)}"
    plots.note(
        drawn,
        f"dots: {bases}; diamonds: their mean with its 95 % interval (Student's t over bases, and places). "
        f"{plots.MINI}",
    )
    return drawn
