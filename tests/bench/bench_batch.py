"""Thousands of inputs with 5 % broken, through the commands that people give them to: python tests/bench/bench_batch.py

With --out a CSV file: command, inputs, broken, listed (how many of the broken ones are named in what is printed or
written), lost (good ones without a result), seconds, cpu_seconds (which other work on the machine hardly stretches),
inputs a second of these, peak_mb of the process, cpu. A peak_mb that hardly grows from 1,000 to 10,000 inputs says that
no command keeps all photographs in memory. The predictions and photographs are made here; the model is the mini base,
whose answers mean nothing (`--synthetic-demo`).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from georeplicate import files, provenance

BROKEN = 0.05
SIZES = (1_000, 10_000)


def broken_rows(n: int) -> np.ndarray:
    return np.random.default_rng(1).permutation(n)[: int(n * BROKEN)]


def photographs(folder: Path, n: int) -> tuple[list[Path], set[Path]]:
    """n paths; those that are broken: cut off, empty, no picture, or not there."""
    rng, whole = np.random.default_rng(0), folder / "whole.jpg"
    Image.fromarray(rng.integers(0, 255, (120, 160, 3), np.uint8)).save(whole)
    data, paths, bad = whole.read_bytes(), [folder / f"photo {i:05d}.jpg" for i in range(n)], set()
    broken = set(broken_rows(n).tolist())
    for i, path in enumerate(paths):
        if i not in broken:
            path.write_bytes(data)
            continue
        bad.add(path)
        kind = (data[: len(data) // 2], b"", b"no picture at all", None)[i % 4]
        if kind is not None:
            path.write_bytes(kind)
    return paths, bad


def predictions(folder: Path, n: int) -> tuple[Path, Path, set[str]]:
    """A CSV of predictions and one of true places; the ids of broken predictions: no number, out of range, unknown."""
    rng = np.random.default_rng(0)
    truth = pd.DataFrame({"id": [f"{i:06d}.jpg" for i in range(n)]})
    truth["lat"], truth["lon"] = rng.uniform(-60, 70, n), rng.uniform(-180, 180, n)
    said = truth.assign(lat=np.clip(truth.lat + rng.normal(0, 5, n), -90, 90)).astype({"lat": object, "lon": object})
    broken = broken_rows(n)
    for i in broken:
        said.loc[i, ("lat", "lon", "id")[i % 3]] = ("north", 999, f"unknown-{i}.jpg")[i % 3]
    paths = folder / "said.csv", folder / "truth.csv"
    said.to_csv(paths[0], index=False)
    truth.to_csv(paths[1], index=False)
    return *paths, {str(said.id[i]) for i in broken}


def run(*words: object) -> tuple[str, str, int, dict]:
    """(stdout, stderr, exit code, {seconds, cpu_seconds, peak_mb}) of one command."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "georeplicate", *map(str, words)], stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    cost = {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}
    return *texts, os.waitstatus_to_exitcode(status), cost


def locate(folder: Path, n: int) -> dict:
    paths, bad = photographs(folder, n)
    out, err, code, cost = run("locate", "--synthetic-demo", "--json", *paths)
    assert code == (1 if bad else 0), err[-500:]
    answered = {json.loads(line)["photo"] for line in out.splitlines()}
    listed = sum(f"{path.name}" in err for path in bad)
    return line("locate", n, bad, listed, n - len(bad) - len(answered), cost)


def score(folder: Path, n: int) -> dict:
    said, truth, bad = predictions(folder, n)
    out, err, code, cost = run("score", said, "--truth", truth, "--out", folder / "rows.csv", "--json")
    assert code == 0, err[-500:]
    rows = pd.read_csv(folder / "rows.csv", dtype={"id": str})
    listed = len(bad & set(rows.id[rows.problem.notna()]))
    return line("score", n, bad, listed, int((n - len(bad)) - rows.error_km.notna().sum()), cost)


def map_(folder: Path, n: int) -> dict:
    said, truth, bad = predictions(folder, n)
    out, err, code, cost = run("map", said, "--truth", truth, "--out", folder / "maps")
    assert code == 0, err[-500:]
    aside = set(pd.read_csv(folder / "maps" / "set_aside.csv", dtype={"id": str}).id)
    return line("map", n, bad, len(bad & aside), len(aside & set(pd.read_csv(said).id) - bad), cost)


def line(command: str, n: int, bad, listed: int, lost: int, cost: dict) -> dict:
    counts = {"command": command, "inputs": n, "broken": len(bad), "listed": listed, "lost": lost}
    speed = {name: round(cost[name], 1) for name in ("seconds", "cpu_seconds")}
    speed["inputs_per_second"] = round(n / cost["cpu_seconds"], 1)
    return counts | speed | {"peak_mb": round(cost["peak_mb"]), "cpu": provenance.machine()["cpu"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--commands", nargs="+", default=("score", "map", "locate"))
    parser.add_argument("--out", type=Path, help="CSV file to write")
    given = parser.parse_args()
    lines = []
    for name in given.commands:
        for n in given.sizes:
            with tempfile.TemporaryDirectory(prefix="tausend Fotos é ") as folder:
                lines.append({"score": score, "map": map_, "locate": locate}[name](Path(folder), n))
            print(lines[-1], flush=True)
    if given.out:
        files.write_csv(given.out, pd.DataFrame(lines))


if __name__ == "__main__":
    main()
