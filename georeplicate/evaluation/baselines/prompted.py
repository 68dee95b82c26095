"""Vision-language models that are prompted for a country and a city.

weights says which model, and what runs it:

    official, None                        the published model, by transformers
    FOLDER, NAME, NAME@COMMIT             another one of the hub or of this disk, by transformers
    vllm:official, vllm:NAME@COMMIT …     by vLLM in this process (the extra `serve`)
    http://HOST:PORT/v1[#MODEL]           by an OpenAI-compatible server (https too); MODEL is the published one's name
                                          where none is given. The key is read from OPENAI_API_KEY

A text without coordinates is geocoded offline, as in every evaluation here, so at 1 km the answer measures which point
stands for a city (`evaluation.protocol`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pandas as pd

from georeplicate import files
from georeplicate.evaluation.photos import TOKENS, is_synthetic
from georeplicate.evaluation.predictors import VLLM, VLM, Predictor, Served
from georeplicate.model import hub
from georeplicate.model import policy as policies
from georeplicate.model.server import Chat
from georeplicate.tasks.geolocation import NOWHERE, Geolocation, located

if TYPE_CHECKING:
    from PIL.Image import Image

VLLM_MARK = "vllm:"
ANSWERS = files.WORK / "served"  # what servers answered
# As the paper's Table 1 spells them: (name on the hub, licence).
PUBLISHED = {
    "Qwen2.5-VL-7B": ("Qwen/Qwen2.5-VL-7B-Instruct", "Apache-2.0"),
    "InternVL3-8B": ("OpenGVLab/InternVL3-8B-hf", "MIT with the licence of Qwen2.5"),
    "GLOBE-7B": ("globe-project/GLOBE-Qwen2.5VL-7B", "licence not found"),
    "Geo-R1": ("miniHui/Geo-R1", "licence not found"),
    "Geo-R1-Zero": ("miniHui/Geo-R1-Zero-0701", "licence not found"),
}


def folder(name: str, weights: str | Path | None) -> Path:
    """The folder of a system's model: `weights` itself if it is one, else a snapshot of the hub, where "official" or
    None is the published model; "@COMMIT" behind either names a revision."""
    model = str(weights or "official")
    if model.partition("@")[0] == "official":
        model = PUBLISHED[name][0] + model.removeprefix("official")
    return hub.named(model)


def here(name: str, weights: str | Path | None) -> str:
    """The same weights as a folder of this disk, so that several processes open one and fetch none; raises as
    `folder`, and ValueError for those of a server."""
    if (server := _server(name, weights)) is not None:
        raise ValueError(f"{server[0]} computes on its own GPUs: leave --gpus out")
    mark = VLLM_MARK if isinstance(weights, str) and weights.startswith(VLLM_MARK) else ""
    return f"{mark}{folder(name, _bare(weights))}"


def identity(name: str, weights: str | Path | None) -> str:
    """Which model answers, for keys; ValueError or CheckpointError where that cannot be told."""
    if (server := _server(name, weights)) is not None:
        return "#".join(server)
    return hub.identity(folder(name, _bare(weights)))


def _server(name: str, weights: str | Path | None) -> tuple[str, str] | None:
    """(address, model) where weights is the address of a server; ValueError where a password stands in it."""
    parts = urlsplit(str(weights or ""))
    if parts.scheme not in ("http", "https"):
        return None
    if parts.username or parts.password or parts.query:
        raise ValueError("an address with a password or a query would be written into results; set OPENAI_API_KEY")
    return urlunsplit(parts._replace(fragment="")).rstrip("/"), parts.fragment or PUBLISHED[name][0]


def _bare(weights: str | Path | None) -> str | Path | None:
    return weights.removeprefix(VLLM_MARK) if isinstance(weights, str) else weights


def _predictor(name: str, weights: str | Path | None) -> Predictor:
    if (server := _server(name, weights)) is not None:
        return Served(Chat(*server, cache=ANSWERS, max_tokens=TOKENS))
    found = folder(name, _bare(weights))
    if isinstance(weights, str) and weights.startswith(VLLM_MARK):
        try:
            from vllm import LLM
        except ImportError:
            raise ValueError(f"{weights} needs vLLM, which is not installed: pip install '.[serve]'") from None
        return VLLM(LLM(str(found)), TOKENS)
    device = policies.device()
    opened = policies.load(found, dtype=policies.evaluated_in("auto", device), device=device)
    vlm = VLM(opened, TOKENS, batch_size=8)
    if is_synthetic(vlm.policy):
        raise ValueError(f"{found} is a mini model: it knows no word of this prompt; see `georeplicate train table1`")
    return vlm


class Prompted:
    """One model and one prompt, decoded greedily."""

    looks = True

    def __init__(self, name: str, weights: str | Path | None = None):
        """ValueError or CheckpointError in one sentence where there is no such model."""
        self.licence = PUBLISHED[name][1]
        self.task = Geolocation(lambda split: [], "pictures")
        self.predictor = _predictor(name, weights)

    def predict(self, images: Sequence[Image | None]) -> pd.DataFrame:
        """lat, lon in degrees (NaN where no place could be read), country (ISO code or "") and the text."""
        there = [i for i, image in enumerate(images) if image is not None]
        rows = [{"id": str(i), "images": [images[i]]} for i in there]
        found = [("", NOWHERE, "")] * len(images)
        for i, output in zip(there, self.predictor.predict(rows, self.task, "greedy"), strict=True):
            found[i] = (*located(self.task.read(output.text, {})), output.text)
        table = [{"lat": place[0], "lon": place[1], "country": code, "text": text} for code, place, text in found]
        return pd.DataFrame(table, columns=["lat", "lon", "country", "text"])


def licence_of(model: str) -> str:
    """The licence of a published model by its name on the hub, as far as it is known here; "" for any other."""
    return next((licence for name, licence in PUBLISHED.values() if name == model), "")


def stands_for(model: str) -> str:
    """Which of the paper's systems a published model is, or its own name."""
    return next((system for system, (name, _) in PUBLISHED.items() if name == model), model)


def qwen(weights: str | Path | None = None) -> Prompted:
    """Qwen2.5-VL-7B; weights: see the head of this file, as for all below."""
    return Prompted("Qwen2.5-VL-7B", weights)


def internvl(weights: str | Path | None = None) -> Prompted:
    """InternVL3-8B, in the repository that transformers can load."""
    return Prompted("InternVL3-8B", weights)


def globe(weights: str | Path | None = None) -> Prompted:
    """GLOBE-7B."""
    return Prompted("GLOBE-7B", weights)


def geo_r1(weights: str | Path | None = None) -> Prompted:
    """Geo-R1, as its authors released it."""
    return Prompted("Geo-R1", weights)


def geo_r1_zero(weights: str | Path | None = None) -> Prompted:
    """Geo-R1-Zero, as its authors released it."""
    return Prompted("Geo-R1-Zero", weights)


def georeasoner(weights: str | Path | None = None) -> Prompted:
    """Refused: its base is Qwen-VL-Chat, whose code would have to be run from the hub."""
    raise ValueError(
        "GeoReasoner-7B is two adapters (ling1996/GeoReasoner_Models, non-commercial) on Qwen/Qwen-VL-Chat, whose "
        "model is code from the hub that transformers no longer loads; score its published answers with "
        "`georeplicate score`"
    )
