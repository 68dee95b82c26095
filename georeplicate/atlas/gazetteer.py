"""Places: from a name to coordinates, from coordinates to the nearest place, and the table of cities.

170,000 places of GeoNames with a thousand people or more; alternate names for those above five thousand. Places are
kept in order of population; the places that share a name are listed with the likeliest first (see `geocode`).
"""

import bisect
import csv
import functools
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from georeplicate import geo
from georeplicate.atlas import names, store
from georeplicate.atlas.countries import ambiguous, column, country_code, narrower, table
from georeplicate.atlas.nearest import Nearest


class _Index:
    """The sorted names of `names.npz.xz`: exact look-up without half a million Python strings.

    Every 64th name is kept as a string to bisect; within its block the bytes are searched.
    """

    BLOCK = 64

    def __init__(self):
        packed = store.load("names")
        self.blob = b"\n" + packed["keys"].tobytes() + b"\n"
        self.start = np.flatnonzero(np.frombuffer(self.blob, np.uint8) == ord("\n"))[: -1 : self.BLOCK].tolist()
        self.head = [self.blob[i + 1 : self.blob.find(b"\n", i + 1)] for i in self.start]
        self.start.append(len(self.blob))
        self.first = np.concatenate([[0], np.cumsum(packed["count"], dtype=np.int64)]).tolist()
        self.places = np.ascontiguousarray(packed["place"].T).view("<i4").ravel().tolist()

    def find(self, key: str) -> list[int]:
        """Ranks of the places called `key`, the likeliest first; [] if there are none."""
        wanted = key.encode("utf-8")
        block = bisect.bisect_right(self.head, wanted) - 1
        if not wanted or block < 0:
            return []
        begin, end = self.start[block], self.start[block + 1]
        at = self.blob.find(b"\n" + wanted + b"\n", begin, end + 1)
        if at < 0:
            return []
        number = block * self.BLOCK + self.blob.count(b"\n", begin, at)
        return self.places[self.first[number] : self.first[number + 1]]


_index = functools.cache(_Index)


class _Places:
    """The columns of the gazetteer, one row per place, by rank."""

    def __init__(self):
        packed = store.load("places")
        self.name = np.array(store.text(packed["names"]), dtype=object)
        self.admin_names = np.array(store.text(packed["admin_names"]), dtype=object)
        self.admin = packed["admin"]
        self.country = packed["country"]
        self.country_code = column("code").astype(object)[self.country]
        self.sovereign = column("sovereign").astype(object)[self.country]
        self.lat, self.lon = packed["lat"] / 1e5, packed["lon"] / 1e5
        self.population = packed["population"]
        self.admin_keys = [names.key(name) for name in self.admin_names]
        self.divisions = {_bare(key) for key in self.admin_keys if key}
        pairs = (line.split("\t") for line in store.text(packed["admin_codes"]))
        titles = ((*code.split(" "), names.key(name)) for code, name in pairs)
        self.admin_by_code = {(country, names.key(code)): name for country, code, name in titles}
        self.abbreviations = {code for _, code in self.admin_by_code}


_places = functools.cache(_Places)
EXONYMS = "exonyms.csv"  # beside the packed data: what large cities are called in other scripts, where these lack it


@functools.cache
def _exonyms() -> dict[str, int]:
    """{name: rank of the city that it means} of the names that the packed ones lack."""
    found: dict[str, int] = {}
    with (store.DATA / EXONYMS).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            ranks = _index().find(names.key(row["city"]))
            rank = min(
                r for r in ranks if _places().country_code[r] == row["country"] and _places().name[r] == row["city"]
            )
            found |= dict.fromkeys(map(names.key, row["names"].split("|")), rank)
    return found


def _called(key: str) -> list[int]:
    """Ranks of the places of that name, the likeliest first."""
    found = _index().find(key)
    if key.isascii() or (first := _exonyms().get(key)) is None:
        return found
    return [first, *(rank for rank in found if rank != first)]


def geocode(city: str, country: str | None, state: str | None = None) -> tuple[float, float] | None:
    """(lat, lon) in degrees of a place named in words, or None when it is not known. Never a guess; never raises.

    city: in any script or spelling that GeoNames lists, whatever the case and accents. It may go on after commas with
    administrative divisions and a country ("Springfield, Illinois, USA"), which must agree with the place.
    country: a name in English or another language, or a code; "" or None where it is not known. A state includes its
    dependent territories, but a place in the state itself comes first. Of a name that several countries bear ("Congo")
    the one that has such a city is meant.
    state: the administrative division that the place lies in, if it was given on its own; one that is the name of no
    division anywhere is passed over.

    Of several places of that name the most populous is meant; one that bears it only as an alternate name must have ten
    times the people of one whose own name it is. None for a country that does not exist, and for one without such a
    city, even if it is well known elsewhere. A division that the gazetteer has no name for (a county, or a name in
    another language) is passed over only if the country is known and one place outweighs its namesakes ten times.
    """
    rank = _rank(city, country, state)
    return None if rank is None else _point(rank)


CITY_AT_LEAST = 100_000  # people, for a city to be meant by the name of a division of its country that it lies outside


def locate(city: str, country: str | None, state: str | None = None) -> tuple[float, float] | None:
    """`geocode`, where a first-order division may stand in the place of a city ("Texas, USA"), or alone in `state`: it
    stands for its largest place.

    The division is meant where no place of that very name lies in it ("Goiás" is the town) and none of its country that
    bears it has CITY_AT_LEAST people ("New York" and "Washington, USA" are the cities, "California, USA" not the town
    in Maryland). An abbreviation ("TX") is looked up as a city first. None where nothing is known.
    """
    code = country_code(country) if isinstance(country, str) else None
    if code is None or not isinstance(city, str):
        return geocode(city, country, state)
    key = names.key(city)
    if not state and "," not in city and (rank := _largest_in(key, code)) is not None:
        own = _rank(city, country, None)
        if own is None or not _is_city_called(own, key):
            return _point(rank)
    if key and (found := geocode(city, country, state)):
        return found
    alone = isinstance(state, str) and not key  # where "Washington, D.C." may stand as well
    key = names.key(state) if isinstance(state, str) and state else key
    rank = _largest_in(_places().admin_by_code.get((code, key), key), code)
    if rank is None:
        return geocode(state or "", country) if alone else None
    return _point(rank)


def _is_city_called(rank: int, key: str) -> bool:
    """Is a place meant by a name that is its division's, or another division's of its country, too?"""
    places = _places()
    return places.population[rank] >= CITY_AT_LEAST or (
        names.key(places.name[rank]) == key and _is_division_of(rank, key)
    )


@functools.lru_cache(maxsize=4096)
def _largest_in(key: str, code: str) -> int | None:
    """Rank of the most populous place of a country's first-order division, by the division's name; None: none such.

    Words such as "Province" make no difference, but "Nevada City" is a city, and a county of the United States
    ("Washington County") is no state.
    """
    places = _places()
    if not key or (code, _bare(key)) not in _divisions():
        return None
    here = places.country_code == code
    found = here & np.array([own == key for own in places.admin_keys])[places.admin]
    if not found.any():
        if {"city", "county" if code == "US" else "city"} & set(key.split()):
            return None
        alike = [bool(own) and _bare(own) == _bare(key) and "city" not in own.split() for own in places.admin_keys]
        found = here & np.array(alike)[places.admin]
    return int(np.argmax(found)) if found.any() else None  # ranks go by population


def _point(rank: int) -> tuple[float, float]:
    places = _places()
    return float(places.lat[rank]), float(places.lon[rank])


def country_of(city: str, country: str | None = None, state: str | None = None) -> str | None:
    """The code of the country in which `geocode` finds a place; None where it finds none."""
    rank = _rank(city, country, state)
    return None if rank is None else str(_places().country_code[rank])


def _rank(city, country, state) -> int | None:
    if not isinstance(city, str) or not all(isinstance(name, str | None) for name in (country, state)):
        return None
    if state and (key := names.key(state)) and not _within_name(key, city):
        named = country_code(state)
        if _is_division(key) and (named is None or _bare(key) in _places().divisions or key in _places().abbreviations):
            city = f"{city}, {state.replace(',', ' ')}"
    codes = ambiguous(country or "")
    if codes:
        found = [rank for code in codes if (rank := _resolve(city, code)) is not None]
        return found[0] if len(found) == 1 else None
    return _resolve(city, country or "")


def _within_name(key: str, city: str) -> bool:
    """Is the division already part of what was written ("Portland, Maine")?"""
    return key in [names.key(part) for part in city.split(",")[1:]]


def in_country(division: str, code: str) -> bool:
    """Is this the name or abbreviation of a first-order division of the country with this code?"""
    if not isinstance(division, str):
        return False
    key = names.key(division)
    divisions = _divisions()
    return bool(key) and ((code, _bare(key)) in divisions or (code, key) in _places().admin_by_code)


def countries_with(division: str) -> set[str]:
    """Codes of the countries that have a first-order division of this name (abbreviations are not looked up)."""
    bare = _bare(names.key(division)) if isinstance(division, str) else ""
    return {code for code, name in _divisions() if name == bare}


@functools.cache
def _divisions() -> set[tuple[str, str]]:
    """(country code, bare name) of every first-order division."""
    places = _places()
    pairs = set(zip(places.country_code.tolist(), places.admin.tolist()))
    return {(code, _bare(places.admin_keys[admin])) for code, admin in pairs if places.admin_keys[admin]}


def _resolve(city: str, country: str) -> int | None:
    code = None
    if country.strip():
        code = country_code(country)
        if code is None:
            return None
    whole = _within(_called(names.key(city)), code)
    if whole or "," not in city:
        return whole[0] if whole else None
    head, *rest = [key for key in map(names.key, city.split(",")) if key] or [""]
    return _by_parts(head, rest, _called(head), code)


def _by_parts(head: str, rest: list[str], found: list[int], code: str | None) -> int | None:
    """The place called `head`, of those found, that agrees with the rest of the name and the country's code.

    The last part may be a country or a division; where it can be either ("Georgia"), the reading that fits is right.
    """
    named = country_code(rest[-1]) if rest else None
    agreed = narrower(code, named) if code and named else named if code is None else None
    if agreed is not None:
        rank = _by_parts(head, rest[:-1], found, agreed)
        if rank is not None:
            return rank
    return _in_divisions(head, rest, _within(found, code), country_known=code is not None)


def _within(ranks: list[int], code: str | None) -> list[int]:
    """Those of the places that lie in the country or, if there are none, in its dependent territories."""
    if code is None:
        return ranks
    places = _places()
    own = [rank for rank in ranks if places.country_code[rank] == code]
    return own or [rank for rank in ranks if places.sovereign[rank] == code]


def _in_divisions(head: str, divisions: list[str], ranks: list[int], country_known: bool) -> int | None:
    """The first of the places called `head` that all known divisions agree with, or None."""
    if not ranks or not divisions:
        return ranks[0] if ranks else None
    places = _places()
    for rank in ranks:
        # A city often gives its name to its division, so its name twice is no contradiction.
        agree = [key == head or _is_division_of(rank, key) for key in divisions]
        if any(agree) and all(yes or not _is_division(key) for yes, key in zip(agree, divisions)):
            return rank
    if country_known and not any(map(_is_division, divisions)):
        others = [places.population[rank] for rank in ranks[1:]]
        if places.population[ranks[0]] >= 10 * max(others, default=0):
            return ranks[0]
    return None


def _is_division_of(rank: int, key: str) -> bool:
    """Is `key` the name or the abbreviation of the division that the place lies in?"""
    places = _places()
    own = places.admin_keys[places.admin[rank]]
    return bool(own) and (_bare(key) == _bare(own) or places.admin_by_code.get((places.country_code[rank], key)) == own)


def _is_division(key: str) -> bool:
    """Is this the name or abbreviation of a division anywhere, or a country's?"""
    places = _places()
    return _bare(key) in places.divisions or key in places.abbreviations or country_code(key) is not None


_GENERIC = frozenset(
    "state province region prefecture oblast krai republic county district governorate department of the do de del la "
    "city municipality canton land metropolitan autonomous".split()
)


@functools.lru_cache(maxsize=65536)
def _bare(key: str) -> str:
    """A division's name without words such as "Province", so that "New York State" is "New York"."""
    return " ".join(word for word in key.split() if word not in _GENERIC) or key


@functools.cache
def _nearest() -> Nearest:
    return Nearest(_places().lat, _places().lon)


def nearest(lat: NDArray, lon: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Name, distance in km and population of the place nearest to each point (N,), in degrees."""
    places = _places()
    rank = _nearest().to(lat, lon)
    km = geo.haversine_km(lat, lon, places.lat[rank], places.lon[rank])
    return places.name[rank], km, places.population[rank]


def nearest_country(lat: NDArray, lon: NDArray) -> tuple[NDArray, NDArray]:
    """Number of the country (as in the ground grid) and distance in km of the place nearest to each point (N,)."""
    places = _places()
    rank = _nearest().to(lat, lon)
    return places.country[rank], geo.haversine_km(lat, lon, places.lat[rank], places.lon[rank])


def cities(min_population: int = 15000, countries: Iterable[str] | None = None) -> pd.DataFrame:
    """Places of at least `min_population`, biggest first: name, country (alpha-2), admin (name of the first-order
    division, "" if unknown), lat, lon, population. `countries`: keep only these alpha-2 codes.

    The gazetteer starts at about 1,000 people. Populations are GeoNames' and not all of one year.
    """
    if countries is not None:
        countries = {countries} if isinstance(countries, str) else set(countries)
        unknown = sorted(countries - set(table()))
        if unknown:
            raise ValueError(f"not ISO 3166-1 alpha-2 codes: {unknown}; find them with atlas.country_code(name)")
    places = _places()
    everywhere = pd.DataFrame(
        {
            "name": places.name,
            "country": places.country_code,
            "admin": places.admin_names[places.admin],
            "lat": places.lat,
            "lon": places.lon,
            "population": places.population,
        }
    )
    wanted = everywhere.population >= min_population
    if countries is not None:
        wanted &= everywhere.country.isin(countries)
    return everywhere[wanted].reset_index(drop=True)
