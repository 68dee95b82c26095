"""A naive-Bayes reader that is told the true words of a place: how far such words locate it, read in this way.

The words are taken as independent given the city, every city as equally likely before: how often each word occurs in
each of the base's cities is counted on places of that split, and the guess is the city with most probability within a
distance. A better reader may get further with the same words, and a picture holds more than them (where things
stand, say): this is a yardstick, no bound.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from georeplicate import geo, world

PLACES = 8  # of each city, counted
PSEUDO = 0.5  # added to every count, so that no word is impossible


@cache
def _counted() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """(latitudes, longitudes of the base's cities, {word: its log-probability in each city})."""
    sites = world.sites("base", PLACES)
    described = [world.words_at(site) for site in sites.itertuples()]
    cities = sites.groupby(["city", "country"], sort=False)
    lat, lon = cities.lat.mean().to_numpy(float), cities.lon.mean().to_numpy(float)
    city = cities.ngroup().to_numpy()
    shares: dict[str, np.ndarray] = {}
    for values in zip(*described, strict=True):  # one attribute after another
        known = sorted(set(values))
        counts = np.full((len(known), len(lat)), PSEUDO)
        np.add.at(counts, (np.searchsorted(known, values), city), 1)
        shares |= dict(zip(known, np.log(counts / counts.sum(0)), strict=True))
    return lat, lon, shares


@cache
def _centres() -> tuple[np.ndarray, np.ndarray]:
    """Mean (lat, lon) in degrees of the places of each of the base's cities."""
    cities = world.sites("base", PLACES).groupby(["city", "country"], sort=False)
    return cities.lat.mean().to_numpy(float), cities.lon.mean().to_numpy(float)


@cache
def _near(km: float) -> np.ndarray:
    """[city, city]: whether they lie within km of each other."""
    lat, lon = _centres()
    return geo.haversine_km(lat[:, None], lon[:, None], lat, lon) <= km


@cache
def guess(words: tuple[str, ...], km: float) -> tuple[float, float]:
    """The city, as (lat, lon) in degrees, around which most probability lies within `km`, given these words.
    No words: the best constant guess."""
    lat, lon, shares = _counted()
    score = sum((shares[word] for word in words if word in shares), np.zeros(len(lat)))
    chance = np.exp(score - score.max())
    best = int(np.argmax(_near(km) @ chance))
    return float(lat[best]), float(lon[best])
