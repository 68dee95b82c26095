"""`paper-dry`: the profile of the paper with other sizes, from data to tables on a CPU, and what a machine without GPU
and data is told instead."""

import dataclasses
import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from toy import byte_policy

from georeplicate import engine, files, manifest, reproduce
from georeplicate.evaluation import predict
from georeplicate.model import hub
from georeplicate.profiles import Profile
from georeplicate.report import findings, tables, verdicts, write
from georeplicate.runs import commands, dry, photographs, pool, recipes, runner, spec
from georeplicate.tasks import Output
from georeplicate.training import launch, processes

pytestmark = pytest.mark.filterwarnings("ignore:cv-cities", "ignore:`gradient_checkpointing`")
PAPER, DRY = Profile.get("paper"), Profile.get("paper-dry")


@pytest.fixture
def in_this_process(monkeypatch):
    """Workers cost more than what they do here."""

    def run(tasks, **_):
        for task in tasks:
            task.function(*task.arguments)

    monkeypatch.setattr(pool, "run", run)


def test_it_is_the_paper_but_for_sizes_model_and_question():
    changed = {f.name for f in dataclasses.fields(PAPER) if getattr(PAPER, f.name) != getattr(DRY, f.name)}
    sizes = "n_train_sites n_validation_sites n_test_sites panorama_px tile_px crop_px sft_steps sft_batch rl_steps"
    sizes += " prompts_per_update group_size max_completion_length"
    assert changed == {"name", "model", "precision", "k", "negatives", *sizes.split()}
    assert isinstance(recipes.of(DRY), dry.Dry) and type(recipes.of(PAPER)) is photographs.Photographs
    shared = {"base", "sft", "zero", "r1"}
    assert {run.name.partition("-")[0] for run in spec.table2_runs((42,), DRY)} == shared


def test_the_engine_then_sft_on_its_records_then_grpo_then_a_table(
    dry_home, tmp_path, command, in_this_process, monkeypatch
):
    """The short form; `make reproduce PROFILE=paper-dry`, in .ci/run, is the whole."""
    tree, out = recipes.of(DRY).folder(DRY, dry_home), tmp_path / "paper-dry"
    assert command("engine", "--root", tree, "--out", tmp_path / "records", "--limit", "40")[0] == 0
    given = ("train", "r1", "--profile", "paper-dry", "--root", dry_home, "--work", tmp_path)
    code, printed, error = command(*given, "--records", tmp_path / "records")
    assert code == 0, error
    assert "records are of validation places" in printed  # 40 of 48 were written of, and 4 or more are held out
    sft, r1 = (json.loads((out / f"runs/{name}-s42/trained.json").read_text()) for name in ("sft", "r1"))
    made = json.loads((tmp_path / "records" / "manifest.json").read_text())["data_sha256"]
    assert sft["inputs"]["settings"]["records"] == made and "records" not in r1["inputs"]["settings"]
    predictions = runner.predictions(out / "runs")
    assert set(predictions.benchmark) == {f"{dry.BENCHMARK} (pairing)", f"{dry.BENCHMARK} (geolocation)"}
    # tables say what kind of numbers these are, and none judges the paper's claims by them
    frames = {"table2": (tables.table2(predictions), "Pairing."), "verdicts": (pd.DataFrame({"claim": ["x"]}), "")}
    monkeypatch.setattr(write, "made_tables", lambda *_: dict(frames))
    monkeypatch.setattr(write, "figures", lambda *_: ())
    assert {path.stem for path in write.write(out / "runs", out)} == {"table2"}
    said = (out / "tables" / "table2.md").read_text()
    assert f"Pairing. {write.NO_RESULT}" in said and tables.SYNTHETIC not in said and "dry-R1 | Geo-R1" in said
    assert (
        findings.sentences({"table2": frames["table2"][0]} | dict.fromkeys(("orderings", "changes"), predictions)) == {}
    )
    judged = verdicts.verdicts({"table2": frames["table2"][0]})
    assert set(judged.verdict) == {verdicts.UNTESTED} and "measured here" in verdicts.read(judged)
    # a notebook shows runs that are there, and trains none that is not
    assert runner.finished(spec.table2_runs((42,), DRY), DRY, out) == ["sft-s42", "r1-s42"]
    with pytest.raises(files.FileError, match="base, zero-s42 of profile paper-dry is not finished .* comes first"):
        runner.shown(spec.table2_runs((42,), DRY), DRY, out)
    # nothing is done twice; without these records it is another training
    runs, recipe = spec.table2_runs((42,), DRY)[1:2], recipes.of(DRY)
    with_records = runner.jobs(runs, DRY, out, root=dry_home, recipe=recipe.with_records(tmp_path / "records"))
    assert runner.unfinished(with_records) == []
    assert "settings.records" in runner.state(*runner.jobs(runs, DRY, out, root=dry_home))
    # and a run that goes on from it asks for them, instead of training it anew without
    code, _, error = command(*given)
    assert code == 1 and "was trained with other records: give the same --records again" in error
    listed = command("runs", "list", *given[2:], "--records", tmp_path / "records")[1].splitlines()
    assert listed[1].split()[:2] == ["sft-s42", "up"]


@pytest.fixture
def asked(monkeypatch):
    """Nothing is trained: [(jobs, workers)] of each command that would."""
    found = []
    monkeypatch.setattr(runner, "complete", lambda made, workers: found.append((made, workers)) or {})
    return found


def begin(jobs):
    """What is there as soon as training begins."""
    for job in jobs:
        if job.run.stage != "base" and job.start.exists():
            files.write_json(job.folder / "begun.json", {"key": job.training_key(), "inputs": job.training_inputs()})


def test_a_setting_reaches_the_runs_and_is_asked_for_again(dry_home, tmp_path, command, asked, monkeypatch):
    given = ("--profile", "paper-dry", "--root", dry_home, "--work", tmp_path)
    changed = ("--set", "rl_steps=1", "--set", "reward_weights=1,1,0,1")
    assert command("train", "table2", *given, *changed)[0] == 0
    jobs, workers = asked.pop()
    assert {(job.profile.rl_steps, job.profile.reward_weights, job.out.name) for job in jobs} == {
        (1, (1.0, 1.0, 0.0, 1.0), "paper-dry")
    }
    assert workers == 1  # they share a GPU
    begin(jobs)
    for words in (("train", "table2"), ("train", "zero"), ("reproduce",)):
        code, _, error = command(*words, *given)
        assert code == 1 and error.count("\n") == 1 and not asked
        assert (
            "zero-s42, part of " in error
            and "was trained with other rl_steps, reward_weights: give --set rl_steps=1 --set "
            "reward_weights=1.0,1.0,0.0,1.0 again, or train it anew by its name"
            in error
        )
    assert command("train", "zero", *given, *changed)[0] == 0  # the same is gone on with
    assert command("train", "zero-s42", *given)[0] == 0 and len(asked) == 2  # and by its name it is another
    listed = command("runs", "list", *given, *changed)[1]
    assert "zero-s42  begun" in listed and "settings.rl_steps 1 -> 2" in command("runs", "list", *given)[1]
    # whoever is launched is told, too
    ran = []
    monkeypatch.setattr(processes, "gpus", lambda: 2)
    monkeypatch.setattr(launch.subprocess, "run", lambda line: ran.append(line) or subprocess.CompletedProcess(line, 0))
    assert command("train", "zero", *given, *changed, "--launch", "ddp", "--gpus", 2)[0] == 0
    assert ran[0][-4:] == list(changed)


def test_reproduce_takes_what_train_takes_and_asks_for_it_again(
    dry_home, tmp_path, command, asked, in_this_process, monkeypatch
):
    tree, records, other = recipes.of(DRY).folder(DRY, dry_home), tmp_path / "records", tmp_path / "other"
    assert command("engine", "--root", tree, "--out", records, "--limit", "8")[0] == 0
    monkeypatch.setattr(write, "write", lambda *_: [])
    monkeypatch.setattr(reproduce, "_execute_all", lambda *words: shown.append(words[1]) or [])
    byte_policy().save(other)
    given, shown = ("--profile", "paper-dry", "--root", dry_home, "--work", tmp_path), []
    options = ("--records", records, "--adapters", "lora")
    assert command("train", "sft", *given, *options, "--report-to", "none")[0] == 0
    begin(asked.pop()[0])
    code, _, error = command("reproduce", *given)
    assert code == 1 and error.count("\n") == 1 and not asked
    assert (
        "sft-s42, from which reproduce goes on, was trained with other adapters, records: give --adapters lora and "
        "the same --records again, or train it anew by its name" in error
    )
    code, _, error = command("reproduce", *given, *options, "--base", other)
    assert code == 1 and "was trained with other base: give the same --base again" in error and not asked
    code, said, error = command("reproduce", *given, *options, "--set", "n_test_sites=5")
    assert code == 0, error
    jobs, workers = asked.pop()
    assert workers == 1 and [job.run.name for job in jobs] == ["base", "sft-s42", "zero-s42", "r1-s42"]
    assert {(job.profile.adapters, job.profile.n_test_sites, job.recipe.records) for job in jobs} == {
        ("lora", 5, records.resolve())
    }
    assert shown == ["paper-dry n_test_sites=5 adapters=lora"] and f"records: {records / 'README.md'}" in said
    # another base is another for all runs, and who is launched is told
    ran = []
    monkeypatch.setattr(processes, "gpus", lambda: 2)
    monkeypatch.setattr(launch.subprocess, "run", lambda line: ran.append(line) or subprocess.CompletedProcess(line, 3))
    elsewhere = ("--work", tmp_path / "elsewhere", "--base", other, "--set", "beta=0.1", "--report-to", "none")
    assert command("reproduce", *given[:4], *elsewhere, "--launch", "ddp", "--gpus", 2)[0] == 1
    assert ran[0][-6:] == ["--set", "beta=0.1", "--base", str(other), "--report-to", "none"]


def test_an_evaluation_under_other_settings_is_asked_for_again(dry_home, tmp_path, monkeypatch):
    monkeypatch.setattr(runner.Job, "_predictor", lambda self: Says())
    few = DRY.changed(["n_test_sites=3"])
    runner.jobs(spec.table2_runs((42,), few)[:1], few, tmp_path, root=dry_home)[0].evaluate(lambda *_, **__: None)
    now = runner.jobs(spec.table2_runs((42,), DRY)[:1], DRY, tmp_path, root=dry_home)
    with pytest.raises(ValueError, match="base, part of table2, was evaluated .* --set n_test_sites=3 again, or move "):
        commands.refuse_other_options("table2", now)
    less = few.changed(["beta=0.1"])
    begin(runner.jobs(spec.table2_runs((42,), less)[2:3], less, tmp_path, root=dry_home))
    now = runner.jobs(spec.table2_runs((42,), DRY), DRY, tmp_path, root=dry_home)
    with pytest.raises(ValueError, match="base, zero-s42, part of table2, were .* again, or move") as e:
        commands.refuse_other_options("table2", now)  # all of it at once
    assert "give --set beta=0.1 --set n_test_sites=3 again" in str(e.value)


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("train", "sft", "--profile", "paper-dry", "--set", "speed=9"), "got 'speed=9': the fields are n_train_sites"),
        (("evaluate", "--profile", "paper", "--set", "k=many"), "k must be a whole number, got 'many'"),
        (("reproduce", "--profile", "paper", "--set", "k=1"), "k must be 2 to 26"),
        (("plan", "--set", "adapters=lora"), "adapters has an option of its own: --adapters"),
        (("train", "zero", "--profile", "mini", "--set", "beta=0.1"), "only those of photographs can be changed"),
        (("runs", "list", "--profile", "smoke", "--set", "beta=0.1"), "only those of photographs can be changed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_setting_is_a_wrong_word_of_the_command_line(command, words, sentence):
    code, _, error = command(*words)
    assert code == 2 and sentence in " ".join(error.split())


def test_a_setting_reaches_the_evaluation_and_the_plan(dry_home, tmp_path, command, monkeypatch):
    monkeypatch.setattr("georeplicate.evaluation.baselines.get", lambda name, weights=None: NoIdea())
    told = ("evaluate", "--profile", "paper-dry", "--root", dry_home, "--baseline", "random", "--split", "test")
    rows = {}
    for name, settings in (("all", ()), ("three", ("--set", "n_test_sites=3"))):
        code, _, error = command(*told, *settings, "--out", tmp_path / f"{name}.csv")
        assert code == 0, error
        rows[name] = len(pd.read_csv(tmp_path / f"{name}.csv"))
    assert rows["all"] * 3 == rows["three"] * DRY.n_test_sites
    said = command("plan", "--profile", "single_gpu", "--set", "max_completion_length=512")[1]
    assert "plan of profile single_gpu max_completion_length=512" in said and "limit of 512 tokens" in said


class NoIdea:
    """A baseline."""

    def predict(self, images):
        return pd.DataFrame({"lat": [1.0] * len(images), "lon": 2.0, "country": ""})


def test_records_that_sft_makes_itself_are_of_its_places_and_keep_their_pictures(dry_home, tmp_path):
    recipe = recipes.of(DRY)
    rows = recipe.rows("sft", DRY, dry_home, 0, "", root=dry_home, work=tmp_path)
    places, tree = photographs.split(DRY, "train", recipe.folder(DRY, dry_home)), recipe.folder(DRY, dry_home)
    assert {row["id"] for row in rows} == set(places["id"][:]) and len(rows) == DRY.n_train_sites
    assert [image.size for image in rows[0]["images"]] == [(112, 56)]
    images = engine.load(tmp_path / "records")["image"]
    assert all((tree / path).is_file() for paths in images for path in paths)


def test_reproduce_launches_its_stages_and_says_how_they_ended(dry_home, tmp_path, command, monkeypatch):
    ran, codes = [], [3, 0]
    monkeypatch.setattr(processes, "gpus", lambda: 4)
    monkeypatch.setattr(
        launch.subprocess, "run", lambda line: ran.append(line) or subprocess.CompletedProcess(line, codes.pop(0))
    )
    words = ("reproduce", "--profile", "paper-dry", "--root", dry_home, "--work", tmp_path, "--launch", "fsdp2")
    code, printed, error = command(*words, "--gpus", 4)
    assert code == 1 and "what was launched ended with exit code 3" in error and error.count("\n") == 1
    given = ["train", "table2", "--profile", "paper-dry", "--seeds", "1", "--work", str(tmp_path)]
    assert ran == [launch.command("fsdp2", 4, [*given, "--root", str(dry_home)])] and "4 of 4 runs to do" in printed
    # what is left is not trained on one GPU behind the reader's back
    code, _, error = command(*words, "--gpus", 4)
    assert code == 1 and "what was launched left base undone" in error
    code, _, error = command(*words)
    assert code == 1 and "--launch fsdp2 --gpus 8 needs 8 GPUs, and this machine has 4" in error and len(ran) == 2


class Says:
    """What depends on question and decoding alone, after all processes have begun."""

    def predict(self, rows, task, decoding):
        return [Output(f"{row['id']} {decoding}", len(row["id"])) for row in rows]


def test_processes_share_the_evaluation_of_a_run(dry_home, tmp_path, monkeypatch):
    """Two threads in the place of two processes."""
    monkeypatch.setattr(predict, "AT_ONCE", 3)
    monkeypatch.setattr(runner.Job, "_predictor", lambda self: Says())
    here, together, said, answered = threading.local(), threading.Barrier(2, timeout=60), [None], []
    answer = predict.answer
    monkeypatch.setattr(
        predict, "answer", lambda who, part: answered.append((processes.index(), part.path.name)) or answer(who, part)
    )

    def evaluated(name):
        job = runner.jobs(spec.table2_runs((42,), DRY)[:1], DRY, tmp_path / name, root=dry_home)[0]
        job.evaluate(lambda *_, **__: None)
        return job.folder

    one, alone = evaluated("one"), [part for _, part in answered]
    assert len(alone) == 9 and not (one / runner.ANSWERS).exists()

    def by_first(function):
        if processes.index() == 0:
            said[0] = function()
        together.wait()
        result = said[0]
        together.wait()
        return result

    def by_each(function):
        found = function()
        together.wait()
        return [found] * 2

    def process(index):
        here.index = index
        return evaluated("two")

    del answered[:]
    for name, fake in (("index", lambda: here.index), ("count", lambda: 2), ("by_first", by_first)):
        monkeypatch.setattr(processes, name, fake)
    monkeypatch.setattr(processes, "by_each", by_each)
    with ThreadPoolExecutor(2) as both:
        two, _ = both.map(process, range(2))
    assert {index: [part for who, part in answered if who == index] for index in range(2)} == {
        0: alone[0::2],
        1: alone[1::2],
    }
    assert (two / "predictions.csv").read_bytes() == (one / "predictions.csv").read_bytes()
    assert manifest.read(two)["evaluation"]["processes"] == 2 and not (two / runner.ANSWERS).exists()


@pytest.fixture
def nothing_here(monkeypatch):
    """No GPU, and whoever asks the hub fails."""
    monkeypatch.setattr(photographs, "_cuda", lambda: False)
    monkeypatch.setattr(hub, "_fetched", lambda *_: pytest.fail("asked the hub before it was said what is missing"))


@pytest.mark.parametrize("profile", ["paper", "single_gpu"])
@pytest.mark.parametrize(
    "words, gpu",
    [
        (("train", "sft"), True),
        (("train", "table2"), True),
        (("reproduce",), True),
        (("runs", "list"), True),
        (("evaluate",), False),
        (("evaluate", "--model", "miniHui/Geo-R1"), False),
        (("evaluate", "--baseline", "constant"), False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_without_data_and_gpu_it_is_one_sentence_before_any_cost(nothing_here, tmp_path, command, profile, words, gpu):
    code, _, error = command(*words, "--profile", profile, "--root", tmp_path / "none")
    assert code == 1 and error.count("\n") == 1
    assert f"profile {profile} cannot run here, for want of cv-cities in {tmp_path / 'none'}" in error
    assert ("and of a GPU (Qwen/Qwen2.5-VL-" in error) == gpu and "georeplicate plan" in error
    model = words[-1] not in ("miniHui/Geo-R1", "constant")
    assert ("is not in the cache of downloads" in error) == model  # tests are offline, so it cannot be fetched


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("train", "sft", "--profile", "smoke", "--records", "."), "profile smoke makes its own records"),
        (("train", "sft", "--profile", "paper-dry", "--records", "nowhere"), "nowhere"),
        (("reproduce", "--profile", "smoke", "--root", "."), "--root is the folder of photographs of other profiles"),
        (("reproduce", "--profile", "smoke", "--records", "."), "--report-to are for the profiles of photographs"),
        (("reproduce", "--profile", "geographic", "--base", "x"), "--report-to are for the profiles of photographs"),
        (("reproduce", "--check-pairs", "--adapters", "lora"), "--check-pairs train nothing"),
        (("reproduce", "--profile", "smoke", "--launch", "ddp"), "--launch is for the profiles of photographs"),
        (("reproduce", "--profile", "paper-dry", "--gpus", "2"), "name a way, such as --launch fsdp2"),
        (("reproduce", "--pair", "--launch", "ddp"), "leave --launch out"),
        (("reproduce", "--profile", "paper-dry", "--launch", "ddp", "--gpus", "1"), "leave --launch out"),
        (
            ("reproduce", "--profile", "paper-dry", "-p", "k=3"),
            "no notebook has a parameter 'k': there are out, profile",
        ),
        (("reproduce", "--profile", "paper-dry", "-p", "seeds=2"), "training seeds is given by --seeds"),
        (("reproduce", "--profile", "paper-dry", "--seeds", "2"), "profile paper-dry has 1 to 1 training seeds"),
        (("engine",), "make data SOURCE=cv-cities"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_makes_no_sense_is_refused(tmp_path, command, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "CHECKOUT", tmp_path)
    code, _, error = command(*words)
    assert code == 1 and sentence in error and error.count("\n") == 1
