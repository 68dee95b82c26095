"""Log-probabilities of completions: `logprobs` is the kernel, `logprobs_repeated` its naive twin."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from georeplicate.model import head as head_size
from georeplicate.model.shared_prefix.attention import Packed
from georeplicate.model.shared_prefix.prompts import Prompts, count_tokens, mrope, positions
from georeplicate.model.shared_prefix.support import disable, enable, no_mask, plain_inputs, shares
from georeplicate.model.shared_prefix.vision import vision_inside


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
    Returns [R, C] in fp32, the R completions in order, C the longest one, 0 where padded. Where the logits of all
    tokens would be large, no more than `head.CHUNK` tokens' logits exist at a time, in the backward pass as well.
    """
    return _packed(model, prompts, completions, temperature, forward, entropies=False)[0]


def logprobs_and_entropies(
    model: PreTrainedModel,
    prompts: Prompts,
    completions: list[list[list[int]]],
    *,
    temperature: float = 1.0,
    forward: Callable | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`logprobs`, and beside them the entropies in nats of what each token was drawn from: [R, C], no gradient."""
    found, entropies = _packed(model, prompts, completions, temperature, forward, entropies=True)
    assert entropies is not None
    return found, entropies


def _packed(model, prompts, completions, temperature, forward, *, entropies: bool):
    if not shares(model):
        return _repeated(model, prompts, completions, temperature, forward, entropies=entropies)
    device = prompts.input_ids.device
    layout = Packed(prompts.lengths, [[len(c) for c in group] for group in completions], device)
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
    inputs = {
        "input_ids": ids[None],
        "position_ids": place[:, None] if place.shape[0] == 3 else place,
        "attention_mask": no_mask(device),
        "use_cache": False,
        "logits_to_keep": source,
        "shared": layout,
    }
    with vision_inside(model, prompts) as pictures:
        inputs |= pictures
        scored = _scores(model, lambda: (forward or model)(**inputs).logits, tokens[None], temperature, entropies)
    width = max((len(c) for c in flat), default=0)
    lengths = torch.tensor([len(c) for c in flat], device=device)
    mask = torch.arange(width, device=device) < lengths[:, None]
    return [None if x is None else x.new_zeros(len(flat), width).masked_scatter(mask, x[0]) for x in scored]


def token_logprobs(logits: torch.Tensor, tokens: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """log softmax(logits / temperature) at the tokens, in fp32. logits [..., V], tokens [...]."""
    logits = logits.float()
    if temperature != 1.0:
        logits = logits / temperature
    return -F.cross_entropy(logits.flatten(0, -2), tokens.flatten(), reduction="none").view(tokens.shape)


@torch.no_grad()
def token_entropies(logits: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Entropies in nats of softmax(logits / temperature), in fp32, without a gradient. logits [..., V]."""
    few = max(1, head_size.ENTROPIES // logits.shape[-1])  # rows at a time
    parts = logits.flatten(0, -2).split(few)
    found = [torch.special.entr((part.float() / temperature).softmax(-1)).sum(-1) for part in parts]
    return torch.cat(found).view(logits.shape[:-1])


def logprobs_repeated(
    model: PreTrainedModel,
    prompts: Prompts,
    completions: list[list[list[int]]],
    *,
    temperature: float = 1.0,
    forward: Callable | None = None,
) -> torch.Tensor:
    """The naive twin of `logprobs`: prompt and images repeated for every completion, one plain call of the model."""
    return _repeated(model, prompts, completions, temperature, forward, entropies=False)[0]


def _repeated(model, prompts, completions, temperature, forward, *, entropies: bool):
    device = prompts.input_ids.device
    flat = [c for group in completions for c in group]
    repeated = prompts.select([i for i, group in enumerate(completions) for _ in group])
    width = max((len(c) for c in flat), default=0)
    ids = torch.tensor([c + [0] * (width - len(c)) for c in flat], dtype=torch.long, device=device)
    mask = torch.tensor([[1] * len(c) + [0] * (width - len(c)) for c in flat], dtype=torch.long, device=device)
    repeated.input_ids = torch.cat([repeated.input_ids, ids], 1)
    repeated.attention_mask = torch.cat([repeated.attention_mask, mask], 1)
    repeated.mm_token_type_ids = torch.cat([repeated.mm_token_type_ids, torch.zeros_like(ids)], 1)
    inputs = plain_inputs(model, repeated)
    if not mrope(model):  # M-RoPE models count by themselves, the others would count the padding too
        inputs["position_ids"] = count_tokens(repeated.attention_mask)
    disable(model)
    following = F.pad(ids, (0, 1))  # the logits behind the last token say nothing about any
    scored = _scores(
        model,
        lambda: (forward or model)(**inputs, use_cache=False, logits_to_keep=width + 1).logits,
        following,
        temperature,
        entropies,
    )
    return [None if x is None else x[:, :-1] * mask for x in scored]


# ------------------------------------------------------------------------------------------------------------ the head


def _scores(
    model: PreTrainedModel, call: Callable[[], torch.Tensor], tokens: torch.Tensor, temperature: float, entropies: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Logprobs of tokens [rows, n] and, if asked, entropies; `call` runs the model and returns its logits [rows, n, V].

    Where these are large, the model's head is exchanged for the duration of the call, so that they never exist: that
    works behind any wrapper of the model.
    """
    head = model.get_output_embeddings()
    whole = head_size.scored_at_once(tokens.numel(), head.weight.shape[0]) == tokens.numel()
    if whole or not _plain_head(model):
        logits = call()
        return token_logprobs(logits, tokens, temperature), token_entropies(logits, temperature) if entropies else None
    with _exchanged(head, tokens, temperature):
        both = call()
    return both[..., 0], both[..., 1] if entropies else None


def _plain_head(model: PreTrainedModel) -> bool:
    """Whether logits are what the head returns; some families scale or cap them afterwards."""
    text = model.config.get_text_config()
    after = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier", "mup_width_scale")
    return not any(getattr(text, name, None) not in (None, 1, 1.0) for name in after)


@contextlib.contextmanager
def _exchanged(head: Any, tokens: torch.Tensor, temperature: float) -> Iterator[None]:
    """The head returns logprobs and entropies [rows, n, 2] of the given tokens [rows, n] instead of logits."""
    project, own = head.forward, vars(head).get("forward")

    def of_chunk(hidden: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        logits = project(hidden)
        return torch.stack([token_logprobs(logits, chosen, temperature), token_entropies(logits, temperature)], -1)

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        pairs = zip(hidden.flatten(0, -2).split(head_size.CHUNK), tokens.flatten().split(head_size.CHUNK), strict=True)
        if torch.is_grad_enabled():
            scored = [checkpoint(of_chunk, *pair, use_reentrant=False) for pair in pairs]
        else:
            scored = [of_chunk(*pair) for pair in pairs]
        return torch.cat(scored).view(*tokens.shape, 2)

    head.forward = forward
    try:
        yield
    finally:
        if own is None:
            del head.forward
        else:
            head.forward = own
