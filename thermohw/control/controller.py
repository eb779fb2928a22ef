"""The controller at work: from node voltages to source values, one tick at a time.

Order: sense (gain, offset), noise, ADC, filter, score, gain of the control, DAC, the amplifier's
settled output (`thermohw.control.chain`). The controller keeps no hidden state: what it remembers
between ticks (the filter's mean) is handed in and out, so that a run can be stopped, stored and
resumed. What a source remembers (an amplifier's pole) belongs to the stepper and travels with the
state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from thermohw.control.kalman import KalmanFilter

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.control.plan import Plan
    from thermohw.control.timeline import Piece

__all__ = ["Control", "Controller"]


class Control(NamedTuple):
    """What the controller decided at one tick.

    Attributes:
        tick: which one.
        source: source values, shape (paths, sources): volts (emf) or amperes (current), thermal
            units.
        score: the score it saw, shape (paths, n), model units; None where the law is affine and
            never forms it.
        divergence: div u, shape (paths,), per R_ref C_ref; None unless asked for.
        reading: what was read, shape (paths, n), thermal volts; None for exact readings.
        predicted: the filter's mean before the reading; None without reading noise.
        estimate: and after it.
        lag: what the sources remember, shape (paths, states, sources); None for prompt sources.
        analog: a noisy reading ahead of its converter, shape (paths, n); None without converter.
    """

    tick: int
    source: torch.Tensor
    score: torch.Tensor | None = None
    divergence: torch.Tensor | None = None
    reading: torch.Tensor | None = None
    predicted: torch.Tensor | None = None
    estimate: torch.Tensor | None = None
    lag: torch.Tensor | None = None
    analog: torch.Tensor | None = None


class Controller:
    """Plays a plan.

    Args:
        plan: the worked-out protocol.
        start_mean: mean of the start voltages, shape (n,), thermal volts (for the filter).
        start_covariance: their covariance, shape (n, n).
        divergence: evaluate div u at every tick (ideal converters only).
    """

    def __init__(
        self,
        plan: Plan,
        *,
        start_mean: NDArray[Any],
        start_covariance: NDArray[Any],
        divergence: bool = False,
    ) -> None:
        self.plan = plan
        self.divergence = divergence
        self.filter: KalmanFilter | None = None
        if plan.reading_noise > 0.0:
            self.filter = KalmanFilter(
                plan.protocol.board,
                plan.timeline,
                plan.reading_variance,
                start_mean=start_mean,
                start_covariance=start_covariance,
                wiring=plan.drive.wiring,
            )

    @property
    def reads_noise(self) -> bool:
        """Whether a tick consumes normals for its reading."""
        return self.plan.reading_noise > 0.0

    @property
    def normals(self) -> int:
        """Standard normals of a tick for one coordinate: of its reading, and of its score."""
        return int(self.reads_noise) + int(self.plan.chain.score.noise > 0.0)

    def act(
        self,
        voltage: torch.Tensor,
        tick: int,
        *,
        middle: bool = False,
        noise: torch.Tensor | None = None,
        predicted: torch.Tensor | None = None,
    ) -> Control:
        """Decide at the start of a tick.

        Args:
            voltage: node voltages, shape (paths, n), thermal units.
            tick: its index; N evaluates the law at the end of the run.
            middle: use the law half-way through the tick instead of that at its start.
            noise: standard normals of the reading, shape (paths, n), where readings are noisy, and
                of the score behind them, where that is.
            predicted: the filter's mean before this reading, shape (paths, n).
        """
        plan = self.plan
        law = plan.middle_laws[tick] if middle else plan.laws[tick]
        if plan.ideal:
            if law.gain is not None:
                divergence = law.divergence(voltage) if self.divergence else None
                return Control(tick, law.sources(voltage), None, divergence)
            if self.divergence and isinstance(law.drive.divergence_score, float):
                score, trace = law.field.with_divergence(law.model(voltage))
                divergence = trace.mul_(law.drive.divergence_score)
                divergence = divergence.add_(law.drive.divergence_state)
                return Control(tick, law.combine(voltage, score), score, divergence)
            score = law.field(law.model(voltage))
            divergence = law.divergence(voltage) if self.divergence else None
            return Control(tick, law.combine(voltage, score), score, divergence)
        chain, n = plan.chain, voltage.shape[1]
        reading = chain.sense(voltage)
        if self.reads_noise:
            assert noise is not None
            reading = reading.add(noise[:, :n], alpha=plan.reading_noise)
        analog = reading if self.reads_noise and plan.adc is not None else None
        reading = chain.adc(reading)
        estimate = None
        if self.filter is not None:
            assert predicted is not None
            estimate = self.filter.update(predicted, chain.sense.undo(reading), tick)
        seen = estimate if plan.protocol.filter == "kalman" and estimate is not None else reading
        score = law.field(law.model(seen))
        if chain.score.noise > 0.0:
            assert noise is not None
            score = score.add(noise[:, -n:], alpha=chain.score.noise)
        source = chain.score(law.combine(seen, score))
        source = chain.amplifier(chain.dac(source))
        return Control(tick, source, score, None, reading, predicted, estimate, analog=analog)

    def noiseless(self, voltage: torch.Tensor, tick: int) -> torch.Tensor:
        """Source values, shape (paths, sources), that a raw reading of the voltages without noise
        would lead to; otherwise as `act`.
        """
        law, chain = self.plan.laws[tick], self.plan.chain
        if self.plan.ideal:
            if law.gain is not None:
                return law.sources(voltage)
            return law.combine(voltage, law.field(law.model(voltage)))
        reading = chain.adc(chain.sense(voltage))
        source = chain.score(law.combine(reading, law.field(law.model(reading))))
        return chain.amplifier(chain.dac(source))

    def predict(self, mean: torch.Tensor, source: torch.Tensor, piece: Piece) -> torch.Tensor:
        """The filter's mean at the end of a piece."""
        assert self.filter is not None
        return self.filter.predict(mean, source, piece)
