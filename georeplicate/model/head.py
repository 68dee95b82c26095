"""Of how many tokens the head's logits, the largest tensor of a step by far, exist together; and of how many logits
their entropies are computed together. Apart from the kernel, so that a plan of memory needs no torch."""

from __future__ import annotations

CHUNK = 2048  # tokens scored at a time, where the logits of all would be too many
LARGE = 2**28  # logits (1 GB in fp32) from where on they are
ENTROPIES = 2**24  # logits whose entropies are computed at a time: their copies are small beside the logits


def scored_at_once(tokens: int, vocabulary: int) -> int:
    """Of how many of `tokens` the logits over a vocabulary of that many exist together."""
    return min(tokens, CHUNK) if tokens * vocabulary > LARGE else tokens
