"""One bit in Gaussian noise: sums against adaptive quadrature, derivatives and limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy

from thermohw.errors import InputError
from thermohw.transitions import bit_doubt, bit_information, mmse


def _normal_mean(function):
    density = lambda z: math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * function(z)  # noqa: E731
    return scipy.integrate.quad(density, -12, 12, points=[-6, 0, 6], epsabs=1e-13, limit=400)[0]


@pytest.mark.parametrize("snr", [1e-3, 0.3, 1.0, 4.0, 20.0])
def test_error_and_information_are_their_integrals(snr):
    r = math.sqrt(snr)
    direct = _normal_mean(lambda z: 1.0 - math.tanh(snr + r * z) ** 2)
    assert mmse(snr) == pytest.approx(direct, abs=1e-11)  # ten times quad's own tolerance, and more
    told = snr - _normal_mean(
        lambda z: float(np.logaddexp(snr + r * z, -snr - r * z)) - math.log(2)
    )
    assert bit_information(snr) == pytest.approx(told, abs=1e-11)


def test_information_grows_at_half_the_error():
    h = 1e-3  # the fourth-order difference: h^4 times a fifth derivative below 10 over 30
    for snr in (0.2, 1.0, 5.0):
        i = [bit_information(snr + k * h) for k in (-2, -1, 1, 2)]
        rate = (i[0] - 8 * i[1] + 8 * i[2] - i[3]) / (12 * h)
        assert rate == pytest.approx(0.5 * mmse(snr), abs=1e-11)


def test_ends_keep_relative_accuracy():
    assert (mmse(0.0), bit_doubt(0.0)) == pytest.approx((1.0, math.log(2.0)), rel=1e-14)
    assert (mmse(math.inf), bit_doubt(math.inf)) == (0.0, 0.0)
    # int phi(a/r) sech a da/r, next order <a^2> = (pi/2)^2, then 5 (pi/2)^4/(8 snr^2)
    for snr in (200.0, 1000.0):
        leading = math.exp(-snr / 2) * math.sqrt(math.pi / 2 / snr) * (1 - math.pi**2 / 8 / snr)
        assert mmse(snr) == pytest.approx(leading, rel=5 * (math.pi / 2) ** 4 / (8 * snr**2))


@pytest.mark.parametrize("snr", [-1.0, math.nan])
def test_no_such_noise(snr):
    with pytest.raises(InputError, match="signal-to-noise"):
        mmse(snr)
