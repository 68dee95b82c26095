"""How far the sea is: distance from a point on land to the nearest coastline of the atlas."""

import functools

import numpy as np

from georeplicate import atlas, geo
from georeplicate.atlas.nearest import Nearest

SPACING_DEG = 0.05  # of points along the coast: the distance is at most some 3 km too long

# States without a coast of their own (general knowledge; the Caspian counts as a lake).
LANDLOCKED = frozenset(
    "AD AF AM AT AZ BF BI BO BT BW BY CF CH CZ ET HU KG KZ LA LI LS LU MD MK ML MN MW NE NP PY RS RW SK SM SS SZ TD TJ "
    "TM UG UZ VA XK ZM ZW".split()
)


def coast_km(lat: float, lon: float) -> float:
    """Kilometres from a point, in degrees, to the coast of the sea (Natural Earth, 1:50 million)."""
    coast = _coast()
    (nearest,) = coast.to(np.array([lat]), np.array([lon]))
    return float(geo.haversine_km(lat, lon, coast.lat[nearest], coast.lon[nearest]))


@functools.cache
def _coast() -> Nearest:
    """Points along all coasts."""
    import shapely

    lon, lat = shapely.get_coordinates(shapely.segmentize(atlas.coast("50m"), SPACING_DEG)).T
    return Nearest(lat, lon)
