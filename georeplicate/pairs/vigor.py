"""VIGOR: 105,214 panoramas of four cities in the United States and the satellite tiles around them (Zhu et al., 2021).

    ROOT/<City>/panorama/<prefix>,<lat>,<lon>,.jpg       with a comma before the dot
    ROOT/<City>/satellite/satellite_<lat>_<lon>.png
    ROOT/splits/<City>/same_area_balanced_{train,test}.txt, pano_label_balanced.txt

A line of a label file is a panorama and four times (tile, two offsets in pixels): the tile it belongs to and three that
also show it, so that the tile is words 1, 4, 7 or 10. `aerial` is the first. The semi-positives are within the distance
floor of `pairs.questions` and so are never offered as wrong answers.
The other tree in use, ROOT/ground/<City>/ and ROOT/satellite/<City>/, is read as well, and so are the spelling
`satelitte_` and the ending .jpg of the authors' description. Several panoramas share a tile.

setting  "same-area": train and test in all four cities; "cross-area": train in New York and Seattle, test in San
         Francisco and Chicago

Source of the layout: data/DATASET.md of Jeff-Zilence/VIGOR. Guessed, since no public text says it:

- The last two numbers between commas of a panorama's name are its latitude and longitude.
- Panoramas are twice as wide as high.
- There are no times, so taken_at is None.
"""

import warnings
from pathlib import Path

import pandas as pd

from georeplicate.pairs import schema

CITIES = {"Chicago": "Chicago", "NewYork": "New York City", "SanFrancisco": "San Francisco", "Seattle": "Seattle"}
SPLITS = ("train", "test")
SETTINGS = {
    ("same-area", "train"): (tuple(CITIES), "same_area_balanced_train.txt"),
    ("same-area", "test"): (tuple(CITIES), "same_area_balanced_test.txt"),
    ("cross-area", "train"): (("NewYork", "Seattle"), "pano_label_balanced.txt"),
    ("cross-area", "test"): (("SanFrancisco", "Chicago"), "pano_label_balanced.txt"),
}
PANORAMA_RATIO = 2.0
WORDS_A_LINE = 13


def read(root: Path, split: str, *, setting: str = "same-area") -> pd.DataFrame:
    """Every line of the label files of this split and setting (see schema); of the cities that are here, with a warning
    that names the others."""
    split = schema.split_of("vigor", split, SPLITS)
    if (setting, split) not in list(SETTINGS):  # compared, as what is given may have no hash
        raise ValueError(f"vigor has no setting {setting!r}; choose same-area or cross-area")
    cities, name = SETTINGS[setting, split]
    files = schema.Files(root)
    rows, problems = [], []
    lists = {folder: root / "splits" / folder / name for folder in cities}
    here = [folder for folder, listing in lists.items() if listing.is_file()]
    if not here:
        schema.file_of("vigor", *lists.values())
    if len(here) < len(cities):
        missing = ", ".join(folder for folder in cities if folder not in here)
        warnings.warn(f"vigor {split}: {len(here)} of {len(cities)} cities are here; missing: {missing}", stacklevel=3)
    for folder in here:
        try:
            lines = lists[folder].read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(schema.not_utf8("vigor", lists[folder], error)) from None
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words:
                continue
            row = {"id": f"{folder}/line {number}", "city": CITIES[folder], "area": f"{CITIES[folder]}, US"}
            problem = "" if len(words) == WORDS_A_LINE else f"{len(words)} words where {WORDS_A_LINE} belong"
            if not problem:
                row |= _row(folder, words[0], words[1], files)
            rows.append(row)
            problems.append(problem)
    names = ("id", "lat", "lon", "city", "area", "panorama", "aerial")
    return schema.table({name: [row.get(name) for row in rows] for name in names} | {"country": "US"}, problems)


def _row(city: str, panorama: str, tile: str, files: schema.Files) -> dict:
    stem = panorama.rpartition(".")[0]
    fields = [field for field in stem.split(",") if field]
    lat, lon = fields[-2:] if len(fields) >= 2 else (None, None)
    return {
        "id": f"{city}/{stem.rstrip(',')}",
        "lat": lat,
        "lon": lon,
        "panorama": files.first([f"{city}/panorama/{panorama}", f"ground/{city}/{panorama}"]),
        "aerial": files.first(
            f"{folder}/{name}" for name in _spellings(tile) for folder in (f"{city}/satellite", f"satellite/{city}")
        ),
    }


def _spellings(tile: str) -> list[str]:
    """The name as listed, then with the other word in front and the other ending."""
    stem, _, ending = tile.rpartition(".")
    _, _, place = stem.partition("_")
    named = [tile]
    for word in ("satellite", "satelitte"):
        named += [f"{word}_{place}.{other}" for other in (ending, "png", "jpg")]
    return named
