"""GRPO as the paper trains it: whole runs, their checkpoints and logs."""

import functools
import inspect
import math
import re

import pandas as pd
import pytest
import torch
from peft import LoraConfig
from toy import change_kernel, questions, tiny_policy
from transformers import TrainerCallback
from trl.trainer import grpo_trainer

from georeplicate import paper
from georeplicate.model import policy, shared_prefix
from georeplicate.model.checkpoint import CheckpointError
from georeplicate.training import common, grpo, rewards, sft, stages

# ------------------------------------------------------------------------------------------ the kernel over a whole run


def replay(logprobs, steps=20):
    """Losses of a run on the same given answers and rewards, with the given way to compute logprobs."""
    made = tiny_policy(sharpen=2.0)
    draw = torch.Generator().manual_seed(0)
    words = [i for i in range(len(made.tokenizer)) if i not in made.suppressed]
    prompts = made.encode(questions(2))

    def sentence():
        length = int(torch.randint(1, 8, (), generator=draw))
        return [words[int(i)] for i in torch.randint(len(words), (length,), generator=draw)]

    batches = [[[sentence() for _ in range(4)] for _ in range(2)] for _ in range(4)]
    gains = [grpo.group_advantages(torch.rand(2, 4, generator=draw)).flatten() for _ in batches]
    with torch.no_grad():
        before = [shared_prefix.logprobs_repeated(made.model, prompts, batch) for batch in batches]
    optimizer = torch.optim.AdamW(made.model.parameters(), lr=1e-3, weight_decay=0)
    losses = []
    for step in range(steps):
        batch, fixed, gain = (x[step % len(batches)] for x in (batches, before, gains))
        new = logprobs(made.model, prompts, batch)
        value, _ = grpo.loss(new, fixed, fixed, gain, (fixed != 0).float())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return torch.tensor(losses)


def test_loss_curves_of_kernel_and_naive_twin_agree_over_20_steps(monkeypatch):
    naive, ours = replay(shared_prefix.logprobs_repeated), replay(shared_prefix.logprobs)
    assert naive.max() - naive.min() > 0.1  # the policy leaves the one that wrote the answers
    assert (ours - naive).abs().max() <= 1e-4
    right = shared_prefix.positions
    change_kernel(monkeypatch, "positions", lambda *a: right(*a) + torch.arange(3)[:, None, None])
    assert (replay(shared_prefix.logprobs) - naive).abs().max() > 1e-3


# --------------------------------------------------------------------------------------------------------- the trainer


def says_its_letter(text, row, length):
    return float(row["letter"] in text.split())


SMALL = dict(prompts_per_step=2, num_generations=4, max_new_tokens=8, learning_rate=1e-3, seed=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "policy"
    tiny_policy(sharpen=1.5).save(path)
    return path


@functools.cache
def weights(path):
    return policy.load(path).model.state_dict()


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_reward_rises_on_a_learnable_task(base, tmp_path):
    """Say "red": chance is about 1 in 30 words at first."""

    def reward(text, row, length):
        return text.split().count("red") / 8

    grpo.train(
        base, questions(8), reward, tmp_path, steps=30, prompts_per_step=4, num_generations=8, max_new_tokens=8,
        learning_rate=3e-3, beta=0.0, seed=0,
    )  # fmt: skip
    log = pd.read_csv(tmp_path / "log.csv")
    assert len(log) == 30
    assert log.reward[:5].mean() < 0.15
    assert log.reward[-5:].mean() > 0.6
    assert log.advantage_mean.abs().max() < 1e-5


def test_every_parameter_moves_and_the_log_has_the_invariants(base, tmp_path):
    trained = grpo.train(base, questions(4), says_its_letter, tmp_path, steps=3, **SMALL)
    before, after = weights(base), weights(trained)
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    log = pd.read_csv(tmp_path / "log.csv")
    assert {
        "reward", "advantage_mean", "equal_groups", "clip_fraction", "kl", "length", "finished", "tokens_per_second",
        "peak_mb",
    } <= set(log)  # fmt: skip
    assert log.kl[0] == pytest.approx(0, abs=1e-3) and log.kl.iloc[-1] > 0
    assert (log.clip_fraction == 0).all()  # one update per batch: the ratio is 1


def test_a_frozen_tower_stays_and_runs_once_a_batch(base, tmp_path, monkeypatch):
    towers = [name for name in weights(base) if ".visual." in name]
    looks = []
    look = shared_prefix.image_features
    change_kernel(monkeypatch, "image_features", lambda *a: looks.append(1) or look(*a))
    arguments = SMALL | {"steps": 2, "bf16": False, "freeze_vision": True}
    trained = weights(grpo.train(base, questions(4), says_its_letter, tmp_path / "once", **arguments))
    moved = [name for name, before in weights(base).items() if not torch.equal(before, trained[name])]
    assert towers and not set(towers) & set(moved) and set(moved) | set(towers) == set(trained)
    assert len(looks) == 2  # generation, reference and loss of a batch share it
    change_kernel(monkeypatch, "remember_features", lambda model, prompts: prompts)
    again = weights(grpo.train(base, questions(4), says_its_letter, tmp_path / "often", **arguments))
    assert len(looks) > 6 and all(torch.allclose(trained[name], again[name], atol=1e-4) for name in again)


def test_a_published_bf16_checkpoint_moves_at_the_papers_learning_rate(tmp_path):
    """bf16 weights would round updates of 1e-6 away: whole policies are trained in fp32."""
    made = tiny_policy(sharpen=1.5)
    made.model.to(torch.bfloat16)
    made.save(tmp_path / "bf16")
    arguments = SMALL | {"learning_rate": 1e-6}
    before = weights(tmp_path / "bf16")
    trained = weights(grpo.train(tmp_path / "bf16", questions(4), says_its_letter, tmp_path, steps=2, **arguments))
    assert {w.dtype for w in before.values()} == {torch.bfloat16}
    assert {w.dtype for w in trained.values()} == {torch.float32}
    moved = torch.cat([(trained[name] != before[name].float()).flatten() for name in before])
    assert moved.float().mean() > 0.5


def test_defaults_are_the_papers():
    defaults = {name: p.default for name, p in inspect.signature(grpo.train).parameters.items()} | grpo.DEFAULTS
    defaults |= {name: f.default for name, f in common.Settings.__dataclass_fields__.items() if name not in defaults}
    named = {
        "num_generations": "num_generations", "prompts_per_step": "prompts_per_update", "beta": "beta",
        "clip": "clip_epsilon", "temperature": "temperature", "learning_rate": "learning_rate",
    }  # fmt: skip
    assert {ours: defaults[ours] for ours in named} == {ours: paper.setting(s).value for ours, s in named.items()}
    assert (defaults["num_iterations"], defaults["schedule"], defaults["top_k"]) == (1, "linear", 50)
    assert not defaults["freeze_vision"]


def test_equal_rewards_leave_only_the_pull_to_the_reference(base, tmp_path):
    """Then every advantage is 0, so without a reference nothing moves at all."""
    trained = grpo.train(base, questions(4), lambda *_: 0.1, tmp_path, steps=2, beta=0.0, **SMALL)
    assert equal(weights(base), weights(trained))
    assert (pd.read_csv(tmp_path / "log.csv").equal_groups == 1).all()


@pytest.mark.parametrize(
    "bad", [None, math.nan, math.inf, "high", rewards.Reward(math.nan, {}), rewards.Reward(1, {"a": None})]
)
def test_a_reward_that_is_no_number_stops_the_run_and_saves_nothing(base, tmp_path, bad):
    calls = []

    def scores_most(text, row, length):
        calls.append(row["id"])
        return bad if len(calls) == 3 else 0.5

    rows = [row | {"id": f"place {i}"} for i, row in enumerate(questions(4))]
    with pytest.raises(ValueError, match=r"reward function .*scores_most gave .* for row place \d"):
        grpo.train(base, rows, scores_most, tmp_path / "out", steps=2, save_steps=1, **SMALL)
    assert not (tmp_path / "out/policy").exists() and not list((tmp_path / "out").glob("checkpoint-*"))


def test_same_seed_same_run_other_seed_another(base, tmp_path):
    losses = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        grpo.train(base, questions(4), says_its_letter, tmp_path / name, steps=3, **SMALL | {"seed": seed})
        losses.append(pd.read_csv(tmp_path / name / "log.csv")[["loss", "reward", "length", "grad_norm"]])
    assert losses[0].equals(losses[1]) and not losses[0].equals(losses[2])


class Kill(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


def test_a_killed_run_resumes_bit_for_bit(base, tmp_path):
    """Killed in the second pass over the data, one step after a checkpoint; the newest checkpoint is then torn."""
    arguments = SMALL | {"steps": 6, "save_steps": 1, "save_total_limit": 3}
    whole = grpo.train(base, questions(5), says_its_letter, tmp_path / "whole", **arguments)
    with pytest.raises(KeyboardInterrupt):
        grpo.train(base, questions(5), says_its_letter, tmp_path / "cut", **arguments, callbacks=[Kill(5)])
    assert common.latest(tmp_path / "cut").name == "checkpoint-4"
    (tmp_path / "cut" / "checkpoint-4" / "trainer_state.json").unlink()
    assert common.latest(tmp_path / "cut").name == "checkpoint-3"
    resumed = grpo.train(base, questions(5), says_its_letter, tmp_path / "cut", **arguments)
    assert equal(weights(whole), weights(resumed))
    logs = [pd.read_csv(tmp_path / name / "log.csv")[["loss", "reward", "kl", "step"]] for name in ("whole", "cut")]
    assert logs[0].equals(logs[1])


@pytest.fixture(scope="module")
def replayed(base):
    """What a run with a reward that says nothing makes of rows that are replayed beside it."""
    made = policy.load(base)
    word = made.tokenizer.convert_ids_to_tokens([i for i in range(len(made.tokenizer)) if i not in made.suppressed][0])
    return [row | {"completion": word} for row in questions(4)]


def test_what_is_replayed_is_learnt_beside_the_reward_and_a_killed_run_replays_the_same(base, replayed, tmp_path):
    arguments = SMALL | {"steps": 4, "save_steps": 1, "replay": replayed * 2, "replay_share": 0.5, "beta": 0.0}
    whole = grpo.train(base, questions(4), lambda *_: 0.0, tmp_path / "whole", **arguments)
    log = pd.read_csv(tmp_path / "whole" / "log.csv")
    assert log.replay_loss.iloc[-1] < log.replay_loss.iloc[0] - 0.1
    assert log.loss.to_numpy() == pytest.approx(log.replay_loss.to_numpy() / 2, abs=1e-6)  # of GRPO's nothing is left
    made = policy.load(base)
    expected, _ = sft.loss(made, replayed[:2])
    assert log.replay_loss[0] == pytest.approx(expected.item(), abs=1e-2)  # computed in bf16 where the hardware has it
    with pytest.raises(KeyboardInterrupt):
        grpo.train(base, questions(4), lambda *_: 0.0, tmp_path / "cut", **arguments, callbacks=[Kill(3)])
    resumed = grpo.train(base, questions(4), lambda *_: 0.0, tmp_path / "cut", **arguments)
    assert equal(weights(whole), weights(resumed))


@pytest.mark.parametrize(
    "options, why",
    [
        ({"replay_share": 0.5, "replay": None}, "without rows to replay"),
        ({"replay_share": 0.0}, "must lie between 0 and 1"),
        ({"replay_share": 1.0}, "must lie between 0 and 1"),
        ({"accumulation": 2}, "without accumulation"),
        ({"steps": 3}, "4 rows to replay do not divide into max_steps=3 updates"),
        ({"replay": []}, "0 rows to replay"),
    ],
)
def test_what_cannot_be_replayed_is_refused(base, replayed, tmp_path, options, why):
    arguments = SMALL | {"steps": 2, "replay": replayed, "replay_share": 0.3} | options
    with pytest.raises(ValueError, match=why):
        grpo.train(base, questions(4), says_its_letter, tmp_path, **arguments)


def test_adapters_train_alone_and_resume_bit_for_bit(base, tmp_path):
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=r".*language_model.*(q_proj|v_proj)", task_type="CAUSAL_LM")
    arguments = SMALL | {"steps": 4, "save_steps": 2, "peft_config": lora}
    whole = grpo.train(base, questions(4), says_its_letter, tmp_path / "whole", **arguments)
    before, after = weights(base), weights(whole)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if re.search(r"language_model.*(q_proj|v_proj)\.weight", name)}
    assert pd.read_csv(tmp_path / "whole" / "log.csv").kl.iloc[-1] > 0  # the reference is the policy without adapters
    with pytest.raises(KeyboardInterrupt):
        grpo.train(base, questions(4), says_its_letter, tmp_path / "cut", **arguments, callbacks=[Kill(3)])
    assert equal(after, weights(grpo.train(base, questions(4), says_its_letter, tmp_path / "cut", **arguments)))


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_adapters_of_the_tower_learn_too_and_nothing_else_moves(kind, base, tmp_path):
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=stages.LORA_VISION)
    if kind == "grpo":
        made = grpo.train(base, questions(4), says_its_letter, tmp_path, steps=2, peft_config=lora, **SMALL)
    else:
        rows = [row | {"completion": "A"} for row in questions(4)]
        made = sft.train(base, rows, tmp_path, steps=2, batch_size=2, learning_rate=1e-3, seed=1, peft_config=lora)
    before, after = weights(base), weights(made)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    linear = r"language_model.*_proj\.weight|visual\.blocks.*(qkv|proj)\.weight"
    assert moved == {name for name in before if re.search(linear, name)}


def test_a_damaged_checkpoint_is_never_resumed(base, tmp_path):
    grpo.train(base, questions(4), says_its_letter, tmp_path, steps=2, save_steps=2, **SMALL)
    path = tmp_path / "checkpoint-2"
    common.verify_resumable(path)
    for name in ("optimizer.pt", "model.safetensors"):
        content = (path / name).read_bytes()
        (path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert common.latest(tmp_path) is None
        with pytest.raises(CheckpointError, match=name):
            common.verify_resumable(path)
        (path / name).write_bytes(content)
    (path / "SHA256SUMS").unlink()
    assert common.latest(tmp_path) is None


def test_several_updates_per_batch_clip(base, tmp_path):
    """Two updates on the same answers: the second one's ratios leave 1, so old logprobs must have been kept."""
    grpo.train(
        base, questions(4), says_its_letter, tmp_path, steps=4, num_iterations=2, **SMALL | {"learning_rate": 3e-2}
    )
    log = pd.read_csv(tmp_path / "log.csv")
    assert log.clip_fraction[0] == 0 and log.clip_fraction[1] > 0


def test_accumulation_gives_the_gradient_of_the_whole_batch(base, tmp_path):
    norms = []
    for name, accumulation in (("one", 1), ("two", 2)):
        grpo.train(
            base, questions(4), says_its_letter, tmp_path / name, steps=1, accumulation=accumulation, bf16=False,
            **SMALL | {"prompts_per_step": 4},
        )  # fmt: skip
        norms.append(pd.read_csv(tmp_path / name / "log.csv").grad_norm[0])
    assert norms[0] > 0 and norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_prompts_must_divide_into_micro_batches(base, tmp_path):
    with pytest.raises(ValueError, match="do not divide"):
        grpo.train(base, questions(4), says_its_letter, tmp_path, steps=1, accumulation=3, **SMALL)


class _Sampler:
    """In the place of TRL's bridge to vLLM: short answers, and probabilities that are not quite the trainer's."""

    made: list = []

    def __init__(self, **settings):
        self.settings, self.pushed = settings, 0
        _Sampler.made.append(self)

    def sync_weights(self):
        self.pushed += 1

    def generate(self, prompts, images, num_generations, profiler=None):
        assert all(len(shown) == 3 for shown in images)
        generator = torch.Generator().manual_seed(self.pushed)
        ids = [torch.randint(20, 30, (4,), generator=generator).tolist() for _ in prompts]
        logprobs = [[[-3.0] for _ in one] for one in ids]
        return prompts, ids, logprobs, [[[token] for token in one] for one in ids]


def test_answers_of_vllm_are_corrected_for_by_trls_own_trainer(tmp_path, monkeypatch):
    tiny_policy(sharpen=2.0).save(tmp_path / "base")
    settings = dict(steps=2, prompts_per_step=2, num_generations=4, max_new_tokens=8, seed=0, learning_rate=1e-3)

    def train(**more):
        def reward(text, row, n_tokens):
            return len(set(text.split())) + 0.1 * ("A" in text)

        return grpo.train(tmp_path / "base", questions(4), reward, tmp_path / "out", bf16=False, **settings, **more)

    with pytest.raises(ValueError, match=r"vLLM, which is not installed: pip install 'georeplicate\[serve\]'"):
        train(rollouts="vllm")
    with pytest.raises(ValueError, match="want the address of a server"):
        train(rollouts="vllm-server")
    with pytest.raises(ValueError, match="unknown rollouts 'sglang'"):
        train(rollouts="sglang")
    monkeypatch.setattr(grpo, "refuse_rollouts", lambda *_: None)
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", _Sampler)
    trained = train(rollouts="vllm")
    log = pd.read_csv(tmp_path / "out" / "log.csv")
    (sampler,) = _Sampler.made
    assert sampler.pushed == 2 and sampler.settings["mode"] == "colocate"  # the new weights, for every batch
    assert (log["sampling/importance_sampling_ratio/mean"] != 1).all() and (log.grad_norm > 0).any()
    before, after = (policy.load(path).model.state_dict() for path in (tmp_path / "base", trained))
    assert any(not torch.equal(before[name], after[name]) for name in before)
