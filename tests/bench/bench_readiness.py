"""Is a base policy ready for reinforcement learning? Measured into results/bench/base.csv (see mini/readiness.py)."""

import argparse
from pathlib import Path

from georeplicate import files
from georeplicate.mini import base, inputs
from georeplicate.mini.readiness import GATE, is_ready, measure
from georeplicate.model import policy as policies
from georeplicate.profiles import Profile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", type=Path, default=base.OUT / "policy")
    parser.add_argument("--out", type=Path, default=files.RESULTS / "bench" / "base.csv")
    args = parser.parse_args()
    profile = Profile.get("mini")
    policy = policies.load(args.policy)
    questions, views = (make(profile, "validation", args.policy) for make in (inputs.questions, inputs.views))
    measured = measure(policy, questions, views, max_new_tokens=profile.max_completion_length)
    files.write_csv(args.out, measured)
    print(measured.round(3).to_string(index=False))
    print("ready for GRPO" if is_ready(measured) else f"not ready for GRPO: the gate is {GATE}")


if __name__ == "__main__":
    main()
