"""The one schema of all sources, and what every loader of real files shares.

A loader is a module with SPLITS, PANORAMA_RATIO and `read(root, split) -> DataFrame`: one row for every line that the
source lists, with the columns of FEATURES (paths instead of pictures) and `problem`, which is "" or says in a few words
why the row cannot be used. Nothing is dropped here, so that what is loaded and what is set aside add up to what is
listed.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import Dataset, Features, Image, Value

from georeplicate import geo

FEATURES = Features(
    {
        "id": Value("string"),
        "lat": Value("float64"),
        "lon": Value("float64"),
        "taken_at": Value("string"),
        "city": Value("string"),
        "country": Value("string"),
        "area": Value("string"),
        "panorama": Image(),
        "aerial": Image(),
    }
)
TEXT = ("taken_at", "city", "country", "area", "panorama", "aerial")  # None where a source does not know
CELL_DEG = 5  # side of the areas of a source that names no cities


class Files:
    """Which files a tree holds: each folder is listed once, which for half a million pictures is minutes quicker than
    asking for each."""

    def __init__(self, root: Path):
        self.root = root
        self._listed: dict[str, frozenset[str]] = {}

    def __contains__(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if folder not in self._listed:
            here = self.root / folder
            self._listed[folder] = frozenset(p.name for p in here.iterdir()) if here.is_dir() else frozenset()
        return name in self._listed[folder]

    def first(self, candidates: Iterable[str]) -> str | None:
        """The first of these paths (relative, forward slashes) that exists, as a whole path; None if none does."""
        for path in candidates:
            if path in self:
                return str(self.root / path)
        return None


def file_of(source: str, *candidates: Path) -> Path:
    """The first of these files that exists, or FileNotFoundError with where it was looked for and how to get it."""
    for path in candidates:
        if path.is_file():
            return path
    looked = " or ".join(str(path) for path in candidates)
    raise FileNotFoundError(f"{source}: {looked} does not exist; `make data SOURCE={source}` says how to get it")


def split_of(source: str, split: str, splits: Iterable[str]) -> str:
    """`split`, or ValueError with those there are."""
    if split not in splits:
        raise ValueError(f"{source} has no split {split!r}; choose from {', '.join(splits)}")
    return split


def cell(lat: np.ndarray, lon: np.ndarray, country: str) -> list[str]:
    """Areas for a source without cities: squares of CELL_DEG degrees, such as "US 35/-120" (its south-west corner)."""
    corners = (np.floor(np.asarray(values, float) / CELL_DEG) * CELL_DEG for values in (lat, lon))
    return [country if np.isnan(a + o) else f"{country} {a:.0f}/{o:.0f}" for a, o in zip(*corners)]


def table(columns: dict, problem: Iterable[str] | None = None) -> pd.DataFrame:
    """A loader's DataFrame: missing columns are None (NaN for coordinates), then the checks that all sources share.

    Adds to `problem`: no picture on disk (a path that is None where others of the column are not), coordinates that are
    no point on Earth, an id listed before. Coordinates of a source that has none at all are no problem.
    """
    n = len(columns["id"])
    frame = pd.DataFrame({"id": pd.Series(columns["id"], dtype=object)})
    for name in ("lat", "lon"):
        frame[name] = pd.to_numeric(pd.Series(columns.get(name, [None] * n)), errors="coerce").astype(float)
    for name in TEXT:
        values = columns.get(name)
        values = [values] * n if values is None or isinstance(values, str) else values
        frame[name] = pd.Series(list(values), dtype=object)
    frame["problem"] = pd.Series(list(problem) if problem is not None else [""] * n, dtype=object)
    for view in ("panorama", "aerial"):
        if columns.get(view) is not None:
            _note(frame, frame[view].isna(), f"no {view} file")
    if "lat" in columns:
        valid = geo.is_valid(frame.lat, frame.lon)
        swapped = ~valid & geo.is_valid(frame.lon, frame.lat)
        _note(frame, swapped, "latitude and longitude swapped")
        _note(frame, ~valid & ~swapped, "no point on Earth")
    _note(frame, frame.id.duplicated(), "id listed before")
    return frame


def _note(frame: pd.DataFrame, where, reason: str) -> None:
    """The first problem found of a row stays."""
    frame.loc[np.asarray(where) & (frame.problem == "").to_numpy(), "problem"] = reason


def dataset(frame: pd.DataFrame, source: str, split: str) -> Dataset:
    """The usable rows of a loader's DataFrame, pictures as paths that are opened when a row is asked for.

    Warns with the count and the reasons if rows are set aside; ValueError if none is left.
    """
    bad = frame.problem != ""
    if bad.any():
        reasons = ", ".join(f"{n} {reason}" for reason, n in frame.problem[bad].value_counts().items())
        remedy = f"georeplicate data {source} --check lists them"
        if bad.all():
            raise ValueError(f"{source} {split}: none of {len(frame)} rows can be used ({reasons}); {remedy}")
        warnings.warn(
            f"{source} {split}: {bad.sum()} of {len(frame)} rows set aside ({reasons}); {remedy}", stacklevel=3
        )
    good = frame[~bad]
    columns = {}
    for name in FEATURES:
        values = good[name].tolist()
        columns[name] = [None if pd.isna(v) else v for v in values]
    return Dataset.from_dict(columns, features=FEATURES)
