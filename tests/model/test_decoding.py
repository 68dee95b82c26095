"""The fast decoding step gives the logits of the model's own forward pass, and is taken only where it may be."""

import pytest
import torch
from test_prefix import text_model
from toy import change_kernel, internvl_policy, kernel, questions, tiny_policy

from georeplicate.model import shared_prefix
from georeplicate.model.shared_prefix import decoding

STEPS = 6


def tiny():
    policy = tiny_policy(sharpen=4.0)
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if name.endswith("bias"):  # zero at initialisation, which would hide them
                weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(len(name)))
    return policy.model, policy.encode(questions(2))


def internvl():
    policy = internvl_policy(sharpen=4.0)
    return policy.model, policy.encode(questions(2))


def text(kind, **more):
    holder, prompts = text_model(kind, **more)
    return holder.model, prompts


MODELS = {
    "Qwen2.5-VL": tiny,
    "InternVL": internvl,
    "Qwen2, padded": lambda: text("Qwen2"),
    "Llama, shared heads": lambda: text("Llama", num_key_value_heads=1),
}


def logits_of(model, prompts, monkeypatch, *, fast, group=3):
    """Logits of every step of greedy rows that begin apart and of which some leave early; and the decoders' types."""
    seen, made, of = [], [], decoding.FastDecoder.of
    plain = kernel("sample")
    starts = torch.arange(1, 1 + group).repeat(len(prompts))

    def begin_apart(logits, banned, sampling, *rest):
        seen.append(logits.clone())
        return starts if len(seen) == 1 else plain(logits, banned, sampling, *rest)

    def chosen(cls, *given):
        made.append(of(*given) if fast else None)
        return made[-1]

    with monkeypatch.context() as patch:
        change_kernel(patch, "sample", begin_apart)
        patch.setattr(decoding.FastDecoder, "of", classmethod(chosen))
        options = dict(num_generations=group, max_new_tokens=STEPS, eos_token_ids=[2], temperature=0)
        shared_prefix.generate(model, prompts, **options)
    return seen, made


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_every_step_has_the_models_own_logits(make, monkeypatch):
    model, prompts = make()
    (ours, made), (own, _) = (logits_of(model, prompts, monkeypatch, fast=fast) for fast in (True, False))
    assert isinstance(made[0], decoding.FastDecoder)
    assert [one.shape for one in ours] == [one.shape for one in own]
    assert len(own) > 2 and len(own[-1]) < len(own[0])  # the row that began with the end token has left
    for one, other in zip(ours, own, strict=True):
        assert float(other.std()) > 0.3  # else any two would be close
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def adapters(model):
    from peft import LoraConfig, inject_adapter_in_model

    return inject_adapter_in_model(LoraConfig(target_modules=["q_proj"]), model)


def scaled(model):
    model.model.rotary_emb.rope_type = "dynamic"
    return model


@pytest.mark.parametrize("change", [adapters, scaled, lambda model: model.to(torch.bfloat16)])
def test_what_it_does_not_know_is_left_to_the_model(change, monkeypatch):
    model, prompts = text("Qwen2")
    assert logits_of(model, prompts, monkeypatch, fast=True)[1][0] is not None
    assert logits_of(change(model), prompts, monkeypatch, fast=True)[1] == [None]


def test_layers_of_other_kinds_and_autocast_are_left_to_the_model(monkeypatch):
    model, prompts = text("Qwen3")  # norms of queries and keys
    assert logits_of(model, prompts, monkeypatch, fast=True)[1] == [None]
    model, prompts = text("GPT2")
    assert logits_of(model, prompts, monkeypatch, fast=True)[1] == [None]
    model, prompts = text("Qwen2")
    with torch.autocast("cpu", torch.bfloat16):
        assert logits_of(model, prompts, monkeypatch, fast=True)[1] == [None]
