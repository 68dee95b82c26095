"""The runs behind Table 2 and its controls: what starts from what, trained and asked, each resumable (`make table2`).

    base ─┬─ sft-s0, s1, s2 ───── r1-s0, s1, s2        GRPO from SFT: stands for Geo-R1
          └─ zero-s0, s1, s2                           GRPO from the base: stands for Geo-R1-Zero

A run is a folder `<work>/runs/<name>/` with policy/, log.csv, predictions.csv and, last of all, manifest.json. A run
whose manifest holds is not run again; one that was killed goes on from its newest checkpoint. Test questions are only
asked here, at the end of a run; every setting was chosen on the validation split.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import torch

from georeplicate import atlas, base, engine, evaluate, grpo, pairs, record, rewards, sft, world
from georeplicate import policy as policies
from georeplicate.profiles import Profile

WORK = Path(__file__).resolve().parents[1] / ".georeplicate"
REPLAY = 0.4  # share of the SFT records that keep the base's own skills alive
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Run:
    """One training run and the questions after it. start: the run whose policy it goes on from, or "base"."""

    system: str
    stands_for: str
    stage: str  # "base" (asked, not trained), "sft", "grpo", "supervised"
    seed: int
    start: str = "base"
    reward: str = "paper"  # "paper", "released", "random"
    control: str = ""  # "", "shuffled pairing", "blank panorama", "blank tiles"

    @property
    def name(self) -> str:
        return "base" if self.stage == "base" else f"{self.system.removeprefix('mini-').lower()}-s{self.seed}"


def table2_runs(seeds=SEEDS) -> list[Run]:
    """The four systems of Table 2; `stands_for` is the paper's spelling."""
    return [
        Run("mini-base", "Qwen2.5-VL-7B", "base", 0),
        *(Run("mini-SFT", "Geo-SFT", "sft", seed) for seed in seeds),
        *(Run("mini-Zero", "Geo-R1-Zero", "grpo", seed) for seed in seeds),
        *(Run("mini-R1", "Geo-R1", "grpo", seed, start=f"sft-s{seed}") for seed in seeds),
    ]


def ablation_runs(seeds=SEEDS) -> list[Run]:
    """Controls that must stay at chance, supervised training at equal compute, and the released rewards."""
    return [
        Run("mini-Zero-random-reward", "", "grpo", 0, reward="random"),
        *(
            Run(f"mini-Zero-{control.replace(' ', '-')}", "", "grpo", 0, control=control)
            for control in ("shuffled pairing", "blank panorama", "blank tiles")
        ),
        Run("mini-supervised", "", "supervised", 0),
        *(Run("mini-Zero-released", "", "grpo", seed, reward="released") for seed in seeds),
    ]


# --- data, once a process -------------------------------------------------------------------------------------------


@cache
def _places(profile: Profile, split: str):
    """(rendered pairs, their sites) of a split, at the profile's size."""
    count = {"train": profile.n_train_sites, "validation": profile.n_validation_sites, "test": profile.n_test_sites}[
        split
    ]
    regions = None if split == "train" else min(100, max(4, count // 6))
    cities = (world.cities().split == split).sum() if regions is None else regions
    per_region = max(6, -(-count // cities))
    rows = pairs.load(
        "world",
        split,
        per_region=per_region,
        regions=regions,
        panorama_height=profile.panorama_px[0],
        tile_size=profile.tile_px,
    )
    return rows, world.sites(split, per_region, regions=regions)


@cache
def _asked(profile: Profile, policy_path: Path, split: str, seed: int):
    """(questions, rows for the policy) of a split."""
    rows, _ = _places(profile, split)
    questions = pairs.questions(rows, k=profile.k, negatives=profile.negatives, seed=seed)
    # no more than will be asked: the pixels of a question take 0.2 MB
    count = {"train": profile.rl_steps * profile.prompts_per_update, "test": profile.n_test_sites}.get(split)
    if count is not None:
        questions = questions.shuffle(seed=seed).select(range(min(count, len(questions))))
    return questions, evaluate.pairing_rows(policies.load(policy_path), rows, questions, base.PAIR)


def controlled(asked: list[dict], control: str, seed: int) -> list[dict]:
    """Pairing rows under a control: pictures made grey, or the right letter drawn by lot."""
    rng = np.random.default_rng([seed, 77])
    out = []
    for row in asked:
        row = dict(row)
        if control == "shuffled pairing":
            row["letter"] = str(rng.choice(list(base.LETTERS)))
        elif control in ("blank panorama", "blank tiles"):
            grids = row["pixels"]["image_grid_thw"].prod(-1).tolist()
            parts = list(row["pixels"]["pixel_values"].split(grids))
            for i in range(len(parts)):
                if (i == 0) == (control == "blank panorama"):
                    parts[i] = torch.zeros_like(parts[i])
            row["pixels"] = row["pixels"] | {"pixel_values": torch.cat(parts)}
        out.append(row)
    return out


def sft_rows(profile: Profile, policy: policies.Policy, seed: int, count: int) -> list[dict]:
    """Records of the data engine's template teacher on phone pictures of the 16 cities, and replay of the base's tasks.

    Never a pairing question with its answer: the replay is the base's own stream, on the base's own places.
    """
    rng = np.random.default_rng([seed, 11])
    _, sites = _places(profile, "train")
    facts = atlas.describe(sites.lat.to_numpy(), sites.lon.to_numpy(), list(sites.taken_at))
    teacher, out = engine.Template("terse"), []
    for i in rng.integers(len(sites), size=round(count * (1 - REPLAY))):
        site = sites.iloc[i]
        scene = world.build(site)
        picture = world.crop(scene, profile.crop_px, seed=int(rng.integers(1_000_000)))
        thought = teacher.write(facts[int(i)], scene.attributes, rng=rng)
        country = base.country_tokens()[site.country]
        answer = f"country : {country} city : {base.city_token(site.city)}"
        out.append(
            {
                "pixels": policy.pixels([policies.Image.fromarray(picture)]),
                "prompt": base.WHERE,
                "completion": f"<think> {thought} </think> <answer> {answer} </answer>",
            }
        )
    album = base.Album(policy, base.base_sites(2, 50, 0), seed=0, sizes=base.sizes(profile))
    stream = base.Stream(album.sites, album.words)
    replay = stream.batch(rng, {"form": count // 4, "tiles": count // 4, "panoramas": count // 4})
    replay = [replay[j] for j in rng.permutation(len(replay))[: count - len(out)]]
    return [*out, *map(album.row, replay)]


def geolocation_rows(profile: Profile, policy: policies.Policy, split: str, count: int) -> list[dict]:
    """Phone pictures of a split as questions: country and city?"""
    _, sites = _places(profile, split)
    out = []
    for site in sites.iloc[np.unique(np.linspace(0, len(sites) - 1, min(count, len(sites))).astype(int))].itertuples():
        picture = policies.Image.fromarray(world.crop(world.build(site), profile.crop_px))
        out.append(
            {"pixels": policy.pixels([picture]), "prompt": base.WHERE, "id": site.id, "lat": site.lat, "lon": site.lon}
            | {"country": site.country}
        )
    return out


# --- one run --------------------------------------------------------------------------------------------------------


def reward_function(kind: str, seed: int):
    """(text, row, n_tokens) -> Reward; "random" is a coin of text and question: blind to the letter."""
    if kind == "random":
        return lambda text, row, n: float(
            np.random.default_rng([seed, crc32((text + row["id"]).encode())]).random() < 0.5
        )
    return lambda text, row, n: rewards.total(text, row["letter"], n, kind)


def start_policy(run: Run, work: Path, base_path: Path) -> Path:
    return base_path if run.start == "base" else work / "runs" / run.start / "policy"


def execute(run: Run, profile: Profile, work: Path, base_path: Path) -> Path:
    """Train and ask one run; returns its folder. Does nothing if the run is finished already."""
    folder = work / "runs" / run.name
    if record.is_finished(folder):
        return folder
    started, start = time.time(), start_policy(run, work, base_path)
    policy = policies.load(train(run, profile, folder, start))
    record.write_csv(folder / "predictions.csv", ask(run, profile, policy, base_path))
    for checkpoint in folder.glob("checkpoint-*"):  # only a run that was killed needs them
        shutil.rmtree(checkpoint)
    record.finish(
        folder,
        profile=profile.name,
        seed=run.seed,
        data_sha256=data_sha256(),
        started=started,
        run=asdict(run),
        settings=asdict(profile) | {"seeds": list(profile.seeds), "panorama_px": list(profile.panorama_px)},
        base_sha256=record.sha256_file(base_path / "model.safetensors"),
    )
    return folder


@cache
def data_sha256() -> str:
    """Of everything that the places and pictures are made from."""
    package = Path(__file__).parent
    files = [p for folder in ("atlas/data", "world/data") for p in (package / folder).iterdir() if p.is_file()]
    return record.sha256_files(files, package)


def train(run: Run, profile: Profile, folder: Path, start: Path) -> Path:
    """The run's stage; returns the folder of its policy."""
    if run.stage == "base":
        return start
    policy = policies.load(start)
    if run.stage == "sft":
        rows = sft_rows(profile, policy, run.seed, profile.sft_steps * profile.sft_batch)
        return sft.train(
            start, rows, folder, steps=profile.sft_steps, seed=run.seed, batch_size=profile.sft_batch,
            learning_rate=profile.sft_learning_rate, save_steps=100,
        )  # fmt: skip
    _, asked = _asked(profile, start, "train", run.seed)
    asked = controlled(asked, run.control, run.seed)
    if run.stage == "supervised":
        # as many answers an update as GRPO samples, each of them the right letter
        rows = [row | {"completion": f"<answer> {row['letter']} </answer>"} for row in asked]
        return sft.train(
            start, rows, folder, steps=profile.rl_steps, seed=run.seed, batch_size=profile.prompts_per_update * 8,
            learning_rate=profile.learning_rate, save_steps=100,
        )  # fmt: skip
    return grpo.train(
        start,
        asked,
        reward_function(run.reward, run.seed),
        folder,
        steps=profile.rl_steps,
        max_new_tokens=profile.max_completion_length,
        seed=run.seed,
        prompts_per_step=profile.prompts_per_update,
        num_generations=profile.group_size,
        learning_rate=profile.learning_rate,
        beta=profile.beta,
        top_k=0,
        schedule="constant_with_warmup",
        warmup_steps=20,
        adam_betas=(0.9, 0.98),
        save_steps=50,
    )


def ask(run: Run, profile: Profile, policy: policies.Policy, base_path: Path) -> pd.DataFrame:
    """All predictions of a policy on the test split, in the order of evaluate.COLUMNS."""
    _, asked = _asked(profile, base_path, "test", 0)
    blanked = run.control if run.control.startswith("blank") else ""
    tables = [
        evaluate.pairing(
            policy, controlled(asked, blanked, 0), decoding=decoding, max_new_tokens=profile.max_completion_length
        )
        for decoding in ("greedy", "t1")
    ]
    if run.stands_for:
        places = geolocation_rows(profile, policy, "test", profile.n_test_sites)
        tables.append(evaluate.geolocation(policy, places, max_new_tokens=profile.max_completion_length))
    table = pd.concat(tables, ignore_index=True)
    table["system"], table["training_seed"] = run.system, run.seed
    return table.reindex(columns=evaluate.COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="mini")
    parser.add_argument("--base", type=Path, default=base.OUT / "policy", help="made by `make base`")
    parser.add_argument("--ablations", action="store_true", help="the controls instead of Table 2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    args = parser.parse_args()
    profile, work = Profile.get(args.profile), WORK / args.profile
    if not args.base.exists():
        raise SystemExit(f"there is no base policy at {args.base}: run `make base` first, or name one with --base")
    seeds = tuple(range(args.seeds))
    runs = ablation_runs(seeds) if args.ablations else table2_runs(seeds)
    one = partial(execute, profile=profile, work=work, base_path=args.base)
    # spawned, not forked: torch's thread pools do not survive a fork
    fresh = dict(mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
    with ProcessPoolExecutor(args.workers, **fresh) as pool:
        first = [r for r in runs if r.start == "base"]
        done = {r.name: pool.submit(one, r) for r in first}
        for r in runs:
            if r.start != "base":
                done[r.start].result()
                done[r.name] = pool.submit(one, r)
        for name, future in done.items():
            predictions = pd.read_csv(future.result() / "predictions.csv", keep_default_na=False)
            found = evaluate.summary(predictions.query("task == 'pairing' and decoding == 'greedy'"))
            print(f"{name:>28}  " + "  ".join(f"{k} {v:.3g}" for k, v in found.items()))


if __name__ == "__main__":
    main()
