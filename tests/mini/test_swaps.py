"""One word of a thought flipped, on policies made by hand: one that goes by its words, and one that does not."""

from types import SimpleNamespace

import numpy as np
import pytest

from georeplicate.mini import swaps, wording

WORDING = wording.of("geographic")
ROWS = [{"id": f"p{i}", "pixels": None} for i in range(6)]


class Speaker:
    """Says what it sees and, behind it, a place: by its last word, or always the same."""

    def __init__(self, listens: bool, seen: str = "palms red-soil drives-left"):
        self.listens, self.seen = listens, seen

    def text(self, row):
        return "where ? "

    def generate(self, rows, **_):
        texts = []
        for row in rows:
            begun = row.get("text", "where ? ").removeprefix("where ? ")
            said = begun or f"<think> place {self.seen}"
            country = "Kenya" if not self.listens or said.endswith(self.seen) else "Chile"
            end = f"</think> <answer> country : {country} </answer>"
            texts.append(end if begun else f"{said} {end}")
        return SimpleNamespace(texts=texts)


@pytest.mark.parametrize("listens, share", [(True, 1.0), (False, 0.0)])
def test_the_country_follows_the_words_of_one_policy_and_not_of_the_other(listens, share):
    found = swaps.swap(Speaker(listens), ROWS, WORDING, seed=0, max_new_tokens=9)
    assert len(found) == len(ROWS) and set(found.country_before) == {"KE"}
    summary = swaps.summary(found).set_index("what").value
    assert summary["one word flipped: the country changes"] == share


def test_thoughts_without_words_have_no_row():
    assert swaps.swap(Speaker(True, seen="nothing"), ROWS, WORDING, seed=0, max_new_tokens=9).empty


def test_one_word_is_flipped_within_its_attribute():
    rng = np.random.default_rng(0)
    before = ["palms", "red-soil", "drives-left"]
    for _ in range(20):
        after, kind = swaps.flipped(before, WORDING, rng)
        [(old, new)] = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert WORDING.attribute_of[old] == WORDING.attribute_of[new] == kind
    with pytest.raises(ValueError, match="no word to flip"):
        swaps.flipped([], WORDING, rng)
