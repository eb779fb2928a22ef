"""Continuous control of circuits with inductors: turns, first law, orders, sdeint, equilibrium.

The controller is a linear feedback with a drive, so that the closed loop's exact law is a linear
moment equation, solved with scipy, and sigma points give the stepper's exact expectations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from acceptance import assert_order
from problems import F64, quadratic_mean, sigma_points
from rlc import cell, first_law_residual, heat_of, pair, tangle
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from thermohw.circuit import LinearDevice
from thermohw.control import Control, Piece
from thermohw.integrate import Rotating, Step, Stepper, make_stepper
from thermohw.integrate.reference import sdeint_path
from thermohw.integrate.rotation import rotation
from thermohw.noise import Recording

METHODS = ["euler", "heun", "splitting"]
DEVICES = {"cell": lambda: cell(2.0), "pair": pair, "tangle": tangle}


class Feedback:
    """Sources c = F efforts, the same law at all times; or any other function of the efforts."""

    def __init__(self, device: LinearDevice, wiring: str, strength: float = 0.3) -> None:
        width = device.dim if wiring == "current" else len(device.controlled)
        gain = np.random.default_rng(5).normal(size=(width, device.dim))
        nodes = min(width, len(device.nodes))
        gain[:nodes, :nodes] += gain[:nodes, :nodes].T  # see test_weak_order
        self.device, self.gain = device, strength * gain / np.linalg.norm(gain, 2)
        into = device.port_matrix if wiring == "current" else None
        if into is None:
            into = device.source_matrix[:, list(device.controlled)]
        self.into, self.wiring = into, wiring
        self.bend: Callable[[torch.Tensor], torch.Tensor] = lambda source: source

    def __call__(self, state: torch.Tensor, *, middle: bool = False) -> Control:
        return Control(0, self.bend(self.device.efforts(state) @ torch.tensor(self.gain.T)))


def advance(stepper: Stepper, act: Feedback, h: float, state: torch.Tensor,
            normals: torch.Tensor) -> Step:  # fmt: skip
    piece = Piece(0, 0.0, h, True, 0, True)
    return stepper.step(piece, state, act(state), noise=Recording(normals[None]), act=act)


@pytest.mark.parametrize("name", DEVICES)
def test_a_turn_is_the_lossless_circuit(name: str) -> None:
    """e^{J H'' s}, and it keeps the energy of every state to round-off."""
    device = DEVICES[name]()
    turn = rotation(device, 0.7)
    np.testing.assert_allclose(turn, expm(0.7 * device.structure @ device.hessian), atol=1e-13)
    np.testing.assert_allclose(turn.T @ device.hessian @ turn, device.hessian, atol=1e-13)


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("method", METHODS)
def test_first_law_of_every_path(method: str, wiring: str, name: str) -> None:
    """To round-off, with a controller that is not linear, at a step that is not small."""
    device = DEVICES[name]()
    stepper, act = make_stepper(device, wiring, method, dtype=F64), Feedback(device, wiring, 2.0)
    act.bend = lambda source: torch.tanh(source) + 0.1 * source**2
    assert isinstance(stepper, Rotating)
    generator = torch.Generator().manual_seed(20260101)
    state = torch.randn(500, device.dim, generator=generator, dtype=F64)
    for _ in range(3):
        normals = torch.randn(500, stepper.normals, generator=generator, dtype=F64)
        step = advance(stepper, act, 0.1, state, normals)
        assert first_law_residual(device, step) < 1e-13
        assert step.next_control is not None
        torch.testing.assert_close(step.next_control.source, act(step.end).source, rtol=0, atol=0)
        state = step.end


def test_rounded_turns_make_no_energy() -> None:
    """Float32, 2048 turns by an angle of .025: rounded entries of a turn err the same way every
    time. What a turn adds, (turn - 1) z, has entries of at most that angle, rounded to u of
    themselves: at most 4 u angle of the energy a turn. The rest is a random walk, 16 numbers a step
    as in the audit, averaged over paths. A rounded turn itself makes 1600 u here.
    """
    device, steps, paths, angle = cell(5.0), 1024, 256, 0.025
    stepper = make_stepper(device, "emf", "heun", dtype=torch.float32)
    generator = torch.Generator().manual_seed(20260102)
    state = torch.randn(paths, 2, generator=generator) @ torch.linalg.cholesky(
        torch.tensor(np.linalg.inv(device.hessian), dtype=torch.float32)
    ).T  # fmt: skip

    def rest(state: torch.Tensor, *, middle: bool = False) -> Control:
        return Control(0, torch.zeros(paths, 1))

    change, heat, mean = torch.zeros(3, dtype=F64)
    for _ in range(steps):
        normals = torch.randn(1, paths, stepper.normals, generator=generator)
        piece = Piece(0, 0.0, 2.0 * angle / 5.0, True, 0, True)
        step = stepper.step(piece, state, rest(state), noise=Recording(normals), act=rest)
        ends = [device.energy(z.double()).mean() for z in (step.start, step.end)]
        change, mean = change + ends[1] - ends[0], mean + ends[0] / steps
        heat, state = heat + heat_of(step).double().sum(1).mean(), step.end
    allowed = 2.0**-24 * (8.0 * steps * angle + 6.0 * (16.0 * steps / 3.0 / paths) ** 0.5)
    assert abs(float((change + heat) / mean)) < allowed


def loop(device: LinearDevice, act: Feedback, covariance: np.ndarray, duration: float,
         rates: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Exact (covariance, int rates dt) of the closed loop dz = (-A + B F H) z dt + N dW."""
    a = device.drift_matrix - act.into @ act.gain @ device.hessian
    noise, n = device.noise_matrix @ device.noise_matrix.T, device.dim

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        p = y[: n * n].reshape(n, n)
        return np.concatenate([(-a @ p - p @ a.T + noise).ravel(), rates(p)])

    start = np.concatenate([covariance.ravel(), np.zeros(len(rates(covariance)))])
    y = solve_ivp(slope, (0.0, duration), start, rtol=1e-11, atol=1e-12, method="DOP853").y[:, -1]
    return y[: n * n].reshape(n, n), y[n * n :]


def exact_heat(device: LinearDevice, act: Feedback) -> Callable[[np.ndarray], np.ndarray]:
    """Mean heat rate of every bath under a source that follows the state."""
    across = device.directions @ device.hessian
    emf = np.zeros((len(device.elements), device.dim))
    if act.wiring == "emf":
        emf[list(device.controlled)] = act.gain @ device.hessian
    form = across - emf  # X = form z, and b . grad X is its response to b
    gradient = np.einsum("ki,ki->k", form, device.directions)

    def rates(p: np.ndarray) -> np.ndarray:
        square = np.einsum("ki,ij,kj->k", form, p, form)
        return device.coefficients * (square - device.temperatures * gradient)

    return rates


# Orders of the law, of the total heat, and of the share of each bath of several on a node.
ORDERS = {("euler", "emf"): (1, 1), ("euler", "current"): (1, 1), ("heun", "emf"): (2, 2),
          ("heun", "current"): (2, 1), ("splitting", "emf"): (2, 2),
          ("splitting", "current"): (2, 2)}  # fmt: skip


@pytest.mark.parametrize("name", ["cell", "pair"])
@pytest.mark.parametrize("case", ORDERS, ids="-".join)
def test_weak_order_of_law_and_heat(case: tuple[str, str], name: str) -> None:
    """Slope and limit of exact expectations over one RC; the next order bends it by below 0.15.

    Between nodes the feedback is symmetric, as that of a score is: the work of one that is not
    contains the area between two noisy charges, which a step's chord misses at order 1 (with
    inductors or without).
    """
    method, wiring = case
    device = DEVICES[name]()
    act, n = Feedback(device, wiring), device.dim
    stepper = make_stepper(device, wiring, method, dtype=F64)
    start = 0.5 * np.eye(n) + 0.2
    wanted, heats = loop(device, act, start, 1.0, exact_heat(device, act))
    errors: dict[str, list[float]] = {"law": [], "heat": []}
    counts = (32, 64, 128)
    for count in counts:
        covariance, heat = start, np.zeros(len(device.elements))
        for _ in range(count):
            states, normals = sigma_points(np.zeros(n), covariance, stepper.normals)
            step = advance(stepper, act, 1.0 / count, states, normals)
            heat += quadratic_mean(heat_of(step))
            half = (len(states) - 1) // 2
            spread = 0.5 * (step.end[1 : half + 1] - step.end[half + 1 :]).numpy()
            covariance = spread.T @ spread
        errors["law"].append(float(np.abs(covariance - wanted).max()))
        errors["heat"].append(abs(float(heat.sum() - heats.sum())))
    steps = [1.0 / count for count in counts]
    law, total = ORDERS[case]
    assert_order(errors["law"], steps, law, 0.2)
    assert_order(errors["heat"], steps, total, 0.2)


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("method", ["euler", "heun"])
@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_path_by_path_against_sdeint(wiring: str, method: str, name: str) -> None:
    """sdeint makes the middle of every step, scipy's exponential the turns: paths agree to 1e-10.

    In the frame that turns with the step the rest of the circuit is dw = D(w) dt + N dW; the
    controller sees the state at the true ends, half a turn before and after.
    """
    device, h, ticks, paths = DEVICES[name](), 0.02, 50, 3
    act = Feedback(device, wiring, 1.0)
    act.bend = torch.tanh
    stepper = make_stepper(device, wiring, method, dtype=F64)
    generator = torch.Generator().manual_seed(20260101)
    start = torch.randn(paths, device.dim, generator=generator, dtype=F64)
    normals = torch.randn(ticks, paths, stepper.normals, generator=generator, dtype=F64)
    state = start
    for tick in range(ticks):
        state = advance(stepper, act, h, state, normals[tick]).end
    half = expm(0.5 * h * device.structure @ device.hessian)
    back = np.linalg.inv(half)
    losses = device.directions.T @ (device.coefficients[:, None] * device.directions)

    def drift(z: np.ndarray, t: float) -> np.ndarray:
        end = (back if t < 0.5 * h else half) @ z
        source = act(torch.tensor(end)[None]).source[0].numpy()
        return -losses @ device.hessian @ z + act.into @ source

    for path in range(paths):
        z = start[path].numpy()
        for tick in range(ticks):
            kick = normals[tick, path : path + 1].numpy() * h**0.5
            z = half @ sdeint_path(
                drift, device.noise_matrix, half @ z, times=np.array([0.0, h]), increments=kick,
                method=method,
            )[-1]  # fmt: skip
        assert np.abs(z - state[path].numpy()).max() < 1e-10


@pytest.mark.parametrize("method", ["heun", "splitting"])
def test_strong_convergence_to_the_exact_path(method: str) -> None:
    """Against sdeint on the whole equation with a fine step, same Brownian path: order 1.

    An independent scheme that knows nothing of turns (stratHeun of dz = -A z dt + N dW).
    """
    device, fine, paths = cell(2.0), 2048, 6
    generator = torch.Generator().manual_seed(20260101)
    increments = torch.randn(fine, paths, 1, generator=generator, dtype=F64) / fine**0.5
    start = torch.ones(paths, 2, dtype=F64)
    times = np.linspace(0.0, 1.0, fine + 1)

    def drift(z: np.ndarray, t: float) -> np.ndarray:
        return -device.drift_matrix @ z

    exact = np.stack([
        sdeint_path(drift, device.noise_matrix, start[p].numpy(), times=times,
                    increments=increments[:, p].numpy())[-1] for p in range(paths)
    ])  # fmt: skip
    act = Feedback(device, "emf", 0.0)
    errors, counts = [], (16, 32, 64, 128)
    for count in counts:
        stepper = make_stepper(device, "emf", "heun", dtype=F64)
        state = start
        kicks = increments.view(count, fine // count, paths, 1).sum(1) * count**0.5
        for tick in range(count):
            state = advance(stepper, act, 1.0 / count, state, kicks[tick]).end
        errors.append(float(np.sqrt(((state.numpy() - exact) ** 2).mean())))
    # Six paths: the slope of a root mean square over twelve numbers scatters by about 0.1.
    assert_order(errors, [1.0 / count for count in counts], 1, 0.3)


def test_equilibrium_has_no_step_error() -> None:
    """Both halves of the splitting leave exp(-H/T) alone, at any step: 1.5 RC here, Q = 5."""
    for device in (cell(5.0), tangle(hot=False)):
        stepper, act = (
            make_stepper(device, "emf", "splitting", dtype=F64),
            Feedback(device, "emf", 0.0),
        )
        states, normals = sigma_points(np.zeros(device.dim), device.capacitance, stepper.normals)
        step = advance(stepper, act, 1.5, states, normals)
        half = (len(states) - 1) // 2
        spread = 0.5 * (step.end[1 : half + 1] - step.end[half + 1 :]).numpy()
        np.testing.assert_allclose(spread.T @ spread, device.capacitance, rtol=0, atol=1e-12)
        np.testing.assert_allclose(quadratic_mean(heat_of(step)), 0.0, atol=1e-12)


def test_energy_without_a_bath() -> None:
    """No resistor, many steps of a third of a radian, every method: only round-off accumulates.

    Two turns a step of two or three roundings each, all of one sign at worst.
    """
    from dataclasses import replace

    device = tangle()
    silent = replace(device, coefficients=0.0 * device.coefficients)
    generator = torch.Generator().manual_seed(20260101)
    start = torch.randn(4, device.dim, generator=generator, dtype=F64)
    act = Feedback(silent, "emf", 0.0)
    for method in METHODS:
        stepper, state = make_stepper(silent, "emf", method, dtype=F64), start
        normals = torch.randn(4, stepper.normals, generator=generator, dtype=F64)
        steps = 20000 if method == "splitting" else 5000
        for _ in range(steps):
            state = advance(stepper, act, 0.1, state, normals).end
        drift = (silent.energy(state) / silent.energy(start) - 1.0).abs().max()
        assert float(drift) < steps * 2 * 3 * 2.2e-16, method
        assert float((state - start).abs().max()) > 0.1
