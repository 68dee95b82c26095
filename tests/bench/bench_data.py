"""Sizes and speeds of the foundation, on this machine, into results/bench/foundation.csv (`make bench`), and those of
the data engine after them (bench_engine.py).

Each speed is the best of three passes on one core after a first one that loads the data: other programs can only make
it worse. The aims are the project's own; a row that misses its aim is written like the others.
"""

import os
import time
from collections.abc import Callable
from functools import cache

import bench_engine as engine_bench
import numpy as np
import pandas as pd

from georeplicate import atlas, files, geo, pairs, provenance
from georeplicate.pairs import negatives

OUT = files.RESULTS / "bench" / "foundation.csv"
PASSES = 3


def per_second(count: int, work: Callable[[], object]) -> float:
    """Things done a second, when one call of `work` does `count` of them."""
    work()
    seconds = []
    for _ in range(PASSES):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return count / min(seconds)


def describe_points() -> float:
    rng = np.random.default_rng(0)
    lat, lon = atlas.random_land(100_000, rng)
    return per_second(len(lat), lambda: atlas.describe(lat, lon, "2024-06-21T12:00:00Z"))


def geocode_names() -> float:
    cities = atlas.cities(min_population=15_000).sample(5000, random_state=0)
    names = list(zip(cities.name, cities.country))
    return per_second(len(names), lambda: [atlas.geocode(*name) for name in names])


def render_pairs() -> float:
    """Places drawn from the test cities, with their facts, both views at the mini model's size, as PNG."""
    return per_second(len(pairs.load("world", "test", per_region=4)), lambda: pairs.load("world", "test", per_region=4))


@cache
def hard_negatives(n: int = 250_000, seed: int = 0) -> tuple[float, float]:
    """(seconds, peak memory of the process in GB) of four hard negatives each, with timestamps, for n places.

    The places stand as densely as those of CV-Cities: 16 cities, within 8 km, daylight of all seasons.
    """
    rng = np.random.default_rng(seed)
    cities = atlas.cities(min_population=500_000).sample(16, random_state=seed)
    at = rng.integers(0, len(cities), n)
    lat, lon = cities.lat.to_numpy()[at], cities.lon.to_numpy()[at]
    lat, lon = geo.destination(lat, lon, rng.uniform(0, 360, n), 8 * np.sqrt(rng.random(n)))
    minutes = rng.integers(0, 365, n) * 1440 + (60 * (rng.uniform(8, 17, n) - lon / 15)).astype(int)
    moments = np.datetime_as_string(np.datetime64("2023-01-01T00:00") + minutes, unit="s", timezone="UTC").tolist()
    started = time.perf_counter()
    negatives.nearest(lat, lon, 4, taken_at=moments, min_km=0.1)
    return time.perf_counter() - started, provenance.peak_mb() * 2**20 / 1e9


def embedded_mb() -> float:
    return sum(path.stat().st_size for path in files.PACKAGE.glob("*/data/*")) / 1e6


ROWS = (
    ("atlas.describe, all facts of random land points", describe_points, "points/s", ">= 100000"),
    ("atlas.geocode, city and country", geocode_names, "look-ups/s", ">= 20000"),
    ("world pairs, rendered and encoded", render_pairs, "pairs/s", ">= 100"),
    ("hard negatives in space and time of 250,000 places", lambda: hard_negatives()[0], "s", "<= 60"),
    ("peak memory of the whole process after them", lambda: hard_negatives()[1], "GB", "<= 2"),
    ("embedded data", embedded_mb, "MB", "<= 15"),
)


def main() -> None:
    machine = provenance.machine()
    rows = []
    for what, measure, unit, aim in ROWS:
        value = measure()
        value = float(f"{value:.3g}")
        print(f"{what}: {value:,.10g} {unit} (aim {aim})", flush=True)
        rows.append({"what": what, "value": value, "unit": unit, "aim": aim, "cpu": machine["cpu"]})
    print(f"wrote {os.path.relpath(files.write_csv(OUT, pd.DataFrame(rows)))}")
    engine_bench.main()


if __name__ == "__main__":
    main()
