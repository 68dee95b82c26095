"""Where numbers come from: which code, which machine, which versions; and how much memory they took."""

import ast
import hashlib
import os
import platform
import re
import resource
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from georeplicate.files import PACKAGE

_VERSIONS_OF = ("numpy", "scipy", "pandas", "pillow", "torch", "transformers", "trl", "peft", "haversine", "cartopy")

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
    found = {name: _version(name) for name in _VERSIONS_OF}
    return {name: version for name, version in found.items() if version is not None}


@cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def peak_mb(device=None) -> float:
    """Peak memory in MB (2**20 bytes): of the allocator where `device` is a CUDA torch.device, else the resident memory
    of this process. Linux hands ru_maxrss down from the parent process, so /proc is read there."""
    if getattr(device, "type", "cpu") == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")
