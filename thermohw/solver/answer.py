"""What a board found: a solution or an inverse, with its errors, its time and its energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.books import Books
    from thermohw.circuit import MappedSystem
    from thermohw.solver.budget import Budget
    from thermohw.solver.run import ActiveRun

__all__ = ["Answer", "Inverse", "Solution"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """What solutions and inverses have in common; N unknowns, shape (N,) or (N, N).

    Attributes:
        stderr: standard error of the estimate from batches; nan where there is but one.
        predicted: standard error in closed form, of the linear law.
        bias: how far the estimate may be off `settled` beside that: the start it still remembers,
            rounding of converters, round-off; see shortfall.py.
        runs: what every path alone says, shape (paths, ...).
        exact: A^-1 b or A^-1.
        settled: what this board tends to in a long time, closed form of its linear law without
            converters.
        condition: of the matrix.
        slowest: seconds of the slowest motion.
        budget: seconds and joules.
        run: what the paths left, their books among it where they were kept.
        system: on the board.
    """

    stderr: NDArray[Any]
    predicted: NDArray[Any]
    bias: NDArray[Any]
    runs: NDArray[Any]
    exact: NDArray[Any]
    settled: NDArray[Any]
    condition: float
    slowest: float
    budget: Budget
    run: ActiveRun
    system: MappedSystem

    @property
    def estimate(self) -> NDArray[Any]:
        """The mean over all paths."""
        raise NotImplementedError

    @property
    def books(self) -> Books | None:
        """Energy books of the paths; None where none were kept."""
        return self.run.books

    @property
    def uncertainty(self) -> NDArray[Any]:
        """What is printed as +-: scatter and bias together, in quadrature.

        The scatter is the larger of `stderr` and `predicted`: few batches, or readings that all
        fall on one step of a converter, know less than the law does.
        """
        return np.hypot(np.fmax(self.stderr, self.predicted), self.bias)

    @property
    def error(self) -> float:
        """|estimate - exact| / |exact|, Euclidean or Frobenius; absolute where exact is zero."""
        return _relative(self.estimate - self.exact, self.exact)

    @property
    def floor(self) -> float:
        """The part of the error that does not average away, relative, closed form."""
        return _relative(self.settled - self.exact, self.exact)

    def _page(self, what: str, lines: list[str]) -> str:
        head = (
            f"{self.system.device.name}: {what}, condition {self.condition:.4g}, slowest motion "
            f"{engineering(self.slowest, 's')}"
        )
        tail = f"error {self.error:.3g} relative, of which {self.floor:.3g} never averages away"
        books = [] if self.books is None else [str(self.books)]
        return "\n".join([head, *lines, tail, str(self.budget), *books])


@dataclass(frozen=True, eq=False, kw_only=True)
class Solution(Answer):
    """x with A x = b from a board; see `Answer`.

    Attributes:
        x: estimate, shape (N,).
        times: of the trajectory, second.
        trajectory: mean over paths of x as it settles, shape (times, N).
    """

    x: NDArray[Any]
    times: NDArray[Any]
    trajectory: NDArray[Any]

    @property
    def estimate(self) -> NDArray[Any]:
        """x."""
        return self.x

    def __str__(self) -> str:
        rows = zip(
            self.x, self.uncertainty, self.predicted, self.bias, self.exact, self.settled,
            strict=True,
        )  # fmt: skip
        lines = [
            f"{a:12.6f} {b:12.2g} {c:11.2g} {d:12.2g} {e:12.6f} {f:12.6f}"
            for a, b, c, d, e, f in rows
        ]
        head = "           x           +-   by noise      by bias        exact   settles to"
        return self._page(f"A x = b, {len(self.x)} unknowns", [head, *lines])


@dataclass(frozen=True, eq=False, kw_only=True)
class Inverse(Answer):
    """A^-1 from the covariance of a board's noise; see `Answer`.

    Attributes:
        inverse: estimate, shape (N, N).
        mean: mean of the readings, shape (N,): zero but for offsets.
    """

    inverse: NDArray[Any]
    mean: NDArray[Any]

    @property
    def estimate(self) -> NDArray[Any]:
        """The inverse."""
        return self.inverse

    def __str__(self) -> str:
        size = f"{len(self.exact)} x {len(self.exact)}"
        return self._page(
            f"A^-1, {size}",
            [
                f"largest error of an entry {self.uncertainty.max():.3g}: by noise "
                f"{self.predicted.max():.2g}, by bias {self.bias.max():.2g}"
            ],
        )


def _relative(difference: NDArray[Any], exact: NDArray[Any]) -> float:
    size = float(np.linalg.norm(exact))
    return float(np.linalg.norm(difference)) / (size if size > 0.0 else 1.0)
