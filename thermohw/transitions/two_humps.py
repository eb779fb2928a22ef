r"""The law on which the transitions of generation were worked out: two equal humps on a line.

    p_0 = (1/2) N(mu, sigma^2) + (1/2) N(-mu, sigma^2)           (model units)
    p_t = (1/2) N(c, D) + (1/2) N(-c, D),     c = decay mu,  D = decay^2 sigma^2 + noise

sigma^2 = 0 are two deltas. Which hump a state came from is one bit in Gaussian noise, of
snr(t) = c^2/D; given x its mean is tanh(c x/D).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thermohw.errors import InputError
from thermohw.process import OU, Process
from thermohw.target import GaussianMixture, MixtureLaw, Target

__all__ = ["TwoHumps"]

_ALIKE = 1e-12  # of the larger number: what rounding leaves of an equality


@dataclass(frozen=True)
class TwoHumps:
    """(1/2) N(mu, variance) + (1/2) N(-mu, variance) on a line, model units.

    Attributes:
        mu: where the humps stand, positive.
        variance: of each hump; 0 for two deltas.

    Raises:
        InputError: a mu that is not positive (one hump breaks no symmetry), a negative variance.
    """

    mu: float
    variance: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mu) and self.mu > 0.0):
            problem = f"two humps stand at +-mu, mu > 0, got {self.mu!r}: one hump has no classes"
            raise InputError(problem, where="transitions.mu")
        if not (math.isfinite(self.variance) and self.variance >= 0.0):
            problem = f"the variance of a hump is 0 or more, got {self.variance!r}"
            raise InputError(problem, where="transitions.variance")

    @classmethod
    def of(cls, target: Target) -> TwoHumps:
        """The two humps that a target is.

        Raises:
            InputError: it is none, or lacks the symmetry x -> -x that every formula here assumes.
        """
        where = "transitions.target"
        if not isinstance(target, GaussianMixture) or target.dim != 1:
            problem = f"{target.name} is not a mixture of Gaussians on a line"
            raise InputError(problem, where=where)
        law = target.law
        if len(law.weights) != 2:
            problem = f"expected two humps, got {len(law.weights)}"
            raise InputError(problem, where=where)
        (a, b), (u, v) = law.means[:, 0], law.spread.reshape(2)
        for what, one, other in (("places +-mu", -a, b), ("variances", u, v),
                                 ("weights", *law.weights)):  # fmt: skip
            if abs(one - other) > _ALIKE * max(abs(one), abs(other)):
                has = f"places {a:g} and {b:g}, variances {u:g} and {v:g}"
                problem = (
                    f"the symmetry x -> -x is assumed, but the {what} differ: {has}, "
                    f"weights {law.weights.tolist()}"
                )
                raise InputError(problem, where=where)
        return cls(abs(float(b)), float(v))

    def at(self, t: float, process: Process | None = None) -> tuple[float, float]:
        """(c, D): where the humps of p_t stand and how wide they are.

        Args:
            t: model time, 0 or later.
            process: one that acts on every coordinate alike. Default: OU.

        Raises:
            InputError: a negative time, or a process with matrices.
        """
        decay, noise = transition(t, process)
        return decay * self.mu, decay**2 * self.variance + noise

    def snr(self, t: float, process: Process | None = None) -> float:
        """c^2/D, infinite for two deltas at t = 0; arguments and errors of `at`."""
        centre, width = self.at(t, process)
        return centre**2 / width if width > 0.0 else math.inf

    def law(self, t: float = 0.0, process: Process | None = None) -> MixtureLaw:
        """p_t as a mixture; arguments and errors of `at`, and of deltas at t = 0."""
        centre, width = self.at(t, process)
        if not width > 0.0:
            raise InputError("two deltas have no density", where="transitions.variance")
        means = np.array([[centre], [-centre]])
        return MixtureLaw(np.full(2, 0.5), means, np.full((2, 1), width))


def transition(t: float, process: Process | None = None) -> tuple[float, float]:
    """(decay, noise) as floats of an isotropic process, OU by default; see `TwoHumps.at`."""
    process = OU() if process is None else process
    if not process.isotropic:
        problem = f"a {process.kind} process does not act on every coordinate alike"
        raise InputError(problem, where="transitions.process")
    if not (math.isfinite(t) and t >= 0.0):
        raise InputError(f"a model time is 0 or later, got {t!r}", where="transitions.t")
    decay, noise = process.transition(t)
    return float(decay), float(noise)
