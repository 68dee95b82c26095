"""Get the files of a source, or say whom to ask for them (`make data SOURCE=cv-cities`).

    make data SOURCE=cv-cities ACCEPT_UNSTATED_LICENCE=1                   into data/cv-cities
    georeplicate data cvglobal --root /big/disk/cvglobal

Licence and terms are printed before anything else happens. Files come through huggingface_hub, which goes on where a
broken download stopped. Each is compared with the SHA-256 that the hub states; `download.json` in the folder records
the commit, sizes and sums, and a later run keeps to that commit unless another is asked for. No commit is pinned by us:
we had no network to look up one whose files we have checked, and a made-up pin is worse than none.

Archives stay in `archives/` and are unpacked beside it: into the folder that they bring or, if they bring none, into
one of their own name (which of the two is not documented, so both are handled).
"""

import json
import lzma
import posixpath
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from georeplicate import files, network
from georeplicate.pairs import schema

RECORD = "download.json"
UNSTATED = "not stated by its authors"


@dataclass(frozen=True)
class Terms:
    """What the authors of a source allow, and where its files are: on the hub (`repo`), or on request (`ask`)."""

    licence: str
    terms: str
    repo: str | None = None  # of Hugging Face; None: on request only
    ask: str = ""  # whom to ask, and for what
    put: str = ""  # what has to lie where afterwards


TERMS = {
    "cv-cities": Terms(
        licence=UNSTATED,
        terms="The code beside it is BSD-3-Clause, which says nothing about the pictures; they show streets and were "
        "taken from map services that have terms of their own. Use them for research, do not pass them on.",
        repo="gaoshuang98/CV-Cities",
    ),
    "cvglobal": Terms(
        licence="MIT, as tagged by its authors",
        terms="The pictures were taken from map services that have terms of their own. Do not pass them on.",
        repo="Yejy53/CVGlobal",
    ),
    "cvusa": Terms(
        licence="research only, on request",
        terms="Not to be passed on.",
        ask="the Multimodal Vision Research Laboratory (mvrl) for the CVUSA subset with its splits and split_locations",
        put="splits/train-19zl.csv and val-19zl.csv, split_locations/all.csv, bingmap/19/, streetview/panos/",
    ),
    "cvact": Terms(
        licence="research only, on request by e-mail",
        terms="Not to be passed on.",
        ask="the authors (repository Liumouliu/OriCNN) for ANU_data_small, ANU_data_test and ACT_data.mat",
        put="ACT_data.mat, ANU_data_small/, ANU_data_test/",
    ),
    "vigor": Terms(
        licence="academic research only, after a questionnaire",
        terms="Not to be passed on.",
        ask="the authors, by the questionnaire in data/DATASET.md of the repository Jeff-Zilence/VIGOR",
        put="Chicago/, NewYork/, SanFrancisco/, Seattle/ (each with panorama/ and satellite/), splits/",
    ),
    "university-1652": Terms(
        licence="research only, on request by e-mail",
        terms="Not to be passed on.",
        ask="the authors, with the form Request.md of the repository layumi/University1652-Baseline",
        put="train/ and test/, as unpacked",
    ),
    "photos": Terms(
        licence="yours",
        terms="Photos with EXIF tell where people were; keep them to yourself unless those shown agree.",
        ask="nobody: take photos with GPS switched on, and get tiles (GeoTIFF) from your mapping agency",
        put="photos/ and tiles/",
    ),
}


class DownloadError(files.Problem):
    """Nothing, or not everything, was downloaded; the message is for a person and says what to do."""


def explain(source: str, root: Path) -> str:
    """Licence, terms and, where files are not free to fetch, whom to ask and where to put them."""
    terms = TERMS[source]
    lines = [f"{source}", f"  licence: {terms.licence}", f"  terms: {terms.terms}"]
    if terms.repo:
        lines.append(f"  from: Hugging Face, {terms.repo}")
        lines.append("  revision: none is pinned; the newest commit is taken and recorded")
    else:
        lines += [f"  ask: {terms.ask}", f"  put into {root}: {terms.put}"]
        lines.append(f"  then: georeplicate data {source} --check")
    return "\n".join(lines)


def fetch(
    source: str,
    root: str | Path,
    *,
    accept_unstated_licence: bool = False,
    only: tuple[str, ...] = (),
    revision: str | None = None,
    endpoint: str | None = None,
) -> Path:
    """Download and unpack a source into `root`; return the path of its record.

    only      names of archives without their ending (the cities of CV-Cities); all unless named
    revision  commit, branch or tag; the one recorded in `root` unless named, else the newest
    endpoint  another server that speaks like the hub
    Safe to kill at any moment and to run again. DownloadError where a licence has to be accepted, a source is on
    request only, the disk is too small, the server does not answer, or a file is not what the server says it is.
    """
    terms, root = TERMS[source], Path(root)
    if terms.repo is None:
        raise DownloadError(f"{source} cannot be downloaded: ask for it, and put it into {root} (see above)")
    if terms.licence == UNSTATED and not accept_unstated_licence:
        raise DownloadError(
            f"the licence of {source} is {UNSTATED}; if you may use it all the same, say so: "
            f"make data SOURCE={source} ACCEPT_UNSTATED_LICENCE=1 (or --accept-unstated-licence)"
        )
    done = _read_record(root / RECORD)
    revision = revision or done.get("revision")
    commit, listed = _list(terms.repo, revision, endpoint)
    if done.get("revision") != commit:
        done = {"source": source, "repository": terms.repo, "revision": commit, "licence": terms.licence, "files": {}}
    wanted = [f for f in listed if not only or Path(f.rfilename).stem in only or not _is_archive(f.rfilename)]
    missing = set(only) - {Path(f.rfilename).stem for f in wanted}
    if missing:
        there = ", ".join(sorted(Path(f.rfilename).stem for f in listed if _is_archive(f.rfilename)))
        raise DownloadError(f"{terms.repo} has no archive {', '.join(sorted(missing))}; there are {there}")
    todo = [f for f in wanted if not _is_done(done, f.rfilename, root)]
    _check_space(root, sum((f.size or 0) * (2 if _is_archive(f.rfilename) else 1) for f in todo))
    print(f"  commit {commit}: {len(wanted)} files, {len(todo)} to do", flush=True)
    for file in todo:
        path = _get(terms.repo, file.rfilename, commit, root, endpoint)
        size, found = path.stat().st_size, files.sha256_file(path)
        stated = file.lfs.sha256 if file.lfs else None
        if stated and stated != found:
            path.unlink()
            raise DownloadError(
                f"{file.rfilename} is not what the server says it is (SHA-256 {found[:12]}… instead of "
                f"{stated[:12]}…) and was removed; run the same command again"
            )
        if _is_archive(file.rfilename):
            _unpack(path, root)
        done["files"][file.rfilename] = {"size": size, "sha256": found}
        files.write_json(root / RECORD, done)
    if not todo:
        files.write_json(root / RECORD, done)
    return root / RECORD


def _is_archive(name: str) -> bool:
    return name.endswith(".zip")


def _place(name: str, root: Path) -> Path:
    return root / "archives" if _is_archive(name) else root


def _is_done(done: dict[str, Any], name: str, root: Path) -> bool:
    entry, path = done["files"].get(name), _place(name, root) / name
    if not (isinstance(entry, dict) and path.is_file() and path.stat().st_size == entry.get("size")):
        return False
    return files.sha256_file(path) == entry.get("sha256")


def _read_record(path: Path) -> dict[str, Any]:
    try:
        done = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError, RecursionError) as error:
        raise DownloadError(f"{path} is not readable ({error}); remove it and run the same command again") from None
    known = isinstance(done, dict) and isinstance(done.get("files", {}), dict)
    if not known or not isinstance(done.get("revision"), str | None):
        raise DownloadError(f"{path} is no record of a download; remove it and run the same command again")
    return {"files": {}} | done


def _list(repo: str, revision: str | None, endpoint: str | None) -> tuple[str, list]:
    from huggingface_hub import HfApi

    with _Sentence(f"the list of files of {repo}"), network.bounded():
        info = HfApi(endpoint=endpoint).dataset_info(
            repo, revision=revision, files_metadata=True, timeout=network.TIMEOUT_S
        )
    if info.sha is None or info.siblings is None:
        raise DownloadError(
            f"{endpoint or 'the hub'} does not say which commit of {repo} it has, or which files: ask another server"
        )
    return info.sha, [f for f in info.siblings if f.rfilename != ".gitattributes"]


def _get(repo: str, name: str, commit: str, root: Path, endpoint: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    with _Sentence(name), network.bounded():
        return Path(
            hf_hub_download(
                repo,
                name,
                repo_type="dataset",
                revision=commit,
                local_dir=_place(name, root),
                endpoint=endpoint,
            )
        )


class _Sentence:
    """Turns what huggingface_hub raises into one sentence with the remedy."""

    def __init__(self, what: str):
        self.what = what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

        if error is None or not isinstance(error, Exception):
            return
        if isinstance(error, network.TooLong):
            remedy = "run the same command again after that, it goes on where it stopped"
        elif isinstance(error, GatedRepoError):
            remedy = "its authors want to know who asks: accept their terms on its page and log in with `hf auth login`"
        elif isinstance(error, RepositoryNotFoundError):
            remedy = "it is gone or has moved; see its authors' page"
        elif isinstance(error, OfflineModeIsEnabled):
            remedy = "HF_HUB_OFFLINE is set in the environment; unset it"
        elif network.is_down(error):
            remedy = (
                "the hub cannot be reached from here; get it where there is a network, with this command and --root, "
                "and bring that folder here"
            )
        else:
            remedy = "run the same command again, it goes on where it stopped"
        raise DownloadError(f"could not get {self.what} ({network.first_line(error)}): {remedy}") from error


def _check_space(root: Path, needed: int) -> None:
    folder = next(p for p in (root.absolute(), *root.absolute().parents) if p.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"{root} needs {needed / 1e9:.1f} GB (archives and what is in them), {free / 1e9:.1f} GB are free; "
            "take a larger disk with --root, or fewer archives with --only"
        )


def _unpack(archive: Path, root: Path) -> None:
    """Into the archive's own top folder, or into one of its name; what is there and has the right sum is left alone.

    Everything is unpacked aside and moved into place at the end, so that an archive that turns out to be damaged leaves
    nothing behind. Names that lead out of the folder, links and sizes that no picture archive has are refused before.
    """
    aside = root / f".unpacking-{archive.stem}"
    try:
        with zipfile.ZipFile(archive) as file:
            entries = [e for e in file.infolist() if not e.is_dir() and not e.filename.startswith("__MACOSX/")]
            _refuse_traps(archive, root, entries)
            names = {e: _name(e) for e in entries}
            tops = {name.partition("/")[0] for name in names.values()}
            brings_folder = len(tops) == 1 and all("/" in name for name in names.values())
            into = root if brings_folder else root / archive.stem
            todo = [e for e in entries if not _is_there(into / names[e], e)]
            shutil.rmtree(aside, ignore_errors=True)
            for number, entry in enumerate(todo):
                aside.mkdir(parents=True, exist_ok=True)
                with file.open(entry) as packed, open(aside / str(number), "wb") as out:
                    shutil.copyfileobj(packed, out, 2**20)
            for number, entry in enumerate(todo):
                target = into / names[entry]
                target.parent.mkdir(parents=True, exist_ok=True)
                (aside / str(number)).replace(target)
    except (zipfile.BadZipFile, OSError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError) as error:
        # RuntimeError: encrypted; NotImplementedError, which is one: a compression that Python does not know
        raise DownloadError(
            f"{archive} cannot be unpacked ({error}); remove it and run the same command again"
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _name(entry: zipfile.ZipInfo) -> str:
    """Where it belongs, as seen from the archive's top."""
    return posixpath.normpath(entry.filename.replace("\\", "/"))


def _is_there(path: Path, entry: zipfile.ZipInfo) -> bool:
    if not (path.is_file() and path.stat().st_size == entry.file_size):
        return False
    found = 0
    with open(path, "rb") as file:
        while block := file.read(2**20):
            found = zlib.crc32(block, found)
    return found == entry.CRC


# Pictures are packed already: an archive of them hardly shrinks. What unpacks to much more is a trap.
MAX_GROWTH, GROWTH_FROM_BYTES = 50, 100_000_000


def _refuse_traps(archive: Path, root: Path, entries: list[zipfile.ZipInfo]) -> None:
    """DownloadError for an archive that would write outside its folder, make links, or fill the disk."""
    outside = [e.filename for e in entries if schema.leads_out(e.filename)]
    links = [e.filename for e in entries if stat.S_ISLNK(e.external_attr >> 16)]
    locked = [e.filename for e in entries if e.flag_bits & 1]
    twice = [name for name, count in Counter(map(_name, entries)).items() if count > 1]
    unpacked, packed = sum(e.file_size for e in entries), max(1, archive.stat().st_size)
    reason = ""
    if outside:
        reason = f"{outside[0]!r} would lie outside its folder"
    elif links:
        reason = f"{links[0]!r} is a link"
    elif twice:
        reason = f"{twice[0]!r} is in it twice"
    elif locked:
        reason = f"{locked[0]!r} is encrypted"
    elif unpacked > GROWTH_FROM_BYTES and unpacked > MAX_GROWTH * packed:
        reason = f"{packed / 1e6:.1f} MB would become {unpacked / 1e9:.1f} GB, which no archive of pictures does"
    if reason:
        raise DownloadError(f"{archive} is not unpacked: {reason}; remove it and ask its authors")
    _check_space(root, unpacked)
