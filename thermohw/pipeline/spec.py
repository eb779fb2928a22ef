"""The run SPEC: a TOML file that says everything about one run.

One table says of which kind the run is: [protocol], a score plays a circuit, with target, process,
score, likelihood and audit beside it; [program], a circuit is led through schedules of its
parameters or left alone; [jumps], electrons jump through nonlinear conductors; [evolve], a circuit
with amplifiers runs, or a board of them solves or inverts. Tables of all: device, simulate, store
(and sweep, which belongs to sweeps). Tables that describe objects with their own constructors
(device, target, process, the schedules of a program) are checked by those; the rest is checked
here. Whatever is wrong is one line: file, key, value, what was expected. A
resolved spec has one canonical text, whose hash tells whether an unfinished run may be resumed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import StrictBool, ValidationError, field_validator, model_validator

from thermohw.control.keys import ProtocolKeys
from thermohw.datasheet.fields import SURPLUS, Count, Factor, Natural, Record, Table, entries
from thermohw.errors import InputError
from thermohw.intake import MOST_SPEC, parse_toml, parse_value, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["FORMAT", "Spec", "load_spec", "read_spec", "spec_names"]

FORMAT = "thermohw-run/1"

_KINDS = ("protocol", "program", "jumps", "evolve")
_OF_SCORES = ("target", "process", "score", "likelihood", "audit")


class ScoreTable(Table):
    """[score]."""

    kind: Literal["exact", "network", "file"] = "exact"
    scale: float = 1.0
    architecture: dict[str, Any] | None = None
    steps: Count | None = None
    seed: Natural = 0
    path: str | None = None


class ProgramTable(Table):
    """[program]; schedules and times are checked by `Program` and `Drive`."""

    schedule: dict[str, list[tuple[str, str]]] = {}
    duration: str | None = None
    ticks: Count | None = None
    start: Literal["auto", "equilibrium", "steady", "zero"] = "auto"
    stepper: str | None = None
    path_ratio: bool = False

    @field_validator("schedule", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """n0.capacitance without quotes is a table in TOML."""
        return dict(_dotted(value)) if isinstance(value, dict) else value


class StopTable(Table):
    """[jumps.stop]: a path ends when the weighted sum of node voltages is not above the level."""

    nodes: dict[str, float]
    level: str = "0 V"


class JumpsTable(Table):
    """[jumps]; what the entries mean is checked by `Jumps`."""

    duration: str
    start: Literal["uncharged", "stationary"] | dict[str, str] = "uncharged"
    samples: Natural = 0
    stop: StopTable | None = None
    method: str = "exact"
    step: str | None = None
    approximate: bool = False
    most: Count = 2_000_000


class SystemTable(Table):
    """[evolve.invert]; what the entries mean is checked by `Evolve`."""

    matrix: list[list[float]]
    settling: str | None = None
    every: str | None = None
    noise: StrictBool | str | None = None
    ideal: StrictBool | list[str] | None = None
    mismatch: Natural | None = None
    volts: str | None = None


class EquationsTable(SystemTable):
    """[evolve.solve]."""

    rhs: list[float]


class EvolveTable(Table):
    """[evolve]; what the entries mean is checked by `Evolve`."""

    duration: str
    step: str | None = None
    sources: dict[str, str] | None = None
    start: Literal["rest", "steady"] = "rest"
    samples: Natural = 64
    solve: EquationsTable | None = None
    invert: SystemTable | None = None


def _dotted(tree: dict[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{place}{name}.")
        else:
            yield place + name, value


class SimulateTable(Table):
    """[simulate]."""

    paths: Count = 4096
    seed: Natural = 0
    start: Literal["marginal", "prior", "state"] | None = None
    dtype: Literal["float32", "float64"] = "float32"


class LikelihoodTable(Table):
    """[likelihood]; test = 0 leaves it out; twin is the number of Gaussians of a known law."""

    test: Natural = 256
    twin: Natural = 0
    probes: Natural = 0
    tolerance: Factor = 1e-5
    steps: Count | None = None
    solver: Literal["adaptive", "fixed"] = "adaptive"


class StoreTable(Table):
    """[store]; keep = "moments" keeps no paths, and saves no frames of them."""

    every: Natural = 8
    keep: Literal["paths", "moments"] = "paths"

    @model_validator(mode="before")
    @classmethod
    def _no_frames(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("keep") == "moments":
            every = given.get("every", 0)
            if every != 0:
                raise ValueError(
                    f"every = {every} saves frames of every path, which keep = 'moments' leaves "
                    "out: leave every out, or set it to 0"
                )
            return {**given, "every": 0}
        return given


class AuditTable(Table):
    """[audit]; twins = false leaves out what measures the bias of ticks and imperfections."""

    twins: bool = True


class SpecTable(Table):
    """A whole file."""

    format: Literal["thermohw-run/1"]
    device: dict[str, Any]
    target: dict[str, Any] = {}
    process: dict[str, Any] = {}
    score: ScoreTable = ScoreTable()
    protocol: ProtocolKeys | None = None
    program: ProgramTable | None = None
    jumps: JumpsTable | None = None
    evolve: EvolveTable | None = None
    simulate: SimulateTable = SimulateTable()
    likelihood: LikelihoodTable = LikelihoodTable()
    store: StoreTable = StoreTable()
    audit: AuditTable = AuditTable()
    sweep: dict[str, Any] | None = None


@dataclass(frozen=True)
class Spec:
    """A validated SPEC.

    Attributes:
        tables: its content.
        text: the file, verbatim ("" for a spec made in Python).
        where: the file's name, for messages.
    """

    tables: SpecTable
    text: str
    where: str

    @property
    def kind(self) -> str:
        """The table that says of which kind the run is."""
        return next(kind for kind in _KINDS if getattr(self.tables, kind) is not None)

    @property
    def canonical(self) -> str:
        """One text for one meaning: sorted JSON of everything that is set or defaulted.

        A table that came later than 0.1.0 counts where it says something, so that an unfinished
        run of before keeps its name.
        """
        tables = self.tables.model_dump(mode="json")
        if self.tables.audit == AuditTable():
            del tables["audit"]
        if not self.tables.likelihood.twin:
            del tables["likelihood"]["twin"]
        if self.tables.store.keep == "paths":
            del tables["store"]["keep"]
        other = [kind for kind in _KINDS if kind != self.kind]
        other += [] if self.kind == "protocol" else _OF_SCORES
        tables = {name: table for name, table in tables.items() if name not in other}
        return json.dumps(tables, sort_keys=True, indent=1)


def spec_names() -> list[str]:
    """Names of the specs that ship in experiments/."""
    folder = resources.files("thermohw.experiments")
    return sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".toml"))


def load_spec(source: str | Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> Spec:
    """Read a SPEC.

    Args:
        source: a path, or the name of a shipped spec ("mixture_rc").
        overrides: "a.b=c" texts with c in TOML (bare words are strings), or a mapping of dotted
            keys.

    Raises:
        InputError: no such file, not TOML, or a key or value that is refused.
    """
    path = Path(source)
    folder = resources.files("thermohw.experiments")
    shipped, study = folder / f"{source}.toml", folder / str(source) / "__init__.py"
    if os.path.exists(path) and not (path.is_dir() and (shipped.is_file() or study.is_file())):
        where, text = str(source), read_text(path, MOST_SPEC, "SPEC")
    elif shipped.is_file():
        where, text = f"experiments/{source}.toml", shipped.read_text(encoding="utf-8")
    elif study.is_file() and str(source) != "shared":
        problem = f"is a study, not the SPEC of one run: thermohw experiment run {source}"
        raise InputError(problem, where=str(source))
    else:
        raise InputError(
            f"no such file, and no shipped spec of that name; shipped: {', '.join(spec_names())}",
            where=str(source),
        )
    return read_spec(text, overrides, where=where)


def read_spec(
    text: str, overrides: Sequence[str] | Mapping[str, Any] = (), *, where: str = "spec"
) -> Spec:
    """Parse and validate a SPEC's text; see `load_spec`."""
    raw = parse_toml(text, where, most=MOST_SPEC)
    pairs = overrides.items() if hasattr(overrides, "items") else map(_parse_override, overrides)  # type: ignore[union-attr]
    for key, value in pairs:
        _put(raw, key, value)
    _require_tables(raw, where)
    try:
        tables = SpecTable.model_validate(raw)
    except ValidationError as error:
        raise InputError(_first(error), where=where) from error
    return Spec(tables, text, where)


def _parse_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{text!r}: expected key=value, e.g. protocol.ticks=1024", where="--set")
    return key.strip(), parse_value(value, "--set", most=MOST_SPEC)


def _put(raw: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a dotted key, or take it out; those in [device] keep their dots, which name elements."""
    table, _, rest = dotted.partition(".")
    if value == "none" and _take_out(raw, table, rest):
        return
    if not rest:
        raw[table] = value
        return
    node = raw.setdefault(table, {})
    *parents, last = [rest] if table == "device" else rest.split(".")
    for parent in parents:
        node = node.setdefault(parent, {}) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        place = ".".join([table, *parents])
        raise InputError(f"{dotted}: {place} is not a table", where="--set")
    node[last] = value


def _take_out(raw: dict[str, Any], table: str, rest: str) -> bool:
    """Take an entry or a whole table out of a SPEC; whether that is what "none" means here.

    An entry of the datasheet that the SPEC does not override is taken out of the datasheet, by an
    override that says so. A key that no SPEC has is left to be refused as any other.
    """
    if not rest:
        known = table in SpecTable.model_fields
        raw.pop(table, None)
        return known
    node: Any = raw.get(table, {})
    if table == "device":
        found = isinstance(node, dict) and node.pop(rest, None) is not None
        element, _, entry = rest.partition(".")
        nested = node.get(element) if isinstance(node, dict) else None
        if isinstance(nested, dict):  # as TOML nests r0.resistance
            found = nested.pop(entry, None) is not None or found
            if not nested:
                del node[element]
        return found
    *parents, last = rest.split(".")
    for parent in parents:
        node = node.get(parent) if isinstance(node, dict) else None
    if isinstance(node, dict) and last in node:
        del node[last]
        return True
    return not parents and last in _keys(table)


def _keys(table: str) -> list[str]:
    """Keys that a table of fixed shape may have."""
    if table not in SpecTable.model_fields:
        return []
    shape = _model(SpecTable.model_fields[table].annotation)
    return list(entries(shape)) if isinstance(shape, type) else []


def _model(annotation: Any) -> Any:
    """A table that may be missing is annotated as one or None."""
    kinds = [kind for kind in get_args(annotation) if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, Table | Record)]
    return kinds[0] if kinds else annotation


def _require_tables(raw: dict[str, Any], where: str) -> None:
    if raw.get("format") != FORMAT:
        raise InputError(f"format = {raw.get('format')!r}: expected {FORMAT!r}", where=where)
    there = [kind for kind in _KINDS if kind in raw]
    if len(there) > 1:
        both = " and ".join(f"[{kind}]" for kind in there)
        raise InputError(f"{both} describe runs of different kinds: leave one out", where=where)
    needed: tuple[str, ...] = ("device", "target", "process", "protocol")
    if there and there != ["protocol"]:
        kind = there[0]
        extra = [name for name in _OF_SCORES if name in raw]
        if extra:
            problem = f"[{extra[0]}] belongs to [protocol]: [{kind}] plays no score"
            raise InputError(problem, where=where)
        needed = ("device", kind)
        simulate = raw.get("simulate")
        for key, remedy in (("dtype", "is float64"), ("start", f"is {kind}.start")):
            if isinstance(simulate, dict) and key in simulate:
                problem = f"simulate.{key}: of [{kind}] it {remedy}; leave it out"
                raise InputError(problem, where=where)
    elif not there and not any(name in raw for name in _OF_SCORES):
        kinds = ", ".join(f"[{kind}]" for kind in _KINDS)
        raise InputError(f"one of the tables {kinds} is missing", where=where)
    for name in needed:
        if not isinstance(raw.get(name), dict):
            raise InputError(f"the table [{name}] is missing", where=where)
    for name, key in (("device", "name"), ("target", "kind"), ("process", "kind")):
        if name in needed and key not in raw[name]:
            raise InputError(f"{name}.{key} is missing", where=where)


def _first(error: ValidationError) -> str:
    """Pydantic's first complaint as one line."""
    found = error.errors()[0]
    parts = [str(part) for part in found["loc"]]
    key, value = ".".join(parts), found.get("input")
    if found["type"] in SURPLUS:
        known = _fields(parts[:-1])
        close = get_close_matches(parts[-1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if found["type"] == "missing":
        return f"{key} is missing"
    if found["type"] == "tuple_type":
        return f'{key} = {value!r}: expected [low, high], such as ["-1 mV", "1 mV"]'
    if found["type"] == "value_error":  # one of ours, complete as it is
        return f"{key}: {found['msg'].removeprefix('Value error, ')}"
    expected = found["msg"][0].lower() + found["msg"][1:]
    return f"{key} = {value!r}: {expected.replace('input should be', 'expected')}"


def _fields(path: list[str]) -> list[str]:
    model: Any = SpecTable
    for part in path:
        model = _model(model.model_fields[part].annotation)
    return list(entries(model))
