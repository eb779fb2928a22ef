"""The conditional mean heat of one tick, against quadrature over the tick's noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from problems import chain

from thermohw.books.balance import HeatBalance, NetworkBalance, heat_balance, watched_ticks
from thermohw.circuit import LinearDevice, build_device, load_device, node_moments
from thermohw.control import Control, Piece
from thermohw.datasheet import read_datasheet
from thermohw.integrate import HeldNetwork, HeldNodes
from thermohw.noise import Recording

ODD = """
format = "thermohw-device/1"
[[node]]
name = "n"
capacitance = "1 pF"
[[node]]
name = "m"
capacitance = "0.3 pF"
[[resistor]]
name = "r"
between = ["n", "gnd"]
resistance = "2 Mohm"
temperature = "200 K"
source = true
[[resistor]]
name = "s"
between = ["m", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
source = true
"""


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("h", [1e-3, 0.2, 3.0])
def test_mean_over_the_noise_of_a_tick(wiring: str, h: float) -> None:
    """A tick's heat is quadratic in its Gaussian normals, so 3 Gauss-Hermite nodes are exact."""
    device = build_device(read_datasheet(ODD, "odd"))
    stepper = HeldNodes(device, wiring, dtype=torch.float64)
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    weights = weights / weights.sum()
    grid = np.stack(np.meshgrid(*[nodes] * stepper.normals, indexing="ij"), -1)
    grid = torch.tensor(grid.reshape(-1, stepper.normals))
    weight = torch.tensor(
        np.prod(np.stack(np.meshgrid(*[weights] * stepper.normals, indexing="ij")), 0).reshape(-1)
    )
    paths = len(grid)
    state = torch.tensor([[0.7, -1.1]], dtype=torch.float64).expand(paths, -1).clone()
    source = torch.tensor([[1.3, 0.4]], dtype=torch.float64).expand(paths, -1).clone()
    step = stepper.step(
        Piece(0, 0.0, h, True, 0, True),
        state,
        Control(0, source),
        noise=Recording(grid[None]),
        act=None,
    )
    heat = step.force * step.charge
    if step.heat_correction is not None:
        heat = heat + step.heat_correction
    balance = HeatBalance(device)
    carry = balance.init(state)
    balance.update(carry, step)
    expected = balance.result(carry, step.end)["expected"][0]
    mean = (weight[:, None] * heat).sum(0)
    size = (weight[:, None] * heat.abs()).sum(0)  # round-off is relative to what is averaged
    assert ((mean - expected).abs() < 1e-12 * size + 1e-14).all(), (mean, expected)
    assert isinstance(node_moments(device, h).decay, np.ndarray)  # the nodes really differ


RINGING = (
    ODD
    + """
[[inductor]]
name = "l"
between = ["n", "m"]
inductance = "4 H"
series_resistance = "100 kohm"
temperature = "500 K"
"""
)


def coupled(name: str) -> LinearDevice:
    return chain(hot=True) if name == "chain" else build_device(read_datasheet(RINGING, name))


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("name", ["chain", "ringing"])
@pytest.mark.parametrize("h", [1e-3, 0.2, 3.0])
def test_mean_over_the_noise_of_a_networks_tick(name: str, wiring: str, h: float) -> None:
    """A tick's booked heat is quadratic in its d normals: the mean over +-sqrt(d) e_i is exact."""
    device = coupled(name)
    stepper = HeldNetwork(device, wiring, dtype=torch.float64)
    parts, each = stepper.pieces(h), stepper.normals
    d = parts * each
    points = torch.cat([torch.eye(d), -torch.eye(d)]).double() * d**0.5
    draws = points.view(2 * d, parts, each).transpose(0, 1)
    generator = torch.Generator().manual_seed(1)
    sources = len(device.controlled) if wiring == "emf" else device.dim
    state, source = (
        torch.randn(1, size, generator=generator).double().expand(2 * d, -1).clone()
        for size in (device.dim, sources)
    )
    step = stepper.step(
        Piece(0, 0.0, h, True, 0, True),
        state,
        Control(0, source),
        noise=Recording(draws),
        act=None,
    )
    assert step.heat_correction is not None
    heat = step.force * step.charge + step.heat_correction
    balance = NetworkBalance(device, wiring, 1)
    carry = balance.init(state)
    balance.update(carry, step)
    expected = balance.result(carry, step.end)["expected"]
    size = heat.abs().mean(0)
    # the nodes of a short tick leave 1e-9 of the integrand
    assert ((heat.mean(0) - expected[0]).abs() < 2e-9 * size + 1e-13).all()


def test_rest_and_warmth() -> None:
    """Sources at rest are sources at zero, and the constant goes with the temperature: a node in
    equilibrium at twice T_ref dissipates nothing.
    """
    device = chain(hot=False)
    balance = NetworkBalance(device, "emf", 1)
    cov = 2.0 * device.stationary_covariance
    root = torch.tensor(np.linalg.cholesky(cov).T)
    d = device.dim
    state = torch.cat([torch.eye(d), -torch.eye(d)]).double() * d**0.5 @ root
    zeros = torch.zeros(2 * d, len(device.elements), dtype=torch.float64)
    piece = Piece(0, 0.0, 0.3, True, -1, True, 1.0, 2.0)
    stepper = HeldNetwork(device, "emf", dtype=torch.float64)
    noise = Recording(torch.zeros(1, 2 * d, stepper.normals, dtype=torch.float64))
    step = stepper.step(piece, state, None, noise=noise, act=None)
    for emf in (None, zeros):
        carry = balance.init(state)
        balance.update(carry, step._replace(emf=emf))
        mean = balance.result(carry, state)["expected"].mean(0)
        assert float(mean.abs().max()) < 1e-9


def test_large_networks_are_watched_now_and_then() -> None:
    """On the other ticks the step's own heat stands in."""
    device = chain(hot=True)
    assert len(watched_ticks(device, 4096)) == 4096
    large = load_device("rc64")
    coupled_large = isinstance(heat_balance(large, "emf", 512), NetworkBalance)
    assert coupled_large == (not large.uncoupled)
    n = 17
    hessian = np.eye(n) + 0.1 * np.eye(n, k=1) + 0.1 * np.eye(n, k=-1)
    wide = LinearDevice(
        name="wide", scale=device.scale, nodes=tuple(f"n{i}" for i in range(n)),
        elements=tuple(f"r{i}" for i in range(n)), hessian=hessian, structure=np.zeros((n, n)),
        directions=np.eye(n), coefficients=np.ones(n), temperatures=np.ones(n),
        controlled=tuple(range(n)),
    )  # fmt: skip
    watched = watched_ticks(wide, 512)
    assert len(watched) == 12 and watched[0] == 0 and watched[-1] == 511
    balance = NetworkBalance(wide, "emf", 512)
    stepper = HeldNetwork(wide, "emf", dtype=torch.float64)
    state = torch.randn(5, n, generator=torch.Generator().manual_seed(2)).double()
    noise = Recording(torch.randn(2, 5, stepper.normals, dtype=torch.float64))
    for tick, booked in ((1, True), (0, False)):
        piece = Piece(tick, 0.0, 0.01, True, tick, True)
        step = stepper.step(piece, state, Control(tick, state.clone()), noise=noise, act=None)
        assert step.heat_correction is not None
        carry = balance.init(state)
        balance.update(carry, step)
        heat = step.force * step.charge + step.heat_correction
        assert torch.equal(carry["expected"], heat) == booked
