"""A first look at GRPO in the geographic world: arms from one base, measured on validation, into world2_pilot.csv.

    python tests/bench/bench_world2.py --arm region --seed 0 --base .georeplicate/base-geographic-0/policy

An arm is where the wrong tiles come from: "region", the same city; "random", anywhere; "base" is the policy before.
Settings are those of the mini profile in that world; what is measured is `mini.readiness`, and how often each cue of a
picture shown alone is put into the true word (every cue is described, so no mix of words moves it). It is a pilot:
nothing is tuned on it, no test question is asked, and its settings are those that a registered experiment would begin
with. Goes on after a kill; rows of an arm and seed that is measured anew replace the old ones.

Rows: world, base (first digits of the SHA-256 of its weights), arm, seed, updates, cpu, what, value, n.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd
from measurements import replace_rows
from PIL import Image

from georeplicate import files, provenance, world
from georeplicate.mini import base, inputs
from georeplicate.mini.readiness import measure, words_read
from georeplicate.model import policy as policies
from georeplicate.training import stages

OUT = files.RESULTS / "bench" / "world2_pilot.csv"
ARMS = ("base", "region", "random")
KEY = ["base", "arm", "seed", "updates"]


def measured(path: Path, started: Path) -> pd.DataFrame:
    """{what, value, n} of a policy on validation; questions whose wrong tiles come from one city, for every arm."""
    profile, policy = base.GEOGRAPHIC.profile, policies.load(path)
    sites = inputs.sites(profile, "validation")
    scenes = [world.build(site) for site in sites.itertuples()]
    drawn = {
        "panorama": [Image.fromarray(world.panorama(scene, profile.panorama_px[0])) for scene in scenes],
        "tile": [Image.fromarray(world.tile(scene, profile.tile_px)) for scene in scenes],
    }
    questions, views = (make(profile, "validation", started) for make in (inputs.questions, inputs.views))
    words = words_read(policy, drawn, [world.words_of(scene) for scene in scenes])
    found = measure(policy, questions, views, max_new_tokens=profile.max_completion_length)
    return pd.concat([found, words], ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="a pilot of GRPO in the geographic world, on validation")
    parser.add_argument("--arm", choices=ARMS, default="base")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--updates", type=int, default=240)
    parser.add_argument("--base", type=Path, default=files.WORK / "base-geographic-0" / "policy")
    parser.add_argument("--work", type=Path, default=files.WORK / "world2-pilot")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    weights = files.sha256_files([args.base / "model.safetensors"], args.base)[:12]
    policy, updates = args.base, 0
    if args.arm != "base":
        profile, updates = replace(base.GEOGRAPHIC.profile, negatives=args.arm, rl_steps=args.updates), args.updates
        folder = args.work / f"{weights}-{args.arm}-s{args.seed}-{updates}"
        policy = folder / "policy"
        if not policy.is_dir():
            rows = inputs.questions(profile, "train", args.base, args.seed)
            stages.train("grpo", args.base, rows, folder, profile, seed=args.seed, report=report)
    found = measured(policy, args.base)
    found = found.assign(base=weights, arm=args.arm, seed=args.seed, updates=updates, cpu=provenance.machine()["cpu"])
    found.insert(0, "world", "geographic (synthetic)")
    replace_rows(args.out, found[["world", *KEY, "cpu", "what", "value", "n"]], KEY)
    print(found[["what", "value", "n"]].round(3).to_string(index=False))


def report(updates: int, doing: str, skipped: bool = False) -> None:
    print(doing, flush=True)


if __name__ == "__main__":
    main()
