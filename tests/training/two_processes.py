"""Run by test_processes.py under torchrun: the same short runs in however many processes there are, and however these
keep their weights."""

import json
import shutil
import sys
from pathlib import Path

import accelerate.state
import torch
from accelerate.utils import DistributedType
from peft import LoraConfig
from toy import questions
from transformers import TrainerCallback
from trl import GRPOConfig

from georeplicate.training import grpo, processes, rewards, sft

STAGES = ("sft", "grpo", "eval", "iterated", "resumed", "lora", "bf16")


def says_its_letter(text: str, row: dict, length: int) -> rewards.Reward:
    """With a part that only the rows of one letter, and so of one process, have."""
    said = float(row["letter"] in text.split())
    return rewards.Reward(said, {"said": said, f"length_of_{row['letter']}": length})


class Shares(TrainerCallback):
    """Writes which part of all weights this process holds, and in which types."""

    def __init__(self, path: Path):
        self.path = path

    def on_step_end(self, args, state, control, model, **_):
        weights = list(model.parameters())
        held = [weight.to_local() if hasattr(weight, "to_local") else weight for weight in weights]
        share = sum(map(torch.numel, held)) / sum(map(torch.numel, weights))
        self.path.write_text(json.dumps({"share": share, "types": sorted({str(weight.dtype) for weight in held})}))


def share_on_cpus() -> None:
    """accelerate shards weights on GPUs alone, and on CPUs ignores without a word that it was asked to; the code that
    it would run there is the same."""
    state, init = accelerate.state.AcceleratorState, accelerate.state.AcceleratorState.__init__

    def as_on_gpus(self, mixed_precision=None, cpu=False, dynamo_plugin=None, deepspeed_plugin=None, **options):
        init(self, mixed_precision, cpu, dynamo_plugin, deepspeed_plugin, **options)
        if self.distributed_type is not DistributedType.MULTI_CPU:
            return
        if (plugin := options.get("fsdp_plugin")) is not None:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, plugin
        if deepspeed_plugin is not None:
            from deepspeed import comm

            comm.init_distributed(dist_backend="gloo")
            self.distributed_type, self.deepspeed_plugins = DistributedType.DEEPSPEED, deepspeed_plugin
            for one in deepspeed_plugin.values() if isinstance(deepspeed_plugin, dict) else [deepspeed_plugin]:
                one.set_mixed_precision(mixed_precision)
                one.select(_from_accelerator_state=True)
        accelerate.state.PartialState._shared_state["distributed_type"] = self.distributed_type

    state.__init__ = as_on_gpus


def main(base: str, out: Path, stages: tuple[str, ...]) -> None:
    torch.set_num_threads(1)
    share_on_cpus()
    rows = questions(4)
    for i, row in enumerate(rows):  # answers of unequal length: the update's mean is over tokens, not over processes
        row["completion"] = f"<think> {'look ' * (1 + 3 * i)}</think> <answer> A </answer>"
    common = dict(learning_rate=1e-3, seed=0, bf16=False)

    def tune(name: str, **more) -> None:
        settings = common | dict(steps=2, batch_size=4, gradient_checkpointing=True) | more
        sft.train(base, rows, out / name, **settings)

    def reinforce(name: str, **more) -> None:
        settings = common | dict(steps=2, prompts_per_step=4, num_generations=4, max_new_tokens=6) | more
        grpo.train(base, rows, says_its_letter, out / name, **settings)

    if "sft" in stages:
        tune("sft", save_steps=1)
    if "grpo" in stages:
        reinforce("grpo", save_steps=1)
    if "eval" in stages:
        evaluate(base, [{**row, "prompt": [{"role": "user", "content": row["prompt"]}]} for row in rows], out / "eval")
    if "iterated" in stages:  # two updates on one batch of answers, each of two micro-batches
        reinforce("iterated", num_iterations=2, accumulation=2)
    if "resumed" in stages:
        for name, again in (("sft", tune), ("grpo", reinforce)):  # what a kill after the first checkpoint leaves
            processes.by_first(lambda n=name: _leave_first_checkpoint(out / n, out / f"{n}-resumed"))
            again(f"{name}-resumed", save_steps=1)
    if "lora" in stages:
        adapters = LoraConfig(r=4, lora_alpha=8, target_modules=r".*language_model.*\.(q|v)_proj")
        reinforce("lora", steps=1, peft_config=adapters)
    if "bf16" in stages:
        tune("bf16", steps=1, bf16=True, callbacks=[Shares(out / "bf16" / "shares.json")])


def _leave_first_checkpoint(whole: Path, killed: Path) -> None:
    shutil.copytree(whole / "checkpoint-1", killed / "checkpoint-1")


def evaluate(base: str, rows: list[dict], out: Path) -> None:
    """Micro-batches over all processes are the same: of two questions."""

    def brief(completions, completion_ids, **columns):
        return [-len(ids) - len(set(chat[0]["content"])) / 10 for chat, ids in zip(completions, completion_ids)]

    args = GRPOConfig(
        output_dir=str(out), use_cpu=True, bf16=False, report_to=[], seed=0, max_completion_length=6, beta=0.04,
        num_generations=4, per_device_train_batch_size=4, num_generations_eval=2,
        per_device_eval_batch_size=4 // processes.count(),
    )  # fmt: skip
    trainer = grpo.SharedPrefixGRPOTrainer(base, brief, args, rows, rows)
    trainer.evaluate()
    if args.should_save:
        out.mkdir(exist_ok=True)
        (out / "numbers.json").write_text(json.dumps(trainer.state.log_history[-1]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), tuple(sys.argv[3:]) or ("sft", "grpo", "eval"))
