"""One notation for four places: the formulas, our code, TRL, and the official code call the same things differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from georeplicate.paper.sources import frame_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Symbol:
    """A symbol and its names. ``profile``: a field of ``Profile``; ``loss``: an argument of ``grpo.loss`` or
    ``grpo.group_advantages``; ``trl``: a field of ``GRPOConfig``; ``official``: the name in the official trainer. ""
    where a place has no name for it."""

    symbol: str
    meaning: str
    profile: str = ""
    loss: str = ""
    trl: str = ""
    official: str = ""


NOTATION = (
    Symbol("q", "a question: pictures and words", official="prompts"),
    Symbol("oᵢ", "completion i of a question; its tokens are oᵢ,ₜ", official="completion_ids"),
    Symbol("k", "aerial tiles to choose from", profile="k"),
    Symbol("G", "completions of one question", profile="group_size", trl="num_generations", official="num_generations"),
    Symbol("rᵢ", "reward of completion i", loss="rewards", official="rewards"),
    Symbol("Aᵢ", "advantage: reward compared with its group", loss="advantages", official="advantages"),
    Symbol("δ", "added to the standard deviation", loss="eps"),
    Symbol("log π", "log-probability of a token, policy being trained", loss="logprobs", official="per_token_logps"),
    Symbol("log π_old", "of the policy that sampled", loss="old", official="old_per_token_logps"),
    Symbol("log π_ref", "of the policy that training began with", loss="reference", official="ref_per_token_logps"),
    Symbol("ρ", "ratio π / π_old", official="coef_1"),
    Symbol("ε", "how far the ratio may leave 1", profile="epsilon", loss="clip", trl="epsilon", official="epsilon_low"),
    Symbol("β", "weight of the KL term", profile="beta", loss="beta", trl="beta", official="beta"),
    Symbol(
        "T", "temperature of sampling", profile="temperature", trl="temperature", official="generation_config"
    ),
    Symbol("μ", "updates on one batch", profile="num_iterations", trl="num_iterations", official="num_iterations"),
    Symbol("η", "learning rate", profile="learning_rate", trl="learning_rate", official="learning_rate"),
    Symbol("|o|", "longest completion, in tokens", profile="max_completion_length", loss="longest",
           trl="max_completion_length", official="max_completion_length"),
)  # fmt: skip


def notation() -> pd.DataFrame:
    """The bridge: symbol, meaning, and its name in our profile, our loss, TRL and the official trainer."""
    return frame_of(NOTATION)
