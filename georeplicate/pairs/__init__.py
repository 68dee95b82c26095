"""Cross-view pairs of any source behind one schema, and the question that the reward is about.

    rows = pairs.load("world", "test")                       # one row a place: a ground panorama and its aerial tile
    rows = pairs.load("cv-cities", "test", root="data/cv-cities")          # the same from photographs on disk
    questions = pairs.questions(rows, k=5, negatives="region", seed=0)
    pairs.images(rows, questions[0])                          # [panorama, tile A, ..., tile E]

A row is {id, lat, lon (degrees), taken_at (ISO-8601 or None), city, country (ISO 3166 alpha-2), area, panorama,
aerial}; None where a source does not know. `area` names the neighbourhood that hard negatives are drawn from.

    schema       the columns, and what all loaders share
    world        the embedded synthetic world; nothing to download
    cvcities, cvusa, cvact, vigor, university1652, cvglobal      one published data set each, from its own layout
    photos       your own geotagged photos and georeferenced tiles
    negatives    which wrong answers are hard: near, and of the same season and time of day
    hardness     how hard they are
    validate     counts, duplicates, broken pictures, misplaced rows, leakage: what to set aside, and why
    download     make data SOURCE=...

What the paper does not publish and we had to choose: k = 5 candidates (its base model scores 19.0 % and is called
nearly random; an inference), the order of the images (panorama first, then candidates in the order of their
letters), and the wording (see prompts.py).
"""

import csv
import inspect
import json
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from string import ascii_uppercase
from zlib import crc32

import numpy as np
from datasets import Dataset

from georeplicate import files, geo
from georeplicate.pairs import cvact, cvcities, cvglobal, cvusa, photos, schema, university1652, vigor, world  # noqa: F401
from georeplicate.pairs import negatives as hard
from georeplicate.profiles import NEGATIVES
from georeplicate.registry import Registry

SAME_PLACE_KM = 0.1  # closer than this, two tiles may show the same street: never offered as a wrong answer
SHUFFLED_WHOLE = 4096  # rows of a pool, to draw a handful from it
ON_DISK = Registry(
    "source",
    {
        "cv-cities": "georeplicate.pairs.cvcities",
        "cvusa": "georeplicate.pairs.cvusa",
        "cvact": "georeplicate.pairs.cvact",
        "vigor": "georeplicate.pairs.vigor",
        "university-1652": "georeplicate.pairs.university1652",
        "cvglobal": "georeplicate.pairs.cvglobal",
        "photos": "georeplicate.pairs.photos",
    },
)


def load(
    source: str,
    split: str,
    root: str | Path | None = None,
    *,
    set_aside: str | Path | None = None,
    check: bool = False,
    **options,
) -> Dataset:
    """The pairs of a source and split, in the schema above. Pictures are opened when a row is asked for.

    root       folder of the source's files; "world" has none
    set_aside  CSV written by pairs.validate: rows of this split whose id it lists are left out
    check      look at every picture first and leave out rows with one that cannot be shown; else such a row is an
               error when it is asked for
    options    those of the source's own module: pairs.world.load, or `read` of the others (vigor: setting;
               university-1652: ground; photos: tile_m)

    Rows that the source lists but that cannot be used (a picture is missing, a place is no place) are left out with one
    warning that counts them. Raises ValueError for a source, split or option that does not exist, FileNotFoundError
    where the source's files are not.
    """
    if source != "world" and source not in ON_DISK:
        raise ValueError(f"unknown source {source!r}: choose one of world, {', '.join(ON_DISK)}")
    if source == "world":
        if root is not None or set_aside is not None:
            raise ValueError(
                "pairs: the world lies on no disk and has nothing to set aside: leave root and set_aside out"
            )
        _check_options(source, world.load, options)
        return world.load(split, **options)
    frame = read(source, split, root, **options)
    if set_aside is not None:
        left_out = _listed(Path(set_aside), split)
        if strange := sorted(left_out - set(frame.id)):
            warnings.warn(
                f"{source} {split}: {set_aside} sets aside {len(strange)} rows that are not there, such as "
                f"{strange[0]!r}: was it written for this folder, and its ids left as they were?",
                stacklevel=2,
            )
        frame = frame[~frame.id.isin(left_out)]
    if check:
        frame = frame.copy()
        schema.note_broken(frame)
    return schema.dataset(frame, source, split)


def read(source: str, split: str, root: str | Path | None, **options):
    """Every row that a source on disk lists, as a DataFrame with paths and a column `problem` (see schema)."""
    if source not in ON_DISK:
        raise ValueError(f"pairs: {source!r} is no source on disk; choose from {', '.join(ON_DISK)}")
    if root is None:
        raise ValueError(f"pairs: {source} needs root=, the folder of its files; `make data SOURCE={source}` gets them")
    _check_options(source, ON_DISK[source].read, options)
    return ON_DISK[source].read(Path(root), split, **options)


def _check_options(source: str, function: Callable, options: dict) -> None:
    known = [name for name, of in inspect.signature(function).parameters.items() if of.kind is of.KEYWORD_ONLY]
    if unknown := sorted(set(options) - set(known)):
        there = f"it has {', '.join(known)}" if known else "it has none"
        raise ValueError(f"pairs: {source} has no option {', '.join(unknown)}; {there}")


def _listed(path: Path, split: str) -> set[str]:
    """Ids of this split in a list of rows to set aside, as validate writes it or a spreadsheet saves it again."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(schema.not_utf8("pairs", path, error)) from None
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    try:
        lines = list(csv.DictReader(text.splitlines(keepends=True), delimiter=separator))
    except csv.Error as error:
        raise ValueError(f"pairs: {path} is no CSV ({error}); write it again with pairs.validate") from None
    missing = {"split", "id"} - {name.strip() for name in next(csv.reader([head], delimiter=separator), [])}
    if missing:
        raise ValueError(
            f"pairs: {path} lists no rows to set aside: it has no column {' and no column '.join(sorted(missing))}; "
            "pairs.validate writes such a list"
        )
    lines = [{(name or "").strip(): value for name, value in line.items()} for line in lines]
    return {(line["id"] or "").strip() for line in lines if (line["split"] or "").strip() == split} - {""}


def questions(
    rows: Dataset, k: int = 5, *, negatives: str = "region", seed: int = 0, min_km: float = SAME_PLACE_KM
) -> Dataset:
    """One pairing question a row: which of k aerial tiles belongs to this panorama?

    negatives  "region": k - 1 others of the same `area`; "near": the k - 1 nearest rows on the sphere;
               "neighbourhood": the nearest among those of the same season and time of day, where both rows have a
               timestamp; "random": any others; "graded": from neighbours to strangers, the j-th sampled at random
               among the n ** (j / (k - 1)) nearest of the n others
    min_km     never offer a tile closer than this to the true place
    Never offered either: the own tile under another row's name (several panoramas may share a tile), nor a tile twice.
    Each question depends on (seed, row id) and on which rows there are, not on their order. Chance is 1/k, and
    letters are uniform.

    Returns rows {id, letter (the right one), candidates (k row numbers in letter order), candidate_ids, distances_km
    (of each candidate; NaN where a source has no coordinates)}. Raises ValueError where k or negatives make no sense,
    or a place has too few neighbours to make a question (it names the place).
    """
    if not (_is_whole(k) and 2 <= k <= len(ascii_uppercase)):
        raise ValueError(f"questions: k={k!r}; expected 2 to {len(ascii_uppercase)} candidates, one letter each")
    if not (_is_whole(seed) and seed >= 0):
        raise ValueError(f"questions: seed={seed!r}; expected a whole number from 0")
    if not isinstance(min_km, Real) or np.isnan(float(min_km)):
        raise ValueError(f"questions: min_km={min_km!r}; expected a number of kilometres")
    if negatives not in NEGATIVES:
        raise ValueError(f"questions: negatives={negatives!r}; choose from {', '.join(NEGATIVES)}")
    ids, areas = rows["id"][:], np.array(rows["area"][:])
    if len(set(ids)) != len(ids):
        raise ValueError("questions: two rows share an id; ids must be unique, they seed the shuffling")
    lat, lon = np.array(rows["lat"][:], float), np.array(rows["lon"][:], float)
    tile = _tiles(rows)
    by_id = np.argsort(np.array(ids))  # the pools below are in id order, so that shuffling the rows changes no question
    pools = {area: by_id[areas[by_id] == area] for area in dict.fromkeys(areas)} if negatives == "region" else {}
    nearest = None
    if negatives in ("near", "neighbourhood"):
        when = rows["taken_at"][:] if negatives == "neighbourhood" else None
        nearest = hard.nearest(lat, lon, k - 1, taken_at=when, min_km=min_km, tile=tile, order=by_id)
    elif negatives == "graded":
        geo.validate(lat, lon)
    chosen = np.empty((len(ids), k), np.int64)
    for i, name in enumerate(ids):
        rng = np.random.default_rng([seed, crc32(name.encode())])
        if nearest is not None:
            others = nearest[i][nearest[i] >= 0]
        elif negatives == "graded":
            others = hard.graded(rng, by_id, i, lat, lon, tile, k - 1, min_km)
        else:
            pool = pools[areas[i]] if negatives == "region" else by_id
            others = _draw(rng, pool, i, lat, lon, tile, k - 1, min_km)
        if len(others) < k - 1:
            raise ValueError(
                f"questions: {name} ({areas[i]}) has {len(others)} neighbours at least {min_km} km away, "
                f"{k - 1} are needed; load more sites of that area, lower k, or use negatives='near' or 'random'"
            )
        chosen[i] = rng.permutation(np.append(others[: k - 1], i))
    own = np.argmax(chosen == np.arange(len(ids))[:, None], axis=1)
    km = geo.haversine_km(lat[:, None], lon[:, None], lat[chosen], lon[chosen])
    return Dataset.from_dict(
        {
            "id": ids,
            "letter": [ascii_uppercase[i] for i in own],
            "candidates": chosen.tolist(),
            "candidate_ids": [[ids[c] for c in candidates] for candidates in chosen.tolist()],
            "distances_km": np.round(km, 3).tolist(),
        }
    )


def _is_whole(number: object) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)


def sample(rows: Dataset, count: int, *, seed: int = 0) -> Dataset:
    """At most `count` rows, about equally many of each area, chosen by (seed, id): more rows keep those chosen before.

    In the order of the source. ValueError for fewer than one.
    """
    if not (_is_whole(count) and count >= 1):
        raise ValueError(f"a sample needs one row at least, got {count!r}")
    if len(rows) <= count:
        return rows
    areas: dict[str, list[int]] = {}
    order = sorted(range(len(rows)), key=lambda i: crc32(f"{seed}/{ids[i]}".encode())) if (ids := rows["id"][:]) else []
    names = rows["area"][:]
    for i in order:
        areas.setdefault(names[i], []).append(i)
    turns = [members[turn : turn + 1] for turn in range(len(rows)) for members in areas.values()]
    chosen = [i for turn in turns for i in turn][:count]
    return rows.select(sorted(chosen))


def hold_out(rows: Dataset, count: int, *, cell_deg: float = 0.02) -> tuple[Dataset, Dataset]:
    """(the rest, `count` rows or a tenth of all) parted by place: no cell of cell_deg degrees has rows in both.

    Cities (areas, where a source names none) take turns: each gives a cell, chosen by a hash of its position, and of it
    no more rows than its share, chosen by a hash of their ids. What else lies in such a cell is in neither part, so
    that neighbours on one street stay apart. Rows without coordinates are parted by their id. ValueError where so few
    cells hold so many rows that fewer than half would be left.
    """
    if not (isinstance(cell_deg, int | float) and 0 < cell_deg < np.inf):
        raise ValueError(f"cell_deg must be a number of degrees above 0, got {cell_deg!r}")
    if not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"count must be a whole number of rows from 0 on, got {count!r}")
    lat, lon, ids = np.array(rows["lat"][:], float), np.array(rows["lon"][:], float), rows["id"][:]
    cells: dict[str, list[int]] = {}
    for i, (name, a, o) in enumerate(zip(ids, lat, lon, strict=True)):
        cell = name if np.isnan(a + o) else f"{np.floor(a / cell_deg):.0f}/{np.floor(o / cell_deg):.0f}"
        cells.setdefault(cell, []).append(i)
    areas = [city or area or "" for city, area in zip(rows["city"][:], rows["area"][:], strict=True)]
    cities: dict[str, list[str]] = {}
    for cell in sorted(cells, key=lambda name: (crc32(name.encode()), name)):
        cities.setdefault(min(areas[i] for i in cells[cell]), []).append(cell)  # one that has rows of two is of one
    wanted = min(count, len(rows) // 10)
    share = -(-wanted // max(1, len(cities)))
    held: list[int] = []
    out: set[int] = set()
    order = sorted(cities, key=lambda name: (crc32(name.encode()), name))
    for cell in (cities[name][turn] for turn in range(len(cells)) for name in order if turn < len(cities[name])):
        if len(held) == wanted:
            break
        chosen = sorted(cells[cell], key=lambda i: (crc32(ids[i].encode()), ids[i]))
        held += chosen[: min(share, wanted - len(held))]
        out.update(cells[cell])
    if 2 * len(out) > len(rows):
        raise ValueError(
            f"{len(held)} rows cannot be held out by place: {len(out)} of {len(rows)} lie in the same cells of "
            f"{cell_deg:g} degrees; give rows of more places, or smaller cells"
        )
    return rows.select([i for i in range(len(rows)) if i not in out]), rows.select(sorted(held))


def checksum(source: str, root: str | Path) -> str:
    """Hex SHA-256 of what a source on disk lists: ids, places, moments, names of pictures and their sizes in bytes.

    The pictures' bytes are not read: hashing a data set of photographs would take longer than training starts.
    """
    root, lines = Path(root), []
    for split in ON_DISK[source].SPLITS:
        frame = read(source, split, root)
        for row in frame.itertuples(index=False):
            sizes = [
                Path(p).stat().st_size if isinstance(p, str) and Path(p).is_file() else -1
                for p in (row.panorama, row.aerial)
            ]
            lines.append([split, row.id, row.lat, row.lon, row.taken_at, row.problem, sizes])
    return files.sha256_json(json.loads(json.dumps(lines, default=str)))


def images(rows: Dataset, question: dict) -> list:
    """[panorama, tile A, tile B, ...] as PIL images, in the order in which the model sees them."""
    own = question["candidates"][ascii_uppercase.index(question["letter"])]
    panoramas, tiles = rows["panorama"], rows["aerial"]  # columns: only the pictures that are asked for are opened
    return [panoramas[own], *(tiles[candidate] for candidate in question["candidates"])]


def _tiles(rows: Dataset) -> np.ndarray:
    """(N,) one number a tile: rows whose aerial picture is one and the same file share it."""
    column = rows.with_format("arrow")["aerial"][:]
    paths = [path.as_py() for chunk in column.chunks for path in chunk.field("path")]
    number: dict[str, int] = {}
    return np.array([i if path is None else number.setdefault(path, i) for i, path in enumerate(paths)], int)


def _draw(rng, pool: np.ndarray, i: int, lat, lon, tile, count: int, min_km: float) -> np.ndarray:
    """`count` members of the pool at least min_km from row i, at random, no tile twice; fewer where there are fewer.
    A distance that is not known passes."""
    got: list[int] = []
    shown = {int(tile[i])}
    for order in _orders(rng, len(pool)):
        for start in range(0, len(order), 4 * count):
            batch = pool[order[start : start + 4 * count]]
            far = ~(geo.haversine_km(lat[i], lon[i], lat[batch], lon[batch]) < min_km)
            for j in batch[far]:
                if int(tile[j]) not in shown:
                    shown.add(int(tile[j]))
                    got.append(int(j))
            if len(got) >= count:
                return np.array(got[:count], int)
    return np.array(got, int)


def _orders(rng, n: int):
    """Shuffles of range(n): the whole, or of a large pool first a sample, which is nearly always enough and quicker."""
    if n > SHUFFLED_WHOLE:
        yield rng.choice(n, SHUFFLED_WHOLE // 16, replace=False)
    yield rng.permutation(n)
