"""The tasks of the mini world, at a profile's size.

pairing        which tile shows the place? the question that GRPO rewards, with what is written while thinking
geolocation    country and city of a street-level photo
aerial         the same question about a tile, which no stage trains
climate        which climate has the place? forced choice among five words, from a street-level photo
ground         what covers the ground? forced choice among six words, from a tile
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from georeplicate.evaluation.faithfulness import faithful
from georeplicate.mini import inputs
from georeplicate.mini.wording import CLIMATE, CLIMATES, GROUND, PAIR, WHERE, WORDING
from georeplicate.profiles import Profile
from georeplicate.tasks import Row, Task
from georeplicate.tasks.choice import Choice
from georeplicate.tasks.geolocation import Geolocation
from georeplicate.tasks.pairing import Pairing

BENCHMARK = "world-mini (synthetic)"


def details(text: str, choice: str, row: Row) -> dict[str, float]:
    """The counts of `faithful`, where it is known what is true."""
    return faithful(text, choice, row["true_words"], WORDING) if row.get("true_words") else {}


def pairing(load=None, k: int = 5) -> Pairing:
    """The pairing question in the mini world's words; load: split -> rows (None: the rows are given elsewhere)."""
    return Pairing(load or (lambda split: []), BENCHMARK, k, PAIR, details)


def places(load) -> dict[str, Task]:
    """The four tasks about single places, from split -> rows of `inputs.place_rows`."""
    return {
        "geolocation": Geolocation(load, BENCHMARK, WHERE, "pixels"),
        "aerial": Geolocation(load, BENCHMARK, WHERE, "tile_pixels", name="aerial"),
        "climate": Choice(load, BENCHMARK, "climate", CLIMATE, CLIMATES, "climate"),
        "ground": Choice(
            load, BENCHMARK, "ground", GROUND, tuple(WORDING.words["cover"].values()), "cover", "tile_pixels"
        ),
    }


def of(profile: Profile, base_path: Path, control: str = "") -> dict[str, Task]:
    """All tasks of a profile; control: blank pictures in the pairing question (see `inputs.controlled`)."""
    questions = partial(_questions, profile, base_path, control)
    views = partial(inputs.views, profile, base_path=base_path)
    return {"pairing": pairing(questions, profile.k), **places(lambda split: views(split))}


def _questions(profile: Profile, base_path: Path, control: str, split: str):
    return inputs.controlled(inputs.questions(profile, split, base_path), control, 0)
