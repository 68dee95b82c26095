"""The template teacher: true sentences in one fixed order, and a terse register whose words can be listed."""

import numpy as np
import pytest

from georeplicate import atlas, engine, world
from georeplicate.engine import lexicon, seen
from georeplicate.tasks import prompts

SYDNEY = atlas.describe(-33.87, 151.21, "2024-06-21T02:00:00Z")
LONDON = atlas.describe(51.5072, -0.1276, "2024-01-10T12:00:00Z")


def many_places(per_region=1):
    rows = world.sites("base", per_region, wild=150)
    facts = atlas.describe(rows.lat.to_numpy(), rows.lon.to_numpy(), rows.taken_at.to_list())
    rng = np.random.default_rng(0)
    drawn = [
        engine.Attributes(**{name: str(rng.choice(list(values))) for name, values in seen.WORDS.items()}) for _ in facts
    ]
    return [(facts[i], drawn[i]) for i in range(len(rows)) if facts.country[i] != ""]


def test_the_four_steps_stand_in_the_papers_order():
    text = engine.Template().write(SYDNEY, rng=np.random.default_rng(0))
    titles = [line.partition(":")[0] for line in text.splitlines()]
    assert titles == list(prompts.CHAIN_OF_THOUGHT_STEPS.values())
    assert "Australia" in text.splitlines()[-1] and "Sydney" in text.splitlines()[-1]


def test_what_it_says_of_sydney_and_london_is_true_whatever_the_wording():
    for facts, true, false in (
        (SYDNEY, ("on the left", "winter", "southern"), ("on the right", "summer", "northern hemisphere", "mile")),
        (LONDON, ("on the left", "winter", "northern"), ("on the right", "southern hemisphere", "kilometres")),
    ):
        texts = [engine.Template().write(facts, rng=np.random.default_rng(seed)) for seed in range(40)]
        everything = " ".join(texts)
        assert all(word in everything for word in true)
        assert not any(word in everything for word in false)
        assert len(set(texts)) > 35, "the wording hardly varies"


def test_terse_says_the_six_words_in_order_and_nothing_outside_its_vocabulary():
    known, lengths = set(engine.vocabulary()), []
    for facts, attributes in many_places():
        said = engine.Template("terse").write(facts, attributes, rng=np.random.default_rng(0)).split(" ")
        assert set(said) <= known
        assert tuple(said[said.index("both") + 1 : said.index("know")]) == seen.words(attributes)
        assert said[0] == "see" and said[-2] == "so"
        assert atlas.country_code(said[-1]) == facts.country
        lengths.append(len(said))
    assert len(lengths) > 400 and min(lengths) >= 15 and max(lengths) <= 30


def test_terse_line_of_sydney():
    attributes = engine.Attributes("sand", "blue", "west", "crossroads", "many", "north")
    said = engine.Template("terse").write(SYDNEY, attributes, rng=np.random.default_rng(0))
    assert said == (
        "see drives-left script-latin speed-km sun-north broadleaf "
        "both sand blue-roofs water-west crossroads many-trees houses-north "
        "know climate-c winter hemisphere-south lowland so Australia"
    )


def test_english_is_80_to_200_words_and_shows_every_attribute():
    for facts, attributes in many_places()[::10]:
        text = engine.Template().write(facts, attributes, rng=np.random.default_rng(1))
        assert 80 <= len(text.split()) <= 200
        assert attributes.roof in text
        assert "water" in text


def test_vocabulary_is_closed_and_free_of_doubles():
    every = engine.vocabulary()
    assert len(set(every)) == len(every)
    assert not any(" " in word for word in every)
    few = engine.vocabulary(["FR", "ZA"])
    assert {"France", "South-Africa"} <= set(few) and "Germany" not in few


def test_each_country_has_a_word_of_its_own_that_reads_back():
    tokens = lexicon.country_tokens()
    assert len(set(tokens.values())) == len(tokens) == 250
    assert all(atlas.country_code(word) == code for code, word in tokens.items())


def test_every_code_of_the_atlas_has_an_english_name():
    from georeplicate.atlas.countries import table

    assert {language for row in table().values() for language in row["languages"]} <= lexicon.LANGUAGES.keys()
    assert {row["script"] for row in table().values()} <= lexicon.SCRIPTS.keys()
    lat, lon = atlas.random_land(50_000, np.random.default_rng(0))
    facts = atlas.describe(lat, lon, "2024-06-21T12:00:00Z")
    assert set(facts.climate.tolist()) - {"ocean"} <= lexicon.CLIMATES.keys()
    assert set(facts.land_cover.tolist()) - {"water"} <= lexicon.LAND_COVERS.keys()


def test_the_same_seed_writes_the_same_text():
    first, again = (engine.Template().write(LONDON, rng=np.random.default_rng(5)) for _ in range(2))
    assert first == again


def test_refusals():
    with pytest.raises(ValueError, match="terse"):
        engine.Template("verbose")
    with pytest.raises(ValueError, match="only places on land"):
        engine.Template().write(atlas.describe(0, -30, "2024-06-21T12:00:00Z"), rng=np.random.default_rng(0))


def test_at_night_nothing_is_said_of_the_sun():
    night = atlas.describe(51.5072, -0.1276, "2024-01-10T00:00:00Z")
    texts = " ".join(engine.Template().write(night, rng=np.random.default_rng(seed)) for seed in range(20))
    assert "hadow" not in texts
    assert "sun-" not in engine.Template("terse").write(night, rng=np.random.default_rng(0))
