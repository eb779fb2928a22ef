"""Measured orders of every stepper: weak (law and heat), strong (shared noise), and without noise.

Weak errors are exact expectations of the very stepper, no sampling error; the exact values are the
data's moments and the quadrature of the continuous accounts. Strong errors share one Brownian path.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_order
from laws import free_means
from problems import (
    F64,
    chain,
    expected,
    make,
    mixture_protocol,
    mixture_score,
    rates,
    rc1,
    simulate,
)
from scipy.integrate import solve_ivp

from thermohw.circuit import steady_heat
from thermohw.integrate import Engine, Heun, Splitting, TileRun, tiles
from thermohw.noise import Recording

ACCOUNTS = rates([-1.0, 1.0], [0.4, 0.4], [0.5, 0.5], 3.0)
COSINE = float(np.cos(2.0) * np.exp(-0.8))  # E cos(2x) of the data
TICKS = {1: (64, 128, 256, 512), 2: (32, 64, 128, 256)}

# (control, stepper, wiring): order of the law, order of the heat.
ORDERS = {
    ("clocked", "auto", "emf"): (1, 1),
    ("clocked", "auto", "current"): (1, 1),
    ("continuous", "euler", "emf"): (1, 1),
    ("continuous", "euler", "current"): (1, 1),
    ("continuous", "heun", "emf"): (2, 2),
    # Its injected charge is a trapezoid, its v another: their product misses (i1 - i0)(v1 - v0)/4.
    ("continuous", "heun", "current"): (2, 1),
    ("continuous", "splitting", "emf"): (2, 2),
    ("continuous", "splitting", "current"): (2, 2),
}


@pytest.mark.parametrize("case", ORDERS, ids="-".join)
def test_weak_order_of_law_and_heat(case: tuple[str, str, str]) -> None:
    """Slope and limit. The next order's share of the coarsest error is below 15 % on these grids,
    which bends a slope over three octaves by less than 0.15 / (3 ln 2) = 0.07.
    """
    control, stepper, wiring = case
    law, heat = ORDERS[case]
    name = "current heat" if wiring == "current" else f"emf {control} heat"
    errors: dict[str, list[float]] = {"cosine": [], "heat": []}
    ticks = TICKS[min(law, heat)]
    for n in ticks:
        engine = make(mixture_protocol(wiring, control, n, stepper=stepper))
        found = expected(
            engine, final=lambda x: {"cosine": np.cos(2 * x)},
            booked=lambda r: {"heat": r["ledger"]["heat"].sum(1)},
        )  # fmt: skip
        errors["cosine"].append(abs(found["cosine"] - COSINE))
        errors["heat"].append(abs(found["heat"] - ACCOUNTS[name]))
    steps = [3.0 / n for n in ticks]
    assert_order(errors["cosine"], steps, law, 0.1)
    assert_order(errors["heat"], steps, heat, 0.1)


def test_shared_bath_heats() -> None:
    """Where baths of different temperature meet: total heat exact, shares of order 1, held exact.

    The area between the force on a resistor and its charge has a mean away from equilibrium, which
    midpoint products miss; held ticks book conditional means and have no error at all.
    """
    device = chain(hot=True)
    steps = [0.4, 0.2, 0.1, 0.05]
    exact = steady_heat(device)
    errors = []
    for h in steps:
        _, heat = free_means(
            device, Splitting(device, "emf", dtype=F64), h, device.stationary_covariance
        )
        errors.append(np.abs(heat / h - exact).max())
        assert abs(heat.sum() / h) < 1e-12
    assert_order(errors, steps, 1.0, 0.1)
    cold = chain(hot=False)  # at one temperature time reversal cancels the area
    _, heat = free_means(cold, Splitting(cold, "emf", dtype=F64), 0.4, cold.stationary_covariance)
    np.testing.assert_allclose(heat, 0.0, atol=1e-12)


# ------------------------------------------------------------------------------- strong

FINEST = 4096


def brownian(paths: int) -> tuple[np.ndarray, np.ndarray]:
    """(int dW, int e^{-(h - s)} dW) over every finest step, drawn from their joint law."""
    h = 3.0 / FINEST
    shared = -np.expm1(-h)
    covariance = np.array([[h, shared], [shared, -0.5 * np.expm1(-2 * h)]])
    root = np.linalg.cholesky(covariance)
    z = np.random.default_rng(20260101).standard_normal((FINEST, paths, 2)) @ root.T
    return z[..., 0], z[..., 1]


def normals_for(stepper: str, n: int, noise: tuple[np.ndarray, np.ndarray]) -> torch.Tensor:
    """The normals that put a stepper with n steps on the given Brownian path."""
    straight, decayed = noise
    m, h, fine = FINEST // n, 3.0 / n, 3.0 / FINEST
    if stepper != "splitting":
        total = straight.reshape(n, m, -1).sum(1)
        return torch.tensor(total / h**0.5)[..., None]
    half = m // 2  # two free moves of h/2; the charge that leaves is minus the kick that arrives
    weight = np.exp(-fine * np.arange(half - 1, -1, -1.0))
    kicks = np.einsum("nimp,m->nip", decayed.reshape(n, 2, half, -1), weight)
    kicks *= -(2.0**0.5) / np.sqrt(-np.expm1(-h))
    return torch.tensor(kicks).transpose(1, 2).contiguous()


def play(stepper: str, n: int, normals: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    engine = make(mixture_protocol("emf", "continuous", n, stepper=stepper))
    engine.observers = ()
    tape = Recording(normals)
    run = TileRun(engine, tiles(len(start))[0], tape, tape, start, {})
    run.advance(n)
    return run.state


def test_strong_orders() -> None:
    """Euler, Heun and splitting converge to one path at order 1 (additive noise).

    The reference is Heun on steps 16 times finer than the finest compared: it adds at most 1/16 of
    the last error, 0.03 of slope. 1500 paths leave 2 % on a root mean square.
    """
    noise = brownian(1500)
    start = torch.randn(1500, 1, generator=torch.Generator().manual_seed(20260101), dtype=F64)
    reference = play("heun", FINEST, normals_for("heun", FINEST, noise), start)
    for stepper in ("euler", "heun", "splitting"):
        ticks = (32, 64, 128, 256)
        errors = []
        for n in ticks:
            end = play(stepper, n, normals_for(stepper, n, noise), start)
            errors.append(float((end - reference).square().mean().sqrt()))
        slope = assert_order(errors, [3.0 / n for n in ticks], 1.0, 0.2)
        assert errors[-1] < 0.02 and slope > 0.8, (stepper, errors)


def test_shared_noise_is_standard_normal() -> None:
    """The normals made for each stepper are what its own stream would draw."""
    noise = brownian(400)
    for stepper in ("euler", "splitting"):
        z = normals_for(stepper, 64, noise)
        flat = z.reshape(-1, z.shape[-1]).numpy()
        count = len(flat)
        covariance = flat.T @ flat / count
        # Entries of a sample covariance of normals: 1/sqrt(n) off, sqrt(2/n) on the diagonal.
        assert np.abs(covariance - np.eye(flat.shape[1])).max() < 4.5 * (2.0 / count) ** 0.5


# -------------------------------------------------------------------------- without noise


def quiet(engine: Engine, start: torch.Tensor) -> torch.Tensor:
    ticks = engine.plan.schedule.ticks
    normals = torch.zeros(ticks, len(start), engine.stepper.normals, dtype=F64)
    tape = Recording(normals)
    run = TileRun(engine, tiles(len(start))[0], tape, tape, start, {})
    run.advance(ticks)
    return run.state


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("control, stepper, order", [
    ("continuous", "euler", 1), ("continuous", "heun", 2), ("continuous", "splitting", 2),
    ("clocked", "auto", 1),
])  # fmt: skip
def test_zero_noise_is_the_ode(wiring: str, control: str, stepper: str, order: int) -> None:
    """dv/ds = v + 2 s(v, 3 - s), solved by scipy to 1e-12, at the steppers' deterministic order."""
    score = mixture_score()
    start = torch.tensor([[-2.0], [-0.3], [0.7], [2.5]], dtype=F64)

    def drift(s: float, v: np.ndarray) -> np.ndarray:
        return v + 2.0 * score(torch.tensor(v)[:, None], 3.0 - s)[:, 0].numpy()

    exact = solve_ivp(drift, (0.0, 3.0), start[:, 0].numpy(), rtol=1e-12, atol=1e-13).y[:, -1]
    errors, ticks = [], TICKS[order]
    for n in ticks:
        engine = make(mixture_protocol(wiring, control, n, stepper=stepper))
        engine.observers = ()
        errors.append(float(np.abs(quiet(engine, start)[:, 0].numpy() - exact).max()))
    assert_order(errors, [3.0 / n for n in ticks], order, 0.12)
    assert errors[-1] < 0.03 if order == 1 else errors[-1] < 1e-3


def test_order_survives_a_sampled_run() -> None:
    """The engine's own stream at two step numbers agrees with the exact expectation of each."""
    for n in (32, 128):
        engine = make(mixture_protocol("emf", "continuous", n, stepper="heun"))
        exact = expected(engine, booked=lambda r: {"heat": r["ledger"]["heat"].sum(1)})["heat"]
        heat = simulate(engine, 32768).total("heat")
        assert abs(heat.mean() - exact) < 4 * heat.std() / len(heat) ** 0.5
    assert isinstance(Heun(rc1(), "emf", dtype=F64), Heun)
