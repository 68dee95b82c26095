"""What GRPO minimises: advantages within groups of answers, and the losses that are known by names.

Each follows its paper's formula, with the names and the details of TRL, whose numbers they equal to rounding:

    grpo       mean over answers of the mean over an answer's tokens (DeepSeekMath, 2402.03300)
    bnpo       mean over the tokens of the micro-batch
    dr_grpo    sum over tokens, by answers times the longest answer allowed (Dr. GRPO, 2503.20783)
    dapo       mean over all tokens of the update (DAPO, 2503.14476)
    cispo      as dapo, of -min(ratio, bound) A log p with no gradient through the ratio (MiniMax-M1, 2506.13585)
"""

from __future__ import annotations

from typing import Literal, get_args

import torch

LossType = Literal["grpo", "bnpo", "dr_grpo", "dapo", "cispo"]
Level = Literal["token", "sequence"]
Scale = Literal["group", "batch", "none"]
LOSS_TYPES: tuple[str, ...] = get_args(LossType)
LEVELS: tuple[str, ...] = get_args(Level)
SCALES: tuple[str, ...] = get_args(Scale)


def group_advantages(
    rewards: torch.Tensor, eps: float = 1e-4, *, scale: Scale = "group", everyone: torch.Tensor | None = None
) -> torch.Tensor:
    """(r - mean) / (std + eps), the mean within each row of rewards [N, G]; std is the unbiased one. A group of one
    gets 0.

    scale: "group" takes the std of each row, "batch" that of all rewards (`everyone`: those of all processes, where
    there are several), "none" divides by nothing. ValueError for a reward that is not finite: it would turn every
    weight into NaN without a word.
    """
    if not torch.isfinite(rewards).all():
        row, column = torch.nonzero(~torch.isfinite(rewards))[0].tolist()
        raise ValueError(f"the reward of answer {column} in group {row} is {rewards[row, column].item()}, no number")
    centred = rewards - rewards.mean(1, keepdim=True)
    if rewards.shape[1] == 1 or scale == "none":
        return centred
    spread = rewards.std(1, keepdim=True) if scale == "group" else (rewards if everyone is None else everyone).std()
    return centred / (spread + eps)


def loss(
    logprobs: torch.Tensor,
    old: torch.Tensor,
    reference: torch.Tensor | None,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    *,
    beta: float = 0.04,
    clip: float = 0.2,
    clip_high: float | None = None,
    delta: float | None = None,
    kind: LossType = "grpo",
    level: Level = "token",
    unbiased_kl: bool = False,
    tokens: torch.Tensor | None = None,
    longest: int | None = None,
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of R answers, and its metrics.

    logprobs, old, reference, mask: [R, C] (reference may be None when beta is 0); advantages: [R]. An answer without
    tokens counts as 0.

    clip, clip_high: the ratio p / p_old is kept above 1 - clip and below 1 + clip_high (None: as clip); "cispo" keeps
    it below clip_high itself. delta: an upper bound also where the advantage is negative. level: "sequence" takes one
    ratio an answer, the geometric mean over its tokens (GSPO, 2507.18071). unbiased_kl: the penalty is weighted by the
    ratio. tokens: what "dapo" and "cispo" divide by, a scalar (None: the tokens here); longest: what "dr_grpo" does.

    Returns the scalar loss and means over tokens: {"kl", "clip_fraction"} and TRL's "clip_ratio/..." or
    "cispo_clip_ratio", which count an answer once where the ratio is one of answers.
    """
    gain = advantages[:, None]
    count = mask.sum(1).clamp(min=1)
    high = clip if clip_high is None else clip_high
    ahead = logprobs - old
    ratio = ahead.exp() if level == "token" else ((ahead * mask).sum(1, keepdim=True) / count[:, None]).exp()
    if kind == "cispo":
        per_token = -ratio.clamp(max=high).detach() * gain * logprobs
        too_low, too_high = torch.zeros_like(ratio), (ratio > high) & (gain > 0)
    else:
        bounded = ratio if delta is None else ratio.clamp(max=delta)
        per_token = -torch.minimum(bounded * gain, ratio.clamp(1 - clip, 1 + high) * gain)
        too_low, too_high = (bounded < 1 - clip) & (gain < 0), (bounded > 1 + high) & (gain > 0)
    metrics = _clipping(kind, too_low.float(), too_high.float(), mask)
    if beta:
        assert reference is not None
        behind = reference - logprobs
        kl = behind.exp() - behind - 1
        if unbiased_kl:
            kl = kl * ratio
        per_token = per_token + beta * kl
        metrics["kl"] = float((kl.detach() * mask).sum() / mask.sum().clamp(min=1))
    if kind == "grpo":
        return ((per_token * mask).sum(1) / count).mean(), metrics
    total = (per_token * mask).sum()
    if kind == "dr_grpo":
        if longest is None:
            raise ValueError("dr_grpo divides by the longest answer allowed: give its tokens as longest")
        return total / (len(mask) * longest), metrics
    return total / (mask.sum() if tokens is None or kind == "bnpo" else tokens).clamp(min=1), metrics


def _clipping(kind: LossType, low: torch.Tensor, high: torch.Tensor, mask: torch.Tensor) -> dict[str, float]:
    """Shares of what was clipped; low, high: [R, C], or [R, 1] where the ratio is one of answers."""

    def mean(share: torch.Tensor) -> float:
        return float(share.mean() if share.shape[1] == 1 else (share * mask).sum() / mask.sum().clamp(min=1))

    def of_answers(share: torch.Tensor) -> torch.Tensor:
        if share.shape[1] == 1:
            return share[:, 0]
        held = mask.sum(1)
        found = ((share * mask).sum(1) / held)[held > 0]
        return found if len(found) else share.new_zeros(1)

    either = low + high
    metrics = {"clip_fraction": float((either * mask).sum() / mask.sum().clamp(min=1))}
    if kind == "cispo":
        return metrics | {"cispo_clip_ratio": mean(high)}
    return metrics | {
        "clip_ratio/low_mean": mean(low),
        "clip_ratio/high_mean": mean(high),
        "clip_ratio/region_mean": mean(either),
        "clip_ratio/low_min": float(of_answers(low).min()),
        "clip_ratio/high_max": float(of_answers(high).max()),
    }
