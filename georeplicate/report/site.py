"""The site: notebooks, figures, tables, pages and the library's reference as HTML that works from a folder.

`make site` stages the committed files in a folder of their own, as Sphinx with MyST-NB reads them (nothing is executed
again), builds them, and checks that no link and no picture of the site is missing. This module is also the Sphinx
extension that writes formulas as MathML, which browsers draw without a script from elsewhere.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from georeplicate import files

ROOT = files.CHECKOUT
OUT = files.WORK / "site"
# {title: pages}, in the order of the side bar
CONTENTS = {
    "Read": ["README", *(f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")))],
    "Results": ["results/README", "results/tables", "results/reliability", "results/LOG"],
    "Pages": [
        *(f"georeplicate/docs/{name}" for name in ("details", "paper", "rewards_paper", "rewards_released")),
        *(f"georeplicate/docs/{name}" for name in ("malformed_answers", "trainer", "dependencies")),
        *(f"georeplicate/mini/weights/{name}-base/README" for name in ("mini", "geographic")),
    ],
    "Work on it": ["CONTRIBUTING", "CHANGELOG", "ATTRIBUTION", "api"],
}
_CONF = """\
project = "georeplicate"
extensions = ["myst_nb", "georeplicate.report.site"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2
html_theme = "furo"
html_title = "georeplicate"
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
suppress_warnings = ["myst.header", "misc.highlighting_failure", "mystnb.unknown_mime_type"]
"""
# Wide tables scroll in their own box, and no picture is wider than the page.
_STYLE = """\
.cell_output, .table-wrapper, div.output { overflow-x: auto; max-width: 100%; }
article table { display: block; overflow-x: auto; max-width: 100%; }
article img { max-width: 100%; height: auto; background: #fff; }
article, code { overflow-wrap: anywhere; }
table { overflow-wrap: normal; }
.cell_output table { border: 0; border-collapse: collapse; font-size: .85rem; }
.cell_output :is(th, td) { border: 0; border-bottom: 1px solid var(--color-background-border); padding: .2rem .6rem; }
.formula { overflow: auto hidden; padding: .7rem 0; }
"""


def build(out: Path = OUT) -> Path:
    """Stage, build and check the site; the page to open. ValueError in one sentence where Sphinx is missing or fails,
    or where a link or a picture of the site is."""
    stage(out / "source")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(out / "doctrees")]
    done = subprocess.run([*command, str(out / "source"), str(out / "html")], env=os.environ | {"NO_COLOR": "1"})
    if done.returncode:
        raise ValueError("Sphinx did not build the site (see above); make site installs what it needs")
    if missing := broken(out / "html"):
        raise ValueError(f"{len(missing)} links of the site lead nowhere, the first {missing[0]}")
    return out / "html" / "index.html"


def stage(folder: Path, root: Path = ROOT) -> None:
    """Everything that Sphinx reads, in `folder`, which is made anew."""
    if folder.exists():
        shutil.rmtree(folder)
    pages = [page for listed in CONTENTS.values() for page in listed]
    for page in pages:
        for ending in (".md", ".ipynb"):
            if (source := root / f"{page}{ending}").is_file():
                target = folder / source.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    experiment = root / "results" / "geographic"
    for results in filter(Path.is_dir, (root / "results" / "mini", experiment)):
        for part, kept in (("figures", (".png", ".pdf")), ("tables", (".csv",)), (".", (".json",))):
            for path in sorted((results / part).iterdir()) if (results / part).is_dir() else ():
                if path.suffix in kept:
                    target = folder / path.relative_to(root)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)
    found = [results / "tables" for results in (root / "results" / "mini", experiment)]
    _write(folder / "results" / "tables.md", "# Tables\n\n" + "\n\n".join(filter(None, map(_tables, found))))
    _plain_links(folder / "results" / "README.md")
    _write(folder / "api.md", reference())
    for card in (folder / "georeplicate" / "mini" / "weights").glob("*/README.md"):
        _write(card, re.sub(r"\A---\n.*?\n---\n", "", card.read_text(encoding="utf-8"), flags=re.DOTALL))
    listed = "\n".join(
        f"```{{toctree}}\n:caption: {title}\n:maxdepth: 1\n\n" + "\n".join(names) + "\n```\n"
        for title, names in CONTENTS.items()
    )
    _write(folder / "index.md", f"# georeplicate\n\nAn offline replication of Geo-R1.\n\n{listed}")
    _write(folder / "conf.py", _CONF)
    _write(folder / "_static" / "wide.css", _STYLE)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _tables(folder: Path) -> str:
    """All tables below a folder that have a Markdown copy, one after another."""
    parts = [f"## {path.stem}\n\n{path.read_text(encoding='utf-8')}" for path in sorted(folder.glob("*.md"))]
    return "\n\n".join(parts)


def _plain_links(page: Path) -> None:
    """Links to Markdown copies of tables and to folders become words: these tables are on a page of their own."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r", \[Markdown\]\((?:mini|geographic)/tables/\w+\.md\)", "", text)
    _write(page, re.sub(r"\[(\w+)\]\(\w+\)", r"`\1`", text))


# --- the library's reference -----------------------------------------------------------------------------------------


def reference(package: Path = files.PACKAGE) -> str:
    """What is public in each module: signatures and docstrings, read from the source without importing it."""
    lines = ["# Reference", "", "What is public in each module, as the source has it.", ""]
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        public = [node for node in tree.body if isinstance(node, _DEFINITIONS) and not node.name.startswith("_")]
        lines += [f"## {name}", "", *_literal(ast.get_docstring(tree))]
        for node in public:
            lines += [f"### {name.rpartition('.')[2]}.{node.name}", "", "```python", _signature(node), "```", ""]
            lines += _literal(ast.get_docstring(node))
    return "\n".join(lines)


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        fields = [f"    {ast.unparse(part)}" for part in node.body if isinstance(part, ast.AnnAssign)]
        methods = [
            f"    {_signature(part)}"
            for part in node.body
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and not part.name.startswith("_")
        ]
        bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
        return "\n".join([f"class {node.name}{bases}:", *(fields + methods or ["    ..."])])
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    return f"{kind} {node.name}({ast.unparse(node.args)}){returns}: ..."


def _literal(docstring: str | None) -> list[str]:
    """A docstring as it stands: it is written for readers of the source."""
    return ["```text", docstring, "```", ""] if docstring else []


# --- checks ----------------------------------------------------------------------------------------------------------


class _Links(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.targets: list[tuple[str, bool]] = []  # and whether a browser loads it by itself
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [
            (value, name == "src" or tag == "link") for name, value in attrs if name in ("href", "src") and value
        ]


def broken(html: Path) -> list[str]:
    """The links, pictures, style sheets and scripts of the site that are not there, as "page: target". Addresses
    elsewhere are left alone, but for pictures, style sheets and scripts: the site must do without a network."""
    found = []
    for path in sorted(html.rglob("*.html")):
        for target, loaded in _Links(path.read_text(encoding="utf-8")).targets:
            parts = urlsplit(target)
            elsewhere = bool(parts.scheme or parts.netloc)
            lost = not elsewhere and parts.path and not (path.parent / unquote(parts.path)).exists()
            if lost or (elsewhere and loaded and parts.scheme != "data"):
                found.append(f"{path.relative_to(html)}: {target}")
    return found


# --- the extension of Sphinx -----------------------------------------------------------------------------------------


def setup(app: Any) -> dict[str, Any]:
    """Formulas as MathML: called by Sphinx."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_block_math, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _inline_math(translator: Any, node: Any) -> None:
    _math(translator, node, "inline")


def _block_math(translator: Any, node: Any) -> None:
    _math(translator, node, "block")


def _math(translator: Any, node: Any, display: str) -> None:
    from docutils.nodes import SkipNode
    from latex2mathml.converter import convert

    formula = convert(node.astext(), display=display)
    translator.body.append(f'<div class="formula">{formula}</div>' if display == "block" else formula)
    raise SkipNode


def main() -> None:
    """Build the site and print where it lies."""
    print(build())


if __name__ == "__main__":
    main()
