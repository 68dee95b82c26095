"""Which place a text answers with: country, state, city, coordinates; refused, with a reason, where it is not clear."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

from georeplicate import coordinates
from georeplicate.tasks.answers.given import (
    MAX_ANSWER_CHARS,
    Malformed,
    Mode,
    Place,
    check_mode,
    first_answer,
    given_in,
    refuse,
    with_repeated_keys,
)
from georeplicate.tasks.answers.letters import plain

_NOT_SAID = frozenset(
    "unknown unspecified undetermined unclear none null nil nan no n/a na ? tbd unsure unidentified anywhere".split()
) | {
    "country name", "city name", "unbekannt", "nicht bekannt", "desconocido", "desconocida", "desconhecido",
    "desconhecida", "inconnu", "inconnue", "sconosciuto", "sconosciuta", "onbekend", "nieznane", "okänd", "bilinmiyor",
    "неизвестно", "неизвестен", "未知", "不明", "不詳", "不详", "不确定", "無法確定", "无法确定", "알 수 없음", "미상",
    "غير معروف",
}  # fmt: skip
_CANNOT_SAY = re.compile(
    r"(?:not|cannot be|can['’]t be|unable to|impossible to|cannot) (?:be )?(?:sure|specif|known|determin|identif"
    r"|applicable|available|provided|given|named|visible|clear|possible|tell)",
    re.IGNORECASE,
)
# Keys by what they mean. "" is a key that says nothing about the place's name, and ends the value before it.
_KEYS = {
    "country": "country nation pays país pais land paese страна 国家 國家 国 国家名称 国家名 国名 "
    "所在国家 국가 나라 البلد الدولة देश ülke negara "
    "kraj χώρα ประเทศ",
    "city": "city town municipality ville ciudad cidade stadt città citta город 城市 都市 城市名称 城市名 "
    "都市名 所在城市 도시 المدينة शहर şehir "
    "kota miasto stad πόλη เมือง",
    "state": "state province prefecture oblast canton bundesland estado provincia 州 省 省份 都道府県",
    "place": "location place answer guess prediction 地点 地點 位置 地名 答案 回答 lieu ort lugar luogo",
    "coordinates": "latlon coordinates coordinate coords gps 坐标 座標 좌표 koordinaten coordonnées coordenadas",
    "lat": "latitude lat latitud breite breitengrad широта 纬度 緯度 위도 latitudine szerokość breedtegraad enlem "
    "lintang अक्षांश ละติจูด",
    "lon": "longitude long lng lon longitud länge längengrad долгота 经度 經度 経度 경도 longitudine długość "
    "lengtegraad boylam bujur देशांतर ลองจิจูด",
    "lonlat": "lonlat",
    "unordered": "unordered",
    "": "region county district continent area neighbourhood neighborhood street confidence reason reasoning "
    "explanation notes note landmark landmarks 地区 區域 区域 大洲 理由 原因",
}
_KEY_NAMES = {word: name for name, words in _KEYS.items() for word in words.split()}
_KEY_NAMES |= {"quốc gia": "country", "thành phố": "city", "vĩ độ": "lat", "kinh độ": "lon"}  # of two words
_KEY_NAMES |= {"خط العرض": "lat", "خط الطول": "lon", "دائرة العرض": "lat"}
# Of these the other languages' words for a value's key ("Land", "Ort") are words of English too: only with a colon.
_PLAIN_KEYS = frozenset(
    "country nation city town location place answer latlon coordinate coordinates coords gps latitude lat longitude"
    " long lng lon latitud longitud lonlat unordered state province широта долгота".split()
) | {"خط العرض", "خط الطول"}


def _order(first: str, second: str, short: str) -> re.Pattern[str]:
    """Both keys of a pair in the order of its numbers, in brackets or not; in scripts without spaces, their letters."""
    words = [
        "|".join(sorted((re.escape(word) for word, name in _KEY_NAMES.items() if name == key), key=len, reverse=True))
        for key in (first, second)
    ]
    between = r"\.?(?: ?[,;/&-] ?| )(?:(?:and|then|e|et|y|i|и|und|en|ve|và) )?"
    return re.compile(
        rf"[(\[]?(?<![^\W\d_])(?:(?:{words[0]}){between}(?:{words[1]})|(?:{words[0]})(?: comes)? first"
        rf"|{short})(?![^\W\d_])\.?[)\]]?",
        re.IGNORECASE,
    )


# Keys of a pair, in the order of its numbers, as a key or as a remark beside them ...
_BOTH_KEYS = _order("lat", "lon", r"latl(?:ng|on)|[纬緯]度?[・·/、,和]? ?[经經経]度|위도?[・·/, ]{0,2}경도")
_BOTH_TURNED = _order("lon", "lat", r"(?:lng|lon)lat|[经經経]度[・·/、,和]? ?[纬緯]度|경도[・·/, ]{0,2}위도")
# ... and the Chinese word for both, which says nothing of the order.
_BOTH_UNORDERED = re.compile(r"[经經経][纬緯]度|경위도")
_REMARK = re.compile(r"\b(?:latlon|lonlat)\b")  # what the first two are written as
_OTHER_ORDER = re.compile(r"\b(not|instead of|rather than)  ?(?:in )? ?(?:latlon|lonlat)\b", re.IGNORECASE)
_KEY = re.compile(
    r"(?<![^\W\d_]|/)(?:(?P<plain>" + "|".join(sorted(_PLAIN_KEYS, key=len, reverse=True)) + r")"
    r"|(?P<more>" + "|".join(sorted((k for k in _KEY_NAMES if k not in _PLAIN_KEYS), key=len, reverse=True)) + r"))"
    r"(?:(?: |/ ?)(?:name|code|coordinates|territory|region|province|state|town))?(?![^\W\d_](?<![是为為大约約]))"
    r"(?:['\"\])]? ?(?:[:=>]>?|->|→)"
    r"|(?P<says>(?<=[\u3400-\u9fff])(?:[是为為]|大?[约約][是为為]?(?= ?[-+]?[\d东西南北東])))"
    r"|(?(plain)(?:(?P<dash> [-–—] )|(?P<is> is\b)|(?<=[etngsdаضل])(?: of(?=\W))?(?: ?about| around| approximately|"
    r" approx\.?| roughly| ~)? ?(?=[-+]?\d|[NSEW] ?\d))|(?<=[纬緯经經経위경][度도]) ?(?=[-+]?\d)))",
    re.IGNORECASE,
)
# "lat.", "lon.", "lng.", "long.": the full stop of a key. Behind a word, "long." ends a sentence ("the road is long.").
_ABBREVIATED = re.compile(r"(?<![^\W\d_])((?i:lat|lon|lng)|(?:(?<![a-z] )|(?<=\band ))(?i:long))\. ?")
_ABBREVIATED_WITH_COLON = re.compile(r"(?<![^\W\d_])(lat|lon|lng|long)\.(?= ?[:=])", re.IGNORECASE)
# "South latitude: 22.9", "latitud sur 22.9": the hemisphere goes to the number
_SIDE_OF_KEY = re.compile(
    rf"(?<![\d°'\"] )(?<![^\W\d_])(?:(?P<before>{coordinates.HEMISPHERE}) )?(?P<key>latitude?|longitude?|lat|long?|lng)"
    rf"(?(before)|[ (]{{1,2}}(?P<behind>{coordinates.HEMISPHERE})\)?) ?[:=]? ?(?=\d)",
    re.IGNORECASE,
)
_BEFORE_A_KEY = re.compile(
    r"[.,;]? (?:(?:and )?[Tt]he|\(?\d{1,2}[.)])[ \[(]*$"
)  # "France. The city:", "France 2) City:"
_AND = re.compile(r"[ ,;](?:and|e|y|et|und|en|и)[ ,;]*$")  # of "latitude 33.9 e longitude 18.4"; a capital is east
# KML: the longitude is first, and a height may be the third
_KML = re.compile(r"<point>\s*<coordinates>(\s*[-+\d.]+\s*,\s*[-+\d.]+)?(?(1)(?:\s*,\s*[-+\d.]+)?)", re.IGNORECASE)
# Of links to maps; these services write the longitude first.
_NEXT_PARAMETER = re.compile(r"&(?=[a-z_]{1,20}=)")
_LINK_TURNED = re.compile(r"\b(?:yandex|amap|2gis)\.[^\s?]{0,40}\?(?:[^\s]{0,80}\n)?(?:ll|pt|m|position)=")
_SIDES = ("ref", "direction", "dir", "hemisphere")  # behind the name of an axis: where its letter stands
_RADIANS = re.compile(r"\bradians?\b", re.IGNORECASE)
_RULED_OUT = re.compile(
    r"(?:\b(?:not|cannot|never|unlikely|far from|nicht|niet|pas|não|no es|no son|не)\b|n['’]t\b|不是|不在)"
    r"[^\d.,;:!?\n]{0,24}[-+]?\d{1,3}[.°]",
    re.IGNORECASE,
)
_CLAUSE_OF_ANOTHER = re.compile(
    r",? (?:where|because|since|as|given|based|judging|with|which|whose)\b.*|[,;]? ?(?:\b(?:and|while|with|in|but|so|"
    r"the|its|nearest|closest|most|likely|probable|specific|capital)[ ,]*)+$",
    re.IGNORECASE,
)
_PAIRS = ("coordinates", "lonlat", "unordered")
_GEOJSON = frozenset("point multipoint linestring multilinestring polygon multipolygon".split())
_GEOJSON_IN_WORDS = re.compile(r"'type': ?'(?:" + "|".join(_GEOJSON) + ")'", re.IGNORECASE)  # as Python writes it
_MAX_OBJECTS = 20  # of JSON in one answer
_FIELDS = frozenset({"country", "city", "state", "place", "lat", "lon", "lat side", "lon side", *_PAIRS})
_MAX_PIECES = 50  # sentences and lines that are read one by one
_TOWN_KM = 100.0  # within which two names may be of one town
_MAX_NAME_CHARS = 100  # no place name of a gazetteer is longer; bounds what is looked up
_EDGES = " \t\n\"'`,;:*_-[]{}<>|=!?"
_EDGES_OF_NUMBERS = " \t\n,;"
_HEDGE = re.compile(r"^(?:(?:most|very) )?(?:likely|probably|possibly|perhaps|maybe) (?:in )?", re.IGNORECASE)
_LEAD = re.compile(
    r"^(?:\d{1,2}[.)] |i (?:think|believe|guess|would say|estimate) "
    r"|(?:that )?(?:this|it|that)(?: is|['’]s| looks like| seems to be| must be| appears to be) "
    r"|c['’]est (?:à )?|(?:es|das|dies) ist |(?:my )?(?:best )?(?:guess|estimate|answer)(?: is|:) |in |near )+",
    re.IGNORECASE,
)
_REASON = re.compile(r"(?<=\w)(?<!such)[,;]? (?:because|since|as|given|judging|based on|due to)\b.*", re.IGNORECASE)
_NAME_AT_END = re.compile(r"(?:[^\W\d_a-z][^\s,]*[ ]?){1,4}$")
# "not in Paris": a name that is ruled out; what else stands behind a "not" begins in lower case ("not sure, Paris").
_NOT_THIS = re.compile(
    r"(?i:(?<![^\W\d_])(?:not|cannot|never|neither|nor|unlikely|(?<=i )doubt(?= (?:it|this|that) )"
    r"|rather than|instead of|(?:any|every)where but|nicht|ni|no es|pas|não(?: é)?|non è|не|niet|ليس)"
    r"|n['’](?:t|est pas))"
    r"(?: (?:in|at|from|the|near|to|be|it|this|that|is|likely|part of|a|en|em|à|la|el|o|das|die|der|в|من))*"
    r" (?=[^\W\d_a-zß-ÿа-яё])"
    r"|不[是在]|ではな|じゃな|아니"
)
_CONTINENTS = frozenset(
    "africa|asia|europe|oceania|america|north america|south america|central america|latin america|the americas|"
    "caribbean|the caribbean|middle east|the middle east|southeast asia|eu".split("|")
)
_US_STATE = re.compile(r"(?:a |the )?(?:U\.?S\.?|USA|American) state", re.IGNORECASE)  # "Georgia (US state)"
_STATE_IN_BRACKETS = re.compile(rf" ?\({_US_STATE.pattern}\)", re.IGNORECASE)
_OR_ANOTHER = re.compile(r"\((?:or|possibly|perhaps|maybe) ([^()]+)\)")
_OR = re.compile(
    r" (?:[Oo]r(?! (?:around|near|close) )|oder|ou|или|veya|atau|eller|lub|hoặc|أو|또는) |或者?|または"
    r"|\b[Bb]etween\b.{1,100}? and "
)
# "Trieste, Italy (near Slovenia)", "San Diego, USA, close to Mexico": a remark on where a place lies, behind it
_NEAR = r"(?:near|close to|across from|next to|not far from|just (?:north|south|east|west) of|bordering)\b"
_BESIDE = re.compile(rf",? \({_NEAR}[^()]*\)|(?<=, )(?<!^, ){_NEAR}[^,()\n]*$", re.IGNORECASE)
# "Lyon area", "Downtown Lyon": what may be taken off where a name is none of the gazetteer
_AROUND = re.compile(
    r"^(?:near|around|downtown|central|greater|(?:the )?(?:outskirts|suburbs|vicinity|area|town|cent(?:re|er)) of) "
    r"| (?:metropolitan )?(?:area|suburbs?|outskirts|region|surroundings|vicinity)$",
    re.IGNORECASE,
)
_PART_OF = re.compile(
    r"(?:mainland|metropolitan|continental|peninsular|central|(?:north|south)-?(?:east|west)ern|(?:north|south|east|west)ern"
    r")[ -](?!Cyprus|Sudan|America)",
    re.IGNORECASE,
)
_ZIP = re.compile(r" \d{5}(?:-\d{4})?$")
_PARENTHESES = re.compile(r"\([^()]*\)")


def _clean_name(value: str) -> str:
    """A name without quotes, end marks and hedges; "" for a placeholder such as "unknown"."""
    value = _HEDGE.sub("", value.strip(_EDGES), count=1)
    if value.endswith(".") and value.count(".") == 1:  # a full stop, but not the last one of "D.C."
        value = value[:-1].strip(_EDGES)
    unsaid = value.casefold() in _NOT_SAID and value != "NO"  # NO is Norway
    return "" if unsaid or _CANNOT_SAY.match(value) else value


def _from_json(region: str) -> dict[str, list[str]] | None:
    """The fields of a JSON object in ``region``, nesting flattened; None if it holds no known key."""
    start = region.find("{")
    if start < 0 or region.find("}") < start:
        return None
    data: list[object] = []
    while start >= 0 and len(data) < _MAX_OBJECTS:
        try:
            one, start = json.JSONDecoder(object_pairs_hook=with_repeated_keys).raw_decode(region, start)
        except (ValueError, RecursionError):
            break
        data.append(one)
        start = region.find("{", start)
    fields: dict[str, list[str]] = {}
    items, turned = [("", one) for one in data], False
    for key, value in items:  # grows by what the objects hold
        key = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key.strip(" .")).lower().replace("_", " ")  # "countryCode"
        key = key.removesuffix(" name").removesuffix(" code")
        key = _ordered(key).strip()
        name, _, side = key.partition(" ")
        key = f"{_KEY_NAMES.get(name, name)} side" if side in _SIDES else _KEY_NAMES.get(key, key)
        key = {"ns": "lat side", "ew": "lon side"}.get(key, key)
        if isinstance(value, str) and value.lstrip()[:1] == "{":  # the arguments of a call, as text
            value = _decoded(value)
        if isinstance(value, dict):
            if key in ("country", "city", "state"):  # {"country": {"name": "France", "code": "FR"}}
                value = {key if name in ("name", "value", "code") else name: inner for name, inner in value.items()}
            if key in ("lat", "lon"):  # {"latitude": {"value": 33.9, "direction": "S"}}
                value = {key if name == "value" else f"{key} {name}": inner for name, inner in value.items()}
            pair, kind = value.get("coordinates"), value.get("type")
            if isinstance(kind, str) and kind.casefold() in _GEOJSON and isinstance(pair, list):
                # the longitude is first; what is no point is not read
                value = {"coordinates": pair[1::-1] if kind.casefold() == "point" else f"of a {kind}"}
            items += value.items()
            continue
        values = value if isinstance(value, list) else [value]
        if key == "features":
            items += [("", one) for one in values]
        turned |= isinstance(value, str) and _ordered(value[:40]).strip() == "lonlat"  # "order": "lon, lat"
        said = [_scalar(one) for one in values if isinstance(one, str | int | float) and not isinstance(one, bool)]
        if key in _FIELDS and said:
            several = said if key in ("country", "city", "state") else [", ".join(said)]
            fields.setdefault(key, []).extend(several)
    if turned and "coordinates" in fields:
        fields["lonlat"] = fields.pop("coordinates")
    for axis in ("lat", "lon"):
        for side in fields.pop(f"{axis} side", []):
            fields[axis] = [f"{value} {side}" for value in fields.get(axis, [])]
    return {key: values for key, values in fields.items() if values} or None


def _decoded(text: str) -> object:
    """The object of JSON that a text is; the text itself where it is none."""
    try:
        return json.loads(text, object_pairs_hook=with_repeated_keys)
    except (ValueError, RecursionError):
        return text


def _scalar(value: str | int | float) -> str:
    return f"{value:.9f}" if isinstance(value, float) else str(value)  # never in powers of ten


def _from_keys(region: str) -> tuple[dict[str, list[str]], str]:
    """The fields of "key: value" text in any order and on any number of lines, and the text around them."""
    if _GEOJSON_IN_WORDS.search(region):
        region = region.replace("'coordinates'", "'lonlat'")
    region = _LINK_TURNED.sub("lonlat: ", _KML.sub(r"lonlat: \1", region))
    region = _ordered(_from_tables(region))
    region = _SIDE_OF_KEY.sub(_side_to_number, region)
    region = _ABBREVIATED_WITH_COLON.sub(r"\1", _BOTH_UNORDERED.sub("unordered", region))
    keys = list(_KEY.finditer(region))
    if (unstopped := _ABBREVIATED.sub(r"\1 ", region)) != region:  # a pair of keys, or words that only look like one
        found = list(_KEY.finditer(unstopped))
        if {"lat", "lon"} <= {_key_name(key) for key in found}:
            region, keys = unstopped, found
    fields: dict[str, list[str]] = {}
    prose = [region[: keys[0].start()] if keys else region]
    for key, following in zip_longest(keys, keys[1:]):
        value = region[key.end() : following.start() if following else len(region)].lstrip()
        says = key["is"] or key["says"]
        name = _key_name(key)
        ends = r"[\n<]|\. " if says else r"[\n<]"
        value, *rest = re.split(ends + "|[,。;]" if key["says"] and name not in _PAIRS else ends, value, maxsplit=1)
        if key["dash"] and name in ("lat", "lon", *_PAIRS) and not coordinates.names_hemisphere(value):
            name, value = "unsigned", key[0] + value  # "latitude - 33.9": a minus, or a dash?
        if name == "lat" and following:
            value = _AND.sub("", value)
        if following:
            value = _BEFORE_A_KEY.sub("", value)
        if says:
            value = _CLAUSE_OF_ANOTHER.sub("", value.rstrip(" .。"))
        if name and not (says and name in fields):  # "the country is known for ..." behind an answer
            fields.setdefault(name, []).append(value)
        prose += rest
    return fields, "\n".join(prose)


def _side_to_number(key: re.Match[str]) -> str:
    side = key["before"] or key["behind"]
    return f"{key['key']}: {side} " if coordinates.axis_of(side) == _KEY_NAMES[key["key"].lower()] else key[0]


def _ordered(text: str) -> str:
    """The text with "latlon" or "lonlat" for whatever names both keys of a pair."""

    def named(word: str, found: re.Match[str]) -> str:
        opening, closing = found[0][0] in "([", found[0][-1] in ")]"
        return f"{found[0][0] if opening > closing else ' '}{word}{found[0][-1] if closing > opening else ' '}"

    text = _BOTH_KEYS.sub(partial(named, "latlon"), _BOTH_TURNED.sub(partial(named, "lonlat"), text))
    return _OTHER_ORDER.sub(r"\1", text)


def _key_name(key: re.Match[str]) -> str:
    return _KEY_NAMES[(key["plain"] or key["more"]).lower()]


def _from_tables(region: str) -> str:
    """Rows of Markdown tables as "key: value" lines: keys in the first column, or in the first row."""
    if "|" not in region:
        return region
    lines: list[str] = []
    header: list[str] = []
    for line in region.split("\n"):
        cells = [
            cell.strip(_EDGES.replace("-", "")) for cell in line.strip().strip("|").split("|")
        ]  # "-" is a sign too
        known = [cell.lower().rstrip(".") in _KEY_NAMES for cell in cells]
        if len(cells) < 2:
            header = []
        elif sum(known) > 1:  # "| Rank | Country | City |"
            header, line = cells, ""
        elif header and not any(cell.strip(_EDGES) for cell in cells):  # the rule below the header
            line = ""
        elif header and len(cells) == len(header):
            line = "\n".join(f"{key}: {value}" for key, value in zip(header, cells))
        elif known[0] and len(cells) == 2:
            line = f"{cells[0]}: {cells[1]}"
        lines.append(line)
    return "\n".join(lines)


@dataclass(frozen=True)
class _Land:
    """A country as an answer names it: the name as written, its code, the division given with it."""

    name: str
    code: str
    state: str = ""


def _code(name: str, bare: bool = False) -> str | None:
    from georeplicate import atlas  # on first use: the parsers of letters and the rewards need no gazetteer

    said = name.removeprefix("The ").removeprefix("the ").strip()
    word = bare and len(said) <= 3 and said.isascii() and not said.isupper()  # "it", "in", "can" are words before codes
    if word or not 0 < len(name) <= _MAX_NAME_CHARS:
        return None
    return atlas.country_code(name) or next(iter(atlas.ambiguous(name)), None)


def _country(value: str, bare: bool = False) -> _Land | Malformed | None:
    """The country of a field, or of a part of a sentence (``bare``); None if nothing was said."""
    name = _clean_name(value)
    if not name:
        return None
    for spelling in (value.strip(), name):
        if (found := _code(spelling, bare)) and not _split_name(spelling):
            return _Land(name, found)
    if (other := _OR_ANOTHER.search(value)) and _code(_clean_name(other[1])):
        return refuse("two_places", name)  # "Spain (or Portugal)"
    if two := _split_name(name):
        if isinstance(land := _of_two(name, *two), _Land | Malformed):
            return land
    for spelling in (value.strip(), name, _PARENTHESES.sub("", name).strip()):
        if found := _code(spelling, bare):
            return _Land(name if spelling == value.strip() else spelling, found)
    if (part_of := _PART_OF.match(name)) and (found := _code(name[part_of.end() :], bare)):  # "Southern France"
        return _Land(name[part_of.end() :], found)
    parts = [_clean_name(part) for part in re.split(rf"/|{_OR.pattern}| and |[|;]", name)]
    several = {found for part in parts if (found := _code(part, bare))}
    if len(several) == 1 and len(parts) > 1 and all(_code(part, bare) for part in parts):  # "Burma/Myanmar"
        return _Land(parts[0], several.pop())
    return refuse("two_places" if len(several) > 1 else "unknown_country", name)


def _split_name(name: str) -> tuple[str, str] | None:
    """("Georgia", "USA") of "Georgia, USA" and of "Georgia (USA)"."""
    found = re.fullmatch(r"([^,()]+)(?:,([^,()]+)|\(([^()]+)\))", name)
    parts = found and (_clean_name(found[1]), _US_STATE.sub("USA", _clean_name(found[2] or found[3])))
    return parts if parts and all(parts) else None


def _of_two(name: str, one: str, other: str) -> _Land | Malformed | None:
    """A country field of two parts: a division with its country in either order, a territory with its state; None where
    the whole is one name, or no part is a country."""
    from georeplicate import atlas

    first, second = _code(one), _code(other)
    for state, own, country, code in ((one, first, other, second), (other, second, one, first)):
        if code and code != own and atlas.in_country(state, code):
            inside = atlas.narrower(own, code) if own else None  # Puerto Rico is no division
            return _Land(country, code, state) if not inside else _Land(state, inside)
    if whole := _code(name):
        return _Land(name, whole)
    if first and second:
        inside = atlas.narrower(first, second)
        return _Land(name, inside) if inside else refuse("two_places", name)
    return None


def _bare_place(text: str) -> tuple[str, _Land] | Malformed | None:
    """(city, country) of text without keys: "Paris, France", "France", "Paris (France)", "in Waco, USA"."""
    from georeplicate import atlas

    text = _BESIDE.sub("", _STATE_IN_BRACKETS.sub(", USA", text))
    parts = [part for raw in re.split(r"[,;|\n()、،؛，；]| [-–—] ", text) if (part := _clean_name(raw))]
    parts = [part for part in parts if any(character.isalpha() for character in part)]
    if not parts:
        return None
    if ruled_out := [i for i, part in enumerate(parts) if _NOT_THIS.search(part)]:
        if not ruled_out[0]:
            return refuse("negated", text)
        parts, rest = parts[: ruled_out[0]], parts[ruled_out[0] + 1 :]  # "Madrid, Spain, not Lisbon, Portugal"
        if not isinstance(_country(parts[-1], bare=True), _Land):
            parts += rest[-1:]  # "Nice, not Cannes, France"
    if _OR.search(text):
        return refuse("two_places", text)
    for end in (-1, 0):
        if len(parts) > 1 and parts[end].casefold() in _CONTINENTS:
            parts.pop(end)
    names = [_clean_name(re.split("^(?:in|en|em|à) | in ", part)[-1]) for part in parts]
    if len(names) > 2 and _code(whole := ", ".join(names[-2:]), bare=True):  # "Kinshasa, Congo, Dem. Rep."
        names, parts = [*names[:-2], whole], [*parts[:-2], whole]
    last = _country(names[-1], bare=True)
    if isinstance(last, _Land) and _another_country(names[:-1], last.code):
        return refuse("two_places", text)
    if isinstance(last, _Land) and len(parts) == 1 and " in " in parts[0]:  # "The photo shows Lyon in France"
        named = _NAME_AT_END.search(parts[0].rsplit(" in ", 1)[0])
        if named and _is_city(named[0], last.code):
            return named[0], last
    if isinstance(last, _Land):  # "Based on the signs, it is in Waco, Texas, USA": what follows "in", else the first
        after_in = [name for part, name in zip(parts[:-1], names) if " in " in part]
        city = after_in[-1] if after_in else _first_city(names[:-1], last.code)
        land = _with_state(city, names[names.index(city) + 1 : -1] if city else [], last)
        if city and names[-1] == land.code != "US" and not atlas.country_of(f"{city}, {names[-1]}"):
            return refuse("no_country", text)  # "Bari, BA" is not in Bosnia
        return _name_behind_phrase(city, land.code), land
    first = _country(names[0], bare=True)
    if isinstance(first, _Land) and all(len(name.split()) <= 3 for name in names[1:]):  # "Japan, Tokyo"
        if len(names) > 2 and _is_city(names[2], first.code):  # "中国，四川省，成都市"
            if atlas.in_country(names[1], first.code) or not _is_city(names[1], first.code):
                return names[2], _Land(first.name, first.code, names[1])
        return names[1], first
    if len(names) > 1:  # "Paris, Texas"; several countries have a Florida
        divided = _of_state(names[-1]) or _of_state(names[-1], names[-2]) or _abbreviated(names[-2], names[-1])
        if divided:
            return names[-2], divided
    for said in (last, first):
        if isinstance(said, Malformed) and said.reason == "two_places":
            return said
    return refuse("no_country", text)


def _another_country(names: Sequence[str], code: str) -> bool:
    """Is one of the names before the country's another country's ("France, Belgium"), and no place or division of it?
    Or its own, with another place behind ("Lyon, France / Paris, France")?"""
    from georeplicate import atlas

    names = list(dict.fromkeys(names))
    for i, name in enumerate(names):
        name = name.rpartition(": ")[2]  # "Countries: Spain, Portugal"
        other = _code(name, bare=True) if len(name.replace(".", "")) > 3 else None
        if not other or atlas.in_country(name, code) or _is_city(name, code):
            continue
        if not atlas.narrower(other, code) or other == code and not all(map(_code, names[i:])):
            return True
    return False


def _first_city(names: Sequence[str], code: str) -> str:
    """The first name, or the first city of the country where that is no name at all ("No doubt, Lyon")."""
    from georeplicate import atlas

    if len(names) > 1 and not _is_city(names[0], code) and not atlas.in_country(names[1], code):
        return next((name for name in names if _is_city(_name_behind_phrase(name, code), code)), names[0])
    return names[0] if names else ""


def _name_behind_phrase(city: str, code: str) -> str:
    """The city at the end of a phrase that is none ("Foto tirada em Lyon"), else the phrase as it is."""
    from georeplicate import atlas

    city = _trimmed(city, code)
    words = city.split(" ")
    if len(words) == 1 or len(city) > 3 * _MAX_NAME_CHARS or _is_city(city, code) or atlas.in_country(city, code):
        return city
    for i, before in enumerate(words[:-1], 1):
        name = " ".join(words[i:])
        if before.islower() and not name[0].islower() and _is_city(name, code):
            return name
    return city


def _trimmed(city: str, code: str) -> str:
    """The city of "Lyon area" and "Downtown Lyon", where the whole is no name."""
    trimmed = _AROUND.sub("", city)
    return trimmed if trimmed != city and not _is_city(city, code) and _is_city(trimmed, code) else city


def _prose_place(text: str) -> tuple[str, _Land] | Malformed | None:
    """(city, country) of lines and sentences: the one place that they name; refused where they name two."""
    found: dict[tuple[str, str], tuple[str, _Land]] = {}
    pieces = [piece for line in text.split("\n") for piece in re.split(r"(?<=[a-zà-ÿ]{4})[.!](?: |$)", line)]
    pieces = [_LEAD.sub("", _REASON.sub("", piece.strip(" \t-*•>")), count=1) for piece in pieces]
    pieces = [piece for piece in pieces if piece.strip(_EDGES)]
    whole = _bare_place("\n".join(pieces))
    if len(pieces) < 2:
        return whole
    for piece in pieces[:_MAX_PIECES]:
        place = _bare_place(piece)
        if isinstance(place, tuple):
            found.setdefault((_fold(place[0]), place[1].code), place)
        elif isinstance(place, Malformed) and place.reason == "two_places":
            return place
    with_city = {code for city, code in found if city}
    full = {key: place for key, place in found.items() if key[0] or key[1] not in with_city}
    if len(full) > 1:
        return refuse("two_places", text)
    if full and (isinstance(whole, Malformed) or next(iter(full))[0]):
        return next(iter(full.values()))
    return whole


def _abbreviated(city: str, division: str) -> _Land | None:
    """The country of "Portland, OR": the city lies in the division of this abbreviation."""
    from georeplicate import atlas

    letters = _ZIP.sub("", division).replace(".", "")
    if not (2 <= len(letters) <= 3 and letters.isascii() and letters.isupper()):
        return None
    code = atlas.country_of(f"{city}, {letters}")
    return _Land(atlas.country_name(code), code, letters) if code else None


def _with_state(city: str, between: Sequence[str], land: _Land) -> _Land:
    """The country with the division that stands between it and the city; "Atlanta, Georgia" lies in another country."""
    from georeplicate import atlas

    state = next((name for name in between if atlas.in_country(name, land.code)), "")
    if city and not state and atlas.countries_with(land.name) - {land.code} and not atlas.geocode(city, land.code):
        return _of_state(land.name, city) or land
    return _Land(land.name, land.code, state)


# First-order divisions in the gazetteer of which two states, or a state and its own government, both say that they are
# theirs: as the name of a country they stay unknown.
_DISPUTED = frozenset({"crimea", "sevastopol", "abkhazia"})


def _division_for_country(name: str, city: str) -> _Land | None:
    """The country of a division that stands where a country should ("country: Texas"), with such a city in it."""
    return None if _fold(name) in _DISPUTED else _of_state(name, city)


def _of_state(state: str, city: str | None = None) -> _Land | None:
    """The country that alone has a division of this name (and such a city in it)."""
    from georeplicate import atlas

    codes = atlas.countries_with(state) if len(state) <= _MAX_NAME_CHARS else set()
    if city is not None:
        codes = {code for code in codes if atlas.geocode(city, code, state)}
    if len(codes) != 1:
        return None
    code = codes.pop()
    return _Land(atlas.country_name(code), code, state)


def _place(region: str) -> Place | Malformed:
    """One answer block (or the loose text) read as a place."""
    from georeplicate import atlas

    if "&" in region:
        region = html.unescape(region)
    region = _NEXT_PARAMETER.sub("\n", re.sub("%2c", ",", region, flags=re.IGNORECASE))  # of a link
    fields = _from_json(region)
    prose = ""
    if fields is None:
        region = plain(coordinates.before_folding(region))
        if len(region) > MAX_ANSWER_CHARS:
            return refuse("too_long", region)
        fields, prose = _from_keys(region)
    place = ", ".join(fields.pop("place", []))
    prose = place or prose

    point: tuple[float, float] | coordinates.Unusable | None = None
    if "unsigned" in fields:
        return refuse("bad_coordinates", fields["unsigned"][0].strip())
    for key in ("lat", "lon", *_PAIRS):  # "latitude: unknown"
        if key in fields and not any(map(_clean_name, fields[key])):
            del fields[key]
    if any(
        len({value.strip(_EDGES_OF_NUMBERS) for value in fields.get(key, [])}) > 1 for key in ("lat", "lon", *_PAIRS)
    ):
        return refuse("two_places", region.strip())
    if "lat" in fields or "lon" in fields:
        point = coordinates.read_pair(fields.get("lat", [""])[0], fields.get("lon", [""])[0])
    elif "unordered" in fields and coordinates.order_unclear(fields["unordered"][0]):
        return refuse("bad_coordinates", f"which is the latitude? {fields['unordered'][0]}")
    elif pair := next((key for key in _PAIRS if key in fields), ""):
        turned = pair == "lonlat" or pair == "unordered" and coordinates.longitude_leads(fields[pair][0])
        point, _ = _pair(fields[pair][0], expected=True, turned=turned)
    elif "country" in fields or "city" in fields:
        for key in ("city", "country"):  # "city: Paris, France (48.85, 2.35)"
            for i, value in enumerate(fields.get(key, [])):
                inside, fields[key][i] = _pair(value)
                point = point or inside
        if point is None and not _RULED_OUT.search(prose):  # on a line of its own below the names
            inside, _ = _pair(prose)
            point = inside if isinstance(inside, tuple) else None
    else:
        if _RULED_OUT.search(prose):
            return refuse("negated", prose)
        point, prose = _pair(prose)
    if isinstance(point, tuple) and _RADIANS.search(region):
        return refuse("bad_coordinates", region.strip())
    if isinstance(point, coordinates.Unusable):
        return refuse(point.reason, point.found)

    for value in (*fields.get("city", []), *fields.get("state", [])):
        if (denied := _NOT_THIS.search(value)) and "(" not in value[: denied.start() + 1]:
            return refuse("negated", value)
        if _OR_ANOTHER.search(value):  # "Paris (or Lyon)"
            return refuse("two_places", value)
    cities = {_fold(name): name for value in fields.get("city", []) if (name := _city(value))}
    if any(map(_OR.search, cities.values())):
        return refuse("two_places", ", ".join(cities.values()))
    states = {
        _fold(name): name for value in fields.get("state", []) if (name := _clean_name(_PARENTHESES.sub("", value)))
    }
    lands: dict[str, _Land] = {}
    for value in fields.get("country", []):
        land = _country(value)
        if isinstance(land, Malformed) and land.reason != "two_places" and "," in value:  # "country: Paris, France"
            bare = _bare_place(value)
            if isinstance(bare, tuple):
                land = bare[1]
                if not cities or _is_city(bare[0], land.code):  # else a landscape: "Russia, Siberia"
                    cities.setdefault(_fold(bare[0]), bare[0])
        if isinstance(land, Malformed) and land.reason == "unknown_country" and len(cities) == 1:
            land = _division_for_country(land.found, next(iter(cities.values()))) or land
        if isinstance(land, Malformed):
            return land
        if land:
            lands.setdefault(land.code, land)
            if land.state:
                states.setdefault(_fold(land.state), land.state)
    if not lands and states and len(states) == len(cities) == 1:
        land = _of_state(next(iter(states.values())), next(iter(cities.values())))
        lands = {land.code: land} if land else {}
    if not lands and (cities or not fields.keys() & {"country", "city"}):
        bare = _bare_place(", ".join(cities.values())) if cities else _prose_place(prose)
        if isinstance(bare, Malformed) and (point is None or cities and bare.reason == "two_places"):
            return bare
        if isinstance(bare, tuple):
            cities, lands = ({_fold(bare[0]): bare[0]} if bare[0] else {}), {bare[1].code: bare[1]}
            states = states or ({_fold(bare[1].state): bare[1].state} if bare[1].state else {})
    if len(lands) > 1 or len(cities) > 1 or len(states) > 1:
        names = [*cities.values(), *states.values(), *(land.name for land in lands.values())]
        return refuse("two_places", ", ".join(names))
    if not lands and point is None:
        return refuse("no_place", region.strip())
    city, state = (next(iter(said.values()), "")[:_MAX_NAME_CHARS] for said in (cities, states))
    land = next(iter(lands.values()), None)
    if land and place and "city" not in fields and not city:  # "Land: Österreich\nOrt: Graz"
        city = next((name for part in place.split(",") if _is_city(name := _clean_name(part), land.code)), "")
    if land and "," in city and isinstance(last := _country(city.rpartition(",")[2]), _Land):
        if atlas.narrower(last.code, land.code) == last.code:  # "city: Paris, France", "city: San Juan, Puerto Rico"
            land, city = (land if last.code == land.code else last), _clean_name(city.rpartition(",")[0])
    city = _trimmed(city, land.code) if land else city
    land = land and _meant(land, city, state)
    if isinstance(land, Malformed):
        return land
    if land and (two := _two_cities(city, land.code) if city else _two_states(state, land.code)):
        return refuse("two_places", two)
    country, code = (land.name, land.code) if land else ("", None)
    state = state or (land.state[:_MAX_NAME_CHARS] if land else "")
    if point is not None and city and code and _exchanged(*point, city, code):
        return refuse("swapped", f"{point[0]:g}, {point[1]:g} for {city}")
    lat, lon = point or (None, None)
    return Place(_told_apart(city, code, state), country, code, lat, lon, state)


def _pair(
    text: str, expected: bool = False, turned: bool = False
) -> tuple[tuple[float, float] | coordinates.Unusable | None, str]:
    """`coordinates.find_pair` in a text in which a remark may say the order of the numbers ("2.35, 48.85 (lon, lat)");
    the text comes back without it."""
    text = _ordered(text)
    turned = turned or "lonlat" in text
    return coordinates.find_pair(_REMARK.sub(" ", text), expected, turned)


def _city(value: str) -> str:
    """A city's name; a division in brackets stays with it ("Portland (Maine)"), other remarks go."""
    from georeplicate import atlas

    inside = re.search(r"\(([^()]+)\)", value)
    name = _clean_name(_PARENTHESES.sub("", value))
    if inside and name and "," not in name and len(inside[1]) <= _MAX_NAME_CHARS:
        if atlas.countries_with(inside[1]) and atlas.geocode(f"{name}, {inside[1]}", None):
            return f"{name}, {inside[1].strip()}"
    return name


def _told_apart(city: str, code: str | None, state: str) -> str:
    """The city with its state where its name alone would mean another place: whoever geocodes only city and country
    finds the right one."""
    from georeplicate import atlas

    if not (city and code and state) or "," in city:
        return city
    there = atlas.geocode(city, code, state)
    return f"{city}, {state}" if there and there != atlas.geocode(city, code) else city


def _two_cities(city: str, code: str) -> str:
    """The name again if it is two cities of the country ("Madrid/Seville"), else ""."""
    from georeplicate import atlas, geo

    parts = [part.strip() for part in re.split(r"[,/]| and ", city)]
    at = [point for part in parts if (point := atlas.geocode(part, code))]
    if not 1 < len(parts) == len(at):
        return ""
    if _is_city(city, code):  # a part of town and its town, or a town and its division
        apart = geo.haversine_km(*at[0], *at[-1]) > _TOWN_KM and not atlas.in_country(parts[-1], code)
        return city if apart else ""
    return city


def _two_states(state: str, code: str) -> str:
    """The name again if it is two divisions of the country ("Texas or Oklahoma"), else ""."""
    from georeplicate import atlas

    parts = [part.strip() for part in re.split(r"[,/]| and | or ", state)]
    return state if len(parts) > 1 and all(atlas.in_country(part, code) for part in parts) else ""


def _is_city(name: str, code: str) -> bool:
    from georeplicate import atlas

    return atlas.geocode(name, code) is not None


def _meant(land: _Land, city: str, state: str) -> _Land | Malformed:
    """The country meant by a name that several bear: the one of them that has the city."""
    from georeplicate import atlas

    codes = atlas.ambiguous(land.name)
    if not codes:
        alone = city and not (state or land.state) and _fold(city) != _fold(land.name)
        elsewhere = alone and not atlas.geocode(city, land.code)
        own = _code(city) if city else None
        if own and atlas.narrower(own, land.code) == own != land.code:
            if atlas.country_of(city, land.code) in (own, None):  # "Hong Kong, China"; Saint-Martin is a town, too
                return _Land(city, own)
        if elsewhere and (code := atlas.country_of(f"{city}, {land.name}")) and code != land.code:
            return _Land(atlas.country_name(code), code, land.name)  # "Los Angeles, CA" is not in Canada
        return land
    if not city and land.state:  # "Congo (Brazzaville)"
        having = [code for code in codes if atlas.in_country(land.state, code)]
    else:
        having = [code for code in codes if city and atlas.geocode(city, code, state)]
    return _Land(land.name, having[0], land.state) if len(having) == 1 else refuse("ambiguous", land.name)


# A point far from the named city whose mirror image lies near it was written in the wrong order.
SWAPPED_NEAR_KM = 300.0
SWAPPED_FAR_KM = 1000.0


def _exchanged(lat: float, lon: float, city: str, code: str) -> bool:
    from georeplicate import atlas, geo

    if abs(lon) > 90:
        return False
    named = atlas.geocode(city, code)
    if named is None:
        return False
    given, mirrored = geo.haversine_km(lat, lon, *named), geo.haversine_km(lon, lat, *named)
    return bool(given > SWAPPED_FAR_KM and mirrored < SWAPPED_NEAR_KM)


def parse_place(text: object, mode: Mode = "paper") -> Place | Malformed:
    """The place that a completion answers with.

    paper: "country:" and "city:" lines in any case and order, JSON, tags or a bare "Paris, France"; the country must be
    known to the atlas (names in any language it holds, codes); coordinates may stand beside or instead of the names, in
    decimal degrees or degrees, minutes and seconds, signed or with hemispheres, and are refused when they are out of
    range or exchanged.
    released: as GLOBE's evaluation script: lower-case "country:" and "city:" only, up to the line's end, in the first
    answer block or, without one, anywhere; names are lower-cased; no code, no coordinates. Neither name found is
    ``Malformed``.
    """
    check_mode(mode)
    if not isinstance(text, str):
        return refuse("not_text", type(text).__name__)
    if mode == "released":
        answer = first_answer(text)
        country, city = (_released_field(text if answer is None else answer, key) for key in ("country:", "city:"))
        return Place(city, country) if country or city else refuse("no_place")
    given = given_in(text)
    if isinstance(given, Malformed):
        return given
    regions = given.blocks or given.loose
    if sum(map(len, regions)) > MAX_ANSWER_CHARS:
        return refuse("too_long", regions[0])
    places = {_place(region) for region in regions}
    return places.pop() if len(places) == 1 else refuse("two_places", " | ".join(regions))


def _released_field(answer: str, key: str) -> str:
    at = answer.find(key)
    return "" if at < 0 else answer[at + len(key) :].lstrip().split("\n", 1)[0].strip().lower()


RELEASED_NAME_RATIO = 0.7  # verified in GLOBE's code


def _fold(name: str) -> str:
    """Case, accents, punctuation and spacing removed."""
    if len(name) > _MAX_NAME_CHARS:
        return name
    letters = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c)).split())


def same_place_name(a: str, b: str, mode: Mode = "paper") -> bool:
    """Do two names mean the same place, by spelling alone?

    paper: equal once case, accents and punctuation are gone (GLOBE's paper asks for an exact match).
    released: one contains the other, whatever the case, and the shorter has at least ``RELEASED_NAME_RATIO`` of the
    longer's length (GLOBE's code): "york" is not "new york", but "san jose" is "san jose c".
    """
    check_mode(mode)
    if mode == "paper":
        return _fold(a) == _fold(b) != ""
    if not (a and b and RELEASED_NAME_RATIO <= len(a) / len(b) <= 1 / RELEASED_NAME_RATIO):
        return False
    return a.lower() in b.lower() or b.lower() in a.lower()
