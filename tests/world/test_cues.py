"""Cues: do they follow from facts, vary smoothly, and show in both views, which are otherwise unlike?"""

import numpy as np
import pytest

from georeplicate import atlas, geo, pairs, world
from georeplicate.mini import tiny
from georeplicate.world import Difficulty, cues, drawing, landscape, views

STILL = Difficulty(noise=0, light=0, gap=0)


@pytest.fixture(scope="module")
def places():
    return world.sites("base", 2)


@pytest.fixture(scope="module")
def drawn(places):
    return [cues.draw(site) for site in places.itertuples()]


# --- cues


def test_probabilities_are_distributions_wherever_one_is(places):
    everywhere = places.sample(200, random_state=0)
    for site in everywhere.itertuples():
        for cue in cues.WORDS:
            p = cues.chances(cue, site)
            assert (p >= 0).all() and p.sum() == pytest.approx(1)
    assert set(atlas.describe(places.lat.to_numpy(), places.lon.to_numpy(), atlas.NOON).region) <= set(cues._BUILT)


def test_cues_that_follow_from_facts_follow_them(places, drawn):
    for site, c in zip(places.itertuples(), drawn):
        assert c.side == ("left" if site.driving_side == "left" else "right")
        azimuth, elevation = cues.noon_sun(site.lat, cues.day_of_year(site.taken_at))
        assert c.sun == ("overhead" if elevation >= cues.HIGH_SUN else "south" if azimuth == 180 else "north")
        if site.lat > 40:
            assert c.sun != "north"
        assert (c.wetness == "wet") == (site.rain_mm >= cues.WET_MM)
    lines = {site.country: c.line for site, c in zip(places.itertuples(), drawn)}
    assert lines["BR"] == "yellow" and lines["FR"] == "white"


def test_the_noon_sun_is_where_the_atlas_has_it_at_noon():
    for lat, date in ((52.0, "2023-03-05"), (-34.0, "2023-07-20"), (8.0, "2023-12-01")):
        noon = atlas.describe(lat, 0.0, f"{date}T12:00:00Z")
        azimuth, elevation = cues.noon_sun(lat, cues.day_of_year(date))
        assert elevation == pytest.approx(noon.sun_elevation_deg, abs=1.5)
        assert np.cos(np.deg2rad(azimuth - noon.sun_azimuth_deg)) > 0.95


def test_frequencies_are_the_probabilities(places):
    """One place with its facts held, moved about the globe: what is drawn is what `chances` says."""
    site = next(s for s in places.itertuples() if s.climate == "Csa")
    rng = np.random.default_rng(0)
    lat, lon = np.rad2deg(np.arcsin(rng.uniform(-1, 1, 800))), rng.uniform(-180, 180, 800)
    fields = np.array([cues._gumbel(0, a, o) for a, o in zip(lat, lon)])
    at = 0
    for cue, values in cues.WORDS.items():
        p = cues.chances(cue, site)
        with np.errstate(divide="ignore"):
            chosen = (np.log(p) + fields[:, at : at + len(values)]).argmax(1)
        assert np.abs(np.bincount(chosen, minlength=len(values)) / 800 - p).max() < 0.06, cue
        at += len(values)


def test_neighbours_look_alike_about_half_as_often_apart(places):
    """P(differs) a kilometre away is about half of that fifteen kilometres away, facts held."""
    sample = places.sample(250, random_state=1)
    here = [cues.draw(site) for site in sample.itertuples()]
    differs = {}
    for km in (1, 15):
        lat, lon = geo.destination(sample.lat.to_numpy(), sample.lon.to_numpy(), np.full(len(sample), 90.0), km)
        there = [cues.draw(site) for site in sample.assign(lat=lat, lon=lon).itertuples()]
        differs[km] = np.mean(
            [getattr(a, c) != getattr(b, c) for a, b in zip(here, there) for c in cues.WORDS if c not in cues.CONSTANT]
        )
    assert 0.35 < differs[1] / differs[15] < 0.65


def test_words_are_single_tokens_of_a_tokenizer_built_from_them():
    assert len(set(cues.ALL_WORDS)) == len(cues.ALL_WORDS) and 12 <= len(cues.WORDS) <= 14
    tokenizer = tiny.build_tokenizer(word for values in world.vocabulary().values() for word in values.values())
    for word in cues.ALL_WORDS:
        assert len(tokenizer(word)["input_ids"]) == 1 and tokenizer.unk_token_id not in tokenizer(word)["input_ids"]


# --- pictures


def test_a_place_is_a_pure_function_of_seed_site_and_facts(places):
    site = next(places.itertuples())
    for view in (world.panorama, world.tile, world.crop):
        once = view(world.build(site))
        assert np.array_equal(once, view(world.build(site)))
        assert not np.array_equal(once, view(world.build(site, 1), seed=1))
    assert world.words_of(world.build(site)) == cues.draw(site).words()


@pytest.mark.parametrize("dial", [world.DEFAULT, Difficulty(vary=frozenset({"roof"}))])
def test_words_of_a_place_are_those_of_what_would_be_built_there(places, dial):
    for site in places.iloc[::40].itertuples():
        for seed in (0, 1):
            assert world.words_at(site, seed, dial) == world.words_of(world.build(site, seed, dial))


def test_every_cue_shows_in_both_views(places):
    """Each value of each cue, all else equal, changes both pictures from those of any other value."""
    site = next(places.itertuples())
    plain = {name: next(iter(values)) for name, values in cues.WORDS.items()}
    for cue, values in cues.WORDS.items():
        seen = {"panorama": [], "tile": []}
        for value in values:
            land = landscape.survey(site, 0, plain | {cue: value})
            for view, pictures in seen.items():
                pictures.append(getattr(world, view)(land, difficulty=STILL).astype(int))
        for view, pictures in seen.items():
            for i, a in enumerate(pictures):
                for b in pictures[:i]:
                    assert (np.abs(a - b).max(-1) > 24).mean() > 0.003, (cue, view)


def test_the_camera_and_the_vehicles_drive_on_the_countrys_side(places):
    for site in places.iloc[::40].itertuples():
        land = world.build(site)
        direction, offset, half = land.roads[0]
        middle = offset * landscape.unit(direction + 90)
        for xy, facing in [(np.zeros(2), land.heading), *zip(land.vehicles.xy, land.facing)]:
            across = (middle - xy) @ landscape.unit(facing + 90)  # of the street's middle, to the driver's right
            assert np.sign(across) == (1 if site.driving_side == "left" else -1) and abs(across) < half


def test_cameras_differ_by_view_and_area_and_are_well_conditioned(places):
    found = [views.camera(area, view) for area in places.area.unique()[:150] for view in ("panorama", "tile")]
    conditions = np.array([np.linalg.cond(matrix) for matrix in found])
    assert conditions.max() <= views.CONDITION and np.median(conditions) > 1.2
    assert np.abs(found[0] - found[1]).max() > 0.05 and np.abs(found[0] - found[2]).max() > 0.05


@pytest.mark.parametrize("split", world.SPLITS)
def test_no_camera_negates_a_picture_or_makes_it_far_too_bright(split):
    """Grey stays nearly grey in every city: a matrix scaled by a sum near zero once made a whole city black."""
    areas = world.sites(split, 1).area.unique()
    light = np.array([views.camera(area, view).sum(1) for area in areas for view in ("panorama", "tile")])
    assert views.GREY[0] <= light.min() and light.max() <= views.GREY[1]
    assert 0.8 < np.median(light) < 1


def test_the_views_have_hours_of_their_own_within_reason(places):
    for site in places.iloc[::60].itertuples():
        land = world.build(site)
        (a, _), (b, _) = land.sun("panorama", 0), land.sun("tile", 0)
        for azimuth in (a, b):
            assert abs((azimuth - land.noon[0] + 180) % 360 - 180) <= landscape.HOUR
        assert a != b


def test_no_flag_and_no_board_unless_asked(places, monkeypatch):
    site = next(places.itertuples())
    land = world.build(site)
    shown = world.panorama(land, difficulty=Difficulty(boards=True))
    assert not np.array_equal(shown, world.panorama(land))
    monkeypatch.setattr(drawing, "boards", lambda *_: pytest.fail("a board was painted"))
    for view in (world.panorama, world.crop, world.tile):
        view(land)


def test_a_frozen_cue_is_the_same_everywhere(places):
    dial = Difficulty(vary=frozenset({"roof"}))
    found = [world.build(site, difficulty=dial).cues for site in places.iloc[::30].itertuples()]
    assert len({c.roof for c in found}) > 1 and len({(c.soil, c.sun, c.side) for c in found}) == 1


def test_pairs_are_loaded_as_they_are_drawn():
    rows = pairs.load("world", "validation", per_region=1, regions=2)
    site = world.sites("validation", 1, regions=2).iloc[1]
    land = world.build(site)
    assert np.array_equal(np.asarray(rows[1]["panorama"]), world.panorama(land))
    assert np.array_equal(np.asarray(rows[1]["aerial"]), world.tile(land))
