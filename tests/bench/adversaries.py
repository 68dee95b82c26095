"""Megabytes that a pattern of quadratic time would read for hours, and the functions that must not."""

import random
import string

from georeplicate.tasks import answers
from georeplicate.training import rewards

MODES = ("paper", "released")

CHARS = 1_000_000
UNITS = [
    "<think>", "</think>", "<answer>", "</answer>", "<think></think>", "<answer></answer>", "<answer>A</answer>",
    "</think> <answer>", "</think>  ", "a", "A", "A.", "A ", "(A)", "((((", "1", "1 ", "1.5, 2.5 ", "°", "'", '"', "-",
    " ", "\n", "<", "< ", "<|", "```", "```json", "[{", "[ ", '{"', '[{"bbox_2d""label"}', "country:", "city: ",
    "lat 1 ", "N ", "not A ", "answer is ", "image A, ", "\x00", "\ud800", "\u0316\u0301", "ﷺ", "\\boxed{",
    "a b c d e f ", "France, ", " in ",
]  # fmt: skip


def _random(alphabet: str, n: int, between: str = "") -> str:
    return between.join(random.Random(0).choices(alphabet, k=n))


TEXTS = {unit: (unit * (CHARS // len(unit) + 1))[:CHARS] for unit in UNITS}
TEXTS |= {f"answer of {unit}": f"<answer>{(unit * 5000)[:9990]}</answer>" for unit in UNITS}
TEXTS |= {
    "random letters": _random(string.ascii_lowercase, CHARS // 2, " "),
    "random CJK words": _random("".join(map(chr, range(0x4E00, 0x6E00))), CHARS // 4, " "),
    "random printable": _random(string.printable, CHARS),
    "an answer of 1 MB": "<answer>" + "A " * (CHARS // 2) + "</answer>",
    "a full frame": "<think>" + "</think> " * (CHARS // 9) + "</answer>",
}
FUNCTIONS = {
    f"{name} {mode}": lambda text, call=call, mode=mode: call(text, mode)
    for mode in MODES
    for name, call in {
        "total": lambda text, mode: rewards.total(text, "A", 10, mode),  # all four rewards in turn
        "parse_place": answers.parse_place,
        "same_place_name": lambda text, mode: answers.same_place_name(text, text[1:] + "b", mode),
    }.items()
}
