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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", type=Path, default=base.OUT / "policy")
    parser.add_argument("--world", choices=list(base.CURRICULA), default="layout")
    parser.add_argument("--out", type=Path, default=None, help="default: base.csv, or base_WORLD.csv")
    args = parser.parse_args()
    profile = base.CURRICULA[args.world].profile
    name = "base.csv" if args.world == "layout" else f"base_{args.world}.csv"
    out = args.out or files.RESULTS / "bench" / name
    policy = policies.load(args.policy)
    questions, views = (make(profile, "validation", args.policy) for make in (inputs.questions, inputs.views))
    measured = measure(policy, questions, views, max_new_tokens=profile.max_completion_length, world_name=args.world)
    if args.world != "layout":
        shown = inputs.sites(profile, "validation").iloc[:: max(1, len(inputs.sites(profile, "validation")) // 200)]
        scenes = [world.build(site, difficulty=inputs.dial(profile)) for site in shown.itertuples()]
        drawn = {
            "panorama": [Image.fromarray(world.panorama(s, profile.panorama_px[0])) for s in scenes],
            "tile": [Image.fromarray(world.tile(s, profile.tile_px)) for s in scenes],
            "crop": [Image.fromarray(world.crop(s, profile.crop_px)) for s in scenes],
        }
        true = [world.words_of(scene) for scene in scenes]
        parts = [measured, words_read(policy, drawn, true, args.world)]
        thought = words_read(policy, {"crop": drawn["crop"]}, true, args.world, wording.WHERE)
        parts.append(thought.assign(what=thought.what.str.replace("read alone", "thought of a place")))
        swaps = of_places(policy, views, wording.of(args.world), seed=0, max_new_tokens=profile.max_completion_length)
        measured = pd.concat([*parts, summary(swaps)] if len(swaps) else parts, ignore_index=True)
    files.write_csv(out, measured)
    print(measured.round(3).to_string(index=False))
    print("ready for GRPO" if is_ready(measured) else f"not ready for GRPO: the gate is {GATE}")


if __name__ == "__main__":
    main()
