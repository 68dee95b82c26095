"""Rows that are made when they are read: the pixels of all questions of a split would not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

from georeplicate import files


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


class Readable(Sequence[dict[str, Any]]):
    """Rows of which some may turn out to be unreadable in the middle of a run: the next readable one takes the place of
    such a row, which is named once, in print and in the file `noted`, with how many there are.

    ValueError where more than MOST of all rows are unreadable: then it is not a file that is damaged but a disk.
    """

    MOST = 0.05

    def __init__(self, rows: Sequence[dict[str, Any]], noted: Path):
        self.rows, self.noted, self.lost = rows, noted, dict[int, str]()

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, Any]]: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        for i in range(index, index + len(self)):
            at = i % len(self)
            if at in self.lost:
                continue
            try:
                return self.rows[at]
            except OSError as error:
                self._note(at, " ".join(str(error).split()))
        raise ValueError(f"none of {len(self)} rows can be read; {self.noted} names them")

    def _note(self, at: int, why: str) -> None:
        self.lost[at] = why
        lines = [f"row {i}: {reason}\n" for i, reason in sorted(self.lost.items())]
        files.write_bytes(self.noted, f"{len(lines)} of {len(self)} rows are unreadable\n{''.join(lines)}".encode())
        print(f"row {at} cannot be read and the next takes its place ({why}); {len(lines)} so far", flush=True)
        if len(lines) > max(1, self.MOST * len(self)):
            raise ValueError(
                f"{len(lines)} of {len(self)} rows cannot be read, last: {why}; look after the disk, or leave them out "
                f"with `georeplicate data SOURCE --check` ({self.noted} names them)"
            )
