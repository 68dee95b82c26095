"""A model behind an OpenAI-compatible server (vLLM's, for one): many requests at once, none of them paid twice.

chat = Chat("http://localhost:8000/v1", "Qwen/Qwen2.5-VL-7B-Instruct", cache="answers")
chat.complete([turn([png], "Where is this?")], temperature=0.0)        # a Reply or a Failure for each, in order
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import tenacity
from tqdm import tqdm

from georeplicate import files

CHARS_PER_TOKEN = 3.5  # of English, rounded down so that an estimate is rather too high
TOKENS_PER_IMAGE = 1500  # a guess on the high side; servers differ


@dataclass(frozen=True)
class Reply:
    """What a model wrote. tokens: as the server counts them, None where it does not. finished: not cut off."""

    text: str
    tokens: int | None = None
    finished: bool = True


@dataclass(frozen=True)
class Failure:
    """Why there is no text."""

    reason: str


class ServerError(files.Problem):
    """No request can succeed (no server, wrong key, unknown model, budget); one sentence with the remedy."""


class _Again(Exception):
    """The same request may succeed later."""

    def __init__(self, reason: str, after_s: float | None = None):
        super().__init__(reason)
        self.after_s = after_s


class _Unreachable(_Again):
    """No connection could be made."""


@dataclass(frozen=True)
class Estimate:
    """What a run would cost, before its first call. `cost` is in the currency of the prices; None without prices."""

    calls: int
    cached: int
    prompt_tokens: int
    completion_tokens: int  # at most
    cost: float | None


def turn(images: Sequence[bytes], text: str) -> list[dict[str, Any]]:
    """One user turn: encoded pictures (PNG or JPEG), then the text, as the messages of a chat completion."""
    pictures = [
        {"type": "image_url", "image_url": {"url": f"data:{_media_type(b)};base64,{base64.b64encode(b).decode()}"}}
        for b in images
    ]
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}]


class Chat:
    """A model behind an OpenAI-compatible server.

    base_url     up to and with the version, such as "http://localhost:8000/v1"
    api_key      None = the environment variable OPENAI_API_KEY, or none at all
    concurrency  requests under way at once; requests_per_minute: None = no limit of ours
    attempts     per request, for time-outs, lost connections, 408, 409, 425, 429, 5xx and bodies that are not the
                 promised JSON; waits between them double from backoff_s to MAX_WAIT_S with jitter, or are what
                 Retry-After says; where none has found the server by then, `complete` raises ServerError
    cache        folder of answers by content hash (server, model, messages, settings): none is paid twice
    prices       (prompt, completion) per million tokens, as the server's owner publishes them
    budget       in the same currency: `complete` raises ServerError before its first call if the estimate is above it,
                 and makes no further call once the tokens that the server reports have used it up
    """

    MAX_WAIT_S = 60.0
    _AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
    _NEVER = frozenset({401, 402, 403, 404, 405, 407, 410})  # whatever is asked

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        cache: str | Path,
        api_key: str | None = None,
        concurrency: int = 8,
        requests_per_minute: float | None = None,
        timeout_s: float = 120.0,
        attempts: int = 6,
        backoff_s: float = 1.0,
        max_tokens: int = 700,
        prices: tuple[float, float] | None = None,
        budget: float | None = None,
    ):
        for what, number in (("concurrency", concurrency), ("attempts", attempts), ("max_tokens", max_tokens)):
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"openai: {what} must be a whole number from 1, got {number!r}")
        if not 0 < timeout_s < math.inf:
            raise ValueError(f"openai: timeout_s must be a number of seconds above 0, got {timeout_s!r}")
        if requests_per_minute and not requests_per_minute > 0:
            raise ValueError(f"openai: requests_per_minute must be above 0, got {requests_per_minute!r}")
        if prices is not None and not (isinstance(prices, tuple) and len(prices) == 2 and all(p >= 0 for p in prices)):
            raise ValueError(f"openai: prices are (prompt, completion) per million tokens, got {prices!r}")
        if budget is not None and prices is None:
            raise ValueError("openai: a budget needs prices=(prompt, completion) per million tokens to be counted in")
        self.base_url, self.model, self.cache = _address(base_url), model, Path(cache)
        self.api_key = _key(os.environ.get("OPENAI_API_KEY") if api_key is None else api_key)
        self.concurrency, self.timeout_s, self.attempts, self.backoff_s = concurrency, timeout_s, attempts, backoff_s
        self.max_tokens = max_tokens
        self.prices, self.budget = prices, budget
        self.spent = 0.0
        self._interval_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next_call = 0.0
        self._reached = False  # whether the server has ever answered anything
        self._lock = threading.Lock()

    def estimate(self, turns: Sequence[list[dict]], *, temperature: float, seed: int = 0) -> Estimate:
        """Calls, tokens and cost of `complete` for these messages, without any call; cached answers cost nothing."""
        return self._estimate([self._request(messages, temperature, seed) for messages in turns])

    def _estimate(self, requests: list[dict]) -> Estimate:
        new = [request for request in requests if not self._path(request).is_file()]
        prompt = sum(_prompt_tokens(request) for request in new)
        completion = self.max_tokens * len(new)
        cost = None
        if self.prices is not None:
            cost = (prompt * self.prices[0] + completion * self.prices[1]) / 1e6
        return Estimate(len(new), len(requests) - len(new), prompt, completion, cost)

    def complete(self, turns: Sequence[list[dict]], *, temperature: float, seed: int = 0) -> list[Reply | Failure]:
        """A Reply or Failure for each list of messages. ServerError if no request can succeed, or none may be paid."""
        requests = [self._request(messages, temperature, seed) for messages in turns]
        estimate = None if self.budget is None else self._estimate(requests)  # it reads every picture
        if estimate and estimate.cost is not None and self.spent + estimate.cost > (self.budget or 0):
            raise ServerError(
                f"openai: {estimate.calls} calls would cost up to {estimate.cost:.2f}, spent is {self.spent:.2f}; "
                f"the budget is {self.budget:.2f}; raise it, send fewer requests, or lower max_tokens"
            )
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        with (
            httpx.Client(timeout=self.timeout_s, headers=headers) as client,
            ThreadPoolExecutor(self.concurrency) as pool,
        ):
            futures = [pool.submit(self._answer, client, request) for request in requests]
            try:
                hide = len(futures) <= 64
                return [future.result() for future in tqdm(futures, desc=self.model, disable=hide)]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # the rest would fail the same way, and cost
                raise

    def _request(self, messages: list[dict], temperature: float, seed: int) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": messages,
            "temperature": temperature,
            "max_tokens": self.max_tokens,
            "seed": seed,
        }

    def _path(self, request: Mapping) -> Path:
        key = hashlib.sha256(json.dumps([self.base_url, request], sort_keys=True).encode()).hexdigest()
        return self.cache / key[:2] / f"{key}.json"

    def _answer(self, client: httpx.Client, request: dict) -> Reply | Failure:
        path = self._path(request)
        known = _cached(path)
        if known is not None:
            return known
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=self._wait,
            reraise=True,
        )
        try:
            found: Reply | Failure = retrying(self._call, client, request)
        except _Again as problem:
            if isinstance(problem, _Unreachable) and not self._reached:
                raise ServerError(
                    f"openai: {self.base_url} cannot be reached ({problem}, {self.attempts} attempts); start the "
                    "server or correct its address, then run the same again"
                ) from None
            return Failure(f"{problem} ({self.attempts} attempts)")
        if isinstance(found, Reply):
            files.write_json(path, asdict(found))
        return found

    def _wait(self, state: tenacity.RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        wanted = problem.after_s if isinstance(problem, _Again) else None
        if wanted is not None:
            return min(wanted, self.MAX_WAIT_S)
        return tenacity.wait_random_exponential(multiplier=self.backoff_s, max=self.MAX_WAIT_S)(state)

    def _call(self, client: httpx.Client, request: dict) -> Reply | Failure:
        if self.budget is not None and self.spent >= self.budget:
            return Failure(f"the budget of {self.budget:.2f} is used up")
        self._keep_the_rate()
        try:
            response = client.post(f"{self.base_url}/chat/completions", json=request)
        except httpx.ConnectTimeout:
            raise _Unreachable(f"no connection within {self.timeout_s:g} s") from None
        except httpx.ConnectError as error:
            raise _Unreachable(f"no connection: {error}") from None
        except httpx.TimeoutException:
            raise _Again(f"no answer within {self.timeout_s:g} s") from None
        except httpx.RequestError as error:  # lost, or not in the encoding that its header says
            raise _Again(f"connection lost: {error}") from None
        self._reached = True
        if response.status_code in self._AGAIN:
            raise _Again(f"the server answered {response.status_code}", _retry_after(response))
        if response.is_redirect:
            raise ServerError(
                f"openai: {self.base_url} answered {response.status_code} and sends to "
                f"{response.headers.get('location')}; name the address that it stands for"
            )
        if response.status_code in self._NEVER:
            raise ServerError(
                f"openai: {self.base_url} answered {response.status_code} for the model {self.model!r}: "
                f"{response.text[:200]!r}; check the address, the model's name and the key"
            )
        if response.status_code != 200:
            return Failure(f"the server answered {response.status_code}: {response.text[:200]}")
        return self._read(response)

    def _read(self, response: httpx.Response) -> Reply | Failure:
        try:
            body = response.json()
            choice = body["choices"][0]
            text = choice["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            raise _Again(f"not a chat completion: {response.text[:80]!r}") from None
        usage = body.get("usage")
        self._count(usage)
        if not isinstance(text, str):
            return Failure("an empty answer")  # none at all: "" is what a model wrote
        text = text.encode(errors="replace").decode()  # half a surrogate pair can be kept nowhere
        tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
        return Reply(text, tokens if isinstance(tokens, int) else None, choice.get("finish_reason") != "length")

    def _count(self, usage: Any) -> None:
        if self.prices is None or not isinstance(usage, dict):
            return
        counted = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        tokens = [n if isinstance(n, int) else 0 for n in counted]
        with self._lock:
            self.spent += sum(n * price for n, price in zip(tokens, self.prices)) / 1e6

    def _keep_the_rate(self) -> None:
        if not self._interval_s:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_call)
            self._next_call = start + self._interval_s
        time.sleep(start - now)


def _address(base_url: str) -> str:
    """Without the slash at its end; ValueError for what no request can be sent to."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"openai: base_url {base_url!r} is no address, such as http://localhost:8000/v1")
    return base_url.rstrip("/")


def _key(api_key: str | None) -> str | None:
    """Without the line end that files and shells leave at its end; ValueError for what no header can hold."""
    found = (api_key or "").strip()
    if not (found.isascii() and found.isprintable()):
        raise ValueError("openai: the api_key (or OPENAI_API_KEY) holds characters that no key has: copy it again")
    return found or None


def _cached(path: Path) -> Reply | None:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        reply = Reply(known["text"], known.get("tokens"), known.get("finished", True))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return reply if isinstance(reply.text, str) else None


def _retry_after(response: httpx.Response) -> float | None:
    try:
        seconds = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return None if math.isnan(seconds) else max(seconds, 0.0)


def _media_type(picture: bytes) -> str:
    return "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"


def _prompt_tokens(request: Mapping) -> int:
    parts = request["messages"][0]["content"]
    chars = sum(len(part["text"]) for part in parts if part["type"] == "text")
    return int(chars / CHARS_PER_TOKEN) + TOKENS_PER_IMAGE * (len(parts) - 1)
