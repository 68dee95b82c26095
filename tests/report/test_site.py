"""The site holds every page it lists, a reference of the whole library, and no link that leads nowhere."""

import re

import pytest

from georeplicate import files
from georeplicate.report import contents, site


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    site.stage(folder)
    return folder


def test_every_page_is_staged_and_listed(staged):
    listed = re.findall(r"^([\w/-]+)$", (staged / "index.md").read_text(), re.MULTILINE)
    assert len(listed) == sum(map(len, site.CONTENTS.values())) and len(set(listed)) == len(listed)
    for page in listed:
        assert any((staged / f"{page}{ending}").is_file() for ending in (".md", ".ipynb")), page
    notebooks = {path.stem for path in (files.CHECKOUT / "notebooks").glob("*.ipynb")}
    assert {page.removeprefix("notebooks/") for page in listed if page.startswith("notebooks/")} == notebooks
    pages = {path.stem for path in (files.PACKAGE / "docs").glob("*.md")}
    assert {page.rpartition("/")[2] for page in listed if page.startswith("georeplicate/docs/")} == pages


def test_staged_pages_link_to_what_is_staged(staged):
    found = 0
    for page in staged.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text()):
            if "://" not in target:
                found += 1
                assert (page.parent / target).is_file(), f"{page.name}: {target}"
    assert found > 2 * len(contents.FIGURES)


def test_the_reference_has_signatures_and_docstrings_of_what_is_public(staged):
    text = (staged / "api.md").read_text()
    assert "def group_advantages(rewards: torch.Tensor, eps: float=0.0001, *, scale: Scale='group'" in text
    assert "(r - mean) / (std + eps), the mean within each row of rewards [N, G]" in text
    assert "class Policy:\n    model: PreTrainedModel" in text and "    def encode(self" in text
    assert "### grpo._drawn" not in text
    modules = {path for path in files.PACKAGE.rglob("*.py")}
    assert len(re.findall(r"^## georeplicate", text, re.MULTILINE)) == len(modules)


def test_links_that_lead_nowhere_or_need_a_network_are_found(tmp_path):
    (tmp_path / "there.html").write_text('<a href="index.html#top">up</a>')
    (tmp_path / "index.html").write_text(
        '<a href="there.html">1</a> <a href="gone.html">2</a> <a href="https://example.org">3</a> <a href="#here">4</a>'
        '<img src="data:image/png;base64,AA"> <img src="lost.png"> <script src="https://example.org/x.js"></script>'
        '<link rel="stylesheet" href="//example.org/x.css">'
    )
    assert site.broken(tmp_path) == [
        "index.html: gone.html", "index.html: lost.png", "index.html: https://example.org/x.js",
        "index.html: //example.org/x.css",
    ]  # fmt: skip
