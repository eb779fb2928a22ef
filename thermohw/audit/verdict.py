"""What an audit is made of: checks with a status and a power, quantities with a standard error.

How a deviation becomes a status is `thermohw.estimate`'s one rule; no check has another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from thermohw.estimate import NOT_APPLICABLE, Estimate, judge

__all__ = ["EXACT_READINGS", "Check", "Quantity", "finite", "not_applicable", "together"]

EXACT_READINGS = "readings are exact: no noisy readings to filter, and infinite information"
"""Why a filter and what it knows are no subject of a run."""


Row = TypeVar("Row", bound=Any)
"""A check as somebody shows it: a dataclass with a status and a detail."""


@dataclass(frozen=True)
class Check:
    """One law held against one run.

    Attributes:
        name: of the check, stable.
        status: "holds", "violated", "explained" or "not-applicable".
        value: what was measured, or None.
        expected: what the law says: a value, or the bound of an inequality.
        stderr: standard error of `value`, or None where it is exact or a largest deviation.
        detail: one sentence with the numbers.
        relation: how `value` must stand to `expected`: "=", ">=" or "<=".
        power: the smallest deviation of `value` that would have been called violated, in its unit;
            None where no verdict was given.
        beyond: `power` counts from `expected`, on the side that the law forbids: a value far on the
            right side has to come all the way first.
    """

    name: str
    status: str
    value: float | None
    expected: float | None
    stderr: float | None
    detail: str
    relation: str = "="
    power: float | None = None
    beyond: bool = False

    @classmethod
    def of(
        cls, name: str, found: Estimate, expected: float, detail: str, *, relation: str = "="
    ) -> Check:
        """A measured number against what a law says, judged by the one rule."""
        status = judge(found.z(expected), relation=relation)
        power = found.power(relation)
        return cls(name, status, found.value, expected, found.stderr, detail, relation, power)

    def to_dict(self) -> dict[str, Any]:
        """The keys of the JSON contract."""
        return {
            "name": self.name,
            "status": self.status,
            "value": finite(self.value),
            "expected": finite(self.expected),
            "stderr": finite(self.stderr),
            "power": finite(self.power),
            "relation": self.relation,
            "beyond": self.beyond,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Quantity:
    """One number of a run.

    Attributes:
        value: None where it is unknown, unpriced or infinite; `note` says which.
        stderr: standard error; 0 where exact, None where unknown.
        unit: "J", "kT", "nat", "V", "1", ...
        note: a qualification.
        method: how the value was obtained, where there is more than one way.
    """

    value: float | None
    stderr: float | None
    unit: str
    note: str = ""
    method: str = ""

    @classmethod
    def of(cls, found: Estimate | None, unit: str, note: str = "", *, method: str = "") -> Quantity:
        """An estimate, or None for what is unknown."""
        value, stderr = found if found is not None else (None, None)
        return cls(value, stderr, unit, note, method)

    def to_dict(self) -> dict[str, Any]:
        """value, stderr, unit; note and method where there are any."""
        plain: dict[str, Any] = {
            "value": finite(self.value),
            "stderr": finite(self.stderr),
            "unit": self.unit,
        }
        plain.update(
            {key: text for key, text in (("note", self.note), ("method", self.method)) if text}
        )
        return plain


def not_applicable(
    name: str, reason: str, *, value: float | None = None, relation: str = "="
) -> Check:
    """A check that cannot be made, with the reason (and the number that is there all the same)."""
    return Check(name, NOT_APPLICABLE, value, None, None, reason, relation)


def finite(value: float | None) -> float | None:
    """The number, or None where it is no finite one: NaN has no place in JSON."""
    return None if value is None or not math.isfinite(value) else float(value)


def together(checks: Iterable[Row]) -> list[tuple[tuple[Row, ...], Row]]:
    """Checks in their order, those that are not applicable for one and the same reason (what stands
    before the first semicolon of the detail) in one row: all of them, and the first with what the
    others have to say besides.

    Args:
        checks: any dataclass with a status and a detail.
    """
    rows: list[tuple[tuple[Row, ...], Row]] = []
    places: dict[str, int] = {}
    for check in checks:
        reason, _, rest = check.detail.partition("; ")
        place = places.get(reason) if check.status == NOT_APPLICABLE else None
        if place is None:
            if check.status == NOT_APPLICABLE:
                places[reason] = len(rows)
            rows.append(((check,), check))
            continue
        some, first = rows[place]
        known = first.detail.split("; ")
        more = [words for words in rest.split("; ") if words and words not in known]
        rows[place] = (*some, check), replace(first, detail="; ".join([*known, *more]))
    return rows
