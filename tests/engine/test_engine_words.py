"""The words for what a picture shows: one token each, and no two values share one."""

from dataclasses import fields, replace

import pytest

from georeplicate.engine import seen as vocabulary
from georeplicate.engine.seen import Attributes

PLAIN = Attributes(cover="grass", roof="red", water="none", road="north-south", trees="few", buildings="east")


def test_every_value_of_every_attribute_has_its_own_word_without_spaces():
    assert list(vocabulary.WORDS) == [field.name for field in fields(Attributes)]
    assert len(set(vocabulary.ALL_WORDS)) == len(vocabulary.ALL_WORDS) == 6 + 5 + 5 + 4 + 3 + 4
    assert all(word == word.strip().lower() and " " not in word for word in vocabulary.ALL_WORDS)


def test_the_order_is_cover_roof_water_road_trees_houses():
    said = vocabulary.words(PLAIN)
    assert said == ("grass", "red-roofs", "no-water", "road-north-south", "few-trees", "houses-east")
    other = vocabulary.words(Attributes("snow", "blue", "west", "crossroads", "none", "north"))
    assert other == ("snow", "blue-roofs", "water-west", "crossroads", "no-trees", "houses-north")


def test_a_value_outside_the_vocabulary_is_refused():
    with pytest.raises(KeyError):
        vocabulary.words(replace(PLAIN, roof="pink"))
