"""Files that are whole or absent, their checksums, and where this project keeps what it writes."""

import contextlib
import csv
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent
WORK = CHECKOUT / ".georeplicate"  # what a run writes before it is published; git ignores it
RESULTS = CHECKOUT / "results"


class Problem(RuntimeError):
    """Something that a person has to see to; the message is one sentence with its remedy."""


class FileError(OSError):
    """A file could not be written, or is not what it was; the message is one sentence for a person."""


# --- whole files ---------------------------------------------------------------------------------------------------


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write `data` to `path` so that a reader, or a crash, sees the old file or the new one and nothing between.

    Temporary file in the same folder, fsync, rename. Folders are made. FileError on a full disk or read-only folder.
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
        raise FileError(explain(error, path)) from error
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
    return path


def write_json(path: str | Path, value: object) -> Path:
    """`value` as indented JSON with a closing newline, keys in the given order, NaN refused (it is not JSON)."""
    return write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_csv(path: str | Path, table) -> Path:
    """A pandas DataFrame as UTF-8 CSV without its index. Floats keep all digits, so that a table can be recomputed.

    Models write carriage returns too, which minimal quoting leaves bare and readers take for the end of a line: then
    every text is quoted.
    """
    bare = any(isinstance(v, str) and "\r" in v for name in table.columns for v in table[name])
    quoting = csv.QUOTE_NONNUMERIC if bare else csv.QUOTE_MINIMAL
    return write_bytes(path, table.to_csv(index=False, lineterminator="\n", quoting=quoting).encode())


def read_csv(path: str | Path):
    """A pandas DataFrame of a CSV file; ValueError in one sentence, with its name, for what is none."""
    import pandas as pd

    try:
        return pd.read_csv(path)
    except ValueError as error:  # pandas' own errors are, too
        raise ValueError(f"{path} is no CSV in UTF-8 ({str(error).strip()}); make it again") from None


def unused(path: str | Path) -> Path:
    """The path itself, or with -2, -3, ... behind its name the first that does not exist; its folder is made."""
    path, count = Path(path), 1
    path.parent.mkdir(parents=True, exist_ok=True)
    found = path
    while found.exists():
        count += 1
        found = path.with_name(f"{path.name}-{count}")
    return found


def explain(error: OSError, path: str | Path) -> str:
    """One sentence: what could not be written, why, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot write {path}: the disk is full; free some space and run the same command again"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"cannot write {path}: the folder is read-only for this user; choose another or change its permissions"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"cannot write {path}: a file stands where a folder should be; move it out of the way"
    if error.errno in (errno.EISDIR, errno.EBUSY):
        return f"cannot write {path}: a folder of that name is there; name a file"
    return f"cannot write {path}: {error.strerror or error}"


@contextlib.contextmanager
def alone(path: str | Path, waiting: str) -> Iterator[None]:
    """Hold the lock file `path`; print `waiting` if another process has it. The system lets go of it even on a kill."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a")  # noqa: SIM115 (closed below); "w" would touch a file that says nothing
    except OSError as error:
        raise FileError(explain(error, path.parent)) from error
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


def checksums(folder: str | os.PathLike, without: Iterable[str] = ()) -> dict[str, str]:
    """{name as seen from `folder`: hex SHA-256} of all its files, sorted; `without` names what is left out at its top.

    Hidden and temporary files (a name or a folder that begins with a dot) never count.
    """
    folder, left_out = Path(folder), set(without)
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        if name.parts[0] not in left_out and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = sha256_file(path)
    return found
