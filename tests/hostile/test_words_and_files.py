"""Wrong words on the command line and broken files behind it: one sentence, the right exit code, no good row lost."""

import dataclasses
import gzip
import math
import shutil

import pytest
from PIL import Image

from georeplicate import atlas, engine, files, pairs
from georeplicate.evaluation import rows
from georeplicate.model import hub, policy
from georeplicate.profiles import Profile
from georeplicate.training import rewards

SHIPPED = files.PACKAGE / "mini" / "weights" / "mini-base"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with tables, two pictures, a file that is none, and nothing. Its name is a hard one too."""
    folder = tmp_path_factory.mktemp("ein Ordner mit é 空格")
    (folder / "good.csv").write_text("id,lat,lon\na,1,2\nb,3,4\n")
    (folder / "zero.csv").write_text("")
    (folder / "wide.csv").write_text("id,lat,lon\na,48,85,2,35\n")
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty").mkdir()
    (folder / "adapter").mkdir()
    (folder / "adapter/adapter_config.json").write_text("[]")
    for name in ("a.jpg", "b.png"):
        Image.new("RGB", (64, 32), (9, 99, 9)).save(folder / name)
    return folder


# Words ({} is the folder above), exit code, and a part of what is said. Two spaces part words.
TRUTH = "--truth  {}/good.csv"
DEMO = "--synthetic-demo"
WORLD = "engine  --source  world  --limit  2  --out  {}/e"
SMOKE = "--profile  smoke  --work  {}/w"
CONSTANT = "evaluate  --profile  smoke  --baseline  constant"
COMMANDS = [
    ("nonsense", 2, "No such command"),
    ("--nonsense", 2, "No such option"),
    ("score", 2, "Missing argument"),
    ("score  {}/good.csv  extra", 2, "unexpected extra argument"),
    ("score  {}/none.csv", 1, "none.csv does not exist; name a CSV file"),
    ("score  {}/empty", 1, "empty is a folder; name a CSV file"),
    ("score  {}/zero.csv", 1, "zero.csv is empty; it needs a header"),
    (f"score  {{}}/wide.csv  {TRUTH}", 1, "wide.csv: no row can be read; row 2: broken line: 5 fields"),
    ("score  {}/good.csv", 1, "give the truth's CSV file with --truth"),
    ("score  {}/good.csv  --truth  {}/none.csv", 1, "none.csv does not exist"),
    ("score  {}/good.csv  --truth  {}/empty", 1, "is a folder"),
    (f"score  {{}}/good.csv  {TRUTH}  --benchmark  im2gps3k", 1, "a benchmark or a file with the truth, not both"),
    ("score  {}/good.csv  --benchmark  nope", 1, "choose from MP16-Reason-Test-12K"),
    ("score  {}/good.csv  --benchmark  im2gps3k  --root  {}/empty", 1, "get it from https://"),
    (f"score  {{}}/good.csv  {TRUTH}  --protocol  nope", 1, "choose from ours, globe"),
    (f"score  {{}}/good.csv  {TRUTH}  --geocoder  nope", 1, "geocoder must be one of"),
    (f"score  {{}}/good.csv  {TRUTH}  --geocoder  azure", 1, "AZURE_MAPS_KEY; it is not set"),
    (f"score  {{}}/good.csv  {TRUTH}  --out  {{}}/empty", 1, "a folder of that name is there; name a file"),
    (f"score  {{}}/good.csv  {TRUTH}  --out  ", 1, "a folder of that name is there"),
    (f"score  {{}}/good.csv  {TRUTH}  --out  {{}}/good.csv/x.csv", 1, "a file stands where a folder should be"),
    ("map  {}/none.csv", 1, "none.csv does not exist"),
    ("map  {}/zero.csv", 1, "zero.csv is empty"),
    ("map  {}/good.csv", 1, "no true places beside the predicted ones"),
    ("locate", 2, "Missing argument"),
    ("locate  {}/a.jpg", 1, "name a model with --model"),
    ("locate  {}/a.jpg  --model  {}/none", 1, "there is no checkpoint at"),
    ("locate  {}/a.jpg  --model  {}/good.csv", 1, "good.csv is a file: name the folder of a checkpoint"),
    ("locate  {}/a.jpg  --model  {}/empty", 1, "is no checkpoint: config.json is missing"),
    ("locate  {}/a.jpg  --model  a/b/c/d", 1, "there is no checkpoint at a/b/c/d"),
    (f"locate  {{}}/a.jpg  {DEMO}  --device  tpu", 1, "unknown device 'tpu': choose cpu or cuda"),
    (f"locate  {{}}/a.jpg  {DEMO}  --device  cuda:99", 1, "device cuda:99 is not there"),
    (f"locate  {{}}/a.jpg  {DEMO}  --device  ", 1, "unknown device ''"),
    (f"locate  {{}}/empty  {DEMO}", 1, "holds no picture (.jpg"),
    ("pair  {}/a.jpg", 2, "Missing argument"),
    (f"pair  {{}}/a.jpg  {{}}/b.png  {DEMO}", 1, "pair needs 2 to 26 tiles"),
    (f"pair  {{}}/none.jpg  {{}}/b.png  {{}}/b.png  {DEMO}", 1, "none.jpg does not exist"),
    (f"pair  {{}}/a.jpg  {{}}/text.jpg  {{}}/b.png  {DEMO}", 1, "text.jpg cannot be read as a picture"),
    ("data  nope", 1, "unknown source 'nope': choose one of cv-cities"),
    ("data  cvusa  --check  --root  {}/empty  --splits  nope", 1, "choose from train, validation"),
    ("data  cvusa  --check  --root  {}/empty  --workers  0", 1, "workers from 1"),
    ("data  cvusa  --check  --root  {}/empty  --leak-km  nan", 1, "leak_km from 0"),
    ("data  cvusa  --check  --root  {}/good.csv", 1, "name another"),
    ("data  vigor  --root  {}/empty", 1, "cannot be downloaded: ask for it"),
    ("data  cvusa  --check  --root  {}/empty  --only  x", 1, "leave --only, --revision and the licence out"),
    ("data  cvglobal  --root  {}/empty  --out  {}/o", 1, "give --check"),
    ("data  cvusa  --check  --root  {}/empty  --splits  ,", 1, "no split to look at; cvusa has train, validation"),
    ("engine  --source  nope", 1, "unknown source 'nope'"),
    (f"{WORLD}  --split  nope", 1, "no split 'nope'; choose from train"),
    (f"{WORLD}  --limit  -5", 1, "a sample needs one row at least, got -5"),
    (f"{WORLD}  --limit  0", 1, "a sample needs one row at least"),
    (f"{WORLD}  --limit  x", 2, "not a valid int|valid integer"),
    (f"{WORLD}  --seed  -1", 1, "a seed is 0 or more"),
    (f"{WORLD}  --teacher  nope", 1, "choose one of template, local, openai"),
    (f"{WORLD}  --model  x", 1, "the teacher 'template' has no model"),
    (f"{WORLD}  --base-url  http://x", 1, "the teacher 'template' has no base_url"),
    (f"{WORLD}  --teacher  local", 1, "needs a model"),
    (f"{WORLD}  --teacher  openai  --model  m  --base-url  nope", 1, "it begins with http:// or https://"),
    (f"{WORLD}  --root  {{}}/empty", 1, "leave --root out"),
    (f"{WORLD}  --out  {{}}/good.csv", 1, "a file stands where a folder should be"),
    (f"train  nope  {SMOKE}", 1, "unknown run 'nope': choose one of table1"),
    (f"train  sft-s9  {SMOKE}", 1, "unknown run 'sft-s9'"),
    ("train  table2  --profile  ../mini  --work  {}/w", 1, "unknown profile '../mini'"),
    (f"train  table2  {SMOKE}  --seeds  0", 1, "seeds=0: profile smoke has 1"),
    (f"train  table2  {SMOKE}  --workers  0", 1, "one worker at least, got 0"),
    (f"train  table2  {SMOKE}  --base  {{}}/none", 1, "there is no checkpoint at"),
    (f"train  table2  {SMOKE}  --base  ", 1, "there is no checkpoint at"),
    (f"train  table2  {SMOKE}  --root  {{}}/empty", 1, "has no folder: leave --root out"),
    (f"train  table2  {SMOKE}  --weights  a=b", 1, "--weights are those of published systems"),
    ("train  table2  --profile  smoke  --work  {}/good.csv", 1, "a file stands where a folder should be"),
    ("train  table1  --profile  paper  --weights  x  --work  {}/w", 2, "SYSTEM=WEIGHTS"),
    ("train  table1  --profile  paper  --weights  NOPE=official  --work  {}/w", 1, "the systems are ISNs"),
    ("evaluate  --profile  nope", 1, "choose one of smoke"),
    ("evaluate  --profile  smoke  --baseline  nope", 1, "unknown baseline 'nope'"),
    ("evaluate  --profile  smoke  --model  {}/empty", 1, "config.json is missing"),
    (f"{CONSTANT}  --model  {{}}/empty", 1, "not both"),
    (f"{CONSTANT}  --task  nope", 1, "unknown task 'nope': profile smoke has pairing"),
    (f"{CONSTANT}  --split  nope", 1, "choose one of validation, test"),
    (f"{CONSTANT}  --weights  {{}}/none", 1, "takes a CSV with lat and lon"),
    (f"{CONSTANT}  --weights  {{}}/zero.csv", 1, "zero.csv is no CSV in UTF-8"),
    (f"{CONSTANT}  --weights  {{}}/a.jpg", 1, "a.jpg is no CSV in UTF-8"),
    (f"{CONSTANT}  --root  {{}}/empty", 1, "leave --root out"),
    ("evaluate  --profile  smoke  --baseline  random land  --weights  x", 1, "takes a seed of 0 or more"),
    ("evaluate  --profile  smoke  --model  ", 1, "there is no checkpoint at"),
    ("evaluate  --profile  smoke  --weights  x", 1, "--weights are those of a --baseline"),
    ("runs  nope", 2, "No such command"),
    ("runs  merge  {}/adapter  --out  {}/o", 1, "adapter_config.json does not name a base: say which with --base"),
    ("runs  list  --profile  nope", 1, "unknown profile 'nope'"),
    ("runs  adopt  x  --work  {}/w", 2, "Missing option '--why'"),
    (f"runs  adopt  ../x  --why  y  {SMOKE}", 1, "there is no run '../x'"),
    ("plan  --profile  nope", 1, "unknown profile"),
    ("plan  --gpus  0", 1, "a plan needs --gpus from 1"),
    ("plan  --gpu-gb  inf", 1, "a plan needs"),
    ("plan  --rate  nan", 1, "a plan needs"),
    ("plan  --mfu  2", 1, "a plan needs"),
    ("plan  --gpus  x", 2, "not a valid int|valid integer"),
    ("reproduce  --profile  nope", 1, "unknown profile"),
    ("verify  --profile  nope", 1, "unknown profile"),
    ("verify  --work  {}/empty", 1, "make reproduce PROFILE=mini comes first"),
    ("publish  --profile  smoke  --work  {}/w  --results  {}/r", 1, "not finished: base"),
    ("publish  --figures-only  --profile  smoke  --results  {}/r", 1, "there is no finished run below"),
]


@pytest.mark.parametrize(("words", "code", "said"), COMMANDS, ids=[line[0] for line in COMMANDS])
def test_wrong_words_are_one_sentence(command, place, monkeypatch, words, code, said):
    monkeypatch.delenv("AZURE_MAPS_KEY", raising=False)
    found, printed, error = command(*(word.replace("{}", str(place)) for word in words.split("  ")))
    sentence = [line for line in error.splitlines() if line.strip() and "Loading weights" not in line]
    assert found == code and any(part in error for part in said.split("|")), error
    assert "Traceback" not in error and (code == 2 or len(sentence) == 1)


def test_help_of_every_command(command):
    for name in "locate pair score map data engine train evaluate reproduce verify publish check plan runs".split():
        code, printed, error = command(name, "--help")
        assert code == 0 and "Usage" in printed and not error


# --- tables -------------------------------------------------------------------------------------------------------

HEAD = b"id,lat,lon\n"
GOOD = [("a", 1.0, 2.0)]
# content, and the rows that are read (id, lat, lon; nan: no point, and the report or the row says why)
TABLES = {
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbf" + HEAD + b"a,1,2\n", GOOD),
    "carriage returns": (b"id,lat,lon\ra,1,2\rb,3,4\r", [*GOOD, ("b", 3.0, 4.0)]),
    "line ends of three kinds": (b"id,lat,lon\r\na,1,2\nb,3,4\r", [*GOOD, ("b", 3.0, 4.0)]),
    "Excel's first line": (b"sep=;\nid;lat;lon\na;1;2\n", GOOD),
    "quotes around all": (b'"id","lat","lon"\n"a","1","2"\n', GOOD),
    "spaces around all": (b" id , lat , lon \n a , 1 , 2 \n", GOOD),
    "an empty last column": (b"id,lat,lon,\na,1,2,\n", GOOD),
    "an unnamed first column": (b",id,lat,lon\n0,a,1,2\n", GOOD),
    "blank lines": (b"\n\n" + HEAD + b"\na,1,2\n\n", GOOD),
    "an open quote": (HEAD + b'"x,1,2\na,1,2\n', GOOD),
    "a field too many": (HEAD + b"x,1,2,3\na,1,2\n", GOOD),
    "end of file of DOS": (HEAD + b"a,1,2\n\x1a", GOOD),
    "an id twice": (HEAD + b"a,1,2\na,3,4\n", GOOD),
    "no id": (HEAD + b",1,2\na,1,2\n", GOOD),
    "a separator of paragraphs in an id": (HEAD + "a\u2028b,1,2\n".encode(), [("a\u2028b", 1.0, 2.0)]),
    "a line end in an id": (HEAD + b'"a\nb",1,2\n', [("a\nb", 1.0, 2.0)]),
    "a formula": (HEAD + b"=cmd|' /C calc'!A0,1,2\n", [("=cmd|' /C calc'!A0", 1.0, 2.0)]),
    "powers of ten": (HEAD + b"a,1e0,2E0\n", GOOD),
    "plus signs": (HEAD + b"a,+1,+2\n", GOOD),
    "another minus": (HEAD + "a,−33.9,18.4\n".encode(), [("a", -33.9, 18.4)]),
    "minutes": (HEAD + "a,33°54'S,18°24'E\n".encode(), [("a", -33.9, 18.4)]),
    "decimal commas": (b"id;lat;lon\na;-33,9;18,4\n", [("a", -33.9, 18.4)]),
    "decimal commas in quotes": (HEAD + b'a,"-33,9","18,4"\n', [("a", -33.9, 18.4)]),
    "Arabic digits": (HEAD + "a,٤٨٫٨٥,٢٫٣٥\n".encode(), [("a", 48.85, 2.35)]),
    "wide digits": (HEAD + "a,４８．８５,２．３５\n".encode(), [("a", 48.85, 2.35)]),
    "a space that does not break": (HEAD + "a,\u00a048.85,2.35\u00a0\n".encode(), [("a", 48.85, 2.35)]),
    "degree signs": (HEAD + "a,48.85°,2.35°\n".encode(), [("a", 48.85, 2.35)]),
    "hemispheres": (HEAD + b"a,33.9S,18.4E\n", [("a", -33.9, 18.4)]),
    "hemispheres in columns of their own": (
        b"id,lat,lat_ref,lon,lon_ref\na,33.9,S,18.4,E\nb,-33.9,S,18.4,E\nc,-33.9,N,18.4,E\nd,33.9,,18.4,\n",
        [("a", -33.9, 18.4), ("b", -33.9, 18.4), ("c", math.nan, math.nan), ("d", 33.9, 18.4)],
    ),
    "hemispheres as EXIF has them": (
        b"SourceFile,GPSLatitude,GPSLatitudeRef,GPSLongitude,GPSLongitudeRef\na,33.9,South,18.4,West\n"
        b'b,"33 deg 54\' 0.00"" S",South,"18 deg 24\' 0.00"" W",West\n',
        [("a", -33.9, -18.4), ("b", -33.9, -18.4)],
    ),
    "hemispheres by their letters alone": (b"id,lat,NS,lon,EW\na,33.9,S,18.4,W\n", [("a", -33.9, -18.4)]),
    "signs in words": (HEAD + b"a,minus 33.9,18.4\n", [("a", -33.9, 18.4)]),
    "numbers that a spreadsheet, or another unit, made others of": (
        HEAD + b"a,48.May,Feb 35\nb,33.9-,18.4\nc,0.85 rad,0.04 rad\nd,S33.9,O18.4\n",
        [(name, math.nan, math.nan) for name in "abcd"],
    ),
    "nothing, in eight words": (
        HEAD + b"a,,\nb,nan,NaN\nc,None,null\nd,N/A,#N/A\ne,-,-\n",
        [(name, math.nan, math.nan) for name in "abcde"],
    ),
    "no numbers": (
        HEAD
        + b'a,0x10,2\nb,1_0,2\nc,"1,234.5",2\nd,48%,2%\ne,True,False\nf,inf,1\ng,1,1e309\nh,-33.9S,18\ni,48.85.1,2\n',
        [(name, math.nan, math.nan) for name in "abcdefghi"],
    ),
    "no point on Earth": (
        HEAD + b'a,116.4,39.9\nb,91,200\nc,4885,235\nd,5,\ne,"48.85, 2.35",\nf,18.4E,33.9S\ng,48856600,2352200\n',
        [(name, math.nan, math.nan) for name in "abcdefg"],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_odd_tables_lose_no_good_row(tmp_path, name):
    content, expected = TABLES[name]
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    found = rows.read_predictions(path)
    assert found.frame.id.tolist() == [line[0] for line in expected]
    for line, row in zip(expected, found.frame.itertuples()):
        assert (row.lat, row.lon) == pytest.approx(line[1:], nan_ok=True)
        assert bool(row.problem) <= math.isnan(row.lat)


# content, and what is said (the file's name stands before it)
REFUSED = {
    "UTF-16": ("id,lat,lon\na,1,2\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
    "UTF-16 without its mark": ("id,lat,lon\na,1,2\n".encode("utf-16-le"), "is no text"),
    "Latin-1": (HEAD + b"\xe9,1,2\n", "row 2: byte 0xe9 is not UTF-8"),
    "GBK": (HEAD + "巴黎,1,2\n".encode("gbk"), "row 2: byte 0xb0 is not UTF-8"),
    "a surrogate": (HEAD + b"a,1,2\n\xed\xa0\x80,1,2\n", "row 3: byte 0xed is not UTF-8"),
    "an archive": (b"PK\x03\x04\x00\x00", "is no text"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00", "row 1: byte 0x89"),
    "a web page": (b"<html><table><tr><td>id</td></tr></table>", "no column holds an answer"),
    "JSON": (b'[{"id":"a","lat":1,"lon":2}]', "is JSON and no CSV"),
    "JSON lines": (b'{"id":"a","lat":1}\n{"id":"b","lat":1}\n', "lines=True"),
    "a remark above the header": (b"# made by x\nid,lat,lon\na,1,2\n", "row 2: broken line: 3 fields"),
    "gzip, cut": (gzip.compress(HEAD + b"a,1,2\n")[:20], "is a damaged gzip file"),
    "gzip of gzip": (gzip.compress(gzip.compress(HEAD)), "is no text"),
    "gzip of nothing": (gzip.compress(b""), "is empty"),
    "a gzip bomb": (gzip.compress(bytes(70_000_000)), "unpacks to over 200 times its size"),
    "no id": (b"lat,lon\n1,2\n", "rename one of lat, lon to id"),
    "a latitude alone": (b"id,lat\na,1\n", "no column holds an answer"),
    "no rows": (HEAD, "has a header and no rows"),
    "broken rows alone": (HEAD + b"a,1\nb\n", "no row can be read; row 2: broken line"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_one_sentence(tmp_path, name):
    content, said = REFUSED[name]
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        rows.read_predictions(path)
    assert "p.csv" in str(error.value) and said in str(error.value) and "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_column_that_is_there_twice_is_said(tmp_path):
    (tmp_path / "p.csv").write_bytes(b"id,lat,lat,lon\na,1,5,2\n")
    assert rows.read_predictions(tmp_path / "p.csv").report.notes == (
        "p.csv: column lat is there more than once; the first is used",
    )


# --- things that are no text, no number, no moment ----------------------------------------------------------------

NO_TEXT = [None, b"x", 3, 3.5, math.nan, math.inf, True, [], ["Paris"], {}, {"a": 1}, frozenset()]


@pytest.mark.parametrize("thing", NO_TEXT, ids=repr)
def test_names_that_are_none_are_not_found_and_earn_nothing(thing):
    assert atlas.geocode(thing, "France") is atlas.country_code(thing) is atlas.country_of(thing) is None
    assert atlas.ambiguous(thing) == () and not atlas.in_country(thing, "FR") and atlas.countries_with(thing) == set()
    assert (
        thing is None or atlas.geocode("Paris", thing) is atlas.geocode("Paris", "FR", thing) is None or thing in ("",)
    )
    for mode in ("paper", "released"):
        assert rewards.place(thing, "FR", "Paris", mode).total == 0
        assert rewards.place("country: France\ncity: Paris", thing, "Paris", mode).total == 0
        assert rewards.place("country: France\ncity: Paris", "FR", thing, mode).total == 0.2
        assert rewards.format(thing, mode) == rewards.repetition(thing, mode) == 0
    with pytest.raises(ValueError, match="ISO 3166|choose one of|must be"):
        atlas.country_name(thing)


NOON = "2024-01-01T12:00Z"
NOWHERE = [
    ((91, 0, NOON), "swapped: try"),
    ((math.nan, 0, NOON), "a coordinate is missing"),
    ((None, 0, NOON), "a coordinate is missing"),
    ((math.inf, 0, NOON), "latitude runs from"),
    (("x", 0, NOON), "must be numbers"),
    ((0j, 0, NOON), "must be numbers"),
    (([[0]], [[0]], NOON), r"use .ravel\(\)"),
    ((0, 0, "soon"), "not an ISO 8601 moment"),
    ((0, 0, ""), "not an ISO 8601 moment"),
    ((0, 0, "2024-13-01T00:00Z"), "not an ISO 8601 moment"),
    ((0, 0, "2024-01-01"), "has no time zone"),
    ((0, 0, None), "must be an ISO 8601 string"),
    ((0, 0, 5), "must be an ISO 8601 string"),
]


@pytest.mark.parametrize(("asked", "said"), NOWHERE, ids=repr)
def test_where_and_when_are_said_to_be_none(asked, said):
    with pytest.raises(ValueError, match=said):
        atlas.describe(*asked)


PROFILES = [
    ("rl_steps", 0), ("rl_steps", -1), ("rl_steps", 1.5), ("rl_steps", "x"), ("rl_steps", None), ("rl_steps", True),
    ("k", 1), ("k", 27), ("k", 5.0), ("learning_rate", math.nan), ("learning_rate", math.inf),
    ("learning_rate", "1e-6"), ("beta", math.inf), ("temperature", 0), ("top_k", -1), ("sft_warmup", 5.0),
    ("sft_warmup", math.nan),
    ("adam_betas", (2, 2)), ("adam_betas", (0.9,)), ("reward_weights", (1,)), ("reward_weights", (math.nan, 0, 0, 0)),
    ("panorama_px", (1,)), ("panorama_px", (0, 64)), ("tile_px", 0), ("tile_px", 48.0), ("freeze_vision", "yes"),
    ("source", None), ("model", 3), ("reward_mode", "x"), ("precision", "fp8"), ("negatives", "x"), ("seeds", ()),
    ("seeds", 5), ("seeds", "012"), ("seeds", (1.5,)), ("seeds", (-1,)), ("adam_betas", None), ("adam_betas", "ab"),
    ("sft_adam_betas", 0.9), ("reward_weights", "abcd"), ("reward_weights", (1, 1, 1, None)),
    ("reward_weights", (1, 1, 1, math.inf)), ("panorama_px", None), ("panorama_px", ("32", "128")),
    ("panorama_px", (32.0, 128.0)),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), PROFILES, ids=repr)
def test_a_setting_that_is_none_names_its_field(field, value):
    with pytest.raises(ValueError, match=f"profile 'mini': {field}"):
        dataclasses.replace(Profile.get("mini"), **{field: value})


# --- checkpoints --------------------------------------------------------------------------------------------------

CHECKPOINTS = [
    ({}, "config.json is missing"),
    ({"config.json": b"", "model.safetensors": b""}, "cannot load"),
    ({"config.json": b"{", "model.safetensors": b""}, "cannot load"),
    ({"config.json": b"null", "model.safetensors": b""}, "cannot load"),
    ({"config.json": b"[]", "model.safetensors": b""}, "cannot load"),
    ({"config.json": b'"x"', "model.safetensors": b""}, "cannot load"),
    ({"config.json": b"\xff\xfe", "model.safetensors": b""}, "cannot load"),
    ({"config.json": b'{"model_type": "nope"}', "model.safetensors": b""}, "cannot load"),
    ({"config.json": b'{"model_type": 5}', "model.safetensors": b""}, "cannot load"),
    (
        {
            "config.json": b'{"model_type": "qwen2_5_vl", "auto_map": {"AutoConfig": "x.Y"}}',
            "x.py": b"1/0",
            "model.safetensors": b"",
        },
        "cannot load",
    ),
    ({"config.json": b"{}", "SHA256SUMS": b""}, "is empty; restore it"),
    ({"config.json": b"{}", "SHA256SUMS": b"zz"}, "is damaged"),
    ({"config.json": b"{}", "SHA256SUMS": b"\xff\xfe"}, "is damaged"),
    ({"config.json": b"{}", "SHA256SUMS": b"0  config.json\n"}, "is damaged"),
    ({"config.json": b"{}", "SHA256SUMS": b"0  ../x\n"}, "is missing"),
]


@pytest.mark.parametrize(("content", "said"), CHECKPOINTS, ids=repr)
def test_a_folder_that_is_no_checkpoint_is_one_sentence(tmp_path, content, said):
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(policy.CheckpointError, match=said) as error:
        policy.load(tmp_path)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b""), ("model.safetensors", b"null"), ("model.safetensors", b"\0\xff" * 50),
        ("tokenizer.json", b"null"), ("tokenizer.json", b"{"), ("tokenizer_config.json", b"null"),
        ("generation_config.json", b"null"), ("processor_config.json", b"null"), ("config.json", b"{}"),
    ],
)  # fmt: skip
def test_a_checkpoint_with_a_damaged_file_is_one_sentence(tmp_path, name, content):
    folder = shutil.copytree(SHIPPED, tmp_path / "p", ignore=shutil.ignore_patterns("SHA256SUMS", name))
    (folder / name).write_bytes(content)
    with pytest.raises(policy.CheckpointError, match="cannot load the checkpoint .*restore its files") as error:
        policy.load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["../there/is/none", "/none", "a/b/c", "a b", "", "https://x/y", "~/x", "a\0b", "x" * 300 + "/" + "y"]
)
def test_a_model_that_is_nowhere_is_one_sentence(name):
    with pytest.raises(policy.CheckpointError) as error:
        hub.folder(name)
    assert "\n" not in str(error.value) and "Repo id" not in str(error.value)


# --- options that would be ignored --------------------------------------------------------------------------------


def test_what_a_teacher_or_a_sample_cannot_use_is_refused():
    with pytest.raises(ValueError, match="the teacher 'local' has no base_url"):
        engine.teacher("local", "m", "http://x")
    with pytest.raises(ValueError, match="one row at least, got 0"):
        pairs.sample(pairs.load("world", "test"), 0)
