"""What a board found: a solution or an inverse, with its errors, its time and its energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import Program
    from thermohw.solver.budget import Budget
    from thermohw.solver.run import ActiveBooks

__all__ = ["Answer", "Inverse", "Solution"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """What solutions and inverses have in common; N unknowns, shape (N,) or (N, N).

    Attributes:
        stderr: standard error of the estimate from batches; nan where there is but one.
        runs: what every path alone says, shape (paths, ...).
        exact: A^-1 b or A^-1.
        settled: what this board tends to in a long time, closed form of its linear law without
            converters.
        condition: of the matrix.
        slowest: seconds of the slowest motion.
        budget: seconds and joules.
        books: energy books of the paths; None where none were kept.
        program: the system on the board.
    """

    stderr: NDArray[Any]
    runs: NDArray[Any]
    exact: NDArray[Any]
    settled: NDArray[Any]
    condition: float
    slowest: float
    budget: Budget
    books: ActiveBooks | None
    program: Program

    @property
    def estimate(self) -> NDArray[Any]:
        """The mean over all paths."""
        raise NotImplementedError

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
            f"{self.program.device.name}: {what}, condition {self.condition:.4g}, slowest motion "
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
        predicted: standard error in closed form, shape (N,).
        times: of the trajectory, second.
        trajectory: mean over paths of x as it settles, shape (times, N).
    """

    x: NDArray[Any]
    predicted: NDArray[Any]
    times: NDArray[Any]
    trajectory: NDArray[Any]

    @property
    def estimate(self) -> NDArray[Any]:
        """x."""
        return self.x

    def __str__(self) -> str:
        rows = zip(self.x, self.stderr, self.predicted, self.exact, self.settled, strict=True)
        lines = [f"{a:12.6f} {b:12.2g} {c:11.2g} {d:12.6f} {e:12.6f}" for a, b, c, d, e in rows]
        head = "          x      +- stderr   predicted       exact     settles to"
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
        worst = float(np.nanmax(self.stderr)) if np.isfinite(self.stderr).any() else float("nan")
        size = f"{len(self.exact)} x {len(self.exact)}"
        return self._page(f"A^-1, {size}", [f"largest standard error of an entry {worst:.3g}"])


def _relative(difference: NDArray[Any], exact: NDArray[Any]) -> float:
    size = float(np.linalg.norm(exact))
    return float(np.linalg.norm(difference)) / (size if size > 0.0 else 1.0)
