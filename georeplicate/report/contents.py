"""The list of figures and tables below results/: what each shows, in words, and which notebook explains it.

The words of a figure stand beside the picture for those who cannot see it: they say what is drawn, never what follows
from it, so that no result is typed here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from georeplicate import files

PROFILE = "mini"
EXPERIMENT = "geographic"  # a profile of its own, below: the registered experiments

# {figure: (notebook, what is drawn)}, in the order in which the notebooks show them
FIGURES = {
    "loop": ("00", "Six boxes from left to right, joined by arrows: pairs, data engine, SFT, GRPO, evaluation, tables"),
    "before_after": (
        "00",
        "A panorama above five aerial tiles, and what the base and GRPO from the base wrote about them, each word "
        "coloured by whether it is true: the first test question, whatever was answered",
    ),
    "splits": (
        "01",
        "World map with a point for each city of the synthetic world, coloured by split; training cities are stars",
    ),
    "question": (
        "01",
        "A pairing question as the mini model sees it: a panorama above five aerial tiles lettered A to "
        "E, the right one framed",
    ),
    "sft_curve": ("02", "Three curves over the updates of SFT: loss, gradient norm, learning rate; a line a seed"),
    "policy_gradient": (
        "03",
        "Three bar charts on one scale: single estimates of one derivative without baseline, with "
        "2 added to all rewards, and with the mean reward taken off; lines at their mean and at "
        "the exact value",
    ),
    "picture_tokens": (
        "03",
        "A panorama and five tiles cut into squares, and below them the prompt as a row of tokens, "
        "each picture's tokens in the colour of its frame",
    ),
    "length_reward": (
        "03",
        "The length reward of right and of wrong answers from 0 to 2,048 tokens, as described and as released",
    ),
    "clipping": (
        "03",
        "The clipped term of the loss over the probability ratio, for positive and for negative "
        "advantages, with the tokens of four answers on it",
    ),
    "curves": (
        "05",
        "Six curves over the updates of GRPO for mini-Zero and mini-R1: right letters, tokens an answer, "
        "right format, KL, groups without signal, spread within a group",
    ),
    "grpo_curves": ("04", "Three of these curves: right letters, tokens an answer, right format"),
    "mechanism": (
        "04",
        "Six curves over the updates of one GRPO run from the base: mean training reward, and on held-out questions "
        "with 95 % intervals right letters, searches that stop at a match, tiles looked at, words said of a picture, "
        "true words at the base's mix; diamonds are the base and the finished run of the same seed on test questions",
    ),
    "grpo_step": (
        "04",
        "Seconds of one GRPO step by its parts, and peak memory: the shared prefix beside TRL, for five "
        "sizes of prompt and answer",
    ),
    "table2": (
        "05",
        "Accuracy of pairing: left the paper's four systems, right our stand-ins with 95 % intervals, chance dashed",
    ),
    "controls": (
        "05",
        "Accuracy of pairing under each control, greedy and at temperature 1, with 95 % intervals, chance dashed",
    ),
    "curves_controls": ("05", "Six curves over the updates of GRPO for mini-Zero and for each control"),
    "faithfulness": (
        "05",
        "Shares of described words that are true, of verdicts that follow and of answers that "
        "follow, for each system, with 95 % intervals",
    ),
    "zero_shot": (
        "05",
        "Shares of right answers to four questions that pairing never asks, for each system, with 95 % "
        "intervals and the best constant answer dashed",
    ),
    "changes": (
        "05",
        "What GRPO moved, from base to Zero and from SFT to R1: a difference with its 95 % interval for "
        "each task and measure",
    ),
    "table1": (
        "05",
        "Shares of photos located within 200, 750 and 2,500 km, for each stand-in of Table 1, with 95 % "
        "intervals, the best constant guess dashed",
    ),
    "distances": (
        "05",
        "Share of places located within each distance, on a logarithmic scale: a curve a system, random "
        "land points and the best constant guess in grey",
    ),
    "map_errors": (
        "06",
        "World maps with three regions enlarged, one a system of Table 2: each test city coloured by "
        "the median error of its places, in classes",
    ),
    "map_table1": ("06", "The same maps for the stand-ins of Table 1"),
    "map_arcs": ("06", "World map with great circles from each place to the place that was named, coloured by error"),
    "zones": (
        "06",
        "Shares of photos located within 750 km in each climate group, for each system, with 95 % intervals "
        "and the best constant guess dashed",
    ),
    "map_countries": (
        "06",
        "World maps, one a system of Table 2: each country's share of places whose country was "
        "named rightly; countries of training cities ringed",
    ),
    "worst_places": (
        "06",
        "The five farthest answers of the first seed of mini-R1: the photo above, as the model sees "
        "it below, with the true place, the country named and the error",
    ),
    "worst_pairing": (
        "06",
        "A wrong pairing answer of mini-R1 beside its pictures, every described word coloured by whether it is true",
    ),
}

OF_EXPERIMENT = {
    "arms": (
        "08",
        "Six panels of dots and diamonds, an arm a row: places within 2,500 km, climate group, words true, pairing "
        "accuracy with wrong tiles of the same city and from anywhere, words said that a city shares; a dot is a base, "
        "a diamond the mean with its 95 % interval, coloured by what is rewarded, with a line between two experiments; "
        "dashed and dotted lines are of no policy",
    ),
}

# {table: (notebook, what it holds)} of those without a Markdown copy, whose first line says it
TABLES = {
    "splits": ("01", "Cities of the synthetic world by split, and whether their country is one of a training city."),
    "records": ("01", "A few records of the data engine: place, time and chain of thought."),
    "sft": ("02", "Geography and pairing before and after SFT, run by run."),
    "grpo_by_hand": ("03", "Four written answers: rewards, advantages, ratios, clipped share and k3."),
    "policy_gradient": ("03", "Estimates of one derivative of a policy with three answers, and how often each came."),
    "clipping": ("03", "The probability ratio of every token of the four written answers."),
    "grpo": ("04", "First and last updates of every GRPO run: accuracy, length, KL."),
}


def page(results: Path = files.RESULTS) -> str:
    """The list as Markdown, to lie in `results`. ValueError for a committed figure or table that it would not know."""
    folder = results / PROFILE
    drawn = {path.stem for path in (folder / "figures").glob("*.png")}
    made = {path.stem for path in (folder / "tables").glob("*.csv")}
    captions = {path.stem: _caption(path) for path in sorted((folder / "tables").glob("*.md"))}
    if unknown := sorted((drawn - FIGURES.keys()) | (made - TABLES.keys() - captions.keys())):
        raise ValueError(f"{', '.join(unknown)} of {folder.name} has no words in report/contents.py: add them there")
    lines = [
        "# Figures and tables",
        "",
        "Written by `python -m georeplicate.report.pages`; do not edit. All of profile `mini`: small models, trained",
        "and evaluated on a synthetic rendering of real metadata. `make figures` draws every figure (PNG and PDF) and",
        "writes the tables again, from the committed predictions and logs.",
        "",
        "What failed on the way is in [LOG.md](LOG.md), speeds and sizes are in [bench](bench), which faults a run",
        "survives in [reliability.md](reliability.md); [first_world](first_world) has tables of an earlier world.",
        "",
        "## Figures",
        "",
    ]
    lines += [*_figures(PROFILE, FIGURES, drawn), "## Tables", ""]
    lines += _tables(PROFILE, {name: captions.get(name) or TABLES[name][1] for name in sorted(made)}, captions)
    return "\n".join([*lines, *_experiment(results / EXPERIMENT), ""])


def _experiment(folder: Path) -> list[str]:
    """The same of the registered experiments; nothing before one has tables."""
    made = {path.stem: _caption(path) for path in sorted((folder / "tables").glob("*.md")) if path.stem != "sentences"}
    drawn = {path.stem for path in (folder / "figures").glob("*.png")}
    if unknown := sorted(drawn - OF_EXPERIMENT.keys()):
        raise ValueError(f"{', '.join(unknown)} of {folder.name} has no words in report/contents.py: add them there")
    if not made:
        return []
    written = ", ".join(f"[{path.name}]({EXPERIMENT}/{path.name})" for path in sorted(folder.glob("registered*.json")))
    lines = [
        "",
        "## The registered experiments",
        "",
        f"Of profile `{EXPERIMENT}`, synthetic as well; predictions: {written}. `{EXPERIMENT}/bases` has those bases "
        "that are not in the package.",
        "",
    ]
    return [*lines, *_figures(EXPERIMENT, OF_EXPERIMENT, drawn), *_tables(EXPERIMENT, made, made)]


def _figures(profile: str, described: Mapping[str, tuple[str, str]], drawn: Collection[str]) -> list[str]:
    """The figures that are there, each with its words and its picture."""
    lines = []
    for name, (notebook, words) in described.items():
        if name in drawn:
            lines += [f"**{name}** (notebook {notebook}, [PDF]({profile}/figures/{name}.pdf)). {words}.", ""]
            lines += [f"![{words}]({profile}/figures/{name}.png)", ""]
    return lines


def _tables(profile: str, words: Mapping[str, str], copied: Collection[str]) -> list[str]:
    """A row for each table. copied: those that have a Markdown copy."""
    lines = ["| table | what it holds |", "| --- | --- |"]
    for name, holds in words.items():
        also = f", [Markdown]({profile}/tables/{name}.md)" if name in copied else ""
        lines.append(f"| [{name}]({profile}/tables/{name}.csv){also} | {holds} |")
    return lines


def _caption(path: Path) -> str:
    """The first sentence of a table's caption."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.partition(". ")[0].rstrip(".").replace("|", "\\|") + "."
