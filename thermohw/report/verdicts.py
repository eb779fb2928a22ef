"""The audit of a run as the page reads it: checks with a verdict each, quantities by dotted name.

Input is the audit's JSON and nothing else, so that a page can also be made of an audit kept from
years ago. What an audit leaves out is shown as missing, never as zero.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thermohw.audit import Quantity
from thermohw.audit.verdict import together
from thermohw.intake import parse_json
from thermohw.report.numerals import measured, plain, power

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["STATUSES", "CheckRow", "Verdicts", "typeset"]

STATUSES = {
    "holds": ("✓", "holds"),
    "explained": ("≈", "explained"),
    "violated": ("✗", "violated"),
    "not-applicable": ("–", "not applicable"),
}
"""Status -> (symbol, words): nothing on the page says by colour alone what a check found."""

_TITLES = {
    "finite_values": "Numbers are numbers",
    "distinct_paths": "Paths are not copies",
    "first_law": "First law",
    "bath_heat": "Heat of every bath",
    "noise_temperature": "Noise of every resistor",
    "noise_correlation": "Noise that coordinates share",
    "gain": "Gain of the sources",
    "filter": "Filter of the readings",
    "start_law": "Start states follow their law",
    "second_law": "Second law of this wiring",
    "production": "Production, whatever the data's law",
    "fluctuation_even": "Fluctuation theorem, even control",
    "fluctuation_odd": "Fluctuation theorem, odd control",
    "bound_marginal": "Entropy bound on the marginal likelihood",
    "bound_ode": "Entropy bound on the flow likelihood",
    "nll_above_entropy": "Likelihood above the data's entropy",
    "twin_bound": "Entropy bound on a known law like the data's",
    "evidence": "Evidence bound of the device",
    "energy_likelihood": "Heat and likelihoods on the noised data",
    "information": "Second law with information",
    "information_identity": "Information identity",
    "sample_law": "Samples follow the law",
    "protocol_limits": "Limits of the datasheet",
    "medium_entropy": "Entropy of the baths",
    "parameter_work": "Work of every parameter",
    "supply_work": "Work of every supply",
    "integral_theorem": "Integral fluctuation theorem",
    "limits": "Limits of the datasheet",
}


_RELATIONS = {
    "first_law": "≤",
    "second_law": "≥",
    "production": "≥",
    "bound_marginal": "≥",
    "bound_ode": "≥",
    "nll_above_entropy": "≥",
    "twin_bound": "≥",
    "evidence": "≥",
    "information": "≥",
    "protocol_limits": "≤",
    "limits": "≤",
    "sample_law": "≤",
}
_POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]\d+)(?!\w)")
_MINUS = re.compile(r"(?<![\w.)\]])-(?=\d)")  # of a number, not of a range or a name
_SIGNS = {"+-": "±", ">=": "≥", "<=": "≤"}


@dataclass(frozen=True)
class CheckRow:
    """A law or a bound and what became of it.

    Attributes:
        found, expected: the number and what the law says of it, in words; "" where there is none.
        power: the smallest deviation that would have been called violated, in words; "" where the
            audit does not say.
    """

    name: str
    title: str
    status: str
    symbol: str
    words: str
    found: str
    expected: str
    power: str
    detail: str


@dataclass(frozen=True)
class Verdicts:
    """An audit, ready to be looked up.

    Attributes:
        checks: in the order of the audit.
        quantities: by dotted name; the note says how each was obtained too.
    """

    checks: tuple[CheckRow, ...]
    quantities: dict[str, Quantity]

    @classmethod
    def of(cls, audit: Any) -> Verdicts:
        """Read an audit: its JSON as a mapping or as text, or an object that has `to_json()`."""
        if hasattr(audit, "to_json"):
            audit = audit.to_json()
        table: Mapping[str, Any] = parse_json(audit) if isinstance(audit, str) else audit
        quantities = {
            name: Quantity(
                _number(q.get("value")),
                _number(q.get("stderr")),
                str(q.get("unit", "")),
                typeset("; ".join(filter(None, (q.get("method"), q.get("note"))))),
            )
            for name, q in table.get("quantities", {}).items()
        }
        return cls(tuple(_check(entry) for entry in table.get("checks", ())), quantities)

    @property
    def rows(self) -> list[tuple[tuple[CheckRow, ...], CheckRow]]:
        """Checks as the table shows them: what does not apply for one reason together."""
        return together(self.checks)

    def get(self, name: str) -> Quantity | None:
        """A quantity whose value is known, or None."""
        found = self.quantities.get(name)
        return None if found is None or found.value is None else found

    def counts(self) -> list[tuple[str, str, str, int]]:
        """(status, symbol, words, how many checks) for every status."""
        table = []
        for status, (symbol, words) in STATUSES.items():
            n = sum(check.status == status for check in self.checks)
            table.append((status, symbol, "hold" if words == "holds" and n != 1 else words, n))
        return table

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        numbers = {status: n for status, _, _, n in self.counts()}
        broken = [check.title for check in self.checks if check.status == "violated"]
        if broken:
            return f"Violated: {', '.join(broken)}."
        if not numbers["holds"] + numbers["explained"]:
            return "No check applies to this run."
        if numbers["explained"]:
            return "Every applicable law and bound holds or is explained."
        return "Every applicable law and bound holds."

    def groups(self) -> Iterable[tuple[str, list[Quantity]]]:
        """Quantities by the first part of their name."""
        table: dict[str, list[Quantity]] = {}
        for name, quantity in self.quantities.items():
            table.setdefault(name.split(".")[0], []).append(quantity)
        return table.items()


def _check(entry: Any) -> CheckRow:
    row = entry if isinstance(entry, dict) else vars(entry)
    name, status = str(row["name"]), str(row["status"])
    symbol, words = STATUSES[status]
    title = _TITLES.get(name, name.replace("_", " ").capitalize())
    value, expected = _number(row.get("value")), _number(row.get("expected"))
    return CheckRow(
        name,
        title,
        status,
        symbol,
        words,
        "" if value is None else measured(value, _number(row.get("stderr"))),
        "" if expected is None else f"{_relation(name, row.get('relation'))} {plain(expected)}",
        _power(_number(row.get("power")), beyond=bool(row.get("beyond"))),
        typeset(str(row.get("detail") or "")),
    )


def _relation(name: str, stated: Any) -> str:
    """How a value must stand to what is expected; audits of before do not state it."""
    return _SIGNS.get(str(stated), str(stated)) if stated else _RELATIONS.get(name, "=")


def _power(value: float | None, *, beyond: bool = False) -> str:
    """Audits of before there were powers have none."""
    if value is None or not math.isfinite(value):
        return ""
    if not value:
        return "would have called any deviation"
    return f"would have called {plain(value, 2)}{' on the wrong side' * beyond}"


def typeset(words: str) -> str:
    """Signs and powers of ten that plain text spells in other characters."""
    for plain_text, sign in _SIGNS.items():
        words = words.replace(plain_text, sign)
    words = _POWER.sub(_ten, words)
    return _MINUS.sub("−", words)


def _ten(match: re.Match[str]) -> str:
    """3.02e-06 as 3.02 × 10⁻⁶, which no line breaks."""
    mantissa, exponent = match.groups()
    if not float(mantissa):
        return "0"
    return ("" if mantissa == "1" else f"{mantissa}\u00a0×\u00a0") + power(int(exponent))


def _number(value: Any) -> float | None:
    """A float, or None for what JSON or an audit leave unknown."""
    if value is None or isinstance(value, str):
        return None
    number = float(value)
    return None if math.isnan(number) else number
