"""MP16-Reason-Test-12K, the test set of GLOBE: 12,000 photographs of MP-16 with city and country.

Layout (read in GLOBE's eval.py): mp16-reason-test-12k.csv with IMG_ID (or id; ".jpg" added where it lacks), LAT and LON
(or latitude, longitude), city, country; pictures in data/eval_images/. The order of the columns is not relied upon.
"""

from pathlib import Path

from georeplicate.evaluation import csvfile
from georeplicate.evaluation.benchmarks.schema import Benchmark, Source, build

SOURCE = Source(
    "MP16-Reason-Test-12K",
    origin="https://huggingface.co/datasets/globe-project/MP16-Reason",
    size="12,000 photographs and mp16-reason-test-12k.csv",
    licence="licence not found",
)


def load(root: Path) -> Benchmark:
    """From `root`, with the CSV there or in data/."""
    file = SOURCE.file(root, "mp16-reason-test-12k.csv", "data/mp16-reason-test-12k.csv")
    frame, found = csvfile.read(file)
    folders = [root / one for one in ("data/eval_images", "eval_images", "images")]
    return build(SOURCE, frame, file, found, folders)
