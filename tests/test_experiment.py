"""The runs of Table 2 at the smallest size, on an untrained policy: files, order, resume, controls."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from georeplicate import base, evaluate, experiment, pairs, policy, record
from georeplicate.profiles import Profile


@pytest.fixture(scope="module")
def profile():
    return replace(Profile.get("smoke"), max_completion_length=8)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "mini_base"
    policy.build(
        base.vocabulary(), seed=0, hidden_size=32, layers=2, heads=2, vision_hidden_size=48, vision_layers=1
    ).save(path)
    return path


@pytest.fixture(scope="module")
def work(profile, start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    for run in experiment.table2_runs(seeds=(0,)):
        experiment.execute(run, profile, folder, start)
    return folder


def test_the_four_systems_stand_for_the_papers(work):
    runs = {run.name: run.stands_for for run in experiment.table2_runs(seeds=(0,))}
    assert runs == {"base": "Qwen2.5-VL-7B", "sft-s0": "Geo-SFT", "zero-s0": "Geo-R1-Zero", "r1-s0": "Geo-R1"}
    assert all(record.is_finished(work / "runs" / name) for name in runs)


def test_predictions_hold_every_question_twice_and_every_column(work, profile):
    table = pd.read_csv(work / "runs" / "r1-s0" / "predictions.csv", keep_default_na=False)
    assert list(table.columns) == evaluate.COLUMNS
    asked = table[table.task == "pairing"]
    assert asked.groupby("decoding").id.nunique().to_dict() == {
        "greedy": profile.n_test_sites,
        "t1": profile.n_test_sites,
    }
    assert set(asked.truth) <= set("ABCDE") and (asked.system == "mini-R1").all()


def test_a_finished_run_is_not_run_again(work, profile, start, monkeypatch):
    monkeypatch.setattr(experiment, "train", lambda *_: pytest.fail("trained again"))
    run = experiment.table2_runs(seeds=(0,))[1]
    assert experiment.execute(run, profile, work, start) == work / "runs" / "sft-s0"


def test_the_manifest_says_what_ran(work):
    manifest = record.read_manifest(work / "runs" / "zero-s0")
    assert (
        manifest["run"]["stage"] == "grpo"
        and manifest["settings"]["beta"] == 0.01
        and len(manifest["base_sha256"]) == 64
    )


@pytest.fixture(scope="module")
def asked(start):
    rows = pairs.load("world", "validation", per_region=5, regions=4)
    return evaluate.pairing_rows(policy.load(start), rows, pairs.questions(rows, seed=0), base.PAIR)


def test_controls_change_what_they_name_and_nothing_else(asked):
    def parts(row):
        return row["pixels"]["pixel_values"].split(row["pixels"]["image_grid_thw"].prod(-1).tolist())

    blank = experiment.controlled(asked, "blank panorama", 0)
    assert all(bool((parts(b)[0] == 0).all()) for b in blank)
    assert all(
        torch.equal(x, y)
        for b, a in zip(blank, asked, strict=True)
        for x, y in zip(parts(b)[1:], parts(a)[1:], strict=True)
    )
    tiles = experiment.controlled(asked, "blank tiles", 0)
    assert all(torch.equal(parts(b)[0], parts(a)[0]) for b, a in zip(tiles, asked, strict=True))
    assert all(bool((p == 0).all()) for b in tiles for p in parts(b)[1:])
    assert [row["letter"] for row in tiles] == [row["letter"] for row in asked]


def test_shuffled_pairing_knows_nothing_of_the_answer(asked):
    many = asked * 40
    agree = np.mean(
        [
            a["letter"] == b["letter"]
            for a, b in zip(experiment.controlled(many, "shuffled pairing", 0), many, strict=True)
        ]
    )
    assert 0.15 < agree < 0.25


def test_the_random_reward_does_not_look_at_the_letter():
    coin = experiment.reward_function("random", 0)
    values = [coin(f"text {i}", {"id": "x", "letter": "A"}, 5) for i in range(400)]
    assert values == [coin(f"text {i}", {"id": "x", "letter": "B"}, 5) for i in range(400)]
    assert 0.4 < np.mean(values) < 0.6


def test_thoughts_are_read_from_any_text():
    text = "<think> place grass red-roofs D sand red-roofs other B grass red-roofs match </think> <answer> B </answer>"
    assert evaluate.thoughts(text) == [
        ("place", {"cover": "grass", "roof": "red-roofs"}, ""),
        ("D", {"cover": "sand", "roof": "red-roofs"}, "other"),
        ("B", {"cover": "grass", "roof": "red-roofs"}, "match"),
    ]
    for odd in ("", "<think>", "match", "<think> match other Z", "\x00" * 50):
        assert isinstance(evaluate.thoughts(odd), list)
