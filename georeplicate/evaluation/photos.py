"""Answers about a person's own photographs: `georeplicate locate` and `georeplicate pair`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from georeplicate import files
from georeplicate.evaluation.predictors import VLM
from georeplicate.tasks import answers
from georeplicate.tasks.geolocation import Geolocation
from georeplicate.tasks.pairing import Pairing

if TYPE_CHECKING:
    from PIL.Image import Image

    from georeplicate.model.policy import Policy

SYNTHETIC = "synthetic demo: this model has seen rendered pictures only; its answers say nothing about photographs"
MINI = files.PACKAGE / "mini" / "weights" / "mini-base"
LONGEST_PX = 1024  # of a photograph's longer side; more makes thousands of visual tokens
TOKENS = 1024


def open_policy(model: str | None, synthetic_demo: bool, device: str | None) -> Policy:
    """The policy that answers; ValueError where none is named, or the mini model is without being asked for."""
    from georeplicate.model import hub
    from georeplicate.model import policy as policies

    if not model and not synthetic_demo:
        raise ValueError(
            "name a model with --model, such as --model Qwen/Qwen2.5-VL-7B-Instruct or a folder; the mini model never "
            "saw a photograph and answers only with --synthetic-demo"
        )
    policy = policies.load(hub.named(model) if model else MINI, device=device or policies.device())
    if is_synthetic(policy) and not synthetic_demo:
        raise ValueError(f"{model} is a mini model, which never saw a photograph; --synthetic-demo lets it answer")
    return policy


def is_synthetic(policy: Policy) -> bool:
    """Whether the policy's vocabulary is the mini world's, in which no question of the paper can be written."""
    from georeplicate.model.processors import UNKNOWN

    return policy.tokenizer.unk_token == UNKNOWN


def open_photo(path: Path) -> Image:
    """An upright RGB picture, its longer side LONGEST_PX at most. ValueError in one sentence that names the file."""
    from PIL import Image as Pictures

    from georeplicate.model.pictures import as_rgb

    try:
        with Pictures.open(path) as file:
            file.draft("RGB", (2 * LONGEST_PX, 2 * LONGEST_PX))
            picture = as_rgb(file).copy()  # whole in memory, as the file is closed behind it
        picture.thumbnail((LONGEST_PX, LONGEST_PX))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (OSError, ValueError, SyntaxError, Pictures.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as a picture: {error}") from None
    return picture


def locate(photos: Sequence[Path], policy: Policy, *, as_json: bool = False) -> int:
    """Print a line for each photo, one photo in memory at a time, then each failure; 0, or 1 if any photo failed."""
    demo = is_synthetic(policy)
    wording = "where was this picture taken ?" if demo else ""
    task = Geolocation(lambda split: [], "your photographs", wording)
    vlm, failed = VLM(policy, 80 if demo else TOKENS), []
    print_note(demo, as_json)
    for path in tqdm(photos, desc="locate", disable=len(photos) < 10):
        try:
            row = {"id": str(path), "images": [open_photo(path)], "lat": float("nan"), "lon": float("nan")}
        except ValueError as error:
            failed.append(str(error))
            continue
        (output,) = vlm.predict([row], task, "greedy")
        place, found = task.read(output.text, row), task.score(output, row)
        city = getattr(place, "city", "") or ""
        answer = {"photo": str(path), "country": found["choice"], "city": city}
        answer |= {name: _number(found[f"pred_{name}"]) for name in ("lat", "lon")}
        answer |= {"refused": getattr(place, "reason", ""), "text": output.text}
        if as_json:
            print(json.dumps(answer | ({"note": SYNTHETIC} if demo else {}), ensure_ascii=False), flush=True)
        else:
            where = f"{city or '?'}, {found['choice'] or '?'}  ({answer['lat']}, {answer['lon']})"
            print(
                f"{path}: {where}" if answer["lat"] is not None else f"{path}: no place could be read: {output.text!r}"
            )
    return _failures(failed, len(photos))


def pair(panorama: Path, tiles: Sequence[Path], policy: Policy, *, as_json: bool = False) -> int:
    """Print which tile the policy chooses, and why; 0, or 1 where no letter could be read. ValueError: too few tiles,
    or a picture that cannot be read."""
    if not 2 <= len(tiles) <= len(answers.LETTERS):
        raise ValueError(f"pair needs 2 to {len(answers.LETTERS)} tiles, one letter each; got {len(tiles)}")
    demo = is_synthetic(policy)
    if demo and len(tiles) > 5:
        raise ValueError("the mini model knows the letters A to E: give it five tiles at most")
    task = Pairing(lambda split: [], "your photographs", len(tiles), "which tile shows the place ?" if demo else "")
    row = {"id": str(panorama), "letter": "A", "images": [open_photo(path) for path in (panorama, *tiles)]}
    print_note(demo, as_json)
    (output,) = VLM(policy, 80 if demo else TOKENS).predict([row], task, "greedy")
    letter = getattr(task.read(output.text, row), "letter", "")
    known = letter and answers.LETTERS.index(letter) < len(tiles)
    chosen = str(tiles[answers.LETTERS.index(letter)]) if known else ""
    if as_json:
        note = {"note": SYNTHETIC} if demo else {}
        print(json.dumps({"panorama": str(panorama), "letter": letter, "tile": chosen, "text": output.text} | note))
    else:
        print(f"{letter}: {chosen}" if chosen else f"no tile could be read from the answer: {output.text!r}")
    return 0 if chosen else 1


def print_note(demo: bool, as_json: bool) -> None:
    if demo and not as_json:
        print(SYNTHETIC, flush=True)


def _number(value: float) -> float | None:
    return None if value != value else round(float(value), 4)


def _failures(failed: list[str], of: int) -> int:
    for sentence in failed:
        print(f"failed: {sentence}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {of} photos failed", file=sys.stderr)
    return int(bool(failed))
