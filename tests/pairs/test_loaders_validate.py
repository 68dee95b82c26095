"""The validation report: what is wrong with planted rows is found and named, and no row is lost."""

import json

import make_fixtures
import numpy as np
import pandas as pd
import pytest
from make_fixtures import near
from PIL import Image

from georeplicate import pairs
from georeplicate.pairs import validate

pytestmark = pytest.mark.filterwarnings("ignore:.*(set aside|are here)")


def paris(root, name, lat, lon, sat=None, pano=None):
    """One more line of the Paris fixture; pictures of its own unless named."""
    sat = sat or make_fixtures.tile(root / f"paris/satellite/{name}_s.jpg").name
    pano = pano or make_fixtures.panorama(root / f"paris/streetview/{name}_p.jpg").name
    with open(root / "paris/img_info.csv", "a") as file:
        file.write(f"{name},{lon},{lat},paris,paris/satellite/{sat},paris/streetview/{pano}\n")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The CV-Cities fixture with one row for each thing that can be wrong, and its report."""
    root = tmp_path_factory.mktemp("planted") / "cv-cities"
    make_fixtures.cv_cities(root)
    lat, lon = near("paris", 9)
    street, space = root / "paris/streetview", root / "paris/satellite"
    paris(root, "torn", lat, lon)
    whole = (street / "torn_p.jpg").read_bytes()
    (street / "torn_p.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    paris(root, "text", lat, lon)
    (space / "text_s.jpg").write_text("<html>404</html>")
    paris(root, "narrow", lat, lon)
    make_fixtures.draw(street / "narrow_p.jpg", 100, 64)
    paris(root, "oblong", lat, lon)
    make_fixtures.draw(space / "oblong_s.jpg", 96, 64)
    paris(root, "swapped", lon, lat)
    paris(root, "far", lat + 3, lon)
    paris(root, "again", lat, lon)
    with Image.open(street / "paris_1_p.jpg") as picture:
        picture.resize((256, 128)).save(street / "again_p.jpg", quality=60)  # the same view, saved again
    paris(root, "shared", lat, lon, sat="paris_2_s.jpg")  # one file for two rows is no duplicate
    with Image.open(street / "paris_3_p.jpg") as picture:
        picture.save(root / "london/pano_images/london_4.jpg", quality=70)  # a training panorama in the test
    out = root.parent / "report"
    return root, out, validate.check("cv-cities", root, out, progress=False)


@pytest.mark.parametrize(
    "row, reason, detail",
    [
        ("paris/torn", "unreadable panorama", "truncated"),
        ("paris/text", "unreadable aerial", "UnidentifiedImageError"),
        ("paris/narrow", "wrong aspect of panorama", "100 x 64; expected 2 times"),
        ("paris/oblong", "wrong aspect of aerial", "96 x 64; expected 1 times"),
        ("paris/swapped", "latitude and longitude swapped", "Paris the other way round"),
        ("paris/far", "outside its city", "Paris"),
        ("paris/again", "duplicate panorama", "paris/paris_1"),
        ("london/london_4", "leakage of panorama", "paris/paris_3 of train"),
        ("london/london_3", "no panorama file", ""),
        ("london/line 3", "5 fields where 6 belong", ""),
        ("taipei/taipei_0", "latitude and longitude swapped", ""),
    ],
)
def test_a_planted_fault_is_named(planted, row, reason, detail):
    found = planted[2].set_aside.set_index("id").loc[row]
    assert found.reason == reason and detail in found.detail


def test_nothing_but_the_planted_faults_is_set_aside(planted):
    assert sorted(planted[2].set_aside.id) == sorted(
        [f"paris/{name}" for name in ("torn", "text", "narrow", "oblong", "swapped", "far", "again")]
        + ["london/london_4", "london/london_3", "london/line 3", "taipei/taipei_0"]
    )


def test_counts_add_up_in_every_split(planted):
    root, out, report = planted
    counts = pd.read_csv(out / "report.csv")
    aside = pd.read_csv(out / "set_aside.csv")
    for split in ("train", "test"):
        of = counts[counts.split == split].set_index("outcome").rows
        assert of["listed"] == len(pairs.read("cv-cities", split, root))
        assert of["listed"] - of["kept"] == of.drop(["listed", "kept"]).sum() == (aside.split == split).sum()
    assert not aside.id.duplicated().any()


def test_what_is_set_aside_is_left_out_by_the_loader(planted):
    root, out, report = planted
    rows = pairs.load("cv-cities", "train", root=root, set_aside=out / "set_aside.csv")
    kept = report.rows[(report.rows.split == "train") & (report.rows.reason == "")]
    assert rows["id"][:] == kept.id.tolist() and "paris/shared" in rows["id"][:]


def test_a_second_run_opens_no_picture_but_the_changed_one_and_forgives_a_torn_cache(planted, monkeypatch):
    root, out, report = planted
    with open(out / "pictures.jsonl", "a") as file:
        file.write('{"path": "half a li')
    make_fixtures.draw(root / "paris/streetview/narrow_p.jpg", 200, 100)
    looked = []
    really = validate._look
    monkeypatch.setattr(validate, "_look", lambda path: looked.append(path) or really(path))
    again = validate.check("cv-cities", root, out, progress=False)
    assert [path.rpartition("/")[2] for path in looked] == ["narrow_p.jpg"]
    assert set(report.set_aside.id) - set(again.set_aside.id) == {"paris/narrow"}
    assert all(json.loads(line) for line in (out / "pictures.jsonl").read_text().splitlines() if line.endswith("}"))


def test_two_workers_find_what_one_finds(planted, tmp_path):
    root, _, _ = planted
    one = validate.check("cv-cities", root, tmp_path / "one", progress=False)
    two = validate.check("cv-cities", root, tmp_path / "two", progress=False, workers=2)
    pd.testing.assert_frame_equal(one.rows, two.rows)


def test_places_of_an_earlier_split_leak_unless_only_pictures_are_asked_for(tmp_path):
    make_fixtures.vigor(tmp_path / "vigor")
    report = validate.check("vigor", tmp_path / "vigor", tmp_path / "a", progress=False)
    leaks = report.set_aside
    assert set(leaks.reason) == {"leakage of place"} and len(leaks) == 4  # b of each city, 11 m from a
    assert leaks.detail.str.contains("^11 m from .* of train$").all()
    report = validate.check("vigor", tmp_path / "vigor", tmp_path / "b", leak_km=0, progress=False)
    assert report.set_aside.empty  # a and b share their tile, which is one file


def test_near_duplicates_are_told_from_pictures_that_only_look_alike_in_hash():
    grey = np.zeros(256, np.uint8).tobytes().hex()
    light = np.full(256, 200, np.uint8).tobytes().hex()
    seen = {
        "a": {"hash": "00000000ffffffff", "grey": grey},
        "b": {"hash": "00010002ffffbfff", "grey": grey},  # three bits, in three quarters
        "c": {"hash": "00010002ffffbffe", "grey": grey},  # four bits from a, one from b
        "d": {"hash": "00000000ffffffff", "grey": light},  # the same hash, another picture
        "e": {"hash": "123456789abcdef0", "grey": grey},
    }
    paths = np.array(list("aabcde"), dtype=object)
    assert validate._earlier_twins(paths, np.arange(6), seen) == [(2, 0), (3, 2)]


def test_the_command_prints_the_counts_and_where_the_rest_is(tmp_path, command):
    make_fixtures.vigor(tmp_path / "vigor")
    check = ("data", "vigor", "--check", "--leak-km", "0", "--splits", "test")
    code, printed, _ = command(*check, "--root", tmp_path / "vigor")
    assert code == 0 and "test" in printed and "listed" in printed and "set_aside.csv" in printed
    code, _, error = command(*check, "--root", tmp_path / "nowhere")
    assert code == 1 and "make data SOURCE=vigor" in error


def test_a_source_that_is_not_on_disk_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no source on disk"):
        validate.check("world", tmp_path, tmp_path)
    with pytest.raises(FileNotFoundError):
        validate.check("cvact", tmp_path, tmp_path / "out")
