"""Circuits with inductors for the tests, and one tick of a stepper for given numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.linalg import expm

from thermohw.circuit import LinearDevice, build_device
from thermohw.control import Control, Piece
from thermohw.datasheet import Capacitor, Datasheet, Inductor, Mutual, Node, RatedValue, Resistor
from thermohw.integrate import Step, Stepper
from thermohw.noise import Recording


def network(
    nodes: Mapping[str, float],
    resistors: Sequence[tuple[str, str, float, float]] = (),
    inductors: Sequence[tuple] = (),
    *,
    capacitors: Sequence[tuple[str, str, float]] = (),
    mutuals: Sequence[tuple[int, int, float]] = (),
) -> LinearDevice:
    """A device in units of 1 pF, 1 Mohm, 1 H (= R^2 C) and 300 K, through its datasheet.

    Args:
        nodes: capacitance to ground by name.
        resistors: (a, b, R, T); those to ground carry a source. Called r0, r1, ...
        inductors: (a, b, L) or (a, b, L, R, T) with a series resistance and its source. l0, l1, ...
        capacitors: (a, b, C).
        mutuals: (i, j, k) between inductors i and j.
    """
    pf, mohm, henry, hot = (
        lambda x, u=u, s=s: RatedValue(x * s, u)
        for u, s in (("F", 1e-12), ("ohm", 1e6), ("H", 1.0), ("K", 300.0))
    )
    return build_device(
        Datasheet(
            name="by hand",
            description="",
            nodes=tuple(Node(name, pf(c)) for name, c in nodes.items()),
            resistors=tuple(
                Resistor(f"r{i}", (a, b), mohm(r), hot(t), source="gnd" in (a, b))
                for i, (a, b, r, t) in enumerate(resistors)
            ),
            capacitors=tuple(
                Capacitor(f"c{i}", (a, b), pf(c)) for i, (a, b, c) in enumerate(capacitors)
            ),
            inductors=tuple(
                Inductor(f"l{i}", (a, b), henry(l), *map(lambda f, x: f(x), (mohm, hot), rest),
                         source=bool(rest))
                for i, (a, b, l, *rest) in enumerate(inductors)  # noqa: E741
            ),
            mutuals=tuple(
                Mutual(f"k{i}", (f"l{a}", f"l{b}"), RatedValue(k, ""))
                for i, (a, b, k) in enumerate(mutuals)
            ),
        )
    )  # fmt: skip


def cell(quality: float = 5.0) -> LinearDevice:
    """One parallel RLC cell with R = C = 1: L = 1/Q^2."""
    return network({"a": 1.0}, [("a", "gnd", 1.0, 1.0)], [("a", "gnd", 1.0 / quality**2)])


def pair(t1: float = 2.0, t2: float = 1.0, inductance: float = 0.5) -> LinearDevice:
    """Two RC nodes of different temperature joined by an inductor."""
    resistors = [("a", "gnd", 1.0, t1), ("b", "gnd", 1.0, t2)]
    return network({"a": 1.0, "b": 1.0}, resistors, [("a", "b", inductance)])


def tangle(*, hot: bool = True) -> LinearDevice:
    """Everything at once: three nodes, one without a resistor, coupled and lossy inductors, a
    capacitor between nodes, five baths of five temperatures (or of one).
    """
    t = [1.0, 2.5, 0.6, 1.7, 0.4] if hot else [1.0] * 5
    return network(
        {"a": 1.0, "b": 0.7, "c": 1.4},
        [("a", "gnd", 1.0, t[0]), ("b", "gnd", 2.0, t[1]), ("a", "b", 1.5, t[2])],
        [("a", "gnd", 0.3), ("c", "a", 0.5, 0.4, t[3]), ("gnd", "b", 0.8, 0.25, t[4])],
        capacitors=[("a", "b", 0.3), ("b", "c", 0.2)],
        mutuals=[(0, 2, 0.4), (1, 2, -0.3)],
    )


def held(
    stepper: Stepper,
    h: float,
    state: torch.Tensor,
    source: torch.Tensor | None,
    normals: torch.Tensor,
) -> Step:
    """One tick with a held source, for normals of shape (draws, paths, width)."""
    control = None if source is None else Control(0, source)
    piece = Piece(0, 0.0, h, True, 0, True)
    return stepper.step(piece, state, control, noise=Recording(normals), act=None)


def heat_of(step: Step) -> torch.Tensor:
    """Heat into every bath, shape (paths, K)."""
    heat = step.force * step.charge
    return heat if step.heat_correction is None else heat + step.heat_correction


def first_law_residual(device: LinearDevice, step: Step) -> float:
    """Largest |dE - W + Q| of any path, as a share of what it exchanged."""
    energy = device.energy(step.end) - device.energy(step.start)
    work = torch.zeros_like(energy)
    if step.emf is not None:
        work = work - (step.emf * step.charge).sum(1)
    if step.current is not None and step.flux is not None:
        work = work + (step.current * step.flux).sum(1)
    heat = heat_of(step)
    size = device.energy(step.start) + device.energy(step.end) + heat.abs().sum(1) + work.abs()
    size = size + size.mean()  # net heat may vanish where energy went to and fro
    return float(((energy - work + heat.sum(1)).abs() / size).max())


def quadrature_heat(
    device: LinearDevice,
    h: float,
    mean: np.ndarray,
    covariance: np.ndarray,
    *,
    emf: np.ndarray,
    current: np.ndarray,
) -> np.ndarray:
    """Mean heat of each element over a held tick: int gamma (E X^2 - T b.H b) ds by 24 Gauss
    nodes, enough for round-off where the tick is no longer than the fastest rate's inverse.
    """
    a, n = device.drift_matrix, device.dim
    push = device.source_matrix @ emf + device.port_matrix @ current
    noise = device.noise_matrix @ device.noise_matrix.T
    settled = np.linalg.solve(a, push)
    across = device.directions @ device.hessian
    stiffness = np.einsum("ki,ki->k", across, device.directions)
    block = np.block([[-a, noise], [np.zeros((n, n)), a.T]])

    def rate(s: float) -> np.ndarray:
        phi = expm(-a * s)
        m = settled + phi @ (mean - settled)
        p = phi @ covariance @ phi.T + expm(block * s)[:n, n:] @ phi.T
        x = across @ m - emf
        spread = np.einsum("ki,ij,kj->k", across, p, across)
        return device.coefficients * (x * x + spread - device.temperatures * stiffness)

    nodes, weights = np.polynomial.legendre.leggauss(24)
    parts = zip(0.5 * h * (1.0 + nodes), 0.5 * h * weights, strict=True)
    return sum((weight * rate(s) for s, weight in parts), np.zeros(len(device.elements)))
