"""One GRPO step of ours against one of TRL's GRPOTrainer, by part, into results/bench/grpo_step.csv (`make bench`).

Both train the same policy on the same questions (a panorama and five tiles, P prompt tokens in all) with answers of
exactly C tokens, G to a question, one question a step: sampling, rewards, the reference's logprobs, forward, backward
and update. Data type, threads, checkpointing setting, sampling and optimizer are the same; TRL has the whole group in
one batch and its fused head, which is the fastest it can do here. On a CPU the two real trainers run in one process
and take turns, step by step, so that a busy machine slows both. The median of the steps after the first is kept. Peak
memory is measured once more, each implementation in a process of its own: what a step needs above the loaded model,
its reference and its optimizer state.

Rows: device, model, impl (ours | trl), P, C, G, part, seconds, peak_mb, tokens_per_s (completion tokens over the part's
seconds; of "generation" and "step"), floor_share (seconds that the part's products alone would take, each prompt
computed once a pass, at the speed of one large matrix product measured beside it, over its seconds: 1 is the floor; of
parts that are passes of the model, and of the step). The parts "generation", "reference", "forward",
"backward", "preparation" (the rest of the rollout: pictures, text, rewards) and "update" add up to a step; "step" is
the median of whole steps, "vision" the vision tower's forward time inside them. With `prefix-grouper` installed, its
shared-prefix attention takes part on a CPU as a third implementation; it covers "reference", "forward" and "backward"
only. A shape that is already in the table is left alone (`--again` measures it anew). Where there is a GPU, the 3B size
with random weights is measured, from fp32 masters computing in bf16, with checkpointing (`--model 7B` wants some
170 GB); without one the table has no such rows.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset, Features, Image, List, Value
from measurements import replace_rows
from PIL import Image as Pictures
from transformers import (
    AttentionInterface,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    TrainerCallback,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils import logging as transformers_logging
from trl import GRPOConfig, GRPOTrainer

from georeplicate import files, provenance
from georeplicate.mini import tiny
from georeplicate.model import policy as policies
from georeplicate.model import processors, shared_prefix
from georeplicate.runs import plan
from georeplicate.training import grpo

OUT = files.RESULTS / "bench" / "grpo_step.csv"
SHAPES = ((256, 64), (680, 64), (1024, 64), (1024, 256), (2048, 256))
GROUP = 8
STEPS = 6  # the first one warms up
TILES = 5
WORDS = [f"word{i}" for i in range(200)]
KEY = ["device", "model", "P", "C", "G"]  # of a shape that is measured together
PARTS = ("preparation", "generation", "reference", "forward", "backward", "update")
PASSES = {"generation": 1, "reference": 1, "forward": 1, "backward": 2, "step": 5}  # forward passes' worth of products

SMALL = dict(hidden_size=256, layers=4, heads=4, vision_hidden_size=128, vision_layers=3, vision_heads=4)
# Where the published Qwen2.5-VL sizes differ from the library's default config, which is that of the 7B.
QWEN = {
    "3B": dict(hidden_size=2048, intermediate_size=11_008, num_hidden_layers=36, num_attention_heads=16)
    | dict(num_key_value_heads=2, vocab_size=151_936, max_window_layers=36),
    "7B": dict(hidden_size=3584, intermediate_size=18_944, num_hidden_layers=28, num_attention_heads=28)
    | dict(num_key_value_heads=4, vocab_size=152_064, max_window_layers=28),
}
MODELS = ("4.5M", *QWEN)


# -------------------------------------------------------------------------------------------- the policy, the questions


def make_policy(name: str) -> policies.Policy:
    """A policy of the named size with random weights (on the default device: `with torch.device("meta")` has none)."""
    made = tiny.build(WORDS, seed=0, **SMALL)
    if name in QWEN:
        sizes, small = QWEN[name], made.model.config
        rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
        config = Qwen2_5_VLConfig(
            text_config=sizes | {"rope_parameters": rope, "eos_token_id": small.text_config.eos_token_id},
            vision_config=dict(
                depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16, patch_size=14,
                out_hidden_size=sizes["hidden_size"], window_size=112, fullatt_block_indexes=[7, 15, 23, 31],
            ),
            image_token_id=small.image_token_id,
            video_token_id=small.video_token_id,
            vision_start_token_id=small.vision_start_token_id,
            vision_end_token_id=small.vision_end_token_id,
            tie_word_embeddings=name == "3B",
        )  # fmt: skip
        old, tokenizer = made.model.generation_config, made.tokenizer
        made.model = Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16).eval()
        made.model.generation_config = old
        pictures = Qwen2VLImageProcessorPil(patch_size=14, temporal_patch_size=2, merge_size=2, min_pixels=28**2)
        made.processor = processors.ImageTextProcessor(pictures, tokenizer, chat_template=processors.CHAT_TEMPLATE)
    return made


def make_rows(policy: policies.Policy, count: int, P: int) -> list[dict]:
    """Questions of exactly P prompt tokens: n x 2n tokens of panorama, five tiles of n x n, the rest is text."""
    images = policy.processor.image_processor
    pixels = images.patch_size * images.merge_size
    n = side(P)
    sizes = [(n * pixels, 2 * n * pixels)] + [(n * pixels, n * pixels)] * TILES
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        pictures = [Pictures.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
        row = {"images": pictures, "prompt": WORDS[0]}
        missing = P - policy.encode([row]).input_ids.shape[1]
        if missing < 0:
            raise ValueError(f"{P} prompt tokens are too few for a panorama and {TILES} tiles")
        row["prompt"] = " ".join(rng.choice(WORDS, 1 + missing))
        rows.append(row)
    assert policy.encode(rows).attention_mask.sum(1).tolist() == [P] * count
    return rows


def reward(text: str) -> float:
    return len(set(text.split())) / 100


class EndlessPolicy(policies.Policy):
    """Answers never end by themselves, so that all are as long as allowed."""

    eos_token_ids = property(lambda self: [])
    suppressed = property(lambda self: [*super().suppressed, self.tokenizer.eos_token_id])


def make_trainer(impl: str, folder: Path, P: int, C: int, steps: int) -> GRPOTrainer:
    """A trainer of either implementation with everything that both have in common."""
    cuda = torch.cuda.is_available()
    policy = policies.load(folder, dtype=torch.float32, device="cuda" if cuda else "cpu")
    rows = make_rows(policy, 2, P)
    args = GRPOConfig(
        output_dir=str(folder / impl),
        max_steps=steps,
        per_device_train_batch_size=GROUP,
        num_generations=GROUP,
        max_completion_length=C,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        beta=0.04,
        epsilon=0.2,
        loss_type="grpo",
        use_bias_correction_kl=False,
        shuffle_dataset=False,
        learning_rate=1e-6,
        activation_checkpointing=cuda,
        bf16=cuda,  # computing; the weights are fp32 masters everywhere, as in training
        use_cpu=not cuda,
        seed=0,
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    features = {"prompt": List({"role": Value("string"), "content": Value("string")}), "images": List(Image())}
    asked = [{"prompt": [{"role": "user", "content": r["prompt"]}], "images": r["images"]} for r in rows]
    common: dict[str, Any] = dict(
        model=policy.model,
        reward_funcs=[_reward_of_chats],
        args=args,
        train_dataset=Dataset.from_list(asked * (steps // len(asked) + 1), features=Features(features)),
        processing_class=policy.processor,
    )
    if impl == "ours":
        trainer = grpo.SharedPrefixGRPOTrainer(**common)
        trainer.policy = EndlessPolicy(trainer.policy.model, trainer.policy.processor)
        return trainer
    args.generation_kwargs = {"min_new_tokens": C, "suppress_tokens": policy.suppressed}
    return GRPOTrainer(**common)


def _reward_of_chats(completions, **_):
    return [reward(chat[0]["content"]) for chat in completions]


# ----------------------------------------------------------------------------------------------------------- the meter


class Meter:
    """Seconds and, if asked, peak memory of each part; parts nest, and time counts for the innermost."""

    def __init__(self, device: torch.device, memory: bool):
        self.device, self.memory = device, memory
        self.stack, self.last = ["update"], 0.0
        self.seconds, self.peak = defaultdict(float), defaultdict(float)

    def tick(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now, part = time.perf_counter(), self.stack[-1]
        self.seconds[part] += now - self.last
        if self.memory:
            self.peak[part] = max(self.peak[part], provenance.peak_mb(self.device))
            _reset_peak(self.device)
        self.last = time.perf_counter()

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        self.tick()
        self.stack.append(name)
        try:
            yield
        finally:
            self.tick()
            self.stack.pop()

    def wrap(self, owner: object, method: str, name: str) -> None:
        """From now on, calls of owner.method count for the part."""
        plain = getattr(owner, method)

        def measured(*args, **kwargs):
            with self.part(name):
                return plain(*args, **kwargs)

        setattr(owner, method, measured)


def _status(field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 2**10
    return math.nan


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def watch(trainer: GRPOTrainer, impl: str, meter: Meter) -> None:
    """Put the meter into a trainer; the two implementations meet at the same points of TRL's loop."""
    meter.wrap(trainer, "_prepare_inputs", "preparation")
    meter.wrap(trainer, "compute_loss", "forward")
    meter.wrap(trainer.accelerator, "backward", "backward")
    if impl == "ours":
        meter.wrap(trainer.policy, "generate", "generation")
        plain, name = trainer._logprobs, "_logprobs"
    else:
        meter.wrap(trainer.model, "generate", "generation")
        plain, name = trainer._get_per_token_logps_and_entropies, "_get_per_token_logps_and_entropies"

    def logprobs(model, *args, **kwargs):
        if model is not trainer.ref_model:
            return plain(model, *args, **kwargs)
        with meter.part("reference"):
            return plain(model, *args, **kwargs)

    setattr(trainer, name, logprobs)
    for model in (trainer.model, trainer.ref_model):
        started: list[float] = []
        visual = model.base_model.visual
        visual.register_forward_pre_hook(lambda *_, started=started: started.append(_now(meter.device)))
        visual.register_forward_hook(
            lambda *_, started=started: meter.seconds.__setitem__(
                "vision", meter.seconds["vision"] + _now(meter.device) - started.pop()
            )
        )


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class Turns(TrainerCallback):
    """Takes the times of a trainer's steps and lets the next one go on after each."""

    def __init__(self, mine: threading.Semaphore, following: threading.Semaphore, meter: Meter | None = None):
        self.mine, self.following, self.meter = mine, following, meter
        self.steps: list[dict[str, float]] = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.meter.seconds.clear()
        self.meter.last = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.meter.tick()
        self.over(dict(self.meter.seconds))

    def over(self, seconds: dict[str, float]) -> None:
        self.steps.append(seconds)
        self.following.release()
        self.mine.acquire()


# -------------------------------------------------------------------------------------------------------- the measuring


def interleaved(folder: Path, P: int, C: int, steps: int) -> dict[str, dict[str, float]]:
    """`medians` of all implementations, which take turns."""
    names = ["ours", "trl"] + ["prefix_grouper"] * bool(importlib.util.find_spec("prefix_grouper"))
    free = [threading.Semaphore(0) for _ in names]
    turns = {name: Turns(free[i], free[(i + 1) % len(names)]) for i, name in enumerate(names)}
    failures = []

    def run(impl: str) -> None:
        turn = turns[impl]
        turn.mine.acquire()
        try:
            if impl == "prefix_grouper":
                third(turn, folder, P, C, steps)
            else:
                trainer = make_trainer(impl, folder, P, C, steps)
                turn.meter = Meter(trainer.accelerator.device, memory=False)
                watch(trainer, impl, turn.meter)
                trainer.add_callback(turn)
                trainer.train()
        except BaseException as error:
            failures.append(error)
        finally:  # the others go on, without waiting for this one any more
            for _ in range(2 * steps):
                turn.following.release()

    threads = [threading.Thread(target=run, args=[impl], daemon=True) for impl in names]
    for thread in threads:
        thread.start()
    free[0].release()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {impl: medians(turn.steps) for impl, turn in turns.items()}


def medians(steps: list[dict[str, float]]) -> dict[str, float]:
    """Median seconds of every part, and of the step if all parts are there; the first step is left out."""
    warm = steps[1:]
    if set(PARTS) <= warm[0].keys():
        warm = [step | {"step": sum(step[part] for part in PARTS)} for step in warm]
    return {part: statistics.median(step[part] for step in warm) for part in warm[0]}


def alone(impl: str, folder: Path, P: int, C: int, steps: int) -> dict[str, dict[str, float]]:
    """{"seconds": medians, "peak_mb": peak memory of every part and of the step}, for one implementation.

    Counted from what is there before the first step, with the two moments that Adam adds at its end.
    """
    trainer = make_trainer(impl, folder, P, C, steps)
    device = trainer.accelerator.device
    meter = Meter(device, memory=True)
    watch(trainer, impl, meter)
    turn = Turns(threading.Semaphore(steps), threading.Semaphore(0), meter)
    trainer.add_callback(turn)
    moments = 2 * sum(p.numel() * p.element_size() for p in trainer.model.parameters()) / 2**20
    loaded = torch.cuda.memory_allocated(device) / 2**20 if device.type == "cuda" else _status("VmRSS")
    trainer.train()
    peaks = {part: max(0.0, meter.peak[part] - loaded - moments) for part in PARTS}
    return {"seconds": medians(turn.steps), "peak_mb": peaks | {"step": max(peaks.values())}}


def apart(impl: str, folder: Path, P: int, C: int, steps: int) -> dict[str, dict[str, float]]:
    """`alone` in a process of its own, which gives freed memory back at once."""
    command = [sys.executable, __file__, "--alone", impl, "--folder", folder]
    done = subprocess.run(
        [*command, "--shapes", f"{P}x{C}", "--steps", str(steps), "--threads", str(torch.get_num_threads())],
        capture_output=True,
        text=True,
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"},
    )
    if done.returncode:
        raise RuntimeError(f"{impl} at ({P}, {C}) failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# ---------------------------------------------------------------------------------------------------- a third candidate


def prefix_grouper_logprobs(model, prompts: shared_prefix.Prompts, completions: list[list[list[int]]]) -> torch.Tensor:
    """`logprobs` with PrefixGrouper's attention (arXiv 2506.05433) in the place of ours; equal lengths only."""
    from prefix_grouper import PrefixGrouper

    device = prompts.input_ids.device
    ids = torch.tensor([c for group in completions for c in group], device=device)
    sizes = [len(group) for group in completions]
    grouper = PrefixGrouper.from_ungrouped_masks(
        prefix_mask=prompts.attention_mask, suffix_mask=torch.ones_like(ids), group_sizes=sizes,
        padding_mode="right", device=device,
    )  # fmt: skip
    packed = grouper.concat_input(prompts.input_ids, prompts.attention_mask, ids, torch.ones_like(ids))
    place = shared_prefix.positions(model, prompts)
    after = (place.amax((0, 2)) + 1)[:, None] + torch.arange(ids.shape[1], device=device).repeat(sizes[0])
    place = torch.cat([place, after.expand(3, -1, -1)], 2)
    AttentionInterface.register("prefix_grouper", _prefix_grouper_attention)
    shared_prefix.enable(model, "prefix_grouper")
    hidden = model.base_model(
        input_ids=packed, position_ids=place, attention_mask=torch.zeros(1, 1, 1, 1, device=device), use_cache=False,
        prefix_grouper=grouper, mm_encoder_outputs={"image": shared_prefix.image_features(model, prompts)},
    )[0]  # fmt: skip
    _, _, after, _ = grouper.split_output(hidden, include_prefix_last=1)
    return shared_prefix.token_logprobs(model.get_output_embeddings()(after[:, :-1]), ids)


def _prefix_grouper_attention(module, query, key, value, attention_mask, scaling, prefix_grouper=None, **kwargs):
    def attend(q, k, v, *_):  # the padding mask it hands over is full, as all lengths are equal
        before = k.shape[2] - q.shape[2]
        mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril(before) if before else None
        return torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=not before, scale=scaling, enable_gqa=k.shape[1] != q.shape[1]
        ).transpose(1, 2)

    return prefix_grouper.forward(attend, query, key, value), None


def third(turn: Turns, folder: Path, P: int, C: int, steps: int) -> None:
    """The parts of a step that PrefixGrouper has to do with, on answers of random words."""
    policy = policies.load(folder)
    prompts = policy.encode(make_rows(policy, 1, P))
    words = policy.tokenizer.convert_tokens_to_ids(WORDS)
    completions = [[np.random.default_rng(g).choice(words, C).tolist() for g in range(GROUP)]]
    for _ in range(steps):
        times = [time.perf_counter()]
        with torch.no_grad():
            prefix_grouper_logprobs(policy.model, prompts, completions)
        times.append(time.perf_counter())
        value = prefix_grouper_logprobs(policy.model, prompts, completions).sum()
        times.append(time.perf_counter())
        value.backward()
        times.append(time.perf_counter())
        policy.model.zero_grad()
        turn.over(dict(zip(("reference", "forward", "backward"), np.diff(times).tolist())))


# -------------------------------------------------------------------------------------------------------------- command


def device_name() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{provenance.machine()['cpu']}, {torch.get_num_threads()} thread"


def side(P: int) -> int:
    """Visual tokens along a tile of a question of P prompt tokens; a panorama is twice as wide."""
    return max(1, math.isqrt(max(0, P - 30) // (TILES + 2)))


def pass_flops(folder: Path, P: int, C: int) -> float:
    """Products and sums of one forward pass over a question and its answers, the prompt once."""
    shape = plan.shape(str(folder))
    tile = (side(P) * shape.merge) ** 2  # patches
    work = plan.Load(prompts=1, group=GROUP, prompt_tokens=P, answer_tokens=C, patches=(2 * tile,) + (tile,) * TILES)
    return sum(plan.forward_flops(shape, work))


def peak_flops(dtype: torch.dtype, size: int = 1024) -> float:
    """Products and sums a second of one square matrix product, the quickest of ten."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size *= 8 if device == "cuda" else 1
    a = torch.ones(size, size, dtype=dtype, device=device)
    seconds = []
    for _ in range(10):
        started = _now(a.device)
        a @ a
        seconds.append(_now(a.device) - started)
    return 2 * size**3 / min(seconds)


def measure(model: str, folder: Path, P: int, C: int, steps: int) -> list[dict]:
    """All rows of one shape. On a GPU, where two trainers do not fit side by side, nobody takes turns."""
    cuda = torch.cuda.is_available()
    single = {impl: apart(impl, folder, P, C, steps if cuda else 2) for impl in ("ours", "trl")}
    peaks = {impl: found["peak_mb"] for impl, found in single.items()}
    seconds = {impl: found["seconds"] for impl, found in single.items()} if cuda else interleaved(folder, P, C, steps)
    floor = pass_flops(folder, P, C) / peak_flops(torch.bfloat16 if cuda else torch.float32)
    return [
        {"device": device_name(), "model": model, "impl": impl, "P": P, "C": C, "G": GROUP, "part": part}
        | {"seconds": float(f"{value:.4g}"), "peak_mb": round(peaks.get(impl, {}).get(part, math.nan), 1)}
        | {"tokens_per_s": round(GROUP * C / value, 1) if part in ("generation", "step") else math.nan}
        | {"floor_share": round(PASSES[part] * floor / value, 3) if part in PASSES else math.nan}
        for impl, parts in seconds.items()
        for part, value in parts.items()
    ]


def known(out: Path, model: str, P: int, C: int) -> bool:
    if not out.exists():
        return False
    table = pd.read_csv(out)
    here = table[(table.device == device_name()) & (table.model == model) & (table.P == P) & (table.C == C)]
    return {"ours", "trl"} <= set(here[here.part == "step"].impl)


def main() -> None:
    parser = argparse.ArgumentParser(description="time and memory of one GRPO step, ours against TRL's")
    parser.add_argument("--shapes", nargs="+", default=[f"{P}x{C}" for P, C in SHAPES], help="P x C, as in 680x64")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each implementation, the first one apart")
    parser.add_argument("--model", choices=MODELS, help="of this size (default: 4.5M on a CPU, 3B on a GPU)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--again", action="store_true", help="measure shapes anew that are in the table already")
    parser.add_argument("--alone", choices=("ours", "trl"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    transformers_logging.set_verbosity_error()
    torch.set_num_threads(args.threads)
    shapes = [tuple(map(int, shape.split("x"))) for shape in args.shapes]
    if args.alone:
        print(json.dumps(alone(args.alone, args.folder, *shapes[0], args.steps)))
        return
    model = args.model or ("3B" if torch.cuda.is_available() else "4.5M")
    todo = [shape for shape in shapes if args.again or not known(args.out, model, *shape)]
    if done := [shape for shape in shapes if shape not in todo]:
        print(f"{model}: in {os.path.relpath(args.out)} already: {done}", flush=True)
    if todo:
        bench(model, todo, args.steps, args.out)


def bench(model: str, shapes: list[tuple[int, int]], steps: int, out: Path) -> None:
    """Measure the shapes and add each to the table as soon as it is there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy"
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            make_policy(model).save(path)
        for P, C in shapes:
            rows = pd.DataFrame(measure(model, path, P, C, steps))
            replace_rows(out, rows, KEY)
            step = rows[rows.part == "step"].set_index("impl")
            faster, lighter = (step[column].trl / step[column].ours for column in ("seconds", "peak_mb"))
            print(
                f"{model} ({P}, {C}): {step.seconds.ours:.3g} s a step against {step.seconds.trl:.3g} s "
                f"(x {faster:.2f}), {step.peak_mb.ours:,.0f} MB against {step.peak_mb.trl:,.0f} MB (x {lighter:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
