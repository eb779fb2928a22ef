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
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit import Program, SolverDevice, active_law
from thermohw.errors import InputError
from thermohw.solver.answer import Inverse, Solution
from thermohw.solver.average import Batches
from thermohw.solver.budget import Budget, budget
from thermohw.solver.run import check_counts, march, seconds, step_of
from thermohw.solver.shortfall import Shortfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.books import Books

__all__ = ["invert", "solve"]

_FORGET = 10.0  # slowest motions before readings count


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
    program = _solver(device).program(
        matrix, vector, noise=noise, ideal=ideal, mismatch=mismatch, volts=volts
    )
    run = _listen(device, program, duration, settling, every, step, paths, seed, books, False)
    law = active_law(program.device, False)
    settled = program.read_exact(law.effort_mean(program.sources))
    mean, error = run.batches.mean()
    return Solution(
        x=mean,
        stderr=error,
        predicted=run.shortfall.mean_error(),
        bias=run.shortfall.mean_bias(),
        runs=run.batches.by_path(),
        exact=np.linalg.solve(program.matrix, program.vector),
        settled=settled,
        times=run.times,
        trajectory=run.trajectory,
        condition=float(np.linalg.cond(program.matrix)),
        slowest=program.slowest,
        budget=run.budget,
        books=run.books,
        program=program,
    )


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
    program = _solver(device).program(matrix, None, noise=noise, ideal=ideal, mismatch=mismatch)
    if program.noise == 0.0:
        raise InputError("an inverse is read from noise: noise = True, or volts", where="noise")
    run = _listen(device, program, duration, settling, every, step, paths, seed, books, True)
    covariance, error = run.batches.covariance()
    law, out, scale = active_law(program.device, False), program.outputs, program.temperature
    return Inverse(
        inverse=covariance / scale,
        stderr=error / scale,
        predicted=run.shortfall.covariance_error() / scale,
        bias=run.shortfall.covariance_bias() / scale,
        runs=run.batches.covariance_by_path() / scale,
        exact=np.linalg.inv(program.matrix),
        settled=law.effort_covariance[out, out] / program.unit**2 / scale,
        mean=run.batches.mean()[0],
        condition=float(np.linalg.cond(program.matrix)),
        slowest=program.slowest,
        budget=run.budget,
        books=run.books,
        program=program,
    )


@dataclass(frozen=True, eq=False)
class _Heard:
    batches: Batches
    shortfall: Shortfall
    times: NDArray[Any]
    trajectory: NDArray[Any]
    budget: Budget
    books: Books | None


def _listen(
    device: SolverDevice,
    program: Program,
    duration: str | float,
    settling: str | float | None,
    every: str | float | None,
    step: str | float | None,
    paths: int,
    seed: int,
    books: bool,
    products: bool,
) -> _Heard:
    """Let the board settle, then read it; thermal units inside."""
    check_counts(paths, seed)
    circuit, time = program.device, program.device.scale.time
    slowest = program.slowest / time
    spacing = 1.0 if every is None else seconds(every, "every") / time
    wait = _FORGET * slowest if settling is None else seconds(settling, "settling") / time
    quiet, readings = ceil(wait / spacing), ceil(seconds(duration, "duration") / time / spacing)
    wanted = _step(program, spacing, books) if step is None else seconds(step, "step") / time
    inner = ceil(spacing / wanted - 1e-9)
    batches = Batches(paths, program.dim, readings, spacing=spacing, slowest=slowest,
                      products=products)  # fmt: skip

    def observe(n: int, efforts: NDArray[Any]) -> None:
        if n % inner == 0 and n > quiet * inner:
            batches.add(program.read(efforts))

    lasts = (quiet + readings) * spacing
    start = np.zeros((paths, circuit.dim))
    run, _ = march(circuit, lasts, spacing / inner, start, program.sources, seed=seed, books=books,
                   observe=observe)  # fmt: skip
    rates = active_law(circuit, True).steady_rates(program.sources)
    power = sum(rates[name] for name in rates.names if name.startswith("heat."))
    spent = budget(
        device,
        program.dim,
        settling=quiet * spacing * time,
        averaging=readings * spacing * time,
        readings=readings,
        heat=power * circuit.scale.energy / time,
    )
    missing = Shortfall(program, quiet=quiet, readings=readings, spacing=spacing, inner=inner,
                        paths=paths, slewing=_slews(program))  # fmt: skip
    return _Heard(batches, missing, run.times, run.mean[:, program.outputs]
                  / program.volts, spent, run.books)  # fmt: skip


def _step(program: Program, spacing: float, books: bool) -> float:
    """Exact laws take whole spacings; books, and outputs that may slew, take short steps."""
    circuit = program.device
    if not books and not circuit.amplifiers.limited:
        return spacing
    return min(spacing, step_of(circuit) if books or _slews(program) else 0.02)


def _slews(program: Program) -> bool:
    """Whether the switch-on or the noise drives amplifiers to a fifth of their slew rate."""
    circuit = program.device
    steepest = 2.0 * float(np.abs(program.sources).max())  # volts per R C at the switch-on
    noisy = 4.0 * sqrt(float(circuit.strengths.max()) * _finite(circuit.amplifiers.rate))
    return steepest + noisy >= 0.2 * float(circuit.amplifiers.slew.min())


def _finite(rates: NDArray[Any]) -> float:
    return float(rates[np.isfinite(rates)].max(initial=0.0))


def _solver(device: SolverDevice) -> SolverDevice:
    if not isinstance(device, SolverDevice):
        raise InputError(
            f"{getattr(device, 'name', device)} is no linear solver: its datasheet needs a "
            "[solver], as opamp-solver has",
            where="device",
        )
    return device
