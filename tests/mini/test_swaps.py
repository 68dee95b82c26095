"""Words and pictures exchanged, on policies made by hand: some go by their words, some by what they are shown."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from georeplicate.mini import swaps, wording

WORDING = wording.WORDING
ROWS = [{"id": f"p{i}", "pixels": None} for i in range(6)]


class Speaker:
    """Says what it sees and, behind it, a place: by its last word, by its picture, or always the same."""

    def __init__(self, listens: bool, seen: str = "palms red-soil drives-left", looks: bool = False):
        self.listens, self.seen, self.looks = listens, seen, looks

    def text(self, row):
        return "where ? "

    def generate(self, rows, **_):
        texts = []
        for row in rows:
            begun = row.get("text", "where ? ").removeprefix("where ? ")
            said = begun or f"<think> place {self.seen}"
            country = "Kenya" if not self.listens or said.endswith(self.seen) else "Chile"
            if self.looks:
                country = ("Kenya", "Chile")[row["pixels"] % 2]
            end = f"</think> <answer> country : {country} </answer>"
            texts.append(end if begun else f"{said} {end}")
        return SimpleNamespace(texts=texts)


@pytest.mark.parametrize(
    "listens, looks, word, picture", [(True, False, 1.0, 0.0), (False, False, 0.0, 0.0), (False, True, 0.0, 1.0)]
)
def test_the_country_follows_the_words_of_one_policy_and_the_picture_of_another(listens, looks, word, picture):
    rows = [row | {"pixels": i // 3} for i, row in enumerate(ROWS)]  # neighbours show the same
    found = swaps.of_places(Speaker(listens, looks=looks), rows, WORDING, seed=0, max_new_tokens=9)
    assert len(found) == len(ROWS) and (looks or set(found.country_before) == {"KE"})
    summary = swaps.summary(found).set_index("what").value
    assert summary["one word flipped: the country changes"] == word
    assert summary["picture exchanged: the country changes"] == picture


def test_thoughts_without_words_have_no_row():
    assert swaps.of_places(Speaker(True, seen="nothing"), ROWS, WORDING, seed=0, max_new_tokens=9).empty


class Judge:
    """Calls a tile a match where the words behind its letter are the place's (`by` words), or its picture's number is
    even (`by` picture)."""

    TEXT = "<think> place palms wet-land A palms dry-land other C wet-land palms match </think> <answer> C </answer>"

    def __init__(self, by: str, text: str = TEXT):
        self.by, self.written = by, text
        self.tokenizer = SimpleNamespace(convert_tokens_to_ids=lambda words: list(range(len(words))))

    def text(self, row):
        return "which ? "

    def generate(self, rows, **_):
        return SimpleNamespace(texts=[self.written for _ in rows])

    def logprobs(self, rows, completions):
        assert completions == [[[0], [1]]] * len(rows)  # the two verdicts, a token each
        scores = []
        for row in rows:
            place, *tiles = swaps_of(row["text"])
            match = tiles[-1] == place if self.by == "words" else row["pixels"] % 2 == 0
            scores += [[-0.1], [-2.0]] if match else [[-2.0], [-0.1]]
        return torch.tensor(scores)


def swaps_of(text: str) -> list[set[str]]:
    """The words behind `place` and behind each letter."""
    found: list[set[str]] = []
    for token in text.split():
        if token == "place" or token in "ABCDE":
            found.append(set())
        elif token in WORDING.attribute_of:
            found[-1].add(token)
    return found


@pytest.mark.parametrize("by, opposed, exchanged", [("words", 1.0, 0.0), ("picture", 0.0, 1.0)])
def test_the_verdict_follows_the_words_of_one_policy_and_the_pictures_of_the_other(by, opposed, exchanged):
    rows = [row | {"pixels": i // 3} for i, row in enumerate(ROWS)]
    found = swaps.of_verdicts(Judge(by), rows, WORDING, seed=0, max_new_tokens=9)
    assert tuple(found.columns) == swaps.OF_VERDICTS and len(found) == len(rows)
    assert set(found.letter) == {"A", "C"} and (found.equal == (found.letter == "C")).all()
    assert (found.opposed != found.verdict).mean() == opposed
    assert (found.exchanged != found.verdict).mean() == exchanged
    if by == "words":
        assert ((found.verdict == "match") == found.equal).all()


@pytest.mark.parametrize(
    "text",
    ["", "<think> place palms </think> <answer> A </answer>", "<think> A palms match", "place palms A wet-land match"],
)
def test_answers_without_a_verdict_on_what_both_were_given_have_no_row(text):
    assert swaps.of_verdicts(Judge("words", text), ROWS, WORDING, seed=0, max_new_tokens=9).empty


def test_one_word_is_flipped_within_its_attribute():
    rng = np.random.default_rng(0)
    before = ["palms", "red-soil", "drives-left"]
    for _ in range(20):
        after, kind = swaps.flipped(before, WORDING, rng)
        [(old, new)] = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert WORDING.attribute_of[old] == WORDING.attribute_of[new] == kind
    with pytest.raises(ValueError, match="no word to flip"):
        swaps.flipped([], WORDING, rng)
