"""The experiments in the geographic world: which arms there are, and what was registered before any was evaluated.

Every arm is trained from each of several independent bases; a base, with the seed that goes with it, is the unit that
is counted. An arm differs from the profile "geographic" in what its `changes` say and in nothing else, and all are
evaluated on the same questions and places:

    base ──── plain-b0, b1, b2          GRPO from the base, which has no answering rule yet
    rule ─┬── region-b0, b1, b2         GRPO from the base that has one; wrong tiles of the same city
          ├── random-b0, b1, b2         the same; wrong tiles from anywhere
          ├── shuffled-b0, b1, b2       the same; the right letter is sampled at random: what training does by itself
          ├── region-replay, random-replay, shuffled-replay    the same three, with records of other prompts replayed
          ├── direct-b0, b1, b2         GRPO on how near the place named is: with labels, so no test of the claim
          ├── region-tower, random-tower, shuffled-tower       the same three, with the vision tower trained
          ├── shuffled-tower-again      the control of region-tower, from the bases that this one comes from
          ├── random-cities, graded-cities, shuffled-cities     with replay, on pairs of 325 cities instead of 16
          └── sft ─── r1, r1-shuffled   SFT on the scaffold, then GRPO as in region-replay and shuffled-replay
    longer ── longer-region, longer-shuffled    as region-replay and shuffled-replay, from bases that see better

Each experiment has a file of its own below `results/geographic`: `register` writes what is asked and predicted, with
the settings of its arms and a checksum of them. No arm is evaluated on test questions before that file is there, and
none whose settings differ from it. A base is registered by its seed and the curriculum that makes it: its weights
differ in their last digits from processor to processor. `report.arms` computes the verdicts.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from georeplicate import files, manifest
from georeplicate.profiles import Profile
from georeplicate.runs import recipes, runner
from georeplicate.runs.spec import Run

PROFILE = "geographic"
# What curricula said of themselves while there was another world: part of the checksums that were registered.
FORMER = {"world": "geographic", "together": True, "photo_sites": 0}
BASES = Profile.get(PROFILE).seeds
ALL = ("arms", "ablations")  # what names all arms
# What an arm can start from: {name: (the curriculum of its base, whether the base knows the answering rule)}.
STARTS = {
    "base": (PROFILE, False),
    "rule": (PROFILE, True),
    "longer-rule": ("geographic-longer", True),
}
# The systems of the paper's Table 2, by their names in spec.STANDS_FOR, and the arms that stand for them here. All of
# these know the answering rule, and GRPO has replay beside it.
TABLE2 = {"base": "rule", "sft": "sft", "zero": "region-replay", "r1": "r1"}
# Trained as they are, but for their letters, which are sampled at random: what is left of a gain is not the reward's.
CONTROLS = {"zero": "shuffled-replay", "r1": "r1-shuffled"}
TASKS = ("pairing", "pairing apart", "geolocation", "panorama words", "tile words")
HIGHER, LOWER, SAME = DIRECTIONS = ("higher", "lower", "no difference")


@dataclass(frozen=True)
class Arm:
    """name: of its runs, with the base's number. start: the policy it goes on from, one of STARTS ("rule": a base that
    answers the first tile it calls a match; "longer-rule": such a one of a longer curriculum), or the name of another
    arm. stage: "base" for a policy that is evaluated as it is. reward: one of training.stages.REWARDS. changes: fields
    of the profile that are its own."""

    name: str
    what: str
    start: str
    stage: str = "grpo"
    control: str = ""
    reward: str = "paper"
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contrast:
    """One arm minus another, base by base. asks: the question. predicted: {endpoint: one of DIRECTIONS}."""

    after: str
    before: str
    asks: str
    predicted: Mapping[str, str]


@dataclass(frozen=True)
class Endpoint:
    """What is measured of an arm. primary: adjusted together (Holm), within a contrast."""

    name: str
    what: str
    primary: bool = False


ENDPOINTS = (
    Endpoint("places", "street-level photos placed within 2,500 km, greedy, the place named first", True),
    Endpoint("climate", "climate group in the thinking of the same answers, right", True),
    Endpoint("words", "words of pictures shown alone that are true, of all attributes, panorama and tile", True),
    Endpoint("shared words", "the same, of the attributes that all places of a city share"),
    Endpoint("local words", "the same, of the attributes that differ within a city"),
    Endpoint("pairing", "right letters, greedy, wrong tiles of the same city"),
    Endpoint("pairing apart", "right letters, greedy, wrong tiles from anywhere"),
    Endpoint("verdicts", "the pairing answers, read by the first tile that they call a match"),
    Endpoint(
        "shared said", "of the words said while pairing (greedy, same city): those of attributes that a city shares"
    ),
    Endpoint("form", "geolocation answers in the right format"),
)
MARGIN = 0.02  # the smallest difference of interest, of a share


@dataclass(frozen=True)
class Experiment:
    """What is registered in one file, before any of its arms is evaluated. arms: those that are new; contrasts may be
    with earlier ones. power: what its bases could tell, as far as that is known beforehand. left_out: what it does not
    ask."""

    name: str
    what: str
    file: str
    arms: tuple[Arm, ...]
    contrasts: tuple[Contrast, ...]
    power: str
    left_out: tuple[str, ...]

    @property
    def path(self) -> Path:
        return files.RESULTS / PROFILE / self.file


_NEGATIVES = (
    Arm("base", "before GRPO", "base", "base"),
    Arm("rule", "before GRPO, taught to answer the first tile that it calls a match", "rule", "base"),
    Arm("region", "GRPO, wrong tiles of the same city", "rule"),
    Arm("random", "GRPO, wrong tiles from anywhere", "rule", changes={"train_negatives": "random"}),
    Arm("shuffled", "GRPO, the right letter sampled at random", "rule", control="shuffled pairing"),
    Arm("plain", "GRPO from the base without the rule, wrong tiles of the same city", "base"),
)
_OF_NEGATIVES = (
    Contrast(
        "region",
        "rule",
        "What does the reward teach where all candidates are of one city?",
        {"pairing": HIGHER, "shared said": LOWER, "places": LOWER, "climate": LOWER, "words": LOWER},
    ),
    Contrast(
        "random",
        "rule",
        "What does the reward teach where candidates are from anywhere, so that cues of a region pay as well?",
        {"pairing apart": HIGHER, "places": LOWER, "climate": LOWER, "words": LOWER},
    ),
    Contrast(
        "random",
        "region",
        "A true cue that all candidates share cancels in every comparison: is geography kept better where it does not?",
        {"shared said": HIGHER, "shared words": HIGHER, "places": HIGHER, "climate": HIGHER},
    ),
    Contrast(
        "shuffled",
        "rule",
        "What does training do by itself, where the reward says nothing?",
        {"pairing": SAME, "words": LOWER, "places": LOWER},
    ),
    Contrast(
        "region",
        "shuffled",
        "What does the reward add to that?",
        {"pairing": HIGHER, "local words": HIGHER, "places": SAME},
    ),
    Contrast(
        "plain",
        "base",
        "The paper's own situation: a base that pairs at chance and has no answering rule.",
        {"pairing": HIGHER, "verdicts": SAME, "places": LOWER},
    ),
)
NEGATIVES = Experiment(
    "negatives",
    "does the pairing reward teach geography in the geographic world? (synthetic)",
    "registered.json",
    _NEGATIVES,
    _OF_NEGATIVES,
    power="The spread between bases is not known: the pilot had one. Were it that of the simulated seeds (-1.5, +5.7 "
    "and +2.2 points within 2,500 km, a standard deviation of 3.6), three bases would tell 11 points with 80 % power, "
    "and two points would take 28; three are what some hours of two cores carry. So a small effect will be open, and "
    "is not to be called absent.",
    left_out=(
        "graded negatives; 16 or 325 cities; the vision tower trained, by adapters or in its last block",
        "replay of SFT records beside GRPO; released and no length reward; reward noise; other numbers of candidates",
        "direct reward for places, supervised words, rejection-sampling SFT, format-only reward",
        "GRPO from SFT: the scaffold's replay teaches the form without the rule",
    ),
)
SHUFFLED = "shuffled pairing"
_REPLAYED = {"replay": 0.3}
_APART = {"train_negatives": "random"}
REPLAY = Experiment(
    "replay",
    "does the pairing reward teach geography where other prompts are kept in form by replay? (synthetic)",
    "registered_replay.json",
    (
        Arm("region-replay", "as region, beside replay of other prompts", "rule", changes=_REPLAYED),
        Arm("random-replay", "as random, beside replay", "rule", changes=_REPLAYED | {"train_negatives": "random"}),
        Arm("shuffled-replay", "as shuffled, beside replay", "rule", control="shuffled pairing", changes=_REPLAYED),
        Arm(
            "direct", "GRPO on the distance of the place named, base's cities", "rule", "grpo-places", reward="distance"
        ),
    ),
    (
        Contrast(
            "region-replay",
            "shuffled-replay",
            "Other prompts are kept in form by the same replay in both: what does the reward add?",
            {"pairing": HIGHER, "shared said": LOWER, "local words": HIGHER, "places": SAME, "climate": SAME},
        ),
        Contrast(
            "random-replay",
            "shuffled-replay",
            "The same where cues of a region pay, which is the case in which the paper's claim has most room.",
            {"pairing apart": HIGHER, "shared words": HIGHER, "places": HIGHER, "climate": HIGHER},
        ),
        Contrast(
            "random-replay",
            "region-replay",
            "Is geography learnt better where it does not cancel?",
            {"shared said": HIGHER, "shared words": HIGHER, "places": HIGHER},
        ),
        Contrast(
            "region-replay",
            "region",
            "What does replay keep that GRPO alone loses, and what does it cost?",
            {"words": HIGHER, "form": HIGHER, "pairing": SAME},
        ),
        Contrast(
            "shuffled-replay",
            "rule",
            "What do training and replay do by themselves?",
            {"words": HIGHER, "places": SAME, "climate": SAME, "form": SAME},
        ),
        Contrast(
            "direct",
            "rule",
            "What does a reward on the place itself teach in as many updates? With labels, so no test of the claim.",
            {"places": HIGHER},
        ),
    ),
    power="The first experiment's bases told 10 to 50 points, as they lost different shares of the words and places "
    "that they named before. Replay is meant to take that away; how much spread is left is not known before the runs. "
    "With a standard deviation of 3 points between bases, three tell 9 with 80 % power, and with one of 1 point 3.",
    left_out=(
        "another share than 30 %; replay of SFT's own records on the 16 cities",
        "graded negatives; 16 or 325 cities; the vision tower trained, by adapters or in its last block",
        "released and no length reward; format-only reward; rejection-sampling SFT; reward noise; other numbers of "
        "candidates",
    ),
)
_TRAINED = _REPLAYED | {"freeze_vision": False}
TOWER = Experiment(
    "tower",
    "does the pairing reward teach geography where the vision tower learns as well? (synthetic)",
    "registered_tower.json",
    (
        Arm("random-tower", "as random-replay, the vision tower trained", "rule", changes=_TRAINED | _APART),
        Arm("shuffled-tower", "as shuffled-replay, the tower trained", "rule", control=SHUFFLED, changes=_TRAINED),
    ),
    (
        Contrast(
            "random-tower",
            "shuffled-tower",
            "The tower learns in both: what does the reward add where cues of a region pay?",
            {"pairing apart": HIGHER, "places": SAME, "climate": SAME, "words": SAME, "shared words": SAME},
        ),
        Contrast(
            "random-tower",
            "random-replay",
            "What does it change that the tower learns?",
            {"pairing apart": HIGHER, "words": HIGHER, "places": SAME},
        ),
        Contrast(
            "shuffled-tower",
            "shuffled-replay",
            "The same where the reward says nothing, so that replay alone teaches the tower.",
            {"pairing": SAME, "words": HIGHER, "places": SAME},
        ),
    ),
    power="With replay three bases told 1.7 to 4.6 points of places and less than one of words. A tower that learns "
    "may end further apart from base to base; how far is not known before the runs. Seen before: rewards in training, "
    "70 updates of random-tower from base 0, and no answer to any question of validation or test.",
    left_out=(
        "adapters of the tower, or its last block alone; a learning rate of its own",
        "wrong tiles of one city with the tower trained; graded negatives; 16 or 325 cities",
        "released and no length reward; format-only reward; rejection-sampling SFT; reward noise; other numbers of "
        "candidates",
    ),
)
SCAFFOLD = Experiment(
    "scaffold",
    "does the pairing reward teach geography after SFT on the thinking scaffold, as in Geo-R1? (synthetic)",
    "registered_scaffold.json",
    (
        Arm("sft", "SFT on thoughts from what is seen to the place", "rule", "sft", changes={"sft_rule": True}),
        Arm("r1", "GRPO from sft, wrong tiles of the same city, beside replay", "sft", changes=_REPLAYED),
        Arm("r1-shuffled", "the same, the right letter sampled at random", "sft", control=SHUFFLED, changes=_REPLAYED),
    ),
    (
        Contrast(
            "sft",
            "rule",
            "What does SFT on the scaffold teach? With labels: places of 16 cities and of the base's own.",
            {"places": SAME, "climate": HIGHER, "words": SAME, "pairing": SAME},
        ),
        Contrast(
            "r1",
            "sft",
            "Geo-R1 against Geo-SFT: what does GRPO add to the scaffold?",
            {"pairing": HIGHER, "places": SAME, "climate": SAME, "words": SAME},
        ),
        Contrast(
            "r1",
            "r1-shuffled",
            "What of that is the reward, and not training and replay?",
            {"pairing": HIGHER, "places": SAME, "climate": SAME, "words": SAME},
        ),
        Contrast(
            "r1",
            "region-replay",
            "Geo-R1 against Geo-R1-Zero: what does the scaffold change of what GRPO reaches?",
            {"pairing": SAME, "places": SAME, "climate": HIGHER},
        ),
    ),
    power="With replay three bases told 1.7 to 4.6 points of places and less than one of words between arms that "
    "differ in their reward alone, and 10 points between arms that start from different policies. Seen before: sft "
    "from base 0 on validation places (places .427 to .370, pairing .290 to .263, words while pairing .680 to .675).",
    left_out=(
        "SFT on a base that has no answering rule; other amounts of SFT; replay of SFT's own records on the 16 cities",
        "the vision tower trained; wrong tiles from anywhere; graded negatives; 325 cities",
        "released and no length reward; reward noise; other numbers of candidates",
    ),
)
_MANY = _REPLAYED | {"train_split": "base"}
CITIES = Experiment(
    "cities",
    "does the pairing reward teach geography where its pairs are of 325 cities? (synthetic)",
    "registered_cities.json",
    (
        Arm("random-cities", "as random-replay, pairs of the base's 325 cities", "rule", changes=_MANY | _APART),
        Arm(
            "graded-cities",
            "the same, wrong tiles from neighbours to strangers",
            "rule",
            changes=_MANY | {"train_negatives": "graded"},
        ),
        Arm(
            "shuffled-cities",
            "as random-cities, the right letter sampled at random",
            "rule",
            control=SHUFFLED,
            changes=_MANY | _APART,
        ),
    ),
    (
        Contrast(
            "random-cities",
            "shuffled-cities",
            "Cues of 325 cities pay, and not of 16 alone: what does the reward add?",
            {"pairing apart": HIGHER, "places": SAME, "climate": SAME, "words": SAME, "shared words": SAME},
        ),
        Contrast(
            "graded-cities",
            "shuffled-cities",
            "A neighbour, one of the region, one of a wider region and a stranger among the wrong tiles: the same?",
            {"pairing": HIGHER, "pairing apart": HIGHER, "places": SAME, "climate": SAME, "words": SAME},
        ),
        Contrast(
            "random-cities",
            "random-replay",
            "What do more cities change?",
            {"pairing apart": HIGHER, "shared said": HIGHER, "places": SAME, "words": SAME},
        ),
        Contrast(
            "graded-cities",
            "random-cities",
            "What do harder wrong tiles change?",
            {"pairing": HIGHER, "shared said": LOWER, "places": SAME},
        ),
    ),
    power="With replay three bases told 1.7 to 4.6 points of places and less than one of words between arms that "
    "differ in their reward alone. A simulator of words alone had +1.9 points of words and +2.1 of places (three "
    "seeds: -1.5, +5.7, +2.2) for wrong tiles from anywhere in 325 cities, its largest; the four pairs of arms before "
    "these had none, so no difference is predicted. Nothing of these arms was seen before.",
    left_out=(
        "wrong tiles of one city, in 325 cities; wrong tiles from neighbours to strangers, in 16",
        "the vision tower trained on 325 cities; GRPO from SFT on them; more places of each city",
        "released and no length reward; format-only reward; rejection-sampling SFT; reward noise; other numbers of "
        "candidates",
    ),
)
NEIGHBOURS = Experiment(
    "neighbours",
    "does the pairing reward teach geography where tiles are of one city and the tower learns, as the paper trains? "
    "(synthetic)",
    "registered_neighbours.json",
    (Arm("region-tower", "as region-replay, the vision tower trained", "rule", changes=_TRAINED),),
    (
        Contrast(
            "region-tower",
            "shuffled-tower",
            "Wrong tiles of one neighbourhood and a tower that learns, as in the release: what does the reward add?",
            {"pairing": HIGHER, "places": SAME, "climate": SAME, "words": SAME, "shared words": SAME},
        ),
        Contrast(
            "region-tower",
            "region-replay",
            "What does it change that the tower learns?",
            {"pairing": HIGHER, "words": LOWER, "places": SAME},
        ),
        Contrast(
            "region-tower",
            "random-tower",
            "Does a tower that learns from neighbours see other things than one that learns from strangers?",
            {"pairing": HIGHER, "shared said": LOWER, "places": SAME, "shared words": SAME},
        ),
    ),
    power="With the tower trained three bases told 4.5 points of places and 1.1 of words (random-tower against "
    "shuffled-tower, whose outcome is known: no difference in words, places open). Against frozen towers the spread is "
    "that of two trainings. Nothing of this arm was seen before.",
    left_out=(
        "GRPO from SFT with the tower trained; 325 cities with the tower trained; adapters of the tower, or its last "
        "block alone; a learning rate of its own",
        "released and no length reward; format-only reward; rejection-sampling SFT; reward noise; other numbers of "
        "candidates",
    ),
)
AGAIN = Experiment(
    "again",
    "the control of region-tower, from the same bases (synthetic)",
    "registered_again.json",
    (
        Arm(
            "shuffled-tower-again",
            "as shuffled-tower, from bases made again",
            "rule",
            control=SHUFFLED,
            changes=_TRAINED,
        ),
    ),
    (
        Contrast(
            "region-tower",
            "shuffled-tower-again",
            "Wrong tiles of one neighbourhood and a tower that learns, base by base: what does the reward add?",
            {"pairing": HIGHER, "places": SAME, "climate": SAME, "words": SAME, "shared words": SAME},
        ),
        Contrast(
            "shuffled-tower-again",
            "shuffled-tower",
            "The same settings from bases made again on another processor: does anything move?",
            {"pairing": SAME, "words": SAME, "places": SAME},
        ),
    ),
    power="As of `neighbours`, whose contrast with the control of other bases counts bases as independent; this one is "
    "paired. With the tower trained three bases told 4.5 points of places and 1.1 of words. Nothing of region-tower "
    "was seen before.",
    left_out=("what `neighbours` leaves out",),
)
READY = Experiment(
    "ready",
    "does the pairing reward teach geography from bases that see better, so that pairing has more to gain? (synthetic)",
    "registered_ready.json",
    (
        Arm("longer", "bases taught to see for longer, before GRPO, with the answering rule", "longer-rule", "base"),
        Arm("longer-region", "as region-replay, from these", "longer-rule", changes=_REPLAYED),
        Arm("longer-shuffled", "as shuffled-replay, from these", "longer-rule", control=SHUFFLED, changes=_REPLAYED),
    ),
    (
        Contrast(
            "longer-region",
            "longer-shuffled",
            "Words are true more often, so that choosing among them can reach more: what does the reward add?",
            {"pairing": HIGHER, "shared said": LOWER, "places": SAME, "climate": SAME, "words": SAME},
        ),
        Contrast(
            "longer",
            "rule",
            "What do bases see and place better that were taught to see for longer? With labels.",
            {"words": HIGHER, "climate": HIGHER, "places": HIGHER, "pairing": HIGHER},
        ),
        Contrast(
            "longer-region",
            "region-replay",
            "Does the reward reach more of what it is about where words are truer?",
            {"pairing": HIGHER, "words": HIGHER, "places": HIGHER},
        ),
    ),
    power="With replay three bases told 1.7 to 4.6 points of places and less than one of words between arms that "
    "differ in their reward alone. From the words of the earlier bases no fixed choice of up to three attributes pairs "
    "more than about .47, and region-replay's own choice reached .445 (exploratory); from true words .86. Seen before: "
    "of base 0 without the rule, words (.82 true among six pictures), pairing (.20, by verdicts .32) and places (.36) "
    "on 200 validation places, and rewards in training of 90 updates from it (.20 to .21), for which the arms start "
    "from bases with the rule.",
    left_out=(
        "GRPO from these bases without the answering rule, which found no reward in 90 updates; after SFT; with the "
        "tower trained; wrong tiles from anywhere",
        "released and no length reward; format-only reward; rejection-sampling SFT; reward noise; other numbers of "
        "candidates",
    ),
)
EXPERIMENTS = (NEGATIVES, REPLAY, TOWER, SCAFFOLD, CITIES, NEIGHBOURS, AGAIN, READY)
ARMS = tuple(arm for one in EXPERIMENTS for arm in one.arms)
BY_NAME = {one.name: one for one in ARMS}


def arm_of(run: str) -> Arm:
    """The arm of a run, by the run's name: that of region-b0 is region."""
    return BY_NAME[run.rpartition("-b")[0]]


def after(one: Arm) -> Arm | None:
    """The arm whose policy another one goes on from; None: it goes on from a base."""
    earlier = BY_NAME.get(one.start)
    return earlier if earlier and earlier.stage != "base" else None


def root(one: Arm) -> str:
    """Which of STARTS an arm comes from, by way of another arm or not."""
    earlier = after(one)
    return root(earlier) if earlier else one.start


def start(one: Arm, base: int, work: Path) -> Path:
    """The base that an arm comes from: one of those that `make_bases` leaves below `work`."""
    return _folder(root(one), base, work)


def _folder(name: str, base: int, work: Path) -> Path:
    """Where a base is, that STARTS has by this name."""
    curriculum, rule = STARTS[name]
    return work / f"base-{curriculum}-{base}" / ("policy-rule" if rule else "policy")


def job(one: Arm, base: int, work: Path) -> runner.Job:
    """An arm's run from one base: its number is the seed of its questions, answers and shuffling, too."""
    profile = replace(Profile.get(PROFILE), **one.changes)
    recipe = recipes.of(profile)
    system = f"{PROFILE}-{one.name}"
    first = f"{one.start}-b{base}" if after(one) else "base"
    more: dict[str, Any] = {"reward": one.reward, "control": one.control, "tasks": TASKS}
    run = Run(f"{one.name}-b{base}", system, "", one.stage, base, first, **more)
    return runner.Job(run, profile, (work / PROFILE).resolve(), start(one, base, work).resolve(), recipe)


def all_jobs(work: Path) -> list[runner.Job]:
    """Every run of the experiment, whether or not its base is there."""
    return [job(one, base, work) for one in ARMS for base in BASES]


def jobs(what: str, work: Path, bases: Sequence[int] = BASES) -> list[runner.Job]:
    """The runs from these bases that a word names: "arms" (all), "table2" (its systems and their controls), an
    experiment, an arm, or an arm and a base such as region-b0; and those that they go on from. ValueError lists what
    there is; recipes.NotReady names a base that is not there, with the command that makes it."""
    if missing := missing_bases(work, what, bases):
        raise recipes.NotReady(_how_to_make(*missing[0], work))
    return _named(what, work, bases)


def make_committed(what: str, work: Path, bases: Sequence[int] = BASES) -> None:
    """`make_bases` of what the runs that a word names start from, where it takes minutes. recipes.NotReady, before
    anything is made, where a base is not there that has to be trained."""
    missing = missing_bases(work, what, bases)
    for name, number in missing:
        if committed(STARTS[name][0], number) is None:
            raise recipes.NotReady(_how_to_make(name, number, work))
    make_bases(work, missing)


def _named(what: str, work: Path, bases: Sequence[int]) -> list[runner.Job]:
    """`jobs`, whether or not their bases are there."""

    def names(run: str) -> tuple[str, ...]:
        arm = run.rpartition("-b")[0]
        of_table2 = ("table2",) if arm in {*TABLE2.values(), *CONTROLS.values()} else ()
        return (*ALL, *of_table2, experiment_of(arm).name, arm, run)

    every = [one for one in all_jobs(work) if one.run.seed in bases]
    wanted = {name for one in every if what in names(one.run.name) for name in (one.run.name, one.after)}
    found = [one for one in every if one.run.name in wanted]
    if not found:
        raise ValueError(
            f"unknown arm {what!r}: choose arms, table2, an experiment ({', '.join(one.name for one in EXPERIMENTS)}), "
            f"{', '.join(one.name for one in ARMS)}, or one with its base: {ARMS[0].name}-b0"
        )
    return found


def _how_to_make(name: str, base: int, work: Path) -> str:
    """What is not there of a base (one of STARTS, and its number), and the command that makes it."""
    curriculum, rule = STARTS[name]
    making = "`make reproduce PROFILE=geographic`, or `train`, makes it of the committed one, in minutes"
    if committed(curriculum, base) is None:
        asked = f"--world {curriculum} --seed {base}{' --rule' if rule else ''}"
        making = f"`georeplicate train base {asked}` makes it, in an hour or more"
    return f"base {base} of the geographic world is not at {_folder(name, base, work)}: {making}"


def missing_bases(work: Path, what: str = "arms", bases: Sequence[int] = BASES) -> list[tuple[str, int]]:
    """(one of STARTS, number) of the bases that the runs which a word names start from (see `jobs`) and that are not
    there."""
    starts = dict.fromkeys((root(arm_of(job.run.name)), job.run.seed) for job in _named(what, work, bases))
    return [one for one in starts if not (_folder(*one, work) / "config.json").is_file()]


def committed(curriculum: str, base: int) -> Path | None:
    """The weights of a base that are there without training: the first in the package, others beside the results of a
    checkout; None: it has to be made."""
    folder = files.RESULTS / PROFILE / "bases" / f"{curriculum}-b{base}".removeprefix(f"{PROFILE}-")
    if (curriculum, base) == (PROFILE, BASES[0]):
        folder = recipes.of(PROFILE).start(Profile.get(PROFILE), None)
    return folder if (folder / "config.json").is_file() else None


def make_bases(work: Path, missing: Sequence[tuple[str, int]]) -> None:
    """Make bases that are not there (of `missing_bases`), one after another: a committed one is copied, and taught the
    answering rule where it is wanted with it, which takes minutes; any other takes an hour or more of one core. One
    that was killed goes on; another process that makes bases is waited for."""
    from georeplicate.mini import base

    if not missing:
        return
    with files.alone(work / ".bases.lock", "bases are being made by another process; waiting until it ends"):
        for name, number in missing:
            curriculum, rule = STARTS[name]
            policy, weights = _folder(name, number, work).with_name("policy"), committed(curriculum, number)
            if weights is not None and not policy.exists():
                half = policy.with_name(".policy")  # whole or not there
                shutil.copytree(weights, half, dirs_exist_ok=True)
                half.rename(policy)
            base.build(policy.parent, seed=number, curriculum=base.CURRICULA[curriculum], rule=rule)


# --- registration ----------------------------------------------------------------------------------------------------


def settings(of: Experiment) -> dict[str, Any]:
    """{arm of an experiment: all that decides about its policy and what is evaluated}; bases by how they are made."""
    from georeplicate.mini import base

    found = {}
    for one in of.arms:
        curriculum, rule = STARTS[root(one)]
        taught = files.sha256_json(json.loads(json.dumps(asdict(base.CURRICULA[curriculum]))) | FORMER)
        made = job(one, BASES[0], Path())
        found[one.name] = {
            "recipe_version": made.recipe.version,
            "start": {
                "curriculum_sha256": taught,
                "world": PROFILE,
                "seeds": list(BASES),
                "rule": rule,
                **({"arm": one.start} if after(one) else {}),
            },
            "stage": one.stage,
            "control": one.control,
            "reward": one.reward,
            "training": made.recipe.settings(one.stage, made.profile),
            "evaluation": made.recipe.settings("evaluation", made.profile),
            "tasks": list(TASKS),
            "data_sha256": made.recipe.data_sha256(made.profile, None),
        }
    return json.loads(json.dumps(found))


def named(name: str) -> Experiment:
    """The experiment of that name; ValueError lists the names there are."""
    for one in EXPERIMENTS:
        if one.name == name:
            return one
    raise ValueError(f"unknown experiment {name!r}: choose one of {', '.join(one.name for one in EXPERIMENTS)}")


def experiment_of(arm: str) -> Experiment:
    """The experiment that registered an arm, by the arm's name."""
    return next(one for one in EXPERIMENTS if BY_NAME[arm] in one.arms)


def experiments_of(what: str, bases: Sequence[int] = BASES) -> list[str]:
    """The experiments that registered the arms which a word names (see `jobs`)."""
    found = _named(what, Path(), bases)
    return list(dict.fromkeys(experiment_of(arm_of(one.run.name).name).name for one in found))


def register(of: Experiment, work: Path, path: Path | None = None) -> Path:
    """Write down what an experiment asks, of what, and what is predicted. ValueError where that was done, or one of its
    arms was evaluated already: a prediction that is made afterwards is none."""
    path = path or of.path
    if path.exists():
        raise ValueError(f"{path} was registered and stays as it is; another experiment gets a file of its own")
    runs = {f"{one.name}-b{base}" for one in of.arms for base in BASES}
    evaluated = {path.parent.name for path in (work / PROFILE / "runs").glob("*/predictions.csv")}
    if done := runs & evaluated:
        raise ValueError(f"{', '.join(sorted(done))} was evaluated already, so nothing can be registered before it")
    decided = settings(of)
    record = {
        "experiment": of.what,
        "unit": f"a base with a seed of its own; {len(BASES)} of them",
        "statistics": "differences base by base and place by place, Student's t over bases "
        "(evaluation.statistics.difference); Holm over the primary endpoints of a contrast",
        "smallest_difference_of_interest": MARGIN,
        "power": of.power,
        "endpoints": [asdict(one) for one in ENDPOINTS],
        "arms": [asdict(one) for one in of.arms],
        "contrasts": [asdict(one) for one in of.contrasts],
        "left_out": list(of.left_out),
        "settings": decided,
        "settings_sha256": files.sha256_json(decided),
    }
    return files.write_json(path, record)


def registered(of: Experiment, path: Path | None = None) -> dict[str, Any]:
    """What was registered of an experiment. FileError where nothing was, or the file is not what was written."""
    path = path or of.path
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        whole = files.sha256_json(record["settings"]) == record["settings_sha256"]
    except FileNotFoundError:
        raise files.FileError(
            f"{path} is not there: `georeplicate train {of.name} --profile {PROFILE} --register` writes down what is "
            "predicted before any arm is evaluated"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise files.FileError(f"{path} is damaged: its settings are not those of its checksum; `git checkout` it")
    return record


def check(of: Experiment, record: Mapping[str, Any]) -> None:
    """ValueError where an experiment's arms of now are not those that were registered."""
    then = {name: {"reward": "paper"} | one for name, one in record["settings"].items()}  # the first names none
    if moved := runner.differences(then, settings(of)):
        raise ValueError(
            f"the arms are not as they were registered ({'; '.join(moved)}), so what they give would be no test of "
            "what was predicted"
        )


def all_registered() -> dict[str, dict[str, Any]]:
    """{experiment: what was registered of it}; FileError where one was not."""
    return {one.name: registered(one) for one in EXPERIMENTS}


def check_all() -> None:
    """FileError where an experiment is not registered, ValueError where its arms are not those that were."""
    for name, record in all_registered().items():
        check(named(name), record)


def finished(runs: Path, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the finished arms below a folder, of the experiments of these records. ValueError where one was trained
    or evaluated otherwise than it was registered, by its own manifest."""
    settings_of = {name: {"reward": "paper"} | then for record in records for name, then in record["settings"].items()}
    names = {f"{name}-b{base}": name for name in settings_of for base in BASES}
    found = []
    for path in sorted(Path(runs).glob(f"*/{manifest.NAME}")):
        if path.parent.name not in names:
            continue
        then, said = settings_of[names[path.parent.name]], manifest.read(path.parent)
        trained = said["training"]["inputs"] if said["training"] else {}
        now = {
            "training": trained.get("settings", then["training"]),
            "control": trained.get("control", then["control"]),
            "reward": trained.get("reward", then["reward"]),
            "evaluation": said["evaluation"]["inputs"]["settings"],
            "data_sha256": said["evaluation"]["inputs"]["data_sha256"],
        }
        if moved := runner.differences({name: then[name] for name in now}, now):
            raise ValueError(f"{path.parent.name} is not what was registered: {'; '.join(moved)}")
        found.append(path.parent.name)
    return found
