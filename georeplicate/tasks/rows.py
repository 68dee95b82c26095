"""Rows that are made when they are read: the pixels of all questions of a split would not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload


class Rows(Sequence[dict[str, Any]]):
    """`make(item)` of every item, made anew whenever it is read."""

    def __init__(self, items: Sequence[Any], make: Callable[[Any], dict[str, Any]]):
        self.items, self.make = items, make

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return Rows(self.items[index], self.make)
        return self.make(self.items[index])
