"""A small library behind the notebooks: pairs -> data engine -> SFT -> GRPO -> evaluation -> tables and maps.

Map of the package, from what knows least to what knows most (a line imports from those above it only, which
`make check` holds):

    files        files that are whole or absent, checksums, where things are kept
    network      waits on a hub that end, and what went wrong on the line
    provenance   which code, which machine, which versions
    manifest     what a finished run says about itself
    registry     names for tasks, sources, baselines, recipes: one line each
    geo          kilometres, thresholds, GeoScore, neighbours; the only file that knows the Earth's radius
    coordinates  latitude and longitude as people and models write them
    profiles     Profile.get("smoke" | "mini" | "small" | "single_gpu" | "paper" | "paper-dry"): sizes, frozen, checked
    paper        the paper's numbers, claims, settings and our deviations, as data
    atlas        what is true at a coordinate: land cover, climate, elevation, sun, country facts, gazetteer, geocoder
    world        the synthetic cross-view world: facts -> scene -> ground panorama and aerial tile
    pairs        cross-view pairs of any source, hard negatives, the question
    tasks        questions to a model: how each is worded, read and scored
    model        the vision-language model: load, generate, score; a prompt shared by a group of completions
    engine       the data engine: facts -> teacher -> fact check -> supervised records
    training     the four rewards; SFT and GRPO, in one process or several
    evaluation   any predictor on any task -> rows; benchmarks, baselines, protocols, scores, statistics
    mini         the mini stand-in: its words, its base, its inputs, tasks and recipe; what dry runs are made of
    runs         which runs there are, whether each is up to date, doing the rest, publishing
    report       tables, figures, maps, findings, verdicts, pages; the only room that knows matplotlib and cartopy
    reproduce    runs the notebooks in order and decides whether each really finished
    __main__     the command line
    docs         pages made from the code: rewards, malformed answers, what is known of the paper

Nothing is imported here, so that ``import georeplicate.geo`` does not load torch. Three modules that others rely on
have short names as well: ``from georeplicate import rewards, prompts, policy``.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_SHORT = {
    "rewards": "georeplicate.training.rewards",
    "prompts": "georeplicate.tasks.prompts",
    "policy": "georeplicate.model.policy",
}


def __getattr__(name: str) -> Any:
    if name in _SHORT:
        return import_module(_SHORT[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
