"""Pictures on their way to a model or a teacher: upright, RGB, whatever a file holds. Imports no model library."""

from __future__ import annotations

import struct

import numpy as np
from PIL import ExifTags, Image, ImageOps

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")  # by which a folder's pictures are found


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
    if image.mode == "La":  # what Pillow resizes LA in
        image = image.convert("LA")
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
