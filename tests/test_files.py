"""record.py: files are whole or absent, errors are one sentence, an altered run is noticed."""

import errno
import json
import os
import subprocess
import threading
import time

import numpy as np
import pandas as pd
import pytest

from georeplicate import files, manifest, provenance


def no_leftovers(folder):
    return [p.name for p in folder.rglob("*.tmp")] == []


def test_files_are_written_whole_and_replaced(tmp_path):
    path = tmp_path / "deep" / "a.json"
    files.write_json(path, {"b": 1, "a": "é"})
    assert path.read_text() == '{\n  "b": 1,\n  "a": "é"\n}\n'
    files.write_json(path, [])
    assert json.loads(path.read_text()) == []
    assert path.stat().st_mode & 0o777 == 0o666 & ~files._umask()
    assert no_leftovers(tmp_path)
    with pytest.raises(ValueError):
        files.write_json(path, float("nan"))


def test_csv_keeps_every_digit(tmp_path):
    table = pd.DataFrame({"error_km": [0.1 + 0.2, np.pi, np.nan], "text": ['a "b"\nc', "é", ""]})
    back = pd.read_csv(files.write_csv(tmp_path / "t.csv", table), keep_default_na=False, na_values={"error_km": ""})
    pd.testing.assert_frame_equal(back, table)


def test_csv_keeps_carriage_returns_inside_their_cell(tmp_path):
    table = pd.DataFrame({"n": [1, 2], "text": ["a\rb", "c\r\nd"]})
    back = pd.read_csv(files.write_csv(tmp_path / "t.csv", table))
    assert len(back) == 2 and back.n.tolist() == [1, 2] and back.text[0] == "a\rb"


@pytest.mark.parametrize(
    "code, words", [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "read-only")]
)
def test_a_failed_write_says_why_and_keeps_the_old_file(tmp_path, monkeypatch, code, words):
    path = tmp_path / "a.bin"
    files.write_bytes(path, b"old")

    def fail(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(files.FileError, match=words) as caught:
        files.write_bytes(path, b"new")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"
    assert no_leftovers(tmp_path)


def test_a_full_disk_for_real(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")
    assert "disk is full" in files.explain(caught.value, "results/a.csv")


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "results").write_text("not a folder")
    with pytest.raises(files.FileError, match="stands where a folder should be"):
        files.write_bytes(tmp_path / "results" / "a.csv", b"")


def test_checksums(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"abc")
    b.write_bytes(b"")
    assert files.sha256_file(a) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    both = files.sha256_files([a, b], tmp_path)
    assert both == files.sha256_files([b, a], tmp_path)
    a.rename(tmp_path / "c")
    assert both != files.sha256_files([tmp_path / "c", b], tmp_path)  # names count


def test_a_run_is_finished_only_with_its_manifest(tmp_path):
    files.write_bytes(tmp_path / "log.csv", b"step,loss\n")
    assert not manifest.is_finished(tmp_path)
    with pytest.raises(files.FileError, match="no finished run"):
        manifest.read(tmp_path)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "weights").write_text("")
    (tmp_path / ".lock").write_text("")
    begun = time.time() - 5
    manifest.finish(tmp_path, profile="smoke", seed=3, data_sha256="0", started=begun, apart=["policy"], steps=2)
    found = manifest.read(tmp_path)
    assert (found["profile"], found["seed"], found["steps"]) == ("smoke", 3, 2)
    assert found["wall_seconds"] >= 5
    assert found["machine"]["cpu"] and found["machine"]["cores"] >= 1 and found["machine"]["memory_gib"] > 0
    assert found["versions"]["numpy"] == np.__version__
    assert set(found["files"]) == {"log.csv"}


@pytest.mark.parametrize(
    "harm, words",
    [
        (lambda d: (d / "log.csv").write_bytes(b"step,lost\n"), "SHA-256 differs"),
        (lambda d: (d / "log.csv").unlink(), "missing though"),
        (lambda d: (d / "manifest.json").write_text('{"files": '), "damaged"),
        (lambda d: (d / "manifest.json").write_text("{}"), "damaged"),
    ],
)
def test_an_altered_run_is_noticed(tmp_path, harm, words):
    files.write_bytes(tmp_path / "log.csv", b"step,loss\n")
    manifest.finish(tmp_path, profile="smoke", seed=0, data_sha256="0", started=time.time())
    assert manifest.is_finished(tmp_path)
    harm(tmp_path)
    assert not manifest.is_finished(tmp_path)
    with pytest.raises(files.FileError, match=words):
        manifest.read(tmp_path)


def test_a_manifest_key_is_never_overwritten(tmp_path):
    with pytest.raises(ValueError, match="already has machine"):
        manifest.finish(tmp_path, profile="smoke", seed=0, data_sha256="0", started=0.0, machine="mine")


# --- which code ----------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path):
    texts = {
        "__init__.py": "",
        "top.py": "from toys import low, folder\nfrom toys.folder.deep import thing\n",
        "low.py": 'X = 1\n\n\ndef f():\n    import toys.late as l\n    return """a\n\nb"""\n',
        "late.py": "import json\n",
        "folder/__init__.py": "",
        "folder/deep.py": "thing = 1\n",
        "apart.py": "import toys.top\n",
    }
    for name, text in texts.items():
        files.write_bytes(tmp_path / "toys" / name, text.encode())
    return tmp_path / "toys"


def fresh():
    provenance._hash.cache_clear()
    provenance._imports.cache_clear()


def test_what_a_module_imports_however_deep(package):
    fresh()
    assert provenance.imported("top", package=package) == ["folder", "folder.deep", "late", "low", "top"]
    assert provenance.imported("low", package=package) == ["late", "low"]
    with pytest.raises(ValueError, match="no module 'none'"):
        provenance.imported("none", package=package)


@pytest.mark.parametrize(
    "text, same",
    [
        ('"""A docstring."""\nX = 1  # é\ndef f():\n    """é"""\n    import toys.late as l\n    # b\n'
         '    return """a\n\nb"""\n', True),
        ('X = 2\n\n\ndef f():\n    import toys.late as l\n    return """a\n\nb"""\n', False),
        ('X = 1\n\n\ndef f():\n    import toys.late as l\n    return """a\nb"""\n', False),
        ('X = 1\n\n\ndef f():\n    import toys.late as l\n    return """a\n\nb # no comment"""\n', False),
    ],
)  # fmt: skip
def test_comments_docstrings_and_blank_lines_are_no_code(package, text, same):
    fresh()
    before = provenance.code("top", "low", package=package)
    fresh()
    (package / "low.py").write_text(text)
    after = provenance.code("top", "low", package=package)
    assert before["top"] == after["top"] and (before["low"] == after["low"]) is same


def test_only_one_holds_a_lock(tmp_path, capsys):
    entered = threading.Event()

    def enter():
        with files.alone(tmp_path / "deep" / "lock", "another is at work; waiting"):
            entered.set()

    with files.alone(tmp_path / "deep" / "lock", "never said"):
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.3)
        assert capsys.readouterr().out == "another is at work; waiting\n"
    thread.join(5)
    assert entered.is_set()
    (tmp_path / "file").write_text("")
    with pytest.raises(files.FileError, match="a file stands"), files.alone(tmp_path / "file" / "lock", ""):
        pass


def test_git_state(tmp_path):
    assert provenance.git_state(tmp_path) == {"commit": None, "dirty": None}

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    state = provenance.git_state(tmp_path)
    assert len(state["commit"]) == 40 and state["dirty"] is False
    (tmp_path / "a").write_text("2")
    assert provenance.git_state(tmp_path)["dirty"] is True
