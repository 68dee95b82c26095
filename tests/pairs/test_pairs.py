"""The pairing question: fair letters, hard negatives, never the same place, reproducible."""

import numpy as np
import pytest
from datasets import Dataset

from georeplicate import geo, pairs


@pytest.fixture(scope="module")
def rows():
    return pairs.load("world", "validation", per_region=7, regions=30)


def test_rows_have_the_schema(rows):
    assert rows.column_names == ["id", "lat", "lon", "taken_at", "city", "country", "area", "panorama", "aerial"]
    assert len(rows) == 210 and len(set(rows["id"])) == 210
    assert rows[0]["panorama"].size == (128, 32) and rows[0]["aerial"].size == (48, 48)


def test_two_workers_render_what_one_renders(rows):
    again = pairs.load("world", "validation", per_region=7, regions=30)
    assert again["id"][:] == rows["id"][:]
    for i in (0, 64, 209):
        assert np.array_equal(np.asarray(again[i]["aerial"]), np.asarray(rows[i]["aerial"]))


def test_the_letter_points_at_the_own_tile(rows):
    for q in pairs.questions(rows, seed=0):
        i = q["candidates"]["ABCDE".index(q["letter"])]
        assert rows["id"][i] == q["id"] and len(set(q["candidates"])) == 5


def test_letters_are_uniform_and_depend_on_the_seed(rows):
    letters = [q["letter"] for s in range(5) for q in pairs.questions(rows, seed=s)]
    counts = np.array([letters.count(c) for c in "ABCDE"])
    expected = len(letters) / 5
    assert (((counts - expected) ** 2) / expected).sum() < 18.5  # chi-square, 4 degrees of freedom, p = 0.001
    assert pairs.questions(rows, seed=0)["letter"][:] == pairs.questions(rows, seed=0)["letter"][:]
    assert pairs.questions(rows, seed=0)["letter"][:] != pairs.questions(rows, seed=1)["letter"][:]


def test_the_order_of_the_rows_changes_no_question(rows):
    shuffled = rows.shuffle(seed=5)
    one = {q["id"]: (q["letter"], q["candidate_ids"]) for q in pairs.questions(rows, seed=3)}
    two = {q["id"]: (q["letter"], q["candidate_ids"]) for q in pairs.questions(shuffled, seed=3)}
    assert one == two


def test_region_negatives_come_from_the_same_area_but_not_the_same_place(rows):
    areas = dict(zip(rows["id"], rows["area"], strict=True))
    for q in pairs.questions(rows, seed=0):
        assert {areas[c] for c in q["candidate_ids"]} == {areas[q["id"]]}
        own = "ABCDE".index(q["letter"])
        assert q["distances_km"][own] == 0
        assert min(d for i, d in enumerate(q["distances_km"]) if i != own) >= pairs.SAME_PLACE_KM


def test_near_negatives_are_the_nearest_beyond_the_floor(rows):
    lat, lon = np.array(rows["lat"]), np.array(rows["lon"])
    for q in pairs.questions(rows, negatives="near", seed=0, min_km=2.0).select(range(40)):
        i = list(rows["id"]).index(q["id"])
        km = geo.haversine_km(lat[i], lon[i], lat, lon)
        expected = np.sort(km[km >= 2.0])[:4]
        got = sorted(d for d in q["distances_km"] if d > 0)
        assert np.allclose(got, expected, atol=2e-3)


def test_random_negatives_cross_areas(rows):
    areas = dict(zip(rows["id"], rows["area"], strict=True))
    mixed = [len({areas[c] for c in q["candidate_ids"]}) for q in pairs.questions(rows, negatives="random", seed=0)]
    assert np.mean(mixed) > 4


def test_k_is_a_parameter(rows):
    q = pairs.questions(rows, k=3, seed=0)[0]
    assert len(q["candidates"]) == 3 and q["letter"] in "ABC"


def test_images_come_in_letter_order(rows):
    q = pairs.questions(rows, seed=0)[11]
    panorama, *tiles = pairs.images(rows, q)
    own = list(rows["id"]).index(q["id"])
    assert np.array_equal(np.asarray(panorama), np.asarray(rows[own]["panorama"]))
    for tile, candidate in zip(tiles, q["candidates"], strict=True):
        assert np.array_equal(np.asarray(tile), np.asarray(rows[candidate]["aerial"]))


def test_what_cannot_be_asked_is_refused_with_the_remedy(rows):
    with pytest.raises(ValueError, match="world"):
        pairs.load("moon", "test")
    with pytest.raises(ValueError, match="leave root and set_aside out"):
        pairs.load("world", "train", root="somewhere")
    with pytest.raises(ValueError, match="train"):
        pairs.load("world", "dev")
    with pytest.raises(ValueError, match="2 to 26"):
        pairs.questions(rows, k=1)
    for wrong in (5.0, "5", None, True):
        with pytest.raises(ValueError, match="2 to 26"):
            pairs.questions(rows, k=wrong)
        with pytest.raises(ValueError, match="one row at least"):
            pairs.sample(rows, wrong)
    for wrong in (-1, None, 1.5):
        with pytest.raises(ValueError, match="seed=.*a whole number from 0"):
            pairs.questions(rows, seed=wrong)
    for wrong in (float("nan"), None, "1"):
        with pytest.raises(ValueError, match="min_km=.*a number of kilometres"):
            pairs.questions(rows, min_km=wrong)
    with pytest.raises(ValueError, match="region"):
        pairs.questions(rows, negatives="easy")
    with pytest.raises(ValueError, match="more sites of that area"):
        pairs.questions(rows, k=8)
    with pytest.raises(ValueError, match="share an id"):
        pairs.questions(rows.select([0, 0, 1, 2, 3, 4]))


@pytest.mark.parametrize("given", [{"cell_deg": 0}, {"cell_deg": float("nan")}, {"count": -1}, {"count": 2.5}])
def test_a_hold_out_of_no_size_is_said(given):
    with pytest.raises(ValueError, match="(cell_deg|count) must be a .*number of (degrees above|rows from) 0"):
        pairs.hold_out(pairs.load("world", "test", per_region=1), **({"count": 4} | given))


def held(cities, count, **options):
    """Rows in made-up cells of one size, from {city: rows of each of its cells}: (rows, the rest, those held out)."""
    placed = [
        {"id": f"{city}-{c}-{i}", "lat": 10.0 * n + 0.5 * c, "lon": 5.01 + 1e-6 * i, "city": city, "area": city}
        for n, (city, cells) in enumerate(cities.items())
        for c, size in enumerate(cells)
        for i in range(size)
    ]
    blank = {"taken_at": None, "country": None, "panorama": None, "aerial": None}
    rows = Dataset.from_list([row | blank for row in placed], features=pairs.schema.FEATURES)
    return rows, *pairs.hold_out(rows, count, **options)


def cells_of(rows):
    return {tuple(name.split("-")[:2]) for name in rows["id"][:]}


def test_what_is_held_out_is_spread_over_cities_and_never_more_than_asked_for():
    sizes = {"paris": [400, 3, 3, 40, 40], "tokyo": [300, 300, 20, 20], "rio": [30] * 12, "rome": [2, 2, 2, 90, 90]}
    rows, rest, out = held(sizes, 40)
    assert len(out) == 40 and not cells_of(rest) & cells_of(out)
    counts = {city: sum(name.startswith(city) for name in out["id"][:]) for city in sizes}
    assert all(2 <= n <= 20 for n in counts.values()) and max(counts.values()) <= 2 * 40 / len(sizes)
    assert len(rest) > len(rows) / 2
    # whole cells leave the rest, and nothing else does
    assert {name for name in rows["id"][:] if tuple(name.split("-")[:2]) not in cells_of(out)} == set(rest["id"][:])
    shuffled = rows.shuffle(seed=3)
    assert [set(part["id"][:]) for part in pairs.hold_out(shuffled, 40)] == [set(rest["id"][:]), set(out["id"][:])]


def test_a_tenth_at_most_is_held_out_and_a_cell_of_two_cities_is_one_place():
    rows, rest, out = held({"paris": [5] * 12, "rome": [5] * 12}, 1000)
    assert len(out) == 12 and {name.split("-")[0] for name in out["id"][:]} == {"paris", "rome"}
    assert len(pairs.hold_out(rows, 0)[0]) == len(rows)
    across = rows.map(lambda row, i: {"city": f"city {i % 5}"}, with_indices=True)
    rest, out = pairs.hold_out(across, 6)
    assert len(out) == 6 and not cells_of(rest) & cells_of(out)


def test_one_neighbourhood_cannot_be_parted_by_place():
    with pytest.raises(ValueError, match="4 rows cannot be held out by place: 45 of 45 lie in the same cells"):
        held({"paris": [45]}, 4)
