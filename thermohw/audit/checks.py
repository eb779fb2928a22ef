"""Every check of a run that a score drove, made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from thermohw.audit.balance import bath_heat
from thermohw.audit.correlation import noise_correlation
from thermohw.audit.energy import first_law
from thermohw.audit.entropy import SystemChange, system_change
from thermohw.audit.evidence import energy_likelihood, evidence
from thermohw.audit.filtering import reading_filter
from thermohw.audit.fluctuation import fluctuation
from thermohw.audit.gain import gain
from thermohw.audit.information import information, information_identity
from thermohw.audit.known_law import twin_bound
from thermohw.audit.likelihood import bound_marginal, bound_ode, nll_above_entropy
from thermohw.audit.limits import protocol_limits
from thermohw.audit.paths import distinct_paths, finite_values
from thermohw.audit.production import Bounds, production, production_bounds
from thermohw.audit.recorded import Recorded
from thermohw.audit.residuals import noise_temperature
from thermohw.audit.samples import Comparison, compare, sample_law
from thermohw.audit.second_law import Slack, second_law, second_law_slack
from thermohw.audit.start import start_states
from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import FEWEST

__all__ = ["NAMES", "Checks"]

_MAKERS: dict[str, Callable[[Checks], Check]] = {
    "finite_values": lambda of: finite_values(of.recorded),
    "distinct_paths": lambda of: distinct_paths(of.recorded),
    "first_law": lambda of: first_law(of.recorded),
    "bath_heat": lambda of: bath_heat(of.recorded),
    "noise_temperature": lambda of: noise_temperature(of.recorded),
    "noise_correlation": lambda of: noise_correlation(of.recorded),
    "gain": lambda of: gain(of.recorded),
    "filter": lambda of: reading_filter(of.recorded),
    "start_law": lambda of: start_states(of.recorded),
    "second_law": lambda of: second_law(of.recorded, of.change, of.slack),
    "production": lambda of: production(of.recorded, of.bounds),
    "fluctuation_even": lambda of: fluctuation(of.recorded, "even"),
    "fluctuation_odd": lambda of: fluctuation(of.recorded, "odd"),
    "bound_marginal": lambda of: bound_marginal(of.recorded),
    "bound_ode": lambda of: bound_ode(of.recorded),
    "nll_above_entropy": lambda of: nll_above_entropy(of.recorded),
    "twin_bound": lambda of: twin_bound(of.recorded),
    "evidence": lambda of: evidence(of.recorded),
    "energy_likelihood": lambda of: energy_likelihood(of.recorded),
    "information": lambda of: information(of.recorded, of.change),
    "information_identity": lambda of: information_identity(of.recorded),
    "sample_law": lambda of: sample_law(of.recorded, of.samples),
    "protocol_limits": lambda of: protocol_limits(of.recorded),
}

NAMES = tuple(_MAKERS)
"""Names of the checks, in their order."""

# What can be said of a single path, or does not depend on paths; the rest are means over them.
_BY_PATH = (
    "finite_values", "distinct_paths", "first_law", "filter", "protocol_limits", "bound_marginal",
    "bound_ode", "nll_above_entropy", "twin_bound", "evidence", "energy_likelihood",
)  # fmt: skip


class Checks:
    """The checks of one run, and what several of them share.

    Attributes:
        recorded: the run.
    """

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded

    @cached_property
    def bounds(self) -> Bounds:
        """Upper bounds of the production."""
        return production_bounds(self.recorded)

    @cached_property
    def samples(self) -> Comparison | None:
        """Generated samples against their law."""
        return compare(self.recorded)

    @cached_property
    def change(self) -> SystemChange:
        """Entropy change of the circuit."""
        return system_change(self.recorded, self.bounds.densities)

    @cached_property
    def slack(self) -> Slack:
        """What the second law leaves."""
        return second_law_slack(self.recorded, self.change, self.bounds)

    def make(self, name: str) -> Check:
        """One of `NAMES`."""
        if self.recorded.paths < FEWEST and name not in _BY_PATH:
            reason = f"{self.recorded.paths} paths: a verdict on a mean needs {FEWEST}"
            return not_applicable(name, reason)
        return _MAKERS[name](self)
