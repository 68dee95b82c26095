"""CVACT: street panoramas and satellite images of Canberra (Liu & Li, 2019); train and val have the sizes of CVUSA.

    ROOT/ACT_data.mat                panoIds, utm, trainSet.trainInd, valSet.valInd; indices count from 1
    ROOT/ANU_data_small/streetview/<id>_grdView.jpg, satview_polish/<id>_satView_polish.jpg     train and val
    ROOT/ANU_data_test/...           the same names: test, which is every pair of that folder

Its val split is called validation here. Some listed pictures are missing from the distribution. Two panoramas within
25 m count as one place in its own evaluation, so keep `min_km` above that.

Source of the layout: Liumouliu/OriCNN and the loader of Sample4Geo. Guessed, since no public text says it:

- The columns of utm are easting and northing in metres of zone 55 south; the larger one is taken as the northing.
- Panoramas are twice as wide as high.
- There are no times, so taken_at is None.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from pyproj import Transformer

from georeplicate.pairs import schema

SPLITS = ("train", "validation", "test")
PANORAMA_RATIO = 2.0
INDICES = {"train": ("trainSet", "trainInd"), "validation": ("valSet", "valInd")}
UTM_55_SOUTH = "EPSG:32755"
GROUND, SATELLITE = "_grdView.jpg", "_satView_polish.jpg"


def read(root: Path, split: str) -> pd.DataFrame:
    """Every index of the split (see schema); for test every id that has a picture in ANU_data_test."""
    split = schema.split_of("cvact", split, SPLITS)
    known, lat, lon, index = _matrix(schema.file_of("cvact", root / "ACT_data.mat"), split)
    folder = "ANU_data_test" if split == "test" else "ANU_data_small"
    if split == "test":
        row = {name: i for i, name in enumerate(known)}
        ids = sorted(_stems(root / folder / "streetview", GROUND) | _stems(root / folder / "satview_polish", SATELLITE))
        if not ids:
            raise FileNotFoundError(
                f"cvact: {root / folder} holds no pictures; `make data SOURCE=cvact` says how to get them"
            )
        index = np.array([row.get(name, -1) for name in ids])
    else:
        ids = [known[i] if 0 <= i < len(known) else f"{INDICES[split][1]} {i + 1}" for i in index]
    inside = (index >= 0) & (index < len(known))
    at = np.where(inside, index, 0)
    files = schema.Files(root)
    columns = {
        "id": ids,
        "lat": np.where(inside, lat[at], np.nan),
        "lon": np.where(inside, lon[at], np.nan),
        "city": "Canberra",
        "country": "AU",
        "area": "Canberra, AU",
        "panorama": [files.first([f"{folder}/streetview/{name}{GROUND}"]) for name in ids],
        "aerial": [files.first([f"{folder}/satview_polish/{name}{SATELLITE}"]) for name in ids],
    }
    return schema.table(columns, np.where(inside, "", "not in panoIds"))


def _matrix(path: Path, split: str) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """panoIds, their coordinates in degrees, and the split's indices counted from 0."""
    from scipy.io import loadmat

    try:
        data = loadmat(path)
        ids = [str(np.ravel(name)[0]).strip() for name in np.ravel(data["panoIds"])]
        utm = np.asarray(data["utm"], float).reshape(len(ids), 2)
        if not ids:
            raise ValueError("panoIds is empty")
        index = np.zeros(0, int)
        if split in INDICES:
            group, field = INDICES[split]
            index = np.ravel(data[group][field][0, 0]).astype(int) - 1
    except Exception as error:  # scipy raises all kinds for empty, damaged and HDF5 files
        raise ValueError(
            f"cvact: {path} is not the file expected ({type(error).__name__}: {error}); it needs panoIds, utm (N, 2), "
            "trainSet.trainInd and valSet.valInd in MATLAB's format 5"
        ) from error
    northing_last = np.nanmedian(utm[:, 1]) >= np.nanmedian(utm[:, 0])
    east, north = (utm[:, 0], utm[:, 1]) if northing_last else (utm[:, 1], utm[:, 0])
    lon, lat = Transformer.from_crs(UTM_55_SOUTH, "EPSG:4326", always_xy=True).transform(east, north)
    return ids, np.asarray(lat), np.asarray(lon), index


def _stems(folder: Path, ending: str) -> set[str]:
    return {p.name.removesuffix(ending) for p in folder.glob(f"*{ending}")}
