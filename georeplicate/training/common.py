"""What the two stages share: settings, one order of the data, checkpoints that resume exactly, the frame of a run.

Resuming repairs one silent failure of the libraries: for a full fine-tune of a vision-language model they load none of
the weights (these are saved under the published names, which `load_state_dict(strict=False)` does not match), so that
training would go on from the base model with the checkpoint's optimizer and end normally.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Required, TypedDict

import pandas as pd
import torch
from peft import PeftModel
from torch.distributed.fsdp import MixedPrecisionPolicy
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback

from georeplicate import files
from georeplicate.model import policy as policies
from georeplicate.model.checkpoint import CheckpointError, verify_manifest, write_manifest, writing
from georeplicate.training import processes

_NEEDED = ("trainer_state.json", "scheduler.pt")  # whatever keeps the weights; what else there must be: `kept_by`
_log = logging.getLogger(__name__)


class Shared(TypedDict, total=False):
    """Settings that both stages take, as keyword arguments of `sft.train` and `grpo.train`.

    steps: optimizer updates. accumulation: micro-batches of an update. schedule, warmup_steps: of the learning rate, in
    the terms of transformers. freeze_vision: the vision tower stays as it is. bf16: autocast of the training forward
    passes (None: where the hardware has it). save_steps: updates between checkpoints, from which a later call with the
    same arguments goes on, exactly (None: no checkpoints). peft_config: train adapters instead of the weights.
    four_bits: on weights held in four bits (QLoRA). report_to: one of TRACKERS.
    """

    steps: Required[int]
    seed: Required[int]
    learning_rate: float
    accumulation: int
    schedule: str
    warmup_steps: int
    adam_betas: tuple[float, float]
    weight_decay: float
    max_grad_norm: float
    freeze_vision: bool
    gradient_checkpointing: bool
    bf16: bool | None
    save_steps: int | None
    save_total_limit: int
    peft_config: Any
    four_bits: bool
    report_to: str
    callbacks: Sequence[TrainerCallback]


class Own(TypedDict):
    """Of `Shared`, what each stage has defaults of its own for."""

    learning_rate: float
    schedule: str
    warmup_steps: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`Shared`, with the defaults that both stages agree on; see there."""

    steps: int
    seed: int
    learning_rate: float
    schedule: str
    warmup_steps: int
    accumulation: int = 1
    adam_betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    freeze_vision: bool = False
    gradient_checkpointing: bool = False
    bf16: bool | None = None
    save_steps: int | None = None
    save_total_limit: int = 2
    peft_config: Any = None
    four_bits: bool = False
    report_to: str = "none"
    callbacks: Sequence[TrainerCallback] = ()

    @property
    def autocast(self) -> bool:
        return bf16_in_hardware() if self.bf16 is None else self.bf16

    def per_device(self, of: int, what: str, each: int = 1) -> int:
        """How many of `of` things (times `each`) one micro-batch of one process holds; ValueError if they do not
        divide."""
        count = processes.count()
        if of % (parts := self.accumulation * count):
            raise ValueError(f"{of} {what} do not divide into {self.accumulation} x {count} micro-batches")
        return of * each // parts

    def arguments(self, out_dir: str | os.PathLike) -> dict[str, Any]:
        """The arguments of transformers' trainers that these settings fix, and those that never change here."""
        return {
            "output_dir": str(out_dir),
            "max_steps": self.steps,
            "gradient_accumulation_steps": self.accumulation,
            "learning_rate": self.learning_rate,
            "lr_scheduler_type": self.schedule,
            "warmup_steps": self.warmup_steps,
            "optim": "adamw_torch",
            "adam_beta1": self.adam_betas[0],
            "adam_beta2": self.adam_betas[1],
            "weight_decay": self.weight_decay,
            "max_grad_norm": self.max_grad_norm,
            "activation_checkpointing": self.gradient_checkpointing,
            # The libraries' own switch would round what FSDP2 sums and what `autocast` returns; ZeRO alone wants it.
            "bf16": processes.engine().startswith("zero") and self.autocast,
            "use_cpu": not torch.cuda.is_available(),
            "seed": self.seed,
            "remove_unused_columns": False,
            "save_strategy": "no" if self.save_steps is None else "steps",
            "save_steps": self.save_steps or 500,
            "save_total_limit": self.save_total_limit,
            "logging_steps": 1,
            "report_to": trackers(self.report_to),
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
        }


def start(path: str | os.PathLike, settings: Settings) -> policies.Policy:
    """The policy that a stage begins with, ready to be trained."""
    if settings.four_bits and (settings.peft_config is None or processes.engine() not in ("one", "ddp")):
        raise ValueError(
            "weights in four bits (qlora) are not trained, and not kept in shares: give a peft_config, and train on "
            "one GPU or with --launch ddp"
        )
    policy = load(path, whole=settings.peft_config is None, four_bits=settings.four_bits)
    if settings.freeze_vision:
        freeze_vision(policy.model)
    return policy


TRACKERS = ("none", "tensorboard", "wandb", "trackio")


def trackers(name: str) -> list[str]:
    """What transformers' `report_to` takes; ValueError for a tracker that is unknown or not installed."""
    if name not in TRACKERS:
        raise ValueError(f"unknown tracker {name!r}: choose one of {', '.join(TRACKERS)}")
    if name != "none" and importlib.util.find_spec(name) is None:
        raise ValueError(f"{name} is not installed: pip install {name}, or report to none")
    return [] if name == "none" else [name]


def order(rows: int, count: int, seed: int) -> list[int]:
    """Row numbers for `count` draws: one shuffled pass over all rows after another, fixed by the seed alone.

    ValueError where there are no rows."""
    if rows == 0:
        raise ValueError("there are no rows to train on")
    generator = torch.Generator().manual_seed(seed)
    drawn: list[int] = []
    while len(drawn) < count:
        drawn += torch.randperm(rows, generator=generator).tolist()
    return drawn[:count]


def bf16_in_hardware() -> bool:
    """Whether bf16 matrix products are fast here: on a GPU that has them or a CPU with AVX512-BF16."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported()


def autocast(bf16: bool):
    """bf16 autocast on the device in use, or nothing. (The libraries' own switch refuses bf16 on a CPU.)"""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.autocast(device, dtype=torch.bfloat16) if bf16 else contextlib.nullcontext()


def load(path: str | os.PathLike, *, whole: bool, four_bits: bool = False) -> policies.Policy:
    """A policy to be trained, on this process's GPU if there is one (weights that will be shared are taken there share
    by share). whole: all of its weights will be trained, and are held in fp32.

    Published checkpoints are bf16, whose steps of 0.4 % swallow the updates of a learning rate of 1e-6 (the official
    run keeps fp32 masters). The weights, their gradients and AdamW's two moments then take 16 bytes a parameter.
    """
    device = processes.take_device()
    processes.load_whole()
    dtype = torch.float32 if whole else "auto"
    keeps = "cpu" if processes.shards_weights() else device
    return policies.load(path, dtype=dtype, device=keeps, four_bits=four_bits)


def freeze_vision(model: PreTrainedModel) -> None:
    """The vision tower stays as it is; gradients do not enter it."""
    model.get_encoder(modality="image").requires_grad_(False)


def bare(trainer: Trainer) -> PreTrainedModel:
    """The model itself, without the wrappers of distribution and adapters (adapters stay active inside it)."""
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    return inner


def kept_by(path: str | os.PathLike) -> str:
    """Who wrote a checkpoint's weights and moments: "one" process (or each of several, whole), "fsdp2" or "zero".

    CheckpointError where some of it is missing. FSDP writes `optimizer_0/` and `pytorch_model_fsdp_0/` (or one .bin
    each), DeepSpeed a folder whose name is in `latest`.
    """
    path = Path(path)
    if (path / "latest").is_file():
        step = (path / "latest").read_text().strip()
        for pattern in ("*optim_states.pt", "*model_states.pt"):
            if not step or not list((path / step).glob(pattern)):
                raise CheckpointError(
                    f"{path} cannot be resumed: DeepSpeed's {step or 'latest'}/{pattern} is missing; delete it to go "
                    "on from an older one"
                )
        return "zero"
    parts = ("pytorch_model_fsdp", "optimizer")
    there = {name: (path / f"{name}_0" / ".metadata").is_file() or (path / f"{name}.bin").is_file() for name in parts}
    if any(there.values()) or (path / "pytorch_model_fsdp_0").exists():
        if lost := [name for name, found in there.items() if not found]:
            raise CheckpointError(
                f"{path} cannot be resumed: FSDP's {lost[0]}_0 is missing; delete it to go on from an older one"
            )
        return "fsdp2"
    if not (path / "optimizer.pt").is_file():
        raise CheckpointError(
            f"{path} cannot be resumed: optimizer.pt is missing; delete it to go on from an older one"
        )
    return "one"


def verify_resumable(path: str | os.PathLike) -> str:
    """Raises CheckpointError unless the checkpoint is whole and has everything that training goes on from; returns
    what `kept_by` does."""
    verify_manifest(path)
    for name in _NEEDED:
        if not (Path(path) / name).is_file():
            raise CheckpointError(f"{path} cannot be resumed: {name} is missing; delete it to go on from an older one")
    return kept_by(path)


def latest(out_dir: str | os.PathLike) -> Path | None:
    """The newest good `checkpoint-N` of a run; torn or damaged ones are passed over with a warning. None if none.

    CheckpointError where it is good and of another way of keeping weights than this run's."""
    found = [p for p in Path(out_dir).glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", p.name)]
    for path in sorted(found, key=lambda p: int(p.name.split("-")[1]), reverse=True):
        try:
            writer = verify_resumable(path)
        except CheckpointError as error:
            _log.warning("passing over a checkpoint: %s", error)
            continue
        now = processes.engine()
        if writer != {"ddp": "one", "zero2": "zero", "zero3": "zero"}.get(now, now):
            how = {"one": "one process, or --launch ddp", "zero": "--launch zero2 or zero3, as it was begun"}
            raise CheckpointError(
                f"{path} was written by another way of training than {now}: go on with "
                f"{how.get(writer, '--launch fsdp2')}, or delete the checkpoints of this run to begin again"
            )
        return path
    return None


class CompleteCheckpoints(Trainer):
    """Checkpoints with SHA-256 sums, strict reloading and no automatic model card. Mix in before a TRL trainer."""

    bf16: bool  # autocast of the forward passes, set by those who mix this in

    def create_accelerator_and_postprocess(self):
        super().create_accelerator_and_postprocess()
        engine, kept = processes.engine(), {"fsdp2": self.is_fsdp_enabled}
        if not kept.get(engine, self.is_deepspeed_enabled or not engine.startswith("zero")):
            raise processes.LaunchError(
                f"{engine} was asked for and accelerate keeps no weights in shares here, as it does on several GPUs "
                "alone: leave --launch out, or take ddp"
            )
        if engine == "fsdp2":
            # Computed in bf16 from fp32 masters, summed in fp32; what the model returns (it may be log-probabilities,
            # see shared_prefix.logprob) keeps its type. No autocast beside it.
            precise = {"param_dtype": torch.bfloat16, "reduce_dtype": torch.float32} if self.bf16 else {}
            self.accelerator.state.fsdp_plugin.mixed_precision_policy = MixedPrecisionPolicy(**precise)
        if engine not in ("one", "ddp"):
            self.bf16 = False  # the weights are bf16 by then

    def create_model_card(self, *args, **kwargs):
        """Model cards are written by hand, with measurements."""

    def _save_checkpoint(self, model, trial):
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # every process has written its part
        if self.args.should_save:
            write_manifest(Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}")
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        processes.by_first(lambda: verify_resumable(resume_from_checkpoint))
        model = self.model if model is None else model
        adapters = (Path(resume_from_checkpoint) / "adapter_config.json").is_file()
        if adapters or self.is_fsdp_enabled or self.is_deepspeed_enabled:
            return super()._load_from_checkpoint(resume_from_checkpoint, model)
        own = self.accelerator.unwrap_model(model)
        saved, info = type(own).from_pretrained(resume_from_checkpoint, dtype=own.dtype, output_loading_info=True)
        if info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"]:
            raise CheckpointError(f"{resume_from_checkpoint} does not hold this model's weights")
        own.load_state_dict(saved.state_dict(), strict=True)


def run(trainer: Trainer, policy: policies.Policy, out_dir: Path, callbacks: Sequence[TrainerCallback] = ()) -> Path:
    """Trains, from the newest good checkpoint if there is one; writes `policy/` (with adapters, also `adapter/`) and
    `log.csv`, returns the former."""
    trainer.remove_callback(PrinterCallback)
    for callback in callbacks if processes.is_first() else ():
        trainer.add_callback(callback)
    resume = processes.by_first(lambda: latest(out_dir))
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    state = _gathered(trainer)
    if trainer.args.should_save:
        _save(trainer, policy, out_dir, state)
        steps = pd.DataFrame([entry for entry in trainer.state.log_history if "loss" in entry])
        columns = ["step", *sorted(set(steps.columns) - {"step"})]  # a resumed run logs them in another order
        files.write_csv(out_dir / "log.csv", steps[columns])
    trainer.accelerator.wait_for_everyone()
    return out_dir / "policy"


def _gathered(trainer: Trainer) -> dict[str, torch.Tensor] | None:
    """All weights, in process 0 and in memory of the machine, where no process has them; else None."""
    if not processes.shards_weights():
        return None
    return trainer.accelerator.get_state_dict(trainer.model_wrapped)


def _save(trainer: Trainer, policy: policies.Policy, out_dir: Path, state: dict[str, torch.Tensor] | None) -> None:
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    if not isinstance(model, PeftModel):
        policies.Policy(model, policy.processor).save(out_dir / "policy", state)
        return
    with writing(out_dir / "adapter") as new:
        model.save_pretrained(str(new), state_dict=state)
        policy.processor.save_pretrained(new)
    if state is None and not getattr(model, "is_quantized", False):
        merged: Any = model.merge_and_unload()  # what goes on from here is a whole policy
        policies.Policy(merged, policy.processor).save(out_dir / "policy")
    else:  # the weights lie in shares, or in four bits: they are read again
        processes.load_whole()
        base: Any = model.get_base_model()
        policies.merge(out_dir / "adapter", base.config._name_or_path).save(out_dir / "policy")
