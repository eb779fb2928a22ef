"""The protocol: everything a user decides about playing a diffusion on a circuit.

A `Protocol` is a value: device, process and score plus settings with units. `Plan` is what it
means: ticks, control laws, converters and filters worked out in thermal units, ready to be
integrated. Clocking and wiring are first-class because the same samples cost different joules: a
source that follows the noise inside a tick does work that a held one cannot do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit import model_units, require_linear
from thermohw.control.chain.node import node_errors
from thermohw.control.keys import ProtocolKeys
from thermohw.control.quantity import quantity
from thermohw.datasheet.noises import SHAPES
from thermohw.errors import InputError
from thermohw.process import Langevin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.process import Process
    from thermohw.score import Score

__all__ = ["MOST_TICKS", "Protocol", "ProtocolKeys", "quantity"]

MOST_TICKS = 1_000_000
"""A run's most ticks: their laws are prepared beforehand, some 20 microseconds each."""

_CHOICES = {
    "wiring": ("emf", "current"),
    "control": ("continuous", "clocked"),
    "grid": ("uniform", "log-snr"),
    "stepper": ("auto", "splitting", "heun", "euler", "exact", "reference"),
    "realisation": ("clock", "resistance", "temperature", "injected"),
    "filter": ("none", "kalman", "tweedie"),
}
_CLOCKED_ONLY = ("clock", "adc_bits", "dac_bits", "reading_noise", "latency")


@dataclass(frozen=True)
class Protocol(ProtocolKeys):
    """How a score is played on a device. Quantities are strings with units, or floats in SI.

    Its settings are those of `ProtocolKeys`.

    Attributes:
        device: the circuit.
        process: the forward process whose reverse is played.
        score: its score, in model units.
    """

    device: LinearDevice
    process: Process
    score: Score

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (name == "grid" and value is None):
                raise InputError(
                    f"{value!r}: expected one of {', '.join(choices)}", where=f"protocol.{name}"
                )
        require_linear(self.device, "protocol.device")
        if (self.ticks is None) == (self.clock is None):
            raise InputError(
                "give either ticks or clock (a tick rate such as '10 MHz'); on the command line "
                "--set protocol.ticks=none takes an entry out",
                where="protocol",
            )
        if self.clock is not None and self.grid == "log-snr":
            raise InputError(
                "a clock rate means ticks of equal length; give ticks with grid = 'log-snr'",
                where="protocol.clock",
            )
        if self.control == "continuous":
            for name in _CLOCKED_ONLY:
                if getattr(self, name) is not None:
                    raise InputError(
                        "needs control = 'clocked': a continuous controller has no ticks",
                        where=f"protocol.{name}",
                    )
            if self.stepper == "exact":
                raise InputError(
                    "'exact' is the held tick of control = 'clocked'; use 'auto', 'splitting', "
                    "'heun' or 'euler'",
                    where="protocol.stepper",
                )
        elif self.stepper not in ("auto", "exact"):
            raise InputError(
                f"{self.stepper!r}: clocked control is exact between ticks; use 'auto'",
                where="protocol.stepper",
            )
        for bits, ends in (("adc_bits", "adc_range"), ("dac_bits", "dac_range")):
            if getattr(self, bits) is None and getattr(self, ends) is not None:
                raise InputError(f"{ends} needs {bits}", where=f"protocol.{ends}")
        if self.filter != "none" and self.reading_noise is None:
            raise InputError(
                f"filter = {self.filter!r} needs a reading_noise to filter", where="protocol.filter"
            )
        if self.filter == "tweedie" and not self.process.isotropic:
            raise InputError(
                f"'tweedie' moves a reading to the noise level of an isotropic process (ou, vp, "
                f"ve), not of {self.process.kind!r}: use 'kalman' or 'none'",
                where="protocol.filter",
            )
        self._check_size()
        _check_realisation(self)
        self.check_chain(
            clocked=self.control == "clocked", inductors=isinstance(self.process, Langevin)
        )

    def _check_size(self) -> None:
        """Score and device must have the same coordinates; inductors count under 'langevin'."""
        if self.device.fluxes and not isinstance(self.process, Langevin):
            raise InputError(
                f"device {self.device.name} has inductors, which process '{self.process.kind}' "
                "does not know: use process kind 'langevin', the device's own",
                where="protocol.device",
            )
        if isinstance(self.process, Langevin):
            for name in ("adc_bits", "reading_noise"):
                if getattr(self, name) is not None:
                    raise InputError(
                        "readings of inductor currents are exact in this version: leave it out",
                        where=f"protocol.{name}",
                    )
            if self.score.dim != self.device.dim:
                raise InputError(
                    f"the score has {self.score.dim} dimensions, device {self.device.name} has "
                    f"{self.device.dim} node voltages and inductor currents",
                    where="protocol.device",
                )
            return
        if self.score.dim != len(self.device.nodes):
            raise InputError(
                f"the score has {self.score.dim} dimensions, device {self.device.name} has "
                f"{len(self.device.nodes)} nodes",
                where="protocol.device",
            )

    @cached_property
    def board(self) -> LinearDevice:
        """The circuit as built: the device with its node's imperfections, same thermal units."""
        return node_errors(self, self.device).board(self.device)

    @property
    def v0(self) -> float:
        """Volts per model unit. Default: the thermal voltage; for ve that over the final noise's
        standard deviation.
        """
        if self.volts_per_unit is not None:
            return quantity(self.volts_per_unit, "V", "protocol.volts_per_unit")
        thermal = self.device.scale.voltage
        if self.process.kind == "ve":
            return thermal / float(self.process.transition(self.process.duration)[1]) ** 0.5
        return thermal

    @property
    def injected_hertz(self) -> float:
        """Bandwidth of the injected noise, hertz."""
        assert self.injected_bandwidth is not None
        return quantity(self.injected_bandwidth, "Hz", "protocol.injected_bandwidth")

    @property
    def theta(self) -> float:
        """Thermal variance of a reference node in model units."""
        return 1.0 if self._at_thermal_voltage else self.device.scale.theta(self.v0)

    @property
    def units(self) -> NDArray[Any] | None:
        """Thermal units of effort per model unit of every coordinate of a Langevin process, shape
        (n,); None where all are 1/sqrt(theta).
        """
        if not isinstance(self.process, Langevin):
            return None
        return model_units(self.device, self.theta)

    def to_thermal(self, model: Any) -> Any:
        """Efforts (..., n) in thermal units from states in model units; tensors or arrays."""
        return model / self.theta**0.5 if self.units is None else model * _like(self.units, model)

    def to_model(self, thermal: Any) -> Any:
        """The inverse of `to_thermal`."""
        if self.units is None:
            return thermal * self.theta**0.5
        return thermal / _like(self.units, thermal)

    def covariance_to_thermal(self, covariance: NDArray[Any]) -> NDArray[Any]:
        """Covariance (n, n) of efforts in thermal units from that in model units."""
        if self.units is None:
            return covariance / self.theta
        return covariance * np.outer(self.units, self.units)

    def covariance_to_model(self, covariance: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `covariance_to_thermal`."""
        if self.units is None:
            return self.theta * covariance
        return covariance / np.outer(self.units, self.units)

    @property
    def _at_thermal_voltage(self) -> bool:
        return self.volts_per_unit is None and self.process.kind != "ve"

    @property
    def chosen_grid(self) -> str:
        """The grid in force."""
        if self.clock is not None:
            return "uniform"
        if isinstance(self.process, Langevin) and self.grid is None:
            return "uniform"  # no score diverges where noise enters through the momenta
        known = getattr(self.score, "base", self.score)  # altered, an exact score is still known
        return self.grid or ("uniform" if known.exact else "log-snr")


def _check_realisation(protocol: Protocol) -> None:
    """Refuse what a realisation cannot do, and circuits with noise sources of their own."""
    sheet = protocol.device.datasheet
    if sheet is not None and sheet.noises:
        raise InputError(
            f"noise source {sheet.noises[0].name} would disturb a score-driven run, which is not "
            "played in this version: take it out, or let the circuit run with th.free_run",
            where=f"device {protocol.device.name}",
        )
    name = protocol.realisation
    injected = {"injected_bandwidth": protocol.injected_bandwidth,
                "injected_shape": protocol.injected_shape}  # fmt: skip
    if name == "injected":
        if protocol.injected_bandwidth is None:
            raise InputError(
                "injected noise needs a bandwidth ('100 MHz'): the power that white noise drives "
                "through a resistor is infinite",
                where="protocol.injected_bandwidth",
            )
        if protocol.injected_shape not in (None, *SHAPES):
            raise InputError(
                f"{protocol.injected_shape!r}: expected one of {', '.join(SHAPES)}",
                where="protocol.injected_shape",
            )
        rate = 0.5 / protocol.device.scale.time
        if protocol.injected_hertz < rate:
            raise InputError(
                f"{protocol.injected_bandwidth!r}: such noise is not white to a node of time "
                f"constant {protocol.device.scale.time:.3g} s; expected well above {rate:.3g} Hz",
                where="protocol.injected_bandwidth",
            )
    else:
        for key, value in injected.items():
            if value is not None:
                raise InputError("needs realisation = 'injected'", where=f"protocol.{key}")
    if name == "clock":
        if protocol.run_time is not None:
            raise InputError(
                "the clock's duration follows from R, T and V0; give realisation = 'resistance', "
                "'temperature' or 'injected' to choose one",
                where="protocol.run_time",
            )
        return
    where = "protocol.realisation"
    if not protocol.process.isotropic:
        raise InputError(
            f"{name!r} varies one number of all nodes; process {protocol.process.kind!r} is the "
            "device's own at fixed R and T: use realisation = 'clock'",
            where=where,
        )
    device = protocol.device
    plain = (np.diag(device.hessian), device.coefficients, device.temperatures)
    if not device.uncoupled or not all((part == 1.0).all() for part in plain):
        raise InputError(
            f"{name!r} needs uncoupled nodes of equal R, C and T, which device {device.name} has "
            "not: use realisation = 'clock'",
            where=where,
        )
    if protocol.stepper == "reference":
        raise InputError(
            "the reference integrator knows fixed R and T only: use stepper = 'heun' or 'euler'",
            where="protocol.stepper",
        )
    if name != "resistance" and protocol.reading_noise is not None:
        raise InputError(
            f"the account of noisy readings is written for one temperature, not for {name!r}: use "
            "'clock' or 'resistance', or leave reading_noise out",
            where="protocol.reading_noise",
        )
    if name == "resistance" and protocol.wiring == "current" and protocol.dac_bits is not None:
        raise InputError(
            "currents scale with 1/R(t), which a converter of fixed range cannot follow: use "
            "wiring = 'emf' or realisation = 'clock'",
            where="protocol.dac_bits",
        )


def _like(units: NDArray[Any], values: Any) -> Any:
    return units if isinstance(values, np.ndarray) else values.new_tensor(units)
