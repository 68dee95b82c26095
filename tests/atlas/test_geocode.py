"""From a name to a place: spellings, scripts, countries, divisions, ties, and everything that must be None."""

import time

import numpy as np
import pandas as pd
import pytest

from georeplicate import atlas, geo
from georeplicate.atlas import gazetteer, names, store

# city, country, latitude, longitude (to about a tenth of a degree, from an encyclopaedia)
FOUND = [
    ("Paris", "France", 48.86, 2.35),
    ("PARIS", "Frankreich", 48.86, 2.35),
    ("  paris ", "fr", 48.86, 2.35),
    ("Paris", "", 48.86, 2.35),
    ("Paris", None, 48.86, 2.35),
    # administrative divisions and countries within the name
    ("Paris, Texas", "", 33.66, -95.56),
    ("Paris, Texas", "USA", 33.66, -95.56),
    ("Paris, TX", "United States", 33.66, -95.56),
    ("Springfield, Illinois, USA", "", 39.80, -89.64),
    ("Springfield, IL", "US", 39.80, -89.64),
    ("Springfield, MO", "US", 37.21, -93.29),
    ("London, Ontario", "Canada", 42.98, -81.25),
    ("London, ON, Canada", None, 42.98, -81.25),
    ("Montreal, QC", "Canada", 45.51, -73.57),
    ("Sydney, NSW", "Australia", -33.87, 151.21),
    ("Perth, WA", "Australia", -31.95, 115.86),
    ("Vancouver, WA", "US", 45.64, -122.66),
    ("Cambridge, Massachusetts, USA", "USA", 42.37, -71.11),
    ("Oxford, Oxfordshire, England, UK", "", 51.75, -1.26),
    ("Munich, Bayern, Germany", "", 48.14, 11.58),
    ("Washington, D.C.", "USA", 38.90, -77.04),
    ("New York, New York State, U.S.A.", "", 40.71, -74.01),
    ("Kyoto, Kyoto Prefecture", "Japan", 35.02, 135.75),
    ("Tbilisi, Georgia", "", 41.69, 44.83),
    ("Atlanta, Georgia", "", 33.75, -84.39),
    ("Columbus, Georgia", "US", 32.46, -84.99),
    # the same place in other words and scripts
    ("München", "Deutschland", 48.14, 11.58),
    ("Muenchen", "DE", 48.14, 11.58),
    ("Munchen", "Alemania", 48.14, 11.58),
    ("Cologne", "", 50.94, 6.96),
    ("Wien", "Österreich", 48.21, 16.37),
    ("Praha", "Czech Republic", 50.09, 14.42),
    ("Den Haag", "Holland", 52.08, 4.30),
    ("'s-Hertogenbosch", "The Netherlands", 51.70, 5.30),
    ("lodz", "poland", 51.77, 19.46),
    ("Łódź", "Polska", 51.77, 19.46),
    ("Tromso", "Norge", 69.65, 18.96),
    ("İSTANBUL", "Türkiye", 41.01, 28.95),
    ("istanbul", "turkey", 41.01, 28.95),
    ("Sao Paulo", "Brasil", -23.55, -46.63),
    ("Bogotá", "Colombia", 4.61, -74.08),
    ("Москва", "Россия", 55.76, 37.62),
    ("Αθήνα", "Ελλάδα", 37.98, 23.73),
    ("東京", "日本", 35.69, 139.69),
    ("北京", "中国", 39.91, 116.40),
    ("拉萨", "China", 29.65, 91.10),
    ("서울", "대한민국", 37.57, 126.98),
    ("القاهرة", "مصر", 30.06, 31.25),
    ("ירושלים", "Israel", 31.77, 35.22),
    ("กรุงเทพมหานคร", "ไทย", 13.75, 100.50),
    ("दिल्ली", "भारत", 28.65, 77.22),
    ("თბილისი", "საქართველო", 41.69, 44.83),
    ("Kiev", "Ukraine", 50.45, 30.52),
    ("Bombay", "India", 19.08, 72.88),
    ("Saigon", "Viet Nam", 10.82, 106.63),
    ("Yangon", "Burma", 16.80, 96.16),
    ("St Petersburg", "Russian Federation", 59.94, 30.31),
    ("Sankt-Peterburg", "RU", 59.94, 30.31),
    ("Saint Petersburg", "US", 27.77, -82.68),
    ("St. Louis", "USA", 38.63, -90.20),
    ("Xi'an", "China", 34.26, 108.93),
    ("Nuku'alofa", "Tonga", -21.14, -175.20),
    ("Port-au-Prince", "Haiti", 18.54, -72.34),
    ("NYC", "US", 40.71, -74.01),
    # countries that are named in many ways
    ("Abidjan", "Côte d'Ivoire", 5.35, -4.00),
    ("Abidjan", "Ivory Coast", 5.35, -4.00),
    ("Kinshasa", "DR Congo", -4.33, 15.31),
    ("Brazzaville", "Congo", -4.27, 15.28),
    ("Edinburgh", "Scotland", 55.95, -3.19),
    ("Belfast", "UK", 54.60, -5.93),
    ("Pristina", "Kosovo", 42.67, 21.17),
    ("Hong Kong", "HK", 22.28, 114.17),
    ("Hong Kong", "China", 22.28, 114.17),
    ("San Juan", "Puerto Rico", 18.47, -66.11),
    ("San Juan, Puerto Rico", "USA", 18.47, -66.11),
    ("San Juan, Puerto Rico, USA", "PR", 18.47, -66.11),
    ("Vatican City", "Vatican", 41.90, 12.45),
    # population decides, own names before alternate ones
    ("Springfield", "US", 37.21, -93.29),
    ("Birmingham", "", 52.48, -1.90),
    ("Birmingham", "US", 33.52, -86.80),
    ("Hyderabad", "", 17.38, 78.46),
    ("Hyderabad", "Pakistan", 25.40, 68.37),
    ("Lagos", "Portugal", 37.10, -8.67),
    ("Islamabad", "", 33.72, 73.04),
    ("Reading", "US", 40.34, -75.93),
    ("Cancun", "", 21.17, -86.85),
    ("Frankfurt", "Germany", 50.12, 8.68),
    ("Quezon", "Philippines", 14.65, 121.05),
]


@pytest.mark.parametrize(("city", "country", "lat", "lon"), FOUND, ids=[f"{row[0]}|{row[1]}" for row in FOUND])
def test_found(city, country, lat, lon):
    found = atlas.geocode(city, country)
    assert found is not None
    assert geo.haversine_km(*found, lat, lon) < 12


@pytest.mark.parametrize(
    ("city", "country", "state", "as_of"),
    [
        # a division in the place of a city stands for its largest place
        ("Texas", "USA", "", "Houston"),
        ("Georgia", "USA", "", "Atlanta"),
        ("California", "USA", "", "Los Angeles"),  # and not the town in Maryland
        ("Bavaria", "Germany", "", "Munich"),
        ("Victoria", "Australia", "", "Melbourne"),
        ("Ontario", "CA", "", "Toronto"),
        ("Hokkaido", "Japan", "", "Sapporo"),
        ("Catalonia", "Spain", "", "Barcelona"),
        ("Minas Gerais", "Brazil", "", "Belo Horizonte"),
        ("", "USA", "Texas", "Houston"),
        ("Zzyzzqq", "USA", "Texas", "Houston"),
        # a city of that name in its division, or a big one elsewhere, is the city
        ("New York", "USA", "", "New York City"),
        ("Quebec", "Canada", "", "Quebec, Quebec"),
        ("Washington", "USA", "", "Washington, D.C."),
        ("Buenos Aires", "Argentina", "", "Buenos Aires"),
        ("Utrecht", "Netherlands", "", "Utrecht"),
        ("Paris", "France", "", "Paris"),
        ("Portland", "USA", "Maine", "Portland, Maine"),
        ("LA", "USA", "", "Los Angeles"),  # abbreviations are those of cities first
    ],
)
def test_states_and_provinces_stand_for_their_largest_place(city, country, state, as_of):
    assert atlas.locate(city, country, state) == atlas.geocode(as_of, country) is not None


@pytest.mark.parametrize(
    ("city", "country", "state"),
    [("Texas", "", ""), ("Texas", "Germany", ""), ("", "USA", ""), ("", "USA", "Bavaria"), ("", None, "Texas")]
    + [("Texas", 3, None), (None, "USA", None), ("", "USA", 3), ("Texas", "Atlantis", None)],
)
def test_a_state_of_another_country_or_of_none_is_nowhere(city, country, state):
    assert atlas.locate(city, country, state) is None


UNKNOWN = [
    ("Paris", "Germany"),
    ("Paris, France", "Germany"),
    ("Paris, Germany", ""),
    ("Paris, Texas, France", ""),
    ("Paris, Texas", "France"),
    ("Paris, Ontario", "Texas"),
    ("Springfield, Nowhereshire, USA", ""),
    ("London, Paris", ""),
    ("Tokyo", "Atlantis"),
    ("Zzyzzqq", "France"),
    ("Zzyzzqq", ""),
    ("France", ""),
    ("Europe", ""),
    ("unknown", ""),
    ("N/A", ""),
    ("", ""),
    ("", "France"),
    (" , ,", "France"),
    (",", ""),
    ("?", "?"),
    ("Par", "France"),
    ("Pariss", "France"),
    ("48.85, 2.35", ""),
    (None, "France"),
    (3, "France"),
    ("Paris", 3),
    (float("nan"), None),
    ("x" * 10000, "France"),
    ("Paris\x00", "Germany"),
]


@pytest.mark.parametrize(("city", "country"), UNKNOWN, ids=[repr(row)[:40] for row in UNKNOWN])
def test_unknown_is_none(city, country):
    assert atlas.geocode(city, country) is None


def test_every_big_city_is_found_by_its_own_name():
    towns = atlas.cities(100_000)
    found = [atlas.geocode(city, country) for city, country in zip(towns.name, towns.country)]
    assert all(found)
    km = geo.haversine_km(towns.lat, towns.lon, *np.array(found).T)
    assert (km < 30).mean() > 0.98  # the rest share their name with a bigger one of the same country


def test_every_big_city_is_found_by_name_division_and_country():
    towns = atlas.cities(500_000)
    words = [f"{row.name}, {row.admin}, {row.country}" for row in towns.itertuples(index=False)]
    found = np.array([atlas.geocode(text, None) or (np.nan, np.nan) for text in words])
    assert (geo.haversine_km(towns.lat, towns.lon, *found.T) < 30).mean() > 0.99


def test_an_answer_lies_in_the_country_that_was_asked_for():
    towns = atlas.cities(20_000).sample(2000, random_state=0)
    codes = towns.country.sample(frac=1, random_state=1).to_numpy()  # mostly the wrong country
    answers = [(code, atlas.geocode(name, code)) for name, code in zip(towns.name, codes)]
    kept = [(code, place) for code, place in answers if place]
    assert 50 < len(kept) < 1500
    found = atlas.describe(*np.array([place for _, place in kept]).T, "2024-01-01T00:00Z")
    asked = np.array([code for code, _ in kept])
    assert (found.country == asked).mean() > 0.98  # a state's territories have codes of their own


def test_cities():
    big = atlas.cities(1_000_000)
    assert list(big.columns) == ["name", "country", "admin", "lat", "lon", "population"]
    assert 400 < len(big) < 800 and big.population.is_monotonic_decreasing and big.population.min() >= 1_000_000
    assert len(atlas.cities(0)) == 170_391
    few = atlas.cities(countries=["IS", "MT"])
    assert set(few.country) == {"IS", "MT"} and few.name[0] == "Reykjavík" and few.population.min() >= 15_000
    assert atlas.cities(0, "MC").country.unique().tolist() == ["MC"]
    texas = atlas.cities(100_000, ["US"]).query("admin == 'Texas'")
    assert {"Houston", "Dallas", "Austin"} <= set(texas.name)
    with pytest.raises(ValueError, match="country_code"):
        atlas.cities(countries=["Iceland"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("São Paulo", "sao paulo"), ("Łódź", "LODZ"), ("Straße", "STRASSE"), ("Hawaiʻi", "hawaii"),
        ("St. John's", "Saint Johns"),
        ("Aix-en-Provence", "aix en provence"), ("İzmir", "izmir"), ("Ｔｏｋｙｏ", "tokyo"), ("Ørsted", "orsted"),
        ("Йошкар-Ола", "ЙОШКАР ОЛА"), ("مَكَّة", "مكه"), ("がく", "がく"),
    ],
)  # fmt: skip
def test_spellings_of_one_name(one, other):
    assert names.key(one) == names.key(other) != ""


@pytest.mark.parametrize(("one", "other"), [("がく", "かく"), ("कि", "क"), ("Roma", "Rome"), ("Oslo", "Os lo")])
def test_spellings_of_two_names(one, other):
    assert names.key(one) != names.key(other)


@pytest.mark.parametrize("text", ["?!", "…", "--", "\u0301", "\x00", "\ud800", "🙂", "a\nb"])
def test_nothing_is_raised_for_any_text(text):
    assert isinstance(names.key(text), str)
    assert atlas.geocode(text, None) is None and atlas.geocode("Paris", text) is None
    assert atlas.geocode(f"Zzyzzqq, {text}", text) is None


def test_twenty_thousand_lookups_a_second():
    towns = atlas.cities(15_000).head(10_000)
    pairs = list(zip(towns.name, towns.country))
    for city, country in pairs[:100]:
        atlas.geocode(city, country)
    best = np.inf
    for _ in range(2):
        start = time.process_time()
        for city, country in pairs:
            atlas.geocode(city, country)
        best = min(best, time.process_time() - start)
    assert len(pairs) / best > 20_000  # processor time; about 100,000 on a quiet machine


def test_the_index_finds_each_of_its_names():
    index = gazetteer._Index()
    keys = index.blob[1:-1].decode("utf-8").split("\n")
    assert len(keys) == len(index.first) - 1 and keys == sorted(keys, key=str.encode)
    for number in [0, 1, 62, 63, 64, 65, 127, 128, len(keys) - 2, len(keys) - 1, *range(500, len(keys), 997)]:
        assert index.find(keys[number]) == index.places[index.first[number] : index.first[number + 1]] != []
        assert index.find(keys[number] + "\x01") == [] == index.find(keys[number][:-1] + "\x01")


@pytest.mark.parametrize(
    "name, country, where",
    [
        ("纽约", "", "New York City, USA"),  # in GeoNames' list as it was packed: 紐約 alone
        ("维也纳", "", "Vienna, Austria"),  # ... of a Vienna in West Virginia alone
        ("罗马", "意大利", "Rome, Italy"),  # ... of a Roma in Lesotho alone
        ("罗马, 意大利", "", "Rome, Italy"),
        ("臺北", "臺灣", "Taipei, Taiwan"),
        ("メキシコシティー", "メキシコ", "Mexico City, Mexico"),
        ("基辅", "乌克兰", "Kyiv, Ukraine"),
    ],
)
def test_large_cities_are_known_by_their_names_in_other_scripts(name, country, where):
    assert atlas.geocode(name, country) == atlas.geocode(where, "") is not None


def test_a_name_in_another_script_keeps_to_the_country_that_is_named():
    assert atlas.geocode("罗马", "莱索托") == pytest.approx((-29.45, 27.71), abs=0.01)
    assert atlas.geocode("纽约", "法国") is None


def test_every_city_with_added_names_is_in_the_gazetteer_and_outweighs_its_namesakes():
    rows = pd.read_csv(store.DATA / gazetteer.EXONYMS)
    added = gazetteer._exonyms()
    people = gazetteer._places().population
    assert len(added) > 800 and sum(len(called.split("|")) for called in rows.names) >= len(added)
    assert not any(key.isascii() for key in added)
    for key, rank in added.items():
        others = [other for other in gazetteer._index().find(key) if other != rank]
        assert all(people[rank] >= 10 * people[other] for other in others), key
    assert names.key("纽约") in added
