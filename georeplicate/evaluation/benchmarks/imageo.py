"""IMAGEO-Bench's Global Street Scenes (GSS): 6,152 street views from Mapillary and KartaView.

Layout (read in the repository): dataset1_info.csv (in analysis/ or data/) with image_id, city, country, continent,
latitude, longitude, img_path and conditions of the picture; pictures in data/dataset1/. img_path is the place in the
collection that the set was drawn from, not here: pictures are found by image_id.
"""

from pathlib import Path

from georeplicate.evaluation import csvfile
from georeplicate.evaluation.benchmarks.schema import Benchmark, Source, build

SOURCE = Source(
    "IMAGEO-GSS",
    origin="https://doi.org/10.5281/zenodo.16670471 and https://github.com/Lingyao1219/benchmark-reverse-geocoding",
    size="6,152 photographs and dataset1_info.csv",
    licence="licence not found",
)


def load(root: Path) -> Benchmark:
    """From `root`, the repository's folder or one with the CSV and dataset1/."""
    file = SOURCE.file(root, *(f"{one}dataset1_info.csv" for one in ("", "data/", "analysis/")))
    frame, found = csvfile.read(file)
    folders = [root / one for one in ("data/dataset1", "dataset1", "images")]
    return build(SOURCE, frame, file, found, folders)
