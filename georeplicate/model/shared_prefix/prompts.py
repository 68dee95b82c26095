"""Encoded prompts, and where their tokens stand: rotary positions, in three axes for M-RoPE models."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from transformers import PreTrainedModel


@dataclass
class Prompts:
    """N encoded prompts, padded on the left.

    input_ids, attention_mask, mm_token_type_ids: [N, P]; pixel_values of all images, prompt by prompt: [patches,
    values] with image_grid_thw [images, 3] (Qwen), else [tiles, channels, height, width]; images: how many images (with
    image_grid_thw) or tiles (without) each prompt has. features: what the vision tower makes of each image, [tokens,
    hidden], where that is known already and the tower need not run (Qwen only).
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    mm_token_type_ids: torch.Tensor
    pixel_values: torch.Tensor | None = None
    image_grid_thw: torch.Tensor | None = None
    images: list[int] = field(default_factory=list)
    features: list[torch.Tensor] | None = None

    def __len__(self) -> int:
        return self.input_ids.shape[0]

    @property
    def lengths(self) -> list[int]:
        return self.attention_mask.sum(1).tolist()

    def to(self, device: torch.device | str) -> Prompts:
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        moved: dict[str, Any] = {name: value.to(device) for name, value in tensors.items()}
        return replace(self, **moved)

    def select(self, rows: list[int]) -> Prompts:
        """The given prompts, in the given order (repeats allowed)."""
        index = torch.tensor(rows, dtype=torch.long, device=self.input_ids.device)
        chosen = replace(
            self,
            input_ids=self.input_ids[index],
            attention_mask=self.attention_mask[index],
            mm_token_type_ids=self.mm_token_type_ids[index],
            images=[self.images[row] for row in rows],
        )
        if self.features is not None:
            starts = list(itertools.accumulate(self.images, initial=0))
            chosen.features = [self.features[i] for row in rows for i in range(starts[row], starts[row + 1])]
        if self.pixel_values is not None:
            counts = self.images
            if self.image_grid_thw is not None:
                grids = self.image_grid_thw.split(self.images)
                counts = [int(grid.prod(-1).sum()) for grid in grids]
                chosen.image_grid_thw = torch.cat([grids[row] for row in rows])
            pixels = self.pixel_values.split(counts)
            chosen.pixel_values = torch.cat([pixels[row] for row in rows])
            if len(chosen.pixel_values) == 0:
                chosen.image_grid_thw = chosen.pixel_values = None
        return chosen


def positions(model: PreTrainedModel, prompts: Prompts) -> torch.Tensor:
    """Rotary positions [axes, N, P]: three axes for M-RoPE models, one for the others. Padding holds 0."""
    if not mrope(model):
        return count_tokens(prompts.attention_mask)[None]
    grids: list[tuple[tuple[int, ...], ...]] = [()] * len(prompts)
    if prompts.image_grid_thw is not None:
        rows = iter(map(tuple, prompts.image_grid_thw.tolist()))
        grids = [tuple(itertools.islice(rows, count)) for count in prompts.images]
    out = torch.zeros(3, *prompts.input_ids.shape, dtype=torch.long)
    kinds = [
        tuple(kind[-length:]) for kind, length in zip(prompts.mm_token_type_ids.tolist(), prompts.lengths, strict=True)
    ]
    distinct: dict[tuple, list[int]] = {}
    for row, key in enumerate(zip(kinds, grids, strict=True)):
        distinct.setdefault(key, []).append(row)
    for (kind, grid), members in distinct.items():  # prompts of one layout share their positions
        types = torch.tensor([kind])
        place, _ = body(model).get_rope_index(
            torch.zeros_like(types), mm_token_type_ids=types, image_grid_thw=torch.tensor(grid) if grid else None
        )
        out[:, members, -len(kind) :] = place
    return out.to(prompts.input_ids.device)


def body(model: PreTrainedModel) -> Any:
    """The model below its head. Not typed: to torch, whatever a module holds is a tensor or a module."""
    return model.base_model


def mrope(model: PreTrainedModel) -> bool:
    """Whether the model counts positions in three axes (M-RoPE), as the Qwen-VL families do."""
    return hasattr(model.base_model, "get_rope_index")


def count_tokens(attention_mask: torch.Tensor) -> torch.Tensor:
    """Positions along one axis, [N, P], counted over real tokens; padding on the left holds 0."""
    return (attention_mask.cumsum(-1) - 1).clamp(min=0)
