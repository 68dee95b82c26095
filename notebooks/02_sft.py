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
# # 02 · What does the thinking scaffold teach, and what not?
#
# The first stage is ordinary supervised fine-tuning: a teacher's chain of thought about one street picture, ending in
# country and city. The paper calls it a *scaffold*: it teaches how to think aloud, and it does not teach pairing. Both
# halves of that sentence are measured here.
#
# | | |
# |---|---|
# | **You will see** | a training row, and what the loss counts of it; curves; geography and pairing before and after |
# | **Needs** | nothing but this repository; trains once, some minutes a seed on one CPU core |
# | **Writes** | `figures/sft_curve.png`, `tables/sft.csv`, and the runs below `runs/` |
#
# > Lines set like this one are ours. **Synthetic world:** the atlas renders the pictures, writes the chain of thought
# > and scores the answer. What is measured is how well the renderer's cues are read, not how well photographs are.

# %% tags=["parameters", "world-only"]
profile = "mini"
out = "../.georeplicate/mini"
seeds = 3
# artefacts: tables/sft.csv figures/sft_curve.png

# %%
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display
from PIL import Image

pd.options.display.max_colwidth, pd.options.display.float_format = None, "{:.3f}".format

# %%
from georeplicate import atlas, engine, files, manifest, paper, world
from georeplicate.evaluation import predict, trivial
from georeplicate.evaluation.predictors import VLM
from georeplicate.mini import base, inputs, readings, stream, tasks, teaching, wording
from georeplicate.model import policy
from georeplicate.profiles import Profile
from georeplicate.report import diagram, plots, write
from georeplicate.report.source import show
from georeplicate.runs import runner, spec
from georeplicate.training import sft

size = Profile.get(profile)
tables, figures = Path(out) / "tables", Path(out) / "figures"

# %%
diagram.loop("SFT")

# %% [markdown]
# ## What the paper reports
#
# Pairing accuracy on photographs, before and after the scaffold: hardly any change, while answers become several times
# as long. (Percent; the 7B model. Our own numbers come later and are synthetic.)

# %%
paper.table2().head(2)

# %%
claim = next(c for c in paper.CLAIMS if c.id == "pairing.sft_alone")
Markdown(f"> *{claim.statement}.* ({claim.evidence}; source: {claim.source}. It holds in the paper's own table: "
         f"{'yes' if claim.holds_in_paper else 'no'}.)")  # fmt: skip

# %% [markdown]
# Learning rate, epochs and batch size of this stage are not published. Ours are choices, made on validation places of
# an earlier world:

# %%
ours = {"updates": size.sft_steps, "rows an update": size.sft_batch, "learning rate": f"{size.sft_learning_rate:g}"}
theirs = {s.name.removeprefix("sft_"): s.value for s in paper.SETTINGS if s.stage == "sft"}
display(pd.Series(theirs, dtype=object).fillna("not published").to_frame("the paper"))
pd.Series(ours, dtype=object).to_frame(f"ours, profile {profile}, synthetic")

# %% [markdown]
# ## (1) A training row
#
# A street-level photo at a place of one of the 16 cities, and a thought about it in the mini model's own vocabulary:
# from what can be seen, cue by cue, to the climate and the region, and so to country and city. All of it is
# known from the place, the moment and the drawing itself, so no label was bought. (Of a photograph nobody knows the
# cues for nothing.)
#
# > The template teacher of notebook 01 writes English for a model that reads English. Here the thought is the base's
# > own form, in the words of its world.

# %%
site = world.sites("train", per_region=4).iloc[0]
scene = world.build(site)
picture = Image.fromarray(world.crop(scene, size.crop_px))
picture.resize((256, 256), Image.Resampling.NEAREST)

# %%
thought = stream.thought(world.words_of(scene), site.climate, site.region, site.country, site.city)
row = {"images": [picture], "prompt": wording.WHERE, "completion": thought}
pd.Series({k: row[k] for k in ("prompt", "completion")}, name=plots.SYNTHETIC).to_frame()

# %% [markdown]
# The check of notebook 01 reads those of these words that are claims about a place, and finds every one true:

# %%
facts = atlas.describe(site.lat, site.lon, site.taken_at)
claims = engine.check(thought, facts, city=site.city).claims
assert claims and all(claim.true for claim in claims)
pd.DataFrame([{"kind": c.kind, "words": c.quote, "true": c.true} for c in claims]).T

# %% [markdown]
# ## (2) What the loss counts
#
# The model is to learn to *answer*, not to ask. So question and picture are given, without a loss, and only the tokens
# of the answer count. In grey what is given, in colour what counts; the closing `<|im_end|>` counts too, as the model
# has to learn when to stop.

# %%
shipped = policy.load(base.SHIPPED)
given = shipped.encode([row])
wanted = torch.tensor(shipped.completion_ids(row["completion"]))
ids = torch.cat([given.input_ids[0], wanted])
counted = torch.arange(len(ids)) >= len(given.input_ids[0])
plots.loss_mask(shipped.tokenizer, ids, counted)

# %% [markdown]
# ## (3) The loss by hand
#
# $$L = -\frac1{|o|} \sum_t \log p(o_t \mid \text{picture}, \text{question}, o_{<t})$$
#
# A toy first: an answer of three tokens, which the model gave probabilities of 0.9, 0.5 and 0.25.

# %%
p = np.array([0.9, 0.5, 0.25])
toy = pd.DataFrame({"p": p, "-log p": -np.log(p)}, index=[f"token {i}" for i in (1, 2, 3)])
toy.T.assign(mean=[np.nan, toy["-log p"].mean()])

# %% [markdown]
# Now the row above. One pass through the model gives a logit for each word at each place; the place *before* a token
# predicts it. Tokens that do not count get the label -100, which PyTorch's cross-entropy leaves out.

# %%
kinds = torch.cat([given.mm_token_type_ids[0], torch.zeros_like(wanted)])[None]
seen = {"pixel_values": given.pixel_values, "image_grid_thw": given.image_grid_thw, "mm_token_type_ids": kinds}
with torch.no_grad():
    logits = shipped.model(input_ids=ids[None], **seen).logits[0]
    by_hand = torch.nn.functional.cross_entropy(logits[:-1], ids.masked_fill(~counted, -100)[1:])
    library, tokens = sft.loss(shipped, [row])
assert abs(by_hand - library) < 1e-4 and tokens == counted.sum()
pd.Series({"by hand": by_hand.item(), "sft.loss": library.item(), "tokens counted": tokens}).to_frame("loss")

# %% [markdown]
# The library's version packs many rows and shares prompts (`shared_prefix.logprobs`), but says the same:

# %%
show(sft.loss)

# %% [markdown]
# *Predict:* if the question counted as well, would the loss be higher or lower, and what would the model learn?

# %%
with torch.no_grad():
    everything = torch.nn.functional.cross_entropy(logits[:-1], ids[1:])
f"answer only {by_hand:.2f}; with the question and {int(kinds.sum())} picture tokens {everything:.2f}"

# %% [markdown]
# It would learn to write its own question, and to expect picture placeholders. Where does the base's loss on this
# answer come from? Not from the form, which it knows: from what it does not see, and from places that it was told of in
# text alone, never with a picture.

# %%
with torch.no_grad():
    surprise = -shipped.logprobs([row], [[wanted.tolist()]])[0]
words = shipped.tokenizer.convert_ids_to_tokens(wanted)
before = pd.DataFrame({"token": words, "-log p": surprise})
before.sort_values("-log p", ascending=False).head(8).T

# %% [markdown]
# ## (4) Training
#
# The rows are such thoughts, and a share of *replay* from the base's own tasks, so that comparing within a view is not
# forgotten. **No row holds a pairing question with its answer.** What is seen, the climate and region, and the place
# count alike in the loss, so that fourteen cues do not drown four words of a place.
#
# > Half of the thoughts are about the 16 cities, as the paper's are; the other half about cities of the base's own. A
# > 7B model keeps the countries it does not hear of for a while; one of two million parameters forgets them in minutes.

# %%
display(Markdown(f"{1 - teaching.REPLAY:.0%} thoughts, {teaching.REPLAY:.0%} replay:"))
show(teaching.sft_rows)

# %% [markdown]
# `ensure` trains what has not been trained yet, and evaluates each finished model on the test questions once.

# %%
runs = [run for run in spec.table2_runs(size.seeds[:seeds], size) if run.stage in ("base", "sft")]
folders = runner.ensure(runs, profile, out)
minutes = {run.name: manifest.read(folders[run.name])["wall_seconds"] / 60 for run in runs}
pd.Series(minutes, name="minutes of training and evaluation").to_frame().T

# %% [markdown]
# *Predict:* the loss starts where the base is surprised. Which floor can it not go below? (The city of a picture can
# hardly ever be seen.)

# %%
predictions = runner.predictions(Path(out) / "runs").query("run in @folders")
logs = write.logs(predictions, Path(out) / "runs")
curve = partial(plots.curves, logs, write.SFT_CURVES, smooth=5)
curve()

# %% [markdown]
# The same row again, before and after: which tokens are no surprise any more, and which are more of one?

# %%
trained = policy.load(folders["sft-s0"] / "policy")
with torch.no_grad():
    after = -trained.logprobs([row], [[wanted.tolist()]])[0]
change = before.assign(after=after).rename(columns={"-log p": "before"})
change.sort_values("after", ascending=False).head(8).T

# %% [markdown]
# ## (5) What does it teach of geography?
#
# Pictures of validation cities, none of which was trained on; half of them in countries of the 16 training cities
# (*seen*), half in others, which only the base's own cities have shown. Hardly any cue here is one country's alone, so
# beside the country stands the share within 2,500 km. As a trivial baseline of the former, the best constant answer:
# the commonest country of the very places that are evaluated.

# %%
sites = world.sites("validation", per_region=4)
sites = sites.groupby("seen_country").sample(min(80, size.n_validation_sites // 2), random_state=0)
shown = inputs.place_rows(shipped, sites, crop_px=size.crop_px, tile_px=size.tile_px)
constant = sites.groupby("seen_country").country.agg(lambda c: c.value_counts(normalize=True).max())
constant.to_frame("share right by the best constant answer")

# %%
policies = {
    run.name: policy.load(base.SHIPPED if run.stage == "base" else folders[run.name] / "policy") for run in runs
}
task = tasks.places(lambda split: shown)["geolocation"]
answers = pd.concat(
    predict.evaluate(VLM(one, size.max_completion_length), task, shown, decoding="greedy").assign(run=name)
    for name, one in policies.items()
)
found = {
    (name, countries): predict.summary(part) | {"within_2500km": (part.error_km <= 2500).mean()}
    for name, rows in answers.groupby("run", sort=False)
    for countries, part in trivial.by_country(rows)
}
geography = pd.DataFrame(found).T.rename_axis(["run", "countries"]).astype({"n": int})
geography.drop(columns="format_rate")

# %% [markdown]
# An answer before and after, to the same picture:

# %%
example = answers[answers.id == sites.id.iloc[-1]].set_index("run")
example.loc[["base", "sft-s0"], ["truth", "choice", "text"]]

# %% [markdown]
# Is it *true* what the scaffold writes about these pictures? Each cue that its thoughts name, beside what the base says
# under the same prompt, and beside a trivial baseline: how often the commonest word would be right.

# %%
true = pd.DataFrame(inputs.true_words(sites)).T.set_axis(list(wording.WORDING.words), axis=1)
said = {
    name: pd.DataFrame([readings.first_words(text, wording.WORDING.attribute_of) for text in rows.text], rows.id)
    for name, rows in answers.query("run in ['base', 'sft-s0']").groupby("run")
}
cues = pd.DataFrame({f"{name}, true": (words == true)[words.notna()].mean() for name, words in said.items()})
cues.assign(commonest=true.apply(lambda words: words.value_counts(normalize=True).max())).reindex(true.columns)

# %% [markdown]
# > **In a circle.** The atlas wrote these words, drew the pictures from the same facts, and now scores them. A high
# > share says that the renderer's cues can be read, nothing more; one no better than its baseline says that even this
# > was not learnt.
#
# ## (6) Does it teach pairing?
#
# *Predict:* the scaffold saw street pictures and countries, never a street picture with its tile. Where should pairing
# stand? (The same held-out questions for all, five tiles of one city, so chance is one in five.)

# %%
greedy = predictions.query("task == 'pairing' and decoding == 'greedy'")
paired = {run.name: predict.summary(greedy[greedy.run == run.name]) for run in runs}
pairing = pd.DataFrame(paired).T.rename_axis("run").astype({"n": int})
pairing

# %%
rows = pd.concat({"country": geography, "pairing": pd.concat({"all": pairing}, names=["countries"]).swaplevel()})
rows = rows.rename_axis(["question", "run", "countries"]).reset_index().assign(benchmark=tasks.BENCHMARK)
for name in ("stands_for", "checkpoint"):
    rows[name] = rows.run.map({run.name: getattr(run, name) for run in runs})
files.write_csv(tables / "sft.csv", rows)
plots.save(curve, figures / "sft_curve")

# %% [markdown]
# ## Answer

# %%
country, trained_runs = geography.accuracy.unstack(), [run.name for run in runs if run.stage == "sft"]
after, chance = country.loc[trained_runs].mean(), 1 / size.k
above, near = pairing.accuracy_low > chance, geography.within_2500km.unstack()["all"]
Markdown(
    f"On synthetic pictures, mean of {len(trained_runs)} seed(s): the scaffold names the right country for "
    f"{after.seen:.0%} of places in seen countries (before: {country.seen['base']:.0%}; constant answer: "
    f"{constant[True]:.0%}) and {after.unseen:.0%} in unseen ones (before: "
    f"{country.unseen['base']:.0%}; constant: {constant[False]:.0%}), and places {near[trained_runs].mean():.0%} of "
    f"all within 2,500 km (before: {near['base']:.0%}). Pairing goes from "
    f"{pairing.accuracy['base']:.1%} to {pairing.accuracy[trained_runs].mean():.1%}, chance being {chance:.0%}: "
    f"{above[trained_runs].sum()} of {len(trained_runs)} intervals lie above chance; the base's "
    f"{'does too' if above['base'] else 'does not'}. Answers to a pairing question go from "
    f"{pairing.completion_tokens['base']:.0f} to {pairing.completion_tokens[trained_runs].mean():.0f} tokens. (Places "
    f"are of {len(sites)} validation pictures, without an interval; notebook 05 has them on the test split.)"
)

# %% [markdown]
# *Try:* train anew without the replay (what happens to pairing in notebook 04?), or another `row` in (1): which of its
# words can nobody see in the picture?
