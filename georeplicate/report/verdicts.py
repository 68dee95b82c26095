"""The verdict, claim by claim: what the paper says, what was measured here, what follows, and what does not.

    verdicts(tables)        one row a claim of paper.CLAIMS, from the tables of a run (as findings.read gives them)
    transfer(predictions)   the table behind "at every distance": differences within 1 ... 2500 km
    read(table)             the same for people
    sentences(table)        the counts and the open ends of that table, as Markdown
    experiments(...)        what would change our mind, and what it costs

Verdicts are "holds", "does not hold", "cannot tell" (with the smallest effect that these runs would have detected with
80 % power) and "not testable here": a deviation prevents the test (Deviation.prevents), or its runs are not there.
What is said about a result is computed or chosen by a rule, so that it survives a run with other numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from georeplicate import files, geo, paper
from georeplicate.evaluation import seeds
from georeplicate.evaluation.statistics import adjusted, difference, sample, verdict
from georeplicate.mini import readings
from georeplicate.report.tables import BASE, CHANCE_MARGIN, DRY, R1, SFT, ZERO

HOLDS, FAILS, OPEN = seeds.VERDICTS
UNTESTED = "not testable here"
VERDICTS = (HOLDS, FAILS, OPEN, UNTESTED)
NO_PREDICTION = "none"
NOTED = {  # what of a claim the test leaves out
    "pairing.rl": " (its direction alone, not its levels)",
    "pairing.sft_alone": " (by its level alone, whatever the base's is)",
}
MEASURED = ("measured here (synthetic)", "measured here")  # in the synthetic world, or on photographs
REGISTERED = files.RESULTS / "mini" / "registered.json"  # written before the runs of profile mini began

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Found:
    """What was measured for one claim; estimate, low, high and smallest_effect in `unit` (share, or tokens)."""

    what: str
    verdict: str
    unit: str = "share"
    estimate: float = np.nan
    low: float = np.nan
    high: float = np.nan
    smallest_effect: float = np.nan
    n: int = 0
    seeds: str = ""
    more: str = ""


@dataclass(frozen=True)
class Limits:
    """What no outcome of a test can say, and what would settle the claim."""

    cannot_say: str
    would_settle: str


@dataclass(frozen=True)
class Test:
    """How a claim is tested: the rule in words, the computation, and its limits in the mini world and on photographs
    (which a published model of the paper's size is then assumed to be shown)."""

    rule: str
    of: Callable[[Frames, float], Found]  # of the tables and of chance
    mini: Limits
    photographs: Limits

    def limits(self, synthetic: bool) -> Limits:
        return self.mini if synthetic else self.photographs


# --- the table of distances ------------------------------------------------------------------------------------------

SUPERVISED = "GLOBE-7B"  # the paper's system that was trained for geolocation


def transfer(p: pd.DataFrame) -> pd.DataFrame:
    """Geolocation at every distance, after minus before, paired by place, by the first place that an answer names.

    From the base to GRPO, with and without the scaffold; and against the stand-in of a system that was supervised for
    geolocation, where there is one. p_holm: adjusted for all lines.
    """
    evaluated = p[(p.task == "geolocation") & (p.decoding == "greedy")]
    parts = {name: rows for name, rows in evaluated.groupby("stands_for") if name}
    rows = []
    for before, after in ((BASE, ZERO), (BASE, R1), (SUPERVISED, R1)):
        if not {before, after} <= parts.keys() or set(parts[before].id) != set(parts[after].id):
            continue
        one, other = parts[before], parts[after]
        far = [readings.first_places(part).error_km for part in (one, other)]
        for km in geo.THRESHOLDS_KM:
            start, end = (sample(part, error_km <= km) for part, error_km in zip((one, other), far))
            found = difference(end, start)
            rows.append(
                {"km": km, "benchmark": other.benchmark.iloc[0], "before": one.system.iloc[0]}
                | {"after": other.system.iloc[0], "before_stands_for": before, "after_stands_for": after}
                | {"n": other.id.nunique(), "training_seeds": f"{len(end.seeds)} and {len(start.seeds)}"}
                | {"before_value": start.value, "after_value": end.value}
                | found
                | {"verdict": verdict(found, "higher", "lower")}
            )
    return adjusted(rows)


# --- the tests -------------------------------------------------------------------------------------------------------


def _row(table: pd.DataFrame, **chosen) -> pd.Series:
    """The one row with these values; IndexError without it."""
    for name, value in chosen.items():
        table = table[table[name] == value]
    return table.iloc[0]


def _seeds(frames: Frames, *names: str) -> str:
    rows = [_row(frames["table2"], stands_for=name) for name in names]
    return ", ".join(f"{row.system} {row.training_seeds}" for row in rows)


def _level(frames: Frames, chance: float, name: str) -> Found:
    """Is this system within NEARLY_POINTS of chance? By the whole interval, greedy; the other decoding is said too."""
    row = _row(frames["table2"], stands_for=name)
    low, high = row.accuracy_low - chance, row.accuracy_high - chance
    known = _nearly(low, high)
    sampled = _nearly(row.accuracy_t1_low - chance, row.accuracy_t1_high - chance)
    same = "" if sampled == known else f"; by the sampled answers it would be: {sampled}"
    if name == SFT:
        same += f"; the base {_row(frames['table2'], stands_for=BASE).accuracy:.3f}"
    return Found(
        f"{row.system}'s accuracy minus chance ({chance:g})", known, "share",
        row.accuracy - chance, low, high, _detectable(high - low, row.training_seeds), int(row.n), _seeds(frames, name),
        f"accuracy {row.accuracy:.3f} [{row.accuracy_low:.3f}, {row.accuracy_high:.3f}] greedy, "
        f"{row.accuracy_t1:.3f} [{row.accuracy_t1_low:.3f}, {row.accuracy_t1_high:.3f}] at temperature 1{same}",
    )  # fmt: skip


def _nearly(low: float, high: float) -> str:
    near = paper.NEARLY_POINTS / 100 + 1e-9
    return HOLDS if -near <= low and high <= near else FAILS if high < -near or low > near else OPEN


def _detectable(width: float, runs: float) -> float:
    """The smallest deviation that an interval of this width tells from none with 80 % power."""
    tail, power = (1 + seeds.LEVEL) / 2, seeds.POWER
    ratio = t.ppf(power, runs - 1) / t.ppf(tail, runs - 1) if runs > 1 else norm.ppf(power) / norm.ppf(tail)
    return float(width / 2 * (1 + ratio))


def _rl(frames: Frames, chance: float) -> Found:
    row = _row(frames["changes"], task="pairing", measure="right letter", after=_system(frames, ZERO))
    zero = _row(frames["table2"], stands_for=ZERO)
    above = zero.accuracy_low > chance
    known = HOLDS if row.low > 0 and above else FAILS if row.high < 0 or zero.accuracy_high < chance else OPEN
    return Found(
        f"accuracy of {row.after} minus {row.before}", known, "share", row.difference, row.low, row.high,
        row.smallest_effect, int(zero.n), _seeds(frames, ZERO, BASE),
        f"from {row.before_value:.3f} to {row.after_value:.3f}" + _rule_part(frames),
    )  # fmt: skip


def _rule_part(frames: Frames) -> str:
    try:
        rule = _row(frames["decomposition"], decoding="greedy", after=_system(frames, ZERO), step="answering rule")
    except (KeyError, IndexError):
        return ""
    return f", of which {100 * rule.difference:.1f} points are the answering rule that the base's own words imply"


def _system(frames: Frames, stands_for: str) -> str:
    return str(_row(frames["table2"], stands_for=stands_for).system)


def _ordering(frames: Frames, claim: str, names: tuple[str, ...]) -> Found:
    row = _row(frames["orderings"], claim=claim, decoding="greedy")
    tokens = row.measure != "accuracy"
    what = "mean tokens" if tokens else "accuracy"
    margin = (
        f"; differences below {row.margin:.1f} tokens, a margin set before these intervals, count as none"
        if tokens
        else ""
    )
    return Found(
        f"{what} of {row['first']} minus {row['second']}", row.verdict, "tokens" if tokens else "share",
        row.difference, row.low, row.high, row.smallest_effect,
        int(_row(frames["table2"], stands_for=names[0]).n), _seeds(frames, *names),
        (f"{row.first_value:.1f} against {row.second_value:.1f}" if tokens
         else f"{row.first_value:.3f} against {row.second_value:.3f}") + margin,
    )  # fmt: skip


def _distances(frames: Frames, before: str, after: str, *, margin: float | None = None) -> Found:
    """At every distance: all five above zero (margin: all five within it). Refuted by one, adjusted for the table."""
    rows = frames["transfer"]
    rows = rows[(rows.before_stands_for == before) & (rows.after_stands_for == after)]
    last = rows.iloc[-1]
    if margin is None:
        known = HOLDS if (rows.low > 0).all() else OPEN
        known = FAILS if ((rows.high < 0) & (rows.p_holm < 1 - seeds.LEVEL)).any() else known
    else:
        known = HOLDS if ((rows.low >= -margin) & (rows.high <= margin)).all() else OPEN
        known = FAILS if ((rows.low > margin) | (rows.high < -margin)).any() else known
    each = ", ".join(
        f"{row.km:,} km {100 * row.difference:+.1f} [{100 * row.low:+.1f}, {100 * row.high:+.1f}]"
        for row in rows.itertuples()
    )
    return Found(
        f"places within {last.km:,} km, {last.after} minus {last.before}", known, "share", last.difference, last.low,
        last.high, last.smallest_effect, int(last.n), f"{last.after} and {last.before}: {last.training_seeds}",
        f"points within {each}",
    )  # fmt: skip


def _blank(frames: Frames, chance: float) -> Found:
    """Policies that never saw one of the two views, trained and evaluated without it: none may end above chance."""
    controls = frames["controls"]
    rows = controls[controls.system.str.endswith(("blank-panorama", "blank-tiles"))]
    highs, lows = rows[["accuracy_high", "accuracy_t1_high"]], rows[["accuracy_low", "accuracy_t1_low"]]
    most = rows.loc[highs.max(axis=1).idxmax()]
    at = "" if most.accuracy_high >= most.accuracy_t1_high else "_t1"
    value, low, high = (float(most[f"accuracy{at}{end}"]) - chance for end in ("", "_low", "_high"))
    known = (
        FAILS if (lows > chance + CHANCE_MARGIN).any(axis=None)
        else HOLDS if (highs <= chance + CHANCE_MARGIN + 1e-9).all(axis=None) else OPEN
    )  # fmt: skip
    return Found(
        f"the highest interval: accuracy of {most.system} minus chance ({chance:g})", known, "share", value, low,
        high, _detectable(high - low, most.training_seeds), int(most.n),
        ", ".join(f"{row.system} {row.training_seeds}" for row in rows.itertuples()),
        "; ".join(f"{row.system} {row.accuracy:.3f} greedy, {row.accuracy_t1:.3f} at temperature 1"
                  for row in rows.itertuples()),
    )  # fmt: skip


def _elsewhere(frames: Frames, chance: float) -> Found:
    rows = frames["changes"]
    rows = rows[rows.task.isin(["climate", "ground"]) & (rows.after == _system(frames, R1))]
    worst = rows.loc[rows.difference.idxmin()]
    return Found(
        f"right {worst.task} word, {worst.after} minus {worst.before}", UNTESTED, "share", worst.difference, worst.low,
        worst.high, worst.smallest_effect, int(_row(frames["table2"], stands_for=R1).n), _seeds(frames, R1, SFT),
        "; ".join(f"{row.task} {100 * row.difference:+.1f} points" for row in rows.itertuples()),
    )  # fmt: skip


_K = paper.setting("candidates").value
assert isinstance(_K, int)
_CHANCE = 1 / _K
_NEAR, _EQUAL = paper.NEARLY_POINTS, paper.EQUAL_POINTS
_SMALL_EFFECTS = "anything about an effect smaller than the smallest detectable one"
_OUR_SCAFFOLD = "that a scaffold cannot teach pairing: ours is written by a teacher and with settings of our own choice"
_THEIR_DATA = "the authors' scaffold data, or one written by the teacher that they used"
TESTS: dict[str, Test] = {
    "pairing.rl": Test(
        "the difference's interval lies above zero and the trained policy's above chance (not, if either lies "
        "below); its direction alone, not how high",
        _rl,
        Limits(
            "the levels: the base here pairs above chance, and what is tested is the direction. That perception "
            "improved. That 80 % can be reached on photographs",
            "the same settings on photographs, from a public checkpoint",
        ),
        Limits(
            "that perception improved: part of a gain can be the answering rule. How much hangs on our negatives, "
            "wording and k, which are not the paper's",
            "the authors' file of questions, and either view blanked",
        ),
    ),
    "pairing.base_chance": Test(
        f"the whole interval lies within {_NEAR} points of chance (not, if it lies outside)",
        lambda frames, chance: _level(frames, chance, BASE),
        Limits(
            "how Qwen2.5-VL-7B pairs: our base was made to compare and to answer its first match, and never shown "
            "whether two views agree",
            "the public 7B checkpoint on questions of known k, greedy and sampled",
        ),
        Limits(
            "what the model answers to the paper's own wording of the question, which is not published",
            "the authors' file of questions, greedy and sampled",
        ),
    ),
    "pairing.sft_alone": Test(
        f"the whole interval lies within {_NEAR} points of chance (not, if it lies outside)",
        lambda frames, chance: _level(frames, chance, SFT),
        Limits(
            "that a scaffold cannot teach pairing: ours has one word a cue, in the base's own form, and settings of "
            "our own choice",
            _THEIR_DATA,
        ),
        Limits(_OUR_SCAFFOLD, _THEIR_DATA),
    ),
    "pairing.sft_helps": Test(
        "the whole interval lies above zero",
        lambda frames, chance: _ordering(frames, "GRPO after SFT is more accurate than GRPO alone", (R1, ZERO)),
        Limits(_SMALL_EFFECTS, "more seeds, each from a base of its own"),
        Limits(_SMALL_EFFECTS, f"more seeds, and {_THEIR_DATA}"),
    ),
    "length.zero_longer": Test(
        "the whole interval lies above zero (not, if it lies below a tenth of the length)",
        lambda frames, chance: _ordering(frames, "GRPO alone writes longer than GRPO after SFT", (ZERO, R1)),
        Limits(
            "how free text grows: our answers are words of a closed vocabulary, without a length reward",
            "a model that writes free text, with and without the length reward",
        ),
        Limits(
            "whether the length reward or the scaffold decides: three sources disagree about the rewards of the "
            "paper's runs",
            "runs with and without the length reward, as described and as released",
        ),
    ),
    "length.sft_longest": Test(
        "the interval of the difference to each other system lies above zero (not, if below a tenth of the length)",
        lambda frames, chance: _ordering(frames, "SFT writes longest", (SFT, BASE, ZERO, R1)),
        Limits(
            "how long chains of thought of a large teacher are: ours are one word a cue, as long as the base's own",
            "the authors' scaffold data: its length is a fact",
        ),
        Limits(
            "how long the paper's chains of thought are: ours come from a teacher of our own choice",
            "the authors' scaffold data: its length is a fact",
        ),
    ),
    "transfer.base": Test(
        "all five intervals lie above zero (not, if one lies below, adjusted for the table)",
        lambda frames, chance: _distances(frames, BASE, R1),
        Limits(
            "what pairing teaches a model that sees photographs and knew places before",
            "the registered experiments (notebook 08) from more bases, and predictions of both models for every "
            "photo of Table 1",
        ),
        Limits(
            "how much of a change is the form of the answers, and how much the geocoder that reads them",
            "predictions of both models for every photo of Table 1, under one protocol",
        ),
    ),
    "transfer.supervised": Test(
        f"all five intervals lie within {_EQUAL} points (not, if one lies outside)",
        lambda frames, chance: _distances(frames, SUPERVISED, R1, margin=_EQUAL / 100),
        Limits(
            "anything about GLOBE-7B, which was trained on photographs that are not here",
            "predictions of both models for every photo of Table 1, under one protocol",
        ),
        Limits(
            "whether test photos were among the training photos of either system",
            "predictions of both models for every photo of Table 1, under one protocol, and both training lists",
        ),
    ),
    "theory.shortcut": Test(
        f"with either view blanked every interval ends within {100 * CHANCE_MARGIN:g} points above chance",
        _blank,
        Limits(
            "that no shortcut exists: training found none, in runs that may have collapsed to one letter",
            "several seeds of each control, and a planted shortcut that must be found",
        ),
        Limits(
            "that no shortcut exists: training found none, in runs that may have collapsed to one letter",
            "several seeds of each control, and a planted shortcut that must be found",
        ),
    ),
    "transfer.other": Test(
        "the benchmarks say so; measured here are climate and vegetation of the same pictures",
        _elsewhere,
        Limits(
            "anything about GeoChain, IMAGEO-Bench, RSTeller or GEOBench-VLM",
            "the released checkpoint on these benchmarks",
        ),
        Limits(
            "anything about a benchmark of the paper that was not run",
            "the released checkpoint on these benchmarks",
        ),
    ),
}


# --- the table of verdicts -------------------------------------------------------------------------------------------


def registered() -> dict[str, str]:
    """{claim: what was predicted of it in the synthetic world, in a committed file, before its runs began}; {} where
    the checkout's results are not here."""
    if not REGISTERED.is_file():
        return {}
    found: dict[str, str] = json.loads(REGISTERED.read_text(encoding="utf-8"))["predictions"]
    return found


def verdicts(frames: Frames, predicted: Mapping[str, str] | None = None, *, chance: float = _CHANCE) -> pd.DataFrame:
    """One row a claim. A claim whose runs are not in these tables is not testable here, and says so.

    predicted: {claim id: what was predicted} (None: what was registered); chance: of a pairing question.
    """
    benchmark = _benchmark(frames)
    synthetic = _is_synthetic(benchmark)
    if predicted is None:
        predicted = registered() if synthetic else {}
    departures = [d for d in paper.DEVIATIONS if synthetic or not d.mini_only]
    rows = []
    for claim in paper.CLAIMS:
        test = TESTS[claim.id]
        limits = test.limits(synthetic)
        try:
            found = test.of(frames, chance)
        except (KeyError, IndexError, ValueError):
            found = Found("nothing: the runs or systems that would say so are not there", UNTESTED)
        if benchmark.startswith(DRY):
            found = Found("nothing: a dry run has random weights", UNTESTED)
        prevented = [deviation for deviation in departures if claim.id in deviation.prevents]
        if prevented:
            found = replace(found, verdict=UNTESTED)
        cannot_say = ". ".join([limits.cannot_say, *(f"{d.id}: {d.expected_effect}" for d in prevented)])
        rows.append(
            {"claim_id": claim.id, "claim": claim.statement, "source": claim.source, "strength": claim.strength}
            | {"holds_in_paper": {True: "yes", False: "no", None: "not in its tables"}[claim.holds_in_paper]}
            | {"benchmark": benchmark, "measured": found.what, "unit": found.unit}
            | {"estimate": found.estimate, "estimate_low": found.low, "estimate_high": found.high}
            | {"more": found.more, "n": found.n or "", "bases": _bases(frames) or "", "seeds": found.seeds}
            | {"registered": predicted.get(claim.id, NO_PREDICTION), "rule": test.rule, "verdict": found.verdict}
            | {"smallest_effect": found.smallest_effect, "prevented_by": ", ".join(d.id for d in prevented)}
            | {"could_be_flipped_by": ", ".join(d.id for d in departures if claim.id in d.could_flip)}
            | {"cannot_say": cannot_say, "would_settle": limits.would_settle}
        )
    return pd.DataFrame(rows)


def _benchmark(frames: Frames) -> str:
    table = frames.get("table2")
    return ", ".join(sorted(set(table.benchmark))) if table is not None and len(table) else ""


def _is_synthetic(benchmark: str) -> bool:
    return "synthetic" in benchmark and not benchmark.startswith(DRY) or not benchmark


def _bases(frames: Frames) -> int:
    table = frames.get("table2")
    return 0 if table is None else table[table.stands_for == BASE].checkpoint.nunique()


def read(table: pd.DataFrame) -> pd.DataFrame:
    """The table for people: claim, source, paper, measured (n, bases, seeds, interval), registered, verdict, limits."""
    return pd.DataFrame(
        {
            "claim": [f"{row.claim} ({row.claim_id})" for row in table.itertuples()],
            "source": [f"{row.source} [{row.strength}]" for row in table.itertuples()],
            "in the paper's own table": table.holds_in_paper,
            measured_here(table): [_measured(row) for row in table.itertuples()],
            "registered prediction": table.registered,
            "it holds if": table.rule,
            "verdict": [_verdict_in_words(row) for row in table.itertuples()],
            "what it cannot say": table.cannot_say,
            "what would settle it": table.would_settle,
        }
    )


def measured_here(table: pd.DataFrame) -> str:
    """What the column of measurements is called in `read`, by what they were made on."""
    return MEASURED[not _is_synthetic(table.benchmark.iloc[0])]


def _measured(row) -> str:
    if pd.isna(row.estimate):
        return f"{row.measured}."
    return (
        f"{row.measured}: {_amount(row.estimate, row.unit)} [{_amount(row.estimate_low, row.unit, bare=True)}, "
        f"{_amount(row.estimate_high, row.unit, bare=True)}] ({row.more}). n = {row.n} a seed, bases: {row.bases}, "
        f"seeds: {row.seeds}."
    )


def _verdict_in_words(row) -> str:
    if row.verdict == OPEN and not pd.isna(row.smallest_effect):
        return f"{OPEN} (smallest detectable effect: {_size(row.smallest_effect, row.unit)})"
    if row.verdict == UNTESTED:
        return f"{UNTESTED} (prevented by: {row.prevented_by})" if row.prevented_by else UNTESTED
    return str(row.verdict)


def _size(value: float, unit: str) -> str:
    """7.1 points, or 10.0 tokens."""
    return f"{100 * value:.1f} points" if unit == "share" else f"{value:.1f} {unit}"


def _amount(value: float, unit: str, *, bare: bool = False) -> str:
    """+3.1 points, or +1.3 tokens."""
    number = f"{100 * value:+.1f}" if unit == "share" else f"{value:+.1f}"
    return number if bare else f"{number} {'points' if unit == 'share' else unit}"


# --- what follows ----------------------------------------------------------------------------------------------------


def sentences(table: pd.DataFrame) -> str:
    """The whole table in a few sentences: how many of each verdict and which, and what is behind those left open."""
    parts = []
    for name in VERDICTS:
        rows = table[table.verdict == name]
        listed = "; ".join(f"*{_lower(row.claim)}*{NOTED.get(row.claim_id, '')}" for row in rows.itertuples())
        if len(rows):
            parts.append(f"**{name}: {len(rows)} of {len(table)}.** {listed}.")
    own = table[table.holds_in_paper == "yes"]
    counts = f"{(own.verdict == HOLDS).sum()} holding {{}}, {(own.verdict == FAILS).sum()} not."
    parts.append(
        f"Of the {len(own)} claims that hold in the paper's own tables: "
        + (
            counts.format("in this synthetic world") + " That says how the method behaves here, and of no claim what "
            "happens on photographs."
            if _is_synthetic(table.benchmark.iloc[0])
            else counts.format(f"on {table.benchmark.iloc[0]}")
        )
    )
    predicted = (table.registered != NO_PREDICTION).sum()
    parts.append(
        "No prediction was registered before these runs, so every verdict is exploratory."
        if not predicted
        else f"{predicted} of {len(table)} claims had a prediction registered before the runs."
    )
    return "\n\n".join(parts)


def beside(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The verdicts of a run beside those of the published one, where they differ, with both intervals."""
    both = table.merge(published, on=["claim_id", "claim", "unit"], suffixes=("", "_published"))
    both = both[both.verdict != both.verdict_published]
    ends = [("", "this run"), ("_published", "published run")]
    columns = {"claim": both.claim + " (" + both.claim_id + ")"}
    for end, name in ends:
        columns[name] = pd.Series([_short(row, end) for row in both.itertuples()], index=both.index, dtype=object)
    return pd.DataFrame(columns)


def _short(row, end: str) -> str:
    value, low, high, verdict = (
        getattr(row, f"{name}{end}") for name in ("estimate", "estimate_low", "estimate_high", "verdict")
    )
    if pd.isna(value):
        return str(verdict)
    ends = f"[{_amount(low, row.unit, bare=True)}, {_amount(high, row.unit, bare=True)}]"
    return f"{verdict}: {_amount(value, row.unit)} {ends}"


def stability(differing: pd.DataFrame, claims: int) -> str:
    """What the comparison with the published run says about single verdicts."""
    if differing.empty:
        return f"All {claims} verdicts are those of the published run."
    return (
        f"{len(differing)} of {claims} verdicts differ from those of the published run. Where that is so, an interval "
        "ends near the edge of its rule, and neither run settles the claim."
    )


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def seeds_needed(smallest: float, runs: int, effect: float) -> int:
    """How many seeds a system tell `effect`, if `runs` seeds tell `smallest`, both with 80 % power; spread as seen.

    By t with both systems' seeds; the places' part, which more seeds do not shrink, is left out: a lower bound.
    """
    tail, power = (1 + seeds.LEVEL) / 2, seeds.POWER

    def factor(count: int) -> float:
        df = 2 * count - 2
        return float((t.ppf(tail, df) + t.ppf(power, df)) / np.sqrt(count))

    return next((n for n in range(2, 1000) if smallest * factor(n) / factor(runs) <= abs(effect)), 1000)


@dataclass(frozen=True)
class Experiment:
    """What would change our mind about `claims`, in which outcome, and what it costs."""

    what: str
    claims: str
    would_change: str
    cost: str


BASES, BASE_MINUTES = 10, 60  # of the arms, an hour of one core each as results/LOG.md timed it


def experiments(frames: Frames, seconds_a_seed: float, paper_gpu_hours: float) -> pd.DataFrame:
    """Three experiments, the nearest first; of photographs the two that are not of this world.

    seconds_a_seed: core-seconds of one seed's SFT and both GRPO runs; paper_gpu_hours: of one seed of the four systems
    at the paper's size (runs.plan).
    """
    claim = "GRPO after SFT is more accurate than GRPO alone"
    try:
        row = _row(frames["orderings"], claim=claim, decoding="greedy")
        runs = int(_row(frames["table2"], stands_for=ZERO).training_seeds)
        n = seeds_needed(row.smallest_effect, runs, row.paper_effect) if runs > 1 else 0
        size = f"{_size(row.paper_effect, 'share')}, the paper's difference"
    except (KeyError, IndexError):
        n, size = 0, "the paper's difference"
    synthetic = _is_synthetic(_benchmark(frames))
    each = f"{n * seconds_a_seed / 3600:.1f} core-hours" if synthetic else f"{n * paper_gpu_hours:,.0f} GPU hours"
    many = f"at least {n} seeds, {each}" if n else "at least ten seeds"
    hours = BASES * (seconds_a_seed / 3600 + BASE_MINUTES / 60)
    more_bases = Experiment(
        "the registered experiments (notebook 08) from more bases, and with what they leave out: GRPO after SFT with "
        "the tower trained, other rewards, other numbers of candidates, longer training",
        "transfer.base, theory.shortcut",
        "GRPO moves climate and distance up where a reader of true words shows that it could",
        f"{BASES} bases: {hours:.0f} core-hours an arm",
    )
    rows = [
        Experiment(
            f"the same arms with enough seeds to tell {size}",
            "pairing.sft_helps",
            "an interval on one side of zero",
            f"{many}; a lower bound, as more seeds do not shrink what places add",
        ),
        more_bases,
        Experiment(
            "the released checkpoint and our GRPO at the paper's size, on photographs, with either view blanked, and "
            "one protocol for every row of Table 1",
            "pairing.rl, transfer.base, transfer.supervised, length.zero_longer",
            "pairing without one view, a row of Table 1 that another protocol turns round, or lengths that swap",
            f"{paper_gpu_hours:,.0f} GPU hours a seed by arithmetic, nothing was measured",
        ),
    ]
    return pd.DataFrame([vars(row) for row in rows if synthetic or row is not more_bases])


def rounding_sentences(largest: int = 2000) -> str:
    """Can the paper's percentages be shares of whole questions? Table 1 of its 12,000, Table 2 of which sizes."""
    table = paper.rounding()
    impossible = table[table.possible_counts == 0]
    percents = [row.accuracy_percent for row in paper.TABLE2]
    sizes = paper.possible_sizes(percents, paper.TABLE2_DECIMALS, largest)
    one = (
        f"All {len(table)} percentages of Table 1 are possible shares of {paper.TABLE1_QUESTIONS:,} questions."
        if impossible.empty
        else f"Impossible of {paper.TABLE1_QUESTIONS:,} questions: "
        + ", ".join(f"{row.method} {row.column}" for row in impossible.itertuples()) + "."
    )  # fmt: skip
    if not sizes:
        return f"{one} Table 2's four cannot all be shares of one test set of up to {largest:,} questions."
    round_ones = [n for n in range(100, 1001, 100) if n not in sizes]
    not_these = f"; of the round sizes up to 1,000 not {', '.join(map(str, round_ones))}" if round_ones else ""
    return (
        f"{one} How many questions stand behind Table 2 is not published: if its four percentages are one pass each "
        f"over one and the same test set, this set has at least {min(sizes)} questions{not_these}."
    )
