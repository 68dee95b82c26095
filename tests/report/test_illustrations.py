"""The notebooks' own figures: which there are, that small ones are drawn, and that the worst answers are the worst."""

import fakes
import numpy as np
import pandas as pd
import pytest

from georeplicate.profiles import Profile
from georeplicate.report import contents, illustrations, worst, write

SMOKE = Profile.get("smoke")


@pytest.fixture(scope="module")
def p():
    return fakes.predictions(fakes.places(per_region=1), systems=("mini-base", "mini-R1"))


def test_every_figure_of_the_notebooks_is_drawn_and_has_words(p, tmp_path):
    names = [name for name, _ in illustrations.figures(SMOKE, p, tmp_path)]
    assert "clipping" not in names  # its table was not written
    for name in ("policy_gradient", "clipping"):
        (tmp_path / f"{name}.csv").write_text("to be read when it is drawn\n")
    names = [name for name, _ in illustrations.figures(SMOKE, p, tmp_path)]
    own = {"splits", "question", "picture_tokens", "length_reward", "policy_gradient", "clipping", "grpo_step"}
    assert set(names) == own | {"worst_places", "worst_pairing"} and len(set(names)) == len(names)
    assert set(names) < set(contents.FIGURES)
    before = p[p.system == "mini-base"]
    assert set(dict(illustrations.figures(SMOKE, before, tmp_path))) == own


def test_the_question_and_its_tokens_are_drawn():
    rows, asked = illustrations.few_questions(SMOKE, regions=1)
    assert len(illustrations.question(SMOKE).axes) == len(illustrations.picture_tokens(SMOKE).axes) - 1 == 1 + SMOKE.k
    assert rows["panorama"][0].size[::-1] == SMOKE.panorama_px and len(asked[0]["candidates"]) == SMOKE.k


def test_the_worst_come_first_one_a_country(p):
    one = p[p.run == p[p.system == "mini-R1"].run.min()]
    far = worst.places(one, most=3)
    assert far.error_km.is_monotonic_decreasing and far.truth.is_unique and (far.task == "geolocation").all()
    assert far.error_km.iloc[0] == one[one.task == "geolocation"].error_km.max()
    rows = worst.searches(one.assign(choice=np.where(one.index % 2, one.truth, "?")))
    assert rows.right.is_monotonic_increasing and (rows.decoding == "greedy").all()
    assert rows[~rows.right].false.is_monotonic_decreasing


def test_sft_has_curves_of_its_own(p):
    log = pd.DataFrame(
        {"run": "sft-s0", "system": "mini-SFT", "training_seed": 0, "stands_for": "Geo-SFT", "step": [1, 2]}
    )
    log = log.assign(loss=[2.0, 1.0], grad_norm=1.0, learning_rate=1e-4)
    pairing = p[(p.task == "pairing") & (p.system == "mini-base")]
    drawn = dict(write.figures(pairing, {}, log))
    assert [axes.get_ylabel() for axes in drawn["sft_curve"]().axes] == list(write.SFT_CURVES.values())
