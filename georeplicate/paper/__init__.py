"""What the paper and its official code say, as data: tables, settings, claims, conflicts, inferences, our deviations.

Nothing in the project types a published number a second time: notebooks and tables take it from here, tests pin our
defaults to it. Each entry names its source and how strong that source is (``STRENGTHS``), because the full text of the
paper's second version was not available to us: much is known from the official code, some only from notes that others
wrote about the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Strength = Literal["V", "S", "I", "choice"]
STRENGTHS: dict[Strength, str] = {
    "V": "verified: read in the primary source (official code, poster, public reviews)",
    "S": "secondary: notes or reviews about the paper, the primary text was not seen",
    "I": "inference: follows from other facts, stated nowhere",
    "choice": "our choice: no source states it",
}

POSTER = "poster (ICML 2026), table {}"
NOTES = "notes on the second version (en.papernotes.org)"
REVIEWS = "public reviews of the first version (ICLR 2026 submission)"
SCRIPT = "official code, RL/run_scripts/run_grpo_geo_cv.sh"
CONFIG = "official code, grpo_config.py / grpo_trainer.py"
REWARD_CODE = "official code, grpo_jsonl.py (VLM-R1's)"
GLOBE_CODE = "GLOBE's code, eval.py and plugin.py"

TITLES = (
    "Geo-R1: Unlocking VLM Geospatial Reasoning with Cross-View Reinforcement Learning "
    "(arXiv 2510.00072 v1, 29 Sep 2025)",
    "Unlocking Zero-Shot Geospatial Reasoning via Indirect Rewards (arXiv 2510.00072 v2, 30 Apr 2026; ICML 2026)",
)


# --------------------------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True)
class Table1Row:
    """Share of photos located within a distance, in percent (MP16-Reason-Test)."""

    group: str
    method: str
    citation: str
    street_1km: float
    city_25km: float
    region_200km: float
    country_750km: float
    continent_2500km: float


@dataclass(frozen=True)
class Table2Row:
    """Cross-view pairing: accuracy in percent, mean completion length in tokens."""

    model: str
    accuracy_percent: float
    completion_length_tokens: float


THRESHOLDS_KM = {
    "street_1km": 1,
    "city_25km": 25,
    "region_200km": 200,
    "country_750km": 750,
    "continent_2500km": 2500,
}
TABLE1_QUESTIONS = 12_000  # rows of MP16-Reason-Test
TABLE1_DECIMALS = 2
TABLE2_DECIMALS = 1

_SUPERVISED = "task-specific reasoning supervision"
TABLE1 = (
    Table1Row("", "ISNs", "Muller-Budack et al.", 26.24, 47.38, 55.88, 68.48, 80.92),
    Table1Row("", "GeoCLIP", "Vivanco Pedra et al.", 29.28, 52.52, 66.85, 84.07, 93.33),
    Table1Row("", "Hybrid", "Astruc et al.", 0.97, 16.53, 28.72, 50.31, 71.47),
    Table1Row("", "RFM-YFCC", "Dufour et al.", 11.72, 46.64, 60.46, 77.97, 91.96),
    Table1Row("", "Qwen2.5-VL-7B", "Bai et al.", 15.42, 52.72, 62.86, 75.11, 83.47),
    Table1Row("", "InternVL3-8B", "Zhu et al.", 12.01, 44.17, 55.66, 75.36, 86.98),
    Table1Row(_SUPERVISED, "GeoReasoner-7B", "Li et al.", 10.06, 40.44, 50.91, 68.01, 79.68),
    Table1Row(_SUPERVISED, "GLOBE-7B", "Li et al.", 17.99, 62.85, 73.83, 86.68, 92.52),
    Table1Row(_SUPERVISED, "Geo-R1", "ours", 17.98, 61.02, 73.91, 86.78, 93.56),
)
TABLE2 = (
    Table2Row("Qwen2.5-VL-7B", 19.0, 204.6),
    Table2Row("Geo-SFT", 23.1, 1127.6),
    Table2Row("Geo-R1-Zero", 78.1, 587.4),
    Table2Row("Geo-R1", 82.4, 378.8),
)


def _frame(rows: Iterable) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows])


def table1() -> pd.DataFrame:
    """Table 1 of the poster: geolocation, percent within each distance. "ours" is the paper's own word."""
    return _frame(TABLE1)


def table2() -> pd.DataFrame:
    """Table 2 of the poster: cross-view pairing, percent, and completion length in tokens."""
    return _frame(TABLE2)


# ------------------------------------------------------------------------------------------------------------- settings


@dataclass(frozen=True)
class Setting:
    """One hyper-parameter. ``stage`` is "sft", "grpo", "reward" or "task"; a value of None is not published."""

    name: str
    value: float | int | str | bool | tuple | None
    unit: str
    stage: Literal["sft", "grpo", "reward", "task"]
    source: str
    strength: Strength
    note: str = ""


SETTINGS = (
    Setting("base_model", "Qwen/Qwen2.5-VL-7B-Instruct", "", "grpo", NOTES, "S"),
    Setting("processes", 8, "GPUs", "grpo", SCRIPT, "V", "one node, DeepSpeed ZeRO-3 without offload"),
    Setting("precision", "bf16", "", "grpo", SCRIPT, "V"),
    Setting("attention", "flash_attention_2", "", "grpo", SCRIPT, "V"),
    Setting("gradient_checkpointing", True, "", "grpo", SCRIPT, "V"),
    Setting("per_device_batch", 4, "completions", "grpo", SCRIPT, "V"),
    Setting("gradient_accumulation", 2, "steps", "grpo", SCRIPT, "V"),
    Setting("num_generations", 8, "completions per prompt", "grpo", SCRIPT, "V", "G"),
    Setting("completions_per_update", 64, "completions", "grpo", SCRIPT, "V", "processes x batch x accumulation"),
    Setting("prompts_per_update", 8, "prompts", "grpo", SCRIPT, "V", "completions per update / G"),
    Setting("max_completion_length", 2048, "tokens", "grpo", SCRIPT, "V"),
    Setting("epochs", 2, "", "grpo", SCRIPT, "V"),
    Setting("save_steps", 500, "updates", "grpo", SCRIPT, "V"),
    Setting("beta", 0.04, "", "grpo", SCRIPT, "V", "weight of the KL term, k3 estimator"),
    Setting("learning_rate", 1e-6, "", "grpo", CONFIG, "V", "default, not set by the script"),
    Setting("clip_epsilon", 0.2, "", "grpo", CONFIG, "V"),
    Setting("num_iterations", 1, "updates per batch", "grpo", CONFIG, "V"),
    Setting("temperature", 1.0, "", "grpo", CONFIG, "V", "hard-coded; the configuration's 0.9 is ignored"),
    Setting("top_k", 50, "", "grpo", CONFIG, "V", "library default"),
    Setting("top_p", 1.0, "", "grpo", CONFIG, "V", "library default"),
    Setting("advantage_std_ddof", 1, "", "grpo", CONFIG, "V", "unbiased standard deviation within a group"),
    Setting("advantage_epsilon", 1e-4, "", "grpo", CONFIG, "V", "added to the standard deviation"),
    Setting("loss_mean", "tokens of a completion, then completions", "", "grpo", CONFIG, "V"),
    Setting("reward_functions", ("accuracy", "format", "length", "repetition"), "", "grpo", SCRIPT, "V"),
    Setting("reward_aggregation", "sum", "", "grpo", CONFIG, "V", "the field reward_weights exists and is ignored"),
    Setting("use_vllm", False, "", "grpo", SCRIPT, "V"),
    Setting("full_fine_tune", True, "", "grpo", SCRIPT, "V", "no adapters, the vision tower is trained"),
    Setting("min_pixels", 3136, "pixels per image", "grpo", CONFIG, "V"),
    Setting("max_pixels", 12_845_056, "pixels per image", "grpo", CONFIG, "V", "up to 16,384 visual tokens"),
    Setting("seed", 42, "", "grpo", CONFIG, "V", "library default; the script drops upstream's data seed"),
    Setting("training_pairs", 16_000, "pairs", "grpo", SCRIPT, "I", "from the folder name cv_cities_16k"),
    Setting("updates", 4000, "updates", "grpo", SCRIPT, "I", "if there are 16,000 prompts"),
    Setting("hardware", "8 x H100", "", "grpo", NOTES, "S"),
    Setting("sft_records", 12_600, "records", "sft", NOTES, "S", "synthetic chains of thought from CV-Cities"),
    Setting("sft_full_fine_tune", True, "", "sft", NOTES, "S", "LLaMA-Factory"),
    Setting("sft_learning_rate", None, "", "sft", "not published", "choice"),
    Setting("sft_epochs", None, "", "sft", "not published", "choice"),
    Setting("candidates", 5, "aerial views", "task", "not published; Table 2 calls 19 % nearly random", "I", "k"),
    Setting("distance_thresholds", tuple(THRESHOLDS_KM.values()), "km", "task", POSTER.format(1), "V"),
)


def setting(name: str) -> Setting:
    """One entry of ``SETTINGS``; KeyError with the known names for an unknown one."""
    for entry in SETTINGS:
        if entry.name == name:
            return entry
    raise KeyError(f"no setting {name!r}; known: {', '.join(entry.name for entry in SETTINGS)}")


def settings() -> pd.DataFrame:
    """All settings with source and strength."""
    return _frame(SETTINGS)


# --------------------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True)
class Claim:
    """A statement of the paper that a replication can test.

    ``evidence`` says which numbers carry it and ``holds_in_paper`` recomputes it from the paper's own table (None: not
    in the tables).
    """

    id: str
    statement: str
    evidence: str
    source: str
    strength: Strength
    holds_in_paper: bool | None


def _accuracy(model: str) -> float:
    return next(row.accuracy_percent for row in TABLE2 if row.model == model)


def _length(model: str) -> float:
    return next(row.completion_length_tokens for row in TABLE2 if row.model == model)


def _within(method: str, column: str) -> float:
    return next(getattr(row, column) for row in TABLE1 if row.method == method)


_CHANCE = 100 / setting("candidates").value

CLAIMS = (
    Claim(
        "pairing.rl",
        "Reinforcement learning on pairing lifts accuracy from near chance to about 80 %",
        "Table 2, Geo-R1-Zero against Qwen2.5-VL-7B",
        POSTER.format(2),
        "V",
        _accuracy("Geo-R1-Zero") > 3 * _accuracy("Qwen2.5-VL-7B"),
    ),
    Claim(
        "pairing.base_chance",
        "The base model pairs at nearly random level",
        "Table 2, Qwen2.5-VL-7B, chance 1/k with k = 5",
        NOTES,
        "S",
        abs(_accuracy("Qwen2.5-VL-7B") - _CHANCE) < 5,
    ),
    Claim(
        "pairing.sft_alone",
        "The thinking scaffold alone does not teach pairing",
        "Table 2, Geo-SFT",
        NOTES,
        "S",
        abs(_accuracy("Geo-SFT") - _CHANCE) < 5,
    ),
    Claim(
        "pairing.sft_helps",
        "Reinforcement learning from the scaffold ends above reinforcement learning from the base",
        "Table 2, Geo-R1 against Geo-R1-Zero",
        POSTER.format(2),
        "V",
        _accuracy("Geo-R1") > _accuracy("Geo-R1-Zero"),
    ),
    Claim(
        "length.zero_longer",
        "Without the scaffold the answers end up longer",
        "Table 2, Geo-R1-Zero against Geo-R1",
        POSTER.format(2),
        "V",
        _length("Geo-R1-Zero") > _length("Geo-R1"),
    ),
    Claim(
        "length.sft_longest",
        "The scaffold alone writes the longest answers",
        "Table 2, Geo-SFT",
        POSTER.format(2),
        "V",
        _length("Geo-SFT") == max(row.completion_length_tokens for row in TABLE2),
    ),
    Claim(
        "transfer.base",
        "Pairing alone improves geolocation over the base model at every distance",
        "Table 1, Geo-R1 against Qwen2.5-VL-7B",
        POSTER.format(1),
        "V",
        all(_within("Geo-R1", column) > _within("Qwen2.5-VL-7B", column) for column in THRESHOLDS_KM),
    ),
    Claim(
        "transfer.supervised",
        "Without geolocation labels it equals models that were supervised for it",
        "Table 1, Geo-R1 within 2 points of GLOBE-7B at every distance",
        POSTER.format(1),
        "V",
        all(abs(_within("Geo-R1", column) - _within("GLOBE-7B", column)) < 2 for column in THRESHOLDS_KM),
    ),
    Claim(
        "theory.shortcut",
        "With k candidates from one neighbourhood a policy that ignores the evidence is at chance",
        "Theorem 3.1: entropy log k",
        NOTES,
        "S",
        None,
    ),
    Claim(
        "transfer.other",
        "The ability carries over to other geospatial tasks",
        "GeoChain, IMAGEO-Bench, RSTeller, GEOBench-VLM",
        NOTES,
        "S",
        None,
    ),
)


def claims() -> pd.DataFrame:
    """All claims; ``holds_in_paper`` is recomputed from the published tables."""
    return _frame(CLAIMS)


# ------------------------------------------------------------------------------------------------------------ conflicts


@dataclass(frozen=True)
class Position:
    """What one source says."""

    says: str
    source: str
    strength: Strength


@dataclass(frozen=True)
class Conflict:
    """Sources that disagree, or a source that disagrees with itself, and what we do about it."""

    topic: str
    positions: tuple[Position, ...]
    ours: str


CONFLICTS = (
    Conflict(
        "accuracy reward (wrong, right)",
        (
            Position("0 and 1", REWARD_CODE, "V"),
            Position("-1 and +1", NOTES, "S"),
            Position("-0.8 and 1", REVIEWS, "S"),
        ),
        "a parameter with these three values; 0 and 1 by default. They differ by their scale against the other rewards",
    ),
    Conflict(
        "length reward of a wrong answer",
        (
            Position("the same as of a right one: the correctness is overwritten with 1", REWARD_CODE, "V"),
            Position(
                "0 when short, down to -0.5 at the longest (the constants that the overwriting makes dead)",
                REWARD_CODE,
                "V",
            ),
            Position(
                "the shorter the worse (the cosine reward that the code cites, arXiv 2502.03373; as TRL builds it)",
                "TRL, get_cosine_scaled_reward",
                "V",
            ),
        ),
        'mode="released" keeps the overwriting; mode="paper" uses the dead constants, because they are the authors\'',
    ),
    Conflict(
        "longest answer of the length reward",
        (
            Position("1,024 tokens, not clamped: the reward rises again up to 2,048", REWARD_CODE, "V"),
            Position("2,048 tokens may be written", SCRIPT, "V"),
        ),
        'mode="released" is periodic; mode="paper" stays at its end value past 1,024 tokens',
    ),
    Conflict(
        "weights of the four rewards",
        (
            Position("all 1: a plain sum", CONFIG, "V"),
            Position("symbols for four weights, no values", NOTES, "S"),
        ),
        "a parameter; all 1 by default",
    ),
    Conflict(
        "sampling temperature in training",
        (Position("1.0, hard-coded", CONFIG, "V"), Position("0.9 in the configuration, ignored", CONFIG, "V")),
        "1.0",
    ),
    Conflict(
        "vLLM",
        (Position("switched off in the training script", SCRIPT, "V"), Position("used for inference", NOTES, "S")),
        "optional; not needed for any number here",
    ),
    Conflict(
        "when a predicted place name is right (GLOBE)",
        (
            Position("exact match", "GLOBE's paper, equation 3", "S"),
            Position("one name contains the other, length ratio at least 0.7", GLOBE_CODE, "V"),
        ),
        "both: same_place_name(mode=)",
    ),
    Conflict(
        "from a place name to kilometres (Table 1)",
        (
            Position("names are geocoded by a commercial map service", "notes on GLOBE's paper", "S"),
            Position("the released evaluation script has no geocoder, no distance and no thresholds", GLOBE_CODE, "V"),
            Position("nothing is said or released", "Geo-R1, all sources seen", "V"),
        ),
        "an offline gazetteer: the centre of the named city. Within 1 km this measures the choice of the centre",
    ),
    Conflict(
        "weights of GLOBE's rewards",
        (
            Position("accuracy 1, locatability 0.5, visual 0.2, format 1", "GLOBE's code, training script", "V"),
            Position("1.0, 0.2, 0.5", "GLOBE's README", "V"),
        ),
        "not used",
    ),
)


def conflicts() -> pd.DataFrame:
    """One row per position."""
    import pandas as pd

    rows = [{"topic": c.topic, **asdict(p), "ours": c.ours} for c in CONFLICTS for p in c.positions]
    return pd.DataFrame(rows)


# ----------------------------------------------------------------------------------------------------------- inferences


@dataclass(frozen=True)
class Inference:
    """Something we conclude and nobody states: what speaks for it, and what would refute it."""

    id: str
    statement: str
    evidence: str
    would_refute: str
    strength: Strength = "I"


INFERENCES = (
    Inference(
        "table1.copied",
        "Rows of Table 1 look copied from GLOBE's table rather than measured anew",
        "Where GLOBE's numbers could be seen (within 25 and 200 km: GeoCLIP, Qwen2.5-VL-7B, GeoReasoner-7B, GLOBE-7B) "
        "they are equal to the last digit. The origin of the rows Hybrid and RFM-YFCC was not found.",
        "a statement of the authors, or a prediction file for these rows",
    ),
    Inference(
        "table1.overlap",
        "Test photos of Table 1 very likely were training photos of some rows",
        "MP16-Reason-Test is drawn from MP-16, on which ISNs and GeoCLIP were trained; RFM-YFCC on YFCC100M, "
        "which contains MP-16. ISNs locate 26.24 % within 1 km here and about 10 % on IM2GPS3k.",
        "a list of the test ids that is disjoint from the training lists",
    ),
    Inference(
        "table2.k",
        "A pairing question has five candidates",
        "The base model's accuracy and the scaffold's are called nearly random, and 1/5 is the nearest simple share.",
        "the data file, or the paper's full text",
    ),
    Inference(
        "grpo.size",
        "About 16,000 questions and 4,000 updates",
        "The script's image folder is named cv_cities_16k; two epochs of 8 prompts per update.",
        "the data file or a training log",
    ),
    Inference(
        "table1.street",
        "The 1 km column of text models measures the geocoder",
        "A model that names a city gets the city's centre as coordinates; which centre decides what is within 1 km.",
        "coordinates written by the models themselves",
    ),
)


def inferences() -> pd.DataFrame:
    """What we conclude, published as inference and never as fact."""
    return _frame(INFERENCES)


# ----------------------------------------------------------------------------------------------------------- deviations


@dataclass(frozen=True)
class Deviation:
    """Where this project does something else than the paper, or fills in what the paper leaves open."""

    id: str
    where: str
    paper: str
    strength: Strength
    ours: str
    why: str
    expected_effect: str


DEVIATIONS = (
    Deviation(
        "sources",
        "all pages",
        "the full text of the second version",
        "choice",
        "the poster, the official code, public reviews and secondary notes",
        "the full text could not be had",
        "settings that it alone states may differ from ours",
    ),
    Deviation(
        "data",
        "all stages",
        "CV-Cities: real panoramas and satellite tiles of 16 cities",
        "S",
        "a synthetic world drawn from real facts (mini profile); real sets through the same loader",
        "no imagery can be shipped, and everything must run offline",
        "absolute numbers do not compare; orderings and dynamics may",
    ),
    Deviation(
        "model",
        "all stages",
        "Qwen2.5-VL-7B",
        "S",
        "the same architecture with a few million parameters (mini profile)",
        "two CPU cores",
        "no world knowledge beyond what the base was taught",
    ),
    Deviation(
        "one base",
        "all stages, mini profile",
        "one base model, pre-trained on much of the web",
        "S",
        "one base model of our own, one seed; all systems start from it",
        "a base takes longer than all that is trained from it",
        "the spread between bases is in no interval",
    ),
    Deviation(
        "words without geography",
        "base, SFT and GRPO, mini profile",
        "chains of thought name what tells countries apart (script, driving side, plants)",
        "S",
        "the six attributes that both views share (cover, roof, water, road, trees, houses) hardly depend on the place",
        "they were chosen to be seen from both sides",
        "what pairing can sharpen cannot improve geolocation, whatever the model does",
    ),
    Deviation(
        "geography without thinking",
        "evaluation, mini profile",
        "all systems think before they answer",
        "S",
        "base and Zero name a place in six tokens, without thinking; SFT and R1 think in nearly constant words",
        "the base was taught places as short answers",
        "better thinking cannot reach the place that is named",
    ),
    Deviation(
        "no spatial autocorrelation",
        "the synthetic world",
        "real neighbourhoods look alike over kilometres",
        "I",
        "attributes of two places of one city differ about as often as those of any two places",
        "each place is drawn by itself",
        "negatives of one neighbourhood are hardly harder than random ones",
    ),
    Deviation(
        "vision tower",
        "SFT and GRPO, mini profile",
        "trained with the rest",
        "V",
        "frozen",
        "with it trained, the noise of its gradient ruins the policy before a reward is found (results/LOG.md)",
        "what is seen stays as it was; reinforcement changes only what is made of it",
    ),
    Deviation(
        "length weight",
        "GRPO, mini profile",
        "the length reward counts as much as the others",
        "V",
        "weight 0; runs of their own have it (make ablations)",
        "its curve is made for 1,024 tokens; between wrong answers of twenty a group's spread makes much of nothing",
        "higher accuracy and longer answers than with it (results/LOG.md)",
    ),
    Deviation(
        "wording",
        "prompts",
        "the questions are not published",
        "choice",
        "our wording; official scheme of turns and image order",
        "the data file could not be had",
        "unknown; small for trained models",
    ),
    Deviation(
        "candidates",
        "prompts, pairs",
        "k is not published",
        "I",
        "k = 5 by default",
        "19 % is called nearly random",
        "chance level shifts with k",
    ),
    Deviation(
        "letters",
        "rewards, mode paper",
        "the official code reads few spellings of a letter",
        "V",
        "any unambiguous spelling counts; two letters never do",
        "a right answer should not be paid as a wrong one",
        "accuracy can only rise for the same completions that name one letter",
    ),
    Deviation(
        "format",
        "rewards, mode paper",
        "whitespace around the completion already fails",
        "V",
        "outer whitespace is ignored; each tag must occur exactly once and hold something",
        "a final newline is no fault of format, an empty thought is",
        "small",
    ),
    Deviation(
        "length",
        "rewards, mode paper",
        "right and wrong answers get the same length reward, periodic past 1,024 tokens",
        "V",
        "wrong answers on their own curve; clamped",
        "the code's own constants say so",
        "measured in the ablation",
    ),
    Deviation(
        "repetition_json",
        "rewards, mode released",
        "broken JSON in a code fence is repaired before its items are counted",
        "V",
        "only valid JSON is counted",
        "a path of the detection recipe that pairing answers do not take",
        "none",
    ),
    Deviation(
        "teacher",
        "data engine",
        "teacher model and prompts are not published",
        "choice",
        "a template teacher over true facts; any served model as an option",
        "nothing else is reproducible offline",
        "less varied language",
    ),
    Deviation(
        "sft_settings",
        "SFT",
        "learning rate and epochs are not published",
        "choice",
        "set on the validation split",
        "not published",
        "unknown",
    ),
    Deviation(
        "geocoder",
        "geolocation",
        "a commercial map service (GLOBE); unknown for Geo-R1",
        "S",
        "an embedded gazetteer",
        "offline and repeatable",
        "largest within 1 km",
    ),
    Deviation(
        "prefix",
        "GRPO",
        "the prompt is computed once per completion",
        "V",
        "once per group",
        "time; the numbers are the same",
        "none: equal to rounding, tested",
    ),
)


def deviations() -> pd.DataFrame:
    """Our deviations, in the order in which a reader meets them."""
    return _frame(DEVIATIONS)


# ----------------------------------------------------------------------------------------------------------- arithmetic


def possible_counts(percent: float, n: int, decimals: int) -> range:
    """The numbers of right answers out of ``n`` that round to ``percent`` at ``decimals`` places; empty if there are
    none.

    Exact arithmetic; a tie counts for both neighbours, since the rounding rule is unknown.
    """
    if n <= 0:
        raise ValueError(f"n is the number of questions and must be positive, got {n}")
    written = Fraction(f"{percent:.{decimals}f}")
    half = Fraction(1, 2 * 10**decimals)
    low = -(-(written - half) * n // 100)  # ceiling
    high = (written + half) * n // 100
    return range(max(0, int(low)), min(n, int(high)) + 1)


def check_rounding(percent: float, n: int, decimals: int = TABLE1_DECIMALS) -> bool:
    """Can ``percent`` be the rounded share of a whole number of ``n`` questions?"""
    return len(possible_counts(percent, n, decimals)) > 0


def possible_sizes(percents: Sequence[float], decimals: int, largest: int) -> list[int]:
    """The test-set sizes up to ``largest`` for which every one of ``percents`` is possible."""
    return [n for n in range(1, largest + 1) if all(check_rounding(percent, n, decimals) for percent in percents)]


def rounding() -> pd.DataFrame:
    """Every percentage of Table 1 against its 12,000 questions: is it possible, and by how many counts?"""
    import pandas as pd

    rows = []
    for row in TABLE1:
        for column in THRESHOLDS_KM:
            percent = getattr(row, column)
            counts = possible_counts(percent, TABLE1_QUESTIONS, TABLE1_DECIMALS)
            rows.append({"method": row.method, "column": column, "percent": percent, "possible_counts": len(counts)})
    return pd.DataFrame(rows)


# ------------------------------------------------------------------------------------------------------------- Markdown


def markdown(rows: pd.DataFrame | Iterable, columns: Sequence[str] | None = None) -> str:
    """A Markdown table from a DataFrame or a sequence of the records above; text is escaped, None an empty cell."""
    if hasattr(rows, "to_dict"):
        records, names = rows.to_dict("records"), list(rows.columns)
    else:
        rows = list(rows)
        names = [field.name for field in fields(rows[0])] if rows else []
        records = [{name: getattr(row, name) for name in names} for row in rows]
    names = list(columns or names)
    lines = [" | ".join(name.replace("_", " ") for name in names), " | ".join("---" for _ in names)]
    lines += [" | ".join(_cell(record[name]) for name in names) for record in records]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(_cell, value))
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
