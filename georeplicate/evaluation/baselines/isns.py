"""ISNs: the Earth in cells, chosen by a classifier over three partitions at once (Müller-Budack et al., ECCV 2018).

Written from the description in the paper and its README alone: its authors withdrew code and weights in December 2025
for fear of misuse, and nothing here was taken from either.

A partition divides S2 cells until none holds more than a given number of training places, and drops those that hold too
few. A coarse, a middle and a fine one have a head each; the loss is the sum of their cross-entropies. For an answer,
each fine cell's probability is multiplied with those of the middle and the coarse cell around it; the mean place of the
training photos in the best fine cell is the answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import s2cell
import torch
from torch import nn
from torch.nn import functional

from georeplicate.evaluation.baselines import Baseline
from georeplicate.evaluation.baselines.learned import StandIn, opened, trunk
from georeplicate.evaluation.baselines.settings import Training
from georeplicate.evaluation.baselines.sphere import degrees, unit

DEEPEST = 30  # the level of S2's smallest cells, of about a square centimetre
MOST = (0.03, 0.015, 0.007)  # of the training places in one cell: coarse, middle, fine
LEAST = 5  # places in a cell; the paper has 5,000, 2,000, 1,000 and 50 of 4.7 million


def cells(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """[n] uint64: the smallest S2 cell of each place (degrees)."""
    return np.array([s2cell.lat_lon_to_cell_id(*place, DEEPEST) for place in zip(lat, lon)], np.uint64)


def parents(found: np.ndarray, level: int) -> np.ndarray:
    """[n] uint64: the cells of a level (0 to 30) around smaller ones. An id ends in a one that marks its level."""
    last = np.uint64(1 << (2 * (DEEPEST - level)))
    return (found & ~(last - np.uint64(1)) & ~last) | last


def partition(found: np.ndarray, most: int, least: int) -> np.ndarray:
    """[n] uint64: the cell of each place in a partition of these places, 0 where its cell holds fewer than `least`.

    found: their smallest cells. A cell of more than `most` is divided into the four of the next level.
    """
    out, undivided = np.zeros(len(found), np.uint64), np.ones(len(found), bool)
    for level in range(DEEPEST + 1):
        at = np.flatnonzero(undivided)
        names, inverse, count = np.unique(parents(found[at], level), return_inverse=True, return_counts=True)
        small = (count <= most) | (level == DEEPEST)
        kept = small & (count >= least)
        out[at[kept[inverse]]] = names[inverse[kept[inverse]]]
        undivided[at[small[inverse]]] = False
    return out


class ISNs(StandIn):
    name = "ISNs"
    simplified = (
        "one network instead of one each for indoor, natural and urban scenes, on frozen features and one view instead "
        "of a trained ResNet and five crops; cells hold 5 places or more instead of 50"
    )

    def __init__(self, width: int, training: Training, *, counts: list[int], **arguments: Any):
        super().__init__(width, training, counts=counts, **arguments)
        self.trunk = trunk(width, training)
        self.heads = nn.ModuleList(nn.Linear(training.hidden, count) for count in counts)
        self.register_buffer("around", torch.zeros(len(counts), counts[-1], dtype=torch.long))
        self.register_buffer("centre", torch.zeros(counts[-1], 2))
        self.around: torch.Tensor  # [partition, fine cell]: the cell of each partition around each fine one
        self.centre: torch.Tensor  # [fine cell, 2]: degrees
        self.labels = torch.empty(0)

    @classmethod
    def made_for(cls, width: int, lat: np.ndarray, lon: np.ndarray, training: Training, seed: int) -> Self:
        divided = _partitions(lat, lon)
        counts = [len(np.unique(part[part > 0])) for part in divided]
        if not counts[-1]:
            raise ValueError(f"ISNs: no cell holds {LEAST} of the {len(lat)} training places")
        return cls(width, training, counts=counts)

    def prepare(self, features: torch.Tensor, lat: np.ndarray, lon: np.ndarray) -> None:
        divided = _partitions(lat, lon)
        names = [np.unique(part[part > 0]) for part in divided]
        labels = [
            np.where(part > 0, np.searchsorted(name, part), -1) for name, part in zip(names, divided, strict=True)
        ]
        self.labels = torch.from_numpy(np.stack(labels))
        inside = [np.flatnonzero(labels[-1] == cell) for cell in range(len(names[-1]))]
        points = unit(torch.from_numpy(np.stack([lat, lon], 1)))
        self.centre = torch.stack([degrees(points[at].mean(0)) for at in inside]).float()
        self.around = torch.from_numpy(np.stack([label[[at[0] for at in inside]] for label in labels]))

    def loss(self, features: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        hidden, total = self.trunk(features), features.new_zeros(())
        for head, labels in zip(self.heads, self.labels, strict=True):
            wanted = labels[chosen]
            value = functional.cross_entropy(head(hidden), wanted, ignore_index=-1, reduction="sum")
            total = total + value / (wanted >= 0).sum().clamp(min=1)
        return total

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """[B, fine cells]: log of the product of the probabilities of a fine cell and of those around it."""
        hidden = self.trunk(features)
        shares = [head(hidden).log_softmax(1) for head in self.heads]
        return torch.stack([share[:, around] for share, around in zip(shares, self.around, strict=True)]).sum(0)

    def places(self, features: torch.Tensor) -> torch.Tensor:
        return self.centre[self.scores(features).argmax(1)]


def _partitions(lat: np.ndarray, lon: np.ndarray) -> list[np.ndarray]:
    found = cells(lat, lon)
    return [partition(found, max(LEAST, round(share * len(lat))), LEAST) for share in MOST]


def baseline(weights: str | Path | None = None) -> Baseline:
    """The stand-in in a folder; ValueError without one, as there are no weights that may be used."""
    if weights is not None and Path(weights).is_dir():
        return opened(ISNs, Path(weights))
    raise ValueError(
        "ISNs: there are no official weights: its authors withdrew code and weights in December 2025 for fear of "
        "misuse; give the folder of a stand-in as weights (`georeplicate train table1` makes one)"
    )
