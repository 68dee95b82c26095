"""How far the sea is: distance from a point on land to the nearest coastline of the atlas."""

import functools

import numpy as np
from numpy.typing import NDArray

from georeplicate import atlas, geo

SPACING_DEG = 0.05  # of points along the coast: the distance is at most some 3 km too long
BAND_DEG = 2.0  # of latitude searched first; what lies outside is further than BAND_KM away
BAND_KM = 220.0

# States without a coast of their own (general knowledge; the Caspian counts as a lake).
LANDLOCKED = frozenset(
    "AD AF AM AT AZ BF BI BO BT BW BY CF CH CZ ET HU KG KZ LA LI LS LU MD MK ML MN MW NE NP PY RS RW SK SM SS SZ TD TJ "
    "TM UG UZ VA XK ZM ZW".split()
)


@functools.lru_cache(maxsize=4096)
def coast_km(lat: float, lon: float) -> float:
    """Kilometres from a point, in degrees, to the coast of the sea (Natural Earth, 1:50 million)."""
    points = _coast()
    first, last = np.searchsorted(points[:, 1], (lat - BAND_DEG, lat + BAND_DEG))
    near = points[first:last]
    km = float(geo.haversine_km(lat, lon, near[:, 1], near[:, 0]).min()) if len(near) else np.inf
    return km if km < BAND_KM else float(geo.haversine_km(lat, lon, points[:, 1], points[:, 0]).min())


@functools.cache
def _coast() -> NDArray:
    """(P, 2) longitude and latitude of points along all coasts, by latitude."""
    import shapely

    points = shapely.get_coordinates(shapely.segmentize(atlas.coast("50m"), SPACING_DEG))
    return points[np.argsort(points[:, 1], kind="stable")]
