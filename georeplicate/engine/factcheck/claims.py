"""What a claim is, and how sentences and negations are read."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """What a text says (`value`, in the atlas's terms), the words that say it, and whether that is so."""

    kind: str
    value: str
    quote: str
    true: bool | None

    def __str__(self) -> str:
        return f'{self.kind}: "{self.quote}" ({self.value})'


@dataclass(frozen=True)
class Report:
    """All claims found in a text."""

    claims: tuple[Claim, ...]

    @property
    def false(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if claim.true is False)

    @property
    def ok(self) -> bool:
        return not self.false


_END = re.compile(r"(?<!\bSt)(?<!\bMt)(?<![A-Z]\.[A-Z])(?<!\b[A-Z])(?<!\bapprox)(?<!\bca)[.!?]+(?=\s|$)|[\n;]+")


_QUOTES = str.maketrans({"’": "'", "‘": "'", "′": "'", "″": '"', "“": '"', "”": '"', "−": "-", "º": "°", "–": "-"})


def sentences(text: str) -> list[str]:
    """The sentences of a text, without tags and Markdown, its quotes and dashes in ASCII."""
    plain = re.sub(r"</?\w+>|[*_`#]", " ", text.translate(_QUOTES))
    return [part.strip() for part in _END.split(plain) if part and part.strip()]


def any_of(words) -> str:
    """A pattern that matches any of these words, the longest first."""
    return "(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


_NEGATION = re.compile(
    r"\b(?:not|never|neither|nor|no|cannot|unlike|without|except|exclud\w+|rul(?:es?|ed|ing) out|rather than|"
    r"instead of|other than|different from|as opposed to)\b|n't\b",
    re.IGNORECASE,
)
CONTRAST = re.compile(
    r"\b(?:unlike|than|instead of|border\w*|neighbou?r\w*|as opposed to|compared (?:to|with))\b", re.I
)


def is_negated(sentence: str, start: int) -> bool:
    """Is there a negation in the clause before this position, within eight words?"""
    clause = re.split(r"[,:]|\bbut\b", sentence[:start])[-1]
    return bool(_NEGATION.search(" ".join(clause.split()[-8:])))


def claim(kind: str, value, quote: str, true, negated: bool = False) -> Claim:
    """A Claim whose truth is turned round where the text negates it; `true` None stays None."""
    verdict = None if true is None else bool(true) != negated
    return Claim(kind, ("not " if negated else "") + str(value), quote.strip(), verdict)
