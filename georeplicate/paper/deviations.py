"""Where this replication departs from the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from georeplicate.paper.settings import NEARLY_RANDOM, setting
from georeplicate.paper.sources import (
    Strength,
    frame_of,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Deviation:
    """Where this project does something else than the paper, or fills in what the paper leaves open.

    ``prevents``: ids of claims that cannot be tested because of it, whatever is measured; ``could_flip``: ids of claims
    whose verdict it could turn round. ``mini_only``: it does not concern runs on photographs.
    """

    id: str
    where: str
    paper: str
    strength: Strength
    ours: str
    why: str
    expected_effect: str
    prevents: tuple[str, ...] = ()
    could_flip: tuple[str, ...] = ()
    mini_only: bool = False


DEVIATIONS = (
    Deviation(
        "sources",
        "all pages",
        "the full text of the second version",
        "choice",
        "the poster, the official code, public reviews and secondary notes",
        "the full text could not be had",
        "settings that it alone states may differ from ours",
        could_flip=(
            "pairing.base_chance",
            "pairing.sft_helps",
            "length.zero_longer",
            "length.sft_longest",
        ),
    ),
    Deviation(
        "data",
        "all stages",
        "CV-Cities: real panoramas and satellite tiles of 16 cities",
        "S",
        "a synthetic world drawn from real facts (mini profile); real sets through the same loader",
        "no imagery can be shipped, and everything must run offline",
        "absolute numbers do not compare; orderings and dynamics may",
        prevents=("transfer.other",),
        could_flip=(
            "pairing.rl",
            "pairing.base_chance",
            "pairing.sft_helps",
            "transfer.base",
            "transfer.supervised",
            "theory.shortcut",
        ),
        mini_only=True,
    ),
    Deviation(
        "model",
        "all stages",
        "Qwen2.5-VL-7B",
        "S",
        "the same architecture with a few million parameters (mini profile)",
        "two CPU cores",
        "no world knowledge beyond what the base was taught",
        could_flip=(
            "pairing.base_chance",
            "pairing.sft_alone",
            "pairing.sft_helps",
            "length.zero_longer",
            "length.sft_longest",
            "transfer.base",
        ),
        mini_only=True,
    ),
    Deviation(
        "one base",
        "all stages, mini profile",
        "one base model, pre-trained on much of the web",
        "S",
        "one base model of our own, one seed; all systems start from it",
        "three seeds from one base show the method; several bases are what the registered experiments have",
        "the spread between bases is in no interval",
        could_flip=(
            "pairing.rl",
            "pairing.base_chance",
            "pairing.sft_alone",
            "pairing.sft_helps",
            "length.zero_longer",
            "length.sft_longest",
        ),
        mini_only=True,
    ),
    Deviation(
        "answering rule",
        "base, mini profile",
        "the base pairs at nearly random level",
        "S",
        "the base was taught to answer with the first tile that it calls a match, and pairs some points above chance",
        "from a base without that rule GRPO found no reward in this world (results/LOG.md)",
        "what GRPO adds is what is said of pictures, and hardly ever the rule",
        could_flip=(
            "pairing.rl",
            "pairing.base_chance",
            "pairing.sft_alone",
        ),
        mini_only=True,
    ),
    Deviation(
        "replay",
        "GRPO, mini profile",
        "no other records beside the completions",
        "V",
        "records of the base's own practice, of prompts that no reward is about, at 0.3 of an update's loss",
        "without them a policy of this size forgets the form of those prompts (results/LOG.md)",
        "answers about places keep their form; true words are taught a little, whatever is rewarded",
        could_flip=(
            "pairing.sft_helps",
            "transfer.base",
        ),
        mini_only=True,
    ),
    Deviation(
        "thoughts",
        "SFT, mini profile",
        "a teacher's chain of thought, in free text",
        "S",
        "thoughts in the base's own words, from each cue that is drawn, as the renderer knows it, to climate, region "
        "and place",
        "a model of this size reads no free text",
        "answers hardly get longer; geography is named in words that both views share",
        could_flip=(
            "pairing.sft_alone",
            "length.sft_longest",
        ),
        mini_only=True,
    ),
    Deviation(
        "vision tower",
        "SFT and GRPO, mini profile",
        "trained with the rest",
        "V",
        "frozen",
        "in an earlier world its gradient's noise ruined the policy; here a trained tower's gain scatters far more "
        "from base to base (`results/geographic/tables/arms.md`)",
        "what is seen stays as it was; reinforcement changes only what is made of it",
        could_flip=(
            "pairing.sft_helps",
            "transfer.base",
            "transfer.other",
        ),
        mini_only=True,
    ),
    Deviation(
        "length weight",
        "GRPO, mini profile",
        "the length reward counts as much as the others",
        "V",
        "weight 0; runs of their own have it (make ablations)",
        "its curve is made for 1,024 tokens; between wrong answers of twenty a group's spread makes much of nothing",
        "in an earlier world higher accuracy and longer answers than with it; here the runs with it scatter too far to "
        "tell (`results/mini/tables/controls.md`)",
        could_flip=(
            "pairing.rl",
            "length.zero_longer",
            "length.sft_longest",
        ),
        mini_only=True,
    ),
    Deviation(
        "wording",
        "prompts",
        "the questions are not published",
        "choice",
        "our wording; official scheme of turns and image order",
        "the data file could not be had",
        "unknown; small for trained models",
    ),
    Deviation(
        "candidates",
        "prompts, pairs",
        "k is not published",
        "I",
        f"k = {setting('candidates').value} by default",
        NEARLY_RANDOM,
        "chance level shifts with k",
        could_flip=(
            "pairing.base_chance",
            "pairing.sft_alone",
        ),
    ),
    Deviation(
        "letters",
        "rewards, mode paper",
        "the official code reads few spellings of a letter",
        "V",
        "any unambiguous spelling counts; two letters never do",
        "a right answer should not be paid as a wrong one",
        "accuracy can only rise for the same completions that name one letter",
    ),
    Deviation(
        "format",
        "rewards, mode paper",
        "whitespace around the completion already fails",
        "V",
        "outer whitespace is ignored; each tag must occur exactly once and hold something",
        "a final newline is no fault of format, an empty thought is",
        "small",
    ),
    Deviation(
        "length",
        "rewards, mode paper",
        "right and wrong answers get the same length reward, periodic past 1,024 tokens",
        "V",
        "wrong answers on their own curve; clamped",
        "the code's own constants say so",
        "measured in the ablation",
        could_flip=("length.zero_longer",),
    ),
    Deviation(
        "repetition_json",
        "rewards, mode released",
        "broken JSON in a code fence is repaired before its items are counted",
        "V",
        "only valid JSON is counted",
        "a path of the detection recipe that pairing answers do not take",
        "none",
    ),
    Deviation(
        "teacher",
        "data engine",
        "teacher model and prompts are not published",
        "choice",
        "a template teacher over true facts, on photographs; any served model as an option (the mini world: see "
        "thoughts)",
        "nothing else is reproducible offline",
        "less varied language",
        could_flip=(
            "pairing.sft_helps",
            "length.sft_longest",
        ),
    ),
    Deviation(
        "sft_settings",
        "SFT",
        "learning rate and epochs are not published",
        "choice",
        "set on validation places, those of the mini profile on an earlier world's",
        "not published",
        "unknown",
        could_flip=(
            "pairing.sft_alone",
            "pairing.sft_helps",
            "length.sft_longest",
        ),
    ),
    Deviation(
        "geocoder",
        "geolocation",
        "a commercial map service (GLOBE); unknown for Geo-R1",
        "S",
        "an embedded gazetteer",
        "offline and repeatable",
        "largest within 1 km",
        could_flip=(
            "transfer.base",
            "transfer.supervised",
        ),
    ),
    Deviation(
        "prefix",
        "GRPO",
        "the prompt is computed once per completion",
        "V",
        "once per group",
        "time; the numbers are the same",
        "none: equal to rounding, tested",
    ),
)


def deviations() -> pd.DataFrame:
    """Our deviations, in the order in which a reader meets them."""
    return frame_of(DEVIATIONS)


def deviations_by_weight() -> pd.DataFrame:
    """The same, those first that prevent most verdicts, then those that could turn most of them round."""
    return frame_of(sorted(DEVIATIONS, key=lambda d: (-len(d.prevents), -len(d.could_flip))))
