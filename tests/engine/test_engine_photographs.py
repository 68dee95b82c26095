"""The data engine on CV-Cities, which has no times and whose pictures nobody looks at unless the teacher does."""

import base64
import io
import json
import math
import re

import numpy as np
import pytest
from chat_server import Server, completion
from PIL import Image
from test_engine_teachers import GOOD

from georeplicate import atlas, engine, pairs
from georeplicate.engine import teachers
from georeplicate.mini import cities
from georeplicate.model import server as chat
from georeplicate.tasks import prompts

pytestmark = pytest.mark.filterwarnings("ignore:cv-cities")
TIMELESS = [
    atlas.describe([lat], [lon], [atlas.NOON]).without_moment([True])[0]
    for lat, lon in ((41.4, 2.17), (-33.9, 18.42), (1.35, 103.82))
]
MOMENT = (
    r"It is (?:spring|summer|autumn|winter|the )|month|taken in [A-Z]\w+\.|which means|season\b|shadow|date|almanac"
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return cities.make(tmp_path_factory.mktemp("made") / "cv-cities", 2, ("paris", "tokyo", "singapore"))


def run(command, tree, out, *words):
    return command("engine", "--root", tree, "--out", out, *words)


def test_without_a_moment_the_facts_of_the_place_stay_and_nothing_takes_the_place_of_the_others():
    dated = atlas.describe([41.4, 1.35], [2.17, 103.82], ["2024-06-21T12:00:00Z"] * 2)
    half = dated.without_moment([True, False])
    assert half[1] == dated[1] and half[0].when is None and half[0].season == ""
    assert math.isnan(half[0].sun_azimuth_deg) and math.isnan(half[0].temperature_c) and half[0].valid
    assert (half[0].country, half[0].climate, half[0].elevation_m) == ("ES", dated[0].climate, dated[0].elevation_m)


def test_cv_cities_become_records_that_keep_their_pictures_and_claim_nothing_of_a_moment(tree, tmp_path, command):
    for split, countries in (("train", ["FR", "FR", "JP", "JP"]), ("test", ["SG", "SG"])):
        code, printed, _ = run(command, tree, tmp_path / split, "--split", split)
        assert code == 0 and f"{len(countries)} records accepted, 0 rejected" in printed
        made = engine.load(tmp_path / split)
        assert sorted(made["country"]) == countries and set(made["taken_at"]) == {""}
        assert all((tree / path).is_file() for paths in made["image"] for path in paths)
        assert [path.split("/")[1] for path in made["image"][0]] == ["pano_images", "sat_images"]
        for text in made["completion"]:
            assert not re.search(MOMENT, text) and "by the atlas" in text.lower() or "atlas" in text
    card = (tmp_path / "train" / "README.md").read_text()
    assert "without a moment, so without sun, season and month: 4" in card and "the teacher saw no picture" in card


@pytest.mark.parametrize("seed", range(12))
def test_what_the_template_says_of_an_unseen_photograph_is_marked_and_true(seed):
    for facts in TIMELESS:
        text = engine.Template(unseen=True).write(facts, rng=np.random.default_rng(seed))
        assert not re.search(MOMENT, text), text
        cues, evidence, *_ = (line.partition(": ")[2] for line in text.splitlines())
        assert all(re.search("atlas|almanac", sentence) for sentence in cues.rstrip(".").split(". ")), cues
        assert re.search("map|atlas", evidence) and not re.search("signs? (?:is|are)|on the signs|I see", text)
        assert engine.check(text, facts).ok and any(
            c.kind == "country" and c.true for c in engine.check(text, facts).claims
        )


def test_what_needs_a_moment_is_neither_true_nor_false_without_one():
    facts = TIMELESS[0]
    said = "The sun stands low in the east, it is winter, and shadows fall to the west. The noon sun is in the south. "
    verdicts = {(c.kind, c.quote): c.true for c in engine.check(said + "So this is Barcelona, Spain.", facts).claims}
    assert [true for (kind, _), true in verdicts.items() if kind in ("sun", "season")] == [None, None, None, True]
    assert engine.check("see sun-north script-latin know winter so Spain", facts).ok
    told = teachers.facts_in_words(engine.Site("a", facts))
    assert not told.keys() & {"date", "season", "sun"} and told["country"] == "Spain" and "nan" not in str(told)
    with pytest.raises(ValueError, match="the terse register has no words"):
        engine.Template("terse", unseen=True)


def test_a_teacher_that_looks_is_shown_both_views_small_and_upright(tree, tmp_path):
    rows = engine.rows(pairs.load("cv-cities", "test", tree), tree, {"panorama": (32, 64), "aerial": (48, 48)})
    with Server(completion(GOOD.replace("Lyon, France", "Singapore"))) as server:
        told = engine.OpenAI(server.url, "toy", cache=tmp_path / "cache", api_key="")
        engine.build(rows, tmp_path / "out", told)
    *pictures, words = server.seen[0][2]["messages"][0]["content"]
    shown = [base64.b64decode(one["image_url"]["url"].partition(",")[2]) for one in pictures]
    assert [Image.open(io.BytesIO(one)).size for one in shown] == [(64, 32), (48, 48)]
    assert "You see a photo" in words["text"] and "sun" not in words["text"] and "date" not in words["text"]
    assert "You see no photo" in prompts.ask_for_chain_of_thought({}, "country: France", seen=False)


def test_a_bad_server_costs_rows_not_the_run_and_the_next_call_asks_for_none_twice(
    tree, tmp_path, command, monkeypatch
):
    """Time-out, 429, cut JSON, nonsense, a lie, then good answers; the table of rejections names each."""
    monkeypatch.setattr(chat.tenacity.nap.time, "sleep", lambda _: None)
    monkeypatch.setattr(chat.Chat.__init__, "__kwdefaults__", chat.Chat.__init__.__kwdefaults__ | {
        "attempts": 2, "concurrency": 1, "timeout_s": 0.5, "api_key": ""
    })  # fmt: skip
    with Server(completion(GOOD)) as server:
        truth = GOOD.replace(
            "Plane trees line the street. From above the two rivers should be seen. An oceanic climate fits. ", ""
        )
        truth = truth.replace(
            "The plates are French and cars drive on the right. ", "One sees a street, a house and a tree. "
        )
        here = {"Paris": "Paris, France", "Tokyo": "Tokyo, Japan"}

        def good(body):
            city = next(name for name in here if name in json.dumps(body))
            return completion(truth.replace("Lyon, France", here[city]))

        silent = server.once_seen(2, (503, b"", {}))
        replies = [silent, (429, b"", {"Retry-After": "9"}), (200, b'{"choices": [{"mess', {}), (200, b"<html>", {})]
        server.replies = [*replies, completion(truth.replace("Lyon, France", "Lima, Peru")), good]
        words = ("--teacher", "openai", "--model", "toy", "--base-url", server.url)
        code, printed, _ = run(command, tree, tmp_path / "out", *words)
        assert code == 0 and "1 records accepted, 3 rejected" in printed
        card = (tmp_path / "out" / "README.md").read_text()
        for reason in ("answered 429 (2 attempts)", "not a chat completion", "false place"):
            assert reason in card
        asked = len(server.seen)
        assert run(command, tree, tmp_path / "out", *words)[0] == 0 and len(server.seen) == asked
    assert engine.load(tmp_path / "out")["image"][0][0].startswith("tokyo/pano_images/")


def test_a_picture_that_cannot_be_read_rejects_its_row_alone(tree, tmp_path):
    places = pairs.load("cv-cities", "train", tree)
    rows = [row | {"panorama": Image.new("RGB", (8, 8))} for row in engine.rows(places, tree)]

    def broken():
        raise OSError("image file is truncated")

    rows[1]["panorama"] = broken

    class Looks:
        name, in_processes, sees = "looks", False, True

        def think(self, sites, seed=0):
            assert all(len(site.images) == 1 for site in sites)
            return [
                f"A street with houses on both sides. This is {site.city}, {site.facts.country_name}." for site in sites
            ]

    made = engine.build(rows, tmp_path / "out", Looks())
    assert engine.load(made, "rejected")["reason"] == ["metadata: a picture cannot be read (OSError)"]
    assert len(engine.load(made)) == 3


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("--teacher", "oracle"), "unknown teacher 'oracle': choose one of template, local, openai"),
        (("--teacher", "openai"), "needs a model, a base_url and a cache folder"),
        (("--teacher", "local"), "'local' needs a model"),
        (("--teacher", "template", "--model", "x"), "has no model: leave 'x' out"),
        (("--teacher", "local", "--model", "x", "--base-url", "http://y"), "has no base_url: leave"),
    ],
)
def test_a_teacher_that_cannot_be_had_is_one_sentence(tree, tmp_path, command, words, sentence):
    code, _, error = run(command, tree, tmp_path / "out", *words)
    assert code == 1 and sentence in error and error.count("\n") == 1


def test_the_tree_is_cv_cities_and_is_made_once(tree):
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*.jpg")}
    assert cities.make(tree, 2, ("paris", "tokyo", "singapore")) == tree
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*.jpg")} == before and len(before) == 12
    first = (tree / "tokyo" / "img_info.csv").read_text().splitlines()[0].split(",")
    assert (
        len(first) == 6 and float(first[1]) > 139 and float(first[2]) < 36 and first[5].startswith("tokyo/pano_images/")
    )
    with pytest.raises(ValueError, match="another CV-Cities tree"):
        cities.make(tree, 3)
    with pytest.raises(ValueError, match="has no 'atlantis'"):
        cities.make(tree / "new", 1, ("atlantis",))
