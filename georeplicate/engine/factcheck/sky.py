"""Claims about the hemisphere, the sun and the season."""

import re
from collections.abc import Iterator
from datetime import datetime

import numpy as np

from georeplicate.atlas import Facts
from georeplicate.engine import lexicon, template
from georeplicate.engine.factcheck.claims import Claim, any_of, claim, is_negated
from georeplicate.engine.factcheck.words import CLIMATE_WORD

# How far a claim may be from the atlas and still pass.
SUN_DEG = 50.0  # one of eight directions is +-22.5; the rest is for people who say "south" for south-south-west
NOON_DEG = 90.0

_HEMISPHERE = re.compile(
    r"\b(?P<a>north|south)(?:ern)? (?:hemisphere|half|side of the (?:globe|equator|planet|world)"
    r"|part of the (?:globe|world))"
    r"|\b(?P<b>north|south) of the equator|\bin the (?P<c>north|south) of the (?:globe|world|planet)"
    r"|\bhigh (?P<d>north|south)ern latitude|\b(?P<e>above|below) the equator"
    r"|\bequator (?:is|lies) (?:[\w ]{0,25}? )?to the (?P<g>north|south)",
    re.IGNORECASE,
)
_TROPICS = re.compile(r"\b(?P<out>outside |beyond )?(?:within |between |in |inside )?the tropics\b", re.IGNORECASE)
_CIRCLE = re.compile(r"\b(?P<a>Antarctic|Arctic) Circle\b")


def read_hemisphere(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Hemispheres, the tropics, and the polar circles."""
    for match in _HEMISPHERE.finditer(sentence):
        side = next(g for g in match.groups() if g).lower()
        side = {"above": "north", "below": "south"}.get(side, side)
        if match["g"]:
            side = "south" if side == "north" else "north"
        yield claim("hemisphere", side, match[0], side == f.hemisphere, is_negated(sentence, match.start()))
    for match in _TROPICS.finditer(sentence):
        if match["out"] or not re.match(r"(?:within|between|in|inside)", match[0], re.I):
            continue
        if re.search(r"\bfor $", sentence[: match.start()]):
            continue
        inside = abs(f.lat) <= template.TROPIC_DEG + 0.5
        yield claim("hemisphere", "tropics", match[0], inside, is_negated(sentence, match.start()))
    for match in _CIRCLE.finditer(sentence):
        side = "north" if match["a"] == "Arctic" else "south"
        yield claim("hemisphere", side, match[0], side == f.hemisphere, is_negated(sentence, match.start()))


DIRECTION = r"(?P<{0}>(?:north|south)(?:[- ]?(?:east|west))?|east|west)(?:wards?|ern)?\b"
_SUN = re.compile(
    rf"\b(?P<body>sun|sunlight|(?:morning |evening )?light(?= \w+ from)"
    rf"|shadows?)\b(?P<gap>[^,.;:]{{0,50}}?)\b(?:the |due |point(?:s|ed)? "
    rf"|falls? |runs? |fall |run |from |a bit |to )+{DIRECTION.format('to')}",
    re.IGNORECASE,
)
_NOON = re.compile(r"\b(?:noon|midday|mid-day)\b|\bpasses\b", re.IGNORECASE)
_INTO_SUN = re.compile(rf"\blooks? {DIRECTION.format('to')},? (?:straight )?into the sun", re.IGNORECASE)
_SKY = re.compile(
    r"\b(?P<to>north|south|east|west)ern (?:sky|skies)\b[^.;]{0,30}\bsun\b"
    r"|\bsun\b[^,.;]{0,30}\b(?P<to2>north|south|east|west)ern (?:sky|skies)",
    re.I,
)
AZIMUTH = {name.replace("-", ""): 45.0 * i for i, name in enumerate(lexicon.COMPASS)}


def _azimuth(direction: str) -> float:
    return AZIMUTH[re.sub(r"[- ]", "", direction.lower())]


def read_sun(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Where the sun stands, or to where shadows fall: true within SUN_DEG; at noon, the half of the sky."""
    seen: list[tuple[str, str, str, int]] = []
    for match in _SUN.finditer(sentence):
        if re.search(r"\b(?:traffic|house|roof|wall|road|street|side|water|hill|mountain)s?\b", match["gap"], re.I):
            continue
        seen.append((match["body"].lower(), match["to"], match[0], match.start()))
    seen += [("sun", m["to"], m[0], m.start()) for m in _INTO_SUN.finditer(sentence)]
    seen += [("sun", m["to"] or m["to2"], m[0], m.start()) for m in _SKY.finditer(sentence)]
    for body, direction, quote, start in seen:
        azimuth = (_azimuth(direction) + (180 if body.startswith("shadow") else 0)) % 360
        noon = _NOON.search(sentence) is not None
        actual = _noon_azimuth(f) if noon else f.sun_azimuth_deg
        up = noon or f.sun_elevation_deg > -1
        if noon and azimuth not in (0.0, 180.0):
            continue
        overhead = not noon and f.sun_elevation_deg > 85
        true = None
        if actual is not None and not np.isnan(actual) and not overhead:
            apart = abs((azimuth - actual + 180) % 360 - 180)
            true = up and apart <= (NOON_DEG if noon else SUN_DEG)
        yield claim("sun", lexicon.compass(azimuth), quote, true, is_negated(sentence, start))


def _noon_azimuth(f: Facts) -> float | None:
    """Where the sun of that day stands at noon: 180 or 0; None where the place or the day is not known. Outside the
    tropics no day is needed."""
    if not f.valid:
        return None
    if not isinstance(f.when, datetime):
        return (180.0 if f.lat > 0 else 0.0) if abs(f.lat) > template.TROPIC_DEG else None
    day = f.when.timetuple().tm_yday
    declination = -template.TROPIC_DEG * np.cos(2 * np.pi * (day + 10) / 365)
    latitude = f.lat if abs(f.lat) <= template.TROPIC_DEG else np.sign(f.lat) * 90
    return 180.0 if latitude > declination else 0.0


_SEASONS = {
    "spring": "spring", "springtime": "spring", "mid-spring": "spring", "summer": "summer", "midsummer": "summer",
    "summertime": "summer", "autumn": "autumn", "winter": "winter", "midwinter": "winter", "wintertime": "winter",
}  # fmt: skip
_SEASON = re.compile(
    rf"(?<![\w-])(?P<season>{any_of(_SEASONS)})\b(?!-)|\b(?:it's|it is|in the|this is|is|late|early) (?P<fall>fall)\b"
    r"|\b(?P<wet>wet|rainy|monsoon) season|\blong (?P<rains>rains)\b|\brainy (?P<months>months)\b"
    r"|\b(?P<dry>dry) season",
    re.IGNORECASE,
)
_OTHER_SEASON = re.compile(r"s\b| (?:rain|temperature|palace|of water|tires|tyres|coats|sales?|[A-Z])")
_HABIT = re.compile(r"\b(?:dry|wet|hot|warm|mild|cool|cold|rainy|humid) (?:and \w+ )?(?:in|all) $", re.IGNORECASE)
_MONTHS = ("january february march april may june july august september october november december").split()
_MONTH = re.compile(
    r"\b(?:(?:in|is|of|month of|belongs to|early|late|mid|this) )?(?P<m>January|February|March|April|May"
    r"|June|July|August|September|October|November|December)\b"
)


def read_season(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Seasons and months. Nothing can be told (None) of a place without a moment, nor whether a season outside the
    tropics is a wet or a dry one."""
    general = CLIMATE_WORD.search(re.sub(r"\bplace\b|\bcountry\b|\bconditions\b", "", sentence))
    for match in _SEASON.finditer(sentence):
        negated = is_negated(sentence, match.start())
        before, quote = sentence[: match.start()], match[0]
        if match["season"]:
            other = _OTHER_SEASON.match(sentence[match.end() :])
            if general or other or _HABIT.search(before) or re.search(r"\bhot $", before):
                continue
            season = _SEASONS[match["season"].lower()]
        elif match["fall"]:
            season = "autumn"
        else:
            season = "dry" if match["dry"] else "wet"
        if not f.season:  # a place without a moment has none
            true = None
        elif season in ("wet", "dry"):
            true = season == f.season if f.season in ("wet", "dry") else None
        elif f.season in ("wet", "dry"):
            true = season == _by_month(f) and abs(f.lat) > 10
        else:
            true = season == f.season
        yield claim("season", season, quote, true, negated)
    if isinstance(f.when, datetime):
        for match in _MONTH.finditer(sentence):
            verb = match["m"] in ("May", "March") and match[0] == match["m"]
            if verb and not re.match(r" (?:\d|means|belongs|brings|is )|$", sentence[match.end() :]):
                continue
            month = _MONTHS.index(match["m"].lower()) + 1
            yield claim("season", match["m"], match[0], month == f.when.month, is_negated(sentence, match.start()))


def _by_month(f: Facts) -> str:
    assert isinstance(f.when, datetime)  # only a place at a moment has a season
    quarter = (f.when.month % 12) // 3 + (0 if f.hemisphere == "north" else 2)
    return ("winter", "spring", "summer", "autumn")[quarter % 4]
