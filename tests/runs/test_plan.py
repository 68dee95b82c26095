"""The plan against the model classes themselves, against memory counted in the mini base, and against arithmetic done
again here from the published configs."""

import json
import math
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.distributed._tools.mem_tracker import MemTracker
from toy import change_kernel, tiny_policy
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from georeplicate import files
from georeplicate.__main__ import main
from georeplicate.mini import layouts
from georeplicate.model import head, policy, shared_prefix
from georeplicate.model.shared_prefix import generation
from georeplicate.profiles import Profile
from georeplicate.runs import gpus, plan, recipes
from georeplicate.training import common

B3, B7 = "Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"
VISION = dict(depth=32, hidden_size=1280, num_heads=16, intermediate_size=3420, patch_size=14, spatial_merge_size=2,
              temporal_patch_size=2, window_size=112, fullatt_block_indexes=[7, 15, 23, 31])  # fmt: skip
TEXT = {
    B3: dict(hidden_size=2048, num_hidden_layers=36, num_attention_heads=16, num_key_value_heads=2,
             intermediate_size=11008, vocab_size=151936),
    B7: dict(hidden_size=3584, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4,
             intermediate_size=18944, vocab_size=152064),
}  # fmt: skip
IN_ONE = Profile.get("single_gpu accumulation=1 sft_accumulation=1")  # an update in one micro-batch


@pytest.fixture(scope="module")
def mini():
    found = policy.load(plan.WEIGHTS / "mini-base", dtype=torch.float32)
    found.model.requires_grad_(True)
    return found


# --- parameters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [B3, B7])
def test_parameters_are_those_of_the_model_class(name):
    width, tied = TEXT[name]["hidden_size"], name == B3
    config = Qwen2_5_VLConfig(
        text_config=TEXT[name], vision_config=VISION | {"out_hidden_size": width}, tie_word_embeddings=tied
    )
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(config)
    model.tie_weights()
    s = plan.shape(name)
    assert s.parameters == sum(p.numel() for p in model.parameters())
    assert s.vision_parameters == sum(p.numel() for p in model.get_encoder(modality="image").parameters())
    assert s.embedding_parameters == (1 if tied else 2) * model.get_input_embeddings().weight.numel()


def test_the_mini_base_has_the_parameters_and_training_state_that_are_planned(mini):
    s = plan.shape("mini-base")
    weights = list(mini.model.parameters())
    assert s.parameters == sum(p.numel() for p in weights)
    optimizer = torch.optim.AdamW(weights)
    for p in weights:
        p.grad = torch.zeros_like(p)
    optimizer.step()
    counted = sum(p.nbytes + p.grad.nbytes for p in weights)
    counted += sum(v.nbytes for state in optimizer.state.values() for v in state.values() if v.ndim)
    mini.model.zero_grad()
    found = plan.memory(s, replace(Profile.get("mini"), freeze_vision=False), "sft", "ddp", 1)
    planned = found.held["weights"] + found.held["moments"] + found.training["gradients"]
    assert planned == pytest.approx(counted, rel=0.2)
    assert planned == 16 * s.parameters


# --- activations -----------------------------------------------------------------------------------------------------


def saved_bytes(mini, *, bf16, checkpointing, freeze, prompts=2, group=8, answer=40):
    """(bytes that autograd saves of a forward pass, parameters left out; the load of it)."""
    model, rng = mini.model, np.random.default_rng(0)
    model.requires_grad_(True)
    if freeze:
        common.freeze_vision(model)
    sides = [(32, 128)] + [(48, 48)] * 5
    images = [Image.fromarray(rng.integers(0, 255, (*side, 3), dtype=np.uint8)) for side in sides]
    rows = [{"images": images, "prompt": "which tile shows the place ?"}] * prompts
    given = mini.encode(rows)
    if freeze:
        given = shared_prefix.remember_features(model, given)
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    seen, alive = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            alive.append(tensor)
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train(checkpointing)
    (model.activation_checkpointing_enable if checkpointing else model.activation_checkpointing_disable)()
    ids = [[[5] * answer] * group] * prompts
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t), common.autocast(bf16):
        shared_prefix.logprobs(model, given, ids)
    model.eval()
    model.activation_checkpointing_disable()
    patches = tuple(h * w // 64 for h, w in sides)
    return sum(seen.values()), plan.Load(prompts, group, given.lengths[0], answer, patches)


@pytest.mark.parametrize("answer", [20, 90, 200])
@pytest.mark.parametrize("freeze", [True, False])
def test_activations_are_those_that_autograd_saves(mini, freeze, answer):
    s = plan.shape("mini-base")
    counted, work = saved_bytes(mini, bf16=False, checkpointing=False, freeze=freeze, answer=answer)
    fused = answer > plan.LONG
    found = plan.activation_bytes(s, work, "fp32", checkpointing=False, vision=not freeze, fused=fused)
    logits = 4 * work.answers * work.answer_tokens * s.vocabulary  # of 8 planned, what lives on: the log-softmax
    assert sum(found.values()) + logits == pytest.approx(counted, rel=0.2)


def test_under_autocast_too_where_each_linear_map_keeps_its_own_copy(mini):
    s = plan.shape("mini-base")
    counted, work = saved_bytes(mini, bf16=True, checkpointing=False, freeze=True)
    found = plan.activation_bytes(s, work, "autocast", checkpointing=False, vision=False, fused=False)
    logits, copies = 4 * work.answers * work.answer_tokens * s.vocabulary, 2 * (s.parameters - s.vision_parameters)
    assert sum(found.values()) + logits + copies == pytest.approx(counted, rel=0.2)


def test_checkpointing_keeps_each_layers_input(mini):
    s = plan.shape("mini-base")
    counted, work = saved_bytes(mini, bf16=False, checkpointing=True, freeze=True)
    kept = s.layers * work.tokens * s.hidden * 4 + 8 * s.hidden * work.tokens
    logits = 4 * work.answers * work.answer_tokens * s.vocabulary
    assert kept + logits == pytest.approx(counted, rel=0.2)
    found = plan.activation_bytes(s, work, "fp32", checkpointing=True, vision=False, fused=False)["activations"]
    without = plan.activation_bytes(s, work, "fp32", checkpointing=False, vision=False, fused=False)["activations"]
    assert kept < found < without  # the inputs, and one layer at a time whole


# --- against what was measured ---------------------------------------------------------------------------------------


def peak_bytes(model, step) -> int:
    """The most that tensors hold while `step` runs, counted by PyTorch as they are made and freed."""
    tracker = MemTracker()
    tracker.track_external(model)
    with tracker:
        step()
    return next(iter(tracker.get_tracker_snapshot("peak").values()))["Total"]


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("few", [True, False])
def test_logits_take_what_is_counted_as_they_are_made(bf16, few, monkeypatch):
    """Of few logits the entropies are the peak, of many the backward pass: here by doing few entropies at a time."""
    made, tokens = tiny_policy(), 400
    made.model.resize_token_embeddings(16_000, mean_resizing=False)
    prompts = made.encode([{"prompt": "look at A", "images": []}])
    if not few:
        change_kernel(monkeypatch, "token_entropies", lambda logits, temperature: logits[..., 0].float())
        monkeypatch.setattr(head, "ENTROPIES", 0)

    def step():
        with common.autocast(bf16):
            scored, _ = shared_prefix.logprobs_and_entropies(made.model, prompts, [[[5] * 50] * 8])
        scored.sum().backward()

    counted = peak_bytes(made.model, step) - sum(weight.nbytes for weight in made.model.parameters())
    planned = plan.logit_bytes(tokens * 16_000, fp32=not bf16, entropies=True)
    assert planned == pytest.approx(counted, rel=0.2)


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_the_memory_of_an_update_of_the_mini_is_what_is_counted(mini, stage):
    profile = replace(Profile.get("mini"), prompts_per_update=2, group_size=4, sft_batch=4, max_completion_length=51)
    s, rng = plan.shape("mini-base"), np.random.default_rng(0)
    mini.model.zero_grad()
    common.freeze_vision(mini.model)
    work = plan.load(profile, stage, 1)
    sides = [(32, 128)] + [(64, 64)] * (len(work.patches) - 1)
    images = [Image.fromarray(rng.integers(0, 255, (*side, 3), dtype=np.uint8)) for side in sides]
    prompt = {"images": images, "prompt": "which tile shows the place ?"}
    given = shared_prefix.remember_features(mini.model, mini.encode([prompt] * work.prompts))
    ids = [[[5] * int(work.answer_tokens)] * work.group] * work.prompts

    mini.model.requires_grad_(True)  # the tracker wants it; the tower does not run

    def step():
        score = shared_prefix.logprobs_and_entropies if stage == "grpo" else lambda *a: (shared_prefix.logprobs(*a), 0)
        score(mini.model, given, ids)[0].sum().backward()

    counted = peak_bytes(mini.model, step)
    found = plan.memory(s, profile, stage, "ddp", 1)
    planned = found.held["weights"] + sum(found.training.values())
    mini.model.zero_grad()
    assert planned == pytest.approx(counted, rel=0.2)


@pytest.mark.parametrize("few", [16, 64])
def test_the_memory_of_the_prompts_of_an_evaluation_is_what_is_counted(few, monkeypatch):
    """All that is done before the first token: pictures and prompts pass through the model at once."""
    made = policy.load(plan.WEIGHTS / "mini-base", dtype=torch.float32)
    profile, s = replace(Profile.get("mini"), max_completion_length=1), plan.shape("mini-base")
    monkeypatch.setattr(Profile, "evaluated_at_once", few)
    monkeypatch.setattr(generation.FastDecoder, "of", lambda *_: "no decoder")
    monkeypatch.setattr(generation, "_decode", lambda _, logits, draws: torch.full((len(logits), 1), -1))
    sides = [profile.panorama_px] + [(profile.tile_px, profile.tile_px)] * profile.k
    images = [Image.new("RGB", (width, height)) for height, width in sides]
    given = made.encode([{"images": images, "prompt": "which tile shows the place ?"}] * few)
    counted = peak_bytes(made.model, lambda: made.generate(given, max_new_tokens=1, seeds=[(0, i) for i in range(few)]))
    found = plan.evaluation_memory(s, profile)
    planned = found.held["weights"] + found.rollout["prompts"]
    assert planned == pytest.approx(counted, rel=0.2)


def test_an_evaluation_is_planned_as_it_is_done(tmp_path):
    """Decodings as the tasks have them, as many at once as the predictor answers, and bf16 where GPUs compute in it."""
    for name in ("paper", "mini", "geographic"):
        profile = Profile.get(name)
        start = tmp_path if name == "paper" else plan.WEIGHTS / profile.model
        tasks = recipes.of(profile).tasks(profile, start, "", True, root=tmp_path)
        assert sum(len(task.decodings) for task in tasks) == plan.decodings(profile), name
    s, paper = plan.shape(B7), Profile.get("paper")
    (stage,) = (one for one in plan.stages(s, paper, "fsdp2", 8, plan.DEVICES[80.0], 0.35) if one.name == "evaluation")
    assert stage.updates == math.ceil(3 * 1000 / (16 * 8)) and paper.evaluated_at_once == 16
    found = plan.evaluation_memory(s, paper)
    assert found.held["weights"] == 2 * s.parameters
    assert found.rollout["KV cache"] == 16 * (1942 + 2048) * s.kv_bytes
    assert found.peak > plan.capacity(24) and found.peak < plan.capacity(48)
    assert plan.fit_evaluation(s, paper, 24).startswith("no: ") and "fits (" in plan.fit_evaluation(s, paper, 48)
    in_fp32 = plan.evaluation_memory(s, replace(paper, precision="fp32"))
    assert in_fp32.held["weights"] == 2 * found.held["weights"]


def test_hours_of_the_mini_are_those_of_the_committed_runs():
    """On one core of the CPU that made them. Runs of one kind differ by 30 % among themselves: their mean counts."""
    profile, seconds = Profile.get("mini"), {"sft": [], "grpo": []}
    for path in (files.RESULTS / "mini" / "runs").glob("*-s?/manifest.json"):
        found = json.loads(path.read_text())
        stage = {"sft": "sft", "zero": "grpo", "r1": "grpo"}.get(path.parent.name[:-3])
        if stage and found["training"]["machine"]["cpu"] == "AMD EPYC":
            seconds[stage].append(found["training"]["seconds"])
    planned = {
        one.name: one.hours * 3600 for one in plan.stages(plan.shape("mini-base"), profile, "ddp", 1, plan.CPU, 0.35)
    }
    assert len(seconds["sft"]) == 3 and len(seconds["grpo"]) == 6
    for stage, measured in seconds.items():
        assert planned[stage] == pytest.approx(np.mean(measured), rel=0.2), stage


# --- arithmetic again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [B3, B7])
def test_training_state_kv_cache_and_logits_again_from_the_config(name):
    t, s = TEXT[name], plan.shape(name)
    h, f, L, V = t["hidden_size"], t["intermediate_size"], t["num_hidden_layers"], t["vocab_size"]
    kv = h // t["num_attention_heads"] * t["num_key_value_heads"]
    text = L * (2 * h * h + 2 * h * kv + 3 * h * f + h + 2 * kv + 2 * h) + h
    n = text + V * h * (1 if name == B3 else 2) + s.vision_parameters
    profile = IN_ONE if name == B3 else Profile.get("paper")
    C = profile.max_completion_length
    found = plan.memory(s, profile, "grpo", "ddp", 1)
    state = found.held["weights"] + found.held["moments"] + found.training["gradients"]
    assert state == pytest.approx(16 * n, rel=1e-9)
    assert found.held["reference"] == pytest.approx(4 * n, rel=1e-9)
    zero2 = plan.memory(s, profile, "grpo", "zero2", 8)
    kept = sum(zero2.held.values()) - zero2.held["buckets"] + zero2.training["gradients"]
    assert kept == pytest.approx((2 + (4 + 8 + 2) / 8 + 2) * n, rel=1e-9)
    for way, each in {"fsdp2": 4 + 8 + 4 + 4, "zero3": 2 + 4 + 8 + 2 + 2}.items():
        sharded = plan.memory(s, profile, "grpo", way, 8)
        parts = {name: size for name, size in sharded.held.items() if name not in ("layers in use", "buckets")}
        assert sum(parts.values()) + sharded.training["gradients"] == pytest.approx(each * n / 8, rel=1e-9)
        assert sharded.rollout["gathered weights"] == 2 * n
    visual = 16 * 32 + 5 * 16 * 16  # 448 x 896 and five 448 x 448 in squares of 28
    assert profile.visual_tokens == visual == 1792
    tokens = 8 * (visual + 150) + 64 * C
    assert found.rollout["KV cache"] == pytest.approx(2 * 2 * kv * L * tokens, rel=1e-9)
    assert found.training["logits"] == pytest.approx(12 * 2048 * V, rel=1e-9) and 64 * C > 2048
    lora = plan.memory(s, profile, "grpo", "lora", 1)
    adapters = 16 * L * (4 * h + 2 * (h + kv) + 3 * (h + f))
    assert sum(lora.held.values()) + lora.training["gradients"] == pytest.approx(2 * n + 16 * adapters, rel=1e-9)
    assert plan.checkpoint_gb(s, profile) == pytest.approx(12 * n / 1e9)


def test_a_recorded_step_costs_what_was_measured_on_a_gpu():
    table = pd.read_csv(files.RESULTS / "bench" / "single_gpu.csv").query("way == 'ddp' and step > 1")
    s, profile = plan.shape(B3), IN_ONE
    seconds = plan.stages(s, profile, "ddp", 1, plan.DEVICES[80.0], 0.35)[1].seconds
    assert seconds["prompts"] + seconds["decoding"] == pytest.approx(table.seconds_generation.mean(), rel=0.2)
    in_shares = plan.stages(s, profile, "fsdp2", 1, plan.DEVICES[80.0], 0.35)[1].seconds
    assert in_shares["decoding"] > 1.9 * seconds["decoding"]


def test_seconds_of_training_are_flops_over_peak_and_utilisation():
    s, profile = plan.shape(B7), Profile.get("paper")
    on = plan.Device("made up", 1e15, 1e12, 0.5)
    half, full = (plan.stages(s, profile, "ddp", 8, on, mfu)[1].seconds["training"] for mfu in (0.25, 0.5))
    assert half == pytest.approx(2 * full)
    tokens = 1942 + 8 * 0.3 * 2048  # one prompt a GPU, and its answers
    least = 4 * (2 * s.text_parameters * tokens + 2 * s.vision_parameters * 4 * 1792) / 0.5e15
    assert least < full < 1.4 * least  # attention and the head come on top
    decoding = plan.stages(s, profile, "ddp", 8, on, 0.5)[1].seconds["decoding"]
    assert decoding == pytest.approx(2048 * max(28 * 0.5e-3, _read_s(s)), rel=1e-9)


def _read_s(s):
    cache = 2 * 2 * s.kv * s.layers * (1942 + 8 * 2048)  # all of an answer's slots are read
    return (2 * (s.text_parameters + s.vocabulary * s.hidden) + cache) / 1e12


def test_more_gpus_never_need_more_memory_each():
    s, profile = plan.shape(B3), IN_ONE
    for way in plan.WAYS:
        peaks = [plan.largest(s, profile, way, gpus).peak for gpus in (1, 2, 4, 8)]
        assert peaks == sorted(peaks, reverse=True)


# --- what fits -------------------------------------------------------------------------------------------------------


def test_what_fits_says_with_which_changes_and_these_suffice():
    s, shipped = plan.shape(B3), Profile.get("single_gpu")
    profile = IN_ONE
    said = plan.fit(s, profile, "lora", 1, 24)
    assert said.startswith("fits with --set accumulation=8 --set sft_accumulation=32 (")
    assert plan.largest(s, profile, "lora", 1).peak > plan.capacity(24)
    given = said.removeprefix("fits with ").partition(" (")[0].split("--set ")[1:]
    changed = profile.changed(given)  # what is printed can be typed
    assert changed == shipped and plan.largest(s, changed, "lora", 1).peak <= plan.capacity(24)
    # several GPUs share an update among them, and what does not divide is told what does
    assert plan.fit(s, shipped, "ddp", 8, 141).startswith(
        "fits with --set accumulation=1 --set sft_accumulation=4 (92.7"
    )
    assert "do not divide into 96 parts" in plan.fit(s, shipped, "ddp", 3, 141)


def test_what_does_not_fit_says_how_much_and_what_to_take_instead():
    s, profile = plan.shape(B7), Profile.get("paper")
    assert "take zero2 or fsdp2 or zero3 or lora" in plan.fit(s, profile, "ddp", 8, 80)
    assert plan.fit(s, profile, "ddp", 1, 16).endswith("more GPUs, larger ones, or a smaller model")
    assert plan.fit(s, profile, "fsdp2", 1, 80) == "needs more than one GPU"
    assert plan.fit(s, profile, "fsdp2", 8, 80).startswith("fits (")
    assert plan.feasible(s, profile, 8, 80) == "fsdp2" and plan.feasible(s, profile, 1, 80) == "lora"
    assert math.isinf(plan.least_bytes(s, profile, "zero2", 1))


# --- the command -----------------------------------------------------------------------------------------------------


def test_everything_assumed_is_printed_and_nothing_is_called_measured(capsys):
    assert main(["plan", "--profile", "paper", "--rate", "3.25", "--mfu", "0.4"]) == 0
    said = capsys.readouterr().out
    assert "nothing was measured" in said and "8.292 B parameters" in said
    for assumed in ("3.25", "40%", "2.3 MB", "rank 16", "0.8 ms a layer", "150 tokens", "30% of the limit"):
        assert assumed in said.partition("assumptions")[2]
    for line in ("disk: ", "GPUs: ", "versions: torch ", "hub: "):
        assert line in said.partition("this machine")[2]


def test_json_is_one_object_with_the_same_numbers(capsys):
    assert main(["plan", "--profile", "single_gpu", "--gpus", "1", "--gpu-gb", "24", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["parameters"] == plan.shape(B3).parameters
    assert set(found["fits"]) == {"1 x 24 GB", "1 x 48 GB", "1 x 80 GB", "8 x 80 GB"}
    assert found["stages"]["grpo"]["money"] == pytest.approx(2.5 * found["stages"]["grpo"]["gpu_hours"])
    assert found["way"] == "lora"


def test_memory_is_shown_with_and_without_gradient_checkpointing(capsys):
    s, profile = plan.shape(B7), Profile.get("paper")
    found = plan.plan(profile, gpus=8, gpu_gb=80)["memory_gb"]["fsdp2"]["grpo"]
    without = plan.memory(s, replace(profile, gradient_checkpointing=False), "grpo", "fsdp2", 8)
    other = found["otherwise"]
    assert profile.gradient_checkpointing and not other["gradient_checkpointing"]
    assert other["peak"] == pytest.approx(without.peak / 1e9) and other["peak"] > found["peak"]
    assert other["activations"] > 5 * found["training"]["activations"]
    assert main(["plan", "--profile", "paper"]) == 0
    assert f"without gradient checkpointing {other['peak']:.1f}: activations" in capsys.readouterr().out


def test_the_shape_of_the_dry_run_is_that_of_its_model(tmp_path):
    made = plan.shape(str(layouts.qwen2_5_vl(tmp_path / "made")))
    assert replace(made, name="") == replace(plan.shape("dry-base"), name="")


@pytest.mark.parametrize("profile", Profile.names)
def test_every_profile_has_a_plan(profile):
    found = plan.plan(Profile.get(profile), gpus=1, gpu_gb=80)
    assert found["stages"]["grpo"]["hours"] > 0 and found["memory_gb"]["ddp"]["grpo"]["peak"] > 0


def test_refusals_are_one_sentence(capsys, tmp_path):
    with pytest.raises(ValueError, match="shape of 'Qwen/Qwen9-VL' is not known"):
        plan.shape("Qwen/Qwen9-VL")
    (tmp_path / "config.json").write_text('{"hidden_size": 8}')
    with pytest.raises(ValueError, match=r"config\.json is not the config of a Qwen2\.5-VL model"):
        plan.shape(str(tmp_path))
    assert main(["plan", "--gpus", "3"]) == 1
    assert "do not divide into 3 parts" in capsys.readouterr().err
    assert main(["plan", "--mfu", "0"]) == 1
    assert "--mfu in 0..1" in capsys.readouterr().err


def checks(**needs):
    return plan.checks(needs, plan.homes(Profile.get("paper"), None), 1, 80)


def test_each_disk_is_named_with_what_goes_onto_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "not" / "yet"))
    profile = Profile.get("paper")
    at = plan.homes(profile, tmp_path / "photographs")
    assert at == {"data": tmp_path / "photographs", "model": tmp_path / "not" / "yet", "runs": files.WORK}
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda path: SimpleNamespace(free=100e9))
    monkeypatch.setattr(plan, "_disk_of", lambda folder: 1 if folder == tmp_path else 2)
    two = plan._disks({"data": 60.0, "model": 20.0, "runs": 101.0}, at)
    assert len(two) == 2
    where = f"data 60 GB in {at['data']}, model 20 GB in {at['model']}"
    assert two[0] == f"disk: 100 GB are free, 80 are needed ({where}), which is enough"
    assert "runs 101 GB" in two[1] and "which is too little" in two[1] and "the runs with the checkout" in two[1]
    assert "--root" not in two[1]


def test_disk_and_host_memory_again_from_the_parameters():
    """All archives that the first command fetches and what is unpacked; policies in fp32; a third checkpoint."""
    s, profile = plan.shape(B7), Profile.get("paper")
    every = plan.download(s, profile)["all pairs"]
    assert every > 20 * plan.download(s, profile)["pairs used"] / 2
    found = plan.disk(s, profile, "fsdp2")
    assert found["data"] == 2 * every and found["model"] == pytest.approx(2 * s.parameters / 1e9)
    assert found["runs"] == pytest.approx((3 * 4 + 3 * 12) * s.parameters / 1e9)
    assert plan.disk(s, profile, "zero3")["runs"] == pytest.approx((3 * 2 + 3 * 12) * s.parameters / 1e9)
    assert plan.host_gb(s, "fsdp2", 8) == pytest.approx(8 * 8 * s.parameters / 1e9)
    assert plan.host_gb(s, "lora", 8) == plan.host_gb(s, "zero2", 8) == 0
    assert "too little: take fewer GPUs" in plan._host(1e9) and "which is enough" in plan._host(1e-9)
    dry = Profile.get("paper-dry")
    assert plan.disk(plan.shape(dry.model), dry, "ddp")["data"] == 0


def test_the_folder_of_the_data_is_looked_at(capsys, tmp_path):
    assert main(["plan", "--profile", "paper", "--root", str(tmp_path / "pairs")]) == 0
    assert f"GB in {tmp_path / 'pairs'}" in capsys.readouterr().out
    assert main(["plan", "--profile", "mini", "--gpus", "1", "--root", str(tmp_path)]) == 1
    assert "leave --root out" in capsys.readouterr().err


def test_this_machine_is_looked_at_without_reading_a_token(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert any("no token is set" in line for line in checks())
    (tmp_path / "token").write_text("made up")
    assert any(": a token is set" in line for line in checks())
    assert "made up" not in " ".join(checks())
    nvidia_smi(tmp_path, monkeypatch, "echo 'NVIDIA X, 81559, 555.42'")
    assert plan._gpus(1, 80) == "GPUs: 1 x NVIDIA X with 80 GB, driver 555.42, as planned"
    assert "less than the 8 x 80 GB" in plan._gpus(8, 80)


def nvidia_smi(folder, monkeypatch, command):
    """A made-up nvidia-smi that does what the shell is told."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{command}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    "build, cuda, driver, said",
    [
        (
            "2.13.0+cpu",
            None,
            "580.95",
            "X is here, but PyTorch .* is a build for CPUs: .*force-reinstall torch==2.13.0",
        ),
        (
            "2.13.0+cu130",
            "13.0",
            "570.86.15",
            "driver 570.86.15 is too old for the CUDA 13.0 .* 580.65 or newer: update",
        ),
        ("2.13.0+cu130", "13.0", "580.65.06", "X is here, but PyTorch .* sees no GPU: CUDA_VISIBLE_DEVICES is ''"),
        ("2.7.0", "12.8", "520.1", "driver 520.1 is too old for the CUDA 12.8"),
    ],
)
def test_a_gpu_that_pytorch_cannot_use_is_said_with_the_remedy(build, cuda, driver, said, tmp_path, monkeypatch):
    nvidia_smi(tmp_path, monkeypatch, f"echo 'NVIDIA X, 81559, {driver}'")
    monkeypatch.setattr(torch, "__version__", build)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (line,) = [line for line in checks() if "PyTorch" in line]
    assert re.search(said, line)
    profile = replace(Profile.get("paper"), model=str(tmp_path))
    wanted = recipes.of(profile).missing(profile, tmp_path)
    assert any(re.search(said, clause) for clause in wanted)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    nvidia_smi(tmp_path, monkeypatch, "echo 'NVIDIA X, 81559, 580.95'")
    assert gpus.trouble() == ""


def test_a_driver_that_does_not_answer_is_said(tmp_path, monkeypatch):
    nvidia_smi(tmp_path, monkeypatch, "exit 9")
    assert gpus.trouble() == "nvidia-smi is there and does not answer; look after the driver"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert gpus.trouble() == "" and gpus.cards() is None
