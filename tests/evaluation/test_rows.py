"""Files as other people write them: what is read, what is set aside, and that nothing is silent."""

import csv
import gzip
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from georeplicate.evaluation import csvfile, ids
from georeplicate.evaluation.answers import resolve
from georeplicate.evaluation.protocol import Protocol
from georeplicate.evaluation.rows import looks_radian, looks_swapped
from georeplicate.evaluation.score import read_predictions, read_truth, score

TRUTH = "IMG_ID,LAT,LON,city,country\na/1.jpg,48.85,2.35,Paris,France\n2.jpg,-33.87,151.21,Sydney,AU\n3,0,179.9,,\n"


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return path


@pytest.fixture
def truth(tmp_path):
    return read_truth(write(tmp_path / "truth.csv", TRUTH))


def predicted(tmp_path, text, encoding="utf-8"):
    return read_predictions(write(tmp_path / "predictions.csv", text, encoding))


def reasons(rows):
    return {line.row: line.reason for line in rows.report.rows.itertuples()}


# --- formats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_delimiters_marks_and_line_ends(tmp_path, delimiter, encoding, newline):
    text = newline.join(delimiter.join(line) for line in (["id", "lat", "lon"], ["é", "1.5", "-2"], ["b", "3", "4"]))
    rows = predicted(tmp_path, text, encoding)
    assert rows.frame[["row", "id", "lat", "lon"]].values.tolist() == [[2, "é", 1.5, -2.0], [3, "b", 3.0, 4.0]]
    assert not len(rows.report)


@pytest.mark.parametrize(
    "header",
    [
        "id,lat,lon", "IMG_ID,LAT,LON", "image,Latitude,Longitude", "image_id,pred_lat,pred_lon", "Filename,lat,LNG",
        "key,predicted_latitude,predicted_longitude", "image_path,lat_pred,lng_pred", "Img ID,predLat,predLng",
        "pano_id,guess_lat,guess_lng", "filepath,est_lat,est_lon", "photo_id,lat_deg,lon_deg",
        "uuid,decimalLatitude,decimalLongitude", "id,Latitude (°),Longitude (°)", "id,location.lat,location.lng",
        "id,latitud,longitud", "id,Breitengrad,Längengrad", "id,纬度,经度", "id,широта,долгота",
    ],
)  # fmt: skip
def test_columns_are_found_by_their_names_in_any_case(tmp_path, header):
    frame = predicted(tmp_path, f"{header}\nx,10,20\n").frame
    assert frame[["id", "lat", "lon"]].values.tolist() == [["x", 10.0, 20.0]]


@pytest.mark.parametrize("column", ["text", "Answer", "prediction", "RESPONSE"])
def test_answers_in_words(tmp_path, column):
    assert predicted(tmp_path, f'id,{column}\nx,"country: France\ncity: Paris"\n').frame.text[0].endswith("city: Paris")


@pytest.mark.parametrize(
    "column, said",
    [
        ("geom", "POINT(2.3522 48.8566)"),
        ("coordinates", "48.8566, 2.3522"),
        ("LatLon", "48.8566 2.3522"),
        ("location", "(48.8566, 2.3522)"),
    ]
    + [("pred_coords", "48.8566N 2.3522E"), ("geometry", "POINT(2.3522 48.8566)"), ("lon_lat", "2.3522, 48.8566")]
    + [("predicted_lnglat", "[2.3522, 48.8566]")],
)
def test_a_column_of_whole_points_is_read_where_there_is_no_other_answer(tmp_path, column, said):
    rows = predicted(tmp_path, f'id,{column}\nx,"{said}"\ny,\n')
    point, nothing = resolve(rows.frame, Protocol.get("ours"))[["pred_lat", "pred_lon"]].values.tolist()
    assert point == [48.8566, 2.3522] and np.isnan(nothing).all()
    beside = predicted(tmp_path, f'id,{column},pred_lat,pred_lon\nx,"{said}",1,2\n').frame
    assert not beside.text.any() and beside.lat[0] == 1


@pytest.mark.parametrize(
    "header, cells",
    [
        ("lat,lon,pred_coordinates", '1,2,"48.8566,2.3522"'),  # of a file that holds the truth as well
        ("lat,lon,pred_lonlat", '1,2,"2.3522,48.8566"'),
        ("coordinates,pred_coordinates", '"1,2","48.8566,2.3522"'),
        ("location,pred_latlng", '"Rome, Italy","48.8566,2.3522"'),
        ("country,city,coordinates", 'France,Paris,"48.8566,2.3522"'),
        ("pred_country,pred_lonlat,coordinates", 'France,"2.3522,48.8566","1,2"'),
    ],
)
def test_of_several_columns_the_predicted_point_is_read(tmp_path, header, cells):
    rows = predicted(tmp_path, f"id,{header}\nx,{cells}\n")
    found = resolve(rows.frame, Protocol.get("ours")).iloc[0]
    assert (found.pred_lat, found.pred_lon) == (48.8566, 2.3522)
    assert found.pred_country == ("France" if "country" in header else "")


def test_a_point_that_may_be_the_truth_is_not_read_beside_predicted_names(tmp_path):
    rows = predicted(tmp_path, 'id,pred_country,coordinates\nx,Spain,"48.8566,2.3522"\n')
    assert not rows.frame.text.any()


@pytest.mark.parametrize("text", ['{"id": "a", "lat": 1, "lon": 2}\n', '[{"id": "a"}]', " [\n  {}\n]", "[]"])
def test_json_is_named_and_how_it_becomes_csv(tmp_path, text):
    with pytest.raises(ValueError, match=r"predictions.csv is JSON and no CSV; write it as CSV, such as by pandas"):
        predicted(tmp_path, text)


@pytest.mark.parametrize("column", ["state", "State", "province"])
def test_a_state_tells_two_cities_of_one_name_apart(tmp_path, column):
    text = f"id,city,{column},country\nx,Portland,Maine,USA\ny,Portland,Oregon,USA\nz,Portland,,USA\n"
    found = resolve(predicted(tmp_path, text).frame, Protocol.get("ours"))[["pred_lat", "pred_lon"]].values.round(1)
    assert found.tolist() == [[43.7, -70.3], [45.5, -122.7], [45.5, -122.7]]
    given = []
    service = lambda city, country: given.append((city, country))  # noqa: E731
    resolve(predicted(tmp_path, text + "w,,Maine,USA\n").frame, Protocol.get("ours"), service)
    assert given == [("Portland, Maine", "USA"), ("Portland, Oregon", "USA"), ("Portland", "USA"), ("Maine", "USA")]
    rows = predicted(tmp_path, f"id,{column},pred_city,pred_country\nx,Maine,Portland,USA\n")  # a state of the truth
    assert resolve(rows.frame, Protocol.get("ours")).pred_lon[0] < -120


@pytest.mark.parametrize(
    "city, country, lat", [("Atlanta", "Georgia", 34), ("Los Angeles", "CA", 34), ("Kutaisi", "Georgia", 42)]
)
def test_a_state_in_the_column_of_countries_is_looked_up(tmp_path, city, country, lat):
    rows = predicted(tmp_path, f"id,city,country\nx,{city},{country}\n")
    assert round(resolve(rows.frame, Protocol.get("ours")).pred_lat[0]) == lat


def test_a_country_whose_name_several_bear_has_no_point_without_a_city(tmp_path):
    rows = predicted(tmp_path, "id,country,city\nx,Congo,\ny,Congo,Kinshasa\n")
    alone, named = resolve(rows.frame, Protocol.get("ours")).itertuples()
    assert np.isnan(alone.pred_lat) and alone.problem == "several countries bear this name: Congo"
    assert round(named.pred_lat) == -4


def test_the_truth_beside_an_answer_is_not_scored_as_the_answer(tmp_path, truth):
    lines = "\n".join(f'{r.id},{r.lat},{r.lon},"Tokyo, Japan"' for r in truth.frame.itertuples())
    with pytest.raises(ValueError, match="are the truth's in 3 of 3 rows; leave them out, or name the predicted ones"):
        score(predicted(tmp_path, f"id,lat,lon,response\n{lines}\n"), truth)
    alone = "\n".join(f"{r.id},{r.lat},{r.lon}" for r in truth.frame.itertuples())
    scores = score(predicted(tmp_path, f"id,lat,lon\n{alone}\n"), truth)
    assert "3 of 3 predicted coordinates are the truth's" in scores.report.notes[0]
    moved = "\n".join(f'{r.id},{r.lat + 0.01},{r.lon},"Tokyo, Japan"' for r in truth.frame.itertuples())
    assert not score(predicted(tmp_path, f"id,lat,lon,response\n{moved}\n"), truth).report.notes


def test_plain_coordinates_beside_predicted_ones_are_the_truth(tmp_path):
    path = write(tmp_path / "both.csv", "id,lat,lon,pred_lat,pred_lon\nx,1,2,3,4\n")
    assert read_predictions(path).frame[["lat", "lon"]].values.tolist() == [[3, 4]]
    assert read_truth(path).frame[["lat", "lon"]].values.tolist() == [[1, 2]]


def test_plain_coordinates_beside_true_ones_are_the_prediction(tmp_path):
    path = write(tmp_path / "both.csv", "id,lat,lon,true_lat,gt_lon\nx,1,2,3,4\n")
    assert read_predictions(path).frame[["lat", "lon"]].values.tolist() == [[1, 2]]
    assert read_truth(path).frame[["lat", "lon"]].values.tolist() == [[3, 4]]


@pytest.mark.parametrize("word", ["guess", "estimated", "est", "model", "output"])
def test_a_guess_beside_plain_coordinates_is_the_prediction(tmp_path, word):
    path = write(tmp_path / "both.csv", f"id,lat,lon,{word}_lat,{word}_lng\nx,1,2,3,4\n")
    assert read_predictions(path).frame[["lat", "lon"]].values.tolist() == [[3, 4]]
    assert read_truth(path).frame[["lat", "lon"]].values.tolist() == [[1, 2]]


@pytest.mark.parametrize("word", ["actual", "real", "ground_truth"])
def test_an_actual_place_beside_plain_coordinates_is_the_truth(tmp_path, word):
    path = write(tmp_path / "both.csv", f"id,lat,lon,{word}_lat,{word}_lon\nx,1,2,3,4\n")
    assert read_truth(path).frame[["lat", "lon"]].values.tolist() == [[3, 4]]


@pytest.mark.parametrize("column", ["prediction", "response", "guess", "model_output", "raw_response"])
def test_an_answer_beside_what_the_model_said_is_the_question_s(tmp_path, column):
    rows = predicted(tmp_path, f'id,answer,{column}\nx,"Rome, Italy","Paris, France"\n')
    assert rows.frame.text.tolist() == ["Paris, France"]


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"'])
def test_the_line_that_names_excel_s_delimiter_is_no_header(tmp_path, line):
    assert predicted(tmp_path, f"{line}\nid;lat;lon\nx;48,5;2,25\n").frame.lat.tolist() == [48.5]


@pytest.mark.parametrize(
    "bound",
    ["<48.86", "> 48.86", "≤48.86", ">=48.86", "=<48.86", "≠ -48.86", "<\u221248.86", "⩽48.86", "&lt;48.86", "48.86<"],
)
def test_a_bound_is_no_number_and_is_listed(tmp_path, bound):
    (tmp_path / "t.csv").write_text(f"id,lat,lon\na,{bound},2.35\nb,<b>48.86</b>,2.35\n")
    found = read_truth(tmp_path / "t.csv")
    assert list(found.frame.id) == ["b"]  # a mark of a web page is none
    assert list(found.report.rows.id) == ["a"] and "are not numbers" in found.report.rows.reason[0]


@pytest.mark.parametrize("head", ["id|lat|lon\n", "sep=|\nid|lat|lon\n", "id | lat | lon\n"])
def test_columns_may_be_parted_by_bars(tmp_path, head):
    (tmp_path / "t.csv").write_text(f"{head}a|48.86|2.35\nb|nowhere|2\n")
    found = read_truth(tmp_path / "t.csv")
    assert found.frame[["id", "lat", "lon"]].to_numpy().tolist() == [["a", 48.86, 2.35]]
    assert list(found.report.rows.id) == ["b"]
    (tmp_path / "t.csv").write_text("id,lat,lon,name|alias\na,48.86,2.35,x|y\n")
    assert read_truth(tmp_path / "t.csv").frame.lat[0] == 48.86


def test_a_number_in_brackets_may_be_negative_and_is_not_read(tmp_path):
    assert predicted(tmp_path, "id,lat,lon\nx,40.7128,(74.0060)\n").frame.problem[0].startswith("coordinates are not")


def test_gzip_is_read(tmp_path):
    assert len(read_predictions(write(tmp_path / "p.csv.gz", gzip.compress(b"id,lat,lon\nx,1,2\n")))) == 1


@pytest.mark.parametrize(
    "content, said",
    [
        (b"id,lat,lon\nx,1,2\n\xff,1,2\n", "row 3: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("id,lat,lon\nx,1,2\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b"", "is empty"),
        (b"id,lat,lon\n", "has a header and no rows"),
        (b"name,lat,lon\nx,1,2\n", "no column for the id; rename one of name, lat, lon to id"),
        (b"id,score\nx,1\n", "no column holds an answer; it needs lat and lon, city and country, or text"),
        (b"\x1f\x8b\x08broken", "damaged gzip"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_sentence(tmp_path, content, said):
    path = write(tmp_path / "predictions.csv", content)
    with pytest.raises(ValueError) as error:
        read_predictions(path)
    assert said in str(error.value) and "predictions.csv" in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.csv does not exist"):
        read_truth(tmp_path / "none.csv")


# --- rows --------------------------------------------------------------------------------------------------------


def test_odd_numbers_are_read_or_named(tmp_path):
    rows = predicted(
        tmp_path,
        "id;lat;lon\na;\"48,5\";2,25\nb;48°30'N;2°15'E\nc;abc;5\nd;95;200\ne;151.2;-33.8\nf;;\ng;nan;NaN\nh;5;\ni;inf;1\n",
    )
    frame = rows.frame.set_index("id")
    assert frame.loc[["a", "b"], ["lat", "lon"]].values.tolist() == [[48.5, 2.25], [48.5, 2.25]]
    assert frame.lat[list("cdefghi")].isna().all()
    assert [why.partition(":")[0] for why in frame.problem] == [
        "", "", "coordinates are not numbers", "no point on Earth", "latitude and longitude look swapped", "", "",
        "only a latitude", "coordinates are not numbers",
    ]  # fmt: skip


def test_broken_lines_are_set_aside_and_the_next_is_read(tmp_path):
    rows = predicted(tmp_path, 'id,lat,lon\na,1,2\nb,1\nc,1,2,3\nd,"1,2\ne,5,6\n\nf,7,8\n,1,2\na,9,9\n')
    assert rows.frame.id.tolist() == ["a", "e", "f"] and rows.frame.row.tolist() == [2, 6, 7]
    said = reasons(rows)
    assert said[3] == "broken line: 2 fields where the header has 3" and said[4].startswith("broken line: 4 fields")
    assert said[5].startswith("broken line: a quote") and said[8] == "no id"
    assert said[9] == "id given before: row 2 is used"
    assert (rows.report.rows.outcome == "set aside").all()


@settings(max_examples=60)
@given(
    st.lists(st.text(string.printable + "é漢", max_size=12), min_size=1, max_size=8),
    st.sampled_from(csvfile.DELIMITERS),
)
def test_no_line_is_lost_whatever_it_holds(tmp_path_factory, texts, delimiter):
    frame = pd.DataFrame({"id": [f"n{i}" for i in range(len(texts))], "text": texts, "lat": "1", "lon": "2"})
    path = tmp_path_factory.mktemp("any") / "p.csv"
    frame.to_csv(path, index=False, sep=delimiter, quoting=csv.QUOTE_ALL)
    read, found = csvfile.read(path)
    assert read.text.tolist() == texts and not len(found)


@settings(max_examples=100)
@given(st.lists(st.text("ab1,\"';\n\t ", max_size=10), max_size=8))
def test_every_line_of_any_file_is_a_row_or_in_the_report(tmp_path_factory, lines):
    path = write(tmp_path_factory.mktemp("any") / "p.csv", "\n".join(["id,lat,lon", *lines, "last,1,2"]))
    frame, found = csvfile.read(path)
    numbers = sorted([*frame[csvfile.ROW], *found.rows.row])
    assert numbers == list(range(2, len(numbers) + 2))
    covered = "\n".join(["\n".join(map(str, row)) for row in frame.drop(columns=csvfile.ROW).values])
    assert "last" in covered or "last" in " ".join(found.rows.id)


def test_an_escaped_formula_is_read_as_it_was(tmp_path):
    assert csvfile.escape("=1+1") == "'=1+1" and csvfile.escape("plain") == "plain" and csvfile.escape(-1.5) == -1.5
    assert predicted(tmp_path, "id,lat,lon\n'-x,1,2\n'quoted,1,2\n").frame.id.tolist() == ["-x", "'quoted"]


@given(st.text(max_size=20))
def test_escaping_can_be_undone_and_leaves_nothing_to_run(text):
    assert csvfile.unescape(csvfile.escape(text)) == text or text[:1] == "'"
    assert not csvfile.escape(text).startswith(csvfile.FORMULA)


# --- truth -------------------------------------------------------------------------------------------------------


def test_truth_without_a_point_is_set_aside_and_columns_are_kept(tmp_path):
    rows = read_truth(write(tmp_path / "t.csv", "key,lat,lon,season\na,1,2,wet\nb,,,dry\nc,99,0,dry\nd,x,0,dry\n"))
    assert rows.frame.id.tolist() == ["a"] and rows.frame.season.tolist() == ["wet"]
    assert reasons(rows)[3] == "no coordinates" and len(rows.report) == 3


def test_a_column_called_row_is_one_like_any_other(tmp_path):
    rows = read_truth(write(tmp_path / "t.csv", "id,row,lat,lon\na,x,1,2\nb,y,99,200\n"))
    assert rows.frame.row.tolist() == [2] and reasons(rows)[3].startswith("no point on Earth")


def test_truth_needs_coordinates(tmp_path):
    with pytest.raises(ValueError, match=r"t.csv: no column for the longitude; rename one of id, lat, x to lon"):
        read_truth(write(tmp_path / "t.csv", "id,lat,x\na,1,2\n"))


def test_a_table_without_a_usable_row_says_so(tmp_path):
    rows = read_truth(write(tmp_path / "t.csv", "id,lat,lon\na,,\n"))
    with pytest.raises(ValueError, match="t.csv: no row can be used"):
        score(pd.DataFrame({"id": ["a"], "lat": [1.0], "lon": [1.0]}), rows)


# --- ids ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "predicted_id, true_id",
    [
        ("1", "1.jpg"),
        ("1.JPG", "1"),
        ("a/b/1.png", "1"),
        ("1", "x\\1.jpeg"),
        ("a_b_1", "a/b/1.jpg"),
        ("1.5", "1.5.jpg"),
    ],
)
def test_ids_match_with_and_without_extension_and_folder(predicted_id, true_id):
    assert ids.match([predicted_id], ["other", true_id])[0].tolist() == [1]


def test_what_is_no_extension_of_a_picture_is_part_of_the_id():
    assert ids.match(["1.25"], ["1"])[0].tolist() == [-1]


def test_a_loose_match_never_decides_between_two():
    at, ambiguous = ids.match(["1", "b/1.jpg", "2"], ["a/1.jpg", "b/1.jpg", "3"])
    assert at.tolist() == [-1, 1, -1] and ambiguous.tolist() == [True, False, False]


@given(st.lists(st.text("ab/._1", min_size=1, max_size=6), min_size=1, max_size=20, unique=True), st.randoms())
def test_equal_ids_find_each_other_whatever_their_form(names, random):
    mixed = random.sample(names, len(names))
    at, ambiguous = ids.match(mixed, names)
    assert [names[i] for i in at] == mixed and not ambiguous.any()


def test_rows_that_fit_no_example_are_reported(tmp_path, truth):
    rows = predicted(tmp_path, "id,lat,lon\n1,48.85,2.35\n1.png,0,0\nzz,1,1\n3.jpg,2.35,48.85\n")
    scores = score(rows, truth)
    said = {(line.row, line.id): (line.reason, line.outcome) for line in scores.report.rows.itertuples()}
    assert said[3, "1.png"] == ("id given before: row 2 is used", "set aside")
    assert said[4, "zz"] == ("id is not in truth.csv", "set aside")
    assert said[0, "2.jpg"] == ("no prediction", "counts as wrong")
    assert scores.summary["n"] == 3 and scores.summary["n_missing"] == 1 and scores.rows.error_km[0] == 0
    dropped = score(rows, truth, "imageo")
    assert dropped.summary["n"] == 2
    assert "left out of the denominator" in set(dropped.report.rows.outcome)


def test_files_that_share_no_id_are_refused_with_examples_of_both(tmp_path, truth):
    with pytest.raises(ValueError, match=r"none of its ids is in truth.csv \(such as 'x' here, 'a/1.jpg' there\)"):
        score(predicted(tmp_path, "id,lat,lon\nx,1,2\n"), truth)


def test_exchanged_columns_are_noticed(tmp_path, truth):
    rows = predicted(tmp_path, "id,lat,lon\n1,2.35,48.85\n")
    scores = score(rows, read_truth(write(tmp_path / "t.csv", "id,lat,lon\n1,48.85,2.35\n")))
    assert scores.report.rows.outcome.tolist() == ["scored as given"] and scores.summary["acc_2500km"] == 0
    assert "check its columns" in scores.report.notes[0]


def test_radians_are_said_to_be_radians(tmp_path, truth):
    turned = "\n".join(f"{r.id},{np.radians(r.lat)},{np.radians(r.lon)}" for r in truth.frame.itertuples())
    scores = score(predicted(tmp_path, f"id,lat,lon\n{turned}\n"), truth)
    assert "look like radians" in scores.report.notes[0]
    assert set(scores.report.rows.outcome) == {"scored as given"}
    assert looks_radian([0.85, 0.85, np.nan], [0.04, 0.04, 0.04], [48.7, 1, 48.7], [2.3, 2, 2.3]).tolist() == [1, 0, 0]


def test_swapped_needs_a_far_point_and_a_near_mirror_image():
    lat, lon = np.array([2.35, 48.85, 2.35, 2.35, np.nan]), np.array([48.85, 2.35, 48.85, 148.0, 1])
    near = np.array([48.85, 48.85, -20, 48.85, 48.85]), np.array([2.35, 2.35, 2.35, 2.35, 2.35])
    assert looks_swapped(lat, lon, *near).tolist() == [True, False, False, False, False]
