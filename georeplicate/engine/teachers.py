"""Who words the chain of thought: the template, a model behind an OpenAI-compatible server, or a local model.

A teacher takes sites and gives back, in their order, a text or a `Failure` for each:

    teacher.think(sites, seed=0) -> list[str | Failure]

`Template` needs nothing. `OpenAI` talks to any server with a /chat/completions endpoint (vLLM's, for one); `Local`
runs a vision-language model in this process. What a model writes is never trusted: records.py checks its facts.
"""

import base64
import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx2 as httpx
import tenacity
from tqdm import tqdm

from georeplicate import files
from georeplicate.atlas import Facts
from georeplicate.engine import lexicon
from georeplicate.engine.template import CITY_KM
from georeplicate.tasks import prompts
from georeplicate.world.scene import Attributes


@dataclass(frozen=True)
class Site:
    """One place to write of: its metadata, its facts, and what is known of its pictures."""

    id: str
    facts: Facts
    city: str = ""  # as the metadata name it; "" where they do not
    attributes: Attributes | None = None
    images: tuple[bytes, ...] = ()  # encoded pictures (PNG or JPEG) for a teacher that can see


@dataclass(frozen=True)
class Failure:
    """Why a teacher gave no text for a site."""

    reason: str


class Teacher(Protocol):
    name: str
    in_processes: bool  # may copies of it work in several processes at once?
    sees: bool  # does it look at the pictures?

    def think(self, sites: Sequence[Site], seed: int = 0) -> Sequence[str | Failure]: ...


class TeacherError(files.Problem):
    """The teacher cannot work at all (wrong key, unknown model, budget); one sentence with the remedy."""


def spoken_facts(site: Site) -> dict[str, str]:
    """What a teacher is told of a site: facts in English, only those that are known."""
    f = site.facts
    known = {
        "country": lexicon.country(f.country) if f.country else "",
        "city": site.city or (f"{f.place} ({f.place_km:.0f} km away)" if f.place_km > 5 else f.place),
        "region": f.region,
        "coordinates": f"{f.lat:.2f}, {f.lon:.2f}",
        "climate": f"{lexicon.CLIMATES[f.climate][0]} (Köppen {f.climate})" if f.climate in lexicon.CLIMATES else "",
        "land cover": lexicon.LAND_COVERS.get(f.land_cover, ""),
        "elevation": f"{f.elevation_m:.0f} m",
        "date": f"{f.when:%B %Y}" if f.when is not None else "",
        "season": f"{f.season} season" if f.season in ("wet", "dry") else f.season,
        "hemisphere": f"{f.hemisphere}ern",
        "sun": _sun(f),
        "driving side": f.driving_side,
        "speed limits in": f.speed_unit,
        "languages": ", ".join(lexicon.LANGUAGES[code][0] for code in f.languages if code in lexicon.LANGUAGES),
        "script": lexicon.SCRIPTS[f.script][0] if f.script in lexicon.SCRIPTS else "",
    }
    if site.attributes is not None:
        known |= {f"seen: {name}": value for name, value in vars(site.attributes).items()}
    return {name: value for name, value in known.items() if value}


def _sun(f: Facts) -> str:
    if math.isnan(f.sun_elevation_deg):  # the moment is not known
        return ""
    return f"in the {lexicon.compass(f.sun_azimuth_deg)}, {f.sun_elevation_deg:.0f} degrees high"


def answer(site: Site) -> str:
    """The right answer to the geolocation question about a site; without a city where none is near."""
    near = site.facts.place if site.facts.place_km <= CITY_KM else ""
    return prompts.place_answer(site.facts.country_name, site.city or near)


def _task(site: Site) -> str:
    return prompts.ask_for_chain_of_thought(spoken_facts(site), answer(site), seen=bool(site.images))


def thinking(text: str) -> str | Failure:
    """The reasoning in what a model wrote: without tags and without the answer block at its end."""
    body = text.partition("<answer>")[0]
    body = body.replace("<think>", " ").replace("</think>", " ").strip()
    if len(body.split()) < MIN_WORDS:
        return Failure(f"fewer than {MIN_WORDS} words of reasoning")
    if "<answer>" not in text:
        return Failure("no answer after the reasoning: cut off, or not what was asked for")
    return body


MIN_WORDS = 12

# --- an OpenAI-compatible server -------------------------------------------------------------------------------------

CHARS_PER_TOKEN = 3.5  # of English, rounded down so that an estimate is rather too high
TOKENS_PER_IMAGE = 1500  # a guess on the high side; servers differ


class _Again(Exception):
    """The same request may succeed later."""

    def __init__(self, reason: str, after_s: float | None = None):
        super().__init__(reason)
        self.after_s = after_s


@dataclass(frozen=True)
class Estimate:
    """What a run would cost, before its first call. `cost` is in the currency of the prices; None without prices."""

    calls: int
    cached: int
    prompt_tokens: int
    completion_tokens: int  # at most
    cost: float | None


class OpenAI:
    """A model behind an OpenAI-compatible server.

    base_url     up to and with the version, such as "http://localhost:8000/v1"
    api_key      None = the environment variable OPENAI_API_KEY, or none at all
    concurrency  requests under way at once; requests_per_minute: None = no limit of ours
    attempts     per site, for time-outs, lost connections, 408, 409, 425, 429, 5xx and bodies that are not the promised
                 JSON; waits between them double from backoff_s to MAX_WAIT_S with jitter, or are what Retry-After says
    cache        folder of answers by content hash (model, messages, settings): the same question is never paid twice
    prices       (prompt, completion) per million tokens, as the server's owner publishes them
    budget       in the same currency: `think` raises TeacherError before its first call if the estimate is above it,
                 and makes no further call once the tokens that the server reports have used it up
    """

    name = "openai"
    in_processes = False  # budget and rate are counted in one process
    sees = True

    MAX_WAIT_S = 60.0
    _AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

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
        temperature: float = 0.7,
        max_tokens: int = 700,
        prices: tuple[float, float] | None = None,
        budget: float | None = None,
    ):
        if concurrency < 1 or attempts < 1:
            raise ValueError("openai: concurrency and attempts must be at least 1")
        if budget is not None and prices is None:
            raise ValueError("openai: a budget needs prices=(prompt, completion) per million tokens to be counted in")
        self.base_url, self.model, self.cache = base_url.rstrip("/"), model, Path(cache)
        self.api_key = os.environ.get("OPENAI_API_KEY") if api_key is None else api_key
        self.concurrency, self.timeout_s, self.attempts, self.backoff_s = concurrency, timeout_s, attempts, backoff_s
        self.temperature, self.max_tokens = temperature, max_tokens
        self.prices, self.budget = prices, budget
        self.spent = 0.0
        self._interval_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next_call = 0.0
        self._lock = threading.Lock()

    def estimate(self, sites: Sequence[Site], seed: int = 0) -> Estimate:
        """Calls, tokens and cost of `think` for these sites, without any call; cached answers cost nothing."""
        return self._estimate([self._request(site, seed) for site in sites])

    def _estimate(self, requests: list[dict]) -> Estimate:
        new = [request for request in requests if not self._path(request).is_file()]
        prompt = sum(_prompt_tokens(request) for request in new)
        completion = self.max_tokens * len(new)
        cost = None
        if self.prices is not None:
            cost = (prompt * self.prices[0] + completion * self.prices[1]) / 1e6
        return Estimate(len(new), len(requests) - len(new), prompt, completion, cost)

    def think(self, sites: Sequence[Site], seed: int = 0) -> list[str | Failure]:
        """A text or Failure for each site. TeacherError if no request can succeed, or none may be paid."""
        requests = [self._request(site, seed) for site in sites]
        estimate = self._estimate(requests)
        if self.budget is not None and estimate.cost is not None and self.spent + estimate.cost > self.budget:
            raise TeacherError(
                f"openai: {estimate.calls} calls would cost up to {estimate.cost:.2f}, spent is {self.spent:.2f}; "
                f"the budget is {self.budget:.2f}; raise it, ask for fewer sites, or lower max_tokens"
            )
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        with (
            httpx.Client(timeout=self.timeout_s, headers=headers) as client,
            ThreadPoolExecutor(self.concurrency) as pool,
        ):
            futures = [pool.submit(self._answer, client, request) for request in requests]
            try:
                hide = len(futures) < 64
                return [future.result() for future in tqdm(futures, desc=f"ask {self.model}", disable=hide)]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # the rest would fail the same way, and cost
                raise

    def _request(self, site: Site, seed: int) -> dict[str, Any]:
        pictures = [
            {"type": "image_url", "image_url": {"url": f"data:{_media_type(b)};base64,{base64.b64encode(b).decode()}"}}
            for b in site.images
        ]
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": [*pictures, {"type": "text", "text": _task(site)}]}],
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": seed,
        }

    def _path(self, request: Mapping) -> Path:
        key = hashlib.sha256(json.dumps([self.base_url, request], sort_keys=True).encode()).hexdigest()
        return self.cache / key[:2] / f"{key}.json"

    def _answer(self, client: httpx.Client, request: dict) -> str | Failure:
        path = self._path(request)
        text = _cached(path)
        if text is None:
            retrying = tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(_Again),
                stop=tenacity.stop_after_attempt(self.attempts),
                wait=self._wait,
                reraise=True,
            )
            try:
                said: str | Failure = retrying(self._call, client, request)
            except _Again as problem:
                return Failure(f"{problem} ({self.attempts} attempts)")
            if isinstance(said, Failure):
                return said
            text = said
            files.write_json(path, {"text": text})
        return thinking(text)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        asked = problem.after_s if isinstance(problem, _Again) else None
        if asked is not None:
            return min(asked, self.MAX_WAIT_S)
        return tenacity.wait_random_exponential(multiplier=self.backoff_s, max=self.MAX_WAIT_S)(state)

    def _call(self, client: httpx.Client, request: dict) -> str | Failure:
        if self.budget is not None and self.spent >= self.budget:
            return Failure(f"the budget of {self.budget:.2f} is used up")
        self._keep_the_rate()
        try:
            response = client.post(f"{self.base_url}/chat/completions", json=request)
        except httpx.TimeoutException:
            raise _Again(f"no answer within {self.timeout_s:g} s") from None
        except httpx.TransportError as error:
            raise _Again(f"connection lost: {error}") from None
        if response.status_code in self._AGAIN:
            raise _Again(f"the server answered {response.status_code}", _retry_after(response))
        if response.status_code in (401, 403, 404):
            raise TeacherError(
                f"openai: {self.base_url} answered {response.status_code} for the model {self.model!r}: "
                f"{response.text[:200]!r}; check the address, the model's name and the key"
            )
        if response.status_code != 200:
            return Failure(f"the server answered {response.status_code}: {response.text[:200]}")
        return self._read(response)

    def _read(self, response: httpx.Response) -> str | Failure:
        try:
            body = response.json()
            choice = body["choices"][0]
            text = choice["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            raise _Again(f"not a chat completion: {response.text[:80]!r}") from None
        self._count(body.get("usage"))
        if not isinstance(text, str) or not text.strip():
            return Failure("an empty answer")
        if choice.get("finish_reason") == "length":
            return Failure(f"cut off after {self.max_tokens} tokens; raise max_tokens")
        return text

    def _count(self, usage: Any) -> None:
        if self.prices is None or not isinstance(usage, dict):
            return
        tokens = [usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")]
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


def _cached(path: Path) -> str | None:
    try:
        text = json.loads(path.read_text(encoding="utf-8"))["text"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return text if isinstance(text, str) else None


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


# --- a model in this process -----------------------------------------------------------------------------------------


class Local:
    """A vision-language model in this process: anything that `policy.load` opens, or an already loaded Policy."""

    name = "local"
    in_processes = False  # one model, one process
    sees = True

    def __init__(self, policy, *, max_tokens: int = 700, temperature: float = 0.7, batch_size: int = 8):
        if isinstance(policy, str | os.PathLike):
            from georeplicate.model import policy as policies  # torch only where it is needed

            policy = policies.load(policy)
        self.policy, self.max_tokens = policy, max_tokens
        self.temperature, self.batch_size = temperature, batch_size

    def think(self, sites: Sequence[Site], seed: int = 0) -> list[str | Failure]:
        """A text or Failure for each site; the same seed, model and sites give the same texts on one machine."""
        import io

        import torch
        from PIL import Image

        rows = [
            {"images": [Image.open(io.BytesIO(b)).convert("RGB") for b in site.images], "prompt": _task(site)}
            for site in sites
        ]
        answers = self.policy.generate(
            rows,
            max_new_tokens=self.max_tokens,
            temperature=self.temperature,
            generator=torch.Generator(self.policy.model.device).manual_seed(seed),
            batch_size=self.batch_size,
        )
        return [
            thinking(text) if finished else Failure(f"cut off after {self.max_tokens} tokens; raise max_tokens")
            for text, finished in zip(answers.texts, answers.finished)
        ]


# --- by name ---------------------------------------------------------------------------------------------------------

TEACHERS = ("template", "local", "openai")


def teacher(
    kind: str, model: str = "", base_url: str = "", cache: str | Path | None = None, *, photographs: bool = False
) -> Teacher:
    """The teacher of that kind: "template" (true facts in words, no model), "local" (`model`: a folder or hub name), or
    "openai" (`model` behind `base_url`, answers kept in `cache`). photographs: the pictures are not drawn from the
    facts, so that the template, which looks at none, marks what it says as knowledge of the atlas. ValueError says
    which kinds there are, or what is missing or of no use."""
    if kind == "template":
        from georeplicate.engine.template import Template

        if model or base_url:
            raise ValueError("the teacher 'template' is no model: it takes neither a model nor a base_url")
        return Template(unseen=photographs)
    if kind not in TEACHERS:
        raise ValueError(f"unknown teacher {kind!r}: choose one of {', '.join(TEACHERS)}")
    if kind == "local" and base_url:
        raise ValueError("the teacher 'local' runs in this process: it takes no base_url")
    if kind == "local" and model:
        return Local(model)
    if kind == "openai" and model and base_url and cache:
        return OpenAI(base_url, model, cache=cache)
    raise ValueError(
        f"the teacher {kind!r} needs a model" + ("" if kind == "local" else ", a base_url and a cache folder")
    )
