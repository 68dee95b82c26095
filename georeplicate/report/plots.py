"""Figures: pure functions from data to a matplotlib Figure. Nothing here trains, downloads or writes a file."""

from __future__ import annotations

import html
import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.core.pylabtools import print_figure
from IPython.display import HTML
from matplotlib import style as styles
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker
from numpy.typing import ArrayLike

from georeplicate import files, geo, paper, world
from georeplicate.evaluation.metrics import median_km

# Without noise and compass; clean pictures also make small notebooks.
FOR_PEOPLE = world.Difficulty(noise=0.0, light=0.0, compass=False)
SYNTHETIC = "synthetic rendering of real metadata"
MINI = f"mini models, trained and evaluated on a {SYNTHETIC}"

# One colour a system in every figure, from seaborn's palette for the colour-blind.
PALETTE = [sns.color_palette("colorblind").as_hex()[i] for i in (0, 2, 1, 4, 3, 9, 5, 6, 8)]
COLOURS = {"mini-base": "0.45", "mini-Zero": PALETTE[0], "mini-R1": PALETTE[1], "mini-SFT": PALETTE[2]}
DOTS_PER_INCH = 110
FONTS = {"font.family": "DejaVu Sans", "pdf.fonttype": 42}  # carried by matplotlib itself
TRUE, FALSE = "#0173b2", "#c44e00"


class _Described(Figure):
    """A figure that a notebook shows with a text for those who cannot see it."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = print_figure(self, fmt="png", base64=True)
        if data is None:  # of a figure that holds nothing
            return {"text/plain": "Figure, empty"}, {}
        size = " x ".join(f"{inches * self.dpi:.0f}" for inches in self.get_size_inches())
        return {"image/png": data, "text/plain": f"Figure, {size} pixels"}, {"image/png": {"alt": describe(self)}}


def new_figure(**options) -> Figure:
    """An empty figure that pyplot has let go of: a notebook shows it once, where its cell returns it."""
    figure = plt.figure(FigureClass=_Described, **options)
    plt.close(figure)
    return figure


def describe(figure: Figure) -> str:
    """What a figure shows, in words, from its own titles, axis labels, legends and note (a drawing without them: from
    its words): the text beside the picture for those who cannot see it. It says what is drawn, not what follows."""
    panels = []
    for axes in figure.axes:
        title = " ".join((axes.get_title(loc="left") or axes.get_title()).split())
        labels = [f"{name}: {label}" for name, label in (("x", axes.get_xlabel()), ("y", axes.get_ylabel())) if label]
        legend = axes.get_legend()
        shown = [text.get_text() for text in legend.get_texts()] if legend else []
        words = "; ".join([*([title] if title else []), *labels, *([f"shown: {', '.join(shown)}"] if shown else [])])
        words = words or "; ".join(" ".join(text.get_text().split()) for text in axes.texts)
        if words and words not in panels:
            panels.append(words)
    keys = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    parts = [figure.get_suptitle(), *panels, f"legend: {', '.join(keys)}" if keys else "", figure.get_supxlabel()]
    count = len(figure.axes)
    return ". ".join([f"Figure with {count} panel{'s' * (count != 1)}", *filter(None, parts)])


def colours(systems: Sequence[str]) -> dict[str, str]:
    """A colour for each system: those of Table 2 keep theirs, others take what the palette has left."""
    left = iter(PALETTE[3:] * (1 + len(systems) // 6))
    return {system: COLOURS.get(system) or next(left) for system in systems}


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def note(figure: Figure, text: str) -> None:
    """One small grey line below a figure."""
    figure.supxlabel(text, fontsize=8, color="0.4")


def _picture(axes, image, title: str = "") -> None:
    axes.imshow(np.asarray(image), interpolation="nearest" if np.asarray(image).shape[0] < 200 else "antialiased")
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])


def views(
    scene: world.Landscape,
    title: str = "",
    *,
    height: int = 384,
    difficulty: world.Difficulty = FOR_PEOPLE,
) -> Figure:
    """The three views of one scene at a size pleasant to look at: panorama above, street-level photo and tile below."""
    figure = new_figure(figsize=(10, 7.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.75))
    panorama = figure.add_subplot(grid[0, :])
    _picture(panorama, world.panorama(scene, height, difficulty=difficulty), f"360° panorama   {title}")
    panorama.set_xticks(np.linspace(0, 4 * height, 5), ["S", "W", "N", "E", "S"])
    _picture(
        figure.add_subplot(grid[1, 0]),
        world.crop(scene, 2 * height, difficulty=difficulty),
        "a street-level photo, along the street",
    )
    _picture(
        figure.add_subplot(grid[1, 1]),
        world.tile(scene, 2 * height, difficulty=difficulty),
        f"aerial tile, north up, {world.TILE_M:.0f} m wide",
    )
    note(figure, SYNTHETIC)
    return figure


def question(images: Sequence, letter: str | None = None, title: str = "") -> Figure:
    """A pairing question as the model sees it: [panorama, tile A, tile B, ...]; `letter` frames the right one."""
    figure = new_figure(figsize=(10, 4.6), layout="constrained")
    _question(figure, images, letter, title)
    return figure


def _question(figure, images: Sequence, letter: str | None, title: str) -> None:
    panorama, *tiles = images
    grid = figure.add_gridspec(2, len(tiles), height_ratios=(1.2, 1))
    _picture(figure.add_subplot(grid[0, :]), panorama, title)
    for i, tile in enumerate(tiles):
        axes = figure.add_subplot(grid[1, i])
        name = chr(ord("A") + i)
        _picture(axes, tile, name)
        if name == letter:
            axes.spines[:].set(color="crimson", linewidth=3)
    note(figure, SYNTHETIC)


def gallery(scenes: Sequence[world.Landscape], titles: Sequence[str], *, columns: int = 2, height: int = 160) -> Figure:
    """Panoramas of many scenes side by side."""
    rows = -(-len(scenes) // columns)
    figure = new_figure(figsize=(5.6 * columns, 1.75 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, scene, title in zip(axes.flat, scenes, titles, strict=False):
        axis.axis("on")
        _picture(axis, world.panorama(scene, height, difficulty=FOR_PEOPLE), title)
    note(figure, SYNTHETIC)
    return figure


# --- training --------------------------------------------------------------------------------------------------------


def curves(
    logs: pd.DataFrame,
    panels: Mapping[str, str],
    *,
    smooth: int = 1,
    baselines: Mapping[str, float] | None = None,
    columns: int = 3,
    source: str = MINI,
) -> Figure:
    """Training logs over updates: a thin line a seed, a thick one for the mean of a system's seeds.

    logs: rows of all runs, with run, system, training_seed, step and the columns that `panels` names with their axis
    labels. smooth: width in updates of a centred running mean over each seed's line. baselines: {column: value}, a
    dashed line where the value is expected. source: what was trained on what, for the note below. ValueError for a
    column that the logs lack.
    """
    missing = [name for name in ("run", "system", "step", *panels) if name not in logs]
    if missing:
        raise ValueError(f"the logs lack {', '.join(missing)}; they have {', '.join(map(str, logs.columns))}")
    rows = -(-len(panels) // columns)
    wide = min(columns, len(panels))
    figure = new_figure(figsize=(max(6.0, 3.7 * wide), 2.9 * rows), layout="constrained")
    axes = list(figure.subplots(rows, wide, squeeze=False).flat)
    palette = colours(list(dict.fromkeys(logs.system)))
    style = dict(x="step", hue="system", palette=palette, errorbar=None, legend=False)
    for axis, (name, label) in zip(axes, panels.items()):
        drawn = logs[["run", "system", "step", name]].dropna().sort_values(["run", "step"])
        line = drawn.groupby("run")[name].rolling(smooth, center=True, min_periods=1).mean()
        drawn = drawn.assign(**{name: line.droplevel(0)})
        sns.lineplot(drawn, y=name, ax=axis, units="run", estimator=None, linewidth=0.7, alpha=0.45, **style)
        sns.lineplot(drawn, y=name, ax=axis, linewidth=2, **style)
        if baselines and name in baselines:
            axis.axhline(baselines[name], color="0.3", linestyle=(0, (4, 3)), linewidth=0.9, zorder=0)
        axis.set(xlabel="update", ylabel=label)
        axis.margins(x=0.01)
    for axis in axes[len(panels) :]:
        axis.remove()
    handles = [plt.Line2D([], [], color=colour, linewidth=2) for colour in palette.values()]
    seeds = logs.groupby("system", sort=False).run.nunique()
    names = [f"{system} ({_seeds(seeds[system])})" for system in palette]
    figure.legend(handles, names, loc="outside upper left", ncols=4, fontsize=8, frameon=False)
    sns.despine(figure)
    smoothed = f"; running mean over {smooth} updates" if smooth > 1 else ""
    note(figure, f"thin: one seed, thick: mean{smoothed}. {source}")
    return figure


def group(parts: pd.DataFrame, advantages: Sequence[float]) -> Figure:
    """One question's answers as bars: the parts of each reward, stacked, and the advantages they become.

    parts: one row an answer (its index is the bar's name), one column a reward; negative parts hang below zero.
    """
    figure = new_figure(figsize=(10, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    names, at = [str(name) for name in parts.index], np.arange(len(parts))
    for sign in (1, -1):
        floor = np.zeros(len(parts))
        for number, column in enumerate(parts):
            height = (sign * parts[column].to_numpy()).clip(0) * sign
            label = column if sign == 1 else None
            left.bar(at, height, bottom=floor, color=PALETTE[number], edgecolor="white", linewidth=0.5, label=label)
            floor = floor + height
    right.bar(at, advantages, color=[TRUE if a > 0 else FALSE for a in advantages])
    for axis, title in ((left, "reward"), (right, "advantage")):
        axis.axhline(0, color="0.3", linewidth=0.8)
        axis.set_xticks(at, names)
        axis.set_title(title, fontsize=10, loc="left")
    left.legend(fontsize=8, frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.25, 1.0))
    sns.despine(figure)
    note(figure, MINI)
    return figure


def loss_mask(tokenizer, ids: Sequence[int], counted: Sequence[bool]) -> HTML:
    """A training row token by token: those the loss counts bold on colour, the others grey. For any tokenizer.

    Equal neighbours (the tokens of a picture) are drawn once, with their number; a line break is drawn as ↵.
    """
    if len(ids) != len(counted):
        raise ValueError(f"{len(ids)} tokens and {len(counted)} marks: one mark a token is needed")
    pieces = []
    for (token, marked), run in groupby(zip(map(int, ids), map(bool, counted), strict=True)):
        times = len(list(run))
        shown = html.escape(token_text(tokenizer, token)) + (f" ×{times}" if times > 1 else "")
        if marked:
            pieces.append(f'<b style="background:#cfe3f5;color:#00304f;padding:0 .2em;margin:.1em">{shown}</b>')
        else:
            pieces.append(f'<span style="color:#767676;padding:0 .2em;margin:.1em">{shown}</span>')
    return HTML('<div style="font-family:monospace;line-height:1.9">' + "\n".join(pieces) + "</div>")


def token_text(tokenizer, token: int) -> str:
    """A token as its text; by its name in the vocabulary where it is no whole character."""
    text = tokenizer.decode([token], skip_special_tokens=False)
    if not text or "\ufffd" in text:
        text = str(tokenizer.convert_ids_to_tokens(token))
    return text.replace("\n", "↵")


# --- answers ---------------------------------------------------------------------------------------------------------


def answer(
    images: Sequence,
    text: str,
    thoughts: Sequence[tuple[str, Mapping[str, str], str]],
    *,
    true_words: Sequence[Sequence[str]],
    letter: str,
    choice: str = "",
    title: str = "",
) -> Figure:
    """A question's pictures beside what a model wrote about them, each word coloured by whether it is true.

    images: [panorama, tile A, ...], true_words: of each; thoughts: `text` as `faithfulness.thoughts` reads it (the
    text itself is shown where nothing can be read). letter: the right tile, framed; choice: the one answered. A verdict
    is true if it says `match` of the right tile or `other` of a wrong one.
    """
    figure = new_figure(figsize=(11.5, 3.7), layout="constrained")
    pictures, page = figure.subfigures(1, 2, width_ratios=(1.15, 1), squeeze=False)[0]
    _question(pictures, images, letter, title)
    _written(page.add_subplot(), text, thoughts, images, true_words, letter, choice)
    page.supxlabel(COLOURED, fontsize=8, color="0.4")
    return figure


COLOURED = "blue: true, orange with ✗: false, of the picture spoken of"


def answers(
    images: Sequence,
    written: Sequence[tuple[str, str, str, Sequence[tuple[str, Mapping[str, str], str]]]],
    *,
    true_words: Sequence[Sequence[str]],
    letter: str,
    title: str = "",
) -> Figure:
    """What several models wrote about one question, below each other beside its pictures; see `answer`.

    written: (who, text, choice, thoughts) of each.
    """
    figure = new_figure(figsize=(11, 4.2), layout="constrained")
    pictures, page = figure.subfigures(1, 2, width_ratios=(1.2, 1), squeeze=False)[0]
    _question(pictures, images, letter, title)
    longest = [len(thoughts) + 3 for *_, thoughts in written]
    for axes, (who, text, choice, thoughts) in zip(
        page.subplots(len(written), 1, height_ratios=longest, squeeze=False)[:, 0], written, strict=True
    ):
        _written(axes, text, thoughts, images, true_words, letter, choice)
        axes.set_title(who, fontsize=10, loc="left")
    page.supxlabel(COLOURED, fontsize=8, color="0.4")
    return figure


def _written(axes: Axes, text: str, thoughts, images, true_words, letter: str, choice: str) -> None:
    """An answer, line by line."""
    lines = [_thought(name, words, verdict, images, true_words, letter) for name, words, verdict in thoughts]
    if not lines:
        lines = [[(line, "0.2", False)] for line in textwrap.wrap(text or "(nothing was written)", 62)[:14]]
    right = choice == letter
    ending = f"answer {choice or '(none)'}   {'right' if right else 'wrong, it is ' + letter}"
    lines += [[("", "0", False)], [(ending, TRUE if right else FALSE, True)]]
    axes.axis("off")
    rows: list[Artist] = [
        HPacker(children=[_word(*word) for word in line], pad=0, sep=5, align="baseline") for line in lines
    ]
    axes.add_artist(AnchoredOffsetbox("center left", child=VPacker(children=rows, pad=0, sep=5), frameon=False, pad=0))


def _thought(name, words, verdict, images, true_words, letter) -> list[tuple[str, str, bool]]:
    """A line of the search as (word, colour, bold)."""
    index = 0 if name == "place" else 1 + ord(name) - ord("A")
    known = index < len(images)
    line = [(name, "0.2", True)]
    for word in words.values():
        true = known and word in true_words[index]
        line.append((word if true else f"{word} ✗", TRUE if true else FALSE, False))
    if verdict:
        true = (verdict == "match") == (name == letter)
        line.append((verdict if true else f"{verdict} ✗", TRUE if true else FALSE, True))
    return line


def _word(text: str, colour: str, bold: bool) -> TextArea:
    return TextArea(
        text, textprops=dict(color=colour, fontsize=9, fontweight="bold" if bold else "normal", parse_math=False)
    )


# --- results ---------------------------------------------------------------------------------------------------------


def headline(published: pd.DataFrame, measured: pd.DataFrame, *, chance: float = 0.2, source: str = MINI) -> Figure:
    """Table 2 twice, on one scale and clearly apart: the paper's percent on the left, our shares on the right.

    published: `paper.table2()`; measured: rows with system, stands_for, accuracy, accuracy_low, accuracy_high,
    training_seeds (shares, not percent). source: what ours were evaluated on.
    """
    figure = new_figure(figsize=(10, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    order = {name: -i for i, name in enumerate(published.model)}
    left.scatter(published.accuracy_percent, published.model.map(order), marker="D", color="0.2", zorder=3)
    left.set_yticks(list(order.values()), list(order))
    left.set_title("paper: photographs, a 7B model", fontsize=10, loc="left")
    ours = measured[measured.stands_for.isin(order)]
    palette = colours(list(ours.system))
    for row in ours.itertuples():
        at, percent = order[row.stands_for], 100 * row.accuracy
        right.plot([100 * row.accuracy_low, 100 * row.accuracy_high], [at, at], color=palette[row.system], linewidth=4)
        right.plot(percent, at, "o", color=palette[row.system], markeredgecolor="white", markersize=8)
    seeds = ours.training_seeds.map(_seeds)
    right.set_yticks([order[s] for s in ours.stands_for], [f"{a} ({b})" for a, b in zip(ours.system, seeds)])
    title = "mini stand-ins, synthetic world" if source == MINI else source
    right.set_title(f"ours: {title}", fontsize=10, loc="left")
    for axis in (left, right):
        axis.axvline(100 * chance, color="0.3", linestyle=(0, (4, 3)), linewidth=0.9, zorder=1)
        axis.set(xlim=(0, 100), ylim=(0.5 - len(order), 0.5), xlabel="pairing accuracy, percent")
        axis.grid(axis="x", color="0.92")
        axis.set_axisbelow(True)
    sns.despine(figure, left=True)
    note(figure, f"dashed: chance; bars: 95 % intervals. Right: {source}")
    return figure


def intervals(
    panels: Mapping[str, pd.DataFrame],
    measure: str,
    *,
    label: str,
    baselines: Mapping[str, tuple[float, str]] | None = None,
    others: str | None = None,
    source: str = MINI,
) -> Figure:
    """Shares with their 95 % intervals, a dot and a bar for each system; a panel for each entry of `panels`.

    panels: {title: rows with system and `measure`, `measure`_low, `measure`_high}, drawn as percent. baselines:
    {title: (share, what it is)}, a dashed line each. others: one colour for all systems but those of Table 2. source:
    what was evaluated on what, for the note below. All panels have one scale. ValueError if there are no rows.
    """
    systems = list(dict.fromkeys(system for rows in panels.values() for system in rows.system))
    if not systems:
        raise ValueError("there is nothing to draw: no panel has rows")
    low, high = f"{measure}_low", f"{measure}_high"
    shares = [value for rows in panels.values() for value in rows[[low, high]].to_numpy().ravel()]
    lines = baselines or {}
    shares += [share for share, _ in lines.values()]
    shares = [share for share in shares if np.isfinite(share)] or [0, 1]  # nothing was said, so nothing is a share
    limits = 20 * np.floor(5 * np.nanmin(shares)) - 1.5, 20 * np.ceil(5 * np.nanmax(shares)) + 1.5
    figure = new_figure(figsize=(max(5.5, 2.4 * len(panels) + 1.8), 1.5 + 0.3 * len(systems)), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    palette, order = colours(systems), {system: -i for i, system in enumerate(systems)}
    if others is not None:
        palette |= {system: others for system in systems if system not in COLOURS}
    for axis, (title, rows) in zip(axes, panels.items()):
        at, colour = rows.system.map(order), rows.system.map(palette)
        axis.hlines(at, 100 * rows[low], 100 * rows[high], colors=colour, linewidth=4, alpha=0.45)
        axis.scatter(100 * rows[measure], at, s=26, c=colour, zorder=3)
        if title in lines:
            share, what = lines[title]
            axis.axvline(100 * share, color="0.3", linestyle=(0, (4, 3)), linewidth=0.9, zorder=1)
            axis.set_xlabel(f"dashed: {what}", fontsize=8)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set(xlim=limits, ylim=(0.4 - len(systems), 0.6))
        axis.set_yticks(list(order.values()), systems)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x", color="0.92")
        axis.set_axisbelow(True)
    sns.despine(figure, left=True)
    note(figure, f"{label}, percent; bars: 95 % intervals. {source}")
    return figure


def changes(rows: pd.DataFrame, *, source: str = MINI) -> Figure:
    """What a stage moved: a difference with its interval for each task and measure, a panel for each pair of systems.

    rows: before, after, task, measure, difference, low, high (shares, drawn as percentage points).
    """
    pairs = list(dict.fromkeys(zip(rows.before, rows.after)))
    names = list(dict.fromkeys(rows.task + ": " + rows.measure))
    figure = new_figure(figsize=(2.3 + 3.9 * len(pairs), 1.2 + 0.27 * len(names)), layout="constrained")
    for axis, (before, after) in zip(figure.subplots(1, len(pairs), sharey=True, sharex=True, squeeze=False)[0], pairs):
        for row in rows[(rows.before == before) & (rows.after == after)].itertuples():
            at = -names.index(f"{row.task}: {row.measure}")
            colour = TRUE if row.low > 0 else FALSE if row.high < 0 else "0.55"
            axis.hlines(at, 100 * row.low, 100 * row.high, colors=colour, linewidth=4, alpha=0.45)
            axis.scatter(100 * row.difference, at, s=26, color=colour, zorder=3)
        axis.axvline(0, color="0.3", linewidth=0.9, zorder=1)
        axis.set_yticks(-np.arange(len(names)), names)
        axis.set_title(f"{before} to {after}", fontsize=10, loc="left")
        axis.set_xlabel("change, percentage points", fontsize=9)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x", color="0.92")
        axis.set_axisbelow(True)
    sns.despine(figure, left=True)
    note(figure, f"blue: higher, orange: lower, grey: cannot tell. {source}")
    return figure


NEAREST_KM, FARTHEST_KM = 0.5, 20_015.0  # half the Earth's girth


def cumulative(answers: pd.DataFrame, guesses: Mapping[str, np.ndarray], *, source: str = MINI) -> Figure:
    """Share of places within each distance: a curve a system with its seeds pooled, guesses without looking dashed.

    answers: rows with system, stands_for, training_seed, id, error_km (NaN: no place named, which never arrives).
    guesses: {what: errors in km}. Vertical lines stand at the five thresholds of the paper's Table 1. Any number of
    systems; one that stands for a system of the paper's Table 2 is drawn thick. ValueError if there are no answers.
    """
    if not len(answers):
        raise ValueError("there are no answers to draw: no run was evaluated on where its pictures were taken")
    figure = new_figure(figsize=(9.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    at = np.unique(np.r_[np.geomspace(NEAREST_KM, FARTHEST_KM, 400), geo.THRESHOLDS_KM])
    systems = list(dict.fromkeys(answers.system))
    palette, dashes = colours(systems), _dashes(systems)
    in_table2 = {row.model for row in paper.TABLE2}
    for system in systems:
        rows = answers[answers.system == system]
        thick = rows.stands_for.iloc[0] in in_table2
        style = dict(color=palette[system], linestyle=dashes[system], linewidth=2.2 if thick else 1.3)
        pooled = _seeds(rows.training_seed.nunique())
        axes.plot(at, _within(rows.error_km, at), label=_curve(system, pooled, rows.error_km), **style)
    for (what, guessed), dash in zip(guesses.items(), ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))):
        style = dict(color="0.35", linestyle=dash, linewidth=1.2, zorder=1)
        axes.plot(at, _within(guessed, at), label=_curve(what, "", guessed), **style)
    for name, km in paper.THRESHOLDS_KM.items():
        axes.axvline(km, color="0.8", linewidth=0.9, zorder=0)
        axes.text(km, 101, name.partition("_")[0], fontsize=8, color="0.35", ha="center", va="bottom")
    axes.set(xscale="log", xlim=(NEAREST_KM, FARTHEST_KM), ylim=(0, 100), xlabel="distance, km")
    axes.set_xticks([*geo.THRESHOLDS_KM, FARTHEST_KM], [*(f"{km:,}" for km in geo.THRESHOLDS_KM), "20,000"])
    axes.minorticks_off()
    axes.set_ylabel("places located within, percent")
    axes.grid(axis="y", color="0.93")
    figure.legend(loc="outside right center", fontsize=8.5, frameon=False, title="median error", alignment="left")
    sns.despine(figure)
    places = answers.id.nunique()
    note(figure, f"n = {places} places, all seeds pooled; an answer without one place never arrives. {source}")
    return figure


def _within(km: ArrayLike, at: np.ndarray) -> np.ndarray:
    """Percent of errors that are at most so far; NaN is farther than all."""
    errors = np.sort(np.where(np.isnan(np.asarray(km, float)), np.inf, km))
    return 100 * np.searchsorted(errors, at, side="right") / len(errors)


def _curve(name: str, pooled: str, km: ArrayLike) -> str:
    median = median_km(km)
    shown = f"{median:,.0f} km" if np.isfinite(median) else "infinite"
    return f"{name}{f' ({pooled})' if pooled else ''}: {shown}"


def _dashes(systems: Sequence[str]) -> dict[str, Any]:
    """Solid lines; broken ones for systems whose colour another one has."""
    seen: dict[str, int] = {}
    out = {}
    for system, colour in colours(systems).items():
        out[system] = ("-", (0, (5, 1.2)), (0, (3, 1, 1, 1)))[min(seen.get(colour, 0), 2)]
        seen[colour] = seen.get(colour, 0) + 1
    return out


PARTS = {
    "preparation": "pictures and prompts",
    "generation": "generation",
    "reference": "reference log-probabilities",
    "forward": "forward",
    "backward": "backward",
    "update": "optimizer",
}


def step_times(bench: pd.DataFrame) -> Figure:
    """One GRPO step by its parts, ours and TRL's, a row of panels for each device and model.

    Right the peak memory beyond the loaded model. bench: rows device, model, impl, P, C, G, part, seconds, peak_mb
    (results/bench/grpo_step.csv). Implementations without a whole step are left out; "vision" lies inside the other
    parts and is no part of its own.
    """
    steps = bench[bench.part == "step"]
    devices = list(dict.fromkeys(zip(steps.device, steps.model)))
    sizes = list(dict.fromkeys(zip(steps.P, steps.C)))
    figure = new_figure(figsize=(10, 0.8 + 0.62 * len(sizes) * len(devices)), layout="constrained")
    axes = figure.subplots(len(devices), 2, squeeze=False, width_ratios=(2.2, 1))
    for (device, model), (left, right) in zip(devices, axes):
        here = bench[(bench.device == device) & (bench.model == model)]
        whole = here[here.part == "step"].set_index(["impl", "P", "C"])
        split = here.pivot_table(index=["impl", "P", "C"], columns="part", values="seconds")
        for (impl, P, C), row in whole.iterrows():
            at = -sizes.index((P, C)) + (0.19 if impl == "ours" else -0.19)
            start = 0.0
            for number, part in enumerate(PARTS):
                width = split.loc[(impl, P, C)].get(part, 0.0)
                left.barh(at, width, 0.34, start, color=PALETTE[number], label=part)
                start += width
            left.text(start, at, f" {'ours' if impl == 'ours' else 'TRL'} {row.seconds:.3g} s", va="center", fontsize=8)
            right.barh(at, row.peak_mb, 0.34, color=TRUE if impl == "ours" else "0.6")
            right.text(row.peak_mb, at, f" {row.peak_mb:.0f}", va="center", fontsize=8)
        names = [f"prompt {P}, answers {C}" for P, C in sizes]
        left.set_yticks(-np.arange(len(sizes)), names)
        right.set_yticks([])
        left.set_title(f"seconds a step on {device}, model {model}, G = {here.G.iloc[0]}", fontsize=10, loc="left")
        right.set_title("peak memory, MB", fontsize=10, loc="left")
        for axis in (left, right):
            axis.margins(x=0.16)
    handles = [plt.Rectangle((0, 0), 1, 1, color=PALETTE[i]) for i in range(len(PARTS))]
    figure.legend(handles, PARTS.values(), loc="outside lower left", ncols=6, fontsize=8, frameon=False)
    sns.despine(figure, left=True)
    return figure


# --- files -----------------------------------------------------------------------------------------------------------


def own_style():
    """Matplotlib's own style and fonts while figures are made, whatever this machine's matplotlibrc says."""
    return styles.context(["default", FONTS])


def save(draw: Figure | Callable[[], Figure], stem: Path, *, dpi: int = DOTS_PER_INCH) -> list[Path]:
    """A figure, or what a function draws, as PNG and PDF in `own_style`; without dates or program names, so that the
    same figure gives the same bytes."""
    paths = []
    with own_style():
        figure = draw if isinstance(draw, Figure) else draw()
        for ending, metadata in (
            ("png", {"Software": None}),
            ("pdf", {"CreationDate": None, "Producer": None, "Creator": None}),
        ):
            data = io.BytesIO()
            figure.savefig(data, format=ending, dpi=dpi, metadata=metadata)
            paths.append(files.write_bytes(stem.with_suffix(f".{ending}"), data.getvalue()))
    return paths
