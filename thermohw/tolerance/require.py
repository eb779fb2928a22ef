"""What a board must do: a name, a relation, a bound."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermohw.errors import InputError

if TYPE_CHECKING:
    from thermohw.tolerance.measure import Metric

__all__ = ["Requirement"]

_FORM = re.compile(r"\s*([\w.]+)\s*(<=|>=|<|>)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(kT|J)?\s*")


@dataclass(frozen=True)
class Requirement:
    """`name` must stand in `relation` to `bound`.

    Attributes:
        name: dotted name of a metric.
        relation: "<", "<=", ">" or ">=".
        bound: number.
    """

    name: str
    relation: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read "quality.w1 < 0.05" or "work.emf < 4 kT".

        Raises:
            InputError: another form.
        """
        match = _FORM.fullmatch(text)
        try:
            assert match is not None
            name, relation, bound, unit = match.groups()
            return cls(name if unit is None else f"{name}.{unit}", relation, float(bound))
        except (AssertionError, ValueError):
            raise InputError(
                f"{text!r}: expected a name, a relation and a number, such as "
                "'quality.w1 < 0.05' or 'work.emf < 4 kT'",
                where="require",
            ) from None

    def look_up(self, metrics: Mapping[str, Metric]) -> float:
        """The metric's value.

        Raises:
            InputError: nothing of that name was measured.
        """
        if self.name not in metrics:
            raise InputError(
                f"{self.name!r} is not measured; there is {', '.join(metrics)}", where="require"
            )
        return metrics[self.name].value

    def met(self, metrics: Mapping[str, Metric]) -> bool:
        """Whether it holds."""
        value = self.look_up(metrics)
        if self.relation in ("<=", ">=") and value == self.bound:
            return True
        return value < self.bound if self.relation.startswith("<") else value > self.bound

    def miss(self, metrics: Mapping[str, Metric]) -> float:
        """How far beyond the bound, relative to it; negative where it holds."""
        beyond = self.look_up(metrics) - self.bound
        if self.relation.startswith(">"):
            beyond = -beyond
        return beyond / (abs(self.bound) or 1.0)

    def __str__(self) -> str:
        return f"{self.name} {self.relation} {self.bound:g}"
