"""The acceptance checks: each raises AssertionError when the physics is wrong.

The tests of the rooms call them on the code as it is, `test_can_fail` on code that was broken on
purpose; a check that no mutation can trip is no check.
"""

from __future__ import annotations

import numpy as np
import torch
from acceptance import assert_z
from problems import (
    F64,
    REFERENCE,
    Sample,
    chain,
    expected,
    make,
    mixture_protocol,
    quadratic_mean,
    quadrupling_protocol,
    sigma_points,
    theorem,
)

from thermohw.books import Ledger, PathRatio, Pumping
from thermohw.circuit import LinearDevice, steady_heat, steady_production
from thermohw.control import Control, Piece
from thermohw.integrate import HeldNetwork, Step, Stepper
from thermohw.noise import Recording


def first_law(sample: Sample, *, tolerance: float = 1e-10) -> float:
    """Residual of every path against the energy it exchanged; returns the worst ratio."""
    ledger = sample.results["ledger"]
    exchanged = ledger["heat"].abs().sum(1) + ledger["work"].abs().sum(1)
    exchanged = exchanged + ledger["energy.start"] + ledger["energy.end"]
    ratio = float((ledger["first_law.residual"].abs() / exchanged).max())
    assert ratio <= tolerance, f"first law: residual {ratio:.1e} of the exchanged energy"
    return ratio


def at_rest(state: torch.Tensor, sources: int) -> Control:
    """A decision of zero sources."""
    return Control(0, state.new_zeros(len(state), sources))


def free_step(
    device: LinearDevice, stepper: Stepper, h: float, state: torch.Tensor, normals: torch.Tensor
) -> Step:
    """One uncontrolled step for given states (paths, n) and normals (draws, paths, width)."""

    def act(state: torch.Tensor, *, middle: bool = False) -> Control:
        return at_rest(state, device.dim)

    piece = Piece(0, 0.0, h, True, 0, True)
    return stepper.step(piece, state, at_rest(state, device.dim), noise=Recording(normals), act=act)


def free_means(
    device: LinearDevice, stepper: Stepper, h: float, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exact (covariance after, mean heat of every bath) of one uncontrolled step."""
    states, normals = sigma_points(np.zeros(device.dim), covariance, stepper.normals)
    step = free_step(device, stepper, h, states, normals[None])
    heat = step.force * step.charge
    if step.heat_correction is not None:
        heat = heat + step.heat_correction
    half = (len(states) - 1) // 2
    spread = 0.5 * (step.end[1 : half + 1] - step.end[half + 1 :]).numpy()
    return spread.T @ spread, quadratic_mean(heat)


def equilibrium(h: float = 0.3) -> None:
    """At one temperature kT C is what a tick leaves alone, and no bath receives anything."""
    device = chain(hot=False)
    stepper = HeldNetwork(device, "emf", dtype=F64)
    after, heat = free_means(device, stepper, h, device.capacitance)
    np.testing.assert_allclose(after, device.capacitance, rtol=0, atol=1e-12)
    np.testing.assert_allclose(heat, 0.0, atol=1e-12)


def conduction(h: float = 0.3) -> None:
    """With a hot end: steady covariance and the heat of every resistor are Lyapunov's, second law
    included (sum Q_k/T_k is the sum of squares).
    """
    device = chain(hot=True)
    stepper = HeldNetwork(device, "emf", dtype=F64)
    after, heat = free_means(device, stepper, h, device.stationary_covariance)
    np.testing.assert_allclose(after, device.stationary_covariance, rtol=0, atol=1e-12)
    np.testing.assert_allclose(heat / h, steady_heat(device), rtol=0, atol=1e-11)
    entropy = (heat / h / device.temperatures).sum()
    np.testing.assert_allclose(entropy, steady_production(device), rtol=1e-9)


def mixture_accounts(wiring: str, control: str, ticks: tuple[int, ...]) -> dict[str, float]:
    """Heat, work and pumping of the OU mixture in the limit of no ticks.

    Exact expectations at 2^k-fold tick numbers, extrapolated: every level removes one power of h.
    """
    levels = []
    for n in ticks:
        protocol = mixture_protocol(wiring, control, n)
        engine = make(protocol, Pumping(), divergence=True, closing=True)
        levels.append(np.array([*expected(engine).values()]))
    first = 1 if control == "clocked" else 2  # order of the leading error
    order = first
    while len(levels) > 1:
        levels = [
            (2**order * fine - coarse) / (2**order - 1)
            for coarse, fine in zip(levels[:-1], levels[1:], strict=True)
        ]
        order += 1
    return dict(zip(("heat", "work", "pumping"), levels[0].tolist(), strict=True))


def reference_heat(wiring: str, control: str, ticks: tuple[int, ...] = (32, 64, 128, 256)) -> None:
    """The three accounts of the OU mixture to six digits.

    Tolerance: the references have six decimals (5e-7) and the extrapolation's last correction, one
    power of h further, is below 2e-5 for these grids (measured by leaving out the finest one).
    """
    found = mixture_accounts(wiring, control, ticks)
    name = "current heat" if wiring == "current" else f"emf {control} heat"
    assert abs(found["heat"] - REFERENCE[name]) < 2e-5, (name, found)
    assert abs(found["pumping"] - REFERENCE["pumping"]) < 2e-5, found
    if wiring == "current":
        assert abs(found["work"] - REFERENCE["current work"]) < 4e-5, found


def sample_law(wiring: str = "emf", ticks: tuple[int, ...] = (64, 128, 256)) -> None:
    """Generation ends in the data's law: three moments, extrapolated from finite ticks."""

    def moments(x: np.ndarray) -> dict[str, np.ndarray]:
        return {"x2": x**2, "x4": x**4, "cos": np.cos(2 * x)}

    levels = []
    for n in ticks:
        engine = make(mixture_protocol(wiring, "continuous", n))
        found = expected(engine, final=moments, booked=lambda results: {})
        levels.append(np.array([*found.values()]))
    coarse = [(4 * b - a) / 3 for a, b in zip(levels[:-1], levels[1:], strict=True)]
    limit = (8 * coarse[1] - coarse[0]) / 7
    # p_0 = (N(-1, 0.4) + N(1, 0.4))/2.
    exact = [1.4, 1 + 6 * 0.4 + 3 * 0.16, np.cos(2) * np.exp(-2 * 0.4)]
    np.testing.assert_allclose(limit, exact, rtol=0, atol=3e-5)


def theorems(wiring: str, kernel: str, ticks: int) -> dict[str, float]:
    """Even and odd integral theorem on the kernel in use, at this very tick number, to 1e-5.

    The grid ends at 6 thermal volts, where the start density is 1e-8 and the odd chain's 1e-6.
    """
    control, stepper = ("clocked", "auto") if kernel == "held" else ("continuous", "euler")
    protocol = mixture_protocol(wiring, control, ticks, stepper=stepper)
    watch = PathRatio(protocol.device, wiring, kernel=kernel)
    found = theorem(make(protocol, watch, flux=True, closing=True))
    for name, value in found.items():
        assert abs(value - 1.0) < 1e-5, (wiring, kernel, ticks, name, value)
    return found


def driftless_heat(stepper: str = "splitting") -> float:
    """VE from variance 1 to 4, emf continuous, theta = var(1): 2 (S1 - S0) = ln 4 = 1.386294."""
    heats = []
    for ticks in (32, 64):
        engine = make(quadrupling_protocol("emf", "continuous", ticks, 3.0, stepper=stepper))
        heats.append(expected(engine, reach=8.0, booked=heat_only)["heat"])
    limit = (4 * heats[1] - heats[0]) / 3
    assert abs(limit - 1.386294) < 1e-4, limit
    return limit


def heat_only(results: dict[str, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Total heat of every path."""
    return {"heat": results["ledger"]["heat"].sum(1)}


def heat_mean(sample: Sample, exact: float) -> None:
    """Sampled mean heat against an exact value."""
    assert_z(sample.total("heat"), exact, label="heat")


def free_network(steps: int = 8) -> Sample:
    """The hot chain left alone, from a random start, with its ledger: held ticks of 0.3 RC."""
    device = chain(hot=True)
    stepper, ledger = HeldNetwork(device, "emf", dtype=F64), Ledger(device, "emf")
    generator = torch.Generator().manual_seed(20260101)
    start = torch.randn(500, 8, generator=generator, dtype=F64)
    state, carry = start, ledger.init(start)
    for _ in range(steps):
        normals = torch.randn(1, 500, stepper.normals, generator=generator, dtype=F64)
        step = free_step(device, stepper, 0.3, state, normals)
        ledger.update(carry, step)
        state = step.end
    return Sample(start, state, {"ledger": ledger.result(carry, state)})
