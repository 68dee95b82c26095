"""The cues: what both views show, how likely it is given the facts of a place, and in words.

The probability of a cue's values follows from the atlas (climate, month, land cover, relief, country, UN subregion).
Climate, sun, relief and national habits decide six of the cues outright; the others differ within a city as a smooth
random field over some FIELD_KM, so that neighbours look alike. One of these (`road`) says nothing about geography and
is there to be compared.

The facts are real; the weights below are **ours**, from general knowledge, and belong to no source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np

FIELD_KM = 3.0  # the correlation of what varies within a city falls as exp(-distance / FIELD_KM)
_WAVES = 96  # random Fourier features of that field
_EARTH_KM = 6371.0
HIGH_SUN = 72.0  # degrees at noon from which on the sun counts as overhead
HILLS, MOUNTAINS = 0.4, 1.4  # degrees of the highest horizon
DAMP_MM, WET_MM = 25.0, 95.0  # rain of the month

# {cue: {its value: the word for it}}, in the order in which `words` speaks of them. No word holds a space.
WORDS: dict[str, dict[str, str]] = {
    "vegetation": {v: v for v in ("broadleaf", "conifers", "palms", "umbrella-trees", "scrub")},
    "growth": {v: f"{v}-growth" for v in ("green", "golden", "rusty", "dormant")},
    "soil": {v: f"{v}-soil" for v in ("red", "brown", "black", "pale")},
    "field": {v: v for v in ("pasture", "grain", "paddies", "orchards", "wasteland")},
    "wetness": {v: f"{v}-land" for v in ("dry", "damp", "wet")},
    "relief": {v: v for v in ("flatland", "hills", "mountains")},
    "roof": {v: f"{v}-roofs" for v in ("flat", "gabled", "hipped")},
    "roofing": {v: f"{v}-roofing" for v in ("tile", "slate", "metal", "earth", "white")},
    "density": {v: v for v in ("lone-houses", "village", "dense-houses")},
    "road": {v: v for v in ("road-north-south", "road-east-west", "crossroads", "road-diagonal")},
    "sidewalk": {"yes": "sidewalks", "no": "no-sidewalks"},
    "line": {v: f"{v}-line" for v in ("white", "yellow")},
    "side": {"right": "drives-right", "left": "drives-left"},
    "sun": {v: f"sun-{v}" for v in ("south", "north", "overhead")},
}
ALL_WORDS: tuple[str, ...] = tuple(word for values in WORDS.values() for word in values.values())
CONSTANT = ("growth", "wetness", "relief", "line", "side", "sun")  # follow from the facts alone; the others vary

_AFRICA = ("Northern Africa", "Eastern Africa", "Middle Africa", "Southern Africa", "Western Africa")
_MONSOON = ("South-eastern Asia", "Southern Asia", "Eastern Asia", "Asia")
_LATIN = ("Central America", "South America", "Caribbean")

# Relative weights (flat, gabled, hipped) of roof forms, (tile, slate, metal, earth, white) of what covers them, and the
# share of streets in towns with a sidewalk, by UN M49 subregion. "Asia" is Taiwan, for which the UN names none.
_BUILT: dict[str, tuple[tuple[float, ...], tuple[float, ...], float]] = {
    "Northern Africa": ((12, 0.5, 0.5), (0.5, 0, 0.5, 5, 6), 0.5),
    "Eastern Africa": ((1, 6, 3), (1.5, 0, 8, 3, 0.3), 0.15),
    "Middle Africa": ((1, 4, 6), (0.5, 0, 8, 5, 0.3), 0.1),
    "Southern Africa": ((1.5, 5, 4), (4, 1, 5, 2, 0.3), 0.4),
    "Western Africa": ((2, 2, 8), (0.5, 0, 9, 4, 0.5), 0.1),
    "Caribbean": ((3, 2, 6), (1.5, 0, 6, 0.3, 3), 0.45),
    "Central America": ((5, 4, 2), (7, 0, 4, 1, 1), 0.6),
    "South America": ((3, 2, 6), (9, 0.3, 2, 1, 0.5), 0.65),
    "Northern America": ((1, 6, 5), (0.5, 9, 1, 0.5, 0.3), 0.75),
    "Central Asia": ((2, 7, 3), (0.5, 5, 5, 3, 0.3), 0.4),
    "Eastern Asia": ((4, 2, 6), (1.5, 7, 4, 0.3, 1), 0.8),
    "South-eastern Asia": ((1, 4, 8), (7, 0.3, 6, 1, 0.5), 0.3),
    "Southern Asia": ((10, 2, 1), (1, 0.3, 2.5, 4, 4), 0.15),
    "Western Asia": ((12, 0.5, 2), (1.5, 0, 0.5, 3, 8), 0.6),
    "Eastern Europe": ((2, 8, 3), (4, 5, 4, 0.3, 0.3), 0.75),
    "Northern Europe": ((0.5, 10, 2), (4, 8, 1, 0.2, 0.2), 0.9),
    "Southern Europe": ((2, 3, 8), (12, 0.5, 0.3, 0.3, 1), 0.9),
    "Western Europe": ((1, 9, 3), (5, 9, 0.3, 0.2, 0.3), 0.95),
    "Australia and New Zealand": ((0.5, 3, 9), (4, 1, 7, 0.2, 0.3), 0.8),
    "Melanesia": ((0.5, 5, 5), (0.2, 0, 8, 5, 0.3), 0.1),
    "Micronesia": ((4, 3, 3), (0.3, 0, 5, 1, 4), 0.2),
    "Polynesia": ((0.5, 4, 6), (0.3, 0, 6, 4, 1), 0.2),
    "Asia": ((7, 1, 3), (3, 4, 4, 0.3, 1), 0.8),
}
SUBREGIONS = tuple(_BUILT)
# Yellow centre lines: the Americas as a whole, and these countries.
_YELLOW_LINE_REGIONS = ("Northern America", "Central America", "South America", "Caribbean")
_YELLOW_LINE_COUNTRIES = ("NO", "KR", "TW", "CN", "PH", "ZA", "IL")
_ANYWHERE = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, 1.0), 0.5)


@dataclass(frozen=True)
class Cues:
    """What can be seen of a site in both views: a value of each cue, from the keys of WORDS."""

    vegetation: str
    growth: str
    soil: str
    field: str
    wetness: str
    relief: str
    roof: str
    roofing: str
    density: str
    road: str
    sidewalk: str
    line: str
    side: str
    sun: str

    def words(self) -> tuple[str, ...]:
        """One word a cue, in the order of WORDS."""
        return tuple(values[getattr(self, name)] for name, values in WORDS.items())


def vocabulary() -> dict[str, dict[str, str]]:
    """{cue: {its value: the word for it}}: what a tokenizer has to know."""
    return WORDS


def draw(site, seed: int = 0) -> Cues:
    """The cues of one row of `world.sites(...)`: a pure function of (seed, where the site lies, its facts).

    Of each cue the value is chosen with the probability that `chances` gives it, by the largest of log-probability plus
    a Gumbel variable of the value's own random field (the Gumbel-max trick), so that places close to each other mostly
    choose alike.
    """
    fields = _gumbel(seed, site.lat, site.lon)
    chosen, at = {}, 0
    for name, values in WORDS.items():
        p = chances(name, site)
        with np.errstate(divide="ignore"):
            chosen[name] = list(values)[int(np.argmax(np.log(p) + fields[at : at + len(values)]))]
        at += len(values)
    return Cues(**chosen)


def chances(cue: str, site) -> np.ndarray:
    """Probability of each value of a cue, in the order of WORDS[cue], given the site's facts; sums to 1."""
    weights = _WEIGHTS[cue](site)
    w = np.array([weights.get(value, 0.0) for value in WORDS[cue]], float)
    return w / w.sum()


def noon_sun(lat: float, day: float) -> tuple[float, float]:
    """(azimuth, elevation) of the sun at solar noon, in degrees; `day` of the year from 0. At the zenith: south."""
    declination = -23.44 * np.cos(2 * np.pi * (day + 10) / 365)
    return (180.0 if lat >= declination else 0.0), float(90 - abs(lat - declination))


def day_of_year(taken_at: str) -> float:
    """0 to 365, from an ISO-8601 moment."""
    return float((np.datetime64(taken_at[:10]) - np.datetime64(taken_at[:4] + "-01-01")).astype(int))


# --- the smooth field


@cache
def _waves(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(V, _WAVES, 3) wave vectors in radians a kilometre and (V, _WAVES) phases, V values of all cues."""
    rng = np.random.default_rng([seed, crc32(b"cues")])
    shape = (len(ALL_WORDS), _WAVES)
    # Wave vectors of a multivariate Cauchy law give a field whose correlation is exp(-distance / FIELD_KM).
    waves = rng.normal(size=(*shape, 3)) / (FIELD_KM * np.abs(rng.normal(size=shape))[..., None])
    return waves, rng.uniform(0, 2 * np.pi, shape)


def _gumbel(seed: int, lat: float, lon: float) -> np.ndarray:
    """(V,) the value of each field at a point of the globe, as a standard Gumbel variable."""
    from scipy.special import log_ndtr

    a, o = np.deg2rad(lat), np.deg2rad(lon)
    point = _EARTH_KM * np.array((np.cos(a) * np.cos(o), np.cos(a) * np.sin(o), np.sin(a)))
    waves, phases = _waves(seed)
    normal = np.sqrt(2 / _WAVES) * np.cos(waves @ point + phases).sum(-1)
    return -np.log(-log_ndtr(normal))


# --- weights of each cue given the facts


def _vegetation(site) -> dict[str, float]:
    c, cover = site.climate, site.land_cover
    if c.startswith("A"):
        w = dict(palms=5.0, broadleaf=2.5)
        w["umbrella-trees"] = 2.0 if c in ("Aw", "As") else 0.0
    elif c in ("BWh", "BSh"):
        w = dict(scrub=5.0 if c == "BWh" else 2.0, palms=3.0 if c == "BWh" else 0.5)
        w["umbrella-trees"] = 0.7 if c == "BWh" else 3.0
    elif c.startswith("B"):
        w = dict(scrub=4.0, broadleaf=1.2, conifers=0.8)
    elif c.startswith("Cs"):
        w = dict(broadleaf=2.0, conifers=2.5, scrub=2.0, palms=0.7)
    elif c.startswith("Cw"):
        w = dict(broadleaf=4.0, palms=0.8, conifers=0.8)
        w["umbrella-trees"] = 1.0
    elif c.startswith("C"):
        w = dict(broadleaf=6.0, conifers=1.2, palms=0.8 if c == "Cfa" else 0.0)
    else:
        w = dict(conifers=5.0, broadleaf=3.0, scrub=3.0 if c.startswith("E") else 0.0)
    if "umbrella-trees" in w:
        w["umbrella-trees"] *= 2.5 if site.region in _AFRICA else 0.3
    if "needleleaf" in cover:
        w["conifers"] = w.get("conifers", 0) + 4
    if "broadleaf" in cover:
        w["broadleaf"] = w.get("broadleaf", 0) + 4
    return w


def _growth(site) -> dict[str, float]:
    c, t, rain = site.climate, site.temperature_c, site.rain_mm
    if site.season == "autumn" and t < 15 and not c.startswith("B"):
        return {"rusty": 1}
    if t < 7:
        return {"dormant": 1}
    return {"golden": 1} if rain < (30 if c.startswith("A") or t > 18 else 12) else {"green": 1}


def _soil(site) -> dict[str, float]:
    c, region = site.climate, site.region
    if region == "Australia and New Zealand" and c.startswith(("A", "B")):
        return dict(red=9, pale=1)
    if c.startswith("A"):
        return dict(red=7, brown=1.5, black=2.5 if region in _MONSOON else 0.5)
    if c.startswith("BW"):
        return dict(pale=9, brown=0.8, red=0.4)
    if c.startswith("BS"):
        return dict(pale=4, brown=3, red=2 if region in _AFRICA else 0.4, black=0.6)
    if c.startswith("Cs"):
        return dict(red=2.5, brown=3, pale=2.5)
    if c.startswith("Cw"):
        return dict(red=4, brown=3, black=1)
    if c.startswith("C"):
        return dict(brown=7, black=1.2, red=1.2 if c == "Cfa" else 0.2, pale=0.4)
    return dict(black=6, brown=2.5)


def _field(site) -> dict[str, float]:
    c, region = site.climate, site.region
    if c.startswith("A") or c in ("Cwa", "Cfa"):
        if region in _MONSOON:
            w = dict(paddies=7.0, orchards=2.0, pasture=0.7, grain=0.5)
        elif region in _LATIN:
            w = dict(pasture=6.0, orchards=3.0, grain=1.0)
        else:
            w = dict(pasture=3.0, orchards=2.5, grain=3.0)
    elif c.startswith("BW"):
        w = dict(wasteland=9.0, orchards=1.5, grain=0.3)
    elif c.startswith("BS"):
        w = dict(wasteland=3.0, pasture=2.0, grain=3.0, orchards=0.7)
    elif c.startswith("Cs"):
        w = dict(orchards=7.0, grain=2.5, pasture=0.7, wasteland=0.5)
    elif c.startswith("C"):
        w = dict(pasture=6.0, grain=3.0, orchards=0.7)
    else:
        w = dict(grain=6.0, pasture=2.5)
    if "crop" in site.land_cover:
        w = {name: weight * (2.0 if name in ("grain", "paddies", "orchards") else 1.0) for name, weight in w.items()}
    return w


def _wetness(site) -> dict[str, float]:
    return {"dry" if site.rain_mm < DAMP_MM else "damp" if site.rain_mm < WET_MM else "wet": 1}


def _relief(site) -> dict[str, float]:
    top = float(np.max(site.horizon))
    return {"flatland" if top < HILLS else "hills" if top < MOUNTAINS else "mountains": 1}


def _density(site) -> dict[str, float]:
    if site.land_cover == "urban":
        return {"dense-houses": 6.0, "village": 3.0, "lone-houses": 0.4}
    return {"dense-houses": 0.5, "village": 3.0, "lone-houses": 5.0}


def _sidewalk(site) -> dict[str, float]:
    share = _BUILT.get(site.region, _ANYWHERE)[2] * (1.0 if site.land_cover == "urban" else 0.6)
    return {"yes": share, "no": 1 - share}


def _line(site) -> dict[str, float]:
    yellow = site.region in _YELLOW_LINE_REGIONS or site.country in _YELLOW_LINE_COUNTRIES
    return {"yellow" if yellow else "white": 1}


def _sun(site) -> dict[str, float]:
    azimuth, elevation = noon_sun(site.lat, day_of_year(site.taken_at))
    return {"overhead" if elevation >= HIGH_SUN else "south" if azimuth == 180 else "north": 1}


def _roof(site) -> dict[str, float]:
    return dict(zip(WORDS["roof"], _BUILT.get(site.region, _ANYWHERE)[0]))


def _roofing(site) -> dict[str, float]:
    return dict(zip(WORDS["roofing"], _BUILT.get(site.region, _ANYWHERE)[1]))


_WEIGHTS: dict[str, Callable] = {
    "vegetation": _vegetation,
    "growth": _growth,
    "soil": _soil,
    "field": _field,
    "wetness": _wetness,
    "relief": _relief,
    "roof": _roof,
    "roofing": _roofing,
    "density": _density,
    "road": lambda site: dict.fromkeys(WORDS["road"], 1.0),
    "sidewalk": _sidewalk,
    "line": _line,
    "side": lambda site: {"left" if site.driving_side == "left" else "right": 1},
    "sun": _sun,
}
