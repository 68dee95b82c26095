"""What a run learns while it is trained: its policy at every checkpoint, evaluated on held-out questions.

`stages.train(keep=...)` leaves the policies and draws nothing random for it; they are evaluated when training has
ended, so that training is the same to the byte. The questions are of the validation split, greedy, the first QUESTIONS
of the profile's: the test split is for finished systems. predictions.csv has a row for each update and question: the
columns of every run (`predict.COLUMNS`) behind `update`, and what the text says about its own search
(`readings.search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georeplicate import files
from georeplicate.profiles import Profile
from georeplicate.runs import pool
from georeplicate.runs.spec import Run

if TYPE_CHECKING:
    import pandas as pd

    from georeplicate.tasks import Task

QUESTIONS = 200
SPLIT, DECODING = "validation", "greedy"
SEARCH = ("tiles", "stopped")  # columns behind those of every run: see `readings.search`


def updates(run: Run, profile: Profile) -> list[int]:
    """After which updates the policy is evaluated: from the start (0) to the end; [] for a run without a curve."""
    if not run.curve:
        return []
    steps = profile.steps(run.stage)
    return [*range(0, steps, profile.checkpoint_every(run.stage)), steps]


def kept(run: Run, profile: Profile, folder: Path) -> dict[int, Path]:
    """{update: folder of its policy} in the middle of training, in order; {} for a run without a curve."""
    return {update: folder / "policies" / f"{update:06d}" for update in updates(run, profile)[1:-1]}


def inputs(run: Run, profile: Profile) -> dict[str, Any]:
    """What a run's key of evaluation holds beside the rest: which questions, after which updates."""
    if not run.curve:
        return {}
    places = profile.n_validation_sites
    return {"split": SPLIT, "questions": QUESTIONS, "n_validation_sites": places, "updates": updates(run, profile)}


def evaluate(
    task: Task,
    policies: Sequence[Path],
    run: Run,
    profile: Profile,
    keep: Path,
    report: pool.Report,
    row_s: float,
) -> pd.DataFrame:
    """One row for each update and question. policies: one for each of `updates`. row_s: seconds a row takes, about.

    keep: a folder with a file for each update, so that a run that was killed goes on where it stopped.
    """
    import pandas as pd

    from georeplicate.evaluation import predict, predictors

    rows = task.rows(SPLIT)[:QUESTIONS]
    tables = []
    for update, path in zip(updates(run, profile), policies, strict=True):
        part = keep / f"{update:06d}.csv"
        if not (there := part.is_file()):
            answers = predictors.VLM.of(path, profile)
            table = predict.evaluate(answers, task, rows, decoding=DECODING)
            files.write_csv(part, table.reindex(columns=predict.COLUMNS))
        report(row_s * len(rows), f"is evaluated after {update} updates", skipped=there)
        tables.append(predict.read(part).assign(update=update))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(**searches(table))[["update", *predict.COLUMNS, *SEARCH]]


def searches(answers: pd.DataFrame) -> dict[str, list]:
    """The columns SEARCH of answers to the pairing question."""
    from georeplicate.mini import readings

    found = [readings.search(text) for text in answers.text]
    return {name: [one[i] for one in found] for i, name in enumerate(SEARCH)}
