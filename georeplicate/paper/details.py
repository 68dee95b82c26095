"""Implementation details that matter, or might: each with our place, the line of the released code, and what was
measured about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from georeplicate.paper.settings import setting
from georeplicate.paper.sources import Strength, frame_of

if TYPE_CHECKING:
    import pandas as pd

# The released code as it was read; places are files of this commit, with lines.
RELEASED_COMMIT = "miniHuiHui/Geo-R1@0eb542be2532247aa36c8ba7ccd34805110c242e"
FOLDERS = {
    "trainer": "RL/src/open-r1-multimodal/src/open_r1/trainer/grpo_trainer.py",
    "config": "RL/src/open-r1-multimodal/src/open_r1/trainer/grpo_config.py",
    "rewards": "RL/src/open-r1-multimodal/src/open_r1/grpo_jsonl.py",
    "prompt": "RL/src/open-r1-multimodal/src/open_r1/vlm_modules/qwen_module.py",
    "script": "RL/run_scripts/run_grpo_geo_cv.sh",
}


@dataclass(frozen=True)
class Detail:
    """One detail. ``ours``: "module:name" of the library, or "profiles:field" for a setting; ``released``: "file:lines"
    with a file of `FOLDERS`, or "" where nothing is released; ``matters``: what it changes; ``measured``: the committed
    file or the test that shows it, or "" where it was not measured here."""

    topic: str
    released_does: str
    ours_does: str
    ours: str
    released: str
    strength: Strength
    matters: str
    measured: str = ""


DETAILS = (
    Detail(
        "which deviation divides the advantage",
        "torch's unbiased standard deviation of the group, plus 1e-4",
        "the same",
        "training.loss:group_advantages",
        "trainer:679-684",
        "V",
        f"advantages are sqrt((G - 1) / G) = {(1 - 1 / setting('num_generations').value) ** 0.5:.3f} times those "  # type: ignore[operator]
        "with the population's; a learning rate absorbs it",
        "notebooks/03_grpo_by_hand.py",
    ),
    Detail(
        "nearly equal rewards",
        "are divided by their own small deviation: full advantages out of nothing",
        "the same; in the mini profile the length reward, which makes such groups, has weight 0",
        "profiles:reward_weights",
        "trainer:684",
        "V",
        "mini runs with and without the length reward stand side by side",
        "results/mini/tables/controls.csv",
    ),
    Detail(
        "how the losses of tokens become one",
        "mean over a completion's tokens, then over completions",
        "the same by default; TRL's own default is another (dapo)",
        "training.loss:loss",
        "trainer:771",
        "V",
        "a token of a long completion weighs less, right or wrong: long wrong answers are pushed down less a token",
        "notebooks/03_grpo_by_hand.py",
    ),
    Detail(
        "updates on one batch of answers",
        "one: old and new policy are the same, every ratio is 1 and the clip never acts",
        "the same",
        "profiles:num_iterations",
        "config:298-299",
        "V",
        "epsilon changes nothing; notebook 04 asserts that no logged update clipped a token",
        "notebooks/04_grpo.py",
    ),
    Detail(
        "estimator of the KL term",
        "k3 a token, exp(d) - d - 1, with its gradient",
        "the same",
        "training.loss:loss",
        "trainer:763",
        "V",
        "never negative and little variance; its expected gradient is that of KL(reference, policy)",
        "notebooks/03_grpo_by_hand.py",
    ),
    Detail(
        "the reference",
        "the model that training starts from, loaded a second time, never updated",
        "the same",
        "training.grpo:SharedPrefixGRPOTrainer",
        "trainer:300-308",
        "V",
        "Geo-R1 is held near the scaffold and Geo-R1-Zero near the base model: their KL curves do not compare",
    ),
    Detail(
        "temperature of sampling",
        "1, written into the trainer: the configuration's 0.9 is never read",
        "1, a setting",
        "profiles:temperature",
        "trainer:376",
        "V",
        "greedy and sampled answers differ in accuracy; which of them the paper reports is not known",
        "results/mini/tables/table2.csv",
    ),
    Detail(
        "top-k of sampling",
        "50, a default of the generation library: neither script nor trainer names it",
        "50 in the profile paper, all tokens in mini",
        "profiles:top_k",
        "trainer:373-378",
        "V",
        "answers come from another distribution than the one whose gradient is taken",
    ),
    Detail(
        "correctness in the length reward",
        "overwritten with 1 before it is used: wrong answers are paid for their length as right ones",
        "two curves; mode released keeps the overwriting",
        "training.rewards:length",
        "rewards:577-588",
        "V",
        "released against described rewards, three seeds each",
        "results/mini/tables/reward_modes.csv",
    ),
    Detail(
        "end of the length reward's curve",
        "none: it falls until 1,024 tokens and rises again until 2,048, which may be written",
        "constant past 1,024; mode released keeps the period",
        "training.rewards:length",
        "rewards:571",
        "V",
        "a wrong answer of 2,048 tokens earns as much as an empty one; answers here are too short for it",
    ),
    Detail(
        "accuracy that the length reward is given",
        "a score of detection boxes, which a letter does not have; then it is overwritten",
        "whether the letter is right",
        "training.rewards:total",
        "rewards:726-727",
        "V",
        "none while the overwriting stands",
    ),
    Detail(
        "which letters are read",
        "a capital with punctuation or the end behind it: (A), **D** and A) earn nothing",
        "any unambiguous spelling of one letter; mode released keeps the rule",
        "tasks.answers.letters:released_choice",
        "rewards:116-160",
        "V",
        "the share of right letters under either rule",
        "results/mini/tables/protocols.csv",
    ),
    Detail(
        "two letters in one answer",
        "points for words nearby, a late position and a full stop; the first of the best wins",
        "no answer",
        "tasks.answers.letters:parse_choice",
        "rewards:131-160",
        "V",
        "pays for hedging; each case is in the table of malformed answers",
        "georeplicate/docs/malformed_answers.md",
    ),
    Detail(
        "white space around a completion",
        "fails the format: the pattern must match the whole text",
        "is ignored; each tag must occur once and hold something; mode released keeps the rule",
        "training.rewards:format",
        "rewards:884-886",
        "V",
        "a final line break costs a point of reward",
    ),
    Detail(
        "weights of the rewards",
        "a plain sum; the field reward_weights exists and is never read",
        "a setting, all 1 in the profile paper",
        "training.rewards:total",
        "trainer:674",
        "V",
        "a run that sets them believes that they count",
    ),
    Detail(
        "where the pictures stand",
        "all before the text, in the order of a list; markers inside the text are removed",
        "the same",
        "tasks.prompts:messages",
        "rewards:977,1005",
        "V",
        "a letter is bound to its tile by order alone",
    ),
    Detail(
        "a small picture among large ones",
        "a bare except hides that a large picture has no new size, or is given that of a small one before it",
        "the processor's own limits; nothing is caught",
        "model.policy:Policy",
        "trainer:536-551",
        "V",
        "nothing while all pictures are at least 28 pixels wide and high",
    ),
    Detail(
        "groups across processes",
        "4 completions a GPU, 8 a group: half a group on each of two GPUs, joined by a gather",
        "whole groups in one process: the prompt is computed once",
        "training.grpo:SharedPrefixGRPOTrainer",
        "script:40",
        "V",
        "no number; time, as the prompt is then computed once a group",
        "results/bench/grpo_step.csv",
    ),
    Detail(
        "the prompt",
        "computed once a completion, in sampling, reference and loss",
        "once a group",
        "model.shared_prefix:logprobs",
        "trainer:497-507",
        "V",
        "seconds and memory of a step; loss and gradients equal to rounding (tests/model/test_prefix.py)",
        "results/bench/grpo_step.csv",
    ),
    Detail(
        "the vision tower",
        "trained with the rest",
        "frozen in mini, trained in the profile paper",
        "profiles:freeze_vision",
        "trainer:279-283",
        "V",
        "compared in the registered experiments (arms region-tower, random-tower)",
        "results/geographic/tables/arms.csv",
    ),
    Detail(
        "what does not fill a batch",
        "is dropped at the end of an epoch, and the sampler's length still counts it",
        "one shuffled pass after another, nothing dropped",
        "training.common:order",
        "trainer:107,116",
        "V",
        "fewer updates than the progress bar promises; negligible for thousands of questions",
    ),
    Detail(
        "answers that hit the longest length",
        "enter the loss like all others",
        "the same by default; TRL's mask_truncated_completions is honoured",
        "training.options:HONOURED",
        "trainer:598-602",
        "V",
        "cut off, an answer has no letter and no form: it is pushed down whole",
    ),
    Detail(
        "random numbers",
        "one seed a process, 42 by default; answers depend on the number of GPUs",
        "one seed a question: a resumed run, or one on other processes, samples the same",
        "training.grpo:SharedPrefixGRPOTrainer",
        "trainer:437",
        "V",
        "whether a killed run can go on in the same numbers",
        "tests/training/test_trainer.py",
    ),
    Detail(
        "learning rate and warm-up",
        "1e-6, linear to zero, no warm-up: a default of the configuration, not set by the script",
        "the same in the profile paper; mini's were set by training rewards",
        "profiles:learning_rate",
        "config:284-285",
        "V",
        "sizes of steps do not carry over from one model to another",
    ),
)


def details() -> pd.DataFrame:
    """The details, numbered from 1 in the order in which the loop meets them."""
    frame = frame_of(DETAILS)
    frame.insert(0, "number", range(1, len(frame) + 1))
    return frame


def released_place(detail: Detail) -> tuple[str, str]:
    """(file:lines, its address at `RELEASED_COMMIT`); ("", "") where nothing is released."""
    file, _, lines = detail.released.partition(":")
    if not file:
        return "", ""
    repository, _, commit = RELEASED_COMMIT.partition("@")
    first, _, last = lines.partition(",")[0].partition("-")
    anchor = f"L{first}-L{last}" if last else f"L{first}"
    path = FOLDERS[file]
    return f"{path.rpartition('/')[2]}:{lines}", f"https://github.com/{repository}/blob/{commit}/{path}#{anchor}"
