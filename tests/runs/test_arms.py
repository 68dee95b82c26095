"""The registered experiments: nothing is evaluated before predictions are written down, nor otherwise than they say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from georeplicate import files, reproduce, world
from georeplicate.mini import base, inputs, tiny
from georeplicate.model import hub
from georeplicate.profiles import Profile
from georeplicate.runs import arms, commands, recipes, runner, spec


def test_an_arm_is_the_profile_with_its_changes_and_evaluated_like_all(tmp_path):
    [region], [random] = (
        [job for job in arms.all_jobs(tmp_path) if job.run.name == f"{n}-b1"] for n in ("region", "random")
    )
    assert (region.run.name, region.run.seed) == ("region-b1", 1)
    assert region.start == (tmp_path / "base-geographic-1" / "policy-rule").resolve()
    changed = runner.differences(*(job.recipe.settings("grpo", job.profile) for job in (region, random)))
    assert changed == ["train_negatives None -> random"]
    assert region.profile.negatives == random.profile.negatives_of("test") == "region"
    assert len({files.sha256_json(job.recipe.settings("evaluation", job.profile)) for job in (region, random)}) == 1
    assert set(arms.TASKS) <= random.recipe.task_versions(True).keys()


def test_contrasts_are_of_arms_and_endpoints_that_exist():
    names, endpoints = {one.name for one in arms.ARMS}, {one.name for one in arms.ENDPOINTS}
    assert len(names) == len(arms.ARMS) and not names & {one.name for one in arms.EXPERIMENTS}
    known = set[str]()
    for experiment in arms.EXPERIMENTS:
        known |= {one.name for one in experiment.arms}
        for one in experiment.contrasts:
            assert {one.after, one.before} <= known and one.predicted.keys() <= endpoints
            assert set(one.predicted.values()) <= set(arms.DIRECTIONS)


def test_what_is_not_there_is_named_with_its_remedy(tmp_path, monkeypatch):
    with pytest.raises(
        ValueError, match=r"unknown arm 'nobody': choose arms, .*\(negatives, replay, .*\), base, rule, .*: base-b0$"
    ):
        arms.jobs("nobody", tmp_path)
    with pytest.raises(recipes.NotReady, match="PROFILE=geographic`, or `train`, makes it of the committed one"):
        arms.jobs("table2", tmp_path, bases=(0,))
    monkeypatch.setattr(files, "RESULTS", tmp_path / "an installation has none")
    with pytest.raises(recipes.NotReady, match="train base --world geographic --seed 2 --rule"):
        arms.jobs("region-b2", tmp_path)
    assert arms.missing_bases(tmp_path, "table2") == [("rule", 0), ("rule", 1), ("rule", 2)]
    assert arms.missing_bases(tmp_path, "plain", (1,)) == [("base", 1)]
    assert arms.missing_bases(tmp_path, "region-b2") == [("rule", 2)] and arms.missing_bases(tmp_path, "longer-b0") == [
        ("longer-rule", 0)
    ]
    assert {name for name, _ in arms.missing_bases(tmp_path)} == {arms.root(one) for one in arms.ARMS}


@pytest.mark.parametrize("start", [name for name in arms.STARTS if arms.STARTS[name][1]])
def test_committed_bases_are_whole_small_and_taught_the_rule_alone(tmp_path, monkeypatch, start):
    taught = []
    monkeypatch.setattr(
        base, "build", lambda out, **given: taught.append((hub.identity(out / "policy"), given["seed"], given["rule"]))
    )
    curriculum, _ = arms.STARTS[start]
    (tmp_path / f"base-{curriculum}-1").mkdir()  # left by a training that was killed at once
    arms.make_bases(tmp_path, [(start, number) for number in arms.BASES])
    folders = [arms.committed(curriculum, number) for number in arms.BASES]
    assert taught == [(hub.identity(folder), number, True) for number, folder in enumerate(folders)]
    assert len({name for name, *_ in taught}) == len(arms.BASES)  # three bases, not one
    for folder in folders:
        hub.verify(folder)
        assert sum(path.stat().st_size for path in folder.iterdir()) < 9e6


def test_train_makes_committed_bases_and_names_those_that_have_to_be_trained_before_anything_is_made(
    tmp_path, monkeypatch
):
    made, done = [], []

    def build(out, *, rule, **_):
        made.append(out.name)
        files.write_bytes(out / ("policy-rule" if rule else "policy") / "config.json", b"{}")

    monkeypatch.setattr(base, "build", build)
    monkeypatch.setattr(runner, "complete", lambda jobs, workers: done.extend(job.run.name for job in jobs))
    assert commands.train("longer-region-b2", "geographic", None, base=None, root=None, workers=1, work=tmp_path) == 0
    assert made == ["base-geographic-longer-2"] and done == ["longer-region-b2"]
    assert arms.experiments_of("longer-region-b2") == ["ready"]
    monkeypatch.setattr(arms, "committed", lambda curriculum, number: None if number == 1 else files.RESULTS)
    with pytest.raises(recipes.NotReady, match="train base --world geographic-longer --seed 1 --rule"):
        commands.train("longer", "geographic", None, base=None, root=None, workers=1, work=tmp_path / "other")
    assert made == ["base-geographic-longer-2"]


def test_an_arm_brings_the_one_that_it_goes_on_from_and_table_2_is_four_systems(tmp_path, monkeypatch):
    for number in (0, 1):
        files.write_bytes(tmp_path / f"base-geographic-{number}" / "policy-rule" / "config.json", b"{}")
    sft, r1 = arms.jobs("r1-b1", tmp_path)
    assert (sft.run.name, r1.run.name, r1.after, sft.after) == ("sft-b1", "r1-b1", "sft-b1", "")
    assert r1.start == sft.policy and r1.base_path == sft.base_path == sft.start
    assert r1.base_path == (tmp_path / "base-geographic-1" / "policy-rule").resolve()
    names = [job.run.name for job in arms.jobs("table2", tmp_path, bases=(0,))]
    assert names == ["rule-b0", "region-replay-b0", "shuffled-replay-b0", "sft-b0", "r1-b0", "r1-shuffled-b0"]
    assert arms.TABLE2.keys() == spec.STANDS_FOR.keys() > arms.CONTROLS.keys()
    done = []
    monkeypatch.setattr(arms, "make_bases", lambda work, missing: done.append(missing))
    monkeypatch.setattr(runner, "complete", lambda jobs: done.append([job.run.name for job in jobs]))
    monkeypatch.setattr("georeplicate.report.write.write", lambda *a: [tmp_path])
    assert reproduce.run("geographic", seeds=1, work=tmp_path) == names
    assert done == [[], names]
    with pytest.raises(reproduce.ReproduceError, match="takes no -p"):
        reproduce.run("geographic", parameters={"k": 3}, work=tmp_path)
    with pytest.raises(ValueError, match="has 1 to 3 training seeds"):
        reproduce.run("geographic", seeds=4, work=tmp_path)


def test_predictions_are_written_before_anything_is_evaluated_and_never_again(tmp_path):
    path = tmp_path / "registered.json"
    with pytest.raises(files.FileError, match="train negatives --profile geographic --register` writes down"):
        arms.registered(arms.NEGATIVES, path)
    done = tmp_path / "geographic" / "runs" / "rule-b0" / "predictions.csv"
    files.write_bytes(done, b"")
    with pytest.raises(ValueError, match="rule-b0 was evaluated already"):
        arms.register(arms.NEGATIVES, tmp_path, path)
    later = arms.register(arms.REPLAY, tmp_path, tmp_path / "later.json")  # whose arms are others
    arms.check(arms.REPLAY, arms.registered(arms.REPLAY, later))
    done.unlink()
    arms.register(arms.NEGATIVES, tmp_path, path)
    with pytest.raises(ValueError, match="was registered and stays as it is"):
        arms.register(arms.NEGATIVES, tmp_path, path)
    arms.check(arms.NEGATIVES, arms.registered(arms.NEGATIVES, path))
    with pytest.raises(ValueError, match="unknown experiment 'arms': choose one of negatives, replay"):
        arms.named("arms")


@pytest.mark.parametrize(
    "changed, named",
    [
        ({"changes": {"beta": 0.5}}, r"region-replay.training.beta 0.0\d+ -> 0.5"),
        ({"changes": {"replay": 0.1}}, r"region-replay.training.replay 0.3 -> 0.1"),
        ({"control": "shuffled pairing"}, r"region-replay.control  -> shuffled pairing"),
        ({"reward": "distance"}, r"region-replay.reward paper -> distance"),
    ],
)
def test_another_setting_is_no_test_of_what_was_predicted(tmp_path, changed, named):
    record = arms.registered(arms.REPLAY, arms.register(arms.REPLAY, tmp_path, tmp_path / "registered.json"))
    moved = [replace(one, **changed) if one.name == "region-replay" else one for one in arms.REPLAY.arms]
    with pytest.raises(ValueError, match=named):
        arms.check(replace(arms.REPLAY, arms=tuple(moved)), record)


def test_another_curriculum_is_no_test_of_what_was_predicted(tmp_path, monkeypatch):
    record = arms.registered(arms.REPLAY, arms.register(arms.REPLAY, tmp_path, tmp_path / "registered.json"))
    monkeypatch.setitem(base.CURRICULA, "geographic", replace(base.GEOGRAPHIC, vision_steps=1))
    with pytest.raises(ValueError, match="curriculum_sha256"):
        arms.check(arms.REPLAY, record)


def test_a_registration_that_was_altered_is_refused(tmp_path):
    path = arms.register(arms.NEGATIVES, tmp_path, tmp_path / "registered.json")
    path.write_text(path.read_text().replace('"rl_steps"', '"rl_steps_"', 1))
    with pytest.raises(files.FileError, match="is damaged"):
        arms.registered(arms.NEGATIVES, path)


@pytest.mark.parametrize("name", ["rule", "random-replay", "graded-cities"])
def test_an_arm_is_trained_and_evaluated_like_any_run(tmp_path, name):
    made = tiny.build(base.vocabulary(), seed=0, hidden_size=32, layers=1, heads=2)
    for folder in ("policy", "policy-rule"):
        made.save(tmp_path / "base-geographic-0" / folder)
    [job] = [one for one in arms.jobs(f"{name}-b0", tmp_path)]
    small = dict(n_train_sites=64, n_test_sites=16, rl_steps=1, prompts_per_update=2, group_size=2)
    job = replace(job, profile=replace(job.profile, max_completion_length=8, **small))
    runner.execute(job)
    assert job.is_finished()
    rows = runner.predictions(tmp_path / "geographic" / "runs")
    assert set(rows.task) == set(arms.TASKS) and rows.benchmark.str.contains("synthetic").all()
    alone = rows[rows.task == "tile words"]
    assert (alone.words == 14).all() and alone.truth.str.split().str.len().eq(14).all()
    assert alone.words_true.between(0, 14).all()
    asked = {split: inputs.questions(job.profile, split, job.base_path).items for split in ("train", "test")}
    cities = {
        split: [{site.rpartition("/")[0] for site in question["candidate_ids"]} for question in questions]
        for split, questions in asked.items()
    }
    assert all(len(each) == 1 for each in cities["test"])
    assert any(len(each) > 1 for each in cities["train"]) == (name != "rule")
    shown = {name for each in cities["train"] for name in each}
    of_bases, of_test = ({site.rpartition("/")[0] for site in world.sites(split, 1).id} for split in ("base", "test"))
    assert shown <= of_bases if name == "graded-cities" else not shown & of_bases
    assert not shown & of_test
    with pytest.raises(ValueError, match=f"{name}-b0 is not what was registered: .*max_completion_length 80 -> 8"):
        arms.finished(tmp_path / "geographic" / "runs", list(arms.all_registered().values()))
    log = job.folder / "log.csv"
    assert ("replay_loss" in pd.read_csv(log)) if name != "rule" else not log.exists()


def test_training_questions_have_negatives_of_their_own():
    profile = Profile.get("geographic")
    assert profile.negatives_of("train") == profile.negatives_of("test") == "region"
    apart = replace(profile, train_negatives="random")
    assert (apart.negatives_of("train"), apart.negatives_of("validation")) == ("random", "region")
    with pytest.raises(ValueError, match="train_negatives must be one of"):
        replace(profile, train_negatives="nearby")
    assert not {"train_negatives", "train_split"} & Profile.get("mini").keyed().keys()  # the keys of earlier runs hold


def test_training_pairs_of_other_cities_are_at_places_that_no_base_was_shown():
    profile = replace(Profile.get("geographic"), train_split="base", n_train_sites=64, rl_steps=4)
    where = inputs.rendered(profile, "base")
    shown = set(zip(where["lat"][:], where["lon"][:], strict=True))
    curriculum = base.CURRICULA["geographic"]
    most = max(curriculum.per_region, curriculum.known_sites)
    for seed in arms.BASES:
        known = world.sites("base", most, seed=seed)
        assert not shown & set(zip(known.lat, known.lon, strict=True))
    with pytest.raises(ValueError, match="train_split must be one of train, base"):
        replace(profile, train_split="test")
    with pytest.raises(ValueError, match="photographs have no split 'base'"):
        replace(Profile.get("paper"), train_split="base")


def test_committed_arms_are_those_that_are_registered():
    arms.check_all()
    runs = files.RESULTS / "geographic" / "runs"
    assert arms.finished(runs, list(arms.all_registered().values())) == sorted(path.name for path in runs.glob("*"))


def test_the_power_that_was_registered_is_what_its_assumption_gives():
    spread = np.std([-1.5, 5.7, 2.2], ddof=1)

    def told(bases: int) -> float:
        """The smallest difference, in points, that Student's t over so many bases tells with 80 % power."""
        return (t.ppf(0.975, bases - 1) + t.ppf(0.8, bases - 1)) * spread / np.sqrt(bases)

    text = arms.NEGATIVES.power
    assert f"deviation of {spread:.1f}" in text and f"would tell {told(3):.0f} points" in text
    assert told(28) <= 2 < told(27) and "two points would take 28" in text
    spread = 3.0
    assert f"of 3 points between bases, three tell {told(3):.0f} with" in arms.REPLAY.power
    spread = 1.0
    assert f"with one of 1 point {told(3):.0f}." in arms.REPLAY.power
