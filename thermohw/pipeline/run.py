"""The main job: SPEC in, one complete run file out.

A path that cannot be used is refused before any work. Training keeps a checkpoint beside the
output, NAME.training, so that an interrupted run resumes there too. It is read on request only: one
that lies there unasked for may be anybody's, and is neither used nor overwritten. It goes when the
run is complete, and when the training diverges, which it would do again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermohw.errors import InputError, StoreError
from thermohw.intake import parse_json
from thermohw.pipeline.build import build_setting, build_unscored, prior_kind
from thermohw.pipeline.record import Run
from thermohw.pipeline.simulate import simulate
from thermohw.store import RunReader, check_new, content_hash

if TYPE_CHECKING:
    from thermohw.pipeline.spec import Spec

__all__ = ["run_spec"]


def run_spec(spec: Spec, out: str | Path, *, resume: bool = False, progress: bool = True) -> Run:
    """Run a SPEC into a file.

    Args:
        spec: the validated SPEC.
        out: run file to write.
        resume: continue an unfinished file of the same spec, or start it if it does not exist.
        progress: show progress bars.

    Raises:
        InputError: a key is refused, the path exists or cannot be written, the disk is too small,
            a checkpoint lies there that nobody asked for, or the run diverges.
    """
    out = Path(out)
    if spec.tables.sweep is not None:
        raise InputError(
            "the SPEC has a [sweep] table: it describes many runs, not one", where=spec.where
        )
    if resume and out.exists():
        _require_same(out, spec)
    else:
        check_new(out)
    if spec.kind != "protocol":
        return _run_unscored(spec, out, resume=resume, progress=progress)
    checkpoint = out.with_name(out.name + ".training")
    if not resume and os.path.lexists(checkpoint):
        raise InputError(
            "the checkpoint of an interrupted training lies here: continue that run with --resume, "
            "or delete this file to start anew",
            where=str(checkpoint),
        )
    trains = spec.tables.score.kind == "network"
    try:
        setting = build_setting(spec, checkpoint=checkpoint, progress=progress)
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
            test=tables.likelihood.test,
            probes=tables.likelihood.probes,
            tolerance=tables.likelihood.tolerance,
            moments=tables.likelihood.steps,
            solver=tables.likelihood.solver,
            twins=tables.audit.twins,
            spec=spec.canonical,
            parameters={"source": spec.text},
            resume=resume,
            progress=progress,
        )
    if trains:
        checkpoint.unlink(missing_ok=True)
    return run


def _run_unscored(spec: Spec, out: Path, *, resume: bool, progress: bool) -> Run:
    tables = spec.tables
    with _of(spec):
        return simulate(
            build_unscored(spec),
            paths=tables.simulate.paths,
            seed=tables.simulate.seed,
            store=out,
            every=tables.store.every,
            spec=spec.canonical,
            parameters={"source": spec.text},
            resume=resume,
            progress=progress,
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


def _require_same(out: Path, spec: Spec) -> None:
    with RunReader.open(out, partial=True) as run:
        if run.spec_hash != content_hash(spec.canonical):
            keys = ", ".join(_differences(parse_json(run.parameters["spec"]), spec)) or "its form"
            raise StoreError(
                f"was made from another spec ({keys} differ): resume it with its own spec and "
                "options, or choose another name",
                where=str(out),
            )
        if run.finished:
            raise StoreError("is complete: there is nothing to resume", where=str(out))


def _differences(stored: dict[str, Any], spec: Spec) -> list[str]:
    """Dotted keys of the entries that differ, the first few."""
    now = json.loads(spec.canonical)
    pairs = [
        (f"{table}.{key}", (then or {}).get(key), (now.get(table) or {}).get(key))
        for table, then in stored.items()
        if isinstance(then, dict) and isinstance(now.get(table), dict)
        for key in sorted({*then, *now[table]})
    ]
    return [name for name, then, new in pairs if then != new][:4]
