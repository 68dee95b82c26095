"""Table 1: every row of the paper's, measured or with the reason why not."""

import numpy as np
import pandas as pd
import pytest

from georeplicate import geo, paper
from georeplicate.mini import oracle
from georeplicate.paper.contamination import contamination
from georeplicate.report import table1, tables


def answers(system, stands_for, km, seeds=(0,), benchmark="toys (synthetic)", text=""):
    """Rows of one system whose answers lie so many km north of the places; NaN: no answer."""
    km = np.asarray(km, float)
    n = len(km)
    lat = np.zeros(n)
    rows = pd.DataFrame({"id": [f"aa/city{i}/{i}" for i in range(n)], "lat": lat, "lon": np.arange(n, dtype=float)})
    rows["pred_lat"] = km / 111.195
    rows["pred_lon"] = np.where(np.isnan(km), np.nan, rows.lon)
    rows["error_km"] = geo.haversine_km(rows.lat, rows.lon, rows.pred_lat, rows.pred_lon)
    named = {"system": system, "stands_for": stands_for, "checkpoint": "made up", "benchmark": benchmark, "text": text}
    named |= {"task": "geolocation", "decoding": "greedy", "truth": "FR", "choice": "FR"}
    return pd.concat([rows.assign(**named, training_seed=seed) for seed in seeds], ignore_index=True)


def test_every_row_of_the_paper_is_there_in_its_order():
    p = pd.concat([answers("b", "Geo-R1", [0.5] * 4), answers("a", "ISNs", [100, 100, 3000, np.nan], seeds=(0, 1))])
    made = table1.table1(p, missing={"Hybrid": "weights missing"}).set_index("stands_for")
    assert list(made.index) == [row.method for row in paper.TABLE1] + ["Geo-R1-Zero"]
    isns = made.loc["ISNs"]
    assert (isns.acc_25km, isns.acc_200km, isns.acc_2500km) == (0, 0.5, 0.5) and isns.answered == 0.75
    assert isns.training_seeds == 2 and isns.n == 4 and isns.acc_200km_low <= 0.5 <= isns.acc_200km_high
    assert isns.mean_km == pytest.approx(3200 / 3, rel=1e-3)  # of the answers with a place
    assert made.loc["Geo-R1"].acc_1km == 1 and made.note["Geo-R1"] == ""
    assert made.note["Hybrid"] == "not run: weights missing" and made.note["GLOBE-7B"].startswith("not run: ")
    assert made.note["InternVL3-8B"] == f"not run: {table1.NO_STAND_IN}" and made.n["GLOBE-7B"] is pd.NA
    assert (made.contaminated == "no").all()  # rendered places: nobody has seen a test city


def test_photographs_say_who_may_have_seen_them():
    made = table1.table1(answers("x", "GeoCLIP", [1], benchmark="MP16-Reason-Test-12K")).set_index("stands_for")
    assert made.contaminated["GeoCLIP"] == "likely (I)" and made.contaminated["Hybrid"] == "no sign (S)"
    other = table1.table1(answers("x", "GeoCLIP", [1], benchmark="IM2GPS3k")).set_index("stands_for")
    assert other.contaminated["GeoCLIP"] == "not assessed" and other.note["InternVL3-8B"] == made.note["Hybrid"]
    assert contamination("nobody") == "" and all(contamination(row.method) for row in paper.TABLE1)


def test_a_stand_in_says_what_it_was_given_and_a_published_system_does_not():
    p = answers("x", "InternVL3-8B", [1, 1])
    made, against = table1.table1(p), table1.against_base(pd.concat([p, answers("base", "Qwen2.5-VL-7B", [1, 1])]))
    assert made.note[made.system == "x"].tolist() == [table1.GIVEN["InternVL3-8B"]]
    assert set(against.trained_by) == {"countries of photos"}
    photographs = table1.table1(p.assign(benchmark="IM2GPS3k"))
    assert photographs.note[photographs.system == "x"].tolist() == [""]


def test_other_tasks_decodings_and_systems_are_left_out():
    p = answers("x", "ISNs", [1, 1])
    others = [p.assign(task="aerial"), p.assign(decoding="t1"), p.assign(system="y", stands_for="")]
    alone, among = table1.table1(p), table1.table1(pd.concat([p, *others]))
    pd.testing.assert_frame_equal(alone, among)
    assert not len(table1.table1(p.assign(task="pairing")))


def test_the_first_place_named_counts_where_two_are():
    text = "<answer> country : France </answer> <answer> country : Spain </answer>"
    p = answers("x", "Geo-R1", [np.nan, np.nan], text=[text, ""]).assign(lat=48.9, lon=2.3)
    named = table1.first_named(p).iloc[0]
    assert named.n == 2 and named.acc_750km == 0.5 and named.answered == 0.5  # no answer is one, too
    assert not len(table1.first_named(answers("x", "ISNs", [1])))  # what writes nothing names nothing


def test_the_reader_of_true_words_counts_as_bayes_would():
    lat, lon, shares = oracle._counted()
    said = ("palms", "green-growth", "red-soil", "village", "drives-left", "sun-south")
    said = tuple(word for word in said if word in shares)
    assert len(said) == 6
    chance = np.exp(sum(shares[word] for word in said))
    mass = [chance[geo.haversine_km(a, b, lat, lon) <= 750].sum() for a, b in zip(lat, lon, strict=True)]
    best = int(np.argmax(mass))
    assert oracle.guess(said, 750) == (lat[best], lon[best])
    assert np.isfinite(oracle.guess(("no such word",), 750)).all()
    for word in said:
        assert 0 < np.exp(shares[word]).max() < 1


def test_the_table_is_written_with_its_reasons(tmp_path):
    made = table1.write_published(tmp_path, benchmark="IM2GPS3k", root=tmp_path / "nowhere")
    assert list(made.stands_for) == list(table1.ORDER) and made.note.str.startswith("not run: test set missing").all()
    text = (tmp_path / "tables" / "table1.md").read_text()
    assert "osv5m/baseline (MIT)" in text and "Synthetic" not in text
    assert tables.SYNTHETIC not in text


def test_each_system_is_compared_with_the_base_place_by_place():
    base = answers("b", tables.BASE, [100] * 30 + [5000] * 30)
    better = answers("a", "ISNs", [100] * 50 + [5000] * 10)
    same = answers("z", tables.ZERO, [100] * 30 + [5000] * 30)
    made = table1.against_base(pd.concat([same, base, better]))
    assert list(made.stands_for) == ["ISNs", "ISNs", tables.ZERO, tables.ZERO]  # the paper's order
    assert made.trained_by.tolist() == ["labelled places"] * 2 + ["pairing"] * 2
    assert table1.WITHOUT_LABELS[tables.R1] != "pairing"  # its scaffold names places
    first = made.iloc[1]
    assert first.measure == "within 2500 km" and first.difference == pytest.approx(20 / 60)
    assert first.low > 0 and first.verdict == "higher" and first.p_holm >= first.p_value
    assert made.iloc[3].difference == 0 and made.iloc[3].verdict == "cannot tell"
    assert not len(table1.against_base(better))  # without a base there is nothing to compare with
