"""The published systems with their official weights, each through its authors' own package.

None of them could be run here (their weights lie on a hub that was out of reach): what is tested is how they are
called, with what the packages declare. Revisions are pinned with `weights="official@COMMIT"`; without one the newest is
taken. What a package does that moves its numbers is set here and named: guidance, steps, seeds, the unit of angles.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from georeplicate.model import policy as policies

if TYPE_CHECKING:
    from PIL.Image import Image


class Published:
    """A published system: where its weights are and how it places pictures (`located`)."""

    name = ""
    weights = ""  # on the hub
    licence = ""
    package = ""
    install = ""
    looks = True

    def __init__(self, revision: str | None = None):
        """ValueError in one sentence where the package is missing or the weights cannot be had."""
        try:
            module = import_module(self.package)
        except ImportError as error:
            raise ValueError(
                f"{self.name} runs through its authors' package: {self.install} ({error}); its weights {self.weights} "
                f"are under: {self.licence}"
            ) from None
        try:
            self.model = self.opened(module, revision)
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"{self.name}: weights missing: {self.weights} cannot be loaded ({error})") from None

    def opened(self, module: Any, revision: str | None) -> Any:
        raise NotImplementedError

    def located(self, images: Sequence[Image]) -> np.ndarray:
        """[n, 2] latitude and longitude in degrees."""
        raise NotImplementedError

    def predict(self, images: Sequence[Image | None]) -> pd.DataFrame:
        found = np.full((len(images), 2), np.nan)
        there = [i for i, image in enumerate(images) if image is not None]
        if there:
            found[there] = self.located([image for image in images if image is not None])
        return pd.DataFrame({"lat": found[:, 0], "lon": found[:, 1]})

    def _refuse_revision(self, revision: str | None) -> None:
        if revision:
            raise ValueError(f"its package cannot be told a revision, so {revision!r} would be ignored")


class GeoCLIP(Published):
    """The best of its gallery of 100,000 places. Pictures are prepared as CLIP's own processor does it (`predict` of
    the package); the training code of the package normalises otherwise."""

    name, package = "GeoCLIP", "geoclip"
    weights, licence = "VicenteVivanco/geoclip-geolocation", "MIT"
    install = "pip install geoclip==1.3.0"

    def opened(self, module: Any, revision: str | None) -> Any:
        return module.GeoCLIP.from_pretrained(self.weights, revision=revision, device=policies.device())

    @torch.no_grad()
    def located(self, images: Sequence[Image]) -> np.ndarray:
        found = []
        for image in images:
            shown = self.model.image_encoder.preprocess_image(image.convert("RGB")).to(policies.device())
            best = self.model(shown, self.model.gps_gallery).argmax(1)
            found.append(self.model.gps_gallery[best[0]].cpu().numpy())
        return np.stack(found).astype(float)


class Hybrid(Published):
    """The hybrid model of OpenStreetView-5M. It answers in radians, which its README does not say everywhere."""

    name, package = "Hybrid", "models.huggingface"
    weights, licence = "osv5m/baseline", "MIT"
    install = "clone github.com/gastruc/osv5m, install its requirements and put the clone on PYTHONPATH"

    def opened(self, module: Any, revision: str | None) -> Any:
        options = {"revision": revision} if revision else {}
        return module.Geolocalizer.from_pretrained(self.weights, **options).to(policies.device()).eval()

    @torch.no_grad()
    def located(self, images: Sequence[Image]) -> np.ndarray:
        shown = torch.stack([self.model.transform(image.convert("RGB")).squeeze(0) for image in images])
        return np.degrees(self.model(shown.to(policies.device())).cpu().double().numpy())


class RFM(Published):
    """PLONK's Riemannian flow matching, trained on YFCC. Its evaluation guides with 2.0 while its pipeline's default is
    0; one sample a picture, whose noise comes from a generator that is seeded for each call."""

    name, package = "RFM-YFCC", "plonk"
    weights, licence = "nicolas-dufour/PLONK_YFCC", "MIT; licence of the weights not found"
    install = "pip install diff-plonk==0.4 (its DINOv2 comes from torch.hub, so GitHub must be in reach)"
    GUIDANCE, STEPS, SEED = 2.0, 250, 0

    def opened(self, module: Any, revision: str | None) -> Any:
        self._refuse_revision(revision)
        return module.PlonkPipeline(self.weights, device=policies.device())

    def located(self, images: Sequence[Image]) -> np.ndarray:
        generator = torch.Generator(policies.device()).manual_seed(self.SEED)
        options = {"cfg": self.GUIDANCE, "num_steps": self.STEPS, "generator": generator}
        return np.asarray(self.model([im.convert("RGB") for im in images], batch_size=len(images), **options), float)


def revision_of(weights: str | Path | None) -> str | None:
    """The commit in "official@COMMIT", None for the newest; ValueError for anything else that is no folder."""
    word, _, revision = str(weights or "official").partition("@")
    if word != "official":
        raise ValueError(f'weights={str(weights)!r} is neither "official" nor the folder of a trained stand-in')
    return revision or None
