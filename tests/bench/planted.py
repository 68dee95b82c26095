"""How good is the fact check? Measured on texts whose falsehoods are known.

    planted(500)          the template's own texts, true, and with one fact replaced
    written(path)         sentences worded otherwise (tests/data/claims.csv), each marked true or false by its author

Parts of that file: "dev" was read while the patterns were made; "test" was held back from them, but its author had
written it just before; "late" was written after the patterns and never used to change them: the figure to believe.

Positive = "rejected": precision is the share of rejected texts that are false, recall the share of false texts that
are rejected.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from georeplicate import atlas
from georeplicate.atlas import Facts
from georeplicate.engine import factcheck, lexicon
from georeplicate.engine.template import Template

PLANTED_KINDS = factcheck.KINDS  # every kind of claim can be planted


def planted(n: int, seed: int = 0, register: str = "english") -> pd.DataFrame:
    """One row a text of the template about `n` cities and land points: kind (of what was planted, "" for a true text),
    false (bool), rejected (bool), named (is a claim of the planted kind among the false ones), text, claims (as
    words). About one text in two is false; a planted fact that the text happens not to speak of leaves it true and is
    left out.
    """
    teacher, rows = Template(register), []
    for i, facts in enumerate(_places(n, seed)):
        text = teacher.write(facts, rng=np.random.default_rng([seed, i]))
        rows.append(("", False, text, factcheck.check(text, facts)))
        rng = np.random.default_rng([seed, i, 1])
        for kind in rng.permutation(PLANTED_KINDS):
            other = _with_planted(str(kind), teacher, facts, text, np.random.default_rng([seed, i]), rng)
            if other != text:
                rows.append((str(kind), True, other, factcheck.check(other, facts)))
                break
    return pd.DataFrame(
        {
            "kind": [kind for kind, *_ in rows],
            "false": [false for _, false, *_ in rows],
            "rejected": [not report.ok for *_, report in rows],
            "named": [any(claim.kind == kind for claim in report.false) for kind, _, _, report in rows],
            "text": [text for _, _, text, _ in rows],
            "claims": ["; ".join(map(str, report.false)) for *_, report in rows],
        }
    )


def written(path: str | Path) -> pd.DataFrame:
    """The rows of a CSV of sentences (text, lat, lon, when, label, type, part) as in `planted`, with `part`."""
    table = pd.read_csv(path, keep_default_na=False)
    facts = [atlas.describe(row.lat, row.lon, row.when) for row in table.itertuples()]
    reports = [factcheck.check(text, known) for text, known in zip(table.text, facts)]
    return pd.DataFrame(
        {
            "kind": table.type,
            "part": table.part,
            "false": table.label.astype(str).str.lower() == "false",
            "rejected": [not report.ok for report in reports],
            "named": [any(c.kind == kind for c in report.false) for report, kind in zip(reports, table.type)],
            "text": table.text,
            "claims": ["; ".join(map(str, report.false)) for report in reports],
        }
    )


def precision_recall(rows: pd.DataFrame) -> tuple[float, float]:
    """(precision, recall) of the rejections in a table of `planted` or `written`."""
    hits = int((rows.rejected & rows.false).sum())
    return hits / max(int(rows.rejected.sum()), 1), hits / max(int(rows.false.sum()), 1)


def _places(n: int, seed: int) -> Iterator[Facts]:
    rng = np.random.default_rng(seed)
    cities = atlas.cities(50_000).sample(n - n // 2, random_state=seed)
    wild = atlas.random_land(n, rng)
    lat, lon = (np.concatenate([cities[axis], part[: n // 2]]) for axis, part in zip(("lat", "lon"), wild))
    day = np.datetime64("2024-01-01T00:00") + rng.integers(0, 366 * 24 * 60, n).astype("timedelta64[m]")
    noon = day.astype("datetime64[D]") + ((12 - lon / 15) * 60 + rng.uniform(-180, 180, n)).astype("timedelta64[m]")
    facts = atlas.describe(lat, lon, noon)
    for i in np.flatnonzero(facts.valid & (facts.country != "")):
        yield facts[i]


def _with_planted(kind: str, teacher: Template, facts: Facts, text: str, same_rng, rng: np.random.Generator) -> str:
    """The text with one fact of that kind replaced; the text itself where it does not speak of it."""
    if kind == "coordinates":
        latitude = rng.uniform(3, 60) if abs(facts.lat) > 63 else rng.uniform(66, 89)
        return re.sub(r"\d+\.\d°", f"{latitude:.1f}°", text, count=1)
    if kind == "coast":
        swapped = {
            "The coast is not far from here.": "This is well inland.", "The sea is near.": "The sea is far away.",
            "This is well inland.": "The sea is near.", "The sea is far away.": "The coast is not far from here.",
        }  # fmt: skip
        return re.sub("|".join(map(re.escape, swapped)), lambda m: swapped[m[0]], text)
    changed = _false_facts(kind, facts, rng)
    return text if changed is None else teacher.write(changed, rng=same_rng)


def _false_facts(kind: str, f: Facts, rng: np.random.Generator) -> Facts | None:
    def another(options, *but):
        options = [option for option in options if option not in but]
        return options[int(rng.integers(len(options)))]

    if kind == "country":
        code = another(lexicon.country_tokens(), f.country)
        return replace(f, country=code, country_name=atlas.country_name(code))
    if kind == "region":
        return replace(f, region=another(sorted({*_regions()}), f.region)) if f.region else None
    if kind == "place":
        far = atlas.cities(500_000)
        far = far[(far.country != f.country) & (far.name != f.place)]
        return replace(f, place=str(far.name.iloc[int(rng.integers(len(far)))])) if f.place_km <= 30 else None
    if kind == "climate" and f.climate in lexicon.CLIMATES:
        same = [code for code, known in lexicon.CLIMATES.items() if known[0] == lexicon.CLIMATES[f.climate][0]]
        return replace(f, climate=another(lexicon.CLIMATES, *same))
    if kind == "driving" and f.driving_side:
        return replace(f, driving_side="left" if f.driving_side == "right" else "right")
    if kind == "speed" and f.speed_unit:
        return replace(f, speed_unit="mph" if f.speed_unit == "km/h" else "km/h")
    if kind == "language" and f.languages:
        return replace(f, languages=(another(lexicon.LANGUAGES, *f.languages, "no", "nb", "nn"),))
    if kind == "script" and f.script:
        names = {known[0] for code, known in lexicon.SCRIPTS.items() if code in factcheck.languages.scripts_of(f)}
        return replace(f, script=another([c for c, known in lexicon.SCRIPTS.items() if known[0] not in names]))
    if kind == "hemisphere":
        return replace(f, hemisphere="south" if f.hemisphere == "north" else "north")
    if kind == "sun":
        return replace(f, sun_azimuth_deg=(f.sun_azimuth_deg + rng.uniform(110, 250)) % 360)
    if kind == "season":
        if f.season in ("wet", "dry"):
            return replace(f, season="wet" if f.season == "dry" else "dry")
        return replace(f, season=another(("spring", "summer", "autumn", "winter"), f.season))
    if kind == "elevation":
        return replace(f, elevation_m=f.elevation_m + float(rng.uniform(600, 3000)))
    return None


def _regions() -> set[str]:
    from georeplicate.atlas.countries import table

    return {row["region"] for row in table().values()} - {"", "Asia", "Antarctica"}
