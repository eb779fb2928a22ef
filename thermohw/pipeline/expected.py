r"""Mean heat and work of a run, before it is run.

Three ways, from the best that the law allows down:

    quadrature   exact score, uncoupled nodes at one temperature and as the datasheet has them,
                 exact prompt readings. Continuous control from p_T: the paths follow p_t, so that
                 heat and work are time integrals of
                 E|x|^2, E[x . s], E|s|^2 and E[div s] (`thermohw.likelihood.wiring`), taken on a
                 grid in one or two dimensions, pixel by pixel for independent ones, in closed form
                 for Gaussians of any dimension; the integrator's own ticks add O(h). Clocked
                 control of one node: its law is followed tick by tick (`likelihood.held_law`).
    pilot        everything else that has its score: a few paths of the very run, at their own seed,
                 with a standard error.
    moments      a network that is not trained yet: the heat of the Gaussian with the data's mean
                 and covariance. It knows nothing of finer structure, and is labelled so.

The choice and the number of pilot paths depend on the protocol alone, never on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq

from thermohw.control import Plan, make_plan
from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.likelihood.ensemble import GridEnsemble
from thermohw.likelihood.held_law import held_law
from thermohw.likelihood.progress import silent
from thermohw.likelihood.sweep import sweep
from thermohw.likelihood.timeline import Timeline
from thermohw.likelihood.wiring import integrate_rates, physical_rates
from thermohw.pipeline.simulate import simulate
from thermohw.target import gaussian, lift, uniform_pixels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thermohw.control import Protocol
    from thermohw.process import Process
    from thermohw.target import Target

__all__ = ["ExpectedHeat", "expected_heat", "gaussian_heat"]

_MOMENTS = 111
_EDGES = (1e-3, 5e-4)  # noise at which a law with edges is cut, model units
_JITTER = 1e-9  # of the trace: pixels that are always white have no variance
_LOST = 1e-4  # of the probability that a grid may lose
_PILOT = 50_000_000  # path ticks of a closed-form score
_COUPLED = 16  # a tick of a network takes so many times as long
_MOST, _NETWORK = 131_072, 64
"""Pilot paths of a closed form at most, and of a network."""


@dataclass(frozen=True)
class ExpectedHeat:
    """Means of one sample, kT of the reference temperature.

    Attributes:
        heat: into all baths.
        work: of all sources.
        baths: heat of every bath by name; empty where it was not told apart.
        method: how they were found, in words.
        guessed: of a Gaussian in place of the network.
    """

    heat: Estimate
    work: Estimate
    method: str
    baths: Mapping[str, Estimate]
    guessed: bool = False


def expected_heat(
    protocol: Protocol, target: Target | None, *, start: str | None = None, prior: str = "schedule"
) -> ExpectedHeat:
    """Heat and work of a protocol whose score is at hand.

    Args:
        protocol: with its score.
        target: the data; None for the exact score's own.
        start: as of `th.simulate`.
        prior: as of `th.simulate`.

    Raises:
        InputError: the protocol is refused.
    """
    plan = make_plan(protocol, refuse=False)
    target = getattr(protocol.score, "target", None) if target is None else target
    if target is not None and protocol.score.exact and plan.nominal and _simple(plan):
        found = None
        if protocol.control == "clocked":
            found = _by_ticks(plan, target, start, prior)
        elif start in (None, "marginal"):
            found = _by_law(plan, target)
        if found is not None:
            return found
    return _pilot(protocol, target, start, prior)


def gaussian_heat(
    plan: Plan, target: Target, *, start: str | None = None, prior: str = "schedule"
) -> ExpectedHeat:
    """Heat and work for a Gaussian of the data's mean and covariance in their place: in closed form
    and in the limit of short ticks for uncoupled nodes, else a pilot run driven by its score.

    Raises:
        InputError: the protocol is refused.
    """
    words = "a Gaussian with the data's mean and covariance, not the network"
    if plan.chain.node.is_ideal and _simple(plan):
        profile = _gaussian_profile(plan.protocol.process, target)
        found = _integrated(plan, profile, target.dim, 1, f"moments: {words}; short ticks")
        return replace(found, guessed=True)
    alone = getattr(target, "base", target)
    spread = alone.covariance + _JITTER * np.trace(alone.covariance) * np.eye(alone.dim)
    law = lift(gaussian(mean=alone.mean, covariance=spread), plan.protocol.process)
    protocol = replace(plan.protocol, score=law.score(plan.protocol.process), allow_ringing=True)
    found = _pilot(protocol, law, start, prior)
    return replace(found, method=f"moments: {words}; {found.method}", guessed=True)


def _simple(plan: Plan) -> bool:
    """Uncoupled nodes with one resistor each, at one temperature."""
    device, schedule = plan.protocol.board, plan.schedule
    return (
        device.uncoupled
        and not device.fluxes
        and plan.protocol.process.isotropic
        and len(device.elements) == device.dim
        and float(np.ptp(device.temperatures)) == 0.0
        and schedule.heating is None
        and schedule.relaxing is None
    )


def _by_ticks(plan: Plan, target: Target, start: str | None, prior: str) -> ExpectedHeat | None:
    """The law of one node under held sources."""
    score: Any = plan.protocol.score
    if plan.protocol.board.dim != 1 or start not in (None, "marginal", "prior"):
        return None
    process = plan.protocol.process
    law = None if start != "prior" else process.prior(prior, target.mean, target.covariance)
    try:
        found = held_law(plan, score, law)
    except InputError:  # a law that has no density
        return None
    if found is None or not abs(found.mass - 1.0) < _LOST:
        return None
    words = f"quadrature over the node's own law, {plan.schedule.ticks} ticks"
    return ExpectedHeat(Estimate(found.heat, 0.0), Estimate(found.work, 0.0), words, {})


def _by_law(plan: Plan, target: Target) -> ExpectedHeat | None:
    process = plan.protocol.process
    if target.kind == "gaussian":
        profile = _gaussian_profile(process, target)
        return _integrated(plan, profile, target.dim, 1, "closed moments, continuous control")
    words = "quadrature over the data's law, continuous control"
    if target.kind == "uniform_pixels":
        return _by_pixel(plan, target, f"{words}, pixel by pixel")
    profile = None if target.dim > 2 else _grid_profile(process, target, target.narrowest)
    return None if profile is None else _integrated(plan, profile, target.dim, 1, words)


def _by_pixel(plan: Plan, target: Target, words: str) -> ExpectedHeat | None:
    """Of one pixel, so many times. Its edges shorten the fluctuations of the score as 1/sd of the
    noise: what is missing of the heat falls as sd, so that of two small ones the limit is known.
    """
    pixel, process = (
        uniform_pixels(1, centred=bool(getattr(target, "centred", False))),
        plan.protocol.process,
    )
    least = [_reached(process, sd) for sd in _EDGES]
    ends = [process.t_min] if process.t_min >= least[-1] else least
    found = []
    for end in ends:
        sharp = replace(process, t_min=end)  # pyright: ignore[reportArgumentType]
        profile = _grid_profile(sharp, pixel, 0.0)
        if profile is None:
            return None
        found.append(_integrated(plan, profile, 1, target.dim, words))
    if len(found) == 1:
        return found[0]
    heat, work = (
        2.0 * getattr(found[1], name).value - getattr(found[0], name).value
        for name in ("heat", "work")
    )
    words += f", the limit of noise of {_EDGES[0]:g} and {_EDGES[1]:g}"
    return ExpectedHeat(Estimate(heat, 0.0), Estimate(work, 0.0), words, {})


def _reached(process: Process, sd: float) -> float:
    """The model time at which the noise has this standard deviation."""
    found: Any = brentq(
        lambda t: float(process.transition(t)[1]) - sd**2, 0.0, process.duration, xtol=1e-15
    )
    return float(found)


def _grid_profile(
    process: Process, target: Target, narrowest: float
) -> Mapping[str, np.ndarray] | None:
    """The moments of a law in one or two dimensions; None where it is too rough for a grid."""
    score = target.score(process)
    try:
        return sweep(
            score,
            GridEnsemble(process, score, target),
            Timeline.of(process, narrowest),
            moments=_MOMENTS,
            progress=silent,
        ).profile
    except InputError:
        return None


def _gaussian_profile(process: Process, target: Target) -> dict[str, np.ndarray]:
    """Moments of the Gaussian's own score, in closed form, at quadrature times."""
    variances = np.clip(np.linalg.eigvalsh(np.atleast_2d(target.covariance)), 0.0, None)
    narrowest = float(variances.min())
    timeline = Timeline.of(process, narrowest)
    nodes, weights = timeline.rule(_MOMENTS)
    rows = []
    for u, weight in zip(nodes, weights, strict=True):
        moment = timeline.at(float(u))
        decay, noise = (float(part) for part in process.transition(moment.time))
        spread = decay**2 * variances + noise
        inverse = float((1.0 / spread).sum())
        rows.append(
            (
                moment.time,
                float(weight) * moment.stretch / moment.rate,
                float(spread.sum()) + decay**2 * float(np.square(target.mean).sum()),
                -float(len(spread)),
                inverse,
                -inverse,
            )
        )
    names = ("time", "weight", "second_moment", "position_score", "score_square", "divergence")
    return dict(zip(names, np.array(rows).T, strict=True))


def _integrated(
    plan: Plan, profile: Mapping[str, np.ndarray], dim: int, times: int, words: str
) -> ExpectedHeat:
    protocol = plan.protocol
    rates = physical_rates(
        profile,
        protocol.process,
        dim=dim,
        theta=protocol.theta,
        wiring=protocol.wiring,
        control=protocol.control,
    )
    found = {name: Estimate(times * v, 0.0) for name, v in integrate_rates(profile, rates).items()}
    return ExpectedHeat(found["heat"], found["work"], words, {})


def _pilot(
    protocol: Protocol, target: Target | None, start: str | None, prior: str
) -> ExpectedHeat:
    paths = pilot_paths(protocol)
    options: dict[str, Any] = {} if start is None else {"start": start}
    run = simulate(
        protocol, paths=paths, target=target, prior=prior, test=0, twins=False, progress=False,
        **options,
    )  # fmt: skip
    kt, books = protocol.device.scale.energy, run.books
    baths = {
        name: Estimate.from_paths(values / kt)
        for name, values in zip(books.baths, books.heat.T, strict=True)
    }
    return ExpectedHeat(
        Estimate.from_paths(books.heat.sum(1) / kt),
        Estimate.from_paths(books.work.sum(1) / kt),
        f"a pilot run of {paths} paths, seed 0",
        baths,
    )


def pilot_paths(protocol: Protocol) -> int:
    """How many paths a pilot run has: of a network 64, of a closed form what a second or two
    plays.
    """
    score: Any = protocol.score
    if not (score.exact or getattr(getattr(score, "base", None), "exact", False)):
        return _NETWORK
    device = protocol.device
    ticks = make_plan(protocol, refuse=False).schedule.ticks
    work = ticks * device.dim**2 * (1 if device.uncoupled else _COUPLED)
    return int(min(max(_PILOT // work, _NETWORK), _MOST))
