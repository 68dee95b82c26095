"""Writes each source's layout in miniature, with the quirks that are found on people's disks.

    python tests/make_fixtures.py FOLDER      writes all of them and prints what had to be guessed

The pictures are drawn here. What the published texts do not say, and a fixture therefore had to assume, is listed in
GUESSES; the loader's docstring says the same sentences, and a test compares the two.
"""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import numpy as np
import rasterio
from PIL import ExifTags, Image
from pyproj import Transformer
from rasterio.transform import from_bounds
from scipy.io import savemat

GUESSES = {
    "cv-cities": {
        "folders": "The pictures of a city lie in the folders sat_images and pano_images.",
        "names": "A name is unique within its city.",
        "aspect": "Panoramas are twice as wide as high.",
        "time": "No column holds the time, so taken_at is None.",
    },
    "cvusa": {
        "fifth column": "The fifth column of all.csv is not needed.",
        "aspect": "Panoramas are 1232 x 224 pixels.",
        "time": "There are no times, so taken_at is None.",
    },
    "cvact": {
        "utm": (
            "The columns of utm are easting and northing in metres of zone 55 south; the larger one is taken as the "
            "northing."
        ),
        "aspect": "Panoramas are twice as wide as high.",
        "time": "There are no times, so taken_at is None.",
    },
    "vigor": {
        "names": "The last two numbers between commas of a panorama's name are its latitude and longitude.",
        "aspect": "Panoramas are twice as wide as high.",
        "time": "There are no times, so taken_at is None.",
    },
    "university-1652": {
        "test": "The buildings asked for in the test are those of query_satellite.",
        "satellite": "The satellite image of a building is the only file in its folder.",
    },
    "cvglobal": {
        "paths": "Some ending of every listed path is its path below ROOT.",
        "place": "Neither the paths nor any other file name the place or the time of a pair.",
    },
}

CITY = {
    "captown": (-33.92584, 18.42322),
    "maynila": (14.6042, 120.9822),
    "paris": (48.85341, 2.3488),
    "tokyo": (35.6895, 139.69171),
    "london": (51.50853, -0.12574),
    "taipei": (25.05306, 121.52639),
}


def draw(path: Path, width: int, height: int) -> Path:
    """A picture that depends on the file's name alone: soft blotches, so that no two look alike."""
    rng = np.random.default_rng(crc32(path.name.encode()))
    blotches = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    blotches.resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def panorama(path: Path) -> Path:
    return draw(path, 128, 64)


def tile(path: Path) -> Path:
    return draw(path, 64, 64)


def near(city: str, i: int) -> tuple[float, float]:
    """The i-th place of a city's fixture: 1.1 km further north each."""
    lat, lon = CITY[city]
    return round(lat + 0.01 * i, 6), round(lon, 6)


def write_lines(path: Path, lines) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(lines)


# --- the sources -----------------------------------------------------------------------------------------------------


def cv_cities(root: Path) -> None:
    """Four training cities, each packed otherwise, and two test cities with bad lines."""
    for city, base, folders in (
        ("captown", "captown", ("sat_images", "pano_images")),
        ("maynila", "maynila/maynila", ("sat_images", "pano_images")),  # unpacked into a folder of its own name
        ("paris", "paris", ("satellite", "streetview")),  # folders renamed by a user; the list was not
        ("tokyo", "tokyo", ("sat_images", "pano_images")),
    ):
        lines = []
        for i in range(5):
            name, (lat, lon) = f"{city}_{i}", near(city, i)
            tile(root / base / folders[0] / f"{name}_s.jpg")
            panorama(root / base / folders[1] / f"{name}_p.jpg")
            line = [name, lon, lat, city, f"{city}/sat_images/{name}_s.jpg", f"{city}/pano_images/{name}_p.jpg"]
            if city == "tokyo":  # a list written on Windows
                line[4:] = [path.replace("/", "\\") for path in line[4:]]
            lines.append(line)
        write_lines(root / base / "img_info.csv", lines)
    london = []
    for i in range(6):
        name, (lat, lon) = f"london_{i}", near("london", i)
        tile(root / "london/sat_images" / f"{name}.jpg")
        panorama(root / "london/pano_images" / f"{name}.jpg")
        london.append([name, lon, lat, "london", f"london/sat_images/{name}.jpg", f"london/pano_images/{name}.jpg"])
    london[1].append("")  # a trailing comma
    london[2] = london[2][:5]  # a torn line
    (root / "london/pano_images/london_3.jpg").unlink()
    write_lines(root / "london/img_info.csv", london)
    lat, lon = near("taipei", 0)
    tile(root / "taipei/sat_images/taipei_0.jpg")
    panorama(root / "taipei/pano_images/taipei_0.jpg")
    line = ["taipei_0", lat, lon, "taipei", "taipei/sat_images/taipei_0.jpg", "taipei/pano_images/taipei_0.jpg"]
    write_lines(root / "taipei/img_info.csv", [line])  # latitude first, by mistake


CVUSA_PLACES = [(40.0 + i, -100.0 - i) for i in range(6)]  # of pairs 1 to 6


def cvusa(root: Path) -> None:
    """Pairs 1 to 6: 5 and 2 train, 4 and 1 val, 3 in neither; 9 is listed and has no place."""
    located = [[lat + 0.5, lon + 0.5, lat, lon, 7] for lat, lon in CVUSA_PLACES]  # the tile's place differs on purpose
    write_lines(root / "split_locations/all.csv", located)
    for name, numbers in (("train-19zl.csv", (5, 2, 9)), ("val-19zl.csv", (4, 1))):
        lines = []
        for number in numbers:
            stem = f"{number:07d}"
            tile(root / f"bingmap/19/{stem}.jpg")
            draw(root / f"streetview/panos/{stem}.jpg", 154, 28)
            lines.append(
                [f"bingmap/19/{stem}.jpg", f"streetview/panos/{stem}.jpg", f"streetview/annotations/{stem}.png"]
            )
        write_lines(root / "splits" / name, lines)


CVACT_PLACES = {f"pano{i}": (-35.28 - 0.01 * i, 149.13) for i in range(6)}


def cvact(root: Path, *, northing_first: bool = False) -> None:
    """Six ids: MATLAB's 1 and 3 train, 2 and 6 val; 4 and 5 test. A picture of val is missing."""
    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32755", always_xy=True)
    utm = np.array([to_utm.transform(lon, lat) for lat, lon in CVACT_PLACES.values()])
    root.mkdir(parents=True, exist_ok=True)
    savemat(
        root / "ACT_data.mat",
        {
            "panoIds": np.array(list(CVACT_PLACES)),
            "utm": utm[:, ::-1] if northing_first else utm,
            "trainSet": {"numTrain": 2, "trainInd": np.array([[1], [3]])},
            "valSet": {"numVal": 2, "valInd": np.array([[2], [6]])},
        },
    )
    for folder, names in (("ANU_data_small", (0, 2, 1, 5)), ("ANU_data_test", (3, 4))):
        for i in names:
            panorama(root / folder / "streetview" / f"pano{i}_grdView.jpg")
            tile(root / folder / "satview_polish" / f"pano{i}_satView_polish.jpg")
    (root / "ANU_data_small/satview_polish/pano5_satView_polish.jpg").unlink()


VIGOR_CENTRES = {
    "Chicago": (41.88, -87.63),
    "NewYork": (40.75, -73.98),
    "SanFrancisco": (37.77, -122.42),
    "Seattle": (47.61, -122.33),
}


def vigor(root: Path, *, other_tree: bool = False, misspelt: bool = False) -> None:
    """Two tiles a city; panoramas a and b share the first. b and c test, a trains.

    other_tree  ground/<City> and satellite/<City> instead of <City>/panorama and <City>/satellite
    misspelt    tiles on disk are called satelitte_....jpg, as the description says, while the lists say .png
    """
    for city, (lat, lon) in VIGOR_CENTRES.items():
        grounds = root / "ground" / city if other_tree else root / city / "panorama"
        tiles = root / "satellite" / city if other_tree else root / city / "satellite"
        places = [(lat, lon), (lat + 0.01, lon)]
        names = [f"satellite_{a:.6f}_{b:.6f}.png" for a, b in places]
        for name in names:
            tile(tiles / (name.replace("satellite", "satelitte").replace(".png", ".jpg") if misspelt else name))
        lines = {}
        for letter, which, shift in (("a", 0, 0.0), ("b", 0, 0.0001), ("c", 1, 0.01)):
            ground = panorama(grounds / f"{letter}-_X9,{lat + shift:.6f},{lon:.6f},.jpg").name
            words = [ground, names[which], "1.0", "-2.0"]
            for _ in range(3):
                words += [names[1 - which], "300.0", "-300.0"]
            lines[letter] = " ".join(words) + "\n"
        splits = root / "splits" / city
        splits.mkdir(parents=True)
        (splits / "satellite_list.txt").write_text("".join(name + "\n" for name in names))
        (splits / "same_area_balanced_train.txt").write_text(lines["a"])
        (splits / "same_area_balanced_test.txt").write_text(lines["b"] + lines["c"])
        (splits / "pano_label_balanced.txt").write_text("".join(lines.values()))


def university_1652(root: Path) -> None:
    """Train buildings 0001 and 0002 (the second with an empty google folder), test 0003; 0004 only in the gallery."""
    for name in ("0001", "0002"):
        tile(root / "train/satellite" / name / f"{name}.jpg")
        for i in (2, 1):
            draw(root / "train/drone" / name / f"image-{name}-0{i}.jpeg", 64, 64)
        draw(root / "train/street" / name / f"street-{name}.jpg", 80, 60)
        (root / "train/google" / name).mkdir(parents=True)
    draw(root / "train/google/0001/google-0001.jpg", 80, 60)
    tile(root / "test/query_satellite/0003/0003.jpg")
    draw(root / "test/query_drone/0003/image-0003-01.jpeg", 64, 64)
    draw(root / "test/query_street/0003/street-0003.jpg", 80, 60)
    for name in ("0003", "0004"):
        tile(root / "test/gallery_satellite" / name / f"{name}.jpg")


def cvglobal(root: Path) -> None:
    """Paths as on the authors' machine in the list of train, below ROOT in that of val, which lies elsewhere."""
    for name, prefix, listing in (
        ("train", "/data/authors/CVGlobal", "splits_csv/train.csv"),
        ("val", ".", "splits/val.csv"),
    ):
        lines = []
        for i in range(3):
            tile(root / f"satellite/Berlin/{name}{i}.jpg")
            panorama(root / f"street/Berlin/{name}{i}_p.jpg")
            lines.append([f"{prefix}/satellite/Berlin/{name}{i}.jpg", f"{prefix}/street/Berlin/{name}{i}_p.jpg"])
        write_lines(root / listing, lines)
    (root / "street/Berlin/train2_p.jpg").unlink()


def photo(path: Path, lat: float | None, lon: float | None, **tags) -> Path:
    """A photo with EXIF. tags: local (time), offset, clock (h, m, s of the receiver), day (its date), no_reference."""
    draw(path, 96, 72)
    exif = Image.Exif()
    gps, details = exif.get_ifd(ExifTags.IFD.GPSInfo), exif.get_ifd(ExifTags.IFD.Exif)
    for value, tag, letters in ((lat, ExifTags.GPS.GPSLatitude, "NS"), (lon, ExifTags.GPS.GPSLongitude, "EW")):
        if value is not None:
            degrees, minutes = int(abs(value)), abs(value) % 1 * 60
            gps[tag] = (float(degrees), float(int(minutes)), round(minutes % 1 * 60, 4))
            if not tags.get("no_reference"):
                gps[tag - 1] = letters[value < 0]
    if "clock" in tags:
        gps[ExifTags.GPS.GPSTimeStamp] = tuple(float(v) for v in tags["clock"])
    if "day" in tags:
        gps[ExifTags.GPS.GPSDateStamp] = tags["day"]
    if "local" in tags:
        details[ExifTags.Base.DateTimeOriginal] = tags["local"]
    if "offset" in tags:
        details[ExifTags.Base.OffsetTimeOriginal] = tags["offset"]
    with Image.open(path) as picture:
        picture.load()
        picture.save(path, exif=exif)
    return path


def geotiff(path: Path, crs: str, bounds: tuple[float, float, float, float], pixels: int = 64) -> Path:
    """An RGB GeoTIFF whose red grows eastwards and whose green grows northwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.linspace(0, 255, pixels).astype(np.uint8)
    bands = np.stack(
        [np.tile(ramp, (pixels, 1)), np.tile(ramp[::-1, None], (1, pixels)), np.full((pixels, pixels), 60)]
    )
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "width": pixels, "height": pixels, "crs": crs}
    with rasterio.open(path, "w", transform=from_bounds(*bounds, pixels, pixels), **profile) as file:
        file.write(bands)
    return path


PHOTO_PLACE = (47.3769, 8.5417)  # Zurich


def photos(root: Path) -> None:
    """One photo for each way in which a place or a time can be there or be missing, and tiles in two projections."""
    lat, lon = PHOTO_PLACE
    local = "2023:07:01 14:30:00"
    photo(root / "photos/offset.jpg", lat, lon, local=local, offset="+02:00")
    photo(root / "photos/receiver.jpg", lat, lon, local=local, clock=(12, 30, 5), day="2023:07:01")
    photo(root / "photos/midnight.jpg", lat, lon, local="2023:07:01 00:30:00", clock=(22, 30, 5))
    photo(root / "photos/sub/naive.JPG", lat, lon, local=local)
    photo(root / "photos/no_gps.jpg", None, None, local=local)
    photo(root / "photos/no_reference.jpg", lat, lon, no_reference=True)
    photo(root / "photos/null_island.jpg", 0.0, 0.0)
    photo(root / "photos/elsewhere.jpg", -lat, -lon)
    (root / "photos/torn.jpg").write_bytes(b"\xff\xd8\xff\xe1 not a picture")
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:2056", always_xy=True).transform(lon, lat)
    geotiff(root / "tiles/swiss_coarse.tif", "EPSG:2056", (x - 2000, y - 2000, x + 2000, y + 2000))
    geotiff(root / "tiles/swiss_fine.tif", "EPSG:2056", (x - 100, y - 300, x + 500, y + 300), 128)
    geotiff(root / "tiles/degrees.tiff", "EPSG:4326", (lon + 1, lat, lon + 2, lat + 1))


WRITERS: dict[str, Callable[[Path], None]] = {
    "cv-cities": cv_cities,
    "cvusa": cvusa,
    "cvact": cvact,
    "vigor": vigor,
    "university-1652": university_1652,
    "cvglobal": cvglobal,
    "photos": photos,
}

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for source, write in WRITERS.items():
        write(Path(sys.argv[1]) / source)
        print(f"{source}: written to {Path(sys.argv[1]) / source}")
        for what, sentence in GUESSES.get(source, {}).items():
            print(f"    guessed ({what}): {sentence}")
