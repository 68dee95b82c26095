"""Is a base policy ready for reinforcement learning? Measured into results/bench/base.csv (see mini/readiness.py)."""

import argparse
from pathlib import Path

from georeplicate import files
from georeplicate.mini import base, inputs
from georeplicate.mini.readiness import GATE, is_ready, measure
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
    files.write_csv(out, measured)
    print(measured.round(3).to_string(index=False))
    print("ready for GRPO" if is_ready(measured) else f"not ready for GRPO: the gate is {GATE}")


if __name__ == "__main__":
    main()
