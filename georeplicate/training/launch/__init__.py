"""What `train --launch WAY --gpus N` runs: `accelerate launch` with one of the configs in this folder.

    ddp     whole weights, gradients and moments on each GPU
    fsdp2   all of them in shares, gathered layer by layer in bf16
    zero2   DeepSpeed: whole bf16 weights, the rest in shares
    zero3   DeepSpeed: all of them in shares

`slurm_one_node.sh` and `slurm_two_nodes.sh` are examples to copy. The command that is launched works without this
module: `accelerate launch --config_file FILE -m georeplicate train sft --profile paper`.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from georeplicate.training import processes
from georeplicate.training.processes import ENGINES, LaunchError

FOLDER = Path(__file__).parent
WAYS = ENGINES[1:]


def config(way: str) -> Path:
    """The accelerate config of a way; ValueError lists the ways there are."""
    if way not in WAYS:
        raise ValueError(f"unknown way to launch {way!r}: choose one of {', '.join(WAYS)}")
    return FOLDER / f"{way}.yaml"


def command(way: str, gpus: int, words: Sequence[str]) -> list[str]:
    """What starts `georeplicate WORDS...` in one process for each GPU; ValueError for an unknown way."""
    if gpus < 2:
        raise ValueError(f"--launch is for several GPUs, and --gpus is {gpus}: leave --launch out to train on one")
    accelerate = [sys.executable, "-m", "accelerate.commands.launch"]
    return [
        *accelerate,
        *("--config_file", str(config(way)), "--num_processes", str(gpus)),
        *("-m", "georeplicate"),
        *words,
    ]


def check(way: str, gpus: int) -> None:
    """LaunchError in one sentence where this machine lacks what a way needs, before any cost; else as `command`."""
    command(way, gpus, ())  # refuses an unknown way, and fewer than two GPUs
    if (here := processes.gpus()) < gpus:
        raise LaunchError(
            f"--launch {way} --gpus {gpus} needs {gpus} GPUs, and this machine has {here or 'none'}: `georeplicate "
            "plan` says what fits where, and without --launch one GPU (or, for the mini profiles, the CPU) is used"
        )
    if way.startswith("zero") and importlib.util.find_spec("deepspeed") is None:
        raise LaunchError("DeepSpeed is not installed: pip install 'georeplicate[gpu]', or take --launch fsdp2")


def run(way: str, gpus: int, words: Sequence[str]) -> int:
    """Print the command and run it; its exit code."""
    import shlex

    check(way, gpus)
    line = command(way, gpus, words)
    print(shlex.join(line), flush=True)
    return subprocess.run(line).returncode
