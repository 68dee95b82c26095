"""What conclusions follow from, on examples made by hand."""

import pandas as pd
import pytest

from georeplicate import files
from georeplicate.report import causes

ARM = {"arm": "rule", "policy": "x"}


def made(spoilt: int = 0):
    """Two bases and 30 cities; every verdict follows its words and turns round with them, but for `spoilt` of base 1,
    which has no verdict on one question at all."""
    verdicts, places = [], []
    for base in (0, 1):
        for i in range(30):
            which = ARM | {"base": base, "id": f"xx/city{i}/0"}
            equal, wrong = i % 2 == 0, base == 1 and i < spoilt
            said = ("match", "other")[equal == wrong]
            turned = said if wrong else {"match": "other", "other": "match"}[said]
            if not (base == 1 and i == 29):
                given = {"letter": "A", "equal": equal, "verdict": said, "opposed": turned, "exchanged": said}
                verdicts.append(which | given)
            countries = {
                "country_before": "KE",
                "country_flipped": "KE" if i % 3 else "CL",
                "country_exchanged": "KE" if i % 5 else "FR",
            }
            places.append(which | {"attribute": "soil"} | countries)
    return pd.DataFrame(verdicts), pd.DataFrame(places)


def test_shares_count_examples_that_a_base_has():
    found = causes.table(*made(spoilt=10)).set_index("measure")
    assert set(found.index) == set(causes.MEASURES) and set(found.bases) == {2}
    assert found.n[causes.FOLLOWS] == 59 and found.n[causes.FLIPPED] == 60
    assert found.value[causes.FOLLOWS] == found.value[causes.OPPOSED] == pytest.approx(49 / 59)
    assert found.by_base[causes.OPPOSED] == f"1.000 {19 / 29:.3f}"
    assert found.value[causes.EXCHANGED] == 0 and found.value[causes.PHOTO] == pytest.approx(1 / 5)
    assert found.value[causes.FLIPPED] == pytest.approx(1 / 3)
    assert (found.value_low <= found.value).all() and (found.value <= found.value_high).all()


def test_sentences_and_rows_for_readers_come_from_the_table():
    found = causes.table(*made())
    text = causes.sentences(found)
    assert "By arm (rule), 100 % of the verdicts on a tile follow" in text and "turn 0 %" in text
    [row] = causes.for_readers(found).to_dict("records")
    assert row["arm"] == "rule" and row["bases"] == "2" and row[causes.MEASURES[causes.OPPOSED]].startswith("1.000")
    assert causes.sentences(found.head(0)) == ""


def test_rows_read_from_a_file_are_those_that_were_made(tmp_path):
    verdicts, places = made(spoilt=3)
    with pytest.raises(files.FileError, match="bench_swaps.py` makes it"):
        causes.read(tmp_path)
    files.write_csv(tmp_path / "swaps_verdicts.csv", verdicts)
    files.write_csv(tmp_path / "swaps_places.csv", places)
    pd.testing.assert_frame_equal(causes.table(*causes.read(tmp_path)), causes.table(verdicts, places))
