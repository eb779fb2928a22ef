r"""Entropy production without the law of the data: the log path ratio with a density of one's own.

For any normalised density rho, q_0 the density really sampled and K~ the even backward tick
(`thermohw.books.production`),

    E[ ln q_0(x_0) - ln rho(x_N) + sum_n ln K_n/K~_n ] = production + KL(q_N || rho) >= 0,

whatever the law of the data and whatever the score. Three densities are at hand, and the smallest
bound is named:

    flow       the model's own density of the generated samples by its probability flow, of as many
               end states as the likelihood has held-out points
    law        for an exact score: the data's law noised to t_min, in closed form
    mixture    fitted to one half of the end states, evaluated on the other (`audit.mixture`)

The theorem holds whatever was booked: as such no wrong heat could show in it, and where nothing
else is judged and half of its larger part could be missing unseen, there is no verdict. Where one
resistor hangs on every node and its source is in series, all of the ratio but a sum that is
recorded beside it IS the heat, path by path,

    sum_n ln K_n/K~_n = sum_k Q_k/kT_k + returned,

so that the bound is a statement about joules. Both sides come from the same stored states; what
separates them is the rounding of the books, at most that of the first law (`audit.energy`):

    |difference| <= 16 sqrt(N) u (exchanged energy + thermal energy of the nodes)/kT
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from thermohw.audit.energy import rounding
from thermohw.audit.mixture import cross_fitted_nll
from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.books import without_ratio
from thermohw.estimate import FEWEST, HOLDS, VIOLATED, Estimate, judge, largest_of, worst

__all__ = ["Bound", "Bounds", "Density", "production", "production_bounds",
           "production_quantities", "tied"]  # fmt: skip


@dataclass(frozen=True)
class Density:
    """-ln rho of the first end states, nats, model units.

    Attributes:
        words: which density.
        nll: shape (m,).
        error: numerical error of their mean.
    """

    words: str
    nll: np.ndarray
    error: float = 0.0

    @property
    def cross_entropy(self) -> Estimate:
        """-E ln rho(x_N), at least the entropy of the end states."""
        return Estimate.from_paths(self.nll) + Estimate(0.0, self.error)


@dataclass(frozen=True)
class Bound:
    """An upper bound of the production, nats; None with the reason in `words`."""

    value: Estimate | None
    words: str


@dataclass(frozen=True)
class Bounds:
    """What a run says of its production.

    Attributes:
        own: with the density that the model, or the known law, gives.
        mixture: with a fitted one.
        densities: those of end states that were evaluated.
        augmented: readings are random, and part of the chain.
    """

    own: Bound
    mixture: Bound
    densities: tuple[Density, ...] = ()
    augmented: bool = False

    @property
    def smallest(self) -> Bound:
        """The smallest valid one."""
        found = [b for b in (self.own, self.mixture) if b.value is not None]
        return min(found, key=lambda b: b.value.value if b.value else 0.0, default=self.own)

    @property
    def count(self) -> int:
        """How many there are: the smallest is judged as such."""
        return sum(b.value is not None for b in (self.own, self.mixture))


def production_bounds(recorded: Recorded) -> Bounds:
    """Both bounds, as far as the run recorded what they need."""
    reason = _why_not(recorded)
    if reason:
        return Bounds(Bound(None, reason), Bound(None, reason))
    assert recorded.ratio is not None
    flow, why = _flow(recorded)
    fitted, words = cross_fitted_nll(recorded.first[: len(recorded.ratio)])
    mixture = Density(f"a Gaussian mixture of {words}", fitted) if len(fitted) else None
    if recorded.paths < FEWEST:  # no mean of them is judged
        few = Bound(None, f"{recorded.paths} paths are too few")
        return Bounds(few, few)
    law = next((c for c in ("sigma.even", "production") if c in recorded.moments), None)
    if law is not None:
        own = Bound(recorded.moments[law], f"the data's law at t_min, {recorded.paths} end states")
    else:
        own = _bound(recorded, flow, why)
    found = tuple(density for density in (flow, mixture) if density is not None)
    augmented = recorded.plan.reading_noise > 0.0 or recorded.plan.chain.score.noise > 0.0
    return Bounds(own, _bound(recorded, mixture, words), found, augmented)


def _why_not(recorded: Recorded) -> str:
    """Why a run has no bound; empty where it has one."""
    if recorded.ratio is None:
        return without_ratio(recorded.plan) or (
            "log path ratios were not recorded (compiled ticks of an exact score keep them up to "
            "three dimensions in dtype = 'float64'; a score without a value at t_min has none)"
        )
    if "log_prob.start" not in recorded.log_prob:
        return f"the {recorded.simulate['start']} start has no known density"
    return ""


def _flow(recorded: Recorded) -> tuple[Density | None, str]:
    """The model's own density, or why it is not there."""
    table = recorded.density
    if not table:
        return None, "no density of the end states was stored (likelihood.test = 0, or no data)"
    if float(table["state"][0]) < 0.0:
        return None, "the probability flow of an end state diverges"
    count = min(len(table["nll"]), recorded.paths)
    error = float(np.abs(table["solver_error"][:count]).mean())
    words = f"the model's own density of {count} end states"
    if float(table["state"][0]) == 0.0:
        words += ", less exact than asked for"
    return Density(words, table["nll"][:count], error), ""


def _bound(recorded: Recorded, density: Density | None, reason: str) -> Bound:
    """Paired: every path's density with its own ratio."""
    if density is None:
        return Bound(None, reason)
    count = len(density.nll)
    if count < FEWEST:
        return Bound(None, f"{count} end states: a mean needs {FEWEST}")
    assert recorded.ratio is not None
    sums = recorded.log_prob["log_prob.start"][:count] + recorded.ratio[:count] + density.nll
    return Bound(Estimate.from_paths(sums) + Estimate(0.0, density.error), density.words)


def tied(recorded: Recorded, *, short: bool = False) -> tuple[str, str]:
    """Whether the ratios are the heat that was measured: a status and a sentence, or a `short` one;
    empty where no run of this circuit could say.
    """
    moments = recorded.moments
    if "untied" not in moments:
        return "", ""
    allowed, value = rounding(recorded), recorded.accounts.untied
    size = moments["exchanged"].value + recorded.accounts.idle
    heat = sqrt(moments.variance("medium") + moments["medium"].value ** 2)
    least = allowed * size / heat if heat > 0.0 else float("inf")
    status = HOLDS if value <= allowed else VIOLATED
    if short:
        words = "is" if status == HOLDS else "is not"
        return (
            status,
            f"the heat {words} that of the ticks path by path, {least:.1g} of it is called",
        )
    words = (
        f"sum ln K/K~ = Q/kT + returned ({moments['ratio.returned'].value:+.4f}) on each of "
        f"{recorded.paths} paths to {value:.2g} of the energy exchanged (rounding: {allowed:.2g}; "
        f"a heat {least:.1g} of itself off is called)"
    )
    return status, words


def production(recorded: Recorded, bounds: Bounds) -> Check:
    """The bound is not negative, and is the measured heat's."""
    name, relation = "production", ">="
    status, words = tied(recorded)
    best = bounds.smallest
    if best.value is None:
        if not status:
            return not_applicable(name, best.words, relation=relation)
        allowed, value = rounding(recorded), recorded.accounts.untied
        detail = f"{words}; no bound: {best.words}"
        return Check(name, status, value, allowed, None, detail, "<=", allowed)
    z = largest_of(best.value.z(0.0), bounds.count)
    listed = [
        f"{b.value.text('.4f')} ({b.words})" for b in (bounds.own, bounds.mixture)
        if b.value is not None and b is not best
    ]  # fmt: skip
    detail = f"production <= {best.value.text('.4f')} nats with {best.words}"
    detail += f"; {listed[0]}" if listed else ""
    crossed = HOLDS
    if "ratio.learned" in recorded.moments:
        lower = recorded.moments["ratio.learned"]
        detail += f"; learned from below {lower.text('.4f')}"
        crossed = _crossed(recorded, lower, best.value)
        if crossed == VIOLATED:
            detail += ", which is more than what it is a bound of can be"
    detail += "; of states and readings together" if bounds.augmented else ""
    emf = recorded.setting.protocol.wiring == "emf"
    hidden = len(recorded.setting.device.elements) > recorded.setting.device.dim
    if not words and emf and "even - ledger" in recorded.moments and not hidden:
        words = "held against the heat by second_law" * (recorded.step <= 1.0)
    untied = "not tied to heat path by path: nothing but its sign is judged"
    detail += f"; {words or untied}"
    found = worst(judge(z, relation=relation), crossed)
    power = best.value.power(relation, count=bounds.count)
    if not words and found == HOLDS and _blind(recorded, best.value.value + power):
        return not_applicable(name, f"{detail}, and half of their sum could be missing unseen",
                              relation=relation)  # fmt: skip
    return Check(
        name,
        worst(found, status) if status else found,
        best.value.value,
        0.0,
        best.value.stderr,
        detail,
        relation,
        power,
        beyond=True,
    )


def _blind(recorded: Recorded, reach: float) -> bool:
    """Whether a bound, nats, would stay above zero without half of its larger part: of the log
    ratios of the ticks, or of the densities at both ends.
    """
    assert recorded.ratio is not None
    ticks = float(np.mean(recorded.ratio))
    return reach > 0.5 * max(abs(ticks), abs(reach - ticks))


def _crossed(recorded: Recorded, lower: Estimate, upper: Estimate) -> str:
    """Whether a lower bound stands above an upper one by more than chance, and more than what a
    tick may make of the lower one, which is that of short ticks: "violated" or "holds".
    """
    over = lower - upper
    allowed = min(recorded.step, 1.0) * abs(lower.value)
    excess = Estimate(max(over.value - allowed, 0.0), over.stderr, over.freedom)
    return VIOLATED if judge(excess.z(), relation="<=") == VIOLATED else HOLDS


def production_quantities(recorded: Recorded, bounds: Bounds) -> dict[str, Quantity]:
    """Both bounds and their parts, nats."""
    note = "an upper bound of the production of the ticks"
    if bounds.augmented:
        note += " and the readings: of the augmented chain (state, reading)"
    table = {}
    for name, bound in (("bound", bounds.own), ("bound_mixture", bounds.mixture)):
        text = note if bound.value is not None else bound.words
        method = f"rho: {bound.words}" if bound.value is not None else ""
        table[f"production.{name}"] = Quantity.of(bound.value, "nat", text, method=method)
    words = {"ratio.ticks": ("ratio", "sum of ln K/K~ of the ticks"),
             "ratio.returned": ("returned", "what of it is no heat"),
             "ratio.learned": ("learned", "a lower bound, up to the tick: E[2 w o dx - w^2 dt]/D "
                               "with the score's own current velocity w")}  # fmt: skip
    for column, (name, about) in words.items():
        if column in recorded.moments:
            table[f"production.{name}"] = Quantity.of(recorded.moments[column], "nat", about)
    return table
