"""Which observers fit a run: everything that can be known about it, nothing that cannot.

The ledger, the peaks and the profile are always there. Pumping needs div u, cheap for exact scores
only; the path ratios of the fluctuation theorems need a Gaussian kernel, exact readings, float64
noise and few dimensions; those of the production, of which means are taken, a Gaussian kernel and
control without a memory, where the readable tick plays (compiled ones keep no ratios); the
information account needs readings with Gaussian noise and no latency; the mean heat of every bath
needs sources that stay between decisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from thermohw.books import (
    CodeEntropy,
    Ledger,
    PathRatio,
    Peaks,
    Production,
    Profile,
    Pumping,
    Residuals,
    Updates,
    heat_balance,
    information_account,
    without_kernel,
    without_ratio,
)
from thermohw.errors import InputError
from thermohw.integrate import Recorder, make_engine, saved_ticks
from thermohw.integrate.fused.choice import not_compilable

if TYPE_CHECKING:
    from thermohw.control import Plan
    from thermohw.integrate import Engine, Observer
    from thermohw.run.setting import Setting
    from thermohw.score import Score

__all__ = ["build_engine"]

_THEOREM_DIM = 3  # beyond it the exponential average has no effective samples left


def build_engine(
    setting: Setting,
    *,
    seed: int,
    start: str | None,
    prior: str,
    dtype: str,
    every: int,
    plan: Plan | None = None,
) -> Engine:
    """Choose the observers that fit a setting and put the engine together; `plan` is the protocol
    worked out, where it was.
    """
    protocol, score = setting.protocol, setting.score
    start = start or (
        "marginal" if setting.target is not None and setting.target.analytic else "prior"
    )
    low = protocol.board.dim <= _THEOREM_DIM
    truth = score if score.exact else getattr(score, "base", None)
    known = truth is not None and truth.exact
    ideal = set(protocol.imperfect) <= {"node"}
    # Networks: div u costs a Jacobian a tick; the account needs it only where a current source
    # pumps.
    divergence = ideal and known
    euler = protocol.stepper == "euler" and not protocol.device.gyrating
    gaussian_kernel = protocol.control == "clocked" or euler  # with inductors it is degenerate
    theorem = ideal and known and low and gaussian_kernel and dtype == "float64"
    engine = make_engine(
        protocol,
        seed=seed,
        start=start,
        target=setting.target,
        prior=prior,
        dtype=getattr(torch, dtype),
        divergence=divergence,
        flux=theorem,
        closing=theorem or divergence and _defined_at_end(score),
        plan=plan,
    )
    plan, device = engine.plan, protocol.board
    observers: list[Observer] = [
        Ledger(device, protocol.wiring, varying=plan.schedule.heating is not None),
        Peaks(device),
        Profile(plan.schedule),
    ]
    prompt = plan.chain.lag.is_ideal  # sources that stay between decisions
    if plan.clocked and prompt:
        observers.append(heat_balance(device, protocol.wiring, plan.schedule.ticks))
    if plan.adc is not None and plan.clocked:
        observers.append(CodeEntropy(plan))
    if not without_kernel(plan):
        observers.append(Residuals(plan))
    if engine.controller.filter is not None:
        observers.append(Updates(plan))
    if divergence:
        observers.append(Pumping())
    if theorem:
        kernel = "held" if plan.clocked else "euler"
        observers.append(PathRatio(device, protocol.wiring, kernel=kernel))
    if (
        engine.controller.filter is not None
        and plan.latency == 0.0
        and plan.chain.sense.exact
        and prompt
    ):
        observers.append(information_account(engine.controller))
    if not theorem and not without_ratio(plan) and _defined_at_end(score):
        engine.observers = tuple(observers)
        if not_compilable(engine):
            ratios = Production(plan, engine.controller)
            if ratios.regular:
                observers.append(ratios)
    if every > 0:
        observers.append(Recorder(plan, saved_ticks(plan.schedule.ticks, every)))
    engine.observers = tuple(observers)
    return engine


def _defined_at_end(score: Score) -> bool:
    """Whether the score exists at t_min; that of a density with edges does not at t = 0."""
    try:
        score.at(score.process.t_min)
    except InputError:
        return False
    return True
