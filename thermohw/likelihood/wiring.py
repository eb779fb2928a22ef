r"""Physical rates of the circuit beside the model's plug-in rates: what generation really costs.

The reverse process dx = b dtau + g dW, b = -f + 2 D s, f = F x, 2D = g^2, can be wired in two ways
that share every path but not their heat. Uncoupled nodes, one resistor each, isotropic process, per
model time, all expectations on the noised law p_t (not on what the circuit generates). A node
left alone relaxes with b_free = -(D/theta) x, theta = kT/(C V0^2); control does u = b - b_free,
for a process without drift it has to cancel that leak.

    emf, continuous   heat/kT = E b^2/D + E div b
    emf, clocked      heat/kT = E b^2/D + E div b - E div u                     (ticks -> 0)
    current, either   heat/kT = E[b_free . w]/D = (D/theta^2) E|x|^2 - d D/theta,
                      w = b_free - D grad ln p_t                                (Stein)
    energy change     (1/theta) (E[x . b] + d D),          work = heat + energy change
    pumping           E div u

and, where the true score is known, D E|s_true|^2 = error - norm - 2 trace (`sweep`) gives

    system            dS/dtau = E div b + D E|s_true|^2
    production        system + heat (emf) or system + heat - pumping (current), continuous: >= 0 as
                      E|b - D s_true|^2/D and E|w|^2/D. Clocked emf: not defined without the
                      information that the controller acquires, left out.

These need E|x|^2, E[x . s], E|s|^2 and E[div s] of the sweep's profile, nothing more.

Plug-in exchange and heat are two things.

    exchange + heat(emf, continuous) = 2 E[b . (s - s_true)]

so exchange = -heat only where the error is invisible to the model's own drift: where f = 0 that is
calibration; for f = F x calibration and E[x . s] = -d suffice. `exchange` with f = 0 is literally
the pumping of the current wiring, less the leak. `intrinsic` is the production of the emf
wiring for the true score only.

Energy and likelihood.  f = 0, emf, continuous: Q/kT = int (2 g^2 E|s|^2 + g^2 E[div s]) dt
= 2 Sigma + surplus, surplus = int g^2 (E|s|^2 + E[div s]) dt, zero for a calibrated score. With the
bound Sigma >= S0 + S1 - 2 NLL_marg,

    Q/kT - surplus  >=  2 [(S0 + S1) - 2 NLL_marg],        slack = 4 (NLL_marg - B) >= 0:

a good likelihood of sharp data has a price. The circuit's measured heat differs by the difference
of its own law from p_t.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.process import Process

if TYPE_CHECKING:
    from thermohw.likelihood.evaluate import Likelihood

__all__ = ["EnergyLaw", "energy_law", "integrate_rates", "physical_rates"]

_NEEDED = ("time", "second_moment", "position_score", "score_square", "divergence")


def physical_rates(
    profile: Mapping[str, np.ndarray],
    process: Process,
    *,
    dim: int,
    theta: float,
    wiring: str,
    control: str,
) -> dict[str, np.ndarray]:
    """Rates of generation on a circuit, at the times of a profile.

    Args:
        profile: of a `sweep` or a `Likelihood`, model units.
        process: its process, isotropic.
        dim: number of nodes.
        theta: kT/(C V0^2), > 0.
        wiring: "emf" (source in series with the resistor) or "current" (parallel).
        control: "continuous" or "clocked" (held between ticks, in the limit of short ticks).

    Returns:
        "heat", "work", "energy" (kT) and "pumping" (nats) per model time of generation, shape
        (moments,); "system" and "production" (nats) where they are known. Arrays, in the order
        of `profile["time"]`.

    Raises:
        InputError: a coupled circuit, another wiring or control, theta not positive, or a
            profile without the moments.
    """
    if wiring not in ("emf", "current"):
        raise InputError(f"{wiring!r} is not a wiring; choose emf or current", where="wiring")
    if control not in ("continuous", "clocked"):
        raise InputError(f"{control!r}: choose continuous or clocked", where="control")
    if not process.isotropic:
        problem = "rates of a wiring are for uncoupled nodes; a coupled circuit is simulated"
        raise InputError(problem, where="process")
    if not theta > 0.0:
        raise InputError(f"theta must be positive, got {theta!r}", where="theta")
    missing = [name for name in _NEEDED if name not in profile]
    if missing:
        raise InputError(f"the profile lacks {', '.join(missing)}", where="profile")
    square, position, norm = (profile[k] for k in _NEEDED[1:4])
    strength = np.array([0.5 * float(process.diffusion(t)) for t in profile["time"]])
    drift = np.array([float(process.drift(t)) for t in profile["time"]])
    divergence = profile["divergence"]
    if "trace" in profile:  # per model time, D E[div s]
        divergence = profile["trace"] / strength
    spread = -dim * drift + 2.0 * strength * divergence  # E div b
    leak = strength / theta
    pumping = spread + dim * leak  # E div u
    energy = (-drift * square + 2.0 * strength * position + dim * strength) / theta
    if wiring == "emf":
        force = drift**2 * square / strength - 4.0 * drift * position + 4.0 * strength * norm
        heat = force + spread - (pumping if control == "clocked" else 0.0)
    else:
        heat = leak * (square / theta - dim)
    rates = {"heat": heat, "work": heat + energy, "energy": energy, "pumping": pumping}
    if "score_error" in profile:
        fisher = profile["score_error"] - strength * (norm + 2.0 * divergence)
        rates["system"] = spread + fisher
        if wiring == "current":
            rates["production"] = rates["system"] + heat - pumping
        elif control == "continuous":
            rates["production"] = rates["system"] + heat
    return rates


def integrate_rates(
    profile: Mapping[str, np.ndarray], rates: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Rates integrated over generation by the profile's own quadrature: kT and nats per sample."""
    return {name: float(profile["weight"] @ values) for name, values in rates.items()}


@dataclass(frozen=True)
class EnergyLaw:
    """Both sides of the energy-likelihood law, kT per sample on the noised law.

    Attributes:
        heat: Q/kT of the emf wiring under continuous control. Its standard error is an upper one,
            the sum of those of its two parts.
        surplus: what the missing calibration of the score adds to it.
        least: 2 [(S0 + S1) - 2 NLL_marg]; None where S0 is unknown.
        slack: heat - surplus - least = 4 (NLL_marg - B), >= 0; None where S0 is unknown.
    """

    heat: Estimate
    surplus: Estimate
    least: Estimate | None
    slack: Estimate | None


def energy_law(found: Likelihood) -> EnergyLaw:
    """The law for one evaluation of a process without drift.

    Raises:
        InputError: the process has a drift.
    """
    if np.abs(found.profile["sigma_drift"]).max() > 0.0:
        raise InputError(
            "the energy-likelihood law is one of processes without drift (ve)", where="process"
        )
    sigma, surplus = found["entropy.sigma_forward"], found["bound.calibration_surplus"]
    heat = Estimate(2.0 * sigma.value + surplus.value, 2.0 * sigma.stderr + surplus.stderr)
    gap = found.terms["bound.gap"]
    if gap is None:
        return EnergyLaw(heat, surplus, None, None)
    slack = Estimate(4.0 * gap.value, 4.0 * gap.stderr)
    total = found["entropy.data"].value + found["entropy.prior"].value
    shift = found["nll.marginal"]
    least = Estimate(2.0 * (total - 2.0 * shift.value), 4.0 * shift.stderr)
    return EnergyLaw(heat, surplus, least, slack)
