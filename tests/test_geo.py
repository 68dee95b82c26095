"""geo.py against known distances, other libraries and its own stated rules."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod
from sklearn.metrics.pairwise import haversine_distances

from georeplicate import geo

R = 6371.0088
latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
points = st.tuples(latitudes, longitudes)
CITIES = {"Paris": (48.8566, 2.3522), "Tokyo": (35.6895, 139.6917), "Quito": (-0.1807, -78.4678)}


def random_points(n, seed):
    rng = np.random.default_rng(seed)
    return np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)


# --- haversine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "a, b, km",
    [
        ((0, 0), (0, 90), 10007.557),  # a quarter of the equator
        ((0, 179.9), (0, -179.9), 0.2 * np.pi / 180 * R),  # across the antimeridian, not around the Earth
        ((90, 0), (90, 137), 0),  # every longitude is the pole
        ((90, 12), (-90, -40), np.pi * R),  # pole to pole
        ((0, 0), (0, 180), np.pi * R),
        ((48.8566, 2.3522), (48.8566, 2.3522), 0),
        ((10, 350), (10, -10), 0),  # both ways of writing a western longitude
    ],
)
def test_known_distances(a, b, km):
    assert geo.haversine_km(*a, *b) == pytest.approx(km, abs=1e-3)


@given(points)
def test_antipodes_are_half_the_girth_apart(p):
    lat, lon = p
    other = lon - 180 if lon > 0 else lon + 180
    assert geo.haversine_km(lat, lon, -lat, other) == pytest.approx(np.pi * R, rel=1e-6)


@given(points, points, points)
def test_triangle_inequality_and_symmetry(a, b, c):
    ab, bc, ac = geo.haversine_km(*a, *b), geo.haversine_km(*b, *c), geo.haversine_km(*a, *c)
    assert ac <= ab + bc + 1e-3  # a metre: the arcsine is that coarse near an antipode
    assert ab == geo.haversine_km(*b, *a)
    assert 0 <= ab <= np.pi * R * (1 + 1e-12)


def test_agrees_with_proj_on_the_same_sphere_and_with_sklearn():
    (lat1, lon1), (lat2, lon2) = random_points(500, 1), random_points(500, 2)
    ours = geo.haversine_km(lat1, lon1, lat2, lon2)
    proj = Geod(a=R * 1000, b=R * 1000).inv(lon1, lat1, lon2, lat2)[2] / 1000
    np.testing.assert_allclose(ours, proj, rtol=1e-9, atol=1e-6)
    square = haversine_distances(np.radians(np.c_[lat1, lon1]), np.radians(np.c_[lat2, lon2])) * R
    np.testing.assert_allclose(geo.haversine_km(lat1[:, None], lon1[:, None], lat2, lon2), square, rtol=1e-9)


def test_broadcasting_and_types():
    lat, lon = random_points(6, 3)
    assert isinstance(geo.haversine_km(0, 0, 1, 1), float)
    assert geo.haversine_km(lat, lon, 0, 0).shape == (6,)
    assert geo.haversine_km(lat.reshape(2, 3), lon.reshape(2, 3), lat[:3], lon[:3]).shape == (2, 3)
    assert geo.haversine_km([], [], [], []).shape == (0,)
    assert geo.haversine_km(lat[:, None], lon[:, None], [], []).shape == (6, 0)
    with pytest.raises(ValueError, match="matching shapes"):
        geo.haversine_km(lat, lon, [1, 2], [1, 2])


def test_nan_is_no_answer_and_no_distance():
    km = geo.haversine_km([0, np.nan, 0], [0, 0, 0], 0, [1, 1, np.nan])
    assert np.isfinite(km[0]) and np.isnan(km[1:]).all()
    assert np.isnan(geo.geodesic_km(np.nan, 0, 0, 0))


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lat, lon, words",
    [
        (91, 120, "latitude runs from -90"),
        (139.69, 35.69, "swapped: try lat=35.69, lon=139.69"),
        (float("inf"), 0, "latitude runs"),
        (0, 361, "longitude runs"),
        (float("nan"), 0, "missing"),
        ("Paris", 0, "must be numbers"),
        ([0, 95], [0, 170], "at index 1"),
        ([95, 96, 0], [0, 0, 0], "2 of 3 points"),
    ],
)
def test_a_bad_point_gets_one_clear_sentence(lat, lon, words):
    with pytest.raises(ValueError, match=words):
        geo.validate(lat, lon)


def test_mask_for_rows_that_may_be_bad():
    mask = geo.is_valid([0, 91, np.nan, -90, 0, 0], [0, 0, 0, 359, -181, np.inf])
    assert mask.tolist() == [True, False, False, True, False, False]
    with pytest.raises(ValueError):
        geo.haversine_km(91, 0, 0, 0)


# --- geodesic and destination ------------------------------------------------------------------------------------


def test_geodesic_of_known_length():
    # WGS84: the equator's quarter is a * pi / 2; a meridian's quarter is 10001.966 km.
    assert geo.geodesic_km(0, 0, 0, 90) == pytest.approx(6378.137 * np.pi / 2, abs=1e-6)
    assert geo.geodesic_km(0, 0, 90, 0) == pytest.approx(10001.9657, abs=1e-3)
    paris, tokyo = CITIES["Paris"], CITIES["Tokyo"]
    assert geo.geodesic_km(*paris, *tokyo) == pytest.approx(geo.haversine_km(*paris, *tokyo), rel=6e-3)


@given(points, st.floats(0, 360), st.floats(0, 15000))
def test_destination_is_as_far_as_asked(start, bearing, km):
    assert geo.haversine_km(*start, *geo.destination(*start, bearing, km)) == pytest.approx(km, rel=1e-7, abs=1e-6)


def test_destination_directions():
    quarter = np.pi / 2 * R
    assert geo.destination(0, 0, 0, quarter)[0] == pytest.approx(90)
    assert geo.destination(0, 0, 90, quarter) == pytest.approx((0, 90), abs=1e-9)
    lat, lon = geo.destination(0, 179, [90, 270], geo.haversine_km(0, 0, 0, 2))
    np.testing.assert_allclose(lon, [-179, 177], atol=1e-9)
    with pytest.raises(ValueError, match="finite"):
        geo.destination(0, 0, np.nan, 1)


# --- scores ------------------------------------------------------------------------------------------------------


def test_boundary_belongs_to_the_threshold_unless_the_rule_says_otherwise():
    errors = [1.0, 25.0, 25.0001, 3000]
    assert geo.threshold_accuracy(errors) == {1: 0.25, 25: 0.5, 200: 0.75, 750: 0.75, 2500: 0.75}
    assert geo.threshold_accuracy(errors, rule="<") == {1: 0.0, 25: 0.25, 200: 0.75, 750: 0.75, 2500: 0.75}
    with pytest.raises(ValueError, match="rule"):
        geo.threshold_accuracy(errors, rule="=")


def test_an_unread_answer_is_wrong_and_stays_in_the_denominator():
    assert geo.threshold_accuracy([0, np.nan, np.nan, np.nan], (1,)) == {1: 0.25}
    assert geo.threshold_accuracy([np.nan], (2500,)) == {2500: 0.0}
    assert np.isnan(geo.threshold_accuracy([], (1,))[1])
    with pytest.raises(ValueError, match="negative"):
        geo.threshold_accuracy([-1, np.nan])


def test_geoscore():
    assert geo.geoscore(0) == 5000
    assert geo.geoscore(1492.7) == pytest.approx(5000 / np.e)
    np.testing.assert_allclose(geo.geoscore([np.nan, np.inf]), [0, 0])


# --- neighbours --------------------------------------------------------------------------------------------------


def test_neighbours_equal_a_full_sort():
    lat, lon = random_points(200, 4)
    full = geo.haversine_km(lat[:, None], lon[:, None], lat, lon)
    np.fill_diagonal(full, np.inf)
    index, km = geo.neighbours(lat, lon, k=5)
    np.testing.assert_array_equal(index, np.argsort(full, axis=1)[:, :5])
    np.testing.assert_allclose(km, np.sort(full, axis=1)[:, :5], rtol=1e-9)

    index, km = geo.neighbours(lat, lon, radius_km=1000)
    for own, (i, d) in enumerate(zip(index, km)):
        assert set(i) == set(np.flatnonzero(full[own] <= 1000))
        assert (np.diff(d) >= 0).all()


def test_neighbours_would_be_wrong_in_degrees():
    # At 60 N a degree of longitude is half a degree of latitude: 1.5 degrees east is nearer than 1 degree north.
    index, _ = geo.neighbours([61, 60], [10, 11.5], 60, 10, k=1)
    assert index.tolist() == [[1]]


def test_neighbours_across_the_antimeridian_and_at_the_same_place():
    index, km = geo.neighbours([0, 0, 50], [179.9, 0, 0], [0], [-179.9], k=1)
    assert index[0, 0] == 0 and km[0, 0] == pytest.approx(22.239, abs=1e-3)
    index, km = geo.neighbours([5, 5, 5, 5], [7, 7, 7, 7], k=2)
    assert (km == 0).all() and all(own not in row for own, row in enumerate(index))


def test_neighbours_refuse_what_they_cannot_give():
    for bad in ({}, {"k": 1, "radius_km": 1}, {"k": 3}, {"k": 0}, {"radius_km": -1}, {"radius_km": True}):
        with pytest.raises(ValueError):
            geo.neighbours([0, 1, 2], [0, 0, 0], **bad)
    index, km = geo.neighbours([], [], [0], [0], radius_km=10)
    assert index[0].size == km[0].size == 0


def test_geo_imports_without_torch():
    code = "import sys, georeplicate.geo; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
