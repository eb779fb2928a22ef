"""What a run keeps of its paths: every channel of each, or moments (`keep = "moments"`).

Moments are flat in paths and ticks. Of every channel of the ledger they are its `Statistics`, of
all that are one number a path also sums of products of deviations, so that any sum or difference
of channels has its standard error; the first tile's paths are kept as they are, since the law of
states is judged on states. `Judged` sums are those that an audit would have taken from the ledger:
they are taken while the run is played, by the audit's own code.

All of it is results of the file, and totals of its checkpoints: a resumed run continues them, an
extended one starts from those of the shorter. Tiles are joined in their order, one after the other,
so that a run that was killed and resumed has the same bits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thermohw.errors import InputError
from thermohw.store import (
    CELLS,
    COLUMNS,
    HISTOGRAM,
    MOMENTS,
    PRODUCTS,
    SAMPLE,
    Channel,
    Result,
    Statistics,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from thermohw.store import Layout

__all__ = ["KEPT", "MOMENTS_ONLY", "Judged", "Keeper", "keeping"]

KEPT = ("paths", "moments")
"""What `keep` may say."""

MOMENTS_ONLY = "the run kept moments only (store.keep = 'moments')"
"""Why something that needs every path is not to be had."""

_MOST = 256  # channels whose products are kept: half a megabyte

Channels = dict[str, "NDArray[Any]"]


def keeping(keep: Any, every: int | None, where: str) -> int | None:
    """`every` of a run that keeps this.

    Raises:
        InputError: no such word, or frames that would be kept of every path.
    """
    if keep not in KEPT:
        raise InputError(f"keep = {keep!r}: expected 'paths' or 'moments'", where=where)
    if keep == "paths":
        return every
    if every:
        problem = (
            f"every = {every} saves frames of every path, which keep = 'moments' leaves out: "
            "leave every out, or set it to 0"
        )
        raise InputError(problem, where=where)
    return 0


class Judged(Protocol):
    """Sums over paths that an audit needs."""

    def results(self, channels: Channels) -> tuple[tuple[Result, ...], Mapping[str, Any]]:
        """What a file must hold of them, by a first look at two paths of every channel, and the
        labels of its axes.
        """
        ...

    def add(self, channels: Channels) -> None:
        """Count a tile: channel -> values, SI, shape (paths[, axis])."""
        ...

    def arrays(self) -> Channels:
        """All of it, by the names of the results."""
        ...

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Continue from what `arrays` gave."""
        ...


class Keeper:
    """Moments of the paths of one run.

    Args:
        layout: what a file that keeps every path would hold.
        derive: channels -> those made of others, one number a path.
        derived: what these are.
        judged: sums for an audit; None in memory.

    Raises:
        InputError: the layout has series.

    Attributes:
        layout: what the file holds instead.
        statistics: of every channel, by name.
        sample: channels of the first tile, once it was added.
    """

    def __init__(
        self,
        layout: Layout,
        derive: Callable[[Channels], Channels],
        derived: tuple[Channel, ...],
        judged: Judged | None = None,
    ) -> None:
        if layout.series:
            raise InputError(
                "keep = 'moments' saves no frames, and this run keeps states of every path on its "
                "way: set samples to 0 (of [jumps], [evolve]), or every (of [store])",
                where="simulate.keep",
            )
        self._derive, self._judged = derive, judged
        own = {channel.name for channel in derived}
        channels = (*(c for c in layout.ledger if c.name not in own), *derived)
        self.statistics = {c.name: Statistics(layout.width(c)) for c in channels}
        self._scalars = [c.name for c in channels if c.axis is None]
        count = len(self._scalars)
        self._products = np.zeros((count, count)) if count <= _MOST else None
        self.sample: Channels = {}
        self.layout = self._layout(layout, channels)

    @property
    def count(self) -> int:
        """Paths seen."""
        return max(found.count for found in self.statistics.values())

    def add(self, channels: Channels) -> None:
        """Count a tile: channel -> values, SI, shape (paths[, axis])."""
        if not self.count:
            self.sample = {name: values[: self.layout.group] for name, values in channels.items()}
        table = channels | self._derive(channels)
        before, n = self._means(), float(self.count)
        for name, found in self.statistics.items():
            found.add(table[name])
        if self._products is not None:
            self._multiply(np.stack([table[name] for name in self._scalars]), before, n)
        if self._judged is not None:
            self._judged.add(channels)

    def arrays(self) -> Channels:
        """Totals by the names of their results."""
        made: Channels = {}
        for name, found in self.statistics.items():
            made[f"{MOMENTS}{name}"] = found.table.copy()
            made[f"{HISTOGRAM}{name}"] = found.cells.copy()
        if self._products is not None:
            made[PRODUCTS] = self._products.copy()
        return made | ({} if self._judged is None else self._judged.arrays())

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Continue from what `arrays` gave."""
        for name, found in self.statistics.items():
            found.table[...] = arrays[f"{MOMENTS}{name}"]
            found.cells[...] = arrays[f"{HISTOGRAM}{name}"]
        if self._products is not None:
            self._products[...] = arrays[PRODUCTS]
        if self._judged is not None:
            self._judged.restore(arrays)

    def _means(self) -> NDArray[np.float64]:
        return np.array([float(self.statistics[name].mean) for name in self._scalars])

    def _multiply(self, x: NDArray[Any], before: NDArray[np.float64], n: float) -> None:
        """Products of deviations of a tile, shape (scalars, paths), joined to those before."""
        assert self._products is not None
        mean, m = x.mean(1), float(x.shape[1])
        away = x - mean[:, None]
        self._products += away @ away.T
        if n:
            d = mean - before
            self._products += np.multiply.outer(d, d) * (n * m / (n + m))

    def _layout(self, layout: Layout, channels: tuple[Channel, ...]) -> Layout:
        results: list[Result] = []
        for c in channels:
            width, dims = layout.width(c), () if c.axis is None else (c.axis,)
            what = c.description or c.name
            results += [
                Result(f"{MOMENTS}{c.name}", (*width, len(COLUMNS)), c.unit,
                       dims=(*dims, "statistic"),
                       attrs={"columns": ", ".join(COLUMNS), "long_name": what}),
                Result(f"{HISTOGRAM}{c.name}", (*width, CELLS), "1", "int64",
                       dims=(*dims, "cell"), attrs={"long_name": f"paths in cells of {what}"}),
            ]  # fmt: skip
        first = min(layout.paths, layout.group)
        for c in layout.ledger:
            dims = ("first_path",) if c.axis is None else ("first_path", c.axis)
            shape = (first, *layout.width(c))
            about = f"of the first {first} paths: {c.description or c.name}"
            results.append(
                Result(f"{SAMPLE}{c.name}", shape, c.unit, dims=dims, attrs={"long_name": about})
            )
        axes: dict[str, Any] = {**layout.axes}
        if self._products is not None:
            axes["scalar"] = tuple(self._scalars)
            size = len(self._scalars)
            results.append(
                Result(PRODUCTS, (size, size), "1", dims=("scalar", "other_scalar"),
                       attrs={"long_name": "sums over paths of products of deviations, of the "
                              "units of both channels"})
            )  # fmt: skip
        if self._judged is not None:
            # Two paths of every channel, 0: shapes and names are all that is asked of them.
            look = {c.name: np.zeros((2, *layout.width(c))) for c in layout.ledger}
            more, labels = self._judged.results(look)
            results += more
            axes |= labels
        totals = sum(
            np.dtype(r.dtype).itemsize * int(np.prod(r.shape)) + 1024
            for r in results
            if not r.name.startswith(SAMPLE)
        )
        return replace(
            layout,
            axes=axes,
            ledger=(),
            results=(*layout.results, *results),
            state_size=layout.state_size + totals,
        )
