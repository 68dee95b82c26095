"""Names for things that are found by name: tasks, benchmarks, baselines, recipes. One line each; nothing is imported
before it is asked for by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any


class Registry(Mapping[str, Any]):
    """{name: thing}, where a thing is given as "module:attribute" and imported when it is looked up.

    An unknown name raises ValueError with one sentence that lists the names there are.
    """

    def __init__(self, kind: str, things: dict[str, str]):
        self.kind, self._things = kind, dict(things)

    def add(self, name: str, thing: str) -> None:
        """One more name, for this process; ValueError if it is taken by something else."""
        if self._things.setdefault(name, thing) != thing:
            raise ValueError(f"the {self.kind} {name!r} exists already: {self._things[name]}")

    def __getitem__(self, name: str) -> Any:
        if name not in self._things:
            raise ValueError(f"unknown {self.kind} {name!r}: choose one of {', '.join(self)}")
        module, _, attribute = self._things[name].partition(":")
        found = import_module(module)
        return getattr(found, attribute) if attribute else found

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)
