"""The keys of [protocol] that describe imperfections; their values are checked by `Protocol`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["Each", "ImperfectionKeys", "Quantity"]


def _with_unit(entry: Any) -> Any:
    if isinstance(entry, int | float) and not isinstance(entry, bool) and entry != 0:
        raise ValueError(f"value without unit: {entry!r}; expected text such as '10 uV' or '5 ns'")
    return entry


Quantity = Annotated[str | float, BeforeValidator(_with_unit)]
Ratio = Annotated[float, Field(gt=0)]
Each = Quantity | list[Quantity]
Factors = Ratio | list[Ratio]


class ImperfectionKeys(BaseModel):
    """Stages of the chain, sense to node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sense_offset: Each | None = None
    sense_gain: Factors | None = None
    adc_enob: Ratio | None = None
    adc_jitter: Quantity | None = None
    control_gain: Factors | None = None
    score_noise: Annotated[float, Field(ge=0)] | None = None
    dac_inl: float | None = None
    dac_dnl: Annotated[float, Field(ge=0)] | None = None
    dac_seed: Annotated[int, Field(strict=True, ge=0)] | None = None
    dac_settling: Quantity | None = None
    hold_droop: Quantity | None = None
    amplifier_offset: Each | None = None
    amplifier_gain: Ratio | None = None
    amplifier_swing: Quantity | None = None
    amplifier_shape: str | None = None
    amplifier_pole: Quantity | None = None
    amplifier_slew: Quantity | None = None
    node_resistance: Factors | None = None
    node_capacitance: Factors | None = None
    node_temperature: Factors | None = None
    node_leakage: Quantity | None = None
    allow_ringing: bool | None = None
