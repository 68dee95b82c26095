"""Places: from a name to coordinates, from coordinates to the nearest place, and the table of cities.

170,000 places of GeoNames with a thousand people or more; alternate names for those above five thousand. Places are
kept in order of population, so a place's index is its rank, and the biggest of several candidates is the smallest index.
"""

import functools
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from georeplicate import geo
from georeplicate.atlas import countries, names, store


class _Index:
    """The sorted names of `names.npz.xz`: exact look-up by binary search, without half a million Python strings."""

    def __init__(self):
        packed = store.load("names")
        self.blob = packed["keys"].tobytes()
        breaks = np.flatnonzero(packed["keys"] == ord("\n"))
        self.start = np.concatenate([[0], breaks + 1]).tolist()
        self.first = np.concatenate([[0], np.cumsum(packed["count"], dtype=np.int64)]).tolist()
        self.places = np.ascontiguousarray(packed["place"].T).view("<i4").ravel().tolist()

    def find(self, key: str) -> list[int]:
        """Ranks of the places called `key`, biggest first; [] if there are none."""
        wanted, blob, start = key.encode("utf-8"), self.blob, self.start
        low, high = 0, len(start)
        while low < high:
            middle = (low + high) // 2
            begin = start[middle]
            end = blob.find(b"\n", begin)
            entry = blob[begin:end] if end >= 0 else blob[begin:]
            if entry < wanted:
                low = middle + 1
            elif entry > wanted:
                high = middle
            else:
                return self.places[self.first[middle] : self.first[middle + 1]]
        return []


_index = functools.cache(_Index)


class _Places:
    """The columns of the gazetteer, one row per place, by rank."""

    def __init__(self):
        packed = store.load("places")
        self.name = np.array(store.text(packed["names"]), dtype=object)
        self.admin_names = np.array(store.text(packed["admin_names"]), dtype=object)
        self.admin = packed["admin"]
        self.country = packed["country"]
        self.lat, self.lon = packed["lat"] / 1e5, packed["lon"] / 1e5
        self.population = packed["population"]
        self.code_of_country = countries.column("code")
        pairs = (line.split("\t") for line in store.text(packed["admin_codes"]))
        self.admin_by_code = {tuple(code.split(" ")): name for code, name in pairs}
        self.admin_keys = [names.key(name) for name in self.admin_names]


_places = functools.cache(_Places)


def geocode(city: str, country: str | None) -> tuple[float, float] | None:
    """(lat, lon) in degrees of a place named in words, or None when it is not known. Never a guess; never raises.

    city: in any script or spelling that GeoNames lists, whatever the case and accents. It may go on after commas with an
    administrative division and a country ("Springfield, Illinois, USA"); those must agree with the place.
    country: a name in English or another language, or a code; "" or None where it is not known.
    Of several places of the name the most populous is taken, within the country if one is given. A name of a country
    that does not exist, or one in which there is no such city, gives None.
    """
    if not isinstance(city, str) or not (country is None or isinstance(country, str)):
        return None
    rank = _resolve(city, country or "")
    if rank is None:
        return None
    places = _places()
    return float(places.lat[rank]), float(places.lon[rank])


def _resolve(city: str, country: str) -> int | None:
    code = None
    if country.strip():
        code = countries.country_code(country)
        if code is None:
            return None
    found = _index().find(names.key(city))
    if found:
        rank = _first(found, code, None)
        if rank is not None or "," not in city:
            return rank
    if "," not in city:
        return None
    head, *rest = (part.strip() for part in city.split(","))
    found = _index().find(names.key(head))
    rest = [part for part in rest if names.key(part)]
    if not found or not rest:
        return _first(found, code, None) if found else None
    # The last part may be the country or a division; where both readings exist ("Georgia"), the one that fits is right.
    named = countries.country_code(rest[-1])
    if named and (code is None or named == code or countries.country_code(rest[-1]) == code):
        rank = _first(found, named, rest[:-1])
        if rank is not None:
            return rank
    return _first(found, code, rest)


def _first(ranks: list[int], code: str | None, divisions: list[str] | None) -> int | None:
    """The biggest of the places that lies in the country and in one of the divisions, where these are given."""
    places = _places()
    for rank in ranks:
        country = places.code_of_country[places.country[rank]]
        if code is not None and country != code:
            continue
        if not divisions or _in_division(rank, country, divisions):
            return rank
    return None


def _in_division(rank: int, country: str, divisions: list[str]) -> bool:
    """Does the place lie in a division called so? The finest of the parts may be a county, which is not known here, so
    one agreeing part is enough when several are given."""
    places = _places()
    own = places.admin_keys[places.admin[rank]]
    for division in divisions:
        key = names.key(division)
        title = places.admin_by_code.get((country, division.strip().upper()))
        if own and (key == own or (title is not None and names.key(title) == own) or _same_division(key, own)):
            return True
    return False


_GENERIC = frozenset(
    "state province region prefecture oblast krai republic county district governorate department of the do de del la "
    "city municipality canton land metropolitan autonomous".split()
)


def _same_division(a: str, b: str) -> bool:
    """"Provincia" and the like apart, are these the same name? ("New York State" = "New York")"""
    left, right = ({word for word in name.split() if word not in _GENERIC} for name in (a, b))
    return bool(left) and left == right


@functools.cache
def _tree():
    from scipy.spatial import cKDTree  # the only user of scipy here

    places = _places()
    return cKDTree(_unit_vectors(places.lat, places.lon))


def _unit_vectors(lat: NDArray, lon: NDArray) -> NDArray:
    phi, theta = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=-1)


def nearest(lat: NDArray, lon: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Name, distance in km and population of the place nearest to each point (N,). A chord of the unit sphere grows
    with the angle it spans, so the nearest in space is the nearest on the globe, at the poles and the antimeridian too."""
    places = _places()
    _, rank = _tree().query(_unit_vectors(lat, lon))
    km = geo.haversine_km(lat, lon, places.lat[rank], places.lon[rank])
    return places.name[rank], km, places.population[rank]


def cities(min_population: int = 15000, countries: Iterable[str] | None = None) -> pd.DataFrame:
    """Places of at least `min_population`, biggest first: name, country (alpha-2), admin (name of the first-order
    division, "" if unknown), lat, lon, population. `countries`: keep only these alpha-2 codes.

    The gazetteer starts at about 1,000 people. Populations are GeoNames' and not all of one year.
    """
    places = _places()
    table = pd.DataFrame({
        "name": places.name,
        "country": places.code_of_country[places.country],
        "admin": places.admin_names[places.admin],
        "lat": places.lat,
        "lon": places.lon,
        "population": places.population,
    })  # fmt: skip
    table = table[table.population >= min_population]
    if countries is not None:
        wanted = {countries} if isinstance(countries, str) else set(countries)
        unknown = sorted(wanted - set(places.code_of_country.tolist()))
        if unknown:
            raise ValueError(f"not ISO 3166-1 alpha-2 codes: {unknown}; atlas.country_code finds codes by name")
        table = table[table.country.isin(wanted)]
    return table.reset_index(drop=True)
