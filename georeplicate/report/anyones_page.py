"""One HTML page with a map of predictions that works from a file, without a network: no resource outside it.

Everything that comes from a table is JSON in a data block (`<`, `>` and `&` escaped) and reaches the page as text
content only. The policy in its head allows the one script and the one style sheet of this file, by their hashes, and
nothing else: no network, no inline handlers, and no images but those that the page itself holds, where it holds any.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from georeplicate import atlas
from georeplicate.report import maps

MOST = 20_000  # points; more make the page slow
LONGEST = 600  # characters of an answer's words


def page(
    frame: pd.DataFrame,
    *,
    name: str,
    baselines: Mapping[str, float] | None = None,
    report: Sequence[str] = (),
    pictures: Mapping[str, bytes] | None = None,
    most: int = MOST,
    seed: int = 0,
) -> str:
    """The page as text. frame: as `anyones.read` gives it; of more than `most` rows a random sample, which it says.

    baselines: {guess: median error in km}; report: lines about rows that could not be used; pictures: {id: a JPEG},
    shown where their row is chosen.
    """
    shown = pictures or {}
    order = np.random.default_rng(seed).permutation(len(frame))[:most]  # shuffled: no class hides another
    rows = frame.iloc[order]
    names = sorted(set(rows.country_name))
    number = {one: i for i, one in enumerate(names)}

    def degrees(column: str) -> list[float | None]:
        return [None if np.isnan(x) else round(float(x), 4) for x in rows[column].to_numpy(float)]

    def words(column: str) -> list[str]:
        return [text if len(text) <= LONGEST else text[:LONGEST] + " … (cut)" for text in map(str, rows[column])]

    data = {
        "id": words("id"),
        "lat": degrees("lat"),
        "lon": degrees("lon"),
        "plat": degrees("pred_lat"),
        "plon": degrees("pred_lon"),
        "km": [None if np.isnan(x) else round(float(x), 2) for x in rows.error_km.to_numpy(float)],
        "kind": maps.error_class(rows.error_km).tolist(),
        "country": [number[one] for one in rows.country_name],
        "city": words("city"),
        "said": [", ".join(filter(None, pair)) for pair in zip(words("pred_city"), words("pred_country"))],
        "text": words("text"),
        "problem": words("problem"),
        "picture": [base64.b64encode(shown.get(str(one), b"")).decode() for one in rows.id] if shown else [],
        "countries": names,
        "classes": list(maps.ERROR_CLASSES),
        "colours": list(maps.ERROR_COLOURS),
        "land": [_ring(part.exterior.coords) for part in atlas.land("110m").geoms],
        "borders": [_ring(line.coords) for line in atlas.borders("110m").geoms],
    }
    median = float(np.median(frame.error_km.fillna(np.inf)))
    facts = [f"{len(frame):,} places, median error {maps.km_text(median)}."]
    if len(rows) < len(frame):
        facts.append(f"Thinned out: {len(rows):,} of {len(frame):,} places, at random, are on this page.")
    if shown:
        facts.append(f"{sum(one in shown for one in map(str, rows.id)):,} of them with their picture.")
    if baselines:
        medians = ", ".join(f"{who} {maps.km_text(km)}" for who, km in baselines.items())
        facts.append(f"Medians without looking at a picture: {medians}.")
    notes = "".join(f"<li>{html.escape(line)}</li>" for line in report)
    policy = (
        f"default-src 'none'; script-src '{_hash(SCRIPT)}'; style-src '{_hash(STYLE)}'; base-uri 'none'; "
        "form-action 'none'" + ("; img-src data:" if shown else "")
    )
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(name)}: error map</title><style>{STYLE}</style></head>\n"
        f"<body><header><h1>{html.escape(name)}</h1><p>{html.escape(' '.join(facts))}</p></header>\n"
        f"{BODY}\n"
        + (
            f"<details><summary>Rows that could not be used as given</summary><ul>{notes}</ul></details>\n"
            if notes
            else ""
        )
        + f'<script type="application/json" id="data">{_json(data)}</script>\n<script>{SCRIPT}</script></body></html>\n'
    )


def _ring(coordinates) -> list[float]:
    """lon, lat, lon, lat, ... to a tenth of a degree."""
    return [round(float(x), 1) for point in coordinates for x in point[:2]]


def _json(value: object) -> str:
    """JSON that cannot end the block it stands in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; max-width: 1500px;
  padding: 0 1rem 1rem; }
h1 { font-size: 1.25rem; margin: .8rem 0 0; overflow-wrap: anywhere; }
header p { margin: .2rem 0 .7rem; color: #555; }
main { display: grid; grid-template-columns: minmax(0, 1fr) 20rem; gap: 1rem; }
@media (max-width: 60rem) { main { grid-template-columns: 1fr; } }
#frame { position: relative; }
canvas { display: block; width: 100%; aspect-ratio: 2; border: 1px solid #ccc; background: #f7fafc; cursor: crosshair;
  touch-action: none; }
canvas:focus-visible, button:focus-visible { outline: 2px solid #2171b5; outline-offset: 1px; }
#zoom { position: absolute; top: .5rem; left: .5rem; display: grid; gap: .25rem; }
#zoom button { width: 2rem; height: 2rem; font-size: 1.1rem; }
button { font: inherit; cursor: pointer; border: 1px solid #bbb; background: #fff; border-radius: 4px; }
#classes { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin: .6rem 0; }
#classes label { display: inline-flex; align-items: center; gap: .35rem; white-space: nowrap; }
.swatch { width: .8rem; height: .8rem; border-radius: 50%; border: 1px solid #333; }
aside input[type=search], aside select { width: 100%; font: inherit; padding: .35rem; margin-bottom: .5rem; }
#status { color: #555; margin: 0 0 .5rem; }
#detail { border: 1px solid #ccc; border-radius: 4px; padding: .6rem; min-height: 6rem; margin-bottom: .6rem; }
#detail img { display: block; max-width: 100%; margin: 0 0 .6rem; }
#detail dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .15rem .6rem; margin: 0; }
#detail dt { color: #666; }
#detail dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
#hits { list-style: none; padding: 0; margin: 0; max-height: 16rem; overflow: auto; border-top: 1px solid #eee; }
#hits button { width: 100%; text-align: left; border: 0; border-bottom: 1px solid #eee; border-radius: 0;
  padding: .25rem .1rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
details { margin-top: 1rem; color: #555; overflow-wrap: anywhere; }
"""

BODY = """<main><section>
<div id="frame"><canvas id="map" tabindex="0" role="img"
 aria-label="World map of true places, coloured by error; arrow keys move it, plus and minus zoom"></canvas>
<div id="zoom"><button id="in" type="button" aria-label="zoom in">+</button>
<button id="out" type="button" aria-label="zoom out">−</button>
<button id="whole" type="button" aria-label="whole world">○</button></div></div>
<div id="classes" role="group" aria-label="error classes"></div></section>
<aside><input id="search" type="search" placeholder="search ids, places and texts" aria-label="search">
<select id="country" aria-label="country"></select>
<p id="status" aria-live="polite"></p>
<div id="detail" aria-live="polite">Click a point, or choose one below.</div>
<ul id="hits"></ul></aside></main>"""

SCRIPT = """
'use strict';
(() => {
const D = JSON.parse(document.getElementById('data').textContent);
const N = D.id.length, at = id => document.getElementById(id);
const canvas = at('map'), pen = canvas.getContext('2d');
const on = D.classes.map(() => true);
let scale = 1, left = -180, top = 90, chosen = -1, shown = [];
const haystack = D.id.map((id, i) =>
  [id, D.city[i], D.countries[D.country[i]], D.said[i], D.text[i]].join('\\n').toLowerCase());
const fixed = lon => lon > 180 ? lon - 360 : lon;

function filter() {
  const words = at('search').value.trim().toLowerCase(), country = at('country').value;
  shown = [];
  const there = i => country === '' || D.country[i] === Number(country);
  for (let i = 0; i < N; i++)
    if (on[D.kind[i]] && there(i) && (!words || haystack[i].includes(words))) shown.push(i);
  at('status').textContent = shown.length.toLocaleString('en') + ' of ' + N.toLocaleString('en') + ' points';
  const hits = at('hits');
  hits.replaceChildren();
  for (const i of shown.slice(0, 100)) {
    const item = document.createElement('li'), button = document.createElement('button');
    button.type = 'button';
    button.textContent = D.id[i] + ' \\u00b7 ' + km(D.km[i]);
    button.addEventListener('click', () => { choose(i); centre(fixed(D.lon[i]), D.lat[i]); });
    item.append(button);
    hits.append(item);
  }
  draw();
}
const km = x => x === null ? 'no place' : x.toLocaleString('en', {maximumFractionDigits: x < 10 ? 2 : 0}) + ' km';
const degrees = (lat, lon) => lat === null ? '' : lat.toFixed(3) + ', ' + lon.toFixed(3);

function choose(i) {
  chosen = i;
  const list = document.createElement('dl');
  const rows = [['id', D.id[i]], ['error', km(D.km[i])],
    ['true place', [D.city[i], D.countries[D.country[i]], degrees(D.lat[i], D.lon[i])].filter(Boolean).join(', ')],
    ['named', [D.said[i], degrees(D.plat[i], D.plon[i])].filter(Boolean).join(', ')],
    ['problem', D.problem[i]], ['text', D.text[i]]];
  for (const [name, value] of rows) {
    if (!value) continue;
    const term = document.createElement('dt'), said = document.createElement('dd');
    term.textContent = name;
    said.textContent = value;
    list.append(term, said);
  }
  at('detail').replaceChildren(list);
  if (D.picture[i]) {
    const image = document.createElement('img');
    image.src = 'data:image/jpeg;base64,' + D.picture[i];
    image.alt = 'picture ' + D.id[i];
    at('detail').prepend(image);
  }
  draw();
}

const unit = () => canvas.width / 360 * scale;
const X = lon => (lon - left) * unit(), Y = lat => (top - lat) * unit();
function keep() {
  scale = Math.min(Math.max(scale, 1), 64);
  left = Math.min(Math.max(left, -180), 180 - 360 / scale);
  top = Math.max(Math.min(top, 90), -90 + 180 / scale);
}
function centre(lon, lat) { left = lon - 180 / scale; top = lat + 90 / scale; keep(); draw(); }
function zoom(factor, x, y) {
  const lon = left + x / unit(), lat = top - y / unit();
  scale = Math.min(Math.max(scale * factor, 1), 64);
  left = lon - x / unit();
  top = lat + y / unit();
  keep();
  draw();
}
function trace(line) {
  for (let j = 0; j < line.length; j += 2)
    j ? pen.lineTo(X(line[j]), Y(line[j + 1])) : pen.moveTo(X(line[j]), Y(line[j + 1]));
}
function arc(lat1, lon1, lat2, lon2) {
  const r = Math.PI / 180, v = (lat, lon) =>
    [Math.cos(lat * r) * Math.cos(lon * r), Math.cos(lat * r) * Math.sin(lon * r), Math.sin(lat * r)];
  const a = v(lat1, lon1), b = v(lat2, lon2);
  const angle = Math.acos(Math.max(-1, Math.min(1, a[0] * b[0] + a[1] * b[1] + a[2] * b[2])));
  if (angle < 1e-9 || Math.PI - angle < 1e-6) return;
  let last = null;
  pen.beginPath();
  for (let j = 0; j <= 128; j++) {
    const p = Math.sin((1 - j / 128) * angle) / Math.sin(angle), q = Math.sin(j / 128 * angle) / Math.sin(angle);
    const [x, y, z] = [0, 1, 2].map(k => p * a[k] + q * b[k]);
    const lon = Math.atan2(y, x) / r, lat = Math.atan2(z, Math.hypot(x, y)) / r;
    if (last === null || Math.abs(lon - last) > 180) pen.moveTo(X(lon), Y(lat));
    else pen.lineTo(X(lon), Y(lat));
    last = lon;
  }
  pen.stroke();
}
function draw() {
  const dot = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * dot), height = Math.round(canvas.clientWidth / 2 * dot);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  pen.clearRect(0, 0, width, height);
  pen.beginPath();
  D.land.forEach(trace);
  pen.fillStyle = '#e9e9e6';
  pen.fill();
  pen.strokeStyle = '#9a9a9a';
  pen.lineWidth = 0.7 * dot;
  pen.stroke();
  pen.beginPath();
  D.borders.forEach(trace);
  pen.strokeStyle = '#c4c4c4';
  pen.stroke();
  const size = dot * Math.max(1.6, Math.min(4.5, 90 / Math.sqrt(shown.length + 1))) * (1 + 0.15 * Math.log2(scale));
  for (const i of shown) {
    const x = X(fixed(D.lon[i])), y = Y(D.lat[i]);
    if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
    pen.fillStyle = pen.strokeStyle = D.colours[D.kind[i]];
    pen.beginPath();
    if (D.km[i] === null) {
      pen.lineWidth = dot;
      pen.moveTo(x - size, y - size); pen.lineTo(x + size, y + size);
      pen.moveTo(x - size, y + size); pen.lineTo(x + size, y - size);
      pen.stroke();
    } else {
      pen.arc(x, y, size, 0, 7);
      pen.fill();
    }
  }
  if (chosen < 0) return;
  const i = chosen;
  pen.strokeStyle = '#111';
  pen.lineWidth = 1.5 * dot;
  if (D.plat[i] !== null) {
    arc(D.lat[i], D.lon[i], D.plat[i], D.plon[i]);
    const x = X(fixed(D.plon[i])), y = Y(D.plat[i]), s = 6 * dot;
    pen.strokeRect(x - s, y - s, 2 * s, 2 * s);
  }
  pen.beginPath();
  pen.arc(X(fixed(D.lon[i])), Y(D.lat[i]), 8 * dot, 0, 7);
  pen.stroke();
}
function spot(event) {
  const box = canvas.getBoundingClientRect(), dot = canvas.width / box.width;
  return [(event.clientX - box.left) * dot, (event.clientY - box.top) * dot];
}
let drag = null;
canvas.addEventListener('pointerdown', event => {
  drag = [...spot(event), left, top, false];
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener('pointermove', event => {
  if (!drag) return;
  const [x, y] = spot(event);
  if (Math.hypot(x - drag[0], y - drag[1]) > 4) drag[4] = true;
  if (!drag[4]) return;
  left = drag[2] - (x - drag[0]) / unit();
  top = drag[3] + (y - drag[1]) / unit();
  keep();
  draw();
});
canvas.addEventListener('pointerup', event => {
  const moved = drag && drag[4];
  drag = null;
  if (moved) return;
  const [x, y] = spot(event);
  let best = -1, least = 14 * (window.devicePixelRatio || 1);
  for (const i of shown) {
    const away = Math.hypot(X(fixed(D.lon[i])) - x, Y(D.lat[i]) - y);
    if (away < least) { least = away; best = i; }
  }
  if (best >= 0) choose(best);
});
canvas.addEventListener('pointercancel', () => { drag = null; });
canvas.addEventListener('wheel', event => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 1.25 : 0.8, ...spot(event));
}, {passive: false});
canvas.addEventListener('keydown', event => {
  const step = 30 / scale, move = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step],
    ArrowDown: [0, -step]}[event.key];
  if (move) { left += move[0]; top += move[1]; keep(); draw(); }
  else if (event.key === '+' || event.key === '=') zoom(1.5, canvas.width / 2, canvas.height / 2);
  else if (event.key === '-') zoom(1 / 1.5, canvas.width / 2, canvas.height / 2);
  else return;
  event.preventDefault();
});
at('in').addEventListener('click', () => zoom(1.6, canvas.width / 2, canvas.height / 2));
at('out').addEventListener('click', () => zoom(1 / 1.6, canvas.width / 2, canvas.height / 2));
at('whole').addEventListener('click', () => { scale = 1; left = -180; top = 90; draw(); });

const counts = D.classes.map(() => 0), many = D.countries.map(() => 0);
for (let i = 0; i < N; i++) { counts[D.kind[i]]++; many[D.country[i]]++; }
D.classes.forEach((name, kind) => {
  const label = document.createElement('label'), box = document.createElement('input');
  const swatch = document.createElement('span');
  box.type = 'checkbox';
  box.checked = true;
  box.addEventListener('change', () => { on[kind] = box.checked; filter(); });
  swatch.className = 'swatch';
  swatch.style.background = D.colours[kind];
  label.append(box, swatch, name + ' (' + counts[kind].toLocaleString('en') + ')');
  at('classes').append(label);
});
const all = document.createElement('option');
all.value = '';
all.textContent = 'all countries';
at('country').append(all);
D.countries.forEach((name, number) => {
  const option = document.createElement('option');
  option.value = String(number);
  option.textContent = (name || 'at sea or in no state') + ' (' + many[number].toLocaleString('en') + ')';
  at('country').append(option);
});
at('country').addEventListener('change', filter);
at('search').addEventListener('input', filter);
window.addEventListener('resize', draw);
filter();
})();
"""
