"""Which places the world has: real coordinates and moments, split by place.

A region is a city of data/cities.csv and RADIUS_KM around it; `cities.csv` gives each its split, and cities stand >=
120 km apart, so sites of different splits are >= 50 km apart by construction (a test measures it). Site i of a
region is the same whatever number of sites is asked for.

train        the 16 cities of CV-Cities: pairs for SFT and RL
validation   chooses settings
test         reported once
base         what the mini base model was made from: other cities, and random land far from every other split
"seen" countries are those of the 16 training cities; `seen_country` marks them.
"""

import csv
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd

from georeplicate import atlas, geo

DATA = Path(__file__).parent / "data"
RADIUS_KM = 15.0
APART_KM = 50.0  # held-out sites lie at least this far from any training site
SPLITS = ("train", "validation", "test", "base")
HORIZON_KM = (10.0, 20.0, 40.0)
HORIZON_BEARINGS = np.arange(24) * 15.0
FACTS = (
    "land_cover",
    "climate",
    "temperature_c",
    "rain_mm",
    "elevation_m",
    "haze",
    "sun_azimuth_deg",
    "sun_elevation_deg",
    "season",
    "country_name",
    "driving_side",
    "speed_unit",
    "script",
    "region",
    "place_population",
)


@cache
def cities() -> pd.DataFrame:
    """The world's cities: city, country, lat, lon, population, split, seen_country, script, local_name."""
    with open(DATA / "cities.csv", encoding="utf-8", newline="") as file:
        table = pd.DataFrame(list(csv.DictReader(file)))
    for name in ("lat", "lon"):
        table[name] = table[name].astype(float)
    table["population"], table["seen_country"] = table["population"].astype(int), table["seen_country"] == "1"
    return table


def sites(split: str, per_region: int, *, regions: int | None = None, wild: int = 0, seed: int = 0) -> pd.DataFrame:
    """Sites of a split: `per_region` around each of its cities, and `wild` on random land (split "base" only).

    regions   take only so many cities, spread evenly over the split (None: all)
    Returns one row a site: id, split, area (the neighbourhood from which hard negatives come), city, country,
    seen_country, lat, lon (degrees), taken_at (ISO-8601, UTC), horizon (24 elevation angles in degrees, from north
    clockwise) and the atlas's facts named in FACTS. Moments of one region lie within 30 days and between 9 h and
    15.5 h of local solar time, with the sun up.
    """
    return _sites(split, per_region, regions, wild, seed).copy()


@lru_cache(maxsize=16)
def _sites(split: str, per_region: int, regions: int | None, wild: int, seed: int) -> pd.DataFrame:
    if split not in SPLITS:
        raise ValueError(f"sites: no split {split!r}; choose from {', '.join(SPLITS)}")
    for what, count in {"per_region": per_region, "regions": regions, "wild": wild}.items():
        if count is not None and (not isinstance(count, int | np.integer) or count < (what == "regions")):
            raise ValueError(f"sites: {what} must be a whole number from {int(what == 'regions')} on, got {count!r}")
    if wild and split != "base":
        raise ValueError('sites: random land belongs to the split "base" only; ask for wild=0')
    table = cities()
    table = table[table.split == split]
    if regions is not None:
        table = table.iloc[np.unique(np.linspace(0, len(table) - 1, min(regions, len(table))).round().astype(int))]
    parts = [_places(table, per_region, seed)]
    if wild:
        parts.append(_wild_places(wild, seed))
    places = pd.concat(parts, ignore_index=True)
    places.insert(1, "split", split)
    return _with_facts(places)


def _places(table: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Coordinates and moments around each city; only land of the city's own country."""
    draws = 16
    rows, pools = [], []
    for city in table.itertuples():
        rng = np.random.default_rng([seed, crc32(f"{city.country}/{city.city}".encode())])
        pools.append(rng.random((count * draws, 4)))
    pool = np.stack(pools) if pools else np.zeros((0, count * draws, 4))
    lat, lon = geo.destination(
        table.lat.to_numpy()[:, None],
        table.lon.to_numpy()[:, None],
        pool[..., 0] * 360,
        RADIUS_KM * np.sqrt(pool[..., 1]),
    )
    found = atlas.describe(lat.ravel(), lon.ravel(), atlas.NOON)
    # The places were first drawn by the map's coast; shores that it cuts off stay out, or all places would move.
    cut_off = atlas.is_land(lat, lon) & ~atlas.is_land(lat, lon, drawn_coast=True)
    ours = (found.is_land & (found.country == np.repeat(table.country.to_numpy(), count * draws))).reshape(lat.shape)
    ours &= ~cut_off
    for r, city in enumerate(table.itertuples()):
        keep = np.flatnonzero(ours[r])[:count]
        if len(keep) < count:  # a tiny island: the other draws are moved to the city's own point
            moved = np.flatnonzero(~ours[r])[: count - len(keep)]
            near = geo.destination(city.lat, city.lon, pool[r, moved, 0] * 360, 0.5 * np.sqrt(pool[r, moved, 1]))
            lat[r, moved], lon[r, moved] = near
            keep = np.concatenate([keep, moved])
        day = _survey_day(city.lat, crc32(f"{seed}/{city.country}/{city.city}".encode()))
        area = f"{city.city}, {city.country}"
        slug = "".join(c if c.isalnum() else "-" for c in city.city.lower())
        for i, j in enumerate(keep):
            moment = _moment(day + 30 * pool[r, j, 2] - 15, 9 + 6.5 * pool[r, j, 3], lon[r, j])
            rows.append(
                (
                    f"{city.country.lower()}/{slug}/{i:05d}",
                    area,
                    city.city,
                    city.country,
                    city.seen_country,
                    lat[r, j],
                    lon[r, j],
                    moment,
                )
            )
    return pd.DataFrame(rows, columns=["id", "area", "city", "country", "seen_country", "lat", "lon", "taken_at"])


def _wild_places(count: int, seed: int) -> pd.DataFrame:
    """Random land, away from the poles and from every city of a split that is trained or tested on."""
    rng = np.random.default_rng([seed, crc32(b"wild")])
    lat, lon = (np.asarray(a) for a in atlas.random_land(count * 3, rng))
    reserved = cities()[lambda c: c.split != "base"]
    _, km = geo.neighbours(reserved.lat.to_numpy(), reserved.lon.to_numpy(), lat, lon, k=1)
    keep = np.flatnonzero((np.abs(lat) < 66) & (km[:, 0] > APART_KM + 2 * RADIUS_KM))[:count]
    facts = atlas.describe(lat[keep], lon[keep], atlas.NOON)
    seen = set(cities().loc[cities().split == "train", "country"])
    rows = []
    for i, (la, lo, country) in enumerate(zip(lat[keep], lon[keep], facts.country, strict=True)):
        day = _survey_day(la, crc32(f"{seed}/wild/{i}".encode()))
        area = f"wild {int((la + 90) // 5)}/{int((lo + 180) // 5)}"
        rows.append(
            (
                f"wild/{i:05d}",
                area,
                "",
                str(country),
                str(country) in seen,
                la,
                lo,
                _moment(day, 9 + 6.5 * rng.random(), lo),
            )
        )
    return pd.DataFrame(rows, columns=["id", "area", "city", "country", "seen_country", "lat", "lon", "taken_at"])


def _survey_day(lat: float, draw: int) -> float:
    """A day of the year on which the sun stands at least 30 degrees high at noon at this latitude."""
    for day in np.random.default_rng(draw).uniform(0, 365, 64):
        declination = -23.44 * np.cos(2 * np.pi * (day + 10) / 365)
        if 90 - abs(lat - declination) >= 30:
            return float(day)
    return 172.0 if lat > 0 else 355.0


def _moment(day: float, solar_hour: float, lon: float) -> str:
    start = datetime(2023, 1, 1, tzinfo=UTC)
    return (start + timedelta(days=int(day) % 365, hours=solar_hour - lon / 15)).isoformat(timespec="seconds")


def _with_facts(places: pd.DataFrame) -> pd.DataFrame:
    lat, lon = places.lat.to_numpy(), places.lon.to_numpy()
    facts = atlas.describe(lat, lon, places.taken_at.to_list(), drawn_coast=True)
    for name in FACTS:
        places[name] = getattr(facts, name)
    places["horizon"] = list(_horizon(lat, lon, places.elevation_m.to_numpy()))
    return places


def _horizon(lat: np.ndarray, lon: np.ndarray, elevation_m: np.ndarray) -> np.ndarray:
    """(N, 24) elevation angle in degrees of the highest real relief in each direction, seen from (lat, lon)."""
    angles = []
    for km in HORIZON_KM:
        there = geo.destination(lat[:, None], lon[:, None], HORIZON_BEARINGS[None, :], km)
        height = atlas.elevation_m(*there) - elevation_m[:, None]
        angles.append(np.rad2deg(np.arctan(height / (km * 1000))))
    return np.max(angles, axis=0).clip(0, 12)
