"""Who answers: a vision-language model that generates, or anything that gives choices or places for rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from zlib import crc32

import torch

from georeplicate.model.policy import Policy
from georeplicate.tasks import Output, Row, Task
from georeplicate.tasks.choice import answer

TEMPERATURE = {"greedy": 0.0, "t1": 1.0}


@runtime_checkable
class Predictor(Protocol):
    """One `Output` for each row, in order. A predictor that cannot answer a task raises ValueError in one sentence."""

    def predict(self, rows: Sequence[Row], task: Task, decoding: str) -> list[Output]: ...


@dataclass
class VLM:
    """A policy that is prompted. decoding: "greedy", "t1" (sampled at temperature 1), or "forced", which compares the
    log-probabilities of the task's options.

    What is sampled for a row depends on (seed, its id) alone, not on the other rows.
    """

    policy: Policy
    max_new_tokens: int
    seed: int = 0
    batch_size: int = field(default=64, kw_only=True)

    def predict(self, rows: Sequence[Row], task: Task, decoding: str) -> list[Output]:
        batches = (
            [rows[j] for j in range(i, min(i + self.batch_size, len(rows)))]
            for i in range(0, len(rows), self.batch_size)
        )
        answered = self._chosen if decoding == "forced" else self._written
        return [output for batch in batches for output in answered(batch, task, decoding)]

    def _written(self, rows: list[Row], task: Task, decoding: str) -> list[Output]:
        if decoding not in TEMPERATURE:
            raise ValueError(f"unknown decoding {decoding!r}: choose one of {', '.join(TEMPERATURE)}, forced")
        answers = self.policy.generate(
            [task.inputs(row) for row in rows],
            max_new_tokens=self.max_new_tokens,
            temperature=TEMPERATURE[decoding],
            seeds=[(self.seed, crc32(row["id"].encode())) for row in rows],
            batch_size=len(rows),
        )
        return [Output(text, tokens) for text, tokens in zip(answers.texts, answers.lengths, strict=True)]

    @torch.no_grad()
    def _chosen(self, rows: list[Row], task: Task, decoding: str) -> list[Output]:
        if not task.options:
            raise ValueError(f"the task {task.name!r} has no options to choose from; decode it greedily or at t1")
        texts = [answer(option) for option in task.options]
        completions = [self.policy.completion_ids(text) for text in texts]
        if len({len(ids) for ids in completions}) > 1:
            raise ValueError(f"{task.name}: the options have unequally many tokens, so they cannot be compared")
        scores = self.policy.logprobs([task.inputs(row) for row in rows], [completions] * len(rows))
        best = scores.sum(1).view(len(rows), len(texts)).argmax(1).tolist()
        return [Output(texts[i], choice=task.options[i]) for i in best]
