r"""A score asked about a noisy reading: the level it belongs to is that of all the noise in it.

A controller that reads r = x + N(0, R) of a state x of the law p_t does not know x, and the score
at r is not the score it should follow. What is known of both given one reading is (Robbins;
Miyasawa; "Tweedie's formula"), with p_r = p_t * N(0, R) the law of readings,

    E[s(x, t) | r] = grad ln p_r(r) = s_r(r),        E[x | r] = r + R s_r(r).

For an isotropic process x_t = a x_0 + N(0, v) the reading is data at a later level, r = a x_0 +
N(0, v + R), so its score is one that was learned anyway:

    s_r(r) = s(r/c, t')/c,     c = a/a(t'),     t' where  a(t')^2/v(t') = a^2/(v + R)

(the last level of the process stands for later ones). A control law c(x, s) = k x + w s then
becomes k (r + R s_r) + w s_r = k r + w (1 + k R/w) s_r: a law of the reading with the field
(1 + k R/w) s_r, which is what this score is.

References: H. Robbins, Proc. 3rd Berkeley Symp. 1, 157 (1956); K. Miyasawa, Bull. Inst. Internat.
Statist. 38, 181 (1961).
"""

from __future__ import annotations

import math

from torch import Tensor

from thermohw.score.base import Field, Score

__all__ = ["ReadingScore"]


class _ReadingField(Field):
    """gain * field(x / stretch)."""

    def __init__(self, field: Field, stretch: float, gain: float) -> None:
        self._field, self._stretch, self._gain = field, stretch, gain
        self.symmetric = field.symmetric
        if field.affine is not None:
            slope, offset = field.affine
            self.affine = slope * (gain / stretch), offset * gain

    def __call__(self, x: Tensor) -> Tensor:
        return self._field(x / self._stretch) * self._gain

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, divergence = self._field.with_divergence(x / self._stretch)
        return score * self._gain, divergence * (self._gain / self._stretch)


class ReadingScore(Score):
    """The field that a controller of noisy readings follows, see the module.

    Args:
        base: score of the states, of an isotropic process.
        variance: R, model units.
        pull: k R/w of the control law.

    Attributes:
        base: score of the states.
        variance: R.
    """

    def __init__(self, base: Score, variance: float, pull: float) -> None:
        assert base.process.isotropic
        self.base, self.variance, self._pull = base, variance, pull
        self.process, self.dim = base.process, base.dim
        self.narrowest, self.target = base.narrowest, base.target

    def level(self, t: float) -> tuple[float, float]:
        """(t', c) of readings of states at model time t."""
        decay, noise = map(float, self.process.transition(t))
        last = self.process.duration
        wanted = 2.0 * math.log(decay) - math.log(noise + self.variance)
        if wanted <= self.process.log_snr(last):
            return last, decay / float(self.process.transition(last)[0])
        later = float(self.process.time_at_log_snr(wanted))
        return later, decay / float(self.process.transition(later)[0])

    def at(self, t: float) -> Field:
        """The field at model time t of the state."""
        later, stretch = self.level(t)
        gain = (1.0 + self._pull) / stretch
        return _ReadingField(self.base.at(later), stretch, gain)
