r"""What moves a state in generation, by the three definitions that a critical time may have.

In generation time tau = T - t, frozen at noise time t, dx/dtau = c_0 x + c_1 s(x, t):

| definition | drift          | criterion                                                          |
|------------|----------------|--------------------------------------------------------------------|
| "score"    | s              | zeros of the score: modes of p_t                                   |
| "sde"      | -F x + g^2 s   | zeros of the reverse SDE's drift (Raya & Ambrogioni; Yu & Huang)   |
| "flow"     | -F x + g^2 s/2 | zeros of the probability flow                                      |

dx = F x dt + g dW the process. A variance-exploding process has F = 0 and one answer; the others
have three, and the flow of a variance-preserving one has none where the symmetric point is unstable
at any noise. On an RC node under held control the loop that plays the reverse SDE is the circuit
itself, and its small-signal conductance against its own 1/R is minus the slope of the drift over
that of a bare node, g^2/2:

    G R = -(-F + g^2 s'(x))/(g^2/2)  =  -1 - 2 s'(x)   for OU and VP.

It is negative while the loop would fall to rest at x, so that speciation is a sign of conductance.

Sources: a law of noiseless data with a process; a data set (`Patterns`); or any score. The Jacobian
of exact mixtures is known in closed form, that of every other score by automatic differentiation.

Reference: G. Raya, L. Ambrogioni, "Spontaneous symmetry breaking in generative diffusion models",
NeurIPS 2023, https://arxiv.org/abs/2305.19693
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from thermohw.errors import InputError
from thermohw.process import Process
from thermohw.transitions.ensemble import Noiseless, Smooth, numbers, signal

if TYPE_CHECKING:
    from thermohw.score.base import Field, Score

__all__ = ["CRITERIA", "FrozenDrift", "ScoreSource", "negative_conductance", "source_of"]

CRITERIA = {
    "score": "zero of the score s(x, t)",
    "sde": "zero of the reverse-SDE drift -F x + g^2 s(x, t)",
    "flow": "zero of the probability-flow drift -F x + g^2 s(x, t)/2",
}
"""Definition -> what vanishes at its fixed points."""


class ScoreSource(Protocol):
    """A score with its Jacobian, one state at a time.

    Attributes:
        process: the isotropic process.
        dim: number of coordinates.
    """

    process: Process
    dim: int

    def score(self, x: np.ndarray, t: float) -> np.ndarray:
        """s(x, t), shape (d,), model units."""
        ...

    def jacobian(self, x: np.ndarray, t: float) -> np.ndarray:
        """ds/dx, shape (d, d)."""
        ...

    def guess(self) -> np.ndarray:
        """A mean of the data, shape (d,), from which fixed points are looked for."""
        ...


class _FromData:
    """The score of noiseless data: s = (a <y> - x)/v."""

    def __init__(self, data: Noiseless, process: Process) -> None:
        self.data, self.process, self.dim = data, process, data.dim

    def score(self, x: np.ndarray, t: float) -> np.ndarray:
        decay, noise = signal(self.process, t)
        return (decay * self.data.moments(x / decay, decay**2 / noise)[0] - x) / noise

    def jacobian(self, x: np.ndarray, t: float) -> np.ndarray:
        decay, noise = signal(self.process, t)
        beta = decay**2 / noise
        return (beta * self.data.moments(x / decay, beta)[1] - np.eye(self.dim)) / noise

    def guess(self) -> np.ndarray:
        return self.data.mean


class _FromScore:
    """Any score of torch, in double precision, its Jacobian by automatic differentiation."""

    def __init__(self, score: Score) -> None:
        self.base, self.process, self.dim = score, score.process, score.dim
        self._known: tuple[float, Field] | None = None

    def _at(self, t: float) -> Field:
        signal(self.process, t)  # refuses times and processes
        if self._known is None or self._known[0] != t:
            self._known = t, self.base.at(t)
        return self._known[1]

    def score(self, x: np.ndarray, t: float) -> np.ndarray:
        import torch

        with torch.no_grad():
            return self._at(t)(torch.tensor(x, dtype=torch.float64)[None])[0].numpy()

    def jacobian(self, x: np.ndarray, t: float) -> np.ndarray:
        import torch
        from torch.autograd.functional import jacobian

        field, point = self._at(t), torch.tensor(x, dtype=torch.float64)
        with torch.enable_grad():
            return jacobian(lambda y: field(y[None])[0], point).detach().numpy()  # pyright: ignore

    def guess(self) -> np.ndarray:
        target = self.base.target
        return np.zeros(self.dim) if target is None else np.asarray(target.mean, dtype=np.float64)


def source_of(data: Any, process: Process | None = None) -> ScoreSource:
    """A score with its Jacobian, of whatever knows one.

    Args:
        data: noiseless data (`Patterns`, `Smooth`, `Sphere`, ...), a thermohw score, or what is a
            source already.
        process: the isotropic forward process; noiseless data need it, the others have theirs.

    Raises:
        InputError: data without a process, a process beside a score, one with matrices, or
            something that has no score.
    """
    if isinstance(data, Noiseless):
        if process is None:
            raise InputError("noiseless data need a process", where="process")
        source: ScoreSource = _FromData(data, process)
    elif process is not None and process is not getattr(data, "process", None):
        raise InputError("the score has its own process; give none", where="process")
    elif all(hasattr(data, name) for name in ("score", "jacobian", "guess")):
        source = data
    else:
        source = _of_score(data)
    signal(source.process, source.process.duration)
    return source


def _of_score(score: Any) -> ScoreSource:
    from thermohw.score.base import Score
    from thermohw.score.mixture import MixtureScore

    if isinstance(score, MixtureScore) and score.process.isotropic:
        return _FromData(Smooth(score.target.law), score.process)
    if not isinstance(score, Score):
        problem = f"expected noiseless data or a score, got {type(score).__name__}"
        raise InputError(problem, where="transitions.source")
    return _FromScore(score)


class FrozenDrift:
    """The drift of one definition, with a constant force where wanted.

    Args:
        source: a score with its Jacobian.
        definition: "score", "sde" or "flow".

    Attributes:
        criterion: in words, what vanishes.

    Raises:
        InputError: another definition.
    """

    def __init__(self, source: ScoreSource, definition: str) -> None:
        if definition not in CRITERIA:
            problem = f"{definition!r} is not a definition; choose {', '.join(CRITERIA)}"
            raise InputError(problem, where="transitions.definition")
        self.source, self.definition, self.dim = source, definition, source.dim
        self.criterion = CRITERIA[definition]

    def coefficients(self, t: float) -> tuple[float, float]:
        """c_0 and c_1."""
        if self.definition == "score":
            return 0.0, 1.0
        power = float(self.source.process.diffusion(t))
        share = 1.0 if self.definition == "sde" else 0.5
        return -float(self.source.process.drift(t)), share * power

    def value(self, x: np.ndarray, t: float, force: np.ndarray | float = 0.0) -> np.ndarray:
        """c_0 x + c_1 (s + force), shape (d,)."""
        linear, factor = self.coefficients(t)
        return linear * x + factor * (self.source.score(x, t) + force)

    def jacobian(self, x: np.ndarray, t: float) -> np.ndarray:
        """c_0 + c_1 ds/dx, shape (d, d)."""
        linear, factor = self.coefficients(t)
        return linear * np.eye(self.dim) + factor * self.source.jacobian(x, t)

    def scale(self, x: np.ndarray, t: float) -> float:
        """A size of the terms that cancel at a fixed point: what a residual is small against."""
        linear, factor = self.coefficients(t)
        noise = signal(self.source.process, t)[1]
        length = float(np.linalg.norm(x))
        return abs(linear) * length + factor * (length / noise + 1.0 / np.sqrt(noise))


def negative_conductance(score: Any, t: float, *, at: Any = 0.0) -> float:
    """G R of the held loop that plays the reverse SDE, of its least stable direction.

    Args:
        score: a thermohw score of an isotropic process, or a source of `source_of`.
        t: noise time, 0 < t <= duration.
        at: the state, model units: a number for all coordinates or shape (d,).

    Returns:
        -(-F + g^2 lambda)/(g^2/2), lambda the largest eigenvalue of ds/dx: the small-signal
        conductance over that of the bare node, dimensionless. Positive: the state is pulled back.

    Raises:
        InputError: no score, another time or another shape.
    """
    source = source_of(score)
    point = numbers(at, "transitions.at")
    if point.shape not in ((1,), (source.dim,)):
        problem = f"expected {source.dim} coordinates, got shape {point.shape}"
        raise InputError(problem, where="transitions.at")
    signal(source.process, t)
    slopes = FrozenDrift(source, "sde").jacobian(np.broadcast_to(point, (source.dim,)), t)
    steepest = float(np.linalg.eigvalsh(0.5 * (slopes + slopes.T))[-1])
    return -steepest / (0.5 * float(source.process.diffusion(t)))
