"""Which fields of TRL's GRPOConfig the shared-prefix trainer honours, and that it refuses every other: an option
that is ignored without a word makes a run that is not what its settings say."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

from transformers import TrainingArguments
from trl import GRPOConfig

# What the trainer reads itself; all fields of TrainingArguments are the library's own loop and are honoured there.
HONOURED = frozenset(
    {
        "num_generations",
        "max_completion_length",
        "temperature",
        "top_k",
        "beta",
        "epsilon",
        "num_iterations",
        "steps_per_generation",
        "generation_batch_size",
    }
)
# Fields of which one value alone is computed here, whatever the library's default is: (value, why).
FIXED: dict[str, tuple[Any, str]] = {
    "loss_type": ("grpo", "the loss is a mean over the tokens of a completion, then over completions"),
    "scale_rewards": ("group", "advantages are scaled by the standard deviation within their group"),
    "top_p": (1.0, "completions are sampled from the top_k most probable tokens, or from all"),
    "use_bias_correction_kl": (False, "the KL penalty is the k3 estimator as it stands"),
    "shuffle_dataset": (False, "the order of the rows follows from the seed alone, so that a run can be resumed"),
}


@cache
def fields() -> dict[str, Any]:
    """{name: default, as the installed version of TRL resolves it} of what GRPOConfig adds to TrainingArguments."""
    common = {field.name for field in dataclasses.fields(TrainingArguments)}
    plain = GRPOConfig(output_dir="unused", use_cpu=True, bf16=False, report_to=[])  # writes nothing
    return {
        field.name: getattr(plain, field.name) for field in dataclasses.fields(GRPOConfig) if field.name not in common
    }


def expected() -> dict[str, Any]:
    """{name: the one value that is taken} of every field that is not honoured."""
    return {name: FIXED.get(name, (default,))[0] for name, default in fields().items() if name not in HONOURED}


def refuse(args: GRPOConfig) -> None:
    """ValueError in one sentence for the first field whose value this trainer would not honour."""
    if args.max_completion_length is None:
        raise ValueError(
            "max_completion_length=None is not honoured by the shared-prefix trainer, which makes room for the longest "
            "answer: set it to a number of tokens, or train with TRL's own GRPOTrainer"
        )
    for name, value in expected().items():
        given = getattr(args, name)
        if given != value:
            why = f", as {FIXED[name][1]}" if name in FIXED else ""
            raise ValueError(
                f"{name}={given!r} is not honoured by the shared-prefix trainer{why}: set it to {value!r}, or train "
                "with TRL's own GRPOTrainer"
            )
