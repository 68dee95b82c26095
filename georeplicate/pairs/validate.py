"""Look at every row and every picture of a source before it is trusted: what to set aside, and why.

    georeplicate data cv-cities --check --out results/data/cv-cities

writes `set_aside.csv` (split, id, reason, detail, also, panorama, aerial; one line for each offending row) and
`report.csv` (split, outcome, rows). In every split the rows kept and the rows set aside add up to the rows listed. What
is listed in the first file is left out by `pairs.load(..., set_aside=path)`.

Looked for, in this order, so that a row is counted under the first reason and names the others in `also`:

    what its loader found      no file, a torn line, no point on Earth, an id twice
    unreadable picture         it cannot be opened, or ends too soon
    wrong aspect               a panorama that is not as wide as the source's are, an aerial tile that is not square
    swapped                    the place lies in its city once latitude and longitude change places
    outside its city           farther than CITY_KM from the city's middle
    leakage                    its picture, or its place within leak_km, stands in an earlier split
    duplicate                  its picture stands under an earlier row of the same split

The first to come, in the order of the splits and of the rows, is the one that is kept. Pictures that are one file
shared by several rows (VIGOR's tiles) are no duplicates. Sources whose splits share their cities on purpose (VIGOR's
same-area, CVUSA) lose many test rows to leakage: leak_km=0 leaves places alone and looks at pictures only.

Looking at half a million pictures takes hours; what was seen is kept in `pictures.jsonl` in the same folder, so that a
run that was killed goes on, and a picture that changed is looked at again.
"""

import json
import math
import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from numbers import Real
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from georeplicate import atlas, files, geo, pairs
from georeplicate.pairs import schema

CITY_KM = 75.0  # from the middle of the largest cities to the end of their suburbs
RATIO_TOLERANCE = 0.02
SAME_BITS = 3  # of the 64 of a perceptual hash: a picture saved again differs in none or few
SAME_GREY = 6.0  # mean difference of two 16 x 16 thumbnails, of 255; hashes of different pictures can agree by accident
_CHUNK = 256
_VIEWS = ("panorama", "aerial")


@dataclass(frozen=True)
class Report:
    """rows: every listed row with split, reason ("" if kept), detail, also. counts: split, outcome, rows."""

    source: str
    rows: pd.DataFrame

    @property
    def set_aside(self) -> pd.DataFrame:
        columns = ["split", "id", "reason", "detail", "also", *_VIEWS]
        return self.rows.loc[self.rows.reason != "", columns].reset_index(drop=True)

    @property
    def counts(self) -> pd.DataFrame:
        lines = []
        for split, rows in self.rows.groupby("split", sort=False):
            lines += [(split, "listed", len(rows)), (split, "kept", int((rows.reason == "").sum()))]
            lines += [(split, why, int(n)) for why, n in rows.reason[rows.reason != ""].value_counts().items()]
        return pd.DataFrame(lines, columns=["split", "outcome", "rows"])

    def write(self, out: Path) -> None:
        files.write_csv(out / "report.csv", self.counts)
        files.write_csv(out / "set_aside.csv", self.set_aside)


def check(
    source: str,
    root: str | Path,
    out: str | Path,
    *,
    splits: tuple[str, ...] | None = None,
    leak_km: float = pairs.SAME_PLACE_KM,
    workers: int = 1,
    progress: bool = True,
    **options,
) -> Report:
    """Validate the splits of a source (all of them unless named), write the two files into `out`, return the Report.

    leak_km   a row this close to a row of an earlier split leaks; 0 turns that off
    workers   processes that look at pictures
    options   as for pairs.load
    A split whose files are not on this disk is an error: name those that are.
    """
    if source not in pairs.ON_DISK:
        raise ValueError(f"validate: {source!r} is no source on disk; choose from {', '.join(pairs.ON_DISK)}")
    numbers = isinstance(workers, int) and isinstance(leak_km, Real)
    if not numbers or workers < 1 or not 0 <= leak_km < math.inf:
        raise ValueError(f"validate: workers from 1 and leak_km from 0 are needed, got {workers!r} and {leak_km!r}")
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"validate: {out} cannot be made a folder for the report ({error.strerror}); name another"
        ) from None
    splits = tuple(dict.fromkeys(pairs.ON_DISK[source].SPLITS if splits is None else splits))  # each once
    if not splits:
        raise ValueError(
            f"validate: there is no split to look at; {source} has {', '.join(pairs.ON_DISK[source].SPLITS)}"
        )
    frames = [pairs.read(source, split, root, **options).assign(split=split) for split in splits]
    rows = pd.concat(frames, ignore_index=True)
    paths = sorted({path for view in _VIEWS for path in rows[view].dropna()})
    seen = _looked_at(paths, Path(out) / "pictures.jsonl", workers, progress)
    reasons: list[list[tuple[str, str]]] = [[(problem, "")] if problem else [] for problem in rows.problem]
    _pictures(rows, seen, pairs.ON_DISK[source].PANORAMA_RATIO, reasons)
    _places(rows, reasons)
    _leaks_and_duplicates(rows, seen, leak_km, reasons)
    rows["reason"] = [found[0][0] if found else "" for found in reasons]
    rows["detail"] = [found[0][1] if found else "" for found in reasons]
    rows["also"] = ["; ".join(" ".join(filter(None, other)) for other in found[1:]) for found in reasons]
    report = Report(source, rows)
    report.write(Path(out))
    return report


# --- pictures --------------------------------------------------------------------------------------------------------


def _looked_at(paths: list[str], cache: Path, workers: int, progress: bool) -> dict[str, dict]:
    """What `_look` says of each path; read from the cache where the file is unchanged, appended to it otherwise."""
    known: dict[tuple, dict] = {}
    if cache.is_dir():
        raise ValueError(
            f"validate: {cache} is a folder, and what was seen of the pictures belongs there; move it away"
        )
    if cache.exists():
        for line in cache.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):  # the last line of a run that was killed
                continue
            if _is_entry(entry):  # a picture whose line is damaged is looked at again
                known[entry["path"], entry["size"], entry["mtime_ns"]] = entry
    stamps = {path: (path, (stat := os.stat(path)).st_size, stat.st_mtime_ns) for path in paths}
    todo = [stamp for stamp in stamps.values() if stamp not in known]
    cache.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) if workers > 1 else nullcontext() as pool, open(cache, "ab") as file:
        if file.tell() and not cache.read_bytes().endswith(b"\n"):
            file.write(b"\n")
        bar = tqdm(total=len(todo), desc="pictures", unit="picture", disable=not progress)
        for chunk in (pool.map if pool else map)(_look_at_all, _chunks(todo)):
            file.write("".join(json.dumps(entry) + "\n" for entry in chunk).encode())
            file.flush()
            known |= {(entry["path"], entry["size"], entry["mtime_ns"]): entry for entry in chunk}
            bar.update(len(chunk))
        bar.close()
    return {path: known[stamp] for path, stamp in stamps.items()}


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        return False
    if not all(isinstance(entry.get(name), int) for name in ("size", "mtime_ns")):
        return False
    seen = all(isinstance(entry.get(name), int) and entry[name] > 0 for name in ("width", "height"))
    sums = (("hash", 16), ("grey", 512))
    seen = seen and all(re.fullmatch(f"[0-9a-f]{{{n}}}", str(entry.get(name))) for name, n in sums)
    return seen or isinstance(entry.get("error"), str)


def _chunks(items: list) -> Iterator[list]:
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _look_at_all(stamps: list[tuple]) -> list[dict]:
    return [{"path": path, "size": size, "mtime_ns": mtime_ns} | _look(path) for path, size, mtime_ns in stamps]


def _look(path: str) -> dict:
    """{width, height, hash (16 hex digits), grey (16 x 16 bytes, hex)}, or {error} where the picture is not whole.

    The whole file is decoded; a JPEG at an eighth of its size, which is eight times quicker and notices as well that
    the end is missing.
    """
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            picture.getexif()  # as the library does that turns pictures upright
            picture.draft("L", (256, 256))
            small = picture.convert("L").resize((128, 128), Image.Resampling.BOX)
    except schema.UNSHOWN as error:
        return {"error": f"{type(error).__name__}: {str(error).replace(path, Path(path).name)}"}
    grey = np.asarray(small.resize((16, 16), Image.Resampling.BOX))
    return {"width": width, "height": height, "hash": str(imagehash.phash(small)), "grey": grey.tobytes().hex()}


def _pictures(rows: pd.DataFrame, seen: dict, ratio: float | None, reasons: list) -> None:
    for view, expected in (("panorama", ratio), ("aerial", 1.0)):
        for i, path in enumerate(rows[view]):
            if path is None:
                continue
            look = seen[path]
            if "error" in look:
                reasons[i].append((f"unreadable {view}", look["error"]))
            elif expected and abs(look["width"] / look["height"] / expected - 1) > RATIO_TOLERANCE:
                wanted = f"{expected:.3g} times as wide as high"
                reasons[i].append((f"wrong aspect of {view}", f"{look['width']} x {look['height']}; expected {wanted}"))


# --- places ----------------------------------------------------------------------------------------------------------


def _places(rows: pd.DataFrame, reasons: list) -> None:
    """Rows far from the middle of their city; the middle is the atlas's or, of a city it does not know, the median of
    the rows. Places without a city are left alone."""
    valid = geo.is_valid(rows.lat, rows.lon)
    named = rows.city.notna() & valid
    for (city, country), group in rows[named].groupby(["city", "country"], dropna=False):
        known = atlas.geocode(city, country if isinstance(country, str) else None)
        middle = known or (group.lat.median(), group.lon.median())
        km = geo.haversine_km(group.lat.to_numpy(), group.lon.to_numpy(), *middle)
        for i, distance in zip(group.index[km > CITY_KM], km[km > CITY_KM]):
            lat, lon = rows.lat[i], rows.lon[i]
            swapped = bool(geo.is_valid(lon, lat)) and geo.haversine_km(lon, lat, *middle) <= CITY_KM
            if swapped:
                reasons[i].append(("latitude and longitude swapped", f"{lat:g}, {lon:g} is {city} the other way round"))
            else:
                reasons[i].append(("outside its city", f"{distance:.0f} km from the middle of {city}"))


# --- the same thing twice --------------------------------------------------------------------------------------------


def _leaks_and_duplicates(rows: pd.DataFrame, seen: dict, leak_km: float, reasons: list) -> None:
    """Compare each row that is sound so far with those before it, leaks first."""
    sound = np.flatnonzero([not found for found in reasons])
    split = rows.split.to_numpy()
    if leak_km > 0:
        _near_earlier_splits(rows, sound, leak_km, reasons)
    for view in _VIEWS:
        for i, first in _earlier_twins(rows[view].to_numpy(), sound, seen):
            where = f"{view} as {rows.id[first]}"
            if split[i] == split[first]:
                reasons[i].append((f"duplicate {view}", f"the same {where}"))
            else:
                reasons[i].insert(0, (f"leakage of {view}", f"the same {where} of {split[first]}"))


def _earlier_twins(paths: np.ndarray, sound: np.ndarray, seen: dict) -> list[tuple[int, int]]:
    """(row, first row) where the row's picture is another file that shows what the first row's shows.

    Candidates agree in one of four quarters of the hash (with at most three bits of difference, one quarter must be
    free of them); they are the same if the hashes differ in at most SAME_BITS and the thumbnails hardly.
    """
    first_row: dict[str, int] = {}
    for i in sound:
        if paths[i] is not None:
            first_row.setdefault(paths[i], int(i))
    unique = sorted(first_row.values())
    if not unique:
        return []
    bits = np.array([int(seen[paths[i]]["hash"], 16) for i in unique], np.uint64)
    grey = np.array([np.frombuffer(bytes.fromhex(seen[paths[i]]["grey"]), np.uint8) for i in unique], np.int16)
    original = np.arange(len(unique))
    for quarter in range(4):
        part = (bits >> np.uint64(16 * quarter)) & np.uint64(0xFFFF)
        by = np.argsort(part, kind="stable")
        for group in np.split(by, np.flatnonzero(np.diff(part[by])) + 1):
            for position, j in enumerate(group[1:], 1):
                before = group[:position]
                close = np.bitwise_count(bits[before] ^ bits[j]) <= SAME_BITS
                close[close] = np.abs(grey[before[close]] - grey[j]).mean(axis=1) <= SAME_GREY
                if close.any():
                    original[j] = min(original[j], before[close].min())
    twin_of = {paths[unique[j]]: unique[o] for j, o in enumerate(original) if o != j}
    return [(int(i), twin_of[paths[i]]) for i in sound if paths[i] in twin_of]


def _near_earlier_splits(rows: pd.DataFrame, sound: np.ndarray, leak_km: float, reasons: list) -> None:
    lat, lon, split = rows.lat.to_numpy(), rows.lon.to_numpy(), rows.split.to_numpy()
    placed = sound[geo.is_valid(lat[sound], lon[sound])]
    order = list(dict.fromkeys(split))
    for number, name in enumerate(order[1:], 1):
        mine, before = placed[split[placed] == name], placed[np.isin(split[placed], order[:number])]
        if not len(mine) or not len(before):
            continue
        nearest, km = geo.neighbours(lat[before], lon[before], lat[mine], lon[mine], k=1)
        for i, other, distance in zip(mine, before[nearest[:, 0]], km[:, 0]):
            if distance < leak_km:
                what = f"{distance * 1000:.0f} m from {rows.id[other]} of {split[other]}"
                reasons[i].append(("leakage of place", what))


# --- command ---------------------------------------------------------------------------------------------------------
