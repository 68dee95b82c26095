"""Made-up predictions of plausible systems, for tests of tables and figures; never a result."""

from zlib import crc32

import numpy as np
import pandas as pd

from georeplicate import geo, world
from georeplicate.evaluation import predict
from georeplicate.mini import tasks

# system: stands for, seeds, chance of the right letter, tokens, true words, verdicts that follow, right country
SYSTEMS = {
    "mini-base": ("Qwen2.5-VL-7B", 1, 0.20, 24, 0.93, 0.80, 0.12),
    "mini-SFT": ("Geo-SFT", 3, 0.23, 52, 0.94, 0.85, 0.42),
    "mini-Zero": ("Geo-R1-Zero", 3, 0.81, 44, 0.86, 0.70, 0.10),
    "mini-R1": ("Geo-R1", 3, 0.84, 38, 0.88, 0.75, 0.36),
    "mini-Zero-random-reward": ("", 1, 0.20, 22, 0.90, 0.80, 0.1),
    "mini-Zero-shuffled-pairing": ("", 1, 0.20, 22, 0.90, 0.80, 0.1),
    "mini-Zero-blank-panorama": ("", 1, 0.20, 30, 0.90, 0.80, 0.1),
    "mini-Zero-blank-tiles": ("", 1, 0.20, 30, 0.90, 0.80, 0.1),
    "mini-supervised": ("", 1, 0.55, 4, 0.90, 0.80, 0.1),
    "mini-Zero-length": ("", 3, 0.79, 33, 0.88, 0.75, 0.1),
    "mini-Zero-released": ("", 3, 0.78, 29, 0.88, 0.75, 0.1),
}


def places(regions: int = 25, per_region: int = 4) -> pd.DataFrame:
    return world.sites("test", per_region, regions=regions)


def predictions(sites: pd.DataFrame, *, systems=SYSTEMS, seed: int = 0) -> pd.DataFrame:
    """Rows as runs.runner.predictions gives them."""
    rng = np.random.default_rng(seed)
    parts = []
    for system in systems:
        for s in range(SYSTEMS[system][1]):
            table = pd.concat([_pairing(sites, system, rng), *(_places(sites, system, rng))], ignore_index=True)
            table = table.reindex(columns=predict.COLUMNS)
            table["system"], table["training_seed"], table["stands_for"] = system, s, SYSTEMS[system][0]
            table["run"] = table["checkpoint"] = f"{system.removeprefix('mini-').lower()}-s{s}"
            table["benchmark"], table["chance"] = tasks.BENCHMARK, 0.2
            parts.append(table)
    out = pd.concat(parts, ignore_index=True)
    for name in predict.TEXT:
        out[name] = out[name].astype(object).fillna("").astype(str)
    return out


def _true(options, sites) -> np.ndarray:
    """What is right depends on the place alone."""
    return np.array([options[crc32(name.encode()) % len(options)] for name in sites.id])


def _pairing(sites, system, rng) -> pd.DataFrame:
    _, _, right, tokens, true, follow, _ = SYSTEMS[system]
    letters, n = np.array(list("ABCDE")), len(sites)
    out = []
    for decoding, share in (("greedy", right), ("t1", 0.2 + 0.95 * (right - 0.2))):
        truth = _true(letters, sites)
        said, judged = rng.integers(6, 24, n), rng.integers(1, 4, n)
        table = pd.DataFrame({"id": sites.id, "task": "pairing", "decoding": decoding, "truth": truth})
        wrong = letters[(np.searchsorted(letters, truth) + rng.integers(1, 5, n)) % 5]
        table["choice"] = np.where(rng.random(n) < share, truth, wrong)
        table["text"] = "<think> so </think> <answer> " + table.choice + " </answer>"
        table["completion_tokens"] = rng.normal(tokens, 4, n).round().clip(3)
        table["format_ok"] = rng.random(n) < 0.97
        table["words"], table["words_true"] = said, rng.binomial(said, true)
        table["verdicts"], table["verdicts_follow"] = judged, rng.binomial(judged, follow)
        table["answer_follows"] = np.where(rng.random(n) < 0.1, np.nan, rng.random(n) < 0.9)
        out.append(table)
    return pd.concat(out)


def _places(sites, system, rng) -> list[pd.DataFrame]:
    stands_for, *_, country = SYSTEMS[system]
    if not stands_for:
        return []
    cities, n = world.cities(), len(sites)
    known = cities[cities.split == "train"] if system in ("mini-SFT", "mini-R1") else cities
    common = {"id": sites.id, "lat": sites.lat, "lon": sites.lon, "seen_country": sites.seen_country}
    out = []
    for task, share in (("geolocation", country), ("aerial", country / 3)):
        guess = known.iloc[rng.integers(len(known), size=n)]
        right = rng.random(n) < share * np.where(sites.seen_country, 1.5, 0.6)
        table = pd.DataFrame(common | {"task": task, "decoding": "greedy", "truth": sites.country})
        table["choice"] = np.where(right, sites.country, guess.country)
        table["pred_lat"] = np.where(right, sites.lat + rng.normal(0, 2, n), guess.lat)
        table["pred_lon"] = np.where(right, sites.lon + rng.normal(0, 2, n), guess.lon)
        silent = rng.random(n) < 0.05
        table.loc[silent, ["pred_lat", "pred_lon"]] = np.nan
        table.loc[silent, "choice"] = ""
        table["error_km"] = geo.haversine_km(table.lat, table.lon, table.pred_lat, table.pred_lon)
        table["completion_tokens"], table["format_ok"] = rng.integers(8, 20, n), True
        out.append(table)
    for task in ("climate", "ground"):
        options = tasks.places(list)[task].options
        truth = "climate-" + sites.climate.str[0].str.lower() if task == "climate" else _true(options, sites)
        table = pd.DataFrame(common | {"task": task, "decoding": "forced", "truth": truth})
        table["choice"] = np.where(rng.random(n) < 0.2, truth, rng.choice(options, n))
        out.append(table)
    return out
