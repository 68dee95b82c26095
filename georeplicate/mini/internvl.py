"""A small InternVL with a base of its own: what stands for InternVL3 in Table 1.

InternVL3 goes on from a Qwen2.5 decoder that was trained on text, and joins to it a vision transformer and a projector
of its own. So does this one:

    decoder      that of the mini base, as a Qwen2: in text its rotary positions are the same along one axis as along
                 the three of Qwen2.5-VL
    vision tower new, with the projector behind its pixel shuffle: taught to give of street-level photos the visual
                 tokens that the base's tower gives of them (distillation; no label is seen)
    both         then fine-tuned on the country of the same photos, which the base was never told, with the tower as it
                 is; it answers without a thought

The photos are of the cities of the base's split, of which the base was told in text: no city of another split, no
panorama, no tile, no pairing label. That its tower was not taught by words directly is what this stand-in leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from transformers import InternVLConfig, InternVLForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from georeplicate import world
from georeplicate.mini import base, sight
from georeplicate.mini.recipe import TowerTraining, tower_of
from georeplicate.mini.wording import WHERE
from georeplicate.model import policy as policies
from georeplicate.model.processors import CHAT_TEMPLATE, InternVLImageTextProcessor
from georeplicate.profiles import Profile
from georeplicate.tasks.rows import Rows
from georeplicate.training import common

SEED = 0  # of the base's places and of their pictures, see `base.build`
AT_ONCE = 256  # photos that the base's tower looks at together
PATCH = 8  # side in pixels; pixel shuffle joins four patches to a visual token
TEMPLATE = CHAT_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<|image_pad|>")
# What InternVL's processor calls the tokens around a picture: those of the base, so that the vocabulary stays as it is.
TOKENS = {
    "start_image_token": "<|vision_start|>",
    "end_image_token": "<|vision_end|>",
    "context_image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
}
_DECODER = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id"),
)

Report = Callable[[int, str], None]  # report(updates, doing)


def build(start: policies.Policy, *, seed: int, side: int) -> policies.Policy:
    """A policy with the decoder and the vocabulary of a mini base, and a new vision tower as large as the base's.

    side: of its tiles, in pixels; a multiple of 2 * PATCH. A picture of another form becomes up to four of them."""
    config: Any = start.model.config
    text, seen = config.get_text_config(), config.vision_config
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=start.tokenizer.backend_tokenizer,
        extra_special_tokens=TOKENS,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        **{name: getattr(start.tokenizer, name) for name in ("unk_token", "eos_token", "pad_token")},
    )
    tokens = (side // PATCH // 2) ** 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = InternVLForConditionalGeneration(
            InternVLConfig(
                vision_config={
                    "model_type": "internvl_vision",
                    "image_size": [side, side],
                    "patch_size": [PATCH, PATCH],
                    "hidden_size": seen.hidden_size,
                    "intermediate_size": seen.intermediate_size,
                    "num_hidden_layers": seen.depth,
                    "num_attention_heads": seen.num_heads,
                    "layer_scale_init_value": 1.0,  # so few layers need no slow start
                },
                text_config={
                    "model_type": "qwen2",
                    "rope_parameters": {"rope_type": "default", "rope_theta": text.rope_parameters["rope_theta"]},
                    **{name: getattr(text, name) for name in _DECODER},
                },
                image_token_id=tokenizer.get_vocab()[TOKENS["context_image_token"]],
                image_seq_length=tokens,
                tie_word_embeddings=False,
            )
        )
    whole: Any = start.model
    model.model.language_model.load_state_dict(whole.model.language_model.state_dict())
    model.lm_head.load_state_dict(whole.lm_head.state_dict())
    model.generation_config.eos_token_id = whole.generation_config.eos_token_id
    model.generation_config.pad_token_id = whole.generation_config.pad_token_id
    images = GotOcr2ImageProcessorPil(size={"height": side, "width": side}, max_patches=4)
    processor = InternVLImageTextProcessor(images, tokenizer, image_seq_length=tokens, chat_template=TEMPLATE)
    return policies.Policy(model.eval(), processor)


@dataclass
class Photos:
    """Street-level photos of the base's own places, spread over its cities, drawn when they are first asked for."""

    profile: Profile

    @cached_property
    def sites(self) -> pd.DataFrame:
        """A row each, see `world.sites`."""
        wanted, cities = tower_of(self.profile).photos, int((world.cities().split == "base").sum())
        found = base.base_sites(-(-wanted // cities), 0, SEED)
        return found.iloc[np.unique(np.linspace(0, len(found) - 1, wanted).astype(int))].reset_index(drop=True)

    @cached_property
    def drawn(self) -> list[np.ndarray]:
        """Of each place one picture [side, side, 3], in whole numbers from 0 to 255."""
        return [
            world.crop(world.build(site, SEED), self.profile.crop_px, seed=SEED) for site in self.sites.itertuples()
        ]

    def pixels(self, policy: policies.Policy, i: int) -> dict[str, torch.Tensor]:
        return policy.pixels([policies.Image.fromarray(self.drawn[i])])


def rows(photos: Photos, policy: policies.Policy) -> Rows:
    """Where was each of these photos taken, answered by the country alone: {pixels, prompt, completion} and, for
    whoever checks them, {lat, lon, country, city}."""

    def make(i: int) -> dict:
        site = photos.sites.iloc[i]
        answer = f"<answer> country : {base.country_tokens()[site.country]} </answer>"
        return {
            **{"pixels": photos.pixels(policy, i), "prompt": WHERE, "completion": answer},
            **{"lat": site.lat, "lon": site.lon, "country": site.country, "city": base.city_token(site.city)},
        }

    return Rows(range(len(photos.sites)), make)


def look(policy: policies.Policy, pixel_values: torch.Tensor) -> torch.Tensor:
    """The visual tokens [tiles, tokens, width] of tiles [tiles, 3, side, side], behind the projector."""
    model: Any = policy.model
    found: torch.Tensor = model.get_image_features(pixel_values).pooler_output
    return found


@torch.no_grad()
def looked_at(start: policies.Policy, photos: Photos) -> torch.Tensor:
    """What the base's tower makes of all photos: [photos, tokens, width]."""
    found: list[torch.Tensor] = []
    for first in range(0, len(photos.drawn), AT_ONCE):
        batch = range(first, min(first + AT_ONCE, len(photos.drawn)))
        found += sight.see(start, [photos.pixels(start, i) for i in batch])
    return torch.stack(found)


def learn_to_see(
    policy: policies.Policy,
    start: policies.Policy,
    photos: Photos,
    tower: TowerTraining,
    *,
    seed: int,
    report: Report = lambda updates, doing: None,
) -> list[float]:
    """Teach the tower and the projector the visual tokens that the base's tower makes of the same photos; the error of
    each update, as a share of the tokens' variance.

    In fp32: these matrix products are too small to gain by bf16. ValueError where the two towers cut a photo into
    different numbers of tokens.
    """
    model: Any = policy.model
    wanted = looked_at(start, photos)
    scale = (wanted - wanted.mean((0, 1))).square().mean()
    shown = torch.cat([photos.pixels(policy, i)["pixel_values"] for i in range(len(photos.drawn))])
    weights = [*model.model.vision_tower.parameters(), *model.model.multi_modal_projector.parameters()]
    optimiser = torch.optim.AdamW(weights, tower.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    rise = max(1, tower.steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda i: min((i + 1) / rise, 0.5 * (1 + math.cos(math.pi * i / tower.steps)))
    )
    model.train()
    errors = []
    for step, chosen in enumerate(_batches(len(shown), tower, seed)):
        found = look(policy, shown[chosen])
        if found.shape[1:] != wanted.shape[1:]:
            raise ValueError(
                f"the base makes {wanted.shape[1]} tokens of a photo and this tower {found.shape[1]}: choose a crop_px "
                "of which both make the same"
            )
        error = (found - wanted[chosen]).square().mean() / scale
        optimiser.zero_grad()
        error.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        schedule.step()
        errors.append(float(error.detach()))
        report(1, f"tower {step + 1}/{tower.steps}")
    model.eval()
    return errors


def _batches(count: int, tower: TowerTraining, seed: int) -> list[list[int]]:
    drawn = common.order(count, tower.steps * tower.batch, seed)
    return [drawn[i : i + tower.batch] for i in range(0, len(drawn), tower.batch)]


def seeing(profile: Profile, base_path: Path, photos: Photos, folder: Path, *, seed: int, report: Report) -> Path:
    """A new InternVL with the base's decoder, whose tower has learnt to see, saved as `folder`; returns it."""
    start = policies.load(base_path)
    policy = build(start, seed=seed, side=profile.crop_px)
    learn_to_see(policy, start, photos, tower_of(profile), seed=seed, report=report)
    policy.save(folder)
    return folder
