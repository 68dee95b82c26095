"""reproduce.py on throw-away notebooks: what counts as run, what is run again, what a failure leaves behind."""

import ast
import builtins
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading

import nbformat
import pytest

from georeplicate import __main__ as command_line
from georeplicate import files, manifest, provenance, reproduce
from georeplicate.profiles import Profile
from georeplicate.report import write
from georeplicate.reproduce import ReproduceError
from georeplicate.runs import pool, spec

PARAMETERS = '# %% tags=["parameters"]\nprofile = "mini"\nout = "../made/mini"\n'


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A project in miniature: write(name, code, artefacts) makes a notebook, run() runs all."""

    class Bench:
        notebooks, work, library = tmp_path / "notebooks", tmp_path / "work", tmp_path / "library"

        def write(self, name, *cells, artefacts=(), parameters=PARAMETERS):
            declared = "".join(f"# artefacts: {a}\n" for a in artefacts)
            body = "".join(f"\n# %%\n{cell}\n" for cell in cells)
            path = self.notebooks / f"{name}.py"
            path.write_text(f"# %% [markdown]\n# # {name}\n\n{parameters}{declared}{body}")
            return path

        def run(self, profile="smoke", seeds=None, **parameters):
            places = {"notebooks": self.notebooks, "work": self.work, "library": self.library}
            return reproduce.run(profile, parameters, seeds=seeds, **places, progress=False)

        def main(self, *words):
            where = ["--notebooks", str(self.notebooks), "--work", str(self.work)]
            return command_line.main(["reproduce", *words, *where])

    bench = Bench()
    bench.notebooks.mkdir()
    bench.library.mkdir()
    monkeypatch.setattr(reproduce, "PACKAGE", bench.library)
    (bench.library / "code.py").write_text("x = 1\n")
    return bench


@pytest.fixture
def in_process(monkeypatch):
    """Cells are executed here instead of in a kernel, which takes a second to start; all else of papermill is real.
    For tests of what is run again; what a kernel does, and how it dies, is tested with one."""

    def execute(manager, kernel_name, **_):
        names: dict = {}
        for index, cell in enumerate(manager.nb.cells):
            manager.cell_start(cell, index)
            if cell.cell_type == "code":
                code_cells = [other for other in manager.nb.cells[: index + 1] if other.cell_type == "code"]
                cell.execution_count, said = len(code_cells), io.StringIO()
                try:
                    with contextlib.redirect_stdout(said):
                        exec(cell.source, names)
                except Exception as error:
                    told = dict(ename=type(error).__name__, evalue=str(error), traceback=[])
                    cell.outputs = [nbformat.v4.new_output("error", **told)]
                    manager.cell_exception(cell, index, exception=error)
                    break
                if said.getvalue():
                    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=said.getvalue())]
            manager.cell_complete(cell, index)

    monkeypatch.setattr("papermill.engines.NBClientEngine.execute_managed_notebook", execute)


WRITES_A = 'from pathlib import Path\nPath(out, "a.csv").write_text(f"profile\\n{profile}\\n")'


# --- the gate ------------------------------------------------------------------------------------------------------


def test_run_once_then_only_what_changed(bench, request):
    first = bench.write("01_first", WRITES_A, "1 + 1", artefacts=["a.csv"])
    bench.write("02_second", 'print(open(f"{out}/a.csv").read(), zoom)', parameters=PARAMETERS + "zoom = 3\n")

    assert bench.run() == ["01_first", "02_second"]
    assert (bench.work / "smoke" / "a.csv").read_text() == "profile\nsmoke\n"
    executed = nbformat.read(bench.work / "smoke" / "executed" / "02_second.ipynb", 4)
    assert "smoke\n 3" in executed.cells[-1].outputs[0].text.replace("\n\n", "\n")
    assert [p.name for p in (bench.work / "smoke" / "executed").iterdir() if p.name.count(".") > 1] == []
    request.getfixturevalue("in_process")  # a kernel has been seen

    written = {path: path.stat().st_mtime_ns for path in (bench.work / "smoke").rglob("*") if path.is_file()}
    assert bench.run() == []
    assert written == {path: path.stat().st_mtime_ns for path in written}

    # words in the first notebook concern it alone; a parameter, only the notebook that has it
    first.write_text(first.read_text().replace("# # 01_first", "# # The first"))
    assert bench.run() == ["01_first"]
    assert bench.run(zoom=1) == ["02_second"]

    # a result that was altered by hand is made again
    (bench.work / "smoke" / "a.csv").write_text("profile\nforged\n")
    assert bench.run(zoom=1) == ["01_first"]


def test_notebooks_run_again_when_a_measurement_they_may_show_has_changed(bench, in_process):
    bench.write("01_first", "1")
    assert bench.run("smoke") == ["01_first"] and bench.run("smoke") == []
    files.write_bytes(bench.notebooks.parent / "results" / "bench" / "speed.csv", b"seconds")
    assert bench.run("smoke") == ["01_first"] and bench.run("smoke") == []


def test_a_notebook_runs_again_when_what_it_imports_changes_and_a_docstring_is_no_change(bench, in_process):
    first = bench.write("01_first", "if False:\n    import library.code")
    bench.write("02_second", "2")
    assert bench.run() == ["01_first", "02_second"]
    (bench.library / "code.py").write_text('"""What it is."""\nx = 1  # one\n')
    forget()
    assert bench.run() == []
    (bench.library / "code.py").write_text("x = 2\n")
    forget()
    assert bench.run() == ["01_first"]
    (bench.library / "places.csv").write_text("id\n")  # data: everything may depend on it
    assert bench.run() == ["01_first", "02_second"]
    first.write_text(first.read_text() + "\n# %%\n3\n")
    assert bench.run() == ["01_first", "02_second"]


def forget():
    """The library of a running process does not change; here it does."""
    provenance._hash.cache_clear()
    provenance._imports.cache_clear()


@pytest.mark.parametrize(
    "code, words, kernel",
    [
        ('raise ValueError("no such place\\nmore")', r"In \[3\] raised ValueError: no such place; open", True),
        ("raise SystemExit(0)", r"SystemExit\(0\)", True),
        ("import os; os.kill(os.getpid(), 9)", "kernel was killed", True),
        ("pass", "artefact a.csv and did not write it", False),
        (WRITES_A + '; import os; os.utime(f"{out}/a.csv", (1, 1))', "left from an earlier run", False),
    ],
)
def test_a_notebook_that_did_not_finish_fails_with_one_sentence_and_stays_to_be_opened(
    bench, code, words, kernel, request
):
    if not kernel:
        request.getfixturevalue("in_process")
    bench.write("01_first", code, artefacts=["a.csv"])
    bench.write("02_never", "1")
    with pytest.raises(ReproduceError, match=words) as caught:
        bench.run()
    assert "\n" not in str(caught.value)
    executed = bench.work / "smoke" / "executed"
    assert sorted(p.name for p in executed.iterdir()) == ["01_first.failed.ipynb"]
    nbformat.validate(nbformat.read(executed / "01_first.failed.ipynb", 4))
    assert not (bench.work / "smoke" / "stamps").exists()


def test_after_a_repair_the_run_goes_on_where_it_stopped(bench, capsys, in_process):
    bench.write("01_first", "1")
    bench.write("02_second", "1 / 0")
    assert bench.main("--profile", "smoke") == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    bench.write("02_second", "1 / 1")
    assert bench.main("--profile", "smoke") == 0
    assert ": 02_second, profile smoke" in capsys.readouterr().out
    assert sorted(p.name for p in (bench.work / "smoke" / "executed").iterdir()) == [
        "01_first.ipynb",
        "02_second.ipynb",
    ]
    assert bench.main("--profile", "smoke") == 0
    assert "nothing to do" in capsys.readouterr().out


def code_cell(count, status="completed", outputs=()):
    cell = nbformat.v4.new_code_cell("1", execution_count=count, outputs=list(outputs))
    cell.metadata["papermill"] = {"status": status}
    return cell


@pytest.mark.parametrize(
    "cells, words",
    [
        ([code_cell(1), code_cell(2)], None),
        ([code_cell(1), code_cell(None, "pending")], "2 of 2 was not completed"),
        ([code_cell(1), code_cell(None)], "not executed in order"),
        ([code_cell(2), code_cell(1)], "not executed in order"),
        ([code_cell(1, outputs=[nbformat.v4.new_output("error", ename="E", evalue="why", traceback=[])])], "E.why."),
    ],
)
def test_gate(cells, words):
    complaint = reproduce.unfinished(nbformat.v4.new_notebook(cells=cells))
    assert complaint is None if words is None else words.replace(".", "(", 1).replace(".", ")") in complaint


# --- refused before anything runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell, words",
    [
        ("# !exit 3", "shell escapes and magics are refused"),
        ("# %matplotlib inline", "shell escapes and magics are refused"),
        ('get_ipython().system("exit 3")', "get_ipython"),
        ("if:", "not plain Python"),
        ("", "is empty"),
    ],
)
def test_what_could_hide_a_failure_is_refused(bench, cell, words):
    bench.write("01_first", "1")
    bench.write("02_second", cell, "1")
    with pytest.raises(ReproduceError, match=f"02_second: code cell 2 .*{words}"):
        bench.run()
    assert not bench.work.exists()


def test_parameters_are_checked_by_name(bench):
    bench.write("01_first", "1", parameters=PARAMETERS + "zoom: int = 3\n")
    with pytest.raises(ReproduceError, match="no notebook has a parameter 'zooom': there are out, profile, zoom"):
        bench.run(zooom=1)
    bench.write("01_first", "1", parameters=PARAMETERS.replace("profile =", "profil ="))
    with pytest.raises(ReproduceError, match="does not set profile"):
        bench.run()
    bench.write("01_first", "1", parameters="")
    with pytest.raises(ReproduceError, match="exactly one cell"):
        bench.run()


def test_command_line_says_what_is_wrong(bench, capsys):
    assert bench.main("--profile", "smoke") == 1
    assert "there is no notebook" in capsys.readouterr().err
    bench.write("01_first", "1")
    assert bench.main("--profile", "papr") == 1
    error = capsys.readouterr().err
    assert "unknown profile 'papr': choose one of smoke, mini" in error and error.count("\n") == 1
    assert bench.main("--profile", "smoke", "-p", "zoom") == 1
    assert "NAME=VALUE" in capsys.readouterr().err


def test_a_file_in_the_way_is_one_sentence(bench, capsys):
    bench.write("01_first", "1")
    bench.work.write_text("")
    assert bench.main("--profile", "smoke") == 1
    error = capsys.readouterr().err
    assert "a file stands where a folder should be" in error and error.count("\n") == 1


def test_a_full_disk_is_one_sentence(bench, monkeypatch):
    bench.write("01_first", "1")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("papermill.execute_notebook", full)
    with pytest.raises(files.FileError, match="the disk is full"):
        bench.run()


def test_a_second_run_of_the_same_profile_waits_for_the_first(bench, capsys, in_process):
    bench.write("01_first", "1")
    (bench.work / "smoke").mkdir(parents=True)
    entered = threading.Event()
    with files.alone(bench.work / "smoke" / ".lock", ""):
        thread = threading.Thread(target=lambda: (bench.run(), entered.set()))
        thread.start()
        assert not entered.wait(0.5)
        assert "waiting until it ends" in capsys.readouterr().out
    thread.join(60)
    assert entered.is_set()


# --- trained runs --------------------------------------------------------------------------------------------------


def test_runs_are_brought_up_to_date_before_the_notebooks_that_work_with_them(bench, monkeypatch, in_process):
    called, content = [], "1"

    def ensure(runs, profile, out):
        called.append([run.name for run in runs])
        files.write_bytes(out / "runs" / "base" / manifest.NAME, content.encode())
        return {"base": out / "runs" / "base"}

    monkeypatch.setattr(reproduce.runner, "ensure", ensure)
    bench.write("01_first", "1")
    assert bench.run("mini") == ["01_first"] and called == []  # nobody works with runs

    with_seeds = PARAMETERS + "seeds = 3\n"
    bench.write("02_second", "print(seeds)", parameters=with_seeds)
    bench.write("03_third", "3")
    assert bench.run("mini") == ["02_second", "03_third"]
    runs = [*spec.table2_runs((0, 1, 2), "mini"), *spec.table1_runs((0, 1, 2), "mini")]
    assert called == [[run.name for run in runs]]
    assert bench.run("mini") == []
    assert bench.run("mini", seeds=1) == ["02_second", "03_third"]
    assert called[-1][:4] == ["base", "sft-s0", "zero-s0", "r1-s0"]
    executed = nbformat.read(bench.work / "mini" / "executed" / "02_second.ipynb", 4)
    assert executed.cells[-1].outputs[0].text == "1\n"

    content = "2"  # trained or evaluated anew
    assert bench.run("mini", seeds=1) == ["02_second", "03_third"]
    files.write_bytes(bench.work / "mini" / "runs" / "zero-random-reward-s0" / manifest.NAME, b"a control")
    assert bench.run("mini", seeds=1) == ["02_second", "03_third"]
    assert bench.run("mini", seeds=1) == []
    with pytest.raises(ValueError, match="profile mini has 1 to 3 training seeds"):
        bench.run("mini", seeds=4)


def test_a_run_that_failed_stops_before_the_first_notebook(bench, monkeypatch, capsys):
    def ensure(*_):
        raise pool.WorkError("sft-s0 failed: the disk is full")

    monkeypatch.setattr(reproduce.runner, "ensure", ensure)
    bench.write("01_first", "1", parameters=PARAMETERS + "seeds = 3\n")
    assert bench.main("--profile", "smoke", "--seeds", "1") == 1
    assert capsys.readouterr().err == "error: sft-s0 failed: the disk is full\n"
    assert not (bench.work / "smoke" / "executed").exists()


# --- photographs -----------------------------------------------------------------------------------------------------

ON_PHOTOGRAPHS = ["04_grpo", "05_evaluation", "06_error_maps", "07_verdict"]


def test_photographs_follow_their_tables_with_the_notebooks_that_are_not_of_the_world(
    bench, monkeypatch, capsys, request
):
    bench.write("01_world", "1 / 0", parameters=PARAMETERS.replace('"parameters"', '"parameters", "world-only"'))
    declared = PARAMETERS + "seeds = 3\n# world-only artefacts: b.csv\n"
    cells = f'{WRITES_A}\n\n# %% tags=["world-only"]\n1 / 0\n\n# %% [markdown] tags=["world-only"]\n# Rendered.'
    bench.write("02_shared", cells, "seeds", parameters=declared, artefacts=["a.csv"])
    monkeypatch.setattr(reproduce.runner, "jobs", lambda *_, **__: [])
    monkeypatch.setattr(write, "write", lambda *_: [])
    assert bench.run("paper-dry") == ["02_shared"]
    said = capsys.readouterr().out
    assert "up to 1 notebooks (about the synthetic world, so left out: 01_world)" in said
    out = bench.work / "paper-dry"
    first, *cells = nbformat.read(out / "executed" / "02_shared.ipynb", 4).cells
    assert first.source.startswith("# 02_shared\n\n> **Profile `paper-dry`.** " + write.NO_RESULT)
    assert [cell.source.partition("\n")[0] for cell in cells][2:] == ["from pathlib import Path", "seeds"]
    assert cells[-1].outputs[0].data["text/plain"] == "1"
    assert (out / "stamps" / "02_shared.json").is_file() and (out / "a.csv").read_text() == "profile\npaper-dry\n"
    assert bench.run("paper-dry") == []
    request.getfixturevalue("in_process")
    files.write_bytes(out / "runs" / "base" / manifest.NAME, b"trained anew")
    with pytest.raises(ReproduceError, match="no notebook has a parameter 'zoom': there are out, profile, seeds"):
        bench.run("paper-dry", zoom=1)
    assert bench.run("paper-dry") == ["02_shared"]
    world = reproduce.Source(bench.notebooks / "02_shared.py", Profile.get("mini"))  # nothing is left out, or added
    assert [cell.cell_type for cell in world.notebook.cells] == ["markdown", *["code"] * 3, "markdown", "code"]
    assert world.artefacts == ["b.csv", "a.csv"]


@pytest.mark.parametrize("source", reproduce.sources(reproduce.NOTEBOOKS, Profile.get("paper")), ids=lambda s: s.name)
def test_what_photographs_leave_of_a_notebook_stands_alone(source):
    assert source.name in ON_PHOTOGRAPHS
    opening, *cells = (cell for cell in source.notebook.cells if "parameters" not in cell.metadata.get("tags", []))
    assert "`cv-cities`" in opening.source and "Qwen/Qwen2.5-VL-7B-Instruct" in opening.source
    prose = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert not re.findall(r"(?i)synthetic|\bmini\b|renderer|street-level|16 cities", prose)
    nodes = [node for code in source.code for node in ast.walk(ast.parse(code))]
    made = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    made |= {node.arg for node in nodes if isinstance(node, ast.arg)} | set(dir(builtins))
    made |= {(alias.asname or alias.name) for node in nodes if hasattr(node, "names") for alias in node.names}
    assert {node.id for node in nodes if isinstance(node, ast.Name)} <= made | {"kinds"}  # of a branch for the world


def test_every_notebook_that_shows_finished_runs_is_for_photographs_too():
    found = [source.name for source in reproduce.sources(reproduce.NOTEBOOKS, Profile.get("single_gpu"))]
    assert found == ON_PHOTOGRAPHS


# --- pairs ---------------------------------------------------------------------------------------------------------


def test_pair_is_the_executed_copy_without_traces_of_the_run(bench, capsys):
    code = 'import sys\nprint("seen", file=sys.stderr)\nprint(profile)'
    bench.write("01_first", code, "6 * 7")
    with pytest.raises(ReproduceError, match="has not been run"):
        reproduce.pair(notebooks=bench.notebooks, work=bench.work)
    bench.run("mini")
    (path,) = reproduce.pair(notebooks=bench.notebooks, work=bench.work)
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert "papermill" not in path.read_text() and "seen\\n" not in path.read_text()
    assert [c.cell_type for c in notebook.cells] == ["markdown", "code", "code", "code"]
    assert [c.execution_count for c in notebook.cells[1:]] == [1, 2, 3]
    assert notebook.cells[2].outputs[0].text == "mini\n"
    assert notebook.cells[3].outputs[0].execution_count == 3
    assert bench.main("--check-pairs") == 0

    # the same again, byte for byte, from another execution
    before = path.read_bytes()
    shutil.rmtree(bench.work)
    bench.run("mini")
    reproduce.pair(notebooks=bench.notebooks, work=bench.work)
    assert path.read_bytes() == before

    # a changed source is out of step with its pair, and with the run
    source = bench.notebooks / "01_first.py"
    source.write_text(source.read_text().replace("6 * 7", "6 * 8"))
    assert bench.main("--check-pairs") == 1
    assert "01_first.ipynb differs from its source" in capsys.readouterr().err
    with pytest.raises(ReproduceError, match="has changed since it was run"):
        reproduce.pair(notebooks=bench.notebooks, work=bench.work)


def test_check_pairs_names_what_is_missing_or_unexecuted(bench):
    source = reproduce.Source(bench.write("01_first", "1"))
    (bench.notebooks / "07_gone.ipynb").write_text("{}")
    assert [c.split()[0] for c in reproduce.unpaired(bench.notebooks)] == ["01_first.ipynb", "07_gone.ipynb"]
    (bench.notebooks / "07_gone.ipynb").unlink()
    nbformat.write(source.notebook, bench.notebooks / "01_first.ipynb")
    assert reproduce.unpaired(bench.notebooks) == ["01_first.ipynb holds no executed copy: write it with make pair"]


def test_an_output_with_a_path_of_this_machine_is_not_committed(bench):
    (bench.work / "mini" / "executed").mkdir(parents=True)
    source = reproduce.Source(bench.write("01_first", "1"))
    notebook = source.notebook
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text=f"wrote {reproduce.PACKAGE.parent}/a.csv")]
    nbformat.write(notebook, bench.work / "mini" / "executed" / "01_first.ipynb")
    with pytest.raises(ReproduceError, match="print a relative path"):
        reproduce.pair(notebooks=bench.notebooks, work=bench.work)


def test_cells_with_the_same_text_get_different_ids():
    cells = [nbformat.v4.new_code_cell("x") for _ in range(3)]
    seen = set()
    assert len({reproduce._cell_id(cell, seen) for cell in cells}) == 3


def test_a_run_that_is_up_to_date_needs_no_heavy_import(bench):
    code = "import sys, georeplicate.reproduce; sys.exit('torch' in sys.modules or 'papermill' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_kernels_are_offline_where_the_pictures_are_ours(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for profile, offline in (("mini", "1"), ("paper", None)):
        with reproduce._kernel_environment(tmp_path, profile):
            assert os.environ.get("HF_HUB_OFFLINE") == offline
            assert os.environ["IPYTHONDIR"].startswith(str(tmp_path))
        assert "HF_HUB_OFFLINE" not in os.environ


def test_stamp_is_plain_json(bench, in_process):
    bench.write("01_first", "1")
    bench.run()
    stamp = json.loads((bench.work / "smoke" / "stamps" / "01_first.json").read_text())
    assert set(stamp) == {"key", "wrote"} and list(stamp["wrote"]) == ["executed/01_first.ipynb"]


def test_what_will_be_done_is_said_before_it_is_done(tmp_path):
    said = reproduce.plan("smoke", (0,), tmp_path, 7)
    assert said.startswith("profile smoke: 12 runs to train and evaluate (about ") and "up to 7 notebooks" in said
    assert "runs" not in reproduce.plan("smoke", (), tmp_path, 2)


def test_a_source_that_is_edited_while_notebooks_run_is_stamped_as_it_was_read(tmp_path):
    path = tmp_path / "00_a.py"
    path.write_text("# %%\none = 1\n")
    source = reproduce.Source(path)
    assert source.notebook.cells[0].source == "one = 1"
    path.write_text("# %%\none = 2\n")
    assert "one = 1" in source.text
