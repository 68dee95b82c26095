"""What GRPO teaches while it teaches: the run that is evaluated at every checkpoint (runs.curve), as table and figure.

Only the letter is paid. Beside it stands what was not: how the search ends, how much is said, and whether it is true.
The finished run of the same settings and seed is beside it, at its ends: trained, it may be, on another processor,
whose rounding differs, and evaluated on the test questions, as the base is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from georeplicate import files, manifest
from georeplicate.evaluation import seeds, statistics
from georeplicate.mini import wording
from georeplicate.report import plots, tables, thinking
from georeplicate.runs import curve, runner

WHILE, BESIDE = "while it learns", "finished runs"
CAPTION = (
    "GRPO from the base while it learns: one run, evaluated greedily on the same validation questions at every "
    "checkpoint, with 95 % intervals over cities. `stopped`: the search ends at a tile that it calls a match. "
    "`words_a_picture`: words said of each picture spoken of. `standardised`: share of words that are true, at the mix "
    "of (view, attribute) of the base's answers to the same questions; `base_standardised` is the base over the same "
    "cells, `covered` the part of its words in them, `difference` the former minus the latter. Below, on the test "
    "questions, the base and the finished run of the same settings and seed, which another processor may have trained."
)
FIVE_POINTS = 0.05  # a panel of differences shows them on this scale at least
PANELS = {
    "accuracy": "right letters, held-out",
    "stopped": "searches that stop at a match",
    "tiles": "tiles looked at, of {tiles}",
    "words_a_picture": "words said of a picture, of {words}",
    "difference": "true words at the base's mix,\nminus the base's",
}


# --- the table -------------------------------------------------------------------------------------------------------


def read(runs: str | Path, p: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(table, training logs) of the run with a curve below `runs` and of the finished run beside it; both empty where
    there is none. p: `runner.predictions` of the finished runs."""
    try:
        watched = runner.predictions(runs, curve=True)
    except files.FileError:
        return pd.DataFrame(), pd.DataFrame()
    run, seed = watched.run.iloc[0], watched.training_seed.iloc[0]
    twin = p[(p.stands_for == tables.ZERO) & (p.training_seed == seed)]
    twin = twin.assign(cpu=[cpu(Path(runs) / name) for name in twin.run])
    named = {run: WHILE} | dict.fromkeys(twin.run.unique(), BESIDE)
    logs = [pd.read_csv(Path(runs) / name / "log.csv").assign(run=name, part=part) for name, part in named.items()]
    return table(watched, pd.concat([p[p.stands_for == tables.BASE].assign(cpu=""), twin])), pd.concat(logs)


def here(runs: str | Path) -> Path:
    """`runs` if a run below it has a curve, else the committed runs of profile mini."""
    mine = any(path.parent.name.startswith("curve-") for path in Path(runs).glob(f"*/{manifest.NAME}"))
    return Path(runs) if mine else files.RESULTS / "mini" / "runs"


def cpu(folder: Path) -> str:
    """Which processor trained a run."""
    return manifest.read(folder)["training"]["machine"]["cpu"]


def table(watched: pd.DataFrame, finished: pd.DataFrame) -> pd.DataFrame:
    """Greedy pairing answers by update: of the watched run on validation questions, of the finished runs on test
    questions (the base is update 0, the other one the last). Columns: see CAPTION; accuracy, stopped, tiles,
    words_a_picture, words_true and standardised have intervals. NaN where too few words were said.

    watched, finished: as `runner.predictions`, with cpu, the former with update."""
    last = watched["update"].max()
    updates = (finished.stands_for != tables.BASE) * last
    greedy = finished[(finished.task == "pairing") & (finished.decoding == curve.DECODING)].assign(update=updates)
    parts = {"validation": watched, "test": greedy.assign(**curve.searches(greedy))}
    rows = []
    for split, answers in parts.items():
        truth = thinking.of_world(answers, split) if len(answers) else None
        start = answers[answers["update"] == 0]
        base = thinking.cells(start, truth) if truth and len(start) else None
        for (update, run), part in answers.groupby(["update", "run"]):
            found = thinking.cells(part, truth) if base and truth else None
            labels = {name: part[name].iloc[0] for name in ("system", "stands_for", "checkpoint", "benchmark", "cpu")}
            labels |= {"run": run, "training_seeds": 1, "split": split, "update": update, "n": part.id.nunique()}
            rows.append(labels | _measured(part) | _standardised(found, base))
    return pd.DataFrame(rows)


def _measured(part: pd.DataFrame) -> dict[str, float]:
    out = statistics.measured("accuracy", statistics.right(part))
    for name, counted, possible in (
        ("stopped", part.stopped, 1),
        ("tiles", part.tiles, 1),
        ("words_a_picture", part.words, 1 + part.tiles),
        ("words_true", part.words_true, part.words),
    ):
        out |= statistics.measured(name, statistics.sample(part, counted, possible))
    return out | {"completion_tokens": part.completion_tokens.mean()}


def _standardised(mine: thinking.Cells | None, base: thinking.Cells | None) -> dict[str, float]:
    names = ["standardised", "standardised_low", "standardised_high", "base_standardised", "covered"]
    names += ["difference", "low", "high"]
    found = thinking.at_mix(mine, base) if mine and base else None
    if found is None:
        return dict.fromkeys(names, float("nan"))
    (share, cells), (start, start_cells), covered = found
    half, gap = seeds.between(cells).half_width(), seeds.versus(cells, start_cells).half_width()
    values = (share, share - half, min(share + half, 1.0), start, covered)
    return dict(zip(names, (*values, share - start, share - start - gap, share - start + gap), strict=True))


# --- in words --------------------------------------------------------------------------------------------------------


def halfway(rows: pd.DataFrame, name: str) -> int:
    """The first evaluated update at which at least half of the way from the first to the last value is gone; the first
    of all where they are equal."""
    values = rows.set_index("update")[name]
    way = values.iloc[-1] - values.iloc[0]
    gone = (values - values.iloc[0]) * (1 if way > 0 else -1) >= abs(way) / 2
    return int(gone.index[gone][0])


def sentences(made: pd.DataFrame) -> str:
    """What the table says, chosen by rule, as Markdown."""
    rows = made[made.split == "validation"].sort_values("update")
    first, last = rows.iloc[0], rows.iloc[-1]
    ends = {name: f"{first[name]:.2f} to {last[name]:.2f}" for name in PANELS}
    known = rows.dropna(subset="difference").iloc[-1:]
    words = "too few words were said to compare them with the base's"
    for row in known.itertuples():
        points = [100 * value for value in (row.difference, row.low, row.high)]
        verdict = seeds.verdict(row.low, row.high)
        outcomes = {seeds.HOLDS: "more of them are true", seeds.FAILS: "fewer of them are true"}
        words = outcomes.get(verdict, "whether more of them are true cannot be told")
        words += f" ({points[0]:+.1f} points [{points[1]:+.1f}, {points[2]:+.1f}] after {row.update} updates)"
    left_out = halfway(rows, "words_a_picture")
    halves = {name: halfway(rows, name) for name in ("accuracy", "stopped")}
    order = sorted(halves.values())
    which = "in step with" if order[0] == order[1] else "before" if halves["stopped"] == order[0] else "after"
    stopping = f"go from {ends['stopped']} (half by update {halves['stopped']}, {which} the letters)"
    if abs(last.stopped - first.stopped) < FIVE_POINTS:
        stopping = f"stay about as often ({ends['stopped']})"
    twin = made[(made.split == "test") & (made["update"] == last["update"])]
    beside = "".join(
        f" {row.run}, trained on {row.cpu}, ends at {_accuracy(row)} of {row.n} test questions; this run, on "
        f"{last.cpu}, at {_accuracy(last)} of {last.n} validation questions."
        for row in twin.itertuples()
    )
    return (
        f"Paid for: right letters, {ends['accuracy']} in {last['update']} updates, half of it by update "
        f"{halves['accuracy']}. Not paid for: searches that stop at a match {stopping}, tiles looked at go from "
        f"{ends['tiles']}, words said of a picture from {ends['words_a_picture']} (half by update {left_out}); at "
        f"the base's mix of words {words}.{beside} One seed, synthetic."
    )


def _accuracy(row) -> str:
    return f"{row.accuracy:.3f} [{row.accuracy_low:.3f}, {row.accuracy_high:.3f}]"


# --- drawn -----------------------------------------------------------------------------------------------------------


def figure(made: pd.DataFrame, logs: pd.DataFrame, *, chance: float, smooth: int = 9) -> Figure:
    """Mean training reward, then the panels of the table by update with their intervals; diamonds are finished runs.

    chance: of a right letter, dashed; one in so many tiles. smooth: width in updates of the running mean over the
    rewards."""
    most = {"accuracy": 1, "stopped": 1, "tiles": round(1 / chance)}
    named = {"tiles": tables.spelt(most["tiles"]), "words": tables.spelt(len(wording.WORDING.words))}
    rows = made[made.split == "validation"].sort_values("update")
    beside = made[made.split == "test"].sort_values("update")
    colour = plots.colours([rows.system.iloc[0]])[rows.system.iloc[0]]
    drawn = plots.new_figure(figsize=(11, 6.2), layout="constrained")
    first, *others = drawn.subplots(2, 3).flat
    for part, shade, width in ((BESIDE, "0.35", 1), (WHILE, colour, 2)):
        log = logs[logs.part == part].sort_values("step")
        mean = log.reward.rolling(smooth, center=True, min_periods=1).mean()
        first.plot(log.step, mean, color=shade, linewidth=width)
    first.set(ylabel="mean training reward", xlabel="update")
    for axes, (name, label) in zip(others, PANELS.items(), strict=True):
        _by_update(axes, rows, name, label.format(**named), {"color": colour})
        _points(axes, beside, name)
    others[0].axhline(chance, color="0.3", linestyle=(0, (4, 3)), linewidth=0.9, zorder=0)
    others[-1].axhline(0, color="0.3", linestyle=(0, (4, 3)), linewidth=0.9, zorder=0)
    widest = 1.1 * max(part[["low", "high"]].abs().max(axis=None) for part in (rows, beside) if len(part))
    others[-1].set_ylim(*(sign * max(FIVE_POINTS, widest) for sign in (-1, 1)))
    for axes, name in zip(others, PANELS, strict=True):
        if name in most:
            axes.set_ylim(0, most[name] * 1.03)
        elif name == "words_a_picture":
            axes.set_ylim(bottom=0)
    handles = [
        plt.Line2D([], [], color=colour, marker="o", markersize=4, linewidth=2),
        plt.Line2D([], [], color="0.35", marker="D", markerfacecolor="none", linewidth=1),
        plt.Line2D([], [], color="0.3", linestyle=(0, (4, 3)), linewidth=0.9),
    ]
    last = beside.iloc[-1:] if len(beside) else rows.iloc[-1:]
    names = [
        f"{rows.run.iloc[0]}: n = {rows.n.iloc[0]} validation questions, {rows.cpu.iloc[0]}",
        f"base and {last.run.iloc[0]}: n = {last.n.iloc[0]} test questions, {last.cpu.iloc[0]}",
        "chance; no difference",
    ]
    drawn.legend(handles, names, loc="outside upper left", ncols=3, fontsize=8, frameon=False)
    sns.despine(drawn)
    plots.note(
        drawn, f"95 % intervals over cities, one seed; rewards: running mean over {smooth} updates. {plots.MINI}"
    )
    return drawn


def _ends(name: str) -> tuple[str, str]:
    return ("low", "high") if name == "difference" else (f"{name}_low", f"{name}_high")


def _by_update(axes: Axes, rows: pd.DataFrame, name: str, label: str, look: dict[str, Any]) -> None:
    low, high = _ends(name)
    axes.fill_between(rows["update"], rows[low], rows[high], alpha=0.18, linewidth=0, **look)
    axes.plot(rows["update"], rows[name], marker="o", markersize=4, linewidth=2, **look)
    axes.set(xlabel="update", ylabel=label)


def _points(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    low, high = _ends(name)
    for row in rows.to_dict("records"):
        ends = [[row[name] - row[low]], [row[high] - row[name]]]
        style: dict[str, Any] = dict(fmt="D", color="0.35", markerfacecolor="none", capsize=3, linewidth=1)
        axes.errorbar([row["update"]], [row[name]], yerr=ends, **style)
