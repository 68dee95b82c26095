"""The fact check against truths and falsehoods that are known: planted ones, and sentences worded by a person."""

from pathlib import Path

import planted
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from georeplicate import atlas
from georeplicate.engine import factcheck
from georeplicate.engine.factcheck import check

CLAIMS = Path(__file__).parents[1] / "data" / "claims.csv"

LYON = atlas.describe(45.76, 4.84, "2024-07-10T10:00:00Z")
SYDNEY = atlas.describe(-33.87, 151.21, "2024-06-21T02:00:00Z")
TOKYO = atlas.describe(35.68, 139.69, "2024-11-10T03:00:00Z")
NAIROBI = atlas.describe(-1.286, 36.82, "2024-04-15T08:00:00Z")


def verdicts(text, facts, **more):
    return {(claim.kind, claim.value): claim.true for claim in check(text, facts, **more).claims}


# --- by kind ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "facts", "kind", "true"),
    [
        ("This must be France.", LYON, "country", True),
        ("This must be Spain.", LYON, "country", False),
        ("The plates are Australian.", SYDNEY, "country", True),
        ("The plates are Canadian.", SYDNEY, "country", False),
        ("It lies in Western Europe.", LYON, "region", True),
        ("It lies in Eastern Asia.", LYON, "region", False),
        ("The photo was taken in Lyon.", LYON, "place", True),
        ("The photo was taken in Marseille.", LYON, "place", False),
        ("It is near 45.8° N, 4.8° E.", LYON, "coordinates", True),
        ("It is near 45.8° S, 4.8° E.", LYON, "coordinates", False),
        ("It is near 4.8° N, 45.8° E.", LYON, "coordinates", False),
        ("The climate is oceanic.", LYON, "climate", True),
        ("A Mediterranean climate.", LYON, "climate", False),
        ("Köppen class BWh.", LYON, "climate", False),
        ("Cars drive on the right.", LYON, "driving", True),
        ("Cars drive on the left.", LYON, "driving", False),
        ("Speed limits are in km/h.", LYON, "speed", True),
        ("Speed limits are in miles per hour.", LYON, "speed", False),
        ("The shop sign is in French.", LYON, "language", True),
        ("The shop sign is in German.", LYON, "language", False),
        ("The signs use Cyrillic letters.", LYON, "script", False),
        ("The signs use the Japanese script.", TOKYO, "script", True),
        ("We are in the southern hemisphere.", SYDNEY, "hemisphere", True),
        ("We are in the northern hemisphere.", SYDNEY, "hemisphere", False),
        ("It lies within the tropics.", NAIROBI, "hemisphere", True),
        ("It lies within the tropics.", LYON, "hemisphere", False),
        ("The sun stands in the north.", SYDNEY, "sun", True),
        ("Shadows fall to the north.", SYDNEY, "sun", False),
        ("At noon the sun is in the south.", LYON, "sun", True),
        ("It is winter.", SYDNEY, "season", True),
        ("It is summer.", SYDNEY, "season", False),
        ("The picture was taken in June.", SYDNEY, "season", True),
        ("The picture was taken in December.", SYDNEY, "season", False),
        ("It is the rainy season.", NAIROBI, "season", True),
        ("It lies about 1,700 m above sea level.", NAIROBI, "elevation", True),
        ("It lies about 5,500 feet above sea level.", NAIROBI, "elevation", True),
        ("It lies about 200 m above sea level.", NAIROBI, "elevation", False),
        ("The coast is near.", SYDNEY, "coast", True),
        ("The coast is near.", NAIROBI, "coast", False),
        ("This is far inland.", SYDNEY, "coast", False),
    ],
)
def test_a_claim_of_each_kind_is_read_and_judged(text, facts, kind, true):
    found = [claim for claim in check(text, facts).claims if claim.kind == kind]
    assert [claim.true for claim in found] == [true]


def test_the_false_claim_is_named_with_its_words():
    report = check("Traffic keeps to the left. This is Lyon, France.", LYON)
    assert not report.ok
    (claim,) = report.false
    assert claim.kind == "driving" and "left" in str(claim)


# --- traps -----------------------------------------------------------------------------------------------------------


def test_a_left_hand_drive_car_drives_on_the_right():
    assert verdicts("A left-hand drive car waits.", LYON) == {("driving", "right"): True}
    assert verdicts("The steering wheel is on the right.", LYON) == {("driving", "left"): False}


def test_a_place_on_the_left_is_no_claim_about_traffic():
    assert not check("The road bends and a church stands on the left.", LYON).claims
    assert not check("Turn left at the shop.", LYON).claims


def test_a_denied_claim_is_turned_round():
    assert verdicts("This cannot be the southern hemisphere.", LYON)[("hemisphere", "not south")] is True
    assert verdicts("This is not France.", LYON) == {("country", "not FR"): False}


def test_comparisons_with_other_countries_are_no_claims():
    assert check("Unlike Spain, this place is green.", LYON).ok
    assert check("It borders on Germany further north.", LYON).ok


def test_a_sea_with_a_country_in_its_name_is_no_country():
    assert check("The Indian Ocean is far away.", NAIROBI).ok


def test_a_city_that_is_called_like_a_country_is_no_country():
    mexico = atlas.describe(19.43, -99.13, "2024-06-21T18:00:00Z")
    assert check("This is Mexico City, Mexico.", mexico).ok
    georgia = atlas.describe(33.75, -84.39, "2024-06-21T18:00:00Z")
    assert not check("This is in Georgia, near Tbilisi.", georgia).ok


def test_the_citys_name_in_the_metadata_is_true():
    assert not check("I am in Villeurbanne-les-Bains-sur-Mer, near Marseille.", LYON).ok
    assert check("This is Marseille.", LYON, city="Marseille").ok


def test_a_month_is_no_verb():
    assert check("It may rain, and people march on.", SYDNEY).ok


def test_the_noon_sun_of_a_moment_that_cannot_be_read_is_not_judged():
    timeless = atlas.describe([45.76], [4.84], ["at some time"])[0]
    assert verdicts("At noon the sun is in the south.", timeless) == {("sun", "south"): None}


@pytest.mark.parametrize("where", [([95.0], [4.84], ["2024-07-10T10:00:00Z"]), ([45.76], [4.84], ["at some time"])])
def test_of_facts_that_could_not_be_read_nothing_is_judged(where):
    unread = atlas.describe(*where)[0]
    said = "This is Lyon, France, in the northern hemisphere, not in summer, near 45.8° N, 4.8° E. Traffic keeps left."
    terse = "see drives-right know climate-c winter hemisphere-south so Australia"
    for text in (said, terse):
        report = check(text, unread, city="Lyon")
        assert report.ok and len(report.claims) > 4 and {claim.true for claim in report.claims} == {None}


def test_a_summer_of_the_climate_is_no_season():
    assert check("A climate with hot summers and wet winters.", LYON).ok


def test_both_ends_of_a_range_of_heights_are_in_its_unit():
    said = "The town lies at {} above sea level."  # Lyon: some 210 m, or 700 feet
    assert check(said.format("500 to 900 feet"), LYON).claims[0].true
    assert check(said.format("0.1 to 0.3 km"), LYON).claims[0].true
    assert not check(said.format("3000 to 4000 feet"), LYON).claims[0].true
    shore = atlas.describe(31.5, 35.47, "2024-07-10T10:00:00Z")
    assert shore.elevation_m < -300
    assert check("The valley lies 300 to 500 m below sea level.", shore).claims[0].true


def test_height_of_a_tower_is_no_elevation():
    assert not check("The tower is 300 m tall.", LYON).claims


# Sentences in which words that could be claims are none.
INNOCENT = [
    "As the sun sets, the street empties.",
    "Am I looking at a market?",
    "The road runs along the river on the left.",
    "Cars are parked on the left.",
    "A church is on the left side of the road.",
    "A 3 m high wall hides the garden.",
    "The bridge stands 40 m above the river.",
    "The light-coloured houses to the north are new.",
    "The sun lights the houses to the south.",
    "Limits of 2.5 and 3.5 tonnes are posted.",
    "It was taken in Provence.",
    "This looks like Bavaria to some, but the roofs differ.",
    "A hot spring steams by the road.",
    "Prices fall, and people march on; it may rain.",
    "The lake shore has a small beach.",
    "A Thai restaurant and a Chinese restaurant stand side by side.",
    "A statue of Newton and a Van Gogh poster.",
    "The delta and the hub are far.",
    "A Volkswagen and a Toyota wait at the lights.",
    "The houses have red roofs; water lies to the west.",
    "From above, the road must run from north to south.",
    "An English lawn and French windows.",
    "Turkish delight is sold here.",
    "The Roman arch is old.",
    "It has a Victorian look, and a Georgian door.",
    "The Pacific Hotel has five floors.",
    "Half of the signs are blue.",
    "The left house is white, the right one is red.",
    "A bus stop stands right in front of us.",
    "Turn right after the bakery.",
    "The shop on the left sells bread, and traffic is light.",
    "We see a Mediterranean restaurant.",
    "The tower is 300 metres high.",
    "Winter tyres are advertised.",
    "Spring Street crosses Main Street.",
    "Summer Road is empty.",
    "Coca-Cola is advertised everywhere.",
    "May I add that the trees are bare?",
    "No sun is visible; the sky is grey in the north.",
]


@pytest.mark.parametrize("facts", [LYON, SYDNEY, NAIROBI, TOKYO], ids=lambda facts: facts.place)
def test_innocent_sentences_hold_no_false_claim(facts):
    wrong = {text: report.false for text in INNOCENT if not (report := check(text, facts)).ok}
    assert not wrong


def test_a_state_is_no_country_of_the_same_name():
    atlanta = atlas.describe(33.75, -84.39, "2024-06-21T18:00:00Z")
    assert check("This is Atlanta, Georgia.", atlanta).ok
    assert not check("This must be Georgia.", LYON).ok


def test_the_terse_register_is_read_word_by_word():
    line = "see drives-right script-latin speed-km sun-north both sand red-roofs know climate-c winter so Australia"
    assert [claim.value for claim in check(line, SYDNEY).false] == ["drives-right"]


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_no_text_makes_it_raise(text):
    check(text, LYON)
    check(f"This is {text}, in {text} at {text}° N.", SYDNEY)


def test_long_text_is_read_to_its_end():
    """Without a limit in seconds (tests/bench measures them): a quadratic pattern would take minutes here."""
    long = "Traffic keeps to the right and the sun is in the south-east near Lyon, France. " * 80
    assert not check(long, LYON).false
    assert [claim.value for claim in check(long + " Traffic keeps to the left.", LYON).false] == ["left"]
    check("the " * 5000 + "north " * 5000 + "1" * 5000, LYON)


# --- measured --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("register", ["english", "terse"])
def test_planted_falsehoods_in_the_templates_own_sentences(register):
    rows = planted.planted(120, seed=11, register=register)
    precision, recall = planted.precision_recall(rows)
    assert rows.false.sum() > 80 and (~rows.false).sum() > 80
    assert precision >= 0.95 and recall >= 0.95
    assert rows[rows.false].named.mean() >= 0.95


def test_sentences_worded_by_a_person():
    """Floors below what was measured; the figures themselves are in results/bench/engine.csv."""
    rows = planted.written(CLAIMS)
    assert len(rows) >= 300 and set(rows.part) == {"dev", "test", "late"}
    held_out = planted.precision_recall(rows[rows.part == "test"])
    late = planted.precision_recall(rows[rows.part == "late"])
    assert min(held_out) >= 0.93
    assert min(late) >= 0.85


def test_every_kind_of_claim_can_be_planted():
    rows = planted.planted(150, seed=2)
    assert set(rows.kind) - {""} == set(factcheck.KINDS)
