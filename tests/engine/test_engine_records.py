"""Rows into records: nothing lost, the same bytes whatever happens in between, and both file formats there and back."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import bench_engine
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from georeplicate import atlas, engine, files, manifest, world
from georeplicate.engine import records
from georeplicate.tasks import answers, prompts


def rows(n=60, seed=0):
    return list(bench_engine.places(n, seed))


def contents(folder, part="*"):
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).glob(f"{part}/*.parquet")}
    assert found
    return found


class Liar:
    """A teacher that says of every place what is true of Paris, fails for some, and of some says nothing."""

    name, in_processes, sees = "liar", True, False

    def think(self, sites, seed=0):
        texts = [
            "Cars drive on the right and the sun is in the south, so this must be Paris, France.",
            engine.Failure("asleep"),
            "There is a house, and there is a tree, and nothing else to be seen at all.",
        ]
        return [texts[int(site.id[1:]) % 3] for site in sites]


# --- one batch -------------------------------------------------------------------------------------------------------


def test_a_record_is_a_question_with_a_reasoned_answer():
    batch = {
        "id": ["syd"], "lat": [-33.87], "lon": [151.21], "taken_at": ["2024-06-21T02:00:00Z"], "city": ["Sydney"],
        "image": [["syd.jpg", "tile.png"]],
    }  # fmt: skip
    made = engine.records_of(batch, engine.Template())
    assert made["reason"] == [""] and made["image"] == [["syd.jpg", "tile.png"]] and made["country"] == ["AU"]
    place = answers.parse_place(made["completion"][0])
    assert (place.city, place.country_code) == ("Sydney", "AU")
    assert made["prompt"] == [prompts.geolocation()]


def test_what_a_row_says_of_its_pictures_is_spoken_of():
    site = next(world.sites("test", 1).itertuples())
    attributes = engine.Attributes("sand", "blue", "west", "crossroads", "many", "north")
    seen = vars(attributes)
    batch = {"id": [site.id], "lat": [site.lat], "lon": [site.lon], "taken_at": [site.taken_at], "city": [site.city]}
    made = engine.records_of(batch | {name: [value] for name, value in seen.items()}, engine.Template("terse"))
    assert "sand blue-roofs water-west crossroads many-trees houses-north" in made["completion"][0]


def test_every_row_is_accepted_or_rejected_with_a_reason():
    bad = [
        {"id": "p1000", "lat": 91.0, "lon": 0.0, "taken_at": "2024-01-01T00:00:00Z"},
        {"id": "p1001", "lat": None, "lon": 0.0, "taken_at": "2024-01-01T00:00:00Z"},
        {"id": "p1002", "lat": 48.0, "lon": 2.0, "taken_at": "yesterday"},
        {"id": "p1003", "lat": 48.0, "lon": 2.0, "taken_at": None},
        {"id": "p1004", "lat": 0.0, "lon": -30.0, "taken_at": "2024-01-01T00:00:00Z"},
    ]
    everything = rows(30) + bad
    batch = {name: [row[name] for row in everything] for name in records.METADATA}
    made = engine.records_of(batch, Liar())
    assert made["id"] == [row["id"] for row in everything]
    reasons = dict(zip(made["id"], made["reason"]))
    assert all("cannot be read" in reasons[f"p{n}"] for n in range(1000, 1003)) and "no country" in reasons["p1004"]
    assert reasons["p1003"] == "teacher: asleep"  # no moment is no fault
    assert reasons["p0000001"] == "teacher: asleep" and "no conclusion" in reasons["p0000002"]
    assert reasons["p0000000"].startswith("false ") and made["claim"][0]
    assert "" not in made["reason"]


def test_missing_columns_are_named():
    with pytest.raises(engine.EngineError, match="lack taken_at"):
        engine.records_of({"id": ["a"], "lat": [1.0], "lon": [2.0]}, engine.Template())


def test_facts_of_a_batch_are_the_atlas():
    batch = {name: [row[name] for row in rows(20)] for name in records.METADATA}
    batch["lat"][3] = 95.0
    columns = engine.facts_of(batch)
    facts = atlas.describe(batch["lat"], batch["lon"], batch["taken_at"])
    assert columns["valid"].tolist() == [i != 3 for i in range(20)]
    np.testing.assert_array_equal(columns["elevation_m"], facts.elevation_m)
    assert columns["country"].tolist() == facts.country.tolist()
    assert columns["languages"][0] == " ".join(facts.languages[0])


# --- whole runs ------------------------------------------------------------------------------------------------------


def test_metadata_that_name_another_country_are_rejected():
    """Paris said to lie in Germany, by code and by name; France by any of its names passes."""
    place = {"lat": 48.8566, "lon": 2.3522, "taken_at": "2024-01-01T00:00:00Z", "city": "Paris"}
    said = ("DE", "Deutschland", "FR", "France", "", None)
    batch = {
        name: [{**place, "id": str(i), "country": c}.get(name) for i, c in enumerate(said)] for name in records.METADATA
    }
    batch["country"] = list(said)
    reasons = engine.records_of(batch, engine.Template())["reason"]
    assert [("country named" in r) for r in reasons] == [True, True, False, False, False, False]


class Sees:
    """A teacher that is shown the pictures."""

    name, in_processes, sees = "sees", False, True

    def think(self, sites, seed=0):
        self.sites = sites
        return ["France, by its roofs."] * len(sites)


PARIS = {"id": "a", "lat": 48.8566, "lon": 2.3522, "taken_at": "2024-01-01T00:00:00Z"}


def made_of(**cells):
    made = engine.records_of({name: [value] for name, value in (PARIS | cells).items()}, Sees())
    return {name: values[0] for name, values in made.items()}


@pytest.mark.parametrize("nothing", [None, "", np.nan, pd.NA, pd.NaT], ids=repr)
def test_an_empty_cell_of_a_table_says_nothing(nothing):
    made = made_of(city=nothing, country=nothing, image=nothing, panorama=nothing, taken_at=nothing)
    assert (made["reason"], made["city"], made["image"], made["taken_at"]) == ("", "", [], "")
    assert answers.parse_place(made["completion"]).city.startswith("Paris")
    assert made_of(lat=nothing)["reason"].startswith("metadata: the coordinate")


@pytest.mark.parametrize("mode", ["CMYK", "F", "I;16", "LAB", "RGBA", "1", "La"])
def test_a_picture_of_any_mode_is_shown(mode):
    assert made_of(panorama=Image.new(mode, (8, 8)))["reason"] == ""


def test_pictures_may_be_paths_and_what_is_none_rejects_its_row(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert made_of(panorama=str(tmp_path / "a.png"), image=tmp_path / "a.png")["image"] == [str(tmp_path / "a.png")]
    for picture in ("none.png", tmp_path, 5, {}, {"bytes": None, "path": None}, np.zeros((8, 8, 3)), lambda: {}["x"]):
        assert made_of(panorama=picture)["reason"].startswith("metadata: a picture cannot be read")


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        ([], {}, "there is no row"),
        ([PARIS], {"shard": 0}, "a shard is 1 or more, got 0"),
        ([PARIS], {"num_proc": 0}, "a num_proc is 1 or more"),
        ([PARIS], {"seed": None}, "a seed is 0 or more, got None"),
        ([("a", 1, 2, None)], {}, "is no row: each is a mapping"),
        (PARIS, {}, "'id' is no row"),
        ([PARIS | {"id": "a\udce9"}], {}, "ids are UTF-8"),
    ],
)
def test_what_is_no_input_of_a_run_is_refused(tmp_path, given, options, said):
    with pytest.raises(engine.EngineError, match=said):
        engine.build(given, tmp_path, engine.Template(), **options)


@pytest.mark.parametrize("name", ["settings.json", "accepted/00000.parquet", "rejected/00000.parquet"])
@pytest.mark.parametrize("content", [b"", b"PAR1{", b"\xff\xfe"])
def test_a_damaged_file_of_a_run_is_named(tmp_path, name, content):
    engine.build([PARIS], tmp_path, engine.Template())
    (tmp_path / "manifest.json").unlink()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(engine.EngineError, match=f"{name} is damaged .*; delete"):
        engine.build([PARIS], tmp_path, engine.Template())


def test_accepted_and_rejected_add_up_and_the_card_says_so(tmp_path):
    mixed = rows(40) + [{"id": "sea", "lat": 0.0, "lon": -30.0, "taken_at": "2024-01-01T00:00:00Z"}]
    engine.build(mixed, tmp_path, engine.Template(), shard=16)
    good, bad = engine.load(tmp_path), engine.load(tmp_path, "rejected")
    assert sorted([*good["id"], *bad["id"]]) == sorted(row["id"] for row in mixed)
    found = manifest.read(tmp_path)
    assert (found["accepted"], found["rejected"]) == (len(good), len(bad))
    card = (tmp_path / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["configs"][0]["data_files"][0]["path"] == "accepted/*.parquet"
    assert f"rows 41: accepted {len(good)}, rejected {len(bad)}" in card
    assert "| metadata: no country there" in card
    for row in good:
        assert answers.parse_place(row["completion"]).country_code == row["country"]


def test_word_statistics_of_the_card_are_right(tmp_path):
    engine.build(rows(30), tmp_path, engine.Template("terse"))
    thoughts = [c.split("<think>")[1].split("</think>")[0].split() for c in engine.load(tmp_path)["completion"]]
    median = sorted(map(len, thoughts))[(len(thoughts) + 1) // 2 - 1]
    different = {word.lower() for thought in thoughts for word in thought}
    card = (tmp_path / "README.md").read_text()
    assert f"median {median}," in card and f"different words: {len(different)}" in card


def test_datasets_reads_the_shards_by_itself(tmp_path):
    from datasets import load_dataset

    engine.build(rows(20), tmp_path / "run", engine.Template(), shard=8)
    parquet = str(tmp_path / "run" / "accepted" / "*.parquet")
    read = load_dataset("parquet", data_files=parquet, split="train", cache_dir=str(tmp_path / "cache"))
    assert read["id"][:] == engine.load(tmp_path / "run")["id"][:]


def test_same_seed_same_bytes_and_another_seed_other_words(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        engine.build(rows(), tmp_path / name, engine.Template(), seed=seed, shard=25)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a", "accepted") != contents(tmp_path / "c", "accepted")


def test_a_record_does_not_depend_on_its_neighbours(tmp_path):
    engine.build(rows(), tmp_path / "a", engine.Template(), shard=25)
    engine.build(rows()[::-1], tmp_path / "b", engine.Template(), shard=7)
    one, two = ({row["id"]: row for row in engine.load(tmp_path / name)} for name in "ab")
    assert one == two


def test_two_processes_write_what_one_writes(tmp_path):
    for name, processes in (("one", 1), ("two", 2)):
        engine.build(rows(), tmp_path / name, engine.Template(), shard=30, num_proc=processes)
        engine.build_facts(rows(), tmp_path / f"{name}f", shard=40, num_proc=processes)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "onef") == contents(tmp_path / "twof")


def test_a_killed_run_goes_on_and_ends_the_same(tmp_path):
    class Killed(BaseException):
        pass

    class Mortal(engine.Template):
        calls = 0

        def think(self, sites, seed=0):
            Mortal.calls += 1
            if Mortal.calls == 3:
                raise Killed
            return super().think(sites, seed)

    engine.build(rows(), tmp_path / "whole", engine.Template(), shard=12)
    with pytest.raises(Killed):
        engine.build(rows(), tmp_path / "torn", Mortal(), shard=12)
    assert not (tmp_path / "torn" / "manifest.json").exists()
    done = contents(tmp_path / "torn", "accepted")
    assert len(done) == 2
    with pytest.raises(files.FileError, match="no finished run"):
        engine.load(tmp_path / "torn")
    Mortal.calls = 10
    engine.build(rows(), tmp_path / "torn", Mortal(), shard=12)
    assert Mortal.calls == 13, "finished shards were made again"
    assert contents(tmp_path / "torn") == contents(tmp_path / "whole")


def test_a_finished_run_is_left_alone(tmp_path):
    engine.build(rows(20), tmp_path, engine.Template())
    before = (tmp_path / "manifest.json").read_bytes()
    engine.build(rows(20), tmp_path, engine.Template())
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_other_rows_or_settings_in_the_same_folder_are_refused(tmp_path):
    engine.build(rows(40), tmp_path, engine.Template(), shard=10)
    with pytest.raises(engine.EngineError, match="other settings"):
        engine.build(rows(40), tmp_path, engine.Template(), seed=1, shard=10)
    with pytest.raises(engine.EngineError, match="other settings"):
        engine.build(rows(40), tmp_path, engine.Template("terse"), shard=10)
    with pytest.raises(engine.EngineError, match="made from other rows"):
        engine.build(rows(40, seed=1), tmp_path, engine.Template(), shard=10)
    with pytest.raises(engine.EngineError, match="made from more rows"):
        engine.build(rows(40)[:20], tmp_path, engine.Template(), shard=10)


def test_a_shard_of_another_program_is_refused(tmp_path):
    engine.build(rows(10), tmp_path, engine.Template(), shard=10)
    (shard,) = (tmp_path / "accepted").iterdir()
    pq.write_table(pq.read_table(shard).replace_schema_metadata(None), shard)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(engine.EngineError, match="made from other rows"):
        engine.build(rows(10), tmp_path, engine.Template(), shard=10)


def test_a_row_without_a_picture_has_none(tmp_path):
    given = [row | {"image": image} for row, image in zip(rows(3), (None, "a.jpg", ["b.jpg", "c.jpg"]), strict=True)]
    out = engine.build(given, tmp_path, engine.Template())
    tables = [pq.read_table(path) for path in out.rglob("*.parquet")]
    found = {row["id"]: row["image"] for table in tables for row in table.to_pylist()}
    assert sorted(found.values()) == [[], ["a.jpg"], ["b.jpg", "c.jpg"]]


def test_double_ids_and_uneven_rows_are_refused(tmp_path):
    with pytest.raises(engine.EngineError, match="two rows have the id 'p0000001'"):
        engine.build([*rows(10), rows(2)[1]], tmp_path / "a", engine.Template(), shard=5)
    with pytest.raises(engine.EngineError, match="has the columns"):
        engine.build([*rows(3), {"id": "x"}], tmp_path / "b", engine.Template())


def test_a_teacher_with_a_budget_stays_in_one_process(tmp_path):
    teacher = engine.OpenAI("http://127.0.0.1:9/v1", "toy", cache=tmp_path / "cache")
    with pytest.raises(engine.EngineError, match="num_proc=1"):
        engine.build(rows(4), tmp_path / "out", teacher, num_proc=2)


def test_pairs_of_the_world_become_records_and_only_a_seeing_teacher_gets_the_pictures(tmp_path):
    from georeplicate import pairs

    class Seeing(engine.Template):
        sees = True

        def think(self, sites, seed=0):
            assert all(len(site.images) == 2 and site.images[0].startswith(b"\x89PNG") for site in sites)
            return super().think(sites, seed)

    world_pairs = pairs.load("world", "test", per_region=1, regions=4)
    engine.build(world_pairs, tmp_path / "blind", engine.Template())
    engine.build(world_pairs, tmp_path / "seeing", Seeing())
    made = engine.load(tmp_path / "blind")
    assert made["id"][:] == world_pairs["id"][:] and made["country"][:] == world_pairs["country"][:]
    assert contents(tmp_path / "blind", "accepted") == contents(tmp_path / "seeing", "accepted")


# --- streams ---------------------------------------------------------------------------------------------------------


def test_rows_are_read_as_they_are_needed(tmp_path):
    taken = 0

    def endless():
        nonlocal taken
        for row in bench_engine.places(10**9, block=50):
            taken += 1
            yield row

    stream = records._shards(endless(), tmp_path, "facts", {"shard": 100})
    next(stream), next(stream)
    assert taken == 200


def test_a_streamed_dataset_is_a_source(tmp_path):
    from datasets import IterableDataset

    stream = IterableDataset.from_generator(bench_engine.places, gen_kwargs={"n": 30})
    engine.build(stream, tmp_path / "a", engine.Template())
    engine.build(rows(30), tmp_path / "b", engine.Template())
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("n", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_facts_of_many_places_stay_below_a_gigabyte(n):
    command = [sys.executable, bench_engine.__file__, "facts", str(n)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout.splitlines()[-1])["peak_mb"] < 1000


# --- the official JSONL ----------------------------------------------------------------------------------------------


def test_jsonl_there_and_back(tmp_path):
    with_images = [row | {"image": [f"{row['id']}.jpg"]} for row in rows(12)]
    engine.build(with_images, tmp_path / "run", engine.Template())
    made = engine.load(tmp_path / "run")
    path = engine.write_jsonl(made, tmp_path / "records.jsonl")
    first = json.loads(path.read_text().splitlines()[0])
    assert set(first) == {"id", "image", "conversations"}
    assert [turn["from"] for turn in first["conversations"]] == ["human", "gpt"]
    back = engine.read_jsonl(path)
    assert back.to_list() == made.select_columns(["id", "image", "prompt", "completion"]).to_list()
    again = engine.write_jsonl(back, tmp_path / "again.jsonl")
    assert again.read_bytes() == path.read_bytes()


def test_jsonl_as_the_official_loader_takes_it(tmp_path):
    turns = [{"from": "human", "value": "<image>\nWhich?"}, {"from": "gpt", "value": "<answer> B </answer>"}]
    lines = [
        {"id": 7, "image": "a.jpg", "conversations": turns},
        {"id": "8", "image": ["a.jpg", "b.jpg"], "conversations": turns, "accu_reward_method": "mcq"},
    ]
    path = tmp_path / "official.jsonl"
    path.write_text("\n\n".join(map(json.dumps, lines)))
    one, two = engine.read_jsonl(path)
    assert one == {"id": "7", "image": ["a.jpg"], "prompt": "Which?", "completion": "<answer> B </answer>"}
    assert two["image"] == ["a.jpg", "b.jpg"]


def test_jsonl_with_a_mark_or_in_another_encoding(tmp_path):
    path, line = tmp_path / "a.jsonl", TURNS.format('"a"', '"é"', '"x"')
    path.write_text(line, encoding="utf-8-sig")
    assert engine.read_jsonl(path)["prompt"][:] == ["é"]
    for encoding in ("utf-16", "latin-1"):
        path.write_text(line, encoding=encoding)
        with pytest.raises(engine.EngineError, match=r"a.jsonl is not in UTF-8 .*save it again as UTF-8"):
            engine.read_jsonl(path)


TURNS = '{{"id": 1, "image": {}, "conversations": [{{"from": "human", "value": {}}}, {{"from": "gpt", "value": {}}}]}}'


@pytest.mark.parametrize(
    "line",
    ['{"id": 1', "[]", '{"id": 1, "image": "a"}', '{"id": 1, "image": "a", "conversations": []}',
     '{"id": 1, "image": "a", "conversations": [{"from": "gpt", "value": ""}, {"from": "human", "value": ""}]}',
     TURNS.format('"a"', "null", '"x"'), TURNS.format('"a"', '"x"', '["x"]'), TURNS.format('{"a": 1}', '"x"', '"x"'),
     TURNS.format("[5]", '"x"', '"x"'), TURNS.format('"a"', r'"\ud800"', '"x"'), "[" * 100_000],
    ids=lambda line: line[:60],
)  # fmt: skip
def test_a_line_that_does_not_fit_is_named(line, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text("\n" + line + "\n")
    with pytest.raises(engine.EngineError, match="line 2"):
        engine.read_jsonl(path)


# --- many machines ---------------------------------------------------------------------------------------------------


def test_the_same_map_function_on_ray():
    ray = pytest.importorskip("ray", reason="the extra is not installed: pip install '.[ray]'")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        source = ray.data.from_items(rows(40))
        found = source.map_batches(engine.facts_of, batch_format="numpy", batch_size=16).take_all()
        made = source.map_batches(
            engine.records_of, fn_kwargs={"teacher": engine.Template()}, batch_format="numpy", batch_size=16
        ).take_all()
    finally:
        ray.shutdown()
    batch = {name: [row[name] for row in rows(40)] for name in records.METADATA}
    here = engine.facts_of(batch)
    by_id = {row["id"]: row for row in found}
    assert [by_id[name]["country"] for name in batch["id"]] == here["country"].tolist()
    alone = engine.records_of(batch, engine.Template())
    said = {row["id"]: row["completion"] for row in made}
    assert [said[name] for name in batch["id"]] == alone["completion"]


def test_the_shards_carry_no_time_and_no_path(tmp_path):
    engine.build(itertools.islice(bench_engine.places(8), 8), tmp_path, engine.Template())
    schema = pq.read_schema(tmp_path / "accepted" / "00000.parquet")
    assert set(schema.metadata) == {b"input"}
