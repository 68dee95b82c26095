"""Whether the systems of Table 1 have seen the photos they are tested on (MP16-Reason-Test), as far as is known."""

from __future__ import annotations

from dataclasses import dataclass

from georeplicate.paper.sources import NOTES, Strength


@dataclass(frozen=True)
class Contamination:
    """flag: "likely", "possible", "no sign" or "unknown". why: what it rests on."""

    method: str
    flag: str
    why: str
    source: str
    strength: Strength


_MP16 = "trained on MP-16, of which the test photos are a part"
CONTAMINATION = (
    Contamination("ISNs", "likely", _MP16, "its README; MP16-Reason's description", "I"),
    Contamination("GeoCLIP", "likely", _MP16, "its paper; MP16-Reason's description", "I"),
    Contamination(
        "Hybrid", "no sign", "trained on OpenStreetView-5M, street views of another source", "its paper", "S"
    ),
    Contamination(
        "RFM-YFCC", "likely", "trained on YFCC100M, of which MP-16 is a part", "its model's name and paper", "I"
    ),
    Contamination("Qwen2.5-VL-7B", "unknown", "its training data are not published", NOTES, "I"),
    Contamination("InternVL3-8B", "unknown", "its training data are not published in full", NOTES, "I"),
    Contamination("GeoReasoner-7B", "no sign", "trained on street views and its own texts", "its README", "S"),
    Contamination(
        "GLOBE-7B", "possible", "trained on MP16-Reason-Train, of the same source as the test photos", "its README", "I"
    ),
    Contamination("Geo-R1", "no sign", "trained on CV-Cities; its base's data are unknown", NOTES, "I"),
    Contamination("Geo-R1-Zero", "no sign", "trained on CV-Cities; its base's data are unknown", NOTES, "I"),
)


BENCHMARK = "MP16-Reason-Test-12K"  # the test set of Table 1, to which all of this applies
NOT_ASSESSED = "not assessed"


def contamination(method: str, benchmark: str = BENCHMARK) -> str:
    """The flag with the strength of its evidence, such as "likely (I)"; "" for a system that is not of Table 1, "not
    assessed" for another test set."""
    if benchmark != BENCHMARK:
        return NOT_ASSESSED
    found = next((one for one in CONTAMINATION if one.method == method), None)
    return f"{found.flag} ({found.strength})" if found else ""
