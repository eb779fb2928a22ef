"""Errors of solutions and inverses from the board beside their closed forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from thermohw.circuit import MappedSystem, SolverDevice, active_law, load_device
from thermohw.circuit.solver import IMPERFECTIONS
from thermohw.estimate import Estimate
from thermohw.solver import covariance_error, invert, mean_error, solve
from thermohw.study import Cell, Row, Tools

_LINEAR = ("slew", "swing")  # far away here; without them every law is exact
PARTS: dict[str, tuple[tuple[str, ...], dict[str, Any], bool]] = {
    "gain 100 000": (("gain",), {}, False), "gain 1000": (("gain",), {"amp.gain": 1e3}, False),
    "amplifiers of 100 MHz": (("bandwidth",), {}, False),
    "amplifiers of 10 MHz": (("bandwidth",), {"amp.gbw": "10 MHz"}, False),
    "offset 0.5 mV": (("offset",), {}, False), "16-bit resistors": (("resistors",), {}, False),
    "8-bit resistors": (("resistors",), {"solver.resistor_bits": 8}, False),
    "parts of 0.1 % and 1 %": (("resistors",), {}, True),
    "noise of the resistors": (("johnson",), {}, False),
    "all of the board": (tuple(n for n in IMPERFECTIONS if n not in _LINEAR), {}, True),
}  # fmt: skip
"""Name -> imperfections that stay on, entries of the datasheet replaced, whether parts spread."""


def system(n: int, seed: int, condition: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """A random symmetric n x n matrix, eigenvalues from 1 to 1/condition even in logarithm,
    and a unit vector.
    """
    rng = np.random.default_rng((seed, n))
    basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
    values = np.geomspace(1.0 / condition, 1.0, n) if n > 1 else np.ones(1)
    b = rng.normal(size=n)
    return (basis * values) @ basis.T, b / np.linalg.norm(b)


def _board(n: int = 8, changes: Mapping[str, Any] | None = None) -> SolverDevice:
    device: Any = load_device("opamp-solver", {"solver.size": max(n, 8), **(changes or {})})
    return device


def compute(cell: Cell, tools: Tools) -> Row:
    """Errors of one cell beside their closed forms."""
    seed = int(torch.randint(2**31, (1,), generator=tools.generator("noise")).item())
    a, b = system(cell["n"], cell.get("system", 0), cell["condition"])
    work = {"time": _time, "parts": _parts, "dimension": _dimension, "energy": _energy,
            "slew": _slew}  # fmt: skip
    return work[cell["kind"]](cell, a, b, seed)


def _squares(estimates: NDArray[Any], exact: NDArray[Any]) -> Estimate:
    """Mean over runs of |estimate - exact|^2/|exact|^2."""
    difference = (estimates - exact).reshape(len(estimates), -1)
    return Estimate.from_paths((difference**2).sum(1) / float((exact**2).sum()))


def _time(cell: Cell, a: NDArray[Any], b: NDArray[Any], seed: int) -> Row:
    """Squared errors of single runs, their closed forms and floors."""
    ideal: Any = True if cell["board"] == "ideal" else _LINEAR
    spread = None if cell["board"] == "ideal" else 1
    options: dict[str, Any] = {
        "duration": cell["micro"] * 1e-6, "every": "0.5 us", "paths": cell["paths"], "seed": seed,
        "ideal": ideal, "mismatch": spread,
    }  # fmt: skip
    board, time = _board(), cell["micro"] / float(np.abs(a).max())
    one = solve(board, a, b, noise=True, **options)
    two = invert(board, a, **options)
    size, inverse = float((one.exact**2).sum()), float((two.exact**2).sum())
    found, error = _squares(one.runs, one.exact)
    other, other_error = _squares(two.runs, two.exact)
    return {
        "solve": found, "solve.stderr": error, "solve.floor": one.floor**2,
        "solve.law": mean_error(a, one.system.temperature, time) / size,
        "solve.exact": cell["paths"] * float((one.predicted**2).sum()) / size,
        "invert": other, "invert.stderr": other_error, "invert.floor": two.floor**2,
        "invert.law": covariance_error(a, time) / inverse,
        "seconds": one.budget.time, "joules": one.budget.energy,
        "circuit": one.budget.circuit, "static": one.budget.static,
    }  # fmt: skip


def _floors(program: MappedSystem) -> tuple[NDArray[Any], NDArray[Any]]:
    """What a board settles to: x, and beta times its covariance."""
    law, out = active_law(program.device, False), program.outputs
    x = program.read_exact(law.effort_mean(program.sources))
    covariance = law.effort_covariance[out, out] / program.unit**2
    return x, covariance / program.temperature


def _parts(cell: Cell, a: NDArray[Any], b: NDArray[Any], seed: int) -> Row:
    """Floors of one system with one imperfection."""
    kept, changes, spread = PARTS[cell["part"]]
    ideal = [name for name in IMPERFECTIONS if name not in kept]
    mismatch = cell["system"] if spread else None
    program = _board(changes=changes).program(a, b, noise=True, ideal=ideal, mismatch=mismatch)
    x, inverse = _floors(program)
    one, two = np.linalg.solve(a, b), np.linalg.inv(a)
    return {
        "solve": float(np.linalg.norm(x - one) / np.linalg.norm(one)),
        "invert": float(np.linalg.norm(inverse - two) / np.linalg.norm(two)),
    }


def _dimension(cell: Cell, a: NDArray[Any], b: NDArray[Any], seed: int) -> Row:
    """An inverse of some size: the error in a fixed time, and the time of a fixed error."""
    n, micro = cell["n"], 400.0
    found = invert(_board(n), a, duration=micro * 1e-6, every="0.5 us", paths=cell["paths"],
                   seed=seed, ideal=True)  # fmt: skip
    square, error = _squares(found.runs, found.exact)
    size, unit = float((found.exact**2).sum()), float(np.abs(a).max())
    return {
        "invert": square, "invert.stderr": error,
        "invert.law": covariance_error(a, micro / unit) / size,
        # 5 percent: the time in microseconds at which the law reaches it
        "needed": unit * covariance_error(a, 1.0) / size / 0.05**2,
        "settling": 10.0 * found.slowest * 1e6,
    }  # fmt: skip


def _energy(cell: Cell, a: NDArray[Any], b: NDArray[Any], seed: int) -> Row:
    """A solution of some voltage with the resistors' own noise alone: error and heat."""
    ideal = [name for name in IMPERFECTIONS if name != "johnson"]
    x = np.linalg.solve(a, b)
    volts = cell["millivolt"] * 1e-3 / float(np.abs(x).max())
    found = solve(_board(), a, b, duration=cell["micro"] * 1e-6, every="0.1 us", volts=volts,
                  ideal=ideal, paths=cell["paths"], seed=seed)  # fmt: skip
    law = active_law(found.system.device)
    size, scale = float((x**2).sum()), found.system.device.scale
    rates = law.steady_rates(found.system.sources)
    heat = sum(rates[name] for name in rates.names if name.startswith("heat."))
    # a long average: covariance (A^-1 P + P A^-T)/D, in units of R C
    left = np.linalg.solve(law.drift_matrix, law.covariance)
    spread = law.reading @ (left + left.T) @ law.reading.T
    out = found.system.outputs
    constant = float(np.trace(spread[out, out])) / found.system.unit**2 / size
    square, error = _squares(found.runs, found.exact)
    return {
        "solve": square, "solve.stderr": error,
        "heat": heat * scale.energy / scale.time * cell["micro"] * 1e-6,
        "constant": constant * heat,  # error^2 times heat, in k T
    }  # fmt: skip


def _slew(cell: Cell, a: NDArray[Any], b: NDArray[Any], seed: int) -> Row:
    """The same short run with and without limits of slew and swing: what they matter here."""
    options: dict[str, Any] = {"duration": "10 us", "settling": "20 us", "paths": 8, "seed": seed,
                               "noise": True, "step": "20 ns"}  # fmt: skip
    full = solve(_board(), a, b, **options)
    linear = solve(_board(), a, b, ideal=_LINEAR, **options)
    size = np.linalg.norm(full.exact)
    return {"difference": float(np.abs(full.runs - linear.runs).max() / size)}
