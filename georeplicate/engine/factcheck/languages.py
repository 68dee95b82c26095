"""Claims about languages and scripts."""

import functools
import re
from collections.abc import Iterator

from georeplicate.atlas import Facts
from georeplicate.engine.factcheck.claims import Claim, any_of, claim, is_negated
from georeplicate.engine.factcheck.words import COUNTRY_NOUN, SCRIPT_ALONE, demonyms, language_words, script_words

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


def scripts_of(f: Facts) -> frozenset[str]:
    """ISO 15924 codes of the scripts that signs of a place may be in: its own, and those of its languages."""
    return frozenset({f.script, *(_SCRIPT_OF.get(code, "Latn") for code in f.languages)})


@functools.cache
def _writing_words() -> tuple[dict[str, str], re.Pattern]:
    """{name of a language: its code}, and a pattern that finds the names of languages and scripts."""
    all_words = {**_EXTRA_LANGUAGES, **language_words()}
    return all_words, re.compile(rf"(?<![\w-]){any_of([*all_words, *script_words()])}(?![\w-])")


def read_writing(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Scripts and languages share their names: what the name stands beside tells which is meant."""
    all_words, pattern = _writing_words()
    listed = False
    for match in pattern.finditer(sentence):
        word, after, before = match[0], sentence[match.end() :], sentence[: match.start()]
        negated = is_negated(sentence, match.start())
        if word in script_words() and (word in SCRIPT_ALONE or re.match(rf",?[ ](?:\w+ )?{_SCRIPT_NOUN}\b", after)):
            true = bool(script_words()[word] & scripts_of(f)) if f.script else None
            yield claim("script", "/".join(sorted(script_words()[word])), word, true, negated)
            listed = False
            continue
        if word not in all_words:
            continue
        if word in demonyms() and re.match(rf" {COUNTRY_NOUN}\b", after):
            continue
        is_language = (
            _SPOKEN_IN.search(before) is not None
            or (_LISTED_IN.search(before) and not _OTHER_NOUN.match(after))
            or re.match(rf"[- ](?:\w+ )?{_TEXT_NOUN}\b", after)
            or re.search(r"\b(?:language|spell\w+|written|reads?|words?|slogan)\b", sentence)
            or re.match(r" (?:is|are) (?:painted|written|spoken|printed|used)\b", after)
            or word not in demonyms()
            or (listed and re.search(r"(?:,|and|or) $", before))
        )
        listed = bool(is_language)
        if is_language and f.languages and not re.search(r"\b(?:Indian|Pacific|Arctic)\b$", word):
            code = all_words[word]
            true = code in f.languages or (code in ("nb", "nn", "no") and bool({"nb", "nn", "no"} & set(f.languages)))
            yield claim("language", code, word, true, negated)


_KANJI = re.compile(r"\b(?:kanji|kana|hiragana|katakana|hanzi|hangul)\b")


def read_lower_scripts(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Scripts that English writes in lower case ("kanji", "hangul")."""
    for match in _KANJI.finditer(sentence):
        code = SCRIPT_ALONE[match[0].capitalize()]
        yield claim("script", code, match[0], code in scripts_of(f), is_negated(sentence, match.start()))
