"""The paper's settings, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from georeplicate.paper.sources import CONFIG, NOTES, POSTER, SCRIPT, Strength, frame_of
from georeplicate.paper.tables import TABLE2, TABLE2_DECIMALS, THRESHOLDS_KM

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Setting:
    """One hyper-parameter. ``stage`` is "sft", "grpo", "reward" or "task"; a value of None is not published."""

    name: str
    value: float | int | str | bool | tuple | None
    unit: str
    stage: Literal["sft", "grpo", "reward", "task"]
    source: str
    strength: Strength
    note: str = ""


_BASE = TABLE2[0]
NEARLY_RANDOM = f"{_BASE.model}'s {_BASE.accuracy_percent:.{TABLE2_DECIMALS}f} % is called nearly random"

SETTINGS = (
    Setting("base_model", "Qwen/Qwen2.5-VL-7B-Instruct", "", "grpo", NOTES, "S"),
    Setting("processes", 8, "GPUs", "grpo", SCRIPT, "V", "one node, DeepSpeed ZeRO-3 without offload"),
    Setting("precision", "bf16", "", "grpo", SCRIPT, "V"),
    Setting("attention", "flash_attention_2", "", "grpo", SCRIPT, "V"),
    Setting("gradient_checkpointing", True, "", "grpo", SCRIPT, "V"),
    Setting("per_device_batch", 4, "completions", "grpo", SCRIPT, "V"),
    Setting("gradient_accumulation", 2, "steps", "grpo", SCRIPT, "V"),
    Setting("num_generations", 8, "completions per prompt", "grpo", SCRIPT, "V", "G"),
    Setting("completions_per_update", 64, "completions", "grpo", SCRIPT, "V", "processes x batch x accumulation"),
    Setting("prompts_per_update", 8, "prompts", "grpo", SCRIPT, "V", "completions per update / G"),
    Setting("max_completion_length", 2048, "tokens", "grpo", SCRIPT, "V"),
    Setting("epochs", 2, "", "grpo", SCRIPT, "V"),
    Setting("save_steps", 500, "updates", "grpo", SCRIPT, "V"),
    Setting("beta", 0.04, "", "grpo", SCRIPT, "V", "weight of the KL term, k3 estimator"),
    Setting("learning_rate", 1e-6, "", "grpo", CONFIG, "V", "default, not set by the script"),
    Setting("clip_epsilon", 0.2, "", "grpo", CONFIG, "V"),
    Setting("num_iterations", 1, "updates per batch", "grpo", CONFIG, "V"),
    Setting("temperature", 1.0, "", "grpo", CONFIG, "V", "hard-coded; the configuration's 0.9 is ignored"),
    Setting("top_k", 50, "", "grpo", CONFIG, "V", "library default"),
    Setting("top_p", 1.0, "", "grpo", CONFIG, "V", "library default"),
    Setting("advantage_std_ddof", 1, "", "grpo", CONFIG, "V", "unbiased standard deviation within a group"),
    Setting("advantage_epsilon", 1e-4, "", "grpo", CONFIG, "V", "added to the standard deviation"),
    Setting("loss_mean", "tokens of a completion, then completions", "", "grpo", CONFIG, "V"),
    Setting("reward_functions", ("accuracy", "format", "length", "repetition"), "", "grpo", SCRIPT, "V"),
    Setting("reward_aggregation", "sum", "", "grpo", CONFIG, "V", "the field reward_weights exists and is ignored"),
    Setting("use_vllm", False, "", "grpo", SCRIPT, "V"),
    Setting("full_fine_tune", True, "", "grpo", SCRIPT, "V", "no adapters, the vision tower is trained"),
    Setting("min_pixels", 3136, "pixels per image", "grpo", CONFIG, "V"),
    Setting("max_pixels", 12_845_056, "pixels per image", "grpo", CONFIG, "V", "up to 16,384 visual tokens"),
    Setting("seed", 42, "", "grpo", CONFIG, "V", "library default; the script drops upstream's data seed"),
    Setting("training_pairs", 16_000, "pairs", "grpo", SCRIPT, "I", "from the folder name cv_cities_16k"),
    Setting("updates", 4000, "updates", "grpo", SCRIPT, "I", "if there are 16,000 prompts"),
    Setting("hardware", "8 x H100", "", "grpo", NOTES, "S"),
    Setting("sft_records", 12_600, "records", "sft", NOTES, "S", "synthetic chains of thought from CV-Cities"),
    Setting("sft_full_fine_tune", True, "", "sft", NOTES, "S", "LLaMA-Factory"),
    Setting("sft_learning_rate", None, "", "sft", "not published", "choice"),
    Setting("sft_epochs", None, "", "sft", "not published", "choice"),
    Setting("candidates", 5, "aerial views", "task", f"not published; {NEARLY_RANDOM}", "I", "k"),
    Setting("distance_thresholds", tuple(THRESHOLDS_KM.values()), "km", "task", POSTER.format(1), "V"),
)


def setting(name: str) -> Setting:
    """One entry of ``SETTINGS``; KeyError with the known names for an unknown one."""
    for entry in SETTINGS:
        if entry.name == name:
            return entry
    raise KeyError(f"no setting {name!r}; known: {', '.join(entry.name for entry in SETTINGS)}")


def settings() -> pd.DataFrame:
    """All settings with source and strength."""
    return frame_of(SETTINGS)
