"""Figures: pure functions from data to a matplotlib Figure. Nothing here trains, downloads or writes a file."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from georeplicate import world

# Without noise and compass; clean pictures also make small notebooks.
FOR_PEOPLE = world.Difficulty(noise=0.0, light=0.0, compass=False)
SYNTHETIC = "synthetic rendering of real metadata"


def new_figure(**options) -> Figure:
    """An empty figure that pyplot has let go of: a notebook shows it once, where its cell returns it."""
    figure = plt.figure(**options)
    plt.close(figure)
    return figure


def _picture(axes, image, title: str = "") -> None:
    axes.imshow(np.asarray(image), interpolation="nearest" if np.asarray(image).shape[0] < 200 else "antialiased")
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])


def views(
    scene: world.Scene, title: str = "", *, height: int = 384, difficulty: world.Difficulty = FOR_PEOPLE
) -> Figure:
    """The three views of one scene at a size pleasant to look at: panorama above, phone picture and tile below."""
    figure = new_figure(figsize=(10, 7.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.75))
    panorama = figure.add_subplot(grid[0, :])
    _picture(panorama, world.panorama(scene, height, difficulty=difficulty), f"360° panorama   {title}")
    panorama.set_xticks(np.linspace(0, 4 * height, 5), ["S", "W", "N", "E", "S"])
    _picture(
        figure.add_subplot(grid[1, 0]),
        world.crop(scene, 2 * height, difficulty=difficulty),
        "a phone's picture, along the street",
    )
    _picture(
        figure.add_subplot(grid[1, 1]),
        world.tile(scene, 2 * height, difficulty=difficulty),
        f"aerial tile, north up, {world.TILE_M:.0f} m wide",
    )
    figure.supxlabel(SYNTHETIC, fontsize=8, color="0.4")
    return figure


def question(images: Sequence, letter: str | None = None, title: str = "") -> Figure:
    """A pairing question as the model sees it: [panorama, tile A, tile B, ...]; `letter` frames the right one."""
    panorama, *tiles = images
    figure = new_figure(figsize=(10, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, len(tiles), height_ratios=(1.2, 1))
    _picture(figure.add_subplot(grid[0, :]), panorama, title)
    for i, tile in enumerate(tiles):
        axes = figure.add_subplot(grid[1, i])
        name = chr(ord("A") + i)
        _picture(axes, tile, name)
        if name == letter:
            axes.spines[:].set(color="crimson", linewidth=3)
    figure.supxlabel(SYNTHETIC, fontsize=8, color="0.4")
    return figure


def gallery(scenes: Sequence[world.Scene], titles: Sequence[str], *, columns: int = 2, height: int = 160) -> Figure:
    """Panoramas of many scenes side by side."""
    rows = -(-len(scenes) // columns)
    figure = new_figure(figsize=(5.6 * columns, 1.75 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, scene, title in zip(axes.flat, scenes, titles, strict=False):
        axis.axis("on")
        _picture(axis, world.panorama(scene, height, difficulty=FOR_PEOPLE), title)
    figure.supxlabel(SYNTHETIC, fontsize=8, color="0.4")
    return figure
