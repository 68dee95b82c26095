"""The four rewards in both modes: known values, totality, linear time, and constants that name their sources."""

import math
import random
import re
import string
from fractions import Fraction

import adversaries
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from georeplicate import paper
from georeplicate.report import pages
from georeplicate.tasks import answers
from georeplicate.training import rewards

MODES = ("paper", "released")
ROBUST = settings(max_examples=150)
ANY_TEXT = st.one_of(
    st.text(),
    st.text(st.characters(exclude_categories=())),  # with lone surrogates
    st.lists(
        st.sampled_from(
            [
                "<think>",
                "</think>",
                "<answer>",
                "</answer>",
                "A",
                "B",
                " ",
                "\n",
                "\x00",
                "\ud800",
                ".",
                "(",
                ")",
                "not ",
                "the answer is ",
                "country: ",
                "city: ",
                "France",
                "Paris",
                "48.85",
                "2.35",
                "°",
                "'",
                '"',
                "N",
                "W",
                "-",
                ",",
                "lat: ",
                "lon: ",
                "{",
                "}",
                "[",
                "]",
                "```",
                "```json",
                '"bbox_2d"',
                '"label"',
                ":",
                "1",
                "image ",
                " in ",
                " or ",
                ", but it may well be ",
                "Spain",
                "answer: B\n",
                "POINT(",
                "<|",
                "|>",
            ]  # fmt: skip
        ),
        max_size=40,
    ).map("".join),
)


# --- accuracy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("A", "A"), ("a", "A"), ("A.", "A"), ("B:", "B"), ("Image B", "B"), ("Option C", "C"), ("E!", "E"),
        ("The answer is C.", "C"), ("A, B", "B"), ("B or C.", "C"), ("Candidate A. Not B.", "B"),
        ("(A)", None), ("A)", None), ("**D**", None), ("Satellite image A is the match.", None),
        ("The best match is image 3", None), ("", None),
    ],
)  # fmt: skip
def test_official_vectors(answer, letter):
    assert answers.released_choice(answer) == letter
    for text in (
        answer,
        f"<think>x</think><answer> {answer}\n</answer>",
        f"<answer>{answer}</answer><answer>Z</answer>",
    ):
        for gold in "ABCDE":
            assert rewards.accuracy(text, gold, mode="released") == float(gold == letter)


def test_only_stripping_saves_a_final_newline():
    assert answers.released_choice("A\n") is None
    assert rewards.accuracy("A\n", "A", mode="released") == 1.0


def by_the_description(answer: str) -> str | None:
    """The official rule written down a second time, candidate by candidate and without any counting."""
    text = re.sub(r"\s+", " ", answer.upper())
    marks = [i for i, c in enumerate(text) if c in string.ascii_uppercase]
    candidates = [
        text[i]
        for i in marks
        if (i == 0 or text[i - 1] not in string.ascii_uppercase) and (i + 1 == len(text) or text[i + 1] in ".,?!:;")
    ]
    scores = dict.fromkeys(candidates, 0)
    for letter in candidates:
        at = text.index(letter)
        near = text[max(0, at - 20) : min(len(text), at + 20)]
        scores[letter] += sum(word.upper() in near for word in answers.RELEASED_KEYWORDS)
        scores[letter] += 2 if at > 0.7 * len(text) else 0
        scores[letter] += 1 if at + 1 < len(text) and text[at + 1] in "。.!！,，" else 0
    best = max(scores.values(), default=0)
    return next((letter for letter, score in scores.items() if score == best), None)


@ROBUST
@given(
    st.lists(
        st.sampled_from([*"ABCabc", ".", ",", " ", "\n", "!", "answer", "right", "是", "not", "x ", "，", "ß", "\x1f"]),
        max_size=30,
    ).map("".join)
)
@example("A. B. B. A answer")
@example(" A")
@example("A ")
def test_released_choice_follows_its_description(answer):
    assert answers.released_choice(answer) == by_the_description(answer)


@pytest.mark.parametrize("text", ["(A)", "A)", "**A**", "Satellite image A is the match", "<answer>\n(a)</answer>"])
def test_paper_mode_pays_what_the_official_code_does_not(text):
    assert rewards.accuracy(text, "A") == 1.0
    assert rewards.accuracy(text, "B") == 0.0


@pytest.mark.parametrize(
    "text", ["A or B", "<answer>A, B</answer>", "The answer is A. The answer is B.", "not A", "", "AB"]
)
@pytest.mark.parametrize("letter", ["A", "B"])
def test_paper_mode_refuses(text, letter):
    assert rewards.accuracy(text, letter) == 0.0


@pytest.mark.parametrize(
    "values", [rewards.ACCURACY_VALUES, rewards.ACCURACY_VALUES_NOTES, rewards.ACCURACY_VALUES_REVIEWS]
)
@pytest.mark.parametrize("mode", MODES)
def test_accuracy_values_are_a_parameter(values, mode):
    assert rewards.accuracy("B", "B", mode, values) == values[1] == 1.0
    assert rewards.accuracy("C", "B", mode, values) == values[0]
    assert rewards.total("C", "B", 10, mode, values=values).parts["accuracy"] == values[0]


def test_a_gold_answer_that_is_no_letter_is_never_right():
    assert all(rewards.accuracy(text, "?", mode) == 0.0 for text in ("?", "A", "") for mode in MODES)


# --- format -----------------------------------------------------------------------------------------------------------

FORMATS = [
    # completion, paper, released
    ("<think>a</think><answer>B</answer>", 1, 1),
    ("<think>a</think>\n\t <answer>B</answer>", 1, 1),
    ("<think>a\nb</think><answer>B\n</answer>", 1, 1),
    ("<think>a</think><answer>B</answer>\n", 1, 0),
    (" <think>a</think><answer>B</answer>", 1, 0),
    ("<think></think><answer></answer>", 0, 1),
    ("<think> </think><answer>B</answer>", 0, 1),
    ("<think>a</think>so<answer>B</answer>", 0, 0),
    ("<think>a</think>so<answer>C</answer> </think><answer>B</answer>", 0, 1),
    ("<think>a</think><answer>B</answer><answer>C</answer>", 0, 1),
    ("<think><think>a</think><answer>B</answer>", 0, 1),
    ("<think>a<answer>B</answer>", 0, 0),
    ("<think>a</think><answer>B", 0, 0),
    ("<answer>B</answer><think>a</think>", 0, 0),
    ("<Think>a</Think><Answer>B</Answer>", 0, 0),
    ("<think></answer>", 0, 0),
    ("<think>a</think><answer></answer", 0, 0),
    ("", 0, 0),
]


@pytest.mark.parametrize(("text", "in_paper", "in_released"), FORMATS)
def test_format(text, in_paper, in_released):
    assert rewards.format(text) == in_paper
    assert rewards.format(text, mode="released") == in_released


@ROBUST
@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", " ", "\n", "x"]), max_size=12).map(
        "".join
    )
)
def test_released_format_is_a_full_match(text):
    official = re.fullmatch("<think>.*?</think>\\s*<answer>.*?</answer>", text, re.DOTALL)
    assert rewards.format(text, mode="released") == float(official is not None)


# --- length -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "reward"), [(0, 1.0), (128, 0.981), (256, 0.927), (512, 0.75), (1024, 0.5), (1536, 0.75), (2048, 1.0)]
)
def test_official_length_vectors(tokens, reward):
    for correct in (True, False):
        assert rewards.length(tokens, correct, mode="released") == pytest.approx(reward, abs=5e-4)


@pytest.mark.parametrize(("tokens", "right", "wrong"), [(0, 1.0, 0.0), (512, 0.75, -0.25), (1024, 0.5, -0.5)])
def test_paper_length_values(tokens, right, wrong):
    assert rewards.length(tokens, True) == pytest.approx(right)
    assert rewards.length(tokens, False) == pytest.approx(wrong)


@given(st.integers(), st.booleans())
@example(10**400, True)
@example(-(10**400), False)
def test_length_is_total_and_bounded(tokens, correct):
    assert 0.5 <= rewards.length(tokens, correct, mode="released") <= 1.0
    low, high = (0.5, 1.0) if correct else (-0.5, 0.0)
    assert low <= rewards.length(tokens, correct) <= high
    assert rewards.length(tokens, True) > rewards.length(tokens, False)


@given(st.integers(0, 1023), st.booleans())
def test_paper_length_falls_and_then_stays(tokens, correct):
    assert rewards.length(tokens, correct) > rewards.length(tokens + 1, correct)
    assert rewards.length(1024 + tokens, correct) == rewards.length(1024, correct)


@given(st.integers(0, 10**6))
def test_released_length_is_periodic(tokens):
    direct = 1 - 0.25 * (1 - math.cos(math.pi * tokens / 1024))
    assert rewards.length(tokens, False, mode="released") == pytest.approx(direct, abs=1e-9)


# --- repetition -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        ("", 0.0),
        ("a b c d e", 0.0),
        ("a b c d e f", 0.0),
        ("a a a a a a a", -0.5),
        ("a A a\na a\ta a a", -2 / 3),
        ("a b c d e f a b c d e f", -1 / 7),
        (" ".join(map(str, range(400))), 0.0),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_repetition(text, reward, mode):
    assert rewards.repetition(text, mode) == pytest.approx(reward)


@ROBUST
@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(0, 40))
def test_repetition_by_counting(words, distinct):
    words += map(str, range(distinct))
    grams = [tuple(words[i : i + 6]) for i in range(len(words) - 5)]
    expected = -(1 - Fraction(len(set(grams)), len(grams))) if grams else 0
    assert rewards.repetition(" ".join(words)) == pytest.approx(float(expected))


def test_repetition_of_long_texts_with_many_words_is_exact():
    rng = random.Random(0)
    words = [str(rng.randrange(3000)) for _ in range(4000)] * 2
    grams = {tuple(words[i : i + 6]) for i in range(len(words) - 5)}
    assert rewards.repetition(" ".join(words)) == pytest.approx(len(grams) / (len(words) - 5) - 1)


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        ('```json\n[{"bbox_2d": [1, 2], "label": "a"}, {"bbox_2d": [1, 2], "label": "a"}]\n```', -0.5),
        ('see [ {"bbox_2d": [1, 2], "label": "a"}, {"bbox_2d": [1, 3], "label": "a"} ]', 0.0),
        ("```\n[1, 2]\n``` a a a a a a a", 0.0),  # a list without boxes stops the count of words
        ("```json\n[broken\n``` a a a a a a a a a", -3 / 7),
        ('{"bbox_2d": 1} a a a a a a a a', -2 / 5),
    ],
)
def test_released_repetition_of_boxes(text, reward):
    assert rewards.repetition(text, mode="released") == pytest.approx(reward)


# --- all together -----------------------------------------------------------------------------------------------------


def test_total_is_the_weighted_sum_of_its_parts():
    text = "<think>The roundabout is there.</think>\n<answer>(B)</answer>"
    reward = rewards.total(text, "B", 512)
    assert reward.parts == pytest.approx({"accuracy": 1.0, "format": 1.0, "length": 0.75, "repetition": 0.0})
    assert reward.total == pytest.approx(2.75)
    released = rewards.total(text, "B", 512, "released")
    assert released.parts == pytest.approx({"accuracy": 0.0, "format": 1.0, "length": 0.75, "repetition": 0.0})
    weights = {"accuracy": 2.0, "format": 0.5, "length": 0.0, "repetition": 1.0}
    assert rewards.total(text, "B", 512, weights=weights).total == pytest.approx(2.5)


def test_a_wrong_answer_keeps_its_length_reward_only_in_the_official_code():
    text = "<think>a</think><answer>C</answer>"
    assert rewards.total(text, "B", 0, "released").parts["length"] == 1.0
    assert rewards.total(text, "B", 0, "paper").parts["length"] == 0.0


def test_mistyped_names_are_refused():
    with pytest.raises(ValueError, match="weights must name accuracy, format, length, repetition"):
        rewards.total("B", "B", 1, weights={"acuracy": 1.0})
    for call in (
        lambda: rewards.accuracy("B", "B", "papr"),
        lambda: rewards.format("B", "papr"),
        lambda: rewards.length(1, True, "papr"),
        lambda: rewards.repetition("B", "papr"),
        lambda: answers.parse_choice("B", "papr"),
        lambda: answers.parse_place("B", "papr"),
        lambda: answers.same_place_name("B", "B", "papr"),
    ):
        with pytest.raises(ValueError, match='mode must be "paper" or "released", got \'papr\''):
            call()


@ROBUST
@given(ANY_TEXT, st.one_of(st.sampled_from("ABCDE"), st.text()), st.integers(), st.sampled_from(MODES))
def test_rewards_are_total(text, letter, tokens, mode):
    reward = rewards.total(text, letter, tokens, mode)
    assert set(reward.parts) == set(rewards.WEIGHTS)
    assert all(type(part) is float and math.isfinite(part) for part in reward.parts.values())
    assert reward.parts["accuracy"] in (0.0, 1.0) and reward.parts["format"] in (0.0, 1.0)
    assert -1.0 <= reward.parts["repetition"] <= 0.0
    assert reward == rewards.total(text, letter, tokens, mode)


@ROBUST
@given(ANY_TEXT, st.sampled_from(MODES))
def test_at_most_one_letter_is_right(text, mode):
    assert sum(rewards.accuracy(text, letter, mode) for letter in string.ascii_uppercase) <= 1.0


# --- adversaries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", adversaries.FUNCTIONS)
def test_hundreds_of_kilobytes_of_anything_are_read(function):
    """Without a limit in seconds (tests/bench/bench_rewards.py times a megabyte): a quadratic one takes hours."""
    for text in adversaries.TEXTS.values():
        adversaries.FUNCTIONS[function](text[:150_000])


# --- constants --------------------------------------------------------------------------------------------------------


def test_every_constant_names_its_source_and_is_the_one_in_use():
    listed = {constant.name: constant for constant in rewards.CONSTANTS}
    for name, constant in listed.items():
        module, _, attribute = name.rpartition(".")
        value = getattr(answers if module else rewards, attribute)
        assert constant.value == (tuple(value.values()) if isinstance(value, dict) else value)
        assert constant.source and constant.strength in paper.STRENGTHS and set(constant.modes) <= set(MODES)
    numbers = {n for n, v in vars(rewards).items() if n.isupper() and not n.startswith("_") and n != "CONSTANTS"}
    assert numbers == {name for name in listed if "." not in name}


def test_the_defaults_are_those_of_the_papers_data():
    assert tuple(paper.setting("reward_functions").value) == tuple(rewards.WEIGHTS)
    assert set(rewards.WEIGHTS.values()) == {1.0} and paper.setting("reward_aggregation").value == "sum"


def test_committed_pages_are_current():
    for path, text in pages.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: run make pages"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think> a </think> <answer> country: France city: Paris </answer>", 1.0),
        ("<think> a </think> <answer> country: France city: PARIS </answer>", 1.0),
        ("<think> a </think> <answer> country: France city: Lyon </answer>", 0.2),
        ("<think> a </think> <answer> country: France </answer>", 0.2),
        ("<think> a </think> <answer> country: Canada city: Paris </answer>", 0.0),
        ("<think> a </think> <answer> nowhere </answer>", 0.0),
        ("", 0.0),
    ],
)
def test_labels_of_country_and_city_are_rewarded_as_globe_does(text, expected):
    found = rewards.place(text, "FR", "Paris")
    assert found.parts["accuracy"] == expected
    assert found.total == expected + rewards.format(text)
    assert rewards.place(text, "", "").parts["accuracy"] == 0.0  # a place at sea has no label to be right about


def test_the_nearer_the_place_named_the_more_it_earns():
    said = "<think> a </think> <answer> country: France city: {} </answer>"
    paris, lyon = (rewards.distance(said.format(city), 48.8566, 2.3522) for city in ("Paris", "Lyon"))
    assert paris.parts["accuracy"] == pytest.approx(1.0, abs=0.01)
    assert lyon.parts["accuracy"] == pytest.approx(math.exp(-392 / 1492.7), abs=0.01)  # kilometres between the two
    assert paris.total == paris.parts["accuracy"] + rewards.format(said.format("Paris"))
    for lat, lon in ((math.nan, 0.0), (0.0, math.nan)):
        assert rewards.distance(said.format("Paris"), lat, lon).parts["accuracy"] == 0.0
    assert rewards.distance("nowhere", 0.0, 0.0).parts["accuracy"] == 0.0
