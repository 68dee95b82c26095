"""Who answers: a vision-language model that generates, or anything that gives choices or places for rows."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable
from zlib import crc32

import torch
from PIL import Image

from georeplicate.model import policy as policies
from georeplicate.model.policy import Policy
from georeplicate.model.server import Chat, Failure, ServerError, turn
from georeplicate.profiles import Profile
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

    @classmethod
    def of(cls, path: str | os.PathLike, profile: Profile) -> Self:
        """The policy in a folder on this process's device, as a profile evaluates it; raises what loading it raises."""
        device = policies.device()
        policy = policies.load(path, dtype=policies.evaluated_in(profile.precision, device), device=device)
        return cls(policy, profile.max_completion_length, batch_size=profile.evaluated_at_once)

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


@dataclass
class Served:
    """A model behind an OpenAI-compatible server, shown pictures as PNG. decoding: "greedy" or "t1".

    What was answered is kept (`Chat.cache`), so that nothing is computed or paid twice. A request that fails for good
    is no answer of the model: ServerError says how many failed and why, and the others are kept.
    """

    chat: Chat
    seed: int = 0

    def predict(self, rows: Sequence[Row], task: Task, decoding: str) -> list[Output]:
        if decoding not in TEMPERATURE:
            raise ValueError(f"a server cannot decode {decoding!r}: choose one of {', '.join(TEMPERATURE)}")
        replies = self.chat.complete(
            [_turn(task.inputs(row)) for row in rows], temperature=TEMPERATURE[decoding], seed=self.seed
        )
        failed = [(row["id"], reply.reason) for row, reply in zip(rows, replies) if isinstance(reply, Failure)]
        if failed:
            raise ServerError(
                f"{self.chat.model}: {len(failed)} of {len(rows)} requests failed, the first ({failed[0][0]}) because: "
                f"{failed[0][1]}; what was answered is kept in {self.chat.cache}, so go on when this is mended"
            )
        return [Output(reply.text, reply.tokens) for reply in replies if not isinstance(reply, Failure)]


def _turn(inputs: dict) -> list[dict]:
    if "images" not in inputs:
        raise ValueError("a server is shown pictures; the mini world's rows hold pixels for a policy of ours")
    return turn([_png(image) for image in inputs["images"]], inputs["prompt"])


def _png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, format="PNG")
    return data.getvalue()


@dataclass
class VLLM:
    """A model that vLLM runs in this process (the extra `serve`); decoding: "greedy" or "t1".

    engine: vllm.LLM. Sampled with one seed for each row, so an answer depends on its row alone.
    """

    engine: Any
    max_new_tokens: int
    seed: int = 0

    def predict(self, rows: Sequence[Row], task: Task, decoding: str) -> list[Output]:
        from vllm import SamplingParams

        if decoding not in TEMPERATURE:
            raise ValueError(f"vLLM cannot decode {decoding!r}: choose one of {', '.join(TEMPERATURE)}")
        settings = [
            SamplingParams(
                temperature=TEMPERATURE[decoding],
                max_tokens=self.max_new_tokens,
                seed=crc32(f"{self.seed}/{row['id']}".encode()),
            )
            for row in rows
        ]
        found = self.engine.chat([_turn(task.inputs(row)) for row in rows], settings, use_tqdm=False)
        return [Output(one.outputs[0].text, len(one.outputs[0].token_ids)) for one in found]
