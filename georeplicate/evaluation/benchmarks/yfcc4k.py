"""YFCC4k (Vo et al. 2017): 4,536 photographs sampled at random from YFCC100M; names of places are not known.

Layout (read in OSV-5M's data.py): info.txt, separated by tabs, no header, counted from 0: id in column 1, longitude in
12, latitude in 13; pictures in images/<id>.jpg. What the other columns hold is not verified. A table with a header
(yfcc4k_places365.csv in the style of GeoEstimation, or yfcc4k.csv) is read by its names.
"""

from pathlib import Path

import pandas as pd

from georeplicate.evaluation import csvfile, report
from georeplicate.evaluation.benchmarks.schema import Benchmark, Source, build
from georeplicate.evaluation.report import Report

SOURCE = Source(
    "YFCC4k",
    origin="https://github.com/lugiavn/revisiting-im2gps",
    size="4,536 photographs and info.txt",
    licence="licence not found for the set; each photograph has the Creative Commons licence of its author",
)
_ID, _LON, _LAT = 1, 12, 13


def load(root: Path) -> Benchmark:
    """From `root`, with info.txt (or a table with a header) there."""
    file = SOURCE.file(root, "info.txt", "yfcc4k_places365.csv", "yfcc4k.csv")
    frame, found = _tabbed(file) if file.suffix == ".txt" else csvfile.read(file)
    return build(SOURCE, frame, file, found, [root / one for one in ("images", "yfcc4k")])


def _tabbed(file: Path) -> tuple[pd.DataFrame, Report]:
    """Row numbers count lines from 1; quotes mean nothing in this file."""
    lines = [
        (number, line.split("\t")) for number, line in enumerate(csvfile.decode(file).split("\n"), 1) if line.strip()
    ]
    short = [(number, fields[_ID] if len(fields) > _ID else "") for number, fields in lines if len(fields) <= _LAT]
    whole = [(n, fields[_ID], fields[_LAT], fields[_LON]) for n, fields in lines if len(fields) > _LAT]
    frame = pd.DataFrame(whole, columns=[csvfile.ROW, "id", "lat", "lon"])
    why = f"broken line: fewer than {_LAT + 1} fields"
    return frame, report.about(file.name, [n for n, _ in short], [one for _, one in short], why, "set aside")
