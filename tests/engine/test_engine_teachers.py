"""Teachers that are models, against a stand-in server on this machine that behaves as badly as servers do."""

import json
import math
import re
from types import SimpleNamespace

import httpx2 as httpx
import pytest
from chat_server import FOR_EVER_S, Server, completion

from georeplicate import atlas, engine
from georeplicate.engine import teachers
from georeplicate.model import server as chat
from georeplicate.tasks import answers

LYON = atlas.describe(45.76, 4.84, "2024-07-10T10:00:00Z")
GOOD = (
    "<think>The plates are French and cars drive on the right. Plane trees line the street. From above the two rivers "
    "should be seen. An oceanic climate fits. So this is Lyon, France.</think>\n"
    "<answer>country: France\ncity: Lyon</answer>"
)


def site(name="a", **more):
    return engine.Site(id=name, facts=LYON, city=name if name != "a" else "Lyon", **more)


def teacher(server, tmp_path, **more):
    settings = {"cache": tmp_path / "cache", "api_key": "", "backoff_s": 0.01, "timeout_s": 5.0, "attempts": 4} | more
    return engine.OpenAI(server.url, "toy", **settings)


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_the_question_holds_the_facts_the_picture_and_the_key(tmp_path):
    with Server(completion(GOOD)) as server:
        (text,) = teacher(server, tmp_path, api_key="secret").think([site(images=(b"\x89PNG rest",))], seed=7)
    path, headers, body = server.seen[0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret"
    assert body["model"] == "toy" and body["seed"] == 7
    picture, words = body["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    for fact in ("France", "Lyon", "oceanic", "right", "French", "summer"):
        assert fact in words["text"]
    assert text.startswith("The plates are French") and "answer" not in text


def test_answers_keep_the_order_of_the_sites(tmp_path):
    names = [f"Town{i}" for i in range(12)]

    def about(request):
        (town,) = set(re.findall(r"Town[0-9]+", json.dumps(request)))
        return completion(GOOD.replace("this is Lyon", f"this is {town}"))

    with Server(about) as server:
        first = server.once_seen(12, completion(GOOD))  # answered last
        server.replies = [lambda request: about(request) if first(request)[0] == 200 else first(request), about]
        told = teacher(server, tmp_path, concurrency=4, timeout_s=FOR_EVER_S)
        assert told.estimate([site(name) for name in names]).calls == 12
        texts = told.think([site(name) for name in names])
    assert [re.findall(r"Town[0-9]+", text) for text in texts] == [[name] for name in names]
    assert server.most <= 4


def test_several_requests_are_under_way_at_once(tmp_path):
    with Server(completion(GOOD)) as server:
        server.replies = [server.once_seen(8, completion(GOOD))]  # no request is answered before the eighth has come
        told = teacher(server, tmp_path, concurrency=8, timeout_s=FOR_EVER_S)
        texts = told.think([site(f"Town{i}") for i in range(8)])
    assert all(isinstance(text, str) for text in texts) and server.most == len(server.seen) == 8


# --- what goes wrong -------------------------------------------------------------------------------------------------

BAD = {
    "too many requests": (429, b"slow down", {}),
    "server error": (500, b"oops", {}),
    "overloaded": (503, b"", {}),
    "truncated json": (200, b'{"choices": [{"message": {"content": "The pl', {}),
    "nonsense": (200, b"<html>It works!</html>", {}),
    "other json": (200, b'{"error": null}', {}),
    "a list": (200, b"[1, 2]", {}),
    "body cut short": (200, b'{"cho', {"Content-Length": "5000"}),
}


@pytest.mark.parametrize("trouble", BAD, ids=str)
def test_passing_trouble_is_tried_again(trouble, tmp_path):
    with Server(BAD[trouble], BAD[trouble], completion(GOOD)) as server:
        (text,) = teacher(server, tmp_path).think([site()])
    assert isinstance(text, str) and len(server.seen) == 3


@pytest.mark.parametrize("trouble", BAD, ids=str)
def test_lasting_trouble_ends_as_a_failure_with_its_reason(trouble, tmp_path):
    with Server(BAD[trouble]) as server:
        (failure,) = teacher(server, tmp_path).think([site()])
    assert isinstance(failure, engine.Failure) and "4 attempts" in failure.reason
    assert len(server.seen) == 4


def test_a_server_that_does_not_answer_in_time(tmp_path):
    with Server(completion(GOOD)) as server:
        server.replies = [server.once_seen(2, completion(GOOD)), completion(GOOD)]  # silent until it is asked again
        (text,) = teacher(server, tmp_path, timeout_s=0.5, attempts=20).think([site()])
    assert isinstance(text, str) and len(server.seen) >= 2


def test_no_server_at_all_ends_the_run_which_goes_on_when_there_is_one(tmp_path, monkeypatch):
    rows = [{"id": "a", "lat": 45.76, "lon": 4.84, "taken_at": "2024-07-10T10:00:00Z", "city": "Lyon"}]
    with Server(completion(GOOD)) as server:
        with monkeypatch.context() as offline:
            refused = httpx.ConnectError("[Errno 111] Connection refused")
            offline.setattr(httpx.Client, "post", lambda *a, **k: (_ for _ in ()).throw(refused))
            with pytest.raises(engine.ServerError, match=r"cannot be reached \(.*refused, 4 attempts\); start"):
                engine.build(rows, tmp_path / "records", teacher(server, tmp_path))
        made = engine.build(rows, tmp_path / "records", teacher(server, tmp_path))
    assert len(engine.load(made, "accepted")) == 1 and len(server.seen) == 1


def test_a_server_that_answered_before_and_is_gone_fails_site_by_site(tmp_path):
    with Server(completion(GOOD)) as server:
        told = teacher(server, tmp_path)
        assert isinstance(told.think([site()])[0], str)
    (failure,) = told.think([site("Paris")])
    assert "no connection" in failure.reason and "4 attempts" in failure.reason


def test_it_waits_as_long_as_the_server_asks(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(chat.tenacity.nap.time, "sleep", waits.append)
    with Server((429, b"", {"Retry-After": "0.4"}), completion(GOOD)) as server:
        teacher(server, tmp_path).think([site()])
    assert 0.4 in waits and len(server.seen) == 2


def test_a_wait_that_is_no_number_is_chosen_here(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(chat.tenacity.nap.time, "sleep", waits.append)
    with Server((429, b"", {"Retry-After": "nan"}), completion(GOOD)) as server:
        assert isinstance(teacher(server, tmp_path).think([site()])[0], str)
    assert all(wait >= 0 for wait in waits) and len(server.seen) == 2


def test_waits_grow(tmp_path):
    with Server((500, b"", {})) as server:
        told = teacher(server, tmp_path, backoff_s=0.5, attempts=6)
        waits = []
        for attempt in range(1, 7):
            state = chat.tenacity.RetryCallState(None, None, (), {})
            state.attempt_number = attempt
            state.set_exception((chat._Again, chat._Again("x"), None))
            waits.append(max(told.chat._wait(state) for _ in range(200)))
    assert waits[0] <= 0.5 and waits == sorted(waits) and waits[-1] > 8 and max(waits) <= told.chat.MAX_WAIT_S


def test_a_refused_request_is_not_repeated(tmp_path):
    with Server((400, b"context too long", {})) as server:
        (failure,) = teacher(server, tmp_path).think([site()])
    assert "context too long" in failure.reason and len(server.seen) == 1


@pytest.mark.parametrize(
    "reply",
    [
        (200, b"[" * 200_000, {}),
        (200, b"data: {}\n\ndata: [DONE]\n", {"Content-Type": "text/event-stream"}),
        (200, b"{}", {"Content-Encoding": "gzip"}),
        (200, b'{"error": {"message": "overloaded"}}', {}),
    ],
    ids=["deep", "streamed", "not gzipped", "an error"],
)
def test_a_body_that_is_none_fails_its_site(reply, tmp_path):
    with Server(reply) as server:
        (failure,) = teacher(server, tmp_path, attempts=2).think([site()])
    assert "2 attempts" in failure.reason and len(server.seen) == 2


def test_what_a_server_counts_and_writes_may_be_odd(tmp_path):
    counts = {"prompt_tokens": "9", "completion_tokens": [1]}
    body = {"choices": [{"message": {"content": GOOD + "\ud800"}}], "usage": counts}
    with Server((200, json.dumps(body).encode(), {})) as server:
        told = teacher(server, tmp_path, prices=(1.0, 1.0))
        (text,) = told.think([site()])
    assert isinstance(text, str) and told.chat.spent == 0


def test_a_server_that_sends_elsewhere_stops_the_run(tmp_path):
    with Server((308, b"", {"Location": "https://elsewhere/v1"})) as server:
        with pytest.raises(
            engine.ServerError, match=r"answered 308 and sends to https://elsewhere/v1; name the address"
        ):
            teacher(server, tmp_path).think([site()])


@pytest.mark.parametrize(
    "url", ["http://[::1/v1", "http://", "https:///v1", "http://\0/", "ftp://x/v1", "x:8000/v1", ""]
)
def test_what_is_no_address_is_refused(url, tmp_path):
    with pytest.raises(ValueError, match="is no address, such as http://localhost:8000/v1"):
        engine.OpenAI(url, "toy", cache=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("concurrency", 1.5), ("attempts", None), ("max_tokens", 0), ("timeout_s", 0), ("timeout_s", math.nan),
     ("requests_per_minute", -1), ("prices", (1,)), ("prices", (math.nan, 1)), ("api_key", "é"), ("api_key", "a\nb")],
)  # fmt: skip
def test_a_setting_that_is_none_is_refused_by_name(name, value, tmp_path):
    with pytest.raises(ValueError, match=f"openai: .*{name}"):
        engine.OpenAI("http://x/v1", "toy", cache=tmp_path, **{name: value})


def test_the_line_end_behind_a_key_is_none_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1\n")
    assert engine.OpenAI("http://x/v1", "toy", cache=tmp_path).chat.api_key == "sk-1"


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405])
def test_a_wrong_key_or_model_stops_the_run(status, tmp_path):
    with Server((status, b"no such model", {})) as server:
        with pytest.raises(engine.ServerError, match="toy.*no such model.*check the address"):
            teacher(server, tmp_path, concurrency=1).think([site(f"Town{i}") for i in range(50)])
    assert len(server.seen) < 50


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (completion(""), "an empty answer"),
        (completion(None), "an empty answer"),
        (completion(GOOD[:90], "length"), "cut off after"),
        (completion(GOOD.partition("<answer>")[0]), "no answer"),
        (completion("Sorry, no."), "words of reasoning"),
    ],
)
def test_an_answer_that_cannot_be_learned_from(reply, reason, tmp_path):
    with Server(reply) as server:
        (failure,) = teacher(server, tmp_path).think([site()])
    assert reason in failure.reason and len(server.seen) == 1


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_the_same_question_is_never_asked_twice(tmp_path):
    with Server(completion(GOOD)) as server:
        first = teacher(server, tmp_path).think([site()])
        again = teacher(server, tmp_path).think([site()])
        assert first == again and len(server.seen) == 1
        teacher(server, tmp_path).think([site()], seed=1)
        teacher(server, tmp_path, temperature=0.1).think([site()])
        assert len(server.seen) == 3


def test_failures_are_not_kept(tmp_path):
    with Server(*[(500, b"", {})] * 4, completion(GOOD)) as server:
        assert isinstance(teacher(server, tmp_path).think([site()])[0], engine.Failure)
        assert isinstance(teacher(server, tmp_path).think([site()])[0], str)


@pytest.mark.parametrize("damaged", ['{"te', '{"text": 7}', '{"text": null}', "[]"])
def test_a_damaged_cache_entry_is_asked_again(tmp_path, damaged):
    with Server(completion(GOOD)) as server:
        told = teacher(server, tmp_path)
        told.think([site()])
        (entry,) = (tmp_path / "cache").rglob("*.json")
        entry.write_text(damaged)
        assert isinstance(told.think([site()])[0], str) and len(server.seen) == 2


def test_estimate_counts_calls_tokens_and_money_without_calling(tmp_path):
    with Server(completion(GOOD)) as server:
        told = teacher(server, tmp_path, prices=(1.0, 10.0), max_tokens=500)
        told.think([site()])
        estimate = told.estimate([site(), site("Town1"), site("Town2")])
        assert (estimate.calls, estimate.cached, estimate.completion_tokens) == (2, 1, 1000)
        assert estimate.prompt_tokens > 200
        assert estimate.cost == pytest.approx((estimate.prompt_tokens + 10 * 1000) / 1e6)
        assert len(server.seen) == 1


def test_a_budget_that_is_too_small_stops_before_the_first_call(tmp_path):
    with Server(completion(GOOD)) as server:
        with pytest.raises(engine.ServerError, match="budget is 0.01"):
            teacher(server, tmp_path, prices=(10.0, 100.0), budget=0.01).think([site(f"Town{i}") for i in range(20)])
        assert server.seen == []


def test_no_call_is_made_once_the_budget_is_used_up(tmp_path):
    with Server(completion(GOOD)) as server:
        told = teacher(server, tmp_path, prices=(1.0, 1.0), max_tokens=10, budget=0.01, concurrency=1)
        told.chat.spent, told.chat.budget = 0.0, told.estimate([site(f"Town{i}") for i in range(20)]).cost
        server.replies = [
            (200, json.dumps({**json.loads(completion(GOOD)[1]), "usage": {"prompt_tokens": 5000}}).encode(), {})
        ]  # far more than was estimated
        texts = told.think([site(f"Town{i}") for i in range(20)])
    failed = [text for text in texts if isinstance(text, engine.Failure)]
    assert failed and "used up" in failed[0].reason and len(server.seen) + len(failed) == 20


def test_a_budget_needs_prices(tmp_path):
    with pytest.raises(ValueError, match="prices"):
        engine.OpenAI("http://localhost/v1", "toy", cache=tmp_path, budget=1.0)


def test_the_rate_limit_spaces_the_calls(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(chat, "time", SimpleNamespace(monotonic=lambda: 1000.0, sleep=waits.append))
    with Server(completion(GOOD)) as server:
        teacher(server, tmp_path, requests_per_minute=600, concurrency=6).think([site(f"Town{i}") for i in range(5)])
    assert sorted(waits) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4]) and len(server.seen) == 5


# --- into records ----------------------------------------------------------------------------------------------------


def test_a_lie_of_the_model_is_rejected_with_the_lie_named(tmp_path):
    rows = {"id": ["x"], "lat": [45.76], "lon": [4.84], "taken_at": ["2024-07-10T10:00:00Z"], "city": ["Lyon"]}
    with Server(completion(GOOD), completion(GOOD.replace("on the right", "on the left"))) as server:
        good = engine.records_of(rows, teacher(server, tmp_path))
        lie = engine.records_of(rows, teacher(server, tmp_path), seed=1)
    assert good["reason"] == [""]
    assert answers.parse_place(good["completion"][0]).country_code == "FR"
    assert lie["reason"] == ["false driving"] and "left" in lie["claim"][0]


def test_a_local_model_is_a_teacher_too():
    from georeplicate.mini import tiny

    words = set(teachers._task(site()).replace("<", " <").replace(">", "> ").split())
    splits = tiny.splitter()
    pieces = {piece for word in words for piece, _ in splits.pre_tokenize_str(word)}
    tags = ("<think>", "</think>", "<answer>", "</answer>")
    made = tiny.build([*tags, *sorted(pieces - set(tags))], seed=0, hidden_size=32, layers=1, heads=2,
                        vision_hidden_size=16, vision_layers=1, vision_heads=2)  # fmt: skip
    local = engine.Local(made, max_tokens=20)
    first, again = (local.think([site(), site()], seed=3) for _ in range(2))
    assert first == again and len(first) == 2
    assert all(isinstance(text, engine.Failure) for text in first)  # an untrained model writes nothing of use


def test_a_local_model_is_loaded_onto_the_device_at_hand(monkeypatch):
    from georeplicate.model import policy as policies

    given = {}
    monkeypatch.setattr(policies, "device", lambda: "cuda")
    monkeypatch.setattr(policies, "load", lambda path, **options: given.update(options, path=path) or "opened")
    assert engine.teacher("local", "a/model").policy == "opened"
    assert given == {"path": "a/model", "device": "cuda"}
