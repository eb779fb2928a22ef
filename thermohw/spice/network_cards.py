r"""A small network score as behavioural sources: every hidden unit one source.

    u   = W (x - c)                                     what the head shows to the network
    h_l = silu(a_l),  a_l = g_l (W_l h_{l-1}) + f_l      gains g_l and shifts f_l of the noise level
    s   = B (W_{L+1} h_L + f_{L+1}) - P (x - c)

silu(a) = a/(1 + e^-a). W, B, P and c of the head are tables over the run; g_l and f_l are linear in
Gaussian bumps of the noise level, hence sources too, shared by all cells. Heads that read every
grey level, pictures' networks and more than `MOST` hidden units are left to a replay: a simulator
solves for all units at once, and its time grows with the square of their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.errors import InputError
from thermohw.score.network import NetworkScore
from thermohw.score.network.gaussian import GaussianHead
from thermohw.score.network.mlp import MLP
from thermohw.score.network.plain import PlainHead
from thermohw.spice.cards import plain
from thermohw.spice.controllers import ScoreCards, unscaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST", "NetworkCards"]

MOST = 64
"""Most hidden units that are written as sources."""


class NetworkCards(ScoreCards):
    """A dense network score, evaluated by B-sources."""

    def prepare(self) -> None:
        """Find the network behind the score.

        Raises:
            InputError: there is none, or it is too large.
        """
        score, self.factor = unscaled(self.plan.protocol.score)
        if not isinstance(score, NetworkScore) or not isinstance(score.head.trunk, MLP):
            raise InputError("not a dense network", where="score.kind")
        if not isinstance(score.head, (GaussianHead, PlainHead)):
            raise InputError("its read-out of grey levels is no sum of sources", where="score.kind")
        units = score.head.trunk.width * score.head.trunk.depth
        if units > MOST:
            raise InputError(f"{units} hidden units; at most {MOST} are written as sources",
                             where="score.architecture")  # fmt: skip
        self.network, self.head, self.trunk = score, score.head, score.head.trunk
        self.weights = {k: v.double().numpy() for k, v in score.parameters.items()}
        d, width = score.dim, self.trunk.width
        hidden = [f"{kind}{layer}" for layer in range(self.trunk.depth) for kind in "gf"]
        names = [f"{n}_{i}" for n in hidden for i in range(width)]
        names += [f"fo_{i}" for i in range(d)] + [f"hc_{i}" for i in range(d)]
        names += [f"{n}_{i}" for n in ("hw", "hb", "hp") for i in range(d * d)]
        self.common = ("ron", *names)

    def schedule(self, seconds: float) -> list[str]:
        """What the noise level decides: bumps, gains, shifts, and the head's matrices."""
        clock = self.network._clock

        def conditioning(times: NDArray[Any]) -> NDArray[Any]:
            return clock.conditioning([float(t) for t in times]).numpy()

        lines = self.table("conditioning", conditioning, seconds)
        count = self.trunk.bumps
        for b in range(count):
            away = f"(v(conditioning_0)-{plain(b / (count - 1))})*{plain(count - 1)}"
            lines.append(f"B_e_{b} e_{b} 0 V = exp(-0.5*({away})*({away}))")
        for layer in range(self.trunk.depth):
            gain, shift = (self.weights[f"{kind}_{layer + 1}"] for kind in ("gain", "shift"))
            bias = self.weights[f"bias_{layer + 1}"]
            for i in range(self.trunk.width):
                lines.append(f"B_g{layer}_{i} g{layer}_{i} 0 V = 1{_bumps(gain[i])}")
                own = f"{plain(bias[i])}*v(g{layer}_{i}){_bumps(shift[i])}"
                lines.append(f"B_f{layer}_{i} f{layer}_{i} 0 V = {own}")
        for i, row in enumerate(self.weights[f"shift_{self.trunk.depth + 1}"]):
            lines.append(f"B_fo_{i} fo_{i} 0 V = 0{_bumps(row)}")
        for name, course in (("hc", 0), ("hw", 1), ("hb", 2), ("hp", 3)):
            lines += self.table(name, lambda t, k=course: self._matrices(t)[k], seconds)
        return lines

    def _matrices(self, times: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """c (M, d), and W, B, P (M, d, d) of the head at model times."""
        clipped = [self.network._clock.clip(float(t)) for t in times]
        d = self.network.dim
        parts: list[list[NDArray[Any]]] = [[], [], [], []]
        for t in clipped:
            moments = self.head.moments([t])
            eye = torch.eye(d, dtype=torch.float64)
            centre = moments["centre"].reshape(-1).expand(d)
            if isinstance(self.head, PlainHead):
                maps = [eye * moments["shrink"].item(), eye * moments["size"].item(), 0.0 * eye]
            else:
                maps = [self.head._apply(moments, name, eye[None])[0].T
                        for name in ("whiten", "size", "precision")]  # fmt: skip
            for part, value in zip(parts, [centre, *maps], strict=True):
                part.append(value.numpy())
        return tuple(np.stack(part) for part in parts)

    def score(self, dim: int) -> list[str]:
        """Inputs, hidden units, outputs."""

        def times(table: str, vector: str, row: int) -> str:
            return "+".join(f"v({table}_{row * dim + j})*v({vector}_{j})" for j in range(dim))

        lines = [f"B_z_{i} z_{i} 0 V = v(x_{i})-v(hc_{i})" for i in range(dim)]
        lines += [f"B_h_{i} hu_{i} 0 V = {times('hw', 'z', i)}" for i in range(dim)]
        below = [f"hu_{i}" for i in range(dim)]
        for layer in range(self.trunk.depth):
            here = []
            for i, row in enumerate(self.weights[f"weight_{layer + 1}"]):
                lines += _sum(f"m{layer}_{i}", row, below)
                act = f"(v(g{layer}_{i})*v(m{layer}_{i})+v(f{layer}_{i}))"
                unit = f"h{layer}_{i}"
                lines.append(f"B_{unit} {unit} 0 V = {act}/(1+exp(min(-{act},80)))")
                here.append(unit)
            below = here
        for i, row in enumerate(self.weights[f"weight_{self.trunk.depth + 1}"]):
            lines += [*_sum(f"mo_{i}", row, below), f"B_o_{i} o_{i} 0 V = v(mo_{i})+v(fo_{i})"]
        for i in range(dim):
            whole = f"({times('hb', 'o', i)})-({times('hp', 'z', i)})"
            lines.append(f"B_s_{i} s_{i} 0 V = {plain(self.factor)}*({whole})")
        return lines


def _sum(node: str, row: NDArray[Any], nodes: list[str]) -> list[str]:
    """A weighted sum as currents into 1 ohm: linear elements, which cost the simulator least."""
    lines = [f"R_{node} {node} 0 1 noisy=0"]
    return lines + [f"G_{node}_{j} 0 {node} {n} 0 {plain(w)}"
                    for j, (w, n) in enumerate(zip(row, nodes, strict=True))]  # fmt: skip


def _bumps(row: NDArray[Any]) -> str:
    return "".join(f"+{plain(w)}*v(e_{b})" for b, w in enumerate(row))
