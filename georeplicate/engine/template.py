"""The template teacher: a chain of thought from true and visible facts, without any model.

One reasoning template, as the paper describes it: observe cues -> cross-view evidence -> geographic knowledge ->
conclusion. Two registers: `english` (full sentences, for a model that knows the language) and `terse` (one short
line of words from a closed list, which the fact check reads as well).

Where a row says what its pictures show (`Attributes`), that is spoken of as seen. Of photographs nobody here knows it:
for them the teacher is `unseen`, and what it says of signs, traffic and ground is marked as knowledge of the atlas. A
place without a moment has no sun, season or month to speak of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

import numpy as np

from georeplicate.atlas import Facts
from georeplicate.engine import lexicon, shore
from georeplicate.engine.seen import ALL_WORDS, Attributes, tree_kind, words
from georeplicate.tasks import prompts

REGISTERS = ("english", "terse")
CITY_KM = 30.0  # a nearest place further off than this is not "the city" of a site
SUN_UP_DEG = 5.0  # lower than this, nobody can tell from a picture where the sun stands
TROPIC_DEG = 23.44
LOWLAND_M, HIGHLAND_M = 200.0, 1000.0
NEAR_SEA_KM, INLAND_KM = 15.0, 150.0  # between the two nothing is said of the sea
NEAR_SEA_LEVEL_M = 20.0  # the atlas averages 9 km, and its steps are 28 m: below this no figure is worth giving

# --- the closed vocabulary of the terse register ---------------------------------------------------------------------

SEE, BOTH, KNOW, SO = STEPS = ("see", "both", "know", "so")
_KINDS = {"palm": "palms", "conifer": "conifers", "broadleaf": "broadleaf"}
_SPEEDS = {"km/h": "speed-km", "mph": "speed-miles"}
_SEASONS = {season: season for season in ("spring", "summer", "autumn", "winter")}
_SEASONS |= {"wet": "wet-season", "dry": "dry-season"}
_SCRIPTS = {code: f"script-{lexicon.token(names[0]).lower()}" for code, names in lexicon.SCRIPTS.items()}
_RELIEF = ("lowland", "upland", "highland")


# {kind of claim: the words that make one}; what the fact check reads in a terse line.
FACT_WORDS: dict[str, tuple[str, ...]] = {
    "driving": ("drives-left", "drives-right"),
    "script": tuple(dict.fromkeys(_SCRIPTS.values())),
    "speed": tuple(_SPEEDS.values()),
    "sun": ("sun-north", "sun-south"),
    "climate": tuple(f"climate-{letter.lower()}" for letter in lexicon.CLIMATE_GROUPS),
    "season": tuple(_SEASONS.values()),
    "hemisphere": ("hemisphere-north", "hemisphere-south"),
    "elevation": _RELIEF,
}


def vocabulary(countries: Iterable[str] | None = None) -> tuple[str, ...]:
    """Every word that the terse register can say, each once: the words of what is seen, those of facts, and the
    name of each of `countries` (alpha-2 codes; None = all) as one word."""
    names = lexicon.country_tokens()
    texts = [*STEPS, *ALL_WORDS, *_KINDS.values()]
    texts += [word for of_kind in FACT_WORDS.values() for word in of_kind]
    texts += [names[code] for code in (names if countries is None else countries)]
    return tuple(dict.fromkeys(texts))


# --- what may be said ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Template:
    """Writes a chain of thought from facts. `Template()` speaks English, `Template("terse")` the closed vocabulary;
    `Template(unseen=True)` English about photographs that it does not look at.

        Template("terse").write(atlas.describe(lat, lon, when), attributes=attributes, rng=rng)
        "see drives-left script-latin speed-km sun-north palms both grass red-roofs no-water road-east-west few-trees
         houses-east know climate-c winter hemisphere-south lowland so Australia"

    Only the reasoning is returned; `prompts.reply(answer, thinking=text)` makes a completion of it.
    """

    register: str = "english"
    unseen: bool = False
    name = "template"
    in_processes = True
    sees = False

    def __post_init__(self):
        if self.register not in REGISTERS:
            raise ValueError(f"template: no register {self.register!r}; choose from {', '.join(REGISTERS)}")
        if self.unseen and self.register != "english":
            raise ValueError(
                "template: the terse register has no words that mark what is not seen; unseen needs english"
            )

    def write(
        self, facts: Facts, attributes: Attributes | None = None, *, rng: np.random.Generator, city: str | None = None
    ) -> str:
        """The reasoning about one place: in English four paragraphs, each with its title (some 80 to 200 words); terse
        one line of 15 to 30 words with attributes, fewer without.

        attributes  what both pictures show; None where that is not known: then only what the
                    facts imply is said, and for an `unseen` photograph that it is known from the atlas
        city        name for the conclusion; None = the nearest place of the atlas within CITY_KM
        The same arguments and state of `rng` give the same text. ValueError for facts that are invalid, or at sea.
        """
        if not facts.valid or not facts.country:
            raise ValueError(
                f"template: no country at ({facts.lat}, {facts.lon}); only places on land can be written of"
            )
        if self.register == "terse":
            return _terse(facts, attributes)
        city = (facts.place if facts.place_km <= CITY_KM else "") if city is None else city
        if self.unseen:
            steps = _known_cues(facts, rng), _expected(facts, rng), _knowledge(facts, rng, seen=False)
        else:
            steps = _cues(facts, attributes, rng), _evidence(facts, attributes, rng), _knowledge(facts, rng)
        return prompts.four_steps(*steps, _conclusion(facts, city, rng))

    def think(self, sites: Sequence, seed: int = 0) -> list[str]:
        """The text for each teachers.Site, drawn from (seed, its id) alone."""
        return [
            self.write(
                site.facts,
                site.attributes,
                rng=np.random.default_rng([seed, crc32(site.id.encode())]),
                city=site.city or None,
            )
            for site in sites
        ]


def _terse(f: Facts, a: Attributes | None) -> str:
    seen, known = fact_words(f)
    if a is None:
        both = []
    else:
        both = [BOTH, *words(a)]
        seen += [_KINDS[tree_kind(f.climate, f.land_cover)]] if a.trees != "none" else []
    return " ".join([SEE, *seen, *both, KNOW, *known, SO, lexicon.country_tokens()[f.country]])


def fact_words(f: Facts) -> tuple[list[str], list[str]]:
    """The words of FACT_WORDS that are true of a place: what can be seen there, and what is known of it."""
    seen = [
        *([f"drives-{f.driving_side}"] if f.driving_side else []),
        *([_SCRIPTS[f.script]] if f.script in _SCRIPTS else []),
        *([_SPEEDS[f.speed_unit]] if f.speed_unit else []),
        *([f"sun-{'north' if _sun_in_north(f) else 'south'}"] if f.sun_elevation_deg >= SUN_UP_DEG else []),
    ]
    known = [
        *([f"climate-{f.climate[0].lower()}"] if f.climate in lexicon.CLIMATES else []),
        *([_SEASONS[f.season]] if f.season else []),
        f"hemisphere-{f.hemisphere}",
        _RELIEF[_relief(f)],
    ]
    return seen, known


def _relief(f: Facts) -> int:
    return int(np.digitize(f.elevation_m, (LOWLAND_M, HIGHLAND_M)))


def _sun_in_north(f: Facts) -> bool:
    return bool(np.cos(np.deg2rad(f.sun_azimuth_deg)) > 0)


# --- English ---------------------------------------------------------------------------------------------------------


def _one(rng: np.random.Generator, *options: str) -> str:
    return options[int(rng.integers(len(options)))]


def _some(rng: np.random.Generator, sentences: list[str]) -> list[str]:
    """Between two and four of the sentences, in a new order."""
    return [sentences[i] for i in rng.permutation(len(sentences))[: rng.integers(2, 5)]]


_COVER = {
    "grass": "green grass", "straw": "dry, straw-coloured grass", "sand": "bare sand", "crops": "rows of crops",
    "paved": "paving", "snow": "snow",
}  # fmt: skip
_ROAD = {
    "north-south": "a road that runs from north to south", "east-west": "a road that runs from east to west",
    "crossroads": "two roads that cross", "diagonal": "a road that runs from south-west to north-east",
}  # fmt: skip
_TREES = {"none": "no trees", "few": "a few {kind}", "many": "many {kind}"}
_KIND_NAMES = {"palm": "palms", "conifer": "conifers", "broadleaf": "broad-leaved trees"}


def _trees(f: Facts, a: Attributes) -> str:
    return _TREES[a.trees].format(kind=_KIND_NAMES[tree_kind(f.climate, f.land_cover)])


def _cues(f: Facts, a: Attributes | None, rng: np.random.Generator) -> str:
    sentences = []
    if a is not None:
        cover, roof, trees = _COVER[a.cover], a.roof, _trees(f, a)
        sentences.append(
            _one(
                rng,
                f"The ground is covered with {cover}, the houses have {roof} roofs, and there are {trees}.",
                f"I see {cover} on the ground, {roof} roofs and {trees}.",
                f"Around the camera lies {cover}; the roofs are {roof}, and {trees} stand by the road."
                if a.trees != "none"
                else f"Around the camera lies {cover}; the roofs are {roof}, and no tree stands by the road.",
            )
        )
    elif f.land_cover in lexicon.LAND_COVERS:
        cover = lexicon.LAND_COVERS[f.land_cover]
        sentences.append(
            _one(
                rng,
                f"The surroundings look like {cover}.",
                f"What surrounds the camera is mostly {cover}.",
                f"The land here is {cover}.",
            )
        )
    more = []
    if f.driving_side:
        more.append(
            _one(
                rng,
                f"Traffic keeps to the {f.driving_side}.",
                f"Cars drive on the {f.driving_side} side of the road.",
                f"Vehicles are on the {f.driving_side}-hand side.",
            )
        )
    if f.script in lexicon.SCRIPTS:
        script = lexicon.SCRIPTS[f.script][0]
        more.append(
            _one(
                rng,
                f"The signs are written in {script} script.",
                f"What is written on the signs is in {script} letters."
                if f.script in ("Latn", "Cyrl", "Grek", "Arab", "Hebr", "Armn", "Geor")
                else f"What is written on the signs is in {script} characters.",
                f"The name board uses the {script} script.",
            )
        )
    if f.speed_unit:
        unit = {"km/h": "kilometres per hour", "mph": "miles per hour"}[f.speed_unit]
        more.append(_one(rng, f"Speed limits are given in {unit}.", f"The speed sign counts in {unit}."))
    if f.sun_elevation_deg >= SUN_UP_DEG:
        side, shadow = lexicon.compass(f.sun_azimuth_deg), lexicon.compass(f.sun_azimuth_deg + 180)
        height = "low" if f.sun_elevation_deg < 20 else "high" if f.sun_elevation_deg > 55 else "at middle height"
        more.append(
            _one(
                rng,
                f"The sun stands {height} in the {side}.",
                f"The sun is in the {side}, and shadows fall to the {shadow}.",
                f"Shadows point to the {shadow}, so the sun is in the {side}.",
            )
        )
    return " ".join(sentences + _some(rng, more))


def _evidence(f: Facts, a: Attributes | None, rng: np.random.Generator) -> str:
    if a is None:
        cover = lexicon.LAND_COVERS.get(f.land_cover, "the same ground")
        sentences = [
            _one(
                rng,
                f"From above, this should show as {cover}.",
                f"An aerial view of the same place would show {cover}.",
                f"Seen from the air, I expect {cover}.",
            )
        ]
        if f.sun_elevation_deg >= SUN_UP_DEG:
            shadow = lexicon.compass(f.sun_azimuth_deg + 180)
            sentences.append(
                _one(rng, f"Its shadows would point to the {shadow}.", f"Shadows there also run {shadow}wards.")
            )
        return " ".join(sentences)
    water = "no water near by" if a.water == "none" else f"water on the {a.water} side"
    road, roof, cover = _ROAD[a.road], a.roof, _COVER[a.cover]
    return _one(
        rng,
        f"From above the same place must show {road}, {water}, and houses with {roof} roofs to the {a.buildings}.",
        f"The matching aerial view has {road}, houses on the {a.buildings} side and {water}; its ground is {cover}.",
        f"Seen from the air I expect {cover}, {road}, {roof} roofs in the {a.buildings} and {water}.",
    )


def _known_cues(f: Facts, rng: np.random.Generator) -> str:
    """What a photograph of the place may well show, marked as what the atlas knows: nobody has looked at it."""
    more = []
    if f.land_cover in lexicon.LAND_COVERS:
        cover = lexicon.LAND_COVERS[f.land_cover]
        more.append(_one(rng, f"By the atlas, the land here is {cover}.", f"The atlas gives {cover} for this place."))
    if f.driving_side:
        side = f.driving_side
        more.append(
            _one(
                rng,
                f"By the atlas, traffic keeps to the {side}.",
                f"As the atlas has it, cars drive on the {side} side of the road.",
            )
        )
    if f.script in lexicon.SCRIPTS:
        script = lexicon.SCRIPTS[f.script][0]
        more.append(
            _one(
                rng,
                f"By the atlas, the usual script here is {script} script.",
                f"According to the atlas, people here write in {script} script.",
            )
        )
    if f.speed_unit:
        unit = {"km/h": "kilometres per hour", "mph": "miles per hour"}[f.speed_unit]
        more.append(
            _one(
                rng,
                f"By the atlas, speed limits are given in {unit}.",
                f"According to the atlas, speed limits here are in {unit}.",
            )
        )
    if f.sun_elevation_deg >= SUN_UP_DEG:
        side = lexicon.compass(f.sun_azimuth_deg)
        more.append(
            _one(
                rng,
                f"By date and hour the sun stands in the {side}.",
                f"By the almanac the sun is in the {side} at that hour.",
            )
        )
    return " ".join(_some(rng, more))


def _expected(f: Facts, rng: np.random.Generator) -> str:
    cover = lexicon.LAND_COVERS.get(f.land_cover, "the same ground")
    return _one(
        rng,
        f"By the same map an aerial view should show {cover}.",
        f"From above I expect {cover}, as the atlas has it.",
        f"The map lets me expect {cover} from the air.",
    )


def _knowledge(f: Facts, rng: np.random.Generator, seen: bool = True) -> str:
    """The first sentence there is and some of the others, in order. seen: whether the pictures show what the facts
    say."""
    sentences = [
        *_about_climate(f, rng, seen),
        *_about_season(f, rng),
        _about_hemisphere(f, rng),
        *_about_languages(f, rng, seen),
        _about_relief(f, rng),
        *_about_sea(f, rng),
        *_about_region(f, rng),
    ]
    return " ".join(sentences[:1] + _some(rng, sentences[1:]))


# Each of these gives one sentence, or none where nothing is known.


def _about_climate(f: Facts, rng: np.random.Generator, seen: bool) -> list[str]:
    if f.climate not in lexicon.CLIMATES:
        return []
    name, group = lexicon.CLIMATES[f.climate][0], lexicon.CLIMATE_GROUPS[f.climate[0]][0]
    a_name = ("an " if name[0] in "aeio" else "a ") + name
    return [
        _one(
            rng,
            f"This fits {a_name} climate (Köppen {f.climate}).",
            f"Such a place has {a_name} climate.",
            f"The vegetation and the light belong to the {group} zone, Köppen class {f.climate}."
            if seen
            else f"The place belongs to the {group} zone, Köppen class {f.climate}.",
        )
    ]


def _about_season(f: Facts, rng: np.random.Generator) -> list[str]:
    if not isinstance(f.when, datetime):
        return []
    season = {"wet": "the wet season", "dry": "the dry season"}.get(f.season, f.season)
    month = f.when.strftime("%B")
    return [
        _one(
            rng,
            f"It is {season} here, and the picture was taken in {month}.",
            f"In {month} it is {season} at this latitude.",
            f"The month is {month}, which means {season} in this part of the {f.hemisphere}ern hemisphere.",
        )
    ]


def _about_hemisphere(f: Facts, rng: np.random.Generator) -> str:
    half = f"{f.hemisphere}ern hemisphere"
    if abs(f.lat) > TROPIC_DEG:
        noon = "south" if f.hemisphere == "north" else "north"
        return _one(
            rng,
            f"North and south tell the hemisphere: at noon the sun stands in the {noon}, so this is the {half}.",
            f"The noon sun is in the {noon} here, as it is everywhere in the {half} outside the tropics.",
            f"We are in the {half}, where the midday sun is seen to the {noon}.",
        )
    return _one(
        rng,
        f"The place lies between the tropics, in the {half}.",
        f"This is within the tropics, on the {f.hemisphere}ern side of the equator.",
    )


def _about_languages(f: Facts, rng: np.random.Generator, seen: bool) -> list[str]:
    names = [lexicon.LANGUAGES[code][0] for code in f.languages if code in lexicon.LANGUAGES]
    if not names:
        return []
    main = names[0]
    return [
        _one(
            rng,
            f"The official language is {main}."
            if len(names) == 1
            else f"The official languages are {', '.join(names[:-1])} and {names[-1]}.",
            f"People here speak {main}.",
            f"The language on the signs is {main}." if seen else f"The main language here is {main}.",
        )
    ]


def _about_relief(f: Facts, rng: np.random.Generator) -> str:
    if f.elevation_m < NEAR_SEA_LEVEL_M:
        return _one(rng, "The ground lies close to sea level.", "The land is low, hardly above the sea.")
    height = round(f.elevation_m, -1 if f.elevation_m < 200 else -2)
    relief = ("low", "hilly or raised", "high")[_relief(f)]
    return _one(
        rng,
        f"The land is {relief}, about {height:.0f} m above sea level.",
        f"The ground lies some {height:.0f} metres above the sea.",
        f"The elevation is roughly {height:.0f} m.",
    )


def _about_sea(f: Facts, rng: np.random.Generator) -> list[str]:
    sea_km = shore.coast_km(f.lat, f.lon)
    if sea_km <= NEAR_SEA_KM:
        return [_one(rng, "The coast is not far from here.", "The sea is near.")]
    return [_one(rng, "This is well inland.", "The sea is far away.")] if sea_km >= INLAND_KM else []


def _about_region(f: Facts, rng: np.random.Generator) -> list[str]:
    if not (f.driving_side and f.region):
        return []
    return [
        _one(
            rng,
            f"Driving on the {f.driving_side} and the rest point to {f.region}.",
            f"All of this is found in {f.region}.",
            f"I know this combination from {f.region}.",
        )
    ]


def _conclusion(f: Facts, city: str, rng: np.random.Generator) -> str:
    country = lexicon.country(f.country)
    point = f"{abs(f.lat):.1f}° {'S' if f.lat < 0 else 'N'}, {abs(f.lon):.1f}° {'W' if f.lon < 0 else 'E'}"
    if not city:
        return _one(
            rng,
            f"This place lies in {country}.",
            f"The country must be {country}.",
            f"I conclude: {country}, near {point}.",
        )
    return _one(
        rng,
        f"This is {city}, {_bare(country)}.",
        f"The place is in or near {city} in {country}.",
        f"I conclude that the picture was taken in {city}, {_bare(country)}.",
        f"The country is {country}, and the city is {city}, near {point}.",
    )


def _bare(country: str) -> str:
    """A country's name as it stands behind a comma."""
    return country.removeprefix("the ")
