"""The dial of the world: what of it is easy and what is not."""

from dataclasses import dataclass, field

from georeplicate.profiles import NEGATIVES
from georeplicate.world.cues import WORDS


@dataclass(frozen=True)
class Difficulty:
    """Which cues vary, how unlike the two views are, whether north is marked, how near the negatives are.

    vary      cues left free; any other is frozen to the first of its values everywhere, and so is no help
    noise     standard deviation of the pixel noise, 0..1, drawn anew for each view
    light     range of brightness and tint differences between the two views, 0..1
    compass   a thin band of hue that marks the azimuth in both views
    negatives "region" (same neighbourhood), "near" (the nearest sites) or "random" (anywhere), to be handed to
              pairs.questions
    boards    flags and name boards in views from the ground
    gap       0..1: how unlike the two cameras are (hour, palette, colour matrix, haze)
    """

    vary: frozenset[str] = field(default_factory=lambda: frozenset(WORDS))
    noise: float = 0.03
    light: float = 0.12
    compass: bool = True
    negatives: str = "region"
    boards: bool = False
    gap: float = 1.0

    def __post_init__(self):
        if unknown := set(self.vary) - set(WORDS):
            raise ValueError(f"difficulty: unknown cues {sorted(unknown)}; choose from {sorted(WORDS)}")
        if self.negatives not in NEGATIVES:
            raise ValueError(f"difficulty: negatives={self.negatives!r}; choose from {', '.join(NEGATIVES)}")
        if not 0 <= self.gap <= 1:
            raise ValueError(f"difficulty: gap={self.gap}; expected 0 to 1")

    @property
    def frozen(self) -> dict[str, str]:
        """{cue: its value} of those that do not vary."""
        return {name: next(iter(values)) for name, values in WORDS.items() if name not in self.vary}


DEFAULT = Difficulty()
