"""The list of figures and tables knows every committed one, and every figure is there as PNG and PDF."""

import re
import shutil

import pytest

from georeplicate import files
from georeplicate.report import contents


def test_every_committed_figure_is_there_twice_and_described():
    page, figures = contents.page(), 0
    for profile, described in ((contents.PROFILE, contents.FIGURES), (contents.EXPERIMENT, contents.OF_EXPERIMENT)):
        folder = files.RESULTS / profile
        stems = {end: {path.stem for path in (folder / "figures").glob(f"*.{end}")} for end in ("png", "pdf")}
        assert stems["png"] == stems["pdf"] == set(described)
        figures += len(described)
        listed = re.findall(rf"^\| \[(\w+)\]\({profile}/tables/", page, re.MULTILINE)
        assert listed == sorted(path.stem for path in (folder / "tables").glob("*.csv"))
    shown = dict(re.findall(r"^!\[(.+)\]\((.+)\)$", page, re.MULTILINE))
    assert len(shown) == figures and all((files.RESULTS / path).is_file() for path in shown.values())
    assert min(map(len, shown)) > 40  # words, no mere name


def test_a_figure_without_words_is_refused(tmp_path):
    folder = tmp_path / contents.PROFILE
    for part in ("figures", "tables"):
        (folder / part).mkdir(parents=True)
    shutil.copy(files.RESULTS / "mini" / "figures" / "loop.png", folder / "figures" / "new.png")
    with pytest.raises(ValueError, match="new of mini has no words in report/contents.py"):
        contents.page(tmp_path)
