"""The tasks of the mini world, at a profile's size.

pairing        which tile shows the place? the question that GRPO rewards, with what is written while thinking
geolocation    country and city of a street-level photo
aerial         the same question about a tile, which no stage trains
climate        which climate has the place? forced choice among five words, from a street-level photo
ground         what covers the ground, or grows there? forced choice among the world's words for it, from a tile
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from georeplicate.evaluation.faithfulness import Wording, faithful
from georeplicate.mini import inputs, wording
from georeplicate.mini.wording import CLIMATE, CLIMATES, GROUND, PAIR, WHERE
from georeplicate.profiles import Profile
from georeplicate.tasks import Row, Task
from georeplicate.tasks.choice import Choice
from georeplicate.tasks.geolocation import Geolocation
from georeplicate.tasks.pairing import Pairing

BENCHMARK = "world-mini (synthetic)"


def details(text: str, choice: str, row: Row, words: Wording = wording.WORDING) -> dict[str, float]:
    """The counts of `faithful`, where it is known what is true."""
    return faithful(text, choice, row["true_words"], words) if row.get("true_words") else {}


def pairing(load=None, k: int = 5, world_name: str = "layout") -> Pairing:
    """The pairing question in a mini world's words; load: split -> rows (None: the rows are given elsewhere)."""
    told = partial(details, words=wording.of(world_name))
    return Pairing(load or (lambda split: []), BENCHMARK, k, PAIR, told)


def places(load, world_name: str = "layout") -> dict[str, Task]:
    """The four tasks about single places, from split -> rows of `inputs.place_rows`."""
    ground = next(iter(wording.of(world_name).words.values()))  # what covers the ground, or what grows there
    return {
        "geolocation": Geolocation(load, BENCHMARK, WHERE, "pixels"),
        "aerial": Geolocation(load, BENCHMARK, WHERE, "tile_pixels", name="aerial"),
        "climate": Choice(load, BENCHMARK, "climate", CLIMATE, CLIMATES, "climate"),
        "ground": Choice(load, BENCHMARK, "ground", GROUND, tuple(ground.values()), "cover", "tile_pixels"),
    }


def of(profile: Profile, base_path: Path, control: str = "") -> dict[str, Task]:
    """All tasks of a profile; control: blank pictures in the pairing question (see `inputs.controlled`)."""
    questions = partial(_questions, profile, base_path, control)
    views = partial(inputs.views, profile, base_path=base_path)
    asked = pairing(questions, profile.k, profile.world)
    return {"pairing": asked, **places(lambda split: views(split), profile.world)}


def _questions(profile: Profile, base_path: Path, control: str, split: str):
    return inputs.controlled(inputs.questions(profile, split, base_path), control, 0)
