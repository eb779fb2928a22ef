"""The conditional mean heat of one tick, against quadrature over the tick's noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from thermohw.circuit import build_device, node_moments
from thermohw.control import Control, Piece
from thermohw.datasheet import read_datasheet
from thermohw.integrate import HeldNodes, Recording
from thermohw.thermo import HeatBalance

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
    if step.excess is not None:
        heat = heat + step.excess
    balance = HeatBalance(device)
    carry = balance.init(state)
    balance.update(carry, step)
    expected = balance.result(carry, step.end)["expected"][0]
    mean = (weight[:, None] * heat).sum(0)
    size = (weight[:, None] * heat.abs()).sum(0)  # round-off is relative to what is averaged
    assert ((mean - expected).abs() < 1e-12 * size + 1e-14).all(), (mean, expected)
    assert isinstance(node_moments(device, h).decay, np.ndarray)  # the nodes really differ
