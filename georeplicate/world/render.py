"""One scene, seen from the ground and from the air.

All views read the same ground and the same boxes, crowns and sun, so shadows, colours and places agree between
them by construction. A picture is painted far to near (painter's algorithm) on a grid of viewing angles: columns
share an azimuth, so walls stay upright, and a panorama and a street-level photo differ only in that grid. Everything is
plain numpy; sizes are the caller's.

Conventions: images are (height, width, 3) uint8 RGB; a tile has north up; a panorama is an equirectangular band with
north in the middle column and the horizon in the middle row (east is right of north: one looks out from inside);
angles are degrees clockwise from north.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from georeplicate.world import palette
from georeplicate.world.scene import EYE_M, LAYOUT, TILE_M, Boxes, Difficulty, Scene, rng_of

SHADOWS_WITHIN_M = 80.0  # of the camera; ground further off is drawn without shadows
PANORAMA_RISE = 45.0  # the panorama's band reaches this many degrees above and below the horizon
RELIEF_GAIN = 2.0  # the horizon's true elevation angles, exaggerated so that a small picture can show them
SHADOW = 0.52
BEACH, PAVEMENT, CROP_SOIL = (
    np.array(rgb, np.float32) / 255 for rgb in (palette.BEACH, palette.PAVEMENT, palette.CROP_SOIL)
)
DATA = Path(__file__).parent / "data"


def tile(scene: Scene, size: int = 48, *, difficulty: Difficulty = LAYOUT, seed: int = 0) -> np.ndarray:
    """North-up aerial picture of TILE_M x TILE_M metres around the camera -> (size, size, 3) uint8."""
    scale = 2 if size < 256 else 1
    n = size * scale
    centres = (np.arange(n) + 0.5) / n * TILE_M - TILE_M / 2
    x, y = np.meshgrid(centres, -centres)
    picture = _ground(scene, x, y, TILE_M / n)
    _shadows(scene, picture, x, y)
    for boxes in (scene.cars, scene.houses):
        _roofs(scene, picture, x, y, boxes)
    _crowns(scene, picture, x, y)
    picture = shrink(picture, scale)
    if difficulty.compass:
        compass_frame(picture)
    return _expose(scene, picture, difficulty, seed, "tile")


def panorama(scene: Scene, height: int = 32, *, difficulty: Difficulty = LAYOUT, seed: int = 0) -> np.ndarray:
    """360 degree ground panorama, a band of +-45 degrees -> (height, 4 * height, 3) uint8; north in the middle."""
    scale = 2 if height < 256 else 1
    h, w = height * scale, 4 * height * scale
    azimuth = (np.arange(w) + 0.5) / w * 360 - 180
    elevation = PANORAMA_RISE - (np.arange(h) + 0.5) / h * 2 * PANORAMA_RISE
    picture = look(scene, azimuth, np.broadcast_to(elevation[:, None], (h, w)), difficulty)
    picture = shrink(picture, scale)
    if difficulty.compass:
        compass_band(picture)
    return _expose(scene, picture, difficulty, seed, "panorama")


def crop(
    scene: Scene,
    size: int = 64,
    *,
    heading: float | None = None,
    fov: float = 95.0,
    difficulty: Difficulty = LAYOUT,
    seed: int = 0,
) -> np.ndarray:
    """A perspective picture, a street-level photo -> (size, size, 3) uint8.

    heading: degrees clockwise from north of the picture's middle; None: along the street, give or take 20 degrees
    (drawn from the seed). fov: horizontal and vertical field of view in degrees, 10..120; the default is a wide-angle
    lens, in which the flag beside the street mostly stands. No compass: a street-level photo carries none.
    """
    if heading is None:
        heading = scene.heading + rng_of(seed, scene.site_id, "heading").uniform(-20, 20)
    scale = 2 if size < 256 else 1
    azimuth, elevation = perspective(size * scale, heading, fov)
    picture = shrink(look(scene, azimuth, elevation, difficulty), scale)
    return _expose(scene, picture, difficulty, seed, "crop")


def perspective(n: int, heading: float, fov: float) -> tuple[np.ndarray, np.ndarray]:
    """Viewing angles of an n x n pinhole picture -> azimuth (n,) and elevation (n, n) in degrees.

    ValueError for a field of view outside 10..120 degrees.
    """
    if not 10 <= fov <= 120:
        raise ValueError(f"crop: fov={fov} degrees; expected 10 to 120")
    u = ((np.arange(n) + 0.5) / n * 2 - 1) * np.tan(np.deg2rad(fov / 2))
    aside = np.arctan(u)
    return heading + np.rad2deg(aside), np.rad2deg(np.arctan(-u[:, None] * np.cos(aside)[None, :]))


def look(scene: Scene, azimuth: np.ndarray, elevation: np.ndarray, difficulty: Difficulty = LAYOUT) -> np.ndarray:
    """Paint the view from the camera. azimuth (W,) and elevation (H, W) in degrees -> (H, W, 3) float colours in
    0..1."""
    az = np.deg2rad(azimuth)
    direction = np.stack([np.sin(az), np.cos(az)], 1)  # (W, 2) east, north
    slope = np.tan(np.deg2rad(elevation))  # (H, W) rise per metre
    picture = _sky(scene, azimuth, elevation)
    _relief(scene, picture, azimuth, elevation)
    _floor(scene, picture, direction, slope)
    detail = float(np.abs(np.diff(azimuth[:2])[0])) < 0.7  # windows and kerbs only where a pixel can hold them
    things: list[tuple[float, Callable[..., None], tuple]] = [
        (float(np.hypot(*xy)), _paint_box, (boxes, i, detail))
        for boxes in (scene.houses, scene.cars)
        for i, xy in enumerate(boxes.xy)
    ]
    things += [(float(np.hypot(*tree[:2])), _paint_tree, (tree,)) for tree in scene.trees]
    things += [(float(np.hypot(*board[0])), _paint_board, board) for board in _boards(scene, difficulty)]
    for _, paint, arguments in sorted(things, key=lambda thing: -thing[0]):
        paint(scene, picture, direction, slope, *arguments)
    return np.clip(picture, 0, 1)


# --- ground


def _ground(scene: Scene, x: np.ndarray, y: np.ndarray, metres_per_pixel: float) -> np.ndarray:
    """Colour of the ground at (x, y) metres, without shadows; x and y of one shape -> shape + (3,)."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    texture = scene.texture.astype(np.float32)
    mottle = 0.025 * sum(np.sin(kx * x + ky * y + phase) for kx, ky, phase in texture[:3])
    out = (scene.cover_rgb * (1 + mottle[..., None])).astype(np.float32)
    cover = scene.attributes.cover
    if cover == "crops":
        a = np.deg2rad(scene.crop_angle)
        furrow = ((x * np.float32(np.cos(a)) + y * np.float32(np.sin(a))) / 7) % 1 < 0.48
        out[furrow] = CROP_SOIL * (1 + mottle[furrow][:, None])
    elif cover == "paved":
        out[(np.abs((x / 6) % 1 - 0.5) > 0.46) | (np.abs((y / 6) % 1 - 0.5) > 0.46)] *= 0.88
    if not np.isnan(scene.water_azimuth):
        (sin, cos), t = _sincos(scene.water_azimuth), texture[:, 2]
        u, v = x * sin + y * cos, x * cos - y * sin
        shore = scene.shore_m + 1.3 * np.sin(v / 9 + t[0]) + 0.7 * np.sin(v / 4 + t[1])
        out[u > shore - 2.0] = BEACH
        wet = u > shore
        out[wet] = scene.water_rgb * (1 + 0.03 * np.sin(u[wet] * 0.9 + v[wet] * 0.2 + t[2]))[:, None]
    for k, (angle, offset, half) in enumerate(scene.roads[::-1]):
        sin, cos = _sincos(angle)
        across = x * cos - y * sin - np.float32(offset)
        off = np.abs(across)
        fine = metres_per_pixel < 0.7
        if fine:
            out[off < half + 1.3] = PAVEMENT
        road = np.nonzero(off < half)
        out[road] = scene.road_rgb * (1 + 0.5 * mottle[road])[:, None]
        off, along = off[road], (x[road] * sin + y[road] * cos) % 6
        line = (off < max(0.14, metres_per_pixel * 0.3)) & (along < 3.4)
        if fine and k == len(scene.roads) - 1:
            line |= np.abs(off - (half - 0.35)) < 0.09
        out[tuple(axis[line] for axis in road)] = scene.line_rgb
    return out


def _sincos(angle_deg: float) -> tuple[np.float32, np.float32]:
    a = np.deg2rad(angle_deg)
    return np.float32(np.sin(a)), np.float32(np.cos(a))


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


def _shadow_mask(scene: Scene, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which of the points (x, y), of any shape, lie in the shadow of a house, a car or a tree."""
    return shadow_mask((scene.houses, scene.cars), scene.trees, scene.to_sun, scene.shadow_stretch, x, y)


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
    """The same for boxes and trees (T, 4: x, y, crown radius, height) under a sun: (2,) unit vector towards it, metres
    of shadow per metre of height. grid: x and y are a tile's, which makes finding the points near a thing quick."""
    mask = np.zeros(x.shape, bool)
    flat_x, flat_y, flat = (x, y, mask) if grid else (x.ravel(), y.ravel(), mask.ravel())

    def near_strip(centre, reach, shift):
        if grid:
            return around(x, y, np.asarray(centre) + shift / 2, reach * 1.1 + np.hypot(*shift) / 2)
        return within(flat_x, flat_y, centre, reach, shift)

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


def within(x, y, centre, reach, shift):
    """Indices of the points near the strip that a shadow can cover."""
    lo = np.minimum(0, shift) - reach * 1.6
    hi = np.maximum(0, shift) + reach * 1.6
    return np.flatnonzero(
        (x > centre[0] + lo[0]) & (x < centre[0] + hi[0]) & (y > centre[1] + lo[1]) & (y < centre[1] + hi[1])
    )


def _shadows(scene: Scene, picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    picture[_shadow_mask(scene, x, y)] *= SHADOW


def _floor(scene: Scene, picture: np.ndarray, direction: np.ndarray, slope: np.ndarray) -> None:
    """Ground below the horizon, fading into haze."""
    rows, columns = np.nonzero(slope < -0.004)
    distance = -EYE_M / slope[rows, columns]
    x, y = distance * direction[columns, 0], distance * direction[columns, 1]
    step = np.median(np.abs(np.diff(slope[:, 0])))  # metres a pixel spans at one metre
    colour = _ground(scene, x, y, float(step) * 8)
    near = np.flatnonzero(distance < SHADOWS_WITHIN_M)
    colour[near[_shadow_mask(scene, x[near], y[near])]] *= SHADOW
    picture[rows, columns] = _fade(scene, colour, distance[:, None])


# --- from the air


def around(x: np.ndarray, y: np.ndarray, centre, reach: float) -> tuple[slice, slice]:
    """The part of a regular grid (x grows along columns, y falls along rows) within `reach` metres of `centre`."""
    columns = np.searchsorted(x[0], (centre[0] - reach, centre[0] + reach))
    rows = np.searchsorted(-y[:, 0], (-centre[1] - reach, -centre[1] + reach))
    return slice(*rows), slice(*columns)


def box_frame(boxes: Boxes, i: int, x, y):
    """Coordinates (x, y) in metres, seen from box i: along its length and across."""
    a = np.deg2rad(boxes.angle[i])
    px, py = x - boxes.xy[i, 0], y - boxes.xy[i, 1]
    return np.cos(a) * px - np.sin(a) * py, np.sin(a) * px + np.cos(a) * py


def _roofs(scene: Scene, picture, x, y, boxes: Boxes) -> None:
    sun = scene.to_sun
    for i in range(len(boxes.xy)):
        window = around(x, y, boxes.xy[i], np.hypot(*boxes.half[i]))
        qx, qy = box_frame(boxes, i, x[window], y[window])
        hx, hy = boxes.half[i]
        inside = (np.abs(qx) < hx) & (np.abs(qy) < hy)
        shade = np.ones(int(inside.sum()))
        if boxes.rise[i] > 0:  # hipped: four slopes, each lit by how far it leans to the sun
            a = np.deg2rad(boxes.angle[i])
            toward_x, toward_y = sun @ (np.cos(a), -np.sin(a)), sun @ (np.sin(a), np.cos(a))
            gx, gy = qx[inside], qy[inside]
            side_slope = hx - np.abs(gx) < hy - np.abs(gy)
            shade = 0.92 + 0.16 * np.where(side_slope, np.sign(gx) * toward_x, np.sign(gy) * toward_y)
        elif boxes.height[i] > 2:  # a parapet round a flat roof
            edge = np.minimum(hx - np.abs(qx[inside]), hy - np.abs(qy[inside])) < 0.5
            shade = np.where(edge, 0.8, 1.0)
        picture[window][inside] = boxes.roof[i] * shade[:, None]


def _crowns(scene: Scene, picture, x, y) -> None:
    sun = scene.to_sun
    for tx, ty, radius, _height in scene.trees:
        window = around(x, y, (tx, ty), radius)
        dx, dy = (x[window] - tx) / radius, (y[window] - ty) / radius
        r2 = dx**2 + dy**2
        if scene.tree_kind == "palm":
            r2 = r2 * (1 + 0.8 * np.cos(np.arctan2(dy, dx) * 7) ** 2)
        inside = r2 < 1
        light = 1 + 0.22 * (dx[inside] * sun[0] + dy[inside] * sun[1]) - 0.12 * r2[inside]
        picture[window][inside] = scene.tree_rgb * light[:, None]


# --- from the ground


def _fade(scene: Scene, colour, distance):
    """Aerial perspective: Linke turbidity 2 is a clear mountain day, 6 a dusty one."""
    share = 1 - np.exp(-distance * (max(scene.haze, 1.0) / 1400))
    return colour + share * (scene.haze_rgb - colour)


def _sky(scene: Scene, azimuth, elevation) -> np.ndarray:
    picture = np.empty((*elevation.shape, 3), np.float32)
    picture[:] = haze = scene.haze_rgb
    rows, columns = np.nonzero(elevation > -0.5)
    above = elevation[rows, columns].astype(np.float32)
    height = np.clip(above / 45, 0, 1)[:, None] ** np.float32(0.7)
    zenith = np.array((0.28, 0.50, 0.82)) * (1 - 0.06 * (scene.haze - 2)) + 0.03 * (scene.haze - 2)
    colour = haze + height * (zenith - haze).astype(np.float32)
    away = ((azimuth - scene.sun_azimuth + 180) % 360 - 180)[columns] * np.cos(np.deg2rad(scene.sun_elevation))
    angle2 = away**2 + (above - scene.sun_elevation) ** 2
    near = angle2 < 900
    glow = np.exp(-angle2[near] / (2 * 9.0**2))[:, None] * 0.6 + (angle2[near] < 2.2**2)[:, None]
    colour[near] += glow * (np.array((1.0, 0.96, 0.82)) - colour[near]).clip(0)
    picture[rows, columns] = colour
    return picture


def _relief(scene: Scene, picture, azimuth, elevation) -> None:
    bearings = np.arange(len(scene.horizon) + 1) * 360 / len(scene.horizon)
    ridge = np.interp(azimuth % 360, bearings, np.append(scene.horizon, scene.horizon[0])) * RELIEF_GAIN
    crags = (
        1 + 0.12 * np.sin(azimuth * 0.31 + scene.texture[0, 2]) + 0.08 * np.sin(azimuth * 0.83 + scene.texture[1, 2])
    )
    mask = (elevation < ridge * crags) & (elevation >= -0.3)
    snow = scene.attributes.cover == "snow"
    colour = np.array((0.86, 0.89, 0.94)) if snow else 0.45 * scene.cover_rgb + 0.55 * np.array((0.42, 0.48, 0.56))
    picture[mask] = 0.62 * colour + 0.38 * scene.haze_rgb


def _paint_box(scene: Scene, picture, direction, slope, boxes: Boxes, i: int, detail: bool) -> None:
    t_in, t_out, side = slab(boxes, i, 0.0, 0.0, direction[:, 0], direction[:, 1])
    columns = np.flatnonzero((t_in < t_out) & (t_in > 0.8))
    if not len(columns):
        return
    near, far, side = t_in[columns], t_out[columns], side[columns]
    eaves, rise = boxes.height[i], boxes.rise[i]
    here = slope[:, columns]
    rows_height = here * near  # height above the eye where this pixel meets the wall
    wall = (rows_height < eaves - EYE_M) & (rows_height > -EYE_M)
    sun = scene.to_sun
    a = np.deg2rad(boxes.angle[i])
    axis = np.where(side[:, None], (np.cos(a), -np.sin(a)), (np.sin(a), np.cos(a)))
    facing = -np.sign((axis * direction[columns]).sum(1, keepdims=True)) * axis  # outward normal of the wall hit
    light = 0.80 + 0.22 * (facing @ sun)
    colour = boxes.wall[i] * light[None, :, None] * np.ones(here.shape + (1,))
    if eaves < 2:  # a car: glass in its upper half
        glass = rows_height > eaves - EYE_M - 0.65
        colour = np.where(glass[..., None], np.array((0.16, 0.19, 0.23)), colour)
        top = here * far < eaves - EYE_M
    else:
        if detail:
            hit = direction[columns] * near[:, None]
            qx, qy = box_frame(boxes, i, hit[:, 0], hit[:, 1])
            along, z = np.where(side, qy, qx), rows_height + EYE_M
            window = (
                (np.abs((along / 2.6) % 1 - 0.5) < 0.22)[None, :]
                & (np.abs((z / 2.9) % 1 - 0.55) < 0.24)
                & (z < eaves - 0.4)
            )
            colour = np.where(
                window[..., None], np.array((0.22, 0.28, 0.36)) * (0.8 + 0.4 * light[None, :, None]), colour
            )
        if rise == 0:  # the parapet of a flat roof shows the roof's colour
            colour = np.where(
                (rows_height > eaves - EYE_M - 1.3)[..., None], boxes.roof[i] * light[None, :, None], colour
            )
        # a hipped roof: as high as the chord through the house is deep
        middle = (near + far) / 2
        peak = eaves + rise * np.minimum(1, (far - near) / 2 / boxes.half[i].min())
        top = here * middle < peak - EYE_M
    roof = top & ~wall & (rows_height >= eaves - EYE_M)
    for mask, paint in (
        (wall, colour),
        (roof, np.broadcast_to(boxes.roof[i] * (0.92 + 0.12 * (facing @ sun))[None, :, None], here.shape + (3,))),
    ):
        rows, at = np.nonzero(mask)
        picture[rows, columns[at]] = _fade(scene, paint[rows, at], near[at][:, None])


def _paint_tree(scene: Scene, picture, direction, slope, tree) -> None:
    tx, ty, radius, height = tree
    distance = np.hypot(tx, ty)
    cosine = (direction[:, 0] * tx + direction[:, 1] * ty) / distance
    aside = distance * (direction[:, 0] * ty - direction[:, 1] * tx) / distance
    columns = np.flatnonzero((cosine > 0.2) & (np.abs(aside) < radius * 1.05))
    if not len(columns):
        return
    u, z = aside[columns][None, :], slope[:, columns] * distance + EYE_M
    if scene.tree_kind == "conifer":
        crown = (z > 0.15 * height) & (z < height) & (np.abs(u) < radius * (height - z) / (0.85 * height))
    elif scene.tree_kind == "palm":
        dz = (z - (height - 0.4 * radius)) / radius + 0.5 * (u / radius) ** 2  # fronds hang at their ends
        crown = (u / radius) ** 2 + 1.6 * dz**2 < 0.45 + 0.55 * np.cos(3 * np.arctan2(dz, u)) ** 2
    else:
        crown = (u / radius) ** 2 + ((z - (height - radius)) / radius) ** 2 < 1
    trunk = (np.abs(u) < max(0.16 * radius, 0.25)) & (z > 0) & (z < height * 0.8)
    sun = scene.to_sun
    right = np.array([ty, -tx]) / distance  # where u grows
    light = 0.86 + 0.2 * (u / radius) * (right @ sun) + 0.1 * (z - height / 2) / height
    for mask, rgb in ((trunk, np.array((0.40, 0.30, 0.21))), (crown, scene.tree_rgb)):
        rows, at = np.nonzero(mask)
        shade = np.broadcast_to(light, mask.shape)[rows, at][:, None] if rgb is scene.tree_rgb else 1.0
        picture[rows, columns[at]] = _fade(scene, rgb * shade, distance)


# --- signs and flags


@cache
def _packs() -> tuple[dict[tuple[str, str], np.ndarray], dict[str, np.ndarray]]:
    """({(country, city): (16, width) bool name board}, {country: (18, 24, 3) flag in 0..1}) from the packed data."""
    import csv

    with open(DATA / "cities.csv", encoding="utf-8", newline="") as file:
        keys = [(row["country"], row["city"]) for row in csv.DictReader(file)]
    with np.load(DATA / "signs.npz") as signs:
        bits = np.unpackbits(signs["bits"], axis=1)[:, : signs["widths"].sum()].astype(bool)
        names = dict(zip(keys, np.split(bits, np.cumsum(signs["widths"])[:-1], axis=1), strict=True))
    with np.load(DATA / "flags.npz") as flags:
        return names, {str(code): picture / 255 for code, picture in zip(flags["codes"], flags["pixels"], strict=True)}


@cache
def _speed_sign(unit: str) -> np.ndarray:
    """(24, 24, 3): a red ring where speeds are in km/h, a black-framed plate where they are in miles."""
    y, x = np.mgrid[:24, :24] - 11.5
    picture = np.full((24, 24, 3), np.nan)  # NaN = see through
    if unit == "mph":
        picture[:, 3:21] = 0.95
        picture[((np.abs(y) > 10) | (np.abs(x) > 7)) & (np.abs(x) < 8.6)] = 0.1
    else:
        picture[np.hypot(x, y) < 11.5] = (0.80, 0.10, 0.12)
        picture[np.hypot(x, y) < 8] = 0.96
    picture[8:16, 7:11] = picture[8:16, 13:17] = 0.08
    return picture


Board = tuple[np.ndarray, np.ndarray, float, float]  # (x, y), picture, height of its lower edge, width in metres


def boards(country: str | None, town: tuple[str, str] | None, post: np.ndarray, flagpole: np.ndarray) -> list[Board]:
    """The name board of a town (country, city) in its own script and the flag of a country, where there are such."""
    names, flags = _packs()
    found: list[Board] = []
    if town in names:
        ink = names[town]
        board = np.pad(ink, ((2, 2), (3, 3)))[..., None] * np.ones(3)
        board = np.where(board > 0, 0.98, np.array((0.05, 0.26, 0.60)))
        found.append((post, board, 1.6, min(4.6, 1.5 * board.shape[1] / board.shape[0])))
    if country in flags:
        found.append((flagpole, flags[country], 4.0, 3.4))
    return found


def _boards(scene: Scene, difficulty: Difficulty) -> list[Board]:
    """Everything flat that faces the camera."""
    town = scene.town_sign if difficulty.boards else None
    speed = (scene.post, _speed_sign(scene.speed_unit), 3.3 if town else 1.9, 1.3)
    return [speed, *boards(scene.flag if difficulty.boards else None, town, scene.post, scene.flagpole)]


def _paint_board(scene: Scene, picture, direction, slope, *board) -> None:
    paint_board(EYE_M, picture, direction, slope, *board)


def paint_board(eye_m: float, picture, direction, slope, position, board, bottom: float, width: float) -> None:
    """Paint one of `boards` as a camera `eye_m` above the ground meets it; it faces the camera."""
    bx, by = position
    distance = np.hypot(bx, by)
    cosine = (direction[:, 0] * bx + direction[:, 1] * by) / distance
    aside = direction[:, 0] * by - direction[:, 1] * bx  # metres to the viewer's right at that distance
    height = width * board.shape[0] / board.shape[1]
    columns = np.flatnonzero((cosine > 0.2) & (np.abs(aside) < width / 2))
    z = slope[:, columns] * distance + eye_m
    pole = (np.abs(aside[columns]) < 0.09)[None, :] & (z > 0) & (z < bottom)
    rows, at = np.nonzero(pole)
    picture[rows, columns[at]] = 0.45
    rows, at = np.nonzero((z >= bottom) & (z < bottom + height))
    i = ((bottom + height - z[rows, at]) / height * board.shape[0]).astype(int).clip(0, board.shape[0] - 1)
    j = ((aside[columns[at]] / width + 0.5) * board.shape[1]).astype(int).clip(0, board.shape[1] - 1)
    rgb = board[i, j]
    seen = ~np.isnan(rgb[:, 0])
    picture[rows[seen], columns[at[seen]]] = rgb[seen]


# --- film


def shrink(picture: np.ndarray, scale: int) -> np.ndarray:
    """Average scale x scale blocks: antialiasing for small pictures."""
    if scale == 1:
        return picture
    parts = [picture[i::scale, j::scale] for i in range(scale) for j in range(scale)]
    return sum(parts[1:], parts[0].copy()) / np.float32(scale**2)


def hue(azimuth_deg: np.ndarray) -> np.ndarray:
    """The compass's colour wheel: north red, then yellow-green east, cyan south, violet west; shape + (3,)."""
    a = np.deg2rad(np.asarray(azimuth_deg))[..., None]
    return 0.5 + 0.5 * np.cos(a - np.deg2rad((0, 120, 240)))


def compass_band(picture: np.ndarray) -> None:
    """Paint the compass as a band along the bottom of a panorama (H, W, 3), in place."""
    h, w, _ = picture.shape
    picture[h - max(1, h // 32) :] = hue((np.arange(w) + 0.5) / w * 360 - 180)


def compass_frame(picture: np.ndarray) -> None:
    """Paint the compass as a frame round a square tile (N, N, 3), in place."""
    n = len(picture)
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    edge = np.maximum(np.abs(x), np.abs(y)) > n / 2 - max(1, n // 48)
    picture[edge] = hue(np.rad2deg(np.arctan2(x, -y)))[edge]


def _expose(scene: Scene, picture: np.ndarray, difficulty: Difficulty, seed: int, view: str) -> np.ndarray:
    """Light, tint and noise of one camera; each view has its own."""
    rng = rng_of(seed, scene.site_id, view)
    gain = 1 + difficulty.light * rng.uniform(-1, 1) + 0.35 * difficulty.light * rng.uniform(-1, 1, 3)
    noisy = picture * gain.astype(np.float32) + difficulty.noise * rng.standard_normal(picture.shape, np.float32)
    return (np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8)
