"""Does a run survive what happens to runs? Faults are injected into real smoke runs; results/reliability.md lists them.

    python tests/bench/reliability.py            all of it, some twenty minutes on two quiet cores
    python tests/bench/reliability.py --short    the runs of Table 2 without notebooks, three kills; what CI runs

Each experiment works in a clone of its own in a temporary folder. What must be equal are the bytes of every prediction
and of every table but those that hold times. Kills and damages are drawn from a fixed seed; when a kill falls within a
stage depends on the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMIT = subprocess.run(
    ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.strip()
TIMED = ("grpo.csv", "grpo_by_hand.csv", "clipping.csv")  # tables with seconds in them
LIMIT_S = 3600


@dataclass
class Outcome:
    """One line of the report. lost: results that differ from those of the undisturbed run, or are missing."""

    fault: str
    injected: int
    noticed: int | str
    lost: int
    seconds: float
    remark: str = ""


@dataclass
class Clone:
    """A clone of this checkout, and how commands are run in it: in an environment of their own, in one session."""

    path: Path
    extra: dict[str, str]
    prefix: tuple[str, ...] = ()
    command: tuple[str, ...] = ("reproduce", "--profile", "smoke")

    @property
    def work(self) -> Path:
        return self.path / ".georeplicate" / "smoke"

    def start(self, *words: str) -> subprocess.Popen:
        environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "PYTHONPATH")}
        environment |= {"PYTHONPATH": str(self.path), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | self.extra
        command = [*self.prefix, sys.executable, "-m", "georeplicate", *words]
        return subprocess.Popen(
            command, cwd=self.path, env=environment, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        """(exit code, output), however it ends."""
        process = self.start(*words)
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            return 124, said
        return process.returncode, said

    def results(self) -> dict[str, str]:
        """{file below the work folder: SHA-256} of predictions and tables."""
        found = [*self.work.glob("runs/*/predictions.csv"), *self.work.glob("tables/*.csv")]
        return {
            path.relative_to(self.work).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(found)
            if path.name not in TIMED
        }

    def leftovers(self) -> list[str]:
        """Temporary files that a killed run left and a finished one should not have."""
        return [path.name for path in self.work.rglob("*") if ".tmp" in path.name or path.name.startswith(".policy-")]


def clone(folder: Path, name: str, short: bool, *, prefix: tuple[str, ...] = (), **extra: str) -> Clone:
    path = folder / name
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(path)], check=True)
    subprocess.run(
        ["git", "checkout", "--quiet", COMMIT], cwd=path, check=True
    )  # all clones, whatever happens meanwhile
    words = ("train", "table2", "--profile", "smoke")
    return Clone(path, extra, prefix, words) if short else Clone(path, extra, prefix)


def lost(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    return sorted(name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name))


def killed(here: Clone, expected: dict[str, str], kills: int, longest_s: float, rng: random.Random) -> Outcome:
    """SIGKILL to the whole session at random moments, then once to the end."""
    started, hit = time.time(), 0
    while hit < kills:
        process = here.start(*here.command)
        try:
            process.communicate(timeout=rng.uniform(1, longest_s))
            if process.returncode:
                break  # it fails by itself: what follows says how
            shutil.rmtree(here.work)  # it ended before it was killed: begin anew, so that there is work to kill
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            hit += 1
    code, said = here.run(*here.command)
    wrong = lost(here.results(), expected) if code == 0 else list(expected)
    remark = "" if code == 0 else said.strip().splitlines()[-1]
    remark = "; ".join(filter(None, [remark, ", ".join(wrong[:3]), ", ".join(here.leftovers()[:3])]))
    return Outcome("SIGKILL at a random moment, then resumed", hit, "-", len(wrong), time.time() - started, remark)


def cut(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))


def remove(path: Path, rng: random.Random) -> None:
    path.unlink()


DAMAGES: dict[str, tuple[Callable[[Path, random.Random], None], tuple[str, ...]]] = {
    "a file cut at a random byte": (cut, ("sft-s0/policy/model.safetensors", "zero-s0/predictions.csv")),
    "one bit flipped": (flip, ("r1-s0/policy/model.safetensors", "isns-s0/policy/model.safetensors")),
    "a file removed": (remove, ("zero-s0/manifest.json", "sft-s0/log.csv", "globe-s0/policy/config.json")),
}


def damaged(here: Clone, expected: dict[str, str], rng: random.Random) -> list[Outcome]:
    """Damage to a finished run: noticed by the next one, made good, and never used."""
    outcomes = []
    for what, (damage, names) in DAMAGES.items():
        started, noticed, wrong = time.time(), 0, []
        names = tuple(name for name in names if (here.work / "runs" / name).exists())
        for name in names:
            damage(here.work / "runs" / name, rng)
            _, said = here.run("runs", "list", "--profile", "smoke")
            run = name.split("/")[0]
            line = next((line for line in said.splitlines() if line.split()[:1] == [run]), "")
            noticed += not line.endswith("up to date")
        code, _ = here.run(*here.command)
        wrong = lost(here.results(), expected) if code == 0 else list(expected)
        outcomes.append(Outcome(what, len(names), noticed, len(wrong), time.time() - started, ", ".join(wrong[:3])))
    return outcomes


def undisturbed(here: Clone, what: str, expected: dict[str, str] | None = None) -> tuple[Outcome, dict[str, str]]:
    started = time.time()
    code, said = here.run(*here.command)
    if code:
        tail = said.strip().splitlines()[-1]
        return Outcome(what, 1, "-", len(expected or {"": ""}), time.time() - started, tail), {}
    found = here.results()
    wrong = lost(found, expected) if expected else []
    return Outcome(what, 1, "-", len(wrong), time.time() - started, ", ".join(wrong[:3])), found


def two_at_once(here: Clone, expected: dict[str, str]) -> Outcome:
    """Two runs in one clone: one waits for the other."""
    started = time.time()
    with ThreadPoolExecutor(2) as pool:  # both outputs are read at once: a full pipe would block one of them
        codes = [code for code, _ in pool.map(lambda _: here.run(*here.command), range(2))]
    wrong = lost(here.results(), expected) if codes == [0, 0] else list(expected)
    return Outcome("two runs at once in one clone", 1, "-", len(wrong), time.time() - started, str(wrong[:3] or ""))


def refused(here: Clone, what: str, prepare: Callable[[], None], undo: Callable[[], None]) -> Outcome:
    """A fault that no run can survive: one sentence, exit code 1, nothing half-written taken for whole."""
    prepare()
    started = time.time()
    code, said = here.run("train", "sft", "--profile", "smoke")
    undo()
    sentence = said.strip().splitlines()[-1] if said.strip() else ""
    good = code == 1 and sentence.startswith("error: ") and "Traceback" not in said
    return Outcome(what, 1, int(good), 0, time.time() - started, "one sentence, exit code 1" if good else sentence)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer kills, one clone")
    parser.add_argument("--kills", type=int, default=None, help="how many (default: 20, or 3 of the short form)")
    parser.add_argument("--out", type=Path, default=None, help="where to write the report (default: printed only)")
    chosen = parser.parse_args()
    rng, outcomes = random.Random(0), []
    with tempfile.TemporaryDirectory(prefix="reliability-") as name:
        folder = Path(name)
        first = clone(folder, "one", chosen.short)
        outcome, expected = undisturbed(first, "none: a fresh clone, HOME not set")
        outcomes.append(outcome)
        print(outcome, flush=True)
        if not expected:
            return 1
        kills, longest = (3, 15.0) if chosen.short else (20, 45.0)
        kills = chosen.kills or kills
        steps: list[Callable[[], Outcome | list[Outcome]]] = [
            lambda: damaged(first, expected, rng),
            lambda: killed(clone(folder, "killed", chosen.short), expected, kills, longest, rng),
        ]
        if not chosen.short:
            namespace = ("unshare", "-rn") if subprocess.run(["unshare", "-rn", "true"]).returncode == 0 else ()
            sealed = "no network at all (a namespace of its own)" if namespace else "no network namespace to be had"
            path = f"{sealed}; two threads; a path with spaces and letters beyond ASCII"
            steps += [
                lambda: undisturbed(
                    clone(folder, "zwei wörld 世界", False, prefix=namespace, OMP_NUM_THREADS="2"), path, expected
                )[0],
                lambda: two_at_once(clone(folder, "twice", False), expected),
            ]
        for step in steps:
            made = step()
            for outcome in made if isinstance(made, list) else [made]:
                outcomes.append(outcome)
                print(outcome, flush=True)
        full = clone(folder, "blocked", True)
        blocked = full.path / ".georeplicate"
        outcomes.append(
            refused(full, "the work folder is a file", lambda: blocked.write_text(""), lambda: blocked.unlink())
        )
        print(outcomes[-1], flush=True)
    if chosen.out:
        chosen.out.write_text(report(outcomes, len(expected)))
        print(f"wrote {chosen.out}")
    return int(any(one.lost or one.noticed not in ("-", one.injected) for one in outcomes))


def report(outcomes: list[Outcome], files: int) -> str:
    """The page for people."""
    from georeplicate import provenance

    machine = provenance.machine()
    lines = [
        "# What a run survives",
        "",
        "Written by `make reliability`: faults injected into `make reproduce PROFILE=smoke`, resumed, compared byte "
        f"by byte with an undisturbed run ({files} files: every prediction and every table without times). *Noticed*: "
        "damage that `georeplicate runs list` reports before anything is run. *Lost*: files that differ or are missing "
        f"in the end. {machine['cpu']}, {machine['cores']} cores.",
        "",
        "| fault | injected | noticed | lost | seconds | remark |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for one in outcomes:
        lines.append(
            f"| {one.fault} | {one.injected} | {one.noticed} | {one.lost} | {one.seconds:.0f} | {one.remark} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
