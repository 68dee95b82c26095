"""Claims about the side of the road and speed limits."""

import re
from collections.abc import Iterator

from georeplicate.atlas import Facts
from georeplicate.engine.factcheck.claims import Claim, claim, is_negated

_DRIVERS = (
    r"(?:traffic|cars?|vehicles?|drivers?|people|everyone|everybody|nobody|one|they|buses|bus|taxis?"
    r"|trucks?|motorbikes?|scooters?|"
    r"minibuses|motorists|you|we|pickup trucks|ladas|hatchback|vans?|lorries)"
)
_MOVES = (
    r"(?:dr[io]ves?|driven|driving|drove|travel\w*|keep\w*|kept|stay\w*|runs?|running|goes|go|roll\w*"
    r"|rides?|hugs?|moves?|"
    r"flows?|circulates?|comes?|come|filter\w*|queue\w*|is|are)"
)
_DRIVES = re.compile(
    rf"\b{_MOVES}\b(?P<gap>[^,.:;]{{0,45}}?)\b(?P<side>left|right)\b(?!-?\s*hand[- ]drive)", re.IGNORECASE
)
_HANDED = re.compile(
    r"\b(?P<side>left|right)[- ]hand(?:ed)?[- ](?:traffic|lane|side|driving)|\btraffic (?:is|moves"
    r"|keeps) (?P<side2>left|right)(?:-hand(?:ed)?)?",
    re.I,
)
_WHEEL = re.compile(
    r"\bsteering wheels?\b[^,.;]{0,30}\b(?P<a>left|right)\b|\b(?P<b>left|right)[- ]hand[- ]drive\b"
    r"|\boncoming\b[^,.;]{0,30}\bon (?:our|the|its|their) (?P<c>left|right)",
    re.IGNORECASE,
)
_SIDE_LANE = re.compile(rf"\b{_DRIVERS}\b[^,.:;]{{0,30}}\bon the (?P<side>left|right)\b", re.IGNORECASE)
_OF_DRIVING = r"(?:dr[io]v|keep|kept|travel)"  # verbs that say enough; others need a driver or vehicle before them
_NOT_DRIVING = re.compile(
    r"\b(?:house|building|shop|sign|tree|turn\w*|bend|write|written|letters|text|look|corner|see|park|stop)\w*\b", re.I
)


def read_driving(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """On which side one drives, also where the side of the steering wheel is named."""
    found: dict[str, tuple[str, int]] = {}
    blocked = []
    for match in _WHEEL.finditer(sentence):
        side = (match["a"] or match["b"] or match["c"]).lower()
        found["left" if side == "right" else "right"] = (match[0], match.start())
        blocked.append(match.span())
    for match in _HANDED.finditer(sentence):
        if re.search(r"\b(?:house|building|shop|turn)\w*", sentence, re.I) and "traffic" not in match[0].lower():
            continue
        found.setdefault((match["side"] or match["side2"]).lower(), (match[0], match.start()))
        blocked.append(match.span())
    for pattern in (_DRIVES, _SIDE_LANE):
        for match in pattern.finditer(sentence):
            clause = re.split(r"[,;:]", sentence[: match.start() + 1])[-1] + match[0]
            if not (re.match(_OF_DRIVING, match[0], re.I) or re.search(rf"\b{_DRIVERS}\b", clause, re.IGNORECASE)):
                continue
            overlaps = any(a < match.end() and match.start("side") < b for a, b in blocked)
            beside = _NOT_DRIVING.search(match[0]) or re.match(r"[- ](?:turn|bank)", sentence[match.end() :])
            if not overlaps and not beside:
                found.setdefault(match["side"].lower(), (match[0], match.start("side")))
    for side, (quote, start) in found.items():
        if f.driving_side:
            nobody = re.search(r"\b(?:nobody|no one|none)\b", sentence[: start + len(quote)], re.IGNORECASE)
            negated = is_negated(sentence, start) or nobody is not None
            yield claim("driving", side, quote, side == f.driving_side, negated)


_SPEED = re.compile(
    r"\b(?:(?P<mph>mph|miles(?: per hour| an hour)?)|(?P<km>km/h|kph|kilomet(?:re|er)s (?:per|an) hour))\b", re.I
)


def read_speed(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Units of speed limits."""
    if not f.speed_unit or not re.search(
        r"speed|limit|sign|posted|distances|mph|km/h|per hour", sentence, re.IGNORECASE
    ):
        return
    for match in _SPEED.finditer(sentence):
        unit = "mph" if match["mph"] else "km/h"
        yield claim("speed", unit, match[0], unit == f.speed_unit, is_negated(sentence, match.start()))
