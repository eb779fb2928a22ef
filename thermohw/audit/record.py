"""What an audit says, as one record: checks, quantities and what was run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from thermohw.audit.injected import Turn
from thermohw.audit.table import format_audit
from thermohw.audit.verdict import Check, Quantity, finite
from thermohw.estimate import VIOLATED

__all__ = ["Audit"]


@dataclass(frozen=True)
class Audit:
    """Laws, bounds and numbers of one stored run.

    Attributes:
        checks: in a fixed order.
        quantities: dotted name -> number; means per sample.
        run: what was run and where: names, settings, versions.
        injected: the errors that turn its verdicts, where they were asked for.
    """

    checks: tuple[Check, ...]
    quantities: dict[str, Quantity] = field(repr=False)
    run: dict[str, Any] = field(repr=False)
    injected: tuple[Turn, ...] | None = field(default=None, repr=False)

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
        plain: dict[str, Any] = {
            "checks": [check.to_dict() for check in self.checks],
            "quantities": {name: quantity.to_dict() for name, quantity in self.quantities.items()},
            "run": _plain(self.run),
        }
        if self.injected is not None:
            plain["injected"] = {turn.check: dict(turn.sizes) for turn in self.injected}
        return plain

    def text(self, baths: int | None = None) -> str:
        """For people; of the baths the first so many (default 8) one by one."""
        return format_audit(self.run, self.checks, self.quantities, baths, self.injected)

    def __str__(self) -> str:
        return self.text()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return finite(value) if isinstance(value, float) else value
