"""The table again in plain numpy, with none of the package's code: Euler and exact held ticks.

V0 = 1, tau = 1: dx = (-x + u) ds + sqrt(2) dW with u = 2 x + 2 score(x, T - s). Held rows take the
exact tick x' = e^-h x + (1 - e^-h) u + ..., fine rows Euler steps of tau/500; series work is the
sum of u times the change of x (left point, or the mean of both ends where it is Stratonovich),
shunt work that of u times the trapezoid of x.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermohw.experiments.sensitivity.published import DURATION, PublishedRow

_W, _M, _S = np.array([0.3, 0.7]), np.array([-2.0, 1.5]), np.array([0.3, 0.4])
Map = Callable[["NDArray[Any]"], "NDArray[Any]"]


def simulate_row(
    row: PublishedRow, paths: int, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(end states, series work, shunt work) of every path, V0 and kT."""
    keys = row.keys
    low = keys.get("amplifier_swing", np.inf)
    sense = _quantiser(keys.get("adc_bits"), 4.0, keys.get("sense_offset", 0.0))
    code = _quantiser(keys.get("dac_bits"), 40.0, 0.0)

    def law(x: NDArray[Any], t: float) -> NDArray[Any]:
        y = sense(x)
        u = keys.get("control_gain", 1.0) * (2.0 * y + 2.0 * _score(y, t))
        return np.clip(code(u), -low, low)

    x = _start(paths, rng)
    if row.control == "continuous":
        return _follow(row, law, x, rng)
    h = DURATION / row.ticks
    late = round(keys.get("latency", 0.0) / h)
    waiting = [np.zeros(paths)] * late
    series, shunt = np.zeros(paths), np.zeros(paths)
    decay = np.exp(-h)
    for k in range(row.ticks):
        waiting.append(law(x, DURATION - k * h))
        u = waiting.pop(0)
        kick = np.sqrt(1.0 - decay**2) * rng.standard_normal(paths)
        ahead = decay * x + (1.0 - decay) * u + kick
        series += u * (ahead - x)
        shunt += u * 0.5 * (x + ahead) * h
        x = ahead
    return x, series, shunt


def _follow(
    row: PublishedRow, law: Any, x: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Euler steps of tau/500 of a control that follows, perhaps through a pole."""
    steps, noise = 2500, row.keys.get("node_temperature", 1.0)
    h, pole = DURATION / steps, row.keys.get("amplifier_pole")
    series, shunt, held = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    u = law(x, DURATION)
    for k in range(steps):
        drive = u if pole is None else held
        kick = np.sqrt(2.0 * noise * h) * rng.standard_normal(len(x))
        ahead = x + (drive - x) * h + kick
        following = law(ahead, DURATION - (k + 1) * h)
        later = following if pole is None else held + pole * h * (u - held)
        series += 0.5 * (drive + later) * (ahead - x)
        shunt += drive * 0.5 * (x + ahead) * h
        x, u, held = ahead, following, later
    return x, series, shunt


def _score(x: NDArray[Any], t: float) -> NDArray[Any]:
    decay = np.exp(-t)
    variance = decay**2 * _S**2 + 1.0 - decay**2
    logs = [
        np.log(_W[k]) - 0.5 * np.log(variance[k]) - 0.5 * (x - decay * _M[k]) ** 2 / variance[k]
        for k in (0, 1)
    ]
    share = 1.0 / (1.0 + np.exp(np.clip(logs[1] - logs[0], -700.0, 700.0)))
    pulls = [(decay * _M[k] - x) / variance[k] for k in (0, 1)]
    return share * pulls[0] + (1.0 - share) * pulls[1]


def _start(paths: int, rng: np.random.Generator) -> NDArray[Any]:
    hump = np.where(rng.random(paths) < _W[0], 0, 1)
    data = _M[hump] + _S[hump] * rng.standard_normal(paths)
    decay = np.exp(-DURATION)
    return decay * data + np.sqrt(1.0 - decay**2) * rng.standard_normal(paths)


def _quantiser(bits: int | None, full: float, offset: float) -> Map:
    if bits is None:
        return lambda x: x + offset
    lsb, half = 2.0 * full / 2**bits, 2 ** (bits - 1)
    return lambda x: np.clip(np.round((x + offset) / lsb), -half, half - 1) * lsb
