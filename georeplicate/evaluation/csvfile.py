"""A CSV file as other people write it: any of four delimiters, broken lines named and passed over."""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
import zlib
from pathlib import Path

import pandas as pd

from georeplicate.evaluation import report
from georeplicate.evaluation.report import Report

DELIMITERS = ",;\t|"
ROW = "(row)"  # column of the records' numbers; no file has one of that name
PLAIN_BYTES, PACKED_TIMES = 1 << 26, 200  # of a gzip file: what it may always, and else, unpack to
_HEADER_BYTES = 4096
_EXCEL = re.compile(r"\"?sep=([,;\t|])\"?\r?\n", re.IGNORECASE)  # the line with which Excel names its delimiter
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run: written with an apostrophe before it


def decode(path: Path) -> str:
    """The text of a UTF-8 file, with or without byte order mark, gzipped or not; ValueError in one sentence."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a CSV file")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; name a CSV file")
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        most = max(PLAIN_BYTES, PACKED_TIMES * len(data))
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(most + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file ({error}); get it again") from None
        if len(data) > most:
            raise ValueError(f"{path} unpacks to over {PACKED_TIMES} times its size; unpack it if it is what you want")
    if b"\0" in re.split(rb"[\r\n]", data[:_HEADER_BYTES].lstrip(b"\r\n"), maxsplit=1)[0] and data[:2] not in (
        b"\xff\xfe",
        b"\xfe\xff",
    ):
        raise ValueError(f"{path} is no text (its first line holds zero bytes); save the table as CSV in UTF-8")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{path} is UTF-16; save it as UTF-8 and try again")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, row {line}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8 and try again"
        ) from None
    if not text.strip():
        raise ValueError(f"{path} is empty; it needs a header and one row for each image")
    return text


def read(path: str | Path, header: list[str] | None = None, delimiter: str | None = None) -> tuple:
    """(frame of strings, Report): one line for each sound record; column ROW is its number, the header being row 1.

    header: names of the columns of a file that has none (its first record is then row 1). delimiter: comma, semicolon,
    tab or bar, whichever the header has most of, unless given. A record with another number of fields than the header,
    or with a quote that is not closed, is set aside, and reading goes on with its next line. Repeated column names keep
    the first.
    """
    path = Path(path)
    text = decode(path)
    if excel := _EXCEL.match(text):
        text, delimiter = text[excel.end() :], delimiter or excel[1]
    if header is None and re.match(r'\s*(?:\{\s*["}]|\[\s*[{\]])', text):
        raise ValueError(
            f"{path} is JSON and no CSV; write it as CSV, such as by pandas.read_json({path.name!r}, "
            f"lines={not text.lstrip().startswith('[')}).to_csv('{path.stem}.csv', index=False)"
        )
    first = text.lstrip("\r\n").splitlines()[0]
    delimiter = delimiter or max(DELIMITERS, key=first.count)
    records, broken = _records(text, delimiter, None if header is None else len(header))
    if header is None:
        if not records:
            raise ValueError(f"{path}, row 1: the header cannot be read; put column names there")
        header = [name.strip() for name in records.pop(0)[1]]
    if broken and not records:
        number, _, why = broken[0]
        raise ValueError(f"{path}: no row can be read; row {number}: {why}; mend its lines and try again")
    notes = []
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        notes.append(f"{path.name}: column {', '.join(repeated)} is there more than once; the first is used")
    columns = list(zip(*(fields for _, fields in records), strict=True)) or [()] * len(header)
    frame = pd.DataFrame({ROW: [number for number, _ in records]})
    taken: dict[str, pd.Series] = {}
    for name, values in zip(header, columns, strict=True):
        taken.setdefault(name, pd.Series(list(values), dtype=object))
    frame = pd.concat([frame, pd.DataFrame(taken)], axis=1)
    numbers, firsts, why = ([part[i] for part in broken] for i in range(3))
    said = report.about(path.name, numbers, firsts, why, "set aside")
    return frame, said + Report(notes=tuple(notes))


def _records(text: str, delimiter: str, width: int | None) -> tuple[list, list]:
    """([(row, fields)], [(row, first cell, why it is broken)]); blank lines count for neither."""
    before = csv.field_size_limit(sys.maxsize)  # a model's answer may be long; others who read CSV keep their limit
    try:
        return _parted(text, delimiter, width)
    finally:
        csv.field_size_limit(before)


def _parted(text: str, delimiter: str, width: int | None) -> tuple[list, list]:
    lines = list(io.StringIO(text, newline=""))
    good: list[tuple[int, list[str]]] = []
    broken: list[tuple[int, str, str]] = []
    at, number = 0, 0
    while at < len(lines):
        reader = csv.reader(map(lines.__getitem__, range(at, len(lines))), delimiter=delimiter, strict=True)
        start = at
        while True:
            begin = start + reader.line_num
            try:
                fields = next(reader)
            except StopIteration:
                return good, broken
            except csv.Error:
                fields = None
            end = start + reader.line_num
            if fields == [] or (fields is not None and len(fields) == 1 and not fields[0].strip()):
                continue
            number += 1
            width = width or (len(fields) if fields else None)
            if fields is not None and len(fields) == width:
                good.append((number, fields))
                continue
            first = lines[begin].strip("\r\n").split(delimiter)[0].strip('"')
            if fields is None:
                why = "broken line: a quote is not closed or stands within a cell"
            else:
                why = f"broken line: {len(fields)} fields where the header has {width}"
            broken.append((number, first[:100], why))
            if fields is None or end - begin > 1:  # a stray quote may have swallowed sound lines: go on with the next
                at = begin + 1
                break
    return good, broken


def escape(value: object) -> object:
    """A text cell that a spreadsheet would run as a formula, with an apostrophe before it; anything else as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def unescape(value: str) -> str:
    return value[1:] if value[:1] == "'" and value[1:].startswith(FORMULA) else value
