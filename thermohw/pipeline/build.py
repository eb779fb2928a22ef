"""From an admitted SPEC to the objects of a run: its score, trained or read, and what plays it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermohw.control import Protocol, make_plan
from thermohw.errors import InputError
from thermohw.jumps import Jumps
from thermohw.pipeline.admit import (
    Admitted,
    admit,
    admit_unscored,
    evolve_of,
    prior_kind,
    program_of,
    stop_of,
)
from thermohw.pipeline.known_law import require_known_law
from thermohw.pipeline.terms import require_likelihood
from thermohw.program import Drive
from thermohw.run.setting import Setting
from thermohw.score import Score
from thermohw.solver import Evolve

if TYPE_CHECKING:
    from thermohw.pipeline.spec import ScoreTable, Spec
    from thermohw.process import Process
    from thermohw.score import Field
    from thermohw.target import Target

__all__ = ["build_setting", "build_unscored", "prior_kind"]


def build_setting(
    spec: Spec,
    *,
    admitted: Admitted | None = None,
    checkpoint: Path | None = None,
    progress: bool = True,
) -> Setting:
    """Everything that a SPEC describes, a trained score included.

    Args:
        spec: the validated file.
        admitted: what `admit` made of it; None asks it now.
        checkpoint: where an interrupted training keeps its state.
        progress: show a bar while training.

    Raises:
        InputError: naming the key at fault.
    """
    known = admit(spec) if admitted is None else admitted
    try:
        return _build(spec, known, checkpoint, progress)
    except InputError as error:
        raise InputError(str(error), where=spec.where) from error


def build_unscored(spec: Spec, device: Any = None) -> Drive | Jumps | Evolve:
    """What a SPEC's [program], [jumps] or [evolve] describes.

    Args:
        spec: the validated file.
        device: what `admit_unscored` made of it; None asks it now.

    Raises:
        InputError: naming the key at fault, or the table that suits the device.
    """
    device = admit_unscored(spec) if device is None else device
    return {"program": _drive, "jumps": _jumps, "evolve": evolve_of}[spec.kind](device, spec)


def _drive(device: Any, spec: Spec) -> Drive:
    table = spec.tables.program
    assert table is not None
    return Drive(
        device,
        program_of(spec),
        duration=table.duration,
        ticks=table.ticks,
        start=table.start,
        stepper=table.stepper,
        path_ratio=table.path_ratio,
    )


def _jumps(device: Any, spec: Spec) -> Jumps:
    table = spec.tables.jumps
    assert table is not None
    return Jumps(
        device,
        table.duration,
        start=table.start,
        samples=table.samples,
        stop=stop_of(spec),
        method=table.method,
        step=table.step,
        approximate=table.approximate,
        most=table.most,
    )


def _build(spec: Spec, known: Admitted, checkpoint: Path | None, progress: bool) -> Setting:
    tables, (device, process, target, settings, scale) = spec.tables, known
    if tables.score.kind == "network":  # slips are told before the training, not after
        wanted = tables.likelihood
        require_likelihood(target, test=wanted.test, solver=wanted.solver, moments=wanted.steps)
        if wanted.twin and wanted.test:
            require_known_law(target, wanted.twin)
        make_plan(Protocol(device, process, _Untrained(process, target), **settings))
    score = _score(tables.score, target, process, checkpoint=checkpoint, progress=progress)
    return Setting(Protocol(device, process, score.scaled(scale), **settings), target)


class _Untrained(Score):
    """What is known of a score before its training: enough to work a plan out, and to refuse it."""

    def __init__(self, process: Process, target: Target) -> None:
        self.process, self.dim = process, target.dim
        self.target, self.narrowest = target, target.narrowest

    def at(self, t: float) -> Field:
        """Nothing yet."""
        raise AssertionError(f"an untrained score was asked for its value at t = {t:g}")


def _score(
    table: ScoreTable, target: Target, process: Process, *, checkpoint: Path | None, progress: bool
) -> Score:
    if table.kind == "exact":
        return target.score(process)
    if table.kind == "file":
        from thermohw.score.weights import load_score

        assert table.path is not None  # admitted
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
