"""pyproject.toml, constraints.txt, environment.yml and the packages that are installed must agree."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch"}  # conda-forge calls a few packages otherwise


def required(extras: tuple[str, ...] = ("dev",)) -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def pinned() -> dict[str, Version]:
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, version = re.fullmatch(r"([a-z0-9.-]+)==([0-9][0-9a-z.]*)", line).groups()  # nothing else may stand there
        assert name not in pins, f"{name} is pinned twice"
        pins[canonicalize_name(name)] = Version(version)
    return pins


def conda() -> dict[str, str]:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    pairs = (line.partition("=")[::2] for line in environment["dependencies"])
    return {canonicalize_name(CONDA_NAMES.get(name, name)): version for name, version in pairs}


def test_every_dependency_is_pinned_inside_its_range():
    pins = pinned()
    for name, requirement in required(("dev", "site", "atlas")).items():
        assert name in pins, f"{name} is missing from constraints.txt"
        assert pins[name] in requirement.specifier, f"{requirement} does not admit the tested {pins[name]}"


def test_every_pinned_package_is_listed_with_its_licence():
    rows = re.findall(
        r"^\| (\S+) +\| (\S+) +\| (.+?) +\|$", (ROOT / "georeplicate" / "docs" / "dependencies.md").read_text(), re.M
    )
    listed = {canonicalize_name(name): (version, licence) for name, version, licence in rows[1:]}
    assert {name: Version(version).public for name, (version, _) in listed.items()} == {
        name: version.public for name, version in pinned().items()
    }
    assert not [name for name, (_, licence) in listed.items() if licence.strip() in ("", "UNKNOWN")]


def test_conda_has_the_same_packages_and_majors():
    environment, pins = conda(), pinned()
    assert environment.keys() - {"python", "pip"} == required().keys()
    for name in required():
        tested = pins[name].release
        major = str(tested[0]) if tested[0] else f"0.{tested[1]}"
        assert environment[name] == major, f"environment.yml pins {name}={environment[name]}, tested is {pins[name]}"


def test_conda_python_is_one_that_the_package_accepts():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert Version(conda()["python"]) in Requirement(f"python{project['requires-python']}").specifier


@pytest.mark.parametrize("name", sorted(required()))
def test_what_is_installed_is_what_is_pinned(name):
    # In an environment of the user's own making (conda) the ranges hold, not the pins.
    installed = Version(metadata.version(name).partition("+")[0])
    assert installed in required()[name].specifier
    if (ROOT / ".venv" / ".installed").exists():
        assert installed == pinned()[name]


def test_the_console_script_is_the_command_line(capsys, monkeypatch):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    script = metadata.EntryPoint("georeplicate", project["scripts"]["georeplicate"], "console_scripts")
    monkeypatch.setattr("sys.argv", ["georeplicate", "plan", "--profile", "none"])
    with pytest.raises(SystemExit, match="1"):
        script.load()()
    assert "none" in capsys.readouterr().err


def test_hooks_run_the_tools_of_the_environment_without_a_network():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["id"]: hook["language"] for hook in repository["hooks"]} == dict.fromkeys(
        ("ruff", "ruff-format", "mypy"), "system"
    )
