"""New mini policies: a real Qwen2.5-VL of a few million parameters, over a word list, in the real on-disk format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from georeplicate.model.policy import Policy
from georeplicate.model.processors import CHAT_TEMPLATE, SPECIAL_TOKENS, UNKNOWN, ImageTextProcessor

ROLES = ("system", "user", "assistant")


def splitter() -> pre_tokenizers.PreTokenizer:
    """Words at spaces; punctuation stands alone, but a hyphen joins: "sun-north" is one word."""
    marks = pre_tokenizers.Split(Regex(r"[^\w\s\-]"), behavior="isolated")
    return pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), marks])


def build_tokenizer(vocabulary: Iterable[str]) -> PreTrainedTokenizerFast:
    """Word-level tokenizer over a word list, with Qwen's special tokens. Tags such as `<think>` stay whole."""
    words = list(dict.fromkeys([*ROLES, *vocabulary]))
    tags = [word for word in words if re.fullmatch(r"</?\w+>", word)]
    plain = [word for word in words if word not in tags]
    splits = splitter()
    for word in plain:
        pieces = [piece for piece, _ in splits.pre_tokenize_str(word)]
        if pieces != [word]:
            raise ValueError(f"the vocabulary entry {word!r} is not one word: it splits into {pieces}")
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate([UNKNOWN, *plain])}, unk_token=UNKNOWN))
    backend.pre_tokenizer = splits
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    backend.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in tags])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token=UNKNOWN,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def build(
    vocabulary: Iterable[str] | PreTrainedTokenizerFast,
    *,
    seed: int,
    hidden_size: int = 128,
    layers: int = 4,
    heads: int = 4,
    intermediate_size: int | None = None,
    vision_hidden_size: int = 96,
    vision_layers: int = 3,
    vision_heads: int = 3,
    vision_intermediate_size: int | None = None,
    patch_size: int = 8,
) -> Policy:
    """A new, untrained mini policy over a word list, or with a tokenizer of its own. Defaults: 1.5 M parameters.

    Sides of images should be multiples of 2 * patch_size pixels (they are resized otherwise). All vision blocks see
    the whole image. MLPs are 3 times as wide as their model unless given.
    """
    tokenizer = vocabulary if isinstance(vocabulary, PreTrainedTokenizerFast) else build_tokenizer(vocabulary)
    head_dim = hidden_size // heads
    temporal = head_dim // 8
    height = (head_dim // 2 - temporal) // 2
    ids: dict[str, Any] = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": hidden_size,
            "intermediate_size": intermediate_size or 3 * hidden_size,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [temporal, height, head_dim // 2 - temporal - height],
            },
            "bos_token_id": None,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={
            "depth": vision_layers,
            "hidden_size": vision_hidden_size,
            "intermediate_size": vision_intermediate_size or 3 * vision_hidden_size,
            "num_heads": vision_heads,
            "patch_size": patch_size,
            "spatial_merge_size": 2,
            "temporal_patch_size": 1,
            "window_size": 14 * patch_size,
            "fullatt_block_indexes": list(range(vision_layers)),
            "out_hidden_size": hidden_size,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    cell = (2 * patch_size) ** 2
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=patch_size, temporal_patch_size=1, merge_size=2, min_pixels=cell, max_pixels=1280 * cell
    )
    return Policy(model.eval(), ImageTextProcessor(image_processor, tokenizer, chat_template=CHAT_TEMPLATE))


def parameters_in_millions(model: PreTrainedModel) -> float:
    """How many weights a model has, in millions."""
    return sum(p.numel() for p in model.parameters()) / 1e6
