"""Points of the sphere as unit vectors, and how to move on it."""

from __future__ import annotations

import torch
from torch.nn import functional


def unit(places: torch.Tensor) -> torch.Tensor:
    """[..., 2] latitude and longitude in degrees -> [..., 3] unit vectors."""
    lat, lon = torch.deg2rad(places).unbind(-1)
    return torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], -1)


def degrees(points: torch.Tensor) -> torch.Tensor:
    """[..., 3] vectors -> [..., 2] latitude and longitude in degrees."""
    x, y, z = functional.normalize(points, dim=-1).unbind(-1)
    return torch.rad2deg(torch.stack([torch.asin(z.clamp(-1, 1)), torch.atan2(y, x)], -1))


def between(start: torch.Tensor, end: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Point and velocity at time t [..., 1] on the great circle from start to end, unit vectors [..., 3].

    The velocity is constant in length: the angle between the two. Where they are opposite any great circle would do;
    the one that rounding gives is taken.
    """
    cosine = (start * end).sum(-1, keepdim=True).clamp(-1, 1)
    across = functional.normalize(end - cosine * start, dim=-1)
    angle = torch.atan2((end - cosine * start).norm(dim=-1, keepdim=True), cosine)
    turned = t * angle
    point = turned.cos() * start + turned.sin() * across
    return point, angle * (turned.cos() * across - turned.sin() * start)


def step(point: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
    """Where a point of the sphere gets along a tangent vector [..., 3]: the exponential map."""
    length = velocity.norm(dim=-1, keepdim=True)
    ahead = velocity / length.clamp(min=1e-12)
    return functional.normalize(length.cos() * point + length.sin() * ahead, dim=-1)
