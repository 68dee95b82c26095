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
# # 00 · What does Geo-R1 claim, and what do we find?
#
# | | |
# |---|---|
# | **You will see** | the paper in one page; a model that thinks aloud about one place; the headline; a map of errors |
# | **Needs** | nothing but this repository: no network, no GPU, no training; five minutes to read |
# | **Writes** | nothing |
#
# > **We could not read the paper's full text** (arXiv 2510.00072). What these pages know of it comes from its poster,
# > the official code, public reviews and secondary notes (`georeplicate/docs/paper.md` names each source). Lines set
# > like this are ours.
# >
# > **Two worlds, never one column.** The paper's numbers are measured on photographs with a model of 7 billion
# > parameters. Ours are measured on a *synthetic world*, pictures rendered from real metadata, with models of a few
# > million. They show how the method behaves, not how well anything locates a photograph.

# %% tags=["parameters", "world-only"]
profile = "mini"
out = "../.georeplicate/mini"
seeds = 3

# %%
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

pd.options.display.max_colwidth, pd.options.display.float_format = None, "{:.3f}".format

# %%
from georeplicate import files, pairs, paper, world
from georeplicate.evaluation import faithfulness, predict
from georeplicate.evaluation.predictors import VLM
from georeplicate.mini import base, baselines, inputs, tasks, wording
from georeplicate.model import policy
from georeplicate.profiles import Profile
from georeplicate.report import diagram, findings, gains, maps, plots, tables, thinking, write
from georeplicate.runs import runner, spec

size = Profile.get(profile)

# %%
diagram.loop()

# %% [markdown]
# ## The paper in one page
#
# **The problem.** To say where a picture was taken one has to *reason*: script, driving side, sun, plants, roofs. But
# nobody has written down that reasoning for millions of pictures, so it cannot simply be copied.
#
# **The idea.** Take a task whose answer is known for nothing. A street panorama and five aerial tiles of one
# neighbourhood: which tile shows the same place? The position of the pictures says which. Whoever can answer must have
# understood what is where, in both views. The letter is an *indirect* reward: the reasoning itself is never judged.
#
# **The recipe.**
#
# | step | what happens | here |
# |---|---|---|
# | pairs → data engine | position and time become facts, a teacher's chain of thought, and a question | notebook 01 |
# | SFT | a *scaffold*: think aloud about a street picture, name country and city; never pairing | 02 |
# | GRPO | eight answers to a pairing question; those better than their group become likelier | 03 by hand, 04 |
# | evaluation | pairing, and geolocation that nobody rewarded | 05, 06 |
# | verdict | claim by claim: what holds here, what does not, and what nobody can tell from here | 07 |
#
# **The claims**, as far as the sources that could be read state them:

# %%
claims = paper.claims()
claims[["statement", "evidence", "source"]]

# %% [markdown]
# ## The question, at a size for people
#
# *Can you tell?* North is at the panorama's centre and at the tiles' top. (A drawing of the synthetic world. The right
# letter comes two cells further down.)

# %%
where = dict(per_region=6, regions=1)
large = pairs.load("world", "test", panorama_height=192, tile_size=256, difficulty=plots.FOR_PEOPLE, **where)
question = pairs.questions(large, k=size.k, negatives=size.negatives, seed=0)[0]
plots.question(pairs.images(large, question), title=f"{question['id']}: which tile shows this place?")

# %% [markdown]
# ## One model, one place
#
# The same question, as small as the mini model sees it, put to the base (before) and to the trained model that stands
# for Geo-R1. It names a few things that it sees at the place, then at tile after tile, and says `match` or `other`. The
# frame is the right tile.

# %%
home = Path(out) / "runs"
trained = [name for name in ("r1-s0", "zero-s0") if (home / name / "policy").is_dir()][:1]
models = {"base": base.SHIPPED} | {name: home / name / "policy" for name in trained}
Markdown(f"Asked: {', '.join(models)}." + ("" if trained else " (No trained model yet: `make reproduce` trains them.)"))

# %%
small = pairs.load("world", "test", panorama_height=size.panorama_px[0], tile_size=size.tile_px, **where)
questions = pairs.questions(small, k=size.k, negatives=size.negatives, seed=0)
words = inputs.true_words(world.sites("test", **where))
for name, path in models.items():
    model = policy.load(path)
    row = inputs.pairing_rows(model, small, questions, described=words)[0]
    given = predict.evaluate(VLM(model, size.max_completion_length), tasks.pairing(), [row], decoding="greedy").iloc[0]
    caption = dict(
        true_words=row["true_words"], letter=row["letter"], choice=given.choice, title=f"{name}: {row['prompt']}"
    )
    display(
        plots.answer(
            pairs.images(small, questions[0]), given.text, faithfulness.thoughts(given.text, wording.WORDING), **caption
        )
    )

# %% [markdown]
# > One answer proves nothing; it shows what the words look like. The numbers come from many questions.
#
# ## The headline
#
# Table 2 of the paper, and the same four systems of ours, each as far as its own world allows. Read from your own runs
# where these are complete, else from the committed ones.

# %%
runs = [run.name for run in spec.table2_runs(size.seeds[:seeds], size)]
homes = [Path(out), Path("../results") / profile, Path("../results/mini")]
complete = [h for h in homes if all((h / "runs" / name / "manifest.json").is_file() for name in runs)]
answers = runner.predictions((complete or homes)[0] / "runs").query("run in @runs")
table2 = tables.table2(answers)
plots.headline(paper.table2(), table2, chance=1 / size.k)

# %%
left = paper.table2().set_index("model")
right = table2.set_index("stands_for").reindex(left.index)
kept = ["system", "accuracy", "accuracy_low", "accuracy_high", "training_seeds", "n", "completion_tokens"]
strip = pd.concat({"paper: photographs, percent": left, f"ours: {table2.benchmark[0]}": right[kept]}, axis=1)
strip

# %% [markdown]
# ## Where it errs
#
# No reward covered geolocation. Each checkpoint names country and city of held-out pictures; the colour of a city is
# the median error over all seeds of the system that stands for Geo-R1. The title says what guesses reach that look at
# no picture. (Notebook 06 has the other maps, and the worst answers.)

# %%
located = answers[(answers.task == "geolocation") & (answers.stands_for == tables.R1)]
geolocation = tables.geolocation(answers, baselines.of_world())
maps.errors(located, write.trivial_baselines(geolocation))

# %%
found = findings.sentences({"changes": tables.changes(answers), "decomposition": thinking.decomposition(answers)})
Markdown("\n\n".join(found[topic] for topic in ("countries", "distance") if topic in found))

# %% [markdown] tags=["world-only"]
# ## Does it unlock geolocation?
#
# In this world geography can be seen: a reader of the true words locates far more places than any guess that looks at
# nothing. What the reward for the right letter adds to the same training with random labels was asked in registered
# experiments, from several bases (notebook 08):

# %% tags=["world-only"]
Markdown(gains.read_headline(files.RESULTS / "geographic" / "tables"))

# %% [markdown]
# ## Answer

# %%
ours = table2.set_index("stands_for").accuracy
orders = tables.orderings(answers)
verdicts = orders[orders.decoding == "greedy"].set_index("claim").verdict
Markdown(
    "Geo-R1 claims that rewarding nothing but the letter of the right tile teaches a model to pair views, from "
    f"{left.accuracy_percent['Qwen2.5-VL-7B']:.0f} % to {left.accuracy_percent['Geo-R1-Zero']:.0f} % on photographs. "
    f"On our synthetic stand-ins the same step goes from {ours['Qwen2.5-VL-7B']:.0%} to {ours['Geo-R1-Zero']:.0%}, "
    f"and to {ours['Geo-R1']:.0%} with the scaffold before it. {found.get('decomposition', '')} The paper's "
    "orderings here: " + "; ".join(f"*{claim}*: {verdict}" for claim, verdict in verdicts.items()) + "."
)

# %% [markdown]
# *Go on* with 01 for the data, 03 for the arithmetic with a pencil, or 04 for the training. *Try:* another `[0]` in
# the cells above is another question; `base.SHIPPED` can be replaced by any policy folder below `runs/`.
