"""Published models by name, from a hub on this machine: as they lie there, and with everything that goes wrong."""

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from hubs import Fault, Hub
from PIL import Image

from georeplicate import network
from georeplicate.mini import layouts
from georeplicate.model import hub as hubs
from georeplicate.model import policy

MODELS = {"Qwen/tiny-2.5": layouts.qwen2_5_vl, "OpenGVLab/tiny-hf": layouts.internvl, "Qwen/tiny-3": layouts.qwen3_vl}
QWEN = "Qwen/tiny-2.5"
SHARD = "model-00002-of-00002.safetensors"
CHAT = {"model_type": "internvl_chat", "auto_map": {"AutoModel": "modeling.X"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    folders = {name: make(root / name) for name, make in MODELS.items()}
    others = {
        "OpenGVLab/InternVL3-8B": CHAT,
        "Org/code": {"model_type": "new", "auto_map": {}},
        "Org/text": {"model_type": "qwen2"},
    }
    for name, config in others.items():
        folders[name] = root / name
        folders[name].mkdir(parents=True)
        (folders[name] / "config.json").write_text(json.dumps(config))
        (folders[name] / "model.safetensors").write_bytes(b"weights")
    for name, left_out in {"Org/pickled": "*.safetensors", "Org/torn": SHARD}.items():
        folders[name] = shutil.copytree(folders[QWEN], root / name)
        for path in folders[name].glob(left_out):
            path.unlink()
    with Hub(folders) as made:
        yield made


def at(url, monkeypatch):
    """What HF_ENDPOINT does, which is read when huggingface_hub is imported."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(server, tmp_path, monkeypatch):
    """The server without faults and with an empty log; its users have an empty cache, and no wait lasts."""
    server.faults.clear()
    server.log.clear()
    at(server.url, monkeypatch)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    server.waits = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", server.waits.append)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", server.waits.append)
    return server


def refused(name=QWEN, revision=None) -> str:
    """The sentence with which a model is refused: one line, which names the model."""
    with pytest.raises(policy.CheckpointError) as caught:
        hubs.folder(name, revision)
    assert "\n" not in str(caught.value) and name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_a_published_layout_is_loaded_by_name_and_answers_a_question_with_pictures(hub, name):
    loaded = policy.load(name, revision="v1")
    commit = hub.repositories[name].commit
    assert loaded.origin == f"{name}@{commit}"
    pictures = [Image.new("RGB", (112, 56), (90, 120, 30)), Image.new("RGB", (56, 56), (10, 20, 30))]
    row = {"images": pictures, "prompt": "Which tile? A or B?"}
    prompts = loaded.encode([row])
    assert "Which tile?" in loaded.text(row) and prompts.images != [0]
    image = prompts.input_ids == loaded.processor.image_token_id
    assert image.sum() == prompts.mm_token_type_ids.sum() >= 8
    ids = {end: loaded.tokenizer.convert_tokens_to_ids(end) for end in ("<|im_end|>", "<|endoftext|>")}
    assert set(loaded.eos_token_ids) == set(ids.values())  # both of generation_config.json, not the tokenizer's alone
    with torch.no_grad():
        once = loaded.logprobs([row], [[loaded.completion_ids("B")]])
        other = loaded.logprobs([row | {"images": pictures[::-1]}], [[loaded.completion_ids("B")]])
    assert torch.isfinite(once).all() and not torch.equal(once, other)  # it sees the pictures
    assert len(hub.weights_asked) == layouts.SHARDS and "cdn" in hub.weights_asked[0]


def test_the_published_files_are_those_of_qwen(hub):
    names = set(hub.repositories[QWEN].files)
    assert {"chat_template.json", "model.safetensors.index.json", SHARD} <= names and "chat_template.jinja" not in names
    config, tokenizer = (
        json.loads(hub.repositories[QWEN].files[name][0]) for name in ("config.json", "tokenizer_config.json")
    )
    assert "text_config" not in config and config["rope_scaling"]["type"] == "mrope"
    assert "image" not in tokenizer["chat_template"] and "tools" in tokenizer["chat_template"]
    index = json.loads(hub.repositories[QWEN].files["model.safetensors.index.json"][0])["weight_map"]
    assert "visual.patch_embed.proj.weight" in index and "model.layers.0.mlp.up_proj.weight" in index


@pytest.mark.parametrize(
    "name, words",
    [
        ("OpenGVLab/InternVL3-8B", "for transformers as well: OpenGVLab/InternVL3-8B-hf"),
        ("Org/code", "no code from there is run here"),
        ("Org/text", "families that work are qwen2_5_vl, qwen3_vl, internvl, llava"),
        ("Org/pickled", "no weights as safetensors"),
    ],
)
def test_what_cannot_be_used_is_refused_before_a_weight_is_fetched(hub, name, words):
    assert words in refused(name) and "nothing was downloaded" in refused(name)
    assert hub.weights_asked == []


def test_an_index_that_names_what_is_not_there(hub):
    assert f"its index names {SHARD}, which is not there" in refused("Org/torn")


@pytest.mark.filterwarnings("ignore:Not enough free disk space")
def test_a_disk_that_is_too_small_is_noticed_before(hub, monkeypatch):
    monkeypatch.setattr(hubs.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 1000))
    assert "0.00 GB are free: free some space, or set HF_HOME" in refused()
    assert hub.weights_asked == []


def test_a_disk_that_fills_up_meanwhile(hub, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "blob.incomplete")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    assert "the disk is full; free some space" in refused()


@pytest.mark.parametrize(
    "fault, words",
    [
        (Fault("", status=401, error="GatedRepo"), "is gated and no valid token was sent: accept its terms"),
        (Fault("", status=403, error="GatedRepo"), "is gated and your account has no access: accept its terms"),
        (Fault("resolve/.*safetensors", status=403, error="GatedRepo"), "is gated and your account has no access"),
        (Fault("", status=403), r"(HTTP 403): log in with `hf auth login`"),
        (Fault("", status=503), "the hub is busy (HTTP 503)"),
        (Fault("", status=500), "the hub is in trouble (HTTP 500)"),
        (Fault("cdn", status=429), "the hub is busy (HTTP 429)"),
        (Fault("", status=429, headers={"Retry-After": "86400"}), "asks for a wait of 86400 s"),
        (Fault("cdn", status=503, headers={"Retry-After": "7200"}), "asks for a wait of 7200 s"),
        (Fault(f"GET .*cdn/.*{SHARD}", short=5000), "arrived cut short"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_is_one_sentence_and_the_next_try_goes_on(hub, fault, words):
    hub.faults.append(fault)
    assert words in refused()
    assert sum(hub.waits) < 10 * network.PATIENCE_S and len(hub.log) < 200
    hub.faults.clear()
    assert hubs.missing(hubs.folder(QWEN)) == []


@pytest.mark.parametrize("match", ["/api/", "GET .*cdn"])
def test_a_hub_that_says_nothing_is_not_waited_for(hub, monkeypatch, match):
    monkeypatch.setattr(network, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    hub.faults.append(Fault(match, stall=True))
    said = refused()
    assert "cannot be reached (" in said and "imeout" in said and "again" not in said
    hub.faults.clear()
    assert hubs.missing(hubs.folder(QWEN)) == []


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3"}], ids=["", "retry-after"])
def test_a_hub_that_is_busy_for_a_moment_is_asked_again(hub, headers):
    hub.faults += [
        Fault("HEAD", status=503, headers=headers, times=2),
        Fault("cdn", status=429, headers=headers, times=1),
    ]
    assert hubs.missing(hubs.folder(QWEN)) == []
    assert not headers or 4.0 in hub.waits


def test_a_line_that_breaks_is_taken_up_and_whole_files_are_kept(hub):
    hub.faults.append(Fault(f"GET .*cdn.*{SHARD}", cut=1000, times=1))
    found = hubs.folder(QWEN)
    assert (found / SHARD).read_bytes() == hub.repositories[QWEN].files[SHARD][0] and hub.waits == [1]
    (found / SHARD).resolve().unlink()  # as a kill leaves it: the first shard is there, the second is not
    hub.log.clear()
    assert hubs.missing(hubs.folder(QWEN)) == []
    assert [line.rpartition("/")[2] for line in hub.weights_asked] == [SHARD]


def test_a_model_and_a_revision_that_do_not_exist(hub):
    assert "neither a folder nor a model on the hub that you may see: check its spelling" in refused("Qwen/none")
    assert "has no revision 'v9' on the hub: name a branch, tag or full commit" in refused(revision="v9")
    assert hub.weights_asked == []
    with pytest.raises(policy.CheckpointError, match="is a folder, which has no revision"):
        policy.load(Path(__file__).parent, revision="v1")


def test_a_damaged_file_is_removed_and_fetched_alone(hub):
    hub.faults.append(Fault(f"GET .*cdn.*{SHARD}", flip=4000))
    assert f"{SHARD} of {QWEN} is damaged" in refused()
    hub.faults.clear()
    hub.log.clear()
    found = hubs.folder(QWEN)
    assert {line.rpartition("/")[2] for line in hub.weights_asked} == {SHARD}
    assert hashlib.sha256((found / SHARD).read_bytes()).hexdigest() == hub.repositories[QWEN].files[SHARD][1]


def test_a_file_that_is_no_safetensors_is_one_sentence(hub, tmp_path):
    found = shutil.copytree(hubs.folder(QWEN), tmp_path / "copy")
    (found / SHARD).unlink()
    (found / SHARD).write_bytes(b"\xff" * 5000)
    with pytest.raises(policy.CheckpointError, match=f"cannot load the checkpoint .*{SHARD}") as caught:
        policy.load(found)
    assert "\n" not in str(caught.value)


def test_what_is_in_the_cache_needs_no_hub(hub, monkeypatch, capsys):
    first = hubs.folder(QWEN)
    commit = first.name
    hub.log.clear()
    assert hubs.folder(QWEN, commit) == first and hub.log == []  # a commit never changes
    hub.faults.append(Fault("", status=503))
    assert hubs.folder(QWEN) == first and "its snapshot in the cache is used" in capsys.readouterr().out
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert hubs.folder(QWEN) == first == hubs.folder(QWEN, "main")


def test_half_a_cache_without_a_network_says_where_to_get_the_rest(hub, monkeypatch):
    hub.faults.append(Fault(f"GET .*{SHARD}", status=500))
    refused()
    at("http://127.0.0.1:9", monkeypatch)
    said = refused()
    assert "only partly in the cache of downloads" in said and f"{SHARD} is missing" in said
    assert f"fetch it where there is a network with `hf download {QWEN}`" in said and "again" not in said
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "(HF_HUB_OFFLINE is set)" in refused() and "again" not in refused()
    assert "is not in the cache of downloads" in refused("Qwen/tiny-3")


@pytest.mark.parametrize("index", ['{"weight_map": {"a": 1}}', '{"weight_map": {"a": null}}', "[" * 100_000])
def test_a_damaged_index_or_reference_is_no_snapshot(hub, monkeypatch, index):
    found = hubs.folder(QWEN)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    reference = found.parents[1] / "refs" / "main"
    reference.write_bytes(b"\xff\xfe")
    assert "cannot be reached" in refused()
    reference.write_text(found.name)
    (found / "model.safetensors.index.json").unlink(missing_ok=True)
    (found / "model.safetensors.index.json").write_text(index)
    assert "model.safetensors.index.json is missing" in refused()


def test_an_unwritable_cache_is_named(hub, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    assert "a file stands where a folder should be" in refused()
    assert os.path.isfile(tmp_path / "file")
