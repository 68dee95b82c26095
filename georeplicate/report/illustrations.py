"""Figures of the notebooks that are no pure function of predictions: the world, the method by hand, the worst answers.

`report.write` draws them with the others where the results are those of a profile of the mini world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd
from datasets import Dataset
from matplotlib.figure import Figure

from georeplicate import files, pairs, world
from georeplicate.evaluation import faithfulness
from georeplicate.mini import base, inputs, wording
from georeplicate.model import policy
from georeplicate.profiles import Profile
from georeplicate.report import by_hand, maps, plots, tables, worst

STEP_TIMES = files.RESULTS / "bench" / "grpo_step.csv"
_SHOWN = 7  # of the questions that notebook 01 shows, the one that is drawn


def figures(profile: Profile, p: pd.DataFrame, tables_at: Path) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """(name, a function that draws it). p: all predictions of the profile; tables_at: the folder with the small tables
    that notebook 03 writes."""
    yield "splits", lambda: maps.splits(world.cities())
    yield "question", partial(question, profile)
    yield from by_hand_figures(profile, tables_at)
    if STEP_TIMES.is_file():
        yield "grpo_step", lambda: plots.step_times(pd.read_csv(STEP_TIMES))
    if pair := before_after(p):
        yield "before_after", partial(two_cards, pair, profile)
    chosen = p[p.stands_for == tables.R1]
    first = chosen[chosen.run == chosen.run.min()]
    if len(located := worst.places(first)):
        yield "worst_places", partial(worst.gallery, located, profile)
    if len(searched := worst.searches(first)):
        yield "worst_pairing", partial(worst.card, searched.iloc[0], profile)


def by_hand_figures(profile: Profile, tables_at: Path) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Those of notebook 03; two of them show the numbers of its tables, where these were written."""
    yield "picture_tokens", partial(picture_tokens, profile)
    yield "length_reward", by_hand.length_reward
    for name, draw in (("policy_gradient", by_hand.estimates), ("clipping", by_hand.clipping)):
        if (table := tables_at / f"{name}.csv").is_file():
            yield name, partial(_of_table, draw, table)


def _of_table(draw: Callable[[pd.DataFrame], Figure], table: Path) -> Figure:
    return draw(pd.read_csv(table))


def few_questions(profile: Profile, regions: int = 12) -> tuple[Dataset, Dataset]:
    """(places, questions) of a few test cities, at the sizes that the model of the profile sees."""
    height, side = profile.panorama_px[0], profile.tile_px
    rows = pairs.load(
        "world",
        "test",
        per_region=6,
        regions=regions,
        panorama_height=height,
        tile_size=side,
    )
    return rows, pairs.questions(rows, k=profile.k, negatives=profile.negatives, seed=0)


def question(profile: Profile) -> Figure:
    """A question as the mini model sees it."""
    rows, questions = few_questions(profile)
    one = questions[_SHOWN]
    return plots.question(pairs.images(rows, one), one["letter"], "the same, as the mini model sees it")


def picture_tokens(profile: Profile) -> Figure:
    """How the pictures of the first question become tokens of the shipped base."""
    rows, questions = few_questions(profile, regions=1)
    row = {"images": pairs.images(rows, questions[0]), "prompt": wording.PAIR}
    return by_hand.picture_tokens(policy.load(base.SHIPPED), row)


def before_after(p: pd.DataFrame) -> list[pd.Series]:
    """The greedy answers of the base and of GRPO from the base (its first seed) to the first question of the test
    split, whatever they are; [] where one of the two runs is not there."""
    rows = p[(p.task == "pairing") & (p.decoding == "greedy")]
    found = [rows[rows.stands_for == name] for name in (tables.BASE, tables.ZERO)]
    if any(one.empty for one in found):
        return []
    first = found[0].iloc[0].id
    return [one[(one.run == one.run.min()) & (one.id == first)].iloc[0] for one in found]


def two_cards(rows: list[pd.Series], profile: Profile) -> Figure:
    """`before_after` beside the question's pictures."""
    row = rows[0]
    question = worst.questions(profile).loc[row.id].to_dict()
    words = inputs.true_words(inputs.sites(profile, "test"))
    return plots.answers(
        pairs.images(inputs.rendered(profile, "test"), question),
        [
            (
                f"{when}: {one.run}",
                one.text,
                one.choice,
                list(faithfulness.thoughts(one.text, wording.WORDING)),
            )
            for when, one in zip(("before", "after"), rows, strict=True)
        ],
        true_words=[words[name] for name in (row.id, *question["candidate_ids"])],
        letter=row.truth,
        title=f"{row.id}: which tile shows this place?",
    )
