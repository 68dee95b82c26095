"""The runs of Table 2 at the smallest size, on an untrained policy: files, keys, kills, controls."""

import json
import multiprocessing
import os
import shutil
import signal
import sys
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from toy import SHAPE

from georeplicate import files, manifest, pairs, provenance
from georeplicate.evaluation import predict
from georeplicate.mini import base, inputs, recipe, teaching, tiny, wording
from georeplicate.model import checkpoint, policy
from georeplicate.profiles import Profile
from georeplicate.runs import runner, spec
from georeplicate.tasks.rows import Rows
from georeplicate.training import stages

PROFILE = replace(Profile.get("smoke"), rl_steps=4, max_completion_length=8)
RUNS = spec.table2_runs((0,), "mini")
MINI = Profile.get("mini")
RAISED = f"recipe_version {recipe.VERSION} -> {recipe.VERSION + 1}"


@pytest.fixture(scope="module")
def work(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    for job in runner.jobs(RUNS, PROFILE, folder, start):
        runner.execute(job)
    return folder


@pytest.fixture
def copy(work, tmp_path):
    return shutil.copytree(work, tmp_path / "work")


def job_of(name, work, start, profile=PROFILE):
    (job,) = (job for job in runner.jobs(RUNS, profile, work, start) if job.run.name == name)
    return job


# --- what a run leaves behind ---------------------------------------------------------------------------------------


def test_the_four_systems_stand_for_the_papers(work):
    runs = {run.name: run.stands_for for run in RUNS}
    assert runs == {"base": "Qwen2.5-VL-7B", "sft-s0": "Geo-SFT", "zero-s0": "Geo-R1-Zero", "r1-s0": "Geo-R1"}
    assert all(manifest.is_finished(work / "runs" / name) for name in runs)


def test_predictions_hold_every_question_twice_and_every_column(work):
    table = runner.predictions(work / "runs")
    assert list(table.columns) == [*predict.COLUMNS, "run", "stands_for", "checkpoint", "benchmark", "chance"]
    assert set(table.run) == {"base", "sft-s0", "zero-s0", "r1-s0"}
    table = table[table.run == "r1-s0"]
    asked = table[table.task == "pairing"]
    assert asked.groupby("decoding").id.nunique().to_dict() == {"greedy": 16, "t1": 16}
    assert set(asked.truth) <= set("ABCDE") and (asked.system == "mini-R1").all() and (asked.training_seed == 0).all()
    assert set(table.checkpoint) == {"trained here from mini-SFT"}
    assert (table[table.task != "pairing"].groupby("task").id.nunique() == PROFILE.n_test_sites).all()
    with pytest.raises(files.FileError, match="no finished run below"):
        runner.predictions(work)


def test_the_manifest_says_what_ran(work, start):
    found = manifest.read(work / "runs" / "r1-s0")
    assert found["run"]["stage"] == "grpo" and found["settings"]["beta"] == 0.01
    assert set(found["files"]) == {"log.csv", "predictions.csv"}  # publishable without the policy
    assert found["base"] == checkpoint.identity(start)
    assert found["policy"] == checkpoint.identity(work / "runs" / "r1-s0" / "policy")
    assert found["training"]["key"] != found["evaluation"]["key"]
    assert found["training"]["inputs"]["recipe_version"] == recipe.VERSION
    assert found["training"]["inputs"]["start"] == checkpoint.identity(work / "runs/sft-s0/policy")
    took = found["training"]["seconds"] + found["evaluation"]["seconds"]
    assert 0 < took <= found["wall_seconds"] + 0.1
    assert "training.grpo" in found["code"]["training"] and "evaluation.predict" in found["code"]["evaluation"]
    assert str(work) not in (work / "runs" / "r1-s0" / manifest.NAME).read_text()
    assert not list((work / "runs" / "r1-s0").glob("checkpoint-*"))


# --- what is up to date ---------------------------------------------------------------------------------------------


def test_no_source_text_enters_a_key(start, tmp_path, monkeypatch):
    job = job_of("zero-s0", tmp_path, start)
    before = job.training_key(), job.evaluation_key() if job.policy.exists() else None
    monkeypatch.setattr(recipe.Mini, "provenance", {"training": ("geo",), "evaluation": ("geo",)})
    monkeypatch.setattr(provenance, "code", lambda *_, **__: pytest.fail("a key looked at source text"))
    assert job.training_key() == before[0]
    monkeypatch.setattr(recipe.Mini, "version", recipe.VERSION + 1)
    assert job.training_key() != before[0]


def test_every_field_of_a_profile_enters_a_key_or_is_known_not_to():
    elsewhere = {
        "name",
        "seeds",
        "model",
        "revision",
        "teacher",
        "n_validation_sites",
    }  # enter by the run and the start; no test asks them
    known = set().union(*recipe.SETTINGS.values()) | elsewhere
    assert known == asdict(PROFILE).keys()


def test_the_world_enters_every_key():
    """There was another one once: runs of this one keep the keys that they were trained under."""
    for what in recipe.SETTINGS:
        assert recipe.Mini().settings(what, PROFILE).get("world") == ("geographic" if what != "base" else None)


def test_finished_runs_are_not_touched(work, start, monkeypatch):
    monkeypatch.setattr(runner.pool, "run", lambda *_, **__: pytest.fail("began to work"))
    before = {p: p.stat().st_mtime_ns for p in work.rglob("*") if p.is_file()}
    folders = runner.ensure(RUNS, PROFILE, str(work), base_path=start)
    assert folders["r1-s0"] == work / "runs" / "r1-s0"
    assert before == {p: p.stat().st_mtime_ns for p in work.rglob("*") if p.is_file()}
    # nor do settings matter that they do not depend on
    other = replace(PROFILE, seeds=(0, 1), n_validation_sites=3)
    assert runner.unfinished(runner.jobs(RUNS, other, work, start)) == []
    names = lambda profile: [  # noqa: E731
        job.run.name for job in runner.unfinished(runner.jobs(RUNS, profile, work, start))
    ]
    assert names(replace(PROFILE, beta=0.5)) == ["zero-s0", "r1-s0"]
    assert names(replace(PROFILE, sft_batch=5)) == ["sft-s0", "r1-s0"]
    assert names(replace(PROFILE, n_test_sites=9)) == ["base", "sft-s0", "zero-s0", "r1-s0"]


def test_another_version_of_evaluation_evaluates_again_and_does_not_train(copy, start, monkeypatch):
    monkeypatch.setattr(stages, "train", lambda *_: pytest.fail("trained again"))
    monkeypatch.setitem(recipe.TASKS, "pairing", recipe.TASKS["pairing"] + 1)
    changed = job_of("zero-s0", copy, start)
    assert changed.is_trained() and not changed.is_finished()
    before = manifest.read(changed.folder)
    for left in ("checkpoint-3", ".policy-abc"):  # of a kill between training and evaluation
        files.write_bytes(changed.folder / left / "weights", b"")
    (changed.folder / "predictions.csv").unlink()
    runner.execute(changed)
    after = manifest.read(changed.folder)
    assert changed.is_finished() and after["files"] == before["files"]
    assert not (changed.folder / "checkpoint-3").exists() and not (changed.folder / ".policy-abc").exists()
    assert after["evaluation"]["key"] != before["evaluation"]["key"] and after["training"] == before["training"]


def test_a_run_of_another_version_is_renamed_with_its_reason_and_never_deleted(copy, start, monkeypatch, capsys):
    monkeypatch.setattr(recipe.Mini, "version", recipe.VERSION + 1)
    changed = job_of("zero-s0", copy, start, replace(PROFILE, beta=0.5))
    assert not changed.is_trained()
    (changed.folder / "stray").mkdir()
    before = {p.name: p.read_bytes() for p in changed.folder.iterdir() if p.is_file()}
    runner.execute(changed)
    printed = capsys.readouterr().out
    assert RAISED in printed and "settings.beta 0.01 -> 0.5" in printed
    assert changed.is_finished() and not (changed.folder / "stray").exists()
    (kept,) = (copy / "stale").iterdir()
    assert kept.name in printed and {p.name: p.read_bytes() for p in kept.iterdir() if p.is_file()} == before
    assert set(runner.predictions(copy / "runs").run) == {"base", "sft-s0", "zero-s0", "r1-s0"}


def test_a_stale_run_can_be_adopted_with_a_reason(copy, start, monkeypatch):
    monkeypatch.setattr(recipe.Mini, "version", recipe.VERSION + 1)
    job = job_of("zero-s0", copy, start)
    with pytest.raises(ValueError, match="say why"):
        runner.adopt(job, " ")
    stale = runner.set_aside(job)
    changed = runner.adopt(job, "the version was raised in error", stale)
    assert changed == [RAISED] and job.is_trained() and not stale.exists()
    (adopted,) = json.loads((job.folder / "trained.json").read_text())["adopted"]
    assert adopted["why"] == "the version was raised in error" and adopted["changed"] == changed
    (job.folder / "policy" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match="no whole trained run"):
        runner.adopt(job, "again")


def test_a_run_that_cannot_be_adopted_stays_where_it_was(copy, start, monkeypatch):
    monkeypatch.setattr(recipe.Mini, "version", recipe.VERSION + 1)
    job = job_of("zero-s0", copy, start)
    stale = runner.set_aside(job)

    def gone(self):
        raise files.FileError("cannot read the pairs: the disk is gone")

    monkeypatch.setattr(runner.Job, "training_inputs", gone)
    with pytest.raises(files.FileError, match="the disk is gone"):
        runner.adopt(job, "the version was raised in error", stale)
    assert (stale / "trained.json").is_file() and not job.folder.exists()


def test_a_run_begun_by_an_earlier_version_of_the_project_is_kept_too(copy, start, capsys):
    job = job_of("sft-s0", copy, start)
    files.write_json(job.folder / "begun.json", {"key": "0123456789"})
    assert runner.set_aside(job).name == "sft-s0-01234567"
    assert "made by an earlier version" in capsys.readouterr().out


@pytest.mark.parametrize("name, file", [("sft-s0", "policy/model.safetensors"), ("zero-s0", "log.csv")])
def test_a_damaged_run_is_not_finished(copy, start, name, file):
    path = copy / "runs" / name / file
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    found = [job.run.name for job in runner.unfinished(runner.jobs(RUNS, PROFILE, copy, start))]
    assert name in found and ("r1-s0" in found) == (name == "sft-s0")


def die_in_the_third_update(work, start):
    torch.set_num_threads(1)  # a fork has no more

    def report(units, doing, skipped=False):
        if doing == "update 3/4":
            os.kill(os.getpid(), signal.SIGKILL)

    runner.execute(job_of("zero-s0", work, start), report)


# A fork has imported everything already, but must find neither CUDA nor another system's thread pools in use.
START = "fork" if sys.platform == "linux" and not torch.cuda.is_available() else "spawn"


def test_a_killed_run_goes_on_and_ends_in_the_same_numbers(work, start, tmp_path):
    doomed = multiprocessing.get_context(START).Process(
        target=die_in_the_third_update, args=(tmp_path, start), daemon=True
    )
    doomed.start()
    doomed.join(300)
    assert doomed.exitcode == -signal.SIGKILL
    job = job_of("zero-s0", tmp_path, start)
    assert not job.is_trained() and list(job.folder.glob("checkpoint-*"))
    said = []
    runner.execute(job, lambda units, doing, skipped=False: said.append((doing, skipped)))
    assert ("update 2/4", True) in said and job.is_finished()
    whole = work / "runs" / "zero-s0"
    assert (job.folder / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
    assert checkpoint.identity(job.policy) == checkpoint.identity(whole / "policy")
    assert numbers(job.folder / "log.csv").equals(numbers(whole / "log.csv"))
    assert manifest.read(job.folder)["training"]["resumed_at_update"] == 2


def numbers(log):
    """A training log without what a clock or the machine moves."""
    table = pd.read_csv(log)
    return table[sorted(c for c in table if not any(word in c for word in ("second", "peak", "time")))]


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_run_that_starts_from_nothing_is_refused(start, tmp_path):
    with pytest.raises(ValueError, match="r1-s0 goes on from sft-s0"):
        runner.ensure(RUNS[-1:], PROFILE, tmp_path, base_path=start)
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.identity(tmp_path)


# --- controls -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked(start):
    rows = pairs.load("world", "validation", per_region=5, regions=4)
    return inputs.pairing_rows(policy.load(start), rows, pairs.questions(rows, seed=0))


def test_controls_change_what_they_name_and_nothing_else(asked):
    def parts(row):
        return row["pixels"]["pixel_values"].split(row["pixels"]["image_grid_thw"].prod(-1).tolist())

    def same(some, others):
        return all(torch.equal(x, y) for x, y in zip(some, others, strict=True))

    blank = inputs.controlled(asked, "blank panorama", 0)
    tiles = inputs.controlled(asked, "blank tiles", 0)
    for row, without_panorama, without_tiles in zip(asked, blank, tiles, strict=True):
        assert not parts(without_panorama)[0].any() and same(parts(without_panorama)[1:], parts(row)[1:])
        assert torch.equal(parts(without_tiles)[0], parts(row)[0]) and not torch.cat(parts(without_tiles)[1:]).any()
        assert row["letter"] == without_panorama["letter"] == without_tiles["letter"]
        assert same(parts(row), parts(asked[[r["id"] for r in asked].index(row["id"])]))  # the row itself is untouched
    assert inputs.controlled(asked, "", 0) is asked
    with pytest.raises(ValueError, match="choose from shuffled pairing"):
        inputs.controlled(asked, "blank", 0)


def test_shuffled_pairing_knows_nothing_of_the_answer(asked):
    many = Rows(list(asked) * 40, lambda row: row)
    shuffled = inputs.controlled(many, "shuffled pairing", 0)
    agree = np.mean([a["letter"] == b["letter"] for a, b in zip(shuffled, many, strict=True)])
    assert 0.15 < agree < 0.25
    assert [row["letter"] for row in shuffled] == [row["letter"] for row in shuffled]  # drawn once


def test_rows_are_made_when_asked_for(asked):
    made = []
    rows = Rows(range(5), lambda i: made.append(i) or {"i": i})
    assert len(rows) == 5 and made == []
    assert rows[-1] == {"i": 4} and [row["i"] for row in rows[1:3]] == [1, 2] and made == [4, 1, 2]
    assert asked[0]["pixels"]["image_grid_thw"].shape == (6, 3)


def test_rewards_of_a_run_with_and_without_the_length():
    text, row = "<think> so A </think> <answer> A </answer>", {"id": "x", "letter": "A"}

    def gap(kind):
        reward = stages.reward_function(kind, 0, MINI)
        return reward(text, row, 10).total - reward(text, row, 900).total

    assert gap("paper") == 0 and gap("paper with length") > 0.4 and gap("released") > 0.4
    wrong = row | {"letter": "B"}
    described, released = (stages.reward_function(kind, 0, MINI) for kind in ("paper with length", "released"))
    assert described(text, wrong, 10).parts["length"] < 0 < released(text, wrong, 10).parts["length"]
    with pytest.raises(ValueError, match="choose one of paper"):
        stages.reward_function("kind words", 0, MINI)


def test_the_reward_of_distance_is_of_places_and_refuses_a_question():
    reward = stages.reward_function("distance", 0, MINI)
    paris = {"id": "x", "lat": 48.86, "lon": 2.35, "country": "FR", "city": "Paris"}
    near, far, none = (
        reward(f"<think> a </think> <answer> {text} </answer>", paris, 5).parts["accuracy"]
        for text in ("country : France city : Paris", "country : Japan", "I do not know")
    )
    assert near > 0.95 and 0 < far < 0.01 and none == 0.0
    with pytest.raises(ValueError, match="single places: question x asks for a letter"):
        reward("A", {"id": "x", "letter": "A"}, 5)


def test_the_random_reward_does_not_look_at_the_letter():
    coin = stages.reward_function("random", 0, MINI)
    values = [coin(f"text {i}", {"id": "x", "letter": "A"}, 5) for i in range(400)]
    assert values == [coin(f"text {i}", {"id": "x", "letter": "B"}, 5) for i in range(400)]
    assert 0.4 < np.mean(values) < 0.6


def test_sft_rows_teach_places_and_replay_the_base_but_never_pair(start):
    rows = teaching.sft_rows(PROFILE, start, 0, 20)
    assert len(rows) == 20
    taught = list(rows)[: round(20 * (1 - teaching.REPLAY))]
    assert all(row["prompt"] == wording.WHERE and "country :" in row["completion"][0] for row in taught)
    assert all(len(row["pixels"]["image_grid_thw"]) == 1 for row in taught)


def test_what_is_replayed_beside_grpo_is_the_bases_own_and_never_pairs(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "GEOGRAPHIC", replace(base.GEOGRAPHIC, known_sites=1))
    made = tiny.build(base.vocabulary(), seed=0, **SHAPE)
    made.save(tmp_path / "policy")
    size = replace(PROFILE, rl_steps=3)
    rows = teaching.beside_grpo(size, tmp_path / "policy", 0)
    assert len(rows) == 3 * size.replayed
    prompts = {row["prompt"] for row in rows}
    assert prompts == {wording.DESCRIBE, wording.WHERE}  # the questions that no reward is about
    for row in rows:
        assert len(row["pixels"]["image_grid_thw"]) == 1  # one picture: nothing is compared
        for text, weights in zip(row["completion"], row["weights"], strict=True):
            assert len(made.completion_ids(text)) == len(weights) and sum(weights) == pytest.approx(1)
    again = teaching.beside_grpo(size, tmp_path / "policy", 0)
    assert [row["completion"] for row in rows] == [row["completion"] for row in again]


def test_sft_rows_go_from_what_is_seen_to_the_place(tmp_path, monkeypatch):
    """Each part of a thought weighs the same, however many words it has, and a replayed example as much as one part."""
    told = replace(base.GEOGRAPHIC, known_sites=1)
    monkeypatch.setattr(base, "GEOGRAPHIC", told)
    made = tiny.build(base.vocabulary(), seed=0, **SHAPE)
    made.save(tmp_path / "policy")
    size = replace(PROFILE, sft_rule=False)
    rows = teaching.sft_rows(size, tmp_path / "policy", 0, 20)
    words = wording.WORDING.attribute_of
    for row in rows:
        for text, weights in zip(row["completion"], row["weights"], strict=True):
            assert len(made.completion_ids(text)) == len(weights)
    taught, replayed = rows[:12], rows[12:]
    for row in taught:
        [text], [weights] = row["completion"], row["weights"]
        seen = sum(w for token, w in zip(text.split(), weights) if token in words)
        assert seen == pytest.approx(1) and sum(weights) == pytest.approx(3) and "climate-" in text
    for row in replayed:
        assert sum(map(sum, row["weights"])) == pytest.approx(1)
    assert not any(len(row["pixels"]["image_grid_thw"]) > 1 for row in taught)
    # a base that was taught the answering rule keeps it: a search ends at its first match
    kept = teaching.sft_rows(replace(size, sft_rule=True), tmp_path / "policy", 0, 15)[9:]
    after_first = [
        text.partition(" match ")[2].startswith("</think>")
        for rows_of in (replayed, kept)
        for row in rows_of
        for text in row["completion"]
        if " match " in text
    ]
    of_kept = sum(text.count(" match ") > 0 for row in kept for text in row["completion"])
    assert of_kept and all(after_first[-of_kept:]) and not all(after_first[:-of_kept])
