"""Of how many tokens the head's logits exist together: they are the largest tensor of a step, by far."""

from __future__ import annotations

CHUNK = 2048  # tokens scored at a time, where the logits of all would be too many
LARGE = 2**28  # logits (1 GB in fp32) from where on they are


def scored_at_once(tokens: int, vocabulary: int) -> int:
    """Of how many of `tokens` the logits over a vocabulary of that many exist together."""
    return min(tokens, CHUNK) if tokens * vocabulary > LARGE else tokens
