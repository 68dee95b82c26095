"""Is the world learnable, and is it free of shortcuts? A small supervised matcher answers both
(`tests/bench/bench_world_gate.py`).

Two towers embed a panorama and a tile (unrolled into polar coordinates round the camera) and learn with InfoNCE on
the 16 training cities; the test is the pairing question itself, k = 5, negatives of the same region, in cities never
seen. Well above chance says that the views agree; at chance with either side blanked says that the question cannot
be answered from the tiles, the letters or the panorama alone. This is a control of the world, not a baseline of the
paper: it is told which pairs belong together.

A supervised reader also says how well each cue can be read from either view (`train_reader`,
`read`).
"""

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from torch.nn import functional as F
from tqdm import trange

from georeplicate.world.cues import WORDS

RING, ROUND = 24, 64  # the tile, unrolled: radii and azimuths


class Tower(nn.Module):
    """(B, 3, H, W) with W running round the compass -> (B, 128) unit vectors; convolutions wrap round in azimuth."""

    def __init__(self, width: int = 48):
        super().__init__()
        sizes = (3, width // 2, width, width, width)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=(2, 2)) for a, b in zip(sizes, sizes[1:], strict=False))
        self.norms = nn.ModuleList(nn.GroupNorm(8, b) for b in sizes[1:])
        self.head = nn.LazyLinear(128)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.pad(F.pad(x, (1, 1, 0, 0), mode="circular"), (0, 0, 1, 1))
            x = F.relu(norm(layer(x)))
        return F.normalize(self.head(x.flatten(1)), dim=-1)


class Matcher(nn.Module):
    """Scores every panorama against every tile: two towers and a learnt temperature."""

    grid: torch.Tensor

    def __init__(self):
        super().__init__()
        self.ground, self.aerial = Tower(), Tower()
        self.scale = nn.Parameter(torch.tensor(2.5))
        azimuth = torch.deg2rad((torch.arange(ROUND) + 0.5) / ROUND * 360 - 180)
        radius = (torch.arange(RING) + 0.5) / RING
        self.register_buffer(
            "grid", torch.stack([radius[:, None] * azimuth.sin(), -radius[:, None] * azimuth.cos()], -1)[None]
        )

    def embed(self, panoramas: torch.Tensor, tiles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        polar = F.grid_sample(tiles, self.grid.expand(len(tiles), -1, -1, -1), align_corners=False)
        return self.ground(panoramas), self.aerial(polar.flip(2))


def tensors(rows: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 3, H, W) panoramas and tiles in -1..1."""
    return _tensor(rows, "panorama"), _tensor(rows, "aerial")


def _tensor(rows: Dataset, column: str) -> torch.Tensor:
    pixels = np.stack([np.asarray(p, np.float32) for p in rows[column]])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous() / 127.5 - 1


def train(rows: Dataset, *, steps: int = 150, batch: int = 128, seed: int = 0) -> Matcher:
    """InfoNCE over batches of one region's sites, so that every negative is a hard one; deterministic for a seed."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    ground, aerial = tensors(rows)
    areas = np.array(rows["area"][:])
    pools = [np.flatnonzero(areas == a) for a in np.unique(areas)]
    model = Matcher()
    model.embed(ground[:2], aerial[:2])  # lets the lazy layers learn their shapes
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in trange(steps, desc="matcher", disable=steps < 100):
        pool = pools[rng.integers(len(pools))]
        pick = rng.choice(pool, min(batch, len(pool)), replace=False)
        a, b = model.embed(ground[pick], aerial[pick])
        logits = model.scale.exp() * a @ b.T
        target = torch.arange(len(pick))
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


CONTROLS = (None, "panorama blanked", "tiles blanked", "panoramas exchanged")


@torch.no_grad()
def accuracy(model: Matcher, rows: Dataset, questions: Dataset, *, control: str | None = None) -> float:
    """Share of questions whose own tile scores highest, under one of CONTROLS: a side blanked, or panoramas given
    to other regions.

    Ties go to a letter drawn with a fixed seed, so that a blind model scores chance and not the share of letter A.
    """
    if control not in CONTROLS:
        raise ValueError(f"control={control!r}; choose from {CONTROLS}")
    ground, aerial = tensors(rows)
    if control == "panorama blanked":
        ground = torch.zeros_like(ground)
    elif control == "tiles blanked":
        aerial = torch.zeros_like(aerial)
    elif control == "panoramas exchanged":
        ground = ground.roll(len(ground) // 2, 0)  # from another region: the next row could be one of the candidates
    a, b = model.embed(ground, aerial)
    candidates = torch.tensor(questions["candidates"][:])  # (Q, k)
    truth = torch.tensor([ord(letter) - ord("A") for letter in questions["letter"]])
    own = candidates.gather(1, truth[:, None])[:, 0]
    scores = (a[own][:, None] * b[candidates]).sum(-1)
    jitter = torch.rand(scores.shape, generator=torch.Generator().manual_seed(0)) * 1e-6
    return float(((scores + jitter).argmax(1) == truth).float().mean())


# --- can every cue be read from either side? --------------------------------------------------------------------------


class Reader(nn.Module):
    """(B, 3, H, W) pictures -> logits of every cue, one after another: a small convolutional network."""

    def __init__(self, values: list[int], *, wrap: bool, width: int = 40):
        super().__init__()
        sizes = (12, width, 2 * width, 2 * width)
        self.wrap = wrap
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=(1, 0)) for a, b in zip(sizes, sizes[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in sizes[1:])
        self.flat, self.drop = nn.LazyLinear(128), nn.Dropout(0.2)
        self.heads = nn.Linear(128 + 4 * width, sum(values))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.pixel_unshuffle(x, 2)  # every pixel is kept, and four times fewer places have to be computed
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms)):
            x = F.relu(norm(layer(F.pad(x, (1, 1, 0, 0), mode="circular" if self.wrap else "constant"))))
            if i < len(self.layers) - 1:
                x = F.max_pool2d(x, 2)
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return self.heads(self.drop(torch.cat([F.relu(self.flat(x.flatten(1))), pooled], 1)))


def train_reader(
    pictures: torch.Tensor, labels: torch.Tensor, values: list[int], *, wrap: bool, epochs: int = 16, seed: int = 0
) -> Reader:
    """A supervised probe of all cues at once; deterministic for a seed.

    pictures: (N, 3, H, W) in -1..1. labels: (N, C) number of each cue's value. values: how many each of the C cues has.
    wrap: the pictures run round the compass. Half of all pictures are mirrored east-west and half north-south, with the
    labels that then hold. Rare values weigh more: by the root of their inverse frequency.
    """
    torch.manual_seed(seed)
    model = Reader(values, wrap=wrap)
    model(pictures[:2])
    weights = [
        (1 / torch.bincount(labels[:, c], minlength=n).clamp(min=1).float()).sqrt() for c, n in enumerate(values)
    ]
    batch, count = 32, len(pictures)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=epochs * (count // batch))
    order = torch.Generator().manual_seed(seed)
    for _ in trange(epochs, desc="reader", disable=epochs < 4):
        for pick in torch.randperm(count, generator=order)[: count // batch * batch].view(-1, batch):
            shown, true = pictures[pick], labels[pick]
            for north in (False, True):
                flip = torch.rand((), generator=order) < 0.5
                shown, true = mirrored(shown, true, north=north, wrap=wrap) if flip else (shown, true)
            parts = model(shown).split(values, 1)
            loss = torch.stack([F.cross_entropy(p, true[:, c], weights[c]) for c, p in enumerate(parts)]).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def mirrored(
    pictures: torch.Tensor, labels: torch.Tensor, *, north: bool, wrap: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures and labels of the world's mirror image, east for west or (north) north for south: there one drives on
    the other side, and the sun of noon stands in the other half of the sky."""
    labels = labels.clone()
    names = list(WORDS)
    side, sun = names.index("side"), names.index("sun")
    labels[:, side] = 1 - labels[:, side]
    if north:
        swapped = torch.tensor([1, 0, 2])  # south, north, overhead
        labels[:, sun] = swapped[labels[:, sun]]
    if north and wrap:  # azimuth a becomes 180 - a
        return pictures.flip(-1).roll(pictures.shape[-1] // 2, -1), labels
    return pictures.flip(-2 if north else -1), labels


@torch.no_grad()
def read(model: Reader, pictures: torch.Tensor, values: list[int]) -> torch.Tensor:
    """(N, C) the number of the value that the reader sees for each cue. pictures: (N, 3, H, W) in -1..1; values: how
    many each cue has, as in `train_reader`."""
    logits = torch.cat([model(part) for part in pictures.split(256)])
    return torch.stack([part.argmax(1) for part in logits.split(values, 1)], 1)
