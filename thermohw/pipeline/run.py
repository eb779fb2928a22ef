"""The main job: SPEC in, one complete run file out.

A path that cannot be used is refused before any work. Training keeps a checkpoint beside the
output, NAME.training, so that an interrupted run resumes there too. It is read on request only: one
that lies there unasked for may be anybody's, and is neither used nor overwritten. It goes when the
run is complete, and when the training diverges, which it would do again.

Whoever plays and trains imports torch, so they are imported once everything is admitted that can be
(`thermohw.pipeline.admit`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from thermohw.errors import InputError, StoreError
from thermohw.store import RunReader, check_new

if TYPE_CHECKING:
    from thermohw.pipeline.admit import Admitted
    from thermohw.pipeline.record import Run
    from thermohw.pipeline.spec import Spec

__all__ = ["run_spec"]


def run_spec(
    spec: Spec,
    out: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    workers: int | None = None,
) -> Run:
    """Run a SPEC into a file.

    Args:
        spec: the validated SPEC.
        out: run file to write.
        resume: continue an unfinished file of the same spec, extend a finished one to more paths,
            or start it if it does not exist.
        progress: show progress bars.
        workers: threads that play; see `simulate`.

    Raises:
        InputError: a key is refused, the path exists or cannot be written, the disk is too small,
            a checkpoint lies there that nobody asked for, or the run diverges.
    """
    out = Path(out)
    if spec.tables.sweep is not None:
        raise InputError(
            "the SPEC has a [sweep] table: it describes many runs, not one", where=spec.where
        )
    longer = False
    if resume and out.exists():
        longer = _extends(out, spec)
    else:
        check_new(out)
    if spec.kind != "protocol":
        return _run_unscored(spec, out, resume=resume, progress=progress, workers=workers)
    checkpoint = out.with_name(out.name + ".training")
    if not resume and os.path.lexists(checkpoint):
        raise InputError(
            "the checkpoint of an interrupted training lies here: continue that run with --resume, "
            "or delete this file to start anew",
            where=str(checkpoint),
        )
    from thermohw.pipeline.admit import admit

    return _run_scored(
        spec, admit(spec), out, checkpoint,
        resume=resume, longer=longer, progress=progress, workers=workers,
    )  # fmt: skip


def _run_scored(
    spec: Spec,
    admitted: Admitted,
    out: Path,
    checkpoint: Path,
    *,
    resume: bool,
    longer: bool,
    progress: bool,
    workers: int | None,
) -> Run:
    from thermohw.pipeline.admit import prior_kind
    from thermohw.pipeline.build import build_setting
    from thermohw.pipeline.record import Run
    from thermohw.pipeline.simulate import simulate

    trains = spec.tables.score.kind == "network"
    try:
        if trains and longer:  # its score is in the file
            setting = Run.open(out).setting
        else:
            setting = build_setting(
                spec, admitted=admitted, checkpoint=checkpoint, progress=progress
            )
    except FloatingPointError as error:
        checkpoint.unlink(missing_ok=True)
        raise InputError(f"{error}: take a smaller learning rate", where=spec.where) from error
    tables = spec.tables
    with _of(spec):
        run = simulate(
            setting.protocol,
            paths=tables.simulate.paths,
            seed=tables.simulate.seed,
            store=out,
            start=tables.simulate.start,
            target=setting.target,
            prior=prior_kind(spec),
            dtype=tables.simulate.dtype,
            every=tables.store.every,
            keep=tables.store.keep,
            test=tables.likelihood.test,
            probes=tables.likelihood.probes,
            tolerance=tables.likelihood.tolerance,
            moments=tables.likelihood.steps,
            solver=tables.likelihood.solver,
            twin=tables.likelihood.twin,
            twins=tables.audit.twins,
            spec=spec.canonical,
            parameters={"source": spec.text},
            resume=resume,
            progress=progress,
            workers=workers,
        )
    if trains and not longer:
        checkpoint.unlink(missing_ok=True)
    return run


def _run_unscored(
    spec: Spec, out: Path, *, resume: bool, progress: bool, workers: int | None
) -> Run:
    from thermohw.pipeline.admit import admit_unscored

    tables = spec.tables
    with _of(spec):
        device = admit_unscored(spec)
        from thermohw.pipeline.build import build_unscored
        from thermohw.pipeline.simulate import simulate

        return simulate(
            build_unscored(spec, device),
            paths=tables.simulate.paths,
            seed=tables.simulate.seed,
            store=out,
            every=tables.store.every,
            keep=tables.store.keep,
            spec=spec.canonical,
            parameters={"source": spec.text},
            resume=resume,
            progress=progress,
            workers=workers,
        )


@contextmanager
def _of(spec: Spec) -> Iterator[None]:
    """What a SPEC asks for and cannot have names the SPEC; a file's own mistakes name the file."""
    try:
        yield
    except StoreError:
        raise
    except InputError as error:
        raise InputError(str(error), where=spec.where) from error


def _extends(out: Path, spec: Spec) -> bool:
    """Whether a SPEC asks for more paths of the finished run at `out`; refuses other SPECs."""
    from thermohw.run.extend import extends
    from thermohw.run.setting import differences

    with RunReader.open(out, partial=True) as run:
        keys = list(differences(run.parameters["spec"], spec.canonical))
        if keys and keys != ["simulate.paths"]:
            raise StoreError(
                f"was made from another spec ({', '.join(keys[:4])} differ): resume it with its "
                "own spec and options, or choose another name",
                where=str(out),
            )
        if not keys and run.finished:
            raise StoreError("is complete: there is nothing to resume", where=str(out))
    return extends(out, spec.canonical, spec.tables.simulate.paths)
