"""Pages of circuits without a score: led through a program, left alone, watched electron by
electron, or run with their amplifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
    from thermohw.solver import Evolve
    from thermohw.store import RunReader

__all__ = ["unscored_page"]

_PATHS, _FEW, _COORDINATES = 2048, 64, 4  # read for the figure of the states
_SHOWN = 8  # entries of a row, rows of a matrix
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
    "noisy": (
        "No score and no controller: the circuit is left to its baths and its noise sources.",
        "Work is done by noise sources on the circuit",
    ),
    "jumps": (
        "No score and no controller: electrons jump through conductors that supplies hold open.",
        "Work is done by supplies on the circuit",
    ),
    "evolve": (
        "No score and no controller: amplifiers and transconductors do what their circuit makes "
        "them do.",
        "Work is done by sources, amplifiers and transconductors on the circuit",
    ),
}
_SUMS = {
    "program": ("work.parameters.kT", "work of the parameters on each path"),
    "alone": ("heat.total.kT", "heat into the baths, a path"),
    "noisy": ("heat.total.kT", "heat into the baths, a path"),
    "jumps": ("heat.total.kT", "heat into the baths, a path"),
    "evolve": ("heat.total.kT", "heat into the baths, a path"),
}
_TITLES = {
    "program": "led by its program",
    "alone": "left alone",
    "noisy": "left to its noise sources",
    "jumps": "watched",
    "evolve": "with its amplifiers",
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
    device, keys = asked.device, () if program is None else program.keys
    if kind == "jumps":
        keys = device.supplies
    if kind == "evolve":
        made = asked.prepare()
        device, keys = made.device, made.sources_of_work
    if kind == "program" and not keys:
        keys = tuple(noise.name for noise in sheet.noises)
        kind = "noisy" if keys else "alone"
    facts = UnscoredFacts(
        path=run.path,
        paths=run.paths,
        sheet=sheet,
        units={name: float(value) for name, value in tree["units"].items()},
        baths=device.elements,
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
    title = f", {_TITLES[kind]}"
    if kind == "evolve" and asked.solve is not None:
        title = f" solves {len(asked.solve['rhs'])} equations"
    elif kind == "evolve" and asked.invert is not None:
        size = len(asked.invert["matrix"])
        title = f" inverts a {size} by {size} matrix"
    words = {"jumps": _jumps, "evolve": _evolve}.get(kind, _program)
    return {
        "facts": facts,
        "title": f"{sheet.name}{title}",
        "headline": _headline(verdicts, facts, kind, seconds, tree.get("supplies")),
        "quantity": _SUMS[kind][0],
        "lede": _LEDES[kind],
        "verdicts": verdicts,
        "states": _states(run),
        "schedule": None if program is None else parameters(program, times),
        "bars": bars,
        "zero": zero,
        "kt": f"{plain(facts.units['energy'])} J",
        "rows": [*_device(device), *words(asked, tree, seconds)],
        "provenance": provenance(facts),  # type: ignore[arg-type]
    }


def _headline(
    verdicts: Verdicts, facts: UnscoredFacts, kind: str, seconds: float, supplies: Any
) -> Headline:
    """Work of the parameters where there are any, else the heat."""
    kt, (name, meaning) = facts.units["energy"], _SUMS[kind]
    stats = [
        Stat("paths", count(facts.paths)),
        Stat("duration", quantity(seconds, "s")),
        Stat("baths", count(len(facts.baths))),
    ]
    if supplies is not None and supplies["static"]:
        static = quantity(float(supplies["static"]), "J")
        stats.append(Stat("supplies at rest", static, "beside what amplifiers deliver"))
    found = verdicts.get(name)
    if found is None or found.value is None:
        return Headline("unknown", "", "", None, f"{meaning}: the audit lacks it", tuple(stats))
    energy, error = rounded(found.value * kt, None if found.stderr is None else found.stderr * kt)
    kts = measured(found.value, found.stderr, "kT")
    return Headline(energy, error, kts, found.value, meaning, tuple(stats))


def _states(run: RunReader) -> Any:
    """Spread over time of the coordinates that move most; None where nothing was kept."""
    if not run.layout.series:
        return None
    kept = run.layout.series[0]
    assert kept.axis is not None, "states"
    few = run.series(kept.name).read(paths=slice(0, min(run.paths, _FEW)))
    chosen = np.sort(np.argsort(-np.square(few).mean((0, 1)), kind="stable")[:_COORDINATES])
    values = run.series(kept.name).read(paths=slice(0, min(run.paths, _PATHS)))[:, :, chosen]
    labels = [str(run.layout.axes[kept.axis][n]) for n in chosen]
    unit = kept.unit.replace("1", "")
    return spread(np.array(run.layout.times), np.asarray(values), labels, unit)


def _program(drive: Drive, tree: dict[str, Any], seconds: float) -> list[tuple[str, str]]:
    """Everything that fixes the run, as term and words."""
    rows = []
    schedules = {} if drive.program is None else drive.program.schedules
    for key, pairs in schedules.items():
        rows.append((key, ", ".join(f"{value} at {time}" for time, value in pairs)))
    ticks = count(len(tree["schedule"]["physical_time"]) - 1)
    rows.append(("duration", f"{quantity(seconds, 's')} in {ticks} ticks"))
    rows.append(("stepper", str(tree["schedule"]["stepper"])))
    rows.append(("start", str(tree["start"]["kind"])))
    return rows


def _jumps(jumps: Jumps, tree: dict[str, Any], seconds: float) -> list[tuple[str, str]]:
    """The same of electrons that jump."""
    del tree
    rows = [("duration", quantity(seconds, "s")), ("method", jumps.method)]
    start = jumps.start
    if not isinstance(start, str):
        start = ", ".join(f"{node} at {volts}" for node, volts in start.items())
    rows.append(("start", start))
    if jumps.stop is not None:
        nodes = " + ".join(f"{weight:g} {node}" for node, weight in jumps.stop[0].items())
        rows.append(("stop", f"{nodes} not above {jumps.stop[1]}"))
    return rows


def _evolve(asked: Evolve, tree: dict[str, Any], seconds: float) -> list[tuple[str, str]]:
    """The same of amplifiers, and of a system on a board."""
    steps = count(int(tree["schedule"]["steps"]))
    rows = [("duration", f"{quantity(seconds, 's')} in {steps} steps"), ("start", asked.start)]
    rows += [(f"source of {name}", str(volts)) for name, volts in (asked.sources or {}).items()]
    for task, table in (("solve", asked.solve), ("invert", asked.invert)):
        rows += [(f"{task}, {key}", _numbers(value)) for key, value in (table or {}).items()]
    return rows


def _numbers(value: Any) -> str:
    """A matrix row by row, the first of many."""
    if not isinstance(value, list):
        return str(value)
    parts = [_numbers(entry) for entry in value[:_SHOWN]]
    rest = f", and {len(value) - _SHOWN} more" if len(value) > _SHOWN else ""
    nested = bool(value) and isinstance(value[0], list)
    return ("; " if nested else ", ").join(parts) + rest


def _device(device: Any) -> list[tuple[str, str]]:
    sheet, baths = device.datasheet, len(device.elements)
    temperatures = sorted({bath.value for bath in sheet.baths.values()})
    return [
        ("device", f"{sheet.name}, {count(baths)} bath{'s' * (baths > 1)}"),
        ("temperature", ", ".join(f"{plain(t, 4)} K" for t in temperatures)),
    ]
