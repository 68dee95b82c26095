"""Sampling completions: each prompt is prefilled once, finished rows leave the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from georeplicate.model.shared_prefix import graphs
from georeplicate.model.shared_prefix.attention import Packed
from georeplicate.model.shared_prefix.decoding import Decoder, FastDecoder, Prefilled, StaticDecoder, compaction
from georeplicate.model.shared_prefix.prompts import Prompts, positions
from georeplicate.model.shared_prefix.sampling import Draws, Sampling
from georeplicate.model.shared_prefix.support import disable, enable, no_mask, plain_inputs, shares
from georeplicate.model.shared_prefix.vision import vision_inputs


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
    logits = model.get_output_embeddings()(hidden.index_select(0, ends)).repeat_interleave(G, 0)
    draws = Draws.of(
        sampling, prompts, G, max_new_tokens, logits.shape[1],
        banned=suppressed, ending=eos_token_ids, generator=generator, seeds=seeds,
    )  # fmt: skip
    spots = (place.amax((0, 2)) + 1).repeat_interleave(G)
    begin = Prefilled(layout.keep, layout.prompts.valid, G, spots, max_new_tokens)
    if device.type == "cuda":
        output = graphs.decode(StaticDecoder(model, begin), logits, draws)
    else:
        output = _decode(FastDecoder.of(model, begin) or Decoder(model, begin), logits, draws)
    lists = [[t for t in row if t >= 0] for row in output.tolist()]
    return [lists[i * G : (i + 1) * G] for i in range(N)]


def _decode(state: FastDecoder | Decoder, logits: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Tokens of all rows, [rows, steps], -1 behind their ends."""
    size, device = state.size, logits.device
    rows = torch.arange(len(logits))  # output row of each batch row
    output = torch.full((len(logits), size), -1, dtype=torch.long)
    alive = torch.ones(len(logits), dtype=torch.bool)  # the others are fillers
    for step in range(size):
        token = draws.token(logits, step)
        output[rows[alive], step] = token.cpu()[alive]
        alive &= ~draws.ends(token).cpu()
        if not alive.any() or step + 1 == size:
            break
        if (fewer := compaction(alive, state.group, 0.85)) is not None:
            members, order, group = fewer
            state.keep(members.to(device), order.to(device), group)
            draws.keep(order.to(device))
            alive, rows, token = alive[order], rows[order], token[order.to(device)]
        draws.mark_used(token)
        logits = state(token)
    return output


def _generate_repeated(
    model, prompts, group, max_new_tokens, eos_token_ids, suppressed, sampling, randomness
) -> list[list[list[int]]]:
    """`generate` by the model's own loop, every prompt repeated. Its randomness is the global one, seeded here by
    `randomness`: a generator, a seed or None."""
    disable(model)
    repeated = prompts.select([i for i in range(len(prompts)) for _ in range(group)])
    options: dict[str, Any] = {"do_sample": False, "repetition_penalty": sampling.repetition_penalty}
    if sampling.temperature:
        options = {**vars(sampling), "do_sample": True}
    device = prompts.input_ids.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if isinstance(randomness, torch.Generator):
            torch.manual_seed(int(torch.randint(2**62, (), generator=randomness, device=randomness.device)))
        elif randomness is not None:
            torch.manual_seed(int(np.random.default_rng(randomness).integers(2**62)))
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
