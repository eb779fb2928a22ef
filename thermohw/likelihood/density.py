"""The model's own density of given states, by the probability flow: those that a run ends in.

Any normalised density makes the log path ratios of `thermohw.books.production` a bound; the one
that the score itself defines is close to the law of what the circuit generates, in any number of
dimensions. It is a density up to the flow's own error, which is kept beside it, and so are the
settings: an audit computes it again from the file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from thermohw.likelihood.flow import Flow, flow_nll
from thermohw.likelihood.progress import silent
from thermohw.likelihood.reference import Reference
from thermohw.likelihood.timeline import Timeline
from thermohw.likelihood.trace import choose_trace
from thermohw.noise import Stream, block_generator
from thermohw.target import GaussianMixture, lift

if TYPE_CHECKING:
    from torch import Tensor

    from thermohw.score import Score
    from thermohw.target import Target

__all__ = ["EndDensity"]

_BLOCK = 2  # of the likelihood's stream; 0 and 1 are those of held-out points


@dataclass(frozen=True)
class EndDensity:
    """How the density of end states is computed.

    Attributes:
        points: how many of a run's first paths.
        prior: "schedule" or "matched".
        probes: Hutchinson probes, unbiased; 0 for exact divergences.
        tolerance: of the flow solver, nats.
        solver: "adaptive" or "fixed".
        steps: how many fixed ones.
        seed: of the probes.
    """

    points: int
    prior: str = "schedule"
    probes: int = 0
    tolerance: float = 1e-5
    solver: str = "adaptive"
    steps: int | None = None
    seed: int = 0

    def evaluate(self, score: Score, target: Target, x: Tensor) -> Flow:
        """-ln rho of states.

        Args:
            score: the model.
            target: the data, for a matched prior and for the clock.
            x: shape (paths, dim), model units.

        Returns:
            Values in model units with their numerical errors.
        """
        target, process = lift(target, score.process), score.process
        smooth = isinstance(target, GaussianMixture)
        timeline = Timeline.of(process, target.narrowest if smooth else 0.0)
        generator = block_generator(self.seed, _BLOCK, Stream.LIKELIHOOD)
        closed = score.divergence_products == 0 and process.isotropic
        threads = torch.get_num_threads()
        found = flow_nll(
            score,
            x,
            process.prior(self.prior, target.mean, target.covariance),
            timeline=timeline,
            trace=choose_trace(self.probes, target.dim, generator, closed_form=closed),
            reference=Reference(timeline, target.covariance, target.mean),
            tolerance=self.tolerance,
            solver=self.solver,
            steps=self.steps,
            progress=silent,
        )
        torch.set_num_threads(threads)
        return found

    def settings(self) -> dict[str, Any]:
        """The keys of a file."""
        return asdict(self)
