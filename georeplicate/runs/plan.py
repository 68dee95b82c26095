"""What a profile costs before anything is downloaded: `georeplicate plan --profile paper --gpus 8 --gpu-gb 80`.

Arithmetic on published shapes, never a measurement; ASSUMPTIONS (and the arguments of `print_plan`) say what is taken
for granted, and the plan prints all of it. GB = 1e9 bytes. It follows what this code does, not what a trainer could do:

    weights      fp32 where all of them are trained, under bf16 autocast, which keeps a bf16 copy of each while a
                 forward pass lives; GRPO's reference has the policy's type, so fp32. LoRA: a bf16 base, fp32 adapters,
                 and the reference is the base itself.
    "zero2"      whole bf16 weights and reference on each GPU; bf16 gradients, fp32 masters and moments in shares, and
                 two buckets of DeepSpeed's default size.
    "fsdp2"      fp32 weights (the masters), gradients, moments and reference in shares; in bf16 two whole layers with
                 embedding and head, and for as long as answers are sampled, or the reference is asked, all weights.
    "zero3"      the same in shares as DeepSpeed keeps them: bf16 weights, gradients and reference, fp32 masters.
    activations  what autograd saves in one micro-batch, tensor by tensor: of each token in each decoder layer both
                 RMSNorms keep 2 fp32 copies, each of the 6 linear maps that take a hidden state a bf16 copy of its own
                 (autocast does not share them), attention q, k, v and its output, the gated MLP 4 tensors of its width.
                 tests/runs/test_plan.py counts the same tensors in the mini base.
    logits       of answer tokens only, and of no more of them than the kernel scores at once: 12 bytes each, which are
                 three fp32 tensors at the head's backward pass (the log-softmax, its gradient and the gradient of the
                 logits). Where GRPO's entropies cover few of them, more: see `logit_bytes`; tests/runs/test_plan.py
                 counts them as they are made.

An independent calculation of the same profiles agrees on parameters, on 16 bytes a parameter for full training (its
60.1 and 132.7 GB for 3B and 7B), the fp32 reference, ZeRO-2, full sharding, the KV cache and the bytes of a checkpoint.
It differs where

    activations  it counts about 2.5 MB (3B) and 3.4 MB (7B) of a token, we 5.6 and 7.5: it has bf16 norms and residuals
                 and two of the gated MLP's four tensors; and it counts all 64 answers at once where we count those of
                 one GPU's micro-batch.
    copies       it leaves out autocast's bf16 copies of the weights (2 bytes a parameter, 16.6 GB for 7B).
    logits       it counts one fp32 copy of all, we the three that are alive at once, of as many as are scored at once.
    LoRA on 3B   7.8 GB there, 8.0 here: rank 16 on all seven linear maps of a layer, 16 bytes an adapter parameter.
    answers      its mean is 500 or 600 tokens and the longest 2.2 times that; here 30 % of the limit, and the limit:
                 45 hours of GRPO there and 53 here for the full paper profile, 5 both times for single_gpu.
    pairs        46 GB there and 40 here for the paper's; both are guesses about the size of a picture.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from georeplicate import files
from georeplicate.model import head
from georeplicate.profiles import DRY_BASE, Profile
from georeplicate.runs import gpus as here

GB = 1e9
WAYS = {
    "ddp": "all weights trained, whole on each GPU (DDP)",
    "zero2": "all weights trained, gradients, masters and moments in shares (DeepSpeed ZeRO-2)",
    "fsdp2": "all weights trained, everything in shares (FSDP2)",
    "zero3": "all weights trained, everything in shares (DeepSpeed ZeRO-3)",
    "lora": "adapters in the decoder, on a frozen bf16 base (LoRA)",
}
STAGES = ("sft", "grpo")
SHARED = ("zero2", "fsdp2", "zero3")  # ways that need more than one GPU
BUCKET = 5e8  # numbers in one of DeepSpeed's buffers of gradients, by default
CARDS = ((1, 24.0), (1, 48.0), (1, 80.0), (8, 80.0))
PATCHES = 4  # of a visual token: 2 x 2 in every model here
# Of a test row: of photographs pairing greedily and at T=1, and geolocation once.
DECODINGS = {"photographs": 3, "world": 10}
LONG = 192  # tokens of an answer from which attention is fused on a CPU: georeplicate.model.shared_prefix.attention

ASSUMPTIONS: dict[str, float] = {
    "text_tokens": 150,  # of a question besides its pictures
    "world_text_tokens": 25,  # the same in the mini world's wording
    "record_tokens": 350,  # of a chain of thought that SFT learns
    "world_record_tokens": 35,  # the same in the mini world, counted over 160 of them
    "mean_answer": 0.3,  # of the limit; a batch lasts until its longest answer, taken to be the limit
    "pair_mb": 2.3,  # a panorama of 4096 x 2048 at 2 bits a pixel and a tile: a guess, no size is published
    "reserve": 0.06,  # of a GPU's memory: context, fragments, buffers of communication
}


# --- shapes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What of a Qwen2.5-VL config decides about sizes; the names are the config's, `vision_` those of its tower."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    tied: bool
    vision_hidden: int
    vision_layers: int
    vision_full: int  # layers that see the whole picture; the others see windows
    vision_intermediate: int
    patch: int
    temporal_patch: int
    merge: int
    window: int

    @property
    def kv(self) -> int:
        """Width of the keys, and of the values, of one token in one layer."""
        return self.hidden // self.heads * self.kv_heads

    @property
    def layer_parameters(self) -> int:
        h, kv, f = self.hidden, self.kv, self.intermediate
        return (h * (h + 2 * kv) + h + 2 * kv) + h * h + 3 * h * f + 2 * h

    @property
    def text_parameters(self) -> int:
        """Of the decoder's layers and last norm, without embedding and head."""
        return self.layers * self.layer_parameters + self.hidden

    @property
    def embedding_parameters(self) -> int:
        """Of the embedding, and of the head where it has weights of its own."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def vision_parameters(self) -> int:
        h, f, wide = self.vision_hidden, self.vision_intermediate, self.vision_hidden * self.merge**2
        layer = (h * 3 * h + 3 * h) + (h * h + h) + (3 * h * f + 2 * f + h) + 2 * h
        merger = h + wide * wide + wide + wide * self.hidden + self.hidden
        return 3 * self.temporal_patch * self.patch**2 * h + self.vision_layers * layer + merger

    @property
    def parameters(self) -> int:
        return self.text_parameters + self.embedding_parameters + self.vision_parameters

    def adapter_parameters(self, rank: int) -> int:
        """Of LoRA of that rank on the seven linear maps of each decoder layer."""
        h, kv, f = self.hidden, self.kv, self.intermediate
        return rank * self.layers * (2 * 2 * h + 2 * (h + kv) + 3 * (h + f))

    @property
    def kv_bytes(self) -> int:
        """Of one token's keys and values in all layers, in bf16."""
        return 2 * 2 * self.kv * self.layers


_QWEN = dict(
    vision_hidden=1280, vision_layers=32, vision_full=4, vision_intermediate=3420,
    patch=14, temporal_patch=2, merge=2, window=112,
)  # fmt: skip
# From config.json of the published repositories.
SHAPES = {
    "Qwen/Qwen2.5-VL-3B-Instruct": Shape(
        name="Qwen/Qwen2.5-VL-3B-Instruct", hidden=2048, layers=36, heads=16, kv_heads=2, intermediate=11008,
        vocabulary=151936, tied=True, **_QWEN,
    ),
    "Qwen/Qwen2.5-VL-7B-Instruct": Shape(
        name="Qwen/Qwen2.5-VL-7B-Instruct", hidden=3584, layers=28, heads=28, kv_heads=4, intermediate=18944,
        vocabulary=152064, tied=False, **_QWEN,
    ),
    DRY_BASE: Shape(
        name=DRY_BASE, hidden=32, layers=2, heads=2, kv_heads=1, intermediate=64, vocabulary=287, tied=False,
        vision_hidden=32, vision_layers=2, vision_full=1, vision_intermediate=64, patch=14, temporal_patch=2, merge=2,
        window=112,
    ),
}  # fmt: skip
WEIGHTS = files.PACKAGE / "mini" / "weights"
OURS = ("mini-base", "geographic-base")


def shape(model: str) -> Shape:
    """Of a published model by its name on the hub, of a base in the package, or of a folder that holds a config.json.

    ValueError where the name is not known, or the config is of another architecture.
    """
    if model in SHAPES:
        return SHAPES[model]
    path = (WEIGHTS / model if model in OURS else Path(model)) / "config.json"
    if not path.is_file():
        raise ValueError(
            f"the shape of {model!r} is not known: name a folder with its config.json, or one of "
            f"{', '.join((*SHAPES, *OURS))}"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        text, vision = config.get("text_config", config), config["vision_config"]
        return Shape(
            name=model,
            hidden=text["hidden_size"],
            layers=text["num_hidden_layers"],
            heads=text["num_attention_heads"],
            kv_heads=text["num_key_value_heads"],
            intermediate=text["intermediate_size"],
            vocabulary=text["vocab_size"],
            tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            vision_hidden=vision["hidden_size"],
            vision_layers=vision["depth"],
            vision_full=len(vision["fullatt_block_indexes"]),
            vision_intermediate=vision["intermediate_size"],
            patch=vision["patch_size"],
            temporal_patch=vision["temporal_patch_size"],
            merge=vision["spatial_merge_size"],
            window=vision["window_size"],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is not the config of a Qwen2.5-VL model ({type(error).__name__}: {error}); name another model"
        ) from None


# --- work ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """What goes through the model at once: `prompts` with `group` answers each, in tokens; pictures in patches."""

    prompts: int
    group: int
    prompt_tokens: int
    answer_tokens: float
    patches: tuple[int, ...]  # of each picture of one prompt

    @property
    def answers(self) -> int:
        return self.prompts * self.group

    @property
    def tokens(self) -> float:
        """Each prompt once, however many answers it has: the shared-prefix layout."""
        return self.prompts * self.prompt_tokens + self.answers * self.answer_tokens

    @property
    def all_patches(self) -> int:
        return self.prompts * sum(self.patches)


def load(profile: Profile, stage: str, gpus: int, *, whole: bool = False, mean: bool = False) -> Load:
    """Of one GPU's micro-batch, or (whole) of its part of an update; answers at their limit, or at the mean length.

    ValueError where prompts (or records) do not divide among the GPUs: groups are never split between them.
    """
    height, width = profile.panorama_px
    area = profile.image_factor**2
    pictures = [height * width // area] + [profile.tile_px**2 // area] * profile.k
    world = profile.source == "world"
    text = int(ASSUMPTIONS["world_text_tokens" if world else "text_tokens"])
    if stage == "grpo":
        count, parts, group = profile.prompts_per_update, profile.accumulation, profile.group_size
        answer: float = profile.max_completion_length
        answer *= ASSUMPTIONS["mean_answer"] if mean else 1
    else:
        count, parts, group = profile.sft_batch, profile.sft_accumulation, 1
        answer = min(ASSUMPTIONS["world_record_tokens" if world else "record_tokens"], profile.max_completion_length)
        # The photographs' records are about one panorama; of the world's every other one asks about a pair.
        pictures = pictures[: 1 + profile.k // 2] if world else pictures[:1]
    parts = gpus if whole else gpus * parts
    if count % parts:
        what, field = ("prompts", "accumulation") if stage == "grpo" else ("records", "sft_accumulation")
        raise ValueError(
            f"profile {profile.name}: {count} {what} an update do not divide into {parts} parts; choose --gpus and "
            f"{field} so that their product divides {count}"
        )
    patches = tuple(PATCHES * tokens for tokens in pictures)
    return Load(count // parts, group, sum(pictures) + text, answer, patches)


# --- memory ----------------------------------------------------------------------------------------------------------


def activation_bytes(
    s: Shape, work: Load, kind: str, *, checkpointing: bool, vision: bool, fused: bool
) -> dict[str, float]:
    """{"activations", "vision"}: what autograd saves between a forward and a backward pass.

    kind: "fp32"; "autocast", fp32 weights under bf16 autocast; "bf16", bf16 weights; "lora", adapters on such. vision:
    whether gradients enter the vision tower. checkpointing: each layer's input is kept and one layer at a time whole.
    fused: whether the answers' attention is (on a GPU in 16 bits, on a CPU in fp32 where answers are long).
    """
    number = 4 if kind == "fp32" else 2
    h = s.hidden
    fixed = {"fp32": 36, "autocast": 32, "bf16": 22, "lora": 24}[kind]  # bytes an element of the hidden state
    layer = work.tokens * (fixed * h + 2 * number * s.kv + 4 * number * s.intermediate)
    if not fused:  # the weights of all pairs
        context = work.prompt_tokens + work.answer_tokens
        layer += work.answers * s.heads * work.answer_tokens * context * number
    stream = 4 if kind in ("fp32", "autocast") else 2  # the residual stream has the embedding's type
    last_norm = 8 * h * work.tokens
    inputs = s.layers * work.tokens * h * stream
    text = (inputs + layer if checkpointing else s.layers * layer) + last_norm
    hv, fv = s.vision_hidden, s.vision_intermediate
    tower = 0.0
    if vision and kind != "lora":
        fixed = {"fp32": 44, "autocast": 32, "bf16": 28}[kind]
        one = work.all_patches * (fixed * hv + 4 * number * fv)
        tower = s.vision_layers * work.all_patches * hv * stream + one if checkpointing else s.vision_layers * one
    return {"activations": text, "vision": tower}


def logit_bytes(count: float, *, fp32: bool, entropies: bool) -> float:
    """Of `count` logits at the peak of a loss: in its backward pass, or (few logits) where entropies are computed,
    which takes two fp32 copies of as many as are done at a time, beside the logits and their log-softmax."""
    forward = (8 if fp32 else 6) * count + (8 * min(count, head.ENTROPIES) if entropies else 0)
    return max(12 * count, forward)


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU. held: always; training and rollout: besides, one after the other."""

    held: dict[str, float]
    training: dict[str, float]
    rollout: dict[str, float]

    @property
    def peak(self) -> float:
        return sum(self.held.values()) + max(sum(self.training.values()), sum(self.rollout.values()))


def memory(s: Shape, profile: Profile, stage: str, way: str, gpus: int) -> Memory:
    """By part, of one GPU; ValueError for an unknown stage or way, or where the work does not divide."""
    if way not in WAYS or stage not in STAGES:
        raise ValueError(f"way is one of {', '.join(WAYS)} and stage one of {', '.join(STAGES)}; got {way}, {stage}")
    n, lora = s.parameters, way == "lora"
    fp32 = _fp32(profile)
    computed = 4 if fp32 else 2  # bytes of a number that is computed with
    zero = way in ("zero2", "zero3")
    kind = "lora" if lora else "fp32" if fp32 else "bf16" if way in SHARED else "autocast"
    trained = (
        s.adapter_parameters(profile.lora_rank) if lora else n - (s.vision_parameters if profile.freeze_vision else 0)
    )
    shares = gpus if way in SHARED else 1
    held: dict[str, float] = {}
    if way == "fsdp2":
        held["weights"] = 4 * n / gpus
    elif zero:
        held["weights"] = computed * n / (gpus if way == "zero3" else 1)
        held["masters"] = 4 * trained / gpus
        held["buckets"] = 2 * computed * min(trained, BUCKET)
    else:
        held["weights"] = 2 * n + 4 * trained if lora else 4 * n
    if way in ("fsdp2", "zero3"):
        held["layers in use"] = computed * (2 * s.layer_parameters + s.embedding_parameters)
    gradients = (computed if zero else 4) * trained / shares
    held["moments"] = 8 * trained / shares
    if stage == "grpo" and profile.beta and not lora:
        held["reference"] = (computed if zero else 4) * n / (gpus if way in ("fsdp2", "zero3") else 1)
    copies = {"bf16 copies": 2.0 * trained} if kind == "autocast" else {}
    work = load(profile, stage, gpus)
    at_once = head.scored_at_once(math.ceil(work.answers * work.answer_tokens), s.vocabulary)
    logits = logit_bytes(at_once * s.vocabulary, fp32=fp32, entropies=stage == "grpo")
    saved = activation_bytes(
        s,
        work,
        kind,
        checkpointing=profile.gradient_checkpointing,
        vision=not profile.freeze_vision,
        fused=not fp32 or work.answer_tokens > LONG,
    )
    training = {"gradients": gradients, **copies, **saved, "logits": logits}
    rollout: dict[str, float] = {}
    if stage == "grpo":
        update = load(profile, stage, gpus, whole=True)
        cache = s.kv_bytes * (2 if fp32 else 1) * update.tokens
        gathered = {"gathered weights": float(computed * n)} if way in ("fsdp2", "zero3") else {}
        rollout = {**copies, **gathered, "KV cache": cache, "logits": update.answers * s.vocabulary * 10}
    return Memory(held, training, rollout)


def _fp32(profile: Profile) -> bool:
    """Whether fp32 is computed in; the synthetic world is planned for CPUs."""
    return profile.precision == "fp32" or (profile.source == "world" and profile.precision == "auto")


def evaluation_memory(s: Shape, profile: Profile) -> Memory:
    """By part, of each GPU that evaluates: all weights, whatever trained them, and the answers of one batch.

    prompts: pixels in fp32, and of what passes through the model at once (the pictures, then the prompts) the gated
    MLP's 3 tensors of its width and 5 of the hidden state. tests/runs/test_plan.py counts the same in the mini base.
    """
    number = 4 if _fp32(profile) else 2
    work = evaluated(profile)
    pixels = 4 * 3 * s.temporal_patch * s.patch**2 * work.all_patches
    seen = work.all_patches * (3 * s.vision_intermediate + 5 * s.vision_hidden)
    read = work.prompts * work.prompt_tokens * (3 * s.intermediate + 5 * s.hidden)
    answers = {
        "KV cache": s.kv_bytes * number / 2 * work.tokens,
        "prompts": pixels + number * max(seen, read),
        "logits": 10.0 * work.answers * s.vocabulary,
    }
    return Memory({"weights": float(number * s.parameters)}, {}, answers)


def decodings(profile: Profile) -> int:
    """How often each row of the test set is answered in the evaluation of one policy."""
    return DECODINGS["world" if profile.source == "world" else "photographs"]


def evaluated(profile: Profile) -> Load:
    """What one GPU answers at once in an evaluation, answers at their limit."""
    return replace(load(profile, "grpo", 1, whole=True), prompts=profile.evaluated_at_once, group=1)


def capacity(gpu_gb: float) -> float:
    """Usable bytes of a card sold as `gpu_gb`: cards are sold in units of 2**30 bytes, less the reserve."""
    return gpu_gb * 2**30 * (1 - ASSUMPTIONS["reserve"])


def largest(s: Shape, profile: Profile, way: str, gpus: int) -> Memory:
    """The greater of both stages."""
    return max((memory(s, profile, stage, way, gpus) for stage in STAGES), key=lambda found: found.peak)


def remedies(profile: Profile, gpus: int) -> list[tuple[dict[str, Any], Profile]]:
    """What to change so that a profile needs less memory, one change upon the other: (fields, the profile then)."""
    steps: list[tuple[dict[str, Any], Profile]] = []
    now = profile

    def change(**fields: Any) -> None:
        nonlocal now
        fields = {name: value for name, value in fields.items() if getattr(now, name) != value}
        if fields:
            now = replace(now, **fields)
            steps.append((fields, now))

    rows = profile.sft_batch // gpus if not profile.sft_batch % gpus else profile.sft_accumulation
    prompts = profile.prompts_per_update // gpus if not profile.prompts_per_update % gpus else profile.accumulation
    change(accumulation=prompts, sft_accumulation=rows)
    change(gradient_checkpointing=True)
    change(freeze_vision=True)
    for limit in (1024, 512):
        change(max_completion_length=min(limit, now.max_completion_length))
    return steps


def fit(s: Shape, profile: Profile, way: str, gpus: int, gpu_gb: float) -> str:
    """One line: it fits as it is, or with which changes, or by how much it does not."""
    room = capacity(gpu_gb)
    if way in SHARED and gpus == 1:
        return "needs more than one GPU"
    option, between = ("", ", ") if profile.source == "world" else ("--set ", " ")  # what can be typed
    changes: dict[str, str] = {}
    try:
        need = least = largest(s, profile, way, gpus).peak
    except ValueError as error:
        if math.isinf(least_bytes(s, profile, way, gpus)):
            return f"cannot be run: {error}"
        need = least = math.inf  # it does not divide among these GPUs as it is
    if need <= room:
        return f"fits ({need / GB:.1f} of {room / GB:.1f} GB)"
    without = f"{need / GB:.1f}" if need < math.inf else "does not divide"
    for fields, changed in remedies(profile, gpus):
        now = largest(s, changed, way, gpus).peak
        if now < least:
            least, changes = now, changes | {name: f"{option}{name}={value}" for name, value in fields.items()}
        if now <= room:
            return (
                f"fits with {between.join(changes.values())} ({now / GB:.1f} of {room / GB:.1f} GB; {without} without)"
            )
    others = [w for w in WAYS if w != way and least_bytes(s, profile, w, gpus) <= room]
    instead = " or ".join(others) or "more GPUs, larger ones, or a smaller model"
    return f"no: {least / GB:.1f} GB of {room / GB:.1f} at the least ({without} as it is); take {instead}"


def fit_evaluation(s: Shape, profile: Profile, gpu_gb: float) -> str:
    """One line: whether a policy can be evaluated on such a card."""
    need, room = evaluation_memory(s, profile).peak, capacity(gpu_gb)
    sizes = f"{need / GB:.1f} of {room / GB:.1f} GB"
    return f"fits ({sizes})" if need <= room else f"no: {sizes}; evaluate on a larger GPU"


def least_bytes(s: Shape, profile: Profile, way: str, gpus: int) -> float:
    """Peak with all remedies; infinite where a way needs more GPUs or the work does not divide."""
    least = math.inf
    if way in SHARED and gpus == 1:
        return least
    for one in (profile, *(changed for _, changed in remedies(profile, gpus))):
        with contextlib.suppress(ValueError):  # it does not divide
            least = min(least, largest(s, one, way, gpus).peak)
    return least


def feasible(s: Shape, profile: Profile, gpus: int, gpu_gb: float) -> str:
    """The first way of training both stages that fits as it is, of those that train all weights; failing that, the
    first that fits with remedies, adapters last; "ddp" where none does."""
    whole = ("ddp", "fsdp2", "zero2", "zero3")
    verdicts = {way: fit(s, profile, way, gpus, gpu_gb) for way in (*whole, "lora")}
    as_it_is = [way for way in whole if verdicts[way].startswith("fits (")]
    return next((way for way in (*as_it_is, *verdicts) if verdicts[way].startswith("fits")), "ddp")


# --- time ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Device:
    """flops: peak dense bf16 products and sums a second; bandwidth: bytes a second; step_ms: what one decoding step
    costs a Python loop for each decoder layer, whatever the batch; recorded_ms: the same where a step is recorded and
    replayed, as it is where weights are whole (None: it is not)."""

    name: str
    flops: float
    bandwidth: float
    step_ms: float
    recorded_ms: float | None = None

    def least_ms(self, way: str) -> float:
        """What a decoding step costs for each layer at the least."""
        whole = way not in ("fsdp2", "zero3")
        return self.recorded_ms if whole and self.recorded_ms is not None else self.step_ms


# Published peaks; step_ms assumed; recorded_ms as on an H200, 64 rows of the 3B (results/bench/single_gpu.csv).
DEVICES = {
    24.0: Device("RTX 4090", 165e12, 1.008e12, 0.8, 0.4),
    48.0: Device("L40S", 362e12, 0.864e12, 0.8, 0.4),
    80.0: Device("H100 SXM", 989e12, 3.35e12, 0.8, 0.4),
}
CPU = Device("a CPU core", 0.1e12, 20e9, 0.3)


def device(profile: Profile, gpu_gb: float) -> Device:
    """The card of that memory, the next smaller one if there is none; a CPU core for the synthetic world."""
    if profile.source == "world" or profile.model == DRY_BASE:
        return CPU
    return DEVICES[max((gb for gb in DEVICES if gb <= gpu_gb), default=min(DEVICES))]


def forward_flops(s: Shape, work: Load) -> tuple[float, float]:
    """(decoder and head, vision tower): 2 a parameter and token, and attention (4 a width, layer, query and key; half
    where causal). The head counts for answer tokens only.
    """
    P, C = work.prompt_tokens, work.answer_tokens
    pairs = work.prompts * P * P / 2 + work.answers * (C * P + C * C / 2)
    text = 2 * s.text_parameters * work.tokens + 4 * s.hidden * s.layers * pairs
    head = 2 * s.hidden * s.vocabulary * work.answers * C
    within = (s.window // s.patch) ** 2
    seen = sum(n * (s.vision_full * n + (s.vision_layers - s.vision_full) * min(n, within)) for n in work.patches)
    vision = 2 * s.vision_parameters * work.all_patches + 4 * s.vision_hidden * work.prompts * seen
    return text + head, vision


@dataclass(frozen=True)
class Stage:
    """A stage of one seed: updates (or batches), seconds of each by part, hours in all and GPU hours."""

    name: str
    updates: int
    seconds: dict[str, float]
    gpus: int

    @property
    def hours(self) -> float:
        return self.updates * sum(self.seconds.values()) / 3600

    @property
    def gpu_hours(self) -> float:
        return self.hours * self.gpus


def stages(s: Shape, profile: Profile, way: str, gpus: int, on: Device, mfu: float) -> list[Stage]:
    """SFT, one GRPO run, and the evaluation of one policy: every row of the test set in each decoding that is done, all
    of them as long as a pairing question's.

    Training: FLOPs / (GPUs x peak x utilisation), where an update takes 3 forward passes' worth, 4 with checkpointing
    (LoRA 2 and 3: no gradient of the frozen weights), and GRPO one more for the reference. Sampling: a forward pass
    over the prompts, then as many steps as the longest answer has tokens, each the longest of reading the bf16 weights
    and the KV cache, computing, and the loop's own overhead. Communication between GPUs is left out.
    """
    passes = (2 if way == "lora" else 3) + profile.gradient_checkpointing
    rate = on.flops * mfu
    limit = profile.max_completion_length

    def update(stage: str) -> float:
        text, vision = forward_flops(s, load(profile, stage, gpus, whole=True, mean=True))
        if profile.freeze_vision or way == "lora":  # no gradient enters it; GRPO keeps what sampling made of it
            return (passes * text + (0 if stage == "grpo" and profile.freeze_vision else vision)) / rate
        return passes * (text + vision) / rate

    def decoding(work: Load) -> dict[str, float]:
        slots = limit / 2 if on is CPU else limit  # a GPU reads all of an answer's, those to come as well
        cached = s.kv_bytes * (work.prompts * work.prompt_tokens + work.answers * slots)
        active = s.text_parameters + s.vocabulary * s.hidden
        read = (2 * active + cached) / on.bandwidth
        step = max(read, 2 * active * work.answers / rate, on.least_ms(way) * s.layers / 1000)
        return {"prompts": sum(forward_flops(s, replace(work, answer_tokens=0.0))) / rate, "decoding": limit * step}

    rl = load(profile, "grpo", gpus, whole=True, mean=True)
    grpo = decoding(rl) | {"training": update("grpo")}
    if profile.beta:
        text, vision = forward_flops(s, rl)
        grpo["reference"] = (text if profile.freeze_vision else text + vision) / rate
    answers = profile.n_test_sites * decodings(profile)
    batches = math.ceil(answers / (profile.evaluated_at_once * gpus))
    return [
        Stage("sft", profile.sft_steps, {"training": update("sft")}, gpus),
        Stage("grpo", profile.rl_steps, grpo, gpus),
        Stage("evaluation", batches, decoding(replace(rl, prompts=profile.evaluated_at_once, group=1)), gpus),
    ]


# --- disk ------------------------------------------------------------------------------------------------------------


def download(s: Shape, profile: Profile) -> dict[str, float]:
    """GB to fetch: the weights in bf16, and pairs; none for the synthetic world, whose model is in the package, nor for
    a dry run, which makes its own. all pairs: of CV-Cities, whose archives come whole; else those that are used."""
    if profile.source == "world" or profile.model == DRY_BASE:
        return {"weights": 0.0, "pairs used": 0.0}
    used = profile.n_train_sites + profile.n_validation_sites + profile.n_test_sites
    found = {"weights": 2 * s.parameters / GB, "pairs used": used * ASSUMPTIONS["pair_mb"] / 1000}
    if profile.source == "cv-cities":
        from georeplicate.pairs.cvcities import CITIES

        found["all pairs"] = sum(count for *_, count in CITIES.values()) * ASSUMPTIONS["pair_mb"] / 1000
    return found


def checkpoint_gb(s: Shape, profile: Profile, way: str = "ddp") -> float:
    """Of one checkpoint to go on from: weights and both moments in fp32 (LoRA: of the adapters)."""
    frozen = s.vision_parameters if profile.freeze_vision else 0
    if way == "lora":
        return 12 * s.adapter_parameters(profile.lora_rank) / GB
    return (4 * s.parameters + 8 * (s.parameters - frozen)) / GB


def disk(s: Shape, profile: Profile, way: str) -> dict[str, float]:
    """GB on disk at the most. data: archives, which are kept, and what is unpacked of them. model: what is fetched of
    it. runs: the policies of Table 2 (SFT, Zero and R1 of each seed), in fp32 where they are saved so, and while one is
    trained three checkpoints: two are kept, and the next is written before the oldest goes."""
    fetched = download(s, profile)
    policy = (2 if way in ("lora", "zero2", "zero3") else 4) * s.parameters / GB
    return {
        "data": 2 * fetched.get("all pairs", fetched["pairs used"]),
        "model": fetched["weights"],
        "runs": 3 * len(profile.seeds) * policy + 3 * checkpoint_gb(s, profile, way),
    }


def host_gb(s: Shape, way: str, gpus: int) -> float:
    """GB of a machine's own memory while training starts: where weights lie in shares each process first reads all of
    them in fp32, and GRPO its reference too. 0 for the other ways, which load onto the GPUs."""
    if way not in ("fsdp2", "zero3"):
        return 0.0
    return gpus * 2 * 4 * s.parameters / GB


# --- this machine ----------------------------------------------------------------------------------------------------


def homes(profile: Profile, root: Path | None) -> dict[str, Path]:
    """Where the parts of `disk` lie. root: the folder of the data (None: data/SOURCE in the checkout)."""
    hub = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    return {"data": root or files.CHECKOUT / "data" / profile.source, "model": hub, "runs": files.WORK}


def checks(
    needs: Mapping[str, float], at: Mapping[str, Path], gpus: int, gpu_gb: float, host: float = 0.0
) -> list[str]:
    """One sentence each about disks, memory, GPUs and driver, versions of packages, and the hub's token (its value is
    not read). needs: GB of each part; at: its folder, which need not be there yet. host: GB of the machine's memory."""
    lines = [*_disks(needs, at), *([_host(host)] if host else []), _gpus(gpus, gpu_gb)]
    if why := here.trouble():
        lines.append(f"GPUs: {why}")
    versions = [f"{name} {_version(name)}" for name in ("torch", "transformers", "trl", "peft", "deepspeed")]
    lines.append(f"versions: {', '.join(versions)} (deepspeed is for ZeRO only: pip install '.[gpu]')")
    token = os.environ.get("HF_TOKEN") or (at["model"] / "token").is_file()
    lines.append(f"hub: {'a token is set' if token else 'no token is set'}; Qwen2.5-VL is not gated and needs none")
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        lines.append("hub: HF_HUB_OFFLINE is set, so nothing will be fetched; unset it to download")
    return lines


_ELSEWHERE = {"data": "the data with --root", "model": "the model with HF_HOME", "runs": "the runs with the checkout"}


def _disks(needs: Mapping[str, float], at: Mapping[str, Path]) -> list[str]:
    """A sentence for each disk: what goes onto it, and whether there is room."""
    together: dict[int, list[str]] = {}
    there = {name: _there(at[name].absolute()) for name in needs}
    for name in needs:
        together.setdefault(_disk_of(there[name]), []).append(name)
    lines = []
    for names in together.values():
        free, need = shutil.disk_usage(there[names[0]]).free / GB, sum(needs[name] for name in names)
        where = ", ".join(f"{name} {needs[name]:.0f} GB in {at[name]}" for name in names)
        verdict = "enough"
        if free < need:
            moved = ", ".join(_ELSEWHERE[name] for name in names)
            verdict = f"too little, unless some of it is there already: free some, or move to a larger disk {moved}"
        lines.append(f"disk: {free:.0f} GB are free, {need:.0f} are needed ({where}), which is {verdict}")
    return lines


def _there(path: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _disk_of(folder: Path) -> int:
    return folder.stat().st_dev


def _host(need: float) -> str:
    """The machine's memory, all of it: what else needs some is not known."""
    has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GB
    verdict = "enough" if has >= need else "too little: take fewer GPUs a machine, or another way"
    return f"memory of the machine: {has:.0f} GB, {need:.0f} are needed while weights are read, which is {verdict}"


def _gpus(count: int, gpu_gb: float) -> str:
    try:
        found = here.cards()
    except OSError as error:
        return f"GPUs: {error}"
    if found is None:
        return "GPUs: none here (nvidia-smi is not installed); the plan is for another machine"
    if not found:
        return "GPUs: nvidia-smi lists none; the plan is for another machine"
    least = min(card.gb for card in found)
    enough = len(found) >= count and least >= 0.97 * gpu_gb  # an 80 GB card reports 79.6 GiB
    verdict = "as planned" if enough else f"less than the {count} x {gpu_gb:g} GB of the plan"
    return f"GPUs: {len(found)} x {found[0].name} with {least:.0f} GB, driver {found[0].driver}, {verdict}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


# --- printing --------------------------------------------------------------------------------------------------------


def plan(
    profile: Profile, *, gpus: int, gpu_gb: float, rate: float = 2.5, mfu: float = 0.35, root: Path | None = None
) -> dict[str, Any]:
    """Everything that is printed, as JSON has it. rate: money for a GPU hour; mfu: model-FLOPs utilisation, 0..1; root:
    where the data lie or will lie.

    ValueError where a number makes no sense, the model is unknown, the work does not divide among the GPUs, or the
    synthetic world is given a folder.
    """
    if profile.source == "world" and root is not None:
        raise ValueError(f"profile {profile.name} is of the synthetic world, which has no folder: leave --root out")
    if gpus < 1 or not 0 < gpu_gb < math.inf or not 0 <= rate < math.inf or not 0 < mfu <= 1:
        raise ValueError(
            f"a plan needs --gpus from 1, --gpu-gb above 0, --rate from 0 and --mfu in 0..1; got {gpus}, {gpu_gb:g}, "
            f"{rate:g}, {mfu:g}"
        )
    s = shape(profile.model)
    on = device(profile, gpu_gb)
    ways = [way for way in WAYS if gpus > 1 or way in ("ddp", "lora")]
    other = replace(profile, gradient_checkpointing=not profile.gradient_checkpointing)
    parts = {
        way: {stage: [memory(s, one, stage, way, gpus) for one in (profile, other)] for stage in STAGES} for way in ways
    }
    way_taken = feasible(s, profile, gpus, gpu_gb)
    needs, host = disk(s, profile, way_taken), host_gb(s, way_taken, gpus)
    found = stages(s, profile, way_taken, gpus, on, mfu)
    price = None if profile.source == "world" else rate  # nobody rents a core of a laptop
    one = {stage.name: stage for stage in found}
    policies = 4  # base, SFT, Zero, R1
    gpu_hours = one["sft"].gpu_hours + 2 * one["grpo"].gpu_hours + policies * one["evaluation"].gpu_hours
    cards = dict.fromkeys([*CARDS, (gpus, float(gpu_gb))])
    return {
        "profile": profile.spec,
        "model": asdict(s) | {
            "parameters": s.parameters, "text": s.text_parameters, "embedding": s.embedding_parameters,
            "vision": s.vision_parameters,
        },
        "download_gb": download(s, profile),
        "disk_gb": {"checkpoint": checkpoint_gb(s, profile, way_taken), **needs, "needed": sum(needs.values())},
        "host_gb": host,
        "question": {"visual_tokens": profile.visual_tokens, "tokens": load(profile, "grpo", gpus).prompt_tokens},
        "memory_gb": {
            way: {
                stage: _in_gb(as_it_is) | {"otherwise": _otherwise(otherwise, other)}
                for stage, (as_it_is, otherwise) in of.items()
            }
            for way, of in parts.items()
        },
        "evaluation_gb": _in_gb(evaluation_memory(s, profile)),
        "fits": {
            f"{count} x {gb:g} GB": {
                **{way: fit(s, profile, way, count, gb) for way in WAYS},
                "evaluation": fit_evaluation(s, profile, gb),
            }
            for count, gb in cards
        },
        "device": asdict(on) | {"gpus": gpus, "gpu_gb": gpu_gb},
        "way": way_taken,
        "stages": {
            name: {"updates": stage.updates, "seconds": stage.seconds, "hours": stage.hours,
                   "gpu_hours": stage.gpu_hours, "money": None if price is None else stage.gpu_hours * price}
            for name, stage in one.items()
        },
        "table2": {"seeds": len(profile.seeds), "gpu_hours": gpu_hours * len(profile.seeds),
                   "money": None if price is None else gpu_hours * len(profile.seeds) * price},
        "assumptions": assumptions(profile, on, rate, mfu),
        "checks": checks(needs, homes(profile, root), gpus, gpu_gb, host),
    }  # fmt: skip


_PARTS = ("held", "training", "rollout")


def _in_gb(found: Memory) -> dict[str, Any]:
    parts = {part: {name: n / GB for name, n in getattr(found, part).items()} for part in _PARTS}
    return parts | {"peak": found.peak / GB}


def _otherwise(found: Memory, profile: Profile) -> dict[str, Any]:
    """What changes where gradient checkpointing is not as the profile has it, but as this one has."""
    changed = {name: found.training[name] / GB for name in ("activations", "vision")}
    return {"gradient_checkpointing": profile.gradient_checkpointing, **changed, "peak": found.peak / GB}


def assumptions(profile: Profile, on: Device, rate: float, mfu: float) -> list[str]:
    """Everything taken for granted, a sentence each."""
    a = ASSUMPTIONS
    prefix = "world_" if profile.source == "world" else ""
    text, record = a[f"{prefix}text_tokens"], min(a[f"{prefix}record_tokens"], profile.max_completion_length)
    kept = "two checkpoints are kept, and a third while it is written"
    return [
        f"utilisation {mfu:.0%} of {on.name}'s published peak of {on.flops / 1e12:g} TFLOP/s and, for decoding, all of "
        f"its {on.bandwidth / 1e12:g} TB/s; communication between GPUs takes no time",
        f"a decoding step costs at least {on.step_ms:g} ms a layer in a Python loop"
        + (f" and {on.recorded_ms:g} recorded, where weights are whole" if on.recorded_ms else "")
        + " (a server such as vLLM: less)",
        f"answers have {a['mean_answer']:.0%} of the limit of {profile.max_completion_length} tokens on average, and "
        "the longest of a batch reaches it; memory is for answers that all reach it",
        f"a question has {text:g} tokens of text, a record of SFT {record:g} tokens of answer",
        f"LoRA has rank {profile.lora_rank} on all linear maps of the decoder",
        f"a pair of photographs takes {a['pair_mb']:g} MB (a guess), twice that with its archive, which is kept",
        f"{kept}; {a['reserve']:.0%} of a GPU's memory goes to context, fragments and buffers",
        f"evaluation answers {profile.evaluated_at_once} questions at once on each GPU (or core), with weights in "
        f"{'fp32' if _fp32(profile) else 'bf16'}, and each row in "
        f"{decodings(profile)} decodings",
        *([] if profile.source == "world" else [f"a GPU hour costs {rate:g}, in your currency (--rate)"]),
    ]


def print_plan(
    profile: Profile,
    *,
    gpus: int,
    gpu_gb: float,
    as_json: bool,
    rate: float = 2.5,
    mfu: float = 0.35,
    root: Path | None = None,
) -> int:
    """Print the plan (see `plan`), as text or as one JSON object; 0."""
    found = plan(profile, gpus=gpus, gpu_gb=gpu_gb, rate=rate, mfu=mfu, root=root)
    print(json.dumps(found, ensure_ascii=False, allow_nan=False) if as_json else "\n".join(_lines(found)))
    return 0


def _lines(p: Mapping[str, Any]) -> list[str]:
    m, where = p["model"], p["device"]
    lines = [
        f"plan of profile {p['profile']}: arithmetic on published shapes, nothing was measured (GB = 1e9 bytes)",
        "",
        f"model {m['name']}: {_count(m['parameters'])} parameters (text {_count(m['text'])}, embedding "
        f"{_count(m['embedding'])}{', tied' if m['tied'] else ''}, vision {_count(m['vision'])})",
        f"a question: {p['question']['visual_tokens']:,} visual tokens, {p['question']['tokens']:,} in all",
        "to fetch: " + ", ".join(f"{name} {gb:.1f} GB" for name, gb in p["download_gb"].items()),
        "on disk: "
        + ", ".join(f"{name} {_gb(p['disk_gb'][name])} GB" for name in ("data", "model", "runs"))
        + f" (a checkpoint {_gb(p['disk_gb']['checkpoint'])} GB), in all {_gb(p['disk_gb']['needed'])} GB",
        *([f"memory of the machine while weights are read: {_gb(p['host_gb'])} GB"] if p["host_gb"] else []),
        "",
        f"memory of each of {where['gpus']} GPU{'s' if where['gpus'] > 1 else ''}, GB",
    ]
    for way, of in p["memory_gb"].items():
        lines.append(f"  {way}: {WAYS[way]}")
        for stage, parts in of.items():
            for part in _PARTS:
                if parts[part]:
                    listed = ", ".join(f"{name} {_gb(gb)}" for name, gb in parts[part].items())
                    lines.append(f"    {stage:<5}{part:<9}{_gb(sum(parts[part].values())):>7}  {listed}")
            other = parts["otherwise"]
            with_it = "with" if other["gradient_checkpointing"] else "without"
            lines.append(
                f"    {stage:<5}{'peak':<9}{_gb(parts['peak']):>7}  {with_it} gradient checkpointing "
                f"{_gb(other['peak'])}: activations {_gb(other['activations'])}, vision {_gb(other['vision'])}"
            )
    parts = p["evaluation_gb"]
    listed = ", ".join(f"{name} {_gb(gb)}" for part in _PARTS for name, gb in parts[part].items())
    lines.append(f"  evaluation, one policy on each GPU  {_gb(parts['peak'])}  {listed}")
    lines += ["", "what fits"]
    for card, ways in p["fits"].items():
        lines += [f"  {card}", *(f"    {way:<12}{line}" for way, line in ways.items())]
    unit = "core" if where["name"] == CPU.name else "GPU"
    lines += ["", f"time on {where['gpus']} x {where['name']} by {p['way']}, one seed"]
    for name, stage in p["stages"].items():
        each = ", ".join(f"{part} {seconds:.3g} s" for part, seconds in stage["seconds"].items())
        lines.append(
            f"  {name:<11}{stage['updates']:>5} x ({each}) = {stage['hours']:.3g} h, "
            f"{stage['gpu_hours']:.3g} {unit} hours" + _money(stage["money"])
        )
    table = p["table2"]
    lines.append(
        f"  Table 2 (SFT, GRPO twice, four policies evaluated), {table['seeds']} seed"
        f"{'s' if table['seeds'] > 1 else ''}: {table['gpu_hours']:.3g} {unit} hours{_money(table['money'])}"
    )
    lines += ["", "assumptions", *(f"  {line}" for line in p["assumptions"])]
    return lines + ["", "this machine", *(f"  {line}" for line in p["checks"])]


def _money(money: float | None) -> str:
    return "" if money is None else f", money {money:,.0f}" if money >= 10 else f", money {money:.2f}"


def _count(n: int) -> str:
    return f"{n / 1e9:.3f} B" if n >= 1e8 else f"{n / 1e6:.3f} M"


def _gb(gb: float) -> str:
    return f"{gb:.1f}" if gb >= 10 else f"{gb:.2f}" if gb >= 0.1 else f"{gb:.4f}"
