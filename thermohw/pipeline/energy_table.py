"""A bill as plain text: lines with their spread, totals, ratios, what would help, and sources."""

from __future__ import annotations

from math import floor, log10
from textwrap import wrap
from typing import TYPE_CHECKING

from thermohw.units import engineering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from thermohw.bill import Bill, BillLine, Help

__all__ = ["energy_table", "told"]

_WIDTH = 118


def energy_table(
    title: str,
    run: Mapping[str, Any],
    bill: Bill,
    basis: BillLine,
    ratios: Mapping[str, float | None],
    helps: Sequence[Help],
    notes: Sequence[str],
    utilisation: float,
) -> str:
    """The whole page; arguments are those of `thermohw.pipeline.energy.EnergyBudget`."""
    head = (
        f"{title}: {run['device']}, {run['process']}, {run['wiring']} {run['control']}, "
        f"{run['ticks']} {run['grid']} ticks, {engineering(run['seconds'], 's')} a sample"
    )
    lines = (bill.heat, *bill.lines, *bill.totals)
    rows = [("line", "per sample", "low to high", "evidence")]
    rows += [(line.name, told(line), _spread(line), line.evidence or "") for line in lines]
    text = [head, ""]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row, line in zip(rows, (None, *lines), strict=True):
        cells = (
            row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].ljust(widths[2]), row[3],
        )  # fmt: skip
        text.append("  ".join(cells).rstrip())
        if line is not None:
            text += [f"    {part}" for part in wrap(_words(line), _WIDTH - 4)]
    text += ["", *_ratios(basis, ratios, utilisation), *_helps(helps)]
    text += [part for note in notes for part in wrap(f"note: {note}", _WIDTH)]
    return "\n".join(text)


def told(line: BillLine) -> str:
    """A value with as many digits as its spread leaves standing; "unpriced" for None."""
    if line.value is None:
        return "unpriced" if line.note.startswith("unpriced") else "unknown"
    if line.value == 0.0:
        return "0 J"
    return engineering(line.value, "J", _digits(line))


def _digits(line: BillLine) -> int:
    """No more than its spread leaves standing, and two."""
    if line.low is None or line.high is None or not line.value:
        return 2
    width = (line.high - line.low) / abs(line.value)
    if width <= 0.0:
        return 4
    return int(min(max(2, 1 - floor(log10(width))), 5))


def _spread(line: BillLine) -> str:
    if line.value is None:
        return ""
    if line.low is None or line.high is None:
        ends = [None if end is None else engineering(end, "J", 2) for end in (line.low, line.high)]
        if ends == [None, None]:
            return "spread not stated"
        return f"from {ends[0]}" if ends[1] is None else f"up to {ends[1]}"
    if line.low == line.high:
        return "exact"
    return f"{engineering(line.low, 'J', 2)} to {engineering(line.high, 'J', 2)}"


def _words(line: BillLine) -> str:
    if line.value is None:
        return line.note
    parts = [line.formula if line.formula not in ("", "sum of the lines") else line.note]
    if line.source:
        parts.append(line.source)
    return "; ".join(filter(None, parts))


def _ratios(basis: BillLine, ratios: Mapping[str, float | None], utilisation: float) -> list[str]:
    lines = []
    total = ratios["total.kT"]
    what = "in all" if basis.name == "cost.sample" else "what is priced is"
    if total is not None:
        lines.append(f"{what} {total:.2g} kT a sample")
        rest, ceiling = ratios["free_circuit.J"], ratios["free_circuit.ceiling"]
        if rest and ceiling is not None:
            words = f"a circuit that cost nothing would leave {engineering(rest, 'J', 2)} of it"
            least = f"at most {ceiling:.4g} times less"
            if ceiling - 1.0 < 1e-6:
                least = "a better circuit alone saves less than a millionth"
            lines.append(f"{words}: {least} (Amdahl)")
    if ratios["gpu.J"] is not None:
        words = (
            f"the same network on a GPU (A100, fp16) at {utilisation:.0%} of its peak: "
            f"{engineering(ratios['gpu.J'], 'J', 2)}"
        )
        share = ratios["gpu.break_even_utilisation"]
        if ratios["gpu.times"] is not None and share is not None:
            whole = "this" if basis.name == "cost.sample" else "what is priced"
            words += f", {ratios['gpu.times']:.2g} times {whole}; both cost the same at "
            words += f"{share:.0%} of its peak" if share <= 1.0 else (
                f"{share:.2g} times its peak, which no GPU reaches")  # fmt: skip
        lines.append(words)
    return [part for line in lines for part in wrap(line, _WIDTH)]


def _helps(helps: Sequence[Help]) -> list[str]:
    if not helps:
        return []
    lines = ["", "what would help (share of what is priced)"]
    for one in helps:
        if one.saves is None:
            saved = one.note
        elif one.saves == 0.0:
            saved = "saves nothing at these prices"
        elif abs(one.saves) < 5e-4:
            saved = "saves nothing to speak of"
        else:
            verb = "saves" if one.saves > 0.0 else "costs"
            saved = f"{verb} {100.0 * abs(one.saves):.2g} %"
        note = f" ({one.note})" if one.note and one.saves is not None else ""
        lines.append(f"    {one.change}: {saved}{note}")
    return [*lines, ""]
