"""One imperfection at a time: what each does to the samples and to the work of both wirings.

Every row changes a few keys of one protocol and is run with the same seed, so that rows that draw
equally many numbers share their noise path by path. The difference of a row to the protocol as it
stands is a mean of paired differences and has their standard error, far below those of the two
means where the noise is shared, never wrong where it is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermohw.control import Protocol
from thermohw.datasheet.fields import did_you_mean
from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.pipeline import Spec, load_spec
from thermohw.pipeline.build import build_setting, prior_kind
from thermohw.tolerance.measure import Metric, Outcome, measure
from thermohw.tolerance.rows import Row, standard_rows

if TYPE_CHECKING:
    from thermohw.target import Target

__all__ = ["Sensitivity", "SensitivityRow", "sensitivity", "subject"]


@dataclass(frozen=True)
class SensitivityRow:
    """A row measured.

    Attributes:
        row: its name and what it changes.
        quality: distance of the samples, data units.
        work: wiring -> mean work, kT.
        quality_change: against the first row.
        work_change: wiring -> paired difference to the first row, kT.
        refused: why there are no numbers; "" where there are.
    """

    row: Row
    quality: Metric | None = None
    work: dict[str, Metric] = field(default_factory=dict)
    quality_change: Metric | None = None
    work_change: dict[str, Metric] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True)
class Sensitivity:
    """The table, first row the protocol as it stands.

    Attributes:
        rows: measured rows.
        paths: samples a row.
        seed: of the noise.
        quality: name of the distance.
    """

    rows: tuple[SensitivityRow, ...]
    paths: int
    seed: int
    quality: str

    def to_json(self) -> str:
        """The table as JSON, format thermohw-sensitivity/1."""
        rows = [
            {
                "name": r.row.name,
                "changes": dict(r.row.changes),
                "refused": r.refused or None,
                "quality": r.quality and r.quality._asdict(),
                "quality_change": r.quality_change and r.quality_change._asdict(),
                "work": {k: m._asdict() for k, m in r.work.items()},
                "work_change": {k: m._asdict() for k, m in r.work_change.items()},
            }
            for r in self.rows
        ]
        head = {"format": "thermohw-sensitivity/1", "paths": self.paths, "seed": self.seed}
        return json.dumps({**head, "quality": self.quality, "rows": rows}, indent=1)

    def __str__(self) -> str:
        wirings = list(self.rows[0].work)
        head = f"{'':<34}{self.quality:<20}" + "".join(
            f"{f'work {w} [kT]':<20}{'change':<20}" for w in wirings
        )
        lines = [f"{self.paths} paths a row, seed {self.seed}; +- standard errors", head.rstrip()]
        for r in self.rows:
            if r.refused:
                lines.append(f"{r.row.name:<34}refused: {r.refused}")
                continue
            cells = [_text(r.quality)]
            for w in wirings:
                cells += [_text(r.work.get(w)), _text(r.work_change.get(w), sign=True)]
            lines.append(f"{r.row.name:<34}" + "".join(f"{cell:<20}" for cell in cells).rstrip())
        return "\n".join(lines)


def _text(metric: Metric | None, *, sign: bool = False) -> str:
    if metric is None:
        return ""
    plus = "+" if sign else ""
    return f"{metric.value:{plus}.4f} +- {metric.stderr:.2g}"


def subject(source: Protocol | Spec | str | Path, target: Target | None) -> tuple[Any, ...]:
    """(protocol, target, start, prior, dtype) of a protocol, a SPEC or its name."""
    if isinstance(source, Protocol):
        return source, target, None, "schedule", "float32"
    spec = source if isinstance(source, Spec) else load_spec(source)
    setting = build_setting(spec, progress=False)
    start = spec.tables.simulate.start
    # Not the SPEC's float64: theorem runs draw more numbers, which would break the pairing of rows.
    return setting.protocol, setting.target, start, prior_kind(spec), "float32"


def sensitivity(
    source: Protocol | Spec | str | Path,
    rows: Sequence[Row] | Mapping[str, Mapping[str, Any]] | None = None,
    *,
    paths: int = 20000,
    seed: int = 0,
    wirings: Sequence[str] = ("emf", "current"),
    target: Target | None = None,
) -> Sensitivity:
    """Measure a protocol as it stands and with one thing changed at a time.

    Args:
        source: a protocol, a SPEC, or a SPEC's name or path.
        rows: what to change, name -> protocol keys; None for `standard_rows`. Sizes of sources
            (swing, offset, slew, DAC range) given as floats are volts and count as the same drift
            under current wiring (`Row`); text with a unit fits one wiring only.
        paths: samples a row and wiring.
        seed: of the noise, the same for all rows.
        wirings: which of "emf" and "current".
        target: the data of a protocol; default its score's own.

    Raises:
        InputError: the protocol itself is refused. A row that is refused says why in the table.
    """
    protocol, target, start, prior, dtype = subject(source, target)
    if rows is None:
        rows = standard_rows(protocol)
    elif isinstance(rows, Mapping):
        rows = [Row(name, changes) for name, changes in rows.items()]
    known = {f.name for f in fields(protocol)} - {"device", "process", "score"}
    for row in rows:
        unknown = sorted(set(row.changes) - known)
        if unknown:
            hint = did_you_mean(unknown[0], sorted(known))
            raise InputError(
                f"unknown protocol key '{unknown[0]}'; {hint}", where=f"row {row.name}"
            )
    options: dict[str, Any] = dict(
        paths=paths, seed=seed, target=target, start=start, prior=prior, dtype=dtype
    )

    def run(row: Row) -> dict[str, Outcome]:
        return {
            wiring: measure(
                replace(protocol, wiring=wiring, **row.for_wiring(wiring, protocol)), **options
            )
            for wiring in wirings
        }

    first = run(Row("as it stands", {}))
    table = [_row(Row("as it stands", {}), first, None)]
    for row in rows:
        try:
            table.append(_row(row, run(row), first))
        except InputError as error:
            table.append(SensitivityRow(row, refused=str(error)))
    name = next(n for n in first[wirings[0]].metrics if n.startswith("quality."))
    return Sensitivity(tuple(table), paths, seed, name)


def _row(row: Row, found: dict[str, Outcome], first: dict[str, Outcome] | None) -> SensitivityRow:
    quality = next(iter(found.values())).quality
    work = {w: o.metrics[f"work.{w}.kT"] for w, o in found.items()}
    if first is None:
        return SensitivityRow(row, quality, work)
    before = next(iter(first.values())).quality
    change = Metric(*(quality.estimate - before.estimate))
    paired = {}
    for wiring, outcome in found.items():
        name = f"work.{wiring}"
        paired[wiring] = Metric(*Estimate.paired(outcome.paths[name], first[wiring].paths[name]))
    return SensitivityRow(row, quality, work, change, paired)
