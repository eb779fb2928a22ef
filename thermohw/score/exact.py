"""Which exact score belongs to which target; registers itself as what `target.score` returns."""

from __future__ import annotations

from thermohw.errors import InputError
from thermohw.process import Process, Relaxation
from thermohw.score.base import ExactScore
from thermohw.score.mixture import MixtureScore
from thermohw.score.uniform import UniformScore
from thermohw.target import GaussianMixture, Target, UniformPixels, lift, provide_exact_scores

__all__ = ["ExactScore", "exact_score"]


def exact_score(target: Target, process: Process) -> ExactScore:
    """The exact score of a target under a process.

    Args:
        target: a Gaussian, a mixture, or uniform pixels.
        process: any of the same dimension; for uniform pixels one that does not couple them.
            Under a Langevin process the score is that of the data with momenta beside them.

    Returns:
        The score, which also knows the density, samples and entropy of every p_t.

    Raises:
        InputError: a data set, dimensions that differ, or uniform pixels on a coupled circuit.
    """
    target = lift(target, process)
    if process.dim not in (None, target.dim):
        problem = f"the process has {process.dim} coordinates but the target has {target.dim}"
        raise InputError(problem, where="process")
    if isinstance(target, GaussianMixture):
        return MixtureScore(target, process)
    if isinstance(target, UniformPixels):
        if isinstance(process, Relaxation) and not process.diagonal:
            problem = "uniform pixels on coupled nodes have no exact score; train a network"
            raise InputError(problem, where="score.kind")
        return UniformScore(target, process)
    problem = f"the score of {target.name} is not known exactly; train a network or load a file"
    raise InputError(problem, where="score.kind")


provide_exact_scores(exact_score)
