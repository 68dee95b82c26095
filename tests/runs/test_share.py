"""Cards from manifests, merging adapters, and uploads that happen on request alone."""

from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from peft import LoraConfig
from toy import questions, tiny_policy

from georeplicate import files, manifest
from georeplicate.model import policy
from georeplicate.runs import share
from georeplicate.training import sft

RUN = files.RESULTS / "mini" / "runs" / "zero-s0"


class Hub:
    """What would be sent to the hub."""

    sent: list = []
    private = True

    def __init__(self, token):
        self.token = token

    def create_repo(self, name, *, repo_type, private, exist_ok):
        Hub.sent.append((name, repo_type, private, self.token))
        return f"https://hub.invalid/{name}"

    def repo_info(self, name, *, repo_type):
        return SimpleNamespace(private=Hub.private)

    def upload_folder(self, *, repo_id, repo_type, folder_path, allow_patterns, commit_message):
        found = huggingface_hub.utils.filter_repo_objects(
            [str(path.relative_to(folder_path)) for path in folder_path.rglob("*") if path.is_file()],
            allow_patterns=allow_patterns,
        )
        Hub.sent.append(sorted(found))


@pytest.fixture
def hub(monkeypatch):
    Hub.sent = []
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    return monkeypatch


@pytest.fixture
def run(tmp_path):
    """The committed run, with a policy beside it."""
    (tmp_path / "policy").mkdir()
    for name in ("model.safetensors", "config.json", "training_args.bin"):
        (tmp_path / "policy" / name).write_text(name)
    for path in RUN.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_card_says_what_the_manifest_and_the_predictions_say(run):
    said = share.model_card(run)
    found = manifest.read(run)
    assert "# mini-Zero, zero-s0" in said and "synthetic, rendered pictures" in said and "not the paper's model" in said
    assert found["policy"][:12] in said and f"| `rl_steps` | {found['settings']['rl_steps']} |" in said
    assert "| world-geographic (synthetic): pairing | greedy | 600 | 0." in said
    assert "sft_steps" not in said and str(run) not in said
    assert share.write_card(run) == run / "policy" / "README.md"


def test_a_card_of_a_published_model_names_it_and_whose_licence_holds(run):
    found = manifest.read(run)
    found["settings"] |= {"model": "Qwen/Qwen2.5-VL-3B-Instruct", "source": "cv-cities"}
    files.write_json(run / manifest.NAME, found)
    said = share.model_card(run)
    assert "base_model: Qwen/Qwen2.5-VL-3B-Instruct" in said
    assert "licence: none of ours; that of Qwen/Qwen2.5-VL-3B-Instruct and the terms of cv-cities hold" in said
    assert "licence" not in share.model_card(RUN)


def test_nothing_is_sent_without_a_token_and_weights_alone_with_one(run, hub, command, tmp_path):
    code, _, error = command("runs", "push", run, "--to", "me/geo")
    assert code == 1 and "no token of the hub" in error and error.count("\n") == 1 and not Hub.sent
    hub.setattr(huggingface_hub, "get_token", lambda: "made up")
    code, printed, _ = command("runs", "push", run, "--to", "me/geo")
    assert code == 0 and printed.strip() == "https://hub.invalid/me/geo"
    assert Hub.sent == [("me/geo", "model", True, "made up"), ["README.md", "config.json", "model.safetensors"]]
    Hub.sent.clear()
    # a run is named as in the other commands, too
    named, work = tmp_path / "mini" / "runs" / "zero-s0", ("--work", tmp_path)
    named.parent.mkdir(parents=True)
    named.symlink_to(run)
    assert command("runs", "push", "zero-s0", "--to", "me/geo", *work)[0] == 0
    assert len(Hub.sent) == 2 and command("runs", "card", "zero-s0", *work)[0] == 0
    code, _, error = command("runs", "push", "r1-s0", "--to", "me/geo", *work)
    assert code == 1 and "r1-s0 is no folder and no run of profile mini (--profile): finished are zero-s0" in error
    Hub.sent.clear()
    hub.setattr(Hub, "private", False)  # of that name there is a public one already
    code, _, error = command("runs", "push", run, "--to", "me/geo")
    assert code == 1 and "there already and public" in error and len(Hub.sent) == 1
    code, _, error = command("runs", "push", run, "--to", "geo")
    assert code == 1 and "OWNER/NAME" in error

    def refuse(*_, **__):
        raise OSError("403 Forbidden")

    hub.setattr(Hub, "create_repo", refuse)
    code, _, error = command("runs", "push", run, "--to", "me/geo", "--public")
    assert code == 1 and "took nothing as me/geo: 403" in error


def test_records_go_as_a_data_set_with_their_card(tmp_path, hub):
    for name in ("accepted/00000.parquet", "rejected/00000.parquet", "README.md", "settings.json", "cache/x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    manifest.finish(tmp_path, profile="engine", seed=0, data_sha256="0", started=0.0)
    hub.setattr(huggingface_hub, "get_token", lambda: "made up")
    share.push(tmp_path, "me/records", public=True)
    assert Hub.sent == [("me/records", "dataset", False, "made up"),
                        ["README.md", "accepted/00000.parquet", "rejected/00000.parquet"]]  # fmt: skip


def test_an_adapter_stays_an_adapter_and_merges_into_the_policy_beside_it(tmp_path, command):
    tiny_policy(sharpen=2.0).save(tmp_path / "base")
    adapters = LoraConfig(r=4, lora_alpha=8, target_modules=r".*language_model.*\.(q|v)_proj")
    settings = dict(steps=1, batch_size=2, learning_rate=1e-2, seed=0, bf16=False, peft_config=adapters)
    trained = sft.train(tmp_path / "base", questions(2), tmp_path / "out", **settings)
    code, printed, _ = command("runs", "merge", tmp_path / "out" / "adapter", "--out", tmp_path / "merged")
    assert code == 0 and printed.strip() == str(tmp_path / "merged")
    paths = (tmp_path / "base", trained, tmp_path / "merged")
    base, beside, merged = (policy.load(path).model.state_dict() for path in paths)
    assert all(torch.allclose(beside[name], merged[name], atol=1e-7) for name in beside)
    moved = {name for name in base if not torch.equal(base[name], merged[name])}
    assert moved and all("q_proj" in name or "v_proj" in name for name in moved)
    code, _, error = command("runs", "merge", tmp_path / "base", "--out", tmp_path / "other")
    assert code == 1 and "holds no adapter" in error
    code, _, error = command("runs", "merge", tmp_path / "out" / "adapter", "--out", tmp_path / "merged")
    assert code == 1 and "exists already" in error
