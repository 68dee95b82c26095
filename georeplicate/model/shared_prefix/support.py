"""Which models the kernel takes, and how their attention is exchanged for ours and back."""

from __future__ import annotations

import functools
import logging

import torch
from transformers import PreTrainedModel

from georeplicate.model.shared_prefix.attention import ATTENTION
from georeplicate.model.shared_prefix.prompts import Prompts, body, mrope

_log = logging.getLogger(__package__)

# Families whose pictures are tokens of a causal sequence and enter as pixel_values (and image_grid_thw) alone.
PICTURES = ("qwen2_5_vl", "internvl", "llava")
# transformers hands a vision tower's whole packed sequence, with its boundaries, only to implementations whose name
# contains "flash"; all others are called once per image, which is slow for many small images.
VISION_ATTENTION = "grouped_flash"


def qwen_vision(model: PreTrainedModel) -> bool:
    """Whether the model has a vision tower of the Qwen2.5-VL kind."""
    return hasattr(model.base_model, "visual") and hasattr(model.config.vision_config, "fullatt_block_indexes")


def unsupported(model: PreTrainedModel) -> str | None:
    """What keeps this model from the kernel, as the end of a sentence, or None if nothing does."""
    text = model.config.get_text_config()
    if not model._supports_attention_backend or model.config.is_encoder_decoder:
        return "its attention cannot be exchanged"
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"]) - {"full_attention"}
    if getattr(text, "sliding_window", None) and not hasattr(text, "layer_types"):
        kinds = {"sliding_attention"}
    if kinds:
        return f"some of its layers do not see the whole past ({', '.join(sorted(kinds))})"
    if getattr(text, "attn_logit_softcapping", None):
        return "it caps the attention's scores"
    if hasattr(model.config, "vision_config") and model.config.model_type not in PICTURES:
        return f"the way {model.config.model_type} lays out pictures is not known to it"
    return None


@functools.cache
def _say_once(sentence: str) -> None:
    _log.warning(sentence)


def shares(model: PreTrainedModel) -> bool:
    """Whether the kernel takes this model; what keeps it from that is logged once."""
    reason = unsupported(model)
    if reason:
        _say_once(f"{type(model).__name__} repeats its prompts, without the shared-prefix kernel: {reason}")
    return reason is None


def decoder(model: PreTrainedModel) -> PreTrainedModel:
    """The text decoder inside a language or vision-language model."""
    return model.get_decoder()


def enable(model: PreTrainedModel, attention: str = ATTENTION, vision_attention: str = VISION_ATTENTION) -> None:
    """Our attention in the decoder (and in Qwen's vision tower), for good: with gradient checkpointing it runs again
    during the backward pass. Plain calls of the model keep working, on PyTorch's own attention."""
    decoder(model).config._attn_implementation = attention
    if qwen_vision(model):
        body(model).visual.config._attn_implementation = vision_attention


def disable(model: PreTrainedModel) -> None:
    """PyTorch's own attention again, wherever ours was."""
    if decoder(model).config._attn_implementation == ATTENTION:
        enable(model, "sdpa", "sdpa")


def no_mask(device: torch.device) -> torch.Tensor:
    """A four-dimensional mask is taken as ready-made, so none is built for the packed row; ours ignores it."""
    return torch.zeros(1, 1, 1, 1, device=device)


def plain_inputs(model: PreTrainedModel, prompts: Prompts) -> dict[str, torch.Tensor]:
    """What a plain call of the model takes."""
    inputs = {name: value for name, value in vars(prompts).items() if isinstance(value, torch.Tensor)}
    if not mrope(model):
        del inputs["mm_token_type_ids"]
    return inputs
