"""A few paths and frames of a run: enough to look at, however large the file.

A series is never read whole. Frames are thinned to what a figure can show, paths are a handful, and
both shrink further on wide circuits so that what is in memory stays below a few million numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw.errors import InputError
from thermohw.process import Langevin, Observed

if TYPE_CHECKING:
    from thermohw.report.facts import Facts
    from thermohw.store import RunReader

__all__ = ["Film", "Samples", "Traces", "read_film", "read_samples", "read_traces"]

_MOST_NUMBERS = 2_000_000
_SEED = 0  # of the held-out points shown: a page is a pure function of its file


@dataclass(frozen=True, eq=False)
class Samples:
    """Generated samples beside data never trained on, data units.

    Attributes:
        generated: shape (n, dim).
        held_out: shape (m, dim); None without a target.
        source: what the held-out points are, for a title.
        grid: where the exact density is known, shape (g,); one dimension only, else None.
        density: of the data at the grid, per data unit.
    """

    generated: np.ndarray
    held_out: np.ndarray | None
    source: str = "data"
    grid: np.ndarray | None = None
    density: np.ndarray | None = None

    def against(self, index: int = 0) -> str:
        """What one coordinate of the samples is compared with, in words."""
        if self.grid is not None and index == 0:
            return "the exact density"
        return self.source if self.held_out is not None else "nothing"


@dataclass(frozen=True, eq=False)
class Traces:
    """One node, or the inductor that data lie on, of a few paths over time, SI.

    Attributes:
        node: its name.
        index: its place.
        step: tick numbers, shape (frames,).
        voltage: shape (frames, paths), volt; ampere for an inductor.
        control: of the node's own source, shape (frames, paths), volt or ampere.
    """

    node: str
    index: int
    step: np.ndarray
    voltage: np.ndarray
    control: np.ndarray
    unit: str = "V"

    @property
    def where(self) -> str:
        """Node or inductor, and its name."""
        return f"{'node' if self.unit == 'V' else 'inductor'} {self.node}"


@dataclass(frozen=True, eq=False)
class Film:
    """Whole states of a few paths at a few moments, from noise to sample.

    Attributes:
        step: tick numbers, shape (frames,).
        states: data units, shape (frames, paths, dim).
    """

    step: np.ndarray
    states: np.ndarray


def read_samples(run: RunReader, facts: Facts, *, most: int = 16_384) -> Samples:
    """The first generated samples and as many held-out points, at most `most` of each."""
    rows = max(1, min(most, _MOST_NUMBERS // len(facts.nodes), run.paths))
    ends = [run.first("voltage.end", rows)]
    if facts.inductors:
        ends.append(run.first("inductor_current.end", rows))
    generated = facts.read(*ends) if facts.inductors else facts.to_data(*ends)
    drawable = np.isfinite(generated).all(1)
    if drawable.any():  # the audit says how many are not
        generated = generated[drawable]
    target = facts.target
    if target is None:
        return Samples(generated, None)
    counts = getattr(target, "counts", None)
    wanted = rows if counts is None else min(rows, counts["test"])
    generator = torch.Generator().manual_seed(_SEED)
    held_out = target.to_data(target.held_out(wanted, generator)).numpy()
    grid, density = _density(facts, generated) if target.dim == 1 else (None, None)
    source = "fresh data" if target.analytic else "held-out data"
    return Samples(generated, held_out, source, grid, density)


def read_traces(run: RunReader, facts: Facts, *, paths: int, frames: int = 160) -> Traces | None:
    """The node whose data vary most; None where no series was recorded."""
    if "voltage" not in run.series_names:
        return None
    shown, unit = ("inductor_current", "A") if facts.on_currents else ("voltage", "V")
    series = run.series(shown)
    count, readable, nodes = series.shape
    stride = max(1, -(-count // frames))
    keep = _thin(count, stride)
    few = min(readable, max(2, min(paths, _MOST_NUMBERS // (len(keep) * nodes))))
    spread = np.zeros(nodes) if facts.target is None else np.diag(facts.target.covariance)
    # Largest within rounding, so that equal nodes give the first one on every machine.
    index = int(np.argmax(spread > 0.999999 * spread.max())) if spread.any() else 0
    voltage, control = (
        np.concatenate(
            [
                run.series(name).read(slice(0, count, stride), slice(0, few))[..., index],
                *([] if keep[-1] % stride == 0 else [_last(run, name, few)[..., index]]),
            ]
        )
        for name in (shown, "control")
    )
    names = run.layout.axes["inductor"] if facts.on_currents else facts.nodes
    return Traces(names[index], index, series.step[keep], voltage, control, unit)


def read_film(run: RunReader, facts: Facts, *, paths: int = 4, frames: int = 8) -> Film | None:
    """Frames evenly spaced in log signal-to-noise, the first and the last among them."""
    if "voltage" not in run.series_names:
        return None
    series = run.series("voltage")
    t = facts.schedule["model_time"][series.step]
    level = np.clip([facts.process.log_snr(float(time)) for time in t], -4.0, 6.0)
    wanted = np.linspace(level[0], level[-1], frames)
    chosen = {int(np.argmin(np.abs(level - x))) for x in wanted} | {0, len(t) - 1}
    order = sorted(chosen)
    few = min(paths, run.paths)

    def frames_of(name: str) -> np.ndarray:
        one = run.series(name)
        return np.stack([one.read(f, slice(0, few)) for f in order]).astype(np.float64)

    states = frames_of("voltage")
    if facts.inductors:
        return Film(series.step[order], facts.positions(states, frames_of("inductor_current")))
    return Film(series.step[order], facts.to_data(states))


def _thin(count: int, stride: int) -> np.ndarray:
    """Every stride-th frame and the last."""
    return np.unique(np.append(np.arange(0, count, stride), count - 1))


def _last(run: RunReader, name: str, paths: int) -> np.ndarray:
    return run.series(name).read(slice(-1, None), slice(0, paths))


def _density(
    facts: Facts, generated: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """The exact density at t_min over the range of the samples, data units."""
    target, process = facts.target, facts.process
    assert target is not None
    try:
        seen = Observed(process) if isinstance(process, Langevin) else process
        law = target.score(seen)
    except InputError:  # a data set: its density is not known
        return None, None
    spread = float(np.sqrt(target.covariance[0, 0]) * target.scale)
    centre = float(target.shift[0] + target.scale * target.mean[0])
    low = min(float(generated.min()), centre - 3.5 * spread)
    high = max(float(generated.max()), centre + 3.5 * spread)
    grid = np.linspace(low, high, 241)
    x = target.to_model(torch.tensor(grid[:, None]))
    density = law.log_prob(x, process.t_min).exp().numpy() / target.scale
    return grid, density
