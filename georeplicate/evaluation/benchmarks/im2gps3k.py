"""IM2GPS3k (Vo et al. 2017): some 3,000 Flickr photographs; names of places are not known.

Layout: im2gps3k_places365.csv of GeoEstimation (IMG_ID, AUTHOR, LAT, LON, cells, scene probabilities; the order of its
columns is not verified, so they are found by name) or GLOBE's img2gps3k_gt.csv; pictures in im2gps3ktest/. The table is
known to have 2,997 rows and the archive 3,000 pictures: the report names those without a row.
"""

from pathlib import Path

from georeplicate.evaluation import csvfile
from georeplicate.evaluation.benchmarks.schema import Benchmark, Source, build

SOURCE = Source(
    "IM2GPS3k",
    origin="https://github.com/lugiavn/revisiting-im2gps (im2gps3ktest.zip) and, for the table, "
    "https://huggingface.co/datasets/Jia-py/G3-checkpoint",
    size="about 3,000 photographs, 2,997 rows in im2gps3k_places365.csv",
    licence="licence not found",
)


def load(root: Path) -> Benchmark:
    """From `root`, with the CSV there or in data/."""
    tables = ("im2gps3k_places365.csv", "img2gps3k_gt.csv")
    file = SOURCE.file(root, *tables, *(f"data/{one}" for one in tables))
    frame, found = csvfile.read(file)
    folders = [root / one for one in ("im2gps3ktest", "data/im2gps3ktest", "images")]
    return build(SOURCE, frame, file, found, folders)
