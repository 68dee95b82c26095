"""Pairs of the embedded synthetic world: its sites, rendered at the size the model reads, when a row is read."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from datasets import Dataset, Features
from datasets import Image as Picture
from datasets.features.features import register_feature
from PIL import Image

from georeplicate import world
from georeplicate.pairs.schema import FEATURES

SPLITS = world.SPLITS
KEPT = 4  # both views of a row are drawn from one landscape


@dataclass
class Rendered(Picture):
    """An image feature whose "path" says what to draw instead of naming a file: nothing is stored, nothing is drawn
    before it is read, and the same text always gives the same picture."""

    _type: str = field(default="Rendered", init=False, repr=False)
    pa_type: ClassVar[Any] = Picture.pa_type

    def decode_example(self, value: dict, token_per_repo_id: dict | None = None) -> Image.Image:
        if value.get("bytes") is not None:  # a picture that somebody put into the column
            return super().decode_example(value, token_per_repo_id)
        return Image.fromarray(_draw(**json.loads(value["path"])))


with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # the way to register is called experimental
    register_feature(Rendered, "Rendered")
_FEATURES = Features(FEATURES | {"panorama": Rendered(), "aerial": Rendered()})


def load(
    split: str,
    *,
    per_region: int = 8,
    regions: int | None = None,
    panorama_height: int = 32,
    tile_size: int = 48,
    difficulty: world.Difficulty = world.DEFAULT,
    seed: int = 0,
) -> Dataset:
    """Pairs of a split of world.sites; `seed` moves the places and the pictures. Nothing lies on disk: a row's pictures
    are rendered whenever they are read, some 10 ms a pair at the default sizes."""
    places = _sites(split, per_region, regions, seed)
    dial = _dial(difficulty)
    table = places[[name for name in FEATURES if name not in ("panorama", "aerial")]].to_dict("list")
    for column, view, size in (("panorama", "panorama", panorama_height), ("aerial", "tile", tile_size)):
        where = {"split": split, "per_region": per_region, "regions": regions, "seed": seed, "dial": dial}
        table[column] = [json.dumps(where | {"view": view, "size": size, "row": i}) for i in range(len(places))]
    return Dataset.from_dict(table, features=_FEATURES)


@cache
def _sites(split: str, per_region: int, regions: int | None, seed: int) -> pd.DataFrame:
    return world.sites(split, per_region, regions=regions, seed=seed)


@lru_cache(maxsize=KEPT)
def _landscape(split: str, per_region: int, regions: int | None, seed: int, dial: str, row: int) -> world.Landscape:
    return world.build(_sites(split, per_region, regions, seed).iloc[row], seed, _difficulty(dial))


def _dial(difficulty: world.Difficulty) -> dict:
    """What of the dial a picture depends on, as JSON has it."""
    return {name: value for name, value in vars(difficulty).items() if name != "negatives"} | {
        "vary": sorted(difficulty.vary)
    }


@cache
def _difficulty(dial: str) -> world.Difficulty:
    told = json.loads(dial)
    return world.Difficulty(**told | {"vary": frozenset(told["vary"])})


def _draw(
    split: str, per_region: int, regions: int | None, seed: int, dial: dict, view: str, size: int, row: int
) -> np.ndarray:
    key = json.dumps(dial)
    land = _landscape(split, per_region, regions, seed, key, row)
    draw = world.panorama if view == "panorama" else world.tile
    return draw(land, size, difficulty=_difficulty(key), seed=seed)
