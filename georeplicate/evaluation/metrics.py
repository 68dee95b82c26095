"""The formulas: from errors in kilometres and names right or wrong to the numbers of a table. NaN is no answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from georeplicate import geo
from georeplicate.evaluation import intervals, seeds

SHARES = tuple(f"acc_{km}km" for km in geo.THRESHOLDS_KM)
MEASURES = (*SHARES, "median_km", "mean_km", "geoscore", "country_accuracy", "city_accuracy")
NO_PREDICTION = "no prediction"


def mean_km(error_km: ArrayLike) -> tuple[float, int]:
    """(mean of the known errors in km, number of NaN left out of it); NaN where none is known."""
    error = np.asarray(error_km, float).ravel()
    known = error[~np.isnan(error)]
    return (float(known.mean()) if known.size else float("nan")), int(error.size - known.size)


def median_km(error_km: ArrayLike) -> float:
    """Median error in km, NaN counting as infinite: inf where half the answers or more have no place. NaN for none."""
    error = np.asarray(error_km, float).ravel()
    return float(np.median(np.where(np.isnan(error), np.inf, error))) if error.size else float("nan")


def measures(rows: pd.DataFrame, rule: str) -> dict[str, NDArray]:
    """{measure: (n,) what its mean or median is taken of} for counted rows; NaN does not count in a mean."""
    error = rows.error_km.to_numpy(float)
    parts = {f"acc_{km}km": geo.within(error, km, rule).astype(float) for km in geo.THRESHOLDS_KM}
    parts |= {"median_km": error, "mean_km": error, "geoscore": geo.geoscore(error)}
    return parts | {f"{k}_accuracy": rows[f"{k}_right"].to_numpy(float) for k in ("country", "city")}


def is_share(measure: str) -> bool:
    """Is it a share of right answers, rather than kilometres or points?"""
    return measure.startswith("acc_") or measure.endswith("_accuracy")


def mean(values: ArrayLike) -> float:
    """Mean of what is not NaN; NaN where nothing is."""
    values = np.asarray(values, float)
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def summary(rows: pd.DataFrame, rule: str) -> dict[str, float]:
    """What Scores.summary says, of rows as in Scores.rows."""
    counted = rows[rows.counted.to_numpy(bool)] if not rows.counted.all() else rows
    parts = measures(counted, rule)
    values = {name: median_km(part) if name == "median_km" else mean(part) for name, part in parts.items()}
    missing = (rows.problem == NO_PREDICTION).to_numpy()
    return values | {
        "mean_km_left_out": mean_km(parts["mean_km"])[1],
        "n": len(counted),
        "n_unparsed": int((rows.problem.to_numpy(object).astype(bool) & ~missing).sum()),
        "n_missing": int(missing.sum()),
        "n_country": int((~np.isnan(parts["country_accuracy"])).sum()),
        "n_city": int((~np.isnan(parts["city_accuracy"])).sum()),
    }


def with_limits(rows: pd.DataFrame, rule: str, draws: int, seed: int, labels: NDArray | None) -> pd.DataFrame:
    """What Scores.intervals says, of counted rows with one label of a cluster each, or None."""
    parts = measures(rows, rule)
    medians = {"median_km": parts["median_km"]}
    drawn = intervals.bootstrap(
        {name: part for name, part in parts.items() if name not in medians}, medians,
        draws=draws, seed=seed, cluster=labels,
    )  # fmt: skip
    lines = []
    for name in MEASURES:
        value = median_km(parts[name]) if name in medians else mean(parts[name])
        low, high = intervals.limits(drawn[name])
        known = ~np.isnan(parts[name]) if name not in medians else np.ones(len(rows), bool)
        if is_share(name) and value in (0.0, 1.0):
            units = int(known.sum()) if labels is None else len(set(labels[known]))
            low, high = seeds.wilson_counted(int(value) * units, units)
        lines.append((name, value, low, high, int(known.sum())))
    return pd.DataFrame(lines, columns=["measure", "value", "low", "high", "n"])
