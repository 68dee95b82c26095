"""The mini base model: what it has been shown, and nothing else (`make base`).

The paper starts from a published model that sees, reads and answers in a format, and that pairs panoramas with tiles
at chance. This file makes such a starting point at mini scale, from places of the world's split "base" only:

    captions      six words about any picture, also among six pictures of places far apart
    comparing     within one view only: five tiles against a tile, five panoramas against a panorama, and within text;
                  one picture of the five may be a second picture of the reference; then `match`, else `other`
    the form      <think> place ... A ... other B ... match </think> <answer> B </answer>, stopping at random; before a
                  panorama and tiles with lists sampled at random, which describe no tile, or with true words
    geography     cities and countries in text; weakly, the country of a street-level photo

No prompt holds a panorama and a tile of one place, or of places within 50 km, and what is said about a panorama and a
tile together never depends on whether they agree: captions without a verdict, verdicts on lists of words drawn by
lot, and verdicts by the toss of a coin that the loss does not count. Reinforcement learning has to find out by itself
that comparing works across views. `tests/mini/test_base.py` holds the stream to this.

The words for both views are the same, which gives away part of the alignment: said here because it matters.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm import trange

from georeplicate import engine, files, geo, world
from georeplicate.engine.lexicon import country_tokens
from georeplicate.mini import tiny
from georeplicate.mini.wording import (
    CLIMATE,
    COUNTRY_OF,
    DESCRIBE,
    DESCRIBE_ALL,
    DIFFERENT,
    GROUND,
    LETTERS,
    MATCH,
    PAIR,
    VERDICTS,
    WHERE,
)
from georeplicate.model import policy as policies
from georeplicate.model import shared_prefix
from georeplicate.profiles import Profile
from georeplicate.training import common
from georeplicate.world.words import WORDS, words

APART_KM = world.APART_KM
TEXTS = 3  # about one set of pictures: the prompt and its pictures are computed once for all of them


@dataclass(frozen=True)
class Example:
    """One training prompt: pictures as (view, site number, variant), the text, the answers, and which words count.

    variant: a second picture of the same view of the same place (other light and noise). only: the loss counts these
    words alone (all, if empty): words about lists sampled at random teach nothing. but: the loss does not count these.
    skill: the loss is a mean over the words of each skill, so that the few words of one do not drown among the
    many of another.
    """

    pictures: tuple[tuple[str, int, int], ...]
    prompt: str
    completions: tuple[str, ...]
    only: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    skill: str = "search"  # or "verdicts" or "geography"


class Album:
    """Pictures of sites, drawn once, as the pixels that the processor hands to the model.

    sizes: {"panorama": height, "tile": side, "crop": side} in pixels; only the views named are drawn.
    """

    def __init__(self, policy: policies.Policy, sites: pd.DataFrame, *, seed: int, sizes: dict[str, int]):
        self.sites, self.words = sites, []
        self.features: dict[tuple[str, int, int], torch.Tensor] = {}
        self.pixels: dict[tuple[str, int, int], dict] = {}
        draw = {"panorama": world.panorama, "tile": world.tile, "crop": world.crop}
        for i in trange(len(sites), desc="pictures", mininterval=5):
            scene = world.build(sites.iloc[i], seed)
            self.words.append(words(scene.attributes))
            for view, size in sizes.items():
                for variant in (0, 1):
                    picture = draw[view](scene, size, seed=seed + 7919 * variant)
                    self.pixels[view, i, variant] = policy.pixels([policies.Image.fromarray(picture)])

    @torch.no_grad()
    def look(self, policy: policies.Policy, batch: int = 256) -> None:
        """Remember what the policy's vision tower makes of every picture: a tower that stays as it is runs once."""
        keys = list(self.pixels)
        for i in trange(0, len(keys), batch, desc="looking", mininterval=10):
            chosen = keys[i : i + batch]
            with common.autocast(common.bf16_in_hardware()):
                seen = see(policy, [self.pixels[key] for key in chosen])
            self.features |= zip(chosen, seen, strict=True)

    def row(self, example: Example) -> dict:
        """An example as a row for the policy."""
        chosen = [self.pixels[p] for p in example.pictures]
        pixels = {name: torch.cat([p[name] for p in chosen]) for name in chosen[0]} if chosen else None
        return {"pixels": pixels, "prompt": example.prompt, "completion": list(example.completions)}


def think(place: tuple[str, ...], looked_at: list[tuple[str, tuple[str, ...], str]], letter: str) -> str:
    """The search in words: the place, then (letter, words, verdict or "") one by one, then the answer."""
    parts = [
        f"place {' '.join(place)}",
        *(f"{name} {' '.join(described)} {verdict}".rstrip() for name, described, verdict in looked_at),
    ]
    return f"<think> {' '.join(parts)} </think> <answer> {letter} </answer>"


class Stream:
    """The base's training examples, by task; a pure function of the places, their words and a random generator.

    sites: where panoramas and tiles are; photos: where street-level photos ("crop") are, numbered by a table of their
    own; None: they are numbered as the sites.
    """

    def __init__(self, sites: pd.DataFrame, described: list[tuple[str, ...]], photos: pd.DataFrame | None = None):
        self.described, self.n = described, len(sites)
        self.lat, self.lon = sites.lat.to_numpy(), sites.lon.to_numpy()
        self.abroad = [country_tokens()[code] for code in (sites if photos is None else photos).country]

    @cached_property
    def towns(self) -> list[tuple[str, str]]:
        table = world.cities()
        return [(city_token(c), country_tokens()[code]) for c, code in zip(table.city, table.country, strict=True)]

    def far_apart(self, rng: np.random.Generator, count: int) -> list[int]:
        """Distinct sites, every two of them more than APART_KM apart."""
        chosen: list[int] = []
        while len(chosen) < count:
            i = int(rng.integers(self.n))
            if self.far[i, chosen].all():
                chosen.append(i)
        return chosen

    @cached_property
    def far(self) -> np.ndarray:
        """(N, N) bool: more than APART_KM apart."""
        lat, lon = self.lat, self.lon
        return np.stack([geo.haversine_km(a, o, lat, lon) > APART_KM for a, o in zip(lat, lon, strict=True)])

    least: int = 1  # words said of a picture, of six
    in_order: bool = False  # whether a search begins at A and goes on in the order of the alphabet

    def looked_at(self, rng: np.random.Generator, most: int = 5) -> np.ndarray:
        """Numbers of the tiles that a search looks at before it stops, which it does at random: one to `most`."""
        order = rng.permutation(5)
        return (np.arange(5) if self.in_order else order)[: rng.integers(1, most + 1)]

    def spoken(self, rng: np.random.Generator) -> np.ndarray:
        """Which of the six words are said this time: `least` to six, in order. With one, any word can be first behind
        a letter; if it were always the same, the others would be looked up by that word and not by the letter."""
        return np.sort(rng.choice(6, rng.integers(self.least, 7), replace=False))

    def caption(self, rng) -> Example:
        i, view = int(rng.integers(self.n)), ("panorama", "tile")[rng.integers(2)]
        return Example(((view, i, int(rng.integers(2))),), DESCRIBE, (" ".join(self.described[i]),))

    def captions(self, rng, *, search: bool = False) -> Example:
        """A panorama and five tiles of places far apart, put into words; never a verdict, and a prompt of its own.

        search: one to six words each, about one to five of the pictures, as a search that stops anywhere would; a
        third of these show one view alone, so that it is the prompt that asks for a verdict and not the pictures.
        """
        sites = self.far_apart(rng, 6)
        views = ("panorama", "tile")
        if search and rng.random() < 1 / 3:
            views = (views[rng.integers(2)],) * 2
        texts = []
        for _ in range(TEXTS):
            spoken = self.spoken(rng) if search else np.arange(6)
            order = self.looked_at(rng) if search else rng.permutation(5)
            looked = [(LETTERS[j], self._some(sites[1 + j], spoken), "") for j in order]
            texts.append(think(self._some(sites[0], spoken), looked, LETTERS[order[-1]]))
        return Example(self._six(rng, views, sites), DESCRIBE_ALL, tuple(texts))

    def _six(self, rng, views: tuple[str, str], sites: list[int]) -> tuple[tuple[str, int, int], ...]:
        """Pictures: the first site in the first view, the other five in the second."""
        others = tuple((views[1], site, int(rng.integers(2))) for site in sites[1:])
        return ((views[0], sites[0], int(rng.integers(2))), *others)

    def toss(self, rng) -> Example:
        """The search beside a panorama and five tiles of places far apart: true words, and verdicts by the toss of a
        coin, which the loss does not count. So the form is practised where it will be needed, and nothing else."""
        sites = self.far_apart(rng, 6)
        texts = []
        for _ in range(TEXTS):
            spoken = self.spoken(rng)
            order = self.looked_at(rng)
            looked = [(LETTERS[j], self._some(sites[1 + j], spoken), VERDICTS[rng.integers(2)]) for j in order]
            texts.append(think(self._some(sites[0], spoken), looked, LETTERS[order[-1]]))
        return Example(self._six(rng, ("panorama", "tile"), sites), PAIR, tuple(texts), but=VERDICTS)

    def compare(self, rng, view: str) -> Example:
        """Five pictures against one of the same view; one of the five is the reference's second picture."""
        sites = self.far_apart(rng, 5)
        own = int(rng.integers(5))
        texts = []
        for _ in range(TEXTS):
            spoken = self.spoken(rng)
            place = self._some(sites[own], spoken)
            looked = []
            for j in self.looked_at(rng):
                described = self._some(sites[j], spoken)
                looked.append((LETTERS[j], described, MATCH if described == place else DIFFERENT))
            texts.append(think(place, looked, looked[-1][0]))
        variant = int(rng.integers(2))
        pictures = ((view, sites[own], variant), *((view, s, 1 - variant) for s in sites))
        return Example(pictures, PAIR, tuple(texts))

    def compare_text(self, rng, most: int) -> Example:
        """Lists of words alone, in the form of thinking: equal or not. One to `most` lists against the place's.

        Half of the lists are equal; of the others two thirds are near misses, one or two words drawn anew. The loss
        counts the verdicts alone: the words are sampled at random.
        """
        return Example((), PAIR, (self._lists(rng, most),), only=VERDICTS, skill="verdicts")

    def beside(self, rng) -> Example:
        """The same lists beside a panorama and five tiles of places far apart, under the pairing prompt.

        Half of these searches begin with words that are true of the panorama; the lists behind the letters are drawn by
        lot and describe no tile, so no verdict says anything about whether a tile agrees with the panorama. The loss
        counts the verdicts alone.
        """
        sites = self.far_apart(rng, 6)
        texts = tuple(self._lists(rng, 5, sites[0] if rng.random() < 0.5 else None) for _ in range(TEXTS))
        return Example(self._six(rng, ("panorama", "tile"), sites), PAIR, texts, only=VERDICTS, skill="verdicts")

    def _lists(self, rng, most: int, place_of: int | None = None) -> str:
        spoken = self.spoken(rng)
        kinds = [list(values.values()) for values in WORDS.values()]
        place = [str(rng.choice(kinds[k])) for k in spoken]
        if place_of is not None:
            place = list(self._some(place_of, spoken))
        looked = []
        for j in self.looked_at(rng, most):
            listed = list(place)
            if rng.random() < 0.5:
                changed = len(spoken) if rng.random() < 0.35 else rng.integers(1, min(3, len(spoken)) + 1)
                for at in rng.permutation(len(spoken))[:changed]:
                    listed[at] = str(rng.choice(kinds[spoken[at]]))
            looked.append((LETTERS[j], tuple(listed), MATCH if listed == place else DIFFERENT))
        return think(tuple(place), looked, looked[-1][0])

    def fact(self, rng) -> Example:
        city, country = self.towns[rng.integers(len(self.towns))]
        return Example((), COUNTRY_OF.format(city=city), (country,), skill="geography")

    def where(self, rng) -> Example:
        i = int(rng.integers(len(self.abroad)))
        answer = f"<answer> country : {self.abroad[i]} </answer>"
        return Example((("crop", i, int(rng.integers(2))),), WHERE, (answer,), skill="geography")

    def _some(self, site: int, spoken: np.ndarray) -> tuple[str, ...]:
        return tuple(self.described[site][k] for k in spoken)

    def batch(self, rng: np.random.Generator, mix: dict[str, int]) -> list[Example]:
        """Examples of a mix {task: how many}, task after task."""
        tasks = {
            "caption": self.caption,
            "captions": self.captions,
            "form": lambda r: self.captions(r, search=True),
            "beside": self.beside,
            "toss": self.toss,
            "tiles": lambda r: self.compare(r, "tile"),
            "panoramas": lambda r: self.compare(r, "panorama"),
            "text of 1": lambda r: self.compare_text(r, 1),
            "text of 3": lambda r: self.compare_text(r, 3),
            "text of 5": lambda r: self.compare_text(r, 5),
            "fact": self.fact,
            "where": self.where,
        }
        return [tasks[name](rng) for name, count in mix.items() for _ in range(count)]


def city_token(city: str) -> str:
    """A city's name as one word: "Rio-de-Janeiro"; the gazetteer reads it."""
    return re.sub(r"[^\w]+", "-", city).strip("-")


def vocabulary() -> list[str]:
    """Every word that the mini model can read or write, in a fixed order."""
    texts = [
        PAIR,
        DESCRIBE,
        DESCRIBE_ALL,
        WHERE,
        COUNTRY_OF.format(city=""),
        CLIMATE,
        GROUND,
        f"place {MATCH} {DIFFERENT} country city : , .",
        *LETTERS,
    ]
    texts += engine.vocabulary()
    texts += map(city_token, world.cities().city)
    found = {piece for text in texts for piece, _ in tiny.splitter().pre_tokenize_str(text)}
    return ["<think>", "</think>", "<answer>", "</answer>", *sorted(found)]


def probe_vision(
    policy: policies.Policy, album: Album, photos: Album, *, steps: int, batch: int, lr: float, seed: int
) -> dict[str, float]:
    """Teach the vision tower to see before the language model learns to speak, by linear heads that are thrown away.

    For each word kind and view one head reads a weighted mean of a picture's tokens, and another reads every token on
    its own: each token has to tell all six attributes of the whole picture, so that a language model that looks at any
    token of the right picture among six finds them. (Without the first head the second learns too slowly; without the
    second the words for one picture among six were not learnt.) A head of the first kind names the country of a phone's
    picture: flags are small, and some token has to hold them. Returns the accuracy of the second heads, their guesses
    averaged over the tokens, and of the country, on the last fifth of the steps (pictures that were trained on).
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 1])
    tower, kinds = policy.model.model.visual, list(WORDS.values())
    width = policy.model.config.text_config.hidden_size
    labels = torch.tensor(
        [[list(kinds[k].values()).index(described[k]) for k in range(6)] for described in album.words]
    )
    countries = sorted(set(photos.sites.country))
    country = torch.tensor([countries.index(code) for code in photos.sites.country])
    heads = nn.ModuleDict(
        {f"{view} {k}": Probe(width, len(kinds[k])) for view in ("panorama", "tile") for k in range(6)}
        | {"country": Probe(width, len(countries))}
    )
    optimiser = torch.optim.AdamW(
        [*tower.parameters(), *heads.parameters()], lr=lr, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.1)
    right: dict[str, list[float]] = {}
    for step in trange(steps, desc="vision", mininterval=10):
        value = torch.zeros(())
        for view in ("panorama", "tile"):
            chosen = rng.integers(len(album.sites), size=batch)
            pixels = [album.pixels[view, int(i), int(rng.integers(2))] for i in chosen]
            with common.autocast(common.bf16_in_hardware()):
                seen = torch.stack(see(policy, pixels)).float()
            for k in range(6):
                whole, token = heads[f"{view} {k}"](seen)
                truth = labels[chosen, k]
                value = value + nn.functional.cross_entropy(whole, truth)
                value = value + nn.functional.cross_entropy(token.flatten(0, 1), truth.repeat_interleave(seen.shape[1]))
                if step >= 0.8 * steps:
                    guess = token.log_softmax(-1).mean(1).argmax(-1)
                    right.setdefault(f"{view} {list(WORDS)[k]}", []).append(float((guess == truth).float().mean()))
        chosen = rng.integers(len(photos.sites), size=batch)
        pixels = [photos.pixels["crop", int(i), int(rng.integers(2))] for i in chosen]
        with common.autocast(common.bf16_in_hardware()):
            seen = torch.stack(see(policy, pixels)).float()
        whole, _ = heads["country"](seen)
        value = value + nn.functional.cross_entropy(whole, country[chosen])
        if step >= 0.8 * steps:
            right.setdefault("country", []).append(float((whole.argmax(-1) == country[chosen]).float().mean()))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
    return {name: float(np.mean(values)) for name, values in right.items()}


def see(policy: policies.Policy, pixels: list[dict]) -> tuple[torch.Tensor, ...]:
    """The vision tower's tokens of some pictures: (tokens, width) each."""
    nothing = torch.zeros(len(pixels), 0, dtype=torch.long)
    prompts = shared_prefix.Prompts(
        nothing,
        nothing,
        nothing,
        torch.cat([p["pixel_values"] for p in pixels]),
        torch.cat([p["image_grid_thw"] for p in pixels]),
        [1] * len(pixels),
    )
    shared_prefix.enable(policy.model)
    pooled = shared_prefix.image_features(policy.model, prompts).pooler_output
    assert pooled is not None
    return tuple(pooled)


@torch.no_grad()
def settle(policy: policies.Policy, album: Album, pictures: int = 60) -> None:
    """Centre the visual tokens and bring them to the length SETTLED, by the last layer of the tower.

    The probes leave tokens thirty times as long as those of words; what the language model's first layers add to them,
    such as which of the six pictures they belong to, would be lost in their norm.
    """
    last = policy.model.model.visual.merger.mlp[-1]
    shown = [album.pixels[view, i, 0] for view in ("tile", "panorama") for i in range(min(pictures, len(album.sites)))]
    seen = torch.cat(see(policy, shown))
    centre = seen.mean(0)
    factor = SETTLED / (seen - centre).norm(dim=1).mean()
    last.weight.mul_(factor)
    last.bias.sub_(centre).mul_(factor)


class Probe(nn.Module):
    """(B, S, width) -> (B, classes) from attention pooling, and (B, S, classes) from every token on its own."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.norm, self.look = nn.LayerNorm(width), nn.Linear(width, 4)
        self.whole, self.token = nn.Linear(4 * width, classes), nn.Linear(width, classes)

    def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.norm(seen)
        return self.whole((self.look(seen).softmax(1).transpose(1, 2) @ seen).flatten(1)), self.token(seen)


def train_stage(
    policy: policies.Policy,
    album: Album,
    stream: Stream,
    stage: Stage,
    *,
    seed: int,
) -> list[dict]:
    """The supervised steps of a stage; one log row per 20 steps."""
    name, steps, lr = stage.name, stage.steps, stage.lr
    stream.least, stream.in_order = stage.least, stage.in_order
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, sum(map(ord, name))])
    policy.model.train()
    optimiser = torch.optim.AdamW(policy.model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=min(0.1, 30 / steps))
    log, started, recent = [], time.perf_counter(), []
    for step in (bar := trange(steps, desc=name, mininterval=10)):
        examples = stream.batch(rng, stage.mix)
        skills = dict.fromkeys(e.skill for e in examples)
        losses = (loss(policy, album, [e for e in examples if e.skill == skill]) for skill in skills)
        value = sum(losses, torch.zeros(()))
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        recent.append(value.item())
        if step % 20 == 19 or step == steps - 1:
            log.append(
                {
                    "stage": name,
                    "step": step + 1,
                    "loss": float(np.mean(recent)),
                    "seconds": round(time.perf_counter() - started, 1),
                }
            )
            bar.set_postfix(loss=f"{log[-1]['loss']:.3f}")
            recent = []
    policy.model.eval()
    return log


def loss(policy: policies.Policy, album: Album, examples: list[Example]) -> torch.Tensor:
    """Mean over the counted answer tokens of their negative log-likelihood."""
    groups = [[policy.completion_ids(c) for c in e.completions] for e in examples]
    number = {
        words: set(policy.tokenizer.convert_tokens_to_ids(list(words))) for e in examples for words in (e.only, e.but)
    }
    weights = [
        [float((not e.only or t in number[e.only]) and t not in number[e.but]) for t in ids]
        for e, group in zip(examples, groups, strict=True)
        for ids in group
    ]
    prompts = policy.encode([album.row(e) for e in examples])
    if album.features:
        prompts.features = [album.features[picture] for e in examples for picture in e.pictures] or None
    with common.autocast(common.bf16_in_hardware()):
        logprobs = shared_prefix.logprobs(policy.model, prompts, groups)
    weight = torch.zeros_like(logprobs)
    for r, w in enumerate(weights):
        weight[r, : len(w)] = torch.tensor(w)
    return -(logprobs * weight).sum() / weight.sum()


@dataclass(frozen=True)
class Stage:
    """mix: examples of each task in a step; least: words at least that are said of a picture."""

    name: str
    mix: dict[str, int]
    steps: int
    lr: float = 1e-3  # the highest; it rises for 30 steps and then falls to nothing
    least: int = 1
    in_order: bool = False  # the search looks at A, B, C... and not at any tile next


OUT = files.WORK / "base"
SHIPPED = Path(__file__).resolve().parent / "weights" / "mini-base"  # its card says how it came about
VISION_STEPS = 1000  # see probe_vision
PHOTO_SITES = 20  # places of each city that phones show
SETTLED = 2.0
# What is practised in which order. Pictures first, until the words for one picture among six are right: before that,
# comparing was not learnt beside them; and a model that learnt to compare in text before it saw a picture, or in text
# alone afterwards, did not find (back) to them.
STAGES = (
    Stage("pictures", {"captions": 4, "form": 8, "caption": 4}, 700),
    Stage("letters", {"captions": 4, "form": 10, "caption": 2}, 800),
    Stage(
        "joint",
        {
            "caption": 3,
            "captions": 1,
            "form": 2,
            "tiles": 6,
            "panoramas": 4,
            "beside": 4,
            "text of 1": 24,
            "text of 5": 24,
            "where": 8,
            "fact": 3,
        },
        600,
    ),
    Stage(
        "compare",
        {"form": 3, "tiles": 5, "panoramas": 3, "beside": 5, "text of 3": 16, "text of 5": 32, "where": 8, "fact": 3},
        450,
    ),
    Stage(
        "beside",
        {"captions": 2, "form": 2, "tiles": 4, "panoramas": 1, "beside": 14, "text of 5": 8, "where": 6, "fact": 2},
        250,
    ),
    Stage(
        "verdicts",
        {"captions": 2, "form": 2, "tiles": 5, "panoramas": 3, "beside": 8, "text of 5": 8, "where": 6, "fact": 2},
        220,
        least=3,
    ),
    Stage(
        "toss",
        {"toss": 5, "form": 1, "tiles": 4, "panoramas": 2, "beside": 6, "text of 5": 8, "where": 6, "fact": 2},
        220,
        least=2,
        in_order=True,
    ),
)
SHAPE = dict(hidden_size=128, layers=4, heads=4, vision_hidden_size=128, vision_layers=3, vision_heads=4)


def sizes(profile: Profile) -> dict[str, int]:
    return {"panorama": profile.panorama_px[0], "tile": profile.tile_px, "crop": profile.crop_px}


def base_sites(per_region: int, wild: int, seed: int) -> pd.DataFrame:
    """Places of the split "base": cities far from every other split, and random land."""
    sites = world.sites("base", per_region, wild=wild, seed=seed)
    return sites[sites.country.isin(country_tokens())].reset_index(drop=True)


def build(
    out: Path, *, seed: int = 0, per_region: int = 8, wild: int = 400, photos_per_region: int = PHOTO_SITES
) -> Path:
    """The base policy, stage by stage, each saved below `out`; returns `out/policy`.

    A stage that was finished is loaded and not repeated: each begins with an optimizer and a generator of its own, so
    a build that was killed ends in the same weights.
    """
    final = out / "policy"
    if final.exists():
        return final
    profile = Profile.get("mini")
    policy = tiny.build(vocabulary(), seed=seed, **SHAPE)
    sites = base_sites(per_region, wild, seed)
    size = sizes(profile)
    photos = Album(policy, base_sites(photos_per_region, 0, seed), seed=seed, sizes={"crop": size.pop("crop")})
    album = Album(policy, sites, seed=seed, sizes=size)
    stream = Stream(sites, album.words, photos.sites)
    for stage in (None, *STAGES):  # None: the vision tower
        folder = out / "stages" / (stage.name if stage else "vision")
        if folder.exists():
            policy = policies.load(folder)
            continue
        if stage is None:
            log = [probe_vision(policy, album, photos, steps=VISION_STEPS, batch=48, lr=1e-3, seed=seed)]
            settle(policy, album)
        else:
            if not album.features:  # the tower stays as it is from here on
                photos.look(policy)
                album.look(policy)
                album.features |= photos.features
                album.pixels |= photos.pixels
            log = train_stage(policy, album, stream, stage, seed=seed)
        files.write_csv(out / "logs" / f"{folder.name}.csv", pd.DataFrame(log))
        policy.save(folder)
    policy.save(final)
    return final
