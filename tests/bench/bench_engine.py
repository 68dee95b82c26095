"""Speed, memory and exactness of the data engine on this machine, into results/bench/engine.csv (`make bench`).

python tests/bench/bench_engine.py            all rows
python tests/bench/bench_engine.py facts N    one pass over N places in this process; prints seconds and memory
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import planted

from georeplicate import atlas, engine, files, provenance

ROOT = files.CHECKOUT
OUT = ROOT / "results" / "bench" / "engine.csv"
CLAIMS = ROOT / "tests" / "data" / "claims.csv"
SIZES = (10_000, 100_000, 1_000_000)
RECORDS = 4000
PASSES = 3  # the best counts: other programs can only make it worse


def places(n: int, seed: int = 0, block: int = 10_000) -> Iterator[dict]:
    """Rows of metadata on random land, made as they are asked for."""
    rng = np.random.default_rng(seed)
    for start in range(0, n, block):
        lat, lon = atlas.random_land(min(block, n - start), rng)
        day = np.datetime64("2024-01-01T00:00") + rng.integers(0, 366 * 24 * 60, len(lat)).astype("timedelta64[m]")
        for i, (la, lo, when) in enumerate(zip(lat.tolist(), lon.tolist(), day.tolist()), start):
            yield {"id": f"p{i:07d}", "lat": la, "lon": lo, "taken_at": f"{when.isoformat()}Z"}


def facts_once(n: int) -> dict:
    """Seconds and peak memory of facts for n streamed places, in this process."""
    next(places(1))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        engine.build_facts(places(n), folder)
    return {"seconds": time.perf_counter() - started, "peak_mb": provenance.peak_mb()}


def _facts_rows() -> Iterator[tuple]:
    for n in SIZES:
        command = [sys.executable, __file__, "facts", str(n)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        measured = json.loads(answer.stdout.splitlines()[-1])
        aim = "<= 1000" if n == max(SIZES) else ""
        yield f"facts only, {n:,} streamed places: peak memory", measured["peak_mb"], "MB", aim
        yield f"facts only, {n:,} streamed places: speed", n / measured["seconds"], "places/s", ""


def _record_rows() -> Iterator[tuple]:
    rows = list(places(RECORDS))
    for register in engine.template.REGISTERS:
        for processes in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                engine.build(rows[:50], Path(folder) / "warm", engine.Template(register))
                seconds = []
                for i in range(PASSES):
                    started = time.perf_counter()
                    engine.build(rows, Path(folder) / str(i), engine.Template(register), num_proc=processes)
                    seconds.append(time.perf_counter() - started)
            cores = "one process" if processes == 1 else f"{processes} processes"
            yield (
                f"records, template ({register}), written and checked, {cores}",
                len(rows) / min(seconds),
                "records/s",
                "",
            )


def _exactness_rows() -> Iterator[tuple]:
    measured = {f"template, {register}, one fact replaced": planted.planted(1000, register=register)
                for register in engine.template.REGISTERS}  # fmt: skip
    if CLAIMS.is_file():
        written = planted.written(CLAIMS)
        measured |= {f"worded otherwise, part {part}": rows for part, rows in written.groupby("part")}
    for what, rows in measured.items():
        precision, recall = planted.precision_recall(rows)
        aim = ">= 0.95" if what.startswith("template") else ""
        yield f"fact check, {what} ({len(rows)} texts): precision", precision, "share", aim
        yield f"fact check, {what} ({len(rows)} texts): recall", recall, "share", aim


def main() -> None:
    cpu = provenance.machine()["cpu"]
    rows = []
    for part in (_record_rows, _facts_rows, _exactness_rows):
        for what, value, unit, aim in part():
            value = float(f"{value:.3g}")
            print(f"{what}: {value:,.10g} {unit}" + (f" (aim {aim})" if aim else ""), flush=True)
            rows.append({"what": what, "value": value, "unit": unit, "aim": aim, "cpu": cpu})
    print(f"wrote {files.write_csv(OUT, pd.DataFrame(rows)).relative_to(ROOT)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["facts"]:
        print(json.dumps(facts_once(int(sys.argv[2]))))
    else:
        main()
