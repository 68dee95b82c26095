"""The fact check: every checkable claim of a text is read out of it and compared with the atlas.

    report = check(text, facts)
    report.ok, report.false        # the claims that the atlas contradicts, each with the words that make it

A claim has a kind (KINDS) and is True, False, or None where the atlas cannot tell. Texts are read sentence by sentence
with patterns, so wording that no pattern knows goes unread: `tests/data/claims.csv` measures how much, on sentences
that were written before the patterns. The terse register of the template is read word by word, exactly.

"True" means: true according to the atlas. It holds official languages only, and one elevation for some 9 x 9 km.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from georeplicate.atlas import Facts
from georeplicate.engine import lexicon, template
from georeplicate.engine.factcheck import climate, languages, places, roads, sky, terrain
from georeplicate.engine.factcheck.claims import Claim, Report, sentences

KINDS = (
    "country", "region", "place", "coordinates", "climate", "driving", "speed", "language", "script", "hemisphere",
    "sun", "season", "elevation", "coast",
)  # fmt: skip

READERS = (
    places.read_names, places.read_coordinates, climate.read_climate, roads.read_driving, roads.read_speed,
    languages.read_writing, languages.read_lower_scripts, sky.read_hemisphere, sky.read_sun, sky.read_season,
    terrain.read_elevation, terrain.read_coast,
)  # fmt: skip


def check(text: str, facts: Facts, *, city: str = "") -> Report:
    """Compare every claim of a text with the facts of its place. `city`: its name in the metadata, true by definition.

    Facts that are not valid tell nothing: every claim about them is None. Never raises for any text.
    """
    if not facts.valid:
        nowhere = replace(facts, lat=float("nan"), lon=float("nan"))  # as given they may be no point on Earth
        return Report(tuple(replace(claim, true=None) for claim in _claims(text, nowhere, city)))
    return Report(tuple(_claims(text, facts, city)))


def _claims(text: str, facts: Facts, city: str) -> Iterable[Claim]:
    line = text.split()
    if line and line[0] == template.SEE and template.SO in line:
        return tuple(_terse_claims(line, facts))
    found: dict[tuple, Claim] = {}
    for sentence in sentences(text):
        for reader in READERS:
            for claim in reader(sentence, facts, city):
                found.setdefault((claim.kind, claim.value, claim.quote), claim)
    return found.values()


def _terse_claims(line: list[str], f: Facts) -> Iterator[Claim]:
    """The words of the terse register. A word that is a fact's word must be the fact's word for this place."""
    true = {word for words in template.fact_words(f) for word in words} if f.valid else set()
    of = {word: kind for kind, all_words in template.FACT_WORDS.items() for word in all_words}
    for word in line:
        if word in of:
            timeless = f.when is None and of[word] in ("season", "sun")
            yield Claim(of[word], word, word, None if timeless else word in true)
        elif word in _country_words():
            yield Claim("country", _country_words()[word], word, _country_words()[word] == f.country)


@functools.cache
def _country_words() -> dict[str, str]:
    return {word: code for code, word in lexicon.country_tokens().items()}
