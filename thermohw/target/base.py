r"""What a data distribution is to the rest of the house.

Model units and data units.   data = shift + scale * x,   scale one positive float. Everything a
target returns is in model units unless it says so; densities convert by

    NLL_data = NLL_model + dim ln(scale),          S_data = S_model + dim ln(scale).

A target is either *analytic* (its density is known: samples never repeat, entropy and exact score
exist) or a *data set* (rows split into training, validation and test; the density is unknown).

The exact score of p_t belongs to the score room, one floor above. It hands its builder down through
`provide_exact_scores` when it is imported, so that `target.score(process)` reads naturally and the
floors still only import downwards.
"""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from thermohw.noise import Random
    from thermohw.process import Process
    from thermohw.score.exact import ExactScore

__all__ = ["Target", "provide_exact_scores"]

_builder: list[Callable[[Any, Any], ExactScore]] = []


def provide_exact_scores(build: Callable[[Any, Any], ExactScore]) -> None:
    """Register build(target, process) -> ExactScore; the score room calls this on import."""
    _builder[:] = [build]


class Target(ABC):
    """A data distribution.

    Attributes:
        kind: name in a SPEC.
        name: what a report calls it.
        dim: number of coordinates.
        shift: data-unit origin of the model units, shape (dim,), float64.
        scale: data units per model unit.
        entropy: S0 in nats, data units; None where unknown.
        mean: shape (dim,), model units.
        covariance: shape (dim, dim), model units.
        narrowest: smallest variance of any mode at zero noise, model units.
        analytic: the density is known and samples never repeat.
        image_shape: (rows, columns[, channels]) of one sample, None when it is not a picture.
    """

    kind: str
    analytic: bool = True
    name: str
    dim: int
    shift: np.ndarray
    scale: float
    entropy: float | None
    mean: np.ndarray
    covariance: np.ndarray
    narrowest: float
    image_shape: tuple[int, ...] | None = None

    @abstractmethod
    def sample(self, n: int, generator: Random) -> Tensor:
        """Draw n samples, shape (n, dim), float64, model units (data sets: training rows)."""

    @property
    def repeats(self) -> bool:
        """A training draws from finitely many images, which a network may learn by heart; else
        every sample is a new one."""
        return not self.analytic

    def training_draws(self, n: int, generator: Random) -> Tensor:
        """What a training step takes: n samples, shape (n, dim), float64, model units; of finitely
        many images with replacement."""
        return self.sample(n, generator)

    def training(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Training points, shape (n, dim), float64, model units; analytic: fresh samples."""
        return self._fresh(n, generator)

    def validation(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Points to stop a training by, shape (n, dim), float64, model units."""
        return self._fresh(n, generator)

    def held_out(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Points never trained on, shape (n, dim), float64, model units.

        Data sets: n different test rows, drawn without replacement; None for all of them in order.
        Analytic targets: fresh samples (n is then required).
        """
        return self._fresh(n, generator)

    def _fresh(self, n: int | None, generator: torch.Generator) -> Tensor:
        assert n is not None, "an analytic target has no last row: say how many samples"
        return self.sample(n, generator)

    def score(self, process: Process) -> ExactScore:
        """Exact score of p_t under a process, an `ExactScore`.

        Raises:
            InputError: the score of this target is not known exactly under this process.
        """
        if not _builder:  # nobody has entered the score room yet; its import registers the builder
            importlib.import_module("thermohw.score")
        return _builder[0](self, process)

    def to_data(self, x: Tensor) -> Tensor:
        """Model units -> data units, shape (..., dim)."""
        return x.new_tensor(self.shift).add(x, alpha=self.scale)

    def to_model(self, y: Tensor) -> Tensor:
        """Data units -> model units, shape (..., dim)."""
        return (y - y.new_tensor(self.shift)) / self.scale

    @property
    def log_volume(self) -> float:
        """What a model-unit NLL or entropy gains in data units: dim ln(scale), nats."""
        return self.dim * math.log(self.scale)

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Kind and parameters as plain numbers, lists and text, JSON-ready."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What else is needed to rebuild the target: the rows of a data set; else nothing."""
        return {}
