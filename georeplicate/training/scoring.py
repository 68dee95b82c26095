"""Reward functions in TRL's signature: what they are told, and that what they return are numbers."""

from __future__ import annotations

import functools
import inspect
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

# f(prompts, completions, completion_ids, **columns) -> list[float], one a completion
RewardFunc = Callable[..., Sequence[Any]]
RENAMED = ("prompt", "completion", "completion_ids")  # columns of a row that a reward function is told by other names
RESERVED = ("prompts", "completions", "trainer_state", "log_extra", "log_metric")  # what it is told beside the columns


def check(functions: RewardFunc | Sequence[RewardFunc]) -> list[RewardFunc]:
    """The functions as a list; ValueError in one sentence for what is no plain function."""
    listed: list[Any] = list(functions) if isinstance(functions, list | tuple) else [functions]
    if not listed:
        raise ValueError("there is no reward function: give at least one as reward_funcs")
    for function in listed:
        called = function.func if isinstance(function, functools.partial) else function
        waits = inspect.iscoroutinefunction(called) or inspect.iscoroutinefunction(type(called).__call__)
        if not callable(function) or isinstance(function, torch.nn.Module) or waits:
            raise ValueError(
                f"the reward {function if isinstance(function, str) else name(function)!r} is not honoured by the "
                "shared-prefix trainer, which calls plain functions: call a reward model or a coroutine inside one, or "
                "train with TRL's own GRPOTrainer"
            )
    return listed


def name(function: Callable) -> str:
    """What a reward function is called in errors and metrics."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", None) or type(function).__name__


def refuse_columns(columns: Iterable[str]) -> None:
    """ValueError for a column that reward functions could not be told, as they are told something else by its name."""
    if taken := sorted(set(columns) & set(RESERVED)):
        raise ValueError(
            f"the dataset has a column {taken[0]!r}, which is the name of something else that reward functions are "
            "told: rename the column"
        )


def score(
    functions: Sequence[RewardFunc],
    rows: Sequence[Mapping[str, Any]],
    prompts: Sequence[Any],
    completions: Sequence[Any],
    completion_ids: Sequence[list[int]],
    **more: Any,
) -> torch.Tensor:
    """The rewards of R completions by each function, [R, functions].

    rows, prompts, completions, completion_ids: one of each a completion. A function is called once, with all of them,
    the columns of the rows and `more`. ValueError names the function that gives no list, and the row of a reward that
    is no finite number, so that nothing wrong is saved; or the column that has the name of something else.
    """
    if not rows:
        return torch.zeros(0, len(functions))
    refuse_columns(rows[0])
    columns = {column: [row.get(column) for row in rows] for column in rows[0] if column not in RENAMED}
    scored = []
    for function in functions:
        given = function(prompts=prompts, completions=completions, completion_ids=completion_ids, **columns | more)
        if not _listed(given):
            raise ValueError(
                f"the reward function {name(function)} gave {reprlib.repr(given)} instead of a list: it must give one "
                "number for each completion"
            )
        if len(given) != len(rows):
            raise ValueError(
                f"the reward function {name(function)} gave {len(given)} rewards for {len(rows)} completions: it must "
                "give one for each"
            )
        scored.append([finite(value, function, row) for value, row in zip(given, rows, strict=True)])
    return torch.tensor(scored).T.contiguous()


def _listed(given: Any) -> bool:
    """Whether something can be read as one reward after another."""
    try:
        len(given)
    except TypeError:
        return False
    return hasattr(given, "__getitem__") and not isinstance(given, str | bytes | Mapping)  # sets have no order


def finite(value: Any, function: Callable, row: Mapping[str, Any], part: str = "") -> float:
    """A reward as a number; ValueError names the reward function and the row."""
    try:
        number = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= torch.finfo(torch.float32).max:  # of what rewards are summed in
        raise ValueError(
            f"the reward function {name(function)} gave {value!r}{part} for row {row.get('id', 'without an id')}: a "
            "reward must be a finite number; give an answer that cannot be scored the reward of a malformed one"
        )
    return number


def of_answers(reward_fn: Callable[[str, dict[str, Any], int], Any]) -> RewardFunc:
    """A reward of one answer, (text, row, n_tokens) -> a number or an object with `total` and `parts`, in TRL's terms.

    The rows carry themselves as a column "row". The mean of each part, over the answers that have it, is logged as
    `reward_NAME`.
    """

    def rewarded(completions, completion_ids, row, log_metric, **_) -> list[float]:
        totals: list[float] = []
        parts: dict[str, list[float]] = {}
        for chat, ids, own in zip(completions, completion_ids, row, strict=True):
            reward = reward_fn(chat[0]["content"], own, len(ids))
            totals.append(finite(getattr(reward, "total", reward), reward_fn, own))
            for part, value in (getattr(reward, "parts", None) or {}).items():
                parts.setdefault(part, []).append(finite(value, reward_fn, own, f" as {part}"))
        for part, values in parts.items():
            log_metric(f"reward_{part}", sum(values) / len(values))
        return totals

    rewarded.__name__ = name(reward_fn)
    return rewarded
