"""How sure a number is: bootstrap intervals, and paired tests between two systems on the same examples.

Examples, or clusters of them, are drawn anew with replacement. Instead of the rows, the counts of how often each is
drawn are made (they are multinomial), so that every mean is one product of matrices and every median one running sum.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from georeplicate.evaluation.seeds import LEVEL

_Name = TypeVar("_Name", bound=Hashable)
_CELLS = 1_500_000  # counts held at once: draws are made in chunks of this many


def counts(n: int, draws: int, seed: int, cluster: ArrayLike | None = None) -> Iterator[NDArray[np.int64]]:
    """Chunks (c, n) of how often each of n examples is drawn; the chunks' rows add up to `draws`.

    cluster (n,): labels of examples that are drawn together. The same arguments give the same counts.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    rng = np.random.default_rng([seed, n])
    member = None
    units = n
    if cluster is not None:
        member, labels = pd.factorize(np.asarray(cluster, object), use_na_sentinel=False)
        if len(member) != n:
            raise ValueError(f"cluster has {len(member)} labels for {n} examples")
        units = len(labels)
    step = max(1, _CELLS // max(n, 1))
    for start in range(0, draws, step):
        c = min(step, draws - start)
        picked = rng.integers(0, units, (c, units), dtype=np.int64) + np.arange(c)[:, None] * units
        drawn = np.bincount(picked.ravel(), minlength=c * units).reshape(c, units)
        yield drawn if member is None else drawn[:, member]


def weighted_median(drawn: NDArray, ordered: ArrayLike) -> NDArray:
    """(c,) medians of values (n,) in rising order, each counted as often as `drawn` (c, n) says; NaN for no count."""
    ordered = np.asarray(ordered, float)
    sums = np.cumsum(drawn, axis=1)
    total = sums[:, -1]
    low = np.minimum((sums < ((total + 1) // 2)[:, None]).sum(1), len(ordered) - 1)
    high = np.minimum((sums < (total // 2 + 1)[:, None]).sum(1), len(ordered) - 1)
    return np.where(total > 0, (ordered[low] + ordered[high]) / 2, np.nan)


def bootstrap(
    means: Mapping[_Name, ArrayLike],
    medians: Mapping[_Name, ArrayLike],
    *,
    draws: int = 2000,
    seed: int = 0,
    cluster: ArrayLike | None = None,
) -> dict[_Name, NDArray]:
    """{name: (draws,) values}: the mean or the median of each array (n,) under redrawn examples.

    In a mean NaN is left out of numerator and denominator; in a median NaN counts as infinite. All arrays meet in the
    same draws, so that differences between two of them are paired.
    """
    arrays = {name: np.asarray(values, float) for name, values in {**means, **medians}.items()}
    n = len(next(iter(arrays.values())))
    if not n:
        return {name: np.full(draws, np.nan) for name in arrays}
    known = {name: ~np.isnan(arrays[name]) for name in means}
    tops = np.stack([np.where(known[name], arrays[name], 0) for name in means], 1) if means else np.empty((n, 0))
    patterns, which = np.empty((n, 0)), np.empty(0, int)
    if means:
        patterns, which = np.unique(np.stack(list(known.values()), 1), axis=1, return_inverse=True)
    sorted_by = {}
    for name in medians:
        values = np.where(np.isnan(arrays[name]), np.inf, arrays[name])
        order = np.argsort(values, kind="stable")
        sorted_by[name] = (order, values[order])
    parts: dict[_Name, list[NDArray]] = {name: [] for name in arrays}
    for drawn in counts(n, draws, seed, cluster):
        if means:
            weights = drawn.astype(float)
            with np.errstate(invalid="ignore", divide="ignore"):
                values = (weights @ tops) / (weights @ patterns.astype(float))[:, np.ravel(which)]
            for column, name in enumerate(means):
                parts[name].append(values[:, column])
        for name, (order, values) in sorted_by.items():
            parts[name].append(weighted_median(drawn[:, order], values))
    return {name: np.concatenate(part) for name, part in parts.items()}


def limits(draws: ArrayLike) -> tuple[float, float]:
    """The 95 % interval of draws (percentiles, NaN left out; infinities are kept); NaN where there are none."""
    draws = np.asarray(draws, float)
    draws = np.sort(draws[~np.isnan(draws)])
    if not draws.size:
        return float("nan"), float("nan")
    at = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(draws, at, method="inverted_cdf")
    return float(low), float(high)


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p-value of the exact McNemar test: are two systems right (n, bool) equally often on the same examples?

    Only examples that one of them alone has right count; 1.0 where there are none.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape:
        raise ValueError(f"the two systems have {first.size} and {second.size} answers; they must share the examples")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    disagree = only_first + only_second
    return float(binomtest(only_first, disagree).pvalue) if disagree else 1.0


def p_value(draws: ArrayLike) -> float:
    """Two-sided p-value of "no difference" from draws of a difference: twice the smaller tail beyond 0."""
    drawn = np.asarray(draws, float)
    drawn = drawn[~np.isnan(drawn)]
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1.0, 2 * (1 + tail) / (1 + len(drawn))))
