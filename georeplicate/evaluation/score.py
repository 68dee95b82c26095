"""Scores of predictions under a stated protocol: shares within distances, kilometres, names, intervals, breakdowns.

    truth = read_truth("truth.csv")
    scores = score(read_predictions("predictions.csv"), truth, protocol="ours")
    scores.summary, scores.intervals(), scores.by("continent"), scores.report
    compare.compare(scores, score(others, truth))

Shares are 0..1, distances kilometres, coordinates degrees. Nothing is dropped without a line in the report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from georeplicate import atlas, geo
from georeplicate.evaluation import answers, geocoders, ids, metrics, report
from georeplicate.evaluation.metrics import MEASURES, NO_PREDICTION, mean_km, median_km
from georeplicate.evaluation.protocol import Protocol
from georeplicate.evaluation.report import Report
from georeplicate.evaluation.rows import (
    SWAPPED_FAR_KM,
    Rows,
    framed,
    looks_radian,
    looks_swapped,
    predictions_from,
    read_predictions,
    read_truth,
    truth_from,
)
from georeplicate.geo import within

__all__ = ["MEASURES", "Scores", "mean_km", "median_km", "read_predictions", "read_truth", "score", "within"]

OWN = ("id", "lat", "lon", "city", "country", "pred_lat", "pred_lon", "pred_city", "pred_country", "error_km",
       "country_right", "city_right", "counted", "problem")  # fmt: skip
_CONTINENTS = {"Africa": "Africa", "Europe": "Europe", "Asia": "Asia", "South America": "South America",
               "America": "North America", "Caribbean": "North America", "Antarctica": "Antarctica"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scores:
    """rows: one for each example of the truth, with columns OWN and the truth's (and predictions') other columns.

    error_km is NaN where there is no answer; country_right and city_right are 1, 0, or NaN where the name is not known.
    counted: in the denominator. problem: "" or why there is no point. report: everything that was odd in either file.
    """

    rows: pd.DataFrame
    protocol: Protocol
    report: Report

    @cached_property
    def summary(self) -> dict[str, float]:
        """MEASURES, mean_km_left_out (answers without a place), n (the denominator), n_unparsed, n_missing, n_country
        and n_city (examples whose name is known on both sides)."""
        return metrics.summary(self.rows, self.protocol.rule)

    def intervals(self, draws: int = 2000, seed: int = 0, cluster: str | ArrayLike | None = None) -> pd.DataFrame:
        """measure, value, low, high, n: 95 % intervals by bootstrap over examples.

        cluster: a column of `rows`, or one label for each row, whose examples are drawn together (photographs of one
        author, city or sequence are not independent). A share of 0 or 1 has Wilson's interval over the clusters.
        """
        rows = self.counted_rows
        labels = self.labels(cluster)
        return metrics.with_limits(rows, self.protocol.rule, draws, seed, labels)

    def by(self, column: str, draws: int = 0, seed: int = 0) -> pd.DataFrame:
        """The summary of every part: `column`, n, MEASURES, counts; biggest part first; draws > 0: with limits.

        column: any column of `rows`; or, unless there is one, "continent", "climate" (Koeppen-Geiger group A to E),
        "country_code", "hemisphere" or "urban_rural" of the true place, from the atlas. Missing values are "unknown".
        """
        part = self.parts(column)
        lines = []
        for name, rows in self.rows.groupby(part, sort=False):
            line = {column: name} | metrics.summary(rows, self.protocol.rule)
            if draws:
                found = metrics.with_limits(rows[rows.counted.to_numpy(bool)], self.protocol.rule, draws, seed, None)
                for one in found.itertuples():
                    line |= {f"{one.measure}_low": one.low, f"{one.measure}_high": one.high}
            lines.append(line)
        order = [column, "n", *MEASURES]
        table = pd.DataFrame(lines).sort_values("n", ascending=False, kind="stable", ignore_index=True)
        return table[order + [name for name in table if name not in order]]

    @cached_property
    def counted_rows(self) -> pd.DataFrame:
        """The rows in the denominator."""
        return self.rows[self.rows.counted.to_numpy(bool)]

    def labels(self, cluster: str | ArrayLike | None) -> NDArray | None:
        """One label for each of `counted_rows`, from a column or from one label for each of `rows`."""
        if cluster is None:
            return None
        labels = self.parts(cluster) if isinstance(cluster, str) else pd.Series(np.asarray(cluster, object))
        if len(labels) != len(self.rows):
            raise ValueError(f"cluster has {len(labels)} labels for {len(self.rows)} examples")
        return labels.to_numpy(object)[self.rows.counted.to_numpy(bool)]

    def parts(self, column: str) -> pd.Series:
        """What `by` groups the rows by."""
        if column in self.rows:
            values = self.rows[column]
            return values.astype(object).where(values.notna() & (values.astype(str) != ""), "unknown")
        if column not in ("continent", "climate", "country_code", "hemisphere", "urban_rural"):
            raise ValueError(f"no column {column!r}; there are {', '.join(map(str, self.rows.columns))}, continent, "
                             "climate, country_code, hemisphere and urban_rural")  # fmt: skip
        facts = atlas.describe(self.rows.lat.to_numpy(), self.rows.lon.to_numpy(), atlas.NOON)
        if column == "continent":
            values = [continent(region) for region in facts.region]
        elif column == "climate":
            values = [code if code in ("", "ocean") else code[0] for code in facts.climate]
        elif column == "urban_rural":
            values = np.where(facts.land_cover == "urban", "urban", "rural")
        else:
            values = facts.country if column == "country_code" else facts.hemisphere
        return pd.Series(np.asarray(values, object), index=self.rows.index).replace("", "unknown")


def continent(region: str) -> str:
    """Continent of a United Nations M49 region as the atlas names it; "unknown" for "" (the sea)."""
    found = next((name for part, name in _CONTINENTS.items() if part in region), "Oceania")
    return found if region else "unknown"


# --- scoring ---------------------------------------------------------------------------------------------------------


def score(
    predictions: Rows | pd.DataFrame,
    truth: Rows | pd.DataFrame,
    protocol: str | Protocol = "ours",
    *,
    geocode: answers.Geocode | None = None,
) -> Scores:
    """Score predictions against the truth.

    predictions, truth: what `read_predictions` and `read_truth` gave, or DataFrames with such columns. Predictions may
    be coordinates, names, or text, row by row. protocol: a Protocol or the name of one. geocode: (city, country) ->
    (lat, lon) or None, in place of the one that the protocol names.

    Ids are matched as in `ids.match`. An example without a prediction counts as an answer without a place. Raises
    ValueError in one sentence where no id matches, a column is missing, or the protocol is unknown.
    """
    protocol = Protocol.get(protocol)
    given = predictions if isinstance(predictions, Rows) else predictions_from(predictions)
    true = truth if isinstance(truth, Rows) else truth_from(truth)
    found, odd = _joined(given, true)
    odd += _copied(given, true, found)
    resolved = answers.resolve(given.frame, protocol, geocode or geocoders.of(protocol))
    rows = _rows(given.frame, true.frame, resolved, found, protocol)
    out = Scores(rows, protocol, given.report + true.report + odd + _odd(rows, given, true, found, protocol))
    return out


def _joined(given: Rows, true: Rows) -> tuple[NDArray, Report]:
    """(T,) the row of predictions of each example, -1 for none; and what did not fit."""
    if not len(true.frame):
        raise ValueError(f"{true.source}: no row can be used; the first of {len(true.report)} is {_first(true)}")
    at, ambiguous = ids.match(given.frame.id, true.frame.id)
    if not (at >= 0).any():
        raise ValueError(
            f"{given.source}: none of its ids is in {true.source} (such as {_id(given)} here, {_id(true)} there); "
            "give both files the same ids, with or without folder and extension"
        )
    found = np.full(len(true.frame), -1, np.int64)
    mine = np.arange(len(at))[at >= 0]
    found[at[mine][::-1]] = mine[::-1]  # the first of several keeps the place
    again = (at >= 0) & (found[at] != np.arange(len(at)))
    if (at >= 0).all() and not again.any():
        return found, Report()
    frame = given.frame
    why = np.full(len(at), "", object)
    why[at < 0] = f"id is not in {true.source}"
    why[ambiguous] = f"id fits several in {true.source} without its folder"
    why[again] = [f"id given before: row {frame.row[found[at[i]]]} is used" for i in np.flatnonzero(again)]
    bad = why != ""
    return found, report.about(given.source, frame.row[bad], frame.id[bad], why[bad], "set aside")


def _copied(given: Rows, true: Rows, found: NDArray) -> Report:
    """A note where most predicted coordinates are the true ones to the last digit. ValueError where the model's answer
    stands beside them: they are then the truth's, and would be scored as the model's."""
    has = found >= 0
    mine, theirs = (frame[["lat", "lon"]].to_numpy(float) for frame in (given.frame.iloc[found[has]], true.frame[has]))
    same = int((mine == theirs).all(1).sum())
    if same < 2 or same <= len(mine) / 2:
        return Report()
    if given.frame.text.astype(bool).any():
        raise ValueError(
            f"{given.source}: the coordinates beside the answers in words are the truth's in {same} of {len(mine)} "
            "rows; leave them out, or name the predicted ones pred_lat and pred_lon"
        )
    note = f"{given.source}: {same} of {len(mine)} predicted coordinates are the truth's to the last digit"
    return Report(notes=(note,))


def _id(rows: Rows) -> str:
    return repr(rows.frame.id.iloc[0]) if len(rows.frame) else "missing"


def _first(rows: Rows) -> str:
    return rows.report.rows.reason.iloc[0] if len(rows.report) else "missing"


def _rows(
    given: pd.DataFrame, true: pd.DataFrame, resolved: pd.DataFrame, found: NDArray, protocol: Protocol
) -> pd.DataFrame:
    """The frame of Scores.rows."""
    has = found >= 0
    whole = has.all() and (found == np.arange(len(given))).all() if len(found) == len(given) else False
    out = {name: true[name].to_numpy() for name in ("id", "lat", "lon", "city", "country")}
    for name in ("pred_lat", "pred_lon", "pred_city", "pred_country", "problem"):
        values = resolved[name].to_numpy()
        if not whole:
            values = values[found]
            values[~has] = np.nan if values.dtype.kind == "f" else NO_PREDICTION if name == "problem" else ""
        out[name] = values
    out["error_km"] = geo.distance_km(out["lat"], out["lon"], out["pred_lat"], out["pred_lon"], protocol.distance)
    out["counted"] = np.ones(len(true), bool) if protocol.unparseable == "wrong" else ~np.isnan(out["error_km"])
    out |= _names(out, protocol)
    extras = {name: true[name].to_numpy() for name in true if name not in OWN and name != "row"}
    for name in given:
        if name not in (*OWN, *extras, "row", "text"):
            extras[name] = given[name].where(given[name].notna(), None).to_numpy(object)[found]
            extras[name][~has] = None
    return framed({name: out[name] for name in OWN} | extras)


def _names(out: dict[str, NDArray], protocol: Protocol) -> dict[str, NDArray]:
    """country_right and city_right (n,): 1, 0, or NaN where the truth or an answer by coordinates has no name,
    and throughout where no answer has one."""
    n = len(out["id"])
    right = {"country_right": np.full(n, np.nan), "city_right": np.full(n, np.nan)}
    answered = ~np.isnan(out["pred_lat"])
    named = out["pred_country"].astype(bool) | out["pred_city"].astype(bool)
    if protocol.country_from == "point" and out["country"].astype(bool).any():
        out["pred_country"] = out["pred_country"].copy()
        bare = np.flatnonzero(answered & (out["pred_country"] == ""))
        if bare.size:
            out["pred_country"][bare] = answers.countries_at(out["pred_lat"][bare], out["pred_lon"][bare])
    cache: dict[tuple[str, ...], bool] = {}
    key: tuple[str, ...]
    for kind in ("country", "city"):
        given, true = out[f"pred_{kind}"], out[kind]
        known = true.astype(bool) & (~answered | named | given.astype(bool))
        if not given.astype(bool).any():
            continue  # a system that names none has no such accuracy, rather than one of 0
        verdict = right[f"{kind}_right"]
        verdict[known if protocol.unparseable == "wrong" else known & given.astype(bool)] = 0.0
        for i in np.flatnonzero(known & given.astype(bool)):
            key = (given[i], true[i])
            if kind == "city":
                key += (out["pred_country"][i], out["country"][i])
            if key not in cache:
                same: Callable[..., bool] = answers.same_country if kind == "country" else answers.same_city
                cache[key] = same(*key, protocol.names)
            verdict[i] = float(cache[key])
    return right


def _odd(rows: pd.DataFrame, given: Rows, true: Rows, found: NDArray, protocol: Protocol) -> Report:
    """What is odd about the examples: no prediction, no place in it, coordinates that seem to have changed places."""
    outcome = "counts as wrong" if protocol.unparseable == "wrong" else "left out of the denominator"
    problem = rows.problem.to_numpy(object)
    missing = problem == NO_PREDICTION
    noted = report.about(given.source, np.zeros(missing.sum(), int), rows.id[missing], NO_PREDICTION, outcome)
    bad = problem.astype(bool) & ~missing
    number = given.frame.row.to_numpy()[found]
    noted += report.about(given.source, number[bad], rows.id[bad], problem[bad], outcome)
    far = np.flatnonzero(rows.error_km > 0.9 * SWAPPED_FAR_KM)
    points = [rows[name].to_numpy()[far] for name in ("pred_lat", "pred_lon", "lat", "lon")]
    for looks, what, remedy in (
        (looks_swapped, "latitude and longitude look swapped", "they change places"),
        (looks_radian, "the coordinates look like radians", "they are turned into degrees"),
    ):
        odd = np.zeros(len(rows), bool)
        odd[far] = looks(*points)
        why = f"{what}: the answer is near once {remedy}"
        noted += report.about(given.source, number[odd], rows.id[odd], why, "scored as given")
        if odd.sum() > len(rows) / 2:
            note = f"{given.source}: {what}, as most answers are near once {remedy}; check its columns"
            noted += Report(notes=(note,))
    return noted
