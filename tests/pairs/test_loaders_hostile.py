"""Files as they lie on people's disks: wrong encodings, damaged and enormous pictures, odd tiles, traps in archives."""

import io
import json
import os
import pickle
import shutil
import stat
import struct
import warnings
import zipfile
import zlib

import make_fixtures
import numpy as np
import pytest
import rasterio
from datasets import concatenate_datasets, load_from_disk
from make_fixtures import PHOTO_PLACE, photo
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_bounds
from scipy.io import savemat

from georeplicate import files, geo, pairs
from georeplicate.pairs import download, photos, schema, validate

LAT, LON = PHOTO_PLACE
GPS = ExifTags.GPS

# --- EXIF -------------------------------------------------------------------------------------------------------------


def signed(path, lat, lon, refs=("S", "E")):
    """A photo whose degrees, minutes and seconds are signed rationals, as given (Pillow reads them but writes none)."""
    make_fixtures.draw(path, 32, 24)
    exif = Image.Exif()
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    halves = ((GPS.GPSLatitude, lat, refs[0], 60_001), (GPS.GPSLongitude, lon, refs[1], 70_001))
    for tag, _, reference, place in halves:
        gps[tag] = tuple(IFDRational(place + i, 1) for i in range(3))
        gps[tag - 1] = reference
    packed = exif.tobytes()
    order = "<" if packed[6:8] == b"II" else ">"
    for tag, parts, _, place in halves:
        packed = packed.replace(*(struct.pack(f"{order}HHL", tag, kind, 3) for kind in (5, 10)))
        for i, part in enumerate(parts):
            written = struct.pack(f"{order}2l", round(part * 10_000), 10_000)
            packed = packed.replace(struct.pack(f"{order}2l", place + i, 1), written)
    with Image.open(path) as picture:
        picture.load()
        picture.save(path, exif=packed)
    return path


HOBART = (-42.8825, 147.3281)


@pytest.mark.parametrize(
    ("lat", "refs", "expected"),
    [
        ((42, 52, 57), "SE", HOBART[0]),
        ((-42, -52, -57), "SE", HOBART[0]),
        ((-42, 52, 57), "SE", HOBART[0]),
        ((0, -30, 0), "SE", -0.5),
        ((42, 59, 60), "SE", -43.0),
        ((-42, -52, -57), "NE", None),
        ((-42, 52, -57), "SE", None),
        ((42, -52, 57), "SE", None),
        ((42, 500, 0), "SE", None),
        ((42, 60, 0), "SE", None),
        ((42, 52, 61), "SE", None),
        ((42.88, 52, 57), "SE", None),
        ((42, 52, 57), "XE", None),
    ],
)
def test_signs_and_letters_agree_or_the_position_is_unknown(tmp_path, lat, refs, expected):
    path = signed(tmp_path / "photos/a.jpg", lat, (147, 19, 41.16), refs)
    found = photos.read_exif(path)[0]
    assert np.isnan(found) if expected is None else found == pytest.approx(expected, abs=1e-4)
    if expected is None:
        make_fixtures.geotiff(tmp_path / "tiles/a.tif", "EPSG:4326", (147, -43, 148, -42))
        assert "contradicts itself" in pairs.read("photos", "all", tmp_path).problem[0]


UTC = "2023-03-04T11:30:00+00:00"


@pytest.mark.parametrize(
    ("tags", "moment"),
    [
        ({"local": "2023:03:04 06:30:00", "offset": "-5:00"}, UTC),
        ({"local": "2023:03:04 06:30:00", "offset": "-05"}, UTC),
        ({"local": "2023:03:04 06:30:00", "offset": "-0500"}, UTC),
        ({"local": "2023:03:04 11:30:00", "offset": "Z"}, UTC),
        ({"local": "2023:03:04 12:30:00", "offset": "UTC+1"}, UTC),
        ({"local": "2023:03:04 17:00:00.25", "offset": "+05:30"}, UTC),
        ({"local": "2023-03-04T12:30:00+01:00"}, UTC),
        ({"local": "2023:03:04 01:30:00 PM", "offset": "+02:00"}, UTC),
        ({"local": "2023:03:04 12:30:00 a.m.", "offset": "-11:00"}, UTC),
        ({"local": "2023:03:04 13:30:00 PM", "offset": "+02:00"}, None),
        ({"local": "2023:03:04 01:30:00 noon", "offset": "+02:00"}, None),
        ({"local": "2023:03:04 12:30:00", "offset": "+25:00"}, None),
        ({"local": "2023:03:04 12:30:00", "offset": "noon"}, None),
        # the receiver's count of weeks ran over
        ({"local": "2023:03:04 12:30:00", "clock": (11, 30, 0), "day": "2003:07:19"}, UTC),
        ({"local": "2023:03:04 12:30:00", "clock": (11, 30, 0), "day": "2023:03:04"}, UTC),
        ({"local": "2023:03:04 12:30:00", "clock": (11, 30, 0), "day": "2011:01:01"}, None),
        # an offset and the receiver's moment
        ({"local": "2023:03:04 12:30:00", "offset": "+01:00", "clock": (11, 29, 0), "day": "2023:03:04"}, UTC),
        ({"local": "2023:03:04 12:30:00", "offset": "+01:00", "clock": (11, 30, 0), "day": "2003:07:19"}, UTC),
        ({"local": "2023:03:04 12:30:00", "offset": "+01:00", "clock": (15, 30, 0), "day": "2023:03:04"}, None),
        ({"local": "2023:03:04 12:30:00", "offset": "+01:00", "clock": (11, 30, 0), "day": "2023:03:07"}, None),
        ({"local": "2023:03:04 12:30:00", "offset": "-13:00"}, None),
        # clocks that were never set, or are none
        ({"local": "0001:01:01 00:00:00", "offset": "+02:00"}, None),
        ({"local": "9999:12:31 23:59:59", "offset": "-02:00"}, None),
        ({"clock": (1e9, 0, 0), "day": "2023:03:04"}, None),
        ({"clock": (24, 0, 0), "day": "2023:03:04"}, None),
        ({"local": "2023:02:30 12:30:00", "offset": "+01:00"}, None),
    ],
)
def test_times(tmp_path, tags, moment):
    path = photo(tmp_path / "a.jpg", LAT, LON, **tags)
    assert photos.read_exif(path)[2] == moment


@pytest.mark.parametrize(
    ("lat", "datum", "expected", "said"),
    [
        ((42.0, 52.95, IFDRational(0, 0)), "", -42.8825, ""),
        ((42.0, 52.95, 0.0), "WGS-84", -42.8825, ""),
        ((42.0, 52.0, IFDRational(0, 0)), "", None, "contradicts itself"),
        ((42.0, 52.0, 57.0), "TOKYO", -42.8825, "datum TOKYO: convert it to WGS 84"),
        ((42.0, 52.0, 57.0), "European 1950", -42.8825, "datum European 1950: convert it to WGS 84"),
        (b"\x2a\x34\x39", "", None, "contradicts itself"),
        ("42,52.95S", "", None, "contradicts itself"),
    ],
)
def test_empty_seconds_and_other_datums(lat, datum, expected, said):
    gps = {GPS.GPSLatitude: lat, GPS.GPSLatitudeRef: "S", GPS.GPSLongitude: (147.0, 0.0, 0.0), GPS.GPSLongitudeRef: "E"}
    seen = photos._from_exif(gps | {GPS.GPSMapDatum: datum}, {})
    assert np.isnan(seen.lat) if expected is None else seen.lat == pytest.approx(expected)
    assert said in seen.problem and bool(said) == bool(seen.problem)


# --- photos and tiles -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    photo(tmp_path / "photos/a.jpg", LAT, LON, local="2023:07:01 14:30:00", offset="+02:00")
    make_fixtures.geotiff(tmp_path / "tiles/a.tif", "EPSG:4326", (LON - 0.01, LAT - 0.01, LON + 0.01, LAT + 0.01))
    return tmp_path


def listed(folder, **options):
    return pairs.read("photos", "all", folder, **options).set_index("id")


def test_what_is_not_read_is_a_row_and_the_others_come_through(folder):
    (folder / "photos/IMG_7.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "photos/._a.jpg").write_bytes(b"\0\5\x16\7")
    header = io.BytesIO()
    Image.new("1", (1, 1)).save(header, "PNG")
    size = (40_000).to_bytes(4, "big")
    torn = header.getvalue()
    head = torn[:16] + size + size + torn[24:29]
    (folder / "photos/huge.png").write_bytes(head + zlib.crc32(head[12:29]).to_bytes(4, "big") + torn[33:])
    photo(folder / "photos/clock.jpg", LAT, LON, local="9999:12:31 23:59:59", offset="-02:00")
    with pytest.warns(UserWarning, match="times that cannot be true are left out: clock.jpg"):
        problems = listed(folder).problem.to_dict()
    assert problems["a.jpg"] == problems["clock.jpg"] == ""
    assert "HEIC files are not read" in problems["IMG_7.HEIC"] and "megapixels" in problems["huge.png"]
    assert problems["._a.jpg"] == "unreadable photo"


def test_every_picture_is_a_row_and_nothing_else_is(folder):
    for name in ("b.AVIF", "b.tif", "b.gif", "b.pef", "b.hif"):
        (folder / "photos" / name).write_bytes(b"x")
    photo(folder / "photos/c.jpg/c.jpg", LAT, LON).rename(folder / "photos/c.jpg/d.jfif")
    os.mkfifo(folder / "photos/pipe.jpg")
    os.symlink("nowhere", folder / "photos/e.jpg")
    (folder / "tiles/b.tif").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        problems = listed(folder).problem
    assert problems["a.jpg"] == problems["c.jpg/d.jfif"] == "" and problems["e.jpg"] == "unreadable photo"
    assert problems["b.AVIF"] == "AVIF files are not read: convert to JPEG and keep the EXIF"
    assert sorted(problems.index) == sorted(
        ["a.jpg", "b.AVIF", "b.gif", "b.hif", "b.pef", "b.tif", "c.jpg/d.jfif", "e.jpg"]
    )


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\0\5\x16\7 Mac"])
def test_a_tile_that_cannot_be_read_is_left_out_by_name(folder, content):
    (folder / "tiles/._b.tif").write_bytes(content)
    with pytest.warns(UserWarning, match=r"left out: ._b.tif"):
        assert listed(folder).problem["a.jpg"] == ""
    (folder / "tiles/a.tif").unlink()
    with pytest.raises(ValueError, match=r"no tile can be read as GeoTIFF: ._b.tif"):
        listed(folder)


def test_a_tile_that_is_cut_short_is_left_out_by_name(folder):
    whole = make_fixtures.geotiff(folder / "tiles/b.tif", "EPSG:4326", (LON - 1, LAT - 1, LON + 1, LAT + 1), 256)
    whole.write_bytes(whole.read_bytes()[:50_000])
    with pytest.warns(UserWarning, match=r"left out: b.tif"):
        assert listed(folder).problem["a.jpg"] == ""


def tif(path, transform, bands, crs="EPSG:4326", colormap=None, interpretation=None, **options):
    path.unlink(missing_ok=True)
    profile = options | {"driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", crs=crs, transform=transform, dtype=bands.dtype, **profile) as file:
        if interpretation:
            file.colorinterp = interpretation
        file.write(bands)
        if colormap:
            file.write_colormap(1, colormap)


def middle(path):
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]


BOX = from_bounds(LON - 0.01, LAT - 0.01, LON + 0.01, LAT + 0.01, 64, 64)
SOUTH_UP = Affine.translation(0, 2 * LAT) @ Affine.scale(1, -1) @ BOX


def test_a_turned_tile_shows_what_lies_in_its_picture_only(folder):
    turned = Affine.translation(LON, LAT) @ Affine.rotation(45) @ Affine.scale(0.02 / 64, -0.02 / 64)
    tif(folder / "tiles/a.tif", turned @ Affine.translation(-32, -32), np.full((3, 64, 64), 90, np.uint8))
    photo(folder / "photos/corner.jpg", LAT + 0.011, LON + 0.011)  # in the box around the tile
    problems = listed(folder, tile_m=200).problem
    assert problems["a.jpg"] == "" and problems["corner.jpg"] == "no tile shows its place"
    assert "turned: set tile_m" in listed(folder).problem["a.jpg"]


def test_a_tile_written_from_the_south_is_shown_north_up(folder):
    bands = np.zeros((3, 64, 64), np.uint8)
    bands[0, :32] = 200  # the first rows, which lie in the south
    tif(folder / "tiles/a.tif", SOUTH_UP, bands)
    for options in ({}, {"tile_m": 1000}):
        with Image.open(listed(folder, **options).aerial["a.jpg"]) as picture:
            red = np.asarray(picture.convert("RGB"))[..., 0]
        assert red[5].mean() < 5 and red[-5].mean() > 190


def test_tiles_of_one_name_in_two_folders_do_not_share_a_picture(folder):
    for year, grey in (("2020", 50), ("2021", 150)):
        shown = folder / "tiles" / year / "a.tif"
        shown.parent.mkdir(parents=True)
        tif(shown, SOUTH_UP, np.full((3, 64, 64), grey, np.uint8))
        assert middle(listed(folder).aerial["a.jpg"])[0] == grey
        shown.unlink()


@pytest.mark.parametrize("options", [{}, {"tile_m": 200}])
def test_a_tile_that_changed_is_cut_anew(folder, options):
    for when, grey in enumerate((50, 150)):
        tif(folder / "tiles/a.tif", SOUTH_UP, np.full((3, 64, 64), grey, np.uint8))
        os.utime(folder / "tiles/a.tif", (when, when))
        assert middle(listed(folder, **options).aerial["a.jpg"])[0] == grey
    cut = listed(folder, **options).aerial["a.jpg"]
    assert listed(folder, **options).aerial["a.jpg"] == cut
    finer = from_bounds(LON - 0.005, LAT - 0.005, LON + 0.005, LAT + 0.005, 64, 64)
    tif(folder / "tiles/b.tif", finer, np.full((3, 64, 64), 99, np.uint8))
    assert middle(listed(folder, **options).aerial["a.jpg"])[0] == 99


def test_a_whole_tile_of_too_many_pixels_is_said_and_a_square_is_cut(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96 * 72)  # the photo's
    tif(
        folder / "tiles/a.tif",
        from_bounds(LON - 0.01, LAT - 0.01, LON + 0.01, LAT + 0.01, 200, 200),
        np.full((3, 200, 200), 9, np.uint8),
    )
    assert listed(folder).problem["a.jpg"].endswith(": set tile_m to cut a square from it")
    monkeypatch.undo()
    assert listed(folder, tile_m=200).problem["a.jpg"] == ""


def test_crops_that_cannot_be_written_are_no_fault_of_the_photos(folder):
    (folder / "crops").write_text("a file")
    with pytest.raises(files.FileError, match="crops.* a file stands where a folder should be"):
        listed(folder, tile_m=200)


def test_a_palette_is_looked_up(folder):
    bands = np.full((1, 64, 64), 9, np.uint8)
    tif(folder / "tiles/a.tif", BOX, bands, colormap={9: (200, 120, 10, 255)})
    assert middle(listed(folder, tile_m=200).aerial["a.jpg"]).tolist() == [200, 120, 10]


BGR = (ColorInterp.blue, ColorInterp.green, ColorInterp.red)


@pytest.mark.parametrize("options", [{}, {"tile_m": 200}])
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_other_numbers_than_bytes_are_refused_with_the_remedy(folder, options, kind):
    tif(folder / "tiles/a.tif", BOX, np.full((3, 64, 64), 9000, kind))
    assert f"a.tif holds {np.dtype(kind)}: write it as 8-bit RGB" in listed(folder, **options).problem["a.jpg"]


@pytest.mark.parametrize("options", [{}, {"tile_m": 200}])
def test_near_infrared_is_no_transparency_and_white_may_be_zero(folder, options):
    bands = np.stack([np.full((64, 64), value, np.uint8) for value in (10, 20, 30, 40)])
    tif(folder / "tiles/a.tif", BOX, bands, photometric="RGB", alpha="NO")
    assert middle(listed(folder, **options).aerial["a.jpg"]).tolist() == [10, 20, 30]
    shutil.rmtree(folder / "crops")
    tif(folder / "tiles/a.tif", BOX, bands[:1], photometric="MINISWHITE")
    assert middle(listed(folder, **options).aerial["a.jpg"]).tolist() == [245, 245, 245]


@pytest.mark.parametrize("options", [{}, {"tile_m": 200}])
def test_a_folder_that_is_moved_keeps_what_was_cut_in_it(folder, tmp_path_factory, options):
    tif(folder / "tiles/a.tif", BOX, np.full((3, 64, 64), 9, np.uint8), interpretation=BGR)
    listed(folder, **options)
    cut = sorted(path.name for path in (folder / "crops").iterdir())
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.move(folder, moved)
    assert listed(moved, **options).aerial["a.jpg"].startswith(str(moved / "crops"))
    assert sorted(path.name for path in (moved / "crops").iterdir()) == cut and len(cut) == 1


@pytest.mark.parametrize("options", [{}, {"tile_m": 200}])
def test_colours_in_another_order_and_rare_packings_are_shown_in_their_colours(folder, options):
    values = {ColorInterp.blue: 30, ColorInterp.undefined: 99, ColorInterp.green: 20, ColorInterp.red: 10}
    bands = np.stack([np.full((64, 64), value, np.uint8) for value in values.values()])
    tif(folder / "tiles/a.tif", BOX, bands, interpretation=tuple(values))
    assert middle(listed(folder, **options).aerial["a.jpg"]).tolist() == [10, 20, 30]
    shutil.rmtree(folder / "crops")
    tif(folder / "tiles/a.tif", BOX, bands, compress="lerc", photometric="RGB")
    assert middle(listed(folder, **options).aerial["a.jpg"]).tolist() == [30, 99, 20]
    shutil.rmtree(folder / "crops")
    tif(folder / "tiles/a.tif", BOX, np.full((1, 64, 64), 15, np.uint8), nbits=4)
    assert middle(listed(folder, **options).aerial["a.jpg"]).tolist() == [255, 255, 255]


def test_a_photo_that_a_projection_does_not_reach_is_in_none_of_its_tiles(folder):
    plane = f"+proj=gnom +lat_0={LAT} +lon_0={LON} +datum=WGS84"
    tif(folder / "tiles/a.tif", from_bounds(-900, -900, 900, 900, 64, 64), np.full((3, 64, 64), 9, np.uint8), plane)
    photo(folder / "photos/antipode.jpg", -LAT, LON - 180)
    assert listed(folder).problem.to_dict() == {"a.jpg": "", "antipode.jpg": "no tile shows its place"}
    assert listed(folder, tile_m=1e300).problem["a.jpg"] == "its tile ends inside the square"


@pytest.mark.parametrize("turn", [0, -360])
@pytest.mark.parametrize("lon", [179.999, -179.999])
def test_a_tile_across_the_antimeridian_shows_both_sides(tmp_path, lon, turn):
    photo(tmp_path / "photos/a.jpg", -16.9, lon)
    bands = np.zeros((3, 200, 200), np.uint8)
    bands[0, :, :100], bands[0, :, 100:] = 50, 200
    (tmp_path / "tiles").mkdir()
    tif(tmp_path / "tiles/a.tif", from_bounds(179.9 + turn, -17, 180.1 + turn, -16.8, 200, 200), bands)
    row = listed(tmp_path, tile_m=2000).loc["a.jpg"]
    with Image.open(row.aerial) as picture:
        red = np.asarray(picture)[256, :, 0]
    assert row.problem == "" and red[5] == 50 and red[-5] == 200
    assert geo.haversine_km(row.lat, row.lon, -16.9, lon) < 0.01


@pytest.mark.parametrize("size", ["200", None, np.int64(200), 0, 5e-324, -5, float("nan"), float("inf"), True, [200]])
def test_a_side_that_is_no_length_is_refused_in_a_sentence(folder, size):
    if size in (None, 200):
        assert listed(folder, tile_m=size).problem["a.jpg"] == ""
    else:
        with pytest.raises(ValueError, match="tile_m must be a number of metres from 1"):
            listed(folder, tile_m=size)


def test_an_option_that_does_not_exist_is_refused_in_a_sentence(folder):
    with pytest.raises(ValueError, match="photos has no option tile; it has tile_m"):
        pairs.load("photos", "all", root=folder, tile=200)
    with pytest.raises(ValueError, match="world has no option tile_m; it has per_region"):
        pairs.load("world", "test", tile_m=200)
    with pytest.raises(ValueError, match="cvusa has no option tile_m; it has none"):
        pairs.read("cvusa", "train", folder, tile_m=200)


def test_a_very_long_name_gets_a_crop_of_its_own(folder):
    for ending in "xy":
        photo(folder / f"photos/{'n' * 240}{ending}.jpg", LAT, LON)
    rows = listed(folder, tile_m=200)
    assert (rows.problem == "").all() and rows.aerial.nunique() == 3


@pytest.mark.parametrize("options", [{}, {"tile_m": 200}])
def test_names_that_are_no_text_are_rows_with_a_problem(folder, options):
    os.rename(photo(folder / "photos/b.jpg", LAT, LON), os.fsencode(folder) + b"/photos/caf\xe9.jpg")
    shutil.copy(folder / "tiles/a.tif", os.fsencode(folder) + b"/tiles/caf\xe9.tif")
    with pytest.warns(UserWarning, match="left out: caf\ufffd.tif"):
        rows = listed(folder, **options)
    assert rows.problem.to_dict() == {"a.jpg": "", "caf\ufffd.jpg": "a file's name is not in UTF-8: rename it"}
    with pytest.warns(UserWarning, match="1 a file's name is not in UTF-8"):
        assert pairs.load("photos", "all", root=folder, **options)["id"][:] == ["a.jpg"]
    (folder / "train/satellite/0001").mkdir(parents=True)
    os.mkdir(os.fsencode(folder) + b"/train/satellite/\xe9")
    assert pairs.read("university-1652", "train", folder).id.tolist() == ["0001", "\ufffd"]


# --- pictures that break when they are shown --------------------------------------------------------------------------


def test_a_picture_that_is_cut_short_is_named_or_left_out_before(folder):
    path = photo(folder / "photos/b.jpg", LAT, LON)
    path.write_bytes(path.read_bytes()[:-200])
    rows = pairs.load("photos", "all", root=folder)
    with pytest.raises(OSError, match=r"b\.jpg cannot be shown .*check=True"):
        rows[1]
    with pytest.raises(OSError, match=r"b\.jpg cannot be shown"):
        rows.select([1])["panorama"][0]
    with pytest.warns(UserWarning, match="1 unreadable panorama"):
        rows = pairs.load("photos", "all", root=folder, check=True)
    assert rows["id"][:] == ["a.jpg"] and rows[0]["panorama"].size == (96, 72)
    rows.save_to_disk(folder / "saved")
    again = concatenate_datasets([rows, load_from_disk(folder / "saved")])
    assert (
        again.shuffle(seed=0)[1]["panorama"].size == (96, 72) and pickle.loads(pickle.dumps(again))[0]["id"] == "a.jpg"
    )


def test_a_picture_with_torn_exif_is_named_or_left_out_before(folder):
    header = io.BytesIO()
    Image.new("RGB", (8, 8)).save(header, "PNG")
    exif = b"eXIfII*\0"
    torn = struct.pack(">L", 4) + exif + struct.pack(">L", zlib.crc32(exif))
    for i in range(2):
        path = folder / f"train/satellite/000{i}/a.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(header.getvalue()[:33] + torn * i + header.getvalue()[33:])
    (folder / "photos/b.png").write_bytes(path.read_bytes())
    assert listed(folder).problem.to_dict() == {"a.jpg": "", "b.png": "unreadable photo"}
    with pytest.raises(OSError, match=r"a\.png cannot be shown .*check=True"):
        pairs.load("university-1652", "train", root=folder)[1]
    with pytest.warns(UserWarning, match="1 unreadable aerial"):
        assert pairs.load("university-1652", "train", root=folder, check=True)["id"][:] == ["0000"]
    found = validate.check("university-1652", folder, folder / "out", splits=("train",), progress=False)
    assert found.rows.reason.tolist() == ["", "unreadable aerial"]


# --- tables -----------------------------------------------------------------------------------------------------------


def cities(root, *lines, encoding="utf-8"):
    for view in ("sat_images", "pano_images"):
        make_fixtures.draw(root / f"paris/{view}/1.png", 8, 8)
    (root / "paris/img_info.csv").write_text("\n".join(lines) + "\n", encoding=encoding)


GOOD = "1,2.35,48.85,paris,paris/sat_images/1.png,paris/pano_images/1.png"


@pytest.mark.filterwarnings("ignore:cv-cities")
class TestTables:
    def test_another_encoding_is_named_with_the_remedy(self, tmp_path):
        cities(tmp_path, GOOD.replace("paris,", "巴黎,", 1), encoding="gbk")
        with pytest.raises(ValueError, match=r"cv-cities: .*img_info.csv is not in UTF-8 .*save it again as UTF-8"):
            pairs.read("cv-cities", "train", tmp_path)

    def test_an_endless_field_is_named_with_its_line(self, tmp_path):
        cities(tmp_path, GOOD, "x" * 200_000 + ",2,3")
        with pytest.raises(ValueError, match=r"img_info.csv line 2 is no CSV"):
            pairs.read("cv-cities", "train", tmp_path)

    @pytest.mark.parametrize(
        "way", ["../secret.png", "paris/../../secret.png", "..\\secret.png", "{}/secret.png", "C:/a.png"]
    )
    def test_paths_that_lead_out_are_refused_and_listed(self, tmp_path, way):
        make_fixtures.draw(tmp_path / "secret.png", 8, 8)
        bad = GOOD.replace("paris/sat_images/1.png", way.format(tmp_path)).replace("1,", "2,", 1)
        cities(tmp_path / "root", GOOD, bad)
        rows = pairs.read("cv-cities", "train", tmp_path / "root")
        assert rows.problem.tolist() == ["", schema.LEADS_OUT] and rows.aerial[1] is None

    @pytest.mark.parametrize("way", ["../secret.png", "{}/secret.png"])
    def test_in_cvglobal_as_well(self, tmp_path, way):
        make_fixtures.draw(tmp_path / "secret.png", 8, 8)
        make_fixtures.draw(tmp_path / "root/a.png", 8, 8)
        (tmp_path / "root/splits").mkdir()
        (tmp_path / "root/splits/train.csv").write_text(f"{way.format(tmp_path)},a.png\na.png,/elsewhere/a.png\n")
        rows = pairs.read("cvglobal", "train", tmp_path / "root")
        assert rows.problem.tolist() == [schema.LEADS_OUT, ""]

    def test_a_place_at_0_0_and_a_folder_of_a_pictures_name_are_none(self, tmp_path):
        (tmp_path / "paris/sat_images/b.png").mkdir(parents=True)
        nowhere, folder = GOOD.replace("2.35,48.85", "0,-0.0"), GOOD.replace("s/1.png", "s/b.png", 1)
        cities(tmp_path, GOOD, f"2{nowhere[1:]}", f"3{folder[1:]}")
        problems = pairs.read("cv-cities", "train", tmp_path).problem.tolist()
        assert problems == ["", "place is 0, 0: none was known", "no aerial file"]

    def test_a_list_without_a_row_is_said(self, tmp_path):
        cities(tmp_path, "")
        with pytest.raises(ValueError, match="cv-cities train: there is no row"):
            pairs.load("cv-cities", "train", root=tmp_path)


class TestCvusa:
    def read(self, root, numbers, places):
        (root / "splits").mkdir()
        (root / "split_locations").mkdir()
        lines = "".join(f"bingmap/19/{n}.jpg,streetview/panos/{n}.jpg,x\n" for n in numbers)
        (root / "splits/train-19zl.csv").write_text(lines)
        (root / "split_locations/all.csv").write_text(places)
        return pairs.read("cvusa", "train", root)

    def test_what_is_no_number_of_a_line_is_named(self, tmp_path):
        rows = self.read(tmp_path, ["0000001", "²", "١", "1" * 5000], "40,-100,40.1,-100.1,0\n")
        assert rows.lat[0] == 40.1 and set(rows.problem[1:]) == {"line without two paths and a number"}

    def test_names_of_columns_would_shift_every_place(self, tmp_path):
        with pytest.raises(ValueError, match=r"all.csv begins with names of columns.*remove them"):
            self.read(tmp_path, ["0000001"], "sat_lat,sat_lon,lat,lon,x\n40,-100,40.1,-100.1,0\n")


def test_a_matrix_without_names_is_one_sentence(tmp_path):
    matrix = {"panoIds": np.zeros((0, 1), object), "utm": np.zeros((0, 2)), "trainSet": {"trainInd": [1]}}
    savemat(tmp_path / "ACT_data.mat", matrix)
    with pytest.raises(ValueError, match=r"ACT_data.mat is not the file expected .*panoIds is empty"):
        pairs.read("cvact", "train", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + bytes(600), b"MATLAB 7.3 MAT-file" + bytes(200), b"x"])
def test_a_matrix_that_is_none_is_one_sentence(tmp_path, content):
    (tmp_path / "ACT_data.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"cvact: .*ACT_data.mat is not the file expected"):
        pairs.read("cvact", "train", tmp_path)


def test_vigor_gives_the_cities_that_are_here(tmp_path):
    line = "1,47.6,-122.3,.jpg " + " ".join("satellite_47.6_-122.3.png 0 0" for _ in range(4))
    (tmp_path / "splits/Seattle").mkdir(parents=True)
    (tmp_path / "splits/Seattle/same_area_balanced_train.txt").write_text(line + "\n")
    with pytest.warns(UserWarning, match="1 of 4 cities are here; missing: Chicago, NewYork, SanFrancisco"):
        assert pairs.read("vigor", "train", tmp_path).city.tolist() == ["Seattle"]
    with pytest.raises(FileNotFoundError, match="make data SOURCE=vigor"):
        pairs.read("vigor", "test", tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "split,id,reason\nall,a.jpg,x\n",
        "\ufeffsplit,id\nall,a.jpg\n",
        "split;id;reason\nall;a.jpg;x, y\n",
        "id\tsplit\na.jpg\tall\n",
        "split, id\n all, a.jpg \nall\n",
    ],
)
def test_a_list_of_rows_to_set_aside_survives_a_spreadsheet(folder, text):
    photo(folder / "photos/b.jpg", LAT, LON)
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    assert pairs.load("photos", "all", root=folder, set_aside=path)["id"][:] == ["b.jpg"]


@pytest.mark.parametrize("content", [b"", b"name,why\na,b\n", "split,id\nall,né\n".encode("latin-1"), b"id\na.jpg\n"])
def test_a_list_that_is_none_is_one_sentence(folder, content):
    path = folder / "list.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"list.csv"):
        pairs.load("photos", "all", root=folder, set_aside=path)


def test_a_list_of_rows_that_are_not_there_is_said(folder):
    path = folder / "list.csv"
    path.write_text("split,id\nall,0001.jpg\nother,b.jpg\n")
    with pytest.warns(UserWarning, match=r"list.csv sets aside 1 rows that are not there, such as '0001.jpg'"):
        assert pairs.load("photos", "all", root=folder, set_aside=path)["id"][:] == ["a.jpg"]
    path.write_text("split,id\nall,a.jpg\n")
    with pytest.raises(ValueError, match="all of it is set aside"):
        pairs.load("photos", "all", root=folder, set_aside=path)


# --- validation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["a-file", "a-file/below"])
def test_a_report_needs_a_folder(folder, out):
    (folder / "a-file").write_text("x")
    with pytest.raises(ValueError, match="cannot be made a folder for the report"):
        validate.check("photos", folder, folder / out, progress=False)


def test_a_split_is_looked_at_once_or_there_is_none(folder):
    found = validate.check("photos", folder, folder / "out", splits=("all", "all"), progress=False)
    assert found.rows.reason.tolist() == [""]
    with pytest.raises(ValueError, match="no split to look at; photos has all"):
        validate.check("photos", folder, folder / "out", splits=(), progress=False)
    for wrong in ({"leak_km": None}, {"leak_km": "0.1"}, {"workers": 1.5}, {"workers": None}):
        with pytest.raises(ValueError, match="workers from 1 and leak_km from 0"):
            validate.check("photos", folder, folder / "out", progress=False, **wrong)


def test_what_was_seen_may_be_damaged(folder):
    path = str(folder / "photos/a.jpg")
    stamp = {"path": path, "size": (folder / "photos/a.jpg").stat().st_size}
    stamp["mtime_ns"] = (folder / "photos/a.jpg").stat().st_mtime_ns
    (folder / "out").mkdir()
    lines = [
        "null",
        "[1]",
        "3",
        '"x"',
        "{",
        json.dumps(stamp),
        json.dumps(stamp | {"path": [1]}),
        json.dumps(stamp | {"width": "x"}),
    ]
    (folder / "out/pictures.jsonl").write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    report = validate.check("photos", folder, folder / "out", progress=False)
    assert report.rows.reason.tolist() == [""]


# --- archives ---------------------------------------------------------------------------------------------------------


def packed(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(f"paris/{name}", content)
    return path


def refused(archive, root, match):
    with pytest.raises(download.DownloadError, match=match):
        download._unpack(archive, root)
    assert not [p for p in root.rglob("*") if p.is_file()]


def test_a_damaged_archive_leaves_nothing(tmp_path):
    rng = np.random.default_rng(0)
    archive = packed(tmp_path / "a.zip", good=b"x" * 100, bad=rng.bytes(5000))
    content = bytearray(archive.read_bytes())
    content[1000:1400] = bytes(400)
    archive.write_bytes(content)
    refused(archive, tmp_path / "root", r"a.zip cannot be unpacked")
    archive.write_bytes(content[:3000])
    refused(archive, tmp_path / "root", r"a.zip cannot be unpacked")


def test_an_encrypted_archive_is_refused(tmp_path):
    archive = packed(tmp_path / "a.zip", good=b"x" * 100)
    content = archive.read_bytes()
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(mark) + offset
        content = content[:at] + b"\x01" + content[at + 1 :]
    archive.write_bytes(content)
    refused(archive, tmp_path / "root", r"a.zip is not unpacked: 'paris/good' is encrypted")


def test_an_unknown_compression_is_refused(tmp_path):
    archive = packed(tmp_path / "a.zip", good=b"x" * 100)
    content = archive.read_bytes()
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.index(mark) + offset
        content = content[:at] + b"\x61\x00" + content[at + 2 :]
    archive.write_bytes(content)
    refused(archive, tmp_path / "root", r"a.zip cannot be unpacked")


def test_an_archive_that_grows_out_of_measure_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("paris/zeros", "w") as out:
            for _ in range(110):
                out.write(bytes(10**6))
    refused(tmp_path / "a.zip", tmp_path / "root", r"would become 0.1 GB")


def test_a_link_in_an_archive_is_refused(tmp_path):
    link = zipfile.ZipInfo("paris/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    refused(tmp_path / "a.zip", tmp_path / "root", "is a link")


def test_names_with_dots_lie_where_the_archive_means_and_none_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "paris.zip", "w") as file:
        file.writestr("./a", b"1")
        file.writestr("./sub/./b", b"2")
    download._unpack(tmp_path / "paris.zip", tmp_path / "root")
    found = [p.relative_to(tmp_path / "root").as_posix() for p in (tmp_path / "root").rglob("*") if p.is_file()]
    assert sorted(found) == ["paris/a", "paris/sub/b"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("paris/a", b"1")
        file.writestr("paris/./a", b"22")
    refused(tmp_path / "a.zip", tmp_path / "other", "'paris/a' is in it twice")


def test_sums_decide_what_is_there_already(tmp_path):
    archive = packed(tmp_path / "a.zip", good=b"right")
    (tmp_path / "root/paris").mkdir(parents=True)
    (tmp_path / "root/paris/good").write_bytes(b"wrong")
    download._unpack(archive, tmp_path / "root")
    assert (tmp_path / "root/paris/good").read_bytes() == b"right"
    assert sorted(p.name for p in (tmp_path / "root").iterdir()) == ["paris"]


@pytest.mark.parametrize("content", ["[]", "null", "3", '{"files": []}', "{", '"x"', '{"revision": 5}'])
def test_a_record_that_is_none_is_one_sentence(tmp_path, content):
    (tmp_path / "download.json").write_text(content)
    with pytest.raises(download.DownloadError, match=r"download.json is no.*remove it and run the same command again"):
        download._read_record(tmp_path / "download.json")


def test_no_warning_where_all_is_well(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        listed(folder, tile_m=200)
