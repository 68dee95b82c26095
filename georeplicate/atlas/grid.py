"""Looking values up in rasters of the globe: nearest cell, bilinear, and a two-level grid for fine coasts and borders.

All rasters are north up and start at 90 north, 180 west. Longitudes wrap, so 180 and -180 are the same meridian.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

COARSE = 10  # coarse cells per degree of a two-level grid: 0.1 degrees
BLOCK = 10  # fine cells per side of a coarse cell: 0.01 degrees, 1.1 km on the equator
LAKE = 0x100  # bit of a ground cell that is inland water; the low byte is then the country around it
_MIXED = 0xFFFF  # a coarse cell whose fine cells differ


def cell(lat: NDArray, lon: NDArray, per_degree: float) -> tuple[NDArray, NDArray]:
    """Row and column of the cells that hold the points, in a raster of the globe with `per_degree` cells a degree."""
    rows, cols = round(180 * per_degree), round(360 * per_degree)
    row = np.minimum(((90 - lat) * per_degree).astype(np.int64), rows - 1)
    col = np.floor((lon + 180) * per_degree).astype(np.int64) % cols
    return row, col


def nearest(raster: NDArray, lat: NDArray, lon: NDArray) -> NDArray:
    """The value of the cell that holds each point; raster (H, 2H)."""
    return raster[cell(lat, lon, raster.shape[0] / 180)]


def bilinear(raster: NDArray, lat: NDArray, lon: NDArray, layer: NDArray | None = None, *, at_nodes: bool) -> NDArray:
    """Values between the four surrounding samples, float64.

    raster: (H, W), or (L, H, W) with one `layer` index per point. at_nodes: samples lie on the grid lines from pole to
    pole (H odd, as in ERA5); otherwise in the middle of cells.
    """
    height, width = raster.shape[-2:]
    step = 180 / (height - 1) if at_nodes else 180 / height
    shift = 0.0 if at_nodes else 0.5
    y = np.clip((90 - lat) / step - shift, 0, height - 1)
    x = (lon + 180) / step - shift
    row, col = np.minimum(y.astype(np.int64), height - 2), np.floor(x).astype(np.int64)
    down, right = y - row, x - col
    left, next_col = col % width, (col + 1) % width
    pick = (lambda r, c: raster[r, c]) if layer is None else (lambda r, c: raster[layer, r, c])
    upper = pick(row, left) * (1 - right) + pick(row, next_col) * right
    lower = pick(row + 1, left) * (1 - right) + pick(row + 1, next_col) * right
    return upper * (1 - down) + lower * down


@dataclass(frozen=True)
class TwoLevelGrid:
    """A categorical raster of 0.01 degrees that stores one value per uniform 0.1 degree cell, a block for the rest.

    At full size it would be 648 million cells; coasts and borders touch about two in a hundred of the coarse ones.
    """

    coarse: NDArray[np.uint16]  # (1800, 3600); _MIXED where the cell has a block
    blocks: NDArray[np.uint16]  # (M, BLOCK, BLOCK), in the order of the mixed cells

    def __post_init__(self) -> None:
        if len(self._mixed) != len(self.blocks):
            raise ValueError(f"{len(self._mixed)} mixed cells but {len(self.blocks)} blocks")

    @cached_property
    def _mixed(self) -> NDArray[np.intp]:
        """Numbers of the coarse cells that have a block, in rising order."""
        return np.flatnonzero(self.coarse.ravel() == _MIXED)

    @classmethod
    def pack(cls, fine: NDArray) -> "TwoLevelGrid":
        """From a fine raster (rows, columns), both multiples of BLOCK."""
        rows, cols = fine.shape[0] // BLOCK, fine.shape[1] // BLOCK
        tiles = fine.reshape(rows, BLOCK, cols, BLOCK).swapaxes(1, 2)
        uniform = (tiles == tiles[:, :, :1, :1]).all(axis=(2, 3))
        coarse = np.where(uniform, tiles[:, :, 0, 0], _MIXED).astype(np.uint16)
        return cls(coarse, np.ascontiguousarray(tiles[~uniform], dtype=np.uint16))

    def at(self, lat: NDArray, lon: NDArray) -> NDArray[np.uint16]:
        row, col = cell(lat, lon, COARSE * BLOCK)
        top, left = row // BLOCK, col // BLOCK
        value = self.coarse[top, left]
        fine = np.flatnonzero(value == _MIXED)
        block = np.searchsorted(self._mixed, top[fine] * self.coarse.shape[1] + left[fine])
        value[fine] = self.blocks[block, row[fine] % BLOCK, col[fine] % BLOCK]
        return value

    def touches(self, split: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For each cell of a raster with `split` cells per coarse cell and side: has it any land, any water?"""
        size = BLOCK // split
        parts = self.blocks.reshape(-1, split, size, split, size)
        answers = []
        for wet in (False, True):
            whole = ((self.coarse == 0) | (self.coarse & LAKE > 0)) == wet
            answer = np.repeat(np.repeat(whole, split, 0), split, 1)
            fine = (((parts == 0) | (parts & LAKE > 0)) == wet).any(axis=(2, 4))
            tiles = answer.reshape(self.coarse.shape[0], split, self.coarse.shape[1], split).swapaxes(1, 2)
            tiles[self.coarse == _MIXED] = fine  # a view of `answer`
            answers.append(answer)
        return answers[0], answers[1]
