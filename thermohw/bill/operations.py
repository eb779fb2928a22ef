"""How often a protocol does what costs something, per sample: counted, never measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, isfinite
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from thermohw.control import Plan, Protocol
    from thermohw.score.network.counts import Counts

__all__ = ["Operations", "operations_of"]


@dataclass(frozen=True)
class Operations:
    """Of one sample.

    Attributes:
        clocked: the controller reads, computes and holds; else it is analog.
        ticks: decisions of a clocked controller, steps of the integrator of a continuous one.
        readings: conversions of node voltages (currents of inductors included).
        settings: conversions to sources.
        sources: driven nodes.
        numbers: Gaussian numbers of an injected noise source, at its sample rate, or (one pole)
            one a tick; 0 where the baths make the noise.
        seconds: of a generation.
        rate: conversions per second that one converter has to manage, Hz: of the shortest tick.
        adc_bits: None for ideal readings.
        dac_bits: None for ideal sources.
        counts: of one evaluation of the score; None where nobody has counted.
        exact: the score is a formula.
        weights: parameters that are written before the first sample.
        capacitance: of a node, farad.
        resistance: ohm.
        bandwidth: that a driver needs to settle within a hundredth of R C, Hz.
        voltage: the largest source, volt; None where nothing limits it.
    """

    clocked: bool
    ticks: int
    readings: int
    settings: int
    sources: int
    numbers: int
    seconds: float
    rate: float
    adc_bits: int | None
    dac_bits: int | None
    counts: Counts | None
    exact: bool
    capacitance: float
    resistance: float
    bandwidth: float
    voltage: float | None

    def coarser(self) -> Operations:
        """With half as many ticks, in the same time."""
        return replace(
            self,
            ticks=self.ticks // 2,
            readings=self.readings // 2,
            settings=self.settings // 2,
            rate=self.rate / 2.0,
        )

    def faster(self) -> Operations:
        """On a circuit of half the R C: the same ticks in half the time."""
        return replace(
            self,
            seconds=self.seconds / 2.0,
            rate=self.rate * 2.0,
            resistance=self.resistance / 2.0,
            bandwidth=self.bandwidth * 2.0,
        )


_SETTLED = 0.01  # of R C within which a driver has to follow


def operations_of(plan: Plan, counts: Counts | None, *, exact: bool) -> Operations:
    """Count what a plan does in one generation.

    Args:
        plan: the protocol worked out.
        counts: of one evaluation of its score.
        exact: the score is a formula that nobody would compute so.
    """
    protocol, schedule, device = plan.protocol, plan.schedule, plan.protocol.device
    scale, clocked = device.scale, plan.protocol.control == "clocked"
    sources = len(device.controlled) if protocol.wiring == "emf" else len(device.nodes)
    seconds = float(np.asarray(schedule.physical_time)[-1]) * scale.time
    shortest = float(np.diff(schedule.physical_time).min()) * scale.time
    injected = protocol.realisation == "injected"
    limit = None if device.datasheet is None else device.datasheet.limits.dac_full_scale
    return Operations(
        clocked=clocked,
        ticks=schedule.ticks,
        readings=schedule.ticks * device.dim if clocked else 0,
        settings=schedule.ticks * len(device.nodes) if clocked else 0,
        sources=sources,
        numbers=_numbers(protocol, schedule.ticks, seconds) if injected else 0,
        seconds=seconds,
        rate=1.0 / shortest if shortest > 0.0 and isfinite(shortest) else 0.0,
        adc_bits=protocol.adc_bits,
        dac_bits=protocol.dac_bits,
        counts=counts,
        exact=exact,
        capacitance=scale.capacitance,
        resistance=scale.resistance,
        bandwidth=1.0 / (2.0 * np.pi * _SETTLED * scale.time),
        voltage=None if limit is None else limit.value,
    )


def _numbers(protocol: Protocol, ticks: int, seconds: float) -> int:
    """Gaussian numbers that injected noise takes: a staircase draws one a sample, whatever the
    ticks; of noise of one pole nobody says how often it is drawn, and a tick is the least.
    """
    draws = ticks
    if protocol.injected_shape in ("staircase", "interpolated"):
        draws = ceil(protocol.injected_hertz * seconds * (1.0 - 1e-12))
    return draws * len(protocol.device.nodes)
