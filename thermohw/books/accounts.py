"""The books of a run: the energy of every path, account by account, for every kind of circuit.

    heat.<bath>               into a bath: a resistor, a conductor
    work.<source>             onto the circuit: a controlled source, a supply, a parameter, noise
    energy.start, energy.end  stored in capacitors and inductors
    rotation                  what midpoint products leave of it beside inductors (`solver.stepper`)

Whoever played the circuit adds them up on its own, each from its own products, so that the first
law of every path,

    energy.end - energy.start = sum of works - sum of heats,

is a measurement and not a definition: `Books.residual` is what is left of it. The entropy of the
baths, sum_k int dQ_k/(k T_k), is worked out from heats and temperatures; where temperatures vary it
is an account of its own, "medium" (nats).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermohw.estimate import Estimate
from thermohw.units import engineering

__all__ = ["Booked", "Books"]

_HEAT, _WORK, _MEDIUM, _ROTATION = "heat.", "work.", "medium", "rotation"
_DERIVED: dict[str, Callable[[Books], NDArray[Any]]] = {
    "heat.total": lambda books: books.total(_HEAT),
    "work.total": lambda books: books.total(_WORK),
    "energy.change": lambda books: books.energy_change,
    "first_law.residual": lambda books: books.residual,
}  # of the module: functions of an object in itself would keep it beyond its use
_SHOWN = 8  # baths and sources that are printed one by one


class Books(Mapping[str, NDArray[Any]]):
    """Accounts of every path by name, float64, shape (paths,), joule ("medium": nats).

    Beside the accounts that it holds it answers to "heat.total", "work.total", "energy.change" and
    "first_law.residual".

    Args:
        accounts: name -> values; heats and works in the order of baths and sources.
        kt: k T_ref, joule: what is printed is in this unit.
        temperatures: T_k/T_ref of every bath in the order of the heats, shape (baths,); None where
            they vary and "medium" is given.
    """

    def __init__(
        self,
        accounts: Mapping[str, NDArray[Any]],
        kt: float,
        temperatures: NDArray[Any] | None = None,
    ) -> None:
        self._accounts = {name: np.asarray(a, dtype=np.float64) for name, a in accounts.items()}
        self.kt, self.temperatures = kt, temperatures

    def __getitem__(self, name: str) -> NDArray[Any]:
        found = self._accounts.get(name)
        if found is not None:
            return found
        if name in _DERIVED:
            return _DERIVED[name](self)
        raise KeyError(f"no account '{name}'; there are {', '.join(self._accounts)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._accounts)

    def __len__(self) -> int:
        return len(self._accounts)

    @property
    def paths(self) -> int:
        """How many."""
        return len(self._accounts["energy.start"])

    @property
    def baths(self) -> tuple[str, ...]:
        """Names of the K baths."""
        return self._names(_HEAT)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the S sources of work."""
        return self._names(_WORK)

    @property
    def heat(self) -> NDArray[Any]:
        """Into every bath, joule, shape (paths, K)."""
        return self._stacked(_HEAT)

    @property
    def work(self) -> NDArray[Any]:
        """Of every source on the circuit, joule, shape (paths, S)."""
        return self._stacked(_WORK)

    @property
    def energy_change(self) -> NDArray[Any]:
        """Of the stored energy, joule, shape (paths,)."""
        return self._accounts["energy.end"] - self._accounts["energy.start"]

    @property
    def residual(self) -> NDArray[Any]:
        """Energy change - work + heat - rotation, joule, shape (paths,): what is left of the first
        law.
        """
        left = self.energy_change - self.total(_WORK) + self.total(_HEAT)
        return left - self._accounts.get(_ROTATION, 0.0)

    @property
    def exchanged(self) -> NDArray[Any]:
        """Sum of the magnitudes in the first law, joule, shape (paths,): the size of round-off."""
        parts = np.abs(self.work).sum(1) + np.abs(self.heat).sum(1)
        return parts + np.abs(self.energy_change)

    @property
    def medium(self) -> NDArray[Any]:
        """Entropy of the baths, sum_k Q_k/(k T_k), nats, shape (paths,)."""
        return self._accounts[_MEDIUM] if _MEDIUM in self._accounts else self.entropies.sum(1)

    @property
    def entropies(self) -> NDArray[Any]:
        """Q_k/(k T_k) of every bath, nats, shape (paths, K); 0 for a bath at 0 K, which stands for
        a resistor whose noise is left out and has no entropy to speak of.
        """
        assert self.temperatures is not None, "varying temperatures come with their own account"
        kt = self.temperatures * self.kt
        return self.heat * np.divide(1.0, kt, out=np.zeros(len(kt)), where=kt > 0.0)

    def total(self, prefix: str) -> NDArray[Any]:
        """Sum of all accounts whose names start so, joule, shape (paths,).

        Raises:
            KeyError: none does (a circuit without sources has works all the same: zero).
        """
        chosen = [values for name, values in self._accounts.items() if name.startswith(prefix)]
        if not chosen and prefix not in (_HEAT, _WORK):
            raise KeyError(f"no account starts with '{prefix}'; there are {', '.join(self)}")
        return np.sum(chosen, axis=0) if chosen else np.zeros(self.paths)

    def mean(self, name: str) -> Estimate:
        """Mean over paths of an account, or of all whose names start so, joule; unpacks as (value,
        standard error).
        """
        values = self[name] if name in self else self.total(name)
        return Estimate.from_paths(values)

    def _names(self, prefix: str) -> tuple[str, ...]:
        return tuple(n.removeprefix(prefix) for n in self._accounts if n.startswith(prefix))

    def _stacked(self, prefix: str) -> NDArray[Any]:
        chosen = [values for name, values in self._accounts.items() if name.startswith(prefix)]
        return np.stack(chosen, axis=1) if chosen else np.zeros((self.paths, 0))

    def __str__(self) -> str:
        lines = [self._row("energy change", self.energy_change)]
        for word, prefix in (("work of", _WORK), ("heat into", _HEAT)):
            names = [n for n in self._names(prefix) if self._accounts[prefix + n].any()]
            lines += [self._row(f"{word} {n}", self._accounts[prefix + n]) for n in names[:_SHOWN]]
            if len(names) > _SHOWN:
                rest = f"{word} {len(names) - _SHOWN} more"
                total = [self._accounts[prefix + n] for n in names[_SHOWN:]]
                lines.append(self._row(rest, np.sum(total, axis=0)))
        mean, error = Estimate.from_paths(self.medium)
        lines.append(f"  {'medium entropy':<28}{mean:12.5g} +- {error:.2g} nats")
        worst = float((np.abs(self.residual) / np.maximum(self.exchanged, self.kt)).max())
        lines.append(f"  {'first law, worst path':<28}{worst:12.1e} of the energy exchanged")
        return "\n".join(lines)

    def _row(self, label: str, joule: NDArray[Any]) -> str:
        mean, error = Estimate.from_paths(joule)
        kt = self.kt
        return f"  {label:<28}{mean / kt:12.5g} +- {error / kt:.2g} kT = {engineering(mean, 'J')}"


class Booked:
    """A record of paths that hands on what its books say."""

    books: Books

    @property
    def paths(self) -> int:
        """How many."""
        return self.books.paths

    @property
    def baths(self) -> tuple[str, ...]:
        """Names of the K baths."""
        return self.books.baths

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the S sources of work: supplies, noises, keys of a program."""
        return self.books.sources

    @property
    def heat(self) -> NDArray[Any]:
        """Into every bath, J, shape (paths, K)."""
        return self.books.heat

    @property
    def work(self) -> NDArray[Any]:
        """Of every source on the circuit, J, shape (paths, S)."""
        return self.books.work

    @property
    def energy_start(self) -> NDArray[Any]:
        """At the first parameters, J, shape (paths,)."""
        return self.books["energy.start"]

    @property
    def energy_end(self) -> NDArray[Any]:
        """At the last parameters, J, shape (paths,)."""
        return self.books["energy.end"]

    @property
    def energy_change(self) -> NDArray[Any]:
        """Of the stored energy, J, shape (paths,)."""
        return self.books.energy_change

    @property
    def medium_entropy(self) -> NDArray[Any]:
        """Sum of heat over temperature, nats, shape (paths,)."""
        return self.books.medium

    @property
    def residual(self) -> NDArray[Any]:
        """Energy change - work + heat, J, shape (paths,): what is left of the first law."""
        return self.books.residual

    @property
    def exchanged(self) -> NDArray[Any]:
        """Sum of the magnitudes in the first law, J, shape (paths,): the size of round-off."""
        return self.books.exchanged

    @property
    def energy_unit(self) -> float:
        """k T_ref, J."""
        return self.books.kt

    def kt(self, joule: NDArray[Any]) -> NDArray[Any]:
        """Joules as multiples of k T_ref."""
        return joule / self.books.kt
