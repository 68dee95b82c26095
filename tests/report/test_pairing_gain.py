"""Parts of a gain in pairing, on answers whose parts are known."""

import pandas as pd
import pytest

from georeplicate.mini import wording
from georeplicate.report import from_words, pairing_gain, pairing_reach, thinking

WORDS = wording.WORDING.words
SOIL, ROAD = list(WORDS["soil"].values()), list(WORDS["road"].values())
# Two tiles a question; the first is the wrong one. Soil is the same in both, roads tell them apart.
QUESTIONS = {f"c{i}/{i}": ("B", [f"other/{i}", f"c{i}/{i}"]) for i in range(40)}


def rows(arm: str, base: int, named: str, letter: str, road_read: bool = True) -> list[dict]:
    """Answers that name one attribute of the place and call tile A a match or not. road_read: whether the road of the
    panorama is read as it is, or as that of the wrong tile."""
    found = []
    common = {"arm": arm, "training_seed": base, "decoding": "greedy"}
    for question, (right, tiles) in QUESTIONS.items():
        word = {"soil": SOIL[0], "road": ROAD[0]}[named]
        verdicts = "A match" if letter == "A" else "A other B match"
        text = f"<think> place {word} {verdicts} </think> <answer> {letter} </answer>"
        found.append(common | {"task": "pairing", "id": question, "truth": right, "choice": letter, "text": text})
        seen = {question: ROAD[0], tiles[0]: ROAD[1]}
        shown = ROAD[0] if road_read else ROAD[1]
        found.append(common | {"task": "panorama words", "id": question, "choice": f"{SOIL[0]} {shown}"})
        for tile in tiles:
            found.append(common | {"task": "tile words", "id": tile, "choice": f"{SOIL[0]} {seen[tile]}"})
    return found


@pytest.fixture
def questions(monkeypatch):
    monkeypatch.setattr(thinking, "questions_of", lambda profile, split: (None, QUESTIONS))


def made(*answers: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame([row for part in answers for row in part]).fillna("")
    found = pairing_gain.decompose(table, from_words.said(table), [("region", "shuffled"), ("random", "shuffled")])
    return found.set_index(["after", "part"])


def reached(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return pairing_reach.reach(table, from_words.said(table), names)


def test_naming_what_tells_tiles_apart_is_selection(questions):
    both = [rows("shuffled", b, "soil", "A") + rows("region", b, "road", "B") for b in (0, 1, 2)]
    found = made(*both).difference["region"]
    assert found[pairing_gain.ALL] == found[pairing_gain.SELECTION] == 1
    assert found[pairing_gain.RULE] == found[pairing_gain.PERCEPTION] == found[pairing_gain.REST] == 0


def test_reading_it_better_is_perception(questions):
    both = [rows("shuffled", b, "road", "A", road_read=False) + rows("region", b, "road", "B") for b in (0, 1, 2)]
    found = made(*both).difference["region"]
    assert found[pairing_gain.ALL] == found[pairing_gain.PERCEPTION] == 1 and found[pairing_gain.SELECTION] == 0


def test_answering_what_was_called_a_match_is_the_rule_and_parts_add_up(questions):
    after = rows("region", 0, "soil", "A")
    before = [row | ({"choice": "B"} if row["task"] == "pairing" else {}) for row in rows("shuffled", 0, "soil", "A")]
    found = made(after, before, rows("random", 1, "soil", "A")).difference
    assert "random" not in found.index.get_level_values(0)  # no base has both
    assert found["region"][pairing_gain.ALL] == found["region"][pairing_gain.RULE] == -1
    parts = found["region"].drop(pairing_gain.ALL)
    assert parts.sum() == pytest.approx(found["region"][pairing_gain.ALL])


def test_where_words_decide_nothing_a_guess_counts(questions):
    """No tile has the words, and nothing was named: each is right in one of two, and not always A."""
    blind = rows("region", 0, "road", "A", road_read=False)
    blind = [row | ({"choice": ""} if row["task"] == "panorama words" else {}) for row in blind]
    silent = [row | ({"text": "<answer> A </answer>"} if row["task"] == "pairing" else {}) for row in
              rows("shuffled", 0, "soil", "A")]  # fmt: skip
    found = made(blind, silent).difference["region"]
    assert found[pairing_gain.SELECTION] == pytest.approx(0.5)  # read in the control's words, roads decide
    assert found[pairing_gain.PERCEPTION] == pytest.approx(-0.5)


def test_a_row_for_readers_has_a_column_for_each_part(questions):
    both = [rows("shuffled", b, "soil", "A") + rows("region", b, "road", "B") for b in (0, 1)]
    table = made(*both).reset_index()
    [row] = pairing_gain.for_readers(table).to_dict("records")
    assert row["arms"] == "region against shuffled" and row[pairing_gain.SELECTION].startswith("+100.0 [")
    assert not len(pairing_gain.for_readers(table.head(0)))
    text = pairing_gain.sentence(table)
    assert (
        "1 pair of arms" in text
        and "of which +100.0 choosing what to name (selection; interval above zero in 1)" in text
    )
    assert pairing_gain.sentence(table.head(0)) == ""


def test_questions_that_are_not_those_of_the_answers_are_refused(questions):
    answers = [row | ({"truth": "A"} if row["task"] == "pairing" else {}) for row in rows("region", 0, "soil", "A")]
    unknown = [row | {"id": f"elsewhere/{row['id']}"} for row in rows("region", 0, "soil", "A")]
    for strange in (answers, unknown):
        with pytest.raises(ValueError, match="not those that are made today"):
            made(strange)


def test_words_among_six_pictures_are_summed_up_over_the_pairs_that_are_wanted():
    spoken = pd.DataFrame(
        [("r1", "r1-shuffled", 0.07, 0.01), ("region", "shuffled", 0.02, -0.01), ("region", "rule", 0.5, 0.4)],
        columns=["after", "before", "difference", "low"],
    )
    text = pairing_gain.among_six(spoken, [("r1", "r1-shuffled"), ("region", "shuffled")])
    assert "by +2.0 to +7.0 points (interval above zero in 1 of 2 pairs)" in text
    assert pairing_gain.among_six(spoken, [("x", "y")]) == "" == pairing_gain.among_six(pd.DataFrame(), [("x", "y")])


def test_words_allow_what_they_decide_and_no_more(questions):
    """Roads decide every question and are read rightly by base 0 alone; soil decides none."""
    answers = rows("region", 0, "soil", "A") + rows("region", 1, "soil", "A", road_read=False)
    for row in answers:
        if row["task"] == "panorama words":
            row["truth"] = f"{SOIL[0]} {ROAD[0]}"
        if row["task"] == "tile words":
            row["truth"] = row["choice"]
    found = reached(pd.DataFrame(answers).fillna(""), ["region", "not there"]).set_index("arm")
    assert list(found.index) == ["region", "true words"] and found.bases.to_list() == [2, 0]
    # Answered: A, never right; by the soil that it names the first tile, A. By roads all of base 0; of base 1 they are
    # always those of the wrong tile, which the best attributes (none that any tile agrees in: a guess) leave out and
    # weights turn round.
    assert found.answered["region"] == found.named["region"] == 0
    assert found.best["region"] == pytest.approx((1 + 0.5) / 2) and found.best["true words"] == 1
    assert found.weighed["region"] == found.weighed["true words"] == 1
    [region, true] = pairing_reach.for_readers(found.reset_index()).to_dict("records")
    assert region["as answered"].startswith("0.000 [") and true["as answered"] == "" == true["bases"]
    text = pairing_reach.sentence(found.reset_index(), "region")
    assert "region answers 0.000" in text and "0.750 [" in text and text.endswith("true words 1.000 and 1.000.")
    assert pairing_reach.sentence(found.reset_index(), "zero") == "" == pairing_reach.sentence(pd.DataFrame(), "zero")


def test_what_is_set_in_one_half_of_the_cities_is_counted_in_the_other(questions, monkeypatch):
    """In every other city soil decides, in the rest roads: what is best in one half decides nothing in the other."""
    answers = rows("region", 0, "soil", "A")
    odd = {name for i, name in enumerate(sorted(f"c{i}" for i in range(40))) if i % 2}
    for row in answers:
        row["truth"] = row.get("truth", "")
        wrong, city = row["id"].startswith("other/"), f"c{row['id'].rpartition('/')[2]}"
        if row["task"] == "tile words":
            soil, road = (SOIL[1], ROAD[0]) if city in odd else (SOIL[0], ROAD[1])
            row["choice"] = f"{soil} {road}" if wrong else f"{SOIL[0]} {ROAD[0]}"
        if row["task"] != "pairing":
            row["truth"] = row["choice"]
    monkeypatch.setattr(pairing_reach, "MOST", 1)
    [region, _] = reached(pd.DataFrame(answers).fillna(""), ["region"]).to_dict("records")
    assert region["best"] == 0 and region["weighed"] == 0.5  # the other half's weight is of what all tiles have: ties


def test_in_one_city_nothing_can_be_set_apart(questions):
    answers = [row for row in rows("region", 0, "soil", "A") if row["id"].rpartition("/")[2] == "3"]
    for row in answers:
        row["truth"] = row.get("truth", row["choice"])
    found = reached(pd.DataFrame(answers), ["region"]).set_index("arm").loc["region"]
    assert found[["best", "weighed"]].isna().all() and found.answered == 0
    assert pairing_reach.for_readers(pd.DataFrame([dict(found, arm="region")]))["as answered"][0].startswith("0.000")
