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

import functools
import importlib.util
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import torch
from accelerate.utils import gather_object
from datasets import Dataset, IterableDataset
from peft import PeftConfig, PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin, TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from trl.data_utils import prepare_multimodal_messages
from trl.trainer.utils import RepeatSampler

from georeplicate import provenance
from georeplicate.model import policy as policies
from georeplicate.model import shared_prefix
from georeplicate.model.processors import load_processor
from georeplicate.profiles import ROLLOUTS
from georeplicate.tasks.rows import Rows
from georeplicate.training import common, options, processes, scoring, sft
from georeplicate.training.loss import Level, LossType, Scale, group_advantages, loss

__all__ = ["DEFAULTS", "SharedPrefixGRPOTrainer", "VLLMGRPOTrainer", "group_advantages", "loss", "train"]

# Of the settings that both stages share, those in which the paper's GRPO differs from its SFT.
DEFAULTS = common.Own(learning_rate=1e-6, schedule="linear", warmup_steps=0)

# Metrics that are no means over processes.
EXTREMES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "clip_ratio/low_min": torch.min,
    "clip_ratio/high_max": torch.max,
    "completions/min_length": torch.min,
    "completions/max_length": torch.max,
    "completions/min_terminated_length": torch.min,
    "completions/max_terminated_length": torch.max,
}


class _Order(RepeatSampler):
    """TRL's order of the prompts, in which the permutation of an epoch follows from the seed and the epoch's number:
    in TRL's it follows from how often a process has drawn one, so that a resumed run would see another."""

    def __init__(self, *args, epoch: Callable[[], int], **kwargs):
        super().__init__(*args, **kwargs)
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            assert self.seed is not None
            self.generator.manual_seed(self.seed)
            for _ in range(self.epoch()):
                torch.randperm(self.num_samples, generator=self.generator)
        yield from super().__iter__()


class SharedPrefixGRPOTrainer(common.CompleteCheckpoints, GRPOTrainer):
    """TRL's GRPOTrainer whose rollouts and losses share prompts: the same arguments, the same losses, less time.

    model: a checkpoint's folder or hub name, which is trained whole and in fp32 (with peft_config: in its own data
    type), or a loaded model. reward_funcs: one or several f(prompts, completions, completion_ids, **columns) -> one
    number a completion. train_dataset: rows that can be read by their number, {prompt: messages, or a text that no chat
    template touches; image or images; further columns}; the column may be called messages, and a row may carry "pixels"
    (see `Policy.pixels`) instead of images. eval_dataset: one such Dataset or several by name. bf16: autocast, where
    `args.bf16` refuses a CPU (None: as it says).

    replay: rows {images or pixels, prompt, completion, weights (optional)}, see `sft.loss`. Every update takes the next
    len(replay) / args.max_steps of them, and its loss is (1 - replay_share) * GRPO's + replay_share * theirs.
    ValueError in several processes or micro-batches, or where the rows do not divide into the updates.

    Groups must not be split between processes; how many processes share a batch changes nothing but rounding (nor in
    evaluation, where the rows fill the last batch). Options that are not honoured are refused (`options`,
    docs/trainer.md).
    """

    args: GRPOConfig
    num_generations: int
    num_generations_eval: int
    max_completion_length: int  # None is refused
    scale_rewards: Scale  # as other values are, here and in the next two
    loss_type: LossType
    importance_sampling_level: Level
    _logs: dict[str, Any]

    def __init__(
        self,
        model: str | PreTrainedModel,
        reward_funcs: scoring.RewardFunc | list[scoring.RewardFunc],
        args: GRPOConfig | None = None,
        train_dataset: Dataset | Sequence[dict[str, Any]] | None = None,
        eval_dataset: Dataset | dict[str, Dataset] | None = None,
        processing_class: ProcessorMixin | PreTrainedTokenizerBase | None = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[torch.optim.Optimizer | None, Any] = (None, None),
        peft_config: PeftConfig | None = None,
        *,
        bf16: bool | None = None,
        replay: Sequence[dict[str, Any]] | None = None,
        replay_share: float = 0.0,
    ):
        if args is None:
            name = model if isinstance(model, str) else model.config._name_or_path
            args = GRPOConfig(f"{name.split('/')[-1]}-GRPO")
        options.refuse(args)
        functions: list[Any] = scoring.check(reward_funcs)
        rows = _readable(train_dataset, eval_dataset)
        _refuse_split_groups(args, evaluates=eval_dataset is not None)
        _refuse_few(args, len(rows))
        _refuse_split_generations(args, len(rows))
        if isinstance(model, str):
            loaded = common.load(model, whole=peft_config is None)
            model, processing_class = loaded.model, processing_class or loaded.processor
        elif isinstance(model, PeftModel):
            raise ValueError(
                "the model holds adapters already, whose reference would be another model than TRL's: merge them, and "
                "hand over the model with a peft_config for new ones"
            )
        if processing_class is None:
            processing_class = load_processor(model.config._name_or_path, model.config.model_type)
        _refuse_replay(args, replay, replay_share)
        dropout = getattr(model.config.get_text_config(), "attention_dropout", 0.0)
        if dropout:
            raise ValueError(
                f"attention_dropout={dropout} is not honoured by the shared-prefix trainer: set it to 0 in the model's "
                "config, or train with TRL's own GRPOTrainer"
            )
        self.bf16 = bool(args.bf16) if bf16 is None else bf16
        super().__init__(
            model=model,
            reward_funcs=functions,
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""] * len(rows), "draw": range(len(rows))}),
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            callbacks=callbacks,
            optimizers=optimizers,
            peft_config=peft_config,
        )
        if self.aux_loss_enabled:
            raise ValueError(
                "the load-balancing loss of a mixture of experts is not honoured by the shared-prefix trainer: set "
                "router_aux_loss_coef to 0.0, or train with TRL's own GRPOTrainer"
            )
        self.rows, self.functions = rows, functions
        assert args.steps_per_generation is not None  # GRPOConfig works out what is left open
        self.steps_per_generation = args.steps_per_generation
        self.policy = policies.Policy(common.bare(self), processing_class)
        self.replay, self.replay_share = replay, replay_share
        self._pieces: list[dict] | None = None
        self._evaluated = 0

    @property
    def _mode(self) -> str:
        model: Any = self.model
        return "train" if model.training else "eval"

    # -- rollout

    def _get_train_sampler(self, dataset=None):
        batch = self.args.generation_batch_size
        assert batch is not None
        return _Order(
            data_source=self.train_dataset if dataset is None else dataset,
            mini_repeat_count=self.num_generations,
            batch_size=batch // self.num_generations,
            repeat_count=self.num_iterations * self.steps_per_generation,
            shuffle=self.shuffle_dataset,
            seed=self.args.seed,
            epoch=lambda: int(self.state.epoch or 0),
        )

    def _get_eval_sampler(self, eval_dataset):
        """TRL's order, also where a loader that is kept is read again."""
        seed, group = self.args.seed, self.num_generations_eval
        return _Order(data_source=eval_dataset, mini_repeat_count=group, seed=seed, epoch=lambda: 0)

    def evaluation_loop(self, *args, **kwargs):
        self._evaluated = 0  # so that every evaluation draws the same completions
        return super().evaluation_loop(*args, **kwargs)

    def _prepare_inputs(self, generation_batch):
        """The micro-batch to take a loss of: in training from answers that serve several, in evaluation from new ones.

        The randomness of a group comes from the seed and the number of its draw (in evaluation, of its row) and from
        nothing else: a resumed run samples the same answers, and so does a run with another number of processes, which
        take the micro-batches in turn.
        """
        seed = self.args.seed
        if self._mode == "eval":
            rows = generation_batch[:: self.num_generations_eval]
            first = self._evaluated + self.accelerator.process_index * len(rows)
            self._evaluated += self.accelerator.num_processes * len(rows)
            seeds = [(seed, first + i, 0, 1) for i in range(len(rows))]
            return self._roll_out(rows, seeds, self.num_generations_eval, 1)[0]
        if self._pieces is None or self._step % (self.steps_per_generation * self.num_iterations) == 0:
            draws = [x["draw"] for x in generation_batch[:: self.num_generations]]
            before = int(self.state.epoch or 0) * len(self.rows)
            rows, seeds = [self.rows[draw] for draw in draws], [(seed, before + draw) for draw in draws]
            self._pieces = self._roll_out(rows, seeds, self.num_generations, self.steps_per_generation)
        return self._pieces[self._step % self.steps_per_generation]

    def _roll_out(self, rows: list[dict], seeds: list[tuple[int, ...]], group: int, parts: int) -> list[dict]:
        """Answers, rewards, advantages and fixed logprobs of one generation batch, in micro-batches of whole groups."""
        started = time.perf_counter()  # (1) answers
        requests = [self._request(row) for row in rows]
        prompts, answers = self._sample(requests, seeds, group)
        generated = time.perf_counter()
        rewards, advantages = self._score(rows, requests, answers, group)  # (2), (3)
        counts = [done or not self.mask_truncated_completions for done in answers.finished]
        counted = torch.tensor(counts, dtype=torch.float32, device=self.accelerator.device)
        lengths = torch.tensor(answers.lengths, dtype=torch.float32, device=self.accelerator.device)
        tokens = self.accelerator.gather((lengths * counted).sum()[None]).sum() / self.accelerator.num_processes
        size = len(rows) // parts
        pieces = []
        for start in range(0, len(rows), size):
            chosen = list(range(start, start + size))
            piece = {
                "prompts": prompts if parts == 1 else prompts.select(chosen),
                "ids": answers.ids[start : start + size],
                "counted": counted[start * group : (start + size) * group],
                "advantages": advantages[chosen].flatten().to(self.accelerator.device),
                "tokens": tokens / parts,
                "old": None,
                "reference": None,
            }
            with torch.no_grad():  # (4) log-probabilities that stay fixed
                cycle = self.steps_per_generation * self.num_iterations
                if self._mode == "train" and self.args.gradient_accumulation_steps % cycle:
                    piece["old"] = self._logprobs(self.policy.model, piece, self._hooked)
                if self.beta and self.ref_model is not None:
                    own = self.accelerator.unwrap_model(self.ref_model)
                    piece["reference"] = self._logprobs(own, piece, self.ref_model)
                elif self.beta:
                    with self.accelerator.unwrap_model(self.model).disable_adapter():
                        piece["reference"] = self._logprobs(self.policy.model, piece, self._hooked)
            pieces.append(piece)
        total = sum(answers.lengths)
        self._record(
            {
                "reward": rewards.mean(),
                "reward_std": rewards.std(1).mean() if group > 1 else 0.0,
                "advantage_mean": advantages.mean(),
                "equal_groups": (rewards == rewards[:, :1]).all(1).float().mean(),
                "length": total / len(answers.lengths),
                "finished": sum(answers.finished) / len(answers.finished),
                "tokens_per_second": total / (generated - started),
                "seconds_generation": generated - started,
                "seconds_reference": time.perf_counter() - generated,
                "peak_mb": provenance.peak_mb(self.accelerator.device),
            }
        )
        self._record_lengths(prompts, answers, group)
        return pieces

    def _sample(
        self, requests: list[dict], seeds: list[tuple[int, ...]], group: int
    ) -> tuple[shared_prefix.Prompts, policies.Answers]:
        """The encoded prompts and their answers. Weights that are kept in shares are gathered for the duration, so that
        each process draws as many tokens as its own answers need."""

        def draw() -> tuple[shared_prefix.Prompts, policies.Answers]:
            with processes.whole(self.model, self.model_wrapped, self.accelerator):
                prompts = shared_prefix.remember_features(self.policy.model, self.policy.encode(requests))
                answers = self.policy.generate(
                    prompts,
                    num_generations=group,
                    max_new_tokens=self.max_completion_length,
                    temperature=self.temperature,
                    top_k=self.args.top_k,
                    top_p=self.args.top_p,
                    min_p=self.args.min_p,
                    repetition_penalty=self.args.repetition_penalty,
                    seeds=seeds,
                )
            return prompts, answers

        with common.autocast(self.bf16 and self.accelerator.device.type == "cuda"), torch.no_grad():
            return processes.through_root(self.model, draw)

    def _request(self, row: dict) -> dict:
        """What the policy encodes of a row: a conversation with its images in place, or a text as it stands."""
        images = [row["image"]] if row.get("image") is not None else row.get("images") or []
        pictured = bool(images) or row.get("pixels") is not None
        if pictured and not self._is_vlm:
            raise ValueError("rows with images need a processor: a tokenizer was given as processing_class")
        prompt = _prompt(row)
        if isinstance(prompt, str):
            if pictured:
                raise ValueError(
                    "a prompt with images must be a conversation, since the chat template says where they belong: give "
                    f'{{"role": "user", "content": {prompt[:40]!r}}} in a list'
                )
            return {"prompt": prompt, "text": prompt}
        if row.get("pixels") is not None or not self._is_vlm:
            return {"prompt": prompt, "pixels": row.get("pixels")}
        chat = prepare_multimodal_messages(prompt, images=images)
        return {"prompt": chat, "images": _pictures(chat)}

    def _score(
        self, rows: list[dict], requests: list[dict], answers: policies.Answers, group: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Rewards and advantages of the answers, [N, group] each."""
        each = [i for i in range(len(rows)) for _ in range(group)]
        prompts = [requests[i]["prompt"] for i in each]
        completions = [
            text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]
            for prompt, text in zip(prompts, answers.texts, strict=True)
        ]
        ids = [completion for answered in answers.ids for completion in answered]
        found = scoring.score(
            self.functions,
            [rows[i] for i in each],
            prompts,
            completions,
            ids,
            trainer_state=self.state,
            log_extra=self._log_completion_extra,
            log_metric=self._log_metric,
        )
        totals = (found * self.reward_weights).sum(1)
        everyone = self.accelerator.gather(found.to(self.accelerator.device)).cpu()
        all_totals = (everyone * self.reward_weights).sum(1)
        rewards = totals.view(len(rows), group)
        advantages = group_advantages(rewards, scale=self.scale_rewards, everyone=all_totals)
        for name, values in zip(self.reward_func_names, everyone.T, strict=True):
            self._metrics[self._mode][f"rewards/{name}/mean"].append(values.mean().item())
            self._metrics[self._mode][f"rewards/{name}/std"].append(values.std().item() if len(values) > 1 else 0.0)
        spread = all_totals.view(-1, group).std(1) if group > 1 else torch.zeros(1)
        if self.scale_rewards == "batch" and len(all_totals) > 1:
            spread = all_totals.std()
        self._metrics[self._mode]["frac_reward_zero_std"].append((spread.abs() <= 1e-8).float().mean().item())
        self._record_logged()
        if self.log_completions:
            self._keep_completions(prompts, completions, everyone, advantages.flatten())
        self._pending_extra_logs.clear()
        return rewards, advantages

    def _keep_completions(self, prompts, completions, everyone, advantages) -> None:
        """For the table that TRL's `log` writes and prints."""
        self._logs["prompt"].extend(gather_object(prompts))
        self._logs["completion"].extend(gather_object(completions))
        self._logs["advantages"].extend(gather_object(advantages.tolist()))
        for name, values in zip(self.reward_func_names, everyone.T, strict=True):
            self._logs["rewards"][name].extend(values.tolist())
        for column in sorted(set(gather_object(list(self._pending_extra_logs)))):
            mine = self._pending_extra_logs.get(column, [None] * len(prompts))
            self._logs["extra"][column].extend(gather_object(mine))
        if self.log_multimodal:
            images = [_pictures(chat) if isinstance(chat, list) else [] for chat in prompts]
            if any(gather_object([any(images)])):
                self._logs["images"].extend(gather_object(images))

    # -- metrics

    def _record(self, values: Mapping[str, Any], weight: float = 1.0) -> None:
        """Logs means over the processes, each with its weight, and of `EXTREMES` the extreme.

        All processes have the same names; a process whose value is None does not count.
        """
        if not values:
            return
        local = [[0.0, 0.0] if value is None else [float(value), weight] for value in values.values()]
        rows = torch.tensor(local, dtype=torch.float64, device=self.accelerator.device)
        everyone = self.accelerator.gather(rows[None]).cpu()
        for i, name in enumerate(values):
            found, weights = everyone[everyone[:, i, 1] > 0, i].T
            if not len(found):
                value = 0.0
            elif name in EXTREMES:
                value = EXTREMES[name](found).item()
            else:
                value = ((found * weights).sum() / weights.sum()).item()
            self._metrics[self._mode][name].append(value)

    def _record_logged(self) -> None:
        """What the reward functions logged, whose names may differ between processes."""
        means = {name: sum(values) / len(values) for name, values in self._pending_metrics.items()}
        self._pending_metrics.clear()
        self._record({name: means.get(name) for name in sorted(set(gather_object(list(means))))})

    def _record_lengths(self, prompts: shared_prefix.Prompts, answers: policies.Answers, group: int) -> None:
        """TRL's metrics of completions."""
        lengths = answers.lengths
        ended = [length for length, done in zip(lengths, answers.finished, strict=True) if done]
        self._record(
            {
                "completions/mean_length": sum(lengths) / len(lengths),
                "completions/min_length": min(lengths),
                "completions/max_length": max(lengths),
                "completions/clipped_ratio": 1 - len(ended) / len(lengths),
            }
        )
        of_ended = {"mean": sum(ended) / max(len(ended), 1), "min": min(ended, default=0), "max": max(ended, default=0)}
        named = {f"completions/{what}_terminated_length": value for what, value in of_ended.items()}
        self._record(named, weight=len(ended))
        read = torch.tensor([sum(prompts.lengths) * group + sum(lengths)], device=self.accelerator.device)
        if self._mode == "train":
            self.state.num_input_tokens_seen += int(self.accelerator.gather(read).sum())
        self._metrics[self._mode]["num_tokens"] = [self.state.num_input_tokens_seen]

    # -- loss

    @property
    def _hooked(self) -> Any:
        """What to call instead of the model where its weights are gathered by its wrapper's hooks; else None."""
        return self.model_wrapped if processes.shards_weights() else None

    def _logprobs(self, model, piece: dict, forward=None) -> torch.Tensor:
        with common.autocast(self.bf16):
            return shared_prefix.logprobs(
                model, piece["prompts"], piece["ids"], temperature=self.temperature, forward=forward
            )

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        started = time.perf_counter()
        with common.autocast(self.bf16):  # (4) the one with a gradient
            logprobs, entropies = shared_prefix.logprobs_and_entropies(
                self.policy.model, inputs["prompts"], inputs["ids"], temperature=self.temperature, forward=model
            )
        lengths = torch.tensor([len(c) for group in inputs["ids"] for c in group], device=logprobs.device)
        mask = (torch.arange(logprobs.shape[1], device=logprobs.device) < lengths[:, None]).float()
        mask = mask * inputs["counted"][:, None]
        old = logprobs.detach() if inputs["old"] is None else inputs["old"]
        value, metrics = loss(  # (5)
            logprobs,
            old,
            inputs["reference"],
            inputs["advantages"],
            mask,
            beta=self.beta,
            clip=self.epsilon_low,
            clip_high=self.epsilon_high,
            delta=self.args.delta,
            kind=self.loss_type,
            level=self.importance_sampling_level,
            unbiased_kl=self.args.use_bias_correction_kl,
            tokens=inputs["tokens"],
            longest=self.max_completion_length,
        )
        tokens = max(mask.sum().item(), 1)
        metrics["entropy"] = float((entropies * mask).sum() / tokens)
        of_answers = [n for n in metrics if "ratio" in n and self.importance_sampling_level == "sequence"]
        self._record({n: v for n, v in metrics.items() if n not in of_answers}, weight=tokens)
        self._record({n: metrics[n] for n in of_answers} | {"seconds_forward": time.perf_counter() - started})
        if self.replay is not None and self._mode == "train":
            value = (1 - self.replay_share) * value + self.replay_share * self._replay_loss(self.replay, model)
        return value / (self.current_gradient_accumulation_steps if self._mode == "train" else 1)

    def _replay_loss(self, rows: Sequence[dict[str, Any]], model) -> torch.Tensor:
        """Of the rows of this update. Its number alone says which they are, so a resumed run replays the same."""
        each, update = len(rows) // self.args.max_steps, self.state.global_step
        with common.autocast(self.bf16):
            value, _ = sft.loss(self.policy, [rows[i] for i in range(update * each, (update + 1) * each)], model)
        self._record({"replay_loss": value.item()})
        return value


def _prompt(row: Mapping[str, Any]) -> str | list[dict[str, Any]]:
    """A row's text or its messages, by either name; ValueError in one sentence where it has none."""
    if row.get("prompt") is not None:
        return row["prompt"] if isinstance(row["prompt"], str) else policies.as_messages(row["prompt"])
    if row.get("messages") is None:
        raise ValueError(
            f"row {row.get('id', 'without an id')} has no prompt: give messages, or a text, in a column 'prompt'"
        )
    chat = policies.as_messages(row["messages"])
    if chat[-1]["role"] == "assistant":
        raise ValueError(
            f"the messages of row {row.get('id', 'without an id')} end with an answer, which would be part of the "
            "question: leave it out, or give it in a column of its own to the reward functions"
        )
    return chat


def _pictures(chat: list[dict[str, Any]]) -> list[Any]:
    """The images in a conversation, in order."""
    parts = (part for message in chat if isinstance(message.get("content"), list) for part in message["content"])
    return [part["image"] for part in parts if part["type"] == "image" and "image" in part]


def _readable(train_dataset: Any, eval_dataset: Any) -> Sequence[dict[str, Any]]:
    """The rows to train on; ValueError where there are none, or where a stream is given."""
    if train_dataset is None or isinstance(train_dataset, IterableDataset):
        raise ValueError("train_dataset must be rows that can be read by their number, such as a datasets.Dataset")
    several = eval_dataset.values() if isinstance(eval_dataset, dict) else [eval_dataset]
    if any(isinstance(dataset, IterableDataset) for dataset in several):
        raise ValueError("eval_dataset must be a datasets.Dataset, or several by name, and no stream")
    if len(train_dataset) == 0:
        raise ValueError("there are no rows to train on")
    for dataset in (train_dataset, *several):
        scoring.refuse_columns(getattr(dataset, "column_names", None) or ())
    return train_dataset


def _refuse_replay(args: GRPOConfig, replay: Sequence[Any] | None, share: float) -> None:
    """ValueError where rows cannot be replayed as they are meant to be."""
    if replay is None:
        if share:
            raise ValueError(f"replay_share={share} without rows to replay")
        return
    if not 0 < share < 1:
        raise ValueError(f"replay_share must lie between 0 and 1 where rows are replayed, got {share}")
    if args.gradient_accumulation_steps > 1 or processes.count() > 1:
        raise ValueError(
            "rows are replayed in one process and without accumulation: an update is one micro-batch there"
        )
    if args.max_steps <= 0 or not len(replay) or len(replay) % args.max_steps:
        raise ValueError(f"{len(replay)} rows to replay do not divide into max_steps={args.max_steps} updates")


def _refuse_split_groups(args: GRPOConfig, *, evaluates: bool) -> None:
    """ValueError where a group would be split between micro-batches."""
    group = args.num_generations
    assert group is not None
    sizes = {"per_device_train_batch_size": group}
    if evaluates:
        sizes["per_device_eval_batch_size"] = args.num_generations_eval or group
    for name, of in sizes.items():
        if getattr(args, name) % of:
            raise ValueError(
                f"{getattr(args, name)} answers per process and micro-batch cannot be split into whole groups of {of}; "
                f"choose a multiple as {name}"
            )


def _refuse_few(args: GRPOConfig, rows: int) -> None:
    """ValueError where the rows do not fill a generation batch: only whole ones are trained on."""
    answers, group = args.generation_batch_size, args.num_generations
    assert answers is not None and group is not None
    if rows < answers // group:
        raise ValueError(
            f"{rows} rows do not fill one generation batch, which takes {answers // group} (generation_batch_size "
            f"{answers} by num_generations {group}): give more rows, or lower per_device_train_batch_size or "
            "steps_per_generation"
        )


def _refuse_split_generations(args: GRPOConfig, rows: int) -> None:
    """ValueError where a checkpoint would fall between two updates on the same answers. The best one is saved after an
    evaluation; an epoch ends with a generation."""
    best = args.save_strategy == "best"
    if (args.eval_strategy if best else args.save_strategy) != "steps":
        return
    assert args.steps_per_generation is not None
    parts, cycle = args.gradient_accumulation_steps, args.steps_per_generation * args.num_iterations
    name = "eval_steps" if best else "save_steps"
    every: float = getattr(args, name)
    label = name
    if every < 1:  # a share of all updates, as transformers reads it
        updates = _updates(args, rows)
        label = f"{name}={every:g} of {updates} updates, every {math.ceil(updates * every)},"
        every = math.ceil(updates * every)
    if every * parts % cycle:
        raise ValueError(
            f"{label} must fall between two generations, else a resumed run would differ: choose a multiple of "
            f"{cycle // math.gcd(cycle, parts)} updates{', as the best is saved after an evaluation' if best else ''}"
        )


def _updates(args: GRPOConfig, rows: int) -> int:
    """Optimizer updates of a run, as transformers counts them."""
    answers, group, steps = args.generation_batch_size, args.num_generations, args.steps_per_generation
    assert answers is not None and group is not None and steps is not None
    if args.max_steps > 0:
        return args.max_steps
    micro_batches = rows // (answers // group) * steps * args.num_iterations
    return math.ceil(args.num_train_epochs * max(-(-micro_batches // args.gradient_accumulation_steps), 1))


class VLLMGRPOTrainer(common.CompleteCheckpoints, GRPOTrainer):
    """TRL's own GRPOTrainer, with answers by vLLM in the trainer's GPUs ("colocate") or from a server.

    vLLM computes in another way than the trainer, so its probabilities are not the trainer's: TRL computes the old
    log-probabilities itself and corrects for the difference (`vllm_importance_sampling_correction`). Prompts are
    repeated for each answer. rows: as of `SharedPrefixGRPOTrainer`, with images and not with pixels.
    """

    def __init__(self, policy: policies.Policy, rows: Sequence[dict[str, Any]], args: GRPOConfig, *, bf16, **more):
        self.bf16, self.rows = bf16, rows
        draws = Dataset.from_dict({"prompt": [""] * len(rows), "draw": range(len(rows))})
        super().__init__(model=policy.model, args=args, train_dataset=draws, processing_class=policy.processor, **more)

    def _get_train_sampler(self, dataset=None):
        sampler: Any = super()._get_train_sampler(dataset)
        fixed = ("mini_repeat_count", "batch_size", "repeat_count", "shuffle", "seed")
        given = {name: getattr(sampler, name) for name in fixed}
        return _Order(sampler.data_source, **given, epoch=lambda: int(self.state.epoch or 0))

    def _generate_and_score_completions(self, inputs):
        read = {draw: self.rows[draw] for draw in dict.fromkeys(x["draw"] for x in inputs)}  # each picture once
        apart = ("completion", "messages")  # TRL would look there for the prompt
        rows = [{name: value for name, value in read[x["draw"]].items() if name not in apart} for x in inputs]
        with common.autocast(self.bf16):
            return super()._generate_and_score_completions(rows)

    def compute_loss(self, *args, **options):
        with common.autocast(self.bf16):
            return super().compute_loss(*args, **options)


def server_of(rollouts: str) -> str | None:
    """The address of the server that samples, from the environment; None where none does. ValueError: it is not set."""
    if rollouts != "vllm-server":
        return None
    if server := os.environ.get("GEOREPLICATE_VLLM"):
        return server
    raise ValueError("set GEOREPLICATE_VLLM to the address of the server (trl vllm-serve), such as http://HOST:8000")


def refuse_rollouts(rollouts: str, server: str | None) -> None:
    """ValueError in one sentence where answers cannot be had in that way."""
    if rollouts not in ROLLOUTS:
        raise ValueError(f"unknown rollouts {rollouts!r}: choose one of {', '.join(ROLLOUTS)}")
    if (rollouts == "vllm-server") != (server is not None):
        raise ValueError("rollouts by vllm-server want the address of a server (trl vllm-serve), and no other do")
    if rollouts != "shared-prefix" and importlib.util.find_spec("vllm") is None:
        raise ValueError(
            f"rollouts by {rollouts} want vLLM, which is not installed: pip install 'georeplicate[serve]', or take "
            "shared-prefix"
        )


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
    rollouts: str = "shared-prefix",
    server: str | None = None,
    replay: Sequence[dict[str, Any]] | None = None,
    replay_share: float = 0.0,
    **shared: Unpack[common.Shared],
) -> Path:
    """Train a policy by GRPO; returns the folder of the trained policy, `out_dir/policy`.

    dataset: rows {images or pixels (see `Policy.pixels`), prompt, letter, ...}; reward_fn(text, row, n_tokens) returns
    a number or an object with `total` and `parts`. An update takes prompts_per_step prompts (over all processes and
    micro-batches) with num_generations completions each. shared: see `common.Shared`, and DEFAULTS for what is left
    out. With bf16 a GPU also samples in it (on a CPU fp32 is faster there). A frozen vision tower runs once a batch.
    Also writes `out_dir/log.csv`, one row an update. ValueError where the prompts do not divide into micro-batches.

    replay, replay_share: see `SharedPrefixGRPOTrainer`; ValueError with vLLM.

    rollouts: one of ROLLOUTS; with vLLM, in the trainer's GPUs or behind the address `server`, TRL's own trainer runs.
    """
    refuse_rollouts(rollouts, server)
    out_dir = Path(out_dir)
    chosen: common.Shared = {**DEFAULTS, **shared}
    settings = common.Settings(**chosen)
    each = settings.per_device(prompts_per_step, "prompts", num_generations)
    policy = common.start(policy_path, settings)
    args = GRPOConfig(
        **settings.arguments(out_dir),
        per_device_train_batch_size=each,
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
        use_vllm=rollouts != "shared-prefix",
        vllm_mode="server" if rollouts == "vllm-server" else "colocate",
        vllm_server_base_url=server,
        vllm_importance_sampling_correction=True,
    )
    rows = Rows(_drawn(len(dataset), args), functools.partial(_chat, policy, dataset))
    if args.use_vllm and (replay is not None or replay_share):
        raise ValueError(f"rollouts by {rollouts} replay nothing: take shared-prefix")
    if args.use_vllm:
        by_vllm = VLLMGRPOTrainer(
            policy,
            rows,
            args,
            reward_funcs=scoring.of_answers(reward_fn),
            peft_config=settings.peft_config,
            bf16=settings.autocast,
        )
        return common.run(by_vllm, policy, out_dir, settings.callbacks)
    trainer = SharedPrefixGRPOTrainer(
        model=policy.model,
        reward_funcs=scoring.of_answers(reward_fn),
        args=args,
        train_dataset=rows,
        processing_class=policy.processor,
        peft_config=settings.peft_config,
        bf16=settings.autocast,
        replay=replay,
        replay_share=replay_share,
    )
    return common.run(trainer, policy, out_dir, settings.callbacks)


def _drawn(rows: int, args: GRPOConfig) -> list[int]:
    """Row numbers for every draw of a run: one shuffled pass over all rows after another, across batches."""
    steps, group, batch = args.steps_per_generation, args.num_generations, args.generation_batch_size
    assert steps is not None and group is not None and batch is not None  # GRPOConfig works out what is left open
    updates = args.max_steps * args.gradient_accumulation_steps
    return common.order(rows, -(-updates // (steps * args.num_iterations)) * (batch // group), args.seed)


def _chat(policy: policies.Policy, dataset: Sequence[dict[str, Any]], number: int) -> dict[str, Any]:
    """A row whose prompt is the user's words about its images, in TRL's form."""
    row = dataset[number]
    return row | {"prompt": policy.conversation(row), "row": row}
