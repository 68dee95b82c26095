"""What must never be committed: secrets, and folders of the machine on which something was made.

Notebooks, manifests, logs and predictions are written by programs, so nobody reads them before they are published:
`georeplicate check` reads them here. The patterns are the published prefixes of access tokens; a password without any
such form cannot be told from other words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

TEXTS = {".csv", ".json", ".jsonl", ".md", ".ipynb", ".py", ".tex", ".txt", ".toml", ".yml", ".yaml", ".cff", ".html"}
PATTERNS = {
    "a home folder": rb"/(?:home|Users)/[A-Za-z_][\w.-]*/|/root/\.?\w|\b[A-Z]:\\{1,2}Users\\",
    "an access token": rb"\b(?:hf_[A-Za-z0-9]{30}|sk-[A-Za-z0-9_-]{24}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{30}"
    rb"|glpat-[\w-]{20}|AKIA[0-9A-Z]{16}|xox[baprs]-[\w-]{10}|AIza[\w-]{35})",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a password in an address": rb"\b[a-z][a-z+]{2,9}://[^\s/:@\"'{}<>]+:[^\s/:@\"'{}<>]+@[\w.-]+",
}
_LOOK = re.compile(b"|".join(b"(%s)" % pattern for pattern in PATTERNS.values()))


def leaks(folders: Iterable[str | Path]) -> list[str]:
    """A sentence for each file below these folders (or each file named) that holds any of PATTERNS: file, line, what.

    The secret itself is not repeated. Below a folder only files with an ending in TEXTS are read.
    """
    found = []
    for folder in map(Path, folders):
        below = (path for path in folder.rglob("*") if path.suffix in TEXTS)
        for path in sorted(below) if folder.is_dir() else [folder]:
            if not path.is_file():
                continue
            data = path.read_bytes()
            if (match := _LOOK.search(data)) is not None:
                what = list(PATTERNS)[(match.lastindex or 1) - 1]
                line = data.count(b"\n", 0, match.start()) + 1
                found.append(f"{path}, line {line}: {what} must not be published; take it out, or make the file again")
    return found
