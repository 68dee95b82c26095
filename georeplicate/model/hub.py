"""Starting policies by name: a folder on disk, or a published model at one commit of the hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from georeplicate import files
from georeplicate.model import checkpoint
from georeplicate.model.checkpoint import CheckpointError

_NAME = re.compile(r"(?:\w(?:[\w.-]{0,94}\w)?(?:/|$)){1,2}(?<!/)", re.ASCII)  # of a model on the hub
_SNAPSHOT = re.compile(r"models--(?P<name>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40})$")


def folder(name: str, revision: str | None = None) -> Path:
    """The folder of a policy: `name` itself if it is one, else the hub's snapshot of it, fetched where it is missing.

    revision: a branch, tag or commit. CheckpointError in one sentence where the hub cannot be reached and the snapshot
    is not in the cache, or where the model does not exist or is gated.
    """
    if os.path.isdir(name):
        return Path(name).resolve()
    if os.path.isfile(name):
        raise CheckpointError(f"{name} is a file: name the folder of a checkpoint, or a model of the hub")
    if not _NAME.fullmatch(name):
        raise CheckpointError(f"there is no folder {name}: name that of a checkpoint, or a model of the hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, ignore_patterns=["*.bin", "*.pth", "*.gguf"]))
    except GatedRepoError:
        raise CheckpointError(
            f"{name} is gated: accept its terms on the hub, then log in with `hf auth login` or set HF_TOKEN"
        ) from None
    except RepositoryNotFoundError:
        raise CheckpointError(f"{name} is neither a folder nor a model on the hub; check its spelling") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") == "1" else ""
        raise CheckpointError(
            f"{name} is not in the cache of downloads and cannot be fetched{offline}: {type(error).__name__}; fetch it "
            f"where there is a network with `hf download {name}`, or name a folder that holds it"
        ) from None


def identity(path: str | os.PathLike) -> str:
    """What a policy is, for keys: "name@commit" of a hub's snapshot, else a checksum of its files.

    CheckpointError if there is no policy.
    """
    path = Path(path)
    if (path / checkpoint.MANIFEST).is_file():
        return checkpoint.identity(path)
    if match := _SNAPSHOT.search(path.as_posix()):
        return f"{match['name'].replace('--', '/')}@{match['commit']}"
    if not (path / "config.json").is_file():
        raise CheckpointError(f"there is no complete policy at {path}")
    return files.sha256_json(files.checksums(path))


def verify(path: str | os.PathLike) -> None:
    """CheckpointError unless the policy is there and, where it has checksums, is what they say."""
    if (Path(path) / checkpoint.MANIFEST).is_file() or not (Path(path) / "config.json").is_file():
        checkpoint.verify_manifest(path)
