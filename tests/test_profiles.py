"""Every profile can be made, cannot be changed, and a wrong one says what is wrong."""

import csv
import dataclasses
from pathlib import Path

import pytest

from georeplicate import paper
from georeplicate.profiles import Profile


@pytest.mark.parametrize("name", Profile.names)
def test_every_profile_is_valid_and_frozen(name):
    profile = Profile.get(name)
    assert profile.name == name
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.k = 3


@pytest.mark.parametrize("name", ["papr", "", "MINI", None])
def test_unknown_name_lists_the_names(name):
    with pytest.raises(ValueError, match="smoke, mini, geographic, small, single_gpu, paper"):
        Profile.get(name)


@pytest.mark.parametrize(
    "field, setting",
    [
        ("model", "base_model"),
        ("n_train_sites", "training_pairs"),
        ("k", "candidates"),
        ("group_size", "num_generations"),
        ("prompts_per_update", "prompts_per_update"),
        ("completions_per_update", "completions_per_update"),
        ("beta", "beta"),
        ("epsilon", "clip_epsilon"),
        ("temperature", "temperature"),
        ("learning_rate", "learning_rate"),
        ("max_completion_length", "max_completion_length"),
        ("rl_steps", "updates"),
    ],
)
def test_paper_profile_holds_the_papers_settings(field, setting):
    assert getattr(Profile.get("paper"), field) == paper.setting(setting).value


def test_the_paper_profile_sees_each_training_site_as_often_as_the_paper():
    profile = Profile.get("paper")
    assert profile.rl_steps * profile.prompts_per_update / profile.n_train_sites == paper.setting("epochs").value


def test_derived_sizes_of_mini():
    mini = Profile.get("mini")
    assert mini.completions_per_update == 128
    assert mini.visual_tokens == 16 + 5 * 16 and mini.replayed == 38


@pytest.mark.parametrize(
    "change, words",
    [
        ({"k": 1}, "k must be 2 to 26"),
        ({"k": 27}, "k must be 2 to 26"),
        ({"group_size": 1}, "at least 2"),
        ({"panorama_px": (32, 100)}, "multiple of height"),
        ({"tile_px": 50}, "tile_px must be a multiple of 16"),
        ({"seeds": ()}, "seeds"),
        ({"seeds": (1, 1)}, "seeds"),
        ({"n_test_sites": 0}, "n_test_sites must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0"),
        ({"negatives": "easy"}, "region, near, random"),
        ({"source": ""}, "source must name"),
        ({"epsilon": 1.5}, "epsilon"),
        ({"replay": -0.1}, "replay must not be below 0"),
        ({"replay": 1.0}, "replay is a share"),
        ({"replay": 0.3, "source": "cv-cities"}, "there is none for photographs"),
        ({"replay": 0.3, "accumulation": 2}, "accumulation must be 1"),
        ({"replay": 0.3, "rollouts": "vllm"}, "rollouts shared-prefix"),
        ({"replay": 0.0001}, "no record at all"),
        ({"sft_rule": True, "source": "cv-cities", "replay": 0.0}, "the answering rule, those of the synthetic world"),
    ],
)
def test_a_wrong_value_names_profile_field_and_remedy(change, words):
    with pytest.raises(ValueError, match=f"profile 'mini': .*{words}"):
        dataclasses.replace(Profile.get("mini"), **change)


def test_resolved_settings_are_those_of_the_written_table():
    """tests/data/profiles.csv is written by hand: a profile that changes needs a line of it changed, and a reason."""
    with open(Path(__file__).parent / "data" / "profiles.csv", newline="") as file:
        table = {row["field"]: row for row in csv.DictReader(file)}
    fields = [field.name for field in dataclasses.fields(Profile) if field.name != "name"]
    assert list(table) == fields
    for name in Profile.names:
        profile = Profile.get(name)
        assert {f: repr(getattr(profile, f)) for f in fields} == {f: table[f][name] for f in fields}, name
    assert all(row["where the paper's value comes from"] for row in table.values())


def test_fields_that_came_later_stay_out_of_keys_until_they_say_something_new():
    """Runs that were trained before these fields keep their keys."""
    plain = dataclasses.replace(Profile.get("mini"), replay=0.0)  # nothing is replayed beside vLLM
    later = {"adapters", "lora_rank", "lora_alpha", "lora_rate", "rollouts"}
    assert not later & plain.keyed().keys() and plain.keyed()["beta"] == plain.beta
    changed = dataclasses.replace(plain, adapters="lora", lora_rank=8, rollouts="vllm")
    assert later & changed.keyed().keys() == {"adapters", "lora_rank", "rollouts"}
    for change in ({"adapters": "dora"}, {"rollouts": "sglang"}, {"lora_rank": 0}):
        with pytest.raises(ValueError, match=f"profile 'mini': {next(iter(change))} must be"):
            dataclasses.replace(plain, **change)


@pytest.mark.parametrize(
    "given, found",
    [
        (["accumulation=8", "beta=0.1"], {"accumulation": 8, "beta": 0.1}),
        (["freeze_vision=True", "learning_rate=1e-5"], {"freeze_vision": True, "learning_rate": 1e-5}),
        (["panorama_px=224,448", " seeds = 1, 2 "], {"panorama_px": (224, 448), "seeds": (1, 2)}),
        (["reward_mode=released", "revision=abc", "reward_weights=1,1,0,1"], {"reward_mode": "released"}),
        (["accumulation=1"], {"accumulation": 1}),
    ],
    ids=str,
)
def test_settings_of_photographs_are_changed_by_words(given, found):
    paper = Profile.get("paper")
    changed = paper.changed(given)
    assert {name: getattr(changed, name) for name in found} == found and changed.name == "paper"
    assert Profile.get(changed.spec) == changed and (changed.spec == "paper") == (changed == paper)


@pytest.mark.parametrize(
    "profile, given, words",
    [
        ("paper", ["acumulation=8"], "got 'acumulation=8': the fields are n_train_sites, .*accumulation"),
        ("paper", ["accumulation"], "a change is FIELD=VALUE"),
        ("paper", ["source=world"], "the fields are"),
        ("paper", ["accumulation=eight"], "accumulation must be a whole number, got 'eight'"),
        ("paper", ["accumulation=8.0"], "accumulation must be a whole number"),
        ("paper", ["accumulation=3"], "accumulation must divide prompts_per_update"),
        ("paper", ["beta=much"], "beta must be a number"),
        ("paper", ["beta=nan"], "beta must be above 0"),
        ("paper", ["freeze_vision=yes"], "freeze_vision must be True or False, got 'yes'"),
        ("paper", ["panorama_px=448x896"], "panorama_px must be numbers with commas"),
        ("paper", ["revision=a b"], "revision must be one word"),
        ("paper", ["schedule=stairs"], "schedule must be one of linear, cosine"),
        ("paper", ["beta=0.1", "beta=0.2"], "beta is given twice"),
        ("mini", ["beta=0.1"], "only those of photographs can be changed"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(profile, given, words):
    with pytest.raises(ValueError, match=f"profile '{profile}': .*{words}"):
        Profile.get(profile).changed(given)
