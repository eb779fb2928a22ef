"""Solve A x = b by letting a board of integrators relax, and invert A by listening to its noise.

    solve    x = the mean of readings, after the start is forgotten
    invert   A^-1 = beta times the covariance of readings, with the noise sources on

Both give the estimate with its errors - the scatter of batches, and what is known to be missing
(see shortfall.py) - beside three references: the exact answer, what the board with its
imperfections settles to (closed form of its linear law), and the standard error that the
correlation of the readings predicts. What remains between the second and the first does not average
away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from thermohw.circuit import SolverDevice
from thermohw.errors import InputError
from thermohw.solver.evolve import Evolve
from thermohw.solver.reading import answer_of

if TYPE_CHECKING:
    from thermohw.solver.answer import Inverse, Solution

__all__ = ["invert", "solve"]


def solve(
    device: SolverDevice,
    matrix: Any,
    vector: Any,
    *,
    duration: str | float,
    settling: str | float | None = None,
    every: str | float | None = None,
    step: str | float | None = None,
    paths: int = 16,
    seed: int = 0,
    noise: bool | float = False,
    ideal: bool | Iterable[str] = (),
    mismatch: int | None = None,
    volts: float | None = None,
    books: bool = False,
) -> Solution:
    """Solve A x = b on a board of integrators.

    Args:
        device: from `load_device("opamp-solver")`.
        matrix: A, symmetric and positive definite, shape (N, N).
        vector: b, shape (N,).
        duration: of the averaging, "50 us" or seconds.
        settling: before readings count; default ten slowest motions.
        every: time between readings; default R C.
        step: of the simulation; default as `evolve` with books or where amplifiers may slew, else
            `every`, which is exact.
        paths: independent runs; the estimate is their mean.
        seed: of their noise.
        noise: run the noise sources, which a solution does not need.
        ideal: imperfections left out (see `SolverDevice.program`); True for all.
        mismatch: seed of this board's spread of parts; None: nominal parts.
        volts: volt per unit of x; default from |b|/lambda_min.
        books: keep energy books of every path.

    Raises:
        InputError: a matrix that is not symmetric positive definite (with its eigenvalue), a vector
            of another length, a time that is not positive.
    """
    table = {"matrix": matrix, "rhs": vector, "settling": settling, "every": every}
    table |= {"noise": noise, "ideal": ideal, "mismatch": mismatch, "volts": volts}
    made = Evolve(_solver(device), duration, step=step, solve=table).prepare(books=books)
    return answer_of(made, *made.play(paths, seed))  # type: ignore[return-value]


def invert(
    device: SolverDevice,
    matrix: Any,
    *,
    duration: str | float,
    settling: str | float | None = None,
    every: str | float | None = None,
    step: str | float | None = None,
    paths: int = 16,
    seed: int = 0,
    noise: bool | float = True,
    ideal: bool | Iterable[str] = (),
    mismatch: int | None = None,
    books: bool = False,
) -> Inverse:
    """Invert A on a board of integrators, from the covariance that its noise gives it.

    Arguments and errors as of `solve`; `noise` True uses the sheet's, less where a mode would leave
    the range of the converters.
    """
    table = {"matrix": matrix, "settling": settling, "every": every}
    table |= {"noise": noise, "ideal": ideal, "mismatch": mismatch}
    made = Evolve(_solver(device), duration, step=step, invert=table).prepare(books=books)
    return answer_of(made, *made.play(paths, seed))  # type: ignore[return-value]


def _solver(device: Any) -> SolverDevice:
    if not isinstance(device, SolverDevice):
        raise InputError(
            f"{getattr(device, 'name', device)} is no linear solver: its datasheet needs a "
            "[solver], as opamp-solver has",
            where="device",
        )
    return device
