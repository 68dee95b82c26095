"""The pairing question: fair letters, hard negatives, never the same place, reproducible."""

import numpy as np
import pytest

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
