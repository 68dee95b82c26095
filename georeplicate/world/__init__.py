"""The embedded cross-view world: real coordinates and moments -> facts -> one scene -> a ground panorama, phone pictures, an aerial tile.

    places = world.sites("test", per_region=8)          # real places; facts from the atlas
    scene = world.build(next(places.itertuples()))      # houses, roads, water, trees, sun: a pure function of (seed, site)
    world.panorama(scene), world.tile(scene), world.crop(scene)

Everything drawn here is **synthetic**: the metadata are real, the pictures are renderings of them. What a model learns from these pictures is
to read the renderer, not photographs.
"""

from georeplicate.world.render import crop, hue, panorama, tile
from georeplicate.world.scene import EYE_M, TILE_M, Attributes, Difficulty, Scene, build
from georeplicate.world.sites import APART_KM, RADIUS_KM, SPLITS, cities, sites

__all__ = [
    "APART_KM", "EYE_M", "RADIUS_KM", "SPLITS", "TILE_M", "Attributes", "Difficulty", "Scene", "build", "cities", "crop", "hue", "panorama", "sites", "tile",
]  # fmt: skip
