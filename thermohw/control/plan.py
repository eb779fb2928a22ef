"""A protocol worked out: ticks, laws, converters and filters in thermal units, ready to be
integrated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control.bias import Bias, bias_of, narrow_loop
from thermohw.control.chain.chain import Chain, make_chain
from thermohw.control.converters import Converter
from thermohw.control.drive import Law, ReverseDrive
from thermohw.control.judgement import Judgement, require_stable
from thermohw.control.loop import Ticks
from thermohw.control.protocol import MOST_TICKS, Protocol, quantity
from thermohw.control.ranges import make_converter, usual_ranges
from thermohw.control.reverse_drive import make_drive
from thermohw.control.schedule import Schedule, make_schedule
from thermohw.control.stability import stability_margins
from thermohw.control.timeline import Piece, make_timeline
from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.process import Langevin, Relaxation

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from thermohw.score import Score

__all__ = ["Laws", "Plan", "make_plan"]


_LAWS = 2**14  # that are kept: some kilobytes each, and as many as a run has ticks
_SEARCHED = 2**17  # ticks times nodes among which a number that is enough is looked for


class Laws:
    """Control laws at a list of model times, each worked out when it is first asked for and shared
    by all tiles.

    Lazy because a run need not look everywhere: a held run never evaluates the law at its very end,
    where a score may diverge; `prepare` makes those that will be needed.
    """

    def __init__(
        self,
        drive: ReverseDrive,
        score: Score,
        times: NDArray[Any],
        temperatures: NDArray[Any] | None = None,
    ) -> None:
        self._drive, self._score, self._times = drive, score, times
        self.temperatures = temperatures
        self._laws: dict[int, Law] = {}

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, index: int) -> Law:
        law = self._laws.get(index)
        if law is None:
            drive = self._drive
            if self.temperatures is not None:
                drive = drive.heated(float(self.temperatures[index]), self._score.dim)
            law = drive.at(self._score.at(float(self._times[index])))
            if len(self._laws) >= _LAWS:  # of a longer run every tile makes its own again
                self._laws.pop(next(iter(self._laws)), None)
            self._laws[index] = law
        return law

    def prepare(self, voltage: torch.Tensor, count: int) -> None:
        """Work the first `count` laws out and try them on a voltage (1, n), before any tile runs.

        They stay for the whole run. Made between two ticks, each would land in the gap that a
        tile's freed buffer has just left and cut it: the heap would grow by a tile every tick.
        """
        for index in range(min(count, _LAWS)):
            self[index].sources(voltage)


@dataclass(frozen=True, eq=False)
class Plan:
    """What a protocol means on its device.

    Attributes:
        protocol: the user's settings.
        drive: linear map from voltages and score to sources.
        schedule: tick boundaries in model and physical time.
        timeline: pieces of constant input (one a tick unless there is latency).
        laws: the control law at every tick boundary, N + 1 of them.
        middle_laws: and in the middle of every tick, N of them.
        adc: converter of the readings, thermal volts, or None.
        dac: converter of the sources, thermal units, or None.
        reading_noise: standard deviation of a reading, thermal volts; 0 for exact readings.
        latency: in R_ref C_ref.
        stepper: name of the stepper in force.
        chain: every stage between node and source, thermal units.
    """

    protocol: Protocol
    drive: ReverseDrive
    schedule: Schedule
    timeline: list[Piece]
    laws: Laws
    middle_laws: Laws
    adc: Converter | None
    dac: Converter | None
    reading_noise: float
    latency: float
    stepper: str
    chain: Chain = field(default_factory=Chain)

    @property
    def clocked(self) -> bool:
        """Control held between ticks."""
        return self.protocol.control == "clocked"

    @cached_property
    def ideal(self) -> bool:
        """Exact readings and sources without delay: control is a function of the present state
        alone.
        """
        return (
            self.adc is None
            and self.dac is None
            and self.reading_noise == 0.0
            and self.latency == 0.0
            and self.chain.ideal_control
        )

    @cached_property
    def prompt(self) -> bool:
        """Control follows from the present state alone, though perhaps not ideally."""
        return self.ideal or not self.clocked

    @cached_property
    def nominal(self) -> bool:
        """Ideal control of a circuit that is the datasheet's."""
        return self.ideal and self.chain.node.is_ideal

    @cached_property
    def bias(self) -> Bias:
        """What the grid does to the law of the samples, derived: `thermohw.control.bias`."""
        return bias_of(self.protocol, self.drive, self.stepper)(
            _arrays(self.protocol, self.schedule, self.stepper)
        )

    @property
    def reading_variance(self) -> float | NDArray[Any]:
        """Variance of a reading about the node's voltage, thermal units: the analog noise, and
        behind a converter LSB^2/12 of its steps.

        The second is exact in second moments only, and only where noise or motion in a tick exceed
        a step. Both are seen through the gain of the sensing stage.
        """
        return _reading_variance(self.chain, self.adc)

    @property
    def seconds(self) -> float:
        """Physical duration of a run."""
        return self.schedule.duration * self.protocol.device.scale.time


def make_plan(protocol: Protocol, *, refuse: bool = True) -> Plan:
    """Work a protocol out.

    Args:
        protocol: the settings.
        refuse: judge the grid; False for a run that was played already, by whatever rule.

    Raises:
        InputError: device and process do not fit, or the time grid is so coarse that the loop rings
            or the samples follow another law.
    """
    device, score, scale = protocol.device, protocol.score, protocol.device.scale
    drive = make_drive(device, protocol.process, wiring=protocol.wiring, theta=protocol.theta)
    stepper = protocol.stepper
    if stepper == "auto":
        stepper = "exact" if protocol.control == "clocked" else "splitting"

    build = _builder(protocol)
    schedule = build(_ticks(protocol, build))
    bias = None
    if refuse and not protocol.allow_ringing:
        bias = require_stable(
            schedule,
            _judge(protocol, drive, stepper),
            build,
            narrowest=score.narrowest,
            most=min(MOST_TICKS, max(_SEARCHED // score.dim, 4 * schedule.ticks)),
            unit=lambda: _unit_at_fault(protocol, schedule, stepper),
        )

    latency = _seconds(protocol.latency, "protocol.latency") / scale.time
    if latency >= schedule.duration:
        raise InputError(
            f"{protocol.latency!r}: no value would reach a source within the run of "
            f"{schedule.duration * scale.time:.3g} s; expected less",
            where="protocol.latency",
        )
    source_unit = ("V", scale.voltage) if protocol.wiring == "emf" else ("A", scale.current)
    widest, strongest = usual_ranges(protocol, drive, schedule)
    adc = make_converter(protocol.adc_bits, protocol.adc_range, "adc", ("V", scale.voltage), widest)
    dac = make_converter(protocol.dac_bits, protocol.dac_range, "dac", source_unit, strongest)
    chain = make_chain(protocol, adc=adc, dac=dac, latency=latency)
    seen = _read_at_level(protocol, drive, chain, adc) if protocol.filter == "tweedie" else score
    plan = Plan(
        protocol=protocol,
        drive=drive,
        schedule=schedule,
        timeline=make_timeline(schedule, latency),
        laws=Laws(drive, seen, schedule.model_time, boundary_heat(protocol, schedule, stepper)),
        middle_laws=Laws(drive, seen, middle_times(protocol, schedule), schedule.heating),
        adc=adc,
        dac=dac,
        reading_noise=chain.reading_noise,
        latency=latency,
        stepper=stepper,
        chain=chain,
    )
    if bias is not None:
        vars(plan)["bias"] = bias  # worked out already, and a long grid's takes a second
    return plan


def _reading_variance(chain: Chain, adc: Converter | None) -> float | NDArray[Any]:
    """Analog noise and steps of a reading, seen at the node; thermal units."""
    steps = 0.0 if adc is None else adc.lsb**2 / 12.0
    gain, variance = chain.sense.gain, chain.reading_noise**2 + steps
    return variance if np.all(gain == 1.0) else variance / np.square(gain)


def _read_at_level(
    protocol: Protocol, drive: ReverseDrive, chain: Chain, adc: Converter | None
) -> Score:
    """The protocol's score, asked about readings at the level of all the noise in them."""
    if not (isinstance(drive.state, float) and isinstance(drive.score, float)):
        raise InputError(
            "'tweedie' needs uncoupled nodes of equal R, C and T: use 'kalman' or 'none'",
            where="protocol.filter",
        )
    from thermohw.score.reading import ReadingScore  # torch, which no refusal needs

    variance = float(_reading_variance(chain, adc)) * protocol.theta
    pull = drive.state * variance / (drive.score * protocol.theta**0.5)
    return ReadingScore(protocol.score, variance, pull)


def _builder(protocol: Protocol) -> Callable[[int], Schedule]:
    """Number of ticks -> the protocol's grid of so many."""
    run_time = None
    if protocol.run_time is not None:
        seconds = quantity(protocol.run_time, "s", "protocol.run_time")
        run_time = seconds / protocol.device.scale.time

    def build(ticks: int) -> Schedule:
        return make_schedule(
            protocol.process,
            protocol.theta,
            ticks,
            grid=protocol.chosen_grid,
            narrowest=protocol.score.narrowest,
            realisation=protocol.realisation,
            run_time=run_time,
        )

    return build


def _judge(
    protocol: Protocol, drive: ReverseDrive, stepper: str
) -> Callable[[Schedule], Judgement]:
    """Grid -> whether it rings, and what it does to the law of the samples."""
    narrow, bias = narrow_loop(protocol, drive, stepper), bias_of(protocol, drive, stepper)

    def judge(schedule: Schedule) -> Judgement:
        ticks = _arrays(protocol, schedule, stepper)
        margins = stability_margins(narrow, ticks)
        worst = int(np.argmax(margins))
        if not margins[worst] < 1.0:
            return Judgement(float(margins[worst]), worst, None)
        return Judgement(float(margins[worst]), worst, bias(ticks))

    return judge


def _arrays(protocol: Protocol, schedule: Schedule, stepper: str) -> Ticks:
    """A schedule as the loop reads it."""
    return Ticks(
        protocol.process,
        schedule,
        ends=boundary_heat(protocol, schedule, stepper),
        middles=middle_times(protocol, schedule) if stepper == "splitting" else None,
    )


def _unit_at_fault(protocol: Protocol, schedule: Schedule, stepper: str) -> str | None:
    """What is wrong with volts_per_unit, where as many ticks would do at its default; else None."""
    if protocol.volts_per_unit is None:
        return None
    process, theta = protocol.process, protocol.theta
    if isinstance(process, Relaxation):  # made for this V0: the same circuit at the thermal voltage
        process = replace(process, B2=process.B2 / theta)
        if isinstance(process, Langevin):
            process = replace(process, momentum=process.momentum / theta)
    usual = replace(protocol, process=process, volts_per_unit=None)
    try:
        drive = make_drive(usual.device, process, wiring=usual.wiring, theta=usual.theta)
        grid = _builder(usual)(schedule.ticks)
        if not _judge(usual, drive, stepper)(grid).fine:
            return None
    except InputError:
        return None
    longest = float(schedule.relaxations.max())
    return (
        f"volts_per_unit = {protocol.v0:.3g} V, {protocol.v0 / usual.v0:.3g} times its default, is "
        f"at fault: a tick lasts up to {longest:.3g} RC and as many would do at the default"
    )


def middle_times(protocol: Protocol, schedule: Schedule) -> NDArray[Any]:
    """Model times at which half of every tick's diffusion is done."""
    process = protocol.process
    rate = protocol.theta if process.isotropic else 1.0
    start = process.diffusion_time(process.duration)
    ends = schedule.physical_time
    if protocol.realisation != "clock":
        ends = np.append(0.0, np.cumsum(schedule.relaxations * schedule.temperatures))
    middles = 0.5 * (ends[:-1] + ends[1:])
    return np.array([process.model_time(start - rate * float(s)) for s in middles])


def boundary_heat(protocol: Protocol, schedule: Schedule, stepper: str) -> NDArray[Any] | None:
    """T/T_ref for the laws at tick boundaries, shape (N + 1,); None where it does not vary.

    A law that is held, or that starts an Euler step, goes with the tick that it starts; one that a
    smooth source passes through has the temperature of that moment.
    """
    held = schedule.heating
    if held is None:
        return None
    if stepper in ("exact", "euler"):
        return np.append(held, held[-1])
    pace = schedule.duration / float(schedule.model_time[0] - schedule.model_time[-1])
    strength = [float(protocol.process.diffusion(float(t))) for t in schedule.model_time]
    return np.array(strength) / (2.0 * protocol.theta * pace)


def _ticks(protocol: Protocol, build: Callable[[int], Schedule]) -> int:
    ticks, where = protocol.ticks, "protocol.ticks"
    if ticks is None:
        assert protocol.clock is not None
        rate, where = quantity(protocol.clock, "Hz", "protocol.clock"), "protocol.clock"
        seconds = build(1).duration * protocol.device.scale.time
        ticks = max(1, ceil(rate * seconds - 1e-9))
    ticks = whole(ticks, 1, where)
    if ticks > MOST_TICKS:
        raise InputError(
            f"{ticks}: more than {MOST_TICKS} ticks, each with a control law of its own",
            where=where,
        )
    return ticks


def _seconds(value: str | float | None, where: str) -> float:
    return 0.0 if value is None or value == 0.0 else quantity(value, "s", where)
