"""From answers to rows: what is right, what is said while thinking, what is read again from the file."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from toy import SHAPE

from georeplicate import world
from georeplicate.evaluation import predict, trivial
from georeplicate.evaluation.faithfulness import faithful
from georeplicate.evaluation.predictors import VLM
from georeplicate.mini import base, baselines, tasks, tiny, wording
from georeplicate.mini.wording import WORDING
from georeplicate.model import policy as policies
from georeplicate.model.policy import Answers
from georeplicate.profiles import Profile

TRUE = tuple(next(iter(values.values())) for values in WORDING.words.values())  # broadleaf green-growth red-soil ...
SAID = [TRUE, ("conifers", *TRUE[1:]), TRUE]  # the place, tile A, tile B


class Saying:
    """A policy that gives these answers, in order."""

    def __init__(self, *texts: str):
        self.texts = list(texts)

    def generate(self, rows, **options) -> Answers:
        said, self.texts = self.texts[: len(rows)], self.texts[len(rows) :]
        return Answers([[[0]]] * len(said), said, [len(text.split()) for text in said], [True] * len(said))


# --- who answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "device, precision, dtype",
    [
        ("cpu", "auto", "auto"),
        ("cpu", "bf16", "auto"),
        ("cuda", "auto", torch.bfloat16),
        ("cuda:1", "bf16", torch.bfloat16),
        ("cuda", "fp32", "auto"),
    ],
)
def test_a_policy_is_evaluated_in_bf16_on_a_gpu_and_as_it_is_stored_on_a_cpu(device, precision, dtype, monkeypatch):
    """Those trained whole are stored in fp32, and their bases are published in bf16."""
    given = {}
    monkeypatch.setattr(policies, "device", lambda: device)
    monkeypatch.setattr(policies, "load", lambda path, **options: given.update(options, path=path) or "opened")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    profile = replace(Profile.get("paper"), precision=precision)
    answers = VLM.of("policy", profile)
    assert given == {"path": "policy", "dtype": dtype, "device": device}
    assert (answers.policy, answers.max_new_tokens, answers.batch_size) == ("opened", 2048, 16)
    assert VLM.of("policy", Profile.get("mini")).batch_size == 64


def test_a_gpu_without_bf16_evaluates_weights_as_they_are_stored(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert policies.evaluated_in("auto", "cuda") == "auto"


# --- thinking --------------------------------------------------------------------------------------------------------


def test_a_true_search_is_faithful_in_every_count():
    said = "place broadleaf green-growth A conifers green-growth other B broadleaf green-growth match"
    text = f"<think> {said} </think> <answer> B </answer>"
    assert faithful(text, "B", SAID, WORDING) == {
        "words": 6, "words_true": 6, "verdicts": 2, "verdicts_follow": 2, "answer_follows": 1,
    }  # fmt: skip


def test_words_are_compared_with_the_picture_they_speak_of():
    # "broadleaf" is true of the place and of B, not of A; "conifers" of A alone
    counts = faithful("<think> place conifers A broadleaf B conifers </think>", "A", SAID, WORDING)
    assert (counts["words"], counts["words_true"]) == (3, 0)
    assert counts["verdicts"] == 0 and math.isnan(counts["answer_follows"])


def test_a_verdict_follows_from_the_words_whether_or_not_they_are_true():
    # equal words: match follows, other does not
    text = "<think> place conifers A conifers match B conifers other </think>"
    counts = faithful(text, "A", SAID, WORDING)
    assert (counts["verdicts"], counts["verdicts_follow"]) == (2, 1)


def test_only_words_that_both_sides_were_given_decide_a_verdict():
    equal = faithful("<think> place broadleaf green-growth B broadleaf red-soil match </think>", "B", SAID, WORDING)
    nothing_shared = faithful("<think> place broadleaf B green-growth match </think>", "B", SAID, WORDING)
    assert (equal["verdicts"], equal["verdicts_follow"]) == (1, 1)
    assert nothing_shared["verdicts"] == 0 and nothing_shared["answer_follows"] == 1


def test_the_answer_is_held_against_the_last_match():
    text = "<think> place broadleaf A broadleaf match B broadleaf match </think>"
    assert faithful(text, "B", SAID, WORDING)["answer_follows"] == 1
    assert faithful(text, "A", SAID, WORDING)["answer_follows"] == 0
    assert faithful(text, "", SAID, WORDING)["answer_follows"] == 0


@pytest.mark.parametrize("text", ["", "<think>", "match other", "<think> Z broadleaf match E conifers", "\x00" * 40])
def test_any_text_can_be_counted(text):
    counts = faithful(text, "", SAID, WORDING)
    assert counts["words"] == counts["verdicts"] == 0


# --- answers to rows -------------------------------------------------------------------------------------------------


def test_pairing_rows_say_what_was_right_and_why():
    rows = [{"id": f"x/{i}", "letter": "B", "true_words": SAID} for i in range(2)]
    right = "<think> place broadleaf B broadleaf match </think> <answer> B </answer>"
    table = predict.evaluate(VLM(Saying(right, "no idea"), 9), tasks.pairing(), rows, decoding="greedy")
    assert table.choice.tolist() == ["B", ""] and table.format_ok.tolist() == [True, False]
    assert table.words_true.tolist() == [2, 0] and table.completion_tokens.tolist() == [len(right.split()), 2]


def located(policy, rows, name="geolocation"):
    return predict.evaluate(VLM(policy, 9), tasks.places(lambda split: rows)[name], decoding="greedy")


def place(**more) -> dict:
    return {"id": "fr/x/0", "lat": 48.86, "lon": 2.35, "country": "FR", "seen_country": True} | more


def test_a_place_is_geocoded_and_an_unreadable_answer_is_an_empty_row():
    says = Saying(
        "<answer> country : France city : Paris </answer>",
        "<answer> country : Namibia </answer>",  # a country alone counts at its largest city
        "<think> place",
    )
    table = located(says, [place(pixels=None)] * 3)
    assert table.choice.tolist() == ["FR", "NA", ""]
    assert table.error_km[0] < 10 and 7000 < table.error_km[1] < 8500 and np.isnan(table.error_km[2])


def test_the_aerial_task_shows_the_tile():
    seen = []
    says = SimpleNamespace(generate=lambda rows, **_: seen.extend(rows) or Answers([], ["x"], [1], [True]))
    located(says, [place(pixels="crop", tile_pixels="tile")], "aerial")
    assert seen[0]["pixels"] == "tile" and seen[0]["prompt"] == wording.WHERE


# --- a real policy, untrained ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untrained():
    made = tiny.build(base.vocabulary(), seed=0, **SHAPE)
    with torch.no_grad():
        for weight in made.model.parameters():  # far from uniform, so that answers differ from picture to picture
            if weight.ndim > 1:
                weight.mul_(4.0)
    return made


@pytest.fixture(scope="module")
def places(untrained):
    rng = np.random.default_rng(0)

    def picture(size):
        return untrained.pixels([Image.new("RGB", (size, size), tuple(map(int, rng.integers(0, 256, 3))))])

    return [
        place(id=f"fr/x/{i}", climate="climate-c", cover="broadleaf", pixels=picture(64), tile_pixels=picture(48))
        for i in range(7)
    ]


@pytest.fixture(scope="module")
def questions(untrained, places):
    def join(row):
        parts = [row["pixels"], *[other["tile_pixels"] for other in places[:3]]]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    return [
        {"pixels": join(row), "prompt": wording.PAIR, "letter": "A", "id": row["id"], "true_words": SAID}
        for row in places
    ]


def forced(untrained, rows, name):
    return predict.evaluate(VLM(untrained, 6, batch_size=3), tasks.places(lambda split: rows)[name], decoding="forced")


@torch.no_grad()
@pytest.mark.parametrize("name", ["climate", "ground"])
def test_a_forced_choice_is_the_likeliest_answer(untrained, places, name):
    chosen, task = forced(untrained, places, name), tasks.places(list)[name]
    for row, choice in zip(places, chosen.choice, strict=True):
        likelihood = {  # each answer alone behind its prompt
            word: float(
                untrained.logprobs(
                    [{"pixels": row[task.shown], "prompt": task.wording}],
                    [[untrained.completion_ids(f"<answer> {word} </answer>")]],
                ).sum()
            )
            for word in task.options
        }
        assert choice == max(likelihood, key=likelihood.get)
    assert chosen.choice.nunique() > 1  # else the test would be blind to rows that were mixed up


def test_answers_that_are_no_options_are_refused_and_unknown_ones_left_out(untrained, places):
    with pytest.raises(ValueError, match="Cfb.*climate-a"):
        forced(untrained, [places[0] | {"climate": "Cfb"}], "climate")
    assert len(forced(untrained, [places[0] | {"climate": ""}, places[1]], "climate")) == 1


def test_what_is_sampled_for_a_question_depends_on_no_other(untrained, questions):
    together = predict.evaluate(VLM(untrained, 6), tasks.pairing(), questions, decoding="t1")
    apart = predict.evaluate(VLM(untrained, 6, batch_size=2), tasks.pairing(), questions[::-1], decoding="t1")
    assert together.text.tolist() == apart.text.tolist()[::-1]
    assert together.text.nunique() > 1


def test_all_tasks_are_in_the_table_and_in_the_file(untrained, questions, places, tmp_path):
    found = [tasks.pairing(lambda split: questions), *tasks.places(lambda split: places).values()]
    table = predict.evaluate_all(VLM(untrained, 6), found)
    assert list(table.columns) == predict.COLUMNS
    assert table.groupby(["task", "decoding"]).size().to_dict() == {
        ("aerial", "greedy"): 7, ("climate", "forced"): 7, ("geolocation", "greedy"): 7, ("ground", "forced"): 7,
        ("pairing", "greedy"): 7, ("pairing", "t1"): 7,
    }  # fmt: skip
    table = table.assign(system="mini-test", training_seed=0)
    table.loc[0, "truth"], table.loc[1, "choice"] = "NA", ""  # Namibia, and no answer
    table.to_csv(tmp_path / "predictions.csv", index=False)
    again = predict.read(tmp_path / "predictions.csv")
    assert again.truth[0] == "NA" and again.choice[1] == ""
    assert again.text.tolist() == table.text.tolist()
    pairing = again.task == "pairing"
    assert again.seen_country[pairing].isna().all() and again.seen_country[~pairing].all()
    assert again.error_km[again.task == "geolocation"].tolist() == pytest.approx(
        table.error_km[table.task == "geolocation"].tolist(), nan_ok=True
    )


# --- trivial baselines -----------------------------------------------------------------------------------------------


def test_the_best_constant_is_the_place_that_most_others_are_near():
    sites = world.sites("validation", 1).iloc[:4].copy()
    # three places in a row of 150 km steps, one on the other side of the Earth
    sites["lat"], sites["lon"] = [0.0, 0.0, 0.0, 0.0], [0.0, 1.35, 2.7, 180.0]
    sites["country"], sites["seen_country"] = ["AA", "AA", "BB", "AA"], [False, False, False, True]
    found = trivial.choose(sites, {"climate": "climate-c"}, draws=50, seed=0)
    best = found.constant.set_index(["countries", "measure"])
    assert best.loc[("all", 200), "lon"] == 1.35 and best.loc[("seen", 200), "lon"] == 180.0
    assert best.loc[("all", "country"), "country"] == "AA"
    assert found.commonest["climate"] == "climate-c" and len(found.land) == 50


def test_the_constants_of_a_data_set_are_recorded_with_a_run_and_read_back():
    countries = ["FR", "", "", ""]
    places = pd.DataFrame({"lat": [48.8, 48.9, np.nan, 10], "lon": [2.3, 2.4, np.nan, 10], "country": countries})
    record = json.loads(json.dumps(trivial.to_record(places, "places of toys")))
    found = trivial.recorded(record)
    assert found.chosen_on == "3 places of toys" and set(found.constant.countries) == {"all"}
    best = found.constants()
    assert tuple(best.loc[25, ["lat", "lon"]]) in {(48.8, 2.3), (48.9, 2.4)}
    assert best.loc["country", "country"] == "FR"  # two places without a country are not of one country
    assert trivial.to_record(places.iloc[2:3], "places")["constant"] == []
    assert len(trivial.recorded(None).constants()) == 0 and len(trivial.recorded(None).land) == 2000


def test_trivial_baselines_are_chosen_without_the_test_places():
    constant = baselines.of_world().constant
    validation = world.sites("validation", 1)
    points = set(zip(validation.lat, validation.lon))
    assert set(zip(constant.lat, constant.lon)) <= points
    assert pd.unique(constant.countries).tolist() == ["all", "seen", "unseen"]
