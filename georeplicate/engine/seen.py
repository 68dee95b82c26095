"""What both pictures of a place show, where a row of metadata says it: six attributes, in words of one token each.

Of photographs hardly any row does. The values and words are a closed vocabulary of ours, so that one word means one
thing; no word holds a space, so a tokenizer that splits at spaces sees each as one token.
"""

from dataclasses import dataclass

_SIDES = ("north", "east", "south", "west")

# {attribute: {its value: the word for it}}, in the order in which `words` speaks of them.
WORDS: dict[str, dict[str, str]] = {
    "cover": {cover: cover for cover in ("grass", "straw", "sand", "crops", "paved", "snow")},
    "roof": {roof: f"{roof}-roofs" for roof in ("red", "grey", "brown", "white", "blue")},
    "water": {"none": "no-water"} | {side: f"water-{side}" for side in _SIDES},
    "road": {road: f"road-{road}" for road in ("north-south", "east-west")}
    | {"crossroads": "crossroads", "diagonal": "road-diagonal"},
    "trees": {"none": "no-trees", "few": "few-trees", "many": "many-trees"},
    "buildings": {side: f"houses-{side}" for side in _SIDES},
}
ALL_WORDS: tuple[str, ...] = tuple(word for values in WORDS.values() for word in values.values())


@dataclass(frozen=True)
class Attributes:
    """Each a value of its name in WORDS."""

    cover: str
    roof: str
    water: str  # "none" or the side it lies on
    road: str
    trees: str
    buildings: str  # the side where the houses stand


def words(attributes: Attributes) -> tuple[str, ...]:
    """Six words, such as ("grass", "red-roofs", "no-water", "road-north-south", "few-trees", "houses-east").

    KeyError for a value that is not in WORDS.
    """
    return tuple(values[getattr(attributes, name)] for name, values in WORDS.items())


def tree_kind(climate: str, land_cover: str) -> str:
    """ "palm", "conifer" or "broadleaf": what grows there, from the Köppen zone and the land cover."""
    if climate.startswith("A") or climate in ("BWh", "BSh"):
        return "palm"
    if climate.startswith(("D", "E")) or "needleleaf" in land_cover:
        return "conifer"
    return "broadleaf"
