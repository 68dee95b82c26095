"""From any predictor and any task to predictions.csv: one row per example and decoding, with the text, so that every
number can be computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from georeplicate.evaluation import seeds
from georeplicate.evaluation.predictors import Predictor
from georeplicate.tasks import Row, Task
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
    letter, the rewards it would get. ValueError where the predictor does not give one answer for each row.
    """
    rows = task.rows(split) if rows is None else rows
    out = []
    for start in range(0, len(rows), AT_ONCE):
        batch = [rows[i] for i in range(start, min(start + AT_ONCE, len(rows)))]
        outputs = predictor.predict(batch, task, decoding)
        if len(outputs) != len(batch):
            raise ValueError(f"{task.name}: {len(outputs)} answers to {len(batch)} rows, where each needs one")

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


def evaluate_all(predictor: Predictor, tasks: Sequence[Task], *, split: str = "test") -> pd.DataFrame:
    """All tasks in all of their decodings, in the order of COLUMNS; system and training seed are left open."""
    tables = [
        evaluate(predictor, task, rows, decoding=decoding)
        for task in tasks
        for rows in [task.rows(split)]
        for decoding in task.decodings
    ]
    return pd.concat([table.reindex(columns=COLUMNS) for table in tables], ignore_index=True)


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
