"""A stand-in for the hub of models on loopback: folders are served as repositories, and it fails when told to.

    with Hub({"Org/model": folder}) as hub:
        hub.faults.append(Fault("GET .*safetensors", status=503, times=2))

Each repository has one commit, which is a hash of its files; "main", its tags and that commit are its revisions.
Weights are "LFS" as there: their address answers with a redirect to another path, which serves byte ranges, and their
ETag is the SHA-256. Everything asked for is in `log`, as "METHOD path" or "METHOD path [range]".
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse


@dataclass
class Fault:
    """What goes wrong with requests that match a pattern, `times` times (None: always)."""

    match: str
    status: int = 0  # answered instead of what was asked for
    error: str = ""  # X-Error-Code
    headers: dict = field(default_factory=dict)
    cut: int | None = None  # promise the whole, send so many bytes, hang up
    short: int | None = None  # the file on the server ends here, and the server says so
    flip: int | None = None  # one bit of this byte is another
    stall: bool = False  # nothing is answered before the hub is closed
    times: int | None = None


class Repository:
    def __init__(self, folder: Path):
        self.files, self.tags = {}, ("main", "v1")
        for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
            data = path.read_bytes()
            large = path.suffix == ".safetensors"
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            self.files[path.relative_to(folder).as_posix()] = (
                data,
                hashlib.sha256(data).hexdigest() if large else blob,
            )
        self.commit = hashlib.sha1(repr(sorted((n, tag) for n, (_, tag) in self.files.items())).encode()).hexdigest()

    def listed(self, name: str, key: str) -> dict:
        data, tag = self.files[name]
        entry = {key: name, "size": len(data), "oid": tag[:40], "blobId": tag[:40]}
        if len(tag) == 64:
            entry["lfs"] = {"oid": tag, "sha256": tag, "size": len(data), "pointerSize": 130}
        return entry | ({"type": "file"} if key == "path" else {})


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, repositories: dict):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories = {name: Repository(folder) for name, folder in repositories.items()}
        self.faults: list[Fault] = []
        self.log: list[str] = []
        self.lock, self.closing = threading.Lock(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def weights_asked(self) -> list[str]:
        return [line for line in self.log if line.startswith("GET") and "safetensors" in line and "index" not in line]

    def fault(self, line: str) -> Fault | None:
        with self.lock:
            self.log.append(line)
            for rule in self.faults:
                if rule.times != 0 and re.search(rule.match, line):
                    if rule.times is not None:
                        rule.times -= 1
                    return rule
        return None

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every small answer waits for an acknowledgement
    server: Hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path, span = unquote(urlparse(self.path).path), self.headers.get("Range")
        rule = self.server.fault(f"{self.command} {path}" + (f" [{span}]" if span else ""))
        if rule and rule.stall:
            self.close_connection = True
            self.server.closing.wait()
            return
        if rule and rule.status:
            named = {"X-Error-Code": rule.error} if rule.error else {}
            return self.answer(rule.status, b'{"error": "as told"}', named | rule.headers)
        found = re.fullmatch(r"/(api/models/)?([^/]+/[^/]+?)(?:/(revision|resolve|tree|cdn)/([^/]+)(?:/(.+))?)?", path)
        if not found or (repo := self.server.repositories.get(found[2])) is None:
            return self.answer(401 if found else 404, b"{}", {"X-Error-Code": "RepoNotFound"})
        _, name, what, revision, file = found.groups()
        commit = {"X-Repo-Commit": repo.commit}
        if revision not in (None, repo.commit, *repo.tags):
            return self.answer(404, b'{"error": "Invalid rev id"}', {"X-Error-Code": "RevisionNotFound"})
        if what in (None, "revision"):
            siblings = [repo.listed(one, "rfilename") for one in repo.files]
            said = {"id": name, "sha": repo.commit, "siblings": siblings, "private": False, "gated": False, "tags": []}
            return self.answer(200, json.dumps(said).encode(), {"Content-Type": "application/json"})
        if what == "tree":
            listed = [repo.listed(one, "path") for one in repo.files]
            return self.answer(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
        if file not in repo.files:
            return self.answer(404, b"", commit | {"X-Error-Code": "EntryNotFound"})
        data, tag = repo.files[file]
        headers = commit | {"ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
        if what == "resolve" and len(tag) == 64:
            to = {"Location": f"{self.server.url}/{name}/cdn/{repo.commit}/{file}"}
            linked = {"X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{tag}"'}
            return self.answer(302, b"", headers | to | linked)
        self.send_file(data, headers, span, rule or Fault(""))

    def send_file(self, data: bytes, headers: dict, span: str | None, rule: Fault):
        data = data[: rule.short]
        if rule.flip is not None:
            data = data[: rule.flip] + bytes([data[rule.flip] ^ 1]) + data[rule.flip + 1 :]
        start = int(re.match(r"bytes=(\d+)", span)[1]) if span else 0
        if span:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.answer(206 if span else 200, data[start:], headers, rule.cut)

    def answer(self, status: int, body: bytes, headers: dict, cut: int | None = None):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True
