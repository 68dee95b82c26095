"""Several processes: each on its own device, the numbers of one whatever keeps the weights, and one that writes."""

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from accelerate.commands import launch as accelerate_launch
from accelerate.utils import launch as accelerate_environment
from safetensors.torch import load_file
from toy import questions, tiny_policy

from georeplicate.model import checkpoint
from georeplicate.model import policy as policies
from georeplicate.training import common, launch, processes, sft

HERE = Path(__file__).parent
WITHOUT = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED", "FSDP_VERSION")


@pytest.fixture
def alone(monkeypatch):
    """No process of a group, whatever this one was started by."""
    for name in WITHOUT:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def told(way: str, count: int = 2) -> dict[str, str]:
    """The environment that accelerate makes of a shipped config for each process."""
    words = launch.command(way, count, ["train", "sft"])
    parsed = accelerate_launch.launch_command_parser().parse_args(words[words.index("--config_file") :])
    args, defaults, _ = accelerate_launch._validate_launch_command(parsed)
    args.deepspeed_fields_from_accelerate_config = ""
    args.main_process_port = 0
    if args.use_deepspeed:
        made = accelerate_environment.prepare_deepspeed_cmd_env(args)[1]
    else:
        made = accelerate_environment.prepare_multi_gpu_env(args)
    before = dict(os.environ)
    return {name: value for name, value in made.items() if before.get(name) != value and name != "PYTHONPATH"}


# --- devices and who writes ------------------------------------------------------------------------------------------


def test_each_process_takes_its_own_gpu_before_anything_is_loaded(alone):
    done = []
    alone.setattr(torch.cuda, "is_available", lambda: True)
    alone.setattr(torch.cuda, "device_count", lambda: 4)
    alone.setattr(torch.cuda, "set_device", lambda device: done.append(("takes", device)))
    alone.setattr(policies, "load", lambda path, **how: done.append(("loads", how["device"])))
    alone.setenv("LOCAL_RANK", "3")
    common.load("somewhere", whole=True)
    assert done == [("takes", 3), ("loads", "cuda:3")]
    for name in ("ACCELERATE_USE_FSDP", "FSDP_VERSION"):
        alone.setenv(name, {"FSDP_VERSION": "2"}.get(name, "true"))
    common.load("somewhere", whole=True)  # weights in shares never lie on one GPU whole
    assert done[2:] == [("takes", 3), ("loads", "cpu")]
    alone.setenv("LOCAL_RANK", "4")
    with pytest.raises(processes.LaunchError, match="process 4 of this machine has no GPU, as there are 4"):
        common.load("somewhere", whole=True)


def test_alone_one_process_does_what_only_the_first_does(alone):
    assert processes.is_first() and processes.by_first(lambda: 7) == 7 and processes.engine() == "one"
    alone.setenv("RANK", "1")
    assert not processes.is_first()


def test_what_each_process_found_and_which_of_them_failed(alone, capsys):
    def fails():
        raise ValueError("no room")

    assert processes.by_each(lambda: 7) == [7]
    with pytest.raises(ValueError, match="no room"):
        processes.by_each(fails)
    alone.setenv("WORLD_SIZE", "2")
    alone.setattr(processes, "_control", lambda: "a group")

    def gathers(found, mine, group):
        found[:] = [mine, (8, "")]

    alone.setattr(torch.distributed, "all_gather_object", gathers)
    assert processes.by_each(lambda: 7) == [7, 8]
    with pytest.raises(processes.LaunchError, match="^process 1 of 2 failed: ValueError: no room$"):
        processes.by_each(fails)
    alone.setenv("RANK", "1")  # the others leave it to the first to say so
    with pytest.raises(SystemExit):
        processes.by_each(fails)
    assert "in fails" in capsys.readouterr().err


@pytest.mark.parametrize("way", launch.WAYS)
def test_shipped_configs_are_accelerates_and_say_which_engine(way, alone):
    made = told(way)
    assert made["ACCELERATE_MIXED_PRECISION"] == "no"  # the profile decides
    for name, value in made.items():
        alone.setenv(name, value)
    alone.setenv("WORLD_SIZE", "2")
    alone.setattr(importlib.util, "find_spec", lambda name: name)  # DeepSpeed is no dependency
    assert processes.engine() == way
    alone.undo()
    alone.setenv("ACCELERATE_USE_FSDP", "true")
    alone.setenv("FSDP_VERSION", "1")
    with pytest.raises(processes.LaunchError, match="fsdp_version to 2"):
        processes.engine()


@pytest.mark.parametrize("environment, said", [
    ({"FSDP_VERSION": "2"}, "accelerate keeps no weights in shares here"),
    ({"FSDP_VERSION": "2", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}, "reference policy would stay empty"),
])  # fmt: skip
def test_what_accelerate_would_ignore_is_refused(environment, said, alone, tmp_path):
    tiny_policy().save(tmp_path / "base")
    for name, value in {"ACCELERATE_USE_FSDP": "true", **environment}.items():
        alone.setenv(name, value)
    with pytest.raises(processes.LaunchError, match=said):
        sft.train(tmp_path / "base", questions(2), tmp_path / "out", steps=1, batch_size=2, seed=0, bf16=False)


def test_what_a_launch_lacks_is_one_sentence_before_any_cost(alone, command, tmp_path):
    alone.setattr(torch.cuda, "is_available", lambda: False)
    found = importlib.util.find_spec
    absent = ("bitsandbytes", "trackio")
    alone.setattr(importlib.util, "find_spec", lambda name, *more: None if name in absent else found(name, *more))
    for words, said in {
        ("--launch", "fsdp2", "--gpus", "8"): "needs 8 GPUs, and this machine has none",
        ("--launch", "megatron", "--gpus", "8"): "choose one of ddp, fsdp2, zero2, zero3",
        ("--adapters", "qlora"): "want bitsandbytes, which is",
        ("--report-to", "trackio"): "trackio is not installed",
        ("--report-to", "paper"): "choose one of none, tensorboard, wandb, trackio",
    }.items():
        code, _, error = command("train", "sft", "--profile", "smoke", "--work", tmp_path, *words)
        assert code == 1 and said in error and error.count("\n") == 1
    with pytest.raises(ValueError, match="leave --launch out"):
        launch.command("ddp", 1, [])
    alone.setattr(torch.cuda, "is_available", lambda: True)
    alone.setattr(torch.cuda, "device_count", lambda: 8)
    alone.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(processes.LaunchError, match="DeepSpeed is not installed"):
        launch.check("zero3", 8)


def test_the_command_that_is_launched_is_printed_and_run(alone, command):
    ran = []
    alone.setattr(launch, "check", lambda *_: None)
    alone.setattr(launch.subprocess, "run", lambda line: ran.append(line) or subprocess.CompletedProcess(line, 3))
    code, printed, _ = command("train", "r1", "--profile", "smoke", "--launch", "zero2", "--gpus", "4", "--seeds", "1")
    assert code == 3 and "--launch" not in ran[0]
    assert ran[0][1:7] == ["-m", "accelerate.commands.launch", "--config_file", str(launch.config("zero2")),
                           "--num_processes", "4"]  # fmt: skip
    assert ran[0][7:12] == ["-m", "georeplicate", "train", "r1", "--profile"] and "--seeds 1" in printed


def test_slurm_examples_use_words_that_there_are():
    used = set()
    for name in ("slurm_one_node.sh", "slurm_two_nodes.sh"):
        text = (launch.FOLDER / name).read_text()
        subprocess.run(["bash", "-n", launch.FOLDER / name], check=True)
        assert "georeplicate train" in text and "fsdp2" in text
        used |= set(re.findall(r"(--\w+_\w+)", text))
    assert used and used <= set(accelerate_launch.launch_command_parser()._option_string_actions)
    assert all(yaml.safe_load(launch.config(way).read_text())["use_cpu"] is False for way in launch.WAYS)


# --- checkpoints of each engine --------------------------------------------------------------------------------------

LAYOUTS = {
    "one": ["optimizer.pt", "model.safetensors"],
    "fsdp2": ["optimizer_0/.metadata", "optimizer_0/__0_0.distcp", "pytorch_model_fsdp_0/.metadata"],
    "zero": ["latest", "global_step4/zero_pp_rank_0_mp_rank_00_model_states.pt",
             "global_step4/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"],
}  # fmt: skip


def made_up(folder: Path, engine: str) -> Path:
    for name in ("trainer_state.json", "scheduler.pt", *LAYOUTS[engine]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("global_step4" if name == "latest" else name)
    checkpoint.write_manifest(folder)
    return folder


@pytest.mark.parametrize("engine", LAYOUTS)
def test_a_checkpoint_of_any_engine_is_known_and_its_missing_parts_too(engine, tmp_path, alone, caplog):
    whole = made_up(tmp_path / "run" / "checkpoint-4", engine)
    assert common.verify_resumable(whole) == engine
    for name in LAYOUTS[engine][: 1 if engine == "one" else 3]:
        if name.endswith("distcp"):
            continue
        torn = made_up(tmp_path / name.replace("/", "-"), engine)
        (torn / name).unlink()
        checkpoint.write_manifest(torn)  # so that the sums hold
        with pytest.raises(checkpoint.CheckpointError, match="cannot be resumed"):
            common.verify_resumable(torn)
    (whole / LAYOUTS[engine][-1]).write_text("damaged")
    assert common.latest(tmp_path / "run") is None and "passing over" in caplog.text


def test_a_run_goes_on_by_the_engine_that_began_it(tmp_path, alone):
    assert common.latest(made_up(tmp_path / "a" / "checkpoint-4", "one").parent).name == "checkpoint-4"
    with pytest.raises(checkpoint.CheckpointError, match="go on with --launch fsdp2, or delete"):
        common.latest(made_up(tmp_path / "b" / "checkpoint-4", "fsdp2").parent)
    alone.setenv("ACCELERATE_USE_FSDP", "true")
    alone.setenv("FSDP_VERSION", "2")
    with pytest.raises(checkpoint.CheckpointError, match="go on with one process, or --launch ddp"):
        common.latest(tmp_path / "a")
    assert common.latest(tmp_path / "b").name == "checkpoint-4"


# --- two processes on CPUs, by gloo ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _explained(result):
    try:
        yield
    except subprocess.CalledProcessError as error:
        raise AssertionError(error.stderr.decode()[-3000:]) from error


def run(way: str, count: int, base: Path, out: Path, *stages: str) -> Path:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    made = told(way) if way != "one" else {}
    ours = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    paths = [*map(str, (HERE, *HERE.parents[:2])), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | made | ours | {"PYTHONPATH": os.pathsep.join(paths)}
    with _explained(out):
        subprocess.run(
            [*command, HERE / "two_processes.py", base, out, *stages],
            env=environment, check=True, capture_output=True, timeout=300,
        )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def by_one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    tiny_policy(sharpen=2.0).save(folder / "base")
    return folder / "base", run(
        "one", 1, folder / "base", folder / "out", "sft", "grpo", "eval", "iterated", "lora", "bf16"
    )


COLUMNS = {
    "sft": ["loss", "grad_norm"],
    "grpo": ["loss", "grad_norm", "reward", "length", "reward_said", "entropy", "completions/max_length",
             *(f"reward_length_of_{letter}" for letter in "ABCD")],
    "iterated": ["loss", "grad_norm"],  # metrics are means over micro-batches, which are others in two processes
    "lora": ["loss", "grad_norm", "reward", "length"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("way", launch.WAYS)
def test_two_processes_give_the_numbers_of_one_and_resume_to_their_own(way, by_one, tmp_path):
    """Full fine-tuning by SFT (with checkpointing) and GRPO, also with accumulation and two updates a batch, adapters,
    bf16; at the same global batch.

    The first update's loss and gradient norm agree to 1e-5, the second's, whose rounding Adam has enlarged, to 1e-3,
    and the weights after both to 1e-2 of how far they moved (measured: 2e-5). A resumed run ends in the same weights.
    """
    if way.startswith("zero") and importlib.util.find_spec("deepspeed") is None:
        pytest.skip("DeepSpeed is not installed")
    base, one = by_one
    evaluated = ["eval"] if way == "ddp" else []  # before any training, accelerate and DeepSpeed share no weights
    two = run(way, 2, base, tmp_path / "two", "sft", "grpo", *evaluated, "iterated", "resumed", "lora", "bf16")
    start = load_file(base / "model.safetensors")
    for stage, columns in COLUMNS.items():
        ours, theirs = (pd.read_csv(out / stage / "log.csv")[columns].to_numpy() for out in (one, two))
        assert theirs[0] == pytest.approx(ours[0], rel=1e-5, abs=1e-7) and (ours[:, 1] > 0).all()
        assert theirs[1:] == pytest.approx(ours[1:], rel=1e-3, abs=1e-6)
        weights, others = (load_file(out / stage / "policy" / "model.safetensors") for out in (one, two))
        moved = torch.cat([(weights[name] - start[name]).flatten() for name in start])
        apart = torch.cat([(weights[name] - others[name]).flatten() for name in start])
        assert 0 < moved.norm() and apart.norm() < 1e-2 * moved.norm()
    for stage in ("sft", "grpo"):
        whole, resumed = (
            load_file(two / name / "policy" / "model.safetensors") for name in (stage, f"{stage}-resumed")
        )
        assert all(torch.equal(whole[name], resumed[name]) for name in start)
    engine = {"ddp": "one", "zero2": "zero", "zero3": "zero"}.get(way, way)
    assert common.kept_by(two / "sft" / "checkpoint-1") == engine
    if way == "fsdp2":
        shares = json.loads((two / "bf16" / "shares.json").read_text())
        assert shares["types"] == ["torch.float32"] and shares["share"] == pytest.approx(0.5, abs=0.05)
    ours, theirs = (pd.read_csv(out / "bf16" / "log.csv").loss[0] for out in (one, two))
    assert theirs == pytest.approx(ours, rel=1e-3) and theirs != pd.read_csv(two / "sft" / "log.csv").loss[0]
    whole = load_file(two / "lora" / "policy" / "model.safetensors")
    merged = policies.merge(two / "lora" / "adapter").model.state_dict()
    found = {name for name in whole if "q_proj.weight" in name}
    assert found and (two / "lora" / "adapter" / "adapter_model.safetensors").stat().st_size < 10**5
    assert all(any(torch.allclose(whole[n], m, atol=1e-6) for m in merged.values() if m.shape == whole[n].shape)
               for n in found)  # fmt: skip
    if way == "ddp":
        first, second = (json.loads((out / "eval" / "numbers.json").read_text()) for out in (one, two))
        assert {"eval_loss", "eval_reward", "eval_completions/mean_length", "eval_rewards/brief/std"} <= first.keys()
        for name in {n for n in first if not re.search("time|second|peak_mb", n)}:
            assert second[name] == pytest.approx(first[name], rel=1e-5, abs=1e-6), name


def test_a_tracker_that_is_installed_reaches_the_trainer(monkeypatch):
    given = dict(steps=1, seed=0, learning_rate=0.1, schedule="constant", warmup_steps=0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert common.Settings(**given, report_to="tensorboard").arguments("out")["report_to"] == ["tensorboard"]
    assert common.Settings(**given).arguments("out")["report_to"] == []
