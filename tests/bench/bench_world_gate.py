"""Is the world learnable, and free of shortcuts? Measured into results/bench/world_gate.csv (see mini/gate.py)."""

import argparse
import time
from functools import partial
from pathlib import Path

import pandas as pd

from georeplicate import files, pairs
from georeplicate.mini.gate import CONTROLS, DIALS, accuracy, train
from georeplicate.world import Difficulty


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-region", type=int, default=100, help="training sites in each of the 16 cities")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=files.RESULTS / "bench" / "world_gate.csv")
    args = parser.parse_args()
    results = [_measure(name, difficulty, args) for name, difficulty in DIALS.items()]
    table = pd.DataFrame([row for rows in results for row in rows])
    files.write_csv(args.out, table)
    print(table.to_string(index=False))


def _measure(dial: str, difficulty: Difficulty, args: argparse.Namespace) -> list[dict]:
    load = partial(pairs.load, "world", difficulty=difficulty)
    rows, held_out = load("train", per_region=args.per_region), load("test", per_region=8, regions=100)
    asked = pairs.questions(held_out, negatives=difficulty.negatives, seed=args.seed)
    start = time.process_time()
    model = train(rows, steps=args.steps, seed=args.seed)
    seconds = round(time.process_time() - start)
    return [
        {
            "dial": dial,
            "control": control or "none",
            "accuracy": round(accuracy(model, held_out, asked, control=control), 4),
            "n": len(asked),
            "k": 5,
            "negatives": difficulty.negatives,
            "train_sites": len(rows),
            "steps": args.steps,
            "seed": args.seed,
            "train_cpu_seconds": seconds,
        }
        for control in CONTROLS
    ]


if __name__ == "__main__":
    main()
