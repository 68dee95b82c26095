"""What both stages share: the order of the data."""

import pytest

from georeplicate.training import common


def test_every_row_is_drawn_once_before_any_is_drawn_again():
    drawn = common.order(10, 25, seed=0)
    assert sorted(drawn[:10]) == sorted(drawn[10:20]) == list(range(10)) and drawn[:10] != drawn[10:20]
    assert drawn == common.order(10, 25, seed=0) != common.order(10, 25, seed=1)
    assert drawn[:12] == common.order(10, 12, seed=0)  # a longer run begins like a shorter one


def test_no_rows_are_an_error_and_no_endless_search():
    with pytest.raises(ValueError, match="no rows to train on"):
        common.order(0, 5, seed=0)
