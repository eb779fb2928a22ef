"""The landscape of two humps: the numbers of Yu and Huang, and the definitions they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy

from thermohw.circuit import load_device
from thermohw.errors import InputError
from thermohw.process import OU, VP, Relaxation
from thermohw.target import gaussian, gaussian_mixture
from thermohw.transitions import (
    TwoHumps,
    entropy_rates,
    free_energy,
    heat_return,
    in_watts,
    noised_entropy,
    phase,
    phase_diagram,
    potential,
    potential_curvature,
    potential_slope,
    speciation_time,
    turnover_time,
)

HUMPS = TwoHumps(1.0, 0.4)
SIX = 5.1e-7  # half a unit of the sixth decimal, and the last bit


def _integral(function, t, humps=HUMPS):
    """Integral over x of a function of (x, p, s), s the difference of ln p: no formula of ours."""
    law = humps.law(t)
    x = np.linspace(-9.0, 9.0, 6001)
    log_p, h = law.log_prob(x[:, None]), 1e-4
    near = [law.log_prob((x + k * h)[:, None]) for k in (-2, -1, 1, 2)]
    s = (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * h)
    return float(np.sum(function(x, np.exp(log_p), s)) * (x[1] - x[0]))


@pytest.mark.parametrize(
    ("mu", "variance", "time", "which"),
    [(1, 1, 0.346574, "stable"), (1, 0.64, 0.362039, "stable"), (1, 0.4, 0.386485, "stable"),
     (1, 0.1, 0.426220, "stable"), (1, 0, 0.440687, "stable"), (2, 1, 1.039721, "stable"),
     (4, 2.25, 1.733629, "unstable")],
)  # fmt: skip
def test_speciation_times(mu, variance, time, which):
    humps = TwoHumps(mu, variance)
    found = speciation_time(humps)
    assert found.time == pytest.approx(time, abs=SIX)
    assert phase(humps) == which
    # the valley really becomes a ridge there
    early, late = (float(potential_curvature(humps, 0.0, time + d)) for d in (-1e-4, 1e-4))
    assert early < 0.0 < late


def test_where_nothing_breaks():
    found = speciation_time(TwoHumps(0.4, 1.0))
    assert found.time is None and not found and "no t > 0" in found.criterion
    assert "0.32" in found.criterion
    assert phase(TwoHumps(0.4, 1.0)) == "none"
    assert turnover_time(TwoHumps(4.0, 2.25)).time == pytest.approx(0.111572, abs=SIX)
    assert turnover_time(HUMPS).time is None


def test_phase_diagram_is_the_one_of_signs_of_the_landscape():
    mu, sigma = np.linspace(0.05, 3.0, 12), np.linspace(0.0, 2.0, 13)
    for row, m in zip(phase_diagram(mu, sigma), mu, strict=True):
        for found, s in zip(row, sigma, strict=True):
            humps = TwoHumps(m, s**2)
            times = np.geomspace(1e-4, 6.0, 60)
            ridge = any(potential_curvature(humps, 0.0, t) < 0.0 for t in times)
            falls = any(potential_slope(humps, 1e3, t) < 0.0 for t in times)
            assert found == ("unstable" if falls else "stable" if ridge else "none")
            exists = m > 1 or m**2 > s**2 - s**4 / 2  # in closed form
            assert (found == "none") == (not exists)


@pytest.mark.parametrize("variance", [1.99, 2.01])
def test_edge_of_the_unstable_phase(variance):
    """Either side of sigma^2 = 2, by the sign of the slope far out, not by the closed form."""
    humps = TwoHumps(3.0, variance)
    falls = any(potential_slope(humps, 1e6, t) < 0.0 for t in np.geomspace(1e-5, 1.0, 60))
    assert falls == (variance > 2.0)
    assert phase(humps) == ("unstable" if falls else "stable")


def test_slope_and_curvature_are_those_of_the_potential():
    x, h = np.linspace(-3.0, 3.0, 13), 1e-3
    u = [potential(HUMPS, x + k * h, 0.3) for k in (-2, -1, 0, 1, 2)]
    first = (u[0] - 8 * u[1] + 8 * u[3] - u[4]) / (12 * h)
    second = (-u[0] + 16 * u[1] - 30 * u[2] + 16 * u[3] - u[4]) / (12 * h * h)
    # h^4/30 times a fifth derivative below 2000; round-off 1e-15/h^2
    assert potential_slope(HUMPS, x, 0.3) == pytest.approx(first, abs=1e-10)
    assert potential_curvature(HUMPS, x, 0.3) == pytest.approx(second, abs=1e-8)
    assert float(potential(HUMPS, 0.0, 0.3)) == 0.0


def test_free_energy_is_that_of_the_posterior():
    """2 beta F - x^2/2 = -2 ln int e^{-H(x_0|x)} dx_0 - x^2/2, by summing over x_0."""
    t = 0.3
    noise = -math.expm1(-2.0 * t)
    x_0 = np.linspace(-8.0, 8.0, 4001)
    p_0 = np.exp(HUMPS.law().log_prob(x_0[:, None]))
    for x in (-1.5, 0.0, 0.7):
        z = np.sum(np.exp(-((x - math.exp(-t) * x_0) ** 2) / (2 * noise)) * p_0)
        z *= x_0[1] - x_0[0]
        value = float(free_energy(HUMPS, x, t))
        assert value == pytest.approx(-2.0 * math.log(z) - x * x / 2, abs=1e-12)
    with pytest.raises(InputError, match="temperature"):
        free_energy(HUMPS, 0.0, 0.0)


TABLE = [  # theory.md 3: t, pi, phi, dS/dt, phi*, S
    (0.0, 0.845044, 0.400000, 0.445044, 1.290087, 1.510398),
    (0.1, 0.352259, 0.327492, 0.024766, 0.377025, 1.529807),
    (0.2, 0.166064, 0.268128, -0.102064, 0.064000, 1.524668),
    (0.386485, 0.051525, 0.184656, -0.133131, -0.081606, 1.500809),
    (1.0, 0.002966, 0.054134, -0.051168, -0.048203, 1.445274),
    (3.0, 1e-6, 0.000992, -0.000991, -0.000990, 1.419434),
]


@pytest.mark.parametrize("row", TABLE)
def test_rates_of_the_published_mixture(row):
    t, *expected = row
    rates = entropy_rates(HUMPS, t)
    found = rates.production, rates.medium, rates.system, rates.returned, noised_entropy(HUMPS, t)
    assert found == pytest.approx(tuple(expected), abs=1e-6)  # also sums of rounded numbers
    assert found[:4] == pytest.approx(tuple(expected[:4]), abs=SIX)
    # definitions: pi = int J^2/p, phi = int f J with J = f p - grad p = -(x + s) p
    assert rates.production == pytest.approx(
        _integral(lambda x, p, s: (x + s) ** 2 * p, t), abs=1e-9
    )
    assert rates.medium == pytest.approx(_integral(lambda x, p, s: x * (x + s) * p, t), abs=1e-9)
    assert noised_entropy(HUMPS, t) == pytest.approx(HUMPS.law(t).entropy(), abs=1e-10)


def test_production_adds_up_to_the_loss_of_divergence():
    total = scipy.integrate.quad(lambda t: entropy_rates(HUMPS, t).production, 0, 3, epsabs=1e-10)[
        0
    ]
    assert total == pytest.approx(0.108541, abs=SIX)
    # KL(p_t || N(0,1)) = -S + (1/2) ln 2 pi + E x^2/2
    kl = [-noised_entropy(HUMPS, t) + 0.5 * (1.0 + 0.4 * math.exp(-2 * t)) for t in (0.0, 3.0)]
    assert total == pytest.approx(kl[0] - kl[1], abs=1e-9)


def test_where_generation_takes_heat():
    found = heat_return(HUMPS)
    assert found.depth is not None
    assert found.zero == pytest.approx(0.244468, abs=SIX)
    assert found.lowest == pytest.approx(0.493111, abs=1e-6)  # a minimum: sqrt of round-off
    assert found.depth == pytest.approx(-0.091152, abs=SIX)
    scale = load_device("rc1").scale
    watts = in_watts(found.depth, temperature=scale.temperature, time_constant=scale.time)
    assert watts == pytest.approx(-3.776e-16, rel=2e-4)  # three digits and a half
    # the heat rate of the emf in continuous time, E b^2 + E div b with b = x + 2 s
    flow = lambda x, p, s: ((x + 2 * s) ** 2 + 1.0 - 2.0 * s**2) * p  # noqa: E731
    assert _integral(flow, found.lowest) == pytest.approx(found.depth, abs=1e-9)
    assert abs(_integral(flow, found.zero)) < 1e-9


def test_heat_that_never_turns_round():
    none = heat_return(TwoHumps(0.1, 0.5), until=1.0)  # narrower than the noise throughout
    assert none.zero is None and "never" in none.criterion
    part = heat_return(HUMPS, until=0.3)
    assert part.zero is not None and part.lowest is None and "beyond" in part.criterion


def test_targets_without_the_symmetry_are_refused():
    assert TwoHumps.of(gaussian_mixture([-1.0, 1.0], 0.4**0.5)) == TwoHumps(1.0, (0.4**0.5) ** 2)
    bad = [
        (gaussian_mixture([-1.0, 2.0]), "places"),
        (gaussian_mixture([-1.0, 1.0], [0.5, 0.6]), "variances"),
        (gaussian_mixture([-1.0, 1.0], weights=[0.4, 0.6]), "weights"),
        (gaussian_mixture([-1.0, 0.0, 1.0]), "two humps, got 3"),
        (gaussian_mixture([[-1.0, 0.0], [1.0, 0.0]]), "on a line"),
        (gaussian(0.0), "two humps, got 1"),
    ]
    for target, words in bad:
        with pytest.raises(InputError, match=words):
            TwoHumps.of(target)


def test_other_bad_input():
    for mu, variance in ((0.0, 1.0), (-1.0, 1.0), (1.0, -0.1), (math.nan, 1.0)):
        with pytest.raises(InputError):
            TwoHumps(mu, variance)
    with pytest.raises(InputError, match="no landscape"):
        potential(TwoHumps(1.0, 0.0), 0.0, 0.0)
    with pytest.raises(InputError, match="no density"):
        TwoHumps(1.0, 0.0).law()
    with pytest.raises(InputError, match="0 or later"):
        HUMPS.at(-1.0)
    with pytest.raises(InputError, match="every coordinate alike"):
        HUMPS.at(0.1, Relaxation(np.eye(1), 2.0 * np.eye(1), duration=1.0))
    with pytest.raises(InputError, match="positive time"):
        heat_return(HUMPS, until=0.0)
    assert HUMPS.at(0.3) == HUMPS.at(0.3, OU()) != HUMPS.at(0.3, VP())
