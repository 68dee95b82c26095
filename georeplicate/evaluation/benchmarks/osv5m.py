"""OSV-5M (Astruc et al., CVPR 2024): street views from Mapillary; the test set, and the part of it that GLOBE uses.

Layout of the test set (dataset card and loading script): test.csv with id, latitude, longitude, country, region,
sub-region, city and more; pictures in images/test/, in the folders 00 to 04 once the archives are unpacked. In the
authors' code it is test/test.csv. GLOBE's part: test_mini.csv with id, latitude, longitude (the order and the other
columns are not verified; found by name) and pictures in osv-test-mini-3k/.
"""

from pathlib import Path

from georeplicate.evaluation import csvfile
from georeplicate.evaluation.benchmarks.schema import Benchmark, Source, build

TEST = Source(
    "OSV-5M test",
    origin="https://huggingface.co/datasets/osv5m/osv5m",
    size="about 210,000 photographs in five archives, and test.csv of 116 MB",
    licence="CC BY-SA 4.0",
)
TEST_MINI = Source(
    "OSV-5M test-mini",
    origin="https://github.com/lingli1996/GLOBE, photographs from https://huggingface.co/datasets/osv5m/osv5m",
    size="about 3,000 photographs and test_mini.csv",
    licence="CC BY-SA 4.0 for the photographs; licence not found for the selection",
)


def load_test(root: Path) -> Benchmark:
    """From `root`, as unpacked from the hub or as the authors' code has it."""
    file = TEST.file(root, "test.csv", "test/test.csv")
    frame, found = csvfile.read(file)
    return build(TEST, frame, file, found, [root / one for one in ("images/test", "test/test", "test/images")])


def load_test_mini(root: Path) -> Benchmark:
    """From `root`, with the CSV there or in data/."""
    file = TEST_MINI.file(root, "test_mini.csv", "data/test_mini.csv")
    frame, found = csvfile.read(file)
    folders = [root / one for one in ("osv-test-mini-3k", "data/osv-test-mini-3k", "images")]
    return build(TEST_MINI, frame, file, found, folders)
