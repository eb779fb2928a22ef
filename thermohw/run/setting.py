"""A stored run brought back to life: device, target, process, score and protocol from the file
alone.

Everything a run needs is inside its file, verbatim and hashed, so an audit years later needs no
other file and no network. `describe` is the other direction: what the pipeline writes under
/parameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control import Protocol
from thermohw.errors import InputError
from thermohw.intake import parse_json
from thermohw.process import process_from_dict
from thermohw.target.registry import stored_target
from thermohw.worlds.devices import describe_device, rebuild_device

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.process import Process
    from thermohw.score import Score
    from thermohw.target import Target

__all__ = ["Setting", "describe", "differences", "readable", "rebuild"]

_OBJECTS = ("device", "process", "score")
# What values of a wrong kind or size raise in those who expect right ones.
_UNREADABLE = (TypeError, ValueError, ArithmeticError, AttributeError, LookupError, AssertionError,
               RecursionError)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Setting:
    """The objects of one run.

    Attributes:
        protocol: with device, process and score in it.
        target: the data; None for a run of a score alone.
    """

    protocol: Protocol
    target: Target | None

    @property
    def scale(self) -> float:
        """What the score was multiplied by."""
        return float(getattr(self.score, "factor", 1.0))

    @property
    def kind(self) -> str:
        """What the score is before it was multiplied: "exact" or "network"."""
        return "exact" if getattr(self.score, "base", self.score).exact else "network"

    @property
    def device(self) -> LinearDevice:
        """The circuit that ran."""
        return self.protocol.board

    @property
    def process(self) -> Process:
        """The forward process."""
        return self.protocol.process

    @property
    def score(self) -> Score:
        """The score that drove the run, scale included."""
        return self.protocol.score


def describe(setting: Setting) -> dict[str, Any]:
    """The setting as a tree of texts, numbers, bytes and arrays, for /parameters."""
    protocol, sheet = setting.protocol, describe_device(setting.device)
    settings = {
        f.name: getattr(protocol, f.name) for f in fields(protocol) if f.name not in _OBJECTS
    }
    base = getattr(setting.score, "base", setting.score)
    tree: dict[str, Any] = {
        "datasheet": sheet,
        "process": json.dumps(setting.process.to_dict()),
        "protocol": json.dumps(settings),
        "score": {"kind": setting.kind, "scale": setting.scale},
    }
    if not base.exact:
        from thermohw.score.weights import score_to_bytes

        tree["score"]["weights"] = score_to_bytes(base)
    elif base.target is not None and base.target is not setting.target:
        tree["score"]["target"] = _describe_target(base.target)
    if setting.target is not None:
        tree["target"] = _describe_target(setting.target)
    return tree


def _describe_target(target: Target) -> dict[str, Any]:
    arrays = dict(target.arrays())
    definition = {"definition": json.dumps(target.to_dict())}
    return definition | ({"arrays": arrays} if arrays else {})


def _target(stored: Mapping[str, Any]) -> Target:
    return stored_target(parse_json(stored["definition"], "target"), stored.get("arrays"))


def rebuild(parameters: Mapping[str, Any], *, where: str = "") -> Setting:
    """The inverse of `describe`.

    Raises:
        InputError: something the run needs is missing from the file.
    """
    with readable(where):
        device: Any = rebuild_device(parameters["datasheet"])
        process = process_from_dict(parse_json(parameters["process"], "process"))
        target = _target(parameters["target"]) if "target" in parameters else None
        scale = float(parameters["score"]["scale"])
        score = _score(parameters["score"], process, target)
        settings = parse_json(parameters["protocol"], "protocol")
        return Setting(Protocol(device, process, score.scaled(scale), **settings), target)


@contextmanager
def readable(where: str) -> Iterator[None]:
    """What is wrong with stored settings is one line that names the file.

    Raises:
        InputError: settings are missing, refused or no settings at all.
    """
    try:
        yield
    except KeyError as error:
        problem = f"lacks {error}: it was not written by a thermohw run"
        raise InputError(problem, where=where) from error
    except InputError as error:
        raise InputError(f"holds settings that are refused ({error})", where=where) from error
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        problem = f"holds settings that cannot be read ({reason}): it is damaged or too new"
        raise InputError(problem, where=where) from error


def _score(stored: Mapping[str, Any], process: Process, target: Target | None) -> Score:
    if stored["kind"] == "exact":
        if "target" in stored:
            target = _target(stored["target"])  # the score belongs to another law than the data's
        if target is None:
            raise KeyError("target")
        return target.score(process)
    from thermohw.score.weights import score_from_bytes

    return score_from_bytes(stored["weights"], process)


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Dotted names of the entries in which two trees differ; a JSON text is a tree as well."""
    one, other = _opened(one), _opened(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            yield from differences(one.get(name), other.get(name), f"{place}.{name}".lstrip("."))
    elif isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        if not np.array_equal(np.asarray(one), np.asarray(other)):
            yield place
    elif one != other:
        yield place


def _opened(value: Any) -> Any:
    try:
        return parse_json(value) if isinstance(value, str) else value
    except InputError:
        return value
