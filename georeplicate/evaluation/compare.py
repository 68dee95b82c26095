"""Two systems on the same examples: is the one better, and by how much?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from georeplicate.evaluation import intervals
from georeplicate.evaluation.metrics import MEASURES, is_share, mean, measures, median_km
from georeplicate.evaluation.score import Scores


def compare(
    first: Scores, second: Scores, draws: int = 2000, seed: int = 0, cluster: str | None = None
) -> pd.DataFrame:
    """measure, first, second, difference, low, high, p_value, test, n: first minus second on the examples that count in
    both, paired by id.

    Shares: exact McNemar test (which knows no clusters: with `cluster`, the bootstrap's). Kilometres and GeoScore:
    bootstrap. low and high: 95 % interval of the difference by a bootstrap in which both meet the same draws.
    Raises ValueError where the protocols differ or no example is shared.
    """
    if first.protocol != second.protocol:
        raise ValueError(f"protocols differ ({first.protocol.name}, {second.protocol.name}); score both under one")
    mine, other = first.counted_rows.set_index("id", drop=False), second.counted_rows.set_index("id", drop=False)
    shared = mine.index.intersection(other.index, sort=False)
    if not len(shared):
        raise ValueError("the two systems share no example; score both against the same truth")
    mine, other = mine.loc[shared], other.loc[shared]
    labels = None
    if cluster is not None:
        labels = pd.Series(first.labels(cluster), index=first.counted_rows.id).loc[shared].to_numpy(object)
    rule = first.protocol.rule
    sides = [measures(mine, rule), measures(other, rule)]
    for name in MEASURES:  # a mean over examples that both know
        if name != "median_km":
            unknown = np.isnan(sides[0][name]) | np.isnan(sides[1][name])
            for side in sides:
                side[name] = np.where(unknown, np.nan, side[name])
    keyed = [{(i, name): part for name, part in side.items()} for i, side in enumerate(sides)]
    every = keyed[0] | keyed[1]
    medians = {key: part for key, part in every.items() if key[1] == "median_km"}
    drawn = intervals.bootstrap(
        {key: part for key, part in every.items() if key not in medians}, medians,
        draws=draws, seed=seed, cluster=labels,
    )  # fmt: skip
    lines = []
    for name in MEASURES:
        a, b = (side[name] for side in sides)
        known = ~np.isnan(a) if name != "median_km" else np.ones(len(shared), bool)
        values = [median_km(part) if name == "median_km" else mean(part) for part in (a, b)]
        with np.errstate(invalid="ignore"):
            moved = drawn[0, name] - drawn[1, name]
            difference = values[0] - values[1]
        share = is_share(name)
        test = "McNemar, exact" if share and labels is None else "bootstrap"
        p = float("nan")
        if known.any():
            p = intervals.mcnemar(a[known] == 1, b[known] == 1) if test != "bootstrap" else intervals.p_value(moved)
        lines.append((name, *values, difference, *intervals.limits(moved), p, test, int(known.sum())))
    columns = ["measure", "first", "second", "difference", "low", "high", "p_value", "test", "n"]
    return pd.DataFrame(lines, columns=columns)
