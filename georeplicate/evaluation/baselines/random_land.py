"""A point on land at random: how far one gets without looking."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from georeplicate import atlas


class RandomLand:
    """weights: a seed, as text (None: 0). The i-th image ever shown gets the i-th point of the seed's sequence."""

    def __init__(self, weights: object = None):
        if not str(weights or 0).isdecimal():
            raise ValueError(f"random land takes a seed of 0 or more, got {weights!r}")
        self.seed, self.shown = int(str(weights or 0)), 0

    def predict(self, images: Sequence) -> pd.DataFrame:
        numbers = range(self.shown, self.shown + len(images))
        self.shown = numbers.stop
        points = [atlas.random_land(1, np.random.default_rng([self.seed, 41, i])) for i in numbers]
        lat, lon = np.concatenate(points, axis=1) if points else np.empty((2, 0))
        country = atlas.describe(lat, lon, atlas.NOON).country
        return pd.DataFrame({"lat": lat, "lon": lon, "country": country})
