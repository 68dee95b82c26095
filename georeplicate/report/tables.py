"""Tables: pure functions of predictions (rows as `runs.runner.predictions` gives them).

    table2          the four systems on the pairing question          geolocation     shares within 1 ... 2500 km
    orderings       does the paper's order of systems hold here?      zero_shot       country, climate and ground
    controls        what must stay at chance, and what else was tried zones           geolocation by climate group
    reward_modes    rewards as released against as described          changes         what GRPO moved, task by task
    faithfulness    is the thinking true of the world?                protocols       other decodings and readings
    failures        how wrong pairing answers came about              countries       geolocation by country
    cues            what is right about a wrong place

How shares, intervals and differences are computed is said in `evaluation.statistics`. Numbers of the synthetic world
are named as such in every row (`benchmark`) and caption.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from georeplicate import atlas, files, geo, paper
from georeplicate.evaluation import seeds
from georeplicate.evaluation.faithfulness import thoughts
from georeplicate.evaluation.metrics import median_km
from georeplicate.evaluation.statistics import Sample, adjusted, difference, measured, right, sample, verdict
from georeplicate.evaluation.trivial import TrivialBaselines, by_country
from georeplicate.mini import readings, wording
from georeplicate.tasks import answers

SYNTHETIC = (
    "Synthetic stand-in: mini models, trained and evaluated on pictures that were rendered from real metadata. The "
    "atlas renders, teaches and scores, so this says how well the renderer's cues are read, and nothing about "
    "photographs."
)
DRY = "dry run"  # how the benchmark of such a run begins: runs.dry
CHANCE_MARGIN = 0.06  # a control stays where it must if its interval ends no further above that than this
BLANKED = ("blank-panorama", "blank-tiles")  # must stay at chance
UNINFORMED = ("random-reward", "shuffled-pairing")  # pictures as they are: must stay where the base is
BASE, SFT, ZERO, R1 = ORDER = tuple(row.model for row in paper.TABLE2)  # the paper's spelling


# --- who answered ----------------------------------------------------------------------------------------------------


def systems(p: pd.DataFrame) -> Iterator[tuple[dict, pd.DataFrame]]:
    """(what names it, its rows) of each system: those of Table 2 in the paper's order, then the others."""
    for system in sorted(p.system.unique(), key=lambda name: (_rank(p, name), name)):
        rows = p[p.system == system]
        labels = {
            "system": system,
            "stands_for": rows.stands_for.iloc[0],
            "checkpoint": ", ".join(sorted(set(rows.checkpoint))),
            "benchmark": _benchmark(rows),
            "training_seeds": rows.training_seed.nunique(),
            "n": rows.id.nunique(),
        }
        yield labels, rows


def _benchmark(rows: pd.DataFrame) -> str:
    """What the rows are of, as their task calls it; several in alphabetical order."""
    return ", ".join(sorted(set(rows.benchmark.dropna())))


def is_dry(p: pd.DataFrame) -> bool:
    """Whether any of these predictions is of a dry run, by which nothing is measured."""
    return bool(p.benchmark.str.startswith(DRY, na=False).any())


def is_synthetic(p: pd.DataFrame) -> bool:
    """Whether any of these predictions is about the synthetic world; a dry run's rendered pictures stand for
    photographs."""
    return bool(p.benchmark.str.contains("synthetic", na=False).any()) and not is_dry(p)


def pictured(p: pd.DataFrame) -> str:
    """What kind of picture a place was named from in these predictions: on photographs it is the panorama."""
    return "street-level photo" if is_synthetic(p) else "panorama"


def _rank(p: pd.DataFrame, system: str) -> int:
    stands_for = p.stands_for[p.system == system].iloc[0]
    return ORDER.index(stands_for) if stands_for in ORDER else len(ORDER)


def _standing(p: pd.DataFrame) -> pd.DataFrame:
    """The rows of the four systems of Table 2."""
    return p[p.stands_for.isin(ORDER)]


def _tokens(rows: pd.DataFrame) -> Sample:
    return sample(rows, rows.completion_tokens)


def _format(rows: pd.DataFrame) -> Sample:
    return sample(rows, rows.format_ok.astype(bool))


def _within(km: float) -> Callable[[pd.DataFrame], Sample]:
    return lambda rows: sample(rows, rows.error_km <= km)


def _decoded(rows: pd.DataFrame, task: str, decoding: str) -> pd.DataFrame:
    return rows[(rows.task == task) & (rows.decoding == decoding)]


# --- the pairing question --------------------------------------------------------------------------------------------


def table2(p: pd.DataFrame) -> pd.DataFrame:
    """Table 2 of the paper, on stand-ins: accuracy greedy and at temperature 1; length and format greedy."""
    return table2_lines(_standing(p))


def table2_lines(p: pd.DataFrame) -> pd.DataFrame:
    """The columns of Table 2 for whoever was evaluated on the pairing question; empty where nobody was."""
    return pd.DataFrame([labels | _pairing(rows) for labels, rows in systems(_pairing_rows(p))])


def _pairing_rows(p: pd.DataFrame) -> pd.DataFrame:
    return p[p.task == "pairing"]


def _pairing(rows: pd.DataFrame) -> dict[str, float]:
    greedy, t1 = (_decoded(rows, "pairing", decoding) for decoding in ("greedy", "t1"))
    return {
        **measured("accuracy", right(greedy)),
        **measured("accuracy_t1", right(t1)),
        "completion_tokens": _tokens(greedy).value,
        "format_rate": _format(greedy).value,
    }


def orderings(p: pd.DataFrame) -> pd.DataFrame:
    """The paper's orderings, each as a difference between the systems that stand for them, paired by question.

    margin: the smallest difference of interest, set before the comparison: of lengths a tenth of the second's, of
    accuracies none. paper_effect: the paper's own difference, carried over (lengths by their ratio). smallest_effect:
    what these seeds and questions could have detected.
    """
    claims = (
        ("GRPO after SFT is more accurate than GRPO alone", "accuracy", right, R1, (ZERO,)),
        ("GRPO alone writes longer than GRPO after SFT", "completion_tokens", _tokens, ZERO, (R1,)),
        ("SFT writes longest", "completion_tokens", _tokens, SFT, (BASE, ZERO, R1)),
    )
    rows = []
    for decoding in ("greedy", "t1"):
        evaluated = {name: part for name, part in _standing(_decoded(p, "pairing", decoding)).groupby("stands_for")}
        for claim, measure, of, first, others in claims:
            if not {first, *others} <= evaluated.keys():
                continue
            here = {name: of(evaluated[name]) for name in (first, *others)}
            longest = max(others, key=lambda name: here[name].value)
            found = difference(here[first], *(here[name] for name in others))
            length = measure == "completion_tokens"
            margin = seeds.LENGTH_MARGIN * here[longest].value if length else 0.0
            rows.append(
                {"claim": claim, "benchmark": _benchmark(evaluated[first]), "decoding": decoding, "measure": measure}
                | {"first": evaluated[first].system.iloc[0], "second": evaluated[longest].system.iloc[0]}
                | {"first_value": here[first].value, "second_value": here[longest].value}
                | found
                | {"margin": margin if length else np.nan, "paper_effect": _papers(first, longest, here, length)}
                | {"verdict": verdict(found, margin=margin)}
            )
    return pd.DataFrame(rows)


def _papers(first: str, second: str, here: dict[str, Sample], length: bool) -> float:
    """The paper's difference between two systems: of accuracies as a share, of lengths in tokens of ours."""
    row = paper.table2().set_index("model")
    if not length:
        return float(row.accuracy_percent[first] - row.accuracy_percent[second]) / 100
    ratio = row.completion_length_tokens[first] / row.completion_length_tokens[second]
    return float((ratio - 1) * here[second].value)


def controls(p: pd.DataFrame) -> pd.DataFrame:
    """Every run that is none of Table 2's, with GRPO alone for comparison; stays: "yes" or "no" where one must.

    With either view blanked a policy must stay at chance; with a reward that says nothing, at chance or where the base
    is, if that is higher. It stays if both intervals, greedy and at temperature 1, end no further above that
    (`reference`, `reference_t1`) than CHANCE_MARGIN; without an evaluated base the reference is chance.
    answered_A ... are the shares of the letters among greedy answers: a policy that always answers one letter has that
    letter's share of the questions as its accuracy. Staying then says that training found no leak, not that there is
    none.
    """
    evaluated = _pairing_rows(p)
    base, rows = evaluated[evaluated.stands_for == BASE], []
    start = _pairing(base) if len(base) else {"accuracy": 0.0, "accuracy_t1": 0.0}
    for labels, part in systems(evaluated[~evaluated.stands_for.isin(ORDER) | (evaluated.stands_for == ZERO)]):
        found, limits, stays = _pairing(part), {"reference": np.nan, "reference_t1": np.nan}, ""
        if labels["system"].endswith((*BLANKED, *UNINFORMED)):
            blanked, chance = labels["system"].endswith(BLANKED), part.chance.iloc[0]
            ends = {"reference": "accuracy", "reference_t1": "accuracy_t1"}
            limits = {name: chance if blanked else max(chance, start[of]) for name, of in ends.items()}
            above = max(found[f"{of}_high"] - limits[name] for name, of in ends.items())
            stays = "yes" if above <= CHANCE_MARGIN + 1e-9 else "no"
        rows.append(labels | found | limits | {"stays": stays} | _letters(part))
    return pd.DataFrame(rows)


def _letters(rows: pd.DataFrame) -> dict[str, float]:
    """{answered_A: share of greedy answers, ...}; what is missing to 1 could not be read."""
    greedy = _decoded(rows, "pairing", "greedy").choice
    return {f"answered_{letter}": float((greedy == letter).mean()) for letter in wording.LETTERS}


def reward_modes(p: pd.DataFrame) -> pd.DataFrame:
    """GRPO from the base under the rewards as released against as described, both with the length reward: accuracy,
    length, format; paired."""
    rows = []
    for decoding in ("greedy", "t1"):
        evaluated = _decoded(p, "pairing", decoding)
        paper_mode, released = (
            evaluated[evaluated.system.str.endswith(end)] for end in ("Zero-length", "Zero-released")
        )
        if not (len(paper_mode) and len(released)):
            continue
        for measure, of in (("accuracy", right), ("completion_tokens", _tokens), ("format_rate", _format)):
            one, other = of(released), of(paper_mode)
            found = difference(one, other)
            rows.append(
                {"measure": measure, "benchmark": _benchmark(released), "decoding": decoding}
                | {"training_seeds": len(one.seeds), **measured("released", one), **measured("paper", other)}
                | found
                | {"verdict": verdict(found, "released higher", "released lower")}
            )
    return pd.DataFrame(rows)


def protocols(p: pd.DataFrame) -> pd.DataFrame:
    """The same answers under other settings of what papers rarely state; `ours` marks the setting of all other tables.

    decoding: greedy, or sampled at temperature 1. reading: any unambiguous letter, a letter in the required form only,
    or the official code's rule. unread: an answer that cannot be read is wrong, or dropped from the denominator.
    """
    rows = []
    for labels, part in systems(_standing(p)):
        greedy, t1 = (_decoded(part, "pairing", decoding) for decoding in ("greedy", "t1"))
        settings = _letter_protocols(greedy, t1) if len(greedy) and len(t1) else []
        located = _decoded(part, "geolocation", "greedy")
        if len(located):
            near = located.error_km <= 750
            settings += [
                ("within 750 km", "unread", "wrong", True, sample(located, near)),
                ("within 750 km", "unread", "dropped", False, sample(located, near, located.error_km.notna())),
            ]
        for measure, switch, setting, ours, found in settings:
            row = {"measure": measure, "switch": switch, "setting": setting, "ours": ours}
            rows.append(row | labels | measured("share", found))
    return pd.DataFrame(rows)


def _letter_protocols(greedy: pd.DataFrame, t1: pd.DataFrame) -> list[tuple[str, str, str, bool, Sample]]:
    """(measure, switch, setting, whether it is ours, share) of the pairing question."""
    correct = greedy.choice == greedy.truth
    official = [answers.parse_choice(text, "released") for text in greedy.text]
    official = [getattr(given, "letter", "") for given in official] == greedy.truth
    return [
        ("right letter", "decoding", "greedy", True, right(greedy)),
        ("right letter", "decoding", "temperature 1", False, right(t1)),
        ("right letter", "reading", "any letter", True, right(greedy)),
        (
            "right letter",
            "reading",
            "right form only",
            False,
            sample(greedy, correct & greedy.format_ok.astype(bool)),
        ),
        ("right letter", "reading", "official code", False, sample(greedy, official)),
        ("right letter", "unread", "wrong", True, right(greedy)),
        ("right letter", "unread", "dropped", False, sample(greedy, correct, greedy.choice != "")),
    ]


# --- the thinking ----------------------------------------------------------------------------------------------------

# what may be believed: column, its counts, what they are counted of (in predictions)
THINKING = {
    "words_true": ("words_true", "words"),
    "verdicts_follow": ("verdicts_follow", "verdicts"),
    "answer_follows": ("answer_follows", None),
}


def _thinking(rows: pd.DataFrame, name: str) -> Sample:
    counted, possible = THINKING[name]
    return sample(rows, rows[counted], rows[counted].notna() if possible is None else rows[possible])


def faithfulness(p: pd.DataFrame) -> pd.DataFrame:
    """Is what was written while thinking true, does the verdict follow from the words and the answer from the verdict?

    Shares of all that was said: described words that are true of the picture spoken of; verdicts that follow from the
    words before them; answers that are the last letter called `match` (among answers that called one).
    """
    rows = []
    for decoding in ("greedy", "t1"):
        for labels, part in systems(_standing(_decoded(p, "pairing", decoding))):
            row = labels | {"decoding": decoding}
            for name in THINKING:
                row |= measured(name, _thinking(part, name))
            row["words_per_answer"] = sample(part, part.words).value
            row["verdicts_per_answer"] = sample(part, part.verdicts).value
            rows.append(row)
    return pd.DataFrame(rows)


FAILURES = (
    "no letter can be read",
    "no tile was called a match",
    "another letter than the tile called a match",
    "a match although its own words differ",
    "a match as its own words agree",
)


def failure(text: str, choice: str) -> str:
    """How a wrong answer to a pairing question came about, by what it says itself: one of FAILURES."""
    described = thoughts(text, wording.WORDING)
    place = next((words for name, words, _ in described if name == "place"), {})
    matches = [(name, words) for name, words, verdict in described if verdict == wording.MATCH]
    if not choice or not matches:
        return FAILURES[0 if not choice else 1]
    name, words = matches[-1]
    differ = any(words[kind] != place[kind] for kind in words.keys() & place.keys())
    return FAILURES[2 if name != choice else 3 if differ else 4]


def failures(p: pd.DataFrame) -> pd.DataFrame:
    """Shares of all greedy answers that are wrong in each of the FAILURES; with the accuracy they add up to 1.

    A match as its own words agree is an honest one: some word was read wrongly, or two places are alike in words.
    """
    rows = []
    for labels, part in systems(_decoded(_standing(p), "pairing", "greedy")):
        wrong = part.choice != part.truth
        kinds = pd.Series([failure(row.text, row.choice) for row in part.itertuples()], index=part.index)
        for kind in FAILURES:
            rows.append(labels | {"failure": kind} | measured("share", sample(part, wrong & (kinds == kind))))
    return pd.DataFrame(rows)


# --- the places ------------------------------------------------------------------------------------------------------

LOCATED = ("geolocation", "aerial")
PART_KM = (750, 2500)
CUES = ("hemisphere", "climate", "script", "driving_side", "region")
# Who was trained on a task. Where no stage had the question, the words of its answer were still practised.
TAUGHT = {
    "geolocation": "base and SFT",
    "aerial": "nobody (its words: base and SFT)",
    "climate": "nobody (its words: base and SFT)",
    "ground": "nobody (its words: base and SFT)",
}


def geolocation(p: pd.DataFrame, baselines: TrivialBaselines) -> pd.DataFrame:
    """Shares of places located within 1 ... 2500 km, in seen and unseen countries; two trivial baselines below.

    An answer without a place is wrong at every distance and infinitely far. The best constant guess is another place
    in each column, the one that served that column best on the validation places; it has no row where `baselines` hold
    no constants.

    Strict columns refuse an answer that names two places; `first_` columns read the first place that it names.
    well_formed is the share in the required format (thinking, then one answer).
    """
    rows = []
    for task in LOCATED:
        evaluated = _decoded(_standing(p), task, "greedy")
        for labels, part in systems(evaluated):
            for countries, chosen in by_country(part):
                rows.append(_located(labels | {"task": task, "countries": countries}, chosen))
        if not len(evaluated):
            continue
        places = evaluated.drop_duplicates("id").sort_values("id")
        for countries, chosen in by_country(places):
            labels = {"stands_for": "", "checkpoint": "", "benchmark": _benchmark(chosen)}
            labels |= {"task": task, "countries": countries}
            rows += [name | labels | found for name, found in trivial_guesses(chosen, baselines, countries=countries)]
    order = ["system", "stands_for", "checkpoint", "benchmark", "task", "countries", "training_seeds", "n"]
    return pd.DataFrame(rows).pipe(lambda t: t[order + [c for c in t if c not in order]] if len(t) else t)


def _located(labels: dict, rows: pd.DataFrame) -> dict:
    row = labels | {"n": rows.id.nunique()}
    for km in geo.THRESHOLDS_KM:
        row |= measured(f"acc_{km}km", _within(km)(rows))
    row["median_km"] = median(rows.error_km)
    row |= measured("country_accuracy", right(rows))
    row["answered"] = sample(rows, rows.pred_lat.notna()).value
    return row | measured("well_formed", _format(rows)) | _first_named(rows)


def _first_named(rows: pd.DataFrame) -> dict[str, float]:
    """The same answers by the first place that each of them names (readings.first_place)."""
    named = measured("first_country_accuracy", _first_right(rows))
    for km in PART_KM:
        named |= measured(f"first_acc_{km}km", _first_within(km)(rows))
    named["first_median_km"] = median(readings.first_places(rows).error_km)
    return named | {"first_answered": sample(rows, readings.first_places(rows).choice != "").value}


def _first_right(rows: pd.DataFrame) -> Sample:
    return right(rows, readings.first_places(rows).choice)


def _first_within(km: float) -> Callable[[pd.DataFrame], Sample]:
    return lambda rows: sample(rows, readings.first_places(rows).error_km <= km)


def median(km: ArrayLike) -> float:
    """Median error to the metre; an answer without a place is infinitely far."""
    return float(np.round(median_km(km), 3))


LAND, CONSTANT = "random land point", "best constant guess"


def trivial_guesses(
    places: pd.DataFrame, baselines: TrivialBaselines, limits_km=geo.THRESHOLDS_KM, *, countries: str = "all"
) -> list[tuple[dict[str, str], dict]]:
    """[({"system": name}, its columns)] of the two trivial baselines on these places, one row each; the constant guess
    is left out where there is none for these countries."""
    found = [({"system": LAND}, random_land_guess(places, baselines.land, limits_km))]
    if len(constant := baselines.constants(countries)):
        found.append(({"system": CONSTANT}, constant_guess(places, constant, limits_km)))
    return found


def random_land_guess(places: pd.DataFrame, land: pd.DataFrame, limits_km=geo.THRESHOLDS_KM) -> dict:
    """Averaged over all land points, each of them guessed at every place."""
    places = places.assign(training_seed=0)
    lat, lon = places[["lat", "lon"]].to_numpy(float).T[..., None]
    km = geo.haversine_km(lat, lon, land.lat.to_numpy(), land.lon.to_numpy())
    row: dict[str, float] = {"training_seeds": 1, "n": len(places)}
    for limit in limits_km:
        row |= measured(f"acc_{limit}km", sample(places, (km <= limit).sum(1), len(land)))
    row["median_km"] = median(km.ravel())
    same = (places.truth.to_numpy()[:, None] == land.country.to_numpy()).sum(1)
    return row | measured("country_accuracy", sample(places, same, len(land))) | {"answered": 1.0}


def constant_guess(places: pd.DataFrame, constant: pd.DataFrame, limits_km=geo.THRESHOLDS_KM) -> dict:
    """The same of one place for all, another for each column. constant: by measure, as `TrivialBaselines.constants`."""
    places = places.assign(training_seed=0)
    km = {m: geo.haversine_km(places.lat, places.lon, *constant.loc[m, ["lat", "lon"]]) for m in constant.index}
    row: dict[str, float] = {"training_seeds": 1, "n": len(places)}
    for limit in limits_km:
        row |= measured(f"acc_{limit}km", sample(places, km[limit] <= limit))
    row["median_km"] = median(km["median"])
    correct = places.truth == constant.loc["country", "country"]
    return row | measured("country_accuracy", sample(places, correct)) | {"answered": 1.0}


def trivial_errors(places: pd.DataFrame, baselines: TrivialBaselines) -> dict[str, np.ndarray]:
    """{what: errors in km} of guesses that look at no picture: every land point at every place, and, where there is
    one, the place with the least median error on validation places, guessed for all."""
    places = places.drop_duplicates("id").sort_values("id")
    lat, lon = places[["lat", "lon"]].to_numpy(float).T
    anywhere = geo.haversine_km(
        lat[:, None], lon[:, None], baselines.land.lat.to_numpy(), baselines.land.lon.to_numpy()
    )
    found = {LAND: np.asarray(anywhere).ravel()}
    if len(constant := baselines.constants()):
        best = constant.loc["median"]
        found[CONSTANT] = np.asarray(geo.haversine_km(lat, lon, best.lat, best.lon))
    return found


def zones(p: pd.DataFrame, baselines: TrivialBaselines) -> pd.DataFrame:
    """Geolocation by climate group, beside the trivial baselines on the same places."""
    return _by_part(p, "zone", p[p.task == "climate"].drop_duplicates("id").set_index("id").truth, baselines)


def countries(p: pd.DataFrame, baselines: TrivialBaselines) -> pd.DataFrame:
    """The same by true country. Most rows rest on a few places of one city: to be looked up, not to be ranked."""
    return _by_part(p, "country", p[p.task == "geolocation"].drop_duplicates("id").set_index("id").truth, baselines)


def _by_part(p: pd.DataFrame, name: str, part_of: pd.Series, baselines: TrivialBaselines) -> pd.DataFrame:
    """part_of: place id -> the part it belongs to; places without one are left out."""
    evaluated = _decoded(_standing(p), "geolocation", "greedy")
    evaluated = evaluated.assign(part=evaluated.id.map(part_of)).dropna(subset="part")
    blank_labels = {"stands_for": "", "checkpoint": "", "benchmark": _benchmark(evaluated)}
    rows = []
    for part, here in evaluated.groupby("part"):
        for labels, located in systems(here):
            row = {name: part} | labels
            for km in PART_KM:
                row |= measured(f"acc_{km}km", _within(km)(located))
            rows.append(row | {"median_km": median(located.error_km)} | measured("country_accuracy", right(located)))
        places = here.drop_duplicates("id").sort_values("id")
        for system, found in trivial_guesses(places, baselines, PART_KM):
            rows.append({name: part} | system | blank_labels | found)
    return pd.DataFrame(rows).drop(columns="answered", errors="ignore")


def cues(p: pd.DataFrame) -> pd.DataFrame:
    """What a wrong answer has right: among answers naming a wrong country, the share whose place agrees with the true
    one in a cue, beside `at_random`, the share if these answers were dealt out among their places (never a right
    country).

    wrong_countries: how many answers that is, of all seeds. Climates are compared by group, regions as the UN has them.
    """
    rows = []
    for labels, part in systems(_decoded(_standing(p), "geolocation", "greedy")):
        true, named = (
            atlas.describe(part[f"{end}lat"].to_numpy(float), part[f"{end}lon"].to_numpy(float), atlas.NOON)
            for end in ("", "pred_")
        )
        truth, choice = part.truth.to_numpy(str), part.choice.to_numpy(str)
        wrong = named.valid & (truth != choice)
        dealt = wrong[:, None] & wrong & (truth[:, None] != choice)  # (place, answer)
        for cue in CUES:
            there, named_there = (
                getattr(facts, cue).astype("U1" if cue == "climate" else str) for facts in (true, named)
            )
            agree = measured("agree", sample(part, wrong & (there == named_there), wrong))
            at_random = (dealt & (there[:, None] == named_there)).sum() / dealt.sum() if dealt.any() else np.nan
            rows.append(
                labels | {"cue": cue, "wrong_countries": int(wrong.sum())} | agree | {"at_random": float(at_random)}
            )
    return pd.DataFrame(rows)


def zero_shot(p: pd.DataFrame, baselines: TrivialBaselines) -> pd.DataFrame:
    """The right country (of a picture from the street, of a tile), climate and vegetation, beside a constant answer.

    Of places also by the first place named (`first_accuracy`) and how many answers are well formed. `taught` says who
    was trained on a task. The constant answer is the commonest of the validation places; without them there is none.
    """
    commonest = dict(baselines.commonest)
    if len(constant := baselines.constants()):
        commonest |= dict.fromkeys(LOCATED, constant.loc["country", "country"])
    rows = []
    for task, taught in TAUGHT.items():
        evaluated = _standing(p[p.task == task])
        if not len(evaluated):
            continue
        for labels, part in systems(evaluated):
            row = {"task": task, "taught": taught} | labels | measured("accuracy", right(part))
            if task in LOCATED:
                row |= measured("first_accuracy", _first_right(part)) | measured("well_formed", _format(part))
            rows.append(row)
        if task not in commonest:
            continue
        places = evaluated.drop_duplicates("id").assign(training_seed=0)
        named = atlas.country_name(commonest[task]) if task in LOCATED else commonest[task]
        labels = {"system": f"always {named}", "stands_for": "", "checkpoint": "", "benchmark": _benchmark(places)}
        found = measured("accuracy", sample(places, places.truth == commonest[task]))
        rows.append({"task": task, "taught": ""} | labels | {"training_seeds": 1, "n": len(places)} | found)
    return pd.DataFrame(rows)


def changes(p: pd.DataFrame) -> pd.DataFrame:
    """What GRPO on pairing moved: after minus before, paired by question, and by seed where it went on from SFT.

    Places are read strictly and by the first place named. Whether the thinking moved is counted in the words of the
    synthetic world, so photographs have no such line. p_holm: the p value adjusted for all lines of the table.
    """
    measures: list[tuple[str, str, str, str, Callable[[pd.DataFrame], Sample]]]
    measures = [("pairing", "right letter", "greedy", "GRPO", right)]
    for task in LOCATED:
        measures.append((task, "right country", "greedy", TAUGHT[task], right))
        measures += [(task, f"within {km} km", "greedy", TAUGHT[task], _within(km)) for km in PART_KM]
    task, taught = LOCATED[0], TAUGHT[LOCATED[0]]
    measures.append((task, "right country, first place named", "greedy", taught, _first_right))
    measures.append((task, "within 2500 km, first place named", "greedy", taught, _first_within(2500)))
    measures.append((task, "well formed", "greedy", "base and SFT", _format))
    measures += [(task, "right word", "forced", TAUGHT[task], right) for task in ("climate", "ground")]
    if is_synthetic(p):
        for name, what in zip(THINKING, ("words that are true", "verdicts that follow", "answers that follow")):
            measures.append(("thinking", what, "greedy", "base", partial(_thinking, name=name)))
    rows = []
    for before, after in ((BASE, ZERO), (SFT, R1)):
        for task, measure, decoding, taught, of in measures:
            evaluated = _decoded(p, "pairing" if task == "thinking" else task, decoding)
            one, other = evaluated[evaluated.stands_for == before], evaluated[evaluated.stands_for == after]
            if not (len(one) and len(other)):
                continue
            start, end = of(one), of(other)
            found = difference(end, start, same_seeds=start.seeds == end.seeds and before == SFT)
            rows.append(
                {"task": task, "measure": measure, "taught": taught, "benchmark": _benchmark(other)}
                | {"before": one.system.iloc[0], "after": other.system.iloc[0]}
                | {"before_value": start.value, "after_value": end.value}
                | found
                | {"verdict": verdict(found, "higher", "lower")}
            )
    return adjusted(rows)


# --- on paper --------------------------------------------------------------------------------------------------------


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """A table as text for readers: intervals beside their values, shares with three digits."""
    out = {}
    for name in frame:
        stem = "difference" if name in ("low", "high") and "difference" in frame else name.rpartition("_")[0]
        if name in ("low", "high") or name.endswith(("_low", "_high")) and stem in frame:
            continue
        low, high = ("low", "high") if name == "difference" else (f"{name}_low", f"{name}_high")
        text = [_text(value, name) for value in frame[name]]
        if low in frame:
            ends = ([_text(value, name) for value in frame[end]] for end in (low, high))
            text = [f"{v} [{a}, {b}]" if v else "" for v, a, b in zip(text, *ends)]
        out[name] = text
    return pd.DataFrame(out)


_SPELT = ("two", "three", "four", "five", "six", "seven", "eight", "nine")


def spelt(n: int) -> str:
    """A count in a sentence: small ones as words."""
    return _SPELT[n - 2] if 2 <= n < 2 + len(_SPELT) else str(n)


def _text(value, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, int | np.integer):
        return str(value)
    if np.isinf(value):
        return "none"
    if name.startswith("p_"):
        return "< 0.001" if value < 0.001 else f"{value:.3f}"
    return f"{value:.0f}" if name.endswith("_km") else f"{value:.1f}" if abs(value) > 1 else f"{value:.3f}"


def _width_cm(column: pd.Series) -> float:
    """Of a column of sentences: enough for its longest one in some eight lines."""
    return float(np.clip(column.str.len().max() / 40, 1.6, 7.0))


def _latex(caption: str) -> str:
    """A caption as LaTeX reads it; what Markdown sets between backticks is typewriter text."""
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", re.sub(r"([%_&#$])", r"\\\1", caption))


def write(
    frame: pd.DataFrame,
    stem: str | Path,
    caption: str = "",
    *,
    synthetic: bool = True,
    prose: pd.DataFrame | None = None,
) -> list[Path]:
    """`stem`.csv with all digits, and .md and .tex for readers; synthetic: their caption ends by saying so.

    prose: what readers get instead of the frame `shown`: whole sentences, whose columns LaTeX breaks into lines.
    The LaTeX table wants the packages booktabs and graphicx.
    """
    stem, caption = Path(stem), f"{caption} {SYNTHETIC if synthetic else ''}".strip()
    text = shown(frame) if prose is None else prose
    lines = None if prose is None else "".join(f"p{{{_width_cm(prose[name]):.1f}cm}}" for name in prose)
    latex = text.rename(columns=lambda name: name.replace("_", " ")).to_latex(
        index=False,
        escape=True,
        column_format=lines,
        caption=_latex(caption),
        label=f"tab:{stem.name}",
        position="htbp",
    )
    for edge, fitted in (
        (r"\begin{tabular}", "\\resizebox{\\textwidth}{!}{%\n\\begin{tabular}"),
        (r"\end{tabular}", "\\end{tabular}}"),
    ):
        latex = latex.replace(edge, fitted)
    return [
        files.write_csv(stem.with_suffix(".csv"), frame),
        files.write_bytes(stem.with_suffix(".md"), f"{caption}\n\n{paper.markdown(text)}".encode()),
        files.write_bytes(stem.with_suffix(".tex"), latex.encode()),
    ]
