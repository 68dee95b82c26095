"""Parsers of answers: pure, total, and honest about what they cannot read.

given      what a parser returns, and where in a text the answer is
letters    `parse_choice`: one letter
negations  how a text rules out a letter that it names
places     `parse_place`: country, state, city, coordinates
"""

from georeplicate.tasks.answers.given import (
    LETTERS,
    MAX_ANSWER_CHARS,
    REASONS,
    Choice,
    Malformed,
    Mode,
    Place,
    Reason,
    first_answer,
)
from georeplicate.tasks.answers.letters import (
    RELEASED_CONTEXT_CHARS,
    RELEASED_END_MARKS,
    RELEASED_KEYWORDS,
    RELEASED_LATE_SCORE,
    RELEASED_LATE_SHARE,
    parse_choice,
    released_choice,
)
from georeplicate.tasks.answers.places import RELEASED_NAME_RATIO, parse_place, same_place_name

__all__ = [
    "LETTERS",
    "MAX_ANSWER_CHARS",
    "REASONS",
    "RELEASED_CONTEXT_CHARS",
    "RELEASED_END_MARKS",
    "RELEASED_KEYWORDS",
    "RELEASED_LATE_SCORE",
    "RELEASED_LATE_SHARE",
    "RELEASED_NAME_RATIO",
    "Choice",
    "Malformed",
    "Mode",
    "Place",
    "Reason",
    "first_answer",
    "parse_choice",
    "parse_place",
    "released_choice",
    "same_place_name",
]
