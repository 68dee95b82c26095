"""The two views of a landscape, and the gap in appearance between them.

Both views read the same ground, boxes, plants and cues. Nothing else is shared: each view has its own hour (shadows),
its own palette, its own haze, and a camera of its own in every city, which mixes the colours (a matrix of condition
number at most CONDITION). So equal colours in the two views do not mean equal things.

A picture is painted far to near (painter's algorithm) on a grid of viewing angles: columns share an azimuth, so walls
stay upright, and a panorama and a street-level photo differ only in that grid. Everything is plain numpy; sizes are the
caller's.

Conventions: images are (height, width, 3) uint8 RGB; a tile has north up; a panorama is an equirectangular band with
north in the middle column and the horizon in the middle row (east is right of north: one looks out from inside);
angles are degrees clockwise from north.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from georeplicate.world import drawing, geometry
from georeplicate.world.difficulty import DEFAULT, Difficulty
from georeplicate.world.geometry import Boxes, rng_of, unit
from georeplicate.world.landscape import (
    EYE_M,
    SIDEWALK_M,
    SOIL_M,
    TILE_M,
    VERGE_M,
    Landscape,
    beside_roads,
)

PANORAMA_RISE = 45.0  # the panorama's band reaches this many degrees above and below the horizon
CONDITION = 3.0
GREY = (0.6, 1.4)  # least and most that a camera makes of a channel of white
MIXING = 0.22  # standard deviation of what a camera adds to the identity before its condition is bounded
SHADOW = 0.4
PALETTE = 0.07  # how far each colour of a view's palette strays, 0..1
EXPOSURE = 0.27  # how far its brightness does: the light of its hour
SLICES = 9  # points at which a roof is met along a ray
RELIEF_DEG = {"flatland": (0.0, 0.0), "hills": (5.0, 2.5), "mountains": (11.0, 8.0)}  # least height and what varies

_RGB = {
    **{"green": (86, 142, 58), "golden": (204, 178, 92), "rusty": (204, 96, 32), "dormant": (146, 138, 130)},
    **{"red": (190, 68, 38), "brown": (116, 92, 72), "black": (46, 44, 48), "pale": (228, 212, 172)},
    **{"tile": (206, 82, 48), "slate": (76, 82, 100), "metal": (74, 142, 206), "earth": (164, 124, 80)},
    **{"white": (246, 246, 240), "yellow": (250, 196, 36), "grain": (226, 192, 72), "paddies": (96, 168, 168)},
    **{"bund": (92, 132, 58), "orchards": (48, 96, 40), "water": (28, 74, 142), "asphalt": (74, 76, 82)},
    **{"pavement": (196, 192, 186), "rock": (150, 146, 142), "dust": (238, 222, 184), "wasteland": (168, 156, 128)},
    **{"broadleaf": (40, 124, 40), "conifers": (14, 42, 62), "palms": (164, 214, 44)},
    **{"umbrella-trees": (190, 172, 62), "scrub": (192, 194, 182)},
}
_ARRAYS = {name: np.array(rgb, np.float32) / 255 for name, rgb in _RGB.items()}
_WINDOW, _TRUNK = np.array((0.20, 0.26, 0.34), np.float32), np.array((0.40, 0.30, 0.22), np.float32)
_LAMPS, _TAIL = np.array((0.97, 0.97, 0.92), np.float32), np.array((0.86, 0.08, 0.10), np.float32)


@dataclass
class _View:
    """A landscape as one camera meets it: colours, sun, and how much air lies between."""

    land: Landscape
    rgb: dict[str, np.ndarray]
    sun_azimuth: float
    to_sun: np.ndarray
    sun_elevation: float
    haze_rgb: np.ndarray
    haze: float

    @property
    def shadow_stretch(self) -> float:
        return float(1 / np.tan(np.deg2rad(self.sun_elevation)))


def tile(land: Landscape, size: int = 48, *, difficulty: Difficulty = DEFAULT, seed: int = 0) -> np.ndarray:
    """North-up aerial picture of TILE_M x TILE_M metres around the camera -> (size, size, 3) uint8."""
    scale = 2 if size <= 512 else 1
    n = size * scale
    view = _view(land, "tile", difficulty, seed)
    centres = ((np.arange(n) + 0.5) / n * TILE_M - TILE_M / 2).astype(np.float32)
    x, y = np.meshgrid(centres, -centres)
    picture = _ground(view, x, y, TILE_M / n)
    picture[_shade(view, x, y, grid=True)] *= SHADOW
    _vehicles_from_above(view, picture, x, y)
    _roofs(view, picture, x, y)
    _crowns(view, picture, x, y)
    return _develop(view, drawing.shrink(picture, scale), difficulty, seed, "tile", drawing.compass_frame)


def panorama(land: Landscape, height: int = 32, *, difficulty: Difficulty = DEFAULT, seed: int = 0) -> np.ndarray:
    """360 degree ground panorama, a band of +-45 degrees -> (height, 4 * height, 3) uint8; north in the middle."""
    scale = 2 if height <= 256 else 1
    h, w = height * scale, 4 * height * scale
    azimuth = (np.arange(w) + 0.5) / w * 360 - 180
    elevation = PANORAMA_RISE - (np.arange(h) + 0.5) / h * 2 * PANORAMA_RISE
    view = _view(land, "panorama", difficulty, seed)
    picture = _look(view, azimuth, np.broadcast_to(elevation[:, None], (h, w)), difficulty)
    return _develop(view, drawing.shrink(picture, scale), difficulty, seed, "panorama", drawing.compass_band)


def crop(
    land: Landscape,
    size: int = 64,
    *,
    heading: float | None = None,
    fov: float = 95.0,
    difficulty: Difficulty = DEFAULT,
    seed: int = 0,
) -> np.ndarray:
    """A perspective picture, a street-level photo, by the panorama's camera -> (size, size, 3) uint8.

    heading: degrees clockwise from north of the picture's middle; None: along the street, give or take 20 degrees
    (drawn from the seed). fov: horizontal and vertical field of view in degrees, 10..120; ValueError otherwise. No
    compass: a street-level photo carries none.
    """
    if heading is None:
        heading = land.heading + rng_of(seed, land.site_id, "heading").uniform(-20, 20)
    scale = 2 if size <= 512 else 1
    azimuth, elevation = geometry.perspective(size * scale, heading, fov)
    view = _view(land, "panorama", difficulty, seed)
    picture = drawing.shrink(_look(view, azimuth, elevation, difficulty), scale)
    return _develop(view, picture, difficulty, seed, "crop", None)


# --- cameras


@lru_cache(maxsize=1024)
def camera(area: str, view: str, seed: int = 0) -> np.ndarray:
    """(3, 3) what the camera of a view makes of RGB in an area: grey stays nearly grey, white within GREY, and the
    condition number is at most CONDITION."""
    rng = rng_of(seed, area, f"camera of the {view}")
    while True:  # scaling rows can negate a picture or make it far too bright: then the matrix is drawn again
        matrix = np.eye(3) + MIXING * rng.standard_normal((3, 3))
        matrix /= matrix.sum(1, keepdims=True) / rng.uniform(0.84, 1.02, (3, 1)) / rng.uniform(0.9, 1.02)
        while np.linalg.cond(matrix) > CONDITION:
            matrix = 0.8 * matrix + 0.2 * np.eye(3) * np.trace(matrix) / 3
        light = matrix.sum(1)
        if GREY[0] <= light.min() and light.max() <= GREY[1]:
            return matrix


def _view(land: Landscape, view: str, difficulty: Difficulty, seed: int) -> _View:
    gap = difficulty.gap
    rng = rng_of(seed, land.site_id, f"palette of the {view}")
    strays = PALETTE * gap
    gains = 1 + strays * rng.uniform(-1, 1, (len(_ARRAYS), 1)) + 0.5 * strays * rng.uniform(-1, 1, (len(_ARRAYS), 3))
    exposure = np.float32(1 + EXPOSURE * gap * rng.uniform(-1.4, 0.6))  # seldom so bright that colours are lost
    rgb = {name: exposure * (a * g).astype(np.float32) for (name, a), g in zip(_ARRAYS.items(), gains)}
    azimuth, elevation = land.sun(view if gap else "", seed)
    haze = exposure * np.array((0.80, 0.86, 0.93), np.float32)
    veil = rng.uniform(0.0, 0.16) * gap if view == "tile" else 0.0
    return _View(land, rgb, azimuth, unit(azimuth), elevation, haze, veil)


def _develop(view: _View, picture, difficulty: Difficulty, seed: int, name: str, compass) -> np.ndarray:
    """Air, colour matrix, light, compass and noise of one camera."""
    if view.haze:
        picture += view.haze * (view.haze_rgb - picture)
    if difficulty.gap:
        mixed = camera(view.land.area, "panorama" if name == "crop" else name, seed)
        matrix = np.eye(3) + difficulty.gap * (mixed - np.eye(3))
        picture = picture @ matrix.T.astype(np.float32)
    rng = rng_of(seed, view.land.site_id, name)
    gain = 1 + difficulty.light * rng.uniform(-1, 1) + 0.35 * difficulty.light * rng.uniform(-1, 1, 3)
    picture = np.clip(picture * gain.astype(np.float32), 0, 1)
    if difficulty.compass and compass:
        compass(picture)
    picture = picture + np.float32(difficulty.noise) * rng.standard_normal(picture.shape, np.float32)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


# --- ground


_GROUND = ("growth", "soil", "grain", "paddies", "bund", "orchards", "waste", "bare", "dust", "water", "rock",
           "pavement", "asphalt", "paint")  # fmt: skip
_KIND = {name: np.uint8(i) for i, name in enumerate(_GROUND)}


def _ground(view: _View, x: np.ndarray, y: np.ndarray, metres_per_pixel: float) -> np.ndarray:
    """Colour of the ground at (x, y) metres, without shadows; x and y of one shape -> shape + (3,).

    Each point is given a kind of ground and its brightness; colours are looked up once, at the end.
    """
    land, rgb, c = view.land, view.rgb, view.land.cues
    waves = land.texture.astype(np.float32)
    sines = [np.sin(kx * x + ky * y + phase) for kx, ky, phase in waves[:3]]
    beside = beside_roads(x, y, land.roads)
    walk = np.float32(SIDEWALK_M if c.sidewalk == "yes" else 0.0)
    strip = beside - walk
    kind, light = _field(view, x, y)
    verge = strip < SOIL_M + VERGE_M
    kind[verge], light[verge] = _KIND["growth"], 1
    if c.wetness == "dry":  # bare, cracked patches
        bare = sines[0] + sines[1] * sines[2] > 0.4
        kind[bare], light[bare] = _KIND["bare"], 1
    shores = [np.hypot(x - px, y - py) - r for px, py, r in land.ponds.astype(np.float32)]
    if shores:  # ponds that touch become one
        shore = np.min(shores, axis=0)
        kind[shore < 0.9], light[shore < 0.9] = _KIND["dust"], 1
        wet = shore < 0
        kind[wet], light[wet] = _KIND["water"], 1 + 0.06 * np.sin(2 * y[wet])
    for px, py, r in land.rocks.astype(np.float32):
        rock = (x - px) ** 2 + (y - py) ** 2 < r**2
        kind[rock], light[rock] = _KIND["rock"], 1 + 0.3 * np.sign(x[rock] - px + py - y[rock])
    soil = strip < SOIL_M
    kind[soil], light[soil] = _KIND["soil"], 1
    light *= 1 + 0.018 * (sines[0] + sines[1] + sines[2]) + _slopes(c.relief, x, y, land.texture)
    if walk:
        paved = beside < walk
        kind[paved], light[paved] = _KIND["pavement"], 1
        if metres_per_pixel < 0.25:
            light[paved & (((x + y) / 2) % 1 < 0.14)] = 0.86
    _streets(view, kind, light, x, y, beside, metres_per_pixel)
    colours = rgb | {
        "growth": rgb[c.growth],
        "soil": rgb[c.soil],
        "waste": 0.45 * rgb[c.soil] + 0.55 * rgb["wasteland"],
        "bare": 0.3 * rgb[c.soil] + 0.7 * (rgb["dust"] if c.soil != "pale" else rgb["earth"]),
        "paint": rgb[c.line],
    }
    return np.stack([colours[name] for name in _GROUND]).astype(np.float32)[kind] * light[..., None]


def _field(view: _View, x, y) -> tuple[np.ndarray, np.ndarray]:
    """What grows beyond the verge: kind of ground and brightness at each point."""
    land, field = view.land, view.land.cues.field
    a = np.deg2rad(land.field_angle)
    u = x * np.float32(np.cos(a)) + y * np.float32(np.sin(a))
    v = y * np.float32(np.cos(a)) - x * np.float32(np.sin(a))
    light = np.ones(x.shape, np.float32)
    if field == "pasture":
        return np.full(x.shape, _KIND["growth"]), light
    if field == "grain":
        return np.where((u / 6) % 1 < 0.3, _KIND["soil"], _KIND["grain"]), light
    if field == "paddies":
        return np.where(((u / 11) % 1 < 0.18) | ((v / 14) % 1 < 0.14), _KIND["bund"], _KIND["paddies"]), light
    if field == "orchards":
        r2 = ((u / 6.5) % 1 - 0.5) ** 2 + ((v / 6.5) % 1 - 0.5) ** 2
        bush = r2 < 0.11
        light[bush] = 1.15 - 3 * r2[bush]
        return np.where(bush, _KIND["orchards"], _KIND["soil"]), light
    light[np.sin(3.1 * u) * np.sin(2.7 * v) > 0.82] = 0.72  # stones
    return np.full(x.shape, _KIND["waste"]), light


def _slopes(relief: str, x, y, texture) -> np.ndarray | np.float32:
    """Light and dark of the land's own shape, lit from the north-west as maps are."""
    if relief == "flatland":
        return np.float32(0)
    phase = texture[:2, 2].astype(np.float32)
    if relief == "hills":
        return 0.36 * np.sin((x - y) / 4.6 + phase[0] + np.sin((x + y) / 14 + phase[1]))
    ridge = np.sin((x - y) / 2.3 + 2.2 * np.sin((x + y) / 13 + phase[1]) + phase[0])
    return 0.34 * np.clip(2.2 * ridge, -1, 1)


def _streets(view: _View, kind, light, x, y, beside, metres_per_pixel: float) -> None:
    on = np.nonzero(beside < 0)
    x, y = x[on], y[on]
    here = np.full(len(x), _KIND["asphalt"])
    axes = [(unit(angle + 90).astype(np.float32), np.float32(offset), half) for angle, offset, half in view.land.roads]
    offs = [np.abs(x * e + y * n - offset) for (e, n), offset, _ in axes]
    for k, ((e, n), _, half) in enumerate(axes):
        line = (offs[k] < max(0.5, metres_per_pixel * 0.5)) & (((y * e - x * n) / 7) % 1 < 0.72)
        line |= np.abs(offs[k] - (half - 0.5)) < max(0.2, metres_per_pixel * 0.3)
        for other in range(len(axes)):  # no paint where streets cross
            if other != k:
                line &= offs[other] > axes[other][2] + 0.4
        here[line & (offs[k] < half)] = _KIND["paint"]
    kind[on], light[on] = here, 1


def _shade(view: _View, x, y, *, grid: bool = False) -> np.ndarray:
    land, sun, stretch = view.land, view.to_sun, view.shadow_stretch
    return geometry.shadow_mask((land.houses, land.vehicles), land.trees, sun, stretch, x, y, grid=grid)


# --- from the air


def _vehicles_from_above(view: _View, picture, x, y) -> None:
    boxes = view.land.vehicles
    for i in range(len(boxes.xy)):
        part = geometry.around(x, y, boxes.xy[i], 5.0)
        qx, qy = geometry.box_frame(boxes, i, x[part], y[part])
        hx, hy = boxes.half[i]
        inside = (np.abs(qx) < hx) & (np.abs(qy) < hy)
        picture[part][inside] = _livery(boxes.roof[i], qy[inside] / hy)


def _livery(body, along) -> np.ndarray:
    """Colours along a vehicle from its tail (-1) to its lamps (1): -> shape + (3,)."""
    return np.where(along[..., None] > 0.08, _LAMPS, np.where(along[..., None] < -0.08, _TAIL, body))


def _lean(form: str, qx, qy, hx: float, hy: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A roof at (qx, qy) of its house's frame: (height as a share of the rise, lean towards x, lean towards y)."""
    if form == "gabled":
        return 1 - np.abs(qx) / hx, np.sign(qx), np.zeros_like(qx)
    from_side, from_end = (hx - np.abs(qx)) / hx, (hy - np.abs(qy)) / hx
    side = from_side < from_end
    return np.minimum(from_side, from_end), np.where(side, np.sign(qx), 0), np.where(side, 0, np.sign(qy))


def _lit(view: _View, angle: float, lean_x, lean_y) -> np.ndarray:
    """Light on a slope; sides lit from the north-west besides, so that edges show under an overhead sun as well."""
    a = np.deg2rad(angle)
    light = 0.8 * view.to_sun * np.cos(np.deg2rad(view.sun_elevation)) + 0.35 * unit(315.0)
    return 0.9 + 0.5 * (lean_x * (light @ (np.cos(a), -np.sin(a))) + lean_y * (light @ (np.sin(a), np.cos(a))))


def _roof(view: _View, angle: float, qx, qy, hx: float, hy: float) -> tuple[np.ndarray, np.ndarray]:
    """A roof at (qx, qy) of its house's frame: (height as a share of the rise, brightness). Each form has a mark that a
    small picture can hold: pale parapet and dark hut of a flat roof, two halves of a gabled one, pale cap of a hipped
    one."""
    form = view.land.cues.roof
    if form == "flat":
        edge = np.minimum(hx - np.abs(qx), hy - np.abs(qy))
        hut = (np.abs(qx + 0.2 * hx) < 0.3 * hx) & (np.abs(qy - 0.25 * hy) < 0.25 * hy)
        return np.zeros_like(qx), np.where(edge < 1.1, 1.35, np.where(hut, 0.35, 0.8))
    height, lean_x, lean_y = _lean(form, qx, qy, hx, hy)
    shade = _lit(view, angle, lean_x, lean_y)
    if form == "gabled":
        return height, np.where(shade > _lit(view, angle, 0.0, 0.0), 1.35, 0.55)  # a bright half and a dark one
    return height, np.where(height > 0.5, 1.4, 0.7 * shade)


def _roofs(view: _View, picture, x, y) -> None:
    boxes = view.land.houses
    colour = view.rgb[view.land.cues.roofing]
    for i in range(len(boxes.xy)):
        hx, hy = boxes.half[i]
        part = geometry.around(x, y, boxes.xy[i], np.hypot(hx, hy))
        qx, qy = geometry.box_frame(boxes, i, x[part], y[part])
        inside = (np.abs(qx) < hx) & (np.abs(qy) < hy)
        _, shade = _roof(view, boxes.angle[i], qx[inside], qy[inside], hx, hy)
        picture[part][inside] = colour * boxes.roof[i] * shade[:, None]


def _crowns(view: _View, picture, x, y) -> None:
    kind = view.land.cues.vegetation
    colour = _crown_rgb(view)
    for tx, ty, radius, _ in view.land.trees:
        part = geometry.around(x, y, (tx, ty), radius)
        dx, dy = (x[part] - tx) / radius, (y[part] - ty) / radius
        r2 = dx**2 + dy**2
        if kind == "palms":
            reach = r2 * (1 + 2.6 * np.cos(np.arctan2(dy, dx) * 3) ** 2)
        elif kind == "conifers":
            reach = r2 * (1 + 0.35 * np.cos(np.arctan2(dy, dx) * 4) ** 2)
        else:
            reach = r2
        inside = reach < 1
        toward = dx[inside] * view.to_sun[0] + dy[inside] * view.to_sun[1]
        light = 1 + (0.4 if kind == "broadleaf" else 0.15) * toward
        if kind == "conifers":
            light = np.where(r2[inside] < 0.12, 3.0, light)  # the tip
        elif kind == "umbrella-trees":
            light = np.where(r2[inside] < 0.2, 0.5, 1.08)  # the stem shows through
        picture[part][inside] = colour * light[:, None]


def _crown_rgb(view: _View) -> np.ndarray:
    """Leaves take on the season, broad ones most."""
    c, rgb = view.land.cues, view.rgb
    own = rgb[c.vegetation]
    if c.growth == "green":
        return own
    share = {"broadleaf": 0.55, "umbrella-trees": 0.25, "scrub": 0.2}.get(c.vegetation, 0.1)
    return own + np.float32(share) * (rgb[c.growth] * 0.85 - own)


# --- from the ground


def _fade(view: _View, colour, distance):
    share = 1 - np.exp(-distance * (max(view.land.haze, 1.0) / 1600))
    return colour + share * (view.haze_rgb - colour)


def _look(view: _View, azimuth, elevation, difficulty: Difficulty) -> np.ndarray:
    """Paint the view from the camera, far to near. azimuth (W,), elevation (H, W) in degrees -> (H, W, 3)."""
    azimuth, elevation = azimuth.astype(np.float32), elevation.astype(np.float32)
    az = np.deg2rad(azimuth)
    direction = np.stack([np.sin(az), np.cos(az)], 1)
    slope = np.tan(np.deg2rad(elevation))
    picture = _sky(view, azimuth, elevation)
    _skyline(view, picture, azimuth, elevation)
    rows, columns = np.nonzero(slope < -0.02)
    distance = -EYE_M / slope[rows, columns]
    x, y = distance * direction[columns, 0], distance * direction[columns, 1]
    step = float(np.median(np.abs(np.diff(slope[:, 0]))))
    colour = _ground(view, x, y, step * 6)
    near = np.flatnonzero(distance < 50)
    colour[near[_shade(view, x[near], y[near])]] *= SHADOW
    picture[rows, columns] = _fade(view, colour, distance[:, None])
    rows, columns = np.nonzero((slope >= -0.02) & (elevation < 0))
    picture[rows, columns] = _fade(view, view.rgb[view.land.cues.growth], 250.0)
    detail = float(np.abs(np.diff(azimuth[:2])[0])) < 0.7
    land = view.land
    things = [(float(np.hypot(*xy)), _paint_house, i) for i, xy in enumerate(land.houses.xy)]
    things += [(float(np.hypot(*xy)), _paint_vehicle, i) for i, xy in enumerate(land.vehicles.xy)]
    things += [(float(np.hypot(*tree[:2])), _paint_tree, i) for i, tree in enumerate(land.trees)]
    for _, paint, i in sorted(things, key=lambda thing: -thing[0]):
        paint(view, picture, direction, slope, i, detail)
    if difficulty.boards:
        for where, board, bottom, width in drawing.boards(land.country, land.town, land.post, land.flagpole):
            drawing.paint_board(EYE_M, picture, direction, slope, where, board, bottom, width)
    return np.clip(picture, 0, 1)


def _sky(view: _View, azimuth, elevation) -> np.ndarray:
    """Blue, whiter towards the horizon and the sun; clouds where the land is damp or wet. Below: haze."""
    land, wetness = view.land, view.land.cues.wetness
    picture = np.empty((*elevation.shape, 3), np.float32)
    picture[:] = view.haze_rgb
    rows = np.flatnonzero(elevation.max(1) > -0.5)  # of the upper half alone
    above = elevation[rows]
    up = np.clip(above / 45, 0, 1)[..., None] ** np.float32(0.7)
    sky = view.haze_rgb + up * (np.array((0.30, 0.52, 0.84), np.float32) - view.haze_rgb)
    if wetness != "dry":
        a, e = np.deg2rad(azimuth)[None, :], np.maximum(above, 0) / 7
        t = land.texture[:, 2].astype(np.float32)
        bands = np.sin(2 * a + t[0] + 1.3 * np.sin(0.9 * e + t[1])) + 0.8 * np.sin(5 * a + t[2] + np.sin(2 * e + t[3]))
        puffs = bands * np.sin(1.1 * e + t[4] + np.sin(3 * a + t[5])) + 0.25 * np.sin(17 * a + 2 * e)
        cover = np.clip((puffs - (0.45 if wetness == "damp" else -0.5)) * 1.2, 0, 0.85)[..., None]
        white = np.array((0.93, 0.94, 0.96) if wetness == "damp" else (0.74, 0.77, 0.80), np.float32)
        sky += cover * (white - sky)
    if view.sun_elevation < 80:
        turn = np.float32(np.cos(np.deg2rad(view.sun_elevation)))
        away = ((azimuth - np.float32(view.sun_azimuth) + 180) % 360 - 180)[None, :] * turn
        angle2 = away**2 + (above - np.float32(view.sun_elevation)) ** 2
        glow = np.clip(0.75 * np.exp(-angle2 / 800) + (angle2 < 9), 0, 1)[..., None].astype(np.float32)
        sky += glow * (np.array((1.0, 0.97, 0.84), np.float32) - sky)
    picture[rows] = sky
    return picture


def _skyline(view: _View, picture, azimuth, elevation) -> None:
    land, c = view.land, view.land.cues
    least, varies = RELIEF_DEG[c.relief]
    if not least:
        return
    bearings = np.arange(len(land.horizon) + 1) * 360 / len(land.horizon)
    true = np.interp(azimuth % 360, bearings, np.append(land.horizon, land.horizon[0])) / max(land.horizon.max(), 0.1)
    t = land.texture[:, 2]
    if c.relief == "hills":
        crest = least + varies * (0.6 * true + 0.4 * np.sin(np.deg2rad(azimuth * 4) + t[0]))
    else:
        teeth = np.abs((azimuth / 23 + t[0]) % 2 - 1) + 0.5 * np.abs((azimuth / 9 + t[1]) % 2 - 1)
        crest = least + varies * (0.5 * true + 0.7 * teeth - 0.3)
    mask = (elevation < crest) & (elevation >= -0.5)
    base = view.rgb[c.growth] if c.relief == "hills" else view.rgb["rock"] * 0.75
    colour = np.broadcast_to(0.55 * base + 0.45 * view.haze_rgb * 0.8, picture.shape)
    picture[mask] = colour[mask]
    if c.relief == "mountains":
        snow = mask & (elevation > crest - 3.5) & (elevation > 10)
        picture[snow] = 0.93


def _ahead(direction, x: float, y: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns that see something of half width `reach` at (x, y), and how far aside of it they pass, in metres."""
    aside = direction[:, 0] * y - direction[:, 1] * x
    columns = np.flatnonzero((direction[:, 0] * x + direction[:, 1] * y > 0) & (np.abs(aside) < reach))
    return columns, aside[columns]


def _band(slope, columns, distance: float, low: float, high: float) -> slice:
    """Rows that can hold anything between `low` and `high` metres of height, no nearer than `distance`."""
    here = slope[:, columns[[0, len(columns) // 2, -1]]]  # falls from row to row
    least, most = (low - EYE_M) / distance - 0.1, max((high - EYE_M) / distance, 0.0) + 0.1
    rows = np.flatnonzero((here.max(1) >= least) & (here.min(1) <= most))
    return slice(rows[0], rows[-1] + 1) if len(rows) else slice(0, 0)


def _put(view: _View, picture, mask, columns, colour, distance) -> None:
    """colour: (..., 3) that broadcasts to mask's shape; distance: of each column, or one."""
    rows, at = np.nonzero(mask)
    paint = np.broadcast_to(colour, (*mask.shape, 3))[rows, at]
    far = distance[at][:, None] if np.ndim(distance) else distance
    picture[rows, columns[at]] = _fade(view, paint, far)


def _entry(boxes: Boxes, i: int, direction):
    """Columns that meet box i: (columns, t where their rays enter, where they leave, entered through a long side)."""
    x, y = boxes.xy[i]
    seen, _ = _ahead(direction, x, y, float(np.hypot(*boxes.half[i])))
    t_in, t_out, side = geometry.slab(boxes, i, 0.0, 0.0, direction[seen, 0], direction[seen, 1])
    hit = (t_in < t_out) & (t_in > 0.8)
    return seen[hit], t_in[hit], t_out[hit], side[hit]


def _paint_house(view: _View, picture, direction, slope, i: int, detail: bool) -> None:
    boxes, c = view.land.houses, view.land.cues
    columns, near, far, side = _entry(boxes, i, direction)
    if not len(columns):
        return
    eaves, rise = boxes.height[i], boxes.rise[i]
    hx, hy = boxes.half[i]
    band = _band(slope, columns, float(near.min()), 0.0, eaves + rise)
    picture, toward, here = picture[band], direction[columns], slope[band, columns]
    colour = view.rgb[c.roofing] * boxes.roof[i]
    # what stands behind the wall's top: the roof, met at SLICES points of each ray
    share = (np.arange(SLICES) + 0.5) / SLICES
    t = near[:, None] + (far - near)[:, None] * share
    qx, qy = geometry.box_frame(boxes, i, t * toward[:, :1], t * toward[:, 1:])
    height, light = _roof(view, boxes.angle[i], qx, qy, hx, hy)
    tops = (eaves + rise * height - EYE_M) / t
    met = here[..., None] < tops[None]
    first = met.argmax(-1)
    seen = met.any(-1) & (here > (eaves - 0.2 - EYE_M) / near)
    _put(view, picture, seen, columns, colour * light[np.arange(len(columns)), first][..., None], near)
    # the wall, up to the eaves, or on a gable's end up to the roof
    ex, ey = geometry.box_frame(boxes, i, near * toward[:, 0], near * toward[:, 1])
    top = eaves + (rise * np.clip(1 - np.abs(ex) / hx, 0, 1) * ~side if c.roof == "gabled" else 0.0)
    z = here * near + EYE_M
    wall = (z > 0) & (z < top)
    a = np.deg2rad(boxes.angle[i])
    axis = np.where(side[:, None], (np.cos(a), -np.sin(a)), (np.sin(a), np.cos(a)))
    facing = -np.sign((axis * toward).sum(1, keepdims=True)) * axis
    light = 0.82 + 0.2 * (facing @ view.to_sun)
    painted = boxes.wall[i] * light[None, :, None] * np.ones((*z.shape, 1))
    if detail:
        along = np.where(side, ey, ex)
        pane = (np.abs((along / 2.6) % 1 - 0.5) < 0.2)[None, :] & (np.abs((z / 2.9) % 1 - 0.55) < 0.22)
        painted = np.where((pane & (z < eaves - 0.4))[..., None], _WINDOW, painted)
    if not rise:  # a parapet in the roofing's colour, and what stands on the roof
        painted = np.where((z > eaves - 0.9)[..., None], colour * 0.7, painted)
    _put(view, picture, wall, columns, painted, near)


def _paint_vehicle(view: _View, picture, direction, slope, i: int, detail: bool) -> None:
    boxes = view.land.vehicles
    columns, near, far, side = _entry(boxes, i, direction)
    if not len(columns):
        return
    hy, top = boxes.half[i, 1], boxes.height[i]
    band = _band(slope, columns, float(near.min()), 0.0, top)
    picture, toward, here = picture[band], direction[columns], slope[band, columns]
    z = here * near + EYE_M
    _, qy = geometry.box_frame(boxes, i, near * toward[:, 0], near * toward[:, 1])
    painted = _livery(boxes.wall[i], qy / hy)[None] * np.ones((*z.shape, 1))
    if detail:
        glass = (np.abs(z - 1.7) < 0.4) & (np.abs(qy) < 0.94 * hy)[None, :]
        painted = np.where(glass[..., None], _WINDOW, painted)
    roof = (here < (top - EYE_M) / far) & (z >= top)
    at = np.clip(np.abs((top - EYE_M) / np.minimum(here, -1e-3)), near, far)  # where each ray meets the roof
    _, along = geometry.box_frame(boxes, i, at * toward[:, 0], at * toward[:, 1])
    _put(view, picture, roof, columns, _livery(boxes.roof[i], along / hy), near)
    _put(view, picture, (z > 0.25) & (z < top), columns, painted, near)


def _paint_tree(view: _View, picture, direction, slope, i: int, detail: bool) -> None:
    tx, ty, radius, height = view.land.trees[i]
    kind = view.land.cues.vegetation
    distance = float(np.hypot(tx, ty))
    columns, aside = _ahead(direction, tx, ty, radius * 1.05)
    if not len(columns):
        return
    band = _band(slope, columns, distance, 0.0, height + radius)
    picture, u, z = picture[band], aside[None, :], slope[band, columns] * distance + EYE_M
    if kind == "conifers":
        crown = (z > 0.12 * height) & (np.abs(u) < radius * (height - z) / (0.88 * height))
        if detail:  # whorls of branches
            crown &= np.abs(u) < radius * ((height - z) / (0.88 * height) - 0.12 * ((z / 1.4) % 1))
    elif kind == "palms":
        dz = (z - (height - 0.4 * radius)) / radius + 0.5 * (u / radius) ** 2
        crown = (u / radius) ** 2 + 1.6 * dz**2 < 0.3 + 0.7 * np.cos(3 * np.arctan2(dz, u)) ** 2
    elif kind == "umbrella-trees":
        crown = (u / radius) ** 2 + ((z - height) / (0.34 * radius)) ** 2 < 1
        crown &= z > height - 0.2 * radius
    else:
        centre = height - radius if kind == "broadleaf" else 0.4 * radius
        crown = (u / radius) ** 2 + ((z - centre) / radius) ** 2 < 1
        crown &= z > 0
    right = np.array([ty, -tx]) / distance
    light = 0.92 + 0.22 * (u / radius) * (right @ view.to_sun) + 0.12 * (z - height / 2) / height
    if kind != "scrub":
        trunk = (np.abs(u) < max(0.1 * radius, 0.28)) & (z > 0) & (z < height * (0.95 if kind != "broadleaf" else 0.6))
        _put(view, picture, trunk, columns, _TRUNK, distance)
    _put(view, picture, crown, columns, _crown_rgb(view) * light[..., None], distance)
