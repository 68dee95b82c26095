"""From a policy to predictions.csv: one row per question and decoding, with the text, so every number can be redone.

    pairing        which tile shows the place? the question that GRPO is about, with what was said while thinking
    geolocation    country and city of a phone's picture
    aerial         the same question about a tile, which nobody trained
    climate        which climate has the place? forced choice among five words, from a phone's picture
    ground         what covers the ground? forced choice among six words, from a tile

Decoding "greedy" takes the likeliest token, "t1" samples at temperature 1 with a fixed seed, "forced" compares the
log-probabilities of given answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest

from georeplicate import atlas, base, geo, prompts, rewards
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
    "seen_country",
    "words",
    "words_true",
    "verdicts",
    "verdicts_follow",
    "answer_follows",
    "text",
]
TEXT = ("system", "task", "decoding", "id", "truth", "choice", "text")  # an empty one is "", and "NA" is Namibia
TEMPERATURE = {"greedy": 0.0, "t1": 1.0}
FORCED = {
    "climate": tuple(f"climate-{group}" for group in "abcde"),
    "ground": tuple(WORDS["cover"].values()),
}


def read(path: str | Path) -> pd.DataFrame:
    """predictions.csv as it was written: text stays text, numbers that are not given are NaN."""
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values={
        name: [""] for name in COLUMNS if name not in TEXT
    })  # fmt: skip
    for name in ("format_ok", "seen_country"):
        table[name] = table[name].astype("boolean")
    return table


# --- asking ---------------------------------------------------------------------------------------------------------


def ask(
    policy: policies.Policy, questions: Sequence[dict], places: Sequence[dict] = (), *, max_new_tokens: int
) -> pd.DataFrame:
    """Everything that is asked of a policy, in the order of COLUMNS; system and training seed are left open.

    questions: pairing rows {pixels, prompt, letter, id, said}, asked in both decodings. places: rows {id, lat, lon,
    country, seen_country, climate, cover, pixels (a phone's picture), tile_pixels}, asked in the four other tasks.
    """
    tables = [pairing(policy, questions, decoding=how, max_new_tokens=max_new_tokens) for how in TEMPERATURE]
    if len(places):
        tables += [
            geolocation(policy, places, task=task, max_new_tokens=max_new_tokens) for task in ("geolocation", "aerial")
        ]
        tables += [forced(policy, places, task=task) for task in FORCED]
    return pd.concat([table.reindex(columns=COLUMNS) for table in tables], ignore_index=True)


def _batches(rows: Sequence[dict], size: int) -> Iterable[list[dict]]:
    return ([rows[j] for j in range(i, min(i + size, len(rows)))] for i in range(0, len(rows), size))


def _answers(policy, rows: list[dict], decoding: str, max_new_tokens: int, seed: int) -> list[tuple[str, int]]:
    """(text, tokens) of each row. What is drawn for a row depends on (seed, its id) alone."""
    if decoding not in TEMPERATURE:
        raise ValueError(f"decoding={decoding!r}; choose from {', '.join(TEMPERATURE)}")
    answers = policy.generate(
        rows,
        max_new_tokens=max_new_tokens,
        temperature=TEMPERATURE[decoding],
        seeds=[(seed, crc32(row["id"].encode())) for row in rows],
        batch_size=len(rows),
    )
    return list(zip(answers.texts, answers.lengths, strict=True))


def pairing(
    policy: policies.Policy,
    asked: Sequence[dict],
    *,
    decoding: str = "greedy",
    max_new_tokens: int,
    seed: int = 0,
    batch_size: int = 64,
) -> pd.DataFrame:
    """Answers to pairing rows -> one row each: id, truth, choice ("" where none can be read), tokens, format, rewards,
    the counts of `faithful` (where it is known what is true) and the text."""
    out = []
    for rows in _batches(asked, batch_size):
        for row, (text, tokens) in zip(rows, _answers(policy, rows, decoding, max_new_tokens, seed), strict=True):
            given = prompts.parse_choice(text)
            choice = given.letter if isinstance(given, prompts.Choice) else ""
            reward = rewards.total(text, row["letter"], tokens)
            out.append(
                {
                    "task": "pairing",
                    "decoding": decoding,
                    "id": row["id"],
                    "truth": row["letter"],
                    "choice": choice,
                    "completion_tokens": tokens,
                    "format_ok": bool(reward.parts["format"]),
                    **{f"reward_{name}": value for name, value in reward.parts.items()},
                    **(faithful(text, choice, row["said"]) if row.get("said") else {}),
                    "text": text,
                }
            )
    return pd.DataFrame(out)


def geolocation(
    policy: policies.Policy,
    places: Sequence[dict],
    *,
    task: str = "geolocation",
    decoding: str = "greedy",
    max_new_tokens: int,
    seed: int = 0,
    batch_size: int = 64,
) -> pd.DataFrame:
    """Where was this taken? Asked about phone pictures, or about tiles (task "aerial"); one row each, with the error.

    The place named is geocoded offline (`atlas.geocode`; a country without a city counts at its largest city); an
    answer without a place has an empty choice and a NaN error, and counts as wrong. truth and choice are country codes.
    """
    pixels = {"geolocation": "pixels", "aerial": "tile_pixels"}[task]
    out = []
    for rows in _batches(places, batch_size):
        asked = [{"pixels": row[pixels], "prompt": base.WHERE, "id": row["id"]} for row in rows]
        for row, (text, tokens) in zip(rows, _answers(policy, asked, decoding, max_new_tokens, seed), strict=True):
            code, (lat, lon) = named_place(text)
            out.append(
                {
                    "task": task,
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
                    "seen_country": bool(row["seen_country"]),
                    "text": text,
                }
            )
    return pd.DataFrame(out)


def named_place(text: str) -> tuple[str, tuple[float, float]]:
    """(country code or "", (lat, lon) or NaNs) of the place that an answer names."""
    place = prompts.parse_place(text)
    if not isinstance(place, prompts.Place):
        return "", (np.nan, np.nan)
    code = place.country_code or ""
    point = atlas.geocode(place.city, place.country_code or place.country, place.state)
    return code, point or _largest_city(code) or (np.nan, np.nan)


@cache
def _largest_city(country: str) -> tuple[float, float] | None:
    table = atlas.cities(1000, countries=[country]) if country else pd.DataFrame()
    if not len(table):
        return None
    return float(table.lat.iloc[0]), float(table.lon.iloc[0])  # biggest first


@torch.no_grad()
def forced(policy: policies.Policy, places: Sequence[dict], *, task: str, batch_size: int = 64) -> pd.DataFrame:
    """The likeliest of a few given answers, `<answer> WORD </answer>`, without thinking; one row a place.

    task "climate" shows a phone's picture, "ground" a tile. All answers have equally many tokens, so their
    log-probabilities compare as they are. A place without a right word (at sea there is no climate) is not asked about.
    """
    pixels, prompt, fact = {
        "climate": ("pixels", base.CLIMATE, "climate"),
        "ground": ("tile_pixels", base.GROUND, "cover"),
    }[task]
    options = FORCED[task]
    places = [row for row in places if row[fact]]
    if wrong := {row[fact] for row in places} - set(options):
        raise ValueError(f"{task}: {sorted(wrong)} are no answers; choose from {', '.join(options)}")
    texts = [f"<answer> {word} </answer>" for word in options]
    completions = [policy.completion_ids(text) for text in texts]
    out = []
    for rows in _batches(places, batch_size):
        asked = [{"pixels": row[pixels], "prompt": prompt} for row in rows]
        scores = policy.logprobs(asked, [completions] * len(rows)).sum(1).view(len(rows), len(options))
        for row, best in zip(rows, scores.argmax(1).tolist(), strict=True):
            out.append(
                {
                    "task": task,
                    "decoding": "forced",
                    "id": row["id"],
                    "truth": row[fact],
                    "choice": options[best],
                    "lat": row["lat"],
                    "lon": row["lon"],
                    "seen_country": bool(row["seen_country"]),
                    "text": texts[best],
                }
            )
    return pd.DataFrame(out)


# --- is the thinking faithful? --------------------------------------------------------------------------------------

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
        elif spoken and word in (base.MATCH, base.DIFFERENT):
            spoken[-1] = (*spoken[-1][:2], word)
    return spoken


def faithful(text: str, choice: str, said: Sequence[Sequence[str]]) -> dict[str, float]:
    """Counts behind the shares that say whether written thinking can be believed.

    said: the six true words of the panorama, of tile A, of tile B, ...
    words, words_true         attributes described, and how many are true of the picture spoken of
    verdicts, verdicts_follow verdicts on tiles of which something was said, and how many follow from the words: `match`
                              where the words that both sides were given are equal, `other` where not
    answer_follows            1 if the answer is the last letter called `match`, else 0; NaN if none was
    """
    truth = [dict(zip(WORDS, six, strict=True)) for six in said]
    counts = {"words": 0, "words_true": 0, "verdicts": 0, "verdicts_follow": 0, "answer_follows": np.nan}
    place: dict[str, str] = {}
    for name, described, verdict in thoughts(text):
        index = 0 if name == "place" else 1 + prompts.LETTERS.index(name)
        if index >= len(truth):
            continue  # a letter that no tile has
        counts["words"] += len(described)
        counts["words_true"] += sum(truth[index][kind] == word for kind, word in described.items())
        if name == "place":
            place = described
            continue
        shared = described.keys() & place.keys()
        if verdict and shared:
            equal = all(described[kind] == place[kind] for kind in shared)
            counts["verdicts"] += 1
            counts["verdicts_follow"] += (verdict == base.MATCH) == equal
        if verdict == base.MATCH:
            counts["answer_follows"] = float(choice == name)
    return counts


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
