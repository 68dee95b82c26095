# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Does the indirect reward alone teach pairing?
#
# Nobody tells the model what a panorama and a tile have in common, and nobody tells it *why* an answer was wrong. It is
# told one bit: this letter, or not. (Records of other prompts are replayed beside it, the same in every control.)
# Notebook 03 carried four answers through the arithmetic. Here the same arithmetic runs some hundred times, from the
# base (*Zero*) and from the scaffold of notebook 02 (*R1*).
#
# (1) answers → (2) rewards → (3) advantages → (4) log-probabilities → (5) loss, and again
#
# | | |
# |---|---|
# | **You will see** | rewards of answers; a group; predictions, then the curves of all seeds; what is learnt; costs |
# | **Needs** | nothing but this repository; trains once, some minutes a run on one CPU core |
# | **Writes** | `figures/grpo_curves.png`, `figures/grpo_step.png`, `tables/grpo.csv`, and the runs below `runs/` |
#
# > Lines set like this one are ours. **Mini models on a synthetic world:** pictures are renderings of real metadata;
# > the base already has words for both views, can compare within one view, and answers the first tile that it calls a
# > match. The question here is whether the reward alone makes it compare *across* views.

# %% tags=["parameters"]
profile = "mini"
out = "../.georeplicate/mini"
seeds = 3
# artefacts: tables/grpo.csv
# world-only artefacts: figures/grpo_curves.png figures/grpo_step.png

# %%
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from IPython.display import Markdown, display

pd.options.display.max_colwidth, pd.options.display.float_format = None, "{:.3f}".format

# %%
from georeplicate import files, manifest, pairs, paper, world
from georeplicate.evaluation import faithfulness, predict
from georeplicate.evaluation.predictors import VLM
from georeplicate.mini import base, inputs, tasks, wording
from georeplicate.model import policy
from georeplicate.profiles import Profile
from georeplicate.report import diagram, findings, mechanism, plots, thinking, write
from georeplicate.report import tables as result_tables
from georeplicate.runs import runner, spec
from georeplicate.tasks import prompts
from georeplicate.training import grpo, rewards

size, published = Profile.get(profile), Profile.get("paper")
tables, figures = Path(out) / "tables", Path(out) / "figures"

# %%
diagram.loop("GRPO")

# %% [markdown]
# ## What the paper reports
#
# Photographs, a 7B model, percent. Reinforcement learning on pairing lifts accuracy from chance to about four in five,
# with the scaffold or without.

# %%
paper.table2()

# %% [markdown] tags=["world-only"]
# The settings beside ours, where they differ, and where the paper's come from. The letter says how strong that source
# is (V verified, S secondary, I inference, choice: ours on both sides); notebook 07 has what could follow from it.

# %% tags=["world-only"]
named = {"group_size": "num_generations", "rl_steps": "updates", "epsilon": "clip_epsilon", "model": "base_model"}
named |= {n: n for n in ("prompts_per_update", "learning_rate", "beta", "temperature", "max_completion_length")}
source = {n: (s.source, s.strength) for n, s in ((n, paper.setting(theirs)) for n, theirs in named.items())}
source |= dict.fromkeys(("panorama_px", "tile_px"), ("not published", "choice"))

# %% tags=["world-only"]
settings = pd.DataFrame({p.name: {n: getattr(p, n) for n in source} for p in (published, size)}, dtype=object)
settings[["source of the paper's", "strength"]] = list(source.values())
settings = settings[settings.iloc[:, 0] != settings.iloc[:, 1]]
settings.map(lambda value: f"{value:g}" if isinstance(value, float) else value)

# %% [markdown] tags=["world-only"]
# ## (1) A training question
#
# Places of two of the 16 training cities. A row for the policy holds the pixels, the prompt, and the right letter,
# which only the reward will see. `true` holds the true words of each picture; the training never looks at them.

# %% tags=["world-only"]
shape = dict(per_region=8, regions=2)
pictures = pairs.load("world", "train", panorama_height=size.panorama_px[0], tile_size=size.tile_px, **shape)
questions = pairs.questions(pictures, k=size.k, negatives=size.negatives, seed=0)
shipped = policy.load(base.SHIPPED)
rows = inputs.pairing_rows(shipped, pictures, questions, described=inputs.true_words(world.sites("train", **shape)))
right, true = rows[0]["letter"], rows[0]["true_words"]
plots.question(pairs.images(pictures, questions[0]), right, f"{rows[0]['id']}: {rows[0]['prompt']}")

# %% [markdown] tags=["world-only"]
# ## (2) Rewards of a few written answers
#
# The mini model thinks by searching: it names a few things at the place, then at one tile after another, says `match`
# or `other`, and stops. Five answers written by hand: an honest search; a lucky guess; a search that finds the tile and
# names another; a false `match`; one that never ends. The length is looked at and not paid for: its curve is made for a
# thousand tokens, and between wrong answers of twenty the division by the group's spread makes much of nothing
# (`results/LOG.md`; notebook 05 shows runs that have it).

# %% tags=["world-only"]
at = dict(zip(wording.LETTERS, true[1:]))
wrong = next(letter for letter in at if at[letter] != true[0])
cue = next(i for i, (here, there) in enumerate(zip(true[0], at[wrong])) if here != there)  # which tells them apart
place, at = true[0][cue : cue + 1], {letter: words[cue : cue + 1] for letter, words in at.items()}
passed, found = (wrong, at[wrong], wording.DIFFERENT), (right, at[right], wording.MATCH)

# %% tags=["world-only"]
written = {
    "honest search": base.think(place, [passed, found], right),
    "lucky guess": f"<think> place {place[0]} </think> <answer> {right} </answer>",
    "found, but names another": base.think(place, [passed, found], wrong),
    "false match": base.think(place, [(wrong, at[wrong], wording.MATCH)], wrong),
    "never ends": base.think(place, [passed] * 3, right).partition(" </think>")[0],
}
pd.Series(written, name="answer").to_frame()

# %% tags=["world-only"]
tokens = [len(shipped.completion_ids(text)) for text in written.values()]
reward = partial(rewards.total, weights=dict(zip(rewards.WEIGHTS, size.reward_weights)))
scored = [reward(text, right, n) for text, n in zip(written.values(), tokens)]
pd.DataFrame([s.parts | {"total": s.total} for s in scored], index=list(written)).assign(tokens=tokens)

# %% [markdown] tags=["world-only"]
# > The lucky guess earns as much as the honest search. The reward is *indirect*: it cannot tell knowing from guessing.
# > Only over many questions, where a guess is right one time in five, does searching pay.
#
# ## (3) A group of sampled answers and its advantages
#
# Now the base answers by itself, at temperature 1: a group for each of a few questions. Shown is the first group with
# right and wrong answers in it; below each bar the letter that was answered.

# %% tags=["world-only"]
few = [rows[i] for i in range(min(16, len(rows)))]
options = dict(num_generations=size.group_size, max_new_tokens=size.max_completion_length)
sampled = shipped.generate(few, temperature=size.temperature, seeds=[(0, i) for i in range(len(few))], **options)
parts = pd.DataFrame(
    reward(text, few[i // size.group_size]["letter"], n).parts
    for i, (text, n) in enumerate(zip(sampled.texts, sampled.lengths))
).drop(columns="length")
accuracy = parts.accuracy.to_numpy().reshape(len(few), size.group_size)
mixed = [i for i, group in enumerate(accuracy) if 0 < group.mean() < 1]
f"{accuracy.mean():.0%} of {accuracy.size} answers are right; {len(mixed)} of {len(few)} groups hold both kinds"

# %% tags=["world-only"]
first = (mixed or [0])[0]
group = slice(first * size.group_size, (first + 1) * size.group_size)
pd.DataFrame({"answer": sampled.texts[group], "right letter": few[first]["letter"]}).assign(
    total=parts[group].sum(axis=1).values
)

# %% tags=["world-only"]
totals = torch.tensor(parts[group].sum(axis=1).to_numpy(), dtype=torch.float32)
advantages = grpo.group_advantages(totals[None])[0].numpy()
letters = [prompts.parse_choice(text) for text in sampled.texts[group]]
names = [f"{i}\n{getattr(letter, 'letter', '?')}" for i, letter in enumerate(letters, 1)]
plots.group(parts[group].set_axis(names), advantages)

# %% [markdown] tags=["world-only"]
# Right answers rise, wrong ones sink, and what these gain those lose. Wrong answers *with* the form still stand above
# those without it.

# %% [markdown]
# ## (4) and (5): predict before you look
#
# Six quantities of the training log can be foretold from the arithmetic of notebook 03. Cover the curves and decide:
#
# | log column | what must it do, and why? |
# |---|---|
# | `advantage_mean` | 0 at every update: advantages of a group add up to nothing |
# | `clip_fraction` | exactly 0: with *one* update a batch the new policy *is* the old one, every ratio is 1 |
# | `kl` | 0 at the first update, as the reference is where training starts; then it grows, against the pull of beta |
# | `equal_groups` | many when nearly all answers are wrong, or nearly all right; few in between |
# | `finished` | 1, or nearly: an answer that never ends earns no letter and no form, so it sinks |
# | `loss_beyond_kl` | near 0: at ratio 1 the advantages cancel, and what is left of GRPO's loss is beta times the KL |
#
# (Beside GRPO some of the base's own records are replayed, of prompts that no reward is about, so that their form is
# kept; `replay` is their weight in the loss. Their part is taken off here. Ours: the paper has none.)
#
# How often *would* groups be tied by accuracy alone? All wrong or all right, for a policy that is right a share $p$ of
# the time and groups of 8:

# %%
share = pd.Series([0.2, 0.4, 0.6, 0.8, 0.95], name="p")
tied = (1 - share) ** published.group_size + share**published.group_size
pd.DataFrame({"p": share, "groups tied by accuracy": tied}).set_index("p").T

# %% [markdown]
# At the base's share one group in eight or so would be tied if the eight answers were independent and all questions
# equally hard. They are neither: look at how many are tied in the log at first, and how many at the end.

# %%
runs, trained = spec.table2_runs(size.seeds[:seeds], size), [result_tables.ZERO, result_tables.R1]
folders = runner.shown(runs, profile, out)
answers = runner.predictions(Path(out) / "runs").query("run in @folders")
logs = write.logs(answers, Path(out) / "runs").query("stands_for in @trained")
minutes = {run.name: manifest.read(folders[run.name])["wall_seconds"] / 60 for run in runs}
pd.Series(minutes, name="minutes of training and evaluation").to_frame().T

# %%
invariants = {"advantage_mean": "mean advantage", "clip_fraction": "clipped share of tokens", "kl": "KL, nats a token"}
invariants |= {"equal_groups": "share of groups with equal rewards", "finished": "finished answers"}
invariants |= {"loss_beyond_kl": "loss minus beta times KL"}
of_replay = size.replay * logs.get("replay_loss", 0.0)
own = (logs.loss - of_replay) / (1 - size.replay)
logs["loss_beyond_kl"] = own - size.beta * logs.kl
start = logs.sort_values("step").groupby("run").kl.first().abs().max()
note = write.source_of(answers)
plots.curves(logs, invariants, baselines=dict.fromkeys(invariants, 0) | {"finished": 1}, source=note)

# %% tags=["world-only"]
assert (logs.clip_fraction == 0).all() and logs.advantage_mean.abs().max() < 0.01 and start < 1e-3

# %%
Markdown(
    f"Clipped tokens: {logs.clip_fraction.sum():.0f}. Largest mean advantage {logs.advantage_mean.abs().max():.0e}. "
    f"KL at the first update at most {start:.0e}, at the last {logs[logs.step == logs.step.max()].kl.mean():.2f}. "
    f"Groups with equal rewards: {logs.equal_groups[logs.step <= 20].mean():.1%} in the first twenty updates, "
    f"{logs.equal_groups[logs.step > size.rl_steps - 20].mean():.1%} in the last. Answers that end: "
    f"{logs.finished.mean():.2%}. "
    f"GRPO's loss: at most {own.abs().max():.4f}, and {logs.loss_beyond_kl.abs().max():.4f} away from beta times the "
    "KL (the loss is a mean over answers of means over their tokens, the KL that is logged a mean over all tokens)."
)

# %% [markdown]
# ## Does it learn to pair?
#
# The same runs: accuracy of the sampled answers, their length, their form. Every seed is drawn: small runs differ.

# %%
shown = {"reward_accuracy": "accuracy of sampled answers", "length": "tokens an answer", "reward_format": "right form"}
curves = partial(plots.curves, logs, shown, smooth=9, baselines={"reward_accuracy": 1 / size.k}, source=note)
curves()

# %%
few_updates = max(1, size.rl_steps // 20)
ends = {"first": logs.step <= few_updates, "last": logs.step > size.rl_steps - few_updates}
summary = pd.concat(
    {
        end: logs[chosen].groupby(["system", "run"])[["reward_accuracy", "length", "kl"]].mean()
        for end, chosen in ends.items()
    },
    axis=1,
)
summary

# %% [markdown]
# Held-out questions, which no training saw (greedy; the intervals over seeds are notebook 05's).

# %% [markdown] tags=["world-only"]
# Their cities no training saw, either.

# %%
greedy = answers.query("task == 'pairing' and decoding == 'greedy'")
held_out = pd.DataFrame({run.name: predict.summary(greedy[greedy.run == run.name]) for run in runs}).T.astype(
    {"n": int}
)
held_out.insert(0, "stands for", [run.stands_for for run in runs])
held_out

# %% [markdown] tags=["world-only"]
# How much of the gain is the answering *rule*, and how much is in what is *said*? Read every text, before and after, by
# the first tile that it calls a match itself, whatever letter it then gives:

# %% tags=["world-only"]
steps = thinking.decomposition(answers)
display(result_tables.shown(steps[steps.decoding == "greedy"]).set_index(["before", "step"]).drop(columns="benchmark"))
Markdown(findings.sentences({"decomposition": steps}).get("decomposition", ""))

# %% [markdown] tags=["world-only"]
# ## What was paid, and what was learnt beside it
#
# The reward reads one letter. Whether a search stops at the tile that it calls a match, which words are left out and
# whether those that stay are true is nobody's business, and so it is what there is to find out. One run, GRPO from the
# base with the first seed, was trained once more with its policy kept at every checkpoint (`georeplicate train curve`;
# shown is yours, or else the committed one), and each was evaluated on the same held-out questions: of the validation
# split, as the test split is for finished systems. *Predict:* the base was taught to stop at its first match. What can
# still change: how many words are said, and which? And do they become truer?

# %% tags=["world-only"]
watched = mechanism.here(Path(out) / "runs")
learning, rewards_log = mechanism.read(watched, runner.predictions(watched))
mechanism.figure(learning, rewards_log, chance=1 / size.k)

# %% tags=["world-only"]
Markdown(mechanism.sentences(learning))

# %% [markdown] tags=["world-only"]
# > Words are compared at a fixed mix: a policy that leaves out what it gets wrong looks more truthful and sees no
# > better. So each attribute of each view weighs as in the base's answers to the same questions, and the base is read
# > over the same words. The diamonds belong to the runs of Table 2, on test questions. Where another kind of processor
# > trained them, it rounds differently and the same recipe ends in another policy; on one machine both are the same.
#
# The group of (3) again, after training. *Predict:* which bars are left, and how large are the advantages?

# %% tags=["world-only"]
zero = policy.load(folders["zero-s0"] / "policy")
again = zero.generate([few[first]], temperature=size.temperature, seeds=[(0, first)], **options)
scores = [reward(text, few[first]["letter"], n) for text, n in zip(again.texts, again.lengths)]
totals = torch.tensor([[s.total for s in scores]])
names = [f"{i}\n{getattr(prompts.parse_choice(text), 'letter', '?')}" for i, text in enumerate(again.texts, 1)]
left = pd.DataFrame([s.parts for s in scores], index=names).drop(columns="length")
plots.group(left, grpo.group_advantages(totals)[0].numpy())

# %% tags=["world-only"]
hits, spread = sum(s.parts["accuracy"] for s in scores), totals.std().item()
most = grpo.group_advantages(totals).abs().max().item()
Markdown(
    f"> {hits:.0f} of {len(scores)} answers are right; the spread of their rewards is {spread:.4f}, the largest "
    + f"advantage {most:.2f}. "
    + ("All rewards are equal, so every advantage is 0 and this group teaches nothing." if spread < 1e-6 else
       "Right and wrong answers stand against each other: the group has a signal." if 0 < hits < len(scores) else
       "The letters are all alike, so only form or repeated words tell answers apart, and the division by a small "
       "standard deviation makes much of it: the trap of notebook 03.")
)  # fmt: skip

# %% [markdown] tags=["world-only"]
# What does it write now? A held-out question, the base and after training. Words are coloured by whether they are true
# of the picture spoken of: no reward paid for that.

# %% tags=["world-only"]
shape = dict(per_region=6, regions=2)
unseen = pairs.load("world", "validation", panorama_height=size.panorama_px[0], tile_size=size.tile_px, **shape)
other = pairs.questions(unseen, k=size.k, negatives=size.negatives, seed=0)
one = inputs.pairing_rows(shipped, unseen, other, described=inputs.true_words(world.sites("validation", **shape)))[0]
for name, model in {"base": shipped, "zero-s0": zero, "r1-s0": policy.load(folders["r1-s0"] / "policy")}.items():
    given = predict.evaluate(VLM(model, size.max_completion_length), tasks.pairing(), [one], decoding="greedy").iloc[0]
    caption = dict(
        true_words=one["true_words"], letter=one["letter"], choice=given.choice, title=f"{name}, {one['id']}"
    )
    display(
        plots.answer(
            pairs.images(unseen, other[0]), given.text, faithfulness.thoughts(given.text, wording.WORDING), **caption
        )
    )

# %% [markdown] tags=["world-only"]
# > Is it the reward, and is it the pictures? The controls (a random reward, letters shuffled against the pictures,
# > either view blanked) take as long again: `make ablations` runs them, notebook 05 shows them.
#
# ## What a step costs
#
# Six pictures and a question make a long prompt, and eight answers share it. TRL computes the prompt once *per
# answer*; `model.shared_prefix` computes it once. Both give the same loss and gradients
# (`tests/model/test_prefix.py`). Measured by `make bench`; read here from its file, with the device named.

# %% tags=["world-only"]
bench = pd.read_csv("../results/bench/grpo_step.csv")
whole = bench[bench.part == "step"].pivot_table(
    index=["device", "model", "G", "P", "C"], columns="impl", values=["seconds", "peak_mb"]
)
whole["times faster"] = whole.seconds.trl / whole.seconds.ours
whole["times less memory"] = whole.peak_mb.trl / whole.peak_mb.ours
whole

# %% tags=["world-only"]
step = partial(plots.step_times, bench)
step()

# %% [markdown] tags=["world-only"]
# > P tokens in the prompt, C in each answer, G answers. The gain grows with the prompt and shrinks with the answers,
# > as (P + C) G against P + C G says.
# >
# > Not all of this is ours. That the *training* passes share a prompt is PrefixGrouper's idea as well (its rows are in
# > the same file), and verl and Unsloth have it for text. Ours is the rest: pictures are seen once, in a tower that may
# > be trained, and sampling goes on from the same copy (`georeplicate/docs/trainer.md` compares them).

# %%
flat = summary.set_axis([f"{column}_{end}" for end, column in summary.columns], axis=1)
flat = flat.reset_index().assign(benchmark=greedy.benchmark.iloc[0])
for name in ("stands_for", "checkpoint"):
    flat[name] = flat.run.map({run.name: getattr(run, name) for run in runs})
written = files.write_csv(tables / "grpo.csv", flat)

# %% tags=["world-only"]
plots.save(curves, figures / "grpo_curves")
plots.save(step, figures / "grpo_step")

# %% [markdown] tags=["world-only"]
# ## Answer

# %% tags=["world-only"]
system = {run.name: run.system for run in runs}
mean = held_out.accuracy.astype(float).groupby(system).mean()
gained = steps.query("decoding == 'greedy' and before == 'mini-base' and step == 'all'").iloc[0]
length = held_out.completion_tokens.astype(float).groupby(system).mean()
gain = whole["times faster"]
Markdown(
    f"On held-out synthetic questions, mean of {len(size.seeds[:seeds])} seed(s), chance {1 / size.k:.0%}: "
    f"base {mean['mini-base']:.1%}, scaffold {mean['mini-SFT']:.1%}; after GRPO "
    f"{mean['mini-Zero']:.1%} from the base and {mean['mini-R1']:.1%} "
    f"from the scaffold, with {length['mini-Zero']:.0f} and {length['mini-R1']:.0f} tokens an answer. "
    + ("GRPO on the letter raises pairing here (what the reward adds: notebooks 05 and 08). " if gained.low > 0 else
       "Here GRPO on the letter did not raise pairing. ")
    + f"A step takes {gain.min():.1f} to {gain.max():.1f} times less time than TRL's own "
    f"({', '.join(whole.index.unique('device'))})."
)  # fmt: skip

# %% [markdown] tags=["world-only"]
# *Try:* `group_size=2` in `profiles.py` (watch the tied groups), `beta` of 0, two updates a batch (`num_iterations=2`
# in `grpo.train`: now the clip has something to do), or `rewards.total(..., mode="released")` above: whose reward
# changes?
