"""Verdicts of the registered experiment, on answers whose differences are known."""

import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from georeplicate import paper
from georeplicate.evaluation import predict
from georeplicate.mini import wording
from georeplicate.report import arms, gains, thinking
from georeplicate.runs import arms as experiment

PLACES, BASES = [f"c{i // 2}/{i}" for i in range(80)], (0, 1, 2)
TRUE = tuple(next(iter(values.values())) for values in wording.WORDING.words.values())
OTHER = tuple(list(values.values())[1] for values in wording.WORDING.words.values())


def answers(arm: str, near: list[int], right: int = 20, true: int = 10, said: tuple[str, ...] = ()) -> pd.DataFrame:
    """near: of each base, how many places lie within 2,500 km; right: letters; true: words of each picture."""
    rows = []
    for base, hits in zip(BASES, near, strict=True):
        for i, name in enumerate(PLACES):
            lat, country = (48.0, "France") if i < hits else (-33.0, "Japan")
            text = f"<think> place climate-{'c' if i < hits else 'd'} </think> <answer> country : {country} </answer>"
            common = {
                "training_seed": base,
                "id": name,
                "system": f"geographic-{arm}",
                "decoding": "greedy",
                "arm": arm,
            }
            rows.append(common | {"task": "geolocation", "text": text, "lat": lat, "lon": 2.0, "format_ok": i % 2 == 0})
            pairing = f"<think> place {' '.join(said)} A match </think> <answer> A </answer>"
            for task in ("pairing", "pairing apart"):
                letter = {"truth": "A", "choice": "A" if i < right else "B", "text": pairing}
                rows.append(common | letter | {"task": task})
            words = " ".join((*TRUE[:true], *OTHER[true:]))
            for task in ("panorama words", "tile words"):
                rows.append(common | {"task": task, "truth": " ".join(TRUE), "choice": words, "text": words})
    return pd.DataFrame(rows).reindex(columns=[*predict.COLUMNS, "arm"])


@pytest.fixture
def climates(monkeypatch):
    monkeypatch.setattr(arms, "_climates", lambda: dict.fromkeys(PLACES, "climate-c"))
    monkeypatch.setattr(arms, "_lines", lambda p: [])
    monkeypatch.setattr(arms.oracle, "guess", lambda words, km: (0.0, 0.0))  # its table takes seconds


def record(*contrasts: experiment.Contrast) -> dict:
    return {
        "endpoints": [asdict(one) for one in experiment.ENDPOINTS],
        "contrasts": [asdict(one) for one in contrasts],
        "smallest_difference_of_interest": experiment.MARGIN,
    }


def verdicts(p: pd.DataFrame, asks: experiment.Contrast) -> pd.DataFrame:
    return arms.verdicts(p, arms.samples(p), record(asks))


def test_each_endpoint_is_measured(climates):
    p = answers("region", [40, 40, 40], right=60, true=7, said=(TRUE[0], TRUE[0], "flatland"))
    made = arms.levels(p, arms.samples(p)).set_index("endpoint").value
    assert made["places"] == made["climate"] == made["form"] == pytest.approx(0.5)
    assert made["pairing"] == pytest.approx(0.75) and made["words"] == pytest.approx(0.5)
    kinds = list(wording.WORDING.words)
    shared = np.mean([kind in arms.SHARED for kind in kinds[:7]]) * 7 / len(arms.SHARED)
    assert made["shared words"] == pytest.approx(shared)
    assert made["shared said"] == pytest.approx(0.5)  # a word that is said twice of a picture counts once
    assert made["verdicts"] == pytest.approx(1)  # A is called a match, whatever letter is given


def test_a_verdict_needs_bases_that_agree_and_says_what_could_have_been_told(climates):
    asks = experiment.Contrast(
        "region", "rule", "?", {"places": "higher", "words": "lower", "pairing": "no difference"}
    )
    rule = answers("rule", [20, 22, 24])
    found = verdicts(pd.concat([rule, answers("region", [50, 52, 54], true=5)]), asks)
    found = found.set_index("endpoint")
    assert found.verdict["places"] == "higher" and found.outcome["places"] == "as predicted"
    assert found.verdict["words"] == "lower" and found.p_holm["words"] < 0.05
    assert found.verdict["pairing"] == "no difference" and np.isnan(found.p_holm["pairing"])
    apart = verdicts(pd.concat([rule, answers("region", [10, 22, 50])]), asks).set_index("endpoint")
    assert apart.verdict["places"] == apart.outcome["places"] == "cannot tell"
    assert apart.smallest_effect["places"] > 0.2
    text = arms.sentences(apart.reset_index())
    assert "**region against rule** (3 bases)" in text and "what would have been detected: places +" in text
    assert "Of 3 registered predictions 1 came out as predicted, 1 came out otherwise and 1 stayed open." in text


def test_an_experiment_whose_arms_are_not_trained_is_said_to_be_open(climates):
    asks = experiment.Contrast("region", "rule", "?", {"places": "higher"})
    later = experiment.Contrast("direct", "rule", "?", {"places": "higher"})
    records = {"negatives": record(asks), "replay": record(later)}
    for name, one in records.items():
        one["experiment"] = f"what does GRPO do ({name})?"
    p = pd.concat([answers("rule", [20, 22, 24]), answers("region", [50, 52, 54])])
    measured = arms.samples(p)
    judged = arms.all_verdicts(p, measured, records)
    assert set(judged.experiment) == {"negatives"} and judged.columns[0] == "experiment"
    first, second = arms.outcomes(judged, records).split("\n\n**What does GRPO do (replay)?** ")
    assert first.startswith("**What does GRPO do (negatives)?** Of 1 registered prediction")
    assert second == "No contrast can be judged yet: its arms are not trained."
    nothing = arms.verdicts(p, measured, records["replay"])
    assert not len(nothing) and not len(arms.for_readers(nothing)) and "region" not in arms.parts(nothing)
    paper.markdown(arms.for_readers(nothing))


def test_only_bases_that_both_arms_have_are_compared(climates):
    asks = experiment.Contrast("region", "rule", "?", {})
    half = answers("region", [50, 52, 54]).query("training_seed < 2")
    found = verdicts(pd.concat([answers("rule", [20, 22, 79]), half]), asks).set_index("endpoint")
    assert found.bases["places"] == 2 and found.difference["places"] == pytest.approx(30 / 80)
    assert not len(verdicts(answers("rule", [1, 2, 3]), asks))


def test_arms_from_bases_that_were_made_again_are_compared_as_independent(climates, tmp_path):
    asks = experiment.Contrast("region", "rule", "?", {"places": "higher"})
    p = pd.concat([answers("rule", [20, 30, 40]), answers("region", [24, 34, 44])])
    p["origin"] = "made here " + p.training_seed.astype(str)
    found = verdicts(p, asks).set_index("endpoint")
    assert found.paired.all() and found.verdict["places"] == "higher"  # four places more from each base
    again = p.assign(origin=p.origin.where(p.arm == "rule", p.origin + ", and again"))
    found = verdicts(again, asks).set_index("endpoint")
    assert not found.paired.any() and found.verdict["places"] == "cannot tell"
    assert found.difference["places"] == pytest.approx(4 / 80)
    assert "(3 bases, others for each of the two" in arms.sentences(found.reset_index())


def test_where_a_run_comes_from_is_found_through_the_runs_between(monkeypatch):
    def run(policy, start=None):
        training = {"inputs": {"start": start}} if start else None
        return {"training": training, "evaluation": {"inputs": {"policy": policy}}}

    said = {"rule-b0": run("base"), "sft-b0": run("taught", "base"), "r1-b0": run("rewarded", "taught")}
    said["region-b0"] = run("other", "base made again")
    monkeypatch.setattr(arms.manifest, "read", lambda folder: said[folder.name])
    assert arms._origins("runs", said) == dict(zip(said, ["base", "base", "base", "base made again"], strict=True))


def test_a_difference_splits_into_what_is_left_out_and_what_is_wrong(climates):
    asks = experiment.Contrast("region", "rule", "?", {})
    after = answers("region", [20, 20, 20], true=7)
    words = after.task.isin(("panorama words", "tile words"))
    after.loc[words, "choice"] = " ".join(TRUE[:6])  # six of fourteen named, all of them true; ten were true before
    text = arms.parts(verdicts(pd.concat([answers("rule", [20, 20, 20]), after]), asks))
    named, true = (6 / 14 - 1) * 10 / 14, 6 / 14 * (1 - 10 / 14)
    assert f"| {100 * (6 / 14 - 10 / 14):+.1f} | {100 * named:+.1f} | {100 * true:+.1f} |" in text
    assert "1.000 to 0.429" in text and "| +0.0 | +0.0 | +0.0 |" in text


@pytest.mark.parametrize("reader, own, sentence", [
    (0.72, 0.53, "So there is something to gain, of which a part is a step from words to places"),
    (0.72, 0.30, "So there is something to gain, and all of it by seeing better"),
    (0.4, 0.53, "So there is hardly anything to gain, of which a part"),
])  # fmt: skip
def test_what_there_is_to_gain_follows_from_the_levels(reader, own, sentence):
    lines = [("a reader of true words", reader), ("the best constant guess", 0.25)]
    rows = [("rule", what, 0.34, 0.21, 0.48, 3) for what in ("places", "climate")]
    rows += [("rule", "places by own words", own, own - 0.1, own + 0.1, 3)]
    rows += [(arm, "places", value, np.nan, np.nan, 0) for arm, value in lines]
    rows += [("the commonest climate", "climate", 0.4, np.nan, np.nan, 0)]
    made = pd.DataFrame(rows, columns=["arm", "endpoint", "value", "value_low", "value_high", "bases"])
    assert sentence in arms.room(made) and f"places {own:.3f} [" in arms.room(made)


def test_what_is_said_while_pairing_is_compared_at_one_mix(monkeypatch):
    """An arm that only stops saying the attribute it gets wrong says more that is true, and sees no better."""
    wrong, right = OTHER[0], TRUE[1]
    before = answers("rule", [20, 20, 20], said=(wrong, right))
    after = answers("region", [20, 20, 20], said=(right,))
    p = pd.concat([before, after], ignore_index=True).query("task == 'pairing'")
    said = p.text.str.split().map(lambda words: sum(word in (wrong, right) for word in words))
    true = p.text.str.split().map(lambda words: words.count(right))
    p = p.assign(words=said, words_true=true)
    shown = {place: [TRUE] * 6 for place in PLACES}
    monkeypatch.setattr(arms.thinking, "of_world", lambda _: thinking.Truth(shown, {}))
    records = {"one": record(experiment.Contrast("region", "rule", "?", {}))}
    [row] = arms.while_pairing(p, records).to_dict("records")
    assert (row["before_true"], row["after_true"]) == (0.5, 1.0)
    assert row["difference"] == pytest.approx(0) and row["covered"] == pytest.approx(0.5)
    monkeypatch.setattr(arms.thinking, "of_world", lambda _: None)
    assert not len(arms.while_pairing(p, records))


def test_the_headline_counts_verdicts_on_what_the_reward_adds_and_waits_for_its_arms(climates):
    asks = [experiment.Contrast(after, "shuffled-replay", "?", {}) for after in ("region-replay", "random-replay")]
    rows = [answers("shuffled-replay", [20, 20, 20]), answers("region-replay", [24, 24, 24], right=36)]
    p = pd.concat([*rows, answers("random-replay", [20, 20, 20], right=28)])
    judged = arms.verdicts(p, arms.samples(p), record(*asks))
    text, table = gains.headline(judged), gains.gains(judged)
    assert list(table["tiles of the control"]) == ["the same", "of one city"] and "(in 1 the control has other" in text
    assert "in 2 pairs of arms" in text and "pairing accuracy, one city: higher in 2; " in text
    assert re.search(r"\| wrong tiles of one city \| the same \| 3 \| \+20.0 \[\S+ \S+\]: higher \|", text)
    assert list(table["pairing accuracy, one city"].str[:5]) == ["+20.0", "+10.0"]
    assert list(table["places within 2,500 km"].str[:4]) == ["+5.0", "+0.0"]
    of_one = p[p.training_seed == 0]
    alone = arms.verdicts(of_one, arms.samples(of_one), record(*asks))
    assert set(alone.verdict) == {"cannot tell"} and "says nothing of other bases" in gains.headline(alone)
    assert not arms.room(arms.levels(p, arms.samples(p)))  # these arms have nothing before GRPO to be measured by
    one = gains.headline(arms.verdicts(p, arms.samples(p), record(asks[0])))
    assert "in 1 pair of arms" in one and "from anywhere |" not in one.splitlines()[-1]
    assert not gains.headline(arms.verdicts(p, arms.samples(p), record())) and not gains.headline(pd.DataFrame())


def test_table_2_of_this_world_has_the_paper_s_systems_as_far_as_their_arms_are_there(climates):
    p = pd.concat([answers("rule", [20, 22, 24]), answers("r1", [50, 52, 54], right=60)])
    levels = arms.levels(p, arms.samples(p))
    assert not arms.without_control(levels)
    p = pd.concat([p, answers("r1-shuffled", [40, 40, 40])])
    levels = arms.levels(p, arms.samples(p))
    assert "from 0.275 to 0.650; after the same" in arms.without_control(levels)
    assert arms.without_control(levels).endswith("(`r1-shuffled`) they are 0.500.")
    made = arms.table2(levels).set_index("stands_for")
    assert list(made.index) == ["Qwen2.5-VL-7B", "Geo-R1", "Geo-R1, random labels"]
    assert list(made.arm) == ["rule", "r1", "r1-shuffled"]
    assert made.pairing["Geo-R1"] == pytest.approx(0.75) and made.places["Geo-R1"] == pytest.approx(52 / 80)
    assert made.places_low["Geo-R1"] < made.places["Geo-R1"] < made.places_high["Geo-R1"]


def test_a_claim_is_held_against_each_pair_of_arms_that_can_speak_to_it(climates):
    assert {one for one, *_ in gains.CLAIMED} <= {one.id for one in paper.CLAIMS}
    known = {one.name for one in experiment.ARMS}
    assert all(set(pair) <= known for *_, pairs in gains.CLAIMED for pair in pairs)
    asks = [experiment.Contrast("r1", before, "?", {}) for before in ("r1-shuffled", "region-replay")]
    p = pd.concat(
        [
            answers("r1", [20, 22, 24], right=40),
            answers("r1-shuffled", [50, 52, 54], right=20),
            answers("region-replay", [20, 22, 24], right=40),
        ]
    )
    found = gains.claims(arms.verdicts(p, arms.samples(p), record(*asks))).set_index(["claim", "arms"])
    assert found.direction_here[("pairing.rl", "r1 against r1-shuffled")] == "yes"
    assert found.direction_here[("pairing.sft_helps", "r1 against region-replay")] == "no"
    assert found.direction_here[("transfer.base", "r1 against r1-shuffled")] == "no"  # it is lower
    assert found.difference[("transfer.base", "r1 against r1-shuffled")] == pytest.approx(-30 / 80)


def test_the_mean_over_pairs_is_taken_base_by_base(climates):
    rows = [answers("shuffled-replay", [20, 24, 28]), answers("region-replay", [24, 28, 32], right=36)]
    rows.append(answers("random-replay", [28, 24, 36], right=28))
    p = pd.concat(rows)
    made = gains.pooled(p, arms.samples(p)).set_index("endpoint")
    assert set(made.pairs) == {2} and set(made.bases) == {3}
    assert made.difference["pairing"] == pytest.approx((16 + 8) / 2 / 80)
    each = np.array([(4 + 8) / 2, (4 + 0) / 2, (4 + 8) / 2]) / 80  # of each base
    assert made.difference["places"] == pytest.approx(each.mean())
    half = t.ppf(0.975, 2) * each.std(ddof=1) / np.sqrt(3)
    assert made.high["places"] - made.difference["places"] >= half - 1e-12  # and what places add to it
    assert not len(gains.pooled(p, arms.samples(pd.concat(rows[:2])))) and not len(gains.pooled(p, {}))
    apart = p.assign(origin=p.arm.where(p.arm == "region-replay", "") + p.training_seed.astype(str))
    assert not len(gains.pooled(apart, arms.samples(apart)))  # one pair is left whose arms come from the same bases


def test_controls_with_labels_are_said_beside_what_has_none(climates):
    asks = experiment.Contrast("direct", "rule", "?", {"places": "higher"})
    p = pd.concat([answers("rule", [20, 22, 24]), answers("direct", [40, 42, 44])])
    text = gains.positive_controls(arms.verdicts(p, arms.samples(p), record(asks)))
    assert "GRPO on the distance of the place named (`direct`) +25.0 [" in text and "(higher" in text
    assert "SFT" not in text and gains.positive_controls(arms.verdicts(p, arms.samples(p), record())) == ""


def test_the_argument_about_neighbours_is_answered_from_what_is_spoken_of(climates):
    asks = [
        experiment.Contrast(after, before, "?", {})
        for after, before in (
            ("region-replay", "shuffled-replay"),
            ("random-replay", "shuffled-replay"),
            ("random-replay", "region-replay"),
        )
    ]
    kinds = dict(zip(TRUE, wording.WORDING.words, strict=True))
    shared, local = (next(word for word in TRUE if (kinds[word] in arms.SHARED) == of) for of in (True, False))

    def answered(near: str, far: str) -> str:
        parts = [answers("shuffled-replay", [20, 22, 24], said=(shared,))]
        parts += [answers(name, [20, 22, 24], said=(word,)) for name, word in
                  (("region-replay", near), ("random-replay", far))]  # fmt: skip
        p = pd.concat(parts)
        return gains.cancels(arms.verdicts(p, arms.samples(p), record(*asks)))

    text = answered(near=local, far=shared)
    assert "change their share by -100.0 [" in text and "So the argument is borne out in what is said." in text
    assert text.endswith("that such cues pay is not seen to raise places.")
    assert "is not borne out" in answered(near=local, far=local)  # tiles from anywhere drop them as well
    assert "is not borne out" in answered(near=shared, far=shared)
    assert gains.cancels(pd.DataFrame()) == ""


def test_the_first_page_has_the_gains_the_level_and_what_the_paper_s_own_base_does(climates, monkeypatch):
    chance = {"arm": "chance", "endpoint": "pairing", "value": 0.2, "bases": 0}
    monkeypatch.setattr(arms, "_lines", lambda p: [chance])
    asks = [experiment.Contrast(after, "shuffled-replay", "?", {}) for after in ("region-replay", "random-replay")]
    asks.append(experiment.Contrast("plain", "base", "?", {}))
    parts = [answers("shuffled-replay", [20, 20, 20]), answers("region-replay", [24, 24, 24], right=36)]
    parts += [answers("random-replay", [20, 20, 20]), answers("base", [30, 30, 30]), answers("plain", [20, 20, 20])]
    p = pd.concat(parts)
    measured = arms.samples(p)
    judged = arms.verdicts(p, measured, record(*asks))
    text = gains.first_page(judged, gains.pooled(p, measured), arms.levels(p, measured))
    assert "in 1 of 2 pairs of settings" in text and "by 20 to 20 points to 45 to 45 % (chance 20 %)" in text
    assert "by +2.5 [" in text and "places by -12.5 [" in text
    assert "in the mean of the 2 pairs that have all bases (not registered)" in text
    assert gains.first_page(judged.head(0), gains.pooled(p, measured), arms.levels(p, measured)) == ""


def test_a_reader_places_the_words_of_a_policy_s_own_thoughts(climates, monkeypatch):
    monkeypatch.setattr(arms.oracle, "guess", lambda words, km: (48.0, 2.0) if words == ("palms",) else (-33, 140))
    p = answers("rule", [80, 80, 80])
    photos = p[p.task == "geolocation"].copy()
    photos["lat"] = 48.0
    thinks = photos.id.isin(PLACES[:20])
    photos.loc[thinks, "text"] = "<think> place palms </think> <answer> country : Japan </answer>"
    p = pd.concat([photos, p[p.task != "geolocation"]])
    made = arms.levels(p, arms.samples(p)).set_index("endpoint").value
    assert made["places by own words"] == pytest.approx(20 / 80) and made["places"] == pytest.approx(60 / 80)


def test_what_was_registered_is_shown_with_its_predictions():
    [line] = arms.contrasts(record(experiment.Contrast("r1", "sft", "Why?", {"places": "higher"}))).splitlines()[2:]
    assert line == "| r1 against sft | Why? | places: higher |"
