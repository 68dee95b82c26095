"""Is a base policy ready for reinforcement learning? Measured into results/bench/base.csv (see mini/readiness.py)."""

import argparse
from pathlib import Path

import pandas as pd
from PIL import Image

from georeplicate import files, world
from georeplicate.mini import base, inputs, wording
from georeplicate.mini.readiness import GATE, is_ready, measure, words_read
from georeplicate.mini.swaps import of_places, summary
from georeplicate.model import policy as policies
from georeplicate.profiles import WORLDS


def measured_of(path: Path, world_name: str) -> pd.DataFrame:
    """{what, value, n} of a policy on validation places; in the geographic world also each word read, alone and in a
    thought, and what one flipped word or another photo does to the place named."""
    profile = base.CURRICULA[world_name].profile
    policy = policies.load(path)
    questions, views = (make(profile, "validation", path) for make in (inputs.questions, inputs.views))
    measured = measure(policy, questions, views, max_new_tokens=profile.max_completion_length, world_name=world_name)
    if world_name == "layout":
        return measured
    shown = inputs.sites(profile, "validation").iloc[:: max(1, len(inputs.sites(profile, "validation")) // 200)]
    scenes = [world.build(site, difficulty=inputs.dial(profile)) for site in shown.itertuples()]
    drawn = {
        "panorama": [Image.fromarray(world.panorama(s, profile.panorama_px[0])) for s in scenes],
        "tile": [Image.fromarray(world.tile(s, profile.tile_px)) for s in scenes],
        "crop": [Image.fromarray(world.crop(s, profile.crop_px)) for s in scenes],
    }
    true = [world.words_of(scene) for scene in scenes]
    parts = [measured, words_read(policy, drawn, true, world_name)]
    thought = words_read(policy, {"crop": drawn["crop"]}, true, world_name, wording.WHERE)
    parts.append(thought.assign(what=thought.what.str.replace("read alone", "thought of a place")))
    swaps = of_places(policy, views, wording.of(world_name), seed=0, max_new_tokens=profile.max_completion_length)
    return pd.concat([*parts, summary(swaps)] if len(swaps) else parts, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", type=Path, nargs="+", default=[base.OUT / "policy"])
    parser.add_argument("--names", nargs="+", default=[], help="of several policies: what a column calls each")
    parser.add_argument("--world", choices=WORLDS, default="layout")
    parser.add_argument("--out", type=Path, default=None, help="default: base.csv, or base_WORLD.csv")
    args = parser.parse_args()
    if len(args.names) != len(args.policy) and (args.names or len(args.policy) > 1):
        parser.error(f"--names are as many as policies: {len(args.names)} for {len(args.policy)}")
    name = "base.csv" if args.world == "layout" else f"base_{args.world}.csv"
    parts = []
    for path, called in zip(args.policy, args.names or [""], strict=True):
        found = measured_of(path, args.world)
        print(found.round(3).to_string(index=False))
        print(f"{called or path}: {'' if is_ready(found) else 'not '}ready for GRPO (the gate is {GATE})", flush=True)
        parts.append(found.assign(policy=called)[["policy", *found.columns]] if called else found)
    files.write_csv(args.out or files.RESULTS / "bench" / name, pd.concat(parts, ignore_index=True))


if __name__ == "__main__":
    main()
