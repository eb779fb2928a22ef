r"""The trainable part of a network score, as its heads see it: outputs, and traces of its Jacobian.

A trunk reads `inputs` numbers u and gives `outputs` numbers o, modulated by the noise level: gains
and shifts of its hidden layers are linear in features e(t), Gaussian bumps along the noise clock.
Its read-out starts at zero, so that an untrained network is its preconditioner exactly.

Divergences need traces of the Jacobian J = do/du. A trunk is a chain of linear maps and pointwise
switches; `with_slopes` keeps the derivatives of the switches, and with these J v is one more pass
through the linear maps, the tangent of v. Then

    tr(J A)            =  sum_i [J (A e_i)]_i                one matrix A for all states
    sum_ci m_ci J_cii  =  sum_i sum_c m_ci [J e_i]_ci        m differing between states

are exact with one tangent for each coordinate, in tiles of bounded memory. A trunk that knows
better overrides them (`mlp`); `closed_form` says that the first then costs about a forward pass.

Everything here is a pure function of named parameter tensors, so that single and double precision,
averages and checkpoints are all the same code. Names that begin with "weight" are decayed.

Modulation: E. Perez et al., "FiLM", AAAI 2018, https://arxiv.org/abs/1709.07871
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

__all__ = ["Modulation", "Parameters", "Slopes", "Trunk"]

Parameters = Mapping[str, Tensor]
Slopes = tuple[Tensor, ...]
_TANGENTS = 256  # states times directions at once


@dataclass(frozen=True)
class Modulation:
    """What the noise level does to each layer; every tensor has shape (times, 1, channels).

    Attributes:
        gains: 1 + g of the hidden layers.
        shifts: c of the hidden layers.
        bias: added to the outputs.
        skip: of the inputs into the outputs, for trunks that have one.
    """

    gains: tuple[Tensor, ...]
    shifts: tuple[Tensor, ...]
    bias: Tensor
    skip: Tensor | None = None

    def like(self, x: Tensor) -> Modulation:
        """In the dtype and on the device of x."""

        def to(v: Tensor) -> Tensor:
            return v.to(x.device, x.dtype)

        skip = None if self.skip is None else to(self.skip)
        gains, shifts = tuple(map(to, self.gains)), tuple(map(to, self.shifts))
        return Modulation(gains, shifts, to(self.bias), skip)


class Trunk(ABC):
    """Shape of a network.

    Attributes:
        kind: its name in an architecture.
        inputs: numbers it reads.
        outputs: numbers it gives.
        bumps: features of the noise level.
        dropout: share of hidden units silenced while training.
    """

    kind: ClassVar[str]
    inputs: int
    outputs: int
    bumps: int
    dropout: float

    @property
    def closed_form(self) -> bool:
        """The fixed trace costs about a forward pass, whatever the dimension."""
        return False

    @property
    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter tensor, in storage order."""

    @abstractmethod
    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Random parameters, float32; the output layer is zero."""

    @property
    @abstractmethod
    def multiply_accumulates(self) -> int:
        """Products of one evaluation at one state, those of the noise level alone left out."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What `build_trunk` makes it from, besides its inputs and outputs; JSON-ready."""

    def features(self, position: Tensor) -> Tensor:
        """Bumps e along the noise clock, position in [0, 1]; shape (times, 1, bumps)."""
        centres = torch.linspace(0.0, 1.0, self.bumps, dtype=position.dtype)
        return torch.exp(-0.5 * ((position[:, None, None] - centres) * (self.bumps - 1)).square())

    @abstractmethod
    def modulate(self, parameters: Parameters, features: Tensor) -> Modulation:
        """Gains and shifts at the given features, shape (times, 1, bumps)."""

    @abstractmethod
    def __call__(
        self,
        parameters: Parameters,
        modulation: Modulation,
        u: Tensor,
        dropout: torch.Generator | None = None,
    ) -> Tensor:
        """Outputs (times, n, outputs) at inputs u of shape (times, n, inputs).

        Args:
            parameters: weights in the dtype of u.
            modulation: of the same times.
            u: inputs.
            dropout: where the silenced units are drawn from while training; None silences none.
        """

    @abstractmethod
    def with_slopes(
        self, parameters: Parameters, modulation: Modulation, u: Tensor
    ) -> tuple[Tensor, Slopes]:
        """Outputs as in a call without dropout, and the slopes that make up the Jacobian."""

    @abstractmethod
    def tangents(self, parameters: Parameters, slopes: Slopes, directions: Tensor) -> Tensor:
        """J v for some directions v, the same for all states of a time.

        Args:
            parameters: weights.
            slopes: from `with_slopes`, of states (times, n).
            directions: shape (k, inputs) or (times, k, inputs).

        Returns:
            Shape (times, n, k, outputs).
        """

    def varying_trace(self, parameters: Parameters, slopes: Slopes, multipliers: Tensor) -> Tensor:
        """sum_{c,i} m_ci d o_ci / d u_i with output c*dim + i read as (c, i); shape (times, n).

        Args:
            parameters: weights.
            slopes: from `with_slopes`.
            multipliers: m, shape (outputs/dim, times, n, dim), dim = inputs.
        """
        kinds, times, n, dim = multipliers.shape
        identity = torch.eye(dim, dtype=multipliers.dtype, device=multipliers.device)
        total = multipliers.new_zeros(times, n)
        for part in _tiles(dim, times * n):
            moved = self.tangents(parameters, slopes, identity[part])
            moved = moved.unflatten(-1, (kinds, dim))[..., part]
            own = moved.diagonal(dim1=2, dim2=4)  # (times, n, kinds, k)
            total += (own * multipliers[..., part].permute(1, 2, 0, 3)).sum((-2, -1))
        return total

    def fixed_trace(self, parameters: Parameters, slopes: Slopes, mixing: Tensor) -> Tensor:
        """tr(J A) of the Jacobian J = do/du with one matrix A for all states; shape (times, n).

        Args:
            parameters: weights.
            slopes: from `with_slopes`.
            mixing: A, shape (inputs, outputs) or (times, inputs, outputs).
        """
        times, n = slopes[0].shape[:2]
        total = mixing.new_zeros(times, n)
        for part in _tiles(self.outputs, times * n):
            directions = mixing[..., part].transpose(-1, -2)
            moved = self.tangents(parameters, slopes, directions)[..., part]
            total += moved.diagonal(dim1=2, dim2=3).sum(-1)
        return total


def _tiles(count: int, states: int) -> list[slice]:
    """Slices of range(count), so many directions at a time as the memory is meant for."""
    size = max(1, _TANGENTS // states)
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]
