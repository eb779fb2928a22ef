"""A run file read in one pass over its ledger.

What ran is rebuilt from the file's own parameters; the ledger is read in chunks, so that memory
does not grow with the paths; of a run that kept moments the sums are in the file. Ledger, units and
schedule must be those of the device and protocol that the file describes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.audit.accounts import Accounts
from thermohw.audit.kept import Kept, contradiction
from thermohw.audit.recorded import Recorded
from thermohw.errors import InputError
from thermohw.intake import parse_json
from thermohw.run.setting import rebuild
from thermohw.store import RunReader, required
from thermohw.worlds.played.density import DENSITY

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice

__all__ = ["account_maker", "gather", "gathered"]

_CHUNK = 2**21  # numbers of all channels with one number a path, or of one with nodes
_SAMPLES = 2**24  # end voltages held at most
_FIRST = 4096  # paths whose densities are evaluated again
_CHANGED = "the file was changed after the run; use the original"
_SIMULATE: dict[str, Callable[[Any], bool]] = {
    "seed": lambda seed: isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0,
    "dtype": lambda dtype: dtype in ("float32", "float64"),
    "start": lambda start: start in ("marginal", "prior", "state"),
    "prior": lambda prior: prior in ("schedule", "matched"),
}  # what may stand under parameters/simulate


def gather(path: str | Path) -> Recorded:
    """Open a complete run and read its ledger once.

    Raises:
        StoreError: no run file, damaged, or unfinished (the message names --resume).
        InputError: the file lacks what a run needs, or contradicts itself.
    """
    with RunReader.open(path) as run:
        return gathered(run)


def gathered(run: RunReader) -> Recorded:
    """`gather` of a run that is open: opening it once more would judge all of it once more.

    Raises:
        StoreError, InputError: as `gather`.
    """
    where = str(run.path)
    parameters = required(run.parameters, where)
    setting = rebuild(parameters, where=where)
    simulate = _simulate(parameters, run.paths, where)
    single = simulate["dtype"] == "float32"
    recorded = Recorded(
        path=run.path,
        parameters=parameters,
        provenance=run.provenance,
        spec_hash=run.spec_hash,
        setting=setting,
        simulate=simulate,
        paths=run.paths,
        channels=run.channel_names,
        peaks=_peaks(run),
        accounts=Accounts(setting.device, run.paths, single),
        balance=run.result("balance") if "balance" in run.result_names else None,
        residuals=_tables(run, "residual."),
        filter=_tables(run, "filter."),
        density=_tables(run, DENSITY),
        codes=_codes(run),
    )
    _require(recorded)
    recorded.accounts.hottest = float(recorded.plan.schedule.temperatures.max())
    recorded.accounts.coldest = float(recorded.plan.schedule.temperatures.min())
    if run.keeps_moments:
        _restore(recorded, run)
    else:
        _read(recorded, run)
    return recorded


def _read(recorded: Recorded, run: RunReader) -> None:
    """One pass over the ledger."""
    _count_results(recorded, run)
    setting = recorded.setting
    size = max(1024, _CHUNK // max(len(setting.device.nodes), len(run.ledger_names)))
    # Whole path groups: reading a part of one would read all of it once more to check it.
    size = max(1, size // run.layout.group) * run.layout.group
    for start in range(0, run.paths, size):
        part = slice(start, min(start + size, run.paths))
        chunk = {name: run.ledger(name, part) for name in run.ledger_names}
        with np.errstate(over="ignore", invalid="ignore"):  # `finite_values` will say
            recorded.accounts.add(chunk)
        if start == 0:
            _keep(recorded, run, chunk)


def _restore(recorded: Recorded, run: RunReader) -> None:
    """What was added up while the run was played; the first paths are added up once more."""
    begun = recorded.accounts
    begin = account_maker(begun.device, begun.single, begun.hottest, begun.coldest)
    recorded.accounts, first = Kept.read(begin, run), begin()
    chunk = {name: run.first(name) for name in run.channel_names}
    with np.errstate(over="ignore", invalid="ignore"):  # `finite_values` will say
        first.add(chunk)
        for name in first.extremes:
            worst = float(np.maximum(getattr(recorded.accounts, name), getattr(first, name)))
            setattr(recorded.accounts, name, worst)
        recorded.accounts.contradiction = contradiction(run, recorded.accounts, recorded.kt)
    _count_results(recorded, run)
    _keep(recorded, run, chunk)


def account_maker(
    device: LinearDevice, single: bool, hottest: float, coldest: float
) -> Callable[[], Accounts]:
    """Makes accounts of no paths, whose number is not asked for before there are some.

    Args:
        device: that runs.
        single: states are float32.
        hottest: largest T(t)/T_ref of the run.
        coldest: smallest.
    """
    return lambda: Accounts(device, 0, single, hottest=hottest, coldest=coldest)


def _count_results(recorded: Recorded, run: RunReader) -> None:
    for name in run.result_names:
        recorded.accounts.tally.count(f"results/{name}", np.atleast_1d(run.result(name)))


def _simulate(parameters: Mapping[str, Any], paths: int, where: str) -> dict[str, Any]:
    """How the paths were drawn, which must be how the file has them."""
    found = parse_json(parameters["simulate"], where)
    if not isinstance(found, dict):
        raise InputError(f"simulate is no table: {_CHANGED}", where=where)
    for name, allowed in _SIMULATE.items():
        if not allowed(found.get(name)):
            words = str(found.get(name))[:40]
            raise InputError(f"simulate.{name} is {words}, which no run has: {_CHANGED}",
                             where=where)  # fmt: skip
    if found.get("paths") != paths:
        said = str(found.get("paths"))[:40]
        problem = f"simulate.paths is {said}, but the ledger has {paths} paths: {_CHANGED}"
        raise InputError(problem, where=where)
    asked = _asked(parameters)
    for name in ("seed", "dtype"):
        if asked.get(name, found[name]) != found[name]:
            problem = f"simulate.{name} is not that of the SPEC in the file: {_CHANGED}"
            raise InputError(problem, where=where)
    kind = parameters.get("start", {}).get("kind", found["start"])
    if kind != found["start"]:
        problem = f"start/kind is {kind}, but simulate.start is {found['start']}: {_CHANGED}"
        raise InputError(problem, where=where)
    return found


def _asked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """[simulate] of the SPEC in the file; empty where a run was made in Python."""
    try:
        spec = parse_json(parameters.get("spec", "{}"))
    except InputError:  # any text may identify a run
        return {}
    asked = spec.get("simulate") if isinstance(spec, dict) else None
    return asked if isinstance(asked, dict) else {}


def _peaks(run: RunReader) -> dict[str, float] | None:
    """Largest voltage, source, current and rate, where they were stored."""
    if "peaks" not in run.result_names:
        return None
    names: tuple[str, ...] = ("voltage", "source", "current", "rate")
    return {name: float(peak) for name, peak in zip(names, run.result("peaks"), strict=True)}


def _codes(run: RunReader) -> float | None:
    """Mean over tiles of what their codes can tell at most, weighted by paths, where counted."""
    if "codes" not in run.result_names:
        return None
    paths, nats = run.result("codes")
    return float(nats / paths) if paths > 0 else None


def _tables(run: RunReader, group: str) -> dict[str, np.ndarray]:
    """Results whose names begin with `group`, without it."""
    names = [name for name in run.result_names if name.startswith(group)]
    return {name.removeprefix(group): run.result(name) for name in names}


def _require(recorded: Recorded) -> None:
    """Ledger, units and schedule must be those of the device and protocol in the file."""
    protocol, where = recorded.setting.protocol, str(recorded.path)
    heats = (f"heat.{bath}" for bath in recorded.baths)
    needed = {"energy.start", "energy.end", f"work.{protocol.wiring}", *heats}
    missing = sorted(needed - set(recorded.channels))
    if missing:
        raise InputError(
            f"the ledger lacks {', '.join(missing)}: the device or wiring described in the file "
            "is not the one that ran",
            where=where,
        )
    for name, (_, stderr) in _terms(recorded).items():
        if stderr < 0.0:
            problem = f"the standard error of {name} is {stderr:.3g}, below 0: {_CHANGED}"
            raise InputError(problem, where=where)
    scale = protocol.device.scale
    rebuilt = {
        "units/energy": scale.energy,
        "units/voltage": scale.voltage,
        "units/time": scale.time,
        "units/volts_per_unit": protocol.v0,
        "schedule/duration": recorded.plan.seconds,
    }
    for name, value in rebuilt.items():
        group, _, key = name.partition("/")
        found = recorded.parameters.get(group, {}).get(key)
        if found is not None and not isclose(float(found), value, rel_tol=1e-6):
            raise InputError(
                f"{name} is {float(found):.9g}, but datasheet and protocol give {value:.9g}: "
                f"{_CHANGED}",
                where=where,
            )
    _require_arrays(recorded)


def _require_arrays(recorded: Recorded) -> None:
    """Times, temperatures and resistances tick by tick must be those of the plan."""
    plan, scale = recorded.plan, recorded.setting.protocol.device.scale
    schedule = plan.schedule
    rebuilt = {
        "baths/energy": scale.energy * plan.protocol.board.temperatures,
        "schedule/model_time": schedule.model_time,
        "schedule/physical_time": schedule.physical_time * scale.time,
        "schedule/temperature": scale.temperature * schedule.temperatures,
        "schedule/resistance": scale.resistance / schedule.conductances,
    }
    for name, values in rebuilt.items():
        group, _, key = name.partition("/")
        found = recorded.parameters.get(group, {}).get(key)
        if found is None:
            continue
        stored, values = np.asarray(found, dtype=np.float64), np.asarray(values, dtype=np.float64)
        near = 1e-6 * np.maximum(np.abs(values), 1e-3 * np.abs(values).max())
        if stored.shape != values.shape or not (np.abs(stored - values) <= near).all():
            problem = f"{name} is not what datasheet and protocol give: {_CHANGED}"
            raise InputError(problem, where=str(recorded.path))
    for key, words in (("grid", schedule.grid), ("stepper", plan.stepper)):
        found = recorded.parameters.get("schedule", {}).get(key, words)
        if found != words:
            problem = f"schedule/{key} is {found}, but the protocol gives {words}: {_CHANGED}"
            raise InputError(problem, where=str(recorded.path))


def _terms(recorded: Recorded) -> dict[str, tuple[float, float]]:
    """Stored likelihood terms: value and standard error, whether finite or not."""
    stored = recorded.parameters.get("likelihood", {}).get("terms", {})
    return {name: (float(pair[0]), float(pair[1])) for name, pair in stored.items()}


def _keep(recorded: Recorded, run: RunReader, chunk: dict[str, np.ndarray]) -> None:
    """Keep states of the first paths; paths are independent, so the first are as good as any."""
    protocol = recorded.setting.protocol
    rows = _SAMPLES // max(len(protocol.device.nodes), 16)
    if protocol.device.fluxes and "inductor_current.end" in chunk:
        ends = [run.first(name, rows) for name in ("voltage.end", "inductor_current.end")]
        starts = [chunk[name][:_FIRST] for name in ("voltage.start", "inductor_current.start")]
        recorded.first, recorded.first_start = (
            protocol.to_model(np.concatenate(parts, 1) / protocol.device.effort_scale)
            for parts in (ends, starts)
        )
    elif not protocol.device.fluxes:
        if "voltage.end" in run.channel_names:
            recorded.first = run.first("voltage.end", rows) / protocol.v0
        if "voltage.start" in chunk:
            recorded.first_start = chunk["voltage.start"][:_FIRST] / protocol.v0
    names = ("log_prob.start", "log_prob.end")
    recorded.log_prob = {name: chunk[name][:_FIRST] for name in names if name in chunk}
    if "ratio.ticks" in chunk:
        recorded.ratio = chunk["ratio.ticks"][:_FIRST]
    elif "sigma.even" in chunk:
        ends = chunk["log_prob.start"] - chunk["log_prob.end"]
        recorded.ratio = (chunk["sigma.even"] - ends)[:_FIRST]
