"""Sampled equilibria: k T C^-1 on every node, Lyapunov's covariance and heat with a hot end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from laws import at_rest, free_step
from problems import F64, chain

from thermohw.circuit import LinearDevice, steady_heat
from thermohw.integrate import Euler, HeldNetwork, Heun, Splitting, Stepper

PATHS = 16384
STEPPERS = {"held": HeldNetwork, "splitting": Splitting, "heun": Heun, "euler": Euler}


def relaxed(device: LinearDevice, stepper: Stepper, h: float, steps: int) -> torch.Tensor:
    """States after `steps` uncontrolled steps from discharged nodes."""
    generator = torch.Generator().manual_seed(20260101)
    state = torch.zeros(PATHS, device.dim, dtype=F64)
    draws = stepper.pieces(h) if isinstance(stepper, HeldNetwork) else 1
    for _ in range(steps):
        normals = torch.randn(draws, PATHS, stepper.normals, generator=generator, dtype=F64)
        state = free_step(device, stepper, h, state, normals).end
    return state


def assert_covariance(device: LinearDevice, state: torch.Tensor, exact: np.ndarray) -> None:
    """Every entry of Cov(v) within 4 standard errors (36 entries: chance 2e-3)."""
    v = device.efforts(state)
    assert_z(v, 0.0, label="mean voltage")
    products = v[:, :, None] * v[:, None, :]
    rows, columns = np.triu_indices(device.dim)
    assert_z(products[:, rows, columns], exact[rows, columns], label="covariance")


@pytest.mark.parametrize("name", ["held", "splitting", "heun"])
def test_one_temperature(name: str) -> None:
    """Eight RC after discharge: what is missing is e^-16. Heun's bias at h = 0.05 is 2e-4, a
    fiftieth of the standard error; splitting and held ticks have none.
    """
    device = chain(hot=False)
    stepper = STEPPERS[name](device, "emf", dtype=F64)
    h, steps = {"held": (8.0, 1), "splitting": (0.5, 16), "heun": (0.05, 160)}[name]
    state = relaxed(device, stepper, h, steps)
    assert_covariance(device, state, np.linalg.inv(device.capacitance))


@pytest.mark.parametrize("name", ["held", "splitting"])
def test_hot_end(name: str) -> None:
    device = chain(hot=True)
    stepper = STEPPERS[name](device, "emf", dtype=F64)
    state = relaxed(device, stepper, *{"held": (8.0, 1), "splitting": (0.5, 16)}[name])
    exact = device.hessian @ device.stationary_covariance @ device.hessian
    assert_covariance(device, state, exact)
    cold = device.hessian  # k T C^-1 at 300 K is far outside the error of the hot node
    v = device.efforts(state)
    with pytest.raises(AssertionError):
        assert_z(v[:, 0].square(), cold[0, 0])


def test_heat_of_every_resistor() -> None:
    """One held tick of 2 RC from the steady state: fifteen heat flows, z-scored."""
    device = chain(hot=True)
    stepper = HeldNetwork(device, "emf", dtype=F64)
    generator = torch.Generator().manual_seed(20260101)
    root = torch.tensor(np.linalg.cholesky(device.stationary_covariance))
    state = torch.randn(PATHS, 8, generator=generator, dtype=F64) @ root.T
    normals = torch.randn(stepper.pieces(2.0), PATHS, 15, generator=generator, dtype=F64)
    step = free_step(device, stepper, 2.0, state, normals)
    assert step.heat_correction is not None
    heat = step.force * step.charge + step.heat_correction
    assert_z(heat / 2.0, steady_heat(device), label="heat")
    assert abs(float(heat[:, 0].mean() / 2.0)) > 0.2  # and it is no small number at the hot end


def test_total_heat_is_the_energy_given_up() -> None:
    """Held, splitting, Heun and Euler close the first law of a free network path by path."""
    device = chain(hot=True)
    generator = torch.Generator().manual_seed(20260101)
    state = torch.randn(50, 8, generator=generator, dtype=F64)
    for name, cls in STEPPERS.items():
        stepper = cls(device, "emf", dtype=F64)
        normals = torch.randn(1, 50, stepper.normals, generator=generator, dtype=F64)
        step = free_step(device, stepper, 0.2, state, normals)
        heat = step.force * step.charge
        if step.heat_correction is not None:
            heat = heat + step.heat_correction
        change = device.energy(step.end) - device.energy(step.start)
        torch.testing.assert_close(-heat.sum(1), change, rtol=0, atol=1e-12, msg=name)
    assert at_rest(state, 8).source.abs().sum() == 0.0
