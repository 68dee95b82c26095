"""Inputs as people and models write them, kind by kind: what is read from each, or why it is refused."""

import math

import pytest

from georeplicate import atlas, coordinates
from georeplicate.tasks import answers
from georeplicate.tasks.answers import Choice, Malformed, Place
from georeplicate.training import rewards

# --- letters ----------------------------------------------------------------------------------------------------------

LETTERS = [
    # lists
    ("c. the tile with the quay", "C"),
    ("c) the tile with the quay", "C"),
    ("(c) the tile with the quay", "C"),
    ("c: it has the quay", "C"),
    ("c - the one with the quay", "C"),
    ("[d]", "D"),
    ("**E**", "E"),
    ("Option d:", "D"),
    ("It is d.", "D"),
    ("I think e", "E"),
    ("选D", "D"),
    ("答案：d", "D"),
    ("D选项", "D"),
    ("a. a quay\nb. a park", "two_letters"),
    # stated, and then talked on
    ("The answer is D. Compare E, where the quay is shorter.", "D"),
    ("The answer is D because E has no quay.", "D"),
    ("My answer is (D). Tile A shows a stadium, B a harbour.", "D"),
    ("Correct answer: D. A, B and E have no quay", "D"),
    ("D\n\nE has no quay.", "D"),
    ("A shows a quay, B a park.\n\nD", "D"),
    ("正确答案是 D，因为E没有河", "D"),
    ("The answer is D or E.", "two_letters"),
    ("The answer is D. Wait, E is closer.", "two_letters"),
    ("The answer is D. However, E has the quay.", "two_letters"),
    ("The answer is D. D is not right, it is E.", "two_letters"),
    ("D\nE", "two_letters"),
    # thinking tags
    ("<thinking>A or E?</thinking>D", "D"),
    ("<Thought>A</Thought> D", "D"),
    ("<REASONING>A</REASONING><answer>D</answer>", "D"),
    ("[THINK]A[/THINK]D", "D"),
    ("◁think▷A◁/think▷D", "D"),
    ("<thinking>A, as it", "unfinished"),
    ("<thinking>A</think>D", "D"),
    ("<final_answer>D</final_answer>", "D"),
    # drafts in thinking that does not end
    ("<think>say <answer>A</answer>. Hmm, no quay there", "unfinished"),
    ("<thinking>say <answer>A</answer> or <answer>B</answer> but", "unfinished"),
    ("<think>say <answer>A", "unfinished"),
    ("<think>it is <answer>D</answer>\n<|im_end|>", "D"),
    ("<think>x</think><answer>D</answer><think>or <answer>A</answer> perhaps", "D"),
    ("<answer>D</answer> Note that A is similar.", "D"),
]


@pytest.mark.parametrize(("text", "expected"), LETTERS)
def test_letters(text, expected):
    given = answers.parse_choice(text)
    assert (given.letter if isinstance(given, Choice) else given.reason) == expected


@pytest.mark.parametrize("thing", [None, b"B", 3, 2.5, ["B"], {"answer": "B"}, math.nan, True])
@pytest.mark.parametrize("mode", ["paper", "released"])
def test_what_is_no_text_is_refused_and_rewarded_as_malformed(thing, mode):
    for parse in (answers.parse_choice, answers.parse_place):
        assert parse(thing, mode) == Malformed("not_text", type(thing).__name__)
    empty = rewards.total("", "B", 1024, mode)
    assert rewards.total(thing, "B", 1024, mode) == empty
    assert rewards.accuracy("B", thing, mode) == 0.0


@pytest.mark.parametrize("count", [None, "12", math.nan, math.inf, b"", [1]])
@pytest.mark.parametrize("mode", ["paper", "released"])
def test_a_count_that_is_none_earns_what_the_longest_answer_earns(count, mode):
    for correct in (True, False):
        assert rewards.length(count, correct, mode) == rewards.length(rewards.LENGTH_MAX_TOKENS, correct, mode)


# --- coordinates ------------------------------------------------------------------------------------------------------

LIMA = (-12.0464, -77.0428)
POINTS = [
    # decimal commas
    ("S 12° 2,784', W 77° 2,568'", LIMA),
    ("12° 2' 47,04\" S, 77° 2' 34,08\" W", LIMA),
    ("12,0464° S, 77,0428° W", LIMA),
    ("S 12,0464 W 77,0428", LIMA),
    ("-12,0464 -77,0428", LIMA),
    ("-12,0464 | -77,0428", LIMA),
    ('{"lat": "-12,0464", "lon": "-77,0428"}', LIMA),
    # hemispheres in front, no marks
    ("S12 02.784, W077 02.568", LIMA),
    ("S 12 02 47.04 W 077 02 34.08", LIMA),
    ("12 02.784 S, 77 02.568 W", LIMA),
    ("12:02:47.04 S, 77:02:34.08 W", LIMA),
    ("coordinates: -12:02:47.04, -77:02:34.08", LIMA),
    ("S12 02.784, W077", "bad_coordinates"),
    ("12 2.78 S, 77.04 W", "bad_coordinates"),
    ("N 48 2 E", "no_country"),
    # typographic signs
    ("latitude −12.0464, longitude −77.0428", LIMA),
    ("–12.0464, –77.0428", LIMA),
    ("—12.0464; ‑77.0428", LIMA),
    ("12∘02′47.04″S 77∘02′34.08″W", LIMA),
    ("12⁰02’47.04”S, 77⁰02’34.08”W", LIMA),
    ("$12^\\circ 2' 47.04'' S, 77^\\circ 2' 34.08'' W$", LIMA),
    ("12.0464&deg; S, 77.0428&deg; W", LIMA),
    ("12.0464-77.0428", "bad_coordinates"),
    ("12·0464, 77·0428", "no_place"),
    # words
    ("12.0464° S latitude, 77.0428° W longitude", LIMA),
    ("77.0428° W longitude and 12.0464° S latitude", LIMA),
    ("12.0464 degrees south latitude, 77.0428 degrees west longitude", LIMA),
    ("12.0464 sur, 77.0428 oeste", LIMA),
    ("The latitude is -12.0464 and the longitude is -77.0428.", LIMA),
    ("latitud: -12,0464, longitud: -77,0428", LIMA),
    ("широта: -12,0464, долгота: -77,0428", LIMA),
    ("12.0464 S longitude, 77.0428 W latitude", "bad_coordinates"),
    # Chinese
    ("纬度：-12.0464，经度：-77.0428", LIMA),
    ("南纬12.0464°，西经77.0428°", LIMA),
    ("緯度-12.0464、經度-77.0428", LIMA),
    ("南纬12度02分47.04秒，西经77度02分34.08秒", LIMA),
    ("経度: -77.0428, 緯度: -12.0464", LIMA),
    # digits of other scripts with their decimal signs
    ("٣٠٫٠٤٤٤، ٣١٫٢٣٥٧", (30.0444, 31.2357)),
    ("۳۵٫۶۸۹۲، ۵۱٫۳۸۹۰", (35.6892, 51.389)),
    ("۳۵/۶۸۹۲, ۵۱/۳۸۹۰", (35.6892, 51.389)),
    ("२८.६१३९, ७७.२०९०", (28.6139, 77.209)),
    ("－１２．０４６４，－７７．０４２８", LIMA),
    ("lat: ٣٠٫٠٤٤٤ lon: ٣١٫٢٣٥٧", (30.0444, 31.2357)),
    ('{"lat": "٣٠٫٠٤٤٤", "lon": "۳۱٫۲۳۵۷"}', (30.0444, 31.2357)),
    ("١٢٫٠٤، ٧٧٫٠٤ غربا", "bad_coordinates"),
    ("٣٠٬٠٤، ٣١٬٢٣", "no_place"),
]


@pytest.mark.parametrize(("text", "expected"), POINTS)
def test_coordinates(text, expected):
    place = answers.parse_place(text)
    if isinstance(expected, str):
        assert isinstance(place, Malformed) and place.reason == expected
    else:
        assert (place.lat, place.lon) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "digits", ["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "０１２３４５６７８９", "০১২৩৪৫৬৭৮৯"]
)
@pytest.mark.parametrize("sign", [".", "٫", "．"])
def test_a_decimal_sign_is_never_a_separator(digits, sign):
    text = "12.0464, 77.0428".translate(str.maketrans("0123456789", digits)).replace(".", sign)
    assert coordinates.find_pair(text)[0] == (12.0464, 77.0428)


# --- places -----------------------------------------------------------------------------------------------------------

PLACES = [
    # names with commas and brackets
    ("country: Congo, Rep.\ncity: Pointe-Noire", "CG", "Pointe-Noire"),
    ("country: Congo (the Democratic Republic of the)\ncity: Goma", "CD", "Goma"),
    ("country: Venezuela, Bolivarian Republic of\ncity: Maracaibo", "VE", "Maracaibo"),
    ("country: Tanzania, United Rep. of\ncity: Arusha", "TZ", "Arusha"),
    ("country: Gambia, The\ncity: Banjul", "GM", "Banjul"),
    ("country: Micronesia, Fed. Sts.", "FM", ""),
    ("country: Korea (Republic of)\ncity: Daegu", "KR", "Daegu"),
    ("country: Korea (DPRK)", "KP", ""),
    ("country: Taiwan, Province of China\ncity: Tainan", "TW", "Tainan"),
    ("country: China, Hong Kong SAR\ncity: Kowloon", "HK", "Kowloon"),
    ("country: Hong Kong (China)", "HK", ""),
    ("country: China (Hong Kong)", "HK", ""),
    ("country: Macao, China", "MO", ""),
    ("country: 澳门", "MO", ""),
    ("country: Virgin Islands (U.S.)", "VI", ""),
    ("country: Puerto Rico, USA\ncity: Ponce", "PR", "Ponce"),
    ("country: Wales, UK\ncity: Cardiff", "GB", "Cardiff"),
    ("country: Saba", "BQ", ""),
    ("country: Svalbard", "SJ", ""),
    ("country: Bonaire, Sint Eustatius and Saba", "BQ", ""),
    ("country: Antigua &amp; Barbuda", "AG", ""),
    ("country: France, Peru", "two_places", ""),
    ("country: France (Peru)", "two_places", ""),
    ("country: Peru, Andes\ncity: Cusco", "PE", "Cusco"),
    ("Goma, Congo, Dem. Rep.", "CD", "Goma"),
    # names that several countries bear
    ("country: Congo\ncity: Goma", "CD", "Goma"),
    ("country: Congo\ncity: Dolisie", "CG", "Dolisie"),
    ("country: Congo", "ambiguous", ""),
    ("country: Korea\ncity: Hamhung", "KP", "Hamhung"),
    ("country: 刚果", "ambiguous", ""),
    ("country: Korea\ncity: Paris", "ambiguous", ""),
    ("country: Virgin Islands\ncity: Road Town", "VG", "Road Town"),
    # forms
    ("| Country | City |\n|---|---|\n| Chile | Arica |", "CL", "Arica"),
    ("| City | Arica |\n| Country | Chile |", "CL", "Arica"),
    ("| Country | City |\n|---|---|\n| Chile | Arica |\n| Peru | Tacna |", "two_places", ""),
    ("The country is most likely Chile, and the city is probably Arica.", "CL", "Arica"),
    ("The city is Arica and the country is Chile, because of the desert.", "CL", "Arica"),
    ('{"country": ["Chile", "Peru"], "city": "Arica"}', "two_places", ""),
    ('{"country": ["Chile"]}', "CL", ""),
    ('{"country": "Chile", "city": ["Arica", "Iquique"]}', "two_places", ""),
    ('{"country": {"name": "Chile", "code": "CL"}, "city": {"name": "Arica"}}', "CL", "Arica"),
    ("国家：智利\n城市：阿里卡", "CL", "阿里卡"),
    ("國家: 日本，城市: 札幌", "JP", "札幌"),
    ("国家是日本，城市是札幌。", "JP", "札幌"),
    ('{"国家": "日本", "城市": "札幌"}', "JP", "札幌"),
    ("País: Chile\nCiudad: Arica", "CL", "Arica"),
    ("Land: Österreich\nStadt: Linz", "AT", "Linz"),
    ("Страна: Чили\nГород: Арика", "CL", "Арика"),
    ("country: Chile, region: Arica y Parinacota, city: Arica", "CL", "Arica"),
]


@pytest.mark.parametrize(("text", "code", "city"), PLACES)
def test_places(text, code, city):
    place = answers.parse_place(text)
    if isinstance(place, Malformed):
        assert place.reason == code
    else:
        assert (place.country_code, place.city) == (code, city)


PORTLAND, VANCOUVER = (43.66, -70.26), (45.64, -122.66)
STATES = [
    ("country: USA\nstate: Maine\ncity: Portland", PORTLAND),
    ("state: Maine\ncity: Portland", PORTLAND),
    ("city: Portland\nstate: ME\ncountry: US", PORTLAND),
    ("Portland, Maine, USA", PORTLAND),
    ("Portland, Maine", PORTLAND),
    ("city: Portland (Maine)\ncountry: USA", PORTLAND),
    ("city: Portland, Maine\ncountry: USA", PORTLAND),
    ("country: Maine, USA\ncity: Portland", PORTLAND),
    ("country: USA (Maine)\ncity: Portland", PORTLAND),
    ('{"country": "USA", "state": "Maine", "city": "Portland"}', PORTLAND),
    ("| State | Maine |\n| City | Portland |", PORTLAND),
    ("country: United States\nState/Province: Washington State\ncity: Vancouver", VANCOUVER),
    ("country: Canada, province: Ontario, city: London", (42.98, -81.25)),
    ("country: Georgia, USA\ncity: Savannah", (32.08, -81.1)),
    ("Savannah, Georgia", (32.08, -81.1)),
    ("Kutaisi, Georgia", (42.27, 42.69)),
    ("country: Georgia\ncity: Kutaisi", (42.27, 42.69)),
    ("country: Mexico\nstate: Mexico\ncity: Toluca", (19.29, -99.65)),
    ("country: Italy\nstate: unknown\ncity: Rome", (41.9, 12.5)),
    ("country: Italy\nstate: Fairyland\ncity: Rome", (41.9, 12.5)),
]


@pytest.mark.parametrize(("text", "expected"), STATES)
def test_states_tell_towns_of_one_name_apart(text, expected):
    place = answers.parse_place(text)
    assert isinstance(place, Place)
    assert atlas.geocode(place.city, place.country_code, place.state) == pytest.approx(expected, abs=0.1)
    assert atlas.geocode(place.city, place.country_code) == pytest.approx(expected, abs=0.1)


def test_a_state_that_contradicts_the_country_finds_nothing():
    assert atlas.geocode("Paris", "France", "Texas") is None
    assert atlas.geocode("Paris", "France", 3) is None


@pytest.mark.parametrize(
    ("city", "country", "code"), [("Goma", "Congo", "CD"), ("Dolisie", "Congo", "CG"), ("Busan", "Korea", "KR")]
)
def test_a_city_decides_which_country_bears_a_shared_name(city, country, code):
    assert atlas.country_of(city, country) == code and set(atlas.ambiguous(country)) > {code}
