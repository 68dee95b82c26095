"""The mini world's questions and words: short prompts, a closed vocabulary, one token a word."""

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
# The words in which mini policies think.
WORDING = Wording(words=world.vocabulary(), place=PLACE, match=MATCH, different=DIFFERENT)
CLIMATES = tuple(f"climate-{group}" for group in "abcde")


def climate_word(code: str) -> str:
    """The word for a Köppen-Geiger class: "Cfb" -> "climate-c"; "" at sea, which has none."""
    return f"climate-{code[0].lower()}" if code[:1] in tuple("ABCDE") else ""


def region_word(region: str) -> str:
    """The word for a UN subregion: "South-eastern Asia" -> "South-eastern-Asia"; "" for none."""
    return "-".join(region.split())
