"""An audit as plain text: what ran, every check with its numbers, and the quantities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import floor, inf, isfinite, log10
from textwrap import wrap
from typing import Any

from thermohw.audit.injected import LARGEST, Turn
from thermohw.audit.verdict import Check, Quantity, together
from thermohw.estimate import VIOLATED
from thermohw.units import engineering

__all__ = ["MOST_BATHS", "format_audit", "power_words"]

_WIDTH = 118
MOST_BATHS = 8
"""Of an array's baths so many are listed one by one where nobody asks for more."""

_HEADS = {
    "played": (
        "{file}: {target} on {device}, {process}, {wiring} {control}, {score} score",
        "{paths} paths, {ticks} {grid} ticks, {dtype}, seed {seed}, start {start}",
    ),
    "program": (
        "{file}: {device}, program {program}",
        "{paths} paths, {ticks} ticks, stepper {stepper}, seed {seed}, start {start}",
    ),
    "evolve": (
        "{file}: {device}, {task}, {duration:.3g} s",
        "{paths} paths, {steps} steps, seed {seed}, start {start}",
    ),
    "jumps": (
        "{file}: {device}, electron by electron for {duration:.3g} s",
        "{paths} paths, method {method}, seed {seed}, start {start}",
    ),
}

_WITH_PREFIX = {"J", "V", "A", "s", "V/s"}


def format_audit(
    run: Mapping[str, Any],
    checks: Sequence[Check],
    quantities: Mapping[str, Quantity],
    baths: int | None = None,
    injected: Sequence[Turn] | None = None,
) -> str:
    """The whole audit, of the baths the first so many; see the module."""
    head = [line.format(**run) for line in _HEADS[run.get("kind", "played")]]
    violated = ", ".join(check.name for check in checks if check.status == VIOLATED)
    verdict = (
        f"VIOLATED: {violated}" if violated else "every applicable check holds or is explained"
    )
    table = _quantities(quantities, MOST_BATHS if baths is None else baths)
    turned = [] if injected is None else [*_turned(injected), ""]
    return "\n".join([*head, "", *_checks(checks), "", *turned, *table, "", verdict])


def power_words(power: float | None, *, beyond: bool = False) -> str:
    """What would have been called violated, as the end of a sentence; "" where it is not known."""
    if power is None or not isfinite(power):
        return ""
    what = "a value {:.2g} on the wrong side" if beyond else "a deviation of {:.2g}"
    size = what.format(power) if power else "any deviation"
    return f"; {size} would have been called"


def _checks(checks: Iterable[Check]) -> list[str]:
    rows = [("check", "status", "value", "", "expected", "stderr")]
    details = [""]
    for some, check in together(checks):
        numbers = (
            _short(check.value),
            check.relation if check.expected is not None else "",
            _short(check.expected),
            _short(check.stderr),
        )
        rows.append((", ".join(one.name for one in some), check.status, *numbers))
        details.append(check.detail + power_words(check.power, beyond=check.beyond))
    lines = []
    for row, detail in zip(_aligned(rows, left=(0, 1, 3)), details, strict=True):
        lines.append(row)
        lines += [f"    {line}" for line in wrap(detail, _WIDTH - 4)]
    return lines


def _turned(turns: Iterable[Turn]) -> list[str]:
    """The errors that turn each check, smallest first."""
    rows = [("check", "violated by an error, put into this run, of")]
    for turn in turns:
        found = sorted(((e, name) for name, e in turn.sizes.items() if e), key=lambda x: abs(x[0]))
        words = ", ".join(f"{name} {_percent(e)}" for e, name in found)
        none = f"none of up to {LARGEST:.0%}: no test of these errors"
        lines = wrap(words or none, _WIDTH - 24)
        rows += [(turn.check if i == 0 else "", line) for i, line in enumerate(lines)]
    return _aligned(rows, left=(0, 1))


def _percent(e: float) -> str:
    """A relative error, signed, two digits."""
    return f"{100.0 * e:+.2g} %"


def _quantities(quantities: Mapping[str, Quantity], most: int) -> list[str]:
    baths = [
        n[:-3]
        for n in quantities
        if n.startswith("heat.") and n.endswith(".kT") and n != "heat.total.kT"
    ]
    hidden = set(baths[most:])
    rows = [("quantity", "value", "stderr", "unit", "")]
    for name, quantity in quantities.items():
        if name.removesuffix(".kT").removesuffix(".J") in hidden:
            continue
        if name.startswith("cost.") and name.endswith(".J"):
            continue  # the plain name beside it is the same number
        if "work." in name and quantity.value == 0.0 and not quantity.stderr:
            continue  # a source at rest
        unit, prefixed = quantity.unit, quantity.unit in _WITH_PREFIX and quantity.value is not None
        remark = "; ".join(filter(None, (quantity.method, quantity.note)))
        if prefixed:
            known = 0.0 < (quantity.stderr or 0.0) < inf
            error = engineering(quantity.stderr or 0.0, unit, 2) if known else ""
            rows.append((name, engineering(quantity.value or 0.0, unit, 5), error, "", remark))
        else:
            rows.append((name, *_measured(quantity.value, quantity.stderr), unit, remark))
    if hidden:
        rows.append((f"... and {len(hidden)} more baths", "", "", "", ""))
    return _aligned(rows, left=(0, 3, 4))


def _measured(value: float | None, stderr: float | None) -> tuple[str, str]:
    """A value to the second digit of its error, and the error."""
    if value is None or not isfinite(value):
        return "-", ""
    if stderr is None or not 0.0 < stderr < inf:  # a file may say anything
        return f"{value:.7g}", ""
    digits = max(0, 1 - floor(log10(stderr)))
    if digits > 9 or abs(value) > 1e9:
        return f"{value:.6g}", f"{stderr:.2g}"
    return f"{value:.{digits}f}", f"{stderr:.{digits}f}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _aligned(rows: Sequence[Sequence[str]], left: tuple[int, ...]) -> list[str]:
    """Columns of equal width, two spaces apart; those in `left` are left-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
