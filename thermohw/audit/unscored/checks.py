"""The checks that every kind of run without a score has.

How a deviation becomes a verdict is the one rule of `thermohw.estimate`, of exponential averages
that of `thermohw.books.theorems`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.audit.kept import ROUND_OFF
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.estimate import (
    HOLDS,
    NOT_APPLICABLE,
    VIOLATED,
    Estimate,
    called_of,
    judge,
    largest_of,
)
from thermohw.units import engineering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from thermohw.audit.unscored.sums import Kind, Sums
    from thermohw.store import RunReader

__all__ = [
    "FINER",
    "distinct_paths",
    "finite_values",
    "first_law",
    "integral_theorem",
    "kept_states",
    "law_columns",
    "mean_accounts_check",
    "medium_entropy",
    "quantities",
    "rail_check",
    "state_law",
    "step_error",
]

FINER = 8
"""Parts of a step that its error is judged by."""

_ROUND = 1e-10  # of the energy exchanged: hundreds of thousands of additions in float64
_STATES = 1e-9  # stored energies against those of stored states
_EXACT = 1e-9  # of mean and largest: standard deviations of end states below are none
_LARGE = 1e6  # kT, from where on an account is no matter of five decimals


def finite_values(sums: Sums) -> Check:
    """Every number of the ledger is finite."""
    wrong = sums.tally.unsound
    total = sum(wrong.values())
    named = ", ".join(f"{count} of {name}" for name, count in sorted(wrong.items())[:3])
    detail = f"{total} of {sums.tally.numbers} stored numbers are not finite"
    detail += f": {named}" if wrong else ""
    status = VIOLATED if total else HOLDS
    return Check("finite_values", status, float(total), 0.0, None, detail, power=1.0)


def distinct_paths(sums: Sums, paths: int) -> Check:
    """No path is another's copy."""
    if paths < 2:
        return not_applicable("distinct_paths", "there is one path")
    copies, seen = sums.tally.copies()
    if seen < 2:
        return not_applicable("distinct_paths", "no two paths in which chance had a part")
    detail = f"{copies} of {seen} paths agree with an earlier one in every channel, bit for bit"
    status = VIOLATED if copies else HOLDS
    return Check("distinct_paths", status, float(copies), 0.0, None, detail, power=1.0)


def first_law(sums: Sums, paths: int) -> Check:
    """Energy change = works - heats, path by path, and energies of the stored states."""
    fine = sums.residual <= _ROUND and sums.states <= _STATES
    detail = (
        f"energy change = works - heats on each of {paths} paths: largest residual "
        f"{sums.residual:.2g} of the energy exchanged; stored states give other energies by "
        f"{sums.states:.2g}"
    )
    if not sums.contradiction <= ROUND_OFF:
        fine = False
        detail += f"; the moments that were kept contradict each other by {sums.contradiction:.2g}"
    # Of two numbers the one that is off, or the first.
    value, most = sums.residual, _ROUND
    if value <= _ROUND and not sums.states <= _STATES:
        value, most = sums.states, _STATES
    status = HOLDS if fine else VIOLATED
    return Check("first_law", status, value, most, None, detail, "<=", most)


def medium_entropy(sums: Sums, kind: Kind) -> Check:
    """sum_k int dQ_k/(k T_k): path by path from the heats, or its mean where T_k vary."""
    name = "medium_entropy"
    if not kind.varies:
        off = f"largest deviation {sums.medium:.2g} of its terms"
        detail = f"sum_k Q_k/(k T_k) of every path: {off}"
        status = HOLDS if sums.medium <= _STATES else VIOLATED
        return Check(name, status, sums.medium, _STATES, None, detail, "<=", _STATES)
    expected = kind.expected
    if isinstance(expected, str):
        return not_applicable(name, f"temperatures vary, and {expected}")
    found, value = sums.moments["medium"], expected["medium"]
    detail = (
        f"mean of sum_k int dQ_k/(k T_k) {found.text()} nats, in closed form {value:.5f}: "
        f"z = {found.z(value):+.2f}"
    )
    return Check.of(name, found, value, detail)


def mean_accounts_check(
    sums: Sums, expected: dict[str, Any] | str, name: str, accounts: Sequence[str], words: str,
    unit: str = "kT",
) -> Check:  # fmt: skip
    """Means of some accounts against their closed form; the largest |z| of all is judged.

    Args:
        sums: of the ledger.
        expected: means by name; or why they are not known.
        name: of the check.
        accounts: names of heats, or of works.
        words: where the closed form comes from.
        unit: of the accounts.
    """
    if not accounts:
        return not_applicable(name, "nothing does work on the circuit")
    if isinstance(expected, str):
        return not_applicable(name, expected)
    gaps = {n: sums.moments[n] - expected[n] for n in accounts}
    # Neither sums of ticks nor closed forms are more exact than their rounding.
    size = max(abs(sums.moments[n].value) for n in accounts)
    rounding = Estimate(0.0, _ROUND * size)
    rows = [(gap + rounding, n) for n, gap in gaps.items() if gap.stderr > 0.0 or gap.value]
    if not rows:
        return not_applicable(name, "none of them does work")
    gap, account = max(rows, key=lambda row: abs(row[0].z()))
    found, value = sums.moments[account], float(sums.moments[account].value - gap.value)
    z = largest_of(gap.z(), len(rows))
    power = gap.reach(called_of(len(rows)))
    form = ".5f" if abs(value) < _LARGE else ".10g"
    detail = (
        f"mean {account} {found.text(form)} {unit}, {words} {value:{form}}: z = {z:+.2f} as the "
        f"largest of {len(rows)}"
    )
    return Check(name, judge(z), found.value, value, gap.stderr, detail, power=power)


def law_columns(
    place: str, values: NDArray[Any], mean: NDArray[Any], covariance: NDArray[Any],
    names: Sequence[str],
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """States in standard deviations of their law, and squared: columns for `state_law`.

    Args:
        place: "start" or "end".
        values: states there, shape (paths, n), in the unit of the next two.
        mean: of the law, shape (n,).
        covariance: of the law, shape (n, n).
        names: of the coordinates.

    Returns:
        Columns of those that are random at all.
    """
    variance = np.diag(covariance)
    random = np.flatnonzero(variance > _EXACT**2 * (mean**2 + variance.max(initial=0.0)))
    away = (values - mean)[:, random] / np.sqrt(variance[random])
    columns = {f"{place}.{names[n]}": away[:, i] for i, n in enumerate(random.tolist())}
    return columns | {
        f"square.{place}.{names[n]}": away[:, i] ** 2 for i, n in enumerate(random.tolist())
    }


def state_law(sums: Sums, place: str, reason: str | None = None) -> Check:
    """Means and variances of the states at one end; the largest deviation of all is judged.

    Args:
        sums: of the ledger, with `law_columns`.
        place: "start" or "end".
        reason: why there is no law; None where there is one.
    """
    name = f"{place}_law"
    columns = [n for n in sums.moments.mean if n.removeprefix("square.").startswith(f"{place}.")]
    if reason is not None or not columns:
        return not_applicable(name, reason or f"no state is random at the {place}")
    gaps = {n: sums.moments[n] - float(n.startswith("square.")) for n in columns}
    worst = max(columns, key=lambda n: abs(gaps[n].z()))
    z, found = largest_of(gaps[worst].z(), len(columns)), sums.moments[worst]
    squared = worst.startswith("square.")
    word = "variance over its law's" if squared else "mean, in standard deviations,"
    coordinate = worst.removeprefix("square.").removeprefix(f"{place}.")
    detail = (
        f"{word} of {coordinate} at the {place} {found.text()}: z = {z:+.2f} as the largest of "
        f"{len(columns)}"
    )
    power = gaps[worst].reach(called_of(len(columns)))
    expected = float(squared)
    return Check(name, judge(z), found.value, expected, found.stderr, detail, power=power)


def kept_states(run: RunReader) -> Check:
    """The last kept states are the end states, and those kept at step 0 the start states: of
    circuits whose parameters rest, bit for bit.
    """
    name, wrong, seen = "kept_states", 0, 0
    for series in run.series_names:
        read = run.series(series)
        for place, frame in (("start", 0), ("end", run.layout.frames - 1)):
            if place == "start" and run.layout.steps[0] != 0:
                continue
            kept = read.read(slice(frame, frame + 1))[0]
            wrong += int((kept != run.ledger(f"{series}.{place}")).any(-1).sum())
            seen += 1
    if not seen:
        return not_applicable(name, "no states were kept on the way")
    detail = f"{wrong} of {run.paths} paths begin or end elsewhere than their kept states"
    status = VIOLATED if wrong else HOLDS
    return Check(name, status, float(wrong), 0.0, None, detail, power=1.0)


def rail_check(run: RunReader, kind: Any, largest: float) -> Check:
    """The largest node voltage of start, end and kept frames against the datasheet's rail.

    Args:
        run: the file.
        kind: of the run.
        largest: at start and end, volt.
    """
    name, sheet = "limits", kind.device.datasheet
    rail = None if sheet is None else sheet.limits.rail
    if "voltage" in run.series_names:
        for _, values in run.series("voltage").units():
            largest = max(largest, float(np.abs(values).max(initial=0.0)))
    reached = engineering(largest, "V")
    if rail is None:
        reason = f"the datasheet sets no rail; reached {reached} at kept times"
        return not_applicable(name, reason, relation="<=")
    ratio = largest / rail.value
    detail = f"{reached} of a rail of {engineering(rail.value, 'V')}, at kept times"
    status = HOLDS if ratio <= 1.0 else VIOLATED
    return Check(name, status, ratio, 1.0, None, detail, "<=", 0.0)


def integral_theorem(sums: Sums, label: str, reason: str | None) -> Check:
    """<exp(-x)> = 1.

    Args:
        sums: of the ledger.
        label: what is averaged, in words.
        reason: why there is no theorem; None where there is one.
    """
    name, total = "integral_theorem", sums.exponents
    if reason is not None or total is None:
        return not_applicable(name, reason or "exponents were not recorded")
    average, weight = total.average, total.weight()
    text = f"{label} = {average.text()}"
    if not total.trusted:
        reason = f"{weight}: {text} rests on paths too rare to have been seen"
        return not_applicable(name, reason, value=average.value)
    status = total.judge_against()
    detail = f"{text}, z = {total.z():+.2f}; {weight}"
    if status == NOT_APPLICABLE:
        reason = f"{detail}: below 1, where rare paths may be missing"
        return not_applicable(name, reason, value=average.value)
    return Check(name, status, average.value, 1.0, average.stderr, detail, power=total.power)


def quantities(sums: Sums, kind: Kind, works: str) -> dict[str, Quantity]:
    """Means per sample in joule and k T_ref, and what they should be.

    Args:
        sums: of the ledger.
        kind: of the run.
        works: name of the sum of all works, "work.parameters" and the like.
    """
    table: dict[str, Quantity] = {}

    def put(name: str, found: Estimate, note: str = "") -> None:
        table[f"{name}.kT"] = Quantity.of(found, "kT", note)
        table[f"{name}.J"] = Quantity.of(found * kind.unit, "J")

    put("heat.total", sums.moments["heat.total"])
    for bath, relative in zip(kind.baths, kind.temperatures, strict=True):
        note = "" if relative == 1.0 else f"kT of the reference; the bath is at {relative:g} of it"
        put(f"heat.{bath}", sums.moments[f"heat.{bath}"], note)
    put(works, sums.moments["work.total"])
    for name in kind.sources:
        put(f"work.{name}", sums.moments[f"work.{name}"])
    put("energy.change", sums.moments["energy.change"])
    table["first_law.residual"] = Quantity(
        sums.residual, 0.0, "1", "largest of any path, relative to the energy it exchanged"
    )
    table["entropy.medium"] = Quantity.of(sums.moments["medium"], "nat")
    expected = kind.expected
    for account, value in expected.items() if isinstance(expected, dict) else ():
        if account != "medium":
            found = value if isinstance(value, Estimate) else Estimate(value, 0.0)
            table[f"expected.{account}.kT"] = Quantity.of(found, "kT", "in closed form")
    return table


def step_error(ours: Mapping[str, float], finer: Mapping[str, float]) -> Quantity:
    """What steps `FINER` times shorter change of the mean accounts, of the largest of them."""
    size = max(map(abs, finer.values())) or 1.0
    off = max(abs(ours[name] - finer[name]) for name in ours) / size
    words = f"largest relative change of a mean account in steps of h/{FINER}, linear law"
    return Quantity(off, 0.0, "1", words)
