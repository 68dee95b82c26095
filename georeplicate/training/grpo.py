"""GRPO: the paper's second stage, on TRL's trainer with the shared-prefix kernel.

Sample G answers to each question, score them, and raise the probability of the better ones of each group:

    advantage  A_i = (r_i - mean r) / (std r + eps)                      group of G, unbiased std
    loss       mean over answers of the mean over tokens of
               -min(rho A, clip(rho, 1 - c, 1 + c) A) + beta (exp(d) - d - 1)
               rho = p / p_old,  d = log p_reference - log p             the second term is the k3 estimate of the KL

`GRPOTrainer` of TRL stays the trainer (accelerate, optimizer, schedules, logging, checkpoints); generation, the three
kinds of logprobs and the loss go through `georeplicate.model.shared_prefix`, so a prompt and its images are computed
once per state of the weights and not once per completion.

The paper's values and where they come from:

    G = 8                        official run script, num_generations
    8 questions per update       official run script: 8 processes x batch 4 x accumulation 2 = 64 answers
    beta 0.04                    official trainer's default, which the run script leaves in place
    clip 0.2, one update a batch official trainer's defaults (epsilon, num_iterations)
    temperature 1, top-k 50      hard-coded in the official trainer; top-k is the generation default of that version
    unbiased std, eps 1e-4       official trainer's advantage
    mean over tokens, then       official trainer's loss ("grpo" in TRL's naming)
      over answers
    lr 1e-6, linear to zero,     run script and library defaults
      no warm-up, AdamW (.9, .999), no weight decay, gradient norm <= 1
    2 epochs, answers <= 2048    official run script
    full fine-tuning with the vision tower, bf16, reference = the starting policy

Values differ at mini scale only where a caller passes them. TRL 1.16 has other defaults for most of these (beta 0, the
"dapo" loss, gradient checkpointing on), hence all of them are set here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from georeplicate import provenance
from georeplicate.model import policy as policies
from georeplicate.model import shared_prefix
from georeplicate.training import common, options

# Of the settings that both stages share, those in which the paper's GRPO differs from its SFT.
DEFAULTS = common.Own(learning_rate=1e-6, schedule="linear", warmup_steps=0)


def group_advantages(rewards: torch.Tensor, eps: float = 1e-4) -> torch.Tensor:
    """(r - mean) / (std + eps) within each row of rewards [N, G]; std is the unbiased one. A group of one gets 0.

    ValueError for a reward that is not finite: it would turn every weight into NaN without a word.
    """
    if not torch.isfinite(rewards).all():
        row, column = torch.nonzero(~torch.isfinite(rewards))[0].tolist()
        raise ValueError(f"the reward of answer {column} in group {row} is {rewards[row, column].item()}, no number")
    centred = rewards - rewards.mean(1, keepdim=True)
    if rewards.shape[1] == 1:
        return centred
    return centred / (rewards.std(1, keepdim=True) + eps)


def loss(
    logprobs: torch.Tensor,
    old: torch.Tensor,
    reference: torch.Tensor | None,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    *,
    beta: float = 0.04,
    clip: float = 0.2,
) -> tuple[torch.Tensor, dict[str, float]]:
    """The GRPO loss of R answers and what to watch about it.

    logprobs, old, reference, mask: [R, C] (reference may be None when beta is 0); advantages: [R]. Returns the scalar
    loss and {"kl", "clip_fraction"}, both means over tokens. An answer without tokens counts as 0.
    """
    ratio = (logprobs - old).exp()
    gain = advantages[:, None]
    per_token = -torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain)
    tokens = mask.sum().clamp(min=1)
    clipped = ((ratio < 1 - clip) & (gain < 0)) | ((ratio > 1 + clip) & (gain > 0))
    metrics = {"clip_fraction": float((clipped * mask).sum() / tokens)}
    if beta:
        assert reference is not None
        ahead = reference - logprobs
        kl = ahead.exp() - ahead - 1
        per_token = per_token + beta * kl
        metrics["kl"] = float((kl.detach() * mask).sum() / tokens)
    per_answer = (per_token * mask).sum(1) / mask.sum(1).clamp(min=1)
    return per_answer.mean(), metrics


class SharedPrefixGRPOTrainer(common.CompleteCheckpoints, GRPOTrainer):
    """TRL's GRPOTrainer whose rollouts and losses share prompts. Groups must not be split between processes; how many
    processes share the work changes nothing but rounding. Options that it does not honour are refused (`options`)."""

    args: GRPOConfig
    num_generations: int
    max_completion_length: int  # None is refused

    def __init__(
        self,
        policy: policies.Policy,
        rows: Sequence[dict[str, Any]],
        reward_fn: Callable[[str, dict, int], Any],
        args: GRPOConfig,
        *,
        bf16: bool,
        peft_config=None,
    ):
        options.refuse(args)
        dropout = getattr(policy.model.config.get_text_config(), "attention_dropout", 0.0)
        if dropout:
            raise ValueError(
                f"attention_dropout={dropout} is not honoured by the shared-prefix trainer: set it to 0 in the model's "
                "config, or train with TRL's own GRPOTrainer"
            )
        steps, group, batch = args.steps_per_generation, args.num_generations, args.generation_batch_size
        assert steps is not None and group is not None and batch is not None  # GRPOConfig works out what is left open
        if args.per_device_train_batch_size % group:
            raise ValueError(
                f"{args.per_device_train_batch_size} answers per process and micro-batch cannot be split into whole "
                f"groups of {group}; choose a multiple"
            )
        cycle = steps * args.num_iterations
        if args.save_strategy == "steps" and args.save_steps * args.gradient_accumulation_steps % cycle:
            raise ValueError("save_steps must fall between two generations, else a resumed run would differ")
        updates = args.max_steps * args.gradient_accumulation_steps
        drawn = common.order(len(rows), -(-updates // cycle) * (batch // group), args.seed)
        super().__init__(
            model=policy.model,
            reward_funcs=[_scored_by_us],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""] * len(drawn), "draw": range(len(drawn))}),
            processing_class=policy.processor,
            peft_config=peft_config,
        )
        plugin = self.accelerator.state.deepspeed_plugin
        if self.is_fsdp_enabled or (plugin is not None and plugin.zero_stage == 3):
            raise ValueError(
                "the answers are sampled from whole weights, which FSDP and ZeRO-3 do not keep in one place; use DDP, "
                "ZeRO-1 or ZeRO-2, or adapters"
            )
        self.rows, self.drawn, self.reward_fn, self.bf16 = rows, drawn, reward_fn, bf16
        self.steps_per_generation = steps
        self.policy = policies.Policy(common.bare(self), policy.processor)
        self._pieces: list[dict] | None = None

    # -- rollout

    def _prepare_inputs(self, generation_batch):
        cycle = self.steps_per_generation * self.num_iterations
        if self._pieces is None or self._step % cycle == 0:
            self._pieces = self._roll_out([x["draw"] for x in generation_batch[:: self.num_generations]])
        return self._pieces[self._step % self.steps_per_generation]

    def _roll_out(self, draws: list[int]) -> list[dict]:
        """Answers, rewards, advantages and fixed logprobs of one generation batch, in micro-batches of whole groups.

        The randomness of a group comes from (seed, number of the draw) and nothing else: a resumed run samples the same
        answers, and so does a run with another number of processes.
        """
        started = time.perf_counter()  # (1) answers
        rows = [self.rows[self.drawn[draw]] for draw in draws]
        prompts = shared_prefix.remember_features(self.policy.model, self.policy.encode(rows))
        with common.autocast(self.bf16 and self.accelerator.device.type == "cuda"):
            answers = self.policy.generate(
                prompts,
                num_generations=self.num_generations,
                max_new_tokens=self.max_completion_length,
                temperature=self.temperature,
                top_k=self.args.top_k,
                seeds=[(self.args.seed, draw) for draw in draws],
            )
        generated = time.perf_counter()
        rewards = self._score(rows, answers)  # (2)
        advantages = group_advantages(rewards)  # (3)
        size = len(rows) // self.steps_per_generation
        pieces = []
        for start in range(0, len(rows), size):
            chosen = list(range(start, start + size))
            whole = size == len(rows)
            piece = {
                "prompts": prompts if whole else prompts.select(chosen),
                "ids": answers.ids[start : start + size],
                "advantages": advantages[chosen].flatten().to(self.accelerator.device),
                "old": None,
                "reference": None,
            }
            with torch.no_grad():  # (4) log-probabilities that stay fixed
                if self.args.gradient_accumulation_steps % (self.steps_per_generation * self.num_iterations):
                    piece["old"] = self._logprobs(self.policy.model, piece)
                if self.beta and self.ref_model is not None:
                    piece["reference"] = self._logprobs(self.ref_model, piece)
                elif self.beta:
                    with self.accelerator.unwrap_model(self.model).disable_adapter():
                        piece["reference"] = self._logprobs(self.policy.model, piece)
            pieces.append(piece)
        tokens = sum(answers.lengths)
        self._record_metrics(
            reward=rewards.mean(),
            reward_std=rewards.std(1).mean() if rewards.shape[1] > 1 else 0.0,
            advantage_mean=advantages.mean(),
            equal_groups=(rewards == rewards[:, :1]).all(1).float().mean(),
            length=tokens / len(answers.lengths),
            finished=sum(answers.finished) / len(answers.finished),
            tokens_per_second=tokens / (generated - started),
            seconds_generation=generated - started,
            seconds_reference=time.perf_counter() - generated,
            peak_mb=provenance.peak_mb(self.accelerator.device),
        )
        return pieces

    def _score(self, rows: list[dict], answers: policies.Answers) -> torch.Tensor:
        totals: list[float] = []
        parts: dict[str, list[float]] = {}
        for i, (text, length) in enumerate(zip(answers.texts, answers.lengths, strict=True)):
            row = rows[i // self.num_generations]
            reward = self.reward_fn(text, row, length)
            totals.append(self._finite(getattr(reward, "total", reward), row))
            for name, value in (getattr(reward, "parts", None) or {}).items():
                parts.setdefault(name, []).append(self._finite(value, row, f" as {name}"))
        self._record_metrics(**{f"reward_{name}": sum(values) / len(totals) for name, values in parts.items()})
        return torch.tensor(totals).view(len(rows), self.num_generations)

    def _finite(self, value: Any, row: dict, part: str = "") -> float:
        """A reward as a number; ValueError names the reward function and the row, so that nothing wrong is saved."""
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if not math.isfinite(number):
            name = getattr(self.reward_fn, "__qualname__", None) or type(self.reward_fn).__name__
            raise ValueError(
                f"the reward function {name} gave {value!r}{part} for row {row.get('id', 'without an id')}: a reward "
                "must be a finite number; give an answer that cannot be scored the reward of a malformed one"
            )
        return number

    def _record_metrics(self, **values) -> None:
        if not values:
            return
        local = torch.tensor([float(v) for v in values.values()], device=self.accelerator.device)
        means = self.accelerator.gather(local[None]).mean(0).tolist()
        for name, value in zip(values, means, strict=True):
            self._metrics["train"][name].append(value)

    # -- loss

    def _logprobs(self, model, piece: dict, forward=None) -> torch.Tensor:
        with common.autocast(self.bf16):
            return shared_prefix.logprobs(
                model, piece["prompts"], piece["ids"], temperature=self.temperature, forward=forward
            )

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        started = time.perf_counter()
        logprobs = self._logprobs(self.policy.model, inputs, forward=model)  # (4) the one with a gradient
        lengths = torch.tensor([len(c) for group in inputs["ids"] for c in group], device=logprobs.device)
        mask = (torch.arange(logprobs.shape[1], device=logprobs.device) < lengths[:, None]).float()
        old = logprobs.detach() if inputs["old"] is None else inputs["old"]
        value, metrics = loss(  # (5)
            logprobs,
            old,
            inputs["reference"],
            inputs["advantages"],
            mask,
            beta=self.beta,
            clip=self.epsilon_low,
        )
        self._record_metrics(**metrics, seconds_forward=time.perf_counter() - started)
        return value / self.current_gradient_accumulation_steps


def _scored_by_us(completions, **kwargs):
    raise AssertionError("rewards are computed in SharedPrefixGRPOTrainer._score")


def train(
    policy_path: str | Path,
    dataset: Sequence[dict[str, Any]] | Dataset,
    reward_fn: Callable[[str, dict, int], Any],
    out_dir: str | Path,
    *,
    max_new_tokens: int,
    prompts_per_step: int = 8,
    num_generations: int = 8,
    beta: float = 0.04,
    clip: float = 0.2,
    temperature: float = 1.0,
    top_k: int = 50,
    num_iterations: int = 1,
    **shared: Unpack[common.Shared],
) -> Path:
    """Train a policy by GRPO; returns the folder of the trained policy, `out_dir/policy`.

    dataset: rows {images or pixels (see `Policy.pixels`), prompt, letter, ...}; reward_fn(text, row, n_tokens) returns
    a number or an object with `total` and `parts`. An update takes prompts_per_step prompts (over all processes and
    micro-batches) with num_generations completions each. shared: see `common.Shared`, and DEFAULTS for what is left
    out. With bf16 a GPU also samples in it (on a CPU fp32 is faster there). A frozen vision tower runs once a batch.
    Also writes `out_dir/log.csv`, one row an update. ValueError where the prompts do not divide into micro-batches.
    """
    out_dir = Path(out_dir)
    chosen: common.Shared = {**DEFAULTS, **shared}
    settings = common.Settings(**chosen)
    policy = common.start(policy_path, settings)
    args = GRPOConfig(
        **settings.arguments(out_dir),
        per_device_train_batch_size=settings.per_device(prompts_per_step, "prompts", num_generations),
        num_generations=num_generations,
        num_iterations=num_iterations,
        max_completion_length=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=1.0,
        beta=beta,
        epsilon=clip,
        loss_type="grpo",
        use_bias_correction_kl=False,
        scale_rewards="group",
        shuffle_dataset=False,
    )
    trainer = SharedPrefixGRPOTrainer(
        policy, dataset, reward_fn, args, bf16=settings.autocast, peft_config=settings.peft_config
    )
    return common.run(trainer, policy, out_dir, settings.callbacks)
