"""What was easy and what was hard about replicating the paper, and what we would ask its authors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from georeplicate.paper.sources import frame_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Experience:
    """A part of the replication, how it went, and why; never a result."""

    went: Literal["easy", "hard"]
    what: str
    why: str


EXPERIENCES = (
    Experience("easy", "the settings of GRPO", "the released script and configuration state nearly all of them"),
    Experience("easy", "the four rewards", "the code is public; every branch of it can be run on made-up answers"),
    Experience("easy", "the idea", "a question whose answer is known from metadata needs no label and no judge"),
    Experience("hard", "the data", "the file of questions could not be had; neither their wording nor k is known"),
    Experience("hard", "the scaffold", "teacher, prompts, learning rate and epochs of SFT are not published"),
    Experience("hard", "Table 1", "no evaluation code, no geocoder and no predictions are released for any row"),
    Experience("hard", "the accuracy reward", "three sources give three pairs of values for wrong and right"),
    Experience("hard", "the length reward", "the released code pays a wrong answer for its length as if it were right"),
    Experience("hard", "noise", "a group of answers says little; what a policy learns shows late, or not at all"),
)


@dataclass(frozen=True)
class Question:
    """Something that the authors could answer in a sentence; ``settles`` names the claims that hang on it."""

    asks: str
    because: str
    settles: tuple[str, ...]


QUESTIONS = (
    Question(
        "How many candidates has a pairing question, and how many questions has the test set of Table 2?",
        "neither is published; chance and every interval follow from them",
        ("pairing.base_chance", "pairing.sft_alone", "pairing.sft_helps"),
    ),
    Question(
        "How many training seeds stand behind each number, and how far apart do they end?",
        "a difference of a few points between two trained policies can be one seed's luck",
        ("pairing.sft_helps", "length.zero_longer", "length.sft_longest"),
    ),
    Question(
        "Which rows of Table 1 were measured, and which were taken from other papers?",
        "several are equal to a published table to the last digit",
        ("transfer.base", "transfer.supervised"),
    ),
    Question(
        "How does an answer of Table 1 become coordinates?",
        "within 1 km the choice of a city's centre decides",
        ("transfer.base", "transfer.supervised"),
    ),
    Question(
        "Were the length reward and the accuracy reward of the released code those of the paper's runs?",
        "as released the first pays wrong answers as right ones, and three sources disagree about the second",
        ("length.zero_longer", "length.sft_longest"),
    ),
    Question(
        "What does a policy reach whose panorama, or whose tiles, are blanked?",
        "it would show how far the pairs can be told apart without comparing them",
        ("theory.shortcut", "pairing.rl"),
    ),
    Question(
        "How does geolocation change when GRPO's negatives come from other regions, or from anywhere?",
        "a cue that all candidates share cannot decide a question, and cues of a region are shared by its neighbours",
        ("transfer.base", "transfer.other"),
    ),
)


def experiences() -> pd.DataFrame:
    """What was easy, then what was hard."""
    return frame_of(EXPERIENCES)


def questions() -> pd.DataFrame:
    """What we would ask the authors, with the claims that hang on each answer."""
    return frame_of(QUESTIONS)
