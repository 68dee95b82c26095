"""What the report of faults rests on: an installation is looked at file by file, and what was not run is said."""

import base64
import hashlib
from pathlib import Path

import environments
import pandas as pd
import reliability
from clones import Outcome

ROOT = Path(__file__).parents[2]


def package(folder: Path, name: str, version: str, code: bytes) -> Path:
    """An installed package of one module, as pip leaves it."""
    (folder / f"{name}.py").write_bytes(code)
    information = folder / f"{name}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(code).digest()).rstrip(b"=").decode()
    (information / "RECORD").write_text(f"{name}.py,sha256={digest},{len(code)}\n{information.name}/RECORD,,\n")
    return information


def test_an_installation_that_is_not_whole_is_told_from_one_that_is(tmp_path):
    for name in ("whole", "cut", "gone", "half"):
        package(tmp_path, name, "1.0", b"print(1)\n")
    assert environments.damaged_files(tmp_path) == []
    (tmp_path / "cut.py").write_bytes(b"print(")
    (tmp_path / "gone.py").unlink()
    (tmp_path / "half-1.0.dist-info" / "RECORD").unlink()  # pip writes it last
    assert environments.damaged_files(tmp_path) == ["cut.py", "gone.py", "half"]


def test_versions_other_than_the_tested_ones_are_named(tmp_path):
    pins = tmp_path / "constraints.txt"
    pins.write_text("a-b==1.0\ntorch==2.13.0\n")
    for name, version in {"A_b": "1.1", "torch": "2.13.0+cpu", "other": "3"}.items():
        package(tmp_path, name, version, b"")
    assert environments.unpinned(tmp_path, pins) == ["a-b 1.1"]


def test_without_a_memory_cgroup_each_process_is_limited(tmp_path):
    with environments.memory_limit(4 * 2**30, tmp_path / "no cgroups") as memory:
        assert memory.prefix == ("prlimit", "--data=4294967296")
        assert "each process" in memory.words


def test_a_report_names_what_was_not_run_and_is_read_again_only_about_the_same():
    rows = {
        "none": [Outcome("none", 1, "-", 0, 60.0)],
        "damage": [Outcome("one bit flipped", 2, 2, 1, 50.0, "a.csv"), Outcome("a file removed", 3, 3, 0, 10.0)],
        "python": [Outcome.not_run("Python 3.99", "none is here")],
    }
    page = reliability.report(rows, "of this code")
    assert "**5 faults injected, 1 files lost, 2 minutes.**" in page
    assert "| python | Python 3.99 | 0 | - | 0 | 0 | **not run**: none is here |" in page
    assert "**Not run**: kills, limits, blocked, stages, install, sealed, twice (" in page
    assert reliability.read_report(page, "of this code") == rows
    assert reliability.read_report(page, "of other code") == {}
    assert "**Not run**: " not in reliability.report(dict.fromkeys(reliability.STEPS, rows["none"]), "")


def test_stages_at_work_are_told_from_those_that_are_done_or_wait(tmp_path):
    for name, files in {
        "a": [],
        "b": ["begun"],
        "c": ["begun", "trained"],
        "d": ["begun", "trained", "manifest"],
    }.items():
        for file in files or ["log"]:
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{file}.json").touch()
    assert list(reliability.at_work(tmp_path, "profile smoke\n")) == ["training b", "evaluation c"]
    said = "[1/9] 00_start_here, profile smoke\nok\n[2/9] 01_data, profile smoke\n"
    assert list(reliability.at_work(tmp_path, said))[-1] == "notebook 01_data"


def test_nothing_is_lost_in_the_committed_report():
    page = (ROOT / "results" / "reliability.md").read_text()
    rows = reliability.read_report(page, page.splitlines()[2])
    assert {"none", "damage", "kills", "limits", "python", "blocked"} <= rows.keys()
    for one in (one for made in rows.values() for one in made):
        assert one.lost == 0 and one.noticed in ("-", one.injected), one.fault
        assert (one.injected == 0) == one.remark.startswith("**not run**"), one.fault


def test_thousands_of_inputs_cost_no_memory_and_no_good_row():
    table = pd.read_csv(ROOT / "results" / "bench" / "batch.csv")
    assert (table.lost == 0).all() and (table.listed == table.broken).all()
    peak = table.pivot(index="command", columns="inputs", values="peak_mb")
    assert list(peak.index) == ["locate", "map", "score"]
    assert (peak[10_000] < 1.1 * peak[1_000]).all()  # ten times the inputs
