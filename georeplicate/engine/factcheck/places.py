"""Claims about countries, regions, places and coordinates."""

import functools
import re
from collections.abc import Iterator

from georeplicate import atlas, coordinates, geo
from georeplicate.atlas import Facts, names
from georeplicate.atlas.countries import table
from georeplicate.engine.factcheck.claims import CONTRAST, Claim, claim, is_negated
from georeplicate.engine.factcheck.words import COUNTRY_NOUN, demonyms, language_words, script_words

# How far a claim may be from the atlas and still pass.
PLACE_KM = 50.0  # "in or near": a city and its surroundings
COARSE_COORDINATES_KM = 120.0  # coordinates in whole degrees

# Names in use that the atlas does not list as names of a country.
_OTHER_NAMES = {"America": "US", "Britain": "GB", "Scotland": "GB", "England": "GB", "Wales": "GB", "Holland": "NL"}
# What is of a country, and is not a text: with these nouns an adjective speaks of the country, not of the language.
_WATER_NOUN = r"[ -](?:Ocean|Sea|Gulf|Desert|River|Mountains?|coast|shore|Street|Road|Avenue|Bay|Strait)\b"


@functools.cache
def _country_names() -> dict[str, str]:
    """{key: code} of names in Latin letters that begin with a capital letter and are no abbreviation of two letters."""
    found: dict[str, str] = {}
    for code, row in table().items():
        for name in row["names"]:
            if len(name) > 3 and name[0].isupper() and name.isascii() or name == row["name"]:
                found.setdefault(names.key(name), code)
    found |= {names.key(name): code for name, code in _OTHER_NAMES.items()}
    return found | {"uk": "GB", "usa": "US", "uae": "AE", "us": "US"}


@functools.cache
def _big_cities() -> frozenset[str]:
    """Keys of names of large places that can be taken for nothing else."""
    return frozenset(map(names.key, atlas.cities(100_000).name)) - _ORDINARY


# Names of places that are also words, months or parts of other names; read as places only behind "in" or "city".
_ORDINARY = frozenset(
    "nice reading bath orange mobile split march deal rugby sale bar man of bologna union young most "
    "central victoria "
    "santa san new north south east west northern southern eastern western university college station "
    "park springs green "
    "may august best is as an the this that moscow road street hall pacific atlantic bay side center centre general "
    "delta hub hue newton van perm jackson richardson madison ajax coro brent george newport male "
    "mango florence toyota lincoln columbia roman latin mission salt mile rand bray bello date "
    "opera sun sur temple independence ica natal anda "
    "bo po same so "
    "spring summer autumn winter noon lake lakes mount valley long white black golden table jasper portage main".split()
)


@functools.cache
def _towns() -> frozenset[str]:
    """Keys of names of smaller places, read only behind a word such as "in"; names that divisions bear too are none."""
    places = atlas.cities(15_000)
    return frozenset(map(names.key, places.name)) - frozenset(map(names.key, places.admin.unique())) - _ORDINARY


_WORD = r"[^\W\d_][^\W\d_'’\-]*(?:['’\-][^\W\d_]+)*"
_LINK = frozenset("- es of de da do del la las los el al and & di du le e the".split())
_NEAR_CUE = re.compile(
    r"\b(?:in|near|of|outside|around|at|called|city is|town is|city:|is|to|for|means?)\s+(?:the )?$", re.IGNORECASE
)


def _runs(sentence: str) -> Iterator[tuple[int, list[tuple[str, int, int]]]]:
    """Runs of capitalised words, with small words between them: [(word, start, end)]."""
    run: list[tuple[str, int, int]] = []
    for match in re.finditer(rf"{_WORD}\.?|&|\S", sentence):
        word = match[0].rstrip(".") if not re.fullmatch(r"(?:[A-Z]\.)+|St\.|Mt\.", match[0]) else match[0]
        if word[:1].isupper() or re.match(r"[dl]'[A-Z]", word):  # Côte d'Ivoire
            run.append((word, match.start(), match.start() + len(word)))
        elif run and word in _LINK:
            run.append((word, match.start(), match.end()))
        else:
            if run:
                yield from _trim(run)
            run = []
    if run:
        yield from _trim(run)


def _trim(run):
    while run and run[-1][0] in _LINK:
        run = run[:-1]
    if run:
        yield run[0][1], run


def read_names(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Countries, regions and places, the longest name first; what is part of a longer name is not read again."""
    for _, run in _runs(sentence):
        at = 0
        while at < len(run):
            for length in range(min(6, len(run) - at), 0, -1):
                start, end = run[at][1], run[at + length - 1][2]
                if run[at][0] in _LINK or run[at + length - 1][0] in _LINK:
                    continue
                found = _name(sentence, start, end, f, city)
                if found is not None:
                    yield from found
                    at += length
                    break
            else:
                at += 1


def _name(sentence: str, start: int, end: int, f: Facts, city: str) -> list[Claim] | None:
    quote = sentence[start:end]
    key = names.key(quote)
    before, after = sentence[:start], sentence[end : end + 40]
    negated = is_negated(sentence, start)
    contrast = bool(CONTRAST.search(" ".join(before.split()[-4:]))) or re.match(r"['’]?s? (?:neighbou?r|border)", after)
    own_city = city and key == names.key(city)
    own_place = key == names.key(f.place)
    region = _regions().get(key)
    if region is not None and _country_names().get(key) != f.country:  # Micronesia is both
        if re.match(r" (?:climate|Ocean|Sea)", after):
            return []
        return [] if contrast else [claim("region", region, quote, _in_region(f.region, region), negated)]
    if key in _country_names() and not (
        quote.islower() or key in ("us", "uk", "usa") and not quote.isupper() and "." not in quote
    ):
        code = _country_names()[key]
        own = (own_city or own_place) and code != f.country  # Singapore in Singapore names the country, too
        if own or contrast and not negated:
            return []
        true = code == f.country or table().get(f.country, {}).get("sovereign") == code or _same_word(f, quote)
        if not true and re.match(r",? [A-Z]", after) and atlas.geocode(quote, f.country):
            return []  # "Mexico City", "Panama City"
        if not true and not negated and (_is_near(quote, f) or _is_division_of(quote, f)):
            return [claim("place", quote, quote, True)]  # a city that bears a country's name
        return [claim("country", code, quote, true, negated)]
    if quote in demonyms() and re.match(_WATER_NOUN, after):
        return []
    if quote in demonyms():
        code = demonyms()[quote]
        of_country = re.match(rf"(?:[- ]\w+)? {COUNTRY_NOUN}\b", after) or re.search(
            r"\b(?:is|are|looks?|very|typically) $", before
        )
        if quote in language_words() and not re.match(rf" {COUNTRY_NOUN}\b", after) or contrast:
            return [] if quote in language_words() else None if not contrast else []
        if not of_country and after.strip() and not re.match(r"[,.:]|\s+\w+", after):
            return []
        return [claim("country", code, quote, code == f.country, negated)]
    if quote in language_words() or quote in script_words() or key in _NOT_PLACES:
        return []
    cue = _NEAR_CUE.search(before) is not None
    if own_city or own_place:
        return [claim("place", quote, quote, True, negated)]
    if re.match(_WATER_NOUN, after):
        return []
    if key in _big_cities() or (cue and key in _towns()):
        if contrast and not negated:
            return []
        true = _is_near(quote, f) or _is_division_of(quote, f)
        return [claim("place", quote, quote, true, negated)]
    if cue and key not in _ORDINARY and len(key) > 3 and (_is_near(quote, f) or _is_division_of(quote, f)):
        return [claim("place", quote, quote, True, negated)]  # too small a place to be missed, if it were elsewhere
    return None


def _same_word(f: Facts, quote: str) -> bool:
    """Is it a name of the place's own country, which another state shares: Congo, Guinea, Ireland, Georgia?"""
    own = table().get(f.country, {}).get("names", ())
    return any(names.key(quote) == names.key(name) for name in own)


def _is_division_of(name: str, f: Facts) -> bool:
    """Is it the province, state or county that the nearest place lies in? (Georgia in the United States)"""
    return names.key(name) in {names.key(admin) for admin in _divisions().get((f.place, f.country), ())}


@functools.cache
def _divisions() -> dict[tuple[str, str], set[str]]:
    """{(place, country): its first-order divisions; more than one where places share a name}."""
    places = atlas.cities(0)
    found: dict[tuple[str, str], set[str]] = {}
    for place, country, admin in zip(places.name, places.country, places.admin):
        if admin:
            found.setdefault((place, country), set()).add(admin)
    return found


def _is_near(place: str, f: Facts) -> bool:
    for country in (f.country, None):
        point = atlas.geocode(place, country)
        if point is not None and geo.haversine_km(f.lat, f.lon, *point) <= PLACE_KM:
            return True
    return False


# Capitalised words that are no places: months, days, people's words, seas and the like.
_NOT_PLACES = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday i north south east west northern southern eastern western koppen "
    "koeppen mediterranean "
    "atlantic pacific indian arctic antarctic ocean sea gulf equator tropic cancer capricorn north "
    "atlantic sun street "
    "give way".split()
)


@functools.cache
def _regions() -> dict[str, str]:
    """{key: region or continent} of the names that can be told from M49's regions."""
    regions = {row["region"] for row in table().values()} - {"", "Asia", "Antarctica"}
    found = {names.key(region): region for region in regions}
    for continent in ("Europe", "Africa", "Asia", "South America", "Latin America", "Oceania", "North America"):
        found[names.key(continent)] = continent
    found |= {names.key(name): region for name, region in {
        "East Africa": "Eastern Africa", "West Africa": "Western Africa", "Southern Africa": "Southern Africa",
        "North Africa": "Northern Africa", "East Asia": "Eastern Asia", "South Asia": "Southern Asia",
        "Southeast Asia": "South-eastern Asia", "South-East Asia": "South-eastern Asia",
    }.items()}  # fmt: skip
    return found


_PARTS = {
    "Latin America": ("South America", "Central America", "Caribbean"),
    "North America": ("Northern America", "Central America", "Caribbean"),
    "Oceania": ("Australia and New Zealand", "Melanesia", "Micronesia", "Polynesia"),
}


def _in_region(own: str, region: str) -> bool | None:
    if not own:
        return None
    if own == region or own in _PARTS.get(region, ()):
        return True
    return region in ("Europe", "Africa", "Asia") and own.endswith(region)


_ANGLE = (
    r"[-+]?\d{1,3}(?:\.\d+)?\s*(?:°|degrees?)?(?:\s*\d{1,2}'(?:\s*\d{1,2}(?:\.\d+)?\")?)?"
    r"\s*(?:north|south|east|west|[NSEW])?(?![\w%])"
)
_PAIR = re.compile(
    rf"(?<![\d.])(?P<lat>{_ANGLE})\s*(?P<gap>[,;/]|\band\b|,?\s*(?:and )?longitude(?: near| of| is)?"
    rf"|\s)\s*(?P<lon>{_ANGLE})",
    re.IGNORECASE,
)


def read_coordinates(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Pairs of coordinates: true within PLACE_KM, or within COARSE_COORDINATES_KM where they are whole degrees."""
    for match in _PAIR.finditer(sentence):
        marked = len(re.findall(r"°|degrees|[NSEW]\b|north|south|east|west", match[0]))
        decimals = len(re.findall(r"\d\.\d", match[0]))
        announced = re.search(r"latitude|longitude|coordinates|\bpin\b|\blat\b|\bGPS\b", sentence, re.IGNORECASE)
        stands_out = re.search(r"(?:\bnear|\baround|\bat|\babout|[:(]|^)\s*$", sentence[: match.start()], re.IGNORECASE)
        if marked < 2 and not (decimals == 2 and stands_out) and not announced:
            continue
        point: tuple[float, float] | coordinates.Unusable | None = coordinates.read_pair(match["lat"], match["lon"])
        if isinstance(point, coordinates.Unusable):
            point, _ = coordinates.find_pair(match[0], expected=True)
        if point is None or isinstance(point, coordinates.Unusable):
            yield claim("coordinates", match[0], match[0], False)
            continue
        km = float(geo.haversine_km(f.lat, f.lon, *point))
        near_km = PLACE_KM if decimals else COARSE_COORDINATES_KM
        yield claim("coordinates", f"{point[0]:g}, {point[1]:g}", match[0], km <= near_km)
