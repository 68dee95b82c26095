"""The pages in georeplicate/docs about rewards, parsers, the paper and the trainer, and the model cards of the shipped
bases, written from the data that the code and the tests use.

``make pages`` rewrites them; a test compares the committed pages with what is written here, so
that no number and no outcome in them can be out of date.
"""

from __future__ import annotations

import csv
import json
import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from georeplicate import files, paper
from georeplicate.report import contents, illustrations
from georeplicate.tasks import answers
from georeplicate.training import rewards

FOLDER = files.PACKAGE / "docs"
MALFORMED_ANSWERS = files.PACKAGE / "tasks" / "data" / "malformed_answers.jsonl"


@dataclass(frozen=True)
class Example:
    """One answer and its outcome. ``paper``: a letter, a place [city, country code, lat, lon], or the reason of
    refusal; ``released``: a letter, a place [city, country], or None."""

    task: str
    text: str
    paper: str | list
    released: str | list | None
    why: str


def examples() -> Iterator[Example]:
    """The table of malformed and unusual answers, in order; the file holds escapes, so that odd characters survive."""
    for line in MALFORMED_ANSWERS.read_text(encoding="ascii").splitlines():
        yield Example(**json.loads(line))


_TOKENS = (0, 128, 256, 512, 1024, 1536, 2048)

_RELEASED_RULES = """\
The official code takes its rewards unchanged from VLM-R1, a recipe for object detection and multiple choice.

- **Accuracy.** The first closed `<answer>` block, else the whole text, is upper-cased. A letter counts if no letter
  stands before it and one of `. , ? ! : ;` or the end follows. Of several such letters the surroundings of each
  letter's first occurrence decide. An answer without such a letter is wrong, even `(A)` or "Image A is the match".
- **Format.** The whole completion must be `<think>…</think>`, optional white space, `<answer>…</answer>`; one space
  around it fails.
- **Length.** The correctness is overwritten, so a wrong answer earns the same as a right one, and the cosine is not
  clamped: it falls to its minimum and rises again.
- **Repetition.** Minus the share of repeated word n-grams. A completion with a block of JSON is scored by the boxes in
  it instead.
- **Total.** The plain sum.

The places of mode `released` are those of GLOBE's evaluation script: lower-case `country:` and `city:` up to the end of
the line; a name is right if one name contains the other and their lengths have a ratio of at least {ratio}.
"""

_PAPER_RULES = """\
Each reward does what the method describes; where no source gives a number or a rule, the choice is ours and marked so.

- **Accuracy.** The answer that was given, outside the thinking, in any unambiguous spelling. Two different letters are
  refused, and so is a letter that is only ruled out. The values for wrong and right are a parameter, because the
  sources name three pairs.
- **Format.** One thought, one answer, in this order, both with content, nothing else; white space around them is no
  fault.
- **Length.** Half a cosine, one for right and one for wrong answers, constant past its end: brevity pays.
- **Repetition.** Minus the share of repeated word n-grams.
- **Total.** A weighted sum; the weights are a parameter.

Places: keys in any case and order, JSON, tags or a bare "Paris, France"; the country must be known to the atlas;
coordinates in any usual notation, refused when out of range or exchanged.
"""


def rewards_page(mode: answers.Mode) -> str:
    """One page on a mode: the rules, the curve of the length reward, and every constant with its source."""
    rules = _PAPER_RULES if mode == "paper" else _RELEASED_RULES.format(ratio=answers.RELEASED_NAME_RATIO)
    curve = ["| tokens | right | wrong |", "| --- | --- | --- |"]
    curve += [f"| {n} | {rewards.length(n, True, mode):.3f} | {rewards.length(n, False, mode):.3f} |" for n in _TOKENS]
    constants = [constant for constant in rewards.CONSTANTS if mode in constant.modes]
    strengths = "\n".join(f"- `{mark}`: {meaning}" for mark, meaning in paper.STRENGTHS.items())
    conflicts = paper.conflicts()
    conflicts = conflicts[conflicts.topic.str.contains("reward") & ~conflicts.topic.str.contains("GLOBE")]
    choices = [deviation for deviation in paper.DEVIATIONS if deviation.where.endswith(f"mode {mode}")]
    return "\n".join(
        [
            f"# Rewards, mode `{mode}`\n",
            _NOTICE,
            rules,
            "## The length reward\n",
            *curve,
            "\n## Constants and their sources\n",
            paper.markdown(constants, ("name", "value", "source", "strength", "note")),
            "How strong a source is:\n",
            strengths,
            "\n## What is our choice\n",
            paper.markdown(choices, ("paper", "strength", "ours", "why")),
            "## Where the sources disagree\n",
            paper.markdown(conflicts),
        ]
    )


_NOTICE = "Written by `python -m georeplicate.report.pages` from the code's own data; do not edit.\n"


def _shown(value: str | list | None) -> str:
    if value is None:
        return "—"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value if part not in (None, "")).replace("*", "\\*") or "—"
    return f"*{answers.REASONS[value]}*" if value in answers.REASONS else value


def _literal(text: str) -> str:
    """A text as Markdown code in a table cell: escapes for what cannot be seen or would end the cell."""
    shown = json.dumps(text, ensure_ascii=not text.isprintable())[1:-1].replace('\\"', '"').replace("|", "\\|")
    if not text:
        return "(empty)"
    fence = "``" if "`" in shown else "`"
    return f"{fence} {shown} {fence}" if "`" in shown or not shown.strip() else f"{fence}{shown}{fence}"


def malformed_page() -> str:
    """The table of answers that parsers stumble over, and what each mode makes of them."""
    lines = [
        "# Answers that parsers stumble over\n",
        _NOTICE,
        "Every row is a test; the answers are written with the escapes of JSON. A dash means that nothing was read: "
        "the reward or the metric counts the answer as wrong.\n",
    ]
    titles = {"choice": "Which image?", "place": "Which place?"}
    for task, title in titles.items():
        rows = [example for example in examples() if example.task == task]
        lines += [
            f"## {title} ({len(rows)} answers)\n",
            "| answer | paper | released | what it is |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {_literal(row.text)} | {_shown(row.paper)} | {_shown(row.released)} | {row.why} |" for row in rows
        ]
        lines.append("")
    reasons = "\n".join(f"- `{reason}`: {meaning}" for reason, meaning in answers.REASONS.items())
    return "\n".join([*lines, "## Reasons of refusal\n", reasons, ""])


def paper_page() -> str:
    """What is known about the paper, how well, and where this project differs."""
    sections = {
        "What was read": paper.markdown(paper.READINGS),
        "Settings": paper.markdown(paper.SETTINGS),
        "Claims": paper.markdown(paper.CLAIMS),
        "Where the sources disagree": paper.markdown(paper.conflicts()),
        "Inferences: concluded by us, stated by nobody": paper.markdown(paper.INFERENCES),
        "Where we deviate": paper.markdown(paper.DEVIATIONS),
        "What was easy and what was hard": paper.markdown(paper.EXPERIENCES),
        "What we would ask the authors": paper.markdown(paper.QUESTIONS),
    }
    strengths = "\n".join(f"- `{mark}`: {meaning}" for mark, meaning in paper.STRENGTHS.items())
    body = "\n".join(f"## {title}\n\n{table}" for title, table in sections.items())
    return f"# The paper as data\n\n{_NOTICE}\n{strengths}\n\n{body}"


_DETAILS = """\
# {count} implementation details that matter, or might

{notice}
What the loop of GRPO does in the released code and here. Places of the released code are lines of the commit
`{commit}`, which was read; the letters say how strong
a source is (`V`: verified in the primary source). "Measured" names the committed file or the test where the difference
can be seen; for {unmeasured} of the {count} nothing was measured here. Where the rewards differ, both ways can be run:
`mode="paper"` and `mode="released"`.

{entries}
"""


def details_page() -> str:
    """The numbered details: ours, the released code's lines, whether it matters and where that was measured."""
    entries = []
    for number, detail in enumerate(paper.DETAILS, 1):
        place, address = paper.released_place(detail)
        released = f"{detail.released_does}. [`{place}`]({address}) ({detail.strength})"
        entries.append(
            f"{number}. **{detail.topic[0].upper()}{detail.topic[1:]}.**\n"
            f"   - Released: {released}\n"
            f"   - Ours: {detail.ours_does}. {_our_place(detail.ours)}\n"
            f"   - Does it matter: {detail.matters}. "
            + (f"Measured: `{detail.measured}`" if detail.measured else "Not measured here.")
        )
    unmeasured = sum(not detail.measured for detail in paper.DETAILS)
    return _DETAILS.format(
        notice=_NOTICE,
        count=len(paper.DETAILS),
        commit=paper.RELEASED_COMMIT,
        unmeasured=unmeasured,
        entries="\n".join(entries),
    )


def _our_place(named: str) -> str:
    """ "module:name" as the module's file and the name."""
    module, _, name = named.partition(":")
    path = files.PACKAGE / module.replace(".", "/")
    file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    return f"`georeplicate/{file.relative_to(files.PACKAGE).as_posix()}`, `{name}`"


_CARD = """\
---
license: mit
library_name: transformers
pipeline_tag: image-text-to-text
tags: [synthetic, geolocation]
---
# {name}

{notice}
A `Qwen2_5_VLForConditionalGeneration` of {millions:.1f} million parameters with a word-level vocabulary of {words}
words. {stands} It knows a **synthetic world** only (renderings of real metadata) and can do nothing with a photograph.

## What it was shown

Made by {command} (`georeplicate/mini/base.py`, whose docstring lists the tasks) from places of the split "base"
alone, all of them more than 50 km from every place that is trained or tested on. The vision tower is first taught, by
heads that are thrown away, to tell the fourteen cues of panoramas, tiles and street-level photos ({vision}
steps); its tokens are then centred and brought to a common length, and it stays as it is. The language model follows:

{stages}
The columns on the right: how many of the fourteen words of a picture are said; whether a search looks at the tiles in
the order of the alphabet or in any order.{rule}

**How clean it is.** No prompt holds a panorama and a tile of one place or of places within 50 km. Comparing is taught
within one view and within text. Beside a panorama and tiles the pairing prompt is practised in two ways: with lists of
words sampled at random that describe no tile, where the loss counts the verdicts about these lists alone, and with true
words and verdicts by the toss of a coin, where it counts all but the verdicts. So what it is taught to say about a
panorama and a tile does not depend on whether they agree: `tests/mini/test_base.py` holds the stream to this, with
permutation tests and one that must fail. The words for both views are the same, which gives part of the alignment
away.

**How these weights came about.** {origin} The stages themselves were found by trial and error, judged on validation
places (`results/LOG.md`).

## What it can do

On validation places, which chose its settings ({measured_by}), before a few cameras were repaired (`results/LOG.md`):

{measured}
## Limits

{limits}
"""

_CARD_RULE = """ In the last stage a search stops at the first tile that it calls a match, and
answers it: so reinforcement learning has no answering rule left to teach."""


@dataclass(frozen=True)
class _Card:
    """What the cards of the shipped bases do not have in common. curriculum: a name of base.CURRICULA. rule: whether
    its stage that teaches the answering rule came last. measured: (CSV, column and value of its rows, how to make it).
    """

    curriculum: str
    rule: bool
    command: str
    stands: str
    origin: str
    measured: tuple[Path, tuple[str, str], str]
    limits: str


_BENCH = files.RESULTS / "bench"
_CARDS = {
    "mini-base": _Card(
        curriculum="geographic-longer",
        rule=True,
        command="`georeplicate train base --world geographic-longer --rule`",
        stands="It stands for Qwen2.5-VL-7B in the profile `mini`: it thinks before it answers geography, and pairs "
        "panoramas with tiles by answering the first tile that it calls a match, some points above chance.",
        origin="They are those of base 0 of the longer curriculum in the registered experiments "
        "(`georeplicate/runs/arms.py`), seed 0: tower and first stages were trained on one NVIDIA H200, the others on "
        "a core of an AMD EPYC. The last stage, which teaches the answering rule, was trained again for this folder, "
        "from `results/geographic/bases/longer-b0`, in five minutes of one core; what is measured below is the arms' "
        "own base, made likewise.",
        measured=(
            _BENCH / "base_geographic.csv",
            ("policy", "longer-rule-b0"),
            "`python tests/bench/bench_readiness.py`, `results/bench/base_geographic.csv`, rows `longer-rule-b0`",
        ),
        limits="One of three bases of this curriculum; how much another seed differs is in `results/geographic`. What "
        "it says is about a drawn world of fourteen cues; nothing in it should be used to locate anything.",
    ),
    "geographic-base": _Card(
        curriculum="geographic",
        rule=False,
        command="`georeplicate train base --world geographic`",
        stands="It stands for Qwen2.5-VL-7B in the first arms of the registered experiments: it thinks before it "
        "answers geography, and pairs panoramas with tiles at chance.",
        origin="They are those of base 0 of the registered experiments (`georeplicate/runs/arms.py`), stage by stage, "
        "seed 0.",
        measured=(
            _BENCH / "world2_pilot.csv",
            ("arm", "base"),
            "`python tests/bench/bench_world2.py`, `results/bench/world2_pilot.csv`",
        ),
        limits="One of three bases of this curriculum; how much another seed differs is in `results/geographic`. What "
        "it says is about a drawn world of fourteen cues; nothing in it should be used to locate anything.",
    ),
}


def model_card(name: str = "mini-base") -> str:
    """The card of a shipped base: what it was shown, from the stages themselves, and what it can do, as measured."""
    from safetensors import safe_open

    from georeplicate.mini import base, wording  # loads torch, which no other page needs

    card = _CARDS[name]
    curriculum = base.CURRICULA[card.curriculum]
    with safe_open(base.SHIPPED.with_name(name) / "model.safetensors", "np") as weights:
        parameters = sum(math.prod(weights.get_slice(part).get_shape()) for part in weights.keys())
    stages = ["| stage | updates | examples an update | words | order |", "| --- | ---: | --- | ---: | --- |"]
    for stage in (*curriculum.stages, *([curriculum.rule] if card.rule else [])):
        mix = ", ".join(f"{task}: {n}" for task, n in stage.mix.items())
        order = "A, B, C..." if stage.in_order else "any"
        most = stage.most or len(wording.WORDING.words)
        stages.append(f"| {stage.name} | {stage.steps} | {mix} | {stage.least} to {most} | {order} |")
    measured = ["| what | value | n |", "| --- | ---: | ---: |"]
    path, (column, value), measured_by = card.measured
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[column] == value]
    measured += [f"| {row['what']} | {float(row['value']):.3f} | {row['n']} |" for row in rows]
    text = _CARD.format(
        notice=_NOTICE,
        name=name,
        millions=parameters / 1e6,
        words=len(base.vocabulary()),
        vision=curriculum.vision_steps,
        stages="\n".join([*stages, ""]),
        rule=_CARD_RULE if card.rule else "",
        measured="\n".join([*measured, ""]),
        measured_by=measured_by,
        **{part: getattr(card, part) for part in ("command", "stands", "origin", "limits")},
    )
    header, rest = text[: text.index("# ")], text[text.index("# ") :]
    wrapped = (part if part[0] in "|#" else textwrap.fill(part, 120) for part in rest.strip().split("\n\n"))
    return header + "\n\n".join(wrapped) + "\n"


_TRAINER = """\
# The shared-prefix GRPO trainer

{notice}
`SharedPrefixGRPOTrainer` is TRL's `GRPOTrainer` with one change: a prompt with its images is computed once for all its
completions, in sampling and in the loss. It takes the same arguments, reads the same datasets and calls the same reward
functions; `tests/training/test_trainer.py` holds its losses, weights and metrics to those of TRL's, run by run, on the
same completions, and runs the two scripts below.

## A run

The dataset has the columns `prompt` (messages), `images` and, for the reward, `letter`.

```python
{ours}```

The same in TRL:

```python
{theirs}```

What differs, beside the class:

- A model given by name is loaded in fp32, and trained whole unless there is a `peft_config`; a loaded model is taken as
  it is. Adapters are made by `peft_config`; a model that has some already is refused.
- Families that the kernel takes are {families}, and text models whose
  layers see the whole past. Others are trained too, without sharing, and one sentence in the log says so.
- Tokens are drawn by random numbers of their own, one seed for each prompt, so that the completions are not those of
  TRL: a run with another number of processes, or one that was killed and resumed, samples the same, and so does an
  evaluation that is made again.
- Micro-batches hold whole groups, and checkpoints fall between two generations; both are checked. TRL fills
  micro-batches with answers of several groups, so that with accumulation `bnpo` and means over micro-batches differ.
- A reward that is None or not finite ends the run and names its function and row; TRL takes None for no opinion.
- Reward functions are plain functions: reward models, coroutines, tools, environments and own rollouts are refused.
- In one micro-batch, tokens whose logits would be more than {large} numbers are scored {chunk:,} at a time.

## What is ours alone, and what is not

Computing a prompt once for all its answers is not new in training. PrefixGrouper (arXiv:2506.05433) splits attention in
the same two parts; verl has it as an option (`use_prefix_grouper`, pull request 4368), Unsloth by default where vLLM
does not sample (6871), and it is proposed elsewhere (NVIDIA-NeMo/RL 4008; with pictures redai-studio/Relax 67). What
we found in no release when we looked (November 2026) is all of this together: pictures under M-RoPE, computed once as
well; a vision tower that is trained through them; sampling from the same copy of the prompt; and TRL's own trainer
around it, to the same losses.

{beside}

## Several GPUs

`georeplicate train r1 --profile paper --launch WAY --gpus 8` prints and runs `accelerate launch` with a config of
`georeplicate/training/launch`; the same command line works without it, in a batch job too (`slurm_one_node.sh`,
`slurm_two_nodes.sh` there).

| way | on each GPU |
| --- | --- |
{ways}

- The kernel needs no fallback under any of them. Its forward passes go through the wrapped model, and the vision tower
  runs inside, so that the hooks that gather weights see every use. Answers are sampled from whole weights: FSDP2 and
  ZeRO-3 gather all of them, in the type they are computed in, for as long as a batch is sampled, so that no process
  waits for another one's longest answer.
- The profile's `precision` decides what is computed in bf16, and the configs say nothing of it: under DDP by autocast
  over fp32 weights, under FSDP2 by its policy over fp32 masters in shares (gradients are summed in fp32), under ZeRO by
  DeepSpeed's bf16 mode (the policy that is saved is then bf16).
- Tested on CPUs, two processes by gloo: SFT and GRPO, full and by adapters, give the loss and the gradient norm of one
  process at the same batch to 1e-5 in the first update and 1e-3 in the second, and a resumed run ends in the same
  weights (`tests/training/test_processes.py`), also with accumulation and two updates a batch. Those of DDP and FSDP2
  are marked slow and run by `pytest -m slow`, in CI beside `make test`; those of ZeRO-2 and ZeRO-3 run only
  where DeepSpeed is installed as well. Nothing was run on several GPUs; QLoRA, trackers and the Slurm examples were not
  run by us.
- A checkpoint is gone on from by the way that wrote it. Evaluation before any training works under DDP alone.
- Process 0 fetches, writes and prints. The test questions are shared: each process loads the trained policy and answers
  its part, and the rows are those of one process (`predictions.parts` in the run's folder, until it is finished).
- A photograph that turns out to be unreadable is named once, in one note (`data/unreadable-STAGE-sSEED.txt`) for all
  processes, whose counts are added up; a run that goes on looks at the noted rows again.
- Weights in four bits (`--adapters qlora`) are for one GPU or DDP.

## Answers by vLLM

`--rollouts vllm` samples in the trainer's GPUs, `--rollouts vllm-server` behind `trl vllm-serve` (its address in
`GEOREPLICATE_VLLM`), both through TRL's own client and by TRL's own trainer, in which prompts are repeated. vLLM's
probabilities are not the trainer's: TRL computes the old log-probabilities itself and corrects for the difference
(`vllm_importance_sampling_correction`, on). Without vLLM, and for the mini profiles, this is refused. Tested with a
stand-in of TRL's bridge; vLLM itself was not run by us.

## Metrics

TRL's, by TRL's names, but for one: `reward_std` is the mean of the groups' standard deviations (TRL's, over all
completions, is `rewards/NAME/std` for each function). Beside them `length`, `finished`, `advantage_mean`,
`equal_groups` (groups without signal), `clip_fraction`, `peak_mb`, `tokens_per_second` and seconds.

## Every field of GRPOConfig

Of TRL {version}. A value that is not honoured raises before anything is loaded.

| field | taken | what it does, or why no more is taken |
| --- | --- | --- |
{fields}

All other fields are those of transformers' `TrainingArguments`, most of which concern its own loop: they do what they
do with TRL's trainer. `save_steps` must fall between two generations (with `save_strategy="best"` so must `eval_steps`,
as the best is saved after an evaluation), and what concerns labels and predictions (such as `label_names` and
`include_for_metrics`) does nothing, as there are none. Of the rest, those that the loss or the sampling would not
follow are taken at one value alone:

| field | taken | what it does, or why no more is taken |
| --- | --- | --- |
{loop}
"""

_SCRIPT = """\
from datasets import load_from_disk
from trl import GRPOConfig{imports}


def says_the_letter(completions, letter, **columns):
    return [float(own in chat[0]["content"].split()) for chat, own in zip(completions, letter)]


args = GRPOConfig(
    output_dir="letters",
    per_device_train_batch_size=8,
    num_generations=8,
    max_completion_length=256,
    epsilon_high=0.28,
    max_steps=100,
)
trainer = {trainer}(
    model="Qwen/Qwen2.5-VL-3B-Instruct",
    reward_funcs=says_the_letter,
    args=args,
    train_dataset=load_from_disk("questions"),
)
trainer.train()
"""


def trainer_page() -> str:
    """How the trainer is used beside TRL's, and what becomes of every field of GRPOConfig."""
    import trl

    from georeplicate.model import head, shared_prefix  # loads torch, as does the next
    from georeplicate.runs import plan
    from georeplicate.training import launch, options

    expected = options.expected()
    fields = []
    for name in options.fields():
        if name in options.HONOURED:
            values = options.VALUES.get(name)
            of = f" ({', '.join(f'`{value}`' for value in values)})" if values else ""
            fields.append(f"| `{name}` | honoured | {options.HONOURED[name]}{of} |")
        else:
            fields.append(f"| `{name}` | only `{expected[name]!r}` | {options.reason(name)} |")
    return _TRAINER.format(
        notice=_NOTICE,
        ours=_SCRIPT.format(
            imports="\n\nfrom georeplicate.training.grpo import SharedPrefixGRPOTrainer",
            trainer="SharedPrefixGRPOTrainer",
        ),
        theirs=_SCRIPT.format(imports=", GRPOTrainer", trainer="GRPOTrainer"),
        families=", ".join(f"`{family}`" for family in shared_prefix.PICTURES),
        beside=_beside_others(),
        large=f"2^{head.LARGE.bit_length() - 1}",
        chunk=head.CHUNK,
        ways="\n".join(f"| `{way}` | {plan.WAYS[way]} |" for way in launch.WAYS),
        version=".".join(trl.__version__.split(".")[:2]),
        fields="\n".join(fields),
        loop="\n".join(f"| `{name}` | only `{value!r}` | {why} |" for name, (value, why) in options.LOOP.items()),
    )


def _beside_others() -> str:
    """What a step takes beside TRL's, and its training half beside PrefixGrouper's attention, as measured."""
    bench = pd.read_csv(illustrations.STEP_TIMES)
    size = ["device", "model", "P", "C", "G"]
    step = bench[bench.part == "step"].pivot_table(["seconds", "floor_share"], size, "impl")
    passes = bench[bench.part.isin(["reference", "forward", "backward"])]
    half = passes.pivot_table("seconds", size, "impl", aggfunc="sum")
    less, level = step.seconds.trl / step.seconds.ours, half.prefix_grouper / half.ours
    floor = step.floor_share.ours
    return textwrap.fill(
        f"On one CPU core ({', '.join(bench.device.unique())}; `results/bench/grpo_step.csv`) a step takes "
        f"{less.min():.1f} to {less.max():.1f} times less time than TRL's. PrefixGrouper's attention in the same model "
        f"takes {level.min():.2f} to {level.max():.2f} times our time for the training half (reference, forward and "
        "backward passes): in so far as that is 1, what is gained there is no merit of ours. Matrix products alone, at "
        f"the speed of one large product, would take {floor.min():.0%} to {floor.max():.0%} of our step's time, and "
        f"{step.floor_share.trl.min():.0%} to {step.floor_share.trl.max():.0%} of that of TRL's.",
        width=120,
    )


def pages() -> dict[Path, str]:
    """Every page by its path."""
    return {
        **{files.PACKAGE / "mini" / "weights" / name / "README.md": model_card(name) for name in _CARDS},
        FOLDER / "rewards_paper.md": rewards_page("paper"),
        FOLDER / "rewards_released.md": rewards_page("released"),
        FOLDER / "malformed_answers.md": malformed_page(),
        FOLDER / "paper.md": paper_page(),
        FOLDER / "trainer.md": trainer_page(),
        FOLDER / "details.md": details_page(),
        files.RESULTS / "README.md": contents.page(),
    }


def main() -> None:
    """Write all pages (see `pages`) and print their names."""
    for path, text in pages().items():
        files.write_bytes(path, text.encode())
        print(path.name)


if __name__ == "__main__":
    main()
