"""Shapes on flat ground in metres, and how rays and shadows meet them.

x points east and y north; angles are degrees clockwise from north.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np


def rng_of(seed: int, site_id: str, what: str) -> np.random.Generator:
    """A generator that depends on these three alone: what is drawn for one purpose moves nothing else."""
    return np.random.default_rng([seed, crc32(site_id.encode()), crc32(what.encode())])


def unit(azimuth_deg: float) -> np.ndarray:
    """(2,) east and north parts of a unit vector at an azimuth."""
    a = np.deg2rad(azimuth_deg)
    return np.array([np.sin(a), np.cos(a)])


@dataclass
class Boxes:
    """Upright boxes with a roof: houses and vehicles. All arrays have one row a box; metres, degrees, 0..1 colours."""

    xy: np.ndarray  # (B, 2) centre
    half: np.ndarray  # (B, 2) half width and depth in the box's own frame
    angle: np.ndarray  # (B,) degrees, clockwise from north, of the box's depth axis
    height: np.ndarray  # (B,) to the eaves
    rise: np.ndarray  # (B,) of the roof above the eaves; 0 = flat
    wall: np.ndarray  # (B, 3)
    roof: np.ndarray  # (B, 3)


def perspective(n: int, heading: float, fov: float) -> tuple[np.ndarray, np.ndarray]:
    """Viewing angles of an n x n pinhole picture -> azimuth (n,) and elevation (n, n) in degrees.

    ValueError for a field of view outside 10..120 degrees.
    """
    if not 10 <= fov <= 120:
        raise ValueError(f"crop: fov={fov} degrees; expected 10 to 120")
    u = ((np.arange(n) + 0.5) / n * 2 - 1) * np.tan(np.deg2rad(fov / 2))
    aside = np.arctan(u)
    return heading + np.rad2deg(aside), np.rad2deg(np.arctan(-u[:, None] * np.cos(aside)[None, :]))


def slab(boxes: Boxes, i: int, ox, oy, dx, dy):
    """Where rays (ox + t dx, oy + t dy) enter and leave box i in plan: (t_in, t_out, entered_through_the_side)."""
    a = np.deg2rad(boxes.angle[i])
    c, s = np.cos(a), np.sin(a)
    px, py = ox - boxes.xy[i, 0], oy - boxes.xy[i, 1]
    qx, qy = c * px - s * py, s * px + c * py  # box frame: qy along its depth axis
    ex, ey = c * dx - s * dy, s * dx + c * dy
    ex, ey = (np.where(np.abs(e) < 1e-9, 1e-9, e) for e in (ex, ey))
    hx, hy = boxes.half[i]
    ax, bx = (-hx - qx) / ex, (hx - qx) / ex
    ay, by = (-hy - qy) / ey, (hy - qy) / ey
    near_x, near_y = np.minimum(ax, bx), np.minimum(ay, by)
    return np.maximum(near_x, near_y), np.minimum(np.maximum(ax, bx), np.maximum(ay, by)), near_x > near_y


def box_frame(boxes: Boxes, i: int, x, y):
    """Coordinates (x, y) in metres, seen from box i: along its length and across."""
    a = np.deg2rad(boxes.angle[i])
    px, py = x - boxes.xy[i, 0], y - boxes.xy[i, 1]
    return np.cos(a) * px - np.sin(a) * py, np.sin(a) * px + np.cos(a) * py


def around(x: np.ndarray, y: np.ndarray, centre, reach: float) -> tuple[slice, slice]:
    """The part of a regular grid (x grows along columns, y falls along rows) within `reach` metres of `centre`."""
    columns = np.searchsorted(x[0], (centre[0] - reach, centre[0] + reach))
    rows = np.searchsorted(-y[:, 0], (-centre[1] - reach, -centre[1] + reach))
    return slice(*rows), slice(*columns)


def shadow_mask(
    solids: tuple[Boxes, ...],
    trees: np.ndarray,
    sun: np.ndarray,
    stretch: float,
    x: np.ndarray,
    y: np.ndarray,
    *,
    grid: bool = False,
) -> np.ndarray:
    """Which of the points (x, y), of any shape, lie in the shadow of boxes or trees (T, 4: x, y, crown radius, height).

    sun: (2,) unit vector towards it; stretch: metres of shadow per metre of height. grid: x and y are a tile's, which
    makes finding the points near a thing quick."""
    mask = np.zeros(x.shape, bool)
    flat_x, flat_y, flat = (x, y, mask) if grid else (x.ravel(), y.ravel(), mask.ravel())

    def near_strip(centre, reach, shift):
        if grid:
            return around(x, y, np.asarray(centre) + shift / 2, reach * 1.1 + np.hypot(*shift) / 2)
        return _within(flat_x, flat_y, centre, reach, shift)

    for boxes in solids:
        for i in range(len(boxes.xy)):
            length = (boxes.height[i] + 0.5 * boxes.rise[i]) * stretch
            near = near_strip(boxes.xy[i], np.hypot(*boxes.half[i]), -sun * length)
            t_in, t_out, _ = slab(boxes, i, flat_x[near], flat_y[near], sun[0], sun[1])
            flat[near] |= (t_in < t_out) & (t_out > 0) & (t_in < length)
    for tx, ty, radius, height in trees:
        shift = -sun * (height - radius) * stretch
        near = near_strip((tx, ty), radius * max(stretch, 1.0) if grid else radius, shift)
        dx, dy = flat_x[near] - tx - shift[0], flat_y[near] - ty - shift[1]
        along = dx * sun[0] + dy * sun[1]
        across = dx * sun[1] - dy * sun[0]
        flat[near] |= (along / max(stretch, 1.0)) ** 2 + across**2 < radius**2
    return mask if grid else flat.reshape(x.shape)


def _within(x, y, centre, reach, shift):
    """Indices of the points near the strip that a shadow can cover."""
    lo = np.minimum(0, shift) - reach * 1.6
    hi = np.maximum(0, shift) + reach * 1.6
    return np.flatnonzero(
        (x > centre[0] + lo[0]) & (x < centre[0] + hi[0]) & (y > centre[1] + lo[1]) & (y < centre[1] + hi[1])
    )
