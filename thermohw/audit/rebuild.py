"""A stored run brought back to life: device, target, process, score and protocol from the file alone.

Everything a run needs is inside its file, verbatim and hashed, so an audit years later needs no other file and no network. `describe` is
the other direction: what the pipeline writes under /parameters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from thermohw.circuit import LinearDevice, build_device
from thermohw.control import Protocol
from thermohw.datasheet import read_datasheet
from thermohw.errors import InputError
from thermohw.process import process_from_dict
from thermohw.target import target_from_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thermohw.process import Process
    from thermohw.score import Score
    from thermohw.target import Target

__all__ = ["Setting", "describe", "rebuild"]

_OBJECTS = ("device", "process", "score")


@dataclass(frozen=True, eq=False)
class Setting:
    """The objects of one run.

    Attributes:
        protocol: with device, process and score in it.
        target: the data; None for a run of a score alone.
        scale: what the score was multiplied by.
    """

    protocol: Protocol
    target: Target | None
    scale: float = 1.0

    @property
    def device(self) -> LinearDevice:
        """The circuit."""
        return self.protocol.device

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
    protocol, sheet = setting.protocol, setting.device.datasheet
    if sheet is None:
        raise InputError("only devices loaded from a datasheet can be stored", where="store")
    settings = {f.name: getattr(protocol, f.name) for f in fields(protocol) if f.name not in _OBJECTS}
    base = getattr(setting.score, "base", setting.score) if setting.scale != 1.0 else setting.score
    exact = bool(base.exact)
    tree: dict[str, Any] = {
        "datasheet": {
            "text": sheet.text,
            "name": sheet.name,
            "overrides": json.dumps(sheet.overrides, sort_keys=True),
            "content_hash": sheet.content_hash,
        },
        "process": json.dumps(setting.process.to_dict()),
        "protocol": json.dumps(settings),
        "score": {"kind": "exact" if exact else "network", "scale": float(setting.scale)},
    }
    if not exact:
        from thermohw.score.weights import score_to_bytes

        tree["score"]["weights"] = score_to_bytes(base)
    if setting.target is not None:
        tree["target"] = {"definition": json.dumps(setting.target.to_dict())}
        arrays = setting.target.arrays()
        if arrays:
            tree["target"]["arrays"] = dict(arrays)
    return tree


def rebuild(parameters: Mapping[str, Any], *, where: str = "") -> Setting:
    """The inverse of `describe`.

    Raises:
        InputError: something the run needs is missing from the file.
    """
    try:
        sheet = parameters["datasheet"]
        device = build_device(
            read_datasheet(sheet["text"], sheet["name"], json.loads(sheet["overrides"]) or None)
        )
        process = process_from_dict(json.loads(parameters["process"]))
        target = None
        if "target" in parameters:
            stored = parameters["target"]
            target = target_from_dict(json.loads(stored["definition"]), stored.get("arrays"))
        scale = float(parameters["score"]["scale"])
        if parameters["score"]["kind"] == "exact":
            assert target is not None
            score: Score = target.score(process)
        else:
            from thermohw.score.weights import score_from_bytes

            score = score_from_bytes(parameters["score"]["weights"])
        settings = json.loads(parameters["protocol"])
    except KeyError as error:
        raise InputError(f"the run file lacks {error}: it was not written by thermohw", where=where) from error
    return Setting(Protocol(device, process, score.scaled(scale), **settings), target, scale)
