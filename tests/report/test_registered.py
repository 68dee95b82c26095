"""What was registered before the runs of profile mini: its settings are those of the profile, and of the runs that are
committed; every claim has a prediction."""

import json

import pytest

from georeplicate import files, manifest, paper
from georeplicate.profiles import Profile
from georeplicate.report import verdicts
from georeplicate.runs import recipes

MINI = Profile.get("mini")


@pytest.fixture(scope="module")
def record():
    return json.loads(verdicts.REGISTERED.read_text())


def test_the_settings_are_those_of_the_profile_and_their_checksum_holds(record):
    recipe = recipes.of(MINI)
    assert record["recipe"] == {"name": recipe.name, "version": recipe.version}
    assert record["settings"] == {stage: recipe.settings(stage, MINI) for stage in record["settings"]}
    assert {"sft", "grpo", "supervised", "evaluation"} <= record["settings"].keys()
    assert files.sha256_json(record["settings"]) == record["settings_sha256"]
    assert files.sha256_file(recipe.start(MINI) / "model.safetensors") == record["base_sha256"]


def test_the_committed_runs_were_trained_with_them(record):
    registered = {name: value for part in record["settings"].values() for name, value in part.items()}
    folders = sorted((files.RESULTS / "mini" / "runs").iterdir())
    assert len(folders) >= 10
    for folder in folders:
        trained = json.loads(json.dumps(manifest.read(folder)["settings"]))
        common = registered.keys() & trained.keys()
        assert len(common) > 30, folder.name
        # runs with other rewards, which their names say, differ in these alone
        assert {name for name in common if trained[name] != registered[name]} <= {"reward_mode", "reward_weights"}


def test_every_claim_has_a_prediction_and_the_table_of_verdicts_shows_it(record):
    assert record["predictions"].keys() == {claim.id for claim in paper.CLAIMS}
    assert verdicts.registered() == record["predictions"]
    table = verdicts.verdicts({}).set_index("claim_id")
    assert table.registered.to_dict() == record["predictions"]


def test_nothing_was_registered_for_photographs(monkeypatch, tmp_path):
    monkeypatch.setattr(verdicts, "REGISTERED", tmp_path / "not here")
    assert verdicts.registered() == {}
