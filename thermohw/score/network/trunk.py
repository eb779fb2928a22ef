r"""The trainable part of a network score: two hidden layers, modulated by the noise level.

    h_1 = silu((1 + g_1) (W_1 u + b_1) + c_1)
    h_2 = silu((1 + g_2) (W_2 h_1 + b_2) + c_2)
    o   = W_3 h_2 + c_3

g and c are linear in features e(t) of the noise level: Gaussian bumps along the log signal-to-noise
ratio. W_3 starts at zero, so an untrained network is its preconditioner exactly.

Two layers are no accident. With D_l the diagonal slopes of layer l (g included) the Jacobian is
J = W_3 D_2 W_2 D_1 W_1, and the traces of it that divergences need are a few matrix products:

    tr(J A)            =  d_2 . [W_2 o (W_1 A W_3)^T] d_1           one A for all states
    sum_ci m_ci J_cii  =  sum_ci m_ci [W_3 (D_2 W_2 D_1 W_1)]_cii   m differing between states

(d the diagonals, o the product of entries). The first costs a forward pass, whatever the dimension.

Everything here is a pure function of named parameter tensors, so that single and double precision,
averages and checkpoints are all the same code.

Modulation: E. Perez et al., "FiLM", AAAI 2018, https://arxiv.org/abs/1709.07871
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import silu

__all__ = ["Modulation", "Parameters", "Slopes", "Trunk"]

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class Modulation:
    """What the noise level does to each layer; every tensor has shape (times, 1, width).

    Attributes:
        gains: 1 + g of the two hidden layers.
        shifts: c of the two hidden layers, with (1 + g) b added.
        bias: c_3.
    """

    gains: tuple[Tensor, Tensor]
    shifts: tuple[Tensor, Tensor]
    bias: Tensor


@dataclass(frozen=True)
class Slopes:
    """Diagonals D_1, D_2 of the Jacobian, shapes (..., width)."""

    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class Trunk:
    """Shape of the network.

    Attributes:
        inputs: numbers it reads.
        outputs: numbers it gives.
        width: units in each hidden layer.
        bumps: features of the noise level.
        dropout: share of hidden units silenced while training.
    """

    inputs: int
    outputs: int
    width: int
    bumps: int = 16
    dropout: float = 0.0

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter tensor, in storage order."""
        width, bumps = self.width, self.bumps
        return {
            "weight_1": (width, self.inputs),
            "weight_2": (width, width),
            "weight_3": (self.outputs, width),
            "bias_1": (width,),
            "bias_2": (width,),
            "gain_1": (width, bumps),
            "gain_2": (width, bumps),
            "shift_1": (width, bumps),
            "shift_2": (width, bumps),
            "shift_3": (self.outputs, bumps),
        }

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Random parameters, float32; the output layer is zero."""
        spread = {"weight": None, "bias": 0.0, "gain": 0.1, "shift": 0.1}
        values = {}
        for name, shape in self.shapes.items():
            scale = spread[name.split("_")[0]]
            if scale is None:
                scale = 1.0 / math.sqrt(shape[1])
            if name.endswith("_3"):
                scale = 0.0
            values[name] = scale * torch.randn(shape, generator=generator)
        return values

    def features(self, position: Tensor) -> Tensor:
        """Bumps e along the noise clock, position in [0, 1]; shape (times, 1, bumps)."""
        centres = torch.linspace(0.0, 1.0, self.bumps, dtype=position.dtype)
        return torch.exp(-0.5 * ((position[:, None, None] - centres) * (self.bumps - 1)).square())

    def modulate(self, parameters: Parameters, features: Tensor) -> Modulation:
        """Gains and shifts at the given features, shape (times, 1, bumps)."""
        gains, shifts = [], []
        for layer in "12":
            gain = 1.0 + features @ parameters[f"gain_{layer}"].T
            shift = features @ parameters[f"shift_{layer}"].T
            gains.append(gain)
            shifts.append(shift + gain * parameters[f"bias_{layer}"])
        bias = features @ parameters["shift_3"].T
        return Modulation((gains[0], gains[1]), (shifts[0], shifts[1]), bias)

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
        hidden = u
        for layer, gain, shift in zip("12", modulation.gains, modulation.shifts, strict=True):
            hidden = silu(torch.addcmul(shift, gain, hidden @ parameters[f"weight_{layer}"].T))
            if dropout is not None and self.dropout > 0.0:
                keep = torch.rand(hidden.shape, generator=dropout) >= self.dropout
                hidden = hidden * keep.to(hidden.dtype).div_(1.0 - self.dropout)
        return hidden @ parameters["weight_3"].T + modulation.bias

    def with_slopes(
        self, parameters: Parameters, modulation: Modulation, u: Tensor
    ) -> tuple[Tensor, Slopes]:
        """Outputs as in a call without dropout, and the diagonals that make up the Jacobian."""
        hidden, slopes = u, []
        for layer, gain, shift in zip("12", modulation.gains, modulation.shifts, strict=True):
            z = torch.addcmul(shift, gain, hidden @ parameters[f"weight_{layer}"].T)
            switch = torch.sigmoid(z)
            hidden = z * switch
            slopes.append(switch * (1.0 + z - hidden) * gain)
        return hidden @ parameters["weight_3"].T + modulation.bias, Slopes(*slopes)

    def varying_trace(self, parameters: Parameters, slopes: Slopes, multipliers: Tensor) -> Tensor:
        """sum_{c,i} m_ci d o_ci / d u_i with output c*dim + i read as (c, i); shape (times, n).

        Args:
            parameters: weights.
            slopes: from `with_slopes`.
            multipliers: m, shape (outputs/dim, times, n, dim), dim = inputs.
        """
        kinds, dim = len(multipliers), multipliers.shape[-1]
        weights = parameters["weight_3"].view(kinds, dim, self.width)
        # one tangent for each input, as rows of a single matrix product: (times, n, dim, width)
        tangents = slopes.first[..., None, :] * parameters["weight_1"].T.contiguous()
        tangents = (tangents @ parameters["weight_2"].T) * slopes.second[..., None, :]
        return (multipliers * torch.einsum("tnib,cib->ctni", tangents, weights)).sum((0, -1))

    def fixed_trace(self, parameters: Parameters, slopes: Slopes, mixing: Tensor) -> Tensor:
        """tr(J A) of the Jacobian J = do/du with one matrix A for all states; shape (times, n).

        Args:
            parameters: weights.
            slopes: from `with_slopes`.
            mixing: A, shape (inputs, outputs) or (times, inputs, outputs).
        """
        loop = parameters["weight_1"] @ mixing @ parameters["weight_3"]
        kernel = parameters["weight_2"] * loop.transpose(-1, -2)
        return ((slopes.first @ kernel.transpose(-1, -2)) * slopes.second).sum(-1)
