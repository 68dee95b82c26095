"""The shared-prefix kernel: every prompt is computed once, however many completions hang on it.

GRPO samples G completions of one prompt. Repeating the prompt for each of them repeats its images and its attention
G times; here prompts and completions lie in one packed row instead::

    [ prompt 0 | prompt 1 | ... | completion 0 of prompt 0 | completion 1 of prompt 0 | ... ]

Two-part attention keeps this equal to the repeated computation: a prompt attends to itself, causally; a completion
attends to the one copy of its prompt and, causally, to itself. The positions of every completion restart right after
its prompt (for Qwen2.5-VL in all three axes of M-RoPE). The model's code is untouched: the attention enters through
`transformers.AttentionInterface`, and all that is not attention works on single tokens anyway.

`logprobs` is the kernel (differentiable), `logprobs_repeated` its naive twin, `generate` the same idea for sampling.
Padding never reaches a linear layer: only real tokens are packed.

What the kernel needs: a causal decoder whose layers all see the whole past and whose attention can be exchanged, and,
for pictures, one of the layouts in `PICTURES`. `unsupported` says what a model lacks; such a model takes the plain path
(the naive twin and its own `generate`), which is slower and equally right, and one sentence in the log says so.

    prompts       encoded prompts and their rotary positions
    vision        the vision tower, once for each image
    attention     two-part attention on a packed row
    merged        the same by fused kernels
    support       which models this works with; exchanging their attention
    logprob       log-probabilities and entropies of completions, and their naive twin
    generation    completions of prompts, token by token
    sampling      how a token is drawn
    decoding      one step of the model, fast on a CPU
    graphs        such steps recorded and replayed on a GPU
"""

from georeplicate.model.shared_prefix.attention import ATTENTION
from georeplicate.model.shared_prefix.generation import generate
from georeplicate.model.shared_prefix.logprob import (
    logprobs,
    logprobs_and_entropies,
    logprobs_repeated,
    token_entropies,
    token_logprobs,
)
from georeplicate.model.shared_prefix.prompts import Prompts, positions
from georeplicate.model.shared_prefix.sampling import Sampling
from georeplicate.model.shared_prefix.support import PICTURES, decoder, disable, enable, unsupported
from georeplicate.model.shared_prefix.vision import image_features, remember_features

__all__ = [
    "ATTENTION",
    "PICTURES",
    "Prompts",
    "Sampling",
    "decoder",
    "disable",
    "enable",
    "generate",
    "image_features",
    "logprobs",
    "logprobs_and_entropies",
    "logprobs_repeated",
    "positions",
    "remember_features",
    "token_entropies",
    "token_logprobs",
    "unsupported",
]
