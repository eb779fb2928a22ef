"""The audit of one run file: every law, bound and number, from the file alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from thermohw.audit.balance import bath_heat
from thermohw.audit.correlation import noise_correlation
from thermohw.audit.cost import cost_quantities
from thermohw.audit.energy import energy_quantities, first_law
from thermohw.audit.entropy import system_change
from thermohw.audit.evidence import Evidence
from thermohw.audit.filtering import reading_filter
from thermohw.audit.fluctuation import fluctuation
from thermohw.audit.gain import gain
from thermohw.audit.gather import gather
from thermohw.audit.information import information, information_identity, information_quantities
from thermohw.audit.likelihood import (
    bound_marginal,
    bound_ode,
    likelihood_quantities,
    nll_above_entropy,
)
from thermohw.audit.limits import protocol_limits, protocol_quantities
from thermohw.audit.paths import distinct_paths, finite_values
from thermohw.audit.recompute import recomputed
from thermohw.audit.record import Audit
from thermohw.audit.residuals import noise_temperature
from thermohw.audit.samples import compare, sample_law, sample_quantities
from thermohw.audit.second_law import entropy_quantities, second_law, second_law_slack
from thermohw.audit.start import start_states
from thermohw.audit.twins import twin_quantities
from thermohw.audit.unscored import UNSCORED, audit_unscored
from thermohw.audit.verdict import Check, not_applicable
from thermohw.errors import InputError
from thermohw.estimate import FEWEST, VIOLATED
from thermohw.run.kinds import kind_of
from thermohw.run.stored import stored_path
from thermohw.store import RunReader, one_line, required

__all__ = ["NAMES", "audit"]

NAMES = (
    "finite_values", "distinct_paths", "first_law", "bath_heat", "noise_temperature",
    "noise_correlation", "gain", "filter", "start_law", "second_law", "fluctuation_even",
    "fluctuation_odd", "bound_marginal", "bound_ode", "nll_above_entropy", "information",
    "information_identity", "sample_law", "protocol_limits",
)  # fmt: skip
"""Names of the checks, in their order."""

# What can be said of a single path, or does not depend on paths; the rest are means over them.
_BY_PATH = (
    "finite_values", "distinct_paths", "first_law", "filter", "protocol_limits", "bound_marginal",
    "bound_ode", "nll_above_entropy",
)  # fmt: skip


def audit(path: str | Path | Any, *, recompute: bool = False) -> Audit:
    """Hold a stored run against its laws and bounds.

    Args:
        path: a complete run file, or the `Run` that was stored.
        recompute: also compute stored likelihood terms and information again and compare.

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
                return audit_unscored(run, required(parameters, str(path)))
        return _audit(gather(path), recompute)


def _audit(evidence: Evidence, recompute: bool) -> Audit:
    sound = finite_values(evidence)
    if sound.status == VIOLATED:
        return _unsound(evidence, sound)
    change, samples = system_change(evidence), compare(evidence)
    slack = second_law_slack(evidence, change)
    makers: dict[str, Callable[[], Check]] = {
        "finite_values": lambda: sound,
        "distinct_paths": lambda: distinct_paths(evidence),
        "first_law": lambda: first_law(evidence),
        "bath_heat": lambda: bath_heat(evidence),
        "noise_temperature": lambda: noise_temperature(evidence),
        "noise_correlation": lambda: noise_correlation(evidence),
        "gain": lambda: gain(evidence),
        "filter": lambda: reading_filter(evidence),
        "start_law": lambda: start_states(evidence),
        "second_law": lambda: second_law(evidence, change, slack),
        "fluctuation_even": lambda: fluctuation(evidence, "even"),
        "fluctuation_odd": lambda: fluctuation(evidence, "odd"),
        "bound_marginal": lambda: bound_marginal(evidence),
        "bound_ode": lambda: bound_ode(evidence),
        "nll_above_entropy": lambda: nll_above_entropy(evidence),
        "information": lambda: information(evidence, change),
        "information_identity": lambda: information_identity(evidence),
        "sample_law": lambda: sample_law(evidence, samples),
        "protocol_limits": lambda: protocol_limits(evidence),
    }
    assert tuple(makers) == NAMES
    few = evidence.paths < FEWEST
    reason = f"{evidence.paths} paths: a verdict on a mean needs {FEWEST}"
    checks = [
        not_applicable(name, reason) if few and name not in _BY_PATH else make()
        for name, make in makers.items()
    ]
    if recompute:
        checks.append(recomputed(evidence))
    quantities = {
        **energy_quantities(evidence),
        **entropy_quantities(evidence, change, slack),
        **information_quantities(evidence),
        **likelihood_quantities(evidence),
        **cost_quantities(evidence),
        **sample_quantities(samples),
        **protocol_quantities(evidence),
        **twin_quantities(evidence),
    }
    return Audit(tuple(checks), quantities, _provenance(evidence))


def _unsound(evidence: Evidence, found: Check) -> Audit:
    """The audit of a file with numbers that are none: no mean and no comparison of it says
    anything; the first law, path by path, says where they are.
    """
    with np.errstate(all="ignore"):
        given = {"finite_values": found, "first_law": first_law(evidence)}
    reason = "stored numbers are not finite, see finite_values"
    checks = tuple(given.get(name) or not_applicable(name, reason) for name in NAMES)
    return Audit(checks, {}, _provenance(evidence))


def _provenance(evidence: Evidence) -> dict[str, Any]:
    """What ran, in words, and what made the file."""
    setting, plan = evidence.setting, evidence.plan
    protocol, process = setting.protocol, setting.process
    return {
        "file": str(evidence.path),
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
        "paths": evidence.paths,
        "seed": evidence.simulate["seed"],
        "dtype": evidence.simulate["dtype"],
        "start": evidence.simulate["start"],
        "prior": evidence.simulate["prior"],
        "temperature": evidence.temperature,
        "spec_sha256": evidence.spec_hash,
        "datasheet_sha256": evidence.parameters["datasheet"]["content_hash"],
        "provenance": dict(evidence.provenance),
    }
