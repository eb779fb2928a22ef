r"""The device evidence bound: what the circuit as it is can at most miss of the data, nats.

A run draws z_0 from the prior and takes N ticks, each a Gaussian kernel K_u(z_{n+1} | z_0 .. z_n)
whose mean is moved by what the controller decided: quantised, clipped, late, settling. The noising
process goes the other way, z_n from z_{n+1} by its own kernel K. With the data at z_N, noised to
t_min, for any normalised K

    -E ln p_device(z_N) <= U,
    U = -E ln prior(z_0) + sum_n E ln [K(z_n|z_{n+1}) / K_u(z_{n+1}|z_0..z_n)]

(Jensen; averages over noised data). The controls are functions of the path so far, so a path that
the process made is enough, and no state has to be added for them. Read along the path the other
way, the chain of the process is q(z_0|z_N) prod_n q(z_{n+1}|z_n, z_N), all Gaussian, and

    U = E KL(q(z_0|z_N) || prior) + sum_{n<N-1} E KL(q(z_{n+1}|z_n, z_N) || K_u) - E ln K_u(z_N|..)

in which the noise of a tick is integrated out in closed form: the diffusion model's variational
bound (Ho, Jain and Abbeel, NeurIPS 2020, Eq. 5), with the device's own means and variances.

Noisy readings (and noise behind the score) make K_u a mixture over what was read. It is integrated
out: a path carries M particles, each with readings of its own, all that its controller remembers,
and the kernel that follows,

    K_u(z_{n+1} | z_0..z_n) ~ (1/M) sum_m N(z_{n+1}; mean_m, Sigma),

(on one node without memory a sum over its codes, or a Gauss-Hermite rule, in place of draws),
chosen anew by these weights after every tick where something is remembered (latency, sources that
settle). The product of such averages is an unbiased estimate of the path's density (Del Moral 2004;
Andrieu, Doucet and Holenstein, J. R. Stat. Soc. B 72, 269 (2010)), hence its -ln an upper bound for
every M, which falls as M grows. With a Kalman filter the readings are kept (M = 1): the looser
bound of the augmented chain.

Where undriven tick and process are in detailed balance at one temperature, ln K/K_u is the heat of
an undriven tick and what the control changes of it,

    U = -E ln prior(z_0) - E (E_0 - E_N)/kT + sum E ln [K_0(z_{n+1}|z_n) / K_u],

K_0 the tick without sources: terms "prior", "energy", "control". The control's share is U less the
other two; `direct` is the same average taken on its own, with more noise: they must agree. "work"
is what emfs on uncoupled nodes work on these noised pairs, in kT; a run's differs by O(h) and by
the score's error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from thermohw.books.kernels import without_kernel
from thermohw.control import Controller
from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.likelihood.device_heat import NoisedHeat
from thermohw.likelihood.device_readings import TickReadings
from thermohw.likelihood.device_reference import DeviceReference, Surplus
from thermohw.likelihood.device_ticks import (
    DeviceTicks,
    Gaussian,
    NoisingBridge,
    as_matrix,
    balance,
    bridges,
    outset,
    thermal_units,
    through,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Control, Plan
    from thermohw.process import Normal

__all__ = ["DeviceBound", "device_elbo", "readings_each", "without_evidence"]


@dataclass
class DeviceBound:
    """The bound of every point, nats per sample, model units, float64, shape (paths,).

    Attributes:
        total: U.
        terms: of its split where it has one: "prior", "energy", "control", and beside them "work"
            and "direct"; else "prior" and "ticks".
        method: "exact readings", "integrated" or "augmented".
        draws: M, readings of every tick that are averaged over; 1 where there is nothing to.
        heat: of the ticks on the noised data (`device_heat`), where sources follow exact readings
            of uncoupled nodes at one temperature; else None.
    """

    total: Tensor
    terms: dict[str, Tensor]
    method: str
    draws: int
    heat: NoisedHeat | None = None


def without_evidence(plan: Plan) -> str:
    """Why a plan has no such bound, in words; empty where it has."""
    if not plan.clocked and plan.stepper != "euler":
        return (
            "a continuous source follows the noise within its step, whose law is not Gaussian: "
            "use control = 'clocked', or stepper = 'euler'"
        )
    if not plan.clocked and not plan.chain.ideal_control:
        return "a continuous source with a memory moves inside the step"
    return without_kernel(plan)


def readings_each(plan: Plan, draws: int) -> int:
    """Readings of a tick that are averaged over, M: those of a rule, `draws`, or 1."""
    noisy = plan.reading_noise > 0.0 or plan.chain.score.noise > 0.0
    if not noisy or plan.protocol.filter == "kalman":
        return 1
    generator = torch.Generator()
    return TickReadings(plan, 0, draws, generator, exact=not _remembers(plan)).many


def _remembers(plan: Plan) -> bool:
    """Whether a tick's sources follow earlier states."""
    return plan.latency > 0.0 or not plan.chain.lag.is_ideal


class _Particles(NamedTuple):
    """What the controllers of all particles remember, paths x M rows."""

    pending: dict[int, Tensor]
    applied: int
    predicted: Tensor | None
    lag: Tensor | None

    def pick(self, rows: Tensor) -> _Particles:
        """Those of some rows."""
        one = {tick: source[rows] for tick, source in self.pending.items()}
        predicted = None if self.predicted is None else self.predicted[rows]
        return self._replace(
            pending=one, predicted=predicted, lag=None if self.lag is None else self.lag[rows]
        )


def device_elbo(
    plan: Plan,
    ends: Tensor,
    prior: Normal,
    *,
    generator: torch.Generator,
    draws: int = 16,
    moments: tuple[NDArray, NDArray] | None = None,
) -> DeviceBound:
    """Bound the device's density at the ends of its runs.

    Args:
        plan: the device's run; one that `allow_ringing` admitted will do.
        ends: data noised to t_min, model units, shape (paths, n).
        prior: law that a run starts from, model units.
        generator: of the paths and readings.
        draws: M, where readings are noisy and no filter keeps them.
        moments: mean (n,) and covariance (n, n) of the data, model units, of the Gaussian that
            takes scatter out (`device_reference`); None leaves it in.

    Raises:
        InputError: the plan has no such bound, or a state on the way is not finite.
    """
    reason = without_evidence(plan)
    if reason:
        raise InputError(reason, where="nll.device_elbo")
    draws = whole(draws, 1, "likelihood.draws")
    _require_ends(ends, plan.protocol.device.dim)
    reference = None if moments is None else DeviceReference(plan, *moments)
    return _NoisedPaths(plan, ends, prior, generator, draws, reference).bound()


def _require_ends(ends: Any, dim: int) -> None:
    """Refuse what is no table of finite states.

    Raises:
        InputError: see above.
    """
    shape = tuple(getattr(ends, "shape", ()))
    if not isinstance(ends, torch.Tensor) or len(shape) != 2 or shape[1] != dim or not shape[0]:
        kind = type(ends).__name__
        problem = f"{kind} of shape {shape}: expected a torch tensor of shape (paths, {dim})"
        raise InputError(problem, where="nll.device_elbo.ends")
    if not torch.isfinite(ends).all():
        raise InputError("states must be finite numbers", where="nll.device_elbo.ends")


@dataclass
class _NoisedPaths:
    """Paths of the noising chain, from the prior's side to the data's, under the device's eyes."""

    plan: Plan
    ends: Tensor
    prior: Normal
    generator: torch.Generator
    draws: int
    reference: DeviceReference | None
    parts: dict[str, Tensor] = field(default_factory=dict)

    def bound(self) -> DeviceBound:
        plan, ticks = self.plan, DeviceTicks(self.plan)
        self.units = thermal_units(plan)
        self.final = self.ends.double() * self.units
        self.controller = Controller(
            plan,
            start_mean=plan.protocol.to_thermal(self.prior.mean),
            start_covariance=plan.protocol.covariance_to_thermal(self.prior.matrix),
        )
        noisy = self.controller.normals > 0
        kept = noisy and plan.protocol.filter == "kalman"
        remembers = _remembers(plan)
        draws = self.draws if noisy and not kept else 1
        width = self.controller.normals * len(self.units)
        self.readings = TickReadings(
            plan, width, draws, self.generator, exact=not kept and not remembers
        )
        self.many = self.readings.many
        zero = torch.zeros(len(self.final), dtype=torch.float64)
        works = plan.drive.wiring == "emf" and plan.protocol.board.uncoupled and not remembers
        self.parts = {name: zero.clone() for name in ("direct", *(("work",) if works else ()))}
        self.heat = None if noisy or remembers else _heat(plan, ticks, len(zero))
        self.split = balance(plan)
        start, law = outset(plan)
        centre = through(start, self.final)
        total = law.divergence(self._prior_law(), centre - self._prior_mean())
        # -E ln prior(z_0), model units, z_0 integrated out
        entropy = 0.5 * (law.log_det + len(self.units) * (1.0 + log(2.0 * np.pi)))
        first = total + entropy - float(self.units.log().sum())
        state = centre + law.spread(self._normals(len(centre)))
        particles = self._begin()
        for tick, bridge in enumerate(bridges(plan)):
            state, added, particles = self._tick(ticks, tick, bridge, state, particles, remembers)
            total = total + added
        _require_finite(total)
        self._close()
        total = total - float(self.units.log().sum())  # a density of the model's unit
        method = "exact readings" if not noisy else "augmented" if kept else "integrated"
        terms = self._terms(total, first, start, law)
        return DeviceBound(total, terms, method, self.many, self.heat)

    def _close(self) -> None:
        """Sources at the end of the run, where the score has a value there."""
        if self.heat is None:
            return
        try:
            self.heat.close(
                self.final, self.controller.act(self.final, self.plan.schedule.ticks).source
            )
        except InputError:  # a density with edges, at t = 0
            self.heat = None

    def _begin(self) -> _Particles:
        rows = len(self.final) * self.many
        controller, lag, predicted = self.controller, None, None
        if controller.filter is not None:
            predicted = controller.filter.start(rows, self.final)
        if not self.plan.chain.lag.is_ideal:
            lag = self.plan.chain.lag.start(rows, self._sources, self.final)
        return _Particles({}, -1, predicted, lag)

    def _tick(
        self, ticks: DeviceTicks, tick: int, bridge: NoisingBridge, state: Tensor, held: _Particles,
        remembers: bool,
    ) -> tuple[Tensor, Tensor, _Particles]:  # fmt: skip
        """State after the tick, what the tick adds to the bound, and the particles."""
        noise, weight = self.readings.draw(state)
        each = state.repeat_interleave(self.many, 0)
        control = self.controller.act(each, tick, noise=noise, predicted=held.predicted)
        mean, held = self._mean(ticks, tick, each, control, held)
        if self.heat is not None:
            self.heat.add(tick, state, mean - through(ticks.decay(tick), state))
        law = ticks.law(tick)
        middle = mean
        if self.many > 1:
            middle = (weight.exp()[..., None] * mean.view(-1, self.many, mean.shape[1])).sum(1)
        if bridge.gain is None or bridge.law is None:
            after, wanted = self.final, self.final
            closed = -law.log_prob(after - middle)
        else:
            wanted = through(bridge.end, self.final)
            wanted = wanted + through(bridge.gain, state - through(bridge.start, self.final))
            after = wanted + bridge.law.spread(self._normals(len(state)))
            closed = bridge.law.divergence(law, wanted - middle)
        device = self.plan.protocol.board
        share = torch.tensor(np.diag(device.capacitance)) / float(device.temperatures[0])
        found = Surplus(*3 * [0.0 * closed])
        if self.reference is not None:
            found = self.reference.surplus(ticks, tick, bridge, law, state, self.final, share)
        closed = closed - found.bound
        if self.split is not None and self.many == 1:
            rest = through(ticks.decay(tick), state)
            pull = law.solve(mean - rest)
            self.parts["direct"] += (pull * (0.5 * (mean - rest) - (wanted - rest))).sum(1)
            self.parts["direct"] -= found.direct
            if "work" in self.parts:  # C_j/kT of every node by its source and its move
                source = torch.zeros_like(state)
                source[:, list(device.controlled)] = control.source
                self.parts["work"] += (source * share * (wanted - state)).sum(1) - found.work
        if self.many == 1:
            return after, closed, held
        # The mixture at a drawn state, less one kernel there, whose average is known.
        levels = law.log_prob(after.repeat_interleave(self.many, 0) - mean).view(-1, self.many)
        levels = levels + weight
        whole = torch.logsumexp(levels, 1)
        _require_finite(whole)
        added = closed - whole + law.log_prob(after - middle)
        if remembers:
            shares = torch.softmax(levels, 1)
            chosen = torch.multinomial(shares, self.many, True, generator=self.generator)
            first = torch.arange(len(state))[:, None] * self.many
            held = held.pick((first + chosen).reshape(-1))
        return after, added, held

    def _mean(
        self, ticks: DeviceTicks, tick: int, state: Tensor, control: Control, held: _Particles
    ) -> tuple[Tensor, _Particles]:
        """Mean of the state at the end of the tick, and what is remembered then."""
        pending, lag, mean = held.pending | {tick: control.source}, held.lag, state
        applied = held.applied
        predicted = held.predicted if control.estimate is None else control.estimate
        for own in ticks.pieces(tick):
            piece = own.piece
            source = pending[piece.applies] if piece.applies >= 0 else None
            acting: tuple[Tensor, ...] = () if source is None else (source,)
            if lag is not None:
                if source is not None and piece.applies != applied:
                    lag = torch.cat([source[:, None], lag[:, 1:]], 1)
                acting = tuple(lag.unbind(1))
                lag = self.plan.chain.lag.advance(lag, piece.duration)
            applied = piece.applies
            mean = through(own.decay, mean)
            for push, values in zip(own.push, acting, strict=False):
                mean = mean + through(push, ticks.force(values))
            if predicted is not None:
                asked = state.new_zeros(len(state), self._sources) if source is None else source
                predicted = self.controller.predict(predicted, asked, piece)
        kept = {decided: source for decided, source in pending.items() if decided >= applied}
        return mean, _Particles(kept, applied, predicted, lag)

    @property
    def _sources(self) -> int:
        device = self.plan.protocol.board
        if self.plan.drive.wiring == "emf":
            return len(device.controlled)
        return int(device.port_matrix.shape[1])

    def _normals(self, rows: int, width: int | None = None) -> Tensor:
        width = len(self.units) if width is None else width
        return torch.randn(rows, width, dtype=torch.float64, generator=self.generator)

    def _prior_law(self) -> Gaussian:
        matrix = torch.as_tensor(self.prior.matrix)
        covariance = matrix * self.units[:, None] * self.units
        diagonal = covariance.diagonal()
        return Gaussian(diagonal if torch.equal(covariance, torch.diag(diagonal)) else covariance)

    def _prior_mean(self) -> Tensor:
        return torch.as_tensor(self.prior.mean) * self.units

    def _terms(
        self, total: Tensor, prior: Tensor, start: Tensor, law: Gaussian
    ) -> dict[str, Tensor]:
        """The split of the total."""
        if self.split is None:
            return {"prior": prior, "ticks": total - prior}
        inverse = self.split
        centre = through(start, self.final)
        spread = as_matrix(law.covariance)
        begin = 0.5 * ((centre @ inverse * centre).sum(1) + float((inverse * spread).sum()))
        energy = 0.5 * (self.final @ inverse * self.final).sum(1) - begin
        terms = {"prior": prior, "energy": energy, "control": total - prior - energy}
        if self.many > 1:
            return terms
        if self.reference is not None:  # tick by tick: that the split adds up is then a result
            terms["control"] = self.parts["direct"]
        return terms | self.parts


def _require_finite(values: Tensor) -> None:
    """Numbers that overflow are told of where they are met."""
    if not bool(torch.isfinite(values).all()):
        raise InputError(
            "a source on a noised path is beyond all numbers: the score diverges there",
            where="nll.device_elbo",
        )


def _heat(plan: Plan, ticks: DeviceTicks, paths: int) -> NoisedHeat | None:
    """Books of the heat on noised data: of nodes by themselves, one resistor each."""
    board = plan.protocol.board
    apart = board.uncoupled and len(board.elements) == board.dim
    return NoisedHeat(plan, ticks, paths) if apart and plan.protocol.process.isotropic else None
