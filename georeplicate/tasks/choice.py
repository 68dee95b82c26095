"""Forced choice: the likeliest of a few given answers, `<answer> WORD </answer>`, without thinking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from georeplicate.tasks import Output, Row

VERSION = 1


@dataclass(frozen=True)
class Choice:
    """Rows {id, FACT: the right option, SHOWN: the picture's pixels}, with FACT and SHOWN as named here.

    A row without a right option (at sea there is no climate) is left out. The options must have equally many tokens, so
    that their log-probabilities compare as they are.
    """

    load: Callable[[str], Sequence[Row]]
    benchmark: str
    name: str
    wording: str
    options: tuple[str, ...]
    fact: str
    shown: str = "pixels"
    version: int = VERSION
    decodings: tuple[str, ...] = ("forced",)

    @property
    def chance(self) -> float:
        return 1 / len(self.options)

    def rows(self, split: str) -> Sequence[Row]:
        """ValueError where a row's right option is none of the options."""
        rows = [row for row in self.load(split) if row[self.fact]]
        if wrong := {row[self.fact] for row in rows} - set(self.options):
            raise ValueError(f"{self.name}: {sorted(wrong)} are no answers; choose from {', '.join(self.options)}")
        return rows

    def prompt(self, row: Row) -> str:
        return self.wording

    def inputs(self, row: Row) -> dict[str, Any]:
        return {"id": row["id"], "prompt": self.wording, "pixels": row[self.shown]}

    def read(self, text: str, row: Row) -> str:
        """The option whose text this is, or ""."""
        return next((option for option in self.options if text == answer(option)), "")

    def score(self, output: Output, row: Row) -> dict[str, Any]:
        choice = self.read(output.text, row) if output.choice is None else output.choice
        return {"truth": row[self.fact], "choice": choice, "lat": row["lat"], "lon": row["lon"]}


def answer(option: str) -> str:
    """What a model would write to choose this option."""
    return f"<answer> {option} </answer>"
