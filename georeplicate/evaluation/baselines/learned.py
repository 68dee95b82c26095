"""What the trained stand-ins share: features in, places out; one training loop; one way onto the disk.

A stand-in is a small network on frozen features (`features.Tower`). Each of the four files beside this one keeps what
makes its system different (cells, a gallery, a quadtree, a flow on the sphere), says in `simplified` what it leaves
out, and is tested on a case whose answer is known.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from georeplicate import files, geo
from georeplicate.evaluation.baselines.features import Tower
from georeplicate.evaluation.baselines.settings import SETTINGS, Training
from georeplicate.model import checkpoint
from georeplicate.model.checkpoint import CheckpointError
from georeplicate.registry import Registry

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

Report = Callable[[int, str], None]  # report(updates, doing)
_HERE = "georeplicate.evaluation.baselines"
STAND_INS = Registry(
    "stand-in",
    {
        "ISNs": f"{_HERE}.isns:ISNs",
        "GeoCLIP": f"{_HERE}.geoclip:GeoCLIP",
        "Hybrid": f"{_HERE}.hybrid:Hybrid",
        "RFM-YFCC": f"{_HERE}.rfm:RFM",
        "nearest neighbour": f"{_HERE}.nearest:Nearest",
    },
)


class StandIn(nn.Module):
    """A network from standardised features to a place. Subclasses are registered with `BASELINES` under `name`.

    name: the system it stands for, as the paper's Table 1 spells it. simplified: what it leaves out, in one sentence.
    arguments: what its constructor needs beside the width of the features, as JSON has it.
    """

    name: ClassVar[str]
    simplified: ClassVar[str]

    def __init__(self, width: int, training: Training, **arguments: Any):
        super().__init__()
        self.width, self.settings, self.arguments = width, training, arguments
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.mean: torch.Tensor
        self.scale: torch.Tensor

    # -- what a system decides

    @classmethod
    def made_for(cls, width: int, lat: np.ndarray, lon: np.ndarray, training: Training, seed: int) -> Self:
        """An untrained one for these training places (degrees)."""
        raise NotImplementedError

    def loss(self, features: torch.Tensor, chosen: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Of a batch of standardised features [B, width]; chosen: their numbers among the training places."""
        raise NotImplementedError

    def prepare(self, features: torch.Tensor, lat: np.ndarray, lon: np.ndarray) -> None:
        """What is to be known of the training pictures (standardised features) and places before the first update."""
        raise NotImplementedError

    def places(self, features: torch.Tensor) -> torch.Tensor:
        """[B, 2] latitude and longitude in degrees, of standardised features [B, width]."""
        raise NotImplementedError

    # -- what all share

    def standardised(self, features: torch.Tensor) -> torch.Tensor:
        return (features - self.mean) / self.scale

    @torch.no_grad()
    def locate(self, features: torch.Tensor) -> np.ndarray:
        """[n, 2] latitude and longitude in degrees of features [n, width], which need not be standardised; NaN where
        the features are no numbers."""
        self.eval()
        if not len(features):
            return np.empty((0, 2))
        found = torch.cat([self.places(self.standardised(part)) for part in features.split(1024)]).numpy().astype(float)
        found[~torch.isfinite(features).all(1).numpy()] = np.nan
        return found


def trunk(width: int, training: Training, out: int | None = None) -> nn.Sequential:
    """Two hidden layers, and a linear one where `out` is given."""
    layers: list[nn.Module] = []
    for size in (width, training.hidden):
        layers += [nn.Linear(size, training.hidden), nn.GELU(), nn.LayerNorm(training.hidden)]
        layers += [nn.Dropout(training.dropout)]
    return nn.Sequential(*layers, *([] if out is None else [nn.Linear(training.hidden, out)]))


def fit(
    kind: type[StandIn],
    features: torch.Tensor,
    lat: np.ndarray,
    lon: np.ndarray,
    *,
    seed: int,
    training: Training | None = None,
    report: Report = lambda updates, doing: None,
) -> tuple[StandIn, list[float]]:
    """A trained stand-in, and its loss at each update. features: [n, width]; lat, lon: [n] in degrees.

    The same arguments give the same weights on one machine. ValueError for features or places that are not finite, or
    fewer than two.
    """
    lat, lon = np.asarray(lat, float), np.asarray(lon, float)
    if len(features) != len(lat) or len(lat) != len(lon) or len(lat) < 2:
        raise ValueError(f"{kind.name}: {len(features)} features for {len(lat)} places; it needs two or more of each")
    if not (torch.isfinite(features).all() and np.isfinite(lat).all() and np.isfinite(lon).all()):
        raise ValueError(f"{kind.name}: features and places must be finite numbers")
    if not geo.is_valid(lat, lon).all():
        raise ValueError(f"{kind.name}: latitudes are -90 to 90 and longitudes -180 to 180 degrees")
    training = training or SETTINGS[kind.name].training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        model = kind.made_for(features.shape[1], lat, lon, training, seed)
        model.mean = features.mean(0)
        spread = features.std(0, correction=0)
        model.scale = torch.where(spread > 1e-6, spread, 1.0)  # what never changed in training must not count later
        shown = model.standardised(features)
        model.prepare(shown, lat, lon)
        losses = _minimise(model, shown, training, generator, report)
    if losses and not math.isfinite(losses[-1]):
        raise ValueError(f"{kind.name}: the loss is {losses[-1]} after {training.steps} updates")
    return model.eval(), losses


def _minimise(
    model: StandIn, shown: torch.Tensor, training: Training, generator: torch.Generator, report: Report
) -> list[float]:
    """The loss at each update; nothing to do where there are none (a nearest neighbour learns nothing)."""
    if not training.steps:
        return []
    optimizer = torch.optim.AdamW(model.parameters(), training.learning_rate, weight_decay=training.weight_decay)
    warmup = max(1, training.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min((i + 1) / warmup, 0.5 * (1 + math.cos(math.pi * i / training.steps)))
    )
    model.train()
    losses = []
    for step in range(training.steps):
        chosen = torch.randint(len(shown), (min(training.batch, len(shown)),), generator=generator)
        value = model.loss(shown[chosen], chosen, generator)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(value.detach()))
        report(1, f"update {step + 1}/{training.steps}")
    return losses


# --- on the disk ------------------------------------------------------------------------------------------------------


TOWER = ".tower"  # where the vision tower lies, seen from the stand-in's folder


def save(model: StandIn, path: Path, tower: Tower, trained_on: str) -> Path:
    """A complete folder with SHA-256 sums, or none at all.

    Where the tower lies is said in a hidden file, which no sum covers: the identity of a stand-in is that of its
    weights and settings, whichever folder it was trained in.
    """
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    described = {"baseline": model.name, "width": model.width, "training": asdict(model.settings)}
    described |= {"arguments": model.arguments, "trained_on": trained_on, "tower": {"identity": tower.identity}}
    with checkpoint.writing(path) as new:
        save_file(state, new / "model.safetensors")
        files.write_json(new / "config.json", described)
        files.write_bytes(new / TOWER, os.path.relpath(tower.path, path.resolve()).encode())
    return path


def opened(kind: type[StandIn], path: Path, tower: Tower | None = None) -> Trained:
    """A stand-in of this kind from its folder; tower: whose features it sees, None for the one it was trained on.

    CheckpointError where the folder is missing, damaged or of another kind, does not say where its tower lies, or the
    tower is not the one it was trained on.
    """
    checkpoint.verify_manifest(path)
    config = json.loads((path / "config.json").read_text())
    if config.get("baseline") != kind.name:
        raise CheckpointError(f"{path} holds a stand-in of {config.get('baseline')}, not of {kind.name}")
    tower = tower or Tower(_tower_of(path, config))
    if tower.identity != config["tower"]["identity"]:
        raise CheckpointError(f"{path} was trained on the features of another vision tower than that of {tower.path}")
    model = kind(config["width"], Training(**config["training"]), **config["arguments"])
    model.load_state_dict(load_file(path / "model.safetensors"))
    return Trained(model.eval(), tower)


def _tower_of(path: Path, config: Mapping[str, Any]) -> Path:
    """The folder of the tower that a stand-in was trained on."""
    try:
        relative = (path / TOWER).read_text()
    except FileNotFoundError:
        relative = config["tower"].get("path", "")  # the place of it until version 0.2, under the folder's sums
    if not relative:
        raise CheckpointError(f"{path} does not say where its vision tower lies: its file {TOWER} was not copied along")
    return (path.resolve() / relative).resolve()


@dataclass
class Trained:
    """A stand-in with the tower it was trained on, as a `Baseline`."""

    model: StandIn
    tower: Tower

    def predict(self, images: Sequence[Image | None]) -> pd.DataFrame:
        """Latitude and longitude in degrees, the country they lie in; NaN where there is no picture."""
        return self.predict_rows([{"images": [] if image is None else [image]} for image in images])

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """The same for rows {images or pixels}, of each its first picture."""
        import pandas as pd

        from georeplicate import atlas

        there = np.array(["pixels" in row or bool(row.get("images")) for row in rows], bool)
        found = np.full((len(rows), 2), np.nan)
        country = np.full(len(rows), "", object)
        if there.any():
            found[there] = self.model.locate(self.tower.of_rows([row for row, seen in zip(rows, there) if seen]))
            country[there] = atlas.describe(found[there, 0], found[there, 1], atlas.NOON).country
        return pd.DataFrame({"lat": found[:, 0], "lon": found[:, 1], "country": country})
