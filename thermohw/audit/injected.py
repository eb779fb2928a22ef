"""How wrong must a run be before its audit says so? Errors put in, until a verdict turns.

A check says what deviation of its own number it would have called. What a designer asks is another
question: a heat, a source, a noise or an information that is off by a factor 1 + e - which verdict
turns, and from which e on? Here the run's own numbers are changed as the error would change them,
in memory, and the check is made again; e is sought on a grid of eight steps a decade, on both
sides of zero, up to a half. The answer is measured on this very run, at its own number of paths.

    heat, work, end energies, end states, start states     the recorded channel, times 1 + e
    source                 what acts on the circuit, e more than what was recorded: residuals move
                           by e times the push, and the sources that are asked at held-out data by e
    bath temperature       squares of the residuals, times 1 + e
    crosstalk              a correlation e between the noise of the first two coordinates
    path ratio             sum ln K/K~ of every path, times 1 + e
    information            pathwise information, times 1 + e
    filter                 kept estimates, times 1 + e
    likelihood             NLL_marg, U and the bounds made of them, times 1 + e, without what they
                           are compared with; those of the model twin likewise
    peaks                  largest voltages, sources, currents and rates, times 1 + e

A check that nothing here can turn by half is told so: its "holds" is no test of these errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from thermohw.audit.checks import NAMES, Checks
from thermohw.audit.gather import gathered
from thermohw.books.residuals import SUMS
from thermohw.errors import InputError
from thermohw.estimate import EXPLAINED, HOLDS, VIOLATED

if TYPE_CHECKING:
    from thermohw.audit.recorded import Recorded
    from thermohw.store import RunReader

__all__ = ["FAULTS", "LARGEST", "Turn", "injected"]

LARGEST = 0.5
"""The largest relative error that is put in."""

_PER_DECADE, _DECADES = 8, 10
_SIZES = tuple(
    LARGEST * 10.0 ** (-k / _PER_DECADE) for k in reversed(range(_PER_DECADE * _DECADES + 1))
)
_EXACT = ("finite_values", "distinct_paths")  # any number, any path: no size is asked for


@dataclass(frozen=True)
class _Fault:
    """What an error of size e changes.

    Attributes:
        ledger: channels that are multiplied by 1 + e, as patterns.
        results: pattern -> what becomes of a result.
        terms: pattern -> what becomes of a stored likelihood term (value, standard error).
    """

    ledger: tuple[str, ...] = ()
    results: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] | None = None
    terms: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] | None = None

    def channel(self, name: str, values: np.ndarray, e: float) -> np.ndarray:
        """A ledger channel with the error."""
        found = any(fnmatchcase(name, pattern) for pattern in self.ledger)
        return values * (1.0 + e) if found else values


def _times(values: np.ndarray, e: float) -> np.ndarray:
    return values * (1.0 + e)


def _squared(values: np.ndarray, e: float) -> np.ndarray:
    return values * (1.0 + e) ** 2


def _pushed(sums: np.ndarray, e: float) -> np.ndarray:
    """Residuals by e times the push: their products with it by e times its square."""
    sums = sums.copy()
    sums[:, SUMS.index("push")] += e * sums[:, SUMS.index("reach")]
    return sums


def _heated(sums: np.ndarray, e: float) -> np.ndarray:
    sums = sums.copy()
    sums[:, SUMS.index("noise")] *= 1.0 + e
    return sums


def _crossed(products: np.ndarray, e: float) -> np.ndarray:
    products = products.copy()
    if len(products) > 1:
        products[0, 1] = products[1, 0] = products[0, 1] + e * np.sqrt(
            abs(products[0, 0] * products[1, 1])
        )
    return products


FAULTS: dict[str, _Fault] = {
    "heat": _Fault(("heat.*",)),
    "work": _Fault(("work.*",)),
    "end energies": _Fault(("energy.end",)),
    "end states": _Fault(("voltage.end", "inductor_current.end")),
    "start states": _Fault(("voltage.start", "inductor_current.start")),
    "source": _Fault(
        results={"residual.sums": _pushed}, terms={"energy_likelihood.ticks": _squared}
    ),
    "bath temperature": _Fault(results={"residual.sums": _heated, "residual.power": _times}),
    "crosstalk": _Fault(results={"residual.products": _crossed}),
    "path ratio": _Fault(("ratio.ticks", "sigma.even", "sigma.odd")),
    "information": _Fault(("information.pathwise",)),
    "filter": _Fault(results={"filter.estimate": _times}),
    "likelihood": _Fault(terms={"nll.marginal": _times, "nll.sde_elbo": _times,
                                "nll.device_elbo": _times, "nll.ode": _times}),
    "peaks": _Fault(results={"peaks": _times}),
}  # fmt: skip
"""Errors by name, in the order in which they are tried."""


@dataclass(frozen=True)
class Turn:
    """The smallest error that turns a check.

    Attributes:
        check: name of the check.
        status: that it has without an error.
        sizes: error -> signed e of the smallest that makes it "violated", None where none of up to
            `LARGEST` does.
    """

    check: str
    status: str
    sizes: dict[str, float | None]

    @property
    def smallest(self) -> tuple[str, float] | None:
        """The error that turns it first, and its size; None where none does."""
        found = [(name, e) for name, e in self.sizes.items() if e is not None]
        return min(found, key=lambda pair: abs(pair[1]), default=None)


def injected(run: RunReader, recorded: Recorded, checks: Iterable[str] = NAMES) -> Iterator[Turn]:
    """Put errors into an open run of a score, in memory, until its verdicts turn.

    Args:
        run: open.
        recorded: what was read from it.
        checks: names of `thermohw.audit.checks.NAMES`.

    Yields:
        Every check with a verdict that is a matter of size, in the order of the audit.

    Raises:
        InputError: a run that kept moments has no channels to change.
    """
    if run.keeps_moments:
        problem = "the run kept moments: there are no paths to put an error into"
        raise InputError(problem, where=str(run.path))
    right, wanted = Checks(recorded), set(checks) - set(_EXACT)

    @lru_cache(maxsize=64)
    def wrong(fault: str, e: float) -> Checks:
        return Checks(gathered(cast("RunReader", _Faulty(run, FAULTS[fault], e))))

    for name in NAMES:
        if name in wanted and (status := right.make(name).status) in (HOLDS, EXPLAINED):
            yield Turn(name, status, {fault: _size(wrong, fault, name) for fault in FAULTS})


def _size(wrong: Callable[[str, float], Checks], fault: str, name: str) -> float | None:
    """Signed size of the smallest error of a kind that turns a check."""

    def turns(e: float) -> bool:
        with np.errstate(all="ignore"):
            return wrong(fault, e).make(name).status == VIOLATED

    found = []
    for sign in (1.0, -1.0):
        if not turns(sign * LARGEST):
            continue
        low, high = -1, len(_SIZES) - 1  # of the grid: not turned by, turned by
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if turns(sign * _SIZES[middle]) else (middle, high)
        found.append(sign * _SIZES[high])
    return min(found, key=abs, default=None)


class _Faulty:
    """A run as it would be read if it had an error."""

    def __init__(self, run: RunReader, fault: _Fault, e: float) -> None:
        self._run, self._fault, self._e = run, fault, e

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def ledger(self, name: str, paths: slice = slice(None)) -> np.ndarray:
        return self._fault.channel(name, self._run.ledger(name, paths), self._e)

    def first(self, name: str, most: int | None = None) -> np.ndarray:
        return self._fault.channel(name, self._run.first(name, most), self._e)

    def result(self, name: str) -> np.ndarray:
        change = (self._fault.results or {}).get(name)
        values = self._run.result(name)
        return values if change is None else change(values, self._e)

    @property
    def parameters(self) -> dict[str, Any]:
        changed = dict(self._run.parameters)
        for place in ("likelihood", "known_law"):
            if place in changed and self._fault.terms:
                changed[place] = {**changed[place], "terms": self._terms(changed[place]["terms"])}
        return changed

    def _terms(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(terms)
        for name, change in (self._fault.terms or {}).items():
            if name in found:
                found[name] = change(np.asarray(found[name], dtype=np.float64), self._e)
        if "energy_likelihood.ticks" in (self._fault.terms or {}):
            _keep_difference(terms, found)
        return found


def _keep_difference(before: Mapping[str, Any], after: dict[str, Any]) -> None:
    """The stored difference of two terms follows the one that changed."""
    ticks, residual = "energy_likelihood.ticks", "energy_likelihood.residual"
    if ticks in before and residual in before:
        moved = np.asarray(after[ticks]) - np.asarray(before[ticks])
        after[residual] = np.asarray(before[residual], dtype=np.float64) + [moved[0], 0.0]
