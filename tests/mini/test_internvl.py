"""The small InternVL that stands for InternVL3: the base's decoder, and a tower that learns what the base's sees."""

from dataclasses import replace

import pytest
import torch
from toy import SHAPE

from georeplicate.mini import base, internvl, tiny
from georeplicate.mini.recipe import TowerTraining
from georeplicate.mini.wording import COUNTRY_OF, WHERE
from georeplicate.model import policy as policies
from georeplicate.profiles import Profile

PROFILE = replace(Profile.get("smoke"), n_train_sites=8)


@pytest.fixture(scope="module")
def start():
    return tiny.build(base.vocabulary(), seed=0, **SHAPE)


@pytest.fixture(scope="module")
def photos():
    return internvl.Photos(PROFILE)


def test_its_decoder_says_of_a_text_what_the_base_says(start):
    made = internvl.build(start, seed=0, side=64)
    assert made.model.config.model_type == "internvl" and made.model.config.text_config.model_type == "qwen2"
    rows = [{"prompt": COUNTRY_OF.format(city="Paris")}]
    answers = [[start.completion_ids("<answer> country : France </answer>")]]
    torch.testing.assert_close(made.logprobs(rows, answers), start.logprobs(rows, answers))
    other = internvl.build(start, seed=1, side=64)  # the tower is new: its seed decides
    weights = [one.model.model.vision_tower.state_dict() for one in (made, other)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_its_tower_learns_the_tokens_that_the_base_sees_and_comes_back_from_the_disk(start, photos, tmp_path):
    tower = TowerTraining(steps=12, batch=4, learning_rate=5e-3)
    found = []
    for _ in range(2):  # the same seed gives the same weights
        made = internvl.build(start, seed=0, side=PROFILE.crop_px)
        errors = internvl.learn_to_see(made, start, photos, tower, seed=0)
        found.append(made.model.state_dict())
    assert len(errors) == 12 and sum(errors[-3:]) < 0.8 * sum(errors[:3])
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    untouched = internvl.build(start, seed=0, side=PROFILE.crop_px).model.model.language_model.state_dict()
    learnt = made.model.model.language_model.state_dict()
    assert all(torch.equal(untouched[name], learnt[name]) for name in untouched)
    made.save(tmp_path / "policy")
    row = internvl.rows(photos, made)[0]
    assert row["prompt"] == WHERE and "city" not in row["completion"]
    answers = [[made.completion_ids(row["completion"])]]
    again = policies.load(tmp_path / "policy")
    torch.testing.assert_close(again.logprobs([row], answers), made.logprobs([row], answers))


def test_towers_that_cut_a_photo_differently_are_refused(start, photos):
    with pytest.raises(ValueError, match="16 tokens of a photo and this tower 4"):
        internvl.learn_to_see(
            internvl.build(start, seed=0, side=32), start, photos, TowerTraining(steps=1, batch=2), seed=0
        )
