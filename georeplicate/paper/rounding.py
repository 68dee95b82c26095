"""Whether the paper's percentages are possible: each must be a rounded share of a whole number of questions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from georeplicate.paper.tables import TABLE1, TABLE1_DECIMALS, TABLE1_QUESTIONS, THRESHOLDS_KM

if TYPE_CHECKING:
    import pandas as pd


def possible_counts(percent: float, n: int, decimals: int) -> range:
    """The numbers of right answers out of ``n`` that round to ``percent`` at ``decimals`` places; empty if there are
    none.

    Exact arithmetic; a tie counts for both neighbours, since the rounding rule is unknown.
    """
    if n <= 0:
        raise ValueError(f"n is the number of questions and must be positive, got {n}")
    written = Fraction(f"{percent:.{decimals}f}")
    half = Fraction(1, 2 * 10**decimals)
    low = -(-(written - half) * n // 100)  # ceiling
    high = (written + half) * n // 100
    return range(max(0, int(low)), min(n, int(high)) + 1)


def check_rounding(percent: float, n: int, decimals: int = TABLE1_DECIMALS) -> bool:
    """Can ``percent`` be the rounded share of a whole number of ``n`` questions?"""
    return len(possible_counts(percent, n, decimals)) > 0


def possible_sizes(percents: Sequence[float], decimals: int, largest: int) -> list[int]:
    """The test-set sizes up to ``largest`` for which every one of ``percents`` is possible."""
    return [n for n in range(1, largest + 1) if all(check_rounding(percent, n, decimals) for percent in percents)]


def rounding() -> pd.DataFrame:
    """Every percentage of Table 1 against its 12,000 questions: is it possible, and by how many counts?"""
    import pandas as pd

    rows = []
    for row in TABLE1:
        for column in THRESHOLDS_KM:
            percent = getattr(row, column)
            counts = possible_counts(percent, TABLE1_QUESTIONS, TABLE1_DECIMALS)
            rows.append({"method": row.method, "column": column, "percent": percent, "possible_counts": len(counts)})
    return pd.DataFrame(rows)
