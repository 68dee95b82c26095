"""Maps of answers: what is drawn where. How they look was judged by eye."""

import fakes
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba

from georeplicate.report import maps, plots


@pytest.fixture(scope="module")
def located():
    p = fakes.predictions(fakes.places(), systems=("mini-base", "mini-SFT"))
    return p[p.task == "geolocation"]


def drawn(figure):
    """The scatters of the first panel."""
    figure.draw_without_rendering()
    return [part for part in figure.axes[0].collections if isinstance(part, PathCollection)]


def test_the_title_names_system_run_and_count(located):
    figure = maps.errors(located[located.system == "mini-SFT"])
    title = figure.axes[0].get_title(loc="left")
    assert "mini-SFT (3 seeds): 100 street-level photos in 25 cities" in title
    assert "synthetic" in figure.get_supxlabel()


def titles(figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def panels(figure) -> list[str]:
    return [title for title in titles(figure) if ":" in title]


def test_a_panel_a_system_and_all_its_seeds_where_errors_are_drawn(located):
    assert [t.split(":")[0] for t in panels(maps.errors(located))] == ["mini-base (1 seed)", "mini-SFT (3 seeds)"]
    assert [t.split(":")[0] for t in titles(maps.arcs(located))] == ["mini-base (base-s0)", "mini-SFT (sft-s0)"]


def test_the_median_is_of_all_seeds_and_stands_beside_the_baselines(located):
    rows = located[located.system == "mini-SFT"].copy()
    rows["error_km"] = rows.training_seed.map({0: 10.0, 1: 4000.0, 2: np.nan})  # one good seed does not make the map
    figure = maps.errors(rows, {"random land point": 8320.0, "best constant guess": np.inf})
    assert panels(figure)[0].endswith("median error 4,000 km")
    assert "random land point 8,320 km, best constant guess infinite" in figure.get_suptitle()


def test_a_city_has_the_colour_of_its_median_error_and_a_cross_where_most_name_nothing(located):
    rows = located[located.system == "mini-base"].copy()
    rows["error_km"] = 200.0
    first, second = rows.id.str.rpartition("/")[0].unique()[:2]
    rows.loc[rows.id.str.startswith(first), "error_km"] = [1.0, 1.0, 1.0, 9000.0]
    rows.loc[rows.id.str.startswith(second), "error_km"] = [np.nan, np.nan, np.nan, 5.0]
    figure = maps.errors(rows)
    crosses, points = drawn(figure)
    assert len(crosses.get_offsets()) == 1 and len(points.get_offsets()) == 24
    colours = {tuple(np.round(colour, 3)) for colour in points.get_facecolors()}
    assert colours == {tuple(np.round(to_rgba(maps.ERROR_COLOURS[number]), 3)) for number in (0, 2)}
    (legend,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert [text.get_text() for text in legend.get_texts()] == [*maps.ERROR_CLASSES[:-1], "most answers name no place"]


def test_crowded_regions_are_drawn_again_below_the_world(located):
    rows = located[located.system == "mini-base"]
    figure = maps.errors(rows)
    cities = rows.assign(city=rows.id.str.rpartition("/")[0]).groupby("city")[["lat", "lon"]].mean()
    for region, (west, east, south, north) in maps.REGIONS.items():
        n = (cities.lon.between(west, east) & cities.lat.between(south, north)).sum()
        assert f"{region}, n = {n}" in titles(figure)


def test_arcs_break_where_they_leave_the_map():
    projection = maps.ccrs.EqualEarth()

    class Row:
        lon, lat, pred_lon, pred_lat = 170.0, 10.0, -170.0, 20.0

    line = maps._great_circle(projection, Row)
    assert len(line) == 101 and np.isnan(line).any()
    assert np.nanmax(np.abs(np.diff(line[:, 0]))) < 1e6  # no stroke across the whole map
    Row.lon, Row.pred_lon = 0.0, 90.0
    line = maps._great_circle(projection, Row)
    assert not np.isnan(line).any()
    ends = projection.transform_points(maps.FLAT, np.array([0.0, 90.0]), np.array([10.0, 20.0]))[:, :2]
    assert np.allclose(line[[0, -1]], ends)


def test_only_so_many_arcs_are_drawn_and_the_title_says_so(located):
    rows = located[(located.system == "mini-SFT") & (located.training_seed == 0)]
    figure = maps.arcs(rows, most=40)
    shown = [c for c in figure.axes[0].collections if isinstance(c, maps.LineCollection)]
    assert "40 of 100 street-level photos" in figure.axes[0].get_title(loc="left")
    assert sum(len(c.get_segments()) for c in shown) <= 40


def test_countries_of_training_cities_are_named_and_coloured_by_share(located):
    rows = located[located.system == "mini-SFT"].assign(choice=lambda r: r.truth)
    figure = maps.countries(rows)
    named = {text.get_text() for text in figure.axes[0].texts}
    assert named == set(rows.truth[rows.seen_country.astype(bool)])
    (points,) = drawn(figure)
    assert np.allclose(points.get_facecolors(), to_rgba(maps.plots.TRUE), atol=0.01)


def test_nothing_to_draw_is_said(located):
    with pytest.raises(ValueError, match="no answers"):
        maps.errors(located.iloc[:0])


def test_a_coast_is_projected_once_for_all_axes(monkeypatch):
    """Cartopy keeps what it has projected by the identity of a shape, so that all axes must be given the same ones."""
    maps._shapes.cache_clear()  # other tests have drawn them
    projected = []
    project = type(maps.FLAT).project_geometry
    monkeypatch.setattr(
        "cartopy.crs.Projection.project_geometry", lambda self, *given: projected.append(1) or project(self, *given)
    )
    figure = plots.new_figure(figsize=(2, 2))
    maps.world_axes(figure, 121)
    figure.draw_without_rendering()
    before = len(projected)
    maps.world_axes(figure, 122)
    figure.draw_without_rendering()
    assert len(projected) - before < 20 < 200 < before  # the frames of the axes remain
    for region in maps.REGIONS:
        shapes = maps._shapes("land", "110m", region)
        assert shapes is maps._shapes("land", "110m", region) and len(shapes) < len(maps._shapes("land", "110m"))
