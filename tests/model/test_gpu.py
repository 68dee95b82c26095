"""The shared-prefix kernel on a GPU: FlashAttention on packed sequences, recorded steps, training."""

import pandas as pd
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from test_prefix import GROUPS, distance, run, tokens_of
from toy import change_kernel, kernel, questions, tiny_policy

from georeplicate.model import shared_prefix
from georeplicate.training import common, grpo

if not torch.cuda.is_available():
    pytest.skip("wants a GPU", allow_module_level=True)


@pytest.fixture(scope="module", params=[4, 2], ids=["a key for each head", "shared keys"])
def policy(request):
    made = tiny_policy()
    made.model.config.text_config.num_key_value_heads = request.param
    torch.manual_seed(1)
    made.model = type(made.model)(made.model.config).eval()
    with torch.no_grad():
        for weight in made.model.parameters():
            if weight.ndim > 1:
                weight.mul_(5)
    made.model.to("cuda")
    return made


def in_16_bits(function):
    def computed(model, prompts, completions):
        with common.autocast(True):
            return function(model, prompts, completions)

    return computed


@pytest.mark.parametrize("lengths", GROUPS.values(), ids=GROUPS.keys())
def test_in_fp32_logprobs_and_all_gradients_equal_the_naive_twin(policy, lengths, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # convolutions round to ten bits by default
    prompts, completions = policy.encode(questions(2)), tokens_of(policy, lengths)
    naive = run(shared_prefix.logprobs_repeated, policy, prompts, completions)
    assert naive[0].device.type == "cuda" and naive[0][naive[0] != 0].std() > 0.3
    assert distance(run(shared_prefix.logprobs, policy, prompts, completions), naive) <= 1e-4


@pytest.mark.parametrize("lengths", [*GROUPS.values(), [[300, 170, 200]]], ids=[*GROUPS.keys(), "long"])
def test_in_16_bits_it_is_as_near_to_fp32_as_the_naive_twin(policy, lengths, monkeypatch):
    prompts, completions = policy.encode(questions(len(lengths))), tokens_of(policy, lengths)
    exact = run(shared_prefix.logprobs_repeated, policy, prompts, completions)
    naive = run(in_16_bits(shared_prefix.logprobs_repeated), policy, prompts, completions)
    calls, packed = [], kernel("packed")
    change_kernel(monkeypatch, "packed", lambda *given: calls.append(1) or packed(*given))
    ours = run(in_16_bits(shared_prefix.logprobs), policy, prompts, completions)
    assert len(calls) == 2  # layers
    near, nearest = distance(ours, exact), distance(naive, exact)
    print(f"distance from fp32: {near:.4f}, of the naive twin {nearest:.4f}")
    assert near <= 1.5 * nearest < 0.3


def test_packed_attention_is_that_of_the_formula():
    """Against attention in fp64 over the keys that each token may see."""
    generator = torch.Generator("cuda").manual_seed(0)
    prompts, groups, h, kv, d = [5, 33], [[3, 70], [1, 0]], 4, 2, 64
    layout = kernel("Packed")(prompts, groups, torch.device("cuda"))
    lengths = [n for group in groups for n in group]

    def drawn(tokens, heads):
        made = torch.randn(tokens, heads, d, generator=generator, device="cuda").bfloat16()
        return made.requires_grad_()

    q, k, v = (drawn(sum(lengths), n) for n in (h, kv, kv))
    pk, pv = (drawn(sum(prompts), kv) for _ in range(2))
    ours = kernel("packed")(q, k, v, pk, pv, layout.ends, layout.longest, d**-0.5)
    expected, start = [], 0
    for number, n in enumerate(lengths):
        i = number // 2
        before = slice(sum(prompts[:i]), sum(prompts[: i + 1]))
        keys, values = (
            torch.cat([p[before], own[start : start + n]]).double().repeat_interleave(h // kv, 1)
            for p, own in ((pk, k), (pv, v))
        )
        scores = torch.einsum("qhd,khd->hqk", q[start : start + n].double(), keys) * d**-0.5
        hidden = torch.ones(n, prompts[i] + n, dtype=torch.bool, device="cuda").triu(prompts[i] + 1)
        weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        expected.append(torch.einsum("hqk,khd->qhd", weights, values))
        start += n
    expected = torch.cat(expected)
    assert (ours - expected).norm() / expected.norm() < 6e-3
    back = torch.randn_like(expected)
    inputs = (q, k, v, pk, pv)
    found = torch.autograd.grad(ours, inputs, back.bfloat16())
    for one, other in zip(found, torch.autograd.grad(expected, inputs, back), strict=True):
        assert (one.double() - other.double()).norm() / other.double().norm() < 1e-2


def test_completions_are_those_of_a_cpu(policy):
    rows, options = questions(2), dict(num_generations=4, max_new_tokens=20, seeds=[(1, 0), (1, 1)])
    here = policy.generate(rows, **options).ids
    policy.model.to("cpu")
    there = policy.generate(rows, **options).ids
    policy.model.to("cuda")
    assert here == there


def test_adapters_are_sampled_with(policy):
    made = tiny_policy(sharpen=2.0)
    inject_adapter_in_model(LoraConfig(target_modules=["q_proj"], init_lora_weights=False), made.model)
    options = dict(num_generations=4, max_new_tokens=20, seeds=[(1, 0), (1, 1)])
    there = made.generate(questions(2), **options).ids
    made.model.to("cuda")
    assert made.generate(questions(2), **options).ids == there


@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_in_16_bits_follows_training_in_fp32(tmp_path, checkpointing):
    tiny_policy(sharpen=2.0).save(tmp_path / "start")
    options = dict(max_new_tokens=12, steps=3, seed=0, learning_rate=1e-3, prompts_per_step=2, num_generations=4)
    logs = []
    for bf16 in (False, True):
        out = tmp_path / str(bf16)
        grpo.train(
            tmp_path / "start", questions(4), lambda text, row, n: len(set(text.split())) / 10, out,
            bf16=bf16, gradient_checkpointing=checkpointing, **options,
        )  # fmt: skip
        logs.append(pd.read_csv(out / "log.csv"))
    exact, rough = logs
    assert (exact.grad_norm > 0).all() and rough.notna().all(axis=None)
    assert rough.reward[0] == pytest.approx(exact.reward[0], rel=0.2)
    assert rough.grad_norm[0] == pytest.approx(exact.grad_norm[0], rel=0.3)
