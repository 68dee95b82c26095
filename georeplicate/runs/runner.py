"""The runs behind Table 2 and its controls: what starts from what, what is up to date, and doing the rest.

    base ─┬─ sft-s0, s1, s2 ───── r1-s0, s1, s2        GRPO from SFT: stands for Geo-R1
          └─ zero-s0, s1, s2                           GRPO from the base: stands for Geo-R1-Zero

A run is a folder `<out>/runs/<name>/`: policy/, log.csv and trained.json when it is trained (recipe.py), then
predictions.csv of the test questions (predict.py) and, last of all, manifest.json. Whether it is up to date is a
matter of content and never of a clock. Training has a key made of what a policy depends on: the recipe and its version,
the resolved settings, the data and the policy it starts from. Evaluation has another, so that a change in how
completions are scored evaluates again and trains nothing. No source text enters a key: whoever changes code so that
numbers move raises the version, and the golden runs (tests/invariant) fail until that is done. The code's hash stays in
the manifest, to be looked up. A run that was killed goes on from its newest checkpoint, if its key still holds; a run
of another key is renamed into `<out>/stale/` and never deleted (`adopt` takes it back).

Settings were chosen by training rewards and on the validation split; test questions are asked here and nowhere else.
Nothing heavy is imported before there is something to do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from georeplicate import files, manifest, provenance
from georeplicate.model import checkpoint
from georeplicate.model.checkpoint import CheckpointError
from georeplicate.profiles import Profile
from georeplicate.runs import pool

if TYPE_CHECKING:
    import pandas as pd

PACKAGE, WORK = files.PACKAGE, files.WORK

RECIPE = "mini"
RECIPE_VERSION = (
    1  # raised by whoever changes what `stages` makes of the same settings: numbers then move, keys with them
)
EVALUATION_VERSION = 1  # likewise for prompts, parsers and scores of `evaluate`

# The code that made a run's numbers, by what it is for: its hash goes into the manifest as provenance.
PROVENANCE = {
    "training": (
        *("mini.recipe", "mini.base", "mini.inputs", "training.sft", "training.grpo", "training.common"),
        *("training.rewards", "model.shared_prefix", "model.policy", "engine.template"),
    ),
    "evaluation": ("evaluation.predict", "tasks.prompts", "coordinates", "geo", "atlas.gazetteer"),
}

# The fields of a profile that each kind of training, and asking, depends on.
_PLACES = ("source", "panorama_px", "tile_px", "crop_px", "image_factor")
_QUESTION = ("k", "negatives", "max_completion_length")
_BOTH = ("n_train_sites", "freeze_vision", "precision", "gradient_checkpointing", "weight_decay", "max_grad_norm")
_TEACH = ("sft_schedule", "sft_warmup", "sft_adam_betas")
_SFT = ("sft_steps", "sft_batch", "sft_accumulation", "sft_learning_rate")
_RL = ("rl_steps", "prompts_per_update", "group_size", "learning_rate")
_GRPO = (
    *("accumulation", "num_iterations", "schedule", "warmup_steps", "adam_betas", "beta", "epsilon", "temperature"),
    *("top_k", "reward_mode", "reward_weights"),
)
SETTINGS = {
    "base": (),
    "sft": (*_PLACES, *_BOTH, *_TEACH, *_SFT),
    "grpo": (*_PLACES, *_QUESTION, *_BOTH, *_RL, *_GRPO),
    "supervised": (*_PLACES, *_QUESTION, *_BOTH, *_TEACH, *_RL),
    "evaluation": (*_PLACES, *_QUESTION, "n_test_sites"),
}
# Seconds on one core of a usual machine: of an update, and of a row in the hands of predict.ask. For the progress bar.
UPDATE_S = {"base": 0.0, "sft": 0.6, "grpo": 1.5, "supervised": 1.3}
ROW_S = 0.015


@dataclass(frozen=True)
class Run:
    """One training run and the questions after it. start: the run whose policy it goes on from, or "base"."""

    system: str
    stands_for: str
    stage: str  # "base" (asked, not trained), "sft", "grpo", "supervised"
    seed: int
    start: str = "base"
    reward: str = "paper"  # one of recipe.REWARDS
    control: str = ""  # "", "shuffled pairing", "blank panorama", "blank tiles"

    @property
    def name(self) -> str:
        return "base" if self.stage == "base" else f"{self.system.removeprefix('mini-').lower()}-s{self.seed}"

    @property
    def checkpoint(self) -> str:
        """Which weights answer, for the tables."""
        started_from = "mini-base" if self.start == "base" else "mini-SFT"
        return "shipped with this package" if self.stage == "base" else f"trained here from {started_from}"


def table2_runs(seeds: Iterable[int] = (0, 1, 2)) -> list[Run]:
    """The four systems of Table 2; `stands_for` is the paper's spelling."""
    seeds = tuple(seeds)
    return [
        Run("mini-base", "Qwen2.5-VL-7B", "base", 0),
        *(Run("mini-SFT", "Geo-SFT", "sft", seed) for seed in seeds),
        *(Run("mini-Zero", "Geo-R1-Zero", "grpo", seed) for seed in seeds),
        *(Run("mini-R1", "Geo-R1", "grpo", seed, start=f"sft-s{seed}") for seed in seeds),
    ]


def ablation_runs(seeds: Iterable[int] = (0, 1, 2)) -> list[Run]:
    """Controls that must stay at chance, supervised training, and the rewards with their length, in both modes."""
    seeds = tuple(seeds)
    return [
        Run("mini-Zero-random-reward", "", "grpo", 0, reward="random"),
        *(
            Run(f"mini-Zero-{control.replace(' ', '-')}", "", "grpo", 0, control=control)
            for control in ("shuffled pairing", "blank panorama", "blank tiles")
        ),
        Run("mini-supervised", "", "supervised", 0),
        *(Run("mini-Zero-length", "", "grpo", seed, reward="paper with length") for seed in seeds),
        *(Run("mini-Zero-released", "", "grpo", seed, reward="released") for seed in seeds),
    ]


def seeds_of(profile: Profile, count: int | None = None) -> tuple[int, ...]:
    """The first `count` training seeds of a profile (None: all); ValueError if it has not so many."""
    if count is not None and not 1 <= count <= len(profile.seeds):
        raise ValueError(f"seeds={count}: profile {profile.name} has 1 to {len(profile.seeds)} training seeds")
    return profile.seeds[:count]


# --- is it up to date? ----------------------------------------------------------------------------------------------


@cache
def data_sha256() -> str:
    """Of everything that the places and pictures are made from."""
    paths = [p for folder in ("atlas/data", "world/data") for p in (PACKAGE / folder).iterdir() if p.suffix != ".md"]
    return files.sha256_files(paths, PACKAGE)


def code_now() -> dict[str, dict[str, str]]:
    """{"training" | "evaluation": {module: hash}}: which code is at work now, for the manifest."""
    return {what: provenance.code(*modules) for what, modules in PROVENANCE.items()}


@dataclass(frozen=True)
class Job:
    """A run, and all that decides whether it is up to date."""

    run: Run
    profile: Profile
    out: Path
    base_path: Path

    @property
    def folder(self) -> Path:
        return self.out / "runs" / self.run.name

    @property
    def after(self) -> str:
        """The run that must be trained before this one, or ""."""
        return "" if self.run.start == "base" else self.run.start

    @property
    def start(self) -> Path:
        return self.base_path if self.run.start == "base" else self.out / "runs" / self.run.start / "policy"

    @property
    def policy(self) -> Path:
        return self.base_path if self.run.stage == "base" else self.folder / "policy"

    def settings(self, what: str) -> dict:
        """The resolved settings of a stage, or of "evaluation", as JSON has them."""
        values = asdict(self.profile)
        return json.loads(json.dumps({name: values[name] for name in SETTINGS[what]}))

    def training_inputs(self) -> dict:
        """All that decides about the trained policy; its hash is the key of training."""
        run = self.run
        return {
            "recipe": RECIPE,
            "recipe_version": RECIPE_VERSION,
            "stage": run.stage,
            "seed": run.seed,
            "reward": run.reward,
            "control": run.control,
            "settings": self.settings(run.stage),
            "data_sha256": data_sha256(),
            "start_sha256": checkpoint.identity(self.start),
        }

    def evaluation_inputs(self) -> dict:
        return {
            "recipe": RECIPE,
            "evaluation_version": EVALUATION_VERSION,
            "system": self.run.system,
            "seed": self.run.seed,
            "control": self.run.control,
            "settings": self.settings("evaluation"),
            "data_sha256": data_sha256(),
            "policy_sha256": checkpoint.identity(self.policy),
        }

    def training_key(self) -> str:
        return files.sha256_json(self.training_inputs())

    def evaluation_key(self) -> str:
        return files.sha256_json(self.evaluation_inputs())

    def is_trained(self) -> bool:
        """Whether the policy is there, whole, and what training would give now."""
        try:
            if self.run.stage != "base":
                said = json.loads((self.folder / "trained.json").read_text())
                if said["key"] != self.training_key() or not (self.folder / "log.csv").is_file():
                    return False
            checkpoint.verify_manifest(self.policy)
        except (OSError, ValueError, KeyError, TypeError, CheckpointError):
            return False
        return True

    def is_finished(self) -> bool:
        """Whether the run is trained and asked, as it would be now."""
        try:
            return self.is_trained() and manifest.read(self.folder)["evaluation"]["key"] == self.evaluation_key()
        except (files.FileError, KeyError, TypeError):
            return False

    # -- how much is to do, in seconds

    @property
    def updates(self) -> int:
        return {"base": 0, "sft": self.profile.sft_steps}.get(self.run.stage, self.profile.rl_steps)

    @property
    def rows_asked(self) -> int:
        """How often predict.ask takes a row: two decodings of each question, six looks at each single place."""
        return self.profile.n_test_sites * (8 if self.run.stands_for else 2)

    @property
    def units(self) -> float:
        return self.updates * UPDATE_S[self.run.stage] + self.rows_asked * ROW_S

    # -- doing it, in a worker

    def train(self, report: pool.Report) -> None:
        """The trained policy. A run of this key goes on where it stopped; one of another key is renamed first."""
        key, begun = self.training_key(), self.folder / "begun.json"
        if self.folder.exists() and _begun(self.folder).get("key") != key:
            set_aside(self)
        if not begun.is_file():
            files.write_json(begun, {"key": key, "inputs": self.training_inputs()})
        started, resumed_at = time.time(), 0

        def told(updates: int, doing: str, skipped: bool = False) -> None:
            nonlocal resumed_at
            resumed_at += updates if skipped else 0
            report(updates * UPDATE_S[self.run.stage], doing, skipped)

        from georeplicate.mini import recipe

        report(0, "prepares")
        recipe.train(self.run, self.profile, self.folder, self.start, self.base_path, told)
        said = {
            "key": key,
            "inputs": self.training_inputs(),
            "seconds": round(time.time() - started, 1),
            "resumed_at_update": resumed_at,
        }
        said |= {"git": provenance.git_state(), "machine": provenance.machine(), "versions": provenance.versions()}
        files.write_json(self.folder / "trained.json", said)

    def ask(self, report: pool.Report) -> None:
        """predictions.csv and, last of all, the manifest."""
        import torch

        from georeplicate.evaluation import predict
        from georeplicate.mini import inputs
        from georeplicate.model import policy as policies

        run, started = self.run, time.time()
        report(0, "is asked")
        for left in (*self.folder.glob("checkpoint-*"), *self.folder.glob(".policy-*")):
            shutil.rmtree(left)  # only a run that was killed while it was trained needs them

        def counted(rows: Sequence[dict]) -> Sequence[dict]:
            def row(i: int) -> dict:
                report(ROW_S, "is asked")
                return rows[i]

            return inputs.Rows(range(len(rows)), row)

        blanked = run.control if run.control.startswith("blank") else ""
        questions = inputs.controlled(inputs.questions(self.profile, "test", self.base_path), blanked, 0)
        views = inputs.views(self.profile, "test", self.base_path) if run.stands_for else []
        table = predict.ask(
            policies.load(self.policy, device="cuda" if torch.cuda.is_available() else "cpu"),
            counted(questions),
            counted(views),
            max_new_tokens=self.profile.max_completion_length,
        )
        table["system"], table["training_seed"] = run.system, run.seed
        files.write_csv(self.folder / "predictions.csv", table)
        trained = None if run.stage == "base" else json.loads((self.folder / "trained.json").read_text())
        evaluated = {"key": self.evaluation_key(), "inputs": self.evaluation_inputs()}
        evaluated["seconds"] = round(time.time() - started, 1)
        manifest.finish(
            self.folder,
            profile=self.profile.name,
            seed=run.seed,
            data_sha256=data_sha256(),
            started=started - (trained["seconds"] if trained else 0.0),
            device=torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            apart=("policy", "trained.json", "begun.json"),
            run=asdict(run) | {"checkpoint": run.checkpoint},
            settings=json.loads(json.dumps(asdict(self.profile))),
            base_sha256=checkpoint.identity(self.base_path),
            policy_sha256=checkpoint.identity(self.policy),
            training=trained,
            evaluation=evaluated,
            code=code_now(),
        )


# --- runs of another key ---------------------------------------------------------------------------------------------


def _begun(folder: Path) -> dict:
    """What the run in `folder` was begun with: {key, inputs}; {} where that cannot be read."""
    try:
        found = json.loads((folder / "begun.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def differences(then: dict, now: dict, prefix: str = "") -> list[str]:
    """What two sets of inputs differ in, such as "settings.beta 0.04 -> 0.01"; checksums by name alone."""
    found = []
    for name in dict.fromkeys([*then, *now]):
        old, new = then.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name}" + ("" if name.endswith("sha256") else f" {old} -> {new}"))
    return found


def set_aside(job: Job) -> Path:
    """Rename the run of another key that lies in a job's folder to `<out>/stale/<run>-<key>`, and say so."""
    begun, target = _begun(job.folder), None
    stem, count = f"{job.run.name}-{str(begun.get('key', 'unknown'))[:8]}", 1
    while target is None or target.exists():
        target, count = job.out / "stale" / (stem if count == 1 else f"{stem}-{count}"), count + 1
    why = differences(begun["inputs"], job.training_inputs()) if "inputs" in begun else ["made by an earlier version"]
    target.parent.mkdir(parents=True, exist_ok=True)
    job.folder.rename(target)
    print(f"{job.run.name} was trained otherwise ({'; '.join(why)}): kept as stale/{target.name}", flush=True)
    return target


def adopt(job: Job, why: str, source: Path | None = None) -> list[str]:
    """Declare a trained run to be what training would give now; returns what its inputs differed in.

    For a run whose key no longer holds though its numbers do (a setting got a name, a version was raised in error): the
    caller has seen the golden runs pass. The policy must be whole, the old key and `why` stay in trained.json. source:
    a run that was set aside; it takes the place of the job's folder, which must be free. ValueError says what does not
    fit.
    """
    if not why.strip():
        raise ValueError("say why this run may be kept: adopt NAME --why '...'")
    folder = source or job.folder
    if source is not None and job.folder.exists():
        raise ValueError(f"{job.run.name} exists beside {source.name}; move it out of the way first")
    try:
        trained = json.loads((folder / "trained.json").read_text())
        old_key = trained["key"]
        checkpoint.verify_manifest(folder / "policy")
    except (OSError, ValueError, KeyError, TypeError, CheckpointError) as error:
        raise ValueError(f"{folder.name} holds no whole trained run, so it cannot be adopted: {error}") from None
    if source is not None:
        source.rename(job.folder)
    inputs, key = job.training_inputs(), job.training_key()
    changed = differences(trained.get("inputs", {}), inputs) if "inputs" in trained else ["made by an earlier version"]
    adopted = [*trained.get("adopted", []), {"why": why.strip(), "from_key": old_key, "changed": changed}]
    files.write_json(job.folder / "begun.json", {"key": key, "inputs": inputs})
    files.write_json(job.folder / "trained.json", trained | {"key": key, "inputs": inputs, "adopted": adopted})
    return changed


def jobs(runs: Iterable[Run], profile: Profile | str, out: str | Path, base_path: Path | None = None) -> list[Job]:
    """What ensure would see to. ValueError: a profile of photographs, or a run that starts from none of these runs."""
    profile = Profile.get(profile) if isinstance(profile, str) else profile
    if profile.source != "world":
        raise ValueError(
            f"profile {profile.name} trains a {profile.model} on photographs ({profile.source}): on GPUs, by the "
            "functions of sft.py and grpo.py; the experiment trains profiles of the synthetic world"
        )
    base_path = base_path or PACKAGE / "mini" / "weights" / profile.model
    made = [Job(run, profile, Path(out).resolve(), Path(base_path).resolve()) for run in runs]
    names = {job.run.name for job in made}
    for job in made:
        if job.after and job.after not in names and not job.start.exists():
            raise ValueError(f"{job.run.name} goes on from {job.run.start}, which is not trained and not asked for")
    return made


def unfinished(made: Iterable[Job]) -> list[Job]:
    """Those that are not up to date, in order; one whose start is not is among them."""
    open_names: set[str] = set()
    out = []
    for job in made:
        if job.after in open_names or not job.is_finished():
            open_names.add(job.run.name)
            out.append(job)
    return out


# --- doing it -------------------------------------------------------------------------------------------------------


def ensure(
    runs: Iterable[Run],
    profile: Profile | str,
    out: str | Path,
    *,
    base_path: str | Path | None = None,
    workers: int = 2,
) -> dict[str, Path]:
    """Train and ask whatever of `runs` is not up to date; {name: folder} of all of them.

    base_path: the policy that all starts from (None: the one the package carries). Safe to kill at any moment and to
    start twice: two processes never train the same run. Raises ValueError, CheckpointError (the base is missing or
    damaged), RecordError (a folder cannot be written) or WorkError (some runs failed; the others were finished).
    """
    made = jobs(runs, profile, out, base_path)
    for job in made[:1]:
        if not job.base_path.exists():
            raise CheckpointError(
                f"there is no base policy at {job.base_path}: the one of the package comes back with `git checkout -- "
                "georeplicate/weights`; one of your own is made with `make base` and given with --base"
            )
        checkpoint.verify_manifest(job.base_path)
    todo = unfinished(made)
    if todo:
        _work(todo, workers)
    return {job.run.name: job.folder for job in made}


def _work(todo: list[Job], count: int) -> None:
    runs = todo[0].out / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.FileError(files.explain(error, runs)) from error
    tasks = [
        pool.Task(job.run.name, execute, (job,), job.units, runs / f".{job.run.name}.txt", after=job.after)
        for job in todo
    ]
    pool.run(tasks, workers=max(1, min(count, os.cpu_count() or 1)), title=f"{len(todo)} runs")


def execute(job: Job, report: Callable[..., None] = lambda *_, **__: None) -> Path:
    """Train and ask one run, as far as it is not up to date; returns its folder. Meant for a process of its own."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries are imported
    import torch

    torch.set_num_threads(1)
    name = job.run.name
    with files.alone(job.out / "runs" / f".{name}.lock", f"another process works at {name}; waiting until it ends"):
        if not job.is_trained():
            job.train(report)
        elif job.updates:
            report(job.updates * UPDATE_S[job.run.stage], "is trained", skipped=True)
        if not job.is_finished():
            job.ask(report)
    return job.folder


def predictions(runs_folder: str | Path) -> pd.DataFrame:
    """All predictions of the finished runs below a folder (predict.COLUMNS, with run, stands_for and checkpoint)."""
    import pandas as pd

    from georeplicate.evaluation import predict

    tables = []
    for path in sorted(Path(runs_folder).glob(f"*/{manifest.NAME}")):
        said = manifest.read(path.parent)["run"]
        table = predict.read(path.parent / "predictions.csv")
        tables.append(table.assign(run=path.parent.name, stands_for=said["stands_for"], checkpoint=said["checkpoint"]))
    if not tables:
        raise files.FileError(f"there is no finished run below {runs_folder}: make table2 comes first")
    return pd.concat(tables, ignore_index=True)


def main(arguments: list[str] | None = None) -> int:
    """0 done, 1 something failed (a sentence on stderr), 2 wrong words on the command line, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m georeplicate.runs.runner", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="mini")
    parser.add_argument("--base", type=Path, help="the policy that all starts from; the package carries one")
    parser.add_argument("--ablations", action="store_true", help="the controls instead of Table 2")
    parser.add_argument("--seeds", type=int, help="how many training seeds (default: those of the profile)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=WORK, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        profile = Profile.get(options.profile)
        seeds = seeds_of(profile, options.seeds)
        runs = ablation_runs(seeds) if options.ablations else table2_runs(seeds)
        out = options.work / profile.name
        folders = ensure(runs, profile, out, base_path=options.base, workers=options.workers)
        _print(folders)
    except (ValueError, OSError, CheckpointError, pool.WorkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from the newest checkpoints", file=sys.stderr)
        return 130
    return 0


def _print(folders: dict[str, Path]) -> None:
    import pandas as pd

    for name, folder in folders.items():
        asked = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
        pairing = asked[(asked.task == "pairing") & (asked.decoding == "greedy")]
        right, tokens = (pairing.choice == pairing.truth).mean(), pairing.completion_tokens.astype(float).mean()
        print(f"{name:>28}  {right:6.1%} of {len(pairing)} pairing questions right, {tokens:.1f} tokens an answer")


if __name__ == "__main__":
    sys.exit(main())
