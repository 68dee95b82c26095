"""CVGlobal: street panoramas and satellite images of cities on several continents (Yejy53/CVGlobal, Hugging Face).

    ROOT/splits_csv/train.csv, ROOT/splits/val.csv     no header; satellite path, street path

The authors open these paths as they stand, so they carry the folders of the machine they were written on: a path is
tried below ROOT, then below ROOT with one leading folder after another taken off, and never outside ROOT. Both lists
are looked for in both folders. Its val split is called validation here. The heading of a panorama is not known. There
are no coordinates and no cities: lat and lon are None, and negatives can only be drawn from the whole split.

Source of the layout: retrieval/dataset/cvglobal.py of yejy53/EP-BEV. Guessed, since no public text says it:

- Some ending of every listed path is its path below ROOT.
- Neither the paths nor any other file name the place or the time of a pair.
"""

from pathlib import Path

import pandas as pd

from georeplicate.pairs import schema

LISTS = {"train": "train.csv", "validation": "val.csv"}
SPLITS = tuple(LISTS)
PANORAMA_RATIO = None


def read(root: Path, split: str) -> pd.DataFrame:
    """Every line of the split's list (see schema)."""
    name = LISTS[schema.split_of("cvglobal", split, SPLITS)]
    listing = schema.file_of("cvglobal", root / "splits_csv" / name, root / "splits" / name)
    files = schema.Files(root)
    ids, aerial, panorama, problems = [], [], [], []
    for number, line in schema.lines_of("cvglobal", listing):
        if not line:
            continue
        ids.append(f"{split}/{number:06d}")
        whole = len(line) >= 2
        found = [_found(field, files) if whole else None for field in (*line, "", "")[:2]]
        aerial.append(found[0])
        panorama.append(found[1])
        out = whole and any(_leads_out(field, there) for field, there in zip(line, found))
        problems.append(schema.LEADS_OUT if out else "" if whole else "line without two paths")
    return schema.table({"id": ids, "area": "CVGlobal", "aerial": aerial, "panorama": panorama}, problems)


def _found(path: str, files: schema.Files) -> str | None:
    parts = [part for part in path.strip().replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        return None
    return files.first("/".join(parts[start:]) for start in range(len(parts)))


def _leads_out(path: str, found: str | None) -> bool:
    """Does it lead up, or to a file of this machine that does not lie below ROOT?"""
    path = path.strip().replace("\\", "/")
    return ".." in path.split("/") or found is None and path.startswith("/") and Path(path).is_file()
