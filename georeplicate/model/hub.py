"""Starting policies by name: a folder on disk, or a published model at one commit of the hub.

What cannot be used here is refused before a weight is fetched; of a download that stopped whole files are kept, and
what it brought is compared with the sums that the hub states. Every failure is one sentence: what happened, to which
file of which model, and what to do.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from georeplicate import files, network
from georeplicate.model import checkpoint
from georeplicate.model.checkpoint import CheckpointError

# Families whose pictures `model.processors` and `model.policy` know.
FAMILIES = ("qwen2_5_vl", "qwen3_vl", "internvl", "llava")
KEPT = ("*.json", "*.jinja", "*.txt", "*.model", "*.safetensors")  # no code and nothing that has to be unpickled
_SNAPSHOT = re.compile(r"models--(?P<name>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40})$")
_NAME = re.compile(r"\w(?:[\w.-]{0,94}\w)?/\w(?:[\w.-]{0,94}\w)?", re.ASCII)  # OWNER/NAME
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
_CHECKED = "checked.json"  # beside the blobs: those that were compared with their sums


def folder(name: str, revision: str | None = None) -> Path:
    """The folder of a policy: `name` itself if it is one, else the hub's snapshot of it, fetched where it is missing.

    revision: a branch, tag or commit (None: the main branch). A snapshot's folder ends in its commit (`identity`).
    CheckpointError in one sentence where the model does not exist, is gated, of a family that cannot be used here, too
    large for the disk, or damaged, and where the hub cannot be reached and the snapshot is not whole in the cache.
    """
    if os.path.isdir(name):  # a name of any length and with any character
        if revision:
            raise CheckpointError(f"{name} is a folder, which has no revision {revision!r}: leave the revision out")
        return Path(name).resolve()
    if os.path.isfile(name):
        raise CheckpointError(f"{name} is a file: name the folder of a checkpoint, or a model of the hub")
    if not _NAME.fullmatch(name):
        raise CheckpointError(
            f"there is no checkpoint at {name}; build it, or give the name of a published model (OWNER/NAME)"
        )
    from huggingface_hub import constants

    found = _held(name, revision)
    if not (found and re.fullmatch("[0-9a-f]{40}", revision or "")) and not constants.HF_HUB_OFFLINE:
        try:
            with _sentence(name, revision), network.bounded():
                found = _fetched(name, revision)
        except _Unreachable as error:
            if found is None:
                raise
            print(f"the hub cannot be asked for {name}, so its snapshot in the cache is used: {error}", flush=True)
    if found is None:
        raise CheckpointError(_absent(name, revision, "HF_HUB_OFFLINE is set"))
    _compare(name, found)
    return found


def named(name: str) -> Path:
    """The folder of a policy as people name it: a folder, NAME or NAME@REVISION of the hub; raises as `folder`."""
    if os.path.isdir(name):
        return folder(name)
    model, _, revision = name.partition("@")
    return folder(model, revision or None)


def out_of_reach(name: str, revision: str | None = None) -> str:
    """Why a model can be neither found nor fetched, as far as that can be told without asking the hub; "" if it may."""
    from huggingface_hub import constants

    if os.path.isdir(name) or not constants.HF_HUB_OFFLINE or _held(name, revision):
        return ""
    return _absent(name, revision, "HF_HUB_OFFLINE is set")


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


def missing(path: Path) -> list[str]:
    """The files of weights that a checkpoint's folder should hold and does not; the index itself where it has none."""
    index = path / "model.safetensors.index.json"
    if not index.is_file():
        return [] if (path / "model.safetensors").is_file() else ["model.safetensors"]
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return sorted(name for name in shards if not (path / name).is_file())
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return [index.name]


# --- the cache -------------------------------------------------------------------------------------------------------


def _home(name: str) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")


def _held(name: str, revision: str | None) -> Path | None:
    """The whole snapshot that the cache holds, without asking anybody; None where there is none."""
    home, wanted = _home(name), revision or "main"
    with contextlib.suppress(OSError, ValueError):  # no such name, or a damaged reference
        if (home / "refs" / wanted).is_file():
            wanted = (home / "refs" / wanted).read_text().strip()
        found = home / "snapshots" / wanted
        if (found / "config.json").is_file() and not missing(found):
            return found
    return None


def _absent(name: str, revision: str | None, why: str) -> str:
    """That a model is not in the cache, or only half of it, and how to get it where this cannot be done."""
    home = _home(name)
    halves = sorted(home.glob("snapshots/*/config.json"))
    what = f"{name} is not in the cache of downloads ({home.parent})"
    if halves and (lost := missing(halves[-1].parent)):
        what = f"{name} is only partly in the cache of downloads ({home.parent}): {lost[0]} is missing"
        what += f", with {len(lost) - 1} more" if len(lost) > 1 else ""
    at = f" --revision {revision}" if revision else ""
    return (
        f"{what}, and the hub cannot be reached ({why}); fetch it where there is a network with `hf download "
        f"{name}{at}` and copy that folder here, or name a folder that holds the model"
    )


def _compare(name: str, path: Path) -> None:
    """CheckpointError where a file of weights is not what the hub has; it is removed, so that it is fetched anew.

    The cache names a large file's bytes by their SHA-256. Each is read once: what was compared is noted beside them.
    """
    noted = path.parents[1] / _CHECKED
    try:
        known = json.loads(noted.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    fresh = {}
    for link in sorted(path.glob("*.safetensors")):
        blob = link.resolve()
        if not re.fullmatch("[0-9a-f]{64}", blob.name):
            continue  # a small file, or a cache without links: there is no sum to compare with
        stat = [blob.stat().st_size, blob.stat().st_mtime_ns]
        if known.get(blob.name) != stat and stat[0] > 1e9:
            print(f"{link.name} of {name}: {stat[0] / 1e9:.1f} GB are compared with their sum, once", flush=True)
        if known.get(blob.name) != stat and files.sha256_file(blob) != blob.name:
            link.unlink()
            blob.unlink()
            raise CheckpointError(
                f"{link.name} of {name} is damaged (its SHA-256 is not the one that the hub states): it has been "
                "removed; run the same command again, which fetches this file alone; if it is damaged once more, the "
                "server's copy is"
            )
        fresh[blob.name] = stat
    if fresh.keys() - known.keys() or any(known[blob] != stat for blob, stat in fresh.items()):
        with contextlib.suppress(files.FileError):  # a shared cache may be read-only; then it is compared every time
            files.write_json(noted, known | fresh)


# --- fetching --------------------------------------------------------------------------------------------------------


def _fetched(name: str, revision: str | None) -> Path:
    """The snapshot of what the hub has now. Its list of files and its config come first and decide about the rest."""
    from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download

    endpoint = constants.ENDPOINT
    info = HfApi(endpoint=endpoint).model_info(name, revision=revision, files_metadata=True, timeout=network.TIMEOUT_S)
    if info.sha is None or info.siblings is None:
        raise CheckpointError(f"{endpoint} does not say which commit of {name} it has, or which files: ask another hub")
    sizes = {file.rfilename: file.size or 0 for file in info.siblings}
    if "config.json" not in sizes:
        raise CheckpointError(f"{name} has no config.json on the hub, so it is no model that transformers can load")
    config = hf_hub_download(
        name, "config.json", revision=info.sha, endpoint=endpoint, cache_dir=constants.HF_HUB_CACHE
    )
    _refuse(name, Path(config), sizes)
    _check_space(name, info.sha, sizes)
    if missing(_home(name) / "snapshots" / info.sha):
        size = sum(size for file, size in sizes.items() if file.endswith(".safetensors"))
        print(f"{name} at {info.sha[:12]}: {_licence(info)}; {size / 1e9:.2f} GB of weights", flush=True)
    home = snapshot_download(
        name, revision=revision, allow_patterns=list(KEPT), endpoint=endpoint, cache_dir=constants.HF_HUB_CACHE
    )
    found = Path(home)
    if lost := missing(found):
        raise CheckpointError(f"{name} is incomplete on the hub: its index names {lost[0]}, which is not there")
    return found


def _licence(info: Any) -> str:
    """As its card states it."""
    stated = (info.card_data or {}).get("license") if info.card_data else None
    stated = stated or next((tag.partition(":")[2] for tag in info.tags or () if tag.startswith("license:")), None)
    return f"licence {stated}, as its authors state it" if stated else "its authors state no licence"


def _refuse(name: str, config: Path, sizes: dict[str, int]) -> None:
    """CheckpointError for a model that could not be used here, as far as its config and list of files tell."""
    try:
        stated: Any = json.loads(config.read_text(encoding="utf-8"))
        family = stated.get("model_type", "")
    except (ValueError, AttributeError):
        raise CheckpointError(f"the config.json of {name} is no JSON object; nothing was downloaded") from None
    if family not in FAMILIES:
        if family == "internvl_chat":
            remedy = f"its authors publish it for transformers as well: {name}-hf"
        elif "auto_map" in stated:
            remedy = "its code lies on the hub, and no code from there is run here"
        else:
            remedy = "what it does with pictures is not known here"
        raise CheckpointError(
            f"{name} is of the family {family!r}, of which nothing was downloaded: {remedy}; families that work are "
            f"{', '.join(FAMILIES)}"
        )
    if not any(file.endswith(".safetensors") for file in sizes):
        adapter = "adapter_config.json" in sizes
        raise CheckpointError(
            f"{name} has no weights as safetensors, of which nothing was downloaded: "
            + ("it is an adapter; merge it into its base first" if adapter else "only those are loaded here")
        )


def _check_space(name: str, commit: str, sizes: dict[str, int]) -> None:
    """CheckpointError where the disk has no room for what is still to be fetched."""
    home = _home(name)
    there = home / "snapshots" / commit
    needed = sum(size for file, size in sizes.items() if file.endswith(".safetensors") and not (there / file).exists())
    disk = next(parent for parent in (home, *home.parents) if parent.exists())
    free = shutil.disk_usage(disk).free
    if needed > free:
        raise CheckpointError(
            f"{name} needs {needed / 1e9:.2f} GB below {home.parent}, where {free / 1e9:.2f} GB are free: free some "
            "space, or set HF_HOME to a folder on a larger disk"
        )


class _Unreachable(CheckpointError):
    """The hub does not answer, or not now; a whole snapshot in the cache will do."""


@contextlib.contextmanager
def _sentence(name: str, revision: str | None) -> Iterator[None]:
    """What huggingface_hub raises, as one sentence with the remedy."""
    import httpx2
    from huggingface_hub import errors

    at = f" at {revision}" if revision else ""
    try:
        yield
    except CheckpointError:
        raise
    except network.TooLong as error:
        raise _Unreachable(
            f"the hub is busy and asks for a wait of {error.seconds:.0f} s before {name} can be fetched; whole files "
            "that have arrived are kept, so run the same command again after that"
        ) from None
    except errors.GatedRepoError as error:
        refused = error.response is not None and error.response.status_code == 403
        raise CheckpointError(
            f"{name} is gated and "
            + (
                "your account has no access: accept its terms"
                if refused
                else "no valid token was sent: accept its terms"
            )
            + f" at https://huggingface.co/{name}, then log in with `hf auth login` or set HF_TOKEN"
        ) from None
    except errors.RevisionNotFoundError:
        raise CheckpointError(
            f"{name} has no revision {revision!r} on the hub: name a branch, tag or full commit that its page lists"
        ) from None
    except errors.RepositoryNotFoundError:
        raise CheckpointError(
            f"{name} is neither a folder nor a model on the hub that you may see: check its spelling, or log in with "
            "`hf auth login` if it is private"
        ) from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        reason = network.root(error)
        status = getattr(getattr(reason, "response", None), "status_code", None)
        if isinstance(reason, OSError) and reason.errno in _DISK:
            raise CheckpointError(f"{name}: {files.explain(reason, reason.filename or _home(name))}") from None
        if status in (401, 403):
            raise CheckpointError(
                f"the hub refuses {name}{at} (HTTP {status}): log in with `hf auth login` or set HF_TOKEN to a token "
                "that may read it"
            ) from None
        if status == 404:
            raise CheckpointError(
                f"a file of {name}{at} is not on the hub any more (HTTP 404): name another revision"
            ) from None
        if status is not None:
            kind = "is busy" if status in (429, 503) else "is in trouble"
            raise _Unreachable(
                f"the hub {kind} (HTTP {status}) and {name}{at} is not whole yet; whole files that have arrived are "
                "kept, so run the same command again in some minutes"
            ) from None
        if "onsistency check" in str(reason):
            raise CheckpointError(
                f"a file of {name}{at} arrived cut short ({network.first_line(reason)}): run the same command again; "
                "if it fails in the same way, the copy on that server is damaged and another revision or mirror is "
                "needed"
            ) from None
        raise _Unreachable(_absent(name, revision, f"{type(reason).__name__}: {network.first_line(reason)}")) from None
