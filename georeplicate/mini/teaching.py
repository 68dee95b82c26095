"""What SFT is shown in the mini world: the template teacher's records, and replay of the base's tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from georeplicate import atlas, engine, world
from georeplicate.mini import base, inputs
from georeplicate.mini.wording import WHERE
from georeplicate.model import policy as policies
from georeplicate.profiles import Profile
from georeplicate.tasks.rows import Rows
from georeplicate.world.words import words

# Share of the teacher's pictures that show cities of the base's split: a model of this size that reads of 16 cities
# alone forgets all other countries (results/LOG.md).
ABROAD = 0.5
REPLAY = 0.4  # share of the SFT records that keep the base's own skills alive
REPLAYED = ("form", "tiles", "panoramas")  # tasks of base.Stream, equally often, as the base did them last


@cache
def _abroad() -> pd.DataFrame:
    return base.base_sites(base.PHOTO_SITES, 0, 0)


@cache
def _replayed_from() -> tuple[base.Stream, pd.DataFrame]:
    sites = base.base_sites(2, 50, 0)
    stream = base.Stream(sites, [words(world.build(site).attributes) for site in sites.itertuples()])
    stream.least, stream.in_order = base.STAGES[-1].least, base.STAGES[-1].in_order
    return stream, sites


def _replay(profile: Profile, policy: policies.Policy, rng: np.random.Generator, count: int) -> Rows:
    """Examples of the base's own stream, and their pictures: only those are drawn."""
    stream, sites = _replayed_from()
    found = stream.batch(rng, dict.fromkeys(REPLAYED, -(-count // len(REPLAYED))))
    found = [found[j] for j in rng.permutation(len(found))[:count]]
    shown = [picture for example in found for picture in example.pictures]
    needed = sorted({site for _, site, _ in shown})
    sizes = {view: size for view, size in base.sizes(profile).items() if view in {v for v, _, _ in shown}}
    album = base.Album(policy, sites.iloc[needed], seed=0, sizes=sizes)
    at = {site: i for i, site in enumerate(needed)}
    moved = [replace(e, pictures=tuple((view, at[site], k) for view, site, k in e.pictures)) for e in found]
    return Rows(moved, album.row)


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
        picture = policies.Image.fromarray(world.crop(world.build(site), profile.crop_px))
        country, city = base.country_tokens()[site.country], base.city_token(site.city)
        return {
            **{"id": site.id, "pixels": policy.pixels([picture]), "prompt": WHERE, "lat": site.lat, "lon": site.lon},
            **{"country": site.country, "city": city},
            "completion": f"<answer> country : {country} city : {city} </answer>",
        }

    return Rows(range(len(sites)), make)


def sft_rows(profile: Profile, base_path: Path, seed: int, count: int) -> Sequence[dict]:
    """Records of the data engine's template teacher on street-level photos, and replay of the base's tasks.

    The pictures: of the 16 cities, and a share ABROAD of the base's own cities. Never a pairing question with its
    answer: the replay is the base's own stream, on the base's own inputs.
    """
    rng = np.random.default_rng([seed, 11])
    policy = inputs.base_policy(base_path)
    sites = pd.concat([inputs.sites(profile, "train"), _abroad()], ignore_index=True)
    facts = atlas.describe(sites.lat.to_numpy(), sites.lon.to_numpy(), list(sites.taken_at), drawn_coast=True)
    teacher, records, taught = engine.Template("terse"), [], round(count * (1 - REPLAY))
    at_home = len(sites) - len(_abroad())
    chosen = np.where(
        rng.random(taught) < ABROAD, rng.integers(at_home, len(sites), taught), rng.integers(0, at_home, taught)
    )
    for i in chosen:
        site = sites.iloc[i]
        scene = world.build(site)
        picture = world.crop(scene, profile.crop_px, seed=int(rng.integers(1_000_000)))
        thought = teacher.write(facts[int(i)], scene.attributes, rng=rng)
        answer = f"country : {base.country_tokens()[site.country]} city : {base.city_token(site.city)}"
        records.append((picture, f"<think> {thought} </think> <answer> {answer} </answer>"))
    replay = _replay(profile, policy, rng, count - len(records))

    def make(i: int) -> dict:
        if i >= len(records):
            return replay[i - len(records)]
        picture, completion = records[i]
        pixels = policy.pixels([policies.Image.fromarray(picture)])
        return {"pixels": pixels, "prompt": WHERE, "completion": completion}

    return Rows(range(count), make)
