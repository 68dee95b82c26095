"""Tables as Markdown, of the records in this package and of any DataFrame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00-\x08]")  # marks that turn what follows around


def markdown(rows: pd.DataFrame | Iterable, columns: Sequence[str] | None = None) -> str:
    """A Markdown table from a DataFrame or a sequence of the records above; text is escaped, None an empty cell."""
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        records, names = rows.to_dict("records"), list(rows.columns)
    else:
        rows = list(rows)
        names = [field.name for field in fields(rows[0])] if rows else []
        records = [{name: getattr(row, name) for name in names} for row in rows]
    names = list(columns or names)
    lines = [" | ".join(name.replace("_", " ") for name in names), " | ".join("---" for _ in names)]
    lines += [" | ".join(_cell(record[name]) for name in names) for record in records]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(_cell, value))
    text = _REORDERING.sub("", " ".join(str(value).splitlines()))
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
