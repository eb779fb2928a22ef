"""Critical exponents and amplitudes against mean-field values, and fits that are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thermohw.errors import InputError
from thermohw.process import OU, VE
from thermohw.score.exact import exact_score
from thermohw.target import gaussian_mixture
from thermohw.transitions import CurieWeiss, IsingChain, Patterns, Sphere, exponents, power_law
from thermohw.transitions import two_deltas as two

V = VE(25.0)
HUMPS = exact_score(gaussian_mixture([-1.0, 1.0], math.sqrt(0.4)), OU())
PAIRS = Patterns([[1, 2, 0.0], [-1, -2, 0], [2, 0, 1], [-2, 0, -1]])


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (two(), {"process": V}),
        (two(), {"process": OU(), "definition": "sde"}),
        (PAIRS, {"process": V}),
        (HUMPS, {}),
        (HUMPS, {"definition": "sde"}),
        (HUMPS.scaled(1.01), {"definition": "sde"}),  # by automatic differentiation
        (CurieWeiss(20, 0.5), {"process": V}),
        (IsingChain(8, 0.5), {"process": V}),
        (Sphere(5), {"process": V}),
    ],
)
def test_exponents_are_those_of_mean_field(data, options) -> None:
    """Within .005 (.01 of the ratio) on the stated windows, and within their own intervals."""
    found = exponents(data, points=9, **options)
    for law, value in ((found.beta, 0.5), (found.gamma_above, -1.0), (found.gamma_below, -1.0),
                       (found.delta, 3.0)):  # fmt: skip
        assert law is not None
        assert abs(law.exponent - value) < 0.005
        # an exponent that is exact has an interval of rounding alone
        assert law.interval[0] - 1e-6 <= value <= law.interval[1] + 1e-6
        assert law.interval[1] - law.interval[0] < 0.005
    assert found.ratio is not None
    assert abs(found.ratio.mean - 2.0) < 0.01 and abs(found.ratio.value - 2.0) < 1e-4


def test_windows_matter_as_the_contract_says() -> None:
    """theory.md A-6: .49993, 1.000(3), 2.0009, 3.0003 on the small windows; .493, 1.03, 3.157."""
    near = exponents(two(), process=V)
    assert near.beta and near.gamma_below and near.delta and near.ratio
    assert f"{near.beta.exponent:.5f}" == "0.49993"
    assert f"{-near.gamma_below.exponent:.4f}" == "1.0003"
    assert f"{near.delta.exponent:.4f}" == "3.0003" and f"{near.ratio.mean:.4f}" == "2.0009"
    wide = exponents(two(), process=V, eps=(1e-3, 1e-1), field=(1e-3, 1e-1))
    assert wide.beta and wide.gamma_below and wide.delta
    assert f"{wide.beta.exponent:.3f}" == "0.493" and f"{wide.delta.exponent:.2f}" == "3.16"
    assert -wide.gamma_below.exponent == pytest.approx(1.033, abs=1.5e-3)  # moves with the points
    pair = exponents(two(), process=V, eps=(1e-5, 1e-4), points=6)
    assert pair.beta and pair.beta.exponent == pytest.approx(0.499984, abs=5e-6)


@pytest.mark.parametrize(
    ("dim", "limit", "finite"),
    [(1, 3.0, "2.947"), (2, 2.0, "1.967"), (3, 5 / 3, "1.641"), (10, 1.2, "1.185"),
     (100, 1.02, "1.0095")],
)  # fmt: skip
def test_amplitudes_of_spheres(dim: int, limit: float, finite: str) -> None:
    """(d + 2)/d as a limit; at beta/beta_c - 1 = .01 the finite values of theory.md A-7."""
    points = 6 if dim > 10 else 9
    found = exponents(Sphere(dim), process=V, points=points).squared_amplitude
    assert found is not None and found.error < 1e-4
    assert found.value == pytest.approx(limit, abs=1e-5)
    places = len(finite.split(".")[1])
    assert f"{Sphere(dim).order_parameter(1.01 * dim) ** 2 / 0.01:.{places}f}" == finite


def test_amplitudes_of_a_mixture_by_expansion() -> None:
    """Modes of two humps: with g = v + variance, x = a mu tanh(a mu x/g) has x^2 = 3 g^2/(a mu)^2
    (1 - g/(a mu)^2) for small ones, m = x/a; v/a^2 = (1 - eps) v_c, v_c = mu^2 - variance, so that
    m^2/eps = 3 v_c, and per beta/beta_c - 1 the same in the limit."""
    found = exponents(HUMPS, points=9).squared_amplitude
    assert found is not None and found.value == pytest.approx(3.0 * 0.6, abs=1e-5)


class _Jumps:
    """s = (1 - v) x + x^3 - x^5: subcritical, ordered states at x^2 = 1 when the centre falls."""

    process, dim = V, 1

    def score(self, x: np.ndarray, t: float) -> np.ndarray:
        return (1.0 - V.transition(t)[1]) * x + x**3 - x**5

    def jacobian(self, x: np.ndarray, t: float) -> np.ndarray:
        return np.array([(1.0 - V.transition(t)[1]) + 3 * x**2 - 5 * x**4])

    def guess(self) -> np.ndarray:
        return np.zeros(1)


def test_what_is_not_there_is_not_fitted() -> None:
    none = exponents(two(), process=OU(), definition="flow")
    assert none.critical.time is None and "unstable" in none.critical.reason
    assert none.beta is none.gamma_above is none.gamma_below is none.delta is none.ratio is None
    three = Patterns([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
    with pytest.raises(InputError, match="lack that symmetry"):
        exponents(three, process=V)
    with pytest.raises(InputError, match="not continuous"):
        exponents(_Jumps())
    for options in ({"points": 5}, {"eps": (1e-3, 1e-5)}, {"eps": (0.0, 1e-3)},
                    {"eps": (1e-3, 1.5)}, {"field": (0.0, 1e-5)},
                    {"eps": (1e-5, 2e-5)}):  # fmt: skip
        with pytest.raises(InputError):
            exponents(two(), process=V, **options)  # type: ignore[arg-type]


def test_slopes_have_intervals_that_cover() -> None:
    """Scatter of 1 % on 12 points, 400 fits: 95 % intervals widened by the bend cover in 95 % or
    more; fewer than 362 is 4.1 standard errors below."""
    rng, x = np.random.default_rng(3), np.geomspace(1.0, 100.0, 12)
    cover = 0
    for _ in range(400):
        fit = power_law(x, 2.0 * x**0.7 * np.exp(0.01 * rng.standard_normal(12)))
        cover += fit.interval[0] <= 0.7 <= fit.interval[1]
    assert cover >= 362
    exact = power_law(x[::-1], 2.0 * x[::-1] ** 0.7)
    assert exact.exponent == pytest.approx(0.7, rel=1e-13) and exact.count == 12
    assert exact.amplitude == pytest.approx(2.0, rel=1e-12) and exact.window == (1.0, 100.0)
    for a, b in ((x[:5], x[:5]), (x, -x), (x, x[:-1]), (x, x * math.nan),
                 (np.geomspace(1.0, 2.0, 9), np.ones(9))):  # fmt: skip
        with pytest.raises(InputError):
            power_law(a, b)
