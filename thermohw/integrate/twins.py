r"""Noise that several plans share, so that what they say differently is not chance.

Twins are runs of the same paths that differ in one thing: ticks half as long, a converter left out,
another score. All replay one tape. For every tick of the coarse plan it holds the normals of two
decisions (for readings and noisy scores) and of F steps, as many as the finest twin takes in it. A
twin that takes G <= F steps gets G blocks, each the sum of consecutive ones over the root of their
number: standard normals again and independent, so the law of every twin is exactly that of a run of
its own, while a Wiener process summed over its halves moves the coarse path along the fine one.

A splitting step draws the noise of its two halves in one block; they count as two.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import torch

from thermohw.integrate.cells import Cells
from thermohw.integrate.held_network import HeldNetwork
from thermohw.integrate.staircase import Staircase
from thermohw.integrate.tile import BLOCK, Tile
from thermohw.integrate.tile_run import TileRun
from thermohw.noise import Stream, block_generator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thermohw.integrate.engine import Engine

__all__ = ["play_twins"]

_FAR = 2**42
"""First path of twins: beyond those of any run."""


def play_twins(engines: Sequence[Engine], paths: int) -> Iterator[tuple[torch.Tensor, TileRun]]:
    """Run engines that differ in one thing or another on the same noise, one after the other.

    Args:
        engines: each with the ticks of the first one, or with twice as many; equal seeds and
            dtypes, devices with equally many nodes.
        paths: how many, at most 4096.

    Yields:
        Start states and finished run of every engine, in their order.
    """
    assert paths <= BLOCK, "twins are one tile at most"
    ticks = engines[0].plan.schedule.ticks
    nodes = engines[0].plan.protocol.board.dim
    calls = [_Calls.of(engine, ticks) for engine in engines]
    finest = [max(row) for row in zip(*(c.pieces for c in calls), strict=True)]
    decides = max(c.decision for c in calls) > 0
    widths = 2 * nodes if decides else 0, max(c.step for c in calls)
    for engine, own in zip(engines, calls, strict=True):
        tape = _Tape(engine, paths, own, finest, widths)
        run = engine.open(Tile(_FAR, paths), noise=tape)
        first = run.state
        run.advance(engine.plan.schedule.ticks)
        yield first, run


class _Calls:
    """What a run asks its noise source for, in every tick of the coarse plan.

    Attributes:
        sequence: per coarse tick, the calls in their order: True for a decision.
        pieces: per coarse tick, blocks of step noise (two of a splitting step).
        parts: blocks that one call of a step takes.
        decision: normals of a decision.
        step: normals of one block.
    """

    def __init__(self, sequence: list[list[bool]], parts: int, decision: int, normals: int) -> None:
        self.sequence, self.parts = sequence, parts
        self.pieces = [parts * row.count(False) for row in sequence]
        self.decision, self.step = decision, normals // parts

    @classmethod
    def of(cls, engine: Engine, ticks: int) -> _Calls:
        """The calls of an engine whose plan has `ticks` ticks or twice as many."""
        plan, stepper = engine.plan, engine.stepper
        ratio, rest = divmod(plan.schedule.ticks, ticks)
        assert rest == 0 and ratio in (1, 2), "ticks as they are, or halved"
        width = engine.controller.normals * plan.protocol.board.dim
        halves = plan.stepper == "splitting" and plan.chain.lag.is_ideal
        halves = halves and not isinstance(stepper, Cells)  # which deal normals out cell by cell
        sequence: list[list[bool]] = [[] for _ in range(ticks)]
        for piece in plan.timeline:
            row = sequence[piece.tick // ratio]
            if width and piece.reads:
                row.append(True)
            row.extend([False] * _draws(stepper, piece.duration))
        return cls(sequence, 1 + halves, width, stepper.normals)


def _draws(stepper: Any, h: float) -> int:
    """How often a step of length h asks for normals."""
    if isinstance(stepper, Staircase):
        parts = stepper.parts(h)
        return parts * _draws(stepper.inner, h / parts)
    if isinstance(stepper, HeldNetwork):
        return stepper.pieces(h)
    inner = getattr(stepper, "inner", None)
    return 1 if inner is None else _draws(inner, h)


class _Tape:
    """The shared noise as one twin hears it: a `NoiseSource`."""

    def __init__(
        self,
        engine: Engine,
        paths: int,
        own: _Calls,
        finest: Sequence[int],
        widths: tuple[int, int],
    ) -> None:
        self.paths, self.dtype = paths, engine.dtype
        self._generator = block_generator(engine.seed, 0, Stream.TWINS)
        self._own, self._finest, self._widths = own, finest, widths
        nodes, controller = engine.plan.protocol.board.dim, engine.controller
        first = 0 if controller.reads_noise else nodes  # a reading's normals, then a score's
        self._decision = slice(first, first + nodes * controller.normals)
        self._stream = self._play()

    def normals(self, width: int, tick: int) -> torch.Tensor:
        """The next (paths, width) standard normals, whatever the tick."""
        values = next(self._stream)
        assert values.shape[1] == width, f"the tape has {values.shape[1]} normals, asked {width}"
        return values

    def _play(self) -> Iterator[torch.Tensor]:
        for sequence, fine in zip(self._own.sequence, self._finest, strict=True):
            decisions = [self._draw(self._widths[0]) for _ in range(2)]
            blocks = [self._draw(self._widths[1]) for _ in range(fine)]
            steps = iter(_merged(blocks, self._own.parts * sequence.count(False)))
            turn, decided = sequence.count(True), 0
            for decides in sequence:
                if decides:
                    whole = decisions[min(decided, 1) if turn > 1 else 0]
                    decided += 1
                    yield whole[:, self._decision]
                    continue
                parts = [next(steps)[:, : self._own.step] for _ in range(self._own.parts)]
                yield parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def _draw(self, width: int) -> torch.Tensor:
        """Normals of the paths."""
        values = torch.empty(self.paths, width, dtype=self.dtype)
        return values.normal_(generator=self._generator)


def _merged(blocks: list[torch.Tensor], count: int) -> list[torch.Tensor]:
    """`count` blocks of independent standard normals out of at least as many."""
    assert count <= len(blocks), "a twin takes no more steps than the finest"
    bounds = [round(i * len(blocks) / count) for i in range(count + 1)]
    groups = [blocks[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    return [
        group[0] if len(group) == 1 else torch.stack(group).sum(0) / sqrt(len(group))
        for group in groups
    ]
