"""Intervals when only a few training seeds were run: t instead of bootstrap, smallest effects, equivalence.

A percentile bootstrap over three seeds covers the true mean about 80 % of the time instead of 95 %: the variance of a
resample is (S - 1)/S of the sample's, and three values say little about tails. With two to nine seeds an interval here
is therefore built from two parts, squared and added (Howe's approximation for a sum of variances):

    seeds     between-seed variance of the mean, times the t quantile with the seeds' degrees of freedom
    places    what places add to it (questions of one city are one cluster), times the t quantile of many places

The two overlap in the residual of single cells, which is therefore taken out of the places' part, but never more of it
than the seeds' part holds: the whole is at least the variance over places. Every part is an ordinary analysis of
variance of a seeds x places table with one number a cell. A ratio of sums is linearised first: the cell holds
(counted - ratio x possible) / mean possible. `tests/evaluation/test_seeds.py` measures the coverage by simulation.

    between(cells)            one system            versus(a, b)       two systems, places paired, seeds apart
    Spread.half_width(level)  of an interval        Spread.smallest_effect(power)   what could have been detected
    wilson(...), newcombe(...) intervals of a share that hardly ever, or nearly always, occurs (`is_rare`)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest, norm, t

MANY = 10  # from so many seeds on a percentile bootstrap over seeds is used (it covers 92 % and more)
LEVEL, POWER = 0.95, 0.80
TAILS = round((1 - LEVEL) / 2, 12), round((1 + LEVEL) / 2, 12)  # rounded: 1 - 0.95 is not quite 0.05
EVENTS = 10  # with fewer cases on the rarer side, the spread between places cannot be estimated from them
LENGTH_MARGIN = 0.10  # smallest difference of interest between mean lengths, as a share of the shorter claim's length


@dataclass(frozen=True)
class Spread:
    """Variance of an estimate, in its unit squared: `seeds` (with `df` degrees of freedom) and `places` (`n` - 1)."""

    seeds: float
    df: float
    places: float
    n: int

    def half_width(self, level: float = LEVEL) -> float:
        """Of the two-sided interval at this level, in the estimate's unit."""
        tail = (1 + level) / 2
        by_seeds = t.ppf(tail, self.df) ** 2 * self.seeds if self.seeds else 0.0
        by_places = t.ppf(tail, self.n - 1) ** 2 * self.places if self.places else 0.0
        return float(np.sqrt(by_seeds + by_places))

    def smallest_effect(self, power: float = POWER, level: float = LEVEL) -> float:
        """The smallest true difference that the interval at `level` would exclude zero for with this probability.

        The half-width at `level`, plus the half-width beyond which the estimate falls short with probability
        1 - power: with t alone the usual (t_0.975 + t_0.8) x standard error.
        """
        return self.half_width(level) + self.half_width(2 * power - 1)

    def p_value(self, difference: float) -> float:
        """Two-sided: one minus the largest level whose interval excludes zero."""
        size = abs(difference)
        if size <= self.half_width(1e-9):
            return 1.0
        if size >= self.half_width(1 - 1e-9):
            return 1e-9
        return float(1 - brentq(lambda level: self.half_width(level) - size, 1e-9, 1 - 1e-9, xtol=1e-12))


def cells(counted: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """(seeds, places) residuals of a ratio of sums, scaled so that their mean varies as the ratio does."""
    ratio = counted.sum() / possible.sum()
    return (counted - ratio * possible) / possible.mean()


def _parts(values: np.ndarray) -> tuple[float, float, float]:
    """Variances of the mean: from rows (seeds), from columns (places), and the residual that both of these contain."""
    seeds, places = values.shape
    rows, columns = values.mean(1), values.mean(0)
    by_places = float(columns.var(ddof=1)) / places if places > 1 else 0.0
    if seeds < 2:
        return 0.0, by_places, 0.0
    residual = values - rows[:, None] - columns + values.mean()
    freedom = max(1, (seeds - 1) * (places - 1))
    return float(rows.var(ddof=1)) / seeds, by_places, float((residual**2).sum()) / freedom / values.size


def between(values: np.ndarray) -> Spread:
    """Spread of the mean of (seeds, places) cells: one system, or seed-by-seed differences of two.

    With one seed the spread between seeds is unknown and not contained: the interval then speaks of that one run.
    """
    seeds, places, residual = _parts(values)
    return Spread(seeds, max(1, len(values) - 1), max(places - min(residual, seeds), 0.0), values.shape[1])


def versus(first: np.ndarray, second: np.ndarray) -> Spread:
    """Spread of the difference of means of two systems with the same places (columns) and seeds of their own.

    The seeds' degrees of freedom are Welch's, so one system may have a single seed, and counts as one fixed run.
    """
    parts = [(*_parts(values), len(values)) for values in (first, second)]
    seeds = sum(part[0] for part in parts)
    residual = sum(part[2] for part in parts)
    below = sum(part[0] ** 2 / (part[3] - 1) for part in parts if part[3] > 1)
    df = seeds**2 / below if below else max(1, max(part[3] for part in parts) - 1)
    difference = first.mean(0) - second.mean(0)
    places = float(difference.var(ddof=1)) / len(difference) if len(difference) > 1 else 0.0
    return Spread(seeds, df, max(places - min(residual, seeds), 0.0), len(difference))


# --- shares near 0 or 1 ----------------------------------------------------------------------------------------------


def is_rare(counted: np.ndarray, possible: np.ndarray) -> bool:
    """Is this a share with fewer than EVENTS cases on its rarer side, all seeds together?"""
    if not (0 <= counted).all() or not (counted <= possible).all() or not possible.sum():
        return False
    return min(counted.sum(), (possible - counted).sum()) < EVENTS


def wilson_counted(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of `hits` among n questions; its ends are exactly 0 and 1 where they have to be. NaN for
    n = 0."""
    if not n:
        return float("nan"), float("nan")
    low, high = binomtest(hits, n).proportion_ci(LEVEL, method="wilson")
    return float(low), float(high)


def wilson(share: float, places: int) -> tuple[float, float]:
    """The same interval of a share, each place counted as one question: the share need be no whole number of places.

    Deliberately wide for a rare event: whether its cases come in clusters cannot be seen from a few, so the questions
    of a city count once. 0 of 600 and 1 of 600 get intervals by this one method.
    """
    if share in (0.0, 1.0):
        return wilson_counted(round(share * places), places)
    z = norm.ppf((1 + LEVEL) / 2)
    middle, scale = share + z**2 / (2 * places), 1 + z**2 / places
    half = z * np.sqrt(share * (1 - share) / places + z**2 / (4 * places**2))
    return float((middle - half) / scale), float((middle + half) / scale)


def newcombe(first: float, second: float, n_first: int, n_second: int) -> tuple[float, float]:
    """Newcombe's 95 % interval of first - second, two shares with Wilson's intervals over so many places."""
    (l1, u1), (l2, u2) = wilson(first, n_first), wilson(second, n_second)
    low = np.sqrt((first - l1) ** 2 + (u2 - second) ** 2)
    high = np.sqrt((u1 - first) ** 2 + (second - l2) ** 2)
    return float(first - second - low), float(first - second + high)


# --- verdicts --------------------------------------------------------------------------------------------------------

VERDICTS = HOLDS, FAILS, OPEN = ("holds", "does not hold", "cannot tell")


def verdict(low: float, high: float, margin: float = 0.0) -> str:
    """A claim `difference > 0` by its interval: holds above 0; does not hold where the interval lies below `margin`.

    margin: the smallest difference of interest, set beforehand, in the difference's unit: an interval that excludes
    every difference of at least that size refutes the claim. 0: only an interval below zero does.
    """
    return HOLDS if low > 0 else FAILS if high < margin else OPEN


def holm(p_values) -> np.ndarray:
    """P values adjusted for how many there are (Holm 1979); NaN stays NaN."""
    p = np.asarray(p_values, float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted
