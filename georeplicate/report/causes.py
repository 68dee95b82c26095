"""What a verdict and a place follow from in the synthetic world: the words before them, or the pictures.

From results/bench/swaps_verdicts.csv and swaps_places.csv (`tests/bench/bench_swaps.py`, of `mini.swaps`), one row an
example, on validation places: nothing here was registered, and no test place was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from georeplicate import files
from georeplicate.evaluation import statistics
from georeplicate.mini import tasks
from georeplicate.mini.wording import DIFFERENT, MATCH
from georeplicate.runs import arms

FOLDER = files.RESULTS / "bench"
BENCHMARK = tasks.BENCHMARK
FOLLOWS, OPPOSED, EXCHANGED = "follows", "opposed", "exchanged"
FLIPPED, PHOTO = "flipped", "photo"
MEASURES: Mapping[str, str] = {
    FOLLOWS: "verdicts that follow from the words as they were written",
    OPPOSED: "verdicts that turn round where the words are made to say the opposite",
    EXCHANGED: "verdicts that turn round where all pictures are exchanged behind the words",
    FLIPPED: "countries that change where one word of the thought is flipped",
    PHOTO: "countries that change where the photo is exchanged behind the words",
}
CAPTION = (
    "What conclusions follow from: a verdict on a tile, or the country named, drawn anew behind words or pictures that "
    "were exchanged. Shares of validation questions and places, 95 % intervals over bases (Student's t) and cities. "
    "Exploratory: nothing was registered."
)


def read(folder: str | Path = FOLDER) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(verdicts, places): a row an example of one arm and base; FileError where they were not made."""
    found = []
    for name in ("swaps_verdicts.csv", "swaps_places.csv"):
        path = Path(folder) / name
        if not path.is_file():
            raise files.FileError(f"{path} is not there: `python tests/bench/bench_swaps.py` makes it of trained arms")
        found.append(pd.read_csv(path, keep_default_na=False))
    return found[0], found[1]


def table(verdicts: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """One row an arm and measure: arm, measure (of MEASURES), benchmark, n (examples of all bases), bases, value,
    value_low, value_high, and by_base."""
    equal = verdicts.equal.astype(str) == "True"
    counted = {
        FOLLOWS: (verdicts, (verdicts.verdict == MATCH) == equal),
        OPPOSED: (verdicts, verdicts.opposed == verdicts.verdict.map({MATCH: DIFFERENT, DIFFERENT: MATCH})),
        EXCHANGED: (verdicts, verdicts.exchanged != verdicts.verdict),
        FLIPPED: (places, places.country_flipped != places.country_before),
        PHOTO: (places, places.country_exchanged != places.country_before),
    }
    rows = []
    for arm in (one.name for one in arms.ARMS):
        for what, (of, hit) in counted.items():
            mine = of[of.arm == arm].assign(hit=hit[of.arm == arm].astype(float), possible=1.0)
            if not len(mine):
                continue
            found = statistics.sample(*_filled(mine))
            each = found.counted.sum(1) / found.possible.sum(1)
            rows.append(
                {"arm": arm, "measure": what, "benchmark": BENCHMARK, "n": len(mine), "bases": len(found.seeds)}
                | statistics.measured("value", found)
                | {"by_base": " ".join(f"{value:.3f}" for value in each)}
            )
    return pd.DataFrame(rows)


def _filled(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Rows, hits and how many were possible, with a row of nothing for each example that a base has and another lacks:
    an answer without a verdict is no verdict that follows or does not."""
    grid = pd.MultiIndex.from_product([sorted(set(rows.base)), sorted(set(rows.id))], names=["training_seed", "id"])
    whole = rows.set_index(pd.MultiIndex.from_frame(rows[["base", "id"]]))[["hit", "possible"]]
    whole = whole.reindex(grid, fill_value=0.0).reset_index()
    whole["system"], whole["task"] = rows.arm.iloc[0], "swaps"
    return whole, whole.hit, whole.possible


def for_readers(made: pd.DataFrame) -> pd.DataFrame:
    """`table` with a row an arm and a column a measure."""
    cells = made.assign(
        cell=[f"{r.value:.3f} [{r.value_low:.3f}, {r.value_high:.3f}]" for r in made.itertuples()],
        measure=made.measure.map(MEASURES),
    )
    wide = cells.pivot(index="arm", columns="measure", values="cell")
    wide = wide.reindex(index=list(dict.fromkeys(made.arm)), columns=list(MEASURES.values()))
    bases = made.groupby("arm").bases.first().reindex(wide.index).astype(str)
    return wide.assign(bases=bases).rename_axis(None, axis=1).reset_index()


def sentences(made: pd.DataFrame) -> str:
    """The range of each measure over the arms, in a sentence or two; "" of nothing."""
    if not len(made):
        return ""
    ends = {what: _range(made[made.measure == what].value) for what in MEASURES}
    return (
        f"By arm ({', '.join(dict.fromkeys(made.arm))}), {ends[FOLLOWS]} of the verdicts on a tile follow from the "
        f"words written before it. Made to say the opposite, the words turn {ends[OPPOSED]} of them round; "
        f"other pictures behind the same words turn {ends[EXCHANGED]}. Of the countries named, "
        f"{ends[FLIPPED]} change with one word of the thought and {ends[PHOTO]} with another photo behind the same "
        "words. Synthetic, validation places, exploratory."
    )


def _range(values: pd.Series) -> str:
    low, high = f"{100 * values.min():.0f}", f"{100 * values.max():.0f}"
    return f"{low} %" if low == high else f"{low} to {high} %"
