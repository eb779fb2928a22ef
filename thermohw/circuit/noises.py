r"""What noise sources do to a linear circuit: second moments and power in closed form.

A source of value xi(t) drives dz = -A z dt + N dW + s xi dt with s = e_a - e_b for a current into a
node, s = gamma_k b_k for a voltage in series with resistor k. Independent sources add their
covariances to that of the baths. Thermal units; S is the one-sided density, D = S/4 such that white
noise of density S adds like sqrt(2 D) dW.

One pole of correlation time T and variance sigma^2 = S/(4 T) (one-pole white noise; flicker noise
is a sum of them; telegraph noise has the second moments of one with 1/T = 1/capture + 1/emission):

    X = E z xi = (A + 1/T)^{-1} s sigma^2,         A P + P A^T = s X^T + X s^T
    RC node, tau = RC, S that of its resistor:     P = (kT/C) / (1 + T/tau)

Samples of variance sigma^2 = S/(2 h), independent, h apart. Over one interval z' = Phi z + G_0 xi_0
+ G_1 xi_1, and E z xi_0 = G_1 sigma^2 at its start, so at the sample instants

    P = Phi P Phi^T + sigma^2 (G_0 G_0^T + G_1 G_1^T + Phi G_1 G_0^T + G_0 G_1^T Phi^T)
    staircase, RC        G_1 = 0:                  P = (kT/C) (2/r) tanh(r/2) = 1 - r^2/12 + ...
    interpolated, RC     with r = h/tau, phi = e^-r, g = (1 - phi)/r, G_0 = g - phi, G_1 = 1 - g:
                         P = (kT/C) (2/r) (G_0^2 + G_1^2 + 2 phi G_0 G_1)/(1 - phi^2)
                           = 1 - r/2 + ...

Flicker noise density^2 (f_c/f)^a between f_lo and f_hi is a sum of poles at three frequencies f_j a
decade, from one and a half decades below to as many above, with sigma_j^2 proportional to
f_j^{1-a}: its density is right to 4 % at the ends of the band, 0.6 % a decade inside; beyond, it
levels off below and falls like f^-2 above: its variance is that of a band some 1.67 decades wider
at either end (exponent 1).

Mean power that a source delivers: E xi s.H''z at a node, gamma_k (E xi^2 - E xi b_k.H''z) in
series with a resistor (a mean of xi counts too).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from thermohw.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.device import LinearDevice
    from thermohw.datasheet.noises import Noise

__all__ = [
    "NoiseInput",
    "added_covariance",
    "flicker_poles",
    "mean_power",
    "noise_inputs",
    "spectrum",
    "total_covariance",
]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_PER_DECADE, _BEYOND = 3, 1.5  # poles of flicker noise; factor beyond the ends of its band


@dataclass(frozen=True, eq=False)
class NoiseInput:
    """A noise source of a device, thermal units.

    Attributes:
        name: of the source.
        kind: "poles", "staircase", "interpolated" or "telegraph".
        element: index of the resistor it stands in series with; None for a current.
        port: charge per unit of current, shape (n,); zero in series.
        variances: of every pole, shape (m,); one entry otherwise (of the samples, of telegraph
            noise about its mean).
        times: correlation time of every pole; sample interval; one entry otherwise.
        mean: of the source.
        levels: of telegraph noise: (amplitude, capture, emission).
    """

    name: str
    kind: str
    element: int | None
    port: NDArray[Any]
    variances: NDArray[Any]
    times: NDArray[Any]
    mean: float = 0.0
    levels: tuple[float, float, float] | None = None

    def drive(self, device: LinearDevice) -> NDArray[Any]:
        """s, the rate at which a unit of the source changes the state, shape (n,)."""
        return self.port if self.element is None else device.source_matrix[:, self.element]


def noise_inputs(device: LinearDevice) -> tuple[NoiseInput, ...]:
    """The noise sources of a device's datasheet; () for a device without one.

    Raises:
        InputError: a source in series with an element that the circuit lacks.
    """
    noises = () if device.datasheet is None else device.datasheet.noises
    return tuple(_input(device, noise) for noise in noises)


def _input(device: LinearDevice, noise: Noise) -> NoiseInput:
    scale, port, element = device.scale, np.zeros(device.dim), None
    size = scale.voltage if noise.series else scale.current
    if noise.series:
        if noise.series not in device.elements:
            raise InputError(f"{noise.name}.series: no element '{noise.series}'", where=device.name)
        element = device.elements.index(noise.series)
    else:
        for end, sign in zip(noise.into, (1.0, -1.0), strict=True):
            if end in device.nodes:
                port[device.nodes.index(end)] = sign

    def value(name: str) -> float:
        entry = getattr(noise, name)
        assert entry is not None
        return float(entry.value)

    def made(kind: str, variances: Any, times: Any, **more: Any) -> NoiseInput:
        return NoiseInput(
            noise.name, kind, element, port, np.atleast_1d(variances), np.atleast_1d(times), **more
        )

    if noise.kind == "telegraph":
        step = value("amplitude") / size
        rest, full = value("capture") / scale.time, value("emission") / scale.time
        share = full / (rest + full)
        return made(
            "telegraph", step**2 * share * (1.0 - share), rest * full / (rest + full),
            mean=step * share, levels=(step, rest, full),
        )  # fmt: skip
    if noise.kind == "flicker":
        assert noise.exponent is not None
        density = value("density") ** 2 / (size**2 * scale.time)
        ends = [value(key) * scale.time for key in ("lowest", "bandwidth", "corner")]
        return made("poles", *flicker_poles(density, ends[2], noise.exponent, *ends[:2]))
    width = value("bandwidth") * scale.time
    factor = 0.5 * pi if noise.shape == "one-pole" else 0.5
    if noise.rms is not None:
        variance = (value("rms") / size) ** 2
    else:
        variance = factor * width * value("density") ** 2 / (size**2 * scale.time)
    if noise.shape == "one-pole":
        return made("poles", variance, 1.0 / (2.0 * pi * width))
    return made(noise.shape, variance, 1.0 / width)


def flicker_poles(
    density: float, corner: float, exponent: float, lowest: float, highest: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Poles whose densities add up to `density` (corner/f)^exponent between two frequencies.

    Right within 1.1 % in the band. Below it the density levels off, above it it falls as 1/f^2,
    both within a factor of `_BEYOND`, so that a band declared is a band played.

    Args:
        density: one-sided, at `corner`.
        corner: frequency, any unit.
        exponent: 0.8 to 1.2.
        lowest: lower end of the band, same unit.
        highest: its upper end.

    Returns:
        Variances and correlation times of the poles, shape (m,) each.
    """
    from scipy.optimize import nnls  # a fifth of a second, for these sources only

    span = highest / lowest * _BEYOND**2
    places = np.geomspace(
        lowest / _BEYOND, highest * _BEYOND, int(np.ceil(_PER_DECADE * np.log10(span))) + 1
    )
    f = np.geomspace(lowest, highest, 40 * len(places))[:, None]
    # The densities of the poles at f = 0, in units of the wanted density there: none is negative.
    share, _ = nnls((f / places) ** exponent / (1.0 + (f / places) ** 2), np.ones(len(f)))
    used = share > 0.0
    places, weights = places[used], (share * density * (corner / places) ** exponent)[used]
    return 0.5 * pi * places * weights, 1.0 / (2.0 * pi * places)


def spectrum(source: NoiseInput, frequency: NDArray[Any]) -> NDArray[Any]:
    """One-sided density of a source about its mean, shape of `frequency` (per R_ref C_ref)."""
    f = np.asarray(frequency, dtype=float)[..., None]
    if source.kind in ("poles", "telegraph"):
        zero = 4.0 * source.variances * source.times
        return (zero / (1.0 + (2.0 * pi * f * source.times) ** 2)).sum(-1)
    power = 2 if source.kind == "staircase" else 4
    return (2.0 * source.variances * source.times * np.sinc(f * source.times) ** power).sum(-1)


def added_covariance(device: LinearDevice, source: NoiseInput) -> NDArray[Any]:
    """What a source adds to the steady Cov(z) of charges and fluxes, shape (n, n).

    Sampled sources at their sample instants, where the covariance is periodic.
    """
    a, s = device.drift_matrix, source.drive(device)
    if source.kind in ("poles", "telegraph"):
        mixed = sum(_mixed(a, s, v, t) for v, t in zip(source.variances, source.times, strict=True))
        forced = np.outer(s, mixed)
        covariance = scipy.linalg.solve_continuous_lyapunov(a, forced + forced.T)
    else:
        h, variance = float(source.times[0]), float(source.variances[0])
        phi, first, second = _interval(device, source, h, h)
        cross = phi @ np.outer(second, first)
        kick = np.outer(first, first) + np.outer(second, second) + cross + cross.T
        covariance = scipy.linalg.solve_discrete_lyapunov(phi, variance * kick)
    return 0.5 * (covariance + covariance.T)


def total_covariance(device: LinearDevice) -> NDArray[Any]:
    """Steady covariance of the efforts (v, i) with all baths and noise sources, shape (n, n)."""
    charges = device.stationary_covariance + sum(
        added_covariance(device, source) for source in noise_inputs(device)
    )
    return device.hessian @ charges @ device.hessian


def mean_power(device: LinearDevice, source: NoiseInput) -> float:
    """Mean power that a source delivers in the steady state, k T_ref per R_ref C_ref.

    Its own share: cross-terms with the means of other sources are not counted.
    """
    a, s = device.drift_matrix, source.drive(device)
    if source.kind in ("poles", "telegraph"):
        square = float(source.variances.sum())
        mixed = sum(_mixed(a, s, v, t) for v, t in zip(source.variances, source.times, strict=True))
    else:
        h, variance = float(source.times[0]), float(source.variances[0])
        square, mixed = 0.0, np.zeros(device.dim)
        corner = variance * _interval(device, source, h, h)[2]  # E z xi_0 at a sample instant
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            u = 0.5 * h * (1.0 + node)
            phi, first, second = _interval(device, source, u, h)
            late = u / h if source.kind == "interpolated" else 0.0
            with_first = phi @ corner + variance * first
            mixed = mixed + 0.5 * weight * ((1.0 - late) * with_first + late * variance * second)
            square += 0.5 * weight * variance * ((1.0 - late) ** 2 + late**2)
    square += source.mean**2
    mixed = mixed + source.mean**2 * np.linalg.solve(a, s)
    effort = device.hessian @ mixed
    if source.element is None:
        return float(source.port @ effort)
    k = source.element
    return float(device.coefficients[k] * (square - device.directions[k] @ effort))


def _mixed(a: NDArray[Any], s: NDArray[Any], variance: float, time: float) -> NDArray[Any]:
    """E z xi of one pole, shape (n,)."""
    return np.linalg.solve(a + np.eye(len(a)) / time, s * variance)


def _interval(
    device: LinearDevice, source: NoiseInput, u: float, h: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Phi, G_0 and G_1 a time u into an interval of length h."""
    n, s = device.dim, source.drive(device)
    block = np.zeros((n + 2, n + 2))
    block[:n, :n], block[:n, n] = -device.drift_matrix, s
    if source.kind == "interpolated":
        block[n, n + 1] = 1.0 / h
    moved = scipy.linalg.expm(block * u)
    slope = moved[:n, n + 1]  # response to xi_1 - xi_0
    return moved[:n, :n], moved[:n, n] - slope, slope
