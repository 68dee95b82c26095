"""Prompted models behind a server or in vLLM: shown as they are, answered once, and no failure passes for an answer."""

import json
import sys
from types import SimpleNamespace

import pytest
from chat_server import Server, completion
from PIL import Image

from georeplicate.evaluation import baselines
from georeplicate.evaluation.baselines import prompted
from georeplicate.evaluation.predictors import VLLM, Served
from georeplicate.model.server import Chat, ServerError
from georeplicate.tasks.geolocation import Geolocation

LYON = "<think>Two rivers.</think> <answer>country: France\ncity: Lyon</answer>"
PICTURE = Image.new("RGB", (6, 4), "red")
TASK = Geolocation(lambda split: [], "pictures")


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(prompted, "ANSWERS", tmp_path / "kept")
    monkeypatch.setattr(Chat, "MAX_WAIT_S", 0.0)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")


def test_a_server_answers_as_the_published_model_and_once(kept):
    with Server(completion(LYON)) as server:
        for _ in range(2):
            found = baselines.get("GLOBE-7B", server.url).predict([PICTURE, None])
    assert found.country.tolist() == ["FR", ""] and found.lat[0] == pytest.approx(45.75, abs=0.05)
    assert found.lat.isna().tolist() == [False, True] and found.text[0] == LYON
    ((path, headers, body),) = server.seen
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret"
    assert body["model"] == prompted.PUBLISHED["GLOBE-7B"][0]
    assert (body["temperature"], body["max_tokens"]) == (0.0, prompted.TOKENS)
    picture, words = body["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,") and words["text"] == TASK.prompt({})


def test_a_request_that_fails_for_good_is_no_wrong_answer(tmp_path):
    def one_fails(body):
        return (400, b"too large", {}) if "iVBORw0KGgo" in json.dumps(body) and len(seen) == 1 else completion(LYON)

    with Server(lambda body: seen.append(1) or one_fails(body)) as server:
        seen = []
        chat = Chat(server.url, "toy", cache=tmp_path / "kept", concurrency=1)
        rows = [{"id": name, "images": [Image.new("RGB", (4, 4), name)]} for name in ("red", "blue")]
        with pytest.raises(ServerError, match=r"1 of 2 requests failed, the first \(red\).*400: too large.*kept in"):
            Served(chat).predict(rows, TASK, "greedy")
        outputs = Served(chat).predict(rows, TASK, "greedy")
        assert len(seen) == 3  # the one that was answered is not sent again
    assert [(one.text, one.tokens) for one in outputs] == [(LYON, 50)] * 2
    with pytest.raises(ValueError, match="cannot decode 'forced'"):
        Served(chat).predict(rows, TASK, "forced")


def test_an_answer_that_was_cut_off_is_still_what_the_model_wrote(tmp_path):
    with Server(completion("<think>Two rivers", "length")) as server:
        chat = Chat(server.url, "toy", cache=tmp_path)
        (output,) = Served(chat).predict([{"id": "a", "images": [PICTURE]}], TASK, "greedy")
    assert output.text == "<think>Two rivers"


def test_an_empty_answer_is_one_and_is_kept(tmp_path):
    with Server(completion("")) as server:
        chat = Chat(server.url, "toy", cache=tmp_path)
        for _ in range(2):
            (output,) = Served(chat).predict([{"id": "a", "images": [PICTURE]}], TASK, "greedy")
    assert output.text == "" and len(server.seen) == 1


def test_results_name_the_server_and_the_model_and_never_a_password():
    assert baselines.identity("GLOBE-7B", "http://here:8000/v1/#mine") == "http://here:8000/v1#mine"
    assert baselines.identity("GLOBE-7B", "http://here/v1").endswith("#" + prompted.PUBLISHED["GLOBE-7B"][0])
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        baselines.get("GLOBE-7B", "https://me:" + "secret@here/v1")


def test_rows_without_pictures_are_refused_and_not_counted_as_wrong(command):
    with Server(completion(LYON)) as server:
        code, out, told = command("evaluate", "--baseline", "GLOBE-7B", "--weights", server.url, "--profile", "smoke")
    assert code == 1 and "Prompted looks at pictures; the mini world's rows hold pixels" in told and not server.seen
    assert "right" not in out


def test_vllm_is_given_the_same_turns_and_a_seed_for_each_row(tmp_path, monkeypatch):
    """Against a stand-in with the signature of vllm.LLM.chat; vLLM itself needs a GPU."""
    calls = []

    class LLM:
        def __init__(self, model):
            self.model = model

        def chat(self, messages, sampling_params, use_tqdm=True):
            calls.append((messages, sampling_params))
            return [SimpleNamespace(outputs=[SimpleNamespace(text=LYON, token_ids=[1, 2, 3])])] * len(messages)

    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=LLM, SamplingParams=SimpleNamespace))
    baseline = baselines.get("Qwen2.5-VL-7B", f"vllm:{tmp_path}").predictor
    assert isinstance(baseline, VLLM) and baseline.engine.model == str(tmp_path)
    rows = [{"id": name, "images": [PICTURE]} for name in "ab"]
    (one, two) = baseline.predict(rows, TASK, "t1")
    assert (one.text, one.tokens) == (LYON, 3) and two == one
    ((messages, settings),) = calls
    assert messages[0][0]["content"][-1]["text"] == TASK.prompt({}) and len(messages) == 2
    assert settings[0].temperature == 1.0 and settings[0].seed != settings[1].seed
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ValueError, match="not installed: pip install"):
        baselines.get("Qwen2.5-VL-7B", "vllm:" + str(tmp_path))
