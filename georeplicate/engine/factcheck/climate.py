"""Claims about the climate."""

import re
from collections.abc import Iterator

from georeplicate.atlas import Facts
from georeplicate.engine import lexicon
from georeplicate.engine.factcheck.claims import Claim, any_of, claim, is_negated
from georeplicate.engine.factcheck.words import CLIMATE_WORD

# Codes of two letters are words too ("As", "Am"): they count only where the classification is spoken of.
_KOPPEN = re.compile(r"\b(?:B[WS][hk]|C[fsw][abc]|D[fsw][abcd])\b")
_KOPPEN_SHORT = re.compile(
    r"(?:\b(?:K[öo]e?ppen|class|classification|type|climate|zone)\b(?:\W+(?:\w+\W+){0,3}?)|\()(A[fmws]|E[TF])\b"
)

# Words -> regular expression of the classes that they name; the first that matches is read, the longest first.
_CLIMATE_TERMS = {
    "humid subtropical": "C[fw]a", "monsoon-influenced humid subtropical": "Cwa", "dry-winter subtropical": "Cw[ab]",
    "monsoon-influenced subtropical": "Cw[ab]", "subtropical highland": "C[fw]b|Cwc", "subtropical": "C..",
    "tropical rainforest": "Af", "equatorial rainforest": "Af", "rainforest": "Af|Am", "equatorial": "Af|Am",
    "tropical monsoon": "Am", "monsoon": "Am|Aw|Cw.|Dw.", "tropical savanna": "A[ws]", "savanna": "A[ws]",
    "hot desert": "BWh", "cold desert": "BWk", "desert": "BW.", "hot semi-arid": "BSh", "cold semi-arid": "BSk",
    "hot steppe": "BSh", "cold steppe": "BSk", "semi-arid": "BS.", "steppe": "BS.", "arid": "B..", "dry": "B..",
    "hot-summer Mediterranean": "Csa", "warm-summer Mediterranean": "Csb", "Mediterranean": "Cs.",
    "subpolar oceanic": "Cfc", "oceanic": "C[fw]b|Cfc", "maritime": "C[fw]b|Cfc", "temperate oceanic": "C[fw]b",
    "temperate maritime": "C[fw]b", "temperate": "C..", "mild": "C..",
    "hot-summer humid continental": "D.a", "warm-summer humid continental": "D.b", "humid continental": "D.[ab]",
    "hot-summer continental": "D.a", "warm-summer continental": "D.b", "extremely cold subarctic": "D.d",
    "subarctic": "D.[cd]", "boreal": "D.[cd]", "cold continental": "D..", "continental": "D..",
    "tundra": "ET", "ice cap": "EF", "ice sheet": "EF", "polar": "E.", "tropical": "A.",
}  # fmt: skip
_CLIMATE = re.compile(rf"\b{any_of(_CLIMATE_TERMS)}\b", re.IGNORECASE)


def read_climate(sentence: str, f: Facts, city: str) -> Iterator[Claim]:
    """Köppen codes ("Cfb") and words for climates that stand beside a word such as "climate"."""
    known = f.climate in lexicon.CLIMATES
    codes = [(m[0], m.start()) for m in _KOPPEN.finditer(sentence)]
    codes += [(m[1], m.start(1)) for m in _KOPPEN_SHORT.finditer(sentence)]
    for code, start in codes:
        true = f.climate == code if known else None
        yield claim("climate", code, code, true, is_negated(sentence, start))
    for match in _CLIMATE.finditer(sentence):
        word = match[0].lower()
        near = sentence[match.end() : match.end() + 45]
        anchored = re.match(rf"[,\s]*(?:\w+[\s,]+){{0,2}}?{CLIMATE_WORD.pattern}", near, re.I)
        alone = word in ("mediterranean",) and re.match(r"\s*(?:[.,:]|$)", near) and CLIMATE_WORD.search(sentence)
        announced = word not in ("dry", "mild") and re.search(
            r"\b(?:climate|climatically|K[öo]ppen)\b[^.]{0,25}$", sentence[: match.start()], re.I
        )
        ended = re.match(r"\W*$", near) and re.search(r"\bsummers?\b|\bwinters?\b", sentence[: match.start()])
        if not (anchored or alone or announced or ended) or re.match(r"\s+(?:Sea|beach|coast|season)", near):
            continue
        classes = next(c for name, c in _CLIMATE_TERMS.items() if name.lower() == word)
        true = re.fullmatch(classes, f.climate) is not None if known else None
        yield claim("climate", word, match[0], true, is_negated(sentence, match.start()))
