"""The nearest of a fixed set of points on the globe, for any number of others."""

import numpy as np
from numpy.typing import NDArray


class Nearest:
    """A tree of points (N,), in degrees.

    A chord of the unit sphere grows with the angle that it spans: what is nearest in space is nearest on the globe, at
    the poles and the antimeridian too.
    """

    def __init__(self, lat: NDArray, lon: NDArray):
        from scipy.spatial import cKDTree  # slow to import, and few questions to the atlas need it

        self.lat, self.lon = lat, lon
        self._tree = cKDTree(_unit_vectors(lat, lon))

    def to(self, lat: NDArray, lon: NDArray) -> NDArray[np.intp]:
        """(M,) the number of the point nearest to each of (M,) places in degrees."""
        _, found = self._tree.query(_unit_vectors(lat, lon))
        return np.asarray(found)


def _unit_vectors(lat: NDArray, lon: NDArray) -> NDArray:
    phi, theta = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=-1)
