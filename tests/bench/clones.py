"""Clones of this checkout in which faults are injected, and what is compared afterwards (see reliability.py)."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMED = ("grpo.csv", "grpo_by_hand.csv", "clipping.csv")  # tables with seconds in them
LIMIT_S = 3600
SMOKE = ("reproduce", "--profile", "smoke")
SHORT = ("train", "table2", "--profile", "smoke")


@dataclass
class Outcome:
    """One line of the report. injected is 0 where nothing was run, and `remark` then says why.

    lost: results that differ from those of the undisturbed run, or are missing.
    """

    fault: str
    injected: int
    noticed: int | str
    lost: int
    seconds: float
    remark: str = ""

    @classmethod
    def not_run(cls, fault: str, why: str) -> Outcome:
        return cls(fault, 0, "-", 0, 0.0, f"**not run**: {why}")


@dataclass
class Clone:
    """A clone of this checkout, and how commands are run in it: in an environment of their own, in one session."""

    path: Path
    extra: dict[str, str]
    prefix: tuple[str, ...] = ()
    command: tuple[str, ...] = SMOKE
    python: str = sys.executable

    @property
    def work(self) -> Path:
        return self.path / ".georeplicate" / "smoke"

    def start(self, *words: str) -> subprocess.Popen:
        environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "PYTHONPATH")}
        environment |= {"PYTHONPATH": str(self.path), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | self.extra
        return session([*self.prefix, self.python, "-m", "georeplicate", *words], self.path, environment)

    def run(self, *words: str) -> tuple[int, str]:
        """(exit code, output), however it ends."""
        process = self.start(*words)
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            said = kill(process)
            return 124, said
        return process.returncode, said

    def results(self) -> dict[str, str]:
        """{file below the work folder: SHA-256} of predictions, tables and figures."""
        kinds = ("runs/*/predictions.csv", "tables/*.csv", "figures/*.png")
        found = [path for kind in kinds for path in self.work.glob(kind)]
        return {
            path.relative_to(self.work).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(found)
            if path.name not in TIMED
        }

    def leftovers(self) -> list[str]:
        """Temporary files that a killed run left and a finished one should not have."""
        return [path.name for path in self.work.rglob("*") if ".tmp" in path.name or path.name.startswith(".policy-")]


def session(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen:
    """A command that can be killed with all that it starts; its two outputs are one stream of text."""
    return subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


class Heard(threading.Thread):
    """What a process has said so far, while it goes on."""

    def __init__(self, process: subprocess.Popen):
        super().__init__(daemon=True)
        self.stream, self.text = process.stdout, ""
        self.start()

    def run(self) -> None:
        for line in self.stream:
            self.text += line


def kill(process: subprocess.Popen) -> str:
    """SIGKILL to a session; what it had said."""
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()[0]


@cache
def commit() -> str:
    """HEAD when it is first asked for, so that all clones are of one commit, whatever is committed meanwhile."""
    words = ["git", "rev-parse", "HEAD"]
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def clone(folder: Path, name: str, short: bool, *, prefix: tuple[str, ...] = (), **extra: str) -> Clone:
    path = folder / name
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(path)], check=True)
    subprocess.run(["git", "checkout", "--quiet", commit()], cwd=path, check=True)
    return Clone(path, extra, prefix, SHORT if short else SMOKE)


def last_line(said: str) -> str:
    return said.strip().splitlines()[-1] if said.strip() else ""


def lost(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    return sorted(name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name))


def undisturbed(here: Clone, what: str, expected: dict[str, str] | None = None) -> tuple[Outcome, dict[str, str]]:
    started = time.time()
    code, said = here.run(*here.command)
    if code:
        return Outcome(what, 1, "-", len(expected or {"": ""}), time.time() - started, last_line(said)), {}
    found = here.results()
    wrong = lost(found, expected) if expected else []
    return Outcome(what, 1, "-", len(wrong), time.time() - started, ", ".join(wrong[:3])), found
