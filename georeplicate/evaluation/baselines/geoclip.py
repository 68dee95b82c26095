"""GeoCLIP: pictures and coordinates in one space, the answer is the best of a gallery of places (Vivanco Cepeda et al.,
NeurIPS 2023).

Coordinates are projected by Equal Earth, lifted by random Fourier features at three scales, each with an MLP, and
summed; a picture's features go through an MLP. Both are compared by their cosine, and a picture's own coordinates must
win against those of the batch and of a queue, which begins as random places on land and is then fed by past batches.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from georeplicate import atlas
from georeplicate.evaluation.baselines import Baseline, published
from georeplicate.evaluation.baselines.learned import StandIn, opened, trunk
from georeplicate.evaluation.baselines.settings import Training

SIGMAS = (1.0, 16.0, 256.0)  # scales of the random Fourier features
FREQUENCIES = 128
SPACE = 128  # dimensions in which pictures and places meet
QUEUE = 1024
NOISE_KM = (0.15, 1.5)  # of coordinates, in the batch and in the queue
EQUAL_EARTH = (1.340264, -0.081106, 0.000893, 0.003796)  # coefficients of Šavrič, Patterson and Jenny, 2018
SCALE = 66.50336 / 180  # of the projection, as the published encoder has it
KM_PER_DEGREE = 111.195


def equal_earth(places: torch.Tensor) -> torch.Tensor:
    """[n, 2] latitude and longitude in degrees -> [n, 2] x and y on the unit sphere's Equal Earth map."""
    lat, lon = torch.deg2rad(places).unbind(-1)
    a1, a2, a3, a4 = EQUAL_EARTH
    t = torch.asin(math.sqrt(3) / 2 * torch.sin(lat))
    stretch = 9 * a4 * t**8 + 7 * a3 * t**6 + 3 * a2 * t**2 + a1
    x = 2 * math.sqrt(3) / 3 * lon * torch.cos(t) / stretch
    return torch.stack([x, a4 * t**9 + a3 * t**7 + a2 * t**3 + a1 * t], -1)


class Scale(nn.Module):
    """Random Fourier features of one scale, and their MLP."""

    def __init__(self, sigma: float, hidden: int):
        super().__init__()
        self.register_buffer("directions", sigma * torch.randn(FREQUENCIES, 2))
        self.directions: torch.Tensor
        self.net = nn.Sequential(
            *(nn.Linear(2 * FREQUENCIES, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()),
            nn.Linear(hidden, SPACE),
        )

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        turned = 2 * math.pi * points @ self.directions.T
        return self.net(torch.cat([turned.cos(), turned.sin()], 1))


class GeoCLIP(StandIn):
    name = "GeoCLIP"
    simplified = (
        "frozen features of a small tower instead of CLIP ViT-L/14, a smaller location encoder, a queue of 1,024 "
        "instead of 4,096, and the training places as gallery instead of 100,000 places"
    )

    def __init__(self, width: int, training: Training, *, gallery: int, **arguments: Any):
        super().__init__(width, training, gallery=gallery, **arguments)
        self.picture = trunk(width, training, SPACE)
        self.scales = nn.ModuleList(Scale(sigma, training.hidden) for sigma in SIGMAS)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.register_buffer("gallery", torch.zeros(gallery, 2))
        self.gallery: torch.Tensor  # [places, 2] in degrees
        self.queue = torch.empty(0, 2)

    @classmethod
    def made_for(cls, width: int, lat: np.ndarray, lon: np.ndarray, training: Training, seed: int) -> Self:
        model = cls(width, training, gallery=len(lat))
        land = atlas.random_land(QUEUE, np.random.default_rng([seed, 43]))
        model.queue = torch.from_numpy(np.stack(land, 1)).float()
        return model

    def prepare(self, features: torch.Tensor, lat: np.ndarray, lon: np.ndarray) -> None:
        self.gallery = torch.from_numpy(np.stack([lat, lon], 1)).float()

    def of_places(self, places: torch.Tensor) -> torch.Tensor:
        """[n, SPACE] unit vectors of places [n, 2] in degrees."""
        points = equal_earth(places) * SCALE
        return functional.normalize(torch.stack([scale(points) for scale in self.scales]).sum(0), dim=1)

    def of_pictures(self, features: torch.Tensor) -> torch.Tensor:
        """[n, SPACE] unit vectors of standardised features."""
        return functional.normalize(self.picture(features), dim=1)

    def loss(self, features: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        own = _moved(self.gallery[chosen], NOISE_KM[0], generator)
        others = _moved(self.queue, NOISE_KM[1], generator)
        self.queue = torch.cat([self.queue, self.gallery[chosen]])[-QUEUE:]
        near = self.of_pictures(features) @ self.of_places(torch.cat([own, others])).T
        return functional.cross_entropy(self.log_scale.exp().clamp(max=100) * near, torch.arange(len(features)))

    def places(self, features: torch.Tensor) -> torch.Tensor:
        return self.gallery[(self.of_pictures(features) @ self.of_places(self.gallery).T).argmax(1)]


def _moved(places: torch.Tensor, km: float, generator: torch.Generator) -> torch.Tensor:
    """Places moved by Gaussian noise of this standard deviation."""
    noise = torch.randn(places.shape, generator=generator) * (km / KM_PER_DEGREE)
    lat = (places[:, 0] + noise[:, 0]).clamp(-90, 90)
    return torch.stack([lat, places[:, 1] + noise[:, 1] / torch.deg2rad(lat).cos().clamp(min=0.01)], 1)


def baseline(weights: str | Path | None = None) -> Baseline:
    """The published model, or the stand-in in a folder; see `published` and `learned`."""
    if weights is not None and Path(weights).is_dir():
        return opened(GeoCLIP, Path(weights))
    return published.GeoCLIP(published.revision_of(weights))
