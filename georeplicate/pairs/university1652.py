"""University-1652: 1,652 buildings of 72 universities from a drone, the street and space (Zheng et al., 2020).

    ROOT/train/{satellite,drone,street,google}/<4-digit building>/*
    ROOT/test/{query,gallery}_{satellite,drone,street}/<4-digit building>/*

One row a building, as there is one satellite image of each: the 701 of train, or the 701 that test asks for. There is
no panorama: `panorama` is None, unless `ground` names a view whose first picture (by name) is to stand there. Some
folders are empty. The buildings' coordinates are not part of the data: lat and lon are None, and negatives can only be
drawn from the whole split (negatives="random", or "region" which is the same here).

ground  None, "street", "drone", or "google" (train only)

Source of the layout: layumi/University1652-Baseline. Guessed, since no public text says it:

- The buildings asked for in the test are those of query_satellite.
- The satellite image of a building is the only file in its folder.
"""

from pathlib import Path

import pandas as pd

from georeplicate.pairs import schema

SPLITS = ("train", "test")
VIEWS = {"train": ("street", "drone", "google"), "test": ("street", "drone")}
PANORAMA_RATIO = None
PICTURES = (".jpg", ".jpeg", ".png")


def read(root: Path, split: str, *, ground: str | None = None) -> pd.DataFrame:
    """Every building of the split (see schema)."""
    split = schema.split_of("university-1652", split, SPLITS)
    if ground is not None and ground not in VIEWS[split]:
        raise ValueError(f"university-1652 {split} has no view {ground!r}; choose from {', '.join(VIEWS[split])}")
    prefix = "query_" if split == "test" else ""
    satellite = root / split / f"{prefix}satellite"
    if not satellite.is_dir():
        raise FileNotFoundError(
            f"university-1652: {satellite} does not exist; `make data SOURCE=university-1652` says how to get it"
        )
    ids = sorted(p.name for p in satellite.iterdir() if p.is_dir())
    columns = {"id": ids, "area": "University-1652", "aerial": [_first(satellite / name) for name in ids]}
    if ground is not None:
        columns["panorama"] = [_first(root / split / f"{prefix}{ground}" / name) for name in ids]
    return schema.table(columns)


def _first(folder: Path) -> str | None:
    pictures = sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURES)
    return str(pictures[0]) if pictures else None
