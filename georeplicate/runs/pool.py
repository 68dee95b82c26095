"""Tasks on worker processes: which waits for which, one progress bar with the time left, and what failed.

Workers are spawned, not forked (torch's thread pools do not survive a fork). One takes task after task and keeps in
memory what its module caches; what it prints goes to the task's log. A worker that is killed takes only its own task
with it, and a worker whose parent is killed ends by itself.
"""

import contextlib
import ctypes
import gc
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

from tqdm import tqdm

from georeplicate import files

# oneDNN and PyTorch keep a prepared kernel for each of the last 1,024 shapes, some MB each. Batches of answers hardly
# ever have a shape twice, so training grew by a gigabyte; the shapes of one update are some twenty.
KERNELS_KEPT = dict.fromkeys(("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"), "32")

Report = Callable[..., None]  # report(units, doing, skipped=False): units of work done, or found done already


@dataclass(frozen=True)
class Task:
    """function(*arguments, report=...) of a module, about `units` of work, begun when the task named `after` ended."""

    name: str
    function: Callable[..., Any]
    arguments: tuple
    units: float
    log: Path
    after: str = ""


class WorkError(files.Problem):
    """Some tasks failed; the message says which and why, one sentence each."""


# --- the parent ------------------------------------------------------------------------------------------------------


class _Worker:
    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()  # else its end would not be seen
        self.task: Task | None = None
        self.begun, self.done, self.doing = False, 0.0, ""

    def takes(self, task: Task) -> None:
        self.task, self.begun, self.done, self.doing = task, False, 0.0, "begins"


def run(tasks: Sequence[Task], *, workers: int, title: str) -> None:
    """Do all tasks, `workers` at a time, in their order as far as `after` allows.

    If one fails the others go on, but for those after it. Raises WorkError at the end, or KeyboardInterrupt at once;
    no worker outlives the call.
    """
    os.environ.update({name: value for name, value in KERNELS_KEPT.items() if name not in os.environ})
    waiting, open_names, failed = list(tasks), {task.name for task in tasks}, {}
    crew: list[_Worker] = []
    bar = tqdm(
        total=sum(task.units for task in tasks),
        desc=title,
        mininterval=0.5 if sys.stderr.isatty() else 10,
        miniters=0,
        bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed} gone, {remaining} left{postfix}",
    )
    try:
        while open_names:
            for task in [task for task in waiting if task.after in failed]:
                waiting.remove(task)
                _close(task, open_names, bar, task.units)
                failed[task.name] = f"{task.name} was not begun, as it goes on from {task.after}"
            for task in [task for task in waiting if task.after not in open_names]:
                if not _given(task, crew, workers):
                    break
                waiting.remove(task)
            busy: dict[object, _Worker] = {worker.pipe: worker for worker in crew if worker.task}
            for pipe in connection.wait([worker.pipe for worker in busy.values()], timeout=1):
                worker = busy[pipe]
                assert worker.task is not None
                try:
                    kind, *message = worker.pipe.recv()
                except (EOFError, OSError):
                    worker.process.join(60)  # it closed its pipe, so it is ending
                    worker.process.kill()
                    worker.process.join()
                    kind, message = "failed", [_ended(worker.process.exitcode or 0, worker.begun, worker.task.log)]
                    crew.remove(worker)
                worker.begun = True
                if kind == "work":
                    units, worker.doing, skipped = message
                    units = min(units, worker.task.units - worker.done)
                    worker.done += units
                    if skipped:
                        bar.total = (bar.total or 0.0) - units
                    else:
                        bar.update(units)
                else:
                    if kind == "failed":
                        failed[worker.task.name] = f"{worker.task.name} failed: {message[0]}"
                    _close(worker.task, open_names, bar, worker.task.units - worker.done)
                    worker.task = None
            bar.set_postfix_str(", ".join(f"{w.task.name} {w.doing}" for w in crew if w.task), refresh=False)
            bar.update(0)
        for worker in crew:
            with contextlib.suppress(OSError):
                worker.pipe.send(None)
            worker.process.join()
    finally:
        for worker in crew:
            worker.process.kill()
            worker.process.join()
        bar.close()
    if failed:
        raise WorkError("; ".join(failed.values()))


def _given(task: Task, crew: list[_Worker], workers: int) -> bool:
    """Whether an idle worker took the task, or a new one where there is room; those that died while idle leave."""
    for worker in [worker for worker in crew if worker.task is None]:
        try:
            worker.pipe.send(task)
        except OSError:  # it died, and nobody listens
            crew.remove(worker)
            worker.process.join()
            continue
        worker.takes(task)
        return True
    if len(crew) == workers:
        return False
    crew.append(worker := _Worker())
    worker.takes(task)
    with contextlib.suppress(OSError):  # if it is dead already, that is noticed when it is waited for
        worker.pipe.send(task)
    return True


def _ended(code: int, begun: bool, log: Path) -> str:
    """How a worker's process ended without a word, from its exit code (negative: the signal) and whether it had begun
    its task."""
    when = "" if begun else " before it began"
    if code == -signal.SIGKILL:
        return f"its process was killed{when}, most often for want of memory"
    how = f"was ended by signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"ended with exit code {code}"
    where = f"more in {log}" if begun else "what it printed stands above"
    return f"its process {how}{when} ({where})"


def _close(task: Task, open_names: set[str], bar: tqdm, units_left: float) -> None:
    open_names.discard(task.name)
    bar.total = max((bar.total or 0.0) - units_left, bar.n)  # rounding


# --- a worker --------------------------------------------------------------------------------------------------------


def _serve(pipe: connection.Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while (task := pipe.recv()) is not None:
        pipe.send(("work", 0.0, "begins", False))  # the task could be read: what ends the process now is its doing
        try:
            task.log.parent.mkdir(parents=True, exist_ok=True)
            with open(task.log, "w") as log:
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                    os.dup2(log.fileno(), stream.fileno())

            def report(units: float, doing: str, skipped: bool = False) -> None:
                pipe.send(("work", units, doing, skipped))

            task.function(*task.arguments, report=report)
            pipe.send(("done",))
        except Exception as error:
            traceback.print_exc()
            pipe.send(("failed", _sentence(error, task.log)))
        give_back_memory()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def give_back_memory() -> None:
    """The C library keeps what was freed, up to a gigabyte after each training, unless it is asked."""
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _sentence(error: Exception, log: Path) -> str:
    """What went wrong, for a person; libraries say of a full disk only that they could not write."""
    with contextlib.suppress(OSError):
        if "No space left" in str(error) or shutil.disk_usage(log.parent).free < 2**20:
            return f"the disk is full at {log.parent}; free some space and run the same command again"
    if isinstance(error, files.FileError):
        return str(error)
    if isinstance(error, OSError):
        return files.explain(error, error.filename or log.parent)
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{type(error).__name__}: {first} (more in {log})"
