"""The manifest of a finished run: what went in, where and how it ran, and the checksum of every file it wrote.

A run folder is finished when its `manifest.json` exists, and is written last; every file it lists is named with its
SHA-256, so that a torn or altered one is noticed (safetensors, for one, has no checksum of its own).
"""

import json
import time
from collections.abc import Collection
from pathlib import Path

from georeplicate.files import FileError, checksums, sha256_file, write_json
from georeplicate.provenance import git_state, machine, versions

NAME = "manifest.json"


def finish(
    folder: str | Path,
    *,
    profile: str,
    seed: int | None,
    data_sha256: str,
    started: float,
    device: str = "cpu",
    apart: Collection[str] = (),
    **more: object,
) -> Path:
    """Mark the run in `folder` as finished: hash its files and write `manifest.json`, last of all.

    started: time.time() at the beginning, for the wall time in seconds. data_sha256: of the data that went in. apart:
    names of files and folders in `folder` that `files` does not list, as they are not published with the run; hidden
    and temporary ones never are. more: anything else worth knowing that is JSON (settings, keys, model revision).
    """
    folder = Path(folder)
    listed = checksums(folder, without=(NAME, *apart))
    manifest = {
        "profile": profile,
        "seed": seed,
        "git": git_state(),
        "data_sha256": data_sha256,
        "device": device,
        "machine": machine(),
        "versions": versions(),
        "wall_seconds": round(time.time() - started, 1),
        "files": listed,
    }
    clash = manifest.keys() & more.keys()
    if clash:
        raise ValueError(f"the manifest already has {', '.join(sorted(clash))}")
    return write_json(folder / NAME, manifest | more)


def is_finished(folder: str | Path) -> bool:
    """True if the run in `folder` wrote its manifest and every file listed there is present and unaltered."""
    try:
        read(folder)
    except FileError:
        return False
    return True


def read(folder: str | Path) -> dict:
    """The manifest of a finished run; FileError says which file is missing, damaged or altered."""
    folder = Path(folder)
    try:
        manifest = json.loads((folder / NAME).read_text())
        files = dict(manifest["files"])
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(f"{folder} holds no finished run: {NAME} is missing; run it again") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileError(f"{folder / NAME} is damaged; delete {folder} and run it again") from None
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise FileError(f"{path} is missing though the manifest lists it; delete {folder} and run it again")
        if sha256_file(path) != expected:
            raise FileError(f"{path} is not the file that the run wrote (SHA-256 differs); run it again")
    return manifest
