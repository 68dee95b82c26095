"""SFT on TRL: the loss is the one the library would give, it learns, and it resumes exactly."""

import math
import re

import pandas as pd
import pytest
import torch
from peft import LoraConfig
from test_grpo import Kill, equal, weights
from toy import questions, tiny_policy

from georeplicate.model import policy
from georeplicate.training import common, sft


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "policy"
    tiny_policy(sharpen=2.0).save(path)
    return path


ARGUMENTS = dict(batch_size=4, learning_rate=2e-3, seed=0)


def test_loss_equals_the_models_own_on_one_row(base):
    """The model's own loss on prompt + answer with the prompt's labels masked, end of turn included."""
    made = policy.load(base)
    [row] = questions(1)
    prompt = made.encode([row])
    answer = torch.tensor([made.completion_ids(row["completion"])])
    ids = torch.cat([prompt.input_ids, answer], 1)
    labels = torch.cat([torch.full_like(prompt.input_ids, -100), answer], 1)
    kinds = torch.cat([prompt.mm_token_type_ids, torch.zeros_like(answer)], 1)
    with torch.no_grad():
        expected = made.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=kinds,
            pixel_values=prompt.pixel_values,
            image_grid_thw=prompt.image_grid_thw,
            labels=labels,
        ).loss
        value, tokens = sft.loss(made, [row])
    assert tokens == answer.shape[1]
    assert torch.allclose(value, expected, rtol=1e-5)


def test_loss_of_a_batch_is_the_mean_over_all_answer_tokens(base):
    made = policy.load(base)
    rows = questions(3)
    rows[1]["completion"] = "red"
    with torch.no_grad():
        parts = [sft.loss(made, [row]) for row in rows]
        value, tokens = sft.loss(made, rows)
    assert tokens == sum(count for _, count in parts)
    assert torch.allclose(value, sum(v * count for v, count in parts) / tokens, rtol=1e-5)


def test_several_answers_share_one_prompt(base):
    made = policy.load(base)
    [row] = questions(1)
    texts = ["red", "look at tile A ."]
    with torch.no_grad():
        shared = sft.loss(made, [row | {"completion": texts}])
        apart = sft.loss(made, [row | {"completion": text} for text in texts])
    assert shared[1] == apart[1] and torch.allclose(shared[0], apart[0], rtol=1e-5)


def test_weighted_tokens_give_the_weighted_mean(base):
    """Against the same answers without weights: 0 and 1 pick tokens, and a wrong number of weights is refused."""
    made = policy.load(base)
    one, other = questions(2)
    lengths = [len(made.completion_ids(row["completion"])) for row in (one, other)]
    only_one = [one | {"weights": [[0.5] * lengths[0]]}, other | {"weights": [[0.0] * lengths[1]]}]
    with torch.no_grad():
        plain, tokens = sft.loss(made, [one])
        value, weight = sft.loss(made, only_one)
        doubled, _ = sft.loss(made, [one | {"weights": [[0.0] * (lengths[0] - 1) + [3.0]]}])
    assert torch.allclose(value, plain, rtol=1e-5) and weight == pytest.approx(0.5 * tokens)
    assert not torch.allclose(doubled, plain, rtol=1e-2)
    with pytest.raises(ValueError, match="one weight a token"):
        sft.loss(made, [one | {"weights": [[1.0]]}])


@pytest.mark.parametrize("completion", [None, 5, [], ["A", None], [5], {}], ids=repr)
def test_a_row_without_an_answer_is_named(base, completion, tmp_path):
    rows = [row | {"id": f"place {i}"} for i, row in enumerate(questions(4))]
    rows[2]["completion"] = completion
    with pytest.raises(ValueError, match="row 'place 2' has the completion .*give a text"):
        sft.loss(policy.load(base), rows)
    with pytest.raises(ValueError, match="row 'place 2' has the completion"):
        sft.train(base, rows, tmp_path, **ARGUMENTS, steps=1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, "x", None], ids=repr)
def test_weights_that_would_spoil_the_loss_are_refused(base, bad, tmp_path):
    made = policy.load(base)
    rows = [row | {"id": f"place {i}"} for i, row in enumerate(questions(4))]
    for row in rows:
        row["weights"] = [[1.0] * len(made.completion_ids(row["completion"]))]
    rows[1]["weights"] = [[bad] * len(rows[1]["weights"][0])]
    with pytest.raises(ValueError, match="row 'place 1' has weights that are no numbers from 0 on"):
        sft.loss(made, rows)
    with pytest.raises(ValueError, match="row 'place 1' has weights"):
        sft.train(base, rows, tmp_path, **ARGUMENTS, steps=1)
    rows[1]["weights"] = [[0.0] * len(rows[1]["weights"][0])]
    with pytest.raises(ValueError, match="row 'place 1' and those beside it have weights of 0 alone"):
        sft.loss(made, rows[1:2])


def test_it_learns_the_rows_by_heart(base, tmp_path):
    rows = questions(4)
    trained = policy.load(sft.train(base, rows, tmp_path, steps=60, **ARGUMENTS))
    log = pd.read_csv(tmp_path / "log.csv")
    assert log.loss.iloc[0] > 2 and log.loss.iloc[-1] < 0.5
    before, after = weights(base), trained.model.state_dict()
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    answers = trained.generate(rows, max_new_tokens=10, temperature=0)
    assert all(answers.finished)
    assert [text.split()[:3] for text in answers.texts] == [row["completion"].split()[:3] for row in rows]


def test_a_frozen_tower_stays(base, tmp_path):
    trained = sft.train(base, questions(4), tmp_path, steps=2, **ARGUMENTS, freeze_vision=True)
    before, after = (policy.load(path).model.state_dict() for path in (base, trained))
    assert {name for name in before if torch.equal(before[name], after[name])} == {n for n in before if ".visual." in n}


def test_a_killed_run_resumes_bit_for_bit(base, tmp_path):
    rows = questions(6)
    arguments = ARGUMENTS | {"steps": 6, "save_steps": 2}
    whole = sft.train(base, rows, tmp_path / "whole", **arguments)
    with pytest.raises(KeyboardInterrupt):
        sft.train(base, rows, tmp_path / "cut", **arguments, callbacks=[Kill(5)])
    assert common.latest(tmp_path / "cut").name == "checkpoint-4"
    resumed = sft.train(base, rows, tmp_path / "cut", **arguments)
    assert equal(weights(whole), weights(resumed))
    assert not equal(weights(base), weights(resumed))


def test_adapters_train_alone_and_resume_bit_for_bit(base, tmp_path):
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=r".*language_model.*(q_proj|v_proj)", task_type="CAUSAL_LM")
    arguments = ARGUMENTS | {"steps": 4, "save_steps": 2, "peft_config": lora}
    whole = weights(sft.train(base, questions(6), tmp_path / "whole", **arguments))
    moved = {name for name, before in weights(base).items() if not torch.equal(before, whole[name])}
    assert moved == {name for name in whole if re.search(r"language_model.*(q_proj|v_proj)\.weight", name)}
    with pytest.raises(KeyboardInterrupt):
        sft.train(base, questions(6), tmp_path / "cut", **arguments, callbacks=[Kill(3)])
    assert equal(whole, weights(sft.train(base, questions(6), tmp_path / "cut", **arguments)))


def ragged(count):
    rows = questions(count)
    for i, row in enumerate(rows):
        row["completion"] = f"<think> {'look ' * (1 + 3 * (i % 3))}</think> <answer> A </answer>"
    return rows


def test_accumulation_gives_the_gradient_of_the_whole_batch(base, tmp_path):
    """Also where answers are of unequal length: a micro-batch counts by its tokens."""
    norms, losses = [], []
    for accumulation in (1, 2, 4):
        out = tmp_path / str(accumulation)
        sft.train(base, ragged(4), out, steps=1, accumulation=accumulation, bf16=False, **ARGUMENTS)
        log = pd.read_csv(out / "log.csv")
        norms.append(log.grad_norm[0])
        losses.append(log.loss[0])
    assert norms[0] > 0 and norms == pytest.approx([norms[0]] * 3, rel=1e-4)
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)


def test_words_outside_the_vocabulary_stop_the_run(base, tmp_path):
    rows = questions(4)
    rows[2]["completion"] = "a zebra"
    with pytest.raises(ValueError, match="zebra"):
        sft.train(base, rows, tmp_path, steps=1, **ARGUMENTS)
