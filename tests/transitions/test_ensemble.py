"""Ensembles of noiseless data against direct sums, quadrature and derivatives."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.process import OU, VE, VP, Relaxation
from thermohw.score.exact import exact_score
from thermohw.target import gaussian_mixture
from thermohw.target.law import MixtureLaw
from thermohw.transitions import CurieWeiss, IsingChain, Noiseless, Patterns, Smooth, Sphere
from thermohw.transitions.mean_field import bessel_ratio, two_deltas

RNG = np.random.default_rng(16)
SPINS = np.array(list(itertools.product([-1.0, 1.0], repeat=8)))
FULL = MixtureLaw(
    np.array([0.3, 0.7]),
    np.array([[1.0, -0.5], [-0.4, 0.2]]),
    np.array([[[0.5, 0.2], [0.2, 0.3]], [[0.1, 0.0], [0.0, 1.2]]]),
)
LAWS = {
    "patterns": Patterns(RNG.normal(size=(9, 3)), RNG.uniform(0.5, 1.5, 9)),
    "smooth": Smooth(FULL),
    "sphere": Sphere(4, 1.3),
    "curie-weiss": CurieWeiss(5, 0.7),
    "chain": IsingChain(6, -0.5),
}


def stencil(function, x: np.ndarray, h: float = 1e-3) -> np.ndarray:
    """Derivatives along every coordinate by the five-point rule, off by h^4/30 fifth ones."""
    rows = []
    for e in np.eye(len(x)) * h:
        near = np.asarray(function(x + e)) - function(x - e)
        far = np.asarray(function(x + 2 * e)) - function(x - 2 * e)
        rows.append((8.0 * near - far) / (12.0 * h))
    return np.array(rows)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_free_energy_generates_order_parameter_and_susceptibility(law: Noiseless) -> None:
    """h^4/30 = 3e-14 times fifth derivatives of order 10; rounding 1e-15/h."""
    beta, x = 0.8, RNG.normal(size=law.dim)
    state = law.state(x, beta)
    slope = stencil(lambda y: law.state(y, beta).free_energy, x)
    np.testing.assert_allclose(-slope, state.mean, atol=3e-11)
    chi = stencil(lambda y: law.state(y, beta).mean, x)
    np.testing.assert_allclose(chi, state.susceptibility, atol=3e-11)
    np.testing.assert_allclose(stencil(lambda y: law.state(y, beta).score, x).T, state.hessian,
                               atol=3e-11)  # fmt: skip
    slope = stencil(lambda y: law.state(y, beta).potential, x)
    np.testing.assert_allclose(-beta * slope, state.score, atol=3e-11)


@pytest.mark.parametrize("process", [OU(3.0), VP(), VE(10.0)], ids=lambda p: p.kind)
def test_score_and_density_are_those_of_the_exact_score(process) -> None:
    """ln p_t = ln Z - beta |x/a|^2/2 + (d/2) ln(beta/2 pi) - d ln a; s = (a <y> - x)/v."""
    target = gaussian_mixture([[1.0, -0.5], [-0.4, 0.2]], [[0.5, 0.7], [0.1, 1.2]], [0.3, 0.7])
    law, score, t = Smooth(target.law), exact_score(target, process), 0.4 * process.duration
    decay, noise = process.transition(t)
    for x in RNG.normal(size=(5, 2)):
        state = law.given(x, t, process)
        row = torch.as_tensor(x)[None]
        np.testing.assert_allclose(state.score / decay, score(row, t)[0].numpy(), rtol=1e-12)
        log = -state.beta * state.potential + math.log(state.beta / (2 * math.pi))
        assert log - 2 * math.log(decay) == pytest.approx(float(score.log_prob(row, t)), abs=1e-12)


@pytest.mark.parametrize(
    ("law", "energy"),
    [
        (CurieWeiss(8, 0.7), 0.7 * SPINS.sum(1) ** 2 / 16),
        (CurieWeiss(8, 2.5), 2.5 * SPINS.sum(1) ** 2 / 16),
        (CurieWeiss(8, 0.0), 0.0 * SPINS[:, 0]),
        (IsingChain(8, 0.5), 0.5 * (SPINS[:, 1:] * SPINS[:, :-1]).sum(1)),
        (IsingChain(8, -1.5), -1.5 * (SPINS[:, 1:] * SPINS[:, :-1]).sum(1)),
    ],
)
def test_spins_against_the_sum_over_all_configurations(law, energy) -> None:
    every = Patterns(SPINS, np.exp(energy))
    for scale in (0.0, 0.3, 4.0):
        x = scale * RNG.normal(size=8)
        found, exact = law.state(x, 0.8), every.state(x, 0.8)
        assert found.log_partition == pytest.approx(exact.log_partition, abs=1e-12)
        np.testing.assert_allclose(found.mean, exact.mean, atol=1e-13)
        np.testing.assert_allclose(found.covariance, exact.covariance, atol=1e-13)


@pytest.mark.parametrize("dim", [2, 3, 10, 100])
@pytest.mark.parametrize("kappa", [1e-3, 2.0, 150.0])
def test_sphere_against_the_integral_over_the_polar_angle(dim: int, kappa: float) -> None:
    """Gauss-Legendre in the angle: the integrand is analytic, of width 1/sqrt(kappa) or more."""
    nodes, share = np.polynomial.legendre.leggauss(400)
    angle = 0.5 * math.pi * (nodes + 1.0)
    u, weight = np.cos(angle), share * np.sin(angle) ** (dim - 2)
    tilted = weight * np.exp(kappa * (u - 1.0))
    state = Sphere(dim, 2.0).state(np.eye(dim)[0] * kappa / (2.0 * 0.5), 0.5)
    mean = 2.0 * tilted @ u / tilted.sum()
    np.testing.assert_allclose(state.mean, mean * np.eye(dim)[0], rtol=1e-10, atol=1e-14)
    spread = 4.0 * tilted @ np.square(u) / tilted.sum() - mean**2
    across = 4.0 * tilted @ (1.0 - np.square(u)) / tilted.sum() / (dim - 1)
    assert state.covariance[0, 0] == pytest.approx(spread, rel=1e-9, abs=1e-10)
    assert state.covariance[1, 1] == pytest.approx(across, rel=1e-9)
    expected = math.log(tilted.sum() / weight.sum()) + kappa - 0.5 * 0.5 * 4.0
    assert state.log_partition == pytest.approx(expected, abs=1e-10)


def test_bessel_ratio_where_functions_of_scipy_live() -> None:
    from scipy.special import ive

    for dim, kappa in [(1, 0.3), (2, 0.5), (3, 40.0), (10, 200.0), (100, 5000.0), (2, 5e4)]:
        expected = ive(dim / 2, kappa) / ive(dim / 2 - 1, kappa)
        assert float(bessel_ratio(dim, kappa)) == pytest.approx(expected, rel=1e-13)
    # beyond them: A = kappa/dim (1 - kappa^2/(dim (dim + 2)) + ...) at large dim
    assert float(bessel_ratio(10**6, 1.0)) == pytest.approx(1e-6 * (1 - 1e-12), rel=1e-15)


def test_one_sphere_is_two_deltas() -> None:
    for beta, x in [(0.4, 0.1), (1.7, -0.6), (30.0, 2.0)]:
        a, b = Sphere(1, 1.5).state(x, beta), two_deltas(1.5).state(x, beta)
        np.testing.assert_allclose([a.log_partition, *a.mean, *a.covariance[0]],
                                   [b.log_partition, *b.mean, *b.covariance[0]], rtol=1e-12,
                                   atol=1e-15)  # fmt: skip
        assert a.mean[0] == pytest.approx(1.5 * math.tanh(beta * 1.5 * x), rel=1e-14)


def test_self_consistent_response_is_the_derivative_of_the_equation_of_state() -> None:
    """m = <y> at m + h, iterated to its fixed point: a contraction where the gain is below 1."""
    law, beta, m0 = LAWS["smooth"], 0.4, np.zeros(2)

    def solve(h: np.ndarray) -> np.ndarray:
        m = m0
        for _ in range(400):
            m = law.state(m + h, beta).mean
        return m

    m = solve(np.zeros(2))
    state = law.state(m, beta)
    assert state.gain < 0.8
    np.testing.assert_allclose(stencil(solve, np.zeros(2)), state.response, atol=1e-10)


def test_top_eigenvalues_of_the_spins() -> None:
    """theory.md A-5; the chain's limit e^{2K}, Curie-Weiss's 1/(1 - J)."""
    assert f"{CurieWeiss(100, 0.5).state(np.zeros(100), 1.0).gain:.4f}" == "1.9617"
    assert f"{IsingChain(64, 0.5).state(np.zeros(64), 1.0).gain:.4f}" == "2.7087"
    assert Sphere(7, 3.0).state(np.zeros(7), 1.0).gain == pytest.approx(9 / 7, rel=1e-14)
    # 1/(1 - J) and e^{2K} come with 1/n and 1/n^2; what follows is of relative order 10/n
    off = [2.0 - CurieWeiss(n, 0.5).state(np.zeros(n), 1.0).gain for n in (300, 600)]
    assert off[0] / off[1] == pytest.approx(2.0, rel=10 / 300)
    off = [math.e - IsingChain(n, 0.5).state(np.zeros(n), 1.0).gain for n in (128, 256)]
    assert off[0] / off[1] == pytest.approx(4.0, rel=10 / 128)


def test_weights_are_those_of_boltzmann() -> None:
    law = Patterns([[0.0, 1.0], [2.0, 0.0], [-1.0, -1.0]], [1.0, 2.0, 3.0])
    x, beta = np.array([0.3, -0.2]), 1.7
    direct = law.shares * np.exp(-0.5 * beta * np.square(law.points - x).sum(1))
    np.testing.assert_allclose(law.weights(x, beta), direct / direct.sum(), rtol=1e-13)
    nearest = np.eye(3)[np.square(law.points - x).sum(1).argmin()]
    np.testing.assert_allclose(law.weights(x, 1e6), nearest, atol=1e-12)


def test_bad_input_is_told() -> None:
    for call in (
        lambda: Patterns([]),
        lambda: Patterns([[1.0, math.nan]]),
        lambda: Patterns([1.0, 2.0], [1.0]),
        lambda: Patterns([1.0, 2.0], [1.0, -1.0]),
        lambda: Patterns("points"),
        lambda: Sphere(0),
        lambda: Sphere(3, -1.0),
        lambda: CurieWeiss(10, -0.5),
        lambda: CurieWeiss(0, 0.5),
        lambda: IsingChain(10, math.nan),
        lambda: two_deltas(0.0),
        lambda: two_deltas().state([0.0, 1.0], 1.0),
        lambda: two_deltas().state(0.0, 0.0),
        lambda: two_deltas().given(0.0, 0.0, OU()),
        lambda: two_deltas().given(0.0, 4.0, OU()),
        lambda: two_deltas().given(0.0, 1.0, Relaxation(np.eye(1), np.eye(1))),
    ):
        with pytest.raises(InputError):
            call()
    with pytest.raises(InputError, match="infinite"):
        _ = two_deltas().state(0.0, 1.0).response
