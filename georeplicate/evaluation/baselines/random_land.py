"""A point on land at random: how far one gets without looking."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from georeplicate import atlas


class RandomLand:
    """weights: a seed, as text (None: 0). The i-th image ever shown gets the i-th point of the seed's sequence."""

    def __init__(self, weights: object = None):
        self.rng = np.random.default_rng([int(str(weights or 0)), 41])

    def predict(self, images: Sequence) -> pd.DataFrame:
        lat, lon = atlas.random_land(len(images), self.rng)
        country = atlas.describe(lat, lon, "2020-06-21T12:00:00Z").country
        return pd.DataFrame({"lat": lat, "lon": lon, "country": country})
