"""Table 1 of the paper, on stand-ins: how far from the true place each system's answers lie.

Every row of the paper's table is there: measured, or "not run" with the reason. Below them what stands for no row of
it: GRPO without SFT, and the trivial baselines. On the synthetic world no system has seen a test city, so
`contaminated` says "no"; for photographs it is what is known of the published systems (`paper.contamination`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from georeplicate import geo, paper
from georeplicate.evaluation import seeds
from georeplicate.evaluation.statistics import adjusted, difference, measured, sample, verdict
from georeplicate.evaluation.trivial import TrivialBaselines
from georeplicate.mini import oracle, readings
from georeplicate.paper.contamination import contamination
from georeplicate.report import tables
from georeplicate.runs import published

ORDER = (*(row.method for row in paper.TABLE1), tables.ZERO)
NEAREST = "nearest neighbour"
NOT_RUN = "not run: {}"
NO_STAND_IN = "`georeplicate train table1` has not been run"
# Of stand-ins: what they were given, where the system alone does not say it.
GIVEN = {
    "InternVL3-8B": "given: the decoder of mini-base; a new vision tower, taught the visual tokens of the base's; then "
    "the countries of photos of the base's own cities"
}
COLUMNS = ("system", "stands_for", "checkpoint", "benchmark", "training_seeds", "n")


def table1(
    p: pd.DataFrame,
    baselines: TrivialBaselines | None = None,
    *,
    words: Mapping[str, tuple[str, ...]] | None = None,
    missing: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """One row a system, in the paper's order. p: predictions of the task "geolocation", those of others are left out.

    acc_1km ... acc_2500km (shares; an answer without a place is wrong), each with its 95 % interval over places and
    seeds; median_km (an answer without a place is infinitely far), mean_km over the answers with a place, answered
    (their share), contaminated, note. words: place id -> its true words, for the reader that is told them. missing:
    {system of the paper: why it was not run}. Empty where nobody was evaluated.
    """
    evaluated = p[(p.task == "geolocation") & (p.decoding == "greedy")]
    if not len(evaluated):
        return pd.DataFrame()
    synthetic = tables.is_synthetic(evaluated)
    missing = missing or {}
    benchmark = ", ".join(sorted(set(evaluated.benchmark)))
    by_system = {
        labels["stands_for"]: (labels, rows) for labels, rows in tables.systems(evaluated) if labels["stands_for"]
    }
    rows = []
    for name in ORDER:
        flag = "no" if synthetic else contamination(name, benchmark)
        if name in by_system:
            note = GIVEN.get(name, "") if synthetic else ""
            rows.append(_measured(*by_system[name]) | {"contaminated": flag, "note": note})
        else:
            why = NOT_RUN.format(missing.get(name, NO_STAND_IN))
            rows.append({"system": "", "stands_for": name, "contaminated": flag, "note": why})
    for labels, part in tables.systems(evaluated[evaluated.system.str.endswith(NEAREST)]):
        rows.append(_measured(labels, part) | {"contaminated": "no", "note": "trivial baseline"})
    if baselines is not None:
        rows += _trivial(evaluated, baselines, words or {})
    return _ordered(rows)


def table1_lines(p: pd.DataFrame) -> pd.DataFrame:
    """The columns of `table1` for whoever was evaluated on places, and no other row; empty where nobody was."""
    evaluated = p[(p.task == "geolocation") & (p.decoding == "greedy")]
    synthetic, rows = tables.is_synthetic(evaluated), []
    for labels, part in tables.systems(evaluated):
        flag = "no" if synthetic else contamination(labels["stands_for"], labels["benchmark"])
        rows.append(_measured(labels, part) | {"contaminated": flag, "note": ""})
    return _ordered(rows) if rows else pd.DataFrame()


def _ordered(rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows).astype({"training_seeds": "Int64", "n": "Int64"})  # whole numbers, also beside none
    order = [*COLUMNS, *(c for c in table if c.startswith("acc_")), "median_km", "mean_km", "answered", "contaminated"]
    return table[[*order, "note"]]


def _measured(labels: dict, rows: pd.DataFrame) -> dict:
    row = dict(labels)
    for km in geo.THRESHOLDS_KM:
        row |= measured(f"acc_{km}km", sample(rows, rows.error_km <= km))
    answered = rows.error_km.dropna()
    row["median_km"] = tables.median(rows.error_km)
    row["mean_km"] = float(np.round(answered.mean(), 3)) if len(answered) else float("nan")
    return row | {"answered": sample(rows, rows.pred_lat.notna()).value}


def _trivial(evaluated: pd.DataFrame, baselines: TrivialBaselines, words: Mapping[str, tuple[str, ...]]) -> list[dict]:
    places = evaluated.drop_duplicates("id").sort_values("id")
    labels = {"stands_for": "", "checkpoint": "", "benchmark": ", ".join(sorted(set(places.benchmark)))}
    labels |= {"contaminated": "no"}
    rows = [name | found for name, found in tables.trivial_guesses(places, baselines)]
    for row in rows:
        anew = row["system"] == tables.CONSTANT
        row["note"] = "trivial baseline, chosen anew for each column" if anew else "trivial baseline"
    if words.keys() >= set(places.id):
        found: dict = {"system": "reader of true words", "training_seeds": 1, "n": len(places)}
        places = places.assign(training_seed=0)
        for km in geo.THRESHOLDS_KM:
            lat, lon = np.array([oracle.guess(words[place], km) for place in places.id]).T
            near = geo.haversine_km(places.lat.to_numpy(float), places.lon.to_numpy(float), lat, lon) <= km
            found |= measured(f"acc_{km}km", sample(places, near))
        rows.append(found | {"note": "naive Bayes, told the true words, its guess chosen anew for each column"})
    return [row | labels for row in rows]


BASE = tables.BASE
# By what was trained of those that had no labelled coordinates. The scaffold's thoughts end in a place, too.
WITHOUT_LABELS = {
    "InternVL3-8B": "countries of photos",
    tables.ZERO: "pairing",
    tables.R1: "pairing, after SFT that names places",
}
LABELS = "labelled places"


def against_base(p: pd.DataFrame) -> pd.DataFrame:
    """Each system minus the base, within 750 and 2500 km, paired by place: what training has added.

    Columns system, stands_for, trained_by (see WITHOUT_LABELS, LABELS), benchmark, measure, value, base_value,
    difference with low, high, p_value, smallest_effect (detected with 80 % power), p_holm over all lines, and the
    verdict after it.
    """
    evaluated = p[(p.task == "geolocation") & (p.decoding == "greedy") & p.stands_for.isin(ORDER)]
    base = evaluated[evaluated.stands_for == BASE]
    rows = []
    found_by_name = {labels["stands_for"]: (labels, part) for labels, part in tables.systems(evaluated)}
    for name in ORDER if len(base) else ():
        if name == BASE or name not in found_by_name:
            continue
        labels, part = found_by_name[name]
        for km in tables.PART_KM:
            one, other = (sample(table, table.error_km <= km) for table in (part, base))
            found = difference(one, other)
            rows.append(
                {"system": labels["system"], "stands_for": labels["stands_for"]}
                | {"trained_by": WITHOUT_LABELS.get(labels["stands_for"], LABELS)}
                | {"benchmark": labels["benchmark"], "measure": f"within {km} km"}
                | {"value": one.value, "base_value": other.value, **found}
                | {"verdict": verdict(found, "higher", "lower")}
            )
    table = adjusted(rows)
    if len(table):
        table["verdict"] = table.verdict.where(table.p_holm < 1 - seeds.LEVEL, seeds.OPEN)
    return table


def first_named(p: pd.DataFrame) -> pd.DataFrame:
    """The policies of `table1` by the first place that each answer names, where the strict reading refuses two places.

    Columns system, stands_for, acc_750km and acc_2500km with intervals, answered.
    """
    evaluated = p[(p.task == "geolocation") & (p.decoding == "greedy") & p.stands_for.isin(ORDER)]
    rows = []
    for labels, part in tables.systems(evaluated):
        if not (part.text != "").any():
            continue
        named = readings.first_places(part)
        row = {name: labels[name] for name in COLUMNS}
        for km in tables.PART_KM:
            row |= measured(f"acc_{km}km", sample(part, named.error_km <= km))
        rows.append(row | {"answered": sample(part, named.choice != "").value})
    return pd.DataFrame(rows)


def write_lines(p: pd.DataFrame, out: Path) -> list[Path]:
    """What the rows of one evaluation (`out`) are in the columns of Tables 1 and 2: `<out>-table1`, `<out>-table2`, as
    far as there are places and pairs among them; the Markdown files written."""
    written = []
    for name, made, caption in (
        ("table1", table1_lines(p), "Geolocation, in the columns of Table 1; 95 % intervals."),
        ("table2", tables.table2_lines(p), "Cross-view pairing, in the columns of Table 2; 95 % intervals."),
    ):
        if len(made):
            stem = out.with_name(f"{out.stem}-{name}")
            written.append(tables.write(made, stem, caption, synthetic=tables.is_synthetic(p))[1])
    return written


def write_published(
    out: Path,
    *,
    benchmark: str,
    root: Path | None = None,
    weights: Mapping[str, str] | None = None,
    gpus: int | None = None,
) -> pd.DataFrame:
    """Table 1 from the published systems that can be run here (`runs.published`), below out/tables; every row is there.

    root: the folder of the test set. weights: {system: "official", a folder or a hub name}. gpus: see there.
    """
    p, missing = published.evaluate(ORDER, out, benchmark=benchmark, root=root, weights=weights, gpus=gpus)
    rows = [
        {
            "system": "",
            "stands_for": name,
            "contaminated": contamination(name, benchmark),
            "note": NOT_RUN.format(missing[name]),
        }
        for name in ORDER
        if name in missing
    ]
    made = table1(p, missing=missing) if len(p) else pd.DataFrame(rows)
    caption = f"Published systems on {benchmark}: shares of photographs located within 1 to 2500 km; 95 % intervals."
    tables.write(made, out / "tables" / "table1", caption, synthetic=False)
    return made
