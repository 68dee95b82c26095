"""Both worlds by one name: a site's scene and its pictures, whichever world the dial asks for."""

from __future__ import annotations

from typing import overload

import numpy as np

from georeplicate.world import cues, landscape, render, scene, views
from georeplicate.world import words as attributes
from georeplicate.world.landscape import Landscape
from georeplicate.world.scene import LAYOUT, Difficulty, Scene

DEFAULT = Difficulty()
FROZEN = {name: next(iter(values)) for name, values in cues.WORDS.items()}


@overload
def build(site, seed: int = 0) -> Scene: ...
@overload
def build(site, seed: int = 0, *, difficulty: Difficulty) -> Scene | Landscape: ...
@overload
def build(site, seed: int, difficulty: Difficulty) -> Scene | Landscape: ...
def build(site, seed: int = 0, difficulty: Difficulty = DEFAULT) -> Scene | Landscape:
    """The scene of one row of `sites(...)`, or in the geographic world its landscape. Raises nothing for any valid
    site; the same arguments give the same scene, bit for bit."""
    if difficulty.world == "layout":
        return scene.build(site, seed, difficulty)
    return landscape.survey(site, seed, _frozen(difficulty))


def _frozen(difficulty: Difficulty) -> dict[str, str]:
    return {name: value for name, value in FROZEN.items() if name not in (difficulty.vary or ())}


def words_at(site, seed: int = 0, difficulty: Difficulty = DEFAULT) -> tuple[str, ...]:
    """`words_of(build(site, seed, difficulty))`, in a fraction of its time: nothing is built."""
    if difficulty.world == "layout":
        return attributes.words(scene.attributes_of(site, seed, difficulty))
    return landscape.cues_of(site, seed, _frozen(difficulty)).words()


def tile(
    place: Scene | Landscape, size: int = 48, *, difficulty: Difficulty | None = None, seed: int = 0
) -> np.ndarray:
    """North-up aerial picture of the ground around the camera (96 m wide, 64 m in the geographic world) ->
    (size, size, 3) uint8. `difficulty`: None is the default of the place's own world."""
    return _renderer(place).tile(place, size, difficulty=_of(place, difficulty), seed=seed)


def panorama(
    place: Scene | Landscape, height: int = 32, *, difficulty: Difficulty | None = None, seed: int = 0
) -> np.ndarray:
    """360 degree ground panorama, a band of +-45 degrees -> (height, 4 * height, 3) uint8; north in the middle."""
    return _renderer(place).panorama(place, height, difficulty=_of(place, difficulty), seed=seed)


def crop(
    place: Scene | Landscape,
    size: int = 64,
    *,
    heading: float | None = None,
    fov: float = 95.0,
    difficulty: Difficulty | None = None,
    seed: int = 0,
) -> np.ndarray:
    """A perspective picture, a street-level photo -> (size, size, 3) uint8.

    heading: degrees clockwise from north of the picture's middle; None: along the street, give or take 20 degrees
    (drawn from the seed). fov: horizontal and vertical field of view in degrees, 10..120; ValueError otherwise.
    """
    dial = _of(place, difficulty)
    return _renderer(place).crop(place, size, heading=heading, fov=fov, difficulty=dial, seed=seed)


def tile_m(place: Scene | Landscape) -> float:
    """Metres of ground that an aerial tile of a place is wide."""
    return scene.TILE_M if isinstance(place, Scene) else landscape.TILE_M


def words_of(place: Scene | Landscape) -> tuple[str, ...]:
    """What is true of a place, one word an attribute or cue, in the order of `vocabulary` of its world."""
    return attributes.words(place.attributes) if isinstance(place, Scene) else place.cues.words()


def vocabulary(difficulty: Difficulty = DEFAULT) -> dict[str, dict[str, str]]:
    """{attribute or cue: {its value: the word for it}} of a world: what a tokenizer has to know."""
    return attributes.WORDS if difficulty.world == "layout" else cues.WORDS


def _renderer(place: Scene | Landscape):
    return render if isinstance(place, Scene) else views


def _of(place: Scene | Landscape, difficulty: Difficulty | None) -> Difficulty:
    """The dial for a place, refused where it is another world's."""
    if difficulty is None:
        return LAYOUT if isinstance(place, Scene) else DEFAULT
    if (difficulty.world == "layout") != isinstance(place, Scene):
        raise ValueError(
            f'a place was built for one world and is drawn with the dial of another ("{difficulty.world}")'
        )
    return difficulty
