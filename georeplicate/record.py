"""What a run leaves behind: files that are whole or absent, and a manifest that says how they came to be.

A run folder is finished when its `manifest.json` exists, and is written last; every file it lists is named with its
SHA-256, so that a torn or altered one is noticed (safetensors, for one, has no checksum of its own).
"""

import ast
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

MANIFEST = "manifest.json"
PACKAGE = Path(__file__).resolve().parent
_VERSIONS_OF = ("numpy", "scipy", "pandas", "pillow", "torch", "transformers", "trl", "peft", "haversine", "cartopy")


class RecordError(OSError):
    """A file could not be written, or is not what it was; the message is one sentence for a person."""


# --- whole files ---------------------------------------------------------------------------------------------------


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write `data` to `path` so that a reader, or a crash, sees the old file or the new one and nothing between.

    Temporary file in the same folder, fsync, rename. Folders are made. RecordError on a full disk or read-only folder.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes it private; a result is an ordinary file
        os.replace(temporary, path)
    except OSError as error:
        raise RecordError(explain(error, path)) from error
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
    return path


def write_json(path: str | Path, value: object) -> Path:
    """`value` as indented JSON with a closing newline, keys in the given order, NaN refused (it is not JSON)."""
    return write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_csv(path: str | Path, table) -> Path:
    """A pandas DataFrame as UTF-8 CSV without its index. Floats keep all digits, so that a table can be recomputed."""
    return write_bytes(path, table.to_csv(index=False, lineterminator="\n").encode())


def explain(error: OSError, path: str | Path) -> str:
    """One sentence: what could not be written, why, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot write {path}: the disk is full; free some space and run the same command again"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"cannot write {path}: the folder is read-only for this user; choose another or change its permissions"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"cannot write {path}: a file stands where a folder should be; move it out of the way"
    return f"cannot write {path}: {error.strerror or error}"


@contextlib.contextmanager
def alone(path: str | Path, waiting: str) -> Iterator[None]:
    """Hold the lock file `path`; print `waiting` if another process has it. The system lets go of it even on a kill."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "w")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise RecordError(explain(error, path.parent)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(waiting, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- checksums -----------------------------------------------------------------------------------------------------


def sha256_file(path: str | Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_files(paths: Iterable[str | Path], root: str | Path) -> str:
    """One hex SHA-256 over many files: names relative to `root` and contents, sorted, so that order is no matter."""
    digest = hashlib.sha256()
    for name, path in sorted((Path(p).relative_to(root).as_posix(), p) for p in paths):
        digest.update(f"{name}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


def sha256_json(*parts: object) -> str:
    """Hex SHA-256 of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


# --- which code ----------------------------------------------------------------------------------------------------


def code(*modules: str, package: Path = PACKAGE) -> dict[str, str]:
    """{module: SHA-256 of its syntax tree} of modules named as seen from the package ("atlas.facts").

    Comments, docstrings and the layout of the text do not enter. ValueError for a module that does not exist.
    """
    return {name: _hash(_path(package, name)) for name in sorted(modules)}


def imported(*modules: str, package: Path = PACKAGE) -> list[str]:
    """The modules of the package that `modules` import, however deep, themselves included."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(_path(package, name), package)
    return sorted(found)


def imports_of(tree: ast.AST, package: Path = PACKAGE) -> list[str]:
    """The modules of the package that a syntax tree imports by name, with the packages around them."""
    named: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            named += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    inside = [name.removeprefix(f"{package.name}.") for name in named if name.startswith(f"{package.name}.")]
    return sorted({part for name in inside for part in _with_parents(name) if _module(package, part)})


def _path(package: Path, name: str) -> Path:
    path = _module(package, name)
    if path is None:
        raise ValueError(f"{package.name} has no module {name!r}")
    return path


def _module(package: Path, name: str) -> Path | None:
    stem = package.joinpath(*name.split("."))
    return next((p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()), None)


@cache
def _imports(path: Path, package: Path) -> list[str]:
    return imports_of(ast.parse(path.read_text(encoding="utf-8")), package)


@cache
def _hash(path: Path) -> str:
    return sha256_tree(ast.parse(path.read_text(encoding="utf-8")))


def sha256_tree(tree: ast.Module) -> str:
    """Hex SHA-256 of a syntax tree without its docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts) + 1)]


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


# --- where and how -------------------------------------------------------------------------------------------------


def machine() -> dict:
    """Where this runs: cpu (model name), cores this process may use, memory_gib, system, python."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    if platform.system() == "Darwin":
        answer = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        if answer.returncode == 0:
            return answer.stdout.strip()
    return platform.processor() or platform.machine()


def git_state(folder: str | Path = Path(__file__).parent) -> dict:
    """commit (hex, or None outside a git checkout) and dirty (tracked files changed, or None) of this code."""

    def git(*words: str) -> str | None:
        try:
            answer = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True)
        except FileNotFoundError:
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if commit is None or changed is None else bool(changed)}


def versions() -> dict[str, str]:
    """Installed versions of the packages that can move a number."""
    found = {}
    for name in _VERSIONS_OF:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


# --- a run ---------------------------------------------------------------------------------------------------------


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
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and name.parts[0] not in {MANIFEST, *apart}:
            files[name.as_posix()] = sha256_file(path)
    manifest = {
        "profile": profile,
        "seed": seed,
        "git": git_state(),
        "data_sha256": data_sha256,
        "device": device,
        "machine": machine(),
        "versions": versions(),
        "wall_seconds": round(time.time() - started, 1),
        "files": files,
    }
    clash = manifest.keys() & more.keys()
    if clash:
        raise ValueError(f"the manifest already has {', '.join(sorted(clash))}")
    return write_json(folder / MANIFEST, manifest | more)


def is_finished(folder: str | Path) -> bool:
    """True if the run in `folder` wrote its manifest and every file listed there is present and unaltered."""
    try:
        read_manifest(folder)
    except RecordError:
        return False
    return True


def read_manifest(folder: str | Path) -> dict:
    """The manifest of a finished run; RecordError says which file is missing, damaged or altered."""
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files = dict(manifest["files"])
    except (FileNotFoundError, NotADirectoryError):
        raise RecordError(f"{folder} holds no finished run: {MANIFEST} is missing; run it again") from None
    except (ValueError, KeyError, TypeError):
        raise RecordError(f"{folder / MANIFEST} is damaged; delete {folder} and run it again") from None
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise RecordError(f"{path} is missing though the manifest lists it; delete {folder} and run it again")
        if sha256_file(path) != expected:
            raise RecordError(f"{path} is not the file that the run wrote (SHA-256 differs); run it again")
    return manifest
