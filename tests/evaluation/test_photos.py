"""`georeplicate locate` and `pair`: a person's own pictures, one at a time, each failure listed."""

import json

import pytest
from PIL import Image

from georeplicate import files
from georeplicate.evaluation import photos


@pytest.fixture
def pictures(tmp_path):
    """Three sound pictures of different modes, one that is no picture."""
    for name, mode in (("a.jpg", "RGB"), ("b.png", "RGBA"), ("c.png", "P")):
        Image.new(mode, (90, 60), 120 if mode == "P" else (90, 120, 60, 200)[: len(mode)]).save(tmp_path / name)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return [tmp_path / name for name in ("a.jpg", "broken.jpg", "b.png", "c.png")]


def test_the_mini_model_refuses_photographs_unless_it_is_a_demo(command, pictures):
    code, _, error = command("locate", *pictures)
    assert code == 1 and "--synthetic-demo" in error and error.count("\n") == 1
    code, _, error = command("locate", pictures[0], "--model", photos.MINI)
    assert code == 1 and "mini model, which never saw a photograph" in error


def test_each_photo_has_a_line_and_each_failure_is_listed(command, pictures):
    code, printed, error = command("locate", *pictures, "--synthetic-demo", "--json")
    found = [json.loads(line) for line in printed.splitlines()]
    assert code == 1 and [one["photo"] for one in found] == [str(p) for p in pictures if "broken" not in p.name]
    assert all(one["note"] == photos.SYNTHETIC for one in found)
    assert "broken.jpg cannot be read as a picture" in error and "1 of 4 photos failed" in error


def test_a_folder_stands_for_its_pictures(command, pictures, tmp_path):
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "empty").mkdir()
    code, printed, error = command("locate", tmp_path, "--synthetic-demo", "--json")
    assert [json.loads(line)["photo"] for line in printed.splitlines()] == [
        str(tmp_path / name) for name in "a.jpg b.png c.png".split()
    ]
    assert code == 1 and "1 of 4 photos failed" in error
    code, _, error = command("locate", tmp_path / "empty", "--synthetic-demo")
    assert code == 1 and "holds no picture" in error


def test_pair_names_a_tile_and_says_what_the_model_is(command, pictures):
    code, printed, _ = command("pair", pictures[0], pictures[2], pictures[3], "--synthetic-demo")
    assert photos.SYNTHETIC in printed and (code == 0) == any(f"{letter}: " in printed for letter in "AB")
    code, _, error = command("pair", pictures[0], pictures[2], "--synthetic-demo")
    assert code == 1 and "2 to 26 tiles" in error
    code, _, error = command("pair", pictures[0], pictures[2], pictures[1], "--synthetic-demo")
    assert code == 1 and "broken.jpg" in error


def test_an_enormous_picture_is_refused_and_a_long_one_is_made_small(tmp_path):
    Image.new("RGB", (4096, 2048)).save(tmp_path / "panorama.png")
    assert photos.open_photo(tmp_path / "panorama.png").size == (photos.LONGEST_PX, photos.LONGEST_PX // 2)
    with pytest.raises(ValueError, match="does not exist"):
        photos.open_photo(tmp_path / "none.png")


def test_a_baseline_is_evaluated_on_a_profile(command, tmp_path):
    words = ("evaluate", "--baseline", "constant", "--profile", "smoke", "--out", tmp_path / "rows.csv")
    code, printed, _ = command(*words)
    assert code == 0 and "world-geographic (synthetic)" in printed and "within 750 km" in printed
    assert (tmp_path / "rows.csv").read_text().startswith("system,training_seed,task")


def test_the_engine_writes_records_of_the_world(command, tmp_path):
    code, printed, _ = command("engine", "--source", "world", "--limit", "6", "--out", tmp_path / "records")
    assert code == 0 and "records accepted" in printed and (tmp_path / "records" / "README.md").is_file()
    code, _, error = command("engine", "--source", "world", "--teacher", "oracle", "--out", tmp_path / "other")
    assert code == 1 and "unknown teacher 'oracle': choose one of template, local, openai" in error


def test_runs_are_listed_with_their_state(command, tmp_path):
    code, printed, _ = command("runs", "list", "--profile", "smoke", "--work", tmp_path)
    lines = printed.splitlines()
    assert code == 0 and lines[1].split() == ["sft-s0", "not", "begun"]
    files.write_json(tmp_path / "smoke" / "runs" / "sft-s0" / "begun.json", {"key": "0", "inputs": {"seed": 1}})
    _, printed, _ = command("runs", "list", "--profile", "smoke", "--work", tmp_path)
    assert "of another version" in printed.splitlines()[1] and "seed 1 -> 0" in printed.splitlines()[1]
