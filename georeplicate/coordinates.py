"""Latitude and longitude as people and models write them, read from a short text; nothing is guessed.

``read_pair`` and ``find_pair`` know decimal degrees, degrees with minutes and seconds, hemispheres before or after,
signs, decimal commas, and the typographic variants of all marks. What cannot be read, lies out of range or is given as
(longitude, latitude) comes back as ``Unusable`` with the reason. The caller bounds the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

# Signs that are written for degrees, minutes, seconds and minus, brought to one each.
_DEGREES, _MINUTES, _SECONDS = "°º˚∘⁰ᵒ度도", "'′’‘ʹ´`‵＇分분", '"″”“ʺ‶〃＂״秒초'
_MINUS = "−﹣－"
_MARKS = str.maketrans(
    dict.fromkeys(_DEGREES, "°") | dict.fromkeys(_MINUTES, "'") | dict.fromkeys(_SECONDS, '"')
    | dict.fromkeys(_MINUS, "-") | dict.fromkeys("٫．", ".") | dict.fromkeys("،，、", ",") | dict.fromkeys("؛；", ";")
    | dict.fromkeys("≈≃∼～", " ") | {"：": ":"}
)  # fmt: skip
_UNSTABLE_MARKS = {mark: plain for mark, plain in _MARKS.items() if chr(mark) in "º˚´″⁰ᵒ‶＂"}
_DASH = re.compile(r"(?:(?<=^)|(?<=[\s(\[,;:=|/]))[‐‑‒–—―](?=\d)")  # a dash where only a sign can stand
_MOMAYYEZ = re.compile(r"(?<=[٠-٩۰-۹])/(?=[٠-٩۰-۹])")  # Persian typewriters have no other decimal sign
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")
# Hemispheres in words; what is not listed here and stands behind a number makes it unreadable (see `_stray_letter`).
_HEMISPHERES = {
    "N": "n north northern norte nord noord nördlich nördliche nördlicher север северной północ kuzey utara bắc "
    "北 شمال شمالا شمالاً उत्तर",
    "S": "s south southern sur sud sul süd zuid südlich südliche südlicher юг южной południe güney selatan nam "
    "南 جنوب جنوبا جنوباً दक्षिण",
    "E": "e east eastern este est leste ost oost östlich östliche östlicher восток восточной wschód doğu timur đông "
    "东 東 شرق شرقا شرقاً पूर्व",
    "W": "w west western oeste ouest ovest westlich westliche westlicher запад западной zachód batı barat tây "
    "西 غرب غربا غرباً पश्चिम",
}
_SIDE = {word: side for side, words in _HEMISPHERES.items() for word in words.split()}
_CJK_SIDE = re.compile(r"([北南东東西])(?:纬|緯|经|經|経)|(북|남|동|서)[위경](?=[ \d])")
_KOREAN_SIDE = dict(zip("북남동서", "NSEW", strict=True))
_WORDS = "|".join(sorted((re.escape(word) for word in _SIDE if len(word) > 1), key=len, reverse=True))
HEMISPHERE = rf"(?:{_WORDS}|(?-i:[NSEW]))(?![^\W\d_])"  # of a pattern that ignores case
# "48.85 ± 0.1": how exact a number is meant to be is no angle of its own
_TOLERANCE = re.compile(
    r"(?:(?<=[\d°'\"A-Za-z])|(?<=[\d°'\"A-Za-z] ))"
    r"\(? ?(?:[±∓]|\+ ?/ ?-|\+-) ?\d+(?:\.\d+)? ?(?:°|%|'|\"|km\b|m\b|deg(?:rees?)?\b)? ?\)?"
)
_AXIS = r"latitud(?:e|en)?|longitud(?:e|en)?|lat|long?|lng|breite|länge|широты|долготы|纬度?|緯度?|经度?|經度?|経度?"
# "22.9° de latitud sur": the hemisphere behind its axis; "22.9° ю. ш.": both abbreviated
_AXIS_FIRST = re.compile(rf"(?<=[\d°'\"])( (?:de |of )?(?:latitude?|longitude?)) ({_WORDS})(?![^\W\d_])", re.IGNORECASE)
_RUSSIAN = re.compile(r"(?<![^\W\d_])(?:([сю])\. ?ш|([вз])\. ?д)(?:\.|(?![^\W\d_]))", re.IGNORECASE)
_RUSSIAN_SIDE = dict(zip("сювз", "NSEW", strict=True))
# "minus 33.9": a sign in words, where none is subtracted from a number
_MINUS_IN_WORDS = re.compile(
    r"(?<![^\W\d_])(?<![\d°] )(?:(?:minus|negative|moins|menos|meno|минус) |(?:负|負|マイナス) ?)(?=\d)", re.IGNORECASE
)
# "48,85 Grad 51 Minuten": the marks in words of other languages
_MARK_IN_WORDS = re.compile(
    r"(?<=\d )(?:(degrés?|grad[oi]s?|grad(?:en|er)?|graus?|градус(?:а|ов)?|stopni|derece|derajat)"
    r"|(minut(?:os?|en|i)|минут[аы]?)|(secondes?|segundos?|secondi|sekunden?|секунд[аы]?))(?![^\W\d_])",
    re.IGNORECASE,
)
# "lon: 2.35, altitude 35 m": what may follow a longitude
_WHAT_ELSE = re.compile(r"[,; ](?:alt|altitude|elevation|height|radius|accuracy|zoom)\b.*", re.IGNORECASE | re.DOTALL)
_PLACEHOLDER = re.compile(r"\d\.[xX?]|\dxx", re.IGNORECASE)  # "48.XX"
_MONTH = re.compile(  # what spreadsheets make of a decimal number
    r"(?<![^\W\d_])(?:jan|feb|f[eé]v|m[aä]r|mrz|a[pvb]r|ma[iy]|jun|jui|jul|aug|ago|sep|set|o[ck]t|out|nov|de[czs])"
    r"[a-zé]{0,3}\.?(?![^\W\d_])",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"(?P<number>[-+]?(?<![\d.])\d+(?:\.\d+)?)|(?P<degrees>°|deg(?:rees?)?(?![^\W\d_])|grad\b)"
    r"|(?P<seconds>\"{1,2}|''|sec(?:onds?)?\b)|(?P<minutes>'|min(?:utes?)?\b)"
    rf"|(?P<hemisphere>(?<![^\W\d_])(?:{_WORDS}|[NSEW])(?![^\W\d_])|[北南东東西])"
    rf"|(?P<axis>(?<![^\W\d_])(?:{_AXIS})(?![^\W\d_])\.?)"
    r"|(?P<radians>\brad(?:ians?)?\b)|(?P<sign>[-+])|(?P<colon>:)|(?P<separator>[,;/|&]|\b(?:and|und|et|y|e)\b|和)|(?P<other>\S)",
    re.IGNORECASE,
)
_DECIMAL_COMMAS = re.compile(
    rf"(?<![\d.,])([-+]?\d{{1,3}}),(\d{{1,10}})( ?°? ?(?:[NSEW]|{_WORDS})?"
    r" {0,5}(?:[;/|] ?|, |(?<= )(?:et|und|and|y|e) |(?<= )|\n))"
    r"([-+]?\d{1,3}),(\d{1,10})(?![\d.,])",
    re.IGNORECASE,
)
# "48° N - 2° E": a dash between two hemispheres only parts them
_PARTING = re.compile(rf"((?<=[\d°'\"])|(?<=[\d°'\"] ))((?:[NSEW]|{_WORDS}) )[-–—](?= \d)", re.IGNORECASE)
_ONE_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d{1,3}),(\d{1,10})(?![\d.,])")
# A comma inside a number that a mark follows, or that stands behind a hemisphere, is a decimal comma.
_MARKED_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d{1,3}),(\d{1,10})(?= ?(?:[°'\"]|deg|min|sec))", re.IGNORECASE)
_LED_DECIMAL_COMMA = re.compile(r"(?<![A-Za-z])([NSEW] ?)(\d{1,3}),(\d{2,10})(?![\d.,])", re.IGNORECASE)
# Well-known text: POINT(longitude latitude), also with a height; never with a comma
_LONGITUDE_FIRST = re.compile(r"\bpoint ?(?:z|m|zm)? ?\( ?$", re.IGNORECASE)
# "Point(48.9, 2.4)": libraries differ in which comes first
_CALL = re.compile(r"(?:\bPOINT ?|\bPoint|MakePoint)\( ?\[? ?$")
_SEVERAL = re.compile(r"\b(?:multipoint|(?:multi)?(?:linestring|polygon)) ?(?:z|m|zm)? ?(?:\( ?){1,3}$", re.IGNORECASE)
_LONGITUDE_FIRST_REACH = 20  # characters before a pair that this can be read from: the whole text would be quadratic
# "scores 0.85, 0.15", "12.50, 13.75 euros": numbers of something else
_AMOUNTS_BEFORE = re.compile(
    r"(?<![^\W\d_])(?:scores?|probabilit(?:y|ies)|confidences?|likelihoods?|similarit(?:y|ies)|accurac(?:y|ies)|odds"
    r"|weights?|logits?|prices?|costs?)(?: (?:of|is|are|was|were|about))?[ :=(\[]*$",
    re.IGNORECASE,
)
_AMOUNTS_BEHIND = re.compile(
    r"[)\]]? ?(?:%|(?:percent|euros?|dollars?|pounds?|yen|yuan|rupees?|USD|EUR|GBP)(?![^\W\d_]))", re.IGNORECASE
)
_AXES = {"N": "lat", "S": "lat", "E": "lon", "W": "lon"}
_SAME_POINT_DEG = 0.01  # a point written twice, in decimals and in minutes, differs by rounding only


@dataclass(frozen=True)
class Unusable:
    """Why written coordinates are no point."""

    reason: Literal["bad_coordinates", "out_of_range", "swapped", "two_places"]
    found: str


@dataclass(frozen=True)
class _Angle:
    """Signed degrees; the axis if a hemisphere tells it; ``precise`` if a mark or two decimals show an angle;
    ``decimal`` if at least one decimal does."""

    degrees: float
    axis: str
    precise: bool
    readable: bool
    decimal: bool
    bare: int  # minutes and seconds without marks: both angles of a pair have as many
    start: int  # of its first token
    end: int  # behind its last token


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


_END = _Token("", "", -1, -1)


def before_folding(text: str) -> str:
    """The text without the marks that Unicode's compatibility folding (NFKC) would turn into letters or tear apart, and
    with one kind of minus."""
    text = re.sub(r"\^ ?(?:\{ ?\\circ ?\}|\\circ\b)", "°", text)
    text = re.sub(f"[{_MINUS}] (?=\\d)", "-", re.sub("[≈≃∼]", " ", text))
    return _DASH.sub("-", text.translate(_UNSTABLE_MARKS).translate(dict.fromkeys(map(ord, _MINUS), "-")))


def _plain(text: str) -> str:
    """Marks, digits and decimal signs of all kinds brought to one each; every character keeps its position."""
    text = _DASH.sub("-", text.translate(_MARKS))
    if not text.isascii():
        text = _MOMAYYEZ.sub(".", text)
        text = _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
        text = _CJK_SIDE.sub(lambda side: f" {_SIDE[side[1]] if side[1] else _KOREAN_SIDE[side[2]]}", text)
        text = _RUSSIAN.sub(lambda side: _RUSSIAN_SIDE[(side[1] or side[2]).lower()].ljust(len(side[0])), text)
    if "±" in text or "∓" in text or "+" in text:
        text = _TOLERANCE.sub(lambda tolerance: " " * len(tolerance[0]), text)
    text = _MARK_IN_WORDS.sub(lambda word: ("°" if word[1] else "'" if word[2] else '"').ljust(len(word[0])), text)
    text = _PARTING.sub(r"\2,", text)
    text = _AXIS_FIRST.sub(lambda said: f" {said[2]}".ljust(len(said[0])), text)
    text = _MINUS_IN_WORDS.sub(lambda sign: "-".rjust(len(sign[0])), text)
    text = _MARKED_DECIMAL_COMMA.sub(r"\1.\2", text)
    text = _DECIMAL_COMMAS.sub(r"\1.\2\3\4.\5", text)
    return _LED_DECIMAL_COMMA.sub(r"\1\2.\3", text)


class _Reader:
    """Reads the angles of one text from left to right."""

    def __init__(self, text: str):
        self.tokens = [_Token(m.lastgroup or "", m[0], m.start(), m.end()) for m in _TOKEN.finditer(text)]
        self.i = 0

    def angles(self) -> list[_Angle]:
        found = []
        while self.i < len(self.tokens):
            angle = self._angle()
            if angle is None:
                self.i += 1
            else:
                found.append(angle)
        return found

    def _peek(self, ahead: int = 0) -> _Token:
        at = self.i + ahead
        return self.tokens[at] if 0 <= at < len(self.tokens) else _END

    def _take(self) -> str:
        self.i += 1
        return self.tokens[self.i - 1].text

    def _unsigned(self, ahead: int = 0) -> bool:
        return self._peek(ahead).kind == "number" and self._peek(ahead).text[0] not in "-+"

    def _angle(self) -> _Angle | None:
        """[hemisphere] [sign] degrees [minutes [seconds]] [hemisphere] [latitude], or None without having read any."""
        start, readable, sign, hemisphere = self.i, True, "", ""
        if self._peek().kind == "hemisphere" and self._peek(1).kind in ("number", "sign"):
            hemisphere = self._take()
        if self._peek().kind == "sign" and self._unsigned(1):
            # "- 33.9" is negative, but a dash between two angles may also only part them
            readable = self._peek(-1).kind not in ("number", "degrees", "minutes", "seconds") and not hemisphere
            sign = self._take()
        if self._peek().kind != "number":
            self.i = start
            return None
        # "48.85-2.35": a dash that may be a sign; "48·85": a decimal sign that is not known
        before = self._peek(-1)
        readable &= not (before.kind == "sign" and self._peek().text[0] in "-+")  # "--33.9"
        readable &= not self._lone_letter(before)  # "S33.9, O18.4": west in French, east in German
        if before.end == self._peek().start and not hemisphere and not sign:
            glued = before.kind in ("number", "other", "degrees", "minutes", "seconds", "colon")
            torn = before.kind in ("other", "colon") and self._peek(-2).kind == "number" == self._peek().kind
            torn = torn and self._peek(-2).end == before.start and not before.text.isalpha()
            dash = glued and before.kind == "number" and self._peek().text[0] == "-" and before.text[0] not in "-+"
            readable &= not (torn or dash)
        number = self._take()
        sign = sign or ("-" if number[0] == "-" else "+" if number[0] == "+" else "")
        precise, parts, bare = len(number.partition(".")[2]) >= 2, [], 0
        if self._peek().kind == "degrees":
            self._take()
            precise, parts = True, self._minutes(hemisphere)
        elif "." not in number:
            parts = self._bare_minutes(bool(hemisphere))
            bare = len(parts)
        readable &= not parts or "." not in number  # "48.5°51'"
        if not hemisphere and self._peek().kind == "hemisphere":
            hemisphere = self._take()
        elif not hemisphere and self._bracketed_hemisphere():
            hemisphere = self._peek(1).text  # "33.9 (South)"
            self.i += 3
        elif bare and self._peek().kind == "hemisphere" and self._peek(1).kind not in ("number", "sign"):
            readable = False  # "N 48 2 E": whose are the numbers?
        side = _SIDE.get(hemisphere.casefold(), "")
        axis = _AXES.get(side, "")
        if self._peek().kind == "axis" and self._peek(1).kind not in ("number", "sign", "colon", "hemisphere"):
            named = "lat" if self._take()[:2].casefold() in ("la", "br", "ши", "纬", "緯", "纬度", "緯度") else "lon"
            readable &= axis in ("", named)
            axis, precise = named, True
        if self._peek().kind == "sign" and self._peek(1).kind != "number" and self._peek().start == self._peek(-1).end:
            readable = False  # "33.9-": from right to left, a minus
        # Two signs for one direction may cancel or repeat each other; "4.35 O" is west in French, east in German.
        readable &= self._peek().kind != "radians"
        readable &= not (sign and side) and not self._stray_letter() and all(part < 60 for part in parts)
        size = abs(float(number)) + sum(part / 60**power for power, part in enumerate(parts, 1))
        negative = sign == "-" or side in ("S", "W")
        degrees, precise = -size if negative else size, precise or parts != []
        return _Angle(degrees, axis, precise, readable, "." in number, bare, start, self.i)

    def _lone_letter(self, before: _Token) -> bool:
        """Does the initial of a hemisphere stand before the number here that languages read differently?"""
        beside = self._peek().start - before.end <= 1 and before.text in ("O", "Ö", "Ø")
        return beside and not (self._peek(-2).end == before.start and self._peek(-2).text.isalpha())

    def _bracketed_hemisphere(self) -> bool:
        opening, side, closing = (self._peek(i) for i in range(3))
        return (opening.text, side.kind, closing.text) == ("(", "hemisphere", ")")

    def _minutes(self, hemisphere: str) -> list[float]:
        """After a degree sign: 51', 51'24", or 51.4 without a mark when a hemisphere stands before or behind."""
        parts: list[float] = []
        for mark in ("minutes", "seconds"):
            if not self._unsigned():
                break
            if self._peek(1).kind == mark:
                parts.append(float(self._take()))
                self._take()
            elif self._peek(1).kind != "degrees" if hemisphere else self._peek(1).kind == "hemisphere":
                parts.append(float(self._take()))
                break
            else:
                break
        return parts

    def _bare_minutes(self, led: bool) -> list[float]:
        """48 51 24 N, 48:51:24 N, 48 51.4 N, N48 51.4: only the hemisphere tells such a row of numbers from a list."""
        colons = self._peek().kind == "colon"
        step = 2 if colons else 1
        parts: list[float] = []
        ahead = step - 1
        while len(parts) < 2 and self._unsigned(ahead) and (not colons or self._peek(ahead - 1).kind == "colon"):
            if self._peek(ahead + 1).kind in ("degrees", "minutes", "seconds"):
                return []
            parts.append(float(self._peek(ahead).text))
            ahead += step
            if "." in self._peek(ahead - step).text:
                break
        used = ahead - step + 1
        if not parts or not (led or self._peek(used).kind == "hemisphere" or colons and len(parts) == 2):
            return []
        self.i += used
        return parts

    def _stray_letter(self) -> bool:
        """Does a letter of its own follow that is no hemisphere, or a word in another script?"""
        here, following = self._peek(), self._peek(1)
        if here.kind != "other" or not here.text.isalpha():
            return False
        # A word in another script may be a hemisphere that is not listed.
        return not here.text.isascii() or following.start != here.end or not following.text[:1].isalpha()


def _point(first: _Angle, second: _Angle, labelled: bool) -> tuple[float, float] | Unusable:
    """(lat, lon) from two angles in that order, unless their hemispheres tell the reverse."""
    axes = (first.axis, second.axis)
    found = f"{first.degrees:g}, {second.degrees:g}"
    if not (first.readable and second.readable) or first.bare != second.bare:
        return Unusable("bad_coordinates", found)
    if axes == ("lon", "lat"):
        if labelled:
            return Unusable("swapped", found)
        first, second = second, first
    elif axes in (("lat", ""), ("", "lon")):  # the other one needs a sign: "40.7128° N, -74.0060°"
        if not (labelled or (second if first.axis else first).degrees <= 0):
            return Unusable("bad_coordinates", found)
    elif axes not in (("", ""), ("lat", "lon")):
        return Unusable("bad_coordinates", found)
    lat, lon = first.degrees, second.degrees
    if abs(lat) <= 90 and abs(lon) <= 180:
        return lat, lon
    exchanged = axes == ("", "") and abs(lat) <= 180 and abs(lon) <= 90
    return Unusable("swapped" if exchanged else "out_of_range", found)


def read_pair(lat: str, lon: str) -> tuple[float, float] | Unusable:
    """(lat, lon) in degrees from two texts that were given as latitude and longitude."""
    angles: list[_Angle] = []
    for text, axis in ((lat, "lat"), (lon, "lon")):
        text = _WHAT_ELSE.sub("", text)
        reader = _Reader(_ONE_DECIMAL_COMMA.sub(r"\1.\2", _plain(text).strip(" ,;\n")))
        angles += reader.angles()[:1]
        rest = reader.tokens[angles[-1].end :] if angles else []
        unread = any(token.text[-1].isdigit() or token.text == "%" for token in rest)  # "40.4 - 40.5", "40.4.5", "40 %"
        unread |= _MONTH.search(text) is not None or _PLACEHOLDER.search(text) is not None
        if rest and not angles[-1].axis:  # "74.0 approx. W"
            unread |= any(token.kind == "hemisphere" and axis_of(token.text) == axis for token in rest)
        if not angles or unread:
            angles = []
            break
    if len(angles) < 2:
        found = f"latitude {lat.strip() or 'not given'}, longitude {lon.strip() or 'not given'}"
        return Unusable("bad_coordinates", found)
    return _point(angles[0], angles[1], labelled=True)


def order_unclear(text: str) -> bool:
    """Does a pair stand here that could be (latitude, longitude) as well as (longitude, latitude)?"""
    angles = _Reader(_plain(text)).angles()[:2]
    return len(angles) == 2 and not any(one.axis or abs(one.degrees) > 90 for one in angles)


def longitude_leads(text: str) -> bool:
    """Can the first number of the text's pair be no latitude?"""
    return any(abs(one.degrees) > 90 for one in _Reader(_plain(text)).angles()[:1])


def axis_of(hemisphere: str) -> str:
    """ "lat" or "lon" of a word for a hemisphere, "" of any other."""
    return _AXES.get(_SIDE.get(hemisphere.casefold(), ""), "")


def names_hemisphere(text: str) -> bool:
    """Does a hemisphere stand beside the first angle of the text?"""
    return any(one.axis for one in _Reader(_plain(text)).angles()[:1])


def find_pair(
    text: str, expected: bool = False, longitude_first: bool = False
) -> tuple[tuple[float, float] | Unusable | None, str]:
    """The coordinates that stand as a pair in ``text`` (None if there are none), and the text without them.

    Two numbers are a pair if nothing but a separator parts them and both have marks or two decimals; other numbers
    only if they are the whole text, or have a decimal each and stand beside such a pair, or in a text with
    ``longitude_first``. ``expected``: the text was announced as coordinates, so that any two numbers are a pair and
    none is a fault. ``longitude_first``: so it was announced; hemispheres may still say otherwise.
    """
    reader = _Reader(_plain(text))  # sign by sign: same positions
    tokens, angles = reader.tokens, reader.angles()
    point: tuple[float, float] | Unusable | None = None
    spans: list[tuple[int, int]] = []
    words = sum(token.text.isalnum() for token in tokens)
    pairs: list[tuple[_Angle, _Angle, bool, bool]] = []  # with: in well-known text? sure to be a pair?
    for first, second in zip(angles, angles[1:], strict=False):
        between = tokens[first.end : second.start]
        if len(between) > 1 or any(token.kind != "separator" for token in between):
            continue
        alone = words == sum(token.text.isalnum() for token in tokens[first.start : second.end])
        before = text[max(0, tokens[first.start].start - _LONGITUDE_FIRST_REACH) : tokens[first.start].start]
        behind = text[tokens[second.end - 1].end :][:_LONGITUDE_FIRST_REACH]
        named = expected or longitude_first or first.axis or second.axis
        if not named and (_AMOUNTS_BEFORE.search(before) or _AMOUNTS_BEHIND.match(behind)):
            continue
        wkt = not between and _LONGITUDE_FIRST.search(before) is not None
        sure = expected or alone or wkt or (first.precise and second.precise)
        sure |= longitude_first and first.decimal and second.decimal
        told = longitude_first or first.axis or second.axis or max(abs(first.degrees), abs(second.degrees)) > 90
        if sure and not told and (between and _CALL.search(before) or _SEVERAL.search(before)):
            point = Unusable("bad_coordinates", text.strip())
        pairs.append((first, second, wkt, sure))
    in_wkt = False  # was the last pair in well-known text?
    paired = {id(angle) for first, second, _, sure in pairs if sure for angle in (first, second)}
    for one, following in zip(angles, angles[1:], strict=False):
        apart = one.axis == following.axis != "" and one.degrees != following.degrees
        if apart and following.start - one.end <= 1 and paired & {id(one), id(following)}:
            point = Unusable("bad_coordinates", text.strip())  # "48°N–49°N, 2°E–3°E"
    for first, second, wkt, sure in pairs:
        # beside a pair one decimal each is enough for another
        another = paired and first.decimal and second.decimal and not paired & {id(first), id(second)}
        if not (sure or another):
            continue
        if spans and first.start < spans[-1][1]:
            if "\n" in text[tokens[first.end - 1].end : tokens[second.start].start]:
                continue  # the pair ended with its line
            if in_wkt:
                continue  # a height
            point = Unusable("bad_coordinates", text.strip())  # three in a row
            continue
        spans.append((first.start, second.end))
        in_wkt = wkt
        if wkt or longitude_first and not (first.axis or second.axis):
            first, second = second, first
        here = _point(first, second, labelled=False)
        if point is None or isinstance(here, Unusable):
            point = point if isinstance(point, Unusable) else here
        elif not isinstance(point, Unusable) and max(abs(a - b) for a, b in zip(point, here)) > _SAME_POINT_DEG:
            point = Unusable("two_places", text.strip())
    if expected and point is None:
        point = Unusable("bad_coordinates", text.strip())
    pieces, at = [], 0
    for start, end in spans:
        pieces.append(text[at : tokens[start].start])
        at = tokens[end - 1].end
    return point, " ".join([*pieces, text[at:]])
