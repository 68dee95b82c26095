"""Checkpoints that are complete or refused, and runs that resume exactly.

A checkpoint directory carries SHA256SUMS (the format of `sha256sum -c`), written last: without it the directory was
torn while it was written, with it every file can be checked (safetensors itself has no checksum). `CompleteCheckpoints`
gives that to any transformers Trainer and repairs one silent failure: resuming a full fine-tune of a vision-language
model loads none of the weights (they are saved under the published names, which `load_state_dict(strict=False)` does
not match), so training would go on from the base model with the checkpoint's optimizer.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from transformers import Trainer

from georeplicate import record

MANIFEST = "SHA256SUMS"
_NEEDED = ("trainer_state.json", "optimizer.pt", "scheduler.pt")
_log = logging.getLogger(__name__)


class CheckpointError(RuntimeError):
    """A checkpoint is missing, incomplete or damaged."""


def write_manifest(path: str | os.PathLike) -> None:
    """SHA256SUMS over all files of a directory; call it last."""
    path = Path(path)
    files = sorted(f for f in path.rglob("*") if f.is_file() and f.name != MANIFEST)
    lines = [f"{record.sha256_file(f)}  {f.relative_to(path).as_posix()}\n" for f in files]
    record.write_bytes(path / MANIFEST, "".join(lines).encode())


def verify_manifest(path: str | os.PathLike) -> None:
    """Raises CheckpointError that names the first missing or changed file; the manifest itself must be there."""
    path = Path(path)
    if not (path / MANIFEST).is_file():
        raise CheckpointError(f"{path} has no {MANIFEST}: it was not completely written; delete it")
    for line in (path / MANIFEST).read_text().splitlines():
        expected, name = line.split("  ", 1)
        if not (path / name).is_file():
            raise CheckpointError(f"{path} is incomplete: {name} is missing; restore or delete this checkpoint")
        if record.sha256_file(path / name) != expected:
            raise CheckpointError(f"{path / name} is damaged (its SHA-256 differs from {MANIFEST}); restore it")


def latest(out_dir: str | os.PathLike) -> Path | None:
    """The newest good `checkpoint-N` of a run; torn or damaged ones are passed over with a warning. None if none."""
    found = [p for p in Path(out_dir).glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", p.name)]
    for path in sorted(found, key=lambda p: int(p.name.split("-")[1]), reverse=True):
        try:
            verify_manifest(path)
            for name in _NEEDED:
                if not (path / name).is_file():
                    raise CheckpointError(f"{path} cannot be resumed: {name} is missing")
        except CheckpointError as error:
            _log.warning("passing over a checkpoint: %s", error)
            continue
        return path
    return None


class CompleteCheckpoints(Trainer):
    """Mix in before a TRL trainer."""

    def _save_checkpoint(self, model, trial):
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            write_manifest(Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}")

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        verify_manifest(resume_from_checkpoint)
        for name in _NEEDED:
            if not (Path(resume_from_checkpoint) / name).is_file():
                raise CheckpointError(f"{resume_from_checkpoint} cannot be resumed: {name} is missing")
        model = self.model if model is None else model
        adapters = (Path(resume_from_checkpoint) / "adapter_config.json").is_file()
        if adapters or self.is_fsdp_enabled or self.is_deepspeed_enabled:
            return super()._load_from_checkpoint(resume_from_checkpoint, model)
        bare = self.accelerator.unwrap_model(model)
        saved, info = type(bare).from_pretrained(resume_from_checkpoint, dtype=bare.dtype, output_loading_info=True)
        if info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"]:
            raise CheckpointError(f"{resume_from_checkpoint} does not hold this model's weights")
        bare.load_state_dict(saved.state_dict(), strict=True)
