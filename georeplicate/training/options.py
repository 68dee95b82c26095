"""Which fields of TRL's GRPOConfig the shared-prefix trainer honours, and that it refuses every other: an option
that is ignored without a word makes a run that is not what its settings say."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from typing import Any

import torch
from transformers import TrainingArguments
from trl import GRPOConfig

from georeplicate.training.loss import LEVELS, LOSS_TYPES, SCALES

# What the trainer honours, and what it means there; of TrainingArguments it looks after `LOOP` alone.
HONOURED = {
    "num_generations": "completions of a prompt, G",
    "num_generations_eval": "the same in evaluation",
    "max_completion_length": "longest answer in tokens; None is refused, as room is made for the longest",
    "temperature": "of sampling and of the log-probabilities",
    "top_k": "only so many most probable tokens are drawn from; 0: all",
    "top_p": "only the fewest most probable tokens that hold so much probability",
    "min_p": "only tokens with at least so much of the highest probability",
    "repetition_penalty": "of tokens that the prompt or the answer holds; padding is no token of the prompt",
    "beta": "weight of the KL penalty; 0 loads no reference",
    "use_bias_correction_kl": "the KL penalty is weighted by the ratio",
    "epsilon": "the ratio is clipped below 1 - epsilon; above, if epsilon_high is None",
    "epsilon_high": "the ratio is clipped above 1 + epsilon_high; with cispo above epsilon_high itself",
    "delta": "upper bound of the ratio also where the advantage is negative; refused with cispo, which has none",
    "importance_sampling_level": "one ratio a token, or one an answer (GSPO)",
    "loss_type": "how the losses of tokens become one number",
    "num_iterations": "updates on the same answers",
    "steps_per_generation": "micro-batches that are sampled at once",
    "generation_batch_size": "completions that are sampled at once, over all processes",
    "scale_rewards": "advantages are divided by the standard deviation of their group, of the batch, or by nothing",
    "reward_weights": "of the reward functions, in their order",
    "mask_truncated_completions": "answers that were cut off do not enter the loss",
    "router_aux_loss_coef": "0 for a mixture of experts, whose load-balancing loss is not computed",
    "shuffle_dataset": "the order of the rows; TRL's, and found again by a resumed run",
    "disable_dropout": "dropout layers of the model do nothing",
    "log_completions": "a table of prompts, completions, rewards and advantages at every logged step",
    "log_multimodal": "with their images, where the tracker shows images",
    "log_unique_prompts": "one row a prompt in the tracker's table",
    "num_completions_to_print": "rows of the table that are printed",
}
# Honoured fields of which some values are refused: {name: the values that are taken}.
VALUES: dict[str, tuple[Any, ...]] = {
    "loss_type": LOSS_TYPES,
    "importance_sampling_level": LEVELS,
    "scale_rewards": SCALES,
    "router_aux_loss_coef": (None, 0.0),
}
# Why no other value than the default is taken: {pattern of names: the reason}; the first that fits counts.
REFUSED = {
    "sapo_.*|vespo_.*": "it belongs to a loss that is not computed here",
    "(use_)?vllm.*": "answers are sampled by the shared-prefix kernel (VLLMGRPOTrainer takes vLLM's)",
    "use_transformers_.*|transformers_.*": "answers are sampled by the shared-prefix kernel, not by transformers",
    "cache_implementation": "the kernel keeps one copy of each prompt's keys and values, which no cache class does",
    "generation_kwargs": "the shared-prefix kernel samples by temperature, top_k, top_p, min_p and repetition_penalty",
    "pad_to_multiple_of": "prompts and answers are packed without padding",
    "chat_template_kwargs": "the processor's chat template is used as it stands",
    "model_init_kwargs": "the model is loaded whole and in fp32: load it yourself and hand it over",
    "trust_remote_code": "no code of a checkpoint is run",
    "cast_lm_head_to_fp32": "log-probabilities are computed in fp32 from the head's own data type",
    "ds3_gather_for_generation": "under ZeRO-3 weights are gathered for as long as answers are sampled",
    "sync_ref_model|ref_model_.*": "the reference is the starting policy, for the whole run",
    "top_entropy_quantile": "all tokens enter the loss",
    ".*entropy.*": "the loss has no bonus for entropy, which is logged alone",
    "off_policy_mask_threshold": "answers that the policy has moved away from are clipped, never masked",
    "multi_objective_aggregation": "rewards are summed, then normalised",
    "max_tool_calling_iterations": "answers have one turn, without tools",
    "log_completions_hub_repo": "nothing is uploaded",
}
# Fields of TrainingArguments that would be ignored or go wrong: {name: (the value that is taken, why)}.
LOOP: dict[str, tuple[Any, str]] = {
    "remove_unused_columns": (False, "the columns are what the reward functions are told"),
    "label_smoothing_factor": (0.0, "the loss has no labels to smooth"),
    "torch_compile": (False, "the packed row has another shape in every batch"),
    "fp16": (False, "answers would be sampled in another data type than they are scored in: bf16 is honoured"),
    "use_liger_kernel": (False, "its loss is computed from padded answers and its layers know no packed row"),
    "neftune_noise_alpha": (None, "the noise would be that of the packed row's length, and no answer's own"),
    "train_sampling_strategy": ("random", "shuffle_dataset alone says in which order the rows come"),
    "data_seed": (None, "the order of the rows follows from seed"),
    "parallelism_config": (None, "a packed row is computed whole by one process"),
}


class _Defaults(GRPOConfig):
    """Arguments that nobody trains with. Others take a device for the whole process when they are made, from those who
    made theirs before: a training on a GPU would go on on the CPU."""

    _setup_devices: Any = property(lambda self: torch.device("cpu"))
    distributed_state: Any = None


@cache
def fields() -> dict[str, Any]:
    """{name: default, as the installed version of TRL resolves it} of what GRPOConfig adds to TrainingArguments."""
    common = {field.name for field in dataclasses.fields(TrainingArguments)}
    plain = _Defaults(output_dir="unused", use_cpu=True, bf16=False, report_to=[])  # writes nothing
    return {
        field.name: getattr(plain, field.name) for field in dataclasses.fields(GRPOConfig) if field.name not in common
    }


def expected() -> dict[str, Any]:
    """{name: the one value that is taken} of every field that is not honoured."""
    own = {name: default for name, default in fields().items() if name not in HONOURED}
    return own | {name: value for name, (value, _) in LOOP.items()}


def reason(name: str) -> str:
    """Why a field is not honoured, as the end of a sentence."""
    if name in LOOP:
        return LOOP[name][1]
    found = (why for pattern, why in REFUSED.items() if re.fullmatch(pattern, name))
    return next(found, "it is newer than this trainer")


def refuse(args: GRPOConfig) -> None:
    """ValueError in one sentence for the first field whose value this trainer would not honour."""
    if args.max_completion_length is None:
        raise ValueError(
            "max_completion_length=None is not honoured by the shared-prefix trainer, which makes room for the longest "
            "answer: set it to a number of tokens, or train with TRL's own GRPOTrainer"
        )
    for name, values in VALUES.items():
        if (given := getattr(args, name)) not in values:
            raise ValueError(
                f"{name}={given!r} is not honoured by the shared-prefix trainer: set it to one of "
                f"{', '.join(map(repr, values))}, or train with TRL's own GRPOTrainer"
            )
    if args.loss_type == "cispo" and args.delta is not None:
        raise ValueError(f"delta={args.delta!r} does nothing in the loss cispo: set it to None, or take another loss")
    for name, value in expected().items():
        if (given := getattr(args, name)) != value:
            raise ValueError(
                f"{name}={given!r} is not honoured by the shared-prefix trainer, as {reason(name)}: set it to "
                f"{value!r}, or train with TRL's own GRPOTrainer"
            )
