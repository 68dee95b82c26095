"""What the paper and its official code say, as data: tables, settings, claims, conflicts, inferences, our deviations,
details of the implementation, notation.

Beside them what was read of the paper, what was easy and hard about replicating it, and what we would ask its authors.

Nothing in the project types a published number a second time: notebooks and tables take it from here, tests pin our
defaults to it. Each entry names its source and how strong that source is (``STRENGTHS``), because the full text of the
paper's second version was not available to us: much is known from the official code, some only from notes that others
wrote about the paper.
"""

from georeplicate.paper.claims import CLAIMS, EQUAL_POINTS, NEARLY_POINTS, Claim, claims
from georeplicate.paper.conflicts import CONFLICTS, INFERENCES, Conflict, Inference, Position, conflicts, inferences
from georeplicate.paper.details import DETAILS, RELEASED_COMMIT, Detail, details, released_place
from georeplicate.paper.deviations import DEVIATIONS, Deviation, deviations, deviations_by_weight
from georeplicate.paper.notation import NOTATION, Symbol, notation
from georeplicate.paper.questions import EXPERIENCES, QUESTIONS, Experience, Question, experiences, questions
from georeplicate.paper.rounding import check_rounding, possible_counts, possible_sizes, rounding
from georeplicate.paper.settings import SETTINGS, Setting, setting, settings
from georeplicate.paper.sources import (
    CONFIG,
    GLOBE_CODE,
    NOTES,
    POSTER,
    READINGS,
    REVIEWS,
    REWARD_CODE,
    SCRIPT,
    STRENGTHS,
    TITLES,
    Reading,
    Strength,
    frame_of,
    readings,
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
from georeplicate.paper.text import markdown

__all__ = [
    "CLAIMS",
    "CONFIG",
    "CONFLICTS",
    "Claim",
    "Conflict",
    "DETAILS",
    "DEVIATIONS",
    "Detail",
    "Deviation",
    "EQUAL_POINTS",
    "EXPERIENCES",
    "Experience",
    "GLOBE_CODE",
    "INFERENCES",
    "Inference",
    "NEARLY_POINTS",
    "NOTATION",
    "NOTES",
    "POSTER",
    "Position",
    "QUESTIONS",
    "Question",
    "READINGS",
    "RELEASED_COMMIT",
    "REVIEWS",
    "REWARD_CODE",
    "Reading",
    "SCRIPT",
    "SETTINGS",
    "STRENGTHS",
    "Setting",
    "Strength",
    "Symbol",
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
    "details",
    "deviations",
    "deviations_by_weight",
    "experiences",
    "frame_of",
    "inferences",
    "markdown",
    "notation",
    "possible_counts",
    "possible_sizes",
    "questions",
    "readings",
    "released_place",
    "rounding",
    "setting",
    "settings",
    "table1",
    "table2",
]
