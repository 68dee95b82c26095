"""The fact check: every checkable claim of a text is read out of it and compared with the atlas.

    report = check(text, facts)
    report.ok, report.false        # the claims that the atlas contradicts, each with the words that make it

A claim has a kind (KINDS) and is True, False, or None where the atlas cannot tell. Texts are read sentence by sentence
with patterns, so wording that no pattern knows goes unread: `tests/data/claims.csv` measures how much, on sentences
that were written before the patterns. The terse register of the template is read word by word, exactly.

"True" means: true according to the atlas. It holds official languages only, and one elevation for some 9 x 9 km.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from georeplicate import atlas, coordinates, geo
from georeplicate.atlas import Facts, names
from georeplicate.atlas.countries import table
from georeplicate.engine import lexicon, shore, template

KINDS = (
    "country", "region", "place", "coordinates", "climate", "driving", "speed", "language", "script", "hemisphere",
    "sun", "season", "elevation", "coast",
)  # fmt: skip

# How far a claim may be from the atlas and still pass.
PLACE_KM = 50.0  # "in or near": a city and its surroundings
COARSE_COORDINATES_KM = 120.0  # coordinates in whole degrees
SUN_DEG = 50.0  # one of eight directions is +-22.5; the rest is for people who say "south" for south-south-west
NOON_DEG = 90.0
ELEVATION_M, ELEVATION_SHARE = 150.0, 0.2
SEA_LEVEL_M, HIGH_M = 150.0, 1000.0
NEAR_SEA_KM, FAR_SEA_KM = 40.0, 15.0  # "near the sea" must be nearer than the first, "inland" further than the second


@dataclass(frozen=True)
class Claim:
    """What a text says (`value`, in the atlas's terms), the words that say it, and whether that is so."""

    kind: str
    value: str
    quote: str
    true: bool | None

    def __str__(self) -> str:
        return f'{self.kind}: "{self.quote}" ({self.value})'


@dataclass(frozen=True)
class Report:
    """All claims found in a text."""

    claims: tuple[Claim, ...]

    @property
    def false(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if claim.true is False)

    @property
    def ok(self) -> bool:
        return not self.false


def check(text: str, facts: Facts, *, city: str = "") -> Report:
    """Compare every claim of a text with the facts of its place. `city`: its name in the metadata, true by definition.

    Never raises for any text.
    """
    line = text.split()
    if line and line[0] == template.SEE and template.SO in line:
        return Report(tuple(_terse_claims(line, facts)))
    found: dict[tuple, Claim] = {}
    for sentence in _sentences(text):
        for reader in _READERS:
            for claim in reader(sentence, facts, city):
                found.setdefault((claim.kind, claim.value, claim.quote), claim)
    return Report(tuple(found.values()))


def _terse_claims(line: list[str], f: Facts) -> Iterator[Claim]:
    """The words of the terse register. A word that is a fact's word must be the fact's word for this place."""
    seen, known = template.fact_words(f)
    true = {*seen, *known}
    of = {word: kind for kind, all_words in template.FACT_WORDS.items() for word in all_words}
    for word in line:
        if word in of:
            yield Claim(of[word], word, word, word in true)
        elif word in _country_words():
            yield Claim("country", _country_words()[word], word, _country_words()[word] == f.country)


@functools.cache
def _country_words() -> dict[str, str]:
    return {word: code for code, word in lexicon.country_tokens().items()}


# --- sentences -------------------------------------------------------------------------------------------------------

_END = re.compile(r"(?<!\bSt)(?<!\bMt)(?<![A-Z]\.[A-Z])(?<!\b[A-Z])(?<!\bapprox)(?<!\bca)[.!?]+(?=\s|$)|[\n;]+")


_QUOTES = str.maketrans({"’": "'", "‘": "'", "′": "'", "″": '"', "“": '"', "”": '"', "−": "-", "º": "°", "–": "-"})


def _sentences(text: str) -> list[str]:
    plain = re.sub(r"</?\w+>|[*_`#]", " ", text.translate(_QUOTES))
    return [part.strip() for part in _END.split(plain) if part and part.strip()]


def _any(words) -> str:
    return "(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


_NEGATION = re.compile(
    r"\b(?:not|never|neither|nor|no|cannot|unlike|without|except|exclud\w+|rul(?:es?|ed|ing) out|rather than|"
    r"instead of|other than|different from|as opposed to)\b|n't\b",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"\b(?:unlike|than|instead of|border\w*|neighbou?r\w*|as opposed to|compared (?:to|with))\b", re.I
)


def _negated(sentence: str, start: int) -> bool:
    """Is there a negation in the clause before this position, within eight words?"""
    clause = re.split(r"[,:]|\bbut\b", sentence[:start])[-1]
    return bool(_NEGATION.search(" ".join(clause.split()[-8:])))


def _claim(kind: str, value, quote: str, true, negated: bool = False) -> Claim:
    verdict = None if true is None else bool(true) != negated
    return Claim(kind, ("not " if negated else "") + str(value), quote.strip(), verdict)


# --- countries, regions, places --------------------------------------------------------------------------------------

# Names in use that the atlas does not list as names of a country.
_OTHER_NAMES = {"America": "US", "Britain": "GB", "Scotland": "GB", "England": "GB", "Wales": "GB", "Holland": "NL"}
# What is of a country, and is not a text: with these nouns an adjective speaks of the country, not of the language.
_WATER_NOUN = r"[ -](?:Ocean|Sea|Gulf|Desert|River|Mountains?|coast|shore|Street|Road|Avenue|Bay|Strait)\b"
_COUNTRY_NOUN = (
    r"(?!street (?:name|sign))(?:territory|soil|plates?|number|licen[cs]e|registration|pavements?|roads?"
    r"|streets?|cit(?:y|ies)|towns?|villages?"
    r"|suburbs?|cars?|drivers?|house|houses|architecture|countryside|landscape|bollards?|flags?|police"
    r"|coast|prairies?"
    r"|capital|province|island|post|highways?|motorways?|region)"
)


@functools.cache
def _country_names() -> dict[str, str]:
    """{key: code} of names in Latin letters that begin with a capital letter and are no abbreviation of "
    "two letters."""
    found = {}
    for code, row in table().items():
        for name in row["names"]:
            if len(name) > 3 and name[0].isupper() and name.isascii() or name == row["name"]:
                found.setdefault(names.key(name), code)
    found |= {names.key(name): code for name, code in _OTHER_NAMES.items()}
    return found | {"uk": "GB", "usa": "US", "uae": "AE", "us": "US"}


@functools.cache
def _demonyms() -> dict[str, str]:
    return {word.replace("-", " "): code for code, words in lexicon.DEMONYMS.items() for word in words.split()}


@functools.cache
def _language_words() -> dict[str, str]:
    return {name: code for code, all_names in lexicon.LANGUAGES.items() for name in all_names}


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


def _names(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
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
    negated = _negated(sentence, start)
    contrast = bool(_CONTRAST.search(" ".join(before.split()[-4:]))) or re.match(
        r"['’]?s? (?:neighbou?r|border)", after
    )
    own_city = city and key == names.key(city)
    own_place = key == names.key(f.place)
    region = _regions().get(key)
    if region is not None and _country_names().get(key) != f.country:  # Micronesia is both
        if re.match(r" (?:climate|Ocean|Sea)", after):
            return []
        return [] if contrast else [_claim("region", region, quote, _in_region(f.region, region), negated)]
    if key in _country_names() and not (
        quote.islower() or key in ("us", "uk", "usa") and not quote.isupper() and "." not in quote
    ):
        code = _country_names()[key]
        if own_city or own_place or contrast and not negated:
            return []
        true = code == f.country or table().get(f.country, {}).get("sovereign") == code or _same_word(f, code, quote)
        if not true and re.match(r",? [A-Z]", after) and atlas.geocode(quote, f.country):
            return []  # "Mexico City", "Panama City"
        if not true and not negated and (_is_near(quote, f) or _is_division_of(quote, f)):
            return [_claim("place", quote, quote, True)]  # a city that bears a country's name
        return [_claim("country", code, quote, true, negated)]
    if quote in _demonyms() and re.match(_WATER_NOUN, after):
        return []
    if quote in _demonyms():
        code = _demonyms()[quote]
        of_country = re.match(rf"(?:[- ]\w+)? {_COUNTRY_NOUN}\b", after) or re.search(
            r"\b(?:is|are|looks?|very|typically) $", before
        )
        if quote in _language_words() and not re.match(rf" {_COUNTRY_NOUN}\b", after) or contrast:
            return [] if quote in _language_words() else None if not contrast else []
        if not of_country and after.strip() and not re.match(r"[,.:]|\s+\w+", after):
            return []
        return [_claim("country", code, quote, code == f.country, negated)]
    if quote in _language_words() or quote in _script_words() or key in _NOT_PLACES:
        return []
    cue = _NEAR_CUE.search(before) is not None
    if own_city or own_place:
        return [_claim("place", quote, quote, True, negated)]
    if re.match(_WATER_NOUN, after):
        return []
    if key in _big_cities() or (cue and key in _towns()):
        if contrast and not negated:
            return []
        true = _is_near(quote, f) or _is_division_of(quote, f)
        return [_claim("place", quote, quote, true, negated)]
    if cue and key not in _ORDINARY and len(key) > 3 and (_is_near(quote, f) or _is_division_of(quote, f)):
        return [_claim("place", quote, quote, True, negated)]  # too small a place to be missed, if it were elsewhere
    return None


def _same_word(f: Facts, code: str, quote: str) -> bool:
    """Names that two states share: Congo, Guinea, Ireland, Georgia."""
    own = table().get(f.country, {}).get("names", ())
    return any(names.key(quote) == names.key(name) for name in own)


def _is_division_of(name: str, f: Facts) -> bool:
    """Is it the province, state or county that the nearest place lies in? (Georgia in the United States)"""
    return names.key(name) in {names.key(admin) for admin in _divisions().get((f.place, f.country), ())}


@functools.cache
def _divisions() -> dict[tuple[str, str], set[str]]:
    """{(place, country): its first-order divisions; more than one where places share a name}."""
    places, found = atlas.cities(0), {}
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


# --- coordinates -----------------------------------------------------------------------------------------------------

_ANGLE = (
    r"[-+]?\d{1,3}(?:\.\d+)?\s*(?:°|degrees?)?(?:\s*\d{1,2}'(?:\s*\d{1,2}(?:\.\d+)?\")?)?"
    r"\s*(?:north|south|east|west|[NSEW])?(?![\w%])"
)
_PAIR = re.compile(
    rf"(?<![\d.])(?P<lat>{_ANGLE})\s*(?P<gap>[,;/]|\band\b|,?\s*(?:and )?longitude(?: near| of| is)?"
    rf"|\s)\s*(?P<lon>{_ANGLE})",
    re.IGNORECASE,
)


def _coordinates(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    for match in _PAIR.finditer(sentence):
        marked = len(re.findall(r"°|degrees|[NSEW]\b|north|south|east|west", match[0]))
        decimals = len(re.findall(r"\d\.\d", match[0]))
        announced = re.search(r"latitude|longitude|coordinates|\bpin\b|\blat\b|\bGPS\b", sentence, re.IGNORECASE)
        stands_out = re.search(r"(?:\bnear|\baround|\bat|\babout|[:(]|^)\s*$", sentence[: match.start()], re.IGNORECASE)
        if marked < 2 and not (decimals == 2 and stands_out) and not announced:
            continue
        point = coordinates.read_pair(match["lat"], match["lon"])
        if isinstance(point, coordinates.Unusable):
            point, _ = coordinates.find_pair(match[0], expected=True)
        if point is None or isinstance(point, coordinates.Unusable):
            yield _claim("coordinates", match[0], match[0], False)
            continue
        km = float(geo.haversine_km(f.lat, f.lon, *point))
        near_km = PLACE_KM if decimals else COARSE_COORDINATES_KM
        yield _claim("coordinates", f"{point[0]:g}, {point[1]:g}", match[0], km <= near_km)


# --- climate ---------------------------------------------------------------------------------------------------------

# Codes of two letters are words too ("As", "Am"): they count only where the classification is spoken of.
_KOPPEN = re.compile(r"\b(?:B[WS][hk]|C[fsw][abc]|D[fsw][abcd])\b")
_KOPPEN_SHORT = re.compile(
    r"(?:\b(?:K[öo]e?ppen|class|classification|type|climate|zone)\b(?:\W+(?:\w+\W+){0,3}?)|\()(A[fmws]|E[TF])\b"
)
_CLIMATE_WORD = re.compile(
    r"\b(?:climat\w*|zone|regime|K[öo]e?ppen|setting|conditions|belt|weather|place|country)\b", re.I
)
# Words -> regular expression of the classes that they name; the first that matches is read, the longest first.
_CLIMATE_TERMS = {
    "humid subtropical": "C[fw]a", "monsoon-influenced humid subtropical": "Cwa", "dry-winter subtropical": "Cw[ab]",
    "monsoon-influenced subtropical": "Cw[ab]", "subtropical highland": "C[fw]b|Cwc", "subtropical": "C..",
    "tropical rainforest": "Af", "equatorial rainforest": "Af", "rainforest": "Af|Am", "equatorial": "Af|Am",
    "tropical monsoon": "Am", "monsoon": "Am|Aw|Cw.|Dw.", "tropical savanna": "A[ws]", "savanna": "A[ws]",
    "hot desert": "BWh", "cold desert": "BWk", "desert": "BW.", "hot semi-arid": "BSh", "cold semi-arid": "BSk",
    "hot steppe": "BSh", "cold steppe": "BSk", "semi-arid": "BS.", "steppe": "BS.", "arid": "B..", "dry": "B..",
    "hot-summer Mediterranean": "Csa", "warm-summer Mediterranean": "Csb", "Mediterranean": "Cs.",
    "subpolar oceanic": "Cfc", "oceanic": "C[fw]b|Cfc", "maritime": "C[fw]b|Cfc", "temperate oceanic": "C[fw]b",
    "temperate maritime": "C[fw]b", "temperate": "C..", "mild": "C..",
    "hot-summer humid continental": "D.a", "warm-summer humid continental": "D.b", "humid continental": "D.[ab]",
    "hot-summer continental": "D.a", "warm-summer continental": "D.b", "extremely cold subarctic": "D.d",
    "subarctic": "D.[cd]", "boreal": "D.[cd]", "cold continental": "D..", "continental": "D..",
    "tundra": "ET", "ice cap": "EF", "ice sheet": "EF", "polar": "E.", "tropical": "A.",
}  # fmt: skip
_CLIMATE = re.compile(rf"\b{_any(_CLIMATE_TERMS)}\b", re.IGNORECASE)


def _climate(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    known = f.climate in lexicon.CLIMATES
    codes = [(m[0], m.start()) for m in _KOPPEN.finditer(sentence)]
    codes += [(m[1], m.start(1)) for m in _KOPPEN_SHORT.finditer(sentence)]
    for code, start in codes:
        true = f.climate == code if known else None
        yield _claim("climate", code, code, true, _negated(sentence, start))
    for match in _CLIMATE.finditer(sentence):
        word = match[0].lower()
        near = sentence[match.end() : match.end() + 45]
        anchored = re.match(rf"[,\s]*(?:\w+[\s,]+){{0,2}}?{_CLIMATE_WORD.pattern}", near, re.I)
        alone = word in ("mediterranean",) and re.match(r"\s*(?:[.,:]|$)", near) and _CLIMATE_WORD.search(sentence)
        announced = re.search(r"\b(?:climate|climatically|K[öo]ppen)\b[^.]{0,25}$", sentence[: match.start()], re.I)
        announced = announced and word not in ("dry", "mild")
        ended = re.match(r"\W*$", near) and re.search(r"\bsummers?\b|\bwinters?\b", sentence[: match.start()])
        if not (anchored or alone or announced or ended) or re.match(r"\s+(?:Sea|beach|coast|season)", near):
            continue
        classes = next(c for name, c in _CLIMATE_TERMS.items() if name.lower() == word)
        true = re.fullmatch(classes, f.climate) is not None if known else None
        yield _claim("climate", word, match[0], true, _negated(sentence, match.start()))


# --- roads -----------------------------------------------------------------------------------------------------------

_DRIVERS = (
    r"(?:traffic|cars?|vehicles?|drivers?|people|everyone|everybody|nobody|one|they|buses|bus|taxis?"
    r"|trucks?|motorbikes?|scooters?|"
    r"minibuses|motorists|you|we|pickup trucks|ladas|hatchback|vans?|lorries)"
)
_MOVES = (
    r"(?:dr[io]ves?|driven|driving|drove|travel\w*|keep\w*|kept|stay\w*|runs?|running|goes|go|roll\w*"
    r"|rides?|hugs?|moves?|"
    r"flows?|circulates?|comes?|come|filter\w*|queue\w*|is|are)"
)
_DRIVES = re.compile(
    rf"\b{_MOVES}\b(?P<gap>[^,.:;]{{0,45}}?)\b(?P<side>left|right)\b(?!-?\s*hand[- ]drive)", re.IGNORECASE
)
_HANDED = re.compile(
    r"\b(?P<side>left|right)[- ]hand(?:ed)?[- ](?:traffic|lane|side|driving)|\btraffic (?:is|moves"
    r"|keeps) (?P<side2>left|right)(?:-hand(?:ed)?)?",
    re.I,
)
_WHEEL = re.compile(
    r"\bsteering wheels?\b[^,.;]{0,30}\b(?P<a>left|right)\b|\b(?P<b>left|right)[- ]hand[- ]drive\b"
    r"|\boncoming\b[^,.;]{0,30}\bon (?:our|the|its|their) (?P<c>left|right)",
    re.IGNORECASE,
)
_SIDE_LANE = re.compile(rf"\b{_DRIVERS}\b[^,.:;]{{0,30}}\bon the (?P<side>left|right)\b", re.IGNORECASE)
_OF_DRIVING = r"(?:dr[io]v|keep|kept|travel)"  # verbs that say enough; others need a driver or vehicle before them
_NOT_DRIVING = re.compile(
    r"\b(?:house|building|shop|sign|tree|turn\w*|bend|write|written|letters|text|look|corner|see|park|stop)\w*\b", re.I
)


def _driving(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    found: dict[str, tuple[str, int]] = {}
    blocked = []
    for match in _WHEEL.finditer(sentence):
        side = (match["a"] or match["b"] or match["c"]).lower()
        found["left" if side == "right" else "right"] = (match[0], match.start())
        blocked.append(match.span())
    for match in _HANDED.finditer(sentence):
        if re.search(r"\b(?:house|building|shop|turn)\w*", sentence, re.I) and "traffic" not in match[0].lower():
            continue
        found.setdefault((match["side"] or match["side2"]).lower(), (match[0], match.start()))
        blocked.append(match.span())
    for pattern in (_DRIVES, _SIDE_LANE):
        for match in pattern.finditer(sentence):
            clause = re.split(r"[,;:]", sentence[: match.start() + 1])[-1] + match[0]
            if not (re.match(_OF_DRIVING, match[0], re.I) or re.search(rf"\b{_DRIVERS}\b", clause, re.IGNORECASE)):
                continue
            overlaps = any(a < match.end() and match.start("side") < b for a, b in blocked)
            beside = _NOT_DRIVING.search(match[0]) or re.match(r"[- ](?:turn|bank)", sentence[match.end() :])
            if not overlaps and not beside:
                found.setdefault(match["side"].lower(), (match[0], match.start("side")))
    for side, (quote, start) in found.items():
        if f.driving_side:
            nobody = re.search(r"\b(?:nobody|no one|none)\b", sentence[: start + len(quote)], re.IGNORECASE)
            negated = _negated(sentence, start) or nobody is not None
            yield _claim("driving", side, quote, side == f.driving_side, negated)


_SPEED = re.compile(
    r"\b(?:(?P<mph>mph|miles(?: per hour| an hour)?)|(?P<km>km/h|kph|kilomet(?:re|er)s (?:per|an) hour))\b", re.I
)


def _speed(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    if not f.speed_unit or not re.search(
        r"speed|limit|sign|posted|distances|mph|km/h|per hour", sentence, re.IGNORECASE
    ):
        return
    for match in _SPEED.finditer(sentence):
        unit = "mph" if match["mph"] else "km/h"
        yield _claim("speed", unit, match[0], unit == f.speed_unit, _negated(sentence, match.start()))


# --- languages and scripts -------------------------------------------------------------------------------------------

_TEXT_NOUN = (
    r"(?:text|signs?|signage|words?|notices?|slogans?|banners?|adverts?|advertisements?|language|name"
    r"|names|street names?|"
    r"spelling|graffiti|inscriptions?|poster|posters|posters|phrase|speakers?|speaking|billboards?"
    r"|hoardings?|-speaking)"
)
_SCRIPT_NOUN = r"(?:script|alphabet|letters?|lettering|characters?|writing|type|syllables|abjad|fidel)"
_SPOKEN_IN = re.compile(
    r"\b(?:in|speaks?|spoken|read|reads|languages? (?:is|are|here is)|besides|beneath|official|says?) (?:the )?$",
    re.IGNORECASE,
)
_LISTED_IN = re.compile(
    r"(?:\b(?:with|both|only|and|(?:is|are)) (?:the )?|, )$", re.IGNORECASE
)  # said of other things too
_OTHER_NOUN = re.compile(r"[- ](?!(?:and|or|only|with|as|here)\b)[a-z]")
_EXTRA_LANGUAGES = {
    "Afrikaans": "af", "Zulu": "zu", "Xhosa": "xh", "Welsh": "cy", "Basque": "eu", "Galician": "gl", "Punjabi": "pa",
    "Marathi": "mr", "Telugu": "te", "Gujarati": "gu", "Kannada": "kn", "Malayalam": "ml", "Javanese": "jv",
    "Kurdish": "ku", "Uyghur": "ug", "Hausa": "ha", "Igbo": "ig", "Yoruba": "yo", "Breton": "br", "Frisian": "fy",
}  # fmt: skip
_SCRIPT_OF = {
    "ar": "Arab", "fa": "Arab", "ps": "Arab", "ur": "Arab", "he": "Hebr", "hi": "Deva", "ne": "Deva", "bn": "Beng",
    "ru": "Cyrl", "be": "Cyrl", "bg": "Cyrl", "mk": "Cyrl", "uk": "Cyrl", "mn": "Cyrl", "tg": "Cyrl", "ky": "Cyrl",
    "kk": "Cyrl", "el": "Grek", "hy": "Armn", "ka": "Geor", "am": "Ethi", "ti": "Ethi", "zh": "Hans", "yue": "Hant",
    "nan": "Hant", "hak": "Hant", "ja": "Jpan", "ko": "Kore", "th": "Thai", "lo": "Laoo", "km": "Khmr", "my": "Mymr",
    "si": "Sinh", "ta": "Taml", "dv": "Thaa", "dz": "Tibt", "tzm": "Tfng",
}  # fmt: skip
_SCRIPT_ALONE = {
    "Cyrillic": "Cyrl", "Devanagari": "Deva", "Hangul": "Kore", "Kanji": "Jpan", "Kana": "Jpan", "Hiragana": "Jpan",
    "Katakana": "Jpan", "Ge'ez": "Ethi", "Ethiopic": "Ethi", "Thaana": "Thaa", "Hanzi": "Hans",
}  # fmt: skip


@functools.cache
def _script_words() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for code, all_names in lexicon.SCRIPTS.items():
        for name in all_names:
            found.setdefault(name, set()).add(code)
    found["Roman"] = {"Latn"}
    found["Amharic"] = {"Ethi"}
    found["Tamil"] = {"Taml"}
    for name, code in _SCRIPT_ALONE.items():
        found[name] = {code}
    return {name: frozenset(codes) for name, codes in found.items()}


def scripts_of(f: Facts) -> frozenset[str]:
    return frozenset({f.script, *(_SCRIPT_OF.get(code, "Latn") for code in f.languages)})


@functools.cache
def _writing_words() -> tuple[dict[str, str], re.Pattern]:
    """{name of a language: its code}, and a pattern that finds the names of languages and scripts."""
    all_words = {**_EXTRA_LANGUAGES, **_language_words()}
    return all_words, re.compile(rf"(?<![\w-]){_any([*all_words, *_script_words()])}(?![\w-])")


def _writing(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Scripts and languages share their names: what the name stands beside tells which is meant."""
    all_words, pattern = _writing_words()
    listed = False
    for match in pattern.finditer(sentence):
        word, after, before = match[0], sentence[match.end() :], sentence[: match.start()]
        negated = _negated(sentence, match.start())
        if word in _script_words() and (word in _SCRIPT_ALONE or re.match(rf",?[ ](?:\w+ )?{_SCRIPT_NOUN}\b", after)):
            true = bool(_script_words()[word] & scripts_of(f)) if f.script else None
            yield _claim("script", "/".join(sorted(_script_words()[word])), word, true, negated)
            listed = False
            continue
        if word not in all_words:
            continue
        if word in _demonyms() and re.match(rf" {_COUNTRY_NOUN}\b", after):
            continue
        spoken = (
            _SPOKEN_IN.search(before) is not None
            or (_LISTED_IN.search(before) and not _OTHER_NOUN.match(after))
            or re.match(rf"[- ](?:\w+ )?{_TEXT_NOUN}\b", after)
            or re.search(r"\b(?:language|spell\w+|written|reads?|words?|slogan)\b", sentence)
            or re.match(r" (?:is|are) (?:painted|written|spoken|printed|used)\b", after)
            or word not in _demonyms()
            or (listed and re.search(r"(?:,|and|or) $", before))
        )
        listed = bool(spoken)
        if spoken and f.languages and not re.search(r"\b(?:Indian|Pacific|Arctic)\b$", word):
            code = all_words[word]
            true = code in f.languages or (code in ("nb", "nn", "no") and bool({"nb", "nn", "no"} & set(f.languages)))
            yield _claim("language", code, word, true, negated)


_KANJI = re.compile(r"\b(?:kanji|kana|hiragana|katakana|hanzi|hangul)\b")


def _lower_scripts(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    for match in _KANJI.finditer(sentence):
        code = _SCRIPT_ALONE[match[0].capitalize()]
        yield _claim("script", code, match[0], code in scripts_of(f), _negated(sentence, match.start()))


# --- hemisphere, sun, season -----------------------------------------------------------------------------------------

_HEMISPHERE = re.compile(
    r"\b(?P<a>north|south)(?:ern)? (?:hemisphere|half|side of the (?:globe|equator|planet|world)"
    r"|part of the (?:globe|world))"
    r"|\b(?P<b>north|south) of the equator|\bin the (?P<c>north|south) of the (?:globe|world|planet)"
    r"|\bhigh (?P<d>north|south)ern latitude|\b(?P<e>above|below) the equator"
    r"|\bequator (?:is|lies) (?:[\w ]{0,25}? )?to the (?P<g>north|south)",
    re.IGNORECASE,
)
_TROPICS = re.compile(r"\b(?P<out>outside |beyond )?(?:within |between |in |inside )?the tropics\b", re.IGNORECASE)
_CIRCLE = re.compile(r"\b(?P<a>Antarctic|Arctic) Circle\b")


def _hemisphere(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    for match in _HEMISPHERE.finditer(sentence):
        side = next(g for g in match.groups() if g).lower()
        side = {"above": "north", "below": "south"}.get(side, side)
        if match["g"]:
            side = "south" if side == "north" else "north"
        yield _claim("hemisphere", side, match[0], side == f.hemisphere, _negated(sentence, match.start()))
    for match in _TROPICS.finditer(sentence):
        if match["out"] or not re.match(r"(?:within|between|in|inside)", match[0], re.I):
            continue
        if re.search(r"\bfor $", sentence[: match.start()]):
            continue
        inside = abs(f.lat) <= template.TROPIC_DEG + 0.5
        yield _claim("hemisphere", "tropics", match[0], inside, _negated(sentence, match.start()))
    for match in _CIRCLE.finditer(sentence):
        side = "north" if match["a"] == "Arctic" else "south"
        yield _claim("hemisphere", side, match[0], side == f.hemisphere, _negated(sentence, match.start()))


_DIRECTION = r"(?P<{0}>(?:north|south)(?:[- ]?(?:east|west))?|east|west)(?:wards?|ern)?\b"
_SUN = re.compile(
    rf"\b(?P<body>sun|sunlight|(?:morning |evening )?light(?= \w+ from)"
    rf"|shadows?)\b(?P<gap>[^,.;:]{{0,50}}?)\b(?:the |due |point(?:s|ed)? "
    rf"|falls? |runs? |fall |run |from |a bit |to )+{_DIRECTION.format('to')}",
    re.IGNORECASE,
)
_NOON = re.compile(r"\b(?:noon|midday|mid-day)\b|\bpasses\b", re.IGNORECASE)
_INTO_SUN = re.compile(rf"\blooks? {_DIRECTION.format('to')},? (?:straight )?into the sun", re.IGNORECASE)
_SKY = re.compile(
    r"\b(?P<to>north|south|east|west)ern (?:sky|skies)\b[^.;]{0,30}\bsun\b"
    r"|\bsun\b[^,.;]{0,30}\b(?P<to2>north|south|east|west)ern (?:sky|skies)",
    re.I,
)
_AZIMUTH = {name.replace("-", ""): 45.0 * i for i, name in enumerate(lexicon.COMPASS)}


def _azimuth(direction: str) -> float:
    return _AZIMUTH[re.sub(r"[- ]", "", direction.lower())]


def _sun(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    seen: list[tuple[str, str, str, int]] = []
    for match in _SUN.finditer(sentence):
        if re.search(r"\b(?:traffic|house|roof|wall|road|street|side|water|hill|mountain)s?\b", match["gap"], re.I):
            continue
        seen.append((match["body"].lower(), match["to"], match[0], match.start()))
    seen += [("sun", m["to"], m[0], m.start()) for m in _INTO_SUN.finditer(sentence)]
    seen += [("sun", m["to"] or m["to2"], m[0], m.start()) for m in _SKY.finditer(sentence)]
    for body, direction, quote, start in seen:
        azimuth = (_azimuth(direction) + (180 if body.startswith("shadow") else 0)) % 360
        noon = _NOON.search(sentence) is not None
        actual = _noon_azimuth(f) if noon else f.sun_azimuth_deg
        up = noon or f.sun_elevation_deg > -1
        if noon and azimuth not in (0.0, 180.0):
            continue
        apart = abs((azimuth - actual + 180) % 360 - 180)
        overhead = not noon and f.sun_elevation_deg > 85
        true = None if overhead or actual is None else up and apart <= (NOON_DEG if noon else SUN_DEG)
        yield _claim("sun", lexicon.compass(azimuth), quote, true, _negated(sentence, start))


def _noon_azimuth(f: Facts) -> float:
    """Where the sun of that day stands at noon: 180 or 0."""
    day = f.when.timetuple().tm_yday
    declination = -template.TROPIC_DEG * np.cos(2 * np.pi * (day + 10) / 365)
    latitude = f.lat if abs(f.lat) <= template.TROPIC_DEG else np.sign(f.lat) * 90
    return 180.0 if latitude > declination else 0.0


_SEASONS = {
    "spring": "spring", "springtime": "spring", "mid-spring": "spring", "summer": "summer", "midsummer": "summer",
    "summertime": "summer", "autumn": "autumn", "winter": "winter", "midwinter": "winter", "wintertime": "winter",
}  # fmt: skip
_SEASON = re.compile(
    rf"(?<![\w-])(?P<season>{_any(_SEASONS)})\b(?!-)|\b(?:it's|it is|in the|this is|is|late|early) (?P<fall>fall)\b"
    r"|\b(?P<wet>wet|rainy|monsoon) season|\blong (?P<rains>rains)\b|\brainy (?P<months>months)\b"
    r"|\b(?P<dry>dry) season",
    re.IGNORECASE,
)
_OTHER_SEASON = re.compile(r"s\b| (?:rain|temperature|palace|of water|tires|tyres|coats|sales?|[A-Z])")
_HABIT = re.compile(r"\b(?:dry|wet|hot|warm|mild|cool|cold|rainy|humid) (?:and \w+ )?(?:in|all) $", re.IGNORECASE)
_MONTHS = ("january february march april may june july august september october november december").split()
_MONTH = re.compile(
    r"\b(?:(?:in|is|of|month of|belongs to|early|late|mid|this) )?(?P<m>January|February|March|April|May"
    r"|June|July|August|September|October|November|December)\b"
)


def _season(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    general = _CLIMATE_WORD.search(re.sub(r"\bplace\b|\bcountry\b|\bconditions\b", "", sentence))
    for match in _SEASON.finditer(sentence):
        negated = _negated(sentence, match.start())
        before, quote = sentence[: match.start()], match[0]
        if match["season"]:
            if (
                general
                or _HABIT.search(before)
                or re.match(
                    r"s\b| (?:rain|temperature|palace|of water|ty?ires|tyres|coats|sales?|[A-Z])",
                    sentence[match.end() :],
                )
                or re.search(r"\bhot $", before)
            ):
                continue
            season = _SEASONS[match["season"].lower()]
        elif match["fall"]:
            season = "autumn"
        else:
            season = "dry" if match["dry"] else "wet"
        if season in ("wet", "dry"):
            true = season == f.season if f.season in ("wet", "dry") else None
        elif f.season in ("wet", "dry"):
            true = season == _by_month(f) and abs(f.lat) > 10
        else:
            true = season == f.season
        yield _claim("season", season, quote, true, negated)
    if f.when is not None:
        for match in _MONTH.finditer(sentence):
            verb = match["m"] in ("May", "March") and match[0] == match["m"]
            if verb and not re.match(r" (?:\d|means|belongs|brings|is )|$", sentence[match.end() :]):
                continue
            month = _MONTHS.index(match["m"].lower()) + 1
            yield _claim("season", match["m"], match[0], month == f.when.month, _negated(sentence, match.start()))


def _by_month(f: Facts) -> str:
    quarter = (f.when.month % 12) // 3 + (0 if f.hemisphere == "north" else 2)
    return ("winter", "spring", "summer", "autumn")[quarter % 4]


# --- elevation and coast ---------------------------------------------------------------------------------------------

_WORDED = {
    "hundred": 100,
    "a hundred": 100,
    "a thousand": 1000,
    "two thousand": 2000,
    "three thousand": 3000,
    "four thousand": 4000,
    "a few dozen": 40,
}
_HEIGHT = re.compile(
    rf"(?P<bound>over|above|more than|under|below|less than|up to)?\s*(?:(?P<low>\d[\d, ]*)\s*(?:to|-"
    rf"|–)\s*)?(?P<n>\d[\d,]*(?:\.\d+)?|{_any(_WORDED)})\s*"
    r"(?P<unit>km|kilomet(?:re|er)s|m|met(?:re|er)s|ft|feet)\b(?P<below> below)?",
    re.IGNORECASE,
)
_HEIGHT_CONTEXT = re.compile(
    r"\babove (?:the )?sea|sea[- ]level|\baltitude|\belevation|\bhigh(?:er)?\b|\bup\b|\babove the sea"
    r"|\bground\b|\bvalley|\bplain\b|"
    r"\bterrain|\bprairie|\bplateau|\blies\b|\bstands?\b|\bdelta\b|\btown\b|\bthin air\b|\blow\b|\bbelow the sea",
    re.IGNORECASE,
)
_OTHER_HEIGHT = re.compile(
    r"\b(?:tall|wide|long|tower|building|skyscraper|wall|fence|pole|roof|tree|hedge|sign|bridge|mast|storeys?|away|"
    r"distance|ahead|further|coast|shore|ocean\b(?! level))",
    re.I,
)
_SEA_LEVEL = re.compile(
    r"\b(?:at|close to|near|level with|barely (?:above|higher than)|hardly above|not much above"
    r"|little above|just above|almost at|barely|around) (?:the )?(?:sea(?: level)?|ocean|water)\b"
    r"|\bbarely higher than the (?:sea|ocean)|\bhardly above the sea|\bnot much above sea level"
    r"|\b(?:flat and )?at sea level",
    re.IGNORECASE,
)
_HIGH = re.compile(r"\b(?:high altitude|highlands?|thin air|mountain town)\b", re.IGNORECASE)


def _elevation(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    if not np.isfinite(f.elevation_m):
        return
    numbers = []
    if _HEIGHT_CONTEXT.search(sentence) and not _OTHER_HEIGHT.search(sentence):
        for match in _HEIGHT.finditer(sentence):
            unit = match["unit"].lower()
            word = match["n"].lower()
            metres = float(_WORDED.get(word) or word.replace(",", ""))
            metres *= 0.3048 if unit in ("ft", "feet") else 1000 if unit.startswith("k") else 1
            if match["below"]:
                metres = -metres
            numbers.append(match)
            slack = max(ELEVATION_M, ELEVATION_SHARE * abs(f.elevation_m))
            bound = (match["bound"] or "").lower()
            if match["low"]:
                low = float(re.sub(r"[ ,]", "", match["low"]))
                true = low - slack <= f.elevation_m <= metres + slack
            elif bound in ("over", "above", "more than"):
                true = f.elevation_m >= metres - slack
            elif bound:
                true = f.elevation_m <= metres + slack
            else:
                true = abs(f.elevation_m - metres) <= slack
            yield _claim("elevation", f"{metres:.0f} m", match[0], true, False)
    if not numbers:
        for match in _SEA_LEVEL.finditer(sentence):
            if "level" in match[0] or re.search(r"higher|above", match[0]):
                yield _claim("elevation", "sea level", match[0], f.elevation_m <= SEA_LEVEL_M, False)
        for match in _HIGH.finditer(sentence):
            if not _CLIMATE_WORD.search(sentence):
                yield _claim(
                    "elevation", "high", match[0], f.elevation_m >= HIGH_M * 0.8, _negated(sentence, match.start())
                )


_SEA = re.compile(
    r"\b(?:sea(?!\s+level|-level)|ocean|coast(?:line|al)?|shores?|beach(?:es)?|seafront|seaside|seaport"
    r"|harbou?r|waterfront|docks|salt water|"
    r"Pacific|Atlantic|Caribbean|Gulf|Mediterranean(?= (?:beach|shore|coast|Sea)))\b",
    re.IGNORECASE,
)
_INLAND = re.compile(
    r"\binland\b|\bdeep in the interior\b|\bmiddle of (?:a|the) continent\b|\blandlocked\b", re.IGNORECASE
)
_FAR = re.compile(
    r"\b(?:far (?:from|away|inland)|is far|a long (?:drive|way)|a day on the road|hundreds of|thousands of"
    r"|nowhere near|no (?:sea|ocean|coast|shore)|"
    r"neither|(?:be )?further from|kilomet(?:re|er)s? (?:away|off|from)|km (?:away|off|from))\b"
    r"|(?<!not )\bfar\b(?! off)",
    re.IGNORECASE,
)
_NEAR = re.compile(
    r"\b(?:not far|near(?:by)?|close|next to|doorstep|minutes? away|blocks? away|short (?:ride|walk|drive)"
    r"|steps|behind|right there|laps?|waves|"
    r"few (?:streets|kilomet(?:re|er)s|km)|on the (?:coast|shore)|coastal|by the sea|seafront|seaport"
    r"|at the end|walk up|port)\b",
    re.IGNORECASE,
)
_KM = re.compile(r"(?P<n>\d[\d,]*|five hundred|a hundred)\s*(?:km|kilomet(?:re|er)s)\b", re.IGNORECASE)


def _coast(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    plain = re.sub(
        r"\b(?:above|below|over|from)? ?(?:the )?sea[- ]level\b|\b(?:above|below) the sea\b|hardly above the sea",
        " ",
        sentence,
        flags=re.I,
    )
    locked = re.search(
        r"\bcountry\b[^.]*\blandlocked\b|\blandlocked (?:neighbour|country|state)|\bcountry has no coast", plain, re.I
    )
    if locked:
        yield _claim("coast", "landlocked", locked[0], f.country in shore.LANDLOCKED)
        return
    inland, sea = _INLAND.search(plain), _SEA.search(plain)
    fresh = re.search(r"\b(?:lakes?|rivers?|lagoons?)\b", plain, re.I)
    fresh = fresh and not re.search(r"\b(?:sea|ocean|coast)", plain, re.I)
    if fresh or not (inland or sea) or re.search(r"\bdistances?\b", plain, re.I):
        return
    km = _KM.search(plain)
    if inland or (_FAR.search(plain) and not re.search(r"\bnot far\b", plain, re.I)) or km:
        stated = 0.0
        if km:
            word = km["n"].lower()
            stated = {"five hundred": 500.0, "a hundred": 100.0}.get(word) or float(word.replace(",", ""))
        if stated:
            near = re.search(r"\b(?:only|just|within)\b", plain) and not re.search(
                r"\bno (?:sea|ocean|coast)", plain, re.I
            )
            actual = shore.coast_km(f.lat, f.lon)
            true = actual <= stated * 1.5 if near else stated / 2 <= actual <= stated * 3
            yield _claim("coast", f"{stated:.0f} km", plain, true)
        else:
            yield _claim("coast", "inland", plain, shore.coast_km(f.lat, f.lon) >= FAR_SEA_KM)
    elif _NEAR.search(plain) or re.search(r"\bbeach(?:es)?|shore|seaport|harbou?r\b", plain, re.I):
        yield _claim("coast", "near the sea", plain, shore.coast_km(f.lat, f.lon) <= NEAR_SEA_KM)


_READERS = (
    _names, _coordinates, _climate, _driving, _speed, _writing, _lower_scripts, _hemisphere, _sun, _season, _elevation,
    _coast,
)  # fmt: skip
