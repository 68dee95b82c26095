"""Small policies and questions for the tests of the training code: random pictures, a few words, two layers."""

import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer, models
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPVisionConfig,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2Config,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from georeplicate.mini import tiny
from georeplicate.model import policy, processors, shared_prefix

WORDS = "which tile fits the view ? answer with one letter . look at A B C D E red green blue dark bright".split()
TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
SIZES = ((16, 64), (32, 32), (16, 32))


SHAPE = dict(hidden_size=32, layers=2, heads=2, vision_hidden_size=48, vision_layers=1)  # of small mini policies


def tiny_policy(seed: int = 0, sharpen: float = 1.0) -> policy.Policy:
    """Two text and two vision layers. `sharpen` scales the matrices: at 1 the logits are nearly uniform, which would
    make any comparison of logprobs weak."""
    made = tiny.build(
        WORDS + TAGS,
        seed=seed,
        hidden_size=64,
        layers=2,
        heads=4,
        vision_hidden_size=32,
        vision_layers=2,
        vision_heads=2,
    )
    return sharpened(made, sharpen)


def sharpened(made: policy.Policy, factor: float) -> policy.Policy:
    with torch.no_grad():
        for weight in made.model.parameters():
            if weight.ndim > 1:
                weight.mul_(factor)
    return made


TEXT = dict(
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
)


def internvl_policy(sharpen: float = 1.0) -> policy.Policy:
    """As InternVL3: Qwen2 decoder with one-dimensional positions, images cut into 1 to 3 tiles (with a thumbnail)."""
    tokenizer = tiny.build_tokenizer([*WORDS, *TAGS])
    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = _with_tokens(tokenizer, names)
    images = GotOcr2ImageProcessorPil(size={"height": 16, "width": 16}, max_patches=2)
    template = processors.CHAT_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<IMG_CONTEXT>")
    processor = processors.InternVLImageTextProcessor(images, tokenizer, image_seq_length=4, chat_template=template)
    vision = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    config = InternVLConfig(
        vision_config={"model_type": "internvl_vision", "image_size": [16, 16], "patch_size": [4, 4], **vision},
        text_config=Qwen2Config(**TEXT, vocab_size=len(tokenizer)).to_dict(),
        image_token_id=tokenizer.context_image_token_id,
        tie_word_embeddings=False,
        image_seq_length=4,
    )
    return _finished(InternVLForConditionalGeneration, config, processor, sharpen)


def llava_policy(sharpen: float = 1.0) -> policy.Policy:
    """As LLaVA 1.5: Llama decoder, one picture size, no tokens around a picture."""
    tokenizer = tiny.build_tokenizer([*WORDS, *TAGS])
    tokenizer = _with_tokens(tokenizer, {"image_token": "<image>"})
    size = {"height": 16, "width": 16}
    template = processors.CHAT_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>")
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size=size, crop_size=size),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    vision = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**vision, image_size=16, patch_size=8),
        text_config=LlamaConfig(**TEXT, vocab_size=len(tokenizer)),
        image_token_id=processor.image_token_id,
    )
    return _finished(LlavaForConditionalGeneration, config, processor, sharpen)


def _with_tokens(tokenizer, names: dict[str, str]):
    kept = {name: getattr(tokenizer, name) for name in ("unk_token", "eos_token", "pad_token")}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, extra_special_tokens=names, padding_side="left", **kept
    )


def _finished(kind, config, processor, sharpen):
    torch.manual_seed(0)
    model = kind(config).eval()
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    with torch.no_grad():
        model.lm_head.weight.mul_(sharpen)
    return sharpened(policy.Policy(model, processor), sharpen)


def picture(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def questions(count: int, seed: int = 0, images: int = 3) -> list[dict]:
    """Rows {images, prompt, completion, letter} with prompts of different length."""
    rng = np.random.default_rng(seed)
    return [
        {
            "images": [picture(rng, *SIZES[j % len(SIZES)]) for j in range(images)],
            "prompt": "which tile fits the view ? " + "look at the tile . " * (i % 3),
            "completion": f"<think> look </think> <answer> {'ABCDE'[i % 5]} </answer>",
            "letter": "ABCDE"[i % 5],
        }
        for i in range(count)
    ]


PARTS = ("prompts", "vision", "attention", "merged", "support", "logprob", "sampling", "generation")


def byte_policy(seed: int = 0) -> policy.Policy:
    """A tiny untrained policy whose tokenizer reads any text, byte by byte, as published ones do."""
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(sorted(ByteLevel.alphabet()))}, []))
    backend.pre_tokenizer, backend.decoder = ByteLevel(add_prefix_space=False), ByteLevelDecoder()
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in processors.SPECIAL_TOKENS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=processors.CHAT_TEMPLATE,
    )
    return tiny.build(tokenizer, seed=seed, **SHAPE)


KERNEL = (*(getattr(shared_prefix, name) for name in PARTS), shared_prefix)


def kernel(name: str):
    """What a file of the shared-prefix kernel calls by this name."""
    return next(getattr(part, name) for part in KERNEL if hasattr(part, name))


def change_kernel(monkeypatch, name: str, value) -> None:
    """Another value under a name, in every file of the shared-prefix kernel that knows it."""
    for part in KERNEL:
        if hasattr(part, name):
            monkeypatch.setattr(part, name, value)
