"""Your own pictures: a folder of photos that know where they were taken, and a folder of georeferenced aerial tiles.

    ROOT/photos/**/*.jpg     EXIF with GPS latitude and longitude; .png and .webp with EXIF as well
    ROOT/tiles/**/*.tif      GeoTIFF in any projection, such as a mosaic from a mapping agency

Each photo gets the tile that shows its place: of several the one of the finest pixels, then the one whose middle is
nearest. `panorama` is the photo, whatever its angle of view. `aerial` is the whole tile or, with tile_m, a square of so
many metres around the photo, north up, cut from it once and kept in ROOT/crops.

taken_at is in UTC. It comes from the EXIF time and its offset; where a camera wrote no offset but its receiver wrote
the time of day (which is UTC), from both (in Tonga, Samoa and Kiribati, which keep the date of the other side, the day
can then be one too late); otherwise it is None, because the sun stands elsewhere in each time zone.
City and country are those of the nearest place in the atlas. A photo without a place or without a tile is a row with a
problem, not a silent gap.
"""

import re
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import ExifTags, Image

from georeplicate import atlas, files, geo
from georeplicate.pairs import schema

SPLITS = ("all",)
PANORAMA_RATIO = None
PHOTOS, TILES = (".jpg", ".jpeg", ".png", ".webp"), (".tif", ".tiff")
CROP_PX = 512
HOLDS_DATA = 0.5  # share of a square's pixels; not more, as some tiles call their white roofs and sand "no data"
_NEVER = "2000-01-01T00:00:00Z"  # the atlas wants a moment; what is asked of it here does not depend on it


def read(root: Path, split: str, *, tile_m: float | None = None) -> pd.DataFrame:
    """Every photo below ROOT/photos (see schema); FileNotFoundError if there is none.

    tile_m  side of the aerial square in metres; None takes each tile whole
    """
    schema.split_of("photos", split, SPLITS)
    if tile_m is not None and not tile_m > 0:
        raise ValueError(f"photos: tile_m must be above 0 metres, got {tile_m}")
    paths = _below(root / "photos", PHOTOS)
    tiles = [_outline(path) for path in _below(root / "tiles", TILES)]
    rows, problems = [], []
    for path in paths:
        row = {"id": path.relative_to(root / "photos").as_posix(), "panorama": str(path)}
        try:
            lat, lon, taken_at = read_exif(path)
            row |= {"lat": lat, "lon": lon, "taken_at": taken_at}
            problem = "" if not np.isnan(lat + lon) else "no GPS position in its EXIF"
        except (OSError, SyntaxError):  # what Pillow raises for a picture that is none, or is cut short
            problem = "unreadable photo"
        if not problem and (lat, lon) == (0.0, 0.0):
            problem = "GPS position is 0, 0: the receiver had none"
        if not problem and geo.is_valid(lat, lon):
            tile = _tile_of(lat, lon, tiles)
            problem = "" if tile else "no tile shows its place"
            if tile and tile_m is not None:
                tile = _crop(tile, row["id"], lat, lon, tile_m, root)
                problem = "" if tile else "its tile ends inside the square"
            row["aerial"] = tile and str(tile)
        rows.append(row)
        problems.append(problem)
    names = ("id", "lat", "lon", "taken_at", "panorama", "aerial")
    frame = schema.table({name: [row.get(name) for row in rows] for name in names}, problems)
    known = geo.is_valid(frame.lat, frame.lon)
    if known.any():
        facts = atlas.describe(frame.lat[known].to_numpy(), frame.lon[known].to_numpy(), _NEVER)
        frame.loc[known, "city"], frame.loc[known, "country"] = facts.place, facts.country.astype(object)
        frame.loc[known, "area"] = [f"{place}, {code}" for place, code in zip(facts.place, facts.country)]
    return frame


def read_exif(path: Path) -> tuple[float, float, str | None]:
    """(lat, lon, taken_at) of a photo: degrees, NaN where EXIF has none; ISO 8601 in UTC or None.

    OSError if the file is no picture. A reference letter that is missing leaves the position unknown: a sign is half a
    world.
    """
    with Image.open(path) as picture:
        exif = picture.getexif()
        gps, details = exif.get_ifd(ExifTags.IFD.GPSInfo), exif.get_ifd(ExifTags.IFD.Exif)
    lat = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "NS")
    lon = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "EW")
    local = details.get(ExifTags.Base.DateTimeOriginal)
    offset = details.get(ExifTags.Base.OffsetTimeOriginal)
    day, clock = gps.get(ExifTags.GPS.GPSDateStamp), gps.get(ExifTags.GPS.GPSTimeStamp)
    return lat, lon, _utc(local, offset, day, clock, lon)


def _degrees(parts, reference, letters: str) -> float:
    """Degrees, minutes and seconds with N, S, E or W; NaN if anything is missing or no number."""
    reference = reference.decode(errors="replace") if isinstance(reference, bytes) else str(reference or "")
    reference = reference.strip("\0 ").upper()
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return float("nan")
    if reference not in tuple(letters):
        return float("nan")
    return (degrees + minutes / 60 + seconds / 3600) * (1 if reference == letters[0] else -1)


def _utc(local, offset, day, clock, lon: float) -> str | None:
    """The moment in UTC from EXIF's local time and offset, or from the receiver's time of day, or None."""
    moment = _moment(local)
    shift = re.fullmatch(r"([+-])(\d\d):?(\d\d)", str(offset or "").strip("\0 "))
    if moment and shift:
        minutes = int(shift[2]) * 60 + int(shift[3])
        return _iso(moment - timedelta(minutes=minutes if shift[1] == "+" else -minutes))
    try:
        hours, minutes, seconds = (float(part) for part in clock)
        since_midnight = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    stamped = _moment(f"{day} 00:00:00".replace("-", ":")) if day else None
    if stamped:
        return _iso(stamped + since_midnight)
    if not moment or np.isnan(lon):
        return None
    # A time of day without a date: of the days around the local date the one whose offset fits the longitude best.
    midnight = moment.replace(hour=0, minute=0, second=0)
    candidates = [midnight + timedelta(days=shift) + since_midnight for shift in (-1, 0, 1)]
    return _iso(min(candidates, key=lambda utc: abs((moment - utc).total_seconds() / 3600 - lon / 15)))


def _moment(text) -> datetime | None:
    try:
        return datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None


def _iso(utc: datetime) -> str:
    return utc.isoformat(timespec="seconds") + "+00:00"


def _below(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in endings) if folder.is_dir() else []
    if not found:
        raise FileNotFoundError(f"photos: {folder} holds no {' or '.join(endings)} file; put yours there")
    return found


def _outline(path: Path) -> tuple:
    """(path, projection, bounds in it, km a pixel, middle in degrees); ValueError if it has no place."""
    import rasterio
    from rasterio.warp import transform

    with rasterio.open(path) as tile:
        if tile.crs is None:
            raise ValueError(f"photos: {path} is not georeferenced (it has no projection); remove it or add one")
        left, bottom, right, top = tile.bounds
        lon, lat = transform(
            tile.crs, "EPSG:4326", [left, right, (left + right) / 2], [bottom, top, (bottom + top) / 2]
        )
        across_km = geo.haversine_km(lat[0], lon[0], lat[1], lon[1])
        return path, tile.crs, tile.bounds, across_km / float(np.hypot(tile.width, tile.height)), (lat[2], lon[2])


def _tile_of(lat: float, lon: float, tiles: list[tuple]) -> Path | None:
    """The tile that shows the place: the finest, then the one whose middle is nearest; None if none does."""
    from rasterio.warp import transform

    showing, here = [], {}
    for path, crs, bounds, km_per_pixel, middle in tiles:
        if crs not in here:
            here[crs] = transform("EPSG:4326", crs, [lon], [lat])
        (x,), (y,) = here[crs]
        if bounds.left <= x <= bounds.right and bounds.bottom <= y <= bounds.top:
            showing.append((round(km_per_pixel * 1e6), geo.haversine_km(lat, lon, *middle), path))
    return min(showing)[2] if showing else None


def _crop(tile: Path, name: str, lat: float, lon: float, side_m: float, root: Path) -> Path | None:
    """A square of side_m metres around the place, north up, CROP_PX pixels wide, as PNG in ROOT/crops; None where the
    tile ends inside the square or has no picture there."""
    import rasterio
    from rasterio.crs import CRS
    from rasterio.transform import from_bounds
    from rasterio.vrt import WarpedVRT
    from rasterio.warp import transform

    out = root / "crops" / f"{name}.{lat:.6f},{lon:.6f}.{side_m:g}m.png"
    if out.exists():
        return out
    half = side_m / 2
    here = CRS.from_proj4(f"+proj=aeqd +lat_0={lat} +lon_0={lon} +datum=WGS84 +units=m")  # metres east and north
    square = from_bounds(-half, -half, half, half, CROP_PX, CROP_PX)
    with rasterio.open(tile) as source:
        x, y = transform(here, source.crs, [-half, half, half, -half], [-half, -half, half, half])
        left, bottom, right, top = source.bounds
        if min(x) < left or max(x) > right or min(y) < bottom or max(y) > top:
            return None
        with WarpedVRT(source, crs=here, transform=square, width=CROP_PX, height=CROP_PX) as view:
            bands = view.read(list(range(1, min(view.count, 3) + 1)))
            if (view.dataset_mask() > 0).mean() < HOLDS_DATA:
                return None
    if bands.dtype != np.uint8:
        raise ValueError(
            f"photos: {tile} holds {bands.dtype}; write it as 8-bit RGB first (gdal_translate -ot Byte -scale)"
        )
    pixels = np.moveaxis(bands if len(bands) == 3 else np.repeat(bands[:1], 3, axis=0), 0, -1)
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return files.write_bytes(out, buffer.getvalue())
