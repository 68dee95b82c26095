"""What the commands about runs refuse, count and say."""

import numpy as np
import pandas as pd
import pytest
from test_seams import places

from georeplicate.evaluation import predict
from georeplicate.evaluation.baselines import Located
from georeplicate.runs import commands
from georeplicate.tasks.geolocation import Geolocation


@pytest.mark.parametrize("words", [("--seeds", 3), ("--profile", "smoke"), ("--base", "x"), ("--root", "x")])
def test_the_base_takes_no_option_that_it_would_ignore(command, words, tmp_path):
    code, _, said = command("train", "base", *words, "--work", tmp_path)
    assert code == 1 and "no profile, seeds, base, root" in said and not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words, why",
    [
        (("base", "--world", "moon"), "choose from geographic, geographic-longer"),
        (("sft", "--world", "geographic"), "say which base"),
        (("table2", "--seed", 1), "say which base"),
    ],
)
def test_which_base_is_asked_for_is_honoured_or_refused(command, words, why, tmp_path):
    code, _, said = command("train", *words, "--work", tmp_path)
    assert code == 1 and why in said and not any(tmp_path.iterdir())


def test_another_base_has_a_folder_of_its_own(command, monkeypatch, tmp_path):
    from georeplicate.mini import base

    monkeypatch.setattr(
        base, "build", lambda out, **told: (out, told["seed"], told["curriculum"] is base.LONGER, told["rule"])
    )
    for words, made in (
        ((), (tmp_path / "base-geographic-longer-0", 0, True, False)),
        (("--seed", 2), (tmp_path / "base-geographic-longer-2", 2, True, False)),
        (("--world", "geographic", "--rule"), (tmp_path / "base-geographic-0", 0, False, True)),
    ):
        code, said, _ = command("train", "base", *words, "--work", tmp_path)
        assert code == 0 and str(made) in said


def test_gpus_without_a_way_to_launch_are_refused(command, tmp_path):
    code, _, said = command("train", "r1", "--gpus", 2, "--work", tmp_path)
    assert code == 1 and "name a way, such as --launch fsdp2" in said


def test_an_interrupted_command_says_that_it_can_go_on(command, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "list_runs", interrupt)
    code, _, said = command("runs", "list")
    assert code == 130 and "the same command goes on where this one stopped" in said


class NoCountry:
    """A baseline that knows places and, now and then, no country."""

    def predict(self, images):
        return pd.DataFrame({"lat": 48.0, "lon": 2.0, "country": ["FR", None, np.nan] * 2})


def test_a_country_that_a_baseline_does_not_give_is_no_word():
    rows = predict.evaluate(Located(NoCountry()), Geolocation(lambda _: places(), "toy"), decoding="greedy")
    assert rows.choice.tolist() == ["FR", "", ""] * 2


def test_a_place_without_a_country_is_not_counted_as_right(capsys, monkeypatch):
    at_sea = [row | {"country": ""} for row in places()[:2]] + places()[2:]
    task = Geolocation(lambda _: at_sea, "toy")
    monkeypatch.setattr("georeplicate.evaluation.baselines.get", lambda name, weights=None: NoCountry())
    monkeypatch.setattr("georeplicate.mini.recipe.Mini.tasks", lambda *_, **__: [task])
    commands.evaluate(None, "any", None, "smoke", "validation", root=None, out=None)
    assert "greedy: 1 of 4 right (25.0%)" in capsys.readouterr().out
