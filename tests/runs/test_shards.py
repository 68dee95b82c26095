"""An evaluation in shards: the rows of one process to the byte, whoever was killed in between."""

import numpy as np
import pandas as pd
import pytest
from test_seams import places

from georeplicate.evaluation import baselines, predict
from georeplicate.runs import pool, shards
from georeplicate.tasks.geolocation import Geolocation
from georeplicate.training import processes


class Brightest:
    """A baseline whose answers depend on the picture; it counts what it was shown, and may be killed, or fail."""

    shown: list[int] = []
    ends: dict[int, BaseException] = {}  # at which call, and by what

    def __init__(self, weights=None):
        pass

    def predict(self, images):
        if error := self.ends.pop(len(self.shown), None):
            raise error
        self.shown.append(len(images))
        light = np.array([np.asarray(image).mean() for image in images])
        return pd.DataFrame({"lat": 48 + np.sin(light), "lon": light / 7, "country": "FR"})


@pytest.fixture
def toy(monkeypatch, shards_here):
    """`evaluate` asks two questions about 20 places, 3 at a time."""
    names = {**baselines.BASELINES._things, "brightest": f"{__name__}:Brightest"}
    monkeypatch.setattr(baselines.BASELINES, "_things", names)
    asked = [Geolocation(lambda _: places(20), "toy", name=name) for name in ("geolocation", "aerial")]
    monkeypatch.setattr("georeplicate.mini.recipe.Mini.tasks", lambda *_, **__: asked)
    monkeypatch.setattr(shards.Evaluation, "tasks", lambda self: asked)
    monkeypatch.setattr(predict, "AT_ONCE", 3)
    Brightest.shown, Brightest.ends = [], {}
    return shards_here


COMMAND = ("evaluate", "--profile", "smoke", "--baseline", "brightest", "--out")


def test_the_rows_of_shards_are_those_of_one_process_also_after_a_kill(toy, tmp_path, command):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    assert command(*COMMAND, one)[0] == 0 and len(Brightest.shown) == 14
    Brightest.shown, Brightest.ends = [], {3: RuntimeError("out of memory")}
    code, _, error = command(*COMMAND, two, "--gpus", 2)
    assert code == 1 and toy == [("shard 1 of 2", 7), ("shard 2 of 2", 7)] and not two.exists()
    assert error.startswith("error: shard 1 of 2 failed: RuntimeError: out of memory (more in ")
    assert "shard 2" not in error and "the same command asks for the rest" in error and error.count("\n") == 1
    del toy[:]
    Brightest.ends = {11: KeyboardInterrupt()}  # what the second had answered is kept, too
    code, printed, _ = command(*COMMAND, two, "--gpus", 2)
    assert code == 130 and toy == [("shard 1 of 2", 2)] and "10 parts of an earlier run are there" in printed
    del toy[:]
    assert command(*COMMAND, two, "--gpus", 4)[0] == 0  # nobody is started for nothing
    assert toy == [("shard 1 of 3", 1), ("shard 2 of 3", 1), ("shard 3 of 3", 1)]
    assert len(Brightest.shown) == 14 and sum(Brightest.shown) == 40
    assert two.read_bytes() == one.read_bytes()
    rows = predict.read(two)
    assert rows.id.tolist() == 2 * [row["id"] for row in places(20)] and rows.error_km.nunique() == 20
    # one GPU, or this process alone, reads what is there
    assert command(*COMMAND, two)[0] == 0 and len(Brightest.shown) == 14 and two.read_bytes() == one.read_bytes()


def test_each_process_has_its_own_gpu(monkeypatch):
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert shards._devices(3) == ["0", "1", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert shards._devices(2) == ["5", "7"]


@pytest.mark.parametrize(
    "words, said",
    [
        (("--gpus", 4, "--out", "rows.csv"), "--gpus 4 needs as many GPUs, and this machine has 2"),
        (("--gpus", 2), "name a CSV with --out"),
        (("--gpus", 2, "--out", "rows.csv", "--baseline", "nobody"), "unknown baseline 'nobody'"),
        (
            ("--gpus", 2, "--out", "rows.csv", "--baseline", "GLOBE-7B", "--weights", "http://localhost:1/v1"),
            "computes on its own GPUs",
        ),
    ],
)
def test_what_shards_lack_is_one_sentence_before_any_cost(monkeypatch, tmp_path, command, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setattr(processes, "gpus", lambda: 2)
    monkeypatch.setattr(pool, "run", lambda *_, **__: pytest.fail("started processes"))
    code, _, error = command("evaluate", "--profile", "smoke", *words)
    assert code == 1 and said in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:cv-cities")
def test_two_real_processes_of_which_one_fails(dry_home, tmp_path, command, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    one, two, parts = tmp_path / "one.csv", tmp_path / "two.csv", tmp_path / "two.csv.parts"
    words = ("evaluate", "--profile", "paper-dry", "--split", "test", "--root", dry_home, "--task", "pairing", "--out")
    assert command(*words, one)[0] == 0
    (tmp_path / "one.csv.parts").rename(parts)  # of the same key, without its answers
    for path in parts.glob("*.csv"):
        path.unlink()
    (parts / "pairing-t1-0000000.csv").mkdir()  # the second shard's, where it cannot be written
    code, _, error = command(*words, two, "--gpus", 2)
    said = error.splitlines()[-1]
    assert code == 1 and said.startswith("error: shard 2 of 2 failed: cannot write") and "shard 1" not in said
    assert [path.name for path in parts.glob("*.csv") if path.is_file()] == ["pairing-greedy-0000000.csv"]
    (parts / "pairing-t1-0000000.csv").rmdir()
    assert command(*words, two, "--gpus", 2)[0] == 0
    assert two.read_bytes() == one.read_bytes()
