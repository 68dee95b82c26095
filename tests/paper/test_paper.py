"""The paper as data: tables typed once, claims recomputed from them, arithmetic of published percentages."""

import importlib
import inspect
import re
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from georeplicate import paper
from georeplicate.profiles import Profile

ROOT = Path(__file__).parents[2]


def test_tables_have_the_shape_of_the_poster():
    one, two = paper.table1(), paper.table2()
    assert one.shape == (9, 8) and two.shape == (4, 3)
    assert list(one.method)[-1] == "Geo-R1" and one.citation.iloc[-1] == "ours"
    assert (one.group != "").sum() == 3
    assert list(one.columns)[3:] == list(paper.THRESHOLDS_KM)


def test_checksums_of_the_tables():
    # summed outside Python from the poster's figures: a mistyped digit changes them
    one = paper.table1()
    assert one[list(paper.THRESHOLDS_KM)].sum().round(2).to_dict() == {
        "street_1km": 141.67,
        "city_25km": 424.27,
        "region_200km": 529.08,
        "country_750km": 672.77,
        "continent_2500km": 773.89,
    }
    two = paper.table2()
    assert two.accuracy_percent.sum() == pytest.approx(202.6)
    assert two.completion_length_tokens.sum() == pytest.approx(2298.4)


@pytest.mark.parametrize("row", paper.TABLE1, ids=lambda row: row.method)
def test_shares_grow_with_the_distance(row):
    shares = [getattr(row, column) for column in paper.THRESHOLDS_KM]
    assert shares == sorted(shares) and 0 <= shares[0] and shares[-1] <= 100


def test_derived_settings_agree_with_what_they_derive_from():
    value = {entry.name: entry.value for entry in paper.SETTINGS}
    assert value["completions_per_update"] == (
        value["processes"] * value["per_device_batch"] * value["gradient_accumulation"]
    )
    assert value["prompts_per_update"] * value["num_generations"] == value["completions_per_update"]
    assert value["updates"] == value["training_pairs"] * value["epochs"] / value["prompts_per_update"]
    assert value["max_pixels"] == 16_384 * 28 * 28 and value["min_pixels"] == 4 * 28 * 28


def test_names_are_unique_and_an_unknown_setting_is_named():
    names = [entry.name for entry in paper.SETTINGS]
    assert len(set(names)) == len(names)
    for entries in (paper.CLAIMS, paper.INFERENCES, paper.DEVIATIONS):
        assert len({entry.id for entry in entries}) == len(entries)
    with pytest.raises(KeyError, match="no setting 'betta'.*beta"):
        paper.setting("betta")


def test_every_strength_is_one_that_is_explained():
    entries = [*paper.SETTINGS, *paper.CLAIMS, *paper.INFERENCES, *paper.DEVIATIONS]
    entries += [position for conflict in paper.CONFLICTS for position in conflict.positions]
    assert {entry.strength for entry in entries} == set(paper.STRENGTHS) == set(get_args(paper.Strength))
    assert all(inference.strength == "I" for inference in paper.INFERENCES)
    assert all(entry.source for entry in entries if hasattr(entry, "source"))


def test_copied_rows_and_overlap_are_published_as_inferences():
    ids = {inference.id: inference for inference in paper.INFERENCES}
    assert "copied" in ids["table1.copied"].statement and ids["table1.overlap"].would_refute


def test_numbers_of_the_tables_are_typed_once():
    said = f"{paper.TABLE2[0].accuracy_percent:.1f} % is called nearly random"
    (candidates,) = (deviation for deviation in paper.DEVIATIONS if deviation.id == "candidates")
    assert said in paper.setting("candidates").source and said in candidates.why
    assert candidates.ours == f"k = {paper.setting('candidates').value} by default"


def test_deviations_speak_of_claims_and_the_heaviest_come_first():
    claims = {claim.id for claim in paper.CLAIMS}
    for deviation in paper.DEVIATIONS:
        assert set(deviation.prevents) <= claims and set(deviation.could_flip) <= claims
        assert not set(deviation.prevents) & set(deviation.could_flip), deviation.id
    weights = [(len(row.prevents), len(row.could_flip)) for row in paper.deviations_by_weight().itertuples()]
    assert weights == sorted(weights, reverse=True) and len(weights) == len(paper.DEVIATIONS)


def test_questions_hang_on_claims_and_the_paper_itself_was_not_read():
    claims = {claim.id for claim in paper.CLAIMS}
    assert all(question.settles and set(question.settles) <= claims for question in paper.QUESTIONS)
    assert list(dict.fromkeys(paper.experiences().went)) == ["easy", "hard"]
    papers = [reading for reading in paper.READINGS if reading.source.startswith("the paper")]
    assert len(papers) == 2 and {reading.strength for reading in papers} == {"not in full"}


def test_a_conflict_has_two_sides():
    assert all(len({position.says for position in conflict.positions}) >= 2 for conflict in paper.CONFLICTS)


def test_claims_that_the_tables_carry_hold_in_them():
    for claim in paper.CLAIMS:
        assert claim.holds_in_paper is not False, claim.id
    assert sum(claim.holds_in_paper is None for claim in paper.CLAIMS) == 2


def test_possible_counts_by_hand():
    assert list(paper.possible_counts(33.3, 3, 1)) == [1]
    assert list(paper.possible_counts(50.0, 3, 1)) == []
    assert list(paper.possible_counts(0.0, 10, 0)) == [0]
    assert list(paper.possible_counts(100.0, 10, 0)) == [10]
    assert list(paper.possible_counts(12.5, 8, 1)) == [1]
    assert list(paper.possible_counts(26.24, 12_000, 2)) == [3149]  # 26.2417 %
    assert not paper.check_rounding(23.1, 500, 1) and paper.check_rounding(23.2, 500, 1)
    with pytest.raises(ValueError, match="number of questions"):
        paper.check_rounding(50.0, 0)


@given(st.integers(1, 3000), st.integers(0, 3), st.data())
def test_a_true_share_is_always_possible(n, decimals, data):
    count = data.draw(st.integers(0, n))
    published = round(float(Fraction(100 * count, n)), decimals)
    assert count in paper.possible_counts(published, n, decimals)


def test_possible_sizes_agree_with_a_search():
    percents = [row.accuracy_percent for row in paper.TABLE2]
    sizes = paper.possible_sizes(percents, 1, 400)
    assert sizes == [
        n for n in range(1, 401) if all(any(f"{100 * c / n:.1f}" == f"{p:.1f}" for c in range(n + 1)) for p in percents)
    ]
    assert 200 not in sizes and 100 not in sizes


def test_every_published_share_is_possible_for_12000_questions():
    assert (paper.rounding().possible_counts > 0).all()


def test_markdown_escapes_and_keeps_every_cell():
    rows = [paper.Position("a|b <think>", "line\nbreak", "V")]
    assert paper.markdown(rows).splitlines() == [
        "| says | source | strength |",
        "| --- | --- | --- |",
        "| a\\|b &lt;think> | line break | V |",
    ]
    table = paper.markdown(paper.table2())
    assert table.count("\n") == 2 + len(paper.TABLE2) and "1127.6" in table


@pytest.mark.parametrize(
    "frame",
    [
        paper.settings,
        paper.claims,
        paper.conflicts,
        paper.inferences,
        paper.deviations,
        paper.rounding,
        paper.readings,
        paper.questions,
        paper.experiences,
    ],
)
def test_every_collection_becomes_a_frame(frame):
    assert len(frame()) > 0
    assert paper.markdown(frame()).count("\n") == len(frame()) + 2


def test_rows_are_records():
    assert [field.name for field in fields(paper.Setting)] == list(paper.settings().columns)


def test_details_name_places_that_exist():
    assert 18 <= len(paper.DETAILS) and len({detail.topic for detail in paper.DETAILS}) == len(paper.DETAILS)
    for detail in paper.DETAILS:
        module, _, name = detail.ours.partition(":")
        if module == "profiles":
            assert name in Profile.__dataclass_fields__, detail.ours
        else:
            assert hasattr(importlib.import_module(f"georeplicate.{module}"), name), detail.ours
        assert not detail.measured or (ROOT / detail.measured).is_file(), detail.measured
        place, address = paper.released_place(detail)
        assert detail.strength == "V" and re.fullmatch(r"[\w.]+:\d[\d,-]*", place), place
        assert re.search(r"/blob/[0-9a-f]{40}/RL/\S+#L\d+(-L\d+)?$", address), address


def test_notation_names_what_is_there():
    from trl import GRPOConfig

    from georeplicate.training import loss

    arguments = set(inspect.signature(loss.loss).parameters) | set(inspect.signature(loss.group_advantages).parameters)
    for symbol in paper.NOTATION:
        assert symbol.profile in {"", *Profile.__dataclass_fields__}, symbol
        assert symbol.trl in {"", *(field.name for field in fields(GRPOConfig))}, symbol
        assert symbol.loss in {"", *arguments}, symbol
    assert {symbol.loss for symbol in paper.NOTATION} >= {"beta", "clip", "old", "reference", "advantages"}
