"""Seconds that scoring takes on this machine, wall clock and processor: python tests/bench/bench_score.py"""

import time

import numpy as np
import pandas as pd

from georeplicate import atlas
from georeplicate.evaluation.compare import compare
from georeplicate.evaluation.effects import protocol_effects
from georeplicate.evaluation.score import score


def measured(what, function, repeats=3):
    """The quickest of some repeats, as a machine that is shared is slower by chance."""
    best = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        best.append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"{what:<62} {min(best)[0]:6.2f} s wall {min(cpu for _, cpu in best):6.2f} s cpu", flush=True)


def photographs(n):
    rng = np.random.default_rng(0)
    truth = pd.DataFrame({"id": [f"{i:07d}" for i in range(n)]})
    truth["lat"], truth["lon"] = np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)
    guess = truth.assign(lat=np.clip(truth.lat + rng.normal(0, 5, n), -90, 90))
    return guess, truth


def answers(n):
    rng = np.random.default_rng(1)
    cities = atlas.cities(100_000).head(3000)
    true, said = (cities.iloc[rng.integers(0, len(cities), n)].reset_index(drop=True) for _ in range(2))
    ids = pd.DataFrame({"id": [str(i) for i in range(n)]})
    truth = ids.join(true[["lat", "lon", "country"]]).assign(city=true.name)
    said["country"] = [atlas.country_name(code) for code in said.country]
    text = [
        f"<answer>country: {row.country}\ncity: {row.name_}</answer>"
        for row in said.rename(columns={"name": "name_"}).itertuples()
    ]
    return ids.assign(text=text), truth


def main():
    guess, truth = photographs(12_000)
    scores = score(guess, truth)
    measured("12,000 rows x 2,000 resamples: all intervals", lambda: scores.intervals(2000))
    measured("the same by cluster (3,000 of them)", lambda: scores.intervals(2000, cluster=np.arange(12_000) // 4))
    measured("two systems compared, 12,000 rows x 2,000 resamples", lambda: compare(scores, scores))
    measured("12,000 rows by climate", lambda: scores.by("climate"))
    guess, truth = photographs(1_000_000)
    measured("1,000,000 predictions scored, no intervals", lambda: score(guess, truth).summary)
    measured("the same on WGS84", lambda: score(guess, truth, "geoclip").summary)
    said, true = answers(12_000)
    measured("12,000 answers in words parsed, geocoded and scored", lambda: score(said, true).summary)
    measured("12,000 answers in words: table of the protocol's effects", lambda: protocol_effects(said, true), 1)


if __name__ == "__main__":
    main()
