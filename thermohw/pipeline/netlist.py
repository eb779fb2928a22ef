"""A SPEC's run as SPICE decks, and what ngspice makes of them.

    one path      the run's own noise and start as waveforms; the simulator must follow the path
    an ensemble   noise that the simulator draws itself, from an empty start; means must agree

A deck's place is looked at before the work; the file appears whole or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from thermohw.errors import InputError
from thermohw.outputs import check_place, write
from thermohw.pipeline.build import build_setting, prior_kind
from thermohw.pipeline.simulate import simulate
from thermohw.spice import check_path, path_deck
from thermohw.spice.agreement import Agreement, compare
from thermohw.spice.deck import CELLS
from thermohw.spice.statistics import ensemble_deck, run_ensemble
from thermohw.worlds.played.observers import build_engine

if TYPE_CHECKING:
    from thermohw.pipeline.spec import Spec
    from thermohw.spice import PathCheck

__all__ = ["ensemble_netlist", "path_netlist", "write_deck"]

_PATHS = 4096
"""Fewest paths of our own ensemble."""


def path_netlist(
    spec: Spec,
    index: int = 0,
    *,
    out: Path | None = None,
    replay: bool = False,
    check: bool = False,
) -> PathCheck | None:
    """Write the deck of one path of a run, and compare with the simulator.

    Args:
        spec: of the run; its seed, start and precision count.
        index: which path, below simulate.paths.
        out: file to write.
        replay: play the recorded control even where behavioural sources could compute it.
        check: run ngspice.

    Returns:
        The comparison, or None without `check`.

    Raises:
        InputError: the spec, an index beyond the run, a file that cannot be written, or ngspice
            missing or failing.
    """
    simulate = spec.tables.simulate
    if not 0 <= index < simulate.paths:
        raise InputError(f"{index}: the run has paths 0 to {simulate.paths - 1}", where="--path")
    if out is not None:
        check_place(out, "a netlist, such as path.cir")
    setting = build_setting(spec)
    settings = {"seed": simulate.seed, "start": simulate.start, "dtype": simulate.dtype}

    def engine():  # noqa: ANN202 - a fresh one each time: its observers are replaced
        return build_engine(setting, prior=prior_kind(spec), every=0, **settings)

    if out is not None:
        deck = path_deck(setting.protocol, index, replay=replay, engine=engine())[0]
        write_deck(deck.text, out)
    if not check:
        return None
    return check_path(setting.protocol, index, replay=replay, engine=engine())


def ensemble_netlist(
    spec: Spec, cells: int = CELLS, *, out: Path | None = None, check: bool = False
) -> Agreement | None:
    """Write a deck whose cells draw noise of their own, and compare means with the simulator's.

    Args:
        spec: of the run: continuous control, a score that can be written as sources. Cells start
            empty and thermalise, whatever simulate.start says; the seed is simulate.seed + 1.
        cells: how many samples; the file holds the first `CELLS` at most.
        out: file to write.
        check: run ngspice on all cells, and the package's own paths from the circuit's steady
            state, at least 4096.

    Returns:
        The comparison, or None without `check`.

    Raises:
        InputError: the spec, clocked control, a score without such a form, a file that cannot be
            written, or ngspice missing or failing.
    """
    if cells < 2:
        raise InputError(f"{cells}: expected two or more", where="--cells")
    if out is not None:
        check_place(out, "a netlist, such as path.cir")
    protocol, seed = build_setting(spec).protocol, spec.tables.simulate.seed + 1
    if out is not None:
        write_deck(ensemble_deck(protocol, min(cells, CELLS), seed=seed).text, out)
    if not check:
        return None
    theirs = run_ensemble(protocol, cells, seed=seed)
    paths = max(_PATHS, spec.tables.simulate.paths)
    run = simulate(protocol, paths=paths, seed=seed, start="state", test=0)
    energy = protocol.device.scale.energy
    work = [values for name, values in run.channels.items() if name.startswith("work.")]
    simulator = {"work": theirs.work, "energy at the end": theirs.energy}
    ours = {"work": sum(work[1:], work[0]) / energy,
            "energy at the end": run.channels["energy.end"] / energy}  # fmt: skip
    unit = dict.fromkeys(simulator, "kT")
    nodes = len(protocol.device.nodes)
    volts = run.channels["voltage.end"] / protocol.device.scale.voltage
    known = protocol.to_thermal(theirs.samples)
    for i in range(min(nodes, 4)):
        name = protocol.device.nodes[i]
        for power, what in ((1, f"<{name}>"), (2, f"<{name}^2>")):
            simulator[what], ours[what] = known[:, i] ** power, volts[:, i] ** power
            unit[what] = "thermal volts" if power == 1 else "thermal volts^2"
    label = f"{protocol.device.name}, {protocol.wiring}: {cells} cells, {paths} paths"
    return compare(label, simulator, ours, unit=unit, residual=theirs.residual)


def write_deck(text: str, out: Path) -> None:
    """Write a file whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    write(out, text)
