r"""The trunk for pictures: a small U-Net of residual blocks, modulated by the noise level.

    h_0  = W_in * u + P                                   P a learned map: where in the picture
    h   <- h + W_2 * silu((1 + g) (W_1 * silu(h)) + c)    one block; * a 3 x 3 convolution
    o    = W_out * silu((1 + g) h + c) + S(t) u + c_out(t)

Blocks run at the picture's resolution, at a half and, from 16 pixels a side on, at a quarter of it
(stride-2 convolutions down, 1 x 1 and nearest neighbours up, encoder added to decoder), with twice
the channels below the top. g, c, S and c_out are linear in the features e(t) of the noise level; S
mixes the channels of one pixel, c_out is a number for every output. Both, and W_out, start at zero.

No normalisation couples pixels or pictures: the heads' inputs have unit variance at every noise
level, and without it the network is a chain of convolutions and pointwise switches, whose tangents
are the same convolutions with the switches replaced by their slopes. One pass serves both.

Numbers are arranged (pixel, channel) with the channel fastest, kinds of outputs first, so a batch
is a channels-last picture without a copy, the layout that float32 convolutions are fastest in.

Architecture: O. Ronneberger et al., MICCAI 2015, https://arxiv.org/abs/1505.04597; blocks with a
time embedding: J. Ho et al., NeurIPS 2020, https://arxiv.org/abs/2006.11239
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, silu

from thermohw.score.network.trunk import Modulation, Parameters, Slopes, Trunk

__all__ = ["UNet"]

_LARGE = 16  # pixels a side from which on there are three resolutions
_Switch = Callable[[Tensor, bool], Tensor]  # of hidden values; whether this one is modulated


@dataclass(frozen=True)
class UNet(Trunk):
    """Shape of a U-Net.

    Attributes:
        inputs: numbers it reads, rows * columns * channels.
        outputs: numbers it gives, a multiple of inputs.
        picture: (rows, columns, channels) of the input.
        width: channels at the picture's resolution; twice as many below.
        depth: blocks at every resolution, down and up.
        bumps: features of the noise level.
        dropout: share of hidden units silenced while training.
    """

    kind: ClassVar[str] = "unet"
    inputs: int
    outputs: int
    picture: tuple[int, int, int]
    width: int = 32
    depth: int = 1
    bumps: int = 12
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "picture", tuple(self.picture))
        if math.prod(self.picture) != self.inputs or self.outputs % self.inputs:
            raise ValueError(f"pictures {self.picture} are not {self.inputs} numbers")

    @property
    def _below(self) -> int:
        """Resolutions below the picture's."""
        return 2 if min(self.picture[:2]) >= _LARGE else 1

    @property
    def _blocks(self) -> dict[str, int]:
        """Name and channels of every block, in the order they run."""
        ways = [(f"down{i}", self._channels(i)) for i in range(self._below)]
        ways.append(("base", self._channels(self._below)))
        ways += [(f"up{i}", self._channels(i)) for i in reversed(range(self._below))]
        return {f"{way}.{b}": channels for way, channels in ways for b in range(self.depth)}

    def _channels(self, level: int) -> int:
        return self.width if level == 0 else 2 * self.width

    @property
    def multiply_accumulates(self) -> int:
        """Entries of every convolution times the pixels it is evaluated at, and S(t) u."""
        rows, columns, colours = self.picture
        pixels = [rows * columns]
        for _ in range(self._below):
            rows, columns = (rows + 1) // 2, (columns + 1) // 2
            pixels.append(rows * columns)
        where = {f"down{i}": n for i, n in enumerate(pixels)} | {"base": pixels[-1]}
        where |= {f"up{i}": n for i, n in enumerate(pixels)} | {"in": pixels[0], "out": pixels[0]}
        total = self.outputs * colours
        for name, shape in self.shapes.items():
            kind, *rest = name.split("_")
            if kind == "weight":
                place = rest[-1].split(".")[0]
                # fall and rise: both at the lower resolution
                total += math.prod(shape) * (
                    pixels[int(place) + 1] if place.isdigit() else where[place]
                )
        return total

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter tensor, in storage order."""
        rows, columns, colours = self.picture
        kinds, width, bumps = self.outputs // self.inputs, self.width, self.bumps
        shapes: dict[str, tuple[int, ...]] = {"weight_in": (width, colours, 3, 3)}
        shapes["map_in"] = (width, rows, columns)
        for name, n in self._blocks.items():
            shapes |= {f"weight_1_{name}": (n, n, 3, 3), f"weight_2_{name}": (n, n, 3, 3)}
            shapes |= {f"gain_{name}": (n, bumps), f"shift_{name}": (n, bumps)}
        for i in range(self._below):
            upper, lower = self._channels(i), self._channels(i + 1)
            shapes[f"weight_fall_{i}"] = (lower, upper, 3, 3)
            shapes[f"weight_rise_{i}"] = (upper, lower, 1, 1)
        shapes |= {"gain_out": (width, bumps), "shift_out": (width, bumps)}
        shapes["weight_out"] = (kinds * colours, width, 3, 3)
        shapes["skip_out"] = (kinds * colours * colours, bumps)
        shapes["bias_out"] = (self.outputs, bumps)
        return shapes

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Random parameters, float32; the output layers are zero, a block hardly changes h."""
        values = {}
        for name, shape in self.shapes.items():
            kind, *rest = name.split("_")
            scale = 0.1
            if kind == "weight":
                # silu halves the second moment of what goes through it
                scale = math.sqrt((1.0 if rest[0] == "in" else 2.0) / math.prod(shape[1:]))
                scale *= 0.5 if rest[0] == "2" else 1.0
            if name in ("weight_out", "skip_out", "bias_out"):
                scale = 0.0
            values[name] = scale * torch.randn(shape, generator=generator)
        return values

    def to_dict(self) -> dict[str, Any]:
        """Kind, picture, width, depth, bumps and dropout."""
        names = ("kind", "width", "depth", "bumps", "dropout")
        return {name: getattr(self, name) for name in names} | {"picture": list(self.picture)}

    def modulate(self, parameters: Parameters, features: Tensor) -> Modulation:
        """Gains and shifts of every block and of the read-out at the given features."""
        names = [*self._blocks, "out"]
        gains = tuple(1.0 + features @ parameters[f"gain_{name}"].T for name in names)
        shifts = tuple(features @ parameters[f"shift_{name}"].T for name in names)
        bias, skip = (features @ parameters[f"{k}_out"].T for k in ("bias", "skip"))
        return Modulation(gains, shifts, bias, skip)

    def __call__(
        self,
        parameters: Parameters,
        modulation: Modulation,
        u: Tensor,
        dropout: torch.Generator | None = None,
    ) -> Tensor:
        """Outputs (times, n, outputs) at inputs u of shape (times, n, inputs); see `Trunk`.

        Parameters in bfloat16 compute in bfloat16; the outputs have the dtype of u.
        """
        films = zip(modulation.gains, modulation.shifts, strict=True)
        times, n = u.shape[:2]

        def switch(h: Tensor, modulated: bool) -> Tensor:
            if not modulated:
                return silu(h)
            h = silu(_film(h, *next(films), times, n))
            if dropout is not None and self.dropout > 0.0:
                keep = torch.rand(h.shape, generator=dropout) >= self.dropout
                h = h * keep.to(h.dtype).div_(1.0 - self.dropout)
            return h

        out = self._pass(parameters, u.flatten(0, 1), switch, parameters["map_in"])
        return self._with_ends(out.unflatten(0, (times, n)).to(u.dtype), modulation, u)

    def with_slopes(
        self, parameters: Parameters, modulation: Modulation, u: Tensor
    ) -> tuple[Tensor, Slopes]:
        """Outputs as in a call without dropout, and the slopes of the switches in their order,
        shapes (times, n, channels, rows, columns), after them S(t)."""
        films = zip(modulation.gains, modulation.shifts, strict=True)
        times, n = u.shape[:2]
        slopes = []

        def switch(h: Tensor, modulated: bool) -> Tensor:
            gain = None
            if modulated:
                gain, shift = next(films)
                h = _film(h, gain, shift, times, n)
            share = torch.sigmoid(h)
            value = h * share
            slope = (share * (1.0 + h - value)).unflatten(0, (times, n))
            slopes.append(slope if gain is None else slope * gain[..., None, None])
            return value

        out = self._pass(parameters, u.flatten(0, 1), switch, parameters["map_in"])
        assert modulation.skip is not None
        result = self._with_ends(out.unflatten(0, (times, n)), modulation, u)
        return result, (*slopes, modulation.skip)

    def tangents(self, parameters: Parameters, slopes: Slopes, directions: Tensor) -> Tensor:
        """J v, shape (times, n, k, outputs); see `Trunk`."""
        *switches, skip = slopes
        times, n = switches[0].shape[:2]
        remaining = iter(switches)
        v = directions if directions.ndim == 3 else directions[None]
        v = v[:, None].expand(times, n, -1, -1)
        k = v.shape[2]

        def switch(h: Tensor, modulated: bool) -> Tensor:
            del modulated
            slope = next(remaining)[:, :, None]
            return (h.unflatten(0, (times, n, k)) * slope).flatten(0, 2)

        out = self._pass(parameters, v.flatten(0, 2), switch, None)
        return out.unflatten(0, (times, n, k)) + self._skip(skip, v)

    def _pass(self, p: Parameters, u: Tensor, switch: _Switch, origin: Tensor | None) -> Tensor:
        """The network with given switches: u of shape (pictures, inputs) to (pictures, outputs).

        origin is what the first layer adds; a tangent has none.
        """
        rows, columns, colours = self.picture
        weight = p["weight_in"]
        # double precision has no fast convolution, and the plain layout is the better one there
        layout = torch.contiguous_format if weight.dtype == torch.double else torch.channels_last
        blocks = iter(self._blocks)

        def conv(h: Tensor, name: str, stride: int = 1) -> Tensor:
            w = p[f"weight_{name}"].contiguous(memory_format=layout)
            return conv2d(h, w, stride=stride, padding=w.shape[-1] // 2)

        def run(h: Tensor) -> Tensor:
            for _ in range(self.depth):
                name = next(blocks)
                inner = switch(conv(switch(h, False), f"1_{name}"), True)
                h = h + conv(inner, f"2_{name}")
            return h

        h = u.reshape(-1, rows, columns, colours).permute(0, 3, 1, 2).to(weight.dtype)
        h = conv(h, "in").contiguous(memory_format=layout)
        h, kept = h if origin is None else h + origin, []
        for i in range(self._below):
            h = run(h)
            kept.append(h)
            h = conv(h, f"fall_{i}", stride=2)
        h = run(h)
        for i in reversed(range(self._below)):
            upper = kept.pop()
            h = run(upper + interpolate(conv(h, f"rise_{i}"), size=upper.shape[-2:]))
        out = conv(switch(h, True), "out")
        # (kinds, rows, columns, colours), the order of the outputs
        return out.unflatten(1, (-1, colours)).permute(0, 1, 3, 4, 2).flatten(1)

    def _with_ends(self, out: Tensor, modulation: Modulation, u: Tensor) -> Tensor:
        """Outputs with S(t) u and c_out added."""
        assert modulation.skip is not None
        return out + self._skip(modulation.skip, u) + modulation.bias

    def _skip(self, skip: Tensor, u: Tensor) -> Tensor:
        """S(t) u: (times, ..., inputs) to (times, ..., outputs)."""
        colours = self.picture[2]
        mixing = skip.view(len(skip), -1, colours, colours)
        pixels = u.unflatten(-1, (-1, colours))
        return torch.einsum("tkcd,t...pd->t...kpc", mixing, pixels).flatten(-3)


def _film(h: Tensor, gain: Tensor, shift: Tensor, times: int, n: int) -> Tensor:
    """(1 + g) h + c with the numbers of its time for every picture, h (times n, channels, ...)."""
    h = h.unflatten(0, (times, n))
    gain, shift = (v[..., None, None].to(h.dtype) for v in (gain, shift))
    return torch.addcmul(shift, gain, h).flatten(0, 1)
