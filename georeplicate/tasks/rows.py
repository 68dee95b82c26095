"""Rows that are made when they are read: the pixels of all questions of a split would not fit into memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
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

    Processes that train together, each on rows of its own, share the file, so that it names and counts all of them.
    Rows that it names already, of a run that goes on, are looked at again: those that can be read now are struck off.
    ValueError where more than MOST of all rows are unreadable: then it is not a file that is damaged but a disk.
    """

    MOST = 0.05

    def __init__(self, rows: Sequence[dict[str, Any]], noted: Path):
        self.rows, self.noted, self.lost = rows, noted, dict[int, str]()
        if noted.is_file():
            with self._alone():
                known = self._known()
                self.lost = {at: why for at in known if at < len(rows) and (why := self._problem(at))}
                if self.lost != known:
                    self._write()
            self._check()

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
                self._note(at, _words(error))
        raise ValueError(f"none of {len(self)} rows can be read; {self.noted} names them")

    def _note(self, at: int, why: str) -> None:
        with self._alone():
            known = self._known()
            self.lost = known | self.lost | {at: why}
            if self.lost != known:
                self._write()
        if at not in known:  # of several processes all are heard on stderr, and only the first on stdout
            so_far = f"{len(self.lost)} so far"
            print(f"row {at} cannot be read and the next takes its place ({why}); {so_far}", file=sys.stderr)
        self._check()

    def _check(self) -> None:
        if len(self.lost) > max(1, self.MOST * len(self)):
            raise ValueError(
                f"{len(self.lost)} of {len(self)} rows cannot be read, last: {[*self.lost.values()][-1]}; look after "
                f"the disk, or leave them out with `georeplicate data SOURCE --check` ({self.noted} names them)"
            )

    def _problem(self, at: int) -> str:
        """Why a row cannot be read, or ""."""
        try:
            self.rows[at]
        except OSError as error:
            return _words(error)
        return ""

    # -- the file

    def _alone(self) -> AbstractContextManager[None]:
        lock = self.noted.with_name(f".{self.noted.name}.lock")
        return files.alone(lock, f"another process writes {self.noted}; waiting until it has")

    def _known(self) -> dict[int, str]:
        """The rows that are noted, by any process."""
        try:
            text = self.noted.read_text(encoding="utf-8")
        except OSError:
            return {}
        return {int(at): why for at, why in re.findall(r"^row (\d+): (.*)$", text, re.MULTILINE)}

    def _write(self) -> None:
        lines = "".join(f"row {at}: {why}\n" for at, why in sorted(self.lost.items()))
        files.write_bytes(self.noted, f"{len(self.lost)} of {len(self)} rows are unreadable\n{lines}".encode())


def _words(error: OSError) -> str:
    return " ".join(str(error).split()) or type(error).__name__
