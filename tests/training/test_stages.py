"""How a stage of a profile is trained."""

import re
from dataclasses import asdict, fields, replace

import pandas as pd
import pytest
from toy import questions, tiny_policy

from georeplicate.mini import recipe
from georeplicate.profiles import Profile
from georeplicate.training import common, stages


@pytest.mark.parametrize("iterations, steps, first", [(1, 17, 2), (3, 40, 3), (3, 5, 3), (5, 100, 10)])
def test_checkpoints_fall_between_two_batches_of_answers(iterations, steps, first, monkeypatch):
    seen = {}
    monkeypatch.setattr(stages.grpo, "train", lambda *a, **given: seen.update(given))
    profile = replace(Profile.get("smoke"), num_iterations=iterations, rl_steps=steps, replay=0.0)
    stages.train("grpo", "start", [], "folder", profile, seed=0)
    assert seen["save_steps"] == first and first % iterations == 0


def test_a_profile_with_several_updates_a_batch_trains(tmp_path):
    tiny_policy(sharpen=2.0).save(tmp_path / "base")
    profile = replace(
        Profile.get("smoke"),
        **dict(num_iterations=3, rl_steps=6, prompts_per_update=2, group_size=2, max_completion_length=6, replay=0.0),
    )
    rows = [row | {"id": f"place {i}"} for i, row in enumerate(questions(4))]
    stages.train("grpo", tmp_path / "base", rows, tmp_path / "out", profile, seed=0)
    log = pd.read_csv(tmp_path / "out" / "log.csv")
    assert len(log) == 6 and common.latest(tmp_path / "out").name == "checkpoint-6"
    assert {"rewards/weighted/mean", "reward_accuracy", "entropy"} <= set(log)


def test_rows_are_replayed_beside_grpo_alone_and_where_a_profile_says_how_many(monkeypatch):
    seen = {}
    monkeypatch.setattr(stages.grpo, "train", lambda *a, **given: seen.update(given))
    profile = Profile.get("smoke")
    assert profile.replayed == round(0.3 * profile.completions_per_update)
    stages.train("grpo", "start", [], "folder", profile, seed=0, replay=[{}])
    assert seen["replay"] == [{}] and seen["replay_share"] == 0.3
    monkeypatch.setattr(stages.sft, "train", lambda *a, **given: seen.update(given))
    stages.train("sft", "start", [], "folder", profile, seed=0)  # a setting of GRPO alone
    for stage, size, rows in [
        ("grpo", profile, None),
        ("grpo", replace(profile, replay=0.0), [{}]),
        ("sft", profile, [{}]),
    ]:
        with pytest.raises(ValueError, match=f"the stage {stage} was given .*to replay, and replay of the profile is"):
            stages.train(stage, "start", [], "folder", size, seed=0, replay=rows)


@pytest.mark.parametrize("stage, kind", [("sft", "sft"), ("grpo", "grpo"), ("sft-lora", "sft")])
def test_a_profile_of_adapters_trains_them_in_every_stage(stage, kind, monkeypatch):
    seen = {}
    monkeypatch.setattr(getattr(stages, kind), "train", lambda *a, **given: seen.update(given))
    profile = replace(Profile.get("smoke"), replay=0.0)
    rate = profile.sft_learning_rate if kind == "sft" else profile.learning_rate
    stages.train(stage, "start", [], "folder", profile, seed=0)
    assert ("peft_config" in seen) == (stage == "sft-lora") and seen["report_to"] == "none"
    assert seen["learning_rate"] == rate * (2 if stage == "sft-lora" else 1)
    stages.train(stage, "start", [], "folder", replace(profile, adapters="qlora", lora_rank=4, lora_rate=3.0), seed=0)
    assert seen["peft_config"].r == 4 and seen["four_bits"] and seen["learning_rate"] == rate * 3
    assert seen["peft_config"].target_modules == stages.LORA_MODULES
    stages.train(stage, "start", [], "folder", replace(profile, adapters="lora-vision"), seed=0)
    assert seen["peft_config"].target_modules == stages.LORA_VISION and not seen["four_bits"]


@pytest.mark.parametrize(
    "name, adapted",
    [
        ("model.visual.blocks.3.attn.qkv", True),  # Qwen2.5-VL
        ("model.visual.blocks.0.mlp.down_proj", True),
        ("model.visual.blocks.0.mlp.linear_fc1", True),  # Qwen3-VL
        ("model.vision_tower.encoder.layer.0.attention.q_proj", True),  # InternVL
        ("model.vision_tower.encoder.layer.0.mlp.fc2", True),
        ("model.language_model.layers.0.self_attn.o_proj", True),
        ("model.visual.patch_embed.proj", False),  # a convolution
        ("model.visual.merger.mlp.0", False),
        ("lm_head", False),
    ],
)
def test_adapters_of_the_tower_are_those_of_its_blocks(name, adapted):
    assert bool(re.fullmatch(stages.LORA_VISION, name)) == adapted
    assert bool(re.fullmatch(stages.LORA_MODULES, name)) == ("language_model" in name)


@pytest.mark.parametrize("stage", [*stages.SUPERVISED, *stages.REINFORCED])
@pytest.mark.parametrize("adapters", ["", "lora"])
def test_every_setting_that_a_stage_reads_is_in_its_key(stage, adapters, monkeypatch):
    """Else a run of other settings would pass for this one."""
    read = set()

    class Watched(Profile):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    for kind in (stages.sft, stages.grpo):
        monkeypatch.setattr(kind, "train", lambda start, rows, *a, **given: list(rows))
    profile = Watched(**asdict(replace(Profile.get("smoke"), adapters=adapters)))
    read.clear()
    replay = [{}] if stage in stages.REINFORCED else None
    stages.train(stage, "start", [{"letter": "A"}], "folder", profile, seed=0, replay=replay)
    settings = {field.name for field in fields(Profile)}
    assert "learning_rate" in read or "sft_learning_rate" in read
    assert (read & settings) - set(recipe.SETTINGS[stage]) == set()
