"""Small policies and questions for the tests of the training code: random pictures, a few words, two layers."""

import numpy as np
import torch
from PIL import Image

from georeplicate import policy

WORDS = "which tile fits the view ? answer with one letter . look at A B C D E red green blue dark bright".split()
TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
SIZES = ((16, 64), (32, 32), (16, 32))


def tiny_policy(seed: int = 0, sharpen: float = 1.0) -> policy.Policy:
    """Two text and two vision layers. `sharpen` scales the matrices: at 1 the logits are nearly uniform, which would
    make any comparison of logprobs weak."""
    made = policy.build(
        WORDS + TAGS,
        seed=seed,
        hidden_size=64,
        layers=2,
        heads=4,
        vision_hidden_size=32,
        vision_layers=2,
        vision_heads=2,
    )
    with torch.no_grad():
        for weight in made.model.parameters():
            if weight.ndim > 1:
                weight.mul_(sharpen)
    return made


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
