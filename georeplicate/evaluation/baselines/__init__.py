"""Systems to compare with, one file each: `get(name).predict(images)` -> DataFrame[lat, lon, ...], one row an image.

A new one is a file with a class and a line in BASELINES. The class takes `weights` (None: its own default) and has
`predict(images: Sequence[PIL.Image.Image]) -> pandas.DataFrame` with columns lat and lon in degrees (NaN where it
cannot say), and optionally country (ISO code). What needs weights or a package that is not there says so in one
sentence when it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from georeplicate.registry import Registry
from georeplicate.tasks import Output, Row, Task

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

BASELINES = Registry(
    "baseline",
    {
        "random land": "georeplicate.evaluation.baselines.random_land:RandomLand",
        "constant": "georeplicate.evaluation.baselines.constant:Constant",
    },
)


class Baseline(Protocol):
    def predict(self, images: Sequence[Image | None]) -> pd.DataFrame: ...


def get(name: str, weights: str | Path | None = None) -> Baseline:
    """A baseline by name; ValueError lists the names there are."""
    return BASELINES[name](weights)


@dataclass
class Located:
    """A baseline as a predictor of the geolocation tasks."""

    baseline: Baseline

    def predict(self, rows: Sequence[Row], task: Task, decoding: str) -> list[Output]:
        """ValueError for a task that is not about places, or answers that are not one a row."""
        if task.options or "letter" in (rows[0] if len(rows) else {}):
            raise ValueError(f"a baseline gives places; the task {task.name!r} wants a choice")
        found = self.baseline.predict([row["images"][0] if row.get("images") else None for row in rows])
        if len(found) != len(rows) or not {"lat", "lon"} <= set(found.columns):
            raise ValueError(f"the baseline gave {len(found)} rows of {list(found.columns)} for {len(rows)} images")
        country = found["country"].fillna("").astype(str).tolist() if "country" in found else [""] * len(rows)
        places = zip(found.lat.tolist(), found.lon.tolist(), country, strict=True)
        return [Output(choice=code, place=(lat, lon)) for lat, lon, code in places]
