"""GRPO of a profile of photographs at its true size on one GPU, into results/bench/single_gpu.csv.

The model has the published sizes of Qwen2.5-VL and random weights (so no answer ends before its limit: the longest
update there can be), pictures are noise of the profile's sizes, and the reward is a coin, which gives gradients; all
other settings are the profile's, through the same `stages.train` as any run. Rows: one an update and way ("ddp": all
weights trained, "lora": adapters), with its seconds by part, the peak of memory and what `georeplicate plan` expects of
it. Neither weights nor pictures being real, the rows say nothing about geolocation.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import math
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from PIL import Image
from transformers import TrainerCallback
from transformers.utils import logging as transformers_logging

sys.path.insert(0, str(Path(__file__).parent))
from bench_grpo import WORDS, device_name, make_policy
from measurements import replace_rows

from georeplicate import files
from georeplicate.model.checkpoint import MANIFEST
from georeplicate.profiles import Profile
from georeplicate.runs import plan
from georeplicate.tasks.rows import Rows
from georeplicate.training import common, grpo, stages

OUT = files.RESULTS / "bench" / "single_gpu.csv"
SIZES = {"3B": "Qwen/Qwen2.5-VL-3B-Instruct", "7B": "Qwen/Qwen2.5-VL-7B-Instruct"}
KEPT = ("loss", "grad_norm", "kl", "entropy", "reward", "reward_std", "length", "tokens_per_second")
KEPT += ("seconds_generation", "seconds_reference", "seconds_forward", "peak_mb")


def questions(profile: Profile, count: int) -> Rows:
    """Noise in the profile's sizes, with a text of as many words as the plan takes a question to have."""
    height, width = profile.panorama_px
    sizes = [(height, width)] + [(profile.tile_px, profile.tile_px)] * profile.k

    def row(number: int) -> dict:
        rng = np.random.default_rng(number)
        pictures = [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
        words = rng.choice(WORDS, int(plan.ASSUMPTIONS["text_tokens"]) - 30)
        return {"images": pictures, "prompt": " ".join(words), "letter": "A", "id": str(number)}

    return Rows(range(count), row)


class Limit(TrainerCallback):
    """No further update begins when so many seconds have passed since training began."""

    def __init__(self, seconds: float):
        self.seconds, self.end = seconds, math.inf

    def on_train_begin(self, args, state, control, **kwargs):
        self.end = time.perf_counter() + self.seconds

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop |= time.perf_counter() > self.end


def measure(size: str, way: str, profile: Profile, folder: Path, seconds: float = math.inf) -> pd.DataFrame:
    """One row an update."""
    ends = []

    def report(updates: int, doing: str, skipped: bool = False) -> None:
        torch.cuda.synchronize()
        ends.append(time.perf_counter())
        print(f"{doing}: {ends[-1] - ends[max(0, len(ends) - 2)]:.1f} s", flush=True)

    def train(*given, callbacks, **options):
        return trained(*given, callbacks=[*callbacks, Limit(seconds)], **options | {"save_steps": None})

    trained = grpo.train
    # Neither checkpoints nor the trained policy are written: tens of gigabytes of noise.
    with (
        mock.patch.object(grpo, "train", train),
        mock.patch.object(common, "_save", lambda *_: None),
    ):
        rows = questions(profile, profile.rl_steps * profile.prompts_per_update)
        out = folder.parent / way
        stages.train("grpo", folder, rows, out, profile, seed=0, reward="random", report=report)
    log = pd.read_csv(out / "log.csv")
    planned = plan.memory(plan.shape(SIZES[size]), profile, "grpo", way, 1).peak / 1e9
    measured = log[["step", *(name for name in KEPT if name in log)]].assign(seconds=np.diff(ends))
    measured["peak_gb"] = measured.pop("peak_mb") * 2**20 / 1e9
    found = {"device": device_name(), "torch": torch.__version__, "model": size, "weights": "random", "way": way}
    found |= {"accumulation": profile.accumulation, "tokens": profile.max_completion_length, "planned_gb": planned}
    return pd.DataFrame([found] * len(measured)).join(measured.reset_index(drop=True)).round(6)


def main() -> None:
    parser = argparse.ArgumentParser(description="a profile of photographs at its true size, with random weights")
    parser.add_argument("--profile", default="single_gpu", choices=["single_gpu", "paper"])
    parser.add_argument("--ways", nargs="+", default=["ddp"], choices=["ddp", "lora"])
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--accumulation", type=int, default=8)
    parser.add_argument("--tokens", type=int, help="limit of an answer (default: the profile's)")
    parser.add_argument("--seconds", type=float, nargs="+", default=[math.inf], help="of training, for each way")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("bench_single_gpu wants a GPU, and there is none here")
    transformers_logging.set_verbosity_error()
    size = "3B" if args.profile == "single_gpu" else "7B"
    profile = replace(Profile.get(args.profile), rl_steps=args.updates, accumulation=args.accumulation)
    if args.tokens:
        profile = replace(profile, max_completion_length=args.tokens)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy"
        with torch.device("cuda"):
            made = make_policy(size)
        made.save(path)
        (path / MANIFEST).unlink()  # which would be checked at every start
        del made
        for way, seconds in zip(args.ways, itertools.cycle(args.seconds)):
            gc.collect()
            torch.cuda.empty_cache()
            if held := torch.cuda.memory_allocated():
                print(f"{way}: {held / 1e9:.1f} GB are held from before, so its peak is none of its own", flush=True)
            torch.cuda.reset_peak_memory_stats()
            rows = measure(size, way, replace(profile, adapters="lora" if way == "lora" else ""), path, seconds)
            replace_rows(args.out, rows, ["device", "model", "way", "tokens", "accumulation"])
            print(rows.tail(1).T.to_string(), flush=True)


if __name__ == "__main__":
    main()
