"""What the electronics around the circuit cost, joule per sample: the bill of a stored run.

Lines, prices and totals are those of `thermohw.bill`; the heat is the run's own, and erasure is
priced by what its readings told. cost.total is what audits have always added up: converters,
arithmetic and erasure. cost.sample is everything, the circuit's heat included; it is known where
every line is. cost.priced is what is known of it. Exact readings would fill an infinite memory:
their erasure has no cost to be named and is left out of the totals, which say so. None of the costs
is heat of the circuit's own baths.
"""

from __future__ import annotations

from thermohw.audit.information import learned
from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Quantity
from thermohw.bill import PARTS, Bill, BillLine, Tariff, make_bill, operations_of
from thermohw.bill.erasure import Told, erasure_line
from thermohw.score.network.counts import counts_of, is_formula
from thermohw.units import engineering

__all__ = ["cost_quantities", "line_quantity", "stored_bill"]


def cost_quantities(recorded: Recorded) -> dict[str, Quantity]:
    """cost.<part>, cost.total, cost.sample and cost.priced, each also as cost.X.J."""
    bill = stored_bill(recorded)
    lines = (*bill.lines, *bill.totals)
    # The plain names came first and stay; with .J each is named as every other energy is.
    return {f"{line.name}{unit}": line_quantity(line) for line in lines for unit in ("", ".J")}


def stored_bill(recorded: Recorded) -> Bill:
    """The bill of a run, with its own heat."""
    setting, plan = recorded.setting, recorded.plan
    told = None
    if recorded.clocked:
        found = learned(recorded)
        told = Told(found.most, found.exact, found.source)
    heat, kt = recorded.moments["heat.total"], recorded.kt
    value, error = heat.value * kt, heat.stderr * kt
    words = f"the heat of {recorded.paths} paths"
    return make_bill(
        operations_of(plan, counts_of(setting.score), exact=is_formula(setting.score)),
        Tariff(setting.device.datasheet),
        heat=BillLine("heat.total", value, value - 3.0 * error, value + 3.0 * error, words,
                      "this run", "simulated", words, stderr=error),
        erasure=erasure_line(plan, told),
        samples=recorded.paths,
    )  # fmt: skip


def line_quantity(line: BillLine) -> Quantity:
    """A line as a quantity; the note has what was counted, and the spread of its price."""
    note = line.note
    if line.value and line.low is not None and line.high is not None and line.low < line.high:
        ends = engineering(line.low, "J", 2), engineering(line.high, "J", 2)
        note = "; ".join(filter(None, (note, f"{ends[0]} to {ends[1]}")))
    if line.value is not None and line.evidence and line.name.removeprefix("cost.") in PARTS:
        note = "; ".join(filter(None, (note, line.evidence)))
    return Quantity(line.value, None if line.value is None else line.stderr, "J", note)
