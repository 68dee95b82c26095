"""Where statements about the paper come from, and how strong each source is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Strength = Literal["V", "S", "I", "choice"]
STRENGTHS: dict[Strength, str] = {
    "V": "verified: read in the primary source (official code, poster, public reviews)",
    "S": "secondary: notes or reviews about the paper, the primary text was not seen",
    "I": "inference: follows from other facts, stated nowhere",
    "choice": "our choice: no source states it",
}

POSTER = "poster (ICML 2026), table {}"
NOTES = "notes on the second version (en.papernotes.org)"
REVIEWS = "public reviews of the first version (ICLR 2026 submission)"
SCRIPT = "official code, RL/run_scripts/run_grpo_geo_cv.sh"
CONFIG = "official code, grpo_config.py / grpo_trainer.py"
REWARD_CODE = "official code, grpo_jsonl.py (VLM-R1's)"
GLOBE_CODE = "GLOBE's code, eval.py and plugin.py"

TITLES = (
    "Geo-R1: Unlocking VLM Geospatial Reasoning with Cross-View Reinforcement Learning "
    "(arXiv 2510.00072 v1, 29 Sep 2025)",
    "Unlocking Zero-Shot Geospatial Reasoning via Indirect Rewards (arXiv 2510.00072 v2, 30 Apr 2026; ICML 2026)",
)


def frame_of(rows: Iterable) -> pd.DataFrame:
    """Records of this package as a DataFrame, one column a field."""
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows])


@dataclass(frozen=True)
class Reading:
    """A source as far as it could be read; ``read`` says how far, and ``strength`` is what it lends to a statement."""

    source: str
    read: str
    strength: Strength | Literal["not in full"]


READINGS = (
    Reading("the paper, second version (ICML 2026)", "the abstract", "not in full"),
    Reading("the paper, first version", "abstract and introduction", "not in full"),
    Reading("poster (ICML 2026)", "both tables", "V"),
    Reading("official code", "all that is released: training; there is no evaluation and no data", "V"),
    Reading("GLOBE's code", "evaluation script and rewards", "V"),
    Reading("public reviews of the first version", "what they say about the paper is second hand", "S"),
    Reading("notes that others wrote about the second version", "machine-written in part", "S"),
)


def readings() -> pd.DataFrame:
    """What was read of the paper and around it, and how strong a statement is that rests on it."""
    return frame_of(READINGS)
