"""Figures of notebook 03 draw what the model and the rewards do, and source is shown as it stands in the library."""

import numpy as np
import pytest
from PIL import Image

from georeplicate.mini import tiny
from georeplicate.report import by_hand
from georeplicate.report.source import show, text
from georeplicate.training import grpo, loss, rewards


@pytest.fixture(scope="module")
def policy():
    words = ("which", "tile", "?")
    return tiny.build(words, seed=0, hidden_size=32, layers=1, vision_hidden_size=24, vision_layers=1)


def test_every_picture_token_is_drawn_once_in_its_picture_s_colour(policy):
    images = [Image.new("RGB", (64, 32)), Image.new("RGB", (32, 32)), Image.new("RGB", (48, 32))]
    figure = by_hand.picture_tokens(policy, {"images": images, "prompt": "which tile ?"})
    *pictures, prompt = figure.axes
    titles = [axes.get_title(loc="left") for axes in pictures]
    assert titles == ["panorama: 32 x 64 pixels, 2 x 4 = 8 tokens", "tile A: 2 x 2", "tile B: 2 x 3"]
    drawn = [patch.get_facecolor() for patch in prompt.patches]
    frames = [axes.spines["left"].get_edgecolor() for axes in pictures]
    assert [drawn.count(frame) for frame in frames] == [8, 4, 6]
    assert [said.get_text() for said in prompt.texts].count("tile") == 1
    ids = policy.encode([{"images": images, "prompt": "which tile ?"}]).input_ids
    assert len(drawn) == ids.shape[1] and f"{ids.shape[1]} tokens, of which 18" in prompt.get_title(loc="left")


def test_the_length_reward_is_drawn_as_it_is_paid():
    described, released = by_hand.length_reward().axes
    for axes, mode in ((described, "paper"), (released, "released")):
        lines = {line.get_label(): line for line in axes.lines}
        for name, right in (("right", True), ("wrong", False)):
            tokens, paid = lines[name].get_data()
            assert paid[-1] == rewards.length(int(tokens[-1]), right, mode) and len(tokens) > 100


def test_clipped_tokens_lie_on_the_flat_part():
    ratios = {"good": [0.7, 1.0, 1.4], "bad": [0.7, 1.0, 1.4]}
    left, right = by_hand.clipping(ratios, [1.0, -1.0], 0.2).axes
    for axes, expected in ((left, [-0.7, -1.0, -1.2]), (right, [0.8, 1.0, 1.4])):
        (points,) = (line for line in axes.lines if line.get_marker() == "o")
        assert np.allclose(points.get_ydata(), expected)


def test_estimates_are_drawn_on_one_scale_with_their_mean():
    figure = by_hand.estimates({"wide": [-3.0, 3.0, 3.0], "narrow": [0.9, 1.1]}, exact=1.0)
    wide, narrow = figure.axes
    assert wide.get_xlim() == narrow.get_xlim()
    assert [line.get_xdata()[0] for line in narrow.lines] == [1.0, 1.0]


def test_source_is_shown_whole_or_without_its_docstring():
    whole = show(grpo.group_advantages).data
    assert whole.startswith("```python\ndef group_advantages(") and loss.group_advantages.__doc__[:30] in whole
    without = text(grpo.group_advantages, docstrings=False)
    assert '"""' not in without and without.rstrip().endswith("return centred / (spread + eps)")
    compile(without, "shown", "exec")
    assert text(grpo.SharedPrefixGRPOTrainer.compute_loss).startswith("def compute_loss")
    with pytest.raises(ValueError, match="has no source in Python"):
        text(len)
