"""How the embedded data lie on disk: one file per theme, `<name>.npz.xz`, plain numpy arrays inside an xz stream.

No pickle is read, and nothing is memory mapped: the largest file decompresses in a fraction of a second, so a file that
holds its arrays twice (packed and unpacked) would only cost space. The file of checksums beside the data is the one
that the rebuild must meet.
"""

import functools
import hashlib
import io
import lzma
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
CHECKSUMS = "SHA256SUMS"


@functools.cache
def load(name: str) -> dict[str, np.ndarray]:
    """The arrays of `data/<name>.npz.xz` by name, read-only; decompressed once per process."""
    path = DATA / f"{name}.npz.xz"
    try:
        raw = lzma.decompress(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the atlas file {path.name} is missing from {DATA}: install the package again, "
            "or rebuild it with `python tests/build/build_atlas.py`"
        ) from None
    except lzma.LZMAError as error:
        raise ValueError(f"the atlas file {path} is damaged ({error}): restore it from the repository") from None
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def save(folder: Path, name: str, delta: int = 0, **arrays: np.ndarray) -> Path:
    """Write `folder/<name>.npz.xz`. The same arrays give the same bytes: neither clock nor path enters the file.

    delta: distance in bytes of xz's delta filter, for smooth rasters (1 for uint8, 2 for int16); 0 for none.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{key: np.ascontiguousarray(value) for key, value in arrays.items()})
    filters = [{"id": lzma.FILTER_DELTA, "dist": delta}] if delta else []
    filters.append({"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME})
    path = folder / f"{name}.npz.xz"
    path.write_bytes(lzma.compress(buffer.getvalue(), format=lzma.FORMAT_XZ, filters=filters))
    return path


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file, as the committed checksums have it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def checksums() -> dict[str, str]:
    """{file name: sha256} as committed in `data/SHA256SUMS`."""
    lines = (DATA / CHECKSUMS).read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def text(array: np.ndarray) -> list[str]:
    """The strings that `lines` packed into a uint8 array."""
    return array.tobytes().decode("utf-8").split("\n")


def lines(strings: list[str]) -> np.ndarray:
    """Strings (none with a line break in it) as one uint8 array: an array of fixed width would be mostly padding."""
    if any("\n" in string for string in strings):
        raise ValueError("a string with a line break cannot be packed")
    return np.frombuffer("\n".join(strings).encode("utf-8"), dtype=np.uint8)
