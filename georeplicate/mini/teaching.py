"""What SFT is shown in the mini world: thoughts that end in a place, and replay of the base's tasks.

The thoughts go from what is seen, cue by cue, to the climate group and region, and so to the country and city: the
base's own form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from georeplicate import world
from georeplicate.mini import base, inputs, wording
from georeplicate.mini.stream import thought
from georeplicate.mini.wording import WHERE
from georeplicate.model import policy as policies
from georeplicate.profiles import Profile
from georeplicate.tasks.rows import Rows
from georeplicate.world import cues

# Share of SFT's pictures that show cities of the base's split: a model of this size that reads of 16 cities
# alone forgets all other countries (results/LOG.md).
ABROAD = 0.5
REPLAY = 0.4  # share of the SFT records that keep the base's own skills alive
# Tasks of base.Stream, equally often, as the base did them last.
REPLAYED = ("form", "tiles", "panoramas", "toss", "beside", "know beside")
# What is replayed beside GRPO: the prompts that no reward is about, each in the base's own form.
BESIDE_GRPO = ("caption", "see", "know beside")


@cache
def _replayed_from(rule: bool) -> tuple[base.Stream, pd.DataFrame]:
    """The base's stream as it was practised last, by a base with the answering rule or without, and the places of the
    base's split from which is replayed."""
    curriculum, sites = base.GEOGRAPHIC, base.base_sites(2, 50, 0)
    true = list(inputs.true_words(sites).values())
    stream = base.Stream(sites, true, views=curriculum.views, known=base.known_sites(curriculum, 0))
    (curriculum.rule if rule else curriculum.stages[-1]).prepare(stream)
    return stream, sites


def _replay(
    profile: Profile, policy: policies.Policy, rng: np.random.Generator, count: int, replayed: Sequence[str]
) -> Rows:
    """Examples of tasks of the base's own stream, and their pictures: only those are drawn."""
    stream, sites = _replayed_from(profile.sft_rule)
    found = stream.batch(rng, dict.fromkeys(replayed, -(-count // len(replayed))))
    found = [found[j] for j in rng.permutation(len(found))[:count]]
    needed = sorted({site for example in found for _, site, _ in example.pictures})
    at = {site: i for i, site in enumerate(needed)}
    moved = [replace(e, pictures=tuple((view, at[site], k) for view, site, k in e.pictures)) for e in found]
    album = base.Album(
        policy,
        sites.iloc[needed],
        seed=0,
        sizes=base.sizes(profile),
        shown={picture for example in moved for picture in example.pictures},
    )
    return Rows(moved, album.row)


def _weighted(policy: policies.Policy, replay: Rows, i: int) -> dict:
    """A replayed row whose tokens weigh 1 together, but for those that the base's loss does not count."""
    counted = base.counted(policy, replay.items[i])
    total = sum(map(sum, counted))
    return replay[i] | {"weights": [[w / total for w in weights] for weights in counted]}


def beside_grpo(profile: Profile, base_path: Path, seed: int) -> Sequence[dict]:
    """What is replayed beside the completions of GRPO, {pixels, prompt, completion, weights}: `Profile.replay` records
    of BESIDE_GRPO for each completion of an update, new ones in each. From places of the base's own split: nothing is
    told that the base was not told, and never a panorama with its tile."""
    policy, count = inputs.base_policy(base_path), profile.replayed * profile.rl_steps
    replay = _replay(profile, policy, np.random.default_rng([seed, 12]), count, BESIDE_GRPO)
    return Rows(range(len(replay)), lambda i: _weighted(policy, replay, i))


def labelled_rows(profile: Profile, base_path: Path) -> Sequence[dict]:
    """Street-level photos of the base's own cities with their place, for systems that are trained on labels of the
    task: {id, pixels, prompt, lat, lon, country, city, completion}.

    About twice as many as the profile's training places, some of each city. No test city is among them.
    """
    policy = inputs.base_policy(base_path)
    cities = int((world.cities().split == "base").sum())
    sites = base.base_sites(max(1, round(2 * profile.n_train_sites / cities)), 0, 1)

    def make(i: int) -> dict:
        site = sites.iloc[i]
        scene = world.build(site)
        picture = policies.Image.fromarray(world.crop(scene, profile.crop_px))
        country, city = base.country_tokens()[site.country], base.city_token(site.city)
        return {
            **{"id": site.id, "pixels": policy.pixels([picture]), "prompt": WHERE, "lat": site.lat, "lon": site.lon},
            **{"country": site.country, "city": city},
            "completion": f"<answer> country : {country} city : {city} </answer>",
        }

    return Rows(range(len(sites)), make)


def sft_rows(profile: Profile, base_path: Path, seed: int, count: int) -> Sequence[dict]:
    """Thoughts from what a street-level photo shows to where it was taken, and replay of the base's tasks.

    The pictures: of the 16 cities, and a share ABROAD of the base's own cities. Never a pairing question with its
    answer: the replay is the base's own stream, on the base's own inputs.

    The loss is a mean over each part of a thought (what is seen, the climate and region, the place with the form), so
    that fourteen cues do not drown four words of a place, nor the other way round; an example that is replayed weighs
    as much as one part.
    """
    rng = np.random.default_rng([seed, 11])
    policy = inputs.base_policy(base_path)
    home, abroad = inputs.sites(profile, "train"), base.base_sites(base.GEOGRAPHIC.known_sites, 0, 0)
    taught = round(count * (1 - REPLAY))
    records = []
    for _ in range(taught):
        pool = abroad if rng.random() < ABROAD else home
        site = pool.iloc[int(rng.integers(len(pool)))]
        scene = world.build(site)
        picture = world.crop(scene, profile.crop_px, seed=int(rng.integers(1_000_000)))
        text = thought(world.words_of(scene), site.climate, site.region, site.country, site.city)
        records.append((picture, text))
    replay = _replay(profile, policy, rng, count - taught, REPLAYED)
    known = {*wording.CLIMATES, *map(wording.region_word, cues.SUBREGIONS)}

    def part_of(token: str) -> str:
        return "seen" if token in wording.WORDING.attribute_of else "known" if token in known else "place"

    def make(i: int) -> dict:
        if i >= len(records):
            return _weighted(policy, replay, i - len(records))
        picture, text = records[i]
        pixels = policy.pixels([policies.Image.fromarray(picture)])
        parts = [part_of(token) for token in policy.tokenizer.convert_ids_to_tokens(policy.completion_ids(text))]
        weights = [1 / parts.count(part) for part in parts]
        return {"pixels": pixels, "prompt": WHERE, "completion": [text], "weights": [weights]}

    return Rows(range(count), make)
