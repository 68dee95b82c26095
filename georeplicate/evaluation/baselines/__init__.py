"""Systems to compare with, one file each: `get(name).predict(images)` -> DataFrame[lat, lon, ...], one row an image.

    random_land, constant        trivial baselines that look at nothing
    nearest                      the nearest training picture in features
    isns, geoclip, hybrid, rfm   stand-ins of the paper's Table 1, trained on frozen features (`learned`, `features`,
                                 `settings`)
    published                    the same systems with their official weights, where these may be used
    prompted                     vision-language models that are prompted for a country and a city

A name is spelt as in the paper's Table 1. Its weights are "official" (or None) for what its authors publish, or the
folder of a stand-in that was trained here (`georeplicate train table1`).

A new one is a file with a class or function and a line in BASELINES. It takes `weights` (None: its own default) and
gives an object with `predict(images: Sequence[PIL.Image.Image]) -> pandas.DataFrame` with columns lat and lon in
degrees (NaN where it cannot say), and optionally country (ISO code) and text (what was answered); an attribute `looks`
that is true where an answer without a picture would be none. What needs weights or
a package that is not there says so in one sentence when it is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

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
        "nearest neighbour": "georeplicate.evaluation.baselines.nearest:baseline",
        "ISNs": "georeplicate.evaluation.baselines.isns:baseline",
        "GeoCLIP": "georeplicate.evaluation.baselines.geoclip:baseline",
        "Hybrid": "georeplicate.evaluation.baselines.hybrid:baseline",
        "RFM-YFCC": "georeplicate.evaluation.baselines.rfm:baseline",
        "Qwen2.5-VL-7B": "georeplicate.evaluation.baselines.prompted:qwen",
        "InternVL3-8B": "georeplicate.evaluation.baselines.prompted:internvl",
        "GeoReasoner-7B": "georeplicate.evaluation.baselines.prompted:georeasoner",
        "GLOBE-7B": "georeplicate.evaluation.baselines.prompted:globe",
        "Geo-R1": "georeplicate.evaluation.baselines.prompted:geo_r1",
        "Geo-R1-Zero": "georeplicate.evaluation.baselines.prompted:geo_r1_zero",
    },
)


class Baseline(Protocol):
    def predict(self, images: Sequence[Image | None]) -> pd.DataFrame: ...


@runtime_checkable
class SeesRows(Protocol):
    """A baseline that is shown rows as a policy is, {images or pixels}: the mini world's hold no image."""

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame: ...


def get(name: str, weights: str | Path | None = None) -> Baseline:
    """A baseline by name; ValueError lists the names there are, or says what this one lacks."""
    found: Baseline = BASELINES[name](weights)
    return found


def identity(name: str, weights: str | Path | None = None) -> str:
    """Which weights a baseline has, for keys: the checksum of a folder, "NAME@COMMIT" of a hub's snapshot,
    "ADDRESS#MODEL" of a server, or the name and revision that its package is told; "" where they are not there."""
    from georeplicate import files
    from georeplicate.evaluation.baselines import prompted
    from georeplicate.model import hub

    try:
        if weights is not None and Path(weights).is_dir():
            return hub.identity(weights)
        if name in prompted.PUBLISHED:
            return prompted.identity(name, weights)
    except (ValueError, files.Problem):
        return ""
    return f"{name} {weights or 'official'}"


@dataclass
class Located:
    """A baseline as a predictor of the geolocation tasks."""

    baseline: Baseline

    def predict(self, rows: Sequence[Row], task: Task, decoding: str) -> list[Output]:
        """ValueError for a task that is not about places, or answers that are not one a row."""
        if task.options or "letter" in (rows[0] if len(rows) else {}):
            raise ValueError(f"a baseline gives places; the task {task.name!r} wants a choice")
        shown = [task.inputs(row) for row in rows]
        if isinstance(self.baseline, SeesRows):
            found = self.baseline.predict_rows(shown)
        else:
            if getattr(self.baseline, "looks", False) and any("pixels" in row for row in shown):
                raise ValueError(
                    f"{type(self.baseline).__name__} looks at pictures; the mini world's rows hold pixels for its own "
                    "policies: choose a profile of photographs, or a stand-in with --weights"
                )
            found = self.baseline.predict([row["images"][0] if row.get("images") else None for row in shown])
        if len(found) != len(rows) or not {"lat", "lon"} <= set(found.columns):
            raise ValueError(f"the baseline gave {len(found)} rows of {list(found.columns)} for {len(rows)} images")
        country, text = (
            found[name].fillna("").astype(str).tolist() if name in found else [""] * len(rows)
            for name in ("country", "text")
        )
        places = zip(found.lat.tolist(), found.lon.tolist(), country, text, strict=True)
        return [Output(written, choice=code, place=(lat, lon)) for lat, lon, code, written in places]
