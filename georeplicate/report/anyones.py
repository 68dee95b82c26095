"""Maps of anyone's predictions: `georeplicate map predictions.csv`, for a table that no model of ours has made.

Reads what `georeplicate score` reads (column aliases, decimal commas, broken rows set aside and listed) and draws
figures as PNG and PDF, and one page that works without a network (see anyones_page). What a file says is data
throughout: never markup, never mathematics.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray

from georeplicate import atlas, files, geo
from georeplicate.evaluation import answers, csvfile, ids, rows
from georeplicate.evaluation.baselines.constant import Constant
from georeplicate.evaluation.photos import open_photo
from georeplicate.evaluation.report import Report
from georeplicate.evaluation.score import score
from georeplicate.model.pictures import ENDINGS
from georeplicate.report import anyones_page, maps, plots

_NAMED = "(text)"  # column of the answers' words; no file has one of that name
MOST_COUNTRIES = 30
MOSTENDINGS = 1000  # on one page, some 15 kB each
NOWHERE = "at sea or in no state"


def draw(predictions: Path, out: Path, truth: Path | None = None, pictures: Path | None = None) -> list[Path]:
    """Draw everything into the folder `out`; the files written, in the order to look at them.

    predictions: CSV with ids and predicted coordinates (or names, or text); true coordinates stand in the same file or
    in the CSV `truth`. pictures: a folder of the photographs by their ids, small copies of which are put into the page
    (see `thumbnails`). Rows that could not be used are printed on stderr and written to set_aside.csv. A figure that
    would be empty is not drawn: arcs where no answer names a place, regions with too few places.

    Raises FileNotFoundError or ValueError with one sentence that names file and remedy.
    """
    predictions, out = Path(predictions), Path(out)
    frame, report = read(predictions, truth)
    for line in report.lines():
        print(line, file=sys.stderr)
    name, guesses = predictions.name, baselines(frame)
    medians = {who: float(np.median(km)) for who, km in guesses.items()}
    with plots.own_style():
        figures: dict[str, Figure | None] = {
            "errors": maps.error_map(frame, name=name, baselines=medians),
            "cumulative": cumulative(frame, guesses, name=name),
            "countries": countries(frame, name=name),
            "arcs": maps.error_arcs(frame, name=name) if frame.error_km.notna().any() else None,
            "regions": maps.error_regions(frame, name=name),
        }
    written = []
    for what, figure in figures.items():
        if figure is not None:
            written += plots.save(figure, out / what, dpi=150)
    lines = report.lines()
    small: dict[str, bytes] = {}
    if pictures is not None:
        small, unread = thumbnails(pictures, frame)
        for line in unread:
            print(line, file=sys.stderr)
        lines = [*lines, *unread]
    page = anyones_page.page(frame, name=name, baselines=medians, report=lines, pictures=small)
    written.append(files.write_bytes(out / "map.html", page.encode()))
    if len(report):
        written.append(files.write_csv(out / "set_aside.csv", report.rows.map(csvfile.escape)))
    return written


def read(predictions: Path, truth: Path | None = None) -> tuple[pd.DataFrame, Report]:
    """(frame, report): one row for each true place, as Scores.rows has them, with `text` (the answer's words, "" where
    there are none) and `country_name` (of the true place: as given, else where its point lies; "" at sea)."""
    if truth is not None:
        given, true = rows.read_predictions(predictions), rows.read_truth(truth)
    else:
        given, true = rows.read_both(predictions)
    given = rows.Rows(given.frame.assign(**{_NAMED: given.frame.text}), given.report, given.source)
    scores = score(given, true)
    frame = scores.rows.drop(columns="text", errors="ignore")  # where the file's own column has that name
    frame = frame.rename(columns={_NAMED: "text"})
    frame["text"] = frame.text.fillna("").astype(str)
    frame["country_name"] = _country_names(frame)
    return frame, scores.report


def thumbnails(folder: Path, frame: pd.DataFrame, most: int = MOSTENDINGS) -> tuple[dict[str, bytes], list[str]]:
    """({id: a small JPEG without metadata}, lines about pictures that are missing or could not be read).

    A picture belongs to an id as predictions do to examples: by its path below `folder`, with or without extension and
    folders. Of more than `most` the largest errors are taken, answers without a place first. ValueError where the
    folder is none, or holds no picture of any id.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: give the folder of the pictures that the ids name")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    names = [path.relative_to(folder).as_posix() for path in found]
    at, _ = ids.match(frame.id.astype(str).to_numpy(object), names) if names else (np.full(len(frame), -1), None)
    if not (at >= 0).any():
        raise ValueError(f"no file in {folder} has the name of an id, such as {frame.id.iloc[0]}.jpg")
    order = np.argsort(-frame.error_km.fillna(np.inf).to_numpy(), kind="stable")
    chosen = [row for row in order if at[row] >= 0][:most]
    small, lines = {}, []
    for row in chosen:
        try:
            picture = open_photo(found[at[row]])
        except ValueError as error:
            lines.append(str(error))
            continue
        picture.thumbnail((480, 320))
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=70)
        small[str(frame.id.iloc[row])] = data.getvalue()
    if missing := int((at < 0).sum()):
        lines.append(f"{missing:,} of {len(frame):,} ids have no picture in {folder.name}")
    if (there := int((at >= 0).sum())) > most:
        lines.append(f"{most:,} of {there:,} pictures were taken: those of the largest errors")
    return small, lines


def _country_names(frame: pd.DataFrame) -> NDArray:
    """(N,) English name of each true country, as written where it is no country's name."""
    given = frame.country.astype(str).to_numpy(object)
    bare = np.flatnonzero(given == "")
    if bare.size:
        given[bare] = answers.countries_at(frame.lat.to_numpy()[bare], frame.lon.to_numpy()[bare])
    codes = {one: atlas.country_code(one) for one in set(given) if one}
    names = {one: atlas.country_name(code) if code else one for one, code in codes.items()} | {"": ""}
    return np.array([names[one] for one in given], object)


def baselines(frame: pd.DataFrame, seed: int = 0) -> dict[str, NDArray]:
    """{what: (N,) error in km} of two guesses that look at no picture: a land point drawn for each place with `seed`,
    and always the same place, the best among large cities (not chosen on these places, which would flatter it)."""
    lat, lon = frame.lat.to_numpy(float), frame.lon.to_numpy(float)
    at = atlas.random_land(len(frame), np.random.default_rng([seed, 41]))
    constant = Constant()
    where = f"{abs(constant.lat):.0f}° {'NS'[constant.lat < 0]} {abs(constant.lon):.0f}° {'EW'[constant.lon < 0]}"
    return {
        "a random land point": np.atleast_1d(geo.haversine_km(lat, lon, *at)),
        f"always {where}": np.atleast_1d(geo.haversine_km(lat, lon, constant.lat, constant.lon)),
    }


def cumulative(frame: pd.DataFrame, guesses: Mapping[str, NDArray], *, name: str = "predictions") -> Figure:
    """Share of all answers within each distance, and the same of guesses; answers without a place never arrive."""
    figure = plots.new_figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.add_subplot()
    least, most = 0.1, 20_000.0
    lines: dict[str, tuple[NDArray, str, Any, float]] = {
        "these answers": (frame.error_km.to_numpy(float), plots.TRUE, "-", 2.2)
    }
    styles: tuple[Any, ...] = ((0, (5, 2)), (0, (1.5, 1.5)))
    lines |= {who: (km, "0.35", style, 1.5) for (who, km), style in zip(guesses.items(), styles)}
    for label, (km, colour, style, width) in lines.items():
        known = np.sort(km[~np.isnan(km)]).clip(least, most)
        x = np.concatenate([[least], known, [most]])
        y = np.concatenate([[0], np.arange(1, len(known) + 1), [len(known)]]) / len(km) * 100
        median = float(np.median(np.where(np.isnan(km), np.inf, km)))
        shown = f"{label}, median {maps.km_text(median)}"
        axes.step(x, y, where="post", color=colour, linestyle=style, linewidth=width, label=shown)
    for limit in geo.THRESHOLDS_KM:
        axes.axvline(limit, color="0.85", linewidth=0.9, zorder=0)
    axes.set(xscale="log", xlim=(least, most), ylim=(0, 101), xlabel="error, km", ylabel="answers within, percent")
    axes.set_xticks([least, *geo.THRESHOLDS_KM, most], ["≤0.1", *(f"{km:,}" for km in geo.THRESHOLDS_KM), "20,000"])
    axes.minorticks_off()
    axes.grid(axis="y", color="0.93")
    maps.plain_title(figure, name, f"share of {len(frame):,} answers within a distance")
    figure.legend(loc="outside lower center", fontsize=9, frameon=False)
    sns.despine(figure)
    return figure


def countries(frame: pd.DataFrame, *, name: str = "predictions") -> Figure:
    """Median error and middle half of the countries with most places, the best on top; no place is infinitely far."""
    table = frame.assign(km=frame.error_km.fillna(np.inf).clip(lower=1.0), where=frame.country_name)
    table = table.assign(where=table["where"].replace("", NOWHERE))
    groups = table.groupby("where").km
    quantiles = pd.DataFrame(
        {name: groups.quantile(q, interpolation="nearest") for name, q in (("low", 0.25), ("mid", 0.5), ("high", 0.75))}
    )
    quantiles["n"] = groups.size()
    shown = quantiles.sort_values("n", ascending=False, kind="stable").head(MOST_COUNTRIES)
    shown = shown.sort_values(["mid", "n"], ascending=[True, False])
    edge = 25_000.0  # beyond half the Earth's girth: no place named
    figure = plots.new_figure(figsize=(7, 1.5 + 0.25 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    at = -np.arange(len(shown))
    colours = list(np.array(maps.ERROR_COLOURS)[maps.error_class(shown.mid.replace(np.inf, np.nan))])
    axes.hlines(at, shown.low.clip(upper=edge), shown.high.clip(upper=edge), colors="0.75", linewidth=3)
    axes.scatter(shown.mid.clip(upper=edge), at, s=36, c=colours, zorder=3, clip_on=False)
    labels = [f"{country[:30]} (n {n:,})" for country, n in zip(shown.index, shown.n)]
    axes.set_yticks(at, labels, fontsize=9, parse_math=False)
    for km in geo.THRESHOLDS_KM:
        axes.axvline(km, color="0.9", linewidth=0.9, zorder=0)
    axes.set(xscale="log", xlim=(0.9, edge), ylim=(0.6 - len(shown), 0.6), xlabel="error, km")
    axes.set_xticks([*geo.THRESHOLDS_KM, edge], ["≤1", *(f"{km:,}" for km in geo.THRESHOLDS_KM[1:]), "none"])
    axes.minorticks_off()
    axes.tick_params(axis="y", length=0)
    which = (
        f"the {len(shown)} of {len(quantiles)} with most places" if len(shown) < len(quantiles) else f"all {len(shown)}"
    )
    maps.plain_title(figure, name, f"median error by country, {which}")
    sns.despine(figure, left=True)
    plots.note(figure, f"n = {len(frame):,}; bars: middle half of a country's answers; none: no place named")
    return figure
