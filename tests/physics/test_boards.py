"""Every linear board that ships: equilibrium, steady state, sampled covariance.

The oracle is written by hand from the datasheet in SI (`nodal_analysis`). Statistics: exact ticks
from rest, five slowest time constants long (ten for the small boards).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from laws import at_rest
from nodal_analysis import by_hand, in_si, steady_efforts
from problems import F64

from thermohw.circuit import LinearDevice, load_device, steady_heat, steady_production
from thermohw.control import Piece
from thermohw.datasheet import device_names, load_datasheet
from thermohw.integrate import make_stepper
from thermohw.noise import TickNoise
from thermohw.units import K_B

PATHS = 4096


def linear_boards() -> list[str]:
    """Names of the shipped datasheets that describe linear circuits."""
    found = [name for name in device_names() if isinstance(load_device(name), LinearDevice)]
    assert {"rc1", "rc64", "rc784", "rc8-chain", "rlc1", "rlc64", "spu8", "ladder64"} <= set(found)
    return found


BOARDS = linear_boards()


@pytest.mark.parametrize("name", BOARDS)
def test_equilibrium_of_every_board(name: str) -> None:
    """All baths at one temperature: kT C_M^-1 on v, kT L^-1 on i and nothing between, exactly.

    Round-off: the Lyapunov solver's, 1e-15 times the condition of its operator, below 1e3 here.
    """
    sheet = load_datasheet(name)
    level = {f"{_cell(x)}.temperature": "310 K" for x in sheet.baths}
    device = load_device(name, level)
    storage = by_hand(device).storage
    exact = K_B * 310.0 * np.linalg.inv(storage)
    size = np.sqrt(np.diag(exact))
    np.testing.assert_allclose(in_si(device) / size / size[:, None], exact / size / size[:, None],
                               rtol=0, atol=1e-12)  # fmt: skip
    assert abs(steady_production(device)) < 1e-9 * device.dim
    assert np.abs(steady_heat(device)).max() < 1e-11


def _cell(name: str) -> str:
    """The element an override names: the cell's, before it is repeated."""
    return name.split("[")[0]


@pytest.mark.parametrize("name", ["rc1", "rc8-chain", "rlc1", "spu8"])
def test_steady_state_of_the_board_as_shipped(name: str) -> None:
    """The Lyapunov covariance, several temperatures included, against a solution in SI."""
    device = load_device(name)
    exact = steady_efforts(by_hand(device))
    size = np.sqrt(np.diag(exact))
    np.testing.assert_allclose(in_si(device) / size / size[:, None], exact / size / size[:, None],
                               rtol=0, atol=1e-11)  # fmt: skip


@pytest.mark.parametrize("name", BOARDS)
def test_sampled_covariance_of_every_board(name: str) -> None:
    """Exact ticks from rest: every variance, and pairs of neighbours, to 4.5 standard errors: of up
    to 1700 numbers one is that far off with probability 1e-2.

    What is left of the start, e^-20 or for boards of 64 nodes and more e^-10, is 1e-3 of the
    standard error.
    """
    device = load_device(name)
    stepper = make_stepper(device, "emf", "exact", dtype=F64)
    paths, lengths = (PATHS, 10.0) if device.dim < 64 else (512, 5.0)
    rest = torch.zeros(paths, device.dim, dtype=F64)
    noise = TickNoise(20260101, 0, paths, dtype=F64)
    h = lengths * float(device.time_constants[0])
    still = at_rest(rest, len(device.controlled))
    step = stepper.step(Piece(0, 0.0, h, True, 0, True), rest, still, noise=noise, act=None)
    efforts = device.efforts(step.end)
    exact = device.effort_covariance
    assert_z(efforts * efforts, np.diag(exact), max_z=4.5, label=name)
    if device.dim > 1:
        # Neighbours in the order of the state, and all that two kinds of effort could share.
        assert_z(efforts[:, 1:] * efforts[:, :-1], np.diag(exact, 1), max_z=4.5, label=name)
    if device.fluxes:
        n = len(device.nodes)
        coupled = efforts[:, :n] * efforts[:, n : 2 * n]
        assert_z(coupled, np.diag(exact[:n, n : 2 * n]), max_z=4.5, label=name)
