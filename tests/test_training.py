"""What both stages share: the order of the data, and the same gradients in two processes as in one."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from toy import tiny_policy

from georeplicate import training

HERE = Path(__file__).parent


def test_every_row_is_drawn_once_before_any_is_drawn_again():
    drawn = training.order(10, 25, seed=0)
    assert sorted(drawn[:10]) == sorted(drawn[10:20]) == list(range(10)) and drawn[:10] != drawn[10:20]
    assert drawn == training.order(10, 25, seed=0) != training.order(10, 25, seed=1)
    assert drawn[:12] == training.order(10, 12, seed=0)  # a longer run begins like a shorter one


@pytest.mark.slow
def test_two_processes_give_the_gradient_of_one(tmp_path):
    tiny_policy(sharpen=2.0).save(tmp_path / "base")
    logs = {}
    for count in (1, 2):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
        subprocess.run(
            [*command, HERE / "two_processes.py", tmp_path / "base", tmp_path / str(count)],
            env=os.environ
            | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"},
            check=True,
            capture_output=True,
        )
        logs[count] = {s: pd.read_csv(tmp_path / str(count) / s / "log.csv") for s in ("sft", "grpo")}
    for column in ("loss", "grad_norm"):
        assert logs[1]["sft"][column].tolist() == pytest.approx(logs[2]["sft"][column].tolist(), rel=1e-5)
    # the answers are drawn per process, so GRPO is only checked for whole groups and a moving policy
    assert logs[2]["grpo"].advantage_mean.abs().max() < 1e-6 and logs[2]["grpo"].grad_norm.min() > 0
