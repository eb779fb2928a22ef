"""Data and model twin side by side, and what the twin says of what is not known of the data.

A twin (`thermohw.pipeline.known_law`) is a second network on a law that is known. Of the data S0,
the bound, its gap and the score error are not known; of the twin they are. The page says how far
the twin's estimates of S0 are off, and where the data's would lie if they were off by as much. That
is a size, not an error bar: a network's error on one law says nothing certain of that on another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from thermohw.report.numerals import count, measured, plain

if TYPE_CHECKING:
    from thermohw.audit import Quantity
    from thermohw.report.facts import Facts
    from thermohw.report.verdicts import Verdicts

__all__ = ["Beside", "DataAndTwin", "comparison"]

_ROWS = {
    "nll.ode": "probability flow of the score",
    "nll.marginal": "marginal likelihood",
    "nll.sde_elbo": "evidence bound of the reverse diffusion",
    "bound.lower": "entropy bound B on the marginal likelihood",
    "bound.gap": "marginal likelihood less B",
    "bound.score_error": "of it: the score is not the true one",
    "bound.prior_mismatch": "of it: the end of noising is not the prior",
    "bound.terminal_mismatch": "flow less marginal: where trajectories end",
    "bound.trajectory_drift": "flow less marginal: where trajectories pass",
    "entropy.data": "entropy S₀ at t_min",
    "entropy.estimate_plugin": "estimate of S₀: S₁ − Σ",
    "entropy.estimate_inversion": "estimate of S₀: 2 NLL − S₁ + Σ",
    "entropy.estimate_elbo": "estimate of S₀: the evidence bound",
}
_ESTIMATES = tuple(name for name in _ROWS if name.startswith("entropy.estimate_"))


class Beside(NamedTuple):
    """One row.

    Attributes:
        name: dotted name on the data; on the twin it is twin.<name>.
        meaning: in words.
        data, twin: numbers; None where unknown.
        of_data, of_twin: the same in words.
    """

    name: str
    meaning: str
    data: float | None
    twin: float | None
    of_data: str
    of_twin: str


@dataclass(frozen=True)
class DataAndTwin:
    """The table and its sentences.

    Attributes:
        rows: by name.
        law: what the twin is, in words.
        known: what is known there.
        says: what that says of the data.
        limits: what it does not say.
    """

    rows: list[Beside]
    law: str
    known: str
    says: str
    limits: str


def comparison(verdicts: Verdicts, facts: Facts) -> DataAndTwin | None:
    """Data and twin; None where the run has no twin or the audit does not name its terms."""
    if not facts.twin_components or verdicts.get("twin.nll.marginal") is None:
        return None
    rows = [_row(name, meaning, verdicts) for name, meaning in _ROWS.items()]
    images = getattr(facts.target, "counts", {}).get("train")
    as_many = "" if images is None else f" {count(images)} samples of it,"
    law = (
        f"A second network was trained on a mixture of {facts.twin_components} Gaussians fitted to "
        f"the training data:{as_many} as many as the data's, for as many steps. Of this law "
        "everything is known."
    )
    limits = (
        "These are sizes, no error bars: a network may err less or more on the data than on the "
        "mixture"
    )
    if float(getattr(facts.target, "step", 0.0)) > 0.0:
        limits += ", and one that reads out the data's levels has no use for that on the mixture"
    return DataAndTwin(rows, law, _known(verdicts), _says(verdicts), f"{limits}.")


def _row(name: str, meaning: str, verdicts: Verdicts) -> Beside:
    data, twin = verdicts.get(name), verdicts.get(f"twin.{name}")
    return Beside(
        name,
        meaning,
        data.value if data else None,
        twin.value if twin else None,
        _words(data),
        _words(twin),
    )


def _words(found: Quantity | None) -> str:
    return "unknown" if found is None else measured(found.value, found.stderr)


def _known(verdicts: Verdicts) -> str:
    """The gap and its parts, and by how much the estimates of S0 are off."""
    gap, error = verdicts.get("twin.bound.gap"), verdicts.get("twin.bound.score_error")
    prior, drift = (
        verdicts.get(f"twin.bound.{name}") for name in ("prior_mismatch", "terminal_mismatch")
    )
    s0 = verdicts.get("twin.entropy.data")
    if gap is None or error is None or prior is None or drift is None:
        return ""
    misses = [f"{miss:+.1f}".replace("-", "−") for miss in _misses(verdicts).values()]
    listed = f"{', '.join(misses[:-1])} and {misses[-1]}" if len(misses) > 1 else "".join(misses)
    estimates = f" The estimates of S₀ are off by {listed} nats." if misses else ""
    return (
        f"Its entropy S₀ is {_words(s0)} nats. The marginal likelihood of the network lies "
        f"{_words(gap)} nats above the bound: {_words(error)} are the score's error, "
        f"{plain(prior.value or 0.0, 2)} the prior's. Where trajectories end adds "
        f"{_words(drift)} to the flow's likelihood.{estimates}"
    )


def _misses(verdicts: Verdicts) -> dict[str, float]:
    """By how much the twin's estimates of S0 are off, nats."""
    known = verdicts.get("twin.entropy.data")
    found = {name: verdicts.get(f"twin.{name}") for name in _ESTIMATES}
    if known is None or known.value is None:
        return {}
    return {
        name: one.value - known.value
        for name, one in found.items()
        if one is not None and one.value is not None
    }


def _says(verdicts: Verdicts) -> str:
    """What the data's unknown numbers would be with the twin's errors."""
    misses = _misses(verdicts)
    marginal, gap = verdicts.get("nll.marginal"), verdicts.get("twin.bound.gap")
    found = {name: verdicts.get(name) for name in misses}
    left = sorted(
        one.value - misses[name]
        for name, one in found.items()
        if one is not None and one.value is not None
    )
    if not left or marginal is None or marginal.value is None or gap is None or gap.value is None:
        return ""
    return (
        "Were the network off by as much on the data, their entropy would lie between "
        f"{left[0]:.1f} and {left[-1]:.1f} nats, and the bound near "
        f"{marginal.value - gap.value:.1f}."
    ).replace("-", "−")
