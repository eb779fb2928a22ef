"""What heads of the data have in common: a process, and the first two moments of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thermohw.process import Process
from thermohw.score.network.trunk import Trunk

__all__ = ["DataHead"]


@dataclass(frozen=True, eq=False)
class DataHead:
    """Preconditioner and read-out around a trunk.

    Attributes:
        process: the forward process.
        mean: of the data, shape (dim,), model units.
        covariance: of the data, shape (dim, dim).
        narrowest: variance of the narrowest mode.
        trunk: the network it reads, dim inputs and `outputs` outputs.
    """

    process: Process
    mean: np.ndarray
    covariance: np.ndarray
    narrowest: float
    trunk: Trunk

    @property
    def finest(self) -> float:
        """Variance below which noise hides nothing of the data."""
        return self.narrowest

    @classmethod
    def outputs(cls, dim: int) -> int:
        """Numbers it wants from the trunk."""
        return dim

    def to_dict(self) -> dict[str, Any]:
        """What is not an array."""
        return {"narrowest": self.narrowest}

    def arrays(self) -> dict[str, np.ndarray]:
        """Preconditioner as float64 arrays."""
        return {"mean": self.mean, "covariance": self.covariance}
