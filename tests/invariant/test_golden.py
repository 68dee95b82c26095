"""Golden runs: numbers do not move without a new version. README.md says what to do when this fails."""

import copy
import json

import pytest

from georeplicate.runs import golden


@pytest.fixture(scope="module")
def expected():
    return json.loads(golden.SNAPSHOT.read_text())


def test_training_and_evaluation_make_the_numbers_they_made(tmp_path, expected):
    assert golden.moved(golden.trajectory(tmp_path), expected) == []


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda runs: runs["zero-s0"]["log"][1].update(reward=9.0), "zero-s0, update 2: reward is 9.0"),
        (lambda runs: runs["sft-s0"]["log"][0].update(loss=float("nan")), "sft-s0, update 1: loss is nan"),
        (lambda runs: runs["sft-s0"]["log"].pop(), "sft-s0: 2 updates, were 3"),
        (lambda runs: runs.pop("base"), "base: only one side"),
        (lambda runs: [c.__setitem__(1, "?") for c in runs["base"]["completions"]], "8 of 8 completions differ"),
    ],
)
def test_what_moves_is_named(expected, change, sentence):
    found = copy.deepcopy(expected)
    assert golden.moved(found, expected) == []
    change(found["runs"])
    assert any(sentence in line for line in golden.moved(found, expected))


def test_rounding_of_another_processor_is_no_movement(expected):
    found = copy.deepcopy(expected)
    for update in found["runs"]["zero-s0"]["log"]:
        update.update({name: value * (1 + 1e-4) + 1e-6 for name, value in update.items()})
    assert golden.moved(found, expected) == []


def test_a_snapshot_of_another_version_is_said(expected):
    (line,) = golden.moved(expected | {"recipe_version": expected["recipe_version"] + 1}, expected)
    assert (
        line == f"the snapshot is of recipe version {expected['recipe_version']}, not {expected['recipe_version'] + 1}"
    )
