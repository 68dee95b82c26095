"""The drawing of the loop: every step in it, the lit one filled, and its notebooks those that there are."""

import re
from pathlib import Path

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from georeplicate.report import diagram, plots

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))


def filled(figure) -> list[bool]:
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    return [to_hex(box.get_facecolor()) == plots.TRUE for box in boxes]


def test_only_the_named_boxes_are_lit():
    assert filled(diagram.loop()) == [False] * len(diagram.STEPS)
    assert filled(diagram.loop("pairs", "data engine")) == [True, True, False, False, False, False]
    with pytest.raises(ValueError, match="no step is called training: there are pairs"):
        diagram.loop("training")


def test_every_text_stays_inside_its_box():
    figure = diagram.loop("GRPO")
    figure.draw_without_rendering()
    boxes = [patch.get_window_extent() for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    inside = 0
    for text in figure.axes[0].texts:
        extent = text.get_window_extent()
        for box in boxes:
            if box.overlaps(extent):
                assert box.x0 <= extent.x0 and extent.x1 <= box.x1, text.get_text()
                inside += 1
    assert inside == 3 * len(diagram.STEPS)


def test_every_notebook_lights_the_boxes_that_name_it():
    assert len(NOTEBOOKS) > 7
    for path in NOTEBOOKS:
        (call,) = re.findall(r"^diagram\.loop\((.*)\)$", path.read_text(), re.MULTILINE)
        lit = set(re.findall(r'"([^"]+)"', call))
        named = {step.name for step in diagram.STEPS if path.stem[:2] in step.notebooks}
        assert lit == named, path.stem


def test_the_drawing_names_notebooks_that_there_are():
    numbers = {path.stem[:2] for path in NOTEBOOKS}
    assert {number for step in diagram.STEPS for number in step.notebooks.split(", ")} <= numbers
