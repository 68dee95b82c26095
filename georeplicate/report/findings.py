"""Sentences about results, computed from the tables: what README and notebooks say is chosen by a rule, never typed.

    findings.sentences({name: table})      {topic: sentence}, for the tables that are there
    python -m georeplicate.report.findings those of results/mini, to be put into the README (a test compares)

Verdicts are "holds", "does not hold" and "cannot tell"; the last always with the smallest effect that these seeds and
questions would have detected with 80 % power.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from georeplicate import files
from georeplicate.evaluation import seeds
from georeplicate.report import table1, tables

RESULTS = files.RESULTS / "mini" / "tables"
COLLAPSED = 0.6  # a letter with more than this share of all answers, where five are equally often right
CONTROLLED = {"shuffled-pairing": "shuffled letters", "random-reward": "random reward"}
CONTROLLED |= {"blank-panorama": "blank panorama", "blank-tiles": "blank tiles"}


def read(folder: Path = RESULTS) -> dict[str, pd.DataFrame]:
    """Tables as they were written; text that is empty stays "" ("NA" is Namibia)."""
    return {
        path.stem: pd.read_csv(path, dtype=str, keep_default_na=False).apply(_number)
        for path in sorted(folder.glob("*.csv"))
    }


def _number(column: pd.Series) -> pd.Series:
    """A column of numbers as such, "" as NaN; one that holds a text, or nothing at all, stays as it is."""
    given = column[column != ""]
    numbers = pd.to_numeric(given, errors="coerce")
    return pd.to_numeric(column) if len(given) and numbers.notna().all() else column


def sentences(frames: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """{topic: Markdown sentence} in the order in which a reader wants them; none of a dry run."""
    if "table2" in frames and "benchmark" in frames["table2"] and tables.is_dry(frames["table2"]):
        return {}
    made = {
        "pairing": _pairing,
        "decomposition": _decomposition,
        "orderings": _orderings,
        "countries": _countries,
        "distance": _distance,
        "table1": _table1,
        "words": _words,
        "varies": _varies,
        "rewards": _rewards,
        "controls": _controls,
    }
    out = {}
    for topic, make in made.items():
        try:
            out[topic] = make(frames)
        except (KeyError, IndexError):  # a table or a system that this run does not have
            continue
    return out


# --- numbers in text -------------------------------------------------------------------------------------------------


def _points(row: pd.Series) -> str:
    """-0.4 points [-2.0, +1.2] of a difference of shares."""
    return f"{100 * row.difference:+.1f} points [{100 * row.low:+.1f}, {100 * row.high:+.1f}]"


def _share(row: pd.Series, name: str) -> str:
    """0.270 [0.190, 0.360]"""
    return f"{row[name]:.3f} [{row[name + '_low']:.3f}, {row[name + '_high']:.3f}]"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _open(row: pd.Series, unit: str = "points") -> str:
    """The verdict word; where it is inconclusive, with the smallest detectable effect."""
    if row.verdict != seeds.OPEN:
        return str(row.verdict)
    size = f"{100 * row.smallest_effect:.1f} points" if unit == "points" else f"{row.smallest_effect:.1f} {unit}"
    return f"{seeds.OPEN} (smallest detectable effect: {size})"


def _one(table: pd.DataFrame, **chosen) -> pd.Series:
    """The one row with these values; IndexError without it."""
    for name, value in chosen.items():
        table = table[table[name] == value]
    return table.iloc[0]


def _after(frames: Mapping[str, pd.DataFrame], ending: str) -> pd.DataFrame:
    """What GRPO moved, up to the system whose name ends so: "mini-Zero" in the mini world, "Zero" on photographs."""
    changes = frames["changes"]
    return changes[changes.after.str.endswith(ending)]


# --- the sentences ---------------------------------------------------------------------------------------------------


def _pairing(frames: Mapping[str, pd.DataFrame]) -> str:
    row = _one(_after(frames, "Zero"), task="pairing", measure="right letter")
    taught = row.verdict == "higher"
    raised = "raises" if taught else "did not raise"
    return (
        f"**GRPO on the letter {raised} pairing here**: from {row.before_value:.3f} to {row.after_value:.3f} "
        f"({_points(row)}). That is before and after, of one base; what the reward does is told by its controls."
    )


def _decomposition(frames: Mapping[str, pd.DataFrame]) -> str:
    steps = frames["decomposition"]
    rule, parts = (
        _one(steps, decoding="greedy", after="mini-Zero", step=step) for step in ("answering rule", "what is said")
    )
    return (
        f"Of the gain of GRPO from the base {_signed(rule)} points are the answering rule (the base's own text, read "
        f"by the first tile that it calls a match, is right in {rule.to_value:.3f} of cases before any training) and "
        f"{_signed(parts)} are in what is said (from {parts.from_value:.3f} to {parts.to_value:.3f} when both are read "
        "so)."
    )


def _signed(row: pd.Series) -> str:
    """A difference in points, whose zero has no minus."""
    return f"{round(100 * row.difference, 1) + 0.0:+.1f}"


def _orderings(frames: Mapping[str, pd.DataFrame]) -> str:
    parts = []
    for row in frames["orderings"].query("decoding == 'greedy'").itertuples():
        row = pd.Series(row._asdict())
        if row.measure == "accuracy":
            paper = f"the paper's difference is {100 * row.paper_effect:.1f} points"
            parts.append(f"*{row.claim}*: {_open(row)}; {_points(row)}, {paper}")
        else:
            found = f"{row.difference:+.1f} tokens [{row.low:+.1f}, {row.high:+.1f}]"
            paper = f"margin {row.margin:.1f}, the paper's ratio would be {row.paper_effect:+.1f}"
            parts.append(f"*{row.claim}*: {_open(row, 'tokens')}; {found}, {paper}")
    return "The paper's orderings: " + ". ".join(parts) + "."


def _countries(frames: Mapping[str, pd.DataFrame]) -> str:
    strict, first, form = (
        _one(_after(frames, "R1"), task="geolocation", measure=name)
        for name in ("right country", "right country, first place named", "well formed")
    )
    what = (
        "what is lost is the form of answers to a prompt that no reward covered"
        if form.verdict == "lower" and first.verdict == seeds.OPEN
        else "form and place both changed"
        if form.verdict == "lower"
        else "the form is kept better"
        if form.verdict == "higher"
        else "the form stays"
    )
    return (
        f"In GRPO after SFT, {what}: well-formed geography answers go from {form.before_value:.3f} to "
        f"{form.after_value:.3f}. Read strictly, where an answer with two places counts as wrong, the right country "
        f"goes from {strict.before_value:.3f} to {strict.after_value:.3f}; by the first place named from "
        f"{first.before_value:.3f} to {first.after_value:.3f} ({_points(first)}): {_open(first)}."
    )


# Lines of `changes` that a change of form, or of what is spoken of, moves by itself, with those that stand for them: an
# answer with two places counts as none, and leaving out what is wrong makes the rest truer.
_BY_FIRST, _RAW_WORDS = "first place named", "words that are true"


def elsewhere(frames: Mapping[str, pd.DataFrame]) -> str:
    """What GRPO moved beside pairing: places by the first one named, and words at the base's mix, as one paragraph."""
    rows = frames["changes"]
    twice = set(rows.task[rows.measure.str.endswith(_BY_FIRST)])  # read by the first place named as well
    strictly = rows.task.isin(twice) & ~rows.measure.str.endswith(_BY_FIRST) & (rows.measure != "well formed")
    rows = rows[(rows.task != "pairing") & ~strictly & (rows.measure != _RAW_WORDS)]
    lines = [(row.verdict, row.task, row.measure, row) for row in rows.itertuples()]
    if "words" in frames:
        words = frames["words"].query("decoding == 'greedy' and stands_for in [@tables.ZERO, @tables.R1]")
        for row in words.itertuples():
            verdict = tables.verdict(row._asdict(), "higher", "lower")
            lines.append((verdict, "thinking", f"words that are true, at the mix of {tables.BASE}'s stand-in", row))
    said = {}
    for verdict in ("higher", "lower"):
        moved = [
            f"{task}, {measure} ({getattr(row, 'after', None) or row.system}, {100 * row.difference:+.1f} points"
            + (f", Holm's p {row.p_holm:.2g})" if hasattr(row, "p_holm") else ")")
            for found, task, measure, row in lines
            if found == verdict
        ]
        said[verdict] = "; ".join(moved) or "nothing"
    open_ones = sum(verdict == seeds.OPEN for verdict, *_ in lines)
    return (
        f"Elsewhere, with places of photos read by the first one named, higher after GRPO: {said['higher']}. Lower: "
        f"{said['lower']}. For {open_ones} of {len(lines)} comparisons it is inconclusive."
    )


def _distance(frames: Mapping[str, pd.DataFrame]) -> str:
    row = _one(_after(frames, "Zero"), task="geolocation", measure="within 2500 km")
    if row.verdict == seeds.OPEN:
        return (
            f"From the base the share of places within 2,500 km changes by {_points(row)} (p = {row.p_value:.3f}; "
            f"adjusted for the {len(frames['changes'])} lines of that table, Holm, {row.p_holm:.2f}): {_open(row)}."
        )
    kept = "which survives" if row.p_holm < 0.05 else "which does not survive"
    return (
        f"From the base the share of places within 2,500 km changes by {_points(row)} (p = {row.p_value:.3f}), {kept} "
        f"adjustment for the {len(frames['changes'])} lines of that table (Holm: {row.p_holm:.2f})."
    )


READER = "reader of true words"


def _table1(frames: Mapping[str, pd.DataFrame]) -> str:
    """What labels of places, and what pairing, adds to locating a photo; beside what looks at nothing."""
    table, against = frames["table1"], frames["table1_against_base"]
    far, measure = "acc_2500km", "within 2500 km"
    ran = table[(table.system != "") & (table.stands_for != "")]
    base = _one(table, stands_for=tables.BASE)
    added = against[against.measure == measure]
    by_labels = added[added.trained_by == table1.LABELS].sort_values("value")
    zero = _one(added, stands_for=tables.ZERO)
    if base.empty or not len(by_labels):
        raise KeyError("table1")
    least, most = by_labels.iloc[0], by_labels.iloc[-1]
    higher, lower, left = (by_labels[by_labels.verdict == one] for one in ("higher", "lower", seeds.OPEN))
    lines = {name: _share(_one(table, system=name), far) for name in ("best constant guess", READER)}
    sentence = (
        f"Table 1, photos located within 2,500 km ({len(ran)} stand-ins): the base {base[far]:.3f}; systems that were "
        f"trained on labelled places {least.value:.3f} ({least.system}) to {most.value:.3f} ({most.system}), of which "
        f"{len(higher)} of {len(by_labels)} are above the base after Holm's adjustment"
    )
    if len(lower):
        sentence += f" and {len(lower)} below it"
    if len(left):
        worst = 100 * left.smallest_effect.max()
        sentence += f"; of {len(left)}: cannot tell (smallest detectable effect: up to {worst:.1f} points)"
    sentence += f"; GRPO on pairing from the base {zero.value:.3f}. Beside them the best constant guess "
    return sentence + f"{lines['best constant guess']}, and a naive-Bayes reader of the true words {lines[READER]}."


def _words(frames: Mapping[str, pd.DataFrame]) -> str:
    words = frames["words"].query("decoding == 'greedy'").set_index("system")
    parts = []
    for system in ("mini-Zero", "mini-R1"):
        row = words.loc[system]
        found = pd.Series(row.to_dict() | {"verdict": tables.verdict(row, "higher", "lower")})
        parts.append(
            f"{system} {row.words_true:.3f} raw, {row.standardised:.3f} against the base's "
            f"{row.base_standardised:.3f} at the base's mix ({_points(found)}: {_open(found)})"
        )
    base, zero = words.loc["mini-base"], words.loc["mini-Zero"]
    shares = [name for name in words if name.startswith("share_")]
    moved = (zero[shares] - base[shares]).astype(float).sort_values()
    mix = [
        f"{name.removeprefix('share_')} {_percent(base[name])} of the base's words and {_percent(zero[name])} of Zero's"
        for name in (moved.index[-1], moved.index[0])
    ]
    return (
        f"Described words that are true: mini-base {base.words_true:.3f}; "
        + "; ".join(parts)
        + f". What is spoken of changes, most of all: {'; '.join(mix)}."
    )


def _varies(frames: Mapping[str, pd.DataFrame]) -> str:
    rows = frames["what_varies"].query("system == 'mini-SFT'")
    fixed = rows[rows.commonest_share > 0.999]
    above = rows[rows.above_constant == "yes"].attribute
    against = rows.contradicts_answer.dropna().iloc[0]
    named = f" ({', '.join(fixed.commonest)})" if len(fixed) else ""
    return (
        f"In the scaffold's thoughts about places {len(fixed)} of {len(rows)} attributes are one and the same word in "
        f"at least 99.9 % of the answers that say one{named}, and in {_percent(against)} of answers the driving side "
        f"contradicts the place named. More often true than the best constant word: {len(above)} of {len(rows)} "
        f"attributes ({', '.join(above) if len(above) else 'none'})."
    )


def _rewards(frames: Mapping[str, pd.DataFrame]) -> str:
    row = _one(frames["reward_modes"], measure="accuracy", decoding="greedy")
    return (
        f"With the length reward as described GRPO ends at {row.paper:.3f}, with the released rewards at "
        f"{row.released:.3f} ({_points(row)}, {row.training_seeds} seeds each): {_open(row)}."
    )


def _controls(frames: Mapping[str, pd.DataFrame]) -> str:
    rows = frames["controls"][frames["controls"].stays.isin(["yes", "no"])].set_index("system")
    letters = [name for name in rows if name.startswith("answered_")]
    parts = []
    for system, row in rows.iterrows():
        most = max(letters, key=lambda name: row[name])
        name = next(text for end, text in CONTROLLED.items() if system.endswith(end))
        parts.append(
            f"{name}: {row.accuracy:.3f} (reference {row.reference:.3f}), {most[-1]} in {_percent(row[most])} of "
            "answers"
        )
    if not parts:
        raise KeyError("no control")
    most_seeds = int(rows.training_seeds.max())
    runs = "one run" if most_seeds == 1 else f"up to {most_seeds} runs"
    return (
        f"Controls, {runs} each"
        + (", collapse towards one letter" if rows[letters].max(axis=1).min() > COLLAPSED else "")
        + f": {'; '.join(parts)}. The reference is chance where a view is blanked, and the base, if it is above "
        "chance, where the reward says nothing. Where a control stays there, training found no leak; the test for "
        "leaks is the supervised gate (`results/bench/world_gate.csv`)."
    )  # fmt: skip


if __name__ == "__main__":
    for topic, sentence in sentences(read()).items():
        print(f"[{topic}] {sentence}\n")
