"""Two-part attention by PyTorch's fused kernels: one call on the prompts, one on the answers, merged by log-sum-exp.

A fused kernel never holds the weights of all pairs, and returns beside its output o the logarithm l of the sum over
which its softmax went. Two calls on keys apart are then the softmax over all of them:

    l = log(exp l1 + exp l2)        o = exp(l1 - l) o1 + exp(l2 - l) o2

Backwards a fused kernel computes its weights anew as exp(score - l). With the merged l and o in the place of its own it
gives each part's share of the gradients, and the merging needs no backward pass. So a prompt's keys and values are
repeated neither for its answers nor for the heads that share them. On a GPU the sequences stay packed; on a CPU they
lie on grids.
"""

from __future__ import annotations

import torch

_aten = torch.ops.aten


def runs_on_gpu(q: torch.Tensor) -> bool:
    """Whether `packed` can be had: FlashAttention takes 16-bit types, on GPUs from Ampere on. q [..., d]."""
    if q.device.type != "cuda" or q.dtype not in (torch.bfloat16, torch.float16):
        return False
    return torch.cuda.get_device_capability(q.device) >= (8, 0) and q.shape[-1] % 8 == 0 and q.shape[-1] <= 256


def on_grids(q, k, v, prefix_k, prefix_v, prefix_empty, scale: float) -> torch.Tensor:
    """As `attention.two_part` where answers see themselves causally: for a CPU, in fp32.

    q [N*G, h, C, d]; k, v [N*G, kv heads, C, d]; prefix_k, prefix_v [N, kv heads, P, d]; prefix_empty [N, P] is True
    where a prompt is padded (None: nowhere). Returns [N*G, h, C, d].
    """
    share = q.shape[1] // k.shape[1]
    if share > 1:  # of an answer's own keys and values, which are few beside the prompt's
        k, v = (x.repeat_interleave(share, 1) for x in (k, v))
    hidden = None
    if prefix_empty is not None:
        hidden = torch.zeros(prefix_empty.shape, dtype=q.dtype).masked_fill(prefix_empty, -torch.inf)[:, None, None]
    return _OnGrids.apply(q, k, v, prefix_k, prefix_v, hidden, scale)


def _fold(x: torch.Tensor, groups: int, kv: int) -> torch.Tensor:
    """[N*G, h, C, ...] -> [N, kv, G * h/kv * C, ...]: all queries that see the same keys, as one long block."""
    return x.unflatten(1, (kv, -1)).unflatten(0, (groups, -1)).transpose(1, 2).flatten(2, 4).contiguous()


def _unfold(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The way back, to the rows, heads and tokens of `like` [N*G, h, C, d]."""
    rows, h, C, _ = like.shape
    N, kv = x.shape[:2]
    return x.unflatten(2, (rows // N, h // kv, C)).transpose(1, 2).flatten(0, 1).flatten(1, 2)


class _OnGrids(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, prefix_k, prefix_v, hidden, scale):
        N, kv = prefix_k.shape[:2]
        attend = _aten._scaled_dot_product_flash_attention_for_cpu
        folded = _fold(q, N, kv)
        on_prefix, sum_prefix = attend(folded, prefix_k, prefix_v, 0.0, False, attn_mask=hidden, scale=scale)
        on_self, sum_self = attend(q, k, v, 0.0, True, scale=scale)
        out, total = _merge(_unfold(on_prefix, q), _unfold(sum_prefix, q), on_self, sum_self)
        ctx.save_for_backward(q, folded, k, v, prefix_k, prefix_v, hidden, out, total)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx, gradient):
        q, folded, k, v, prefix_k, prefix_v, hidden, out, total = ctx.saved_tensors
        N, kv = prefix_k.shape[:2]
        back = _aten._scaled_dot_product_flash_attention_for_cpu_backward
        gradient = gradient.contiguous()
        to_folded, to_prefix_k, to_prefix_v = back(
            _fold(gradient, N, kv), folded, prefix_k, prefix_v, _fold(out, N, kv), _fold(total, N, kv), 0.0, False,
            attn_mask=hidden, scale=ctx.scale,
        )  # fmt: skip
        to_q, to_k, to_v = back(gradient, q, k, v, out, total, 0.0, True, scale=ctx.scale)
        return to_q + _unfold(to_folded, q), to_k, to_v, to_prefix_k, to_prefix_v, None, None


def packed(q, k, v, prefix_k, prefix_v, ends: list[torch.Tensor], longest: list[int], scale: float) -> torch.Tensor:
    """The same on a GPU in 16 bits, on packed sequences.

    q [tokens, h, d] of all answers, k and v [tokens, kv heads, d] of them, prefix_k and prefix_v [prompt tokens, kv
    heads, d]. ends: where the prompts, the groups of answers and the answers end ([sequences + 1] each, int32, from 0);
    longest: tokens of the longest of each. Returns [tokens, h, d].
    """
    return _OnPacked.apply(q, k, v, prefix_k, prefix_v, ends, longest, scale)


class _OnPacked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, prefix_k, prefix_v, ends, longest, scale):
        prompts, groups, answers = ends
        of_prompt, of_group, of_answer = longest = [max(2, n) for n in longest]  # one token each would be laid out anew
        q, k, v, prefix_k, prefix_v = (x.contiguous() for x in (q, k, v, prefix_k, prefix_v))
        attend = _aten._flash_attention_forward
        on_prefix, sum_prefix, *rng_prefix, _ = attend(
            q, prefix_k, prefix_v, groups, prompts, of_group, of_prompt, 0.0, False, False, scale=scale
        )
        on_self, sum_self, *rng_self, _ = attend(
            q, k, v, answers, answers, of_answer, of_answer, 0.0, True, False, scale=scale
        )
        # the sums are [h, tokens]
        out, total = _merge(on_prefix.transpose(0, 1), sum_prefix, on_self.transpose(0, 1), sum_self)
        out = out.transpose(0, 1).contiguous()
        ctx.save_for_backward(q, k, v, prefix_k, prefix_v, out, total, *ends, *rng_prefix, *rng_self)
        ctx.longest, ctx.scale = longest, scale
        return out

    @staticmethod
    def backward(ctx, gradient):
        q, k, v, prefix_k, prefix_v, out, total, prompts, groups, answers, *rng = ctx.saved_tensors
        of_prompt, of_group, of_answer = ctx.longest
        back, gradient = _aten._flash_attention_backward, gradient.contiguous()
        from_prefix, to_prefix_k, to_prefix_v = back(
            gradient, q, prefix_k, prefix_v, out, total, groups, prompts, of_group, of_prompt, 0.0, False, *rng[:2],
            scale=ctx.scale,
        )  # fmt: skip
        from_self, to_k, to_v = back(
            gradient, q, k, v, out, total, answers, answers, of_answer, of_answer, 0.0, True, *rng[2:],
            scale=ctx.scale,
        )  # fmt: skip
        return from_prefix + from_self, to_k, to_v, to_prefix_k, to_prefix_v, None, None, None


def _merge(one, sum_one, other, sum_other) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs [..., d] over two sets of keys and the logarithms [...] of their sums -> those over both sets."""
    total = torch.logaddexp(sum_one, sum_other)
    weight, rest = ((part - total).exp()[..., None] for part in (sum_one, sum_other))
    return (weight * one + rest * other).to(one.dtype), total
