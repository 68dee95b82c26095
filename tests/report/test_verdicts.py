"""Verdicts follow the tables: move an interval and the verdict moves; what cannot be tested says why."""

import fakes
import numpy as np
import pandas as pd
import pytest

from georeplicate import paper
from georeplicate.report import findings, tables, verdicts, write


@pytest.fixture(scope="module")
def frames():
    return findings.read()


def changed(frames, name, chosen, **values):
    table = frames[name].copy()
    table.loc[table.eval(chosen), list(values)] = list(values.values())
    return verdicts.verdicts({**frames, name: table}).set_index("claim_id")


def test_every_claim_has_a_row_in_the_order_of_the_paper(frames):
    table = verdicts.verdicts(frames)
    assert list(table.claim_id) == [claim.id for claim in paper.CLAIMS] == list(verdicts.TESTS)
    assert set(table.verdict) <= set(verdicts.VERDICTS)
    for column in ("claim", "source", "strength", "rule", "cannot_say", "would_settle", "registered"):
        assert (table[column] != "").all(), column


def test_the_published_table_is_what_its_tables_give(frames):
    again = verdicts.verdicts(frames)
    pd.testing.assert_frame_equal(
        again[["claim_id", "verdict", "estimate"]], frames["verdicts"][["claim_id", "verdict", "estimate"]]
    )


@pytest.mark.parametrize(
    ("claim", "name", "chosen", "values"),
    [
        ("pairing.rl", "changes", "task == 'pairing' and after == 'mini-Zero'", [(0.1, 0.2, "holds"), (-0.1, 0.2, "cannot tell"), (-0.2, -0.1, "does not hold")]),  # noqa: E501
        ("transfer.base", "transfer", "after == 'mini-R1'", [(0.1, 0.2, "holds"), (-0.1, 0.2, "cannot tell")]),
    ],
)  # fmt: skip
def test_an_interval_decides(frames, claim, name, chosen, values):
    for low, high, known in values:
        assert changed(frames, name, chosen, low=low, high=high).verdict[claim] == known


def test_nearly_random_is_an_interval_within_a_margin(frames):
    for low, high, known in ((0.16, 0.24, "holds"), (0.12, 0.24, "cannot tell"), (0.05, 0.12, "does not hold")):
        table = changed(frames, "table2", "system == 'mini-base'", accuracy_low=low, accuracy_high=high)
        assert table.verdict["pairing.base_chance"] == known
    assert verdicts._nearly(-0.05, 0.05) == "holds" and verdicts._nearly(0.051, 0.1) == "does not hold"
    both = changed(frames, "table2", "system == 'mini-base'", accuracy_low=0.05, accuracy_t1_low=0.16, accuracy_t1_high=0.24)  # fmt: skip  # noqa: E501
    assert "by the sampled answers it would be: holds" in both.more["pairing.base_chance"]


def test_at_every_distance_means_at_every_one(frames):
    chosen = "after == 'mini-R1'"
    assert changed(frames, "transfer", chosen, low=0.01, high=0.05).verdict["transfer.base"] == "holds"
    one_open = changed(frames, "transfer", chosen + " and km > 1", low=0.01, high=0.05)
    assert one_open.verdict["transfer.base"] == "cannot tell"
    worse = changed(frames, "transfer", chosen + " and km == 25", low=-0.2, high=-0.1, p_holm=0.001)
    assert worse.verdict["transfer.base"] == "does not hold"
    unsure = changed(frames, "transfer", chosen + " and km == 25", low=-0.2, high=-0.1, p_holm=0.3)
    assert unsure.verdict["transfer.base"] == "cannot tell"  # one of many lines


def test_a_shortcut_is_found_where_a_blank_view_is_answered(frames):
    leak = changed(frames, "controls", "system == 'mini-Zero-blank-tiles'", accuracy_low=0.4, accuracy_high=0.5)
    assert leak.verdict["theory.shortcut"] == "does not hold"
    fine = changed(frames, "controls", "system.str.contains('blank')", accuracy_high=0.24, accuracy_t1_high=0.24)
    assert fine.verdict["theory.shortcut"] == "holds"


def test_what_is_not_there_is_not_testable_and_nothing_is_claimed():
    table = verdicts.verdicts({})
    assert set(table.verdict) == {"not testable here"} and table.estimate.isna().all()
    assert "holds: " not in verdicts.sentences(table) and "10 of 10" in verdicts.sentences(table)


def test_what_is_prevented_says_by_which_deviation(frames):
    table = verdicts.verdicts(frames).set_index("claim_id")
    prevented = {claim for deviation in paper.DEVIATIONS for claim in deviation.prevents}
    assert set(table.index[table.verdict == "not testable here"]) == prevented
    said = verdicts.read(table.reset_index()).set_index("claim").verdict
    for claim in prevented:
        assert f"(prevented by: {table.prevented_by[claim]})" in said[f"{table.claim[claim]} ({claim})"]


def test_on_photographs_nothing_is_called_synthetic_nor_prevented_by_the_mini_world(frames):
    photographs = {name: table.assign(benchmark="cv-cities (pairing)") for name, table in frames.items()}
    table = verdicts.verdicts(photographs)
    said = verdicts.sentences(table) + verdicts.read(table).to_csv()
    assert "synthetic" not in said
    of_the_mini = {deviation.id for deviation in paper.DEVIATIONS if deviation.mini_only}
    assert of_the_mini and not of_the_mini & {one for ids in table.could_be_flipped_by for one in ids.split(", ")}
    row = table.set_index("claim_id").loc["transfer.base"]
    assert row.verdict == "cannot tell" and row.prevented_by == ""
    assert "synthetic world" in verdicts.sentences(verdicts.verdicts(frames))
    limits = " ".join(table.cannot_say) + " ".join(table.would_settle)
    for only_of_the_mini_world in ("our base", "closed vocabulary", "one word a cue", "sees photographs",
                                   "on photographs", "not here", "base of its own", "notebook 08"):  # fmt: skip
        assert only_of_the_mini_world not in limits
        assert only_of_the_mini_world in " ".join(
            verdicts.verdicts(frames)[["cannot_say", "would_settle"]].to_numpy().ravel()
        )
    experiments = verdicts.experiments(photographs, 1000, 850)
    assert len(experiments) == 2 and "core-hours" not in experiments.to_csv()


def test_open_ends_come_with_the_smallest_effect(frames):
    table = verdicts.read(verdicts.verdicts(frames))
    left_open = table.verdict[table.verdict.str.startswith("cannot tell")]
    assert len(left_open) and left_open.str.contains(r"smallest detectable effect: \d+\.\d").all()


def test_a_registered_prediction_is_shown(frames):
    table = verdicts.verdicts(frames, {"pairing.rl": "rises by 50 points or more"})
    assert table.registered.value_counts().to_dict() == {"none": 9, "rises by 50 points or more": 1}
    assert "1 of 10 claims had a prediction" in verdicts.sentences(table)
    assert "exploratory" in verdicts.sentences(verdicts.verdicts(frames, {}))
    assert "10 of 10 claims had a prediction" in verdicts.sentences(verdicts.verdicts(frames))


def test_verdicts_that_another_run_does_not_share_are_shown_with_both_intervals(frames):
    table = verdicts.verdicts(frames)
    assert verdicts.beside(table, table).empty
    assert verdicts.stability(verdicts.beside(table, table), 10).startswith("All 10 verdicts are those")
    moved = changed(frames, "orderings", "measure == 'accuracy'", verdict="holds", difference=0.3, low=0.2, high=0.4)
    (row,) = verdicts.beside(moved.reset_index(), table).itertuples(index=False)
    assert "pairing.sft_helps" in row[0] and row[1] == "holds: +30.0 points [+20.0, +40.0]" and "cannot tell" in row[2]
    assert verdicts.stability(verdicts.beside(moved.reset_index(), table), 10).startswith("1 of 10 verdicts differ")


def test_no_number_of_the_paper_is_shown_as_ours(frames):
    shown = verdicts.read(verdicts.verdicts(frames))["measured here (synthetic)"].str.cat(sep=" ")
    numbers = [f"{row.accuracy_percent:.1f}" for row in paper.TABLE2]
    assert not [number for number in numbers if f" {number} %" in shown]


def test_a_system_supervised_for_geolocation_is_compared_where_there_is_one():
    p = fakes.predictions(fakes.places(per_region=2), systems=("mini-base", "mini-R1"))
    other = p[(p.system == "mini-R1") & (p.task == "geolocation")].assign(system="globe-like", stands_for="GLOBE-7B")
    table = verdicts.transfer(pd.concat([p, other]))
    assert list(table.before.unique()) == ["mini-base", "globe-like"]
    same = table[table.before == "globe-like"]
    assert list(same.km) == [1, 25, 200, 750, 2500] and np.allclose(same.difference, 0)
    assert (table.p_holm >= table.p_value).all()


def test_more_seeds_are_needed_for_less():
    needed = [verdicts.seeds_needed(0.07, 3, effect) for effect in (0.07, 0.043, 0.02)]
    assert needed == sorted(needed) and needed[0] == 3


def test_experiments_and_roundings_are_computed(frames):
    table = verdicts.experiments(frames, 1000, 850)
    assert len(table) == 3 and "core-hours" in table.cost[0] and "850 GPU hours" in table.cost[2]
    claims = {claim for row in table.claims for claim in row.split(", ")}
    assert claims <= {claim.id for claim in paper.CLAIMS}
    said = verdicts.rounding_sentences()
    least = min(paper.possible_sizes([row.accuracy_percent for row in paper.TABLE2], paper.TABLE2_DECIMALS, 2000))
    assert f"at least {least} questions;" in said and "All 45 percentages of Table 1 are possible" in said


def test_the_table_is_written_with_whole_sentences(tmp_path, frames):
    table = verdicts.verdicts(frames)
    csv, page, latex = tables.write(table, tmp_path / "verdicts", "Claims.", prose=verdicts.read(table))
    assert len(pd.read_csv(csv)) == len(table) and "smallest detectable effect" in page.read_text()
    assert "p{" in latex.read_text() and "SYNTHETIC" not in latex.read_text()


def test_predictions_without_pairing_have_no_verdicts():
    p = fakes.predictions(fakes.places(per_region=1), systems=("mini-base",))
    assert "verdicts" not in write.made_tables(p[p.task != "pairing"])
