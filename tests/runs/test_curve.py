"""A run that is evaluated while it learns: trained as the one that is not, resumed, and apart from all tables."""

from dataclasses import replace

import pytest
from test_experiment import numbers

from georeplicate import files, manifest
from georeplicate.mini import readings
from georeplicate.model import checkpoint
from georeplicate.profiles import Profile
from georeplicate.runs import curve, runner, spec
from georeplicate.training import stages

PROFILE = replace(
    Profile.get("smoke"), rl_steps=3, prompts_per_update=2, group_size=2, max_completion_length=8, n_validation_sites=8,
    learning_rate=0.05, warmup_steps=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def jobs(start, tmp_path_factory):
    """(zero-s0, curve-s0), the former trained, the latter killed in its second update and then finished."""
    pair = [spec.table2_runs((0,), "mini")[2], *spec.curve_runs("mini")]
    assert [run.reward for run in pair] == ["paper"] * 2
    pair = [replace(run, reward="random") for run in pair]  # an untrained policy earns nothing else
    plain, watched = runner.jobs(pair, PROFILE, tmp_path_factory.mktemp("work"), start)
    plain.train(lambda *_, **__: None)

    def killed(units, doing, skipped=False):
        if doing == "update 2/3" and not skipped:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.execute(watched, killed)
    runner.execute(watched)
    return plain, watched


def test_a_run_is_trained_the_same_whether_it_is_watched_or_not(jobs):
    plain, watched = jobs
    assert plain.training_key() == watched.training_key()
    assert checkpoint.identity(plain.policy) == checkpoint.identity(watched.policy)
    assert numbers(plain.folder / "log.csv").equals(numbers(watched.folder / "log.csv"))
    found = manifest.read(watched.folder)
    assert found["training"]["resumed_at_update"] == 1 and set(found["files"]) == {"log.csv", "predictions.csv"}


def test_every_update_is_asked_the_same_validation_questions(jobs):
    _, watched = jobs
    table = runner.predictions(watched.folder.parent, curve=True)
    assert list(table["update"].unique()) == [0, 1, 2, 3] and set(table.decoding) == {"greedy"}
    asked = table.groupby("update").id.agg(list)
    assert all(ids == asked[0] for ids in asked) and len(asked[0]) == min(curve.QUESTIONS, PROFILE.n_validation_sites)
    before, after = (table[table["update"] == update].text.tolist() for update in (0, 3))
    assert before != after
    with pytest.raises(files.FileError, match="no finished run"):
        runner.predictions(watched.folder.parent)  # no table of finished systems has these rows


def test_a_run_that_lost_a_policy_of_its_middle_is_not_trained(jobs, tmp_path):
    _, watched = jobs
    assert watched.is_finished() and watched.evaluation_inputs()["split"] == "validation"
    weights = watched.folder / "policies" / "000002" / "model.safetensors"
    weights.rename(tmp_path / "aside")
    assert not watched.is_trained()
    (tmp_path / "aside").rename(weights)
    assert watched.is_trained()


def test_adapters_have_no_whole_policy_to_keep(tmp_path):
    with pytest.raises(ValueError, match="leave --adapters"):
        stages.train(
            "grpo", "start", [], tmp_path, replace(PROFILE, adapters="lora", replay=0.0), seed=0, keep={1: tmp_path}
        )


@pytest.mark.parametrize(
    "text, found",
    [
        ("<think> place grass A sand other B grass match </think> <answer> B </answer>", (2, True)),
        ("<think> place grass A grass match B sand other </think> <answer> A </answer>", (2, False)),
        ("<think> place grass </think> <answer> A </answer>", (0, False)),
        ("A match", (0, False)),
    ],
)
def test_how_far_a_search_went_and_whether_it_ended_at_a_match(text, found):
    assert readings.search(text) == found
