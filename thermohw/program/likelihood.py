r"""How likely a path is: Onsager and Machlup's weight, forwards and backwards.

The Euler kernel of a circuit at one temperature, with D = M T,

    ln P[path | start] = sum_n ln N(x_{n+1}; x_n - h M grad H(x_n), 2 h D)

For the same path run backwards, P~, the difference is the heat:

    ln P - ln P~ = sum_n (dx . F_mean)_n / T + h [f_N M^-1 f_N - f_0 M^-1 f_0] / (4 T) -> Q / T

with F = -grad H, f = M F, trapezoidal products, to the order of the tick. So among devices that
might undo a given noising path the likeliest one (S. Whitelam, arXiv:2506.15121) is the one that
would have to reject the least heat on the way back: minus `path_log_likelihood(..., reverse=True)`,
averaged over noising paths, is the training objective of a generative Langevin computer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw.circuit import QuarticDevice
from thermohw.errors import InputError
from thermohw.units import amount

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from thermohw.circuit.passive import PassiveDevice

__all__ = ["path_log_likelihood"]


def path_log_likelihood(
    device: PassiveDevice,
    series: ArrayLike,
    interval: str | float,
    *,
    reverse: bool = False,
) -> NDArray[np.float64]:
    """ln P[path | start] of every path under a device's Euler kernel, nats.

    Args:
        device: of quartic units, whose drift and noise are asked; not necessarily the one that made
            the paths.
        series: states x, shape (paths, frames, n), as `drive(..., frames=ticks)` keeps them.
        interval: between two frames, with unit or in second.
        reverse: of the same paths run backwards, given their end.

    Returns:
        Shape (paths,).

    Raises:
        InputError: another kind of device, baths of several temperatures, or a series of another
            shape.
    """
    if not isinstance(device, QuarticDevice):
        raise InputError("expected a circuit of quartic units", where=device.name)
    if device.temperature is None:
        raise InputError("baths of several temperatures", where=device.name)
    x = torch.as_tensor(np.asarray(series, dtype=float))
    if x.ndim != 3 or x.shape[1] < 2 or x.shape[2] != device.dim:
        raise InputError(f"shape {tuple(x.shape)}; expected (paths, frames, {device.dim}) with at "
                         "least two frames", where="series")  # fmt: skip
    h = amount(interval, "s", "interval") / device.scale.time
    x = x.flip(1) if reverse else x
    covariance = device.noise_matrix @ device.noise_matrix.T * h
    whitener = torch.tensor(np.linalg.inv(np.linalg.cholesky(covariance)).T)
    constant = 0.5 * np.linalg.slogdet(2.0 * np.pi * covariance)[1]
    total = torch.zeros(len(x), dtype=torch.float64)
    move = torch.tensor(h * device.mobility)
    for n in range(x.shape[1] - 1):
        z = (x[:, n + 1] - x[:, n] + device.landscape.gradient(x[:, n]) @ move) @ whitener
        total -= 0.5 * z.square().sum(1) + constant
    return total.numpy()
