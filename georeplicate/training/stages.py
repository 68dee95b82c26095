"""How one stage of any recipe is trained: rows in, policy out, every setting from the profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from peft import LoraConfig
from transformers import TrainerCallback

from georeplicate.model import policy as policies
from georeplicate.profiles import Profile
from georeplicate.tasks.answers import Mode
from georeplicate.tasks.rows import Rows
from georeplicate.training import grpo, processes, rewards, sft

SUPERVISED, REINFORCED = ("sft", "sft-lora", "supervised"), ("grpo", "grpo-places")  # kinds of stages
# "paper": mode and weights of the profile; "paper with length" and "released": all weights 1, as described and as
# released; "random": a coin; "distance": for single places, how near the named place is to the true one
REWARDS = ("paper", "paper with length", "released", "random", "distance")
# Adapters, of the stage "sft-lora" (GeoReasoner's way) and of profiles that want them, are those of the language model;
# those of "lora-vision" also of the blocks of the tower, as the supported families name its linear maps.
LORA_MODULES = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"
_LINEAR = r"qkv|proj|[qkv]_proj|projection_layer|(gate|up|down)_proj|fc[12]|linear_fc[12]"
LORA_VISION = rf"{LORA_MODULES}|.*(visual\.blocks|vision_tower\.encoder)\..*\.({_LINEAR})"

Report = Callable[..., None]  # report(updates, doing, skipped=False)


def reward_function(kind: str, seed: int, profile: Profile) -> Callable[[str, dict, int], Any]:
    """(text, row, n_tokens) -> Reward; "random" is a coin of text and question: blind to the letter. A row without a
    letter is one of a single place, rewarded by its labels; only such a row can be rewarded by "distance"."""
    if kind not in REWARDS:
        raise ValueError(f"unknown reward {kind!r}: choose one of {', '.join(REWARDS)}")
    if kind == "random":

        def coin(text: str, row: dict, n_tokens: int) -> float:
            return float(np.random.default_rng([seed, crc32((text + row["id"]).encode())]).random() < 0.5)

        return coin
    mode: Mode = "released" if kind == "released" else "paper"
    weights = dict(rewards.WEIGHTS)
    if kind in ("paper", "distance"):
        mode, weights = profile.reward_mode, dict(zip(rewards.WEIGHTS, profile.reward_weights, strict=True))

    def weighted(text: str, row: dict, n_tokens: int) -> rewards.Reward:
        if kind == "distance":
            if "letter" in row:
                raise ValueError(f"the reward distance is of single places: question {row['id']} asks for a letter")
            return rewards.distance(text, row["lat"], row["lon"], mode, weights=weights)
        if "letter" not in row:
            return rewards.place(text, row["country"], row["city"], mode, weights=weights)
        return rewards.total(text, row["letter"], n_tokens, mode, weights=weights)

    return weighted


class _Keep(TrainerCallback):
    """Writes the policy as it is, before the checkpoint of the same update, so that a run which goes on from there has
    it already. Nothing random is drawn: training is what it is without."""

    def __init__(self, where: Mapping[int, Path]):
        self.where = where

    def on_step_end(self, args, state, control, model: Any = None, processing_class: Any = None, **kwargs):
        if state.global_step in self.where:
            policies.Policy(model, processing_class).save(self.where[state.global_step])


class _Progress(TrainerCallback):
    def __init__(self, report: Report, steps: int):
        self.report, self.steps = report, steps

    def on_train_begin(self, args, state, control, **kwargs):
        self.report(state.global_step, f"update {state.global_step}/{self.steps}", skipped=True)

    def on_step_end(self, args, state, control, **kwargs):
        self.report(1, f"update {state.global_step}/{self.steps}")


def train(
    stage: str,
    start: str | Path,
    rows: Sequence[dict[str, Any]],
    folder: str | Path,
    profile: Profile,
    *,
    seed: int,
    reward: str = "paper",
    report: Report = lambda *_, **__: None,
    report_to: str = "none",
    keep: Mapping[int, Path] | None = None,
    replay: Sequence[dict[str, Any]] | None = None,
) -> Path:
    """Train from the newest good checkpoint in `folder`, if there is one; returns the folder of the policy.

    stage: "sft" on rows {images or pixels, prompt, completion}; "grpo" on rows {images or pixels, prompt, letter, id};
    "supervised" on the same rows, told the right letter: as many completions an update as GRPO samples; "sft-lora" as
    "sft", by adapters at `lora_rate` times its learning rate; "grpo-places" on rows {images or pixels, prompt, country,
    city, lat, lon, id}, rewarded by these labels. report is told of every update, and of those that a checkpoint spares
    (skipped=True). report_to: one of common.TRACKERS. keep: {update: the folder in which the policy of that
    moment stays}; ValueError with adapters or in several processes, which have no whole policy to keep. replay: rows as
    of "sft", `Profile.replayed` an update, whose loss is added to GRPO's where the profile has `replay`; ValueError
    where such a profile has none, and for another stage. ValueError for an unknown stage.

    A profile whose `rollouts` come from a vLLM server reads its address from the variable GEOREPLICATE_VLLM. A profile
    with `adapters` trains adapters in every stage; each of them leaves `adapter/` and, merged, `policy/`.
    """
    if stage not in (*SUPERVISED, *REINFORCED):
        raise ValueError(f"unknown stage {stage!r}: choose one of {', '.join((*SUPERVISED, *REINFORCED))}")
    if (stage in REINFORCED and profile.replay > 0) != (replay is not None):
        raise ValueError(
            f"the stage {stage} was given {'rows to replay' if replay is not None else 'nothing to replay'}, and "
            f"replay of the profile is {profile.replay}: rows are replayed beside GRPO, where a profile says how many"
        )
    steps = profile.steps(stage)
    callbacks: list[TrainerCallback] = [_Progress(report, steps)]
    if keep:
        if profile.adapters or stage == "sft-lora" or processes.count() > 1:
            way = "--launch" if processes.count() > 1 else "--adapters" if profile.adapters else f"the stage {stage}"
            raise ValueError(f"policies of the middle of training are kept whole, by one process: leave {way} out")
        callbacks.append(_Keep(keep))
    shared = _shared(stage, profile) | {"seed": seed, "callbacks": callbacks, "report_to": report_to}
    if stage in SUPERVISED:
        if stage == "supervised":
            rows = Rows(rows, lambda row: row | {"completion": f"<answer> {row['letter']} </answer>"})
        return sft.train(start, rows, folder, **_sft(stage, profile), **shared)
    rewarded = reward_function(reward, seed, profile)
    return grpo.train(start, rows, rewarded, folder, replay=replay, **_grpo(profile), **shared)


def _shared(stage: str, profile: Profile) -> dict[str, Any]:
    """Settings of a profile that hold for every kind of stage; those of adapters where it trains them."""
    adapters: dict[str, Any] = {}
    rate = profile.sft_learning_rate if stage in ("sft", "sft-lora") else profile.learning_rate
    if profile.adapters or stage == "sft-lora":
        rate *= profile.lora_rate
        adapters["four_bits"] = profile.adapters == "qlora"
        adapters["peft_config"] = LoraConfig(
            r=profile.lora_rank,
            lora_alpha=profile.lora_alpha,
            target_modules=LORA_VISION if profile.adapters == "lora-vision" else LORA_MODULES,
        )
    return adapters | {
        "steps": profile.steps(stage),
        "save_steps": profile.checkpoint_every(stage),
        "learning_rate": rate,
        "freeze_vision": profile.freeze_vision,
        "weight_decay": profile.weight_decay,
        "max_grad_norm": profile.max_grad_norm,
        "gradient_checkpointing": profile.gradient_checkpointing,
        "bf16": {"auto": None, "bf16": True, "fp32": False}[profile.precision],
    }


def _sft(stage: str, profile: Profile) -> dict[str, Any]:
    """Of a stage that is told the right completions."""
    if stage == "supervised":
        size = {"batch_size": profile.completions_per_update}
    else:
        size = {"batch_size": profile.sft_batch, "accumulation": profile.sft_accumulation}
    return size | {
        "schedule": profile.sft_schedule,
        "warmup_steps": round(profile.sft_warmup * profile.steps(stage)),
        "adam_betas": profile.sft_adam_betas,
    }


def _grpo(profile: Profile) -> dict[str, Any]:
    return {
        "max_new_tokens": profile.max_completion_length,
        "prompts_per_step": profile.prompts_per_update,
        "num_generations": profile.group_size,
        "num_iterations": profile.num_iterations,
        "accumulation": profile.accumulation,
        "beta": profile.beta,
        "clip": profile.epsilon,
        "temperature": profile.temperature,
        "top_k": profile.top_k,
        "schedule": profile.schedule,
        "warmup_steps": profile.warmup_steps,
        "adam_betas": profile.adam_betas,
        "rollouts": profile.rollouts,
        "server": grpo.server_of(profile.rollouts),
        "replay_share": profile.replay,
    }
