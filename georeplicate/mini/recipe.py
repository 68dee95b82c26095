"""How one run of the mini experiment is trained: its rows, its reward, its settings (those with a size: profiles.py).

Every setting comes from the profile. What is fixed here belongs to the recipe: a change of it that moves a number needs
a new RECIPE_VERSION (experiment.py), and the golden runs (tests/invariant) fail until it has one.
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

from georeplicate import atlas, engine, world
from georeplicate.mini import base, inputs
from georeplicate.model import policy as policies
from georeplicate.profiles import Profile
from georeplicate.training import grpo, rewards, sft
from georeplicate.world.words import words

if TYPE_CHECKING:
    from georeplicate.runs.runner import Run

# Share of the teacher's pictures that show cities of the base's split: a model of this size that reads of 16 cities
# alone forgets all other countries (results/LOG.md).
ABROAD = 0.5
REPLAY = 0.4  # share of the SFT records that keep the base's own skills alive
REPLAYED = ("form", "tiles", "panoramas")  # tasks of base.Stream, equally often, as the base did them last
# "paper": mode and weights of the profile; "paper with length" and "released": all weights 1, as described and as
# released; "random": a coin
REWARDS = ("paper", "paper with length", "released", "random")
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


def _replay(profile: Profile, policy: policies.Policy, rng: np.random.Generator, count: int) -> inputs.Rows:
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
    return inputs.Rows(moved, album.row)


def sft_rows(profile: Profile, base_path: Path, seed: int, count: int) -> Sequence[dict]:
    """Records of the data engine's template teacher on phone pictures, and replay of the base's tasks.

    The pictures: of the 16 cities, and a share ABROAD of the base's own cities. Never a pairing question with its
    answer: the replay is the base's own stream, on the base's own places.
    """
    rng = np.random.default_rng([seed, 11])
    policy = inputs.base_policy(base_path)
    sites = pd.concat([inputs.sites(profile, "train"), _abroad()], ignore_index=True)
    facts = atlas.describe(sites.lat.to_numpy(), sites.lon.to_numpy(), list(sites.taken_at))
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

    return inputs.Rows(range(count), make)


def reward_function(kind: str, seed: int, profile: Profile) -> Callable:
    """(text, row, n_tokens) -> Reward; "random" is a coin of text and question: blind to the letter."""
    if kind not in REWARDS:
        raise ValueError(f"reward={kind!r}; choose from {', '.join(REWARDS)}")
    if kind == "random":
        return lambda text, row, n: float(
            np.random.default_rng([seed, crc32((text + row["id"]).encode())]).random() < 0.5
        )
    mode, weights = ("released" if kind == "released" else "paper"), rewards.WEIGHTS
    if kind == "paper":
        mode, weights = profile.reward_mode, dict(zip(rewards.WEIGHTS, profile.reward_weights, strict=True))
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
    shared = {
        "seed": run.seed,
        "freeze_vision": profile.freeze_vision,
        "weight_decay": profile.weight_decay,
        "max_grad_norm": profile.max_grad_norm,
        "gradient_checkpointing": profile.gradient_checkpointing,
        "bf16": {"auto": None, "bf16": True, "fp32": False}[profile.precision],
    }
    supervised = {
        "schedule": profile.sft_schedule,
        "adam_betas": profile.sft_adam_betas,
    }
    if run.stage == "sft":
        return sft.train(
            start,
            sft_rows(profile, base_path, run.seed, profile.sft_steps * profile.sft_batch),
            folder,
            steps=profile.sft_steps,
            batch_size=profile.sft_batch,
            accumulation=profile.sft_accumulation,
            learning_rate=profile.sft_learning_rate,
            warmup_steps=round(profile.sft_warmup * profile.sft_steps),
            save_steps=max(1, profile.sft_steps // CHECKPOINTS),
            callbacks=[_Progress(report, profile.sft_steps)],
            **supervised,
            **shared,
        )
    asked = inputs.controlled(inputs.questions(profile, "train", base_path, run.seed), run.control, run.seed)
    shared |= {
        "steps": profile.rl_steps,
        "learning_rate": profile.learning_rate,
        "save_steps": max(1, profile.rl_steps // CHECKPOINTS),
        "callbacks": [_Progress(report, profile.rl_steps)],
    }
    if run.stage == "supervised":
        # as many answers an update as GRPO samples, each of them the right letter
        rows = inputs.Rows(asked, lambda row: row | {"completion": f"<answer> {row['letter']} </answer>"})
        warmup = round(profile.sft_warmup * profile.rl_steps)
        batch = profile.completions_per_update
        return sft.train(start, rows, folder, batch_size=batch, warmup_steps=warmup, **supervised, **shared)
    return grpo.train(
        start,
        asked,
        reward_function(run.reward, run.seed, profile),
        folder,
        max_new_tokens=profile.max_completion_length,
        prompts_per_step=profile.prompts_per_update,
        num_generations=profile.group_size,
        num_iterations=profile.num_iterations,
        accumulation=profile.accumulation,
        beta=profile.beta,
        clip=profile.epsilon,
        temperature=profile.temperature,
        top_k=profile.top_k,
        schedule=profile.schedule,
        warmup_steps=profile.warmup_steps,
        adam_betas=profile.adam_betas,
        **shared,
    )
