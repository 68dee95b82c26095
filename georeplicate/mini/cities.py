"""A tiny tree in the layout of CV-Cities, for dry runs and tests: real places in its 16 cities, pictures rendered.

    ROOT/<city>/img_info.csv        no header; name, longitude, latitude, city, satellite path, panorama path
    ROOT/<city>/sat_images, pano_images

The pictures are drawings of the synthetic world, and nothing measured on them is about photographs.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from georeplicate import files, world
from georeplicate.pairs.cvcities import CITIES

PANORAMA, TILE = (128, 64), 64  # (width, height) and side in pixels
BEGUN, MADE = "begun.json", "made.json"  # what was asked for: written first, and last


def make(root: str | Path, per_city: int, cities: Sequence[str] = tuple(CITIES), seed: int = 0) -> Path:
    """`per_city` pairs of each of these cities (names of folders, as CV-Cities spells them) below `root`; returns it.

    Whole or not: a tree of these sizes that is there stays, one that is not whole is gone on with. ValueError for a
    folder that holds another tree, or for a city that CV-Cities does not have.
    """
    root, wanted = Path(root), _wanted(per_city, cities, seed)
    if unknown := [name for name in cities if name not in CITIES]:
        raise ValueError(f"CV-Cities has no {unknown[0]!r}: choose from {', '.join(CITIES)}")
    if is_made(root, per_city, cities, seed):
        return root
    if any(root.glob("*/img_info.csv")) and wanted != _read(root / BEGUN):
        raise ValueError(f"{root} holds another CV-Cities tree: name another folder, or remove this one")
    files.write_json(root / BEGUN, wanted)
    sites = world.sites("train", per_city, seed=seed)
    for folder in cities:
        _, city, country, _ = CITIES[folder]
        lines = []
        for number, site in enumerate(sites[sites.area == f"{city}, {country}"].itertuples()):
            name, scene = f"{folder}_{number:04d}", world.build(site, seed)
            tile, panorama = f"{folder}/sat_images/{name}.jpg", f"{folder}/pano_images/{name}.jpg"
            _save(root / tile, Image.fromarray(world.tile(scene, TILE, seed=seed)))
            _save(root / panorama, Image.fromarray(world.panorama(scene, PANORAMA[1], seed=seed)).resize(PANORAMA))
            lines.append([name, site.lon, site.lat, folder, tile, panorama])
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(lines)
        files.write_bytes(root / folder / "img_info.csv", table.getvalue().encode())
    files.write_json(root / MADE, wanted)
    return root


def is_made(root: str | Path, per_city: int, cities: Sequence[str] = tuple(CITIES), seed: int = 0) -> bool:
    """Whether the tree that `make` would make is there, whole."""
    return _read(Path(root) / MADE) == _wanted(per_city, cities, seed)


def _wanted(per_city: int, cities: Sequence[str], seed: int) -> dict[str, object]:
    return {"per_city": per_city, "cities": list(cities), "seed": seed}


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _save(path: Path, picture: Image.Image) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    files.write_bytes(path, buffer.getvalue())
