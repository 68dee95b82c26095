"""What is painted over a picture or made of it: name boards and flags, the compass, smaller pixels."""

from functools import cache

import numpy as np

from georeplicate.world.sites import DATA


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
