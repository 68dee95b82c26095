"""Sentences follow the tables: turn a number round and the sentence says so."""

import pytest

from georeplicate.report import findings


@pytest.fixture(scope="module")
def frames():
    return findings.read()


def change(frames, name, chosen, **values):
    table = frames[name].copy()
    table.loc[table.eval(chosen), list(values)] = list(values.values())
    return findings.sentences(frames | {name: table})


def test_a_gain_that_is_not_there_is_not_claimed(frames):
    said = change(frames, "changes", "task == 'pairing' and after == 'mini-Zero'", verdict="cannot tell")
    assert "raises pairing here" in findings.sentences(frames)["pairing"]
    assert "did not raise pairing" in said["pairing"]


def test_what_cannot_be_told_comes_with_the_smallest_effect(frames):
    for sentence in findings.sentences(frames).values():
        assert sentence.count("cannot tell") == sentence.count("smallest detectable effect")
    said = change(frames, "orderings", "measure == 'accuracy'", verdict="holds", smallest_effect=0.9)
    assert "90.0 points" not in said["orderings"]


def test_the_loss_is_of_form_only_where_places_stay(frames):
    assert "the form stays" in findings.sentences(frames)["countries"]
    lost = frames["changes"].copy()
    lost.loc[lost.measure == "well formed", "verdict"] = "lower"
    first = lost.measure == "right country, first place named"
    for verdict, words in (("cannot tell", "what is lost is the form"), ("lower", "form and place both changed")):
        lost.loc[first, "verdict"] = verdict
        assert words in findings.sentences(frames | {"changes": lost})["countries"]
    said = change(frames, "changes", "measure == 'well formed'", verdict="higher")
    assert "the form is kept better" in said["countries"]


def test_what_moved_elsewhere_is_neither_form_nor_what_is_left_out(frames):
    """Read strictly an answer with two places counts as none, and raw more words are true where false ones are left
    out: neither counts as a change, whatever its verdict."""
    changes = frames["changes"].copy()
    changes.loc[changes.measure == "right country", "verdict"] = "lower"
    changes.loc[changes.measure == "words that are true", "verdict"] = "higher"
    changes.loc[(changes.measure == "well formed") & (changes.after == "mini-R1"), ["verdict", "difference"]] = ("lower", -0.5)  # fmt: skip  # noqa: E501
    text = findings.elsewhere(frames | {"changes": changes})
    assert "geolocation, right country (" not in text and "aerial, right country (" in text
    assert "words that are true (" not in text and "well formed (mini-R1, -" in text
    moved = frames["words"].assign(low=0.01, difference=0.02, high=0.03)
    assert "words that are true, at the mix of Qwen2.5-VL-7B's stand-in (mini-R1, +2.0 points)" in findings.elsewhere(
        frames | {"words": moved}
    )
    assert "well formed" in findings.elsewhere({"changes": changes})  # photographs have no table of words


def test_lines_are_counted(frames):
    few = findings.sentences(frames | {"changes": frames["changes"].iloc[:11]})
    assert f"the {len(frames['changes'])} lines" in findings.sentences(frames)["distance"]
    assert "the 11 lines" in few["distance"] and "countries" not in few  # nothing of R1 is left to say


def test_what_grpo_moved_is_said_of_photographs_too(frames):
    changes = frames["changes"]
    of_photographs = changes.assign(after=changes.after.str.removeprefix("mini-"), benchmark="cv-cities")
    found = findings.sentences({"changes": of_photographs})
    assert found == {name: findings.sentences(frames)[name] for name in ("pairing", "countries", "distance")}


def test_controls_collapse_only_if_they_do(frames):
    spread = dict.fromkeys((f"answered_{letter}" for letter in "ABCDE"), 0.2)
    assert "collapse" in change(frames, "controls", "stays == 'yes'", **spread | {"answered_A": 0.9})["controls"]
    assert "collapse" not in change(frames, "controls", "stays == 'yes'", **spread)["controls"]


def test_tables_that_are_not_there_say_nothing():
    assert findings.sentences({}) == {}


def test_empty_columns_stay_texts_and_no_control_is_no_sentence(tmp_path, frames):
    controls = frames["controls"].assign(stays="")
    controls.to_csv(tmp_path / "controls.csv", index=False)
    read = findings.read(tmp_path)["controls"]
    assert (read.stays == "").all() and read.accuracy.dtype == float
    assert "controls" not in findings.sentences({"controls": read})
    several = frames["controls"].assign(training_seeds=2)
    assert "up to 2 runs each" in findings.sentences({"controls": several})["controls"]


def test_what_labels_add_is_said_after_adjustment_alone(frames):
    said = findings.sentences(frames)["table1"]
    against = frames["table1_against_base"]
    labelled = (against.trained_by == "labelled places") & (against.measure == "within 2500 km")
    assert f"{int((labelled & (against.verdict == 'higher')).sum())} of " in said
    assert (against.p_holm[against.verdict == "higher"] < 0.05).all()
    changed = change(frames, "table1_against_base", "trained_by == 'labelled places'", verdict="higher")["table1"]
    count = int(labelled.sum())
    assert f"{count} of {count} are above the base" in changed and "smallest effect" not in changed
