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
# # 06 · Where does it fail, and how badly?
#
# A share says how often. This notebook looks at *which* answers are wrong, where on Earth they lie, and what was right
# about them all the same.
#
# | | |
# |---|---|
# | **You will see** | error maps; what a wrong answer still knows; climates and countries; the worst answers |
# | **Needs** | the runs of notebook 04 (trained here if they are missing); no network, no GPU, two minutes |
# | **Writes** | tables (CSV, Markdown, LaTeX) and figures (PNG, PDF), by the names in the next cell |
#
# > **Synthetic, and in a circle.** The atlas renders the pictures, teaches the words for them and scores the answers,
# > so an error here measures how well the *renderer's cues* are read. It is no error on photographs and cannot become
# > one. Lines set like this one are ours; benchmark is `world-geographic (synthetic)` throughout.

# %% tags=["parameters"]
profile = "mini"
out = "../.georeplicate/mini"
seeds = 3
# artefacts: tables/countries.csv tables/cues.csv
# artefacts: figures/map_errors.png figures/map_arcs.png figures/map_countries.png
# world-only artefacts: tables/failures.csv tables/zones.csv
# world-only artefacts: figures/zones.png figures/worst_places.png figures/worst_pairing.png

# %%
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from georeplicate import atlas, geo, paper, world
from georeplicate.mini import inputs
from georeplicate.profiles import Profile
from georeplicate.report import diagram, maps, plots, tables, worst, write
from georeplicate.report import table1 as table1_rows
from georeplicate.runs import runner, spec

# %%
size = Profile.get(profile)
pd.options.display.max_colwidth, pd.options.display.max_columns = None, None
pd.options.display.float_format = "{:,.3f}".format
diagram.loop("tables")

# %%
runs = spec.table2_runs(size.seeds[:seeds], size)
folders = runner.shown([*runs, *spec.table1_runs(size.seeds[:seeds], size)], profile, out)
answers = runner.predictions(Path(out) / "runs").query("run in @folders")
located = answers[(answers.task == "geolocation") & answers.stands_for.isin(tables.ORDER)]
beside = write.guesses(answers, Path(out) / "runs")
made = write.made_tables(answers, beside)
frames = {name: frame for name, (frame, _) in made.items()}
draw = dict(write.figures(answers, frames, write.logs(answers, Path(out) / "runs"), beside))
note, kind = write.source_of(answers), "synthetic " if tables.is_synthetic(answers) else ""
located.groupby("system", sort=False).agg(places=("id", "nunique"), runs=("run", "nunique"), answers=("id", "size"))

# %% [markdown]
# ## Which system?
#
# The one that was chosen before anything was measured: what stands for the paper's Geo-R1. Not the one that happens to
# look best: with four systems, picking afterwards would be picking luck. The map of errors and the tables hold all its
# seeds, the other maps the first.

# %% [markdown] tags=["world-only"]
# Here that is `mini-R1`. An answer that names two places counts as none; how the first place named does is in notebook
# 05. Our shares are of synthetic places.

# %% [markdown]
# The paper's row first, in percent of photographs. Then every run of ours, in shares of places.

# %%
table1 = paper.table1()
table1[table1.method == "Geo-R1"].drop(columns=["group", "citation"])

# %%
chosen = located[located.stands_for == tables.R1]
by_run = located.fillna({"error_km": np.inf}).groupby(["system", "run"], sort=False).error_km
within = by_run.apply(lambda km: pd.Series(geo.threshold_accuracy(km))).unstack().rename(columns="within {} km".format)
within.assign(median_km=by_run.median(), n=by_run.size())

# %% [markdown]
# All seeds of it, with intervals, above the trivial baselines: a random point on land, and the best constant guess (the
# one place, chosen on validation places, that serves the column best).

# %%
measured = frames["geolocation"].query("task == 'geolocation' and stands_for in ['', @tables.R1]")
tables.shown(measured[measured.countries == "all"]).set_index("system").drop(
    columns=["checkpoint", "task", "countries"]
)

# %% [markdown]
# ## (1) The map

# %% [markdown] tags=["world-only"]
# *Predict:* half of the scaffold's pictures are of 16 cities (stars on the map of notebook 01), half of the base's own.
# Where will the map be yellow or orange (median error below 2,500 km): near the stars, or wherever the pictures look
# like theirs? Is any city blue (below 200 km)?

# %%
first = chosen[chosen.run == chosen.run.iloc[0]]
maps.errors(chosen, write.trivial_baselines(frames["geolocation"]), source=note)

# %% [markdown]
# Points are cities, coloured by the median error of their places over all seeds; a cross where most answers name no
# place. The colours change at the five distances of the tables. Below the world its crowded regions once more. The
# title has what a random land point and the best constant guess reach. (The saved `map_errors` has a panel for each
# system.)

# %% [markdown] tags=["world-only"]
# ### The other systems of Table 1
#
# Stand-ins that were trained on places of other cities (notebook 05). *Look for:* cities that all of them
# find, and cities that none does.

# %% tags=["world-only"]
draw["map_table1"]()

# %% tags=["world-only"]
others = answers[answers.stands_for.isin(table1_rows.ORDER) & (answers.task == "geolocation")]
near = others.assign(near=others.error_km <= 2500, city=others.id.str.rpartition("/")[0])
found_by = near.groupby(["city", "system"]).near.mean().unstack().gt(0.5).sum(axis=1)
found_by.value_counts().sort_index().rename_axis("systems that find most of its photos").to_frame("test cities")

# %% [markdown]
# ## (2) Where does it put them?
#
# Great circles from the true place to the named one. Rings grow with how often a place is named: a model that knows
# few names shows few rings.

# %%
maps.arcs(first, source=note)

# %% tags=["world-only"]
known = set(world.cities().query("split == 'train'").country)
named = chosen[chosen.choice != ""].choice.map(atlas.country_name)
display(named.value_counts(normalize=True).head(8).to_frame("share of answers").T)
Markdown(
    f"{named.nunique()} countries are named for places of {chosen.truth.nunique()}. "
    f"{chosen.choice.isin(known).mean():.0%} of all answers name one of the {len(known)} countries of training cities, "
    f"in which {chosen.seen_country.mean():.0%} of the places lie."
)

# %% [markdown]
# ## (3) What is right about a wrong answer?
#
# Only answers that name the wrong country. Does the country named share the hemisphere, the climate, the script, the
# driving side or the region of the true place? If cues are read, it must do so more often than if the same answers
# were dealt out among these places *at random*.
#
# *Predict:* which of these can be seen in a picture at all?

# %%
cues = frames["cues"].query("stands_for == @tables.R1")
display(
    tables.shown(cues).set_index("cue")[
        ["system", "benchmark", "training_seeds", "wrong_countries", "agree", "at_random"]
    ]
)
read = cues[cues.agree_low > cues.at_random].cue
Markdown(f"More often than at random, by the whole interval: {', '.join(read).replace('_', ' ') or 'none'}.")

# %% [markdown] tags=["world-only"]
# ## (4) By climate
#
# Each zone beside the trivial baselines on the same places: a share that looks low may belong to places where any
# guess fails.

# %% tags=["world-only"]
ours = frames["zones"].query("stands_for in ['', @tables.R1]")
tables.shown(ours).set_index(["zone", "system"]).drop(columns=["stands_for", "checkpoint"])

# %% tags=["world-only"]
draw["zones"]()

# %% [markdown]
# ## (5) By country
#
# Points grow with the number of places.

# %% [markdown] tags=["world-only"]
# Ringed and named: countries of the training cities (*seen*).

# %%
maps.countries(first, source=note)

# %% tags=["world-only"]
apart = tables.shown(measured[measured.countries != "all"]).sort_values("countries", kind="stable")
apart.set_index(["countries", "system"])[["n", "acc_750km", "acc_2500km", "median_km", "country_accuracy"]]

# %% [markdown]
# The best and the worst countries:

# %%
countries = frames["countries"]
mine = countries[countries.stands_for != ""].sort_values(["acc_2500km", "median_km"], ascending=[False, True])
readable = tables.shown(mine).assign(name=mine.country.map(atlas.country_name).values)
seen = set(chosen.truth[chosen.seen_country.eq(True)])
readable["seen"] = np.where(mine.country.isin(seen), "seen", "no")
columns = [*(["seen"] if seen else []), "n", "acc_2500km", "median_km", "country_accuracy"]
readable = readable.set_index("name")[columns]
display(readable.head(8))
readable.tail(8)

# %%
constant = countries[countries.system == "best constant guess"].set_index("country").acc_2500km
beaten = mine.set_index("country").acc_2500km.gt(constant)
both = beaten[beaten.index.isin(seen)]
Markdown(
    f"In {beaten.sum()} of {len(beaten)} countries more places lie within 2500 km than the best constant guess reaches"
    + (f"; of the seen ones in {both.sum()} of {len(both)}" if seen else "")
    + f". A row rests on {mine.n.min()} to {mine.n.max()} places, often of one city: read the map, not the ranks."
)

# %% [markdown]
# ## (6) The worst places
#
# The farthest answers of the first seed, one a country.

# %%
farthest = worst.places(first)

# %% [markdown] tags=["world-only"]
# Above for people: would you have known? Below as small, and as noisy, as the model sees it: could it have known?

# %% tags=["world-only"]
worst.gallery(farthest, size)

# %%
farthest[["id", "truth", "choice", "error_km", "text"]]

# %% [markdown] tags=["world-only"]
# > **The circle, seen.** Roofs, soil, paint and crops were drawn from the same atlas that scores the answer. Real
# > streets keep to such rules far less strictly, and hold much that no rule has.

# %% [markdown] tags=["world-only"]
# ## (7) The worst pairing answers
#
# How a wrong letter came about, by what the answer itself says. If words were read wrongly, the words of the tile that
# was called a match *agree* with the place's and the answer is honest; if they *differ*, the verdict was not drawn from
# them. Shares of all answers.

# %% tags=["world-only"]
failures = frames["failures"]
kinds = failures[failures.stands_for == tables.R1].set_index("failure").share
wide = tables.shown(failures).pivot(index="failure", columns="system", values="share")
wide.reindex(index=failures.failure.unique(), columns=failures.system.unique())

# %% tags=["world-only"]
searches = worst.searches(answers[answers.run == first.run.iloc[0]])
Markdown(
    f"{(~searches.right).sum()} of {len(searches)} greedy answers of {searches.run.iloc[0]} are wrong. Shown are those "
    "with the most false words. Blue words are true of the picture spoken of, orange ones are not; the frame is the "
    "right tile. "
    "The pictures are as small as the model sees them."
)

# %% tags=["world-only"]
questions = worst.questions(size)
assert (questions.letter[searches.id].values == searches.truth.values).all()  # the very questions of the run
questions.loc[searches.id.head(3), ["letter", "distances_km"]]

# %% tags=["world-only"]
display(*(worst.card(row, size) for _, row in searches.head(3).iterrows()))

# %% [markdown] tags=["world-only"]
# > **Could anyone have known?** Two places whose true words are all the same cannot be told apart in these words. Then
# > only where things stand could help, and the answer has no words for that. With fourteen cues that is rare; more
# > often the few words that were named did not tell them apart.

# %% tags=["world-only"]
words = inputs.true_words(inputs.sites(size, "test"))
searches["twin"] = [
    sum(words[c] == words[q.id] for c in q.candidate_ids) > 1 for q in questions.loc[searches.id].itertuples()
]
twins = (
    searches.groupby("twin").right.agg(["size", "mean"]).rename(index={True: "a twin of the right tile", False: "none"})
)
twins.rename(columns={"size": "questions", "mean": "right"}).rename_axis("among the wrong tiles")

# %% [markdown]
# ## On paper

# %%
for name in ("countries", "cues"):
    write.table(name, *made[name], Path(out) / "tables", of=answers)
for name in ("map_errors", "map_arcs", "map_countries"):
    plots.save(draw[name], Path(out) / "figures" / name)

# %% tags=["world-only"]
draw |= {
    "worst_places": partial(worst.gallery, farthest, size),
    "worst_pairing": partial(worst.card, searches.iloc[0], size),
}
for name in ("failures", "zones"):
    write.table(name, *made[name], Path(out) / "tables", of=answers)
for name in ("zones", "worst_places", "worst_pairing"):
    plots.save(draw[name], Path(out) / "figures" / name)

# %% [markdown]
# ## Answer

# %%
row = measured[measured.countries == "all"].set_index("system")
us, land, best = row[row.stands_for != ""].iloc[0], row.loc["random land point"], row.loc["best constant guess"]
by_place = measured[measured.stands_for != ""].set_index("countries").acc_2500km.drop("all")
by_kind = ", ".join(f"{by_place[name]:.0%} in {name} countries" for name in by_place.index)
row[["acc_2500km", "acc_2500km_low", "acc_2500km_high", "median_km"]]

# %%
Markdown(write.remark(answers) or
    f"Of {us.n} {kind}places {us['acc_2500km']:.0%} [{us['acc_2500km_low']:.0%}, {us['acc_2500km_high']:.0%}] are "
    f"located within 2500 km by {us.name} ({us.training_seeds} seed(s)); a random land point reaches "
    f"{land['acc_2500km']:.0%}, the best constant guess {best['acc_2500km']:.0%} [{best['acc_2500km_low']:.0%}, "
    f"{best['acc_2500km_high']:.0%}]: "
    + ("its interval lies below ours" if us.acc_2500km_low > best.acc_2500km_high
       else "its interval lies above ours" if us.acc_2500km_high < best.acc_2500km_low else "the intervals overlap")
    + f". Median error {us.median_km:,.0f} km against {best.median_km:,.0f} km"
    + (by_kind and f". Within 2500 km lie {by_kind}")
    + f". Wrong answers keep more than at random: {', '.join(read).replace('_', ' ') or 'nothing'}."
    + (kind and f" Of its pairing answers {kinds.sum():.0%} are wrong, most often so: *{kinds.idxmax()}* "
       f"({kinds.max():.0%}). This is how well the renderer's cues are read, and nothing about photographs.")
)  # fmt: skip

# %% [markdown] tags=["world-only"]
# *Try:* `first = located[located.run == "base"]` and run on from (1): what did the scaffold and GRPO change? Or
# `located[located.task == "aerial"]` for the tiles, or another `sort_values` in (7): the *longest* wrong answers, the
# *truest* wrong ones.
