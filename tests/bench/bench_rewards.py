"""How many completions a second the rewards judge, on one core, into results/bench/rewards.csv.

``python tests/bench/bench_rewards.py``. The aim is 2,000 completions of 400 words a second for completions in the
asked format; loose text, where every letter must be weighed, is measured beside it. Then the slowest megabyte of
adversaries.py for each function, which should take a fifth of a second at most, printed only.
"""

from __future__ import annotations

import random
import time

import adversaries
import pandas as pd

from georeplicate import files, provenance
from georeplicate.tasks import prompts
from georeplicate.training import rewards

OUT = files.RESULTS / "bench" / "rewards.csv"
WORDS = 400
COMPLETIONS = 1000
PASSES = 5

# Words of a plausible chain of thought: few letters that stand alone, as in prose.
_WORDS = (
    "the panorama shows a wide road with palm trees on both sides and low white buildings whose flat roofs catch the "
    "sun from the north while the second tile has a roundabout near water so that its shadow would fall the other way"
).split()


def completions(tagged: bool) -> list[str]:
    """Different completions of ``WORDS`` words, the same on every machine."""
    rng = random.Random(0)
    thoughts = [" ".join(rng.choices(_WORDS, k=WORDS - 5)) for _ in range(COMPLETIONS)]
    if tagged:
        return [prompts.reply(rng.choice("ABCDE"), thought) for thought in thoughts]
    return [f"{thought}. Image A lacks this. The answer is {rng.choice('BCDE')}." for thought in thoughts]


def measure() -> list[dict]:
    """A row per mode and kind of completion: device, what, n, seconds (processor time, best pass), per_second."""
    rows = []
    for kind, texts in {"asked format": completions(True), "loose text": completions(False)}.items():
        for mode in ("paper", "released"):
            seconds = []
            for _ in range(PASSES):
                started = time.process_time()
                for text in texts:
                    rewards.total(text, "B", 600, mode)
                seconds.append(time.process_time() - started)
            rows.append(
                {
                    "device": provenance.machine()["cpu"],
                    "what": f"rewards.total, mode {mode}, {WORDS} words, {kind}",
                    "n": len(texts),
                    "seconds": round(min(seconds), 4),
                    "per_second": round(len(texts) / min(seconds)),
                }
            )
    return rows


def slowest_megabyte(function: str) -> tuple[float, str]:
    """(processor seconds, best of some passes; which text) of the text that `function` reads for longest."""
    adversaries.FUNCTIONS[function]("Paris, France")  # loads the gazetteer
    slowest = (0.0, "")
    for name, text in adversaries.TEXTS.items():
        seconds = []
        for _ in range(PASSES):
            started = time.process_time()
            adversaries.FUNCTIONS[function](text)
            seconds.append(time.process_time() - started)
        slowest = max(slowest, (min(seconds), name))
    return slowest


def main() -> None:
    table = pd.DataFrame(measure())
    files.write_csv(OUT, table)
    print(table.to_string(index=False))
    for function in adversaries.FUNCTIONS:
        seconds, text = slowest_megabyte(function)
        print(f"{function}: {seconds:.3f} s for a megabyte of {text!r} (aim <= 0.2)", flush=True)


if __name__ == "__main__":
    main()
