r"""The exact score of a Gaussian mixture as behavioural sources.

    l_k = ln w_k + (1/2) ln det P_k - (1/2) (x - m_k).P_k (x - m_k)
    r_k = exp(l_k - max l) / sum_j exp(l_j - max l)
    s   = sum_k r_k P_k (m_k - x)

The largest exponent is taken out first, so that no state is too far from every mode; the sum is
then at least 1 (the guards, 1e-30 and 0, are for the simulator's first guesses alone). Means m_k,
inverse covariances P_k and weights belong to p_t and move with the run. Uncoupled processes (ou,
vp, ve) have them as functions of one shared node, the diffusion time that is left,

    d(time) = d_T - theta time/(R C),     decay = e^-d or 1,   noise = 1 - e^-2d or 2 d

by the protocol's clock map; coupled ones, and cells with inductors, take them from tables.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.score.mixture import MixtureScore
from thermohw.spice.cards import plain
from thermohw.spice.controllers import ScoreCards, unscaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.target import MixtureLaw

__all__ = ["MixtureCards"]

Law = tuple[list[str], list[list[str]], str]  # means, inverse covariance, log weight: expressions


class MixtureCards(ScoreCards):
    """The exact score of a Gaussian or a mixture, evaluated by B-sources."""

    def prepare(self) -> None:
        """Find the mixture behind the score.

        Raises:
            InputError: there is none.
        """
        score, factor = unscaled(self.plan.protocol.score)
        if not isinstance(score, MixtureScore):
            raise InputError("not the exact score of a Gaussian mixture", where="score.kind")
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
        known: dict[float, MixtureLaw] = {}

        def laws(times: NDArray[Any]) -> list[MixtureLaw]:
            return [known.setdefault(t, self.exact.law(t)) for t in map(float, times)]

        def weights(times: NDArray[Any], c: int) -> NDArray[Any]:
            spread = np.stack([law.covariances[c] for law in laws(times)])
            return log(self.exact.target.law.weights[c]) - 0.5 * np.linalg.slogdet(spread)[1]

        lines = []
        for c in range(len(self.exact.target.law.weights)):
            courses = {
                "mu": lambda t, c=c: np.stack([law.means[c] for law in laws(t)]),
                "pre": lambda t, c=c: np.stack([np.linalg.inv(x.covariances[c]) for x in laws(t)]),
                "lw": lambda t, c=c: weights(t, c),
            }
            for name, course in courses.items():
                lines += self.table(f"{name}{c}", course, seconds)
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
            lines.append(f"B_g{c} g{c} 0 V = exp(min(v(l{c})-v(top),0))")
        total = "+".join(f"v(g{c})" for c in range(len(laws)))
        for i in range(dim):
            pull = "+".join(f"v(g{c})*v(y{c}_{i})" for c in range(len(laws)))
            lines.append(f"B_s_{i} s_{i} 0 V = {plain(self.factor)}*({pull})/({total}+1e-30)")
        return lines
