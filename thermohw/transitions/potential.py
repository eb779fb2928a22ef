r"""The landscape in which the reverse process of two humps moves, and the entropy it makes.

Yu and Huang (2025), dx = -x dt + sqrt(2) dW; c = mu e^-t, D = 1 + (sigma^2 - 1) e^-2t. Reversed,
the drift 2 grad ln p_t + x is minus the slope of

    U(x, t) = x^2/D - 2 ln cosh(c x/D) - x^2/2.                                       (potential)

The same landscape is a free energy. Given x the data have the energy
H(x_0|x) = (x - e^-t x_0)^2/(2 N) - ln p_0(x_0), N = 1 - e^-2t, at the temperature 1/beta = N, and
2 beta F - x^2/2 with F = -(1/beta) ln int e^{-H} differs from U by what does not depend on x.

Phases. U''(0) = 0, where one valley becomes two, gives

    e^{2 tS} = mu^2 + sqrt(mu^4 + (sigma^2 - 1)^2).

    "none"      e^{2 tS} <= 1, i.e. mu <= 1 and mu^2 <= sigma^2 - sigma^4/2: never two valleys
    "unstable"  sigma^2 > 2: for t < (1/2) ln(sigma^2 - 1) the outer slope, 1/D - 1/2, has turned
                over. The exact score still samples the right law; the landscape does not hold it.
    "stable"    otherwise

Rates, nats per model time, noising on p_t and on the way back (marked *):

    phi = E x^2 - 1               entropy into the medium      phi* = 2 pi - phi
    pi  = J + E x^2 - 2           entropy production           J = E s^2 = 1/D - (c/D)^2 mmse(c^2/D)
    dS/dt = pi - phi              entropy of the law           pi* = pi

phi* is negative - heat flows INTO the circuit - from the zero of phi* to the prior side. With the
clock of an RC node under an emf in continuous time a rate of 1 nat per model time is
theta k T/(R C) watts (`in_watts`).

References:
    Z. Yu and H. Huang, "Nonequilibrium physics of generative diffusion models", Phys. Rev. E 111,
    014111 (2025), https://arxiv.org/abs/2405.11932
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from thermohw.errors import InputError
from thermohw.transitions.one_bit import bit_information, mmse
from thermohw.transitions.onset import Onset
from thermohw.transitions.two_humps import TwoHumps, transition
from thermohw.units import K_B

__all__ = [
    "EntropyRates",
    "HeatReturn",
    "entropy_rates",
    "free_energy",
    "heat_return",
    "in_watts",
    "noised_entropy",
    "phase",
    "phase_diagram",
    "potential",
    "potential_curvature",
    "potential_slope",
    "speciation_time",
    "turnover_time",
]

_POINTS = 400  # of a scan in time; what changes sign between two of them is refined


@dataclass(frozen=True)
class EntropyRates:
    """Rates at one time, nats per model time.

    Attributes:
        production: pi, of noising and of generation alike.
        medium: phi, entropy that noising gives to the medium.
        system: dS/dt along noising.
        returned: phi*, entropy that generation gives to the medium.
    """

    production: float
    medium: float
    system: float
    returned: float


@dataclass(frozen=True)
class HeatReturn:
    """Where generation takes heat from its bath instead of giving.

    Attributes:
        zero: model time at which phi* changes sign.
        lowest: model time of the minimum of phi* on the prior side of it.
        depth: phi* there, nats per model time.
        criterion: what was asked; the others are None where it is never met.
    """

    zero: float | None
    lowest: float | None
    depth: float | None
    criterion: str


def _width(humps: TwoHumps, t: float) -> tuple[float, float]:
    centre, width = humps.at(t)
    if not width > 0.0:
        raise InputError("two deltas have no landscape at t = 0", where="transitions.t")
    return centre, width


def potential(humps: TwoHumps, x: np.ndarray | float, t: float) -> np.ndarray:
    """U(x, t), nats, at x of any shape; U(0, t) = 0.

    Raises:
        InputError: a negative time, or t = 0 of two deltas.
    """
    centre, width = _width(humps, t)
    x = np.asarray(x, dtype=np.float64)
    a = centre * x / width
    log_cosh = np.logaddexp(a, -a) - math.log(2.0)
    return np.square(x) * (1.0 / width - 0.5) - 2.0 * log_cosh


def potential_slope(humps: TwoHumps, x: np.ndarray | float, t: float) -> np.ndarray:
    """dU/dx, minus the drift of the reverse process; see `potential`."""
    centre, width = _width(humps, t)
    x = np.asarray(x, dtype=np.float64)
    return x * (2.0 / width - 1.0) - 2.0 * centre / width * np.tanh(centre * x / width)


def potential_curvature(humps: TwoHumps, x: np.ndarray | float, t: float) -> np.ndarray:
    """d2U/dx2; see `potential`."""
    centre, width = _width(humps, t)
    told = np.tanh(centre * np.asarray(x, dtype=np.float64) / width)
    return 2.0 / width - 1.0 - 2.0 * (centre / width) ** 2 * (1.0 - told**2)


def free_energy(humps: TwoHumps, x: np.ndarray | float, t: float) -> np.ndarray:
    """The generalised free energy 2 beta F(x, t) - x^2/2, nats, t > 0: U plus what x leaves alone.

    Raises:
        InputError: t <= 0.
    """
    noise = transition(t)[1]
    if not noise > 0.0:
        problem = "the posterior of the data has no temperature at t = 0"
        raise InputError(problem, where="transitions.t")
    _, width = _width(humps, t)
    lift = humps.snr(t) + math.log(2.0 * math.pi * width) - math.log(2.0 * math.pi * noise)
    return potential(humps, x, t) + lift


def speciation_time(humps: TwoHumps) -> Onset:
    """tS, where the valley at x = 0 becomes a ridge: U''(0, tS) = 0."""
    square = humps.mu**2
    grown = square + math.hypot(square, humps.variance - 1.0)
    words = f"U''(0, t) = 0 at e^{{2 t}} = mu^2 + sqrt(mu^4 + (sigma^2 - 1)^2) = {grown:.6g}"
    if grown <= 1.0:
        return Onset(None, f"{words}, which no t > 0 reaches")
    return Onset(0.5 * math.log(grown), words)


def turnover_time(humps: TwoHumps) -> Onset:
    """Before it (t smaller) the potential falls off outwards: D(t) = 2."""
    if humps.variance <= 2.0:
        return Onset(None, f"D(t) > 2 needs sigma^2 > 2, got {humps.variance:g}")
    return Onset(0.5 * math.log(humps.variance - 1.0), "D(t) = 2 at e^{2 t} = sigma^2 - 1")


def phase(humps: TwoHumps) -> str:
    """The phase of Yu and Huang's figure 5: "none", "stable" or "unstable"."""
    if not speciation_time(humps):
        return "none"
    return "unstable" if turnover_time(humps) else "stable"


def phase_diagram(mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Phases on a grid: shape (len(mu), len(sigma)) of texts.

    Args:
        mu: places of the humps, positive.
        sigma: their standard deviations, 0 or more.
    """
    return np.array([[phase(TwoHumps(float(m), float(s) ** 2)) for s in sigma] for m in mu])


def entropy_rates(humps: TwoHumps, t: float) -> EntropyRates:
    """pi, phi, dS/dt and phi* at model time t; errors of `potential`."""
    centre, width = _width(humps, t)
    known = 1.0 / width - (centre / width) ** 2 * mmse(humps.snr(t))
    # E x^2 - 1 without the difference of two numbers that become 1
    medium = math.exp(-2.0 * t) * (humps.mu**2 + humps.variance - 1.0)
    production = known - 1.0 + medium
    return EntropyRates(production, medium, production - medium, 2.0 * production - medium)


def noised_entropy(humps: TwoHumps, t: float) -> float:
    """S(t) of p_t, nats, model units: that of one hump and what x tells of which."""
    return 0.5 * math.log(2.0 * math.pi * math.e * _width(humps, t)[1]) + bit_information(
        humps.snr(t)
    )


def heat_return(humps: TwoHumps, until: float = 3.0) -> HeatReturn:
    """Zero and minimum of phi* on 0 < t < until.

    Raises:
        InputError: `until` not positive.
    """
    if not (math.isfinite(until) and until > 0.0):
        raise InputError(f"expected a positive time, got {until!r}", where="transitions.until")

    def flow(t: float) -> float:
        return entropy_rates(humps, float(t)).returned

    times = np.geomspace(1e-4 * until, until, _POINTS)
    values = np.array([flow(t) for t in times])
    words = f"phi* changes from giving to taking at some 0 < t < {until:g}"
    falls = np.flatnonzero((values[:-1] > 0.0) & (values[1:] <= 0.0))
    if not len(falls):
        return HeatReturn(None, None, None, f"{words}: it never does")
    first = int(falls[0])
    zero = float(scipy.optimize.brentq(flow, times[first], times[first + 1], xtol=1e-13))
    least = first + int(np.argmin(values[first:]))
    if least == len(times) - 1:
        return HeatReturn(zero, None, None, f"{words}; its minimum lies beyond")
    bracket = times[max(least - 1, first)], times[least + 1]
    found = scipy.optimize.minimize_scalar(flow, bounds=bracket, method="bounded",
                                           options={"xatol": 1e-9})  # fmt: skip
    return HeatReturn(zero, float(found.x), float(found.fun), words)


def in_watts(rate: float, *, temperature: float, time_constant: float, theta: float = 1.0) -> float:
    """A rate in nats per model time of OU as heat per second of one RC node, watt.

    Args:
        rate: nats per model time.
        temperature: of the resistor, kelvin.
        time_constant: R C, second.
        theta: k T/C over the square of a model unit, volts; 1 unless a protocol sets V0.
    """
    return rate * theta * K_B * temperature / time_constant
