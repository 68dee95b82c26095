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
# # 03 · How do four answers to one question become one gradient?
#
# GRPO is a page of arithmetic. Here four fixed answers to one cross-view question go through all of it, slowly
# enough to follow with a pencil:
#
# (1) answers → (2) rewards → (3) advantages → (4) log-probabilities and ratios → (5) loss
#
# The comments in `grpo.py` carry the same five numbers.
#
# | | |
# |---|---|
# | **You will see** | every number between four texts and one loss; each claim about gradients checked by autograd |
# | **Needs** | nothing but this repository: no network, no GPU, half a minute |
# | **Writes** | `tables/grpo_by_hand.csv`, `figures/grpo_by_hand.png` |
#
# > Lines set like this one are ours. Plain text follows the paper and, where the paper is silent, its released code.
# > The policy here is *untrained*: what holds for the arithmetic holds for any policy, and nothing is said about
# > skill. The pictures are synthetic renderings of real metadata.

# %% tags=["parameters"]
profile = "mini"
out = "../.georeplicate/mini"
# artefacts: tables/grpo_by_hand.csv figures/grpo_by_hand.png

# %%
import copy
import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from georeplicate import pairs
from georeplicate.mini import tiny
from georeplicate.profiles import Profile
from georeplicate.report import diagram, plots
from georeplicate.training import grpo, rewards

size, paper = Profile.get(profile), Profile.get("paper")
pd.options.display.float_format, pd.options.display.max_colwidth = "{:.4f}".format, None
pd.Series({"beta": paper.beta, "clip": paper.epsilon, "temperature": paper.temperature}).to_frame("the paper's values")

# %%
diagram.loop("GRPO")

# %% [markdown]
# ## (1) One question, four answers
#
# The question is one of the embedded world's: a panorama, five tiles, one of them of the same place.

# %%
places = pairs.load(
    "world", "test", per_region=6, regions=1, panorama_height=size.panorama_px[0], tile_size=size.tile_px
)
question = pairs.questions(places, k=5, negatives="region", seed=0)[0]
right, wrong = question["letter"], "A" if question["letter"] != "A" else "B"
plots.question(pairs.images(places, question), right, f"the right tile is {right}")

# %% [markdown]
# GRPO samples the answers from the policy. Ours are written by hand, so that each shows something: one right, one right
# with a full stop behind the letter, one wrong, one that repeats itself and forgets the format.

# %%
thought = "<think> the road turns north at the tower , as in tile {} . </think>"
texts = {
    "right": f"{thought.format(right)} <answer> {right} </answer>",
    "right, full stop": f"{thought.format(right)} <answer> {right} . </answer>",
    "wrong": f"{thought.format(wrong)} <answer> {wrong} </answer>",
    "repeats itself": f"the road turns north at the tower , {'the road turns north , ' * 4}tile {wrong} .",
}
pd.Series(texts, name="answer").to_frame()

# %% [markdown]
# The policy that has to answer is a real Qwen2.5-VL, only small: the same classes as the 7B model, a word-level
# vocabulary. An answer ends with the end-of-turn token, which counts.

# %%
row = {"images": pairs.images(places, question), "prompt": "which tile shows the place ?"}
words = {w for text in [row["prompt"], *texts.values()] for w, _ in tiny.splitter().pre_tokenize_str(text)}
tags = ["<think>", "</think>", "<answer>", "</answer>"]
reference = tiny.build(sorted(words) + tags, seed=0)
answers = [reference.completion_ids(text) for text in texts.values()]
assert reference.decode(answers) == list(texts.values())
lengths = [len(ids) for ids in answers]
pd.DataFrame({"tokens": lengths}, index=list(texts))

# %% [markdown]
# ## (2) Rewards
#
# Four rewards are added: accuracy, format, length, repetition. `paper` is what the method describes, `released` is what
# the published code computes.


# %%
def judged(mode):
    scored = [rewards.total(text, right, n, mode) for text, n in zip(texts.values(), lengths)]
    return pd.DataFrame([{**s.parts, "total": s.total} for s in scored], index=list(texts))


pd.concat({mode: judged(mode) for mode in ("paper", "released")}, axis=1)

# %% [markdown]
# > Look at the second row: a full stop costs the released parser the answer, so the two modes disagree about what is
# > right. And the released code pays a wrong answer for its length as if it were right.

# %%
both = pd.DataFrame({mode: judged(mode)["total"] for mode in ("paper", "released")})
both["difference"] = both.paper - both.released
both

# %% [markdown]
# From here on the paper's rewards count.
#
# ## (3) Advantages
#
# A reward says nothing by itself. What counts is how much better an answer is than the others *to the same question*:
#
# $$A_i = \frac{r_i - \mathrm{mean}(r)}{\mathrm{std}(r) + \epsilon}$$
#
# "std" has two readings. With $n$ answers the *sample* standard deviation divides by $n - 1$, the *population* standard
# deviation by $n$. First for accuracy alone, where a pencil is enough: rewards 1, 1, 0, 0.

# %%
r = np.array([1.0, 1.0, 0.0, 0.0])
squares = ((r - r.mean()) ** 2).sum()
sample, population = np.sqrt(squares / 3), np.sqrt(squares / 4)
pd.DataFrame({"reward": r, "sample": (r - r.mean()) / sample, "population": (r - r.mean()) / population})

# %% [markdown]
# The released code calls `torch.std`, which is the sample one. How much larger would the population one make every
# advantage?

# %%
pd.DataFrame({"times": {f"G = {G}": np.sqrt(G / (G - 1)) for G in (2, 4, paper.group_size, 64)}})

# %% [markdown]
# Now the real rewards.

# %%
r = judged("paper")["total"].to_numpy()
by_hand = (r - r.mean()) / (np.sqrt(((r - r.mean()) ** 2).sum() / 3) + 1e-4)
advantages = grpo.group_advantages(torch.tensor(r, dtype=torch.float32)[None])[0]
assert np.allclose(advantages, by_hand, atol=1e-5)
pd.DataFrame({"reward": r, "by hand": by_hand, "library": advantages}, index=list(texts))

# %% [markdown]
# The library's version is four lines:

# %%
Markdown(f"```python\n{inspect.getsource(grpo.group_advantages)}```")

# %% [markdown]
# Advantages of a group add up to nothing: what one answer gains, the others lose. So a bonus for everybody teaches
# nobody.

# %%
bonus = grpo.group_advantages(torch.tensor(r, dtype=torch.float32)[None] + 10)[0]
assert torch.allclose(bonus, advantages, atol=1e-4)
print(f"sum of advantages {advantages.sum():+.1e}; with 10 points more for everybody {bonus.sum():+.1e}")

# %% [markdown]
# ### Degenerate groups
#
# *Predict before you look:* what does a group teach in which all are right? All wrong? One right among four?

# %%
groups = {"all right": [1, 1, 1, 1], "all wrong": [0, 0, 0, 0], "one right": [1, 0, 0, 0], "one wrong": [1, 1, 1, 0]}
table = grpo.group_advantages(torch.tensor(list(groups.values()), dtype=torch.float32))
pd.DataFrame(table.numpy(), index=list(groups), columns=[f"answer {i}" for i in range(1, 5)])

# %% [markdown]
# Questions that are too easy or too hard teach nothing; the rarer the success, the stronger it counts. So the training
# log counts the groups with equal rewards.
#
# > **A trap.** The length reward makes rewards *almost* equal where accuracy and format agree. Division by the standard
# > deviation blows this up: four right answers that differ by a few tokens get advantages of the same order as right
# > against wrong.

# %%
same_but_longer = [1 + 1 + rewards.length(n, True) for n in (20, 22, 24, 26)]
blown_up = grpo.group_advantages(torch.tensor([same_but_longer]))[0]
pd.DataFrame({"tokens": [20, 22, 24, 26], "reward": [f"{x:.6f}" for x in same_but_longer], "advantage": blown_up})

# %% [markdown]
# Only $\epsilon = 10^{-4}$ in the denominator holds against it.
#
# ## (4) Log-probabilities and ratios
#
# Three policies take part: the *reference* where training began, the *old* one that wrote the answers, and the *new*
# one being trained. We take small random steps from one to the next, so that all differ.


# %%
def stepped(start, size, seed):
    moved, noise = copy.deepcopy(start), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in moved.model.parameters():
            weight.add_(size * torch.randn(weight.shape, generator=noise))
    return moved


old = stepped(reference, 0.01, seed=1)
new = stepped(old, 0.006, seed=2)
f"{tiny.parameters_in_millions(new.model):.2f} million parameters each"

# %% [markdown]
# By hand: put the question and one answer into the model, look up the logit of each token that follows, subtract the
# logarithm of the sum of all exponentials.

# %%
one = old.encode([row])
tokens = torch.tensor(answers[0])
inputs = {"input_ids": torch.cat([one.input_ids[0], tokens])[None], "pixel_values": one.pixel_values}
kinds = torch.cat([one.mm_token_type_ids[0], torch.zeros_like(tokens)])[None]
inputs |= {"mm_token_type_ids": kinds, "image_grid_thw": one.image_grid_thw}
with torch.no_grad():
    logits = old.model(**inputs).logits[0, -len(tokens) - 1 : -1]
slow = logits.gather(1, tokens[:, None])[:, 0] - logits.exp().sum(1).log()
pd.DataFrame({"token": old.tokenizer.convert_ids_to_tokens(answers[0]), "log p": slow, "p": slow.exp()}).T

# %% [markdown]
# The library computes all four answers at once and the question only once. It must say the same.

# %%
with torch.no_grad():
    logp_old, logp_ref = old.logprobs([row], [answers]), reference.logprobs([row], [answers])
logp = new.logprobs([row], [answers])
mask = (torch.arange(logp.shape[1]) < torch.tensor(lengths)[:, None]).float()
assert torch.allclose(logp_old[0, : lengths[0]], slow, atol=1e-5)
f"largest difference {(logp_old[0, : lengths[0]] - slow).abs().max():.1e}; shape {tuple(logp.shape)}"

# %% [markdown]
# The ratio says how much more likely the new policy is to write a token than the policy that wrote it:
#
# $$\rho_{i,t} = \frac{p(o_{i,t})}{p_\mathrm{old}(o_{i,t})} = e^{\log p - \log p_\mathrm{old}}$$

# %%
ratio = (logp - logp_old).exp()
written = [row[:n].detach().numpy() for row, n in zip(ratio, lengths)]
pd.DataFrame(
    {"least": map(min, written), "mean": map(np.mean, written), "largest": map(max, written)}, index=list(texts)
)

# %% [markdown]
# **Claim: where new and old are the same, the gradient is $A\,\nabla\log p$.** There $\rho = 1$, and the derivative of
# $e^{x}$ at 0 is 1, with no factor before it. Autograd on both sides, in the output layer, for the first token:

# %%
head = old.model.lm_head.weight
first = old.logprobs([row], [answers])[0, 0]
(through_ratio,) = torch.autograd.grad((first - first.detach()).exp() * advantages[0], head, retain_graph=True)
(through_log,) = torch.autograd.grad(first, head)
assert torch.allclose(through_ratio, advantages[0] * through_log, atol=1e-6)
f"{through_ratio.norm():.6f} = {advantages[0]:.4f} x {through_log.norm():.6f}"

# %% [markdown]
# ## (5) The loss
#
# $$L = \frac1G \sum_i \frac1{|o_i|} \sum_t \Big[
# -\min\big(\rho_{i,t} A_i,\ \mathrm{clip}(\rho_{i,t}, 1-c, 1+c) A_i\big)
# + \beta \big(e^{d_{i,t}} - d_{i,t} - 1\big) \Big], \qquad d = \log p_\mathrm{ref} - \log p$$
#
# The first term raises the probability of good answers, but not by more than the clip in one update:

# %%
grid = torch.linspace(0.5, 1.5, 201)
figure = plots.new_figure(figsize=(8, 3.2), layout="constrained")
for side, (gain, axes) in enumerate(zip((1.0, -1.0), figure.subplots(1, 2))):
    axes.plot(grid, -torch.minimum(grid * gain, grid.clamp(1 - paper.epsilon, 1 + paper.epsilon) * gain))
    for i in (i for i in range(4) if np.sign(by_hand[i]) == gain):
        axes.plot(
            written[i],
            -np.minimum(written[i] * gain, written[i].clip(1 - paper.epsilon, 1 + paper.epsilon) * gain),
            ".",
            label=list(texts)[i],
        )
    axes.set(xlabel="ratio ρ", ylabel="policy term" if side == 0 else "", title=f"advantage {gain:+.0f}")
    axes.legend(fontsize=8)
figure

# %% [markdown]
# **Claim: a clipped token has no gradient.** Flat is where an answer that should become likelier already is (left), or
# one that should become rarer already is (right).

# %%
free = logp.detach().requires_grad_()
policy_only, _ = grpo.loss(free, logp_old, None, advantages, mask, beta=0.0, clip=paper.epsilon)
(slope,) = torch.autograd.grad(policy_only, free)
gain = advantages[:, None]
clipped = (((ratio > 1 + paper.epsilon) & (gain > 0)) | ((ratio < 1 - paper.epsilon) & (gain < 0))) & (mask > 0)
assert clipped.any() and (slope[clipped] == 0).all() and (slope[(mask > 0) & ~clipped] != 0).all()
f"{int(clipped.sum())} of {int(mask.sum())} tokens are clipped; they and only they have a slope of zero"

# %% [markdown]
# The second term holds the policy near the reference. $k_3 = e^d - d - 1$ is never negative, and its mean over tokens
# drawn from the policy is the Kullback-Leibler divergence, exactly. Check on the full vocabulary, for the place of the
# first token:

# %%
with torch.no_grad():
    log_p, log_q = (p.model(**inputs).logits[0, -len(tokens) - 1].log_softmax(0) for p in (new, reference))
d = log_q - log_p
exact, k3 = (log_p.exp() * (log_p - log_q)).sum(), (log_p.exp() * (d.exp() - d - 1)).sum()
assert (d.exp() - d - 1 >= 0).all() and torch.allclose(exact, k3, atol=1e-6)
f"KL {exact:.6f}, mean of k3 {k3:.6f}"

# %% [markdown]
# **Claim: its slope in $\log p$ is $1 - e^d$**, so at the reference ($d = 0$) it pulls at nothing.

# %%
d = (logp_ref - free) * mask
(pull,) = torch.autograd.grad((d.exp() - d - 1).sum(), free)
assert torch.allclose(pull, (1 - d.exp()).detach() * mask, atol=1e-6)
f"largest pull on a token {pull.abs().max():.3f}, smallest {pull[mask > 0].abs().min():.1e}"

# %% [markdown]
# Now all of it, by hand: token by token, then the mean over each answer's tokens, then the mean over the answers.

# %%
total = 0.0
for i, n in enumerate(lengths):
    answer = 0.0
    for t in range(n):
        rho, gap = ratio[i, t].item(), (logp_ref[i, t] - logp[i, t]).item()
        kept = min(rho * by_hand[i], min(max(rho, 1 - paper.epsilon), 1 + paper.epsilon) * by_hand[i])
        answer += -kept + paper.beta * (np.exp(gap) - gap - 1)
    total += answer / n / 4
f"{total:.6f}"

# %%
loss, watched = grpo.loss(logp, logp_old, logp_ref, advantages, mask, beta=paper.beta, clip=paper.epsilon)
assert abs(loss.item() - total) < 1e-5
pd.Series({"by hand": total, "grpo.loss": loss.item(), **watched}).to_frame("value")

# %% [markdown]
# The library, without a line left out:

# %%
Markdown(f"```python\n{inspect.getsource(grpo.loss)}```")

# %% [markdown]
# ### One step downhill
#
# *Predict:* after one small step along this gradient, which answers become likelier?

# %%
loss.backward()
with torch.no_grad():
    for weight in new.model.parameters():
        weight -= 0.002 * weight.grad
    change = (new.logprobs([row], [answers]) - logp.detach()).sum(1)
assert change[0] > 0 and change[1] > 0 and change[3] < 0
pd.DataFrame({"advantage": advantages, "change of log p of the whole answer": change}, index=list(texts))

# %% [markdown]
# The right ones rise, the one that repeats itself falls. The wrong answer is pulled both ways: its own advantage pushes
# it down, but nearly all of its words are also the words of the right answers.

# %%
summary = judged("paper").assign(advantage=by_hand, tokens=lengths, mean_ratio=list(map(np.mean, written)))
summary["clipped_share"] = (clipped.sum(1) / mask.sum(1)).numpy()
summary["k3"] = ((d.exp() - d - 1).sum(1) / mask.sum(1)).detach().numpy()
(Path(out) / "tables").mkdir(parents=True, exist_ok=True), (Path(out) / "figures").mkdir(parents=True, exist_ok=True)
summary.rename_axis("answer").to_csv(Path(out) / "tables" / "grpo_by_hand.csv")
figure.savefig(Path(out) / "figures" / "grpo_by_hand.png", dpi=120)
summary

# %% [markdown]
# ## Answer
#
# Four answers become one gradient by being compared with each other. *Try:* give all four the same reward, or set
# `beta` to 0 in the last cells, or a `clip` of 0.01.

# %%
best, worst = summary.advantage.idxmax(), summary.advantage.idxmin()
Markdown(
    f"Rewards from {summary.total.min():.2f} to {summary.total.max():.2f} become advantages from "
    f"{summary.advantage.min():+.2f} (*{worst}*) to {summary.advantage.max():+.2f} (*{best}*); each token's gradient "
    f"is its answer's advantage times ρ ∇log p, unless the clip has switched it off ({int(clipped.sum())} of "
    f"{int(mask.sum())} tokens here); k₃ pulls back towards the reference. The sum over all tokens, by hand and by the "
    f"library: **{total:.6f}** and **{loss.item():.6f}**."
)
