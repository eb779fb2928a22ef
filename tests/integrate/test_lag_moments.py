"""A tick of a source with a memory: its exact Gaussian against equations solved another way."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from problems import rc1
from scipy.integrate import quad_vec, solve_ivp

from thermohw.circuit import node_moments
from thermohw.control.chain import Lag
from thermohw.integrate.lag_moments import lag_moments

NODE = {"stiffness": 0.8, "conductance": 1.5, "temperature": 1.2}


@pytest.mark.parametrize("emf", [True, False])
@pytest.mark.parametrize("h", [0.01, 0.7])
def test_moments_against_the_second_moments_differential_equation(emf: bool, h: float) -> None:
    """Covariance of (z', Y) by integrating its own equation, psi known in closed form."""
    p, k, g, t = 9.0, *NODE.values()
    found = lag_moments(Lag(rates=(p,)).matrix, h, emf=emf, **NODE)
    a, noise = k * g, 2.0 * t * g

    def slope(s: float, y: np.ndarray) -> np.ndarray:
        psi = np.array([1.0 - exp(-p * s), exp(-p * s)])
        var, with_z = y[0], y[1:3]
        # dz = -a z ds + dB, dY = (gain z) psi ds - share psi dB
        gain, share = (a, 1.0) if emf else (k, 0.0)
        d_with = -a * with_z + gain * psi * var - share * psi * noise
        d_own = gain * (np.outer(psi, with_z) + np.outer(with_z, psi))
        d_own = d_own + share * np.outer(psi, psi) * noise
        return np.concatenate([[-2.0 * a * var + noise], d_with, d_own.ravel()])

    end = solve_ivp(slope, (0.0, h), np.zeros(7), rtol=1e-11, atol=1e-15).y[:, -1]
    want = np.block([[end[:1, None], end[None, 1:3]], [end[1:3, None], end[3:].reshape(2, 2)]])
    np.testing.assert_allclose(found.root @ found.root.T, want, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("emf", [True, False])
def test_means_against_quadrature(emf: bool) -> None:
    """z' and Y of a noiseless node whose source relaxes from w to c."""
    p, h, z, c, e = 5.0, 0.6, 0.4, -1.1, 0.9
    k, g, _ = NODE.values()
    a = k * g
    found = lag_moments(Lag(rates=(p,)).matrix, h, emf=emf, **NODE)

    def source(s: float) -> float:
        return c + (e - c) * exp(-p * s)

    def charge(s: float) -> float:  # closed form of dz = -a z + beta source
        beta = g if emf else 1.0
        rest = c / a * (1.0 - exp(-a * s)) + (e - c) / (a - p) * (exp(-p * s) - exp(-a * s))
        return z * exp(-a * s) + beta * rest

    def power(s: float) -> float:
        return source(s) * (g * (k * charge(s) - source(s)) if emf else k * charge(s))

    w = np.array([c, e])
    assert found.decay * z + found.shift @ w == pytest.approx(charge(h), rel=1e-12)
    worked = w @ (found.own * z + w @ found.cross)
    assert worked == pytest.approx(float(quad_vec(power, 0.0, h, epsabs=1e-13)[0]), rel=1e-10)
    assert found.area @ w == pytest.approx(float(quad_vec(source, 0.0, h)[0]), rel=1e-12)


def test_a_source_at_rest_is_a_held_one() -> None:
    """Shapes that add up to 1 make the charge itself, and int v dt of the held tick."""
    device, h = rc1(), 0.3
    one = dict(stiffness=1.0, conductance=1.0, temperature=1.0)
    matrix, held = Lag(rates=(7.0,)).matrix, node_moments(device, h)
    emf = lag_moments(matrix, h, emf=True, **one)
    np.testing.assert_allclose(emf.root[1] + emf.root[2], -emf.root[0], atol=1e-14)
    flux = lag_moments(matrix, h, emf=False, **one)
    total = flux.root[1] + flux.root[2]
    assert total[0] == pytest.approx(held.follow, rel=1e-12)
    assert float(total @ total) == pytest.approx(held.follow**2 + held.rest**2, rel=1e-12)
    assert flux.root[0, 0] == pytest.approx(held.spread, rel=1e-14)


def test_a_fast_pole_is_none() -> None:
    """With p h = 1e5 the node hardly knows: all moments are those of the held tick to 1/(p h)."""
    found = lag_moments(Lag(rates=(1e6,)).matrix, 0.1, emf=True, stiffness=1.0, conductance=1.0,
                        temperature=1.0)  # fmt: skip
    held = node_moments(rc1(), 0.1)
    assert found.shift[0] == pytest.approx(held.from_source, rel=2e-5)
    assert found.advance[1, 0] == pytest.approx(1.0, abs=1e-12)
