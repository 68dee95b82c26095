"""How a token is drawn from logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from georeplicate.model.shared_prefix.prompts import Prompts


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


@dataclass
class Draws:
    """What the tokens of a batch of rows are drawn with.

    banned: tokens that are never drawn. ending: those that end an answer. uniform: [rows, steps], numbers in [0, 1)
    that decide which token (None: the most probable one). used: [rows, vocabulary], tokens to be penalised (None: no
    penalty).
    """

    sampling: Sampling
    banned: torch.Tensor
    ending: torch.Tensor
    uniform: torch.Tensor | None
    used: torch.Tensor | None

    @classmethod
    def of(
        cls,
        sampling: Sampling,
        prompts: Prompts,
        group: int,
        steps: int,
        vocabulary: int,
        *,
        banned: Sequence[int],
        ending: Sequence[int],
        generator: torch.Generator | None,
        seeds: Sequence[Sequence[int]] | None,
    ) -> Draws:
        """For `group` answers to each prompt; randomness from a generator, or from a seed for each prompt."""
        device = prompts.input_ids.device
        drawn = _uniform(len(prompts), group, steps, generator, seeds).to(device) if sampling.temperature else None
        penalised = sampling.repetition_penalty != 1
        return cls(
            sampling,
            torch.tensor(list(banned), dtype=torch.long, device=device),
            torch.tensor(list(ending), dtype=torch.long, device=device),
            drawn,
            _used(prompts, vocabulary).repeat_interleave(group, 0) if penalised else None,
        )

    def token(self, logits: torch.Tensor, step: int | torch.Tensor) -> torch.Tensor:
        """[rows] tokens from [rows, vocabulary] logits; step: which of the row's tokens this is."""
        number = None
        if self.uniform is not None:  # a step may be known to the device alone, see `graphs`
            number = self.uniform[:, step] if isinstance(step, int) else self.uniform.index_select(1, step)[:, 0]
        return sample(logits, self.banned, self.sampling, number, self.used)

    def ends(self, token: torch.Tensor) -> torch.Tensor:
        """Which rows' answers end with these tokens."""
        return (token[:, None] == self.ending).any(1)

    def mark_used(self, token: torch.Tensor) -> None:
        """These tokens have been drawn, one a row."""
        if self.used is not None:
            self.used.scatter_(1, token[:, None], True)

    def keep(self, rows: torch.Tensor) -> None:
        """Only these rows go on, in this order."""
        self.uniform = None if self.uniform is None else self.uniform[rows]
        self.used = None if self.used is None else self.used[rows]


def _uniform(prompts: int, group: int, steps: int, generator, seeds) -> torch.Tensor:
    """One uniform number for every token that may be drawn: [prompts * group, steps], double."""
    if seeds is None:
        device = generator.device if generator is not None else "cpu"
        return torch.rand(prompts * group, steps, generator=generator, dtype=torch.double, device=device)
    drawn = [np.random.default_rng(seed).random((group, steps)) for seed in seeds]
    return torch.from_numpy(np.concatenate(drawn))


def _used(prompts: Prompts, vocabulary: int) -> torch.Tensor:
    """Which tokens each prompt holds: [prompts, vocabulary], bool."""
    found = torch.zeros(len(prompts), vocabulary, dtype=torch.bool, device=prompts.input_ids.device)
    row, place = prompts.attention_mask.nonzero(as_tuple=True)
    found[row, prompts.input_ids[row, place]] = True
    return found


def sample(logits, banned, sampling: Sampling, uniform, used=None) -> torch.Tensor:
    """One token per row of logits [rows, V]; uniform [rows] in [0, 1) decides which; used [rows, V] is penalised."""
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
    return (cumulated <= uniform[:, None] * cumulated[:, -1:]).sum(-1)
