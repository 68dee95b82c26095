"""The base's training examples, by task: what is shown, what is said of it, and which of these words the loss counts.

No prompt holds a panorama and a tile of one place, or of places within 50 km, and what is said about a panorama and a
tile together never depends on whether they agree. `tests/mini/test_base.py` holds the stream to this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from georeplicate import geo, world
from georeplicate.engine.lexicon import country_tokens
from georeplicate.mini.wording import (
    COUNTRY_OF,
    DESCRIBE,
    DESCRIBE_ALL,
    DIFFERENT,
    LETTERS,
    MATCH,
    PAIR,
    PLACE,
    VERDICTS,
    WHERE,
    WORDING,
    climate_word,
    region_word,
)

APART_KM = world.APART_KM
TEXTS = 3  # about one set of pictures: the prompt and its pictures are computed once for all of them


@dataclass(frozen=True)
class Example:
    """One training prompt: pictures as (view, site number, variant), the text, the answers, and which words count.

    variant: a second picture of the same view of the same place (other light and noise). only: the loss counts these
    words alone (all, if empty): words about lists sampled at random teach nothing. but: the loss does not count these.
    skill: the loss is a mean over the words of each skill, so that the few words of one do not drown among the
    many of another.
    """

    pictures: tuple[tuple[str, int, int], ...]
    prompt: str
    completions: tuple[str, ...]
    only: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    skill: str = "search"  # or "verdicts" or "geography"


def think(place: tuple[str, ...], looked_at: list[tuple[str, tuple[str, ...], str]], letter: str) -> str:
    """The search in words: the place, then (letter, words, verdict or "") one by one, then the answer."""
    parts = [
        f"{PLACE} {' '.join(place)}",
        *(f"{name} {' '.join(described)} {verdict}".rstrip() for name, described, verdict in looked_at),
    ]
    return f"<think> {' '.join(parts)} </think> <answer> {letter} </answer>"


class Stream:
    """The base's training examples, by task; a pure function of the places, their words and a random generator.

    sites: where the pictures are; described: the true words of each, in the order of the wording. views: what single
    pictures are described of. known: places with a column `words`, of which geography is told in text.
    """

    # What searches look like, as a stage of the curriculum sets it (`base.Stage.prepare`).
    least: int = 1  # words said of a picture in a search
    most: int  # the same: all of the world's, unless told otherwise
    in_order: bool = False  # whether a search begins at A and goes on in the order of the alphabet
    rule: bool = False  # whether a search stops at the first tile that it calls a match

    def __init__(
        self,
        sites: pd.DataFrame,
        described: list[tuple[str, ...]],
        *,
        views: Sequence[str] = ("panorama", "tile"),
        known: pd.DataFrame | None = None,
    ):
        self.described, self.n, self.views = described, len(sites), tuple(views)
        self.kinds = [list(values.values()) for values in WORDING.words.values()]
        self.spoken_words = tuple(word for values in self.kinds for word in values)
        self.known, self.known_words = known, [] if known is None else list(known.words)
        self.most = len(self.kinds)
        self.lat, self.lon = sites.lat.to_numpy(), sites.lon.to_numpy()

    @cached_property
    def towns(self) -> list[tuple[str, str]]:
        table = world.cities()
        table = table[table.split == "base"]  # those that it tells of, and no others
        return [(city_token(c), country_tokens()[code]) for c, code in zip(table.city, table.country, strict=True)]

    def far_apart(self, rng: np.random.Generator, count: int) -> list[int]:
        """Distinct sites, every two of them more than APART_KM apart."""
        chosen: list[int] = []
        while len(chosen) < count:
            i = int(rng.integers(self.n))
            if self.far[i, chosen].all():
                chosen.append(i)
        return chosen

    @cached_property
    def far(self) -> np.ndarray:
        """(N, N) bool: more than APART_KM apart."""
        lat, lon = self.lat, self.lon
        return np.stack([geo.haversine_km(a, o, lat, lon) > APART_KM for a, o in zip(lat, lon, strict=True)])

    def looked_at(self, rng: np.random.Generator, most: int = 5) -> np.ndarray:
        """Numbers of the tiles that a search looks at before it stops, which it does at random: one to `most`."""
        order = rng.permutation(5)
        return (np.arange(5) if self.in_order else order)[: rng.integers(1, most + 1)]

    def chosen_kinds(self, rng: np.random.Generator) -> np.ndarray:
        """Which of a picture's words are said this time: `least` to `most`, in order. With one, any word can be first
        behind a letter; if it were always the same, the others would be looked up by that word and not by the letter.
        """
        return np.sort(rng.choice(len(self.kinds), rng.integers(self.least, self.most + 1), replace=False))

    def stopped(self, looked: list[tuple[str, tuple[str, ...], str]]) -> list[tuple[str, tuple[str, ...], str]]:
        """A search, cut behind the first match where the answering rule is taught."""
        matches = [i for i, (_, _, verdict) in enumerate(looked) if verdict == MATCH]
        return looked[: matches[0] + 1] if self.rule and matches else looked

    def caption(self, rng) -> Example:
        i, view = int(rng.integers(self.n)), self.views[rng.integers(len(self.views))]
        return Example(((view, i, int(rng.integers(2))),), DESCRIBE, (" ".join(self.described[i]),))

    def form(self, rng) -> Example:
        """A panorama and five tiles of places far apart, put into words; never a verdict, and a prompt of its own.

        Some words each, about one to five of the pictures, as a search that stops anywhere would; a third of these show
        one view alone, so that it is the prompt that asks for a verdict and not the pictures.
        """
        sites = self.far_apart(rng, 6)
        views = ("panorama", "tile")
        if rng.random() < 1 / 3:
            views = (views[rng.integers(2)],) * 2
        texts = []
        for _ in range(TEXTS):
            chosen = self.chosen_kinds(rng)
            order = self.looked_at(rng)
            looked = [(LETTERS[j], self._some(sites[1 + j], chosen), "") for j in order]
            texts.append(think(self._some(sites[0], chosen), looked, LETTERS[order[-1]]))
        return Example(self._six(rng, views, sites), DESCRIBE_ALL, tuple(texts))

    def _six(self, rng, views: tuple[str, str], sites: list[int]) -> tuple[tuple[str, int, int], ...]:
        """Pictures: the first site in the first view, the other five in the second."""
        others = tuple((views[1], site, int(rng.integers(2))) for site in sites[1:])
        return ((views[0], sites[0], int(rng.integers(2))), *others)

    def toss(self, rng) -> Example:
        """The search beside a panorama and five tiles of places far apart: true words, and verdicts by the toss of a
        coin, which the loss does not count. So the form is practised where it will be needed, and nothing else."""
        sites = self.far_apart(rng, 6)
        texts = []
        for _ in range(TEXTS):
            chosen = self.chosen_kinds(rng)
            order = self.looked_at(rng)
            looked = self.stopped(
                [(LETTERS[j], self._some(sites[1 + j], chosen), VERDICTS[rng.integers(2)]) for j in order]
            )
            texts.append(think(self._some(sites[0], chosen), looked, looked[-1][0]))
        return Example(self._six(rng, ("panorama", "tile"), sites), PAIR, tuple(texts), but=VERDICTS)

    def compare(self, rng, view: str) -> Example:
        """Five pictures against one of the same view; one of the five is the reference's second picture."""
        sites = self.far_apart(rng, 5)
        own = int(rng.integers(5))
        texts = []
        for _ in range(TEXTS):
            chosen = self.chosen_kinds(rng)
            place = self._some(sites[own], chosen)
            looked = []
            for j in self.looked_at(rng):
                described = self._some(sites[j], chosen)
                looked.append((LETTERS[j], described, MATCH if described == place else DIFFERENT))
            looked = self.stopped(looked)
            texts.append(think(place, looked, looked[-1][0]))
        variant = int(rng.integers(2))
        pictures = ((view, sites[own], variant), *((view, s, 1 - variant) for s in sites))
        return Example(pictures, PAIR, tuple(texts))

    def compare_text(self, rng, most: int) -> Example:
        """Lists of words alone, in the form of thinking: equal or not. One to `most` lists against the place's.

        Half of the lists are equal; of the others two thirds are near misses, one or two words drawn anew. The loss
        counts the verdicts alone: the words are sampled at random.
        """
        return Example((), PAIR, (self._lists(rng, most),), only=VERDICTS, skill="verdicts")

    def beside(self, rng) -> Example:
        """The same lists beside a panorama and five tiles of places far apart, under the pairing prompt.

        Half of these searches begin with words that are true of the panorama; the lists behind the letters are sampled
        at random and describe no tile, so no verdict says anything about whether a tile agrees with the panorama. The
        loss counts the verdicts alone.
        """
        sites = self.far_apart(rng, 6)
        texts = tuple(self._lists(rng, 5, sites[0] if rng.random() < 0.5 else None) for _ in range(TEXTS))
        return Example(self._six(rng, ("panorama", "tile"), sites), PAIR, texts, only=VERDICTS, skill="verdicts")

    def _lists(self, rng, most: int, place_of: int | None = None) -> str:
        chosen = self.chosen_kinds(rng)
        kinds = self.kinds
        place = [str(rng.choice(kinds[k])) for k in chosen]
        if place_of is not None:
            place = list(self._some(place_of, chosen))
        looked = []
        for j in self.looked_at(rng, most):
            listed = list(place)
            if rng.random() < 0.5:
                changed = len(chosen) if rng.random() < 0.35 else rng.integers(1, min(3, len(chosen)) + 1)
                for at in rng.permutation(len(chosen))[:changed]:
                    listed[at] = str(rng.choice(kinds[chosen[at]]))
            looked.append((LETTERS[j], tuple(listed), MATCH if listed == place else DIFFERENT))
        looked = self.stopped(looked)
        return think(tuple(place), looked, looked[-1][0])

    def fact(self, rng) -> Example:
        city, country = self.towns[rng.integers(len(self.towns))]
        return Example((), COUNTRY_OF.format(city=city), (country,), skill="geography")

    def see(self, rng) -> Example:
        """The question about a street-level photo, answered as far as words can be seen: nothing is said of its place.

        The loss counts the words of the picture alone.
        """
        i = int(rng.integers(self.n))
        text = f"<think> {PLACE} {' '.join(self.described[i])}"
        return Example((("crop", i, int(rng.integers(2))),), WHERE, (text,), only=self.spoken_words)

    def know(self, rng, *, beside: bool = False) -> Example:
        """From a place's words to its climate and region, and so to its country and city; in text alone.

        beside: beside the photo of another place, far away, so that words are gone by and no picture. The loss counts
        what follows from the words, and not the words. Some words are left out in half of the cases.
        """
        if self.known is None:
            raise ValueError("this stream was given no places to know: Stream(..., known=...)")
        i = int(rng.integers(len(self.known)))
        words, place = self.known_words[i], self.known.iloc[i]
        if rng.random() < 0.5:
            kept = np.sort(rng.choice(len(words), rng.integers(4, len(words)), replace=False))
            words = tuple(words[k] for k in kept)
        text = thought(words, place.climate, place.region, place.country, place.city)
        pictures: tuple[tuple[str, int, int], ...] = ()
        if beside:
            far = np.flatnonzero(geo.haversine_km(place.lat, place.lon, self.lat, self.lon) > APART_KM)
            pictures = (("crop", int(far[rng.integers(len(far))]), int(rng.integers(2))),)
        return Example(pictures, WHERE, (text,), but=self.spoken_words, skill="geography")

    def _some(self, site: int, chosen: np.ndarray) -> tuple[str, ...]:
        return tuple(self.described[site][k] for k in chosen)

    def batch(self, rng: np.random.Generator, mix: dict[str, int]) -> list[Example]:
        """Examples of a mix {task: how many}, task after task."""
        tasks = {
            "caption": self.caption,
            "form": self.form,
            "beside": self.beside,
            "toss": self.toss,
            "tiles": lambda r: self.compare(r, "tile"),
            "panoramas": lambda r: self.compare(r, "panorama"),
            "text of 1": lambda r: self.compare_text(r, 1),
            "text of 5": lambda r: self.compare_text(r, 5),
            "fact": self.fact,
            "see": self.see,
            "know": self.know,
            "know beside": lambda r: self.know(r, beside=True),
        }
        return [tasks[name](rng) for name, count in mix.items() for _ in range(count)]


def thought(words: Sequence[str], climate: str, region: str, country: str, city: str) -> str:
    """A place's words, its climate group and region, and so its country and city: thinking and answer.

    climate: a Köppen-Geiger class. region: a UN subregion. country: an ISO 3166 code. city: its name.
    """
    known = " ".join(filter(None, (climate_word(climate), region_word(region))))
    answer = f"country : {country_tokens()[country]} city : {city_token(city)}"
    return f"<think> {PLACE} {' '.join(words)} {known} </think> <answer> {answer} </answer>"


def city_token(city: str) -> str:
    """A city's name as one word: "Rio-de-Janeiro"; the gazetteer reads it."""
    return re.sub(r"[^\w]+", "-", city).strip("-")
