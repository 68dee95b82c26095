"""The registered experiment in the geographic world: what each arm reached, and what follows by the rule written down
before the runs (`runs.arms`). Everything here is computed from predictions.csv and the registration.

    levels(predictions)                one row an arm and endpoint, with its interval and each base's value
    verdicts(predictions, registered)  one row a contrast and endpoint: predicted, measured, verdict
    sentences(verdicts)                the same as Markdown
    figure(levels)                     the primary endpoints and the pairing question by arm
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from georeplicate import files, geo
from georeplicate.evaluation import seeds, statistics
from georeplicate.evaluation.faithfulness import thoughts
from georeplicate.evaluation.statistics import Sample
from georeplicate.mini import inputs, oracle, readings, wording
from georeplicate.profiles import Profile
from georeplicate.report import plots, tables
from georeplicate.runs import arms, runner
from georeplicate.world import cues

KM = 2500
ALPHA = 0.05
OPEN = "cannot tell"
CONFIRMED, REFUTED = "as predicted", "otherwise than predicted"
BENCHMARK = "world-geographic (synthetic)"
WORDS = wording.of("geographic")
CLIMATE = dict.fromkeys(wording.CLIMATES, "climate")
LEVELS = (
    "What each arm of the registered experiment reached: one base each with a seed of its own, 95 % intervals over "
    "bases (Student's t) and places. Lines without training are of the same test places."
)
VERDICTS = (
    "Each contrast of the registered experiment, base by base: the prediction that was written down before any arm was "
    "evaluated, the difference with its 95 % interval, and the verdict. p_holm is adjusted over the primary endpoints "
    "of a contrast, and decides about them; the others are exploratory and decided by their interval. smallest_effect "
    "is the difference that these bases and places would have told with 80 % power. `cannot tell` is not `no "
    "difference`: that is said only where the whole interval is smaller than the smallest difference of interest."
)


def read(runs: str | Path) -> pd.DataFrame:
    """Predictions of the finished arms below a folder, with `arm`; `training_seed` is the number of the base. FileError
    where there is none."""
    p = runner.predictions(runs)
    p = p.assign(arm=p.run.str.rpartition("-b")[0], benchmark=BENCHMARK)
    return p[p.arm.isin([one.name for one in arms.ARMS])]


# --- endpoints -------------------------------------------------------------------------------------------------------


def _greedy(rows: pd.DataFrame, *tasks: str) -> pd.DataFrame:
    return rows[rows.task.isin(tasks) & (rows.decoding == "greedy")]


def _places(rows: pd.DataFrame) -> Sample:
    photos = _greedy(rows, "geolocation")
    return statistics.sample(photos, readings.first_places(photos).error_km <= KM)


@cache
def _climates() -> dict[str, str]:
    """{place id: the word of its climate group}."""
    sites = inputs.sites(Profile.get(arms.PROFILE), "test")
    return {site.id: wording.climate_word(site.climate) for site in sites.itertuples()}


def _climate(rows: pd.DataFrame) -> Sample:
    photos = _greedy(rows, "geolocation")
    true = photos.id.map(_climates())
    told = [readings.thought_words(text, CLIMATE).get("climate", "") for text in photos.text]
    return statistics.sample(photos, (true != "") & (true == told), true != "")


def _words(rows: pd.DataFrame, kinds: frozenset[str]) -> Sample:
    """Of pictures of both views together: a place is one row, whose words are counted over both."""
    alone = _greedy(rows, "panorama words", "tile words")
    true, found = ([_by_kind(text) for text in alone[name]] for name in ("truth", "choice"))
    right = [sum(one.get(kind) == two[kind] for kind in kinds) for one, two in zip(found, true, strict=True)]
    counted = alone.assign(task="words", right=right, possible=len(kinds))
    places = counted.groupby(["system", "task", "training_seed", "id"], as_index=False)[["right", "possible"]].sum()
    return statistics.sample(places, places.right, places.possible)


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
MEASURES: Mapping[str, Callable[[pd.DataFrame], Sample]] = {
    "places": _places,
    "climate": _climate,
    "words": partial(_words, kinds=ALL),
    "shared words": partial(_words, kinds=SHARED),
    "local words": partial(_words, kinds=ALL - SHARED),
    "pairing": partial(_pairing, task="pairing"),
    "pairing apart": partial(_pairing, task="pairing apart"),
    "verdicts": _verdicts,
    "shared said": _shared_said,
    "form": _form,
}


def samples(p: pd.DataFrame) -> dict[str, dict[str, Sample]]:
    """{arm: {endpoint: its sample over bases and places}}, in the order of the arms."""
    names = [one.name for one in arms.ARMS if (p.arm == one.name).any()]
    return {name: {what: measure(p[p.arm == name]) for what, measure in MEASURES.items()} for name in names}


# --- tables ----------------------------------------------------------------------------------------------------------


def levels(p: pd.DataFrame) -> pd.DataFrame:
    """One row an arm and endpoint: value, value_low, value_high, n (places), bases, and by_base, the value of each; and
    the lines that no policy is behind."""
    rows = []
    for name, found in samples(p).items():
        for what, sample in found.items():
            each = sample.counted.sum(1) / sample.possible.sum(1)
            n = p[(p.arm == name) & (p.task == _task(what))].id.nunique()
            rows.append(
                {"arm": name, "endpoint": what, "benchmark": BENCHMARK, "n": n, "bases": len(sample.seeds)}
                | statistics.measured("value", sample)
                | {"by_base": " ".join(f"{value:.3f}" for value in each)}
            )
    return pd.DataFrame([*rows, *_lines(p)])


def _task(endpoint: str) -> str:
    of = {"places": "geolocation", "climate": "geolocation", "form": "geolocation"}
    of |= {"verdicts": "pairing", "shared said": "pairing"}
    return of.get(endpoint, "panorama words" if endpoint.endswith("words") else endpoint)


def _lines(p: pd.DataFrame) -> list[dict[str, Any]]:
    """Of the same test places: a reader of their true words, the best guess without any, and the commonest climate."""
    profile = Profile.get(arms.PROFILE)
    photos = _greedy(p, "geolocation").drop_duplicates("id")
    pictures = _greedy(p, "panorama words").drop_duplicates("id").set_index("id").truth
    difficulty = inputs.dial(profile)
    known = photos[photos.id.isin(pictures.index)]
    told = [oracle.guess(tuple(pictures[name].split()), KM, difficulty) for name in known.id]
    constant = oracle.guess((), KM, difficulty)
    lat, lon = known.lat.to_numpy(float), known.lon.to_numpy(float)
    read = geo.haversine_km(lat, lon, *np.array(told).T) <= KM
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


def verdicts(p: pd.DataFrame, record: Mapping[str, Any]) -> pd.DataFrame:
    """One row a registered contrast and endpoint whose two arms are there: after, before, endpoint, primary, predicted,
    the two values, difference, low, high, p_value, p_holm, smallest_effect, n, bases, verdict and outcome."""
    found, tables_of = samples(p), []
    primary = {one["name"] for one in record["endpoints"] if one["primary"]}
    margin = record["smallest_difference_of_interest"]
    for contrast in record["contrasts"]:
        if not {contrast["after"], contrast["before"]} <= found.keys():
            continue
        after, before = found[contrast["after"]], found[contrast["before"]]
        rows = []
        for what in after:
            one, two = _both(after[what], before[what])
            rows.append(
                {"after": contrast["after"], "before": contrast["before"], "endpoint": what}
                | {"primary": what in primary, "asks": contrast["asks"], "benchmark": BENCHMARK}
                | {"predicted": contrast["predicted"].get(what, ""), "bases": len(one.seeds)}
                | {"n": p[(p.arm == contrast["after"]) & (p.task == _task(what))].id.nunique()}
                | {"before_value": two.value, "after_value": one.value}
                | statistics.difference(one, two, same_seeds=True)
            )
        table = pd.DataFrame(rows)
        table.insert(table.columns.get_loc("p_value") + 1, "p_holm", np.nan)
        chosen = table.primary
        table.loc[chosen, "p_holm"] = seeds.holm(table.p_value[chosen])
        table["verdict"] = [_verdict(row, margin) for row in table.to_dict("records")]
        table["outcome"] = [_outcome(row) for row in table.to_dict("records")]
        tables_of.append(table)
    return pd.concat(tables_of, ignore_index=True) if tables_of else pd.DataFrame()


def _both(one: Sample, two: Sample) -> tuple[Sample, Sample]:
    """The two samples over the bases that both have."""
    shared = [base for base in one.seeds if base in two.seeds]

    def of(sample: Sample) -> Sample:
        at = [sample.seeds.index(base) for base in shared]
        return Sample(tuple(shared), sample.places, sample.counted[at], sample.possible[at])

    return of(one), of(two)


def _verdict(row: Mapping[str, Any], margin: float) -> str:
    told = row["p_holm"] < ALPHA if row["primary"] else row["low"] > 0 or row["high"] < 0
    if told:
        return arms.HIGHER if row["difference"] > 0 else arms.LOWER
    return arms.SAME if -margin < row["low"] and row["high"] < margin else OPEN


def _outcome(row: Mapping[str, Any]) -> str:
    if not row["predicted"]:
        return ""
    if row["verdict"] == OPEN:
        return OPEN
    return CONFIRMED if row["verdict"] == row["predicted"] else REFUTED


def sentences(table: pd.DataFrame) -> str:
    """What the table says, contrast by contrast, chosen by rule, as Markdown."""
    said = []
    for (after, before), rows in table.groupby(["after", "before"], sort=False):
        parts = []
        for row in rows[rows.primary | (rows.predicted != "")].itertuples():
            points = [100 * value for value in (row.difference, row.low, row.high)]
            text = f"{row.endpoint} {points[0]:+.1f} points [{points[1]:+.1f}, {points[2]:+.1f}]: {row.verdict}"
            if row.verdict == OPEN and np.isfinite(row.smallest_effect):
                text += f" (it would have told {100 * row.smallest_effect:.1f} points)"
            if row.outcome:
                text += f", {'predicted ' + row.predicted if row.outcome == OPEN else row.outcome}"
            parts.append(text)
        said.append(
            f"- **{after} against {before}** ({rows.bases.iloc[0]} bases). {rows.asks.iloc[0]} {'; '.join(parts)}."
        )
    return "\n".join(said)


# --- drawn -----------------------------------------------------------------------------------------------------------

PANELS = {
    "places": f"places within {KM:,} km",
    "climate": "climate group right",
    "words": "words true, pictures alone",
    "pairing": "right letters,\nwrong tiles of the same city",
    "pairing apart": "right letters,\nwrong tiles from anywhere",
    "form": "geolocation answers\nin the right format",
}


def figure(made: pd.DataFrame) -> Figure:
    """Levels by arm: a dot a base, the mean with its 95 % interval; dashed and dotted lines are of no policy."""
    policies = made[made.bases > 0]
    names = list(dict.fromkeys(policies.arm))
    drawn = plots.new_figure(figsize=(11, 5.6), layout="constrained")
    colour = plots.colours(names)
    for axes, (what, label) in zip(drawn.subplots(2, 3, sharey=True).flat, PANELS.items(), strict=True):
        for at, name in enumerate(names):
            row = policies[(policies.arm == name) & (policies.endpoint == what)].iloc[0]
            each = [float(value) for value in row.by_base.split()]
            axes.scatter(each, [at] * len(each), s=18, color=colour[name], alpha=0.5, linewidth=0)
            ends = [[row.value - row.value_low], [row.value_high - row.value]]
            axes.errorbar([row.value], [at], xerr=ends, fmt="D", markersize=5, color=colour[name], capsize=3)
        for (_, line), style in zip(made[(made.bases == 0) & (made.endpoint == what)].iterrows(), ("--", ":")):
            axes.axvline(line.value, color="0.3", linestyle=style, linewidth=1, zorder=0, label=line.arm)
            axes.legend(fontsize=7, frameon=False, loc="best")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel(label)
        axes.set_xlim(0, 1.02)
    drawn.axes[0].invert_yaxis()
    sns.despine(drawn)
    bases = policies.bases.max()
    plots.note(
        drawn,
        f"dots: {bases} bases; diamonds: their mean with its 95 % interval (Student's t over bases, and places). "
        f"{plots.MINI}",
    )
    return drawn


def write(runs: str | Path, out: str | Path) -> list[Path]:
    """Tables and figure of the arms below `runs`, written below `out`; FileError where none is finished, or none was
    registered."""
    p, out, record = read(runs), Path(out), arms.registered()
    made = levels(p)
    paths = tables.write(made, out / "tables" / "levels", LEVELS)
    judged = verdicts(p, record)
    if len(judged):
        paths += tables.write(judged, out / "tables" / "arms", VERDICTS)
        paths.append(files.write_bytes(out / "tables" / "sentences.md", f"{sentences(judged)}\n".encode()))
    return paths + plots.save(partial(figure, made), out / "figures" / "arms")
