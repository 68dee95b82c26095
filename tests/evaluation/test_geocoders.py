"""Geocoding services, each on a loopback server that speaks its protocol: answers are kept, failures are no answers."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlparse

import pandas as pd
import pytest

from georeplicate import atlas
from georeplicate.evaluation import geocoders
from georeplicate.evaluation.protocol import Protocol
from georeplicate.evaluation.score import score

KNOWN = {"Paris, France": (48.8566, 2.3522), "Paris, United States": (33.66, -95.55)}


class Server:
    """Nominatim and Azure Maps at once; `status` is answered instead of places while it is set."""

    def __init__(self):
        self.queries, self.status, server = [], [], self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
                azure = self.path.startswith("/search/address/json")
                query = asked["query" if azure else "q"]
                server.queries.append((query, self.headers["User-Agent"], asked))
                point = KNOWN.get(query)
                if azure:
                    position = point and {"position": {"lat": point[0], "lon": point[1]}}
                    found = {"results": [position | {"address": {"freeformAddress": query}}] if position else []}
                else:
                    place = point and {"lat": str(point[0]), "lon": str(point[1]), "display_name": query}
                    found = [place] if place else []
                body = json.dumps(found).encode()
                self.send_response(server.status.pop() if server.status else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.domain = f"127.0.0.1:{self.http.server_port}"


@pytest.fixture(scope="module")
def running():
    server = Server()
    yield server
    server.http.shutdown()


@pytest.fixture
def server(running):
    running.queries.clear()
    running.status.clear()
    return running


@pytest.fixture(params=geocoders.SERVICES)
def service(request, server, tmp_path, monkeypatch):
    monkeypatch.setenv(geocoders.KEY, "secret")
    monkeypatch.setattr(geocoders, "SECONDS_APART", 0.0)
    made = getattr(geocoders, request.param)(tmp_path / "kept", domain=server.domain, scheme="http")
    made.backoff_s = 0.0
    return made


def test_each_pair_of_names_is_asked_once_and_kept(service, server, tmp_path):
    for _ in range(2):
        assert service("Paris", "France") == KNOWN["Paris, France"]
        assert service(" Paris ", "United  States") == KNOWN["Paris, United States"]
        assert service("Nowhere", "France") is None
    assert service("", "") is None
    assert [query for query, *_ in server.queries] == ["Paris, France", "Paris, United States", "Nowhere, France"]
    assert server.queries[0][1] == geocoders.AGENT
    kept = [json.loads(path.read_text()) for path in (tmp_path / "kept").rglob("*.json")]
    assert len(kept) == 3 and not any("secret" in json.dumps(one) for one in kept)
    next(path for path in (tmp_path / "kept").rglob("*.json")).write_text('{"query": "Paris, Fr')  # cut off
    for city, country in (("Paris", "France"), ("Paris", "United States"), ("Nowhere", "France")):
        service(city, country)
    assert len(server.queries) == 4


@pytest.mark.parametrize(
    "status, sentence", [(401, "refuses the key"), (429, "no more requests"), (500, "did not answer")]
)
def test_a_failure_is_never_a_place_that_does_not_exist(service, server, tmp_path, status, sentence):
    server.status += [status] * geocoders.ATTEMPTS
    with pytest.raises(geocoders.GeocoderError, match=sentence):
        service("Paris", "France")
    assert not (tmp_path / "kept").exists()
    server.status.clear()
    assert service("Paris", "France") == KNOWN["Paris, France"]


def test_a_busy_service_is_asked_again(service, server):
    server.status += [429]
    assert service("Paris", "France") == KNOWN["Paris, France"]


def test_a_protocol_names_its_geocoder(server, tmp_path, monkeypatch):
    truth = pd.DataFrame({"id": ["a"], "lat": [48.8566], "lon": [2.3522]})
    said = pd.DataFrame({"id": ["a"], "text": ["Country: France\nCity: Paris"]})
    monkeypatch.setattr(geocoders, "CACHE", tmp_path)
    made = geocoders.nominatim(tmp_path, domain=server.domain, scheme="http")
    monkeypatch.setattr(geocoders, "nominatim", lambda cache: made)
    rows = score(said, truth, Protocol.get("ours").but(geocoder="nominatim")).rows
    assert (rows.pred_lat[0], rows.pred_lon[0]) == KNOWN["Paris, France"] and len(server.queries) == 1
    rows = score(said, truth, "ours").rows
    assert (rows.pred_lat[0], rows.pred_lon[0]) == atlas.geocode("Paris", "France") and len(server.queries) == 1


def test_what_a_service_lacks_is_said_first(command, tmp_path, monkeypatch):
    monkeypatch.delenv(geocoders.KEY, raising=False)
    path = tmp_path / "p.csv"
    path.write_text("id,lat,lon,text\na,1,2,Paris France\n")
    assert command("score", path, "--truth", path, "--geocoder", "azure")[::2] == (
        1,
        "error: azure needs a key of Azure Maps in the environment variable AZURE_MAPS_KEY; it is not set\n",
    )
    code, _, told = command("score", path, "--truth", path, "--geocoder", "google")
    assert code == 1 and "geocoder must be one of 'offline', 'nominatim', 'azure', 'none'" in told
