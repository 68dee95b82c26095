"""Which service turns a city and a country into a point: the atlas's gazetteer, Nominatim, or Azure Maps.

    geocode = geocoders.get("nominatim", cache="geocoded")
    geocode("Paris", "France")          # (lat, lon) in degrees, or None where the service knows no such place

Published numbers depend on the service: GLOBE used Azure Maps (`Protocol.geocoder`). Only the gazetteer works offline
and gives everyone the same points. The services are called over the network, through geopy, once for each pair of
names; every answer is kept in a file, so that a table can be made again after the service has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tenacity

from georeplicate import atlas, files
from georeplicate.evaluation.answers import Geocode
from georeplicate.evaluation.protocol import Protocol
from georeplicate.registry import Registry

CACHE = files.WORK / "geocoded"
KEY = "AZURE_MAPS_KEY"
AGENT = "georeplicate"
TIMEOUT_S = 20.0
SECONDS_APART = 1.0  # Nominatim's usage policy; Azure Maps admits far more
ATTEMPTS = 3  # for time-outs, lost connections and "too many requests"


class GeocoderError(files.Problem):
    """The service gave no answer; one sentence with the remedy."""


class Service:
    """A service of geopy as a `Geocode`, with every answer kept.

    name       of the service, in messages and in the cache
    locate     "city, country" -> an object with latitude and longitude, or None
    cache      folder with one JSON file for each query: service, query, lat, lon; null where nothing was found
    backoff_s  wait before the second attempt, doubled before the third

    A query that the service could not answer (no network, wrong key, quota) raises GeocoderError: it never passes for a
    place that does not exist.
    """

    def __init__(self, name: str, locate: Callable[[str], Any], cache: str | Path, backoff_s: float = 2.0):
        self.name, self.cache, self.backoff_s = name, Path(cache), backoff_s
        self._locate = locate

    def __call__(self, city: str, country: str) -> tuple[float, float] | None:
        query = ", ".join(part for part in (" ".join(city.split()), " ".join(country.split())) if part)
        if not query:
            return None
        path = self.cache / self.name / f"{hashlib.sha256(query.encode()).hexdigest()[:32]}.json"
        known = _kept(path, query)
        if known is None:
            found = self._found(query)
            point = (None, None) if found is None else (float(found.latitude), float(found.longitude))
            known = {"service": self.name, "query": query, "lat": point[0], "lon": point[1]}
            files.write_json(path, known)
        return None if known["lat"] is None else (known["lat"], known["lon"])

    def _found(self, query: str) -> Any:
        from geopy import exc

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(
                (exc.GeocoderTimedOut, exc.GeocoderUnavailable, exc.GeocoderRateLimited)
            ),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential(multiplier=self.backoff_s),
            reraise=True,
        )
        try:
            return retrying(self._locate, query)
        except (exc.GeocoderAuthenticationFailure, exc.GeocoderInsufficientPrivileges) as error:
            raise GeocoderError(f"{self.name} refuses the key or this client ({error}); for azure, set {KEY}") from None
        except exc.GeocoderQuotaExceeded as error:  # and GeocoderRateLimited, which is one
            raise GeocoderError(
                f"{self.name} allows no more requests for now ({error}); go on later: the answers so far are kept in "
                f"{self.cache}"
            ) from None
        except exc.GeopyError as error:
            raise GeocoderError(
                f"{self.name} did not answer for {query!r} ({type(error).__name__}: {error}); check the network, or "
                "choose the geocoder offline"
            ) from None


def _kept(path: Path, query: str) -> dict[str, Any] | None:
    """An earlier answer; None where there is none or its file is damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        whole = kept["query"] == query and {type(kept["lat"]), type(kept["lon"])} in ({float}, {type(None)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kept if whole else None


def nominatim(cache: str | Path, domain: str = "nominatim.openstreetmap.org", scheme: str = "https") -> Service:
    """OpenStreetMap's Nominatim, at most one request a second (its usage policy); `domain`: a server of one's own."""
    from geopy.extra.rate_limiter import RateLimiter
    from geopy.geocoders import Nominatim

    service = Nominatim(user_agent=AGENT, domain=domain, scheme=scheme, timeout=TIMEOUT_S)
    slow = RateLimiter(
        service.geocode,
        min_delay_seconds=SECONDS_APART,
        max_retries=0,
        error_wait_seconds=SECONDS_APART,
        swallow_exceptions=False,
    )
    return Service("nominatim", lambda query: slow(query, language="en"), cache)


def azure(cache: str | Path, domain: str = "atlas.microsoft.com", scheme: str = "https") -> Service:
    """Azure Maps' address search, the service that GLOBE names; its key is read from AZURE_MAPS_KEY."""
    from geopy.geocoders import AzureMaps

    key = os.environ.get(KEY, "")
    if not key:
        raise GeocoderError(f"azure needs a key of Azure Maps in the environment variable {KEY}; it is not set")
    service = AzureMaps(key, domain=domain, scheme=scheme, timeout=TIMEOUT_S, user_agent=AGENT)
    return Service("azure", service.geocode, cache)


def offline(cache: str | Path) -> Geocode:
    """The atlas's GeoNames gazetteer: no network, and nothing to keep."""
    return atlas.locate


SERVICES = ("nominatim", "azure")
GEOCODERS = Registry("geocoder", {name: f"{__name__}:{name}" for name in ("offline", *SERVICES)})


def get(name: str, cache: str | Path = CACHE) -> Geocode:
    """A geocoder by name; ValueError lists the names there are, GeocoderError says what a service lacks."""
    found: Geocode = GEOCODERS[name](cache)
    return found


def of(protocol: Protocol) -> Geocode:
    """The geocoder that a protocol names; for "none" the offline one, which is then never called."""
    return get("offline" if protocol.geocoder == "none" else protocol.geocoder)
