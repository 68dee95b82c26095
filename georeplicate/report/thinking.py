"""Tables about what answers say while thinking: what is rule, what is perception, what varies at all.

    by_verdicts     Table 2 read by each text's own verdicts instead of its letter (readings.by_verdicts)
    decomposition   the gain of GRPO, split into the answering rule and what is said
    words           are described words true? raw, and at the base's mix of (view, attribute)
    what_varies     words of geography thoughts: does a word differ from place to place, and is it true?

`words` and `what_varies` need what is true of the pictures (`of_world`), which no prediction holds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
import pandas as pd
from datasets import Dataset

from georeplicate import atlas, pairs
from georeplicate.engine import template
from georeplicate.evaluation import seeds, statistics
from georeplicate.mini import inputs, readings, wording
from georeplicate.mini.wording import WORDING
from georeplicate.profiles import Profile
from georeplicate.report import tables
from georeplicate.world import cues

READ = "read by its verdicts"
DECODINGS = ("greedy", "t1")
FEWEST = 100  # words a system must say of a (view, attribute) before its share of true ones stands for that cell


# --- the answering rule ----------------------------------------------------------------------------------------------


def by_verdicts(p: pd.DataFrame) -> pd.DataFrame:
    """Rows as tables.table2, of the same answers read by their own verdicts; `stands_for` is empty, as nobody in the
    paper's table is read so."""
    evaluated = readings.read_by_verdicts(p[(p.task == "pairing") & p.stands_for.isin(tables.ORDER)])
    table = tables.table2(evaluated)
    return table.assign(system=table.system + f", {READ}", stands_for="") if len(table) else table


def decomposition(p: pd.DataFrame) -> pd.DataFrame:
    """The gain of GRPO in three steps that add up, each a difference of shares of right answers with its interval.

    answering rule     before, read by its verdicts, minus before, by its letter: what answering as one's own text says
                       would gain without any training
    what is said       after minus before, both read by their verdicts: better words, better verdicts, in what order
    letters beyond     after, by its letter, minus after, read by its verdicts
    """
    rows = []
    for decoding in DECODINGS:
        evaluated = p[(p.task == "pairing") & (p.decoding == decoding)]
        for before, after in ((tables.BASE, tables.ZERO), (tables.SFT, tables.R1)):
            one, other = (evaluated[evaluated.stands_for == name] for name in (before, after))
            if not (len(one) and len(other)):
                continue
            start, end = statistics.right(one), statistics.right(other)
            ruled, labels = (statistics.right(readings.read_by_verdicts(part)) for part in (one, other))
            follows = before == tables.SFT and start.seeds == end.seeds
            for step, first, second, together in (
                ("answering rule", ruled, start, True),
                ("what is said", labels, ruled, follows),
                ("letters beyond", end, labels, True),
                ("all", end, start, follows),
            ):
                found = tables.difference(first, second, same_seeds=together)
                rows.append(
                    {"before": one.system.iloc[0], "after": other.system.iloc[0], "benchmark": other.benchmark.iloc[0]}
                    | {"decoding": decoding, "step": step, "from_value": second.value, "to_value": first.value}
                    | found
                    | {"verdict": tables.verdict(found, "higher", "lower")}
                )
    return pd.DataFrame(rows)


# --- what is true of the pictures ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """shown: question id -> the true words of the panorama and of each tile, in order. facts: place id ->
    {attribute: true word} of the place and of its words."""

    shown: dict[str, list[tuple[str, ...]]]
    facts: dict[str, dict[str, str]]

    @property
    def words(self) -> dict[str, tuple[str, ...]]:
        """Place id -> its true words, in the order of the wording."""
        return {place: tuple(facts[kind] for kind in WORDING.words) for place, facts in self.facts.items()}


def of_world(p: pd.DataFrame, split: str = "test") -> Truth | None:
    """What is true of the places and questions of these predictions; None where no profile of the world asks them.

    Questions are made again (without rendering) and accepted only if every right letter is the recorded one.
    """
    evaluated = p[p.task == "pairing"].drop_duplicates("id").set_index("id").truth
    for name in Profile.names:
        profile = Profile.get(name)
        if profile.source != "world" or not len(evaluated):
            continue
        sites, questions = questions_of(profile, split)
        if set(evaluated.index) <= questions.keys() and all(
            questions[q][0] == letter for q, letter in evaluated.items()
        ):
            labels = inputs.true_words(sites)
            shown = {q: [labels[site] for site in (q, *questions[q][1])] for q in evaluated.index}
            facts = {site.id: _facts(site, labels[site.id]) for site in sites.itertuples()}
            return Truth(shown, facts)
    return None


@cache
def questions_of(profile: Profile, split: str) -> tuple[pd.DataFrame, dict[str, tuple[str, list[str]]]]:
    """(sites of a split, {question id: (right letter, ids of the candidates)}) of a profile."""
    sites = inputs.sites(profile, split)
    columns = {name: sites[name].tolist() for name in ("id", "area", "lat", "lon")}
    rows = Dataset.from_dict(columns | {"aerial": [{"path": f"{name}.png"} for name in sites.id]})
    made = pairs.questions(rows, k=profile.k, negatives=profile.negatives, seed=0)
    return sites, {row["id"]: (row["letter"], row["candidate_ids"]) for row in made}


def _facts(site, described: tuple[str, ...]) -> dict[str, str]:
    """{attribute: word} that is true of a site; absent where nothing is true (no sun at night)."""
    # the few fields that are read of Facts are also columns of a site, or added by _Facts
    seen, known = template.fact_words(cast(atlas.Facts, _Facts(site)))
    true = {FACT_KINDS[word]: word for word in (*seen, *known, wording.region_word(site.region)) if word}
    return true | dict(zip(WORDING.words, described, strict=True))


class _Facts:
    """A row of world.sites as template.fact_words reads facts."""

    def __init__(self, site):
        self.site = site
        self.hemisphere = "north" if site.lat >= 0 else "south"

    def __getattr__(self, name: str):
        return getattr(self.site, name)


FACT_KINDS = {word: kind for kind, words in template.FACT_WORDS.items() for word in words}
FACT_KINDS |= {wording.region_word(name): "region" for name in cues.SUBREGIONS}
# {word: its attribute} of all that a geography thought can say: facts first, then what is seen.
KINDS = FACT_KINDS | WORDING.attribute_of


# --- are the words true? ---------------------------------------------------------------------------------------------


def words(p: pd.DataFrame, truth: Truth | None) -> pd.DataFrame:
    """Described words that are true, raw and standardised to the base's mix of (view, attribute).

    A policy that stops saying what it gets wrong looks more truthful without seeing better (Simpson's paradox). So each
    cell's share of true words is weighted as in the base's answers. Cells in which a system says fewer than FEWEST
    words have no share: they are left out on both sides, `base_standardised` is the base over the same cells, and
    `covered` the part of the base's words in them. difference: standardised minus base_standardised, paired by place.

    Empty without the truth, without a base, or where recounted words differ from the counts in the predictions.
    """
    if truth is None:
        return pd.DataFrame()
    rows = []
    for decoding in DECODINGS:
        evaluated = p[(p.task == "pairing") & (p.decoding == decoding) & p.stands_for.isin(tables.ORDER)]
        if not (evaluated.stands_for == tables.BASE).any():
            continue
        counted = {}
        for name, part in evaluated.groupby("stands_for"):
            found = cells(part, truth)
            if found is None:
                return pd.DataFrame()
            counted[name] = found
        start = counted[tables.BASE]
        for labels, part in tables.systems(evaluated):
            mine = counted[labels["stands_for"]]
            standardised = at_mix(mine, start)
            if standardised is None:
                continue
            value, base_value, covered = standardised
            raw = tables.measured("words_true", tables.sample(part, part.words_true, part.words))
            rows.append(
                labels | {"decoding": decoding} | raw
                | {"standardised": value[0], "base_standardised": base_value[0]}
                | _difference(value, base_value, labels["stands_for"] == tables.BASE)
                | {"covered": covered}
                | {f"share_{kind}": _share(mine, kind) for kind in WORDING.words}
            )  # fmt: skip
    return pd.DataFrame(rows)


Cells = dict[tuple[str, str], tables.Sample]


def at_mix(mine: Cells, base: Cells) -> tuple[tuple[float, np.ndarray], tuple[float, np.ndarray], float] | None:
    """(share of true words at the base's mix, the base's over the same cells, the part of the base's words in them);
    None where no cell has FEWEST words.

    A share comes with (seeds, places) residuals whose mean varies as it does."""
    mix = pd.Series({cell: float(found.possible.sum()) for cell, found in base.items()})
    kept = [cell for cell in mix.index if cell in mine and mine[cell].possible.sum() >= FEWEST]
    if not kept:
        return None
    weights = mix[kept] / mix[kept].sum()
    return _standardised(mine, weights), _standardised(base, weights), float(mix[kept].sum() / mix.sum())


def cells(rows: pd.DataFrame, truth: Truth) -> Cells | None:
    """{(view, attribute): true words of words said}; None where the sums are not those of the predictions."""
    counts: dict[tuple[str, str], dict[str, list[int]]] = {}
    for i, row in enumerate(rows.itertuples()):
        for view, kind, true in readings.described(row.text, truth.shown.get(row.id, ())):
            cell = counts.setdefault((view, kind), {"said": [0] * len(rows), "true": [0] * len(rows)})
            cell["said"][i] += 1
            cell["true"][i] += true
    for name, column in (("said", "words"), ("true", "words_true")):
        if sum(sum(cell[name]) for cell in counts.values()) != rows[column].sum():
            return None
    return {cell: tables.sample(rows, found["true"], found["said"]) for cell, found in sorted(counts.items())}


def _standardised(found: dict, weights: pd.Series) -> tuple[float, np.ndarray]:
    """(weighted share, its residuals)."""
    value = sum(w * found[cell].value for cell, w in weights.items())
    return float(value), sum(w * found[cell].cells() for cell, w in weights.items())


def _difference(mine: tuple, theirs: tuple, itself: bool) -> dict[str, float]:
    gap = mine[0] - theirs[0]
    if itself:
        return dict.fromkeys(("difference", "low", "high", "p_value", "smallest_effect"), np.nan)
    return statistics.by_spread(gap, seeds.versus(mine[1], theirs[1]))


def _share(cells: dict, kind: str) -> float:
    """The part of all words that speak of this attribute."""
    labels = {cell: found.possible.sum() for cell, found in cells.items()}
    return float(sum(n for (_, of), n in labels.items() if of == kind) / sum(labels.values()))


# --- what varies in geography thoughts? ------------------------------------------------------------------------------


def what_varies(p: pd.DataFrame, truth: Truth | None) -> pd.DataFrame:
    """The words of thoughts about a street-level photo, attribute by attribute, against a constant word.

    answers_saying     share of all answers that say a word of the attribute
    commonest, commonest_share   the commonest word, and its share among those words: 1 says that nothing was read
    true, true_low, true_high    share of those words that are true of the place
    commonest_true     share of the same places of which the commonest word is true: what repeating it would reach
    best_constant      the same of the word that is true of most of these places: no constant reaches more
    above_constant     "yes" where the whole interval of `true` lies above that, "no" where not, "" if it never varies
    contradicts_answer  of the driving side: share of answers whose named place drives on the other side
    Systems that answer without thinking have no row.
    """
    if truth is None:
        return pd.DataFrame()
    rows = []
    evaluated = p[(p.task == "geolocation") & (p.decoding == "greedy") & p.stands_for.isin(tables.ORDER)]
    for system, part in tables.systems(evaluated):
        thoughts = [readings.thought_words(text, KINDS) for text in part.text]
        if not set(part.id) <= truth.facts.keys():
            return pd.DataFrame()
        facts = [truth.facts[name] for name in part.id]
        for kind in dict.fromkeys(KINDS.values()):
            labels = [words.get(kind, "") for words in thoughts]
            if not any(labels):
                continue
            word, times = Counter(filter(None, labels)).most_common(1)[0]
            spoke = np.array([bool(w) for w in labels])
            true = np.array([bool(w) and f.get(kind) == w for w, f in zip(labels, facts)])
            found = tables.measured("true", tables.sample(part, true, spoke))
            there = Counter(f.get(kind) for s, f in zip(spoke, facts) if s)
            best = max(n for w, n in there.items() if w) / spoke.sum() if any(there) else 0.0
            constant = {"commonest_true": there[word] / spoke.sum(), "best_constant": best}
            varies = times < spoke.sum()
            rows.append(
                system | {"attribute": kind, "answers_saying": float(spoke.mean()), "commonest": word}
                | {"commonest_share": times / spoke.sum()} | found | constant
                | {"contradicts_answer": _contradicted(part) if kind in ("driving", "side") else np.nan}
                | {"above_constant": ("yes" if found["true_low"] > best else "no") if varies else ""}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _contradicted(evaluated: pd.DataFrame) -> float:
    """Among geography answers that say a driving side and name a place: the share whose place drives on the other side.

    Both are the answer's own words; a place of no known driving side contradicts none. NaN without any.
    """
    labels = np.array(
        [readings.thought_words(text, FACT_KINDS).get("driving", "") for text in evaluated.text], dtype=str
    )
    points = np.array([readings.first_place(text)[1] for text in evaluated.text], float).reshape(-1, 2)
    both = (labels != "") & ~np.isnan(points).any(1)
    if not both.any():
        return float("nan")
    named = np.asarray(atlas.describe(points[both, 0], points[both, 1], atlas.NOON).driving_side, dtype=str)
    known = named != ""
    return float((labels[both] != np.char.add("drives-", named))[known].mean()) if known.any() else float("nan")
