"""What mini policies are shown, at a profile's size: the places of a split as pairing questions and as single views.

Rows are made when they are read: the pixels of all questions of a split would take some 0.2 MB each. A picture becomes
pixels once a process, whichever policy sees it: pixels depend on the image processor alone, which every policy that
starts from one base shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset

from georeplicate import pairs, world
from georeplicate.mini.wording import LETTERS, PAIR, climate_word
from georeplicate.model import policy as policies
from georeplicate.profiles import Profile
from georeplicate.tasks import CONTROLS, answers
from georeplicate.tasks.rows import Rows

# --- from pairs and sites to rows -----------------------------------------------------------------------------------


class Pixels(Sequence[dict]):
    """A column of pictures as the processor hands them to the model, each made when it is first read."""

    def __init__(self, policy: policies.Policy, column: Sequence[Any]):
        self.policy, self.column = policy, column
        self.made: dict[int, dict] = {}

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, index):
        if index not in self.made:
            self.made[index] = self.policy.pixels([self.column[index]])
        return self.made[index]


def pictures(policy: policies.Policy, rows: Dataset) -> dict[str, Pixels]:
    """Panoramas and tiles of pairs, as `Pixels`."""
    return {view: Pixels(policy, rows[view]) for view in ("panorama", "aerial")}


def true_words(sites: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Site id -> the words that are true of it, in the order of the world's vocabulary."""
    return {site.id: world.words_at(site) for site in sites.itertuples()}


def pairing_rows(
    policy: policies.Policy,
    rows: Dataset,
    questions: Dataset,
    prompt: str = PAIR,
    *,
    described: dict[str, tuple[str, ...]] | None = None,
    prepared: dict[str, Pixels] | None = None,
) -> Rows:
    """Questions as rows that the policy and GRPO take: {pixels, prompt, letter, id, true_words}.

    true_words: the true words of the panorama and of each tile in the order shown, or None where `described`, the
    `true_words` of the sites, is not given. prepared: the `pictures` of rows, if made earlier.
    """
    seen = prepared or pictures(policy, rows)

    def make(question: dict) -> dict:
        own = question["candidates"][answers.LETTERS.index(question["letter"])]
        shown = [seen["panorama"][own], *(seen["aerial"][c] for c in question["candidates"])]
        return {
            "pixels": {name: torch.cat([p[name] for p in shown]) for name in shown[0]},
            "prompt": prompt,
            "letter": question["letter"],
            "id": question["id"],
            "true_words": described and [described[site] for site in (question["id"], *question["candidate_ids"])],
        }

    return Rows(questions.to_list(), make)


def place_rows(policy: policies.Policy, sites: pd.DataFrame, *, crop_px: int, tile_px: int) -> list[dict]:
    """Sites as single places: {id, lat, lon, country, seen_country, climate, cover, pixels, tile_pixels}.

    pixels show a street-level photo, tile_pixels the place from above; climate and cover are words of the vocabulary
    (cover: the first word of the world's, what grows there).
    """
    out = []
    for site in sites.itertuples():
        scene = world.build(site)
        shown = {"pixels": world.crop(scene, crop_px), "tile_pixels": world.tile(scene, tile_px)}
        out.append(
            {name: getattr(site, name) for name in ("id", "lat", "lon", "country", "seen_country")}
            | {"climate": climate_word(site.climate), "cover": world.words_of(scene)[0]}
            | {name: policy.pixels([policies.Image.fromarray(picture)]) for name, picture in shown.items()}
        )
    return out


def controlled(rows: Sequence[dict], control: str, seed: int) -> Sequence[dict]:
    """Pairing rows under a control: a right letter sampled at random, or blank pictures; "" leaves them alone."""
    if not control:
        return rows
    if control not in CONTROLS:
        raise ValueError(f"control={control!r}; choose from {', '.join(CONTROLS)}")
    letters = np.random.default_rng([seed, 77]).choice(list(LETTERS), len(rows))

    def make(i: int) -> dict:
        row = rows[i]
        if control == "shuffled pairing":
            return row | {"letter": str(letters[i])}
        parts = list(row["pixels"]["pixel_values"].split(row["pixels"]["image_grid_thw"].prod(-1).tolist()))
        for j in [0] if control == "blank panorama" else range(1, len(parts)):
            parts[j] = torch.zeros_like(parts[j])
        return row | {"pixels": row["pixels"] | {"pixel_values": torch.cat(parts)}}

    return Rows(range(len(rows)), make)


# --- a split at a profile's size, once a process --------------------------------------------------------------------
# "base" here is the split of the base's own cities, at other places and moments than any base was shown: a base's
# number is the seed of its places, and this one is nobody's.
ELSEWHERE = 1_000


def _size(profile: Profile, split: str) -> tuple[int, int, int | None]:
    """(places wanted, places a region, regions or None for all)."""
    for_training = split in ("train", "base")
    held_out = {"validation": profile.n_validation_sites, "test": profile.n_test_sites}
    count = profile.n_train_sites if for_training else held_out[split]
    regions = None if for_training else min(100, max(4, count // 6))
    cities = regions or int((world.cities().split == split).sum())
    return count, max(6, -(-count // cities)), regions


def _spread(profile: Profile, split: str, count: int) -> np.ndarray:
    """Which of a split's `count` places are evaluated one by one: no more than wanted, evenly over it."""
    return np.unique(np.linspace(0, count - 1, min(_size(profile, split)[0], count)).astype(int))


@cache
def sites(profile: Profile, split: str) -> pd.DataFrame:
    """The places of a split, a row each (see world.sites)."""
    _, per_region, regions = _size(profile, split)
    return world.sites(split, per_region, regions=regions, seed=_seed(split))


def _seed(split: str) -> int:
    return ELSEWHERE if split == "base" else 0


@cache
def rendered(profile: Profile, split: str) -> Dataset:
    """The places of a split as rendered pairs, in the order of `sites`."""
    _, per_region, regions = _size(profile, split)
    return pairs.load(
        "world",
        split,
        per_region=per_region,
        regions=regions,
        panorama_height=profile.panorama_px[0],
        tile_size=profile.tile_px,
        seed=_seed(split),
    )


@cache
def base_policy(path: Path) -> policies.Policy:
    """The policy in a folder, loaded once a process."""
    return policies.load(path)


@cache
def _prepared(profile: Profile, split: str, base_path: Path) -> tuple[dict, dict | None]:
    words_of = None if split in ("train", "base") else true_words(sites(profile, split))
    return pictures(base_policy(base_path), rendered(profile, split)), words_of


def questions(profile: Profile, split: str, base_path: Path, seed: int = 0, negatives: str = "") -> Rows:
    """Pairing questions of a split, shuffled, no more than a run needs; "train" is that of the profile's `train_split`.
    negatives: where the wrong tiles come from ("": as the profile has it for the split)."""
    negatives = negatives or profile.negatives_of(split)
    count = profile.rl_steps * profile.prompts_per_update if split == "train" else _size(profile, split)[0]
    split = profile.train_split if split == "train" else split
    rows = pairs.questions(rendered(profile, split), k=profile.k, negatives=negatives, seed=seed)
    rows = rows.shuffle(seed=seed).select(range(min(count, len(rows))))
    seen, described = _prepared(profile, split, base_path)
    return pairing_rows(base_policy(base_path), rendered(profile, split), rows, described=described, prepared=seen)


@cache
def views(profile: Profile, split: str, base_path: Path) -> list[dict]:
    """Single places of a split, spread evenly over it, as `place_rows`."""
    table = sites(profile, split)
    return place_rows(
        base_policy(base_path),
        table.iloc[_spread(profile, split, len(table))],
        crop_px=profile.crop_px,
        tile_px=profile.tile_px,
    )


def alone(profile: Profile, split: str, base_path: Path, view: str) -> Rows:
    """Pictures of a split one by one, as rows {id, pixels, true_words}: a "panorama" or a "tile" of each place, as they
    stand in its questions."""
    seen, described = _prepared(profile, split, base_path)
    if described is None:
        raise ValueError(f"what is true of the {split} split is not made: take validation or test")
    pixels, ids = seen["panorama" if view == "panorama" else "aerial"], rendered(profile, split)["id"][:]
    chosen = _spread(profile, split, len(ids)).tolist()
    return Rows(chosen, lambda i: {"id": ids[i], "pixels": pixels[i], "true_words": described[ids[i]]})
