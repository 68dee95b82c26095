"""Answers read again: texts written by hand, as policies that lose their form write them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georeplicate.evaluation import faithfulness
from georeplicate.mini import readings
from georeplicate.mini.wording import WORDING
from georeplicate.tasks import answers
from georeplicate.tasks.geolocation import located

DOUBLED = (
    "<think> see climate-c </think> <answer> country : Kenya </think> <answer> country : Mali city : Angola </answer>"
)


@pytest.mark.parametrize(
    "text, code",
    [
        (DOUBLED, "KE"),
        ("<answer> country : Kenya </answer>", "KE"),
        ("<think> x </think> <answer> country : broadleaf </think> <answer> country : Chile </answer>", "CL"),
        ("<answer> country : Nigeria city : city : hemisphere-north </answer>", "NG"),
        ("<answer> D </answer>", ""),
        ("country : Kenya, but no answer block", ""),
        ("", ""),
    ],
)
def test_the_first_country_that_is_named_counts(text, code):
    assert readings.first_place(text)[0] == code


def test_the_strict_reading_refuses_what_the_first_place_reads():
    assert located(answers.parse_place(DOUBLED))[0] == ""
    rows = pd.DataFrame(
        {"text": [DOUBLED, "<answer> D </answer>"], "lat": [-1.3, 0.0], "lon": [36.8, 0.0]}, index=[4, 9]
    )
    found = readings.first_places(rows)
    assert found.index.tolist() == [4, 9] and found.choice.tolist() == ["KE", ""]
    assert found.error_km.iloc[0] < 50 and np.isnan(found.error_km.iloc[1])


@given(st.text(max_size=80))
def test_any_text_has_a_first_place_or_none(text):
    code, (lat, lon) = readings.first_place(f"<answer>{text}")
    assert (code == "") == np.isnan(lat) or np.isnan(lon) or len(code) == 2


def test_a_text_s_own_first_match_is_its_letter():
    text = "<think> place broadleaf A palms other B broadleaf match C broadleaf match </think> <answer> A </answer>"
    assert readings.by_verdicts(text, "A") == "B"
    assert readings.by_verdicts("<think> place broadleaf A palms other </think> <answer> A </answer>", "A") == "A"
    assert readings.by_verdicts("", "") == ""


def test_described_words_are_counted_as_in_the_predictions():
    said = [tuple(next(iter(values.values())) for values in WORDING.words.values())] * 3
    thought = "place broadleaf golden-growth A palms red-soil other B broadleaf match E conifers"
    text = f"<think> {thought} </think> <answer> B </answer>"
    words = list(readings.described(text, said))
    counts = faithfulness.faithful(text, "B", said, WORDING)
    assert (len(words), sum(true for *_, true in words)) == (counts["words"], counts["words_true"]) == (5, 3)
    assert words[0] == ("panorama", "vegetation", True) and words[2] == ("tile", "vegetation", False)


def test_thoughts_end_where_the_answer_begins():
    kinds = {"drives-left": "driving", "drives-right": "driving", "Kenya": "country"}
    text = "<think> see drives-left drives-right </think> <answer> Kenya </answer>"
    assert readings.thought_words(text, kinds) == {"driving": "drives-left"}
    assert readings.thought_words("<answer> drives-left </answer>", kinds) == {}
