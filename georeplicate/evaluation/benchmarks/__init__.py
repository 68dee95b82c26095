"""Test sets of photographs behind one schema: rows {id, image, lat, lon, city, country}, and a report.

    benchmark = benchmarks.load("IM2GPS3k", root="data/im2gps3k")
    benchmark.rows, benchmark.report.lines(), benchmark.source.licence

A new test set is one file beside this one and one line in LOADERS; what lives elsewhere (the synthetic world) is added
with `register`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from georeplicate.evaluation.benchmarks import geochain, im2gps3k, imageo, mp16_reason, osv5m, yfcc4k
from georeplicate.evaluation.benchmarks.schema import Benchmark, Source

__all__ = ["Benchmark", "Source", "load", "names", "register"]

Loader = Callable[[Path], Benchmark]
LOADERS: dict[str, Loader] = {
    "MP16-Reason-Test-12K": mp16_reason.load,
    "IM2GPS3k": im2gps3k.load,
    "YFCC4k": yfcc4k.load,
    "OSV-5M test": osv5m.load_test,
    "OSV-5M test-mini": osv5m.load_test_mini,
    "IMAGEO-GSS": imageo.load,
    "GeoChain": geochain.load,
}


def names() -> list[str]:
    """The names of all test sets."""
    return list(LOADERS)


def register(name: str, loader: Loader) -> None:
    """Add a test set: `loader(root)` gives its Benchmark. ValueError if the name is taken by another loader."""
    taken = _known(name)
    if taken and LOADERS[taken] is not loader:
        raise ValueError(f"benchmark {name!r} is registered already, as {taken}; choose another name")
    LOADERS[taken or name] = loader


def load(name: str, root: str | Path | None = None) -> Benchmark:
    """The test set of that name (case and punctuation do not matter) from the folder of its files.

    root: where its files lie; data/<name> unless given. Raises ValueError, listing the names, for an unknown one, and
    FileNotFoundError where the files are not: where they come from, their size and licence, in one sentence.
    """
    known = _known(name)
    if known is None:
        raise ValueError(f"no benchmark {name!r}; choose from {', '.join(LOADERS)}")
    return LOADERS[known](Path("data") / re.sub(r"[^a-z0-9]+", "-", known.lower()) if root is None else Path(root))


def _known(name: str) -> str | None:
    def key(one: str) -> str:
        return re.sub(r"[^a-z0-9]", "", one.lower())

    return next((known for known in LOADERS if key(known) == key(str(name))), None)
