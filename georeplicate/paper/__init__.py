"""What the paper and its official code say, as data: tables, settings, claims, conflicts, inferences, our deviations.

Nothing in the project types a published number a second time: notebooks and tables take it from here, tests pin our
defaults to it. Each entry names its source and how strong that source is (``STRENGTHS``), because the full text of the
paper's second version was not available to us: much is known from the official code, some only from notes that others
wrote about the paper.
"""

from georeplicate.paper.claims import CLAIMS, Claim, claims
from georeplicate.paper.conflicts import CONFLICTS, INFERENCES, Conflict, Inference, Position, conflicts, inferences
from georeplicate.paper.deviations import DEVIATIONS, Deviation, deviations
from georeplicate.paper.rounding import check_rounding, markdown, possible_counts, possible_sizes, rounding
from georeplicate.paper.settings import SETTINGS, Setting, setting, settings
from georeplicate.paper.sources import (
    CONFIG,
    GLOBE_CODE,
    NOTES,
    POSTER,
    REVIEWS,
    REWARD_CODE,
    SCRIPT,
    STRENGTHS,
    TITLES,
    Strength,
    frame_of,
)
from georeplicate.paper.tables import (
    TABLE1,
    TABLE1_DECIMALS,
    TABLE1_QUESTIONS,
    TABLE2,
    TABLE2_DECIMALS,
    THRESHOLDS_KM,
    Table1Row,
    Table2Row,
    table1,
    table2,
)

__all__ = [
    "CLAIMS",
    "CONFIG",
    "CONFLICTS",
    "Claim",
    "Conflict",
    "DEVIATIONS",
    "Deviation",
    "GLOBE_CODE",
    "INFERENCES",
    "Inference",
    "NOTES",
    "POSTER",
    "Position",
    "REVIEWS",
    "REWARD_CODE",
    "SCRIPT",
    "SETTINGS",
    "STRENGTHS",
    "Setting",
    "Strength",
    "TABLE1",
    "TABLE1_DECIMALS",
    "TABLE1_QUESTIONS",
    "TABLE2",
    "TABLE2_DECIMALS",
    "THRESHOLDS_KM",
    "TITLES",
    "Table1Row",
    "Table2Row",
    "check_rounding",
    "claims",
    "conflicts",
    "deviations",
    "frame_of",
    "inferences",
    "markdown",
    "possible_counts",
    "possible_sizes",
    "rounding",
    "setting",
    "settings",
    "table1",
    "table2",
]
