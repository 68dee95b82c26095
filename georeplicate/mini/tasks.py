"""The tasks of the mini world, at a profile's size.

pairing        which tile shows the place? the question that GRPO rewards, with what is written while thinking
geolocation    country and city of a street-level photo
aerial         the same question about a tile, which no stage trains
climate        which climate has the place? forced choice among five words, from a street-level photo
ground         what grows there? forced choice among the world's words for it, from a tile
pairing apart  the pairing question with wrong tiles from anywhere
panorama words a panorama alone, put into all of the world's words
tile words     a tile, likewise
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from georeplicate.evaluation.faithfulness import faithful
from georeplicate.mini import inputs, readings
from georeplicate.mini.wording import CLIMATE, CLIMATES, DESCRIBE, GROUND, PAIR, WHERE, WORDING
from georeplicate.profiles import Profile
from georeplicate.tasks import Output, Row, Task
from georeplicate.tasks.choice import Choice
from georeplicate.tasks.geolocation import Geolocation
from georeplicate.tasks.pairing import Pairing

BENCHMARK = "world-geographic (synthetic)"


def details(text: str, choice: str, row: Row) -> dict[str, float]:
    """The counts of `faithful`, where it is known what is true."""
    return faithful(text, choice, row["true_words"], WORDING) if row.get("true_words") else {}


def pairing(load=None, k: int = 5) -> Pairing:
    """The pairing question in the world's words; load: split -> rows (None: the rows are given elsewhere)."""
    return Pairing(load or (lambda split: []), BENCHMARK, k, PAIR, details)


def places(load) -> dict[str, Task]:
    """The four tasks about single places, from split -> rows of `inputs.place_rows`."""
    ground = next(iter(WORDING.words.values()))  # what grows there
    return {
        "geolocation": Geolocation(load, BENCHMARK, WHERE, "pixels"),
        "aerial": Geolocation(load, BENCHMARK, WHERE, "tile_pixels", name="aerial"),
        "climate": Choice(load, BENCHMARK, "climate", CLIMATE, CLIMATES, "climate"),
        "ground": Choice(load, BENCHMARK, "ground", GROUND, tuple(ground.values()), "cover", "tile_pixels"),
    }


@dataclass(frozen=True)
class Describe:
    """A picture alone, put into the world's words. Every attribute is named, so what share of the words is true
    depends on no choice of what is said: an attribute that an answer leaves out counts as one that is not right.

    Rows {id, pixels, true_words: in the order of the wording}.
    """

    load: Callable[[str], Sequence[Row]]
    name: str
    benchmark: str = BENCHMARK
    version: int = 1
    decodings: tuple[str, ...] = ("greedy",)
    options: tuple[str, ...] = ()
    chance: float | None = None

    def rows(self, split: str) -> Sequence[Row]:
        return self.load(split)

    def prompt(self, row: Row) -> str:
        return DESCRIBE

    def inputs(self, row: Row) -> dict[str, Any]:
        return {"id": row["id"], "prompt": DESCRIBE, "pixels": row["pixels"]}

    def read(self, text: str, row: Row) -> dict[str, str]:
        """{attribute: the first word said of it}."""
        return readings.first_words(text, WORDING.attribute_of)

    def score(self, output: Output, row: Row) -> dict[str, Any]:
        found, true = self.read(output.text, row), dict(zip(WORDING.words, row["true_words"], strict=True))
        return {
            "truth": " ".join(row["true_words"]),
            "choice": " ".join(found[kind] for kind in WORDING.words if kind in found),
            "words": len(true),
            "words_true": sum(found.get(kind) == word for kind, word in true.items()),
        }


def of(profile: Profile, base_path: Path, control: str = "") -> dict[str, Task]:
    """All tasks of a profile; control: blank pictures in the pairing question (see `inputs.controlled`)."""
    questions = partial(_questions, profile, base_path, control)
    views = partial(inputs.views, profile, base_path=base_path)
    found: dict[str, Task] = {"pairing": pairing(questions, profile.k), **places(lambda split: views(split))}
    apart = partial(_questions, profile, base_path, control, negatives="random")
    found["pairing apart"] = replace(pairing(apart, profile.k), name="pairing apart")
    for view in ("panorama", "tile"):
        alone = partial(inputs.alone, profile, base_path=base_path, view=view)
        found[f"{view} words"] = Describe(alone, f"{view} words")
    return found


def _questions(profile: Profile, base_path: Path, control: str, split: str, negatives: str = ""):
    return inputs.controlled(inputs.questions(profile, split, base_path, negatives=negatives), control, 0)
