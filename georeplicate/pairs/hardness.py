"""How hard the wrong answers are: how far away they lie, and how often a matcher that sees only colours is right.

Far candidates can be told apart by light and vegetation alone. If colours alone answer much more often than 1 in k, a
model can win the reward without looking for the place, and the negatives are too easy.
"""

from string import ascii_uppercase

import numpy as np
import pandas as pd
from datasets import Dataset
from PIL import Image
from tqdm import tqdm

EDGES_KM = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 25, 100, 500, 2500, 20_100)
_SIDE = 64  # pictures are shrunk to this before counting: colours of areas, not of pixels
_BINS = 6  # of each of the three channels


def distances(questions: Dataset) -> pd.DataFrame:
    """How far the wrong candidates lie from the true place: from_km, to_km, candidates, share.

    The last row (from_km NaN) counts those whose distance is not known. The counts add up to (k - 1) a question.
    """
    km = np.array([d for q in questions for i, d in enumerate(q["distances_km"]) if i != _own(q)], float)
    counts, edges = np.histogram(km[~np.isnan(km)], EDGES_KM)
    table = pd.DataFrame({"from_km": edges[:-1], "to_km": edges[1:], "candidates": counts})
    table.loc[len(table)] = [np.nan, np.nan, int(np.isnan(km).sum())]
    table["candidates"] = table["candidates"].astype(int)
    table["share"] = table["candidates"] / max(len(km), 1)
    return table


def colour_accuracy(rows: Dataset, questions: Dataset) -> float:
    """Share (0..1) of questions in which the right tile has the colours most like those of the panorama's lower half.

    Likeness is the intersection of two histograms in HSV, each of 6 x 6 x 6 bins and sum 1 (Swain & Ballard, 1991); the
    lower half is the ground, which a tile shows as well. Chance is 1/k. NaN without questions; ValueError where a row
    has no panorama.
    """
    if not len(questions):
        return float("nan")
    needed = sorted({i for q in questions for i in q["candidates"]})
    ground, tiles = {}, {}
    for i in tqdm(needed, desc="colours", disable=len(needed) < 2000):
        row = rows[i]
        if row["panorama"] is None:
            raise ValueError(f"colour_accuracy: row {row['id']} has no panorama")
        width, height = row["panorama"].size
        ground[i] = _colours(row["panorama"].crop((0, height // 2, width, height)))
        tiles[i] = _colours(row["aerial"])
    right = 0
    for q in questions:
        seen = ground[q["candidates"][_own(q)]]
        right += np.argmax([np.minimum(seen, tiles[c]).sum() for c in q["candidates"]]) == _own(q)
    return right / len(questions)


def _own(question: dict) -> int:
    return ascii_uppercase.index(question["letter"])


def _colours(picture: Image.Image) -> np.ndarray:
    small = np.asarray(picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX).convert("HSV"))
    bins = (small.reshape(-1, 3).astype(int) * _BINS) // 256
    return np.bincount(bins @ (_BINS**2, _BINS, 1), minlength=_BINS**3) / _SIDE**2
