"""Table 1 at the paper's scale: published systems on a published test set, whatever of both is there.

Each system writes its answers part by part below `<work>/<profile>/table1/<system>/`, so that a run that was killed
goes on where it stopped. Answers under another key (other weights, another test set) are renamed to `stale/` and kept.
What cannot be run is left out with its reason, before anything is computed for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from georeplicate import files
from georeplicate.runs import pool, shards

if TYPE_CHECKING:
    import pandas as pd

    from georeplicate.evaluation.benchmarks import Benchmark

BENCHMARK = "MP16-Reason-Test-12K"
AT_ONCE = 64  # photographs whose answers are written together
VERSION = 1  # of how they are shown and read


def evaluate(
    systems: Iterable[str],
    out: Path,
    *,
    benchmark: str = BENCHMARK,
    root: Path | None = None,
    weights: Mapping[str, str] | None = None,
    gpus: int | None = None,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """(predictions as `runner.predictions` gives them, {system: why it was not run}).

    root: the folder of the test set (None: data/<its name>). weights: {system: "official", a folder or a hub name}.
    gpus: the photographs of each vision-language model are shared by this many processes (`shards`); the others, small
    networks, take minutes in one. LaunchError where there are fewer GPUs.
    """
    import pandas as pd

    from georeplicate.evaluation import benchmarks

    chosen, systems = dict(weights or {}), list(systems)
    if unknown := sorted(chosen.keys() - set(systems)):
        raise ValueError(f"weights are given for {', '.join(unknown)}; the systems are {', '.join(systems)}")
    if gpus is not None:
        shards.check(gpus)
    try:
        found = benchmarks.load(benchmark, root)
    except FileNotFoundError as error:
        print(error, flush=True)
        return pd.DataFrame(), {system: f"test set missing; wants {wanted(system)}" for system in systems}
    if found.rows.image.isna().all():
        print("; ".join(found.report.notes), flush=True)
        return pd.DataFrame(), {system: f"photographs missing; wants {wanted(system)}" for system in systems}
    tables, missing = [], {}
    for system in systems:
        try:
            table = answers(system, chosen.get(system, "official"), found, out, gpus)
        except (KeyboardInterrupt, files.FileError, pool.WorkError):
            raise
        except Exception as error:  # another's package: it may fail in any way, and the other systems go on
            ours = isinstance(error, ValueError | files.Problem)
            missing[system] = " ".join((str(error) if ours else f"{type(error).__name__}: {error}").split())
            continue
        tables.append(table.assign(system=system, stands_for=system, checkpoint="as published", benchmark=found.name))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), missing


def wanted(system: str) -> str:
    """The weights that a published system needs, with their licence, as far as there are any."""
    from georeplicate.evaluation.baselines import prompted, published

    known = {one.name: (one.weights, one.licence) for one in (published.GeoCLIP, published.Hybrid, published.RFM)}
    known |= prompted.PUBLISHED
    return "{} ({})".format(*known[system]) if system in known else "weights, of which none are usable"


def answers(system: str, weights: str, benchmark: Benchmark, out: Path, gpus: int | None = None) -> pd.DataFrame:
    """A system's answers to all photographs of a test set, from its parts on disk and, where they are missing, anew.

    The system is opened at the first missing part. Raises what it raises, where it cannot be opened.
    """
    import pandas as pd

    from georeplicate.evaluation import baselines, predict
    from georeplicate.evaluation.baselines import prompted

    rows = benchmark.rows[["id", "image", "lat", "lon", "country"]].to_dict("records")
    folder = out / "table1" / re.sub(r"[^a-z0-9]+", "-", system.lower())
    known = baselines.identity(system, weights)
    key = {"system": system, "weights": weights, "version": VERSION, "rows": files.sha256_json(rows)}
    _begin(folder, key, known)
    parts = [(folder / f"part-{i:07d}.csv", rows[i : i + AT_ONCE]) for i in range(0, len(rows), AT_ONCE)]
    missing = [part for part in parts if not part[0].is_file()]
    if gpus is not None and missing and system in prompted.PUBLISHED:
        here = prompted.here(system, weights)
        shards.deal(
            missing,
            gpus,
            answer,
            lambda share: (system, here, benchmark.name, share),
            seconds=lambda part: len(part[1]),
            keep=folder,
        )
    elif missing:
        answer(system, weights, benchmark.name, tqdm(missing, desc=system, unit=f"{AT_ONCE} photos"))
    return pd.concat([predict.read(path) for path, _ in parts], ignore_index=True).assign(training_seed=0)


def answer(
    system: str,
    weights: str,
    benchmark: str,
    parts: Iterable[tuple[Path, list[dict[str, Any]]]],
    device: str | None = None,
    report: pool.Report = lambda *_, **__: None,
) -> None:
    """Write the files of some parts: (file, rows). device: that of a process of its own (`shards.deal`)."""
    if device is not None:
        shards.take(device)
    from georeplicate.evaluation import baselines, predict
    from georeplicate.tasks.geolocation import Geolocation

    predictor: baselines.Located | None = None
    task = Geolocation(lambda split: [], benchmark)
    for path, rows in parts:
        predictor = predictor or baselines.Located(baselines.get(system, weights))
        shown = [_shown(row) for row in rows]
        part = predict.evaluate(predictor, task, shown, decoding="greedy")
        part["text"] = [row["problem"] or text for row, text in zip(shown, part.text, strict=True)]
        files.write_csv(path, part.reindex(columns=predict.COLUMNS))
        report(len(rows), "answers")


def _begin(folder: Path, key: dict[str, Any], identity: str) -> None:
    """The folder of a system's answers; those under another key are renamed first.

    identity: which weights these are, "" where that cannot be told (they are not there): then the answers that were
    given under the same name stay.
    """
    begun = folder / "begun.json"
    if folder.exists():
        try:
            held = json.loads(begun.read_text())
        except (OSError, ValueError):
            held = {}
        if {name: held.get(name) for name in key} == key and identity in ("", held.get("identity")):
            return
        target = files.unused(folder.parent / "stale" / folder.name)
        folder.rename(target)
        print(f"{key['system']} was evaluated otherwise: kept as table1/stale/{target.name}", flush=True)
    files.write_json(begun, key | {"identity": identity})


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its picture; one that cannot be read is none, and its problem says why."""
    from georeplicate.evaluation.photos import open_photo

    try:
        return row | {"images": [open_photo(Path(row["image"]))], "problem": ""}
    except ValueError as error:
        return row | {"images": [], "problem": f"no answer: {error}"}
