"""All price models by kind and name, and how one is made from what a person writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from thermohw.datasheet.fields import did_you_mean
from thermohw.errors import InputError
from thermohw.intake import finite
from thermohw.prices.adc import AdcBoard, AdcChip, AdcChipFast, AdcFrontier
from thermohw.prices.analog import AnalogInMemory
from thermohw.prices.dac import DacArray, DacBoard, DacSteering
from thermohw.prices.driver import DriverClassA, DriverOpAmp, DriverOta, DriverSwitched
from thermohw.prices.mac import MacBare, MacChip, MacFpga, MacGpu
from thermohw.prices.memory import MemoryDdr, MemoryGddr, MemoryHbm, MemoryLpddr, MemorySram
from thermohw.prices.model import PriceModel
from thermohw.prices.noise import NoiseDigital, NoiseThermal
from thermohw.prices.programming import ProgrammingZ1
from thermohw.units import amount, parse

__all__ = ["MODELS", "model", "read_model"]

_ALL: tuple[type[PriceModel], ...] = (
    AdcFrontier, AdcChip, AdcChipFast, AdcBoard,
    DacArray, DacSteering, DacBoard,
    MacBare, MacChip, MacGpu, MacFpga,
    MemorySram, MemoryHbm, MemoryGddr, MemoryLpddr, MemoryDdr,
    DriverOpAmp, DriverClassA, DriverSwitched, DriverOta,
    NoiseDigital, NoiseThermal,
    AnalogInMemory,
    ProgrammingZ1,
)  # fmt: skip
MODELS: dict[str, dict[str, type[PriceModel]]] = {}
"""Kind -> name -> model."""
for _model in _ALL:
    MODELS.setdefault(_model.kind, {})[_model.name] = _model

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKMG]?)i?B\s*")
_BYTES = {"": 1, "k": 1024, "K": 1024, "M": 1024**2, "G": 1024**3}


def model(kind: str, name: str, **settings: Any) -> PriceModel:
    """A price model with its settings.

        model("adc", "frontier").price(bits=8)
        model("memory", "sram", size="1 MB", node="7 nm").price()

    Args:
        kind: "adc", "dac", "mac", "memory", "driver", "noise", "analog" or "programming".
        name: of the model, a key of MODELS[kind].
        settings: text with units, or numbers in SI.

    Raises:
        InputError: no such kind, model or setting; a setting that is not one.
    """
    return read_model(kind, name, settings, bare=True)


def read_model(
    kind: str, name: Any, settings: Mapping[str, Any], *, bare: bool = False, where: str = ""
) -> PriceModel:
    """A price model from the entries of a table.

    Args:
        kind: of operation.
        name: of the model.
        settings: as they stand in the table.
        bare: whether a number without a unit is SI (in Python) or refused (in a file).
        where: file and table, for the error.

    Raises:
        InputError: see `model`.
    """
    if kind not in MODELS:
        raise InputError(f"no models of '{kind}'; {did_you_mean(kind, list(MODELS))}", where=where)
    known = MODELS[kind]
    if not isinstance(name, str) or name not in known:
        hint = did_you_mean(str(name), list(known))
        raise InputError(f"model: no model {name!r} of {kind}; {hint}", where=where)
    kinds = {item.name: item.metadata for item in fields(known[name])}
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in kinds:
            problem = f"{key}: model '{name}' has no such setting"
            hint = did_you_mean(key, list(kinds)) if kinds else "it has none"
            raise InputError(f"{problem}; {hint}", where=where)
        place = f"{where}.{key}" if where else f"{kind} '{name}': {key}"
        found[key] = _read(value, kinds[key]["unit"], kinds[key]["choices"], bare, place)
    return known[name](**found)


def _read(value: Any, unit: str, choices: tuple[str, ...], bare: bool, where: str) -> float | str:
    """A setting in SI, or one of its words."""
    if unit == "word":
        if value not in choices:
            raise InputError(f"{value!r}: expected one of {', '.join(choices)}", where=where)
        return value
    if unit == "B":
        number = float(value) if bare and isinstance(value, int | float) else _size(value, where)
    elif unit == "" and not isinstance(value, str):
        number = finite(value, where)
    else:
        number = amount(value, unit, where) if bare else parse(value, unit, where)
    if not 0.0 < number < float("inf"):
        raise InputError(f"must be positive: {value!r}", where=where)
    return number


def _size(value: Any, where: str) -> float:
    match = _SIZE.fullmatch(value[:40]) if isinstance(value, str) else None
    if match is None:
        raise InputError(f"{value!r}: expected a size of memory such as '1 MB'", where=where)
    return float(match[1]) * _BYTES[match[2]]
