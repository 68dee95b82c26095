"""What the paper claims, and whether it holds in its own tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from georeplicate.paper.settings import setting
from georeplicate.paper.sources import NOTES, POSTER, Strength, frame_of
from georeplicate.paper.tables import TABLE2, THRESHOLDS_KM, percent_within

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Claim:
    """A statement of the paper that a replication can test.

    ``evidence`` says which numbers carry it and ``holds_in_paper`` recomputes it from the paper's own table (None: not
    in the tables).
    """

    id: str
    statement: str
    evidence: str
    source: str
    strength: Strength
    holds_in_paper: bool | None


def _accuracy(model: str) -> float:
    return next(row.accuracy_percent for row in TABLE2 if row.model == model)


def _length(model: str) -> float:
    return next(row.completion_length_tokens for row in TABLE2 if row.model == model)


_K = setting("candidates").value
assert isinstance(_K, int)
_CHANCE = 100 / _K
NEARLY_POINTS = 5  # "nearly random" and "near chance" are no numbers: so many percentage points from 1/k are meant here
EQUAL_POINTS = 2  # and "equals": so many percentage points between two systems

CLAIMS = (
    Claim(
        "pairing.rl",
        "Reinforcement learning on pairing lifts accuracy from near chance to about 80 %",
        "Table 2, Geo-R1-Zero against Qwen2.5-VL-7B",
        POSTER.format(2),
        "V",
        _accuracy("Geo-R1-Zero") > 3 * _accuracy("Qwen2.5-VL-7B"),
    ),
    Claim(
        "pairing.base_chance",
        "The base model pairs at nearly random level",
        f"Table 2, Qwen2.5-VL-7B, chance 1/k with k = {_K}",
        NOTES,
        "S",
        abs(_accuracy("Qwen2.5-VL-7B") - _CHANCE) < NEARLY_POINTS,
    ),
    Claim(
        "pairing.sft_alone",
        "The thinking scaffold alone does not teach pairing",
        "Table 2, Geo-SFT",
        NOTES,
        "S",
        abs(_accuracy("Geo-SFT") - _CHANCE) < NEARLY_POINTS,
    ),
    Claim(
        "pairing.sft_helps",
        "Reinforcement learning from the scaffold ends above reinforcement learning from the base",
        "Table 2, Geo-R1 against Geo-R1-Zero",
        POSTER.format(2),
        "V",
        _accuracy("Geo-R1") > _accuracy("Geo-R1-Zero"),
    ),
    Claim(
        "length.zero_longer",
        "Without the scaffold the answers end up longer",
        "Table 2, Geo-R1-Zero against Geo-R1",
        POSTER.format(2),
        "V",
        _length("Geo-R1-Zero") > _length("Geo-R1"),
    ),
    Claim(
        "length.sft_longest",
        "The scaffold alone writes the longest answers",
        "Table 2, Geo-SFT",
        POSTER.format(2),
        "V",
        _length("Geo-SFT") == max(row.completion_length_tokens for row in TABLE2),
    ),
    Claim(
        "transfer.base",
        "Pairing alone improves geolocation over the base model at every distance",
        "Table 1, Geo-R1 against Qwen2.5-VL-7B",
        POSTER.format(1),
        "V",
        all(percent_within("Geo-R1", column) > percent_within("Qwen2.5-VL-7B", column) for column in THRESHOLDS_KM),
    ),
    Claim(
        "transfer.supervised",
        "Without geolocation labels it equals models that were supervised for it",
        f"Table 1, Geo-R1 within {EQUAL_POINTS} points of GLOBE-7B at every distance",
        POSTER.format(1),
        "V",
        all(
            abs(percent_within("Geo-R1", column) - percent_within("GLOBE-7B", column)) < EQUAL_POINTS
            for column in THRESHOLDS_KM
        ),
    ),
    Claim(
        "theory.shortcut",
        "With k candidates from one neighbourhood a policy that ignores the evidence is at chance",
        "Theorem 3.1: entropy log k",
        NOTES,
        "S",
        None,
    ),
    Claim(
        "transfer.other",
        "The ability carries over to other geospatial tasks",
        "GeoChain, IMAGEO-Bench, RSTeller, GEOBench-VLM",
        NOTES,
        "S",
        None,
    ),
)


def claims() -> pd.DataFrame:
    """All claims; ``holds_in_paper`` is recomputed from the published tables."""
    return frame_of(CLAIMS)
