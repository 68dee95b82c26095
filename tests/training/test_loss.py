"""GRPO's losses and advantages: against numbers worked out by hand, plain loops from the formulas, and TRL's own."""

import itertools
import math
from collections import defaultdict

import pytest
import torch
from accelerate import Accelerator
from trl import GRPOConfig, GRPOTrainer

from georeplicate.training import grpo
from georeplicate.training import loss as losses


def close(a, b, tolerance=1e-6):
    return torch.allclose(torch.as_tensor(a), torch.as_tensor(b), rtol=0, atol=tolerance)


# ------------------------------------------------------------------------------------------------- formulas, by hand


def test_advantages_by_hand():
    # rewards 1, 1, 0, 0: mean 1/2, unbiased variance (4 * 1/4) / 3 = 1/3, std 0.577350
    expected = 0.5 / (0.5773503 + 1e-4)
    assert expected == pytest.approx(0.8658754, abs=1e-7)
    got = grpo.group_advantages(torch.tensor([[1.0, 1, 0, 0], [2, 2, 2, 2], [3, 1, 1, 3]]))
    assert close(got[0], [expected, expected, -expected, -expected])
    assert close(got[1], [0.0] * 4)  # nothing to learn where all rewards are equal
    assert close(got[2], [1 / (1.1547005 + 1e-4) * s for s in (1, -1, -1, 1)])
    assert close(grpo.group_advantages(torch.tensor([[5.0], [7.0]])), [[0.0], [0.0]])


def test_loss_by_hand():
    # two answers of 2 and 1 tokens, advantages +1 and -2, ratios 1.5, 0.5 and 1.5, 0.9 ignored behind the mask
    old = torch.log(torch.tensor([[0.2, 0.4], [0.2, 0.5]]))
    new = torch.log(torch.tensor([[0.3, 0.2], [0.3, 0.45]]))
    reference = torch.log(torch.tensor([[0.3, 0.4], [0.15, 0.9]]))
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    # answer 0: -min(1.5, 1.2) = -1.2 and -min(0.5, 0.8) = -0.5; k3 of p_ref / p = 1 and 2: 0 and 2 - ln 2 - 1
    # answer 1: -min(-3.0, -2.4) = 3.0; k3 of 0.5: 0.5 + ln 2 - 1
    k3_second, k3_third = 1 - math.log(2), math.log(2) - 0.5
    first = ((-1.2 + 0.0) + (-0.5 + 0.04 * k3_second)) / 2
    second = 3.0 + 0.04 * k3_third
    value, metrics = grpo.loss(new, old, reference, torch.tensor([1.0, -2.0]), mask)
    assert close(value, (first + second) / 2)
    assert metrics["kl"] == pytest.approx((k3_second + k3_third) / 3, abs=1e-6)
    assert metrics["clip_fraction"] == pytest.approx(1 / 3)  # only the first token is beyond its bound
    without, metrics = grpo.loss(new, old, None, torch.tensor([1.0, -2.0]), mask, beta=0.0)
    assert close(without, (-0.85 + 3.0) / 2) and "kl" not in metrics


def test_gradient_of_an_unclipped_token_is_minus_its_advantage():
    new = torch.log(torch.tensor([[0.25, 0.5]])).requires_grad_()
    value, _ = grpo.loss(new, new.detach(), new.detach(), torch.tensor([3.0]), torch.ones(1, 2))
    value.backward()
    assert close(new.grad, [[-1.5, -1.5]])  # -A over two tokens; the k3 term has no slope at the reference


def test_advantages_of_a_batch_and_unscaled():
    rewards = torch.tensor([[1.0, 0.0], [4.0, 2.0]])
    centred = torch.tensor([[0.5, -0.5], [1.0, -1.0]])
    assert close(losses.group_advantages(rewards, scale="none"), centred)
    spread = torch.tensor([1.0, 0, 4, 2]).std()
    assert close(losses.group_advantages(rewards, scale="batch"), centred / (spread + 1e-4))
    everyone = torch.tensor([1.0, 0, 4, 2, 9, 9])
    found = losses.group_advantages(rewards, scale="batch", everyone=everyone)
    assert close(found, centred / (everyone.std() + 1e-4))


# --------------------------------------------------------------------------------------------- every loss, three ways

KINDS = [*losses.LOSS_TYPES]
OPTIONS = {
    "defaults": {},
    "epsilon_high": dict(epsilon_high=0.5),
    "delta": dict(delta=1.3),
    "sequence": dict(importance_sampling_level="sequence"),
    "sequence, epsilon_high": dict(importance_sampling_level="sequence", epsilon_high=0.1, epsilon=0.05),
    "no reference": dict(beta=0.0),
    "unbiased KL": dict(use_bias_correction_kl=True),
    "unbiased KL, sequence": dict(use_bias_correction_kl=True, importance_sampling_level="sequence"),
}
CASES = [(k, o) for k, o in itertools.product(KINDS, OPTIONS) if (k, o) != ("cispo", "delta")]
LONGEST, TOKENS = 7, 31.0


def given():
    """Answers of 5, 3, 1 and 4 tokens, and two of which none counts."""
    draw = torch.Generator().manual_seed(0)
    new, old, reference = (-torch.rand(6, 5, generator=draw) * 2 for _ in range(3))
    mask = (torch.arange(5) < torch.tensor([[5], [3], [1], [4], [0], [0]])).float()
    return (
        new.double().requires_grad_(),
        old.double(),
        reference.double(),
        torch.randn(6, generator=draw).double(),
        mask,
    )


def ours(kind, options, new, old, reference, advantages, mask):
    settings = dict(beta=0.04, epsilon=0.2, epsilon_high=None, delta=None) | options
    names = {"epsilon": "clip", "epsilon_high": "clip_high", "importance_sampling_level": "level"}
    names |= {"use_bias_correction_kl": "unbiased_kl"}
    return losses.loss(
        new, old, reference, advantages, mask, kind=kind, tokens=torch.tensor(TOKENS), longest=LONGEST,
        **{names.get(name, name): value for name, value in settings.items()},
    )  # fmt: skip


def by_loops(kind, options, new, old, reference, advantages, mask):
    """Token by token, as the formulas stand in the papers."""
    settings = dict(beta=0.04, epsilon=0.2, delta=None, importance_sampling_level="token") | options
    high = settings.get("epsilon_high", settings["epsilon"])
    of_answers = []
    for r in range(len(new)):
        n = int(mask[r].sum())
        gaps = [new[r, t] - old[r, t] for t in range(n)]
        terms = []
        for t in range(n):
            whole = settings["importance_sampling_level"] == "sequence"
            ratio = torch.exp(sum(gaps) / n) if whole else torch.exp(gaps[t])
            gain = advantages[r]
            if kind == "cispo":
                term = -min(float(ratio.detach()), high) * gain * new[r, t]
            else:
                free = ratio if settings["delta"] is None or ratio < settings["delta"] else settings["delta"]
                bound = min(max(ratio, 1 - settings["epsilon"]), 1 + high)
                term = -min(free * gain, bound * gain)
            if settings["beta"]:
                d = reference[r, t] - new[r, t]
                k3 = torch.exp(d) - d - 1
                term = term + settings["beta"] * k3 * (ratio if settings.get("use_bias_correction_kl") else 1)
            terms.append(term)
        of_answers.append(terms)
    every = [term for terms in of_answers for term in terms]
    return {
        "grpo": sum(sum(terms) / len(terms) for terms in of_answers if terms) / len(new),
        "bnpo": sum(every) / len(every),
        "dr_grpo": sum(every) / (len(new) * LONGEST),
        "dapo": sum(every) / TOKENS,
        "cispo": sum(every) / TOKENS,
    }[kind]


@pytest.mark.parametrize("kind, named", CASES)
def test_loss_and_gradient_equal_the_formula_term_by_term(kind, named):
    new, *rest = given()
    (value, _), plain = ours(kind, OPTIONS[named], new, *rest), by_loops(kind, OPTIONS[named], new, *rest)
    (slope,) = torch.autograd.grad(value, new)
    (other,) = torch.autograd.grad(plain, new)
    assert close(value, plain) and slope.abs().max() > 0
    assert close(slope, other)


class TrlLoss(GRPOTrainer):
    """TRL's own `_compute_loss`, on given logprobs and entropies."""

    def __init__(self, logprobs, entropies, **options):
        options = dict(beta=0.04, use_bias_correction_kl=False) | options
        self.args = args = GRPOConfig(output_dir="unused", use_cpu=True, bf16=False, num_generations=2, **options)
        self.beta, self.epsilon_low, self.loss_type = args.beta, args.epsilon, args.loss_type
        self.epsilon_high = args.epsilon if args.epsilon_high is None else args.epsilon_high
        self.importance_sampling_level, self.top_entropy_quantile = args.importance_sampling_level, 1.0
        self.off_policy_mask_threshold = self.tools = None
        self.max_completion_length = LONGEST
        self.use_vllm = self.aux_loss_enabled = self._entropy_bonus_enabled = False
        self.current_gradient_accumulation_steps = 1
        self.model = torch.nn.Linear(1, 1)
        self.accelerator = Accelerator(cpu=True)
        self._metrics = {"train": defaultdict(list)}
        self.logprobs, self.entropies = logprobs, entropies

    def _get_per_token_logps_and_entropies(self, *args, **kwargs):
        return self.logprobs, self.entropies, None


@pytest.mark.parametrize("kind, named", CASES)
def test_loss_gradient_and_metrics_equal_those_of_trl(kind, named):
    new, old, reference, advantages, mask = given()
    value, metrics = ours(kind, OPTIONS[named], new, old, reference, advantages, mask)
    ids = torch.zeros(mask.shape, dtype=torch.long)
    trl = TrlLoss(new, torch.zeros_like(new), loss_type=kind, **OPTIONS[named])
    theirs = trl._compute_loss(
        None,
        {
            "prompt_ids": ids,
            "prompt_mask": torch.ones_like(ids),
            "completion_ids": ids,
            "completion_mask": mask,
            "advantages": advantages,
            "old_per_token_logps": old,
            "ref_per_token_logps": reference,
            "num_items_in_batch": torch.tensor(TOKENS),
        },
    )
    (slope,), (other,) = torch.autograd.grad(value, new), torch.autograd.grad(theirs, new)
    assert close(value, theirs) and close(slope, other)
    expected = {name: values[0] for name, values in trl._metrics["train"].items() if name != "entropy"}
    assert expected.keys() == metrics.keys() - {"clip_fraction"}
    assert all(metrics[name] == pytest.approx(expected[name], abs=1e-6) for name in expected), (metrics, expected)


def test_dr_grpo_wants_the_longest_answer():
    new, *rest = given()
    with pytest.raises(ValueError, match="the longest answer allowed"):
        losses.loss(new, *rest, kind="dr_grpo")
