"""The one schema of all sources, and what every loader of real files shares.

A loader is a module with SPLITS, PANORAMA_RATIO and `read(root, split) -> DataFrame`: one row for every line that the
source lists, with the columns of FEATURES (paths instead of pictures) and `problem`, which is "" or says in a few words
why the row cannot be used. Nothing is dropped here, so that what is loaded and what is set aside add up to what is
listed.
"""

import csv
import os
import re
import struct
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import Dataset, Features, Image, Value
from PIL import Image as Picture

from georeplicate import geo

# What Pillow raises for files that are damaged in one way or another, its EXIF with them
UNSHOWN = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error,
    Picture.DecompressionBombError,
)  # fmt: skip


class Named(Image):
    """The library's pictures, whose errors name the file: a run of hours must say which one it died of."""

    def __eq__(self, other: object) -> bool:  # rows saved and loaded again have the library's own type
        return isinstance(other, Image) and (self.mode, self.decode) == (other.mode, other.decode)

    __hash__ = Image.__hash__

    def decode_example(self, value: dict, token_per_repo_id: dict | None = None):
        try:
            return super().decode_example(value, token_per_repo_id)
        except UNSHOWN as error:
            raise OSError(
                f"{value.get('path') or 'a picture'} cannot be shown ({error}); leave its row out with "
                "pairs.load(..., check=True), or with the list that pairs.validate writes"
            ) from error


FEATURES = Features(
    {
        "id": Value("string"),
        "lat": Value("float64"),
        "lon": Value("float64"),
        "taken_at": Value("string"),
        "city": Value("string"),
        "country": Value("string"),
        "area": Value("string"),
        "panorama": Named(),
        "aerial": Named(),
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
        if leads_out(path):
            return False
        if folder not in self._listed:
            here = self.root / folder
            try:
                self._listed[folder] = frozenset(e.name for e in os.scandir(here) if e.is_file())
            except (OSError, ValueError):  # no folder, or a name that no file system takes
                self._listed[folder] = frozenset()
        return name in self._listed[folder]

    def first(self, candidates: Iterable[str]) -> str | None:
        """The first of these paths (relative, forward slashes) that exists, as a whole path; None if none does."""
        for path in candidates:
            if path in self:
                return str(self.root / path)
        return None


def leads_out(path: str) -> bool:
    """Would a path of a table lead out of its source's folder: absolute, with a drive, or up?"""
    path = path.replace("\\", "/")
    return path.startswith(("/", "~")) or re.match("[A-Za-z]:", path) is not None or ".." in path.split("/")


LEADS_OUT = "a path leads out of its folder"


def lines_of(source: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """(number, fields) of each line of a CSV file; ValueError, with the file and the line, for what is none."""
    number = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for number, line in enumerate(reader, 1):
                yield number, line
    except UnicodeDecodeError as error:
        raise ValueError(not_utf8(source, path, error)) from None
    except csv.Error as error:
        raise ValueError(f"{source}: {path} line {number + 1} is no CSV ({error}); is a quote never closed?") from None


def not_utf8(source: str, path: Path, error: UnicodeDecodeError) -> str:
    """The sentence of the ValueError for a file in another encoding."""
    return f"{source}: {path} is not in UTF-8 (byte {error.start}): save it again as UTF-8"


def broken(path: str) -> str:
    """Why a picture cannot be shown, or "". The whole file is decoded: many that are cut short open well."""
    try:
        with Picture.open(path) as picture:
            picture.getexif()  # as the library does that turns pictures upright
            picture.draft("L", (256, 256))
            picture.load()
    except UNSHOWN as error:
        return f"{type(error).__name__}: {error}"
    return ""


def note_broken(frame: pd.DataFrame) -> None:
    """Add to `problem` the usable rows with a picture that cannot be shown."""
    for view in ("panorama", "aerial"):
        usable = frame[view].notna() & (frame.problem == "")
        bad = {path for path in frame.loc[usable, view].unique() if broken(path)}
        _note(frame, frame[view].isin(bad), f"unreadable {view}")


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
    no point on Earth or 0, 0 (the sea, and what is written for want of a place), an id listed before, names of files
    that are no text. Coordinates of a source that has none at all are no problem.
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
    for name in ("id", "panorama", "aerial"):
        odd = np.array([isinstance(value, str) and printable(value) != value for value in frame[name]], bool)
        _note(frame, odd, "a file's name is not in UTF-8: rename it")
        frame.loc[odd, name] = [printable(value) if name == "id" else None for value in frame.loc[odd, name]]
    for view in ("panorama", "aerial"):
        if columns.get(view) is not None:
            _note(frame, frame[view].isna(), f"no {view} file")
    if "lat" in columns:
        valid = geo.is_valid(frame.lat, frame.lon)
        swapped = ~valid & geo.is_valid(frame.lon, frame.lat)
        _note(frame, swapped, "latitude and longitude swapped")
        _note(frame, ~valid & ~swapped, "no point on Earth")
        _note(frame, (frame.lat == 0) & (frame.lon == 0), "place is 0, 0: none was known")
    _note(frame, frame.id.duplicated(), "id listed before")
    return frame


def printable(name: str) -> str:
    """The name of a file as text: file systems take bytes that are not UTF-8, which nothing else does."""
    return os.fsencode(name).decode("utf-8", "replace")


def _note(frame: pd.DataFrame, where, reason: str) -> None:
    """The first problem found of a row stays."""
    frame.loc[np.asarray(where) & (frame.problem == "").to_numpy(), "problem"] = reason


def dataset(frame: pd.DataFrame, source: str, split: str) -> Dataset:
    """The usable rows of a loader's DataFrame, pictures as paths that are opened when a row is asked for.

    Warns with the count and the reasons if rows are set aside; ValueError if none is left, or none was there.
    """
    if frame.empty:
        raise ValueError(f"{source} {split}: there is no row: its list is empty, or all of it is set aside")
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
