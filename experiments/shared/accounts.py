"""What a likelihood's account leaves in a row: terms with their errors, heats on the noised law."""

from __future__ import annotations

from collections.abc import Mapping

from thermohw.likelihood import Likelihood, integrate_rates, physical_rates
from thermohw.score import Score


def terms(found: Likelihood, names: Mapping[str, str]) -> dict[str, float]:
    """Known terms and, as `.error`, their standard errors, nats; unknown ones are left out.

    Args:
        found: the account.
        names: name in the row -> name in the account.
    """
    row = {}
    for name, source in names.items():
        term = found.terms.get(source)
        if term is not None:
            row[name], row[f"{name}.error"] = float(term.value), float(term.stderr)
    return row


def on_the_law(
    found: Likelihood, score: Score, *, control: str, wiring: str = "emf"
) -> dict[str, float]:
    """Heat (kT), production (nats) and more of generation on p_t, at the default volts per unit."""
    process = score.process
    theta = float(process.transition(process.duration)[1]) if process.kind == "ve" else 1.0
    rates = physical_rates(
        found.profile, process, dim=score.dim, theta=theta, wiring=wiring, control=control
    )
    return integrate_rates(found.profile, rates)
