"""Pictures of every mode, rewards that are no numbers, points at the coast, moments at the calendar's ends."""

import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from georeplicate import atlas, geo
from georeplicate.model import pictures
from georeplicate.report import maps
from georeplicate.training import grpo

# --- pictures ---------------------------------------------------------------------------------------------------------


def colour(image):
    made = pictures.as_rgb(image)
    assert made.mode == "RGB"
    return np.asarray(made).reshape(-1, 3).mean(0).round().astype(int).tolist()


def paletted(transparent=None):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 30, 160, 40])
    if transparent is not None:
        image.info["transparency"] = transparent
    return image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGB", (4, 4), (10, 20, 30)), [10, 20, 30]),
        (Image.new("RGBA", (4, 4), (10, 20, 30, 0)), [255, 255, 255]),
        (Image.new("RGBA", (4, 4), (10, 20, 30, 255)), [10, 20, 30]),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 51)), [204, 204, 204]),
        (Image.new("LA", (4, 4), (100, 0)), [255, 255, 255]),
        (Image.new("LA", (4, 4), (100, 255)), [100, 100, 100]),
        (Image.new("L", (4, 4), 100), [100, 100, 100]),
        (Image.new("1", (4, 4), 1), [255, 255, 255]),
        (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), [255, 0, 0]),
        (paletted(), [30, 160, 40]),
        (paletted(transparent=1), [255, 255, 255]),
        (paletted(transparent=0), [30, 160, 40]),
        (Image.fromarray(np.full((4, 4), 257 * 100, np.uint16)), [100, 100, 100]),
        (Image.fromarray(np.full((4, 4), 257 * 100, np.int32)), [100, 100, 100]),
        (Image.fromarray(np.full((4, 4), 100, np.int32)), [100, 100, 100]),
        (Image.fromarray(np.full((4, 4), 0.5, np.float32)), [128, 128, 128]),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
def test_pictures_of_every_mode(image, expected):
    assert colour(image) == expected


@pytest.mark.parametrize("orientation", range(1, 10))
def test_a_picture_stands_upright(tmp_path, orientation):
    image = Image.new("RGB", (64, 32), "white")
    image.paste((0, 0, 0), (0, 0, 8, 8))  # the first corner as stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as stored:
        made = pictures.as_rgb(stored)
        lying = orientation in (1, 2, 3, 4, 9)  # 9 is no orientation
        assert made.size == ((64, 32) if lying else (32, 64))
        corner = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1), 9: (0, 0)}[
            orientation
        ]
        x, y = (2 if not at else size - 3 for at, size in zip(corner, made.size))
        assert made.getpixel((x, y)) == (0, 0, 0)


# --- rewards that are no numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_advantages_of_what_is_no_number_are_refused(bad):
    with pytest.raises(ValueError, match="the reward of answer 1 in group 0 is"):
        grpo.group_advantages(torch.tensor([[1.0, bad, 0.0, 0.0]]))


# --- the atlas and maps -----------------------------------------------------------------------------------------------


def test_a_headland_that_the_map_cuts_off_is_land():
    found = atlas.describe(69.6833, 18.95, "2024-06-21T12:00:00Z")
    assert found.is_land and found.country == "NO" and found.climate != "ocean" and found.land_cover != "water"
    assert atlas.is_land(69.6833, 18.95) and not atlas.is_land(69.6833, 18.95, drawn_coast=True)
    assert not atlas.describe(69.6833, 18.95, "2024-06-21T12:00:00Z", drawn_coast=True).is_land


def test_shores_add_little_and_take_nothing_away():
    rng = np.random.default_rng(1)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, 50_000))), rng.uniform(-180, 180, 50_000)
    lived, drawn = atlas.is_land(lat, lon), atlas.is_land(lat, lon, drawn_coast=True)
    assert (lived >= drawn).all() and (lived & ~drawn).mean() < 0.001


@pytest.mark.parametrize(
    "when",
    [
        "9999-12-31T23:00:00-05:00",
        "0001-01-01T00:00:00+05:00",
        np.datetime64("10000-01-01"),
        np.datetime64("0000-06-01"),
    ],
)
def test_a_moment_beyond_the_calendar_is_one_sentence(when):
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        atlas.describe(48.85, 2.35, when)
    assert not atlas.describe([48.85], [2.35], [when]).valid[0]


def test_the_last_day_of_the_calendar_has_its_facts():
    assert atlas.describe(48.85, 2.35, datetime(9999, 12, 31, tzinfo=UTC)).country == "FR"


@pytest.mark.parametrize("k", [1.5, "2", True, [1]])
def test_half_a_neighbour_is_one_sentence(k):
    with pytest.raises(ValueError, match="k must be a whole number of neighbours"):
        geo.neighbours([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], k=k)


@pytest.mark.parametrize(
    ("lon", "expected"),
    [
        ([173.0, -157.4], -172.2),
        ([10.0, 20.0], 15.0),
        ([-170.0, -100.0, -60.0], -110.0),
        ([179.0, -179.0], 180.0),
        ([5.0], 5.0),
    ],
)
def test_the_middle_of_a_country_across_the_antimeridian(lon, expected):
    assert (maps._mean_longitude(pd.Series(lon)) - expected + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)
