"""RFM: a flow on the sphere that carries random points to the place of a picture (Dufour et al., PLONK, CVPR 2025).

Riemannian flow matching: x0 is uniform on the sphere, x1 the place; x_t lies on the great circle between them, and the
network learns the velocity along it, a vector that is tangent to the sphere, from x_t, t and the picture. For an answer
random points are carried along that velocity, one Euler step after another on the sphere.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from georeplicate.evaluation.baselines import Baseline, published
from georeplicate.evaluation.baselines.learned import StandIn, opened, trunk
from georeplicate.evaluation.baselines.settings import Training
from georeplicate.evaluation.baselines.sphere import between, degrees, step, unit

STEPS = 64
STARTS = 16
DROPPED = 0.1  # share of the training pictures that are hidden, as the original does for guidance
DEPTH = 4


class Block(nn.Module):
    """A residual MLP whose scale, shift and gate come from the condition."""

    def __init__(self, hidden: int):
        super().__init__()
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.condition = nn.Linear(hidden, 3 * hidden)
        self.net = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden))
        nn.init.zeros_(self.condition.weight)
        nn.init.zeros_(self.condition.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        scale, shift, gate = self.condition(functional.gelu(condition)).chunk(3, -1)
        return x + gate * self.net(self.norm(x) * (1 + scale) + shift)


class RFM(StandIn):
    name = "RFM-YFCC"
    simplified = (
        "frozen features of a small tower instead of DINOv2 ViT-L/14, four blocks instead of twelve, evenly spread "
        "times instead of a sigmoid schedule, no average of weights and no guidance; the answer is the middle one of "
        "16 fixed starts instead of one random one, so that it is the same every time"
    )

    def __init__(self, width: int, training: Training, **arguments: Any):
        super().__init__(width, training, **arguments)
        hidden = training.hidden
        self.picture = trunk(width, training, hidden)
        self.nothing = nn.Parameter(torch.zeros(hidden))
        self.time = nn.Sequential(nn.Linear(32, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.point = nn.Linear(3, hidden)
        self.blocks = nn.ModuleList(Block(hidden) for _ in range(DEPTH))
        self.out = nn.Linear(hidden, 3)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.ends = torch.empty(0, 3)

    @classmethod
    def made_for(cls, width: int, lat: np.ndarray, lon: np.ndarray, training: Training, seed: int) -> Self:
        return cls(width, training)

    def prepare(self, features: torch.Tensor, lat: np.ndarray, lon: np.ndarray) -> None:
        self.ends = unit(torch.from_numpy(np.stack([lat, lon], 1)).float())

    def velocity(self, point: torch.Tensor, t: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """Tangent vectors [n, 3] at unit vectors [n, 3], times [n, 1]; picture: [n, hidden]."""
        waves = t * (2.0 ** torch.arange(16)) * math.pi
        condition = picture + self.time(torch.cat([waves.cos(), waves.sin()], 1))
        x = self.point(point)
        for block in self.blocks:
            x = block(x, condition)
        free = self.out(x)
        return free - (free * point).sum(-1, keepdim=True) * point

    def loss(self, features: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        start = functional.normalize(torch.randn(len(features), 3, generator=generator), dim=1)
        t = torch.rand(len(features), 1, generator=generator)
        hidden = torch.rand(len(features), 1, generator=generator) < DROPPED
        point, wanted = between(start, self.ends[chosen], t)
        picture = torch.where(hidden, self.nothing, self.picture(features))
        return (self.velocity(point, t, picture) - wanted).square().mean()

    def places(self, features: torch.Tensor) -> torch.Tensor:
        starts = functional.normalize(torch.randn(STARTS, 3, generator=torch.Generator().manual_seed(0)), dim=1)
        point = starts.repeat(len(features), 1)
        picture = self.picture(features).repeat_interleave(STARTS, 0)
        for i in range(STEPS):
            t = torch.full((len(point), 1), i / STEPS)
            point = step(point, self.velocity(point, t, picture) / STEPS)
        ends = point.unflatten(0, (len(features), STARTS))
        middle = (ends @ ends.mT).clamp(-1, 1).acos().sum(2).argmin(1)  # least total distance to the others
        return degrees(ends[torch.arange(len(features)), middle])


def baseline(weights: str | Path | None = None) -> Baseline:
    """The published model, or the stand-in in a folder; see `published` and `learned`."""
    if weights is not None and Path(weights).is_dir():
        return opened(RFM, Path(weights))
    return published.RFM(published.revision_of(weights))
