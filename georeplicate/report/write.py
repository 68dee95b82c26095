"""Every table and figure from the finished runs of an experiment; the same runs give the same bytes.

    report.write("results/mini/runs", "results/mini")       out/tables/*.csv .md .tex, out/figures/*.png .pdf

Tables and figures of what the runs do not hold (controls, for one, or geolocation) are left out. Nothing here trains
or evaluates a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from georeplicate import paper
from georeplicate.evaluation import trivial
from georeplicate.evaluation.trivial import TrivialBaselines
from georeplicate.mini import baselines
from georeplicate.profiles import Profile
from georeplicate.report import (
    diagram,
    experiments,
    illustrations,
    maps,
    mechanism,
    plots,
    table1,
    tables,
    thinking,
    verdicts,
)
from georeplicate.runs import arms as experiment
from georeplicate.runs import runner

NO_RESULT = "Dry run: random weights and rendered pictures, to see that every stage runs; no number here is a result."
STAND_INS = (
    "Each row is a stand-in of a system of the paper's Table 1. ISNs, GeoCLIP, Hybrid and RFM are small networks on "
    "frozen features of the base's vision tower, trained on places of other cities: they differ in how they turn "
    "features into a place. `georeplicate/evaluation/baselines` says what each leaves out. Below: GRPO without SFT, "
    "the trivial baselines, and a naive-Bayes reader of true words."
)
VERDICTS = (
    "The claims of the paper: whether each holds in its own tables, what was measured here (95 % intervals), and what "
    "follows. What is inconclusive comes with the smallest effect detectable with 80 % power. Intervals "
    "are not adjusted for how many claims there are, unless a rule says so. The letters behind a source say how strong "
    "it is: V verified, S secondary."
)
CURVES = {
    "reward_accuracy": "right letters, share",
    "length": "tokens an answer",
    "reward_format": "right format, share",
    "kl": "KL, nats a token",
    "equal_groups": "groups without signal",
    "reward_std": "spread within a group",
}
SFT_CURVES = {"loss": "loss, nats a token", "grad_norm": "gradient norm", "learning_rate": "learning rate"}


def write(runs: str | Path, out: str | Path, profile: Profile | None = None) -> list[Path]:
    """All tables and figures of the finished runs below `runs`, written below `out`; FileError if there is none.

    profile: whose runs they are; of the synthetic world the illustrations of the notebooks are drawn as well, and of
    the profile geographic those of its registered arms (`report.experiments`) instead.
    """
    if profile is not None and profile.name == experiment.PROFILE:
        return experiments.write(runs, out)
    p, out = runner.predictions(runs), Path(out)
    beside = guesses(p, runs)
    made = made_tables(p, beside)
    if tables.is_dry(p):  # nothing to judge claims by
        made.pop("verdicts", None)
    learning, rewards = mechanism.read(runs, p)
    if len(learning):
        made["mechanism"] = (learning, mechanism.CAPTION)
    paths = []
    for name, (frame, caption) in made.items():
        paths += table(name, frame, caption, out / "tables", of=p)
    for name, draw in figures(p, {name: frame for name, (frame, _) in made.items()}, logs(p, runs), beside):
        paths += plots.save(draw, out / "figures" / name)
    if len(learning):
        chance = p[p.task == "pairing"].chance.max()
        paths += plots.save(partial(mechanism.figure, learning, rewards, chance=chance), out / "figures" / "mechanism")
    if profile is not None and tables.is_synthetic(p):
        for name, draw in illustrations.figures(profile, p, out / "tables"):
            paths += plots.save(draw, out / "figures" / name)
    return paths


def table(name: str, frame: pd.DataFrame, caption: str, folder: Path, *, of: pd.DataFrame | None = None) -> list[Path]:
    """One of `made_tables` as CSV, Markdown and LaTeX; readers of the verdicts get sentences.

    of: the predictions that it is made of, which decide what the caption ends with (None: the synthetic world's).
    """
    prose = verdicts.read(frame) if name == "verdicts" else None
    caption, synthetic = (caption, True) if of is None else (f"{caption} {remark(of)}".strip(), tables.is_synthetic(of))
    return tables.write(frame, folder / name, caption, synthetic=synthetic, prose=prose)


def remark(p: pd.DataFrame) -> str:
    """What has to stand beside every number of a dry run; "" of all others."""
    return NO_RESULT if tables.is_dry(p) else ""


def source_of(p: pd.DataFrame) -> str:
    """What was evaluated on what, for the note below a figure."""
    return plots.MINI if tables.is_synthetic(p) else "evaluated on " + ", ".join(dict.fromkeys(p.benchmark))


def logs(p: pd.DataFrame, runs: str | Path) -> pd.DataFrame:
    """The training logs of these runs, one row an update, with run, system, training_seed, stands_for."""
    named = p.drop_duplicates("run")[["run", "system", "training_seed", "stands_for"]]
    parts = [
        pd.read_csv(path).assign(**row._asdict())
        for row in named.itertuples(index=False)
        if (path := Path(runs) / row.run / "log.csv").is_file()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(named))


# What is left out of photographs, and why.
UNREAD = (
    "Tables that read the thinking word by word (whether it is true, how wrong answers came about) need the closed "
    "vocabulary of the synthetic world's policies, so photographs have none."
)
Captioned = dict[str, tuple[pd.DataFrame, str]]


def guesses(p: pd.DataFrame, runs: str | Path) -> TrivialBaselines:
    """The trivial baselines to show beside these predictions: of the synthetic world its own, of photographs those that
    the manifests of their runs (below `runs`) record, and without constants where these record none."""
    if not tables.is_synthetic(p):
        return trivial.recorded(runner.best_constants(runs, p.run.unique()))
    return _without_runs(p)


def _without_runs(p: pd.DataFrame) -> TrivialBaselines:
    """The synthetic world's own; of photographs no constants."""
    return baselines.of_world() if tables.is_synthetic(p) else trivial.recorded(None)


def made_tables(p: pd.DataFrame, beside: TrivialBaselines | None = None) -> Captioned:
    """{name: (table, caption)} of all that these predictions give.

    beside: as `guesses` gives them. None: the synthetic world's own; photographs get no constant guess.
    """
    truth, synthetic = thinking.of_world(p), tables.is_synthetic(p)
    beside = _without_runs(p) if beside is None else beside
    made = _tables_of_pairing(p)
    if synthetic:
        made |= _tables_of_thinking(p, truth)
    made |= _tables_of_places(p, beside, truth)
    if synthetic:
        made["failures"] = (
            tables.failures(p),
            "How wrong answers to the pairing question came about, by what they say themselves; shares of all greedy "
            "answers.",
        )
    made |= _tables_of_change(p, beside)
    made = {name: (frame, caption) for name, (frame, caption) in made.items() if len(frame)}
    k = _candidates(p)
    frames = {name: frame for name, (frame, _) in made.items()}
    found = verdicts.verdicts(frames, chance=1 / k) if k else pd.DataFrame()
    if len(found) and found.estimate.notna().any():
        made["verdicts"] = (found, VERDICTS)
    return made


def _candidates(p: pd.DataFrame) -> int:
    """How many tiles a pairing question of these predictions has; 0 where none was evaluated."""
    pairing = p[p.task == "pairing"]
    return round(1 / pairing.chance.max()) if len(pairing) else 0


def _tables_of_pairing(p: pd.DataFrame) -> Captioned:
    synthetic = tables.is_synthetic(p)
    table2 = [tables.table2(p), *([thinking.by_verdicts(p)] if synthetic else [])]
    table2 = [part for part in table2 if len(part)]
    last = (
        "Read by its verdicts: the first tile that the answer's own text calls a match counts as its letter, else the "
        "letter that it gives."
        if synthetic
        else UNREAD
    )
    made: Captioned = {
        "table2": (
            pd.concat(table2, ignore_index=True) if table2 else pd.DataFrame(),
            f"Cross-view pairing, one of {tables.spelt(_candidates(p))} tiles: accuracy (greedy, and at temperature "
            "1), mean tokens of a greedy answer and the share of them in the required format. In brackets 95 % "
            f"intervals over seeds and cities (with one seed over cities alone). {last}",
        ),
    }
    if synthetic:
        made["decomposition"] = (
            thinking.decomposition(p),
            "What GRPO adds, in steps that add up: the answering rule (what answering as one's own text says would "
            "gain without training), what is said (both read by their verdicts), and what letters gain beyond it.",
        )
    return made | {
        "orderings": (
            tables.orderings(p),
            "The paper's orderings of its four systems, as differences between their stand-ins, paired by question. "
            "A claim holds if the 95 % interval lies above zero, and does not hold if it lies below zero or, for "
            "lengths, below the margin (a tenth of the second's length, fixed before these intervals were computed). "
            "Else it is inconclusive: "
            "smallest_effect is the difference that these seeds and questions would have detected with 80 % power.",
        ),
        "protocols": (
            tables.protocols(p),
            "The same answers under other settings: how they are decoded, which letters are read, and whether an "
            "answer that cannot be read counts as wrong.",
        ),
        "controls": (
            tables.controls(p),
            "Pairing under controls and other trainings, beside GRPO from the base. With a view blanked a control must "
            "stay at chance, with a reward that says nothing where the base is (reference): both intervals have to end "
            f"at most {tables.CHANCE_MARGIN} above it. The last columns are the shares of the letters among greedy "
            "answers: where one letter is nearly all, accuracy is that letter's share of the questions. Such a run "
            "shows that training found no leak; the test for leaks is the supervised gate "
            "(results/bench/world_gate.csv).",
        ),
        "reward_modes": (
            tables.reward_modes(p),
            "GRPO from the base with the rewards as the official code computes them (released) against the rewards as "
            "the method describes them (paper), both with the length reward, which the runs of Table 2 go without.",
        ),
    }


def _tables_of_thinking(p: pd.DataFrame, truth: thinking.Truth | None) -> Captioned:
    """Whether the thinking is true, counted in the words of the synthetic world."""
    return {
        "faithfulness": (
            tables.faithfulness(p),
            "Is the written thinking faithful? Shares of described words that are true of the picture, of verdicts "
            "that follow from the words before them, and of answers that are the last letter called a match.",
        ),
        "words": (
            thinking.words(p, truth),
            "Described words that are true: raw, and standardised to the base's mix of (view, attribute), beside the "
            "base over the same cells. `covered` is the part of the base's words in cells that the system speaks of.",
        ),
        "what_varies": (
            thinking.what_varies(p, truth),
            f"Thoughts about a {tables.pictured(p)}, attribute by attribute: the commonest word and its share, the "
            "share of words that are true, and the share of the places of which the commonest word is true. Systems "
            "that answer without thinking have no row.",
        ),
    }


def _tables_of_places(p: pd.DataFrame, beside: TrivialBaselines, truth: thinking.Truth | None) -> Captioned:
    photo, synthetic = tables.pictured(p), tables.is_synthetic(p)
    constant = f"The best constant guess is chosen anew for each column, on {beside.chosen_on}. "
    constant = constant if len(beside.constant) else ""
    return {
        "geolocation": (
            tables.geolocation(p, beside),
            f"Places located within 1 to 2500 km, from a {photo} and from an aerial tile; an answer without "
            f"a place counts as wrong. Seen countries are those of the training cities. {constant}"
            "Columns `first ...` read the first place that an answer names, where the others refuse one that names "
            "two; `well formed` is the share in the required format.",
        ),
        "table1": (
            table1.table1(p, beside, words=truth.words if truth else None),
            f"Where was this {photo} taken? Shares located within 1 to 2500 km (an answer without a place is wrong), "
            "with 95 % intervals over cities and seeds; mean error over the answers with a place. "
            f"{STAND_INS if synthetic else constant}".strip(),
        ),
        "table1_against_base": (
            table1.against_base(p),
            f"What training has added to locating {photo}s: each system of Table 1 minus the base, paired by place, "
            "with 95 % intervals. The verdict is after Holm's adjustment over all lines (p_holm).",
        ),
        "table1_first_named": (
            table1.first_named(p),
            "The policies of Table 1 read by the first place that each answer names, where Table 1 counts an answer "
            "with two places as wrong.",
        ),
        "zones": (
            tables.zones(p, beside),
            f"Geolocation of {photo}s by climate group (Köppen-Geiger), beside the trivial baselines on the "
            "same places.",
        ),
        "countries": (
            tables.countries(p[p.stands_for == tables.R1], beside),
            f"Geolocation of {photo}s by true country, beside the trivial baselines on the same places. Most "
            "rows rest on a few places of one city.",
        ),
        "cues": (
            tables.cues(p),
            "What answers with a wrong country have right: the share whose place agrees with the true one, beside the "
            "share if these answers were dealt out among their places at random.",
        ),
    }


def _tables_of_change(p: pd.DataFrame, beside: TrivialBaselines) -> Captioned:
    """What moved that no reward is about."""
    on = f" The constant answers are the commonest ones of the {beside.chosen_on}." if len(beside.constant) else ""
    return {
        "zero_shot": (tables.zero_shot(p, beside), f"The right country, climate group and vegetation.{on}"),
        "changes": (
            tables.changes(p),
            "What GRPO on pairing moved, trained for or not: after minus before, paired by question. aerial: the "
            "place of a tile; climate: of a photo, and ground: the vegetation on a tile, both by the likelier of given "
            "words. The verdict is of a line's own interval; p_holm is adjusted for all lines, pairing among them; "
            "smallest_effect would have been detected with 80 % power.",
        ),
        "transfer": (
            verdicts.transfer(p),
            f"Geolocation of {tables.pictured(p)}s at every distance, after minus before, paired by place, by the "
            "first place that an answer names. p_holm is adjusted for all lines; smallest_effect would have been "
            "detected with 80 % power.",
        ),
    }


def figures(
    p: pd.DataFrame, made: dict[str, pd.DataFrame], log: pd.DataFrame, beside: TrivialBaselines | None = None
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """(name, a function that draws it) of every figure that predictions, tables and logs give. beside: as for
    `made_tables`."""
    yield "loop", diagram.loop
    pairing = p[p.task == "pairing"]
    chance = float(pairing.chance.iloc[0]) if len(pairing) else float("nan")
    source = source_of(p)
    if "table2" in made:
        yield "table2", lambda: plots.headline(paper.table2(), made["table2"], chance=chance, source=source)
    trained = log.dropna(subset="equal_groups") if "equal_groups" in log else log.iloc[:0]  # by GRPO
    trained = trained[(trained.stands_for == "") | trained.stands_for.isin(tables.ORDER)]
    trained = trained.sort_values("system", kind="stable")
    for name, rows in (
        ("curves", trained[trained.stands_for != ""]),
        ("curves_controls", trained[(trained.stands_for == "") | (trained.stands_for == tables.ZERO)]),
    ):
        if len(rows) and (name == "curves" or (rows.stands_for == "").any()):
            shown = {column: text for column, text in CURVES.items() if column in rows and rows[column].notna().any()}
            yield (
                name,
                partial(plots.curves, rows, shown, smooth=9, baselines={"reward_accuracy": chance}, source=source),
            )
    shown = {column: CURVES[column] for column in ("reward_accuracy", "length", "reward_format") if column in trained}
    if len(rows := trained[trained.stands_for != ""]) and len(shown) == 3:
        yield (
            "grpo_curves",
            partial(plots.curves, rows, shown, smooth=9, baselines={"reward_accuracy": chance}, source=source),
        )
    if len(rows := log[log.stands_for == tables.SFT]) and set(SFT_CURVES) <= set(rows):
        yield "sft_curve", partial(plots.curves, rows, SFT_CURVES, smooth=5, source=source)
    if "controls" in made and (made["controls"].stands_for == "").any():
        yield "controls", lambda: _controls(made["controls"], chance, source)
    if "faithfulness" in made:
        yield "faithfulness", lambda: _faithfulness(made["faithfulness"], source)
    if "zero_shot" in made:
        yield "zero_shot", lambda: _zero_shot(made["zero_shot"], source)
    if "changes" in made:
        yield "changes", lambda: plots.changes(made["changes"], source=source)
    if "zones" in made:
        yield "zones", lambda: _zones(made["zones"], source)
    others = p[(p.task == "geolocation") & p.stands_for.isin(table1.ORDER) & ~p.stands_for.isin(tables.ORDER)]
    if len(others):
        others = others.sort_values("stands_for", key=lambda c: c.map(table1.ORDER.index), kind="stable")
        yield "map_table1", lambda: maps.errors(others, trivial_baselines(made.get("geolocation")), source=source)
    if "table1" in made:
        yield "table1", lambda: _table1(made["table1"], source)
    located = p[(p.task == "geolocation") & (p.decoding == "greedy") & (p.stands_for != "")]
    located = located.sort_values("stands_for", key=lambda names: names.map(_place_in_order), kind="stable")
    if len(located):
        blind = tables.trivial_errors(located, _without_runs(p) if beside is None else beside)
        yield "distances", partial(plots.cumulative, located, blind, source=source)
    located = located[located.stands_for.isin(tables.ORDER)]
    if len(located):
        last = located[located.stands_for == located.stands_for.iloc[-1]]
        yield "map_errors", lambda: maps.errors(located, trivial_baselines(made.get("geolocation")), source=source)
        yield "map_arcs", lambda: maps.arcs(last, source=source)
        yield "map_countries", lambda: maps.countries(located, source=source)


def _place_in_order(stands_for: str) -> int:
    """Table 2's systems in the paper's order, then all others."""
    return tables.ORDER.index(stands_for) if stands_for in tables.ORDER else len(tables.ORDER)


def trivial_baselines(geolocation: pd.DataFrame | None) -> dict[str, float]:
    """{name: median error in km} of the trivial baselines on all street-level pictures, from the table of that name."""
    if geolocation is None:
        return {}
    rows = geolocation[(geolocation.task == "geolocation") & (geolocation.countries == "all")]
    return rows[rows.stands_for == ""].set_index("system").median_km.to_dict()


def _controls(rows: pd.DataFrame, chance: float, source: str) -> Figure:
    t1 = rows.drop(columns=["accuracy", "accuracy_low", "accuracy_high"])
    t1 = t1.rename(columns=lambda name: name.replace("accuracy_t1", "accuracy"))
    line = dict.fromkeys(("greedy", "temperature 1"), (chance, "chance"))
    panels = {"greedy": rows, "temperature 1": t1}
    return plots.intervals(panels, "accuracy", label="right letter", baselines=line, source=source)


def _faithfulness(rows: pd.DataFrame, source: str) -> Figure:
    greedy = rows[rows.decoding == "greedy"]
    what = {
        "words_true": "words true of the picture",
        "verdicts_follow": "verdicts that follow",
        "answer_follows": "answers that follow",
    }
    panels = {
        title: greedy[["system"]].assign(
            share=greedy[name], share_low=greedy[f"{name}_low"], share_high=greedy[f"{name}_high"]
        )
        for name, title in what.items()
    }
    return plots.intervals(panels, "share", label="of all that was said in greedy answers", source=source)


def _zero_shot(rows: pd.DataFrame, source: str) -> Figure:
    photo = tables.pictured(rows)
    what = {
        "geolocation": f"country, {photo}",
        "aerial": "country, aerial tile",
        "climate": f"climate, {photo}",
        "ground": "vegetation, tile",
    }
    panels, constants = {}, {}
    for task, part in rows.groupby("task", sort=False):
        panels[what[task]] = part[part.stands_for != ""]
        for constant in part[part.stands_for == ""].itertuples():
            constants[what[task]] = (constant.accuracy, constant.system)
    return plots.intervals(panels, "accuracy", label="right answers", baselines=constants, source=source)


def _table1(rows: pd.DataFrame, source: str) -> Figure:
    """Table 2's systems in their colours, all others in grey."""
    run = rows[rows.system != ""]
    panels: dict[str, pd.DataFrame] = {}
    lines: dict[str, tuple[float, str]] = {}
    for km in (200, 750, 2500):
        name, title = f"acc_{km}km", f"within {km:,} km"
        columns = {f"{name}{end}": f"share{end}" for end in ("", "_low", "_high")}
        panels[title] = run[run.stands_for != ""].rename(columns=columns)
        lines |= _constant_line(run, name, title)
    what = f"n = {run.n.max():.0f}; located"
    return plots.intervals(panels, "share", label=what, baselines=lines, others="0.45", source=source)


def _constant_line(rows: pd.DataFrame, name: str, title: str) -> dict[str, tuple[float, str]]:
    """{title: (share, what it is)} of the best constant guess among rows of a table; {} where it is not there."""
    shares = rows[name][rows.system == tables.CONSTANT]
    return {title: (float(shares.iloc[0]), "constant guess")} if len(shares) else {}


def _zones(rows: pd.DataFrame, source: str) -> Figure:
    names = {"a": "tropical", "b": "arid", "c": "temperate", "d": "continental", "e": "polar"}
    panels: dict[str, pd.DataFrame] = {}
    constants: dict[str, tuple[float, str]] = {}
    for zone, part in rows.groupby("zone"):
        title = f"{names[zone[-1]]}, n = {part.n.iloc[0]}"
        panels[title] = part[part.stands_for != ""]
        constants |= _constant_line(part, "acc_750km", title)
    label = f"{tables.pictured(rows)}s located within 750 km"
    return plots.intervals(panels, "acc_750km", label=label, baselines=constants, source=source)
