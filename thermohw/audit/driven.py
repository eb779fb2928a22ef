r"""The audit of a circuit without a score: led through a program of its parameters, or left alone.

    first_law          energy change = works - heats, every path; energies again from the states
    medium_entropy     sum_k int dQ_k/(k T_k), path by path from the heats; in the mean from second
                       moments where temperatures vary
    bath_heat          mean heats against the second moments of the ticks (linear circuits)
    parameter_work     mean works likewise
    integral_theorem   <exp(-A)> = Z_1/Z_0, Jarzynski with A = int d_t(beta H) dt
    second_law         <A> >= -ln Z_1/Z_0
    limits             voltages that were kept against the rail

From a file alone, its ledger read a group of paths at a time. No check has a rule of its own: see
`thermohw.estimate`, `thermohw.exponential`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.audit.moments import Moments
from thermohw.audit.paths import PathTally
from thermohw.audit.verdict import Audit, Check, Quantity, not_applicable
from thermohw.books import Books
from thermohw.circuit import QuarticDevice
from thermohw.errors import InputError
from thermohw.estimate import (
    FEWEST,
    HOLDS,
    VIOLATED,
    Estimate,
    called_of,
    judge,
    largest_of,
)
from thermohw.exponential import ExponentialMean
from thermohw.intake import parse_json
from thermohw.program.expected import mean_accounts
from thermohw.run.kinds import rebuild_any
from thermohw.units import engineering

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.program.drive import Drive, Prepared
    from thermohw.store import RunReader

__all__ = ["audit_drive"]

_ROUND = 1e-10  # of the energy exchanged: hundreds of thousands of additions in float64
_STATES = 1e-9  # stored energies against those of stored states
_BY_PATH = ("finite_values", "distinct_paths", "first_law", "limits")
_CHANGED = "the file was changed after the run; use the original"


@dataclass
class _Sums:
    """What one pass over the ledger leaves; energies in k T_ref."""

    moments: Moments
    tally: PathTally = field(default_factory=PathTally)
    exponents: ExponentialMean | None = None
    residual: float = 0.0
    states: float = 0.0
    medium: float = 0.0
    voltage: float = 0.0


def audit_drive(run: RunReader, parameters: dict[str, Any]) -> Audit:
    """Hold a stored drive against its laws.

    Args:
        run: its file, complete.
        parameters: of the file.

    Raises:
        InputError: the file lacks what the run needs, or contradicts itself.
    """
    where = str(run.path)
    drive: Drive = rebuild_any(parameters, where=where)
    made = drive.prepare(run.paths)
    simulate = _settings(run, parameters, drive, made)
    sums = _gather(run, drive, made)
    makers: dict[str, Callable[[], Check]] = {
        "finite_values": lambda: _finite(sums),
        "distinct_paths": lambda: _distinct(sums, run.paths),
        "first_law": lambda: _first_law(sums, run.paths),
        "medium_entropy": lambda: _medium(sums, drive, made),
        "bath_heat": lambda: _means(sums, drive, made, "bath_heat"),
        "parameter_work": lambda: _means(sums, drive, made, "parameter_work"),
        "integral_theorem": lambda: _theorem(sums, made),
        "second_law": lambda: _second_law(sums, made),
        "limits": lambda: _limits(sums, drive),
    }
    sound = makers["finite_values"]().status == HOLDS
    few = f"{run.paths} paths: a verdict on a mean needs {FEWEST}"
    checks = []
    for name, make in makers.items():
        if not sound and name != "finite_values":
            reason = "stored numbers are not finite, see finite_values"
            checks.append(not_applicable(name, reason))
        elif run.paths < FEWEST and name not in _BY_PATH:
            checks.append(not_applicable(name, few))
        else:
            checks.append(make())
    quantities = _quantities(sums, drive, made) if sound else {}
    return Audit(tuple(checks), quantities, _provenance(run, parameters, drive, made, simulate))


def _settings(
    run: RunReader, parameters: dict[str, Any], drive: Drive, made: Prepared
) -> dict[str, Any]:
    """How the paths were drawn; the file must have the channels of the run that it describes."""
    where, scale = str(run.path), drive.device.scale
    simulate = parse_json(parameters["simulate"], where)
    if not isinstance(simulate, dict) or simulate.get("paths") != run.paths:
        raise InputError(f"simulate.paths is not that of the ledger: {_CHANGED}", where=where)
    keys = () if drive.program is None else drive.program.keys
    needed = {f"heat.{bath}" for bath in drive.device.elements} | {f"work.{key}" for key in keys}
    missing = sorted((needed | {"energy.start", "energy.end", "medium"}) - set(run.ledger_names))
    if missing:
        raise InputError(
            f"the ledger lacks {', '.join(missing)}: the device or program described in the file "
            "is not the one that ran",
            where=where,
        )
    pairs = (
        ("units/energy", parameters["units"]["energy"], scale.energy),
        ("baths/energy", parameters["baths"]["energy"], scale.energy * drive.device.temperatures),
        ("schedule/physical_time", parameters.get("schedule", {}).get("physical_time"), made.grid),
    )
    for name, stored, rebuilt in pairs:
        found, wanted = np.asarray(stored, dtype=np.float64), np.asarray(rebuilt)
        if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=1e-6):
            problem = f"{name} is not what datasheet and program give: {_CHANGED}"
            raise InputError(problem, where=where)
    return simulate


def _gather(run: RunReader, drive: Drive, made: Prepared) -> _Sums:
    """One pass over the ledger, a group of paths at a time."""
    device, sums = drive.device, _Sums(Moments("first_law.residual"))
    unit, change = device.scale.energy, made.log_partition_change
    for start in range(0, run.paths, run.layout.group):
        part = slice(start, min(start + run.layout.group, run.paths))
        chunk = {name: run.ledger(name, part) for name in run.ledger_names}
        sums.tally.add(chunk)
        with np.errstate(all="ignore"):  # `finite_values` says
            _add(sums, chunk, drive, made, unit, change, run.paths)
    for name in run.series_names if not isinstance(device, QuarticDevice) else ():
        if name == "voltage":
            for _, values in run.series(name).units():
                sums.voltage = max(sums.voltage, float(np.abs(values).max(initial=0.0)))
    return sums


def _add(
    sums: _Sums,
    chunk: dict[str, NDArray[Any]],
    drive: Drive,
    made: Prepared,
    unit: float,
    change: float | None,
    paths: int,
) -> None:
    device = drive.device
    accounts = {n: v for n, v in chunk.items() if n.startswith(("heat.", "work.", "energy."))}
    books = Books({**accounts, "medium": chunk["medium"]}, unit, device.temperatures)
    columns = {name: values / unit for name, values in accounts.items()}
    columns |= {"heat.total": books["heat.total"] / unit, "work.total": books["work.total"] / unit}
    columns |= {"energy.change": books.energy_change / unit, "medium": books.medium}
    columns["first_law.residual"] = books.residual / unit
    size = books.exchanged + unit * device.dim
    sums.residual = _larger(sums.residual, np.abs(books.residual) / size)
    if not _varies(drive):
        again = (books.heat / (device.temperatures * unit)).sum(1)
        weight = 1.0 + np.abs(books.heat / (device.temperatures * unit)).sum(1)
        sums.medium = _larger(sums.medium, np.abs(again - books.medium) / weight)
    for end, board in zip(("start", "end"), made.ends, strict=True):
        z = _state(device, board, chunk, end)
        energy = board.landscape.energy(torch.as_tensor(z)).numpy() * unit
        gap = np.abs(energy - chunk[f"energy.{end}"]) / (np.abs(energy) + unit)
        sums.states = _larger(sums.states, gap)
    if "exponent" in chunk and change is not None:
        columns["exponent"] = chunk["exponent"]
        sums.exponents = sums.exponents or ExponentialMean(paths)
        sums.exponents.add(chunk["exponent"] + change)
    for end in ("start", "end"):
        if f"voltage.{end}" in chunk:
            sums.voltage = max(sums.voltage, float(np.abs(chunk[f"voltage.{end}"]).max()))
    sums.moments.add(columns)


def _state(device: Any, board: Any, chunk: dict[str, NDArray[Any]], end: str) -> NDArray[Any]:
    """Charges and fluxes, or x, of the stored start or end states, thermal units."""
    if isinstance(device, QuarticDevice):
        return chunk[f"x.{end}"]
    parts = [chunk[f"voltage.{end}"]]
    if device.fluxes:
        parts.append(chunk[f"inductor_current.{end}"])
    efforts = np.concatenate(parts, axis=1) / device.effort_scale
    return np.linalg.solve(board.landscape.quadratic, efforts.T).T


def _larger(before: float, now: NDArray[Any]) -> float:
    """The larger; not a number once one was."""
    return float(np.maximum(before, now.max()))


def _varies(drive: Drive) -> bool:
    """Whether a temperature changes in the course of the run."""
    keys = () if drive.program is None else drive.program.keys
    return any(key.endswith(".temperature") for key in keys)


def _finite(sums: _Sums) -> Check:
    wrong = sums.tally.unsound
    total = sum(wrong.values())
    named = ", ".join(f"{count} of {name}" for name, count in sorted(wrong.items())[:3])
    detail = f"{total} of {sums.tally.numbers} stored numbers are not finite"
    detail += f": {named}" if wrong else ""
    status = VIOLATED if total else HOLDS
    return Check("finite_values", status, float(total), 0.0, None, detail, power=1.0)


def _distinct(sums: _Sums, paths: int) -> Check:
    if paths < 2:
        return not_applicable("distinct_paths", "there is one path")
    copies, seen = sums.tally.copies()
    detail = f"{copies} of {seen} paths agree with an earlier one in every channel, bit for bit"
    status = VIOLATED if copies else HOLDS
    return Check("distinct_paths", status, float(copies), 0.0, None, detail, power=1.0)


def _first_law(sums: _Sums, paths: int) -> Check:
    fine = sums.residual <= _ROUND and sums.states <= _STATES
    detail = (
        f"energy change = works - heats on each of {paths} paths: largest residual "
        f"{sums.residual:.2g} of the energy exchanged; energies of the stored states differ from "
        f"the stored ones by {sums.states:.2g}"
    )
    status = HOLDS if fine else VIOLATED
    return Check("first_law", status, sums.residual, _ROUND, None, detail, "<=", _ROUND)


def _medium(sums: _Sums, drive: Drive, made: Prepared) -> Check:
    name = "medium_entropy"
    if not _varies(drive):
        off = f"largest deviation {sums.medium:.2g} of its terms"
        detail = f"sum_k Q_k/(k T_k) of every path: {off}"
        status = HOLDS if sums.medium <= _STATES else VIOLATED
        return Check(name, status, sums.medium, _STATES, None, detail, "<=", _STATES)
    expected = mean_accounts(made)
    if isinstance(expected, str):
        return not_applicable(name, f"temperatures vary, and {expected}")
    found = sums.moments["medium"]
    detail = (
        f"mean of sum_k int dQ_k/(k T_k) {found.text()} nats, second moments of the ticks say "
        f"{expected[2]:.5f}: z = {found.z(expected[2]):+.2f}"
    )
    return Check.of(name, found, expected[2], detail)


def _means(sums: _Sums, drive: Drive, made: Prepared, name: str) -> Check:
    """Mean heats or works against what second moments say, the largest |z| of all."""
    prefix = "heat." if name == "bath_heat" else "work."
    labels = drive.device.elements if name == "bath_heat" else _keys(drive)
    if not labels:
        return not_applicable(name, "no parameter is led through a program")
    expected = mean_accounts(made)
    if isinstance(expected, str):
        return not_applicable(name, expected)
    values = expected[0 if name == "bath_heat" else 1]
    rows = [(sums.moments[prefix + label], label, float(value))
            for label, value in zip(labels, values, strict=True)]  # fmt: skip
    rows = [row for row in rows if row[0].stderr > 0.0 or abs(row[0].value - row[2]) > _STATES]
    if not rows:
        return not_applicable(name, "no parameter of the program does work")
    found, label, value = max(rows, key=lambda row: abs(row[0].z(row[2])))
    z = largest_of(found.z(value), len(rows))
    power = max(one.reach(called_of(len(rows))) for one, _, _ in rows)
    detail = (
        f"mean {'heat into' if name == 'bath_heat' else 'work of'} {label} {found.text()} kT, "
        f"second moments of the ticks say {value:.5f}: z = {z:+.2f} as the largest of {len(rows)}"
    )
    return Check(name, judge(z), found.value, value, found.stderr, detail, power=power)


def _keys(drive: Drive) -> tuple[str, ...]:
    return () if drive.program is None else drive.program.keys


def _unknown(made: Prepared) -> str | None:
    """Why there is no theorem to hold the exponents against."""
    if made.log_partition_change is None:
        return f"started from '{made.started}', or no equilibrium at the last parameters"
    if not made.play.one:
        return "the baths differ in temperature; the theorem needs one at a time"
    if made.play.sources == 0:
        return "no parameter is led through a program: the exponent is zero"
    if made.play.stepper not in ("exact", "midpoint"):
        return f"the {made.play.stepper} stepper keeps exp(-H/T) to the order of its tick only"
    return None


def _theorem(sums: _Sums, made: Prepared) -> Check:
    name, total = "integral_theorem", sums.exponents
    if (reason := _unknown(made)) is not None or total is None:
        return not_applicable(name, reason or "exponents were not recorded")
    average, weight = total.average, total.weight()
    text = f"<exp(-A)> Z_0/Z_1 = {average.text()}"
    if not total.trusted:
        reason = f"{weight}: {text} rests on paths too rare to have been seen"
        return not_applicable(name, reason, value=average.value)
    status = total.judge_against(1.0)
    detail = f"{text}, z = {average.z(1.0):+.2f}; {weight}"
    if status == "not-applicable":
        return not_applicable(name, f"{detail}: below 1, where rare paths may be missing",
                              value=average.value)  # fmt: skip
    return Check(name, status, average.value, 1.0, average.stderr, detail, power=average.power())


def _second_law(sums: _Sums, made: Prepared) -> Check:
    name, change = "second_law", made.log_partition_change
    if (reason := _unknown(made)) is not None or change is None or "exponent" not in sums.moments:
        return not_applicable(name, reason or "exponents were not recorded", relation=">=")
    slack = sums.moments["exponent"] + change
    detail = f"<A> + ln Z_1/Z_0 = {slack.text()} nats lost, never below zero"
    return Check.of(name, slack, 0.0, detail, relation=">=")


def _limits(sums: _Sums, drive: Drive) -> Check:
    name, sheet = "limits", drive.device.datasheet
    if isinstance(drive.device, QuarticDevice):
        return not_applicable(name, "states of quartic units are no voltages", relation="<=")
    rail = None if sheet is None else sheet.limits.rail
    reached = engineering(sums.voltage, "V")
    if rail is None:
        reason = f"the datasheet sets no rail; reached {reached} at kept times"
        return not_applicable(name, reason, relation="<=")
    ratio = sums.voltage / rail.value
    detail = f"{reached} of a rail of {engineering(rail.value, 'V')}, at kept times"
    status = HOLDS if ratio <= 1.0 else VIOLATED
    return Check(name, status, ratio, 1.0, None, detail, "<=", 0.0)


def _quantities(sums: _Sums, drive: Drive, made: Prepared) -> dict[str, Quantity]:
    """Means per sample: joule and k T_ref of every account, nats, and the theorem's numbers."""
    table: dict[str, Quantity] = {}
    unit = drive.device.scale.energy

    def put(name: str, found: Estimate, note: str = "") -> None:
        table[f"{name}.J"] = Quantity.of(found * unit, "J")
        table[f"{name}.kT"] = Quantity.of(found, "kT", note)

    put("heat.total", sums.moments["heat.total"])
    for bath, relative in zip(drive.device.elements, drive.device.temperatures, strict=True):
        kelvin = relative * drive.device.scale.temperature
        note = "" if relative == 1.0 else f"kT of the reference; the bath is at {kelvin:g} K"
        put(f"heat.{bath}", sums.moments[f"heat.{bath}"], note)
    put("work.parameters", sums.moments["work.total"])
    for key in _keys(drive):
        put(f"work.{key}", sums.moments[f"work.{key}"])
    put("energy.change", sums.moments["energy.change"])
    table["first_law.residual"] = Quantity(
        sums.residual, 0.0, "1", "largest of any path, relative to the energy it exchanged"
    )
    table["entropy.medium"] = Quantity.of(sums.moments["medium"], "nat")
    change = made.log_partition_change
    table["theorem.log_partition_change"] = Quantity(change, 0.0 if change is not None else None,
                                                     "nat", "ln Z_1/Z_0")  # fmt: skip
    if "exponent" in sums.moments:
        table["theorem.exponent"] = Quantity.of(sums.moments["exponent"], "nat")
    expected = mean_accounts(made)
    if not isinstance(expected, str):
        for bath, value in zip(drive.device.elements, expected[0], strict=True):
            note = "from second moments of the ticks"
            table[f"expected.heat.{bath}.kT"] = Quantity(float(value), 0.0, "kT", note)
    return table


def _provenance(
    run: RunReader,
    parameters: dict[str, Any],
    drive: Drive,
    made: Prepared,
    simulate: dict[str, Any],
) -> dict[str, Any]:
    return {
        "file": str(run.path),
        "kind": "program",
        "device": drive.device.name,
        "program": ", ".join(_keys(drive)) or "left alone",
        "duration": float(made.grid[-1]),
        "ticks": len(made.grid) - 1,
        "stepper": made.play.stepper,
        "start": made.started,
        "paths": run.paths,
        "seed": simulate.get("seed"),
        "temperature": drive.device.scale.temperature,
        "spec_sha256": run.spec_hash,
        "datasheet_sha256": parameters["datasheet"]["content_hash"],
        "provenance": dict(run.provenance),
    }
