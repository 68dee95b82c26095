"""Cross-view pairs as rows of metadata for the engine: paths of pictures kept, pictures opened only for who looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

COLUMNS = ("id", "lat", "lon", "taken_at", "city", "country")
VIEWS = ("panorama", "aerial")


def rows(
    places: Dataset, root: str | Path | None = None, pixels: dict[str, tuple[int, int]] | None = None
) -> Iterator[dict[str, Any]]:
    """A row for each pair: COLUMNS and, where the pictures are files, `image`: their paths, panorama first, as seen
    from `root` where they lie below it.

    pixels: {"panorama" | "aerial": (height, width)} for a teacher that looks at the pictures: the row then holds a
    function for each, which opens it, upright and no larger, as JPEG. It raises OSError or ValueError for a picture
    that cannot be read; nothing is opened before it is called.
    """
    metadata = places.select_columns(list(COLUMNS))
    paths = {view: _paths(places, view) for view in VIEWS}
    for i, row in enumerate(metadata):
        found = {view: path for view in VIEWS if (path := paths[view][i]) is not None}
        if found:
            row["image"] = [_below(path, root) for path in found.values()]
        for view, size in (pixels or {}).items():
            row[view] = _opener(found[view], size) if view in found else None
        yield row


def _paths(places: Dataset, view: str) -> list[str | None]:
    """None for pictures that are drawn or held in memory."""
    column = places.with_format("arrow")[view][:]
    found = [struct["path"] for struct in column.to_pylist()]
    return [path if path and not path.startswith("{") else None for path in found]


def _below(path: str, root: str | Path | None) -> str:
    whole = Path(path).absolute()
    if root is not None and whole.is_relative_to(Path(root).absolute()):
        return whole.relative_to(Path(root).absolute()).as_posix()
    return path


def _opener(path: str, size: tuple[int, int]) -> Callable[[], bytes]:
    def opened() -> bytes:
        from PIL import Image

        from georeplicate.model.pictures import as_rgb

        with Image.open(path) as file:
            file.draft("RGB", (2 * size[1], 2 * size[0]))
            picture = as_rgb(file).copy()
        picture.thumbnail((size[1], size[0]))
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    return opened
