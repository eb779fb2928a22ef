"""The settings of a protocol by name and type, before anything is known of what they are played on.

A SPEC's [protocol] is read as this. Nothing here has a circuit or a law in it, so that a slip in a
SPEC is told before any of either is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass

from thermohw.control.chain.keys import Imperfections
from thermohw.datasheet.fields import Amount, Count

__all__ = ["ProtocolKeys"]


@dataclass(frozen=True, kw_only=True)
class ProtocolKeys(Imperfections):
    """Settings of a protocol, which [protocol] of a SPEC holds; `Protocol` says what goes together.

    Attributes:
        wiring: "emf" (source in series with the resistor) or "current" (injected into the node).
        control: "continuous" (an analog score that follows the noise) or "clocked" (held between
            ticks).
        ticks: number of ticks; for continuous control the integrator's steps.
        clock: a tick rate instead of `ticks` ("10 MHz"), uniform in physical time; clocked control
            only.
        grid: "uniform" in physical time or "log-snr"; None chooses log-snr for network scores.
        stepper: "auto", or for continuous control "splitting", "heun", "euler", "reference";
            clocked is always "exact".
        realisation: how g(t) is realised: "clock" (fixed R and T, time is stretched), or in even
            time "resistance" (R(t)), "temperature" (T(t)) or "injected" (noise on top of the bath,
            an effective T(t)).
        injected_bandwidth: of the injected noise, hertz: the corner of "one-pole", the sample rate
            of "staircase" and "interpolated".
        injected_shape: which of the three.
        run_time: physical duration in even time, second; None: see `control.schedule`.
        volts_per_unit: V0; None gives the default of the process.
        adc_bits, adc_range: converter of the readings and its range in volt.
        dac_bits, dac_range: converter of the sources and its range, in volt (emf) or ampere
            (current).
        reading_noise: standard deviation of the Gaussian noise of a reading, volt.
        latency: delay from reading to source, second.
        filter: what the score sees: "none" the raw reading, "kalman" the filtered one; "tweedie":
            the reading, at the level of all the noise in it (`thermohw.score.reading`).
    """

    wiring: str
    control: str
    ticks: int | None = None
    clock: Amount | None = None
    grid: str | None = None
    stepper: str = "auto"
    realisation: str = "clock"
    injected_bandwidth: Amount | None = None
    injected_shape: str | None = None
    run_time: Amount | None = None
    volts_per_unit: Amount | None = None
    adc_bits: Count | None = None
    adc_range: tuple[Amount, Amount] | None = None
    dac_bits: Count | None = None
    dac_range: tuple[Amount, Amount] | None = None
    reading_noise: Amount | None = None
    latency: Amount | None = None
    filter: str = "none"
