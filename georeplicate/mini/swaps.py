"""Does what an answer concludes depend on the words before it, or on the pictures? One of them is exchanged, and the
conclusion is drawn anew.

A policy that reads a place off the picture, or always names the same one, answers as before; one that goes from what
it has said to where that is answers otherwise. The same is asked of the verdict on a tile: behind words that are made
to say the opposite it should be the opposite, whatever the pictures show. This asks about cause, which counting true
words does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from georeplicate.evaluation.faithfulness import Wording
from georeplicate.mini.readings import first_place
from georeplicate.mini.wording import LETTERS, PAIR, WHERE
from georeplicate.model import policy as policies

WAYS = ("before", "flipped", "exchanged")
OF_PLACES = ("id", "attribute", *WAYS, *(f"country_{how}" for how in WAYS))
OF_VERDICTS = ("id", "letter", "equal", "verdict", "opposed", "exchanged")


def flipped(words: Sequence[str], wording: Wording, rng: np.random.Generator) -> tuple[list[str], str]:
    """The words with one of them exchanged for another of its attribute, and that attribute. ValueError for none."""
    if not words:
        raise ValueError("there is no word to flip")
    at = int(rng.integers(len(words)))
    kind = wording.attribute_of[words[at]]
    others = [word for word in wording.words[kind].values() if word != words[at]]
    return [*words[:at], str(rng.choice(others)), *words[at + 1 :]], kind


def of_places(
    policy: policies.Policy, rows: Sequence[dict], wording: Wording, *, seed: int, max_new_tokens: int
) -> pd.DataFrame:
    """One row a place whose thought says words: OF_PLACES.

    rows: {id, pixels} of street-level photos. Thoughts are greedy; behind their last word about the picture they are
    cut, and continued greedily from the words as they were, with one flipped, and from all of them before the photo
    half of the rows further on, as its neighbours are mostly of one city (`before`, `flipped`, `exchanged`: the texts;
    the countries are ISO codes of the first place that each names, "" for none). attribute: of the flipped word. An
    empty table where no thought says any.
    """
    rng = np.random.default_rng([seed, 23])
    chosen, starts = [], []
    for i, tokens in enumerate(_thoughts(policy, rows, WHERE, max_new_tokens)):
        positions = [at for at, token in enumerate(tokens) if token in wording.attribute_of]
        if not positions:
            continue
        words, kind = flipped([tokens[at] for at in positions], wording, rng)
        changed = dict(zip(positions, words, strict=True))
        starts += _starts(policy, rows, i, WHERE, tokens[: positions[-1] + 1], changed)
        chosen.append({"id": rows[i]["id"], "attribute": kind})
    if not chosen:
        return pd.DataFrame(columns=list(OF_PLACES))
    ends = policy.generate(starts, max_new_tokens=max_new_tokens, temperature=0.0).texts
    texts = [f"{start['begun']} {end}" for start, end in zip(starts, ends, strict=True)]
    found = pd.DataFrame(chosen).assign(before=texts[::3], flipped=texts[1::3], exchanged=texts[2::3])
    for how in WAYS:
        found[f"country_{how}"] = [first_place(text)[0] for text in found[how]]
    return found[list(OF_PLACES)]


def _thoughts(policy: policies.Policy, rows: Sequence[dict], prompt: str, max_new_tokens: int) -> list[list[str]]:
    """The tokens of each row's greedy answer up to the end of its thought."""
    requests = [{"pixels": row["pixels"], "prompt": prompt} for row in rows]
    written = policy.generate(requests, max_new_tokens=max_new_tokens, temperature=0.0).texts
    return [text.split("</think>")[0].split() for text in written]


def _starts(
    policy: policies.Policy, rows: Sequence[dict], i: int, prompt: str, tokens: Sequence[str], changed: dict[int, str]
) -> list[dict]:
    """What row i's answer is continued from: its tokens, the same with those at `changed` positions exchanged, and the
    first before the pictures of the row half of the rows further on."""
    own, other = rows[i]["pixels"], rows[(i + len(rows) // 2) % len(rows)]["pixels"]
    question = policy.text({"pixels": own, "prompt": prompt})
    as_it_was = " ".join(tokens)
    exchanged = " ".join(changed.get(at, token) for at, token in enumerate(tokens))
    shown = ((own, as_it_was), (own, exchanged), (other, as_it_was))
    return [{"pixels": pixels, "text": f"{question}{begun}", "begun": begun} for pixels, begun in shown]


@dataclass(frozen=True)
class _Judged:
    """A verdict in a text. end: of the tokens before it. own: {attribute: position} of the tile's words. place:
    {attribute: word} of those that the panorama was given as well."""

    letter: str
    end: int
    own: dict[str, int]
    place: dict[str, str]


def _judged(tokens: Sequence[str], wording: Wording) -> list[_Judged]:
    """The verdicts on tiles that share an attribute with what was said of the place, in order."""
    found: list[_Judged] = []
    place: dict[str, str] = {}
    name, own = "", dict[str, int]()
    for at, token in enumerate(tokens):
        if token == wording.place or token in tuple(LETTERS):
            name, own = token, {}
        elif token in wording.attribute_of and name:
            own.setdefault(wording.attribute_of[token], at)
            if name == wording.place:
                place.setdefault(wording.attribute_of[token], token)
        elif token in (wording.match, wording.different) and name != wording.place and own.keys() & place.keys():
            shared = {kind: place[kind] for kind in place if kind in own}
            found.append(_Judged(name, at, own, shared))
    return found


def of_verdicts(
    policy: policies.Policy, rows: Sequence[dict], wording: Wording, *, seed: int, max_new_tokens: int
) -> pd.DataFrame:
    """One row a question whose answer gives a verdict on a tile that shares an attribute with the place: OF_VERDICTS.

    rows: {id, pixels} of pairing questions. Answers are greedy; of each one such tile is sampled at random and the
    answer cut before its verdict. letter: that tile. equal: whether its words are the place's, attribute by attribute.
    verdict, opposed, exchanged: the likelier of the two verdicts behind the words as they were; behind the same words
    made to say the opposite (of equal words one is flipped, of others all are made equal); and behind the words as they
    were before the pictures of the question half of the rows further on. An empty table where no answer gives one.
    """
    rng = np.random.default_rng([seed, 29])
    chosen, starts = [], []
    for i, tokens in enumerate(_thoughts(policy, rows, PAIR, max_new_tokens)):
        if not (verdicts := _judged(tokens, wording)):
            continue
        one = verdicts[int(rng.integers(len(verdicts)))]
        equal = all(tokens[one.own[kind]] == word for kind, word in one.place.items())
        if equal:
            spots = [one.own[kind] for kind in one.place]
            changed = dict(zip(spots, flipped([tokens[at] for at in spots], wording, rng)[0], strict=True))
        else:
            changed = {one.own[kind]: word for kind, word in one.place.items()}
        starts += _starts(policy, rows, i, PAIR, tokens[: one.end], changed)
        chosen.append({"id": rows[i]["id"], "letter": one.letter, "equal": equal})
    if not chosen:
        return pd.DataFrame(columns=list(OF_VERDICTS))
    given = _likelier(policy, starts, (wording.match, wording.different))
    return pd.DataFrame(chosen).assign(verdict=given[::3], opposed=given[1::3], exchanged=given[2::3])[
        list(OF_VERDICTS)
    ]


def _likelier(policy: policies.Policy, starts: Sequence[dict], words: Sequence[str], at_once: int = 64) -> list[str]:
    """Which of these words, a token each, is the likeliest next one behind each start."""
    ids = [[token] for token in policy.tokenizer.convert_tokens_to_ids(list(words))]
    found: list[str] = []
    for first in range(0, len(starts), at_once):
        some = list(starts[first : first + at_once])
        scores = policy.logprobs(some, [ids] * len(some)).reshape(len(some), len(words))
        found += [words[int(best)] for best in scores.argmax(1)]
    return found


def summary(places: pd.DataFrame) -> pd.DataFrame:
    """{what, value, n}, from `of_places`: how often the answer, and its country, change with one word; of the country
    with the picture, and with one word by attribute. NaN, with n 0, of no swaps."""
    answers = [places[how].str.partition("<answer>")[2] for how in ("before", "flipped")]
    country = places.country_before != places.country_flipped
    rows = [
        ("one word flipped: the answer changes", float((answers[0] != answers[1]).mean()), len(places)),
        ("one word flipped: the country changes", float(country.mean()), len(places)),
        (
            "picture exchanged: the country changes",
            float((places.country_before != places.country_exchanged).mean()),
            len(places),
        ),
    ]
    for kind, part in country.groupby(places.attribute, sort=False):
        rows.append((f"one word flipped: the country changes, {kind}", float(part.mean()), len(part)))
    return pd.DataFrame(rows, columns=["what", "value", "n"])
