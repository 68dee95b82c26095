"""Log-probabilities of completions: `logprobs` is the kernel, `logprobs_repeated` its naive twin."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from georeplicate.model.shared_prefix.attention import Packed
from georeplicate.model.shared_prefix.prompts import Prompts, count_tokens, mrope, positions
from georeplicate.model.shared_prefix.support import disable, enable, no_mask, plain_inputs, shares
from georeplicate.model.shared_prefix.vision import vision_inputs


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
    if not shares(model):
        return logprobs_repeated(model, prompts, completions, temperature=temperature, forward=forward)
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
    logits = (forward or model)(
        input_ids=ids[None],
        position_ids=place[:, None] if place.shape[0] == 3 else place,
        attention_mask=no_mask(device),
        use_cache=False,
        logits_to_keep=source,
        shared=layout,
        **vision_inputs(model, prompts),
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
    inputs = plain_inputs(model, repeated)
    if not mrope(model):  # M-RoPE models count by themselves, the others would count the padding too
        inputs["position_ids"] = count_tokens(repeated.attention_mask)
    disable(model)
    logits = (forward or model)(**inputs, use_cache=False, logits_to_keep=width + 1).logits[:, :-1]
    return token_logprobs(logits, ids, temperature) * mask
