"""Figures show the values they were given, mark what they say they mark, and survive odd input."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.offsetbox import TextArea
from toy import tiny_policy

from georeplicate import paper
from georeplicate.report import diagram, plots

BENCH = pd.DataFrame(
    [
        ("cpu", "4.5M", impl, 256, 64, 8, part, seconds * factor, 100.0 * factor)
        for impl, factor in (("ours", 1.0), ("trl", 3.0))
        for part, seconds in (("generation", 0.5), ("backward", 0.25), ("vision", 0.1), ("step", 0.75))
    ],
    columns=["device", "model", "impl", "P", "C", "G", "part", "seconds", "peak_mb"],
)


def logs(seeds=(0, 1), steps=5):
    return pd.concat(
        pd.DataFrame(
            {"run": f"{system[5:].lower()}-s{s}", "system": system, "training_seed": s, "step": range(1, steps + 1)}
        ).assign(kl=lambda t, s=s: t.step * (s + 1.0), length=30.0)
        for system in ("mini-Zero", "mini-R1")
        for s in seeds
    )


# --- curves ---


def test_every_seed_is_drawn_as_it_is_and_the_mean_beside_it():
    axes = plots.curves(logs(), {"kl": "KL"}).axes[0]
    drawn = sorted(tuple(line.get_ydata()) for line in axes.lines)
    one, two, mean = ([k * f for k in range(1, 6)] for f in (1.0, 2.0, 1.5))
    assert drawn == sorted(map(tuple, [one, two, mean] * 2))
    assert axes.get_ylabel() == "KL"


def test_smoothing_is_within_a_run_and_keeps_a_straight_line():
    figure = plots.curves(logs(seeds=(0,)), {"kl": "KL", "length": "tokens"}, smooth=3)
    kl, length = figure.axes
    for line in kl.lines:
        np.testing.assert_allclose(line.get_ydata()[1:-1], [2, 3, 4])
    for line in length.lines:
        np.testing.assert_allclose(line.get_ydata(), 30)


def test_order_of_rows_changes_nothing():
    mixed = logs().sample(frac=1, random_state=0)
    ours, theirs = (plots.curves(table, {"kl": "KL"}, smooth=3).axes[0] for table in (logs(), mixed))
    key = lambda axes: sorted(tuple(line.get_ydata()) for line in axes.lines)  # noqa: E731
    np.testing.assert_allclose(key(ours), key(theirs))


def test_a_baseline_is_drawn_where_it_is_asked_for_and_the_figure_says_synthetic():
    figure = plots.curves(logs(), {"kl": "KL", "length": "tokens"}, baselines={"kl": 0.2})
    assert list(figure.axes[0].lines[-1].get_ydata()) == [0.2, 0.2]
    assert plots.SYNTHETIC in figure.get_supxlabel()


def test_a_column_that_is_missing_is_named():
    with pytest.raises(ValueError, match="lack reward_accuracy"):
        plots.curves(logs(), {"reward_accuracy": "accuracy"})


def test_systems_of_table_2_keep_their_colours_and_no_two_share_one():
    few = plots.colours(["mini-R1", "mini-Zero"])
    many = plots.colours(["mini-base", "mini-Zero-released", "mini-Zero", "mini-R1", "mini-SFT", "mini-supervised"])
    assert all(many[system] == colour for system, colour in few.items())
    assert len(set(many.values())) == len(many)


# --- a group of answers ---


def test_bars_of_a_group_add_up_to_rewards_and_show_advantages():
    parts = pd.DataFrame({"accuracy": [1.0, 0.0], "length": [0.75, -0.5], "repetition": [-0.25, 0.0]}, index=["1", "2"])
    left, right = plots.group(parts, [0.7, -0.7]).axes
    heights = {}
    for bar in left.patches:
        heights[round(bar.get_x(), 3)] = heights.get(round(bar.get_x(), 3), 0) + bar.get_height()
    np.testing.assert_allclose(list(heights.values()), parts.sum(axis=1))
    np.testing.assert_allclose([bar.get_height() for bar in right.patches], [0.7, -0.7])
    lowest = min(bar.get_y() + min(bar.get_height(), 0) for bar in left.patches)
    assert lowest == pytest.approx(-0.5)


# --- the loss mask ---


class Characters:
    """A tokenizer of single characters; odd numbers are halves of characters that cannot be decoded alone."""

    def decode(self, ids, skip_special_tokens):
        assert not skip_special_tokens
        return "".join("\ufffd" if i < 10 else chr(i) for i in ids)

    def convert_ids_to_tokens(self, i):
        return f"<byte-{i}>"


def marked(page) -> list[str]:
    return re.findall(r"<b [^>]*>(.*?)</b>", page.data)


def test_exactly_the_answers_tokens_are_marked():
    ids = [ord(c) for c in "why?because"]
    page = plots.loss_mask(Characters(), ids, [False] * 4 + [True] * 7)
    assert marked(page) == list("because")
    assert re.findall(r"<span [^>]*>(.*?)</span>", page.data) == list("why?")


def test_a_real_row_is_marked_from_the_assistants_turn_to_the_end():
    policy = tiny_policy()
    prompt = policy.encode([{"prompt": "which tile fits the view ?"}]).input_ids[0].tolist()
    answer = policy.completion_ids("<think> dark </think> <answer> B </answer>")
    page = plots.loss_mask(policy.tokenizer, prompt + answer, [False] * len(prompt) + [True] * len(answer))
    assert marked(page) == [
        "&lt;think&gt;", "dark", "&lt;/think&gt;", "&lt;answer&gt;", "B", "&lt;/answer&gt;", "&lt;|im_end|&gt;",
    ]  # fmt: skip


def test_odd_characters_are_escaped_and_halves_named():
    page = plots.loss_mask(Characters(), [ord("<"), ord("&"), ord("\n"), 7], [True] * 4)
    assert marked(page) == ["&lt;", "&amp;", "↵", "&lt;byte-7&gt;"]


def test_equal_neighbours_are_counted_but_not_across_the_mask():
    page = plots.loss_mask(Characters(), [ord("x")] * 5, [False] * 3 + [True] * 2)
    assert "x ×3</span>" in page.data and marked(page) == ["x ×2"]


def test_a_mark_is_needed_for_each_token():
    with pytest.raises(ValueError, match="3 tokens and 2 marks"):
        plots.loss_mask(Characters(), [65, 66, 67], [True, False])


# --- answers ---

PICTURES = [np.zeros((32, 128, 3), np.uint8), *[np.zeros((48, 48, 3), np.uint8)] * 5]
SAID = [("grass", "red-roofs"), *[("sand", "grey-roofs")] * 4, ("grass", "red-roofs")]


def words(figure) -> dict[str, tuple[str, str]]:
    """{text: (colour, weight)} of everything written on the answer's page."""
    found = figure.findobj(TextArea)
    return {t.get_text(): (t._text.get_color(), t._text.get_fontweight()) for t in found}


def test_words_and_verdicts_are_coloured_by_what_is_true_of_their_picture():
    thoughts = [
        ("place", {"cover": "grass", "roof": "grey-roofs"}, ""),
        ("B", {"cover": "sand"}, "match"),
        ("D", {"roof": "red-roofs"}, "other"),
    ]
    shown = words(plots.answer(PICTURES, "", thoughts, true_words=SAID, letter="E", choice="B"))
    assert shown["grass"][0] == plots.TRUE and shown["sand"][0] == plots.TRUE
    assert shown["grey-roofs ✗"][0] == plots.FALSE and shown["red-roofs ✗"][0] == plots.FALSE
    assert shown["match ✗"] == (plots.FALSE, "bold") and shown["other"] == (plots.TRUE, "bold")
    assert shown["answer B   wrong, it is E"][0] == plots.FALSE


def test_a_right_answer_is_called_right():
    shown = words(plots.answer(PICTURES, "", [("E", {}, "match")], true_words=SAID, letter="E", choice="E"))
    assert shown["match"][0] == plots.TRUE and shown["answer E   right"][0] == plots.TRUE


@pytest.mark.parametrize("text", ["", "$x_1 \\frac{<b>& $", "word " * 400, "\n\t é"])
def test_a_text_that_is_no_search_is_shown_as_it_is(text, tmp_path):
    figure = plots.answer(PICTURES, text, [], true_words=SAID, letter="A", choice="")
    figure.savefig(tmp_path / "answer.png")
    assert "answer (none)   wrong, it is A" in words(figure)


def test_a_letter_beyond_the_tiles_is_false():
    shown = words(
        plots.answer(PICTURES, "", [("Z", {"cover": "sand"}, "match")], true_words=SAID, letter="A", choice="Z")
    )
    assert {"sand ✗", "match ✗"} <= shown.keys()


# --- results ---


def test_the_headline_keeps_the_papers_numbers_apart_from_ours():
    ours = pd.DataFrame({"system": ["mini-base", "mini-R1"], "stands_for": ["Qwen2.5-VL-7B", "Geo-R1"]}).assign(
        accuracy=[0.2, 0.8], accuracy_low=[0.18, 0.7], accuracy_high=[0.23, 0.9], training_seeds=[1, 3]
    )
    figure = plots.headline(paper.table2(), ours)
    left, right = figure.axes
    np.testing.assert_allclose(left.collections[0].get_offsets()[:, 0], paper.table2().accuracy_percent)
    drawn = {tuple(np.atleast_1d(line.get_xdata())) for line in right.lines}
    assert {(18.0, 23.0), (20.0,), (70.0, 90.0), (80.0,)} <= drawn
    assert [t.get_text() for t in right.get_yticklabels()] == ["mini-base (1 seed)", "mini-R1 (3 seeds)"]
    assert plots.SYNTHETIC in figure.get_supxlabel()


def test_step_times_stack_the_parts_and_name_the_device():
    left, right = plots.step_times(BENCH).axes
    assert "cpu" in left.get_title(loc="left") and "4.5M" in left.get_title(loc="left")
    width = sum(bar.get_width() for bar in left.patches)
    assert width == pytest.approx(0.75 + 2.25)  # vision lies inside the others
    assert {bar.get_width() for bar in right.patches} == {100.0, 300.0}
    assert {t.get_text().strip() for t in left.texts} == {"ours 0.75 s", "TRL 2.25 s"}


def test_each_device_has_its_panels_and_halves_of_a_step_have_none():
    both = pd.concat([BENCH, BENCH.assign(device="gpu"), BENCH[BENCH.part != "step"].assign(impl="prefix_grouper")])
    axes = plots.step_times(both).axes
    assert [a.get_title(loc="left").split(",")[0][-3:] for a in axes[::2]] == ["cpu", "gpu"]
    assert sum(bar.get_width() for bar in axes[0].patches) == pytest.approx(3.0)


# --- within a distance ---


def located(systems: dict[str, str], seeds: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame(
            {"system": system, "stands_for": stands_for, "training_seed": seed, "id": [f"a/{i}" for i in range(40)]}
        )
        for system, stands_for in systems.items()
        for seed in range(seeds)
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(error_km=10 ** rng.uniform(0, 4, len(rows)))


def test_a_curve_is_the_share_within_each_threshold_and_no_answer_never_arrives():
    rows = located({"mini-R1": "Geo-R1"})
    rows.loc[rows.index[:20], "error_km"] = np.nan
    axes = plots.cumulative(rows, {"always here": np.array([25.0, 1e4])}).axes[0]
    ours, guess = axes.lines[:2]
    for km in (1, 25, 200, 750, 2500):
        (at,) = np.flatnonzero(ours.get_xdata() == km)
        assert ours.get_ydata()[at] == pytest.approx(100 * (rows.error_km <= km).mean())
    assert ours.get_ydata()[-1] == 75 and guess.get_ydata()[-1] == 100
    assert guess.get_ydata()[np.flatnonzero(guess.get_xdata() == 25)[0]] == 50  # a threshold itself counts
    assert "all seeds pooled" in axes.figure.get_supxlabel() and "synthetic" in axes.figure.get_supxlabel()


def test_twelve_systems_can_be_told_apart():
    table2 = {"mini-base": "Qwen2.5-VL-7B", "mini-SFT": "Geo-SFT", "mini-Zero": "Geo-R1-Zero", "mini-R1": "Geo-R1"}
    others = {f"mini-{row.method}": row.method for row in paper.TABLE1[:-1] if row.method != "Qwen2.5-VL-7B"}
    systems = table2 | others | {"mini-other": "other"}
    assert len(systems) == 12
    lines = plots.cumulative(located(systems), {}).axes[0].lines[:12]
    assert len({(line.get_color(), str(line.get_linestyle()), str(line._dash_pattern)) for line in lines}) == 12
    assert [line.get_linewidth() > 2 for line in lines] == [system in table2 for system in systems]
    with pytest.raises(ValueError, match="no answers"):
        plots.cumulative(located({"mini-R1": "Geo-R1"}).iloc[:0], {})


def test_a_notebook_shows_a_figure_with_words_for_those_who_cannot_see_it():
    figure = plots.curves(logs(), {"kl": "KL"})
    data, metadata = figure._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR") and metadata["image/png"]["alt"] == plots.describe(figure)
    said = plots.describe(figure)
    assert said.startswith("Figure with 1 panel. x: update; y: KL. legend: ") and plots.SYNTHETIC in said
    assert "mini-Zero (" in said and "object at" not in data["text/plain"]
    assert "data engine" in plots.describe(diagram.loop("GRPO"))


def test_an_empty_figure_is_shown_as_such_and_breaks_no_notebook():
    assert plots.new_figure()._repr_mimebundle_() == ({"text/plain": "Figure, empty"}, {})
