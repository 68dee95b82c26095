"""English names of what the atlas holds as codes: climates, languages, scripts, land covers, countries.

Only names stand here, no sentences: the template words its sentences with them, and the fact check reads them in
anybody's text.
"""

import re
from functools import cache

from georeplicate.atlas import country_name
from georeplicate.atlas.countries import table

# First letter of a Köppen-Geiger code -> the words for that group; the first is the usual one.
CLIMATE_GROUPS = {
    "A": ("tropical",),
    "B": ("arid", "dry"),
    "C": ("temperate", "mild"),
    "D": ("continental", "cold continental"),
    "E": ("polar",),
}
# Köppen-Geiger code -> names of the class; the first is the usual one.
CLIMATES = {
    "Af": ("tropical rainforest", "equatorial rainforest"),
    "Am": ("tropical monsoon",),
    "Aw": ("tropical savanna", "savanna"),
    "As": ("tropical savanna", "savanna"),
    "BWh": ("hot desert",),
    "BWk": ("cold desert",),
    "BSh": ("hot semi-arid", "hot steppe"),
    "BSk": ("cold semi-arid", "cold steppe"),
    "Csa": ("hot-summer Mediterranean",),
    "Csb": ("warm-summer Mediterranean",),
    "Csc": ("cool-summer Mediterranean",),
    "Cfa": ("humid subtropical",),
    "Cfb": ("oceanic", "temperate oceanic", "maritime"),
    "Cfc": ("subpolar oceanic",),
    "Cwa": ("monsoon-influenced humid subtropical", "dry-winter subtropical"),
    "Cwb": ("subtropical highland",),
    "Cwc": ("cold subtropical highland",),
    "Dfa": ("hot-summer humid continental",),
    "Dfb": ("warm-summer humid continental",),
    "Dfc": ("subarctic", "boreal"),
    "Dfd": ("extremely cold subarctic",),
    "Dwa": ("monsoon-influenced hot-summer continental",),
    "Dwb": ("monsoon-influenced warm-summer continental",),
    "Dwc": ("monsoon-influenced subarctic",),
    "Dwd": ("monsoon-influenced extremely cold subarctic",),
    "Dsa": ("Mediterranean-influenced hot-summer continental",),
    "Dsb": ("Mediterranean-influenced warm-summer continental",),
    "Dsc": ("Mediterranean-influenced subarctic",),
    "Dsd": ("Mediterranean-influenced extremely cold subarctic",),
    "ET": ("tundra",),
    "EF": ("ice cap", "ice sheet"),
}

# ISO 639 code -> English names.
LANGUAGES = {
    "am": ("Amharic",), "ar": ("Arabic",), "ay": ("Aymara",), "az": ("Azerbaijani", "Azeri"), "be": ("Belarusian",),
    "bg": ("Bulgarian",), "bi": ("Bislama",), "bn": ("Bengali", "Bangla"), "bs": ("Bosnian",), "ca": ("Catalan",),
    "ch": ("Chamorro",), "cs": ("Czech",), "da": ("Danish",), "de": ("German",), "dv": ("Dhivehi", "Maldivian"),
    "dz": ("Dzongkha",), "el": ("Greek",), "en": ("English",), "es": ("Spanish", "Castilian"), "et": ("Estonian",),
    "fa": ("Persian", "Farsi", "Dari"), "fi": ("Finnish",), "fil": ("Filipino", "Tagalog"), "fj": ("Fijian",),
    "fo": ("Faroese",), "fr": ("French",), "ga": ("Irish",), "gil": ("Gilbertese",), "gn": ("Guarani", "Guaraní"),
    "gsw": ("Swiss German",), "gv": ("Manx",), "hak": ("Hakka",), "he": ("Hebrew",), "hi": ("Hindi",),
    "hif": ("Fiji Hindi",), "ho": ("Hiri Motu",), "hr": ("Croatian",), "ht": ("Haitian Creole",), "hu": ("Hungarian",),
    "hy": ("Armenian",), "id": ("Indonesian",), "is": ("Icelandic",), "it": ("Italian",), "ja": ("Japanese",),
    "ka": ("Georgian",), "kk": ("Kazakh",), "kl": ("Greenlandic",), "km": ("Khmer", "Cambodian"), "ko": ("Korean",),
    "ky": ("Kyrgyz",), "lb": ("Luxembourgish",), "lo": ("Lao", "Laotian"), "lt": ("Lithuanian",), "lv": ("Latvian",),
    "mg": ("Malagasy",), "mh": ("Marshallese",), "mi": ("Māori", "Maori"), "mk": ("Macedonian",), "mn": ("Mongolian",),
    "ms": ("Malay",), "mt": ("Maltese",), "my": ("Burmese",), "na": ("Nauruan",), "nan": ("Hokkien", "Taiwanese"),
    "nb": ("Norwegian Bokmål", "Norwegian"), "nd": ("Northern Ndebele", "Ndebele"), "ne": ("Nepali",),
    "niu": ("Niuean",), "nl": ("Dutch", "Flemish"), "nn": ("Norwegian Nynorsk",), "no": ("Norwegian",),
    "ny": ("Chichewa",), "pap": ("Papiamento",), "pau": ("Palauan",), "pl": ("Polish",), "ps": ("Pashto",),
    "pt": ("Portuguese",), "qu": ("Quechua",), "rn": ("Kirundi",), "ro": ("Romanian",), "ru": ("Russian",),
    "rw": ("Kinyarwanda",), "sg": ("Sango",), "si": ("Sinhala", "Sinhalese"), "sk": ("Slovak",),
    "sl": ("Slovene", "Slovenian"), "sm": ("Samoan",), "sn": ("Shona",), "so": ("Somali",), "sq": ("Albanian",),
    "sr": ("Serbian",), "ss": ("Swati",), "st": ("Sesotho",), "sv": ("Swedish",), "sw": ("Swahili",), "ta": ("Tamil",),
    "tet": ("Tetum",), "tg": ("Tajik",), "th": ("Thai",), "ti": ("Tigrinya",), "tk": ("Turkmen",),
    "tkl": ("Tokelauan",), "tn": ("Tswana", "Setswana"), "to": ("Tongan",), "tpi": ("Tok Pisin",), "tr": ("Turkish",),
    "tvl": ("Tuvaluan",), "ty": ("Tahitian",), "tzm": ("Tamazight",), "uk": ("Ukrainian",), "ur": ("Urdu",),
    "uz": ("Uzbek",), "vi": ("Vietnamese",), "wni": ("Anjouani Comorian",), "wo": ("Wolof",), "yo": ("Yoruba",),
    "yue": ("Cantonese",), "zdj": ("Ngazidja Comorian",), "zh": ("Chinese", "Mandarin"),
}  # fmt: skip

# ISO 15924 code -> English names of the script.
SCRIPTS = {
    "Latn": ("Latin", "Roman"),
    "Arab": ("Arabic", "Perso-Arabic"),
    "Armn": ("Armenian",),
    "Beng": ("Bengali",),
    "Cyrl": ("Cyrillic",),
    "Deva": ("Devanagari",),
    "Ethi": ("Ethiopic", "Ge'ez"),
    "Geor": ("Georgian",),
    "Grek": ("Greek",),
    "Hans": ("Chinese",),
    "Hant": ("Chinese",),
    "Hebr": ("Hebrew",),
    "Jpan": ("Japanese",),
    "Khmr": ("Khmer",),
    "Kore": ("Korean", "Hangul"),
    "Laoo": ("Lao",),
    "Mymr": ("Burmese",),
    "Sinh": ("Sinhala",),
    "Thaa": ("Thaana",),
    "Thai": ("Thai",),
    "Tibt": ("Tibetan",),
}

# Country code -> adjectives and names of its people, parted by spaces (a hyphen stands for a space).
DEMONYMS = {
    "AF": "Afghan", "AL": "Albanian", "DZ": "Algerian", "AD": "Andorran", "AO": "Angolan",
    "AR": "Argentine Argentinian Argentinean", "AM": "Armenian", "AU": "Australian Aussie", "AT": "Austrian",
    "AZ": "Azerbaijani", "BD": "Bangladeshi", "BY": "Belarusian", "BE": "Belgian", "BZ": "Belizean", "BJ": "Beninese",
    "BT": "Bhutanese", "BO": "Bolivian", "BA": "Bosnian", "BW": "Botswanan", "BR": "Brazilian",
    "GB": "British English Scottish Welsh", "BN": "Bruneian", "BG": "Bulgarian", "MM": "Burmese", "BI": "Burundian",
    "KH": "Cambodian", "CM": "Cameroonian", "CA": "Canadian", "TD": "Chadian", "CL": "Chilean", "CN": "Chinese",
    "CO": "Colombian", "CG": "Congolese", "CR": "Costa-Rican", "HR": "Croatian", "CU": "Cuban", "CY": "Cypriot",
    "CZ": "Czech", "DK": "Danish", "NL": "Dutch", "EC": "Ecuadorian", "EG": "Egyptian", "EE": "Estonian",
    "ET": "Ethiopian", "FI": "Finnish", "FR": "French", "GE": "Georgian", "DE": "German", "GH": "Ghanaian",
    "GR": "Greek", "GT": "Guatemalan", "HN": "Honduran", "HU": "Hungarian", "IS": "Icelandic", "IN": "Indian",
    "ID": "Indonesian", "IR": "Iranian", "IQ": "Iraqi", "IE": "Irish", "IL": "Israeli", "IT": "Italian",
    "JM": "Jamaican", "JP": "Japanese", "JO": "Jordanian", "KZ": "Kazakh Kazakhstani", "KE": "Kenyan",
    "KR": "Korean South-Korean", "KW": "Kuwaiti", "KG": "Kyrgyz", "LA": "Laotian", "LV": "Latvian", "LB": "Lebanese",
    "LY": "Libyan", "LT": "Lithuanian", "MG": "Malagasy", "MW": "Malawian", "MY": "Malaysian", "ML": "Malian",
    "MT": "Maltese", "MX": "Mexican", "MD": "Moldovan", "MN": "Mongolian", "ME": "Montenegrin", "MA": "Moroccan",
    "MZ": "Mozambican", "NA": "Namibian", "NP": "Nepali Nepalese", "NZ": "New-Zealand Kiwi", "NI": "Nicaraguan",
    "NG": "Nigerian", "NO": "Norwegian", "OM": "Omani", "PK": "Pakistani", "PA": "Panamanian", "PY": "Paraguayan",
    "PE": "Peruvian", "PH": "Philippine Filipino", "PL": "Polish", "PT": "Portuguese", "QA": "Qatari", "RO": "Romanian",
    "RU": "Russian", "RW": "Rwandan", "SA": "Saudi", "SN": "Senegalese", "RS": "Serbian", "SG": "Singaporean",
    "SK": "Slovak", "SI": "Slovenian Slovene", "SO": "Somali", "ZA": "South-African", "ES": "Spanish",
    "LK": "Sri-Lankan", "SD": "Sudanese", "SE": "Swedish", "CH": "Swiss", "SY": "Syrian", "TW": "Taiwanese",
    "TZ": "Tanzanian", "TH": "Thai", "TG": "Togolese", "TN": "Tunisian", "TR": "Turkish", "UG": "Ugandan",
    "UA": "Ukrainian", "AE": "Emirati", "US": "American", "UY": "Uruguayan", "UZ": "Uzbek", "VE": "Venezuelan",
    "VN": "Vietnamese", "YE": "Yemeni", "ZM": "Zambian", "ZW": "Zimbabwean",
}  # fmt: skip

# Land cover class of the atlas -> what a passer-by would call it.
LAND_COVERS = {
    "evergreen_needleleaf_forest": "conifer forest",
    "evergreen_broadleaf_forest": "evergreen broadleaf forest",
    "deciduous_needleleaf_forest": "larch forest",
    "deciduous_broadleaf_forest": "deciduous woodland",
    "mixed_forest": "mixed forest",
    "closed_shrublands": "dense scrub",
    "open_shrublands": "open scrub",
    "woody_savannas": "wooded savanna",
    "savannas": "savanna",
    "grasslands": "grassland",
    "permanent_wetlands": "wetland",
    "croplands": "farmland",
    "urban": "built-up land",
    "cropland_natural_mosaic": "a mosaic of fields and natural growth",
    "snow_and_ice": "snow and ice",
    "barren": "bare ground",
}

COMPASS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
_THE = frozenset(
    "AE AX BQ BS CC CF CK DO FK FO GB GM HM IM IO KM KY MH MP MV NL PH PN PS SB SC TC TF UM US VA VG VI".split()
)


def compass(azimuth_deg: float) -> str:
    """The nearest of the eight COMPASS directions to an azimuth clockwise from north."""
    return COMPASS[round(azimuth_deg / 45) % 8]


def country(code: str) -> str:
    """A country's English name as it stands in a sentence: "the Netherlands", "France"."""
    return ("the " if code in _THE else "") + country_name(code)


@cache
def token(name: str) -> str:
    """A name as one word without spaces or punctuation but hyphens: "South-Africa", "Cote-dIvoire" keeps its accent."""
    return "-".join(re.findall(r"\w+", re.sub(r"['’.]", "", name)))


@cache
def country_tokens() -> dict[str, str]:
    """{country code: its name as one word}, all different."""
    return {code: token(row["name"]) for code, row in table().items()}
