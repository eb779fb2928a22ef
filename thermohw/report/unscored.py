"""Pages of circuits without a score: led through a program, left alone, or watched electron by
electron.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit import QuarticDevice
from thermohw.report.details import provenance
from thermohw.report.energy import ledger
from thermohw.report.figures.programs import parameters, spread
from thermohw.report.numerals import count, measured, plain, quantity, rounded
from thermohw.report.overview import Headline, Stat
from thermohw.run.kinds import kind_of, rebuild_any
from thermohw.store import required

if TYPE_CHECKING:
    from pathlib import Path

    from thermohw.datasheet import Datasheet
    from thermohw.jumps.run import Jumps
    from thermohw.program.drive import Drive
    from thermohw.report.verdicts import Verdicts
    from thermohw.store import RunReader

__all__ = ["unscored_page"]

_PATHS, _COORDINATES = 2048, 4  # read for the figure of the states
_LEDES = {
    "program": (
        "No score and no controller: parameters of the circuit itself change, and what their "
        "change adds to the stored energy at fixed charge is work.",
        "Work is done by changing parameters on the circuit",
    ),
    "alone": (
        "No score and no controller: the circuit is left to its baths.",
        "Nothing does work on the circuit",
    ),
    "jumps": (
        "No score and no controller: electrons jump through conductors that supplies hold open.",
        "Work is done by supplies on the circuit",
    ),
}
_SUMS = {
    "program": ("work.parameters.kT", "work of the parameters on each path"),
    "alone": ("heat.total.kT", "heat into the baths, a path"),
    "jumps": ("heat.total.kT", "heat into the baths, a path"),
}


@dataclass(frozen=True, eq=False)
class UnscoredFacts:
    """What the page says beside the audit; names as those of `report.facts.Facts`."""

    path: Path
    paths: int
    sheet: Datasheet
    units: dict[str, float]
    baths: tuple[str, ...]
    keys: tuple[str, ...]
    provenance: dict[str, str]
    hashes: dict[str, str]
    texts: dict[str, str]
    wiring: str = "parameters"


def unscored_page(run: RunReader, verdicts: Verdicts) -> dict[str, Any]:
    """What the template of runs without a score is filled with.

    Args:
        run: a finished run file.
        verdicts: of its audit.
    """
    tree = required(run.parameters, str(run.path))
    asked: Any = rebuild_any(tree, where=str(run.path))
    sheet = asked.device.datasheet
    assert sheet is not None
    program = getattr(asked, "program", None)
    kind = kind_of(tree)
    keys = asked.device.supplies if kind == "jumps" else () if program is None else program.keys
    kind = "alone" if kind == "program" and not keys else kind
    facts = UnscoredFacts(
        path=run.path,
        paths=run.paths,
        sheet=sheet,
        units={name: float(value) for name, value in tree["units"].items()},
        baths=asked.device.elements,
        keys=keys,
        provenance=run.provenance,
        hashes={"spec": run.spec_hash, "datasheet": str(tree["datasheet"]["content_hash"])},
        texts={
            "spec": str(tree.get("source", tree["spec"])),
            "datasheet": str(tree["datasheet"]["text"]),
        },
    )
    times = np.asarray(tree["schedule"].get("physical_time", (0.0,)), dtype=np.float64)
    seconds = float(tree["schedule"].get("duration", times[-1]))
    bars, zero = ledger(verdicts, facts)  # type: ignore[arg-type]
    titles = {"program": "led by its program", "alone": "left alone", "jumps": "watched"}
    rows = _jumps(asked, seconds) if kind == "jumps" else _program(asked, tree, seconds)
    return {
        "facts": facts,
        "title": f"{sheet.name}, {titles[kind]}",
        "headline": _headline(verdicts, facts, kind, seconds),
        "quantity": _SUMS[kind][0],
        "lede": _LEDES[kind],
        "verdicts": verdicts,
        "states": _states(run, asked),
        "schedule": None if program is None else parameters(program, times),
        "bars": bars,
        "zero": zero,
        "kt": f"{plain(facts.units['energy'])} J",
        "rows": rows,
        "provenance": provenance(facts),  # type: ignore[arg-type]
    }


def _headline(verdicts: Verdicts, facts: UnscoredFacts, kind: str, seconds: float) -> Headline:
    """Work of the parameters where there are any, else the heat."""
    kt, (name, meaning) = facts.units["energy"], _SUMS[kind]
    stats = (
        Stat("paths", count(facts.paths)),
        Stat("duration", quantity(seconds, "s")),
        Stat("baths", count(len(facts.baths))),
    )
    found = verdicts.get(name)
    if found is None or found.value is None:
        return Headline("unknown", "", "", None, f"{meaning}: the audit lacks it", stats)
    energy, error = rounded(found.value * kt, None if found.stderr is None else found.stderr * kt)
    kts = measured(found.value, found.stderr, "kT")
    return Headline(energy, error, kts, found.value, meaning, stats)


def _states(run: RunReader, asked: Any) -> Any:
    """Spread of the first coordinates over time; None where nothing was kept on the way."""
    quartic = isinstance(asked.device, QuarticDevice)
    name, unit, axis = ("x", "", "unit") if quartic else ("voltage", "V", "node")
    if name not in run.series_names:
        return None
    values = run.series(name).read(paths=slice(0, min(run.paths, _PATHS)))[:, :, :_COORDINATES]
    return spread(np.array(run.layout.times), np.asarray(values), run.layout.axes[axis], unit)


def _program(drive: Drive, tree: dict[str, Any], seconds: float) -> list[tuple[str, str]]:
    """Everything that fixes the run, as term and words."""
    rows = _device(drive.device)
    schedules = {} if drive.program is None else drive.program.schedules
    for key, pairs in schedules.items():
        rows.append((key, ", ".join(f"{value} at {time}" for time, value in pairs)))
    ticks = count(len(tree["schedule"]["physical_time"]) - 1)
    rows.append(("duration", f"{quantity(seconds, 's')} in {ticks} ticks"))
    rows.append(("stepper", str(tree["schedule"]["stepper"])))
    rows.append(("start", str(tree["start"]["kind"])))
    return rows


def _jumps(jumps: Jumps, seconds: float) -> list[tuple[str, str]]:
    """The same of electrons that jump."""
    rows = [*_device(jumps.device), ("duration", quantity(seconds, "s")), ("method", jumps.method)]
    start = jumps.start
    if not isinstance(start, str):
        start = ", ".join(f"{node} at {volts}" for node, volts in start.items())
    rows.append(("start", start))
    if jumps.stop is not None:
        nodes = " + ".join(f"{weight:g} {node}" for node, weight in jumps.stop[0].items())
        rows.append(("stop", f"{nodes} not above {jumps.stop[1]}"))
    return rows


def _device(device: Any) -> list[tuple[str, str]]:
    sheet, baths = device.datasheet, len(device.elements)
    temperatures = sorted({bath.value for bath in sheet.baths.values()})
    return [
        ("device", f"{sheet.name}, {count(baths)} bath{'s' * (baths > 1)}"),
        ("temperature", ", ".join(f"{plain(t, 4)} K" for t in temperatures)),
    ]
