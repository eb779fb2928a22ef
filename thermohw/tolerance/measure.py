r"""One board measured: how good its samples are and what they cost, each with its standard error.

Quality is the distance of the end states to the law that they should follow, in data units: W1 on
the line against the known mixture, sliced W2 against as many reference samples otherwise. W1 of n
samples F_n to a law F is a smooth functional where the two differ; its influence function

    psi(x) = int_x^inf sgn(F_n - F) dy - mean,     stderr = std(psi)/sqrt(n)

gives its error. Between equal laws W1 is not zero either: `floor` is its mean then, and the error
is at least the floor's own spread. Names are those of an audit: quality.w1, quality.sliced_w2,
work.emf.kT, heat.total.kT and so on, means per sample, in kT of the datasheet and in joules (.J).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy.special import ndtr

from thermohw.audit.distance import line_distance, sliced_distance
from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.pipeline import simulate
from thermohw.process import OU

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.control import Protocol
    from thermohw.target import Target

__all__ = ["Metric", "Outcome", "line_quality", "measure"]

_CLOUD = 4096  # samples of a cloud that are compared


class Metric(NamedTuple):
    """A mean per sample and its standard error; `floor` for a distance, else 0."""

    value: float
    stderr: float
    floor: float = 0.0

    @property
    def estimate(self) -> Estimate:
        """Without the floor."""
        return Estimate(self.value, self.stderr)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one board did.

    Attributes:
        metrics: dotted name -> metric.
        paths: per-path values of works and heats, kT, for paired differences.
    """

    metrics: dict[str, Metric]
    paths: dict[str, NDArray[Any]] = field(repr=False)

    @property
    def quality(self) -> Metric:
        """The distance of its samples."""
        return next(m for name, m in self.metrics.items() if name.startswith("quality."))


def measure(
    protocol: Protocol,
    *,
    paths: int,
    seed: int = 0,
    target: Target | None = None,
    start: str | None = None,
    prior: str = "schedule",
    dtype: str = "float32",
) -> Outcome:
    """Run a protocol and measure it.

    Args:
        protocol: what to play, imperfections included.
        paths: samples.
        seed: of the noise; equal seeds give equal noise to boards that draw equally many numbers.
        target: the data; default the score's own.
        start, prior, dtype: as in `thermohw.simulate`.

    Raises:
        InputError: the protocol is refused, or its data are unknown.
    """
    target = target if target is not None else protocol.score.target
    if target is None:
        raise InputError("the samples' law is unknown: give the target", where="target")
    run = simulate(
        protocol, paths=paths, seed=seed, target=target, start=start, prior=prior, dtype=dtype,
        progress=False,
    )  # fmt: skip
    kt = protocol.device.scale.energy
    columns = {n: v / kt for n, v in run.channels.items() if n.startswith(("work.", "heat."))}
    heats = [v for n, v in columns.items() if n.startswith("heat.")]
    columns = {n: v for n, v in columns.items() if n.startswith("work.")}
    columns["heat.total"] = np.sum(heats, axis=0)
    columns["energy.change"] = (run.channels["energy.end"] - run.channels["energy.start"]) / kt
    name, quality = _quality(protocol, target, run.channels["voltage.end"])
    metrics = {name: quality}
    for key, values in columns.items():
        mean = Estimate.from_paths(values)
        metrics[f"{key}.kT"] = Metric(*mean)
        metrics[f"{key}.J"] = Metric(*(mean * kt))
    return Outcome(metrics, columns)


def _quality(protocol: Protocol, target: Target, volts: NDArray[Any]) -> tuple[str, Metric]:
    x, process = volts / protocol.v0, protocol.process
    if protocol.device.fluxes:
        raise InputError("circuits with inductors have no table of this kind yet", where="device")
    try:
        truth = target.score(process)
    except InputError:
        truth = None
    law = getattr(truth, "law", None)
    if target.dim == 1 and law is not None:
        return "quality.w1", _on_the_line(x[:, 0], law(process.t_min), target.scale)
    x = x[:_CLOUD]
    generator = torch.Generator().manual_seed(0)
    if truth is not None:
        reference = truth.sample(len(x), process.t_min, generator).numpy()
    else:
        reference = target.sample(len(x), generator).numpy()
    found = sliced_distance(x, reference)
    return "quality.sliced_w2", _scaled(found.value, found.spread, found.floor, target.scale)


def line_quality(x: NDArray[Any], target: Target) -> Metric:
    """W1 of samples (n,) in model units to a one-dimensional mixture, data units."""
    return _on_the_line(x, target.score(OU(duration=1.0)).law(0.0), target.scale)  # type: ignore[attr-defined]


def _on_the_line(x: NDArray[Any], mixture: Any, scale: float) -> Metric:
    means, widths = mixture.means[:, 0], np.sqrt(mixture.covariances[:, 0, 0])

    def cdf(y: NDArray[Any]) -> NDArray[Any]:
        return ndtr((y[:, None] - means) / widths) @ mixture.weights

    found = line_distance(x, cdf)
    return _scaled(found.value, max(_influence(x, cdf), found.spread), found.floor, scale)


def _scaled(value: float, error: float, floor: float, scale: float) -> Metric:
    return Metric(value * scale, error * scale, floor * scale)


def _influence(x: NDArray[Any], cdf: Callable[[NDArray[Any]], NDArray[Any]]) -> float:
    """Standard error of W1 by its influence function."""
    x, n = np.sort(x), len(x)
    gaps = np.diff(x)
    sign = np.sign(np.arange(1, n) / n - cdf(0.5 * (x[1:] + x[:-1])))
    beyond = np.concatenate([np.cumsum((sign * gaps)[::-1])[::-1], [0.0]])
    return Estimate.from_paths(beyond).stderr
