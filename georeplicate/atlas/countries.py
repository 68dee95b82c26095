"""Countries: codes, names in many languages, and the facts that hold throughout one.

"Country" means an ISO 3166-1 territory, as in GeoNames: Puerto Rico and Hong Kong have codes of their own, and the
state that each belongs to is its `sovereign`. Kosovo is XK.
"""

import functools
import json
import re

import numpy as np

from georeplicate.atlas import names, store

# "Democratic" is left out on purpose: there it tells two countries apart.
_FORM_OF_STATE = re.compile(
    "^(the )?(((federal|federative|islamic|co operative) )?republic of |(kingdom|principality|sultanate|commonwealth|"
    "grand duchy|union) of )?(the )?"
)

# Abbreviations of official tables ("Congo, Dem. Rep.", "Micronesia, Fed. Sts.").
_WRITTEN_OUT = {"dem": "democratic", "rep": "republic", "fed": "federated", "sts": "states", "eq": "equatorial"}
_WRITTEN_OUT |= {"herz": "herzegovina", "is": "islands", "brit": "british", "fr": "french"}
_DIRECTIONS = {("N", False): "North ", ("S", False): "South ", ("N", True): "Northern ", ("S", True): "Southern "}
_COMPASS = re.compile(r"^([NS])\.? (?=(Korea|Ireland|Africa|Macedonia|Sudan))", re.IGNORECASE)
_FILLING = frozenset({"the", "of", "and"})
_INVERTED = re.compile(r"^([^,(（]+)[,(（]\s*([^)）]+?)\s*[)）]?\s*$")

# Names in use that the packed tables lack: short forms in Chinese, islands that share one code, official long forms.
_MORE_NAMES = {
    "BQ": ("Bonaire", "Saba", "Sint Eustatius", "Bonaire, Sint Eustatius and Saba", "BES Islands"),
    "SH": ("Ascension Island", "Tristan da Cunha"),
    "SJ": ("Svalbard", "Jan Mayen"),
    "SX": ("Saint Martin (Dutch part)", "Sint Maarten (Dutch part)"),
    "MF": ("Saint Martin (French part)",),
    "PF": ("Tahiti",),
    "HK": ("香港", "홍콩", "ホンコン"),
    "MO": ("澳门", "澳門", "마카오", "マカオ"),
    "CD": (
        "刚果民主共和国", "剛果民主共和國", "刚果金", "Congo-Kinshasa", "Belgian Congo", "Democratic Republic Congo",
        "Congo DR", "RDC", "République démocratique du Congo", "República Democrática del Congo",
    ),
    "CG": ("刚果共和国", "剛果共和國", "刚果布", "Congo-Brazzaville"),
    "KP": ("Democratic Republic of Korea", "Democratic People's Republic Korea", "北韩", "北韓"),
    "KR": ("ROK", "韓國", "大韩民国", "大韓民國"),
    "KG": ("Kyrgyz Republic",),
    "LY": ("Libyan Arab Jamahiriya",),
    "MK": ("FYR Macedonia", "Former Yugoslav Republic of Macedonia", "Makedonija", "Severna Makedonija"),
    "JO": ("Hashemite Kingdom of Jordan",),
    "VN": ("Socialist Republic of Vietnam", "Socialist Republic of Viet Nam"),
    "ET": ("Federal Democratic Republic of Ethiopia", "Abyssinia"),
    "BD": ("People's Republic of Bangladesh",),
    "LK": ("Democratic Socialist Republic of Sri Lanka",),
    "MM": ("Republic of the Union of Myanmar", "Birmanie", "Birmania", "Birma", "Мьянма"),
    "UY": ("Oriental Republic of Uruguay", "Eastern Republic of Uruguay"),
    "AR": ("Argentine Republic",),
    "CH": ("Swiss Confederation",),
    "PT": ("Portuguese Republic",),
    "MX": ("United Mexican States",),
    "VE": ("Venezuela, RB",),
    "TW": ("Taiwan, China", "Taiwan (China)", "Taiwan ROC", "臺灣", "타이완"),
    "TT": ("Trinidad", "Tobago"),
    "AG": ("Antigua", "Barbuda"),
    "ST": ("Sao Tome",),
    "AT": ("Oesterreich",),
    "CI": ("Cote d Ivoire",),
    "RU": ("Russian Fed.", "РФ"),
    "US": (
        "US of A", "США", "EE. UU.", "EEUU", "EUA", "États-Unis d'Amérique", "Vereinigte Staaten von Amerika",
        "Amerika", "Estados Unidos de América", "Estados Unidos da América", "Stati Uniti d'America",
        "Соединённые Штаты Америки", "美利坚合众国", "アメリカ", "米国", "الولايات المتحدة الأمريكية",
    ),
    "GB": (
        "Großbritannien", "Grande-Bretagne", "Gran Bretaña", "Gran Bretagna", "Grã-Bretanha", "Groot-Brittannië",
        "大不列颠", "بريطانيا", "Angleterre", "Inglaterra", "Inghilterra", "Engeland", "Англия", "英格兰", "英格蘭",
        "イングランド", "잉글랜드", "Écosse", "Escocia", "Escócia", "Scozia", "Schottland", "Schotland", "Шотландия",
        "苏格兰", "蘇格蘭", "スコットランド", "스코틀랜드", "Pays de Galles", "Gales", "Galles", "País de Gales",
        "Уэльс", "威尔士", "威爾士", "ウェールズ", "웨일스", "Irlande du Nord", "Irlanda del Norte",
        "Irlanda del Nord", "Irlanda do Norte", "Nordirland", "Noord-Ierland", "Северная Ирландия", "北爱尔兰",
        "北愛爾蘭", "北アイルランド", "북아일랜드",
    ),
    "NL": ("Holanda", "Hollande", "Olanda", "Голландия"),
    "CN": ("中国大陆", "中國大陸", "VR China", "República Popular China", "КНР"),
    "CZ": ("République tchèque", "República Checa", "Repubblica Ceca", "Tschechische Republik"),
    "BY": ("Weißrussland", "Белоруссия", "Byelorussia", "Belorussia"),
    "BA": ("Bosnien", "波黑"),
    "ZA": ("ЮАР",),
    "SA": ("沙特",),
    "AE": ("阿联酋", "阿聯酋"),
    "NZ": ("新西蘭",),
    "TR": ("터키",),
    "GN": ("Guinea-Conakry", "Guinée-Conakry"),
    "PS": ("Occupied Palestinian Territory", "Occupied Palestinian Territories"),
    "RE": ("Réunion Island", "Île de la Réunion"),
    "WS": ("Western Samoa", "Independent State of Samoa"),
    "PG": ("Independent State of Papua New Guinea",),
    "KW": ("State of Kuwait",),
    "QA": ("State of Qatar",),
    "IL": ("State of Israel",),
    "GY": ("Cooperative Republic of Guyana",),
    "CF": ("Centrafrique",),
    "KY": ("Cayman",),
    "MP": ("Northern Marianas", "N. Mariana Islands", "CNMI"),
    "MU": ("Île Maurice",),
    "TC": ("Turks and Caicos",),
    "VA": ("Cité du Vatican",),
    "GF": ("Guyane",),
    "WF": ("Wallis", "Futuna"),
    "BL": ("St. Barts", "St. Barths"),
    # former names of states that are there still
    "BF": ("Upper Volta", "Burkina"),
    "BJ": ("Dahomey",),
    "BW": ("Bechuanaland",),
    "BZ": ("British Honduras",),
    "KH": ("Kampuchea",),
    "LS": ("Basutoland",),
    "MW": ("Nyasaland",),
    "NA": ("South West Africa",),
    "VU": ("New Hebrides",),
    "ZM": ("Northern Rhodesia",),
    "ZW": ("Rhodesia", "Southern Rhodesia"),
}  # fmt: skip
# Bare names of several countries: only a city, or more words, can tell which is meant.
_AMBIGUOUS = {
    ("CG", "CD"): ("Congo", "the Congo", "Kongo", "Конго", "刚果", "剛果", "コンゴ", "콩고", "الكونغو", "Κονγκό"),
    ("KR", "KP"): ("Korea", "Corea", "Corée", "Coreia", "Корея", "Korean Peninsula"),
    ("VI", "VG"): ("Virgin Islands", "the Virgin Islands"),
    ("MF", "SX"): ("Saint Martin", "St. Martin", "Saint-Martin"),
}


@functools.cache
def table() -> dict[str, dict]:
    """{alpha-2 code: its row of countries.json}, in the order of the codes. Do not write into it."""
    rows = json.loads((store.DATA / "countries.json").read_text(encoding="utf-8"))
    return {row["code"]: row for row in rows}


@functools.cache
def column(field: str) -> np.ndarray:
    """One field as an array to index with the ground grid's country number: 0 is the sea, the last no state's."""
    values = [row[field] for row in table().values()]
    if field == "languages":
        array = np.empty(len(values) + 2, dtype=object)
        array[:] = [(), *map(tuple, values), ()]
        return array
    return np.array(["", *values, ""])


def _key(name: str) -> str:
    """As `names.key`, without the dots below Hindi letters, which many leave out."""
    return names.key(name).replace("\u093c", "")


@functools.cache
def _by_name() -> dict[str, str]:
    found = {_key(name): code for code, row in table().items() for name in row["names"]}
    return {_key(name): code for code, more in _MORE_NAMES.items() for name in more} | found


@functools.cache
def _by_words() -> dict[str, str]:
    """Names without "the", "of" and "and", for those who leave them out; names that two countries would share are not
    in it."""
    found: dict[str, str] = {}
    for name, code in _by_name().items():
        short = _words(name)
        found[short] = code if found.get(short, code) == code else ""
    return {short: code for short, code in found.items() if code and " " in short}


def _words(name: str) -> str:
    words = (_WRITTEN_OUT.get(word, word) for word in _key(name).split())
    return " ".join(word for word in words if word not in _FILLING)


def country_code(name_or_code: str) -> str | None:
    """ISO 3166-1 alpha-2 code of a country named in English, in its own or a widely used language, or by its code.

    Case, accents and punctuation do not matter: "Deutschland", "U.S.A.", "cote d'ivoire", "日本", "DEU"; nor does the
    order of an inverted name ("Congo, Dem. Rep.", "Korea (Republic of)"). Two-letter and three-letter codes win over
    names. None for what is not a country's name; never a guess. Never raises. "Congo" is CG and "Korea" KR, as in the
    tables of names; `ambiguous` tells who else bears such a name.
    """
    return _lookup(name_or_code) if isinstance(name_or_code, str) else None


def ambiguous(name: str) -> tuple[str, ...]:
    """The codes of all countries that a bare name may mean ("Congo": CG and CD); () where there is no doubt."""
    return _ambiguous_keys().get(_key(name), ()) if isinstance(name, str) else ()


@functools.cache
def _ambiguous_keys() -> dict[str, tuple[str, ...]]:
    return {_key(name): codes for codes, several in _AMBIGUOUS.items() for name in several}


@functools.lru_cache(maxsize=4096)
def _lookup(name: str) -> str | None:
    name = _COMPASS.sub(lambda found: _DIRECTIONS[found[1].upper(), found[2].title() == "Ireland"], name)
    key = _key(name)
    if key in _by_name():
        return _by_name()[key]
    if _words(name) in _by_words():
        return _by_words()[_words(name)]
    inverted = _INVERTED.match(name) if len(name) <= 200 else None
    if inverted:  # "Bolivia, Plurinational State of"
        turned = re.sub(r"^Rep\.? ", "Republic of ", f"{inverted[2]} {inverted[1]}")
        for form in (_key(turned), _FORM_OF_STATE.sub("", _key(turned))):
            if form in _by_name() and not (form in _ambiguous_keys() and form != _key(turned)):
                return _by_name()[form]
        if _words(turned) in _by_words():
            return _by_words()[_words(turned)]
        if all(word in _FILLING for word in _key(inverted[2]).split()):  # "Gambia, The"
            return _lookup(inverted[1])
    if "(" in name:
        outer, inner = (_key(part.strip(") ")) for part in name.split("(", 1))
        if outer in _ambiguous_keys():  # "Korea (DPRK)": the bracket must decide
            code = _by_name().get(inner)
            return code if code in _ambiguous_keys()[outer] else None
        if outer in _by_name():
            return narrower(_by_name()[outer], _by_name()[inner]) if inner in _by_name() else _by_name()[outer]
    if inverted and (first := _by_name().get(_key(inverted[1]))) and (second := _by_name().get(_key(inverted[2]))):
        return narrower(first, second)  # "Hong Kong, China"; but "Georgia, USA" is no country
    return _by_name().get(_FORM_OF_STATE.sub("", key))


def narrower(one: str, other: str) -> str | None:
    """The one of two codes that lies in the other (a territory and its state, or the same); None for two states."""
    if {one, other} == {"TW", "CN"}:  # "Taiwan, China" is one of its official names
        return "TW"
    if table()[one]["sovereign"] == other:
        return one
    return other if one == other or table()[other]["sovereign"] == one else None


def country_name(code: str) -> str:
    """English short name of an alpha-2 code ("CI" -> "Côte d’Ivoire"). ValueError for an unknown code."""
    try:
        return table()[code.upper()]["name"]
    except (KeyError, AttributeError):
        raise ValueError(f"{code!r} is not an ISO 3166-1 alpha-2 code: find it with atlas.country_code(name)") from None
