"""From any predictor and any task to predictions.csv: one row per example and decoding, with the text, so that every
number can be computed again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from georeplicate import files
from georeplicate.evaluation import seeds
from georeplicate.evaluation.predictors import Predictor
from georeplicate.tasks import Output, Row, Task
from georeplicate.training import rewards

COLUMNS = [
    "system",
    "training_seed",
    "task",
    "decoding",
    "id",
    "truth",
    "choice",
    "lat",
    "lon",
    "pred_lat",
    "pred_lon",
    "error_km",
    "completion_tokens",
    "format_ok",
    "reward_accuracy",
    "reward_format",
    "reward_length",
    "reward_repetition",
    "seen_country",
    "words",
    "words_true",
    "verdicts",
    "verdicts_follow",
    "answer_follows",
    "text",
]
TEXT = ("system", "task", "decoding", "id", "truth", "choice", "text")  # an empty one is "", and "NA" is Namibia
AT_ONCE = 64  # rows that are made and given to a predictor together


def read(path: str | Path) -> pd.DataFrame:
    """predictions.csv as it was written: text stays text, numbers that are not given are NaN."""
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values={
        name: [""] for name in COLUMNS if name not in TEXT
    })  # fmt: skip
    for name in ("format_ok", "seen_country"):
        table[name] = table[name].astype("boolean")
    return table


def evaluate(
    predictor: Predictor, task: Task, rows: Sequence[Row] | None = None, *, decoding: str, split: str = "test"
) -> pd.DataFrame:
    """The predictor's answers to a task, one row each, in the order of the rows (None: those of the split).

    Columns: task, decoding, id, what `Task.score` gives, the text with its length, form and, where the row has a right
    letter, the rewards it would get. A row that is `unreadable` (which says why) is not given to the
    predictor, counts as not answered and says why. ValueError where the predictor does not give one answer for each
    row.
    """
    rows = task.rows(split) if rows is None else rows
    out = []
    for start in range(0, len(rows), AT_ONCE):
        batch = [rows[i] for i in range(start, min(start + AT_ONCE, len(rows)))]
        readable = [row for row in batch if not row.get("unreadable")]
        answers = predictor.predict(readable, task, decoding) if readable else []
        if len(answers) != len(readable):
            raise ValueError(f"{task.name}: {len(answers)} answers to {len(readable)} rows, where each needs one")
        given = iter(answers)
        outputs = [
            Output(f"no answer: {row['unreadable']}", 0) if row.get("unreadable") else next(given) for row in batch
        ]
        for row, output in zip(batch, outputs, strict=True):
            scored = {"task": task.name, "decoding": decoding, "id": row["id"], **task.score(output, row)}
            if output.tokens is not None:
                scored["completion_tokens"] = output.tokens
                scored["format_ok"] = bool(rewards.format(output.text))
                if "letter" in row:
                    reward = rewards.total(output.text, row["letter"], output.tokens)
                    scored |= {f"reward_{name}": value for name, value in reward.parts.items()}
            if "seen_country" in row:
                scored["seen_country"] = bool(row["seen_country"])
            out.append(scored | {"text": output.text})
    return pd.DataFrame(out)


def evaluate_all(
    predictor: Predictor, tasks: Sequence[Task], *, split: str = "test", keep: Path | None = None
) -> pd.DataFrame:
    """All tasks in all of their decodings, in the order of COLUMNS; system and training seed are left open.

    keep: a folder for the answers to every AT_ONCE rows, so that a run that was killed goes on where it stopped; whose
    answers it holds is the caller's business (`begin`).
    """
    if keep is not None:
        found = parts(tasks, split=split, keep=keep)
        for part in found:
            if not part.path.is_file():
                answer(predictor, part)
        return merged(found)
    tables = [
        evaluate(predictor, task, rows, decoding=decoding)
        for task in tasks
        for rows in [task.rows(split)]
        for decoding in task.decodings
    ]
    return pd.concat([table.reindex(columns=COLUMNS) for table in tables], ignore_index=True)


@dataclass(frozen=True)
class Part:
    """AT_ONCE rows of a task, or the last fewer, in one decoding, and the file of their answers."""

    path: Path
    task: Task
    decoding: str
    rows: Sequence[Row]  # of the whole split
    start: int

    def __len__(self) -> int:
        return min(AT_ONCE, len(self.rows) - self.start)


def parts(tasks: Sequence[Task], *, split: str, keep: Path) -> list[Part]:
    """What an evaluation consists of, in the order of its rows. No row is made yet, and each part is answered by
    itself, so that any number of processes may share them and leave the same files."""
    return [
        Part(keep / f"{task.name}-{decoding}-{start:07d}.csv", task, decoding, rows, start)
        for task in tasks
        for rows in [task.rows(split)]
        for decoding in task.decodings
        for start in range(0, len(rows), AT_ONCE)
    ]


def answer(predictor: Predictor, part: Part) -> None:
    """Write the file of one part."""
    rows = part.rows[part.start : part.start + AT_ONCE]
    table = evaluate(predictor, part.task, rows, decoding=part.decoding)
    files.write_csv(part.path, table.reindex(columns=COLUMNS))


def merged(found: Sequence[Part]) -> pd.DataFrame:
    """The rows of all parts, whose files are there, in order."""
    return pd.concat([read(part.path) for part in found], ignore_index=True)


def begin(keep: Path, key: Mapping[str, Any]) -> int:
    """How many parts the folder holds that were answered under this key; those of another are renamed and kept."""
    begun = keep / "begun.json"
    try:
        held = json.loads(begun.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        held = None
    if held == json.loads(json.dumps(key)):
        return len(list(keep.glob("*.csv")))
    if keep.exists():
        aside = files.unused(keep.with_name(f"{keep.name}-other"))
        keep.rename(aside)
        print(f"answers under another key (model, data or settings) are kept as {aside.name}", flush=True)
    files.write_json(begun, key)
    return 0


def summary(predictions: pd.DataFrame) -> dict[str, float]:
    """n (questions whose right answer is known), accuracy with its 95 % Wilson interval over them; of all questions the
    mean completion length in tokens and the share in the right format. NaN where there are none."""
    known = predictions[predictions.truth != ""]
    right = int((known.choice == known.truth).sum())
    low, high = seeds.wilson_counted(right, len(known))
    return {
        "n": len(known),
        "accuracy": right / len(known) if len(known) else float("nan"),
        "accuracy_low": low,
        "accuracy_high": high,
        "completion_tokens": float(predictions.completion_tokens.mean()),
        "format_rate": float(predictions.format_ok.mean()),
    }
