"""Where the sun stands: plain numpy, for any number of places and moments.

The low-precision solar coordinates of Meeus, "Astronomical Algorithms" (2nd ed., ch. 25), as used by NOAA's solar
calculator: right to about 0.01 degrees between 1900 and 2100. The position is geometric; refraction, which lifts the
sun by up to half a degree at the horizon, is left out, because it depends on air that nobody here has measured.
"""

import numpy as np
from numpy.typing import NDArray

_J2000 = np.datetime64("2000-01-01T12:00:00", "us")


def position(lat: NDArray, lon: NDArray, utc: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Azimuth and elevation of the sun in degrees, and the local solar hour (12 when the sun is highest).

    lat, lon in degrees (north, east); utc as datetime64; all of one shape. Azimuth 0 = north, clockwise, 0 <= a < 360.
    NaT gives NaN.
    """
    days = (utc.astype("datetime64[us]") - _J2000) / np.timedelta64(1, "D")
    century = days / 36525
    mean_longitude = 280.46646 + 36000.76983 * century + 0.0003032 * century**2
    anomaly = np.radians(357.52911 + 35999.05029 * century - 0.0001537 * century**2)
    centre = (
        (1.914602 - 0.004817 * century) * np.sin(anomaly)
        + (0.019993 - 0.000101 * century) * np.sin(2 * anomaly)
        + 0.000289 * np.sin(3 * anomaly)
    )
    node = np.radians(125.04 - 1934.136 * century)  # for nutation
    apparent = np.radians(mean_longitude + centre - 0.00569 - 0.00478 * np.sin(node))
    obliquity = np.radians(23.439291 - 0.0130042 * century + 0.00256 * np.cos(node))
    right_ascension = np.arctan2(np.cos(obliquity) * np.sin(apparent), np.cos(apparent))
    declination = np.arcsin(np.sin(obliquity) * np.sin(apparent))

    sidereal = 280.46061837 + 360.98564736629 * days + 0.000387933 * century**2
    hour_angle = np.radians(sidereal + lon) - right_ascension  # west positive
    phi = np.radians(lat)
    up = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    east = -np.cos(declination) * np.sin(hour_angle)
    north = np.cos(phi) * np.sin(declination) - np.sin(phi) * np.cos(declination) * np.cos(hour_angle)
    azimuth = np.degrees(np.arctan2(east, north)) % 360
    elevation = np.degrees(np.arctan2(up, np.hypot(east, north)))
    return azimuth % 360, elevation, (12 + np.degrees(hour_angle) / 15) % 24
