"""The keys of a protocol that describe imperfections, stage by stage, and which stage they are of.

The chain has one declared order, that of a signal on its way from the node and back:

    sense -> ADC -> delay -> score -> DAC -> hold -> amplifier -> node

All keys are flat entries of a protocol; whatever is left out is ideal. The equations stand with the
stages (`thermohw.control.chain`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

from thermohw.datasheet.fields import (
    Amount,
    Amounts,
    Factor,
    Factors,
    Natural,
    NotNegative,
    Record,
)
from thermohw.errors import InputError

__all__ = ["ORDER", "STAGES", "Imperfections", "describe_keys"]

STAGES: dict[str, tuple[str, ...]] = {
    "sense": ("sense_offset", "sense_gain", "reading_noise", "filter"),
    "adc": ("adc_bits", "adc_range", "adc_enob", "adc_jitter"),
    "delay": ("latency",),
    "score": ("control_gain", "score_noise"),
    "dac": ("dac_bits", "dac_range", "dac_inl", "dac_dnl", "dac_seed", "dac_settling"),
    "hold": ("hold_droop",),
    "amplifier": ("amplifier_offset", "amplifier_gain", "amplifier_swing", "amplifier_shape",
                  "amplifier_pole", "amplifier_slew"),
    "node": ("node_resistance", "node_capacitance", "node_temperature", "node_leakage"),
}  # fmt: skip
"""Stage -> the protocol keys that belong to it, in the chain's order."""

ORDER = tuple(STAGES)

_CLOCKED = (
    *("adc_enob", "adc_jitter", "score_noise", "dac_inl", "dac_dnl", "dac_seed", "dac_settling"),
    *("hold_droop", "amplifier_slew"),
)
_NEEDS = {
    **dict.fromkeys(("adc_enob",), "adc_bits"),
    **dict.fromkeys(("dac_inl", "dac_dnl"), "dac_bits"),
    "dac_seed": "dac_dnl",
    "amplifier_shape": "amplifier_swing",
}
_MEMORY = ("dac_settling", "hold_droop", "amplifier_pole", "amplifier_slew")
_NODES_ONLY = ("sense_offset", "sense_gain", "adc_enob", "adc_jitter", "amplifier_pole",
               "amplifier_slew", "hold_droop", "dac_settling", "node_leakage")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Imperfections(Record):
    """Keys of a protocol beyond converters, reading noise and latency; None is ideal.

    Quantities are strings with units, or (not in a file) floats in SI. "Each" marks keys that take
    one value for all or a list with one value for every node (source, resistor).

    Attributes:
        sense_offset: volts added to every reading; each.
        sense_gain: what a reading is multiplied by; each.
        adc_enob: effective number of bits: the converter's own noise.
        adc_jitter: standard deviation of the sampling instant, second.
        control_gain: what the wanted source value is multiplied by; each.
        score_noise: standard deviation of the score's own noise at every evaluation, model units.
        dac_inl: peak of the converter's smooth nonlinearity, LSB.
        dac_dnl: standard deviation of the step between neighbouring codes, LSB.
        dac_seed: which converter, for its steps.
        dac_settling: time constant of the converter's output, second.
        hold_droop: time constant with which a held value decays, second.
        amplifier_offset: added to the source value, volt (emf) or ampere (current); each.
        amplifier_gain: open-loop gain A0 of the follower that drives a source.
        amplifier_swing: largest source value, volt or ampere.
        amplifier_shape: "hard" (clipped) or "tanh".
        amplifier_pole: closed-loop bandwidth of the follower, hertz.
        amplifier_slew: largest rate of change of a source, V/s (emf) or A/s (current).
        node_resistance: the board's resistances over the datasheet's; each.
        node_capacitance: its capacitances over the datasheet's; each.
        node_temperature: its bath temperatures over the datasheet's; each.
        node_leakage: a leak from every node to ground, ohm, at the temperature of the reference.
        allow_ringing: run a grid that is too coarse for the narrowest mode all the same.
    """

    sense_offset: Amounts | None = None
    sense_gain: Factors | None = None
    adc_enob: Factor | None = None
    adc_jitter: Amount | None = None
    control_gain: Factors | None = None
    score_noise: NotNegative | None = None
    dac_inl: float | None = None
    dac_dnl: NotNegative | None = None
    dac_seed: Natural | None = None
    dac_settling: Amount | None = None
    hold_droop: Amount | None = None
    amplifier_offset: Amounts | None = None
    amplifier_gain: Factor | None = None
    amplifier_swing: Amount | None = None
    amplifier_shape: str | None = None
    amplifier_pole: Amount | None = None
    amplifier_slew: Amount | None = None
    node_resistance: Factors | None = None
    node_capacitance: Factors | None = None
    node_temperature: Factors | None = None
    node_leakage: Amount | None = None
    allow_ringing: bool | None = None

    def ideal(self, *stages: str) -> Self:
        """The same protocol with some stages of the chain ideal; without names, all of them.

        Args:
            stages: names out of `thermohw.control.chain.ORDER`, such as "adc".

        Raises:
            InputError: no such stage.
        """
        for name in stages:
            if name not in STAGES:
                raise InputError(f"{name!r}: expected one of {', '.join(ORDER)}", where="ideal")
        keys = [key for name in stages or ORDER for key in STAGES[name]]
        defaults = {f.name: f.default for f in fields(self)}
        return replace(self, **{key: defaults[key] for key in keys})

    @property
    def imperfect(self) -> tuple[str, ...]:
        """Names of the stages that are not ideal, in the chain's order."""
        defaults = {f.name: f.default for f in fields(self)}
        return tuple(
            name
            for name, keys in STAGES.items()
            if any(getattr(self, key) != defaults[key] for key in keys)
        )

    def check_chain(self, *, clocked: bool, inductors: bool) -> None:
        """Refuse keys that do not go together.

        Args:
            clocked: whether control is held between ticks.
            inductors: whether the process has inductor currents among its coordinates.

        Raises:
            InputError: naming the key.
        """
        given = [f.name for f in fields(Imperfections) if getattr(self, f.name) is not None]
        for name in given:
            if not clocked and name in _CLOCKED:
                raise InputError(
                    "needs control = 'clocked': a continuous controller has no ticks",
                    where=f"protocol.{name}",
                )
            if inductors and name in _NODES_ONLY:
                raise InputError(
                    "is not modelled for circuits with inductors: leave it out",
                    where=f"protocol.{name}",
                )
            needed = _NEEDS.get(name)
            if needed is not None and getattr(self, needed) is None:
                raise InputError(f"needs {needed}", where=f"protocol.{name}")
        if getattr(self, "realisation", "clock") != "clock":
            for name in given:
                if name in _MEMORY or name == "node_leakage":
                    raise InputError(
                        "is modelled for realisation = 'clock' alone: leave one of the two out",
                        where=f"protocol.{name}",
                    )
        knows = ("sense", "adc", "hold", "amplifier", "node", "dac")
        if getattr(self, "filter", "none") == "kalman":
            for name in given:
                if name.startswith(tuple(f"{stage}_" for stage in knows)):
                    raise InputError(
                        "filter = 'kalman' assumes readings and circuit as the datasheet has them; "
                        "use filter = 'none' with it",
                        where=f"protocol.{name}",
                    )
        if getattr(self, "filter", "none") == "tweedie":
            for name in ("sense_gain", "sense_offset"):
                if name in given:
                    raise InputError(
                        "filter = 'tweedie' takes a reading for the node's voltage and noise: "
                        "leave one of the two out",
                        where=f"protocol.{name}",
                    )


def describe_keys(protocol: Imperfections) -> list[str]:
    """What is set beyond converters, reading noise and latency, in words."""
    names = [f.name for f in fields(Imperfections) if getattr(protocol, f.name) is not None]
    names = ["a grid_too coarse" if name == "allow_ringing" else name for name in names]
    return [name.replace("_", " ", 1).replace("adc", "ADC").replace("dac", "DAC") for name in names]
