"""How the trained stand-ins are trained: what a run's key holds of them, without a library that is slow to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """AdamW, and a cosine to zero after 5 % of warm-up; steps of `batch` photos, networks `hidden` wide. Ours: what was
    tried on validation places is in results/LOG.md."""

    steps: int = 1500
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    hidden: int = 256
    dropout: float = 0.2


@dataclass(frozen=True)
class Settings:
    """version: raised by whoever changes what training makes of the same settings, or the features."""

    training: Training
    version: int = 1


SETTINGS = {
    "ISNs": Settings(Training(steps=400)),
    "GeoCLIP": Settings(Training(steps=300, dropout=0.5)),
    "Hybrid": Settings(Training(steps=600)),
    "RFM-YFCC": Settings(Training(steps=2000, hidden=128, dropout=0.3)),
    "nearest neighbour": Settings(Training(steps=0)),  # it learns nothing
}
