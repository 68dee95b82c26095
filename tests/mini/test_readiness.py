"""readiness.py: what is measured before reinforcement learning, on answers written by hand."""

from types import SimpleNamespace

import pandas as pd
import pytest

from georeplicate.mini import readiness, wording

FIRST, SECOND = ([list(values.values())[i] for values in wording.WORDING.words.values()] for i in (0, 1))
PLACE = tuple(FIRST)  # broadleaf green-growth ...
OTHER = ("conifers", "green-growth", *SECOND[2:])


def answers(*texts):
    return pd.DataFrame({"id": [f"q{i}" for i in range(len(texts))], "truth": "B", "text": texts})


def test_words_and_verdicts_are_counted_by_view_and_by_the_right_tile():
    said = "place broadleaf golden-growth A conifers other B broadleaf green-growth match"
    text = f"<think> {said} </think> <answer> B </answer>"
    found = readiness.verdicts(answers(text), {"q0": [PLACE, OTHER, PLACE]})
    described = found.dropna(subset="view")
    assert described.groupby("view").true.agg(["sum", "size"]).loc["panorama"].tolist() == [1, 2]
    assert described.groupby("view").true.agg(["sum", "size"]).loc["tile"].tolist() == [3, 3]
    judged = found.dropna(subset="right")
    assert judged[["right", "match"]].values.tolist() == [[False, False], [True, True]]


def test_letters_beyond_the_question_and_texts_without_thoughts_count_nothing():
    found = readiness.verdicts(
        answers("<think> place E broadleaf match", "", "match"), dict.fromkeys(("q0", "q1", "q2"), [PLACE, OTHER])
    )
    assert found.dropna(subset="right").empty


def test_the_gate_wants_every_value_and_takes_nothing_for_granted():
    def measured(right, gap):
        return pd.DataFrame({"what": list(readiness.GATE), "value": [right, gap]})

    assert readiness.is_ready(measured(0.7, 0.5))
    assert not readiness.is_ready(measured(0.7, 0.3))
    assert not readiness.is_ready(measured(float("nan"), 0.5))


def test_pictures_shown_alone_are_counted_by_attribute_and_missing_words_are_wrong():
    told = SimpleNamespace(
        pixels=lambda images: None,
        generate=lambda rows, **_: SimpleNamespace(texts=["palms red-soil grain", "palms"]),
    )
    true = [tuple(next(iter(v.values())) for v in wording.WORDING.words.values())] * 2
    true = [("palms", "green-growth", "red-soil", *described[3:]) for described in true]
    found = readiness.words_read(told, {"tile": [None, None]}, true).set_index("what").value
    assert found["words read alone, tile, vegetation"] == 1 and found["words read alone, tile, soil"] == 0.5
    assert found["words read alone, tile, growth"] == 0 and found["most frequent, tile, growth"] == 1
    assert found["words read alone, tile, mean"] == pytest.approx(1.5 / 14)
