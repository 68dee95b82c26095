"""From a site's facts to one scene in metres: everything that both views will show.

The camera stands at the origin, EYE_M above flat ground, x points east and y north. A scene is a pure function of
(seed, site id) and the facts. Six attributes are drawn first, as words, and the geometry is built to agree with
them; they are what can be read in both views, and what the chain of thought may speak of.
"""

from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np

from georeplicate.profiles import NEGATIVES, WORLDS
from georeplicate.world import palette as p
from georeplicate.world.cues import WORDS

EYE_M = 3.0  # a street-view camera on a car's roof
TILE_M = 96.0  # width of ground that an aerial tile covers


@dataclass(frozen=True)
class Attributes:
    """What can be seen of a site in both views, in words (each from the tuple of that name in palette.py)."""

    cover: str
    roof: str
    water: str  # "none" or the side it lies on
    road: str
    trees: str
    buildings: str  # the side where the houses stand


@dataclass(frozen=True)
class Difficulty:
    """The dial: which world, which cues vary, how unlike the two views are, whether north is marked, how near the
    negatives are.

    world     "layout": six attributes that say little about geography (`Attributes`); "geographic": fourteen cues drawn
              from the atlas's facts (`cues.Cues`)
    vary      attributes or cues left free (None: all); any other is frozen to one value everywhere, and so is no help
    noise     standard deviation of the pixel noise, 0..1, drawn anew for each view
    light     range of brightness and tint differences between the two views, 0..1
    compass   a thin band of hue that marks the azimuth in both views
    negatives "region" (same neighbourhood), "near" (the nearest sites) or "random" (anywhere), to be handed to
              pairs.questions
    boards    flags and name boards (None: the world's own habit, in "layout" there are some, in "geographic" none)
    gap       0..1, geographic world only: how unlike its two cameras are (hour, palette, colour matrix, haze); None: 1
    """

    vary: frozenset[str] | None = None
    noise: float = 0.03
    light: float = 0.12
    compass: bool = True
    negatives: str = "region"
    world: str = "geographic"
    boards: bool | None = None
    gap: float | None = None

    def __post_init__(self):
        if self.world not in WORLDS:
            raise ValueError(f"difficulty: world={self.world!r}; choose from {', '.join(WORLDS)}")
        layout = self.world == "layout"
        known = set(Attributes.__dataclass_fields__) if layout else set(WORDS)
        if unknown := set(self.vary or ()) - known:
            raise ValueError(f"difficulty: unknown cues {sorted(unknown)}; choose from {sorted(known)}")
        if self.negatives not in NEGATIVES:
            raise ValueError(f"difficulty: negatives={self.negatives!r}; choose from {', '.join(NEGATIVES)}")
        if layout and self.gap:
            raise ValueError(
                'difficulty: gap belongs to the geographic world; in "layout" both views share one palette'
            )
        if not 0 <= (self.gap or 0) <= 1:
            raise ValueError(f"difficulty: gap={self.gap}; expected 0 to 1")
        for name, value in (("vary", frozenset(known)), ("boards", layout), ("gap", 0.0 if layout else 1.0)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)


LAYOUT = Difficulty(world="layout")
FROZEN = Attributes(cover="grass", roof="red", water="none", road="north-south", trees="few", buildings="east")


@dataclass
class Boxes:
    """Upright boxes with a roof: houses and cars. All arrays have one row a box; metres, degrees, 0..1 colours."""

    xy: np.ndarray  # (B, 2) centre
    half: np.ndarray  # (B, 2) half width and depth in the box's own frame
    angle: np.ndarray  # (B,) degrees, clockwise from north, of the box's depth axis
    height: np.ndarray  # (B,) to the eaves
    rise: np.ndarray  # (B,) of the roof above the eaves; 0 = flat
    wall: np.ndarray  # (B, 3)
    roof: np.ndarray  # (B, 3)


@dataclass
class Scene:
    """One place, once. See the module's docstring for the frame; colours are 0..1 RGB."""

    site_id: str
    attributes: Attributes
    cover_rgb: np.ndarray
    texture: np.ndarray  # (4, 3) wave numbers (x, y) and phase of the ground's mottling
    crop_angle: float
    roads: np.ndarray  # (R, 3) direction in degrees, offset of the axis from the origin, half width
    road_rgb: np.ndarray
    line_rgb: np.ndarray
    water_azimuth: float  # NaN where there is none
    shore_m: float
    water_rgb: np.ndarray
    houses: Boxes
    cars: Boxes
    trees: np.ndarray  # (T, 4) x, y, crown radius, height
    tree_kind: str
    tree_rgb: np.ndarray
    sun_azimuth: float
    sun_elevation: float
    haze: float
    horizon: np.ndarray  # (24,) elevation angle of the relief in degrees, from north clockwise
    heading: float  # of the street ahead, in degrees: where a street-level photo looks
    town_sign: tuple[str, str] | None  # (country, city) of the name board, None outside the world's cities
    flag: str | None  # country
    speed_unit: str
    driving_side: str
    post: np.ndarray  # (2,) where the signs stand
    flagpole: np.ndarray  # (2,)

    @cached_property
    def to_sun(self) -> np.ndarray:
        """(2,) unit vector on the ground towards the sun."""
        return unit(self.sun_azimuth)

    @cached_property
    def shadow_stretch(self) -> float:
        """Metres of shadow per metre of height; at most 4, reached with the sun 14 degrees high."""
        return float(min(1 / np.tan(np.deg2rad(max(self.sun_elevation, 5.0))), 4.0))

    @cached_property
    def haze_rgb(self) -> np.ndarray:
        """(3,) colour of the air near the horizon; a low sun reddens it."""
        warm = min(max((18 - self.sun_elevation) / 18, 0.0), 1.0)
        return np.array((0.80, 0.86, 0.93)) * (1 - warm) + np.array((0.95, 0.84, 0.70)) * warm


def rng_of(seed: int, site_id: str, what: str) -> np.random.Generator:
    """A generator that depends on these three alone: what is drawn for one purpose moves nothing else."""
    return np.random.default_rng([seed, crc32(site_id.encode()), crc32(what.encode())])


def unit(azimuth_deg: float) -> np.ndarray:
    """(2,) east and north parts of a unit vector at an azimuth."""
    a = np.deg2rad(azimuth_deg)
    return np.array([np.sin(a), np.cos(a)])


def _jitter(rng, rgb, amount=0.06) -> np.ndarray:
    return np.clip(
        np.asarray(rgb, float) / 255 * (1 + rng.uniform(-amount, amount)) + rng.uniform(-amount / 3, amount / 3, 3),
        0,
        1,
    )


def draw_attributes(site, rng: np.random.Generator, difficulty: Difficulty) -> Attributes:
    """The six words of a site, biased by its facts; frozen where the difficulty says so."""
    urban = 1.0 if site.land_cover == "urban" else 0.3
    forest = "forest" in site.land_cover
    dry = site.climate.startswith("B")
    drawn = Attributes(
        cover=p.choose(
            rng, p.COVERS, p.cover_weights(site.land_cover, site.climate, site.temperature_c, site.rain_mm, urban)
        ),
        roof=p.choose(rng, p.ROOFS, p.REGION_ROOFS.get(site.region, (1, 1, 1, 1, 1))),
        water=p.choose(rng, ("none", *p.SIDES), (2, 1, 1, 1, 1)),
        road=p.choose(rng, p.ROADS, (1, 1, 1, 1)),
        trees=p.choose(rng, p.TREES, (3, 3, 1) if dry else (1, 2, 4) if forest else (2, 3, 2)),
        buildings="",
    )
    # Houses never stand in the water, so their side is one of the other three.
    free = tuple(s for s in p.SIDES if s != drawn.water)
    side = p.choose(rng, free, (1,) * len(free))
    values = {**drawn.__dict__, "buildings": side}
    return Attributes(
        **{name: value if name in (difficulty.vary or ()) else getattr(FROZEN, name) for name, value in values.items()}
    )


def attributes_of(site, seed: int = 0, difficulty: Difficulty = LAYOUT) -> Attributes:
    """The attributes of the scene that `build` makes of the same arguments."""
    return draw_attributes(site, rng_of(seed, site.id, "attributes"), difficulty)


def build(site, seed: int = 0, difficulty: Difficulty = LAYOUT) -> Scene:
    """The scene of one row of `sites(...)`. Raises nothing for any valid site; the same arguments give the same
    scene, bit for bit."""
    a = attributes_of(site, seed, difficulty)
    rng = rng_of(seed, site.id, "geometry")
    # --- ground
    cover = p.COVER_RGB[a.cover]
    rural = site.land_cover != "urban"
    # --- roads: the camera drives on its own side of the street, so the axis lies to the other side.
    street = {"north-south": 0.0, "east-west": 90.0, "crossroads": 0.0, "diagonal": 45.0}[a.road]
    heading = street + 180.0 * rng.integers(2)
    half_width = rng.uniform(3.2, 4.6)
    right = 1.0 if site.driving_side != "left" else -1.0
    lane = half_width / 2
    axis = -right * lane * unit(heading + 90)  # where the street's axis passes, from the camera
    streets = [(street, float(axis @ unit(street + 90)), half_width)]
    if a.road == "crossroads":
        streets.append((90.0, rng.uniform(-5, 5), rng.uniform(3.2, 4.6)))
    roads = np.array(streets)
    dirt = rural and rng.random() < 0.35 and site.place_population < 200_000
    yellow = site.region in p.YELLOW_LINE_REGIONS or site.country in p.YELLOW_LINE_COUNTRIES
    # --- water
    water = p.SIDES.index(a.water) * 90.0 if a.water != "none" else np.nan
    shore = rng.uniform(15, 21)
    sea = p.TROPICAL_SEA if site.climate.startswith("A") else p.SEA if site.elevation_m < 60 else p.RIVER
    # --- houses: a cluster on their side, some stragglers far off on dry sides
    tall = site.place_population > 500_000 and site.land_cover == "urban"
    houses = _houses(site, a, rng, roads, water, shore, tall)
    trees, kind = _trees(site, a, rng, roads, water, shore, houses)
    cars = _cars(rng, roads, street)
    ahead, aside = unit(heading), unit(heading + 90) * right
    post = ahead * rng.uniform(8, 10) + aside * (lane + 1.6)
    flagpole = ahead * rng.uniform(9, 11) - aside * (lane + half_width + 1.5)
    in_city = not site.id.startswith("wild")
    return Scene(
        site_id=site.id,
        attributes=a,
        cover_rgb=_jitter(rng, cover),
        texture=np.column_stack([rng.normal(0, 0.25, (4, 2)), rng.uniform(0, 6.28, 4)]),
        crop_angle=rng.uniform(0, 180),
        roads=roads,
        road_rgb=_jitter(rng, p.DIRT if dirt else p.ASPHALT),
        line_rgb=np.array((232, 190, 60) if yellow else (236, 236, 236)) / 255 if not dirt else np.array(p.DIRT) / 255,
        water_azimuth=water,
        shore_m=shore,
        water_rgb=_jitter(rng, sea),
        houses=houses,
        cars=cars,
        trees=trees,
        tree_kind=kind,
        tree_rgb=_jitter(rng, p.tree_rgb(kind, site.season, site.temperature_c), 0.1),
        sun_azimuth=float(site.sun_azimuth_deg),
        sun_elevation=float(site.sun_elevation_deg),
        haze=float(site.haze),
        horizon=np.asarray(site.horizon, float),
        heading=heading % 360,
        town_sign=(site.country, site.city) if in_city and rng.random() < 0.7 else None,
        flag=site.country if in_city and rng.random() < 0.6 else None,
        speed_unit=site.speed_unit,
        driving_side=site.driving_side,
        post=post,
        flagpole=flagpole,
    )


def _road_distance(xy: np.ndarray, roads: np.ndarray) -> np.ndarray:
    """(N, 2) points -> (N,) metres to the nearest road's edge, negative on it."""
    d = [np.abs(xy @ unit(direction + 90) - offset) - half for direction, offset, half in roads]
    return np.min(d, axis=0)


def _dry_distance(xy: np.ndarray, water: float, shore: float) -> np.ndarray:
    return np.full(len(xy), np.inf) if np.isnan(water) else shore - xy @ unit(water)


def _houses(site, a: Attributes, rng, roads, water, shore, tall) -> Boxes:
    side = p.SIDES.index(a.buildings) * 90.0
    n_near, n_far = int(rng.integers(4, 7)), int(rng.integers(0, 3))
    candidates = 90
    along, across = rng.uniform(13, 36, candidates), rng.uniform(-30, 30, candidates)
    near = along[:, None] * unit(side) + across[:, None] * unit(side + 90)
    far_bearing = rng.uniform(100, 260, candidates) + side
    far = rng.uniform(38, 58, candidates)[:, None] * np.stack(
        [np.sin(np.deg2rad(far_bearing)), np.cos(np.deg2rad(far_bearing))], 1
    )
    half = np.column_stack([rng.uniform(4.0, 6.5, candidates), rng.uniform(4.5, 8.0, candidates)])
    chosen: list[tuple[np.ndarray, np.ndarray]] = []
    for pool, want in ((near, n_near), (far, n_far)):
        reach = np.hypot(half[:, 0], half[:, 1])
        ok = (_road_distance(pool, roads) > half.max(1) + 1) & (_dry_distance(pool, water, shore) > reach + 2)
        got = 0
        for i in np.flatnonzero(ok):
            if got == want:
                break
            if all(np.hypot(*(pool[i] - xy)) > reach[i] + np.hypot(*h) - 2 for xy, h in chosen):
                chosen.append((pool[i], half[i]))
                got += 1
    count = len(chosen)
    xy = np.array([c[0] for c in chosen]).reshape(count, 2)
    half = np.array([c[1] for c in chosen]).reshape(count, 2)
    floors = rng.integers(1, 3, count) + (rng.random(count) < (0.5 if tall else 0.1)) * rng.integers(1, 4, count)
    flat = (floors > 2) | (rng.random(count) < (0.5 if site.climate.startswith("B") else 0.15))
    walls = tuple(p.WALL_RGB)
    weights = p.REGION_WALLS.get(site.region, (1,) * len(walls))
    wall = p.choose(rng, walls, weights)
    roof_rgb = np.array([_jitter(rng, p.ROOF_RGB[a.roof], 0.05) for _ in range(count)]).reshape(count, 3)
    wall_rgb = np.array(
        [_jitter(rng, p.WALL_RGB[wall if rng.random() < 0.7 else p.choose(rng, walls, weights)]) for _ in range(count)]
    ).reshape(count, 3)
    street = roads[0, 0]
    return Boxes(
        xy,
        half,
        np.full(count, street) + rng.uniform(-4, 4, count),
        2.9 * floors + 0.6,
        np.where(flat, 0.0, rng.uniform(2.4, 3.6, count)),
        wall_rgb,
        roof_rgb,
    )


def _trees(site, a: Attributes, rng, roads, water, shore, houses: Boxes):
    kind = p.tree_kind(site.climate, site.land_cover)
    want = {"none": 0, "few": int(rng.integers(3, 6)), "many": int(rng.integers(14, 20))}[a.trees]
    candidates = 140
    r, bearing = np.sqrt(rng.uniform(9**2, 46**2, candidates)), rng.uniform(0, 2 * np.pi, candidates)
    xy = r[:, None] * np.stack([np.sin(bearing), np.cos(bearing)], 1)
    radius = rng.uniform(2.2, 3.4, candidates) * (0.9 if kind != "broadleaf" else 1.0)
    ok = (_road_distance(xy, roads) > radius) & (_dry_distance(xy, water, shore) > radius)
    for centre, half in zip(houses.xy, houses.half, strict=True):
        ok &= np.hypot(*(xy - centre).T) > half.min() + radius
    chosen = np.flatnonzero(ok)[:want]
    height = radius * {"broadleaf": 2.4, "conifer": 4.2, "palm": 3.4}[kind]
    return np.column_stack([xy, radius, height])[chosen], kind


def _cars(rng, roads, street) -> Boxes:
    count = int(rng.integers(1, 4))
    along = rng.choice([-1, 1], count) * rng.uniform(12, 40, count)
    kerb = rng.choice([-1, 1], count)  # parked on either side, each in its own driving direction
    axis, half_width = roads[0, 1], roads[0, 2]
    offset = axis + kerb * (half_width - 1.1)
    xy = along[:, None] * unit(street) + offset[:, None] * unit(street + 90)
    rgb = np.array([_jitter(rng, p.CAR_RGB[rng.integers(len(p.CAR_RGB))]) for _ in range(count)])
    return Boxes(
        xy,
        np.tile([0.9, 2.1], (count, 1)),
        np.full(count, street),
        np.full(count, 1.4),
        np.zeros(count),
        rgb,
        rgb * 0.8,
    )
