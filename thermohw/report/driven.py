"""The page of a circuit without a score: led through a program of its parameters, or left alone."""

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
from thermohw.run.kinds import rebuild_any
from thermohw.store import required

if TYPE_CHECKING:
    from pathlib import Path

    from thermohw.datasheet import Datasheet
    from thermohw.program.drive import Drive
    from thermohw.report.verdicts import Verdicts
    from thermohw.store import RunReader

__all__ = ["program_page"]

_PATHS, _COORDINATES = 2048, 4  # read for the figure of the states


@dataclass(frozen=True, eq=False)
class DrivenFacts:
    """What the page says of a drive beside its audit; names as those of `report.facts.Facts`."""

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


def program_page(run: RunReader, verdicts: Verdicts) -> dict[str, Any]:
    """What the template of programs is filled with.

    Args:
        run: a finished run file of kind "program".
        verdicts: of its audit.
    """
    tree = required(run.parameters, str(run.path))
    drive: Drive = rebuild_any(tree, where=str(run.path))
    sheet = drive.device.datasheet
    assert sheet is not None
    keys = () if drive.program is None else drive.program.keys
    facts = DrivenFacts(
        path=run.path,
        paths=run.paths,
        sheet=sheet,
        units={name: float(value) for name, value in tree["units"].items()},
        baths=drive.device.elements,
        keys=keys,
        provenance=run.provenance,
        hashes={"spec": run.spec_hash, "datasheet": str(tree["datasheet"]["content_hash"])},
        texts={
            "spec": str(tree.get("source", tree["spec"])),
            "datasheet": str(tree["datasheet"]["text"]),
        },
    )
    grid = np.asarray(tree["schedule"]["physical_time"], dtype=np.float64)
    bars, zero = ledger(verdicts, facts)  # type: ignore[arg-type]
    return {
        "facts": facts,
        "title": f"{sheet.name}, {'led by its program' if keys else 'left alone'}",
        "headline": _headline(verdicts, facts, grid),
        "quantity": _quantity(facts),
        "verdicts": verdicts,
        "states": _states(run, drive),
        "schedule": parameters(drive.program, grid) if drive.program is not None else None,
        "bars": bars,
        "zero": zero,
        "kt": f"{plain(facts.units['energy'])} J",
        "program": _program(drive, tree, grid),
        "provenance": provenance(facts),  # type: ignore[arg-type]
    }


def _headline(verdicts: Verdicts, facts: DrivenFacts, grid: np.ndarray) -> Headline:
    """Work of the parameters where there are any, else the heat."""
    kt = facts.units["energy"]
    meaning = "work of the parameters on each path" if facts.keys else "heat into the baths, a path"
    stats = (
        Stat("paths", count(facts.paths)),
        Stat("duration", quantity(float(grid[-1]), "s"), f"{count(len(grid) - 1)} ticks"),
        Stat("baths", count(len(facts.baths))),
    )
    found = verdicts.get(_quantity(facts))
    if found is None or found.value is None:
        return Headline("unknown", "", "", None, f"{meaning}: the audit lacks it", stats)
    energy, error = rounded(found.value * kt, None if found.stderr is None else found.stderr * kt)
    kts = measured(found.value, found.stderr, "kT")
    return Headline(energy, error, kts, found.value, meaning, stats)


def _quantity(facts: DrivenFacts) -> str:
    return "work.parameters.kT" if facts.keys else "heat.total.kT"


def _states(run: RunReader, drive: Drive) -> Any:
    """Spread of the first coordinates over time; None where nothing was kept on the way."""
    name, unit = ("x", "") if isinstance(drive.device, QuarticDevice) else ("voltage", "V")
    if name not in run.series_names:
        return None
    labels = run.layout.axes["unit" if unit == "" else "node"]
    values = run.series(name).read(paths=slice(0, min(run.paths, _PATHS)))[:, :, :_COORDINATES]
    return spread(np.array(run.layout.times), np.asarray(values), labels, unit)


def _program(drive: Drive, tree: dict[str, Any], grid: np.ndarray) -> list[tuple[str, str]]:
    """Everything that fixes the run, as term and words."""
    sheet = drive.device.datasheet
    assert sheet is not None
    temperatures = sorted({bath.value for bath in sheet.baths.values()})
    baths = len(drive.device.elements)
    rows = [("device", f"{sheet.name}, {count(baths)} bath{'s' * (baths > 1)}")]
    rows.append(("temperature", ", ".join(f"{plain(t, 4)} K" for t in temperatures)))
    schedules = {} if drive.program is None else drive.program.schedules
    for key, pairs in schedules.items():
        rows.append((key, ", ".join(f"{value} at {time}" for time, value in pairs)))
    rows.append(("duration", f"{quantity(float(grid[-1]), 's')} in {count(len(grid) - 1)} ticks"))
    rows.append(("stepper", str(tree["schedule"]["stepper"])))
    rows.append(("start", str(tree["start"]["kind"])))
    return rows
