"""Sampling completions: each prompt is prefilled once, finished rows leave the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from georeplicate.model.shared_prefix.attention import Packed, two_part
from georeplicate.model.shared_prefix.decoding import FastDecoder, Prefix
from georeplicate.model.shared_prefix.prompts import Prompts, mrope, positions
from georeplicate.model.shared_prefix.support import decoder, disable, enable, no_mask, plain_inputs, shares
from georeplicate.model.shared_prefix.vision import vision_inputs


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a token is drawn, in the terms and the order of transformers' `generate`.

    repetition_penalty: logits of tokens that the prompt or the answer holds are divided by it (negative ones are
    multiplied). Then temperature, 0 for the most probable token; then only the top_k most probable tokens stay (0: all
    of them), of these the fewest that hold top_p of the probability, and of these those with at least min_p times the
    probability of the most probable one. ValueError for a value outside its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        ranges = {
            "temperature": (self.temperature >= 0, "at least 0"),
            "top_k": (self.top_k >= 0, "0 for all tokens or their number"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "min_p": (self.min_p is None or 0 <= self.min_p <= 1, "between 0 and 1"),
            "repetition_penalty": (self.repetition_penalty > 0, "above 0"),
        }
        for name, (fits, what) in ranges.items():
            if not fits:
                raise ValueError(f"{name}={getattr(self, name)!r} is out of range: it must be {what}")


class _Decoding:
    """Decoding steps by the model's own modules: one copy of every prompt's keys and values, one slot per row for the
    tokens written so far. `decoding.FastDecoder` stands in its place where it can."""

    def __init__(
        self,
        model: PreTrainedModel,
        prefix: Prefix,
        valid: torch.Tensor,
        group: int,
        spots: torch.Tensor,
        size: int,
    ):
        self.prefix, self.valid, self.group, self.size, self.step = prefix, valid, group, size, 0
        self.spots, self.three_axes = spots, mrope(model)
        self.text = decoder(model)
        self.embed: Any = model.get_input_embeddings()
        self.head: Any = model.get_output_embeddings()
        self.mask = no_mask(valid.device)
        self.empty = None if valid.all() else ~valid
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
        spot = self.spots + self.step
        hidden = self.text(
            inputs_embeds=self.embed(token)[:, None],
            position_ids=spot.expand(3, -1)[..., None] if self.three_axes else spot[:, None],
            attention_mask=self.mask,
            use_cache=False,
            shared=self,
        )[0][:, 0]
        self.step += 1
        return self.head(hidden)

    def keep(self, prompts: torch.Tensor, rows: torch.Tensor, group: int) -> None:
        self.spots = self.spots[rows]
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
    suppressed: Sequence[int] = (),
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    generator: torch.Generator | None = None,
    seeds: Sequence[Sequence[int]] | None = None,
) -> list[list[list[int]]]:
    """For each prompt its completions as lists of token ids; a finished one ends with an end token.

    Each prompt is prefilled once. Tokens are drawn as `Sampling` says, with `generator`, or with one seed for each
    prompt: its answers then depend on no other prompt. `suppressed` tokens are never produced. Finished rows leave the
    batch.
    """
    sampling = Sampling(
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty
    )
    if not shares(model):
        options = num_generations, max_new_tokens, eos_token_ids, suppressed, sampling
        if seeds is None:
            return _generate_repeated(model, prompts, *options, generator)
        return [  # the model's own loop draws for a whole batch at once
            _generate_repeated(model, prompts.select([i]), *options, seed)[0] for i, seed in enumerate(seeds)
        ]
    device = prompts.input_ids.device
    layout = Packed(prompts.lengths, [], device)
    layout.keep = {}
    valid = prompts.attention_mask.bool()
    place = positions(model, prompts)
    ends = torch.tensor(prompts.lengths, device=device).cumsum(0) - 1
    three_axes = place.shape[0] == 3
    head = model.get_output_embeddings()
    N, G = len(prompts), num_generations
    enable(model)
    hidden = model.base_model(
        input_ids=prompts.input_ids[valid][None],
        position_ids=(place[:, valid][:, None] if three_axes else place[:, valid]),
        attention_mask=no_mask(device),
        use_cache=False,
        shared=layout,
        **vision_inputs(model, prompts),
    )[0][0]
    logits = head(hidden.index_select(0, ends)).repeat_interleave(G, 0)
    spots = (place.amax((0, 2)) + 1).repeat_interleave(G)
    begun = model, layout.keep, layout.prompts.valid, G, spots, max_new_tokens
    state = FastDecoder.of(*begun) or _Decoding(*begun)
    rows = torch.arange(N * G)  # output row of each batch row; -1 for a filler
    output = torch.full((N * G, max_new_tokens), -1, dtype=torch.long)
    ending = torch.tensor(list(eos_token_ids), device=device)
    banned = torch.tensor(list(suppressed), dtype=torch.long, device=device)
    alive = torch.ones(N * G, dtype=torch.bool)
    luck = _luck(N, G, max_new_tokens, generator, seeds).to(device) if temperature else None
    used = None if repetition_penalty == 1 else _used(prompts, logits.shape[1]).repeat_interleave(G, 0)
    for step in range(max_new_tokens):
        token = _sample(logits, banned, sampling, None if luck is None else luck[:, step], used)
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
            token = token[order.to(device)]
            luck = None if luck is None else luck[order.to(device)]
            used = None if used is None else used[order.to(device)]
        if used is not None:
            used[torch.arange(len(token), device=device), token] = True
        logits = state(token)
    lists = [[t for t in row if t >= 0] for row in output.tolist()]
    return [lists[i * G : (i + 1) * G] for i in range(N)]


def _generate_repeated(
    model, prompts, group, max_new_tokens, eos_token_ids, suppressed, sampling, luck
) -> list[list[list[int]]]:
    """`generate` by the model's own loop, every prompt repeated. Its randomness is the global one, seeded here by
    `luck`: a generator, a seed or None."""
    disable(model)
    repeated = prompts.select([i for i in range(len(prompts)) for _ in range(group)])
    options: dict[str, Any] = {"do_sample": False, "repetition_penalty": sampling.repetition_penalty}
    if sampling.temperature:
        options = {**vars(sampling), "do_sample": True}
    device = prompts.input_ids.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if isinstance(luck, torch.Generator):
            torch.manual_seed(int(torch.randint(2**62, (), generator=luck, device=luck.device)))
        elif luck is not None:
            torch.manual_seed(int(np.random.default_rng(luck).integers(2**62)))
        written = model.generate(
            **plain_inputs(model, repeated),
            max_new_tokens=max_new_tokens,
            eos_token_id=list(eos_token_ids) or None,
            suppress_tokens=list(suppressed) or None,
            **options,
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


def _used(prompts: Prompts, vocabulary: int) -> torch.Tensor:
    """Which tokens each prompt holds: [prompts, vocabulary], bool."""
    used = torch.zeros(len(prompts), vocabulary, dtype=torch.bool, device=prompts.input_ids.device)
    row, place = prompts.attention_mask.nonzero(as_tuple=True)
    used[row, prompts.input_ids[row, place]] = True
    return used


def _sample(logits, banned, sampling: Sampling, luck, used=None) -> torch.Tensor:
    """One token per row of logits [rows, V]; luck [rows] in [0, 1) decides which; used [rows, V] is penalised."""
    logits = logits.float().index_fill(1, banned, -torch.inf)
    if used is not None:
        weaker = torch.where(logits < 0, logits * sampling.repetition_penalty, logits / sampling.repetition_penalty)
        logits = torch.where(used, weaker, logits)
    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = logits / sampling.temperature
    if 0 < sampling.top_k < logits.shape[1]:
        smallest = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, -torch.inf)
    if sampling.top_p < 1:
        ascending, order = logits.sort(-1)
        rare = ascending.softmax(-1).cumsum(-1) <= 1 - sampling.top_p
        rare[:, -1] = False  # the most probable token always stays
        logits = logits.masked_fill(torch.zeros_like(rare).scatter(1, order, rare), -torch.inf)
    if sampling.min_p:
        probable = logits.softmax(-1)
        logits = logits.masked_fill(probable < sampling.min_p * probable.amax(-1, keepdim=True), -torch.inf)
    cumulated = logits.softmax(-1).double().cumsum(-1)  # double, because a vocabulary can be long
    return (cumulated <= luck[:, None] * cumulated[:, -1:]).sum(-1)
