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
# # 08 · What does the reward add, and does it teach geography?
#
# Table 2 is one base and four systems: it cannot say whether a change came from the *reward* or from any training at
# all. The experiments here ask that, from several bases and against the same training with random labels. They were
# **registered**: what they ask and what was predicted stood in a committed file before any of their arms was trained or
# evaluated on test places.
#
# | | |
# |---|---|
# | **You will see** | the world's cues; what was predicted; what each arm reached; the verdicts; what is spoken of |
# | **Needs** | the committed answers in `results/geographic` (`make reproduce PROFILE=geographic` made them) |
# | **Writes** | nothing |
#
# > **Synthetic throughout.** Real metadata, drawn pictures, policies of two million parameters. Nothing here is about
# > photographs.

# %% tags=["parameters", "world-only"]
profile = "mini"
out = "../.georeplicate/mini"

# %%
import pandas as pd
from IPython.display import Markdown, display

from georeplicate import files, paper, world
from georeplicate.mini import swaps
from georeplicate.profiles import Profile
from georeplicate.report import arms, causes, diagram, gains, pairing_gain, pairing_reach, plots, source, tables
from georeplicate.runs import arms as experiment

size, results = Profile.get("geographic"), files.RESULTS / "geographic"
cues_of_a_city = arms.SHARED
size

# %% [markdown]
# The same loop as everywhere, from other bases and for longer. What changes from arm to arm is what GRPO is shown:

# %%
diagram.loop("GRPO")

# %% [markdown]
# ## (1) What is claimed
#
# The paper's claims, as far as they could be read (notebook 07 says what was), about what the pairing reward does for
# questions it does not ask, and about wrong tiles of one neighbourhood:

# %%
about = [one for one in paper.CLAIMS if one.id.startswith(("transfer", "theory"))]
claims = [{"claim": one.statement, "source": one.source, "strength": one.strength} for one in about]
Markdown(paper.markdown(pd.DataFrame(claims)))

# %% [markdown]
# ## (2) A world in which it could happen
#
# (An earlier world of this project had hardly any cue of where a place is, so that no reward could have taught it;
# `results/first_world` has its tables.) Fourteen cues, drawn from facts about a place: vegetation, soil and crops from
# climate and month, roofs from the region, road paint from the country, the noon sun from latitude and month, and so
# on. A place of the validation split, as a person would like to see it:

# %%
site = world.sites("validation", 1).iloc[0]
scene = world.build(site)
plots.views(scene, f"{site.city}, {site.country}")

# %%
Markdown(" ".join(f"`{word}`" for word in world.words_of(scene)))

# %% [markdown]
# Some cues are the same at all places of a city. There they cancel: if all five candidates have them, a true word about
# them decides nothing, and no reward holds it in place. How much of what the cues say about a region is in such ones?
#
# *Predict:* from which wrong tiles would you learn more geography, neighbours or strangers?

# %%
cues = pd.read_csv(files.RESULTS / "bench" / "world_cues.csv").query("split == 'validation'")
cues = cues.sort_values("differs_same_city")
shown = ["cue", "differs_same_city", "differs_any_cities", "bits_region", "bits_climate_group"]
display(cues[shown].round(2))
kinds = cues.cue.isin(cues_of_a_city).map({True: "the same in a city", False: "differs within a city"})
cues.groupby(kinds)[["bits_region", "bits_climate_group"]].sum().round(2)  # an upper bound: cues overlap

# %% [markdown]
# Before any policy was trained, this world had to pass tests of its own, on validation places: that true words locate a
# place, that colours alone do not pair, that either side is needed. Those that it does not pass stay in the list.

# %%
gates = pd.read_csv(files.RESULTS / "bench" / "world_gate.csv").query(
    "bound == bound and not dial.str.startswith('time')", engine="python"
)
gates[["dial", "control", "accuracy", "reference", "bound", "passed"]].round(3)

# %% [markdown]
# ## (3) What was registered
#
# Every arm is the profile above with one thing changed, from each of several bases that know nothing of each other:

# %%
records = experiment.all_registered()
record = records["negatives"]
registered = pd.DataFrame(record["arms"])
Markdown(paper.markdown(registered[["name", "what", "start"]]))

# %% [markdown]
# The question that each pair of arms answers, and the predictions:

# %%
Markdown(arms.contrasts(record))

# %%
endpoints = pd.DataFrame(record["endpoints"])
Markdown(paper.markdown(endpoints.assign(primary=endpoints.primary.map({True: "yes", False: ""}))))

# %%
Markdown("\n\n".join([record["power"], "Left out: " + "; ".join(record["left_out"]) + "."]))

# %% [markdown]
# The rule by which a difference becomes a verdict, as the library has it:

# %%
source.show(arms.decide)

# %% [markdown]
# ## (4) What each arm reached
#
# The arms of later experiments, those of sections (7) to (12), are drawn with the first's:

# %%
answers = arms.read(results / "runs", records)
measured = arms.samples(answers)
levels = arms.levels(answers, measured)
arms.figure(levels)

# %%
arms.by_arm(levels)

# %% [markdown]
# ## (5) What they speak of
#
# Nobody tells a policy which cues to name while it compares. Shares of all words in its greedy pairing answers, by
# attribute; the reward pays for words that tell candidates apart:

# %%
arms.said(answers).round(3)

# %% [markdown]
# ## (6) The verdicts
#
# Differences between arms, base by base, in points, with 95 % intervals; `cannot tell` comes with the smallest
# difference that would have been detected in four of five such experiments.

# %%
every = arms.all_verdicts(answers, measured, records)
judged = every[every.experiment == "negatives"]
Markdown(paper.markdown(arms.for_readers(judged)))

# %% [markdown]
# *Wrong, or left out?* A word that is not said counts as one that is not right, and so does a place that is not named.
# What a policy says of a picture under another prompt than the rewarded one can lose its form and not its eyes:

# %%
Markdown(arms.parts(judged))

# %% [markdown]
# ## (7) A second registration: other prompts are replayed
#
# Much of what the arms lost is form: words and places that they no longer name under prompts which no reward is about.
# Each base loses another share of it, so bases end far apart, and little can be detected. The second experiment,
# planned when the first one's outcome was known, replays the base's own records of those prompts beside GRPO, in its
# arms alike: what is left between a reward on pairing and random labels is what the reward does. A fourth arm
# is rewarded for the place itself: what labels would give.
#
# > **Replay is supervision.** Its records have true labels, captions under the very prompt of the endpoint `words`
# > among them. So it teaches words and places in every arm that has it, whatever is rewarded, and would close a
# > difference in words that the reward opens: "no difference" says that the reward adds nothing *to that*.

# %%
second = records["replay"]
Markdown(paper.markdown(pd.DataFrame(second["arms"])[["name", "what", "start", "reward"]]))

# %%
Markdown(arms.contrasts(second))

# %%
Markdown("\n\n".join([second["power"], "Left out: " + "; ".join(second["left_out"]) + "."]))

# %% [markdown]
# *Predict:* with the form held, does the reward leave its mark on words, on places, on neither?

# %%
kept = every[every.experiment == "replay"]
Markdown(paper.markdown(arms.for_readers(kept)))

# %%
Markdown(arms.parts(kept))

# %% [markdown]
# *Seeing, or choosing?* A gain in pairing has parts. A policy may answer as its own words say (the rule), name what
# tells tiles apart (selection), or name it more truly (perception). Every policy has put every test picture into words,
# alone, so a question can be answered anew from one policy's words about what another one names; the parts add up.
#
# *Predict:* which part is the largest?

# %%
source.show(pairing_gain.from_words.letters)

# %%
words_said = pairing_gain.from_words.said(answers)
of_the_gain = pairing_gain.decompose(answers, words_said, gains.OF_THE_REWARD)
Markdown(paper.markdown(pairing_gain.for_readers(of_the_gain)))

# %% [markdown]
# *What would its words allow?* Of the words that a policy has for each picture alone, a search names one to three and
# wants all of them to agree. Other ways to put the same words together: the three attributes that pair best, or all
# fourteen, each weighed by what agreement in it says (set in half of the cities, counted in the other half).
#
# *Predict:* how many right letters are there in the words, beside those that are answered?

# %%
reach = pairing_reach.reach(answers, words_said, measured)
Markdown(paper.markdown(pairing_reach.for_readers(reach)))

# %%
Markdown(pairing_reach.sentence(reach, "region-replay"))

# %% [markdown]
# *The same, of the words themselves.* Where more is true of what a policy says while it pairs, it may see better, or
# have stopped saying what it gets wrong: at the other arm's mix of views and attributes, what is left is seeing. Nobody
# predicted anything of it, so it is a lead:

# %%
arms.while_pairing(answers, records).drop(columns="benchmark").round(3)

# %% [markdown]
# ## (8) A third: the vision tower learns as well
#
# So far the tower was frozen, so that a reward could teach a policy what to say and not what to see. The release trains
# it. Here it is trained in an arm that is rewarded where cues of a region pay, and in one whose letters are sampled at
# random; the same records are replayed beside both.

# %%
third = records["tower"]
Markdown(arms.contrasts(third))

# %%
Markdown(third["power"])

# %% [markdown]
# *Predict:* frozen, the reward left words and places as they were. What changes when eyes can change?

# %%
seeing = every[every.experiment == "tower"]
Markdown(paper.markdown(arms.for_readers(seeing)))

# %% [markdown]
# ## (9) A fourth: the scaffold first, as in Geo-R1
#
# All arms above are Zero: GRPO from a base. Geo-R1 is GRPO after SFT on thoughts that go from what is seen to the
# place. The paper's Table 2, pairing accuracy in percent, as published:

# %%
Markdown(paper.markdown(paper.table2()))

# %% [markdown]
# The arms that stand for these systems here, each from three bases. Every base was taught the answering rule beforehand
# (without it GRPO found no reward, arm `plain`), and GRPO has replay beside it, so this is not the paper's Table 2 made
# again.

# %%
tables.shown(arms.table2(levels)).drop(columns=["benchmark"])

# %% [markdown]
# Whether these policies can be moved at all: training with labels of places.

# %%
Markdown(gains.positive_controls(every))

# %% [markdown]
# *A table without its control.* Compare the first row with that of Geo-R1, and then with the row below it:

# %%
Markdown(arms.without_control(levels))

# %%
fourth = records["scaffold"]
Markdown(arms.contrasts(fourth))

# %%
scaffolded = every[every.experiment == "scaffold"]
Markdown(paper.markdown(arms.for_readers(scaffolded)))

# %% [markdown]
# ## (10) A fifth: pairs of 325 cities
#
# Sixteen cities are few to learn cues of regions from. Here GRPO sees pairs of 325 cities, those that the bases were
# trained on, at other places: with wrong tiles from anywhere, where cues of a region pay most, and with graded ones,
# from a neighbour to a stranger.

# %%
fifth = records["cities"]
Markdown(arms.contrasts(fifth))

# %%
Markdown(fifth["power"])

# %% [markdown]
# *Predict:* a simulator of words had its largest gain here. After the sections before, what would you bet on?

# %%
many = every[every.experiment == "cities"]
Markdown(paper.markdown(arms.for_readers(many)))

# %% [markdown]
# ## (11) A sixth: as the paper trains
#
# Wrong tiles of one neighbourhood *and* a tower that learns, as in the release. The control that was registered with it
# comes from bases of another processor, so a control of its own was registered before either was trained.

# %%
Markdown(arms.contrasts(records["neighbours"]))

# %%
Markdown(arms.contrasts(records["again"]))

# %%
near = every[every.experiment.isin(("neighbours", "again"))]
Markdown(paper.markdown(arms.for_readers(near)))

# %% [markdown]
# ## (12) A seventh: bases of a longer curriculum
#
# Pairing rises far less in the sections before than in the paper. One reason may be the bases' words, many of which are
# wrong (though in section (7) as much is lost by how words are put together). Do bases whose words are truer leave the
# reward more to find? These were taught to see for four times as long, on half as many places again, and to compare
# single words for twice as many steps, so that a difference to the earlier ones is not of seeing alone. (Base 0 of
# these, with the answering rule, is `mini-base`.)

# %%
ready = records["ready"]
Markdown(arms.contrasts(ready))

# %%
Markdown(ready["power"])

# %% [markdown]
# (By the table of section (7) there was more room than this text thought when it was registered.)
#
# *Predict:* pairing has more room now. Does geography come along?

# %%
better = every[every.experiment == "ready"]
Markdown(paper.markdown(arms.for_readers(better)))

# %%
Markdown(pairing_reach.sentence(reach, "longer-region"))

# %% [markdown]
# ## (13) What does a verdict follow from?
#
# Not registered, on validation places. An answer is cut before its verdict on a tile, and the verdict is drawn anew:
# behind the words as they were, behind words that are made to say the opposite, and behind the same words with the
# pictures of another question. The same for a place, behind one flipped word and before another photo.
#
# *Predict:* which of the two does a verdict listen to, words or pictures?

# %%
source.show(swaps.of_verdicts)

# %%
follows = causes.table(*causes.read())
Markdown(paper.markdown(causes.for_readers(follows)))

# %%
Markdown(causes.sentences(follows))

# %% [markdown]
# ## (14) What does this say about the paper's argument?
#
# The paper takes wrong tiles of one neighbourhood, so that no shortcut tells them apart, and calls what is left
# geographic reasoning.

# %%
Markdown(gains.cancels(every))

# %% [markdown]
# ## Answer

# %%
Markdown(f"{gains.headline(every, gains.pooled(answers, measured))}\n\n{arms.outcomes(every, records)}")
