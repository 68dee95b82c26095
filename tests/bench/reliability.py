"""Does a run survive what happens to runs? Faults are injected into real smoke runs; results/reliability.md lists them.

    python tests/bench/reliability.py            all of it: some ten smoke runs, of four minutes on two quiet cores
    python tests/bench/reliability.py --short    the runs of Table 2 without notebooks, three kills; what CI runs
    python tests/bench/reliability.py --steps limits python --python /path/to/python3.13    some of it

With --out the report is written after each step, and keeps what it holds of the same code on the same machine: one that
was stopped is finished by naming the steps that it lacks.

Each experiment works in a clone of its own in a temporary folder. What must be equal are the bytes of every prediction,
of every table but those that hold times, and of every figure. Kills and damages are drawn from a fixed seed; when a
kill falls within a stage depends on the machine.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from clones import ROOT, Clone, Heard, Outcome, clone, commit, kill, last_line, lost, undisturbed
from environments import installation, limits, other_python

from georeplicate.provenance import machine


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
            kill(process)
            hit += 1
    code, said = here.run(*here.command)
    wrong = lost(here.results(), expected) if code == 0 else list(expected)
    remark = "" if code == 0 else last_line(said)
    remark = "; ".join(filter(None, [remark, ", ".join(wrong[:3]), ", ".join(here.leftovers()[:3])]))
    return Outcome("SIGKILL at a random moment, then resumed", hit, "-", len(wrong), time.time() - started, remark)


def killed_in_each_stage(here: Clone, expected: dict[str, str], rng: random.Random) -> Outcome:
    """SIGKILL to every training, evaluation and notebook while it is at work, once each; resumed after each."""
    started, hit = time.time(), list[str]()
    while True:
        process = here.start(*here.command)
        heard = Heard(process)
        now = None
        while process.poll() is None and now is None:
            time.sleep(0.02)
            now = next((stage for stage in at_work(here.work / "runs", heard.text) if stage not in hit), None)
        if now is None:
            break
        if now.startswith("notebook"):
            time.sleep(rng.uniform(1, 5))  # its first cells are imports
            if process.poll() is not None:
                break  # it ended by itself: its exit code says how
        hit.append(now)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        heard.join()
    heard.join()
    wrong = lost(here.results(), expected) if process.returncode == 0 else list(expected)
    kinds = Counter(stage.split()[0] for stage in hit)
    remarks = [", ".join(f"{count} of {kind}" for kind, count in kinds.items())]
    remarks += [last_line(heard.text)] if process.returncode else []
    remark = "; ".join(filter(None, [*remarks, *wrong[:3], *here.leftovers()[:3]]))
    return Outcome(
        "SIGKILL to each stage at work, then resumed", len(hit), "-", len(wrong), time.time() - started, remark
    )


def at_work(runs: Path, said: str) -> Iterator[str]:
    """The stages that are being done: "training NAME", "evaluation NAME", "notebook NAME"."""
    for folder in sorted(runs.glob("*/")):
        trained, done = (folder / "trained.json").is_file(), (folder / "manifest.json").is_file()
        if (folder / "begun.json").is_file() and not done:
            yield f"{'evaluation' if trained else 'training'} {folder.name}"
    if names := re.findall(r"^\[\d+/\d+\] (\w+)", said, re.M):
        yield f"notebook {names[-1]}"


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
    sentence = last_line(said)
    good = code == 1 and sentence.startswith("error: ") and "Traceback" not in said
    return Outcome(what, 1, int(good), 0, time.time() - started, "one sentence, exit code 1" if good else sentence)


def blocked(here: Clone) -> Outcome:
    work = here.path / ".georeplicate"
    return refused(here, "the work folder is a file", lambda: work.write_text("") and None, work.unlink)


def sealed(folder: Path, short: bool, expected: dict[str, str]) -> Outcome:
    """No network, two threads, an odd path."""
    namespace = ("unshare", "-rn") if subprocess.run(["unshare", "-rn", "true"]).returncode == 0 else ()
    network = "no network at all (a namespace of its own)" if namespace else "no network namespace to be had"
    here = clone(folder, "zwei wörld 世界", short, prefix=namespace, OMP_NUM_THREADS="2")
    what = f"{network}; two threads; a path with spaces and letters beyond ASCII"
    return undisturbed(here, what, expected)[0]


# In this order, those that a short form goes through first. Each draws from a seed of its own, so that one alone does
# what it does among all.
SHORT_STEPS = ("damage", "kills", "limits", "python", "blocked")
STEPS = (*SHORT_STEPS, "stages", "install", "sealed", "twice")


SHORT_FORM = "the runs of Table 2 alone, without notebooks"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="without notebooks, fewer kills and fewer steps")
    parser.add_argument("--steps", nargs="+", choices=STEPS, help="only these")
    parser.add_argument("--kills", type=int, default=None, help="how many (default: 20, or 3 of the short form)")
    parser.add_argument("--longest", type=float, help="seconds until a kill, at most (default: 45, or 15 if short)")
    parser.add_argument("--python", help="an interpreter of another version, best with the packages installed")
    parser.add_argument("--out", type=Path, default=None, help="where to write the report (default: printed only)")
    chosen = parser.parse_args()
    short = chosen.short
    kills, longest = chosen.kills or (3 if short else 20), chosen.longest or (15.0 if short else 45.0)
    names = chosen.steps or (SHORT_STEPS if short else STEPS)
    with tempfile.TemporaryDirectory(prefix="reliability-") as name:
        folder = Path(name)
        first = clone(folder, "one", short)
        outcome, expected = undisturbed(first, "none: a fresh clone, HOME not set")
        print(outcome, flush=True)
        if not expected:
            return 1
        steps: dict[str, Callable[[random.Random], Outcome | list[Outcome]]] = {
            "damage": lambda rng: damaged(first, expected, rng),
            "kills": lambda rng: killed(clone(folder, "killed", short), expected, kills, longest, rng),
            "stages": lambda rng: killed_in_each_stage(clone(folder, "stages", short), expected, rng),
            "limits": lambda _: limits(folder, short, expected),
            "python": lambda _: other_python(folder, short, expected, chosen.python),
            "blocked": lambda _: blocked(clone(folder, "blocked", True)),
            "install": lambda rng: installation(folder, expected, rng),
            "sealed": lambda _: sealed(folder, short, expected),
            "twice": lambda _: two_at_once(clone(folder, "twice", short), expected),
        }
        about = describe(machine())
        kept = read_report(chosen.out.read_text(), about) if chosen.out and chosen.out.exists() else {}
        first_row = replace(outcome, remark=SHORT_FORM if short else f"{len(expected)} files")
        rows = {"none": kept.get("none", [first_row])}
        for step in names:
            made = steps[step](random.Random(0))
            rows[step] = made if isinstance(made, list) else [made]
            if short and step not in ("python", "blocked", "install"):
                rows[step] = [replace(one, remark=f"{one.remark}; {SHORT_FORM}".strip("; ")) for one in rows[step]]
            for outcome in rows[step]:
                print(outcome, flush=True)
            if chosen.out:
                chosen.out.write_text(report(kept | rows, about))
    if chosen.out:
        print(f"wrote {chosen.out}")
    return int(any(one.lost or one.noticed not in ("-", one.injected) for made in rows.values() for one in made))


# --- the page for people ---------------------------------------------------------------------------------------------


def describe(machine: dict) -> str:
    """What was compared, where, and of which code; rows belong together where this is the same."""
    code = subprocess.run(["git", "rev-parse", f"{commit()}:georeplicate"], cwd=ROOT, check=True, capture_output=True)
    return (
        "Written by `make reliability`: faults injected into `make reproduce PROFILE=smoke`, resumed, compared byte "
        "by byte with an undisturbed run (every prediction, every table without times, every figure). *Noticed*: "
        "damage that `georeplicate runs list` reports before anything is run. *Lost*: files that differ or are missing "
        f"in the end. {machine['cpu']}, {machine['cores']} cores, Python {machine['python']} (3.11 is the lowest that "
        f"is supported). Git's tree of the package: `{code.stdout.decode()[:12]}`."
    )


def report(rows: dict[str, list[Outcome]], about: str) -> str:
    """{step: its lines} as a page; steps that are missing are named."""
    steps = [name for name in ("none", *STEPS) if name in rows]
    faults = [one for name in steps[1:] for one in rows[name]]
    injected, gone = sum(one.injected for one in faults), sum(one.lost for one in faults)
    minutes = sum(one.seconds for name in steps for one in rows[name]) / 60
    lines = [
        "# What a run survives",
        "",
        about,
        "",
        f"**{injected} faults injected, {gone} files lost, {minutes:.0f} minutes.** What 10,000 inputs with 5 % broken "
        "cost `score`, `map` and `locate` is in `results/bench/batch.csv` (`tests/bench/bench_batch.py`).",
        "",
        "| step | fault | injected | noticed | lost | seconds | remark |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name in steps:
        for one in rows[name]:
            cells = [name, one.fault, one.injected, one.noticed, one.lost, f"{one.seconds:.0f}", one.remark]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    if missing := [name for name in STEPS if name not in rows]:
        lines += ["", f"**Not run**: {', '.join(missing)} (`tests/bench/reliability.py --steps {' '.join(missing)}`)."]
    return "\n".join(lines) + "\n"


def read_report(page: str, about: str) -> dict[str, list[Outcome]]:
    """{step: its lines} of such a page, if it is about the same; else nothing."""
    rows: dict[str, list[Outcome]] = {}
    if about in page.splitlines():
        for cells in re.findall(r"^\| (\w+) \| (.*) \| (\d+) \| (\d+|-) \| (\d+) \| (\d+) \| (.*) \|$", page, re.M):
            step, fault, injected, noticed, lost, seconds, remark = cells
            found = noticed if noticed == "-" else int(noticed)
            rows.setdefault(step, []).append(Outcome(fault, int(injected), found, int(lost), float(seconds), remark))
    return rows


if __name__ == "__main__":
    sys.exit(main())
