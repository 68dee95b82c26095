"""CVUSA: 44,416 pairs of a street panorama and an aerial image, all over the United States (Workman et al., 2015).

    ROOT/splits/train-19zl.csv, val-19zl.csv    no header; satellite path, panorama path, annotation path
    ROOT/split_locations/all.csv                no header; satellite lat, lon, ground lat, lon, ...; no ids
    ROOT/bingmap/19/0000001.jpg, ROOT/streetview/panos/0000001.jpg

A pair's id is the number in its satellite file name, and its place stands in line id of all.csv (counted from 1). The
place is the panorama's, not the tile's. Its val split is called validation here. There are no cities: `area` is a
square of five degrees.

Source of the layout: the loaders of viibridges/crossnet and of Sample4Geo. Guessed, since no public text says it:

- The fifth column of all.csv is not needed.
- Panoramas are 1232 x 224 pixels.
- There are no times, so taken_at is None.
"""

import re
from pathlib import Path

import pandas as pd

from georeplicate.pairs import schema

LISTS = {"train": "train-19zl.csv", "validation": "val-19zl.csv"}
SPLITS = tuple(LISTS)
PANORAMA_RATIO = 1232 / 224


def read(root: Path, split: str) -> pd.DataFrame:
    """Every line of the split's list (see schema)."""
    listing = schema.file_of("cvusa", root / "splits" / LISTS[schema.split_of("cvusa", split, SPLITS)])
    places = schema.file_of("cvusa", root / "split_locations" / "all.csv")
    located = [line for _, line in schema.lines_of("cvusa", places)]  # an empty line keeps its number
    if located and re.search("lat|lon", ",".join(located[0]), re.IGNORECASE):
        raise ValueError(
            f"cvusa: {places} begins with names of columns, which shifts every place by a line: remove them"
        )
    files = schema.Files(root)
    ids, lat, lon, aerial, panorama, problems = [], [], [], [], [], []
    for number, line in schema.lines_of("cvusa", listing):
        if not line:
            continue
        stem = Path(line[0].strip()).stem
        whole = len(line) >= 2 and re.fullmatch("[0-9]{1,18}", stem) is not None
        place = located[int(stem) - 1] if whole and 0 < int(stem) <= len(located) else []
        known = len(place) >= 4
        ids.append(stem if whole else f"{LISTS[split]} line {number}")
        lat.append(place[2] if known else None)
        lon.append(place[3] if known else None)
        aerial.append(files.first([line[0].strip()]) if whole else None)
        panorama.append(files.first([line[1].strip()]) if whole else None)
        problems.append("" if known else "no place in all.csv" if whole else "line without two paths and a number")
    columns = {"id": ids, "lat": lat, "lon": lon, "country": "US", "aerial": aerial, "panorama": panorama}
    frame = schema.table(columns, problems)
    frame["area"] = schema.cell(frame.lat, frame.lon, "US")
    return frame
