"""Words that readers of several subjects share: nouns behind a country, demonyms, languages, scripts, climate."""

import functools
import re

from georeplicate.engine import lexicon

COUNTRY_NOUN = (
    r"(?!street (?:name|sign))(?:territory|soil|plates?|number|licen[cs]e|registration|pavements?|roads?"
    r"|streets?|cit(?:y|ies)|towns?|villages?"
    r"|suburbs?|cars?|drivers?|house|houses|architecture|countryside|landscape|bollards?|flags?|police"
    r"|coast|prairies?"
    r"|capital|province|island|post|highways?|motorways?|region)"
)
CLIMATE_WORD = re.compile(
    r"\b(?:climat\w*|zone|regime|K[öo]e?ppen|setting|conditions|belt|weather|place|country)\b", re.I
)
SCRIPT_ALONE = {
    "Cyrillic": "Cyrl",
    "Devanagari": "Deva",
    "Hangul": "Kore",
    "Kanji": "Jpan",
    "Kana": "Jpan",
    "Hiragana": "Jpan",
    "Katakana": "Jpan",
    "Ge'ez": "Ethi",
    "Ethiopic": "Ethi",
    "Thaana": "Thaa",
    "Hanzi": "Hans",
}


@functools.cache
def demonyms() -> dict[str, str]:
    """{demonym, such as "Japanese": ISO 3166 code}."""
    return {word.replace("-", " "): code for code, words in lexicon.DEMONYMS.items() for word in words.split()}


@functools.cache
def language_words() -> dict[str, str]:
    """{English name of a language: ISO 639 code}."""
    return {name: code for code, all_names in lexicon.LANGUAGES.items() for name in all_names}


@functools.cache
def script_words() -> dict[str, frozenset[str]]:
    """{English name of a script: the ISO 15924 codes it may mean}."""
    found: dict[str, set[str]] = {}
    for code, all_names in lexicon.SCRIPTS.items():
        for name in all_names:
            found.setdefault(name, set()).add(code)
    found["Roman"] = {"Latn"}
    found["Amharic"] = {"Ethi"}
    found["Tamil"] = {"Taml"}
    for name, code in SCRIPT_ALONE.items():
        found[name] = {code}
    return {name: frozenset(codes) for name, codes in found.items()}
