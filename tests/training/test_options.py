"""No option is ignored: a changed field of the installed GRPOConfig changes the run, or it is refused."""

import copy
import re
from collections import defaultdict

import pandas as pd
import pytest
import torch
from accelerate import PartialState
from toy import questions, tiny_policy
from trl import GRPOConfig, GRPOTrainer

from georeplicate.model import policy as policies
from georeplicate.training import options
from georeplicate.training.grpo import SharedPrefixGRPOTrainer


@pytest.fixture
def args(tmp_path):
    return GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to=[])


def another(value):
    """A value of the same kind that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"not {value}"


def test_trls_defaults_are_taken(args):
    options.refuse(args)


def test_every_field_is_honoured_or_refused_with_a_reason():
    assert options.HONOURED.keys() <= options.fields().keys()
    for name in options.fields().keys() - options.HONOURED.keys():
        assert options.reason(name) != "it is newer than this trainer", name
    for pattern in options.REFUSED:
        assert any(re.fullmatch(pattern, name) for name in options.fields().keys() - options.HONOURED.keys()), pattern


@pytest.mark.parametrize("name", options.expected())
def test_every_other_field_is_refused_by_name_and_with_the_remedy(args, name):
    value = getattr(args, name)
    object.__setattr__(args, name, another(value))
    with pytest.raises(
        ValueError, match=f"{name}=.* is not honoured .*, as .*: set it to .* or train with TRL's own"
    ) as caught:
        options.refuse(args)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [
        dict(fp16=True),
        dict(neftune_noise_alpha=5.0),
        dict(use_liger_kernel=True),
        dict(train_sampling_strategy="sequential"),
        dict(data_seed=7),
    ],
)
def test_what_the_loop_would_do_beside_the_kernel_is_refused(changed, trainer, tmp_path):
    with pytest.raises(ValueError, match=f"^{next(iter(changed))}=.* is not honoured by the shared-prefix trainer, as"):
        trainer(tmp_path, **changed)


@pytest.mark.parametrize("name, values", options.VALUES.items())
def test_values_that_are_not_computed_are_refused_by_name(args, name, values):
    for value in values:
        object.__setattr__(args, name, value)
        options.refuse(args)
    object.__setattr__(args, name, "sapo")
    with pytest.raises(ValueError, match=f"{name}='sapo' is not honoured .* set it to one of {values[0]!r}, "):
        options.refuse(args)


def test_cispo_has_no_delta(args):
    object.__setattr__(args, "loss_type", "cispo")
    object.__setattr__(args, "delta", 2.0)
    with pytest.raises(ValueError, match=r"delta=2.0 does nothing in the loss cispo"):
        options.refuse(args)


def test_answers_without_a_longest_one_are_refused(args):
    object.__setattr__(args, "max_completion_length", None)
    with pytest.raises(ValueError, match="max_completion_length=None is not honoured .* set it to a number of tokens"):
        options.refuse(args)


# ------------------------------------------------------------------------------------- honoured: the run is another one

BASE = dict(
    max_steps=2, per_device_train_batch_size=8, num_generations=4, max_completion_length=6, beta=0.04, loss_type="grpo",
    learning_rate=1e-2, num_iterations=2, epsilon=0.01, use_cpu=True, bf16=False, logging_steps=1, save_strategy="no",
    report_to=[], seed=3, disable_tqdm=True,
)  # fmt: skip
OTHER = {
    "num_generations": 2,
    "max_completion_length": 4,
    "temperature": 0.5,
    "top_k": 2,
    "top_p": 0.3,
    "min_p": 0.5,
    "repetition_penalty": 3.0,
    "beta": 0.5,
    "use_bias_correction_kl": False,
    "epsilon": 0.3,
    "epsilon_high": 0.5,
    "delta": 1.001,
    "importance_sampling_level": "sequence",
    "loss_type": "dr_grpo",
    "num_iterations": 1,
    "steps_per_generation": 2,
    "generation_batch_size": 16,
    "scale_rewards": "none",
    "reward_weights": [2.0],
    "mask_truncated_completions": True,
    "shuffle_dataset": False,
    "disable_dropout": True,
}
# Honoured, but no number of the training moves: {name: the test that shows it}.
SHOWN = {
    "num_generations_eval": "test_trainer.py::test_evaluation_has_the_numbers_of_trls",
    "router_aux_loss_coef": "test_a_mixture_of_experts_is_refused_unless_its_loss_is_off",
    "log_completions": "test_trainer.py::test_reward_functions_log_as_in_trl",
    "log_multimodal": "test_what_is_logged_of_completions",
    "log_unique_prompts": "test_what_is_logged_of_completions",
    "num_completions_to_print": "test_what_is_logged_of_completions",
}


def test_the_lists_here_are_complete():
    assert OTHER.keys() | SHOWN.keys() == options.HONOURED.keys() and not OTHER.keys() & SHOWN.keys()


def reward(completions, **columns):
    return [float(len(set(chat[0]["content"].split()))) for chat in completions]


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    """trainer(folder, dropout, options...) -> a trainer of a policy that is saved and read once for all."""
    folder = tmp_path_factory.mktemp("base")
    tiny_policy(sharpen=2.0).save(folder)
    saved = policies.load(folder)

    def make(path, dropout=0.0, **changed):
        made = copy.deepcopy(saved)
        if dropout:  # the tiny model has no such layer
            made.model.model.language_model.norm = torch.nn.Sequential(
                made.model.model.language_model.norm, torch.nn.Dropout(dropout)
            )
        rows = [{"prompt": [{"role": "user", "content": r["prompt"]}], "images": r["images"]} for r in questions(6)]
        return SharedPrefixGRPOTrainer(
            made.model,
            reward,
            GRPOConfig(output_dir=str(path / "out"), **BASE | changed),
            rows,
            processing_class=made.processor,
        )

    return make


@pytest.fixture(scope="module")
def weights(trainer):
    """weights(folder, options...) -> all weights of such a run, in one row."""

    def trained(path, **changed):
        torch.manual_seed(0)
        run = trainer(path, **changed)
        run.train()
        return torch.cat([weight.detach().flatten() for weight in run.model.parameters()])

    return trained


@pytest.fixture(scope="module")
def plain(weights, tmp_path_factory):
    return weights(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("name", OTHER)
def test_a_changed_option_changes_the_run(name, plain, weights, tmp_path):
    before = weights(tmp_path / "with", dropout=0.5) if name == "disable_dropout" else plain
    extra = {"dropout": 0.5} if name == "disable_dropout" else {}
    after = weights(tmp_path / "without", **{name: OTHER[name]}, **extra)
    assert (after - before).abs().max() > 1e-4


def test_the_same_options_give_the_same_run(plain, weights, tmp_path):
    assert torch.equal(weights(tmp_path), plain)


def test_what_is_logged_of_completions(trainer, tmp_path, monkeypatch):
    """The table itself is TRL's: what it is made of is ours."""
    tables = defaultdict(list)
    board = type("Board", (), {"run": True, "Image": staticmethod(lambda image: image)})
    board.Table = staticmethod(lambda dataframe: dataframe)
    board.log = staticmethod(lambda logged: tables[name].append(logged["completions"]))
    monkeypatch.setattr("trl.trainer.grpo_trainer.wandb", board, raising=False)
    for name, more in {"all": {}, "unique": dict(log_unique_prompts=True), "words": dict(log_multimodal=False)}.items():
        run = trainer(tmp_path / name, log_completions=True, num_completions_to_print=1, **more)
        run.args.report_to = ["wandb"]  # without its callback
        run.train()
    assert {len(table) for table in tables["all"]} == {8} and {len(table) for table in tables["unique"]} == {2}
    assert "image" in tables["all"][0] and "image" not in tables["words"][0]
    assert len(pd.read_parquet(tmp_path / "all/out/completions/completions_00001.parquet")) == 8
    printed = []
    monkeypatch.setattr(
        "trl.trainer.grpo_trainer.print_prompt_completions_sample", lambda *a, **k: printed.append(a[5])
    )
    monkeypatch.setattr("trl.trainer.grpo_trainer.is_rich_available", lambda: True)
    trainer(tmp_path / "printed", log_completions=True, num_completions_to_print=1, max_steps=1).train()
    assert set(printed) == {1}


def test_a_mixture_of_experts_is_refused_unless_its_loss_is_off(trainer, tmp_path, monkeypatch):
    plain = GRPOTrainer.__init__

    def of_experts(self, *args, **kwargs):
        plain(self, *args, **kwargs)
        self.aux_loss_enabled = self.args.router_aux_loss_coef != 0.0

    monkeypatch.setattr(GRPOTrainer, "__init__", of_experts)
    with pytest.raises(ValueError, match="mixture of experts is not honoured .* set router_aux_loss_coef to 0.0"):
        trainer(tmp_path)
    trainer(tmp_path, router_aux_loss_coef=0.0)


def test_attention_dropout_is_refused(tmp_path):
    made = tiny_policy()
    made.model.config.get_text_config().attention_dropout = 0.1
    with pytest.raises(ValueError, match="attention_dropout=0.1 is not honoured"):
        SharedPrefixGRPOTrainer(
            made.model, reward, GRPOConfig(output_dir=str(tmp_path), **BASE), questions(2), None, made.processor
        )


def test_asking_for_defaults_takes_no_device_from_the_process(args):
    """Arguments of transformers choose the device of the whole process when they are made, the last ones winning."""
    state = PartialState()
    state.chosen_by = "the arguments of a training"  # all states of a process share what they hold
    options.fields.cache_clear()
    options.refuse(args)
    assert PartialState().chosen_by == "the arguments of a training"
