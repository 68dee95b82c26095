"""Steps that could be recorded give the tokens of those that are not; on a GPU, where there is one, recorded."""

import pytest
import torch
from toy import change_kernel, questions, tiny_policy

from georeplicate.model.shared_prefix import decoding, generation, graphs

DEVICES = ["cpu", *["cuda"] * torch.cuda.is_available()]


def answers(policy, monkeypatch, *, static: bool, **options):
    """Of two prompts of unequal length, five each, and the numbers of rows that were decoded together."""
    sizes = []
    with monkeypatch.context() as patch:
        patch.setattr(decoding.FastDecoder, "of", classmethod(lambda *_: None))
        if static:
            change_kernel(patch, "Decoder", decoding.StaticDecoder)
            change_kernel(patch, "_decode", graphs.decode)
        else:
            patch.setattr(graphs, "decode", generation._decode)
            change_kernel(patch, "StaticDecoder", decoding.Decoder)
        plain = decoding.Decoder.logits
        patch.setattr(
            decoding.Decoder, "logits", lambda self, token, spot: sizes.append(len(token)) or plain(self, token, spot)
        )
        drawn = policy.generate(questions(2), num_generations=5, seeds=[(1, 0), (1, 1)], **options)
    return drawn.ids, sizes


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("options", [{}, {"repetition_penalty": 1.5, "top_p": 0.9}, {"temperature": 0}, {"top_k": 3}])
@pytest.mark.parametrize("check", [1, 3, 64])
def test_the_same_answers(options, check, device, monkeypatch):
    monkeypatch.setattr(graphs, "CHECK", check)
    policy = tiny_policy(sharpen=2.0)
    with torch.no_grad():  # ends come early and late
        policy.model.lm_head.weight[policy.tokenizer.eos_token_id] *= 1.5
    policy.model.to(device)
    ours, together = answers(policy, monkeypatch, static=True, max_new_tokens=24, **options)
    own, _ = answers(policy, monkeypatch, static=False, max_new_tokens=24, **options)
    assert ours == own
    if options == {}:
        lengths = {len(ids) for group in own for ids in group}
        assert len(lengths) > 3 and 24 in lengths
        if check < 64:
            assert together[0] == 10 and min(together) <= 5  # half of them had ended, and left


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_answers_shorter_than_what_comes_before_recording(steps, monkeypatch):
    policy = tiny_policy(sharpen=2.0)
    ours, together = answers(policy, monkeypatch, static=True, max_new_tokens=steps)
    assert ours == answers(policy, monkeypatch, static=False, max_new_tokens=steps)[0]
    assert len(together) == steps and {len(ids) for group in ours for ids in group} == {steps}
