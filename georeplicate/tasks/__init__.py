"""Questions to a model: what is shown, how it is worded, how an answer is read and scored.

    prompts       templates of the paper's questions, and the parser of answers
    rows          rows that are made when they are read
    pairing       which of k aerial tiles shows the place of a panorama?
    geolocation   which country and city? scored by the distance to the true place
    choice        which of a few given answers? compared by log-probability

A `Task` is one of these questions on one benchmark. It knows nothing of models: whoever answers (see
`georeplicate.evaluation`) gets rows and gives one `Output` for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from georeplicate.registry import Registry

Row = Mapping[str, Any]
# What is changed of the pairing question so that a policy must stay at chance: the right letter is sampled at random,
# or one of the two views is blank.
CONTROLS = ("shuffled pairing", "blank panorama", "blank tiles")


@dataclass(frozen=True)
class Output:
    """What a predictor gives for one row: a text that has to be read, or directly a choice or a place.

    tokens: length of the text. choice: a letter, a word or a country code, where it was chosen and not written. place:
    (lat, lon) in degrees, where it was found and not named.
    """

    text: str = ""
    tokens: int | None = None
    choice: str | None = None
    place: tuple[float, float] | None = None


@runtime_checkable
class Task(Protocol):
    """One question on one benchmark.

    name: as in the column `task` of predictions.csv. version: raised when the wording, the reading or the scoring
    changes, so that earlier predictions are not taken for ones of now. benchmark: what the rows are, as tables call it.
    decodings: how a model that generates is decoded. options: the answers to choose from by log-probability; empty
    where the answer is free text.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def benchmark(self) -> str: ...
    @property
    def decodings(self) -> tuple[str, ...]: ...
    @property
    def options(self) -> tuple[str, ...]: ...
    @property
    def chance(self) -> float | None:
        """Expected accuracy of an answer at random; None where that is no fixed number."""

    def rows(self, split: str) -> Sequence[Row]:
        """The rows of a split, each with a unique `id`; ValueError for a split that does not exist."""

    def prompt(self, row: Row) -> str: ...

    def inputs(self, row: Row) -> dict[str, Any]:
        """What a model is shown of a row: {id, prompt, images or pixels}."""

    def read(self, text: str, row: Row) -> Any:
        """The typed answer that a text gives, or Malformed."""

    def score(self, output: Output, row: Row) -> dict[str, Any]:
        """Columns of predictions.csv: truth, choice ("" where none can be read), and what else belongs to the task."""


TASKS = Registry(
    "task",
    {
        "pairing": "georeplicate.tasks.pairing:Pairing",
        "geolocation": "georeplicate.tasks.geolocation:Geolocation",
        "choice": "georeplicate.tasks.choice:Choice",
    },
)
