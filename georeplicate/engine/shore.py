"""How far the sea is: distance from a point on land to the nearest coastline of the atlas."""

import functools

import numpy as np
from numpy.typing import NDArray

from georeplicate import atlas, geo

SPACING_DEG = 0.05  # of points along the coast: the distance is at most some 3 km too long

# States without a coast of their own (general knowledge; the Caspian counts as a lake).
LANDLOCKED = frozenset(
    "AD AF AM AT AZ BF BI BO BT BW BY CF CH CZ ET HU KG KZ LA LI LS LU MD MK ML MN MW NE NP PY RS RW SK SM SS SZ TD TJ "
    "TM UG UZ VA XK ZM ZW".split()
)


def coast_km(lat: float, lon: float) -> float:
    """Kilometres from a point, in degrees, to the coast of the sea (Natural Earth, 1:50 million)."""
    points, tree = _coast()
    _, nearest = tree.query(_unit_vectors(np.array([[lon, lat]])))
    return float(geo.haversine_km(lat, lon, points[nearest[0], 1], points[nearest[0], 0]))


@functools.cache
def _coast() -> tuple:
    """(P, 2) longitude and latitude of points along all coasts, and a tree of them: nearest in space is nearest on the
    globe."""
    import shapely
    from scipy.spatial import cKDTree

    points = shapely.get_coordinates(shapely.segmentize(atlas.coast("50m"), SPACING_DEG))
    return points, cKDTree(_unit_vectors(points))


def _unit_vectors(lonlat: NDArray) -> NDArray:
    lon, lat = np.deg2rad(lonlat).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
