"""The systems of Table 1 as runs, at the smallest size: trained, evaluated, resumed, told apart."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest

from georeplicate import atlas, geo, world
from georeplicate.evaluation import predict
from georeplicate.evaluation.baselines.settings import SETTINGS
from georeplicate.mini import base, inputs, internvl, teaching
from georeplicate.profiles import Profile
from georeplicate.runs import runner, spec, stand_ins
from georeplicate.training import stages

PROFILE = replace(Profile.get("smoke"), rl_steps=2, sft_steps=2, max_completion_length=8, n_test_sites=4)
RUNS = {run.name: run for run in spec.table1_runs((0,), "mini")}
TRAINED = ("isns-s0", "nearest-s0", "globe-s0", "georeasoner-s0", "internvl-s0")


@pytest.fixture(scope="module")
def work(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    for name in TRAINED:
        runner.execute(job(name, folder, start))
    return folder


def job(name, folder, start):
    return runner.jobs([RUNS[name]], PROFILE, folder, start)[0]


def test_each_has_a_policy_of_its_own_and_answers_where_photos_were_taken(work, start):
    seen = {}
    for name in TRAINED:
        made = job(name, work, start)
        assert made.is_finished()
        table = predict.read(made.folder / "predictions.csv")
        assert set(table.task) == {"geolocation"} and (table.system == RUNS[name].system).all() and len(table) >= 4
        seen[name] = runner.hub.identity(made.policy)
        log = pd.read_csv(made.folder / "log.csv")
        assert len(log) == {"isns-s0": stand_ins.updates(RUNS[name], PROFILE), "nearest-s0": 0}.get(name, 2)
    assert len(set(seen.values())) == len(TRAINED) and runner.hub.identity(start) not in seen.values()
    isns = predict.read(work / "runs" / "isns-s0" / "predictions.csv")
    named = atlas.describe(isns.pred_lat.to_numpy(), isns.pred_lon.to_numpy(), atlas.NOON).country
    assert isns.error_km.notna().all() and isns.choice.tolist() == list(named)  # "" at sea
    assert not (work / "runs" / "georeasoner-s0" / "reasoning").exists()
    assert not (work / "runs" / "internvl-s0" / stand_ins.SEEING).exists()
    assert len(list((work / "data").glob("features-*.safetensors"))) == 1  # looked at once for both


def test_features_are_looked_at_once_and_a_finished_run_not_again(work, start, monkeypatch):
    monkeypatch.setattr(teaching, "labelled_rows", lambda *_: pytest.fail("the photos were rendered again"))
    shutil.rmtree(work / "runs" / "nearest-s0")
    runner.execute(job("nearest-s0", work, start))
    assert runner.state(job("nearest-s0", work, start)) == "up to date"


def test_the_first_stage_is_not_repeated(work, start, tmp_path, monkeypatch):
    """A run that was killed in its second stage keeps what the first has taught."""
    trained, called = stages.train, []

    def train(stage, begin, rows, folder, *more, **named):
        called.append((str(begin), folder.name))
        if len(called) == 2:
            raise KeyboardInterrupt
        return trained(stage, begin, rows, folder, *more, **named)

    monkeypatch.setattr(stages, "train", train)
    made = job("georeasoner-s0", tmp_path, start)
    with pytest.raises(KeyboardInterrupt):
        runner.execute(made)
    runner.execute(made)
    reasoning = str(made.folder / "reasoning" / "policy")
    assert [folder for _, folder in called] == ["reasoning", "georeasoner-s0", "georeasoner-s0"]
    assert [begin for begin, _ in called] == [str(start), reasoning, reasoning]
    ours, whole = (folder / "runs/georeasoner-s0/predictions.csv" for folder in (tmp_path, work))
    assert ours.read_bytes() == whole.read_bytes()


def test_a_model_of_another_family_that_was_killed_does_not_learn_to_see_again(work, start, tmp_path, monkeypatch):
    trained, learnt, taught = stages.train, internvl.learn_to_see, []

    def train(*given, **named):
        monkeypatch.setattr(stages, "train", trained)
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "train", train)
    monkeypatch.setattr(internvl, "learn_to_see", lambda *a, **n: taught.append(learnt(*a, **n)))
    made = job("internvl-s0", tmp_path, start)
    with pytest.raises(KeyboardInterrupt):
        runner.execute(made)
    runner.execute(made)
    assert len(taught) == 1 and runner.hub.identity(made.policy) == runner.hub.identity(
        job("internvl-s0", work, start).policy
    )


@pytest.mark.parametrize("name", ["labelled", "internvl"])
def test_no_training_photo_is_of_a_city_that_is_tested(start, name):
    if name == "labelled":
        rows = teaching.labelled_rows(PROFILE, start)
    else:
        rows = internvl.rows(internvl.Photos(PROFILE), inputs.base_policy(start))
    cities = world.cities()
    tested = {(city.country, base.city_token(city.city)) for city in cities[cities.split != "base"].itertuples()}
    some = [rows[i] for i in range(0, len(rows), 7)]
    shown = {(row["country"], row["city"]) for row in some}
    assert len(shown) >= len(some) - 5 and not shown & tested
    assert name == "labelled" or not any("city" in row["completion"] for row in some)  # told as the base was
    held = world.sites("test", 1)
    km = [geo.haversine_km(held.lat.to_numpy(), held.lon.to_numpy(), row["lat"], row["lon"]).min() for row in some]
    assert min(km) > 50


def test_another_network_or_training_is_another_run(work, start, monkeypatch):
    key = job("isns-s0", work, start).training_key()
    assert key != job("nearest-s0", work, start).training_key()
    monkeypatch.setitem(SETTINGS, "ISNs", replace(SETTINGS["ISNs"], version=2))
    assert job("isns-s0", work, start).training_key() != key
    inputs = json.loads((work / "runs" / "isns-s0" / "begun.json").read_text())["inputs"]
    assert (
        inputs["baseline"] == "ISNs"
        and inputs["version"] == 1
        and "baseline" not in job("globe-s0", work, start).training_inputs()
    )


def test_a_key_needs_no_slow_import():
    """`runs list`, and `reproduce` with nothing to do, look at the keys of all runs."""
    code = (
        "import sys; from georeplicate.runs import runner, spec; "
        "made = runner.jobs(spec.table1_runs((0,), 'mini'), 'mini', 'nowhere'); "
        "[job.training_key() for job in made]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_row_of_the_paper_has_one_system_or_none():
    runs = [*spec.table2_runs((0, 1), "mini"), *spec.table1_runs((0, 1), "mini")]
    assert len({run.name for run in runs}) == len(runs)
    assert {run.stands_for for run in runs} - {"Geo-SFT", "Geo-R1-Zero", ""} == {
        *("ISNs", "GeoCLIP", "Hybrid", "RFM-YFCC", "Qwen2.5-VL-7B", "InternVL3-8B", "GeoReasoner-7B", "GLOBE-7B"),
        "Geo-R1",
    }
    assert spec.table1_runs((0,), "photographs") == []
    assert RUNS["internvl-s0"].checkpoint == "trained here, with the decoder of mini-base and a tower of its own"
    assert RUNS["isns-s0"].checkpoint == "trained here on features of mini-base"
