"""How one run of the mini experiment is trained: its rows, its reward, its settings (those with a size: profiles.py).

The code that is imported here, however deep, is what a trained policy depends on: experiment.py takes its hash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import pandas as pd
from transformers import TrainerCallback

from georeplicate import atlas, base, engine, grpo, places, rewards, sft, world
from georeplicate import policy as policies
from georeplicate.profiles import Profile
from georeplicate.world.words import words

if TYPE_CHECKING:
    from georeplicate.experiment import Run

# Share of the teacher's pictures that show cities of the base's split: a model of this size that reads of 16 cities
# alone forgets all other countries (results/LOG.md).
ABROAD = 0.5
REPLAY = 0.4  # share of the SFT records that keep the base's own skills alive
REPLAYED = ("form", "tiles", "panoramas")  # tasks of base.Stream, equally often, as the base did them last
# The curve of the length reward is made for 1,024 tokens. At mini scale answers have some twenty: in a group whose
# letters are all wrong the rewards then differ by 1e-4, the group's own spread blows this up to full advantages, and
# the thinking gets shorter for no reason (results/LOG.md). So it is computed and recorded, and not added; runs of their
# own have it (experiment.ablation_runs).
WEIGHTS = rewards.WEIGHTS | {"length": 0.0}
REWARDS = ("paper", "paper with length", "released", "random")  # "released" has the length reward, too
CHECKPOINTS = 8  # a run that is killed loses no more than this part of it


@cache
def _abroad() -> pd.DataFrame:
    return base.base_sites(base.PHONES, 0, 0)


@cache
def _replayed_from() -> tuple[base.Stream, pd.DataFrame]:
    sites = base.base_sites(2, 50, 0)
    stream = base.Stream(sites, [words(world.build(site).attributes) for site in sites.itertuples()])
    stream.least, stream.in_order = base.STAGES[-1].least, base.STAGES[-1].in_order
    return stream, sites


def _replay(profile: Profile, policy: policies.Policy, rng: np.random.Generator, count: int) -> places.Rows:
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
    return places.Rows(moved, album.row)


def sft_rows(profile: Profile, base_path: Path, seed: int, count: int) -> Sequence[dict]:
    """Records of the data engine's template teacher on phone pictures, and replay of the base's tasks.

    The pictures: of the 16 cities, and a share ABROAD of the base's own cities. Never a pairing question with its
    answer: the replay is the base's own stream, on the base's own places.
    """
    rng = np.random.default_rng([seed, 11])
    policy = places.base_policy(base_path)
    sites = pd.concat([places.sites(profile, "train"), _abroad()], ignore_index=True)
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
        return {"pixels": pixels, "prompt": base.WHERE, "completion": completion}

    return places.Rows(range(count), make)


def reward_function(kind: str, seed: int) -> Callable:
    """(text, row, n_tokens) -> Reward; "random" is a coin of text and question: blind to the letter."""
    if kind not in REWARDS:
        raise ValueError(f"reward={kind!r}; choose from {', '.join(REWARDS)}")
    if kind == "random":
        return lambda text, row, n: float(
            np.random.default_rng([seed, crc32((text + row["id"]).encode())]).random() < 0.5
        )
    mode = "released" if kind == "released" else "paper"
    weights = WEIGHTS if kind == "paper" else rewards.WEIGHTS
    return lambda text, row, n: rewards.total(text, row["letter"], n, mode, weights=weights)


class _Progress(TrainerCallback):
    def __init__(self, report: Callable[..., None], steps: int):
        self.report, self.steps = report, steps

    def on_train_begin(self, args, state, control, **kwargs):
        self.report(state.global_step, f"update {state.global_step}/{self.steps}", skipped=True)

    def on_step_end(self, args, state, control, **kwargs):
        self.report(1, f"update {state.global_step}/{self.steps}")


def train(run: Run, profile: Profile, folder: Path, start: Path, base_path: Path, report: Callable[..., None]) -> Path:
    """The run's stage, from the newest good checkpoint in `folder` if there is one; returns the folder of its policy.

    report(updates, doing, skipped=False) is told of every update, and of those that a checkpoint spares (skipped).
    """
    if run.stage == "sft":
        return sft.train(
            start,
            sft_rows(profile, base_path, run.seed, profile.sft_steps * profile.sft_batch),
            folder,
            steps=profile.sft_steps,
            seed=run.seed,
            batch_size=profile.sft_batch,
            learning_rate=profile.sft_learning_rate,
            freeze_vision=profile.freeze_vision,
            save_steps=max(1, profile.sft_steps // CHECKPOINTS),
            callbacks=[_Progress(report, profile.sft_steps)],
        )
    asked = places.controlled(places.questions(profile, "train", base_path, run.seed), run.control, run.seed)
    often = {
        "steps": profile.rl_steps,
        "seed": run.seed,
        "learning_rate": profile.learning_rate,
        "freeze_vision": profile.freeze_vision,
        "save_steps": max(1, profile.rl_steps // CHECKPOINTS),
        "callbacks": [_Progress(report, profile.rl_steps)],
    }
    if run.stage == "supervised":
        # as many answers an update as GRPO samples, each of them the right letter
        rows = places.Rows(asked, lambda row: row | {"completion": f"<answer> {row['letter']} </answer>"})
        return sft.train(start, rows, folder, batch_size=profile.completions_per_update, **often)
    return grpo.train(
        start,
        asked,
        reward_function(run.reward, run.seed),
        folder,
        max_new_tokens=profile.max_completion_length,
        prompts_per_step=profile.prompts_per_update,
        num_generations=profile.group_size,
        beta=profile.beta,
        clip=profile.epsilon,
        temperature=profile.temperature,
        top_k=0,
        schedule="constant_with_warmup",
        warmup_steps=20,
        adam_betas=(0.9, 0.98),
        **often,
    )
