"""Claims about elevation and the coast."""

import re
from collections.abc import Iterator

import numpy as np

from georeplicate.atlas import Facts
from georeplicate.engine import shore
from georeplicate.engine.factcheck.claims import Claim, any_of, claim, is_negated
from georeplicate.engine.factcheck.words import CLIMATE_WORD

# How far a claim may be from the atlas and still pass.
ELEVATION_M, ELEVATION_SHARE = 150.0, 0.2
SEA_LEVEL_M, HIGH_M = 150.0, 1000.0
NEAR_SEA_KM, FAR_SEA_KM = 40.0, 15.0  # "near the sea" must be nearer than the first, "inland" further than the second

_WORDED = {
    "hundred": 100,
    "a hundred": 100,
    "a thousand": 1000,
    "two thousand": 2000,
    "three thousand": 3000,
    "four thousand": 4000,
    "a few dozen": 40,
}
_HEIGHT = re.compile(
    rf"(?P<bound>over|above|more than|under|below|less than|up to)?\s*(?:(?P<low>\d[\d, ]*(?:\.\d+)?)\s*(?:to|-"
    rf"|–)\s*)?(?P<n>\d[\d,]*(?:\.\d+)?|{any_of(_WORDED)})\s*"
    r"(?P<unit>km|kilomet(?:re|er)s|m|met(?:re|er)s|ft|feet)\b(?P<below> below)?",
    re.IGNORECASE,
)
_HEIGHT_CONTEXT = re.compile(
    r"\babove (?:the )?sea|sea[- ]level|\baltitude|\belevation|\bhigh(?:er)?\b|\bup\b|\babove the sea"
    r"|\bground\b|\bvalley|\bplain\b|"
    r"\bterrain|\bprairie|\bplateau|\blies\b|\bstands?\b|\bdelta\b|\btown\b|\bthin air\b|\blow\b|\bbelow the sea",
    re.IGNORECASE,
)
_OTHER_HEIGHT = re.compile(
    r"\b(?:tall|wide|long|tower|building|skyscraper|wall|fence|pole|roof|tree|hedge|sign|bridge|mast|storeys?|away|"
    r"distance|ahead|further|coast|shore|ocean\b(?! level))",
    re.I,
)
_SEA_LEVEL = re.compile(
    r"\b(?:at|close to|near|level with|barely (?:above|higher than)|hardly above|not much above"
    r"|little above|just above|almost at|barely|around) (?:the )?(?:sea(?: level)?|ocean|water)\b"
    r"|\bbarely higher than the (?:sea|ocean)|\bhardly above the sea|\bnot much above sea level"
    r"|\b(?:flat and )?at sea level",
    re.IGNORECASE,
)
_HIGH = re.compile(r"\b(?:high altitude|highlands?|thin air|mountain town)\b", re.IGNORECASE)


def read_elevation(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Heights of the ground in metres, feet or words: true within ELEVATION_M or ELEVATION_SHARE of the place's."""
    if not np.isfinite(f.elevation_m):
        return
    numbers = []
    if _HEIGHT_CONTEXT.search(sentence) and not _OTHER_HEIGHT.search(sentence):
        for match in _HEIGHT.finditer(sentence):
            unit = match["unit"].lower()
            word = match["n"].lower()
            in_metres = 0.3048 if unit in ("ft", "feet") else 1000 if unit.startswith("k") else 1
            in_metres = -in_metres if match["below"] else in_metres
            metres = float(_WORDED.get(word) or word.replace(",", "")) * in_metres
            numbers.append(match)
            slack = max(ELEVATION_M, ELEVATION_SHARE * abs(f.elevation_m))
            bound = (match["bound"] or "").lower()
            if match["low"]:
                low, high = sorted((float(re.sub(r"[ ,]", "", match["low"])) * in_metres, metres))
                true = low - slack <= f.elevation_m <= high + slack
            elif bound in ("over", "above", "more than"):
                true = f.elevation_m >= metres - slack
            elif bound:
                true = f.elevation_m <= metres + slack
            else:
                true = abs(f.elevation_m - metres) <= slack
            yield claim("elevation", f"{metres:.0f} m", match[0], true, False)
    if not numbers:
        for match in _SEA_LEVEL.finditer(sentence):
            if "level" in match[0] or re.search(r"higher|above", match[0]):
                yield claim("elevation", "sea level", match[0], f.elevation_m <= SEA_LEVEL_M, False)
        for match in _HIGH.finditer(sentence):
            if not CLIMATE_WORD.search(sentence):
                yield claim(
                    "elevation", "high", match[0], f.elevation_m >= HIGH_M * 0.8, is_negated(sentence, match.start())
                )


_SEA = re.compile(
    r"\b(?:sea(?!\s+level|-level)|ocean|coast(?:line|al)?|shores?|beach(?:es)?|seafront|seaside|seaport"
    r"|harbou?r|waterfront|docks|salt water|"
    r"Pacific|Atlantic|Caribbean|Gulf|Mediterranean(?= (?:beach|shore|coast|Sea)))\b",
    re.IGNORECASE,
)
_INLAND = re.compile(
    r"\binland\b|\bdeep in the interior\b|\bmiddle of (?:a|the) continent\b|\blandlocked\b", re.IGNORECASE
)
_FAR = re.compile(
    r"\b(?:far (?:from|away|inland)|is far|a long (?:drive|way)|a day on the road|hundreds of|thousands of"
    r"|nowhere near|no (?:sea|ocean|coast|shore)|"
    r"neither|(?:be )?further from|kilomet(?:re|er)s? (?:away|off|from)|km (?:away|off|from))\b"
    r"|(?<!not )\bfar\b(?! off)",
    re.IGNORECASE,
)
_NEAR = re.compile(
    r"\b(?:not far|near(?:by)?|close|next to|doorstep|minutes? away|blocks? away|short (?:ride|walk|drive)"
    r"|steps|behind|right there|laps?|waves|"
    r"few (?:streets|kilomet(?:re|er)s|km)|on the (?:coast|shore)|coastal|by the sea|seafront|seaport"
    r"|at the end|walk up|port)\b",
    re.IGNORECASE,
)
_KM = re.compile(r"(?P<n>\d[\d,]*|five hundred|a hundred)\s*(?:km|kilomet(?:re|er)s)\b", re.IGNORECASE)


def read_coast(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """How far the sea is, in kilometres or in words."""
    plain = re.sub(
        r"\b(?:above|below|over|from)? ?(?:the )?sea[- ]level\b|\b(?:above|below) the sea\b|hardly above the sea",
        " ",
        sentence,
        flags=re.I,
    )
    locked = re.search(
        r"\bcountry\b[^.]*\blandlocked\b|\blandlocked (?:neighbour|country|state)|\bcountry has no coast", plain, re.I
    )
    if locked:
        yield claim("coast", "landlocked", locked[0], f.country in shore.LANDLOCKED)
        return
    inland, sea = _INLAND.search(plain), _SEA.search(plain)
    salt = re.search(r"\b(?:sea|ocean|coast)", plain, re.I)
    fresh = not salt and re.search(r"\b(?:lakes?|rivers?|lagoons?)\b", plain, re.I)
    if fresh or not (inland or sea) or re.search(r"\bdistances?\b", plain, re.I):
        return
    km = _KM.search(plain)
    if inland or (_FAR.search(plain) and not re.search(r"\bnot far\b", plain, re.I)) or km:
        stated = 0.0
        if km:
            word = km["n"].lower()
            stated = {"five hundred": 500.0, "a hundred": 100.0}.get(word) or float(word.replace(",", ""))
        if stated:
            near = re.search(r"\b(?:only|just|within)\b", plain) and not re.search(
                r"\bno (?:sea|ocean|coast)", plain, re.I
            )
            actual = shore.coast_km(f.lat, f.lon)
            true = actual <= stated * 1.5 if near else stated / 2 <= actual <= stated * 3
            yield claim("coast", f"{stated:.0f} km", plain, true)
        else:
            yield claim("coast", "inland", plain, shore.coast_km(f.lat, f.lon) >= FAR_SEA_KM)
    elif _NEAR.search(plain) or re.search(r"\bbeach(?:es)?|shore|seaport|harbou?r\b", plain, re.I):
        yield claim("coast", "near the sea", plain, shore.coast_km(f.lat, f.lon) <= NEAR_SEA_KM)
