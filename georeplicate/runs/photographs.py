"""The recipe for photographs: cross-view pairs of any source on disk, a published vision-language model, the paper's
questions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georeplicate import files
from georeplicate.profiles import Profile

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL.Image import Image

    from georeplicate.tasks import Row, Task

NAME = "photographs"
VERSION = 1  # raised by whoever changes what training makes of the same settings
TASKS = {"pairing": 1, "geolocation": 3}  # as in `tasks`: a test compares
DATA = files.CHECKOUT / "data"  # where `georeplicate data SOURCE` puts a source, if no other folder is named

PROVENANCE = {
    "training": (
        *("runs.photographs", "training.stages", "training.sft", "training.grpo", "training.common"),
        *("training.rewards", "model.policy", "engine.template", "engine.records", "tasks.prompts"),
        *("model.shared_prefix.attention", "model.shared_prefix.generation", "model.shared_prefix.logprob"),
        *("model.shared_prefix.prompts", "model.shared_prefix.vision"),
    ),
    "evaluation": (
        *("runs.photographs", "evaluation.predict", "evaluation.predictors", "tasks.pairing", "tasks.geolocation"),
        *("tasks.prompts", "coordinates", "geo", "atlas.gazetteer"),
    ),
}
# Fields of a profile that decide about no number of a run: names, and what another stage alone depends on.
_NOWHERE = ("name", "seeds", "model", "world")
_SFT = ("sft_steps", "sft_batch", "sft_accumulation", "sft_learning_rate", "sft_schedule", "sft_warmup")
_SFT_ALL = (*_SFT, "sft_adam_betas", "teacher")
_RL = (
    *("rl_steps", "prompts_per_update", "group_size", "accumulation", "num_iterations", "learning_rate", "schedule"),
    *("warmup_steps", "adam_betas", "beta", "epsilon", "temperature", "top_k", "reward_mode", "reward_weights"),
)
_EVALUATION = ("source", "panorama_px", "tile_px", "k", "negatives", "max_completion_length", "n_test_sites")


class Photographs:
    """Photographs of a source on disk, a model of a few billion parameters, on GPUs."""

    name, version, provenance = NAME, VERSION, PROVENANCE
    update_s = {"base": 0.0, "sft": 20.0, "grpo": 60.0, "supervised": 40.0}  # not measured: one GPU, by the plan
    row_s = 2.0
    systems = {"base": "base", "sft": "SFT", "zero": "Zero", "r1": "R1"}
    controls = ("shuffled pairing", "blank panorama", "blank tiles")
    has_stand_ins = False  # the systems of Table 1 have weights of their own: evaluation.baselines

    def __init__(self) -> None:
        # The runs of one command share a recipe, and each wants the checksum several times: a stat of every picture.
        self._checksums: dict[tuple[str, Path], str] = {}

    def start(self, profile: Profile, root: Path | None = None) -> Path:
        """The published model that the profile names; CheckpointError where it cannot be had."""
        from georeplicate.model import hub

        return hub.folder(profile.model, profile.revision or None)

    def settings(self, what: str, profile: Profile) -> dict[str, Any]:
        """The resolved settings of a stage, or of "evaluation", as JSON has them."""
        values = json.loads(json.dumps(asdict(profile)))
        if what == "base":
            return {}
        if what == "evaluation":
            return {name: values[name] for name in _EVALUATION}
        others = {"sft": _RL, "grpo": _SFT_ALL, "supervised": ("teacher",)}[what]
        return {name: value for name, value in values.items() if name not in (*_NOWHERE, *others, "n_test_sites")}

    def data_sha256(self, profile: Profile, root: Path | None = None) -> str:
        """Of the table of both splits: ids, places, moments, names of pictures and their sizes in bytes."""
        from georeplicate import pairs

        folder = root or DATA / profile.source
        if (profile.source, folder) not in self._checksums:
            self._checksums[profile.source, folder] = pairs.checksum(profile.source, folder)
        return self._checksums[profile.source, folder]

    def task_versions(self, with_places: bool) -> dict[str, int]:
        return TASKS if with_places else {"pairing": TASKS["pairing"]}

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
        """The training rows of a stage; records of the data engine are made below `work` first, and kept."""
        places = split(profile, "train", root)
        if stage == "sft":
            return records(profile, places, (work or files.WORK) / "records")
        return controlled(questions(profile, places, seed), control, seed)

    def tasks(
        self, profile: Profile, start: Path, control: str, with_places: bool, *, root: Path | None = None
    ) -> list[Task]:
        """The pairing question, and the geolocation of the same panoramas."""
        from georeplicate.tasks.geolocation import Geolocation
        from georeplicate.tasks.pairing import Pairing

        blank = control if control.startswith("blank") else ""

        def pairs_of(name: str) -> Sequence[Row]:
            return controlled(questions(profile, split(profile, name, root), 0), blank, 0)

        def places_of(name: str) -> Sequence[Row]:
            return views(profile, split(profile, name, root))

        found: list[Task] = [Pairing(pairs_of, f"{profile.source} (pairing)", profile.k)]
        return [*found, Geolocation(places_of, f"{profile.source} (geolocation)")] if with_places else found


# --- rows ------------------------------------------------------------------------------------------------------------


def split(profile: Profile, name: str, root: Path | None) -> Dataset:
    """The places of a split: a sample per area, fixed by the profile's sizes, validation held out by place."""
    from georeplicate import pairs

    counts = {"train": profile.n_train_sites, "validation": profile.n_validation_sites, "test": profile.n_test_sites}
    if name not in counts:
        raise ValueError(f"unknown split {name!r}: choose one of {', '.join(counts)}")
    folder = root or DATA / profile.source
    if name == "test":
        return pairs.sample(pairs.load(profile.source, "test", folder), counts[name])
    train, validation = pairs.hold_out(pairs.load(profile.source, "train", folder), profile.n_validation_sites)
    return pairs.sample(train, counts[name]) if name == "train" else validation


def questions(profile: Profile, places: Dataset, seed: int) -> Sequence[dict[str, Any]]:
    """Pairing questions as rows {id, letter, images}; pictures are opened and resized when a row is read."""
    from georeplicate import pairs
    from georeplicate.tasks import prompts
    from georeplicate.tasks.rows import Rows

    found = pairs.questions(places, k=profile.k, negatives=profile.negatives, seed=seed).shuffle(seed=seed)

    def make(question: dict) -> dict:
        panorama, *tiles = pairs.images(places, question)
        images = [resized(panorama, profile.panorama_px)]
        images += [resized(tile, (profile.tile_px, profile.tile_px)) for tile in tiles]
        shown = {"images": images, "prompt": prompts.pairing(profile.k)}
        return {"id": question["id"], "letter": question["letter"], **shown}

    return Rows(found.to_list(), make)


def views(profile: Profile, places: Dataset) -> Sequence[Row]:
    """Panoramas as single places: {id, lat, lon, country, images}."""
    from georeplicate.tasks.rows import Rows

    metadata = places.select_columns(["id", "lat", "lon", "country"])

    def make(i: int) -> dict:
        place = metadata[i]
        return place | {"images": [resized(places["panorama"][i], profile.panorama_px)]}

    return Rows(range(len(places)), make)


def records(profile: Profile, places: Dataset, folder: Path) -> Sequence[dict[str, Any]]:
    """The data engine's accepted records about these places, with their pictures, for supervised fine-tuning."""
    from georeplicate import engine
    from georeplicate.tasks.rows import Rows

    by_id = {name: i for i, name in enumerate(places["id"])}
    metadata = places.select_columns(["id", "lat", "lon", "taken_at", "city", "country"])
    made = engine.load(engine.build(metadata, folder, engine.teacher(profile.teacher)))
    if not len(made):
        raise ValueError(f"the data engine accepted none of {len(places)} places; {folder}/README.md says why")

    def make(i: int) -> dict:
        record = made[i]
        images = [resized(places["panorama"][by_id[record["id"]]], profile.panorama_px)]
        return {"id": record["id"], "images": images, "prompt": record["prompt"], "completion": record["completion"]}

    return Rows(range(len(made)), make)


def controlled(rows: Sequence[dict[str, Any]], control: str, seed: int) -> Sequence[dict[str, Any]]:
    """Pairing rows under a control: a right letter sampled at random, or blank pictures; "" leaves them alone."""
    import numpy as np
    from PIL import Image

    from georeplicate.tasks import answers
    from georeplicate.tasks.rows import Rows

    if not control:
        return rows
    if control not in Photographs.controls:
        raise ValueError(f"unknown control {control!r}: choose one of {', '.join(Photographs.controls)}")
    rng = np.random.default_rng([seed, 77])
    drawn = rng.integers(0, 1 << 30, len(rows))

    def make(i: int) -> dict:
        row = dict(rows[i])
        if control == "shuffled pairing":
            return row | {"letter": answers.LETTERS[drawn[i] % (len(row["images"]) - 1)]}
        blank = {0} if control == "blank panorama" else set(range(1, len(row["images"])))
        grey = [Image.new("RGB", im.size, (128, 128, 128)) if j in blank else im for j, im in enumerate(row["images"])]
        return row | {"images": grey}

    return Rows(range(len(rows)), make)


def resized(picture: Image, size: tuple[int, int]) -> Image:
    """An upright RGB picture of (height, width) pixels, or smaller where the picture is; the aspect is kept."""
    from georeplicate.model.processors import as_rgb

    picture = as_rgb(picture)
    picture.thumbnail((size[1], size[0]))
    return picture
