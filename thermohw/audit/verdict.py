"""What an audit says: checks with a status, quantities with a standard error, and how z-scores are
judged.

A check compares a measured value with what a law expects, in units of its own standard error:

    |z| <= 3   holds        3 < |z| <= 4   explained (chance or bias; z is printed)        |z| > 4
    violated

Inequalities are one-sided: only the forbidden side counts. "explained" is also the status of a
deviation whose cause is known and whose terms add up; "not-applicable" says what is missing for a
check. A right run has |z| > 3 by chance in 0.27 % of two-sided checks and |z| > 4 in 0.0063 %.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = [
    "EXPLAINED",
    "HOLDS",
    "NOT_APPLICABLE",
    "VIOLATED",
    "Audit",
    "Check",
    "Measured",
    "Quantity",
    "judge",
    "not_applicable",
    "worst",
]

HOLDS, EXPLAINED, VIOLATED = "holds", "explained", "violated"
NOT_APPLICABLE = "not-applicable"
_SEVERITY = (NOT_APPLICABLE, HOLDS, EXPLAINED, VIOLATED)


class Measured(NamedTuple):
    """A number and its standard error."""

    value: float
    stderr: float

    def z(self, expected: float = 0.0) -> float:
        """Deviation in standard errors; nan or infinite where the error is not positive."""
        if self.stderr > 0.0:
            return (self.value - expected) / self.stderr
        return 0.0 if self.value == expected else math.copysign(math.inf, self.value - expected)

    def text(self, form: str = ".5f") -> str:
        """Value and standard error in words, "0.12345 +- 0.00012"."""
        return f"{self.value:{form}} +- {self.stderr:{form.lstrip('+')}}"


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
    """

    name: str
    status: str
    value: float | None
    expected: float | None
    stderr: float | None
    detail: str
    relation: str = "="

    def to_dict(self) -> dict[str, Any]:
        """The six keys of the JSON contract."""
        return {
            "name": self.name,
            "status": self.status,
            "value": finite(self.value),
            "expected": finite(self.expected),
            "stderr": finite(self.stderr),
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


@dataclass(frozen=True)
class Audit:
    """Laws, bounds and numbers of one stored run.

    Attributes:
        checks: in a fixed order.
        quantities: dotted name -> number; means per sample.
        run: what was run and where: names, settings, versions.
    """

    checks: tuple[Check, ...]
    quantities: dict[str, Quantity] = field(repr=False)
    run: dict[str, Any] = field(repr=False)

    @property
    def holds(self) -> bool:
        """Every applicable check holds or is explained."""
        return all(check.status != VIOLATED for check in self.checks)

    def check(self, name: str) -> Check:
        """The check of that name."""
        return next(check for check in self.checks if check.name == name)

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain types; a number that is not finite becomes None."""
        return {
            "checks": [check.to_dict() for check in self.checks],
            "quantities": {name: quantity.to_dict() for name, quantity in self.quantities.items()},
            "run": _plain(self.run),
        }

    def __str__(self) -> str:
        from thermohw.audit.table import format_audit

        return format_audit(self)


def judge(z: float, *, relation: str = "=") -> str:
    """The status that a z-score earns; a z that is not a number is a violation.

    Args:
        z: (value - expected) / standard error.
        relation: "=" both sides count, ">=" only negative z, "<=" only positive z.
    """
    if math.isnan(z):
        return VIOLATED
    size = {"=": abs(z), ">=": -z, "<=": z}[relation]
    return HOLDS if size <= 3.0 else EXPLAINED if size <= 4.0 else VIOLATED


def worst(*statuses: str) -> str:
    """The most severe of several statuses."""
    return max(statuses, key=_SEVERITY.index)


def not_applicable(
    name: str, reason: str, *, value: float | None = None, relation: str = "="
) -> Check:
    """A check that cannot be made, with the reason (and the number that is there all the same)."""
    return Check(name, NOT_APPLICABLE, value, None, None, reason, relation)


def finite(value: float | None) -> float | None:
    """The number, or None where it is no finite one: NaN has no place in JSON."""
    return None if value is None or not math.isfinite(value) else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return finite(value) if isinstance(value, float) else value
