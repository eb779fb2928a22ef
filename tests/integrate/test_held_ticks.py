"""Exact held ticks: law, books of each bath, and the conditional mean against fine sub-steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from laws import conduction, equilibrium, free_means
from problems import F64, chain, device_from, quadratic_mean, rc1, sigma_points, unequal_nodes
from scipy.integrate import quad_vec
from scipy.linalg import expm

from thermohw.circuit import LinearDevice, tick_moments
from thermohw.control import Control, Piece
from thermohw.integrate import HeldNetwork, HeldNodes, Step, Stepper
from thermohw.noise import Recording


def held(stepper: Stepper, h: float, state: torch.Tensor, source: torch.Tensor | None,
         normals: torch.Tensor) -> Step:  # fmt: skip
    control = None if source is None else Control(0, source)
    piece = Piece(0, 0.0, h, True, 0, True)
    return stepper.step(piece, state, control, noise=Recording(normals), act=None)


def heat_of(step: Step) -> torch.Tensor:
    heat = step.force * step.charge
    return heat if step.heat_correction is None else heat + step.heat_correction


def network() -> LinearDevice:
    """Two nodes, three resistors, three temperatures, a capacitor between the nodes."""
    base = rc1()
    c = np.array([[1.3, -0.3], [-0.3, 2.3]])
    return LinearDevice(
        name="three resistors", scale=base.scale, nodes=("a", "b"), elements=("ra", "rb", "rab"),
        hessian=np.linalg.inv(c), structure=np.zeros((2, 2)),
        directions=np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]),
        coefficients=np.array([1.0, 0.5, 0.7]), temperatures=np.array([2.0, 1.0, 0.6]),
        controlled=(0, 1),
    )  # fmt: skip


def quadrature_heat(device: LinearDevice, h: float, mean: np.ndarray, covariance: np.ndarray,
                    emf: np.ndarray, current: np.ndarray) -> np.ndarray:  # fmt: skip
    """Mean heat of each element over a held tick: int gamma (E X^2 - T b.H b) ds by quadrature."""
    a, n = device.drift_matrix, device.dim
    push = device.source_matrix @ emf + device.port_matrix @ current
    noise = device.noise_matrix @ device.noise_matrix.T
    settled = np.linalg.solve(a, push)
    across = device.directions @ device.hessian
    stiffness = np.einsum("ki,ki->k", across, device.directions)
    block = np.block([[-a, noise], [np.zeros((n, n)), a.T]])

    def rate(s: float) -> np.ndarray:
        phi = expm(-a * s)
        m = settled + phi @ (mean - settled)
        q = expm(block * s)[:n, n:] @ phi.T
        p = phi @ covariance @ phi.T + q
        x = across @ m - emf
        spread = np.einsum("ki,ij,kj->k", across, p, across)
        return device.coefficients * (x * x + spread - device.temperatures * stiffness)

    return np.asarray(quad_vec(rate, 0.0, h, epsabs=1e-12, epsrel=1e-11)[0])


DEVICES = {
    "rc1": rc1,
    "unequal": unequal_nodes,
    "network": network,
    "chain": lambda: chain(hot=True),
}


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("h", [0.002, 0.2])
@pytest.mark.parametrize("name", DEVICES)
def test_law_and_mean_heat_of_a_tick(name: str, h: float, wiring: str) -> None:
    """State law and heat of every bath from a random Gaussian with a random held input.

    Everything a tick books is quadratic in (state, normals), so sigma points give exact means.
    """
    device = DEVICES[name]()
    n, k = device.dim, len(device.elements)
    rng = np.random.default_rng(8)
    root = rng.normal(size=(n, n)) * 0.4 + np.eye(n)
    mean, covariance = rng.normal(size=n), root @ root.T
    source = rng.normal(size=n)
    cls = HeldNodes if device.uncoupled else HeldNetwork
    stepper = cls(device, wiring, dtype=F64)
    if isinstance(stepper, HeldNetwork):
        assert stepper.pieces(h) == 1 or h > 0.1
        if stepper.pieces(h) > 1:
            h = 0.9 * h / stepper.pieces(h)
    states, normals = sigma_points(mean, covariance, stepper.normals)
    inputs = torch.tensor(source).expand(len(states), n)
    step = held(stepper, h, states, inputs, normals[None])
    emf, current = np.zeros(k), np.zeros(n)
    if wiring == "emf":
        emf[list(device.controlled)] = source
    else:
        current[:] = source
    moments = tick_moments(device, h)
    exact = moments.propagator @ mean + moments.input @ np.concatenate([emf, current])
    np.testing.assert_allclose(step.end[0].numpy(), exact, rtol=0, atol=1e-12)
    half = (len(states) - 1) // 2
    spread = 0.5 * (step.end[1 : half + 1] - step.end[half + 1 :]).numpy()
    after = moments.propagator @ covariance @ moments.propagator.T + moments.end_covariance
    np.testing.assert_allclose(spread.T @ spread, after, rtol=0, atol=1e-12)
    wanted = quadrature_heat(device, h, mean, covariance, emf, current)
    np.testing.assert_allclose(quadratic_mean(heat_of(step)), wanted, rtol=1e-9, atol=1e-11)
    # First law of every single point, work included.
    energy = device.energy(step.end) - device.energy(step.start)
    if step.emf is not None:
        work = -(step.emf * step.charge).sum(1)
    else:
        assert step.current is not None and step.flux is not None
        work = (step.current * step.flux).sum(1)
    size = energy.abs() + work.abs() + heat_of(step).abs().sum(1)
    assert float(((energy - work + heat_of(step).sum(1)).abs() / size).max()) < 1e-12


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("name", ["rc1", "unequal"])
def test_network_tick_is_the_node_tick(name: str, wiring: str, generator: torch.Generator) -> None:
    """On uncoupled nodes both exact steppers are one function of the numbers drawn.

    The network draws the charges that leave, the nodes the kicks that arrive: opposite signs.
    """
    device = DEVICES[name]()
    n, paths, h = device.dim, 50, 0.11
    nodes = HeldNodes(device, wiring, dtype=F64, flux=True)
    mesh = HeldNetwork(device, wiring, dtype=F64, flux=True)
    assert mesh.pieces(h) == 1 and nodes.normals == mesh.normals == 2 * n
    state = torch.randn(paths, n, generator=generator, dtype=F64)
    source = torch.randn(paths, n, generator=generator, dtype=F64)
    normals = torch.randn(1, paths, 2 * n, generator=generator, dtype=F64)
    mirrored = normals.clone()
    mirrored[..., :n] *= -1.0
    a, b = held(nodes, h, state, source, normals), held(mesh, h, state, source, mirrored)
    torch.testing.assert_close(a.end, b.end, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(a.charge, b.charge, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(heat_of(a), heat_of(b), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(a.flux, b.flux, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_conditional_mean_heat(wiring: str) -> None:
    """Booked heat minus the heat of fine sub-steps is uncorrelated with everything drawn.

    That is what a conditional mean given (z, y, I) is. The tick is cut into 96 exact sub-ticks
    whose midpoint products give the true heat of each bath up to an area of size h_sub; the booked
    one is recomputed from the total charges and port integrals alone.
    """
    device, h, cuts, paths = network(), 0.3, 96, 24000
    stepper = HeldNetwork(device, wiring, dtype=F64, flux=True)
    k, n = 3, 2
    generator = torch.Generator().manual_seed(20260101)
    state = torch.randn(paths, n, generator=generator, dtype=F64)
    source = torch.randn(paths, n, generator=generator, dtype=F64)
    fine = HeldNetwork(device, wiring, dtype=F64, flux=True)
    z, true = state, torch.zeros(paths, k, dtype=F64)
    charge, flux = torch.zeros(paths, k, dtype=F64), torch.zeros(paths, n, dtype=F64)
    for _ in range(cuts):
        normals = torch.randn(1, paths, fine.normals, generator=generator, dtype=F64)
        step = held(fine, h / cuts, z, source, normals)
        true += step.force * step.charge
        charge, z = charge + step.charge, step.end
        assert step.flux is not None
        flux += step.flux
    moments = tick_moments(device, h)
    emf = torch.zeros(paths, k, dtype=F64)
    inputs = torch.cat([emf, source], 1)
    if wiring == "emf":
        inputs = torch.cat([source, emf[:, :1], torch.zeros(paths, n, dtype=F64)], 1)
    drawn = torch.cat([charge, flux], 1)
    mean = state @ torch.tensor(moments.flow_state.T) + inputs @ torch.tensor(moments.flow_input.T)
    xi = torch.linalg.solve_triangular(
        torch.tensor(moments.factor), (drawn - mean).T, upper=False
    ).T  # fmt: skip
    assert_z(xi, 0.0)
    assert_z(xi.square(), 1.0)
    assert stepper.pieces(h) == 1 or h > 0.2
    stepper.pieces = lambda duration: 1  # type: ignore[method-assign]
    booked = held(stepper, h, state, source, xi[None])
    torch.testing.assert_close(booked.end, z, rtol=0, atol=1e-10)
    gap = heat_of(booked) - true
    if wiring == "emf":  # first law: the gaps cancel over the baths, path by path
        assert float(gap.sum(1).abs().max()) < 1e-9
    tests = [torch.ones(paths, dtype=F64), *(xi[:, i] for i in range(k + n))]
    tests += [xi[:, i] * xi[:, j] for i in range(k + n) for j in range(i)]
    tests += [state[:, i] * xi[:, j] for i in range(n) for j in range(k + n)]
    bias = 2e-5  # h_sub^2 x cuts times an area coefficient below 0.1: under a tenth of a stderr
    worst = 0.0
    for g in tests:
        for bath in range(k):
            product = (gap[:, bath] * g).numpy()
            stderr = product.std() / paths**0.5
            worst = max(worst, (abs(product.mean()) - bias) / stderr)
    assert worst < 4.5  # 26 x 3 products: chance 5e-4
    assert float(gap[:, 0].std()) > 0.01  # and the heat does fluctuate inside a tick


def test_equilibrium_and_conduction() -> None:
    """One temperature: kT C and no heat. Hot end: Lyapunov's covariance and heat per resistor."""
    equilibrium()
    conduction()


def test_long_ticks_are_cut() -> None:
    """A tick of 40 RC forgets its start: covariance of the steady state, heat of every bath."""
    device = network()
    stepper = HeldNetwork(device, "emf", dtype=F64)
    parts = stepper.pieces(2.0)
    assert parts > 1
    # One piece at a time is exact, and pieces compose: checked on the sampled tick itself.
    generator = torch.Generator().manual_seed(20260101)
    normals = torch.randn(stepper.pieces(40.0), 20000, stepper.normals, generator=generator,
                          dtype=F64)  # fmt: skip
    state = torch.full((20000, 2), 7.0, dtype=F64)
    step = held(stepper, 40.0, state, None, normals)
    covariance = device.stationary_covariance
    for i in range(2):
        for j in range(i + 1):
            assert_z(step.end[:, i] * step.end[:, j], covariance[i, j])
    energy = device.energy(step.end) - device.energy(step.start)
    torch.testing.assert_close(heat_of(step).sum(1), -energy, rtol=0, atol=1e-9)


def test_resting_sources() -> None:
    """Before the first late value arrives there is no control: same as zero sources."""
    device = network()
    stepper = HeldNetwork(device, "emf", dtype=F64)
    state = torch.ones(3, 2, dtype=F64)
    normals = torch.randn(1, 3, 3, dtype=F64)
    a = held(stepper, 0.1, state, None, normals)
    b = held(stepper, 0.1, state, torch.zeros(3, 2, dtype=F64), normals)
    assert torch.equal(a.end, b.end)
    torch.testing.assert_close(heat_of(a), heat_of(b), rtol=1e-12, atol=1e-14)
    for cls in (HeldNodes,):
        stepper = cls(rc1(), "emf", dtype=F64)
        one = torch.ones(3, 1, dtype=F64)
        a = held(stepper, 0.1, one, None, normals[..., :1])
        b = held(stepper, 0.1, one, torch.zeros(3, 1, dtype=F64), normals[..., :1])
        torch.testing.assert_close(a.end, b.end, rtol=1e-15, atol=0)


def test_free_means_helper_sees_a_wrong_temperature() -> None:
    """The exact route has no slack: a start covariance 1e-6 off shows."""
    device = chain(hot=False)
    stepper = HeldNetwork(device, "emf", dtype=F64)
    after, _ = free_means(device, stepper, 0.1, (1 + 1e-6) * device.capacitance)
    assert np.abs(after - device.capacitance).max() > 1e-7


def test_gyrator_between_charges() -> None:
    """J need not come from inductors: a hand-made gyrator turns charges, and books nothing."""
    j = np.array([[0.0, 1.0], [-1.0, 0.0]])
    device = device_from(np.eye(2), np.eye(2), structure=j)
    stepper = HeldNetwork(device, "emf", dtype=F64)
    after, heat = free_means(device, stepper, 0.3, device.stationary_covariance)
    np.testing.assert_allclose(after, device.stationary_covariance, rtol=0, atol=1e-12)
    np.testing.assert_allclose(heat, 0.0, atol=1e-12)
