"""The policy: a vision-language model with its processor, whatever its size.

`load` opens a checkpoint directory or a hub name (Qwen2.5-VL, InternVL3, our mini policy), `build` makes a new mini
policy: a real `Qwen2_5_VLForConditionalGeneration` of a few million parameters, saved in the real on-disk format, so
that everything written for it also runs on the 7B. A `Policy` encodes questions, generates answers (each prompt is
prefilled once) and scores them.

No video processor is needed (it would need torchvision): images go through the PIL image processor everywhere, so
that CPU and GPU see the same pixels.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import struct
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    InternVLProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from georeplicate.model import shared_prefix
from georeplicate.model.checkpoint import MANIFEST, CheckpointError, verify_manifest, write_manifest

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
UNKNOWN = "<|unknown|>"
ROLES = ("system", "user", "assistant")
_IMAGE_SIZES = ("image_grid_thw", "num_patches")  # what image processors say about each image

# Qwen2-VL's chat format: images become <|vision_start|><|image_pad|><|vision_end|>; no default system turn, as the
# paper's prompts have one user turn only.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\n' }}
{%- if message['content'] is string -%}
{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}
{{ '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- elif part['type'] == 'text' -%}
{{ part['text'] }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{ '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\n' }}
{%- endif -%}
"""


class _SavedAsItsParent(ProcessorMixin):
    def save_pretrained(self, save_directory, **kwargs):
        """Saved under the name of the class it stands for: under its own, AutoProcessor returns a bare tokenizer."""
        saved = super().save_pretrained(save_directory, **kwargs)
        self.image_processor.save_pretrained(save_directory)  # preprocessor_config.json, as published checkpoints have
        for name in ("processor_config.json", "tokenizer_config.json", "preprocessor_config.json"):
            path = Path(save_directory) / name
            if path.exists():
                content = json.loads(path.read_text())
                content["processor_class"] = type(self).__mro__[2].__name__
                path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        return saved


class ImageTextProcessor(_SavedAsItsParent, Qwen2_5_VLProcessor):
    """Qwen2.5-VL's processor for images and text only: it takes no video processor."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None):
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


class InternVLImageTextProcessor(_SavedAsItsParent, InternVLProcessor):
    """InternVL's processor for images and text only. An image becomes one or more tiles of image_seq_length tokens."""

    def __init__(self, image_processor=None, tokenizer=None, image_seq_length: int = 256, chat_template=None):
        self.image_seq_length = image_seq_length
        self.start_image_token, self.end_image_token = tokenizer.start_image_token, tokenizer.end_image_token
        self.start_image_token_id = tokenizer.start_image_token_id
        self.end_image_token_id = tokenizer.end_image_token_id
        self.image_token, self.image_token_id = tokenizer.context_image_token, tokenizer.context_image_token_id
        self.video_token = tokenizer.video_token
        self.multimodal_pattern = re.compile(f"(?P<image>{re.escape(self.image_token)})")
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


@dataclass
class Answers:
    """Completions of N prompts, G each, in prompt order: texts[i * G + g] answers prompt i."""

    ids: list[list[list[int]]]
    texts: list[str]
    lengths: list[int]
    finished: list[bool]


@dataclass
class Policy:
    """A model with its processor. `encode` -> `generate` / `logprobs` / `decode`."""

    model: PreTrainedModel
    processor: ProcessorMixin

    @property
    def tokenizer(self):
        return self.processor.tokenizer

    @property
    def eos_token_ids(self) -> list[int]:
        """All tokens that end an answer: the tokenizer's and those the model's generation config names."""
        declared = self.model.generation_config.eos_token_id
        declared = declared if isinstance(declared, list) else [declared]
        return sorted({self.tokenizer.eos_token_id, *declared} - {None})

    @property
    def suppressed(self) -> list[int]:
        """Tokens that an answer must not contain: sampling an image placeholder would need an image behind it."""
        ending = set(self.eos_token_ids)
        names = {*SPECIAL_TOKENS, UNKNOWN, *_tokens_around_images(self.processor)}
        found = self.tokenizer.get_added_vocab()
        vocabulary = found if UNKNOWN in found else {**found, **_lookup(self.tokenizer, (UNKNOWN,))}
        return sorted(i for name, i in vocabulary.items() if name in names and i not in ending)

    def pixels(self, images: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        """Preprocessed images: {"pixel_values"} and what the processor says about their sizes ("image_grid_thw" or
        "num_patches"); a row may carry this under "pixels" instead of "images", so that long runs in memory preprocess
        every image once. ValueError for processors whose images need more than that."""
        options = getattr(type(self.processor), "images_kwargs", {})
        made = dict(self.processor.image_processor([as_rgb(image) for image in images], return_tensors="pt", **options))
        if more := sorted(made.keys() - {"pixel_values", *_IMAGE_SIZES}):
            raise ValueError(
                f"the images of {type(self.processor).__name__} come with {', '.join(more)}, which a batch of prompts "
                f"cannot carry; model families that work: {', '.join(shared_prefix.PICTURES)}"
            )
        return made

    def text(self, row: dict[str, Any]) -> str:
        """The chat-formatted prompt of a row: images first, then the text, then the assistant's turn is opened."""
        count = _count(row["pixels"]) if row.get("pixels") is not None else len(row.get("images") or [])
        return self.processor.apply_chat_template([user_turn(row["prompt"], count)], add_generation_prompt=True)

    def encode(self, rows: Iterable[dict[str, Any]]) -> shared_prefix.Prompts:
        """Rows {images or pixels, prompt} -> left-padded tensors. Words outside the vocabulary raise ValueError."""
        rows = list(rows)
        pixels = [
            row["pixels"]
            if row.get("pixels") is not None
            else self.pixels(row["images"])
            if row.get("images")
            else None
            for row in rows
        ]
        texts = [self._expanded(row, seen) for row, seen in zip(rows, pixels, strict=True)]
        start = self.tokenizer.bos_token  # written by the chat template or, failing that, by the tokenizer
        ids = self.tokenizer(texts, add_special_tokens=bool(start) and not texts[0].startswith(start))["input_ids"]
        for row, sequence in zip(rows, ids, strict=True):
            self._refuse_unknown(sequence, row["prompt"])
        width = max(map(len, ids))
        pad = self.tokenizer.pad_token_id
        input_ids = torch.tensor([[pad] * (width - len(s)) + s for s in ids])
        mask = torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in ids])
        seen = [p for p in pixels if p]
        grids = [p["image_grid_thw"] for p in seen if "image_grid_thw" in p]
        counted = "image_grid_thw" if grids else "pixel_values"
        return shared_prefix.Prompts(
            input_ids=input_ids,
            attention_mask=mask,
            mm_token_type_ids=((input_ids == self.processor.image_token_id) & mask.bool()).long(),
            pixel_values=torch.cat([p["pixel_values"] for p in seen]) if seen else None,
            image_grid_thw=torch.cat(grids) if grids else None,
            images=[len(p[counted]) if p else 0 for p in pixels],
        ).to(self.model.device)

    def _expanded(self, row: dict[str, Any], pixels: dict[str, torch.Tensor] | None) -> str:
        """The prompt's text with as many image tokens as the model makes features of each image."""
        if pixels is None:
            return self.text(row)
        sizes = {name: value.numpy() if name in _IMAGE_SIZES else value for name, value in pixels.items()}
        order = itertools.count()
        return re.sub(
            re.escape(self.processor.image_token),
            lambda _: self.processor.replace_image_token(sizes, next(order)),
            self.text(row),
        )

    def completion_ids(self, text: str) -> list[int]:
        """Token ids of an answer, closed by the end-of-turn token."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        self._refuse_unknown(ids, text)
        return [*ids, self.tokenizer.eos_token_id]

    def _refuse_unknown(self, ids: list[int], text: str) -> None:
        if self.tokenizer.unk_token_id is None or self.tokenizer.unk_token_id not in ids:
            return
        known = set(self.tokenizer.get_vocab())
        words = self.tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)
        unknown = sorted({word for word, _ in words if word not in known})
        raise ValueError(
            f"the policy's vocabulary lacks {unknown} in {text!r}; write the text with known words or build the "
            "policy with these words in its vocabulary"
        )

    def generate(
        self,
        rows: Iterable[dict[str, Any]] | shared_prefix.Prompts,
        *,
        num_generations: int = 1,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int = 0,
        generator: torch.Generator | None = None,
        seeds: Sequence[Sequence[int]] | None = None,
        batch_size: int = 64,
    ) -> Answers:
        """Answers of all rows, `batch_size` prompts at a time; temperature 0 decodes greedily. seeds: one for each row
        (any number of integers), so that a row's answers depend on no other row; else `generator` draws for all."""
        if isinstance(rows, shared_prefix.Prompts):
            batches = [
                rows.select(list(range(i, min(i + batch_size, len(rows))))) for i in range(0, len(rows), batch_size)
            ]
        else:
            rows = list(rows)
            batches = (self.encode(rows[i : i + batch_size]) for i in range(0, len(rows), batch_size))
        training = self.model.training
        self.model.eval()
        ids: list[list[list[int]]] = []
        for prompts in batches:
            here = None if seeds is None else seeds[len(ids) : len(ids) + len(prompts)]
            ids += shared_prefix.generate(
                self.model,
                prompts,
                num_generations=num_generations,
                max_new_tokens=max_new_tokens,
                eos_token_ids=self.eos_token_ids,
                suppressed=self.suppressed,
                temperature=temperature,
                top_k=top_k,
                generator=generator,
                seeds=here,
            )
        self.model.train(training)
        flat = [completion for group in ids for completion in group]
        ending = set(self.eos_token_ids)
        return Answers(
            ids=ids,
            texts=self.decode(flat),
            lengths=[len(completion) for completion in flat],
            finished=[bool(completion) and completion[-1] in ending for completion in flat],
        )

    def decode(self, completions: list[list[int]]) -> list[str]:
        return self.tokenizer.batch_decode(completions, skip_special_tokens=True)

    def logprobs(
        self, rows: Iterable[dict[str, Any]] | shared_prefix.Prompts, completions: list[list[list[int]]]
    ) -> torch.Tensor:
        """Token logprobs [R, C] of each row's completions (token ids); see `shared_prefix.logprobs`."""
        prompts = rows if isinstance(rows, shared_prefix.Prompts) else self.encode(rows)
        return shared_prefix.logprobs(self.model, prompts, completions)

    def save(self, path: str | os.PathLike) -> None:
        """A complete checkpoint directory with SHA-256 sums, or none at all: it appears under `path` at the end."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as work:
            new = Path(work) / "new"
            self.model.save_pretrained(new)
            self.processor.save_pretrained(new)
            write_manifest(new)
            if path.exists():
                path.rename(Path(work) / "old")
            new.rename(path)


def _tokens_around_images(processor: ProcessorMixin) -> set[str]:
    kinds = ("image_token", "start_image_token", "end_image_token", "video_token")
    return {getattr(processor, kind, None) for kind in kinds} - {None}


def _count(pixels: dict[str, torch.Tensor]) -> int:
    """How many images were preprocessed together."""
    return len(pixels[next((name for name in _IMAGE_SIZES if name in pixels), "pixel_values")])


def _lookup(tokenizer, names: Iterable[str]) -> dict[str, int]:
    vocabulary = tokenizer.get_vocab()
    return {name: vocabulary[name] for name in names if name in vocabulary}


def device() -> str:
    """ "cuda" if there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def user_turn(prompt: str, images: int) -> dict[str, Any]:
    """One user turn in chat form: all images first, in order, then the text (the paper's layout)."""
    return {"role": "user", "content": [*({"type": "image"} for _ in range(images)), {"type": "text", "text": prompt}]}


def as_rgb(image: Image.Image) -> Image.Image:
    """The picture as a person sees it: upright by its EXIF, transparency over white, whatever its mode.

    White and upright are what the published loaders of the model families make of such files too.
    """
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    except (OSError, SyntaxError, ValueError, struct.error):  # damaged EXIF turns nothing
        turned = False
    if turned:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of more than eight bits: Pillow cuts values off at 255. Sixteen bits are scaled as such; integers and
    fractions that fit into eight bits, or into 0..1, are taken for those."""
    values = np.asarray(image).astype(float)
    values = np.nan_to_num(values, nan=0.0, posinf=65535, neginf=0)
    highest = values.max(initial=0)
    if image.mode == "F" and highest <= 1:
        values = values * 255
    elif image.mode.startswith("I;16") or highest > 255:
        values = values / 257
    return Image.fromarray(np.clip(values.round(), 0, 255).astype(np.uint8))


# --------------------------------------------------------------------------------------------------------- on the disk


def load(path_or_name: str | os.PathLike, *, dtype: torch.dtype | str = "auto", device: str = "cpu") -> Policy:
    """Any Qwen2.5-VL- or InternVL3-like checkpoint, from a directory or by hub name.

    Raises CheckpointError when it is missing, incomplete or damaged (a SHA256SUMS file is checked when present).
    """
    name = str(path_or_name)
    local = Path(name)
    if local.exists():
        if not (local / "config.json").is_file():
            raise CheckpointError(f"{local} is no checkpoint: config.json is missing")
        if (local / MANIFEST).is_file():
            verify_manifest(local)
    elif name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise CheckpointError(f"there is no checkpoint at {name}; build it or give the name of a published model")
    try:
        config = AutoConfig.from_pretrained(name)
        model, info = AutoModelForImageTextToText.from_pretrained(name, dtype=dtype, output_loading_info=True)
        processor = _load_processor(name, config.model_type)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise CheckpointError(f"cannot load the checkpoint {name}: {error}") from error
    lost = sorted(info["missing_keys"]) + sorted(info["unexpected_keys"]) + sorted(map(str, info["mismatched_keys"]))
    if lost:
        raise CheckpointError(f"{name} does not fit its config: {len(lost)} weights differ, first {lost[0]}")
    return Policy(model.to(device).eval(), processor)


def _load_processor(name: str, model_type: str) -> ProcessorMixin:
    if model_type not in ("qwen2_5_vl", "internvl"):
        processor = AutoProcessor.from_pretrained(name, backend="pil")
    else:
        parts = AutoImageProcessor.from_pretrained(name, backend="pil"), AutoTokenizer.from_pretrained(name)
        options = {"chat_template": parts[1].chat_template}
        if model_type == "qwen2_5_vl":
            processor = ImageTextProcessor(*parts, **options)
        else:
            said = InternVLProcessor.get_processor_dict(name)[0]
            processor = InternVLImageTextProcessor(*parts, said.get("image_seq_length", 256), **options)
    processor.tokenizer.padding_side = "left"  # right padding gives silently wrong M-RoPE positions in generation
    return processor


# ----------------------------------------------------------------------------------------------------- the mini policy


def splitter() -> pre_tokenizers.PreTokenizer:
    """Words at spaces; punctuation stands alone, but a hyphen joins: "water-north" is one word."""
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
    ready = isinstance(vocabulary, PreTrainedTokenizerFast)
    tokenizer = vocabulary if ready else build_tokenizer(vocabulary)
    head_dim = hidden_size // heads
    temporal = head_dim // 8
    height = (head_dim // 2 - temporal) // 2
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
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
    return sum(p.numel() for p in model.parameters()) / 1e6
