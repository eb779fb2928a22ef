r"""Terms of the bound, the two accounts of generation, and a score seen without its drift."""

from __future__ import annotations

from typing import Any

import torch
from scipy.optimize import brentq
from torch import Tensor

from thermohw.experiments.shared.accounts import account, on_the_law
from thermohw.likelihood.wiring import integrate_rates
from thermohw.process import VE
from thermohw.score import Field, Score
from thermohw.target import Target

WIRINGS = {"emf": "continuous", "current": "continuous", "clocked": "clocked"}


class Undrifted(Score):
    """A score in the coordinates x/m_t, as the score of the driftless process of equal log SNR.

    Args:
        base: score of a process with decay m_t.
        target: the data; they stay what they are, m_0 = 1.
    """

    def __init__(self, base: Score, target: Target) -> None:
        last = base.process.log_snr(base.process.duration)
        solve: Any = brentq  # its stubs refuse plain floats
        sigma = solve(lambda g: VE(sigma=g).log_snr(1.0) - last, 1.01, 1e6, xtol=1e-12)
        first = VE(sigma=float(sigma)).time_at_log_snr(base.process.log_snr(base.process.t_min))
        self.base, self.dim = base, base.dim
        self.process = VE(sigma=float(sigma), t_min=first)
        self.narrowest, self.target = target.narrowest, target

    def at(self, t: float) -> Field:
        """m_t s(m_t x, t) at the base's time of equal log SNR."""
        process = self.base.process
        time = 0.0 if t == 0.0 else process.time_at_log_snr(self.process.log_snr(t))
        time = min(time, process.duration)
        return _UndriftedField(self.base.at(time), float(process.transition(time)[0]))


class _UndriftedField(Field):
    def __init__(self, field: Field, decay: float) -> None:
        self._field, self._decay = field, decay

    def __call__(self, x: Tensor) -> Tensor:
        return self._decay * self._field(self._decay * x)

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, divergence = self._field.with_divergence(self._decay * x)
        return self._decay * score, self._decay**2 * divergence


def likelihood(
    score: Score, target: Target, generator: torch.Generator, *, points: Tensor | None = None,
    moments: int,
) -> dict[str, float]:  # fmt: skip
    """Terms of the bound with standard errors, and both accounts integrated over generation.

    Nats in data units, kT on p_t at the default volts per unit; unknown ones are left out.
    """
    row, made = account(score, target, generator, prior="matched", points=points, moments=moments)
    for name, control in WIRINGS.items():
        wiring = "emf" if name == "clocked" else name
        totals = on_the_law(made, score, wiring=wiring, control=control)
        row |= {f"{name}.{part}": value for part, value in totals.items()}
    plug_in = {name: made.profile[name] for name in ("intrinsic", "exchange")}
    return row | integrate_rates(made.profile, plug_in)
