"""Your own pictures: a folder of photos that know where they were taken, and a folder of georeferenced aerial tiles.

    ROOT/photos/**/*.jpg     EXIF with GPS latitude and longitude; .png and .webp with EXIF as well; HEIC, AVIF, TIFF
                             and raw files are listed as rows that cannot be used
    ROOT/tiles/**/*.tif      GeoTIFF in any projection, such as a mosaic from a mapping agency

Each photo gets the tile that shows its place: of several the one of the finest pixels, then the one whose middle is
nearest. `panorama` is the photo, whatever its angle of view. `aerial` is the whole tile or, with tile_m, a square of so
many metres around the photo, north up, cut from it once and kept in ROOT/crops.

taken_at is in UTC. It comes from the EXIF time and its offset; where a camera wrote no offset but its receiver wrote
the time of day (which is UTC), from both (in Tonga, Samoa and Kiribati, which keep the date of the other side, the day
can then be one too late); otherwise it is None, because the sun stands elsewhere in each time zone. It is None as well
where the two contradict each other, by an hour or more where both are in UTC; a receiver whose count of weeks ran over
(1,024 weeks too early) is put right. City and country are those of the nearest place in the atlas. A photo without a
place or without a tile is a row with a problem, not a silent gap; a tile that cannot be read is left out with a warning
that names it.
"""

import hashlib
import math
import re
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import ExifTags, Image

from georeplicate import atlas, files, geo
from georeplicate.pairs import schema

if TYPE_CHECKING:
    from affine import Affine
    from rasterio.crs import CRS

SPLITS = ("all",)
PANORAMA_RATIO = None
# Cameras and programs write them; we do not read them
UNREAD = tuple(
    ".heic .heif .hif .avif .jxl .jp2 .tif .tiff .bmp .gif .dng .cr2 .cr3 .nef .nrw .arw .raf .orf .rw2 .rwl .pef .srw "
    ".3fr .iiq .gpr".split()
)
PHOTOS, TILES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp"), (".tif", ".tiff")
CROP_PX = 512
HOLDS_DATA = 0.5  # share of a square's pixels; not more, as some tiles call their white roofs and sand "no data"
NAME_BYTES = 200  # of a crop's name; file systems end at 255
_YEARS = (1900, 2100)  # others are clocks that were never set
_WEEKS_RUN_OVER = timedelta(weeks=1024)  # the receiver's counter begins again at 0
_FIX_ASTRAY = timedelta(hours=1)  # what is received may be some minutes older than the photo
_ONE_DAY_ASTRAY = timedelta(days=2)  # between a local date and one in UTC there is a day, and in the Pacific another
_NEVER = "2000-01-01T00:00:00Z"  # the atlas wants a moment; what is asked of it here does not depend on it


def read(root: Path, split: str, *, tile_m: float | None = None) -> pd.DataFrame:
    """Every photo below ROOT/photos (see schema); FileNotFoundError if there is none.

    tile_m  side of the aerial square in metres; None takes each tile whole
    """
    schema.split_of("photos", split, SPLITS)
    number = isinstance(tile_m, Real) and not isinstance(tile_m, bool)
    if tile_m is not None and not (number and 1 <= tile_m < math.inf):
        raise ValueError(f"photos: tile_m must be a number of metres from 1, got {tile_m!r}")
    paths = _below(root / "photos", (*PHOTOS, *UNREAD))
    tiles = _tiles(_below(root / "tiles", TILES))
    rows, problems, timeless = [], [], []
    for path in paths:
        listed = path.relative_to(root / "photos").as_posix()
        name, seen = schema.printable(listed), _look(path)
        row: dict[str, Any] = {"id": listed, "panorama": str(path)}
        row |= {"lat": seen.lat, "lon": seen.lon, "taken_at": seen.taken_at}
        problem = seen.problem
        if seen.timeless:
            timeless.append(name)
        if not problem and geo.is_valid(seen.lat, seen.lon):
            problem, row["aerial"] = _aerial(name, seen.lat, seen.lon, tiles, tile_m, root)
        rows.append(row)
        problems.append(problem)
    if timeless:
        warnings.warn(f"photos: times that cannot be true are left out: {_few(timeless)}", stacklevel=4)
    names = ("id", "lat", "lon", "taken_at", "panorama", "aerial")
    frame = schema.table({name: [row.get(name) for row in rows] for name in names}, problems)
    known = geo.is_valid(frame.lat, frame.lon)
    if known.any():
        facts = atlas.describe(frame.lat[known].to_numpy(), frame.lon[known].to_numpy(), _NEVER)
        frame.loc[known, "city"], frame.loc[known, "country"] = facts.place, facts.country.astype(object)
        frame.loc[known, "area"] = [f"{place}, {code}" for place, code in zip(facts.place, facts.country)]
    return frame


@dataclass(frozen=True)
class _Seen:
    """What EXIF says; problem: why the photo cannot be used; timeless: it holds times that cannot be true."""

    lat: float = math.nan
    lon: float = math.nan
    taken_at: str | None = None
    problem: str = ""
    timeless: bool = False


def read_exif(path: Path) -> tuple[float, float, str | None]:
    """(lat, lon, taken_at) of a photo: degrees, NaN where EXIF has none; ISO 8601 in UTC or None.

    OSError if the file is no picture. A reference letter that is missing leaves the position unknown, for a sign is
    half a world; so does one that contradicts the sign, minutes or seconds that are none, and a place beyond the poles.
    """
    with Image.open(path) as picture:
        exif = picture.getexif()
        gps, details = exif.get_ifd(ExifTags.IFD.GPSInfo), exif.get_ifd(ExifTags.IFD.Exif)
    seen = _from_exif(gps, details)
    if not geo.is_valid(seen.lat, seen.lon):
        return math.nan, math.nan, seen.taken_at
    return seen.lat, seen.lon, seen.taken_at


def _look(path: Path) -> _Seen:
    if path.suffix.lower() in UNREAD:
        return _Seen(problem=f"{path.suffix.lower()[1:].upper()} files are not read: convert to JPEG and keep the EXIF")
    try:
        with Image.open(path) as picture:
            exif = picture.getexif()
            gps, details = exif.get_ifd(ExifTags.IFD.GPSInfo), exif.get_ifd(ExifTags.IFD.Exif)
        return _from_exif(gps, details)
    except Image.DecompressionBombError:
        return _Seen(problem=f"{_too_many(math.inf)}: make it smaller")
    except schema.UNSHOWN:
        return _Seen(problem="unreadable photo")  # no picture, cut short, or damaged in one of many ways


def _too_many(pixels: float) -> str:
    """In words, where a picture has more pixels than Pillow opens; else ""."""
    most = 2 * (Image.MAX_IMAGE_PIXELS or math.inf)
    return f"more than {most / 1e6:.0f} megapixels" if pixels > most else ""


def _from_exif(gps: dict, details: dict) -> _Seen:
    parts = (gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLongitude))
    lat = _degrees(parts[0], gps.get(ExifTags.GPS.GPSLatitudeRef), "NS")
    lon = _degrees(parts[1], gps.get(ExifTags.GPS.GPSLongitudeRef), "EW")
    if (lat, lon) == (0.0, 0.0):
        problem = "GPS position is 0, 0: the receiver had none"
    elif datum := _foreign_datum(gps.get(ExifTags.GPS.GPSMapDatum)):
        problem = f"GPS position is in the datum {datum}: convert it to WGS 84"
    elif not math.isnan(lat + lon):
        problem = "" if geo.is_valid(lat, lon) else f"GPS position lies nowhere on Earth: {lat:g}, {lon:g}"
    elif None in parts or not all(gps.get(ref) for ref in (ExifTags.GPS.GPSLatitudeRef, ExifTags.GPS.GPSLongitudeRef)):
        problem = "no GPS position in its EXIF"
    else:
        problem = "GPS position contradicts itself (sign and letter, or minutes beyond 60)"
    local = details.get(ExifTags.Base.DateTimeOriginal)
    offset = details.get(ExifTags.Base.OffsetTimeOriginal)
    day, clock = gps.get(ExifTags.GPS.GPSDateStamp), gps.get(ExifTags.GPS.GPSTimeStamp)
    taken_at = _utc(local, offset, day, clock, lon)
    lost = taken_at is None and bool(_written(local) and (_written(offset) or clock) or _written(day) and clock)
    return _Seen(lat, lon, taken_at, problem, lost)


def _degrees(parts, reference, letters: str) -> float:
    """Degrees, minutes and seconds with N, S, E or W; NaN if anything is missing, no number, or contradicts the rest.

    Some programs sign the degrees, or all three, and write the letter as well: the sign must then say the same.
    """
    reference = _written(reference).upper()
    if isinstance(parts, str | bytes):  # bytes would be three numbers
        return math.nan
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ArithmeticError):
        return math.nan
    if math.isnan(seconds) and minutes % 1:  # 0/0 where the minutes hold all there is
        seconds = 0.0
    given = [part for part in (degrees, minutes, seconds) if part]
    negative = bool(given) and given[0] < 0
    contradiction = (
        reference not in tuple(letters)
        or negative
        and reference == letters[0]
        or not negative
        and any(part < 0 for part in given)
        or negative
        and len({part < 0 for part in given[1:]}) > 1
        or not abs(minutes) < 60
        or not abs(seconds) <= 60  # 59.9999 is rounded to 60
        or degrees % 1
        and (minutes or seconds)
        or minutes % 1
        and seconds
    )
    if contradiction or not math.isfinite(degrees):
        return math.nan
    size = abs(degrees) + abs(minutes) / 60 + abs(seconds) / 3600
    return size if reference == letters[0] else -size


_OTHER_DATUMS = (  # 80 to 500 metres from WGS 84
    "TOKYO", "NAD27", "NORTHAMERICAN1927", "ED50", "EUROPEAN1950", "OSGB", "PULKOVO", "DHDN", "CH1903", "GCJ02", "BD09",
)  # fmt: skip


def _foreign_datum(value) -> str:
    """The datum of a position, if it is one that lies far from WGS 84; else ""."""
    written = _written(value)
    return written if re.sub(r"[\W_]", "", written).upper().startswith(_OTHER_DATUMS) else ""


def _utc(local, offset, day, clock, lon: float) -> str | None:
    """The moment in UTC from EXIF's local time and offset, or from the receiver's time of day, or None."""
    moment, inside = _moment(local)
    shift = _shift(offset if _written(offset) else inside)
    known = moment - shift if moment and shift is not None else None
    since_midnight = _time_of_day(clock)
    stamped, _ = _moment(f"{_written(day)} 00:00:00") if day else (None, "")
    if stamped and since_midnight is not None:
        near, astray = (known, _FIX_ASTRAY) if known else (moment, _ONE_DAY_ASTRAY)
        received = stamped + since_midnight
        if near is None:
            return _iso(received)
        again = [received + times * _WEEKS_RUN_OVER for times in range(3 if received.year < 2060 else 1)]
        found = next((one for one in again if abs(near - one) <= astray), None)
        return _iso(known or found) if found else None
    if known:
        return _iso(known)
    if since_midnight is None or not moment or np.isnan(lon):
        return None
    # A time of day without a date: of the days around the local date the one whose offset fits the longitude best.
    midnight = moment.replace(hour=0, minute=0, second=0)
    candidates = [midnight + timedelta(days=shift) + since_midnight for shift in (-1, 0, 1)]
    return _iso(min(candidates, key=lambda utc: abs((moment - utc).total_seconds() / 3600 - lon / 15)))


_MOMENT = re.compile(r"(\d{4})[:/-](\d\d?)[:/-](\d\d?)[ T](\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d*)?)? ?(\D.*)?", re.ASCII)
_HALF_OF_DAY = re.compile(r"([ap])\.?m\.?", re.IGNORECASE)  # some phones write the clock of their user
_SHIFT = re.compile(r"(?:UTC|GMT)? ?([+\-−])(\d\d?):?(\d\d)?(?::\d\d)?", re.ASCII)


def _written(value) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
    return text.replace("\0", " ").strip()


def _moment(value) -> tuple[datetime | None, str]:
    """The moment that a text says, and what stands behind it (some write the offset there); none where something else
    stands there."""
    found = _MOMENT.fullmatch(_written(value))
    if not found or not _YEARS[0] <= int(found[1]) <= _YEARS[1]:
        return None, ""
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        behind = found[7] or ""
        if half := _HALF_OF_DAY.fullmatch(behind):
            if not 1 <= hour <= 12:
                return None, ""
            hour, behind = hour % 12 + 12 * (half[1].lower() == "p"), ""
        if behind and _shift(behind) is None:
            return None, ""
        return datetime(year, month, day, hour, minute, second), behind
    except ValueError:
        return None, ""


def _shift(value) -> timedelta | None:
    text = _written(value)
    if text in ("Z", "UTC", "GMT"):
        return timedelta(0)
    found = _SHIFT.fullmatch(text)
    if not found or int(found[2]) > (14 if found[1] == "+" else 12) or int(found[3] or 0) > 59:
        return None
    shift = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return shift if found[1] == "+" else -shift


def _time_of_day(clock) -> timedelta | None:
    try:
        hours, minutes, seconds = (float(part) for part in clock)
    except (TypeError, ValueError, ArithmeticError):
        return None
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 61):
        return None
    return timedelta(hours=hours, minutes=minutes, seconds=int(seconds))


def _iso(utc: datetime) -> str:
    return utc.isoformat(timespec="seconds") + "+00:00"


def _below(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    named = sorted(p for p in folder.rglob("*") if p.suffix.lower() in endings) if folder.is_dir() else []
    found = [path for path in named if path.is_file() or not path.exists()]  # a link to nothing is a row; a pipe hangs
    if not found:
        raise FileNotFoundError(f"photos: {folder} holds no {' or '.join(endings)} file; put yours there")
    return found


@dataclass(frozen=True)
class _Tile:
    path: Path
    crs: "CRS"
    inverse: "Affine"  # affine: from the projection to columns and rows
    size: tuple[int, int]  # columns, rows
    km_per_pixel: float
    middle: tuple[float, float]  # degrees
    as_is: bool  # a picture as it lies there: north up, as far as its projection knows, in 8-bit grey or colours
    written: tuple[int, int]  # bytes, and when, in nanoseconds: what is cut from it is cut anew where the file changed

    def shows(self, x: float, y: float) -> bool:
        """Does the picture itself, not the box around it, hold the point? Longitude may be written in two ways."""
        for turn in (0, 360, -360) if self.crs.is_geographic else (0,):
            column, row = self.inverse @ (x + turn, y)
            if 0 <= column <= self.size[0] and 0 <= row <= self.size[1]:
                return True
        return False


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _tiles(paths: list[Path]) -> list[_Tile]:
    """The tiles that can be read; a warning names the others, and ValueError says that none is left."""
    tiles, broken, placeless = [], [], []
    for path in paths:
        try:
            tiles.append(_outline(path))
        except UnicodeEncodeError:  # a name that is not in UTF-8
            broken.append(schema.printable(path.name))
        except OSError:  # rasterio's as well: empty, cut short, a web page, the shadow file that a Mac leaves
            broken.append(path.name)
        except _NoPlace:
            placeless.append(path.name)
    if placeless:
        said = (
            f"photos: {_few(placeless)} is not georeferenced (it has no projection of the Earth); remove it or add one"
        )
        if not tiles:
            raise ValueError(said)
        warnings.warn(f"{said}: left out", stacklevel=5)
    if not tiles:
        raise ValueError(f"photos: no tile can be read as GeoTIFF: {_few(broken)}; get them again")
    if broken:
        warnings.warn(f"photos: tiles that cannot be read are left out: {_few(broken)}", stacklevel=5)
    return tiles


class _NoPlace(ValueError):
    """A tile that lies nowhere on Earth."""


def _projected(source, target, xs: list[float], ys: list[float]) -> tuple[list[float], list[float]]:
    """Points in another projection; all of them inf where it does not reach, for which rasterio has two ways."""
    from rasterio._err import CPLE_BaseError  # of what GDAL says, rasterio wraps only a part
    from rasterio.warp import transform

    try:
        x, y = transform(source, target, xs, ys)
    except CPLE_BaseError:
        return [math.inf] * len(xs), [math.inf] * len(ys)
    return x, y


def _turns_back(affine: "Affine") -> bool:
    """Can a place be turned into a pixel?"""
    return bool(np.isfinite(affine.determinant) and affine.determinant != 0)


def _outline(path: Path) -> _Tile:
    """Where a tile lies; _NoPlace if nowhere on Earth, OSError if it cannot be read."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.windows import Window

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        tile = rasterio.open(path)
    with tile:
        earthly = tile.crs is not None and (tile.crs.is_geographic or tile.crs.is_projected)  # a site's own plan is not
        if not earthly or tile.transform.is_identity or not _turns_back(tile.transform):
            raise _NoPlace(path)
        for row in (0, tile.height - 1):  # a file that is cut short opens well, but has no last row
            tile.read(1, window=Window(0, row, tile.width, 1))
        across, down = tile.width, tile.height
        corners = [tile.transform @ at for at in ((0, 0), (across, down), (across / 2, down / 2))]
        lon, lat = _projected(tile.crs, "EPSG:4326", *map(list, zip(*corners)))
        if not np.isfinite([*lon, *lat]).all():
            raise _NoPlace(path)
        lon = [(degrees + 180) % 360 - 180 for degrees in lon]
        km_per_pixel = geo.haversine_km(lat[0], lon[0], lat[1], lon[1]) / math.hypot(across, down)
        a, b, _, d, e, _ = tuple(tile.transform)[:6]
        as_is = b == d == 0 and a > 0 > e and _is_picture(tile)
        stat = path.stat()
        written = stat.st_size, stat.st_mtime_ns
        return _Tile(path, tile.crs, ~tile.transform, (across, down), km_per_pixel, (lat[2], lon[2]), as_is, written)


def _is_picture(tile) -> bool:
    """Would a viewer show a tile in its colours? Not other numbers than 8 bits, nor near infrared for transparency, nor
    colours in another order or packed in a way that few programs know."""
    from rasterio.enums import ColorInterp, Compression

    shown = 3 if tile.count > 2 else 1
    beyond = tile.colorinterp[shown:]
    named = shown == 1 or tile.colorinterp[:3] == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    known = (None, Compression.none, Compression.lzw, Compression.deflate, Compression.packbits, Compression.jpeg)
    eight = set(tile.dtypes) == {"uint8"} and tile.compression in known
    return eight and named and set(beyond) <= {ColorInterp.alpha} and len(beyond) < 2


def _shown(source) -> list[int]:
    """The bands to show: red, green and blue where the file names them, else the first three."""
    from rasterio.enums import ColorInterp

    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if set(colours) <= set(source.colorinterp):
        return [source.colorinterp.index(colour) + 1 for colour in colours]
    return list(range(1, min(source.count, 3) + 1))


def _aerial(
    name: str, lat: float, lon: float, tiles: list[_Tile], tile_m: float | None, root: Path
) -> tuple[str, str | None]:
    """("", path of the aerial picture), or (why there is none, None)."""
    tile = _tile_of(lat, lon, tiles)
    if tile is None:
        return "no tile shows its place", None
    if tile_m is None and (problem := _too_many(tile.size[0] * tile.size[1])):
        return f"its tile {tile.path.name} has {problem}: set tile_m to cut a square from it", None
    if tile_m is None and tile.as_is:
        return "", str(tile.path)
    try:
        made = _whole(tile, root) if tile_m is None else _crop(tile, name, lat, lon, tile_m, root)
    except files.FileError:  # it is the folder that cannot be written, for all photos alike
        raise
    except OSError as error:
        return f"its tile {tile.path.name} cannot be read ({str(error)[:60]})", None
    except _NoPicture as error:
        return str(error), None
    return "", str(made)


class _NoPicture(Exception):
    """A tile from which no 8-bit picture can be made here; the message is the row's problem."""


def _tile_of(lat: float, lon: float, tiles: list[_Tile]) -> _Tile | None:
    """The tile that shows the place: the finest, then the one whose middle is nearest; None if none does."""
    showing, here = [], {}
    for tile in tiles:
        if tile.crs not in here:
            (x,), (y,) = _projected("EPSG:4326", tile.crs, [lon], [lat])
            here[tile.crs] = x, y
        if tile.shows(*here[tile.crs]):
            away = geo.haversine_km(lat, lon, *tile.middle)
            showing.append((round(tile.km_per_pixel * 1e6), away, str(tile.path), tile))
    return min(showing)[3] if showing else None


def _cut(tile: _Tile, what: str, root: Path) -> Path:
    """The file in ROOT/crops for what is cut from a tile as it is now; a folder that is moved whole keeps its own."""
    version = files.sha256_json(tile.path.relative_to(root / "tiles").as_posix(), *tile.written)[:8]
    return root / "crops" / _short(f"{what}.{version}.png")


def _whole(tile: _Tile, root: Path) -> Path:
    """The whole tile with its first row in the north, as PNG in ROOT/crops: some are written from south to north.

    One that is turned by an angle has no north-up whole.
    """
    import rasterio

    with rasterio.open(tile.path) as source:
        a, b, _, d, e, _ = tuple(source.transform)[:6]
        if b or d:
            raise _NoPicture("its tile is turned: set tile_m to cut a square with north up")
        out = _cut(tile, tile.path.relative_to(root / "tiles").as_posix(), root)
        if not out.exists():
            pixels = _colours(source, source.read(_shown(source)), tile.path)
            _save(out, pixels[:: 1 if e < 0 else -1, :: 1 if a > 0 else -1])
    return out


def _crop(tile: _Tile, name: str, lat: float, lon: float, side_m: float, root: Path) -> Path:
    """A square of side_m metres around the place, north up, CROP_PX pixels wide, as PNG in ROOT/crops; _NoPicture where
    the tile ends inside the square or has no picture there."""
    import rasterio
    from rasterio.crs import CRS
    from rasterio.transform import from_bounds
    from rasterio.vrt import WarpedVRT

    out = _cut(tile, f"{name}.{lat:.6f},{lon:.6f}.{side_m:.12g}m", root)
    if out.exists():
        return out
    half = side_m / 2
    here = CRS.from_proj4(f"+proj=aeqd +lat_0={lat} +lon_0={lon} +datum=WGS84 +units=m")  # metres east and north
    square = from_bounds(-half, -half, half, half, CROP_PX, CROP_PX)
    with rasterio.open(tile.path) as source:
        x, y = _projected(here, source.crs, [-half, half, half, -half], [-half, -half, half, half])
        if not all(tile.shows(*corner) for corner in zip(x, y)):
            raise _NoPicture("its tile ends inside the square")
        options = {}
        if source.crs.is_geographic:  # longitudes count from the tile's own middle, also across the antimeridian
            middle, _ = source.transform @ (source.width / 2, source.height / 2)
            options["src_crs"] = CRS.from_proj4(f"{source.crs.to_proj4()} +lon_wrap={middle:.6f}")
        with WarpedVRT(source, crs=here, transform=square, width=CROP_PX, height=CROP_PX, **options) as view:
            bands = view.read(_shown(source))
            if (view.dataset_mask() > 0).mean() < HOLDS_DATA:
                raise _NoPicture("its tile ends inside the square")
        pixels = _colours(source, bands, tile.path)
    _save(out, pixels)
    return out


def _colours(source, bands: np.ndarray, path: Path) -> np.ndarray:
    """(rows, columns, 3) of what was read from a tile: palettes looked up, one band as grey."""
    from rasterio.enums import ColorInterp

    if bands.dtype != np.uint8:
        raise _NoPicture(
            f"its tile {path.name} holds {bands.dtype}: write it as 8-bit RGB (gdal_translate -ot Byte -scale)"
        )
    if source.colorinterp[0] == ColorInterp.palette:
        palette = np.zeros((256, 3), np.uint8)
        for number, colour in source.colormap(1).items():
            palette[number] = colour[:3]
        return palette[bands[0]]
    bits = int(source.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
    bands = (bands.astype(int) * 255 // (2**bits - 1)).astype(np.uint8)  # white is 1 of one bit, and 15 of four
    if source.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
        bands = 255 - bands
    return np.moveaxis(bands if len(bands) == 3 else np.repeat(bands[:1], 3, axis=0), 0, -1)


def _save(out: Path, pixels: np.ndarray) -> None:
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    files.write_bytes(out, buffer.getvalue())


def _short(path: str) -> str:
    """The path with a last part that file systems take: a long one keeps its beginning and gets a sum of the whole."""
    folder, slash, name = path.rpartition("/")
    if len(name.encode()) <= NAME_BYTES:
        return path
    kept = name.encode()[: NAME_BYTES - 60].decode(errors="ignore")
    return f"{folder}{slash}{kept}.{hashlib.sha256(path.encode()).hexdigest()[:40]}.png"
