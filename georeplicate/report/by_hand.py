"""Figures of notebook 03, where the method is worked through by hand: arithmetic, and pictures that become tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from georeplicate.model.policy import Policy
from georeplicate.report import plots
from georeplicate.training import rewards

_WORD = "0.93"
_ROW = 64.0  # width of a row of the packed prompt, in picture tokens


def estimates(drawn: pd.DataFrame) -> Figure:
    """Single estimates of one derivative, a panel for each way to estimate it, on one scale.

    drawn: estimate, samples (how often it came), exact and what is paid for a sample: a row for every value.
    """
    kinds = list(drawn.groupby("paid", sort=False))
    figure = plots.new_figure(figsize=(9.6, 2.9), layout="constrained")
    panels = figure.subplots(1, len(kinds), sharex=True, sharey=True, squeeze=False)[0]
    largest = float(drawn.estimate.abs().max())
    for axis, (name, rows) in zip(panels, kinds, strict=True):
        mean = np.average(rows.estimate, weights=rows.samples)
        spread = np.sqrt(np.average((rows.estimate - mean) ** 2, weights=rows.samples))
        axis.bar(rows.estimate, rows.samples, width=0.04 * largest, color=plots.PALETTE[5])
        axis.axvline(mean, color=plots.TRUE, linewidth=2.4, label="their mean")
        axis.axvline(rows.exact.iloc[0], color="0.1", linewidth=1.2, linestyle=(0, (4, 3)), label="exact")
        axis.set_title(f"{name}: spread {spread:.2f}", fontsize=10, loc="left")
        axis.set(xlabel="one estimate of the first slope", ylabel="how often" if axis is panels[0] else "")
    panels[0].legend(fontsize=8, frameon=False)
    sns.despine(figure)
    plots.note(figure, f"n = {kinds[0][1].samples.sum():,} samples a panel, of a policy with three answers")
    return figure


def length_reward(longest: int = 2 * rewards.LENGTH_MAX_TOKENS) -> Figure:
    """The length reward over the length of an answer, as described and as released."""
    figure = plots.new_figure(figsize=(9.6, 2.9), layout="constrained")
    tokens = np.arange(0, longest + 1, 8)
    titles: dict[Any, str] = {"paper": "as described", "released": "as released"}
    for axis, (mode, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        for right, colour, dash in ((True, plots.TRUE, "-"), (False, plots.FALSE, (0, (5, 3)))):
            paid = [rewards.length(int(n), right, mode) for n in tokens]
            axis.plot(tokens, paid, color=colour, linestyle=dash, linewidth=2, label="right" if right else "wrong")
        axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axis.axvline(rewards.LENGTH_MAX_TOKENS, color="0.8", linewidth=0.8, zorder=0)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set(xlabel="tokens of the answer", ylabel="length reward" if mode == "paper" else "")
        axis.set_xticks(np.linspace(0, longest, 5))
    figure.axes[0].legend(fontsize=9, frameon=False, loc="center right", title="the answer is")
    sns.despine(figure)
    return figure


def clipping(tokens: pd.DataFrame) -> Figure:
    """The clipped term of the loss over the ratio, for advantages of +1 and -1, with the tokens of each answer on it.

    tokens: a row each, with answer, advantage (of which the sign counts), ratio and clip_epsilon.
    """
    clip = float(tokens.clip_epsilon.iloc[0])
    figure = plots.new_figure(figsize=(9.6, 3.2), layout="constrained")
    grid = np.linspace(0.5, 1.5, 201)
    answers = list(tokens.groupby("answer", sort=False))
    for axis, gain in zip(figure.subplots(1, 2), (1.0, -1.0), strict=True):
        axis.axvspan(1 - clip, 1 + clip, color="0.95", zorder=0)
        axis.plot(grid, _clipped(grid, gain, clip), color="0.3", linewidth=1.4)
        for number, (name, rows) in enumerate(answers):
            if np.sign(rows.advantage.iloc[0]) != gain:
                continue
            own = rows.ratio.to_numpy(float)
            style = dict(color=plots.PALETTE[number], markersize=5, markeredgecolor="white", markeredgewidth=0.4)
            axis.plot(own, _clipped(own, gain, clip), "o", label=f"{name} ({len(own)} tokens)", **style)
        axis.set_title(f"advantage {gain:+.0f}", fontsize=10, loc="left")
        axis.set(xlabel="ratio ρ of a token", ylabel="term of the loss" if gain > 0 else "")
        axis.legend(fontsize=8.5, frameon=False, loc="upper right" if gain > 0 else "upper left")
    sns.despine(figure)
    plots.note(figure, f"grey: not clipped, 1 - {clip:g} to 1 + {clip:g}; {plots.SYNTHETIC}, untrained policy")
    return figure


def _clipped(ratio: np.ndarray, gain: float, clip: float) -> np.ndarray:
    return -np.minimum(ratio * gain, ratio.clip(1 - clip, 1 + clip) * gain)


def picture_tokens(policy: Policy, row: Mapping[str, Any]) -> Figure:
    """How the pictures of a row become tokens: each picture cut into the squares that become one token each, and below
    the prompt as the model reads it, words and picture tokens in their order.

    row: {images, prompt}; the policy's processor is one of Qwen2.5-VL's kind, which cuts into patches and merges them.
    """
    prompts = policy.encode([dict(row)])
    processor: Any = policy.processor
    merge = processor.image_processor.merge_size
    side = processor.image_processor.patch_size * merge
    assert prompts.image_grid_thw is not None
    grids = [(int(h) // merge, int(w) // merge) for _, h, w in prompts.image_grid_thw]
    figure = plots.new_figure(figsize=(10, 5.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.55, 1), squeeze=False)[:, 0]
    panorama, *tiles = row["images"]
    grid = above.add_gridspec(2, len(tiles), height_ratios=(1, 1))
    for number, image in enumerate(row["images"]):
        place = grid[0, :] if number == 0 else grid[1, number - 1]
        name = "panorama" if number == 0 else f"tile {chr(ord('A') + number - 1)}"
        _cut(above.add_subplot(place), image, grids[number], side, name, _colour(number))
    mask = prompts.attention_mask[0].bool()
    _packed(below.add_subplot(), policy, prompts.input_ids[0][mask], prompts.mm_token_type_ids[0][mask], grids)
    size = policy.model.config.get_text_config().hidden_size
    below.supxlabel(
        f"a square of {side} x {side} pixels ({merge} x {merge} patches) becomes one vector of {size} numbers. "
        f"{plots.SYNTHETIC}",
        fontsize=8,
        color="0.4",
    )
    return figure


def _colour(number: int) -> str:
    return plots.PALETTE[number % len(plots.PALETTE)]


def _cut(axes: Axes, image: Any, grid: tuple[int, int], side: int, name: str, colour: str) -> None:
    pixels = np.asarray(image)
    axes.imshow(pixels, interpolation="nearest", extent=(0, grid[1] * side, grid[0] * side, 0))
    for at in range(1, grid[0]):
        axes.axhline(at * side, color="white", linewidth=1)
    for at in range(1, grid[1]):
        axes.axvline(at * side, color="white", linewidth=1)
    axes.spines[:].set(color=colour, linewidth=3)
    height, width = pixels.shape[:2]
    label = f"{name}: {height} x {width} pixels, {grid[0]} x {grid[1]} = {grid[0] * grid[1]} tokens"
    axes.set_title(label if name == "panorama" else f"{name}: {grid[0]} x {grid[1]}", fontsize=9, loc="left")
    axes.set(xticks=[], yticks=[])


def _packed(axes: Axes, policy: Policy, ids: torch.Tensor, kinds: torch.Tensor, grids: list[tuple[int, int]]) -> None:
    """The prompt from left to right, row by row."""
    left, row, picture, inside = 0.0, 0, -1, 0
    for token, kind in zip(ids.tolist(), kinds.tolist(), strict=True):
        if kind:
            if inside == 0:
                picture, inside = picture + 1, grids[picture + 1][0] * grids[picture + 1][1]
            inside -= 1
            width, fill, says = 1.0, _colour(picture), ""
        else:
            says = plots.token_text(policy.tokenizer, token).strip("<|>").replace("vision_", "")
            width, fill = 0.62 * len(says) + 0.9, _WORD
        if left + width > _ROW:
            left, row = 0.0, row + 1
        axes.add_patch(Rectangle((left, -row), width - 0.14, 0.72, facecolor=fill, edgecolor="none"))
        if says:
            axes.text(left + (width - 0.14) / 2, 0.34 - row, says, fontsize=7, ha="center", va="center", color="0.2")
        left += width
    axes.set(xlim=(0, _ROW), ylim=(-row - 0.25, 1.0))
    axes.axis("off")
    seen = int(kinds.sum())
    axes.set_title(
        f"the prompt: {len(ids)} tokens, of which {seen} of pictures (coloured as their frames)", fontsize=9, loc="left"
    )
