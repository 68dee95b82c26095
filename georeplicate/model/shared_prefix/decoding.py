"""Decoding steps: by the model's modules, and on a CPU without them, as the cost of few tokens is mostly theirs.

    step = FastDecoder.of(model, begin)     # None where the model is not of this kind
    step = Decoder(model, begin)            # any model of the kernel's
    logits = step(token)

In `FastDecoder` queries, keys and values are one product, as are the two halves of the gate; the prompts' keys and
values stay where they are, once, and a row's own are written into one tensor in place. The numbers are those of the
model's own forward pass up to rounding (tests/model/test_decoding.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaDecoderLayer
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLDecoderLayer

from georeplicate.model.shared_prefix.attention import two_part
from georeplicate.model.shared_prefix.prompts import mrope
from georeplicate.model.shared_prefix.support import decoder, no_mask

# Of these a layer is norm, attention, norm, gated MLP, and nothing else.
LAYERS = (Qwen2_5_VLDecoderLayer, Qwen2DecoderLayer, LlamaDecoderLayer)
Prefix = dict[int, tuple[torch.Tensor, torch.Tensor]]  # {layer: keys and values of the prompts, [N, kv heads, P, d]}


@dataclass(frozen=True)
class Prefilled:
    """Prompts that have been read, and rows that go on from them, `group` rows each.

    prefix: the prompts' keys and values. valid: [N, P], False where a prompt is padded. spots: [N * group], position of
    the first token that is decoded. size: steps at most.
    """

    prefix: Prefix
    valid: torch.Tensor
    group: int
    spots: torch.Tensor
    size: int


class Decoder:
    """Decoding steps of rows that share prompts, by the model's own modules: one copy of every prompt's keys and
    values, one slot per row for the tokens written so far."""

    def __init__(self, model: PreTrainedModel, begin: Prefilled):
        self.prefix, self.valid, self.group, self.size = begin.prefix, begin.valid, begin.group, begin.size
        self.spots, self.step, self.three_axes = begin.spots, 0, mrope(model)
        self.model, self.text = model, decoder(model)
        self.embed: Any = model.get_input_embeddings()
        self.head: Any = model.get_output_embeddings()
        self.mask = no_mask(begin.valid.device)
        self.empty = None if begin.valid.all() else ~begin.valid
        self.own: dict[int, torch.Tensor] = {}

    def attention(self, layer: int, query, key, value, scale: float) -> torch.Tensor:
        if layer not in self.own:
            rows, heads, _, d = key.shape
            self.own[layer] = key.new_empty(2, rows, heads, self.size, d)
        own = self.own[layer]
        own[0, :, :, self.step], own[1, :, :, self.step] = key[:, :, 0], value[:, :, 0]
        k, v = own[:, :, :, : self.step + 1]
        return two_part(query, k, v, *self.prefix[layer], None, self.empty, scale).transpose(1, 2)

    def __call__(self, token: torch.Tensor) -> torch.Tensor:
        """[rows] tokens -> [rows, vocabulary] logits of what follows."""
        logits = self.logits(token, self.spots + self.step)
        self.step += 1
        return logits

    def logits(self, token: torch.Tensor, spot: torch.Tensor) -> torch.Tensor:
        """The same for tokens [rows] at positions [rows]."""
        hidden = self.text(
            inputs_embeds=self.embed(token)[:, None],
            position_ids=spot.expand(3, -1)[..., None] if self.three_axes else spot[:, None],
            attention_mask=self.mask,
            use_cache=False,
            shared=self,
        )[0][:, 0]
        found: torch.Tensor = self.head(hidden)
        return found

    def keep(self, prompts: torch.Tensor, rows: torch.Tensor, group: int) -> None:
        """Only these prompts and, in this order, these rows go on; `group` of each prompt."""
        self.spots = self.spots[rows]
        self.prefix = {layer: (k[prompts], v[prompts]) for layer, (k, v) in self.prefix.items()}
        self.valid, self.group = self.valid[prompts], group
        self.empty = None if self.valid.all() else ~self.valid
        self.own = {layer: own.index_select(1, rows) for layer, own in self.own.items()}


class StaticDecoder(Decoder):
    """As `Decoder`, with every tensor of one shape and in one place from step to step, so that a step can be recorded
    once and replayed (`graphs`): which step it is, `at`, is known to the device alone, and a row attends to all of its
    slots, those of later steps hidden."""

    def __init__(self, model: PreTrainedModel, begin: Prefilled):
        super().__init__(model, begin)
        device = self.valid.device
        self.at = torch.zeros(1, dtype=torch.long, device=device)
        self.slots = torch.arange(self.size, device=device)[None]
        self.later = self.slots > self.at

    def attention(self, layer: int, query, key, value, scale: float) -> torch.Tensor:
        if layer not in self.own:
            rows, heads, _, d = key.shape
            self.own[layer] = key.new_zeros(2, rows, heads, self.size, d)  # what is hidden is read, so must be finite
        k, v = self.own[layer]
        k.index_copy_(2, self.at, key)
        v.index_copy_(2, self.at, value)
        return two_part(query, k, v, *self.prefix[layer], self.later, self.empty, scale).transpose(1, 2)

    def __call__(self, token: torch.Tensor) -> torch.Tensor:
        torch.gt(self.slots, self.at, out=self.later)
        logits = self.logits(token, self.spots + self.at)
        self.at += 1
        return logits


@dataclass(frozen=True)
class _Layer:
    """Weights of a decoder layer; the attention's scale is folded into those of the queries."""

    norm: torch.Tensor
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    out: torch.Tensor
    out_bias: torch.Tensor | None
    norm_mlp: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor
    eps: float


def _merged(layer: Any) -> _Layer | None:
    """None where a part is wrapped (an adapter), quantized, or where the MLP has biases."""
    attention, mlp = layer.self_attn, layer.mlp
    q, k, v, out = attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj
    gated = mlp.gate_proj, mlp.up_proj, mlp.down_proj
    if any(type(part) is not nn.Linear for part in (q, k, v, out, *gated)) or any(p.bias is not None for p in gated):
        return None
    return _Layer(
        norm=layer.input_layernorm.weight,
        qkv=torch.cat([q.weight * attention.scaling, k.weight, v.weight]),
        qkv_bias=None if q.bias is None else torch.cat([q.bias * attention.scaling, k.bias, v.bias]),
        out=out.weight,
        out_bias=out.bias,
        norm_mlp=layer.post_attention_layernorm.weight,
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        down=mlp.down_proj.weight,
        eps=layer.input_layernorm.variance_epsilon,
    )


class FastDecoder:
    """As `Decoder`, for inference in fp32 on a CPU, without modules."""

    def __init__(self, model: PreTrainedModel, layers: list[_Layer], begin: Prefilled):
        text: Any = decoder(model)
        config = model.config.get_text_config()
        self.layers, self.final, self.act = layers, text.norm, text.layers[0].mlp.act_fn
        self.embed: Any = model.get_input_embeddings()
        self.head: Any = model.get_output_embeddings()
        self.heads, self.kv = config.num_attention_heads, config.num_key_value_heads
        self.share, self.d = self.heads // self.kv, text.layers[0].self_attn.head_dim
        self.prefix = [begin.prefix[i] for i in range(len(layers))]
        self.empty = None if begin.valid.all() else ~begin.valid
        self.group, self.spots, self.size, self.step = begin.group, begin.spots, begin.size, 0
        places = torch.arange(int(begin.spots.max()) + begin.size)[None]
        if mrope(model):
            places = places.expand(3, 1, -1)  # behind the pictures all three axes are equal
        cos, sin = text.rotary_emb(layers[0].norm, places)
        first, second = sin[0].chunk(2, -1)
        self.cos, self.sin = cos[0][:, None], torch.cat([-first, second], -1)[:, None]  # [places, 1, d]
        rows = len(begin.valid), self.kv, begin.group, begin.size, self.d
        self.own = [(torch.empty(rows), torch.empty(rows)) for _ in layers]

    @classmethod
    def of(cls, model: PreTrainedModel, begin: Prefilled) -> FastDecoder | None:
        """None where a step is left to the model itself: on a GPU, in another type than fp32, under autocast, with
        adapters or layers of another kind, or where positions are scaled as the text grows."""
        text: Any = decoder(model)
        if begin.spots.device.type != "cpu" or model.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            return None
        known = all(type(layer) in LAYERS for layer in getattr(text, "layers", [None]))
        if not known or text.rotary_emb.rope_type != "default":
            return None
        layers = [merged for layer in text.layers if (merged := _merged(layer)) is not None]
        return cls(model, layers, begin) if len(layers) == len(text.layers) else None

    def __call__(self, token: torch.Tensor) -> torch.Tensor:
        """[rows] tokens -> [rows, vocabulary] logits of what follows."""
        rows, at, half = len(token), self.step, self.d // 2
        grid = rows // self.group, self.group, self.kv
        cos, sin = (table.index_select(0, self.spots + at) for table in (self.cos, self.sin))
        x = self.embed(token)
        for layer, (prefix_k, prefix_v), (own_k, own_v) in zip(self.layers, self.prefix, self.own, strict=True):
            normed = F.rms_norm(x, layer.norm.shape, layer.norm, layer.eps)
            merged = F.linear(normed, layer.qkv, layer.qkv_bias).view(rows, self.heads + 2 * self.kv, self.d)
            turned, value = merged.split([self.heads + self.kv, self.kv], 1)
            turned = turned * cos + torch.cat([turned[..., half:], turned[..., :half]], -1) * sin
            query, key = turned.split([self.heads, self.kv], 1)
            own_k[:, :, :, at] = key.view(*grid, self.d).transpose(1, 2)
            own_v[:, :, :, at] = value.view(*grid, self.d).transpose(1, 2)
            q = query.view(*grid, self.share, self.d).transpose(1, 2)  # [N, kv heads, group, share, d]
            over_prefix = (q.flatten(2, 3) @ prefix_k.transpose(-1, -2)).unflatten(2, (self.group, self.share))
            if self.empty is not None:
                over_prefix.masked_fill_(self.empty[:, None, None, None], torch.finfo(torch.float32).min)
            over_own = q @ own_k[:, :, :, : at + 1].transpose(-1, -2)
            weights = torch.cat([over_prefix, over_own], -1).softmax(-1)
            on_prefix, on_own = weights.split([over_prefix.shape[-1], at + 1], -1)
            seen = (on_prefix.flatten(2, 3) @ prefix_v).unflatten(2, (self.group, self.share))
            seen = seen + on_own @ own_v[:, :, :, : at + 1]
            x = x + F.linear(seen.transpose(1, 2).reshape(rows, -1), layer.out, layer.out_bias)
            normed = F.rms_norm(x, layer.norm_mlp.shape, layer.norm_mlp, layer.eps)
            gate, up = F.linear(normed, layer.gate_up).chunk(2, -1)
            x = x + F.linear(self.act(gate).mul_(up), layer.down)
        self.step += 1
        logits: torch.Tensor = self.head(self.final(x))
        return logits

    def keep(self, prompts: torch.Tensor, rows: torch.Tensor, group: int) -> None:
        """Only these prompts and, in this order, these rows go on; `group` of each prompt."""
        self.prefix = [(k[prompts], v[prompts]) for k, v in self.prefix]
        self.empty = None if self.empty is None else self.empty[prompts]
        self.spots, self.group = self.spots[rows], group
        self.own = [(_moved(k, rows, group), _moved(v, rows, group)) for k, v in self.own]


def _moved(own: torch.Tensor, rows: torch.Tensor, group: int) -> torch.Tensor:
    """[N, kv heads, G, size, d] with these rows, `group` of each prompt."""
    flat = own.transpose(1, 2).flatten(0, 1).index_select(0, rows)
    return flat.unflatten(0, (-1, group)).transpose(1, 2).contiguous()


def compaction(alive: torch.Tensor, group: int, share: float) -> tuple[torch.Tensor, torch.Tensor, int] | None:
    """(prompts, rows, group) that hold the living rows in less space, at most `share` of what it is; None where they
    do not. alive: [prompts * group]. Finished rows stand behind the living ones of their prompt, which the prompt with
    the most of these fills up."""
    counts = alive.view(-1, group).sum(1)
    longest, members = int(counts.max()), (counts > 0).nonzero()[:, 0]
    if longest * len(members) > share * len(alive):
        return None
    order = alive.view(-1, group).int().argsort(dim=1, descending=True, stable=True)[members, :longest]
    return members, (order + members[:, None] * group).flatten(), longest
