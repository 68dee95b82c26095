"""Trivial baselines for the mini world's test places, chosen on one place of each city of the split "validation"."""

from __future__ import annotations

from functools import cache

import pandas as pd

from georeplicate import world
from georeplicate.evaluation.trivial import TrivialBaselines, choose


@cache
def of_world(draws: int = 2000, seed: int = 0) -> TrivialBaselines:
    """A random land point, the best constant places, and the commonest climate and vegetation."""
    places = world.sites("validation", 1)
    climates = places.climate[places.climate != "ocean"].str[0].str.lower()
    covers = pd.Series([world.words_at(site)[0] for site in places.itertuples()])
    commonest = {"climate": f"climate-{climates.mode()[0]}", "ground": str(covers.mode()[0])}
    return choose(places, commonest, draws=draws, seed=seed)
