"""Which runs there are: the four systems of Table 2 and what is trained beside them.

base ─┬─ sft-s0, s1, s2 ───── r1-s0, s1, s2        GRPO from SFT: stands for Geo-R1
      ├─ zero-s0, s1, s2                           GRPO from the base: stands for Geo-R1-Zero
      ├─ curve-s0                                  zero-s0 again, evaluated in the middle of training
      ├─ globe-s0, georeasoner-s0                  of Table 1: task labels, by GRPO and by two stages of LoRA SFT
      ├─ internvl-s0                               of Table 1: another family, with the base's decoder and new eyes
      └─ isns-s0, geoclip-s0, hybrid-s0, rfm-s0    of Table 1: trained on features of the base's vision tower
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from georeplicate.profiles import Profile
from georeplicate.runs.recipes import Recipe, of

STANDS_FOR = {"base": "Qwen2.5-VL-7B", "sft": "Geo-SFT", "zero": "Geo-R1-Zero", "r1": "Geo-R1"}  # the paper's spelling


@dataclass(frozen=True)
class Run:
    """One training run and its evaluation. start: the run whose policy it goes on from, or "base"."""

    name: str
    system: str
    stands_for: str
    # "base" (evaluated, not trained), "sft", "grpo", "supervised", "grpo-places", "sft-lora", "internvl", "stand-in"
    stage: str
    seed: int
    start: str = "base"
    reward: str = "paper"  # one of training.stages.REWARDS
    control: str = ""  # "", or one of the recipe's controls
    baseline: str = ""  # of a stand-in: which of evaluation.baselines it is
    tasks: tuple[str, ...] = ()  # names of those it is evaluated on; (): all where it stands for a system, else pairing
    curve: bool = False  # evaluated at each checkpoint, on validation questions, instead of at the end (see runs.curve)

    @property
    def checkpoint(self) -> str:
        """Which weights answer, for the tables."""
        if self.stage == "base" and self.system.startswith("dry-"):
            return "random weights"
        if self.stage == "base" and self.system.startswith("geographic-"):
            return "made by train base"
        if self.stage == "base":
            return "as published" if not self.system.startswith("mini-") else "shipped with this package"
        made_here = self.system.startswith(("mini-", "geographic-", "dry-"))
        base = self.system.partition("-")[0] if made_here else "the base"
        if self.baseline:
            return f"trained here on features of {base}-base"
        if self.stage == "internvl":
            return f"trained here, with the decoder of {base}-base and a tower of its own"
        return f"trained here from {base}-{'base' if self.start == 'base' else 'SFT'}"


def _run(recipe: Recipe, what: str, stage: str, seed: int, **more) -> Run:
    return Run(f"{what}-s{seed}", recipe.systems[what], STANDS_FOR[what], stage, seed, **more)


def table2_runs(seeds: Iterable[int], recipe: Recipe | Profile | str) -> list[Run]:
    """The four systems of Table 2; `stands_for` is the paper's spelling."""
    recipe, seeds = of(recipe), tuple(seeds)
    return [
        Run("base", recipe.systems["base"], STANDS_FOR["base"], "base", 0),
        *(_run(recipe, "sft", "sft", seed) for seed in seeds),
        *(_run(recipe, "zero", "grpo", seed) for seed in seeds),
        *(_run(recipe, "r1", "grpo", seed, start=f"sft-s{seed}") for seed in seeds),
    ]


def ablation_runs(seeds: Iterable[int], recipe: Recipe | Profile | str) -> list[Run]:
    """Controls that must stay at chance or where the base is, supervised training, and the rewards with their length,
    in both modes."""
    recipe, seeds = of(recipe), tuple(seeds)
    zero = recipe.systems["zero"]

    def run(what: str, seed: int, **more) -> Run:
        return Run(f"{what}-s{seed}", zero.replace("Zero", what.replace("zero", "Zero", 1)), "", "grpo", seed, **more)

    return [
        run("zero-random-reward", 0, reward="random"),
        *(run(f"zero-{control.replace(' ', '-')}", 0, control=control) for control in recipe.controls),
        Run("supervised-s0", zero.replace("Zero", "supervised"), "", "supervised", 0),
        *(run("zero-length", seed, reward="paper with length") for seed in seeds),
        *(run("zero-released", seed, reward="released") for seed in seeds),
    ]


# Of Table 1: the systems that are networks on frozen features, by the name of their run, and those that are policies.
STAND_INS = {"isns": "ISNs", "geoclip": "GeoCLIP", "hybrid": "Hybrid", "rfm": "RFM-YFCC"}
POLICIES = {
    "internvl": ("InternVL", "InternVL3-8B", "internvl"),
    "globe": ("GLOBE", "GLOBE-7B", "grpo-places"),
    "georeasoner": ("GeoReasoner", "GeoReasoner-7B", "sft-lora"),
}


def table1_runs(seeds: Iterable[int], recipe: Recipe | Profile | str) -> list[Run]:
    """The systems of Table 1 beside those of Table 2, each evaluated on where a photo was taken; last the nearest
    neighbour, a trivial baseline.

    Policies get the first seed alone: each costs as much as a run of Table 2.
    None for a recipe whose systems have weights of their own.
    """
    recipe, seeds = of(recipe), tuple(seeds)
    if not recipe.has_stand_ins:
        return []

    def run(what: str, name: str, stands_for: str, stage: str, seed: int, baseline: str = "") -> Run:
        system = recipe.systems["zero"].replace("Zero", name)
        return Run(f"{what}-s{seed}", system, stands_for, stage, seed, baseline=baseline, tasks=("geolocation",))

    return [
        *(run(what, *of_policy, seeds[0]) for what, of_policy in POLICIES.items()),
        *(
            run(what, name.removesuffix("-YFCC"), name, "stand-in", seed, name)
            for what, name in STAND_INS.items()
            for seed in seeds
        ),
        run("nearest", "nearest neighbour", "", "stand-in", seeds[0], "nearest neighbour"),
    ]


def curve_runs(recipe: Recipe | Profile | str) -> list[Run]:
    """GRPO from the base once more, with the first seed: trained as zero-s0 is, and evaluated while it learns. None for
    a recipe whose systems are too large to be kept eight times."""
    recipe = of(recipe)
    if not recipe.has_stand_ins:
        return []
    return [Run("curve-s0", recipe.systems["zero"], "", "grpo", 0, tasks=("pairing",), curve=True)]


def all_runs(profile: Profile) -> list[Run]:
    """Every run of a profile, with all of its seeds."""
    seeds = profile.seeds
    return [
        *table2_runs(seeds, profile),
        *table1_runs(seeds, profile),
        *ablation_runs(seeds, profile),
        *curve_runs(profile),
    ]


def seeds_of(profile: Profile, count: int | None = None) -> tuple[int, ...]:
    """The first `count` training seeds of a profile (None: all); ValueError if it has not so many."""
    if count is not None and not 1 <= count <= len(profile.seeds):
        raise ValueError(f"seeds={count}: profile {profile.name} has 1 to {len(profile.seeds)} training seeds")
    return profile.seeds[:count]
