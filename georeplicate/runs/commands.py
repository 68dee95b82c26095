"""What the commands about runs do: train, evaluate, list, adopt, golden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georeplicate import files, manifest
from georeplicate.model import hub
from georeplicate.profiles import Profile, written
from georeplicate.runs import arms, recipes, runner, shards, spec
from georeplicate.runs.recipes import Recipe
from georeplicate.runs.spec import Run
from georeplicate.training import launch as launcher
from georeplicate.training import processes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Options:
    """What runs are told beside their profile; see `train`."""

    base: str | None = None
    records: Path | None = None
    adapters: str = ""
    rollouts: str = ""
    report_to: str | None = None

    def words(self) -> list[str]:
        """The options as they are typed."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) != one.default}
        return [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def chosen(what: str, profile: Profile, seeds: int | None) -> list[Run]:
    """The runs that a word names, with those they go on from; ValueError lists the words there are."""
    recipe, count = recipes.of(profile), spec.seeds_of(profile, seeds)
    table2, ablations = spec.table2_runs(count, recipe), spec.ablation_runs(count, recipe)
    table1 = spec.table1_runs(count, recipe)
    curve = spec.curve_runs(recipe)
    groups = {"table1": table1, "table2": table2, "ablations": ablations} | ({"curve": curve} if curve else {})
    for system in ("sft", "zero", "r1"):
        groups[system] = [run for run in table2 if run.name.startswith(f"{system}-")]
    groups |= {run.name: [run] for run in (*table2, *table1, *ablations, *curve)}
    if what not in groups:
        raise ValueError(f"unknown run {what!r}: choose one of {', '.join(groups)}")
    if seeds is not None and curve and groups[what] == curve:
        raise ValueError(f"{what} is of the first seed alone: leave --seeds out")
    needed = {run.start for run in groups[what]} - {run.name for run in groups[what]}
    return [run for run in table2 if run.name in needed and run.stage != "base"] + groups[what]


def takes_published(profile: str) -> bool:
    """Whether the systems of Table 1 are published ones for this profile, and not trained; ValueError: no profile."""
    return Profile.get(profile).source != "world"


def has_arms(profile: str) -> bool:
    """Whether what is trained for this profile are the arms of a registered experiment, up to their tables."""
    return profile == arms.PROFILE


def train_base(world: str, seed: int, rule: bool, *, work: Path) -> None:
    """Train a base of the synthetic world, or go on with it, below `work`: base-WORLD-SEED. world: a name of
    base.CURRICULA. rule: from there on to one that answers the first tile it calls a match (`policy-rule`). ValueError
    for another name."""
    from georeplicate.mini import base

    if world not in base.CURRICULA:
        raise ValueError(f"there is no base {world!r}: choose from {', '.join(base.CURRICULA)}")
    folder = work / f"base-{world}-{seed}"
    print(f"the base policy is in {base.build(folder, seed=seed, curriculum=base.CURRICULA[world], rule=rule)}")


def train(
    what: str,
    profile: str,
    seeds: int | None,
    *,
    base: str | None,
    root: Path | None,
    workers: int | None,
    work: Path,
    records: Path | None = None,
    adapters: str = "",
    rollouts: str = "",
    report_to: str | None = None,
    launch: str | None = None,
    gpus: int = 1,
    words: Sequence[str] = (),
    register: bool = False,
) -> int:
    """Bring runs up to date and print what each got right; returns an exit code.

    profile: as `Profile.spec` has it. workers: None is one on photographs, where runs share a GPU, and else two.
    records: what the data engine wrote, for SFT on photographs; ValueError where the profile has none. adapters,
    rollouts: see `Profile`. report_to: tensorboard, wandb, trackio or none (None: tensorboard for photographs, if it is
    installed). launch, gpus: one of training.launch.WAYS, by which `georeplicate WORDS...` is started in one
    process for each GPU instead. register: write down what is predicted of the registered arms, and train
    nothing."""
    size = Profile.get(profile)
    workers = workers_of(size) if workers is None else workers
    if workers < 1:
        raise ValueError(f"runs need one worker at least, got {workers}")
    _check_root(size, root)
    if size.name == arms.PROFILE:
        if register and seeds is not None:
            raise ValueError("an experiment is registered with all of its bases: leave --seeds out")
        other = (base, records, adapters, rollouts, launch)
        if other != (None, None, "", "", None) or report_to not in (None, "none"):
            raise ValueError(
                f"the arms of profile {profile} were registered as they are: train takes no base, records, "
                "adapters, rollouts, tracker or way to launch for them"
            )
        return _train_arms(what, workers, work, register, spec.seeds_of(size, seeds))
    if register:
        raise ValueError(f"--register writes down what is predicted of the arms of profile {arms.PROFILE}")
    size, recipe = with_options(size, records, adapters, rollouts)
    wanted = chosen(what, size, seeds)
    tracker = tracker_of(report_to, size)
    if launch is not None:
        recipes.check(recipe, size, root, model=base is None)
        return launcher.run(launch, gpus, words)
    # Under `accelerate launch` this runs in every process; the first finds out what is missing and fetches the model.
    processes.by_first(lambda: recipes.check(recipe, size, root, model=base is None))
    start = Path(processes.by_first(lambda: str(folder_of(base) or recipe.start(size, root))))
    processes.by_first(
        lambda: refuse_other_options(what, runner.jobs(wanted, size, work / size.name, start, root, recipe))
    )
    folders = runner.ensure(
        wanted, size, work / size.name, base_path=start, root=root, workers=workers, recipe=recipe,
        report_to=tracker,
    )  # fmt: skip
    if processes.is_first():
        for name, folder in folders.items():
            print(f"{name:>28}  {_result(folder)}")
    return 0


def _result(folder: Path) -> str:
    """What a finished run got right, in one line."""
    from georeplicate.evaluation import predict

    rows = predict.read(folder / "predictions.csv")
    pairing = rows[(rows.task == "pairing") & (rows.decoding == "greedy")]
    right = pairing.choice == pairing.truth
    if "update" in rows:  # a run with a curve
        shares = right.groupby(pairing["update"]).mean()
        each = ", ".join(f"{share:.1%} after {update}" for update, share in shares.items())
        return f"validation questions right: {each}"
    if not len(pairing):
        return f"{(rows.error_km <= 2500).mean():6.1%} of {len(rows)} places within 2,500 km"
    tokens = pairing.completion_tokens.mean()
    return f"{right.mean():6.1%} of {len(pairing)} pairing questions right, {tokens:.1f} tokens a completion"


def _train_arms(what: str, workers: int, work: Path, register: bool, bases: Sequence[int]) -> int:
    """Bring the arms that a word names up to date, from these bases, once they are registered. Bases that are not there
    are made where their weights are committed, which takes minutes."""
    if register:
        print(f"registered: {arms.register(arms.named(what), work)}; commit it before anything is trained")
        return 0
    for name in arms.experiments_of(what, bases):
        arms.check(arms.named(name), arms.registered(arms.named(name)))
    arms.make_committed(what, work, bases)
    runner.complete(arms.jobs(what, work, bases), workers)
    return 0


def with_options(size: Profile, records: Path | None, adapters: str, rollouts: str) -> tuple[Profile, Recipe]:
    """The profile and its recipe under the options of `train` that enter keys."""
    if adapters:
        size = replace(size, adapters=adapters)
    if rollouts:
        size = replace(size, rollouts=rollouts)
    recipe = recipes.of(size)
    if records is not None:
        if not hasattr(recipe, "with_records"):
            raise ValueError(f"profile {size.name} makes its own records: --records are those of photographs")
        recipe = recipe.with_records(records)
    return size, recipe


def refuse_other_options(what: str, jobs: Sequence[runner.Job]) -> None:
    """ValueError where a run was begun, or evaluated, with other options than are given now: it would be set aside and
    done anew for want of an option.

    On photographs, where a run takes days, this holds for every run that `what` does not name by its own name; in the
    synthetic world for those that are only gone on from, with other records or adapters."""
    differing: list[runner.Job] = []
    other: dict[str, Any] = {}
    for job in jobs:
        world = job.profile.source == "world"
        if what == job.run.name or world and (job.run.stage != "sft" or what in ("sft", "table2")):
            continue
        found = {one: then for one, then in _other(job).items() if not world or one in ("records", "adapters")}
        differing += [job] * bool(found)
        other = found | other
    if not differing:
        return
    names = [job.run.name for job in differing]
    part = f"from which {what} goes on" if {job.run.stage for job in differing} == {"sft"} else f"part of {what}"
    anew = [f"move {job.folder} away" for job in differing if job.run.stage == "base"]
    anew += ["train it anew by its name" if len(names) == 1 else "train each anew by its name"] * (names != ["base"])
    raise ValueError(
        f"{', '.join(names)}, {part}, {'was' if len(names) == 1 else 'were'} "
        f"{'evaluated' if names == ['base'] else 'trained'} with other {', '.join(other)}: {_as_then(other)}, or "
        f"{' and '.join(anew)}"
    )


def _other(job: runner.Job) -> dict[str, Any]:
    """{setting: its value then} of what the run in a job's folder was begun or evaluated with, where it has another
    value now; "base" for the policy it started from. None where nothing named it then."""
    recipe, run = job.recipe, job.run
    found: dict[str, Any] = {}
    begun, evaluated = (one.get("inputs", {}) for one in (runner.begun(job.folder), runner.evaluated(job.folder)))
    if begun.get("recipe_version") == recipe.version:
        found |= _changes(begun["settings"], recipe.settings(run.stage, job.profile))
        if run.start == "base":
            found |= _changes({"base": begun["start"]}, {"base": hub.identity(job.base_path)})
    if evaluated:
        found |= _changes(evaluated["settings"], recipe.settings("evaluation", job.profile))
        if run.stage == "base":
            found |= _changes({"base": evaluated["policy"]}, {"base": hub.identity(job.base_path)})
    return found


def _changes(then: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    return {name: then.get(name) for name in dict.fromkeys([*then, *now]) if then.get(name) != now.get(name)}


def _as_then(other: dict[str, Any]) -> str:
    """What to type so that settings have the values again that they had."""
    typed, same, left_out = [], [], []
    for name, value in other.items():
        option = f"--{name}" if name in ("records", "adapters", "rollouts", "base") else f"--set {name}"
        if value is None:
            left_out.append(option)
        elif name == "records" or name == "base" and "@" not in value:  # known by a checksum alone
            same.append(f"the same {option}")
        else:
            typed.append(f"{option}{'=' if ' ' in option else ' '}{written(value)}")
    given = [" ".join(typed)] * bool(typed) + same
    return " and ".join(
        [f"give {' and '.join(given)} again"] * bool(given) + [f"leave {' and '.join(left_out)} out"] * bool(left_out)
    )


def workers_of(size: Profile) -> int:
    """How many runs are trained at once where nobody says: one where they share a GPU."""
    return 2 if size.source == "world" else 1


def tracker_of(report_to: str | None, size: Profile) -> str:
    """The tracker that is told how training goes. What was asked for by name (tracker, sampler, adapters) must be
    there, before any cost: ValueError, or what the trainer raises."""
    tracker = report_to or ("none" if size.source == "world" or size.recipe == "dry" else _at_scale())
    _check_installed(tracker, size)
    return tracker


def _at_scale() -> str:
    import importlib.util

    return "tensorboard" if importlib.util.find_spec("tensorboard") else "none"


def _check_installed(tracker: str, size: Profile) -> None:
    if tracker != "none":
        from georeplicate.training import common  # loads torch

        common.trackers(tracker)
    if size.rollouts != "shared-prefix":
        from georeplicate.training import grpo

        server = grpo.server_of(size.rollouts)
        if size.source == "world":
            raise ValueError("vLLM answers about pictures, and the mini world's rows hold pixels: take shared-prefix")
        grpo.refuse_rollouts(size.rollouts, server)
    if size.adapters == "qlora":
        from georeplicate.model import policy as policies

        policies.four_bit_arguments("cuda")


def evaluate(
    model: str | None,
    baseline: str | None,
    task: str | None,
    profile: str,
    split: str,
    *,
    root: Path | None,
    out: Path | None,
    weights: str | None = None,
    gpus: int | None = None,
) -> pd.DataFrame:
    """Print what a policy, or a baseline, gets right on the tasks of a profile; rows to `out`.

    With `out` the answers are kept part by part in `<out>.parts`, so that the same command goes on after a kill, with
    any number of GPUs. gpus: this many processes share the parts (`shards`), and the rows are those of one.
    Returns the rows as `runner.predictions` gives them: with stands_for, checkpoint, benchmark and chance.
    """
    from georeplicate.evaluation import baselines, predict
    from georeplicate.evaluation.baselines import prompted

    size = Profile.get(profile)
    if model and baseline:
        raise ValueError("give --model or --baseline, not both")
    if weights is not None and baseline is None:
        raise ValueError("--weights are those of a --baseline; a policy is named with --model")
    if split not in ("validation", "test"):
        raise ValueError(f"unknown split {split!r}: choose one of validation, test")
    if gpus is not None and out is None:
        raise ValueError("--gpus keeps what each process answers beside the rows: name a CSV with --out")
    _check_root(size, root)
    recipe = recipes.of(size)
    recipes.check(recipe, size, root, training=False, model=not (model or baseline))
    if gpus is not None:
        shards.check(gpus)
    published = (model or "").partition("@")[0]
    if licence := prompted.licence_of(published):
        print(f"{published}: {licence}", flush=True)
    if baseline and gpus is not None:
        baselines.BASELINES[baseline]  # an unknown name is refused before any process starts
        if baseline in prompted.PUBLISHED:
            weights = prompted.here(baseline, weights)
    start = folder_of(model) or (Path() if baseline and not recipe.has_stand_ins else recipe.start(size, root))
    evaluation = shards.Evaluation(size.spec, split, root, start, task, baseline, weights)
    tasks = {one.name: one for one in evaluation.tasks()}
    # Whoever answers is opened before earlier answers are looked at; a process for each GPU opens its own.
    predictor = evaluation.predictor() if gpus is None else None
    keep = None
    if out is not None:
        keep = out.with_name(f"{out.name}.parts")
        key = {
            "predictor": baselines.identity(baseline, weights) if baseline else hub.identity(start),
            "tasks": {name: one.version for name, one in tasks.items()},
            "split": split,
            "settings": recipe.settings("evaluation", size),
            "recipe": recipe.name,
            "data_sha256": recipe.data_sha256(size, root),
        }
        if there := predict.begin(keep, key):
            print(f"{there} parts of an earlier run are there and are not asked again", flush=True)
    if predictor is None:
        assert gpus is not None and keep is not None
        table = shards.evaluate(evaluation, keep, gpus)
    else:
        table = predict.evaluate_all(predictor, list(tasks.values()), split=split, keep=keep)
    benchmark, chance = ({name: getattr(one, of) for name, one in tasks.items()} for of in ("benchmark", "chance"))
    _print_right(table, benchmark)
    table = table.assign(system=baseline or str(model or size.model), training_seed=0)
    if out is not None:
        print(f"rows: {files.write_csv(out, table)}")
    stands_for = baseline or prompted.stands_for(published or size.model)
    return table.assign(
        run=table.system,
        stands_for=stands_for,
        checkpoint="as published" if stands_for in prompted.PUBLISHED else str(model or baseline or start),
        benchmark=table.task.map(benchmark),
        chance=table.task.map(chance),
    )


def _print_right(table: pd.DataFrame, benchmarks: dict[str, str]) -> None:
    """How many answers are right, a line for each task and decoding."""
    for (name, decoding), rows in table.groupby(["task", "decoding"], sort=False):
        known = rows.truth != ""  # a place at sea has no country, and no answer would equal it
        right, n = int((known & (rows.choice == rows.truth)).sum()), int(known.sum())
        share = f"{right / n:.1%}" if n else "no right answer is known"
        near = "" if rows.error_km.isna().all() else f", {(rows.error_km <= 750).mean():.1%} within 750 km"
        print(f"{name:>12} {decoding:>7}: {right} of {n} right ({share}){near}; {benchmarks[name]}")


def _all_jobs(size: Profile, work: Path, base: str | None, root: Path | None, recipe: Recipe) -> list[runner.Job]:
    if size.name == arms.PROFILE:
        if base is not None:
            raise ValueError(f"the arms of profile {size.name} start from bases of their own: leave --base out")
        return arms.all_jobs(work)
    return runner.jobs(spec.all_runs(size), size, work / size.name, folder_of(base), root, recipe)


def list_runs(
    profile: str, *, base: str | None, root: Path | None, work: Path, records: Path | None = None, adapters: str = ""
) -> None:
    """Print each run of a profile with its state under these options, and what was set aside."""
    size = Profile.get(profile)
    _check_root(size, root)
    size, recipe = with_options(size, records, adapters, "")
    recipes.check(recipe, size, root, model=base is None)
    for job in _all_jobs(size, work, base, root, recipe):
        print(f"{job.run.name:>28}  {runner.state(job)}")
    for folder in sorted((work / size.name / "stale").glob("*")):
        print(f"{folder.name:>28}  set aside: georeplicate runs adopt {folder.name} --why '...' takes it back")


def run_folder(run: str, profile: str, work: Path) -> Path:
    """The folder of a run of a profile, or the folder itself; ValueError lists the runs there are."""
    folder = work / Profile.get(profile).name / "runs" / run
    if Path(run).is_dir():
        return Path(run)
    if not folder.is_dir():
        there = ", ".join(sorted(path.parent.name for path in folder.parent.glob(f"*/{manifest.NAME}")))
        raise ValueError(
            f"{run} is no folder and no run of profile {profile} (--profile): finished are {there or 'none'}"
        )
    return folder


def adopt(
    name: str,
    why: str,
    profile: str,
    *,
    base: str | None,
    root: Path | None,
    work: Path,
    records: Path | None = None,
    adapters: str = "",
) -> None:
    """Keep a run of another key, once the golden runs have passed; ValueError says what does not fit."""
    from georeplicate.runs import golden

    size = Profile.get(profile)
    _check_root(size, root)
    size, recipe = with_options(size, records, adapters, "")
    out = work / size.name
    by_name = {job.run.name: job for job in _all_jobs(size, work, base, root, recipe)}
    stale = out / "stale" / name
    found = next(
        (run for run in sorted(by_name, key=len, reverse=True) if name == run or name.startswith(f"{run}-")), ""
    )
    if not found or (name != found and not stale.is_dir()):
        here = sorted(p.name for p in (*out.glob("runs/*"), *out.glob("stale/*")) if p.is_dir())
        raise ValueError(f"there is no run {name!r} in {out}: there are {', '.join(here) or 'none'}")
    if moved := golden.check():
        raise ValueError(f"the golden runs make other numbers ({moved[0]}), so this run's may be others too: train it")
    changed = runner.adopt(by_name[found], why, stale if name != found else None)
    print(f"{found} is adopted; it differed in: {'; '.join(changed) or 'nothing'}")


def golden_runs(write: bool) -> int:
    """Print what moved (1) or that nothing did (0); write: replace the snapshot."""
    import tempfile

    from georeplicate.runs import golden

    if write:
        with tempfile.TemporaryDirectory() as folder:
            print(f"wrote {files.write_json(golden.SNAPSHOT, golden.trajectory(folder))}")
        return 0
    moved = golden.check()
    print("\n".join(moved) if moved else "the golden runs make the numbers they made")
    return int(bool(moved))


def _check_root(profile: Profile, root: Path | None) -> None:
    if profile.source == "world" and root is not None:
        raise ValueError(f"profile {profile.name} is of the synthetic world, which has no folder: leave --root out")


def folder_of(name: str | None) -> Path | None:
    """The policy of a --base or --model, fetched where it is of the hub; None for none."""
    return None if name is None else hub.named(name)  # an empty word is no default: a shell's variable was not set
