"""What tests of runs share: a policy to start from, and the model and data of the dry run."""

import pytest
from toy import SHAPE

from georeplicate.mini import base, tiny
from georeplicate.runs import pool


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """The folder of a small untrained policy with the mini world's words."""
    path = tmp_path_factory.mktemp("base") / "mini-base"
    tiny.build(base.vocabulary(), seed=0, **SHAPE).save(path)
    return path


@pytest.fixture(scope="session")
def dry_home(tmp_path_factory):
    """The folder in which model and data of `paper-dry` are made, once for all tests."""
    return tmp_path_factory.mktemp("dry")


@pytest.fixture
def shards_here(monkeypatch):
    """Shards on a CPU are answered in this process, one after another, with the errors of the pool:
    [(name, how many parts it was given)]."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    for name in ("CUDA_VISIBLE_DEVICES", "VLLM_ENABLE_V1_MULTIPROCESSING"):
        monkeypatch.setenv(name, "")
    given = []

    def run(tasks, *, workers, title):
        assert workers == len(tasks)
        failed = []
        for task in tasks:
            given.append((task.name, len(task.arguments[-2])))
            try:
                task.function(*task.arguments, report=lambda *_, **__: None)
            except Exception as error:
                failed.append(f"{task.name} failed: {pool._sentence(error, task.log)}")
        if failed:
            raise pool.WorkError("; ".join(failed))

    monkeypatch.setattr(pool, "run", run)
    return given
