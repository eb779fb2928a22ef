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
from thermohw.audit.evidence import energy_likelihood, evidence
from thermohw.audit.filtering import reading_filter
from thermohw.audit.fluctuation import fluctuation
from thermohw.audit.gain import gain
from thermohw.audit.gather import gathered
from thermohw.audit.information import information, information_identity, information_quantities
from thermohw.audit.known_law import known_law_quantities, twin_bound
from thermohw.audit.likelihood import (
    bound_marginal,
    bound_ode,
    likelihood_quantities,
    nll_above_entropy,
)
from thermohw.audit.limits import protocol_limits, protocol_quantities
from thermohw.audit.paths import distinct_paths, finite_values
from thermohw.audit.production import production, production_bounds, production_quantities
from thermohw.audit.recompute import recomputed
from thermohw.audit.record import Audit
from thermohw.audit.recorded import Recorded
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
    "noise_correlation", "gain", "filter", "start_law", "second_law", "production",
    "fluctuation_even", "fluctuation_odd", "bound_marginal", "bound_ode", "nll_above_entropy",
    "twin_bound", "evidence", "energy_likelihood", "information", "information_identity",
    "sample_law", "protocol_limits",
)  # fmt: skip
"""Names of the checks, in their order."""

# What can be said of a single path, or does not depend on paths; the rest are means over them.
_BY_PATH = (
    "finite_values", "distinct_paths", "first_law", "filter", "protocol_limits", "bound_marginal",
    "bound_ode", "nll_above_entropy", "twin_bound", "evidence", "energy_likelihood",
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
            recorded = gathered(run)
        return _audit(recorded, recompute)


def _audit(recorded: Recorded, recompute: bool) -> Audit:
    sound = finite_values(recorded)
    if sound.status == VIOLATED:
        return _unsound(recorded, sound)
    bounds, samples = production_bounds(recorded), compare(recorded)
    change = system_change(recorded, bounds.densities)
    slack = second_law_slack(recorded, change, bounds)
    makers: dict[str, Callable[[], Check]] = {
        "finite_values": lambda: sound,
        "distinct_paths": lambda: distinct_paths(recorded),
        "first_law": lambda: first_law(recorded),
        "bath_heat": lambda: bath_heat(recorded),
        "noise_temperature": lambda: noise_temperature(recorded),
        "noise_correlation": lambda: noise_correlation(recorded),
        "gain": lambda: gain(recorded),
        "filter": lambda: reading_filter(recorded),
        "start_law": lambda: start_states(recorded),
        "second_law": lambda: second_law(recorded, change, slack),
        "production": lambda: production(recorded, bounds),
        "fluctuation_even": lambda: fluctuation(recorded, "even"),
        "fluctuation_odd": lambda: fluctuation(recorded, "odd"),
        "bound_marginal": lambda: bound_marginal(recorded),
        "bound_ode": lambda: bound_ode(recorded),
        "nll_above_entropy": lambda: nll_above_entropy(recorded),
        "twin_bound": lambda: twin_bound(recorded),
        "evidence": lambda: evidence(recorded),
        "energy_likelihood": lambda: energy_likelihood(recorded),
        "information": lambda: information(recorded, change),
        "information_identity": lambda: information_identity(recorded),
        "sample_law": lambda: sample_law(recorded, samples),
        "protocol_limits": lambda: protocol_limits(recorded),
    }
    assert tuple(makers) == NAMES
    few = recorded.paths < FEWEST
    reason = f"{recorded.paths} paths: a verdict on a mean needs {FEWEST}"
    checks = [
        not_applicable(name, reason) if few and name not in _BY_PATH else make()
        for name, make in makers.items()
    ]
    if recompute:
        checks.append(recomputed(recorded))
    quantities = {
        **energy_quantities(recorded),
        **entropy_quantities(recorded, change, slack, bounds),
        **production_quantities(recorded, bounds),
        **information_quantities(recorded, change),
        **likelihood_quantities(recorded),
        **known_law_quantities(recorded),
        **cost_quantities(recorded),
        **sample_quantities(samples),
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
