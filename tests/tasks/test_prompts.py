"""Templates and parsers: the table of malformed answers, totality for any text, coordinates in any notation."""

import json
import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from test_rewards import ANY_TEXT, MODES, ROBUST

from georeplicate import atlas, coordinates, paper
from georeplicate.report import pages
from georeplicate.tasks import answers, prompts
from georeplicate.tasks.answers import Choice, Malformed, Place

# --- the table --------------------------------------------------------------------------------------------------------

EXAMPLES = list(pages.examples())


def outcome(example: pages.Example, mode: str):
    parse = answers.parse_choice if example.task == "choice" else answers.parse_place
    answer = parse(example.text, mode)
    if isinstance(answer, Malformed):
        return answer.reason if mode == "paper" else None
    if isinstance(answer, Choice):
        return answer.letter
    if mode == "released":
        assert answer == Place(answer.city, answer.country)
        return [answer.city, answer.country]
    point = [None if value is None else round(value, 6) for value in (answer.lat, answer.lon)]
    return [answer.city, answer.country_code, *point]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: ascii(example.text))
def test_malformed_answers(example, mode):
    assert outcome(example, mode) == getattr(example, mode), example.why


def test_the_table_is_large_and_has_every_reason():
    assert len({(example.task, example.text) for example in EXAMPLES}) == len(EXAMPLES) >= 100
    refused = {example.paper for example in EXAMPLES if isinstance(example.paper, str) and len(example.paper) > 1}
    # those that remain need a long text, a number of images or no text at all, and have tests of their own below
    assert refused | {"too_long", "unknown_letter", "not_text"} == set(answers.REASONS) == set(get_args(answers.Reason))


# --- letters ----------------------------------------------------------------------------------------------------------


def test_a_letter_without_an_image_is_refused():
    assert answers.parse_choice("<answer>F</answer>", letters="ABCDE") == Malformed("unknown_letter", "F")
    assert answers.parse_choice("<answer>E</answer>", letters="ABCDE") == Choice("E")


def test_an_endless_answer_is_refused_and_endless_thinking_is_not():
    assert answers.parse_choice("<answer>" + "B " * 6000 + "</answer>").reason == "too_long"
    assert answers.parse_place("France, " * 6000).reason == "too_long"
    assert answers.parse_place("ﷺ" * 5000).reason == "too_long"  # one character becomes eighteen
    assert answers.parse_choice(f"<think>{'C or D. ' * 100_000}</think><answer>B</answer>") == Choice("B")


def test_a_refusal_can_be_read():
    assert str(answers.parse_choice("A or B")) == "more than one letter is given: 'A, B'"
    assert str(answers.parse_choice("")) == "nothing was written"


WRAPPINGS = [
    "{}",
    "({})",
    "{})",
    "**{}**",
    "[{}]",
    '"{}"',
    "Image {}",
    "option {}.",
    "The answer is {}.",
    "\\boxed{{{}}}",
]
WRAPPINGS += [
    "Satellite image {} is the match",
    "{} is the match.",
    "I choose image {}!",
    "Answer: {}",
    "{}\nThe roads fit.",
]


@pytest.mark.parametrize("letter", "ABCDEI")
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_letter_in_every_usual_wrapping(wrapping, letter):
    said = wrapping.format(letter)
    for text in (said, prompts.reply(said), prompts.reply(said, "A, then B. Perhaps C?")):
        assert answers.parse_choice(text) == Choice(letter)


@ROBUST
@given(
    st.sampled_from(WRAPPINGS),
    st.sampled_from("ABCDE"),
    st.sampled_from("ABCDE"),
    st.sampled_from([" or ", ", ", "\n"]),
)
def test_two_different_letters_in_an_answer_are_refused(wrapping, one, other, between):
    assume(one != other)
    text = prompts.reply(wrapping.format(one) + between + wrapping.format(other), "x")
    assert answers.parse_choice(text).reason == "two_letters"


@ROBUST
@given(st.text(), st.sampled_from("ABCDE"))
def test_what_is_thought_does_not_change_what_is_answered(thought, letter):
    assume("<" not in thought)
    assert answers.parse_choice(prompts.reply(letter, thought)) == Choice(letter)


@ROBUST
@given(ANY_TEXT, st.sampled_from(MODES))
def test_parsers_are_total(text, mode):
    choice, place = answers.parse_choice(text, mode), answers.parse_place(text, mode)
    assert isinstance(choice, Malformed) or choice.letter in answers.LETTERS
    for answer in (choice, place):
        if isinstance(answer, Malformed):
            assert answer.reason in answers.REASONS and len(answer.found) <= 80 and str(answer)
    if isinstance(place, Place):
        assert (place.lat is None) == (place.lon is None)
        assert place.lat is None or (abs(place.lat) <= 90 and abs(place.lon) <= 180)
        assert place.country_code is None or atlas.country_name(place.country_code)
        assert place.country or place.lat is not None or (mode == "released" and place.city)


# --- places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("country", ["FR", "France", "Frankreich", "FRANCE", "frança", "フランス"])
def test_a_country_in_any_spelling_the_atlas_knows(country):
    place = answers.parse_place(prompts.reply(prompts.place_answer(country, "Lyon")))
    assert place == Place("Lyon", country, "FR")


@pytest.mark.parametrize("text", ["it", "can", "no", "in", "us", "me", "so"])
def test_words_are_no_country_codes(text):
    assert isinstance(answers.parse_place(text), Malformed)


@pytest.mark.parametrize(
    ("text", "code"), [("US", "US"), ("country: us", "US"), ("country: NO", "NO"), ("Oslo, NO", "NO")]
)
def test_codes_where_they_are_meant(text, code):
    assert answers.parse_place(text).country_code == code


def test_a_place_survives_being_written_and_read():
    for city in atlas.cities(min_population=1_000_000).itertuples():
        written = prompts.reply(prompts.place_answer(atlas.country_name(city.country), city.name), "somewhere")
        place = answers.parse_place(written)
        assert (place.city, place.country_code) == (city.name, city.country)


def dms(value: float, positive: str, negative: str) -> str:
    seconds = round(abs(value) * 3600)
    minutes, seconds = divmod(seconds, 60)
    degrees, minutes = divmod(minutes, 60)
    return f"{degrees}°{minutes:02d}'{seconds:02d}\"{positive if value >= 0 else negative}"


NOTATIONS = {
    "decimal": lambda lat, lon: f"{lat:.5f}, {lon:.5f}",
    "semicolon": lambda lat, lon: f"{lat:.5f}; {lon:.5f}",
    "brackets": lambda lat, lon: f"({lat:.5f}, {lon:.5f})",
    "typographic minus": lambda lat, lon: f"{lat:.5f}, {lon:.5f}".replace("-", "−"),
    "decimal comma": lambda lat, lon: f"{lat:.5f}; {lon:.5f}".replace(".", ","),
    "hemispheres behind": lambda lat, lon: f"{abs(lat):.5f}° {'NS'[lat < 0]}, {abs(lon):.5f}° {'EW'[lon < 0]}",
    "hemispheres before": lambda lat, lon: f"{'NS'[lat < 0]} {abs(lat):.5f} {'EW'[lon < 0]} {abs(lon):.5f}",
    "words": lambda lat, lon: (
        f"{abs(lat):.5f} degrees {('north', 'south')[lat < 0]} and {abs(lon):.5f} degrees {('east', 'west')[lon < 0]}"
    ),
    "minutes and seconds": lambda lat, lon: f"{dms(lat, 'N', 'S')} {dms(lon, 'E', 'W')}",
    "longitude first": lambda lat, lon: f"{abs(lon):.5f}° {'EW'[lon < 0]}, {abs(lat):.5f}° {'NS'[lat < 0]}",
    "keys": lambda lat, lon: f"lat: {lat:.5f} lon: {lon:.5f}",
    "long keys": lambda lat, lon: f"Latitude = {lat:.5f}\nLongitude = {lon:.5f}",
    "one key": lambda lat, lon: f"coordinates: {lat:.5f}, {lon:.5f}",
    "JSON": lambda lat, lon: json.dumps({"lat": lat, "lng": lon}),
    "JSON list": lambda lat, lon: json.dumps({"coordinates": [lat, lon]}),
    "GeoJSON": lambda lat, lon: json.dumps({"type": "Point", "coordinates": [lon, lat]}),
}


@pytest.mark.parametrize("notation", NOTATIONS)
@ROBUST
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_coordinates_in_every_notation(notation, lat, lon):
    place = answers.parse_place(prompts.reply(NOTATIONS[notation](lat, lon)))
    assert (place.lat, place.lon) == pytest.approx((lat, lon), abs=0.51 / 3600)


@ROBUST
@given(st.floats(90.01, 180), st.floats(-90, 90), st.sampled_from(["decimal", "keys", "one key", "JSON"]))
def test_an_impossible_latitude_that_can_be_a_longitude_was_exchanged(lat, lon, notation):
    assert answers.parse_place(NOTATIONS[notation](lat, lon)).reason == "swapped"


@ROBUST
@given(st.floats(-90, 90), st.floats(180.01, 1e6), st.sampled_from(["decimal", "keys", "hemispheres behind", "JSON"]))
def test_an_impossible_longitude_is_out_of_range(lat, lon, notation):
    assert answers.parse_place(NOTATIONS[notation](lat, lon)).reason == "out_of_range"


@pytest.mark.parametrize("city", [("Sydney", "AU"), ("Nairobi", "KE"), ("Lima", "PE"), ("Oslo", "NO")])
def test_exchanged_coordinates_beside_a_name(city):
    lat, lon = atlas.geocode(*city)
    names = prompts.place_answer(city[1], city[0])
    assert answers.parse_place(f"{names}\nlat: {lat}\nlon: {lon}").lat == pytest.approx(lat)
    assert answers.parse_place(f"{names}\nlat: {lon}\nlon: {lat}").reason == "swapped"


@pytest.mark.parametrize(
    "text", ["Paris, France, 105 km2, 2.1 million", "population 2.1, 3.4", "route 66, 12 km", "A1, B2"]
)
def test_numbers_in_a_sentence_are_no_coordinates(text):
    point, rest = coordinates.find_pair(text)
    assert point is None and rest == text


def test_coordinates_are_cut_out_of_the_text_around_them():
    assert coordinates.find_pair("Paris (48.8566, 2.3522), France") == ((48.8566, 2.3522), "Paris ( ), France")


# --- equal names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "in_paper", "in_released"),
    [
        ("Paris", "paris", True, True),
        ("São Paulo", "Sao Paulo", True, False),
        ("St. John's", "St Johns", False, False),
        ("Saint-Denis", "Saint Denis", True, False),
        ("York", "New York", False, False),
        ("San Jose", "San Jose CA", False, True),  # 8 of 11 letters
        ("1234567", "1234567890", False, True),  # exactly 0.7
        ("123456", "123456789", False, False),
        ("Washington", "Washington, D.C.", False, False),
        ("", "", False, False),
        ("", "Paris", False, False),
        ("...", "...", False, True),
    ],
)
def test_same_place_name(a, b, in_paper, in_released):
    assert answers.same_place_name(a, b) == answers.same_place_name(b, a) == in_paper
    assert answers.same_place_name(a, b, "released") == answers.same_place_name(b, a, "released") == in_released


# --- templates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 5, 26])
def test_the_pairing_question_names_every_letter_in_order(k):
    text = prompts.pairing(k)
    places = [text.index(f"image {letter}") for letter in answers.LETTERS[:k]]
    assert places == sorted(places) and f"next {k} images" in text
    assert k == 26 or f"image {answers.LETTERS[k]}" not in text
    assert paper.setting("candidates").value == 5 and prompts.pairing() == prompts.pairing(5)


@pytest.mark.parametrize("k", [1, 0, -1, 27])
def test_an_impossible_number_of_candidates_is_refused(k):
    with pytest.raises(ValueError, match="between 2 and 26"):
        prompts.pairing(k)


def test_only_thinking_questions_ask_for_thoughts():
    for ask in (prompts.pairing, prompts.geolocation):
        assert "<think>" in ask(thinking=True) and "<think>" not in ask(thinking=False)
        assert "<answer>" in ask(thinking=True) and "<answer>" in ask(thinking=False)


def test_images_come_before_the_text():
    (turn,) = prompts.messages("Which?", 6)
    assert turn["role"] == "user"
    assert [part["type"] for part in turn["content"]] == ["image"] * 6 + ["text"]
    assert turn["content"][-1]["text"] == "Which?"


def test_a_chain_of_thought_has_the_four_steps_and_a_readable_answer():
    text = prompts.chain_of_thought(
        "palms", "a round roof", "a warm coast", "Lisbon", prompts.place_answer("Portugal", "Lisbon")
    )
    places = [text.index(title) for title in prompts.CHAIN_OF_THOUGHT_STEPS.values()]
    assert places == sorted(places) and text.startswith("<think>") and text.endswith("</answer>")
    assert answers.parse_place(text) == Place("Lisbon", "Portugal", "PT")
    assert answers.parse_place(text, "released") == Place("lisbon", "portugal")


def test_the_teacher_is_told_the_facts_the_steps_and_the_answer():
    text = prompts.ask_for_chain_of_thought({"climate": "Cfb", "driving side": "left"}, "country: Ireland")
    for part in ("- climate: Cfb", "- driving side: left", *prompts.CHAIN_OF_THOUGHT_STEPS.values()):
        assert part in text
    assert text.endswith("<answer>country: Ireland</answer>")


def test_a_record_follows_the_official_schema():
    row = prompts.jsonl_row("7", ["p.jpg", "a.jpg"], "Which?", "<answer>A</answer>")
    assert json.loads(json.dumps(row)) == {
        "id": "7",
        "image": ["p.jpg", "a.jpg"],
        "conversations": [
            {"from": "human", "value": "<image><image>Which?"},
            {"from": "gpt", "value": "<answer>A</answer>"},
        ],
    }


def test_rewards_and_prompts_load_neither_torch_nor_the_gazetteer():
    code = "import sys; from georeplicate import rewards; rewards.total('B', 'B', 9); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'georeplicate.tasks.answers'" in loaded
    for module in ("torch", "transformers", "pandas", "georeplicate.atlas"):
        assert f"'{module}'" not in loaded


def test_coordinates_of_an_answer_are_where_it_is():
    from georeplicate.tasks import Output
    from georeplicate.tasks.geolocation import Geolocation

    task = Geolocation(lambda _: [], "toy")
    row = {"id": "a", "lat": 48.85, "lon": 2.35, "country": "FR"}
    for text in ("<answer>48.85, 2.35</answer>", "<answer>lat: 48.85\nlon: 2.35</answer>"):
        found = task.score(Output(text), row)
        assert found["error_km"] < 1 and found["choice"] == ""
