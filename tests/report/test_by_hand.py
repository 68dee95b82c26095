"""Figures of notebook 03 draw what the model and the rewards do, and source is shown as it stands in the library."""

import numpy as np
import pandas as pd
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
    tokens = pd.DataFrame({"answer": ["good"] * 3 + ["bad"] * 3, "advantage": [1.0] * 3 + [-1.0] * 3})
    left, right = by_hand.clipping(tokens.assign(ratio=[0.7, 1.0, 1.4] * 2, clip_epsilon=0.2)).axes
    for axes, expected in ((left, [-0.7, -1.0, -1.2]), (right, [0.8, 1.0, 1.4])):
        (points,) = (line for line in axes.lines if line.get_marker() == "o")
        assert np.allclose(points.get_ydata(), expected)


def test_estimates_are_drawn_on_one_scale_with_their_mean():
    drawn = pd.DataFrame({"paid": ["wide", "wide", "narrow"], "estimate": [-3.0, 3.0, 1.0], "samples": [10, 20, 30]})
    wide, narrow = by_hand.estimates(drawn.assign(exact=1.0)).axes
    assert wide.get_xlim() == narrow.get_xlim() and [bar.get_height() for bar in wide.patches] == [10, 20]
    assert wide.lines[0].get_xdata()[0] == wide.lines[1].get_xdata()[0] == 1.0
    assert wide.get_title(loc="left") == "wide: spread 2.83" and narrow.get_title(loc="left") == "narrow: spread 0.00"


def test_source_is_shown_whole_or_without_its_docstring():
    whole = show(grpo.group_advantages).data
    assert whole.startswith("```python\ndef group_advantages(") and loss.group_advantages.__doc__[:30] in whole
    without = text(grpo.group_advantages, docstrings=False)
    assert '"""' not in without and without.rstrip().endswith("return centred / (spread + eps)")
    compile(without, "shown", "exec")
    assert text(grpo.SharedPrefixGRPOTrainer.compute_loss).startswith("def compute_loss")
    with pytest.raises(ValueError, match="has no source in Python"):
        text(len)
