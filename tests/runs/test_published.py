"""Published systems on a published test set: what is there is run, part by part; the rest says why not."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from georeplicate.evaluation import baselines
from georeplicate.evaluation.baselines import prompted
from georeplicate.runs import published
from georeplicate.training import processes

ROWS = 70  # more than one part


class East:
    """Answers 1 degree east of the equator's zero, and counts what it is shown."""

    shown: list[int] = []

    def __init__(self, weights=None):
        if weights == "bad":
            raise ValueError("East: weights missing: bad")

    def predict(self, images):
        self.shown.append(len(images))
        there = np.array([image is not None for image in images])
        return pd.DataFrame({"lat": np.where(there, 0.0, np.nan), "lon": np.where(there, 1.0, np.nan)})


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A test set in MP16-Reason's layout; its last photograph is broken."""
    monkeypatch.setattr(baselines.BASELINES, "_things", {**baselines.BASELINES._things, "east": f"{__name__}:East"})
    East.shown = []
    folder = tmp_path / "set"
    (folder / "data" / "eval_images").mkdir(parents=True)
    ids = [f"photo{i:03d}" for i in range(ROWS)]
    table = pd.DataFrame({"IMG_ID": ids, "LAT": 0.0, "LON": 0.5, "city": "", "country": ""})
    table.to_csv(folder / "mp16-reason-test-12k.csv", index=False)
    for name in ids:
        Image.new("RGB", (8, 8)).save(folder / "data" / "eval_images" / f"{name}.jpg")
    (folder / "data" / "eval_images" / f"{ids[-1]}.jpg").write_bytes(b"no picture")
    return folder


def run(out, root, **more):
    return published.evaluate(["east"], out, root=root, **more)


def test_a_killed_run_goes_on_where_it_stopped(root, tmp_path):
    out = tmp_path / "out"
    p, missing = run(out, root)
    assert missing == {} and len(p) == ROWS and East.shown == [64, ROWS - 64]
    near = p.error_km.dropna()
    assert len(near) == ROWS - 1 and near.to_numpy() == pytest.approx(55.6, abs=0.1)
    broken = p[p.error_km.isna()].iloc[0]
    assert broken.id.startswith("photo069") and "cannot be read as a picture" in broken.text
    (out / "table1" / "east" / "part-0000064.csv").unlink()
    again, _ = run(out, root)
    assert East.shown == [64, ROWS - 64, ROWS - 64]
    pd.testing.assert_frame_equal(again, p)


def test_processes_share_the_photographs_of_a_large_model(root, tmp_path, monkeypatch, shards_here):
    monkeypatch.setattr(published, "AT_ONCE", 16)
    one, _ = run(tmp_path / "one", root)
    assert East.shown == [16, 16, 16, 16, 6] and not shards_here
    monkeypatch.setitem(prompted.PUBLISHED, "east", ("Org/east", "MIT"))
    opened = []
    monkeypatch.setattr(prompted, "here", lambda name, weights: opened.append((name, weights)) or "a folder")
    two, missing = run(tmp_path / "two", root, gpus=2)
    assert missing == {} and shards_here == [("shard 1 of 2", 3), ("shard 2 of 2", 2)]
    assert opened == [("east", "official")]  # fetched once, before there are several
    pd.testing.assert_frame_equal(two, one)
    run(tmp_path / "two", root, gpus=2)
    assert len(shards_here) == 2 and len(East.shown) == 10  # from the disk
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    with pytest.raises(processes.LaunchError, match="--gpus 99 needs as many GPUs"):
        run(tmp_path / "two", root, gpus=99)


def test_other_weights_or_photographs_are_another_run(root, tmp_path, capsys):
    out = tmp_path / "out"
    run(out, root)
    run(out, root, weights={"east": "others"})
    assert "kept as table1/stale/east" in capsys.readouterr().out
    assert (out / "table1" / "stale" / "east" / "part-0000000.csv").is_file() and len(East.shown) == 4


def test_answers_outlive_their_weights_and_are_not_those_of_others(root, tmp_path, monkeypatch):
    """A folder that is trained again is asked again; one that is gone leaves its answers."""
    out, weights = tmp_path / "out", tmp_path / "weights"
    (weights / "x").mkdir(parents=True)
    (weights / "config.json").write_text("1")
    p, _ = run(out, root, weights={"east": str(weights)})
    run(out, root, weights={"east": str(weights)})
    assert len(East.shown) == 2  # from the disk
    (weights / "config.json").write_text("2")
    run(out, root, weights={"east": str(weights)})
    assert len(East.shown) == 4 and (out / "table1" / "stale" / "east").is_dir()
    monkeypatch.setattr(East, "__init__", lambda self, weights=None: pytest.fail("opened without need"))
    monkeypatch.setattr(baselines, "identity", lambda name, weights=None: "")
    again, missing = run(out, root, weights={"east": str(weights)})
    assert missing == {} and len(again) == ROWS
    pd.testing.assert_frame_equal(again, p)


def test_a_system_that_fails_does_not_end_the_others(root, tmp_path, monkeypatch):
    class Broken(East):
        def predict(self, images):
            raise RuntimeError("CUDA out of\nmemory")

    monkeypatch.setitem(baselines.BASELINES._things, "broken", f"{__name__}:Broken")
    monkeypatch.setitem(globals(), "Broken", Broken)
    p, missing = published.evaluate(["broken", "east"], tmp_path / "out", root=root)
    assert missing == {"broken": "RuntimeError: CUDA out of memory"} and set(p.system) == {"east"}


def test_what_is_not_there_says_so(root, tmp_path, capsys):
    p, missing = run(tmp_path / "out", root, weights={"east": "bad"})
    assert not len(p) and missing == {"east": "East: weights missing: bad"}
    p, missing = published.evaluate(["GeoCLIP"], tmp_path / "out", root=tmp_path / "none")
    assert "wants VicenteVivanco/geoclip-geolocation (MIT)" in missing["GeoCLIP"]
    assert "get it from https" in capsys.readouterr().out
    for path in (root / "data" / "eval_images").iterdir():
        path.unlink()
    p, missing = run(tmp_path / "out", root)
    assert "photographs missing" in missing["east"]
    with pytest.raises(ValueError, match="weights are given for west; the systems are east"):
        run(tmp_path / "out", root, weights={"west": "official"})
