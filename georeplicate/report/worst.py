"""The worst answers of one run of the mini world, with their pictures: where they were located, and how they paired."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from georeplicate import atlas, pairs, world
from georeplicate.evaluation import faithfulness
from georeplicate.mini import inputs, wording
from georeplicate.profiles import Profile
from georeplicate.report import plots


def places(answers: pd.DataFrame, most: int = 5) -> pd.DataFrame:
    """The farthest answers of one run, one a country; answers without a place have no distance and are left out."""
    found = answers[answers.task == "geolocation"].dropna(subset="error_km")
    return found.sort_values(["error_km", "id"], ascending=[False, True]).drop_duplicates("truth").head(most)


def gallery(rows: pd.DataFrame, profile: Profile) -> Figure:
    """The pictures of `places`: above for people, below as small, and as noisy, as the model sees them."""
    sites = inputs.sites(profile, "test").set_index("id", drop=False)
    figure = plots.new_figure(figsize=(12, 6), layout="constrained")
    for number, row in enumerate(rows.itertuples(), 1):
        scene = world.build(sites.loc[row.id])
        named = atlas.country_name(row.choice) if row.choice else "no country"
        large = figure.add_subplot(2, len(rows), number)
        small = figure.add_subplot(2, len(rows), len(rows) + number)
        large.imshow(world.crop(scene, 256, difficulty=plots.FOR_PEOPLE))
        small.imshow(world.crop(scene, profile.crop_px), interpolation="nearest")
        title = f"{sites.area[row.id]}\nanswer: {named}\n{row.error_km:,.0f} km off"
        large.set_title(title, fontsize=9.5, loc="left")
        for axes in (large, small):
            axes.set(xticks=[], yticks=[])
    plots.note(figure, f"answers of {rows.run.iloc[0]}. {plots.MINI}" if len(rows) else plots.MINI)
    return figure


def searches(answers: pd.DataFrame) -> pd.DataFrame:
    """The greedy pairing answers of one run with `right` and the number of `false` words, the worst first."""
    rows = answers[(answers.task == "pairing") & (answers.decoding == "greedy")]
    rows = rows.assign(right=rows.choice == rows.truth, false=rows.words - rows.words_true)
    return rows.sort_values(["right", "false", "id"], ascending=[True, False, True])


def questions(profile: Profile) -> pd.DataFrame:
    """The questions of the test split by their id, as runs were evaluated on them."""
    made = pairs.questions(inputs.rendered(profile, "test"), k=profile.k, negatives=profile.negatives, seed=0)
    return made.to_pandas().set_index("id", drop=False)


def card(row: pd.Series, profile: Profile) -> Figure:
    """One of `searches` beside its pictures; each word coloured by whether it is true of the picture spoken of."""
    question = questions(profile).loc[row.id].to_dict()
    words = inputs.true_words(inputs.sites(profile, "test"))
    return plots.answer(
        pairs.images(inputs.rendered(profile, "test"), question),
        row.text,
        faithfulness.thoughts(row.text, wording.WORDING),
        true_words=[words[name] for name in (row.id, *question["candidate_ids"])],
        letter=row.truth,
        choice=row.choice,
        title=f"{row.run}, {row.id}: {row.false:.0f} of {row.words:.0f} words false",
    )
