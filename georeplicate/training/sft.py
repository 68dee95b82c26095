"""Supervised fine-tuning: the paper's first stage, the thinking scaffold, on TRL's SFTTrainer.

The loss is the mean negative log-likelihood of the answer's tokens (end of turn included) given images and question;
prompts carry no loss. Rows are question and answer with any number of images; the logprobs come from the packed kernel
of `georeplicate.model.shared_prefix`, so padding and repeated images cost nothing: several answers to one question,
given as a list of completions, share its prompt.

What is known of the paper's values: the base is Qwen2.5-VL-7B, full fine-tuning, 12.6 thousand chains of thought made
from CV-Cities with one reasoning template. Learning rate, epochs and batch size are not published. Our choices, named
as such: AdamW (.9, .999), no weight decay, gradient norm <= 1, cosine schedule with 3 % warm-up, lr 1e-5 and batch 64
(common for this model and trainer).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from georeplicate.model import policy as policies
from georeplicate.model import shared_prefix
from georeplicate.training import common


def loss(policy: policies.Policy, rows: Sequence[dict[str, Any]], forward=None) -> tuple[torch.Tensor, int]:
    """Mean negative log-likelihood per answer token of a batch of rows, and the number of these tokens.

    rows: {images or pixels, prompt, completion: str or list of str}.
    """
    groups = [_answers(policy, row) for row in rows]
    tokens = sum(len(ids) for group in groups for ids in group)
    logprobs = shared_prefix.logprobs(policy.model, policy.encode(rows), groups, forward=forward)
    return -logprobs.sum() / tokens, tokens


def _answers(policy: policies.Policy, row: dict[str, Any]) -> list[list[int]]:
    texts = [row["completion"]] if isinstance(row["completion"], str) else row["completion"]
    return [policy.completion_ids(text) for text in texts]


def _answer_tokens(policy: policies.Policy, row: dict[str, Any]) -> int:
    return sum(map(len, _answers(policy, row)))


class SharedPrefixSFTTrainer(common.CompleteCheckpoints, SFTTrainer):
    """TRL's SFTTrainer on packed rows. The loss is the mean over all answer tokens of an update, whatever the number of
    micro-batches and processes that share them."""

    loss_is_scaled_for_ga = True  # by compute_loss; else the trainer would divide once more

    def __init__(self, policy: policies.Policy, rows: Sequence[dict[str, Any]], args: SFTConfig, *, bf16, peft_config):
        per_update = args.per_device_train_batch_size * args.gradient_accumulation_steps * common.processes()
        drawn = common.order(len(rows), args.max_steps * per_update, args.seed)
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
        self.rows, self.bf16 = rows, bf16
        self.policy = policies.Policy(common.bare(self), policy.processor)

    def _get_train_sampler(self, dataset=None):
        return torch.utils.data.SequentialSampler(self.train_dataset if dataset is None else dataset)

    def _get_num_items_in_batch(self, batch_samples, device):
        """Answer tokens of the whole update, on all processes. The rows are made here, once."""
        self._made = {i: self.rows[i] for batch in batch_samples for i in batch["row"]}
        tokens = sum(_answer_tokens(self.policy, self._made[i]) for batch in batch_samples for i in batch["row"])
        return self.accelerator.gather(torch.tensor([tokens], device=device)).sum()

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
    steps: int,
    seed: int,
    batch_size: int = 64,
    learning_rate: float = 1e-5,
    accumulation: int = 1,
    schedule: str = "cosine",
    warmup_steps: int | None = None,
    adam_betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    freeze_vision: bool = False,
    gradient_checkpointing: bool = False,
    bf16: bool | None = None,
    save_steps: int | None = None,
    save_total_limit: int = 2,
    peft_config=None,
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Fine-tune a policy on rows {images or pixels, prompt, completion}; returns the folder `out_dir/policy`.

    steps: optimizer updates of batch_size rows (over all processes and `accumulation` micro-batches). warmup_steps:
    None = 3 % of the steps. freeze_vision: the vision tower stays as it is. bf16: autocast; None = where the hardware
    has it. save_steps writes checkpoints from which a later call with the same arguments goes on, exactly. Also
    writes `out_dir/log.csv`.
    """
    out_dir = Path(out_dir)
    policy = common.load(policy_path, whole=peft_config is None)
    if freeze_vision:
        common.freeze_vision(policy.model)
    if batch_size % (accumulation * common.processes()):
        raise ValueError(f"{batch_size} rows do not divide into {accumulation} x {common.processes()} micro-batches")
    args = SFTConfig(
        output_dir=str(out_dir),
        max_steps=steps,
        per_device_train_batch_size=batch_size // (accumulation * common.processes()),
        gradient_accumulation_steps=accumulation,
        learning_rate=learning_rate,
        lr_scheduler_type=schedule,
        warmup_steps=round(0.03 * steps) if warmup_steps is None else warmup_steps,
        optim="adamw_torch",
        adam_beta1=adam_betas[0],
        adam_beta2=adam_betas[1],
        weight_decay=weight_decay,
        max_grad_norm=max_grad_norm,
        activation_checkpointing=gradient_checkpointing,
        bf16=False,
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        max_length=None,  # truncation would cut image tokens
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        save_strategy="no" if save_steps is None else "steps",
        save_steps=save_steps or 500,
        save_total_limit=save_total_limit,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    use_bf16 = common.bf16_in_hardware() if bf16 is None else bf16
    trainer = SharedPrefixSFTTrainer(policy, dataset, args, bf16=use_bf16, peft_config=peft_config)
    return common.run(trainer, policy, out_dir, callbacks)
