"""When two spellings are the same name: the one rule by which places and countries are indexed and looked up."""

import functools
import re
import unicodedata

# Letters that Unicode does not take apart into a base letter and an accent, though people type them so.
_LETTERS = str.maketrans({
    "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t", "ŋ": "n",
    "ə": "e", "ي": "ی", "ك": "ک", "ى": "ی", "ة": "ه",
})  # fmt: skip
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0640\u200b-\u200f]")
_QUOTES = re.compile("[.'`´‘’ʻʼʹʺʽʾʿ＇\"“”]")  # dropped: "St. John's" = "St Johns", "Hawaiʻi" = "Hawaii"
_BREAKS = re.compile(r"[\W_]+")  # hyphens, slashes, brackets, dashes of all kinds: a space
_ABBREVIATED = {"st": "saint", "ste": "sainte", "mt": "mount", "ft": "fort"}


@functools.lru_cache(maxsize=65536)
def key(name: str) -> str:
    """The form in which names are compared: no case, no accents, no punctuation, single spaces, "st" as "saint".

    Only accents of alphabets are dropped. Vowel signs of Indic scripts and the voicing marks of kana carry meaning and
    stay. A name with nothing to compare by ("?!", "") gives "".
    """
    if name.isascii():  # the common case, several times faster
        folded = name.casefold()
    else:
        folded = unicodedata.normalize("NFKD", name.casefold()).translate(_LETTERS)
        folded = unicodedata.normalize("NFC", _ACCENTS.sub("", folded)).casefold()
    words = _split(_QUOTES.sub("", folded))
    return " ".join(_ABBREVIATED.get(word, word) for word in words)


def _split(folded: str) -> list[str]:
    # A combining vowel sign is no "word character" for `re`, so only the separators proper are split on.
    if folded.isascii():
        return _BREAKS.sub(" ", folded).split()
    return "".join(" " if _separates(char) else char for char in folded).split()


def _separates(char: str) -> bool:
    return not char.isalnum() and unicodedata.category(char)[0] != "M"
