"""The recipe of the mini stand-in: which settings its stages have, what they are trained on, what is evaluated.

Nothing heavy is imported before there is something to do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georeplicate import files
from georeplicate.profiles import Profile
from georeplicate.tasks import CONTROLS

if TYPE_CHECKING:
    from georeplicate.tasks import Task

NAME = "mini"
VERSION = 2  # raised by whoever changes what training makes of the same settings: numbers then move, and keys with them

# The code that made a run's numbers, by what it is for: its hash goes into the manifest as provenance.
PROVENANCE = {
    "training": (
        *("mini.teaching", "mini.base", "mini.stream", "mini.sight", "mini.inputs", "mini.wording", "mini.internvl"),
        *("training.stages", "training.sft"),
        *("runs.stand_ins", "evaluation.baselines.learned", "evaluation.baselines.features"),
        *("training.grpo", "training.common", "training.rewards", "model.policy"),
        *("model.shared_prefix.attention", "model.shared_prefix.generation", "model.shared_prefix.logprob"),
        *("model.shared_prefix.prompts", "model.shared_prefix.vision"),
        *("world.sites", "world.cues", "world.landscape", "world.views", "world.geometry", "world.drawing"),
        *("world.difficulty", "pairs.world", "pairs.negatives"),
    ),
    "evaluation": (
        *("evaluation.predict", "evaluation.predictors", "evaluation.faithfulness", "tasks.pairing"),
        *("tasks.geolocation", "tasks.choice", "tasks.prompts", "coordinates", "geo", "atlas.gazetteer"),
    ),
}

# The fields of a profile that each kind of training, and evaluation, depends on.
_PLACES = ("source", "panorama_px", "tile_px", "crop_px", "image_factor")
_QUESTION = ("k", "negatives", "max_completion_length")
_BOTH = ("n_train_sites", "freeze_vision", "precision", "gradient_checkpointing", "weight_decay", "max_grad_norm")
_ADAPTERS = ("adapters", "lora_rank", "lora_alpha", "lora_rate")
_TEACH = ("sft_schedule", "sft_warmup", "sft_adam_betas")
_SFT = ("sft_steps", "sft_batch", "sft_accumulation", "sft_learning_rate", "sft_rule")
_RL = ("rl_steps", "prompts_per_update", "group_size", "learning_rate")
_GRPO = (
    *("accumulation", "num_iterations", "schedule", "warmup_steps", "adam_betas", "beta", "epsilon", "temperature"),
    *("top_k", "reward_mode", "reward_weights", "rollouts", "replay"),
)
SETTINGS = {
    "base": (),
    "sft": (*_PLACES, *_BOTH, *_ADAPTERS, *_TEACH, *_SFT),
    "grpo": (*_PLACES, *_QUESTION, "train_negatives", "train_split", *_BOTH, *_ADAPTERS, *_RL, *_GRPO),
    "supervised": (*_PLACES, *_QUESTION, "train_negatives", "train_split", *_BOTH, *_ADAPTERS, *_TEACH, *_RL),
    "grpo-places": (*_PLACES, "max_completion_length", *_BOTH, *_ADAPTERS, *_RL, *_GRPO),
    "sft-lora": (*_PLACES, *_BOTH, *_ADAPTERS, *_TEACH, *_SFT),
    "internvl": (*_PLACES, *_BOTH, *_ADAPTERS, *_TEACH, *_SFT),
    "stand-in": (*_PLACES, "n_train_sites"),
    "evaluation": (*_PLACES, *_QUESTION, "n_test_sites"),
}


@dataclass(frozen=True)
class TowerTraining:
    """How the vision tower of the small InternVL learns to see (`mini.internvl`): AdamW, a cosine to zero after 10 %
    of warm-up. Ours: what was tried on validation places is in results/LOG.md. version: raised by whoever changes what
    training makes of the same settings."""

    photos: int = 6_500  # of the base's own cities
    steps: int = 600
    batch: int = 32
    learning_rate: float = 2e-3
    version: int = 1


def tower_of(profile: Profile) -> TowerTraining:
    """The same at a profile's size: one smaller than `mini` has as many fewer photos and updates."""
    whole = TowerTraining()
    share = min(1.0, profile.n_train_sites / Profile.get("mini").n_train_sites)
    return replace(whole, photos=math.ceil(share * whole.photos), steps=math.ceil(share * whole.steps))


# Seconds on one core of a usual machine, of an update and of an evaluated row: for the progress bar.
UPDATE_S = {
    "base": 0.0,
    "sft": 0.6,
    "grpo": 1.5,
    "supervised": 1.3,
    "grpo-places": 0.6,
    "sft-lora": 0.6,
    "internvl": 0.3,
    "stand-in": 0.02,
}
ROW_S = 0.015
TASKS = {"pairing": 1, "geolocation": 3, "aerial": 3, "climate": 1, "ground": 1}  # as in `tasks`: a test compares
TASKS |= {"pairing apart": 1, "panorama words": 1, "tile words": 1}


class Mini:
    """Rendered places of the synthetic world, whose cues are drawn from facts about a place; a Qwen2.5-VL of two
    million parameters, trained on two CPU cores."""

    name, version, provenance = NAME, VERSION, PROVENANCE
    update_s, row_s = UPDATE_S, ROW_S
    systems = {"base": "mini-base", "sft": "mini-SFT", "zero": "mini-Zero", "r1": "mini-R1"}
    controls = CONTROLS
    has_stand_ins = True

    def missing(
        self, profile: Profile, root: Path | None = None, *, training: bool = True, model: bool = True
    ) -> list[str]:
        return []  # everything is in the package

    def start(self, profile: Profile, root: Path | None = None) -> Path:
        """The policy that all runs start from, where none is named."""
        return files.PACKAGE / "mini" / "weights" / profile.model

    def settings(self, what: str, profile: Profile) -> dict[str, Any]:
        """The resolved settings of a stage, or of "evaluation", as JSON has them."""
        values = profile.keyed()
        chosen = {name: values[name] for name in SETTINGS[what] if name in values}
        if chosen:
            chosen["world"] = "geographic"  # there was another, and runs of this one have the name in their keys
        if what == "internvl":
            chosen["tower"] = asdict(tower_of(profile))
        return json.loads(json.dumps(chosen))

    def data_sha256(self, profile: Profile, root: Path | None = None) -> str:
        """Of everything that the places and pictures are made from."""
        return _data_sha256()

    def task_versions(self, with_places: bool) -> dict[str, int]:
        return TASKS if with_places else {"pairing": TASKS["pairing"]}

    def rows(
        self, stage: str, profile: Profile, start: Path, seed: int, control: str, **_: Any
    ) -> Sequence[dict[str, Any]]:
        """The training rows of a stage."""
        from georeplicate.mini import inputs, teaching

        if stage == "sft":
            return teaching.sft_rows(profile, start, seed, profile.sft_steps * profile.sft_batch)
        if stage == "replay":
            return teaching.beside_grpo(profile, start, seed)
        if stage == "places":
            return teaching.labelled_rows(profile, start)
        return inputs.controlled(inputs.questions(profile, "train", start, seed), control, seed)

    def validation_places(self, profile: Profile, root: Path | None = None) -> None:
        return None  # `mini.baselines` has them

    def tasks(self, profile: Profile, start: Path, control: str, with_places: bool, **_: Any) -> list[Task]:
        """What a run is evaluated on; without its places, the pairing question alone."""
        from georeplicate.mini import tasks

        found = tasks.of(profile, start, control if control.startswith("blank") else "")
        return list(found.values()) if with_places else [found["pairing"]]


class Geographic(Mini):
    """The same from other bases, for longer: the registered experiments, whose runs are `runs.arms`."""

    name, version = "geographic", 1
    systems = {name: f"geographic-{words}" for name, words in (("base", "base"), ("sft", "SFT"), ("zero", "Zero"))}
    systems |= {"r1": "geographic-R1"}
    has_stand_ins = False


@cache
def _data_sha256() -> str:
    from georeplicate.atlas import gazetteer

    others = {"SOURCES.md", gazetteer.EXONYMS}  # what answers are read by is in no picture
    folders = [files.PACKAGE / room / "data" for room in ("atlas", "world")]
    paths = [path for folder in folders for path in folder.iterdir() if path.name not in others]
    return files.sha256_files(paths, files.PACKAGE)
