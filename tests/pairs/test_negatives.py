"""Hard negatives: the nearest on the sphere, of the same season and time of day, never the same place, and how hard
they are."""

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from georeplicate import atlas, geo, pairs
from georeplicate.pairs import hardness, negatives, schema


def scattered(n, seed=0, spread_km=30.0, centres=((70.0, 25.0), (-17.0, 179.95), (40.0, -3.7))):
    """Places around a town in the far north, one at the antimeridian and one in between."""
    rng = np.random.default_rng(seed)
    at = rng.integers(0, len(centres), n)
    lat, lon = np.array(centres)[at].T
    return geo.destination(lat, lon, rng.uniform(0, 360, n), spread_km * np.sqrt(rng.random(n)))


def brute_force(lat, lon, count, allowed):
    """The nearest allowed rows by all distances."""
    out = []
    for i in range(len(lat)):
        km = geo.haversine_km(lat[i], lon[i], lat, lon)
        km[~allowed(i, km)] = np.inf
        by = np.argsort(km)[:count]
        out.append([int(j) if np.isfinite(km[j]) else -1 for j in by])
    return np.array(out)


def moments(n, seed=1):
    rng = np.random.default_rng(seed)
    when = np.datetime64("2023-01-01T00:00:00") + rng.integers(0, 365 * 24 * 3600, n)
    return [f"{w}+00:00" for w in when]


@pytest.mark.parametrize("min_km", [0.0, 0.1, 3.0])
def test_they_are_the_nearest_beyond_the_floor_also_in_the_north_and_across_the_antimeridian(min_km):
    lat, lon = scattered(400)
    found = negatives.nearest(lat, lon, 4, min_km=min_km)
    rows = np.arange(len(lat))
    assert (found == brute_force(lat, lon, 4, lambda i, km: (km >= min_km) & (rows != i))).all()
    assert (np.sign(lon[found]) != np.sign(lon)[:, None]).any()  # a neighbour lies beyond the antimeridian


def test_degrees_fed_to_a_metric_for_radians_find_others():
    """The mistake of public retrieval code, so that the test above could tell it."""
    from sklearn.neighbors import BallTree

    lat, lon = scattered(400)
    wrong = BallTree(np.stack([lat, lon], 1), metric="haversine").query(np.stack([lat, lon], 1), k=5)[1][:, 1:]
    right = negatives.nearest(lat, lon, 4, min_km=0.0)
    assert np.mean([len(set(a) & set(b)) / 4 for a, b in zip(wrong, right)]) < 0.9


def test_they_share_season_and_time_of_day_with_their_place():
    lat, lon = scattered(500)
    when = moments(len(lat))
    found = negatives.nearest(lat, lon, 3, taken_at=when, min_km=0.1)
    facts = atlas.describe(lat, lon, when)
    gap = np.abs(facts.local_solar_hour[:, None] - facts.local_solar_hour[None, :])
    alike = (facts.season[:, None] == facts.season[None, :]) & (np.minimum(gap, 24 - gap) <= negatives.HOURS_APART)
    rows = np.arange(len(lat))
    assert (found == brute_force(lat, lon, 3, lambda i, km: (km >= 0.1) & (rows != i) & alike[i])).all()


def test_a_place_without_a_timestamp_can_stand_beside_any():
    lat, lon = np.full(6, 48.0), 2.0 + 0.01 * np.arange(6)
    noon, night, winter = "2023-07-01T12:00:00Z", "2023-07-01T00:00:00Z", "2023-01-01T12:00:00Z"
    when = [noon, night, winter, None, noon, None]
    found = negatives.nearest(lat, lon, 5, taken_at=when, min_km=0.1)
    expected = [[3, 4, 5], [3, 5], [3, 5], [0, 1, 2, 4, 5], [0, 3, 5], [0, 1, 2, 3, 4]]
    assert [sorted(row[row >= 0].tolist()) for row in found] == expected


def test_without_enough_neighbours_the_rest_is_minus_one_and_the_question_is_refused_by_name():
    lat, lon = np.array([10.0, 10.0, 50.0]), np.array([10.0, 10.0005, 50.0])
    assert negatives.nearest(lat, lon, 2, min_km=0.1).tolist() == [[2, -1], [2, -1], [1, 0]]
    rows = coloured([(10.0, 10.0), (10.0, 10.0005), (50.0, 50.0)])
    with pytest.raises(ValueError, match="place 0.*has 1 neighbours"):
        pairs.questions(rows, k=3, negatives="neighbourhood")


def test_the_order_of_the_rows_and_the_run_change_nothing_even_among_equals():
    lat, lon = (g.ravel() for g in np.meshgrid(40 + 0.01 * np.arange(15), 10 + 0.01 * np.arange(15)))  # full of ties
    names = np.arange(len(lat))
    plain = negatives.nearest(lat, lon, 4, min_km=0.1, order=names)
    mixed = np.random.default_rng(0).permutation(len(lat))
    again = negatives.nearest(lat[mixed], lon[mixed], 4, min_km=0.1, order=np.argsort(mixed))
    assert (mixed[again] == plain[mixed]).all()


def test_of_many_at_one_distance_the_first_in_order_are_taken_though_the_tree_names_others_first():
    lat, lon = geo.destination(np.full(60, 10.0), np.full(60, 10.0), np.arange(60) * 6.0, 5.0)
    lat, lon = np.append(lat, 10.0), np.append(lon, 10.0)
    for seed in range(5):
        order = np.append(np.random.default_rng(seed).permutation(60), 60)
        assert negatives.nearest(lat, lon, 4, min_km=0.1, order=order)[60].tolist() == order[:4].tolist()


def test_one_tile_never_stands_twice():
    lat, lon = np.full(30, 40.0), 10 + 0.01 * np.arange(30)
    tile = np.arange(30) // 3
    found = negatives.nearest(lat, lon, 4, min_km=0.0, tile=tile)
    for i, row in enumerate(found):
        assert len({tile[i], *tile[row]}) == 5


def test_no_neighbours_are_missed_where_many_lie_within_the_floor():
    """The search asks for more until it has enough; here the first hundred are all the same place."""
    lat = np.concatenate([np.full(150, 40.0), 41 + 0.1 * np.arange(10)])
    lon = np.full(160, 10.0)
    found = negatives.nearest(lat, lon, 4, min_km=0.1)
    assert (np.sort(found[:150], axis=1) == [150, 151, 152, 153]).all()


def test_graded_ones_go_from_neighbours_to_strangers():
    """Of 81 others the four are among the 3, 9, 27 and 81 nearest; each place of its ring comes about equally often."""
    lat, lon = np.full(82, 40.0), 10 + 0.05 * np.arange(82)
    order, tile = np.random.default_rng(0).permutation(82), np.arange(82)
    rng = np.random.default_rng(1)
    drawn = np.array([negatives.graded(rng, order, 0, lat, lon, tile, 4, 0.1) for _ in range(3000)])
    assert all(len(set(row)) == 4 for row in drawn)
    assert [drawn[:, j].max() for j in range(4)] == [3, 9, 27, 81] and drawn.min() == 1  # row i is the i-th nearest
    share = np.bincount(drawn[:, 0], minlength=4)[1:] / len(drawn)
    assert np.abs(share - 1 / 3).max() < 0.05
    assert [len(set(column)) for column in drawn.T] == [3, 9, 27, 81]


def test_graded_ones_keep_the_floor_show_no_tile_twice_and_take_what_there_is():
    lat, lon = scattered(60)
    tile = np.arange(60) // 3
    km = geo.haversine_km(lat[:, None], lon[:, None], lat, lon)
    for i in range(60):
        found = negatives.graded(np.random.default_rng(i), np.arange(60), i, lat, lon, tile, 4, 8.0)
        assert len({tile[i], *tile[found]}) == 5 and (km[i, found] >= 8.0).all()
    few = negatives.graded(np.random.default_rng(0), np.arange(3), 0, lat[:3], lon[:3], np.arange(3), 4, 0.0)
    assert sorted(few) == [1, 2]


def test_graded_questions_do_not_depend_on_the_order_of_rows_and_need_coordinates():
    rows = coloured([(10.0, 10.0 + 0.05 * i) for i in range(40)])
    there, back = (
        {q["id"]: (q["letter"], q["candidate_ids"]) for q in pairs.questions(some, k=5, negatives="graded", seed=3)}
        for some in (rows, rows.select(range(39, -1, -1)))
    )
    assert there == back
    nowhere = rows.map(lambda row, i: {"lat": None if i == 7 else row["lat"]}, with_indices=True)
    with pytest.raises(ValueError, match="lat"):
        pairs.questions(nowhere, k=5, negatives="graded")


@pytest.mark.parametrize("kind", ["region", "random"])
def test_large_pools_are_sampled_and_searched_whole_where_the_sample_is_too_small(monkeypatch, kind):
    rows = coloured([(10.0, 10.0 + 0.05 * i) for i in range(40)])
    monkeypatch.setattr(pairs, "SHUFFLED_WHOLE", 32)  # hence a sample of two, of which four are wanted
    for q in pairs.questions(rows, k=5, negatives=kind, min_km=20.0):
        own = "ABCDE".index(q["letter"])
        assert q["candidate_ids"][own] == q["id"] and len(set(q["candidates"])) == 5
        assert all(km >= 20 for i, km in enumerate(q["distances_km"]) if i != own)


# --- how hard they are -----------------------------------------------------------------------------------------------


def coloured(places, ground=None, aerial=None):
    """Rows whose pictures have one colour each."""
    colour = [(40 * i % 256, 90 * i % 256, 170 * i % 256) for i in range(len(places))]
    columns = {
        "id": [f"place {i}" for i in range(len(places))],
        "lat": [lat for lat, _ in places],
        "lon": [lon for _, lon in places],
        "panorama": [Image.new("RGB", (16, 8), c) for c in ground or colour],
        "aerial": [Image.new("RGB", (8, 8), c) for c in aerial or colour],
    } | {name: ["somewhere"] * len(places) for name in ("city", "country", "area")}
    return Dataset.from_dict(columns | {"taken_at": [None] * len(places)}, features=schema.FEATURES)


PLACES = [(10.0, 10.0 + 0.05 * i) for i in range(12)]


def test_the_colour_matcher_is_right_where_colours_tell_and_wrong_where_they_mislead():
    rows = coloured(PLACES)
    assert hardness.colour_accuracy(rows, pairs.questions(rows, k=4, negatives="random")) == 1
    ours = [(40 * i % 256, 90 * i % 256, 170 * i % 256) for i in range(12)]
    rows = coloured(PLACES, aerial=ours[1:] + ours[:1])  # each tile has its neighbour's colours
    questions = pairs.questions(rows, k=3, negatives="near")
    assert hardness.colour_accuracy(rows, questions) < 1 / 3


def test_the_colour_matcher_looks_at_the_ground_only():
    rows = coloured(PLACES)
    sky = [picture.copy() for picture in rows["panorama"]]
    for i, picture in enumerate(sky):
        picture.paste(rows[(i + 1) % len(rows)]["aerial"].resize((16, 4)), (0, 0))  # the colours of the next place
    same_sky = rows.remove_columns("panorama").add_column("panorama", [None] * len(rows))
    with pytest.raises(ValueError, match="has no panorama"):
        hardness.colour_accuracy(same_sky, pairs.questions(same_sky, k=3, negatives="random"))
    table = rows.to_dict() | {"panorama": sky}
    again = Dataset.from_dict(table, features=schema.FEATURES)
    assert hardness.colour_accuracy(again, pairs.questions(again, k=4, negatives="random")) == 1


def test_distances_add_up_to_the_wrong_candidates():
    rows = coloured(PLACES)
    table = hardness.distances(pairs.questions(rows, k=4, negatives="near"))
    assert table.candidates.sum() == 3 * 12 and table.share.sum() == pytest.approx(1)
    assert table[table.candidates > 0].from_km.tolist() == [5, 10]  # 5.5 km a step: steps of 1, and of 2 and 3
    unknown = hardness.distances(pairs.questions(coloured([(None, None)] * 5), k=3, negatives="random"))
    assert unknown.candidates.tolist()[-1] == 10 and unknown.candidates.sum() == 10


@pytest.fixture(scope="module")
def world():
    rows = pairs.load("world", "test", per_region=6, regions=30, tile_size=64)
    return rows.map(
        lambda row: {view: row[view] for view in ("panorama", "aerial")}, features=schema.FEATURES, keep_in_memory=True
    )  # each drawn once


def test_how_far_colours_alone_go_in_the_world(world):
    """Measured at 34 % (1,376 places, negatives of the region, chance 20 %): each view has a palette and a camera of
    its own, so colours tell little. Shuffled tiles bring it back to chance, so it is the colours that tell that."""
    questions = pairs.questions(world, negatives="region", seed=0)
    accuracy = hardness.colour_accuracy(world, questions)
    assert 0.25 < accuracy < 0.45
    shifted = world.select_columns([c for c in world.column_names if c != "aerial"])
    tiles = world.select([(i + 7) % len(world) for i in range(len(world))])["aerial"][:]
    shifted = Dataset.from_dict(shifted.to_dict() | {"aerial": tiles}, features=world.features)
    assert hardness.colour_accuracy(shifted, pairs.questions(shifted, negatives="region", seed=0)) < 0.28


def test_near_negatives_of_the_world_are_nearer_than_random_ones(world):
    def median(kind):
        km = [d for q in pairs.questions(world, negatives=kind) for d in q["distances_km"] if d > 0]
        return np.median(km)

    assert median("near") < median("region") < median("random") / 50
