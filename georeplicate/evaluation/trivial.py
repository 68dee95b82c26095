"""Trivial baselines for answers about places: how far one gets without looking at any picture.

A random land point, and the best constant answer. Constants are chosen on validation places, never on those they are
then measured on. The synthetic world's come with it (`mini.baselines`); a run on photographs records in its manifest
those of its own data set (`recorded`), so that tables need no photographs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from georeplicate import atlas, geo


@dataclass(frozen=True)
class TrivialBaselines:
    """Guesses to measure a policy against.

    land: many random land points, columns lat, lon, country. constant: one row for each kind of countries (all, seen,
    unseen) and each measure (a distance in km, "median" or "country"), with lat, lon and country of the place that
    serves it best; no row where nobody recorded any. commonest: {"climate": word, "ground": word}. chosen_on: the
    places that constants were chosen on, in words.
    """

    land: pd.DataFrame
    constant: pd.DataFrame
    commonest: dict[str, str] = field(default_factory=dict)
    chosen_on: str = "validation places"

    def constants(self, countries: str = "all") -> pd.DataFrame:
        """Columns lat, lon (degrees) and country, by measure; empty where there are none for these countries."""
        return self.constant[self.constant.countries == countries].set_index("measure")


def random_land(draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """So many random points on land: lat, lon in degrees and the country they lie in."""
    lat, lon = atlas.random_land(draws, np.random.default_rng([seed, 41]))
    return pd.DataFrame({"lat": lat, "lon": lon, "country": atlas.describe(lat, lon, atlas.NOON).country})


def best_constants(places: pd.DataFrame) -> pd.DataFrame:
    """Of these places (rows lat, lon in degrees, country, seen_country) the ones that serve best where one place is
    guessed for all: rows {countries, measure, lat, lon, country} as in `TrivialBaselines.constant`.

    Among equally good ones the one with the highest mean GeoScore is taken. A country that is not known ("") is never
    right.
    """
    rows = []
    for kind, here in by_country(places):
        lat, lon, country = (here[name].to_numpy() for name in ("lat", "lon", "country"))
        km = geo.haversine_km(lat[:, None], lon[:, None], lat, lon)  # [guess, place]
        gains: dict[int | str, NDArray] = {limit: (km <= limit).mean(1) for limit in geo.THRESHOLDS_KM}
        same = (country[:, None] == country) & (country != "")
        gains |= {"median": -np.median(km, 1), "country": same.mean(1)}
        score = geo.geoscore(km).mean(1)
        for measure, gain in gains.items():
            best = here.iloc[np.lexsort((score, gain))[-1]]
            rows.append((kind, measure, best.lat, best.lon, best.country))
    return pd.DataFrame(rows, columns=["countries", "measure", "lat", "lon", "country"])


def choose(places: pd.DataFrame, commonest: dict[str, str], *, draws: int = 2000, seed: int = 0) -> TrivialBaselines:
    """Random land points, and the `best_constants` of these places."""
    return TrivialBaselines(random_land(draws, seed), best_constants(places), commonest)


def to_record(places: pd.DataFrame, chosen_on: str) -> dict[str, Any]:
    """What a manifest says of the best constants of a data set's validation places, as JSON has it.

    places: rows lat, lon in degrees (NaN where a source has no coordinates: such a row is left out) and country, ""
    where it is not known. chosen_on: which places these are, in words.
    """
    known = places.dropna(subset=["lat", "lon"]).assign(seen_country=pd.NA)
    constant = best_constants(known).to_dict("records") if len(known) else []
    return {"chosen_on": f"{len(known):,} {chosen_on}", "constant": constant}


def recorded(record: dict[str, Any] | None) -> TrivialBaselines:
    """Random land points and the constants of `to_record`; without constants where there is no record (None)."""
    record = record or {"chosen_on": "", "constant": []}
    constant = pd.DataFrame(record["constant"], columns=["countries", "measure", "lat", "lon", "country"])
    return TrivialBaselines(random_land(), constant, chosen_on=record["chosen_on"])


def by_country(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """("all", rows), ("seen", ...), ("unseen", ...): whether a training city lies in the country; no empty part."""
    if rows.seen_country.isna().all():  # photographs: no one says which countries a published model has seen
        yield "all", rows
        return
    seen = rows.seen_country.astype(bool)
    for kind, part in (("all", rows), ("seen", rows[seen]), ("unseen", rows[~seen])):
        if len(part):
            yield kind, part
