"""results.py on toy runs: what is published, what moved, whose code has changed; figures to the byte."""

import re
import shutil

import pandas as pd
import pytest

from georeplicate import __main__ as command_line
from georeplicate import files, manifest, provenance
from georeplicate.evaluation import predict
from georeplicate.report import write
from georeplicate.runs import publish, recipes, runner, spec

NAMES = [run.name for run in spec.table2_runs((0,), "mini")]
TABLE2 = pd.DataFrame(
    {
        "system": ["mini-base", "mini-R1"],
        "benchmark": "world-mini (synthetic)",
        "training_seeds": [1, 3],
        "n": [600, 600],
        "accuracy": [0.2, 0.8],
        "accuracy_low": [0.15, 0.75],
        "accuracy_high": [0.25, 0.85],
        "completion_tokens": [30.0, 40.0],
    }
)
FAILURES = pd.DataFrame({"id": ["a", "b"], "seen": [True, False], "error_km": [9.0, 8.0]})
ORDERINGS = pd.DataFrame({"claim": ["longer"], "difference": [2.0], "low": [1.0], "high": [3.0], "verdict": ["holds"]})


def predictions(run):
    """Two places and three pairing questions; every answer right."""
    said = {"system": run.system, "training_seed": run.seed, "lat": 1.0, "lon": 2.0, "text": "<think> place </think>"}
    pairing = {"truth": "A", "choice": "A", "completion_tokens": 9.0, "format_ok": True} | dict.fromkeys(
        ("words", "words_true", "verdicts", "verdicts_follow", "answer_follows"), 1
    )
    asked = [
        {"task": "pairing", "decoding": how, "id": f"q{i}", **pairing} for how in ("greedy", "t1") for i in range(3)
    ]
    located = {"pred_lat": 1.0, "pred_lon": 2.5, "error_km": 55.6, "format_ok": True}
    for task, truth in (("geolocation", "FR"), ("aerial", "FR"), ("climate", "climate-c"), ("ground", "grass")):
        how = {"decoding": "greedy", **located} if truth == "FR" else {"decoding": "forced"}
        for i in range(2):
            place = {"task": task, "id": f"fr/paris/{i}", "truth": truth, "choice": truth, "seen_country": bool(i)}
            asked.append(place | how)
    return pd.DataFrame([said | row for row in asked]).reindex(columns=predict.COLUMNS)


TASKS = ("pairing", "geolocation", "aerial", "climate", "ground")


@pytest.fixture
def place(tmp_path):
    """(folder of runs as they are made, folder of what is committed), the former with a finished smoke run."""
    work, out = tmp_path / "work", tmp_path / "results"
    for run in spec.table2_runs((0,), "mini"):
        folder = work / "smoke" / "runs" / run.name
        files.write_csv(folder / "predictions.csv", predictions(run))
        files.write_bytes(folder / "policy" / "model.safetensors", b"weights")
        files.write_bytes(folder / "begun.json", b"{}")
        if run.stage != "base":
            log = {"step": [1, 2], "loss": [2.0, 1.0]}
            files.write_csv(folder / "log.csv", pd.DataFrame(log | ({"equal_groups": 0.5} if "g" in run.stage else {})))
        manifest.finish(
            folder, profile="smoke", seed=0, data_sha256="0", started=0.0, apart=("policy", "begun.json"),
            run={"stands_for": run.stands_for, "checkpoint": run.checkpoint}, code=runner.code_now(recipes.of("mini")),
            benchmarks=dict.fromkeys(TASKS, "world-mini (synthetic)"), chance=dict.fromkeys(TASKS, 0.2),
        )  # fmt: skip
    for name, table in (("table2", TABLE2), ("orderings", ORDERINGS), ("failures", FAILURES)):
        files.write_csv(work / "smoke" / "tables" / f"{name}.csv", table)
    files.write_bytes(work / "smoke" / "figures" / "curves.png", b"png")
    return work, out


def main(place, *words):
    """The command `words[0]`, on these folders; its exit code."""
    where = ["--results", str(place[1])]
    if words[0] != "check":
        where += ["--profile", "smoke", "--work", str(place[0])]
    return command_line.main([*words, *where])


# --- publish --------------------------------------------------------------------------------------------------------


def test_publish_mirrors_a_finished_run_without_its_policies(place, capsys):
    work, out = place
    for stale in ("tables/old.csv", "runs/zero-s9/manifest.json", "figures/deep/old.png"):
        files.write_bytes(out / "smoke" / stale, b"old")
    files.write_bytes(out / "smoke" / "executed" / "01.ipynb", b"kept: none of publish's folders")
    assert main(place, "publish") == 0
    runs = {f"runs/{name}/{file}" for name in NAMES for file in publish.PUBLISHED} - {"runs/base/log.csv"}
    published = {p.relative_to(out / "smoke").as_posix() for p in (out / "smoke").rglob("*") if p.is_file()}
    assert published == runs | {"tables/table2.csv", "figures/curves.png", "executed/01.ipynb"} | {
        "tables/orderings.csv", "tables/failures.csv"}  # fmt: skip
    assert all(manifest.is_finished(out / "smoke" / "runs" / name) for name in NAMES)
    assert not (out / "smoke" / "runs" / "zero-s9").exists()
    assert publish.publish("smoke", work=work, results=out) == []  # nothing more to do


def test_publish_loses_no_committed_run_that_it_cannot_replace(place, capsys):
    optional = [place[1] / "smoke" / "runs" / name for name in ("curve-s0", "globe-s0", "supervised-s0")]
    for folder in optional:
        files.write_bytes(folder / manifest.NAME, b"made once")
    assert main(place, "publish") == 1
    error = capsys.readouterr().err
    assert "holds runs that" in error and "curve-s0, globe-s0, supervised-s0" in error and error.count("\n") == 1
    assert {p for p in place[1].rglob("*") if p.is_file()} == {folder / manifest.NAME for folder in optional}
    for folder in optional:
        shutil.rmtree(folder)
    assert main(place, "publish") == 0


@pytest.mark.parametrize(
    "harm, words",
    [
        (lambda d: (d / "runs/r1-s0/manifest.json").unlink(), "not finished: r1-s0;"),
        (lambda d: shutil.rmtree(d / "runs/base"), "not finished: base;"),
        (lambda d: (d / "runs/zero-blank-tiles-s0").mkdir(), "not finished: zero-blank-tiles-s0;"),
        (lambda d: (d / "runs/sft-s0/predictions.csv").write_text("altered"), "not finished: sft-s0;"),
        (lambda d: (d / "figures/curves.png").unlink(), "figures is empty"),
    ],
)
def test_what_is_unfinished_is_not_published(place, capsys, harm, words):
    harm(place[0] / "smoke")
    assert main(place, "publish") == 1
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and not place[1].exists()


# --- figures --------------------------------------------------------------------------------------------------------


def test_figures_are_the_same_bytes_again(place, monkeypatch):
    """All tables, made once and written twice, and a figure; tests/report/test_report.py makes all tables twice and
    draws one figure of each kind again."""
    work, out = place
    every, making, made = write.figures, write.made_tables, {}

    def once(*of):
        made.update({} if made else making(*of))
        return dict(made)

    monkeypatch.setattr(write, "made_tables", once)
    monkeypatch.setattr(write, "figures", lambda *a: ((name, draw) for name, draw in every(*a) if name == "table2"))
    shutil.copytree(work / "smoke" / "runs", out / "smoke" / "runs", ignore=shutil.ignore_patterns("policy", "*.json_"))
    drawn = write.write(out / "smoke" / "runs", out / "smoke")
    assert {"table2.csv", "table2.md", "table2.tex", "table2.png", "table2.pdf"} <= {p.name for p in drawn}
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert write.write(out / "smoke" / "runs", out / "smoke") == drawn
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


# --- verify ---------------------------------------------------------------------------------------------------------


def verify(place, **tables):
    """(exit code, {column: verdict}) after these fresh tables."""
    publish.publish("smoke", work=place[0], results=place[1])
    for name, table in tables.items():
        files.write_csv(place[0] / "smoke" / "tables" / f"{name}.csv", table)
    moved, compared, alone = publish.verify("smoke", work=place[0], results=place[1])
    assert compared == 2 * 4 + 2 + len(
        {*FAILURES.id, *tables.get("failures", FAILURES).id}
    )  # of an interval the middle
    return main(place, "verify"), dict(zip(moved.column, moved.verdict, strict=True))


def test_verify_finds_nothing_where_nothing_moved(place, capsys):
    assert verify(place) == (0, {})
    shown = capsys.readouterr().out
    commit = provenance.git_state()["commit"] or "no commit"
    assert f"committed: commit {commit[:12]}" in shown and "12 values compared: 12 equal" in shown
    assert publish.EXPECTED not in shown


def test_verify_measures_what_moved_against_the_committed_interval(place, capsys):
    fresh = TABLE2.assign(accuracy=[0.24, 0.86], completion_tokens=[30.0, 41.0])
    assert verify(place, table2=fresh.iloc[::-1]) == (1, {"accuracy": "outside", "completion_tokens": "no interval"})
    shown = capsys.readouterr().out
    for line in ("accuracy 0.2 0.24 0.04 0.15 0.25 inside", "accuracy 0.8 0.86 0.06 0.75 0.85 outside"):
        assert line in " ".join(shown.split())
    assert "1 moved inside the committed interval, 1 moved that have none, 1 outside or different" in shown
    assert publish.EXPECTED in shown and "bf16" in publish.EXPECTED


@pytest.mark.parametrize(
    "change, verdicts, code",
    [
        ({"table2": TABLE2.assign(accuracy=[0.2, 0.76])}, {"accuracy": "inside"}, 0),
        ({"table2": TABLE2.assign(completion_tokens=[30.0, 99.0])}, {"completion_tokens": "no interval"}, 0),
        ({"table2": TABLE2.assign(training_seeds=1)}, {"training_seeds": "differs"}, 1),
        ({"table2": TABLE2.assign(accuracy=[0.2, None])}, {"accuracy": "differs"}, 1),
        ({"failures": FAILURES.assign(id=["a", "c"])}, {"": "no interval: the committed side lacks this row"}, 0),
        ({"orderings": ORDERINGS.assign(difference=0.5)}, {"difference": "outside"}, 1),
        ({"orderings": ORDERINGS.assign(verdict="does not hold")}, {"verdict": "differs"}, 1),
    ],
)
def test_verify_judges(place, change, verdicts, code):
    assert verify(place, **change) == (code, verdicts)


def test_verify_knows_a_claim_by_its_id_and_not_by_its_prose():
    claims = {"claim_id": ["a", "b"], "more": ["0.1 greedy", "0.2 greedy"], "verdict": ["holds", "cannot tell"]}
    one = pd.DataFrame(claims | {"estimate": [0.1, 0.2], "estimate_low": [0.0, 0.1], "estimate_high": [0.2, 0.3]})
    other = one.assign(more=["0.15 greedy", "0.2 greedy"], estimate=[0.15, 0.2], verdict=["holds", "holds"])
    found = [row for row in publish._compare(one, other) if row["verdict"]]
    assert [(row["row"], row["column"], row["verdict"]) for row in found] == [
        ("a", "estimate", "inside"),
        ("b", "verdict", "differs"),
    ]


def test_verify_names_rows_that_one_side_lacks(place, capsys):
    publish.publish("smoke", work=place[0], results=place[1])
    files.write_csv(place[0] / "smoke" / "tables" / "table2.csv", TABLE2.iloc[:1])
    assert main(place, "verify") == 1
    assert "mini-R1 | world-mini (synthetic)" in capsys.readouterr().out
    (place[0] / "smoke" / "tables" / "failures.csv").unlink()
    main(place, "verify")
    assert "only one side has them: failures.csv" in capsys.readouterr().out
    shutil.rmtree(place[0] / "smoke" / "tables")
    assert main(place, "verify") == 1
    assert "no table is both in" in capsys.readouterr().err


# --- check ----------------------------------------------------------------------------------------------------------


def test_check_is_silent_where_all_is_well(place, capsys):
    place[1].mkdir()
    assert main(place, "check") == 0  # nothing committed
    publish.publish("smoke", work=place[0], results=place[1])
    assert main(place, "check") == 0
    assert capsys.readouterr().out == ""


def test_check_is_not_silent_about_a_folder_that_is_not_there(place, capsys):
    assert main(place, "check") == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"error: there is no folder {place[1]}, so nothing was checked")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0", b"system,x\na,1\nb,1,2,3\n"])
def test_a_table_that_is_none_is_named(place, capsys, content):
    files.write_bytes(place[0] / "smoke/tables/a.csv", b"system,x\na,1\n")
    files.write_bytes(place[1] / "smoke/tables/a.csv", content)
    assert main(place, "verify") == 1
    assert re.search("smoke/tables/a.csv is no CSV in UTF-8 .*make it again", capsys.readouterr().err)


@pytest.mark.parametrize("begun", ["[]", '{"key": "x", "inputs": []}', '{"inputs": null}', "[" * 100_000])
def test_a_run_whose_beginning_is_damaged_is_listed(tmp_path, capsys, begun):
    for name in ("begun.json", "trained.json"):
        files.write_bytes(tmp_path / "smoke/runs/zero-s0" / name, begun.encode())
    assert command_line.main(["runs", "list", "--profile", "smoke", "--work", str(tmp_path)]) == 0
    assert "zero-s0  made by an earlier version" in capsys.readouterr().out


@pytest.mark.parametrize("code", [[], None, {"training": 5}])
def test_a_manifest_that_lacks_what_is_read_of_it_is_said(place, capsys, code):
    files.write_json(place[1] / "smoke/runs/x/manifest.json", {"files": {}, "code": code})
    assert main(place, "check") == 1
    assert "x/manifest.json is damaged: it does not say which code made its run" in capsys.readouterr().err
    assert publish.origin(place[1] / "smoke/runs") == "manifests that do not say where (x)"


def test_check_says_once_that_other_code_made_the_runs(place, capsys, monkeypatch):
    publish.publish("smoke", work=place[0], results=place[1])
    code = runner.code_now(recipes.of("mini"))
    code["training"]["training.grpo"] = "other"
    code["evaluation"]["evaluation.predict"] = "other"
    monkeypatch.setattr(runner, "code_now", lambda recipe: code)
    assert main(place, "check") == 0
    (warning,) = capsys.readouterr().out.splitlines()
    assert "results/smoke was made by other code than this (2 modules differ, such as evaluation.predict)" in warning


@pytest.mark.parametrize(
    "harm, words",
    [
        (lambda d: (d / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda d: (d / "log.csv").write_text("step\n1\n"), "SHA-256 differs"),
    ],
)
def test_check_fails_for_a_run_that_is_not_whole(place, capsys, harm, words):
    publish.publish("smoke", work=place[0], results=place[1])
    harm(place[1] / "smoke" / "runs" / "zero-s0")
    assert main(place, "check") == 1
    assert words in capsys.readouterr().err
