r"""Controllers as cards: behavioural sources that compute, or a recording that is played back.

A controller drives one node u_j for every source, whose voltage in volt is the source's value in
thermal units. What it computes is the package's own law, u = state v + score s(x, t) with
x = sqrt(theta) v, so a deck needs s as expressions:

    mixture      l_k = ln w_k + (1/2) ln det P_k - (1/2) (x - m_k).P_k (x - m_k)
                 r_k = exp(l_k - max l) / sum_j exp(l_j - max l)
                 s   = sum_k r_k P_k (m_k - x)

The largest exponent is taken out first, so that no state is too far from every mode; the sum is
then at least 1 (the guards, 1e-30 and 40, are for the simulator's first guesses alone). Means m_k, inverse
covariances P_k and weights belong to p_t and move with the run. Uncoupled processes (ou, vp, ve)
have them as functions of one shared node, the diffusion time that is left,

    d(time) = d_T - theta time/(R C),     decay = e^-d or 1,   noise = 1 - e^-2d or 2 d

by the protocol's clock map; coupled ones take them from tables on a grid of the run, linear between
its points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from thermohw.errors import InputError
from thermohw.score.mixture import MixtureScore
from thermohw.spice.cards import plain
from thermohw.spice.waveform import Waveform, interpolated

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.control import Drive, Plan

__all__ = ["ControlCards", "MixtureCards", "Replay", "ScoreCards"]

Law = tuple[list[str], list[list[str]], str]  # means, inverse covariance, log weight: expressions


class ControlCards(ABC):
    """What a deck asks of a controller.

    Attributes:
        wiring: "emf" or "current".
        common: shared nodes that a subcircuit must be handed.
    """

    wiring: str
    common: tuple[str, ...] = ()

    def sources(self, device: LinearDevice) -> dict[int, str]:
        """Element index -> control node, of the elements that carry a source."""
        if self.wiring != "emf":
            return {}
        return {k: f"u_{j}" for j, k in enumerate(device.controlled)}

    def ports(self, device: LinearDevice) -> dict[int, str]:
        """Coordinate index -> control node, of the ports that work."""
        if self.wiring != "current":
            return {}
        return {i: f"u_{i}" for i in range(self.width(device))}

    def width(self, device: LinearDevice) -> int:
        """Number of sources."""
        return len(device.controlled) if self.wiring == "emf" else len(device.nodes)

    def shared(self, seconds: float) -> list[str]:
        """Cards outside the cell; `seconds` is the SI size of R_ref C_ref."""
        del seconds
        return []

    @abstractmethod
    def cards(self, efforts: list[str], seconds: float) -> list[str]:
        """Cards of one cell, given expressions of the efforts in thermal units."""


@dataclass
class Replay(ControlCards):
    """Plays recorded source values.

    Attributes:
        waveform: a channel per source, thermal units.
        wiring: "emf" or "current".
    """

    waveform: Waveform
    wiring: str

    def width(self, device: LinearDevice) -> int:
        """Number of sources: as many as were recorded."""
        return self.waveform.channels

    def cards(self, efforts: list[str], seconds: float) -> list[str]:
        """A PWL source a control node."""
        del efforts
        return [
            f"V_u_{j} u_{j} 0 {self.waveform.pwl(j, seconds, 1.0)}"
            for j in range(self.waveform.channels)
        ]


@dataclass
class ScoreCards(ControlCards):
    """A controller that evaluates a score: x_i, then s_i, then the drive's linear map.

    Attributes:
        plan: the worked-out protocol.
        rest: the sources stay at zero so long before generation starts, R_ref C_ref.
    """

    plan: Plan
    rest: float = 0.0
    common: tuple[str, ...] = field(default=("ron",), init=False)

    def __post_init__(self) -> None:
        self.prepare()

    def prepare(self) -> None:
        """Work out what the cards will need.

        Raises:
            InputError: this kind of cards cannot say what the plan's score is.
        """

    @property
    def wiring(self) -> str:  # type: ignore[override]
        """The drive's."""
        return self.plan.drive.wiring

    def shared(self, seconds: float) -> list[str]:
        """The switch that starts generation, and the schedule."""
        switch = f"time < {plain(self.rest * seconds)} ? 0 : 1" if self.rest else "1"
        return [f"B_ron ron 0 V = {switch}", *self.schedule(seconds)]

    def cards(self, efforts: list[str], seconds: float) -> list[str]:
        """Model-unit states, the score, the sources."""
        del seconds
        drive, root = self.plan.drive, sqrt(self.plan.drive.theta)
        dim = self.plan.protocol.score.dim
        lines = [f"B_x_{i} x_{i} 0 V = {plain(root)}*{efforts[i]}" for i in range(dim)]
        lines += self.score(dim)
        for j, terms in enumerate(_linear_map(drive, dim, root)):
            lines.append(f"B_u_{j} u_{j} 0 V = v(ron)*({terms})")
        return lines

    @abstractmethod
    def schedule(self, seconds: float) -> list[str]:
        """Shared cards of what depends on time alone."""

    @abstractmethod
    def score(self, dim: int) -> list[str]:
        """Cards that drive s_0 .. s_(dim - 1) from x_0 .. and the schedule."""

    def table(self, name: str, values: np.ndarray, seconds: float) -> list[str]:
        """Sources name_0, name_1, ... that follow rows of values over the plan's tick ends."""
        times = self.rest + self.plan.schedule.physical_time
        wave = interpolated(times, values.reshape(len(times), -1))
        lines = []
        for c in range(wave.channels):
            node = f"{name}_{c}"
            if np.ptp(wave.values[:, c]) == 0.0:
                lines.append(f"V_{node} {node} 0 {plain(wave.values[0, c])}")
            else:
                lines.append(f"V_{node} {node} 0 {wave.pwl(c, seconds, 1.0)}")
        return lines


def _linear_map(drive: Drive, dim: int, root: float) -> list[str]:
    """u_j as a sum of states and scores; x is turned back into thermal volts by 1/root."""
    state, weight = drive.state, drive.score
    if isinstance(state, float) and isinstance(weight, float):
        return [f"{plain(state / root)}*v(x_{i})+{plain(weight)}*v(s_{i})" for i in range(dim)]
    s, w = (
        part * np.eye(dim) if isinstance(part, float) else np.asarray(part)
        for part in (state, weight)
    )
    rows = []
    for one, other in zip(s, w, strict=True):
        terms = [f"{plain(c / root)}*v(x_{i})" for i, c in enumerate(one) if c != 0.0]
        terms += [f"{plain(c)}*v(s_{i})" for i, c in enumerate(other) if c != 0.0]
        rows.append("+".join(terms) or "0")
    return rows


class MixtureCards(ScoreCards):
    """The exact score of a Gaussian or a mixture, evaluated by B-sources."""

    def prepare(self) -> None:
        """Find the mixture behind the score.

        Raises:
            InputError: there is none.
        """
        score, factor = self.plan.protocol.score, 1.0
        if hasattr(score, "factor"):
            score, factor = score.base, float(score.factor)  # type: ignore[attr-defined]
        if not isinstance(score, MixtureScore):
            raise InputError(
                "only exact Gaussian mixtures and small dense networks can be written as "
                "behavioural sources; replay the recorded control instead", where="score.kind")  # fmt: skip
        self.exact, self.factor = score, factor
        law = score.target.law
        self.analytic = score.process.isotropic and law.diagonal
        k, d = law.means.shape
        if self.analytic:
            spread = [f"var_{c}_{i}" for c in range(k) for i in range(d)]
            self.common = ("ron", "dec", *spread)
        else:
            tables = {"mu": d, "pre": d * d, "lw": 1}
            self.common = ("ron", *(f"{n}{c}_{i}" for n, m in tables.items()
                                    for c in range(k) for i in range(m)))  # fmt: skip

    def schedule(self, seconds: float) -> list[str]:
        """Decay and variances as functions of the diffusion time left, or tables."""
        law, process = self.exact.target.law, self.exact.process
        if not self.analytic:
            return self._tables(seconds)
        first = process.diffusion_time(process.duration)
        last = process.diffusion_time(process.t_min)
        theta = self.plan.protocol.theta
        begin = plain(self.rest * seconds)
        left = f"min({plain(first)}, max({plain(last)}, {plain(first)}-{plain(theta)}*(time-{begin})/{plain(seconds)}))"  # noqa: E501
        lines = [f"B_left left 0 V = {left}"]
        if process.kind == "ve":
            lines += ["B_dec dec 0 V = 1", "B_noi noi 0 V = 2*v(left)"]
        else:
            lines += ["B_dec dec 0 V = exp(-v(left))", "B_noi noi 0 V = 1-exp(-2*v(left))"]
        for c, row in enumerate(law.spread):
            for i, spread in enumerate(row):
                value = f"{plain(spread)}*v(dec)*v(dec)+v(noi)"
                lines.append(f"B_var_{c}_{i} var_{c}_{i} 0 V = {value}")
        return lines

    def _tables(self, seconds: float) -> list[str]:
        laws = [self.exact.law(float(t)) for t in self.plan.schedule.model_time]
        lines = []
        for c in range(len(laws[0].weights)):
            precision = np.stack([np.linalg.inv(law.covariances[c]) for law in laws])
            lines += self.table(f"mu{c}", np.stack([law.means[c] for law in laws]), seconds)
            lines += self.table(f"pre{c}", precision, seconds)
            weight = log(laws[0].weights[c]) + 0.5 * np.linalg.slogdet(precision)[1]
            lines += self.table(f"lw{c}", weight, seconds)
        return lines

    def _laws(self, dim: int) -> list[Law]:
        law, laws = self.exact.target.law, []
        for c, weight in enumerate(law.weights):
            if self.analytic:
                means = [f"{plain(m)}*v(dec)" for m in law.means[c]]
                rows = [["0"] * dim for _ in range(dim)]
                for i in range(dim):
                    rows[i][i] = f"(1/max(v(var_{c}_{i}),1e-30))"
                logs = "".join(f"-0.5*ln(max(v(var_{c}_{i}),1e-30))" for i in range(dim))
                laws.append((means, rows, plain(log(weight)) + logs))
            else:
                means = [f"v(mu{c}_{i})" for i in range(dim)]
                rows = [[f"v(pre{c}_{i * dim + j})" for j in range(dim)] for i in range(dim)]
                laws.append((means, rows, f"v(lw{c}_0)"))
        return laws

    def score(self, dim: int) -> list[str]:
        """Pulls y = P (m - x) of every component, their weights, and the weighted sum."""
        laws, lines = self._laws(dim), []
        for c, (means, rows, weight) in enumerate(laws):
            away = [f"({means[i]}-v(x_{i}))" for i in range(dim)]
            for i in range(dim):
                terms = [f"{rows[i][j]}*{away[j]}" for j in range(dim) if rows[i][j] != "0"]
                lines.append(f"B_y{c}_{i} y{c}_{i} 0 V = {'+'.join(terms)}")
            square = "+".join(f"v(y{c}_{i})*{away[i]}" for i in range(dim))
            lines.append(f"B_l{c} l{c} 0 V = {weight}-0.5*({square})")
        largest = f"v(l{len(laws) - 1})"
        for c in range(len(laws) - 2, -1, -1):
            largest = f"max(v(l{c}), {largest})"
        lines.append(f"B_top top 0 V = {largest}")
        for c in range(len(laws)):
            lines.append(f"B_g{c} g{c} 0 V = exp(min(v(l{c})-v(top),40))")
        total = "+".join(f"v(g{c})" for c in range(len(laws)))
        for i in range(dim):
            pull = "+".join(f"v(g{c})*v(y{c}_{i})" for c in range(len(laws)))
            lines.append(f"B_s_{i} s_{i} 0 V = {plain(self.factor)}*({pull})/({total}+1e-30)")
        return lines
