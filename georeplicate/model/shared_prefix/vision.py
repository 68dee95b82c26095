"""The vision tower, once for each image: equal images side by side, so that they form batches."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.vision_utils import get_vision_cu_seqlens, get_vision_position_ids, get_vision_window_index

from georeplicate.model.shared_prefix.attention import attend
from georeplicate.model.shared_prefix.prompts import Prompts, body
from georeplicate.model.shared_prefix.support import VISION_ATTENTION, enable, qwen_vision


def _grouped_vision_attention(module, query, key, value, attention_mask, scaling, cu_seq_lens_q, **kwargs):
    """Full attention inside each image (or window); neighbours of equal length form one batch. q, k, v [1, h, S, d]."""
    lengths = cu_seq_lens_q.diff().tolist()
    outputs, start = [], 0
    for length, group in itertools.groupby(lengths):
        count = len(list(group))
        stop = start + count * length
        q, k, v = (x[0, :, start:stop].unflatten(1, (count, length)).transpose(0, 1) for x in (query, key, value))
        v = v.to(q.dtype)
        outputs.append(attend(q, k, v, scaling, causal=False).transpose(1, 2).flatten(0, 1))
        start = stop
    return torch.cat(outputs)[None], None


@functools.lru_cache(maxsize=64)
def _vision_indices(grid: tuple, merge: int, window: int, patch: int, windowed: bool) -> dict[str, torch.Tensor]:
    grids = torch.tensor(grid)
    cells = int(grids.prod(-1).sum()) // merge**2
    boundaries = get_vision_cu_seqlens(grids)
    if windowed:
        window_index, window_boundaries = get_vision_window_index(grids, merge, window, patch)
    else:  # every block sees the whole image: the order of the windows changes nothing
        window_index, window_boundaries = torch.arange(cells), boundaries
    return {
        "position_ids": get_vision_position_ids(grids, merge),
        "cu_seqlens": boundaries,
        "window_index": window_index,
        "cu_window_seqlens": window_boundaries,
    }


def image_features(model: PreTrainedModel, prompts: Prompts) -> BaseModelOutputWithPooling:
    """The vision tower's output for all images of the prompts, equal images side by side so that they batch."""
    assert prompts.pixel_values is not None and prompts.image_grid_thw is not None  # of Qwen's processor, both
    config = model.config.vision_config
    grids = [tuple(grid) for grid in prompts.image_grid_thw.tolist()]
    order = sorted(range(len(grids)), key=lambda image: grids[image])  # stable
    patches = [t * h * w for t, h, w in grids]
    of_image = prompts.pixel_values.split(patches)
    pixels = torch.cat([of_image[image] for image in order])
    ordered = tuple(grids[image] for image in order)
    windowed = len(set(config.fullatt_block_indexes)) < config.depth
    indices = _vision_indices(ordered, config.spatial_merge_size, config.window_size, config.patch_size, windowed)
    indices = {name: value.to(pixels.device) for name, value in indices.items()}
    visual = body(model).visual
    with _patches_as_products(visual, pixels.device):
        merged = visual(pixels.type(visual.dtype), grid_thw=torch.tensor(ordered, device=pixels.device), **indices)
    features = merged.pooler_output.split([patches[image] // config.spatial_merge_size**2 for image in order])
    back = [features[place] for place in sorted(range(len(order)), key=order.__getitem__)]
    return _output(back)


@contextlib.contextmanager
def _patches_as_products(visual: Any, device: torch.device) -> Iterator[None]:
    """On a GPU the tower's first layer, a convolution whose kernel covers a patch, as the matrix product that it is: in
    16 bits some versions of cuDNN have no kernel for it, and take seconds (transformers #45750)."""
    embed = visual.patch_embed
    if not _convolves_slowly(device) or embed.proj.kernel_size != embed.proj.stride:
        yield
        return

    def forward(patches: torch.Tensor) -> torch.Tensor:
        weight = embed.proj.weight
        return F.linear(patches.flatten(1).to(weight.dtype), weight.flatten(1), embed.proj.bias)

    embed.forward = forward
    try:
        yield
    finally:
        del embed.forward


def _convolves_slowly(device: torch.device) -> bool:
    return device.type == "cuda"


def _output(features: Iterable[torch.Tensor]) -> BaseModelOutputWithPooling:
    pooled: Any = tuple(features)  # transformers' models read one tensor an image, though it types a single one
    return BaseModelOutputWithPooling(pooler_output=pooled)


@torch.no_grad()
def remember_features(model: PreTrainedModel, prompts: Prompts) -> Prompts:
    """The prompts with their `features`, if the vision tower is frozen: it then runs once and not at every call.

    Prompts without pictures, and those of other families than Qwen's, come back as they are.
    """
    if prompts.pixel_values is None or not qwen_vision(model):
        return prompts
    if any(weight.requires_grad for weight in body(model).visual.parameters()):
        return prompts
    enable(model)
    pooled = image_features(model, prompts).pooler_output
    assert pooled is not None
    return replace(prompts, features=list(pooled))


def vision_inputs(model: PreTrainedModel, prompts: Prompts) -> dict:
    """Keyword arguments of the model that bring in the pictures: features where the tower is Qwen's, else pixels."""
    if prompts.pixel_values is None:
        return {}
    if prompts.features is not None:
        return {"mm_encoder_outputs": {"image": _output(prompts.features)}}
    if qwen_vision(model):
        return {"mm_encoder_outputs": {"image": image_features(model, prompts)}}
    return {"pixel_values": prompts.pixel_values}


@contextlib.contextmanager
def vision_inside(model: PreTrainedModel, prompts: Prompts) -> Iterator[dict]:
    """As `vision_inputs`, but for the time of the context the vision tower runs inside the model's forward pass: only
    there are its weights whole where FSDP keeps them in shares (its own hook, set before, comes first)."""
    if prompts.pixel_values is None or prompts.features is not None or not qwen_vision(model):
        yield vision_inputs(model, prompts)
        return

    def add(_, args, inputs):
        return args, {**inputs, **vision_inputs(model, prompts)}

    hook = model.register_forward_pre_hook(add, with_kwargs=True)
    try:
        yield {}
    finally:
        hook.remove()


AttentionInterface.register(VISION_ATTENTION, _grouped_vision_attention)
