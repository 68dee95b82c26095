"""The embedded cross-view world: one scene of a real place, seen from the ground and from the air.

    places = world.sites("test", per_region=8)          # real places, with the atlas's facts
    scene = world.build(next(places.itertuples()))      # houses, roads, water, trees, sun
    world.panorama(scene), world.tile(scene), world.crop(scene)
    world.build(place, difficulty=world.LAYOUT)         # the same place in the first world

There are two worlds over the same places. In "layout" six attributes are drawn, few of which say where a place is;
the committed runs are of it. In "geographic" fourteen cues follow from the atlas's facts and show in both views, which
are otherwise unlike. No run of the latter is published yet.

    sites                       which places there are, with their facts
    palette, scene, render      the layout world: colours and habits, attributes and geometry, pictures
    cues, landscape, views      the geographic world: cues and their words, geometry, pictures of two unlike cameras
    depict                      both by one name
    words                       the layout world's words

Everything drawn here is **synthetic**: the metadata are real, the pictures are renderings of them. What a model
learns from these pictures is to read the renderer, not photographs.
"""

from georeplicate.world.cues import Cues
from georeplicate.world.depict import DEFAULT, build, crop, panorama, tile, tile_m, vocabulary, words_at, words_of
from georeplicate.world.landscape import Landscape
from georeplicate.world.render import hue
from georeplicate.world.scene import EYE_M, LAYOUT, TILE_M, Attributes, Difficulty, Scene
from georeplicate.world.sites import APART_KM, RADIUS_KM, SPLITS, cities, sites

__all__ = [
    "APART_KM",
    "DEFAULT",
    "EYE_M",
    "LAYOUT",
    "RADIUS_KM",
    "SPLITS",
    "TILE_M",
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
    "tile_m",
    "vocabulary",
    "words_at",
    "words_of",
]
