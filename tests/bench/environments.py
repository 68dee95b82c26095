"""Small machines, other people's machines: a smoke run within limits, an installation killed, another Python.

What cannot be tried on a machine (no `taskset`, no package index, no other Python) becomes a line that says so.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from clones import ROOT, Outcome, clone, kill, last_line, session, undisturbed

MEMORY = 4 * 2**30  # bytes
CGROUPS = Path("/sys/fs/cgroup/memory")  # version 1; where there is none, each process is limited by itself
NOBODY = 65534  # user and group without rights, on every Linux
THROUGH_SHELL = ("sh", "-c", 'exec "$@"', "sh")  # setpriv keeps root's rights until its command has started another


@dataclasses.dataclass
class Memory:
    """A limit in force: `prefix` starts a command under it, `words` name it, `peak` is the most bytes that it held."""

    prefix: tuple[str, ...]
    words: str
    peak: int = 0


@contextlib.contextmanager
def memory_limit(limit: int, cgroups: Path = CGROUPS) -> Iterator[Memory]:
    """At most `limit` bytes for all processes together, page cache included (a memory cgroup), where one can be made;
    else for the data of each process (RLIMIT_DATA)."""
    group = cgroups / f"georeplicate-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit))
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        yield Memory(("prlimit", f"--data={limit}"), f"{limit / 2**30:g} GiB of data for each process (RLIMIT_DATA)")
        return
    join = f'echo $$ > "{group}/cgroup.procs" && exec "$@"'
    memory = Memory(("sh", "-c", join, "sh"), f"{limit / 2**30:g} GiB for all processes together (a memory cgroup)")
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):  # the group's own maximum counts the page cache, which always fills what there is
            memory.peak = max(memory.peak, held(group / "memory.stat"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield memory
    finally:
        ended.set()
        watcher.join()
        for _ in range(20):  # its last processes may still be ending
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.5)


def held(statistics: Path) -> int:
    """Bytes of a cgroup that are no page cache."""
    return int(dict(line.split() for line in statistics.read_text().splitlines())["total_rss"])


def without_rights() -> tuple[str, ...]:
    """A prefix that runs a command as nobody, who can gain no rights; nothing where we are not root ourselves."""
    if os.geteuid():
        return ()
    return (
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
        "--bounding-set=-all", "--inh-caps=-all",
    )  # fmt: skip


def python_for(user: tuple[str, ...], folder: Path) -> str | None:
    """An interpreter of this minor version with our packages that `user` can start: the one that runs this; or else, as
    that may lie in a home folder, the system's in an environment that borrows the packages; or else None."""

    def starts(python: str) -> bool:
        command = [*user, *THROUGH_SHELL, python, "-c", "import torch"]
        return subprocess.run(command, capture_output=True, cwd="/").returncode == 0

    if starts(sys.executable):
        return sys.executable
    minor = "{}.{}".format(*sys.version_info)
    system = shutil.which(f"python{minor}", path="/usr/local/bin:/usr/bin")
    if not system:
        return None
    made = folder / "environment"
    subprocess.run([system, "-m", "venv", "--without-pip", str(made)], check=True)
    borrowed = made / "lib" / f"python{minor}" / "site-packages" / "borrowed.pth"
    borrowed.write_text(sysconfig.get_path("purelib") + "\n")
    return str(made / "bin" / "python") if starts(str(made / "bin" / "python")) else None


def limits(folder: Path, short: bool, expected: dict[str, str]) -> Outcome:
    """Smoke with 4 GB of memory, on one core, by a user without rights, all at once: who passes so passes each."""
    what = "4 GB of memory, one core, not root, all at once"
    missing = [tool for tool in ("taskset", "setpriv", "prlimit") if not shutil.which(tool)]
    if missing:
        return Outcome.not_run(what, f"there is no {', no '.join(missing)} here")
    user = without_rights()
    if user:
        folder.chmod(0o711)  # a temporary folder lets nobody else in
    python = python_for(user, folder)
    if python is None:
        return Outcome.not_run(what, "no Python of this version and its packages lie where other users can read them")
    home = folder / "home"
    home.mkdir()
    core = min(os.sched_getaffinity(0))
    with memory_limit(MEMORY) as memory:
        prefix = (*memory.prefix, "taskset", "--cpu-list", str(core), *user, *(THROUGH_SHELL if user else ()))
        here = clone(folder, "narrow", short, prefix=prefix, HOME=str(home))
        here.python = python
        if user:
            for path in (home, here.path, *here.path.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        outcome, _ = undisturbed(here, what, expected)
    outcome.injected = 3
    peak = f"at most {memory.peak / 2**30:.1f} GiB held" if memory.peak else ""
    who = f"user {NOBODY}, without capabilities" if user else f"user {os.geteuid()}"
    which = "" if python == sys.executable else f"the system's Python {version_of(python)}"
    outcome.remark = "; ".join(filter(None, [outcome.remark, memory.words, peak, "taskset", who, which]))
    return outcome


# --- an installation -----------------------------------------------------------------------------------------------


def installation(folder: Path, expected: dict[str, str], rng: random.Random) -> Outcome:
    """`make` killed while it makes the environment, while it downloads and while it unpacks; then to the end."""
    what = "SIGKILL to `make` while it makes the environment, downloads, unpacks; then repeated"
    started, here = time.time(), clone(folder, "installed", True)
    pin = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("tqdm=="))
    probe = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "probe"), pin]
    if subprocess.run(probe, capture_output=True).returncode:
        return Outcome.not_run(what, "no package index can be reached")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    base = getattr(sys, "_base_executable", sys.executable)  # the interpreter that made the environment we are in

    def make() -> subprocess.Popen:
        return session(["make", ".venv/.installed", f"PYTHON={base}"], here.path, environment)

    hit, said = 0, ""
    moments = [
        (None, rng.uniform(0.5, 4)),
        (rf"^ +{rng.randrange(20, 120)} \S", rng.uniform(0, 1)),
        ("unpacking", rng.uniform(2, 15)),
    ]
    for line, seconds in moments:
        process = make()
        if line is None or any(re.search(line, one) for one in process.stdout or ()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        hit += process.poll() is None
        if process.poll() is None:
            kill(process)
        if (here.path / ".venv" / ".installed").exists():
            return Outcome(what, hit, "-", 1, time.time() - started, "marked as installed before it was")
    process = make()
    said = process.communicate()[0]
    if process.returncode:
        return Outcome(what, hit, "-", 1, time.time() - started, last_line(said))
    here.python = str(here.path / ".venv" / "bin" / "python")
    packages = next((here.path / ".venv" / "lib").glob("python3*/site-packages"))
    wrong = damaged_files(packages) + unpinned(packages, here.path / "constraints.txt")
    if subprocess.run([here.python, "-m", "pip", "check"], capture_output=True).returncode:
        wrong.append("pip check")
    first = "runs/sft-s0/predictions.csv"
    here.run("train", "sft", "--profile", "smoke")
    if here.results().get(first) != expected[first]:
        wrong.append(first)
    found = len(list(metadata.distributions(path=[str(packages)])))
    again = f"{said.count('half installed')} of {found} packages were half installed and were laid anew"
    remark = "; ".join(filter(None, [", ".join(wrong[:3]), again, "all files of all packages checked; SFT as before"]))
    return Outcome(what, hit, "-", len(wrong), time.time() - started, remark)


def damaged_files(packages: Path) -> list[str]:
    """Files of installed packages that are missing or differ from their checksum in RECORD; packages without one."""
    bad = []
    for package in metadata.distributions(path=[str(packages)]):
        if not package.files:
            bad.append(str(package.name))
        for file in package.files or ():
            if file.hash is None:
                continue  # byte-code, and RECORD itself
            try:
                digest = hashlib.new(file.hash.mode, Path(str(file.locate())).read_bytes()).digest()
            except OSError:
                digest = b""
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                bad.append(str(file))
    return sorted(bad)


def unpinned(packages: Path, constraints: Path) -> list[str]:
    """Installed packages of another version than the tested one; a build (+cpu) counts as its version."""
    pins = dict(line.split("==") for line in constraints.read_text().splitlines())
    wrong = []
    for package in metadata.distributions(path=[str(packages)]):
        name = re.sub(r"[-_.]+", "-", package.name).lower()
        if package.version.partition("+")[0] != pins.get(name, package.version).partition("+")[0]:
            wrong.append(f"{name} {package.version}")
    return sorted(wrong)


# --- other Pythons -------------------------------------------------------------------------------------------------

COMPILE = "import sys; [compile(open(p, encoding='utf-8').read(), p, 'exec') for p in sys.argv[1:]]"


def version_of(python: str) -> str | None:
    """3.13.0, or None where it does not start."""
    ask = [python, "-c", "import platform; print(platform.python_version())"]
    answer = subprocess.run(ask, capture_output=True, text=True)
    return answer.stdout.strip() if answer.returncode == 0 else None


def newest_python() -> str | None:
    """The newest python3.N in PATH that is newer than this one and starts."""
    names = (f"python3.{minor}" for minor in range(sys.version_info.minor + 9, sys.version_info.minor, -1))
    return next((path for path in map(shutil.which, names) if path and version_of(path)), None)


def other_python(folder: Path, short: bool, expected: dict[str, str], given: str | None) -> Outcome:
    """Smoke with the interpreter that was named, or the newest one here; where our packages are not installed for it,
    only what it says of the sources, and mypy for its version."""
    python = given or newest_python()
    if python is None:
        return Outcome.not_run(f"a Python newer than 3.{sys.version_info.minor}", "none is here")
    version = version_of(python)
    if version is None:
        return Outcome.not_run(python, "it does not start")
    here = clone(folder, "python", short)
    if subprocess.run([python, "-c", "import torch, trl"], capture_output=True, cwd=folder).returncode == 0:
        here.python = python
        return undisturbed(here, f"Python {version}", expected)[0]
    outcome = Outcome.not_run(f"Python {version}, the newest here", "no packages are installed for it")
    started, said = time.time(), []
    sources = sorted(str(file) for file in here.path.rglob("*.py"))
    compiled = subprocess.run([python, "-B", "-W", "error", "-c", COMPILE, *sources], capture_output=True, text=True)
    if compiled.returncode == 0:
        said.append(f"it compiles all {len(sources)} files without a warning")
    else:
        said.append(last_line(compiled.stderr))
        outcome.lost += 1
    if not short:
        minor = ".".join(version.split(".")[:2])
        words = ["--python-version", minor, "--cache-dir", str(folder / "types")]
        types = subprocess.run([sys.executable, "-m", "mypy", *words], cwd=here.path, capture_output=True, text=True)
        if types.returncode == 0:
            said.append(f"mypy finds nothing for {minor}")
        else:
            said.append(last_line(types.stdout))
            outcome.lost += 1
    return dataclasses.replace(outcome, seconds=time.time() - started, remark="; ".join([outcome.remark, *said]))
