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
# GRPO is a page of arithmetic. This notebook starts at zero, with a policy that has three answers, and ends with the
# training loop in twelve lines. In between four fixed answers to one cross-view question go through all of it, slowly
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
# | **Writes** | three small tables and four figures, named in the next cell |
#
# > Lines set like this one are ours. The arithmetic is that of the paper's released code; where we name another form,
# > it is said whose it is. The policy of (1) to (5) is *untrained*: what holds for the arithmetic holds for any
# > policy, and nothing is said about skill. The pictures are synthetic renderings of real metadata.

# %% tags=["parameters", "world-only"]
profile = "mini"
out = "../.georeplicate/mini"
# artefacts: tables/grpo_by_hand.csv tables/policy_gradient.csv tables/clipping.csv
# artefacts: figures/policy_gradient.png figures/picture_tokens.png figures/length_reward.png figures/clipping.png

# %%
import copy
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from IPython.display import display

from georeplicate import files, pairs, paper

# %%
from georeplicate.mini import base, inputs, tiny
from georeplicate.model import policy
from georeplicate.profiles import Profile
from georeplicate.report import by_hand, diagram, illustrations, plots
from georeplicate.report.source import Markdown, show
from georeplicate.training import common, grpo, rewards, stages

size, published = Profile.get(profile), Profile.get("paper")
pd.options.display.float_format, pd.options.display.max_colwidth = "{:.4f}".format, None
diagram.loop("GRPO")

# %% [markdown]
# ## From zero: what is learnt, and from what
#
# **A policy** $\pi_\theta$ gives every possible answer $o$ a probability; $\theta$ are its weights. A language model is
# one: it gives each next token a probability, and an answer the product of its tokens' probabilities. Here is the
# smallest one: three answers, three weights, a softmax.

# %%
theta = torch.tensor([0.5, 0.0, -0.5], requires_grad=True)
p = theta.softmax(0)
pd.DataFrame({"weight": theta.detach(), "probability": p.detach()}, index=["answer 1", "answer 2", "answer 3"]).T

# %% [markdown]
# **A reward** $r(o)$ says how good an answer is. What is to be made large is the reward to be expected,
#
# $$J(\theta) = \mathbb{E}_{o \sim \pi_\theta}[\,r(o)\,] = \sum_o \pi_\theta(o)\, r(o).$$
#
# With three answers the sum can be written down, and autograd gives its exact gradient.

# %%
r = torch.tensor([1.0, 0.2, 0.0])
J = (p * r).sum()
(exact,) = torch.autograd.grad(J, theta, retain_graph=True)
f"J = {J:.4f}, its gradient {np.round(exact.numpy(), 4)}"

# %% [markdown]
# A language model has more answers than can be summed over, and $r$ is a program that cannot be differentiated. The
# **log-derivative trick** needs neither. Since $\nabla \pi = \pi\, \nabla \log \pi$,
#
# $$\nabla J = \sum_o r(o)\, \nabla \pi_\theta(o) = \sum_o \pi_\theta(o)\; r(o)\, \nabla \log \pi_\theta(o)
# = \mathbb{E}_{o \sim \pi_\theta}[\, r(o)\, \nabla \log \pi_\theta(o)\,]:$$
#
# sample an answer, look at its reward, and move $\theta$ so that this very answer becomes likelier, as far as it was
# good. For a softmax $\nabla \log \pi(o)$ is the one-hot vector of $o$ minus all probabilities. Averaged over many
# samples this must be the exact gradient:

# %%
many = torch.Generator().manual_seed(0)
drawn = torch.multinomial(p.detach(), 80_000, replacement=True, generator=many)
score = torch.eye(3)[drawn] - p.detach()  # ∇ log π of each sample
one_each = r[drawn, None] * score  # r ∇ log π: one estimate a sample
averaged = one_each.mean(0)
error = one_each.std(0) / len(drawn) ** 0.5
assert ((averaged - exact).abs() < 4 * error).all()
pd.DataFrame({"exact": exact, "averaged over samples": averaged, "its standard error": error}).T

# %% [markdown]
# **A baseline** $b$, taken off every reward, changes nothing on average, because probabilities always add up to one:
#
# $$\mathbb{E}[\,b\, \nabla \log \pi\,] = b \sum_o \nabla \pi(o) = b\, \nabla 1 = 0.$$
#
# But it changes how much single estimates scatter. Without one, a reward that is always large pushes up whatever was
# sampled. *Predict:* which of the three is narrowest: rewards as they are, 2 added to all of them, or their mean taken
# off?

# %%
paid = {"rewards + 2": r + 2, "rewards": r, "rewards - mean": r - J.detach()}
first = (torch.eye(3) - p.detach())[:, 0]  # what the first weight is moved by, for each of the three answers
times = drawn.bincount(minlength=3)
values = {name: pd.DataFrame({"estimate": gain * first, "samples": times}) for name, gain in paid.items()}
gradients = pd.concat(values, names=["paid"]).reset_index("paid").assign(exact=exact[0].item())
means = {name: (rows.estimate * rows.samples).sum() / len(drawn) for name, rows in gradients.groupby("paid")}
assert np.allclose(list(means.values()), exact[0], atol=0.02)
by_hand.estimates(gradients)

# %% [markdown]
# All three have the same mean; only the scatter differs. So the mean reward should be taken off. But what *is* the
# mean reward of a question? GRPO's idea is to ask: sample $G$ answers to the same question, a **group**, and take off
# *their* mean. As each answer is part of that mean, the gradient shrinks by $(G-1)/G$, which the learning rate can
# make up for:

# %%
G = published.group_size
group = r[drawn].view(-1, G)
advantage = (group - group.mean(1, keepdim=True)).flatten()
ratio_of_gradients = (advantage[:, None] * score).mean(0) / exact
pd.DataFrame({"grouped / exact": ratio_of_gradients, "(G - 1) / G": (G - 1) / G}, index=["θ1", "θ2", "θ3"]).T

# %% [markdown]
# That is all of the theory. The rest is: what an answer is here, what it is paid, and how far one step may go.
#
# ## (1) One question, four answers
#
# The question is one of the embedded world's: a panorama, five tiles, one of them of the same place.

# %%
places = pairs.load(
    "world", "validation", per_region=6, regions=1, panorama_height=size.panorama_px[0], tile_size=size.tile_px
)
questions = pairs.questions(places, k=size.k, negatives="region", seed=0)
question = questions[0]
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
# vocabulary. It reads one row of tokens. **How six pictures become tokens:** the vision tower cuts each picture into
# squares, merges neighbours and writes one vector a square; these vectors stand where the prompt has placeholders. A
# letter is bound to its tile by the order alone.

# %%
row = {"images": pairs.images(places, question), "prompt": "which tile shows the place ?"}
words = {w for text in [row["prompt"], *texts.values()] for w, _ in tiny.splitter().pre_tokenize_str(text)}
tags = ["<think>", "</think>", "<answer>", "</answer>"]
reference = tiny.build(sorted(words) + tags, seed=0)
by_hand.picture_tokens(reference, row)

# %% [markdown]
# An answer ends with the end-of-turn token, which counts.

# %%
answers = [reference.completion_ids(text) for text in texts.values()]
assert reference.decode(answers) == list(texts.values())
lengths = [len(ids) for ids in answers]
pd.DataFrame({"tokens": lengths}, index=list(texts))

# %% [markdown]
# ## (2) Rewards
#
# Four rewards are added: $r = r_\mathrm{acc} + r_\mathrm{fmt} + r_\mathrm{len} + r_\mathrm{rep}$. Each is a pure
# function of one text. `paper` is what the method describes, `released` is what the published code computes.
#
# **Accuracy:** $r_\mathrm{acc}(o) = 1$ if the letter read in $o$ is the right one, else $0$. All the difficulty is in
# *reading* a letter.

# %%
read = {name: rewards.answers.parse_choice(text) for name, text in texts.items()}
paid = {name: float(getattr(choice, "letter", None) == right) for name, choice in read.items()}
assert paid == {name: rewards.accuracy(text, right) for name, text in texts.items()}
display(show(rewards.accuracy, docstrings=False))
pd.DataFrame({"read": map(str, read.values()), "accuracy": paid.values()}, index=list(texts))

# %% [markdown]
# **Format:** $r_\mathrm{fmt}(o) = 1$ if $o$ is one thought and one answer, each between its tags, else $0$.

# %%
one_of_each = {name: [text.count(tag) for tag in tags] == [1] * 4 for name, text in texts.items()}
paid = {name: rewards.format(text) for name, text in texts.items()}
assert all(paid[name] <= one_of_each[name] for name in texts)
display(show(rewards.format, docstrings=False))
pd.DataFrame({"each tag once": one_of_each, "format": paid})

# %% [markdown]
# **Length:** half a cosine from $s$ at no tokens to $e$ at $N = 1024$; $n$ is the number of tokens,
#
# $$r_\mathrm{len}(o) = s - (s - e)\,\frac{1 - \cos(\pi \min(n, N) / N)}{2}, \qquad
# (s, e) = (1, \tfrac12) \text{ if right},\ (0, -\tfrac12) \text{ if wrong.}$$

# %%
n, N, s, e = 512, rewards.LENGTH_MAX_TOKENS, *rewards.LENGTH_RIGHT
formula = s - (s - e) * (1 - np.cos(np.pi * min(n, N) / N)) / 2
assert np.isclose(formula, rewards.length(n, correct=True))
display(show(rewards.length, docstrings=False))
by_hand.length_reward()

# %% [markdown]
# **Repetition:** of all runs of six words in a row, $g_1 \dots g_m$, minus the share that is said again,
#
# $$r_\mathrm{rep}(o) = -\Big(1 - \frac{|\{g_1, \dots, g_m\}|}{m}\Big).$$

# %%
said = texts["repeats itself"].lower().split()
sixes = [tuple(said[i : i + 6]) for i in range(len(said) - 5)]
formula = -(1 - len(set(sixes)) / len(sixes))
assert np.isclose(formula, rewards.repetition(texts["repeats itself"]))
f"{len(sixes)} runs of six words, {len(set(sixes))} of them different: {formula:.4f}"

# %% [markdown]
# Their sum, for the four answers, in both modes:


# %%
def judged(mode):
    scored = [rewards.total(text, right, n, mode) for text, n in zip(texts.values(), lengths)]
    return pd.DataFrame([{**s.parts, "total": s.total} for s in scored], index=list(texts))


display(show(rewards.total, docstrings=False))
pd.concat({mode: judged(mode) for mode in ("paper", "released")}, axis=1)

# %% [markdown]
# > Look at the second row: the two modes need not agree about what a full stop does to a letter. And the released code
# > pays a wrong answer for its length as if it were right.

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
# $$A_i = \frac{r_i - \mathrm{mean}(r)}{\mathrm{std}(r) + \delta}$$
#
# The mean is the baseline from above. The division is GRPO's own addition. "std" has two readings: with $G$ answers the
# *sample* standard deviation divides by $G - 1$, the *population* standard deviation by $G$. First for accuracy alone,
# where a pencil is enough: rewards 1, 1, 0, 0.

# %%
r = np.array([1.0, 1.0, 0.0, 0.0])
squares = ((r - r.mean()) ** 2).sum()
sample, population = np.sqrt(squares / 3), np.sqrt(squares / 4)
pd.DataFrame({"reward": r, "sample": (r - r.mean()) / sample, "population": (r - r.mean()) / population})

# %% [markdown]
# The released code calls `torch.std`, which is the sample one. How much larger would the population one make every
# advantage?

# %%
pd.DataFrame({"times": {f"G = {G}": np.sqrt(G / (G - 1)) for G in (2, 4, published.group_size, 64)}})

# %% [markdown]
# Now the real rewards, by hand and by the library.

# %%
r = judged("paper")["total"].to_numpy()
with_pencil = (r - r.mean()) / (np.sqrt(((r - r.mean()) ** 2).sum() / 3) + 1e-4)
advantages = grpo.group_advantages(torch.tensor(r, dtype=torch.float32)[None])[0]
assert np.allclose(advantages, with_pencil, atol=1e-5)
display(show(grpo.group_advantages))
pd.DataFrame({"reward": r, "by hand": with_pencil, "library": advantages}, index=list(texts))

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
# ### With the division or without
#
# Dr. GRPO leaves the division out, $A_i = r_i - \mathrm{mean}(r)$: then the policy gradient from above is followed as
# it is. *Predict:* which questions does the division favour? The advantage of one right answer, by how many of the
# group's eight are right:

# %%
hits = pd.DataFrame([[1.0] * right + [0.0] * (8 - right) for right in range(1, 8)], index=range(1, 8))
of_right = {
    scale: grpo.group_advantages(torch.tensor(hits.to_numpy()), scale=scale)[:, 0] for scale in ("group", "none")
}
favour = pd.DataFrame(of_right, index=hits.index).rename(
    columns={"group": "divided (GRPO)", "none": "as it is (Dr. GRPO)"}
)
favour.assign(times=favour.iloc[:, 0] / favour.iloc[:, 1]).rename_axis("right of eight").T

# %% [markdown]
# The last row is the weight of a question: largest where answers hardly differ, at both ends.
#
# > **A trap.** The length reward makes rewards *almost* equal where accuracy and format agree. Division by the standard
# > deviation blows this up: four right answers that differ by a few tokens get advantages of the same order as right
# > against wrong.

# %%
same_but_longer = [1 + 1 + rewards.length(n, True) for n in (20, 22, 24, 26)]
blown_up = grpo.group_advantages(torch.tensor([same_but_longer]))[0]
pd.DataFrame({"tokens": [20, 22, 24, 26], "reward": [f"{x:.6f}" for x in same_but_longer], "advantage": blown_up})

# %% [markdown]
# Only $\delta = 10^{-4}$ in the denominator holds against it.
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
inputs_of_one = {"input_ids": torch.cat([one.input_ids[0], tokens])[None], "pixel_values": one.pixel_values}
kinds = torch.cat([one.mm_token_type_ids[0], torch.zeros_like(tokens)])[None]
inputs_of_one |= {"mm_token_type_ids": kinds, "image_grid_thw": one.image_grid_thw}
with torch.no_grad():
    logits = old.model(**inputs_of_one).logits[0, -len(tokens) - 1 : -1]
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
# **Claim: in one on-policy update the ratio is 1 and the clip never acts.** GRPO as released takes *one* step on each
# batch of answers. While its gradient is computed, the new policy *is* the one that sampled: $\rho = 1$ for every
# token, which no clip can touch. The ratio is there for its gradient alone. (To see the clip at work, the policies
# above are a step apart, as in a *second* update on the same answers.)

# %%
_, metrics = grpo.loss(logp, logp.detach(), None, advantages, mask, beta=0.0, clip=published.epsilon)
assert metrics["clip_fraction"] == 0 and ((logp - logp.detach()).exp() == 1).all()
f"one update a batch: share of clipped tokens {metrics['clip_fraction']:.1f}"

# %% [markdown]
# ## (5) The loss
#
# $$L = \frac1G \sum_i \frac1{|o_i|} \sum_t \Big[
# -\min\big(\rho_{i,t} A_i,\ \mathrm{clip}(\rho_{i,t}, 1-\varepsilon, 1+\varepsilon) A_i\big)
# + \beta \big(e^{d_{i,t}} - d_{i,t} - 1\big) \Big], \qquad d = \log p_\mathrm{ref} - \log p$$
#
# ### The clipped term
#
# It raises the probability of good answers, but not by more than $\varepsilon$ in one update:

# %%
per_answer = {
    name: pd.DataFrame({"advantage": gain, "ratio": own, "clip_epsilon": published.epsilon})
    for name, gain, own in zip(texts, with_pencil, written)
}
ratios = pd.concat(per_answer, names=["answer"]).reset_index("answer")
by_hand.clipping(ratios)

# %% [markdown]
# **Claim: a clipped token has no gradient.** Flat is where an answer that should become likelier already is (left), or
# one that should become rarer already is (right).

# %%
free = logp.detach().requires_grad_()
policy_only, _ = grpo.loss(free, logp_old, None, advantages, mask, beta=0.0, clip=published.epsilon)
(slope,) = torch.autograd.grad(policy_only, free)
gain, low, high = advantages[:, None], 1 - published.epsilon, 1 + published.epsilon
clipped = (((ratio > high) & (gain > 0)) | ((ratio < low) & (gain < 0))) & (mask > 0)
assert clipped.any() and (slope[clipped] == 0).all() and (slope[(mask > 0) & ~clipped] != 0).all()
f"{int(clipped.sum())} of {int(mask.sum())} tokens are clipped; they and only they have a slope of zero"

# %% [markdown]
# ### The KL term
#
# It holds the policy near the reference. How far apart two policies are is measured by the Kullback-Leibler divergence
# $\mathrm{KL}(p \,\|\, q) = \mathbb{E}_p[\log p - \log q]$, which sums over the whole vocabulary. Three estimates need
# only the token that was sampled, with $d = \log q - \log p$:
#
# $$k_1 = -d, \qquad k_2 = \tfrac12 d^2, \qquad k_3 = e^d - d - 1.$$
#
# First where all can be summed: three tokens, $p$ the policy, $q$ the reference. Bias: how far the mean is from the
# true KL. Spread: how much one sample tells.

# %%
theta = torch.tensor([0.7, 0.2, 0.1]).log().requires_grad_()
p, q = theta.softmax(0).detach(), torch.tensor([0.4, 0.4, 0.2])
d = q.log() - p.log()
k = {"k1": -d, "k2": d**2 / 2, "k3": d.exp() - d - 1}
true_kl = (p * (p.log() - q.log())).sum()
sampled = torch.multinomial(p, 100_000, replacement=True, generator=many)
measures = {n: (x[sampled].mean(), (p * x).sum() - true_kl, x[sampled].std(), x.min()) for n, x in k.items()}
kinds = pd.DataFrame(measures, index=["mean of 100,000 samples", "bias, exact", "spread of a sample", "least value"])
kinds.astype(float).T.assign(KL=true_kl.item())

# %% [markdown]
# $k_1$ and $k_3$ have no bias ($\mathbb{E}_p[e^d] = \sum q = 1$, so $k_3$ is $k_1$ plus something of mean zero), and
# $k_3$ is never negative. That is why it is chosen.
#
# > **As a term of a loss they differ in another way.** Only $\log p$ of the sampled token is differentiated. Then
# > $k_1$ has no gradient on average (a baseline!), $k_2$ has that of $\mathrm{KL}(p\|q)$, and $k_3$, which the
# > released code and TRL use, that of the *other* divergence, $\mathrm{KL}(q\|p)$. Autograd:

# %%
log_p = theta.log_softmax(0)
forms = {"k1": log_p - q.log(), "k2": (q.log() - log_p) ** 2 / 2}
forms["k3"] = (q.log() - log_p).exp() - (q.log() - log_p) - 1
both = {"KL(p‖q)": (log_p.exp() * (log_p - q.log())).sum(), "KL(q‖p)": (q * (q.log() - log_p)).sum()}
means = {f"mean slope of {name}": (p * x).sum() for name, x in forms.items()} | both
slopes = {name: torch.autograd.grad(x, theta, retain_graph=True)[0] for name, x in means.items()}
for mine, theirs in (("k2", "KL(p‖q)"), ("k3", "KL(q‖p)")):
    assert torch.allclose(slopes[f"mean slope of {mine}"], slopes[theirs], atol=1e-6)
pd.DataFrame({name: x.numpy() for name, x in slopes.items()}, index=["θ1", "θ2", "θ3"]).T

# %% [markdown]
# Now for the language model, on its full vocabulary, for the place of the first token of an answer: $k_3$ averaged over
# the policy is the KL, exactly.

# %%
with torch.no_grad():
    log_p, log_q = (p.model(**inputs_of_one).logits[0, -len(tokens) - 1].log_softmax(0) for p in (new, reference))
d = log_q - log_p
whole, k3 = (log_p.exp() * (log_p - log_q)).sum(), (log_p.exp() * (d.exp() - d - 1)).sum()
assert (d.exp() - d - 1 >= 0).all() and torch.allclose(whole, k3, atol=1e-6)
f"KL {whole:.6f}, mean of k3 {k3:.6f}"

# %% [markdown]
# **Claim: its slope in $\log p$ is $1 - e^d$**, so at the reference ($d = 0$) it pulls at nothing.

# %%
d = (logp_ref - free) * mask
(pull,) = torch.autograd.grad((d.exp() - d - 1).sum(), free)
assert torch.allclose(pull, (1 - d.exp()).detach() * mask, atol=1e-6)
f"largest pull on a token {pull.abs().max():.3f}, smallest {pull[mask > 0].abs().min():.1e}"

# %% [markdown]
# ### From tokens to one number: the length bias
#
# $\frac1G \sum_i \frac1{|o_i|} \sum_t$ gives every *answer* the same weight, so a token of a long answer weighs less. A
# long wrong answer is pushed down less a token than a short wrong one, and being long pays. Others divide by all tokens
# of the batch (BNPO) or of the update (DAPO), or by a constant, the longest length allowed (Dr. GRPO): then all tokens
# weigh the same. How hard each form pulls at one token of each answer:

# %%
pulls = {}
for kind in ("grpo", "bnpo", "dapo", "dr_grpo"):
    options = dict(beta=0.0, kind=kind, longest=size.max_completion_length)
    (slope,) = torch.autograd.grad(grpo.loss(free, free.detach(), None, advantages, mask, **options)[0], free)
    pulls[kind] = (slope / -advantages[:, None])[:, 0].numpy()  # per unit of advantage
pd.DataFrame({"tokens": lengths, "advantage": advantages.numpy(), **pulls}, index=list(texts))

# %% [markdown]
# ### All of it, by hand
#
# Token by token, then the mean over each answer's tokens, then the mean over the answers.

# %%
total = 0.0
for i, n in enumerate(lengths):
    answer = 0.0
    for t in range(n):
        rho, gap = ratio[i, t].item(), (logp_ref[i, t] - logp[i, t]).item()
        kept = min(rho * with_pencil[i], min(max(rho, low), high) * with_pencil[i])
        answer += -kept + published.beta * (np.exp(gap) - gap - 1)
    total += answer / n / 4
f"{total:.6f}"

# %%
loss, metrics = grpo.loss(logp, logp_old, logp_ref, advantages, mask, beta=published.beta, clip=published.epsilon)
assert abs(loss.item() - total) < 1e-5
pd.Series({"by hand": total, "grpo.loss": loss.item(), **metrics}).to_frame("value")

# %% [markdown]
# The library, without a line left out:

# %%
show(grpo.loss)

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
# The right ones rise, the one that repeats itself falls (asserted above). The wrong answer is pulled both ways: its own
# advantage pushes it down, but nearly all of its words are also the words of the right answers.

# %%
summary = judged("paper").assign(advantage=with_pencil, tokens=lengths, mean_ratio=list(map(np.mean, written)))
summary["clipped_share"] = (clipped.sum(1) / mask.sum(1)).numpy()
summary["k3"] = ((d.exp() - d - 1).sum(1) / mask.sum(1)).detach().numpy()
tables = {"grpo_by_hand": summary.rename_axis("answer").reset_index(), "policy_gradient": gradients, "clipping": ratios}
for name, table in tables.items():
    files.write_csv(Path(out) / "tables" / f"{name}.csv", table)
for name, draw in illustrations.by_hand_figures(size, Path(out) / "tables"):
    plots.save(draw, Path(out) / "figures" / name)
summary

# %% [markdown]
# ## The loop in twelve lines
#
# Now with the shipped base model instead of written answers: it samples, and is trained for three updates of two
# questions. Nothing is new here but the optimizer.

# %%
learner, start = policy.load(base.SHIPPED), policy.load(base.SHIPPED)
common.freeze_vision(learner.model)
weights = [weight for weight in learner.model.parameters() if weight.requires_grad]
optimizer = torch.optim.AdamW(weights, lr=size.learning_rate, betas=size.adam_betas, weight_decay=0.0)
rows, judge = inputs.pairing_rows(learner, places, questions), stages.reward_function("paper", 0, size)
G, order, history = size.group_size, common.order(len(rows), 6, seed=0), []
sampling = dict(num_generations=G, max_new_tokens=size.max_completion_length, temperature=size.temperature)
pd.DataFrame({"question": [rows[i]["id"] for i in order], "right letter": [rows[i]["letter"] for i in order]}).T

# %%
for draws in ((0, 1), (2, 3), (4, 5)):
    batch = [rows[order[i]] for i in draws]
    given = learner.generate(batch, seeds=[(0, i) for i in draws], **sampling)  # (1)
    scored = [judge(text, batch[i // G], n) for i, (text, n) in enumerate(zip(given.texts, given.lengths))]  # (2)
    gains = grpo.group_advantages(torch.tensor([s.total for s in scored]).view(-1, G)).flatten()  # (3)
    fixed, now = start.logprobs(batch, given.ids).detach(), learner.logprobs(batch, given.ids)  # (4)
    counted = (torch.arange(now.shape[1]) < torch.tensor(given.lengths)[:, None]).float()
    value, metrics = grpo.loss(now, now.detach(), fixed, gains, counted, beta=size.beta, clip=size.epsilon)  # (5)
    value.backward()
    norm = torch.nn.utils.clip_grad_norm_(weights, size.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad()
    reward, length = np.mean([s.total for s in scored]), np.mean(given.lengths)
    history.append({"reward": reward, "length": length, "kl": metrics["kl"], "grad_norm": norm.item()})
pd.DataFrame(history, index=pd.RangeIndex(1, 4, name="update"))

# %% [markdown]
# The library's trainer adds what a long run needs (checkpoints, logs, several processes, prompts that are computed
# once) and no other arithmetic (in notebook 04 records of other prompts are
# replayed beside it, whose loss is added). The same questions, the same seeds, through `grpo.train`:

# %%
settings = dict(steps=3, seed=0, prompts_per_step=2, beta=size.beta, clip=size.epsilon, top_k=0, freeze_vision=True)
settings |= dict(learning_rate=size.learning_rate, schedule="constant", adam_betas=size.adam_betas, bf16=False)
with tempfile.TemporaryDirectory() as folder:
    grpo.train(base.SHIPPED, rows, judge, folder, **settings, **sampling)
    log = pd.read_csv(Path(folder) / "log.csv").set_index("step")
mine = pd.DataFrame(history, index=log.index)
assert np.allclose(mine, log[mine.columns], rtol=1e-3, atol=1e-4)
pd.concat({"twelve lines": mine, "grpo.train": log[mine.columns]}, axis=1)

# %% [markdown]
# And here is where the trainer does (1) to (4), and (4) to (5):

# %%
Trainer = grpo.SharedPrefixGRPOTrainer
show(Trainer._roll_out, Trainer.compute_loss)

# %% [markdown]
# ## Notation, and details that matter
#
# The same thing has several names. Read a row from left to right: the symbol, our profile, our loss, TRL, the official
# trainer.

# %%
paper.notation().set_index("symbol")

# %% [markdown]
# Two implementations of one formula differ in details. Numbered; places of the released code at one commit, ours, and
# whether the difference was measured are in `georeplicate/docs/details.md`.

# %%
table = paper.details()[["number", "topic", "released_does", "ours_does", "matters", "released", "measured"]]
table.set_index("number").replace({"measured": {"": "not measured"}})

# %% [markdown]
# ## Answer
#
# Four answers become one gradient by being compared with each other. *Try:* give all four the same reward, or set
# `beta` to 0 in the last cells, a `clip` of 0.01, `kind="dr_grpo"` in the loop, or two updates on each `batch` (now the
# ratio leaves 1).

# %%
best, worst = summary.advantage.idxmax(), summary.advantage.idxmin()
Markdown(
    f"Rewards from {summary.total.min():.2f} to {summary.total.max():.2f} become advantages from "
    f"{summary.advantage.min():+.2f} (*{worst}*) to {summary.advantage.max():+.2f} (*{best}*); each token's gradient "
    f"is its answer's advantage times ρ ∇log p, unless the clip has switched it off ({int(clipped.sum())} of "
    f"{int(mask.sum())} tokens here); k₃ pulls back towards the reference. The sum over all tokens, by hand and by the "
    f"library: **{total:.6f}** and **{loss.item():.6f}**."
)
