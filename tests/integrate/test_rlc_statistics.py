"""Sampled circuits with inductors against closed forms: covariance, autocorrelation, heat flow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from laws import at_rest
from pace import pieces
from problems import F64
from rlc import cell, heat_of, pair

from thermohw.circuit import LinearDevice, load_device, steady_heat
from thermohw.control import Piece
from thermohw.integrate import Step, Stepper, make_stepper
from thermohw.noise import TickNoise

PATHS = 4096


def steps_of(
    stepper: Stepper, device: LinearDevice, state: torch.Tensor, h: float, *, ticks: int
) -> list[Step]:
    """Uncontrolled steps of the first paths."""
    noise = TickNoise(20260101, 0, PATHS, dtype=state.dtype)
    rest = at_rest(state, len(device.controlled))
    steps = []
    for tick in range(ticks):
        piece = Piece(tick, h * tick, h, True, tick, True)
        step = stepper.step(piece, state, rest, noise=noise, act=lambda state, middle=False: rest)
        steps.append(step)
        state = step.end
    return steps


def in_equilibrium(device: LinearDevice) -> torch.Tensor:
    generator = torch.Generator().manual_seed(20260101)
    root = torch.tensor(np.linalg.cholesky(device.stationary_covariance))
    return torch.randn(PATHS, device.dim, generator=generator, dtype=F64) @ root.T


@pytest.mark.parametrize("method", ["exact", "splitting"])
@pytest.mark.parametrize("name", ["rlc1", "spu8"])
def test_sampled_covariance(name: str, method: str) -> None:
    """From rest to kT C^-1 and kT L^-1 and no correlation between, each entry within 4 stderr.

    Twelve of the slowest time constants (amplitude, 3.6 RC at most) leave e^-24 of the start. The
    capacitance and inductance matrices are written out here from the datasheet.
    """
    device = load_device(name)
    stepper = make_stepper(device, "emf", method, dtype=F64)
    h, ticks = (0.8, 54) if method == "exact" else (0.4, 108)
    start = torch.zeros(PATHS, device.dim, dtype=F64)
    efforts = device.efforts(steps_of(stepper, device, start, h, ticks=ticks)[-1].end)
    if name == "rlc1":
        voltage, current = np.ones((1, 1)), np.array([[1.0 / 0.04]])
    else:  # 1 nF to ground, 0.1 nF to each of seven others; 10 uH in units of R^2 C = 1 mH
        voltage = np.linalg.inv(1.8 * np.eye(8) - 0.1)
        current = 100.0 * np.eye(8)
    n = len(voltage)
    exact = np.block([[voltage, np.zeros((n, n))], [np.zeros((n, n)), current]])
    for i in range(2 * n):
        products = efforts * efforts[:, i : i + 1]
        # 136 different entries for the board: chance of |z| > 4.5 anywhere 1e-3.
        assert_z(products, exact[i], max_z=4.0 if n == 1 else 4.5)


def test_underdamped_autocorrelation() -> None:
    """<v(s) v(0)> and <i(s) i(0)> of the cell against the damped cosines, Q = 5.

    s^2 + s + 25 = 0: alpha = 1/2, w = sqrt(25 - 1/4). v is the momentum of the flux i L, so
    <v v> = e^-as (cos ws - a/w sin ws), <i i> = 25 e^-as (cos ws + a/w sin ws),
    <v(s) i(0)> = -25/w e^-as sin ws: it changes sign, which no RC circuit's does.
    """
    device, h = cell(5.0), 0.06
    start = in_equilibrium(device)
    stepper = make_stepper(device, "emf", "exact", dtype=F64)
    first = device.efforts(start)
    a, w = 0.5, np.sqrt(24.75)
    for tick, step in enumerate(steps_of(stepper, device, start, h, ticks=30)):
        if tick % 6:
            continue
        s, later = h * (tick + 1), device.efforts(step.end)
        decay, c, d = np.exp(-a * s), np.cos(w * s), np.sin(w * s)
        assert_z(later[:, 0] * first[:, 0], decay * (c - a / w * d))
        assert_z(later[:, 1] * first[:, 1], 25.0 * decay * (c + a / w * d))
        assert_z(later[:, 0] * first[:, 1], -25.0 / w * decay * d)


@pytest.mark.parametrize("method", ["exact", "splitting"])
def test_heat_through_an_inductor(method: str) -> None:
    """Two nodes at T1 = 2 T2 joined by L: sampled heat against s = (T1 - T2)/(2 (1 + L)).

    The exact tick has no bias; the shares of the splitting's baths are of order 1 in the step, and
    at 0.01 RC that is far below the standard error.
    """
    device = pair(2.0, 1.0, 0.5)
    flow = 1.0 / 3.0
    np.testing.assert_allclose(steady_heat(device), [-flow, flow], rtol=1e-12)
    h, ticks = (0.2, 60) if method == "exact" else (0.01, 300)
    stepper = make_stepper(device, "emf", method, dtype=F64)
    total = torch.zeros(PATHS, 2, dtype=F64)
    for step in steps_of(stepper, device, in_equilibrium(device), h, ticks=ticks):
        total += heat_of(step)
    assert_z(total / (h * ticks), [-flow, flow])


def test_a_page_of_nodes_loads_at_once() -> None:
    """784 nodes, steady state and time constants included, without a matrix of 784 x 784."""
    load_device("rc1")  # units and schemas are read once per process
    assert pieces(lambda: load_device("rc784")) < 10.0
    device = load_device("rc784")
    assert device.uncoupled and device.dim == 784
    np.testing.assert_array_equal(np.diag(device.effort_covariance), device.effort_covariance[0, 0])


def test_array_of_cells_in_equilibrium() -> None:
    """64 cells by the block: kT/C and kT/L of every one of them, in single precision."""
    device = load_device("rlc64")
    stepper = make_stepper(device, "emf", "exact", dtype=torch.float32)
    start = in_equilibrium(device).float()
    end = steps_of(stepper, device, start, 0.15, ticks=8)[-1].end
    efforts = device.efforts(end).double()
    assert_z(efforts[:, :64].square().mean(1), 1.0)
    assert_z(efforts[:, 64:].square().mean(1), 25.0)
    assert_z((efforts[:, :64] * efforts[:, 64:]).mean(1), 0.0)
    # Neighbours know nothing of each other.
    assert_z((efforts[:, :63] * efforts[:, 1:64]).mean(1), 0.0)
