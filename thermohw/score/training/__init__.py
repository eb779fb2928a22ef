"""Training a network score by likelihood, resumable from a checkpoint."""

from thermohw.score.training.fit import Training, fit_score

__all__ = ["Training", "fit_score"]
