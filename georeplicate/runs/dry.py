"""The recipe of `paper-dry`: the profile `paper` with sizes at which every stage runs on a CPU, without a network.

Model and data are made here: a random checkpoint in the layout of Qwen2.5-VL (`mini.layouts`) and a tree in the layout
of CV-Cities with rendered pictures (`mini.cities`). Whatever happens then is what happens to `paper`: loaders, engine,
SFT, GRPO, evaluation, tables. The numbers say nothing, not even about the synthetic world, and are called so.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georeplicate import files
from georeplicate.profiles import Profile
from georeplicate.runs.photographs import Photographs

if TYPE_CHECKING:
    import pandas as pd

    from georeplicate.tasks import Task

HOME = files.WORK / "dry"  # where model and data are made, if no other folder is named
CITIES, PER_CITY = ("paris", "tokyo", "captown", "mexico", "london", "taipei"), 12
BENCHMARK = "dry run, random weights, rendered pictures (synthetic)"


class Dry(Photographs):
    """Photographs whose model and data are made on the spot. root: the folder that they are made in."""

    name = "dry"
    update_s = {"base": 0.0, "sft": 0.5, "grpo": 1.0, "supervised": 0.5}
    row_s = 0.05
    systems = {"base": "dry-base", "sft": "dry-SFT", "zero": "dry-Zero", "r1": "dry-R1"}

    def benchmark(self, profile: Profile) -> str:
        return BENCHMARK

    def missing(
        self, profile: Profile, root: Path | None = None, *, training: bool = True, model: bool = True
    ) -> list[str]:
        return []

    def folder(self, profile: Profile, root: Path | None) -> Path:
        """The CV-Cities tree, made where it is not."""
        from georeplicate.mini import cities

        warnings.filterwarnings("ignore", message=r"cv-cities \w+: \d+ of \d+ cities are here")  # as it was made
        home = root or HOME
        made = home / profile.source
        if cities.is_made(made, PER_CITY, CITIES):
            return made
        with files.alone(home / ".lock", f"another process makes {made}; waiting until it ends"):
            return cities.make(made, PER_CITY, CITIES)

    def start(self, profile: Profile, root: Path | None = None) -> Path:
        """The random checkpoint, made where it is not."""
        home = root or HOME
        made = home / profile.model
        if not made.is_dir():
            from georeplicate.mini import layouts
            from georeplicate.model import checkpoint

            with files.alone(home / ".lock", f"another process makes {made}; waiting until it ends"):
                if not made.is_dir():
                    with checkpoint.writing(made) as new:
                        layouts.qwen2_5_vl(new)
        return made

    def rows(
        self,
        stage: str,
        profile: Profile,
        start: Path,
        seed: int,
        control: str,
        *,
        root: Path | None = None,
        work: Path | None = None,
    ) -> Sequence[dict[str, Any]]:
        return super().rows(stage, profile, start, seed, control, root=self.folder(profile, root), work=work)

    def tasks(
        self, profile: Profile, start: Path, control: str, with_places: bool, *, root: Path | None = None
    ) -> list[Task]:
        return super().tasks(profile, start, control, with_places, root=self.folder(profile, root))

    def validation_places(self, profile: Profile, root: Path | None = None) -> pd.DataFrame:
        return super().validation_places(profile, self.folder(profile, root))

    def data_sha256(self, profile: Profile, root: Path | None = None) -> str:
        return super().data_sha256(profile, self.folder(profile, root))
