"""The GPUs of this machine as its driver lists them, and whether PyTorch can use them: if not, why, in one sentence.

Asked of nvidia-smi, since PyTorch says no more than that there is none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

# The oldest driver (Linux) that runs any program built for a major version of CUDA: NVIDIA's CUDA release notes.
LEAST_DRIVER = {11: (450, 80), 12: (525, 60), 13: (580, 65)}


@dataclass(frozen=True)
class Card:
    """A GPU: its name, memory in units of 2**30 bytes, and the driver's version."""

    name: str
    gb: float
    driver: str


def cards() -> list[Card] | None:
    """All GPUs that nvidia-smi lists; None where it is not installed. OSError where it does not answer."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        out = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
        listed = [[cell.strip() for cell in line.split(",")] for line in out.splitlines() if line.strip()]
        return [Card(name, float(size) / 1024, driver) for name, size, driver in listed]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise OSError("nvidia-smi is there and does not answer; look after the driver") from error


def trouble() -> str:
    """Why PyTorch can use none of the GPUs that are here, with the remedy; "" where it can, or where there is none."""
    import torch

    try:
        found = cards()
    except OSError as error:
        return str(error)
    if not found:
        return ""
    version, cuda = torch.__version__, torch.version.cuda
    if cuda is None and torch.version.hip is None:
        return (
            f"{found[0].name} is here, but PyTorch {version} is a build for CPUs: install one for CUDA, which PyPI has "
            f"for Linux (pip install --force-reinstall torch=={version.partition('+')[0]})"
        )
    least = LEAST_DRIVER.get(int(cuda.partition(".")[0])) if cuda else None
    if least and _numbers(found[0].driver) < least:
        return (
            f"the driver {found[0].driver} is too old for the CUDA {cuda} of PyTorch {version}, which wants "
            f"{least[0]}.{least[1]} or newer: update the driver, or install a build of PyTorch for an older CUDA "
            "(pytorch.org/get-started)"
        )
    if not torch.cuda.is_available():
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = f"CUDA_VISIBLE_DEVICES is {hidden!r}" if hidden is not None else "torch.cuda.init() says why"
        return f"{found[0].name} is here, but PyTorch {version} sees no GPU: {why}"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
