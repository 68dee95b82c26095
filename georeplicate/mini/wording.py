"""The mini world's questions and words: short prompts, a closed vocabulary, one token a word."""

from functools import cache

from georeplicate import world
from georeplicate.evaluation.faithfulness import Wording

LETTERS = "ABCDE"
VERDICTS = MATCH, DIFFERENT = "match", "other"
PAIR = "which tile shows the place ?"
DESCRIBE = "describe the picture"
DESCRIBE_ALL = "describe the pictures one by one"
WHERE = "where was this picture taken ?"
COUNTRY_OF = "which country is {city} in ?"
# In no training stage: whether anything learnt elsewhere answers them is measured.
CLIMATE = "which climate has the place ?"
GROUND = "what covers the ground ?"

PLACE = "place"  # announces the words of the panorama, or of the one picture that is shown


@cache
def of(world_name: str) -> Wording:
    """The words in which policies of a world think. world_name: as `Profile.world` has it."""
    words = world.vocabulary(world.Difficulty(world=world_name))
    return Wording(words=words, place=PLACE, match=MATCH, different=DIFFERENT)


WORDING = of("geographic")
# For readers that compare words with words and need not know whose they are: no word means two things.
EITHER = Wording(
    words={
        kind: {**of("layout").words.get(kind, {}), **of("geographic").words.get(kind, {})}
        for kind in {**of("layout").words, **of("geographic").words}
    },
    place=PLACE,
    match=MATCH,
    different=DIFFERENT,
)
CLIMATES = tuple(f"climate-{group}" for group in "abcde")


def climate_word(code: str) -> str:
    """The word for a Köppen-Geiger class: "Cfb" -> "climate-c"; "" at sea, which has none."""
    return f"climate-{code[0].lower()}" if code[:1] in tuple("ABCDE") else ""


def region_word(region: str) -> str:
    """The word for a UN subregion: "South-eastern Asia" -> "South-eastern-Asia"; "" for none."""
    return "-".join(region.split())
