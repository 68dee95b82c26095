"""SharedPrefixGRPOTrainer in the place of TRL's GRPOTrainer: the same arguments, the same losses and metrics."""

import copy
import functools
import gc
import math
import re
import types
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from datasets import Dataset, Features, Image, List, Value
from peft import LoraConfig, get_peft_model
from torch.utils.data import BatchSampler
from toy import TEXT, internvl_policy, llava_policy, questions, tiny_policy
from transformers import Qwen2Config, Qwen2ForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from georeplicate.model import policy as policies
from georeplicate.report import pages
from georeplicate.training import grpo, scoring
from georeplicate.training.grpo import SharedPrefixGRPOTrainer

BOTH = {"ours": SharedPrefixGRPOTrainer, "trl": GRPOTrainer}
LONGEST = 6


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "policy"
    tiny_policy(sharpen=2.0).save(path)
    return path


@pytest.fixture(scope="module")
def chats():
    """Questions as TRL wants them: conversations, images, and a column for the reward."""
    message = {"role": Value("string"), "content": Value("string")}
    features = Features({"prompt": List(message), "images": List(Image()), "letter": Value("string")})
    rows = [
        {"prompt": [{"role": "user", "content": r["prompt"]}], "images": r["images"], "letter": r["letter"]}
        for r in questions(6)
    ]
    return Dataset.from_list(rows, features=features)


@functools.cache
def _read(path):
    return policies.load(path)


def load(path):
    """A policy of its own, of a folder that is read once."""
    return copy.deepcopy(_read(path))


def settings(path, **options):
    common = dict(
        output_dir=str(path), max_steps=3, per_device_train_batch_size=4, num_generations=4, use_cpu=True, bf16=False,
        learning_rate=1e-3, max_completion_length=LONGEST, logging_steps=1, save_strategy="no", report_to=[], seed=3,
        disable_tqdm=True,
    )  # fmt: skip
    return GRPOConfig(**common | options)


def says_its_letter(completions, letter, **columns):
    return [float(own in chat[0]["content"].split()) for chat, own in zip(completions, letter, strict=True)]


def is_brief(prompts, completions, completion_ids, **columns):
    assert all(prompt[0]["content"][-1]["type"] == "text" for prompt in prompts)
    return [-len(ids) / 10 for ids in completion_ids]


@pytest.fixture
def same_completions(monkeypatch):
    """The same answers in both trainers, whoever asks: some end by themselves, some are cut off."""
    calls = types.SimpleNamespace(count=0)
    made = tiny_policy()
    words = [i for i in range(len(made.tokenizer)) if i not in {*made.suppressed, *made.eos_token_ids}]

    def answers(count):
        rng, out = np.random.default_rng([7, calls.count]), []
        calls.count += 1
        for _ in range(count):
            length = int(rng.integers(1, LONGEST + 1))
            ending = [] if length == LONGEST else [made.tokenizer.eos_token_id]
            out.append([*rng.choice(words, length - len(ending)).tolist(), *ending])
        return out

    def generate(self, prompts, *, num_generations, **options):
        flat = answers(len(prompts) * num_generations)
        return policies.Answers(
            ids=[flat[i : i + num_generations] for i in range(0, len(flat), num_generations)],
            texts=self.decode(flat),
            lengths=[len(ids) for ids in flat],
            finished=[ids[-1] == made.tokenizer.eos_token_id for ids in flat],
        )

    monkeypatch.setattr(policies.Policy, "generate", generate)
    monkeypatch.setattr(
        GRPOTrainer, "_generate_single_turn", lambda self, ids, *a, **k: (answers(len(ids)), None), raising=True
    )
    return calls


def train(which, path, base, dataset, calls=None, peft_config=None, reward_funcs=says_its_letter, **more):
    """The log of a run by either trainer."""
    options = {name: more.pop(name) for name in ("eval_dataset",) if name in more}
    if calls is not None:
        calls.count = 0
    made = load(base)
    if more.pop("frozen_tower", False):
        made.model.model.visual.requires_grad_(False)
    trainer = BOTH[which](
        model=made.model,
        reward_funcs=reward_funcs,
        args=settings(path / which, **more),
        train_dataset=dataset,
        processing_class=made.processor,
        peft_config=peft_config,
        **options,
    )
    trainer.train()
    return trainer


RUNS = {
    "defaults of TRL": {},
    "dr_grpo, unscaled": dict(loss_type="dr_grpo", scale_rewards="none"),
    "grpo with a reference": dict(loss_type="grpo", beta=0.04),
    "bnpo, truncated masked": dict(loss_type="bnpo", mask_truncated_completions=True, beta=0.04),
    "dapo, truncated masked": dict(mask_truncated_completions=True, epsilon_high=0.28, num_iterations=2),
    "grpo, truncated masked": dict(loss_type="grpo", mask_truncated_completions=True),
    "cispo": dict(loss_type="cispo", epsilon_high=5.0, num_iterations=2),
    "gspo": dict(loss_type="grpo", importance_sampling_level="sequence", epsilon=3e-4, num_iterations=2),
    "delta": dict(loss_type="grpo", delta=1.2, num_iterations=2, epsilon=0.1),
    "scaled by the batch": dict(scale_rewards="batch", per_device_train_batch_size=8),
    "two rewards, weighted": dict(reward_weights=[0.25, 2.0], reward_funcs=[says_its_letter, is_brief]),
    "accumulated": dict(gradient_accumulation_steps=2, max_steps=2),
    "accumulated, grpo": dict(loss_type="grpo", beta=0.04, gradient_accumulation_steps=2, max_steps=2),
    "generated less often": dict(steps_per_generation=4, gradient_accumulation_steps=4, max_steps=2),
    "in epochs": dict(max_steps=-1, num_train_epochs=2, per_device_train_batch_size=8),
    "in order": dict(shuffle_dataset=False),
    "another temperature": dict(temperature=0.7, beta=0.04),
    "checkpointing": dict(gradient_checkpointing=True, beta=0.04, num_iterations=2, max_steps=2),
    "frozen tower": dict(frozen_tower=True, beta=0.04, loss_type="grpo"),
    "adapters": dict(
        beta=0.04, peft_config=LoraConfig(r=4, target_modules=r".*language_model.*(q_proj|v_proj)"), max_steps=4
    ),
}
# Metrics that tell the time, and the one that means something else here: the mean spread within a group.
APART = re.compile(r".*(_time|runtime|per_second|reward_std|total_flos)|profiling.*")
# Means of micro-batches, which TRL fills with answers of several groups.
OF_MICRO_BATCHES = re.compile(r"kl|entropy|clip_ratio.*")


def assert_same(ours, theirs):
    assert len(ours.state.log_history) == len(theirs.state.log_history)
    for mine, other in zip(ours.state.log_history, theirs.state.log_history, strict=True):
        names = {name for name in other if not APART.fullmatch(name)}
        assert names <= mine.keys(), names - mine.keys()
        for name in names:
            if not (ours.args.gradient_accumulation_steps > 1 and OF_MICRO_BATCHES.fullmatch(name)):
                assert mine[name] == pytest.approx(other[name], rel=2e-3, abs=2e-5), name


@pytest.mark.parametrize("named", RUNS)
def test_a_run_has_the_losses_and_metrics_of_trls(named, base, chats, tmp_path, same_completions):
    logs = {which: train(which, tmp_path, base, chats, same_completions, **RUNS[named]) for which in BOTH}
    assert_same(logs["ours"], logs["trl"])
    steps = [entry for entry in logs["ours"].state.log_history if "grad_norm" in entry]
    assert any(entry["grad_norm"] > 0 for entry in steps)
    first, second = (trainer.model.state_dict() for trainer in logs.values())
    for name in first:
        assert torch.allclose(first[name], second[name], atol=2e-4), name


@pytest.mark.parametrize("make", [internvl_policy, llava_policy])
def test_other_families_have_the_losses_of_trls(make, chats, tmp_path, same_completions):
    make(sharpen=2.0).save(tmp_path / "base")
    options = dict(beta=0.04, loss_type="grpo", num_iterations=2)
    logs = {which: train(which, tmp_path, tmp_path / "base", chats, same_completions, **options) for which in BOTH}
    assert_same(logs["ours"], logs["trl"])


def test_a_text_model_with_its_tokenizer_has_the_losses_of_trls(chats, tmp_path, same_completions):
    tokenizer = tiny_policy().tokenizer
    torch.manual_seed(0)
    shape = dict(TEXT, vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, bos_token_id=None)
    Qwen2ForCausalLM(Qwen2Config(**shape)).save_pretrained(tmp_path / "base")
    logs = {}
    for which, kind in BOTH.items():
        same_completions.count = 0
        logs[which] = kind(
            model=Qwen2ForCausalLM.from_pretrained(tmp_path / "base"),
            reward_funcs=says_its_letter,
            args=settings(tmp_path / which, beta=0.04, num_iterations=2),
            train_dataset=chats.remove_columns("images"),
            processing_class=tokenizer,
        )
        logs[which].train()
    assert_same(logs["ours"], logs["trl"])
    assert any(entry.get("grad_norm") for entry in logs["ours"].state.log_history)


def test_bf16_stays_as_close_to_trls_as_bf16_is_to_fp32(base, chats, tmp_path, same_completions):
    options = dict(beta=0.04, loss_type="grpo", max_steps=2)
    runs = {}
    for name, which, bf16 in (("ours", "ours", True), ("trl", "trl", True), ("fp32", "ours", False)):
        run = train(which, tmp_path / name, base, chats, same_completions, bf16=bf16, **options)
        runs[name] = torch.tensor([[e["loss"], e["entropy"]] for e in run.state.log_history if "entropy" in e])
    assert not torch.equal(runs["ours"], runs["fp32"])
    assert torch.allclose(runs["ours"], runs["trl"], atol=3e-2) and torch.allclose(
        runs["ours"], runs["fp32"], atol=3e-2
    )


def test_evaluation_has_the_numbers_of_trls(base, chats, tmp_path, same_completions):
    held = {"near": chats.select(range(3)), "far": chats.select(range(3, 5))}
    options = dict(
        eval_dataset=held, eval_strategy="steps", eval_steps=2, num_generations_eval=2, per_device_eval_batch_size=2,
        beta=0.04, loss_type="grpo",
    )  # fmt: skip
    logs = {which: train(which, tmp_path, base, chats, same_completions, **options) for which in BOTH}
    assert_same(logs["ours"], logs["trl"])
    assert any("eval_near_loss" in entry and "eval_reward" in entry for entry in logs["ours"].state.log_history)


def test_an_evaluation_made_again_gives_the_same(base, chats, tmp_path, monkeypatch):
    asked, said = chats.select([0, 0, 1, 0]), []

    def keeps(completions, **columns):
        said.extend(chat[0]["content"] for chat in completions)
        return [float(len(chat[0]["content"])) for chat in completions]

    run = train(
        "ours", tmp_path, base, chats, max_steps=1, eval_dataset={"a": asked, "b": asked}, num_generations_eval=2,
        per_device_eval_batch_size=2, temperature=2.0, reward_funcs=keeps, dataloader_num_workers=1,
        dataloader_persistent_workers=True,
    )  # fmt: skip
    said.clear()
    numbers = [run.evaluate() for _ in range(3)]
    times = [said[i : i + 8] for i in range(0, len(said), 8)]  # of two sets, three times
    assert len(times) == 6 and all(answers == times[0] for answers in times)
    assert len(set(times[0])) == 8  # rows that are equal are asked anew
    for name in ("eval_a_loss", "eval_b_loss"):
        assert len({found[name] for found in numbers}) == 1
    # Workers that persist are waited for, five seconds each, whenever their loader is found to be garbage: so now.
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    del run
    gc.collect()


@pytest.mark.parametrize("rows", [4, 5])
def test_evaluation_samples_by_the_row_whoever_asks(rows):
    """In as many processes as there are, which fill the last micro-batch up with further rows."""

    def sampled(count):
        seeds = {}
        for process in range(count):
            run = SharedPrefixGRPOTrainer.__new__(SharedPrefixGRPOTrainer)
            run.args, run.num_generations_eval, run._evaluated = types.SimpleNamespace(seed=3), 2, 0
            run.model = torch.nn.Linear(1, 1).eval()
            run.accelerator = types.SimpleNamespace(num_processes=count, process_index=process)
            run._roll_out = lambda rows, given, *_: [
                [seeds.setdefault(row, []).append(seed) for row, seed in zip(rows, given, strict=True)]
            ]
            batches = BatchSampler(run._get_eval_sampler(range(rows)), batch_size=4, drop_last=False)
            for batch in BatchSamplerShard(batches, count, process) if count > 1 else batches:
                run._prepare_inputs(batch)
        return seeds

    alone = sampled(1)
    assert len(alone) == len({seed for (seed,) in alone.values()}) == rows
    for count in (2, 3):
        assert all(alone[row][0] in seeds for row, seeds in sampled(count).items())


def test_the_scripts_of_the_page_give_the_same_losses(base, chats, tmp_path, same_completions, monkeypatch):
    """As they stand, but for the model, the data and the sizes."""
    ours, theirs = re.findall(r"```python\n(.*?)```", (pages.FOLDER / "trainer.md").read_text(), re.DOTALL)
    assert set(ours.splitlines()) ^ set(theirs.splitlines()) < {
        "from trl import GRPOConfig",
        "from trl import GRPOConfig, GRPOTrainer",
        "from georeplicate.training.grpo import SharedPrefixGRPOTrainer",
        "trainer = SharedPrefixGRPOTrainer(",
        "trainer = GRPOTrainer(",
        "",
    }
    chats.save_to_disk(tmp_path / "questions")
    small = dict(max_steps=2, max_completion_length=LONGEST, use_cpu=True, bf16=False, report_to=[], logging_steps=1)
    monkeypatch.setattr("trl.GRPOConfig", lambda **given: GRPOConfig(**given | small))
    processor = load(base).processor  # the library's own loader wants torchvision for videos
    monkeypatch.setattr("trl.trainer.grpo_trainer.AutoProcessor.from_pretrained", lambda *a, **k: processor)
    monkeypatch.chdir(tmp_path)
    logs = []
    for script in (ours, theirs):
        same_completions.count, names = 0, {}
        exec(script.replace("Qwen/Qwen2.5-VL-3B-Instruct", str(base)), names)
        logs.append(names["trainer"])
    assert_same(*logs)
    assert any(entry.get("grad_norm") for entry in logs[0].state.log_history)


# ------------------------------------------------------------------------------------------------ what it is given


def test_texts_without_images_stand_as_they_are(base, tmp_path, same_completions):
    texts = Dataset.from_dict({"prompt": ["which tile fits", "look at the view ?"], "letter": ["A", "B"]})
    seen = []

    def reward(prompts, completions, letter, **columns):
        seen.append((prompts, completions, letter))
        return [float(len(text) % 3) for text in completions]

    options = dict(reward_funcs=reward, max_steps=2, temperature=0.7)
    logs = {which: train(which, tmp_path, base, texts, same_completions, **options) for which in BOTH}
    assert_same(logs["ours"], logs["trl"])
    assert seen[:2] == seen[2:] and all(isinstance(text, str) for text in (*seen[0][0], *seen[0][1]))


def test_one_image_a_row_and_images_inside_the_messages(base, tmp_path, same_completions):
    rows = questions(2, images=1)
    single = [
        {"prompt": [{"role": "user", "content": r["prompt"]}], "image": r["images"][0], "letter": "A"} for r in rows
    ]
    inside = [
        {"prompt": [{"role": "user", "content": [{"type": "image", "image": r["images"][0]},
                                                 {"type": "text", "text": r["prompt"]}]}], "letter": "A"}
        for r in rows
    ]  # fmt: skip
    losses = []
    for dataset in (single, inside):
        trainer = train("ours", tmp_path, base, dataset, same_completions, beta=0.04, loss_type="grpo")
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert losses[0] == losses[1] and any(losses[0])


def test_messages_are_the_conversation_where_there_is_no_prompt(base, chats, tmp_path, same_completions):
    losses = []
    for dataset in (chats, chats.rename_column("prompt", "messages")):
        held = dict(eval_dataset=dataset, eval_strategy="steps", eval_steps=3, num_generations_eval=2)
        run = train("ours", tmp_path, base, dataset, same_completions, beta=0.04, loss_type="grpo", **held)
        losses.append([entry.get("loss", entry.get("eval_loss")) for entry in run.state.log_history])
    assert losses[0] == losses[1] and any(losses[0])


@pytest.mark.parametrize(
    "options, saved",
    [
        (dict(max_steps=8, save_steps=0.25), {2, 4, 6, 8}),
        (dict(max_steps=5, save_steps=0.3, gradient_accumulation_steps=2), {2, 4, 5}),
        (dict(max_steps=-1, num_train_epochs=1.5, save_steps=0.4, per_device_train_batch_size=8), {4, 8, 9}),
    ],
)
def test_a_share_of_the_updates_is_saved_after(options, saved, base, chats, tmp_path):
    run = train("ours", tmp_path, base, chats, save_strategy="steps", num_iterations=2, **options)
    assert {int(path.name.split("-")[1]) for path in (tmp_path / "ours").glob("checkpoint-*")} == saved
    assert grpo._updates(run.args, len(chats)) == run.state.max_steps


@pytest.mark.parametrize(
    "options", [dict(eval_steps=1), dict(eval_steps=2, num_iterations=2), dict(eval_strategy="epoch", num_iterations=2)]
)
def test_the_best_checkpoint_may_be_saved_between_generations(options, tmp_path):
    assert grpo._refuse_split_generations(settings(tmp_path, **BEST | options), 6) is None


def test_a_folder_is_loaded_and_trained_whole(base, chats, tmp_path):
    trainer = SharedPrefixGRPOTrainer(str(base), says_its_letter, settings(tmp_path), chats)
    trainer.train()
    assert trainer.model.dtype == torch.float32 and len(trainer.state.log_history) == 4
    alone = SharedPrefixGRPOTrainer(load(base).model, says_its_letter, settings(tmp_path), chats)
    assert type(alone.processing_class) is type(trainer.processing_class)  # found beside the model


BEST = dict(save_strategy="best", metric_for_best_model="reward", eval_strategy="steps")
REFUSED = {
    "a prompt with images must be a conversation": dict(
        train_dataset=[{"prompt": "look", "images": questions(1)[0]["images"]}]
    ),
    "rows with images need a processor": dict(processing_class=tiny_policy().tokenizer),
    "row p1 has no prompt: give messages, or a text, in a column 'prompt'": dict(train_dataset=[{"id": "p1"}]),
    "the prompt is a conversation without a message": dict(train_dataset=[{"prompt": []}]),
    "row 0 has an empty prompt": dict(train_dataset=[{"prompt": ""}]),
    r"the prompt \['look'\] is no conversation: give a list": dict(train_dataset=[{"prompt": ["look"]}]),
    "the prompt 3 is no conversation": dict(train_dataset=[{"prompt": 3}]),
    "the messages of row p2 end with an answer": dict(
        train_dataset=[{"id": "p2", "messages": [{"role": "assistant", "content": "look"}]}]
    ),
    "a column 'prompts', which is the name of .*: rename": dict(
        train_dataset=Dataset.from_dict({"prompt": ["look"], "prompts": ["a"]})
    ),
    "a column 'completions', which is": dict(train_dataset=[{"prompt": "look", "completions": "a"}]),
    "a column 'log_metric', which is": dict(
        eval_dataset={"a": Dataset.from_dict({"prompt": ["look"], "log_metric": ["a"]})}
    ),
    r"1 rows do not fill one generation batch, which takes 2 \(generation_batch_size 8 by num_generations 4\)": dict(
        train_dataset=[{"prompt": "look"}], options=dict(per_device_train_batch_size=8)
    ),
    "there are no rows to train on": dict(train_dataset=[]),
    "rows that can be read by their number": dict(train_dataset=None),
    "eval_dataset must be .* no stream": dict(eval_dataset=Dataset.from_dict({"prompt": ["a"]}).to_iterable_dataset()),
    "there is no reward function": dict(reward_funcs=[]),
    "the reward 'some/model' is not honoured": dict(reward_funcs="some/model"),
    "whole groups of 4; choose a multiple as per_device_train": dict(
        options=dict(per_device_train_batch_size=6, gradient_accumulation_steps=2)
    ),
    "whole groups of 3; choose a multiple as per_device_eval": dict(
        eval_dataset=Dataset.from_dict({"prompt": ["a"]}), options=dict(num_generations_eval=3)
    ),
    "^save_steps must fall between two generations, .* choose a multiple of 2 updates": dict(
        options=dict(save_strategy="steps", save_steps=3, num_iterations=2)
    ),
    "save_steps=0.25 of 12 updates, every 3, must fall .* a multiple of 4 updates": dict(
        options=dict(save_strategy="steps", save_steps=0.25, num_iterations=4, max_steps=12)
    ),
    "^eval_steps must fall .* a multiple of 2 updates, as the best is saved after an evaluation": dict(
        options=BEST | dict(eval_steps=3, steps_per_generation=4, gradient_accumulation_steps=2)
    ),
    "^eval_steps=0.25 of 12 updates, every 3, must fall .* a multiple of 2 updates, as": dict(
        options=BEST | dict(eval_steps=0.25, num_iterations=2, max_steps=12)
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_trained_on_is_one_sentence(sentence, base, chats, tmp_path):
    changed = dict(REFUSED[sentence])
    options = changed.pop("options", {})
    made = load(base)
    arguments = dict(reward_funcs=says_its_letter, train_dataset=chats, processing_class=made.processor) | changed
    with pytest.raises(ValueError, match=sentence) as caught:
        SharedPrefixGRPOTrainer(made.model, args=settings(tmp_path, **options), **arguments).train()
    assert "\n" not in str(caught.value)


async def in_time(completions, **columns):
    return [0.0] * len(completions)


@pytest.mark.parametrize("bad", [torch.nn.Linear(1, 1), in_time, 3])
def test_rewards_that_are_no_plain_functions_are_refused(bad):
    with pytest.raises(ValueError, match="is not honoured .* calls plain functions"):
        scoring.check([says_its_letter, bad])


def test_an_adapted_model_is_refused(base, chats, tmp_path):
    made = load(base)
    adapted = get_peft_model(made.model, LoraConfig(r=2, target_modules=["q_proj"]))
    with pytest.raises(ValueError, match="holds adapters already"):
        SharedPrefixGRPOTrainer(adapted, says_its_letter, settings(tmp_path), chats, processing_class=made.processor)


@pytest.mark.parametrize("bad", ["1", b"1", 1e39, -1e300, 10**400, 1j, torch.tensor(math.nan)])
def test_a_reward_beyond_the_numbers_it_is_summed_in_is_refused(bad):
    rows = [{"id": "place 0", "prompt": "look"}]
    with pytest.raises(ValueError, match="for row place 0: a reward must be a finite number"):
        scoring.score([lambda **told: [bad]], rows, ["look"], ["a"], [[1]])


@pytest.mark.parametrize("bad", [None, math.nan, math.inf, "high"])
def test_a_reward_that_is_no_number_names_its_function_and_row(bad, base, chats, tmp_path):
    def broken(completions, **columns):
        return [0.5] * (len(completions) - 1) + [bad]

    rows = [row | {"id": f"place {i}"} for i, row in enumerate(chats)]
    with pytest.raises(ValueError, match=r"the reward function broken gave .* for row place \d: a reward must be"):
        train("ours", tmp_path, base, rows, reward_funcs=[says_its_letter, broken])


def test_a_reward_too_few_is_said(base, chats, tmp_path):
    with pytest.raises(ValueError, match="the reward function short gave 1 rewards for 4 completions"):

        def short(completions, **columns):
            return [1.0]

        train("ours", tmp_path, base, chats, reward_funcs=short)


@pytest.mark.parametrize("given", [None, 0.5, "1111", {"a": 1.0}, torch.tensor(1.0)])
def test_rewards_that_are_no_list_are_said(given, base, chats, tmp_path):
    with pytest.raises(ValueError, match=r"the reward function single gave .* instead of a list: it must give one"):

        def single(completions, **columns):
            return given

        train("ours", tmp_path, base, chats, reward_funcs=single)


@pytest.mark.parametrize("given", [{1.0, 0.5}, {"a": 1.0, "b": 0.5}.values(), (r for r in (1.0, 0.5))])
def test_rewards_without_an_order_are_no_list(given):
    with pytest.raises(ValueError, match="instead of a list"):
        scoring.score([lambda **told: given], [{"prompt": "look"}] * 2, ["look"] * 2, ["a"] * 2, [[1]] * 2)


@pytest.mark.parametrize("given", [np.ones(4), torch.ones(4), (1.0,) * 4])
def test_rewards_may_be_any_list_of_numbers(given):
    rows = [{"prompt": "look"}] * 4
    assert scoring.score([lambda **told: given], rows, ["look"] * 4, ["a"] * 4, [[1]] * 4).tolist() == [[1.0]] * 4


def test_reward_functions_log_as_in_trl(base, chats, tmp_path, same_completions):
    def reward(completions, log_metric, log_extra, trainer_state, **columns):
        log_metric("seen", float(trainer_state.global_step))
        log_extra("first", [chat[0]["content"][:1] for chat in completions])
        return [float(len(chat[0]["content"])) for chat in completions]

    options = dict(reward_funcs=reward, log_completions=True, num_completions_to_print=1)
    logs = {which: train(which, tmp_path, base, chats, same_completions, **options) for which in BOTH}
    assert_same(logs["ours"], logs["trl"])
    assert [entry["seen"] for entry in logs["ours"].state.log_history[:3]] == [0.0, 1.0, 2.0]
    for step in (1, 2, 3):
        ours, trl = (
            pd.read_parquet(tmp_path / which / "completions" / f"completions_0000{step}.parquet") for which in BOTH
        )
        assert set(ours) == set(trl) and len(ours) == len(trl) == 4
        pd.testing.assert_frame_equal(
            ours[["step", "reward", "first", "advantage"]], trl[["step", "reward", "first", "advantage"]]
        )
        for column in ("prompt", "completion"):
            assert ours[column].map(str).tolist() == trl[column].map(str).tolist()
    assert len(logs["ours"]._logs["images"]) == 4 and len(logs["ours"]._logs["images"][0]) == 3


def test_processes_with_different_metrics_do_not_mix_them_up(monkeypatch):
    """Each value is a mean over the processes that have it, or the extreme of theirs."""
    run = SharedPrefixGRPOTrainer.__new__(SharedPrefixGRPOTrainer)
    run.model, run._metrics = torch.nn.Linear(1, 1), {"train": defaultdict(list)}

    def beside(other, names):
        theirs = torch.tensor([[[other.get(n, 0.0), float(n in other)] for n in names]], dtype=torch.float64)
        run._metrics["train"].clear()
        run.accelerator = types.SimpleNamespace(device="cpu", gather=lambda rows: torch.cat([rows, theirs]))
        monkeypatch.setattr("georeplicate.training.grpo.gather_object", lambda found: [*found, *other])

    beside({"kl": 4.0, "completions/min_length": 2.0}, ["kl", "completions/min_length"])
    run._record({"kl": 1.0, "completions/min_length": 3.0}, weight=2.0)
    assert run._metrics["train"] == {"completions/min_length": [2.0], "kl": [2.0]}
    beside({"reward_a": 8.0, "reward_c": 3.0}, ["reward_a", "reward_b", "reward_c"])
    run._pending_metrics = {"reward_b": [0.5, 1.0], "reward_c": [1.0]}
    run._record_logged()
    assert run._metrics["train"] == {"reward_a": [8.0], "reward_b": [0.75], "reward_c": [2.0]}


class Kill(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 5:
            raise KeyboardInterrupt


def test_a_killed_run_over_shuffled_epochs_resumes_bit_for_bit(base, chats, tmp_path):
    """TRL's sampler would shuffle a resumed epoch like the first one."""
    options = dict(max_steps=8, save_strategy="steps", save_steps=2, per_device_train_batch_size=8)

    def start(name, **more):
        made = load(base)
        return SharedPrefixGRPOTrainer(
            made.model, says_its_letter, settings(tmp_path / name, **options), chats,
            processing_class=made.processor, **more,
        )  # fmt: skip

    whole, cut, resumed = start("whole"), start("cut", callbacks=[Kill()]), start("cut")
    whole.train()
    with pytest.raises(KeyboardInterrupt):
        cut.train()
    resumed.train(resume_from_checkpoint=str(tmp_path / "cut" / "checkpoint-4"))
    weights, others = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_no_completions_have_no_rewards():
    assert scoring.score([lambda **told: [], lambda **told: []], [], [], [], []).shape == (0, 2)
