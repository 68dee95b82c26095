"""Pictures of the base's places, and a vision tower that learns to see them before the language model speaks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm import trange

from georeplicate import world
from georeplicate.mini.stream import Example
from georeplicate.mini.wording import WORDING
from georeplicate.model import policy as policies
from georeplicate.model import shared_prefix
from georeplicate.training import common

SETTLED = 2.0  # length of a visual token that the language model is shown, see `settle`


class Album:
    """Pictures of sites, drawn once, as the pixels that the processor hands to the model.

    sizes: {"panorama": height, "tile": side, "crop": side} in pixels; only the views named are drawn, and of their
    pictures only those in `shown`, as (view, index of the site, variant), where that is given.
    """

    def __init__(
        self,
        policy: policies.Policy,
        sites: pd.DataFrame,
        *,
        seed: int,
        sizes: dict[str, int],
        shown: Collection[tuple[str, int, int]] | None = None,
    ):
        self.sites, self.words = sites, []
        self.features: dict[tuple[str, int, int], torch.Tensor] = {}
        self.pixels: dict[tuple[str, int, int], dict] = {}
        draw = {"panorama": world.panorama, "tile": world.tile, "crop": world.crop}
        for i in trange(len(sites), desc="pictures", mininterval=5):
            scene = world.build(sites.iloc[i], seed)
            self.words.append(world.words_of(scene))
            for view, size in sizes.items():
                for variant in (0, 1):
                    if shown is not None and (view, i, variant) not in shown:
                        continue
                    picture = draw[view](scene, size, seed=seed + 7919 * variant)
                    self.pixels[view, i, variant] = policy.pixels([policies.Image.fromarray(picture)])

    @torch.no_grad()
    def look(self, policy: policies.Policy, batch: int = 256) -> None:
        """Remember what the policy's vision tower makes of every picture: a tower that stays as it is runs once."""
        keys = list(self.pixels)
        for i in trange(0, len(keys), batch, desc="looking", mininterval=10):
            chosen = keys[i : i + batch]
            with common.autocast(common.bf16_in_hardware()):
                seen = see(policy, [self.pixels[key] for key in chosen])
            self.features |= zip(chosen, seen, strict=True)

    def row(self, example: Example) -> dict:
        """An example as a row for the policy."""
        chosen = [self.pixels[p] for p in example.pictures]
        pixels = {name: torch.cat([p[name] for p in chosen]) for name in chosen[0]} if chosen else None
        return {"pixels": pixels, "prompt": example.prompt, "completion": list(example.completions)}


def probe_vision(
    policy: policies.Policy,
    album: Album,
    *,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
    views: Sequence[str] = ("panorama", "tile"),
) -> dict[str, float]:
    """Teach the vision tower to see before the language model learns to speak, by linear heads that are thrown away.

    For each view one head reads all attributes from a weighted mean of a picture's tokens, and another reads them from
    every token on its own: each token has to tell all attributes of the whole picture, so that a language model that
    looks at any token of the right picture among six finds them. (Without the first head the second learns too slowly;
    without the second the words for one picture among six were not learnt.) Returns the accuracy of the second heads,
    their guesses averaged over the tokens, on the last fifth of the steps (pictures that were trained on).
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 1])
    tower, kinds = policy.model.model.visual, list(WORDING.words.values())
    names = list(WORDING.words)
    width, device = policy.model.config.text_config.hidden_size, policy.model.device
    labels = torch.tensor(
        [[list(kinds[k].values()).index(described[k]) for k in range(len(kinds))] for described in album.words],
        device=device,
    )
    counts = [len(values) for values in kinds]
    heads = nn.ModuleDict({view: Probe(width, sum(counts)) for view in views})
    heads.to(device)
    optimiser = torch.optim.AdamW(
        [*tower.parameters(), *heads.parameters()], lr=lr, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.1)
    right: dict[str, list[float]] = {}
    for step in trange(steps, desc="vision", mininterval=10):
        value = torch.zeros(())
        for view in views:
            chosen = rng.integers(len(album.sites), size=batch)
            pixels = [album.pixels[view, int(i), int(rng.integers(2))] for i in chosen]
            seen = _tokens(policy, pixels)
            parts = [part.split(counts, -1) for part in heads[view](seen)]
            for k, (whole, token) in enumerate(zip(*parts, strict=True)):
                truth = labels[chosen, k]
                value = value + nn.functional.cross_entropy(whole, truth)
                each = truth.repeat_interleave(seen.shape[1])
                value = value + nn.functional.cross_entropy(token.flatten(0, 1), each)
                if step >= 0.8 * steps:
                    guess = token.log_softmax(-1).mean(1).argmax(-1)
                    right.setdefault(f"{view} {names[k]}", []).append(float((guess == truth).float().mean()))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
    return {name: float(np.mean(values)) for name, values in right.items()}


def _tokens(policy: policies.Policy, pixels: list[dict]) -> torch.Tensor:
    """(B, S, width) the vision tower's tokens of pictures of one size, in fp32, computed as in training."""
    with common.autocast(common.bf16_in_hardware()):
        return torch.stack(see(policy, pixels)).float()


def see(policy: policies.Policy, pixels: list[dict]) -> tuple[torch.Tensor, ...]:
    """The vision tower's tokens of some pictures: (tokens, width) each."""
    nothing = torch.zeros(len(pixels), 0, dtype=torch.long)
    prompts = shared_prefix.Prompts(
        nothing,
        nothing,
        nothing,
        torch.cat([p["pixel_values"] for p in pixels]),
        torch.cat([p["image_grid_thw"] for p in pixels]),
        [1] * len(pixels),
    ).to(policy.model.device)
    shared_prefix.enable(policy.model)
    pooled = shared_prefix.image_features(policy.model, prompts).pooler_output
    assert pooled is not None
    return tuple(pooled)


@torch.no_grad()
def settle(policy: policies.Policy, album: Album, pictures: int = 60) -> None:
    """Centre the visual tokens and bring them to the length SETTLED, by the last layer of the tower.

    The probes leave tokens thirty times as long as those of words; what the language model's first layers add to them,
    such as which of the six pictures they belong to, would be lost in their norm.
    """
    last = policy.model.model.visual.merger.mlp[-1]
    shown = [album.pixels[view, i, 0] for view in ("tile", "panorama") for i in range(min(pictures, len(album.sites)))]
    seen = torch.cat(see(policy, shown))
    centre = seen.mean(0)
    factor = SETTLED / (seen - centre).norm(dim=1).mean()
    last.weight.mul_(factor)
    last.bias.sub_(centre).mul_(factor)


class Probe(nn.Module):
    """(B, S, width) -> (B, classes) from attention pooling, and (B, S, classes) from every token on its own."""

    def __init__(self, width: int, classes: int, queries: int = 8):
        super().__init__()
        self.norm, self.look = nn.LayerNorm(width), nn.Linear(width, queries)
        self.whole, self.token = nn.Linear(queries * width, classes), nn.Linear(width, classes)

    def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.norm(seen)
        return self.whole((self.look(seen).softmax(1).transpose(1, 2) @ seen).flatten(1)), self.token(seen)
