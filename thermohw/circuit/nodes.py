r"""Exact held ticks of uncoupled nodes, in closed form.

A node of stiffness k = 1/C with one grounded resistor of conductance gamma at temperature T has one
rate, a = gamma k. With x = a h and phi = e^-x its charge z and int v dt after a tick h of constant
inputs are jointly Gaussian:

    z'          phi z + (1 - phi)/k e + (1 - phi)/a i           variance (T/k)(1 - phi^2)
    int v dt    (1 - phi)/gamma z + (h - (1 - phi)/a)(e + i/gamma)
                covariance with z' (T/a)(1 - phi)^2
                variance given z' (2 T/(gamma a))(x - 2 tanh(x/2))

1 - phi comes from expm1; x - (1 - phi) and x - 2 tanh(x/2), in which a short tick's digits cancel,
from their Taylor series below x = 1/2. `tick_moments` has the same numbers for any network, by
matrix exponentials and quadrature.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thermohw.circuit.device import LinearDevice

__all__ = ["NodeMoments", "node_moments"]

_SHORT = 0.5
# Of (x - 1 + e^-x)/x^2 in powers of -x, and of (x - 2 tanh(x/2))/x^3 in powers of x^2.
_HELD = 1.0 / np.cumprod(np.arange(1, 17, dtype=float))[1:]
_APART = (
    1.0 / 12.0, -1.0 / 120.0, 17.0 / 20160.0, -31.0 / 362880.0, 691.0 / 79833600.0,
    -5461.0 / 6227020800.0, 929569.0 / 10461394944000.0, -3202291.0 / 355687428096000.0,
)  # fmt: skip


class NodeMoments(NamedTuple):
    """Moments of a held tick of n uncoupled nodes; every field is a float (equal nodes) or shape
    (n,).

    z' = decay z + from_source e + from_current i + spread xi,       y = z - z' + i h,
    int v dt = sum_state z + sum_source e + sum_current i + follow xi + rest eta,   xi, eta standard
    normal. loss is 1 - decay, which keeps its digits where a tick is short: rounded to single
    precision, decay is off by up to 3e-8, of a rate the share 3e-8/h, in every tick alike.
    """

    duration: float
    decay: Any
    loss: Any
    from_source: Any
    from_current: Any
    spread: Any
    sum_state: Any
    sum_source: Any
    sum_current: Any
    follow: Any
    rest: Any

    def heated(self, factor: float) -> NodeMoments:
        """The same at `factor` times the temperature: noise grows by its root."""
        root = factor**0.5
        return self._replace(
            spread=self.spread * root, follow=self.follow * root, rest=self.rest * root
        )


@lru_cache(maxsize=8192)
def node_moments(device: LinearDevice, h: float) -> NodeMoments:
    """Moments of a held tick of duration h (R_ref C_ref) of an uncoupled device."""
    assert device.uncoupled and h > 0.0
    k, gamma, t = np.diag(device.hessian), device.coefficients, device.temperatures
    a = gamma * k
    x = a * h
    lost = -np.expm1(-x)  # 1 - phi
    held = x * x * _held(x) / a  # h - (1 - phi)/a
    spread = np.sqrt(t / k * -np.expm1(-2.0 * x))
    follow = t * lost * lost / a / np.where(spread > 0.0, spread, 1.0)
    rest = np.sqrt(2.0 * t / (gamma * a) * x * x * x * _apart(x))
    moments = (np.exp(-x), lost, lost / k, lost / a, spread, lost / gamma, held, held / gamma,
               follow, rest)  # fmt: skip
    columns = np.stack(moments)
    if (columns == columns[:, :1]).all():
        return NodeMoments(h, *columns[:, 0].tolist())
    return NodeMoments(h, *columns)


def _held(x: NDArray[Any]) -> NDArray[Any]:
    """(x - 1 + e^-x)/x^2."""
    series = np.polynomial.polynomial.polyval(-x, _HELD)
    safe = np.maximum(x, _SHORT)
    return np.where(x < _SHORT, series, (safe + np.expm1(-safe)) / (safe * safe))


def _apart(x: NDArray[Any]) -> NDArray[Any]:
    """(x - 2 tanh(x/2))/x^3."""
    series = np.polynomial.polynomial.polyval(x * x, _APART)
    safe = np.maximum(x, _SHORT)
    return np.where(x < _SHORT, series, (safe - 2.0 * np.tanh(0.5 * safe)) / safe**3)
