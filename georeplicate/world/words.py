"""A site's attributes as words, one token each: what a picture shows, said in a closed vocabulary.

Whoever writes about the world's pictures (the base model's captions, the data engine's chain of thought) takes the
words from here, so that one word means one thing. No word holds a space, so a tokenizer that splits at spaces sees
each as one token.
"""

from georeplicate.world import palette
from georeplicate.world.scene import Attributes

_WATER = {"none": "no-water"} | {side: f"water-{side}" for side in palette.SIDES}
_ROAD = {road: road if road == "crossroads" else f"road-{road}" for road in palette.ROADS}
_TREES = {"none": "no-trees"} | {trees: f"{trees}-trees" for trees in palette.TREES if trees != "none"}

# {attribute: {its value: the word for it}}, in the order in which `words` speaks of them.
WORDS: dict[str, dict[str, str]] = {
    "cover": {cover: cover for cover in palette.COVERS},
    "roof": {roof: f"{roof}-roofs" for roof in palette.ROOFS},
    "water": _WATER,
    "road": _ROAD,
    "trees": _TREES,
    "buildings": {side: f"houses-{side}" for side in palette.SIDES},
}
ALL_WORDS: tuple[str, ...] = tuple(word for values in WORDS.values() for word in values.values())


def words(attributes: Attributes) -> tuple[str, ...]:
    """Six words: cover, roof, water, road, trees, houses, such as
    ("grass", "red-roofs", "no-water", "road-north-south", "few-trees", "houses-east").

    KeyError for a value that is not in the palette.
    """
    return tuple(values[getattr(attributes, name)] for name, values in WORDS.items())
