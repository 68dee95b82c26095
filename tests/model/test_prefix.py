"""The shared-prefix kernel equals plain repeated calls of the model, in values and in all gradients."""

import logging
import re
import types

import numpy as np
import pytest
import torch
import transformers
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from toy import TEXT, change_kernel, internvl_policy, kernel, llava_policy, questions, tiny_policy
from transformers import generation

from georeplicate.model import head, shared_prefix

GROUPS = {
    "ragged, two prompts": [[3, 1, 6], [5, 2, 2]],
    "groups of unequal size": [[4, 2], [7]],
    "one completion each": [[4], [6]],
    "an empty completion": [[0, 4], [3, 5]],
    "equal lengths": [[4, 4], [4, 4]],
}


@pytest.fixture(scope="module")
def policy():
    made = tiny_policy(sharpen=6.0)
    with torch.no_grad():
        made.model.lm_head.weight.mul_(5)
        for name, weight in made.model.named_parameters():
            if name.endswith("bias"):  # zero at initialisation, which would hide them from the comparison
                weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(len(name)))
    return made


def tokens_of(policy, lengths, seed=0):
    rng = np.random.default_rng(seed)
    choice = [i for i in range(len(policy.tokenizer)) if i not in policy.suppressed]
    return [[rng.choice(choice, n).tolist() for n in group] for group in lengths]


def run(function, policy, prompts, completions):
    """Logprobs and the gradients of a weighted sum of them (weights differ, so that no token can stand for another)."""
    policy.model.zero_grad(set_to_none=True)
    out = function(policy.model, prompts, completions)
    weights = torch.sin(torch.arange(out.numel(), dtype=torch.float32, device=out.device)).view_as(out) + 0.3
    (out * weights).sum().backward()
    gradients = {name: w.grad for name, w in policy.model.named_parameters() if w.grad is not None}
    # a bias of keys that no position rotates cancels in the softmax: its gradient is zero, hence rounding and no more
    return out.detach(), {
        name: g for name, g in gradients.items() if not re.search(r"vision_tower.*k_proj\.bias", name)
    }


def distance(one, other) -> float:
    """Largest relative error over the logprobs and over every parameter's gradient."""
    assert one[1].keys() == other[1].keys()
    pairs = [(one[0], other[0])] + [(one[1][name], other[1][name]) for name in one[1]]
    return max(float((a - b).norm() / b.norm().clamp(min=1e-12)) for a, b in pairs)


@pytest.mark.parametrize("long", [0, 10_000], ids=["fused kernel", "own kernel"])
@pytest.mark.parametrize("lengths", GROUPS.values(), ids=GROUPS.keys())
def test_logprobs_and_all_gradients_equal_the_naive_twin(policy, lengths, long, monkeypatch):
    change_kernel(monkeypatch, "LONG", long)
    prompts = policy.encode(questions(2))
    completions = tokens_of(policy, lengths)
    ours = run(shared_prefix.logprobs, policy, prompts, completions)
    naive = run(shared_prefix.logprobs_repeated, policy, prompts, completions)
    assert naive[0][naive[0] != 0].std() > 1  # sharp enough to mean something
    assert len(naive[1]) == len(list(policy.model.parameters()))
    assert all(gradient.abs().max() > 0 for gradient in naive[1].values())
    assert distance(ours, naive) <= 1e-5


def shifted_positions(monkeypatch):
    right = shared_prefix.positions
    change_kernel(monkeypatch, "positions", lambda *a: right(*a).amax(0, keepdim=True).expand(3, -1, -1))


def leaking_mask(monkeypatch):
    right = kernel("two_part")
    change_kernel(monkeypatch, "two_part", lambda q, k, v, pk, pv, b, *a: right(q, k, v, pk, pv, b & False, *a))
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    change_kernel(monkeypatch, "_aten", Fused(lambda q, k, v, p, causal, **o: fused(q, k, v, p, False, **o)))


def blind_to_padding(monkeypatch):
    right = kernel("two_part")
    change_kernel(monkeypatch, "two_part", lambda q, k, v, pk, pv, b, e, *a: right(q, k, v, pk, pv, b, None, *a))
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    change_kernel(monkeypatch, "_aten", Fused(lambda *a, attn_mask=None, **o: fused(*a, **o)))


class Fused:
    """PyTorch's operations with another fused forward pass on a CPU."""

    def __init__(self, forward):
        self._scaled_dot_product_flash_attention_for_cpu = forward

    def __getattr__(self, name):
        return getattr(torch.ops.aten, name)


def swapped_images(monkeypatch):
    right = shared_prefix.image_features

    def swapped(model, prompts):
        out = right(model, prompts)
        out.pooler_output = tuple(torch.cat(out.pooler_output).flip(0).split([len(x) for x in out.pooler_output]))
        return out

    change_kernel(monkeypatch, "image_features", swapped)


@pytest.mark.parametrize("long", [0, 10_000], ids=["fused kernel", "own kernel"])
@pytest.mark.parametrize("mistake", [shifted_positions, leaking_mask, blind_to_padding, swapped_images])
def test_the_comparison_notices_mistakes(policy, monkeypatch, mistake, long):
    change_kernel(monkeypatch, "LONG", long)
    prompts = policy.encode(questions(2))
    completions = tokens_of(policy, [[3, 1, 6], [5, 2, 2]])
    naive = run(shared_prefix.logprobs_repeated, policy, prompts, completions)
    mistake(monkeypatch)
    assert distance(run(shared_prefix.logprobs, policy, prompts, completions), naive) > 1e-2


# ------------------------------------------------------------------------------------------- other models, same door

OTHERS = {"InternVL": internvl_policy, "LLaVA": llava_policy}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("lengths", [[[3, 1, 6], [5, 2, 2]], [[0, 4], [3]]])
def test_other_vision_models_equal_the_naive_twin(make, lengths):
    policy = make(sharpen=4.0)
    prompts, completions = policy.encode(questions(2)), tokens_of(policy, lengths)
    assert shared_prefix.unsupported(policy.model) is None and len(set(prompts.lengths)) == 2
    ours = run(shared_prefix.logprobs, policy, prompts, completions)
    naive = run(shared_prefix.logprobs_repeated, policy, prompts, completions)
    assert naive[0][naive[0] != 0].std() > 1
    assert any("vision" in name for name in naive[1])
    assert distance(ours, naive) <= 1e-5


def one_place_later(monkeypatch):
    right = shared_prefix.positions
    change_kernel(monkeypatch, "positions", lambda *a: right(*a) * 2)


def swapped_tiles(monkeypatch):
    right = kernel("vision_inputs")
    change_kernel(monkeypatch, "vision_inputs", lambda *a: {"pixel_values": right(*a)["pixel_values"].flip(0)})


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("mistake", [one_place_later, leaking_mask, blind_to_padding, swapped_tiles])
def test_the_comparison_notices_mistakes_in_other_models_too(make, mistake, monkeypatch):
    policy = make(sharpen=4.0)
    prompts, completions = policy.encode(questions(2)), tokens_of(policy, [[3, 1, 6], [5, 2, 2]])
    naive = run(shared_prefix.logprobs_repeated, policy, prompts, completions)
    mistake(monkeypatch)
    assert distance(run(shared_prefix.logprobs, policy, prompts, completions), naive) > 1e-2


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS.keys())
def test_greedy_answers_of_other_models_are_their_own(make):
    policy = make(sharpen=4.0)
    prompts = policy.encode(questions(3))
    arguments = dict(max_new_tokens=8, eos_token_ids=policy.eos_token_ids, suppressed=policy.suppressed, temperature=0)
    shared = shared_prefix.generate(policy.model, prompts, num_generations=1, **arguments)
    *options, temperature = arguments.values()
    sampling = kernel("Sampling")(temperature=temperature)
    plain = kernel("_generate_repeated")(policy.model, prompts, 1, *options, sampling, None)
    assert shared == plain and len({tuple(group[0]) for group in shared}) > 1


def text_model(kind: str, **more):
    """A text model in the place of a policy, with prompts of 7 and 4 tokens."""
    special = dict(bos_token_id=None, eos_token_id=None, pad_token_id=0)
    config = getattr(transformers, f"{kind}Config")(**{**TEXT, **special, "vocab_size": 40, **more})
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.mul_(6)
            elif name.endswith("bias"):
                weight.normal_(0, 0.3)
        model.get_output_embeddings().weight.mul_(2)
    ids = torch.randint(1, 40, (2, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[1] * 7, [0] * 3 + [1] * 4])
    return types.SimpleNamespace(model=model), shared_prefix.Prompts(
        ids * mask, mask, torch.zeros_like(ids), images=[0, 0]
    )


COMPLETIONS = [[[5, 6, 7], [8], [9, 10, 11, 12]], [[13, 14], [], [15, 16, 17]]]


@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Qwen3", "GPT2"])
def test_decoders_without_pictures_equal_the_naive_twin(kind, monkeypatch):
    """GPT-2 stands for learned absolute positions, which padding must not shift."""
    holder, prompts = text_model(kind)
    assert shared_prefix.unsupported(holder.model) is None
    ours = run(shared_prefix.logprobs, holder, prompts, COMPLETIONS)
    naive = run(shared_prefix.logprobs_repeated, holder, prompts, COMPLETIONS)
    assert naive[0][naive[0] != 0].std() > 1 and distance(ours, naive) <= 1e-5
    for mistake in (leaking_mask, blind_to_padding, one_place_later):
        with monkeypatch.context() as patch:
            mistake(patch)
            assert distance(run(shared_prefix.logprobs, holder, prompts, COMPLETIONS), naive) > 1e-2


UNSUPPORTED = {
    "Mistral": (dict(sliding_window=3), "do not see the whole past"),
    "Gemma2": (dict(layer_types=["full_attention"] * 2, head_dim=16), "caps the attention's scores"),
    "Gemma3": (
        dict(text_config={**TEXT, "vocab_size": 40, "head_dim": 16, "layer_types": ["full_attention"] * 2}),
        "lays out pictures",
    ),
    "Bloom": (dict(n_layer=2, n_head=4), "cannot be exchanged"),
}


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_unsupported_models_take_the_plain_path_and_say_so_once(kind, caplog):
    more, reason = UNSUPPORTED[kind]
    if kind == "Gemma3":
        kind, more = (
            "Gemma3",
            {**more, "vision_config": dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)},
        )
        config = transformers.Gemma3Config(**more)
        model = transformers.Gemma3ForConditionalGeneration(config).eval()
        holder, (_, prompts) = types.SimpleNamespace(model=model), text_model("Llama")
    else:
        holder, prompts = text_model(kind, **more)
    kernel("_say_once").cache_clear()
    with caplog.at_level(logging.WARNING, logger="georeplicate.model.shared_prefix"):
        ours = run(shared_prefix.logprobs, holder, prompts, COMPLETIONS)
        run(shared_prefix.logprobs, holder, prompts, COMPLETIONS)
        options = dict(num_generations=2, max_new_tokens=3, eos_token_ids=[1], suppressed=[2, 3], temperature=50.0)
        answers = shared_prefix.generate(holder.model, prompts, seeds=[[0], [1]], **options)
        assert shared_prefix.generate(holder.model, prompts.select([1]), seeds=[[1]], **options) == answers[1:]
        drawn = [
            shared_prefix.generate(holder.model, prompts, generator=torch.Generator().manual_seed(s), **options)
            for s in (0, 0, 1)
        ]
        assert drawn[0] == drawn[1] != drawn[2]
    said = [record.message for record in caplog.records if record.name == "georeplicate.model.shared_prefix"]
    assert len(said) == 1 and reason in said[0] and type(holder.model).__name__ in said[0]
    for row, group in enumerate(COMPLETIONS):  # each completion alone, without padding and without our code
        prompt = prompts.input_ids[row][prompts.attention_mask[row].bool()].tolist()
        for place, completion in enumerate(group):
            if completion:
                with torch.no_grad():
                    logits = holder.model(torch.tensor([prompt + completion]), use_cache=False).logits[0]
                want = logits[len(prompt) - 1 : -1].log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]
                assert torch.allclose(ours[0][row * 3 + place, : len(completion)], want, rtol=1e-4, atol=1e-4)
    assert [len(group) for group in answers] == [2, 2]
    assert all(len(c) <= 3 and not {2, 3} & set(c) and 1 not in c[:-1] for group in answers for c in group)


def test_prompts_without_images(policy):
    rows = questions(2, images=0)
    prompts, completions = policy.encode(rows), tokens_of(policy, [[3, 1], [5]])
    assert prompts.pixel_values is None
    with torch.no_grad():
        ours = shared_prefix.logprobs(policy.model, prompts, completions)
        naive = shared_prefix.logprobs_repeated(policy.model, prompts, completions)
    assert torch.allclose(ours, naive, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("long", [0, 10_000], ids=["fused kernel", "own kernel"])
def test_windowed_vision_and_grouped_query_heads_as_in_the_7b(long, monkeypatch):
    change_kernel(monkeypatch, "LONG", long)
    policy = tiny_policy()
    config = policy.model.config
    config.vision_config.fullatt_block_indexes = [1]  # the first block sees windows of 2 x 2 cells only
    config.vision_config.window_size = 32
    config.text_config.num_key_value_heads = 2
    torch.manual_seed(1)
    policy.model = type(policy.model)(config).eval()
    with torch.no_grad():
        for weight in policy.model.parameters():
            if weight.ndim > 1:
                weight.mul_(6)
    for lengths in ([[3, 1], [5, 2]], [[4, 2, 3]]):  # a single prompt lies in memory otherwise
        prompts, completions = policy.encode(questions(len(lengths))), tokens_of(policy, lengths)
        ours = run(shared_prefix.logprobs, policy, prompts, completions)
        assert distance(ours, run(shared_prefix.logprobs_repeated, policy, prompts, completions)) <= 1e-5
        with torch.no_grad():  # the fused kernel in any case
            assert torch.allclose(shared_prefix.logprobs(policy.model, prompts, completions), ours[0], atol=1e-4)


def test_patches_as_products_change_nothing(policy, monkeypatch):
    """As on a GPU, where the convolution is slow."""
    prompts, completions = policy.encode(questions(2)), tokens_of(policy, [[3, 1], [5, 2]])
    calls, proj = [], policy.model.model.visual.patch_embed.proj
    hook = proj.register_forward_hook(lambda *_: calls.append(1))
    plain = run(shared_prefix.logprobs, policy, prompts, completions)
    change_kernel(monkeypatch, "_convolves_slowly", lambda device: True)
    products = run(shared_prefix.logprobs, policy, prompts, completions)
    hook.remove()
    assert len(calls) == 1 and distance(products, plain) <= 1e-5
    assert "forward" not in vars(policy.model.model.visual.patch_embed)


def test_gradient_checkpointing_changes_nothing(policy):
    prompts, completions = policy.encode(questions(2)), tokens_of(policy, [[3, 1, 6], [5, 2, 2]])
    plain = run(shared_prefix.logprobs, policy, prompts, completions)
    policy.model.activation_checkpointing_enable()
    policy.model.train()
    recomputed = []
    norm = policy.model.model.language_model.layers[0].input_layernorm
    hook = norm.register_forward_hook(lambda *_: recomputed.append(1))
    try:
        saved = run(shared_prefix.logprobs, policy, prompts, completions)
    finally:
        hook.remove()
        policy.model.activation_checkpointing_disable()
        policy.model.eval()
    assert len(recomputed) == 2
    assert distance(saved, plain) <= 1e-6


def test_bf16_autocast_stays_close(policy):
    gentle = tiny_policy(sharpen=2.0)
    prompts, completions = gentle.encode(questions(2)), tokens_of(gentle, [[3, 6], [5, 2]])
    with torch.no_grad():
        exact = shared_prefix.logprobs(gentle.model, prompts, completions)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = shared_prefix.logprobs(gentle.model, prompts, completions)
    assert rough.dtype == torch.float32
    assert 0 < (exact - rough).abs().max() < 0.1


def test_gradients_under_autocast_stay_close_also_where_it_makes_the_softmax_fp32(monkeypatch):
    """On a GPU autocast computes softmax in fp32 and the rest in bf16; the written-out backward must bear it."""
    gentle = tiny_policy(sharpen=2.0)
    prompts, completions = gentle.encode(questions(2)), tokens_of(gentle, [[3, 6], [5, 2]])

    def gradient():
        gentle.model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = shared_prefix.logprobs(gentle.model, prompts, completions).sum()
        value.backward()
        return torch.cat([w.grad.flatten() for w in gentle.model.parameters() if w.grad is not None])

    gentle.model.zero_grad()
    shared_prefix.logprobs(gentle.model, prompts, completions).sum().backward()
    exact = torch.cat([w.grad.flatten() for w in gentle.model.parameters() if w.grad is not None])
    rough = gradient()
    monkeypatch.setattr(torch.Tensor, "softmax", lambda x, dim: torch.softmax(x.float(), dim))
    for found in (rough, gradient()):
        assert 0 < (found - exact).norm() < 0.05 * exact.norm()


def test_greedy_generation_equals_the_models_own(policy):
    rows = questions(3)
    prompts = policy.encode(rows)
    answers = policy.generate(rows, max_new_tokens=12, temperature=0)
    inputs = {name: value for name, value in vars(prompts).items() if isinstance(value, torch.Tensor)}
    theirs = policy.model.generate(**inputs, max_new_tokens=12, do_sample=False, suppress_tokens=policy.suppressed)
    for [ours], own in zip(answers.ids, theirs[:, prompts.input_ids.shape[1] :].tolist(), strict=True):
        assert ours == own[: len(ours)]


def test_sampled_tokens_follow_the_models_distribution():
    """The first token over many draws, and every later token greedy given it: dropping rows must not mix them up."""
    policy = tiny_policy(sharpen=2.0)
    prompts = policy.encode(questions(2))
    banned = policy.suppressed
    drawn = policy.generate(prompts, num_generations=4000, max_new_tokens=1, generator=torch.Generator().manual_seed(0))
    for row, group in enumerate(drawn.ids):
        one = prompts.select([row])
        ids = [i for i in range(len(policy.tokenizer)) if i not in banned]
        with torch.no_grad():
            expected = shared_prefix.logprobs(policy.model, one, [[[i] for i in ids]])[:, 0].exp()
        expected = (expected / expected.sum()).numpy()
        counts = np.bincount([c[0] for c in group], minlength=len(policy.tokenizer))
        assert counts[banned].sum() == 0
        assert np.abs(counts[ids] / 4000 - expected).max() < 4 * np.sqrt(0.25 / 4000)


FILTERS = {
    "top_p": dict(top_p=0.7),
    "min_p": dict(min_p=0.2),
    "all of them": dict(temperature=1.7, top_k=12, top_p=0.9, min_p=0.05, repetition_penalty=1.4),
    "a reward for repeating": dict(repetition_penalty=0.6),
    "only the most probable": dict(top_p=1e-9),
}


@pytest.mark.parametrize("options", FILTERS.values(), ids=FILTERS.keys())
def test_tokens_are_drawn_from_what_transformers_leaves(options):
    """Even luck over [0, 1) visits every token as often as it is probable."""
    logits = torch.randn(3, 30, generator=torch.Generator().manual_seed(0)) * 2
    held, banned = torch.tensor([[1, 2, 3], [4, 4, 5], [6, 7, 8]]), torch.tensor([9, 10])
    wanted = shared_prefix.Sampling(**options)
    theirs = generation.LogitsProcessorList(
        [
            generation.RepetitionPenaltyLogitsProcessor(wanted.repetition_penalty),
            generation.SuppressTokensLogitsProcessor(banned.tolist()),
            generation.TemperatureLogitsWarper(wanted.temperature),
        ]
    )
    if wanted.top_k:
        theirs.append(generation.TopKLogitsWarper(wanted.top_k))
    theirs.append(generation.TopPLogitsWarper(wanted.top_p))
    if wanted.min_p:
        theirs.append(generation.MinPLogitsWarper(wanted.min_p))
    used, draws = torch.zeros(3, 30, dtype=torch.bool).scatter(1, held, True), 20_000
    luck = (torch.arange(draws, dtype=torch.double) + 0.5) / draws
    for row, expected in enumerate(theirs(held, logits).softmax(-1)):
        many = (x[row].expand(draws, -1) for x in (logits, used))
        drawn = kernel("sample")(next(many), banned, wanted, luck, next(many))
        assert torch.allclose(torch.bincount(drawn, minlength=30) / draws, expected, atol=2 / draws)
    assert not torch.allclose(theirs(held, logits).softmax(-1), logits.index_fill(1, banned, -torch.inf).softmax(-1))


def test_repeated_tokens_are_penalised_as_by_the_models_own_generation():
    policy = tiny_policy(sharpen=2.0)
    rows = questions(3)
    arguments = dict(max_new_tokens=12, temperature=0, repetition_penalty=3.0)
    ours = policy.generate(rows, **arguments).ids
    for row, [answer] in zip(rows, ours, strict=True):  # one by one: their own generation penalises padding as well
        inputs = {n: v for n, v in vars(policy.encode([row])).items() if isinstance(v, torch.Tensor)}
        theirs = policy.model.generate(
            **inputs, max_new_tokens=12, do_sample=False, suppress_tokens=policy.suppressed, repetition_penalty=3.0
        )
        assert answer == theirs[0, inputs["input_ids"].shape[1] :].tolist()[: len(answer)]
    assert ours != policy.generate(rows, **arguments | {"repetition_penalty": 1.0}).ids
    many = dict(num_generations=5, max_new_tokens=12, repetition_penalty=2.0)
    seeds = [(7, 0), (7, 1), (7, 2)]
    together = policy.generate(rows, seeds=seeds, **many).ids
    assert together[1:2] == policy.generate(rows[1:2], seeds=seeds[1:2], **many).ids  # whoever leaves the batch


@pytest.mark.parametrize(
    "bad",
    [dict(temperature=-1), dict(top_k=-1), dict(top_p=0), dict(top_p=1.1), dict(min_p=2), dict(repetition_penalty=0)],
)
def test_sampling_out_of_range_is_refused_by_name(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"{name}=.* is out of range"):
        shared_prefix.Sampling(**bad)


@pytest.mark.parametrize("repeated", [False, True], ids=["kernel", "naive twin"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_head_in_chunks_changes_nothing(policy, monkeypatch, temperature, repeated):
    """Values, entropies and all gradients, and never more than a chunk of logits at once."""
    prompts, completions = policy.encode(questions(2)), tokens_of(policy, [[3, 1, 6], [5, 0, 2]])
    function = shared_prefix.logprobs_repeated if repeated else shared_prefix.logprobs

    def scored(model, *given):
        return function(model, *given, temperature=temperature)

    whole = run(scored, policy, prompts, completions)
    entropies = shared_prefix.logprobs_and_entropies(policy.model, prompts, completions, temperature=temperature)[1]
    plain, seen = kernel("token_logprobs"), []
    monkeypatch.setattr(head, "LARGE", 0)
    monkeypatch.setattr(head, "CHUNK", 3)
    change_kernel(monkeypatch, "token_logprobs", lambda logits, *a: seen.append(logits.shape) or plain(logits, *a))
    assert distance(run(scored, policy, prompts, completions), whole) <= 1e-5
    tokens = 17 if not repeated else 6 * 7
    assert max(shape[0] for shape in seen) == 3 and len(seen) == 2 * -(-tokens // 3)  # once more in the backward pass
    with torch.no_grad():
        found = shared_prefix.logprobs_and_entropies(policy.model, prompts, completions, temperature=temperature)
    assert torch.allclose(found[0], whole[0], atol=1e-5) and torch.allclose(found[1], entropies, atol=1e-5)
    assert "forward" not in vars(policy.model.lm_head)


def test_a_head_in_chunks_works_behind_distributed_data_parallel(policy, monkeypatch, tmp_path):
    prompts, completions = policy.encode(questions(2)), tokens_of(policy, [[3, 1, 6], [5, 2, 2]])
    whole = run(shared_prefix.logprobs, policy, prompts, completions)
    monkeypatch.setattr(head, "LARGE", 0)
    monkeypatch.setattr(head, "CHUNK", 3)
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = DistributedDataParallel(policy.model, find_unused_parameters=True)

        def scored(model, *given):
            return shared_prefix.logprobs(model, *given, forward=wrapped)

        assert distance(run(scored, policy, prompts, completions), whole) <= 1e-5
    finally:
        distributed.destroy_process_group()


def test_entropies_are_those_of_the_models_distributions(policy):
    prompts, completions = policy.encode(questions(2)), tokens_of(policy, [[3, 1], [5, 2]])
    found, entropies = shared_prefix.logprobs_and_entropies(policy.model, prompts, completions, temperature=0.7)
    assert torch.equal(found, shared_prefix.logprobs(policy.model, prompts, completions, temperature=0.7))
    assert not entropies.requires_grad
    for row, completion in enumerate(c for group in completions for c in group):
        logits = _next_logits(policy, prompts.select([row // 2]), completion)[:-1] / 0.7
        p = logits.double().softmax(-1)
        assert torch.allclose(entropies[row, 1 : len(completion)].double(), -(p * p.log()).sum(-1), atol=1e-4)
        assert (entropies[row, len(completion) :] == 0).all()


def test_heads_whose_logits_are_changed_afterwards_are_not_cut(policy, monkeypatch):
    assert kernel("_plain_head")(policy.model)
    monkeypatch.setattr(policy.model.config.text_config, "final_logit_softcapping", 30.0, raising=False)
    assert not kernel("_plain_head")(policy.model)


def test_a_seed_per_prompt_makes_its_answers_independent_of_the_batch():
    policy = tiny_policy(sharpen=2.0)
    prompts, seeds = policy.encode(questions(3)), [(7, 0), (7, 1), (7, 2)]
    options = dict(num_generations=4, max_new_tokens=10)
    together = policy.generate(prompts, seeds=seeds, **options).ids
    apart = [policy.generate(prompts.select([i]), seeds=seeds[i : i + 1], **options).ids[0] for i in (2, 0, 1)]
    assert together == [apart[1], apart[2], apart[0]]
    assert len({len(c) for group in together for c in group}) > 1  # rows left the batch on the way
    assert policy.generate(prompts, seeds=[(7, 0), (7, 1), (7, 3)], **options).ids[2] != together[2]


def test_rows_that_finish_early_do_not_disturb_the_others(policy, monkeypatch):
    """Each row starts with its own token and goes on greedily, so a plain forward can check every later token."""
    prompts, group = policy.encode(questions(3)), 10
    starts = [i for i in range(len(policy.tokenizer)) if i not in policy.suppressed][:group]
    plain, calls, greedy = kernel("sample"), [], shared_prefix.Sampling(temperature=0)

    def start_apart(logits, banned, *rest):
        calls.append(len(logits))
        return torch.tensor(starts * 3) if len(calls) == 1 else plain(logits, banned, greedy, None)

    change_kernel(monkeypatch, "sample", start_apart)
    arguments = dict(num_generations=group, max_new_tokens=14, suppressed=policy.suppressed)
    free = shared_prefix.generate(policy.model, prompts, eos_token_ids=[], **arguments)
    later = [token for rows in free for completion in rows for token in completion[1:]]
    ending = sorted(set(later), key=later.count)[-3:]
    calls.clear()
    answers = shared_prefix.generate(policy.model, prompts, eos_token_ids=ending, **arguments)
    assert len({len(c) for rows in answers for c in rows}) > 3 and calls[-1] < calls[0]  # some rows did leave
    flat = [c for rows in answers for c in rows]
    for i, completion in enumerate(flat):
        one = prompts.select([i // group])
        best = plain(_next_logits(policy, one, completion), torch.tensor(policy.suppressed), greedy, None).tolist()
        assert completion[1:] == best[: len(completion) - 1]
        assert completion[-1] in ending or len(completion) == 14
        assert not set(completion[:-1]) & set(ending)


def _next_logits(policy, prompt, completion):
    """Logits after each completion token, by a plain call of the model: [len(completion), V]."""
    inputs = {name: value for name, value in vars(prompt).items() if isinstance(value, torch.Tensor)}
    for name, fill in (("input_ids", completion), ("attention_mask", 1), ("mm_token_type_ids", 0)):
        tail = torch.as_tensor(fill).expand(1, len(completion))
        inputs[name] = torch.cat([inputs[name], tail], 1)
    with torch.no_grad():
        return policy.model(**inputs, use_cache=False).logits[0, -len(completion) :]
