"""The command's entry: what is printed and written, and one sentence for whatever goes wrong."""

import json

import numpy as np
import pandas as pd
import pytest

from georeplicate.evaluation.command import run_score
from georeplicate.evaluation.score import read_predictions, read_truth, score


@pytest.fixture
def files(tmp_path):
    """600 examples, 5 % of the predictions broken in six ways."""
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-60, 60, 600), rng.uniform(-180, 180, 600)
    truth = pd.DataFrame({"id": [f"p/{i}.jpg" for i in range(600)], "lat": lat, "lon": lon})
    truth.to_csv(tmp_path / "truth.csv", index=False)
    lines = [f"{i},{a + 0.1:.5f},{o:.5f}" for i, (a, o) in enumerate(zip(lat, lon))]
    broken = rng.choice(600, 30, replace=False)
    for kind, i in enumerate(broken):
        lines[i] = (f'{i},"1,2', f"{i},abc,5", f"{i},95,200", f"{i},1,2,3", f"{i},,", f"=cmd{i},1,2")[kind % 6]
    (tmp_path / "predictions.csv").write_text("Filename;Lat;Lng\n".replace(";", ",") + "\n".join(lines) + "\n")
    return tmp_path / "predictions.csv", tmp_path / "truth.csv", sorted(int(i) for i in broken)


def test_a_file_with_broken_rows_is_scored_and_every_failure_listed(files, tmp_path, capsys):
    predictions, truth, broken = files
    assert run_score(predictions, truth=truth, out=tmp_path / "out.csv") == 0
    said = capsys.readouterr().out
    assert "600 of 600 examples counted, 15 answers without a place, 15 without an answer" in said
    assert "protocol ours: distance sphere-6371.0088" in said and "95 % intervals" in said
    assert said.count("predictions.csv row ") == 10 and "more" in said.splitlines()[-2]
    written = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    examples = written.iloc[:600]
    failed = examples[examples.problem != ""]
    assert [int(one.split("/")[1].split(".")[0]) for one in failed.id] == broken
    behind = written.iloc[600:]
    assert (behind.counted.astype(str) == "False").all()
    assert sum(behind.problem.str.contains("id is not in truth.csv")) == 5
    assert sum(behind.problem.str.contains("broken line")) == 10


def test_cells_that_a_spreadsheet_would_run_are_escaped(files, tmp_path, capsys):
    predictions, truth, _ = files
    run_score(predictions, truth=truth, out=tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv", keep_default_na=False, dtype=str)
    texts = written[["id", "city", "country", "pred_city", "pred_country", "problem"]].to_numpy().ravel()
    assert not any(text.startswith(("=", "+", "-", "@")) for text in texts)
    assert sum(written.id.str.startswith("'=cmd")) == 5


def test_what_is_written_scores_the_same_again(files, tmp_path, capsys):
    predictions, truth, _ = files
    run_score(predictions, truth=truth, out=tmp_path / "out.csv")
    first = score(read_predictions(predictions), read_truth(truth)).summary
    again = score(read_predictions(tmp_path / "out.csv"), read_truth(tmp_path / "out.csv")).summary
    assert again["acc_25km"] == first["acc_25km"] and again["mean_km"] == pytest.approx(first["mean_km"])


def test_json_holds_the_same_numbers(files, capsys):
    predictions, truth, broken = files
    run_score(predictions, truth=truth, protocol="imageo", as_json=True)
    said = json.loads(capsys.readouterr().out)
    expected = score(read_predictions(predictions), read_truth(truth), "imageo").summary
    assert said["summary"]["acc_25km"] == expected["acc_25km"] and said["summary"]["n"] == 600 - len(broken)
    assert said["summary"]["country_accuracy"] is None and said["protocol"]["unparseable"] == "drop"
    low, high = said["intervals"]["mean_km"]
    assert low <= said["summary"]["mean_km"] <= high
    assert len(said["report"]["rows"]) >= len(broken)


def test_a_file_that_holds_its_own_truth_needs_no_other(tmp_path, capsys):
    path = tmp_path / "p.csv"
    path.write_text("id,lat,lon,pred_lat,pred_lon\na,1,2,1,2\nb,1,2,50,2\n")
    run_score(path)
    assert "acc_1km               50.00 %" in capsys.readouterr().out


def test_a_benchmark_by_name(tmp_path, capsys):
    (tmp_path / "test_mini.csv").write_text("id,latitude,longitude\n100,-33.9,18.4\n")
    (tmp_path / "p.csv").write_text("id,lat,lon\n100.jpg,-33.9,18.4\n")
    run_score(tmp_path / "p.csv", benchmark="OSV-5M test-mini", root=tmp_path, protocol="osv5m")
    assert "p.csv against OSV-5M test-mini: 1 of 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, kind, said",
    [
        ({}, ValueError, "no true places beside the predicted ones"),
        ({"truth": "t.csv", "benchmark": "YFCC4k"}, ValueError, "not both"),
        ({"truth": "t.csv"}, FileNotFoundError, "t.csv does not exist"),
        ({"benchmark": "YFCC4k", "root": "nowhere"}, FileNotFoundError, "YFCC4k: no info.txt"),
        ({"protocol": "mine"}, ValueError, "no protocol 'mine'"),
    ],
)
def test_what_goes_wrong_is_one_sentence(tmp_path, monkeypatch, arguments, kind, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text("id,lat,lon\na,1,2\n")
    with pytest.raises(kind) as error:
        run_score("p.csv", **arguments)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_effects_name_each_rule_and_what_it_moves(files, capsys):
    predictions, truth, _ = files
    assert run_score(predictions, truth=truth, effects=True) == 0
    said = capsys.readouterr().out.split("under other rules:")[1]
    assert "unparseable drop: acc_" in said and "rule <: the same" in said
    assert run_score(predictions, truth=truth, effects=True, as_json=True) == 0
    effects = json.loads(capsys.readouterr().out)["effects"]
    assert effects[0]["switch"] == "base" and {"unparseable", "all"} <= {line["switch"] for line in effects}


@pytest.mark.parametrize(
    "header",
    ["id,lat,lon,lat_predicted,lon_predicted", "id,target_lat,target_lon,lat,lon", "id,lat,lon,pred_lat,pred_lng"],
)
def test_one_file_with_both_is_read_once_whatever_the_columns_are_called(tmp_path, capsys, header):
    path = tmp_path / "both.csv"
    path.write_text(f"{header}\na,1,1,1,1\nb,2,2,2,3\nb,2,2,2,3\n,3,3,3,3\n")
    assert run_score(path, out=tmp_path / "out.csv") == 0
    said = capsys.readouterr().out
    assert "2 of 2 examples counted" in said and "1 x no id" in said and "1 x id given before" in said
    assert len(pd.read_csv(tmp_path / "out.csv")) == 4
