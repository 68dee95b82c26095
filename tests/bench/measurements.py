"""Tables of measurements that are added to: a CSV file in results/bench."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from georeplicate import files


def replace_rows(out: Path, rows: pd.DataFrame, key: list[str]) -> None:
    """Write the table with these rows in the place of older ones whose `key` columns are those of a new row."""
    with files.alone(files.WORK / f"{out.name}.lock", f"another process adds to {out.name}; waiting until it has"):
        if out.exists():
            old, new = pd.read_csv(out), rows[key].drop_duplicates()
            kept = old.merge(new, on=key, how="left", indicator=True)._merge.eq("left_only").to_numpy()
            rows = pd.concat([old[kept], rows])
        files.write_csv(out, rows)
