"""Text of models and of strangers' files in our tables: it stays text, in its cell, in every format."""

import re

import pandas as pd
import pytest

from georeplicate import paper
from georeplicate.evaluation import csvfile, rows
from georeplicate.report import tables

EVIL = [
    "a | b || c", "x & y % z $ w # v _ u", "\\end{tabular}\\input{/etc/passwd}", "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0", "one\ntwo\r\nthree\u2028four\x0bfive", "\u202egnp.exe\u2066", "{{}} ~ ^ `x`", "| --- |",
]  # fmt: skip


@pytest.mark.parametrize("text", EVIL, ids=ascii)
def test_a_cell_stays_one_cell(tmp_path, text):
    frame = pd.DataFrame({"answer": [text, "plain"], "n": [1, 2]})
    as_csv, as_markdown, as_latex = tables.write(frame, tmp_path / "t", "c", synthetic=False)
    lines = as_markdown.read_text().split("\n\n", 1)[1].splitlines()
    assert len(lines) == 4 and all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines)
    body = as_latex.read_text().partition("\\midrule")[2].partition("\\bottomrule")[0]
    assert body.count("\\\\\n") == 2 and len(re.findall(r"(?<!\\)&", body)) == 2
    assert not re.search(r"(?<!\\)[%$#_]|\\(?:end|input)\b", body)
    for written in (as_markdown.read_text(), paper.markdown(frame)):
        assert "<script" not in written and not re.search("[\u202a-\u202e\u2066-\u2069\x0b\u2028]", written)
    assert pd.read_csv(as_csv).answer[0].splitlines() == text.splitlines()


def test_a_hard_path_and_no_home_are_no_fault(tmp_path, monkeypatch, command):
    monkeypatch.delenv("HOME", raising=False)
    folder = tmp_path / "ein Ordner, é 空格 'x' & \u202ey"
    folder.mkdir()
    frame = pd.DataFrame({"id": EVIL, "lat": 1.0, "lon": 2.0})
    for name in ("p.csv", "t.csv"):
        frame.to_csv(folder / name, index=False)
    code, printed, error = command(
        "score", folder / "p.csv", "--truth", folder / "t.csv", "--out", folder / "of" / "rows.csv"
    )
    assert code == 0 and not error and f"{len(EVIL)} of {len(EVIL)} examples counted" in printed
    written = pd.read_csv(folder / "of" / "rows.csv")
    assert not any(str(cell).startswith(csvfile.FORMULA) for cell in written.id)
    assert rows.read_predictions(folder / "of" / "rows.csv").frame.id.tolist() == [one.strip() for one in EVIL]
