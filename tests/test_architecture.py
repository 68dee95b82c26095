"""Which room may import which: the contracts of pyproject.toml, and that they speak of the rooms there are."""

import re
import tomllib
from pathlib import Path

import georeplicate

ROOT = Path(__file__).parents[1]
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


def rooms() -> set[str]:
    package = ROOT / "georeplicate"
    found = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}
    return found - {"__init__"}


def test_imports_keep_the_contracts(monkeypatch, capsys):
    from importlinter import cli

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)  # it would silence every logger there is
    assert cli.lint_imports(cache_dir=None, is_debug_mode=False) == 0, capsys.readouterr().out


def test_layers_are_the_map_of_the_package_upside_down():
    mapped = re.findall(r"^    ([a-z_]+)  +\S", georeplicate.__doc__, flags=re.MULTILINE)
    assert [room for room in mapped if room != "docs"] == CONTRACTS["layers"]["layers"][::-1]
    assert set(mapped) == rooms() | {"docs"}


def test_every_room_but_the_reports_is_told_not_to_draw():
    told = {m for name in ("drawing", "drawing-through-reports") for m in CONTRACTS[name]["source_modules"]}
    assert told == {f"georeplicate.{room}" for room in rooms() - {"report"}}


def test_mypy_holds_the_whole_library():
    """No module is excepted: the list that there was is empty, and stays so."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["files"] == ["georeplicate"]
    overridden = [o for o in settings["overrides"] if o.get("ignore_errors") or o.get("disable_error_code")]
    assert not overridden and not settings.get("ignore_errors")
