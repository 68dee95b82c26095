"""Supervised fine-tuning: the paper's first stage, the thinking scaffold, on TRL's SFTTrainer.

The loss is the mean negative log-likelihood of the answer's tokens (end of turn included) given images and question;
prompts carry no loss. Rows are question and answer with any number of images; the logprobs come from the packed kernel
of `georeplicate.model.shared_prefix`, so padding and repeated images cost nothing: several answers to one question,
given as a list of completions, share its prompt. A row may weigh the tokens of its answers (`weights`), so that a part
of few tokens counts as much as one of many; the loss is then the weighted mean.

What is known of the paper's values: the base is Qwen2.5-VL-7B, full fine-tuning, 12.6 thousand chains of thought made
from CV-Cities with one reasoning template. Learning rate, epochs and batch size are not published. Our choices, named
as such: AdamW (.9, .999), no weight decay, gradient norm <= 1, cosine schedule with 3 % warm-up, lr 1e-5 and batch 64
(common for this model and trainer).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from georeplicate.model import policy as policies
from georeplicate.model import shared_prefix
from georeplicate.training import common, processes


def loss(policy: policies.Policy, rows: Sequence[dict[str, Any]], forward=None) -> tuple[torch.Tensor, float]:
    """Mean negative log-likelihood per answer token of a batch of rows, and the number of these tokens.

    rows: {images or pixels, prompt, completion: str or list of str, weights: of each completion a list with a number
    for each of its tokens, the end of the turn included (optional: 1 each)}. With weights, the weighted mean and the
    sum of the weights. ValueError where there are not as many weights as tokens.
    """
    groups = [_answers(policy, row) for row in rows]
    logprobs = shared_prefix.logprobs(policy.model, policy.encode(rows), groups, forward=forward)
    if not any("weights" in row for row in rows):
        tokens = sum(len(ids) for group in groups for ids in group)
        return -logprobs.sum() / tokens, tokens
    weight = torch.zeros_like(logprobs)
    at = 0
    for row, group in zip(rows, groups, strict=True):
        for ids, weights in zip(group, _weights(row, group), strict=True):
            weight[at, : len(ids)] = torch.tensor(weights, dtype=weight.dtype)
            at += 1
    if not weight.any():
        raise ValueError(f"{_named(rows[0])} and those beside it have weights of 0 alone: the loss would be none")
    return -(logprobs * weight).sum() / weight.sum(), float(weight.sum())


def _answers(policy: policies.Policy, row: dict[str, Any]) -> list[list[int]]:
    given = row.get("completion")
    texts = [given] if isinstance(given, str) else given
    if not (isinstance(texts, Sequence) and texts and all(isinstance(text, str) for text in texts)):
        raise ValueError(f"{_named(row)} has the completion {given!r}: give a text, or a list of one or more")
    return [policy.completion_ids(text) for text in texts]


def _named(row: dict[str, Any]) -> str:
    return f"row {row['id']!r}" if "id" in row else "a row"


def _weights(row: dict[str, Any], group: list[list[int]]) -> Sequence[Sequence[float]]:
    """Of the tokens of each answer to a row."""
    found = row.get("weights") or [[1.0] * len(ids) for ids in group]
    if not all(isinstance(weights, Sequence) for weights in (found, *found)):
        raise ValueError(f"{_named(row)} has weights that are no list for each of its answers")
    if [len(weights) for weights in found] != [len(ids) for ids in group]:
        raise ValueError(
            f"{_named(row)} has weights for {[len(w) for w in found]} tokens and answers of {[len(i) for i in group]}: "
            "give one weight a token, with the one that ends the turn"
        )
    each = [weight for weights in found for weight in weights]
    if not all(isinstance(weight, int | float) and 0 <= weight < math.inf for weight in each):
        raise ValueError(f"{_named(row)} has weights that are no numbers from 0 on: the loss would be none")
    return found


def _answer_tokens(policy: policies.Policy, row: dict[str, Any]) -> float:
    answers = _answers(policy, row)
    if "weights" in row:
        return sum(map(sum, _weights(row, answers)))
    return sum(map(len, answers))


class SharedPrefixSFTTrainer(common.CompleteCheckpoints, SFTTrainer):
    """TRL's SFTTrainer on packed rows. The loss is the mean over all answer tokens of an update, whatever the number of
    micro-batches and processes that share them."""

    loss_is_scaled_for_ga: Any = True  # by compute_loss; else the trainer would divide once more

    def __init__(self, policy: policies.Policy, rows: Sequence[dict[str, Any]], args: SFTConfig, *, bf16, peft_config):
        per_update = args.per_device_train_batch_size * args.gradient_accumulation_steps * processes.count()
        drawn = common.order(len(rows), args.max_steps * per_update, args.seed)
        self.bf16 = bf16
        super().__init__(
            model=policy.model,
            args=args,
            train_dataset=Dataset.from_dict(
                {"prompt": [""] * len(drawn), "completion": [""] * len(drawn), "row": drawn}
            ),
            data_collator=lambda batch: {"row": [x["row"] for x in batch]},
            processing_class=policy.processor,
            peft_config=peft_config,
        )
        self.rows = rows
        self.policy = policies.Policy(common.bare(self), policy.processor)

    def _get_train_sampler(self, dataset=None):
        return torch.utils.data.SequentialSampler(self.train_dataset if dataset is None else dataset)

    def _get_num_items_in_batch(self, batch_samples, device):
        """Answer tokens (or their weights) of the whole update, on all processes. The rows are made here, once."""
        self._made = {i: self.rows[i] for batch in batch_samples for i in batch["row"]}
        tokens = sum(_answer_tokens(self.policy, self._made[i]) for batch in batch_samples for i in batch["row"])
        return self.accelerator.gather(torch.tensor([float(tokens)], device=device)).sum()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        with common.autocast(self.bf16):
            value, tokens = loss(self.policy, [self._made[i] for i in inputs["row"]], forward=model)
        self._metrics["train"]["tokens"].append(tokens)
        share = tokens / num_items_in_batch  # of the update's tokens; gradients of processes are averaged
        return value * share * self.accelerator.num_processes


def train(
    policy_path: str | Path,
    dataset: Sequence[dict[str, Any]] | Dataset,
    out_dir: str | Path,
    *,
    batch_size: int = 64,
    **shared: Unpack[common.Shared],
) -> Path:
    """Fine-tune a policy on rows {images or pixels, prompt, completion}; returns the folder `out_dir/policy`.

    An update takes batch_size rows, over all processes and micro-batches. shared: see `common.Shared`; the learning
    rate is 1e-5, the schedule a cosine and 3 % of the steps warm up, unless said otherwise. Also writes
    `out_dir/log.csv`, one row an update. ValueError where the rows do not divide into micro-batches.
    """
    out_dir = Path(out_dir)
    ours = common.Own(learning_rate=1e-5, schedule="cosine", warmup_steps=round(0.03 * shared["steps"]))
    chosen: common.Shared = {**ours, **shared}
    settings = common.Settings(**chosen)
    each = settings.per_device(batch_size, "rows")
    policy = common.start(policy_path, settings)
    args = SFTConfig(
        **settings.arguments(out_dir),
        per_device_train_batch_size=each,
        max_length=None,  # truncation would cut image tokens
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = SharedPrefixSFTTrainer(policy, dataset, args, bf16=settings.autocast, peft_config=settings.peft_config)
    return common.run(trainer, policy, out_dir, settings.callbacks)
