"""Each test set from its true layout, with the faults that such downloads have."""

import pytest

from georeplicate.evaluation import benchmarks
from georeplicate.evaluation.benchmarks.schema import COLUMNS, Source, build
from georeplicate.evaluation.report import Report
from georeplicate.evaluation.rows import Rows
from georeplicate.evaluation.score import score


def lay(root, files):
    """Write {path: text}; pictures are only looked up by name."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


YFCC = "\t".join(["0", "{id}", *["x"] * 10, "{lon}", "{lat}", "rest"]) + "\n"
LAYOUTS = {
    "MP16-Reason-Test-12K": (
        {
            "mp16-reason-test-12k.csv": "IMG_ID,LAT,LON,city,country\nab_1.jpg,48.85,2.35,Paris,France\n"
            "ab_2,35.7,139.7,Tokyo,Japan\nab_3.jpg,2.35,48.85,Paris,France\nab_4.jpg,1,2,,\nab_1.jpg,1,1,,\n",
            "data/eval_images/ab_1.jpg": "",
            "data/eval_images/ab_2.jpg": "",
        },
        ["ab_1.jpg", "ab_2"],
        {"latitude and longitude look swapped": 1, "picture missing": 1, "id given before": 1},
    ),
    "IM2GPS3k": (
        {
            "im2gps3k_places365.csv": "AUTHOR,IMG_ID,LON,LAT,S3_Label\nme,1_2_3.jpg,2.35,48.85,urban\n",
            "im2gps3ktest/1_2_3.jpg": "",
            "im2gps3ktest/9_9_9.jpg": "",
        },
        ["1_2_3.jpg"],
        {"picture without a row in im2gps3k_places365.csv": 1},
    ),
    "YFCC4k": (
        {
            "info.txt": YFCC.format(id="77", lon="2.35", lat="48.85")
            + "short\t78\n"
            + YFCC.format(id=79, lon=1, lat=95),
            "images/77.jpg": "",
        },
        ["77"],
        {"broken line": 1, "latitude and longitude look swapped": 1},
    ),
    "OSV-5M test": (
        {
            "test.csv": "id,latitude,longitude,country,sequence,city\n100,-33.9,18.4,ZA,s,Cape Town\n"
            "200,-22.6,17.1,NA,s,\n",
            "images/test/00/100.jpg": "",
            "images/test/04/200.jpg": "",
        },
        ["100", "200"],
        {},
    ),
    "OSV-5M test-mini": (
        {"data/test_mini.csv": "id,latitude,longitude\n100,-33.9,18.4\n", "data/osv-test-mini-3k/100.jpg": ""},
        ["100"],
        {},
    ),
    "IMAGEO-GSS": (
        {
            "analysis/dataset1_info.csv": "image_id,source,url,city,country,latitude,longitude,img_path\n"
            "00-aa,Mapillary,http://x,Zürich,Switzerland,47.38,8.53,img/4/00-aa.jpeg\n",
            "data/dataset1/00-aa.jpeg": "",
        },
        ["00-aa"],
        {},
    ),
    "GeoChain": (
        {
            "data/test_samples.csv": "key,locatability_score,lat,lon,city,sub_folder,class_mapping,sequence_key\n"
            'E-f_1,0.46,55.67,12.57,cph,query,"{""sky"": 0.24, ""tree"": 0.3}",-1EX\n',
            "mapillary/cph/query/images/E-f_1.jpg": "",
        },
        ["E-f_1"],
        {},
    ),
}


def test_every_set_is_laid_out_below():
    assert list(LAYOUTS) == benchmarks.names()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_set_is_read_from_its_own_layout_and_every_fault_reported(name, tmp_path):
    files, expected, faults = LAYOUTS[name]
    found = benchmarks.load(name, root=lay(tmp_path, files))
    assert found.rows.columns[:6].tolist() == list(COLUMNS) and found["id"] == expected
    assert {line.reason: line.rows for line in found.report.counts.itertuples()} == faults
    for row in found:
        assert (tmp_path / row["image"]).is_file() and -90 <= row["lat"] <= 90
    assert found.name == name and len(found) == len(expected) and found[0]["id"] == expected[0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_set_that_is_not_there_says_where_it_comes_from(name, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        benchmarks.load(name, root=tmp_path)
    said = str(error.value)
    assert said.startswith(f"{name}: no ") and "http" in said and "\n" not in said
    assert "licence not found" in said or "CC BY" in said
    assert any(letter.isdigit() for letter in said.partition("get it from")[2])  # its size


def test_coordinates_are_where_the_layout_says(tmp_path):
    for i, (name, (files, _, _)) in enumerate(LAYOUTS.items()):
        row = benchmarks.load(name, root=lay(tmp_path / str(i), files))[0]
        assert (row["lat"], row["lon"]) in {
            (48.85, 2.35), (-33.9, 18.4), (47.38, 8.53), (55.67, 12.57)
        }, name  # fmt: skip


def test_names_of_places_where_a_set_tells_them(tmp_path):
    loaded = {
        name: benchmarks.load(name, root=lay(tmp_path / str(i), LAYOUTS[name][0])) for i, name in enumerate(LAYOUTS)
    }
    assert loaded["OSV-5M test"]["country"] == ["ZA", "NA"]  # Namibia is no missing value
    assert loaded["GeoChain"]["city"] == ["Copenhagen"] and loaded["GeoChain"]["country"] == [""]
    assert loaded["IM2GPS3k"]["S3_Label"] == ["urban"]


def test_without_any_picture_a_set_can_still_be_scored(tmp_path):
    files = {name: text for name, text in LAYOUTS["MP16-Reason-Test-12K"][0].items() if name.endswith(".csv")}
    found = benchmarks.load("mp16 reason test 12k", root=lay(tmp_path, files))
    assert found["image"] == [None] * 3 and "can be scored, not shown to a model" in found.report.notes[0]


def test_rows_without_a_picture_still_count_when_predictions_are_scored(tmp_path):
    found = benchmarks.load("MP16-Reason-Test-12K", root=lay(tmp_path, LAYOUTS["MP16-Reason-Test-12K"][0]))
    scores = score(found.truth.frame[["id", "lat", "lon"]], found.truth)
    assert scores.summary["n"] == 3 and len(found) == 2


def test_a_picture_whose_row_was_set_aside_is_not_called_one_without_a_row(tmp_path):
    files = LAYOUTS["MP16-Reason-Test-12K"][0] | {"data/eval_images/ab_3.jpg": "", "data/eval_images/extra.jpg": ""}
    found = benchmarks.load("MP16-Reason-Test-12K", root=lay(tmp_path, files))
    spare = found.report.rows[found.report.rows.outcome == "left out"]
    assert spare.id.tolist() == ["extra.jpg"]


def test_two_pictures_of_one_name_decide_nothing(tmp_path):
    files = LAYOUTS["YFCC4k"][0] | {"images/a/77.jpg": "", "images/b/77.jpg": ""}
    del files["images/77.jpg"]
    found = benchmarks.load("YFCC4k", root=lay(tmp_path, files))
    assert not len(found) and "several pictures have its name" in set(found.report.rows.reason)


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ValueError, match="no benchmark 'nope'; choose from MP16-Reason-Test-12K, IM2GPS3k, YFCC4k"):
        benchmarks.load("nope")


def test_a_set_can_be_plugged_in(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks, "LOADERS", dict(benchmarks.LOADERS))
    source = Source("plugged", "here", "1 row", "CC0")

    def loader(root):
        import pandas as pd

        frame = pd.DataFrame({"id": ["a"], "lat": [1.0], "lon": [2.0]})
        return build(source, frame, root / "none.csv", Report(), [root])

    benchmarks.register("plugged", loader)
    found = benchmarks.load("PLUGGED", root=tmp_path)
    assert found["id"] == ["a"] and isinstance(found.truth, Rows)
    with pytest.raises(ValueError, match="registered already"):
        benchmarks.register("im2gps3K", loader)
