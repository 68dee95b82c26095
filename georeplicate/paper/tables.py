"""The paper's two tables, as its poster prints them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from georeplicate.paper.sources import frame_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table1Row:
    """Share of photos located within a distance, in percent (MP16-Reason-Test)."""

    group: str
    method: str
    citation: str
    street_1km: float
    city_25km: float
    region_200km: float
    country_750km: float
    continent_2500km: float


@dataclass(frozen=True)
class Table2Row:
    """Cross-view pairing: accuracy in percent, mean completion length in tokens."""

    model: str
    accuracy_percent: float
    completion_length_tokens: float


THRESHOLDS_KM = {
    "street_1km": 1,
    "city_25km": 25,
    "region_200km": 200,
    "country_750km": 750,
    "continent_2500km": 2500,
}
TABLE1_QUESTIONS = 12_000  # rows of MP16-Reason-Test
TABLE1_DECIMALS = 2
TABLE2_DECIMALS = 1

_SUPERVISED = "task-specific reasoning supervision"
TABLE1 = (
    Table1Row("", "ISNs", "Muller-Budack et al.", 26.24, 47.38, 55.88, 68.48, 80.92),
    Table1Row("", "GeoCLIP", "Vivanco Pedra et al.", 29.28, 52.52, 66.85, 84.07, 93.33),
    Table1Row("", "Hybrid", "Astruc et al.", 0.97, 16.53, 28.72, 50.31, 71.47),
    Table1Row("", "RFM-YFCC", "Dufour et al.", 11.72, 46.64, 60.46, 77.97, 91.96),
    Table1Row("", "Qwen2.5-VL-7B", "Bai et al.", 15.42, 52.72, 62.86, 75.11, 83.47),
    Table1Row("", "InternVL3-8B", "Zhu et al.", 12.01, 44.17, 55.66, 75.36, 86.98),
    Table1Row(_SUPERVISED, "GeoReasoner-7B", "Li et al.", 10.06, 40.44, 50.91, 68.01, 79.68),
    Table1Row(_SUPERVISED, "GLOBE-7B", "Li et al.", 17.99, 62.85, 73.83, 86.68, 92.52),
    Table1Row(_SUPERVISED, "Geo-R1", "ours", 17.98, 61.02, 73.91, 86.78, 93.56),
)
TABLE2 = (
    Table2Row("Qwen2.5-VL-7B", 19.0, 204.6),
    Table2Row("Geo-SFT", 23.1, 1127.6),
    Table2Row("Geo-R1-Zero", 78.1, 587.4),
    Table2Row("Geo-R1", 82.4, 378.8),
)


def percent_within(method: str, column: str) -> float:
    """A cell of Table 1: percent of photos that a method locates within a distance, one of THRESHOLDS_KM."""
    return next(getattr(row, column) for row in TABLE1 if row.method == method)


def table1() -> pd.DataFrame:
    """Table 1 of the poster: geolocation, percent within each distance. "ours" is the paper's own word."""
    return frame_of(TABLE1)


def table2() -> pd.DataFrame:
    """Table 2 of the poster: cross-view pairing, percent, and completion length in tokens."""
    return frame_of(TABLE2)
