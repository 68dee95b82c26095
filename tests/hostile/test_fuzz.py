"""Invented inputs: whatever comes in, nothing but the documented errors comes out, the same each time and in range.

A few examples here; `make fuzz` tries thousands of each (HYPOTHESIS_EXAMPLES). What it finds becomes an `@example`.
"""

import io
import json
import math
import os
import random
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from make_fixtures import geotiff, photo
from PIL import ExifTags, Image

from georeplicate import atlas, coordinates, geo, pairs
from georeplicate.evaluation import csvfile, rows
from georeplicate.evaluation.score import score
from georeplicate.pairs import photos, validate
from georeplicate.tasks import answers
from georeplicate.tasks.answers import Choice, Malformed, Place
from georeplicate.training import rewards

LONG = "HYPOTHESIS_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "25"))
FUZZ = settings(
    max_examples=EXAMPLES,
    derandomize=not LONG,  # the suite tries the same ones each time, so that it fails where something changed
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

# Pieces that answers are made of, so that invented ones look like answers that went wrong.
PIECES = st.sampled_from(
    r"""
    <think> </think> <thinking> <answer> </answer> <final_answer> \boxed{ } { } [ ] ( ) | \ ** ` ``` ```json " ' : ; , .
    ! ? - – — − + ± ~ / = -> → ° º ′ ″ '' A B C a b c I not n't but or and because wait no Option image
    tile country city state latitude longitude lat lon coordinates
    国家 城市 经度 纬度 经纬度 坐标 是 北纬 東経 위도 경도
    France Paris Georgia Congo Korea CA Texas USA (South) North N S E W O 0 1 48 48.8566 2.3522 -33.9249 48,8566 116.4
    1e5 nan ٤٨٫٨٥ ４８ POINT( <|im_end|> <|channel|>final<|message|> &lt; &amp; <b> </b> <s> ﷺ İ ß
    """.split()
    + ["the answer is ", " ", " ", " ", "\n", "\n", "\r", "\t"]
    + ["\u3000", "\u200b", "\u202e", "\ufeff", "\ud800", "\x00"]
)
TEXTS = st.one_of(
    st.lists(PIECES, max_size=30).map("".join),
    st.lists(PIECES, max_size=15).map(" ".join),
    st.text(st.characters(exclude_categories=()), max_size=60),
)
LAT, LON = st.floats(-90, 90), st.floats(-180, 180)


@FUZZ
@given(TEXTS, st.sampled_from(("paper", "released")))
def test_parsers_and_rewards_are_total_the_same_twice_and_in_range(text, mode):
    choice, place = answers.parse_choice(text, mode), answers.parse_place(text, mode)
    assert (choice, place) == (answers.parse_choice(text, mode), answers.parse_place(text, mode))
    assert isinstance(choice, Malformed) or choice.letter in answers.LETTERS
    if isinstance(place, Place):
        assert place.lat is None or geo.is_valid(place.lat, place.lon)
        assert place.country_code is None or atlas.country_name(place.country_code)
    earned = rewards.total(text, "B", len(text), mode)
    assert -1.5 <= earned.total <= 3 and earned.parts["accuracy"] == (choice == Choice("B"))
    assert all(math.isfinite(part) for part in earned.parts.values())
    assert 0 <= rewards.place(text, "FR", "Paris", mode).total <= 2


@FUZZ
@given(st.sampled_from("ABCDE"), TEXTS)
def test_a_letter_in_an_answer_block_is_read_whatever_was_thought(letter, thought):
    thought = thought.replace("<", "").replace("&lt", "").replace("[", "").replace("◁", "")
    for form in ("{}", "({})", "**{}**", "\\boxed{{{}}}", "Option {}", "Answer: {}", '{{"answer": "{}"}}', "<b>{}</b>"):
        text = f"<think>{thought}</think><answer>{form.format(letter)}</answer>"
        assert answers.parse_choice(text) == Choice(letter)


FORMS = [
    "{lat:.5f}, {lon:.5f}", "({lat:.5f}; {lon:.5f})", "lat: {lat:.5f}, lon: {lon:.5f}",
    "longitude={lon:.5f} latitude={lat:.5f}", "纬度：{lat:.5f}，经度：{lon:.5f}", "坐标：{lat:.5f}，{lon:.5f}",
    "lon/lat: {lon:.5f}, {lat:.5f}", "POINT({lon:.5f} {lat:.5f})", "{alat:.5f}° {ns}, {alon:.5f}° {ew}",
    "{ew} {alon:.5f}, {ns} {alat:.5f}", '{{"lat": {lat:.5f}, "lng": {lon:.5f}}}',
    "| Latitude | {lat:.5f} |\n| Longitude | {lon:.5f} |", "<lat>{lat:.5f}</lat><lon>{lon:.5f}</lon>",
    "latitude: {alat:.5f} ({north}), longitude: {alon:.5f} ({east})",
    "The latitude is {lat:.5f} and the longitude is {lon:.5f}.", "Lat. {lat:.5f}, long. {lon:.5f}",
]  # fmt: skip


@FUZZ
@given(LAT, LON, st.sampled_from(FORMS))
@example(-0.000001, 0.0, FORMS[0])
@example(0.0, -180.0, FORMS[9])
@example(0.0, -1.0, FORMS[11])  # the minus was taken for the table's rule
def test_what_was_written_is_what_is_read(lat, lon, form):
    words = {
        "ns": "NS"[lat < 0],
        "ew": "EW"[lon < 0],
        "north": ("North", "South")[lat < 0],
        "east": ("East", "West")[lon < 0],
    }
    place = answers.parse_place(form.format(lat=lat, lon=lon, alat=abs(lat), alon=abs(lon), **words))
    assert isinstance(place, Place) and (place.lat, place.lon) == pytest.approx((lat, lon), abs=6e-6)


@FUZZ
@given(TEXTS, TEXTS)
def test_readers_of_coordinates_stay_on_earth(one, other):
    for found in (
        coordinates.read_pair(one, other),
        *(coordinates.find_pair(one, expected)[0] for expected in (True, False)),
    ):
        assert (
            found is None or isinstance(found, coordinates.Unusable) or (abs(found[0]) <= 90 and abs(found[1]) <= 180)
        )


@FUZZ
@given(TEXTS, TEXTS, st.one_of(st.none(), TEXTS))
def test_the_geocoder_gives_a_place_on_earth_or_none(city, country, state):
    found = atlas.geocode(city, country, state)
    assert found is None or geo.is_valid(*found)
    assert (found is None) == (atlas.country_of(city, country, state) is None)
    code = atlas.country_code(country)
    assert code is None or atlas.country_code(atlas.country_name(code)) == code


# --- tables -------------------------------------------------------------------------------------------------------

CELLS = st.one_of(
    st.sampled_from(["", "1", "-33.9", "48,85", "nan", "1e9", "91", "33.9S", '"',
                     '""', '"a', "a\nb", "=1+1", "é", "\x00", "\u2028", "'x"]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=6),
)  # fmt: skip
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=5).map(",".join), max_size=8)
GOOD_ROW = "a good row,10,20"


@FUZZ
@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", "\ufeff"]), st.booleans())
def test_tables_are_read_or_refused_and_a_good_row_is_scored(tmp_path_factory, lines, newline, mark, cut):
    path = tmp_path_factory.mktemp("fuzz") / "p.csv"
    data = (mark + newline.join(["id,lat,lon", *lines, GOOD_ROW]) + newline).encode()
    path.write_bytes(data[: random.Random(len(data)).randrange(len(data))] if cut else data)
    try:
        read = rows.read_predictions(path)
    except ValueError as error:
        assert cut and "p.csv" in str(error) and "\n" not in str(error)
        return
    known = ~np.isnan(read.frame.lat.to_numpy(float))
    assert geo.is_valid(read.frame.lat[known], read.frame.lon[known]).all()
    # a quote that the lines before left open can hold the last line too: then it is reported with them
    if not cut and not any('"' in line for line in lines):
        mine = read.frame[read.frame.id == "a good row"]
        assert mine[["lat", "lon"]].values.tolist() == [[10, 20]]
        truth = rows.truth_from(mine[["id", "lat", "lon"]])
        assert score(read, truth).summary["acc_1km"] == 1.0


@FUZZ
@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"id,lat,lon\n", b"id;text\n"]),
)
def test_any_bytes_are_a_table_or_one_sentence(tmp_path_factory, data, head):
    path = tmp_path_factory.mktemp("fuzz") / "p.csv"
    path.write_bytes(head + data)
    for read in (rows.read_predictions, rows.read_truth, rows.read_both):
        try:
            read(path)
        except ValueError as error:
            assert "p.csv" in str(error) and "\n" not in str(error)


@FUZZ
@given(st.text(max_size=20))
def test_what_a_spreadsheet_would_run_is_escaped_and_read_as_it_was(text):
    assert not csvfile.escape(text).startswith(csvfile.FORMULA)
    assert csvfile.unescape(csvfile.escape(text)) == text or text[:1] == "'"


# --- pictures -----------------------------------------------------------------------------------------------------

NUMBERS = st.one_of(st.integers(-200, 200), st.floats(0, 1e6), st.sampled_from([0, 59.9999, 60, 90, 180, 1e9]))
NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from([ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSTimeStamp]),
        st.one_of(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS), st.none(), NAMES, NUMBERS),
    ),
    st.dictionaries(
        st.sampled_from([ExifTags.GPS.GPSLatitudeRef, ExifTags.GPS.GPSLongitudeRef, ExifTags.GPS.GPSDateStamp]),
        st.one_of(st.sampled_from(["N", "S", "E", "W", b"S", "n", "", "2023:03:04"]), NAMES, st.binary(max_size=5)),
    ),
    st.dictionaries(
        st.sampled_from([ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal]),
        st.one_of(
            st.sampled_from(["2023:03:04 12:30:00", "+02:00", "-5:00", "Z", "9999:12:31 23:59:59"]), NAMES, st.none()
        ),
    ),
)
def test_any_tags_are_a_place_on_earth_or_none(numbers, letters, times):
    seen = photos._from_exif(numbers | letters, times)
    assert math.isnan(seen.lat + seen.lon) or geo.is_valid(seen.lat, seen.lon) or seen.problem
    if not math.isnan(seen.lat):
        degrees = numbers[ExifTags.GPS.GPSLatitude]
        assert abs(seen.lat) <= abs(degrees[0]) + abs(degrees[1]) / 60 + abs(degrees[2]) / 3600 + 1e-9
    assert seen.taken_at is None or seen.taken_at.endswith("+00:00")


@dataclass(repr=False)
class Sound:
    folder: Path
    photo: bytes
    tile: bytes


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with a sound photo and tile, and the bytes of one of each, to be damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    photo(folder / "photos/good.jpg", 10.0, 20.0, local="2023:07:01 14:30:00", offset="+02:00")
    geotiff(folder / "tiles/good.tif", "EPSG:4326", (19.99, 9.99, 20.01, 10.01))
    return Sound(folder, (folder / "photos/good.jpg").read_bytes(), (folder / "tiles/good.tif").read_bytes())


DAMAGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6)


def damaged(data, damages, cut):
    data = bytearray(data)
    for share, value in damages:  # most of what matters stands in the first part
        data[int(share**3 * (len(data) - 1))] = value
    return bytes(data[: int(cut * len(data))])


@settings(FUZZ, max_examples=max(8, EXAMPLES // 4))
@given(DAMAGES, DAMAGES, st.sampled_from([1, 1, 1, 0.9, 0.1, 0]))
@example([], [(0.291015625, 0)], 1)  # a projection that is none of the Earth
def test_a_damaged_photo_or_tile_never_ends_a_load(pictures, in_photo, in_tile, cut):
    (pictures.folder / "photos/bad.jpg").write_bytes(damaged(pictures.photo, in_photo, cut))
    (pictures.folder / "tiles/bad.tif").write_bytes(damaged(pictures.tile, in_tile, cut))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pairs.read("photos", "all", pictures.folder).set_index("id")
    assert set(read.index) == {"good.jpg", "bad.jpg"} and read.problem["good.jpg"] == ""
    sound = read[read.problem == ""]
    assert geo.is_valid(sound.lat, sound.lon).all()


@FUZZ
@given(DAMAGES, st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"]))
def test_a_damaged_picture_is_opened_or_named(tmp_path_factory, damages, form):
    from georeplicate.evaluation.photos import LONGEST_PX, open_photo

    whole = io.BytesIO()
    Image.new("RGB", (40, 30), (9, 99, 9)).save(whole, form)
    path = tmp_path_factory.mktemp("fuzz") / "p.img"
    path.write_bytes(damaged(whole.getvalue(), damages, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert max(open_photo(path).size) <= LONGEST_PX
        except ValueError as error:
            assert "p.img" in str(error)


# --- lines of JSON ------------------------------------------------------------------------------------------------

KEYS = ["path", "size", "mtime_ns", "width", "hash", "x"]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=6,
)


@FUZZ
@given(st.lists(st.one_of(JSON.map(json.dumps), st.text(max_size=8)), max_size=6), st.binary(max_size=6))
def test_any_lines_that_were_left_behind_are_passed_over(tmp_path_factory, lines, tail):
    folder = tmp_path_factory.mktemp("fuzz")
    picture = folder / "a.png"
    Image.new("RGB", (8, 8)).save(picture)
    cache = folder / "pictures.jsonl"
    cache.write_bytes("\n".join(lines).encode("utf-8", "replace") + b"\n" + tail)
    seen = validate._looked_at([str(picture)], cache, 1, False)
    assert list(seen) == [str(picture)]


@FUZZ
@given(JSON, JSON)
def test_any_json_is_a_place_or_refused(country, city):
    for value in (
        {"country": country, "city": city},
        {"lat": country, "lon": city},
        {"coordinates": [country, city]},
        country,
    ):
        place = answers.parse_place(json.dumps(value))
        assert isinstance(place, Place | Malformed)
        assert isinstance(place, Malformed) or place.lat is None or geo.is_valid(place.lat, place.lon)
