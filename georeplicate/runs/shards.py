"""An evaluation in shards: a process for each GPU answers its share of the parts.

A part is some rows of one task in one decoding, each with a file of its own (`evaluation.predict.parts`). Parts are
dealt out in turn, and what is merged are the files, in the order of the rows: the same bytes as from one process,
whoever answered what. A process that was killed leaves whole parts, and the same command deals out the others, to as
many processes as there are then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from georeplicate.profiles import Profile
from georeplicate.runs import pool, recipes
from georeplicate.training import processes

if TYPE_CHECKING:
    import pandas as pd

    from georeplicate.evaluation.predict import Part
    from georeplicate.evaluation.predictors import Predictor
    from georeplicate.tasks import Task

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """Who is evaluated on what: all that a process has to be told. profile: as `Profile.spec` has it. start: the folder
    of the policy, or what the tasks' pictures are made for. task: one of the profile's, or None for all that a baseline
    or a policy can answer."""

    profile: str
    split: str
    root: Path | None
    start: Path
    task: str | None
    baseline: str | None
    weights: str | None

    def tasks(self) -> list[Task]:
        """ValueError for a task that the profile has not."""
        size = Profile.get(self.profile)
        found = {one.name: one for one in recipes.of(size).tasks(size, self.start, "", True, root=self.root)}
        if self.task is not None and self.task not in found:
            raise ValueError(f"unknown task {self.task!r}: profile {size.name} has {', '.join(found)}")
        if self.task is None and self.baseline is None:
            return list(found.values())
        return [found[self.task or "geolocation"]]

    def predictor(self) -> Predictor:
        """Whoever answers, on this process's device; raises what loading a model raises."""
        from georeplicate.evaluation import baselines, predictors

        if self.baseline is not None:
            return baselines.Located(baselines.get(self.baseline, self.weights))
        return predictors.VLM.of(self.start, Profile.get(self.profile))

    def parts(self, keep: Path) -> list[Part]:
        from georeplicate.evaluation import predict

        return predict.parts(self.tasks(), split=self.split, keep=keep)


def check(gpus: int) -> None:
    """LaunchError in one sentence where this machine has fewer GPUs, before any cost. With accelerate's variable
    ACCELERATE_USE_CPU the processes share the CPU instead."""
    if not _on_cpu() and (here := processes.gpus()) < gpus:
        raise processes.LaunchError(
            f"--gpus {gpus} needs as many GPUs, and this machine has {here or 'none'}: without --gpus one GPU (or the "
            "CPU) is used"
        )


def evaluate(evaluation: Evaluation, keep: Path, gpus: int) -> pd.DataFrame:
    """The rows of all parts in `keep`, in order, after `gpus` processes have answered those that are missing.

    WorkError as `deal`."""
    from georeplicate.evaluation import predict

    found, row_s = evaluation.parts(keep), recipes.of(Profile.get(evaluation.profile)).row_s
    deal(
        [part for part in found if not part.path.is_file()],
        gpus,
        answer,
        lambda share: (evaluation, keep, [part.path.name for part in share]),
        seconds=lambda part: row_s * len(part),
        keep=keep,
    )
    return predict.merged(found)


def deal(
    items: Sequence[T],
    gpus: int,
    function: Callable[..., None],
    arguments_of: Callable[[list[T]], tuple],
    *,
    seconds: Callable[[T], float],
    keep: Path,
) -> None:
    """Deal items out to one process for each GPU, which calls function(*arguments_of(its items), its device,
    report=...).

    seconds: about how long an item takes, for the bar. keep: the folder of what they write, and of their logs.
    WorkError where some of them failed, one sentence that names each and its log; what the others did is kept.
    """
    tasks = [
        pool.Task(
            name=f"shard {i + 1} of {min(gpus, len(items))}",
            function=function,
            arguments=(*arguments_of(share), device),
            units=sum(map(seconds, share)),
            log=keep / f"shard-{i + 1}.txt",
        )
        for i, device in enumerate(_devices(gpus))
        if (share := list(items[i::gpus]))
    ]
    if not tasks:
        return
    try:
        pool.run(tasks, workers=len(tasks), title=f"evaluation in {len(tasks)} shards")
    except pool.WorkError as error:
        raise pool.WorkError(
            f"{error}; what was answered is kept in {keep}, and the same command asks for the rest"
        ) from None


def take(device: str) -> None:
    """The GPU of a worker, as CUDA_VISIBLE_DEVICES has it, before CUDA is used for the first time."""
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # a worker of the pool has no processes of its own


def answer(evaluation: Evaluation, keep: Path, names: Sequence[str], device: str, report: pool.Report) -> None:
    """One shard, in a process of its own. names: files of its parts."""
    take(device)
    from georeplicate.evaluation import predict

    report(0, "loads")
    found, predictor = {part.path.name: part for part in evaluation.parts(keep)}, evaluation.predictor()
    row_s = recipes.of(Profile.get(evaluation.profile)).row_s
    for name in names:
        predict.answer(predictor, found[name])
        report(row_s * len(found[name]), "answers")


def _on_cpu() -> bool:
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1")


def _devices(gpus: int) -> list[str]:
    """The GPU of each process, out of those that this one sees; none where the CPU is used."""
    if _on_cpu():
        return [""] * gpus
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return [visible[i] if visible else str(i) for i in range(gpus)]
