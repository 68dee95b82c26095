"""Runs of Table 1 that start from more than a policy: networks on frozen features of the base's vision tower, and a
policy of another family than the base's, whose own tower has to learn to see first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from georeplicate import files
from georeplicate.evaluation.baselines.settings import SETTINGS, Training
from georeplicate.mini.recipe import tower_of
from georeplicate.profiles import Profile

INTERNVL = "internvl"  # the stage of the run whose policy is of another family
SEEING = "seeing"  # in its folder: the policy whose tower has learnt to see, until it has learnt to name places
FEATURES = 1  # raised by whoever changes what features are made of the same photos
AT_ONCE = 512  # photos whose pixels are in memory together

if TYPE_CHECKING:
    import numpy as np
    import torch

    from georeplicate.evaluation.baselines.features import Tower
    from georeplicate.evaluation.baselines.learned import StandIn
    from georeplicate.evaluation.predictors import Predictor
    from georeplicate.runs.spec import Run
    from georeplicate.tasks import Row


def kind(run: Run) -> type[StandIn]:
    """The class of the run's network."""
    from georeplicate.evaluation.baselines import learned

    found: type[StandIn] = learned.STAND_INS[run.baseline]
    return found


def training(run: Run, profile: Profile) -> Training:
    """How the run's network is trained; a profile smaller than `mini` takes as many fewer updates."""
    found = SETTINGS[run.baseline].training
    share = min(1.0, profile.n_train_sites / Profile.get("mini").n_train_sites)
    return replace(found, steps=math.ceil(share * found.steps))


def inputs(run: Run, profile: Profile) -> dict[str, Any]:
    """What a run's key holds beside the rest: which network, its version, how it is trained."""
    if not run.baseline:
        return {}
    return {
        "baseline": run.baseline,
        "version": SETTINGS[run.baseline].version,
        "training": asdict(training(run, profile)),
    }


def updates(run: Run, profile: Profile) -> int:
    """How many updates the run's network takes, for the progress bar; 0 for a run of another kind."""
    if run.stage == INTERNVL:
        return tower_of(profile).steps + profile.sft_steps
    return training(run, profile).steps if run.baseline else 0


def train(
    run: Run,
    profile: Profile,
    tower: Path,
    rows: Callable[[], Sequence[Row]],
    folder: Path,
    *,
    work: Path,
    key: str,
    report: Callable[..., None],
) -> None:
    """The trained network in `folder/policy`, its loss at each update in `folder/log.csv`. tower: the folder of the
    policy whose vision tower is seen. rows: the training photos with their places; their features are kept below
    work, under a key of all that they depend on.
    """
    import pandas as pd

    from georeplicate.evaluation.baselines import learned
    from georeplicate.evaluation.baselines.features import Tower

    seen = Tower(tower)
    features, lat, lon = _features(seen, rows, work, key)
    model, losses = learned.fit(
        kind(run), features, lat, lon, seed=run.seed, training=training(run, profile), report=report
    )
    learned.save(model, folder / "policy", seen, f"{len(lat)} photos of the training places")
    files.write_csv(folder / "log.csv", pd.DataFrame({"step": range(1, len(losses) + 1), "loss": losses}))


def train_internvl(
    run: Run, profile: Profile, base_path: Path, folder: Path, *, report_to: str, report: Callable[..., None]
) -> None:
    """The policy of `mini.internvl` in `folder/policy`: its tower first, kept in `folder/SEEING` for a run that is
    killed later; then SFT with the profile's own settings, which goes on from its newest checkpoint."""
    from georeplicate.mini import internvl
    from georeplicate.model import policy as policies
    from georeplicate.training import stages

    photos, seeing = internvl.Photos(profile), folder / SEEING
    if seeing.exists():
        report(tower_of(profile).steps, "has learnt to see", skipped=True)
    else:
        internvl.seeing(profile, base_path, photos, seeing, seed=run.seed, report=report)
    rows = internvl.rows(photos, policies.load(seeing))
    stages.train("sft", seeing, rows, folder, profile, seed=run.seed, report=report, report_to=report_to)


def predictor(run: Run, path: Path, tower: Path) -> Predictor:
    """The trained network in `path`, on features of the vision tower in `tower`."""
    from georeplicate.evaluation.baselines import Located, learned
    from georeplicate.evaluation.baselines.features import Tower

    return Located(learned.opened(kind(run), path, Tower(tower)))


def _features(
    tower: Tower, rows: Callable[[], Sequence[Row]], work: Path, key: str
) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """([n, width] features, [n] lat, [n] lon) of the training photos, computed once for all runs of that key."""
    import torch
    from safetensors.torch import load_file, save

    path = work / f"features-{key[:16]}.safetensors"
    work.mkdir(parents=True, exist_ok=True)
    with files.alone(work / ".features.lock", "another process looks at the training photos; waiting until it ends"):
        if not path.is_file():
            made, features, places = rows(), [], []
            for start in range(0, len(made), AT_ONCE):
                batch = [made[i] for i in range(start, min(start + AT_ONCE, len(made)))]
                features.append(tower.of_rows(batch))
                places += [(row["lat"], row["lon"]) for row in batch]
            held = {"features": torch.cat(features), "places": torch.tensor(places, dtype=torch.float64)}
            files.write_bytes(path, save(held))
        kept = load_file(path)
    lat, lon = kept["places"].numpy().T
    return kept["features"], lat, lon
