"""What both stages share: the order of the data, and the same gradients in two processes as in one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from toy import tiny_policy

from georeplicate.model import policy
from georeplicate.training import common

HERE = Path(__file__).parent


def test_every_row_is_drawn_once_before_any_is_drawn_again():
    drawn = common.order(10, 25, seed=0)
    assert sorted(drawn[:10]) == sorted(drawn[10:20]) == list(range(10)) and drawn[:10] != drawn[10:20]
    assert drawn == common.order(10, 25, seed=0) != common.order(10, 25, seed=1)
    assert drawn[:12] == common.order(10, 12, seed=0)  # a longer run begins like a shorter one


def test_no_rows_are_an_error_and_no_endless_search():
    with pytest.raises(ValueError, match="no rows to train on"):
        common.order(0, 5, seed=0)


@pytest.mark.slow
def test_two_processes_give_the_gradient_of_one(tmp_path):
    tiny_policy(sharpen=2.0).save(tmp_path / "base")
    logs = {}
    for count in (1, 2):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
        subprocess.run(
            [*command, HERE / "two_processes.py", tmp_path / "base", tmp_path / str(count)],
            env=os.environ
            | {
                "ACCELERATE_USE_CPU": "true",
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join(map(str, (HERE, *HERE.parents[:2]))),
            },
            check=True,
            capture_output=True,
        )
        logs[count] = {s: pd.read_csv(tmp_path / str(count) / s / "log.csv") for s in ("sft", "grpo")}
    numbers = ["loss", "grad_norm", "reward", "length", "reward_said", "entropy", "completions/max_length"]
    numbers += [f"reward_length_of_{letter}" for letter in "ABCD"]
    for stage, columns in {"sft": ["loss", "grad_norm"], "grpo": numbers}.items():
        one, two = (logs[count][stage][columns].to_numpy() for count in (1, 2))
        assert two[0] == pytest.approx(one[0], rel=1e-5, abs=1e-7) and (one[:, 1] > 0).all()
        assert two[1] == pytest.approx(one[1], rel=1e-3, abs=1e-6)  # Adam has enlarged the rounding by then
    one, two = (json.loads((tmp_path / f"{count}" / "eval" / "numbers.json").read_text()) for count in (1, 2))
    assert {"eval_loss", "eval_reward", "eval_completions/mean_length", "eval_rewards/brief/std"} <= one.keys()
    for name in {n for n in one if not re.search("time|second|peak_mb", n)}:
        assert two[name] == pytest.approx(one[name], rel=1e-5, abs=1e-6), name
    one, two = (policy.load(tmp_path / f"{count}" / "grpo" / "policy").model.state_dict() for count in (1, 2))
    base = policy.load(tmp_path / "base").model.state_dict()
    moved = torch.cat([(one[name] - base[name]).flatten() for name in base])
    apart = torch.cat([(one[name] - two[name]).flatten() for name in base])
    assert apart.norm() < 1e-2 * moved.norm()
