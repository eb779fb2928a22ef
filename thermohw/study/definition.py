r"""What a study is: one question, its parameters, and the three functions that answer it.

    cells(p)                      the independent pieces of work, JSON-ready mappings
    compute(cell, tools)          one piece: name -> number, text or array
    conclude(p, results, sheet)   figures, tables, numbers, checks and findings

`compute` sees its cell and nothing else, `conclude` sees what is stored and nothing else. From that
follow the promises of a study: the number of workers and the order of the cells change nothing, a
stopped study goes on where it was, and figures are drawn again without computing anything.

Parameters have types, those of their defaults. A value from the shell is text and is read as that
type; a value from Python must be of it (whole numbers pass for floats).
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermohw.errors import InputError
from thermohw.intake import parse_json

if TYPE_CHECKING:
    from thermohw.study.results import Results
    from thermohw.study.sheet import Sheet
    from thermohw.study.tools import Tools

__all__ = ["Cell", "Parameters", "Study", "merge", "parse_settings"]

Cell = dict[str, Any]
"""One independent piece of work: text keys, JSON values."""
Parameters = dict[str, Any]
"""Those of a study, by name: numbers, texts, lists."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study, as its module's `STUDY`.

    Attributes:
        title: a few words.
        question: one sentence that ends with a question mark.
        parameters: defaults: numbers, texts, lists. `seed`, where there is one, seeds every stream.
        quick: what --quick changes; keys of `parameters`.
        cells: p -> cells.
        compute: (cell, tools) -> values; runs in a worker with one thread.
        conclude: (p, results, sheet); runs in the main process, in the figures' common style.
        units: name of a value -> its unit, for results.h5; "1" where nothing is said.
    """

    title: str
    question: str
    parameters: Mapping[str, Any]
    cells: Callable[[Parameters], Sequence[Cell]]
    compute: Callable[[Cell, Tools], Mapping[str, Any]]
    conclude: Callable[[Parameters, Results, Sheet], None]
    quick: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = {
            "title": str, "question": str, "parameters": Mapping, "quick": Mapping,
            "units": Mapping, "cells": Callable, "compute": Callable, "conclude": Callable,
        }  # fmt: skip
        for name, kind in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                expected = {str: "text", Mapping: "a mapping"}.get(kind, "a function")
                raise InputError(f"expected {expected}, got {value!r}", where=f"STUDY.{name}")
        names = [*self.parameters, *self.quick, *self.units, *self.units.values()]
        if not all(isinstance(name, str) and "\0" not in name for name in names):
            problem = "names of parameters and values, and units, are texts"
            raise InputError(problem, where=f"STUDY of {self.title!r}")

    def work(self, p: Mapping[str, Any]) -> list[Cell]:
        """The cells, checked: JSON-ready, each one different, at least one.

        Raises:
            InputError: they are not, or `cells` failed on these parameters.
        """
        try:
            rough = [dict(cell) for cell in self.cells(_copy(dict(p)))]
        except InputError:
            raise
        except Exception as error:  # a study of the user's, or parameters it cannot take
            raise InputError(
                f"cells failed on these parameters: {type(error).__name__}: {error}{_line(error)}",
                where=self.title,
            ) from error
        made = [_json_ready(cell) for cell in rough]
        if not made:
            raise InputError("these parameters leave nothing to compute", where=self.title)
        seen: set[str] = set()
        for cell in made:
            text = json.dumps(cell, sort_keys=True)
            if text in seen:
                raise InputError(f"two cells are the same: {text}", where=self.title)
            seen.add(text)
        return made


def _line(error: Exception) -> str:
    """Where it happened: the study's own line, the last one that is not a library's."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.name == "cells"]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _json_ready(cell: Cell) -> Cell:
    try:
        copy = json.loads(json.dumps(cell, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"a cell holds what JSON cannot ({error}): give plain numbers, texts, lists",
            where=f"cells() {cell!r}",
        ) from None
    if not all(isinstance(key, str) and "/" not in key and key for key in cell):
        raise InputError("keys must be texts without '/'", where=f"cells() {cell!r}")
    return copy


def parse_settings(study: Study, texts: Sequence[str]) -> Parameters:
    """Read "key=value" texts by the types of the defaults.

    Args:
        study: whose parameters they are.
        texts: such as "sigmas=10,15" or "sigmas=[10, 15]"; the last one of a key counts.

    Raises:
        InputError: no such key, or a value of another type.
    """
    given: Parameters = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InputError(f"{text!r}: expected key=value", where="--set")
        given[key] = _read(value.strip(), _default(study, key), f"--set {key}")
    return given


def merge(study: Study, given: Mapping[str, Any], *, quick: bool) -> Parameters:
    """The parameters of a run: defaults, then --quick, then what was given.

    Raises:
        InputError: a key that is no parameter, or a value of another type.
    """
    p = {}
    for key, value in study.parameters.items():
        p[key] = _plain(value, "the default ", key)
    for source, values in (("quick", study.quick if quick else {}), ("--set", given)):
        for key, value in values.items():
            where = f"{source} {key}"
            p[key] = _conform(_plain(value, "", where), _default(study, key, source), where)
    return p


def _default(study: Study, key: str, source: str = "--set") -> Any:
    if key not in study.parameters:
        known = ", ".join(study.parameters) or "none"
        raise InputError(f"unknown parameter {key!r}; known: {known}", where=source)
    return study.parameters[key]


def _plain(value: Any, what: str, where: str) -> Any:
    """A copy of a value that JSON can hold.

    Raises:
        InputError: it is of another kind, or a number that is none.
    """
    try:
        return _copy(value)
    except (TypeError, ValueError, RecursionError):
        kinds = "numbers, texts, true or false, and lists of them"
        raise InputError(f"{what}{value!r} is none of {kinds}", where=where) from None


def _copy(value: Any) -> Any:
    """Plain JSON, so that no run changes the defaults of the next, and tuples are lists."""
    return json.loads(json.dumps(value, allow_nan=False))


def _read(text: str, default: Any, where: str) -> Any:
    """A value from text, by the type of the default."""
    if isinstance(default, str):
        return text
    if isinstance(default, list | tuple) and not text.startswith("["):
        words = [word.strip() for word in text.split(",")] if text else []
        return [_read(word, _pattern(default, where), where) for word in words]
    if isinstance(default, float) or (isinstance(default, int) and not isinstance(default, bool)):
        return _number(text, default, where)
    try:
        value = parse_json(text)
    except InputError:
        raise _mismatch(text, default, where) from None
    return _conform(value, default, where)


def _number(text: str, default: float, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _mismatch(text, default, where) from None
    if not math.isfinite(value) or (isinstance(default, int) and not value.is_integer()):
        raise _mismatch(text, default, where)
    if isinstance(default, float):
        return value
    try:
        return int(text)
    except ValueError:  # such as 1e4
        return int(value)


def _conform(value: Any, default: Any, where: str) -> Any:
    """A value of the default's type, or an error; whole numbers become floats where floats are."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if default is None:
        return value
    if isinstance(default, float) and number:
        if not math.isfinite(value):
            raise _mismatch(value, default, where)
        return float(value)
    if isinstance(default, list | tuple) and isinstance(value, list):
        if not default or isinstance(_pattern(default, where), list | dict):
            return value
        return [_conform(item, _pattern(default, where), where) for item in value]
    if type(value) is not type(default):
        raise _mismatch(value, default, where)
    return value


def _pattern(default: Sequence[Any], where: str) -> Any:
    """An element that says of which type the elements of a list are: a float where any is one."""
    if not default:
        return ""
    floats = [item for item in default if isinstance(item, float)]
    return floats[0] if floats else default[0]


def _mismatch(value: Any, default: Any, where: str) -> InputError:
    if isinstance(default, bool):
        kind = "true or false"
    elif isinstance(default, int):
        kind = "a whole number"
    elif isinstance(default, float):
        kind = "a number"
    elif isinstance(default, str):
        kind = "text"
    elif isinstance(default, list | tuple):
        kind = 'a list such as "1,2" or "[1, 2]"'
    else:
        kind = "JSON"
    return InputError(f"{value!r}: expected {kind}, as the default {default!r}", where=where)
