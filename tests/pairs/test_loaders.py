"""Loaders of published data sets and of own photos: each quirk of a layout by its name, on layouts in miniature."""

import re
import warnings

import make_fixtures
import numpy as np
import pytest
from datasets import Image
from make_fixtures import CVACT_PLACES, CVUSA_PLACES, GUESSES, PHOTO_PLACE, near

from georeplicate import geo, pairs
from georeplicate.pairs import cvcities, photos, schema


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for source, write in make_fixtures.WRITERS.items():
        write(folder / source)
    return {source: folder / source for source in make_fixtures.WRITERS}


def listed(roots, source, split, **options):
    """Every row of a fixture, by id; missing cities are no news here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = pairs.read(source, split, roots[source], **options)
    return frame.set_index("id", drop=False)


def stem(path):
    return path.replace("\\", "/").rpartition("/")[2].partition(".")[0]


# --- all sources -----------------------------------------------------------------------------------------------------

SPLITS = [(source, split) for source, module in pairs.ON_DISK.items() for split in module.SPLITS]


@pytest.mark.parametrize("source, split", SPLITS)
@pytest.mark.filterwarnings("ignore:.*(set aside|are here)")
def test_every_source_and_split_gives_the_one_schema(roots, source, split):
    rows = pairs.load(source, split, root=roots[source])
    assert rows.features == schema.FEATURES and len(rows) > 0
    assert len(set(rows["id"][:])) == len(rows)
    row = rows[0]
    assert row["aerial"].size[0] > 0
    assert (row["panorama"] is None) == (source == "university-1652")
    assert row["area"]


@pytest.mark.parametrize("source, split", SPLITS)
@pytest.mark.filterwarnings("ignore:.*(set aside|are here)")
def test_what_is_loaded_and_what_is_set_aside_add_up(roots, source, split):
    frame = listed(roots, source, split)
    rows = pairs.load(source, split, root=roots[source])
    assert rows["id"][:] == frame.id[frame.problem == ""].tolist()


@pytest.mark.filterwarnings("ignore:.*(set aside|are here)")
def test_pictures_are_not_opened_on_load(roots, monkeypatch):
    monkeypatch.setattr("PIL.Image.open", lambda *_: pytest.fail("a picture was opened"))
    rows = pairs.load("cv-cities", "train", root=roots["cv-cities"])
    paths = rows.cast_column("aerial", Image(decode=False))["aerial"][:]
    assert all(p["bytes"] is None and p["path"].endswith("_s.jpg") for p in paths)


def test_set_aside_rows_are_announced_with_count_reason_and_remedy(roots):
    with pytest.warns(UserWarning, match=r"1 of 2 rows set aside .1 no aerial file.*data cvact --check"):
        rows = pairs.load("cvact", "validation", root=roots["cvact"])
    assert rows["id"][:] == ["pano1"]


def test_an_id_listed_twice_is_kept_once():
    columns = {"id": ["a", "b", "a"], "lat": [1, 2, 3], "lon": [1, 2, 3]}
    assert schema.table(columns).problem.tolist() == ["", "", "id listed before"]


def test_a_list_of_rows_to_set_aside_is_obeyed_for_its_own_split(roots, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text("split,id,reason\ntrain,pano2,blurred\ntest,pano0,blurred\n")
    rows = pairs.load("cvact", "train", root=roots["cvact"], set_aside=file)
    assert rows["id"][:] == ["pano0"]


@pytest.mark.parametrize("source", pairs.ON_DISK)
def test_missing_files_wrong_splits_and_no_root_are_refused_with_the_remedy(source, tmp_path):
    split = pairs.ON_DISK[source].SPLITS[0]
    with pytest.raises(FileNotFoundError, match=r"make data SOURCE=|put yours there"):
        pairs.load(source, split, root=tmp_path)
    with pytest.raises(ValueError, match=f"no split 'dev'; choose from {split}"):
        pairs.load(source, "dev", root=tmp_path)
    with pytest.raises(ValueError, match="root="):
        pairs.load(source, split)


@pytest.mark.parametrize("source", GUESSES)
def test_every_guess_of_a_fixture_is_said_in_the_docstring_of_its_loader(source):
    listed = pairs.ON_DISK[source].__doc__.partition("Guessed, since no public text says it:")[2]
    said = [re.sub(r"\s+", " ", sentence).strip() for sentence in re.split(r"^- ", listed, flags=re.MULTILINE)[1:]]
    assert said == list(GUESSES[source].values())


@pytest.mark.filterwarnings("ignore:.*(set aside|are here)")
def test_questions_can_be_asked_of_photographs_too(roots):
    rows = pairs.load("cv-cities", "train", root=roots["cv-cities"])
    for q in pairs.questions(rows, k=4, negatives="region", seed=0):
        assert len({rows["area"][c] for c in q["candidates"]}) == 1
    panorama, *tiles = pairs.images(rows, pairs.questions(rows, k=4, seed=0)[0])
    assert panorama.size == (128, 64) and {t.size for t in tiles} == {(64, 64)}


# --- CV-Cities -------------------------------------------------------------------------------------------------------


def test_cvcities_counts_are_those_of_the_authors():
    by_split = {split: sum(n for s, *_, n in cvcities.CITIES.values() if s == split) for split in cvcities.SPLITS}
    assert by_split == {"train": 162_954, "test": 60_782}


def test_cvcities_longitude_comes_before_latitude_and_there_is_no_header(roots):
    rows = listed(roots, "cv-cities", "train")
    assert (rows.loc["captown/captown_0", "lat"], rows.loc["captown/captown_0", "lon"]) == near("captown", 0)


def test_cvcities_captown_and_maynila_are_cape_town_and_manila(roots):
    rows = listed(roots, "cv-cities", "train")
    assert rows.loc["captown/captown_1", ["city", "country", "area"]].tolist() == ["Cape Town", "ZA", "Cape Town, ZA"]
    assert rows.loc["maynila/maynila_1", ["city", "country"]].tolist() == ["Manila", "PH"]


@pytest.mark.parametrize("city", ["maynila", "paris", "tokyo"])
def test_cvcities_doubled_folder_alternative_names_and_backslashes_are_found(roots, city):
    rows = listed(roots, "cv-cities", "train")
    for i in range(5):
        row = rows.loc[f"{city}/{city}_{i}"]
        assert row.problem == ""
        assert (stem(row.aerial), stem(row.panorama)) == (f"{city}_{i}_s", f"{city}_{i}_p")


def test_cvcities_trailing_commas_are_harmless_and_torn_lines_and_missing_pictures_are_named(roots):
    rows = listed(roots, "cv-cities", "test")
    assert rows.loc["london/london_1", "problem"] == ""
    assert rows.loc["london/line 3", "problem"] == "5 fields where 6 belong"
    assert rows.loc["london/london_3", "problem"] == "no panorama file"
    assert (rows[rows.city == "London"].problem != "").sum() == 2


def test_cvcities_latitude_and_longitude_swapped_is_said_where_it_can_be_seen(roots):
    assert listed(roots, "cv-cities", "test").loc["taipei/taipei_0", "problem"] == "latitude and longitude swapped"


def test_cvcities_missing_cities_are_named(roots):
    with pytest.warns(UserWarning, match="4 of 10 cities are here; missing: barcelona, losangeles"):
        pairs.read("cv-cities", "train", roots["cv-cities"])


# --- CVUSA -----------------------------------------------------------------------------------------------------------


def test_cvusa_the_number_in_the_file_name_finds_the_line_counted_from_one(roots):
    rows = listed(roots, "cvusa", "train")
    assert rows.id.tolist() == ["0000005", "0000002", "0000009"]
    assert [(lat, lon) for lat, lon in zip(rows.lat, rows.lon)][:2] == [CVUSA_PLACES[4], CVUSA_PLACES[1]]


def test_cvusa_its_val_is_called_validation_and_a_number_without_a_place_is_named(roots):
    assert listed(roots, "cvusa", "validation").id.tolist() == ["0000004", "0000001"]
    assert listed(roots, "cvusa", "train").loc["0000009", "problem"] == "no place in all.csv"


def test_cvusa_areas_are_squares_of_five_degrees(roots):
    rows = listed(roots, "cvusa", "validation")
    assert rows.area.tolist() == ["US 40/-105", "US 40/-100"]


# --- CVACT -----------------------------------------------------------------------------------------------------------


def test_cvact_indices_of_matlab_count_from_one(roots):
    assert listed(roots, "cvact", "train").id.tolist() == ["pano0", "pano2"]
    assert listed(roots, "cvact", "validation").id.tolist() == ["pano1", "pano5"]


@pytest.mark.parametrize("northing_first", [False, True])
def test_cvact_utm_becomes_degrees_whichever_column_is_the_northing(tmp_path, northing_first):
    make_fixtures.cvact(tmp_path / "cvact", northing_first=northing_first)
    rows = pairs.read("cvact", "train", tmp_path / "cvact").set_index("id")
    for name in ("pano0", "pano2"):
        assert geo.haversine_km(rows.lat[name], rows.lon[name], *CVACT_PLACES[name]) < 0.001


def test_cvact_listed_pictures_that_are_missing_are_set_aside(roots):
    assert listed(roots, "cvact", "validation").loc["pano5", "problem"] == "no aerial file"


def test_cvact_test_is_what_lies_in_its_folder(roots):
    rows = listed(roots, "cvact", "test")
    assert rows.id.tolist() == ["pano3", "pano4"]
    assert geo.haversine_km(rows.lat["pano4"], rows.lon["pano4"], *CVACT_PLACES["pano4"]) < 0.001


def test_cvact_another_matlab_file_is_refused_with_what_is_missing(roots, tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "ACT_data.mat", {"panoIds": np.array(["a"])})
    with pytest.raises(ValueError, match="utm.*trainSet.trainInd"):
        pairs.read("cvact", "train", tmp_path)


# --- VIGOR -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["same area", ["same-area"], None])
def test_a_setting_that_vigor_lacks_is_said(roots, setting):
    with pytest.raises(ValueError, match="vigor has no setting .*choose same-area or cross-area"):
        pairs.load("vigor", "train", roots["vigor"], setting=setting)


@pytest.mark.parametrize("variant", [{}, {"other_tree": True}, {"misspelt": True}], ids=str)
def test_vigor_two_trees_and_the_misspelt_names_give_the_same_rows(roots, tmp_path, variant):
    make_fixtures.vigor(tmp_path / "vigor", **variant)
    rows, plain = pairs.read("vigor", "test", tmp_path / "vigor"), listed(roots, "vigor", "test")
    assert (rows.problem == "").all()
    assert rows[["id", "lat", "lon", "city"]].values.tolist() == plain[["id", "lat", "lon", "city"]].values.tolist()


def test_vigor_the_trailing_comma_of_a_panorama_and_its_coordinates_are_read_from_the_name(roots):
    row = listed(roots, "vigor", "train").loc["Seattle/a-_X9,47.610000,-122.330000"]
    assert (row.lat, row.lon) == make_fixtures.VIGOR_CENTRES["Seattle"]
    assert row.panorama.endswith("a-_X9,47.610000,-122.330000,.jpg")


def test_vigor_the_first_of_four_tiles_is_the_own_one(roots):
    rows = listed(roots, "vigor", "test")
    chicago = rows[rows.city == "Chicago"]
    assert [path.rpartition("/")[2] for path in chicago.aerial] == [
        "satellite_41.880000_-87.630000.png",
        "satellite_41.890000_-87.630000.png",
    ]


def test_vigor_cross_area_trains_and_tests_in_other_cities(roots):
    train, test = (listed(roots, "vigor", split, setting="cross-area") for split in ("train", "test"))
    assert set(train.city) == {"New York City", "Seattle"} and set(test.city) == {"San Francisco", "Chicago"}
    assert len(train) == len(test) == 6
    with pytest.raises(ValueError, match="same-area or cross-area"):
        pairs.read("vigor", "train", roots["vigor"], setting="both")


def test_vigor_a_shared_tile_is_never_a_wrong_answer(roots):
    rows = pairs.load("vigor", "test", root=roots["vigor"], setting="cross-area")
    tiles = rows.cast_column("aerial", Image(decode=False))["aerial"][:]
    for kind in ("near", "random", "neighbourhood"):
        for q in pairs.questions(rows, k=4, negatives=kind, min_km=0.0):
            assert len({tiles[c]["path"] for c in q["candidates"]}) == 4


# --- University-1652, CVGlobal ---------------------------------------------------------------------------------------


def test_university_has_no_panorama_no_place_and_one_row_a_building(roots):
    rows = listed(roots, "university-1652", "train")
    assert rows.id.tolist() == ["0001", "0002"]
    assert rows.panorama.isna().all() and rows.lat.isna().all() and rows.taken_at.isna().all()
    assert listed(roots, "university-1652", "test").id.tolist() == ["0003"]  # 0004 is a distractor of the gallery


def test_university_a_view_can_stand_where_the_panorama_would_and_empty_folders_are_named(roots):
    drone = listed(roots, "university-1652", "train", ground="drone")
    assert drone.loc["0001", "panorama"].endswith("image-0001-01.jpeg")  # the first by name
    google = listed(roots, "university-1652", "train", ground="google")
    assert google.problem.to_dict() == {"0001": "", "0002": "no panorama file"}
    with pytest.raises(ValueError, match="street, drone"):
        pairs.read("university-1652", "test", roots["university-1652"], ground="google")


def test_questions_without_coordinates_have_unknown_distances(roots):
    rows = pairs.load("university-1652", "train", root=roots["university-1652"])
    for q in pairs.questions(rows, k=2, negatives="random"):
        own = "AB".index(q["letter"])
        assert rows["id"][q["candidates"][own]] == q["id"] and np.isnan(q["distances_km"]).all()
    with pytest.raises(ValueError, match="missing"):
        pairs.questions(rows, k=2, negatives="near")


def test_cvglobal_paths_of_the_authors_machine_are_found_below_root(roots):
    rows = listed(roots, "cvglobal", "train")
    assert rows.problem.tolist() == ["", "", "no panorama file"]
    assert stem(rows.aerial.iloc[1]) == "train1" and stem(rows.panorama.iloc[1]) == "train1_p"


def test_cvglobal_the_list_of_val_lies_in_another_folder(roots):
    rows = listed(roots, "cvglobal", "validation")
    assert (rows.problem == "").all() and len(rows) == 3


# --- photos ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, moment",
    [
        ("offset.jpg", "2023-07-01T12:30:00+00:00"),
        ("receiver.jpg", "2023-07-01T12:30:05+00:00"),
        ("midnight.jpg", "2023-06-30T22:30:05+00:00"),  # half past midnight in Zurich is the day before in UTC
        ("sub/naive.JPG", None),
    ],
)
def test_photos_time_in_utc_or_none(roots, name, moment):
    assert listed(roots, "photos", "all").loc[name, "taken_at"] == moment


def test_photos_in_auckland_are_thirteen_hours_ahead_and_not_eleven_behind(tmp_path):
    local = {"local": "2023:01:15 12:00:00", "clock": (23, 0, 0)}
    photo = make_fixtures.photo(tmp_path / "auckland.jpg", -36.85, 174.76, **local)
    assert photos.read_exif(photo)[2] == "2023-01-14T23:00:00+00:00"


def test_photos_position_city_and_country(roots):
    row = listed(roots, "photos", "all").loc["offset.jpg"]
    assert geo.haversine_km(row.lat, row.lon, *PHOTO_PLACE) < 0.001
    assert row.country == "CH" and row.area.endswith(", CH")


@pytest.mark.parametrize(
    "name, problem",
    [
        ("no_gps.jpg", "no GPS position in its EXIF"),
        ("no_reference.jpg", "no GPS position in its EXIF"),
        ("null_island.jpg", "GPS position is 0, 0: the receiver had none"),
        ("elsewhere.jpg", "no tile shows its place"),
        ("torn.jpg", "unreadable photo"),
    ],
)
def test_photos_what_is_missing_is_named(roots, name, problem):
    assert listed(roots, "photos", "all").loc[name, "problem"] == problem


def test_photos_southern_and_western_places_are_negative(roots):
    row = listed(roots, "photos", "all").loc["elsewhere.jpg"]
    assert geo.haversine_km(row.lat, row.lon, -PHOTO_PLACE[0], -PHOTO_PLACE[1]) < 0.001


def test_photos_the_finest_tile_that_shows_the_place_is_taken(roots):
    assert listed(roots, "photos", "all").loc["offset.jpg", "aerial"].endswith("swiss_fine.tif")


def test_photos_a_square_around_the_photo_is_cut_north_up(roots):
    rows = pairs.read("photos", "all", roots["photos"], tile_m=100).set_index("id")
    from PIL import Image as Picture

    with Picture.open(rows.loc["offset.jpg", "aerial"]) as picture:
        pixels = np.asarray(picture).astype(int)
    assert pixels.shape == (photos.CROP_PX, photos.CROP_PX, 3)
    middle = pixels[photos.CROP_PX // 2, photos.CROP_PX // 2]
    assert abs(middle[0] - 255 * 100 / 600) < 6 and abs(middle[1] - 255 * 0.5) < 6  # where it lies in swiss_fine.tif
    assert pixels[256, -1, 0] > middle[0] > pixels[256, 0, 0]  # red grows eastwards
    assert pixels[0, 256, 1] > middle[1] > pixels[-1, 256, 1]  # green grows northwards
    assert (pixels[256, -1, 0] - pixels[256, 0, 0]) == pytest.approx(255 * 100 / 600, abs=6)  # 100 of its 600 metres


def test_photos_a_square_that_leaves_the_tile_is_named(roots):
    rows = pairs.read("photos", "all", roots["photos"], tile_m=400).set_index("id")
    assert rows.loc["offset.jpg", "problem"] == "its tile ends inside the square"


def test_photos_a_tile_without_a_projection_is_refused(tmp_path):
    make_fixtures.photo(tmp_path / "photos/a.jpg", *PHOTO_PLACE)
    make_fixtures.draw(tmp_path / "tiles/plain.tif", 8, 8)
    with pytest.raises(ValueError, match="plain.tif is not georeferenced"):
        pairs.read("photos", "all", tmp_path)
