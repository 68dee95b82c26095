"""Scores against published ones, a twin written as a loop, scikit-learn, and stated rules."""

import math
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import haversine_distances

from georeplicate import atlas, geo
from georeplicate.evaluation import metrics
from georeplicate.evaluation.answers import country_points
from georeplicate.evaluation.compare import compare
from georeplicate.evaluation.effects import protocol_effects
from georeplicate.evaluation.geocoders import SERVICES
from georeplicate.evaluation.protocol import PROTOCOLS, SWITCHES, Protocol
from georeplicate.evaluation.score import continent, score

PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "table1"
COLUMNS = {"acc_1km": 1, "acc_25km": 25, "acc_200km": 200, "acc_750km": 750, "acc_2500km": 2500}


def published():
    if not (PUBLISHED / "im2gps_predictions.csv.gz").is_file():
        pytest.skip("the published predictions per photograph are not part of the project and not beside it")
    rows = pd.read_csv(PUBLISHED / "im2gps_predictions.csv.gz", dtype={"row": str})
    stated = pd.read_csv(PUBLISHED / "im2gps_stated.csv").set_index("system")
    assert len(stated) == 6 and (rows.groupby("system").size() == 237).all()
    return {name: part.rename(columns={"row": "id"}) for name, part in rows.groupby("system")}, stated


def scored(part, protocol):
    return score(part[["id", "pred_lat", "pred_lon"]], part[["id", "lat", "lon"]], protocol).summary


def places(n, seed=0, spread_deg=3.0):
    """n random points and predictions near them, every tenth without an answer."""
    rng = np.random.default_rng(seed)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)
    truth = pd.DataFrame({"id": [f"p{i}" for i in range(n)], "lat": lat, "lon": lon})
    off = rng.normal(0, spread_deg, (2, n)) * rng.choice([0.01, 1, 10], n)
    guess = pd.DataFrame({"id": truth.id, "lat": np.clip(lat + off[0], -90, 90)})
    guess["lon"] = (lon + off[1] + 180) % 360 - 180
    guess.loc[::10, ["lat", "lon"]] = np.nan
    return guess, truth


# --- published predictions ---------------------------------------------------------------------------------------


def test_published_shares_and_means_to_the_last_digit_stated():
    systems, stated = published()
    protocol = Protocol.get("geoclip").but(distance="sphere-6371")
    for name, part in systems.items():
        found = scored(part, protocol)
        for column in COLUMNS:
            assert round(found[column], 6) == stated.loc[name, column], (name, column)  # six digits are stated
        assert round(found["mean_km"], 2) == stated.loc[name, "mean_km"]
        assert found["n"] == 237 and found["mean_km_left_out"] == 0


def test_the_ellipsoid_moves_one_photograph_of_three_systems_at_750_km():
    systems, _ = published()
    moved = {}
    for name, part in systems.items():
        sphere, ellipsoid = (scored(part, Protocol.get("geoclip").but(distance=on)) for on in ("sphere-6371", "wgs84"))
        for column in COLUMNS:
            moved[name, column] = round((ellipsoid[column] - sphere[column]) * 237)
    assert {key: by for key, by in moved.items() if by} == {
        (name, "acc_750km"): -1 for name in ("ISNs_M-fstar-S3", "base_M-fstar", "base_M-m")
    }


# --- twins -------------------------------------------------------------------------------------------------------


def twin(guess, truth, radius, strict, drop):
    """The same numbers by a loop over photographs, with the textbook formula."""
    answers = {row.id: (row.lat, row.lon) for row in guess.itertuples()}
    errors = []
    for row in truth.itertuples():
        lat, lon = answers.get(row.id, (math.nan, math.nan))
        if math.isnan(lat):
            if not drop:
                errors.append(math.inf)
            continue
        a, b, c, d = map(math.radians, (row.lat, row.lon, lat, lon))
        h = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
        errors.append(2 * radius * math.asin(min(1.0, math.sqrt(h))))
    finite = [e for e in errors if e < math.inf]
    ordered = sorted(errors)
    middle = len(ordered) // 2
    out = {c: sum(e < km if strict else e <= km for e in errors) / len(errors) for c, km in COLUMNS.items()}
    return out | {
        "mean_km": sum(finite) / len(finite),
        "median_km": ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2,
        "geoscore": sum(5000 * math.exp(-e / 1492.7) for e in errors) / len(errors),
    }


@pytest.mark.parametrize("rule", ["<=", "<"])
@pytest.mark.parametrize("unparseable", ["wrong", "drop"])
@pytest.mark.parametrize("n", [401, 1000])
def test_every_number_is_that_of_a_loop(rule, unparseable, n):
    guess, truth = places(n)
    protocol = Protocol("test", distance="sphere-6371", rule=rule, unparseable=unparseable)
    found = score(guess, truth, protocol).summary
    expected = twin(guess, truth, 6371, rule == "<", unparseable == "drop")
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9)
    assert found["n"] == (n if unparseable == "wrong" else n - len(range(0, n, 10)))
    assert found["n_unparsed"] == len(range(0, n, 10))


def test_distances_are_scikit_learns():
    guess, truth = places(500, seed=3)
    rows = score(guess, truth).rows.dropna(subset="pred_lat")
    theirs = [
        haversine_distances(np.radians([[r.lat, r.lon]]), np.radians([[r.pred_lat, r.pred_lon]]))[0, 0] * 6371.0088
        for r in rows.itertuples()
    ]
    np.testing.assert_allclose(rows.error_km, theirs, rtol=1e-9, atol=1e-6)


def test_the_three_earths_differ_by_what_their_sizes_say():
    a = geo.distance_km(10, 20, 30, 40, "sphere-6371")
    assert geo.distance_km(10, 20, 30, 40, "sphere-6371.0088") / a == pytest.approx(6371.0088 / 6371, rel=1e-12)
    assert geo.distance_km(0, 0, 1, 0, "wgs84") == pytest.approx(110.574, abs=1e-3)  # a degree of latitude, equator
    with pytest.raises(ValueError, match="sphere-6371, sphere-6371.0088, wgs84"):
        geo.distance_km(0, 0, 1, 1, "flat")


# --- formulas ----------------------------------------------------------------------------------------------------

errors = st.lists(st.one_of(st.floats(0, 20037), st.just(float("nan"))), min_size=1, max_size=60)


@given(errors)
def test_shares_grow_with_the_distance_and_the_looser_rule(values):
    shares = [geo.within(values, km).mean() for km in geo.THRESHOLDS_KM]
    assert shares == sorted(shares)
    assert all(geo.within(values, km, "<").sum() <= geo.within(values, km).sum() for km in geo.THRESHOLDS_KM)
    assert max(shares) <= np.mean(~np.isnan(values))


@given(errors)
def test_median_counts_no_answer_as_infinitely_far(values):
    median, missing = metrics.median_km(values), np.isnan(values).sum()
    assert math.isinf(median) == (2 * missing >= len(values))
    mean, left_out = metrics.mean_km(values)
    assert left_out == missing and math.isnan(mean) == (missing == len(values))


def test_a_threshold_belongs_to_the_looser_rule_alone():
    assert geo.within([25.0, math.nan], 25).tolist() == [True, False]
    assert geo.within([25.0, math.nan], 25, "<").tolist() == [False, False]
    with pytest.raises(ValueError, match="rule"):
        geo.within([1.0], 25, "=<")


def test_no_examples_give_nan_and_no_error():
    assert math.isnan(metrics.median_km([])) and math.isnan(metrics.mean([])) and math.isnan(metrics.mean_km([])[0])


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_scores_do_not_depend_on_the_order_of_either_file(seed, n):
    guess, truth = places(n, seed=seed % 1000)
    rng = np.random.default_rng(seed)
    mixed = score(guess.iloc[rng.permutation(n)], truth.iloc[rng.permutation(n)]).summary
    assert score(guess, truth).summary == pytest.approx(mixed, nan_ok=True)


# --- protocols ---------------------------------------------------------------------------------------------------


def test_an_unknown_protocol_or_setting_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="'nope'; choose from ours, globe, geoclip, osv5m, imageo$"):
        Protocol.get("nope")
    with pytest.raises(ValueError, match="rule must be one of '<=', '<', got '>'"):
        Protocol("mine", rule=">")
    with pytest.raises(FrozenInstanceError):
        Protocol.get("ours").rule = "<"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_says_all_its_settings_in_one_line(name):
    protocol = Protocol.get(name)
    assert "\n" not in protocol.line and protocol.decoding in protocol.line
    assert all(f"{switch} {getattr(protocol, switch)}" in protocol.line for switch in SWITCHES)
    assert protocol.but(rule="<").rule == "<" and "rule=<" in protocol.but(rule="<").name


def test_what_the_named_protocols_are():
    said = {name: (p.distance, p.rule, p.unparseable, p.parser) for name, p in PROTOCOLS.items()}
    assert said == {
        "ours": ("sphere-6371.0088", "<=", "wrong", "paper"),
        "globe": ("sphere-6371", "<=", "wrong", "released"),
        "geoclip": ("wgs84", "<=", "wrong", "paper"),
        "osv5m": ("sphere-6371", "<", "wrong", "paper"),
        "imageo": ("sphere-6371", "<=", "drop", "paper"),
    }


# --- answers in words --------------------------------------------------------------------------------------------

TRUTH = pd.DataFrame(
    {
        "id": list("abcdefg"),
        "lat": [48.8534, 52.52, 35.69, 40.71, -33.87, 48.14, 55.75],
        "lon": [2.3488, 13.41, 139.69, -74.01, 151.21, 11.58, 37.62],
        "city": ["Paris", "Berlin", "Tokyo", "New York City", "Sydney", "Munich", "Moscow"],
        "country": ["France", "DE", "Japan", "United States", "AU", "Germany", "Russia"],
    }
)
SAID = pd.DataFrame(
    {
        "id": list("abcdefg"),
        "text": [
            "<answer>country: France\ncity: Paris</answer>",
            "<answer>Country: Germany\nCity: Berlin</answer>",  # GLOBE's script reads lower-case keys only
            "<answer>country: Japan</answer>",
            "<answer>I do not know.</answer>",
            "<answer>country: Australia\ncity: Zzyzxville</answer>",
            '{"data": "<answer>country: Germany\\ncity: München</answer>"}',
            "<answer>55.75, 37.62</answer>",
        ],
    }
)


def outcome(protocol):
    return score(SAID, TRUTH, protocol).rows.set_index("id")


def test_words_are_read_geocoded_and_compared():
    rows = outcome("ours")
    assert rows.error_km[["a", "b", "c", "f"]].max() < 10  # the largest city of Japan is Tokyo
    assert math.isnan(rows.error_km["d"]) and rows.problem["d"].startswith("unparseable: ")
    assert rows.error_km["e"] == pytest.approx(geo.haversine_km(-33.87, 151.21, *atlas.geocode("Sydney", "AU")))
    assert rows.country_right.tolist()[:6] == [1, 1, 1, 0, 1, 1] and math.isnan(rows.country_right["g"])
    assert rows.city_right.tolist()[:6] == [1, 1, 0, 0, 0, 1]  # Munich and München are one place of the gazetteer
    assert rows.error_km["g"] < 0.01


def test_globes_rules_change_the_same_answers():
    rows = outcome("globe")
    assert rows.problem["b"] != "" and rows.problem["g"] != "" and rows.problem["a"] == ""
    assert 1 < rows.error_km["c"] < 400  # the middle of Japan's people is not Tokyo
    assert rows.country_right["f"] == 1 and rows.city_right["f"] == 0  # "münchen" is not contained in "Munich"


def test_names_in_imageo_are_equal_in_lower_case():
    rows = outcome("imageo")
    assert rows.counted.tolist() == [True, True, True, False, True, True, True]
    assert rows.city_right[["a", "f"]].tolist() == [1, 0]
    assert math.isnan(rows.city_right["c"])  # a name that is not given leaves that denominator too


@pytest.mark.parametrize(
    "switch, setting, ids",
    [
        ("geocoder", "none", "abcdef"),
        ("unknown_city", "none", "de"),
        ("country_point", "none", "cde"),
        ("text_point", "names", "dg"),
    ],
)
def test_each_switch_takes_the_place_from_the_answers_it_is_about(switch, setting, ids):
    rows = outcome(Protocol.get("ours").but(**{switch: setting}))
    assert "".join(rows.index[rows.error_km.isna()]) == ids


def test_a_country_stands_for_its_largest_city_or_the_middle_of_its_people():
    cities = atlas.cities(1000, ["IS"])
    assert country_points("largest-city")["IS"] == (cities.lat[0], cities.lon[0])
    total = np.zeros(3)
    for row in cities.itertuples():
        phi, theta = math.radians(row.lat), math.radians(row.lon)
        here = [math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)]
        total += max(row.population, 1) * np.array(here)
    x, y, z = total / np.linalg.norm(total)
    middle = math.degrees(math.asin(z)), math.degrees(math.atan2(y, x))
    assert country_points("population-centre")["IS"] == pytest.approx(middle, abs=1e-9)
    assert country_points("none") == {}


def test_another_geocoder_can_be_asked():
    asked = []

    def geocode(city, country):
        asked.append((city, country))
        return 1.0, 2.0

    rows = score(SAID, TRUTH, geocode=geocode).rows
    assert ("Paris", "France") in asked and rows.pred_lat[0] == 1.0


def test_a_system_that_names_no_country_has_no_country_accuracy():
    guess = TRUTH[["id", "lat", "lon"]].assign(lat=lambda t: t.lat.where(t.id != "a"))
    found = score(guess, TRUTH).summary
    assert math.isnan(found["country_accuracy"]) and found["n_country"] == 0
    by_point = score(guess, TRUTH, "osv5m").summary
    assert by_point["country_accuracy"] == pytest.approx(6 / 7) and by_point["n_country"] == 7


def test_neither_models_nor_the_synthetic_world_are_needed():
    code = (
        "import sys; from georeplicate.evaluation import command, compare, effects; "
        "print([m for m in sys.modules if m.startswith(('torch', 'georeplicate.'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "georeplicate.evaluation.score" in loaded
    assert not re.search(r"'torch|georeplicate\.(world|mini|model|training|engine|runs|report)\b", loaded)


# --- effects -----------------------------------------------------------------------------------------------------


def test_the_table_of_effects_has_every_other_setting_and_the_change_it_makes():
    table = protocol_effects(SAID, TRUTH)
    assert table.switch[0] == "base" and (table.filter(like="_change").iloc[0] == 0).all()
    told = {(row.switch, row.setting) for row in table.itertuples()}
    base = Protocol.get("ours")
    for switch, values in SWITCHES.items():
        assert {setting for s, setting in told if s == switch} == set(values) - {getattr(base, switch), *SERVICES}
    assert {setting for s, setting in told if s == "all"} == set(PROTOCOLS) - {"ours"}
    drop = table[table.setting == "drop"].iloc[0]
    assert drop.n == 6 and drop.acc_25km_change == pytest.approx(drop.acc_25km - table.acc_25km[0])
    assert drop.acc_25km_change > 0
    for row in table[table.switch == "all"].itertuples():
        assert row.acc_750km == score(SAID, TRUTH, row.setting).summary["acc_750km"]


# --- parts -------------------------------------------------------------------------------------------------------


def test_parts_add_up_to_the_whole():
    guess, truth = places(3000, seed=5)
    truth["seen"] = np.where(np.arange(3000) % 3 == 0, "seen", "unseen")
    scores = score(guess, truth)
    for column in ("seen", "continent", "climate", "hemisphere", "urban_rural"):
        table = scores.by(column)
        assert table.n.sum() == 3000 and table.n.is_monotonic_decreasing
        for name in ("acc_200km", "geoscore"):
            assert (table[name] * table.n).sum() / 3000 == pytest.approx(scores.summary[name])
    seen = scores.by("seen").set_index("seen")
    assert seen.n.to_dict() == {"unseen": 2000, "seen": 1000}


def test_places_fall_into_the_parts_they_lie_in():
    scores = score(SAID, TRUTH)
    table = scores.by("continent").set_index("continent")
    assert table.n.to_dict() == {"Europe": 4, "Asia": 1, "North America": 1, "Oceania": 1}
    assert set(scores.by("climate").climate) <= set("ABCDE")
    assert scores.by("country").n.sum() == 7  # a column of the rows goes before the atlas
    with pytest.raises(ValueError, match="no column 'planet'"):
        scores.by("planet")
    limits = scores.by("continent", draws=50)
    assert (limits.acc_25km_low <= limits.acc_25km).all() and (limits.acc_25km <= limits.acc_25km_high).all()


def test_every_region_of_the_atlas_has_a_continent():
    regions = {row["region"] for row in atlas.countries.table().values()}
    found = {region: continent(region) for region in regions}
    assert set(found.values()) == {
        "Africa", "Europe", "Asia", "North America", "South America", "Oceania", "Antarctica",
    }  # fmt: skip
    assert found["Central America"] == "North America" and found["Polynesia"] == "Oceania"
    assert found["Middle Africa"] == "Africa" and continent("") == "unknown"


# --- two systems -------------------------------------------------------------------------------------------------


def test_two_systems_are_compared_on_what_both_answered():
    guess, truth = places(800, seed=7)
    better = truth[["id", "lat", "lon"]].iloc[:600]
    first, second = score(better, truth.iloc[:600]), score(guess, truth)
    table = compare(first, second, draws=300).set_index("measure")
    assert (table.n[["acc_25km", "median_km"]] == 600).all()
    both = second.rows.iloc[:600]
    assert table.difference["acc_25km"] == pytest.approx(1 - geo.within(both.error_km, 25).mean())
    assert table.p_value["acc_25km"] < 1e-6 and table.test["acc_25km"] == "McNemar, exact"
    assert table.low["mean_km"] <= table.difference["mean_km"] <= table.high["mean_km"] < 0
    same = compare(second, second, draws=200).set_index("measure")
    assert (same.difference.drop(["country_accuracy", "city_accuracy"]) == 0).all()
    assert same.p_value[["acc_25km", "mean_km"]].tolist() == [1, 1]


def test_only_scores_under_one_protocol_compare():
    guess, truth = places(50)
    with pytest.raises(ValueError, match="protocols differ"):
        compare(score(guess, truth, "ours"), score(guess, truth, "osv5m"))


def test_clusters_can_be_a_column_or_labels():
    guess, truth = places(900, seed=2)
    truth["author"] = [f"a{i // 30}" for i in range(900)]
    scores = score(guess, truth, "imageo")  # 90 answers leave the denominator
    named = scores.intervals(200, cluster="author")
    pd.testing.assert_frame_equal(named, scores.intervals(200, cluster=truth.author.to_numpy()))
    assert not named.equals(scores.intervals(200))
    assert (named.n[:5] == 810).all()
    table = compare(scores, score(truth[["id", "lat", "lon"]], truth, "imageo"), draws=100, cluster="author")
    assert set(table.test) == {"bootstrap"} and table.n[0] == 810
    with pytest.raises(ValueError, match="cluster has 3 labels for 900 examples"):
        scores.intervals(10, cluster=["a", "b", "c"])


def test_intervals_hold_the_values_and_shrink_with_more_examples():
    widths = []
    for n in (200, 3200):
        table = score(*places(n, seed=n)).intervals(500).set_index("measure").loc[list(COLUMNS) + ["geoscore"]]
        assert (table.low <= table.value).all() and (table.value <= table.high).all()
        widths.append(table.high["acc_25km"] - table.low["acc_25km"])
    assert widths[1] < widths[0] / 2.5  # a quarter, give or take


def test_a_share_of_nothing_or_all_has_an_interval():
    _, truth = places(100)
    table = score(truth, truth).intervals(50).set_index("measure")
    assert table.value["acc_1km"] == 1 and table.high["acc_1km"] == 1 and 0.96 < table.low["acc_1km"] < 0.97


def test_bad_coordinates_count_only_where_they_would_be_read():
    said = pd.DataFrame({"id": ["a"], "pred_lat": ["unsure"], "pred_lon": ["2.3"], "pred_city": "Paris",
                         "pred_country": "France"})  # fmt: skip
    true = pd.DataFrame({"id": ["a"], "lat": [48.85], "lon": [2.35]})
    assert score(said, true, "ours").rows.error_km.isna().all()
    assert score(said, true, "globe").rows.error_km.iloc[0] < 25


def test_random_land_points_do_not_depend_on_how_images_are_batched():
    from georeplicate.evaluation import baselines

    at_once, in_parts = baselines.get("random land"), baselines.get("random land")
    parts = pd.concat([in_parts.predict([None] * n) for n in (3, 0, 5)], ignore_index=True)
    whole = at_once.predict([None] * 8)
    assert whole.equals(parts.astype(whole.dtypes)) and whole.lat.nunique() == 8
    assert not whole.equals(baselines.get("random land", "1").predict([None] * 8))
