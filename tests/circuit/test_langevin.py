"""Langevin processes of circuits with inductors: time reversal, closed loops, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rlc import cell, network, pair, tangle
from scipy.integrate import solve_ivp

from thermohw import targets
from thermohw.circuit import LinearDevice, langevin, load_device, mirror, model_units
from thermohw.control import make_drive
from thermohw.errors import InputError
from thermohw.process import Langevin, process_from_dict


def series_cell() -> LinearDevice:
    """One node, an inductor with series resistance to ground: noise on the flux."""
    return network({"a": 1.0}, [], [("a", "gnd", 0.5, 0.7, 1.0)])


def lossy_network() -> LinearDevice:
    """Two coupled nodes with three resistors, two coupled inductors; one temperature."""
    resistors = [("a", "gnd", 1.0, 1.0), ("b", "gnd", 2.0, 1.0), ("a", "b", 1.5, 1.0)]
    inductors = [("a", "gnd", 0.3), ("b", "a", 0.5)]
    return network({"a": 1.0, "b": 0.7}, resistors, inductors, capacitors=[("a", "b", 0.3)],
                   mutuals=[(0, 1, 0.4)])  # fmt: skip


DEVICES = {
    "ringing": cell(5.0),
    "critical": cell(0.5),
    "series": series_cell(),
    "network": lossy_network(),
}


def closed_loop(
    device: LinearDevice, process: Langevin, wiring: str, slope: np.ndarray
) -> np.ndarray:
    """d(z)/dt = K z of the device itself, driven by the law of the score slope x (model units)."""
    units = model_units(device)
    drive = make_drive(device, process, wiring=wiring, theta=1.0)
    # source = (state + score slope U^-1) H'' z
    gain = (np.asarray(drive.state) + np.asarray(drive.score) @ slope / units) @ device.hessian
    if wiring == "emf":
        push = device.source_matrix[:, list(device.controlled)]
    else:
        push = device.port_matrix
    dissipation = device.directions.T @ (device.coefficients[:, None] * device.directions)
    return (device.structure - dissipation) @ device.hessian + push @ gain


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("name", DEVICES)
def test_the_driven_circuit_runs_the_reverse_process(name: str, wiring: str) -> None:
    """b = A x + B2 s in model units, whatever the score, from the circuit's own matrices."""
    device = DEVICES[name]
    process = langevin(device, 4.0)
    units, rng = model_units(device), np.random.default_rng(1)
    slope = rng.normal(size=(device.dim, device.dim))
    loop = closed_loop(device, process, wiring, slope)
    model = (device.hessian @ loop @ device.capacitance) / units[:, None] * units
    wanted = process.A + process.B2 @ slope
    assert np.abs(model - wanted).max() < 1e-12 * np.abs(wanted).max()


@pytest.mark.parametrize("name", DEVICES)
def test_gaussian_data_come_back_in_closed_form(name: str) -> None:
    """Noise Gaussian data, then integrate the covariance of the circuit under the exact score.

    The moments of the driven circuit obey dP/ds = K P + P K^T + N N^T with the circuit's own
    matrices; started from the law at T they must end at diag(M, C). The reference solver works to
    1e-10 a step, of which a contracting flow forgets all but a few.
    """
    device = DEVICES[name]
    process = langevin(device, 3.0)
    d = len(process.positions)
    rng = np.random.default_rng(2)
    root = rng.normal(size=(d, d))
    data = 0.1 * np.eye(d) + 0.3 * root @ root.T
    target = targets.gaussian(np.zeros(d), covariance=data)
    score = target.score(process)
    units = model_units(device)
    noise = device.noise_matrix @ device.noise_matrix.T

    def rate(s: float, flat: np.ndarray) -> np.ndarray:
        covariance = flat.reshape(device.dim, device.dim)
        slope = -np.linalg.inv(score.law(process.duration - s).covariance)  # type: ignore[attr-defined]
        loop = closed_loop(device, process, "emf", slope)
        return (loop @ covariance + covariance @ loop.T + noise).ravel()

    begin = score.law(process.duration).covariance * np.outer(units, units)  # type: ignore[attr-defined]
    begin = device.capacitance @ begin @ device.capacitance
    solved = solve_ivp(rate, (0.0, 3.0), begin.ravel(), rtol=1e-10, atol=1e-12, method="DOP853")
    end = device.hessian @ solved.y[:, -1].reshape(begin.shape) @ device.hessian
    end = end / np.outer(units, units)
    wanted = process.joint(np.zeros(d), data)[1]
    assert np.abs(end - wanted).max() < 1e-9


@pytest.mark.parametrize("name", DEVICES)
def test_flipping_the_momenta_is_the_mirror_image(name: str) -> None:
    """The circuit's own relaxation of flipped states is the process, to round-off."""
    device = DEVICES[name]
    process = langevin(device, 1.0)
    flip = np.ones(device.dim)
    flip[list(process.momenta)] = -1.0
    units = model_units(device)
    own = device.effort_drift / units[:, None] * units
    assert np.allclose(flip[:, None] * own * flip, process.A, rtol=1e-13, atol=1e-13)
    assert np.allclose(mirror(mirror(device)).effort_drift, device.effort_drift)
    mirrored = mirror(device)
    assert np.allclose(flip[:, None] * mirrored.effort_covariance * flip, device.effort_covariance)


def test_cell_has_friction_frequency_and_unit_equilibrium() -> None:
    """Gamma = 1/RC = 1, omega = Q; flux quiet; p_t of equilibrium data is the equilibrium."""
    process = langevin(load_device("rlc1"), 2.0)
    assert np.allclose(process.A, [[1.0, -5.0], [5.0, 0.0]], rtol=1e-12)
    assert np.allclose(process.B2, [[2.0, 0.0], [0.0, 0.0]], rtol=1e-12)
    assert process.positions == (1,) and np.allclose(process.momentum, 1.0)
    for t in (0.01, 0.3, 2.0):
        assert np.allclose(process.narrowest(1.0, t), np.eye(2), atol=1e-12)
    assert np.allclose(process.irreversible(0.0), [[-1.0, 0.0], [0.0, 0.0]])


def test_short_times_of_the_cell_in_powers_of_t() -> None:
    """Var(x_t | w_0) = (2/3) Gamma omega^2 t^3 (1 - (3/4) Gamma t) and, with M beside,
    Var(x_t | x_0) = omega^2 t^2 M (1 - Gamma t + (2/3) Gamma t/M); next order (omega t)^2.
    """
    process = langevin(cell(5.0), 1.0, momentum=0.3)
    for t in (1e-3, 1e-4):
        cubic = process.transition(t)[1][1, 1]
        square = process.conditional(t)[1][1, 1]
        assert abs(cubic / (2.0 * 25.0 * t**3 / 3.0) - 1.0 + 0.75 * t) < 25.0 * t**2
        assert abs(square / (25.0 * t**2 * 0.3) - 1.0 - (2.0 / 0.9 - 1.0) * t) < 25.0 * t**2
        assert np.all(process.conditional(t)[0][:, 0] == 0.0)


def test_conditional_law_and_joint_law_agree() -> None:
    """The law of data with momenta, propagated, is the conditional law averaged over the data."""
    process = langevin(lossy_network(), 2.0)
    target = targets.gaussian([0.5, -1.0], covariance=[[0.4, 0.1], [0.1, 0.2]])
    law = target.score(process).law(0.7)  # type: ignore[attr-defined]
    decay, noise = process.conditional(0.7)
    x = list(process.positions)
    assert np.allclose(law.mean, decay[:, x] @ target.mean, atol=1e-14)
    assert np.allclose(law.covariance, decay[:, x] @ target.covariance @ decay[:, x].T + noise)


def test_plain_numbers_and_priors() -> None:
    """to_dict rebuilds the process to the last bit; the schedule is the law of data at zero."""
    process = langevin(lossy_network(), 2.0, t_min=0.01, momentum=0.5)
    again = process_from_dict(process.to_dict())
    assert again == process and hash(again) == hash(process)
    assert np.allclose(process.prior("schedule", np.zeros(2), np.eye(2)).matrix,
                       process.narrowest(0.0, 2.0))  # fmt: skip
    joint = process.prior("matched", *process.joint([1.0, 2.0], 0.3 * np.eye(2)))
    assert np.allclose(joint.mean, process.prior("matched", [1.0, 2.0], 0.3).mean)  # type: ignore[arg-type]


def test_torch_states_meet_the_same_drive() -> None:
    """The law of a tick gives the sources of the matrices, in model and thermal units."""
    device, theta = cell(5.0), 0.25
    process = langevin(device, 1.0, volts_per_unit=device.scale.voltage / theta**0.5)
    score = targets.gaussian(0.3, 0.5).score(process)
    drive = make_drive(device, process, wiring="emf", theta=theta)
    w = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    units = model_units(device, theta)
    s = score(w / torch.as_tensor(units), 0.4).numpy() / units
    # e = 2 (v + T C^-1 ds/dv) for the one resistor, in thermal units with C = T = 1
    assert np.allclose(drive.at(score.at(0.4)).sources(w).numpy()[:, 0],
                       2.0 * (w.numpy()[:, 0] + s[:, 0]))  # fmt: skip


def test_refusals() -> None:
    """One line that names the remedy."""
    with pytest.raises(InputError, match="relaxation"):
        langevin(load_device("rc1"))
    with pytest.raises(InputError, match="shake both"):
        langevin(tangle(hot=False))
    with pytest.raises(InputError, match="flux"):
        langevin(cell(), data="charge")
    with pytest.raises(InputError, match="momentum"):
        langevin(cell(), momentum=0.0)
    with pytest.raises(InputError, match="made for another"):
        make_drive(cell(5.0), langevin(cell(4.0)), wiring="emf", theta=1.0)
    with pytest.raises(InputError, match="every resistor"):
        bare = replace(cell(), controlled=())
        make_drive(bare, langevin(bare), wiring="emf", theta=1.0)
    assert langevin(pair()).positions == (2,)
