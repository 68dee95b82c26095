"""How places look: the world's colours and the regional habits that choose among them.

The facts of a place (climate, month, land cover, country, UN subregion) are real; how they are drawn is **our
choice**, made from general knowledge and written here in one place. Weights are relative; `MIX` of every draw is
uniform, so that no region ever shows one colour only.
"""

import numpy as np

MIX = 0.25  # share of each regional draw that ignores the region's habits

COVERS = ("grass", "straw", "sand", "crops", "paved", "snow")
ROOFS = ("red", "grey", "brown", "white", "blue")
SIDES = ("north", "east", "south", "west")
ROADS = ("north-south", "east-west", "crossroads", "diagonal")
TREES = ("none", "few", "many")

COVER_RGB = {
    "grass": (92, 138, 64),
    "straw": (198, 176, 96),
    "sand": (226, 206, 164),
    "crops": (150, 168, 72),
    "paved": (158, 158, 160),
    "snow": (240, 243, 248),
}
CROP_SOIL = (116, 82, 56)
ROOF_RGB = {
    "red": (184, 62, 44),
    "grey": (104, 108, 118),
    "brown": (124, 84, 52),
    "white": (238, 236, 230),
    "blue": (58, 104, 184),
}
WALL_RGB = {
    "cream": (232, 220, 190),
    "white": (240, 238, 234),
    "brick": (168, 100, 78),
    "grey": (172, 172, 170),
    "ochre": (214, 172, 106),
    "timber": (142, 108, 78),
}
CAR_RGB = ((200, 200, 204), (40, 42, 48), (168, 38, 36), (46, 74, 138), (235, 235, 235))
ASPHALT, DIRT = (82, 84, 90), (164, 132, 96)
SEA, RIVER, TROPICAL_SEA = (44, 92, 150), (64, 110, 128), (36, 138, 168)
BEACH, PAVEMENT = (222, 206, 160), (178, 176, 171)

# Relative weights (red, grey, brown, white, blue) of roof colours by UN M49 subregion.
# "Asia" is Taiwan, for which the UN names no subregion.
REGION_ROOFS = {
    "Northern Africa": (1, 1, 3, 6, 0.5),
    "Eastern Africa": (3, 4, 2, 1, 2),
    "Middle Africa": (2, 4, 4, 1, 1),
    "Southern Africa": (3, 4, 2, 1, 1),
    "Western Africa": (2, 4, 4, 1, 1),
    "Caribbean": (4, 3, 1, 2, 3),
    "Central America": (5, 2, 2, 2, 1),
    "South America": (6, 2, 3, 1, 0.5),
    "Northern America": (1, 6, 4, 1, 0.5),
    "Central Asia": (1, 5, 2, 2, 2),
    "Eastern Asia": (1, 6, 2, 1, 4),
    "South-eastern Asia": (5, 2, 2, 1, 4),
    "Southern Asia": (2, 2, 3, 5, 1),
    "Western Asia": (1, 1, 3, 6, 0.5),
    "Eastern Europe": (4, 4, 3, 0.5, 2),
    "Northern Europe": (4, 5, 3, 0.5, 0.5),
    "Southern Europe": (8, 1, 3, 2, 0.2),
    "Western Europe": (4, 6, 2, 0.5, 0.5),
    "Australia and New Zealand": (4, 5, 2, 2, 1),
    "Melanesia": (2, 4, 3, 2, 3),
    "Micronesia": (2, 3, 2, 4, 3),
    "Polynesia": (4, 2, 3, 2, 3),
    "Asia": (1, 6, 2, 1, 4),
}
# Relative weights of wall colours, in the order of WALL_RGB.
REGION_WALLS = {
    "Northern Africa": (4, 5, 0, 1, 4, 0),
    "Eastern Africa": (3, 2, 3, 1, 3, 1),
    "Middle Africa": (2, 2, 3, 1, 4, 1),
    "Southern Africa": (3, 3, 3, 1, 1, 0),
    "Western Africa": (3, 2, 1, 2, 5, 0),
    "Caribbean": (3, 4, 0, 1, 3, 2),
    "Central America": (2, 3, 1, 1, 5, 0),
    "South America": (3, 4, 3, 1, 3, 0),
    "Northern America": (2, 3, 3, 2, 0, 4),
    "Central Asia": (3, 4, 2, 3, 1, 0),
    "Eastern Asia": (1, 3, 1, 6, 0, 2),
    "South-eastern Asia": (3, 4, 1, 2, 2, 3),
    "Southern Asia": (3, 2, 4, 2, 3, 0),
    "Western Asia": (5, 3, 0, 1, 4, 0),
    "Eastern Europe": (3, 2, 2, 4, 2, 2),
    "Northern Europe": (1, 3, 6, 2, 0, 3),
    "Southern Europe": (4, 5, 1, 0, 4, 0),
    "Western Europe": (4, 3, 4, 2, 1, 0),
    "Australia and New Zealand": (2, 2, 5, 1, 0, 2),
    "Melanesia": (2, 4, 0, 1, 1, 4),
    "Micronesia": (2, 5, 0, 2, 0, 2),
    "Polynesia": (2, 4, 0, 1, 0, 4),
    "Asia": (1, 3, 1, 6, 0, 2),
}

# Yellow centre lines: the Americas as a whole (by subregion), and these countries. General knowledge, no one source.
YELLOW_LINE_REGIONS = ("Northern America", "Central America", "South America", "Caribbean")
YELLOW_LINE_COUNTRIES = ("NO", "KR", "TW", "CN", "PH", "ZA", "IL")


def choose(rng: np.random.Generator, names: tuple[str, ...], weights) -> str:
    """One of `names`, drawn by `weights`; a share MIX of the draw is uniform over those whose weight is not zero."""
    w = np.asarray(weights, float)
    p = (1 - MIX) * w / w.sum() + MIX * (w > 0) / (w > 0).sum()
    return names[min(int(np.searchsorted(np.cumsum(p), rng.random(), side="right")), len(names) - 1)]


def cover_weights(
    land_cover: str, climate: str, temperature_c: float, rain_mm: float, urban: float
) -> tuple[float, ...]:
    """Weights of COVERS from the real land cover, the Köppen zone and the month's weather; `urban` 0..1 adds paving.

    Frozen months turn every green cover to snow. Returns weights in the order of COVERS.
    """
    if climate.startswith("B"):
        w = dict(grass=0.6, straw=2.5, sand=3.0, crops=0.8, paved=0.6)
    elif climate.startswith("A"):
        w = dict(grass=3.0, straw=0.8, sand=1.0, crops=1.5, paved=0.8)
    elif climate.startswith("E"):
        w = dict(grass=1.0, straw=2.0, sand=0.8, crops=0.1, paved=0.4)
    else:
        dry = rain_mm < 30
        w = dict(grass=1.0 if dry else 3.0, straw=2.5 if dry else 0.8, sand=0.6, crops=1.5, paved=0.9)
    w["snow"] = 0.0
    if "crop" in land_cover:
        w["crops"] += 3
    if land_cover == "barren":
        w["sand"] += 4
    if "savanna" in land_cover or "shrub" in land_cover:
        w["straw"] += 1.5
    if "forest" in land_cover:
        w["grass"] += 2
    w["paved"] += 2.5 * urban
    if temperature_c <= -1:
        w["snow"] = 6.0
        for name in ("grass", "straw", "crops"):
            w[name] *= 0.2
    return tuple(w[name] for name in COVERS)


def tree_kind(climate: str, land_cover: str) -> str:
    """ "palm", "conifer" or "broadleaf": what grows there, from the Köppen zone and the land cover."""
    if climate.startswith("A") or climate in ("BWh", "BSh"):
        return "palm"
    if climate.startswith(("D", "E")) or "needleleaf" in land_cover:
        return "conifer"
    return "broadleaf"


def tree_rgb(kind: str, season: str, temperature_c: float) -> tuple[int, int, int]:
    """Crown colour of a tree of `kind` in the season; broadleaf trees redden in a cool autumn and stand bare in a
    cold winter."""
    if kind == "palm":
        return (64, 130, 58)
    if kind == "conifer":
        return (36, 82, 56)
    if season == "autumn" and temperature_c < 15:
        return (190, 110, 42)
    if season == "winter" and temperature_c < 6:
        return (118, 102, 88)
    return (44, 100, 44) if season != "spring" else (86, 140, 58)
