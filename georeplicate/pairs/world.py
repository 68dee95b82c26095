"""Pairs of the embedded synthetic world: its sites, rendered at the size the model reads."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from io import BytesIO

import pandas as pd
from datasets import Dataset
from PIL import Image as Picture
from tqdm import tqdm

from georeplicate import world
from georeplicate.pairs.schema import FEATURES

SPLITS = world.SPLITS


def load(
    split: str,
    root: str | None = None,
    *,
    per_region: int = 8,
    regions: int | None = None,
    panorama_height: int = 32,
    tile_size: int = 48,
    difficulty: world.Difficulty = world.DEFAULT,
    seed: int = 0,
    workers: int = 1,
) -> Dataset:
    """Rendered pairs of a split of world.sites; `seed` moves the places and the pictures. `root` is ignored: nothing
    lies on disk."""
    places = world.sites(split, per_region, regions=regions, seed=seed)
    draw = partial(_render, panorama_height=panorama_height, tile_size=tile_size, difficulty=difficulty, seed=seed)
    chunks = [places.iloc[i : i + 64] for i in range(0, len(places), 64)]
    with ProcessPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        parts = (pool.map if pool else map)(draw, chunks)
        parts = tqdm(parts, total=len(chunks), desc=f"render {split}", unit="x64", disable=len(chunks) < 16)
        pictures = [pair for part in parts for pair in part]
    table = places[[name for name in FEATURES if name not in ("panorama", "aerial")]].to_dict("list")
    ground, aerial = zip(*pictures, strict=True) if pictures else ((), ())
    return Dataset.from_dict({**table, "panorama": list(ground), "aerial": list(aerial)}, features=FEATURES)


def _render(
    places: pd.DataFrame, *, panorama_height: int, tile_size: int, difficulty: world.Difficulty, seed: int
) -> list[tuple[dict, dict]]:
    pairs = []
    for row in places.itertuples(index=False):
        scene = world.build(row, seed, difficulty)
        ground = world.panorama(scene, panorama_height, difficulty=difficulty, seed=seed)
        pairs.append((_png(ground), _png(world.tile(scene, tile_size, difficulty=difficulty, seed=seed))))
    return pairs


def _png(pixels) -> dict:
    buffer = BytesIO()
    Picture.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return {"bytes": buffer.getvalue(), "path": None}
