"""Kilometres, thresholds and neighbours on the Earth: the only file that knows the Earth's radius.

Everything outside speaks degrees (latitude north, longitude east) and kilometres. Distances are great-circle distances
on a sphere of the mean radius unless a name says `geodesic`. Papers on geolocation differ in exactly these choices
(sphere or ellipsoid, `<` or `<=` at a threshold, what happens to an answer that could not be read), so each is made
here, once, and named.
"""

from typing import Any, overload

import numpy as np
from haversine import Unit, haversine_vector
from numpy.typing import ArrayLike, NDArray
from pyproj import Geod

# A float for scalars, an array for arrays. As numpy types its own: a union would ask every caller which of the two.
Values = Any


EARTH_RADIUS_KM = 6371.0088  # IUGG mean radius (2a + b) / 3, also that of the haversine package
THRESHOLDS_KM = (1, 25, 200, 750, 2500)  # street, city, region, country, continent: Hays & Efros 2008 and all since

_SPHERE = Geod(a=EARTH_RADIUS_KM * 1000, b=EARTH_RADIUS_KM * 1000)
_WGS84 = Geod(ellps="WGS84")


def is_valid(lat: ArrayLike, lon: ArrayLike) -> NDArray[np.bool_]:
    """True where (lat, lon) in degrees is a point on Earth: -90..90 and -180..360, finite. Broadcasts.

    Longitude may be written -180..180 or 0..360; both are in use and neither is ambiguous.
    """
    lat, lon = np.broadcast_arrays(np.asarray(lat, dtype=float), np.asarray(lon, dtype=float))
    with np.errstate(invalid="ignore"):
        return (np.abs(lat) <= 90) & (lon >= -180) & (lon <= 360)


def validate(lat: ArrayLike, lon: ArrayLike, *, allow_nan: bool = False) -> tuple[NDArray, NDArray]:
    """(lat, lon) in degrees as two float64 arrays of one broadcast shape, or a ValueError naming the first bad point.

    allow_nan: a point with NaN in it passes (it means "no answer"); infinities never do.
    For data in which bad rows are expected, take the mask from `is_valid` instead.
    """
    lat = _as_degrees(lat, "latitude")
    lon = _as_degrees(lon, "longitude")
    try:
        lat, lon = np.broadcast_arrays(lat, lon)
    except ValueError:
        raise ValueError(f"latitude {lat.shape} and longitude {lon.shape} do not have matching shapes") from None
    bad = ~is_valid(lat, lon)
    if allow_nan:
        bad &= ~(np.isnan(lat) | np.isnan(lon))
    if bad.any():
        where = np.unravel_index(int(np.argmax(bad)), bad.shape)
        raise ValueError(_complaint(float(lat[where]), float(lon[where]), where, int(bad.sum()), bad.size))
    return lat, lon


def _as_degrees(values: ArrayLike, name: str) -> NDArray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers in degrees, got {values!r}"[:200]) from None


def _complaint(lat: float, lon: float, where: tuple, n_bad: int, n: int) -> str:
    row = f" at index {', '.join(str(int(i)) for i in where)}" if where else ""
    count = f" ({n_bad} of {n} points are bad)" if n_bad > 1 else ""
    if np.isnan(lat) or np.isnan(lon):
        remedy = "a coordinate is missing: drop the row or pass its mask from geo.is_valid"
    elif 90 < abs(lat) <= 180 and abs(lon) <= 90:
        remedy = f"latitude runs from -90 to 90; the two look swapped: try lat={lon:g}, lon={lat:g}"
    elif abs(lat) > 90:
        remedy = "latitude runs from -90 (south) to 90 (north)"
    else:
        remedy = "longitude runs from -180 to 180 (or 0 to 360)"
    return f"lat={lat:g}, lon={lon:g}{row} is not a point on Earth{count}: {remedy}"


def _four(lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike) -> tuple[list[NDArray], tuple]:
    """Two validated sets of points broadcast together: four flat arrays of degrees and their common shape."""
    first, second = validate(lat1, lon1, allow_nan=True), validate(lat2, lon2, allow_nan=True)
    try:
        arrays = np.broadcast_arrays(*first, *second)
    except ValueError:
        raise ValueError(f"points {first[0].shape} and {second[0].shape} do not have matching shapes") from None
    return [np.ravel(a) for a in arrays], arrays[0].shape


def _shaped(flat: NDArray, shape: tuple) -> Values:
    return flat.reshape(shape) if shape else float(flat[0])


def haversine_km(lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike) -> Values:
    """Great-circle distance in km on the sphere of radius 6371.0088 km.

    Degrees in, arrays broadcast as in numpy, scalars give a float. NaN in a point gives NaN (no answer, no distance);
    a point that is not on Earth raises ValueError. Wraps the `haversine` package.
    """
    (lat1, lon1, lat2, lon2), shape = _four(lat1, lon1, lat2, lon2)
    km = haversine_vector(np.stack([lat1, lon1], 1), np.stack([lat2, lon2], 1), Unit.KILOMETERS, check=False)
    # At an antipode rounding can push the haversine above 1, and its arcsine to NaN: that distance is half the girth.
    rounded = np.isnan(km) & ~np.isnan(lat1 + lon1 + lat2 + lon2)
    return _shaped(np.where(rounded, np.pi * EARTH_RADIUS_KM, km), shape)


def geodesic_km(lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike) -> Values:
    """Shortest distance in km on the WGS84 ellipsoid (Karney's algorithm, from PROJ); conventions as `haversine_km`."""
    (lat1, lon1, lat2, lon2), shape = _four(lat1, lon1, lat2, lon2)
    known = ~np.isnan(lat1 + lon1 + lat2 + lon2)
    km = np.full(lat1.shape, np.nan)
    km[known] = _WGS84.inv(lon1[known], lat1[known], lon2[known], lat2[known])[2] / 1000
    return _shaped(km, shape)


DISTANCES = ("sphere-6371", "sphere-6371.0088", "wgs84")


def distance_km(lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike, on: str) -> Values:
    """Distance in km on the named Earth, one of DISTANCES; conventions as `haversine_km`.

    "sphere-6371": great circle, R = 6371 km (OSV-5M, PLONK, GeoEstimation, IMAGEO-Bench). "sphere-6371.0088": great
    circle on the IUGG mean radius (ours). "wgs84": geodesic on the ellipsoid (GeoCLIP). They differ by up to 0.6 %.
    """
    if on not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, got {on!r}")
    if on == "wgs84":
        return geodesic_km(lat1, lon1, lat2, lon2)
    km = haversine_km(lat1, lon1, lat2, lon2)
    return km if on == "sphere-6371.0088" else km * (6371 / EARTH_RADIUS_KM)


def destination(lat: ArrayLike, lon: ArrayLike, bearing_deg: ArrayLike, km: ArrayLike) -> tuple[Values, Values]:
    """The point reached from (lat, lon) after `km` along the great circle that starts at `bearing_deg`.

    Bearing in degrees clockwise from north. All four broadcast; returns (lat, lon) in degrees, longitude -180..180,
    as floats for scalars. On the same sphere as `haversine_km`.
    """
    lat, lon = validate(lat, lon)
    lat, lon, bearing, km = np.broadcast_arrays(lat, lon, np.asarray(bearing_deg, float), np.asarray(km, float))
    if not (np.isfinite(bearing).all() and np.isfinite(km).all()):
        raise ValueError("bearing_deg and km must be finite numbers")
    shape = lat.shape
    lons, lats, bearings, metres = (np.ravel(a).astype(float) for a in (lon, lat, bearing, km * 1000))
    end_lon, end_lat, _ = _SPHERE.fwd(lons, lats, bearings, metres)
    return _shaped(np.asarray(end_lat), shape), _shaped(np.asarray(end_lon), shape)


def within(error_km: ArrayLike, km: float, rule: str = "<=") -> NDArray[np.bool_]:
    """True where the error in km is at most ("<=") or below ("<") a distance; NaN, no answer, is False. Any shape.

    "<=" as in GeoCLIP and GeoEstimation, "<" as in OSV-5M and PLONK.
    """
    if rule not in ("<=", "<"):
        raise ValueError(f'rule must be "<=" or "<", got {rule!r}')
    error = np.asarray(error_km, float)
    return error <= km if rule == "<=" else error < km


def threshold_accuracy(
    error_km: ArrayLike, thresholds: tuple[float, ...] = THRESHOLDS_KM, rule: str = "<="
) -> dict[float, float]:
    """Share of answers within each distance: {threshold in km: share in 0..1}.

    error_km: any shape. NaN means that no place could be read from the answer: it is wrong and stays in the denominator
    (some published scripts drop such rows, which flatters a model that often fails to answer).
    rule: as for `within`. No answers at all give NaN.
    """
    error = np.asarray(error_km, dtype=float).ravel()
    if (error < 0).any():
        raise ValueError(f"error_km holds a negative distance ({np.nanmin(error):g} km)")
    near = {t: within(error, t, rule) for t in thresholds}
    return {t: float(here.mean()) if error.size else float("nan") for t, here in near.items()}


def geoscore(error_km: ArrayLike) -> Values:
    """GeoScore of each answer, 0..5000: 5000 * exp(-error / 1492.7 km); an answer without a place (NaN) scores 0.

    Source: OSV-5M (Astruc et al., CVPR 2024), after the game GeoGuessr's scoring on its world map.
    """
    error = np.asarray(error_km, dtype=float)
    if (error < 0).any():
        raise ValueError(f"error_km holds a negative distance ({np.nanmin(error):g} km)")
    score = np.where(np.isnan(error), 0.0, 5000 * np.exp(-error / 1492.7))
    return score if score.ndim else float(score)


@overload
def neighbours(
    lat: ArrayLike,
    lon: ArrayLike,
    query_lat: ArrayLike | None = None,
    query_lon: ArrayLike | None = None,
    *,
    k: int,
    radius_km: None = None,
) -> tuple[NDArray, NDArray]: ...


@overload
def neighbours(
    lat: ArrayLike,
    lon: ArrayLike,
    query_lat: ArrayLike | None = None,
    query_lon: ArrayLike | None = None,
    *,
    k: None = None,
    radius_km: float,
) -> tuple[list[NDArray], list[NDArray]]: ...


def neighbours(
    lat: ArrayLike,
    lon: ArrayLike,
    query_lat: ArrayLike | None = None,
    query_lon: ArrayLike | None = None,
    *,
    k: int | None = None,
    radius_km: float | None = None,
) -> tuple[NDArray, NDArray] | tuple[list[NDArray], list[NDArray]]:
    """Nearest points on the sphere, nearest first: (indices into lat/lon, distances in km).

    lat, lon (N,): the points. query (Q,) or scalar: whose neighbours are wanted; left out, every point is asked for its
    own neighbours and never counts as one of them (another point at the same place does).
    k: two arrays (Q, k). radius_km: two lists of Q arrays of varying length. Give exactly one of them.

    A ball tree with the haversine metric, which wants radians; public retrieval code that feeds it degrees picks "hard
    negatives" from the wrong places without any warning.
    """
    from sklearn.neighbors import BallTree  # heavy to import, and most users of this file only want distances

    if (k is None) == (radius_km is None):
        raise ValueError("give exactly one of k and radius_km")
    lat, lon = (np.atleast_1d(a) for a in validate(lat, lon))
    among_themselves = query_lat is None
    if query_lat is not None and query_lon is not None:
        query = tuple(np.atleast_1d(a) for a in validate(query_lat, query_lon))
    elif query_lat is query_lon:
        query = lat, lon
    else:
        raise ValueError("query_lat and query_lon go together")
    available = lat.size - among_themselves
    if k is not None and (isinstance(k, bool) or not isinstance(k, int | np.integer)):
        raise ValueError(f"k must be a whole number of neighbours, got {k!r}")
    if isinstance(radius_km, bool) or not isinstance(radius_km, int | float | np.number | None):
        raise ValueError(f"radius_km must be a number of kilometres, got {radius_km!r}")
    if k is not None and not 1 <= k <= available:
        raise ValueError(f"k must be between 1 and the {max(available, 0)} points that can be neighbours, got {k}")
    if radius_km is not None and not radius_km >= 0:
        raise ValueError(f"radius_km must not be negative, got {radius_km}")
    if lat.size == 0:
        return [np.empty(0, int)] * query[0].size, [np.empty(0)] * query[0].size

    tree = BallTree(np.radians(np.stack([lat, lon], axis=1)), metric="haversine")
    wanted = np.radians(np.stack(query, axis=1))
    if k is not None:
        angle, index = tree.query(wanted, k=k + among_themselves)
        if among_themselves:
            index, angle = _without_self(index, angle)
        return index, angle * EARTH_RADIUS_KM
    assert radius_km is not None  # exactly one of the two was given
    index, angle = tree.query_radius(wanted, radius_km / EARTH_RADIUS_KM, return_distance=True, sort_results=True)
    if among_themselves:
        keep = [i != self for self, i in enumerate(index)]
        index, angle = [i[m] for i, m in zip(index, keep)], [a[m] for a, m in zip(angle, keep)]
    return list(index), [a * EARTH_RADIUS_KM for a in angle]


def _without_self(index: NDArray, angle: NDArray) -> tuple[NDArray, NDArray]:
    """Drop each row's own point from (N, k + 1) results; where coincident points crowded it out, the last one goes."""
    own = index == np.arange(len(index))[:, None]
    own[~own.any(axis=1), -1] = True
    return index[~own].reshape(len(index), -1), angle[~own].reshape(len(index), -1)
