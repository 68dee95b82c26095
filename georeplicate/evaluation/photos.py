"""Answers about a person's own photographs: `georeplicate locate` and `georeplicate pair`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from georeplicate import files
from georeplicate.evaluation.predictors import VLM
from georeplicate.model.pictures import ENDINGS
from georeplicate.tasks import Output, answers
from georeplicate.tasks.geolocation import Geolocation
from georeplicate.tasks.pairing import Pairing

if TYPE_CHECKING:
    from PIL.Image import Image

    from georeplicate.model.policy import Policy

SYNTHETIC = "synthetic demo: this model has seen rendered pictures only; its answers say nothing about photographs"
MINI = files.PACKAGE / "mini" / "weights" / "mini-base"
LONGEST_PX = 1024  # of a photograph's longer side; more makes thousands of visual tokens
TOKENS = 1024
AT_ONCE = 8  # photographs that are answered together


def open_policy(model: str | None, synthetic_demo: bool, device: str | None) -> Policy:
    """The policy that answers; ValueError where none is named, or the mini model is without being asked for."""
    from georeplicate.model import hub
    from georeplicate.model import policy as policies

    if not model and not synthetic_demo:
        raise ValueError(
            "name a model with --model, such as --model Qwen/Qwen2.5-VL-7B-Instruct or a folder; the mini model never "
            "saw a photograph and answers only with --synthetic-demo"
        )
    policy = policies.load(hub.named(model) if model else MINI, device=policies.device() if device is None else device)
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


def pictures(paths: Sequence[Path]) -> list[Path]:
    """These paths, where a folder stands for the pictures in it (by their endings, in order of name). ValueError for a
    folder without any."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(one for one in path.iterdir() if one.suffix.lower() in ENDINGS)
        if not inside:
            raise ValueError(f"{path} holds no picture ({', '.join(ENDINGS)})")
        found += inside
    return found


def locate(photos: Sequence[Path], policy: Policy, *, as_json: bool = False) -> int:
    """Print a line for each photo, AT_ONCE of them in memory at a time, then each failure; 0, or 1 if any photo failed.

    A folder stands for the pictures in it."""
    demo, photos = is_synthetic(policy), pictures(photos)
    wording = "where was this picture taken ?" if demo else ""
    task = Geolocation(lambda split: [], "your photographs", wording)
    vlm = VLM(policy, 80 if demo else TOKENS, batch_size=AT_ONCE)
    failed: list[str] = []
    print_note(demo, as_json)
    with tqdm(total=len(photos), desc="locate", disable=len(photos) < 10) as progress:
        for start in range(0, len(photos), AT_ONCE):
            rows = []
            for path in photos[start : start + AT_ONCE]:
                try:
                    rows.append({"id": str(path), "images": [open_photo(path)], "lat": math.nan, "lon": math.nan})
                except ValueError as error:
                    failed.append(str(error))
            for row, output in zip(rows, vlm.predict(rows, task, "greedy"), strict=True):
                _print_place(_place(row, output, task), demo, as_json)
            progress.update(min(AT_ONCE, len(photos) - start))
    return _failures(failed, len(photos))


def _place(row: dict[str, Any], output: Output, task: Geolocation) -> dict[str, Any]:
    """photo, country, city, lat, lon (None where no place can be read), refused (why not) and the text."""
    place, found = task.read(output.text, row), task.score(output, row)
    answer = {"photo": row["id"], "country": found["choice"], "city": getattr(place, "city", "") or ""}
    answer |= {name: _number(found[f"pred_{name}"]) for name in ("lat", "lon")}
    return answer | {"refused": getattr(place, "reason", ""), "text": output.text}


def _print_place(answer: dict[str, Any], demo: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer | ({"note": SYNTHETIC} if demo else {}), ensure_ascii=False), flush=True)
    elif answer["lat"] is None:
        print(f"{answer['photo']}: no place could be read: {answer['text']!r}")
    else:
        where = f"{answer['city'] or '?'}, {answer['country'] or '?'}"
        print(f"{answer['photo']}: {where}  ({answer['lat']}, {answer['lon']})")


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
