"""The audit of one run file: every law, bound and number, from the file alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from thermohw.audit.checks import NAMES, Checks
from thermohw.audit.cost import cost_quantities
from thermohw.audit.energy import energy_quantities, first_law
from thermohw.audit.gather import gathered
from thermohw.audit.information import information_quantities
from thermohw.audit.injected import injected
from thermohw.audit.known_law import known_law_quantities
from thermohw.audit.likelihood import likelihood_quantities
from thermohw.audit.limits import protocol_quantities
from thermohw.audit.production import production_quantities
from thermohw.audit.recompute import recomputed
from thermohw.audit.record import Audit
from thermohw.audit.recorded import Recorded
from thermohw.audit.samples import sample_quantities
from thermohw.audit.second_law import entropy_quantities
from thermohw.audit.twins import twin_quantities
from thermohw.audit.unscored import UNSCORED, audit_unscored
from thermohw.audit.verdict import Check, not_applicable
from thermohw.errors import InputError
from thermohw.estimate import VIOLATED
from thermohw.run.kinds import kind_of
from thermohw.run.stored import stored_path
from thermohw.store import RunReader, one_line, required

__all__ = ["NAMES", "audit"]


def audit(path: str | Path | Any, *, recompute: bool = False, inject: bool = False) -> Audit:
    """Hold a stored run against its laws and bounds.

    Args:
        path: a complete run file, or the `Run` that was stored.
        recompute: also compute stored likelihood terms and information again and compare.
        inject: also put errors into the run's numbers, in memory, until its verdicts turn
            (`thermohw.audit.injected`); takes some ten times as long.

    Returns:
        Checks, quantities and provenance; `.holds` tells whether every applicable check holds or is
        explained.

    Raises:
        StoreError: no run file, a damaged one, or an unfinished one (complete it with --resume).
        InputError: the file lacks what a run needs.
    """
    path = stored_path(path, "audit")
    with one_line(path):  # what a stranger's file says may be anything
        with RunReader.open(path) as run:
            parameters = run.parameters
            if kind_of(parameters) in UNSCORED:
                if recompute:
                    problem = "recompute is of likelihoods and information, which need a score"
                    raise InputError(problem, where=str(path))
                if inject:
                    raise InputError("errors are put into runs of a score", where=str(path))
                return audit_unscored(run, required(parameters, str(path)))
            recorded = gathered(run)
            turns = tuple(injected(run, recorded)) if inject else None
        return replace(_audit(recorded, recompute), injected=turns)


def _audit(recorded: Recorded, recompute: bool) -> Audit:
    made = Checks(recorded)
    sound = made.make("finite_values")
    if sound.status == VIOLATED:
        return _unsound(recorded, sound)
    checks = [sound, *(made.make(name) for name in NAMES if name != sound.name)]
    if recompute:
        checks.append(recomputed(recorded))
    quantities = {
        **energy_quantities(recorded),
        **entropy_quantities(recorded, made.change, made.slack, made.bounds),
        **production_quantities(recorded, made.bounds),
        **information_quantities(recorded, made.change),
        **likelihood_quantities(recorded),
        **known_law_quantities(recorded),
        **cost_quantities(recorded),
        **sample_quantities(made.samples),
        **protocol_quantities(recorded),
        **twin_quantities(recorded),
    }
    return Audit(tuple(checks), quantities, _provenance(recorded))


def _unsound(recorded: Recorded, found: Check) -> Audit:
    """The audit of a file with numbers that are none: no mean and no comparison of it says
    anything; the first law, path by path, says where they are.
    """
    with np.errstate(all="ignore"):
        given = {"finite_values": found, "first_law": first_law(recorded)}
    reason = "stored numbers are not finite, see finite_values"
    checks = tuple(given.get(name) or not_applicable(name, reason) for name in NAMES)
    return Audit(checks, {}, _provenance(recorded))


def _provenance(recorded: Recorded) -> dict[str, Any]:
    """What ran, in words, and what made the file."""
    setting, plan = recorded.setting, recorded.plan
    protocol, process = setting.protocol, setting.process
    return {
        "file": str(recorded.path),
        "device": setting.device.name,
        "target": setting.target.name if setting.target is not None else "no target",
        "process": process.kind,
        "process_settings": process.to_dict(),
        "score": setting.kind if setting.scale == 1.0 else f"{setting.scale:g} x {setting.kind}",
        "wiring": protocol.wiring,
        "control": protocol.control,
        "stepper": plan.stepper,
        "grid": plan.schedule.grid,
        "ticks": plan.schedule.ticks,
        "paths": recorded.paths,
        "seed": recorded.simulate["seed"],
        "dtype": recorded.simulate["dtype"],
        "start": recorded.simulate["start"],
        "prior": recorded.simulate["prior"],
        "temperature": recorded.temperature,
        "spec_sha256": recorded.spec_hash,
        "datasheet_sha256": recorded.parameters["datasheet"]["content_hash"],
        "provenance": dict(recorded.provenance),
    }
