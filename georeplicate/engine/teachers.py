"""Who words the chain of thought: the template, a model behind an OpenAI-compatible server, or a local model.

A teacher takes sites and gives back, in their order, a text or a `Failure` for each:

    teacher.think(sites, seed=0) -> list[str | Failure]

`Template` needs nothing. `OpenAI` talks to any server with a /chat/completions endpoint (vLLM's, for one); `Local`
runs a vision-language model in this process. What a model writes is never trusted: records.py checks its facts.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from georeplicate.atlas import Facts
from georeplicate.engine import lexicon
from georeplicate.engine.seen import Attributes
from georeplicate.engine.template import CITY_KM
from georeplicate.model.server import Chat, Estimate, Failure, Reply, turn
from georeplicate.tasks import prompts


@dataclass(frozen=True)
class Site:
    """One place to write of: its metadata, its facts, and what is known of its pictures."""

    id: str
    facts: Facts
    city: str = ""  # as the metadata name it; "" where they do not
    attributes: Attributes | None = None
    images: tuple[bytes, ...] = ()  # encoded pictures (PNG or JPEG) for a teacher that can see


class Teacher(Protocol):
    name: str
    in_processes: bool  # may copies of it work in several processes at once?
    sees: bool  # does it look at the pictures?

    def think(self, sites: Sequence[Site], seed: int = 0) -> Sequence[str | Failure]: ...


def facts_in_words(site: Site) -> dict[str, str]:
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
    return prompts.ask_for_chain_of_thought(facts_in_words(site), answer(site), seen=bool(site.images))


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


class OpenAI:
    """A model behind an OpenAI-compatible server; `settings` are those of `model.server.Chat`.

    A text that was cut off at max_tokens is a Failure, as is one without reasoning. ServerError where no request can
    succeed, or none may be paid.
    """

    name = "openai"
    in_processes = False  # budget and rate are counted in one process
    sees = True

    def __init__(self, base_url: str, model: str, *, cache: str | Path, temperature: float = 0.7, **settings: Any):
        self.chat, self.temperature = Chat(base_url, model, cache=cache, **settings), temperature
        self.base_url, self.model, self.max_tokens = self.chat.base_url, model, self.chat.max_tokens  # for the records

    def estimate(self, sites: Sequence[Site], seed: int = 0) -> Estimate:
        """Calls, tokens and cost of `think` for these sites, without any call; cached answers cost nothing."""
        return self.chat.estimate([self._turn(site) for site in sites], temperature=self.temperature, seed=seed)

    def think(self, sites: Sequence[Site], seed: int = 0) -> list[str | Failure]:
        """A text or Failure for each site."""
        turns = [self._turn(site) for site in sites]
        return [self._thought(reply) for reply in self.chat.complete(turns, temperature=self.temperature, seed=seed)]

    @staticmethod
    def _turn(site: Site) -> list[dict[str, Any]]:
        return turn(site.images, _task(site))

    def _thought(self, reply: Reply | Failure) -> str | Failure:
        if isinstance(reply, Failure):
            return reply
        if not reply.text.strip():
            return Failure("an empty answer")
        return thinking(reply.text) if reply.finished else cut_off(self.max_tokens)


def cut_off(max_tokens: int) -> Failure:
    """What became of a text that was cut off at its limit of tokens."""
    return Failure(f"cut off after {max_tokens} tokens; raise max_tokens")


# --- a model in this process -----------------------------------------------------------------------------------------


class Local:
    """A vision-language model in this process, on its GPU if there is one: anything that `policy.load` opens, or an
    already loaded Policy."""

    name = "local"
    in_processes = False  # one model, one process
    sees = True

    def __init__(self, policy, *, max_tokens: int = 700, temperature: float = 0.7, batch_size: int = 8):
        if isinstance(policy, str | os.PathLike):
            from georeplicate.model import policy as policies  # torch only where it is needed

            policy = policies.load(policy, device=policies.device())
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
            thinking(text) if finished else cut_off(self.max_tokens)
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
    for value, option, kinds in ((model, "model", ("local", "openai")), (base_url, "base_url", ("openai",))):
        if value and kind in TEACHERS and kind not in kinds:
            raise ValueError(f"the teacher {kind!r} has no {option}: leave {value!r} out")
    if base_url and not base_url.startswith(("http://", "https://")):
        raise ValueError(f"base_url {base_url!r} is no address: it begins with http:// or https://")
    if kind == "template":
        from georeplicate.engine.template import Template

        return Template(unseen=photographs)
    if kind not in TEACHERS:
        raise ValueError(f"unknown teacher {kind!r}: choose one of {', '.join(TEACHERS)}")
    if kind == "local" and model:
        return Local(model)
    if kind == "openai" and model and base_url and cache:
        return OpenAI(base_url, model, cache=cache)
    raise ValueError(
        f"the teacher {kind!r} needs a model" + ("" if kind == "local" else ", a base_url and a cache folder")
    )
