"""From a policy to predictions.csv: one row per question and decoding, with the text, so every number can be redone.

`pairing` asks the cross-view question, `faithful` compares what was written while thinking with what is true of the
world, `summary` turns rows into shares with intervals. Decoding "greedy" takes the likeliest token, "t1" samples at
temperature 1 with a fixed seed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from scipy.stats import binomtest

from georeplicate import atlas, geo, prompts, rewards
from georeplicate import policy as policies
from georeplicate.world.words import WORDS

COLUMNS = [
    "system",
    "training_seed",
    "task",
    "decoding",
    "id",
    "truth",
    "choice",
    "lat",
    "lon",
    "pred_lat",
    "pred_lon",
    "error_km",
    "completion_tokens",
    "format_ok",
    "reward_accuracy",
    "reward_format",
    "reward_length",
    "reward_repetition",
    "text",
]
TEMPERATURE = {"greedy": 0.0, "t1": 1.0}


def pairing_rows(policy: policies.Policy, rows: Dataset, questions: Dataset, prompt: str) -> list[dict]:
    """The questions as rows that the policy and GRPO take: {pixels, prompt, letter, id}."""
    pixels = {view: [policy.pixels([picture]) for picture in rows[view]] for view in ("panorama", "aerial")}
    out = []
    for question in questions:
        own = question["candidates"][prompts.LETTERS.index(question["letter"])]
        chosen = [pixels["panorama"][own], *(pixels["aerial"][c] for c in question["candidates"])]
        joined = {name: torch.cat([p[name] for p in chosen]) for name in chosen[0]}
        out.append(
            {"pixels": joined, "prompt": prompt, "letter": question["letter"], "id": question["id"], "site": own}
        )
    return out


def pairing(
    policy: policies.Policy,
    asked: Sequence[dict],
    *,
    decoding: str = "greedy",
    max_new_tokens: int,
    seed: int = 0,
    batch_size: int = 64,
) -> pd.DataFrame:
    """Answers to pairing rows -> one row each: id, truth, choice ("" where none can be read), tokens, format, text."""
    if decoding not in TEMPERATURE:
        raise ValueError(f"decoding={decoding!r}; choose from {', '.join(TEMPERATURE)}")
    answers = policy.generate(
        list(asked),
        max_new_tokens=max_new_tokens,
        temperature=TEMPERATURE[decoding],
        generator=torch.Generator().manual_seed(seed),
        batch_size=batch_size,
    )
    out = []
    for row, text, tokens in zip(asked, answers.texts, answers.lengths, strict=True):
        choice = prompts.parse_choice(text)
        reward = rewards.total(text, row["letter"], tokens)
        out.append(
            {
                "task": "pairing",
                "decoding": decoding,
                "id": row["id"],
                "truth": row["letter"],
                "choice": choice.letter if isinstance(choice, prompts.Choice) else "",
                "completion_tokens": tokens,
                "format_ok": bool(reward.parts["format"]),
                **{f"reward_{name}": value for name, value in reward.parts.items()},
                "text": text,
            }
        )
    return pd.DataFrame(out)


def geolocation(
    policy: policies.Policy,
    asked: Sequence[dict],
    *,
    decoding: str = "greedy",
    max_new_tokens: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Answers to rows {pixels, prompt, id, lat, lon, country} -> one row each: truth and choice (country codes), error.

    The place named is geocoded offline (`atlas.geocode`; a country without a city counts at its largest city); an
    answer without a place has an empty choice and a NaN error, and counts as wrong.
    """
    answers = policy.generate(
        list(asked),
        max_new_tokens=max_new_tokens,
        temperature=TEMPERATURE[decoding],
        generator=torch.Generator().manual_seed(seed),
    )
    out = []
    for row, text, tokens in zip(asked, answers.texts, answers.lengths, strict=True):
        place = prompts.parse_place(text)
        code, found = "", None
        if isinstance(place, prompts.Place):
            code = place.country_code or ""
            found = atlas.geocode(place.city, place.country) or _largest_city(code)
        lat, lon = found or (np.nan, np.nan)
        out.append(
            {
                "task": "geolocation",
                "decoding": decoding,
                "id": row["id"],
                "truth": row["country"],
                "choice": code,
                "lat": row["lat"],
                "lon": row["lon"],
                "pred_lat": lat,
                "pred_lon": lon,
                "error_km": geo.haversine_km(row["lat"], row["lon"], lat, lon),
                "completion_tokens": tokens,
                "format_ok": bool(rewards.format(text)),
                "text": text,
            }
        )
    return pd.DataFrame(out)


@cache
def _largest_city(country: str) -> tuple[float, float] | None:
    table = atlas.cities(1000, countries=[country]) if country else pd.DataFrame()
    if not len(table):
        return None
    return float(table.lat.iloc[0]), float(table.lon.iloc[0])  # biggest first


def summary(predictions: pd.DataFrame) -> dict[str, float]:
    """Accuracy with its 95 % Wilson interval over questions, mean completion length, share in the right format."""
    right = int((predictions.choice == predictions.truth).sum())
    low, high = binomtest(right, len(predictions)).proportion_ci(method="wilson")
    return {
        "n": len(predictions),
        "accuracy": right / len(predictions),
        "accuracy_low": low,
        "accuracy_high": high,
        "completion_tokens": float(predictions.completion_tokens.mean()),
        "format_rate": float(predictions.format_ok.mean()),
    }


VERDICTS = ("match", "other")
_KIND = {word: kind for kind, values in WORDS.items() for word in values.values()}


def thoughts(text: str) -> list[tuple[str, dict[str, str], str]]:
    """What a mini policy wrote while thinking: [(name, {attribute: word}, verdict)], the place first, then letters.

    Any string gives a list; words that are none of the world's are passed over.
    """
    inside = re.search(r"<think>(.*?)(?:</think>|$)", text, re.DOTALL)
    spoken: list[tuple[str, dict[str, str], str]] = []
    for word in (inside.group(1) if inside else "").split():
        if word == "place" or (len(word) == 1 and word in prompts.LETTERS):
            spoken.append((word, {}, ""))
        elif spoken and word in _KIND:
            spoken[-1][1].setdefault(_KIND[word], word)
        elif spoken and word in VERDICTS:
            spoken[-1] = (*spoken[-1][:2], word)
    return spoken


def faithful(predictions: pd.DataFrame, questions: Dataset, said: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """How true the written thinking is, as shares over all that was said.

    said: site id -> its six true words. words_true: described attributes that are true of the picture spoken of;
    verdict_follows: `match` after equal words and `other` after different ones (words both sides were given);
    answer_follows: the answer is the last letter called `match`.
    """
    candidates = {q["id"]: q["candidate_ids"] for q in questions}
    kinds = list(WORDS)
    true_words, follows, answers = [], [], []
    for row in predictions.itertuples():
        spoken = thoughts(row.text)
        if not spoken:
            continue
        place = spoken[0][1] if spoken[0][0] == "place" else {}
        last_match = ""
        for name, attributes, verdict in spoken:
            index = prompts.LETTERS.index(name) if name != "place" else -1
            if index >= len(candidates[row.id]):
                continue
            site = row.id if name == "place" else candidates[row.id][index]
            truth = dict(zip(kinds, said[site], strict=True))
            true_words += [truth[kind] == word for kind, word in attributes.items()]
            shared = attributes.keys() & place.keys()
            if name != "place" and verdict and shared:
                follows.append((verdict == "match") == all(attributes[k] == place[k] for k in shared))
            if verdict == "match" and name != "place":
                last_match = name
        if last_match:
            answers.append(row.choice == last_match)
    share = lambda values: float(np.mean(values)) if values else float("nan")  # noqa: E731
    return {"words_true": share(true_words), "verdict_follows": share(follows), "answer_follows": share(answers)}
