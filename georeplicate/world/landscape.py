"""From a site's cues to one landscape in metres: everything that both views show.

The camera stands at the origin, EYE_M above flat ground, x points east and y north, and a landscape is a pure function
of (seed, site id, facts). It is built around what `cues` drew: every cue has something to show it in each view,
whatever the others are (two houses at least, some plants, a strip of bare soil and a strip of growth along the street,
painted lines, two vehicles). Sizes are larger than life where a small picture could not show them otherwise: paint is a
metre wide, and the camera stands on a mast, so that it sees the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from georeplicate.world import cues
from georeplicate.world.cues import Cues
from georeplicate.world.difficulty import DEFAULT, Difficulty
from georeplicate.world.geometry import Boxes, rng_of, unit

EYE_M = 7.0  # of a camera on a mast
TILE_M = 64.0  # width of ground that an aerial tile covers
SIDEWALK_M, SOIL_M, VERGE_M = 2.6, 3.0, 2.6  # strips along a street, from its edge outwards
SHADOW_LOW, SHADOW_HIGH = 30.0, 48.0  # degrees between which a sun that is not overhead is drawn
OVERHEAD = 84.0
HOUR = 35.0  # degrees of azimuth by which the sun of a view may lie to either side of its noon
PLANTS = {"broadleaf": 11, "conifers": 13, "palms": 11, "umbrella-trees": 7, "scrub": 18}
CROWN_M = {"broadleaf": (3.0, 3.8), "conifers": (2.4, 3.0), "palms": (3.4, 4.2), "umbrella-trees": (4.8, 5.8),
           "scrub": (1.2, 1.8)}  # fmt: skip
HEIGHT = {"broadleaf": 2.4, "conifers": 4.4, "palms": 3.4, "umbrella-trees": 1.5, "scrub": 1.1}  # of the crown's radius
HOUSES = {"lone-houses": 2, "village": 5, "dense-houses": 15}
HALF_M = {"lone-houses": (5.6, 7.8), "village": (4.8, 6.6), "dense-houses": (3.4, 4.6)}  # half width and depth, +-12 %
CANDIDATES = 160


@dataclass
class Landscape:
    """One place, once. Metres, degrees clockwise from north."""

    site_id: str
    area: str  # places of one area share a camera in each view
    cues: Cues
    roads: np.ndarray  # (R, 3) direction, offset of the axis from the origin, half width
    heading: float
    houses: Boxes
    vehicles: Boxes  # wall and roof hold the body's colour
    facing: np.ndarray  # (C,) where each vehicle drives to
    trees: np.ndarray  # (T, 4) x, y, crown radius, height
    ponds: np.ndarray  # (P, 3) x, y, radius; empty where the land is not wet
    rocks: np.ndarray  # (K, 3)
    texture: np.ndarray  # (6, 3) wave numbers (x, y) and phase
    field_angle: float
    noon: tuple[float, float]  # azimuth and elevation of the sun as drawn at noon
    haze: float  # Linke turbidity
    horizon: np.ndarray  # (24,) elevation angle of the relief, from north clockwise
    country: str
    town: tuple[str, str] | None  # (country, city) of the name board, None outside the world's cities
    post: np.ndarray  # (2,) where a name board would stand
    flagpole: np.ndarray  # (2,)

    def sun(self, view: str, seed: int) -> tuple[float, float]:
        """(azimuth, elevation) of the sun in a view: each has an hour of its own, within a few hours of noon."""
        hour = rng_of(seed, self.site_id, f"hour of the {view}").uniform(-1, 1)
        return (self.noon[0] + HOUR * hour) % 360, self.noon[1] - (6 * abs(hour) if self.noon[1] < OVERHEAD else 0)


def build(site, seed: int = 0, difficulty: Difficulty = DEFAULT) -> Landscape:
    """The landscape of one row of `sites(...)`. Raises nothing for any valid site; the same arguments give the same
    landscape, bit for bit."""
    return survey(site, seed, difficulty.frozen)


def words_at(site, seed: int = 0, difficulty: Difficulty = DEFAULT) -> tuple[str, ...]:
    """`words_of(build(site, seed, difficulty))`, in a fraction of its time: nothing is built."""
    return _cues_of(site, seed, difficulty.frozen).words()


def words_of(land: Landscape) -> tuple[str, ...]:
    """What is true of a place, one word a cue, in the order of `vocabulary`."""
    return land.cues.words()


def _cues_of(site, seed: int, frozen: dict[str, str] | None) -> Cues:
    return Cues(**{**cues.draw(site, seed).__dict__, **(frozen or {})})


def survey(site, seed: int = 0, frozen: dict[str, str] | None = None) -> Landscape:
    """As `build`. frozen: {cue: value} drawn the same everywhere."""
    c = _cues_of(site, seed, frozen)
    rng = rng_of(seed, site.id, "landscape")
    street = {"road-north-south": 0.0, "road-east-west": 90.0, "crossroads": 0.0, "road-diagonal": 45.0}[c.road]
    if c.road == "road-diagonal" and rng.random() < 0.5:
        street = 135.0
    heading = (street + 180.0 * rng.integers(2)) % 360
    half_width = rng.uniform(4.4, 5.0)
    right = 1.0 if c.side == "right" else -1.0
    axis = -right * half_width / 2 * unit(heading + 90)  # the camera drives in the middle of its own lane
    streets = [(street, float(axis @ unit(street + 90)), half_width)]
    if c.road == "crossroads":
        streets.append((90.0, rng.uniform(-4, 4), rng.uniform(4.4, 5.0)))
    roads = np.array(streets)
    ponds = _discs(rng, roads, None, 6, (3.2, 5.4), (10, 27)) if c.wetness == "wet" else np.zeros((0, 3))
    houses = _houses(c, rng, roads, ponds)
    trees = _trees(c, rng, roads, houses, ponds)
    vehicles, facing = _vehicles(rng, roads, heading, right)
    elevation = cues.noon_sun(site.lat, cues.day_of_year(site.taken_at))[1]
    noon = {"south": 180.0, "north": 0.0, "overhead": 180.0}[c.sun]
    ahead, aside = unit(heading), unit(heading + 90) * right
    return Landscape(
        site_id=site.id,
        area=site.area,
        cues=c,
        roads=roads,
        heading=heading,
        houses=houses,
        vehicles=vehicles,
        facing=facing,
        trees=trees,
        ponds=ponds,
        rocks=_discs(rng, roads, houses, 10, (0.9, 2.0), (9, 34)) if c.relief == "mountains" else np.zeros((0, 3)),
        texture=np.column_stack([rng.normal(0, 0.25, (6, 2)), rng.uniform(0, 6.28, 6)]),
        field_angle=rng.uniform(0, 180),
        noon=(noon, OVERHEAD if c.sun == "overhead" else float(np.clip(elevation, SHADOW_LOW, SHADOW_HIGH))),
        haze=float(site.haze),
        horizon=np.asarray(site.horizon, float),
        country=site.country,
        town=(site.country, site.city) if site.city else None,
        post=ahead * rng.uniform(9, 11) + aside * (half_width / 2 + 1.6),
        flagpole=ahead * rng.uniform(9, 11) - aside * (1.5 * half_width + 1.5),
    )


def beside_roads(x, y, roads: np.ndarray):
    """Metres from points (x, y) of any shape to the nearest street's edge, negative on it."""
    distance = None
    for direction, offset, half in roads:
        e, n = unit(direction + 90).astype(np.float32)
        d = np.abs(x * e + y * n - np.float32(offset)) - np.float32(half)
        distance = d if distance is None else np.minimum(distance, d)
    return distance


def _houses(c: Cues, rng, roads, ponds) -> Boxes:
    want = HOUSES[c.density]
    street = roads[0, 0]
    half = np.array(HALF_M[c.density]) * rng.uniform(0.88, 1.12, (CANDIDATES, 2))
    along = rng.uniform(-29, 29, CANDIDATES)
    near = 13.0 if want == HOUSES["dense-houses"] else 16.0
    aside = rng.choice([-1, 1], CANDIDATES) * rng.uniform(near, 29 if want > 2 else 20, CANDIDATES)
    if want == HOUSES["lone-houses"]:
        along *= 0.6  # a lone house stands where both views show it well
    xy = along[:, None] * unit(street) + aside[:, None] * unit(street + 90)
    clear = (beside_roads(xy[:, 0], xy[:, 1], roads) > half.max(1) + 0.5) & (np.hypot(*xy.T) > 11)
    for px, py, pr in ponds[:3]:
        clear &= np.hypot(*(xy - (px, py)).T) > pr + half.mean(1)
    reach = half.mean(1) + (0.9 if c.density == "dense-houses" else 1.5)
    chosen: list[int] = []
    for i in np.flatnonzero(clear):
        if len(chosen) == want:
            break
        if not chosen or (np.hypot(*(xy[i] - xy[chosen]).T) > reach[i] + reach[chosen]).all():
            chosen.append(int(i))
    n = len(chosen)
    floors = 1 + (rng.random(n) < (0.35 if c.density == "dense-houses" else 0.1))
    rise = {"flat": 0.0, "gabled": 4.6, "hipped": 4.0}[c.roof]
    turned = 90.0 * (rng.random(n) < 0.4)
    tone = rng.uniform(0.92, 1.08, (n, 1))
    return Boxes(
        xy[chosen],
        half[chosen],
        street + turned + rng.uniform(-5, 5, n),
        2.9 * floors + 0.3,
        np.full(n, rise),
        np.array((0.88, 0.83, 0.74)) * tone * rng.uniform(0.94, 1.04, (n, 3)),
        np.repeat(tone, 3, 1),  # of the roofing's colour, which is each view's own
    )


def _trees(c: Cues, rng, roads, houses: Boxes, ponds) -> np.ndarray:
    low, high = CROWN_M[c.vegetation]
    r, bearing = np.sqrt(rng.uniform(8.5**2, 31**2, CANDIDATES)), rng.uniform(0, 2 * np.pi, CANDIDATES)
    xy = r[:, None] * np.stack([np.sin(bearing), np.cos(bearing)], 1)
    radius = rng.uniform(low, high, CANDIDATES)
    ok = beside_roads(xy[:, 0], xy[:, 1], roads) > 0.4 * radius + SIDEWALK_M
    for centre, half in zip(houses.xy, houses.half):
        ok &= np.hypot(*(xy - centre).T) > half.mean() + 0.7 * radius
    for px, py, pr in ponds:
        ok &= np.hypot(*(xy - (px, py)).T) > pr
    chosen = np.flatnonzero(ok)[: PLANTS[c.vegetation]]
    return np.column_stack([xy, radius, radius * HEIGHT[c.vegetation]])[chosen]


def _discs(
    rng, roads, houses: Boxes | None, count: int, size: tuple[float, float], ring: tuple[float, float]
) -> np.ndarray:
    """(n, 3) x, y, radius of round things off the streets and away from the houses; at most `count`."""
    r, bearing = rng.uniform(*ring, 60), rng.uniform(0, 2 * np.pi, 60)
    xy, radius = r[:, None] * np.stack([np.sin(bearing), np.cos(bearing)], 1), rng.uniform(*size, 60)
    ok = beside_roads(xy[:, 0], xy[:, 1], roads) > radius + SIDEWALK_M + 0.5
    if houses is not None:
        for centre, half in zip(houses.xy, houses.half):
            ok &= np.hypot(*(xy - centre).T) > half.mean() + radius
    return np.column_stack([xy, radius])[np.flatnonzero(ok)[:count]]


def _vehicles(rng, roads, heading: float, right: float) -> tuple[Boxes, np.ndarray]:
    """A long vehicle ahead in the camera's lane, one behind, and two that come towards it on the other."""
    lane = roads[0, 2]
    near = rng.choice([-1, 1])
    own_gaps = [rng.uniform(13, 22), -rng.uniform(13, 22)]
    gaps = np.array([*own_gaps, near * rng.uniform(12, 18), -near * rng.uniform(14, 24)])
    own = np.array([True, True, False, False])
    across = np.where(own, 0.0, -right * lane)  # metres to the right of the camera, as one drives
    xy = gaps[:, None] * unit(heading) + across[:, None] * unit(heading + 90)
    facing = np.where(own, heading, heading + 180) % 360
    n = len(gaps)
    body = np.array((0.20, 0.24, 0.36)) * rng.uniform(0.8, 1.4, (n, 1))
    return (
        Boxes(xy, np.tile([1.8, 6.0], (n, 1)), facing, np.full(n, 2.4), np.zeros(n), body, body),
        facing,
    )
