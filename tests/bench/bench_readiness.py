"""Is a base policy ready for reinforcement learning? Measured (see mini/readiness.py) into
results/bench/base_geographic.csv."""

import argparse
from pathlib import Path

import pandas as pd
from PIL import Image

from georeplicate import files, world
from georeplicate.mini import inputs, wording
from georeplicate.mini.readiness import GATE, is_ready, measure, words_read
from georeplicate.mini.swaps import of_places, summary
from georeplicate.model import policy as policies
from georeplicate.profiles import Profile


def measured_of(path: Path) -> pd.DataFrame:
    """{what, value, n} of a policy on validation places; also each word read, alone and in a thought, and what one
    flipped word or another photo does to the place named."""
    profile = Profile.get("geographic")
    policy = policies.load(path)
    questions, views = (make(profile, "validation", path) for make in (inputs.questions, inputs.views))
    measured = measure(policy, questions, views, max_new_tokens=profile.max_completion_length)
    shown = inputs.sites(profile, "validation").iloc[:: max(1, len(inputs.sites(profile, "validation")) // 200)]
    scenes = [world.build(site) for site in shown.itertuples()]
    drawn = {
        "panorama": [Image.fromarray(world.panorama(s, profile.panorama_px[0])) for s in scenes],
        "tile": [Image.fromarray(world.tile(s, profile.tile_px)) for s in scenes],
        "crop": [Image.fromarray(world.crop(s, profile.crop_px)) for s in scenes],
    }
    true = [world.words_of(scene) for scene in scenes]
    parts = [measured, words_read(policy, drawn, true)]
    thought = words_read(policy, {"crop": drawn["crop"]}, true, wording.WHERE)
    parts.append(thought.assign(what=thought.what.str.replace("read alone", "thought of a place")))
    swaps = of_places(policy, views, wording.WORDING, seed=0, max_new_tokens=profile.max_completion_length)
    return pd.concat([*parts, summary(swaps)] if len(swaps) else parts, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", type=Path, nargs="+", required=True)
    parser.add_argument("--names", nargs="+", default=[], help="of several policies: what a column calls each")
    parser.add_argument("--out", type=Path, default=files.RESULTS / "bench" / "base_geographic.csv")
    args = parser.parse_args()
    if len(args.names) != len(args.policy) and (args.names or len(args.policy) > 1):
        parser.error(f"--names are as many as policies: {len(args.names)} for {len(args.policy)}")
    parts = []
    for path, called in zip(args.policy, args.names or [""], strict=True):
        found = measured_of(path)
        print(found.round(3).to_string(index=False))
        print(f"{called or path}: {'' if is_ready(found) else 'not '}ready for GRPO (the gate is {GATE})", flush=True)
        parts.append(found.assign(policy=called)[["policy", *found.columns]] if called else found)
    files.write_csv(args.out, pd.concat(parts, ignore_index=True))


if __name__ == "__main__":
    main()
