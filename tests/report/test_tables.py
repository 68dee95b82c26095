"""Tables from predictions: shares that can be redone by hand, intervals that cover, differences that are paired."""

import re

import fakes
import numpy as np
import pandas as pd
import pytest

from georeplicate import files, geo
from georeplicate.evaluation import predict, statistics
from georeplicate.mini import baselines
from georeplicate.report import tables

TABLE2 = (
    "system stands_for checkpoint benchmark training_seeds n accuracy accuracy_low accuracy_high accuracy_t1 "
    "accuracy_t1_low accuracy_t1_high completion_tokens format_rate"
).split()


@pytest.fixture(scope="module")
def sites():
    return fakes.places()


@pytest.fixture(scope="module")
def p(sites):
    return fakes.predictions(sites)


@pytest.fixture(scope="module")
def rule():
    return baselines.of_world()


def answers(right, *, seeds: int = 1, cities: int = 1, system: str = "x", **columns) -> pd.DataFrame:
    """Rows of one system: right (seeds, questions), questions spread over so many cities."""
    right = np.atleast_2d(right)
    n = right.shape[1]
    ids = [f"aa/city{i % cities}/{i}" for i in range(n)]
    return pd.DataFrame(
        {
            "system": system,
            "task": "pairing",
            "decoding": "greedy",
            "training_seed": np.repeat(np.arange(len(right)), n),
            "id": ids * len(right),
            "truth": "A",
            "choice": np.where(right.ravel(), "A", "B"),
            "benchmark": "toys (synthetic)",
            "chance": 0.2,
        }
        | columns
    )


def right(rows) -> tables.Sample:
    return tables.sample(rows, rows.choice == rows.truth)


# --- intervals -------------------------------------------------------------------------------------------------------


def coverage(cities: int, per_city: int, spread: float, together: bool) -> float:
    """How often the interval holds the truth when the questions of a city are alike."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(120):
        chance = np.repeat(np.clip(0.4 + rng.choice([-spread, spread], cities), 0, 1), per_city)
        rows = answers(rng.random(cities * per_city) < chance)
        rows["id"] = [f"aa/{i // per_city}/{i}" if together else f"{i}" for i in range(len(rows))]
        low, high = right(rows).interval()
        hits += low <= 0.4 <= high
    return hits / 120


def test_a_95_percent_interval_holds_the_truth_about_as_often():
    assert 0.9 <= coverage(150, 1, 0.0, together=False) <= 0.995


def test_questions_of_one_city_count_as_one_piece_of_evidence():
    assert coverage(40, 10, 0.4, together=True) >= 0.88
    assert coverage(40, 10, 0.4, together=False) < 0.75  # what would be claimed if they were taken apart


def test_seeds_that_disagree_widen_the_interval():
    alike = np.tile(np.arange(60) % 10 < 5, (3, 1))
    apart = np.stack([np.arange(60) % 10 < k for k in (1, 5, 9)])
    widths = [np.ptp(right(answers(x)).interval()) for x in (alike, apart)]
    assert right(answers(alike)).value == right(answers(apart)).value == 0.5
    assert widths[1] > 1.5 * widths[0]


def test_nothing_right_is_not_taken_for_certainty():
    low, high = right(answers(np.zeros(30))).interval()
    assert low == 0 and high == pytest.approx(0.1135, abs=1e-3)  # Wilson, 0 of 30


def test_seeds_must_have_been_asked_the_same():
    rows = answers(np.ones((2, 5)))
    with pytest.raises(ValueError, match="same questions"):
        right(rows.iloc[:-1])
    with pytest.raises(ValueError, match="once"):
        right(pd.concat([rows, rows]))


# --- differences -----------------------------------------------------------------------------------------------------


def test_a_system_does_not_differ_from_itself():
    one = right(answers(np.arange(60) % 3 == 0))
    found = tables.difference(one, one)
    assert (found["difference"], found["low"], found["high"], found["p_value"]) == (0, 0, 0, 1)
    assert tables.verdict(found) == "cannot tell"


def test_differences_are_paired_by_question():
    hard = np.arange(90) % 2 == 0  # half of the questions are right in both; five more in one of them
    better = hard.copy()
    better[1:11:2] = True
    shuffled = np.random.default_rng(0).permutation(better)
    paired = tables.difference(right(answers(better)), right(answers(hard)))
    unpaired = tables.difference(right(answers(shuffled)), right(answers(hard)))
    assert paired["difference"] == pytest.approx(unpaired["difference"]) == pytest.approx(5 / 90)
    assert tables.verdict(paired) == "holds" and paired["p_value"] < 0.02
    assert tables.verdict(unpaired) == "cannot tell" and unpaired["p_value"] > 0.1


def test_the_longest_of_the_others_is_what_counts():
    tokens = [tables.sample(answers(np.ones(40)), np.full(40, t)) for t in (50, 20, 60)]
    found = tables.difference(*tokens)
    assert found["difference"] == -10 and tables.verdict(found) == "does not hold"


def test_seeds_are_drawn_together_only_where_one_run_went_on_from_the_other():
    level = np.stack([np.arange(60) % 10 < k for k in (2, 5, 8)])  # seeds far apart, but both systems alike
    one, other = right(answers(level)), right(answers(level))
    assert np.ptp([tables.difference(one, other, same_seeds=True)[k] for k in ("low", "high")]) == 0
    assert np.ptp([tables.difference(one, other)[k] for k in ("low", "high")]) > 0.3


# --- Table 2 and its company -----------------------------------------------------------------------------------------


def test_table2_is_what_the_rows_say(p):
    table = tables.table2(p)
    assert list(table.columns) == TABLE2
    assert table.stands_for.tolist() == ["Qwen2.5-VL-7B", "Geo-SFT", "Geo-R1-Zero", "Geo-R1"]
    assert table.training_seeds.tolist() == [1, 3, 3, 3] and (table.n == 100).all()
    assert set(table.benchmark) == {"world-geographic (synthetic)"}
    for row in table.itertuples():
        rows = p[(p.system == row.system) & (p.task == "pairing")]
        greedy = rows[rows.decoding == "greedy"]
        assert row.accuracy == (greedy.truth == greedy.choice).mean()
        assert row.completion_tokens == pytest.approx(greedy.completion_tokens.mean())
        assert row.accuracy_low < row.accuracy < row.accuracy_high
        assert row.accuracy_t1_low < row.accuracy_t1 < row.accuracy_t1_high


def test_the_order_of_rows_changes_nothing(p, rule):
    mixed = p.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(tables.table2(p), tables.table2(mixed))
    pd.testing.assert_frame_equal(tables.geolocation(p, rule), tables.geolocation(mixed, rule))


def test_orderings_hold_fail_or_stay_open(p):
    found = tables.orderings(p).query("decoding == 'greedy'").set_index("measure")
    assert found.loc["accuracy", "verdict"] == "cannot tell"  # 0.84 and 0.81 on 100 questions
    claims = tables.orderings(p).query("decoding == 'greedy'").set_index("claim").verdict
    assert claims["SFT writes longest"] == claims["GRPO alone writes longer than GRPO after SFT"] == "holds"
    swapped = p.assign(stands_for=p.stands_for.replace({"Geo-SFT": "Geo-R1", "Geo-R1": "Geo-SFT"}))
    claims = tables.orderings(swapped).query("decoding == 'greedy'").set_index("claim").verdict
    assert set(claims) == {"does not hold"}


def test_orderings_need_both_systems(p):
    assert len(tables.orderings(p[p.stands_for != "Geo-R1"])) == 0


def test_controls_must_end_below_the_mark():
    rows = fakes.predictions(fakes.places(100, 4), systems=("mini-Zero-random-reward", "mini-Zero-blank-tiles"))
    leaky = (rows.system == "mini-Zero-blank-tiles") & (rows.index % 9 == 0)
    rows.loc[leaky, "choice"] = rows.truth[leaky]
    found = tables.controls(rows).set_index("system")
    assert found.stays.to_dict() == {"mini-Zero-random-reward": "yes", "mini-Zero-blank-tiles": "no"}
    assert found.loc["mini-Zero-random-reward", "accuracy_high"] <= 0.26


def test_a_reward_that_says_nothing_may_end_where_the_base_is_and_a_blanked_view_may_not():
    systems = ("mini-base", "mini-Zero-random-reward", "mini-Zero-blank-tiles")
    rows = fakes.predictions(fakes.places(100, 4), systems=systems)
    able = rows.index % 4 == 0  # of the base and of both controls: some .4
    rows.loc[able, "choice"] = rows.truth[able]
    found = tables.controls(rows).set_index("system")
    base = tables.table2(rows).iloc[0]
    assert found.stays.to_dict() == {"mini-Zero-random-reward": "yes", "mini-Zero-blank-tiles": "no"}
    assert found.reference.to_dict() == {"mini-Zero-random-reward": base.accuracy, "mini-Zero-blank-tiles": 0.2}
    alone = tables.controls(rows[rows.system != "mini-base"]).set_index("system")
    assert set(alone.stays) == {"no"} and set(alone.reference_t1) == {0.2}  # nobody says where the base is


def test_controls_stand_beside_grpo_itself_and_only_they_must_stay(p):
    found = tables.controls(p).set_index("system")
    assert found.index[0] == "mini-Zero" and found.stays[["mini-Zero", "mini-supervised"]].tolist() == ["", ""]
    assert found.loc["mini-Zero-released", "training_seeds"] == 3


def test_released_rewards_are_held_against_the_papers(p):
    found = tables.reward_modes(p).set_index(["measure", "decoding"])
    assert found.loc[("completion_tokens", "greedy"), "verdict"] == "released lower"
    assert len(found) == 6
    assert tables.reward_modes(p[p.stands_for != ""]).empty


def test_faithfulness_is_a_share_of_all_that_was_said():
    rows = answers(np.ones(3), stands_for="Geo-R1", checkpoint="c")
    rows["words"], rows["words_true"] = [6, 2, 0], [6, 0, 0]
    rows["verdicts"], rows["verdicts_follow"] = [2, 2, 0], [1, 2, 0]
    rows["answer_follows"] = [1.0, np.nan, 0.0]
    found = tables.faithfulness(rows).iloc[0]
    assert (found.words_true, found.verdicts_follow, found.answer_follows) == (6 / 8, 3 / 4, 1 / 2)
    assert found.words_per_answer == 8 / 3


def test_who_says_nothing_has_no_share():
    rows = answers(np.ones(3), stands_for="Geo-R1", checkpoint="c", words=0, words_true=0)
    rows = rows.assign(verdicts=0, verdicts_follow=0, answer_follows=np.nan)
    found = tables.faithfulness(rows).iloc[0]
    assert np.isnan(found.words_true) and np.isnan(found.words_true_low)


def test_protocols_count_the_same_answers_differently():
    rows = answers(np.zeros(4), stands_for="Geo-SFT", checkpoint="c", truth="A", choice=["A", "A", "", "B"])
    rows["format_ok"] = [True, False, False, True]
    rows["text"] = ["<answer>A</answer>", "It is A, I think", "", "<answer>B</answer>"]
    found = tables.protocols(pd.concat([rows, rows.assign(decoding="t1", choice="A")]))
    shares = found.set_index(["switch", "setting"]).share
    assert shares[found.set_index(["switch", "setting"]).ours].unique().tolist() == [0.5]
    assert shares["decoding", "temperature 1"] == 1
    assert shares["reading", "right form only"] == 0.25
    assert shares["unread", "dropped"] == pytest.approx(2 / 3)


def test_a_wrong_answer_tells_how_it_came_about():
    place, same, other = "place broadleaf green-growth", "B broadleaf green-growth match", "B palms green-growth match"
    said = {
        ("<think> place broadleaf", ""): "no letter can be read",
        (f"<think> {place} A broadleaf other </think> <answer> A </answer>", "A"): "no tile was called a match",
        (f"<think> {place} {same} </think> <answer> A </answer>", "A"): "another letter than the tile called a match",
        (f"<think> {place} {other} </think> <answer> B </answer>", "B"): "a match although its own words differ",
        (f"<think> {place} {same} </think> <answer> B </answer>", "B"): "a match as its own words agree",
    }
    assert [tables.failure(*wrong) for wrong in said] == list(said.values()) == list(tables.FAILURES)


def test_failures_and_accuracy_add_up_to_all_answers(p):
    share = tables.failures(p).groupby("system", sort=False).share.sum()
    accuracy = tables.table2(p).set_index("system").accuracy
    assert np.allclose(share + accuracy, 1)


# --- places ----------------------------------------------------------------------------------------------------------


def located(error_km, **columns) -> pd.DataFrame:
    error = np.array(error_km, float)
    rows = answers(np.zeros(len(error)), stands_for="Geo-SFT", checkpoint="c")
    return rows.assign(
        task="geolocation", error_km=error, pred_lat=np.where(np.isnan(error), np.nan, 0), seen_country=True,
        lat=0.0, lon=0.0, format_ok=True, text="", **columns,
    )  # fmt: skip


def test_an_answer_without_a_place_is_wrong_and_counts(rule):
    row = tables.geolocation(located([0.5, 30, np.nan, 800]), rule).iloc[0]
    assert [row[f"acc_{km}km"] for km in geo.THRESHOLDS_KM] == [0.25, 0.25, 0.5, 0.5, 0.75]
    assert row.median_km == 415 and row.answered == 0.75
    assert tables.geolocation(located([1, np.nan, np.nan]), rule).median_km[0] == np.inf


def test_the_tables_shares_are_those_of_geo(p, rule):
    table = tables.geolocation(p, rule)
    row = table[(table.system == "mini-R1") & (table.task == "aerial") & (table.countries == "unseen")].iloc[0]
    rows = p[(p.system == "mini-R1") & (p.task == "aerial") & ~p.seen_country.astype(bool)]
    for km, share in geo.threshold_accuracy(rows.error_km).items():
        assert row[f"acc_{km}km"] == pytest.approx(share)


def test_trivial_baselines_stand_below_and_are_measured_on_the_same_places(p, rule):
    table = tables.geolocation(p, rule)
    land = table[(table.system == "random land point") & (table.task == "geolocation")].set_index("countries")
    assert land.n.to_dict() == {"all": 100, "seen": 8, "unseen": 92}
    assert 0.03 < land.acc_2500km["all"] < 0.12  # about the share of the Earth's land within 2500 km
    constant = table[table.system == "best constant guess"].set_index(["task", "countries"])
    best = rule.constant.set_index(["countries", "measure"]).loc[("all", 2500)]
    places = p[p.task == "geolocation"].drop_duplicates("id")
    km = geo.haversine_km(places.lat, places.lon, best.lat, best.lon)
    assert constant.loc[("geolocation", "all"), "acc_2500km"] == pytest.approx((km <= 2500).mean())


def test_every_place_is_in_one_zone_and_one_country_beside_its_baselines(p, rule):
    whole = tables.geolocation(p, rule).query("task == 'geolocation' and countries == 'all'").set_index("system")
    for table in (tables.zones(p, rule), tables.countries(p[p.stands_for == "Geo-R1"], rule)):
        part = table.columns[0]
        assert table.system.value_counts()["best constant guess"] == table[part].nunique()
        for system, rows in table.groupby("system"):
            assert rows.n.sum() == 100
            if system != "best constant guess":  # of all countries, whatever the part
                assert np.average(rows.acc_2500km, weights=rows.n) == pytest.approx(whole.acc_2500km[system])


def test_wrong_countries_that_agree_in_nothing_but_the_hemisphere(p):
    rows = located([9000.0, 9000.0, 9000.0, 100.0], truth=["FR", "FR", "ZA", "FR"], choice=["JP", "AU", "JP", "FR"])
    rows["lat"], rows["lon"] = [48.8, 48.8, -33.9, 48.8], [2.3, 2.3, 18.4, 2.3]
    rows["pred_lat"], rows["pred_lon"] = [35.7, -33.9, 35.7, 48.8], [139.7, 151.2, 139.7, 2.3]
    found = tables.cues(rows).set_index("cue")
    assert (found.wrong_countries == 3).all()  # France that is called France is not wrong
    assert found.agree["hemisphere"] == pytest.approx(1 / 3) and found.agree["region"] == 0
    # JP, AU, JP dealt out among FR, FR, ZA: north agrees where FR meets JP, south where ZA meets AU
    assert found.at_random["hemisphere"] == pytest.approx((2 * 2 + 1) / 9)
    assert tables.cues(rows.assign(pred_lat=np.nan, pred_lon=np.nan, choice="")).agree.isna().all()


def test_zero_shot_has_every_task_and_a_constant_answer(p, rule):
    table = tables.zero_shot(p, rule)
    assert table.groupby("task", sort=False).size().to_dict() == dict.fromkeys(tables.TAUGHT, 5)
    climate = table[(table.task == "climate") & (table.stands_for == "")].iloc[0]
    truth = p[p.task == "climate"].drop_duplicates("id").truth
    assert climate.accuracy == (truth == climate.system.removeprefix("always ")).mean()


def test_changes_are_those_that_grpo_made(p):
    table = tables.changes(p).set_index(["after", "task", "measure"])
    assert table.loc[("mini-Zero", "pairing", "right letter"), "verdict"] == "higher"
    assert table.loc[("mini-R1", "thinking", "words that are true"), "verdict"] == "lower"
    assert table.loc["mini-R1"].before.unique().tolist() == ["mini-SFT"]


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_keep_all_digits_and_say_that_they_are_synthetic(p, tmp_path):
    table = tables.table2(p)
    csv, md, tex = tables.write(table, tmp_path / "table2", "Pairing, 95 % intervals.")
    assert [path.name for path in (csv, md, tex)] == ["table2.csv", "table2.md", "table2.tex"]
    pd.testing.assert_frame_equal(pd.read_csv(csv), table, check_exact=True)
    for path in (md, tex):
        assert "ynthetic stand-in" in path.read_text() and "[" in path.read_text()
    assert r"95 \% intervals" in tex.read_text() and "accuracy low" not in md.read_text()


def test_readers_see_intervals_beside_values():
    frame = pd.DataFrame(
        {"difference": [-0.5, np.nan], "low": [-0.75, np.nan], "high": [0.25, np.nan], "median_km": [np.inf, 12.4]}
    )
    assert tables.shown(frame).to_dict("list") == {
        "difference": ["-0.500 [-0.750, 0.250]", ""],
        "median_km": ["none", "12"],
    }


# --- what an audit asked of the tables -------------------------------------------------------------------------------


def test_three_seeds_of_which_one_fails_tell_no_difference():
    good = np.stack([np.arange(120) % 10 < k for k in (8, 8, 8)])
    torn = np.stack([np.arange(120) % 10 < k for k in (8, 8, 5)])
    found = tables.difference(right(answers(torn, cities=60)), right(answers(good, cities=60)))
    assert found["difference"] == pytest.approx(-0.1) and tables.verdict(found) == "cannot tell"
    half = found["high"] - found["difference"]  # one of three seeds apart by 0.3: standard error 0.1, two degrees
    assert half == pytest.approx(4.303 * 0.1, rel=0.02) and found["smallest_effect"] > half


def test_a_length_claim_is_refuted_by_its_margin_alone(p):
    rows = p[(p.task == "pairing") & p.stands_for.isin(["Geo-R1-Zero", "Geo-R1"])].copy()
    rows["completion_tokens"] = 40 + np.arange(len(rows)) % 3  # equally long, and known well
    found = tables.orderings(rows).set_index("measure").loc["completion_tokens"]
    assert set(found.verdict) == {"does not hold"}
    assert (found.high > 0).all() and (found.high < found.margin).all() and (found.paper_effect > found.margin).all()
    assert (found.margin / found.second_value).round(6).unique().tolist() == [0.1]


def test_a_policy_of_one_letter_is_seen_among_the_controls():
    rows = fakes.predictions(fakes.places(25, 4), systems=("mini-Zero-blank-tiles",))
    rows["choice"] = "C"
    (row,) = tables.controls(rows).itertuples()
    assert (row.answered_C, row.answered_A) == (1, 0)
    assert row.accuracy == (rows[rows.decoding == "greedy"].truth == "C").mean()


def test_two_answers_in_a_row_lose_the_form_and_not_the_place(rule):
    one, two = (
        "<answer> country : Kenya </answer>",
        "<answer> country : Kenya </think> <answer> country : Mali </answer>",
    )
    rows = located([100.0] * 20 + [np.nan] * 20, truth="KE", choice=["KE"] * 20 + [""] * 20)
    rows["text"], rows["format_ok"] = [one] * 20 + [two] * 20, [True] * 20 + [False] * 20
    rows["lat"], rows["lon"] = -1.3, 36.8
    row = tables.geolocation(rows, rule).iloc[0]
    assert (row.country_accuracy, row.first_country_accuracy, row.well_formed) == (0.5, 1, 0.5)
    assert (row.acc_2500km, row.first_acc_2500km, row.answered, row.first_answered) == (0.5, 1, 0.5, 1)


def test_none_of_600_is_no_more_and_no_less_certain_than_one():
    none, one = np.zeros((3, 600)), np.zeros((3, 600))
    one[0, 0] = 1
    (low0, high0), (low1, high1) = (right(answers(x, cities=100)).interval() for x in (none, one))
    assert low0 == 0 <= low1 and high0 < high1 < 1.2 * high0


def test_p_values_are_adjusted_for_all_lines(p):
    table = tables.changes(p)
    assert (table.p_holm >= table.p_value).all() and (table.p_holm.max(), len(table)) == (1, table.p_holm.notna().sum())


def test_an_answer_is_not_right_where_the_truth_is_not_known():
    rows = pd.DataFrame({"id": ["x/1", "x/2", "x/3"], "system": "s", "task": "geolocation", "training_seed": 0,
                         "truth": ["", "FR", "FR"], "choice": ["", "", "FR"], "completion_tokens": 1.0,
                         "format_ok": True})  # fmt: skip
    assert statistics.right(rows).value == 0.5 and statistics.right(rows, rows.truth).value == 1.0
    assert predict.summary(rows)["accuracy"] == 0.5 and predict.summary(rows)["n"] == 2
    assert np.isnan(predict.summary(rows[:1])["accuracy"]) and np.isnan(predict.summary(rows[:0])["accuracy_low"])


def test_captions_are_latex(tmp_path):
    *_, tex = tables.write(
        pd.DataFrame({"a": [1]}), tmp_path / "t", "p_holm of 80 %, `first ...` & more", synthetic=False
    )
    assert r"\caption{p\_holm of 80 \%, \texttt{first ...} \& more}" in tex.read_text()
    for path in sorted((files.RESULTS / "mini" / "tables").glob("*.tex")):
        caption = re.search(r"\\caption\{(.*)\}", path.read_text())[1]
        assert not re.search(r"(?<!\\)[_%&#$`]", caption), path.name
