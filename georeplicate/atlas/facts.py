"""Everything that is known about a place at a moment: `describe`, and the `Facts` that it returns."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from georeplicate import geo
from georeplicate.atlas import countries, gazetteer, grid, store, sun

NOON = "2020-06-21T12:00:00Z"  # `describe` wants a moment: for facts that do not depend on one

# International Geosphere-Biosphere Programme classes in the order of MODIS MCD12C1 (user guide, table 3).
LAND_COVERS = (
    "water", "evergreen_needleleaf_forest", "evergreen_broadleaf_forest", "deciduous_needleleaf_forest",
    "deciduous_broadleaf_forest", "mixed_forest", "closed_shrublands", "open_shrublands", "woody_savannas", "savannas",
    "grasslands", "permanent_wetlands", "croplands", "urban", "cropland_natural_mosaic", "snow_and_ice", "barren",
)  # fmt: skip
_TROPIC = 23.44  # degrees: between the tropics the year is told by rain, not by warmth
_SHORE_KM = 5.0  # how far from a town its shore is land, where the coast of the map cuts it off
_WET_MONTH_MM = 60  # Koeppen's limit of a dry month in tropical climates


# A scalar for one place, an array for many. Typed as numpy types its own: a union would ask every reader which it is.
Number = Any
Text = Any
Truth = Any
Words = Any
Moment = Any


@dataclass(frozen=True, eq=False)
class Facts:
    """Facts about one place and moment, or, with the same names, about N of them as arrays of length N.

    `facts[i]` is the i-th as scalars, `facts[mask]` a subset, `len(facts)` the number. Where `valid` is False (a bad
    coordinate or moment in an array) lat and lon are as they were given, other numbers NaN (place_population 0), texts
    "" and truth values False.
    """

    lat: Number  # degrees north
    lon: Number  # degrees east, -180 <= lon < 180
    valid: Truth
    when: Moment  # UTC: an aware datetime, or datetime64[us]; None or NaT where it could not be read
    is_land: Truth  # dry land; lakes and the sea are not
    land_cover: Text  # one of LAND_COVERS; "water" exactly where is_land is False
    climate: Text  # Koeppen-Geiger code such as "Cfb"; "ocean" at sea
    temperature_c: Number  # mean of that month of the year, 2000-2025, degC
    rain_mm: Number  # mean precipitation of that month of the year, mm
    elevation_m: Number  # mean of some 9 x 9 km, in steps of 28 m, interpolated; 0 at sea
    haze: Number  # Linke turbidity of that month: 2 very clear, 3 rural, 5 and more a hazy city
    sun_azimuth_deg: Number  # clockwise from north
    sun_elevation_deg: Number  # above the horizon, without refraction
    local_solar_hour: Number  # 0..24, 12 = the sun at its highest
    season: Text  # "spring" | "summer" | "autumn" | "winter"; in the tropics "wet" | "dry"; "" without a moment
    hemisphere: Text  # "north" | "south" (the equator counts as north)
    country: Text  # ISO 3166-1 alpha-2; "" at sea, and on the little land that no state claims
    country_name: Text  # English short name
    driving_side: Text  # "left" | "right" | ""
    speed_unit: Text  # "km/h" | "mph" | ""
    languages: Words  # ISO 639 codes of official languages, the first the most widely used
    script: Text  # ISO 15924 code of the usual script, e.g. "Latn"
    region: Text  # United Nations M49 region, e.g. "Western Europe"; "" at sea
    place: Text  # name of the nearest place of the gazetteer, however far
    place_km: Number  # distance to it
    place_population: Number  # 0 where GeoNames has none

    def __eq__(self, other: object) -> bool:
        """The same in every field and row, as one truth value for arrays too; NaN equals NaN, NaT equals NaT.

        Facts have no hash, as arrays have none.
        """
        if not isinstance(other, Facts):
            return NotImplemented
        columns = ((np.asarray(getattr(self, f.name)), np.asarray(getattr(other, f.name))) for f in fields(self))
        return all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind and a.dtype.kind in "fM") for a, b in columns
        )

    def without_moment(self, unknown: ArrayLike) -> "Facts":
        """These facts, of which those of the rows `unknown` (truth values, N) say nothing that a moment decides: `when`
        is NaT, the season "", and the sun, the hour, the haze, the month's warmth and rain are NaN."""
        unknown = np.asarray(unknown, dtype=bool)
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        columns |= {name: np.where(unknown, np.nan, columns[name]) for name in _OF_A_MOMENT}
        columns["when"] = np.where(unknown, np.datetime64("NaT", "us"), columns["when"])
        columns["season"] = np.where(unknown, "", columns["season"])
        return Facts(**columns)

    def __len__(self) -> int:
        if isinstance(self.lat, np.ndarray):
            return len(self.lat)
        raise TypeError("these facts are about a single place and have no length")

    def __getitem__(self, which) -> "Facts":
        """The facts of one row (an integer) as scalars, or of several (a slice, mask or index array) as arrays."""
        if not isinstance(self.lat, np.ndarray):
            raise TypeError("these facts are about a single place and have no rows")
        part = {field.name: getattr(self, field.name)[which] for field in fields(self)}
        if isinstance(part["lat"], np.ndarray):
            return Facts(**part)
        when = part.pop("when")
        moment = None if np.isnat(when) else when.astype("datetime64[us]").item().replace(tzinfo=UTC)
        return Facts(when=moment, **{k: v.item() if isinstance(v, np.generic) else v for k, v in part.items()})


_OF_A_MOMENT = ("temperature_c", "rain_mm", "haze", "sun_azimuth_deg", "sun_elevation_deg", "local_solar_hour")


def describe(lat: ArrayLike, lon: ArrayLike, when, *, drawn_coast: bool = False) -> Facts:
    """What is true at (lat, lon) in degrees at the moment `when`.

    drawn_coast: leave the coast as the map draws it, which cuts off some headlands and quays. Else a point that the map
    puts into the sea is land where land cover and climate know land and a town is within _SHORE_KM.

    lat, lon, when: scalars, or arrays (N,) that broadcast together. when: an ISO 8601 string with a time zone
    ("2024-06-21T12:00:00Z", "...+02:00"), an aware datetime, or datetime64, which is UTC by definition; pandas columns
    of these too. Longitudes 0..360 are understood.

    Three scalars give scalar Facts, and ValueError that says what is wrong with them: a coordinate off the globe,
    swapped, or NaN, a moment without time zone. Otherwise Facts of arrays: a bad row is marked by `valid` False and
    spoils nothing else; nothing is raised. Shapes that do not broadcast raise ValueError in any case.
    Sources: data/SOURCES.md beside this file.
    """
    if np.ndim(lat) == 0 and np.ndim(lon) == 0 and _is_scalar_moment(when):
        lat, lon = geo.validate(lat, lon)
        return _describe(lat.reshape(1), lon.reshape(1), np.array([_utc(when)]), np.array([True]), drawn_coast)[0]
    lat, lon, utc = np.broadcast_arrays(_degrees(lat), _degrees(lon), _moments(when))
    if lat.ndim != 1:
        raise ValueError(f"lat, lon and when must be scalars or one-dimensional, got shape {lat.shape}: use .ravel()")
    return _describe(lat, lon, utc, geo.is_valid(lat, lon) & ~np.isnat(utc), drawn_coast)


def _is_scalar_moment(when) -> bool:
    return isinstance(when, str | datetime | np.datetime64) or np.ndim(when) == 0


def _degrees(values: ArrayLike) -> NDArray:
    """As floats; what is no number (None, "12 N", masked) is NaN, so that its row alone is invalid."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(float), np.nan)
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        return np.array([_number(value) for value in np.ravel(np.asarray(values, dtype=object))])


def _number(value) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


_OUTSIDE_THE_CALENDAR = "{} lies outside the years 1 to 9999 in UTC, which no calendar here goes beyond"


def _utc(when) -> np.datetime64:
    """One moment in UTC, or a ValueError that names what it lacks."""
    if isinstance(when, np.ndarray) and when.ndim == 0:
        when = when[()]
    if isinstance(when, np.datetime64) and not np.isnat(when):
        if not 1 <= int(when.astype("datetime64[Y]").astype(int)) + 1970 <= 9999:
            raise ValueError(_OUTSIDE_THE_CALENDAR.format(when))
        return when.astype("datetime64[us]")
    moment = when
    if isinstance(when, str):
        try:
            moment = datetime.fromisoformat(when.strip())
        except ValueError:
            raise ValueError(f'{when!r} is not an ISO 8601 moment; write e.g. "2024-06-21T12:00:00Z"') from None
    if not isinstance(moment, datetime) or moment != moment:  # pandas' NaT is a datetime that differs from itself
        raise ValueError(f"when must be an ISO 8601 string or a datetime with a time zone, got {when!r}")
    if moment.utcoffset() is None:
        raise ValueError(
            f"{when!r} has no time zone, and the sun is elsewhere in each: "
            'append "Z" for UTC or an offset such as "+02:00"'
        )
    try:
        return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
    except OverflowError:
        raise ValueError(_OUTSIDE_THE_CALENDAR.format(when)) from None


def _moments(when) -> NDArray:
    """Moments in UTC as datetime64[us] (N,), or () for one; what cannot be read is NaT."""
    if _is_scalar_moment(when):
        return np.array(_utc_or_nat(when))
    if getattr(getattr(when, "dtype", None), "tz", None) is not None:  # a pandas column or index of aware moments
        return pd.DatetimeIndex(when).tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
    array = when if isinstance(when, Sequence) else np.asarray(when)
    if isinstance(array, np.ndarray) and array.dtype.kind == "M":
        years = array.astype("datetime64[Y]").astype(np.int64) + 1970
        return np.where((years >= 1) & (years <= 9999), array, np.datetime64("NaT")).astype("datetime64[us]")
    return np.array([_utc_or_nat(moment) for moment in np.ravel(np.asarray(array, dtype=object))], "datetime64[us]")


def _utc_or_nat(when) -> np.datetime64:
    try:
        return _utc(when)
    except ValueError:
        return np.datetime64("NaT", "us")


def _describe(lat: NDArray, lon: NDArray, utc: NDArray, valid: NDArray, drawn_coast: bool = False) -> Facts:
    if not valid.all():
        return _with_gaps(lat, lon, utc, valid, drawn_coast)
    lon = _wrapped(lon)
    month = utc.astype("datetime64[M]").astype(np.int64) % 12
    ground = _ground().at(lat, lon) if drawn_coast else _lived_ground(lat, lon)
    number = ground & (grid.LAKE - 1)
    cover = grid.nearest(store.load("land_cover")["igbp"], lat, lon)
    is_land = (number > 0) & (ground & grid.LAKE == 0) & (cover > 0)
    at_sea = number == 0
    azimuth, elevation, hour = sun.position(lat, lon, utc)
    rain = grid.bilinear(store.load("rain")["mm"], lat, lon, month, at_nodes=True)
    place, place_km, place_population = gazetteer.nearest(lat, lon)
    return Facts(
        lat=lat,
        lon=lon,
        valid=valid,
        when=utc,
        is_land=is_land,
        land_cover=np.array(LAND_COVERS)[np.where(is_land, cover, 0)],
        climate=_zones()[np.where(at_sea, 0, grid.nearest(store.load("climate")["zone"], lat, lon))],
        temperature_c=grid.bilinear(store.load("temperature")["decicelsius"], lat, lon, month, at_nodes=True) / 10,
        rain_mm=rain,
        elevation_m=np.where(at_sea, 0.0, _relief(lat, lon)),
        haze=grid.bilinear(store.load("haze")["twentieths"], lat, lon, month, at_nodes=False) / 20,
        sun_azimuth_deg=azimuth,
        sun_elevation_deg=elevation,
        local_solar_hour=hour,
        season=_season(lat, month, rain),
        hemisphere=np.where(lat < 0, "south", "north"),
        country=countries.column("code")[number],
        country_name=countries.column("name")[number],
        driving_side=countries.column("driving_side")[number],
        speed_unit=countries.column("speed_unit")[number],
        languages=countries.column("languages")[number],
        script=countries.column("script")[number],
        region=countries.column("region")[number],
        place=place,
        place_km=place_km,
        place_population=place_population,
    )


def _with_gaps(lat: NDArray, lon: NDArray, utc: NDArray, valid: NDArray, drawn_coast: bool) -> Facts:
    """Facts of the valid rows, spread over all rows with neutral values between them."""
    known = _describe(lat[valid], lon[valid], utc[valid], valid[valid], drawn_coast)
    columns = {}
    for field in fields(Facts):
        values = getattr(known, field.name)
        if values.dtype.kind == "f":
            column = np.full(len(valid), np.nan)
        elif values.dtype == object:
            column = np.empty(len(valid), dtype=object)
            column.fill(() if field.name == "languages" else "")
        else:
            column = np.zeros(len(valid), dtype=values.dtype)  # False, 0, ""
        column[valid] = values
        columns[field.name] = column
    columns |= {"lat": lat, "lon": np.where(valid, _wrapped(lon), lon), "valid": valid, "when": utc}
    return Facts(**columns)


def _wrapped(lon: NDArray) -> NDArray:
    return np.where(lon >= 180, lon - 360, lon)


@functools.cache
def _ground() -> grid.TwoLevelGrid:
    return grid.TwoLevelGrid(**store.load("ground"))


def _lived_ground(lat: NDArray, lon: NDArray) -> NDArray:
    """The ground grid's values; the shores of towns that the map's coast cuts off are land of the town's country."""
    ground = _ground().at(lat, lon)
    at_sea = np.flatnonzero(ground == 0)
    known = grid.nearest(store.load("land_cover")["igbp"], lat[at_sea], lon[at_sea]) > 0
    known &= grid.nearest(store.load("climate")["zone"], lat[at_sea], lon[at_sea]) > 0
    if known.any():
        shore = at_sea[known]
        number, km = gazetteer.nearest_country(lat[shore], lon[shore])
        ground[shore] = np.where(km <= _SHORE_KM, number, 0)
    return ground


@functools.cache
def _zones() -> NDArray:
    return np.array(["ocean", *store.text(store.load("climate")["codes"])[1:]])


@functools.cache
def _metres() -> NDArray:
    """Elevation of each cell in metres: steps of 28 m above -450 m, or the sea (255)."""
    step = store.load("elevation")["step"].astype(np.float32)
    return np.where(step == 255, np.float32(0), step * 28 - 450)


def _relief(lat: NDArray, lon: NDArray) -> NDArray:
    return grid.bilinear(_metres(), lat, lon, at_nodes=False)


def elevation_m(lat: ArrayLike, lon: ArrayLike) -> Any:
    """Height above the sea in metres, mean of about 9 x 9 km, interpolated; 0 over the sea. Any shape; NaN for a bad
    point of an array, ValueError for a bad scalar. Under Greenland's ice it is that of the rock (data/SOURCES.md)."""
    lat, lon = np.broadcast_arrays(_degrees(lat), _degrees(lon))
    if lat.ndim == 0:
        geo.validate(lat, lon)
    valid = geo.is_valid(lat, lon)
    height = np.full(lat.shape, np.nan)
    height[valid] = _relief(lat[valid], _wrapped(lon[valid]))
    return height if height.ndim else float(height)


def is_land(lat: ArrayLike, lon: ArrayLike, *, drawn_coast: bool = False) -> NDArray[np.bool_]:
    """True on dry land (not on the sea, not on lakes), to about a kilometre. Broadcasts; a bad point is False.

    drawn_coast: as for `describe`."""
    lat, lon = np.broadcast_arrays(_degrees(lat), _degrees(lon))
    dry = np.zeros(lat.shape, dtype=bool)
    valid = geo.is_valid(lat, lon)
    here = lat[valid], _wrapped(lon[valid])
    ground = _ground().at(*here) if drawn_coast else _lived_ground(*here)
    dry[valid] = (ground > 0) & (ground < grid.LAKE) & (grid.nearest(store.load("land_cover")["igbp"], *here) > 0)
    return dry


def random_land(n: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """n points uniform by area over all dry land, Antarctica included: (lat, lon) in degrees, each (n,)."""
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    found = np.empty((0, 2))
    while len(found) < n:
        draw = 64 + 4 * (n - len(found))  # about 29 % of the draws are on land
        lat = np.degrees(np.arcsin(rng.uniform(-1, 1, draw)))
        lon = rng.uniform(-180, 180, draw)
        found = np.concatenate([found, np.stack([lat, lon], axis=1)[is_land(lat, lon, drawn_coast=True)]])
    return found[:n, 0], found[:n, 1]


def _season(lat: NDArray, month: NDArray, rain: NDArray) -> NDArray:
    """Meteorological seasons (March to May is the northern spring); in the tropics whether the month is a wet one."""
    quarter = np.array(["winter", "spring", "summer", "autumn"])[((month + 1) // 3 + np.where(lat < 0, 2, 0)) % 4]
    return np.where(np.abs(lat) > _TROPIC, quarter, np.where(rain >= _WET_MONTH_MM, "wet", "dry"))
