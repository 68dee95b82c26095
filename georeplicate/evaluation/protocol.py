"""A protocol: every choice between a list of answers and a number in a table, each by name and with its source.

The same predictions score differently under the rules of different papers, and most papers do not state theirs. Here
each rule is a setting of `Protocol`; five sets of them have names (`Protocol.get`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from georeplicate import geo


@dataclass(frozen=True)
class Protocol:
    """How answers become errors, and errors become shares. Frozen: derive another with `but(setting=value)`.

    distance      "sphere-6371": great circle, R = 6371 km (GeoEstimation; OSV-5M and PLONK; IMAGEO-Bench's
                  analysis/utils.py). "sphere-6371.0088": the IUGG mean radius (ours). "wgs84": geodesic (GeoCLIP's
                  train/eval.py, through geopy).
    rule          "<=" at a threshold (GeoCLIP, GeoEstimation) or "<" (OSV-5M, PLONK).
    unparseable   "wrong": an answer without a place counts as wrong at every distance and stays in the denominator (as
                  described for GLOBE). "drop": it leaves the denominator (IMAGEO-Bench). Missing predictions likewise,
                  and names that an answer does not give.
    parser        "paper": answers.parse_place reads any clear answer. "released": GLOBE's script, lower-case
                  "country:" and "city:" lines only.
    text_point    where an answer holds coordinates and names: "coordinates" win (ours, IMAGEO-Bench's JSON), or "names"
                  alone are geocoded (GLOBE: "city, country" to a geocoder).
    geocoder      "offline": names are looked up in the GeoNames gazetteer of the atlas, and a city stands for the point
                  that GeoNames gives it (its centre). "nominatim", "azure": these services are asked over the network
                  (`evaluation.geocoders`); a country alone stays at `country_point`. "none": answers in words have no
                  place. GLOBE used Azure Maps, GeoReasoner's authors an API's mean of the city; where no service can be
                  asked, the gazetteer stands in. At 1 km this choice decides most.
    unknown_city  a city that the geocoder does not know: "country" puts the answer at its country's point, "none" makes
                  it unparseable.
    country_point which point a country stands for: "largest-city" (ours), "population-centre" (mean of its places
                  weighted by people; our reading of what a geocoder returns for a country), "none" (unparseable).
    names         when two names are the same: "gazetteer" (equal once folded, or the same place of the gazetteer;
                  countries by ISO code), "contained" (GLOBE's code: one in the other, at least 0.7 of its length),
                  "lower-case" (IMAGEO-Bench: equal in lower case).
    country_from  the country of an answer that gives a point but no name: "name": unknown, "point": the country at the
                  point (OSV-5M scores countries so).
    decoding      how the answers were sampled, where its authors state it; for information, nothing here depends on it.
    """

    name: str
    distance: Literal["sphere-6371", "sphere-6371.0088", "wgs84"] = "sphere-6371.0088"
    rule: Literal["<=", "<"] = "<="
    unparseable: Literal["wrong", "drop"] = "wrong"
    parser: Literal["paper", "released"] = "paper"
    text_point: Literal["coordinates", "names"] = "coordinates"
    geocoder: Literal["offline", "nominatim", "azure", "none"] = "offline"
    unknown_city: Literal["country", "none"] = "country"
    country_point: Literal["largest-city", "population-centre", "none"] = "largest-city"
    names: Literal["gazetteer", "contained", "lower-case"] = "gazetteer"
    country_from: Literal["name", "point"] = "name"
    decoding: str = "not stated"

    def __post_init__(self) -> None:
        for setting, values in SWITCHES.items():
            if getattr(self, setting) not in values:
                raise ValueError(
                    f"protocol {self.name}: {setting} must be one of {', '.join(map(repr, values))}, "
                    f"got {getattr(self, setting)!r}"
                )

    @classmethod
    def get(cls, name: str | Protocol) -> Protocol:
        """The protocol of that name (a Protocol is returned as it is); ValueError that lists the names otherwise."""
        if isinstance(name, Protocol):
            return name
        if name not in PROTOCOLS:
            raise ValueError(f"no protocol {name!r}; choose from {', '.join(PROTOCOLS)}")
        return PROTOCOLS[name]

    def but(self, **settings: str) -> Protocol:
        """This protocol with other settings; its name says which."""
        different = ", ".join(f"{key}={value}" for key, value in settings.items() if key != "name")
        changed: dict[str, Any] = {"name": f"{self.name} with {different}"} | settings  # looked at by __post_init__
        return replace(self, **changed)

    @property
    def line(self) -> str:
        """All settings in one line."""
        return f"{self.name}: " + ", ".join(f"{s} {getattr(self, s)}" for s in SWITCHES) + f"; decoding {self.decoding}"

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


# {setting: its values}, read off the annotations above.
SWITCHES: dict[str, tuple[str, ...]] = {
    field.name: get_args(get_type_hints(Protocol)[field.name])
    for field in fields(Protocol)
    if get_args(get_type_hints(Protocol)[field.name])
}
assert SWITCHES["distance"] == geo.DISTANCES

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("ours"),
        # Paper: "city, country" to Azure Maps, shares within five distances. The released eval.py computes no distance,
        # so the sphere and the rule are the usual ones, not verified. Its requests: temperature 0.1 and two penalties.
        Protocol(
            "globe",
            distance="sphere-6371",
            parser="released",
            text_point="names",
            country_point="population-centre",
            names="contained",
            decoding="temperature 0.1, max_tokens 512, frequency and presence penalty 0.7, no seed (GLOBE eval.py)",
        ),
        # geoclip/train/eval.py: geopy's geodesic, `gd <= dis`; every image has an answer from the gallery.
        # What it and OSV-5M never meet, answers in words, is read as ours.
        Protocol("geoclip", distance="wgs84", country_from="point", decoding="argmax over a gallery"),
        # OSV-5M's and PLONK's metrics: haversine with R = 6371, strict `<`.
        Protocol("osv5m", distance="sphere-6371", rule="<", country_from="point", decoding="argmax"),
        # benchmark-reverse-geocoding, analysis/utils.py: R = 6371; a missing prediction leaves the denominator (so does
        # a coordinate of exactly 0, which is not repeated here); names equal in lower case. It states no shares within
        # distances and its models write coordinates: the rule is ours, and so is reading words alone.
        Protocol(
            "imageo",
            distance="sphere-6371",
            unparseable="drop",
            names="lower-case",
            decoding="temperature 0.7 (IMAGEO-Bench)",
        ),
    )
}
