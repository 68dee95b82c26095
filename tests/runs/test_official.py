"""Official checkpoints by one command, from a hub on this machine: licence first, resumable, lines of both tables."""

import dataclasses
import gc
import json

import huggingface_hub.constants
import pandas as pd
import pytest
from hubs import Hub
from PIL import Image
from transformers import PreTrainedModel

from georeplicate.evaluation import baselines, predict
from georeplicate.evaluation.baselines import prompted
from georeplicate.mini import layouts
from georeplicate.model import policy
from georeplicate.profiles import Profile
from georeplicate.runs import dry, recipes, runner, spec

pytestmark = pytest.mark.filterwarnings("ignore:cv-cities")
MODEL, INTERN = "miniHui/Geo-R1-Zero-0701", "OpenGVLab/InternVL3-8B-hf"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    with Hub({MODEL: layouts.qwen2_5_vl(root / "qwen"), INTERN: layouts.internvl(root / "intern")}) as made:
        made.cache = root / "cache"
        yield made


@pytest.fixture
def online(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub.cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return hub


def test_official_checkpoints_give_lines_of_the_tables_and_go_on_after_a_kill(
    online, dry_home, tmp_path, command, monkeypatch
):
    monkeypatch.setattr(predict, "AT_ONCE", 3)
    out = tmp_path / "zero.csv"
    words = ("evaluate", "--profile", "paper-dry", "--split", "test", "--task", "pairing", "--root", dry_home)
    words += ("--out", out, "--model", MODEL)
    answered, killed = policy.Policy.generate, []

    def dies(self, *args, **kwargs):
        if len(killed) == 4:
            raise KeyboardInterrupt
        killed.append(1)
        return answered(self, *args, **kwargs)

    monkeypatch.setattr(policy.Policy, "generate", dies)
    code, printed, error = command(*words)
    assert code == 130 and "the same command goes on" in error and not out.exists()
    assert printed.index(f"{MODEL}: licence not found") < printed.index("its authors state no licence; 0.00 GB")
    monkeypatch.setattr(policy.Policy, "generate", lambda *a, **k: killed.append(2) or answered(*a, **k))
    code, printed, error = command(*words)
    assert code == 0, error
    assert killed == [1, 1, 1, 1, 2, 2]  # 8 questions, 3 at once, in two decodings
    assert "4 parts of an earlier run are there" in printed
    table, rows = pd.read_csv(tmp_path / "zero-table2.csv"), predict.read(out)
    assert table.stands_for.tolist() == ["Geo-R1-Zero"] and table.checkpoint.tolist() == ["as published"]
    assert table.n.tolist() == [8] and dry.BENCHMARK in table.benchmark[0] and set(rows.decoding) == {"greedy", "t1"}
    # what was answered in two goes is what one go answers
    whole = tmp_path / "whole.csv"
    assert command(*(whole if word == out else word for word in words))[0] == 0
    pd.testing.assert_frame_equal(rows, predict.read(whole))
    # another model is another key: what is there is kept aside
    monkeypatch.setattr(predict, "AT_ONCE", 64)
    untasked = [word for word in words if word not in ("--task", "pairing")]
    code, printed, error = command(*untasked[:-1], INTERN)
    assert code == 0, error
    assert f"{INTERN}: MIT" in printed and "answers under another key" in printed
    assert (tmp_path / "zero.csv.parts-other").is_dir()
    # the InternVL3 layout: a row of Table 1 and, as for everybody who was asked, one in the columns of Table 2
    lines = [pd.read_csv(tmp_path / f"zero-{name}.csv") for name in ("table1", "table2")]
    for line, task in zip(lines, ("geolocation", "pairing")):
        assert line.stands_for.tolist() == ["InternVL3-8B"] and line.checkpoint.tolist() == ["as published"]
        assert line.n.tolist() == [8] and line.benchmark.tolist() == [f"{dry.BENCHMARK} ({task})"]
        assert f"line of table{1 + (task == 'pairing')}: " in printed
    answered = predict.read(out)
    assert set(answered.task) == {"pairing", "geolocation"} and (answered.completion_tokens > 0).all()
    assert {"acc_1km", "acc_2500km_high", "median_km", "contaminated"} <= set(lines[0].columns)
    assert lines[1].completion_tokens[0] == answered[answered.decoding == "greedy"].completion_tokens[:8].mean()


def test_a_system_of_table_1_comes_by_its_name_in_the_paper(online, monkeypatch):
    monkeypatch.setattr(prompted, "TOKENS", 6)
    found = baselines.get("InternVL3-8B", "official").predict([Image.new("RGB", (80, 56)), None])
    assert found.lat.isna().all() and found.text[0] and found.text[1] == ""
    assert baselines.identity("InternVL3-8B") == f"{INTERN}@{online.repositories[INTERN].commit}"
    there = prompted.here("InternVL3-8B", "vllm:official")  # fetched once for several processes, and the same model
    assert there.startswith("vllm:/") and baselines.identity("InternVL3-8B", there) == baselines.identity(
        "InternVL3-8B"
    )
    with pytest.raises(policy.CheckpointError, match="GLOBE-Qwen2.5VL-7B is neither a folder nor a model"):
        baselines.get("GLOBE-7B")


def test_the_published_systems_are_named_once():
    assert prompted.stands_for(MODEL) == "Geo-R1-Zero" and prompted.licence_of(MODEL) == "licence not found"
    assert prompted.stands_for("Qwen/Qwen2.5-VL-7B-Instruct") == "Qwen2.5-VL-7B"
    assert prompted.stands_for("some/other") == "some/other" and prompted.licence_of("some/other") == ""


def test_a_revision_behind_the_name(online, dry_home, command):
    code, _, error = command("evaluate", "--profile", "paper-dry", "--root", dry_home, "--model", f"{MODEL}@v9")
    assert code == 1 and f"{MODEL} has no revision 'v9'" in error and error.count("\n") == 1


def _models() -> list[PreTrainedModel]:
    return [thing for thing in gc.get_objects() if isinstance(thing, PreTrainedModel)]


def test_what_is_trained_from_a_model_of_the_hub_names_its_commit_in_key_and_manifest(
    online, dry_home, tmp_path, monkeypatch
):
    small = Profile.get("paper-dry")
    profile = dataclasses.replace(small, model=MODEL, sft_steps=1, sft_batch=2, n_test_sites=4)
    (run,) = (run for run in spec.table2_runs((42,), profile) if run.name == "sft-s42")
    (job,) = runner.jobs([run], profile, tmp_path, root=recipes.of(small).folder(small, dry_home))
    assert not job.is_finished()
    models = len(_models())

    def evaluates(self, report, evaluated=runner.Job.evaluate):
        assert len(_models()) <= models  # what was trained has made room
        return evaluated(self, report)

    monkeypatch.setattr(runner.Job, "evaluate", evaluates)
    runner.execute(job)
    assert job.is_finished()
    whole = f"{MODEL}@{online.repositories[MODEL].commit}"
    key = json.loads((job.folder / "trained.json").read_text())["inputs"]
    made = json.loads((job.folder / "manifest.json").read_text())
    assert whole in key.values() and whole in json.dumps(made["training"])
