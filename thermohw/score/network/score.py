r"""A learned score: preconditioner, network and weights, for one process and one data distribution.

    s(x, t) = head(trunk(u(x, t); weights), x, t)

The head knows what is known beforehand - the data's mean and covariance, the process's exact
Gaussian transitions, the edges of grey levels - and asks the trunk for the rest: `GaussianHead`
for continuous data, `LevelsHead` for dequantised data, `PlainHead` where nothing shall be known;
on circuits with inductors any of them inside a `JointHead`.
The trunk is dense (`MLP`) or, for pictures, a `UNet`. Every pair has exact divergences, and every
score is defined at every t: before the first noise level that training saw, the score is that of
this level, or (joint scores) its network's output is.

Everything a score is, is in its weights (float32), its head's arrays (float64) and a description
that survives JSON; `weights` stores the three. Evaluation follows the dtype of the states: float32
for sampling, float64 for likelihoods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.process import Langevin, Observed, Process
from thermohw.score.base import Field, Score
from thermohw.score.network.clock import NoiseClock, NoiseMoments
from thermohw.score.network.gaussian import GaussianHead
from thermohw.score.network.joint import JointHead
from thermohw.score.network.levels import LevelsHead
from thermohw.score.network.mlp import MLP
from thermohw.score.network.plain import PlainHead
from thermohw.score.network.trunk import Modulation, Parameters, Trunk
from thermohw.score.network.unet import UNet
from thermohw.target import Target

__all__ = ["Head", "NetworkField", "NetworkScore", "build_head"]

Head = GaussianHead | LevelsHead | PlainHead | JointHead
_HEADS: dict[str, type[GaussianHead] | type[LevelsHead] | type[PlainHead]] = {
    cls.kind: cls for cls in (GaussianHead, LevelsHead, PlainHead)
}
_TRUNKS: dict[str, type[MLP] | type[UNet]] = {cls.kind: cls for cls in (MLP, UNet)}
_KNOWN = 0.1  # of the first time that training saw: down to it joint scores follow the momenta
_ROWS = 128  # states at a time: the arrays over levels then stay in the cache


class NetworkField(Field):
    """A network score at one time.

    Args:
        head: preconditioner and read-out.
        parameters: weights, by dtype and device; shared by all fields of a score.
        modulation: of this time, float64.
        moments: of this time, float64.
    """

    def __init__(
        self, head: Head, parameters: _Casts, modulation: Modulation, moments: NoiseMoments
    ) -> None:
        self._head, self._parameters = head, parameters
        self._float64 = modulation, moments
        self._cast: dict[tuple[torch.dtype, torch.device], tuple[Modulation, NoiseMoments]] = {}

    def _like(self, x: Tensor) -> tuple[Parameters, Modulation, NoiseMoments]:
        key = x.dtype, x.device
        if key not in self._cast:
            modulation, moments = self._float64
            self._cast[key] = modulation.like(x), moments.like(x)
        return (self._parameters.like(x), *self._cast[key])

    def __call__(self, x: Tensor) -> Tensor:
        """Score at states x of shape (paths, dim)."""
        constants = self._like(x)
        parts = [self._head.score(*constants, rows[None])[0] for rows in x.split(_ROWS)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score (paths, dim) and exact divergence (paths,)."""
        constants = self._like(x)
        pairs = [self._head.score_and_divergence(*constants, rows[None]) for rows in x.split(_ROWS)]
        return torch.cat([s[0] for s, _ in pairs]), torch.cat([d[0] for _, d in pairs])

    def weighted_divergence(self, x: Tensor, weight: Tensor) -> Tensor | None:
        """tr(W grad s), (paths,), of joint scores, which have it for the price of a divergence."""
        if not isinstance(self._head, JointHead):
            return None
        head, constants, weight = self._head, self._like(x), weight.to(x)
        pairs = [head.score_and_trace(*constants, r[None], weight) for r in x.split(_ROWS)]
        return torch.cat([trace[0] for _, trace in pairs])

    def quick_divergence(self, x: Tensor) -> Tensor | None:
        """The read-out's own divergence at fixed network outputs, where it has one; (paths,)."""
        if isinstance(self._head, JointHead):
            joint, constants = self._head, self._like(x)
            parts = [joint.direct_trace(*constants, r[None]) for r in x.split(_ROWS)]
            known = [part[0] for part in parts if part is not None]
            return torch.cat(known) if known else None
        if not isinstance(self._head, LevelsHead):
            return None
        head, constants = self._head, self._like(x)
        return torch.cat([head.direct_divergence(*constants, r[None])[0] for r in x.split(_ROWS)])


class _Casts:
    """Weights, converted once for each dtype and device that asks."""

    def __init__(self, parameters: Parameters) -> None:
        self._own = dict(parameters)
        self._cast: dict[tuple[torch.dtype, torch.device], Parameters] = {}

    def like(self, x: Tensor) -> Parameters:
        key = x.dtype, x.device
        if key not in self._cast:
            self._cast[key] = {k: v.to(x.device, x.dtype) for k, v in self._own.items()}
        return self._cast[key]


class NetworkScore(Score):
    """A learned score.

    Attributes:
        process: the forward process it was trained for.
        dim: number of coordinates.
        narrowest: variance of the narrowest mode of the data, model units.
        target: the data, where known (a score read from a file does not know them).
        head: preconditioner and read-out.
        parameters: weights, float32.
        record: how it came about: name, shift and scale of the data, seed, steps, validation curve;
            JSON-ready.
        effort: what the training took, "seconds" and "cpu_seconds" of all its sessions; None for a
            score read from a file. Not part of the record, which a seed decides.
    """

    def __init__(
        self,
        head: Head,
        parameters: Parameters,
        *,
        record: Mapping[str, Any] | None = None,
        target: Target | None = None,
        effort: Mapping[str, float] | None = None,
    ) -> None:
        self.process, self.head = head.process, head
        self.effort = None if effort is None else dict(effort)
        self.dim, self.narrowest = len(head.mean), head.narrowest
        self.parameters, self.record, self.target = dict(parameters), dict(record or {}), target
        watched = head.inner.process if isinstance(head, JointHead) else head.process
        self._clock = NoiseClock(watched, head.finest)
        self._casts = _Casts(self.parameters)
        self._double = self._casts.like(torch.empty(0, dtype=torch.float64))

    def at(self, t: float) -> NetworkField:
        """The field at model time t."""
        clipped = self._clock.clip(float(t))
        features = self.head.trunk.features(self._clock.conditioning([clipped]))
        modulation = self.head.trunk.modulate(self._double, features)
        if isinstance(self.head, JointHead):
            # what momenta do at short times is known, and changes fast: the network alone waits
            clipped = min(max(float(t), _KNOWN * clipped), self.process.duration)
        return NetworkField(self.head, self._casts, modulation, self.head.moments([clipped]))

    @property
    def divergence_products(self) -> int:
        """0 for a dense trunk of at most two layers under a head whose divergence takes one matrix
        for all states (not "levels"): then it costs about a forward pass; else dim."""
        return 0 if self.head.one_trace and self.head.trunk.closed_form else self.dim

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """The first noise level that training saw: before it the score stands still."""
        return (self._clock.earliest,)

    @property
    def shift(self) -> np.ndarray:
        """Data-unit origin of the model units, shape (dim,)."""
        return np.asarray(self.record["shift"], dtype=np.float64)

    @property
    def scale(self) -> float:
        """Data units per model unit."""
        return float(self.record["scale"])


def build_head(
    kind: str,
    process: Process,
    arrays: Mapping[str, np.ndarray],
    *,
    numbers: Mapping[str, Any],
    trunk: Mapping[str, Any],
) -> Head:
    """A head from its description: the inverse of its `to_dict` and `arrays`. Under a Langevin
    process it is that of the data, in a `JointHead`.

    Args:
        kind: "gaussian", "levels" or "plain".
        process: the forward process.
        arrays: preconditioner arrays.
        numbers: preconditioner numbers.
        trunk: kind of the network ("mlp" where it is missing) and its own numbers: width, depth,
            bumps, dropout; the picture of a "unet".

    Raises:
        InputError: an unknown kind of head or trunk.
    """
    if not isinstance(kind, str) or kind not in _HEADS:
        raise InputError(
            f"{kind!r} is not a head; choose {', '.join(_HEADS)}", where="score.architecture.head"
        )
    if isinstance(process, Langevin):
        seen = build_head(kind, Observed(process), arrays, numbers=numbers, trunk=trunk)
        assert not isinstance(seen, JointHead)
        return JointHead(process, seen)
    head = _HEADS[kind]
    dim = len(arrays["mean"])
    shape = _build_trunk(dim, head.outputs(dim), **trunk)
    return head(process=process, trunk=shape, **arrays, **numbers)


def _build_trunk(inputs: int, outputs: int, *, kind: str = MLP.kind, **numbers: Any) -> Trunk:
    """A trunk from its `to_dict`."""
    if not isinstance(kind, str) or kind not in _TRUNKS:
        raise InputError(
            f"{kind!r} is not a trunk; choose {', '.join(_TRUNKS)}",
            where="score.architecture.trunk",
        )
    return _TRUNKS[kind](inputs=inputs, outputs=outputs, **numbers)
