"""The embedded cross-view world: one landscape of a real place, seen from the ground and from the air.

    places = world.sites("test", per_region=8)          # real places, with the atlas's facts
    land = world.build(next(places.itertuples()))       # houses, roads, plants and vehicles that show its cues
    world.panorama(land), world.tile(land), world.crop(land)

Fourteen cues follow from the atlas's facts and show in both views, which are otherwise unlike.

    sites         which places there are, with their facts
    cues          what there is to be seen of a place, how likely it is, and in words
    difficulty    the dial: which cues vary, how unlike the views are
    landscape     from cues to geometry in metres
    views         pictures of it by two unlike cameras
    geometry, drawing    shapes, rays and shadows; what is painted over a picture

Everything drawn here is **synthetic**: the metadata are real, the pictures are renderings of them. What a model
learns from these pictures is to read the renderer, not photographs.
"""

from georeplicate.world.cues import Cues, vocabulary
from georeplicate.world.difficulty import DEFAULT, Difficulty
from georeplicate.world.drawing import hue
from georeplicate.world.landscape import EYE_M, TILE_M, Landscape, build, words_at, words_of
from georeplicate.world.sites import APART_KM, RADIUS_KM, SPLITS, cities, sites
from georeplicate.world.views import crop, panorama, tile

__all__ = [
    "APART_KM",
    "DEFAULT",
    "EYE_M",
    "RADIUS_KM",
    "SPLITS",
    "TILE_M",
    "Cues",
    "Difficulty",
    "Landscape",
    "build",
    "cities",
    "crop",
    "hue",
    "panorama",
    "sites",
    "tile",
    "vocabulary",
    "words_at",
    "words_of",
]
