"""Maps of anyone's predictions: what is read, what is drawn where, and that a file's words stay words."""

import asyncio
import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import browser
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from PIL import Image

from georeplicate import geo
from georeplicate.report import anyones, anyones_page, maps

NAN = float("nan")
EVIL = '<script>alert(1)</script>"&\u2028'


def table(error_km=(0.5, 20, 150, 500, 2000, 9000, NAN), **columns):
    """A frame as `anyones.read` gives it: places along the equator, answers due north of them."""
    km = np.array(error_km, float)
    n = len(km)
    lat, lon = np.zeros(n), np.linspace(5, 40, n)
    plat, plon = geo.destination(lat, lon, 0.0, np.nan_to_num(km))
    frame = pd.DataFrame({
        "id": [f"im{i}" for i in range(n)], "lat": lat, "lon": lon, "pred_lat": np.where(np.isnan(km), NAN, plat),
        "pred_lon": np.where(np.isnan(km), NAN, plon), "error_km": km, "city": "", "country": "", "pred_city": "",
        "pred_country": "", "text": "", "problem": "", "country_name": "Kenya",
    })  # fmt: skip
    return frame.assign(**columns)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def points(axes):
    return [part for part in axes.collections if isinstance(part, PathCollection)]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


# --- reading ---------------------------------------------------------------------------------------------------------


def test_aliases_missing_answers_and_bad_rows(tmp_path):
    path = write(
        tmp_path / "p.csv",
        "Image_ID;gt_lat;gt_lng;pred_latitude;pred_longitude;response\n"
        "a;48,85;2,35;48,85;2,35;Paris it is\nb;10;10;;;\nc;99;10;1;1;\nd;10;10;80;200;\ne;0;0;91;0;\nbroken;1\n",
    )
    frame, report = anyones.read(path)
    assert list(frame.id) == ["a", "b", "d", "e"]
    assert frame.error_km.iloc[0] == 0 and frame.error_km.isna().tolist() == [False, True, False, True]
    assert frame.text.tolist()[:2] == ["Paris it is", ""] and frame.country_name.iloc[0] == "France"
    said = " ".join(report.lines())
    assert "broken line" in said and "latitude and longitude look swapped: 91, 0" in said
    assert not report.rows.duplicated().any()


def test_truth_in_a_file_of_its_own(tmp_path):
    mine = write(tmp_path / "mine.csv", "id,lat,lon,text\nx.jpg,1,1,by the sea\ny.jpg,2,2,\n")
    truth = write(tmp_path / "truth.csv", "id,lat,lon,country\nx,1,1,Germany\ny,2,3,Atlantis\n")
    frame, _ = anyones.read(mine, truth)
    assert frame.error_km.iloc[0] == 0 and frame.error_km.iloc[1] == pytest.approx(111.1, abs=0.5)
    assert list(frame.country_name) == ["Germany", "Atlantis"] and list(frame.text) == ["by the sea", ""]
    with pytest.raises(ValueError, match=r"mine\.csv: no true places .* --truth"):
        anyones.read(mine)
    with pytest.raises(FileNotFoundError, match="missing.csv"):
        anyones.read(tmp_path / "missing.csv")


def test_guesses_are_fixed_and_as_many_as_places():
    first, again = anyones.baselines(table()), anyones.baselines(table())
    assert list(first) == list(again) and list(first)[0] == "a random land point"
    for who, km in first.items():
        assert km.shape == (7,) and np.array_equal(km, again[who]) and (km > 0).all()
    constant = list(first)[1]
    lat, lon = map(int, re.findall(r"(\d+)°", constant))
    assert first[constant][0] == pytest.approx(geo.haversine_km(0, 5, lat, lon), rel=0.02)


# --- figures ---------------------------------------------------------------------------------------------------------


def test_classes_hold_their_thresholds():
    assert maps.error_class([0, 1, 1.01, 25, 200, 750, 2500, 2501, NAN]).tolist() == [0, 0, 1, 1, 2, 3, 4, 5, 6]
    assert len(maps.ERROR_CLASSES) == len(maps.ERROR_COLOURS) == len(geo.THRESHOLDS_KM) + 2


def test_error_map_colours_points_by_class_and_counts_them():
    figure = maps.error_map(table(), name="a$b$c.csv", baselines={"nobody": 1234.4})
    figure.draw_without_rendering()
    crosses, found = points(figure.axes[0])
    assert len(crosses.get_offsets()) == 1 and len(found.get_offsets()) == 6
    by_lon = dict(zip(found.get_offsets()[:, 0].round(3), map(to_hex, found.get_facecolors())))
    assert [by_lon[lon] for lon in sorted(by_lon)] == list(maps.ERROR_COLOURS[:6])
    assert [line.rpartition(": ")[2] for line in legend(figure)] == ["1 (14%)"] * 7
    assert figure.get_suptitle() == "a$b$c.csv\nerror of 7 answers, median 500 km"
    assert "nobody 1,234 km" in figure.legends[0].get_title().get_text()


def test_legend_lies_below_the_map_and_inside_the_figure():
    figure = maps.error_map(table(), baselines={"a random land point": 8000, "always 35° N 120° E": 7000})
    figure.draw_without_rendering()
    box, whole = figure.legends[0].get_window_extent(), figure.bbox
    assert box.y1 <= figure.axes[0].get_window_extent().y0 + 1
    assert box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0


def test_arcs_over_the_date_line_and_the_pole_leave_no_stroke_across_the_map():
    frame = table((1.0, 1.0, 1.0)).assign(
        lat=[10.0, 80.0, -60.0], lon=[175.0, 10.0, 340.0], pred_lat=[12.0, 80.0, -70.0], pred_lon=[-170.0, -170.0, 20.0]
    )
    frame["error_km"] = geo.haversine_km(frame.lat, frame.lon, frame.pred_lat, frame.pred_lon)
    figure = maps.error_arcs(frame)
    axes = figure.axes[0]
    (lines,) = [part for part in axes.collections if isinstance(part, LineCollection)]
    west, east = axes.projection.x_limits
    drawn = [path.vertices for path in lines.get_paths()]
    assert len(drawn) == 3
    for line in drawn:
        steps = np.abs(np.diff(line[:, 0]))
        assert np.nanmax(steps) < (east - west) / 10
    ordered = frame.sort_values("error_km", ascending=False).reset_index()
    over = drawn[ordered.index[ordered.lon == 175.0][0]]
    assert np.isnan(over).any() and np.nanmin(over[:, 0]) < 0.9 * west < 0.9 * east < np.nanmax(over[:, 0])
    past = drawn[ordered.index[ordered.lon == 10.0][0]]
    assert np.nanmax(past[:, 1]) == pytest.approx(axes.projection.y_limits[1], rel=0.01)  # it touches the pole
    near = drawn[ordered.index[ordered.lon == 340.0][0]]
    assert not np.isnan(near).any()  # 340 and 20 degrees east are 40 degrees apart


def test_of_many_arcs_a_random_sample_that_the_seed_fixes():
    frame = table(np.linspace(1, 9000, 50))
    one, same, other = (maps.error_arcs(frame, most=20, seed=seed) for seed in (0, 0, 1))
    offsets = [points(figure.axes[0])[0].get_offsets() for figure in (one, same, other)]
    assert len(offsets[0]) == 20 and np.array_equal(offsets[0], offsets[1])
    assert not np.array_equal(offsets[0], offsets[2])
    assert "20 of 50 answers, sampled at random" in one.get_suptitle()


def test_regions_only_where_enough_places_lie():
    europe = table([10.0] * 25).assign(lat=50.0, lon=np.linspace(0, 20, 25))
    figure = maps.error_regions(europe.assign(lon=europe.lon % 360))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Europe: 25 places, median 10 km"]
    assert maps.error_regions(europe.head(19)) is None


def test_cumulative_counts_answers_without_a_place_in_the_denominator():
    figure = anyones.cumulative(table((10.0, 100.0, NAN, NAN)), {"nobody": np.full(4, 5000.0)})
    mine, guess = figure.axes[0].lines[:2]
    assert np.interp(50, mine.get_xdata(), mine.get_ydata()) >= 25 and max(mine.get_ydata()) == 50
    assert max(guess.get_ydata()) == 100
    assert legend(figure) == ["these answers, median infinite", "nobody, median 5,000 km"]


def test_countries_are_sorted_by_median_and_a_country_without_answers_is_last():
    frame = table((10, 20, 300, 400, NAN, NAN), country_name=["A$x$", "A$x$", "B", "B", "", ""])
    figure = anyones.countries(frame, name="x")
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["A$x$ (n 2)", "B (n 2)", f"{anyones.NOWHERE} (n 2)"]
    colours = [to_hex(colour) for colour in points(axes)[0].get_facecolors()]
    assert colours[-1] == maps.ERROR_COLOURS[-1] and colours[0] == maps.ERROR_COLOURS[1]
    figure.draw_without_rendering()


# --- the page --------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.inside, self.texts = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag in ("script", "style"):
            self.inside.append([dict(attrs), ""])

    def handle_data(self, data):
        if self.lasttag in ("script", "style") and self.inside:
            self.inside[-1][1] += data
        self.texts.append(data)


def data_of(text):
    (block,) = [body for attrs, body in Page(text).inside if attrs.get("type") == "application/json"]
    return json.loads(block.rpartition("}")[0] + "}")


def test_words_of_a_file_are_never_markup():
    frame = table(id=[EVIL] * 7, text=EVIL, city=EVIL, pred_city=EVIL, country_name=EVIL, problem=EVIL)
    plain = Page(anyones_page.page(table(), name="x", report=["fine"]))
    text = anyones_page.page(frame, name=EVIL, baselines={EVIL: 1.0}, report=[EVIL])
    assert Page(text).tags == plain.tags  # not one element more
    assert "<script>alert" not in text and "\u2028" not in text.partition('id="data"')[2].partition("</script>")[0]
    found = data_of(text)
    assert set(found["id"]) == {EVIL} and found["countries"] == [EVIL] and set(found["text"]) == {EVIL}


def test_the_policy_allows_this_script_and_style_alone_and_nothing_outside_is_named():
    text = anyones_page.page(table(), name="x")
    page = Page(text)
    (policy,) = [
        value for tag, name, value in page.attributes if tag == "meta" and name == "content" and "src" in value
    ]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "base-uri 'none'" in policy
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    style = text.partition("<style>")[2].partition("</style>")[0]
    for kind, body in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(r"https?:|//[a-z]|url\(|@import|innerHTML|eval\(|document\.write", text)
    names = {name for _, name, _ in page.attributes}
    assert not names & {"src", "href", "style", "action"} and not any(name.startswith("on") for name in names)


def test_the_page_holds_every_point_and_says_when_it_thins_out():
    found = data_of(anyones_page.page(table(), name="x"))
    assert sorted(found["id"]) == [f"im{i}" for i in range(7)] and sorted(found["kind"]) == list(range(7))
    lost = found["kind"].index(6)
    assert found["km"][lost] is None and found["plat"][lost] is None
    text = anyones_page.page(table(), name="x", most=3)
    assert "3 of 7 places, at random" in text and len(data_of(text)["id"]) == 3
    long = data_of(anyones_page.page(table(text="y" * 5000), name="x"))
    assert max(map(len, long["text"])) < 700 and long["text"][0].endswith("(cut)")


def jpeg(colour="teal", size=(900, 600)):
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "JPEG")
    return data.getvalue()


def test_pictures_are_found_by_id_made_small_and_those_of_the_largest_errors_kept(tmp_path):
    (tmp_path / "city").mkdir()
    for name in ("im0.jpg", "city/im1.jpeg", "im2.png", "stranger.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    (tmp_path / "im3.jpg").write_text("no picture")
    small, lines = anyones.thumbnails(tmp_path, table(), most=3)
    assert list(small) == ["im2", "im1"]  # im3 cannot be read, and im0 has the smallest error
    for data in small.values():
        assert Image.open(io.BytesIO(data)).size == (480, 320)
    said = " ".join(lines)
    assert "im3.jpg cannot be read as a picture" in said and "3 of 7 ids have no picture" in said
    assert "3 of 4 pictures were taken: those of the largest errors" in said
    text = anyones_page.page(table(), name="x", pictures=small)
    found = data_of(text)
    assert found["picture"][found["id"].index("im1")].startswith("/9j/") and found["picture"].count("") == 5
    assert "img-src data:" in text and "2 of them with their picture" in text
    assert "img-src" not in anyones_page.page(table(), name="x")
    with pytest.raises(ValueError, match="no file in .* has the name of an id, such as im0.jpg"):
        anyones.thumbnails(tmp_path / "city", table().head(1))
    with pytest.raises(ValueError, match="is no folder"):
        anyones.thumbnails(tmp_path / "nowhere", table())


@pytest.mark.skipif(browser.CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_searches_filters_and_shows_picture_and_answer_under_the_policy(tmp_path):
    frame = table(text=[f"{EVIL} answer {i}" for i in range(7)], city=["Nairobi"] * 3 + ["Kisumu"] * 4)
    page = anyones_page.page(frame, name=EVIL, report=[EVIL], pictures={"im4": jpeg(size=(30, 20))})
    path = write(tmp_path / "map.html", page)

    async def use(page):
        status = "document.getElementById('status').textContent"
        found = {"all": await page.run(status)}
        await page.run(
            "const search = document.getElementById('search'); search.value = 'KISUMU';"
            "search.dispatchEvent(new Event('input'))"
        )
        found["searched"] = await page.run(status)
        await page.run("document.querySelectorAll('#classes input')[5].click()")
        found["filtered"] = await page.run(status)
        hits = "[...document.querySelectorAll('#hits button')]"
        await page.run(f"{hits}.find(hit => hit.textContent.startsWith('im4')).click()")
        found["detail"] = await page.run("document.getElementById('detail').innerText")
        found["picture"] = await page.run(
            "(async () => { const image = document.images[0]; await image.decode(); return image.naturalWidth })()"
        )
        found["wide"] = await page.run("document.documentElement.scrollWidth - window.innerWidth")
        found["drawn"] = await page.run(
            "new Set(document.getElementById('map').getContext('2d').getImageData(0, 0, 600, 300).data).size"
        )
        before = list(page.complaints)
        await page.run("const evil = document.createElement('script'); evil.textContent = 'window.evil = 1';"
                       "document.body.append(evil)")  # fmt: skip
        found["evil"] = await page.run("String(window.evil)")
        return found, before, page.complaints

    found, before, after = asyncio.run(in_browser(path, tmp_path / "profile", use))
    assert (found["all"], found["searched"], found["filtered"]) == ("7 of 7 points", "4 of 7 points", "3 of 7 points")
    assert "<script>alert(1)</script>" in found["detail"] and "answer 4" in found["detail"]
    assert found["picture"] == 30 and found["wide"] <= 0 and found["drawn"] > 20
    assert before == [] and found["evil"] == "undefined" and "Content Security Policy" in " ".join(after)


async def in_browser(path, profile, use):
    profile.mkdir()
    async with browser.opened(path, profile, width=420) as page:  # as wide as a phone
        return await use(page)


# --- everything ------------------------------------------------------------------------------------------------------


def test_one_row_gives_every_file(tmp_path):
    path = write(tmp_path / "p.csv", "id,true_lat,true_lon,pred_lat,pred_lon\n<script>,10,10,11,11\n")
    written = anyones.draw(path, tmp_path / "out")
    names = [one.name for one in written]
    assert names == [f"{what}.{ending}" for what in ("errors", "cumulative", "countries", "arcs")
                     for ending in ("png", "pdf")] + ["map.html"]  # fmt: skip
    for one in written:
        start = one.read_bytes()[:5]
        assert start.startswith({".png": b"\x89PNG", ".pdf": b"%PDF", ".html": b"<!doc"}[one.suffix])
    assert data_of((tmp_path / "out" / "map.html").read_text())["id"] == ["<script>"]


def test_without_a_single_place_named_all_but_arcs_is_drawn(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(maps, "_shapes", lambda *_: ())  # without the coast, which takes long
    path = write(tmp_path / "p.csv", "id,true_lat,true_lon,pred_lat,pred_lon\na,10,10,,\nb,10,11,x,y\n")
    names = {one.name for one in anyones.draw(path, tmp_path / "out")}
    assert "arcs.png" not in names and {"errors.png", "cumulative.png", "map.html", "set_aside.csv"} <= names
    assert "coordinates are not numbers" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no arcs"):
        maps.error_arcs(table((NAN, NAN)))
    with pytest.raises(ValueError, match="nothing to draw"):
        maps.error_map(table(()))


def test_twenty_thousand_rows(tmp_path):
    n, rng = 20_000, np.random.default_rng(0)
    lat, lon = rng.uniform(-60, 70, n), rng.uniform(-180, 180, n)
    frame = pd.DataFrame({"key": np.arange(n), "lat_gt": lat, "lon_gt": lon, "lat_pred": lat + 1, "lon_pred": lon})
    frame.to_csv(tmp_path / "p.csv", index=False)
    read, report = anyones.read(tmp_path / "p.csv")
    assert len(read) == n and not len(report)
    figure = maps.error_map(read)
    (found,) = [part for part in points(figure.axes[0]) if len(part.get_offsets())]
    assert len(found.get_offsets()) == n and found.get_rasterized()
    text = anyones_page.page(read, name="x")
    assert len(data_of(text)["id"]) == n and "Thinned" not in text and len(text) < 5_000_000
