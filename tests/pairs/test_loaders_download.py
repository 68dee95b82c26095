"""`make data`: terms first, nothing without consent, every byte checked, a broken download goes on. The hub is a server
on this machine."""

import hashlib
import io
import json
import shutil
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import make_fixtures
import pytest

from georeplicate import pairs
from georeplicate.pairs import download

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = download.TERMS["cv-cities"].repo


class Hub(ThreadingHTTPServer):
    """Serves files as the hub does: a listing with sizes and sums, then each file, in parts if asked."""

    daemon_threads = True

    def __init__(self, files):
        self.files, self.commit, self.asked = files, COMMIT, []
        self.break_off = set()  # names whose first answer ends in the middle
        self.wrong_sum = set()
        self.silent_about = set()  # what its listing leaves out
        self.down = False
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub = self.server
        path = self.path.partition("?")[0]
        if hub.down:
            return self.answer(503, b"down")
        if path.startswith(f"/api/datasets/{REPO}"):
            siblings = []
            for name, data in hub.files.items():
                total = "0" * 64 if name in hub.wrong_sum else hashlib.sha256(data).hexdigest()
                lfs = {"sha256": total, "size": len(data), "pointerSize": 130}
                siblings.append({"rfilename": name, "size": len(data), "lfs": lfs if name.endswith(".zip") else None})
            listing = {
                "id": REPO,
                "sha": hub.commit,
                "siblings": siblings,
                "private": False,
                "gated": False,
                "tags": [],
            }
            told = {name: value for name, value in listing.items() if name not in hub.silent_about}
            return self.answer(200, json.dumps(told).encode(), {"Content-Type": "application/json"})
        prefix = f"/datasets/{REPO}/resolve/{hub.commit}/"
        if not path.startswith(prefix) or path.removeprefix(prefix) not in hub.files:
            return self.answer(404, b"not here", {"X-Error-Code": "EntryNotFound"})
        name = path.removeprefix(prefix)
        data = hub.files[name]
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": hub.commit,
            "Accept-Ranges": "bytes",
        }
        if self.command == "HEAD":
            return self.answer(200, data, headers)
        span = self.headers.get("Range")
        start = int(span.removeprefix("bytes=").partition("-")[0]) if span else 0
        hub.asked.append((name, start))
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut = len(data) // 2 if name in hub.break_off else None
        hub.break_off.discard(name)
        self.answer(206 if span else 200, data[start:], headers, cut)

    def answer(self, status, body, headers=None, cut=None):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True


def zipped(folder: Path, top: str | None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                file.write(path, f"{top}/{name}" if top else name)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """CV-Cities as archives: paris brings its folder, captown brings none, tokyo brings its folder twice."""
    root = tmp_path_factory.mktemp("archives")
    make_fixtures.cv_cities(root)
    tops = {"paris": "paris", "captown": None, "tokyo": "tokyo/tokyo"}
    files = {f"{city}.zip": zipped(root / city, top) for city, top in tops.items()}
    return files | {"README.md": b"# CV-Cities\n", ".gitattributes": b"*.zip lfs\n"}


@pytest.fixture
def hub(archives, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    server = Hub(dict(archives))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(hub, root, **options):
    return download.fetch("cv-cities", root, endpoint=hub.url, **{"accept_unstated_licence": True} | options)


def test_every_source_on_disk_has_terms():
    assert download.TERMS.keys() == pairs.ON_DISK.keys()


@pytest.mark.filterwarnings("ignore:.*are here")
def test_what_was_downloaded_is_what_the_loader_reads_however_it_was_packed(hub, tmp_path):
    fetch(hub, tmp_path / "cv")
    rows = pairs.load("cv-cities", "train", root=tmp_path / "cv")
    assert sorted(set(rows["city"][:])) == ["Cape Town", "Paris", "Tokyo"] and len(rows) == 15
    assert rows[0]["panorama"].size == (128, 64)


def test_commit_sizes_and_sums_are_recorded(hub, tmp_path):
    written = json.loads(fetch(hub, tmp_path / "cv").read_text())
    assert written["revision"] == COMMIT and written["licence"] == download.UNSTATED
    assert set(written["files"]) == {"paris.zip", "captown.zip", "tokyo.zip", "README.md"}
    for name, entry in written["files"].items():
        assert entry == {"size": len(hub.files[name]), "sha256": hashlib.sha256(hub.files[name]).hexdigest()}


def test_a_second_run_fetches_nothing_and_a_removed_file_alone(hub, tmp_path):
    fetch(hub, tmp_path / "cv")
    hub.asked.clear()
    fetch(hub, tmp_path / "cv")
    assert hub.asked == []
    (tmp_path / "cv/archives/paris.zip").unlink()
    fetch(hub, tmp_path / "cv")
    assert {name for name, _ in hub.asked} == {"paris.zip"}


def test_a_connection_that_breaks_goes_on_in_the_middle(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)  # what is on disk, it counts in chunks
    hub.break_off.add("tokyo.zip")
    written = json.loads(fetch(hub, tmp_path / "cv").read_text())
    starts = [start for name, start in hub.asked if name == "tokyo.zip"]
    assert len(starts) == 2 and starts[0] == 0 < len(hub.files["tokyo.zip"]) // 2 - 1024 <= starts[1]
    assert written["files"]["tokyo.zip"]["sha256"] == hashlib.sha256(hub.files["tokyo.zip"]).hexdigest()


def test_a_run_that_was_stopped_goes_on_with_the_next_file(hub, tmp_path, monkeypatch):
    really, got = download._get, []

    def die_after_two(*arguments):
        if len(got) == 2:
            raise KeyboardInterrupt
        got.append(arguments[1])
        return really(*arguments)

    monkeypatch.setattr(download, "_get", die_after_two)
    with pytest.raises(KeyboardInterrupt):
        fetch(hub, tmp_path / "cv")
    monkeypatch.setattr(download, "_get", really)
    hub.asked.clear()
    written = json.loads(fetch(hub, tmp_path / "cv").read_text())
    assert {name for name, _ in hub.asked} == set(written["files"]) - set(got) and len(written["files"]) == 4


def test_a_file_that_is_not_what_the_server_states_is_removed(hub, tmp_path):
    hub.wrong_sum.add("paris.zip")
    with pytest.raises(download.DownloadError, match=r"paris.zip is not what the server says.*run the same command"):
        fetch(hub, tmp_path / "cv", only=("paris",))
    assert not (tmp_path / "cv/archives/paris.zip").exists() and not (tmp_path / "cv/paris").exists()


def test_a_later_run_keeps_to_the_recorded_commit(hub, tmp_path, monkeypatch):
    fetch(hub, tmp_path / "cv", only=("paris",))
    asked = []
    really = download._list
    monkeypatch.setattr(
        download, "_list", lambda repo, revision, end: asked.append(revision) or really(repo, None, end)
    )
    fetch(hub, tmp_path / "cv")
    fetch(hub, tmp_path / "new")
    fetch(hub, tmp_path / "cv", revision="v2")
    assert asked == [COMMIT, None, "v2"]


def test_only_some_archives_and_a_name_that_is_none(hub, tmp_path):
    fetch(hub, tmp_path / "cv", only=("paris",))
    assert {name for name, _ in hub.asked} == {"paris.zip", "README.md"}
    with pytest.raises(download.DownloadError, match="no archive berlin; there are captown, paris, tokyo"):
        fetch(hub, tmp_path / "cv", only=("berlin",))


def test_a_server_that_is_down_and_a_full_disk_are_one_sentence_each(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(download.DownloadError, match=r"0.0 GB are free; take a larger disk"):
        fetch(hub, tmp_path / "cv")
    hub.down = True
    with pytest.raises(download.DownloadError, match=r"list of files.*run the same command again"):
        fetch(hub, tmp_path / "cv")


@pytest.mark.parametrize("left_out", ["sha", "siblings"])
def test_a_server_that_names_no_commit_or_no_files_is_one_sentence(hub, tmp_path, left_out):
    hub.silent_about.add(left_out)
    with pytest.raises(download.DownloadError, match="does not say which commit"):
        fetch(hub, tmp_path / "cv")
    assert not (tmp_path / "cv" / download.RECORD).exists()


def test_an_archive_cannot_write_outside_the_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../../escaped.txt", "x")
        file.writestr("/escaped.txt", "x")
    with pytest.raises(download.DownloadError, match="evil.zip is not unpacked: .* would lie outside its folder"):
        download._unpack(tmp_path / "evil.zip", tmp_path / "deep" / "root")
    outside = [p for p in tmp_path.rglob("escaped.txt") if (tmp_path / "deep/root") not in p.parents]
    assert not outside and not Path("/escaped.txt").exists()


def test_an_unstated_licence_needs_a_yes_and_is_said_first(tmp_path, command):
    code, printed, error = command("data", "cv-cities", "--root", tmp_path / "cv")
    assert code == 1 and "ACCEPT_UNSTATED_LICENCE=1" in error
    assert "licence: not stated by its authors" in printed
    assert not (tmp_path / "cv").exists()


@pytest.mark.parametrize("source", [name for name, terms in download.TERMS.items() if not terms.repo])
def test_what_is_on_request_says_whom_to_ask_and_where_to_put_it(source, tmp_path, command):
    code, printed, error = command("data", source, "--root", tmp_path / source)
    assert code == 1 and "cannot be downloaded: ask for it" in error
    assert "ask: " in printed and f"put into {tmp_path / source}: " in printed and "licence: " in printed


def test_make_data_hands_over_its_variables_and_no_source_lists_them(command):
    variables = ["SOURCE=cv-cities", "ROOT=x", "ACCEPT_UNSTATED_LICENCE=1"]
    folder = Path(__file__).parents[2]
    made = subprocess.run(["make", "-n", "-C", folder, "data", *variables], capture_output=True, text=True, check=True)
    words = made.stdout.replace("\\\n", " ").partition("georeplicate data ")[2].split()
    assert words[:4] == ['"cv-cities"', "--root", '"x"', "--accept-unstated-licence"]
    code, _, error = command("data", "")
    assert code == 1 and all(source in error for source in pairs.ON_DISK)


def test_a_hub_that_cannot_be_reached_or_asks_for_hours_is_no_reason_to_run_it_again(hub, tmp_path, monkeypatch):
    busy = {"Retry-After": "7200"}
    monkeypatch.setattr(Handler, "do_GET", lambda self: self.answer(503, b"", busy))
    with pytest.raises(download.DownloadError, match=r"a wait of 7200 s\): run the same command again after that"):
        fetch(hub, tmp_path / "cv")
    with pytest.raises(download.DownloadError, match="cannot be reached from here; get it where there is a") as no:
        download.fetch("cv-cities", tmp_path / "cv", endpoint="http://127.0.0.1:9", accept_unstated_licence=True)
    assert "again" not in str(no.value)
