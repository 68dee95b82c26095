"""Shares with intervals over seeds and places, and differences between systems.

Every share has a 95 % interval over training seeds and places. Questions of one city stay together, as they share
candidates and cues (with few cities each question stands for itself). With two to nine seeds the seeds' part is
Student's t (`evaluation.seeds` says why); with one seed, or with ten and more, a bootstrap draws seeds and places anew,
with replacement, at once. One seed tells nothing about the spread between seeds: such an interval is of that run.
Differences are paired by place; seeds count apart, unless one system went on from the other's run. A share that hardly
ever (or nearly always) occurs gets Wilson's interval over places.

Sums are of whole numbers, so that the bootstrap's digits do not depend on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np
import pandas as pd
from scipy.stats import norm

from georeplicate.evaluation import intervals, seeds

DRAWS = 10_000
FEW = 20  # with fewer cities than this, each question stands for itself


@dataclass(frozen=True)
class Sample:
    """A ratio of sums, `counted` over `possible`, still split by training seed and place: (seeds, places) each."""

    seeds: tuple
    places: tuple
    counted: np.ndarray
    possible: np.ndarray

    @property
    def value(self) -> float:
        return float(self.counted.sum() / self.possible.sum()) if self.possible.sum() else float("nan")

    def draws(self, stream: str = "") -> np.ndarray:
        """(DRAWS,) values under redrawn seeds and places. Equal streams and numbers of seeds draw the same seeds."""
        places = _resample_weights(len(self.places), "places")
        seeds = _resample_weights(len(self.seeds), f"seeds {stream}")
        counted, possible = (((places @ part.T) * seeds).sum(1) for part in (self.counted, self.possible))
        with np.errstate(invalid="ignore"):
            return np.divide(counted, possible)

    @property
    def few_seeds(self) -> bool:
        return 1 < len(self.seeds) < seeds.MANY

    @property
    def is_share(self) -> bool:
        return bool((0 <= self.counted).all() and (self.counted <= self.possible).all())

    @property
    def is_rare(self) -> bool:
        return seeds.is_rare(self.counted, self.possible)

    def cells(self) -> np.ndarray:
        """(seeds, places) residuals whose mean varies as the value does."""
        return seeds.cells(self.counted, self.possible)

    def interval(self) -> tuple[float, float]:
        """95 % interval of the value; NaN where nothing was possible."""
        if not self.possible.sum():
            return float("nan"), float("nan")
        if self.few_seeds:
            half = seeds.between(self.cells()).half_width()
            low, high = self.value - half, self.value + half
        else:
            low, high = _quantiles(self.draws())
        if self.is_rare:
            ends = seeds.wilson(self.value, len(self.places))
            low, high = min(low, ends[0]), max(high, ends[1])
        return (max(low, 0.0), min(high, 1.0)) if self.is_share else (low, high)


def _quantiles(draws: np.ndarray) -> tuple[float, float]:
    known = draws[~np.isnan(draws)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, seeds.TAILS)
    return float(low), float(high)


@cache
def _resample_weights(n: int, what: str) -> np.ndarray:
    """(DRAWS, n): how often each of n is drawn; always the same for the same n and purpose."""
    rng = np.random.default_rng([n, crc32(what.encode())])
    return rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(float)


def sample(rows: pd.DataFrame, counted, possible=1) -> Sample:
    """counted, possible: a number, or one for each of the rows (of one system, task and decoding).

    ValueError where the seeds were not evaluated on the same questions, each once.
    """
    seed, training_seeds = pd.factorize(rows.training_seed, sort=True)
    question, ids = pd.factorize(rows.id)
    times = np.zeros((len(training_seeds), len(ids)), int)
    np.add.at(times, (seed, question), 1)
    if (times != 1).any():
        raise ValueError(
            f"{rows.system.iloc[0]}, {rows.task.iloc[0]}: the seeds {', '.join(map(str, training_seeds))} must have "
            "the same questions, each once"
        )
    cities = np.array([name.rpartition("/")[0] for name in ids], object)
    place, places = pd.factorize(cities if len(set(cities)) >= FEW else np.asarray(ids, object), sort=True)
    cell = seed * len(places) + place[question]

    def summed(numbers) -> np.ndarray:
        weights = pd.Series(numbers, index=rows.index).fillna(0).to_numpy(float)
        return np.bincount(cell, weights, times.shape[0] * len(places)).reshape(-1, len(places))

    return Sample(tuple(training_seeds), tuple(places), summed(counted), summed(possible))


def right(rows: pd.DataFrame, choice: pd.Series | None = None) -> Sample:
    """Answers (rows.choice, or those given) that are the truth, of the rows whose truth is known: "" is no answer to be
    right with."""
    known = rows.truth != ""
    return sample(rows, known & ((rows.choice if choice is None else choice) == rows.truth), known)


def measured(name: str, found: Sample) -> dict[str, float]:
    """{name, name_low, name_high}."""
    low, high = found.interval()
    return {name: found.value, f"{name}_low": low, f"{name}_high": high}


def difference(first: Sample, *others: Sample, same_seeds: bool = False) -> dict[str, float]:
    """First minus the largest of the others: difference, low, high, p_value (two-sided, for no difference) and
    smallest_effect, the smallest true difference that would have been detected with 80 % power.

    Paired by place. same_seeds: seed i of the first continued seed i of the other, so their differences by seed count.
    Against several others the lower end is the lowest against any of them: the first is above all only if it is above
    each. NaN where nothing was possible; no smallest_effect where no answer differs, so that there is no spread.
    """
    if any(other.places != first.places for other in others):
        raise ValueError("only systems that were asked the same questions can be compared")
    if not all(found.possible.sum() for found in (first, *others)):
        return dict.fromkeys(("difference", "low", "high", "p_value", "smallest_effect"), float("nan"))
    if any(found.few_seeds for found in (first, *others)):
        found = [_by_t(first, other, same_seeds) for other in others]
        largest = max(range(len(others)), key=lambda i: others[i].value)
        return found[largest] | {"low": min(one["low"] for one in found)}
    return _by_bootstrap(first, others, same_seeds)


def _by_t(first: Sample, other: Sample, same_seeds: bool) -> dict[str, float]:
    one, two = first.cells(), other.cells()
    spread = seeds.between(one - two) if same_seeds else seeds.versus(one, two)
    return _bounded(by_spread(first.value - other.value, spread), first, other)


def by_spread(gap: float, spread: seeds.Spread) -> dict[str, float]:
    """What `difference` says, of a difference whose spread is known."""
    half = spread.half_width()
    found = {"difference": gap, "low": gap - half, "high": gap + half, "p_value": spread.p_value(gap)}
    return found | {"smallest_effect": spread.smallest_effect() or float("nan")}


def _by_bootstrap(first: Sample, others: tuple[Sample, ...], same_seeds: bool) -> dict[str, float]:
    streams = ["one"] * (1 + len(others)) if same_seeds else map(str, range(1 + len(others)))
    mine, *theirs = (found.draws(stream) for found, stream in zip((first, *others), streams))
    draws = mine - np.max(theirs, axis=0)
    draws = draws[~np.isnan(draws)]
    low, high = _quantiles(draws)
    largest = max(others, key=lambda other: other.value)
    found = {
        "difference": first.value - largest.value,
        "low": low,
        "high": high,
        "p_value": intervals.p_value(draws),
        "smallest_effect": float(draws.std() * (norm.ppf((1 + seeds.LEVEL) / 2) + norm.ppf(seeds.POWER)))
        or float("nan"),
    }
    return _bounded(found, first, largest)


def _bounded(found: dict[str, float], first: Sample, other: Sample) -> dict[str, float]:
    """A difference of shares within -1 and 1; of two rare ones at least as uncertain as Newcombe's interval says."""
    if first.is_rare and other.is_rare:
        low, high = seeds.newcombe(first.value, other.value, len(first.places), len(other.places))
        ratio = 1 + norm.ppf(seeds.POWER) / norm.ppf((1 + seeds.LEVEL) / 2)
        least = ratio * max(high - found["difference"], found["difference"] - low)
        found |= {"low": min(low, found["low"]), "high": max(high, found["high"])}
        found["smallest_effect"] = float(np.nanmax([found["smallest_effect"], least]))
    if first.is_share and other.is_share:
        found |= {"low": max(found["low"], -1.0), "high": min(found["high"], 1.0)}
    return found


def adjusted(rows: list[dict]) -> pd.DataFrame:
    """Differences as a table, with p_holm, adjusted for all of its lines, behind p_value; empty without any."""
    table = pd.DataFrame(rows)
    if len(table):
        table.insert(table.columns.get_loc("p_value") + 1, "p_holm", seeds.holm(table.p_value))
    return table


def verdict(found: dict[str, float], holds: str = seeds.HOLDS, fails: str = seeds.FAILS, margin: float = 0.0) -> str:
    """By the interval of a difference: above 0; below 0, or below the smallest difference of interest; or neither."""
    return {seeds.HOLDS: holds, seeds.FAILS: fails}.get(seeds.verdict(found["low"], found["high"], margin), seeds.OPEN)
