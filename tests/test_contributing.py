"""CONTRIBUTING.md and CHANGELOG.md speak of files, modules and commands that there are."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

import georeplicate
from georeplicate import __main__ as command_line

ROOT = Path(__file__).parents[1]
CONTRIBUTING, CHANGELOG = ((ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "CHANGELOG.md"))
HOW_TO = re.findall(r"^## (Add a .*?)\n(.*?)(?=^## )", CONTRIBUTING, re.MULTILINE | re.DOTALL)


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def modules() -> list[str]:
    """The new names in the table of modules."""
    _, _, table = CHANGELOG.partition("| 0.1.0, `georeplicate.` | 0.2.0, `georeplicate.` |")
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| `")]
    return [name for cell in rows for name in code(cell) if not name.startswith("tests/")]


@pytest.mark.parametrize("text", [CONTRIBUTING, CHANGELOG], ids=["CONTRIBUTING", "CHANGELOG"])
def test_every_path_is_there(text):
    named = {word for span in code(text) for word in span.split() if "/" in word or word.endswith((".md", ".toml"))}
    paths = {word for word in named if "NN_" not in word and "=" not in word and not word.startswith(("http", "."))}
    made = {word for word in paths if word in ("tables/a.csv", "figures/b.png")}  # of an example
    assert [path for path in sorted(paths - made) if not (ROOT / path).exists()] == []
    assert len(paths) > 3


def test_five_things_can_be_added_in_ten_steps_at_most():
    assert [title for title, _ in HOW_TO] == [
        f"Add a {what}" for what in ("pair source", "benchmark", "baseline", "recipe", "notebook")
    ]
    for title, text in HOW_TO:
        steps = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
        assert steps == list(range(1, len(steps) + 1)) and 3 <= len(steps) <= 10, title


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for span in code(CONTRIBUTING + CHANGELOG) for word in re.findall(r"^make ([a-z0-9]+)", span)}
    assert named and named <= targets


def test_new_commands_and_modules_of_the_changelog_exist():
    app = typer.main.get_command(command_line.app)
    named = set(re.findall(r"`georeplicate ([a-z]+)", CONTRIBUTING + CHANGELOG))
    assert named and named <= set(app.commands)
    assert len(modules()) > 20
    assert [name for name in modules() if find_spec(f"georeplicate.{name}") is None] == []


def test_the_changelog_has_this_version():
    assert (
        re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", CHANGELOG, re.MULTILINE)[0]
        == georeplicate.__version__
    )
