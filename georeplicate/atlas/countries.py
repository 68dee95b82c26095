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


@functools.cache
def _by_name() -> dict[str, str]:
    return {names.key(name): code for code, row in table().items() for name in row["names"]}


def country_code(name_or_code: str) -> str | None:
    """ISO 3166-1 alpha-2 code of a country named in English, in its own or a widely used language, or by its code.

    Case, accents and punctuation do not matter: "Deutschland", "U.S.A.", "cote d'ivoire", "日本", "DEU". Two-letter and
    three-letter codes win over names. None for what is not a country's name; never a guess. Never raises.
    """
    return _lookup(name_or_code) if isinstance(name_or_code, str) else None


@functools.lru_cache(maxsize=4096)
def _lookup(name: str) -> str | None:
    key = names.key(name)
    # As written, without a bracket ("Bolivia (Plurinational State of)"), without the form of state ("Republic of ...").
    for form in (key, names.key(name.split("(")[0]), _FORM_OF_STATE.sub("", key)):
        if form in _by_name():
            return _by_name()[form]
    return None


def country_name(code: str) -> str:
    """English short name of an alpha-2 code ("CI" -> "Côte d’Ivoire"). ValueError for an unknown code."""
    try:
        return table()[code.upper()]["name"]
    except (KeyError, AttributeError):
        raise ValueError(f"{code!r} is not an ISO 3166-1 alpha-2 code: find it with atlas.country_code(name)") from None
