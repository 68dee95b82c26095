"""GeoChain's test samples: 2,088 street views of Mapillary Street-Level Sequences.

Layout (read in the repository): data/test_samples.csv with key, locatability_score, lat, lon, city, sub_folder,
class_mapping, sequence_key; pictures, which the repository does not hold, in <city>/<sub_folder>/images/<key>.jpg below
a folder "mapillary". `city` is the data set's short name of a city ("cph", "saopaulo") and country is not told: it is
written out here where it is short or joined, so that names can be compared; countries are left unknown.
"""

from pathlib import Path

from georeplicate.evaluation import csvfile
from georeplicate.evaluation.benchmarks.schema import Benchmark, Source, build

SOURCE = Source(
    "GeoChain",
    origin="https://github.com/sahitiy/geochain, photographs from Mapillary Street-Level Sequences",
    size="2,088 photographs and test_samples.csv",
    licence="CC BY-NC-SA 4.0",
)
CITIES = {"cph": "Copenhagen", "saopaulo": "São Paulo", "sf": "San Francisco"}


def load(root: Path) -> Benchmark:
    """From `root`, the repository's folder or one with the CSV."""
    file = SOURCE.file(root, "data/test_samples.csv", "test_samples.csv")
    frame, found = csvfile.read(file)
    if "city" in frame:
        frame["city"] = [CITIES.get(name, name) for name in frame["city"]]
    return build(SOURCE, frame, file, found, [root / one for one in ("mapillary", "mapillary_dataset", "images")])
