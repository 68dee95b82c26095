"""Checkpoint directories that are complete or refused.

SHA256SUMS (the format of `sha256sum -c`) is written last: without it a directory was torn while it was written, with
it every file can be checked (safetensors itself has no checksum).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from georeplicate.files import Problem, checksums, sha256_file, sha256_json, write_bytes

MANIFEST = "SHA256SUMS"


class CheckpointError(Problem):
    """A checkpoint is missing, incomplete or damaged."""


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[Path]:
    """A new folder to be filled: with SHA-256 sums it takes the place of `path` in the end, or nothing does."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as work:
        new = Path(work) / "new"
        new.mkdir()
        yield new
        write_manifest(new)
        if path.exists():
            path.rename(Path(work) / "old")
        new.rename(path)


def write_manifest(path: str | os.PathLike) -> None:
    """SHA256SUMS over all files of a directory; call it last. Of hidden files it has those that say what lies in
    which share of a distributed checkpoint."""
    hidden = {str(one.relative_to(path)): sha256_file(one) for one in sorted(Path(path).rglob(".metadata"))}
    lines = [f"{value}  {name}\n" for name, value in {**checksums(path, without=(MANIFEST,)), **hidden}.items()]
    write_bytes(Path(path) / MANIFEST, "".join(lines).encode())


def verify_manifest(path: str | os.PathLike) -> None:
    """Raises CheckpointError that names the first missing or changed file; the manifest itself must be there."""
    path = Path(path)
    if not (path / MANIFEST).is_file():
        raise CheckpointError(f"{path} has no {MANIFEST}: it was not completely written; delete it")
    lines = (path / MANIFEST).read_text(errors="replace").splitlines()
    if not lines:
        raise CheckpointError(f"{path / MANIFEST} is empty; restore it or delete this checkpoint")
    for line in lines:
        expected, separator, name = line.partition("  ")
        if not separator:
            raise CheckpointError(f"{path / MANIFEST} is damaged (it holds {line!r}); restore it")
        if not (path / name).is_file():
            raise CheckpointError(f"{path} is incomplete: {name} is missing; restore or delete this checkpoint")
        if sha256_file(path / name) != expected:
            raise CheckpointError(f"{path / name} is damaged (its SHA-256 differs from {MANIFEST}); restore it")


def identity(path: str | os.PathLike) -> str:
    """Hex SHA-256 of a checkpoint: of all its files but texts for people; CheckpointError if it is not complete."""
    try:
        lines = (Path(path) / MANIFEST).read_text().splitlines()
    except OSError:
        raise CheckpointError(f"there is no complete policy at {path}") from None
    return sha256_json([line for line in lines if not line.endswith(".md")])
