"""The best constant answer: always the same place, the one with most of some places near it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from georeplicate import atlas, files, geo

NEAR_KM = 750.0
CITIES = 2000


class Constant:
    """weights: CSV with columns lat and lon of places to choose from and by (a training or validation split); None: the
    2,000 largest cities of the gazetteer. The place with most others within 750 km is taken, the first among equals."""

    def __init__(self, weights: str | Path | None = None):
        if weights is not None and not Path(weights).is_file():
            raise ValueError(f"{weights} is no file: the constant answer takes a CSV with lat and lon, or none")
        places = atlas.cities(min_population=100_000).head(CITIES) if weights is None else files.read_csv(weights)
        if not {"lat", "lon"} <= set(places.columns):
            raise ValueError(f"{weights} has no columns lat and lon; it has {', '.join(places.columns)}")
        lat, lon = places.lat.to_numpy(float), places.lon.to_numpy(float)
        near = (geo.haversine_km(lat[:, None], lon[:, None], lat, lon) <= NEAR_KM).sum(1)
        self.lat, self.lon = float(lat[np.argmax(near)]), float(lon[np.argmax(near)])
        self.country = str(atlas.describe(self.lat, self.lon, atlas.NOON).country)

    def predict(self, images: Sequence) -> pd.DataFrame:
        place = {"lat": self.lat, "lon": self.lon, "country": self.country}
        return pd.DataFrame([place] * len(images), columns=list(place))
