"""Hybrid: a cell of a quadtree and an offset within it (Astruc et al., OpenStreetView-5M, CVPR 2024).

The quadtree divides latitude and longitude at their middle until no leaf holds too many training places. The network
chooses a leaf and, for each leaf, an offset from the mean of its places in units of how far the leaf's places reach to
that side; in training the true leaf's offset is compared with the place, in use the best leaf's is added.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from georeplicate.evaluation.baselines import Baseline, published
from georeplicate.evaluation.baselines.learned import StandIn, opened, trunk
from georeplicate.evaluation.baselines.settings import Training

DEPTH = 10
MOST = 0.01  # of the training places in one leaf; the original has 1,000 of 4.9 million
REACH = 1.2  # the largest offset, of the way to the edge


def quadtree(lat: np.ndarray, lon: np.ndarray, most: int, depth: int = DEPTH) -> np.ndarray:
    """[n] number of the leaf of each place (degrees); leaves without a place get none."""
    leaves = np.full(len(lat), -1)
    count = 0

    def divide(at: np.ndarray, south: float, north: float, west: float, east: float, left: int) -> None:
        nonlocal count
        if len(at) <= most or not left:
            if len(at):
                leaves[at], count = count, count + 1
            return
        middle, centre = (south + north) / 2, (west + east) / 2
        for up in (False, True):
            for right in (False, True):
                part = at[((lat[at] >= middle) == up) & ((lon[at] >= centre) == right)]
                rows = (middle, north) if up else (south, middle)
                divide(part, *rows, *((centre, east) if right else (west, centre)), left - 1)

    divide(np.arange(len(lat)), -90.0, 90.0, -180.0, 180.0, depth)
    return leaves


class Hybrid(StandIn):
    name = "Hybrid"
    simplified = (
        "frozen features instead of a fine-tuned CLIP ViT-L/14, and plain cross-entropy with an L2 on the offset "
        "instead of the contrastive and the hierarchical loss of the published model"
    )

    def __init__(self, width: int, training: Training, *, leaves: int, **arguments: Any):
        super().__init__(width, training, leaves=leaves, **arguments)
        self.trunk = trunk(width, training)
        self.leaf = nn.Linear(training.hidden, leaves)
        self.offset = nn.Linear(training.hidden, 2 * leaves)
        self.register_buffer("centre", torch.zeros(leaves, 2))
        self.register_buffer("down", torch.ones(leaves, 2))
        self.register_buffer("up", torch.ones(leaves, 2))
        self.centre: torch.Tensor  # [leaf, 2]: the mean place, degrees
        self.down: torch.Tensor  # [leaf, 2]: from there to the lowest place
        self.up: torch.Tensor  # [leaf, 2]: from there to the highest place
        self.labels, self.wanted = torch.empty(0), torch.empty(0)

    @classmethod
    def made_for(cls, width: int, lat: np.ndarray, lon: np.ndarray, training: Training, seed: int) -> Self:
        return cls(width, training, leaves=int(_leaves(lat, lon).max()) + 1)

    def prepare(self, features: torch.Tensor, lat: np.ndarray, lon: np.ndarray) -> None:
        leaves, places = _leaves(lat, lon), np.stack([lat, lon], 1)
        inside = [places[leaves == leaf] for leaf in range(leaves.max() + 1)]
        centre = np.stack([part.mean(0) for part in inside])
        down = np.stack([c - part.min(0) for c, part in zip(centre, inside, strict=True)])
        up = np.stack([part.max(0) - c for c, part in zip(centre, inside, strict=True)])
        away = places - centre[leaves]
        reach = np.maximum(np.where(away > 0, up[leaves], down[leaves]), 1e-9)
        self.labels = torch.from_numpy(leaves)
        self.wanted = torch.from_numpy(away / reach).float()
        self.centre, self.down, self.up = (torch.from_numpy(part).float() for part in (centre, down, up))

    def offsets(self, hidden: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
        """[B, 2] of these leaves [B], in units of the leaf's reach, within ±REACH."""
        all_offsets = self.offset(hidden).unflatten(1, (-1, 2))
        return REACH * torch.tanh(all_offsets[torch.arange(len(leaf)), leaf])

    def loss(self, features: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        hidden, leaf = self.trunk(features), self.labels[chosen]
        missed = self.offsets(hidden, leaf) - self.wanted[chosen]
        return functional.cross_entropy(self.leaf(hidden), leaf) + missed.square().sum(1).mean()

    def places(self, features: torch.Tensor) -> torch.Tensor:
        hidden = self.trunk(features)
        leaf = self.leaf(hidden).argmax(1)
        away = self.offsets(hidden, leaf)
        found = self.centre[leaf] + away * torch.where(away > 0, self.up[leaf], self.down[leaf])
        return torch.stack([found[:, 0].clamp(-90, 90), (found[:, 1] + 180) % 360 - 180], 1)


def _leaves(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    return quadtree(lat, lon, max(2, round(MOST * len(lat))))


def baseline(weights: str | Path | None = None) -> Baseline:
    """The published model, or the stand-in in a folder; see `published` and `learned`."""
    if weights is not None and Path(weights).is_dir():
        return opened(Hybrid, Path(weights))
    return published.Hybrid(published.revision_of(weights))
