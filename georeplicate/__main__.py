"""The one command line: `georeplicate COMMAND`, or `python -m georeplicate COMMAND`.

Exit codes: 0 done, 1 failed (one sentence on stderr), 2 wrong words on the command line, 130 interrupted. With
GEOREPLICATE_TRACEBACK=1 a failure shows where it happened instead.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from georeplicate import files
from georeplicate.profiles import Profile

app = typer.Typer(
    name="georeplicate",
    help="An offline, notebook-first replication of Geo-R1: cross-view reinforcement learning for geolocation.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
runs_app = typer.Typer(help="What was trained: list the runs, keep one of another version, run the golden runs.")
app.add_typer(runs_app, name="runs", no_args_is_help=True)

ProfileName = Annotated[str, typer.Option("--profile", help=f"size of everything: {', '.join(Profile.names)}")]
Seeds = Annotated[int | None, typer.Option(help="how many training seeds (default: all of the profile)")]
Root = Annotated[Path | None, typer.Option(help="folder of the data (default: data/SOURCE)")]
Base = Annotated[str | None, typer.Option(help="policy that all runs start from: a folder or a hub name")]
Records = Annotated[
    Path | None, typer.Option(help="what `georeplicate engine` wrote, for SFT on photographs (default: made anew)")
]
Adapters = Annotated[
    str,
    typer.Option(help="adapters alone are trained: lora, lora-vision (the tower's too) or qlora (base of four bits)"),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="another value of one of the profile's settings (photographs)"),
]
Workers = Annotated[
    int | None, typer.Option(help="runs that are trained at once (default: 2; 1 on photographs, which share a GPU)")
]
Rollouts = Annotated[
    str, typer.Option(help="who samples in GRPO: shared-prefix, vllm, or vllm-server ($GEOREPLICATE_VLLM)")
]
ReportTo = Annotated[
    str | None, typer.Option(help="tensorboard, wandb, trackio or none (default: tensorboard for photographs)")
]
Launch = Annotated[
    str | None, typer.Option(help="on several GPUs: ddp, fsdp2, zero2 or zero3, through accelerate launch")
]
Gpus = Annotated[int | None, typer.Option(help="with --launch: GPUs, one process each (default: 8)")]
Work = Annotated[Path, typer.Option(hidden=True)]
BASE = "geographic-longer"  # the curriculum of the base that mini starts from
Results = Annotated[Path, typer.Option(hidden=True)]
Json = Annotated[bool, typer.Option("--json", help="one JSON object a line on stdout")]
Model = Annotated[str | None, typer.Option(help="policy that answers: a folder, or a hub name (NAME@REVISION)")]
INTERRUPTED = 130
Demo = Annotated[bool, typer.Option("--synthetic-demo", help="let the mini model answer; it never saw a photograph")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda (default: the GPU, if there is one)")]


def _changed(profile: str, settings: list[str] | None) -> str:
    """The profile with what --set changes of it, as `Profile.get` takes it; a wrong word is one of the command line."""
    if not settings:
        return profile
    size = Profile.get(profile)
    for name in ("adapters", "rollouts"):
        if any(one.partition("=")[0].strip() == name for one in settings):
            raise typer.BadParameter(f"{name} has an option of its own: --{name}")
    try:
        return size.changed(settings).spec
    except ValueError as error:
        raise typer.BadParameter(f"--set: {error}") from None


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    if int(os.environ.get("RANK", "0")) > 0:  # of several processes of one command, the first speaks
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    try:
        app(args=arguments, prog_name="georeplicate")
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what typer makes of KeyboardInterrupt
            print("interrupted: the same command goes on where this one stopped", file=sys.stderr)
        return int(end.code or 0)
    except (ValueError, OSError, files.Problem) as error:
        if os.environ.get("GEOREPLICATE_TRACEBACK") == "1":
            raise
        print(f"error: {str(error).strip() or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


def entry() -> None:
    """The console script `georeplicate`."""
    sys.exit(main())


# --- your own photos and predictions ---------------------------------------------------------------------------------


@app.command()
def locate(
    photos: Annotated[list[Path], typer.Argument(help="photographs, or folders of them")],
    model: Model = None,
    synthetic_demo: Demo = False,
    json: Json = False,
    device: Device = None,
) -> None:
    """Name the place of each photograph: country, city and coordinates. A photo that cannot be read is listed."""
    from georeplicate.evaluation import photos as own

    raise typer.Exit(own.locate(photos, own.open_policy(model, synthetic_demo, device), as_json=json))


@app.command()
def pair(
    panorama: Annotated[Path, typer.Argument(help="the ground panorama")],
    tiles: Annotated[list[Path], typer.Argument(help="two or more aerial tiles, in the order of their letters")],
    model: Model = None,
    synthetic_demo: Demo = False,
    json: Json = False,
    device: Device = None,
) -> None:
    """Say which aerial tile shows the place of a panorama: the paper's own question."""
    from georeplicate.evaluation import photos as own

    raise typer.Exit(own.pair(panorama, tiles, own.open_policy(model, synthetic_demo, device), as_json=json))


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(help="CSV of any model's predictions: ids, and places or answers")],
    benchmark: Annotated[str | None, typer.Option(help="test set that holds the true places")] = None,
    truth: Annotated[Path | None, typer.Option(help="CSV with the true places, where it is no known test set")] = None,
    root: Root = None,
    protocol: Annotated[str, typer.Option(help="ours, globe, geoclip, osv5m or imageo")] = "ours",
    geocoder: Annotated[
        str | None, typer.Option(help="offline, nominatim, azure or none, instead of the protocol's")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="write one row per example to this CSV")] = None,
    effects: Annotated[bool, typer.Option("--effects", help="also what every other rule would have given")] = False,
    json: Json = False,
) -> None:
    """Score predictions under a stated protocol, with intervals, and list every row that could not be used."""
    from georeplicate.evaluation.command import run_score
    from georeplicate.evaluation.protocol import Protocol

    rules = Protocol.get(protocol).but(geocoder=geocoder) if geocoder else protocol
    raise typer.Exit(run_score(predictions, benchmark, root, truth, rules, out=out, effects=effects, as_json=json))


@app.command("map")
def map_(
    predictions: Annotated[Path, typer.Argument(help="CSV with true and predicted coordinates")],
    truth: Annotated[
        Path | None, typer.Option(help="CSV with the true places, if they are in a file of their own")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the figures")] = Path("maps"),
    pictures: Annotated[
        Path | None, typer.Option(help="folder of the photographs by their ids: small copies go into the page")
    ] = None,
) -> None:
    """Draw the errors of any model's predictions on a map: errors, arcs, countries, cumulative distribution."""
    from georeplicate.report import anyones

    for path in anyones.draw(predictions, out, truth=truth, pictures=pictures):
        print(path)


# --- data ------------------------------------------------------------------------------------------------------------


@app.command()
def data(
    source: Annotated[str, typer.Argument(help="cv-cities, cvusa, cvact, vigor, university-1652 or cvglobal")],
    root: Root = None,
    only: Annotated[str, typer.Option(help="comma-separated names of archives, such as paris,london")] = "",
    revision: Annotated[str | None, typer.Option(help="commit of the data set")] = None,
    accept_unstated_licence: Annotated[bool, typer.Option(help="download although no licence is stated")] = False,
    check: Annotated[bool, typer.Option("--check", help="check every row and picture on disk instead")] = False,
    splits: Annotated[str, typer.Option(help="with --check: comma-separated; all unless named")] = "",
    leak_km: Annotated[float, typer.Option(help="with --check: 0 looks at pictures only")] = 0.1,
    workers: Annotated[int, typer.Option(help="with --check: processes")] = 1,
    out: Annotated[Path | None, typer.Option(help="with --check: folder for the report")] = None,
) -> None:
    """Download a source of photographs, or say whom to ask for it; with --check, look through what is there."""
    from georeplicate import pairs
    from georeplicate.pairs import download, validate

    if source not in pairs.ON_DISK:
        raise ValueError(f"unknown source {source!r}: choose one of {', '.join(pairs.ON_DISK)}")
    folder = root or files.CHECKOUT / "data" / source
    if check and (only or revision or accept_unstated_licence):
        raise ValueError("--check looks through what is there: leave --only, --revision and the licence out")
    if not check and (splits or leak_km != 0.1 or workers != 1 or out is not None):
        raise ValueError("--splits, --leak-km, --workers and --out say how to look through what is there: give --check")
    if check:
        into, chosen = out or folder / "validation", _listed(splits) if splits else None
        report = validate.check(source, folder, into, splits=chosen, leak_km=leak_km, workers=workers)
        print(report.counts.to_string(index=False))
        print(f"{len(report.set_aside)} rows to set aside, with reasons: {into / 'set_aside.csv'}")
        return
    print(download.explain(source, folder), flush=True)
    names = _listed(only)
    download.fetch(source, folder, accept_unstated_licence=accept_unstated_licence, only=names, revision=revision)
    print(f"done; next: georeplicate data {source} --check" + (f" --root {root}" if root else ""))


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


@app.command()
def engine(
    source: Annotated[str, typer.Option(help="world, or a source of photographs")] = "cv-cities",
    split: Annotated[str, typer.Option(help="train or test")] = "train",
    root: Root = None,
    teacher: Annotated[str, typer.Option(help="template, local or openai")] = "template",
    model: Annotated[str, typer.Option(help="the teacher's model, where it has one")] = "",
    base_url: Annotated[str, typer.Option(help="of an OpenAI-compatible server")] = "",
    limit: Annotated[int, typer.Option(help="places at most, about equally many of each area")] = 12_600,
    seed: int = 0,
    out: Annotated[
        Path | None, typer.Option(help="folder for the records (default: .georeplicate/records/SOURCE)")
    ] = None,
) -> None:
    """Write checked chains of thought about places, as Parquet records; a killed run goes on where it stopped."""
    from georeplicate import engine as data_engine
    from georeplicate import pairs

    if source == "world" and root is not None:
        raise ValueError("the synthetic world has no folder of data: leave --root out")
    folder, photographs = out or files.WORK / "records" / source, source != "world"
    home = root or files.CHECKOUT / "data" / source if photographs else None
    chosen = pairs.sample(pairs.load(source, split, home), limit, seed=seed)
    chosen_teacher = data_engine.teacher(teacher, model, base_url, folder / "cache", photographs=photographs)
    size = Profile.get("paper")
    looked = {"panorama": size.panorama_px, "aerial": (size.tile_px, size.tile_px)} if chosen_teacher.sees else None
    made = data_engine.build(data_engine.rows(chosen, home, looked), folder, chosen_teacher, seed=seed)
    accepted, rejected = (len(data_engine.load(made, part)) for part in ("accepted", "rejected"))
    print(f"{accepted} records accepted, {rejected} rejected; reasons and counts: {made / 'README.md'}")
    if accepted and photographs:
        print(f"next: georeplicate train sft --profile paper --records {made}" + (f" --root {root}" if root else ""))


# --- training and evaluation -----------------------------------------------------------------------------------------


@app.command()
def train(
    what: Annotated[
        str,
        typer.Argument(
            help="table1, table2, ablations, curve, one of sft, zero, r1 (with what it starts from), a run, or base; "
            "of profile geographic: arms, or one of them"
        ),
    ] = "table2",
    profile: ProfileName = "mini",
    seeds: Seeds = None,
    base: Base = None,
    root: Root = None,
    workers: Workers = None,
    records: Records = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="SYSTEM=WEIGHTS", help="of a published system of table1: official@COMMIT or a folder"),
    ] = None,
    settings: Settings = None,
    adapters: Adapters = "",
    rollouts: Rollouts = "",
    report_to: ReportTo = None,
    launch: Launch = None,
    gpus: Annotated[
        int | None,
        typer.Option(
            min=1, help="GPUs, one process each: with --launch (default: 8), or of published systems of table1"
        ),
    ] = None,
    world: Annotated[
        str,
        typer.Option(
            help="of `train base`: which base is made, geographic-longer, as mini starts from, or geographic, which is "
            "taught to see for a shorter time"
        ),
    ] = BASE,
    seed: Annotated[
        int, typer.Option(min=0, help="of `train base`: its places, pictures, weights and order; another base each")
    ] = 0,
    rule: Annotated[
        bool,
        typer.Option("--rule", help="of `train base`: on to one that answers the first tile it calls a match"),
    ] = False,
    register: Annotated[
        bool,
        typer.Option("--register", help="of profile geographic: write down what is predicted of its arms, train none"),
    ] = False,
    work: Work = files.WORK,
) -> None:
    """Train and evaluate whatever is not up to date; a killed run goes on from its newest checkpoint."""
    from georeplicate.runs import commands

    if what == "base" and not commands.has_arms(profile):
        other = (profile, seeds, base, root, records, weights, adapters, rollouts, report_to, launch, gpus)
        if other != ("mini", None, None, None, None, None, "", "", None, None, None) or settings:
            raise ValueError(
                "`train base` makes a base of the mini world: it takes --world, --seed, --rule and --work, and no "
                "profile, seeds, base, root, records, weights, settings, adapters, rollouts, tracker or way to launch"
            )
        commands.train_base(world, seed, rule, work=work)
        return
    if (world, seed, rule) != (BASE, 0, False):
        raise ValueError(f"--world, --seed and --rule say which base `train base` makes; {what} has its profile's")
    if what == "table1" and commands.takes_published(profile):
        untaken = (seeds, base, records, settings or None, adapters, rollouts, report_to, launch)
        if untaken != (None, None, None, None, "", "", None, None):
            raise ValueError(
                "published systems are not trained: table1 of this profile takes no seeds, no base, no records, no "
                "settings, no adapters, no tracker and no way to launch"
            )
        _evaluate_published(work / profile, root, weights or [], gpus)
        return
    launched_on = _gpus(launch, gpus)
    if weights:
        raise ValueError("--weights are those of published systems: train table1 --profile paper, or single_gpu")
    words = ["train", what, "--profile", profile, "--work", str(work)]
    where = {"--seeds": seeds, "--root": root}
    words += [str(word) for name, value in where.items() if value is not None for word in (name, value)]
    words += commands.Options(base, records, adapters, rollouts, report_to).words()
    words += [word for one in settings or [] for word in ("--set", one)]
    code = commands.train(
        what, _changed(profile, settings), seeds, base=base, root=root, workers=workers, work=work, records=records,
        adapters=adapters, rollouts=rollouts, report_to=report_to, launch=launch, gpus=launched_on, words=words,
        register=register,
    )  # fmt: skip
    if commands.has_arms(profile) and not register:
        from georeplicate.report import write

        made = write.write(work / profile / "runs", work / profile, Profile.get(profile))
        print(f"tables and figure: {', '.join(str(path) for path in made if path.suffix in ('.md', '.png'))}")
    raise typer.Exit(code)


def _evaluate_published(out: Path, root: Path | None, weights: list[str], gpus: int | None) -> None:
    """Table 1 from published systems, below `out`; weights: SYSTEM=WEIGHTS each."""
    from georeplicate.report import table1
    from georeplicate.runs import published

    given = {}
    for one in weights:
        system, equals, of = one.partition("=")
        if not (system and equals and of):
            raise typer.BadParameter(f"--weights wants SYSTEM=WEIGHTS, got {one!r}")
        given[system] = of
    made = table1.write_published(out, benchmark=published.BENCHMARK, root=root, weights=given, gpus=gpus)
    print("\n".join(f"{row.stands_for:>15}  {row.note or 'evaluated'}" for row in made.itertuples()))
    print(f"table: {out / 'tables' / 'table1.md'}")


def _gpus(launch: str | None, gpus: int | None) -> int:
    """How many processes --launch starts; ValueError where --gpus stands alone."""
    if gpus is not None and launch is None:
        raise ValueError("--gpus is how many processes --launch starts: name a way, such as --launch fsdp2")
    return 8 if gpus is None else gpus


@app.command()
def evaluate(
    model: Model = None,
    baseline: Annotated[str | None, typer.Option(help="a baseline that answers, instead of a model")] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="of the baseline: official, official@COMMIT, a folder, vllm:NAME, or a server's address"),
    ] = None,
    task: Annotated[str | None, typer.Option(help="one task of the profile (default: all)")] = None,
    profile: ProfileName = "mini",
    split: Annotated[str, typer.Option(help="validation or test")] = "validation",
    root: Root = None,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="CSV for the rows (default: none is written)")] = None,
    gpus: Annotated[
        int | None, typer.Option(min=1, help="GPUs, one process each, which share the rows (with --out)")
    ] = None,
) -> None:
    """Evaluate one policy, or a baseline, on the tasks of a profile and print what was right.

    With --out the answers are kept part by part beside it: the same command goes on where it was killed."""
    from georeplicate.runs import commands

    profile = _changed(profile, settings)
    rows = commands.evaluate(model, baseline, task, profile, split, root=root, out=out, weights=weights, gpus=gpus)
    if out is not None:
        from georeplicate.report import table1

        for path in table1.write_lines(rows, out):
            print(f"line of {path.stem.rpartition('-')[2]}: {path}")


@app.command()
def reproduce(
    profile: ProfileName = "mini",
    seeds: Seeds = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="another parameter of notebooks")
    ] = None,
    root: Root = None,
    pair_notebooks: Annotated[
        bool, typer.Option("--pair", help="write notebooks/*.ipynb from the last mini run")
    ] = False,
    check_pairs: Annotated[bool, typer.Option(help="fail if a committed .ipynb differs from its .py")] = False,
    settings: Settings = None,
    base: Base = None,
    records: Records = None,
    adapters: Adapters = "",
    rollouts: Rollouts = "",
    report_to: ReportTo = None,
    launch: Launch = None,
    gpus: Gpus = None,
    notebooks: Annotated[Path, typer.Option(hidden=True)] = files.CHECKOUT / "notebooks",
    work: Work = files.WORK,
) -> None:
    """Train what the notebooks need and run them in order: every table and figure of a profile. On photographs the
    notebooks that show finished runs follow the tables, without what is about the synthetic world."""
    from georeplicate import reproduce as notebooks_of
    from georeplicate.runs import commands

    launched_on, options = _gpus(launch, gpus), commands.Options(base, records, adapters, rollouts, report_to)
    if (launch is not None or settings or options != commands.Options()) and (check_pairs or pair_notebooks):
        raise ValueError("--pair and --check-pairs train nothing: leave --launch out, and all that is for training")
    if check_pairs:
        notebooks_of.check_pairs(notebooks)
    elif pair_notebooks:
        notebooks_of.print_paired(notebooks, work)
    else:
        chosen = _changed(profile, settings)
        notebooks_of.print_run(chosen, parameter or [], seeds, notebooks, work, root, launch, launched_on, options)


@app.command()
def verify(profile: ProfileName = "mini", work: Work = files.WORK, results: Results = files.RESULTS) -> None:
    """Compare the tables of a run here with the committed ones, number by number."""
    from georeplicate.runs import publish as published

    raise typer.Exit(published.print_verified(Profile.get(profile).name, work, results))


@app.command()
def publish(
    profile: ProfileName = "mini",
    figures_only: Annotated[bool, typer.Option(help="draw tables and figures again, from what is committed")] = False,
    work: Work = files.WORK,
    results: Results = files.RESULTS,
) -> None:
    """Copy a finished run into results/ and draw its tables and figures."""
    from georeplicate.runs import publish as published

    name = Profile.get(profile).name
    if not figures_only:
        changed = published.publish(name, work=work, results=results)
        print(f"results/{name}: {len(changed)} files changed")
    else:
        from georeplicate.report import write

        drawn = write.write(results / name / "runs", results / name, Profile.get(name))
        print(f"results/{name}: {len(drawn)} files drawn")


@app.command()
def check(results: Results = files.RESULTS) -> None:
    """Whether committed runs are whole and nothing private is published; a warning where other code made them."""
    from georeplicate.runs import publish as published

    published.print_check(results)


@app.command()
def plan(
    profile: ProfileName = "paper",
    gpus: Annotated[int | None, typer.Option(help="GPUs to plan for (default: 8, for single_gpu 1)")] = None,
    gpu_gb: Annotated[float, typer.Option(help="memory of one GPU in GB")] = 80.0,
    rate: Annotated[float, typer.Option(help="price of one GPU hour, an assumption")] = 2.5,
    mfu: Annotated[float, typer.Option(help="share of the GPU's peak that training reaches, an assumption")] = 0.35,
    settings: Settings = None,
    root: Root = None,
    json: Json = False,
) -> None:
    """What a profile costs before anything is downloaded: GB, memory by part, hours, and what fits where."""
    from georeplicate.runs import plan as planned

    found = Profile.get(_changed(profile, settings))
    gpus = gpus if gpus is not None else 1 if found.name == "single_gpu" else 8
    raise typer.Exit(planned.print_plan(found, gpus=gpus, gpu_gb=gpu_gb, as_json=json, rate=rate, mfu=mfu, root=root))


# --- runs ------------------------------------------------------------------------------------------------------------


@runs_app.command("list")
def list_(
    profile: ProfileName = "mini",
    root: Root = None,
    base: Base = None,
    records: Records = None,
    adapters: Adapters = "",
    settings: Settings = None,
    work: Work = files.WORK,
) -> None:
    """Every run of a profile: whether it is up to date, trained, begun or of another version."""
    from georeplicate.runs import commands

    profile = _changed(profile, settings)
    commands.list_runs(profile, base=base, root=root, work=work, records=records, adapters=adapters)


@runs_app.command()
def adopt(
    name: Annotated[str, typer.Argument(help="a run, or one that was set aside, such as zero-s0-1a2b3c4d")],
    why: Annotated[str, typer.Option(help="why its numbers still hold")],
    profile: ProfileName = "mini",
    root: Root = None,
    base: Base = None,
    records: Records = None,
    adapters: Adapters = "",
    settings: Settings = None,
    work: Work = files.WORK,
) -> None:
    """Keep a trained run whose key no longer holds, if the golden runs make the numbers they made."""
    from georeplicate.runs import commands

    profile = _changed(profile, settings)
    commands.adopt(name, why, profile, base=base, root=root, work=work, records=records, adapters=adapters)


@runs_app.command()
def merge(
    adapter: Annotated[Path, typer.Argument(help="folder adapter/ of a run that trained adapters")],
    out: Annotated[Path, typer.Option(help="folder for the whole policy")],
    base: Base = None,
) -> None:
    """Add an adapter's weights to those of its base: one whole policy."""
    from georeplicate.model import policy as policies

    if out.exists():
        raise ValueError(f"{out} exists already: name another folder")
    policies.merge(adapter, base).save(out)
    print(out)


@runs_app.command()
def card(
    run: Annotated[str, typer.Argument(help="a finished run that was trained, by its name or folder")],
    profile: ProfileName = "mini",
    work: Work = files.WORK,
) -> None:
    """Write the model card of a finished run into its policy, from its manifest and its evaluation."""
    from georeplicate.runs import commands, share

    print(share.write_card(commands.run_folder(run, profile, work)))


@runs_app.command()
def push(
    run: Annotated[
        str, typer.Argument(help="a finished run, by its name or folder, or a folder of the data engine's records")
    ],
    to: Annotated[str, typer.Option(help="OWNER/NAME on the hub")],
    public: Annotated[bool, typer.Option("--public", help="let everybody see it (default: private)")] = False,
    profile: ProfileName = "mini",
    work: Work = files.WORK,
) -> None:
    """Upload a trained policy, or records, with its card; needs a token of the hub."""
    from georeplicate.runs import commands, share

    print(share.push(commands.run_folder(run, profile, work), to, public=public))


@runs_app.command()
def golden(
    write: Annotated[
        bool, typer.Option("--write", help="replace the snapshot; read tests/invariant/README.md first")
    ] = False,
) -> None:
    """Run the golden runs and say whether numbers moved."""
    from georeplicate.runs import commands

    raise typer.Exit(commands.golden_runs(write))


if __name__ == "__main__":
    entry()
