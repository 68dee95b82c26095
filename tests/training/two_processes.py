"""Run by test_training.py under torchrun: the same short runs in however many processes there are."""

import json
import sys
from pathlib import Path

import torch
from toy import questions
from trl import GRPOConfig

from georeplicate.training import common, grpo, rewards, sft


def says_its_letter(text: str, row: dict, length: int) -> rewards.Reward:
    """With a part that only the rows of one letter, and so of one process, have."""
    said = float(row["letter"] in text.split())
    return rewards.Reward(said, {"said": said, f"length_of_{row['letter']}": length})


def main(base: str, out: Path) -> None:
    torch.set_num_threads(1)
    rows = questions(4)
    for i, row in enumerate(rows):  # answers of unequal length: the update's mean is over tokens, not over processes
        row["completion"] = f"<think> {'look ' * (1 + 3 * i)}</think> <answer> A </answer>"
    sft.train(base, rows, out / "sft", steps=2, batch_size=4, learning_rate=1e-3, seed=0, bf16=False)
    grpo.train(
        base,
        rows,
        says_its_letter,
        out / "grpo",
        steps=2,
        prompts_per_step=4,
        num_generations=4,
        max_new_tokens=6,
        learning_rate=1e-3,
        seed=0,
        bf16=False,
    )
    evaluate(base, [{**row, "prompt": [{"role": "user", "content": row["prompt"]}]} for row in rows], out / "eval")


def evaluate(base: str, rows: list[dict], out: Path) -> None:
    """Micro-batches over all processes are the same: of two questions."""

    def brief(completions, completion_ids, **columns):
        return [-len(ids) - len(set(chat[0]["content"])) / 10 for chat, ids in zip(completions, completion_ids)]

    args = GRPOConfig(
        output_dir=str(out), use_cpu=True, bf16=False, report_to=[], seed=0, max_completion_length=6, beta=0.04,
        num_generations=4, per_device_train_batch_size=4, num_generations_eval=2,
        per_device_eval_batch_size=4 // common.processes(),
    )  # fmt: skip
    trainer = grpo.SharedPrefixGRPOTrainer(base, brief, args, rows, rows)
    trainer.evaluate()
    if args.should_save:
        out.mkdir(exist_ok=True)
        (out / "numbers.json").write_text(json.dumps(trainer.state.log_history[-1]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
