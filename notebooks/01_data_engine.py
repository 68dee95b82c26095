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
# # 01 · How does a coordinate become training data that nobody had to label?
#
# The paper's supervision is indirect. A photograph's position and time are known: from these metadata a teacher writes
# the chain of thought for the first stage, and *whether a panorama and an aerial tile belong together* is the reward of
# the second. This notebook follows one place from its coordinate to both.
#
# | | |
# |---|---|
# | **You will see** | facts of a place; a scene and its views; a chain of thought and its check; the question |
# | **Needs** | nothing but this repository: no network, no GPU, about a minute |
# | **Writes** | `tables/splits.csv`, `tables/records.csv`, `figures/splits.png` and `figures/question.png` |
#
# > **Synthetic pictures.** The metadata here are real (land cover, climate, relief, sun, countries, places). The
# > pictures are *renderings* of them: no photograph is shown, and nothing measured on them is about photographs.

# %% tags=["parameters", "world-only"]
profile = "mini"
out = "../.georeplicate/mini"
# artefacts: tables/splits.csv tables/records.csv figures/splits.png figures/question.png

# %%
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from georeplicate import atlas, engine, pairs, world
from georeplicate.profiles import Profile
from georeplicate.report import diagram, illustrations, maps, plots

size = Profile.get(profile)
tables, figures = Path(out) / "tables", Path(out) / "figures"
pd.options.display.max_colwidth = None
size

# %%
diagram.loop("pairs", "data engine")

# %% [markdown]
# ## (1) A coordinate and a moment
#
# The data of the paper come from CV-Cities: street panoramas with GPS positions in 16 cities. We take a real place and
# a real moment and ask the atlas what is true there and then.

# %%
facts = atlas.describe(41.4036, 2.1744, "2024-06-21T16:00:00+02:00")
pd.Series({name: getattr(facts, name) for name in facts.__dataclass_fields__}, name="Barcelona").to_frame()

# %% [markdown]
# Every number can be checked on a map or in an almanac. The sun, for instance, climbs and turns through the day:

# %%
hours = [f"2024-06-21T{h:02d}:00:00+02:00" for h in range(7, 22, 2)]
day = atlas.describe([41.4036] * len(hours), [2.1744] * len(hours), hours)
pd.DataFrame(
    {"moment": hours, "sun azimuth °": day.sun_azimuth_deg.round(), "sun elevation °": day.sun_elevation_deg.round()}
)

# %% [markdown]
# Bad input is refused with a sentence that says what to do. In arrays, bad rows are masked and the rest is answered.

# %%
for lat, lon in [(91, 0), (120.98, 14.6), (float("nan"), 0)]:
    try:
        atlas.describe(lat, lon, "2024-06-21T12:00:00Z")
    except ValueError as error:
        print(error)
atlas.describe([41.4, 91.0], [2.17, 0.0], "2024-06-21T12:00:00Z").valid

# %% [markdown]
# ## (2) Places, split by place
#
# Sites lie around real cities. The 16 cities of CV-Cities train; validation and test cities are others, at least
# 50 km away. Countries of the 16 cities are called *seen*. In the held-out splits no country has more than 3 % of the
# cities; of the 16 training cities three lie in the United States (19 %), which is how CV-Cities was chosen.

# %%
cities = world.cities()
cities.groupby(["split", "seen_country"]).agg(cities=("city", "size"), countries=("country", "nunique"))

# %%
maps.splits(cities)

# %%
sites = world.sites("train", per_region=4)
columns = ["id", "lat", "lon", "taken_at", "land_cover", "climate", "temperature_c", "script", "driving_side"]
sites[columns].head(6)

# %% [markdown]
# ## (3) One scene
#
# The facts of a site choose what stands there. Climate and month make vegetation, soil and crops likely, the region
# roofs; the country has its road paint and the side one drives on; latitude and month say where the sun stands at noon.
# Fourteen such *cues* are drawn once, from the seed and where the site lies (some are the same in the whole city,
# others change over a few kilometres), and everything that follows is a view of this one scene.

# %%
site = sites[sites.id == "jp/tokyo/00003"].iloc[0]
scene = world.build(site)
scene.cues

# %%
plots.views(scene, f"{site.area}, {site.taken_at}")

# %% [markdown]
# Both views show the same cues, and are otherwise unlike: the cameras have other hours, palettes and haze, so that
# colours alone tell little of which tile belongs to a panorama. No flag, no name board: nothing spells out where this
# is. Other places look otherwise:

# %%
names = ["Cape Town, ZA", "Manila, PH", "Mexico City, MX", "London, GB", "Santiago, CL", "Taipei, TW"]
others = [sites[sites.area == name].iloc[1] for name in names]
plots.gallery([world.build(o) for o in others], names)

# %% [markdown]
# ## (4) A chain of thought, and its check
#
# > Paper (through secondary notes): one reasoning template, from visual cues over cross-view evidence and geographic
# > knowledge to a conclusion; a *fact-check engine* compares what is claimed with the metadata and filters.
#
# The official repository holds neither. Ours is a grammar over what the metadata say; any OpenAI-compatible server or a
# local model can take its place. First the grammar's text about the place above. It has looked at no
# picture, and marks what it knows from the atlas alone. (The mini model reads no English: its thoughts, in notebook 02,
# are in words of its own.)

# %%
here = atlas.describe(site.lat, site.lon, site.taken_at)
thought = engine.Template(unseen=True).write(here, rng=np.random.default_rng(0), city=site.city)
print(thought)

# %% [markdown]
# The check reads every claim out of the text and compares it with the atlas. It knows nothing of the grammar: it reads
# what any teacher writes.

# %%
claims = engine.check(thought, here, city=site.city).claims
pd.DataFrame([{"kind": c.kind, "words": c.quote, "value": c.value, "true": c.true} for c in claims])

# %% [markdown]
# A text with a false claim is rejected, and the claim is named.

# %%
wrong = "Traffic keeps to the right and the sun stands in the north at noon, so this must be Osaka, Japan."
[str(claim) for claim in engine.check(wrong, here, city=site.city).false]

# %% [markdown]
# How good is the check? All but exact on its own grammar with one fact replaced. On sentences worded otherwise the
# honest row is `late`: it was written after the patterns and not read while they were made.

# %%
checked = pd.read_csv("../results/bench/engine.csv")
checked = checked[checked.what.str.contains("precision|recall")].set_index("what").value
checked.rename(lambda what: what.removeprefix("fact check, ")).to_frame()

# %% [markdown]
# The engine turns rows of metadata into records, accepted and rejected, with a data card. Two bad rows are planted
# here: a receiver that had no position (0, 0), and a Paris that says it lies in Germany.

# %%
metadata = sites[["id", "lat", "lon", "taken_at", "city", "country"]].head(40)
lost = ("lost", 0.0, 0.0, "2024-06-21T12:00:00Z", "Lagos", "NG")
mistaken = ("mistaken", 48.8566, 2.3522, "2024-06-21T12:00:00Z", "Paris", "DE")
planted = pd.DataFrame([lost, mistaken], columns=metadata.columns)
shutil.rmtree(Path(out) / "records", ignore_errors=True)  # the engine goes on with what it finds; here it starts anew
folder = engine.build(pd.concat([metadata, planted]).to_dict("records"), Path(out) / "records", engine.Template())
engine.load(folder, "rejected").to_pandas()[["id", "reason", "claim"]]

# %%
records = engine.load(folder).to_pandas()
print(records.completion.iloc[-1])
records[["id", "teacher", "country"]].groupby("country").size().rename("accepted records").to_frame().T

# %% [markdown]
# ### The same on a real photograph
#
# A street-level photo (from the test images of the npm package `exif`, MIT) knows where and when it was taken. The same
# calls, from its EXIF data alone: nothing was looked at to write this.

# %%
picture = "../tests/data/found/photos/test1.jpg"
lat, lon, taken_at = pairs.photos.read_exif(picture)
print(engine.Template(unseen=True).write(atlas.describe(lat, lon, taken_at), rng=np.random.default_rng(1)))
Image.open(picture)

# %% [markdown]
# ## (5) The question
#
# A panorama and five tiles: one of the same place, four *hard negatives* from the same city, never the same
# place. Letters are bound to tiles by their order and shuffled for every question. The paper does not publish the
# number of candidates; five is our reading of its base model's 19.0 %, called nearly random.
#
# First at a size for people (can you tell?), then as the mini model sees it.

# %%
large = dict(panorama_height=192, tile_size=256, difficulty=plots.FOR_PEOPLE)
rows = pairs.load("world", "test", per_region=6, regions=12, **large)
questions = pairs.questions(rows, k=size.k, negatives=size.negatives, seed=0)
plots.question(pairs.images(rows, questions[7]), title=f"{questions[7]['id']}: which tile shows this place?")

# %%
print("the answer:", questions[7]["letter"])
pd.DataFrame({"letter": list("ABCDE"), "site": questions[7]["candidate_ids"], "km away": questions[7]["distances_km"]})

# %%
illustrations.question(size)

# %% [markdown]
# The reward needs nothing else: the right letter follows from the position alone.

# %%
letters = pd.Series(questions["letter"][:], name="right letter").value_counts().sort_index()
letters.to_frame().T

# %% [markdown]
# ## Is it fair?
#
# A matcher that is *told* which pairs belong together learns the world quickly; with either side blanked it falls to
# chance (20 %). So the answer is in the pictures, in both of them, and nowhere else. (Measured by `make bench`; read
# here from its file.)
#
# Beside it a comparison of colour histograms, which learns nothing, and a reader that is told the true words of a place
# and guesses where it is, against the best guess that looks at nothing. (Of validation places.)

# %%
gate = pd.read_csv("../results/bench/world_gate.csv").query("world == 'geographic'")
gate = gate[gate.dial.str.contains("matcher|true words")]
gate.set_index(["dial", "control"])[["accuracy", "n", "reference", "bound", "passed"]]

# %%
tables.mkdir(parents=True, exist_ok=True), figures.mkdir(parents=True, exist_ok=True)
cities.groupby(["split", "seen_country"], as_index=False).size().to_csv(tables / "splits.csv", index=False)
records[["id", "lat", "lon", "taken_at", "country", "completion"]].to_csv(tables / "records.csv", index=False)
plots.save(maps.splits(cities), figures / "splits")
plots.save(illustrations.question(size), figures / "question")

# %% [markdown]
# ## Answer
#
# By way of its facts. Position and moment fix land cover, climate, sun and country; a teacher turns these into a chain
# of thought, which a check compares with the same facts; and they fix one scene, which gives a panorama and a tile,
# with four neighbours as wrong answers. What is true and which letter is right is known because the position is known.
# Nobody labelled anything.
#
# *Try:* `world.Difficulty(gap=0.0)` in `plots.views` (two cameras alike), or `negatives="random"` in `pairs.questions`.
