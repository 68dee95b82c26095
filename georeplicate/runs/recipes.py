"""Recipes: how the systems of one kind of data and model are trained and evaluated. `mini` and `photographs` are two.

A recipe says what its stages depend on (settings, data), what they are trained on (rows) and what is evaluated (tasks);
how a stage trains is the same for all (`training.stages`), and so is whether a run is up to date (`runs.runner`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from georeplicate.files import Problem
from georeplicate.profiles import Profile
from georeplicate.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

    from georeplicate.tasks import Task


@runtime_checkable
class Recipe(Protocol):
    """version: raised by whoever changes what training makes of the same settings. systems: {"base" | "sft" | "zero" |
    "r1": what tables call it}. has_stand_ins: whether the other systems of Table 1 are trained here, too. provenance:
    {"training" | "evaluation": modules whose code the manifest records}. update_s, row_s: about how long an update of
    each stage, and an evaluated row, takes, for the progress bar."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def systems(self) -> Mapping[str, str]: ...
    @property
    def controls(self) -> tuple[str, ...]: ...
    @property
    def has_stand_ins(self) -> bool: ...
    @property
    def provenance(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def update_s(self) -> Mapping[str, float]: ...
    @property
    def row_s(self) -> float: ...

    def missing(self, profile: Profile, root: Path | None, *, training: bool, model: bool) -> list[str]:
        """What is needed and not here, one clause each, found out without any cost; empty if all is well. training: or
        evaluation alone. model: whether the profile's own model is used."""

    def start(self, profile: Profile, root: Path | None) -> Path:
        """The policy that all runs start from, where none is named."""

    def settings(self, what: str, profile: Profile) -> dict[str, Any]:
        """The resolved settings of a stage ("sft", "grpo", "supervised"), or of "evaluation", as JSON has them."""

    def data_sha256(self, profile: Profile, root: Path | None) -> str:
        """Of all data that rows and tasks are made from. root: the folder of the data, where there is one."""

    def task_versions(self, with_places: bool) -> dict[str, int]:
        """{name: version} of what `tasks` gives."""

    def rows(
        self, stage: str, profile: Profile, start: Path, seed: int, control: str, *, root: Path | None, work: Path
    ) -> Sequence[dict[str, Any]]:
        """The training rows of a stage, or "places": rows {id, images or pixels, prompt, lat, lon, country, city,
        completion} of single places. work: a folder for what has to be made first, kept for later runs."""

    def validation_places(self, profile: Profile, root: Path | None) -> pd.DataFrame | None:
        """Rows {lat, lon in degrees, country} of the validation split: on them the best constant guess is chosen when a
        run is evaluated. None where tables know them without, as they do those of the synthetic world."""

    def tasks(self, profile: Profile, start: Path, control: str, with_places: bool, *, root: Path | None) -> list[Task]:
        """What a run is evaluated on; without its places, the pairing question alone."""


RECIPES = Registry(
    "recipe",
    {
        "mini": "georeplicate.mini.recipe:Mini",
        "geographic": "georeplicate.mini.recipe:Geographic",
        "photographs": "georeplicate.runs.photographs:Photographs",
        "dry": "georeplicate.runs.dry:Dry",
    },
)


def of(recipe: Recipe | str | Profile) -> Recipe:
    """A recipe by name, or the one that trains a profile; ValueError lists the names there are."""
    if isinstance(recipe, Profile):
        recipe = recipe.recipe
    return RECIPES[recipe]() if isinstance(recipe, str) else recipe


class NotReady(Problem):
    """What a profile needs is not here; one sentence that lists it."""


def check(recipe: Recipe, profile: Profile, root: Path | None, *, training: bool = True, model: bool = True) -> None:
    """NotReady where something is missing, before anything is computed or fetched."""
    if lost := recipe.missing(profile, root, training=training, model=model):
        raise NotReady(
            f"profile {profile.name} cannot run here, for want of {', and of '.join(lost)}; `georeplicate plan "
            f"--profile {profile.name}` says what it costs, `--profile paper-dry` runs it at the smallest size"
        )
