"""Run the notebooks in order and decide whether each really finished (`make reproduce`); write and check their pairs.

The percent script `notebooks/NN_name.py` is the source. It is converted by jupytext, executed by papermill into
`<work>/<profile>/executed/NN_name.ipynb`, and counts as run only if

    every code cell was executed, in order, none failed and none is pending (papermill alone forgives `SystemExit(0)`),
    and every artefact it declares exists and was written by this very run.

A notebook has one cell tagged `parameters`. It sets `profile` and `out` (the folder it writes to, as seen from its
own), and may declare artefacts, as paths below `out`:

    # %% tags=["parameters"]
    profile = "mini"
    out = "../.georeplicate/mini"
    # artefacts: tables/table2.csv figures/curves.png

Cells with the tag `world-only` are about the synthetic world. A profile of photographs goes through the same functions
to its tables, data -> engine -> SFT -> GRPO -> evaluation -> tables, and then through the same notebooks without these
cells (`photographs`); a notebook whose parameters cell has the tag is left out as a whole, and an artefact that only
these cells write is declared as `# world-only artefacts: ...`. The geographic world has an experiment of its own,
without notebooks (`experiment`).

A notebook with a parameter `seeds` (how many training seeds) works with the trained runs of Table 2. These are brought
up to date before the first notebook, where their progress can be seen (runner.ensure).

A finished notebook leaves a stamp: a hash of its text, of the syntax trees of the modules it imports (a docstring or
comment changes nothing), of the library's data, of the parameters, of the runs (for notebooks with `seeds`, and all
after them), of the code of the notebooks before it and of the versions installed, with the checksums of what it wrote.
While all of these hold it is not run again. No clock decides: a fresh clone has no stamps, hence runs everything.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from georeplicate import files, manifest, provenance
from georeplicate.profiles import Profile
from georeplicate.runs import arms, commands, recipes, runner, spec
from georeplicate.training import launch as launcher

if TYPE_CHECKING:
    import nbformat

PACKAGE, WORK = files.PACKAGE, files.WORK
NOTEBOOKS = files.CHECKOUT / "notebooks"
PAIRED_PROFILE = "mini"
WORLD_ONLY = "world-only"
NO_OPTIONS = commands.Options()
PYTHON_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class ReproduceError(files.Problem):
    """A notebook did not finish, or cannot be run as it is; the message is one sentence for a person."""


# --- what a notebook says about itself -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """One `NN_name.py` in percent format; everything is read from its text. profile: one of photographs gets it without
    what is about the synthetic world."""

    path: Path
    profile: Profile | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def _photographs(self) -> Profile | None:
        """The profile where it is one of photographs."""
        return None if self.profile is None or self.profile.source == "world" else self.profile

    @property
    def of_world(self) -> bool:
        """Whether the whole of it is about the synthetic world."""
        import jupytext

        cells = jupytext.reads(self.text, fmt="py:percent").cells
        return any({"parameters", WORLD_ONLY} <= set(cell.metadata.get("tags", [])) for cell in cells)

    @cached_property
    def text(self) -> str:
        """Read once: what is executed is what the stamp says, also where the file is edited meanwhile."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        import jupytext
        import nbformat

        notebook = jupytext.reads(self.text, fmt="py:percent")
        notebook.metadata = nbformat.from_dict(PYTHON_METADATA)
        if profile := self._photographs:
            first, *others = notebook.cells
            kept = [cell for cell in others if WORLD_ONLY not in cell.metadata.get("tags", [])]
            notebook.cells = [_opening(first, profile), *kept]
        return notebook

    @cached_property
    def code(self) -> list[str]:
        """Sources of the code cells; ReproduceError if one is not plain Python (papermill ignores how `!x` ended)."""
        cells = [cell.source for cell in self.notebook.cells if cell.cell_type == "code"]
        for number, source in enumerate(cells, 1):
            try:
                names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
            except SyntaxError as error:
                line = (error.text or "").strip()
                raise ReproduceError(
                    f"{self.name}: code cell {number} is not plain Python ({error.msg}: {line!r}); "
                    "shell escapes and magics are refused because a failing one would pass unnoticed"
                ) from None
            if "get_ipython" in names:
                raise ReproduceError(f"{self.name}: code cell {number} uses get_ipython, by which a failure can pass")
            if not source.strip():
                raise ReproduceError(f"{self.name}: code cell {number} is empty; remove it")
        return cells

    def modules(self, library: Path) -> list[str]:
        """The modules of the library that the notebook imports, however deep."""
        named = {name for cell in self.code for name in provenance.imports_of(ast.parse(cell), library)}
        return provenance.imported(*named, package=library)

    @cached_property
    def _parameters_cell(self) -> str:
        tagged = [c.source for c in self.notebook.cells if "parameters" in c.metadata.get("tags", [])]
        if len(tagged) != 1:
            raise ReproduceError(f'{self.name}: needs exactly one cell tagged "parameters", found {len(tagged)}')
        return tagged[0]

    @cached_property
    def parameters(self) -> set[str]:
        """Names set in the cell tagged `parameters`."""
        names = set()
        for node in ast.parse(self._parameters_cell).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        return names

    @cached_property
    def artefacts(self) -> list[str]:
        """Paths below `out`, from the lines `# artefacts: ...` of the parameters cell (see the head of this module)."""
        lines = r"^# artefacts:(.*)$" if self._photographs else rf"^# (?:{WORLD_ONLY} )?artefacts:(.*)$"
        return [path for line in re.findall(lines, self._parameters_cell, re.MULTILINE) for path in line.split()]


def _opening(first: nbformat.NotebookNode, profile: Profile) -> nbformat.NotebookNode:
    """What stands above a notebook of photographs, in the place of its first cell: the same title, and what follows is
    of."""
    import nbformat

    from georeplicate.report import write

    title, dry = first.source.partition("\n")[0], profile.recipe == "dry"
    what = write.NO_RESULT if dry else f"Photographs of `{profile.source}`, model `{profile.model}`."
    note = (
        f"> **Profile `{profile.spec}`.** {what} Runs are read as they were left, nothing is trained here. What this "
        "notebook says of the synthetic world alone is left out, so numbers of sections are missing; the notebook as "
        "committed has it."
    )
    return nbformat.v4.new_markdown_cell(f"{title}\n\n{note}")


def sources(notebooks: Path, profile: Profile | None = None) -> list[Source]:
    """Every `NN_name.py` in the order of its number; ReproduceError if there is none. profile: one of photographs has
    none of those that are about the synthetic world."""
    found = [Source(path, profile) for path in sorted(notebooks.glob("[0-9][0-9]_*.py"))]
    if not found:
        raise ReproduceError(f"there is no notebook in {notebooks}: expected files such as 01_data_engine.py")
    return [source for source in found if profile is None or profile.source == "world" or not source.of_world]


# --- running ---------------------------------------------------------------------------------------------------------


def run(
    profile: str,
    parameters: dict | None = None,
    *,
    seeds: int | None = None,
    notebooks: Path = NOTEBOOKS,
    work: Path = WORK,
    library: Path = PACKAGE,
    progress: bool = True,
    root: Path | None = None,
    launch: str | None = None,
    gpus: int = 8,
    options: commands.Options = NO_OPTIONS,
) -> list[str]:
    """Execute every notebook that is not up to date; return the names of those executed.

    parameters: more values than `profile`, each for the notebooks that have a parameter of that name; a name that none
    has is an error. seeds: how many training seeds (None: all of the profile). root: the folder of the photographs,
    where the profile has some; the names are then those of its runs, too. launch, gpus: for these, how the stages are
    started on several GPUs (training.launch). options: of their runs, as `train` takes them. Safe to kill and to start
    twice: a second run of the same profile waits for the first.
    Raises ValueError (unknown profile), ReproduceError, files.FileError (full disk, read-only folder), or what
    runner.ensure raises.
    """
    size = Profile.get(profile)
    chosen = spec.seeds_of(size, seeds)
    parameters = parameters or {}
    if "seeds" in parameters:
        raise ReproduceError(
            "the number of training seeds is given by --seeds, of which -p seeds=... would know nothing"
        )
    if size.source != "world":
        return photographs(
            size, chosen, (work / size.name).resolve(), root, launch, gpus, options,
            parameters=parameters, notebooks=notebooks, library=library, progress=progress,
        )  # fmt: skip
    if root is not None:
        raise ReproduceError(
            f"profile {profile} draws its pictures: --root is the folder of photographs of other profiles"
        )
    if launch is not None:
        raise ReproduceError(
            f"profile {profile} trains small policies, several at once on CPUs: --launch is for the profiles of "
            "photographs, single_gpu and paper"
        )
    if options != NO_OPTIONS:
        raise ReproduceError(
            f"profile {profile} trains as its committed runs were: --base, --records, --adapters, --rollouts and "
            "--report-to are for the profiles of photographs"
        )
    if profile == arms.PROFILE:
        if parameters:
            raise ReproduceError(f"profile {profile} runs its arms as they were registered: it takes no -p")
        return experiment(work, "arms" if seeds is None else "table2", chosen)
    found = sources(notebooks)
    known = _check(found, parameters)
    out = (work / profile).resolve()
    with files.alone(out / ".lock", f"another run of {out.name} is at work; waiting until it ends"):
        if progress:
            print(plan(profile, chosen if "seeds" in known else (), out, len(found)), flush=True)
        runs = _runs(profile, chosen, out) if "seeds" in known else {}
        return _execute_all(found, profile, len(chosen), parameters, runs, out, notebooks, library, progress)


def _check(found: Sequence[Source], parameters: Mapping[str, object]) -> set[str]:
    """The names of all parameters of these notebooks; ReproduceError for what cannot be run, before the first starts to
    train."""
    for source in found:
        missing = {"profile", "out"} - source.parameters
        if missing:
            raise ReproduceError(f"{source.name}: its parameters cell does not set {' and '.join(sorted(missing))}")
        _ = source.code
    known = set().union(*(source.parameters for source in found))
    for name in parameters.keys() - known:
        raise ReproduceError(f"no notebook has a parameter {name!r}: there are {', '.join(sorted(known))}")
    return known


def _execute_all(
    found: Sequence[Source],
    profile: str,
    seeds: int,
    parameters: Mapping[str, object],
    runs: dict[str, str],
    out: Path,
    notebooks: Path,
    library: Path,
    progress: bool,
) -> list[str]:
    """Execute those that are not up to date, in order; their names. runs: as `_finished` gives them."""
    executed: list[str] = []
    before = files.sha256_json(_library_data(library), provenance.versions(), _measured(notebooks))
    for number, source in enumerate(found, 1):
        given: dict[str, object] = {"profile": profile, "out": os.path.relpath(out, notebooks.resolve())}
        given |= {name: value for name, value in parameters.items() if name in source.parameters}
        if "seeds" in source.parameters:
            given["seeds"] = seeds
            before = files.sha256_json(before, runs)
        code = provenance.code(*source.modules(library), package=library)
        key = files.sha256_json(before, source.text, given, code)
        before = files.sha256_json(before, source.code, given)
        if not _is_fresh(out, source, key):
            print(f"[{number}/{len(found)}] {source.name}, profile {profile}", flush=True)
            _execute(source, given, out, notebooks.resolve(), key, progress)
            executed.append(source.name)
    return executed


def experiment(work: Path, what: str = "arms", bases: Sequence[int] = arms.BASES) -> list[str]:
    """The registered arms of the geographic world ("table2": those that stand for the paper's systems alone), their
    bases first, up to tables and figure below `work/geographic`; names of the runs done. FileError or ValueError where
    nothing was registered, or something else."""
    from georeplicate.report import write

    arms.check_all()
    out = (work / arms.PROFILE).resolve()
    with files.alone(out / ".lock", f"another run of {out.name} is at work; waiting until it ends"):
        missing = arms.missing_bases(work, what, bases)
        of = "all arms" if what == "arms" else "the systems of Table 2"
        weights = {(arms.STARTS[name][0], base) for name, base in missing}
        trained = [one for one in weights if arms.committed(*one) is None]
        print(
            f"profile {arms.PROFILE}: {len(weights)} bases to make ({len(trained)} of them an hour or more of one "
            f"core, the committed ones minutes), then {of} and their tables, ten to fifteen minutes of one core a run "
            "(notebook 08 of profile mini reads the committed ones)",
            flush=True,
        )
        arms.make_bases(work, missing)
        found = arms.jobs(what, work, bases)
        todo = [job.run.name for job in runner.unfinished(found)]
        runner.complete(found)
        drawn = write.write(out / "runs", out, Profile.get(arms.PROFILE))
        print(f"tables and figure: {len(drawn)} files below {out}, first {out / 'tables' / 'arms.md'}")
    return todo


def photographs(
    profile: Profile,
    seeds: tuple[int, ...],
    out: Path,
    root: Path | None = None,
    launch: str | None = None,
    gpus: int = 8,
    options: commands.Options = NO_OPTIONS,
    *,
    parameters: Mapping[str, object] | None = None,
    notebooks: Path = NOTEBOOKS,
    library: Path = PACKAGE,
    progress: bool = True,
) -> list[str]:
    """The four systems of Table 2 on photographs, up to their tables and figures below `out`, and the notebooks that
    show finished runs; names of the runs done and of the notebooks executed.

    launch, gpus: every run is trained, and its evaluation shared, by one process for each GPU; the notebooks follow in
    this one. options: of the runs, as `train` takes them; ValueError where a run was made with others, and would be
    made anew. recipes.NotReady or LaunchError where data, a GPU or the model is missing, before anything is computed.
    What is up to date is not done again; a run that was killed goes on.
    """
    from georeplicate.report import write

    size, recipe = commands.with_options(profile, options.records, options.adapters, options.rollouts)
    found, parameters = sources(notebooks, size), parameters or {}
    _check(found, parameters)
    left_out = [source.name for source in sources(notebooks) if source.name not in {one.name for one in found}]
    tracker = commands.tracker_of(options.report_to, size)
    recipes.check(recipe, size, root, model=options.base is None)
    if launch is not None:
        launcher.check(launch, gpus)
    with files.alone(out / ".lock", f"another run of {out.name} is at work; waiting until it ends"):
        runs = spec.table2_runs(seeds, recipe)
        made = runner.jobs(runs, size, out, commands.folder_of(options.base), root, recipe, tracker)
        commands.refuse_other_options("reproduce", made)
        todo = [job.run.name for job in runner.unfinished(made)]
        print(
            f"profile {size.spec}: data -> engine -> SFT -> GRPO -> evaluation -> tables, {len(todo)} of "
            f"{len(runs)} runs to do; then up to {len(found)} notebooks"
            + (f" (about the synthetic world, so left out: {', '.join(left_out)})" if left_out else ""),
            flush=True,
        )
        if launch is None:
            runner.complete(made, commands.workers_of(size))
        elif todo:
            words = ["train", "table2", "--profile", size.name, "--seeds", str(len(seeds)), "--work", str(out.parent)]
            words += ["--root", str(root)] if root else []
            words += [word for one in profile.spec.split(" ")[1:] for word in ("--set", one)]
            code = launcher.run(launch, gpus, [*words, *options.words()])
            if code or (left := runner.unfinished(made)):
                why = f"ended with exit code {code}" if code else f"left {left[0].run.name} undone"
                raise ReproduceError(
                    f"what was launched {why}: its last words stand above, and the same command goes on from there"
                )
        drawn = write.write(out / "runs", out)
        print(f"records: {(options.records or out / 'data' / 'records') / 'README.md'}")
        print(f"tables and figures: {len(drawn)} files below {out}, first {out / 'tables' / 'table2.md'}")
        done = _execute_all(found, size.spec, len(seeds), parameters, _finished(out), out, notebooks, library, progress)
    return todo + done


NOTEBOOK_S = 20  # about, on two quiet cores, of any profile of the mini world: what a notebook computes is small


def plan(profile: str, seeds: tuple[int, ...], out: Path, notebooks: int) -> str:
    """What is about to be done, and about how long each part takes on two quiet cores (a guess, not a measurement)."""
    todo = runner.unfinished(runner.jobs(_wanted(profile, seeds), profile, out)) if seeds else []
    parts = []
    if todo:
        minutes = sum(job.units for job in todo) / 2 / 60  # two at a time
        parts.append(
            f"{len(todo)} runs to train and evaluate (about {max(minutes, 0.5):.1f} minutes on two quiet cores)"
        )
    parts.append(f"up to {notebooks} notebooks (about {notebooks * NOTEBOOK_S / 60:.0f} minutes)")
    return f"profile {profile}: {'; then '.join(parts)}; what is up to date is not done again"


def _wanted(profile: str, seeds: tuple[int, ...]) -> list[spec.Run]:
    """The runs of both tables."""
    size = Profile.get(profile)
    return [*spec.table2_runs(seeds, size), *spec.table1_runs(seeds, size)]


def _runs(profile: str, seeds: tuple[int, ...], out: Path) -> dict[str, str]:
    """{name: checksum of the manifest} of all finished runs; those of the two tables are brought up to date first."""
    runner.ensure(_wanted(profile, seeds), profile, out)
    return _finished(out)


def _finished(out: Path) -> dict[str, str]:
    """{name: checksum of the manifest} of all finished runs."""
    return {path.parent.name: files.sha256_file(path) for path in sorted(out.glob(f"runs/*/{manifest.NAME}"))}


def _measured(notebooks: Path) -> dict[str, str]:
    """{name: checksum} of the committed measurements that notebooks show beside their own."""
    shown = [*notebooks.glob("../results/bench/*.csv"), *notebooks.glob("../results/mini/runs/curve-*/predictions.csv")]
    experiment = notebooks / ".." / "results" / arms.PROFILE
    shown += [*experiment.glob("registered*.json"), *experiment.glob("runs/*/predictions.csv")]
    shown += experiment.glob("tables/sentences.md")
    return {f"{path.parent.name}/{path.name}": files.sha256_file(path) for path in sorted(shown)}


def _library_data(library: Path) -> str:
    """Checksum of what the library holds that is not code: data and weights."""
    paths = [p for p in library.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc", ".md")]
    return files.sha256_files(paths, library)


def _stamp(out: Path, source: Source) -> Path:
    return out / "stamps" / f"{source.name}.json"


def _copy(out: Path, source: Source) -> Path:
    return out / "executed" / f"{source.name}.ipynb"


def _checksums(out: Path, source: Source) -> dict[str, str | None]:
    paths = [_copy(out, source), *(out / artefact for artefact in source.artefacts)]
    return {os.path.relpath(p, out): files.sha256_file(p) if p.is_file() else None for p in paths}


def _is_fresh(out: Path, source: Source, key: str) -> bool:
    try:
        stamp = json.loads(_stamp(out, source).read_text())
    except (FileNotFoundError, ValueError):
        return False
    return stamp == {"key": key, "wrote": _checksums(out, source)}


def _execute(source: Source, given: dict, out: Path, notebooks: Path, key: str, progress: bool) -> None:
    """One notebook through papermill and the gate. What failed stays to be opened as NN_name.failed.ipynb."""
    import nbformat
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill import execute_notebook  # slow to import, and a run with nothing to do never needs it
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    done = _copy(out, source)
    running, failed = done.with_suffix(".running.ipynb"), done.with_suffix(".failed.ipynb")
    try:
        done.parent.mkdir(exist_ok=True)
        for leftover in (_stamp(out, source), done, running, failed):
            leftover.unlink(missing_ok=True)
        begun_ns = _now_ns(out)
        complaint = None
        try:
            with _kernel_environment(out, given["profile"]):
                execute_notebook(
                    copy.deepcopy(source.notebook),
                    str(running).replace("{", "{{").replace("}", "}}"),  # papermill formats its path
                    parameters=given,
                    kernel_name="python3",
                    cwd=notebooks,
                    config=Config({"KernelManager": {"transport": "ipc"}}),  # no ports: two runs cannot race for one
                    progress_bar={"desc": f"    {source.name}", "leave": False} if progress else False,
                )
        except PapermillExecutionError as error:
            complaint = f"the cell In [{error.exec_count}] raised {error.ename}: {_first_line(error.evalue)}"
        except DeadKernelError:
            complaint = "its kernel was killed, most often for want of memory"
        except NoSuchKernel:
            raise ReproduceError("this environment has no Jupyter kernel python3: install ipykernel into it") from None
        if running.exists():
            complaint = complaint or unfinished(nbformat.read(running, as_version=4))
        complaint = complaint or _stale(source, out, begun_ns)
        if complaint:
            if running.exists():
                os.replace(running, failed)
            raise ReproduceError(f"{source.name} did not finish: {complaint}; open {_short(failed)}")
        os.replace(running, done)
    except OSError as error:
        if isinstance(error, files.FileError):
            raise
        raise files.FileError(files.explain(error, error.filename or done)) from error
    files.write_json(_stamp(out, source), {"key": key, "wrote": _checksums(out, source)})


def unfinished(notebook: nbformat.NotebookNode) -> str | None:
    """Why an executed notebook does not count as finished, or None if it does."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for expected, cell in enumerate(cells, 1):
        error = next((o for o in cell.outputs if o.output_type == "error"), None)
        if error:
            return f"code cell {expected} ended in {error.ename}({error.evalue})"
        status = cell.metadata.get("papermill", {}).get("status")
        if status != "completed":
            return f"code cell {expected} of {len(cells)} was not completed (status: {status})"
        if cell.execution_count != expected:
            return f"code cell {expected} of {len(cells)} was not executed in order (In [{cell.execution_count}])"
    return None


def _stale(source: Source, out: Path, begun_ns: int) -> str | None:
    for artefact in source.artefacts:
        path = out / artefact
        if not path.is_file():
            return f"it declares the artefact {artefact} and did not write it"
        if path.stat().st_mtime_ns < begun_ns:
            return f"its artefact {artefact} is left from an earlier run and was not written again"
    return None


def _now_ns(folder: Path) -> int:
    """The present by the clock of this folder's file system, which is coarser than the processor's."""
    probe = folder / f".clock.{os.getpid()}.tmp"
    probe.touch()
    try:
        return probe.stat().st_mtime_ns
    finally:
        probe.unlink()


@contextlib.contextmanager
def _kernel_environment(out: Path, profile: str) -> Iterator[None]:
    """Kernels of this environment, not of the user's home: no start-up files, figures in the notebook, no network
    where pictures and models are our own."""
    ours = {
        "JUPYTER_PREFER_ENV_PATH": "1",
        "IPYTHONDIR": str(out / "ipython"),
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else a warning about frozen modules in every notebook
        "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm's plain bars are what we want in a saved notebook
    }
    if Profile.get(profile).source == "world":
        ours["HF_HUB_OFFLINE"] = "1"
    theirs = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in theirs.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[0]


def _short(path: Path) -> str:
    """Seen from the current folder if it lies below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


# --- pairs -----------------------------------------------------------------------------------------------------------


def pair(*, notebooks: Path = NOTEBOOKS, work: Path = WORK) -> list[Path]:
    """Write `NN_name.ipynb` beside each source from its executed copy of the mini profile; return the paths.

    Taken out: papermill's metadata and its injected cell, times, stderr (progress bars). Cell ids come from the cells'
    text, so that an unchanged cell makes no diff. ReproduceError if a copy is missing or does not match its source.
    """
    return [_pair(source, work / PAIRED_PROFILE) for source in sources(notebooks)]


def _pair(source: Source, out: Path) -> Path:
    import nbformat

    executed = _copy(out, source)
    if not executed.exists():
        raise ReproduceError(f"{source.name} has not been run: make reproduce PROFILE={PAIRED_PROFILE} comes first")
    notebook = nbformat.read(executed, as_version=4)
    cells = [c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    if _texts(cells) != _texts(source.notebook.cells):
        raise ReproduceError(
            f"{source.name} has changed since it was run: make reproduce PROFILE={PAIRED_PROFILE} first"
        )
    count = 0
    seen: set[str] = set()
    for cell in cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        cell.id = _cell_id(cell, seen)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
    text = nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=PYTHON_METADATA))
    for private in (str(PACKAGE.parent), str(Path.home())):
        if private != "/" and f"{private}/" in text:
            raise ReproduceError(f"{source.name}: an output names the folder {private}; print a relative path instead")
    return files.write_bytes(source.path.with_suffix(".ipynb"), (text.rstrip("\n") + "\n").encode())


def _cell_id(cell: nbformat.NotebookNode, seen: set[str]) -> str:
    base = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:12]
    name, again = base, 1
    while name in seen:
        again += 1
        name = f"{base}-{again}"
    seen.add(name)
    return name


def _texts(cells: list) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source.rstrip()) for cell in cells]


def unpaired(notebooks: Path = NOTEBOOKS) -> list[str]:
    """One sentence for every committed notebook that is out of step with its source; empty if all is well."""
    import nbformat

    complaints = []
    scripts = sources(notebooks)
    for orphan in {p.stem for p in notebooks.glob("*.ipynb")} - {s.name for s in scripts}:
        complaints.append(f"{orphan}.ipynb has no source {orphan}.py")
    for source in scripts:
        path = source.path.with_suffix(".ipynb")
        if not path.exists():
            complaints.append(f"{source.name}.ipynb is missing: make reproduce PROFILE={PAIRED_PROFILE} pair")
            continue
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        if _texts(notebook.cells) != _texts(source.notebook.cells):
            complaints.append(
                f"{source.name}.ipynb differs from its source: make reproduce PROFILE={PAIRED_PROFILE} pair"
            )
        elif any("papermill" in cell.metadata for cell in notebook.cells) or "papermill" in notebook.metadata:
            complaints.append(f"{source.name}.ipynb carries papermill's metadata: write it with make pair")
        elif [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
            complaints.append(f"{source.name}.ipynb holds no executed copy: write it with make pair")
        elif any(output.output_type == "error" for cell in code for output in cell.outputs):
            complaints.append(f"{source.name}.ipynb holds an error")
    return sorted(complaints)


# --- printed ---------------------------------------------------------------------------------------------------------


def check_pairs(notebooks: Path) -> None:
    """ReproduceError with a sentence for every committed notebook that is out of step with its source."""
    if complaints := unpaired(notebooks):
        raise ReproduceError("\n       ".join(complaints))


def print_paired(notebooks: Path, work: Path) -> None:
    """Write the pairs (see `pair`) and print their names."""
    for path in pair(notebooks=notebooks, work=work):
        print(f"wrote {_short(path)}")


def print_run(
    profile: str,
    parameters: list[str],
    seeds: int | None,
    notebooks: Path,
    work: Path,
    root: Path | None = None,
    launch: str | None = None,
    gpus: int = 8,
    options: commands.Options = NO_OPTIONS,
) -> None:
    """Say what will be done and about how long it takes, do it, say how long it took. parameters: NAME=VALUE."""
    started = time.monotonic()
    executed = run(
        profile,
        dict(map(_parameter, parameters)),
        seeds=seeds,
        notebooks=notebooks,
        work=work,
        library=PACKAGE,
        root=root,
        launch=launch,
        gpus=gpus,
        options=options,
    )
    if executed:
        print(f"done in {time.monotonic() - started:.0f} s: {', '.join(executed)}, profile {profile}")
    else:
        print(f"nothing to do: everything is up to date for profile {profile}")


def _parameter(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ReproduceError(f"-p wants NAME=VALUE, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # a bare word is text
