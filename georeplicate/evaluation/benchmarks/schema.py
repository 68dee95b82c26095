"""What every test set becomes, and what all loaders share: rows, pictures, a report, and where to get the files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from georeplicate.evaluation import ids, report
from georeplicate.evaluation.report import Report
from georeplicate.evaluation.rows import Rows, framed, swapped_by_name, truth_from

COLUMNS = ("id", "image", "lat", "lon", "city", "country")
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Source:
    """Where a test set comes from, how big it is, under which licence ("licence not found" where it was not)."""

    name: str
    origin: str
    size: str
    licence: str

    def file(self, root: Path, *candidates: str) -> Path:
        """The first of these files below `root` that exists; FileNotFoundError in one sentence otherwise."""
        for name in candidates:
            if (root / name).is_file():
                return root / name
        raise FileNotFoundError(
            f"{self.name}: no {' or '.join(candidates)} in {root}; get it from {self.origin} ({self.size}; "
            f"{self.licence})"
        )


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A test set. Iterating, len() and an integer index give the rows as dicts, a name gives a column.

    rows: {id, image (path or None), lat, lon (degrees), city, country ("" where unknown)} and what else the set tells;
    rows without a picture are set aside, unless no picture is there at all. truth: every row with a point on Earth,
    pictures or not: what predictions are scored against. report: what was set aside, and why.
    """

    name: str
    rows: pd.DataFrame
    truth: Rows
    report: Report
    source: Source | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict]:
        return iter(self.rows.to_dict("records"))

    def __getitem__(self, which: int | str) -> dict | list:
        return self.rows[which].tolist() if isinstance(which, str) else self.rows.iloc[which].to_dict()


def build(source: Source, frame: pd.DataFrame, file: Path, found: Report, folders: Sequence[Path]) -> Benchmark:
    """A Benchmark from the records of a set's table and the folders that may hold its pictures (the first that exists).

    Set aside, each with its reason: what `truth_from` sets aside; coordinates that seem swapped, because the named city
    lies where their mirror image is; rows whose picture is missing. Pictures without a row are left out.
    """
    truth = truth_from(frame, file.name, found)
    swapped = swapped_by_name(truth.frame)
    why = "latitude and longitude look swapped: the named city lies at the mirror image"
    odd = truth.report + report.about(file.name, truth.frame.row[swapped], truth.frame.id[swapped], why, "set aside")
    truth = Rows(truth.frame[~swapped].reset_index(drop=True), odd, file.name)
    if not len(truth):
        raise ValueError(f"{source.name}: no row of {file} can be used; {len(odd)} were set aside")
    rows, pictures = _with_pictures(truth, file, folders)
    order = [*COLUMNS, *(name for name in rows if name not in (*COLUMNS, "row"))]
    return Benchmark(source.name, rows[order], truth, odd + pictures, source)


def _with_pictures(truth: Rows, file: Path, folders: Sequence[Path]) -> tuple[pd.DataFrame, Report]:
    frame = truth.frame
    folder = next((one for one in folders if one.is_dir()), None)
    paths = _pictures(folder) if folder is not None else []
    if folder is None or not paths:
        looked = " or ".join(str(one) for one in folders)
        note = f"{file.name}: no pictures in {looked}; the rows can be scored, not shown to a model"
        return framed({name: frame[name].to_numpy() for name in frame} | {"image": np.full(len(frame), None)}), Report(
            notes=(note,)
        )
    at, ambiguous = ids.match(frame.id, paths)
    missing = at < 0
    why = np.where(ambiguous[missing], "several pictures have its name", "picture missing")
    odd = report.about(file.name, frame.row[missing], frame.id[missing], [str(one) for one in why], "set aside")
    spare = sorted(set(range(len(paths))) - set(at.tolist()))
    listed = truth.report.rows.id[truth.report.rows.outcome == "set aside"]
    known = (
        ids.match([paths[i] for i in spare], listed)[0] >= 0 if len(listed) and spare else np.zeros(len(spare), bool)
    )
    unlisted = [paths[i] for i, one in zip(spare, known, strict=True) if not one]
    odd += report.about(folder.name, np.zeros(len(unlisted), int), unlisted, f"picture without a row in {file.name}",
                         "left out")  # fmt: skip
    kept = frame[~missing].reset_index(drop=True)
    return kept.assign(image=[str(folder / paths[i]) for i in at[~missing]]), odd


def _pictures(folder: Path) -> list[str]:
    """Every picture below a folder, relative, with forward slashes, in order of name; each folder is listed once."""
    found = []
    for here, _, names in os.walk(folder):
        below = Path(here).relative_to(folder).as_posix()
        found += [name if below == "." else f"{below}/{name}" for name in names if name.lower().endswith(_PICTURES)]
    return sorted(found)
