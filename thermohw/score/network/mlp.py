r"""The trunk for vectors: dense hidden layers, modulated by the noise level.

    h_l = silu((1 + g_l) (W_l h_{l-1} + b_l) + c_l),   l = 1..L,   h_0 = u
    o   = W_{L+1} h_L + c_{L+1}

g and c are linear in the features e(t) of the noise level. W_{L+1} starts at zero.

Two layers, the default, are no accident. With D_l the diagonal slopes of layer l (g included) the
Jacobian is J = W_3 D_2 W_2 D_1 W_1, and the traces of it that divergences need are a few matrix
products:

    tr(J A)            =  d_2 . [W_2 o (W_1 A W_3)^T] d_1           one A for all states
    sum_ci m_ci J_cii  =  sum_ci m_ci [W_3 (D_2 W_2 D_1 W_1)]_cii   m differing between states

(d the diagonals, o the product of entries). The first costs a forward pass, whatever the dimension;
with one layer it is d_1 . diag(W_1 A W_2), with more than two it takes a tangent for every
coordinate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import silu

from thermohw.score.network.trunk import Modulation, Parameters, Slopes, Trunk

__all__ = ["MLP"]


@dataclass(frozen=True)
class MLP(Trunk):
    """Shape of a dense network.

    Attributes:
        inputs: numbers it reads.
        outputs: numbers it gives.
        width: units in each hidden layer.
        depth: hidden layers L.
        bumps: features of the noise level.
        dropout: share of hidden units silenced while training.
    """

    kind: ClassVar[str] = "mlp"
    inputs: int
    outputs: int
    width: int
    depth: int = 2
    bumps: int = 16
    dropout: float = 0.0

    @property
    def closed_form(self) -> bool:
        """One or two hidden layers have the fixed trace in closed form."""
        return self.depth <= 2

    @property
    def multiply_accumulates(self) -> int:
        """The entries of the weight matrices."""
        return self.width * (self.inputs + (self.depth - 1) * self.width + self.outputs)

    @property
    def _hidden(self) -> list[str]:
        """Names of the hidden layers, "1" to "L"."""
        return [str(layer + 1) for layer in range(self.depth)]

    @property
    def _last(self) -> str:
        return str(self.depth + 1)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter tensor, in storage order."""
        width, bumps, hidden = self.width, self.bumps, self._hidden
        reads = [self.inputs] + [width] * (self.depth - 1)
        return {
            **{f"weight_{k}": (width, read) for k, read in zip(hidden, reads, strict=True)},
            f"weight_{self._last}": (self.outputs, width),
            **{f"bias_{k}": (width,) for k in hidden},
            **{f"gain_{k}": (width, bumps) for k in hidden},
            **{f"shift_{k}": (width, bumps) for k in hidden},
            f"shift_{self._last}": (self.outputs, bumps),
        }

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Random parameters, float32; the output layer is zero."""
        spread = {"weight": None, "bias": 0.0, "gain": 0.1, "shift": 0.1}
        values = {}
        for name, shape in self.shapes.items():
            kind, layer = name.split("_")
            scale = spread[kind]
            if scale is None:
                scale = 1.0 / math.sqrt(shape[1])
            if layer == self._last:
                scale = 0.0
            values[name] = scale * torch.randn(shape, generator=generator)
        return values

    def to_dict(self) -> dict[str, Any]:
        """Width, bumps and dropout; the depth where it is not 2, as files have always said it."""
        depth = {} if self.depth == 2 else {"depth": self.depth}
        return {"width": self.width, "bumps": self.bumps, "dropout": self.dropout} | depth

    def modulate(self, parameters: Parameters, features: Tensor) -> Modulation:
        """Gains and shifts at the given features; the shifts have (1 + g) b added."""
        gains, shifts = [], []
        for layer in self._hidden:
            gain = 1.0 + features @ parameters[f"gain_{layer}"].T
            shift = features @ parameters[f"shift_{layer}"].T
            gains.append(gain)
            shifts.append(shift + gain * parameters[f"bias_{layer}"])
        bias = features @ parameters[f"shift_{self._last}"].T
        return Modulation(tuple(gains), tuple(shifts), bias)

    def __call__(
        self,
        parameters: Parameters,
        modulation: Modulation,
        u: Tensor,
        dropout: torch.Generator | None = None,
    ) -> Tensor:
        """Outputs (times, n, outputs) at inputs u of shape (times, n, inputs); see `Trunk`."""
        hidden = u
        layers = zip(self._hidden, modulation.gains, modulation.shifts, strict=True)
        for layer, gain, shift in layers:
            hidden = silu(torch.addcmul(shift, gain, hidden @ parameters[f"weight_{layer}"].T))
            if dropout is not None and self.dropout > 0.0:
                keep = torch.rand(hidden.shape, generator=dropout) >= self.dropout
                hidden = hidden * keep.to(hidden.dtype).div_(1.0 - self.dropout)
        return hidden @ parameters[f"weight_{self._last}"].T + modulation.bias

    def with_slopes(
        self, parameters: Parameters, modulation: Modulation, u: Tensor
    ) -> tuple[Tensor, Slopes]:
        """Outputs as in a call without dropout, and the diagonals D_l, shapes (times, n, width)."""
        hidden, slopes = u, []
        layers = zip(self._hidden, modulation.gains, modulation.shifts, strict=True)
        for layer, gain, shift in layers:
            z = torch.addcmul(shift, gain, hidden @ parameters[f"weight_{layer}"].T)
            switch = torch.sigmoid(z)
            hidden = z * switch
            slopes.append(switch * (1.0 + z - hidden) * gain)
        return hidden @ parameters[f"weight_{self._last}"].T + modulation.bias, tuple(slopes)

    def _hidden_tangents(self, parameters: Parameters, slopes: Slopes, moved: Tensor) -> Tensor:
        """Tangents of the last hidden layer, (times, n, k, width), from those of W_1 u, (k, width)
        or (times, 1, k, width)."""
        tangents = slopes[0][..., None, :] * moved
        for layer, slope in zip(self._hidden[1:], slopes[1:], strict=True):
            tangents = (tangents @ parameters[f"weight_{layer}"].T) * slope[..., None, :]
        return tangents

    def tangents(self, parameters: Parameters, slopes: Slopes, directions: Tensor) -> Tensor:
        """J v, shape (times, n, k, outputs); see `Trunk`."""
        moved = directions @ parameters["weight_1"].T
        moved = moved if moved.ndim == 2 else moved[:, None]
        hidden = self._hidden_tangents(parameters, slopes, moved)
        return hidden @ parameters[f"weight_{self._last}"].T

    def varying_trace(self, parameters: Parameters, slopes: Slopes, multipliers: Tensor) -> Tensor:
        """sum_{c,i} m_ci d o_ci / d u_i with output c*dim + i read as (c, i); see `Trunk`."""
        kinds, dim = len(multipliers), multipliers.shape[-1]
        weights = parameters[f"weight_{self._last}"].view(kinds, dim, self.width)
        # one tangent for each input, as rows of a single matrix product: (times, n, dim, width)
        columns = parameters["weight_1"].T.contiguous()
        tangents = self._hidden_tangents(parameters, slopes, columns)
        return (multipliers * torch.einsum("tnib,cib->ctni", tangents, weights)).sum((0, -1))

    def fixed_trace(self, parameters: Parameters, slopes: Slopes, mixing: Tensor) -> Tensor:
        """tr(J A) with one matrix A for all states; see `Trunk`."""
        if not self.closed_form:
            return super().fixed_trace(parameters, slopes, mixing)
        loop = parameters["weight_1"] @ mixing @ parameters[f"weight_{self._last}"]
        if self.depth == 1:
            return (slopes[0] * loop.diagonal(dim1=-2, dim2=-1).unsqueeze(-2)).sum(-1)
        kernel = parameters["weight_2"] * loop.transpose(-1, -2)
        return ((slopes[0] @ kernel.transpose(-1, -2)) * slopes[1]).sum(-1)
