"""Everything that can be wrong with a SPEC and is known without a tensor.

Importing torch takes longer than reading a datasheet, assembling its circuit and checking every
setting against it, so all of that comes first: a slip is told in a fraction of the time. What is
left to find out later needs numbers of the run itself: a score that does not exist, a plan that
cannot be kept, weights that do not fit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from thermohw.circuit import langevin, load_device, relaxation, require_linear
from thermohw.control.plan import make_plan
from thermohw.control.protocol import Protocol, quantity
from thermohw.errors import InputError
from thermohw.intake import MOST_WEIGHTS, finite, read_bytes
from thermohw.process import Langevin, process_from_dict
from thermohw.program.schedule import Program
from thermohw.solver.evolve import Evolve
from thermohw.target import lift, target_from_dict
from thermohw.units import parse

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.control.keys import ProtocolKeys
    from thermohw.pipeline.spec import ScoreTable, Spec
    from thermohw.process import Process
    from thermohw.target import Target

__all__ = [
    "Admitted",
    "admit",
    "admit_settings",
    "admit_unscored",
    "evolve_of",
    "prior_kind",
    "program_of",
    "stop_of",
]


class Admitted(NamedTuple):
    """What a SPEC with a [protocol] describes, but for the score.

    Attributes:
        device: the circuit.
        process: the forward process.
        target: the data, in all coordinates of the process.
        settings: of the protocol.
        scale: of the score.
    """

    device: LinearDevice
    process: Process
    target: Target
    settings: dict[str, Any]
    scale: float


@dataclass(frozen=True)
class _Expected:
    """As much of a score as a protocol and its plan ask about before it is played."""

    process: Process
    dim: int
    exact: bool = False
    narrowest: float = 1.0
    target: Target | None = None


def admit(spec: Spec) -> Admitted:
    """Read a SPEC of a score.

    Raises:
        InputError: naming the key at fault.
    """
    device, process, settings, scale = admit_settings(spec)
    try:
        target = _target(spec, device, process)
        exact = spec.tables.score.kind == "exact"
        expected: Any = _Expected(process, target.dim, exact, target.narrowest, target)
        # Whether its ticks are fine enough is left to those who play, who ask it of the real score.
        make_plan(Protocol(device, process, expected, **settings), refuse=False)
    except InputError as error:
        raise InputError(str(error), where=spec.where) from error
    return Admitted(device, process, target, settings, scale)


def admit_settings(spec: Spec) -> tuple[LinearDevice, Process, dict[str, Any], float]:
    """Device, process, settings and scale of `Admitted`: all but the target, which may be a data
    set of many files, and takes its time.

    Raises:
        InputError: naming the key at fault.
    """
    keys = spec.tables.protocol
    if keys is None:
        problem = f"is a [{spec.kind}], which plays no score; this asks for a [protocol]"
        raise InputError(problem, where=spec.where)
    try:
        return _settings(spec, keys)
    except InputError as error:
        raise InputError(str(error), where=spec.where) from error


def admit_unscored(spec: Spec) -> Any:
    """Read a SPEC that plays no score: its device, on which all its entries have been tried.

    Raises:
        InputError: naming the key at fault, or the table that suits the device.
    """
    device = _device(spec)
    if spec.kind not in device.kinds:
        right = " or ".join(f"[{kind}]" for kind in device.kinds)
        raise InputError(
            f"device.name = {device.name!r}: [{spec.kind}] cannot play it; {right} can "
            f"(in Python {device.runs_with})"
        )
    {"program": _try_program, "jumps": _try_jumps, "evolve": _try_evolve}[spec.kind](device, spec)
    return device


def program_of(spec: Spec) -> Program | None:
    """The schedules of a [program]; None where it leaves the circuit alone."""
    table = spec.tables.program
    assert table is not None
    schedule: Any = {key: [tuple(p) for p in pairs] for key, pairs in table.schedule.items()}
    return Program(schedule) if schedule else None


def evolve_of(device: Any, spec: Spec) -> Evolve:
    """What [evolve] asks for."""
    table = spec.tables.evolve
    assert table is not None
    return Evolve(device, **table.model_dump(exclude_none=True))


def _try_program(device: Any, spec: Spec) -> None:
    from thermohw.program.grid import run_length
    from thermohw.program.knobs import Knobs

    table, program = spec.tables.program, program_of(spec)
    assert table is not None
    if program is not None:
        Knobs(device, program)
    if device.datasheet is None or not device.datasheet.noises:
        run_length(program, table.duration)
    elif program is None and table.duration is not None:  # sources of noise have words of their own
        parse(table.duration, "s", "duration")


def _try_jumps(device: Any, spec: Spec) -> None:
    from thermohw.jumps.asked import work_out

    table = spec.tables.jumps
    assert table is not None
    work_out(
        device, table.duration, samples=table.samples, stop=stop_of(spec), method=table.method,
        step=table.step, approximate=table.approximate,
    )  # fmt: skip


def stop_of(spec: Spec) -> tuple[dict[str, float], str] | None:
    """Where [jumps] ends a path early."""
    assert spec.tables.jumps is not None
    stop = spec.tables.jumps.stop
    return None if stop is None else (stop.nodes, stop.level)


def _try_evolve(device: Any, spec: Spec) -> None:
    evolve_of(device, spec).check()


def prior_kind(spec: Spec) -> str:
    """process.prior, "schedule" by default."""
    kind = spec.tables.process.get("prior", "schedule")
    if kind not in ("schedule", "matched"):
        raise InputError(f"{kind!r}: expected 'schedule' or 'matched'", where="process.prior")
    return str(kind)


def _device(spec: Spec) -> Any:
    given = spec.tables.device
    return load_device(str(given["name"]), {k: v for k, v in given.items() if k != "name"} or None)


def _settings(
    spec: Spec, keys: ProtocolKeys
) -> tuple[LinearDevice, Process, dict[str, Any], float]:
    tables = spec.tables
    device = _device(spec)
    require_linear(device, "device.name")
    process = _process(tables.process, device, keys)
    prior_kind(spec)
    _check_score(tables.score)
    scale = finite(tables.score.scale, "score.scale")
    settings: Any = asdict(keys)
    coordinates = device.dim if isinstance(process, Langevin) else len(device.nodes)
    expected: Any = _Expected(process, coordinates)
    assert Protocol(device, process, expected, **settings).v0
    return device, process, settings, scale


def _target(spec: Spec, device: LinearDevice, process: Process) -> Target:
    """The data in all coordinates of the process."""
    target = target_from_dict(spec.tables.target)
    room, what = len(device.nodes), "nodes"
    if isinstance(process, Langevin):
        room, what = len(process.positions), "coordinates for data"
    if target.dim != room:
        raise InputError(
            f"target.kind = {target.kind!r} has {target.dim} dimensions, device.name = "
            f"{device.name!r} has "
            f"{room} {what}: they must agree"
        )
    return lift(target, process)


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


def _check_score(table: ScoreTable) -> None:
    """Refuse keys that the kind of score has no use for, and a weights file that is not there."""
    if table.kind != "network":
        for key in ("architecture", "steps"):
            if getattr(table, key) is not None:
                raise InputError("only a network score is trained", where=f"score.{key}")
    if table.kind == "file":
        if table.path is None:
            raise InputError("kind = 'file' needs the path of a weights file", where="score.path")
        read_bytes(table.path, MOST_WEIGHTS, "weights file")
