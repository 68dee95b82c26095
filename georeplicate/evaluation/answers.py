"""From an answer to a point, by a protocol: words are parsed and geocoded, each distinct answer once."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from georeplicate import atlas
from georeplicate.evaluation.protocol import Protocol
from georeplicate.evaluation.rows import framed
from georeplicate.tasks import answers

Geocode = Callable[[str, str], tuple[float, float] | None]
_NOWHERE = (np.nan, np.nan)


def resolve(frame: pd.DataFrame, protocol: Protocol, geocode: Geocode = atlas.locate) -> pd.DataFrame:
    """Where each row of predictions points to: pred_lat, pred_lon (degrees or NaN), pred_city, pred_country (as written
    or ""), problem ("" or why there is no point). Same index as `frame`, which has the columns of rows.Rows.

    Coordinates that cannot be read make an answer unparseable where they would win over its names.
    geocode: (city, country) -> (lat, lon) or None; another geocoder than the atlas's can be passed in.
    """
    lat, lon = frame.lat.to_numpy(float).copy(), frame.lon.to_numpy(float).copy()
    city, country, problem = (frame[name].to_numpy(object).copy() for name in ("city", "country", "problem"))
    text = frame.text.to_numpy(object)
    state = frame.state.to_numpy(object) if "state" in frame else np.full(len(frame), "", object)
    has_words = text.astype(bool) | city.astype(bool) | country.astype(bool)
    unread = problem.astype(bool) & (protocol.text_point == "coordinates")  # those would win over the words
    worded = np.flatnonzero(has_words & ~unread)
    known: dict[tuple, tuple] = {}
    for i in worded:
        point = (lat[i], lon[i]) if not np.isnan(lat[i]) else None
        key = (text[i], city[i], country[i], state[i], point)
        if key not in known:
            known[key] = _one(*key, protocol, geocode)
        lat[i], lon[i], city[i], country[i], problem[i] = known[key]
    problem[np.isnan(lat) & ~problem.astype(bool)] = "no answer"
    out = {"pred_lat": lat, "pred_lon": lon, "pred_city": city, "pred_country": country, "problem": problem}
    return framed(out, frame.index)


def _one(
    text: str, city: str, country: str, state: str, point: tuple | None, protocol: Protocol, geocode: Geocode
) -> tuple:
    """(lat, lon, city, country, problem) of one answer."""
    stated = None
    if text:
        place = answers.parse_place(_unwrapped(text), protocol.parser)
        if isinstance(place, answers.Place):
            if (place.city, place.state, place.country) != ("", "", ""):  # a point alone leaves the row's own names
                city, country, state = place.city, place.country or place.country_code or "", place.state
            stated = None if place.lat is None else (place.lat, place.lon)
        elif point is None and not (city or country):
            return (*_NOWHERE, "", "", f"unparseable: {place}")
    written = stated or point
    if protocol.text_point == "coordinates" and written:
        return (*written, city, country, "")
    if city or country:
        found, problem = _named(city, country, state, protocol, geocode)
        return (*found, city, country, problem)
    if point:
        return (*point, city, country, "")
    return (*_NOWHERE, city, country, "coordinates without names, which this protocol does not read")


def _unwrapped(text: str) -> str:
    """GLOBE's script writes the answer as {"data": text}."""
    if text.startswith("{") and '"data"' in text[:40]:
        try:
            inner = json.loads(text).get("data")
        except (ValueError, AttributeError, RecursionError):
            return text
        return inner if isinstance(inner, str) else text
    return text


def _named(
    city: str, country: str, state: str, protocol: Protocol, geocode: Geocode
) -> tuple[tuple[float, float], str]:
    """(point or NaNs, "" or why there is none) of a place in words. A state tells cities of one name apart, and counts
    itself where it stands alone."""
    if protocol.geocoder == "none":
        return _NOWHERE, "words without coordinates, which this protocol does not geocode"
    if (city or state) and (found := _looked_up(city, country, state, geocode)) is not None:
        return found, ""
    if city and (protocol.unknown_city == "none" or not country):
        return _NOWHERE, f"city not in the gazetteer: {city[:60]}, {country[:60]}"
    if atlas.ambiguous(country):
        return _NOWHERE, f"several countries bear this name: {country[:60]}"
    code = atlas.country_code(country)
    if code is None:
        return _NOWHERE, f"country not in the gazetteer: {country[:60]}"
    point = country_points(protocol.country_point).get(code)
    if point is None:
        return _NOWHERE, f"a country alone has no point: {country[:60]}"
    return point, ""


def _looked_up(city: str, country: str, state: str, geocode: Geocode) -> tuple[float, float] | None:
    """(lat, lon) in degrees, or None. A service that takes a city and a country finds the state in the city's name; the
    gazetteer, a state that stands where a country should ("Atlanta", "Georgia")."""
    if geocode is atlas.locate:
        alone = city and country and not state
        return atlas.locate(city, country, state) or (atlas.geocode(f"{city}, {country}", None) if alone else None)
    named = state.casefold() in city.casefold()  # also where none is given
    return geocode(city if named else ", ".join(filter(None, (city, state))), country)


@functools.cache
def country_points(how: str) -> dict[str, tuple[float, float]]:
    """{alpha-2 code: (lat, lon)} of the point that a country stands for; {} for "none" (see Protocol.country_point)."""
    if how == "none":
        return {}
    places = atlas.cities(1000)  # the biggest first
    if how == "largest-city":
        first = places.drop_duplicates("country")
        return {row.country: (float(row.lat), float(row.lon)) for row in first.itertuples()}
    phi, theta = np.radians(places.lat), np.radians(places.lon)
    vectors = pd.DataFrame({"x": np.cos(phi) * np.cos(theta), "y": np.cos(phi) * np.sin(theta), "z": np.sin(phi)})
    mean = vectors.mul(np.maximum(places.population, 1), axis=0).groupby(places.country).sum()
    lat = np.degrees(np.arctan2(mean.z, np.hypot(mean.x, mean.y)))
    lon = np.degrees(np.arctan2(mean.y, mean.x))
    return {str(code): (float(a), float(o)) for code, a, o in zip(mean.index, lat, lon, strict=True)}


def countries_at(lat: NDArray, lon: NDArray) -> NDArray:
    """(N,) ISO alpha-2 code of the country at each point in degrees, "" at sea and for NaN."""
    return np.asarray(atlas.describe(lat, lon, atlas.NOON).country, object)


# --- equal names -----------------------------------------------------------------------------------------------------


def same_country(named: str, true: str, names: str) -> bool:
    """Do two names of countries agree under Protocol.names? A two-letter code is read as the country's English name."""
    if names == "gazetteer":
        codes = atlas.country_code(named), atlas.country_code(true)
        return codes[0] == codes[1] if all(codes) else answers.same_place_name(named, true)
    return _same_spelling(_spelt(named), _spelt(true), names)


def same_city(named: str, true: str, named_country: str, true_country: str, names: str) -> bool:
    """Do two names of cities agree under Protocol.names? "gazetteer" wants the countries to agree too, if both are
    known, and takes two names of one place of the gazetteer as equal."""
    if names != "gazetteer":
        return _same_spelling(named, true, names)
    if named_country and true_country and not same_country(named_country, true_country, names):
        return False
    if answers.same_place_name(named, true):
        return True
    point = atlas.geocode(named, named_country)
    return point is not None and point == atlas.geocode(true, true_country)


def _spelt(name: str) -> str:
    code = atlas.country_code(name) if len(name) == 2 else None
    return atlas.country_name(code) if code else name


def _same_spelling(named: str, true: str, names: str) -> bool:
    return answers.same_place_name(named, true, "released") if names == "contained" else named.lower() == true.lower()
