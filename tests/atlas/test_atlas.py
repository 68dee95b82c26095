"""The atlas: known places, hard places (coasts, islands, poles, the antimeridian), bad input, sun, data, speed."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from georeplicate import atlas, geo
from georeplicate.atlas import countries, facts, grid, store, sun
from georeplicate.atlas.gazetteer import EXONYMS

NOON = "2024-06-21T12:00:00Z"


def at(lat, lon, when=NOON):
    return atlas.describe(lat, lon, when)


# --------------------------------------------------------------------------------------------------------- named places

# name, lat, lon, then what an encyclopaedia says of it
KNOWN = [
    ("London", 51.507, -0.128, {"country": "GB", "driving_side": "left", "speed_unit": "mph", "climate": "Cfb"}),
    ("Paris", 48.853, 2.349, {"country": "FR", "driving_side": "right", "speed_unit": "km/h", "languages": ("fr",)}),
    ("Tokyo", 35.690, 139.692, {"country": "JP", "driving_side": "left", "script": "Jpan", "climate": "Cfa"}),
    ("Bangkok", 13.754, 100.502, {"country": "TH", "driving_side": "left", "script": "Thai", "climate": "Aw"}),
    ("Tbilisi", 41.694, 44.834, {"country": "GE", "script": "Geor", "languages": ("ka",), "driving_side": "right"}),
    ("Athens", 37.984, 23.728, {"country": "GR", "script": "Grek", "climate": "Csa", "region": "Southern Europe"}),
    ("Moscow", 55.756, 37.618, {"country": "RU", "script": "Cyrl", "climate": "Dfb", "region": "Eastern Europe"}),
    ("Cairo", 30.063, 31.250, {"country": "EG", "script": "Arab", "climate": "BWh", "region": "Northern Africa"}),
    ("Singapore", 1.290, 103.850, {"country": "SG", "climate": "Af", "driving_side": "left", "land_cover": "urban"}),
    ("New York", 40.714, -74.006, {"country": "US", "speed_unit": "mph", "driving_side": "right", "script": "Latn"}),
    ("Sydney", -33.868, 151.207, {"country": "AU", "hemisphere": "south", "season": "winter", "driving_side": "left"}),
    ("Nairobi", -1.283, 36.817, {"country": "KE", "driving_side": "left", "region": "Eastern Africa"}),
    ("Manila", 14.604, 120.982, {"country": "PH", "driving_side": "right", "season": "wet"}),
    ("Rio", -22.906, -43.182, {"country": "BR", "languages": ("pt",), "region": "South America"}),
    ("Nice", 43.703, 7.266, {"country": "FR", "climate": "Csa", "season": "summer"}),
    ("Yerevan", 40.181, 44.514, {"country": "AM", "script": "Armn"}),
    ("San Juan", 18.466, -66.106, {"country": "PR", "speed_unit": "mph", "region": "Caribbean"}),
    ("Hong Kong", 22.278, 114.175, {"country": "HK", "driving_side": "left", "script": "Hant"}),
    ("Amazonia", -5.0, -65.0, {"land_cover": "evergreen_broadleaf_forest", "climate": "Af", "country": "BR"}),
    ("Sahara", 25.0, 10.0, {"land_cover": "barren", "climate": "BWh"}),
    ("Vostok", -78.464, 106.837, {"land_cover": "snow_and_ice", "climate": "EF", "country": "AQ", "season": "winter"}),
    ("Iowa", 42.5, -94.5, {"land_cover": "croplands", "climate": "Dfa", "country": "US"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lat", "lon", "truth"), KNOWN, ids=[row[0] for row in KNOWN])
def test_known_places(name, lat, lon, truth):
    found = at(lat, lon)
    assert found.valid and found.is_land
    assert {key: getattr(found, key) for key in truth} == truth


@pytest.mark.parametrize(
    ("name", "lat", "lon", "low", "high"),
    [
        ("Lhasa", 29.65, 91.10, 3600, 4200),
        ("Dead Sea", 31.40, 35.45, -430, -300),
        ("La Paz", -16.50, -68.15, 3500, 4200),
        ("Amsterdam", 52.37, 4.90, -30, 30),
        ("Denver", 39.74, -104.98, 1550, 1700),
    ],
)
def test_elevation_of_known_places(name, lat, lon, low, high):
    assert low < at(lat, lon).elevation_m < high
    assert atlas.elevation_m(lat, lon) == at(lat, lon).elevation_m


def test_weather_of_known_months():
    yakutsk = at([62.03, 62.03], [129.73, 129.73], ["2024-01-15T00:00Z", "2024-07-15T00:00Z"])
    assert yakutsk.temperature_c[0] < -33 and yakutsk.temperature_c[1] > 15
    mumbai = at([19.07, 19.07], [72.88, 72.88], ["2024-01-15T00:00Z", "2024-07-15T00:00Z"])
    assert mumbai.rain_mm[0] < 10 and mumbai.rain_mm[1] > 400
    assert mumbai.season.tolist() == ["dry", "wet"]
    delhi, patagonia = at(28.61, 77.21, "2024-05-15T00:00Z"), at(-50.0, -70.0, "2024-05-15T00:00Z")
    assert delhi.haze > 4 > 3 > patagonia.haze


def test_seasons_turn_with_the_hemisphere():
    months = [f"2024-{month:02d}-15T12:00Z" for month in range(1, 13)]
    north = at(50.0, 10.0, months).season.tolist()
    south = at(-40.0, 175.6, months).season.tolist()
    assert north == ["winter"] * 2 + ["spring"] * 3 + ["summer"] * 3 + ["autumn"] * 3 + ["winter"]
    assert south == ["summer"] * 2 + ["autumn"] * 3 + ["winter"] * 3 + ["spring"] * 3 + ["summer"]


# ------------------------------------------------------------------------------------- sea, coasts, poles, antimeridian


@pytest.mark.parametrize("lon", [-150.0, 0.0])  # at 0, 0, where lost coordinates end up, map data draw an islet
def test_the_sea_says_so(lon):
    sea = at(0.0, lon)
    assert sea.valid and not sea.is_land
    assert (sea.land_cover, sea.climate, sea.elevation_m) == ("water", "ocean", 0.0)
    assert (sea.country, sea.country_name, sea.driving_side, sea.speed_unit, sea.region) == ("",) * 5
    assert sea.languages == () and sea.place_km > 500


def test_a_lake_is_not_land_but_lies_in_a_country():
    lake = at(47.5, -87.5)  # Lake Superior
    assert (lake.is_land, lake.land_cover, lake.country) == (False, "water", "US")
    assert lake.climate.startswith("D")


@pytest.mark.parametrize(
    ("name", "lat", "lon", "country"),
    [
        ("Rio de Janeiro", -22.91, -43.17, "BR"), ("Sydney", -33.86, 151.21, "AU"), ("Nice", 43.70, 7.27, "FR"),
        ("Manila", 14.60, 120.98, "PH"), ("Venice", 45.4375, 12.3358, "IT"), ("Funchal", 32.65, -16.91, "PT"),
        ("Malé", 4.175, 73.509, "MV"), ("Funafuti", -8.524, 179.194, "TV"), ("Valletta", 35.8997, 14.5147, "MT"),
        ("Honolulu", 21.307, -157.858, "US"), ("Stanley", -51.70, -57.85, "FK"), ("Tórshavn", 62.01, -6.77, "FO"),
        ("Monaco", 43.737, 7.42, "MC"), ("Vatican", 41.902, 12.453, "VA"), ("Macau", 22.20, 113.55, "MO"),
        ("Ushuaia", -54.81, -68.32, "AR"), ("Longyearbyen", 78.22, 15.64, "SJ"), ("Simferopol", 44.95, 34.10, "UA"),
    ],
)  # fmt: skip
def test_coasts_islands_and_small_states(name, lat, lon, country):
    found = at(lat, lon)
    assert found.is_land and found.country == country
    assert found.land_cover != "water" and found.climate != "ocean"


def test_every_town_is_on_land_and_nearly_every_one_in_its_country():
    towns = atlas.cities(0)
    found = at(towns.lat, towns.lon)
    assert found.is_land.all()
    assert (found.place_km == 0).all()
    assert (found.country == towns.country.to_numpy(str)).mean() > 0.998  # the rest: disputed land, and border towns


def test_land_means_the_same_everywhere():
    rng = np.random.default_rng(3)
    lat, lon = rng.uniform(-90, 90, 20000), rng.uniform(-180, 180, 20000)
    found = at(lat, lon)
    assert (found.is_land == (found.land_cover != "water")).all()
    assert (found.is_land == atlas.is_land(lat, lon)).all()
    assert ((found.climate == "ocean") <= (found.country == "")).all()
    assert not (found.climate[found.is_land] == "ocean").any()
    assert np.isfinite([found.temperature_c, found.rain_mm, found.elevation_m, found.haze]).all()
    assert found.rain_mm.min() >= 0 and 1 < found.haze.min() and found.haze.max() < 8


def test_the_two_sides_of_the_antimeridian_agree():
    east, west, wrapped = at(-16.8, 180.0), at(-16.8, -180.0), at(-16.8, 180.0 + 1e-9)
    assert east.country == west.country == wrapped.country == "FJ"
    assert east.temperature_c == west.temperature_c == pytest.approx(wrapped.temperature_c)
    assert east.lon == -180.0
    assert at(65.0, 195.0).country == at(65.0, -165.0).country == "US"
    near = at(-8.524, 179.9999), at(-8.524, -179.9999)
    assert abs(near[0].rain_mm - near[1].rain_mm) < 0.01
    assert abs(near[0].place_km - near[1].place_km) < 0.1


@pytest.mark.parametrize("lon", [-180.0, -77.3, 0.0, 123.4, 180.0])
def test_poles(lon):
    north, south = at(90.0, lon), at(-90.0, lon)
    assert not north.is_land and north.climate == "ocean"
    assert south.is_land and south.country == "AQ" and south.land_cover == "snow_and_ice"
    assert south.temperature_c < -40
    assert north.sun_elevation_deg == pytest.approx(23.44, abs=0.01)
    assert south.sun_elevation_deg == pytest.approx(-23.44, abs=0.01)


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("lat", "lon", "when", "says"),
    [
        (91, 0, NOON, "latitude"), (120, 30, NOON, "swapped"), (np.nan, 0, NOON, "missing"),
        (0, 400, NOON, "longitude"), (np.inf, 0, NOON, "latitude"), ("north", 0, NOON, "degrees"),
        (None, 0, NOON, "missing"),
        (0, 0, "2024-06-21T12:00:00", "time zone"), (0, 0, datetime(2024, 6, 21), "time zone"),
        (0, 0, "midsummer", "ISO 8601"), (0, 0, None, "time zone"), (0, 0, 2024, "time zone"),
        (0, 0, pd.NaT, "time zone"), (0, 0, np.datetime64("NaT"), "time zone"),
    ],
)  # fmt: skip
def test_a_bad_scalar_is_one_clear_error(lat, lon, when, says):
    with pytest.raises(ValueError, match=says):
        atlas.describe(lat, lon, when)


def test_bad_rows_of_an_array_are_marked_and_spoil_nothing():
    lat = [48.85, 91.0, np.nan, 120.0, -33.87, 35.69, 0.0]
    lon = [2.35, 0.0, 5.0, 30.0, 151.21, 139.69, np.inf]
    when = [NOON, NOON, NOON, NOON, "2024-06-21T12:00:00", "2024-06-21T21:00:00+09:00", NOON]
    found = at(lat, lon, when)
    assert found.valid.tolist() == [True, False, False, False, False, True, False]
    assert found.country.tolist() == ["FR", "", "", "", "", "JP", ""]
    bad = ~found.valid
    assert np.isnan(found.temperature_c[bad]).all() and np.isnan(found.sun_elevation_deg[bad]).all()
    assert not found.is_land[bad].any() and set(found.land_cover[bad]) == {""} and set(found.place[bad]) == {""}
    assert set(found.languages[bad]) == {()}
    good = at(np.array(lat)[found.valid], np.array(lon)[found.valid], NOON)
    np.testing.assert_array_equal(found.rain_mm[found.valid], good.rain_mm)
    assert np.isnat(found.when[4]) and found[4].when is None and found[0].when == datetime(2024, 6, 21, 12, tzinfo=UTC)


def test_longitudes_are_wrapped_beside_bad_rows_too():
    found = at([-18.1, -18.1, 91.0], [178.4, 181.6, 200.0])
    assert found.valid.tolist() == [True, True, False]
    assert found.lon.tolist() == pytest.approx([178.4, -178.4, 200.0])  # a bad row's stays as it was given


def test_the_same_question_has_the_same_answer_gaps_included():
    def ask(lat):
        return at([48.85, lat, 0.0], [2.35, 0.0, -150.0], [NOON, NOON, "noon"])

    assert ask(91.0) == ask(91.0) and ask(91.0) != ask(51.0)


def test_only_bad_rows_and_no_rows():
    assert not at([91.0, np.nan], [0.0, 0.0]).valid.any()
    assert len(at([], [])) == 0
    with pytest.raises(ValueError, match="broadcast"):
        at([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="ravel"):
        at(np.zeros((2, 2)), np.zeros((2, 2)))


def test_a_text_among_the_coordinates_loses_its_own_row_only():
    assert at(["48.85", "12 N", None], [2.35, 0.0, 0.0]).valid.tolist() == [True, False, False]


def test_masked_coordinates_and_years_beyond_the_calendar_lose_their_own_row_only():
    when = np.array(["2024-06-21", "20000-01-01", "-0044-03-15", "300000-01-01", "9999-12-31", "2024-06-21"], "M8[s]")
    found = at(np.ma.masked_array([48.85] * 6, [0, 0, 0, 0, 0, 1]), [2.35] * 6, when)
    assert found.valid.tolist() == [True, False, False, False, True, False]
    assert found[1].when is None and found[4].when.year == 9999 and found[5].country == ""


def test_every_way_to_write_a_moment_is_the_same_moment():
    aware = datetime(2024, 6, 21, 14, tzinfo=timezone(timedelta(hours=2)))
    ways = [NOON, "2024-06-21T14:00+02:00", aware, np.datetime64("2024-06-21T12:00"), pd.Timestamp(NOON)]
    ways.append(np.array(NOON))
    facts_of = [at(48.85, 2.35, way) for way in ways]
    assert {f.when for f in facts_of} == {datetime(2024, 6, 21, 12, tzinfo=UTC)}
    assert len({f.sun_azimuth_deg for f in facts_of}) == 1
    column = pd.Series(pd.to_datetime([NOON, NOON])).dt.tz_convert("Asia/Tokyo")
    for many in (
        [NOON, aware],
        column,
        pd.DatetimeIndex(column),
        column.astype(str),
        np.array([NOON[:-1]] * 2, "M8[ns]"),
    ):
        rows = at([48.85] * 2, [2.35] * 2, many)
        assert rows.sun_azimuth_deg.tolist() == [facts_of[0].sun_azimuth_deg] * 2


def test_a_row_of_many_equals_the_same_place_alone():
    lat, lon = [29.65, -33.87, 0.0], [91.10, 151.21, -150.0]
    many = at(lat, lon, NOON)
    for i in range(3):
        alone, row = at(lat[i], lon[i]), many[i]
        for field in facts.fields(facts.Facts):
            assert getattr(alone, field.name) == getattr(row, field.name), field.name
        assert type(row.lat) is float and type(row.is_land) is bool and type(row.country) is str
        assert alone == row and alone != many[i - 1] and alone != "a place"
    assert many[many.is_land].country.tolist() == ["CN", "AU"]
    with pytest.raises(TypeError):
        len(at(0.0, 0.0))


# ------------------------------------------------------------------------------------------------------------------ sun


def test_sun_agrees_with_pvlib():
    pvlib = pytest.importorskip("pvlib")
    rng = np.random.default_rng(0)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, 300)))
    lon = rng.uniform(-180, 180, 300)
    start = np.datetime64("1990-01-01T00:00:00", "us")
    utc = start + rng.integers(0, 60 * 365 * 86400, 300) * np.timedelta64(1, "s")
    azimuth, elevation, hour = sun.position(lat, lon, utc)
    for i in range(300):
        truth = pvlib.solarposition.get_solarposition(pd.DatetimeIndex([utc[i]], tz="UTC"), lat[i], lon[i]).iloc[0]
        assert abs(truth.elevation - elevation[i]) < 0.02
        turn = (truth.azimuth - azimuth[i] + 180) % 360 - 180
        assert abs(turn) * np.cos(np.radians(elevation[i])) < 0.02
        clock = (utc[i] - utc[i].astype("M8[D]")) / np.timedelta64(1, "h")
        solar = (clock + lon[i] / 15 + truth.equation_of_time / 60) % 24
        assert abs((solar - hour[i] + 12) % 24 - 12) < 0.01


def test_noon_sun_stands_south_in_the_north_and_north_in_the_south():
    berlin, sydney = at(52.52, 13.40, "2024-03-20T11:14Z"), at(-33.87, 151.21, "2024-03-20T02:03Z")
    assert berlin.sun_azimuth_deg == pytest.approx(180, abs=1)
    assert berlin.local_solar_hour == pytest.approx(12, abs=0.05)
    assert min(sydney.sun_azimuth_deg, 360 - sydney.sun_azimuth_deg) < 1
    assert berlin.sun_elevation_deg == pytest.approx(90 - 52.52, abs=0.3)
    quito = at(-0.22, -78.51, "2024-06-20T17:15Z")
    assert min(quito.sun_azimuth_deg, 360 - quito.sun_azimuth_deg) < 3  # the June sun is north of the equator
    morning, night = at(52.52, 13.40, "2024-03-20T06:00Z"), at(52.52, 13.40, "2024-03-20T23:00Z")
    assert 80 < morning.sun_azimuth_deg < 110 and night.sun_elevation_deg < -30


# ------------------------------------------------------------------------------------------------ countries, land, maps


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Deutschland", "DE"), ("deutschland", "DE"), ("UK", "GB"), ("U.K.", "GB"), ("U.S.A.", "US"), ("us", "US"),
        ("America", "US"), ("England", "GB"), ("Côte d'Ivoire", "CI"), ("Cote d’Ivoire", "CI"), ("Ivory Coast", "CI"),
        ("日本", "JP"), ("Nippon", "JP"), ("中国", "CN"), ("中國", "CN"), ("대한민국", "KR"), ("Россия", "RU"),
        ("مصر", "EG"),
        ("भारत", "IN"), ("Ελλάδα", "GR"), ("ไทย", "TH"), ("ประเทศไทย", "TH"), ("საქართველო", "GE"), ("España", "ES"),
        ("Holland", "NL"), ("The Netherlands", "NL"), ("Burma", "MM"), ("Czech Republic", "CZ"), ("Turkey", "TR"),
        ("Türkiye", "TR"), ("Congo", "CG"), ("DR Congo", "CD"), ("Democratic Republic of the Congo", "CD"),
        ("Niger", "NE"), ("Nigeria", "NG"), ("Guinea", "GN"), ("Dominica", "DM"), ("Republic of Kenya", "KE"),
        ("Bolivia (Plurinational State of)", "BO"), ("Korea, Republic of", "KR"), ("DEU", "DE"), ("Kosovo", "XK"),
        ("North Korea", "KP"), ("Taiwan", "TW"), ("St. Lucia", "LC"), ("Trinidad & Tobago", "TT"),
    ],
)  # fmt: skip
def test_country_codes(name, code):
    assert atlas.country_code(name) == code


@pytest.mark.parametrize("name", ["Atlantis", "", "  ", "?", "Virgin Islands", "Europe", "the", "Republic of", None, 5])
def test_what_is_no_country_has_no_code(name):
    assert atlas.country_code(name) is None


def test_country_names_and_facts():
    assert atlas.country_name("DE") == "Germany" and atlas.country_name("ci") == "Côte d’Ivoire"
    for bad in ("XX", "Germany", "", None):
        with pytest.raises(ValueError, match="country_code"):
            atlas.country_name(bad)
    table = countries.table()
    assert len(table) == 250
    for code, row in table.items():
        assert atlas.country_code(code) == code and atlas.country_code(row["name"]) == code
        assert row["driving_side"] in ("left", "right") and row["speed_unit"] in ("km/h", "mph")
        assert len(row["script"]) == 4 and row["region"]
        assert row["languages"] or code in ("AQ", "BV", "HM", "TF")  # nobody lives there
    left = {code for code, row in table.items() if row["driving_side"] == "left"}
    assert {"GB", "IE", "MT", "CY", "JP", "TH", "ID", "IN", "PK", "AU", "NZ", "ZA", "KE", "MZ", "SR", "GY"} <= left
    assert not left & {"FR", "CN", "US", "CA", "MM", "PH", "ET", "GI", "SE", "KR", "TW", "BR"}


def test_random_land_is_on_land_and_uniform_by_area():
    lat, lon = atlas.random_land(20000, np.random.default_rng(1))
    assert lat.shape == lon.shape == (20000,) and atlas.is_land(lat, lon).all()
    again = atlas.random_land(20000, np.random.default_rng(1))
    np.testing.assert_array_equal(lat, again[0])
    found = at(lat, lon)
    # Shares of the world's land area (149 million km2): Russia 11.5 %, Australia 5.2 %, Antarctica about 9 %
    shares = {code: (found.country == code).mean() for code in ("RU", "AU", "AQ")}
    assert shares["RU"] == pytest.approx(0.115, abs=0.01) and shares["AU"] == pytest.approx(0.052, abs=0.006)
    assert shares["AQ"] == pytest.approx(0.09, abs=0.012)
    assert atlas.random_land(0, np.random.default_rng(1))[0].shape == (0,)
    with pytest.raises(ValueError):
        atlas.random_land(-1, np.random.default_rng(1))


def test_small_questions_take_any_shape_and_mask_bad_points():
    lat, lon = np.array([[48.85, 91.0], [0.0, np.nan]]), np.array([[2.35, 0.0], [-150.0, 0.0]])
    assert atlas.is_land(lat, lon).tolist() == [[True, False], [False, False]]
    height = atlas.elevation_m(lat, lon)
    assert height.shape == (2, 2) and np.isnan(height[:, 1]).all() and height[1, 0] == 0
    with pytest.raises(ValueError):
        atlas.elevation_m(91.0, 0.0)


@pytest.mark.parametrize("resolution", ["110m", "50m"])
def test_map_geometry(resolution):
    land, coast, borders = atlas.land(resolution), atlas.coast(resolution), atlas.borders(resolution)
    assert land.geom_type == "MultiPolygon" and coast.geom_type == borders.geom_type == "MultiLineString"
    assert land.is_valid and not land.is_empty
    west, south, east, north = land.bounds
    assert -180 <= west and east <= 180 and south >= -90.001 and 83 < north < 84
    assert land.area == pytest.approx(21300, rel=0.03)  # square degrees of plate carrée
    from shapely import Point

    assert land.contains(Point(2.35, 48.85)) and not land.contains(Point(-150, 0))
    assert not land.contains(Point(51, 41))  # the Caspian Sea is a hole, not land
    assert atlas.lakes(resolution).contains(Point(-87.5, 47.5))
    assert borders.distance(Point(9.0, 47.6)) < 0.2 < coast.distance(Point(9.0, 47.6))
    with pytest.raises(ValueError, match="resolution"):
        atlas.coast("10m")


# ------------------------------------------------------------------------------------------------------- grids and data


def test_the_two_level_grid_gives_back_every_cell():
    rng = np.random.default_rng(0)
    fine = np.zeros((18000 // 10, 36000 // 10), dtype=np.uint16)  # the same code on a grid a tenth as fine
    fine[200:900, 300:1234] = 7
    fine[rng.integers(0, 1800, 500), rng.integers(0, 3600, 500)] = rng.integers(1, 300, 500)
    packed = grid.TwoLevelGrid.pack(fine)
    assert len(packed.blocks) < 2000
    unpacked = np.repeat(np.repeat(packed.coarse, grid.BLOCK, 0), grid.BLOCK, 1)
    top, left = np.divmod(np.flatnonzero(packed.coarse.ravel() == 0xFFFF), packed.coarse.shape[1])
    for i, (r, c) in enumerate(zip(top, left)):
        unpacked[r * 10 : r * 10 + 10, c * 10 : c * 10 + 10] = packed.blocks[i]
    np.testing.assert_array_equal(unpacked, fine)


def test_bilinear_reproduces_a_plane_and_wraps():
    rows, cols = np.mgrid[0:181, 0:360]
    at_nodes = 90.0 - rows
    np.testing.assert_allclose(
        grid.bilinear(at_nodes, np.array([89.5, -90.0, 90.0, 12.25]), np.array([0.3, 1.0, 2.0, 179.9]), at_nodes=True),
        [89.5, -90.0, 90.0, 12.25],
    )
    middle = np.cos(np.radians(np.arange(-179.5, 180, 1.0)))[None, :].repeat(180, 0)
    value = grid.bilinear(middle, np.zeros(2), np.array([179.75, -179.75]), at_nodes=False)
    np.testing.assert_allclose(value, middle[0, 0], atol=1e-9)  # between the last column and the first


def test_the_data_are_those_that_were_checked_in():
    listed = store.checksums()
    on_disk = {path.name for path in store.DATA.iterdir()} - {store.CHECKSUMS, "SOURCES.md", EXONYMS}
    assert set(listed) == on_disk  # of which the world is made; the names in other scripts are apart
    assert {name: store.sha256(store.DATA / name) for name in listed} == listed


def test_the_data_stay_small():
    assert sum(path.stat().st_size for path in store.DATA.iterdir()) <= 15e6


def test_packing_is_deterministic_and_loses_nothing(tmp_path):
    array = np.arange(12, dtype="<i2").reshape(3, 4)
    files = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        files.append(store.save(folder, "x", delta=2, values=array, words=store.lines(["é", "", "b"])))
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(ValueError, match="line break"):
        store.lines(["a\nb"])


def test_a_damaged_or_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "DATA", tmp_path)
    (tmp_path / "torn.npz.xz").write_bytes(b"not xz")
    with pytest.raises(ValueError, match="torn.npz.xz"):
        store.load("torn")
    with pytest.raises(FileNotFoundError, match="nowhere.npz.xz"):
        store.load("nowhere")


def test_sources_name_every_file_and_every_package():
    import build_atlas

    text = (store.DATA / "SOURCES.md").read_text(encoding="utf-8")
    for name in (*store.checksums(), EXONYMS):
        assert f"`{name}`" in text
    assert f"names of {len(pd.read_csv(store.DATA / EXONYMS))} large cities" in text
    for source in build_atlas.SOURCES.values():
        assert f"`{source.package}` {source.version}" in text


# ---------------------------------------------------------------------------------------------------- imports and speed


def test_importing_and_asking_loads_nothing_heavy():
    code = (
        "import sys; from georeplicate import atlas; assert 'scipy' not in sys.modules; "
        "atlas.describe(48.85, 2.35, '2024-06-21T12:00:00Z'); atlas.geocode('Paris', 'France'); "
        "print(sorted({'torch', 'sklearn', 'pvlib', 'cartopy', 'babel', 'h5py', 'rasterio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nearest_place_is_the_nearest():
    rng = np.random.default_rng(5)
    lat, lon = atlas.random_land(30, rng)
    found, towns = at(lat, lon), atlas.cities(0)
    for i in range(30):
        km = geo.haversine_km(lat[i], lon[i], towns.lat, towns.lon)
        best = int(np.argmin(km))
        assert found.place_km[i] == pytest.approx(km[best]) and found.place[i] == towns.name[best]
        assert found.place_population[i] == towns.population[best]
