"""The seams hold: a baseline, a benchmark and a source of photographs are one file and one registry line each, and
photographs go through the same functions as the mini world."""

import importlib
import math
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image
from toy import byte_policy

from georeplicate import pairs
from georeplicate.evaluation import baselines, benchmarks, predict
from georeplicate.evaluation.baselines import BASELINES, Located
from georeplicate.evaluation.baselines.learned import STAND_INS, StandIn
from georeplicate.profiles import Profile
from georeplicate.report import tables, write
from georeplicate.runs import commands, recipes, runner, spec
from georeplicate.tasks import TASKS, Output, Task
from georeplicate.tasks.geolocation import Geolocation


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A temporary package `toyplugins` that a test writes files into."""
    folder = tmp_path / "plugins" / "toyplugins"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(folder.parent))
    for registry in (BASELINES, pairs.ON_DISK):  # what a test adds ends with it
        monkeypatch.setattr(registry, "_things", dict(registry._things))
    monkeypatch.setattr(benchmarks, "LOADERS", dict(benchmarks.LOADERS))
    yield folder
    for name in [name for name in sys.modules if name.startswith("toyplugins")]:
        del sys.modules[name]


def places(n=6):
    rng = np.random.default_rng(0)
    return [
        {"id": f"p{i}", "lat": 48.0 + i, "lon": 2.0, "country": "FR", "images": [Image.new("RGB", (64, 32), (i, 9, 9))]}
        for i in rng.permutation(n)
    ]


BASELINE = """
import pandas as pd

class AlwaysParis:
    def __init__(self, weights=None):
        self.weights = weights

    def predict(self, images):
        return pd.DataFrame({"lat": [48.86] * len(images), "lon": 2.35, "country": "FR"})
"""


def test_a_tenth_baseline_is_one_file_and_one_line(package):
    (package / "always_paris.py").write_text(BASELINE)
    BASELINES.add("always Paris", "toyplugins.always_paris:AlwaysParis")  # the line
    task = Geolocation(lambda split: places(), "toy places")
    rows = predict.evaluate(Located(baselines.get("always Paris")), task, decoding="greedy")
    assert (rows.choice == "FR").all() and rows.error_km.min() < 110 and rows.task.eq("geolocation").all()
    with pytest.raises(ValueError, match="unknown baseline 'nobody': choose one of random .*always Paris"):
        baselines.get("nobody")


BENCHMARK = """
from pathlib import Path
from georeplicate.evaluation.benchmarks.schema import Benchmark
from georeplicate.evaluation.rows import read_truth

def load(root):
    truth = read_truth(Path(root) / "toy.csv")
    return Benchmark("toy", truth.frame.assign(image=None), truth, truth.report)
"""


def test_a_new_benchmark_is_one_file_and_one_line(package, tmp_path):
    (package / "toy_benchmark.py").write_text(BENCHMARK)
    benchmarks.register("toy", importlib.import_module("toyplugins.toy_benchmark").load)  # the line
    pd.DataFrame(places()).drop(columns="images").assign(city="").to_csv(tmp_path / "toy.csv", index=False)
    found = benchmarks.load("toy", root=tmp_path)
    assert found.rows.id.tolist() == [row["id"] for row in places()]


SOURCE = """
import numpy as np
from pathlib import Path
from georeplicate.pairs import schema

SPLITS = ("train", "test")
PANORAMA_RATIO = 2.0

def read(root, split):
    schema.split_of("toy-photos", split, SPLITS)
    numbers = range(0, 40) if split == "train" else range(40, 52)
    return schema.table({
        "id": [f"{split}/{i}" for i in numbers],
        "lat": [48.80 + 0.004 * i for i in numbers],
        "lon": [2.30 + 0.003 * i for i in numbers],
        "taken_at": ["2023-06-21T10:00:00Z" for _ in numbers],
        "city": "Paris",
        "country": "FR",
        "area": "paris",
        "panorama": [str(Path(root) / f"pano{i}.jpg") for i in numbers],
        "aerial": [str(Path(root) / f"tile{i}.jpg") for i in numbers],
    })
"""


@pytest.fixture
def photographs(package, tmp_path):
    """(profile, folder of the data, folder of a tiny published-like model) of a fake source of photographs."""
    (package / "toy_photos.py").write_text(SOURCE)
    pairs.ON_DISK.add("toy-photos", "toyplugins.toy_photos")  # the line
    root, rng = tmp_path / "photos", np.random.default_rng(1)
    root.mkdir()
    for i in range(52):
        for name, size in (("pano", (256, 128)), ("tile", (96, 96))):
            Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(root / f"{name}{i}.jpg")
    byte_policy().save(tmp_path / "model")
    small = dict(panorama_px=(32, 64), tile_px=32, crop_px=32, image_factor=16, k=3, precision="fp32")
    sizes = dict(n_train_sites=24, n_validation_sites=4, n_test_sites=6, max_completion_length=8, seeds=(0,))
    steps = dict(sft_steps=1, sft_batch=2, rl_steps=1, prompts_per_update=2, group_size=2, gradient_checkpointing=False)
    steps |= dict(accumulation=1, sft_accumulation=1)
    model = {"source": "toy-photos", "model": str(tmp_path / "model"), "negatives": "near"}
    return replace(Profile.get("single_gpu"), **small, **sizes, **steps, **model), root, tmp_path / "model"


def test_photographs_go_through_the_same_functions_as_the_mini_world(photographs, tmp_path):
    profile, root, model = photographs
    assert profile.recipe == "photographs"
    runs = spec.table2_runs((0,), recipes.of(profile))
    for job in runner.jobs(runs, profile, tmp_path / "out", root=root):
        assert not job.is_trained() or job.run.stage == "base"
        runner.execute(job)
        assert job.is_finished()
    predictions = runner.predictions(tmp_path / "out" / "runs")
    assert set(predictions.benchmark) == {"toy-photos (pairing)", "toy-photos (geolocation)"}
    assert predictions[predictions.task == "pairing"].chance.unique() == pytest.approx([1 / 3])
    table = tables.table2(predictions)
    assert table.stands_for.tolist() == ["Qwen2.5-VL-7B", "Geo-SFT", "Geo-R1-Zero", "Geo-R1"]
    assert (table.n == 6).all() and (table.benchmark == "toy-photos (pairing)").all()
    # the constant guess is a place of the source's own validation split, recorded with the run: no photograph is read
    beside = write.guesses(predictions, tmp_path / "out" / "runs")
    held_out = recipes.of(profile).validation_places(profile, root)
    assert set(zip(beside.constant.lat, beside.constant.lon)) <= set(zip(held_out.lat, held_out.lon))
    written = write.made_tables(predictions, beside)
    located, caption = written["geolocation"]
    assert located.set_index("system").acc_25km[tables.CONSTANT] == 1  # all of it is one city
    assert f"on {len(held_out)} validation places of toy-photos" in caption
    # what reads the thinking in the synthetic world's words is not there, and the caption says why
    assert not {"faithfulness", "failures", "decomposition"} & written.keys() and write.UNREAD in written["table2"][1]
    assert "thinking" not in set(written["changes"][0].task)
    tables.write(written["table2"][0], tmp_path / "table2", written["table2"][1], synthetic=False)
    assert "Synthetic" not in (tmp_path / "table2.md").read_text()
    assert "one of three tiles" in (tmp_path / "table2.md").read_text()
    assert not tables.is_synthetic(predictions)
    made = {name: frame for name, (frame, _) in written.items()}
    results = dict(write.figures(predictions, made, write.logs(predictions, tmp_path / "out" / "runs"), beside))
    del results["loop"]  # of the method, and no result
    for name, draw in results.items():
        texts = " ".join(text.get_text() for text in draw().findobj(Text))
        assert "toy-photos (pairing)" in texts and "mini" not in texts and "synthetic" not in texts, name
    # what was made is kept, and nothing is done twice
    assert (tmp_path / "out" / "data" / "records" / "manifest.json").is_file()
    assert runner.unfinished(runner.jobs(runs, profile, tmp_path / "out", root=root)) == []
    # another picture is other data
    Image.new("RGB", (300, 150)).save(root / "pano3.jpg")
    changed = runner.unfinished(runner.jobs(runs, profile, tmp_path / "out", root=root))
    assert [job.run.name for job in changed] == ["base", "sft-s0", "zero-s0", "r1-s0"]


def test_validation_is_held_out_by_place(photographs):
    from georeplicate.runs import photographs as recipe

    profile, root, _ = photographs
    train, validation = (recipe.split(profile, name, root) for name in ("train", "validation"))
    cells = [
        {(math.floor(a / 0.02), math.floor(o / 0.02)) for a, o in zip(s["lat"][:], s["lon"][:])}
        for s in (train, validation)
    ]
    assert len(validation) == 4 and not cells[0] & cells[1] and not set(train["id"][:]) & set(validation["id"][:])


def test_a_sample_grows_without_losing_whom_it_had(photographs):
    _, root, _ = photographs
    rows = pairs.load("toy-photos", "train", root)
    few, more = (set(pairs.sample(rows, n)["id"][:]) for n in (5, 15))
    assert len(few) == 5 and few < more


def test_a_picture_that_becomes_unreadable_costs_a_row_not_the_run(photographs, tmp_path, capsys):
    profile, root, model = photographs
    recipe = recipes.of(profile)
    rows = recipe.rows("grpo", profile, model, 0, "", root=root, work=tmp_path)
    before = [rows[i]["id"] for i in range(len(rows))]
    lost = 3
    name = f"pano{before[lost].removeprefix('train/')}.jpg"
    (root / name).write_bytes((root / name).read_bytes()[:500])  # cut short while the run is under way
    after = [rows[i]["id"] for i in range(len(rows))]
    assert after == [*before[:lost], before[(lost + 1) % len(rows)], *before[lost + 1 :]]
    said = capsys.readouterr().err
    assert said.count(f"{name} cannot be shown") == 1 and "1 so far" in said
    noted = (tmp_path / "unreadable-grpo-s0.txt").read_text()
    assert noted.startswith(f"1 of {len(rows)} rows are unreadable") and name in noted
    for i in range(20):
        (root / f"pano{i}.jpg").unlink(missing_ok=True)
    with pytest.raises(ValueError, match="rows cannot be read, last: .*look after the disk"):
        [rows[i] for i in range(len(rows))]
    # in an evaluation it is not asked, counts as not answered, and says why
    (root / "pano41.jpg").write_bytes(b"no picture")
    asked = []

    class Knows:
        def predict(self, batch, task, decoding):
            asked.extend(row["id"] for row in batch)
            return [Output(f"<think>x</think>\n<answer>{row['letter']}</answer>", 3) for row in batch]

    task = recipe.tasks(profile, model, "", False, root=root)[0]
    given = predict.evaluate(Knows(), task, decoding="greedy").set_index("id")
    assert "test/41" not in asked and len(given) == len(asked) + 1 == profile.n_test_sites
    assert given.loc["test/41", "text"].startswith("no answer: ") and "pano41" in given.loc["test/41", "text"]
    assert given.loc["test/41", "choice"] != given.loc["test/41", "truth"] and (given.choice == given.truth).sum() == 5


@pytest.mark.parametrize("size, shown", [((4096, 2048), (64, 32)), ((3000, 32), (64, 1)), ((20, 1900), (1, 32))])
def test_pictures_of_any_aspect_are_small_or_refused(size, shown):
    from georeplicate.runs import photographs as recipe

    made = recipe.resized(Image.new("RGB", size), (32, 64))
    assert made.size == shown and len(byte_policy().pixels([made])["pixel_values"])
    for strip in ((20_000, 10), (10, 20_000)):
        with pytest.raises(OSError, match="is a strip and shows nothing"):
            recipe.resized(Image.new("RGB", strip), (32, 64))


def test_rows_of_photographs_are_lazy_small_and_upright(photographs):
    from georeplicate.runs import photographs as recipe

    profile, root, _ = photographs
    rows = recipe.questions(profile, recipe.split(profile, "test", root), 0)
    apart = replace(profile, train_negatives="random")
    asked = [recipe.questions(apart, recipe.split(apart, "test", root), 0, evaluated=e).items for e in (True, False)]
    shown = [[question["candidate_ids"] for question in sorted(one, key=lambda q: q["id"])] for one in asked]
    near = [question["candidate_ids"] for question in sorted(rows.items, key=lambda q: q["id"])]
    assert shown[0] == near != shown[1]  # only training questions have wrong tiles from elsewhere
    (root / "pano40.jpg").unlink()  # nothing is opened before it is read
    row = next(row for row in (rows[i] for i in range(len(rows)) if rows.items[i]["id"] != "test/40"))
    assert [image.size for image in row["images"]] == [(64, 32), (32, 32), (32, 32), (32, 32)]
    assert row["letter"] in "ABC" and "panorama" in row["prompt"].lower()


@pytest.mark.parametrize(
    "registry, name, sentence",
    [
        (TASKS, "guessing", "unknown task 'guessing': choose one of pairing, geolocation, choice"),
        (recipes.RECIPES, "cake", "unknown recipe 'cake': choose one of mini, geographic, photographs"),
        (pairs.ON_DISK, "flickr", "unknown source 'flickr': choose one of cv-cities"),
    ],
)
def test_an_unknown_name_is_one_sentence_that_lists_what_there_is(registry, name, sentence):
    with pytest.raises(ValueError, match=sentence):
        registry[name]
    with pytest.raises(ValueError, match="exists already"):
        registry.add(next(iter(registry)), "somewhere:else")


def test_everything_in_the_registries_can_be_imported():
    assert all(hasattr(TASKS[name], "score") for name in TASKS)
    assert all(isinstance(recipes.of(name), recipes.Recipe) for name in recipes.RECIPES)
    assert all(hasattr(pairs.ON_DISK[name], "read") for name in pairs.ON_DISK)
    assert all(callable(BASELINES[name]) for name in BASELINES if BASELINES._things[name].startswith("georep"))
    assert all(issubclass(STAND_INS[name], StandIn) and STAND_INS[name].name == name for name in STAND_INS)
    assert isinstance(Geolocation(list, "toy"), Task)


def test_a_forced_key_error_never_reaches_a_person(command):
    for words, sentence in (
        (("evaluate", "--baseline", "nobody"), "unknown baseline 'nobody'"),
        (("evaluate", "--task", "guessing", "--profile", "smoke"), "unknown task 'guessing'"),
        (("train", "nothing", "--profile", "smoke"), "unknown run 'nothing'"),
        (("verify", "--profile", "papr"), "unknown profile 'papr'"),
        (("runs", "adopt", "none-s0", "--why", "x", "--profile", "smoke"), "there is no run 'none-s0'"),
    ):
        code, _, error = command(*words)
        assert code == 1 and sentence in error and error.count("\n") == 1, words


def test_help_of_every_command(command):
    names = "locate pair score map data engine train evaluate reproduce verify publish runs plan".split()
    for name in names:
        code, printed, _ = command(name, "--help")
        assert code == 0 and "Usage: georeplicate" in printed, name
    assert command("fly")[0] == 2 and command("train", "--seeds", "many")[0] == 2


def test_a_word_for_runs_names_each_once_with_what_it_starts_from():
    profile = Profile.get("mini")
    names = [run.name for run in commands.chosen("table2", profile, None)]
    assert len(names) == len(set(names)) == 10
    assert [run.name for run in commands.chosen("r1", profile, 1)] == ["sft-s0", "r1-s0"]
    assert [run.name for run in commands.chosen("r1-s2", profile, None)] == ["sft-s2", "r1-s2"]
    assert [run.name for run in commands.chosen("zero-s1", profile, None)] == ["zero-s1"]
    assert len(commands.chosen("ablations", profile, None)) == 11


def test_recipes_know_the_versions_of_their_tasks(tmp_path):
    from georeplicate.mini import tasks

    for name in ("mini", "geographic"):
        found = tasks.of(Profile.get(name), tmp_path)
        versions = {task: found[task].version for task in found}
        assert list(versions.items()) == list(recipes.of(name).task_versions(True).items())
        assert {task.name for task in found.values()} == versions.keys()
        assert {task.benchmark for task in found.values()} == {tasks.BENCHMARK}
    photographs = recipes.of("photographs").tasks(Profile.get("paper"), tmp_path, "", True, root=tmp_path)
    assert {task.name: task.version for task in photographs} == recipes.of("photographs").task_versions(True)


def test_runs_are_named_by_the_recipe_of_their_profile(photographs):
    profile, *_ = photographs
    names = {run.system for run in spec.all_runs(profile)}
    assert {"base", "SFT", "Zero", "R1"} <= names and not any(name.startswith("mini") for name in names)


def test_another_hold_out_is_another_training_of_photographs(photographs, tmp_path):
    profile, root, _ = photographs
    runs = spec.table2_runs((0,), profile)
    keys = [
        [job.training_inputs()["settings"] for job in runner.jobs(runs[:3], size, tmp_path, root=root)]
        for size in (profile, replace(profile, n_validation_sites=5))
    ]
    assert keys[0][0] == keys[1][0] and keys[0][1] != keys[1][1] and keys[0][2] != keys[1][2]


def test_records_of_other_training_places_are_set_aside_and_made_anew(photographs, tmp_path, capsys):
    profile, root, model = photographs

    def made(size):
        rows = recipes.of(size).rows("sft", size, model, 0, "", root=root, work=tmp_path)
        return {rows[i]["id"] for i in range(len(rows))}

    first = made(profile)
    assert made(profile) == first and "kept as" not in capsys.readouterr().out
    fewer = made(replace(profile, n_train_sites=12))
    assert len(fewer) < len(first) and "records of other places are kept as records-other" in capsys.readouterr().out
    assert (tmp_path / "records-other" / "manifest.json").is_file()
    (tmp_path / "records.json").unlink()  # as an earlier version left it
    assert made(profile) == first


def test_the_pictures_of_a_source_are_looked_at_once_a_command(photographs, tmp_path, monkeypatch):
    profile, root, _ = photographs
    looked = []
    checksum = pairs.checksum
    monkeypatch.setattr(pairs, "checksum", lambda *words: looked.append(words) or checksum(*words))
    made = runner.jobs(spec.all_runs(profile), profile, tmp_path, root=root)
    assert len({job.recipe.data_sha256(job.profile, job.root) for job in made}) == len(looked) == 1
