"""A run file read in one pass over its ledger.

What ran is rebuilt from the file's own parameters; the ledger is read in chunks, so that memory
does not grow with the paths. Ledger, units and schedule must be those of the device and protocol
that the file describes.
"""

from __future__ import annotations

from math import isclose
from pathlib import Path

import numpy as np

from thermohw.audit.accounts import Accounts
from thermohw.audit.evidence import Evidence
from thermohw.audit.rebuild import rebuild
from thermohw.errors import InputError
from thermohw.intake import parse_json
from thermohw.store import RunReader, required

__all__ = ["gather"]

_CHUNK = 2**21  # numbers of all channels with one number a path, or of one with nodes
_SAMPLES = 2**24  # end voltages held at most
_FIRST = 4096  # paths whose densities are evaluated again


def gather(path: str | Path) -> Evidence:
    """Open a complete run and read its ledger once.

    Raises:
        StoreError: no run file, damaged, or unfinished (the message names --resume).
        InputError: the file lacks what a run needs, or contradicts itself.
    """
    with RunReader.open(path) as run:
        parameters = required(run.parameters, str(path))
        setting = rebuild(parameters, where=str(path))
        simulate = parse_json(parameters["simulate"], str(path))
        single = simulate["dtype"] == "float32"
        evidence = Evidence(
            path=Path(path),
            parameters=parameters,
            provenance=run.provenance,
            spec_hash=run.spec_hash,
            setting=setting,
            simulate=simulate,
            paths=run.paths,
            channels=run.ledger_names,
            peaks=_peaks(run),
            accounts=Accounts(setting.device, run.paths, single),
            balance=run.result("balance") if "balance" in run.result_names else None,
            residuals=_tables(run, "residual."),
            filter=_tables(run, "filter."),
            codes=_codes(run),
        )
        _require(evidence)
        for name in run.result_names:
            evidence.accounts.tally.count(f"results/{name}", np.atleast_1d(run.result(name)))
        size = max(1024, _CHUNK // max(len(setting.device.nodes), len(run.ledger_names)))
        # Whole path groups: reading a part of one would read all of it once more to check it.
        size = max(1, size // run.layout.group) * run.layout.group
        for start in range(0, run.paths, size):
            part = slice(start, min(start + size, run.paths))
            chunk = {name: run.ledger(name, part) for name in run.ledger_names}
            with np.errstate(over="ignore", invalid="ignore"):  # `finite_values` will say
                evidence.accounts.add(chunk)
            if start == 0:
                _keep(evidence, run, chunk)
        return evidence


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


def _require(evidence: Evidence) -> None:
    """Ledger, units and schedule must be those of the device and protocol in the file."""
    protocol, where = evidence.setting.protocol, str(evidence.path)
    heats = (f"heat.{bath}" for bath in evidence.baths)
    needed = {"energy.start", "energy.end", f"work.{protocol.wiring}", *heats}
    missing = sorted(needed - set(evidence.channels))
    if missing:
        raise InputError(
            f"the ledger lacks {', '.join(missing)}: the device or wiring described in the file "
            "is not the one that ran",
            where=where,
        )
    scale = protocol.device.scale
    rebuilt = {
        "units/energy": scale.energy,
        "units/voltage": scale.voltage,
        "units/time": scale.time,
        "units/volts_per_unit": protocol.v0,
        "schedule/duration": evidence.plan.seconds,
    }
    for name, value in rebuilt.items():
        group, _, key = name.partition("/")
        found = evidence.parameters.get(group, {}).get(key)
        if found is not None and not isclose(float(found), value, rel_tol=1e-6):
            raise InputError(
                f"{name} is {float(found):.9g}, but datasheet and protocol give {value:.9g}: the "
                "file was changed after the run; use the original",
                where=where,
            )


def _keep(evidence: Evidence, run: RunReader, chunk: dict[str, np.ndarray]) -> None:
    """Keep states of the first paths; paths are independent, so the first are as good as any."""
    protocol = evidence.setting.protocol
    rows = slice(0, _SAMPLES // max(len(protocol.device.nodes), 16))
    if protocol.device.fluxes and "inductor_current.end" in chunk:
        ends = [run.ledger(name, rows) for name in ("voltage.end", "inductor_current.end")]
        starts = [chunk[name][:_FIRST] for name in ("voltage.start", "inductor_current.start")]
        evidence.first, evidence.first_start = (
            protocol.to_model(np.concatenate(parts, 1) / protocol.device.effort_scale)
            for parts in (ends, starts)
        )
    elif not protocol.device.fluxes:
        if "voltage.end" in run.ledger_names:
            evidence.first = run.ledger("voltage.end", rows) / protocol.v0
        if "voltage.start" in chunk:
            evidence.first_start = chunk["voltage.start"][:_FIRST] / protocol.v0
    names = ("log_prob.start", "log_prob.end")
    evidence.log_prob = {name: chunk[name][:_FIRST] for name in names if name in chunk}
