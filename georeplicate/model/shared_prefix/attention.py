"""Two-part attention: a completion attends to the one copy of its prompt and, causally, to itself."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from georeplicate.model.shared_prefix import merged

ATTENTION = "shared_prefix"
LONG = 192  # tokens of a completion, from where on PyTorch's fused kernel is faster (measured on a CPU)


def attend(q, k, v, scale: float, *, causal: bool):
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


class Packed:
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
        packed = self.prompts.gather(attend(qp, kp, vp, scale, causal=True))
        if self.completions.tokens and merged.runs_on_gpu(q):
            after = merged.packed(q[cut:], k[cut:], v[cut:], k[:cut], v[:cut], self.ends, self.longest, scale)
            packed = torch.cat([packed, after])
        elif self.completions.tokens:
            qc, kc, vc = (self.completions.scatter(x[cut:]) for x in (q, k, v))
            empty = None if self.prompts.full else ~self.prompts.valid
            if _fused(qc):
                after = merged.on_grids(qc, kc, vc, kp, vp, empty, scale)
            else:
                width = self.completions.width
                future = torch.ones(width, width, dtype=torch.bool, device=q.device).triu(1)
                after = two_part(qc, kc, vc, kp, vp, future, empty, scale)
            packed = torch.cat([packed, self.completions.gather(after)])
        return packed[None]

    @functools.cached_property
    def ends(self) -> list[torch.Tensor]:
        """Where prompts, groups and completions begin and the last one ends, counted in packed tokens of their kind."""
        groups = torch.tensor(self.completions.lengths).view(len(self.prompts.lengths), -1).sum(1)
        lengths = (torch.tensor(self.prompts.lengths), groups, torch.tensor(self.completions.lengths))
        return [F.pad(x.cumsum(0), (1, 0)).to(self.prompts.device, torch.int32) for x in lengths]

    @functools.cached_property
    def longest(self) -> list[int]:
        """Tokens of the longest prompt, group and completion."""
        return [int(end.diff().max()) for end in self.ends]


def two_part(q, k, v, prefix_k, prefix_v, blocked, prefix_empty, scale: float) -> torch.Tensor:
    """Each row attends to the prefix of its group and to itself under one softmax.

    q [N*G, h, C, d]; k, v [N*G, kv heads, S, d]; prefix_k, prefix_v [N, kv heads, P, d]; blocked [C, S] and
    prefix_empty [N, P] are True where a query must not look (None: nowhere). Returns [N*G, h, C, d]. The prefix is
    never repeated: all queries of a group are one long block against it.
    """
    return _TwoPart.apply(q, k, v, prefix_k, prefix_v, blocked, prefix_empty, scale)


def _fused(q: torch.Tensor) -> bool:
    """Whether the fused kernels are worth it on a CPU: without a backward pass, and where completions are long. (In
    bf16 they are slow there, see `attend`.)"""
    if q.device.type != "cpu" or q.dtype != torch.float32:
        return False
    return q.shape[2] > LONG or not torch.is_grad_enabled()


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
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
