"""One dial for everything that has a size: Profile.get("smoke" | "mini" | "geographic" | "small" | "single_gpu" |
"paper" | "paper-dry").

A profile is frozen and checked when it is made; sizes that follow from others are computed here and nowhere else.
`smoke` proves that every notebook runs; `mini` is the committed result, two CPU cores and a synthetic world;
`geographic` has the same world and registered experiments of its own (runs.arms);
`small` is `mini` on a workstation; `single_gpu` and `paper` use real photographs and the Qwen2.5-VL models.
`paper-dry` is `paper` with other sizes alone: every stage of it runs on a CPU in a minute, on a random model and
rendered pictures.

The numbers of `paper` come from the official release (its one training script and the defaults that this script leaves
in place) unless a comment calls them ours, which means that the paper and the release do not say.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

DRY_BASE = "dry-base"  # the random model of a dry run: see runs.dry
ARMS_BASE = "geographic-base"  # of the registered arms: see runs.arms
CHECKPOINTS = 8  # a run that is killed loses no more than this part of it (or the updates on one batch of answers)
NEGATIVES = ("region", "near", "random", "neighbourhood", "graded")
TRAIN_SPLITS = ("train", "base")
PRECISIONS = ("auto", "fp32", "bf16")
ADAPTERS = ("", "lora", "lora-vision", "qlora")
ROLLOUTS = ("shared-prefix", "vllm", "vllm-server")
RewardMode = Literal["paper", "released"]
REWARD_MODES: tuple[RewardMode, ...] = get_args(RewardMode)
SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")
# What a profile is, and no change of it; another teacher's records are given as records, for it has an address.
_FIXED = ("name", "source", "model", "teacher")
# Not checked to be above 0: texts, tuples, and numbers for which 0 means "none".
_MAY_BE_ZERO = ("name", "seeds", "weight_decay", "sft_warmup", "warmup_steps", "top_k", "replay")

# Fields that runs were trained without, and what held then.
_LATER: dict[str, Any] = dict(
    train_negatives="",
    train_split="train",
    adapters="",
    lora_rank=16,
    lora_alpha=32,
    lora_rate=2.0,
    rollouts="shared-prefix",
    replay=0.0,
    sft_rule=False,
)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Sizes in pixels are (height, width) or one side of a square; lengths in tokens; `seeds` one whole run each."""

    name: str

    # the places
    source: str  # where cross-view pairs come from: the synthetic world, or a data set of photographs
    n_train_sites: int
    n_validation_sites: int
    n_test_sites: int
    panorama_px: tuple[int, int]  # 360 degrees, so width is a multiple of height
    tile_px: int  # aerial tile, square
    crop_px: int  # perspective crop of the panorama, square

    # the question
    k: int = 5  # candidates; ours: the paper's base model scores 19.0 %, "nearly random", which fits 1 in 5
    negatives: str = "region"  # where the k - 1 wrong candidates come from (see pairs)
    train_negatives: str = ""  # the same of training questions, where it is another; "": as `negatives`
    # Of the synthetic world: cities whose pairs GRPO is shown, the 16 of the data set or those of the base's own split.
    train_split: str = "train"

    # the model
    model: str  # a policy of the mini world, or a folder or hub name of a published model
    revision: str = ""  # branch, tag or commit of a hub's model; "" is its main branch, resolved to a commit
    image_factor: int  # side in pixels of the square that becomes one visual token (patch size x merge size)

    freeze_vision: bool = False  # in both stages; the release trains the vision tower as well
    precision: str = "auto"  # of the training forward passes: bf16 where the hardware has it, or always the one named
    gradient_checkpointing: bool = False
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    # Adapters are no part of the paper: "" trains the weights themselves, "lora" adapters of the decoder's linear maps,
    # "lora-vision" those of the vision tower as well, "qlora" the decoder's on a base held in four bits. The three
    # below hold for every stage that trains adapters.
    adapters: str = ""
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_rate: float = 2.0  # learning rate of adapters, in those of the stage

    # supervised fine-tuning
    teacher: str = "template"  # who writes the chains of thought: see engine.teacher
    sft_steps: int
    sft_batch: int  # records an update
    sft_accumulation: int = 1  # micro-batches an update
    sft_learning_rate: float
    sft_schedule: str = "cosine"
    sft_warmup: float = 0.03  # share of the steps
    sft_adam_betas: tuple[float, float] = (0.9, 0.999)
    sft_rule: bool = False  # the base's searches are replayed with the answering rule, for a base that has it

    # GRPO
    rl_steps: int
    prompts_per_update: int
    group_size: int  # G, completions of one prompt
    accumulation: int = 1  # micro-batches an update
    num_iterations: int = 1  # updates from one batch of completions
    learning_rate: float
    schedule: str = "linear"
    warmup_steps: int = 0
    adam_betas: tuple[float, float] = (0.9, 0.999)
    beta: float  # weight of the KL penalty
    epsilon: float = 0.2  # clip range of the probability ratio
    temperature: float = 1.0
    top_k: int = 50  # most likely tokens that sampling chooses from; 0 is all of them
    max_completion_length: int
    replay: float = 0.0  # weight, in an update's loss, of the base's own records; as many of them for each completion
    rollouts: str = "shared-prefix"  # who samples: our kernel, or "vllm" in the same GPUs, or "vllm-server"
    reward_mode: RewardMode = "paper"  # the rewards as described, or "released": as the official code computes them
    reward_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # accuracy, format, length, repetition
    seeds: tuple[int, ...]

    names: ClassVar[tuple[str, ...]] = (
        "smoke",
        "mini",
        "geographic",
        "small",
        "single_gpu",
        "paper",
        "paper-dry",
    )

    @classmethod
    def get(cls, name: str) -> Self:
        """The profile of that name, with the changes that may follow it, such as "paper accumulation=8" (see `spec` and
        `changed`); ValueError lists the names there are."""
        named, *changes = str(name).split(" ")
        if named not in cls.names:
            raise ValueError(f"unknown profile {named!r}: choose one of {', '.join(cls.names)}")
        return cls(name=named, **_PROFILES[named]).changed(changes)

    def changed(self, changes: Sequence[str]) -> Self:
        """The profile, of photographs, with other values of some fields, FIELD=VALUE each, read by the field's type.

        ValueError for one of the synthetic world, a field that there is not or that is given twice, or a bad value."""
        if changes and self.source == "world":
            self._refuse("its settings are those of the committed runs: only those of photographs can be changed")
        found: dict[str, Any] = {}
        types = {one.name: one.type for one in fields(self) if one.name not in _FIXED}
        for change in changes:
            name, equals, text = (part.strip() for part in change.partition("="))
            if not equals or name not in types:
                self._refuse(f"a change is FIELD=VALUE, got {change!r}: the fields are {', '.join(types)}")
            if name in found:
                self._refuse(f"{name} is given twice")
            try:
                found[name] = _value(types[name], text)
            except ValueError:
                self._refuse(f"{name} must be {_kind(types[name])}, got {text!r}")
        return replace(self, **found)

    @property
    def spec(self) -> str:
        """The words that `get` makes this profile of: its name, and what was changed of it."""
        shipped = type(self).get(self.name)
        pairs = ((one.name, getattr(self, one.name), getattr(shipped, one.name)) for one in fields(self))
        return " ".join([self.name, *(f"{name}={written(value)}" for name, value, was in pairs if value != was)])

    def __post_init__(self):
        self._check_types()
        self._check_choices()
        self._check_ranges()
        self._check_replay()
        self._check_pictures()

    def _check_types(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if one.type is int and not whole:
                self._refuse(f"{one.name} must be a whole number, got {value!r}")
            if one.type is float and not (whole or isinstance(value, float) and value != math.inf):
                self._refuse(f"{one.name} must be a finite number, got {value!r}")
            if one.type is str and not isinstance(value, str) or one.type is bool and not isinstance(value, bool):
                self._refuse(f"{one.name} must be a {one.type.__name__}, got {value!r}")
            if get_origin(one.type) is tuple:
                self._check_numbers(one.name, value, whole=int in get_args(one.type))

    def _check_numbers(self, name: str, values: Any, whole: bool) -> None:
        """Of a field that holds several: all from 0 on and finite, and no texts that happen to be as long."""
        kinds = int if whole else int | float
        fine = isinstance(values, tuple | list) and not any(isinstance(value, bool) for value in values)
        if not (fine and all(isinstance(value, kinds) and 0 <= value < math.inf for value in values)):
            self._refuse(f"{name} must be {'whole numbers' if whole else 'numbers'} from 0 on, got {values!r}")

    def _check_choices(self) -> None:
        """Fields that are one of a few words; "" is a word of those that may be empty."""
        for name, words in (
            ("negatives", NEGATIVES),
            ("train_negatives", ("", *NEGATIVES)),
            ("train_split", TRAIN_SPLITS),
            ("precision", PRECISIONS),
            ("schedule", SCHEDULES),
            ("sft_schedule", SCHEDULES),
            ("rollouts", ROLLOUTS),
            ("adapters", ADAPTERS),
            ("reward_mode", REWARD_MODES),
        ):
            if (value := getattr(self, name)) not in words:
                empty = ", or empty" if "" in words else ""
                self._refuse(f"{name} must be one of {', '.join(filter(None, words))}{empty}, got {value!r}")
        if not self.source:
            self._refuse("source must name the cross-view pairs: world, or a source of georeplicate.pairs")
        if self.train_split != "train" and self.source != "world":
            self._refuse(f"photographs have no split {self.train_split!r}: train_split is of the synthetic world")

    def _check_ranges(self) -> None:
        for name in self.__dataclass_fields__:
            value, may_be_zero = getattr(self, name), name in _MAY_BE_ZERO
            if isinstance(value, int | float) and not isinstance(value, bool):
                if not may_be_zero and not value > 0:
                    self._refuse(f"{name} must be above 0, got {value}")
                if may_be_zero and not value >= 0:
                    self._refuse(f"{name} must not be below 0, got {value}")
        if not 2 <= self.k <= 26:
            self._refuse(f"k must be 2 to 26, one letter a candidate, got {self.k}")
        if len(self.reward_weights) != 4 or not all(weight >= 0 for weight in self.reward_weights):
            self._refuse(
                f"reward_weights are four numbers from 0 on (accuracy, format, length, repetition), got "
                f"{self.reward_weights}"
            )
        if self.prompts_per_update % self.accumulation or self.sft_batch % self.sft_accumulation:
            self._refuse("accumulation must divide prompts_per_update, and sft_accumulation sft_batch")
        if self.group_size < 2:
            self._refuse("group_size must be at least 2: an advantage compares answers to the same question")
        if not 0 < self.epsilon < 1:
            self._refuse(f"epsilon must lie between 0 and 1, got {self.epsilon}")
        for field in ("adam_betas", "sft_adam_betas"):
            betas = getattr(self, field)
            if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
                self._refuse(f"{field} are two numbers from 0 to below 1, got {betas}")
        if not 0 <= self.sft_warmup <= 1:
            self._refuse(f"sft_warmup is a share from 0 to 1, got {self.sft_warmup}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            self._refuse(f"seeds must be one or more different numbers, got {self.seeds}")

    def _check_replay(self) -> None:
        """What is replayed of the base's practice, beside GRPO and in SFT."""
        if self.replay >= 1:
            self._refuse(f"replay is a share from 0 to below 1, got {self.replay}")
        if self.replay and self.source != "world":
            self._refuse("replay is of what the base of the synthetic world practised: there is none for photographs")
        if self.sft_rule and self.source != "world":
            self._refuse("sft_rule is of bases that were taught the answering rule, those of the synthetic world")
        if self.replay and not self.replayed:
            self._refuse(f"replay={self.replay} of {self.completions_per_update} completions is no record at all")
        if self.replay and (self.accumulation > 1 or self.rollouts != "shared-prefix"):
            self._refuse("with replay accumulation must be 1 and rollouts shared-prefix")

    def _check_pictures(self) -> None:
        if len(self.panorama_px) != 2:
            self._refuse(f"panorama_px is (height, width), got {self.panorama_px}")
        height, width = self.panorama_px
        if height <= 0 or width % height:
            self._refuse(f"panorama_px is (height, width) with width a multiple of height, got {self.panorama_px}")
        for field, side in (("panorama_px", height), ("tile_px", self.tile_px), ("crop_px", self.crop_px)):
            if side % self.image_factor:
                self._refuse(f"{field} must be a multiple of {self.image_factor} (one visual token), got {side}")

    def _refuse(self, why: str):
        raise ValueError(f"profile {self.name!r}: {why}")

    def keyed(self) -> dict[str, Any]:
        """The fields of which a run's key is made: those that came later only where they are not what they were when
        nothing named them, so that older runs keep their keys."""
        return {name: value for name, value in asdict(self).items() if _LATER.get(name, ...) != value}

    @property
    def recipe(self) -> str:
        """Which recipe trains this profile: see runs.recipes."""
        if self.source == "world":
            return "geographic" if self.model == ARMS_BASE else "mini"
        return "dry" if self.model == DRY_BASE else "photographs"

    def negatives_of(self, split: str) -> str:
        """Where the wrong candidates of a split's questions come from."""
        return split == "train" and self.train_negatives or self.negatives

    @property
    def completions_per_update(self) -> int:
        return self.prompts_per_update * self.group_size

    @property
    def replayed(self) -> int:
        """Records that are replayed beside an update's completions."""
        return round(self.replay * self.completions_per_update)

    def steps(self, stage: str) -> int:
        """Optimizer updates of a stage of training."""
        return self.sft_steps if stage in ("sft", "sft-lora") else self.rl_steps

    def checkpoint_every(self, stage: str) -> int:
        """Updates between two checkpoints of a stage, which fall between two batches of answers."""
        whole = self.num_iterations if stage.startswith("grpo") else 1
        return max(1, self.steps(stage) // CHECKPOINTS // whole) * whole

    @property
    def evaluated_at_once(self) -> int:
        """Questions that a policy answers at once when it is evaluated, on each device."""
        return 64 if self.source == "world" else 16

    @property
    def visual_tokens(self) -> int:
        """Of one pairing question: the panorama and k tiles."""
        height, width = self.panorama_px
        return (height * width + self.k * self.tile_px**2) // self.image_factor**2


def written(value: Any) -> str:
    """A field's value as `Profile.changed` reads it: several numbers with commas."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _value(kind: Any, text: str) -> Any:
    """A field's value from its text; ValueError where it is no value of that type."""
    if get_origin(kind) is tuple:
        return tuple(_value(get_args(kind)[0], part) for part in text.split(",") if part.strip())
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if kind in (int, float):
        return kind(text)
    if any(map(str.isspace, text)):  # it would not be one word of `spec`
        raise ValueError(text)
    return text


def _kind(kind: Any) -> str:
    """What a field holds, in words."""
    if get_origin(kind) is tuple:
        return "numbers with commas between them"
    return {int: "a whole number", float: "a number", bool: "True or False"}.get(kind, "one word")


_MINI = dict(
    source="world",
    n_train_sites=4_000,
    n_validation_sites=400,
    n_test_sites=600,
    panorama_px=(32, 128),
    tile_px=64,
    crop_px=64,
    model="mini-base",
    image_factor=16,
    freeze_vision=True,  # with it trained, gains scatter far more from base to base: results/LOG.md
    sft_steps=150,
    sft_batch=32,
    sft_learning_rate=5e-4,
    sft_rule=True,
    rl_steps=150,
    # Ours: without it the form of the prompts that no reward is about is lost within an hour (results/LOG.md).
    replay=0.3,
    prompts_per_update=16,
    group_size=8,
    learning_rate=1.5e-4,
    schedule="constant_with_warmup",
    warmup_steps=20,
    adam_betas=(0.9, 0.98),
    beta=0.01,
    top_k=0,
    max_completion_length=80,
    # The curve of the length reward is made for 1,024 tokens. At mini scale completions have some twenty: in a group
    # whose letters are all wrong the rewards then differ by 1e-4, the group's own spread turns this into full
    # advantages, and the thinking gets shorter for no reason (results/LOG.md). So it is computed and recorded, and not
    # added; runs of their own have it.
    reward_weights=(1.0, 1.0, 0.0, 1.0),
    seeds=(0, 1, 2),
)

_QWEN = dict(
    source="cv-cities",
    n_validation_sites=500,  # ours
    n_test_sites=1000,  # ours: the size of the paper's test set is not published
    panorama_px=(448, 896),  # ours: the release resizes nothing below 12.8 million pixels
    tile_px=448,  # ours
    crop_px=448,  # ours
    image_factor=28,
    prompts_per_update=8,
    group_size=8,
    learning_rate=1e-6,
    schedule="linear",
    adam_betas=(0.9, 0.999),
    beta=0.04,
    top_k=50,
    gradient_checkpointing=True,
)

_PROFILES: dict[str, dict] = {
    "smoke": _MINI
    | dict(
        n_train_sites=64,
        n_validation_sites=16,
        n_test_sites=16,
        sft_steps=2,
        sft_batch=4,
        rl_steps=2,
        prompts_per_update=2,
        group_size=4,
        max_completion_length=40,  # a thought about a place ends within it
        seeds=(0,),
    ),
    "mini": _MINI,
    # The registered arms of runs.arms, one base for each seed: longer GRPO, from bases of several kinds.
    "geographic": _MINI | dict(model=ARMS_BASE, sft_rule=False, rl_steps=240, replay=0.0),
    "small": _MINI
    | dict(
        n_train_sites=40_000,
        n_test_sites=1000,
        panorama_px=(64, 256),
        tile_px=96,
        crop_px=96,
        sft_steps=600,
        rl_steps=400,
        max_completion_length=120,
        seeds=(0, 1, 2, 3, 4),
    ),
    "single_gpu": _QWEN
    | dict(
        n_train_sites=4000,
        model="Qwen/Qwen2.5-VL-3B-Instruct",
        sft_steps=400,
        sft_batch=32,
        sft_accumulation=32,  # ours, as the other
        sft_learning_rate=1e-5,
        rl_steps=500,
        accumulation=8,  # ours: 93 GB by the plan, so a GPU of 96; with 1 it is 137. What fits 80: README
        max_completion_length=1024,
        seeds=(42,),
    ),
    "paper": _QWEN
    | dict(
        n_train_sites=16_000,  # inferred from the release's folder name cv_cities_16k
        model="Qwen/Qwen2.5-VL-7B-Instruct",
        sft_steps=394,  # 12.6 thousand records, two epochs (ours) of batches of 64 (ours)
        sft_batch=64,
        sft_learning_rate=1e-5,  # ours
        rl_steps=4000,  # two epochs
        max_completion_length=2048,
        seeds=(42,),  # the default of the trainer it uses; the release sets none
    ),
}
# What `paper-dry` changes of `paper`: sizes, the model, and, as its few places have not five of one neighbourhood in
# every split, how many candidates a question has and how near they are.
_PROFILES["paper-dry"] = _PROFILES["paper"] | dict(
    model=DRY_BASE,
    n_train_sites=32,
    n_validation_sites=4,
    n_test_sites=8,
    panorama_px=(56, 112),
    tile_px=56,
    crop_px=56,
    k=3,
    negatives="near",
    precision="fp32",
    sft_steps=2,
    sft_batch=4,
    rl_steps=2,
    prompts_per_update=2,
    group_size=4,
    max_completion_length=16,
)
