"""Where a run starts: the law of the first state.

    marginal   the exact law p_T of the noised data (for a data set: its noised training samples)
    prior      what a generative model starts from: N(0, noise of the process at T), or the
               moment-matched Gaussian
    state      the uncontrolled circuit's own steady state, which costs nothing to prepare

For the default volts per unit the prior is the node's own equilibrium (ve) or indistinguishable
from it (vp). Any other start is prepared at a cost of at least its relative entropy to equilibrium,
which is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.noise import Draws, Random
from thermohw.process import Normal
from thermohw.target import lift

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.control import Plan
    from thermohw.score import ExactScore
    from thermohw.target import Target

__all__ = ["StartLaw", "start_law"]

_GAUSSIAN = 1e-6  # nats


@dataclass(frozen=True, eq=False)
class StartLaw:
    """Law of the start states in model units.

    Attributes:
        kind: "marginal", "prior" or "state".
        mean: shape (n,).
        covariance: shape (n, n).
        draw: (n, source) -> float64 samples (n, dim).
        log_prob: log density of model-unit states (paths, dim) -> (paths,), where it is known.
        entropy: nats in model units, where it is known.
        entropy_error: its standard error, where it was sampled.
    """

    kind: str
    mean: NDArray[Any]
    covariance: NDArray[Any]
    draw: Callable[[int, Random], torch.Tensor]
    log_prob: Callable[[torch.Tensor], torch.Tensor] | None
    entropy: float | None
    entropy_error: float = 0.0

    @property
    def negentropy(self) -> Estimate | None:
        """How far the law is from Gaussian: its relative entropy J to the Gaussian of its moments,
        nats; None where its entropy is not known.

        J = (1/2) ln det(2 pi e C) - S >= 0. Whatever a filter for Gaussians says of a run that
        starts here, it says of a law at most J away from the true one.
        """
        if self.entropy is None:
            return None
        gap = Normal(self.mean, self.covariance).entropy - self.entropy
        return Estimate(max(float(gap), 0.0), self.entropy_error)

    @property
    def gaussian(self) -> bool:
        """Whether nothing that is said for Gaussians can be off by more than 1e-6 of a nat."""
        away = self.negentropy
        return away is not None and away.value + 3.0 * away.stderr < _GAUSSIAN

    def sample(self, seed: int, first: int, paths: int) -> torch.Tensor:
        """Start states of paths first .. first + paths - 1, float64, model units, shape (paths,
        dim).
        """
        return self.draw(paths, Draws(seed, first, paths))

    def preparation(self, plan: Plan) -> float:
        """Least work to prepare this law from the circuit's steady state, in k T (Gaussian
        moments), model-independent units.

        It is the relative entropy (1/2)(tr(P^-1 S) + m.P^-1 m - n - ln det(P^-1 S)); (1/2)(r - 1 -
        ln r) a node for r = S/P.
        """
        equilibrium = _steady(plan)
        precision = np.linalg.inv(equilibrium.matrix)
        ratio = precision @ self.covariance
        _, log_det = np.linalg.slogdet(ratio)
        return 0.5 * float(
            np.trace(ratio) + self.mean @ precision @ self.mean - len(self.mean) - log_det
        )


def start_law(
    plan: Plan, kind: str, *, target: Target | None = None, prior: str = "schedule"
) -> StartLaw:
    """The law of the first state of a plan's run.

    Args:
        plan: the worked-out protocol.
        kind: "marginal", "prior" or "state".
        target: the data; default the exact score's own.
        prior: which prior, "schedule" or "matched".

    Raises:
        InputError: unknown kind, or a marginal start without knowing the data.
    """
    protocol = plan.protocol
    process, score = protocol.process, protocol.score
    target = target if target is not None else getattr(score, "target", None)
    target = None if target is None else lift(target, process)
    if kind == "state":
        return _gaussian(kind, _steady(plan))
    if kind == "prior":
        if target is None and prior == "matched":
            raise InputError(
                "prior = 'matched' needs the data's moments: give the target", where="process.prior"
            )
        n = protocol.device.dim
        moments = (np.zeros(n), np.eye(n))
        if target is not None:
            moments = (target.mean, target.covariance)
        return _gaussian(kind, process.prior(prior, *moments))
    if kind != "marginal":
        raise InputError(
            f"{kind!r}: expected 'marginal', 'prior' or 'state'", where="simulate.start"
        )
    if target is None:
        raise InputError(
            "start = 'marginal' needs the data: give the target, or start from the prior",
            where="simulate.start",
        )
    mean, covariance = process.propagate(target.mean, target.covariance, process.duration)
    data = target
    try:
        return _exact(data.score(process), mean, covariance)
    except InputError:
        pass  # a data set: its noised training samples stand for the law

    def draw(n: int, generator: Random) -> torch.Tensor:
        decay, noise = process.transition(process.duration)
        return Normal(np.zeros(data.dim), noise).sample(n, generator) + _times(
            data.sample(n, generator), decay
        )

    return StartLaw("marginal", mean, covariance, draw, None, None)


def _times(x: torch.Tensor, decay: float | NDArray[Any]) -> torch.Tensor:
    return x @ torch.as_tensor(decay.T) if isinstance(decay, np.ndarray) else x * decay


def _exact(score: ExactScore, mean: NDArray[Any], covariance: NDArray[Any]) -> StartLaw:
    end = score.process.duration
    try:
        entropy = score.entropy(end)
    except InputError:
        entropy = None
    return StartLaw(
        kind="marginal",
        mean=mean,
        covariance=covariance,
        draw=lambda n, generator: score.sample(n, end, generator),
        log_prob=lambda x: score.log_prob(x, end),
        entropy=None if entropy is None else float(entropy.value),
        entropy_error=0.0 if entropy is None else float(entropy.stderr),
    )


def _gaussian(kind: str, law: Normal) -> StartLaw:
    return StartLaw(kind, law.mean, law.matrix, law.sample, law.log_prob, law.entropy)


def _steady(plan: Plan) -> Normal:
    device = plan.protocol.board
    covariance = device.hessian @ device.stationary_covariance @ device.hessian
    covariance = covariance * float(plan.schedule.temperatures[0])
    return Normal(np.zeros(device.dim), plan.protocol.covariance_to_model(covariance))
