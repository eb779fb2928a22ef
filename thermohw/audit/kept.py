"""Sums of an audit that were taken while the run was played: of a file that keeps moments.

The same classes add the same tiles up, `Accounts` of runs with a score and `Sums` of those without;
here they become arrays of fixed shape, and themselves again. Names of columns are an axis.

What was added up then cannot be added up again. So an audit holds the file against itself
(`contradiction`): means and squares of the channels are kept three times, by their statistics, by
their products and by the accounts, and must agree; what the statistics leave of the first law must
be within the largest residual of any path; and the first paths, which are kept, must lie between
the extremes.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from thermohw.audit.tally import PathTally
from thermohw.books.theorems import HEAD, ExponentialMean
from thermohw.store import PRODUCTS, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from thermohw.audit.moments import Moments
    from thermohw.store import RunReader, Statistics

__all__ = ["ROUND_OFF", "Kept", "contradiction"]

NOMINAL = 10_000_000
"""Paths by which the largest exponents are kept, whatever the run's own number: it may grow."""

KEYS = 2**14
"""Keys of paths that are kept, the smallest: of every path up to so many, a sample beyond."""

ROUND_OFF = 1e-9
"""Of sums that were added up in another order: no `contradiction`."""

_SUMS = ("mean", "square", "cube", "mixed")
_EXPONENT = ("count", "shift", "first", "second", "third")
_CANCELS = 1e-12  # round-off of terms that cancel, relative to their sizes
# Round-off, which differs by as much; an exponent to which the kind added its ln Z_1/Z_0. What has
# an axis, as events have, is another account too.
_OTHERS = ("first_law.residual", "exponent")
_FIRST_LAW = {
    "energy.end": 1.0,
    "energy.start": -1.0,
    "heat.": 1.0,
    "work.": -1.0,
    "rotation": -1.0,
}

Arrays = dict[str, "NDArray[Any]"]


class Added(Protocol):
    """Sums that chunks of paths are added to: `Accounts`, and those of runs without a score.

    Attributes:
        paths: how many there will be.
        moments: of accounts of a path, k T_ref or nats.
        tally: of values and paths.
        exponentials: name -> <exp(-x)>.
        residual: largest of any path, of the energy it exchanged.
        idle: energy beside that, k T_ref.
        extremes: names of the attributes that are largest of any path.
    """

    paths: int
    moments: Moments
    tally: PathTally
    exponentials: dict[str, ExponentialMean]
    residual: float
    extremes: ClassVar

    @property
    def idle(self) -> float:
        """See above."""
        ...

    def add(self, chunk: Arrays) -> None:
        """Count some paths: channel -> values, SI, shape (chunk[, axis])."""
        ...


class Kept:
    """Sums of an audit as arrays (`thermohw.run.keep.Judged`).

    Args:
        begin: makes the sums of no paths.
        blank: makes paths on which nothing happens of a chunk of zeros.

    Attributes:
        sums: of the paths so far.
    """

    def __init__(
        self,
        begin: Callable[[], Added],
        blank: Callable[[Arrays], Arrays] = lambda chunk: chunk,
    ) -> None:
        self._begin, self._blank = begin, blank
        self.sums = self._fresh()
        self._columns: tuple[str, ...] = ()
        self._channels: tuple[str, ...] = ()

    def results(self, channels: Arrays) -> tuple[tuple[Result, ...], Mapping[str, Any]]:
        """See `Judged`."""
        look = self._fresh()
        with np.errstate(all="ignore"):
            look.add(self._blank(channels))
        self._columns, self._channels = tuple(look.moments.mean), tuple(channels)
        rows = tuple(
            Result(name, values.shape, "1", str(values.dtype), dims=_dims(name),
                   attrs={"long_name": _ABOUT[_head(name)]})
            for name, values in self._arrays(look).items()
        )  # fmt: skip
        return rows, {"audited": self._columns}

    def add(self, channels: Arrays) -> None:
        """See `Judged`."""
        with np.errstate(all="ignore"):  # `finite_values` will say
            self.sums.add(channels)

    def arrays(self) -> Arrays:
        """See `Judged`."""
        return self._arrays(self.sums)

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """See `Judged`."""
        self.sums = sums = self._fresh()
        worst = np.asarray(arrays["audit.extremes"], np.float64)
        for name, value in zip(sums.extremes, worst.tolist()):  # noqa: B905  older files have fewer
            setattr(sums, name, value)
        table = np.asarray(arrays["audit.accounts"])
        sums.moments.count = int(arrays["audit.paths"])
        for place, name in enumerate(_SUMS):
            getattr(sums.moments, name).update(
                zip(self._columns, table[:, place].tolist(), strict=True)
            )
        tally, counts = sums.tally, np.asarray(arrays["audit.tally"]).tolist()
        tally.numbers, kept, *unsound = counts
        tally.unsound = {n: c for n, c in zip(self._channels, unsound, strict=True) if c}
        tally.restore(np.asarray(arrays["audit.keys"])[:kept])
        for name in (n for n in arrays if n.startswith("audit.exponent.")):
            column = name.removeprefix("audit.exponent.")
            sums.exponentials[column] = _exponential(arrays, column)

    @classmethod
    def read(cls, begin: Callable[[], Added], run: RunReader) -> Any:
        """The sums that a file holds."""
        made = cls(begin)
        made._columns = tuple(run.layout.axes["audited"])
        made._channels = run.channel_names
        names = (name for name in run.result_names if name.startswith("audit."))
        made.restore({name: run.result(name) for name in names})
        return made.sums

    def _fresh(self) -> Added:
        made = self._begin()
        made.paths, made.tally = NOMINAL, PathTally(KEYS)
        return made

    def _arrays(self, sums: Added) -> Arrays:
        moments, tally, keys = sums.moments, sums.tally, sums.tally.keys()
        table = [[getattr(moments, name)[column] for name in _SUMS] for column in self._columns]
        counts = [tally.numbers, len(keys), *(tally.unsound.get(n, 0) for n in self._channels)]
        made: Arrays = {
            "audit.paths": np.array(moments.count, np.int64),
            "audit.extremes": np.array([getattr(sums, name) for name in sums.extremes]),
            "audit.accounts": np.array(table),
            "audit.tally": np.array(counts, np.int64),
            "audit.keys": np.pad(keys, (0, KEYS - len(keys))),
        }
        for name, found in sums.exponentials.items():
            row = [float(getattr(found, what)) for what in _EXPONENT]
            made[f"audit.exponent.{name}"] = np.array(row)
            made[f"audit.largest.{name}"] = np.pad(found.top, (0, found.keep - len(found.top)))
            if found.own_reverse:
                made[f"audit.head.{name}"] = np.pad(found.head, (0, HEAD - len(found.head)))
        return made


_ABOUT = {
    "paths": "paths of the accounts",
    "extremes": "largest deviations of any path",
    "accounts": f"{', '.join(_SUMS)} of accounts of a path, k T_ref or nats",
    "tally": "numbers seen, keys kept, and values of every channel that are not finite",
    "keys": "smallest keys of paths",
    "exponent": f"{', '.join(_EXPONENT)} of <exp(-x)>",
    "largest": "largest exponents",
    "head": "exponents of the first paths",
}


def _head(name: str) -> str:
    return name.split(".")[1]


def _dims(name: str) -> tuple[str, ...]:
    return {"audit.accounts": ("audited", "audited_sum")}.get(name, ())


def _exponential(arrays: Mapping[str, Any], name: str) -> ExponentialMean:
    """<exp(-x)> as it stood."""
    head = arrays.get(f"audit.head.{name}")
    found = ExponentialMean(NOMINAL, head is not None)
    count, found.shift, found.first, found.second, found.third = (
        float(x) for x in arrays[f"audit.exponent.{name}"]
    )
    found.count = int(count)
    found.top = np.array(arrays[f"audit.largest.{name}"][: min(found.count, found.keep)])
    if head is not None:
        found.head = np.array(head[: min(found.count, HEAD)])
    return found


def contradiction(run: RunReader, sums: Added, unit: float) -> float:
    """How far a file that keeps moments contradicts itself, relative to the sizes of its accounts;
    infinite where its first paths lie outside the extremes.

    Args:
        run: the file.
        sums: as it holds them; `residual` includes the paths that are kept.
        unit: k T_ref, joule.
    """
    found = {name: run.statistics(name) for name in run.statistics_names}
    for name in run.channel_names:
        first, table = run.first(name), found[name]
        if not ((first >= table["minimum"]) & (first <= table["maximum"])).all():
            return inf
    energies = {name for name in found if run.unit(f"results/moments.{name}") == "J"}
    gaps = [*_accounts(found, energies, sums, unit), *_first_law(found, sums, unit)]
    if PRODUCTS in run.result_names:
        names, products = run.layout.axes["scalar"], run.result(PRODUCTS)
        gaps += _products(found, names, products)
        gaps += _spread(found, names, products, sums, unit)
    return float(max(gaps, default=0.0))


def _accounts(
    found: Mapping[str, Statistics], energies: set[str], sums: Added, unit: float
) -> Iterator[float]:
    """Means and squares of channels by their statistics and by the accounts."""
    moments = sums.moments
    for name in found.keys() & moments.mean.keys():
        if name in _OTHERS or found[name].mean.ndim:
            continue
        row, factor = found[name], unit if name in energies else 1.0
        mean, square, n = float(row.mean), float(row["square"]), row.count
        yield inf if n != moments.count else 0.0
        yield _apart(mean, moments.mean[name] * factor, sqrt(square / n))
        yield _apart(square, moments.square[name] * factor**2, 0.0)


def _products(
    found: Mapping[str, Statistics], names: Sequence[str], products: NDArray[Any]
) -> Iterator[float]:
    """Squares of channels by their statistics and by their products."""
    for place, name in enumerate(names):
        yield _apart(float(found[name]["square"]), float(products[place, place]), 0.0)


def _apart(one: float, other: float, size: float) -> float:
    size += max(abs(one), abs(other))
    return abs(one - other) / size if size > 0.0 else 0.0


def _terms(found: Mapping[str, Statistics]) -> dict[str, float]:
    """Signs of the channels in the first law; what was derived is none of its terms."""
    signs = {}
    for name in found:
        for prefix, sign in _FIRST_LAW.items():
            if name == prefix or (prefix.endswith(".") and name.startswith(prefix)):
                signs[name] = sign
    return {name: sign for name, sign in signs.items() if name not in ("heat.total", "work.total")}


def _first_law(found: Mapping[str, Statistics], sums: Added, unit: float) -> Iterator[float]:
    """What the means leave of the first law beyond the largest residual of any path."""
    signs = _terms(found)
    left = sum(sign * float(found[name].mean) for name, sign in signs.items())
    size = _size(found, signs)
    beyond = abs(left) - sums.residual * (size + sums.idle * unit)
    yield max(beyond, 0.0) / size if size > 0.0 else 0.0


def _spread(
    found: Mapping[str, Statistics], names: Sequence[str], products: NDArray[Any], sums: Added,
    unit: float,
) -> Iterator[float]:  # fmt: skip
    """The same of the variance: what products leave of it beyond the largest residual."""
    signs = _terms(found)
    c = np.array([signs.get(name, 0.0) for name in names])
    n, size = max(found[names[0]].count, 1), _size(found, signs)
    terms = np.abs(c[:, None] * products * c).sum() / n
    left = max(abs(float(c @ products @ c)) / n - _CANCELS * terms, 0.0)
    beyond = max(sqrt(left) - sums.residual * (size + sums.idle * unit), 0.0)
    yield beyond / size if size > 0.0 else 0.0


def _size(found: Mapping[str, Statistics], signs: Mapping[str, float]) -> float:
    """At least the root mean square of the energy that a path exchanged, joule."""
    rows = (found[name] for name in signs)
    return float(sum(abs(row.mean) + np.sqrt(row["square"] / max(row.count, 1)) for row in rows))
