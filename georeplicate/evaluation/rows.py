"""Predictions and truth of any origin, as frames with the same few columns and a report on what was odd.

    predictions    row, id, lat, lon, city, country, state, text, problem, and the file's other columns
    truth          row, id, lat, lon, city, country, and the file's other columns

Degrees are float64, NaN where there is none; texts are "" where there is none. Columns are found by name in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from georeplicate import atlas, coordinates, geo
from georeplicate.evaluation import csvfile, report
from georeplicate.evaluation.report import Report

ID = (
    "id img_id image_id image image_file image_name image_path filename file_name file path img img_path key photo "
    "sourcefile img_name img_file photo_id photo_name photo_path pano_id sample_id question_id uuid filepath fname "
    "image_url"
)
_NAMES = {
    "lat": "lat latitude gps_lat gps_latitude lat_deg latitude_deg latitude_degrees lat_dd decimal_latitude "
    "latitude_decimal location_lat location_latitude latitud breitengrad 纬度 緯度 широта",
    "lon": "lon lng longitude long gps_lon gps_lng gps_longitude lon_deg longitude_deg longitude_degrees lon_dd "
    "decimal_longitude longitude_decimal location_lng location_lon location_longitude longitud längengrad 经度 経度 "
    "經度 долгота",
    "city": "city city_name town ville ciudad cidade stadt 城市 город",
    "country": "country country_name country_code pays país pais 国家 國家 страна",
}
# Columns that hold the hemisphere of a number beside them, as EXIF writes it: the name of its column with one of these
# behind it, or one of their own.
SIDES = "ref direction dir hemisphere hemi"
_SIDES_ALONE = {"lat": "ns n_s", "lon": "ew e_w"}
STATE = "state state_name province province_name admin1"  # of predictions: tells two cities of one name apart
# The model's own words first: "answer" and "text" may be the question's beside them.
TEXT = (
    "prediction response output completion pred guess generated_text raw_response model_response model_output "
    "raw_output model_answer predicted_answer pred_answer model_prediction generation reply predict answer text"
)
# Columns that hold a whole point, read like an answer in words where no column holds a latitude or such an answer ...
POINT = (
    "coordinates coords coordinate latlon latlng lat_lon lat_lng latitude_longitude point geometry wkt gps geom "
    "the_geom"
)
LONLAT = "lonlat lnglat lon_lat lng_lat longitude_latitude"
PLACE = "location place position geo"  # ... and these where none holds a city or country either: they may be names
_PREDICTED = tuple(
    form.format(word, "{}")
    for form in ("{0}_{1}", "{1}_{0}")
    for word in "pred predicted prediction guess guessed est estimate estimated output model hat".split()
)
_TRUE = tuple(
    form.format(word, "{}")
    for form in ("{0}_{1}", "{1}_{0}")
    for word in "true gt truth target actual real ground_truth".split()
)
# No number that is meant as it stands: a negative one, as accountants write it, and a bound ("<48.86", "48.86 <").
_NO_NUMBER = re.compile(
    r"\( ?[\d.,]+ ?\)$|=?\s*(?:[<>≤≥≠⩽⩾]|&[lg]te?;)[=\s]*[-+\u2212]?\s*\d|.*\d\s*(?:[<>≤≥⩽⩾]|&[lg]te?;)\s*=?$"
)
_MISSING = frozenset(("", "nan", "none", "null", "na", "n/a", "#n/a", "-"))

SWAPPED_FAR_KM, SWAPPED_NEAR_KM = 1000.0, 200.0  # a point this far off whose mirror image lies this near


@dataclass(frozen=True)
class Rows:
    """A frame as described above, the report on what was set aside, and the name of its origin."""

    frame: pd.DataFrame
    report: Report
    source: str

    def __len__(self) -> int:
        return len(self.frame)


def read_predictions(path: str | Path) -> Rows:
    """Predictions from a CSV file: an id, and coordinates, city and country, or the model's answer in words; a column
    of whole points ("coordinates", "lon_lat") is read where there is neither a latitude nor an answer in words.

    UTF-8 (byte order mark or not, gzip or not), separated by commas, semicolons, tabs or bars. Columns with "pred" in
    their names are the prediction's; plain lat, lon, city, country are so only where there are no such columns.
    Raises FileNotFoundError, or ValueError in one sentence where the file as a whole cannot be used; broken rows are in
    the report.
    """
    frame, found = csvfile.read(path)
    return predictions_from(frame, Path(path).name, found)


def read_truth(path: str | Path) -> Rows:
    """The truth from a CSV file: an id and coordinates, where known city and country; other columns are kept for
    breakdowns. Formats and errors as in `read_predictions`. Rows without a point on Earth are set aside."""
    frame, found = csvfile.read(path)
    return truth_from(frame, Path(path).name, found)


def read_both(path: str | Path) -> tuple[Rows, Rows]:
    """(predictions, truth) from one CSV file that holds both; what is odd about a row is in the predictions' report.

    ValueError where no column's name says whether it is the prediction's or the truth's; else as `read_predictions`.
    """
    frame, found = csvfile.read(path)
    source = Path(path).name
    marked = [
        form.format(name) for form in (*_PREDICTED, *_TRUE) for role in ("lat", "lon") for name in _NAMES[role].split()
    ]
    if _column(frame, marked) is None:
        raise ValueError(
            f"{path}: no true places beside the predicted ones; name the columns true_lat, true_lon and pred_lat, "
            "pred_lon, or give the truth's CSV file with --truth"
        )
    given, true = predictions_from(frame, source, found), truth_from(frame, source)
    again = true.report.rows.merge(given.report.rows.drop_duplicates(), how="left", indicator=True)._merge == "both"
    once = report.Report(true.report.rows[~again.to_numpy()].reset_index(drop=True), true.report.notes)
    return given, Rows(true.frame, once, source)


def predictions_from(frame: pd.DataFrame, source: str = "predictions", found: Report | None = None) -> Rows:
    """As `read_predictions`, from a DataFrame; its rows are numbered as if a header stood above them."""
    roles = {}
    for role, names in _NAMES.items():
        roles[role] = _column(frame, [form.format(name) for form in _PREDICTED for name in names.split()])
    points = None if roles["lat"] or roles["lon"] else _of_points(frame, _PREDICTED, f"{POINT} {PLACE}")
    marked = any(roles.values()) or points is not None
    if not marked:
        roles = {role: _column(frame, names.split()) for role, names in _NAMES.items()}
    forms = _PREDICTED if marked else ("{}",)
    roles["state"] = _column(frame, [form.format(name) for form in forms for name in STATE.split()])
    if not (roles["city"] or roles["country"]):
        roles["state"] = None
    roles["text"] = _column(frame, TEXT.split())
    if not (marked or roles["text"] or roles["lat"] or roles["lon"]):
        points = _of_points(frame, ("{}",), POINT if any(roles.values()) else f"{POINT} {PLACE}")
    if points is not None and not roles["text"]:
        roles["text"] = str(points.name)
        frame = frame.assign(**{str(points.name): points})
    if not (roles["text"] or roles["country"] or roles["city"] or (roles["lat"] and roles["lon"])):
        raise ValueError(
            f"{source}: no column holds an answer; it needs lat and lon, city and country, or text, and has "
            f"{_listed(frame)}"
        )
    out, given = _canonical(frame, roles, source)
    lat, lon, why = _degrees(out.pop("lat"), out.pop("lon"))
    out["lat"], out["lon"], out["problem"] = lat, lon, why
    kept, doubled = _once(out, source)
    return Rows(kept, (Report() if found is None else found) + given + doubled, source)


def truth_from(frame: pd.DataFrame, source: str = "truth", found: Report | None = None) -> Rows:
    """As `read_truth`, from a DataFrame."""
    roles = {}
    for role, names in _NAMES.items():
        marked = [form.format(name) for form in _TRUE for name in names.split()]
        roles[role] = _column(frame, marked) or _column(frame, names.split())
    for role in ("lat", "lon"):
        if not roles[role]:
            raise ValueError(
                f"{source}: no column for the {'latitude' if role == 'lat' else 'longitude'}; rename one of "
                f"{_listed(frame)} to {role}"
            )
    out, given = _canonical(frame, roles, source)
    lat, lon, why = _degrees(out.pop("lat"), out.pop("lon"))
    out["lat"], out["lon"] = lat, lon
    bad = np.isnan(lat)
    why[bad & (why == "")] = "no coordinates"
    said = report.about(source, out.row[bad], out.id[bad], why[bad], "set aside")
    kept, doubled = _once(out[~bad] if bad.any() else out, source)
    return Rows(kept.reset_index(drop=True), (Report() if found is None else found) + given + said + doubled, source)


# --- columns ---------------------------------------------------------------------------------------------------------


def plain(name: object) -> str:
    """A column name without case and punctuation, as columns are compared."""
    return re.sub(r"[\W_]", "", str(name).casefold())


def _column(frame: pd.DataFrame, names: Iterable[str]) -> str | None:
    """The frame's column that bears the first of these names that any bears, whatever the case and the punctuation."""
    here: dict[str, str] = {}
    for column in frame.columns:
        here.setdefault(plain(column), column)
    return next((here[plain(name)] for name in names if plain(name) in here), None)


def _of_points(frame: pd.DataFrame, forms: Sequence[str], names: str) -> pd.Series | None:
    """The first column of whole points that bears one of the names, or one of LONLAT, in one of these forms; of the
    latter every cell says so."""
    if column := _column(frame, [form.format(name) for form in forms for name in LONLAT.split()]):
        cells = _texts(frame[column])
        return pd.Series(["" if cell.casefold() in _MISSING else f"lon, lat: {cell}" for cell in cells], name=column)
    column = _column(frame, [form.format(name) for form in forms for name in names.split()])
    return None if column is None else pd.Series(_texts(frame[column]), name=column)


def _listed(frame: pd.DataFrame) -> str:
    names = [str(name)[:40] for name in frame.columns if name != csvfile.ROW]
    return ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")


def _canonical(frame: pd.DataFrame, roles: dict[str, str | None], source: str) -> tuple[pd.DataFrame, Report]:
    """The frame with the roles' columns first, under the roles' names, and a report on rows without an id."""
    ids = _column(frame, ID.split())
    if ids is None:
        raise ValueError(
            f"{source}: no column for the id; rename one of {_listed(frame)} to id (or {', '.join(ID.split()[1:4])})"
        )
    if not len(frame):
        raise ValueError(f"{source} has a header and no rows; it needs one for each image")
    row = np.asarray(frame[csvfile.ROW], np.int64) if csvfile.ROW in frame else np.arange(2, len(frame) + 2)
    out = {"row": row, "id": _texts(frame[ids])}
    for role, column in roles.items():
        number = role in ("lat", "lon")
        if column is None:
            out[role] = np.full(len(frame), np.nan) if number else np.full(len(frame), "", object)
        else:
            out[role] = _with_sides(frame, role, column) if number else _texts(frame[column])
    used = {ids, csvfile.ROW, *filter(None, roles.values())}
    others = {name: frame[name].to_numpy() for name in frame.columns if name not in used and name not in out}
    table = framed(out | others)
    nameless = ~out["id"].astype(bool)
    said = report.about(source, table.row[nameless], table.id[nameless], "no id", "set aside")
    return (table[~nameless].reset_index(drop=True) if nameless.any() else table), said


def _with_sides(frame: pd.DataFrame, role: str, column: str) -> NDArray:
    """(N,) the numbers of a column, each with the letter of the column that holds its hemisphere, if there is one.

    A number with the sign that the letter says, or with a hemisphere of its own, stays as it is."""
    alone = _SIDES_ALONE[role] if plain(column) in map(plain, _NAMES[role].split()) else ""
    beside = _column(frame, [f"{column}_{side}" for side in SIDES.split()] + alone.split())
    if beside is None:
        return frame[column].to_numpy()
    values = zip(_texts(frame[column]), _texts(frame[beside]), strict=True)
    return np.array([_with_side(number, side, role) for number, side in values], object)


def _with_side(number: str, side: str, role: str) -> str:
    agrees = number.startswith(("-", "−")) and side[:1].upper() in ("S", "W") and coordinates.axis_of(side) == role
    return number if agrees or not number or not side or coordinates.names_hemisphere(number) else f"{number} {side}"


def _texts(column: pd.Series) -> NDArray:
    """(N,) str; "" for what is missing; the apostrophe before a formula's sign is taken off."""
    if pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")  # ids such as 1234.0 that pandas made of 1234
    values = column.to_numpy(object)
    if set(map(type, values)) - {str}:
        values = [one if type(one) is str else "" if pd.isna(one) else str(one) for one in values]
    if re.search(r"[\s']", "".join(values)):
        values = [csvfile.unescape(one.strip()) for one in values]
    return np.array(values, object)


def framed(columns: Mapping[str, NDArray], index: pd.Index | None = None) -> pd.DataFrame:
    """A DataFrame of arrays whose text stays Python's, without a copy into pandas' own kind of text."""
    kept = {
        name: pd.Series(part, index=index, dtype=object) if part.dtype.kind == "O" else part
        for name, part in columns.items()
    }
    return pd.DataFrame(kept, index=index, copy=False)


def _once(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, Report]:
    again = frame.id.duplicated().to_numpy()
    if not again.any():
        return frame, Report()
    first = frame[~again].drop_duplicates("id").set_index("id").row
    extra = frame[again]
    why = [f"id given before: row {first[one]} is used" for one in extra.id]
    return frame[~again].reset_index(drop=True), report.about(source, extra.row, extra.id, why, "set aside")


# --- numbers ---------------------------------------------------------------------------------------------------------


def _degrees(lats: ArrayLike, lons: ArrayLike) -> tuple[NDArray, NDArray, NDArray]:
    """(lat, lon, why): degrees, NaN where not given or not usable, and why not ("" where given or simply missing).

    Plain numbers, and whatever `coordinates.read_pair` reads: decimal commas, minutes and seconds, hemispheres.
    """
    numbers, texts = [], []
    for given in (lats, lons):
        values = pd.Series(np.asarray(given))
        numbers.append(pd.to_numeric(values, errors="coerce").to_numpy(float).copy())
        texts.append(values)
    lat, lon = numbers
    why = np.full(len(lat), "", object)
    empty = [(values.isna() | (values == "")).to_numpy(bool) for values in texts]
    for i in np.flatnonzero(~geo.is_valid(lat, lon) & ~(empty[0] & empty[1])):
        said = ["" if pd.isna(one[i]) else str(one[i]).strip() for one in texts]
        missing = [one.casefold() in _MISSING for one in said]
        if all(missing):
            lat[i] = lon[i] = np.nan
            continue
        if any(missing):
            why[i] = f"only a {'longitude' if missing[0] else 'latitude'}: {said[0] or said[1]}"
        elif np.isfinite(lat[i]) and np.isfinite(lon[i]):
            swapped = 90 < abs(lat[i]) <= 180 and abs(lon[i]) <= 90
            kind = "latitude and longitude look swapped" if swapped else "no point on Earth"
            why[i] = f"{kind}: {lat[i]:g}, {lon[i]:g}"
        else:
            read = coordinates.read_pair(*(one[:60] for one in said))
            if not (isinstance(read, coordinates.Unusable) or any(map(_NO_NUMBER.match, said))):
                lat[i], lon[i] = read
                continue
            kinds = {"swapped": "latitude and longitude look swapped", "out_of_range": "no point on Earth"}
            kind = kinds.get(getattr(read, "reason", ""), "coordinates are not numbers")
            why[i] = f"{kind}: {said[0][:30]}, {said[1][:30]}"
        lat[i] = lon[i] = np.nan
    return lat, lon, why


def looks_swapped(lat: ArrayLike, lon: ArrayLike, near_lat: ArrayLike, near_lon: ArrayLike) -> NDArray[np.bool_]:
    """(N,) True where a point lies far (1000 km) from where it should, and its mirror image (lon, lat) near (200 km).

    All in degrees; NaN anywhere is False. By accident about one point in four thousand looks so.
    """
    lat, lon, near_lat, near_lon = (np.asarray(a, float) for a in (lat, lon, near_lat, near_lon))
    swapped = np.zeros(lat.shape, bool)
    known = np.flatnonzero(~np.isnan(lat + lon + near_lat + near_lon) & (np.abs(lon) <= 90))
    far = geo.haversine_km(lat[known], lon[known], near_lat[known], near_lon[known]) > SWAPPED_FAR_KM
    known = known[far]
    if known.size:
        swapped[known] = geo.haversine_km(lon[known], lat[known], near_lat[known], near_lon[known]) < SWAPPED_NEAR_KM
    return swapped


def looks_radian(lat: ArrayLike, lon: ArrayLike, near_lat: ArrayLike, near_lon: ArrayLike) -> NDArray[np.bool_]:
    """(N,) True where a point lies far (1000 km) from where it should, and near (200 km) once it is taken for radians.

    All but the point in degrees; NaN anywhere is False.
    """
    lat, lon, near_lat, near_lon = (np.asarray(a, float) for a in (lat, lon, near_lat, near_lon))
    radian = np.zeros(lat.shape, bool)
    known = np.flatnonzero((np.abs(lat) <= np.pi / 2) & (np.abs(lon) <= np.pi) & ~np.isnan(near_lat + near_lon))
    far = geo.haversine_km(lat[known], lon[known], near_lat[known], near_lon[known]) > SWAPPED_FAR_KM
    known = known[far]
    if known.size:
        turned = np.degrees(lat[known]), np.degrees(lon[known])
        radian[known] = geo.haversine_km(*turned, near_lat[known], near_lon[known]) < SWAPPED_NEAR_KM
    return radian


def swapped_by_name(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """(N,) True where the named city of a truth row lies where its coordinates would be if they changed places."""
    at: dict[tuple[str, str], tuple[float, float]] = {}
    for pair in zip(frame.city, frame.country, strict=True):
        if pair not in at:
            at[pair] = (atlas.geocode(*pair) if pair[0] else None) or (np.nan, np.nan)
    named = np.array([at[pair] for pair in zip(frame.city, frame.country, strict=True)], float).reshape(-1, 2)
    return looks_swapped(frame.lat, frame.lon, named[:, 0], named[:, 1])
