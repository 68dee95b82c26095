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
# # 05 · Does the indirect reward teach pairing, and does anything else move?
#
# Four systems, the same held-out questions. Pairing is what was rewarded. Geography, climate, vegetation and the
# truth of the thinking were not: whatever moves there, moved by itself.
#
# | | |
# |---|---|
# | **You will see** | Table 2, its orderings, the protocol's share; geolocation with baselines; what else moved |
# | **Needs** | the runs of notebook 04 (trained here if they are missing); no network, no GPU, two minutes |
# | **Writes** | tables (CSV, Markdown, LaTeX) and figures (PNG, PDF), by the names in the next cell |
#
# > Lines set like this one are ours. **Two worlds, never one column:** the paper's numbers are percent on photographs,
# > of a 7B model; ours are shares on `world-geographic (synthetic)`, of mini models that stand for its systems
# > (`stands_for`). In brackets 95 % intervals: Student's t over training seeds, with the variance between test cities;
# > where there is one seed, over cities alone. `n` questions a seed.

# %% tags=["parameters"]
profile = "mini"
out = "../.georeplicate/mini"
seeds = 3
# artefacts: tables/table2.csv tables/orderings.csv tables/protocols.csv tables/geolocation.csv tables/zero_shot.csv
# artefacts: tables/changes.csv tables/table1.csv figures/table1.png figures/table2.png figures/zero_shot.png
# artefacts: figures/changes.png figures/distances.png
# world-only artefacts: tables/faithfulness.csv tables/decomposition.csv figures/faithfulness.png

# %%
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

from georeplicate import files, paper
from georeplicate.evaluation import seeds as seed_intervals
from georeplicate.evaluation import statistics
from georeplicate.evaluation.baselines.learned import STAND_INS
from georeplicate.paper.contamination import contamination
from georeplicate.profiles import Profile
from georeplicate.report import diagram, findings, gains, plots, tables, write
from georeplicate.report.source import show
from georeplicate.runs import runner, spec

# %%
size, chance = Profile.get(profile), 1 / Profile.get(profile).k
pd.options.display.max_colwidth, pd.options.display.max_columns = None, None
diagram.loop("evaluation")

# %% [markdown]
# ## What was evaluated
#
# Every number below is recomputed from `predictions.csv`, one row an answer; no model is loaded here. Greedy takes the
# likeliest token, `t1` samples at temperature 1, and *forced* compares the probabilities of given words.

# %%
runs = spec.table2_runs(size.seeds[:seeds], size)
others = spec.table1_runs(size.seeds[:seeds], size)  # systems of Table 1 beside the four
folders = runner.shown([*runs, *others], profile, out)
wanted = spec.ablation_runs(size.seeds[:seeds], size)
controls = runner.finished(wanted, profile, out)  # for section 4, as far as they were run
answers = runner.predictions(Path(out) / "runs").query("run in @folders or run in @controls")
answers[answers.stands_for != ""].groupby(["task", "decoding"]).agg(
    questions=("id", "nunique"), runs=("run", "nunique"), answers=("id", "size")
)

# %%
row = answers[(answers.task == "pairing") & (answers.run == runs[-1].name)].iloc[0]
row[["run", "stands_for", "id", "decoding", "truth", "choice", "words", "words_true", "text"]].to_frame("one row")

# %%
beside = write.guesses(answers, Path(out) / "runs")
made = write.made_tables(answers, beside)
frames = {name: frame for name, (frame, _) in made.items()}
found = findings.sentences(frames)
four = frames["table2"][frames["table2"].stands_for != ""]
draw = dict(write.figures(answers, frames, write.logs(answers, Path(out) / "runs"), beside))
pd.Series({name: caption for name, (_, caption) in made.items()}, name="what each table holds").to_frame()

# %% [markdown]
# ## (1) Pairing
#
# ### The paper
#
# Percent, on photographs.

# %%
paper.table2()

# %% [markdown]
# ### Ours

# %% [markdown] tags=["world-only"]
# *Predict:* the base can compare pictures of one view, has words for both views and answers the first tile that it
# calls a match. Five tiles make chance 20 %. Where do base and scaffold stand? After GRPO, is 95 % possible, or does
# something keep it lower?

# %%
tables.shown(frames["table2"])

# %% [markdown]
# ### How an interval is made
#
# Two things could have come out otherwise: the training seeds, and the test cities (questions of one city are one
# cluster). Each has a variance of the mean, $s^2$ of the seeds and $c^2$ of the cities; with two to nine seeds the
# interval is
#
# $$\hat a \pm \sqrt{t_{S-1}^2\, s^2 + t_{C-1}^2\, c^2},$$
#
# with $t$ the 97.5 % quantile of Student's distribution for so many degrees of freedom. With one seed nothing is known
# about other seeds, and cities are resampled (a bootstrap). A share that hardly ever, or nearly always, occurs is at
# least as uncertain as Wilson's interval says.

# %%
rows = answers[(answers.task == "pairing") & (answers.decoding == "greedy") & (answers.stands_for == tables.ZERO)]
counted, known = statistics.right(rows), four.set_index("stands_for").loc[tables.ZERO]
spread, (low, high) = seed_intervals.between(counted.cells()), counted.interval()
assert abs(low - known.accuracy_low) + abs(high - known.accuracy_high) < 1e-9
display(show(statistics.Sample.interval, seed_intervals.Spread.half_width))
parts = {"accuracy": counted.value, "seeds S": len(counted.seeds), "cities C": len(counted.places)}
parts |= {"s": spread.seeds**0.5, "c": spread.places**0.5, "low": low, "high": high}
pd.Series(parts, name=known.system).to_frame()

# %% [markdown] tags=["world-only"]
# The last rows are the same answers, read by their own verdicts: the first tile that the text calls a match counts as
# its letter. They split the gain of GRPO into the answering *rule* and what is *said*.

# %% tags=["world-only"]
steps = frames["decomposition"]
display(tables.shown(steps).drop(columns="benchmark").set_index(["before", "after", "decoding", "step"]))
Markdown(found.get("decomposition", ""))

# %%
draw["table2"]()

# %% [markdown] tags=["world-only"]
# > **Before anyone cheers.** A matcher that is *told* the pairs goes as far as the table below says, and comparing
# > colour histograms, which learns nothing, beyond chance. So the height of a bar says little. What counts is whether
# > the *reward alone* moves it. That the world has no leak is tested below, by the same matcher: with either view
# > blanked even it stays at chance. (On validation places. The test cities were opened by earlier experiments; what was
# > known of this base when these runs were registered is in `results/mini/registered.json`.)

# %% tags=["world-only"]
gate = pd.read_csv("../results/bench/world_gate.csv").query("world == 'geographic'")
gate = gate[gate.dial.str.contains("matcher")]
gate.set_index(["dial", "control"])[["accuracy", "n"]].T

# %% [markdown]
# ## (2) The paper's orderings
#
# Table 2 claims more than heights: who ends above whom, and who writes longest. Each claim is a difference between two
# systems on the same questions. It *holds* if the whole interval lies above zero. It *does not hold* if the interval
# lies below zero or, for lengths, below a margin of a tenth of the second's length, fixed before these intervals were
# computed. Else we *cannot tell*, and say how small an effect these seeds would have detected with 80 % power.

# %%
claims = paper.claims()
claims[claims.evidence.str.startswith("Table 2")][["statement", "evidence", "holds_in_paper"]]

# %%
orderings = tables.shown(frames["orderings"])
display(orderings.drop(columns=["benchmark", "measure"]).set_index(["claim", "decoding"]))
Markdown(found.get("orderings", ""))

# %% [markdown] tags=["world-only"]
# > Length is the fragile one. Our answers have a cap of their own, a vocabulary of words, and no length reward (section
# > 4 has the runs with it): a search that ends at the match is short by nature.

# %%
Markdown(
    f"The longest answer here may have {size.max_completion_length} tokens, the paper's "
    f"{paper.setting('max_completion_length').value}. Means: "
    + ", ".join(f"{r.system} {r.completion_tokens:.0f}" for r in four.itertuples())
    + "; the paper's: "
    + ", ".join(f"{r.model} {r.completion_length_tokens:.0f}" for r in paper.TABLE2)
    + "."
)

# %% [markdown]
# ## (3) What the protocol decides
#
# Three switches that papers set silently. The same completions, nothing generated again:
#
# | switch | our setting | the other settings |
# |---|---|---|
# | decoding | greedy | sampled at temperature 1 |
# | reading | any unambiguous letter counts | only in the right form; the official code's rule |
# | unread | an answer that cannot be read is wrong | it is dropped from the denominator |
#
# *Predict:* which switch flatters a system that often fails to answer?

# %%
protocols = frames["protocols"]
cells = tables.shown(protocols).set_index(["measure", "switch", "setting", "system"]).share.unstack("system")
cells[list(four.system)].reindex(protocols.set_index(["measure", "switch", "setting"]).index.unique())

# %%
first = protocols.groupby(["measure", "switch", "system"]).share.transform("first")  # ours stands first
steps = protocols.assign(step=protocols.share - first)
most = steps.loc[steps.step.abs().idxmax()]
dropped = steps.step[steps.setting == "dropped"].max()
Markdown(
    f"The largest step that a switch makes: {100 * most.step:+.1f} points ({most.measure}, {most.setting}, "
    f"{most.system}). Dropping "
    + ("everything leaves nothing." if pd.isna(dropped) else f"what cannot be read makes {100 * dropped:+.1f} at most.")
)

# %% [markdown]
# ## (4) Is it the reward, and is it the pictures?
#
# Controls: a random reward, letters shuffled against the pictures, either view blanked. With a view blanked a policy
# must stay at chance, with a reward that says nothing where the base is (`reference`); one whose interval lies above
# has found a leak. Where it stays, *training found* no leak: look at the columns `answered`, for a policy that always
# gives one letter is at chance whatever the pictures hold. (`make ablations` runs the controls; shown is what is
# there.)

# %% [markdown] tags=["world-only"]
# The test for leaks is the supervised gate of section 1.

# %%
published = Path("../results") / profile / "runs"
there = [run.name for run in wanted if (published / run.name / "manifest.json").is_file()]
named = "Controls of this run:" if controls else "No control was run here. Shown are those of the published run:"
names = ", ".join(controls or there)
Markdown(f"{named} {names}." if names else "No control has been run yet: `make ablations` does it.")

# %%
if names:
    shown = frames["controls"] if controls else tables.controls(runner.predictions(published))
    display(tables.shown(shown).drop(columns="stands_for"))
    display(Markdown(findings.sentences({"controls": shown}).get("controls", "")))

# %% [markdown]
# The length reward, as the method describes it and as the released code computes it (where a wrong answer is paid for
# its length as if it were right), against each other. *Predict:* what does it do to a policy that is mostly wrong?

# %%
if controls and "reward_modes" in frames:
    modes = tables.shown(frames["reward_modes"]).set_index(["measure", "decoding"])
    display(modes[["training_seeds", "released", "paper", "difference", "smallest_effect", "verdict"]])
    display(Markdown(found.get("rewards", "")))

# %%
above = shown[shown.stays == "no"] if names else frames["table2"].head(0).assign(reference=0.0, reference_t1=0.0)
told = (above.accuracy_low > above.reference) | (above.accuracy_t1_low > above.reference_t1)
leaks, open_ones = above.system[told], above.system[~told]
mark = f"{100 * tables.CHANCE_MARGIN:.0f} points above its reference"
Markdown(
    "No control, no verdict." if not names
    else f"**A leak:** {', '.join(leaks)}. Until that is explained, section 1 proves nothing." if len(leaks)
    else f"None ends more than {mark}." if not len(open_ones)
    else f"An interval ends more than {mark} and contains the reference: {', '.join(open_ones)}. "
    "One run cannot tell luck from a small leak."
)  # fmt: skip

# %% [markdown]
# ## (5) Geolocation: nobody rewarded it
#
# ### The paper
#
# Table 1, percent of photographs within a distance. The claim to look for: pairing alone lifts *every* column over the
# base model.

# %%
table1 = paper.table1().drop(columns="group")
table1[table1.method.isin(["Qwen2.5-VL-7B", "GLOBE-7B", "Geo-R1"])]

# %% [markdown]
# ### Ours
#
# Country and city of a picture from the street, geocoded offline.

# %% [markdown] tags=["world-only"]
# *Predict:* the scaffold saw 16 cities in 13 countries, and cities of the base's own in many more; the test cities are
# others. What of an unseen country? And what of GRPO, which saw no country at all?
#
# > **What this section can find.** A gain in places needs words that say where a place is. Table 1 below has a reader
# > of the true words beside the constant guess: as far as it lies above, a policy that sees better could locate better.
# > One base, three seeds: whether the *reward* does it is what the registered experiments ask, from several bases and
# > against random labels; the end of section 6 has what came out there.

# %% [markdown]
# Two trivial baselines stand below: a random point on land, and the best constant guess (the one place, chosen on
# validation places, that serves the column best). A system that does not beat the constant has learnt nothing about
# *pictures*.

# %%
geolocation = frames["geolocation"].query("task == 'geolocation'").sort_values("countries", kind="stable")
strict = [name for name in geolocation if not name.startswith("first_")]
tables.shown(geolocation[strict]).drop(columns=["checkpoint", "task"]).set_index(["countries", "system"])

# %% [markdown]
# The columns are five points of a curve. The whole of it, all seeds pooled, beside guesses that look at nothing (one
# constant place here, the one with the least median error on validation places). A curve that ends below 100 % belongs
# to a system whose answers do not always name one place.

# %%
draw["distances"]()

# %% [markdown]
# These columns refuse an answer that names two places. The same answers by the *first* place that each names, beside
# the share that is well formed: is it the place that changed, or the form?

# %%
columns = ["system", "well_formed", "country_accuracy", "first_country_accuracy", "acc_2500km", "first_acc_2500km"]
columns += [f"{name}_{end}" for name in columns[1:] for end in ("low", "high")]
display(tables.shown(geolocation.query("countries == 'all' and stands_for != ''")[columns]).set_index("system"))
Markdown(found.get("countries", ""))

# %% tags=["world-only"]
parts = {f"within 750 km, {kind} countries": part for kind, part in geolocation.groupby("countries") if kind != "all"}
plots.intervals(parts, "acc_750km", label="street-level photos located")

# %% [markdown] tags=["world-only"]
# > **Synthetic, and in a circle:** the atlas draws the roofs and the hills, teaches the words for them, and scores the
# > answer. This is about reading the renderer's cues, never about photographs (notebook 06 takes the errors apart).
# >
# > Within 1 km the gazetteer's choice of a city's centre decides, not the model.

# %% [markdown] tags=["world-only"]
# The same question about an aerial tile, which no stage ever trained:

# %% tags=["world-only"]
aerial = tables.shown(frames["geolocation"].query("task == 'aerial' and countries == 'all'"))
aerial.drop(columns=["checkpoint", "task", "countries"]).set_index("system")

# %% [markdown]
# ### Table 1: what would labels have given?
#
# The paper sets Geo-R1 beside eight other systems. First its own numbers, percent of photographs of MP16-Reason-Test.

# %%
paper.table1().assign(contaminated=lambda rows: rows.method.map(contamination))

# %% [markdown]
# `contaminated`: has the system seen the test photographs, and how strong is the evidence (I: inferred, S: secondary)?

# %% [markdown] tags=["world-only"]
# Now a stand-in for each. Those that are no language models get frozen features of the base's vision tower and differ
# in one thing, how features become a place. All but `mini-base` and `mini-Zero` were trained on places or countries of
# photos, none of them of a test city (`mini-R1` by its scaffold, whose thoughts end in a place). `mini-InternVL` is
# another architecture with the base's decoder: its own vision tower learnt the base's visual tokens; then it was told
# the countries of photos of the base's cities, which the base never was (`georeplicate/mini/internvl.py`). What each of
# the others leaves out of the system that it stands for:

# %% tags=["world-only"]
pd.Series({name: kind.simplified for name, kind in STAND_INS.items()}, name="what it leaves out").to_frame()

# %% [markdown] tags=["world-only"]
# The heart of ISNs, in the library's own lines: a fine cell's probability times those of the cells around it.

# %% tags=["world-only"]
show(STAND_INS["ISNs"].scores)

# %% [markdown] tags=["world-only"]
# *Predict:* the base was told in text where the cities of its own split lie, and shown pictures of them, never both
# together. How much more do labelled photos give?

# %%
table1 = tables.shown(frames["table1"]).set_index("system")
table1[["stands_for", "training_seeds", "acc_25km", "acc_200km", "acc_750km", "acc_2500km", "median_km", "note"]]

# %%
draw["table1"]()

# %% [markdown] tags=["world-only"]
# > `reader of true words` is no system: it is told the words that are true of each place, and guesses by how often each
# > word occurs in each city (naive Bayes). A yardstick for these words, no bound.
#
# Each system minus the base, place by place:

# %%
against = tables.shown(frames["table1_against_base"]).set_index(["measure", "system"]).sort_index(kind="stable")
against[["trained_by", "value", "difference", "smallest_effect", "p_value", "p_holm", "verdict"]]

# %%
Markdown(found.get("table1", ""))

# %% [markdown]
# ## (6) Does anything else move?

# %% [markdown] tags=["world-only"]
# Country from a street-level photo and from a tile, the climate's group, the vegetation: right answers beside the
# commonest answer of the validation places (dashed). Climate and vegetation are forced choices in a form that no stage
# practised: where a share stands below the commonest answer, a change in it says little.

# %% tags=["world-only"]
draw["zero_shot"]()

# %% [markdown]
# The step itself: the same questions before and after GRPO, paired. The scaffold's seeds are followed one by
# one (`same_seeds`), the base has one checkpoint. *Predict:* the sign of each line, before you look.

# %%
changes = frames["changes"]
draw["changes"]()

# %%
changed = tables.shown(changes).set_index(["task", "measure", "before"])
changed[["before_value", "after_value", "difference", "smallest_effect", "p_value", "p_holm", "taught", "verdict"]]

# %%
elsewhere = changes[~changes.task.isin(["pairing", "thinking"])]
moved_tasks = elsewhere[elsewhere.verdict != "cannot tell"]
Markdown(
    f"> **Many lines, few facts.** Of {len(elsewhere)} comparisons outside pairing and thinking, {len(moved_tasks)} "
    f"have an interval on one side of zero; without any effect one would expect {0.05 * len(elsewhere):.1f}. After "
    f"adjustment for all {len(changes)} lines (Holm) {(moved_tasks.p_holm < 0.05).sum()} of them stay below 0.05. "
    + found.get("distance", "")
)

# %% [markdown] tags=["world-only"]
# From one base this table cannot say what the *reward* did: the training changes a policy also where its letters are
# random. What the reward adds to the same training with random labels was registered before it was run, from several
# bases (notebook 08):

# %% tags=["world-only"]
Markdown(gains.read_headline(files.RESULTS / "geographic" / "tables"))

# %% [markdown] tags=["world-only"]
# ## (7) Is the thinking true?
#
# The reward reads one letter. What is written before it is free, so three questions about it, from counts in
# `predictions.csv`: are the described words true of the picture spoken of? Does each `match` or `other` follow from the
# words before it? Is the answer the last letter called `match`?
#
# *Predict:* which of the three does the letter's reward protect, and which may rot?

# %% tags=["world-only"]
draw["faithfulness"]()

# %% tags=["world-only"]
greedy = frames["faithfulness"].query("decoding == 'greedy'")
tables.shown(greedy).drop(columns=["checkpoint", "decoding"]).set_index("system")

# %% [markdown] tags=["world-only"]
# A policy that stops saying the words it gets wrong looks more truthful without seeing better. So the same words at the
# base's mix of view and attribute, beside the raw share:

# %% tags=["world-only"]
if "words" in frames:
    words = tables.shown(frames["words"].query("decoding == 'greedy'")).set_index("system")
    display(words[["words_true", "standardised", "base_standardised", "difference", "smallest_effect", "covered"]])
Markdown(found.get("words", "The base said too few words to standardise by."))

# %% [markdown] tags=["world-only"]
# And the thoughts about *places*: which of their words vary at all from picture to picture, and are those truer than
# the best constant word?

# %% tags=["world-only"]
if "what_varies" in frames:
    varies = tables.shown(frames["what_varies"]).set_index(["system", "attribute"])
    display(varies[["answers_saying", "commonest", "commonest_share", "true", "commonest_true", "above_constant"]])
Markdown(found.get("varies", "No system thinks about places here."))

# %% [markdown] tags=["world-only"]
# An answer that is right for the wrong words: the most false words among the right answers of the last system.

# %% tags=["world-only"]
rows = answers[(answers.run == runs[-1].name) & (answers.task == "pairing") & (answers.decoding == "greedy")]
lucky = rows[rows.choice == rows.truth].assign(false=rows.words - rows.words_true).sort_values("false", ascending=False)
lucky[["id", "truth", "words", "false", "text"]].head(2)

# %% [markdown]
# ## On paper

# %%
there = ["zones", "countries", "cues", "failures", "transfer", "verdicts"]  # of notebooks 06 and 07
there += ["sft_curve", "grpo_curves"]  # of 02 and 04
for name in (name for name in made if name not in there):
    write.table(name, *made[name], Path(out) / "tables", of=answers)
for name in (name for name in draw if name not in there and not name.startswith("map_")):
    plots.save(draw[name], Path(out) / "figures" / name)
print(*(path.name for path in sorted(Path(out).glob("*/*.csv"))))

# %% [markdown]
# ## Answer

# %%
value = four.set_index("stands_for")
learnt = changes[(changes.task == "pairing") & (changes.before == value.system[tables.BASE])].iloc[0]
changes[changes.task != "pairing"].verdict.value_counts().to_frame("comparisons beside pairing")

# %%
above = learnt.low > 0 and value.accuracy_low[tables.ZERO] > chance
kind = "synthetic " if tables.is_synthetic(answers) else ""
Markdown(write.remark(answers) or
    ("**GRPO on the letter raises it here.** " if above else "**GRPO on the letter did not raise it here.** ")
    + f"On {value.n[tables.ZERO]} {kind}questions (chance {chance:.0%}) GRPO from the base goes from "
    f"{learnt.before_value:.1%} to {learnt.after_value:.1%} (change [{100 * learnt.low:+.1f}, "
    f"{100 * learnt.high:+.1f}] points, "
    f"{value.training_seeds[tables.ZERO]} seed(s)); with the scaffold to {value.accuracy[tables.R1]:.1%}.\n\n"
    + " ".join(found[topic] for topic in ("decomposition", "orderings", "countries") if topic in found) + "\n\n"
    + findings.elsewhere(frames) + (kind and " All synthetic.")
)  # fmt: skip

# %% [markdown]
# *Try:* `tables.difference(..., same_seeds=False)` for the scaffold's seeds (what does pairing by seed buy?), a `<` for
# the `<=` of `geo.threshold_accuracy`, or `tables.table2(answers[answers.training_seed == 0])`: one seed, as most
# papers report it.
