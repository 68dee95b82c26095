"""Does the place that an answer names depend on the words before it? One word of a thought is flipped, and the answer
is written anew.

A policy that reads a place off the picture, or always names the same one, answers as before; one that goes from what
it has said to where that is answers otherwise. This asks about cause, which counting true words does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from georeplicate.evaluation.faithfulness import Wording
from georeplicate.mini.readings import first_place
from georeplicate.mini.wording import WHERE
from georeplicate.model import policy as policies


def flipped(words: Sequence[str], wording: Wording, rng: np.random.Generator) -> tuple[list[str], str]:
    """The words with one of them exchanged for another of its attribute, and that attribute. ValueError for none."""
    if not words:
        raise ValueError("there is no word to flip")
    at = int(rng.integers(len(words)))
    kind = wording.attribute_of[words[at]]
    others = [word for word in wording.words[kind].values() if word != words[at]]
    return [*words[:at], str(rng.choice(others)), *words[at + 1 :]], kind


def swap(
    policy: policies.Policy, rows: Sequence[dict], wording: Wording, *, seed: int, max_new_tokens: int
) -> pd.DataFrame:
    """One row a place whose thought says words: {id, attribute, before, after, country_before, country_after}.

    rows: {id, pixels} of street-level photos. Thoughts are greedy; behind their last word about the picture they are
    cut, and continued greedily from the words as they were and with one flipped (`before`, `after`: the texts; the
    countries are ISO codes of the first place that each names, "" for none). An empty table where no thought says any.
    """
    rng = np.random.default_rng([seed, 23])
    requests = [{"pixels": row["pixels"], "prompt": WHERE} for row in rows]
    written = policy.generate(requests, max_new_tokens=max_new_tokens, temperature=0.0).texts
    chosen, starts = [], []
    for row, question, text in zip(rows, requests, written, strict=True):
        tokens = text.split("</think>")[0].split()
        positions = [i for i, token in enumerate(tokens) if token in wording.attribute_of]
        if not positions:
            continue
        words, kind = flipped([tokens[i] for i in positions], wording, rng)
        changed = dict(zip(positions, words, strict=True))
        for now in ({}, changed):
            begun = " ".join(now.get(i, token) for i, token in enumerate(tokens[: positions[-1] + 1]))
            starts.append({"pixels": row["pixels"], "text": f"{policy.text(question)}{begun}", "begun": begun})
        chosen.append({"id": row["id"], "attribute": kind})
    if not chosen:
        return pd.DataFrame(columns=["id", "attribute", "before", "after", "country_before", "country_after"])
    ends = policy.generate(starts, max_new_tokens=max_new_tokens, temperature=0.0).texts
    texts = [f"{start['begun']} {end}" for start, end in zip(starts, ends, strict=True)]
    found = pd.DataFrame(chosen).assign(before=texts[::2], after=texts[1::2])
    for when in ("before", "after"):
        found[f"country_{when}"] = [first_place(text)[0] for text in found[when]]
    return found


def summary(swaps: pd.DataFrame) -> pd.DataFrame:
    """{what, value, n}: how often the answer, and its country, change with one word; of the country by attribute.
    NaN, with n 0, of no swaps."""
    answers = [swaps[when].str.partition("<answer>")[2] for when in ("before", "after")]
    country = swaps.country_before != swaps.country_after
    rows = [
        ("one word flipped: the answer changes", float((answers[0] != answers[1]).mean()), len(swaps)),
        ("one word flipped: the country changes", float(country.mean()), len(swaps)),
    ]
    for kind, part in country.groupby(swaps.attribute, sort=False):
        rows.append((f"one word flipped: the country changes, {kind}", float(part.mean()), len(part)))
    return pd.DataFrame(rows, columns=["what", "value", "n"])
