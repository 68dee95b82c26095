"""`georeplicate score`: from files to a short table, the protocol in one line, and everything that was odd."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd

from georeplicate import files
from georeplicate.evaluation import benchmarks, csvfile, rows
from georeplicate.evaluation.effects import protocol_effects
from georeplicate.evaluation.metrics import MEASURES, is_share
from georeplicate.evaluation.protocol import Protocol
from georeplicate.evaluation.score import Scores, read_predictions, read_truth, score

SAMPLE_FROM = 200_000  # with more examples than this, intervals would cost minutes and be a hundredth of a percent wide


def run_score(
    predictions_path: str | Path,
    benchmark: str | None = None,
    root: str | Path | None = None,
    truth: str | Path | None = None,
    protocol: str | Protocol = "ours",
    out: str | Path | None = None,
    effects: bool = False,
    as_json: bool = False,
    draws: int = 2000,
) -> int:
    """Score a CSV file of predictions, print the result, and return 0.

    benchmark (and root, the folder of its files) or truth (a CSV file): what to score against; neither is needed where
    the predictions' file has lat and lon beside pred_lat and pred_lon. out: CSV with one row for each example and,
    behind them, the rows that belong to none; `problem` says what was wrong. effects: also what each other
    setting of the protocol would have given (see protocol_effects). as_json: print one JSON object instead.

    Raises ValueError or FileNotFoundError with one sentence that names file, row and remedy.
    """
    protocol = Protocol.get(protocol)
    predictions_path = Path(predictions_path)
    if benchmark is not None and truth is not None:
        raise ValueError("give a benchmark or a file with the truth, not both")
    if benchmark is not None:
        given, against = read_predictions(predictions_path), benchmarks.load(benchmark, root).truth
    elif truth is not None:
        given, against = read_predictions(predictions_path), read_truth(truth)
    else:
        given, against = rows.read_both(predictions_path)
    scores = score(given, against, protocol)
    few = len(scores.counted_rows) <= SAMPLE_FROM
    table = scores.intervals(draws) if few else scores.intervals(1).assign(low=math.nan, high=math.nan)
    if out is not None:
        files.write_csv(out, rows_for_file(scores))
    name = benchmark or against.source
    moved = protocol_effects(given, against, protocol) if effects else None
    if as_json:
        found = _as_json(scores, table, predictions_path.name, name)
        found |= {} if moved is None else {"effects": moved.to_dict("records")}
        print(json.dumps(_plain(found), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_as_text(scores, table, predictions_path.name, name, out, few)))
        if moved is not None:
            print(f"\nunder other rules:\n{_effects_as_text(moved)}")
    return 0


def rows_for_file(scores: Scores) -> pd.DataFrame:
    """What `out` holds: Scores.rows, then every reported row that is no example's; texts safe to open in a spreadsheet.

    Text that a spreadsheet would run (it begins with =, +, - or @) has an apostrophe before it, which our reader drops.
    """
    table = scores.rows.copy()
    reported = scores.report.rows
    aside = reported[reported.outcome.isin(["set aside", "left out"])]
    if len(aside):
        extra = pd.DataFrame({"id": aside.id, "problem": [
            f"{line.file} row {line.row}: {line.reason}" for line in aside.itertuples()
        ], "counted": False})  # fmt: skip
        table = pd.concat([table, extra], ignore_index=True)
    odd = reported[reported.outcome == "scored as given"]
    if len(odd):
        table["remark"] = table.id.map(dict(zip(odd.id, odd.reason, strict=True))).fillna("")
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].map(csvfile.escape)
    return table


# --- printing --------------------------------------------------------------------------------------------------------


def _shown(measure: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    if is_share(measure):
        return f"{100 * value:.2f} %"
    return f"{value:.0f}" if measure == "geoscore" else f"{value:.2f} km"


def _as_text(
    scores: Scores, table: pd.DataFrame, file: str, name: str, out: str | Path | None, intervals: bool
) -> list[str]:
    found = scores.summary
    printed = [f"{file} against {name}: {found['n']} of {len(scores.rows)} examples counted"]
    printed[0] += f", {found['n_unparsed']} answers without a place, {found['n_missing']} without an answer"
    printed += [f"protocol {scores.protocol.line}", ""]
    for line in table.itertuples():
        if line.n:
            limits = (
                f"{_shown(line.measure, line.low):>12} .. {_shown(line.measure, line.high):<12}" if intervals else ""
            )
            printed.append(f"  {line.measure:<17}{_shown(line.measure, line.value):>12}  {limits} n {line.n}".rstrip())
    how = "95 % intervals by bootstrap over examples" if intervals else f"no intervals above {SAMPLE_FROM} examples"
    printed.append(f"  {how}; mean_km leaves out {found['mean_km_left_out']}")
    report = scores.report.lines()
    printed += ["", "report: nothing was odd"] if not report else ["", "report:", *(f"  {line}" for line in report)]
    return printed + ([f"rows: {out}"] if out is not None else [])


def _effects_as_text(moved: pd.DataFrame) -> str:
    """Each rule with the measures that it moves."""
    lines = []
    for line in moved.iloc[1:].to_dict("records"):
        changed = [name for name in MEASURES if not (line[f"{name}_change"] == 0 or math.isnan(line[f"{name}_change"]))]
        values = ", ".join(f"{name} {_shown(name, line[name])}" for name in changed) or "the same"
        lines.append(f"  {line['switch']} {line['setting']}: {values}")
    return "\n".join(lines)


def _as_json(scores: Scores, table: pd.DataFrame, file: str, name: str) -> dict:
    return {
        "predictions": file,
        "truth": name,
        "protocol": scores.protocol.as_dict(),
        "summary": scores.summary,
        "intervals": {line.measure: [line.low, line.high] for line in table.itertuples()},
        "report": {
            "notes": list(scores.report.notes),
            "counts": scores.report.counts.to_dict("records"),
            "rows": scores.report.rows.to_dict("records"),
        },
    }


def _plain(value: object) -> object:
    """As JSON can say it: no number of numpy's, and null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
