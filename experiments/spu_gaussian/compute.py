"""Chains of the board with one imperfection, or one closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import expm, solve_continuous_lyapunov

from thermohw.circuit import load_device
from thermohw.experiments.spu_gaussian import board as boards
from thermohw.process.linear import linear_transition
from thermohw.study import Cell, Row, Tools

_PARTS = {
    "johnson": ("tolerance",),
    "all": ("tolerance", "stray", "bandwidth", "converter", "bank"),
}


def compute(cell: Cell, tools: Tools) -> Row:
    """One chain, or one closed form."""
    if cell["kind"] == "intervals":
        return _intervals(cell)
    rng = np.random.default_rng(tools.generator("boards").initial_seed())
    if cell["kind"] == "bank":
        return _bank_floor(cell, rng)
    return _chains(cell, rng, tools.generator("noise"))


def variance_sums(a: NDArray[Any], p: NDArray[Any], n: int, interval: float) -> NDArray[Any]:
    """f_k = (tr R_k)^2 + tr R_k^2 for lags k = 0, 1, ... until it has died out."""
    step, moved, found = expm(-a * interval), p, []
    while True:
        r = moved[:n, :n]
        found.append(np.trace(r) ** 2 + np.sum(r * r.T))
        if np.linalg.norm(moved) < 1e-7 * np.linalg.norm(p) or len(found) > 100_000:
            return np.array(found)
        moved = step @ moved


def mean_square(f: NDArray[Any], samples: NDArray[Any]) -> NDArray[Any]:
    """E|S_N - S|^2 for every N."""
    k = np.arange(1, len(f))
    rows = [(f[0] + 2.0 * np.sum(np.clip(1.0 - k / n, 0.0, None) * f[1:])) / n for n in samples]
    return np.array(rows)


def _chains(cell: Cell, rng: np.random.Generator, generator: torch.Generator) -> Row:
    """Error of the covariance after N samples: of chains, and in closed form; relative."""
    case, board = cell["case"], boards.nominal()
    parts = _PARTS.get(case, (case,))
    if case == "matrix":
        parts, matrix = _PARTS["all"], boards.target_matrix(rng, len(board.resistance))
        board = board._replace(capacitance=matrix)
    goal = np.linalg.inv(board.capacitance)
    n, norm = len(goal), float(np.sum(goal**2))
    counts = np.unique(np.round(np.geomspace(100, cell["samples"], 13)).astype(int))
    corner = 2.0 * math.pi * cell["bandwidth"] if "bandwidth" in parts else None
    lsb = 2.0 * cell["span"] * math.sqrt(goal.max()) / 2 ** cell["bits"]
    coarse = "converter" in parts
    steps, kicks, starts, squares, biases = [], [], [], [], []
    beyond, far = np.geomspace(counts[0], 1e7, 41), []
    for _ in range(cell["boards"]):
        made = boards.imperfect(board, cell, parts, rng)
        a, noise = boards.dynamics(made, bandwidth=corner, johnson=case in ("ideal", "johnson"))
        p = solve_continuous_lyapunov(a, noise)
        phi, q = linear_transition(a, noise, cell["interval"])
        for kept, matrix in ((steps, phi), (kicks, _root(q)), (starts, _root(p))):
            kept.append(matrix.T)
        off = p[:n, :n] + (lsb**2 / 12.0 * np.eye(n) if coarse else 0.0) - goal
        biases.append(float(np.sum(off**2)))
        sums = variance_sums(a, p, n, cell["interval"])
        squares.append(mean_square(sums, counts))
        far.append(mean_square(sums, beyond))
    phi, kick = (torch.as_tensor(np.stack(x)) for x in (steps, kicks))
    size = (len(phi), 1, phi.shape[1])
    state = torch.randn(size, generator=generator, dtype=torch.float64)
    state = state @ torch.as_tensor(np.stack(starts))
    total, done, errors = torch.zeros(len(phi), n, n, dtype=torch.float64), 0, []
    for count in counts:
        while done < count:
            length = min(int(count) - done, 2000)
            shape = (size[0], length, size[2])
            normals = torch.randn(shape, generator=generator, dtype=torch.float64)
            pushed, path = normals @ kick, []
            for t in range(length):
                state = torch.baddbmm(pushed[:, t : t + 1], state, phi)
                path.append(state[:, 0, :n])
            v = torch.stack(path, 1)
            if coarse:
                half = 2 ** (cell["bits"] - 1)
                v = lsb * torch.round(v / lsb).clamp(-half, half - 1)
            total += v.transpose(1, 2) @ v
            done += length
        gap = total / done - torch.as_tensor(goal)
        errors.append(gap.square().sum((1, 2)).numpy() / norm)
    square = np.stack(errors)  # (counts, boards)
    closed = (np.stack(squares, 1) + np.array(biases)) / norm
    roots = math.sqrt(square.shape[1])
    return {
        "count": counts.astype(float), "square": square.mean(1),
        "square_stderr": square.std(1, ddof=1) / roots, "closed": closed.mean(1),
        "far_count": beyond, "far": (np.mean(far, 0) + np.mean(biases)) / norm,
        "miss": (square / closed).mean(1) - 1.0,
        "miss_stderr": (square / closed).std(1, ddof=1) / roots,
        "floor": math.sqrt(np.mean(biases) / norm),
        "constant": math.sqrt(counts[-1] * float(np.mean(squares, 0)[-1]) / norm),
        "independent": math.sqrt(float(np.trace(goal) ** 2 + norm) / norm),
        "against_package": _against_package() if case == "ideal" else None,
    }  # fmt: skip


def _root(covariance: NDArray[Any]) -> NDArray[Any]:
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _against_package() -> float:
    """Largest difference of the drift and covariance written here from those of the device."""
    device = load_device("spu8")
    a, noise = boards.dynamics(boards.nominal(), johnson=True)
    drift = np.abs(a - device.effort_drift).max() / np.abs(a).max()
    p = solve_continuous_lyapunov(a, noise) - device.effort_covariance
    return float(max(drift, np.abs(p[:8, :8]).max()))


def _intervals(cell: Cell) -> Row:
    """Samples that stand for one independent sample, by the time between them (closed form)."""
    a, noise = boards.dynamics(boards.nominal(), johnson=True)
    p = solve_continuous_lyapunov(a, noise)
    intervals = np.geomspace(0.02, 12.0, cell["points"])
    sums = [variance_sums(a, p, 8, float(h)) for h in intervals]
    cost = np.array([1.0 + 2.0 * f[1:].sum() / f[0] for f in sums])
    return {"interval": intervals, "cost": cost}


def _bank_floor(cell: Cell, rng: np.random.Generator) -> Row:
    """Relative error of C^-1 of random matrices whose capacitors come from a bank."""
    errors = []
    for _ in range(cell["matrices"]):
        matrix = boards.target_matrix(rng, 8)
        goal = np.linalg.inv(matrix)
        found = np.linalg.inv(boards.banked(matrix, cell["bank"]))
        errors.append(np.linalg.norm(found - goal) / np.linalg.norm(goal))
    return {"floor": np.array(errors)}
