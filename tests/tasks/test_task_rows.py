"""Rows that become unreadable: one note for all processes of a run, which outlives a kill."""

import pytest

from georeplicate.tasks.rows import Readable, Rows


def rows(damaged: set[int], count: int = 60):
    def make(i):
        if i in damaged:
            raise OSError(f"picture{i}.jpg\nis cut short")
        return {"id": i}

    return Rows(range(count), make)


def test_processes_share_one_note_that_names_and_counts_all(tmp_path, capsys):
    noted, damaged = tmp_path / "unreadable.txt", {7, 30}
    first, second = (Readable(rows(damaged), noted) for _ in range(2))  # each process has its own
    assert first[7] == {"id": 8} and second[30] == {"id": 31}
    assert noted.read_text().splitlines() == [
        "2 of 60 rows are unreadable",
        "row 7: picture7.jpg is cut short",
        "row 30: picture30.jpg is cut short",
    ]
    assert "row 30 cannot be read" in (said := capsys.readouterr()).err and "2 so far" in said.err and said.out == ""
    assert first[30] == {"id": 31} and capsys.readouterr().err == ""  # named once, whoever meets it
    # a run that goes on knows what was noted; what can be read again is struck off
    damaged.remove(7)
    third = Readable(rows(damaged), noted)
    assert third[7] == {"id": 7} and third[30] == {"id": 31} and capsys.readouterr().err == ""
    assert noted.read_text().splitlines() == ["1 of 60 rows are unreadable", "row 30: picture30.jpg is cut short"]


def test_too_many_are_counted_over_all_processes(tmp_path):
    noted, damaged = tmp_path / "unreadable.txt", {1, 11, 21, 31}
    first, second = (Readable(rows(damaged), noted) for _ in range(2))
    assert [first[1]["id"], first[11]["id"], second[21]["id"]] == [2, 12, 22]
    with pytest.raises(ValueError, match="4 of 60 rows cannot be read, last: picture31.jpg is cut short; look after"):
        second[31]
    with pytest.raises(ValueError, match="4 of 60 rows cannot be read"):  # nor does it go on before the disk is mended
        Readable(rows(damaged), noted)
