"""Trivial baselines for answers about places: how far one gets without looking at any picture.

A random land point, and the best constant answer. Constants are chosen on validation places, never on those they are
then measured on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from georeplicate import atlas, geo


@dataclass(frozen=True)
class TrivialBaselines:
    """Guesses to measure a policy against.

    land: many random land points, columns lat, lon, country. constant: one row for each kind of countries (all, seen,
    unseen) and each measure (a distance in km, "median" or "country"), with lat, lon and country of the place that
    serves it best. commonest: {"climate": word, "ground": word}.
    """

    land: pd.DataFrame
    constant: pd.DataFrame
    commonest: dict[str, str]


def choose(places: pd.DataFrame, commonest: dict[str, str], *, draws: int = 2000, seed: int = 0) -> TrivialBaselines:
    """Chosen on these places (rows lat, lon, country, seen_country), of which the best constants are some.

    Among equally good ones the one with the highest mean GeoScore is taken.
    """
    rows = []
    for kind, here in by_country(places):
        lat, lon, country = (here[name].to_numpy() for name in ("lat", "lon", "country"))
        km = geo.haversine_km(lat[:, None], lon[:, None], lat, lon)  # [guess, place]
        gains: dict[int | str, NDArray] = {limit: (km <= limit).mean(1) for limit in geo.THRESHOLDS_KM}
        gains |= {"median": -np.median(km, 1), "country": (country[:, None] == country).mean(1)}
        score = geo.geoscore(km).mean(1)
        for measure, gain in gains.items():
            best = here.iloc[np.lexsort((score, gain))[-1]]
            rows.append((kind, measure, best.lat, best.lon, best.country))
    lat, lon = atlas.random_land(draws, np.random.default_rng([seed, 41]))
    country = atlas.describe(lat, lon, atlas.NOON).country
    return TrivialBaselines(
        land=pd.DataFrame({"lat": lat, "lon": lon, "country": country}),
        constant=pd.DataFrame(rows, columns=["countries", "measure", "lat", "lon", "country"]),
        commonest=commonest,
    )


def by_country(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """("all", rows), ("seen", ...), ("unseen", ...): whether a training city lies in the country; no empty part."""
    if rows.seen_country.isna().all():  # photographs: no one says which countries a published model has seen
        yield "all", rows
        return
    seen = rows.seen_country.astype(bool)
    for kind, part in (("all", rows), ("seen", rows[seen]), ("unseen", rows[~seen])):
        if len(part):
            yield kind, part
