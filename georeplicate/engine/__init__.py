"""The data engine: from a coordinate and a moment to a checked chain of thought.

metadata (GPS, time) -> facts (atlas) -> teacher -> fact check -> record

Template().write(facts, attributes, rng=rng)    the template teacher: true and visible facts in words
vocabulary()                                    every word of its terse register
OpenAI(url, model, cache=...), Local(model)     teachers that are models
check(text, facts)                              every claim of a text, compared with the atlas
build(rows, folder, teacher)                    records in Parquet, with a data card; load(folder) reads them
build_facts(rows, folder)                       the facts alone, for millions of places
write_jsonl / read_jsonl                        the official schema, both ways

seen        what pictures show, where a row says it
lexicon     English names of climates, languages, scripts, countries
shore       how far the sea is
template    the grammar
teachers    models as teachers
sources     cross-view pairs as rows of metadata
factcheck   claims, read and compared
records     batches, shards, cards
"""

from georeplicate.engine.factcheck import Claim, Report, check
from georeplicate.engine.records import (
    EngineError,
    build,
    build_facts,
    facts_of,
    load,
    read_jsonl,
    records_of,
    write_jsonl,
)
from georeplicate.engine.seen import Attributes
from georeplicate.engine.sources import rows
from georeplicate.engine.teachers import TEACHERS, Estimate, Failure, Local, OpenAI, Site, teacher
from georeplicate.engine.template import Template, vocabulary
from georeplicate.model.server import ServerError

__all__ = [
    "Attributes",
    "Claim",
    "EngineError",
    "Estimate",
    "Failure",
    "Local",
    "OpenAI",
    "Report",
    "ServerError",
    "Site",
    "TEACHERS",
    "Template",
    "build",
    "build_facts",
    "check",
    "facts_of",
    "load",
    "read_jsonl",
    "records_of",
    "rows",
    "teacher",
    "vocabulary",
    "write_jsonl",
]
