"""Cross-view pairing: which of k aerial tiles shows the place of this panorama? The question that GRPO rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from georeplicate.tasks import Output, Row, answers, prompts

VERSION = 1


@dataclass(frozen=True)
class Pairing:
    """Rows {id, letter, images or pixels: the panorama, then the tiles in the order of their letters}.

    load: split -> rows. k: candidates of a row. wording: the prompt, where it is not the paper's. details: more columns
    of an answer, from (text, letter read or "", row).
    """

    load: Callable[[str], Sequence[Row]]
    benchmark: str
    k: int = 5
    wording: str = ""
    details: Callable[[str, str, Row], dict[str, float]] | None = None
    name: str = "pairing"
    version: int = VERSION
    decodings: tuple[str, ...] = ("greedy", "t1")
    options: tuple[str, ...] = ()

    @property
    def chance(self) -> float:
        return 1 / self.k

    def rows(self, split: str) -> Sequence[Row]:
        return self.load(split)

    def prompt(self, row: Row) -> str:
        return self.wording or prompts.pairing(self.k)

    def inputs(self, row: Row) -> dict[str, Any]:
        return {**row, "prompt": self.prompt(row)}

    def read(self, text: str, row: Row) -> answers.Choice | answers.Malformed:
        return answers.parse_choice(text)

    def score(self, output: Output, row: Row) -> dict[str, Any]:
        choice = output.choice
        if choice is None:
            choice = getattr(self.read(output.text, row), "letter", "")
        return {
            "truth": row["letter"],
            "choice": choice,
            **(self.details(output.text, choice, row) if self.details else {}),
        }
