"""The mini base model: what it has been shown, and nothing else (`make base`).

The paper starts from a published model that sees, reads and answers in a format, and that pairs panoramas with tiles
at chance. This file makes such a starting point at mini scale, from places of the world's split "base" only:

    captions      fourteen words about any picture, some of them among six pictures of places far apart
    comparing     within one view only: five tiles against a tile, five panoramas against a panorama, and within text;
                  one picture of the five may be a second picture of the reference; then `match`, else `other`
    the form      <think> place ... A ... other B ... match </think> <answer> B </answer>, stopping at random; before a
                  panorama and tiles with lists sampled at random, which describe no tile, or with true words
    geography     from words to climate, region, country and city in text alone, or beside the photo of another place

No prompt holds a panorama and a tile of one place, or of places within 50 km, and what is said about a panorama and a
tile together never depends on whether they agree: captions without a verdict, verdicts on lists of words that are
sampled at random, and verdicts by the toss of a coin that the loss does not count. Reinforcement learning has to find
out by itself that comparing works across views. `tests/mini/test_base.py` holds the stream to this.

The words for both views are the same, which gives away part of the alignment: said here because it matters.

No picture is ever shown with its place either. A photo is put into words under the question where it was taken, and no
further, so an answer is thought before it is given. `--rule` goes on to a base that also knows how to answer (with the
first tile that it calls a match), so that reinforcement learning has no rule left to teach it; it pairs some points
above chance. `mini-base` is such a one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm import trange

from georeplicate import files, world
from georeplicate.engine.lexicon import country_tokens
from georeplicate.mini import tiny
from georeplicate.mini.sight import Album, probe_vision, see, settle
from georeplicate.mini.stream import APART_KM, Example, Stream, city_token, think
from georeplicate.mini.wording import (
    CLIMATE,
    CLIMATES,
    COUNTRY_OF,
    DESCRIBE,
    DESCRIBE_ALL,
    DIFFERENT,
    GROUND,
    LETTERS,
    MATCH,
    PAIR,
    PLACE,
    WHERE,
    WORDING,
    region_word,
)
from georeplicate.model import policy as policies
from georeplicate.model import shared_prefix
from georeplicate.profiles import Profile
from georeplicate.training import common
from georeplicate.world import cues

__all__ = [
    "APART_KM",
    "CURRICULA",
    "Album",
    "Curriculum",
    "Example",
    "Stage",
    "Stream",
    "build",
    "city_token",
    "country_tokens",
    "see",
    "think",
    "vocabulary",
]


def vocabulary() -> list[str]:
    """Every word that the mini model can read or write, in a fixed order: those of prompts, cues and places."""
    texts = [
        PAIR,
        DESCRIBE,
        DESCRIBE_ALL,
        WHERE,
        COUNTRY_OF.format(city=""),
        CLIMATE,
        GROUND,
        f"{PLACE} {MATCH} {DIFFERENT} country city : , .",
        *LETTERS,
    ]
    texts += [*WORDING.attribute_of, *CLIMATES, *country_tokens().values()]
    texts += map(region_word, cues.SUBREGIONS)
    texts += map(city_token, world.cities().city)
    found = {piece for text in texts for piece, _ in tiny.splitter().pre_tokenize_str(text)}
    return ["<think>", "</think>", "<answer>", "</answer>", *sorted(found)]


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
    stage.prepare(stream)
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, sum(map(ord, name))])
    policy.model.train()
    optimiser = torch.optim.AdamW(policy.model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=min(0.1, 30 / steps))
    log, started, recent = [], time.perf_counter(), []
    for step in (bar := trange(steps, desc=name, mininterval=10)):
        examples = stream.batch(rng, stage.mix)
        skills = dict.fromkeys(e.skill for e in examples)
        weights = {"verdicts": stage.verdict_weight}
        losses = (
            weights.get(skill, 1.0) * loss(policy, album, [e for e in examples if e.skill == skill]) for skill in skills
        )
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


def counted(policy: policies.Policy, example: Example) -> list[list[float]]:
    """1 for each token of each answer that the loss counts, 0 for the others; the end of the turn is the last."""
    only, but = (set(policy.tokenizer.convert_tokens_to_ids(list(words))) for words in (example.only, example.but))
    groups = (policy.completion_ids(completion) for completion in example.completions)
    return [[float((not only or t in only) and t not in but) for t in ids] for ids in groups]


def loss(policy: policies.Policy, album: Album, examples: list[Example]) -> torch.Tensor:
    """Mean over the counted answer tokens of their negative log-likelihood."""
    groups = [[policy.completion_ids(c) for c in e.completions] for e in examples]
    weights = [weight for e in examples for weight in counted(policy, e)]
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
    """mix: examples of each task in a step; least, most: words that are said of a picture in a search; verdict_weight:
    of the loss of verdicts, that of the others being 1: what changes it little is lost under the noise of words about
    pictures, by which Adam measures all steps."""

    name: str
    mix: dict[str, int]
    steps: int
    lr: float = 1e-3  # the highest; it rises for 30 steps and then falls to nothing
    least: int = 1
    most: int | None = None  # None: all
    in_order: bool = False  # the search looks at A, B, C... and not at any tile next
    rule: bool = False  # the search stops at the first tile that it calls a match, and answers it
    verdict_weight: float = 1.0

    def prepare(self, stream: Stream) -> None:
        """Set what the stream's searches look like."""
        stream.least, stream.most = self.least, self.most or len(stream.kinds)
        stream.in_order, stream.rule = self.in_order, self.rule


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """How a base is taught: what is practised in which order, and from how many places."""

    stages: tuple[Stage, ...]
    rule: Stage  # teaches the answering rule, after all others, to a base that is kept apart
    vision_steps: int  # see probe_vision
    vision_batch: int = 32  # pictures of each view in a step
    vision_lr: float = 1.5e-3
    views: tuple[str, ...] = ("panorama", "tile", "crop")  # what single pictures are described of
    known_sites: int = 20  # places of each city of which geography is told in text
    per_region: int = 8  # places of each city in pictures
    wild: int = 400  # and on random land

    @property
    def profile(self) -> Profile:
        """The profile whose pictures have its sizes."""
        return Profile.get("geographic")


SHIPPED = Path(__file__).resolve().parent / "weights" / "mini-base"  # its card says how it came about
SHAPE = dict(hidden_size=128, layers=4, heads=4, vision_hidden_size=128, vision_layers=3, vision_heads=4)
# Pictures first, until the words for one picture among six are right: before that, comparing was not learnt beside
# them; and a model that learnt to compare in text before it saw a picture, or in text alone afterwards, did not find
# (back) to them. Comparing lists of some sixty words takes many steps: it begins with one word, its loss weighs more,
# and some pictures stay beside it, as they were lost where it was learnt in text alone. A search names few cues: with
# words that are right in three of four cases, all words of a longer list are seldom equal even of one place. Places are
# told of in text alone.
GEOGRAPHIC = Curriculum(
    vision_steps=600,
    stages=(
        Stage("pictures", {"form": 10, "caption": 5}, 400, most=6),
        Stage("letters", {"form": 6, "caption": 24, "see": 8}, 450, lr=1.5e-3, most=6),
        Stage("among", {"form": 14, "caption": 4}, 900, most=6),
        Stage("words", {"form": 3, "caption": 6, "text of 1": 40}, 600, most=1, verdict_weight=10),
        Stage("lists", {"form": 3, "caption": 6, "text of 1": 24, "text of 5": 24}, 600, most=3, verdict_weight=10),
        Stage(
            "joint",
            {
                "caption": 6,
                "form": 6,
                "tiles": 6,
                "panoramas": 4,
                "beside": 5,
                "text of 1": 12,
                "text of 5": 24,
                "see": 3,
                "know": 8,
                "know beside": 3,
                "fact": 2,
            },
            400,
            most=3,
            verdict_weight=5,
        ),
        Stage(
            "compare",
            {
                "caption": 2,
                "form": 4,
                "tiles": 6,
                "panoramas": 3,
                "beside": 8,
                "text of 5": 24,
                "see": 2,
                "know": 6,
                "know beside": 2,
                "fact": 2,
            },
            300,
            most=3,
            verdict_weight=3,
        ),
        Stage(
            "toss",
            {
                "toss": 5,
                "form": 2,
                "tiles": 4,
                "panoramas": 2,
                "beside": 6,
                "text of 5": 8,
                "see": 2,
                "know": 4,
                "know beside": 3,
                "fact": 1,
            },
            220,
            most=3,
            in_order=True,
        ),
    ),
    rule=Stage(
        "rule",
        {
            "toss": 5,
            "form": 2,
            "tiles": 5,
            "panoramas": 3,
            "beside": 6,
            "text of 5": 8,
            "see": 2,
            "know": 4,
            "know beside": 3,
        },
        150,
        most=3,
        in_order=True,
        rule=True,
    ),
)
# The same, taught to see for four times as long on half as many places again, and to compare single words for twice as
# long: what a search says of six pictures is then true more often.
LONGER = replace(
    GEOGRAPHIC,
    vision_steps=2400,
    per_region=12,
    wild=600,
    stages=tuple(
        stage
        for one in GEOGRAPHIC.stages
        for stage in ((one, replace(one, name="words again")) if one.name == "words" else (one,))
    ),
)
CURRICULA = {"geographic": GEOGRAPHIC, "geographic-longer": LONGER}


def sizes(profile: Profile) -> dict[str, int]:
    """{view: height in pixels} of the pictures that a profile's policies see."""
    return {"panorama": profile.panorama_px[0], "tile": profile.tile_px, "crop": profile.crop_px}


def base_sites(per_region: int, wild: int, seed: int) -> pd.DataFrame:
    """Places of the split "base": cities far from every other split, and random land."""
    sites = world.sites("base", per_region, wild=wild, seed=seed)
    return sites[sites.country.isin(country_tokens())].reset_index(drop=True)


def known_sites(curriculum: Curriculum, seed: int) -> pd.DataFrame:
    """Places that the base's stream tells of in text, with their true `words`; nothing is drawn."""
    sites = base_sites(curriculum.known_sites, 0, seed)
    return sites.assign(words=[cues.draw(site, seed).words() for site in sites.itertuples()])


def practice(curriculum: Curriculum, policy: policies.Policy, seed: int) -> tuple[Album, Stream]:
    """The pictures of a base's places, and the stream."""
    sites = base_sites(curriculum.per_region, curriculum.wild, seed)
    album = Album(policy, sites, sizes=sizes(curriculum.profile), seed=seed)
    known = known_sites(curriculum, seed)
    return album, Stream(album.sites, album.words, views=curriculum.views, known=known)


def build(out: Path, *, seed: int = 0, curriculum: Curriculum = LONGER, rule: bool = False) -> Path:
    """The base policy, stage by stage, each saved below `out`; returns `out/policy`.

    A stage that was finished is loaded and not repeated: each begins with an optimizer and a generator of its own, so
    a build that was killed ends in the same weights, on the same device (a GPU, where there is one).
    rule: go on to `out/policy-rule`, a base that knows the answering rule, from `out/policy` where that is there.
    """
    plain = out / "policy"
    stages: list[Stage | None] = [None, *curriculum.stages]  # None: the vision tower
    if rule:
        stages = [curriculum.rule] if plain.exists() else [*stages, curriculum.rule]
    final, device = out / "policy-rule" if rule else plain, policies.device()
    if final.exists():
        return final
    if rule and plain.exists():
        policy = policies.load(plain, device=device)
    else:
        policy = tiny.build(vocabulary(), seed=seed, **SHAPE)
        nn.Module.to(policy.model, device)  # as transformers' own, which is typed for another call
    album, stream = practice(curriculum, policy, seed)
    for stage in stages:
        folder = out / "stages" / (stage.name if stage else "vision")
        if folder.exists():
            policy = policies.load(folder, device=device)
            continue
        if stage is None:
            seen = probe_vision(
                policy,
                album,
                steps=curriculum.vision_steps,
                batch=curriculum.vision_batch,
                lr=curriculum.vision_lr,
                seed=seed,
                views=curriculum.views,
            )
            log = [seen]
            settle(policy, album)
        else:
            if not album.features:  # the tower stays as it is from here on
                album.look(policy)
            log = train_stage(policy, album, stream, stage, seed=seed)
        files.write_csv(out / "logs" / f"{folder.name}.csv", pd.DataFrame(log))
        policy.save(folder)
    policy.save(final)
    return final
