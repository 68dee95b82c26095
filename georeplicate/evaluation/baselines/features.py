"""Frozen features of pictures: what the stand-ins of GeoCLIP, ISNs, the hybrid model and RFM see.

The published systems each come with an image encoder of hundreds of millions of parameters. Their stand-ins share one
that is there anyway: the vision tower of a policy, left as it is, so that they differ in how they turn features into a
place and in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from georeplicate.model import hub, shared_prefix
from georeplicate.model import policy as policies

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass
class Tower:
    """The vision tower of a policy: of each picture the mean, the spread and the maximum over its visual tokens."""

    path: Path

    @cached_property
    def policy(self) -> policies.Policy:
        policy = policies.load(self.path, device=policies.device())
        policy.model.requires_grad_(False)
        return policy

    @property
    def identity(self) -> str:
        """Which weights these are: see `hub.identity`."""
        return hub.identity(self.path)

    def of(self, images: Sequence[Image]) -> torch.Tensor:
        """[pictures, 3 x width] float32 features of pictures."""
        return self.of_pixels([self.policy.pixels([image]) for image in images])

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> torch.Tensor:
        """The same of the first picture of rows {pixels or images}."""
        pixels = (row["pixels"] if "pixels" in row else self.policy.pixels(row["images"][:1]) for row in rows)
        return self.of_pixels(list(pixels))

    def of_pixels(self, pixels: Sequence[dict[str, Any]]) -> torch.Tensor:
        """The same of pictures as `Policy.pixels` makes them, one picture each. ValueError for a family of models whose
        vision tower does not run alone."""
        if not pixels:
            return torch.empty(0, 0)
        rows = [{"pixels": one, "prompt": ""} for one in pixels]
        prompts = shared_prefix.remember_features(self.policy.model, self.policy.encode(rows))
        if prompts.features is None:
            raise ValueError(f"the vision tower of {self.path} does not run alone; take a Qwen2.5-VL model's")
        found = [torch.cat([t.mean(0), t.std(0, correction=0), t.amax(0)]) for t in prompts.features]
        return torch.stack(found).float().cpu()
