"""Noise of groups of paths: by tick, by event, or drawn once.

A number depends on the seed, on what it is for, on its path, channel and tick (`noise.philox`): not
on how many paths run beside it, how they are tiled, on how many cores, what was drawn before or
where a run was interrupted. There is no state to be kept. A `Recording` replays stored increments
instead.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from thermohw.noise import philox
from thermohw.noise.streams import Stream

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

__all__ = ["Draws", "EventNumbers", "NoiseSource", "Random", "Recording", "TickNoise", "choice",
           "kernels", "normal", "uniform"]  # fmt: skip


@cache
def kernels() -> ModuleType | None:
    """The compiled kernels; None where numba does not work, said once."""
    try:
        from thermohw.noise import compiled
        from thermohw.noise.jit import config

        if config.DISABLE_JIT:  # kernels as Python functions would overflow
            raise RuntimeError("NUMBA_DISABLE_JIT is set")
    except Exception as error:  # numba, its compiler, or a version of numpy that it does not know
        import sys

        print(f"numba does not work here ({type(error).__name__}: {' '.join(str(error).split())}): "
              "noise and ticks take their slow, readable path", file=sys.stderr)  # fmt: skip
        return None
    return compiled


def _fill(
    key: NDArray[np.uint32], group: int, channel: int, first: int, shape: tuple[int, int],
    dtype: Any,
) -> NDArray[Any]:  # fmt: skip
    """Normals of a group of ticks, shape (4 or 2, *shape)."""
    compiled = kernels()
    if compiled is None:
        paths = first + np.arange(shape[0], dtype=np.uint64)[:, None]
        channels = channel + np.arange(shape[1])
        pair = int(key[0]), int(key[1])
        return philox.normals(pair, group, channels, paths, dtype)
    out = np.empty((philox.ticks_of(dtype), *shape), dtype)
    fill = compiled.fill_single if out.dtype == np.float32 else compiled.fill_double
    fill(key, group, channel, first, out)
    return out


def _fill_uniforms(
    key: NDArray[np.uint32], group: int, channel: int, first: int, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Numbers in (0, 1), shape (2, *shape)."""
    compiled = kernels()
    if compiled is None:
        paths = first + np.arange(shape[0], dtype=np.uint64)[:, None]
        channels = channel + np.arange(shape[1])
        return philox.uniforms((int(key[0]), int(key[1])), group, channels, paths)
    out = np.empty((2, *shape))
    compiled.fill_uniform(key, group, channel, first, out)
    return out


class NoiseSource(Protocol):
    """Standard normals for the ticks of a group of paths."""

    def normals(self, width: int, tick: int) -> torch.Tensor:
        """The next (paths, width) standard normals of a tick."""
        ...


class TickNoise:
    """Normals of neighbouring paths, tick by tick: a tick's first call has the channels from 0 on,
    further ones those behind.

    Args:
        seed: the run's seed, non-negative.
        first: index of the first path.
        paths: how many.
        dtype: float32 or float64.
        stream: what they are for.
    """

    def __init__(
        self,
        seed: int,
        first: int,
        paths: int,
        *,
        dtype: torch.dtype,
        stream: Stream = Stream.TICKS,
    ) -> None:
        self.first, self.paths, self.dtype = first, paths, dtype
        self.key = np.array(philox.key_of(seed, stream), dtype=np.uint32)
        self._type = np.dtype(np.float32 if dtype == torch.float32 else np.float64)
        self._together = philox.ticks_of(self._type)
        self._tick, self._channel = -1, 0
        self._group: dict[tuple[int, int], tuple[int, torch.Tensor]] = {}

    def normals(self, width: int, tick: int) -> torch.Tensor:
        """The next (paths, width) standard normals of a tick."""
        channel = self._channel if tick == self._tick else 0
        self._tick, self._channel = tick, channel + width
        group, place = divmod(tick, self._together)
        known, values = self._group.get((channel, width), (-1, None))
        if known != group or values is None:
            shape = self.paths, width
            values = torch.from_numpy(
                _fill(self.key, group, channel, self.first, shape, self._type)
            )
            self._group[channel, width] = group, values
        return values[place]


class Recording:
    """Replays normals that were kept, e.g. to give several steppers or sdeint the same increments.

    Args:
        normals: shape (ticks, paths, width).
    """

    def __init__(self, normals: torch.Tensor) -> None:
        self._normals = normals
        self._next = 0

    def normals(self, width: int, tick: int) -> torch.Tensor:
        """The next recorded (paths, width) normals, whatever the tick."""
        row = self._normals[self._next]
        assert row.shape[-1] == width, (
            f"recorded {row.shape[-1]} normals a tick, the stepper needs {width}"
        )
        self._next += 1
        return row


class EventNumbers:
    """Numbers in (0, 1) of neighbouring paths, event by event.

    Args:
        seed: the run's seed.
        first: index of the first path.
        paths: how many.
        kinds: numbers of an event.
        stream: what they are for.
    """

    def __init__(
        self, seed: int, first: int, paths: int, *, kinds: int, stream: Stream = Stream.EVENTS
    ) -> None:
        self.key = np.array(philox.key_of(seed, stream), dtype=np.uint32)
        self._first, self._paths, self._kinds = first, paths, kinds
        self._known, self._values = -1, np.empty(0)

    def numbers(self, event: int) -> NDArray[np.float64]:
        """Those of an event, shape (paths, kinds)."""
        group, place = divmod(event, 2)
        if group != self._known:
            shape = self._paths, self._kinds
            self._values = _fill_uniforms(self.key, group, 0, self._first, shape)
            self._known = group
        return self._values[place]


class Draws:
    """What neighbouring paths draw once, one thing after another: start states.

    Args:
        seed: the run's seed.
        first: index of the first path.
        paths: how many.
        stream: what for.
    """

    def __init__(self, seed: int, first: int, paths: int, *, stream: Stream = Stream.START) -> None:
        self.key = np.array(philox.key_of(seed, stream), dtype=np.uint32)
        self.first, self.paths, self._channel = first, paths, 0

    def normals(self, width: int) -> torch.Tensor:
        """The next standard normals, shape (paths, width), float64."""
        channel, self._channel = self._channel, self._channel + width
        shape = self.paths, width
        return torch.from_numpy(_fill(self.key, 0, channel, self.first, shape, np.float64)[0])

    def uniforms(self, width: int) -> torch.Tensor:
        """The next numbers in (0, 1), shape (paths, width), float64."""
        channel, self._channel = self._channel, self._channel + width
        shape = self.paths, width
        return torch.from_numpy(_fill_uniforms(self.key, 0, channel, self.first, shape)[0])


Random = torch.Generator | Draws
"""Where a law's samples come from: a generator in order, or the draws of certain paths."""


def normal(n: int, width: int, random: Any) -> torch.Tensor:
    """Standard normals, shape (n, width), float64, of a generator or of the draws of n paths."""
    if isinstance(random, Draws):
        assert n == random.paths, f"{n} of {random.paths} paths"
        return random.normals(width)
    return torch.randn(n, width, dtype=torch.float64, generator=random)


def uniform(n: int, width: int, random: Any) -> torch.Tensor:
    """Numbers between 0 and 1, shape (n, width), float64, likewise."""
    if isinstance(random, Draws):
        assert n == random.paths, f"{n} of {random.paths} paths"
        return random.uniforms(width)
    return torch.rand(n, width, dtype=torch.float64, generator=random)


def choice(n: int, high: int, random: Any) -> torch.Tensor:
    """Whole numbers 0 .. high - 1, all alike frequent, shape (n,), likewise."""
    if isinstance(random, Draws):
        return (uniform(n, 1, random)[:, 0] * high).long()
    return torch.randint(high, (n,), generator=random)
