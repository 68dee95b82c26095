"""What happened to every row that was not simply used: a report that is printed, counted and written, never silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

COLUMNS = ("file", "row", "id", "reason", "outcome")


def _nothing() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=np.int64 if name == "row" else object) for name in COLUMNS})


@dataclass(frozen=True)
class Report:
    """rows: one for each offending row, columns file, row, id, reason, outcome ("set aside", "counts as wrong", ...).

    `row` counts as a spreadsheet does: the header is row 1; 0 where a thing missing from the file is meant. notes:
    sentences about the file as a whole. Reports add up with `+`.
    """

    rows: pd.DataFrame = field(default_factory=_nothing)
    notes: tuple[str, ...] = ()

    def __add__(self, other: Report) -> Report:
        parts = [part for part in (self.rows, other.rows) if len(part)]
        rows = pd.concat(parts, ignore_index=True) if parts else _nothing()
        return Report(rows, tuple(dict.fromkeys(self.notes + other.notes)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def counts(self) -> pd.DataFrame:
        """reason (up to its first colon), outcome, rows: how many there are of each kind, the commonest first."""
        kind = [str(reason).partition(":")[0] for reason in self.rows.reason]
        grouped = pd.DataFrame({"reason": kind, "outcome": self.rows.outcome}).groupby(
            ["reason", "outcome"], sort=False
        )
        table = grouped.size().rename("rows").reset_index()
        return table.sort_values("rows", ascending=False, kind="stable", ignore_index=True)

    def lines(self, first: int = 10) -> list[str]:
        """For printing: the notes, the counts, and the first rows."""
        shown = list(self.notes)
        shown += [f"{line.rows} x {line.reason} ({line.outcome})" for line in self.counts.itertuples()]
        for line in self.rows.head(first).itertuples():
            where = f"{line.file} row {line.row}" if line.row else line.file
            shown.append(f"  {where}, id {line.id!r}: {line.reason}")
        if len(self.rows) > first:
            shown.append(f"  ... and {len(self.rows) - first} more")
        return shown


def about(file: str, row: Iterable, id: Iterable, reason: str | Sequence[str], outcome: str | Sequence[str]) -> Report:
    """A report on the given rows of one file; reason and outcome may be one for all."""
    ids = [str(one) for one in id]
    frame = pd.DataFrame({"file": file, "row": np.asarray(list(row), np.int64), "id": pd.Series(ids, dtype=object)})
    frame["reason"] = reason if isinstance(reason, str) else list(reason)
    frame["outcome"] = outcome if isinstance(outcome, str) else list(outcome)
    return Report(frame.astype({"reason": object, "outcome": object})) if len(frame) else Report()
