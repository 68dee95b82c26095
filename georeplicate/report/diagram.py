"""The loop of the method as a drawing, from pairs to tables; every notebook lights its own box."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from georeplicate import paper
from georeplicate.report import plots

_K, _G = (paper.setting(name).value for name in ("candidates", "num_generations"))
_WIDE, _HIGH, _APART = 1.0, 0.86, 0.28


@dataclass(frozen=True)
class Step:
    """A box: its name, what happens there, and the notebooks about it."""

    name: str
    says: str
    notebooks: str


STEPS = (
    Step("pairs", f"one panorama,\n{_K} aerial tiles", "01"),
    Step("data engine", "facts become chains\nof thought, checked", "01"),
    Step("SFT", "think aloud,\nname the place", "02"),
    Step("GRPO", f"{_G} answers, rewarded\nfor the right letter", "03, 04, 08"),
    Step("evaluation", "held-out questions;\nplaces, unrewarded", "05"),
    Step("tables", "intervals, maps of\nerrors, verdicts", "06, 07"),
)
NAMES = tuple(step.name for step in STEPS)


def loop(*lit: str) -> Figure:
    """The steps from left to right; those named in `lit` are filled. ValueError for a name that no step has."""
    unknown = set(lit) - set(NAMES)
    if unknown:
        raise ValueError(f"no step is called {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    figure = plots.new_figure(figsize=(10, 2.4))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    step = _WIDE + _APART
    right = step * len(STEPS) - _APART
    axes.set(xlim=(-0.12, right + 0.12), ylim=(-0.72, 1.3))
    for number, one in enumerate(STEPS):
        _box(axes, number * step, one, one.name in lit)
        if number:
            _arrow(axes, (number * step - _APART, _HIGH / 2), (number * step, _HIGH / 2))
    grpo = NAMES.index("GRPO") * step
    middle, above = grpo + _WIDE / 2, _HIGH + 0.02
    _bow(axes, (_WIDE / 2, above), (middle, above), 0.24, "questions, answered by the metadata alone")
    base = NAMES.index("data engine") * step + 0.2 * _WIDE
    axes.text(base, -0.5, "base model", fontsize=9, ha="center", va="center", color="0.25")
    sft = NAMES.index("SFT") * step + _WIDE / 2
    _bow(axes, (base + 0.38, -0.44), (sft, -0.03), -0.13, "")
    _bow(axes, (base + 0.38, -0.54), (middle, -0.03), -0.3, "")
    axes.text(sft + 0.85, -0.45, "Zero: from the base, without SFT", fontsize=8, ha="left", color="0.4")
    return figure


def _box(axes: Axes, left: float, step: Step, lit: bool) -> None:
    fill, edge, ink = (plots.TRUE, plots.TRUE, "white") if lit else ("white", "0.6", "0.15")
    box = FancyBboxPatch(
        (left, 0), _WIDE, _HIGH, boxstyle="round,pad=0,rounding_size=0.08",
        facecolor=fill, edgecolor=edge, linewidth=1.2,
    )  # fmt: skip
    axes.add_patch(box)
    middle = left + _WIDE / 2
    axes.text(middle, 0.69, step.name, fontsize=10.5, fontweight="bold", ha="center", va="center", color=ink)
    axes.text(middle, 0.38, step.says, fontsize=7.6, ha="center", va="center", color=ink, linespacing=1.25)
    axes.text(middle, 0.1, f"notebook {step.notebooks}", fontsize=7, ha="center", va="center", color=ink, alpha=0.85)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=11,
            color="0.35",
            linewidth=1.2,
            shrinkA=2,
            shrinkB=2,
            connectionstyle=f"arc3,rad={bend}",
        )  # fmt: skip
    )


def _bow(axes: Axes, start: tuple[float, float], end: tuple[float, float], height: float, says: str) -> None:
    """An arrow past the boxes in between, above them (height > 0) or below."""
    wide = end[0] - start[0]
    _arrow(axes, start, end, -2 * height / wide if height > 0 else -height / wide)
    if says:
        axes.text((start[0] + end[0]) / 2, start[1] + height + 0.06, says, fontsize=8, ha="center", color="0.4")
