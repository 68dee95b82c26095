"""What verdicts and places of the geographic world's arms follow from, words or pictures (see mini/swaps.py), into
results/bench/swaps_verdicts.csv and swaps_places.csv: of every arm named whose policy is there, validation places."""

import argparse
from pathlib import Path

import pandas as pd

from georeplicate import files
from georeplicate.mini import inputs, swaps, wording
from georeplicate.model import hub
from georeplicate.model import policy as policies
from georeplicate.report import causes
from georeplicate.runs import arms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=files.WORK)
    parser.add_argument("--out", type=Path, default=causes.FOLDER)
    parser.add_argument("--examples", type=int, default=200, help="questions, and places, of each policy")
    parser.add_argument("arms", nargs="+", choices=[one.name for one in arms.ARMS])
    args = parser.parse_args()
    made: dict[str, list[pd.DataFrame]] = {"verdicts": [], "places": []}
    for job in arms.all_jobs(args.work):
        arm, _, base = job.run.name.rpartition("-b")
        if arm not in args.arms or not (job.policy / "config.json").is_file():
            continue
        policy, words = policies.load(job.policy), wording.WORDING
        options = dict(seed=0, max_new_tokens=job.profile.max_completion_length)
        every = (make(job.profile, "validation", job.base_path) for make in (inputs.questions, inputs.views))
        questions, views = (
            [rows[i] for i in range(0, len(rows), max(1, len(rows) // args.examples))] for rows in every
        )
        which = {"arm": arm, "base": int(base), "policy": hub.identity(job.policy)[:12]}
        found = {
            "verdicts": swaps.of_verdicts(policy, questions, words, **options),
            "places": swaps.of_places(policy, views, words, **options).drop(columns=["before", "flipped", "exchanged"]),
        }
        for name, rows in found.items():
            made[name].append(rows.assign(**which)[[*which, *rows.columns]])
        print(job.run.name, {name: len(rows) for name, rows in found.items()}, flush=True)
    if not made["verdicts"]:
        parser.error(f"none of these arms has a policy below {args.work}: `georeplicate train` makes it")
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in made.items()}
    for name, rows in tables.items():
        files.write_csv(args.out / f"swaps_{name}.csv", rows)
    print(causes.for_readers(causes.table(**tables)).to_string(index=False))


if __name__ == "__main__":
    main()
