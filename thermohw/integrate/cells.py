"""Arrays of equal cells: every cell of every path is a path of one small circuit.

Cells that nothing joins and that are equal in every number obey one law, so that their steps are
the steps of one cell for more paths: matrices of a few rows instead of a few hundred, one set of
moments, the same books. A row of states (q_1 ... q_m, phi_1 ... phi_m) is cut into cells (q_j,
phi_j), stepped, and put together again; elements, sources and ports likewise. Circuits without
inductors have paths of their own and do not come here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from thermohw.circuit import LinearDevice
    from thermohw.control import Control, Piece
    from thermohw.integrate.step import Act, Step, Stepper
    from thermohw.noise import NoiseSource

__all__ = ["Cells", "Division", "equal_cells"]


class Division(NamedTuple):
    """How a device falls into equal cells.

    Attributes:
        cell: one of them.
        states: indices of the state variables, cell by cell, shape (cells, n of a cell).
        elements: of the elements, shape (cells, K of a cell).
        sources: of the controlled sources, shape (cells, sources of a cell).
    """

    cell: LinearDevice
    states: np.ndarray
    elements: np.ndarray
    sources: np.ndarray


def equal_cells(device: LinearDevice) -> Division | None:
    """The division of a device with inductors into two or more equal cells; None where there is
    none.
    """
    if not device.gyrating:
        return None
    parts = device.components
    if len(parts) < 2 or len({len(part) for part in parts}) > 1:
        return None
    home = np.zeros(device.dim, dtype=int)
    for index, part in enumerate(parts):
        home[part] = index
    owner = home[np.abs(device.directions).argmax(1)]
    controlled = np.array(device.controlled, dtype=int)
    elements = [np.flatnonzero(owner == index) for index in range(len(parts))]
    sources = [np.flatnonzero(owner[controlled] == index) for index in range(len(parts))]
    cells = [
        _cut(device, part, k, controlled[s])
        for part, k, s in zip(parts, elements, sources, strict=True)
    ]
    if not all(_equal(cells[0], other) for other in cells[1:]):
        return None
    return Division(cells[0], np.stack(parts), np.stack(elements), np.stack(sources))


def _cut(
    device: LinearDevice, part: np.ndarray, elements: np.ndarray, controlled: np.ndarray
) -> LinearDevice:
    block = np.ix_(part, part)
    return replace(
        device,
        nodes=tuple(device.coordinates[i] for i in part if i < len(device.nodes)),
        elements=tuple(device.elements[k] for k in elements),
        hessian=device.hessian[block],
        structure=device.structure[block],
        directions=device.directions[np.ix_(elements, part)],
        coefficients=device.coefficients[elements],
        temperatures=device.temperatures[elements],
        controlled=tuple(int(np.flatnonzero(elements == k)[0]) for k in controlled),
        datasheet=None,
        fluxes=tuple(device.coordinates[i] for i in part if i >= len(device.nodes)),
    )


def _equal(one: LinearDevice, other: LinearDevice) -> bool:
    names = ("hessian", "structure", "directions", "coefficients", "temperatures")
    return (
        len(one.nodes) == len(other.nodes)
        and one.controlled == other.controlled
        and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
    )


class Cells:
    """A stepper for an array of equal cells, made of one for a single cell.

    Args:
        division: see `equal_cells`.
        wiring: "emf" or "current".
        build: makes the stepper of a cell.
    """

    def __init__(
        self, division: Division, wiring: str, build: Callable[[LinearDevice], Stepper]
    ) -> None:
        self.inner = build(division.cell)
        self.count = len(division.states)
        self.normals = self.count * self.inner.normals
        self._states, self._elements = _Order(division.states), _Order(division.elements)
        self._sources = _Order(division.sources) if wiring == "emf" else self._states

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """One step; see `Stepper.step`."""
        decided: list[Control] = []

        def inside(state: torch.Tensor, *, middle: bool = False) -> Control:
            assert act is not None
            whole = act(self._states.join(state), middle=middle)
            if not middle:
                decided.append(whole)
            return whole._replace(source=self._sources.split(whole.source))

        applied = control
        if control is not None:
            applied = control._replace(source=self._sources.split(control.source))
        step = self.inner.step(
            piece,
            self._states.split(state),
            applied,
            noise=_CellNoise(noise, self.count),
            act=None if act is None else inside,
        )
        return step._replace(
            start=state,
            end=self._states.join(step.end),
            control=control,
            # The last law asked for at the end of the step is the one at its true end.
            next_control=None if step.next_control is None else decided[-1],
            force=self._elements.join(step.force),
            charge=self._elements.join(step.charge),
            heat_correction=None
            if step.heat_correction is None
            else self._elements.join(step.heat_correction),
            emf=None if step.emf is None else self._elements.join(step.emf),
            current=None if step.current is None else self._states.join(step.current),
            flux=None if step.flux is None else self._states.join(step.flux),
            pushed=None if step.pushed is None else tuple(map(self._sources.join, step.pushed)),
        )


class _Order:
    """Columns of the whole device <-> rows of cells."""

    def __init__(self, index: np.ndarray) -> None:
        self.width = index.shape[1]
        self._there = torch.tensor(index.reshape(-1))
        self._back = torch.argsort(self._there)

    def split(self, whole: torch.Tensor) -> torch.Tensor:
        """(paths, cells * width) -> (paths * cells, width)."""
        return whole.index_select(1, self._there).view(-1, self.width)

    def join(self, cells: torch.Tensor) -> torch.Tensor:
        """(paths * cells, width) -> (paths, cells * width)."""
        rows = cells.reshape(-1, len(self._there))
        return rows.index_select(1, self._back)


class _CellNoise:
    """A path's normals dealt out to its cells."""

    def __init__(self, noise: NoiseSource, count: int) -> None:
        self._noise, self._count = noise, count

    def normals(self, width: int, tick: int) -> torch.Tensor:
        """The next (paths * cells, width) standard normals of a tick."""
        return self._noise.normals(self._count * width, tick).reshape(-1, width)
