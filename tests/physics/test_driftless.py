"""One Gaussian whose variance a VE process quadruples: closed forms for every wiring and theta.

S1 - S0 = (1/2) ln 4. Played on a node of thermal variance theta the run lasts S = 3/(2 theta) RC:

    emf continuous   Q/kT = 2 (S1 - S0) = 1.386294, leak or not
    emf clocked      Q/kT = 4 (S1 - S0) - S
    current          Q/kT = int (E x^2/theta - 1) ds = 3.75/theta^2 - S
    pumping          -2 (S1 - S0) + S

The closed loop is linear, so the engine's own expectations are exact on sigma points.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from laws import driftless_heat
from problems import Moments, linear_run, make, quadrupling, quadrupling_protocol

from thermohw.books import Pumping
from thermohw.integrate import Carry, Step

LN4 = float(np.log(4.0))


def limit(wiring: str, control: str, theta: float, ticks: tuple[int, ...]) -> dict[str, float]:
    """Accounts extrapolated to no ticks, one power of h a level."""

    def taken(results: dict[str, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        ledger = results["ledger"]
        return {"heat": ledger["heat"].sum(1), "work": ledger["work"].sum(1),
                "pumping": results["pumping"]["pumping"]}  # fmt: skip

    levels, order = [], 1 if control == "clocked" else 2
    for n in ticks:
        protocol = quadrupling_protocol(wiring, control, n, theta)
        engine = make(protocol, Pumping(), divergence=True, closing=True)
        run = linear_run(engine, taken)
        levels.append(np.array([float(v) for v in run.booked.values()]))
    while len(levels) > 1:
        levels = [(2**order * b - a) / (2**order - 1) for a, b in zip(levels, levels[1:])]  # noqa: B905
        order += 1
    return dict(zip(("heat", "work", "pumping"), levels[0].tolist(), strict=True))


def test_the_process_quadruples() -> None:
    assert quadrupling().transition(1.0)[1] == pytest.approx(3.0, rel=1e-12)


THETA = [(1e4, (32, 64, 128, 256)), (1.0, (64, 128, 256, 512)), (0.1, (256, 512, 1024, 2048))]


@pytest.mark.parametrize("theta, ticks", THETA)
def test_clocked(theta: float, ticks: tuple[int, ...]) -> None:
    """2.7724 / 1.2725 / -12.22 for theta 1e4 / 1 / 0.1: holding doubles the heat of the driftless
    process on an integrator, and a leaking node's controller is paid in information.
    """
    found = limit("emf", "clocked", theta, ticks)
    duration = 1.5 / theta
    assert found["heat"] == pytest.approx(2 * LN4 - duration, abs=2e-3)
    assert found["heat"] == pytest.approx({1e4: 2.7724, 1.0: 1.2725, 0.1: -12.22}[theta], abs=8e-3)
    assert found["pumping"] == pytest.approx(-LN4 + duration, abs=2e-3)


@pytest.mark.parametrize("theta, ticks", THETA)
def test_current(theta: float, ticks: tuple[int, ...]) -> None:
    """0 / 2.25 / 360: on an ideal integrator a pure demon, whose resistor stays cold."""
    found = limit("current", "clocked", theta, ticks)
    duration = 1.5 / theta
    exact = 3.75 / theta**2 - duration
    assert found["heat"] == pytest.approx(exact, rel=1e-4, abs=1e-3)
    assert exact == pytest.approx({1e4: 0.0, 1.0: 2.25, 0.1: 360.0}[theta], abs=2e-4)
    # Energy: x^2/2 theta falls from 2/theta to 1/2 theta.
    assert found["work"] - found["heat"] == pytest.approx(-1.5 / theta, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("theta", [1e4, 1.0, 0.1])
def test_continuous_emf_does_not_know_the_leak(theta: float) -> None:
    found = limit("emf", "continuous", theta, (64, 128, 256))
    assert found["heat"] == pytest.approx(LN4, abs=1e-3)


@pytest.mark.parametrize("theta", [1.0, 3.0])
def test_production_of_each_wiring(theta: float) -> None:
    """The second law of a wiring counts its own irreversibility.

    emf: dS + Q = S1 - S0. current: dS + Q - pumping = int E w^2/D with w = -x + theta x/v, the flow
    that the resistor sees; over v = 4 .. 1 that is (7.5/theta - 6 + theta ln 4)/(2 theta).
    """
    emf = limit("emf", "continuous", theta, (64, 128, 256))
    current = limit("current", "continuous", theta, (64, 128, 256))
    change = -0.5 * LN4
    assert change + emf["heat"] == pytest.approx(0.5 * LN4, abs=1e-3)
    exact = (7.5 / theta - 6 + theta * LN4) / (2 * theta)
    assert change + current["heat"] - current["pumping"] == pytest.approx(exact, abs=1e-3)


class Products:
    """Heat with the force taken at the left, middle or right end of every step."""

    name = "products"
    sums = False

    def init(self, state: torch.Tensor) -> Carry:
        zeros = torch.zeros(len(state), dtype=torch.float64)
        return {name: zeros.clone() for name in ("left", "middle", "right")}

    def update(self, carry: Carry, step: Step) -> None:
        assert step.control is not None and step.next_control is not None
        left = step.start - step.control.source
        right = step.end - step.next_control.source
        carry["left"] += (left * step.charge)[:, 0]
        carry["right"] += (right * step.charge)[:, 0]
        carry["middle"] += (0.5 * (left + right) * step.charge)[:, 0]

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        return dict(carry)


def test_wrong_calculus_is_off_by_its_size() -> None:
    """Midpoint 1.386294, left point 2.772589, right point 0: an O(1) error that no step cures.

    Extrapolated from 256, 512 and 1024 Euler steps; the last correction is below 1e-4.
    """
    levels = []
    for n in (256, 512, 1024):
        protocol = quadrupling_protocol("emf", "continuous", n, 3.0, stepper="euler")
        run: Moments = linear_run(make(protocol, Products()), lambda r: dict(r["products"]))
        levels.append(np.array([float(run.booked[k]) for k in ("middle", "left", "right")]))
    first = [2 * b - a for a, b in ((levels[0], levels[1]), (levels[1], levels[2]))]
    found = (4 * first[1] - first[0]) / 3
    np.testing.assert_allclose(found, [1.386294, 2.772589, 0.0], rtol=0, atol=1e-4)


def test_end_variance() -> None:
    """Generation brings variance 4 back to 1."""
    protocol = quadrupling_protocol("emf", "continuous", 256, 3.0)
    run = linear_run(make(protocol))
    assert 3.0 * float(run.covariance[0, 0]) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("stepper", ["splitting", "heun"])
def test_through_the_density_machine(stepper: str) -> None:
    """The same number by backward propagation on a grid: the two exact routes agree."""
    assert driftless_heat(stepper) == pytest.approx(LN4, abs=1e-4)
