"""Geolocation: in which country and city was this taken? Scored by the great-circle distance to the true place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from georeplicate import atlas, geo
from georeplicate.tasks import Output, Row, answers, prompts

VERSION = 3  # 2: a country is found by its city or state where none is named; 3: coordinates are read
NOWHERE = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Geolocation:
    """Rows {id, lat, lon (degrees), country (ISO code, "" where not known), images or pixels}.

    load: split -> rows. wording: the prompt, where it is not the paper's. shown: which key of a row holds what the
    model sees, where a row has several pictures.

    Coordinates count where an answer gives them; else the place named is geocoded offline, and a country or a state
    without a city counts at its largest city. An answer without a place has an empty choice and a NaN error.
    """

    load: Callable[[str], Sequence[Row]]
    benchmark: str
    wording: str = ""
    shown: str = ""
    name: str = "geolocation"
    version: int = VERSION
    decodings: tuple[str, ...] = ("greedy",)
    options: tuple[str, ...] = ()
    chance: float | None = None

    def rows(self, split: str) -> Sequence[Row]:
        return self.load(split)

    def prompt(self, row: Row) -> str:
        return self.wording or prompts.geolocation()

    def inputs(self, row: Row) -> dict[str, Any]:
        seen = {"pixels": row[self.shown]} if self.shown else {k: row[k] for k in ("images", "pixels") if k in row}
        return {"id": row["id"], "prompt": self.prompt(row), **seen}

    def read(self, text: str, row: Row) -> answers.Place | answers.Malformed:
        return answers.parse_place(text)

    def score(self, output: Output, row: Row) -> dict[str, Any]:
        if output.place is not None:
            code, (lat, lon) = output.choice or "", output.place
        else:
            code, (lat, lon) = located(self.read(output.text, row))
        return {
            "truth": row.get("country") or "",
            "choice": code,
            "lat": row["lat"],
            "lon": row["lon"],
            "pred_lat": lat,
            "pred_lon": lon,
            "error_km": geo.haversine_km(row["lat"], row["lon"], lat, lon),
        }


def located(place: answers.Place | answers.Malformed) -> tuple[str, tuple[float, float]]:
    """(country code or "", (lat, lon) in degrees or NaNs) of a place that an answer names."""
    if not isinstance(place, answers.Place):
        return "", NOWHERE
    code = place.country_code or ""
    if place.lat is not None and place.lon is not None:
        return code, (place.lat, place.lon)
    point = atlas.locate(place.city, place.country_code or place.country, place.state)
    return code, point or _largest_city(code) or NOWHERE


@cache
def _largest_city(country: str) -> tuple[float, float] | None:
    if not country:
        return None
    table = atlas.cities(1000, countries=[country])
    return (float(table.lat.iloc[0]), float(table.lon.iloc[0])) if len(table) else None  # biggest first
