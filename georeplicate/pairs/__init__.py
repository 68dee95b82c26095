"""Cross-view pairs of any source behind one schema, and the question that the reward is about.

    rows = pairs.load("world", "test")                       # one row a place: a ground panorama and its aerial tile
    questions = pairs.questions(rows, k=5, negatives="region", seed=0)
    pairs.images(rows, questions[0])                          # [panorama, tile A, ..., tile E]

A row is {id, lat, lon (degrees), taken_at (ISO-8601 or None), city, country (ISO 3166 alpha-2), area, panorama,
aerial}. `area` names the neighbourhood that hard negatives are drawn from.

What the paper does not publish and we had to choose: k = 5 candidates (its base model scores 19.0 % and is called
nearly random; an inference), the order of the images (panorama first, then candidates in the order of their
letters), and the wording (see prompts.py).
"""

from string import ascii_uppercase
from zlib import crc32

import numpy as np
from datasets import Dataset

from georeplicate import geo
from georeplicate.pairs import world

NEGATIVES = ("region", "near", "random")
SAME_PLACE_KM = 0.1  # closer than this, two tiles may show the same street: never offered as a wrong answer


def load(source: str, split: str, root: str | None = None, **options) -> Dataset:
    """The pairs of a source and split, in the schema above.

    source "world": rendered here from real metadata (synthetic pictures); `options` are those of pairs.world.load,
    `root` is not needed. Raises ValueError for a source or split that does not exist.
    """
    loaders = {"world": world.load}
    if source not in loaders:
        raise ValueError(f"pairs: no source {source!r}; choose from {', '.join(loaders)}")
    return loaders[source](split, root=root, **options)


def questions(
    rows: Dataset, k: int = 5, *, negatives: str = "region", seed: int = 0, min_km: float = SAME_PLACE_KM
) -> Dataset:
    """One pairing question a row: which of k aerial tiles belongs to this panorama?

    negatives  "region": k - 1 others of the same `area`; "near": the k - 1 nearest rows on the sphere; "random": any
               others
    min_km     never offer a tile closer than this to the true place
    Each question depends on (seed, row id) and on which rows there are, not on their order. Chance is 1/k, and
    letters are uniform.

    Returns rows {id, letter (the right one), candidates (k row numbers in letter order), candidate_ids, distances_km
    (of each candidate)}. Raises ValueError where k or negatives make no sense, or a place has too few neighbours to
    make a question (it names the place).
    """
    if not 2 <= k <= len(ascii_uppercase):
        raise ValueError(f"questions: k={k}; expected 2 to {len(ascii_uppercase)} candidates, one letter each")
    if negatives not in NEGATIVES:
        raise ValueError(f"questions: negatives={negatives!r}; choose from {', '.join(NEGATIVES)}")
    ids, areas = rows["id"][:], np.array(rows["area"][:])
    if len(set(ids)) != len(ids):
        raise ValueError("questions: two rows share an id; ids must be unique, they seed the shuffling")
    lat, lon = np.array(rows["lat"][:]), np.array(rows["lon"][:])
    by_id = np.argsort(np.array(ids))  # the pools below are in id order, so that shuffling the rows changes no question
    pools = {area: by_id[areas[by_id] == area] for area in dict.fromkeys(areas)} if negatives == "region" else {}
    nearest = _nearest(lat, lon, k, min_km) if negatives == "near" else None
    out = []
    for i, name in enumerate(ids):
        rng = np.random.default_rng([seed, crc32(name.encode())])
        if nearest is not None:
            others = nearest[i]
        else:
            pool = pools[areas[i]] if negatives == "region" else by_id
            others = _draw(rng, pool, i, lat, lon, k - 1, min_km)
        if len(others) < k - 1:
            raise ValueError(
                f"questions: {name} ({areas[i]}) has {len(others)} neighbours at least {min_km} km away, "
                f"{k - 1} are needed; load more sites of that area, lower k, or use negatives='near' or 'random'"
            )
        candidates = rng.permutation(np.append(others[: k - 1], i))
        km = geo.haversine_km(lat[i], lon[i], lat[candidates], lon[candidates])
        out.append(
            {
                "id": name,
                "letter": ascii_uppercase[int(np.flatnonzero(candidates == i)[0])],
                "candidates": candidates.tolist(),
                "candidate_ids": [ids[c] for c in candidates],
                "distances_km": np.round(km, 3).tolist(),
            }
        )
    return Dataset.from_list(out)


def images(rows: Dataset, question: dict) -> list:
    """[panorama, tile A, tile B, ...] as PIL images: the order in which the model sees them, letters bound by
    position."""
    tiles = rows.select(question["candidates"])["aerial"]
    own = question["candidates"][ascii_uppercase.index(question["letter"])]
    return [rows[own]["panorama"], *tiles]


def _draw(rng, pool: np.ndarray, i: int, lat, lon, count: int, min_km: float) -> np.ndarray:
    """`count` members of the pool at least min_km from row i, at random; fewer where there are fewer."""
    got: list[int] = []
    order = rng.permutation(len(pool))
    for start in range(0, len(order), 4 * count):
        batch = pool[order[start : start + 4 * count]]
        far = batch[geo.haversine_km(lat[i], lon[i], lat[batch], lon[batch]) >= min_km]
        got.extend(far[far != i].tolist())
        if len(got) >= count:
            break
    return np.array(got[:count], int)


def _nearest(lat, lon, k: int, min_km: float) -> list[np.ndarray]:
    """For each row its k - 1 nearest others that are at least min_km away (fewer where there are fewer)."""
    ask = min(len(lat), k + 8)
    while True:
        index, km = geo.neighbours(lat, lon, lat, lon, k=ask)
        found = [near[(d >= min_km) & (near != i)][: k - 1] for i, (near, d) in enumerate(zip(index, km, strict=True))]
        if ask == len(lat) or all(len(f) == k - 1 for f in found):
            return found
        ask = min(len(lat), 2 * ask)
