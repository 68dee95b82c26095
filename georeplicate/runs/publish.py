"""What is committed below results/: published from a finished run, compared with a fresh one, checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from georeplicate import files, manifest
from georeplicate.profiles import Profile
from georeplicate.runs import arms, leaks, recipes, runner, spec

if TYPE_CHECKING:
    import pandas as pd

RESULTS = files.RESULTS
PUBLISHED = (manifest.NAME, "log.csv", "predictions.csv")  # of a run; its policy is not
FOLDERS = ("runs", "tables", "figures")
COUNTS = ("n", "training_seeds")  # columns that must be equal
CONCLUDED = ("verdict", "stays", "second")  # columns of words that follow from the numbers


class ResultsError(files.Problem):
    """Something cannot be published or does not fit; the message is for a person."""


# --- publish --------------------------------------------------------------------------------------------------------


def publish(profile: str, *, work: Path = files.WORK, results: Path = RESULTS) -> list[Path]:
    """Make results/<profile> a copy of the finished run: runs without their policies, tables, figures.

    What the run does not have is removed there, in these folders only, but for runs of the profile (ablations, Table 1,
    the curve): beside others they may come from another base, and without them they would be lost. Returns the files
    that changed. ResultsError where there are such runs, if a run of Table 2 is missing or one that was begun is not
    finished, or if there are no tables or figures.
    """
    chosen, source = Profile.get(profile), work / profile
    if profile == arms.PROFILE:  # arms may be left for later, and tables say which
        wanted, of_profile = set[str](), {job.run.name for job in arms.all_jobs(work)}
    else:
        wanted = {run.name for run in spec.table2_runs(chosen.seeds, chosen)}
        of_profile = {run.name for run in spec.all_runs(chosen)}
    begun = {path.name for path in (source / "runs").glob("*") if path.is_dir()}
    open_names = sorted(name for name in wanted | begun if not manifest.is_finished(source / "runs" / name))
    if open_names:
        raise ResultsError(
            f"not finished: {', '.join(open_names)}; make reproduce, table2, ablations or curve comes first"
        )
    there = {path.parent.name for path in (results / profile / "runs").glob(f"*/{manifest.NAME}")}
    if lost := sorted(there & of_profile - begun):
        raise ResultsError(
            f"{results / profile} holds runs that {source} does not: {', '.join(lost)}; make ablations, table1 or "
            f"curve comes first, or remove them from {results / profile / 'runs'} to publish without them"
        )
    wanted_files = [Path("runs") / name / file for name in wanted | begun for file in PUBLISHED]
    wanted_files = [file for file in wanted_files if (source / file).is_file()]  # the base has no training log
    for part in FOLDERS[1:]:
        found = [p.relative_to(source) for p in (source / part).rglob("*") if p.is_file() and p.name[0] != "."]
        if not found:
            raise ResultsError(f"{source / part} is empty: make reproduce PROFILE={profile} comes first")
        wanted_files += found
    changed = []
    for file in sorted(wanted_files):
        data, target = (source / file).read_bytes(), results / profile / file
        if not target.is_file() or target.read_bytes() != data:
            changed.append(files.write_bytes(target, data))
    kept = {results / profile / file for file in wanted_files}
    for path in [p for part in FOLDERS for p in (results / profile / part).rglob("*") if p.is_file()]:
        if path not in kept:
            path.unlink()
            changed.append(path)
    for folder in (results / profile / "runs").iterdir():
        if not any(folder.iterdir()):
            shutil.rmtree(folder)
    return changed


# --- verify ---------------------------------------------------------------------------------------------------------


def verify(profile: str, *, work: Path = files.WORK, results: Path = RESULTS) -> tuple[pd.DataFrame, int, list[str]]:
    """(the numbers that moved, how many were compared, tables of one side only) between the tables of a fresh run and
    the committed ones.

    Rows {table, row, column, committed, fresh, moved, low, high, verdict}: `inside` the committed interval, `outside`,
    `differs` (a count, a conclusion, or a row that one side lacks), or `no interval`: a number without one, or anything
    in a table without any, such as a list of failures. ResultsError if there is nothing to compare.
    """
    import pandas as pd

    there, here = results / profile / "tables", work / profile / "tables"
    names = [{p.name for p in side.glob("*.csv")} for side in (there, here)]
    both, alone = sorted(names[0] & names[1]), sorted(names[0] ^ names[1])
    if not both:
        raise ResultsError(f"no table is both in {there} and in {here}: make reproduce PROFILE={profile} comes first")
    moved, compared = [], 0
    for name in both:
        for row in _compare(files.read_csv(there / name), files.read_csv(here / name)):
            compared += 1
            if row["verdict"]:
                moved.append({"table": name.removesuffix(".csv")} | row)
    columns = ["table", "row", "column", "committed", "fresh", "moved", "low", "high", "verdict"]
    return pd.DataFrame(moved, columns=columns), compared, alone


def _compare(committed: pd.DataFrame, fresh: pd.DataFrame) -> Iterator[dict]:
    """One row for every number of either table; verdict "" where nothing moved."""
    import pandas as pd

    numbers = [name for name, values in committed.items() if values.dtype.kind in "iuf"]
    keys = [name for name in committed.columns if name not in (*numbers, *CONCLUDED)]
    named = [name for name in keys if name == "claim_id"] or keys  # the other texts of verdicts are prose about numbers
    bounds = {bound for name in numbers for bound in _bounds(name, numbers)}
    differs = "differs" if bounds else "no interval"
    sides = []
    for table in (committed, fresh):
        label = table.reindex(columns=named).fillna("").astype(str).agg(" | ".join, axis=1)
        again = label.groupby(label).cumcount().map(lambda i: f" ({i + 1})" if i else "")  # equal keys, by their order
        sides.append(table.assign(_row=label + again).set_index("_row"))
    for row in dict.fromkeys([*sides[0].index, *sides[1].index]):
        if not all(row in side.index for side in sides):
            missing = "committed" if row not in sides[0].index else "fresh"
            yield {"row": row, "column": "", "verdict": f"{differs}: the {missing} side lacks this row"}
            continue
        old, new = (side.loc[row] for side in sides)
        for name in (name for name in committed.columns if name not in keys and name not in bounds):
            a, b = old[name], new.get(name)
            cell = {"row": row, "column": name, "committed": a, "fresh": b}
            if name not in numbers:
                yield cell | {"verdict": "" if str(a) == str(b) else differs}
                continue
            b = pd.to_numeric(b, errors="coerce")
            found = cell | {"fresh": b, "verdict": ""}
            if a != b and not (pd.isna(a) and pd.isna(b)):
                found["moved"] = b - a
                interval = _bounds(name, numbers)
                if name in COUNTS or pd.isna(a) or pd.isna(b):
                    found["verdict"] = differs
                elif not interval:
                    found["verdict"] = "no interval"
                else:
                    low, high = (old[bound] for bound in interval)
                    found |= {"low": low, "high": high, "verdict": "inside" if low <= b <= high else "outside"}
            yield found


def _bounds(name: str, numbers: list[str]) -> tuple[str, str] | tuple[()]:
    """The columns that hold the ends of this column's interval, if it has one."""
    pairs = [(f"{name}_low", f"{name}_high")] + ([("low", "high")] if name == "difference" else [])
    return next((pair for pair in pairs if set(pair) <= set(numbers)), ())


def origin(runs: Path) -> str:
    """Which commits and machines the finished runs below a folder come from."""
    found: dict[str, list[str]] = {}
    for path in sorted(runs.glob(f"*/{manifest.NAME}")):
        run = manifest.read(path.parent)
        try:
            commit = (run["git"]["commit"] or "no commit")[:12] + (" and changes" if run["git"]["dirty"] else "")
            where = f"commit {commit}, {run['machine']['cpu']}, {run['machine']['cores']} cores"
        except (KeyError, TypeError):
            where = "manifests that do not say where"
        found.setdefault(where, []).append(path.parent.name)
    return "; ".join(f"{where} ({', '.join(names)})" for where, names in found.items()) or "no finished run"


# --- check ----------------------------------------------------------------------------------------------------------


def check(*, results: Path = RESULTS) -> tuple[list[str], list[str]]:
    """(failures, warnings) about every committed run, a sentence each.

    A failure: a run without a manifest, or a file that is not what the manifest says. One warning a profile at most:
    its runs were made by other code than this, which says nothing yet about their numbers (golden runs do).
    ResultsError where there is no such folder.
    """
    if not results.is_dir():
        raise ResultsError(f"there is no folder {results}, so nothing was checked: name the folder of committed runs")
    failures, warnings = [], []
    now = {name: value for part in runner.code_now(recipes.of("mini")).values() for name, value in part.items()}
    for profile in sorted({p.parents[1] for p in results.glob("*/runs/*") if p.is_dir()}):
        changed: set[str] = set()
        for folder in sorted(p for p in profile.glob("runs/*") if p.is_dir()):
            try:
                code = manifest.read(folder).get("code", {})
                then = {name: value for part in code.values() for name, value in part.items()}
            except files.FileError as error:
                failures.append(str(error))
                continue
            except AttributeError:
                failures.append(f"{folder / manifest.NAME} is damaged: it does not say which code made its run")
                continue
            changed |= {name for name, value in now.items() if then.get(name) != value}
        if changed:
            warnings.append(
                f"results/{profile.name} was made by other code than this ({len(changed)} modules differ, such as "
                f"{sorted(changed)[0]}); whether numbers move is what tests/invariant decides"
            )
    return failures, warnings


# --- printed --------------------------------------------------------------------------------------------------------


# Measured once for each of the three: results/LOG.md, "A mini run is not halved".
EXPECTED = (
    "what to expect: none moves on one machine with one tree of this code. With another processor, with or without "
    "bf16 in hardware, or with other code of training, roundings lead GRPO to other completions, and one run's pairing "
    "moves by some points, as it does with the seed (results/LOG.md)"
)


def print_verified(profile: str, work: Path, results: Path) -> int:
    """Print what moved; 1 where a number lies outside the committed interval or differs, else 0."""
    moved, compared, alone = verify(profile, work=work, results=results)
    print(f"committed: {origin(results / profile / 'runs')}\nfresh:     {origin(work / profile / 'runs')}")
    if len(moved):
        print(moved.to_string(index=False, na_rep="", float_format="{:.4g}".format))
        print(EXPECTED)
    if alone:
        print(f"not compared, as only one side has them: {', '.join(alone)}")
    inside, free, bad = (
        moved.verdict.str.startswith(words) for words in ("inside", "no interval", ("outside", "differs"))
    )
    print(
        f"{compared} values compared: {compared - len(moved)} equal, {inside.sum()} moved inside the committed "
        f"interval, {free.sum()} moved that have none, {bad.sum()} outside or different"
    )
    return int(bad.any())


def print_check(results: Path) -> None:
    """Print the warnings of `check`; ResultsError with its failures, and with secrets and private folders in anything
    that is published."""
    failures, warnings = check(results=results)
    published = [results, files.PACKAGE, files.CHECKOUT / "notebooks"]
    failures += leaks.leaks(folder for folder in published if folder.exists())
    for warning in warnings:
        print(f"warning: {warning}")
    if failures:
        raise ResultsError("\n       ".join(failures))
