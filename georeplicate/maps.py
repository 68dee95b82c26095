"""Maps, drawn without a network from the coast and borders that the atlas carries. The only file that knows Cartopy."""

import cartopy.crs as ccrs
import pandas as pd
from matplotlib.figure import Figure

from georeplicate import atlas, plots

SPLIT_COLOURS = {"train": "crimson", "validation": "tab:orange", "test": "tab:blue", "base": "0.6"}


def world_axes(figure: Figure, position=111, *, resolution: str = "110m"):
    """Axes of the whole Earth in Equal Earth projection, with land, coast and borders of Natural Earth."""
    axes = figure.add_subplot(position, projection=ccrs.EqualEarth())
    axes.set_global()
    flat = ccrs.PlateCarree()
    axes.add_geometries(atlas.land(resolution).geoms, flat, facecolor="0.93", edgecolor="none")
    axes.add_geometries(atlas.borders(resolution).geoms, flat, facecolor="none", edgecolor="0.75", linewidth=0.3)
    axes.add_geometries(atlas.coast(resolution).geoms, flat, facecolor="none", edgecolor="0.55", linewidth=0.4)
    return axes


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
            transform=ccrs.PlateCarree(),
            label=f"{name} ({len(part)} cities)",
            zorder=4 if name == "train" else 3,
        )
    axes.legend(loc="lower left", fontsize=8, frameon=False)
    return figure
