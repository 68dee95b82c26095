"""Secrets and private folders are found in what is published, and named without being repeated."""

import pytest

from georeplicate import files
from georeplicate.runs import leaks, publish

TOKEN = "hf_" + "aB3" * 11  # put together here, so that this file holds none itself
PLANTED = {
    "a home folder": [
        "/home/" + "ann/data/x.jpg",
        "C:\\Users" + "\\ann",
        "C:\\\\Users" + "\\\\ann",
        "/root/" + ".cache",
    ],
    "an access token": [TOKEN, "sk-" + "proj_" * 6, "ghp_" + "a1" * 18, "AKIA" + "ABCD" * 4],
    "a private key": ["-----BEGIN " + "RSA PRIVATE KEY-----"],
    "a password in an address": ["https://ann:" + "secret@example.org/v1"],
}


@pytest.mark.parametrize("what, text", [(what, text) for what, texts in PLANTED.items() for text in texts])
def test_what_is_private_is_found_and_not_repeated(what, text, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "log.csv").write_text(f"step,loss\n1,{text}\n")
    (found,) = leaks.leaks([tmp_path])
    assert found.startswith(f"{tmp_path / 'runs' / 'log.csv'}, line 2: {what} ") and text not in found


def test_what_only_looks_like_it_passes(tmp_path):
    (tmp_path / "a.md").write_text(
        "an import from /home, risk-free, http://here:8000/v1#a@b, sk-ribble, hf_home, ${USER}"
    )
    (tmp_path / "a.png").write_bytes(TOKEN.encode())  # pixels are not text
    assert leaks.leaks([tmp_path]) == []


def test_check_refuses_to_publish_it(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(files, "CHECKOUT", tmp_path)
    for folder in ("notebooks", "results"):
        (tmp_path / folder).mkdir()
    publish.print_check(tmp_path / "results")
    (tmp_path / "notebooks" / "00.ipynb").write_text(TOKEN)
    with pytest.raises(publish.ResultsError, match="00.ipynb, line 1: an access token"):
        publish.print_check(tmp_path / "results")
