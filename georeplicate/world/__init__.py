"""The embedded cross-view world: one scene of a real place, seen from the ground and from the air.

    places = world.sites("test", per_region=8)          # real places, with the atlas's facts
    scene = world.build(next(places.itertuples()))      # houses, roads, water, trees, sun
    world.panorama(scene), world.tile(scene), world.crop(scene)

Everything drawn here is **synthetic**: the metadata are real, the pictures are renderings of them. What a model
learns from these pictures is to read the renderer, not photographs.
"""

from georeplicate.world.cues import Cues
from georeplicate.world.depict import GEOGRAPHIC, build, crop, panorama, tile, vocabulary, words_of
from georeplicate.world.landscape import Landscape
from georeplicate.world.render import hue
from georeplicate.world.scene import DEFAULT, EYE_M, TILE_M, Attributes, Difficulty, Scene
from georeplicate.world.sites import APART_KM, RADIUS_KM, SPLITS, cities, sites

__all__ = [
    "APART_KM",
    "DEFAULT",
    "EYE_M",
    "RADIUS_KM",
    "SPLITS",
    "TILE_M",
    "GEOGRAPHIC",
    "Attributes",
    "Cues",
    "Difficulty",
    "Landscape",
    "Scene",
    "build",
    "cities",
    "crop",
    "hue",
    "panorama",
    "sites",
    "tile",
    "vocabulary",
    "words_of",
]
