"""Is the world learnable, and free of shortcuts? Measured into results/bench/world_gate.csv (see mini/gate.py).

    python tests/bench/bench_world_gate.py
    python tests/bench/bench_world_gate.py --part told tile     # parts of it, in any order; other rows stay as they are

Measured on validation cities alone; what the cues say about geography goes into results/bench/world_cues.csv. The rows
"time to draw a pair" compare with the first world, which is no longer drawn: they are not measured again.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import balanced_accuracy_score, mutual_info_score

from georeplicate import files, geo, pairs, world
from georeplicate.mini import gate, oracle
from georeplicate.pairs import hardness
from georeplicate.world import cues

WORLD = "geographic"
KM = ((750, 3.0), (2500, 1.8))  # distance, and how many times the best constant guess the true words must reach
COLOUR, TOLD, READ, BLIND = 0.35, 0.90, 0.85, 0.05  # bounds; BLIND: how far from chance a blanked side may leave it
PARTS = ("cues", "oracle", "colours", "told", "panorama", "tile")
PANORAMA_PX, TILE_PX = 32, 64  # as in the profile `mini`
MOVED_KM = (1, 5, 15)
ANY_PAIRS = 200_000
CUES = list(cues.WORDS)
VALUES = [len(values) for values in cues.WORDS.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", choices=PARTS, nargs="*", default=PARTS)
    parser.add_argument("--per-region", type=int, default=100, help="training sites in each of the 16 cities")
    parser.add_argument("--told-steps", type=int, default=200, help="of the matcher")
    parser.add_argument("--probe-sites", type=int, default=16, help="in each of the base's cities, for the probes")
    parser.add_argument("--epochs", type=int, default=16, help="of the probes")
    parser.add_argument("--validation-sites", type=int, default=8, help="in each validation city")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=files.RESULTS / "bench")
    args = parser.parse_args()
    if rows := _measured(args):
        _write(args.out / "world_gate.csv", rows)


def _write(path: Path, rows: list[dict]) -> None:
    """Replace those rows that were measured again."""
    found = pd.DataFrame([{"world": WORLD} | row for row in rows], dtype=object)
    if path.exists():
        before = pd.read_csv(path, dtype=str, keep_default_na=False)
        found = pd.concat([before[~before.dial.isin(found.dial)], found], ignore_index=True)
    files.write_csv(path, found)
    print(found.to_string(index=False))


def _measured(args: argparse.Namespace) -> list[dict]:
    rows: list[dict] = []
    if "cues" in args.part:
        table = _what_cues_say(world.sites("base", 8), world.sites("validation", args.validation_sites))
        files.write_csv(args.out / "world_cues.csv", table)
        print(table.to_string(index=False))
    held_out = world.sites("validation", args.validation_sites)
    if "oracle" in args.part:
        rows += _oracle(held_out)
    if "colours" in args.part:
        rows += _colours(args)
    if "told" in args.part:
        rows += _told(args)
    for view, size in (("panorama", PANORAMA_PX), ("tile", TILE_PX)):
        if view in args.part:
            rows += _probe(args, view, size, held_out)
    return rows


def _passes(row: dict, at_least: float | None = None, at_most: float | None = None) -> dict:
    value, bound = row["accuracy"], at_least if at_least is not None else at_most
    return row | {"bound": bound, "passed": bool(value >= bound if at_least is not None else value <= bound)}


def _oracle(held_out: pd.DataFrame) -> list[dict]:
    """The naive-Bayes reader of true words, fitted on the base's places, beside the constant guess: the better of the
    base's (what a reader without words says) and of the city that is best on these very places."""
    rows = []
    said = [cues.draw(site).words() for site in held_out.itertuples()]
    lat, lon = held_out.lat.to_numpy(), held_out.lon.to_numpy()
    cities = oracle._counted()
    for km, times in KM:
        at = np.array([oracle.guess(words, km) for words in said])
        right = float((geo.haversine_km(at[:, 0], at[:, 1], lat, lon) <= km).mean())
        everywhere = geo.haversine_km(cities[0][:, None], cities[1][:, None], lat, lon) <= km
        constant = float(everywhere.mean(1).max())
        row = {"dial": f"true words, within {km} km", "control": "none", "accuracy": round(right, 4)}
        row |= {"n": len(held_out), "split": "validation", "reference": round(constant, 4)}
        rows.append(_passes(row, at_least=round(times * constant, 4)))
    return rows


def _colours(args: argparse.Namespace) -> list[dict]:
    rows = pairs.load(
        "world",
        "validation",
        per_region=args.validation_sites,
        panorama_height=PANORAMA_PX,
        tile_size=TILE_PX,
    )
    asked = pairs.questions(rows, negatives="region", seed=args.seed)
    row = {"dial": "colour matcher", "control": "none", "accuracy": round(hardness.colour_accuracy(rows, asked), 4)}
    row |= {"n": len(asked), "k": 5, "negatives": "region", "split": "validation", "seed": args.seed, "reference": 0.2}
    return [_passes(row, at_most=COLOUR)]


def _told(args: argparse.Namespace) -> list[dict]:
    """The told matcher and its controls."""
    sizes = {"panorama_height": PANORAMA_PX, "tile_size": TILE_PX}
    shown = pairs.load("world", "train", per_region=args.per_region, **sizes)
    held_out = pairs.load("world", "validation", per_region=8, regions=100, **sizes)
    asked = pairs.questions(held_out, negatives="region", seed=args.seed)
    start = time.process_time()
    model = gate.train(shown, steps=args.told_steps, seed=args.seed)
    seconds = round(time.process_time() - start)
    rows = [
        {
            "dial": "told matcher",
            "control": control or "none",
            "accuracy": round(gate.accuracy(model, held_out, asked, control=control), 4),
            "n": len(asked),
            "k": 5,
            "negatives": "region",
            "train_sites": len(shown),
            "steps": args.told_steps,
            "seed": args.seed,
            "train_cpu_seconds": seconds,
            "split": "validation",
        }
        for control in gate.CONTROLS
    ]
    bounds = {"none": {"at_least": TOLD}}
    return [_passes(row | {"reference": 0.2}, **bounds.get(row["control"], {"at_most": 0.2 + BLIND})) for row in rows]


def _probe(args: argparse.Namespace, view: str, size: int, held_out: pd.DataFrame) -> list[dict]:
    """One supervised reader of all cues from one view: balanced accuracy, that is the mean over a cue's values of the
    share of their places that are read right (a constant answer has 1 / number of values, whatever the majority)."""
    pictures, labels = _drawn(view, size, world.sites("base", args.probe_sites))
    start = time.process_time()
    model = gate.train_reader(pictures, labels, VALUES, wrap=view == "panorama", epochs=args.epochs, seed=args.seed)
    seconds = round(time.process_time() - start)
    seen, truth = _drawn(view, size, held_out)
    said = gate.read(model, seen, VALUES)
    rows = []
    for c, cue in enumerate(CUES):
        majority = float(torch.bincount(truth[:, c]).max()) / len(truth)
        row = {
            "dial": f"{cue} read from the {view}",
            "control": "none",
            "accuracy": round(float(balanced_accuracy_score(truth[:, c], said[:, c])), 4),
            "plain_accuracy": round(float((truth[:, c] == said[:, c]).float().mean()), 4),
            "reference": round(majority, 4),
            "n": len(truth),
            "split": "validation",
            "train_sites": len(pictures),
            "steps": args.epochs * (len(pictures) // 32),
            "seed": args.seed,
            "train_cpu_seconds": seconds,
        }
        rows.append(_passes(row, at_least=READ))
    return rows


def _drawn(view: str, size: int, sites: pd.DataFrame) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 3, H, W) pictures of a view in -1..1, and (N, C) the number of each cue's value."""
    draw = {"panorama": world.panorama, "tile": world.tile}[view]
    pictures, labels = [], []
    for site in sites.itertuples():
        land = world.build(site)
        pictures.append(draw(land, size))
        labels.append([list(values).index(getattr(land.cues, cue)) for cue, values in cues.WORDS.items()])
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return pixels.float() / 127.5 - 1, torch.tensor(labels)


def _what_cues_say(base: pd.DataFrame, held_out: pd.DataFrame) -> pd.DataFrame:
    """Of each cue: P(two places differ) in one city and in any two; bits of mutual information with the UN subregion
    and with the climate group; on the base's places also P(differs) when a place is moved, all its facts held."""
    moved = {km: _moved(base, km) for km in MOVED_KM}
    tables = []
    for split, places in (("base", base), ("validation", held_out)):
        drawn = pd.DataFrame([vars(cues.draw(site)) for site in places.itertuples()])
        city = places.groupby(["city", "country"], sort=False).ngroup().to_numpy()
        i, j = np.random.default_rng(0).integers(len(places), size=(2, ANY_PAIRS))
        apart = city[i] != city[j]
        a, b = (index.ravel() for index in np.meshgrid(np.arange(len(places)), np.arange(len(places))))
        inside = (city[a] == city[b]) & (a < b)
        a, b = a[inside], b[inside]
        for cue in CUES:
            values = drawn[cue].to_numpy()
            row = {
                "split": split,
                "cue": cue,
                "places": len(places),
                "values": len(cues.WORDS[cue]),
                "majority": drawn[cue].value_counts(normalize=True).iloc[0],
                "differs_same_city": (values[a] != values[b]).mean(),
                "differs_any_cities": (values[i] != values[j])[apart].mean(),
                "bits_region": mutual_info_score(values, places.region) / np.log(2),
                "bits_climate_group": mutual_info_score(values, places.climate.str[0]) / np.log(2),
            }
            if split == "base":
                row |= {f"differs_moved_{km}_km": (values != moved[km][cue]).mean() for km in MOVED_KM}
            tables.append(row)
    return pd.DataFrame(tables).round(3)


def _moved(base: pd.DataFrame, km: float) -> pd.DataFrame:
    """The cues of the same places with the same facts, `km` further east in the random field."""
    lat, lon = geo.destination(base.lat.to_numpy(), base.lon.to_numpy(), np.full(len(base), 90.0), km)
    return pd.DataFrame([vars(cues.draw(site)) for site in base.assign(lat=lat, lon=lon).itertuples()])


if __name__ == "__main__":
    main()
