"""workers.py on toy tasks: order, failures, kills, interrupts; no worker outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from georeplicate import files
from georeplicate.runs import pool


def work(path, report, *, fail=""):
    report(0.5, "half way")
    if fail == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fail == "full":
        raise RuntimeError("PytorchStreamWriter: No space left on device")
    if fail == "denied":
        raise PermissionError(13, "Permission denied", str(path))
    if fail:
        raise ValueError(f"{fail}\nand more")
    print("seen", flush=True)
    path.write_text(f"{os.getpid()} {time.monotonic_ns()}")
    report(0.5, "done")


class Failing:
    def __init__(self, how):
        self.how = how

    def __call__(self, path, report):
        work(path, report, fail=self.how)


class Unreadable(Failing):
    """A task that no worker can read, so that none begins it."""

    def __reduce__(self):
        return Unreadable.unread, ()

    @staticmethod
    def unread():
        raise ModuleNotFoundError("No module named 'missing'")


def sleep(path, report):
    path.write_text(str(os.getpid()))
    time.sleep(3600)  # until it is killed


def task(folder, name, function=work, after=""):
    return pool.Task(name, function, (folder / name,), 1.0, folder / f"{name}.txt", after)


def test_tasks_wait_for_what_they_go_on_from_and_share_workers(tmp_path, capfd):
    tasks = [task(tmp_path, "b", after="a"), task(tmp_path, "a"), task(tmp_path, "c", after="b")]
    pool.run(tasks, workers=2, title="toys")
    (worker, a), (again, b), (_, c) = ((tmp_path / n).read_text().split() for n in "abc")
    assert int(a) < int(b) < int(c) and worker == again
    assert (tmp_path / "a.txt").read_text() == "seen\n"
    shown = capfd.readouterr()
    assert "seen" not in shown.out and "toys 100%" in shown.err and "left" in shown.err


@pytest.mark.parametrize(
    "how, words",
    [
        ("what is wrong", "ValueError: what is wrong (more in"),
        ("kill", "its process was killed"),
        ("full", "the disk is full at"),
        ("denied", "the folder is read-only"),
        ("unread", "its process ended with exit code 1 before it began (what it printed stands above)"),
    ],
)
def test_a_failure_is_named_in_one_sentence_and_the_others_go_on(tmp_path, how, words):
    kind = Unreadable if how == "unread" else Failing
    tasks = [task(tmp_path, "a", kind(how)), task(tmp_path, "b", after="a"), task(tmp_path, "c")]
    with pytest.raises(pool.WorkError) as caught:
        pool.run(tasks, workers=1, title="toys")
    said = str(caught.value)
    assert said.startswith("a failed: ") and words in said and "\n" not in said
    assert said.endswith("; b was not begun, as it goes on from a")
    assert (tmp_path / "c").exists() and not (tmp_path / "b").exists()


def test_how_a_process_ended_is_said_as_it_was(tmp_path):
    log = tmp_path / "a.txt"
    assert pool._ended(-signal.SIGKILL, True, log) == "its process was killed, most often for want of memory"
    assert pool._ended(-signal.SIGKILL, False, log).startswith("its process was killed before it began,")
    assert (
        pool._ended(-signal.SIGSEGV, True, log)
        == f"its process was ended by signal 11, Segmentation fault (more in {log})"
    )
    assert pool._ended(3, True, log) == f"its process ended with exit code 3 (more in {log})"


def leave(path, report):
    """Done; then the worker is killed while it is idle."""
    path.write_text(str(os.getpid()))
    threading.Timer(0.2, os._exit, [1]).start()


def wait_until_it_left(path, report):
    first = path.with_name("a")
    while not (first.exists() and first.read_text()):
        time.sleep(0.05)
    while alive(int(first.read_text())):
        time.sleep(0.05)
    path.write_text("seen")


def alive(pid):
    """Whether the process runs; one that ended and that nobody waited for does not. Its first thread may end before
    the others, which hold its pipes open until they end too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat, threads = Path(f"/proc/{pid}/stat"), Path(f"/proc/{pid}/task")
    return not (stat.exists() and stat.read_text().split()[2] == "Z" and len(list(threads.iterdir())) == 1)


def test_a_worker_that_died_while_idle_takes_no_task_with_it(tmp_path):
    tasks = [task(tmp_path, "a", leave), task(tmp_path, "b", wait_until_it_left), task(tmp_path, "c", after="b")]
    tasks.append(task(tmp_path, "d", after="b"))
    pool.run(tasks, workers=2, title="toys")
    assert (tmp_path / "c").exists() and (tmp_path / "d").exists()


def test_a_sentence_of_ours_is_passed_on_as_it_is(tmp_path):
    error = files.FileError("cannot write x: the moon is full")
    assert pool._sentence(error, tmp_path / "log") == str(error)


PARENT = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have it ignored
sys.path.insert(0, {tests!r})
from test_workers import sleep, task
from georeplicate.runs import pool
try:
    pool.run([task(Path({folder!r}), "a", sleep)], workers=1, title="toys")
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("how, code", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_no_worker_outlives_an_interrupted_or_killed_parent(tmp_path, how, code):
    script = PARENT.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    while not ((tmp_path / "a").exists() and (tmp_path / "a").read_text()):
        assert parent.poll() is None, "the parent ended before its worker began"
        time.sleep(0.05)
    worker = int((tmp_path / "a").read_text())
    parent.send_signal(how)
    assert parent.wait(300) == code
    for _ in range(6000):  # a limit for failures only
        if not alive(worker):
            return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker went on")
