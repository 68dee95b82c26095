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
# # 07 · Which of the paper's claims hold here?
#
# The notebooks before this one measured. This one concludes, claim by claim, by rules that were written down beside the
# claims and not chosen after a look at the outcome.
#
# | | |
# |---|---|
# | **You will see** | what was read; each claim's verdict and its limits; what could turn it; what would settle it |
# | **Needs** | the runs of notebook 04 (trained here if they are missing); no network, no GPU, a minute |
# | **Writes** | tables (CSV, Markdown, LaTeX), by the names in the next cell |
#
# > Lines set like this one are ours. **Synthetic throughout:** what is measured is of mini models on `world-geographic
# > (synthetic)`. A verdict says how the method behaves there. None says what happens on photographs, and none is about
# > the authors' own models, which we did not run.

# %% tags=["parameters"]
profile = "mini"
out = "../.georeplicate/mini"
seeds = 3
# artefacts: tables/verdicts.csv tables/transfer.csv

# %%
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

from georeplicate import files, manifest, paper
from georeplicate.profiles import Profile
from georeplicate.report import diagram, findings, tables, verdicts, write
from georeplicate.runs import plan, runner, spec

size = Profile.get(profile)

# %%
diagram.loop("tables")

# %% [markdown]
# ## (1) What was read
#
# **The paper's full text was not.** Everything below rests on these sources; a statement is as strong as its source:

# %%
Markdown(paper.markdown(paper.readings()))

# %%
entries = [*paper.SETTINGS, *paper.CLAIMS, *(p for c in paper.CONFLICTS for p in c.positions)]
counts = pd.Series([entry.strength for entry in entries]).value_counts()
table = pd.DataFrame({"strength": list(paper.STRENGTHS), "means": list(paper.STRENGTHS.values())})
table["settings, claims and positions that rest on it"] = table.strength.map(counts).fillna(0).astype(int)
Markdown(paper.markdown(table))

# %% [markdown]
# ## (2) Claim by claim
#
# From the predictions of the runs of Table 2, and of the controls as far as they were run.

# %%
runs = spec.table2_runs(size.seeds[:seeds], size)
others = spec.table1_runs(size.seeds[:seeds], size)  # GLOBE's stand-in is one side of a claim
folders = runner.shown([*runs, *others], profile, out)
wanted = spec.ablation_runs(size.seeds[:seeds], size)
controls = runner.finished(wanted, profile, out)
answers = runner.predictions(Path(out) / "runs").query("run in @folders or run in @controls")

# %%
made = write.made_tables(answers, write.guesses(answers, Path(out) / "runs"))
frames = {name: frame for name, (frame, _) in made.items()}
published = files.RESULTS / profile / "runs"
borrowed = not controls and any((published / run.name / manifest.NAME).is_file() for run in wanted)
if borrowed:
    frames["controls"] = tables.controls(runner.predictions(published))
found = verdicts.verdicts(frames, chance=1 / size.k)
Markdown("Controls: " + ("of this run." if controls else "of the published run." if borrowed else "none was run."))

# %% [markdown]
# *Predict:* ten claims. How many hold in the paper's own tables? How many can be tested here at all?
#
# Each claim, where it stands, and what was measured for it (95 % intervals; `n` questions or places a seed):

# %%
claims = verdicts.read(found)
Markdown(paper.markdown(claims[["claim", "source", "in the paper's own table", verdicts.measured_here(found)]]))

# %% [markdown]
# The rule of each, whether a prediction was registered before the runs, and the verdict. *Cannot tell* comes with the
# smallest true effect that these seeds and questions would have detected with 80 % power; *not testable here* with the
# deviation that prevents the test.

# %%
Markdown(paper.markdown(claims[["claim", "it holds if", "registered prediction", "verdict"]]))

# %% [markdown]
# What none of these verdicts can say, whatever they are, and what would:

# %%
Markdown(paper.markdown(claims[["claim", "what it cannot say", "what would settle it"]]))

# %% [markdown]
# *How firm is a verdict?* The same rules on the tables of the published run, trained elsewhere: where do they disagree?

# %%
committed = files.RESULTS / profile / "tables"
if (committed / "verdicts.csv").is_file():
    differing = verdicts.beside(found, findings.read(committed)["verdicts"])
    display(Markdown(verdicts.stability(differing, len(found))), Markdown(paper.markdown(differing)))
else:
    display(Markdown("No published run to compare with."))

# %% [markdown]
# "At every distance" is five differences, not one. Places by the first one that an answer names, after minus before:

# %%
if "transfer" in frames:
    distances = tables.shown(frames["transfer"]).set_index(["before", "after", "km"])
    display(distances[["before_value", "after_value", "difference", "smallest_effect", "p_holm", "verdict"]])

# %% [markdown] tags=["world-only"]
# These are one base's. The experiments of notebook 08 ask the same of several bases, each arm against the same training
# with random labels, and were registered before they were run (synthetic as well):

# %% tags=["world-only"]
Markdown((files.RESULTS / "geographic" / "tables" / "claims.md").read_text())

# %% [markdown]
# ## (3) What could turn a verdict
#
# Where we depart from the paper, those first that prevent a test, then those that could turn most verdicts round.
#
# *Predict:* which is heavier, the size of the model or the world it looks at?

# %%
heavy, here = paper.deviations_by_weight(), tables.is_synthetic(answers)
heavy = heavy[here | ~heavy.mini_only]  # on photographs those that concern them
heavy = heavy[(heavy.prevents.str.len() > 0) | (heavy.could_flip.str.len() > 0)]
Markdown(paper.markdown(heavy[["id", "paper", "ours", "expected_effect", "prevents", "could_flip"]]))

# %%
light = [d.id for d in paper.DEVIATIONS if not (d.prevents or d.could_flip) and (here or not d.mini_only)]
Markdown(f"The other {len(light)} ({', '.join(light)}) turn no verdict.")

# %% [markdown]
# ## (4) Are the paper's numbers possible?
#
# A percentage of `n` questions is a whole number of them, rounded. Not every percentage is one.

# %%
Markdown(verdicts.rounding_sentences())

# %% [markdown]
# > That a number is possible is no evidence that it was measured. It only finds a slip of the pen.
#
# ## (5) What we conclude about Table 1, and nobody states
#
# **Inferences, not facts:** what speaks for each, and what would refute it.

# %%
inferred = paper.inferences()
inferred = inferred[inferred.id.str.startswith("table1")]
Markdown(paper.markdown(inferred[["statement", "evidence", "would_refute", "strength"]]))

# %% [markdown]
# ## (6) What was easy, what was hard, what we would ask the authors

# %%
Markdown(paper.markdown(paper.experiences()))

# %%
Markdown(paper.markdown(paper.questions()))

# %% [markdown]
# ## (7) Three experiments that would change our mind
#
# The costs are computed: from the seconds that one seed took, and, for the paper's size, from arithmetic that nothing
# here has measured (`georeplicate plan --profile paper`).

# %%
homes = [published, Path(out) / "runs"]
ours = [run.name for run in runs if run.seed == size.seeds[0] and run.name != "base"]
home = next(home for home in homes if all((home / name / manifest.NAME).is_file() for name in ours))
seconds = sum(manifest.read(home / name)["wall_seconds"] for name in ours)
gpu_hours = plan.plan(Profile.get("paper"), gpus=8, gpu_gb=80.0)["table2"]["gpu_hours"]
Markdown(paper.markdown(verdicts.experiments(frames, seconds, gpu_hours)))

# %% [markdown]
# ## On paper

# %%
made["verdicts"] = (found, write.VERDICTS)
for name in ("verdicts", "transfer"):
    write.table(name, *made[name], Path(out) / "tables", of=answers)

# %% [markdown]
# ## Answer

# %%
Markdown(verdicts.sentences(found))

# %% [markdown]
# *Try:* a stricter rule, such as `paper.NEARLY_POINTS = 2` before section 2, or
# `verdicts.verdicts(frames, {"pairing.rl": "what you predicted"})`: what would you have registered?
