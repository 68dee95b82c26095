"""From metadata to supervised records: facts -> teacher -> fact check -> Parquet shards, a data card, JSONL.

A row of metadata is {id, lat, lon (degrees), taken_at (ISO 8601 with a time zone, or None)} and may hold city, image
(relative paths, in order), panorama or aerial (pictures, or functions that open one), and what is seen in them: the six
attributes of `seen` by their names. Of a row without a moment nothing is said that needs one: no sun, season or month.
Every row ends up in one of two places: `accepted` (a record) or `rejected` (with the reason); none is lost.

`facts_of` and `records_of` map one batch of columns to another and know nothing of files: `datasets` runs them in one
process or many, and past one machine Ray Data does:

    ray.data.from_items(rows).map_batches(facts_of, batch_format="numpy")
"""

import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset
from PIL import Image as Picture

from georeplicate import atlas, files, manifest
from georeplicate.engine import factcheck, teachers
from georeplicate.engine.seen import Attributes
from georeplicate.engine.teachers import Failure, Site, Teacher
from georeplicate.model.pictures import as_rgb
from georeplicate.pairs import schema
from georeplicate.tasks import prompts

METADATA = ("id", "lat", "lon", "taken_at")
PICTURES = ("panorama", "aerial")
SHARD = 2000  # records a Parquet file: a minute's work, so that a kill costs little
FACTS_SHARD = 20_000

Batch = Mapping[str, Sequence]


class EngineError(ValueError):
    """The input or the folder is not what a run needs; the message names what is wrong and the remedy."""


# --- one batch -------------------------------------------------------------------------------------------------------

_NUMBERS = (
    "temperature_c", "rain_mm", "elevation_m", "haze", "sun_azimuth_deg", "sun_elevation_deg", "local_solar_hour",
    "place_km",
)  # fmt: skip
_WORDS = (
    "land_cover", "climate", "season", "hemisphere", "country", "country_name", "driving_side", "speed_unit", "script",
    "region", "place",
)  # fmt: skip


def facts_of(batch: Batch) -> dict[str, Any]:
    """Facts of a batch of metadata columns, as columns: id, lat, lon, taken_at, valid, and the atlas's fields.

    Languages are one string, parted by spaces. A row whose coordinate or moment cannot be read has valid False.
    """
    facts = _describe(batch)
    columns = {"id": np.asarray(batch["id"]), "taken_at": np.array([_moment(when) for when in batch["taken_at"]], str)}
    columns |= {"lat": facts.lat, "lon": facts.lon, "valid": facts.valid, "is_land": facts.is_land}
    columns |= {name: np.asarray(getattr(facts, name), dtype=np.float64) for name in _NUMBERS}
    columns |= {name: np.asarray(getattr(facts, name)).astype(str) for name in _WORDS}
    columns["languages"] = np.array([" ".join(spoken) for spoken in facts.languages], dtype=str)
    columns["place_population"] = np.asarray(facts.place_population, dtype=np.int64)
    return columns


def records_of(batch: Batch, teacher: Teacher, seed: int = 0) -> dict[str, list]:
    """Records of a batch of metadata columns, one a row and in its order, accepted or not.

    Columns: id, image, prompt, completion, lat, lon, taken_at, city, country, teacher, reason ("" = accepted) and claim
    (the words of the first false claim). A rejected row keeps the completion, where there is one, to be looked at.
    """
    facts = _describe(batch)
    n = len(batch["id"])
    reasons = [_unusable(batch, facts, i) for i in range(n)]
    sites = {}
    for i in range(n):
        if not reasons[i]:
            try:
                sites[i] = _site(batch, i, facts, teacher.sees)
            except schema.UNSHOWN as error:
                reasons[i] = f"metadata: a picture cannot be read ({type(error).__name__})"
    texts = dict(zip(sites, teacher.think(list(sites.values()), seed), strict=True))
    columns: dict[str, list] = {name: [] for name in SCHEMA.names}
    for i in range(n):
        completion, claim = "", ""
        if i in sites:
            completion, reasons[i], claim = _judge(sites[i], texts[i])
        values = {
            "id": str(batch["id"][i]),
            "image": _images(batch, i),
            "prompt": prompts.geolocation(),
            "completion": completion,
            "lat": float(facts.lat[i]),
            "lon": float(facts.lon[i]),
            "taken_at": _moment(batch["taken_at"][i]),
            "city": sites[i].city if i in sites else "",
            "country": str(facts.country[i]),
            "teacher": teacher.name,
            "reason": reasons[i],
            "claim": claim,
        }
        for name, value in values.items():
            columns[name].append(value)
    return columns


SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.list_(pa.string())),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        ("taken_at", pa.string()),
        ("city", pa.string()),
        ("country", pa.string()),
        ("teacher", pa.string()),
        ("reason", pa.string()),
        ("claim", pa.string()),
    ]
)


FACTS_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "taken_at")]
    + [(name, pa.float64()) for name in ("lat", "lon", *_NUMBERS)]
    + [(name, pa.bool_()) for name in ("valid", "is_land")]
    + [(name, pa.string()) for name in (*_WORDS, "languages")]
    + [("place_population", pa.int64())]
)


def _describe(batch: Batch) -> atlas.Facts:
    missing = [name for name in METADATA if name not in batch]
    if missing:
        raise EngineError(f"metadata lack {', '.join(missing)}: a row needs {', '.join(METADATA)}")
    moments = [_moment(when) for when in batch["taken_at"]]
    facts = atlas.describe(list(batch["lat"]), list(batch["lon"]), [when or atlas.NOON for when in moments])
    unknown = [not when for when in moments]
    return facts.without_moment(unknown) if any(unknown) else facts


def _given(value: Any) -> Any:
    """What a cell of a table holds; None where it holds nothing ("", or NaN, NaT, NA: what pandas makes of None)."""
    nothing = value == "" if isinstance(value, str) else pd.api.types.is_scalar(value) and pd.isna(value)
    return None if nothing else value


def _text(value: Any) -> str:
    value = _given(value)
    return "" if value is None else str(value)


def _moment(when: Any) -> str:
    """As it was given; "" where there is none: not known is another thing than not readable."""
    return _text(when)


def _unusable(batch: Batch, facts: atlas.Facts, i: int) -> str:
    """Why row i cannot become a record; "" if it can."""
    if not facts.valid[i]:
        return "metadata: the coordinate or the moment cannot be read"
    if not facts.country[i]:
        return "metadata: no country there (the sea, or land that no state claims)"
    given = _text(batch["country"][i]) if "country" in batch else ""
    if given and atlas.country_code(given) != facts.country[i]:
        return "metadata: the country named is not that of the coordinate"
    return ""


def _site(batch: Batch, i: int, facts: atlas.Facts, with_pictures: bool) -> Site:
    given = {name: _given(batch[name][i]) for name in Attributes.__dataclass_fields__ if name in batch}
    complete = len(given) == len(Attributes.__dataclass_fields__) and all(given.values())
    city = batch["city"][i] if "city" in batch else ""
    pictures = [_given(batch[name][i]) for name in PICTURES if name in batch] if with_pictures else []
    return Site(
        id=str(batch["id"][i]),
        facts=facts[i],
        city=_text(city),
        attributes=Attributes(**given) if complete else None,
        images=tuple(_encoded(picture) for picture in pictures if picture is not None),
    )


def _encoded(picture) -> bytes:
    if callable(picture):
        picture = picture()
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, Mapping):  # an undecoded image of `datasets`
        picture = picture.get("bytes") or picture.get("path") or ""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | os.PathLike):
        return Path(picture).read_bytes()
    if not isinstance(picture, Picture.Image):
        raise TypeError(f"{type(picture).__name__} is no picture")
    buffer = BytesIO()
    as_rgb(picture).save(buffer, "PNG")
    return buffer.getvalue()


def _images(batch: Batch, i: int) -> list[str]:
    images = _given(batch["image"][i]) if "image" in batch else None
    if images is None:
        return []
    if isinstance(images, str | os.PathLike) or not isinstance(images, Iterable):
        return [str(images)]
    return [str(name) for name in images]


def _judge(site: Site, text: str | Failure) -> tuple[str, str, str]:
    """(completion, reason, claim); the reason is "" where the text may be learned from."""
    if isinstance(text, Failure):
        return "", f"teacher: {text.reason}", ""
    completion = prompts.reply(teachers.answer(site), thinking=text)
    report = factcheck.check(text, site.facts, city=site.city)
    if report.false:
        first = report.false[0]
        return completion, f"false {first.kind}", str(first)
    if not any(c.kind == "country" and c.true for c in report.claims):
        return completion, "no conclusion: the country is not named", ""
    return completion, "", ""


# --- many batches ----------------------------------------------------------------------------------------------------


def build(
    rows: Iterable[Mapping],
    out: str | Path,
    teacher: Teacher,
    *,
    seed: int = 0,
    num_proc: int = 1,
    shard: int = SHARD,
) -> Path:
    """Write the records of `rows` below `out`; returns it.

    out/accepted/NNNNN.parquet, out/rejected/NNNNN.parquet, out/README.md (the data card), out/manifest.json (last).
    rows: any iterable of rows, also one that does not fit into memory (a streamed `datasets` set); read once.
    num_proc: processes; more than one needs a teacher that works in several (the template).
    Shards are written whole, so a killed run goes on where it stopped when it is called again with the same arguments;
    EngineError where the folder holds a run of other rows or settings. The same arguments give the same shards, byte
    for byte, whatever num_proc is.
    """
    for what, number, least in (("seed", seed, 0), ("num_proc", num_proc, 1), ("shard", shard, 1)):
        if not isinstance(number, int) or number < least:
            raise EngineError(f"a {what} is {least} or more, got {number!r}")
    if num_proc > 1 and not teacher.in_processes:
        raise EngineError(f"the teacher {teacher.name!r} counts and loads in one process: use num_proc=1")
    settings = {"teacher": _describe_teacher(teacher), "seed": seed, "shard": shard}
    work, out, started = partial(records_of, teacher=teacher, seed=seed), Path(out), time.time()
    for name, batch, key in _shards(rows, out, "accepted", settings):
        table = pa.Table.from_pydict(_mapped(work, batch, num_proc), schema=SCHEMA)
        accepted = pc.equal(table["reason"], "")
        _write(out / "rejected" / name, table.filter(pc.invert(accepted)), key)
        _write(out / "accepted" / name, table.filter(accepted).drop_columns(["reason", "claim"]), key)
    if not manifest.is_finished(out):
        counts = _count(out)
        files.write_bytes(out / "README.md", _card(counts, settings).encode())
        _finish(out, "accepted", settings, started, accepted=counts["accepted"], rejected=counts["rejected"])
    return out


def build_facts(rows: Iterable[Mapping], out: str | Path, *, num_proc: int = 1, shard: int = FACTS_SHARD) -> Path:
    """Only the facts of `rows`, in out/facts/NNNNN.parquet, invalid rows marked; otherwise as `build`."""
    settings, out, started = {"facts": [*_NUMBERS, *_WORDS], "shard": shard}, Path(out), time.time()
    for name, batch, key in _shards(rows, out, "facts", settings):
        _write(out / "facts" / name, pa.Table.from_pydict(_mapped(facts_of, batch, num_proc), schema=FACTS_SCHEMA), key)
    if not manifest.is_finished(out):
        _finish(out, "facts", settings, started)
    return out


def _finish(out: Path, part: str, settings: dict, started: float, **counts: int) -> None:
    digest = files.sha256_files((out / part).glob("*.parquet"), out)
    more: dict[str, Any] = {"settings": settings} | counts
    manifest.finish(out, profile="engine", seed=settings.get("seed"), data_sha256=digest, started=started, **more)


def _describe_teacher(teacher: Teacher) -> dict:
    known = ("register", "base_url", "model", "temperature", "max_tokens")
    described = {"name": teacher.name} | {name: getattr(teacher, name) for name in known if hasattr(teacher, name)}
    return described | ({"unseen": True} if getattr(teacher, "unseen", False) else {})


def _shards(
    rows: Iterable[Mapping], out: Path, last: str, settings: dict
) -> Iterator[tuple[str, dict[str, list], str]]:
    """(file name, columns, hash of all but the pictures) of each shard that is not yet there in the folder `last`."""
    held = out / "settings.json"
    if held.is_file() and _settings(held) != settings:
        raise EngineError(f"{out} holds a run with other settings ({held.name}); choose another folder or delete it")
    if not held.is_file():
        files.write_json(held, settings)
    seen: set[bytes] = set()
    number = 0
    for number, part in enumerate(_batches(rows, settings["shard"]), 1):
        name = f"{number - 1:05d}.parquet"
        batch = _columns(part)
        _refuse_doubles(batch, seen)
        hashed = {column: list(map(str, values)) for column, values in batch.items() if column not in PICTURES}
        key = sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
        done = out / last / name
        if not done.is_file():
            yield name, batch, key
        elif (_parquet(pq.read_schema, done).metadata or {}).get(b"input") != key.encode():
            raise EngineError(f"{done} was made from other rows; choose another folder or delete {out}")
    if number == 0:
        raise EngineError("there is no row to make records or facts of")
    extra = sorted((out / last).glob("*.parquet"))[number:]
    if extra:
        raise EngineError(f"{extra[0]} belongs to no row: {out} was made from more rows; choose another folder")


def _settings(held: Path) -> Any:
    try:
        return json.loads(held.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise EngineError(
            f"{held} is damaged ({error}); delete {held.parent}, or this file if the run had no other settings"
        ) from None


def _parquet(read: Callable[..., Any], path: Path, **options: Any) -> Any:
    """What a shard holds; EngineError in one sentence where it is damaged."""
    try:
        return read(path, **options)
    except (pa.ArrowInvalid, OSError) as error:
        raise EngineError(f"{path} is damaged ({error}); delete it and run the same again") from None


def _batches(rows: Iterable[Mapping], size: int) -> Iterator[list[Mapping]]:
    rows = iter(rows)
    while part := list(itertools.islice(rows, size)):
        yield part


def _columns(part: list[Mapping]) -> dict[str, list]:
    if odd := [row for row in part if not isinstance(row, Mapping)]:
        raise EngineError(f"{odd[0]!r} is no row: each is a mapping of {', '.join(METADATA)}")
    names = list(part[0])
    for row in part:
        if row.keys() != part[0].keys():
            raise EngineError(f"row {row.get('id')!r} has the columns {sorted(row)}, others have {sorted(names)}")
    return {name: [row[name] for row in part] for name in names}


def _refuse_doubles(batch: Mapping[str, list], seen: set[bytes]) -> None:
    """Two records of one id would be told apart by nobody. Sixteen bytes of hash an id: 1 M ids take some 80 MB."""
    for name in batch.get("id", ()):
        try:
            key = sha256(str(name).encode()).digest()[:16]
        except UnicodeEncodeError:
            raise EngineError(f"the id {name!r} is no text that can be written: ids are UTF-8") from None
        if key in seen:
            raise EngineError(f"two rows have the id {name!r}; ids must be unique")
        seen.add(key)


def _mapped(work: Callable[[Batch], dict], batch: dict[str, list], num_proc: int) -> Mapping[str, Any]:
    if num_proc == 1:
        return work(batch)
    from datasets.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

    plain = Dataset.from_dict(batch)
    shown = is_progress_bar_enabled()
    disable_progress_bar()  # one bar a shard would be noise
    try:
        per_process = -(-len(plain) // num_proc)
        done = plain.map(
            work,
            batched=True,
            batch_size=per_process,
            num_proc=min(num_proc, len(plain)),
            remove_columns=plain.column_names,
            load_from_cache_file=False,
            keep_in_memory=True,
        )
    finally:
        if shown:
            enable_progress_bar()
    return {name: done.data.column(name).combine_chunks() for name in done.column_names}


def _write(path: Path, table: pa.Table, key: str) -> None:
    buffer = BytesIO()
    pq.write_table(table.replace_schema_metadata({"input": key}), buffer, compression="zstd")
    files.write_bytes(path, buffer.getvalue())


# --- what was made ---------------------------------------------------------------------------------------------------


def load(out: str | Path, part: str = "accepted") -> Dataset:
    """The records of a finished run as a Hugging Face dataset; part "rejected" has reason and claim too, part "facts"
    is what `build_facts` made."""
    manifest.read(out)
    paths = sorted(map(str, (Path(out) / part).glob("*.parquet")))
    if not paths:
        raise EngineError(f"{out} has no part {part!r}; choose accepted, rejected or facts")
    return Dataset(pa.concat_tables([pq.read_table(file).replace_schema_metadata(None) for file in paths]))


def _count(out: Path) -> dict[str, Any]:
    """Counts over all shards, one shard in memory at a time."""
    lengths: Counter[int] = Counter()
    words: Counter[str] = Counter()
    countries: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    timeless = 0
    for path in sorted((out / "accepted").glob("*.parquet")):
        table = _parquet(pq.read_table, path, columns=["completion", "country", "taken_at"])
        timeless += table["taken_at"].to_pylist().count("")
        for completion in table["completion"].to_pylist():
            spelt = _plain_words(completion)
            lengths[len(spelt)] += 1
            words.update(spelt)
        countries.update(table["country"].to_pylist())
    for path in sorted((out / "rejected").glob("*.parquet")):
        reasons.update(_parquet(pq.read_table, path, columns=["reason"])["reason"].to_pylist())
    return {
        "accepted": lengths.total(),
        "rejected": reasons.total(),
        "reasons": reasons,
        "lengths": lengths,
        "words": words,
        "countries": countries,
        "timeless": timeless,
    }


def _plain_words(completion: str) -> list[str]:
    thought = completion.partition("<think>")[2].partition("</think>")[0]
    return [word.strip(".,;:()").lower() for word in thought.split()]


def _quantile(counts: Counter[int], q: float) -> int:
    seen, total = 0, counts.total()
    for value in sorted(counts):
        seen += counts[value]
        if seen >= q * total:
            return value
    return 0


UNSEEN = "- the teacher saw no picture: what it says of signs, traffic and ground is marked as known from the atlas"


def _card(counts: dict[str, Any], settings: dict) -> str:
    # A server's address is nobody's business, and the card may be published.
    teacher = ", ".join(f"{name} {value}" for name, value in settings["teacher"].items() if name != "base_url")
    all_rows = counts["accepted"] + counts["rejected"]
    share = counts["accepted"] / all_rows if all_rows else 0.0
    reasons = [f"| {reason} | {n} |" for reason, n in sorted(counts["reasons"].items(), key=lambda x: (-x[1], x[0]))]
    lengths, words = counts["lengths"], counts["words"]
    common = ", ".join(word for word, _ in sorted(words.items(), key=lambda x: (-x[1], x[0]))[:25])
    timeless = f"- accepted without a moment, so without sun, season and month: {counts['timeless']}"
    top = sorted(counts["countries"].items(), key=lambda x: (-x[1], x[0]))[:10]
    return "\n".join(
        [
            "---",
            "configs:",
            "- config_name: default",
            "  data_files:",
            "  - {split: train, path: accepted/*.parquet}",
            "---",
            "# Chains of thought about places",
            "",
            "Made by the data engine of georeplicate: metadata -> facts -> teacher -> fact check -> record. The texts "
            "are synthetic; every claim in them that the fact check can read agrees with the atlas, and what it cannot "
            "read is unchecked. The licence is that of the metadata and pictures that went in.",
            "",
            f"- teacher: {teacher}; seed {settings['seed']}",
            f"- rows {all_rows}: accepted {counts['accepted']}, rejected {counts['rejected']} ({share:.1%} accepted)",
            f"- countries: {len(counts['countries'])}; most: " + ", ".join(f"{code} {n}" for code, n in top),
            f"- words a chain of thought: median {_quantile(lengths, 0.5)}, 5 % to 95 % "
            f"{_quantile(lengths, 0.05)} to {_quantile(lengths, 0.95)}; different words: {len(words)}",
            f"- most frequent words: {common}",
            *([timeless] * bool(counts["timeless"])),
            *([UNSEEN] * bool(settings["teacher"].get("unseen"))),
            "",
            "## Why rows were rejected",
            "",
            "| reason | rows |",
            "| --- | ---: |",
            *(reasons or ["| (none was) | 0 |"]),
            "",
            "The rejected rows, with reason and false claim, are in `rejected/`.",
            "",
        ]
    )


# --- the official JSONL ----------------------------------------------------------------------------------------------


def write_jsonl(rows: Iterable[Mapping], path: str | Path) -> Path:
    """Records (id, image, prompt, completion) as JSONL in the schema of the official release, one line each."""
    lines = (
        json.dumps(prompts.jsonl_row(r["id"], r["image"], r["prompt"], r["completion"]), ensure_ascii=False)
        for r in rows
    )
    return files.write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def read_jsonl(path: str | Path) -> Dataset:
    """Records (id, image, prompt, completion) of a JSONL in the schema of the official release.

    There `image` is a path or a list of them, and the first turn may hold <image> marks; these are dropped, as the
    official loader does: pictures belong to the text by their order alone. Empty lines are passed over. EngineError
    names the line that does not fit.
    """
    rows = []
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    rows.append(_from_jsonl(line, f"{path}, line {number}"))
    except UnicodeDecodeError as error:
        raise EngineError(f"{path} is not in UTF-8 (byte {error.start}): save it again as UTF-8") from None
    features = SCHEMA.empty_table().select(["id", "image", "prompt", "completion"]).schema
    return Dataset(pa.Table.from_pylist(rows, schema=features))


def _from_jsonl(line: str, where: str) -> dict:
    try:
        row = json.loads(line)
        human, gpt = row["conversations"][:2]
        if (human["from"], gpt["from"]) != ("human", "gpt"):
            raise ValueError(f"turns are from {human['from']!r} and {gpt['from']!r}")
        image = row.get("image", [])
        if not isinstance(image, str | list):
            raise TypeError(f"{image!r} is neither a path nor a list of paths")
        return {
            "id": str(row["id"]) if isinstance(row["id"], int) else _written(row["id"]),
            "image": [_written(name) for name in ([image] if isinstance(image, str) else image)],
            "prompt": _written(human["value"]).replace("<image>", "").lstrip("\n"),
            "completion": _written(gpt["value"]),
        }
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise EngineError(f"{where}: not a row of {{id, image, conversations: [human, gpt]}} ({error})") from None


def _written(value: Any) -> str:
    """A text that can be written again; TypeError or ValueError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    value.encode()
    return value
