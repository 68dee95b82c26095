"""What is learnt beside what is paid: the table counts it, the sentence follows a rule, the figure shows the table."""

import numpy as np
import pandas as pd
import pytest
from test_thinking import TRUE, rows

from georeplicate.mini import readings
from georeplicate.report import mechanism, thinking
from georeplicate.runs import curve

_SAID = "place broadleaf green-growth A broadleaf green-growth match B broadleaf golden-growth other"
GOES_ON = f"<think> {_SAID} </think> <answer> B </answer>"
STOPS = "<think> place broadleaf A broadleaf match </think> <answer> A </answer>"
QUESTIONS = 40


def answered(texts: list[str], **more) -> pd.DataFrame:
    """One update's answers to forty questions, whose right letter is A."""
    true = thinking.Truth({f"aa/city{i}/0": [TRUE] * 6 for i in range(len(texts))}, {})
    found = rows("mini-Zero", texts).assign(truth="A", choice=[text.split()[-2] for text in texts], stands_for="")
    told = [[ok for *_, ok in readings.described(row.text, true.shown[row.id])] for row in found.itertuples()]
    found = found.assign(words=[len(one) for one in told], words_true=[sum(one) for one in told])
    found[list(curve.SEARCH)] = [readings.search(text) for text in texts]
    return found.assign(run="curve-s0", cpu="an abacus", **more)


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(thinking, "FEWEST", 10)
    truth = thinking.Truth({f"aa/city{i}/0": [TRUE] * 6 for i in range(QUESTIONS)}, {})
    monkeypatch.setattr(thinking, "of_world", lambda p, split: truth)
    stopping = {0: 0, 10: 30, 20: 40}
    parts = [answered([STOPS] * n + [GOES_ON] * (QUESTIONS - n), update=u) for u, n in stopping.items()]
    late = parts[1].index < 8  # at update 10 most answers that stop give another letter still
    parts[1].loc[~late, "choice"] = "B"
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def made(watched):
    base = watched[watched["update"] == 0].drop(columns=["update", "run", "stands_for", *curve.SEARCH])
    base = base.assign(run="base", stands_for=mechanism.tables.BASE)
    zero = watched[watched["update"] == 20].drop(columns=["update", "run", "stands_for", *curve.SEARCH])
    zero = zero.assign(run="zero-s0", stands_for=mechanism.tables.ZERO, choice="B", cpu="a slide rule")
    return mechanism.table(watched, pd.concat([base, zero]))


@pytest.mark.parametrize("values, update", [([1, 4, 5], 10), ([5, 4, 1], 20), ([2, 2, 2], 0)])
def test_half_of_the_way_may_go_down_or_nowhere(values, update):
    assert mechanism.halfway(pd.DataFrame({"update": [0, 10, 20], "tiles": values}), "tiles") == update


def test_the_table_counts_what_was_paid_and_what_was_not(made):
    mine = made[made.split == "validation"].set_index("update")
    assert mine.accuracy.tolist() == [0, 0.2, 1] and mine.stopped.tolist() == [0, 0.75, 1]
    assert mine.tiles.tolist() == [2, 1.25, 1] and mine.n.tolist() == [QUESTIONS] * 3
    assert mine.words_a_picture[0] == 2 and mine.words_a_picture[20] == 1
    assert mine.words_true[0] == pytest.approx(5 / 6) and mine.words_true[20] == 1
    # the words that are left out are the ones that were wrong: nothing is seen better
    assert mine.standardised[20] == mine.base_standardised[20] == 1 and mine.difference[20] == 0
    assert mine.covered[20] == pytest.approx(0.5)
    beside = made[made.split == "test"].set_index("update")
    assert beside.run.to_dict() == {0: "base", 20: "zero-s0"} and beside.accuracy[20] == 0


def test_the_sentence_says_what_came_first_and_names_both_ends(made):
    text = mechanism.sentences(made)
    assert "half of it by update 20" in text and "(half by update 10, before the letters)" in text
    assert "cannot be told (+0.0 points" in text
    assert "zero-s0, trained on a slide rule, ends at 0.000" in text and "on an abacus, at 1.000" in text
    swapped = made.assign(accuracy=made.stopped, stopped=made.accuracy)
    assert "after the letters" in mechanism.sentences(swapped)
    fewer = made.assign(low=-0.02, high=-0.01)
    assert "fewer of them are true" in mechanism.sentences(fewer)


def test_the_figure_shows_the_table_and_the_rewards_of_both_runs(made):
    log = pd.DataFrame({"step": [1, 2, 3], "reward": [1.0, 2.0, 3.0]})
    logs = pd.concat([log.assign(part=mechanism.WHILE), log.assign(part=mechanism.BESIDE, reward=0.5)])
    figure = mechanism.figure(made, logs, chance=1 / 4, smooth=1)
    rewards, *panels = figure.axes
    assert [panels[i].get_ylabel() for i in (2, 3)] == ["tiles looked at, of four", "words said of a picture, of 14"]
    assert panels[2].get_ylim()[1] == pytest.approx(4 * 1.03) and panels[3].get_ylim()[0] == 0
    assert sorted(line.get_ydata().tolist() for line in rewards.lines) == [[0.5] * 3, [1.0, 2.0, 3.0]]
    mine = made[made.split == "validation"]
    for axes, name in zip(panels, mechanism.PANELS, strict=True):
        assert any(np.array_equal(line.get_ydata(), mine[name]) for line in axes.lines), name
        assert len(axes.containers) == 2  # the diamonds of base and zero-s0
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "n = 40 validation questions, an abacus" in said[0] and "40 test questions, a slide rule" in said[1]
    assert "synthetic" in figure.get_supxlabel() and "95 %" in figure.get_supxlabel()
