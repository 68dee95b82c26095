"""Where sources contradict each other, and what follows from none of them alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from georeplicate.paper.sources import (
    CONFIG,
    GLOBE_CODE,
    NOTES,
    REVIEWS,
    REWARD_CODE,
    SCRIPT,
    Strength,
    frame_of,
)
from georeplicate.paper.tables import TABLE1_DECIMALS, percent_within

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Position:
    """What one source says."""

    says: str
    source: str
    strength: Strength


@dataclass(frozen=True)
class Conflict:
    """Sources that disagree, or a source that disagrees with itself, and what we do about it."""

    topic: str
    positions: tuple[Position, ...]
    ours: str


CONFLICTS = (
    Conflict(
        "accuracy reward (wrong, right)",
        (
            Position("0 and 1", REWARD_CODE, "V"),
            Position("-1 and +1", NOTES, "S"),
            Position("-0.8 and 1", REVIEWS, "S"),
        ),
        "a parameter with these three values; 0 and 1 by default. They differ by their scale against the other rewards",
    ),
    Conflict(
        "length reward of a wrong answer",
        (
            Position("the same as of a right one: the correctness is overwritten with 1", REWARD_CODE, "V"),
            Position(
                "0 when short, down to -0.5 at the longest (the constants that the overwriting makes dead)",
                REWARD_CODE,
                "V",
            ),
            Position(
                "the shorter the worse (the cosine reward that the code cites, arXiv 2502.03373; as TRL builds it)",
                "TRL, get_cosine_scaled_reward",
                "V",
            ),
        ),
        'mode="released" keeps the overwriting; mode="paper" uses the dead constants, because they are the authors\'',
    ),
    Conflict(
        "longest answer of the length reward",
        (
            Position("1,024 tokens, not clamped: the reward rises again up to 2,048", REWARD_CODE, "V"),
            Position("2,048 tokens may be written", SCRIPT, "V"),
        ),
        'mode="released" is periodic; mode="paper" stays at its end value past 1,024 tokens',
    ),
    Conflict(
        "weights of the four rewards",
        (
            Position("all 1: a plain sum", CONFIG, "V"),
            Position("symbols for four weights, no values", NOTES, "S"),
        ),
        "a parameter; all 1 by default",
    ),
    Conflict(
        "sampling temperature in training",
        (Position("1.0, hard-coded", CONFIG, "V"), Position("0.9 in the configuration, ignored", CONFIG, "V")),
        "1.0",
    ),
    Conflict(
        "vLLM",
        (Position("switched off in the training script", SCRIPT, "V"), Position("used for inference", NOTES, "S")),
        "optional; not needed for any number here",
    ),
    Conflict(
        "when a predicted place name is right (GLOBE)",
        (
            Position("exact match", "GLOBE's paper, equation 3", "S"),
            Position("one name contains the other, length ratio at least 0.7", GLOBE_CODE, "V"),
        ),
        "both: same_place_name(mode=)",
    ),
    Conflict(
        "from a place name to kilometres (Table 1)",
        (
            Position("names are geocoded by a commercial map service", "notes on GLOBE's paper", "S"),
            Position("the released evaluation script has no geocoder, no distance and no thresholds", GLOBE_CODE, "V"),
            Position("nothing is said or released", "Geo-R1, all sources seen", "V"),
        ),
        "an offline gazetteer: the centre of the named city. Within 1 km this measures the choice of the centre",
    ),
    Conflict(
        "weights of GLOBE's rewards",
        (
            Position("accuracy 1, locatability 0.5, visual 0.2, format 1", "GLOBE's code, training script", "V"),
            Position("1.0, 0.2, 0.5", "GLOBE's README", "V"),
        ),
        "not used",
    ),
)


def conflicts() -> pd.DataFrame:
    """One row per position."""
    import pandas as pd

    rows = [{"topic": c.topic, **asdict(p), "ours": c.ours} for c in CONFLICTS for p in c.positions]
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Inference:
    """Something we conclude and nobody states: what speaks for it, and what would refute it."""

    id: str
    statement: str
    evidence: str
    would_refute: str
    strength: Strength = "I"


INFERENCES = (
    Inference(
        "table1.copied",
        "Rows of Table 1 look copied from GLOBE's table rather than measured anew",
        "Where GLOBE's numbers could be seen (within 25 and 200 km: GeoCLIP, Qwen2.5-VL-7B, GeoReasoner-7B, GLOBE-7B) "
        "they are equal to the last digit. The origin of the rows Hybrid and RFM-YFCC was not found.",
        "a statement of the authors, or a prediction file for these rows",
    ),
    Inference(
        "table1.overlap",
        "Test photos of Table 1 very likely were training photos of some rows",
        "MP16-Reason-Test is drawn from MP-16, on which ISNs and GeoCLIP were trained; RFM-YFCC on YFCC100M, "
        f"which contains MP-16. ISNs locate {percent_within('ISNs', 'street_1km'):.{TABLE1_DECIMALS}f} % within 1 km "
        "here and about 10 % on IM2GPS3k.",
        "a list of the test ids that is disjoint from the training lists",
    ),
    Inference(
        "table2.k",
        "A pairing question has five candidates",
        "The base model's accuracy and the scaffold's are called nearly random, and 1/5 is the nearest simple share.",
        "the data file, or the paper's full text",
    ),
    Inference(
        "grpo.size",
        "About 16,000 questions and 4,000 updates",
        "The script's image folder is named cv_cities_16k; two epochs of 8 prompts per update.",
        "the data file or a training log",
    ),
    Inference(
        "table1.street",
        "The 1 km column of text models measures the geocoder",
        "A model that names a city gets the city's centre as coordinates; which centre decides what is within 1 km.",
        "coordinates written by the models themselves",
    ),
)


def inferences() -> pd.DataFrame:
    """What we conclude, published as inference and never as fact."""
    return frame_of(INFERENCES)
