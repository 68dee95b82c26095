"""CV-Cities: 223,736 street panoramas of 16 cities, each with its satellite image (Hugging Face gaoshuang98/CV-Cities).

    ROOT/<city>/img_info.csv     no header; name, longitude, latitude, city, satellite path, panorama path

Longitude comes first. Paths are relative to ROOT. The folders keep the authors' spelling (`captown`, `maynila`); rows
say Cape Town and Manila. Ten cities are for training, six for testing, as in the authors' table of counts. What users
find on their disks is read as well: a city unpacked into a folder of its own name (`paris/paris/`), pictures in
`satellite/` and `streetview/`, backslashes in paths. A folder that holds some of the cities gives those.

Source of the layout: the loader in the authors' repository GaoShuang98/CVCities. Guessed, since no public text says it:

- The pictures of a city lie in the folders sat_images and pano_images.
- A name is unique within its city.
- Panoramas are twice as wide as high.
- No column holds the time, so taken_at is None.
"""

import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from georeplicate.pairs import schema

CITIES = {  # folder: split, city, country, pairs as the authors count them
    "barcelona": ("train", "Barcelona", "ES", 18364),
    "captown": ("train", "Cape Town", "ZA", 10586),
    "losangeles": ("train", "Los Angeles", "US", 18178),
    "maynila": ("train", "Manila", "PH", 9971),
    "melbourne": ("train", "Melbourne", "AU", 18247),
    "mexico": ("train", "Mexico City", "MX", 19805),
    "newyork": ("train", "New York City", "US", 19996),
    "paris": ("train", "Paris", "FR", 20214),
    "santiago": ("train", "Santiago", "CL", 16525),
    "tokyo": ("train", "Tokyo", "JP", 11068),
    "taipei": ("test", "Taipei", "TW", 10842),
    "singapore": ("test", "Singapore", "SG", 5564),
    "london": ("test", "London", "GB", 13617),
    "seattle": ("test", "Seattle", "US", 13654),
    "rio": ("test", "Rio de Janeiro", "BR", 13165),
    "sydney": ("test", "Sydney", "AU", 3940),
}
SPLITS = ("train", "test")
PANORAMA_RATIO = 2.0
FOLDERS = {"aerial": ("sat_images", "satellite"), "panorama": ("pano_images", "streetview")}


def read(root: Path, split: str) -> pd.DataFrame:
    """Every line of the cities of this split that lie under `root` (see schema); FileNotFoundError if none does."""
    wanted = [name for name, (of, *_) in CITIES.items() if of == schema.split_of("cv-cities", split, SPLITS)]
    lists = {city: base for city in wanted for base in _bases(city) if (root / base / "img_info.csv").is_file()}
    if not lists:
        schema.file_of("cv-cities", *(root / base / "img_info.csv" for base in _bases(wanted[0])))
    if len(lists) < len(wanted):
        missing = ", ".join(city for city in wanted if city not in lists)
        warnings.warn(
            f"cv-cities {split}: {len(lists)} of {len(wanted)} cities are here; missing: {missing}", stacklevel=3
        )
    files = schema.Files(root)
    rows, problems = [], []
    for folder, base in lists.items():
        _, city, country, _ = CITIES[folder]
        lines = [line for line in schema.lines_of("cv-cities", root / base / "img_info.csv") if line[1]]
        for number, line in lines:
            row: dict[str, Any] = {"id": f"{folder}/line {number}", "city": city, "country": country}
            row["area"] = f"{city}, {country}"
            while line and not line[-1].strip():  # trailing commas
                line.pop()
            problem = "" if len(line) == 6 else f"{len(line)} fields where 6 belong"
            if not problem and any(_leads_out(field.strip(), root) for field in line[4:]):
                problem = schema.LEADS_OUT
            elif not problem:
                name, lon, lat, _, sat, pano = (field.strip() for field in line)
                row |= {
                    "id": f"{folder}/{Path(name).stem}",
                    "lat": lat,
                    "lon": lon,
                    "aerial": files.first(_places(sat, folder, base, "aerial")),
                    "panorama": files.first(_places(pano, folder, base, "panorama")),
                }
            rows.append(row)
            problems.append(problem)
    names = ("id", "lat", "lon", "city", "country", "area", "panorama", "aerial")
    return schema.table({name: [row.get(name) for row in rows] for name in names}, problems)


def _leads_out(path: str, root: Path) -> bool:
    """A slash in front is forgiven if the rest lies below ROOT."""
    path = path.replace("\\", "/")
    return schema.leads_out(path) and not (path.startswith("/") and path.lstrip("/") in schema.Files(root))


def _bases(city: str) -> tuple[str, str]:
    return city, f"{city}/{city}"


def _places(path: str, city: str, base: str, view: str) -> list[str]:
    """Where a listed picture may lie: as listed, then in each folder of its kind under the city's base."""
    path = path.replace("\\", "/").removeprefix("./").lstrip("/")
    name = path.rpartition("/")[2]
    return [path, f"{city}/{path}", *(f"{base}/{folder}/{name}" for folder in FOLDERS[view])]
