"""Tables and figures of whole experiments: complete, repeatable to the byte, and quiet about what is not there."""

import dataclasses

import fakes
import numpy as np
import pandas as pd
import pytest

from georeplicate import files
from georeplicate.mini import baselines
from georeplicate.report import maps, plots, write
from georeplicate.runs import runner

SYSTEMS = ("mini-base", "mini-Zero")  # few, because maps take seconds
TABLES = {"table2", "protocols", "controls", "faithfulness", "geolocation", "zones", "zero_shot", "changes"}
TABLES |= {"cues", "failures", "decomposition", "table1", "table1_against_base"}
TABLES |= {"transfer", "verdicts"}
FIGURES = {"table2", "curves", "faithfulness", "zero_shot", "changes", "zones"}
FIGURES |= {"map_errors", "map_arcs", "map_countries", "table1", "distances", "loop", "grpo_curves"}


@pytest.fixture(scope="module")
def p():
    return fakes.predictions(fakes.places(per_region=2), systems=SYSTEMS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Training logs of three runs, as they lie on the disk."""
    folder = tmp_path_factory.mktemp("runs")
    log = pd.DataFrame({"step": np.arange(1, 6), "loss": 0.0})
    grpo = log.assign(reward_accuracy=0.3, length=30.0, reward_format=1.0, kl=0.1, equal_groups=0.2, reward_std=0.5)
    for name, table in (("base-s0", log), ("zero-s0", grpo), ("zero-s1", grpo)):
        (folder / name).mkdir()
        table.to_csv(folder / name / "log.csv", index=False)
    return folder


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_runs_give_the_same_bytes(p, runs, tmp_path, monkeypatch):
    """All tables, and a figure of each kind, without the coast: drawing takes long."""

    def predictions(_, curve=False):
        if curve:
            raise files.FileError("none has a curve")
        return p

    monkeypatch.setattr(runner, "predictions", predictions)
    monkeypatch.setattr(maps, "_shapes", lambda *_: ())
    every, drawn, there = write.figures, ("curves", "changes", "map_arcs"), set()

    def some(*given):
        for name, draw in every(*given):
            there.add(name)
            if name in drawn:
                yield name, draw

    monkeypatch.setattr(write, "figures", some)
    paths = write.write(runs, tmp_path / "one")
    assert there == FIGURES
    first = contents(tmp_path / "one")
    assert len(paths) == len(set(paths)) == len(first)
    assert set(first) == {f"tables/{n}.{end}" for n in TABLES for end in ("csv", "md", "tex")} | {
        f"figures/{n}.{end}" for n in drawn for end in ("png", "pdf")
    }
    mixed = p.sample(frac=1, random_state=1)  # read in another order
    made = write.made_tables(mixed)
    for name, (frame, caption) in made.items():
        write.table(name, frame, caption, tmp_path / "two" / "tables")
    for name, draw in write.figures(mixed, {name: made[name][0] for name in made}, write.logs(mixed, runs)):
        plots.save(draw, tmp_path / "two" / "figures" / name)
    second = contents(tmp_path / "two")
    assert len(second) == 3 * len(TABLES) + 6
    assert [name for name in second if first[name] != second[name]] == []
    for name, data in first.items():
        assert b"CreationDate" not in data and b"Matplotlib" not in data, name
        assert not name.endswith(".md") or b"Synthetic stand-in" in data


def test_logs_know_their_run(p, runs):
    log = write.logs(p, runs)
    assert log.groupby("run").size().to_dict() == {"base-s0": 5, "zero-s0": 5, "zero-s1": 5}
    assert log[log.run == "zero-s1"].training_seed.unique().tolist() == [1]
    assert log[log.run == "zero-s1"].stands_for.unique().tolist() == ["Geo-R1-Zero"]
    assert write.logs(p, runs / "nowhere").empty


def test_what_was_not_asked_is_left_out(p):
    few = p[(p.task == "pairing") & (p.system == "mini-base")]
    made = write.made_tables(few)
    assert set(made) == {"table2", "protocols", "faithfulness", "failures", "verdicts"}
    log = pd.DataFrame(columns=["run", "system", "training_seed", "stands_for"])
    drawn = dict(write.figures(few, {name: frame for name, (frame, _) in made.items()}, log))
    assert set(drawn) == {"loop", "table2", "faithfulness"}


def test_without_pairing_there_are_figures_of_the_places():
    p = fakes.predictions(fakes.places(per_region=1), systems=("mini-base",))
    located = p[p.task != "pairing"]
    made = {name: frame for name, (frame, _) in write.made_tables(located).items()}
    drawn = dict(write.figures(located, made, located.iloc[:0]))
    assert {"zero_shot", "zones", "map_errors"} <= set(drawn) and "table2" not in drawn


def test_pictures_of_photograph_runs_are_called_what_they_are():
    p = fakes.predictions(fakes.places(per_region=1), systems=("mini-base",))
    photographs = p.assign(benchmark="cv-cities")
    for rows, word, other in ((p, "street-level photo", "panorama"), (photographs, "panorama", "street-level photo")):
        made = write.made_tables(rows)
        said = [made[name][1] for name in ("geolocation", "zones")]
        frames = {name: frame for name, (frame, _) in made.items()}
        drawn = dict(write.figures(rows, frames, rows.iloc[:0]))
        said.append(drawn["map_errors"]().axes[0].get_title(loc="left"))
        said += [
            " ".join(axes.get_title(loc="left") for axes in drawn["zero_shot"]().axes),
            drawn["zones"]().get_supxlabel(),
        ]
        assert all(word in text and other not in text for text in said), said


def test_photographs_have_a_constant_guess_only_where_their_runs_recorded_one():
    p = fakes.predictions(fakes.places(per_region=1), systems=("mini-base",)).assign(benchmark="cv-cities")
    world, without = baselines.of_world(), write.made_tables(p)
    made = write.made_tables(p, dataclasses.replace(world, chosen_on="500 validation places of cv-cities"))
    for name in ("geolocation", "table1"):
        assert "best constant guess" not in set(without[name][0].system) and "constant" not in without[name][1]
        assert "best constant guess" in set(made[name][0].system)
        assert "on 500 validation places of cv-cities" in made[name][1]
    drawn = dict(write.figures(p, {name: frame for name, (frame, _) in without.items()}, p.iloc[:0]))
    assert drawn["zero_shot"]().axes and drawn["table1"]().axes and drawn["distances"]().axes


def test_stand_ins_of_table_1_are_drawn_beside_the_systems_of_table_2():
    p = fakes.predictions(fakes.places(per_region=1), systems=("mini-base", "mini-SFT"))
    other = p[(p.system == "mini-base") & (p.task == "geolocation")].assign(system="mini-GeoCLIP", stands_for="GeoCLIP")
    drawn = dict(write.figures(pd.concat([other, p]), {}, p.iloc[:0]))
    labels = [text.get_text() for text in drawn["distances"]().legends[0].get_texts()]
    assert [label.split(" (")[0] for label in labels[:3]] == ["mini-base", "mini-SFT", "mini-GeoCLIP"]
    assert "mini-SFT" in drawn["map_arcs"]().axes[0].get_title(loc="left")


def test_controls_have_figures_of_their_own():
    systems = ("mini-Zero", "mini-Zero-blank-tiles", "mini-Zero-length", "mini-Zero-released")
    p = fakes.predictions(fakes.places(per_region=2), systems=systems)
    made = {name: frame for name, (frame, _) in write.made_tables(p).items()}
    assert {"controls", "reward_modes"} <= set(made)
    named = p.drop_duplicates("run")[["run", "system", "training_seed", "stands_for"]]
    log = named.assign(step=1, length=20.0, equal_groups=0.1, reward_accuracy=0.2)
    drawn = dict(write.figures(p, made, log))
    assert {"controls", "curves_controls"} <= set(drawn)
    assert [label.get_text() for label in drawn["controls"]().axes[0].get_yticklabels()] == list(systems)


def test_policies_that_say_nothing_are_drawn_too():
    p = fakes.predictions(fakes.places(per_region=2), systems=("mini-base", "mini-Zero"))
    p.loc[p.task == "pairing", ["words", "words_true", "verdicts", "verdicts_follow"]] = 0
    p.loc[p.task == "pairing", "answer_follows"] = np.nan
    p.loc[p.task == "geolocation", ["pred_lat", "pred_lon", "error_km"]] = np.nan
    made = {name: frame for name, (frame, _) in write.made_tables(p).items()}
    for name, draw in write.figures(p, made, p.iloc[:0]):
        assert draw().axes, name
