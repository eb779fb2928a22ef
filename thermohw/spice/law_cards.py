"""Whether a deck can compute a run's control by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.errors import InputError
from thermohw.spice.mixture_cards import MixtureCards
from thermohw.spice.network_cards import NetworkCards

if TYPE_CHECKING:
    from thermohw.control import Plan
    from thermohw.spice.controllers import ScoreCards

__all__ = ["computing_cards", "require_cards"]


def require_cards(plan: Plan, rest: float = 0.0) -> ScoreCards:
    """Cards that compute a plan's control.

    Args:
        plan: the run.
        rest: the sources stay at zero so long before generation starts, R_ref C_ref.

    Raises:
        InputError: a clocked run, or a score that is neither an exact mixture nor a small network.
    """
    reasons = []
    for kind in (MixtureCards, NetworkCards):
        try:
            return kind(plan, rest)
        except InputError as error:
            reasons.append(error)
    if plan.clocked:
        raise reasons[0]
    raise InputError(
        "only exact Gaussian mixtures and dense networks of at most 64 hidden units can be "
        "written as behavioural sources; replay the recorded control instead",
        where="score.kind",
    )


def computing_cards(plan: Plan) -> ScoreCards | None:
    """The same, or None where a deck cannot compute the control and has to play it back."""
    try:
        return require_cards(plan)
    except InputError:
        return None
