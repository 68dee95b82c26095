"""Hard negatives: for each place the nearest others that are not the same place, of its own season and time of day;
and graded ones, from neighbours to strangers.

The paper draws the wrong candidates from the same spatio-temporal neighbourhood, so that no shortcut (the climate, the
light, the look of a country) tells them apart. Its radius and window are not published; ours are the constants below.
Neighbours are found on the sphere by geo.neighbours; retrieval code that feeds degrees to a metric for radians finds
others, and says nothing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from georeplicate import atlas, geo

HOURS_APART = 3.0  # local solar time: a morning is no afternoon
_AT_ONCE = 4_000_000  # neighbours held in memory at a time: 16 bytes each in the tree's answer, and as much again here
_DESCRIBE_AT_ONCE = 20_000


def nearest(
    lat: ArrayLike,
    lon: ArrayLike,
    count: int,
    *,
    taken_at: Sequence[str | None] | None = None,
    min_km: float,
    tile: NDArray | None = None,
    order: NDArray | None = None,
) -> NDArray[np.int64]:
    """(N, count) row numbers of each row's nearest others, nearest first; -1 where there are no more.

    lat, lon  (N,) degrees; ValueError where one is missing
    taken_at  N moments (ISO 8601 with a zone) or None each: only rows of the same season and within HOURS_APART of
              local solar time count, where both have a moment. Left out, time does not matter
    min_km    never a row closer than this
    tile      (N,) numbers: never a row of the own number, nor two rows of one number
    order     (N,) the rows in the order that breaks ties, so that the order of the rows themselves does not

    Chosen by distance alone, so the result is the same in every run.
    """
    lat, lon = geo.validate(lat, lon)
    n = len(lat)
    order = np.arange(n) if order is None else np.asarray(order)
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    tile = np.arange(n) if tile is None else np.asarray(tile)
    season, hour = (np.zeros(n, int), np.full(n, np.nan)) if taken_at is None else _times(lat, lon, taken_at)
    found = np.full((n, count), -1, np.int64)
    for label in np.unique(season):
        # Rows without a season (0) are everybody's neighbours, and have everybody for a neighbour.
        pool = np.arange(n) if label == 0 else np.flatnonzero((season == label) | (season == 0))
        _search(found, np.flatnonzero(season == label), pool, lat, lon, hour, tile, rank, min_km)
    return found


def graded(
    rng: np.random.Generator,
    order: NDArray,
    row: int,
    lat: NDArray,
    lon: NDArray,
    tile: NDArray,
    count: int,
    min_km: float,
) -> NDArray[np.int64]:
    """(count,) row numbers of others of one row, from its neighbours to strangers: the j-th is sampled at random among
    the n ** (j / count) nearest of the n that can be wrong answers. Fewer where there are fewer.

    order, tile, min_km: as of `nearest`. Every other row is looked at: for all rows of a set the time is quadratic in
    their number (about a minute for 16,000).
    """
    km = geo.haversine_km(lat[row], lon[row], lat[order], lon[order])
    usable = order[(by := np.argsort(np.round(km, 6), kind="stable"))][km[by] >= min_km]
    usable = usable[tile[usable] != tile[row]]
    others = usable[np.sort(np.unique(tile[usable], return_index=True)[1])]
    chosen: list[int] = []
    for j in range(1, min(count, len(others)) + 1):
        left = others[: max(j, round(len(others) ** (j / count)))]
        left = left[~np.isin(left, chosen)]
        chosen.append(int(left[rng.integers(len(left))]))
    return np.array(chosen, np.int64)


def _search(found, wanted, pool, lat, lon, hour, tile, rank, min_km: float) -> None:
    """Fill `found` of the wanted rows from the pool; who has not enough among the first asks for four times as many."""
    count = found.shape[1]
    ask = min(len(pool), 2 * count + 8)
    while len(wanted) and ask:
        short = []
        for start in range(0, len(wanted), max(1, _AT_ONCE // ask)):
            rows = wanted[start : start + max(1, _AT_ONCE // ask)]
            index, km = geo.neighbours(lat[pool], lon[pool], lat[rows], lon[rows], k=ask)
            index = pool[index]
            index, km = _ordered(index, km, rank)
            gap = np.abs(hour[rows][:, None] - hour[index])
            usable = (km >= min_km) & (index != rows[:, None]) & (tile[index] != tile[rows][:, None])
            usable &= ~(np.minimum(gap, 24 - gap) > HOURS_APART)
            short.append(rows[_first_of_each_tile(found, rows, index, usable, tile, km, whole=ask == len(pool))])
        wanted = np.concatenate(short) if ask < len(pool) else wanted[:0]
        ask = min(len(pool), 4 * ask)


def _ordered(index, km, rank):
    """Neighbours by distance, and at one distance (to a millimetre) by rank."""
    by = np.lexsort((rank[index], np.round(km, 6)), axis=1)
    return np.take_along_axis(index, by, 1), np.take_along_axis(km, by, 1)


def _first_of_each_tile(found, rows, index, usable, tile, km, *, whole: bool) -> NDArray[np.bool_]:
    """Write the first usable neighbours of each row, one of a tile; True for the rows that may need a wider search.

    The farthest neighbour asked for is not trusted unless all were: others may stand at the same distance.
    """
    count = found.shape[1]
    if not whole:
        usable &= np.round(km, 6) < np.round(km[:, -1:], 6)
    filled = np.zeros(len(rows), int)
    chosen = np.full((len(rows), count), -1, np.int64)
    used = np.full((len(rows), count), -1, np.int64)  # the tiles chosen so far
    for column in range(index.shape[1]):
        take = usable[:, column] & (filled < count)
        here = tile[index[:, column]]
        take &= ~(used == here[:, None]).any(axis=1)
        at = np.flatnonzero(take)
        chosen[at, filled[at]], used[at, filled[at]] = index[at, column], here[at]
        filled[at] += 1
        if (filled == count).all():
            break
    found[rows] = chosen
    return filled < count


def _times(lat, lon, taken_at) -> tuple[NDArray, NDArray]:
    """A number of the season (0: not known) and the local solar hour (NaN: not known) of each row, from the atlas."""
    season, hour = np.zeros(len(lat), int), np.full(len(lat), np.nan)
    known = np.flatnonzero([moment is not None for moment in taken_at])
    numbers = {name: i for i, name in enumerate(("spring", "summer", "autumn", "winter", "wet", "dry"), 1)}
    for start in range(0, len(known), _DESCRIBE_AT_ONCE):
        rows = known[start : start + _DESCRIBE_AT_ONCE]
        facts = atlas.describe(lat[rows], lon[rows], [taken_at[i] for i in rows])
        good = facts.valid
        season[rows[good]] = [numbers[name] for name in facts.season[good]]
        hour[rows[good]] = facts.local_solar_hour[good]
    return season, hour
