"""Golden runs: a fixed tiny training, recorded update by update, that fails when numbers move.

A run's key holds no source text (see runner.py), so something else has to notice that code now makes other numbers
of the same settings. These runs do: three updates of SFT and three of GRPO from the shipped base, in fp32 on one
thread, and the completions and log-probabilities that come out. `tests/invariant` compares them with a snapshot; its
README says when the snapshot may change.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from georeplicate import files
from georeplicate.mini import recipe
from georeplicate.profiles import Profile
from georeplicate.runs import runner, spec

SNAPSHOT = files.CHECKOUT / "tests" / "invariant" / "mini.json"
# Columns of log.csv that neither the clock nor the machine moves.
RECORDED = ("loss", "grad_norm", "reward", "reward_accuracy", "reward_format", "kl", "length", "tokens")
# Rounding differs between processors and releases of the libraries; what a change of the method moves is larger.
RELATIVE, ABSOLUTE = 2e-3, 2e-5


def profile() -> Profile:
    """Smoke at its smallest, in fp32: what a processor rounds in bf16 would drown a change."""
    return replace(
        Profile.get("smoke"),
        name="golden",
        precision="fp32",
        n_test_sites=8,
        sft_steps=3,
        rl_steps=3,
        prompts_per_update=4,
        group_size=4,
        max_completion_length=72,
    )


def trajectory(out: str | Path) -> dict:
    """Train and evaluate the golden runs below `out`: {"recipe_version", "runs": {run: {"log": [{...}] per update,
    "completions": [[id, choice, tokens]]}}}."""
    found = {}
    runs = [run for run in spec.table2_runs((0,), "mini") if run.name != "r1-s0"]
    for job in runner.jobs(runs, profile(), out):
        folder = runner.execute(job)
        rows = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
        pairing = rows[(rows.task == "pairing") & (rows.decoding == "greedy")]
        found[job.run.name] = {"completions": pairing[["id", "choice", "completion_tokens"]].values.tolist()}
        if job.updates:
            log = pd.read_csv(folder / "log.csv")
            log = log[[name for name in RECORDED if name in log]]
            found[job.run.name]["log"] = log.astype(float).round(8).to_dict("records")
    return {"recipe_version": recipe.VERSION, "runs": found}


def moved(found: dict, expected: dict) -> list[str]:
    """One sentence for everything in which a trajectory leaves the snapshot; empty if nothing moved."""
    if found["recipe_version"] != expected["recipe_version"]:
        return [f"the snapshot is of recipe version {expected['recipe_version']}, not {found['recipe_version']}"]
    out = []
    for name in sorted(found["runs"].keys() | expected["runs"].keys()):
        new, old = found["runs"].get(name), expected["runs"].get(name)
        if new is None or old is None:
            out.append(f"{name}: only one side has this run")
            continue
        for update, (a, b) in enumerate(zip(new.get("log", []), old.get("log", []), strict=False), 1):
            for column in sorted(a.keys() | b.keys()):
                x, y = a.get(column), b.get(column)
                if x is None or y is None or not abs(x - y) <= ABSOLUTE + RELATIVE * abs(y):
                    out.append(f"{name}, update {update}: {column} is {x}, was {y}")
        if len(new.get("log", [])) != len(old.get("log", [])):
            out.append(f"{name}: {len(new['log'])} updates, were {len(old['log'])}")
        different = [a for a, b in zip(new["completions"], old["completions"], strict=False) if list(a) != list(b)]
        # a single near-tie may fall the other way on another processor
        if len(different) > 1 or len(new["completions"]) != len(old["completions"]):
            out.append(f"{name}: {len(different)} of {len(old['completions'])} completions differ, {different[:1]}")
    return out


def check() -> list[str]:
    """Run the golden runs and compare them with the snapshot; FileNotFoundError outside a checkout."""
    if not SNAPSHOT.is_file():
        raise FileNotFoundError(f"{SNAPSHOT} is missing: golden runs need a checkout of the repository")
    with tempfile.TemporaryDirectory() as folder:
        return moved(trajectory(folder), json.loads(SNAPSHOT.read_text()))
