"""Tiny random checkpoints in the layouts that published models have on disk, for dry runs and tests.

    qwen2_5_vl(folder)   as Qwen/Qwen2.5-VL-7B-Instruct: a flat config of transformers 4, weights in shards with their
                         index and the names of that time, a text-only tool template with the tokenizer and the one with
                         images in chat_template.json, two end tokens in generation_config.json
    internvl(folder)     as OpenGVLab/InternVL3-8B-hf: nested config, template in chat_template.jinja, named special
                         tokens
    qwen3_vl(folder)     as Qwen/Qwen3-VL-4B-Instruct

Files, keys and values are those of the published repositories, as far as sizes allow; the weights are random, so what
such a model answers says nothing. Its tokenizer reads any text, byte by byte. Returned is the folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoModelForImageTextToText, PreTrainedConfig, Qwen2Tokenizer
from transformers.models.internvl import InternVLConfig
from transformers.models.qwen2_5_vl import Qwen2_5_VLConfig
from transformers.models.qwen3_vl import Qwen3VLConfig

from georeplicate import files
from georeplicate.model.processors import CHAT_TEMPLATE, SPECIAL_TOKENS

SHARDS = 2
# As with the tokenizer of Qwen2.5-VL: for texts and tools, and silent about images.
TEXT_TEMPLATE = (
    "{%- if tools %}{{- '<|im_start|>system\\n# Tools\\n' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}"
    "{{- '<|im_end|>\\n' }}{%- endif %}{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + "
    "message.content + '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- endif %}"
)
_CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_TEXT = dict(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=128_000,
    rms_norm_eps=1e-6,
    hidden_act="silu",
)


def qwen2_5_vl(folder: str | Path, seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> Path:
    """As Qwen/Qwen2.5-VL-7B-Instruct; one visual token is 28 x 28 pixels there and here."""
    folder = Path(folder)
    ids = _tokenizer(folder, SPECIAL_TOKENS, TEXT_TEMPLATE)
    config = _qwen_ids(ids) | _TEXT
    config |= {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "max_window_layers": 2,
        "rope_theta": 1_000_000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "sliding_window": 32_768,
        "use_sliding_window": False,
        "tie_word_embeddings": False,
        "torch_dtype": _name(dtype),
        "transformers_version": "4.41.2",
        "vocab_size": len(ids) + 24,  # the published embedding has more rows than the tokenizer has tokens
        "vision_config": {
            "depth": 2,
            "fullatt_block_indexes": [1],
            "hidden_act": "silu",
            "hidden_size": 32,
            "in_chans": 3,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": _TEXT["hidden_size"],
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
            "tokens_per_second": 2,
            "window_size": 112,
        },
    }
    _json(folder, "config.json", config)
    _json(folder, "chat_template.json", {"chat_template": CHAT_TEMPLATE})
    _json(folder, "preprocessor_config.json", _qwen_pictures("Qwen2_5_VLProcessor", 14, _CLIP))
    _json(folder, "generation_config.json", _ending(ids, "<|im_end|>", "<|endoftext|>"))
    old = {r"^model\.visual\.": "visual.", r"^model\.language_model\.": "model."}  # as transformers 4.49 named them
    return _weights(folder, Qwen2_5_VLConfig(**config), seed, dtype, old)


def qwen3_vl(folder: str | Path, seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> Path:
    """As Qwen/Qwen3-VL-4B-Instruct; one visual token is 32 x 32 pixels there and here."""
    folder = Path(folder)
    ids = _tokenizer(folder, SPECIAL_TOKENS, CHAT_TEMPLATE)
    config = _qwen_ids(ids) | {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "tie_word_embeddings": True,
        "transformers_version": "4.57.0.dev0",
        "text_config": _TEXT
        | {
            "model_type": "qwen3_vl_text",
            "dtype": _name(dtype),
            "head_dim": 16,
            "vocab_size": len(ids),
            "rope_theta": 5_000_000,
            "rope_scaling": {"mrope_interleaved": True, "mrope_section": [4, 2, 2], "rope_type": "default"},
            "tie_word_embeddings": True,
        },
        "vision_config": {
            "model_type": "qwen3_vl",
            "deepstack_visual_indexes": [0, 1],
            "depth": 2,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": 32,
            "in_channels": 3,
            "intermediate_size": 64,
            "num_heads": 2,
            "num_position_embeddings": 64,
            "out_hidden_size": _TEXT["hidden_size"],
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
    }
    _json(folder, "config.json", config)
    _json(folder, "chat_template.json", {"chat_template": CHAT_TEMPLATE})
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    _json(folder, "preprocessor_config.json", _qwen_pictures("Qwen3VLProcessor", 16, half))
    _json(folder, "generation_config.json", _ending(ids, "<|im_end|>", "<|endoftext|>"))
    return _weights(folder, Qwen3VLConfig(**json.loads(json.dumps(config))), seed, dtype, {})


INTERNVL_TOKENS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
_INTERNVL_TEMPLATE = CHAT_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<IMG_CONTEXT>")


def internvl(folder: str | Path, seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> Path:
    """As OpenGVLab/InternVL3-8B-hf; a picture is one tile of 56 x 56 pixels and 4 visual tokens (448 and 256 there)."""
    plain = SPECIAL_TOKENS[:3]
    folder = Path(folder)
    ids = _tokenizer(folder, (*plain, *INTERNVL_TOKENS.values()), _INTERNVL_TEMPLATE, INTERNVL_TOKENS)
    config: dict[str, Any] = {
        "architectures": ["InternVLForConditionalGeneration"],
        "model_type": "internvl",
        "downsample_ratio": 0.5,
        "image_seq_length": 4,
        "image_token_id": ids["<IMG_CONTEXT>"],
        "projector_hidden_act": "gelu",
        "torch_dtype": _name(dtype),
        "transformers_version": "4.52.0.dev0",
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        "text_config": _TEXT
        | {
            "model_type": "qwen2",
            "architectures": ["Qwen2ForCausalLM"],
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "rope_theta": 1_000_000.0,
            "tie_word_embeddings": False,
            "torch_dtype": _name(dtype),
            "use_sliding_window": False,
            "vocab_size": len(ids),
        },
        "vision_config": {
            "model_type": "internvl_vision",
            "hidden_size": 32,
            "image_size": [56, 56],
            "intermediate_size": 64,
            "num_attention_heads": 2,
            "num_channels": 3,
            "num_hidden_layers": 2,
            "patch_size": [14, 14],
        },
    }
    _json(folder, "config.json", config)
    pictures = {
        "crop_to_patches": False,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_processor_type": "GotOcr2ImageProcessorFast",
        "max_patches": 12,
        "min_patches": 1,
        "processor_class": "InternVLProcessor",
        "resample": 3,
        "size": {"height": 56, "width": 56},
    }
    _json(folder, "preprocessor_config.json", pictures | _IMAGENET)
    _json(folder, "processor_config.json", {"image_seq_length": 4, "processor_class": "InternVLProcessor"})
    files.write_bytes(folder / "chat_template.jinja", _INTERNVL_TEMPLATE.encode())
    _json(folder, "generation_config.json", _ending(ids, "<|im_end|>", "<|endoftext|>"))
    old = {
        r"^model\.language_model\.": "language_model.model.",
        r"^lm_head\.": "language_model.lm_head.",
        r"^model\.(vision_tower|multi_modal_projector)\.": r"\1.",
    }
    return _weights(folder, InternVLConfig(**json.loads(json.dumps(config))), seed, dtype, old)


# --- their parts -----------------------------------------------------------------------------------------------------


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _json(folder: Path, name: str, value: Mapping[str, Any]) -> None:
    files.write_json(folder / name, value)


def _qwen_ids(ids: Mapping[str, int]) -> dict[str, Any]:
    return {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
    }


def _qwen_pictures(processor: str, patch: int, scale: Mapping[str, list[float]]) -> dict[str, Any]:
    return {
        "image_processor_type": "Qwen2VLImageProcessorFast" if patch == 16 else "Qwen2VLImageProcessor",
        "merge_size": 2,
        "min_pixels": (2 * patch) ** 2 * 4,
        "max_pixels": (2 * patch) ** 2 * 16_384,
        "patch_size": patch,
        "processor_class": processor,
        "temporal_patch_size": 2,
        **scale,
    }


def _ending(ids: Mapping[str, int], *ends: str) -> dict[str, Any]:
    return {
        "bos_token_id": ids["<|endoftext|>"],
        "do_sample": True,
        "eos_token_id": [ids[name] for name in ends],
        "pad_token_id": ids["<|endoftext|>"],
        "repetition_penalty": 1.05,
        "temperature": 0.000001,
    }


def _tokenizer(
    folder: Path, special: tuple[str, ...], template: str, named: Mapping[str, str] | None = None
) -> dict[str, int]:
    """A byte-level tokenizer's files; {token: id}."""
    vocabulary = {piece: i for i, piece in enumerate(sorted(ByteLevel.alphabet()))}
    made = Qwen2Tokenizer(vocab=vocabulary, merges=[], eos_token="<|im_end|>", pad_token="<|endoftext|>")
    made.add_special_tokens({"additional_special_tokens": [name for name in special if name not in vocabulary]})
    folder.mkdir(parents=True, exist_ok=True)
    made.save_pretrained(folder)
    ids = made.get_vocab()
    added = {
        str(ids[name]): {"content": name, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                         "special": True}
        for name in special
    }  # fmt: skip
    config: dict[str, Any] = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": [name for name in special if name != "<|endoftext|>"],
        "bos_token": None,
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 131_072,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    if named:
        config |= {"extra_special_tokens": dict(named), **named}
    for name in ("chat_template.jinja", "special_tokens_map.json", "added_tokens.json"):
        (folder / name).unlink(missing_ok=True)
    _json(folder, "tokenizer_config.json", config)
    _json(folder, "vocab.json", vocabulary)
    files.write_bytes(folder / "merges.txt", b"#version: 0.2\n")
    return ids


def _weights(folder: Path, config: PreTrainedConfig, seed: int, dtype: torch.dtype, renamed: Mapping[str, str]) -> Path:
    """Random weights in SHARDS files with their index, under the names that the published files have."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForImageTextToText.from_config(config)
    tensors = {}
    for name, value in model.state_dict().items():
        if config.tie_word_embeddings and name == "lm_head.weight":
            continue
        for old, new in renamed.items():
            name = re.sub(old, new, name)
        tensors[name] = value.to(dtype).contiguous()
    names = list(tensors)
    parts = [names[i * len(names) // SHARDS : (i + 1) * len(names) // SHARDS] for i in range(SHARDS)]
    where: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        shard = f"model-{number:05d}-of-{SHARDS:05d}.safetensors"
        save_file({name: tensors[name] for name in part}, folder / shard, metadata={"format": "pt"})
        where |= dict.fromkeys(part, shard)
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    _json(folder, "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": where})
    return folder
