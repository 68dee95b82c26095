"""Decoding on a GPU: a step, from logits through tokens to logits, is recorded as a CUDA graph and replayed.

A step of a model with few tokens in it is hundreds of small kernels, whose start costs the CPU more than their work
the GPU. Replayed they start by themselves; and nothing is asked of the device from step to step: which rows have ended
is read every `CHECK` steps. Where half of them have, the others move together and a step is recorded anew.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.distributed.fsdp import FSDPModule

from georeplicate.model.shared_prefix.decoding import StaticDecoder, compaction
from georeplicate.model.shared_prefix.sampling import Draws

CHECK = 64  # steps between two looks at which rows have ended
SHARE = 0.5  # of its rows that a batch may shrink to before the others move together
WARM = 2  # steps before one is recorded: libraries take their workspaces and autocast its copies in these


def decode(state: StaticDecoder, logits: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Tokens of all rows, [rows, steps] on the CPU, -1 behind their ends.

    logits: [rows, vocabulary], of the first token. Rows that have ended are decoded on until they leave; what is drawn
    for them is dropped here.
    """
    size, device = state.size, logits.device
    output = torch.full((len(logits), size), -1, dtype=torch.long)
    rows, alive, done = torch.arange(len(logits)), torch.ones(len(logits), dtype=torch.bool), 0
    while done < size and alive.any():
        if (fewer := compaction(alive, state.group, SHARE)) is not None:
            members, order, group = fewer
            kept = order.to(device)
            state.keep(members.to(device), kept, group)
            draws.keep(kept)
            logits, rows, alive = logits[kept], rows[order], alive[order]
        batch, first = _Batch(state, logits, draws, alive), done
        done = batch.run(first)
        output[rows, first:done] = batch.written[:, first:done].cpu()
        logits, alive = batch.logits, batch.alive
    return output


class _Batch:
    """What a recorded step reads and writes. written: [rows, steps], -1 behind an end; ended: [rows]."""

    def __init__(self, state: StaticDecoder, logits: torch.Tensor, draws: Draws, alive: torch.Tensor):
        self.state, self.draws, self.logits = state, draws, logits.clone()
        self.written = torch.full((len(logits), state.size), -1, dtype=torch.long, device=logits.device)
        self.ended = ~alive.to(logits.device)

    @property
    def alive(self) -> torch.Tensor:
        """[rows], on the CPU: waits for the device."""
        return ~self.ended.cpu()

    def step(self) -> None:
        token = self.draws.token(self.logits, self.state.at)
        self.written.index_copy_(1, self.state.at, token.masked_fill(self.ended, -1)[:, None])
        self.ended.logical_or_(self.draws.ends(token))
        self.draws.mark_used(token)
        self.logits.copy_(self.state(token))

    def run(self, done: int) -> int:
        """Steps from number `done` until all rows have ended or those that live fit into less space; the number of the
        next one. What was recorded is freed on the way out: it holds memory for all rows."""
        size = self.state.size
        warm = min(WARM, size - done)
        replay = _recorded(self.step, warm, more=done + warm < size, model=self.state.model)
        done += warm
        while done < size and (alive := self.alive).any() and compaction(alive, self.state.group, SHARE) is None:
            count = min(CHECK, size - done)
            for _ in range(count):
                replay()
            done += count
        return done


def _recorded(step: Callable[[], None], warm: int, *, more: bool, model: torch.nn.Module) -> Callable[[], None]:
    """Takes the first steps, `warm` of them, and returns what takes one more. Nothing is recorded on a CPU, where there
    are no `more` steps, where code in between fetches weights that are kept in shares, or looks at positions on the way
    (rotary frequencies that change as the text grows)."""
    weight = next(model.parameters())
    between = hasattr(weight, "ds_id") or any(isinstance(part, FSDPModule) for part in model.modules())
    between |= any("dynamic" in str(getattr(part, "rope_type", "")) for part in model.modules())
    if weight.device.type != "cuda" or not more or between:
        for _ in range(warm):
            step()
        return step
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(warm):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
