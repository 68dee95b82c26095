"""What is true at a coordinate: real land cover, climate, relief, sun, country facts and places, without a network.

    atlas.describe(lat, lon, when) -> Facts       everything known there and then; one place, or arrays of them
    atlas.geocode(city, country) -> (lat, lon)    a place by name, or None
    atlas.locate(city, country) -> (lat, lon)     the same, also of a state or province: its largest place
    atlas.country_code / country_name / cities    names and tables
    atlas.is_land / elevation_m / random_land     single questions, quick
    atlas.coast / borders / land / lakes          geometry for maps

The data lie packed in `data/` (sources, versions and licences: data/SOURCES.md); tests/build/build_atlas.py makes them
again from published packages and checks that each byte is the same. Everything is loaded at first use and kept.

    store           how the packed files are read and written
    grid            look-ups in rasters of the globe
    nearest         the nearest of many points on the globe
    sun             solar position
    countries       names and facts of countries
    gazetteer       places and names
    natural_earth   coast and borders
    facts           puts them together
"""

from georeplicate.atlas.countries import ambiguous, country_code, country_name, narrower
from georeplicate.atlas.facts import LAND_COVERS, NOON, Facts, describe, elevation_m, is_land, random_land
from georeplicate.atlas.gazetteer import cities, countries_with, country_of, geocode, in_country, locate
from georeplicate.atlas.natural_earth import borders, coast, lakes, land

__all__ = [
    "LAND_COVERS",
    "NOON",
    "Facts",
    "ambiguous",
    "borders",
    "cities",
    "coast",
    "countries_with",
    "country_code",
    "country_name",
    "country_of",
    "describe",
    "elevation_m",
    "geocode",
    "in_country",
    "is_land",
    "lakes",
    "land",
    "locate",
    "narrower",
    "random_land",
]
