"""Bootstrap intervals and paired tests against other libraries and known answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from georeplicate.evaluation import intervals


def test_counts_are_draws_with_replacement():
    drawn = np.concatenate(list(intervals.counts(50, 4000, seed=1)))
    assert drawn.shape == (4000, 50) and (drawn.sum(1) == 50).all()
    assert drawn.mean() == 1 and drawn.var() == pytest.approx(1 - 1 / 50, rel=0.03)  # binomial(50, 1/50)
    again = np.concatenate(list(intervals.counts(50, 4000, seed=1)))
    assert (drawn == again).all() and not (drawn == np.concatenate(list(intervals.counts(50, 4000, seed=2)))).all()


def test_examples_of_one_cluster_are_drawn_together():
    cluster = ["a", "a", "b", "c", "c", "c"]
    drawn = np.concatenate(list(intervals.counts(6, 500, seed=0, cluster=cluster)))
    assert (drawn[:, 0] == drawn[:, 1]).all() and (drawn[:, 3] == drawn[:, 5]).all()
    assert (drawn[:, [0, 2, 3]].sum(1) == 3).all()
    with pytest.raises(ValueError, match="cluster has 2 labels for 6 examples"):
        next(intervals.counts(6, 10, seed=0, cluster=["a", "b"]))


@given(
    st.lists(st.one_of(st.integers(0, 50), st.just(10**9)), min_size=1, max_size=12).map(sorted),
    st.integers(0, 1000),
)
def test_a_weighted_median_is_the_median_of_the_repeated_values(values, seed):
    values = [math.inf if v == 10**9 else float(v) for v in values]
    weights = np.random.default_rng(seed).integers(0, 4, (5, len(values)))
    found = intervals.weighted_median(weights, values)
    for row, median in zip(weights, found):
        repeated = np.repeat(values, row)
        assert median == np.median(repeated) if repeated.size else math.isnan(median)


def test_limits_agree_with_scipys_bootstrap():
    values = np.random.default_rng(0).exponential(100, 400)
    drawn = intervals.bootstrap({"mean": values}, {"median": values}, draws=6000)
    for name, statistic in (("mean", np.mean), ("median", np.median)):
        theirs = stats.bootstrap((values,), statistic, n_resamples=6000, method="percentile", rng=1)
        spread = theirs.confidence_interval.high - theirs.confidence_interval.low
        ours = intervals.limits(drawn[name])
        assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.08 * spread)


def test_the_interval_covers_the_true_share_about_as_often_as_it_says():
    rng = np.random.default_rng(4)
    covered = []
    for trial in range(300):
        hits = (rng.random(120) < 0.3).astype(float)
        low, high = intervals.limits(intervals.bootstrap({"share": hits}, {}, draws=400, seed=trial)["share"])
        covered.append(low <= 0.3 <= high)
    assert 0.90 <= np.mean(covered) <= 0.98


def test_clusters_widen_the_interval_of_examples_that_agree():
    values = np.repeat(np.random.default_rng(0).integers(0, 2, 40), 25).astype(float)
    alone = intervals.limits(intervals.bootstrap({"share": values}, {})["share"])
    together = intervals.limits(intervals.bootstrap({"share": values}, {}, cluster=np.repeat(range(40), 25))["share"])
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])


def test_nan_leaves_a_mean_and_makes_a_median_infinite():
    values = np.array([1.0, np.nan, 3.0, np.nan, np.nan])
    drawn = intervals.bootstrap({"mean": values}, {"median": values}, draws=500)
    known = drawn["mean"][~np.isnan(drawn["mean"])]
    assert known.min() == 1 and known.max() == 3 and np.isnan(drawn["mean"]).any()
    assert np.isinf(drawn["median"]).any() and intervals.limits(drawn["median"])[1] == math.inf
    nothing = intervals.bootstrap({"mean": []}, {"median": []}, draws=10)
    assert np.isnan(nothing["mean"]).all() and all(map(math.isnan, intervals.limits(nothing["median"])))


def test_chunks_change_nothing(monkeypatch):
    values = np.random.default_rng(0).random(500)
    whole = intervals.bootstrap({"mean": values}, {"median": values}, draws=100)
    monkeypatch.setattr(intervals, "_CELLS", 700)
    parts = intervals.bootstrap({"mean": values}, {"median": values}, draws=100)
    assert all(np.allclose(whole[name], parts[name], rtol=1e-12) for name in whole)


@pytest.mark.parametrize("b, c", [(0, 0), (5, 1), (12, 12), (30, 14), (0, 9)])
def test_mcnemar_is_the_binomial_test_of_the_examples_they_disagree_on(b, c):
    first = np.array([True] * b + [False] * c + [True] * 7 + [False] * 4)
    second = np.array([False] * b + [True] * c + [True] * 7 + [False] * 4)
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert intervals.mcnemar(first, second) == pytest.approx(min(1.0, 2 * tail))
    assert intervals.mcnemar(first, second) == pytest.approx(intervals.mcnemar(second, first))


def test_mcnemar_wants_the_same_examples():
    with pytest.raises(ValueError, match="3 and 2 answers"):
        intervals.mcnemar([1, 0, 1], [1, 0])


def test_a_difference_that_never_changes_sign_is_unlikely_by_chance():
    assert intervals.p_value(np.full(999, 0.5)) == pytest.approx(2 / 1000)
    assert intervals.p_value([-1.0, 1.0, np.nan]) == 1


def test_all_arrays_meet_in_the_same_draws():
    values = np.random.default_rng(3).random(101)
    drawn = intervals.bootstrap({"a": values, "b": 1 - values}, {"c": values, "d": 1 - values}, draws=50)
    np.testing.assert_allclose(drawn["a"] + drawn["b"], 1)
    np.testing.assert_allclose(drawn["c"] + drawn["d"], 1)  # the order of d is the reverse of c's
    assert np.corrcoef(drawn["a"], drawn["c"])[0, 1] > 0.5
