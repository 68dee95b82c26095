"""The recipe for photographs: cross-view pairs of any source on disk, a published vision-language model, the paper's
questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from georeplicate import files
from georeplicate.profiles import Profile
from georeplicate.tasks import CONTROLS

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from PIL.Image import Image

    from georeplicate.tasks import Row, Task

NAME = "photographs"
VERSION = 3  # raised by whoever changes what training makes of the same settings
TASKS = {"pairing": 1, "geolocation": 3}  # as in `tasks`: a test compares
STRIP = 100
DATA = files.CHECKOUT / "data"  # where `georeplicate data SOURCE` puts a source, if no other folder is named

PROVENANCE = {
    "training": (
        *("runs.photographs", "training.stages", "training.sft", "training.grpo", "training.common"),
        *("training.rewards", "model.policy", "model.pictures", "engine.template", "engine.records", "engine.sources"),
        *("tasks.prompts", "tasks.rows"),
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
    *("rollouts",),
)
_EVALUATION = (
    *("source", "panorama_px", "tile_px", "k", "negatives", "max_completion_length", "n_test_sites", "precision"),
)


class Photographs:
    """Photographs of a source on disk, a model of a few billion parameters, on GPUs."""

    name, version, provenance = NAME, VERSION, PROVENANCE
    update_s = {"base": 0.0, "sft": 20.0, "grpo": 60.0, "supervised": 40.0}  # not measured: one GPU, by the plan
    row_s = 2.0
    systems = {"base": "base", "sft": "SFT", "zero": "Zero", "r1": "R1"}
    controls = CONTROLS
    has_stand_ins = False  # the systems of Table 1 have weights of their own: evaluation.baselines

    def __init__(self, records: Path | None = None) -> None:
        self.records = records  # those of the data engine, where SFT is not to make its own
        # The runs of one command share a recipe, and each wants the checksum several times: a stat of every picture.
        self._checksums: dict[tuple[str, Path], str] = {}

    def with_records(self, folder: str | Path) -> Self:
        """The recipe whose SFT learns from a finished run of the data engine; FileError where there is none."""
        from georeplicate import manifest

        manifest.read(folder)
        return type(self)(Path(folder).resolve())

    def missing(
        self, profile: Profile, root: Path | None = None, *, training: bool = True, model: bool = True
    ) -> list[str]:
        """What a command needs and this machine has not, and where to get it; nothing is fetched to find out.

        training: or evaluation alone, which any device does. model: the profile's own is used; of another nobody knows
        here how large it is."""
        import warnings

        from georeplicate import pairs
        from georeplicate.model import hub

        folder, lost = root or DATA / profile.source, []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it is read again, and says then what it lacks
                pairs.read(profile.source, "train" if training else "test", folder)
        except FileNotFoundError:
            lost.append(f"{profile.source} in {folder} (`make data SOURCE={profile.source}` says how to get it)")
        if training and model and not _cuda():
            from georeplicate.runs import gpus

            why = gpus.trouble() or f"{profile.model} is too large to be trained on a CPU"
            lost.append(f"a GPU ({why})")
        if model and (why := hub.out_of_reach(profile.model, profile.revision or None)):
            lost.append(f"the model ({why})")
        return lost

    def start(self, profile: Profile, root: Path | None = None) -> Path:
        """The published model that the profile names; CheckpointError where it cannot be had."""
        from georeplicate.model import hub

        return hub.folder(profile.model, profile.revision or None)

    def settings(self, what: str, profile: Profile) -> dict[str, Any]:
        """The resolved settings of a stage, or of "evaluation", as JSON has them."""
        values = json.loads(json.dumps(profile.keyed()))
        if what == "base":
            return {}
        if what == "evaluation":
            return {name: values[name] for name in _EVALUATION}
        others = {"sft": _RL, "grpo": _SFT_ALL, "supervised": ("teacher",)}[what]
        kept = {name: value for name, value in values.items() if name not in (*_NOWHERE, *others, "n_test_sites")}
        if what == "sft" and self.records is not None:
            from georeplicate import manifest

            kept["records"] = manifest.read(self.records)["data_sha256"]
        return kept

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
        from georeplicate.tasks.rows import Readable

        places, work = split(profile, "train", root), work or files.WORK
        if stage == "sft" and self.records is not None:
            found = records_of(profile, unheld(profile, root), self.records)
        elif stage == "sft":
            found = records(profile, places, work / "records", root)
        else:
            found = controlled(questions(profile, places, seed), control, seed)
        return Readable(found, work / f"unreadable-{stage}-s{seed}.txt")

    def tasks(
        self, profile: Profile, start: Path, control: str, with_places: bool, *, root: Path | None = None
    ) -> list[Task]:
        """The pairing question, and the geolocation of the same panoramas."""
        from georeplicate.tasks.geolocation import Geolocation
        from georeplicate.tasks.pairing import Pairing

        blank = control if control.startswith("blank") else ""

        def pairs_of(name: str) -> Sequence[Row]:
            return controlled(questions(profile, split(profile, name, root), 0, evaluated=True), blank, 0)

        def places_of(name: str) -> Sequence[Row]:
            return views(profile, split(profile, name, root))

        of = self.benchmark(profile)
        found: list[Task] = [Pairing(pairs_of, f"{of} (pairing)", profile.k)]
        return [*found, Geolocation(places_of, f"{of} (geolocation)")] if with_places else found

    def validation_places(self, profile: Profile, root: Path | None = None) -> pd.DataFrame:
        """Rows {lat, lon in degrees, country ("" where it is not known)} of the validation split."""
        found = split(profile, "validation", root).select_columns(["lat", "lon", "country"]).to_pandas()
        return found.assign(country=found.country.fillna(""))

    def benchmark(self, profile: Profile) -> str:
        """What tables call the test set."""
        return profile.source


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


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


def questions(profile: Profile, places: Dataset, seed: int, evaluated: bool = False) -> Sequence[dict[str, Any]]:
    """Pairing questions as rows {id, letter, images, prompt}; pictures are opened and resized when a row is read.

    evaluated: a row whose pictures cannot be read has none and says why in `unreadable`; else to read it is an OSError.
    """
    from georeplicate import pairs
    from georeplicate.tasks import prompts
    from georeplicate.tasks.rows import Rows

    negatives = profile.negatives_of("test" if evaluated else "train")
    found = pairs.questions(places, k=profile.k, negatives=negatives, seed=seed).shuffle(seed=seed)

    def pictures(question: dict) -> list[Image]:
        panorama, *tiles = pairs.images(places, question)
        small = (profile.tile_px, profile.tile_px)
        return [resized(panorama, profile.panorama_px), *(resized(tile, small) for tile in tiles)]

    def make(question: dict) -> dict:
        row = {"id": question["id"], "letter": question["letter"], "prompt": prompts.pairing(profile.k)}
        return _shown(row, lambda: pictures(question)) if evaluated else row | {"images": pictures(question)}

    return Rows(found.to_list(), make)


def _shown(row: dict[str, Any], pictures: Callable[[], list[Image]]) -> dict[str, Any]:
    """A row of an evaluation with its pictures, or with the problem that there are none: it counts as not answered."""
    try:
        return row | {"images": pictures()}
    except OSError as error:
        print(f"{row['id']} cannot be asked and counts as not answered: {error}", flush=True)
        return row | {"images": [], "unreadable": " ".join(str(error).split())}


def views(profile: Profile, places: Dataset) -> Sequence[Row]:
    """Panoramas as single places: {id, lat, lon, country, images}."""
    from georeplicate.tasks.rows import Rows

    metadata = places.select_columns(["id", "lat", "lon", "country"])

    def make(i: int) -> dict:
        return _shown(metadata[i], lambda: [resized(places["panorama"][i], profile.panorama_px)])

    return Rows(range(len(places)), make)


def unheld(profile: Profile, root: Path | None) -> Dataset:
    """All training places but those of the validation split."""
    from georeplicate import pairs

    folder = root or DATA / profile.source
    return pairs.hold_out(pairs.load(profile.source, "train", folder), profile.n_validation_sites)[0]


def records(profile: Profile, places: Dataset, folder: Path, root: Path | None = None) -> Sequence[dict[str, Any]]:
    """The data engine's accepted records about these places, made in `folder`, for supervised fine-tuning. Those
    of other places, or of none that are noted beside the folder, are renamed and kept."""
    from georeplicate import engine

    _begin(folder, files.sha256_json(places["id"][:], profile.teacher))
    rows = engine.rows(places, root or DATA / profile.source)
    engine.build(rows, folder, engine.teacher(profile.teacher, photographs=True))
    return records_of(profile, places, folder)


def _begin(folder: Path, key: str) -> None:
    noted = folder.with_name(f"{folder.name}.json")
    with files.alone(folder.with_name(f".{folder.name}.lock"), f"another process looks at {folder}; waiting"):
        try:
            held = json.loads(noted.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            held = None
        if held == {"key": key}:
            return
        if folder.exists():
            aside = files.unused(folder.with_name(f"{folder.name}-other"))
            folder.rename(aside)
            print(f"records of other places are kept as {aside.name}", flush=True)
        files.write_json(noted, {"key": key})


def records_of(profile: Profile, places: Dataset, folder: Path) -> Sequence[dict[str, Any]]:
    """Accepted records in `folder` about these places, with their pictures; those of other places are left out, with
    one line that counts them. ValueError where none is left."""
    from georeplicate import engine
    from georeplicate.tasks.rows import Rows

    by_id = {name: i for i, name in enumerate(places["id"])}
    made = engine.load(folder)
    if not len(made):
        raise ValueError(f"the data engine accepted no place; {folder}/README.md says why")
    known = [i for i, name in enumerate(made["id"]) if name in by_id]
    if len(known) < len(made):
        print(f"{len(made) - len(known)} of {len(made)} records are of validation places, or of none here: left out")
    if not known:
        raise ValueError(f"none of the {len(made)} records in {folder} is of a training place of {profile.source}")
    made = made.select(known)

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
    if control not in CONTROLS:
        raise ValueError(f"unknown control {control!r}: choose one of {', '.join(CONTROLS)}")
    rng = np.random.default_rng([seed, 77])
    drawn = rng.integers(0, 1 << 30, len(rows))

    def make(i: int) -> dict:
        row = dict(rows[i])
        if control == "shuffled pairing":
            return row | {"letter": answers.LETTERS[drawn[i] % (len(row["images"]) - 1)]}
        if not row["images"]:  # those cannot be read
            return row
        blank = {0} if control == "blank panorama" else set(range(1, len(row["images"])))
        grey = [Image.new("RGB", im.size, (128, 128, 128)) if j in blank else im for j, im in enumerate(row["images"])]
        return row | {"images": grey}

    return Rows(range(len(rows)), make)


def resized(picture: Image, size: tuple[int, int]) -> Image:
    """An upright RGB picture of (height, width) pixels, or smaller where the picture is; the aspect is kept. OSError
    for a strip more than STRIP times as long as wide, which shows nothing and which models refuse."""
    from georeplicate.model.pictures import as_rgb

    if max(picture.size) > STRIP * min(picture.size):
        raise OSError(f"a picture of {picture.width} x {picture.height} pixels is a strip and shows nothing")
    picture = as_rgb(picture)
    picture.thumbnail((size[1], size[0]))
    return picture
