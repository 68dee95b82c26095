"""Intervals over few seeds: coverage by simulation, power by simulation, arithmetic by hand."""

import numpy as np
import pytest
from scipy.stats import t

from georeplicate.evaluation import seeds

PLACES = 60


def simulated(rng, runs: int, of_seed: float, of_place: float, of_cell: float) -> np.ndarray:
    """(runs, PLACES) cells with mean 0 and these standard deviations of seeds, places and cells."""
    return rng.normal(0, of_seed, (runs, 1)) + rng.normal(0, of_place, PLACES) + rng.normal(0, of_cell, (runs, PLACES))


def bootstrap(cells: np.ndarray, rng) -> tuple[float, float]:
    """What was done before: seeds and places drawn anew, percentiles of 400 draws."""
    rows = rng.integers(len(cells), size=(400, len(cells)))
    columns = rng.integers(cells.shape[1], size=(400, cells.shape[1]))
    means = [cells[r][:, c].mean() for r, c in zip(rows, columns)]
    return tuple(np.quantile(means, (0.025, 0.975)))


@pytest.mark.parametrize("of_seed", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("runs", [3, 5])
def test_the_interval_covers_whatever_share_seeds_have(runs, of_seed):
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(1000):
        cells = simulated(rng, runs, of_seed, 0.3, 0.3)
        hits += abs(cells.mean()) <= seeds.between(cells).half_width()
    assert 0.935 <= hits / 1000 <= 0.985


@pytest.mark.parametrize("runs, of_seed", [((3, 3), 0.1), ((1, 3), 0.1), ((3, 3), 0.0), ((5, 3), 0.3)])
def test_differences_cover_too(runs, of_seed):
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(1000):
        place = rng.normal(0, 0.3, PLACES)  # shared: both systems see the same places
        one, other = (
            place + rng.normal(0, of_seed if n > 1 else 0, (n, 1)) + rng.normal(0, 0.2, (n, PLACES)) for n in runs
        )
        hits += abs(one.mean() - other.mean()) <= seeds.versus(one, other).half_width()
    assert 0.935 <= hits / 1000 <= 0.992


def test_a_percentile_bootstrap_over_three_seeds_would_not():
    rng = np.random.default_rng(9)
    hits = [low <= 0 <= high for low, high in (bootstrap(simulated(rng, 3, 0.3, 0.1, 0.1), rng) for _ in range(300))]
    assert np.mean(hits) < 0.87


def test_seeds_alone_give_students_interval():
    cells = np.repeat([[0.2], [0.5], [0.8]], 40, axis=1)
    assert seeds.between(cells).half_width() == pytest.approx(t.ppf(0.975, 2) * 0.3 / np.sqrt(3))
    difference = seeds.versus(cells, cells)
    assert difference.df == pytest.approx(4)
    assert difference.half_width() == pytest.approx(t.ppf(0.975, 4) * 0.3 * np.sqrt(2 / 3))


def test_one_run_gives_the_interval_over_places():
    cells = np.random.default_rng(1).normal(0, 1, (1, 50))
    spread = seeds.between(cells)
    assert spread.seeds == 0
    assert spread.half_width() == pytest.approx(t.ppf(0.975, 49) * cells.std(ddof=1) / np.sqrt(50))


def test_what_a_single_seed_says_is_not_certain():
    cells = np.zeros((3, PLACES))
    cells[1] = np.where(np.arange(PLACES) % 2, 0.5, -0.5)  # the others have nothing to say, so no seed's mean differs
    assert seeds.between(cells).half_width() > 0.03


def test_a_ratio_varies_as_its_cells_do():
    rng = np.random.default_rng(2)
    possible = rng.integers(5, 15, (200, 3, PLACES)).astype(float)
    counted = rng.binomial(possible.astype(int), 0.8).astype(float)
    ratios = counted.sum((1, 2)) / possible.sum((1, 2))
    expected = np.mean([seeds.cells(c, p).var() / c.size for c, p in zip(counted, possible)])
    assert expected == pytest.approx(ratios.var(), rel=0.3)


@pytest.mark.parametrize("runs", [3, 5])
def test_the_smallest_effect_is_found_in_80_percent_of_experiments(runs):
    rng = np.random.default_rng(3)
    truth = seeds.Spread(0.3**2 / runs, runs - 1, 0.0, PLACES).smallest_effect()  # from the true standard deviation
    means = rng.normal(truth, 0.3, (2000, runs))
    found = [cells.mean() > seeds.between(np.repeat(cells[:, None], PLACES, axis=1)).half_width() for cells in means]
    assert 0.75 <= np.mean(found) <= 0.85


def test_p_and_interval_agree():
    spread = seeds.Spread(0.02**2, 3.2, 0.01**2, 100)
    assert spread.p_value(spread.half_width(0.95)) == pytest.approx(0.05, abs=1e-6)
    assert spread.p_value(-spread.half_width(0.99)) == pytest.approx(0.01, abs=1e-6)
    assert spread.p_value(0.0) == 1


def test_a_margin_refutes_and_without_one_nothing_small_does():
    assert seeds.verdict(-4.0, 1.0, margin=2.8) == "does not hold"
    assert seeds.verdict(-4.0, 1.0) == seeds.verdict(-4.0, 3.0, margin=2.8) == "cannot tell"
    assert seeds.verdict(0.1, 5.0, margin=2.8) == "holds"
    assert seeds.verdict(-4.0, -1.0) == "does not hold"


def test_nothing_and_next_to_nothing_have_intervals_by_one_method():
    none, one = np.zeros((1, 100)), np.zeros((1, 100))
    one[0, 3] = 1
    possible = np.full((1, 100), 6.0)
    assert seeds.is_rare(none, possible) and seeds.is_rare(one, possible) and not seeds.is_rare(possible / 2, possible)
    (l0, u0), (l1, u1) = seeds.wilson(0.0, 100), seeds.wilson(1 / 600, 100)
    assert l0 == 0 < l1 and u0 < u1 < 0.05  # the more cases, the higher
    low, high = seeds.newcombe(0.0, 0.0, 100, 100)
    assert low == pytest.approx(-u0) and high == pytest.approx(u0)


def test_wilson_has_width_where_the_bootstrap_has_none():
    low, high = seeds.wilson_counted(0, 100)
    assert low == 0 and 0.03 < high < 0.04
    assert np.isnan(seeds.wilson_counted(0, 0)).all()


def test_wilson_is_the_same_of_a_count_and_of_its_share():
    for hits in (0, 1, 7, 99, 100):
        assert seeds.wilson(hits / 100, 100) == pytest.approx(seeds.wilson_counted(hits, 100), abs=1e-14)


def test_lengths_are_no_shares():
    assert not seeds.is_rare(np.full((3, 9), 20.0), np.ones((3, 9)))


def test_holm_by_hand():
    assert np.allclose(seeds.holm([0.01, 0.04, np.nan, 0.03]), [0.03, 0.06, np.nan, 0.06], equal_nan=True)
    assert seeds.holm([0.6, 0.7]).tolist() == [1.0, 1.0]
