"""The policy: a vision-language model with its processor, whatever its size.

`load` opens a checkpoint directory or a hub name (Qwen2.5-VL, InternVL3, our mini policy). A `Policy` encodes
questions, generates answers (each prompt is prefilled once) and scores them.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)

from georeplicate.model import hub, shared_prefix
from georeplicate.model.checkpoint import MANIFEST, CheckpointError, verify_manifest, writing
from georeplicate.model.pictures import as_rgb
from georeplicate.model.processors import SPECIAL_TOKENS, UNKNOWN, load_processor
from georeplicate.tasks.prompts import messages

_CONTENT = {"content", "tool_calls"}  # of which a message has one at least
_IMAGE_SIZES = ("image_grid_thw", "num_patches")  # what image processors say about each image


@dataclass
class Answers:
    """Completions of N prompts, G each, in prompt order: texts[i * G + g] answers prompt i."""

    ids: list[list[list[int]]]
    texts: list[str]
    lengths: list[int]
    finished: list[bool]


@dataclass
class Policy:
    """A model with its processor (a tokenizer, if it sees no pictures). `encode` -> `generate` / `logprobs` / `decode`.

    A row is {prompt, images or pixels}: the prompt is what the user says about the images, or the messages of a
    conversation with a slot {"type": "image"} for each of them. A row {text} is a prompt that no chat template touches.
    """

    model: PreTrainedModel
    processor: ProcessorMixin | PreTrainedTokenizerBase
    origin: str = ""  # "NAME@COMMIT" of a hub's model, the folder of any other; "" for one that was made in memory

    @property
    def tokenizer(self) -> Any:
        return getattr(self.processor, "tokenizer", self.processor)

    @property
    def _of_images(self) -> Any:
        """The processor, for what those of image models have beyond the base that transformers types."""
        return self.processor

    @property
    def _image_token_id(self) -> int:
        return getattr(self.processor, "image_token_id", None) or -1  # a tokenizer alone has none

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
        listed = isinstance(images, Sequence) and not isinstance(images, str | bytes)
        if not listed or (others := [image for image in images if not isinstance(image, Image.Image)]):
            given = type(others[0] if listed else images).__name__
            raise ValueError(f"images must be a list of pictures (PIL.Image), got {given}: open them first")
        options = getattr(type(self.processor), "images_kwargs", {})
        made = dict(self.processor.image_processor([as_rgb(image) for image in images], return_tensors="pt", **options))
        if more := sorted(made.keys() - {"pixel_values", *_IMAGE_SIZES}):
            raise ValueError(
                f"the images of {type(self.processor).__name__} come with {', '.join(more)}, which a batch of prompts "
                f"cannot carry; model families that work: {', '.join(shared_prefix.PICTURES)}"
            )
        return made

    def conversation(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """The messages of a row: one turn of the user, images first, unless its prompt is a conversation already."""
        if not isinstance(row["prompt"], str):
            return as_messages(row["prompt"])
        count = _count(row["pixels"]) if row.get("pixels") is not None else len(row.get("images") or [])
        return messages(row["prompt"], count)

    def text(self, row: dict[str, Any]) -> str:
        """The chat-formatted prompt of a row, in which the assistant's turn is opened; "text" is taken as it stands."""
        if "text" in row:
            return row["text"]
        return self._of_images.apply_chat_template(self.conversation(row), add_generation_prompt=True, tokenize=False)

    def encode(self, rows: Iterable[dict[str, Any]]) -> shared_prefix.Prompts:
        """Rows -> left-padded tensors. Words outside the vocabulary, a prompt without a token and no rows at all raise
        ValueError."""
        rows = list(rows)
        if not rows:
            raise ValueError("there are no rows to encode")
        pixels = [self._seen(row, number) for number, row in enumerate(rows)]
        texts = [self._expanded(row, seen) for row, seen in zip(rows, pixels, strict=True)]
        start = self.tokenizer.bos_token  # written by the chat template or, failing that, by the tokenizer
        ids = self.tokenizer(texts, add_special_tokens=bool(start) and not texts[0].startswith(start))["input_ids"]
        if not all(map(len, ids)):
            raise ValueError(f"row {[*map(len, ids)].index(0)} has an empty prompt: give it a text or messages")
        for row, sequence, text in zip(rows, ids, texts, strict=True):
            self._refuse_unknown(sequence, row["prompt"] if isinstance(row.get("prompt"), str) else text)
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
            mm_token_type_ids=((input_ids == self._image_token_id) & mask.bool()).long(),
            pixel_values=torch.cat([p["pixel_values"] for p in seen]) if seen else None,
            image_grid_thw=torch.cat(grids) if grids else None,
            images=[len(p[counted]) if p else 0 for p in pixels],
        ).to(self.model.device)

    def _seen(self, row: dict[str, Any], number: int) -> dict[str, torch.Tensor] | None:
        """What a row shows; ValueError names the row."""
        if row.get("pixels") is not None or not row.get("images"):
            return row.get("pixels")
        try:
            return self.pixels(row["images"])
        except ValueError as error:
            raise ValueError(f"row {row.get('id', number)}: {error}") from error

    def _expanded(self, row: dict[str, Any], pixels: dict[str, torch.Tensor] | None) -> str:
        """The prompt's text with as many image tokens as the model makes features of each image."""
        if pixels is None:
            return self.text(row)
        sizes = {name: value.numpy() if name in _IMAGE_SIZES else value for name, value in pixels.items()}
        order = itertools.count()
        return re.sub(
            re.escape(self._of_images.image_token),
            lambda _: self._of_images.replace_image_token(sizes, next(order)),
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
        for token in self.tokenizer.get_added_vocab():  # those of a chat template are no words
            text = text.replace(token, " ")
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
        top_p: float = 1.0,
        min_p: float | None = None,
        repetition_penalty: float = 1.0,
        generator: torch.Generator | None = None,
        seeds: Sequence[Sequence[int]] | None = None,
        batch_size: int = 64,
    ) -> Answers:
        """Answers of all rows, `batch_size` prompts at a time; temperature 0 decodes greedily, and tokens are drawn as
        `shared_prefix.Sampling` says. seeds: one for each row (any number of integers), so that a row's answers depend
        on no other row; else `generator` draws for all."""
        batches: Iterable[shared_prefix.Prompts]
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
        try:
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
                    top_p=top_p,
                    min_p=min_p,
                    repetition_penalty=repetition_penalty,
                    generator=generator,
                    seeds=here,
                )
        finally:
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
        if not completions:  # the tokenizer would take the empty list for one empty sequence
            return []
        return self.tokenizer.batch_decode(completions, skip_special_tokens=True)

    def logprobs(
        self, rows: Iterable[dict[str, Any]] | shared_prefix.Prompts, completions: list[list[list[int]]]
    ) -> torch.Tensor:
        """Token logprobs [R, C] of each row's completions (token ids); see `shared_prefix.logprobs`."""
        prompts = rows if isinstance(rows, shared_prefix.Prompts) else self.encode(rows)
        return shared_prefix.logprobs(self.model, prompts, completions)

    def save(self, path: str | os.PathLike, state: dict[str, torch.Tensor] | None = None) -> None:
        """A complete checkpoint directory with SHA-256 sums, or none at all: it appears under `path` at the end.

        state: the weights, where the model's own lie in shares."""
        with writing(path) as new:
            self.model.save_pretrained(new, state_dict=state)
            self.processor.save_pretrained(new)


def as_messages(prompt: Any) -> list[dict[str, Any]]:
    """The messages of a prompt; ValueError in one sentence where they are none."""
    listed = isinstance(prompt, Sequence) and not isinstance(prompt, str | bytes)
    if not listed or not all(isinstance(m, Mapping) and "role" in m and m.keys() & _CONTENT for m in prompt):
        raise ValueError(
            f"the prompt {reprlib.repr(prompt)} is no conversation: give a list of messages, each with a role and a "
            "content, or a text"
        )
    if not prompt:
        raise ValueError("the prompt is a conversation without a message: give at least one of the user")
    return list(prompt)


def _tokens_around_images(processor: ProcessorMixin | PreTrainedTokenizerBase) -> set[str]:
    kinds = ("image_token", "start_image_token", "end_image_token", "video_token")
    return {token for kind in kinds if (token := getattr(processor, kind, None)) is not None}


def _count(pixels: dict[str, torch.Tensor]) -> int:
    """How many images were preprocessed together."""
    return len(pixels[next((name for name in _IMAGE_SIZES if name in pixels), "pixel_values")])


def _lookup(tokenizer, names: Iterable[str]) -> dict[str, int]:
    vocabulary = tokenizer.get_vocab()
    return {name: vocabulary[name] for name in names if name in vocabulary}


def device() -> str:
    """ "cuda" if there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def evaluated_in(precision: str, device: str) -> torch.dtype | str:
    """The type of weights in which a policy is evaluated on a device: "auto", as they are stored, or on a GPU bf16, in
    which bases are published and answers are sampled in training. Policies that were trained whole are stored in fp32,
    and stay so if the profile's `precision` is "fp32"."""
    on_gpu = device.startswith("cuda")
    if not on_gpu or precision == "fp32" or (precision == "auto" and not torch.cuda.is_bf16_supported()):
        return "auto"
    return torch.bfloat16


def check_device(name: str) -> str:
    """The name again; ValueError in one sentence for what is no device, or is none of this machine."""
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or number and not number.isdecimal():
        raise ValueError(f"unknown device {name!r}: choose cpu or cuda, or leave it out")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {name} is not there: PyTorch sees {torch.cuda.device_count()} GPUs here; use cpu")
    return name


# --------------------------------------------------------------------------------------------------------- on the disk


def load(
    path_or_name: str | os.PathLike,
    *,
    revision: str | None = None,
    dtype: torch.dtype | str = "auto",
    device: str = "cpu",
    four_bits: bool = False,
) -> Policy:
    """Any checkpoint of the families of `hub.FAMILIES`, from a directory or by hub name.

    revision: a branch, tag or commit of a hub's model; the policy's `origin` says which commit it is. Raises
    CheckpointError when it is missing, cannot be used here, is incomplete or damaged (a SHA256SUMS file is checked when
    present), and ValueError where the device is not there. four_bits: weights of linear maps are held in four bits
    (NF4) and computed in bf16, by bitsandbytes.
    """
    check_device(device)
    name = str(path_or_name)
    placed = four_bit_arguments(device) if four_bits else {}
    found = hub.folder(name, revision)
    if not (found / "config.json").is_file():
        raise CheckpointError(f"{found} is no checkpoint: config.json is missing")
    if (found / MANIFEST).is_file():
        verify_manifest(found)
    if lost := hub.missing(found):
        raise CheckpointError(f"{found} is no whole checkpoint: {lost[0]} is missing; get it again")
    try:
        config = AutoConfig.from_pretrained(found)
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            found, dtype=dtype, output_loading_info=True, **placed
        )
        model, info = loaded  # transformers types the model alone
        processor = load_processor(str(found), config.model_type)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        why = _unreadable(found) or " ".join(str(error).split())[:300]  # a damaged file ends in any of these
        raise CheckpointError(f"cannot load the checkpoint {name}: {why}; restore its files or get it again") from error
    lost = sorted(info["missing_keys"]) + sorted(info["unexpected_keys"]) + sorted(map(str, info["mismatched_keys"]))
    if lost:
        raise CheckpointError(f"{name} does not fit its config: {len(lost)} weights differ, first {lost[0]}")
    model = model if four_bits else model.to(device)
    return Policy(model.eval(), processor, str(found) if os.path.isdir(name) else hub.identity(found))


def four_bit_arguments(device: str) -> dict[str, Any]:
    """Arguments of `from_pretrained`; CheckpointError where they cannot be had."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise CheckpointError(
            "weights in four bits want bitsandbytes, which is not installed: pip install bitsandbytes"
        )
    if not torch.cuda.is_available():
        raise CheckpointError("weights in four bits want a GPU: train adapters on whole weights (lora) instead")
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": device}}


def merge(adapter: str | os.PathLike, base: str | None = None) -> Policy:
    """The whole policy of an adapter that training kept (`adapter/` beside `policy/`): its base, with the adapter's
    weights added in fp32.

    base: where that lies, if not where the adapter was trained from. CheckpointError where either is missing.
    """
    folder = Path(adapter)
    if not (folder / "adapter_config.json").is_file():
        raise CheckpointError(f"{folder} holds no adapter: adapter_config.json is missing")
    if (folder / MANIFEST).is_file():
        verify_manifest(folder)
    from peft import PeftModel

    try:
        named = str(base or json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"])
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"{folder / 'adapter_config.json'} does not name a base: say which with --base") from None
    stored = load(hub.named(named))  # in the type of its weights, which the merged ones get again
    dtype = stored.model.dtype
    made: Any = PeftModel.from_pretrained(stored.model.float(), str(folder))
    return Policy(made.merge_and_unload().to(dtype).eval(), stored.processor, str(folder))


def _unreadable(folder: Path) -> str:
    """Which file of weights cannot be read, and why, or ""."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt"):
                pass
        except (OSError, SafetensorError) as error:
            return f"{path.name} is cut short or damaged ({error}); get this file again"
    return ""
