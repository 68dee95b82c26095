"""Coast, borders, land and lakes of Natural Earth, for maps that need no download.

Public domain. Everything is a shapely geometry in degrees (x = longitude, y = latitude), ready for
`axes.add_geometries([atlas.land("110m")], crs=PlateCarree())`. Borders are Natural Earth's de facto ones.
"""

import functools
from typing import TYPE_CHECKING

import numpy as np

from georeplicate.atlas import store

if TYPE_CHECKING:
    from shapely import MultiLineString, MultiPolygon

RESOLUTIONS = ("110m", "50m")  # 1:110 million for the globe, 1:50 million for a continent


def coast(resolution: str = "110m") -> "MultiLineString":
    """Coastlines of the sea."""
    return _lines("coast", resolution)


def borders(resolution: str = "110m") -> "MultiLineString":
    """Boundaries between countries, on land."""
    return _lines("borders", resolution)


def land(resolution: str = "110m") -> "MultiPolygon":
    """Land, lakes included."""
    return _polygons("land", resolution)


def lakes(resolution: str = "110m") -> "MultiPolygon":
    """Large lakes."""
    return _polygons("lakes", resolution)


def _parts(layer: str, resolution: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Coordinates (degrees) of each line or ring, and the number of the shape it belongs to."""
    if resolution not in RESOLUTIONS:
        raise ValueError(f'resolution must be "110m" or "50m", got {resolution!r}')
    packed = store.load("natural_earth")
    name = f"{layer}_{resolution}"
    ends = np.cumsum(packed[f"{name}_length"], dtype=np.int64)[:-1]
    steps = np.split(packed[f"{name}_steps"].T, ends)
    return [np.cumsum(part, axis=0, dtype=np.int64) / 1000 for part in steps], packed[f"{name}_shape"]


@functools.cache
def _lines(layer: str, resolution: str) -> "MultiLineString":
    from shapely import MultiLineString

    return MultiLineString(_parts(layer, resolution)[0])


@functools.cache
def _polygons(layer: str, resolution: str) -> "MultiPolygon":
    from shapely import MultiPolygon

    parts, shape = _parts(layer, resolution)
    first = np.flatnonzero(np.diff(shape.astype(int), prepend=-1))
    groups = [parts[a:b] for a, b in zip(first, [*first[1:], len(parts)])]
    return MultiPolygon([(shell, holes) for shell, *holes in groups])
