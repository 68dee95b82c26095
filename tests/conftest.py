"""What every test shares: no network and no clock, so that the suite passes on any machine, however busy."""

import functools
import gc
import importlib.metadata
import os
import socket
import sys

import pytest
from hypothesis import HealthCheck, settings

# An example may take as long as it takes: speeds are measured in tests/bench.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when huggingface_hub is imported, hence before any test module
os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# Files that take longest, the longest first: two processes that share files out in this order end together.
LONGEST = (
    *("test_trainer", "test_report", "test_base", "test_stand_ins", "test_experiment", "test_grpo", "test_results"),
    *("test_engine_records", "test_world", "test_tables", "test_anyones", "test_dry", "test_seams", "test_arms"),
    *("test_golden", "test_baselines", "test_score", "test_options", "test_reproduce", "test_rewards", "test_sft"),
    *("test_factcheck", "test_atlas", "test_prompts", "test_words_and_files", "test_hub"),
)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported while tests are collected stays, so looking for garbage in it is a fifth of the time lost."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items):
    first = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path.stem, len(first)))


@pytest.fixture(autouse=True, scope="session")
def brief():
    """Two things that libraries do dozens of times in each tiny training, a sixth of its time: transformers puts every
    configuration that it reads into words, for a log, and accelerate reads all about a package to see that it is there.
    """
    importlib.metadata.metadata = functools.cache(importlib.metadata.metadata)
    if transformers := sys.modules.get("transformers"):
        transformers.PreTrainedConfig.__repr__ = object.__repr__


@pytest.fixture(autouse=True, scope="module")
def frozen():
    """What was imported and cached before these tests stays, so that no garbage collection has to look at it again:
    transformers' trainers collect in each run, and over the millions of objects of all modules that takes longer than a
    tiny run itself."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_network(request, monkeypatch):
    """A test that opens a connection beyond this machine fails at once, unless it is marked `network`."""
    if request.node.get_closest_marker("network"):
        return
    real_connect = socket.socket.connect

    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            pytest.fail(f"a test tried to reach {address[0]}: tests run without a network")
        return real_connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def command(capsys):
    """command(words...) -> (exit code, stdout, stderr) of the command line, in this process."""
    from georeplicate.__main__ import main

    def run(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
