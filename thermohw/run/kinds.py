"""Kinds of stored runs: how a file says which it is, and how its setting comes back to life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thermohw.run.setting import describe, readable, rebuild
from thermohw.worlds.active import EvolveWorld, describe_evolve, rebuild_evolve
from thermohw.worlds.driven import DrivenWorld, describe_drive, rebuild_drive
from thermohw.worlds.jumps import JumpsWorld, describe_jumps, rebuild_jumps
from thermohw.worlds.played import PlayedWorld

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["describe_any", "kind_of", "rebuild_any"]

_REBUILD = {
    DrivenWorld.kind: rebuild_drive,
    JumpsWorld.kind: rebuild_jumps,
    EvolveWorld.kind: rebuild_evolve,
}

_DESCRIBE: dict[str, Any] = {
    "Setting": describe,
    "Drive": describe_drive,
    "Jumps": describe_jumps,
    "Evolve": describe_evolve,
}


def describe_any(setting: Any) -> dict[str, Any]:
    """The inverse of `rebuild_any`, but for units and the like.

    Raises:
        InputError: of something that no text describes.
    """
    return _DESCRIBE[type(setting).__name__](setting)


def kind_of(parameters: Mapping[str, Any]) -> str:
    """The kind of a run by its /parameters; files without one are a score's."""
    return str(parameters.get("kind", PlayedWorld.kind))


def rebuild_any(parameters: Mapping[str, Any], *, where: str = "") -> Any:
    """What was run, from a file's /parameters: a `Setting`, a `Drive`, `Jumps` or `Evolve`.

    Raises:
        InputError: something the run needs is missing from the file, or refused.
    """
    kind = kind_of(parameters)
    if kind == PlayedWorld.kind:
        return rebuild(parameters, where=where)
    with readable(where):
        return _REBUILD[kind](parameters)
