"""The chain of a protocol, in the order in which a signal passes it, in thermal units."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import inf, pi
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control.chain.adc import ADC
from thermohw.control.chain.amplifier import OutputAmplifier
from thermohw.control.chain.dac import DAC
from thermohw.control.chain.delay import Delay
from thermohw.control.chain.hold import Hold
from thermohw.control.chain.lag import Lag
from thermohw.control.chain.node import NodeErrors, node_errors
from thermohw.control.chain.score import ScoreErrors
from thermohw.control.chain.sense import Sense
from thermohw.control.quantity import in_thermal_range, per_item, quantity
from thermohw.errors import InputError

if TYPE_CHECKING:
    from thermohw.control.converters import Converter
    from thermohw.control.protocol import Protocol

__all__ = ["Chain", "make_chain"]


@dataclass(frozen=True)
class Chain:
    """All stages, sense -> ADC -> delay -> score -> DAC -> hold -> amplifier -> node."""

    sense: Sense = field(default_factory=Sense)
    adc: ADC = field(default_factory=ADC)
    delay: Delay = field(default_factory=Delay)
    score: ScoreErrors = field(default_factory=ScoreErrors)
    dac: DAC = field(default_factory=DAC)
    hold: Hold = field(default_factory=Hold)
    amplifier: OutputAmplifier = field(default_factory=OutputAmplifier)
    node: NodeErrors = field(default_factory=NodeErrors)

    @cached_property
    def ideal_control(self) -> bool:
        """Whether everything but the node is ideal."""
        control = (self.sense, self.adc, self.delay, self.score, self.dac, self.hold)
        return all(stage.is_ideal for stage in control) and self.amplifier.is_ideal

    @cached_property
    def lag(self) -> Lag:
        """What the sources remember."""
        rates = [1.0 / self.dac.settling] if self.dac.settling > 0.0 else []
        if self.amplifier.pole < inf:
            rates.append(self.amplifier.pole)
        return Lag(self.hold.droop, tuple(rates), self.amplifier.slew)

    @cached_property
    def reading_noise(self) -> float:
        """Standard deviation of all Gaussian noise before the codes, thermal volts."""
        if self.adc.noise == 0.0:
            return self.sense.noise
        return float(np.hypot(self.sense.noise, self.adc.noise))


def make_chain(
    protocol: Protocol, *, adc: Converter | None, dac: Converter | None, latency: float
) -> Chain:
    """A protocol's chain in thermal units.

    Args:
        protocol: its keys.
        adc: converter of the readings, thermal volts.
        dac: converter of the sources, thermal units.
        latency: in R_ref C_ref.

    Raises:
        InputError: a value that is refused, naming its key.
    """
    device, scale = protocol.device, protocol.device.scale
    source, unit = (scale.voltage, "V") if protocol.wiring == "emf" else (scale.current, "A")
    n = len(device.nodes)
    sources = len(device.controlled) if protocol.wiring == "emf" else device.port_matrix.shape[1]

    def get(name: str, kind: str, size: float = 1.0, default: float = 0.0) -> float:
        value = getattr(protocol, name)
        if value is None or (value == 0 and default == 0.0):
            return default
        return in_thermal_range(quantity(value, kind, f"protocol.{name}") / size, name, value)

    def each(name: str, kind: str, count: int, size: float, default: float) -> Any:
        value = getattr(protocol, name)
        if value is None:
            return default
        found = per_item(value, kind, f"protocol.{name}", count=count, signed=default == 0.0)
        entries = np.atleast_1d(found).tolist()
        many = tuple(in_thermal_range(entry / size, name, value) for entry in entries)
        return many[0] if isinstance(found, float) else many

    if protocol.amplifier_shape not in (None, "hard", "tanh"):
        raise InputError(
            f"{protocol.amplifier_shape!r}: expected 'hard' or 'tanh'",
            where="protocol.amplifier_shape",
        )
    enob = protocol.adc_enob
    if enob is not None and adc is not None and not 0.0 < enob <= adc.bits:
        raise InputError(f"{enob}: expected more than 0, at most {adc.bits}, the converter's bits",
                         where="protocol.adc_enob")  # fmt: skip
    bent = protocol.dac_inl is not None or protocol.dac_dnl is not None
    if bent and dac is not None and dac.bits > 20:
        raise InputError(f"{dac.bits} bits: a converter's curve is kept for at most 20",
                         where="protocol.dac_bits")  # fmt: skip
    jitter = get("adc_jitter", "s", scale.time)
    droop = get("hold_droop", "s", scale.time)
    return Chain(
        sense=Sense(
            each("sense_offset", "V", n, scale.voltage, 0.0),
            each("sense_gain", "", n, 1.0, 1.0),
            get("reading_noise", "V", scale.voltage),
        ),
        adc=ADC(adc, enob, jitter, float(device.effort_diffusion.max()) if jitter else 0.0),
        delay=Delay(latency),
        score=ScoreErrors(each("control_gain", "", sources, 1.0, 1.0), get("score_noise", "")),
        dac=DAC(
            dac,
            in_thermal_range(float(protocol.dac_inl or 0.0), "dac_inl", protocol.dac_inl),
            get("dac_dnl", ""),
            int(protocol.dac_seed or 0),
            get("dac_settling", "s", scale.time),
        ),
        hold=Hold(1.0 / droop if droop else 0.0),
        amplifier=OutputAmplifier(
            each("amplifier_offset", unit, sources, source, 0.0),
            get("amplifier_gain", "", default=inf),
            get("amplifier_swing", unit, source, inf),
            protocol.amplifier_shape == "tanh",
            get("amplifier_pole", "Hz", 1.0 / (2.0 * pi * scale.time), inf),
            get("amplifier_slew", f"{unit}/s", source / scale.time, inf),
        ),
        node=node_errors(protocol, device),
    )
