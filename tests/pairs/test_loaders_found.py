"""Loaders on files that nobody here wrote: photos from phones, a georeferenced tile, panoramas of a planetarium.

What the photos say is known from their authors' own listing, and the tile's place from the station it shows (see
data/ATTRIBUTION.md).
"""

import re
import shutil
from pathlib import Path

import make_fixtures
import numpy as np
import pytest
import rasterio
from PIL import Image

from georeplicate import geo, pairs
from georeplicate.pairs import photos, validate

FOUND = Path(__file__).parents[1] / "data" / "found"
OSBS = (29.689, -81.993)  # Ordway-Swisher Biological Station, Florida
STELLARIUM = Path("/usr/share/stellarium/landscapes")  # Debian's stellarium-data, GPL: read where it is, never copied


@pytest.mark.parametrize(
    "name, lat, lon, taken_at",
    [
        ("test1.jpg", 37.885, -122.6225, "2013-02-07T00:00:02+00:00"),  # 16:00:03 on the 6th by its own clock
        ("test3.jpg", 37.776333, -122.419667, "2012-12-23T03:39:45+00:00"),  # 19:40:02 on the 22nd
    ],
)
def test_photos_of_a_phone_say_where_and_when(name, lat, lon, taken_at):
    """The phone wrote the receiver's time of day, no date and no offset: the date follows from its own clock."""
    found = photos.read_exif(FOUND / "photos" / name)
    assert found[:2] == pytest.approx((lat, lon), abs=1e-6)
    assert found[2] == taken_at


def test_photos_of_a_phone_are_rows_with_the_tile_that_is_missing_named():
    rows = pairs.read("photos", "all", FOUND).set_index("id")
    assert rows.problem.to_dict() == {
        "right.jpg": "no GPS position in its EXIF",
        "test1.jpg": "no tile shows its place",
        "test3.jpg": "no tile shows its place",
    }
    assert rows.loc["test3.jpg", ["city", "country"]].tolist() == ["San Francisco", "US"]


@pytest.fixture
def forest(tmp_path):
    """A photo taken in the middle of the tile."""
    (tmp_path / "tiles").symlink_to(FOUND / "tiles")
    with rasterio.open(FOUND / "tiles/OSBS_029_crop.tif") as tile:
        (lon,), (lat,) = rasterio.warp.transform(tile.crs, "EPSG:4326", *([v] for v in tile.xy(99.5, 99.5)))
    assert geo.haversine_km(lat, lon, *OSBS) < 3
    make_fixtures.photo(tmp_path / "photos/forest.jpg", lat, lon)
    return tmp_path


def test_a_real_tile_is_found_by_its_georeference_and_shown_as_it_is(forest):
    (row,) = pairs.load("photos", "all", root=forest)
    with rasterio.open(FOUND / "tiles/OSBS_029_crop.tif") as tile:
        assert np.array_equal(np.moveaxis(tile.read(), 0, -1), np.asarray(row["aerial"].convert("RGB")))


def test_a_square_cut_from_a_real_tile_is_the_middle_of_it_although_its_sand_is_called_no_data(forest):
    (row,) = pairs.load("photos", "all", root=forest, tile_m=10)
    cut = np.asarray(row["aerial"].convert("RGB").resize((100, 100), Image.Resampling.BOX)).astype(float)
    with rasterio.open(FOUND / "tiles/OSBS_029_crop.tif") as tile:
        middle = np.moveaxis(tile.read(), 0, -1)[50:150, 50:150].astype(float)  # 10 of 20 metres
    # True north is half a degree off the tile's grid, so they agree closely and not exactly.
    assert np.corrcoef(cut.ravel(), middle.ravel())[0, 1] > 0.9
    assert np.corrcoef(cut.ravel(), middle[::-1].ravel())[0, 1] < 0.5


def test_a_real_photo_and_a_real_tile_pass_validation_and_a_copy_is_found(forest):
    shutil.copy(FOUND / "photos/test1.jpg", forest / "photos/a.jpg")
    shutil.copy(FOUND / "photos/test1.jpg", forest / "photos/b.jpg")
    report = validate.check("photos", forest, forest / "report", progress=False)
    assert report.rows.set_index("id").reason.to_dict() == {
        "a.jpg": "no tile shows its place",
        "b.jpg": "no tile shows its place",
        "forest.jpg": "",
    }
    twins = validate._earlier_twins(
        np.array([str(forest / f"photos/{name}.jpg") for name in ("a", "forest", "b")], dtype=object),
        np.arange(3),
        {str(p): validate._look(str(p)) for p in (forest / "photos").glob("*.jpg")},
    )
    assert twins == [(2, 0)]


@pytest.mark.skipif(not STELLARIUM.is_dir(), reason="Debian's stellarium-data is not installed")
def test_panoramas_of_a_planetarium_in_the_layout_of_cv_cities(tmp_path):
    """Landscapes of four real places, with their own coordinates, as if they were a city of CV-Cities."""
    lines = []
    for name in ("garching", "grossmugl", "guereins", "hurricane"):
        folder = STELLARIUM / name
        settings = (folder / "landscape.ini").read_text(encoding="utf-8", errors="replace")
        lat, lon = (
            _degrees(re.search(rf"^{key} *= *(\S+)", settings, re.MULTILINE)[1]) for key in ("latitude", "longitude")
        )
        largest = max(folder.glob("*.png"), key=lambda path: path.stat().st_size)
        for kind in ("pano_images", "sat_images"):
            (tmp_path / "paris" / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / f"paris/pano_images/{name}.png").symlink_to(largest)
        make_fixtures.tile(tmp_path / f"paris/sat_images/{name}.png")
        lines.append([name, lon, lat, "paris", f"paris/sat_images/{name}.png", f"paris/pano_images/{name}.png"])
    make_fixtures.write_lines(tmp_path / "paris/img_info.csv", lines)
    with pytest.warns(UserWarning, match="1 of 10 cities"):
        rows = pairs.load("cv-cities", "train", root=tmp_path)
        report = validate.check("cv-cities", tmp_path, tmp_path / "out", splits=("train",), progress=False)
    assert len(rows) == 4 and all(min(picture.size) >= 256 for picture in rows["panorama"])
    reasons = report.rows.set_index("id").reason
    assert reasons["paris/garching"] == "outside its city"  # 1024 x 512: its shape is right, its place is Bavaria
    assert reasons["paris/grossmugl"] == reasons["paris/hurricane"] == "wrong aspect of panorama"


def _degrees(text: str) -> float:
    """Such as +48d15'36" or +46.2"""
    sign, rest = (-1 if text.startswith("-") else 1), re.findall(r"[\d.]+", text)
    return sign * sum(float(part) / 60**i for i, part in enumerate(rest))
