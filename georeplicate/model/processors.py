"""Processors: chat templates and special tokens; pictures come by `pictures.as_rgb`.

No video processor is needed (it would need torchvision): images go through the PIL image processor everywhere, so that
CPU and GPU see the same pixels.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import ClassVar

from transformers import (
    AutoImageProcessor,
    AutoProcessor,
    AutoTokenizer,
    InternVLProcessor,
    ProcessorMixin,
    Qwen2_5_VLProcessor,
    Qwen3VLProcessor,
)
from transformers.utils import cached_file

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


class _SavedAsPublished(ProcessorMixin):
    """A processor that is saved under the name of the published class it stands for: under its own, AutoProcessor
    would return a bare tokenizer."""

    published: ClassVar[type[ProcessorMixin]]

    def save_pretrained(self, save_directory, **kwargs):
        saved = super().save_pretrained(save_directory, **kwargs)
        self.image_processor.save_pretrained(save_directory)  # preprocessor_config.json, as published checkpoints have
        for name in ("processor_config.json", "tokenizer_config.json", "preprocessor_config.json"):
            path = Path(save_directory) / name
            if path.exists():
                content = json.loads(path.read_text())
                content["processor_class"] = self.published.__name__
                path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        return saved


class _QwenImageText(_SavedAsPublished):
    """What the processors of Qwen-VL do without a video processor."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None):
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


class ImageTextProcessor(_QwenImageText, Qwen2_5_VLProcessor):
    """Qwen2.5-VL's processor for images and text only: it takes no video processor."""

    published = Qwen2_5_VLProcessor


class Qwen3ImageTextProcessor(_QwenImageText, Qwen3VLProcessor):
    """Qwen3-VL's processor for images and text only."""

    published = Qwen3VLProcessor


class InternVLImageTextProcessor(_SavedAsPublished, InternVLProcessor):
    """InternVL's processor for images and text only. An image becomes one or more tiles of image_seq_length tokens."""

    published = InternVLProcessor

    def __init__(self, image_processor=None, tokenizer=None, image_seq_length: int = 256, chat_template=None):
        self.image_seq_length = image_seq_length
        self.start_image_token, self.end_image_token = tokenizer.start_image_token, tokenizer.end_image_token
        self.start_image_token_id = tokenizer.start_image_token_id
        self.end_image_token_id = tokenizer.end_image_token_id
        self.image_token, self.image_token_id = tokenizer.context_image_token, tokenizer.context_image_token_id
        self.video_token = tokenizer.video_token
        self.multimodal_pattern = re.compile(f"(?P<image>{re.escape(self.image_token)})")
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def load_processor(name: str, model_type: str) -> ProcessorMixin:
    """The processor of a checkpoint, by its folder or hub name, for images and text; raises what transformers raises.

    model_type: as in its config; of the families with a class here no video processor is needed.
    """
    if model_type not in ("qwen2_5_vl", "qwen3_vl", "internvl"):
        processor = AutoProcessor.from_pretrained(name, backend="pil")
    else:
        parts = AutoImageProcessor.from_pretrained(name, backend="pil"), AutoTokenizer.from_pretrained(name)
        options = {"chat_template": image_template(name, parts[1].chat_template)}
        if model_type == "qwen2_5_vl":
            processor = ImageTextProcessor(*parts, **options)
        elif model_type == "qwen3_vl":
            processor = Qwen3ImageTextProcessor(*parts, **options)
        else:
            stored = InternVLProcessor.get_processor_dict(name)[0]
            processor = InternVLImageTextProcessor(*parts, stored.get("image_seq_length", 256), **options)
    processor.tokenizer.padding_side = "left"  # right padding gives silently wrong M-RoPE positions in generation
    return processor


def image_template(name: str, of_tokenizer: str | None) -> str | None:
    """The chat template that knows images. Qwen2.5-VL's repositories keep a text-only one with the tokenizer and the
    one with images apart, in chat_template.json or chat_template.jinja, and so do exports of them.

    The tokenizer's own where none of them mentions images: encoding a prompt with images then says what is wrong.
    """
    for file in ("chat_template.jinja", "chat_template.json"):
        path = cached_file(
            name, file, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False
        )
        if path is None:
            continue
        text = Path(path).read_text(encoding="utf-8")
        found = json.loads(text)["chat_template"] if file.endswith(".json") else text
        if "image" in found:
            return found
    return of_tokenizer
