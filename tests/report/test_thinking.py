"""Rule against perception, a fixed mix against a changing one, words that never vary; the committed runs."""

import numpy as np
import pandas as pd
import pytest

from georeplicate import files
from georeplicate.mini.wording import WORDING
from georeplicate.report import tables, thinking
from georeplicate.runs import runner

TRUE = tuple(next(iter(values.values())) for values in WORDING.words.values())  # broadleaf green-growth ...
RUNS = files.RESULTS / "mini" / "runs"
STANDS = {"mini-base": tables.BASE, "mini-SFT": tables.SFT, "mini-Zero": tables.ZERO, "mini-R1": tables.R1}


def rows(system: str, texts: list[str], task: str = "pairing", seeds: int = 1, **columns) -> pd.DataFrame:
    one = pd.DataFrame(
        {
            "system": system, "stands_for": STANDS[system], "checkpoint": "c", "task": task, "decoding": "greedy",
            "id": [f"aa/city{i}/0" for i in range(len(texts))], "truth": "B", "choice": "A", "text": texts,
            "completion_tokens": 9, "format_ok": True, "benchmark": "toys (synthetic)", "chance": 0.2,
        } | columns
    )  # fmt: skip
    return pd.concat([one.assign(training_seed=s) for s in range(seeds)], ignore_index=True)


# --- the rule --------------------------------------------------------------------------------------------------------

SEES = "<think> place palms A scrub other B palms match </think> <answer> A </answer>"
OBEYS = SEES.replace("<answer> A", "<answer> B")


def test_the_gain_is_split_into_rule_and_what_is_said():
    blind = "<think> place palms A scrub other </think> <answer> A </answer>"
    base = rows("mini-base", [SEES] * 15 + [blind] * 15)
    zero = rows("mini-Zero", [OBEYS] * 24 + [blind] * 6, seeds=3)
    zero["choice"] = np.where(zero.text == OBEYS, "B", "A")
    found = thinking.decomposition(pd.concat([base, zero])).set_index("step")
    assert found.difference.round(3).to_dict() == {
        "answering rule": 0.5, "what is said": 0.3, "letters beyond": 0.0, "all": 0.8,
    }  # fmt: skip
    assert found.verdict["all"] == found.verdict["answering rule"] == "higher"


def test_rows_read_by_their_verdicts_stand_for_nothing_in_the_paper():
    p = pd.concat([rows("mini-base", [SEES] * 30), rows("mini-base", [SEES] * 30, decoding="t1")])
    (row,) = thinking.by_verdicts(p).itertuples()
    assert (row.system, row.stands_for, row.accuracy) == ("mini-base, read by its verdicts", "", 1.0)


# --- words at a fixed mix --------------------------------------------------------------------------------------------


def test_leaving_out_what_is_wrong_is_no_better_seeing(monkeypatch):
    monkeypatch.setattr(thinking, "FEWEST", 10)
    right, wrong = "place broadleaf green-growth", "place broadleaf golden-growth"
    answers = [f"<think> {right if i % 2 else wrong} </think> <answer> A </answer>" for i in range(40)]
    silent = [text.replace(" green-growth", "").replace(" golden-growth", "") for text in answers]
    base = rows("mini-base", answers, words=2, words_true=[1 + i % 2 for i in range(40)])
    zero = rows("mini-Zero", silent, seeds=3, words=1, words_true=1)
    truth = thinking.Truth({name: [TRUE] * 6 for name in base.id}, {})
    found = thinking.words(pd.concat([base, zero]), truth).set_index("system")
    assert found.words_true.to_dict() == {"mini-base": 0.75, "mini-Zero": 1.0}  # raw: it looks more truthful
    zero_row = found.loc["mini-Zero"]
    assert zero_row.standardised == zero_row.base_standardised == 1.0 and zero_row.covered == 0.5
    assert zero_row.difference == 0
    broken = pd.concat([base, zero.assign(words_true=0)])
    assert thinking.words(broken, truth).empty  # another world than the one that was asked about


# --- what varies -----------------------------------------------------------------------------------------------------


def test_a_constant_word_is_not_read_from_the_picture():
    told = [f"<think> see drives-right both {'palms' if i % 2 else 'scrub'} </think> <answer> country : Kenya </answer>"
            for i in range(40)]  # fmt: skip
    p = rows("mini-SFT", told, task="geolocation", seeds=3)
    facts = {
        f"aa/city{i}/0": {
            "side": "drives-right" if i < 30 else "drives-left",
            "vegetation": "palms" if i % 2 else "scrub",
        }
        for i in range(40)
    }
    found = thinking.what_varies(p, thinking.Truth({}, facts)).set_index("attribute")
    driving, plants = found.loc["side"], found.loc["vegetation"]
    assert (driving.commonest_share, driving.true, driving.commonest_true, driving.above_constant) == (
        1,
        0.75,
        0.75,
        "",
    )
    assert (plants.commonest_share, plants.true, plants.best_constant, plants.above_constant) == (0.5, 1, 0.5, "yes")
    assert driving.contradicts_answer == 1  # Kenya drives on the left


def test_thoughts_are_read_word_by_word():
    """Seen words by their cue, the region among what is known; other words are none of them."""
    end = "Eastern-Africa </think> <answer> country : Kenya </answer>"
    thoughts = ("palms grass drives-right climate-a", "scrub drives-left climate-b")
    told = [f"<think> place {thought} {end}" for thought in thoughts] * 20
    p = rows("mini-SFT", told, task="geolocation", seeds=3)
    true = {"vegetation": "palms", "side": "drives-left", "climate": "climate-a", "region": "Eastern-Africa"}
    truth = thinking.Truth({}, {name: true for name in p.id})
    found = thinking.what_varies(p, truth).set_index("attribute")
    assert found.true.to_dict() == {"side": 0.5, "climate": 0.5, "region": 1.0, "vegetation": 0.5}
    assert found.contradicts_answer.side == 0.5  # Kenya drives on the left


def test_a_place_of_no_known_driving_side_contradicts_no_word():
    told = ["<think> see drives-right </think> <answer> country : Antarctica </answer>",
            "<think> see drives-right </think> <answer> country : Kenya </answer>",
            "<think> see drives-left </think> <answer> country : Kenya </answer>"]  # fmt: skip
    assert thinking._contradicted(rows("mini-SFT", told, task="geolocation")) == 0.5
    assert np.isnan(thinking._contradicted(rows("mini-SFT", told[:1], task="geolocation")))


# --- the committed runs ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def p():
    return runner.predictions(RUNS)


def test_the_questions_made_again_are_those_that_were_asked(p):
    truth = thinking.of_world(p)
    assert truth and not thinking.words(p, truth).empty  # recounted words are the committed counts, to the last one
    moved = p[p.run == p.run.iloc[0]]
    moved = moved.assign(truth=np.where(moved.task == "pairing", "A", moved.truth))
    assert thinking.of_world(moved) is None
