"""The control law: source values as a linear map of state and score.

A `ReverseDrive` is the map c = state v + score s of a whole run (`control.reverse_drive` makes it),
a `Law` the same at one tick, with that tick's score put in. Everything here is in thermal units,
with node voltages v = x / sqrt(theta) as the input.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.score import Field

__all__ = ["ReverseDrive", "Law"]


@dataclass(frozen=True, eq=False)
class ReverseDrive:
    """The linear map (v, s) -> source values, c = state v + score s.

    Attributes:
        wiring: "emf" or "current".
        theta: thermal variance in model units.
        state: response to the node voltages: float (times identity), or (sources, n).
        score: response to the score: float or (sources, n).
        divergence_state: tr of the drift u's response to x, i.e. div u without the score.
        divergence_score: W in div u = divergence_state + tr(W grad s): float or (n, n).
        units: thermal units per model unit of every coordinate, shape (n,); None: 1/sqrt(theta).
    """

    wiring: str
    theta: float
    state: float | NDArray[Any]
    score: float | NDArray[Any]
    divergence_state: float
    divergence_score: float | NDArray[Any]
    units: NDArray[Any] | None = None

    def heated(self, temperature: float, nodes: int) -> ReverseDrive:
        """The drive of equal uncoupled nodes at another T/T_ref.

        The bath then moves T times as far in the same time, so the reverse drift is T times as
        strong; the leak, one per R_ref C_ref, is what it was.
        """
        if temperature == 1.0:
            return self
        assert isinstance(self.state, float) and isinstance(self.score, float)
        assert isinstance(self.divergence_score, float)
        excess = (temperature - 1.0) * (self.state - 1.0)
        return replace(
            self,
            state=self.state + excess,
            score=self.score * temperature,
            divergence_state=self.divergence_state + nodes * excess,
            divergence_score=self.divergence_score * temperature,
        )

    def at(self, field: Field) -> Law:
        """The control law of one tick."""
        affine = getattr(field, "affine", None)
        if affine is not None and isinstance(self.state, float) and isinstance(self.score, float):
            slope, offset = affine
            if isinstance(slope, float) or slope.ndim == 1:
                gain = self.state + self.score * slope * sqrt(self.theta)
                return Law(self, field, gain, self.score * offset)
        return Law(self, field, None, None)


class Law(NamedTuple):
    """The control law at one tick: sources as a function of node voltages."""

    drive: ReverseDrive
    field: Field
    gain: (
        float | torch.Tensor | None
    )  # where the score is affine, the law is: sources = gain v + bias
    bias: float | torch.Tensor | None

    def model(self, voltage: torch.Tensor) -> torch.Tensor:
        """Model units x = sqrt(theta) v, shape (paths, n)."""
        if self.drive.units is not None:
            return voltage / voltage.new_tensor(self.drive.units)
        return voltage if self.drive.theta == 1.0 else voltage * sqrt(self.drive.theta)

    def sources(self, voltage: torch.Tensor) -> torch.Tensor:
        """Source values (paths, sources) for node voltages (paths, n), thermal units."""
        if self.gain is not None:
            product = voltage * _like(self.gain, voltage)
            return product if _is_zero(self.bias) else product + _like(self.bias, voltage)
        return self.combine(voltage, self.field(self.model(voltage)))

    def combine(self, voltage: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
        """Sources from voltages and an already evaluated score, same shapes."""
        state, weight = self.drive.state, self.drive.score
        if isinstance(state, float) and isinstance(weight, float):
            scaled = voltage if state == 1.0 else voltage * state
            return scaled.add(score, alpha=weight)
        return _times(voltage, state) + _times(score, weight)

    def divergence(self, voltage: torch.Tensor) -> torch.Tensor:
        """div u of every path, shape (paths,), per R_ref C_ref (model or thermal units alike)."""
        x, weight = self.model(voltage), self.drive.divergence_score
        if isinstance(weight, float):
            return self.field.divergence(x) * weight + self.drive.divergence_state
        if self.field.affine is not None:  # one number for all states
            import torch

            slope = torch.as_tensor(self.field.affine[0], dtype=torch.float64).numpy()
            whole = slope if slope.ndim == 2 else slope * np.eye(x.shape[1])
            trace = float(np.sum(np.asarray(weight) * whole.T)) + self.drive.divergence_state
            return x.new_full((len(x),), trace)
        return _weighted_divergence(self.field, x, np.asarray(weight)) + self.drive.divergence_state


def _times(vectors: torch.Tensor, response: float | NDArray[Any]) -> torch.Tensor:
    """Response to vectors (paths, n): a multiple, or (sources, n)."""
    if isinstance(response, float):
        return vectors * response
    return vectors @ vectors.new_tensor(np.asarray(response).T)


def _weighted_divergence(field: Field, x: torch.Tensor, weight: NDArray[Any]) -> torch.Tensor:
    """tr(W grad s) of every path, shape (paths,): the field's own way, else one Jacobian-vector
    product a coordinate.
    """
    import torch

    if field.symmetric or np.array_equal(weight, weight.T):  # tr(W J) = tr(W^T J) then
        known = field.weighted_divergence(x, torch.as_tensor(0.5 * (weight + weight.T)))
        if known is not None:
            return known
    total = torch.zeros_like(x[:, 0])
    for i, row in enumerate(x.new_tensor(weight)):
        if not weight[i].any():
            continue  # a coordinate that nobody drives
        tangent = torch.zeros_like(x)
        tangent[:, i] = 1.0
        total += torch.func.jvp(field, (x,), (tangent,))[1] @ row
    return total


def _is_zero(bias: object) -> bool:
    return isinstance(bias, float) and bias == 0.0


def _like(value: float | torch.Tensor | None, voltage: torch.Tensor) -> float | torch.Tensor:
    """A coefficient in the state's precision."""
    assert value is not None
    return value if isinstance(value, float | int) else value.to(voltage.dtype)
