"""From a SPEC's tables to the objects of a run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermohw.circuit import (
    LinearDevice,
    langevin,
    load_device,
    relaxation,
    require_linear,
)
from thermohw.control import Protocol, make_plan
from thermohw.control.protocol import quantity
from thermohw.errors import InputError
from thermohw.intake import finite
from thermohw.jumps import Jumps
from thermohw.pipeline.terms import require_likelihood
from thermohw.process import Langevin, process_from_dict
from thermohw.program import Drive, Program
from thermohw.run.setting import Setting
from thermohw.score import Score
from thermohw.solver import Evolve
from thermohw.target import lift, target_from_dict

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.control.protocol import ProtocolKeys
    from thermohw.pipeline.spec import ScoreTable, Spec
    from thermohw.process import Process
    from thermohw.score import Field
    from thermohw.target import Target

__all__ = ["build_setting", "build_unscored", "prior_kind"]


def build_setting(spec: Spec, *, checkpoint: Path | None = None, progress: bool = True) -> Setting:
    """Everything that a SPEC describes, a trained score included.

    Args:
        spec: the validated file.
        checkpoint: where an interrupted training keeps its state.
        progress: show a bar while training.

    Raises:
        InputError: naming the key at fault.
    """
    if spec.tables.protocol is None:
        problem = f"is a [{spec.kind}], which plays no score; this asks for a [protocol]"
        raise InputError(problem, where=spec.where)
    try:
        return _build(spec, checkpoint, progress)
    except InputError as error:
        raise InputError(str(error), where=spec.where) from error


def build_unscored(spec: Spec) -> Drive | Jumps | Evolve:
    """What a SPEC's [program] or [jumps] describes.

    Raises:
        InputError: naming the key at fault, or the table that suits the device.
    """
    device: Any = _device(spec)
    if spec.kind not in device.kinds:
        right = " or ".join(f"[{kind}]" for kind in device.kinds)
        raise InputError(
            f"device.name = {device.name!r}: [{spec.kind}] cannot play it; {right} can "
            f"(in Python {device.runs_with})"
        )
    return {"program": _drive, "jumps": _jumps, "evolve": _evolve}[spec.kind](device, spec)


def _drive(device: Any, spec: Spec) -> Drive:
    table = spec.tables.program
    assert table is not None
    schedule: Any = {key: [tuple(p) for p in pairs] for key, pairs in table.schedule.items()}
    return Drive(
        device,
        Program(schedule) if schedule else None,
        duration=table.duration,
        ticks=table.ticks,
        start=table.start,
        stepper=table.stepper,
        path_ratio=table.path_ratio,
    )


def _jumps(device: Any, spec: Spec) -> Jumps:
    table = spec.tables.jumps
    assert table is not None
    stop = table.stop
    return Jumps(
        device,
        table.duration,
        start=table.start,
        samples=table.samples,
        stop=None if stop is None else (stop.nodes, stop.level),
        method=table.method,
        step=table.step,
        approximate=table.approximate,
        most=table.most,
    )


def _evolve(device: Any, spec: Spec) -> Evolve:
    table = spec.tables.evolve
    assert table is not None
    return Evolve(device, **table.model_dump(exclude_none=True))


def _device(spec: Spec) -> Any:
    given = spec.tables.device
    return load_device(str(given["name"]), {k: v for k, v in given.items() if k != "name"} or None)


def _build(spec: Spec, checkpoint: Path | None, progress: bool) -> Setting:
    tables = spec.tables
    assert tables.protocol is not None
    device = _device(spec)
    require_linear(device, "device.name")
    target = target_from_dict(tables.target)
    process = _process(tables.process, device, tables.protocol)
    room, what = len(device.nodes), "nodes"
    if isinstance(process, Langevin):
        room, what = len(process.positions), "coordinates for data"
    if target.dim != room:
        raise InputError(
            f"target.kind = {target.kind!r} has {target.dim} dimensions, device.name = "
            f"{device.name!r} has "
            f"{room} {what}: they must agree"
        )
    target = lift(target, process)
    settings: Any = asdict(tables.protocol)
    if tables.score.kind == "network":  # slips are told before the training, not after
        wanted = tables.likelihood
        require_likelihood(target, test=wanted.test, solver=wanted.solver, moments=wanted.steps)
        prior_kind(spec)
        make_plan(Protocol(device, process, _Untrained(process, target), **settings))
    score = _score(tables.score, target, process, checkpoint=checkpoint, progress=progress)
    scaled = score.scaled(finite(tables.score.scale, "score.scale"))
    return Setting(Protocol(device, process, scaled, **settings), target)


class _Untrained(Score):
    """What is known of a score before its training: enough to work a plan out, and to refuse it."""

    def __init__(self, process: Process, target: Target) -> None:
        self.process, self.dim = process, target.dim
        self.target, self.narrowest = target, target.narrowest

    def at(self, t: float) -> Field:
        """Nothing yet."""
        raise AssertionError(f"an untrained score was asked for its value at t = {t:g}")


def prior_kind(spec: Spec) -> str:
    """process.prior, "schedule" by default."""
    kind = spec.tables.process.get("prior", "schedule")
    if kind not in ("schedule", "matched"):
        raise InputError(f"{kind!r}: expected 'schedule' or 'matched'", where="process.prior")
    return str(kind)


def _process(table: dict[str, Any], device: LinearDevice, protocol: ProtocolKeys) -> Process:
    given = {key: value for key, value in table.items() if key != "prior"}
    kind = given.get("kind")
    if kind not in ("relaxation", "langevin"):
        return process_from_dict(given)
    takes = ["duration", "t_min"] + ["data", "momentum"] * (kind == "langevin")
    unknown = set(given) - {"kind", *takes}
    if unknown:
        raise InputError(
            f"unknown key for {kind}; it takes {', '.join(takes)}",
            where=f"process.{min(unknown)}",
        )
    v0 = protocol.volts_per_unit
    if kind == "langevin":
        return langevin(
            device,
            finite(given.get("duration", 10.0), "process.duration"),
            t_min=finite(given.get("t_min", 0.0), "process.t_min"),
            data=given.get("data"),
            momentum=finite(given.get("momentum", 1.0), "process.momentum"),
            volts_per_unit=None if v0 is None else quantity(v0, "V", "protocol.volts_per_unit"),
        )
    return relaxation(
        device,
        finite(given.get("duration", 5.0), "process.duration"),
        t_min=finite(given.get("t_min", 0.0), "process.t_min"),
        volts_per_unit=None if v0 is None else quantity(v0, "V", "protocol.volts_per_unit"),
    )


def _score(
    table: ScoreTable, target: Target, process: Process, *, checkpoint: Path | None, progress: bool
) -> Score:
    if table.kind != "network":
        for key in ("architecture", "steps"):
            if getattr(table, key) is not None:
                raise InputError("only a network score is trained", where=f"score.{key}")
    if table.kind == "exact":
        return target.score(process)
    if table.kind == "file":
        from thermohw.score.weights import load_score

        if table.path is None:
            raise InputError("kind = 'file' needs the path of a weights file", where="score.path")
        return load_score(table.path, process)
    from thermohw.score.training import fit_score

    options: dict[str, Any] = {}
    if table.steps is not None:
        options["steps"] = table.steps
    if table.architecture is not None:
        options["architecture"] = table.architecture
    return fit_score(
        target, process, seed=table.seed, checkpoint=checkpoint, progress=progress, **options
    )
