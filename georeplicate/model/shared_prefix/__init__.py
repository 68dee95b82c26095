"""The shared-prefix kernel: every prompt is computed once, however many completions hang on it.

GRPO samples G completions of one prompt. Repeating the prompt for each of them repeats its images and its attention
G times; here prompts and completions lie in one packed row instead::

    [ prompt 0 | prompt 1 | ... | completion 0 of prompt 0 | completion 1 of prompt 0 | ... ]

Two-part attention keeps this equal to the repeated computation: a prompt attends to itself, causally; a completion
attends to the one copy of its prompt and, causally, to itself. The positions of every completion restart right after
its prompt (for Qwen2.5-VL in all three axes of M-RoPE). The model's code is untouched: the attention enters through
`transformers.AttentionInterface`, and all that is not attention works on single tokens anyway.

`logprobs` is the kernel (differentiable), `logprobs_repeated` its naive twin, `generate` the same idea for sampling.
Padding never reaches a linear layer: only real tokens are packed.

What the kernel needs: a causal decoder whose layers all see the whole past and whose attention can be exchanged, and,
for pictures, one of the layouts in `PICTURES`. `unsupported` says what a model lacks; such a model takes the plain path
(the naive twin and its own `generate`), which is slower and equally right, and one sentence in the log says so.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import sdpa_mask
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.vision_utils import get_vision_cu_seqlens, get_vision_position_ids, get_vision_window_index

_log = logging.getLogger(__name__)

ATTENTION = "shared_prefix"
# transformers hands a vision tower's whole packed sequence, with its boundaries, only to implementations whose name
# contains "flash"; all others are called once per image, which is slow for many small images.
VISION_ATTENTION = "grouped_flash"
# Families whose pictures are tokens of a causal sequence and enter as pixel_values (and image_grid_thw) alone.
PICTURES = ("qwen2_5_vl", "internvl", "llava")
LONG = 192  # tokens of a completion, from where on PyTorch's fused kernel is faster (measured on a CPU)


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
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
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
    if not _mrope(model):
        return _count_tokens(prompts.attention_mask)[None]
    grids = [()] * len(prompts)
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
        place, _ = model.base_model.get_rope_index(
            torch.zeros_like(types), mm_token_type_ids=types, image_grid_thw=torch.tensor(grid) if grid else None
        )
        out[:, members, -len(kind) :] = place
    return out.to(prompts.input_ids.device)


def _mrope(model: PreTrainedModel) -> bool:
    return hasattr(model.base_model, "get_rope_index")


def _count_tokens(attention_mask: torch.Tensor) -> torch.Tensor:
    return (attention_mask.cumsum(-1) - 1).clamp(min=0)


# ---------------------------------------------------------------------------------------------- vision, once a prompt


def _grouped_vision_attention(module, query, key, value, attention_mask, scaling, cu_seq_lens_q, **kwargs):
    """Full attention inside each image (or window); neighbours of equal length form one batch. q, k, v [1, h, S, d]."""
    lengths = cu_seq_lens_q.diff().tolist()
    outputs, start = [], 0
    for length, group in itertools.groupby(lengths):
        count = len(list(group))
        stop = start + count * length
        q, k, v = (x[0, :, start:stop].unflatten(1, (count, length)).transpose(0, 1) for x in (query, key, value))
        v = v.to(q.dtype)
        outputs.append(_attend(q, k, v, scaling, causal=False).transpose(1, 2).flatten(0, 1))
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
    config = model.config.vision_config
    grids = [tuple(grid) for grid in prompts.image_grid_thw.tolist()]
    order = sorted(range(len(grids)), key=lambda image: grids[image])  # stable
    patches = [t * h * w for t, h, w in grids]
    pixels = prompts.pixel_values.split(patches)
    pixels = torch.cat([pixels[image] for image in order])
    ordered = tuple(grids[image] for image in order)
    windowed = len(set(config.fullatt_block_indexes)) < config.depth
    indices = _vision_indices(ordered, config.spatial_merge_size, config.window_size, config.patch_size, windowed)
    indices = {name: value.to(pixels.device) for name, value in indices.items()}
    visual = model.base_model.visual
    merged = visual(pixels.type(visual.dtype), grid_thw=torch.tensor(ordered, device=pixels.device), **indices)
    features = merged.pooler_output.split([patches[image] // config.spatial_merge_size**2 for image in order])
    back = [features[place] for place in sorted(range(len(order)), key=order.__getitem__)]
    return BaseModelOutputWithPooling(pooler_output=tuple(back))


@torch.no_grad()
def remember_features(model: PreTrainedModel, prompts: Prompts) -> Prompts:
    """The prompts with their `features`, if the vision tower is frozen: it then runs once and not at every call.

    Prompts without pictures, and those of other families than Qwen's, come back as they are.
    """
    if prompts.pixel_values is None or not _qwen_vision(model):
        return prompts
    if any(weight.requires_grad for weight in model.base_model.visual.parameters()):
        return prompts
    enable(model)
    return replace(prompts, features=list(image_features(model, prompts).pooler_output))


def _vision_inputs(model: PreTrainedModel, prompts: Prompts) -> dict:
    if prompts.pixel_values is None:
        return {}
    if prompts.features is not None:
        return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=tuple(prompts.features))}}
    if _qwen_vision(model):
        return {"mm_encoder_outputs": {"image": image_features(model, prompts)}}
    return {"pixel_values": prompts.pixel_values}


# -------------------------------------------------------------------------------------------------- two-part attention


def _attend(q, k, v, scale: float, *, causal: bool):
    """Attention inside one block; q [B, h, n, d], k and v [B, kv heads, n, d]."""
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:  # the fused CPU kernel is slower than three steps in bf16
        B, h, n, d = q.shape
        kv = k.shape[1]
        scores = (q.reshape(B, kv, -1, d) * scale) @ k.transpose(-1, -2)
        if causal:
            hidden = torch.ones(n, n, dtype=torch.bool, device=q.device).triu(1).repeat(h // kv, 1)
            scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
        return (scores.softmax(-1) @ v).view(B, h, n, d)
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale, enable_gqa=k.shape[1] != q.shape[1])


class _Scatter(torch.autograd.Function):
    """Rows of a packed tensor laid out on a padded grid. Each row appears once, so the backward is a gather too."""

    @staticmethod
    def forward(ctx, packed, grid_index, packed_index):
        ctx.save_for_backward(packed_index)
        return packed.index_select(0, grid_index)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.index_select(0, ctx.saved_tensors[0]), None, None


class _Gather(torch.autograd.Function):
    """The way back: rows of the grid that hold a token, packed."""

    @staticmethod
    def forward(ctx, grid, grid_index, packed_index, empty):
        ctx.save_for_backward(grid_index, empty)
        return grid.index_select(0, packed_index)

    @staticmethod
    def backward(ctx, gradient):
        grid_index, empty = ctx.saved_tensors
        return gradient.index_select(0, grid_index).masked_fill(empty[:, None, None], 0), None, None, None


@dataclass
class _Grid:
    """Ragged sequences on a padded [sequences, longest] grid and in a packed row."""

    lengths: list[int]
    device: torch.device

    def __post_init__(self):
        lengths = torch.tensor(self.lengths, dtype=torch.long)
        self.rows, self.width = len(lengths), int(lengths.max()) if len(lengths) else 0
        self.tokens = int(lengths.sum())
        self.full = self.tokens == self.rows * self.width
        steps = torch.arange(self.width)
        valid = steps < lengths[:, None]
        starts = lengths.cumsum(0) - lengths
        self.valid = valid.to(self.device)
        self.grid_index = torch.where(valid, starts[:, None] + steps, 0).flatten().to(self.device)
        self.packed_index = valid.flatten().nonzero()[:, 0].to(self.device)
        self.empty = ~self.valid.flatten()

    def scatter(self, packed: torch.Tensor) -> torch.Tensor:
        """[tokens, h, d] -> [rows, h, width, d]."""
        grid = packed if self.full else _Scatter.apply(packed, self.grid_index, self.packed_index)
        return grid.unflatten(0, (self.rows, self.width)).transpose(1, 2)

    def gather(self, grid: torch.Tensor) -> torch.Tensor:
        """[rows, h, width, d] -> [tokens, h, d]."""
        flat = grid.transpose(1, 2).flatten(0, 1)
        return flat if self.full else _Gather.apply(flat, self.grid_index, self.packed_index, self.empty)


class _Packed:
    """Layout of one packed row: all prompts, then all completions, which are grouped by prompt."""

    def __init__(self, prompt_lengths: list[int], groups: list[list[int]], device: torch.device):
        self.prompts = _Grid(prompt_lengths, device)
        self.group = max((len(group) for group in groups), default=0)
        # groups of unequal size are filled up with empty completions, so that the grid is rectangular
        self.completions = _Grid(
            [length for group in groups for length in group + [0] * (self.group - len(group))], device
        )
        self.keep: dict[int, tuple[torch.Tensor, torch.Tensor]] | None = None  # set to record the prompts' KV

    def attention(self, layer: int, query, key, value, scale: float) -> torch.Tensor:
        q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))  # [tokens, h, d]
        cut = self.prompts.tokens
        qp, kp, vp = (self.prompts.scatter(x[:cut]) for x in (q, k, v))
        if self.keep is not None:
            self.keep[layer] = kp.contiguous(), vp.contiguous()
        packed = self.prompts.gather(_attend(qp, kp, vp, scale, causal=True))
        if self.completions.tokens:
            qc, kc, vc = (self.completions.scatter(x[cut:]) for x in (q, k, v))
            width = self.completions.width
            future = torch.ones(width, width, dtype=torch.bool, device=q.device).triu(1)
            empty = None if self.prompts.full else ~self.prompts.valid
            two_part = _two_part_in_blocks if _in_blocks(qc) else _two_part
            after = two_part(qc, kc, vc, kp, vp, future, empty, scale)
            packed = torch.cat([packed, self.completions.gather(after)])
        return packed[None]


def _two_part(q, k, v, prefix_k, prefix_v, blocked, prefix_empty, scale: float) -> torch.Tensor:
    """Each row attends to the prefix of its group and to itself under one softmax.

    q [N*G, h, C, d]; k, v [N*G, kv heads, S, d]; prefix_k, prefix_v [N, kv heads, P, d]; blocked [C, S] and
    prefix_empty [N, P] are True where a query must not look (None: nowhere). Returns [N*G, h, C, d]. The prefix is
    never repeated: all queries of a group are one long block against it.
    """
    return _TwoPart.apply(q, k, v, prefix_k, prefix_v, blocked, prefix_empty, scale)


def _in_blocks(q: torch.Tensor) -> bool:
    """Whether the fused kernel is worth repeating the prefix's keys and values for it: without a backward pass, and
    where completions are long. (On a CPU it is slow in bf16, see `_attend`.)"""
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        return False
    return q.shape[2] > LONG or not torch.is_grad_enabled()


def _two_part_in_blocks(q, k, v, prefix_k, prefix_v, blocked, prefix_empty, scale: float) -> torch.Tensor:
    """As `_two_part`, through PyTorch's fused kernel, which never holds all weights but wants the prefix repeated."""
    rows, h, C, _ = q.shape
    N, kv, P, _ = prefix_k.shape
    k, v = (
        torch.cat([whole[:, None].expand(-1, rows // N, -1, -1, -1).flatten(0, 1), own], 2)
        for whole, own in ((prefix_k, k), (prefix_v, v))
    )
    seen = torch.cat([blocked.new_ones(C, P), ~blocked], 1)
    if prefix_empty is not None:
        there = torch.cat([~prefix_empty, blocked.new_ones(N, C)], 1).repeat_interleave(rows // N, 0)
        seen = seen & there[:, None, None]
    if h != kv and q.device.type == "cuda":  # with a mask, no fused kernel there shares keys between heads
        k, v = (x.repeat_interleave(h // kv, 1) for x in (k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=k.shape[1] != h)


class _TwoPart(torch.autograd.Function):
    """The backward is written out because it needs no more than the two weight blocks, and half the passes."""

    @staticmethod
    def forward(ctx, q, k, v, prefix_k, prefix_v, blocked, prefix_empty, scale):
        rows, h, C, d = q.shape
        N, kv, P, _ = prefix_k.shape
        share = h // kv
        q = (q * scale).reshape(rows, kv, share * C, d)
        grouped = _by_group(q, N)
        over_prefix = _by_row(grouped @ prefix_k.transpose(-1, -2), rows)
        over_self = q @ k.transpose(-1, -2)
        lowest = torch.finfo(q.dtype).min
        if prefix_empty is not None:
            over_prefix = over_prefix.masked_fill(prefix_empty.repeat_interleave(rows // N, 0)[:, None, None], lowest)
        if blocked is not None:
            over_self = over_self.masked_fill_(blocked.repeat(share, 1), lowest)
        weights = torch.cat([over_prefix, over_self], -1).softmax(-1).to(q.dtype)  # autocast on a GPU makes it fp32
        on_prefix, on_self = _by_group(weights[..., :P], N), weights[..., P:].contiguous()
        out = _by_row(on_prefix @ prefix_v, rows) + on_self @ v
        ctx.save_for_backward(q, grouped, k, v, prefix_k, prefix_v, on_prefix, on_self, out)
        ctx.scale, ctx.shape = scale, (rows, h, C, d)
        return out.reshape(rows, h, C, d)

    @staticmethod
    def backward(ctx, gradient):
        q, grouped, k, v, prefix_k, prefix_v, on_prefix, on_self, out = ctx.saved_tensors
        rows, N = len(q), len(prefix_k)
        gradient = gradient.reshape(q.shape)
        by_group = _by_group(gradient, N)
        # softmax: d score = weight * (d weight - sum over keys of weight * d weight), and that sum is gradient . out
        inner = (gradient * out).sum(-1, keepdim=True)
        on_self_scores = (gradient @ v.transpose(-1, -2)).sub_(inner).mul_(on_self)
        on_prefix_scores = (by_group @ prefix_v.transpose(-1, -2)).sub_(_by_group(inner, N)).mul_(on_prefix)
        to_q = (on_self_scores @ k + _by_row(on_prefix_scores @ prefix_k, rows)) * ctx.scale
        return (
            to_q.reshape(ctx.shape),
            on_self_scores.transpose(-1, -2) @ q,
            on_self.transpose(-1, -2) @ gradient,
            on_prefix_scores.transpose(-1, -2) @ grouped,
            on_prefix.transpose(-1, -2) @ by_group,
            None,
            None,
            None,
        )


def _by_group(x: torch.Tensor, groups: int) -> torch.Tensor:
    """[N*G, kv, n, d] -> [N, kv, G*n, d]: the rows of a group one after another."""
    return x.unflatten(0, (groups, -1)).transpose(1, 2).flatten(2, 3)


def _by_row(x: torch.Tensor, rows: int) -> torch.Tensor:
    """[N, kv, G*n, d] -> [N*G, kv, n, d]."""
    return x.unflatten(2, (rows // len(x), -1)).transpose(1, 2).flatten(0, 1)


def _shared_prefix_attention(module, query, key, value, attention_mask, scaling, shared=None, **kwargs):
    if shared is None:  # a plain call of the model
        plain = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return plain(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    if changed := [name for name in ("softcap", "s_aux", "position_bias") if kwargs.get(name) is not None]:
        raise NotImplementedError(f"{type(module).__name__} wants {changed[0]}, which the shared prefix has not")
    if query.dtype != value.dtype:  # under autocast the rotation returns fp32
        query, key = query.to(value.dtype), key.to(value.dtype)
    return shared.attention(module.layer_idx, query, key, value, scaling), None


AttentionInterface.register(ATTENTION, _shared_prefix_attention)
AttentionInterface.register(VISION_ATTENTION, _grouped_vision_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def unsupported(model: PreTrainedModel) -> str | None:
    """What keeps this model from the kernel, as the end of a sentence, or None if nothing does."""
    text = model.config.get_text_config()
    if not model._supports_attention_backend or model.config.is_encoder_decoder:
        return "its attention cannot be exchanged"
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"]) - {"full_attention"}
    if getattr(text, "sliding_window", None) and not hasattr(text, "layer_types"):
        kinds = {"sliding_attention"}
    if kinds:
        return f"some of its layers do not see the whole past ({', '.join(sorted(kinds))})"
    if getattr(text, "attn_logit_softcapping", None):
        return "it caps the attention's scores"
    if hasattr(model.config, "vision_config") and model.config.model_type not in PICTURES:
        return f"the way {model.config.model_type} lays out pictures is not known to it"
    return None


@functools.cache
def _say_once(sentence: str) -> None:
    _log.warning(sentence)


def _shares(model: PreTrainedModel) -> bool:
    reason = unsupported(model)
    if reason:
        _say_once(f"{type(model).__name__} repeats its prompts, without the shared-prefix kernel: {reason}")
    return reason is None


def decoder(model: PreTrainedModel) -> PreTrainedModel:
    """The text decoder inside a language or vision-language model."""
    return model.get_decoder()


def _qwen_vision(model: PreTrainedModel) -> bool:
    return hasattr(model.base_model, "visual") and hasattr(model.config.vision_config, "fullatt_block_indexes")


def enable(model: PreTrainedModel, attention: str = ATTENTION, vision_attention: str = VISION_ATTENTION) -> None:
    """Our attention in the decoder (and in Qwen's vision tower), for good: with gradient checkpointing it runs again
    during the backward pass. Plain calls of the model keep working, on PyTorch's own attention."""
    decoder(model).config._attn_implementation = attention
    if _qwen_vision(model):
        model.base_model.visual.config._attn_implementation = vision_attention


def _disable(model: PreTrainedModel) -> None:
    """PyTorch's own attention again, wherever ours was."""
    if decoder(model).config._attn_implementation == ATTENTION:
        enable(model, "sdpa", "sdpa")


def _no_mask(device: torch.device) -> torch.Tensor:
    """A four-dimensional mask is taken as ready-made, so none is built for the packed row; ours ignores it."""
    return torch.zeros(1, 1, 1, 1, device=device)


# ------------------------------------------------------------------------------------------------------------ logprobs


def logprobs(
    model: PreTrainedModel,
    prompts: Prompts,
    completions: list[list[list[int]]],
    *,
    temperature: float = 1.0,
    forward: Callable | None = None,
) -> torch.Tensor:
    """Log-probability of every completion token, each prompt computed once. Differentiable.

    completions: for each prompt its completions, each a list of token ids (groups and completions may be ragged, a
    completion may be empty). forward: what to call instead of `model`, when it is wrapped (DistributedDataParallel).
    Returns [R, C] in fp32, the R completions in order, C the longest one, 0 where padded.
    """
    if not _shares(model):
        return logprobs_repeated(model, prompts, completions, temperature=temperature, forward=forward)
    device = prompts.input_ids.device
    layout = _Packed(prompts.lengths, [[len(c) for c in group] for group in completions], device)
    flat = [c for group in completions for c in group]
    tokens = torch.tensor([t for c in flat for t in c], dtype=torch.long, device=device)
    valid = prompts.attention_mask.bool()
    ids = torch.cat([prompts.input_ids[valid], tokens])
    place = positions(model, prompts)
    next_place = place.amax((0, 2)) + 1  # [N]
    owner = torch.tensor([i for i, group in enumerate(completions) for c in group for _ in c], dtype=torch.long)
    step = torch.tensor([s for c in flat for s in range(len(c))], dtype=torch.long)
    after = next_place[owner.to(device)] + step.to(device)
    place = torch.cat([place[:, valid], after.expand(place.shape[0], -1)], 1)

    # the logits of token s come from token s - 1, those of the first one from the prompt's last token
    ends = torch.tensor(prompts.lengths).cumsum(0) - 1
    source = torch.where(step == 0, ends[owner], layout.prompts.tokens + torch.arange(len(step)) - 1).to(device)
    enable(model)
    logits = (forward or model)(
        input_ids=ids[None],
        position_ids=place[:, None] if place.shape[0] == 3 else place,
        attention_mask=_no_mask(device),
        use_cache=False,
        logits_to_keep=source,
        shared=layout,
        **_vision_inputs(model, prompts),
    ).logits[0]
    chosen = token_logprobs(logits, tokens, temperature)
    width = max((len(c) for c in flat), default=0)
    lengths = torch.tensor([len(c) for c in flat], device=device)
    mask = torch.arange(width, device=device) < lengths[:, None]
    return chosen.new_zeros(len(flat), width).masked_scatter(mask, chosen)


def token_logprobs(logits: torch.Tensor, tokens: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """log softmax(logits / temperature) at the tokens, in fp32. logits [..., V], tokens [...]."""
    logits = logits.float()
    if temperature != 1.0:
        logits = logits / temperature
    return -F.cross_entropy(logits.flatten(0, -2), tokens.flatten(), reduction="none").view(tokens.shape)


def logprobs_repeated(
    model: PreTrainedModel,
    prompts: Prompts,
    completions: list[list[list[int]]],
    *,
    temperature: float = 1.0,
    forward: Callable | None = None,
) -> torch.Tensor:
    """The naive twin of `logprobs`: prompt and images repeated for every completion, one plain call of the model."""
    device = prompts.input_ids.device
    flat = [c for group in completions for c in group]
    repeated = prompts.select([i for i, group in enumerate(completions) for _ in group])
    width = max((len(c) for c in flat), default=0)
    ids = torch.tensor([c + [0] * (width - len(c)) for c in flat], dtype=torch.long, device=device)
    mask = torch.tensor([[1] * len(c) + [0] * (width - len(c)) for c in flat], dtype=torch.long, device=device)
    repeated.input_ids = torch.cat([repeated.input_ids, ids], 1)
    repeated.attention_mask = torch.cat([repeated.attention_mask, mask], 1)
    repeated.mm_token_type_ids = torch.cat([repeated.mm_token_type_ids, torch.zeros_like(ids)], 1)
    inputs = _plain_inputs(model, repeated)
    if not _mrope(model):  # M-RoPE models count by themselves, the others would count the padding too
        inputs["position_ids"] = _count_tokens(repeated.attention_mask)
    _disable(model)
    logits = (forward or model)(**inputs, use_cache=False, logits_to_keep=width + 1).logits[:, :-1]
    return token_logprobs(logits, ids, temperature) * mask


def _plain_inputs(model: PreTrainedModel, prompts: Prompts) -> dict[str, torch.Tensor]:
    """What a plain call of the model takes."""
    inputs = {name: value for name, value in vars(prompts).items() if isinstance(value, torch.Tensor)}
    if not _mrope(model):
        del inputs["mm_token_type_ids"]
    return inputs


# ---------------------------------------------------------------------------------------------------------- generation


class _Decoding:
    """KV cache of a decoding step: one copy of every prompt, one slot per row for the tokens written so far."""

    def __init__(
        self, prefix: dict[int, tuple[torch.Tensor, torch.Tensor]], valid: torch.Tensor, group: int, size: int
    ):
        self.prefix, self.valid, self.group, self.size, self.step = prefix, valid, group, size, 0
        self.empty = None if valid.all() else ~valid
        self.own: dict[int, torch.Tensor] = {}

    def attention(self, layer: int, query, key, value, scale: float) -> torch.Tensor:
        if layer not in self.own:
            rows, heads, _, d = key.shape
            self.own[layer] = key.new_empty(2, rows, heads, self.size, d)
        own = self.own[layer]
        own[0, :, :, self.step], own[1, :, :, self.step] = key[:, :, 0], value[:, :, 0]
        k, v = own[:, :, :, : self.step + 1]
        return _two_part(query, k, v, *self.prefix[layer], None, self.empty, scale).transpose(1, 2)

    def keep(self, prompts: torch.Tensor, rows: torch.Tensor, group: int) -> None:
        self.prefix = {layer: (k[prompts], v[prompts]) for layer, (k, v) in self.prefix.items()}
        self.valid, self.group = self.valid[prompts], group
        self.empty = None if self.valid.all() else ~self.valid
        self.own = {layer: own.index_select(1, rows) for layer, own in self.own.items()}


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    prompts: Prompts,
    *,
    num_generations: int,
    max_new_tokens: int,
    eos_token_ids: list[int],
    suppressed: list[int] = (),
    temperature: float = 1.0,
    top_k: int = 0,
    generator: torch.Generator | None = None,
    seeds: Sequence[Sequence[int]] | None = None,
) -> list[list[list[int]]]:
    """For each prompt its completions as lists of token ids; a finished one ends with an end token.

    Each prompt is prefilled once. temperature 0 decodes greedily; otherwise tokens are drawn, from the top_k most
    probable ones if top_k > 0, with `generator`, or with one seed for each prompt: its answers then depend on no other
    prompt. `suppressed` tokens are never produced. Finished rows leave the batch.
    """
    if not _shares(model):
        options = num_generations, max_new_tokens, eos_token_ids, suppressed, temperature, top_k
        if seeds is None:
            return _generate_repeated(model, prompts, *options, generator)
        return [  # the model's own loop draws for a whole batch at once
            _generate_repeated(model, prompts.select([i]), *options, seed)[0] for i, seed in enumerate(seeds)
        ]
    device = prompts.input_ids.device
    layout = _Packed(prompts.lengths, [], device)
    layout.keep = {}
    valid = prompts.attention_mask.bool()
    place = positions(model, prompts)
    ends = torch.tensor(prompts.lengths, device=device).cumsum(0) - 1
    mrope = place.shape[0] == 3
    head = model.get_output_embeddings()
    text, embed = decoder(model), model.get_input_embeddings()
    N, G = len(prompts), num_generations
    enable(model)
    no_mask = _no_mask(device)
    hidden = model.base_model(
        input_ids=prompts.input_ids[valid][None],
        position_ids=(place[:, valid][:, None] if mrope else place[:, valid]),
        attention_mask=no_mask,
        use_cache=False,
        shared=layout,
        **_vision_inputs(model, prompts),
    )[0][0]
    logits = head(hidden.index_select(0, ends)).repeat_interleave(G, 0)
    state = _Decoding(layout.keep, layout.prompts.valid, G, max_new_tokens)
    next_place = (place.amax((0, 2)) + 1).repeat_interleave(G)
    rows = torch.arange(N * G)  # output row of each batch row; -1 for a filler
    output = torch.full((N * G, max_new_tokens), -1, dtype=torch.long)
    ending = torch.tensor(list(eos_token_ids), device=device)
    banned = torch.tensor(list(suppressed), dtype=torch.long, device=device)
    alive = torch.ones(N * G, dtype=torch.bool)
    luck = _luck(N, G, max_new_tokens, generator, seeds).to(device) if temperature else None
    for step in range(max_new_tokens):
        token = _sample(logits, banned, temperature, top_k, None if luck is None else luck[:, step])
        output[rows[alive], step] = token.cpu()[alive]
        alive &= ~torch.isin(token, ending).cpu()
        if not alive.any() or step + 1 == max_new_tokens:
            break
        counts = alive.view(-1, state.group).sum(1)
        group, members = int(counts.max()), (counts > 0).nonzero()[:, 0]
        if group * len(members) <= 0.85 * len(alive):
            # finished rows sort behind the living ones of their group; the tail is cut off
            order = alive.view(-1, state.group).int().argsort(dim=1, descending=True, stable=True)[members, :group]
            order = (order + members[:, None] * state.group).flatten()
            state.keep(members.to(device), order.to(device), group)
            alive, rows = alive[order], rows[order]
            token, next_place = token[order.to(device)], next_place[order.to(device)]
            luck = None if luck is None else luck[order.to(device)]
        state.step = step
        spot = next_place + step
        hidden = text(
            inputs_embeds=embed(token)[:, None],
            position_ids=spot.expand(3, -1)[..., None] if mrope else spot[:, None],
            attention_mask=no_mask,
            use_cache=False,
            shared=state,
        )[0][:, 0]
        logits = head(hidden)
    lists = [[t for t in row if t >= 0] for row in output.tolist()]
    return [lists[i * G : (i + 1) * G] for i in range(N)]


def _generate_repeated(
    model, prompts, group, max_new_tokens, eos_token_ids, suppressed, temperature, top_k, luck
) -> list[list[list[int]]]:
    """`generate` by the model's own loop, every prompt repeated. Its randomness is the global one, seeded here by
    `luck`: a generator, a seed or None."""
    _disable(model)
    repeated = prompts.select([i for i in range(len(prompts)) for _ in range(group)])
    sampling = {"do_sample": False}
    if temperature:
        sampling = {"do_sample": True, "temperature": temperature, "top_k": top_k, "top_p": 1.0}
    device = prompts.input_ids.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if isinstance(luck, torch.Generator):
            torch.manual_seed(int(torch.randint(2**62, (), generator=luck, device=luck.device)))
        elif luck is not None:
            torch.manual_seed(int(np.random.default_rng(luck).integers(2**62)))
        written = model.generate(
            **_plain_inputs(model, repeated),
            max_new_tokens=max_new_tokens,
            eos_token_id=list(eos_token_ids) or None,
            suppress_tokens=list(suppressed) or None,
            **sampling,
        )[:, prompts.input_ids.shape[1] :].tolist()
    ends = [next((i + 1 for i, t in enumerate(row) if t in set(eos_token_ids)), len(row)) for row in written]
    lists = [row[:end] for row, end in zip(written, ends, strict=True)]
    return [lists[i * group : (i + 1) * group] for i in range(len(prompts))]


def _luck(prompts: int, group: int, steps: int, generator, seeds) -> torch.Tensor:
    """One uniform number for every token that may be drawn: [prompts * group, steps], double."""
    if seeds is None:
        device = generator.device if generator is not None else "cpu"
        return torch.rand(prompts * group, steps, generator=generator, dtype=torch.double, device=device)
    drawn = [np.random.default_rng(seed).random((group, steps)) for seed in seeds]
    return torch.from_numpy(np.concatenate(drawn))


def _sample(logits, banned, temperature: float, top_k: int, luck) -> torch.Tensor:
    """One token per row; luck [rows] in [0, 1) decides which."""
    logits = logits.float().index_fill(1, banned, -torch.inf)
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits / temperature
    if 0 < top_k < logits.shape[1]:
        smallest = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, -torch.inf)
    cumulated = logits.softmax(-1).double().cumsum(-1)  # double, because a vocabulary can be long
    return (cumulated <= luck[:, None] * cumulated[:, -1:]).sum(-1)
