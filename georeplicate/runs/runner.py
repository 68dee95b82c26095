"""Runs: whether each is up to date, and doing the rest.

A run is a folder `<out>/runs/<name>/`: policy/, log.csv and trained.json when it is trained, then predictions.csv of
the test questions and, last of all, manifest.json. Whether it is up to date is a matter of content, never of a clock.
Training has a key made of what a policy depends on: the recipe and its version, the resolved settings, the data and the
policy it starts from. Evaluation has another, so that a change in how completions are scored evaluates again and trains
nothing. No source text enters a key: whoever changes code so that numbers move raises the version, and the golden runs
(tests/invariant) fail until that is done. The code's hash stays in the manifest, to be looked up. A run that was killed
goes on from its newest checkpoint, if its key still holds; a run of another key is renamed into `<out>/stale/` and
never deleted (`adopt` takes it back).

Settings are chosen by training rewards and on the validation split; test questions are evaluated here and nowhere else.
Nothing heavy is imported before there is something to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georeplicate import files, manifest, provenance
from georeplicate.model import checkpoint, hub
from georeplicate.model.checkpoint import CheckpointError
from georeplicate.profiles import Profile
from georeplicate.runs import curve, pool, recipes, stand_ins
from georeplicate.runs.recipes import Recipe
from georeplicate.runs.spec import Run
from georeplicate.training import processes

if TYPE_CHECKING:
    import pandas as pd

    from georeplicate.evaluation import predictors
    from georeplicate.tasks import Task

ANSWERS = "predictions.parts"  # in a run's folder: what was answered while it is evaluated


def code_now(recipe: Recipe) -> dict[str, dict[str, str]]:
    """{"training" | "evaluation": {module: hash}}: which code is at work now, for the manifest."""
    return {what: provenance.code(*modules) for what, modules in recipe.provenance.items()}


@dataclass(frozen=True)
class Job:
    """A run, and all that decides whether it is up to date. root: the folder of the data, where there is one.
    report_to: which tracker is told how training goes; it decides nothing."""

    run: Run
    profile: Profile
    out: Path
    base_path: Path
    recipe: Recipe
    root: Path | None = None
    report_to: str = "none"

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

    @property
    def processor(self) -> Path:
        """The policy whose processor makes the pixels that are evaluated: a model of another family has its own."""
        return self.policy if self.run.stage == stand_ins.INTERNVL else self.base_path

    @property
    def with_places(self) -> bool:
        """Whether more than the pairing question is evaluated: of what stands for a system of the paper's tables."""
        return bool(self.run.stands_for or self.run.tasks)

    def training_inputs(self) -> dict:
        """All that decides about the trained policy; its hash is the key of training."""
        run = self.run
        return stand_ins.inputs(run, self.profile) | {
            "recipe": self.recipe.name,
            "recipe_version": self.recipe.version,
            "stage": run.stage,
            "seed": run.seed,
            "reward": run.reward,
            "control": run.control,
            "settings": self.recipe.settings(run.stage, self.profile),
            "data_sha256": self.recipe.data_sha256(self.profile, self.root),
            "start": hub.identity(self.start),
        }

    def evaluation_inputs(self) -> dict:
        versions = self.recipe.task_versions(self.with_places)
        return curve.inputs(self.run, self.profile) | {
            "recipe": self.recipe.name,
            "tasks": {name: version for name, version in versions.items() if name in (self.run.tasks or versions)},
            "system": self.run.system,
            "seed": self.run.seed,
            "control": self.run.control,
            "settings": self.recipe.settings("evaluation", self.profile),
            "data_sha256": self.recipe.data_sha256(self.profile, self.root),
            "policy": hub.identity(self.policy),
        }

    def training_key(self) -> str:
        return files.sha256_json(self.training_inputs())

    def evaluation_key(self) -> str:
        return files.sha256_json(self.evaluation_inputs())

    def is_trained(self) -> bool:
        """Whether the policy is there, whole, and what training would give now."""
        try:
            if self.run.stage != "base":
                trained = json.loads((self.folder / "trained.json").read_text())
                if trained["key"] != self.training_key() or not (self.folder / "log.csv").is_file():
                    return False
            for path in (self.policy, *curve.kept(self.run, self.profile, self.folder).values()):
                hub.verify(path)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, CheckpointError):
            return False
        return True

    def is_finished(self) -> bool:
        """Whether the run is trained and evaluated, as it would be now."""
        return self.is_trained() and evaluated(self.folder).get("key") == self.evaluation_key()

    # -- how much is to do, in seconds

    @property
    def updates(self) -> int:
        sft = self.profile.sft_steps
        known = {"base": 0, "sft": sft, "sft-lora": 2 * sft}
        known |= dict.fromkeys(("stand-in", stand_ins.INTERNVL), stand_ins.updates(self.run, self.profile))
        return known.get(self.run.stage, self.profile.rl_steps)

    @property
    def units(self) -> float:
        """About the seconds it takes: updates, and rows in each task and decoding (see mini.recipe.TASKS)."""
        rows = self.profile.n_test_sites * (len(self.run.tasks) or (8 if self.with_places else 2))
        if self.run.curve:
            rows = curve.QUESTIONS * len(curve.updates(self.run, self.profile))
        return self.updates * self.recipe.update_s[self.run.stage] + rows * self.recipe.row_s

    # -- doing it, in a worker

    def train(self, report: pool.Report) -> None:
        """The trained policy. A run of this key goes on where it stopped; one of another key is renamed first."""
        processes.by_first(self._begin)
        started, resumed_at = time.time(), 0

        def progress(updates: int, doing: str, skipped: bool = False) -> None:
            nonlocal resumed_at
            resumed_at += updates if skipped else 0
            report(updates * self.recipe.update_s[self.run.stage], doing, skipped)

        report(0, "prepares")
        self._train(progress)
        if not processes.is_first():
            return
        key = self.training_key()
        trained = {"key": key, "inputs": self.training_inputs(), "seconds": round(time.time() - started, 1)}
        if processes.count() > 1:
            trained |= {"processes": processes.count(), "engine": processes.engine()}
        trained |= {"resumed_at_update": resumed_at, "git": provenance.git_state()}
        trained |= {"machine": provenance.machine(), "versions": provenance.versions()}
        files.write_json(self.folder / "trained.json", trained)

    def _begin(self) -> None:
        key, note = self.training_key(), self.folder / "begun.json"
        if self.folder.exists() and begun(self.folder).get("key") != key:
            set_aside(self)
        if not note.is_file():
            files.write_json(note, {"key": key, "inputs": self.training_inputs()})

    def _train(self, progress: Callable[..., None]) -> None:
        from georeplicate.training import stages

        run, profile, work = self.run, self.profile, self.out / "data"

        def made(what: str) -> Sequence[dict[str, Any]]:
            return self.recipe.rows(what, profile, self.base_path, run.seed, run.control, root=self.root, work=work)

        def rows(what: str) -> Sequence[dict[str, Any]]:
            if processes.count() == 1:
                return made(what)
            first: list[Sequence[dict[str, Any]]] = []
            processes.by_first(lambda: first.append(made(what)))  # what has to be written is written once
            return first[0] if first else made(what)

        if run.baseline:
            depends = ("recipe", "recipe_version", "settings", "data_sha256", "start")
            key = files.sha256_json({name: self.training_inputs()[name] for name in depends}, stand_ins.FEATURES)
            stand_ins.train(
                run, profile, self.base_path, lambda: rows("places"), self.folder, work=work, key=key, report=progress
            )
            return
        if run.stage == stand_ins.INTERNVL:
            stand_ins.train_internvl(
                run, profile, self.base_path, self.folder, report_to=self.report_to, report=progress
            )
            _remove_whole(self.folder / stand_ins.SEEING)
            return
        settings: dict[str, Any] = {
            "seed": run.seed,
            "reward": run.reward,
            "report": progress,
            "report_to": self.report_to,
        }
        if run.stage == "sft-lora":  # first to reason about what is seen, then to name the place
            first = self.folder / "reasoning"
            if not (first / "policy").exists():
                stages.train("sft-lora", self.start, rows("sft"), first, profile, **settings)
            else:
                progress(profile.sft_steps, "has learnt to reason", skipped=True)
            stages.train("sft-lora", first / "policy", rows("places"), self.folder, profile, **settings)
            processes.by_first(lambda: _remove_whole(first))
            return
        data = rows("places" if run.stage == "grpo-places" else run.stage)
        settings |= {"keep": curve.kept(run, profile, self.folder)} if run.curve else {}
        settings |= {"replay": rows("replay")} if profile.replay and run.stage.startswith("grpo") else {}
        stages.train(run.stage, self.start, data, self.folder, profile, **settings)

    def evaluate(self, report: pool.Report) -> None:
        """predictions.csv and, last of all, the manifest. Several processes share the rows, and the first writes."""
        from georeplicate.evaluation import predict

        run, started = self.run, time.time()
        report(0, "is evaluated")
        processes.by_first(self._clear)
        tasks = self.recipe.tasks(self.profile, self.processor, run.control, self.with_places, root=self.root)
        tasks = [task for task in tasks if not run.tasks or task.name in run.tasks]
        if run.curve:
            keep = self.folder / ANSWERS
            predict.begin(keep, self.evaluation_inputs())
            starts = [self.start, *curve.kept(run, self.profile, self.folder).values(), self.policy]
            table = curve.evaluate(tasks[0], starts, run, self.profile, keep, report, self.recipe.row_s)
        elif processes.count() == 1 and self.profile.source == "world":  # a minute at most
            table = predict.evaluate_all(_Counted(self._predictor(), self.recipe.row_s, report), tasks)
        else:
            table = self._shared(tasks, report)
        table["system"], table["training_seed"] = run.system, run.seed
        processes.by_first(lambda: self._finish(table, tasks, started))

    def _clear(self) -> None:
        """Only a run that was killed while it was trained needs them."""
        for left in (*self.folder.glob("checkpoint-*"), *self.folder.glob(".policy-*")):
            shutil.rmtree(left)

    def _predictor(self) -> predictors.Predictor:
        from georeplicate.evaluation import predictors

        if self.run.baseline:
            return stand_ins.predictor(self.run, self.policy, self.base_path)
        processes.load_whole()
        return predictors.VLM.of(self.policy, self.profile)

    def _shared(self, tasks: Sequence[Task], report: pool.Report) -> pd.DataFrame:
        """The rows, of which each process answers its share of the parts; those of a run that was killed are kept."""
        from georeplicate.evaluation import predict

        keep = self.folder / ANSWERS
        processes.by_first(lambda: predict.begin(keep, self.evaluation_inputs()))
        found = predict.parts(tasks, split="test", keep=keep)
        missing = processes.by_first(lambda: [part.path.name for part in found if not part.path.is_file()])
        mine = set(missing[processes.index() :: processes.count()])

        def answer() -> None:
            predictor = _Counted(self._predictor(), self.recipe.row_s, report) if mine else None
            for part in found:
                if predictor is not None and part.path.name in mine:
                    predict.answer(predictor, part)
                elif part.path.name not in missing:
                    report(self.recipe.row_s * len(part), "is evaluated", skipped=True)

        processes.by_each(answer)
        return predict.merged(found)

    def _finish(self, table: pd.DataFrame, tasks: Sequence[Task], started: float) -> None:
        import torch

        run = self.run
        files.write_csv(self.folder / "predictions.csv", table)
        trained = None if run.stage == "base" else json.loads((self.folder / "trained.json").read_text())
        answered: dict[str, Any] = {"key": self.evaluation_key(), "inputs": self.evaluation_inputs()}
        answered["seconds"] = round(time.time() - started, 1)
        if processes.count() > 1:
            answered["processes"] = processes.count()
        answered |= self._constants()
        manifest.finish(
            self.folder,
            profile=self.profile.name,
            seed=run.seed,
            data_sha256=self.recipe.data_sha256(self.profile, self.root),
            started=started - (trained["seconds"] if trained else 0.0),
            device=torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            apart=("policy", "policies", "adapter", "runs", "trained.json", "begun.json", ANSWERS),
            run=asdict(run) | {"checkpoint": run.checkpoint},
            settings=json.loads(json.dumps(asdict(self.profile))),
            benchmarks={task.name: task.benchmark for task in tasks},
            chance={task.name: task.chance for task in tasks},
            base=hub.identity(self.base_path),
            policy=hub.identity(self.policy),
            training=trained,
            evaluation=answered,
            code=code_now(self.recipe),
        )
        shutil.rmtree(self.folder / ANSWERS, ignore_errors=True)

    def _constants(self) -> dict[str, Any]:
        """{"best_constants": a record of `evaluation.trivial`}, or {} where no places are evaluated, or tables know the
        validation places without."""
        places = self.recipe.validation_places(self.profile, self.root) if self.with_places else None
        if places is None:
            return {}
        from georeplicate.evaluation import trivial

        return {"best_constants": trivial.to_record(places, f"validation places of {self.profile.source}")}


def _remove_whole(folder: Path) -> None:
    """Whole or gone: half of it would not be gone on from."""
    shutil.rmtree(folder.rename(folder.parent / f".policy-{folder.name}"))


class _Counted:
    """A predictor whose answered rows are reported."""

    def __init__(self, predictor, row_s: float, report: pool.Report):
        self.predictor, self.row_s, self.report = predictor, row_s, report

    def predict(self, rows, task, decoding):
        outputs = self.predictor.predict(rows, task, decoding)
        self.report(self.row_s * len(rows), "is evaluated")
        return outputs


# --- runs of another key ---------------------------------------------------------------------------------------------


def begun(folder: Path) -> dict:
    """What the run in `folder` was begun with: {key, inputs}; {} where that cannot be read."""
    try:
        found = json.loads((folder / "begun.json").read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("inputs", {}), dict) else {}


def evaluated(folder: Path) -> dict:
    """What the finished run in `folder` was evaluated with: {key, inputs, ...}; {} where there is none."""
    try:
        found = manifest.read(folder)["evaluation"]
    except (files.FileError, KeyError, TypeError):
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
    then = begun(job.folder)
    why = differences(then["inputs"], job.training_inputs()) if "inputs" in then else ["made by an earlier version"]
    target = files.unused(job.out / "stale" / f"{job.run.name}-{str(then.get('key', 'unknown'))[:8]}")
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
    inputs, key = job.training_inputs(), job.training_key()
    if source is not None:
        source.rename(job.folder)  # last, so that an error above leaves the run where it was
    changed = differences(trained.get("inputs", {}), inputs) if "inputs" in trained else ["made by an earlier version"]
    adopted = [*trained.get("adopted", []), {"why": why.strip(), "from_key": old_key, "changed": changed}]
    files.write_json(job.folder / "begun.json", {"key": key, "inputs": inputs})
    files.write_json(job.folder / "trained.json", trained | {"key": key, "inputs": inputs, "adopted": adopted})
    return changed


def jobs(
    runs: Iterable[Run],
    profile: Profile | str,
    out: str | Path,
    base_path: str | Path | None = None,
    root: str | Path | None = None,
    recipe: Recipe | None = None,
    report_to: str = "none",
) -> list[Job]:
    """What `ensure` would see to. ValueError: a run that starts from none of these runs, or an unknown profile.

    recipe: None is the profile's own."""
    profile = Profile.get(profile) if isinstance(profile, str) else profile
    recipe, root = recipe or recipes.of(profile), None if root is None else Path(root).resolve()
    start = Path(base_path).resolve() if base_path else recipe.start(profile, root)
    made = [Job(run, profile, Path(out).resolve(), start, recipe, root, report_to) for run in runs]
    names = {job.run.name for job in made}
    for job in made:
        if job.after and job.after not in names and not job.start.exists():
            raise ValueError(
                f"{job.run.name} goes on from {job.run.start}, which is neither trained nor among the runs"
            )
    return made


def state(job: Job) -> str:
    """Of a run, in words: up to date, trained, begun, of another version (with what differs), or not begun."""
    if job.is_finished():
        return "up to date"
    if job.is_trained():
        return "trained, to be evaluated"
    then = begun(job.folder)
    if not then:
        return "made by an earlier version" if job.folder.exists() else "not begun"
    try:
        now = job.training_inputs()
    except CheckpointError:
        return "waits for what it starts from"
    if then.get("key") == files.sha256_json(now):
        return "begun"
    return f"of another version: {'; '.join(differences(then.get('inputs', {}), now))}"


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
    root: str | Path | None = None,
    workers: int = 2,
    recipe: Recipe | None = None,
    report_to: str = "none",
) -> dict[str, Path]:
    """Train and evaluate whatever of `runs` is not up to date; {name: folder} of all of them.

    base_path: the policy that all starts from (None: the recipe's own). root: the folder of the data, where there is
    one (None: data/SOURCE). recipe: None is the profile's own. Safe to kill at any moment and to start twice: two
    processes never train the same run.
    Raises ValueError, CheckpointError (the base is missing or damaged), FileError (a folder cannot be written) or
    WorkError (some runs failed; the others were finished).
    """
    return complete(jobs(runs, profile, out, base_path, root, recipe, report_to), workers)


def complete(made: Sequence[Job], workers: int = 2) -> dict[str, Path]:
    """Train and evaluate whatever of these jobs is not up to date, as `ensure` does; {name: folder} of all of them."""
    for base_path in dict.fromkeys(job.base_path for job in made):
        if not base_path.exists():
            raise CheckpointError(
                f"there is no base policy at {base_path}: the one of the package comes back with `git checkout -- "
                "georeplicate/mini/weights`; one of your own is made with `make base` and given with --base"
            )
        hub.verify(base_path)
    todo = processes.by_first(lambda: [job.run.name for job in unfinished(made)])
    if todo:
        _work([job for job in made if job.run.name in todo], workers)
    return {job.run.name: job.folder for job in made}


def _work(todo: list[Job], count: int) -> None:
    if processes.count() > 1:  # all of them at one run after another, each on its own device
        if alone := [job.run.name for job in todo if job.run.baseline]:
            raise ValueError(f"{alone[0]} is a small network, which one process trains: leave --launch out for it")
        if alone := [job.run.name for job in todo if job.run.stage == stand_ins.INTERNVL]:
            raise ValueError(f"{alone[0]} learns to see in one process: leave --launch out for it")
        if watched := [job.run.name for job in todo if job.run.curve]:
            raise ValueError(f"{watched[0]} keeps whole policies, by one process: leave --launch out for it")
        for job in todo:
            if processes.is_first():
                print(f"{job.run.name}, in {processes.count()} processes", flush=True)
            execute(job)
        return
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
    """Train and evaluate one run, as far as it is not up to date; returns its folder. For a process of its own."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries are imported
    import torch

    torch.set_num_threads(1)
    with contextlib.ExitStack() as held:
        processes.by_first(lambda: _lock(held, job))
        if not processes.by_first(job.is_trained):
            job.train(report)
        elif job.updates:
            report(job.updates * job.recipe.update_s[job.run.stage], "is trained", skipped=True)
        pool.give_back_memory()  # what was trained makes room for what is evaluated
        if not processes.by_first(job.is_finished):
            job.evaluate(report)
    return job.folder


def _lock(held: contextlib.ExitStack, job: Job) -> None:
    name = job.run.name
    waiting = f"another process works at {name}; waiting until it ends"
    held.enter_context(files.alone(job.out / "runs" / f".{name}.lock", waiting))


def shown(runs: Iterable[Run], profile: Profile | str, out: str | Path) -> dict[str, Path]:
    """{name: folder} of the runs that a notebook shows. Those of the synthetic world are brought up to date (`ensure`).

    On photographs a run takes GPUs and days, so it is read as it was left and never trained here: FileError where one
    is not finished.
    """
    profile, runs = Profile.get(profile) if isinstance(profile, str) else profile, list(runs)
    if profile.source == "world":
        return ensure(runs, profile, out)
    there = finished(runs, profile, out)
    if lost := [run.name for run in runs if run.name not in there]:
        raise files.FileError(
            f"{', '.join(lost)} of profile {profile.name} is not finished below {Path(out) / 'runs'}, and notebooks "
            f"train nothing on photographs: `georeplicate reproduce --profile {profile.name}` comes first"
        )
    return {name: Path(out).resolve() / "runs" / name for name in there}


def finished(runs: Iterable[Run], profile: Profile | str, out: str | Path) -> list[str]:
    """Names of those of `runs` that are there: in the synthetic world up to date, on photographs evaluated (whether
    they would be so now is known to who has the photographs: `unfinished`)."""
    profile = Profile.get(profile) if isinstance(profile, str) else profile
    if profile.source == "world":
        return [job.run.name for job in jobs(runs, profile, out) if job.is_finished()]
    found = []
    for run in runs:
        folder = Path(out) / "runs" / run.name
        if (folder / manifest.NAME).is_file() and manifest.read(folder)["profile"] == profile.name:
            found.append(run.name)
    return found


def best_constants(runs_folder: str | Path, names: Iterable[str]) -> dict[str, Any] | None:
    """What the manifests of these finished runs record of the best constant guesses (`evaluation.trivial`); None where
    none does. Runs of one profile share their validation places, so the first that has a record speaks for all."""
    for name in names:
        record: dict[str, Any] | None
        if record := manifest.read(Path(runs_folder) / name)["evaluation"].get("best_constants"):
            return record
    return None


def predictions(runs_folder: str | Path, *, curve: bool = False) -> pd.DataFrame:
    """All predictions of the finished runs below a folder: predict.COLUMNS, with run, stands_for, checkpoint, benchmark
    and chance. curve: those of runs that are evaluated while they learn (`runs.curve`) instead, with their processor
    (cpu). FileError where there are none."""
    import pandas as pd

    from georeplicate.evaluation import predict

    tables = []
    for path in sorted(Path(runs_folder).glob(f"*/{manifest.NAME}")):
        found = manifest.read(path.parent)
        if found["run"].get("curve", False) != curve:
            continue
        table = predict.read(path.parent / "predictions.csv")
        if curve:
            table["cpu"] = found["training"]["machine"]["cpu"]
        of_run = {name: found["run"][name] for name in ("stands_for", "checkpoint")}
        of_task = {
            name: table.task.map(found[key]) for name, key in (("benchmark", "benchmarks"), ("chance", "chance"))
        }
        tables.append(table.assign(run=path.parent.name, **of_run, **of_task))
    if not tables:
        what = ("run with a curve", "train curve") if curve else ("finished run", "train")
        raise files.FileError(f"there is no {what[0]} below {runs_folder}: `georeplicate {what[1]}` comes first")
    return pd.concat(tables, ignore_index=True)
