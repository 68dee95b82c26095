"""The nearest neighbour in features: the place of the training picture that looks most alike. It learns nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch.nn import functional

from georeplicate.evaluation.baselines import Baseline
from georeplicate.evaluation.baselines.learned import StandIn, opened
from georeplicate.evaluation.baselines.settings import Training


class Nearest(StandIn):
    name = "nearest neighbour"
    simplified = "nothing: it is a trivial baseline and stands for no system"

    def __init__(self, width: int, training: Training, *, gallery: int, **arguments: Any):
        super().__init__(width, training, gallery=gallery, **arguments)
        self.register_buffer("gallery", torch.zeros(gallery, 2))
        self.register_buffer("shown", torch.zeros(gallery, width))
        self.gallery: torch.Tensor  # [pictures, 2] in degrees
        self.shown: torch.Tensor  # [pictures, width]: unit vectors

    @classmethod
    def made_for(cls, width: int, lat: np.ndarray, lon: np.ndarray, training: Training, seed: int) -> Self:
        return cls(width, training, gallery=len(lat))

    def prepare(self, features: torch.Tensor, lat: np.ndarray, lon: np.ndarray) -> None:
        self.gallery = torch.from_numpy(np.stack([lat, lon], 1)).float()
        self.shown = functional.normalize(features, dim=1)

    def places(self, features: torch.Tensor) -> torch.Tensor:
        return self.gallery[(functional.normalize(features, dim=1) @ self.shown.T).argmax(1)]


def baseline(weights: str | Path | None = None) -> Baseline:
    """The one in a folder; ValueError without one: its neighbours are the training pictures."""
    if weights is not None and Path(weights).is_dir():
        return opened(Nearest, Path(weights))
    raise ValueError(
        "nearest neighbour: give the folder that holds its training pictures' features as weights (`georeplicate train "
        "table1` makes one)"
    )
