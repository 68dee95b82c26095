"""Maps, drawn without a network from the coast and borders that the atlas carries. The only file that knows Cartopy.

Maps of answers take rows of predictions.csv (one task, any number of systems). The map of errors holds all seeds of
each system; those of arcs and countries draw its first seed, as all seeds are evaluated on the same places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import cartopy.crs as ccrs
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray
from shapely import clip_by_rect

from georeplicate import atlas, geo
from georeplicate.evaluation.metrics import median_km
from georeplicate.report import plots, tables

FLAT = ccrs.PlateCarree()
# blue is right and orange is wrong, as true and false are elsewhere
SHARE = LinearSegmentedColormap.from_list("share", ["#a63a00", "#dd8a3c", "#d8c98f", "#56a5c4", plots.TRUE])
SPLIT_COLOURS = {"train": "crimson", "validation": "tab:orange", "test": "tab:blue", "base": "0.6"}


_KM = [f"{km:,}" for km in geo.THRESHOLDS_KM]
ERROR_CLASSES = (
    f"up to {_KM[0]} km",
    *(f"{a} to {b} km" for a, b in zip(_KM, _KM[1:])),
    f"over {_KM[-1]} km",
    "no place named",
)
ERROR_COLOURS = ("#08306b", "#2171b5", "#6baed6", "#e6c34a", "#e07b39", "#a11d0b", "#555555")
REGIONS = {  # west, east, south, north in degrees
    "Europe": (-12.0, 42.0, 34.0, 71.0),
    "West Africa": (-19.0, 16.0, 3.0, 25.0),
    "South-East Asia": (91.0, 142.0, -12.0, 29.0),
}


def error_class(error_km: ArrayLike) -> NDArray[np.int64]:
    """(N,) 0 to 6: which of ERROR_CLASSES an error in km lies in; a threshold itself still counts, NaN is the last."""
    error = np.asarray(error_km, float)
    found = np.searchsorted(geo.THRESHOLDS_KM, error, side="left")
    return np.where(np.isnan(error), len(ERROR_CLASSES) - 1, found).astype(np.int64)


def world_axes(figure: Figure, position=111, *, resolution: str = "110m"):
    """Axes of the whole Earth in Equal Earth projection, with land, coast and borders of Natural Earth."""
    axes = figure.add_subplot(position, projection=ccrs.EqualEarth())
    axes.set_global()
    axes.add_geometries(_shapes("land", resolution), FLAT, facecolor="0.93", edgecolor="none")
    axes.add_geometries(_shapes("borders", resolution), FLAT, facecolor="none", edgecolor="0.75", linewidth=0.3)
    axes.add_geometries(_shapes("coast", resolution), FLAT, facecolor="none", edgecolor="0.55", linewidth=0.4)
    axes.spines["geo"].set(edgecolor="0.7", linewidth=0.6)
    return axes


def region_axes(figure: Figure, position, region: str, *, resolution: str = "50m"):
    """Axes of one of REGIONS in an equal-area projection about its middle."""
    west, east, south, north = REGIONS[region]
    axes = figure.add_subplot(
        *(position if isinstance(position, tuple) else (position,)),
        projection=ccrs.LambertAzimuthalEqualArea((west + east) / 2, (south + north) / 2),
    )
    axes.set_extent((west, east, south, north), FLAT)
    axes.set_anchor("N")
    for layer, style in (
        ("land", dict(facecolor="0.93", edgecolor="none")),
        ("borders", dict(facecolor="none", edgecolor="0.7", linewidth=0.4)),
        ("coast", dict(facecolor="none", edgecolor="0.55", linewidth=0.5)),
    ):
        axes.add_geometries(_shapes(layer, resolution, region), FLAT, **style)
    axes.spines["geo"].set(edgecolor="0.7", linewidth=0.6)
    return axes


@cache
def _shapes(layer: str, resolution: str, region: str | None = None) -> tuple:
    """The lines or polygons of a layer of the atlas; those about one of REGIONS only.

    The same objects for all axes, as Cartopy keeps what it has projected by the identity of a shape: the second panel
    of a figure, and the second figure of a process, project nothing again.
    """
    shapes = getattr(atlas, layer)(resolution)
    if region is not None:  # what lies far away would only make the PDF large
        west, east, south, north = REGIONS[region]
        shapes = clip_by_rect(shapes, west - 45, south - 12, east + 45, min(north + 12, 90.0))
    return tuple(getattr(shapes, "geoms", [shapes]))


def _inside(frame: pd.DataFrame, region: str) -> pd.Series:
    west, east, south, north = REGIONS[region]
    lon = (frame.lon + 180) % 360 - 180
    return (lon >= west) & (lon <= east) & (frame.lat >= south) & (frame.lat <= north)


def splits(cities: pd.DataFrame) -> Figure:
    """Where the world's cities lie, coloured by split (columns lat, lon, split)."""
    figure = plots.new_figure(figsize=(10, 5), layout="constrained")
    axes = world_axes(figure)
    for name in ("base", "validation", "test", "train"):
        part = cities[cities.split == name]
        size = 60 if name == "train" else 9
        marker = "*" if name == "train" else "o"
        axes.scatter(
            part.lon,
            part.lat,
            s=size,
            c=SPLIT_COLOURS[name],
            marker=marker,
            linewidths=0,
            transform=FLAT,
            label=f"{name} ({len(part)} cities)",
            zorder=4 if name == "train" else 3,
        )
    axes.legend(loc="lower left", fontsize=8, frameon=False)
    return figure


# --- answers ---------------------------------------------------------------------------------------------------------


def errors(answers: pd.DataFrame, baselines: Mapping[str, float] | None = None, *, source: str = plots.MINI) -> Figure:
    """City by city, how far off its places were located; a panel for each system, with its crowded regions below it.

    answers: rows with system, run, training_seed, task, id, lat, lon, error_km. baselines: {name: median error in km}
    of guesses that look at no picture, for the title. A city's error is the median over its places and all seeds, of
    which an answer without a place is infinitely far; a city where most answers are such is a cross. source: what was
    evaluated on what, for the note below.
    """
    figure, panels, below = _panels(answers, all_seeds=True, insets=True, key=True)
    for axes, title, rows in panels:
        km = rows.error_km.fillna(np.inf)
        cities = rows.assign(km=km, city=_city(rows.id)).groupby("city")
        table = cities.agg(lat=("lat", "mean"), lon=("lon", "mean"), km=("km", "median"))
        _cities(axes[0], table, 38)
        for region, inset in zip(REGIONS, axes[1:]):
            inside = table[_inside(table, region)]
            _cities(inset, inside, 26)
            inset.set_title(f"{region}, n = {len(inside)}", fontsize=8, loc="left")
        size = 9 if answers.system.nunique() > 1 else 10  # two titles stand side by side
        axes[0].set_title(f"{title}, median error {km_text(median_km(km))}", fontsize=size, loc="left")
    if baselines:
        named = ", ".join(f"{name} {km_text(km)}" for name, km in baselines.items())
        figure.suptitle(f"median errors without looking: {named}", fontsize=10, x=0.01, ha="left")
    _classes(figure, below, "median error of a city's places", "most answers name no place")
    plots.note(figure, f"points: cities, where they truly are. {source}")
    return figure


def _cities(axes, table: pd.DataFrame, size: float) -> None:
    """Points of cities (lat, lon, km) in their class's colour, the nearest on top; crosses where km is infinite."""
    at = dict(transform=FLAT, zorder=4)
    lost, found = table[np.isinf(table.km)], table[np.isfinite(table.km)].sort_values("km", ascending=False)
    axes.scatter(lost.lon, lost.lat, s=0.6 * size, c=ERROR_COLOURS[-1], marker="x", linewidths=1.0, **at)
    colours = list(np.array(ERROR_COLOURS)[error_class(found.km)])
    axes.scatter(found.lon, found.lat, s=size, c=colours, edgecolors="0.25", linewidths=0.5, **at)


def arcs(answers: pd.DataFrame, *, most: int = 150, source: str = plots.MINI) -> Figure:
    """Great circles from each place to where the answer put it; a panel for each system.

    Of more than `most` answers every so manyth is drawn. answers: rows with pred_lat and pred_lon besides what `errors`
    takes.
    """
    figure, panels, below = _panels(answers, most, key=True)
    for axes, title, rows in panels:
        found = rows[rows.error_km.notna()].sort_values("error_km", ascending=False)
        lines = [_great_circle(axes.projection, row) for row in found.itertuples()]
        colours = np.array(ERROR_COLOURS)[error_class(found.error_km)]
        arcs = LineCollection(lines, colors=list(colours), linewidths=0.8, alpha=0.7, zorder=3)
        axes.add_collection(arcs, autolim=False)
        axes.scatter(found.lon, found.lat, s=8, c="0.15", linewidths=0, transform=FLAT, zorder=4)
        named = found.groupby(["pred_lat", "pred_lon"]).size().reset_index(name="times")
        ring = dict(facecolors="none", edgecolors="0.15", linewidths=0.8, transform=FLAT, zorder=5)
        axes.scatter(named.pred_lon, named.pred_lat, s=16 * named.times**0.7, **ring)
        axes.set_title(f"{title}, {len(rows) - len(found)} without a place", fontsize=10, loc="left")
    _legend(
        figure,
        Line2D([], [], color="0.15", marker="o", markersize=3, linestyle="", label="true place"),
        Line2D([], [], color="0.15", marker="o", markersize=7, fillstyle="none", linestyle="", label="place named"),
    )
    _classes(figure, below, "error")
    plots.note(figure, f"rings grow with how often a place is named. {source}")
    return figure


def countries(answers: pd.DataFrame, *, source: str = plots.MINI) -> Figure:
    """How often the country is right, country by country; a panel for each system.

    answers: rows with truth, choice (country codes) and seen_country besides what `errors` takes. Countries of the
    training cities are ringed and named.
    """
    figure, panels, _ = _panels(answers)
    for axes, title, rows in panels:
        rows = rows.assign(right=rows.choice == rows.truth, seen=rows.seen_country.eq(True).fillna(False).astype(bool))
        groups = rows.groupby("truth")
        table = groups.agg(lat=("lat", "mean"), n=("id", "size"), right=("right", "mean"), seen=("seen", "any"))
        table["lon"] = groups.lon.apply(_mean_longitude)
        table = table.sort_values(["seen", "n"], ascending=[True, False])
        axes.scatter(
            table.lon,
            table.lat,
            s=12 * table.n**0.8,
            c=table.right,
            cmap=SHARE,
            norm=Normalize(0, 1),
            edgecolors=np.where(table.seen, "black", "0.45"),
            linewidths=np.where(table.seen, 1.3, 0.5),
            transform=FLAT,
            zorder=4,
        )
        for row in table[table.seen].itertuples():
            x, y = axes.projection.transform_point(row.lon, row.lat, FLAT)
            aside = (6, 5) if row.lat > -20 else (6, -11)
            axes.annotate(row.Index, (x, y), aside, textcoords="offset points", fontsize=7, zorder=6).set_path_effects(
                [patheffects.withStroke(linewidth=2, foreground="white")]
            )
        axes.set_title(f"{title}, right country {rows.right.mean():.0%}", fontsize=10, loc="left")
    ring = Line2D(
        [], [], linestyle="", marker="o", markersize=6, markerfacecolor="none", markeredgecolor="black",
        markeredgewidth=1.3, label="country of a training city",
    )  # fmt: skip
    _legend(figure, ring)
    _bar(
        figure,
        Normalize(0, 1),
        SHARE,
        "right country, share of its places",
        {x: f"{x:.0%}" for x in (0, 0.25, 0.5, 0.75, 1)},
    )
    plots.note(figure, f"points grow with the number of places. {source}")
    return figure


def _mean_longitude(lon: pd.Series) -> float:
    """The middle of longitudes; the plain mean of a country on both sides of the antimeridian lies in Africa."""
    turned = np.radians(lon.to_numpy(float))
    middle = np.degrees(np.arctan2(np.sin(turned).mean(), np.cos(turned).mean()))
    return float(middle + ((lon - middle + 180) % 360 - 180).mean())  # the plain mean wherever there is one


def _panels(
    answers: pd.DataFrame,
    most: int | None = None,
    *,
    all_seeds: bool = False,
    insets: bool = False,
    key: bool = False,
) -> tuple[Figure, Iterator[tuple], SubplotSpec]:
    """A figure; (axes, title, rows) of each system's first seed, or of all its seeds; and with `key` room for a legend.

    With insets axes are those of the world and of each of REGIONS. ValueError if there is nothing to draw.
    """
    if not len(answers):
        raise ValueError("there are no answers to draw: no run was evaluated on where its pictures were taken")
    systems = [rows for _, rows in answers.groupby("system", sort=False)]
    columns = min(2 if len(systems) < 7 else 3, len(systems))
    lines = -(-len(systems) // columns)
    each = 5.2 if insets else 3.3
    size = (10, each + (3.1 if insets else 2.6)) if columns == 1 else (6.5 * columns, each * lines + 1.3)
    figure = plots.new_figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(lines + key, columns, height_ratios=[each] * lines + [0.45] * key)

    def panels():
        for i, rows in enumerate(systems):
            if not all_seeds:
                rows = rows[rows.training_seed == rows.training_seed.min()]
            rows, runs = rows.sort_values(["id", "training_seed"]), rows.run.unique()
            what = "aerial tiles" if rows.task.iloc[0] == "aerial" else f"{tables.pictured(rows)}s"
            counted = f"{rows.id.nunique()} {what} in {_city(rows.id).nunique()} cities"
            if most is not None and len(rows) > most:
                counted = f"{most} of {len(rows)} {what}"
                rows = rows.iloc[np.linspace(0, len(rows) - 1, most).round().astype(int)]
            which = f"{len(runs)} seeds" if len(runs) > 1 else "1 seed" if all_seeds else runs[0]
            title = f"{rows.system.iloc[0]} ({which}): {counted}"
            place = grid[divmod(i, columns)]
            if not insets:
                yield world_axes(figure, place), title, rows
                continue
            inner = place.subgridspec(2, len(REGIONS), height_ratios=(1.7, 1))
            globe = world_axes(figure, inner[0, :])
            small = [region_axes(figure, inner[1, at], name, resolution="110m") for at, name in enumerate(REGIONS)]
            yield [globe, *small], title, rows

    return figure, panels(), grid[-1, :]


def _city(ids: pd.Series) -> pd.Series:
    return ids.str.rpartition("/")[0]


def _great_circle(projection: ccrs.Projection, row) -> np.ndarray:
    """(101, 2) projected points from the true place to the named one; NaN where the line leaves the map's edge."""
    between = ccrs.Geodetic().get_geod().npts(row.lon, row.lat, row.pred_lon, row.pred_lat, 99)
    degrees = np.array([(row.lon, row.lat), *between, (row.pred_lon, row.pred_lat)])
    line = projection.transform_points(FLAT, *degrees.T)[:, :2]
    west, east = projection.x_limits
    jumps = np.abs(np.diff(line[:, 0])) > (east - west) / 10  # over the date line, or past a pole
    line[1:][jumps] = np.nan
    return line


def km_text(km: float) -> str:
    """A distance for readers; "infinite" where most answers name no place."""
    return f"{km:,.0f} km" if np.isfinite(km) else "infinite"


def _bar(figure: Figure, norm: Normalize, colours, label: str, ticks: dict[float, str]) -> None:
    bar = figure.colorbar(
        ScalarMappable(norm, colours), ax=figure.axes, location="bottom", aspect=50, shrink=0.55, pad=0.03
    )
    bar.set_ticks(list(ticks), labels=list(ticks.values()), fontsize=8)
    bar.minorticks_off()
    bar.set_label(label, fontsize=9)
    bar.outline.set_visible(False)


def _classes(figure: Figure, place: SubplotSpec, what: str, none: str = "") -> None:
    """The classes of errors, in a row of their own; none: what a cross stands for, if there are any."""
    handles = [
        Line2D([], [], color=colour, marker="o", markeredgecolor="0.25", markeredgewidth=0.5, linestyle="", label=label)
        for colour, label in zip(ERROR_COLOURS[:-1], ERROR_CLASSES[:-1])
    ]
    if none:
        handles.append(Line2D([], [], color=ERROR_COLOURS[-1], marker="x", linestyle="", label=none))
    axes = figure.add_subplot(place)
    axes.axis("off")
    axes.legend(
        handles=handles, loc="center", ncols=len(handles), fontsize=9, frameon=False, title=what, title_fontsize=9,
        handletextpad=0.1, columnspacing=1.2,
    )  # fmt: skip


def _legend(figure: Figure, *handles: Line2D) -> None:
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=8, frameon=False)


# --- any table of predictions ----------------------------------------------------------------------------------------


def error_map(
    frame: pd.DataFrame, *, name: str = "predictions", baselines: Mapping[str, float] | None = None, seed: int = 0
) -> Figure:
    """Where each place truly is, coloured by how far off the answer was: any model's table of predictions.

    frame: one row a place with lat, lon (degrees) and error_km (NaN: no place named). baselines: {name: median error in
    km} of guesses that look at no picture. Points are drawn in an order shuffled with `seed`, so that no class hides
    another. ValueError where there are no rows.
    """
    _some(frame)
    figure = plots.new_figure(figsize=(8, 5.1), layout="constrained")
    axes = world_axes(figure)
    _class_points(axes, frame, seed)
    plain_title(figure, name, f"error of {len(frame):,} answers, median {_median(frame)}")
    medians = ", ".join(f"{who} {km_text(km)}" for who, km in (baselines or {}).items())
    note = "points: true places" + (f"; medians without looking at a picture: {medians}" if medians else "")
    _class_legend(figure, frame, note)
    return figure


def error_arcs(frame: pd.DataFrame, *, name: str = "predictions", most: int = 300, seed: int = 0) -> Figure:
    """Great circles from true places to the places named, coloured by error; of more than `most` a random sample.

    frame: lat, lon, pred_lat, pred_lon (degrees, NaN where no place is named) and error_km. ValueError where no answer
    names a place.
    """
    found = frame[frame.error_km.notna()]
    if not len(found):
        raise ValueError("there are no arcs to draw: no answer names a place")
    drawn = found if len(found) <= most else found.sample(most, random_state=seed)
    drawn = drawn.sort_values("error_km", ascending=False)  # the nearest on top
    figure = plots.new_figure(figsize=(8, 5.1), layout="constrained")
    axes = world_axes(figure)
    lines = [_great_circle(axes.projection, row) for row in drawn.itertuples()]
    colours = np.array(ERROR_COLOURS)[error_class(drawn.error_km)]
    axes.add_collection(
        LineCollection(lines, colors=list(colours), linewidths=0.9, alpha=0.75, zorder=3), autolim=False
    )
    axes.scatter(drawn.lon, drawn.lat, s=9, c="0.15", linewidths=0, transform=FLAT, zorder=4)
    ring = dict(facecolors="none", edgecolors="0.15", linewidths=0.6, transform=FLAT, zorder=5)
    axes.scatter(drawn.pred_lon, drawn.pred_lat, s=16, **ring)
    which = f"{len(drawn):,} answers"
    if len(drawn) < len(found):
        which = f"{len(drawn):,} of {len(found):,} answers, sampled at random"
    plain_title(figure, name, f"from the true place (dot) to the place named (ring), {which}")
    _class_legend(figure, drawn, f"answers without a place: {len(frame) - len(found):,} of {len(frame):,}")
    return figure


def error_regions(frame: pd.DataFrame, *, name: str = "predictions", least: int = 20, seed: int = 0) -> Figure | None:
    """`error_map` of the regions of REGIONS with at least that many places, a panel each; None where there are none."""
    parts = {}
    for region in REGIONS:
        inside = frame[_inside(frame, region)]
        if len(inside) >= least:
            parts[region] = inside
    if not parts:
        return None
    figure = plots.new_figure(figsize=(max(8.0, 4.3 * len(parts)), 5.0), layout="constrained")
    for number, (region, rows) in enumerate(parts.items(), 1):
        axes = region_axes(figure, (1, len(parts), number), region)
        _class_points(axes, rows, seed)
        axes.set_title(f"{region}: {len(rows):,} places, median {_median(rows)}", fontsize=11, loc="left")
    shown = pd.concat(parts.values())
    shown = shown[~shown.index.duplicated()]
    plain_title(figure, name, f"error of {len(shown):,} answers in {len(parts)} region{'s' if len(parts) > 1 else ''}")
    _class_legend(figure, shown, "points: true places", columns=3 if len(parts) == 1 else 4)
    return figure


def _some(frame: pd.DataFrame) -> None:
    if not len(frame):
        raise ValueError("there is nothing to draw: no row has a true place")


def _median(frame: pd.DataFrame) -> str:
    return km_text(median_km(frame.error_km))


def _class_points(axes, frame: pd.DataFrame, seed: int) -> None:
    """Points in a shuffled order, answers without a place as crosses; small where there are many."""
    rows = frame.iloc[np.random.default_rng(seed).permutation(len(frame))]
    kind = error_class(rows.error_km)
    size = float(np.clip(30 * (200 / max(len(rows), 1)) ** 0.45, 2.0, 30.0))
    none = kind == len(ERROR_CLASSES) - 1
    # pixels instead of shapes in a PDF, which else takes minutes to open
    at = dict(transform=FLAT, zorder=4, rasterized=len(rows) > 5000)
    lost, found = rows[none], rows[~none]
    axes.scatter(lost.lon, lost.lat, s=size, c=ERROR_COLOURS[-1], marker="x", linewidths=min(1.0, size / 15), **at)
    edge = dict(edgecolors="0.2", linewidths=0.4) if len(rows) <= 1000 else dict(linewidths=0)
    axes.scatter(found.lon, found.lat, s=size, c=list(np.array(ERROR_COLOURS)[kind[~none]]), **edge, **at)


def plain_title(figure: Figure, name: str, what: str) -> None:
    """Two lines at the top left. A file's name may hold dollars, which are no mathematics, and be long."""
    shown = name if len(name) <= 70 else f"{name[:67]}..."
    figure.suptitle(f"{shown}\n{what}", fontsize=11, x=0.01, ha="left", parse_math=False)


def _class_legend(figure: Figure, frame: pd.DataFrame, note: str, columns: int = 3) -> None:
    """Below the map: every class with its count and share, those without an answer too."""
    counts = np.bincount(error_class(frame.error_km), minlength=len(ERROR_CLASSES))
    handles = []
    for number, (label, colour, count) in enumerate(zip(ERROR_CLASSES, ERROR_COLOURS, counts)):
        cross = number == len(ERROR_CLASSES) - 1
        if cross and not count:
            continue
        text, marker = f"{label}: {count:,} ({count / len(frame):.0%})", "x" if cross else "o"
        handles.append(Line2D([], [], label=text, marker=marker, color=colour, linestyle="", markersize=6))
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, fontsize=9.5, frameon=False, handletextpad=0.2,
        title=note, title_fontsize=9,
    )  # fmt: skip
    legend.get_title().set(color="0.35", parse_math=False)
